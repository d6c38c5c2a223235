/*
 * The server over real sockets: what it answers, and requests that wait for another thread.
 */
#include "base/log.h"
#include "base/metric.h"
#include "wire.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { MANY = 1000, RESPONSE_MAX = 100 * 1000 };

static struct http_server *server;
static struct wire wire;
static struct reply reply;

/* ---- Handlers. ---- */

/* Tells the request back in its own words. */
static enum http_result echo(void *context, struct http_request *r)
{
    struct str agent = http_header(r, "user-AGENT");
    buf_printf(&r->response.body,
        "%s m=%d path=%.*s query=%.*s type=%.*s agent=%.*s ip=%s body=%.*s", (const char *)context,
        (int)r->method, STR_ARG(r->path), STR_ARG(r->query), STR_ARG(r->content_type),
        STR_ARG(agent), r->client_ip, STR_ARG(r->body));
    r->response.content_type = "text/plain";
    assert_true(http_thread_index() < 2);
    assert_int_equal(strlen(r->id), 16);
    return HTTP_REPLY;
}

static enum http_result redirect(void *context, struct http_request *r)
{
    (void)context;
    r->response.status = 302;
    r->response.location = "https://shop.example/back?a=1";
    r->response.extra_headers[0][0] = "cache-control";
    r->response.extra_headers[0][1] = "public, max-age=60";
    r->response.extra_headers[1][0] = "X-Own";
    r->response.extra_headers[1][1] = "yes";
    r->response.n_extra_headers = 2;
    return HTTP_REPLY;
}

static enum http_result split_header(void *context, struct http_request *r)
{
    (void)context;
    r->response.location = "/a\r\nSet-Cookie: evil=1";
    return HTTP_REPLY;
}

static enum http_result too_much(void *context, struct http_request *r)
{
    (void)context;
    for (size_t i = 0; i < RESPONSE_MAX / 10 + 1; i++)
        buf_str(&r->response.body, STR("0123456789"));
    return HTTP_REPLY;
}

static enum http_result long_body(void *context, struct http_request *r)
{
    (void)context;
    for (size_t i = 0; i < RESPONSE_MAX / 10; i++)
        buf_str(&r->response.body, STR("0123456789"));
    return HTTP_REPLY;
}

/* Requests that wait, kept until a test resumes them. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct http_request *waiting[MANY];
static _Atomic size_t n_waiting;
static _Atomic int resumed_calls;

static enum http_result hold(void *context, struct http_request *r)
{
    (void)context;
    pthread_mutex_lock(&lock);
    size_t i = atomic_load(&n_waiting);
    assert_true(i < MANY);
    waiting[i] = r;
    r->user = waiting;
    atomic_store(&n_waiting, i + 1);
    pthread_mutex_unlock(&lock);
    return HTTP_WAIT;
}

static void tell_query(void *context, struct http_request *r)
{
    (void)context;
    atomic_fetch_add(&resumed_calls, 1);
    assert_true(http_thread_index() < 2);
    buf_printf(&r->response.body, "waited %.*s %.*s", STR_ARG(r->query), STR_ARG(r->body));
}

static void *resume_it(void *request)
{
    http_resume(request);
    return NULL;
}

/* By the time the handler returns HTTP_WAIT, it has been resumed. */
static enum http_result resumed_early(void *context, struct http_request *r)
{
    (void)context;
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, resume_it, r), 0);
    assert_int_equal(pthread_join(other, NULL), 0);
    return HTTP_WAIT;
}

/* Resumed by a thread of its own, mostly after the handler has returned. */
static _Atomic int n_racers;

static enum http_result raced(void *context, struct http_request *r)
{
    (void)context;
    atomic_fetch_add(&n_racers, 1);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, resume_it, r), 0);
    assert_int_equal(pthread_detach(other), 0);
    return HTTP_WAIT;
}

/* Resumed by a thread that lies in wait, a little later each time: before, while and after the handler
 * returns and the connection is suspended. */
static _Atomic(struct http_request *) prey;

static enum http_result hunted(void *context, struct http_request *r)
{
    (void)context;
    atomic_store(&prey, r);
    return HTTP_WAIT;
}

static void *hunt(void *rounds)
{
    for (unsigned i = 0; i < *(const unsigned *)rounds; i++) {
        struct http_request *r;
        while ((r = atomic_exchange(&prey, NULL)) == NULL)
            (void)sched_yield();
        for (volatile unsigned later = 0; later < i % 200 * 10; later++)
            continue;
        http_resume(r);
    }
    return NULL;
}

