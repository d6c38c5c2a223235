/*
 * One request from its first line to the end of its response.
 *
 *   LINE ──header──► BODY ──complete──► handler ──HTTP_REPLY────────────────► ANSWERED ──► end
 *    │                │                   └───HTTP_WAIT──► WAITING ──resumed──►─┤
 *    └────refused─────┴─────────────────refused───────────────────────────────►─┘
 *
 * A waiting request is handed between two threads by one atomic:
 *
 *   the HTTP thread:  HELD ──► SUSPENDED    the handler has returned HTTP_WAIT
 *   http_resume:      HELD ──► RESUMED      the HTTP thread will find it and not wait
 *                SUSPENDED ──► RESUMED      and the connection is woken
 *
 * Whoever comes second sees what the first has left, so it is woken exactly once in either order.
 */
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "http/framing.h"
#include "http/server.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPARE_MAX = 256,              /* requests that a worker keeps */
    SPARE_BUFFER_MAX = 16 * 1024, /* of a buffer of such a request */
    ARENA_SPARE = 256 * 1024,     /* for handlers, besides what grows with the body */
    DRAIN_MAX = 1024 * 1024,      /* of a body too large, read so that the client hears the 413 */
};

enum phase { PHASE_LINE, PHASE_BODY, PHASE_WAITING, PHASE_ANSWERED };
enum hold { HELD, SUSPENDED, RESUMED };

struct request {
    struct http_request open; /* what handlers see; first, so that one address is both */
    struct http_worker *worker;
    struct MHD_Connection *connection;
    struct peer *peer;
    enum phase phase;
    _Atomic int hold;
    bool taken;                 /* complete: it counts as in hand until its end */
    bool last;                  /* the connection is closed after the response */
    bool drop;                  /* the body is too large and thrown away */
    bool bad_target, no_memory; /* the target is not one; it could not be copied */
    struct str target;          /* of the request line, where the library keeps it */
    struct str header;          /* the same of all the header */
    size_t body_seen;
    struct arena arena;
    struct buf body;
    struct request *next_spare;
};
static_assert(offsetof(struct request, open) == 0, "http_request is the start of it");

/* Sent with every response, unless the handler has its own. */
static const char *const standard_headers[][2] = {
    { "Cache-Control", "no-store" },
    { "X-Content-Type-Options", "nosniff" },
};

static _Thread_local unsigned thread_index;

unsigned http_thread_index(void)
{
    return thread_index;
}

/* ---- Making and keeping requests. ---- */

static struct request *new_request(struct http_worker *w)
{
    struct request *q = w->spare;
    if (q != NULL) {
        w->spare = q->next_spare;
        w->n_spare--;
        return q;
    }
    q = calloc(1, sizeof *q);
    if (q == NULL)
        return NULL;
    const struct http_limits *l = &w->server->limits;
    arena_init(&q->arena, ARENA_SPARE + l->header_bytes + 4 * l->body_bytes);
    buf_init(&q->body, l->body_bytes);
    buf_init(&q->open.response.body, l->response_bytes);
    return q;
}

static void free_request(struct request *q)
{
    arena_free(&q->arena);
    buf_free(&q->body);
    buf_free(&q->open.response.body);
    free(q);
}

static void empty_buffer(struct buf *b)
{
    if (b->room > SPARE_BUFFER_MAX)
        buf_free(b);
    else
        buf_reset(b);
}

static void keep_request(struct http_worker *w, struct request *q)
{
    if (w->n_spare == SPARE_MAX) {
        free_request(q);
        return;
    }
    arena_reset(&q->arena);
    empty_buffer(&q->body);
    empty_buffer(&q->open.response.body);
    struct request clean = { .arena = q->arena, .body = q->body, .next_spare = w->spare };
    clean.open.response.body = q->open.response.body;
    memcpy(q, &clean, sizeof *q);
    w->spare = q;
    w->n_spare++;
}

void request_free_spares(struct http_worker *w)
{
    while (w->spare != NULL) {
        struct request *q = w->spare;
        w->spare = q->next_spare;
        free_request(q);
    }
    w->n_spare = 0;
}

static void make_id(struct http_worker *w, char id[HTTP_ID_SIZE])
{
    const size_t n = (HTTP_ID_SIZE - 1) / 2;
    if (w->random_left < n) {
        struct rng rng = rng_system();
        rng_fill(&rng, w->random, sizeof w->random);
        w->random_left = sizeof w->random;
    }
    w->random_left -= n;
    hex_lower(w->random + w->random_left, n, id);
    id[2 * n] = '\0';
}

