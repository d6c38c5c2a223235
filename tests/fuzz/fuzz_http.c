/*
 * The HTTP server end to end, over the loopback: whatever bytes a client sends, what is served are
 * requests that a strict reader finds in them too, in their order, with the same path and body.
 *
 * That reader is the second half of this file, written from RFC 9112 and knowing nothing of the
 * server. It may find more than is served, as the server has limits and closes; it never finds less.
 * Behind a chunked request nothing may be served. The first byte says where the bytes are cut in two
 * writes.
 */
#include "fuzz.h"
#include "http/http.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REQUESTS_MAX = 64, TEXT_MAX = 4096, ANSWERS_MAX = 1 << 18 };

struct seen {
    char path[TEXT_MAX], query[TEXT_MAX], body[TEXT_MAX];
    size_t path_n, query_n, body_n;
    bool chunked; /* of the reader's: its body is not compared, and nothing may follow */
};

static struct http_server *server;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct seen served[REQUESTS_MAX], read_here[REQUESTS_MAX];
static size_t n_served, n_read;
static bool head_served;
static char answers[ANSWERS_MAX];

/* ---- the server ---- */

static size_t keep(char dst[TEXT_MAX], struct str s)
{
    assert(s.n <= TEXT_MAX);
    if (s.n > 0)
        memcpy(dst, s.p, s.n);
    return s.n;
}

static enum http_result serve(void *context, struct http_request *r)
{
    (void)context;
    int failed = pthread_mutex_lock(&lock);
    assert(failed == 0 && n_served < REQUESTS_MAX && r->path.p[0] == '/');
    struct seen *s = &served[n_served++];
    s->path_n = keep(s->path, r->path);
    s->query_n = keep(s->query, r->query);
    s->body_n = keep(s->body, r->body);
    head_served = head_served || r->method == HTTP_HEAD;
    failed = pthread_mutex_unlock(&lock);
    assert(failed == 0);
    buf_str(&r->response.body, STR("{}"));
    return HTTP_REPLY;
}

static const struct http_route routes[] = {
    { "/*", HTTP_GET | HTTP_POST | HTTP_PUT | HTTP_DELETE | HTTP_HEAD | HTTP_OPTIONS, serve, NULL,
        NULL },
};

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    char why[200] = "";
    server = http_start(&(struct http_config) { .listen = "127.0.0.1:0",
                            .threads = 1,
                            .limits = { .idle_seconds = 2 },
                            .routes = routes,
                            .n_routes = COUNT(routes),
                            .metric_prefix = "fuzz" },
        why, sizeof why);
    assert(server != NULL);
    return 0;
}

/* ---- the client ---- */

static int dial(void)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)http_port(server)) };
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert(fd >= 0);
    int failed = connect(fd, (struct sockaddr *)&a, sizeof a);
    /* A reset at the end, so that no port is held back for a minute. */
    struct linger at_once = { .l_onoff = 1 };
    failed += setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    assert(failed == 0);
    return fd;
}

/* False when the server has closed. */
static bool send_all(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t sent = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        if (sent <= 0)
            return false;
        bytes = str_skip(bytes, (size_t)sent);
    }
    return true;
}

/* Sends everything, says that there is no more, and gives what was answered until the end. */
static struct str exchange(struct str bytes, size_t cut)
{
    int fd = dial();
    struct str first = { bytes.p, cut < bytes.n ? cut : bytes.n };
    if (send_all(fd, first) && send_all(fd, str_skip(bytes, first.n)))
        (void)shutdown(fd, SHUT_WR);
    size_t n = 0;
    ssize_t got;
    while (n < sizeof answers && (got = recv(fd, answers + n, sizeof answers - n, 0)) > 0)
        n += (size_t)got;
    int failed = close(fd);
    assert(failed == 0);
    return (struct str) { answers, n };
}

/*
 * Answers stand one behind the other, each as long as it says. What libmicrohttpd answers by itself
 * is the last; version 0.9.75 sends the head of it twice.
 */
static size_t count_answers(struct str text)
{
    size_t count = 0;
    while (text.n > 0) {
        assert(str_starts_with(text, STR("HTTP/1.1 ")));
        const char *end = memmem(text.p, text.n, "\r\n\r\n", 4);
        if (end == NULL)
            break; /* the connection was reset in the middle */
        size_t head = (size_t)(end - text.p) + 4;
        bool interim = text.p[9] == '1';
        const char *length = memmem(text.p, head, "\r\nContent-Length: ", 18);
        assert(interim || length != NULL);
        size_t body = interim ? 0 : strtoul(length + 18, NULL, 10);
        count += !interim;
        if (!interim && memmem(text.p, head, "\r\nX-Request-Id: ", 16) == NULL)
            break;
        text = str_skip(text, head + body);
    }
    return count;
}

/* ---- the strict reader ---- */

struct head {
    struct str method, target;
    bool old; /* HTTP/1.0 */
    unsigned hosts, lengths, codings;
    uint64_t length;
};

static bool is_token(struct str s)
{
    static const char chars[] = "!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                "abcdefghijklmnopqrstuvwxyz";
    for (size_t i = 0; i < s.n; i++)
        if (memchr(chars, s.p[i], sizeof chars - 1) == NULL)
            return false;
    return s.n > 0;
}

static bool is_visible(struct str s, bool blanks)
{
    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];
        if (c == 0x7F || c < 0x20 + !blanks)
            if (!blanks || c != '\t')
                return false;
    }
    return true;
}

/* Takes what stands before CR LF, and them. */
static bool take_line(struct str *rest, struct str *line)
{
    const char *end = rest->n > 0 ? memmem(rest->p, rest->n, "\r\n", 2) : NULL;
    if (end == NULL)
        return false;
    *line = (struct str) { rest->p, (size_t)(end - rest->p) };
    *rest = str_skip(*rest, line->n + 2);
    return true;
}

