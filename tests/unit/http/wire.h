/*
 * The client's side of the wire for tests of the HTTP server: bytes as they are, nothing polite.
 */
#ifndef TURNPIKE_TEST_HTTP_WIRE_H
#define TURNPIKE_TEST_HTTP_WIRE_H

#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

enum { WIRE_ROOM = 256 * 1024, WIRE_WAIT_MS = 10000 };

/* A response, taken off the wire. */
struct reply {
    unsigned status;
    char head[4096]; /* status line and headers */
    char body[WIRE_ROOM];
    size_t n;
};

/* A connection with the bytes that were read ahead. */
struct wire {
    int fd;
    char ahead[WIRE_ROOM];
    size_t n;
};

static inline void wire_sleep_ms(long ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * 1000000 };
    (void)nanosleep(&t, NULL);
}

/* -1 with errno when nobody listens. */
static inline int wire_dial(unsigned port)
{
    struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) == 0)
        return fd;
    int reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

static inline void wire_open(struct wire *w, unsigned port)
{
    w->n = 0;
    w->fd = wire_dial(port);
    assert_true(w->fd >= 0);
}

static inline void wire_close(struct wire *w)
{
    assert_int_equal(close(w->fd), 0);
}

/* False when the server has closed. */
static inline bool wire_try_send(struct wire *w, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t sent = send(w->fd, p, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        p += sent;
        n -= (size_t)sent;
    }
    return true;
}

static inline void wire_send(struct wire *w, const char *text)
{
    assert_true(wire_try_send(w, text, strlen(text)));
}

/* Reads some more; 0 at the end of the connection, -1 when nothing came in that time. */
static inline int wire_more(struct wire *w, int wait_ms)
{
    struct pollfd p = { .fd = w->fd, .events = POLLIN };
    if (poll(&p, 1, wait_ms) <= 0)
        return -1;
    assert_true(w->n < sizeof w->ahead);
    ssize_t got = recv(w->fd, w->ahead + w->n, sizeof w->ahead - w->n, 0);
    if (got <= 0)
        return 0;
    w->n += (size_t)got;
    return 1;
}

/* True when the server closes within that time; what it says before is kept. */
static inline bool wire_closes(struct wire *w, int wait_ms)
{
    int more;
    while ((more = wire_more(w, wait_ms)) > 0)
        continue;
    return more == 0;
}

/* A header's value from a reply's head, or NULL. */
static inline const char *wire_header(const struct reply *r, const char *name)
{
    static _Thread_local char value[512];
    size_t n = strlen(name);
    for (const char *line = strstr(r->head, "\r\n"); line != NULL; line = strstr(line, "\r\n")) {
        line += 2;
        if (strncasecmp(line, name, n) != 0 || line[n] != ':')
            continue;
        const char *start = line + n + 1;
        while (*start == ' ')
            start++;
        size_t length = strcspn(start, "\r");
        assert_true(length < sizeof value);
        memcpy(value, start, length);
        value[length] = '\0';
        return value;
    }
    return NULL;
}

/* Takes one response off; false when the connection ends or is silent before it is whole. */
static inline bool wire_read_for(struct wire *w, struct reply *r, bool no_body, int wait_ms)
{
    const char *end;
    *r = (struct reply) { 0 };
    while ((end = memmem(w->ahead, w->n, "\r\n\r\n", 4)) == NULL)
        if (wire_more(w, wait_ms) <= 0)
            return false;
    size_t head = (size_t)(end - w->ahead) + 4;
    assert_true(head < sizeof r->head);
    memcpy(r->head, w->ahead, head);
    assert_memory_equal(r->head, "HTTP/1.1 ", 9);
    r->status = (unsigned)strtoul(r->head + 9, NULL, 10);
    const char *length = wire_header(r, "Content-Length");
    r->n = length != NULL && !no_body ? strtoul(length, NULL, 10) : 0;
    assert_true(r->n < sizeof r->body);
    while (w->n < head + r->n)
        if (wire_more(w, wait_ms) <= 0)
            return false;
    memcpy(r->body, w->ahead + head, r->n);
    w->n -= head + r->n;
    memmove(w->ahead, w->ahead + head + r->n, w->n);
    return true;
}

static inline void wire_read(struct wire *w, struct reply *r)
{
    if (!wire_read_for(w, r, false, WIRE_WAIT_MS))
        fail_msg("no response; so far: %.*s", (int)w->n, w->ahead);
}

static inline void wire_get(struct wire *w, const char *path)
{
    char text[1024];
    int n = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: test\r\n\r\n", path);
    assert_true(n > 0 && (size_t)n < sizeof text);
    wire_send(w, text);
}

/* Starts a server on 127.0.0.1 with a free port. */
static inline struct http_server *wire_server(
    const struct http_route *routes, size_t n, struct http_limits limits)
{
    char why[200] = "";
    struct http_config config = { .listen = "127.0.0.1:0",
        .threads = 2,
        .limits = limits,
        .routes = routes,
        .n_routes = n,
        .metric_prefix = "test" };
    struct http_server *s = http_start(&config, why, sizeof why);
    if (s == NULL)
        fail_msg("%s", why);
    return s;
}

/* Waits until it is so, for at most ten seconds. */
#define WIRE_UNTIL(condition)                                                                      \
    do {                                                                                           \
        for (int waited_ms = 0; !(condition) && waited_ms < WIRE_WAIT_MS; waited_ms++)             \
            wire_sleep_ms(1);                                                                      \
        assert_true(condition);                                                                    \
    } while (0)

#endif
