#include "http/door.h"
#include "base/clock.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    OTHER_FDS = 16384, /* the process's files that are no peers; the lowest free number is given */
    ACCEPT_BURST = 64,
    RETRY_MS = 100, /* after the system had no more descriptors */
    SWEEP_MIN_MS = 50,
    SWEEP_MAX_MS = 1000,
    PEER_CUT = -1,
};

struct door {
    struct door_config config;
    int listen_fd, wake_fd;
    unsigned port;
    bool started;
    pthread_t thread;
    _Atomic bool stop, quiesce;
    int64_t retry_at_ms, sweep_at_ms;

    pthread_mutex_t lock; /* of all below */
    pthread_cond_t closed;
    bool port_closed;
    unsigned n_open;
    struct peer *peers;      /* by descriptor */
    size_t n_peers, highest; /* peers above highest were never used */
};

static int64_t now_ms(void)
{
    return clock_mono_ns() / 1000000;
}

/* ---- The address. ---- */

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

/* HOST:PORT with a numeric host, [v6]:PORT, or localhost:PORT. */
static bool parse_listen(struct str text, union address *out, socklen_t *size)
{
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    uint64_t port;
    char host[HTTP_IP_SIZE];
    *out = (union address) { 0 };
    if (colon < 2 || !str_to_u64(str_skip(text, colon), UINT16_MAX, &port))
        return false;
    struct str name = { text.p, colon - 1 };
    bool v6 = name.n > 2 && name.p[0] == '[' && name.p[name.n - 1] == ']';
    if (v6)
        name = (struct str) { name.p + 1, name.n - 2 };
    if (str_eq_nocase(name, STR("localhost")))
        name = STR("127.0.0.1");
    if (!str_copy(host, sizeof host, name))
        return false;
    if (v6) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons((uint16_t)port);
        *size = sizeof out->v6;
        return inet_pton(AF_INET6, host, &out->v6.sin6_addr) == 1;
    }
    out->v4.sin_family = AF_INET;
    out->v4.sin_port = htons((uint16_t)port);
    *size = sizeof out->v4;
    return inet_pton(AF_INET, host, &out->v4.sin_addr) == 1;
}

static unsigned port_of(int fd)
{
    union address a = { 0 };
    socklen_t size = sizeof a;
    if (getsockname(fd, &a.any, &size) != 0)
        return 0;
    return ntohs(a.any.sa_family == AF_INET6 ? a.v6.sin6_port : a.v4.sin_port);
}

/* IPv4 as ::ffff:a.b.c.d, so that one address is one key on either kind of socket. */
static void note_address(struct peer *p, const union address *a)
{
    static const unsigned char mapped[12] = { [10] = 0xff, [11] = 0xff };
    if (a->any.sa_family == AF_INET6) {
        memcpy(p->ip, &a->v6.sin6_addr, sizeof p->ip);
    } else {
        memcpy(p->ip, mapped, sizeof mapped);
        memcpy(p->ip + sizeof mapped, &a->v4.sin_addr, 4);
    }
    bool v4 = memcmp(p->ip, mapped, sizeof mapped) == 0;
    if (inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? p->ip + sizeof mapped : p->ip, p->ip_text,
            sizeof p->ip_text) == NULL)
        p->ip_text[0] = '\0';
}

/* ---- Opening and closing. ---- */

static int listen_on(const union address *a, socklen_t size)
{
    int fd = socket(a->any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1, off = 0;
    bool both = a->any.sa_family == AF_INET6; /* [::] takes IPv4 too */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        (!both || setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) == 0) &&
        bind(fd, &a->any, size) == 0 && listen(fd, SOMAXCONN) == 0)
        return fd;
    int reason = errno;
    (void)close(fd);
    errno = reason;
    return -1;
}