static char any[] = "any", get[] = "get", post[] = "post", under[] = "under", deep[] = "deep";

static const struct http_route routes[] = {
    { "/any", HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE | HTTP_HEAD | HTTP_OPTIONS, echo, NULL,
        any },
    { "/two", HTTP_GET, echo, NULL, get },
    { "/two", HTTP_POST, echo, NULL, post },
    { "/under/*", HTTP_GET, echo, NULL, under },
    { "/under/deep/*", HTTP_GET, echo, NULL, deep },
    { "/redirect", HTTP_GET, redirect, NULL, NULL },
    { "/split", HTTP_GET, split_header, NULL, NULL },
    { "/too-much", HTTP_GET, too_much, NULL, NULL },
    { "/long", HTTP_GET, long_body, NULL, NULL },
    { "/wait", HTTP_GET | HTTP_POST, hold, tell_query, NULL },
    { "/early", HTTP_GET | HTTP_POST, resumed_early, tell_query, NULL },
    { "/raced", HTTP_GET, raced, tell_query, NULL },
    { "/hunted", HTTP_GET, hunted, tell_query, NULL },
};

static int start(void **state)
{
    (void)state;
    atomic_store(&n_waiting, 0);
    atomic_store(&n_racers, 0);
    atomic_store(&resumed_calls, 0);
    server =
        wire_server(routes, COUNT(routes), (struct http_limits) { .response_bytes = RESPONSE_MAX });
    wire_open(&wire, http_port(server));
    return 0;
}

static int stop(void **state)
{
    (void)state;
    wire_close(&wire);
    http_stop(server);
    return 0;
}

static void resume_all(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < atomic_load(&n_waiting); i++)
        http_resume(waiting[i]);
    atomic_store(&n_waiting, 0);
    pthread_mutex_unlock(&lock);
}

static void assert_body(const char *text)
{
    reply.body[reply.n] = '\0';
    assert_string_equal(reply.body, text);
}

static void assert_answer(const char *path, unsigned status, const char *body)
{
    wire_get(&wire, path);
    wire_read(&wire, &reply);
    assert_int_equal(reply.status, status);
    assert_body(body);
}

/* ---- What is asked and answered. ---- */

static void a_response_carries_the_standard_headers(void **state)
{
    (void)state;
    static const char *const paths[] = { "/any", "/nowhere", "/early", "/%00" };
    for (size_t i = 0; i < COUNT(paths); i++) {
        wire_get(&wire, paths[i]);
        wire_read(&wire, &reply);
        assert_non_null(wire_header(&reply, "Content-Type"));
        assert_non_null(wire_header(&reply, "Content-Length"));
        assert_string_equal(wire_header(&reply, "Cache-Control"), "no-store");
        assert_string_equal(wire_header(&reply, "X-Content-Type-Options"), "nosniff");
        assert_int_equal(strspn(wire_header(&reply, "X-Request-Id"), "0123456789abcdef"), 16);
    }
}

static void request_ids_differ(void **state)
{
    (void)state;
    char ids[200][17];
    for (size_t i = 0; i < COUNT(ids); i++) {
        wire_get(&wire, "/any");
        wire_read(&wire, &reply);
        assert_true(str_copy(ids[i], sizeof ids[i], str_of(wire_header(&reply, "X-Request-Id"))));
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(ids[i], ids[j]);
    }
}

static void a_handler_sees_the_whole_request(void **state)
{
    (void)state;
    wire_send(&wire, "POST /any?a=%20b&c HTTP/1.1\r\nHost: x\r\nUser-Agent: me\r\n"
                     "Content-Type: text/x\r\nContent-Length: 4\r\n\r\nbody");
    wire_read(&wire, &reply);
    assert_int_equal(reply.status, 200);
    assert_string_equal(wire_header(&reply, "Content-Type"), "text/plain");
    assert_body("any m=2 path=/any query=a=%20b&c type=text/x agent=me ip=127.0.0.1 body=body");
}

static void a_connection_serves_many_requests(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        assert_answer("/two?x", 200, "get m=1 path=/two query=x type= agent= ip=127.0.0.1 body=");
}

