/*
 * The data directory: database, key ring, the host's journal, and who serves it.
 *
 *   turnpike.db     SQLite, unless another database is named
 *   keyring         the vault's keys, mode 0600
 *   host.journal    what the sandbox's host has done
 *   lock            held (flock) by the process that serves the directory
 *   admin           the address of that process's admin listener, for `turnpike clock`, `keys` and the like
 */
#ifndef TURNPIKE_CLI_DATADIR_H
#define TURNPIKE_CLI_DATADIR_H

#include "cli/config.h"

enum { DATA_PATH_MAX = 1200 };

struct datadir {
    char db[DATA_PATH_MAX]; /* for store_open */
    char keyring[DATA_PATH_MAX], journal[DATA_PATH_MAX], lock[DATA_PATH_MAX], admin[DATA_PATH_MAX];
};

/* Names the files; touches nothing. */
void datadir_paths(const struct config *c, struct datadir *out);

/* Makes the directory (mode 0700) when it is not there. */
bool datadir_make(const struct config *c, char *why, size_t why_size);

/*
 * Takes the lock; the descriptor, or -1 with a sentence: somebody else serves it. Closing it gives
 * the lock back.
 */
int datadir_lock(const struct datadir *d, char *why, size_t why_size);

/* Writes and removes the file with the admin address. */
bool datadir_announce(const struct datadir *d, const char *admin_url, char *why, size_t why_size);
void datadir_withdraw(const struct datadir *d);

/* The admin address of the process that serves it; false when nobody does. */
bool datadir_serving(const struct datadir *d, char *url, size_t url_size);

#endif