struct door *door_open(const struct door_config *config, char *why, size_t why_size)
{
    union address address;
    socklen_t size;
    if (!parse_listen(str_of(config->listen), &address, &size)) {
        (void)snprintf(
            why, why_size, "cannot listen on %s: it is not ADDRESS:PORT", config->listen);
        return NULL;
    }
    struct door *d = calloc(1, sizeof *d);
    if (d == NULL) {
        (void)snprintf(why, why_size, "out of memory");
        return NULL;
    }
    d->config = *config;
    d->wake_fd = d->listen_fd = -1;
    if (pthread_mutex_init(&d->lock, NULL) != 0 || pthread_cond_init(&d->closed, NULL) != 0)
        abort(); /* neither fails on Linux */
    d->n_peers = (size_t)config->connections + OTHER_FDS;
    d->peers = calloc(d->n_peers, sizeof *d->peers);
    d->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (d->peers != NULL && d->wake_fd >= 0)
        d->listen_fd = listen_on(&address, size);
    if (d->listen_fd < 0) {
        (void)snprintf(why, why_size, "cannot listen on %s: %s", config->listen, strerror(errno));
        door_free(d);
        return NULL;
    }
    d->port = port_of(d->listen_fd);
    return d;
}

unsigned door_port(const struct door *d)
{
    return d->port;
}

static void wake(struct door *d)
{
    uint64_t one = 1;
    if (write(d->wake_fd, &one, sizeof one) < 0)
        assert(errno == EAGAIN || errno == EINTR); /* full: it is awake anyway */
}

void door_quiesce(struct door *d)
{
    atomic_store(&d->quiesce, true);
    if (!d->started)
        return;
    wake(d);
    pthread_mutex_lock(&d->lock);
    while (!d->port_closed)
        pthread_cond_wait(&d->closed, &d->lock);
    pthread_mutex_unlock(&d->lock);
}

void door_stop(struct door *d)
{
    if (!d->started)
        return;
    door_quiesce(d);
    atomic_store(&d->stop, true);
    wake(d);
    int failed = pthread_join(d->thread, NULL);
    assert(failed == 0);
    d->started = false;
}

void door_free(struct door *d)
{
    assert(!d->started);
    if (d->listen_fd >= 0)
        (void)close(d->listen_fd);
    if (d->wake_fd >= 0)
        (void)close(d->wake_fd);
    free(d->peers);
    pthread_cond_destroy(&d->closed);
    pthread_mutex_destroy(&d->lock);
    free(d);
}

/* ---- Peers. ---- */

static bool too_many_of(const struct door *d, const struct peer *p)
{
    if (d->config.per_ip == 0)
        return false;
    unsigned same = 0;
    for (size_t i = 0; i <= d->highest; i++)
        same += d->peers[i].open && memcmp(d->peers[i].ip, p->ip, sizeof p->ip) == 0;
    return same > d->config.per_ip;
}

static void forget(struct door *d, struct peer *p)
{
    assert(p->open && d->n_open > 0);
    p->open = p->adopted = false;
    d->n_open--;
}

/* The peer of a new socket, counted; NULL when one of the limits forbids it. */
static struct peer *admit(struct door *d, int fd, const union address *address)
{
    if ((size_t)fd >= d->n_peers)
        return NULL;
    struct peer *p = &d->peers[fd];
    pthread_mutex_lock(&d->lock);
    if (p->open)
        forget(d, p); /* it ran out of memory before an HTTP thread had it, and was closed untold */
    p->fd = fd;
    p->open = true;
    d->n_open++;
    note_address(p, address);
    atomic_store(&p->since_ms, now_ms());
    if ((size_t)fd > d->highest)
        d->highest = (size_t)fd;
    bool refused = too_many_of(d, p);
    if (refused)
        forget(d, p);
    pthread_mutex_unlock(&d->lock);
    return refused ? NULL : p;
}

struct peer *door_adopt(struct door *d, int fd)
{
    assert(fd >= 0 && (size_t)fd < d->n_peers);
    pthread_mutex_lock(&d->lock);
    struct peer *p = &d->peers[fd];
    assert(p->open && !p->adopted);
    p->adopted = true;
    pthread_mutex_unlock(&d->lock);
    return p;
}

void door_leave(struct door *d, struct peer *p)
{
    pthread_mutex_lock(&d->lock);
    assert(p->adopted);
    bool was_full = d->n_open >= d->config.connections;
    forget(d, p);
    pthread_mutex_unlock(&d->lock);
    if (was_full)
        wake(d);
}