static void pipelined_requests_are_answered_in_order(void **state)
{
    (void)state;
    wire_send(&wire, "GET /early?1 HTTP/1.1\r\nHost: x\r\n\r\n"
                     "POST /early?2 HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
                     "GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
                     "GET /early?3 HTTP/1.1\r\nHost: x\r\n\r\n");
    static const char *const bodies[] = { "waited 1 ", "waited 2 abc", "{\"error\":\"not found\"}",
        "waited 3 " };
    for (size_t i = 0; i < COUNT(bodies); i++) {
        wire_read(&wire, &reply);
        assert_body(bodies[i]);
    }
}

static void a_request_may_come_in_pieces(void **state)
{
    (void)state;
    static const char text[] =
        "POST /any HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n0123456789";
    for (size_t i = 0; i < sizeof text - 1; i++) {
        assert_true(wire_try_send(&wire, text + i, 1));
        if (i % 8 == 0)
            wire_sleep_ms(1);
    }
    wire_read(&wire, &reply);
    assert_body("any m=2 path=/any query= type= agent= ip=127.0.0.1 body=0123456789");
}

static void a_chunked_body_is_put_together_and_ends_the_connection(void **state)
{
    (void)state;
    wire_send(&wire, "POST /any HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
                     "5;x=y\r\nhello\r\n0b\r\n wide world\r\n0\r\nTrailer: t\r\n\r\n");
    wire_read(&wire, &reply);
    assert_body("any m=2 path=/any query= type= agent= ip=127.0.0.1 body=hello wide world");
    assert_string_equal(wire_header(&reply, "Connection"), "close");
    assert_true(wire_closes(&wire, WIRE_WAIT_MS));
}