static bool read_request_line(struct str line, struct head *h)
{
    size_t blank = str_find(line, ' ');
    h->method = (struct str) { line.p, blank };
    line = str_skip(line, blank + 1);
    blank = str_find(line, ' ');
    h->target = (struct str) { line.p, blank };
    line = str_skip(line, blank + 1);
    h->old = str_eq(line, STR("HTTP/1.0"));
    bool known = line.n == 8 && str_starts_with(line, STR("HTTP/1."));
    return is_token(h->method) && h->target.n > 0 && is_visible(h->target, false) && known &&
           line.p[7] >= '0' && line.p[7] <= '9';
}

static bool read_field(struct str line, struct head *h)
{
    size_t colon = str_find(line, ':');
    struct str name = { line.p, colon }, value = str_skip(line, colon + 1);
    if (colon == line.n || !is_token(name) || !is_visible(value, true))
        return false;
    value = str_trim(value);
    if (str_eq_nocase(name, STR("Host")))
        h->hosts++;
    if (str_eq_nocase(name, STR("Content-Length"))) {
        h->lengths++;
        return str_to_u64(value, UINT64_MAX, &h->length);
    }
    if (str_eq_nocase(name, STR("Transfer-Encoding"))) {
        h->codings++;
        return str_eq_nocase(value, STR("chunked"));
    }
    return true;
}

static size_t line_end(struct str s)
{
    size_t n = 0;
    while (n < s.n && s.p[n] != '\r' && s.p[n] != '\n')
        n++;
    return n;
}

/*
 * Line ends before a request mean nothing to anyone (RFC 9112 section 2.2), so any will do there; and
 * libmicrohttpd 0.9.75 takes a line that begins with a NUL for an empty one.
 */
static bool read_head(struct str *rest, struct head *h)
{
    struct str line;
    *h = (struct head) { 0 };
    while (rest->n > 0 && (rest->p[0] == '\r' || rest->p[0] == '\n' || rest->p[0] == '\0'))
        *rest = str_skip(*rest, rest->p[0] == '\0' ? line_end(*rest) : 1);
    if (!take_line(rest, &line) || !read_request_line(line, h))
        return false;
    while (take_line(rest, &line)) {
        if (line.n == 0)
            return (h->old || h->hosts == 1) && h->hosts <= 1 && h->lengths <= 1 &&
                   h->codings <= 1 && (h->codings == 0 || (h->lengths == 0 && !h->old));
        if (!read_field(line, h))
            return false;
    }
    return false;
}

static int hex_value(char c)
{
    const char *digits = "0123456789abcdef0123456789ABCDEF";
    const char *at = memchr(digits, c, 32);
    return at == NULL ? -1 : (int)(at - digits) % 16;
}

/* False when an escape is broken. */
static bool read_target(struct str target, struct seen *s)
{
    struct str scheme = { target.p, str_find(target, ':') };
    if (str_eq_nocase(scheme, STR("http")) || str_eq_nocase(scheme, STR("https"))) {
        struct str rest = str_skip(target, scheme.n);
        if (str_starts_with(rest, STR("://"))) {
            rest = str_skip(rest, 3);
            target = str_skip(rest, str_find(rest, '/'));
            target = target.n > 0 ? target : STR("/");
        }
    }
    size_t mark = str_find(target, '?');
    s->query_n = keep(s->query, str_skip(target, mark + 1));
    s->path_n = 0;
    for (size_t i = 0; i < mark; i++) {
        char c = target.p[i];
        if (c == '%') {
            if (i + 2 >= mark || hex_value(target.p[i + 1]) < 0 || hex_value(target.p[i + 2]) < 0)
                return false;
            c = (char)(hex_value(target.p[i + 1]) * 16 + hex_value(target.p[i + 2]));
            i += 2;
        }
        s->path[s->path_n++] = c;
    }
    return true;
}

/* Everything up to what is no request, is not whole, or is chunked. */
static void read_requests(struct str rest)
{
    n_read = 0;
    while (n_read < REQUESTS_MAX) {
        struct head h;
        struct seen *s = &read_here[n_read];
        if (!read_head(&rest, &h) || !read_target(h.target, s) || h.length > rest.n)
            return;
        s->chunked = h.codings > 0;
        s->body_n = keep(s->body, (struct str) { rest.p, h.length });
        rest = str_skip(rest, h.length);
        n_read++;
        if (s->chunked)
            return;
    }
}

/* ---- both ---- */

static bool is_same(const struct seen *a, const struct seen *b)
{
    return a->path_n == b->path_n && memcmp(a->path, b->path, a->path_n) == 0 &&
           a->query_n == b->query_n && memcmp(a->query, b->query, a->query_n) == 0 &&
           (b->chunked || (a->body_n == b->body_n && memcmp(a->body, b->body, a->body_n) == 0));
}

static void check_served(void)
{
    size_t at = 0;
    for (size_t i = 0; i < n_served; i++, at++) {
        while (at < n_read && !is_same(&served[i], &read_here[at]))
            at++;
        assert(at < n_read);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    size_t cut = input_byte(&in);
    struct str bytes = input_take(&in, TEXT_MAX);
    n_served = 0;
    head_served = false;
    struct str text = exchange(bytes, cut == 0 ? bytes.n : cut);
    read_requests(bytes);
    int failed = pthread_mutex_lock(&lock);
    assert(failed == 0);
    check_served();
    if (!head_served && bytes.n > 0 && memmem(bytes.p, bytes.n, "HEAD", 4) == NULL)
        assert(count_answers(text) <= n_read + 1);
    failed = pthread_mutex_unlock(&lock);
    assert(failed == 0);
    return 0;
}