static bool set_turn(struct peer *p, int64_t since_ms)
{
    int64_t seen = atomic_load(&p->since_ms);
    do {
        if (seen == PEER_CUT)
            return false;
    } while (!atomic_compare_exchange_weak(&p->since_ms, &seen, since_ms));
    return true;
}

bool peer_clients_turn(struct peer *p)
{
    return set_turn(p, now_ms());
}

bool peer_servers_turn(struct peer *p)
{
    return set_turn(p, 0);
}

/* ---- The thread. ---- */

/* Under the lock nobody closes a socket, so the descriptor is still the peer's. */
static void cut_slow_peers(struct door *d, int64_t now)
{
    int64_t allowed_ms = (int64_t)d->config.idle_seconds * 1000;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i <= d->highest; i++) {
        struct peer *p = &d->peers[i];
        int64_t since = p->adopted ? atomic_load(&p->since_ms) : 0;
        if (since <= 0 || now - since <= allowed_ms)
            continue;
        if (atomic_compare_exchange_strong(&p->since_ms, &since, PEER_CUT))
            (void)shutdown(p->fd, SHUT_RDWR); /* fails when the client has left by itself */
    }
    pthread_mutex_unlock(&d->lock);
}

static bool has_room(struct door *d)
{
    pthread_mutex_lock(&d->lock);
    bool room = d->n_open < d->config.connections;
    pthread_mutex_unlock(&d->lock);
    return room;
}

/* False when there is no other connection to take now. */
static bool accept_one(struct door *d)
{
    union address address = { 0 };
    socklen_t size = sizeof address;
    int fd = accept4(d->listen_fd, &address.any, &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) {
        if (errno == EINTR || errno == ECONNABORTED)
            return true;
        if (errno != EAGAIN) {
            log_event(LOG_WARN, "http.accept", "error=\"%s\"", strerror(errno));
            d->retry_at_ms = now_ms() + RETRY_MS;
        }
        return false;
    }
    struct peer *p = admit(d, fd, &address);
    if (p == NULL) {
        (void)close(fd);
        return true;
    }
    if (!d->config.enter(d->config.context, fd, &address.any, size)) {
        pthread_mutex_lock(&d->lock);
        forget(d, p);
        pthread_mutex_unlock(&d->lock);
    }
    return true;
}

static void close_port(struct door *d)
{
    (void)close(d->listen_fd);
    d->listen_fd = -1;
    pthread_mutex_lock(&d->lock);
    d->port_closed = true;
    pthread_cond_broadcast(&d->closed);
    pthread_mutex_unlock(&d->lock);
}

static int sweep_interval_ms(const struct door *d)
{
    unsigned ms = d->config.idle_seconds * 1000 / 16;
    return ms < SWEEP_MIN_MS ? SWEEP_MIN_MS : ms > SWEEP_MAX_MS ? SWEEP_MAX_MS : (int)ms;
}

static void *keep_door(void *arg)
{
    struct door *d = arg;
    int interval_ms = sweep_interval_ms(d);
    while (!atomic_load(&d->stop)) {
        if (d->listen_fd >= 0 && atomic_load(&d->quiesce))
            close_port(d);
        bool accepting = d->listen_fd >= 0 && now_ms() >= d->retry_at_ms && has_room(d);
        struct pollfd fds[] = {
            { .fd = d->wake_fd, .events = POLLIN },
            { .fd = accepting ? d->listen_fd : -1, .events = POLLIN },
        };
        if (poll(fds, COUNT(fds), d->retry_at_ms > now_ms() ? RETRY_MS : interval_ms) < 0)
            assert(errno == EINTR || errno == ENOMEM);
        uint64_t count;
        if (read(d->wake_fd, &count, sizeof count) < 0)
            assert(errno == EAGAIN || errno == EINTR);
        for (int i = 0; fds[1].revents != 0 && i < ACCEPT_BURST && has_room(d); i++)
            if (!accept_one(d))
                break;
        if (now_ms() >= d->sweep_at_ms) {
            cut_slow_peers(d, now_ms());
            d->sweep_at_ms = now_ms() + interval_ms;
        }
    }
    return NULL;
}

bool door_start(struct door *d)
{
    d->started = pthread_create(&d->thread, NULL, keep_door, d) == 0;
    return d->started;
}