static struct peer *peer_of(struct MHD_Connection *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    assert(info != NULL && info->socket_context != NULL);
    return info->socket_context;
}

/* Wipes memory that libmicrohttpd owns and has given out as const: its pools are writable, but go
 * back to the system as they are, and a card number may stand in a header, a query or a body. */
static void wipe_received(struct str s)
{
    if (s.n > 0)
        sodium_memzero((char *)(uintptr_t)s.p, s.n);
}

/* The request line is there. The query is taken away from the library: it would parse it into
 * arguments. */
void *request_begin(void *cls, const char *target, struct MHD_Connection *c)
{
    struct http_worker *w = cls;
    thread_index = w->index;
    struct request *q = new_request(w);
    if (q == NULL)
        return NULL;
    struct http_request *r = &q->open;
    q->worker = w;
    q->connection = c;
    q->peer = peer_of(c);
    q->target = str_of(target);
    r->arena = &q->arena;
    r->response.status = 200;
    r->response.content_type = "application/json";
    memcpy(r->client_ip, q->peer->ip_text, sizeof r->client_ip);
    make_id(w, r->id);
    (void)peer_clients_turn(q->peer);

    struct str copy = arena_str(&q->arena, q->target);
    q->no_memory = copy.p == NULL;
    q->bad_target = !q->no_memory && !route_split_target(copy, &q->arena, &r->path, &r->query);
    size_t mark = str_find(q->target, '?');
    wipe_received(str_skip(q->target, mark + 1));
    return q;
}

/* ---- Answering. ---- */

static bool has_extra(const struct http_response *a, const char *name)
{
    for (size_t i = 0; i < a->n_extra_headers; i++)
        if (str_eq_nocase(str_of(a->extra_headers[i][0]), str_of(name)))
            return true;
    return false;
}

static bool add_headers(struct request *q, struct MHD_Response *m)
{
    const struct http_response *a = &q->open.response;
    assert(a->n_extra_headers <= HTTP_MAX_EXTRA_HEADERS);
    bool ok = MHD_add_response_header(m, "Content-Type", a->content_type) == MHD_YES &&
              MHD_add_response_header(m, "X-Request-Id", q->open.id) == MHD_YES;
    for (size_t i = 0; ok && i < COUNT(standard_headers); i++)
        if (!has_extra(a, standard_headers[i][0]))
            ok = MHD_add_response_header(m, standard_headers[i][0], standard_headers[i][1]) ==
                 MHD_YES;
    if (ok && a->location != NULL)
        ok = MHD_add_response_header(m, "Location", a->location) == MHD_YES;
    for (size_t i = 0; ok && i < a->n_extra_headers; i++)
        ok = MHD_add_response_header(m, a->extra_headers[i][0], a->extra_headers[i][1]) == MHD_YES;
    if (ok && (q->last || atomic_load_explicit(&q->worker->server->quiesced, memory_order_relaxed)))
        ok = MHD_add_response_header(m, "Connection", "close") == MHD_YES;
    return ok;
}

/* NULL when a header cannot be sent (a line break in it, or no memory). */
static struct MHD_Response *build(struct request *q)
{
    struct http_response *a = &q->open.response;
    struct MHD_Response *m =
        MHD_create_response_from_buffer(a->body.n, a->body.p, MHD_RESPMEM_PERSISTENT);
    if (m != NULL && !add_headers(q, m)) {
        MHD_destroy_response(m);
        m = NULL;
    }
    return m;
}

void http_reply_text(
    struct http_request *r, unsigned status, const char *content_type, struct str body)
{
    r->response.status = status;
    r->response.content_type = content_type;
    buf_reset(&r->response.body);
    buf_str(&r->response.body, body);
}

static void drop_response(struct request *q, const char *event)
{
    struct http_request *r = &q->open;
    log_event(
        LOG_ERROR, event, "request=%s route=%s", r->id, r->route != NULL ? r->route->path : "-");
    r->response.location = NULL;
    r->response.n_extra_headers = 0;
    http_reply_text(r, 500, "application/json", STR("{\"error\":\"internal error\"}"));
}

/* Hands the response to the library, which reads the body where it lies. MHD_NO closes the
 * connection. */