static void a_client_may_ask_before_it_sends(void **state)
{
    (void)state;
    wire_send(&wire,
        "POST /any HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
    wire_read(&wire, &reply);
    assert_int_equal(reply.status, 100);
    wire_send(&wire, "ok");
    wire_read(&wire, &reply);
    assert_body("any m=2 path=/any query= type= agent= ip=127.0.0.1 body=ok");
}

static void a_head_request_gets_no_body(void **state)
{
    (void)state;
    wire_send(&wire, "HEAD /any HTTP/1.1\r\nHost: x\r\n\r\n");
    assert_true(wire_read_for(&wire, &reply, true, WIRE_WAIT_MS));
    assert_int_equal(reply.status, 200);
    assert_answer("/two", 200, "get m=1 path=/two query= type= agent= ip=127.0.0.1 body=");
}

static void a_long_response_arrives_whole(void **state)
{
    (void)state;
    wire_get(&wire, "/long");
    wire_read(&wire, &reply);
    assert_int_equal(reply.n, RESPONSE_MAX);
    for (size_t i = 0; i < reply.n; i++)
        assert_int_equal(reply.body[i], '0' + (char)(i % 10));
}

static void http_1_0_is_closed_after_the_answer(void **state)
{
    (void)state;
    wire_send(&wire, "GET /two HTTP/1.0\r\n\r\n");
    wire_read(&wire, &reply);
    assert_int_equal(reply.status, 200);
    assert_true(wire_closes(&wire, WIRE_WAIT_MS));
}

/* ---- Routes. ---- */

static void the_path_is_decoded_and_the_longest_prefix_wins(void **state)
{
    (void)state;
    assert_answer("/under/%d0%96+%2f", 200,
        "under m=1 path=/under/\xd0\x96+/ query= type= agent= ip=127.0.0.1 body=");
    assert_answer(
        "/under/deep/x", 200, "deep m=1 path=/under/deep/x query= type= agent= ip=127.0.0.1 body=");
    assert_answer("/under/", 200, "under m=1 path=/under/ query= type= agent= ip=127.0.0.1 body=");
    assert_answer(
        "http://x.example/two?q", 200, "get m=1 path=/two query=q type= agent= ip=127.0.0.1 body=");
}

static void an_unknown_path_is_404(void **state)
{
    (void)state;
    static const char *const paths[] = { "/", "/tw", "/two/", "/twoo", "//two", "/under", "/Two",
        "*" };
    for (size_t i = 0; i < COUNT(paths); i++)
        assert_answer(paths[i], 404, "{\"error\":\"not found\"}");
}

static void another_method_is_405_with_those_allowed(void **state)
{
    (void)state;
    static const struct {
        const char *request, *allow;
    } cases[] = {
        { "DELETE /two HTTP/1.1\r\nHost: x\r\n\r\n", "GET, POST" },
        { "PATCH /any HTTP/1.1\r\nHost: x\r\n\r\n", "GET, POST, PUT, DELETE, HEAD, OPTIONS" },
        { "POST /under/deep/x HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx", "GET" },
        { "get /two HTTP/1.1\r\nHost: x\r\n\r\n", "GET, POST" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        wire_send(&wire, cases[i].request);
        wire_read(&wire, &reply);
        assert_int_equal(reply.status, 405);
        assert_string_equal(wire_header(&reply, "Allow"), cases[i].allow);
    }
}

static void a_bad_target_is_400(void **state)
{
    (void)state;
    static const char *const targets[] = { "/%", "/%4", "/%zz", "/a%00b", "/a%0d%0ab", "/%ff",
        "/a%7f", "/under/%c0%af", "/two?a\x01" };
    for (size_t i = 0; i < COUNT(targets); i++) {
        struct wire w;
        wire_open(&w, http_port(server));
        wire_get(&w, targets[i]);
        wire_read(&w, &reply);
        assert_int_equal(reply.status, 400);
        assert_true(wire_closes(&w, WIRE_WAIT_MS));
        wire_close(&w);
    }
}

/* ---- Responses. ---- */

static void a_handler_may_set_headers_of_its_own(void **state)
{
    (void)state;
    wire_get(&wire, "/redirect");
    wire_read(&wire, &reply);
    assert_int_equal(reply.status, 302);
    assert_string_equal(wire_header(&reply, "Location"), "https://shop.example/back?a=1");
    assert_string_equal(wire_header(&reply, "Cache-Control"), "public, max-age=60");
    assert_string_equal(wire_header(&reply, "X-Own"), "yes");
    assert_null(strstr(reply.head, "no-store"));
}

static void a_header_with_a_line_break_is_never_sent(void **state)
{
    (void)state;
    log_setup(LOG_ERROR, -1);
    assert_answer("/split", 500, "{\"error\":\"internal error\"}");
    log_setup(LOG_INFO, 2);
    assert_null(strstr(reply.head, "evil"));
}

static void a_response_above_the_limit_is_500(void **state)
{
    (void)state;
    log_setup(LOG_ERROR, -1);
    assert_answer("/too-much", 500, "{\"error\":\"internal error\"}");
    log_setup(LOG_INFO, 2);
    assert_answer("/two", 200, "get m=1 path=/two query= type= agent= ip=127.0.0.1 body=");
}

/* ---- Waiting. ---- */

static void a_waiting_request_is_answered_when_resumed(void **state)
{
    (void)state;
    wire_get(&wire, "/wait?a");
    WIRE_UNTIL(atomic_load(&n_waiting) == 1);
    assert_int_equal(wire_more(&wire, 50), -1);
    assert_int_equal(http_in_hand(server), 1);
    resume_all();
    wire_read(&wire, &reply);
    assert_body("waited a ");
    WIRE_UNTIL(http_in_hand(server) == 0);
}

static void a_request_may_be_resumed_before_its_handler_returns(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++)
        assert_answer("/early?b", 200, "waited b ");
}

static void resume_may_race_with_the_handlers_return(void **state)
{
    (void)state;
    unsigned rounds = 5000;
    pthread_t hunter;
    assert_int_equal(pthread_create(&hunter, NULL, hunt, &rounds), 0);
    for (unsigned i = 0; i < rounds; i++)
        assert_answer("/hunted?c", 200, "waited c ");
    assert_int_equal(pthread_join(hunter, NULL), 0);
    assert_int_equal(atomic_load(&resumed_calls), rounds);
}

static void *resume_backwards(void *nothing)
{
    for (size_t i = MANY; i-- > 0;)
        http_resume(waiting[i]);
    return nothing;
}

static void a_thousand_requests_wait_at_once(void **state)
{
    (void)state;
    int *fds = calloc(MANY, sizeof *fds);
    assert_non_null(fds);
    for (int i = 0; i < MANY; i++) {
        struct wire w;
        wire_open(&w, http_port(server));
        char path[40];
        (void)snprintf(path, sizeof path, "/wait?n%d", i);
        wire_get(&w, path);
        fds[i] = w.fd;
    }
    WIRE_UNTIL(atomic_load(&n_waiting) == MANY);
    assert_int_equal(http_in_hand(server), MANY);
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, resume_backwards, NULL), 0);
    for (int i = 0; i < MANY; i++) {
        struct wire w = { .fd = fds[i] };
        char body[40];
        (void)snprintf(body, sizeof body, "waited n%d ", i);
        wire_read(&w, &reply);
        assert_body(body);
        wire_close(&w);
    }
    assert_int_equal(pthread_join(other, NULL), 0);
    WIRE_UNTIL(http_in_hand(server) == 0);
    assert_int_equal(atomic_load(&resumed_calls), MANY);
    free(fds);
}

