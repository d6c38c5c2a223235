/*
 * The Genome gateway API: POST /api/cc and GET /help/cc (spec/genome.md §4, §8).
 */
#ifndef TURNPIKE_API_GENOME_GENOME_H
#define TURNPIKE_API_GENOME_GENOME_H

#include "engine/engine.h"
#include "http/http.h"
#include "vault/login.h"

struct genome {
    struct engine *engine;
    struct merchant_book *merchants;
    struct login_book *logins;
    struct vault *vault; /* opens private keys for signature login */
    struct clock *clock;
    struct store **readers; /* one STORE_READ connection per HTTP thread, by http_thread_index() */
};

/* Appends the face's routes to routes[room]; returns how many. g must outlive the server. */
size_t genome_routes(struct genome *g, struct http_route *routes, size_t room);

#endif