static enum MHD_Result answer(struct request *q)
{
    struct http_response *a = &q->open.response;
    q->phase = PHASE_ANSWERED;
    if (a->body.full)
        drop_response(q, "http.response_too_large");
    assert(a->status >= 200 && a->status <= 599 && a->content_type != NULL);
    struct MHD_Response *m = build(q);
    if (m == NULL) {
        drop_response(q, "http.response_unsendable");
        m = build(q);
    }
    if (m == NULL)
        return MHD_NO;
    enum MHD_Result queued = MHD_queue_response(q->connection, a->status, m);
    MHD_destroy_response(m);
    return queued;
}

/* A refusal of the server's own. */
static enum MHD_Result refuse(struct request *q, unsigned status, struct str json)
{
    http_reply_text(&q->open, status, "application/json", json);
    return answer(q);
}

static enum MHD_Result refuse_and_close(struct request *q, unsigned status, struct str json)
{
    q->last = true;
    return refuse(q, status, json);
}

/* ---- The whole request is there. ---- */

static enum MHD_Result resumed(struct request *q)
{
    assert(atomic_load(&q->hold) == RESUMED);
    q->phase = PHASE_ANSWERED;
    q->open.route->resumed(q->open.route->context, &q->open);
    return answer(q);
}

/* The handler has gone to work elsewhere. After the exchange the request may be resumed at any
 * moment, and only the connection, which stays until this thread has returned to the library, may
 * be touched. */
static enum MHD_Result wait_for_resume(struct request *q)
{
    assert(q->open.route->resumed != NULL);
    q->phase = PHASE_WAITING;
    if (atomic_load(&q->hold) == RESUMED)
        return resumed(q);
    struct MHD_Connection *c = q->connection;
    MHD_suspend_connection(c);
    if (atomic_exchange(&q->hold, SUSPENDED) == RESUMED) {
        atomic_store(&q->hold, RESUMED);
        MHD_resume_connection(c);
    }
    return MHD_YES;
}

void http_resume(struct http_request *r)
{
    struct request *q = (struct request *)r;
    struct http_server *s = q->worker->server;
    struct MHD_Connection *c = q->connection;
    atomic_fetch_add(&s->resuming, 1); /* http_stop waits: the wake-up below needs the server */
    int before = atomic_exchange(&q->hold, RESUMED);
    assert(before != RESUMED);
    if (before == SUSPENDED)
        MHD_resume_connection(c);
    atomic_fetch_sub(&s->resuming, 1);
}

static enum MHD_Result call_handler(struct request *q)
{
    struct http_request *r = &q->open;
    r->body = buf_view(&q->body);
    r->started_ns = clock_mono_ns();
    if (r->route->handle(r->route->context, r) == HTTP_WAIT)
        return wait_for_resume(q);
    return answer(q);
}

static enum MHD_Result refuse_method(struct request *q, unsigned allowed)
{
    char *text = arena_alloc(&q->arena, ROUTE_ALLOW_SIZE);
    if (text == NULL)
        return MHD_NO;
    route_allow_text(allowed, text);
    struct http_response *a = &q->open.response;
    a->extra_headers[a->n_extra_headers][0] = "Allow";
    a->extra_headers[a->n_extra_headers++][1] = text;
    return refuse(q, 405, STR("{\"error\":\"method not allowed\"}"));
}

static enum MHD_Result dispatch(struct request *q, const char *method)
{
    struct http_server *s = q->worker->server;
    if (!peer_servers_turn(q->peer))
        return MHD_NO; /* cut off: it will never hear what came of it */
    /* Before the look at `quiesced`: either this sees that, or http_in_hand sees this. */
    q->taken = true;
    atomic_fetch_add(&q->worker->taken, 1);
    if (q->drop)
        return refuse_and_close(q, 413, STR("{\"error\":\"body too large\"}"));
    if (atomic_load(&s->quiesced))
        return refuse_and_close(q, 503, STR("{\"error\":\"shutting down\"}"));
    if (q->body.full)
        return refuse_and_close(q, 503, STR("{\"error\":\"out of memory\"}"));
    unsigned bit = route_method(method), allowed;
    q->open.route = route_find(&s->routes, q->open.path, bit, &allowed);
    if (q->open.route == NULL && allowed == 0)
        return refuse(q, 404, STR("{\"error\":\"not found\"}"));
    if (q->open.route == NULL)
        return refuse_method(q, allowed);
    q->open.method = (enum http_method)bit;
    return call_handler(q);
}

