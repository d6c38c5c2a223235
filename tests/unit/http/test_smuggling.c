/*
 * Requests that two readers could take apart differently. Each class of them is a test of its own:
 * it is refused and ends its connection, or it is served by what everybody must see in it; the
 * request that is hidden in it or behind it is never served.
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
    /* libmicrohttpd does not always see that a client says no more; then the time-out ends it. */
    server = wire_server(routes, COUNT(routes), (struct http_limits) { .idle_seconds = 5 });
    return 0;
}

static int stop(void **state)
{
    (void)state;
    http_stop(server);
    return 0;
}

#define START  "POST / HTTP/1.1\r\nHost: x\r\n"
#define CODED  START "Transfer-Encoding: chunked\r\n\r\n"
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

static const struct attempt refusals[] = {
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
    { "junk behind the chunk size", TEXT(CODED "0x\r\n\r\n" HIDDEN), 400 },
    { "blank behind the chunk size", TEXT(CODED "0 \r\n\r\n" HIDDEN), 400 },
    { "prefix before the chunk size", TEXT(CODED "0x0\r\n\r\n" HIDDEN), 400 },
    { "negative chunk size", TEXT(CODED "-1\r\n\r\n" HIDDEN), 400 },
    { "chunk size above 64 bits", TEXT(CODED "10000000000000000\r\n\r\n" HIDDEN), 413 },
    { "chunk longer than its size", TEXT(CODED "1\r\nabc\r\n0\r\n\r\n" HIDDEN), 400 },
    { "trailer without a colon", TEXT(CODED "0\r\ntrailer\r\n\r\n" HIDDEN), 400 },
    { "CL twice in other letters",
        TEXT(START "content-length: 0\r\nCONTENT-LENGTH: 33\r\n\r\n" HIDDEN), 400 },
    { "CL of two numbers", TEXT(START "Content-Length: 0 33\r\n\r\n" HIDDEN), 400 },
    { "CL with an underscore", TEXT(START "Content-Length: 0_0\r\n\r\n" HIDDEN), 400 },
    { "CL with a parameter", TEXT(START "Content-Length: 0;a\r\n\r\n" HIDDEN), 400 },
    { "CL with a fraction", TEXT(START "Content-Length: 0.0\r\n\r\n" HIDDEN), 400 },
    { "CL of minus zero", TEXT(START "Content-Length: -0\r\n\r\n" HIDDEN), 400 },
    { "CL with a tab behind it", TEXT(START "Content-Length: 0\t\r\n\r\n" HIDDEN), 400 },
    { "CL far above the limit", TEXT(START "Content-Length: 18446744073709551615\r\n\r\n" HIDDEN),
        413 },
    { "an empty TE", TEXT(START "Transfer-Encoding:\r\n\r\n0\r\n\r\n" HIDDEN), 400 },
    { "TE with a comma behind it",
        TEXT(START "Transfer-Encoding: chunked,\r\n\r\n0\r\n\r\n" HIDDEN), 400 },
    { "TE with a comma before it",
        TEXT(START "Transfer-Encoding: ,chunked\r\n\r\n0\r\n\r\n" HIDDEN), 400 },
    { "TE in quotes", TEXT(START "Transfer-Encoding: \"chunked\"\r\n\r\n0\r\n\r\n" HIDDEN), 400 },
    { "TE with a tab behind it", TEXT(START "Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "TE with an 8-bit blank",
        TEXT(START "Transfer-Encoding: \xa0"
                   "chunked\r\n\r\n0\r\n\r\n" HIDDEN),
        400 },
    { "TE folded", TEXT(START "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" HIDDEN), 400 },
    { "bare CR in the request line", TEXT("POST / HTTP/1.1\rHost: x\r\n\r\n" HIDDEN), 400 },
    { "bare CR in a name", TEXT(START "X\r: a\r\n\r\n" HIDDEN), 400 },
    { "bare CR before the request", TEXT("\r" START "\r\n" HIDDEN), 400 },
    { "LF CR", TEXT(START "X: a\n\rContent-Length: 33\r\n\r\n" HIDDEN), 400 },
    { "header folded by a tab", TEXT(START "X: a\r\n\tContent-Length: 33\r\n\r\n" HIDDEN), 400 },
    { "8-bit bytes in a name", TEXT(START "\xd0\xa5: a\r\n\r\n" HIDDEN), 400 },
    { "8-bit blank behind a name", TEXT(START "Content-Length\xa0: 33\r\n\r\n" HIDDEN), 400 },
    { "a control character in a value", TEXT(START "X: \x01\r\n\r\n" HIDDEN), 400 },
    { "DEL in a value", TEXT(START "X: \x7f\r\n\r\n" HIDDEN), 400 },
    { "DEL in the target", TEXT("POST /\x7f HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "8-bit bytes in the target", TEXT("POST /\x80 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "an escape of no digits", TEXT("POST /%zz HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "half an escape", TEXT("POST /%4 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "an escaped NUL", TEXT("POST /%00 HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "an escaped line break", TEXT("POST /%0d%0aX:%20y HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "an escape that is no UTF-8", TEXT("POST /%ff HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "a host with a blank", TEXT("POST / HTTP/1.1\r\nHost: x y\r\n\r\n" HIDDEN), 400 },
    { "a host with a path", TEXT("POST / HTTP/1.1\r\nHost: x/y\r\n\r\n" HIDDEN), 400 },
    { "a host with a user", TEXT("POST / HTTP/1.1\r\nHost: a@x\r\n\r\n" HIDDEN), 400 },
    { "a host of 8-bit bytes", TEXT("POST / HTTP/1.1\r\nHost: \xd0\xa5\r\n\r\n" HIDDEN), 400 },
    { "two hosts on HTTP/1.0",
        TEXT("POST / HTTP/1.0\r\nHost: x\r\nHost: y\r\nConnection: keep-alive\r\n\r\n" HIDDEN),
        400 },
    { "a target without a method", TEXT("/ HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "NUL in the method", TEXT("PO\0ST / HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "8-bit bytes in the method", TEXT("PO\xd0ST / HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "a blank before the request line", TEXT(" POST / HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 0 },
    { "tabs in the request line", TEXT("POST\t/\tHTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN), 0 },
    { "the version in small letters", TEXT("POST / http/1.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "a version with a zero before it", TEXT("POST / HTTP/01.1\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "a version with a zero behind it", TEXT("POST / HTTP/1.10\r\nHost: x\r\n\r\n" HIDDEN), 400 },
    { "the preface of HTTP/2", TEXT("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" HIDDEN), 505 },
    { "a body too large for who asks first",
        TEXT(START "Expect: 100-continue\r\nContent-Length: 100000\r\n\r\n" HIDDEN), 413 },
    { "chunk size with a plus", TEXT(CODED "+0\r\n\r\n" HIDDEN), 400 },
    { "blank before the chunk size", TEXT(CODED " 0\r\n\r\n" HIDDEN), 400 },
    { "tab behind the chunk size", TEXT(CODED "0\t\r\n\r\n" HIDDEN), 400 },
    { "chunk size with an underscore", TEXT(CODED "1_0\r\n\r\n" HIDDEN), 400 },
    { "no chunk size", TEXT(CODED "\r\n\r\n" HIDDEN), 400 },
    { "an extension without a chunk size", TEXT(CODED ";a\r\n\r\n" HIDDEN), 400 },
    { "bare CR behind the chunk size", TEXT(CODED "1\rZ\r\n0\r\n\r\n" HIDDEN), 400 },
    { "no line break behind a chunk", TEXT(CODED "1\r\na0\r\n\r\n" HIDDEN), 400 },
    { "a request where a trailer would be", TEXT(CODED "0\r\n" HIDDEN), 400 },
};

/*
 * These are requests, or will never be whole: `served` of them are served, and what looks like
 * another request is part of them, or is lost with their connection.
 */
static const struct containment {
    struct attempt attempt;
    int served;
} containments[] = {
    { { "a request in a body", TEXT(START "Content-Length: 33\r\n\r\n" HIDDEN), 200 }, 1 },
    { { "a request in the body of a GET",
          TEXT("GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n" HIDDEN), 200 },
        1 },
    { { "a request in the body of a refused method",
          TEXT("PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n" HIDDEN), 405 },
        0 },
    { { "a request in the body of an unknown path",
          TEXT("POST /no HTTP/1.1\r\nHost: x\r\nContent-Length: 33\r\n\r\n" HIDDEN), 404 },
        0 },
    { { "a request in a body that was to be asked for",
          TEXT(START "Expect: 100-continue\r\nContent-Length: 33\r\n\r\n" HIDDEN), 100 },
        1 },
    { { "a request in a body with an expectation nobody knows",
          TEXT(START "Expect: other\r\nContent-Length: 33\r\n\r\n" HIDDEN), 200 },
        1 },
    { { "CL with zeros before it", TEXT(START "Content-Length: 0033\r\n\r\n" HIDDEN), 200 }, 1 },
    { { "CL that is named as hop-by-hop",
          TEXT(START "Connection: Content-Length\r\nContent-Length: 33\r\n\r\n" HIDDEN), 200 },
        1 },
    { { "a body that is shorter than its CL", TEXT(START "Content-Length: 34\r\n\r\n" HIDDEN), 0 },
        0 },
    { { "TE with an underscore is no TE",
          TEXT(START "Transfer_Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN), 200 },
        1 },
    { { "an offer of HTTP/2",
          TEXT(
              "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
              "HTTP2-Settings: AAMAAABk\r\n\r\nPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" HIDDEN),
          200 },
        1 },
    { { "an end of the connection", TEXT(START "Connection: close\r\n\r\n" HIDDEN), 200 }, 1 },
    { { "HTTP/1.0 without keep-alive", TEXT("POST / HTTP/1.0\r\n\r\n" HIDDEN), 200 }, 1 },
    { { "chunks", TEXT(CODED "0\r\n\r\n" HIDDEN), 200 }, 1 },
    { { "TE in capitals", TEXT(START "Transfer-Encoding: CHUNKED\r\n\r\n0\r\n\r\n" HIDDEN), 200 },
        1 },
    { { "chunks between bare LFs", TEXT(CODED "1\na\n0\n\n" HIDDEN), 200 }, 1 },
    { { "a bare LF in an extension", TEXT(CODED "0;x\nY\r\n\r\n" HIDDEN), 400 }, 0 },
    { { "a bare LF behind a trailer", TEXT(CODED "0\r\nA: b\n\n" HIDDEN), 200 }, 1 },
    { { "a chunk extension", TEXT(CODED "1;a=b\r\na\r\n0\r\n\r\n" HIDDEN), 200 }, 1 },
    { { "an open quote in an extension", TEXT(CODED "0;a=\"\r\n\r\n" HIDDEN), 200 }, 1 },
    { { "many zeros before the chunk size",
          TEXT(CODED "0000000000000000000001\r\na\r\n0\r\n\r\n" HIDDEN), 200 },
        1 },
    { { "CL as a trailer", TEXT(CODED "0\r\nContent-Length: 33\r\n\r\n" HIDDEN), 200 }, 1 },
    { { "TE as a trailer", TEXT(CODED "0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" HIDDEN),
          200 },
        1 },
    { { "a folded trailer", TEXT(CODED "0\r\nA: b\r\n c\r\n\r\n" HIDDEN), 200 }, 1 },
    { { "no line break behind the last chunk", TEXT(CODED "0\r\n"), 0 }, 0 },
    { { "no last chunk", TEXT(CODED "1\r\na\r\n"), 0 }, 0 },
    { { "half a chunk", TEXT(CODED "ffffffffffffffff\r\n" HIDDEN), 0 }, 0 },
};

/* Forms of a target and of a request that are no trick: what they are answered with. */
static const struct containment plain[] = {
    { { "absolute form", TEXT("POST http://x/ HTTP/1.1\r\nHost: x\r\n\r\n"), 200 }, 1 },
    { { "absolute form without a path", TEXT("POST http://y HTTP/1.1\r\nHost: x\r\n\r\n"), 200 },
        1 },
    { { "authority form", TEXT("POST x:80 HTTP/1.1\r\nHost: x\r\n\r\n"), 404 }, 0 },
    { { "CONNECT", TEXT("CONNECT x:443 HTTP/1.1\r\nHost: x\r\n\r\n"), 404 }, 0 },
    { { "asterisk form", TEXT("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"), 404 }, 0 },
    { { "a fragment", TEXT("POST /#a HTTP/1.1\r\nHost: x\r\n\r\n"), 404 }, 0 },
    { { "a method in small letters", TEXT("post / HTTP/1.1\r\nHost: x\r\n\r\n"), 405 }, 0 },
    { { "a later minor version", TEXT("POST / HTTP/1.2\r\nHost: x\r\n\r\n"), 200 }, 1 },
    { { "an empty host", TEXT("POST / HTTP/1.1\r\nHost:\r\n\r\n"), 200 }, 1 },
    { { "an IPv6 host", TEXT("POST / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n"), 200 }, 1 },
    { { "8-bit bytes in a value", TEXT(START "X: \xa0\xff\r\n\r\n"), 200 }, 1 },
    { { "a line break before the request", TEXT("\r\n" START "\r\n"), 200 }, 1 },
};

/* Sends it and reads to the end: one answer at most, then the connection is closed. */
static void it_is_refused(void **state)
{
    const struct attempt *a = *state;
    struct wire w;
    wire_open(&w, http_port(server));
    (void)wire_try_send(&w, a->bytes.p, a->bytes.n);
    if (!wire_closes(&w, WIRE_WAIT_MS))
        fail_msg("still open after %.*s", (int)w.n, w.ahead);
    unsigned status = wire_read_for(&w, &reply, false, WIRE_WAIT_MS) ? reply.status : 0;
    assert_int_equal(status, a->status);
    wire_close(&w);
    assert_int_equal(atomic_load(&served), 0);
}

/* The same, a byte at a time: what the library keeps between reads must not blind the checks. */
static void it_is_refused_in_pieces(void **state)
{
    const struct attempt *a = *state;
    struct wire w;
    wire_open(&w, http_port(server));
    for (size_t i = 0; i < a->bytes.n; i++)
        if (!wire_try_send(&w, a->bytes.p + i, 1))
            break;
    assert_true(wire_closes(&w, WIRE_WAIT_MS));
    wire_close(&w);
    assert_int_equal(atomic_load(&served), 0);
}

/* Sends it, says that no more will come, and reads to the end. */
static void it_hides_nothing(void **state)
{
    const struct containment *c = *state;
    struct wire w;
    wire_open(&w, http_port(server));
    if (wire_try_send(&w, c->attempt.bytes.p, c->attempt.bytes.n))
        (void)shutdown(w.fd, SHUT_WR);
    assert_true(wire_closes(&w, WIRE_WAIT_MS));
    unsigned status = wire_read_for(&w, &reply, false, WIRE_WAIT_MS) ? reply.status : 0;
    assert_int_equal(status, c->attempt.status);
    wire_close(&w);
    assert_int_equal(atomic_load(&served), c->served);
    assert_int_equal(atomic_load(&hidden), 0);
}

/* No trick: one answer. */
static void it_is_answered(void **state)
{
    const struct containment *c = *state;
    struct wire w;
    wire_open(&w, http_port(server));
    assert_true(wire_try_send(&w, c->attempt.bytes.p, c->attempt.bytes.n));
    wire_read(&w, &reply);
    assert_int_equal(reply.status, c->attempt.status);
    wire_close(&w);
    assert_int_equal(atomic_load(&served), c->served);
}

/* Lines that are longer than a header may be. */
static void assert_too_long(const char *start, size_t n, const char *end, unsigned wanted)
{
    struct wire w;
    static char filler[64 * 1024];
    assert_true(n <= sizeof filler);
    memset(filler, 'a', n);
    wire_open(&w, http_port(server));
    bool sent = wire_try_send(&w, start, strlen(start)) && wire_try_send(&w, filler, n) &&
                wire_try_send(&w, end, strlen(end));
    assert_true(wire_closes(&w, WIRE_WAIT_MS) || !sent);
    if (wire_read_for(&w, &reply, false, WIRE_WAIT_MS)) /* else a reset has taken the answer */
        assert_int_equal(reply.status, wanted);
    wire_close(&w);
    assert_int_equal(atomic_load(&served), 0);
}

static void an_endless_method_is_refused(void **state)
{
    (void)state;
    assert_too_long("", 40000, " / HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 414);
}

static void an_endless_target_is_refused(void **state)
{
    (void)state;
    assert_too_long("POST /", 40000, " HTTP/1.1\r\nHost: x\r\n\r\n" HIDDEN, 414);
}

static void an_endless_name_is_refused(void **state)
{
    (void)state;
    assert_too_long(START, 40000, ": a\r\n\r\n" HIDDEN, 431);
}

static void an_endless_value_is_refused(void **state)
{
    (void)state;
    assert_too_long(START "X: ", 40000, "\r\n\r\n" HIDDEN, 431);
}

/* As libmicrohttpd 0.9.75 says that it has no room for it. */
static void an_endless_extension_is_refused(void **state)
{
    (void)state;
    assert_too_long(CODED "1;", 64 * 1024, "\r\na\r\n0\r\n\r\n" HIDDEN, 500);
}

/* 70000 bytes, where 65536 are the limit: read to their end and refused. */
static void chunks_above_the_limit_are_refused(void **state)
{
    (void)state;
    struct wire w;
    wire_open(&w, http_port(server));
    assert_true(wire_try_send(&w, CODED, sizeof CODED - 1));
    static char chunk[7000];
    memset(chunk, 'a', sizeof chunk);
    for (int i = 0; i < 10; i++) {
        wire_send(&w, "1B58\r\n");
        assert_true(wire_try_send(&w, chunk, sizeof chunk));
        wire_send(&w, "\r\n");
    }
    wire_send(&w, "0\r\n\r\n" HIDDEN);
    assert_true(wire_closes(&w, WIRE_WAIT_MS));
    wire_read(&w, &reply);
    assert_int_equal(reply.status, 413);
    assert_int_equal(atomic_load(&served), 0);
    wire_close(&w);
}

/* The refusals above would mean nothing if this were refused as well. */
static void a_plain_request_and_the_one_behind_it_are_served(void **state)
{
    (void)state;
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

/* ---- the list ---- */

enum { TESTS_MAX = 512, NAME_MAX_SIZE = 80 };

static struct CMUnitTest tests[TESTS_MAX];
static char names[TESTS_MAX][NAME_MAX_SIZE];
static size_t n_tests;

static int forget(void **state)
{
    (void)state;
    atomic_store(&served, 0);
    atomic_store(&hidden, 0);
    return 0;
}

static void add(const char *name, const char *rest, CMUnitTestFunction test, const void *state)
{
    if (n_tests == TESTS_MAX)
        abort();
    (void)snprintf(names[n_tests], NAME_MAX_SIZE, "%s %s", name, rest);
    tests[n_tests] = (struct CMUnitTest) { .name = names[n_tests],
        .test_func = test,
        .setup_func = forget,
        .initial_state = (void *)(uintptr_t)state };
    n_tests++;
}

int main(void)
{
    for (size_t i = 0; i < COUNT(refusals); i++) {
        add(refusals[i].name, "is refused", it_is_refused, &refusals[i]);
        add(refusals[i].name, "is refused in pieces", it_is_refused_in_pieces, &refusals[i]);
    }
    for (size_t i = 0; i < COUNT(containments); i++)
        add(containments[i].attempt.name, "hides nothing", it_hides_nothing, &containments[i]);
    for (size_t i = 0; i < COUNT(plain); i++)
        add(plain[i].attempt.name, "is answered", it_is_answered, &plain[i]);
    add("an endless method", "is refused", an_endless_method_is_refused, NULL);
    add("an endless target", "is refused", an_endless_target_is_refused, NULL);
    add("an endless name", "is refused", an_endless_name_is_refused, NULL);
    add("an endless value", "is refused", an_endless_value_is_refused, NULL);
    add("an endless extension", "is refused", an_endless_extension_is_refused, NULL);
    add("more chunks than a body may have", "are refused", chunks_above_the_limit_are_refused,
        NULL);
    add("a plain request and the one behind it", "are served",
        a_plain_request_and_the_one_behind_it_are_served, NULL);
    return _cmocka_run_group_tests("smuggling", tests, n_tests, start, stop);
}
