/*
 * Requests that two readers could take apart differently: each is refused and ends its connection,
 * and the request hidden behind it is never served.
 */
#include "wire.h"

#include <stdatomic.h>

static struct http_server *server;
static struct reply reply;
static _Atomic int served, hidden;

static enum http_result serve(void *context, struct http_request *r)
{
    (void)context;
    atomic_fetch_add(&served, 1);
    buf_str(&r->response.body, STR("{}"));
    return HTTP_REPLY;
}

static enum http_result serve_hidden(void *context, struct http_request *r)
{
    atomic_fetch_add(&hidden, 1);
    return serve(context, r);
}

static const struct http_route routes[] = {
    { "/", HTTP_GET | HTTP_POST, serve, NULL, NULL },
    { "/hidden", HTTP_GET | HTTP_POST, serve_hidden, NULL, NULL },
};

static int start(void **state)
{
    (void)state;
    server = wire_server(routes, COUNT(routes), (struct http_limits) { 0 });
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_stop(server);
    return 0;
}

#define START  "POST / HTTP/1.1\r\nHost: x\r\n"
#define HIDDEN "GET /hidden HTTP/1.1\r\nHost: x\r\n\r\n"
#define TEXT(literal)                                                                              \
    {                                                                                              \
        (literal), sizeof(literal) - 1                                                             \
    }

struct attempt {
    const char *name;
    struct str bytes;
    unsigned status; /* 0: closed without an answer */
};

