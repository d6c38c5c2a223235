/*
 * The HTTP server, on libmicrohttpd: one epoll thread per core, routes as data, requests suspended
 * while the engine works.
 *
 * A handler is called once with the whole request. It either fills the response and returns
 * HTTP_REPLY, or starts something and returns HTTP_WAIT; then some other thread calls
 * http_resume(request) exactly once (it may happen before the handler has returned), and the server
 * calls the route's `resumed`, exactly once and on an HTTP thread, to fill the response; also when
 * the client has gone away or the server is being stopped, so that what the handler holds is always
 * given back there. The request, its arena and its body live until the response is sent. All of it
 * is wiped afterwards.
 *
 * What the server answers by itself, before any handler: 400 for a request that two readers could
 * take apart differently (see framing.h), 404, 405 with Allow, 413 and 431 above the limits, 503
 * once it has been told to quiesce. A client that takes too long is cut off. Every response carries
 * Content-Type, Content-Length, X-Request-Id, Cache-Control: no-store and X-Content-Type-Options:
 * nosniff; but what libmicrohttpd itself cannot read (a Content-Length that is no number, a broken
 * chunk, another protocol) it answers with a bare 4xx, 500 or 505 of its own, and closes.
 */
#ifndef TURNPIKE_HTTP_HTTP_H
#define TURNPIKE_HTTP_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/str.h"

enum http_method {
    HTTP_GET = 1,
    HTTP_POST = 2,
    HTTP_PUT = 4,
    HTTP_DELETE = 8,
    HTTP_HEAD = 16,
    HTTP_OPTIONS = 32
};

enum http_result { HTTP_REPLY, HTTP_WAIT };

enum { HTTP_MAX_EXTRA_HEADERS = 8, HTTP_IP_SIZE = 46, HTTP_ID_SIZE = 17 };

struct http_response {
    unsigned status;          /* 200 at first */
    const char *content_type; /* "application/json" at first */
    struct buf body;          /* its maximum is the server's response limit */
    const char *location;     /* for redirects, else NULL; in the request's arena */
    /* Name and value; a Cache-Control or X-Content-Type-Options here stands instead of the
     * server's. */
    const char *extra_headers[HTTP_MAX_EXTRA_HEADERS][2];
    size_t n_extra_headers;
};

struct http_request {
    enum http_method method;
    struct str path;  /* decoded, without the query; valid UTF-8 without control characters */
    struct str query; /* raw, without '?' */
    struct str content_type; /* raw header, may be empty */
    struct str body;
    char client_ip[HTTP_IP_SIZE]; /* numeric, of the connection */
    char id[HTTP_ID_SIZE];        /* request id for the log: 16 random hex digits */
    int64_t started_ns;           /* clock_mono_ns when the request was complete */
    struct arena *arena;
    struct http_response response;
    const struct http_route *route;
    void *user; /* the handler's own, NULL at first */
};

struct http_route {
    /* Exact, or a prefix when it ends in "*". Exact ones go first, then the longest prefix. */
    const char *path;
    /* HTTP_GET | HTTP_POST ...; others get 405 with Allow. A path may have rows for each method. */
    unsigned methods;
    enum http_result (*handle)(void *context, struct http_request *r);
    void (*resumed)(void *context, struct http_request *r); /* NULL when handle never waits */
    void *context;
};

/* A request header's value (any case of name), or the empty slice. Lives as long as the request. */
struct str http_header(struct http_request *r, const char *name);

/* Fills the response: what body held before is dropped. */
void http_reply_text(
    struct http_request *r, unsigned status, const char *content_type, struct str body);

/* Any thread, once per HTTP_WAIT. */
void http_resume(struct http_request *r);

/* Index of the calling HTTP thread, from 0 below http_threads(): for per-thread connections. */
unsigned http_thread_index(void);

struct http_limits {
    size_t header_bytes;   /* default 16 KiB: a larger header gets 431 or is dropped */
    size_t body_bytes;     /* default 64 KiB: 413 */
    size_t response_bytes; /* default 4 MiB: 500 */
    unsigned connections;  /* default 4096; more wait in the kernel's queue */
    unsigned per_ip;       /* connections of one address, default 0 = no limit; more are closed */
    /* Default 30: from one response to the next request's first line, and again for the rest. */
    unsigned idle_seconds;
};

struct http_config {
    const char *listen; /* "127.0.0.1:8080", "[::1]:0", "localhost:80"; port 0 picks a free one */
    unsigned threads;   /* 0: one per core */
    const char *tls_cert_file, *tls_key_file; /* PEM; both or neither */
    struct http_limits limits;
    const struct http_route *routes; /* must outlive the server */
    size_t n_routes;
    const char *metric_prefix; /* the listener's label in the metrics: "api" or "admin" */
};

struct http_server;

/* Starts listening. NULL on failure, with a sentence in why. Zero limits mean the defaults. */
struct http_server *http_start(const struct http_config *config, char *why, size_t why_size);
unsigned http_port(const struct http_server *s);
unsigned http_threads(const struct http_server *s);

/* Stops taking new connections, and answers 503 to requests that were not complete yet; those in
 * hand go on. When it returns the port is closed. */
void http_quiesce(struct http_server *s);
/* Complete requests that are not answered yet. Once it is 0 after http_quiesce, no handler is
 * called any more. */
unsigned http_in_hand(const struct http_server *s);
/* Ends it; http_resume must have been called for every waiting request before. */
void http_stop(struct http_server *s);

#endif
