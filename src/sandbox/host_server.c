/*
 * The host on TCP: one thread with epoll, and a small HTTP control beside it.
 *
 * A turn of the loop reads what has come on all connections, decides it, writes the journal once and
 * only then sends the answers, so that no answer is out whose journal line is not. The host belongs
 * to the loop's thread, which holds the lock while it works on it; other threads say that they
 * wait, and the loop lets them in between two turns.
 *
 * The journal is replayed in the thread before the first turn. Connections are accepted by the
 * kernel meanwhile, and what they send waits.
 */
#include "base/log.h"
#include "http/form.h"
#include "http/http.h"
#include "sandbox/host.h"

#include <assert.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum {
    CONNS_MAX = 256,
    READ_BYTES = 256 << 10,
    EVENTS_MAX = 64,
    REPLAY_WAIT_MS = 100, /* how long a start waits for the replay, to tell of a broken journal */
    WHY_SIZE = 256
};

struct conn {
    int fd; /* -1: free */
    bool wants_write;
    struct host_conn *host;
};

struct host_server {
    struct host_config config;
    char *journal_path;
    struct clock clock;
    int epoll, listener, wake;
    unsigned port;
    struct conn conns[CONNS_MAX];
    char *room; /* READ_BYTES */

    pthread_t thread;
    bool thread_runs;
    pthread_mutex_t lock; /* over all below, and the host while the loop works */
    pthread_cond_t replayed;
    _Atomic unsigned waiting; /* threads that want the lock */
    bool ready, stopped;
    _Atomic bool stop;
    struct host *host;
    char why[WHY_SIZE];

    struct http_server *control;
    struct http_route routes[2];
};

/* What an epoll event is about: a connection's number, or one of these. */
enum { EVENT_LISTENER = CONNS_MAX, EVENT_WAKE };

static void *run(void *arg);
static bool open_listener(struct host_server *s, const char *address, char *why, size_t why_size);
static bool start_thread(struct host_server *s, char *why, size_t why_size);
static bool start_control(struct host_server *s, const char *address, char *why, size_t why_size);
static bool watch(struct host_server *s, int operation, int fd, uint32_t events, uint32_t number);

/* ---- start and stop ---- */

static struct host_server *server_new(const struct host_server_config *config)
{
    struct host_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        return NULL;
    s->config = config->host;
    s->epoll = s->listener = s->wake = -1;
    for (size_t i = 0; i < CONNS_MAX; i++)
        s->conns[i].fd = -1;
    clock_init(&s->clock, 0);
    int mutex = pthread_mutex_init(&s->lock, NULL), cond = pthread_cond_init(&s->replayed, NULL);
    assert(mutex == 0 && cond == 0);
    s->room = malloc(READ_BYTES);
    if (config->host.journal_path != NULL)
        s->journal_path = strdup(config->host.journal_path);
    s->config.journal_path = s->journal_path;
    if (s->room != NULL && (s->journal_path != NULL || config->host.journal_path == NULL))
        return s;
    host_server_stop(s);
    return NULL;
}

struct host_server *host_server_start(
    const struct host_server_config *config, char *why, size_t why_size)
{
    (void)snprintf(why, why_size, "no memory");
    struct host_server *s = server_new(config);
    if (s == NULL)
        return NULL;
    if (open_listener(s, config->listen, why, why_size) && start_thread(s, why, why_size) &&
        (config->control == NULL || start_control(s, config->control, why, why_size)))
        return s;
    host_server_stop(s);
    return NULL;
}

/* Opens "HOST:PORT" or "[HOST]:PORT", numeric, for listening. */
static bool listen_at(struct host_server *s, const char *address)
{
    char text[64];
    const char *colon = strrchr(address, ':');
    struct str host = { address, colon == NULL ? 0 : (size_t)(colon - address) };
    if (host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']')
        host = (struct str) { host.p + 1, host.n - 2 };
    if (host.n == 0 || !str_copy(text, sizeof text, host))
        return false;
    struct addrinfo hints = { .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV,
        .ai_socktype = SOCK_STREAM };
    struct addrinfo *found = NULL;
    errno = EINVAL;
    if (getaddrinfo(text, colon + 1, &hints, &found) != 0)
        return false;
    int on = 1;
    s->listener =
        socket(found->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, found->ai_protocol);
    bool good = s->listener >= 0 &&
                setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
                bind(s->listener, found->ai_addr, found->ai_addrlen) == 0 &&
                listen(s->listener, SOMAXCONN) == 0;
    freeaddrinfo(found);
    return good;
}

