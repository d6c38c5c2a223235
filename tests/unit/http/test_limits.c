/*
 * Every limit of the server, from both sides.
 */
#include "wire.h"

#include <stdatomic.h>

enum { HEADER = 2048, BODY = 1000, DRAINED = 1024 * 1024 };

static struct http_server *server;
static struct reply reply;
static _Atomic int calls;
static _Atomic size_t body_size;

static enum http_result count(void *context, struct http_request *r)
{
    (void)context;
    atomic_fetch_add(&calls, 1);
    atomic_store(&body_size, r->body.n);
    buf_str(&r->response.body, STR("{}"));
    return HTTP_REPLY;
}

static const struct http_route routes[] = { { "/", HTTP_GET | HTTP_POST, count, NULL, NULL } };

static void start(struct http_limits limits)
{
    atomic_store(&calls, 0);
    server = wire_server(routes, COUNT(routes), limits);
}

static int stop(void **state)
{
    (void)state;
    http_stop(server);
    return 0;
}

/* A POST with `filler` bytes in one header and `body` bytes behind. */
static void post(struct wire *w, size_t filler, size_t body, const char *framing)
{
    struct buf text;
    buf_init(&text, 4 << 20);
    buf_printf(&text, "POST / HTTP/1.1\r\nHost: x\r\n%sX-Filler: ", framing);
    for (size_t i = 0; i < filler; i++)
        buf_byte(&text, 'f');
    buf_str(&text, STR("\r\n\r\n"));
    for (size_t i = 0; i < body; i++)
        buf_byte(&text, 'b');
    assert_false(text.full);
    wire_open(w, http_port(server));
    (void)wire_try_send(w, text.p, text.n); /* the server may have had enough of it */
    buf_free(&text);
}

static unsigned status_of_post(size_t filler, size_t body, const char *framing)
{
    struct wire w;
    post(&w, filler, body, framing);
    unsigned status = wire_read_for(&w, &reply, false, WIRE_WAIT_MS) ? reply.status : 0;
    if (status != 200)
        assert_true(wire_closes(&w, WIRE_WAIT_MS));
    wire_close(&w);
    return status;
}

static void a_header_up_to_the_limit_is_taken(void **state)
{
    (void)state;
    start((struct http_limits) { .header_bytes = HEADER });
    static const char line[] = "POST / HTTP/1.1\r\nHost: x\r\nX-Filler: \r\n\r\n";
    size_t fits = HEADER - (sizeof line - 1);
    assert_int_equal(status_of_post(fits, 0, ""), 200);
    assert_int_equal(status_of_post(fits + 1, 0, ""), 431);
    assert_int_equal(status_of_post(2 * HEADER, 0, ""), 431);
    assert_int_equal(status_of_post(50 * HEADER, 0, ""), 431);
    assert_int_equal(atomic_load(&calls), 1);
}

static void many_headers_are_bounded_too(void **state)
{
    (void)state;
    start((struct http_limits) { .header_bytes = HEADER });
    struct wire w;
    wire_open(&w, http_port(server));
    wire_send(&w, "GET / HTTP/1.1\r\nHost: x\r\n");
    for (int i = 0; i < 10000 && wire_try_send(&w, "a:\r\n", 4); i++)
        continue;
    assert_true(wire_closes(&w, WIRE_WAIT_MS));
    wire_close(&w);
    assert_int_equal(atomic_load(&calls), 0);
}

static void a_body_up_to_the_limit_is_taken(void **state)
{
    (void)state;
    start((struct http_limits) { .body_bytes = BODY });
    assert_int_equal(status_of_post(0, BODY, "Content-Length: 1000\r\n"), 200);
    assert_int_equal(atomic_load(&body_size), BODY);
    assert_int_equal(status_of_post(0, BODY + 1, "Content-Length: 1001\r\n"), 413);
    assert_string_equal(wire_header(&reply, "Connection"), "close");
    assert_string_equal(wire_header(&reply, "Content-Type"), "application/json");
    assert_int_equal(atomic_load(&calls), 1);
}

static void a_large_body_is_read_so_that_the_client_hears_the_answer(void **state)
{
    (void)state;
    start((struct http_limits) { .body_bytes = BODY });
    for (int i = 0; i < 5; i++)
        assert_int_equal(status_of_post(0, 500000, "Content-Length: 500000\r\n"), 413);
    assert_int_equal(atomic_load(&calls), 0);
}

static void a_huge_body_is_refused_unread(void **state)
{
    (void)state;
    start((struct http_limits) { .body_bytes = BODY });
    assert_int_equal(status_of_post(0, 0, "Content-Length: 9000000000\r\n"), 413);
    assert_int_equal(status_of_post(0, 0, "Content-Length: 18446744073709551615\r\n"), 413);
    assert_int_equal(status_of_post(0, 0, "Expect: 100-continue\r\nContent-Length: 1001\r\n"), 413);
    assert_int_equal(atomic_load(&calls), 0);
}

