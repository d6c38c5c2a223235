/*
 * The admin listener: health, metrics, and what an operator may ask of a running server.
 *
 *   GET  /healthz                 200 while the process lives
 *   GET  /readyz                  200 while payments can be taken: the store writes, a link is up; else 503 and why
 *   GET  /metrics                 Prometheus text
 *   POST /keys/rotate             a new card key; every card is sealed under it, while serving
 *   GET  /keys                    newest key, keys in the ring, whether re-sealing goes on
 *   GET  /sandbox/clock           the business time             (sandbox only, like all below)
 *   POST /sandbox/clock           {"advance_ms":86400000}
 *   POST /sandbox/host/faults     {"fault":"silent_booked","count":1,...} (sandbox/host.h)
 *   GET  /sandbox/host/position?reference=...
 *
 * It listens on the loopback by default and knows no passwords. A POST must be application/json, so
 * that no web page can send one.
 */
#ifndef TURNPIKE_CLI_ADMIN_H
#define TURNPIKE_CLI_ADMIN_H

#include "engine/engine.h"
#include "http/http.h"
#include "sandbox/host.h"

struct admin {
    struct engine *engine;
    struct vault *vault;
    const char *keyring_path;
    struct clock *clock;
    struct store *
        settings; /* a connection of its own, for the clock's offset; used under lock by this listener */
    struct host_server *host; /* NULL outside the sandbox */
    bool sandbox;
};

enum { ADMIN_ROUTES = 8 };

/*
 * Fills routes; a must outlive the server. The admin listener must run with one thread. Returns how
 * many.
 */
size_t admin_routes(struct admin *a, struct http_route routes[ADMIN_ROUTES]);

#endif
