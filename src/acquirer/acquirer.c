/*
 * The sockets of the links, on the engine's loop.
 *
 * Each link has one socket at most. serve() is the heart: it lets the link look at the time, does
 * what the link wishes of its socket, and writes what waits; it is called after everything that may
 * have changed a link. Reads are at most 64 KiB for every readiness, so that one busy host does not
 * keep the others waiting; writes are one for every flush.
 *
 * Names are resolved at start only, for a resolver may block. When a name has several addresses a
 * failed attempt moves on to the next.
 */
#include "acquirer/acquirer.h"
#include "base/metric.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_MAX = 64 << 10, LABEL_MAX = 32 };

/* A link and its socket. */
struct wire {
    struct acquirer *owner;
    struct link *link;
    struct loop_watch watch;
    struct loop_timer timer;
    int fd; /* -1: none */
    bool connecting;
    bool signed_off;                      /* counted in the acquirer */
    struct addrinfo *addresses, *address; /* all, and the one to try */
};

struct acquirer {
    struct loop *loop;
    struct clock *clock;
    struct acquirer_port port;
    struct wire wires[LINKS_MAX];
    _Atomic size_t n_signed_off;
    void (*trace)(void *self, const char *link, bool outgoing, const struct iso_message *m);
    void *trace_self;
    char bytes[READ_MAX]; /* of one read, wiped after it */
};

static struct metric up[LINKS_MAX];
static char up_labels[LINKS_MAX][LABEL_MAX];

#define holder(member_pointer, type, member)                                                       \
    ((type *)(void *)((char *)(member_pointer)-offsetof(type, member)))

static bool wire_start(struct wire *w, struct acquirer *a, const struct link_config *config,
    uint8_t index, struct rng *rng, char *why, size_t why_size);
static void serve(struct wire *w);
static void on_submit(void *self, uint8_t link, const struct acquirer_message *m);
static void on_flush(void *self);

struct acquirer *acquirer_start(const struct link_config *configs, size_t n, struct loop *loop,
    struct clock *clock, struct rng *rng, char *why, size_t why_size)
{
    if (n > LINKS_MAX) {
        (void)snprintf(why, why_size, "%zu acquirer links, at most %d are possible", n, LINKS_MAX);
        return NULL;
    }
    struct acquirer *a = calloc(1, sizeof *a);
    if (a == NULL) {
        (void)snprintf(why, why_size, "no memory for the acquirer links");
        return NULL;
    }
    a->loop = loop;
    a->clock = clock;
    a->port = (struct acquirer_port) { .self = a, .submit = on_submit, .flush = on_flush };
    for (size_t i = 0; i < n; i++) {
        a->port.n_links = i + 1;
        a->wires[i].fd = -1;
        if (!wire_start(&a->wires[i], a, &configs[i], (uint8_t)i, rng, why, why_size)) {
            acquirer_stop(a);
            return NULL;
        }
        a->port.views[i] = link_view(a->wires[i].link);
    }
    /* Only now, when nothing can fail any more: the loop has no way to take a timer back. */
    for (size_t i = 0; i < n; i++) {
        loop_add_timer(loop, &a->wires[i].timer);
        serve(&a->wires[i]);
    }
    return a;
}

struct acquirer_port *acquirer_port(struct acquirer *a)
{
    return &a->port;
}

void acquirer_trace(struct acquirer *a,
    void (*trace)(void *self, const char *link, bool outgoing, const struct iso_message *m),
    void *self)
{
    a->trace = trace;
    a->trace_self = self;
}

void acquirer_sign_off(struct acquirer *a)
{
    for (size_t i = 0; i < a->port.n_links; i++) {
        link_sign_off(a->wires[i].link, clock_now_ms(a->clock));
        serve(&a->wires[i]);
    }
}

bool acquirer_signed_off(const struct acquirer *a)
{
    return atomic_load(&a->n_signed_off) == a->port.n_links;
}