static bool open_listener(struct host_server *s, const char *address, char *why, size_t why_size)
{
    struct sockaddr_storage at;
    socklen_t size = sizeof at;
    if (!listen_at(s, address) || getsockname(s->listener, (struct sockaddr *)&at, &size) != 0) {
        (void)snprintf(why, why_size, "the host cannot listen at %s: %s", address, strerror(errno));
        return false;
    }
    s->port = ntohs(at.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&at)->sin6_port
                                             : ((struct sockaddr_in *)&at)->sin_port);
    s->epoll = epoll_create1(EPOLL_CLOEXEC);
    s->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (s->epoll >= 0 && s->wake >= 0 &&
        watch(s, EPOLL_CTL_ADD, s->listener, EPOLLIN, EVENT_LISTENER) &&
        watch(s, EPOLL_CTL_ADD, s->wake, EPOLLIN, EVENT_WAKE))
        return true;
    (void)snprintf(why, why_size, "the host cannot start: %s", strerror(errno));
    return false;
}

static bool watch(struct host_server *s, int operation, int fd, uint32_t events, uint32_t number)
{
    struct epoll_event e = { .events = events, .data.u32 = number };
    return epoll_ctl(s->epoll, operation, fd, &e) == 0;
}

/* Signals are for the main thread. Waits a little for the replay. */
static bool start_thread(struct host_server *s, char *why, size_t why_size)
{
    sigset_t all, before;
    (void)sigfillset(&all);
    bool masked = pthread_sigmask(SIG_SETMASK, &all, &before) == 0;
    int error = pthread_create(&s->thread, NULL, run, s);
    if (masked)
        (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error != 0) {
        (void)snprintf(why, why_size, "the host cannot start: %s", strerror(error));
        return false;
    }
    s->thread_runs = true;

    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += REPLAY_WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    (void)pthread_mutex_lock(&s->lock);
    while (!s->ready && !s->stopped && pthread_cond_timedwait(&s->replayed, &s->lock, &until) == 0)
        continue;
    bool failed = s->stopped;
    if (failed)
        (void)snprintf(why, why_size, "%s", s->why);
    (void)pthread_mutex_unlock(&s->lock);
    return !failed;
}

void host_server_stop(struct host_server *s)
{
    if (s == NULL)
        return;
    if (s->control != NULL) {
        http_quiesce(s->control);
        http_stop(s->control);
    }
    atomic_store(&s->stop, true);
    uint64_t one = 1;
    if (s->thread_runs) {
        ssize_t written = write(s->wake, &one, sizeof one);
        assert(written == (ssize_t)sizeof one);
        (void)pthread_join(s->thread, NULL);
    }
    int fds[] = { s->listener, s->epoll, s->wake };
    for (size_t i = 0; i < COUNT(fds); i++)
        if (fds[i] >= 0)
            (void)close(fds[i]);
    (void)pthread_mutex_destroy(&s->lock);
    (void)pthread_cond_destroy(&s->replayed);
    free(s->journal_path);
    free(s->room);
    free(s);
}

unsigned host_server_port(const struct host_server *s)
{
    return s->port;
}

unsigned host_server_control_port(const struct host_server *s)
{
    return s->control == NULL ? 0 : http_port(s->control);
}

/* ---- the thread ---- */

static void serve(struct host_server *s);
static int turn(struct host_server *s, const struct epoll_event *events, int n);
static void accept_all(struct host_server *s);
static void read_from(struct host_server *s, struct conn *c, int64_t now_ms);
static void write_to(struct host_server *s, struct conn *c);
static void close_conn(struct host_server *s, struct conn *c);
static void let_others_in(struct host_server *s);

static void *run(void *arg)
{
    struct host_server *s = arg;
    char why[WHY_SIZE] = "";
    struct host *h = host_new(&s->config, why, sizeof why);
    (void)pthread_mutex_lock(&s->lock);
    s->host = h;
    s->ready = h != NULL;
    s->stopped = h == NULL;
    (void)str_copy(s->why, sizeof s->why, str_of(why));
    (void)pthread_cond_broadcast(&s->replayed);
    (void)pthread_mutex_unlock(&s->lock);
    if (h == NULL)
        log_event(LOG_ERROR, "host.journal", "why=\"%s\"", why);
    else
        serve(s);

    (void)pthread_mutex_lock(&s->lock);
    s->stopped = true;
    for (size_t i = 0; i < CONNS_MAX; i++)
        if (s->conns[i].fd >= 0)
            close_conn(s, &s->conns[i]);
    (void)close(s->listener); /* nobody is kept waiting at a door that does not open */
    s->listener = -1;
    s->host = NULL;
    (void)pthread_mutex_unlock(&s->lock);
    host_free(h);
    return NULL;
}

