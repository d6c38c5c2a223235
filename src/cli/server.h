/*
 * A whole turnpike in one process: store, vault, engine, links, listeners, and in a sandbox the
 * simulators. `serve` runs one until a signal comes, `demo` runs one in a temporary folder.
 *
 * Threads: the HTTP threads, the engine's loop, the login worker, housekeeping (checkpoints,
 * merchants that have changed), and the simulated host.
 */
#ifndef TURNPIKE_CLI_SERVER_H
#define TURNPIKE_CLI_SERVER_H

#include "cli/config.h"

struct server;

struct server_hooks {
    /* Told about every message of every acquirer link, on the engine's thread; NULL: nobody. */
    void (*trace)(void *self, const char *link, bool outgoing, const struct iso_message *m);
    void *self;
};

/*
 * Starts everything; the configuration must have passed config_check and may be wiped afterwards.
 * NULL with a sentence in why.
 */
struct server *server_start(
    const struct config *config, const struct server_hooks *hooks, char *why, size_t why_size);

/* "http://127.0.0.1:8080" */
const char *server_url(const struct server *s);
const char *server_admin_url(const struct server *s);

/* The store's URL, for commands that read beside the server. */
const char *server_db(const struct server *s);

/* Finishes what is in flight for at most the configured seconds, then ends everything. */
void server_stop(struct server *s);

#endif