static void close_socket(struct wire *w)
{
    if (w->fd < 0)
        return;
    loop_remove(w->owner->loop, &w->watch);
    (void)close(
        w->fd); /* nothing can be done about a failure, and the number is free in any case */
    w->fd = -1;
    w->connecting = false;
}

void acquirer_stop(struct acquirer *a)
{
    if (a == NULL)
        return;
    for (size_t i = 0; i < a->port.n_links; i++) {
        struct wire *w = &a->wires[i];
        close_socket(w);
        w->timer.at_ns = INT64_MAX;
        link_free(w->link);
        if (w->addresses != NULL)
            freeaddrinfo(w->addresses);
        metric_set(&up[i], 0);
    }
    free(a);
}

/* ---- the port ---- */

static void on_submit(void *self, uint8_t link, const struct acquirer_message *m)
{
    struct acquirer *a = self;
    assert(link < a->port.n_links);
    link_submit(a->wires[link].link, m, clock_mono_ns());
}

static void on_flush(void *self)
{
    struct acquirer *a = self;
    for (size_t i = 0; i < a->port.n_links; i++)
        serve(&a->wires[i]);
}

/* ---- starting one ---- */

static void on_event(void *self, const struct acquirer_event *ev)
{
    struct wire *w = self;
    if (ev->kind == ACQ_LINK_UP || ev->kind == ACQ_LINK_DOWN)
        metric_set(&up[ev->link], ev->kind == ACQ_LINK_UP ? 1 : 0);
    loop_acquirer_event(w->owner->loop, ev);
}

static void on_trace(void *self, const char *link, bool outgoing, const struct iso_message *m)
{
    const struct acquirer *a = ((struct wire *)self)->owner;
    if (a->trace != NULL)
        a->trace(a->trace_self, link, outgoing, m);
}

static void on_ready(struct loop_watch *watch, unsigned events);
static void on_due(struct loop_timer *timer, int64_t now_ns);

/* HOST:PORT, or [ADDRESS]:PORT for version 6. */
static bool resolve(
    const char *address, struct addrinfo **out, const char *name, char *why, size_t why_size)
{
    char host[256];
    const char *colon = strrchr(address, ':');
    struct str left = { address, colon == NULL ? 0 : (size_t)(colon - address) };
    if (left.n >= 2 && left.p[0] == '[' && left.p[left.n - 1] == ']')
        left = (struct str) { left.p + 1, left.n - 2 };
    if (left.n == 0 || !str_copy(host, sizeof host, left) || colon[1] == '\0') {
        (void)snprintf(why, why_size, "acquirer link %s: \"%s\" is not HOST:PORT", name, address);
        return false;
    }
    struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
    int error = getaddrinfo(host, colon + 1, &hints, out);
    if (error != 0) {
        (void)snprintf(why, why_size, "acquirer link %s: \"%s\" cannot be resolved: %s", name,
            address, gai_strerror(error));
        *out = NULL;
        return false;
    }
    return true;
}

static bool wire_start(struct wire *w, struct acquirer *a, const struct link_config *config,
    uint8_t index, struct rng *rng, char *why, size_t why_size)
{
    w->owner = a;
    w->watch.ready = on_ready;
    w->timer = (struct loop_timer) { .due = on_due, .at_ns = INT64_MAX };
    if (!resolve(config->address, &w->addresses, config->name, why, why_size))
        return false;
    w->address = w->addresses;
    (void)snprintf(up_labels[index], LABEL_MAX, "link=\"%s\"", config->name);
    if (up[index].name == NULL)
        up[index] = (struct metric)METRIC_GAUGE(
            "turnpike_link_up", "1 when the acquirer link is signed on", up_labels[index]);
    metric_register(&up[index]);
    struct link_env env = { .self = w, .event = on_event, .trace = on_trace };
    w->link = link_new(config, index, &env, rng);
    if (w->link == NULL)
        (void)snprintf(why, why_size, "acquirer link %s: no memory", config->name);
    return w->link != NULL;
}