static void a_request_outlives_its_client(void **state)
{
    (void)state;
    struct wire gone;
    wire_open(&gone, http_port(server));
    wire_send(&gone, "POST /wait?a HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    WIRE_UNTIL(atomic_load(&n_waiting) == 1);
    struct linger reset = { .l_onoff = 1, .l_linger = 0 };
    assert_int_equal(setsockopt(gone.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset), 0);
    wire_close(&gone);
    wire_sleep_ms(50);
    assert_int_equal(http_in_hand(server), 1);
    assert_true(str_eq(waiting[0]->body, STR("body"))); /* still there for the engine */
    resume_all();
    WIRE_UNTIL(http_in_hand(server) == 0);
    assert_int_equal(atomic_load(&resumed_calls), 1);
    assert_answer("/early?b", 200, "waited b ");
}

static bool is_zero(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] != '\0')
            return false;
    return true;
}

/* The server keeps the memory of a request for the next one, so it may still be looked at. */
static void what_was_sent_is_wiped_after_the_answer(void **state)
{
    (void)state;
    wire_send(&wire,
        "POST /wait?pan=4111111111111111 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
    WIRE_UNTIL(atomic_load(&n_waiting) == 1);
    struct str body = waiting[0]->body, query = waiting[0]->query;
    assert_true(str_eq(body, STR("body")));
    assert_true(str_eq(query, STR("pan=4111111111111111")));
    resume_all();
    wire_read(&wire, &reply);
    WIRE_UNTIL(http_in_hand(server) == 0);
    assert_true(is_zero(body));
    assert_true(is_zero(query));
}

static void a_client_that_closed_politely_is_treated_the_same(void **state)
{
    (void)state;
    struct wire gone;
    wire_open(&gone, http_port(server));
    wire_get(&gone, "/wait?a");
    WIRE_UNTIL(atomic_load(&n_waiting) == 1);
    wire_close(&gone);
    wire_sleep_ms(20);
    resume_all();
    WIRE_UNTIL(http_in_hand(server) == 0);
    assert_int_equal(atomic_load(&resumed_calls), 1);
}

/* ---- Ending. ---- */

static void quiesce_refuses_the_new_and_finishes_what_is_in_hand(void **state)
{
    (void)state;
    unsigned port = http_port(server);
    struct wire idle;
    wire_open(&idle, port);
    wire_get(&idle, "/two");
    wire_read(&idle, &reply);
    wire_get(&wire, "/wait?a");
    WIRE_UNTIL(atomic_load(&n_waiting) == 1);

    http_quiesce(server);
    assert_int_equal(wire_dial(port), -1);
    assert_int_equal(errno, ECONNREFUSED);
    wire_get(&idle, "/two");
    wire_read(&idle, &reply);
    assert_int_equal(reply.status, 503);
    assert_true(wire_closes(&idle, WIRE_WAIT_MS));
    wire_close(&idle);

    assert_int_equal(http_in_hand(server), 1);
    resume_all();
    wire_read(&wire, &reply);
    assert_body("waited a ");
    assert_string_equal(wire_header(&reply, "Connection"), "close");
    WIRE_UNTIL(http_in_hand(server) == 0);
    http_quiesce(server); /* again does nothing */
}

static void stop_may_follow_resume_at_once(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 10; i++) {
            struct wire w;
            wire_open(&w, http_port(server));
            wire_get(&w, "/wait");
            wire_close(&w);
        }
        WIRE_UNTIL(atomic_load(&n_waiting) == 10);
        resume_all();
        http_stop(server);
        assert_int_equal(atomic_load(&resumed_calls), 10 * (round + 1));
        server = wire_server(routes, COUNT(routes), (struct http_limits) { 0 });
    }
}

struct load {
    _Atomic int answered;
    _Atomic bool over; /* the server is gone: its port may be somebody else's by now */
};