static void serve(struct host_server *s)
{
    struct epoll_event events[EVENTS_MAX];
    int timeout = -1;
    while (!atomic_load(&s->stop)) {
        int n = epoll_wait(s->epoll, events, EVENTS_MAX, timeout);
        if (n < 0 && errno != EINTR) {
            log_event(LOG_ERROR, "host.epoll", "error=\"%s\"", strerror(errno));
            return;
        }
        (void)pthread_mutex_lock(&s->lock);
        timeout = turn(s, events, n);
        (void)pthread_mutex_unlock(&s->lock);
        if (timeout < -1) {
            log_event(LOG_ERROR, "host.stopped", "why=\"the journal cannot be written\"");
            return;
        }
        let_others_in(s);
    }
}

/* The lock is not fair: without this a busy loop would take it again before they wake up. */
static void let_others_in(struct host_server *s)
{
    while (atomic_load(&s->waiting) > 0)
        (void)sched_yield();
}

/* One turn. Returns how many milliseconds the next may wait, -1 without end, -2 when the journal failed. */
static int turn(struct host_server *s, const struct epoll_event *events, int n)
{
    int64_t now = clock_now_ms(&s->clock);
    for (int i = 0; i < n; i++) {
        uint32_t number = events[i].data.u32;
        if (number == EVENT_LISTENER)
            accept_all(s);
        else if (number < CONNS_MAX && s->conns[number].fd >= 0 &&
                 (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
            read_from(s, &s->conns[number], now);
    }
    int64_t due = host_tick(s->host, now);
    if (!host_flush_journal(s->host))
        return -2;
    for (size_t i = 0; i < CONNS_MAX; i++)
        if (s->conns[i].fd >= 0)
            write_to(s, &s->conns[i]);
    if (due == INT64_MAX)
        return -1;
    int64_t wait = due - now;
    return wait > 60000 ? 60000 : (int)wait;
}

static void accept_all(struct host_server *s)
{
    for (;;) {
        int fd = accept4(s->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0)
            return;
        uint32_t number = 0;
        while (number < CONNS_MAX && s->conns[number].fd >= 0)
            number++;
        struct conn *c = &s->conns[number < CONNS_MAX ? number : 0];
        struct host_conn *host = number < CONNS_MAX ? host_connect(s->host) : NULL;
        int on = 1;
        if (host == NULL || setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) != 0 ||
            !watch(s, EPOLL_CTL_ADD, fd, EPOLLIN, number)) {
            log_event(LOG_WARN, "host.refused", "connections=%u", (unsigned)number);
            if (host != NULL)
                host_disconnect(s->host, host);
            (void)close(fd);
            continue;
        }
        *c = (struct conn) { fd, false, host };
    }
}

static void close_conn(struct host_server *s, struct conn *c)
{
    host_disconnect(s->host, c->host);
    (void)close(c->fd);
    *c = (struct conn) { .fd = -1 };
}

/* Reads once: what more there is comes with the next turn, after the answers to this. */
static void read_from(struct host_server *s, struct conn *c, int64_t now_ms)
{
    ssize_t n = recv(c->fd, s->room, READ_BYTES, 0);
    if (n > 0) {
        (void)host_receive(s->host, c->host, (struct str) { s->room, (size_t)n }, now_ms);
        sodium_memzero(s->room, (size_t)n);
        return;
    }
    if (n == 0 || (errno != EAGAIN && errno != EINTR))
        close_conn(s, c);
}

static void write_to(struct host_server *s, struct conn *c)
{
    struct buf *out = host_output(c->host);
    bool broken = out->full;
    while (out->n > 0 && !broken) {
        ssize_t n = send(c->fd, out->p, out->n, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            break;
        broken = n <= 0;
        if (!broken)
            buf_consume(out, (size_t)n);
    }
    if (broken || (out->n == 0 && host_wants_close(c->host))) {
        close_conn(s, c);
        return;
    }
    bool wants_write = out->n > 0;
    if (wants_write == c->wants_write)
        return;
    c->wants_write = wants_write;
    uint32_t events = host_wants_close(c->host) ? 0 : EPOLLIN;
    if (!watch(s, EPOLL_CTL_MOD, c->fd, events | (wants_write ? EPOLLOUT : 0),
            (uint32_t)(c - s->conns)))
        close_conn(s, c);
}

/* ---- other threads ---- */

/* Takes the lock when the replay is over. NULL, with the lock not taken, when the host has stopped. */
static struct host *enter(struct host_server *s)
{
    atomic_fetch_add(&s->waiting, 1);
    (void)pthread_mutex_lock(&s->lock);
    while (!s->ready && !s->stopped)
        (void)pthread_cond_wait(&s->replayed, &s->lock);
    atomic_fetch_sub(&s->waiting, 1);
    if (!s->stopped)
        return s->host;
    (void)pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void leave(struct host_server *s)
{
    (void)pthread_mutex_unlock(&s->lock);
}

bool host_server_running(struct host_server *s)
{
    (void)pthread_mutex_lock(&s->lock);
    bool running = !s->stopped;
    (void)pthread_mutex_unlock(&s->lock);
    return running;
}

void host_server_set_faults(struct host_server *s, const struct host_faults *f)
{
    struct host *h = enter(s);
    if (h == NULL)
        return;
    host_set_faults(h, f);
    leave(s);
}

void host_server_faults(struct host_server *s, struct host_faults *out)
{
    *out = (struct host_faults) { .kind = HOST_FAULT_NONE };
    struct host *h = enter(s);
    if (h == NULL)
        return;
    *out = *host_faults_now(h);
    leave(s);
}

bool host_server_position(struct host_server *s, struct str reference, struct host_position *out)
{
    *out = (struct host_position) { 0 };
    struct host *h = enter(s);
    if (h == NULL)
        return false;
    bool found = host_position(h, reference, out);
    leave(s);
    return found;
}

/* ---- the control ---- */

static void reply_error(struct http_request *r, unsigned status, const char *why)
{
    r->response.status = status;
    r->response.content_type = "text/plain";
    buf_printf(&r->response.body, "%s\n", why);
}

static enum http_result get_faults(void *context, struct http_request *r)
{
    struct host_faults faults;
    host_server_faults(context, &faults);
    host_faults_print(&faults, &r->response.body);
    return HTTP_REPLY;
}

static enum http_result post_faults(void *context, struct http_request *r)
{
    struct host_faults faults;
    char why[WHY_SIZE] = "";
    if (!host_faults_parse(r->body, &faults, why, sizeof why)) {
        reply_error(r, 400, why);
        return HTTP_REPLY;
    }
    host_server_set_faults(context, &faults);
    return get_faults(context, r);
}

static enum http_result get_position(void *context, struct http_request *r)
{
    struct form query;
    struct host_position p;
    if (form_urlencoded(r->query, r->arena, &query) != FORM_OK ||
        form_get(&query, "reference").n == 0) {
        reply_error(r, 400, "reference is missing");
        return HTTP_REPLY;
    }
    if (!host_server_position(context, form_get(&query, "reference"), &p)) {
        reply_error(r, 404, "the host has never seen this reference");
        return HTTP_REPLY;
    }
    buf_printf(&r->response.body,
        "{\"held_minor\":%lld,\"captured_minor\":%lld,\"refunded_minor\":%lld,\"messages\":%u}",
        (long long)p.held_minor, (long long)p.captured_minor, (long long)p.refunded_minor,
        (unsigned)p.messages);
    return HTTP_REPLY;
}

static enum http_result serve_faults(void *context, struct http_request *r)
{
    return r->method == HTTP_POST ? post_faults(context, r) : get_faults(context, r);
}

static bool start_control(struct host_server *s, const char *address, char *why, size_t why_size)
{
    s->routes[0] = (struct http_route) {
        .path = "/faults", .methods = HTTP_GET | HTTP_POST, .handle = serve_faults, .context = s
    };
    s->routes[1] = (struct http_route) {
        .path = "/position", .methods = HTTP_GET, .handle = get_position, .context = s
    };
    struct http_config config = {
        .listen = address, .threads = 1, .routes = s->routes, .n_routes = 2, .metric_prefix = "host"
    };
    s->control = http_start(&config, why, why_size);
    return s->control != NULL;
}
