/*
 * What the server's own files share. Nobody outside src/http includes it.
 *
 * A worker is one libmicrohttpd daemon with one epoll thread. Everything of a request but
 * http_resume happens on its worker's thread, so requests are kept for reuse without a lock.
 */
#ifndef TURNPIKE_HTTP_SERVER_H
#define TURNPIKE_HTTP_SERVER_H

#include "http/door.h"
#include "http/route.h"
#include "http/traffic.h"

#include <microhttpd.h>
#include <stdalign.h>

enum { WORKER_RANDOM = 512, CACHE_LINE = 64 };

struct request;

struct http_worker {
    alignas(CACHE_LINE) struct http_server *server;
    struct MHD_Daemon *daemon;
    unsigned index;
    struct request *spare; /* finished requests with their memory */
    unsigned n_spare;
    unsigned char
        random[WORKER_RANDOM]; /* for request ids, so that the system is asked once for many */
    size_t random_left;
    _Atomic unsigned taken, answered; /* written by this thread only */
};

struct http_server {
    struct http_limits limits;
    struct route_table routes;
    struct door *door;
    struct traffic *traffic;
    _Atomic bool quiesced;
    _Atomic unsigned resuming; /* threads inside http_resume */
    unsigned next_worker;      /* of the door's thread */
    unsigned n_workers;
    struct http_worker *workers;
};

/* libmicrohttpd's callbacks; cls is the worker. */
void *request_begin(void *cls, const char *target, struct MHD_Connection *c);
enum MHD_Result request_go_on(void *cls, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *data, size_t *data_size, void **request);
void request_end(
    void *cls, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode how);

/* Gives the worker's spare requests back to the system. */
void request_free_spares(struct http_worker *w);

#endif