/* Asks again and again, on one connection as long as it lasts, until nobody listens any more. */
static void *keep_asking(void *of)
{
    static _Thread_local struct reply r;
    static _Thread_local struct wire w;
    struct load *load = of;
    unsigned port = http_port(server);
    while (!atomic_load(&load->over) && (w.fd = wire_dial(port)) >= 0) {
        w.n = 0;
        for (int i = 0; i < 20; i++) {
            static const char text[] = "GET /raced?x HTTP/1.1\r\nHost: x\r\n\r\n";
            if (!wire_try_send(&w, text, sizeof text - 1) || !wire_read_for(&w, &r, false, 5000))
                break;
            assert_true(r.status == 200 || r.status == 503);
            if (r.status == 200)
                atomic_fetch_add(&load->answered, 1);
        }
        (void)close(w.fd);
    }
    return NULL;
}

static void stop_under_load_answers_all_that_was_taken(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        pthread_t clients[4];
        struct load load = { .answered = 0 };
        for (size_t i = 0; i < COUNT(clients); i++)
            assert_int_equal(pthread_create(&clients[i], NULL, keep_asking, &load), 0);
        WIRE_UNTIL(atomic_load(&load.answered) >= 40);
        http_quiesce(server);
        WIRE_UNTIL(http_in_hand(server) == 0);
        http_stop(server);
        atomic_store(&load.over, true);
        for (size_t i = 0; i < COUNT(clients); i++)
            assert_int_equal(pthread_join(clients[i], NULL), 0);
        assert_int_equal(atomic_load(&resumed_calls), atomic_load(&n_racers));
        assert_int_equal(atomic_load(&resumed_calls), atomic_load(&load.answered));
        atomic_store(&n_racers, 0);
        atomic_store(&resumed_calls, 0);
        server = wire_server(routes, COUNT(routes), (struct http_limits) { 0 });
    }
}

static void stop_closes_idle_connections(void **state)
{
    (void)state;
    wire_get(&wire, "/two");
    wire_read(&wire, &reply);
    http_stop(server);
    assert_true(wire_closes(&wire, WIRE_WAIT_MS));
    server = wire_server(routes, COUNT(routes), (struct http_limits) { 0 });
}

/* ---- Starting. ---- */