/* ---- As it comes in. ---- */

/* A body above the limit is read to its end, so that the client does not lose the answer to a reset
 * connection; not when it is far above, or when the client has asked first. */
static enum MHD_Result see_header(struct request *q, const char *method, const char *version)
{
    const struct http_limits *l = &q->worker->server->limits;
    struct framing f = framing_check(q->connection, method, q->target, version);
    q->header = f.header;
    q->phase = PHASE_BODY;
    q->last = f.chunked;
    if (f.fault != NULL || q->bad_target) {
        log_event(LOG_DEBUG, "http.refused", "request=%s ip=%s fault=\"%s\"", q->open.id,
            q->open.client_ip, f.fault != NULL ? f.fault : "target");
        return refuse_and_close(q, 400, STR("{\"error\":\"bad request\"}"));
    }
    if (q->no_memory)
        return refuse_and_close(q, 503, STR("{\"error\":\"out of memory\"}"));
    if (f.header.n > l->header_bytes)
        return refuse_and_close(q, 431, STR("{\"error\":\"header too large\"}"));
    q->open.content_type = f.content_type;
    q->drop = f.content_length > l->body_bytes;
    if (q->drop && (f.waits || f.content_length - l->body_bytes > DRAIN_MAX))
        return refuse_and_close(q, 413, STR("{\"error\":\"body too large\"}"));
    if (!q->drop && f.content_length > 0)
        (void)buf_reserve(&q->body, (size_t)f.content_length);
    return MHD_YES;
}

static enum MHD_Result see_body(struct request *q, struct str data)
{
    size_t max = q->worker->server->limits.body_bytes;
    q->body_seen += data.n;
    if (q->body_seen > max)
        q->drop = true;
    if (!q->drop)
        buf_str(&q->body, data);
    else if (q->body.n > 0)
        buf_reset(&q->body);
    wipe_received(data);
    return q->body_seen > max + DRAIN_MAX ? MHD_NO : MHD_YES;
}

/* Called when the header is there, for each piece of the body, at the end, and after a resume. */
enum MHD_Result request_go_on(void *cls, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *data, size_t *data_size, void **request)
{
    (void)c;
    (void)url;
    struct http_worker *w = cls;
    struct request *q = *request;
    if (q == NULL)
        return MHD_NO; /* no memory when it began */
    thread_index = w->index;
    if (q->phase == PHASE_LINE)
        return see_header(q, method, version);
    if (q->phase == PHASE_ANSWERED)
        return MHD_NO; /* the library is being stopped and has silently dropped the response */
    if (*data_size > 0) {
        struct str piece = { data, *data_size };
        *data_size = 0;
        return see_body(q, piece);
    }
    if (q->phase == PHASE_WAITING)
        return resumed(q);
    assert(q->phase == PHASE_BODY);
    return dispatch(q, method);
}

/* The response is sent, or the connection has failed. */
void request_end(
    void *cls, struct MHD_Connection *c, void **request, enum MHD_RequestTerminationCode how)
{
    (void)c;
    (void)how;
    struct http_worker *w = cls;
    struct request *q = *request;
    if (q == NULL)
        return;
    *request = NULL;
    thread_index = w->index;
    bool answered = q->phase == PHASE_ANSWERED;
    if (q->phase == PHASE_WAITING) { /* the client left while it waited */
        assert(atomic_load(&q->hold) == RESUMED);
        q->open.route->resumed(q->open.route->context, &q->open);
    }
    if (answered) {
        bool handled = q->open.started_ns > 0;
        int64_t us = handled ? (clock_mono_ns() - q->open.started_ns) / 1000 : -1;
        traffic_count(w->server->traffic, q->open.response.status, us);
    }
    wipe_received(q->header);
    (void)peer_clients_turn(q->peer);
    bool taken = q->taken;
    keep_request(w, q);
    if (taken)
        atomic_fetch_add_explicit(&w->answered, 1, memory_order_release);
}

struct str http_header(struct http_request *r, const char *name)
{
    const struct request *q = (const struct request *)r;
    struct str value = STR_EMPTY;
    struct str n = str_of(name);
    if (MHD_lookup_connection_value_n(
            q->connection, MHD_HEADER_KIND, n.p, n.n, &value.p, &value.n) != MHD_YES)
        return STR_EMPTY;
    return value;
}