/* Sends chunks of that size in sum; the status, or 0 when the server closes without one. */
static unsigned status_of_chunks(size_t sum)
{
    static const char chunk[] = "fa\r\n"
                                "01234567890123456789012345678901234567890123456789"
                                "01234567890123456789012345678901234567890123456789"
                                "01234567890123456789012345678901234567890123456789"
                                "01234567890123456789012345678901234567890123456789"
                                "01234567890123456789012345678901234567890123456789\r\n";
    struct wire w;
    wire_open(&w, http_port(server));
    wire_send(&w, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    bool open = true;
    for (size_t sent = 0; open && sent < sum; sent += 250)
        open = wire_try_send(&w, chunk, sizeof chunk - 1);
    if (open)
        open = wire_try_send(&w, "0\r\n\r\n", 5);
    unsigned status = wire_read_for(&w, &reply, false, WIRE_WAIT_MS) ? reply.status : 0;
    assert_true(wire_closes(&w, WIRE_WAIT_MS));
    wire_close(&w);
    return status;
}

static void a_chunked_body_is_bounded_too(void **state)
{
    (void)state;
    start((struct http_limits) { .body_bytes = BODY });
    assert_int_equal(status_of_chunks(BODY), 200);
    assert_int_equal(atomic_load(&body_size), BODY);
    assert_int_equal(status_of_chunks(BODY + 250), 413);
    assert_int_equal(status_of_chunks(BODY + DRAINED + 250), 0);
    assert_int_equal(atomic_load(&calls), 1);
}

/* True when the server answers on it within that time. */
static bool served(struct wire *w, int wait_ms)
{
    wire_get(w, "/");
    return wire_read_for(w, &reply, false, wait_ms) && reply.status == 200;
}

static void connections_above_the_limit_wait_for_a_place(void **state)
{
    (void)state;
    start((struct http_limits) { .connections = 3 });
    struct wire w[4];
    for (int i = 0; i < 3; i++) {
        wire_open(&w[i], http_port(server));
        assert_true(served(&w[i], WIRE_WAIT_MS));
    }
    wire_open(&w[3], http_port(server));
    assert_false(served(&w[3], 300));
    wire_close(&w[1]);
    assert_true(wire_read_for(&w[3], &reply, false, WIRE_WAIT_MS));
    for (int i = 0; i < 4; i++)
        if (i != 1)
            wire_close(&w[i]);
}

static void one_address_may_not_take_all_connections(void **state)
{
    (void)state;
    start((struct http_limits) { .per_ip = 2 });
    struct wire w[3];
    for (int i = 0; i < 2; i++) {
        wire_open(&w[i], http_port(server));
        assert_true(served(&w[i], WIRE_WAIT_MS));
    }
    for (int i = 0; i < 10; i++) {
        wire_open(&w[2], http_port(server));
        assert_true(wire_closes(&w[2], WIRE_WAIT_MS));
        wire_close(&w[2]);
    }
    wire_close(&w[0]);
    bool taken = false;
    for (int i = 0; i < 1000 && !taken; i++) {
        wire_open(&w[0], http_port(server));
        taken = wire_more(&w[0], 1) != 0 && served(&w[0], WIRE_WAIT_MS);
        if (!taken)
            wire_close(&w[0]);
    }
    assert_true(taken);
    wire_close(&w[0]);
    wire_close(&w[1]);
}

static void a_silent_connection_is_closed(void **state)
{
    (void)state;
    start((struct http_limits) { .idle_seconds = 1 });
    struct wire fresh, used;
    wire_open(&fresh, http_port(server));
    wire_open(&used, http_port(server));
    assert_true(served(&used, WIRE_WAIT_MS));
    assert_int_equal(wire_more(&used, 700), -1);
    assert_true(served(&used, WIRE_WAIT_MS)); /* its time begins anew with each response */
    assert_true(wire_closes(&fresh, 3000));
    assert_true(wire_closes(&used, 3000));
    wire_close(&fresh);
    wire_close(&used);
}

/* Each of them says a byte every 100 ms, so none is ever silent for long. */
static void a_slow_request_is_cut_off_however_steady_it_is(void **state)
{
    (void)state;
    start((struct http_limits) { .idle_seconds = 1 });
    static const char *const begun[] = {
        "",
        "GET / HTTP/1.1\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n90\r\n",
    };
    struct wire w[COUNT(begun)];
    for (size_t i = 0; i < COUNT(begun); i++) {
        wire_open(&w[i], http_port(server));
        wire_send(&w[i], begun[i]);
    }
    for (int round = 0; round < 20; round++) {
        wire_sleep_ms(100);
        for (size_t i = 0; i < COUNT(begun); i++) {
            bool open = wire_more(&w[i], 0) < 0;
            assert_true(open || round >= 8);
            if (open)
                (void)wire_try_send(&w[i], "G", 1);
        }
    }
    for (size_t i = 0; i < COUNT(begun); i++) {
        assert_true(wire_closes(&w[i], 0));
        assert_int_equal(w[i].n, 0);
        wire_close(&w[i]);
    }
    assert_int_equal(atomic_load(&calls), 0);
}

static void a_slow_body_within_the_time_is_taken(void **state)
{
    (void)state;
    start((struct http_limits) { .idle_seconds = 2 });
    struct wire w;
    wire_open(&w, http_port(server));
    wire_send(&w, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n");
    for (int i = 0; i < 10; i++) {
        assert_int_equal(wire_more(&w, 100), -1);
        wire_send(&w, "b");
    }
    wire_read(&w, &reply);
    assert_int_equal(reply.status, 200);
    wire_close(&w);
}

#define ENDED(f) cmocka_unit_test_teardown(f, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ENDED(a_header_up_to_the_limit_is_taken),
        ENDED(many_headers_are_bounded_too),
        ENDED(a_body_up_to_the_limit_is_taken),
        ENDED(a_large_body_is_read_so_that_the_client_hears_the_answer),
        ENDED(a_huge_body_is_refused_unread),
        ENDED(a_chunked_body_is_bounded_too),
        ENDED(connections_above_the_limit_wait_for_a_place),
        ENDED(one_address_may_not_take_all_connections),
        ENDED(a_silent_connection_is_closed),
        ENDED(a_slow_request_is_cut_off_however_steady_it_is),
        ENDED(a_slow_body_within_the_time_is_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