static void assert_start_fails(struct http_config config, const char *sentence)
{
    char why[200] = "";
    config.metric_prefix = "test";
    assert_null(http_start(&config, why, sizeof why));
    if (strstr(why, sentence) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", why, sentence);
}

static void a_port_in_use_is_told(void **state)
{
    (void)state;
    char listen[40];
    (void)snprintf(listen, sizeof listen, "127.0.0.1:%u", http_port(server));
    char sentence[100];
    (void)snprintf(
        sentence, sizeof sentence, "cannot listen on %s: Address already in use", listen);
    assert_start_fails((struct http_config) { .listen = listen }, sentence);
}

static void a_bad_address_is_told(void **state)
{
    (void)state;
    static const char *const bad[] = { "", ":", "8080", ":8080", "127.0.0.1",
        "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1: 80", "1.2.3:80",
        "example.com:80", "::1:80", "[::1]", "[127.0.0.1]:80", "[]:80", "[::1:80", "0x7f.1:80" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_start_fails((struct http_config) { .listen = bad[i] }, "it is not ADDRESS:PORT");
}

static void tls_needs_both_files(void **state)
{
    (void)state;
    assert_start_fails((struct http_config) { .listen = "127.0.0.1:0", .tls_cert_file = "/x" },
        "both a certificate file and a key file");
    assert_start_fails((struct http_config) { .listen = "127.0.0.1:0",
                           .tls_cert_file = "/nonexistent/cert",
                           .tls_key_file = "/nonexistent/key" },
        "cannot read /nonexistent/cert: No such file");
}

static void localhost_and_ipv6_are_addresses(void **state)
{
    (void)state;
    char why[200] = "";
    struct http_config config = {
        .listen = "localhost:0", .threads = 1, .metric_prefix = "test", .n_routes = 0
    };
    struct http_server *s = http_start(&config, why, sizeof why);
    assert_non_null(s);
    assert_int_equal(http_threads(s), 1);
    struct wire w;
    wire_open(&w, http_port(s));
    wire_get(&w, "/");
    wire_read(&w, &reply);
    assert_int_equal(reply.status, 404);
    wire_close(&w);
    http_stop(s);

    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    struct sockaddr_in6 here = { .sin6_family = AF_INET6, .sin6_addr = in6addr_loopback };
    bool has_v6 = probe >= 0 && bind(probe, (struct sockaddr *)&here, sizeof here) == 0;
    if (probe >= 0)
        (void)close(probe);
    if (!has_v6)
        return; /* a machine without it */
    config = (struct http_config) { .listen = "[::1]:0",
        .metric_prefix = "test",
        .routes = routes,
        .n_routes = COUNT(routes),
        .threads = 2 };
    s = http_start(&config, why, sizeof why);
    assert_non_null(s);
    here.sin6_port = htons((uint16_t)http_port(s));
    w = (struct wire) { .fd = socket(AF_INET6, SOCK_STREAM, 0) };
    assert_int_equal(connect(w.fd, (struct sockaddr *)&here, sizeof here), 0);
    wire_get(&w, "/any");
    wire_read(&w, &reply);
    assert_body("any m=1 path=/any query= type= agent= ip=::1 body=");
    wire_close(&w);
    http_stop(s);
}

/* ---- Metrics. ---- */

static int64_t metric_value(const char *sample)
{
    struct buf page;
    buf_init(&page, 1 << 20);
    metric_print(&page);
    buf_byte(&page, '\0');
    const char *at = strstr(page.p, sample);
    assert_non_null(at);
    int64_t value = strtoll(at + strlen(sample), NULL, 10);
    buf_free(&page);
    return value;
}

static void responses_are_counted(void **state)
{
    (void)state;
    static const char ok[] = "turnpike_http_responses_total{listener=\"test\",class=\"2xx\"} ";
    static const char bad[] = "turnpike_http_responses_total{listener=\"test\",class=\"4xx\"} ";
    static const char seconds[] = "turnpike_http_request_seconds_count{listener=\"test\"} ";
    int64_t ok_before = metric_value(ok), bad_before = metric_value(bad);
    int64_t seconds_before = metric_value(seconds);
    for (int i = 0; i < 3; i++)
        assert_answer("/early?a", 200, "waited a ");
    assert_answer("/nowhere", 404, "{\"error\":\"not found\"}");
    WIRE_UNTIL(metric_value(bad) == bad_before + 1);
    assert_int_equal(metric_value(ok), ok_before + 3);
    assert_int_equal(metric_value(seconds), seconds_before + 3);
}

#define SERVED(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVED(a_response_carries_the_standard_headers),
        SERVED(request_ids_differ),
        SERVED(a_handler_sees_the_whole_request),
        SERVED(a_connection_serves_many_requests),
        SERVED(pipelined_requests_are_answered_in_order),
        SERVED(a_request_may_come_in_pieces),
        SERVED(a_chunked_body_is_put_together_and_ends_the_connection),
        SERVED(a_client_may_ask_before_it_sends),
        SERVED(a_head_request_gets_no_body),
        SERVED(a_long_response_arrives_whole),
        SERVED(http_1_0_is_closed_after_the_answer),
        SERVED(the_path_is_decoded_and_the_longest_prefix_wins),
        SERVED(an_unknown_path_is_404),
        SERVED(another_method_is_405_with_those_allowed),
        SERVED(a_bad_target_is_400),
        SERVED(a_handler_may_set_headers_of_its_own),
        SERVED(a_header_with_a_line_break_is_never_sent),
        SERVED(a_response_above_the_limit_is_500),
        SERVED(a_waiting_request_is_answered_when_resumed),
        SERVED(a_request_may_be_resumed_before_its_handler_returns),
        SERVED(resume_may_race_with_the_handlers_return),
        SERVED(a_thousand_requests_wait_at_once),
        SERVED(a_request_outlives_its_client),
        SERVED(what_was_sent_is_wiped_after_the_answer),
        SERVED(a_client_that_closed_politely_is_treated_the_same),
        SERVED(quiesce_refuses_the_new_and_finishes_what_is_in_hand),
        SERVED(stop_may_follow_resume_at_once),
        SERVED(stop_under_load_answers_all_that_was_taken),
        SERVED(stop_closes_idle_connections),
        SERVED(a_port_in_use_is_told),
        SERVED(a_bad_address_is_told),
        SERVED(tls_needs_both_files),
        SERVED(localhost_and_ipv6_are_addresses),
        SERVED(responses_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