/* ---- the socket ---- */

static void lost(struct wire *w)
{
    if (w->connecting)
        w->address = w->address->ai_next != NULL ? w->address->ai_next : w->addresses;
    close_socket(w);
    link_closed(w->link, clock_mono_ns());
}

static void begin_connect(struct wire *w)
{
    assert(w->fd < 0);
    w->connecting = true;
    const struct addrinfo *to = w->address;
    int one = 1;
    w->fd = socket(to->ai_family, to->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, to->ai_protocol);
    if (w->fd >= 0 && !loop_add(w->owner->loop, &w->watch, w->fd, LOOP_WRITE)) {
        (void)close(w->fd);
        w->fd = -1;
    }
    if (w->fd < 0 || setsockopt(w->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) != 0 ||
        (connect(w->fd, to->ai_addr, to->ai_addrlen) != 0 && errno != EINPROGRESS))
        lost(w);
    /* Connected at once or not, the socket becomes writable and on_ready goes on. */
}

static void end_connect(struct wire *w)
{
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(w->fd, SOL_SOCKET, SO_ERROR, &error, &size) != 0 || error != 0 ||
        !loop_want(w->owner->loop, &w->watch, LOOP_READ)) {
        lost(w);
        return;
    }
    w->connecting = false;
    link_connected(w->link, clock_mono_ns(), clock_now_ms(w->owner->clock));
}

static void read_some(struct wire *w)
{
    struct acquirer *a = w->owner;
    ssize_t n = recv(w->fd, a->bytes, sizeof a->bytes, 0);
    if (n > 0) {
        struct str bytes = { a->bytes, (size_t)n };
        link_received(w->link, bytes, clock_mono_ns(), clock_now_ms(a->clock));
        sodium_memzero(a->bytes, (size_t)n);
    } else if (n == 0 || (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)) {
        lost(w);
    }
}

/* One write. False when the connection is lost. */
static bool write_out(struct wire *w)
{
    struct buf *out = link_output(w->link);
    if (out->n > 0) {
        ssize_t n = send(w->fd, out->p, out->n, MSG_NOSIGNAL);
        if (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
            return false;
        if (n > 0)
            buf_consume(out, (size_t)n);
    }
    unsigned wanted = LOOP_READ | (out->n > 0 ? LOOP_WRITE : 0);
    return w->watch.wanted == wanted || loop_want(w->owner->loop, &w->watch, wanted);
}

static void serve(struct wire *w)
{
    for (;;) {
        if (link_stopped(w->link) && !w->signed_off) {
            w->signed_off = true;
            atomic_fetch_add(&w->owner->n_signed_off, 1);
        }
        w->timer.at_ns = link_tick(w->link, clock_mono_ns(), clock_now_ms(w->owner->clock));
        enum link_wish wish = link_wish(w->link);
        bool usable = w->fd >= 0 && !w->connecting;
        if (wish == LINK_CONNECT && w->fd < 0) {
            begin_connect(w);
            if (w->fd >= 0)
                return;
        } else if (wish == LINK_CLOSE) {
            if (usable)
                (void)write_out(w); /* a last answer, if it goes at once */
            lost(w);
        } else if (!usable || write_out(w)) {
            return;
        } else {
            lost(w);
        }
    }
}

static void on_ready(struct loop_watch *watch, unsigned events)
{
    struct wire *w = holder(watch, struct wire, watch);
    if (w->fd < 0)
        return;
    if (w->connecting) {
        if ((events & (LOOP_WRITE | LOOP_ERROR)) != 0)
            end_connect(w);
    } else if ((events & (LOOP_READ | LOOP_ERROR)) != 0) {
        read_some(w);
    }
    serve(w);
}

static void on_due(struct loop_timer *timer, int64_t now_ns)
{
    (void)now_ns;
    serve(holder(timer, struct wire, timer));
}