static const struct attempt attempts[] = {
    { "CL and TE",
        TEXT(START "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "TE and CL",
        TEXT(START "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "two CLs", TEXT(START "Content-Length: 0\r\nContent-Length: 33\r\n\r\n" HIDDEN), 400 },
    { "two equal CLs", TEXT(START "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" HIDDEN), 400 },
    { "a list of CLs", TEXT(START "Content-Length: 0, 33\r\n\r\n" HIDDEN), 400 },
    { "negative CL", TEXT(START "Content-Length: -1\r\n\r\n" HIDDEN), 400 },
    { "CL with a plus", TEXT(START "Content-Length: +0\r\n\r\n" HIDDEN), 400 },
    { "hexadecimal CL", TEXT(START "Content-Length: 0x0\r\n\r\n" HIDDEN), 400 },
    { "empty CL", TEXT(START "Content-Length:\r\n\r\n" HIDDEN), 400 },
    { "CL above 64 bits", TEXT(START "Content-Length: 18446744073709551616\r\n\r\n" HIDDEN), 413 },
    { "TE identity", TEXT(START "Transfer-Encoding: identity\r\n\r\n" HIDDEN), 400 },
    { "TE xchunked", TEXT(START "Transfer-Encoding: xchunked\r\n\r\n" HIDDEN), 400 },
    { "TE gzip, chunked", TEXT(START "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "TE chunked twice",
        TEXT(START
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "TE chunked, then identity",
        TEXT(START
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "TE with a vertical tab", TEXT(START "Transfer-Encoding: \vchunked\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "TE with a tail", TEXT(START "Transfer-Encoding: chunked;q=1\r\n\r\n0\r\n\r\n" HIDDEN), 400 },
    { "TE on HTTP/1.0",
        TEXT("POST / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n"
             "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "bare LF in the request line", TEXT("POST / HTTP/1.1\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "bare LF in the first header", TEXT("POST / HTTP/1.1\r\nHost: x\n\r\n" HIDDEN), 400 },
    { "bare LF hides a header", TEXT(START "X: a\nContent-Length: 33\r\n\r\n" HIDDEN), 400 },
    { "bare LF in the blank line", TEXT(START "\n" HIDDEN), 400 },
    { "bare CR in a value", TEXT(START "X: a\rContent-Length: 33\r\n\r\n" HIDDEN), 400 },
    { "CR CR LF", TEXT(START "X: a\r\r\n\r\n" HIDDEN), 400 },
    { "blank before the colon", TEXT(START "Content-Length : 33\r\n\r\n" HIDDEN), 400 },
    { "tab before the colon", TEXT(START "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "blank before a name",
        TEXT("POST / HTTP/1.1\r\n Content-Length: 33\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "folded header", TEXT(START "X: a\r\n Content-Length: 33\r\n\r\n" HIDDEN), 400 },
    { "folded CL", TEXT(START "Content-Length: 3\r\n 3\r\n\r\n" HIDDEN), 400 },
    { "no colon", TEXT(START "Content-Length 33\r\n\r\n" HIDDEN), 400 },
    { "no name", TEXT(START ": 33\r\n\r\n" HIDDEN), 400 },
    { "NUL in a value", TEXT(START "X: a\0b\r\n\r\n" HIDDEN), 400 },
    { "NUL at the end of a value", TEXT(START "X: a\0\r\n\r\n" HIDDEN), 400 },
    { "NUL in a name", TEXT(START "X\0Y: a\r\n\r\n" HIDDEN), 400 },
    { "NUL hides a CL",
        TEXT(START "Content-Length: 0\0"
                   "33\r\n\r\n" HIDDEN),
        400 },
    { "NUL in the target", TEXT("POST /\0/a HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "no host", TEXT("POST / HTTP/1.1\r\n\r\n" HIDDEN), 400 },
    { "two hosts", TEXT(START "Host: y\r\n\r\n" HIDDEN), 400 },
    { "blank in the target", TEXT("POST /a b HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "two blanks in the request line", TEXT("POST  / HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "blank behind the version", TEXT("POST / HTTP/1.1 \r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "HTTP/0.9", TEXT("GET /\r\n\r\n" HIDDEN), 400 },
    { "another protocol", TEXT("POST / HTTP/2.0\r\nHost: x\r\n\r\n" HIDDEN), 505 },
    { "a method with a quote", TEXT("PO\"ST / HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "junk behind the chunk size",
        TEXT(START "Transfer-Encoding: chunked\r\n\r\n0x\r\n\r\n" HIDDEN), 400 },
    { "blank behind the chunk size",
        TEXT(START "Transfer-Encoding: chunked\r\n\r\n0 \r\n\r\n" HIDDEN), 400 },
    { "prefix before the chunk size",
        TEXT(START "Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n" HIDDEN), 400 },
    { "negative chunk size", TEXT(START "Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" HIDDEN),
        400 },
    { "chunk size above 64 bits",
        TEXT(START "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n" HIDDEN), 413 },
    { "chunk longer than its size",
        TEXT(START "Transfer-Encoding: chunked\r\n\r\n1\r\nabc\r\n0\r\n\r\n" HIDDEN), 400 },
    { "trailer without a colon",
        TEXT(START "Transfer-Encoding: chunked\r\n\r\n0\r\ntrailer\r\n\r\n" HIDDEN), 400 },
};

/* Sends it and reads to the end: one answer at most, then the connection is closed. */
static void assert_refused(const struct attempt *a)
{
    struct wire w;
    wire_open(&w, http_port(server));
    (void)wire_try_send(&w, a->bytes.p, a->bytes.n);
    if (!wire_closes(&w, WIRE_WAIT_MS))
        fail_msg("%s: still open after %.*s", a->name, (int)w.n, w.ahead);
    unsigned status = wire_read_for(&w, &reply, false, WIRE_WAIT_MS) ? reply.status : 0;
    if (status != a->status)
        fail_msg("%s: answered %u", a->name, status);
    wire_close(&w);
    if (atomic_load(&served) != 0 || atomic_load(&hidden) != 0)
        fail_msg("%s: served", a->name);
}

static void ambiguous_requests_are_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(attempts); i++)
        assert_refused(&attempts[i]);
}

/* The same, a byte at a time: what the library keeps between reads must not blind the checks. */
static void ambiguous_requests_are_refused_in_pieces_too(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(attempts); i++) {
        struct wire w;
        wire_open(&w, http_port(server));
        for (size_t j = 0; j < attempts[i].bytes.n; j++)
            if (!wire_try_send(&w, attempts[i].bytes.p + j, 1))
                break;
        assert_true(wire_closes(&w, WIRE_WAIT_MS));
        wire_close(&w);
        if (atomic_load(&served) != 0 || atomic_load(&hidden) != 0)
            fail_msg("%s: served in pieces", attempts[i].name);
    }
}

/* The library takes a bare line feed between chunks, a proxy may not: nothing behind is served. */
static void nothing_behind_a_chunked_request_is_served(void **state)
{
    (void)state;
    static const char *const requests[] = {
        START "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN,
        START "Transfer-Encoding: chunked\r\n\r\n1\na\n0\n\n" HIDDEN,
        START "Transfer-Encoding: chunked\r\n\r\n0;x\nY\r\n\r\n" HIDDEN,
        START "Transfer-Encoding: chunked\r\n\r\n0\r\nA: b\n\n" HIDDEN,
    };
    for (size_t i = 0; i < COUNT(requests); i++) {
        struct wire w;
        wire_open(&w, http_port(server));
        wire_send(&w, requests[i]);
        assert_true(wire_closes(&w, WIRE_WAIT_MS));
        size_t answers = 0;
        while (wire_read_for(&w, &reply, false, WIRE_WAIT_MS))
            answers++;
        assert_true(answers <= 1);
        wire_close(&w);
    }
    assert_int_equal(atomic_load(&hidden), 0);
}

/* The refusals above would mean nothing if this were refused as well. */
static void a_plain_request_and_the_one_behind_it_are_served(void **state)
{
    (void)state;
    atomic_store(&served, 0);
    struct wire w;
    wire_open(&w, http_port(server));
    wire_send(&w, "\r\n" START "X-Empty:\r\nX-Blank: a b\tc \r\nCookie: a=1; b=2\r\n"
                  "content-LENGTH: 5\r\n\r\nhello" HIDDEN);
    for (int i = 0; i < 2; i++) {
        wire_read(&w, &reply);
        assert_int_equal(reply.status, 200);
    }
    assert_int_equal(atomic_load(&served), 2);
    assert_int_equal(atomic_load(&hidden), 1);
    wire_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ambiguous_requests_are_refused),
        cmocka_unit_test(ambiguous_requests_are_refused_in_pieces_too),
        cmocka_unit_test(nothing_behind_a_chunked_request_is_served),
        cmocka_unit_test(a_plain_request_and_the_one_behind_it_are_served),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
