#include "http/server.h"
#include "base/log.h"
#include "http/framing.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    PEM_MAX = 1024 * 1024,
    POOL_MIN = 4096,
    THREADS_MAX = 256,
    CLOSING = 64, /* connections that the door has forgotten and the library still counts */
};

static const struct http_limits default_limits = {
    .header_bytes = 16 * 1024,
    .body_bytes = 64 * 1024,
    .response_bytes = 4 * 1024 * 1024,
    .connections = 4096,
    .per_ip = 0,
    .idle_seconds = 30,
};

/* TLS 1.2 and 1.3 with forward secrecy, as PCI DSS asks for. */
static const char tls_priorities[] = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA";

/* What is needed while the server starts, and wiped after. */
struct start {
    const struct http_config *config;
    char *cert, *key; /* PEM with a NUL */
    char *why;
    size_t why_size;
};

static struct http_limits limits_of(const struct http_limits *given)
{
    const struct http_limits *d = &default_limits;
    return (struct http_limits) {
        .header_bytes = given->header_bytes > 0 ? given->header_bytes : d->header_bytes,
        .body_bytes = given->body_bytes > 0 ? given->body_bytes : d->body_bytes,
        .response_bytes = given->response_bytes > 0 ? given->response_bytes : d->response_bytes,
        .connections = given->connections > 0 ? given->connections : d->connections,
        .per_ip = given->per_ip,
        .idle_seconds = given->idle_seconds > 0 ? given->idle_seconds : d->idle_seconds,
    };
}

static unsigned threads_of(unsigned given)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned n = given > 0 ? given : cores > 0 ? (unsigned)cores : 1;
    return n < THREADS_MAX ? n : THREADS_MAX;
}

/* ---- Starting. ---- */

/* All of fd in new memory with a NUL behind it; NULL with errno. */
static char *read_all(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return NULL;
    if (!S_ISREG(st.st_mode) || st.st_size > PEM_MAX) {
        errno = EFBIG;
        return NULL;
    }
    size_t n = 0, room = (size_t)st.st_size;
    char *text = calloc(1, room + 1);
    while (text != NULL && n < room) {
        ssize_t got = read(fd, text + n, room - n);
        if (got <= 0) {
            sodium_memzero(text, n);
            free(text);
            errno = got == 0 ? EIO : errno;
            return NULL;
        }
        n += (size_t)got;
    }
    return text;
}

static char *read_pem(struct start *st, const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = fd >= 0 ? read_all(fd) : NULL;
    if (text == NULL)
        (void)snprintf(st->why, st->why_size, "cannot read %s: %s", path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return text;
}

static bool read_tls(struct start *st)
{
    const struct http_config *c = st->config;
    if ((c->tls_cert_file == NULL) != (c->tls_key_file == NULL)) {
        (void)snprintf(st->why, st->why_size, "TLS needs both a certificate file and a key file");
        return false;
    }
    if (c->tls_cert_file == NULL)
        return true;
    st->cert = read_pem(st, c->tls_cert_file);
    if (st->cert != NULL)
        st->key = read_pem(st, c->tls_key_file);
    return st->key != NULL;
}

static void free_pem(char *text)
{
    if (text == NULL)
        return;
    sodium_memzero(text, strlen(text));
    free(text);
}

static void on_library_message(void *cls, const char *format, va_list args)
    __attribute__((format(printf, 2, 0)));

/* What the library has to say is of use to a developer only; it never quotes a request. */
static void on_library_message(void *cls, const char *format, va_list args)
{
    (void)cls;
    char text[200];
    if (vsnprintf(text, sizeof text, format, args) > 0)
        log_event(LOG_DEBUG, "http.library", "text=\"%s\"", text);
}

static void on_connection(
    void *cls, struct MHD_Connection *c, void **peer, enum MHD_ConnectionNotificationCode what)
{
    struct http_worker *w = cls;
    if (what == MHD_CONNECTION_NOTIFY_CLOSED) {
        door_leave(w->server->door, *peer);
        *peer = NULL;
        return;
    }
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD);
    assert(info != NULL);
    *peer = door_adopt(w->server->door, info->connect_fd);
}

/* On the door's thread: each connection goes to the next worker. */
static bool on_enter(void *context, int fd, const struct sockaddr *address, socklen_t size)
{
    struct http_server *s = context;
    struct http_worker *w = &s->workers[s->next_worker];
    s->next_worker = (s->next_worker + 1) % s->n_workers;
    return MHD_add_connection(w->daemon, fd, address, size) == MHD_YES;
}

/* The pool of a connection holds the header, what the library notes about it, and then the
 * response's. Its turbo mode saves system calls, but leaves out TLS's goodbye. */
static bool start_worker(struct http_worker *w, const struct start *st)
{
    const struct http_limits *l = &w->server->limits;
    unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET |
                     MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    size_t pool = 2 * l->header_bytes > POOL_MIN ? 2 * l->header_bytes : POOL_MIN;
    struct MHD_OptionItem tls[] = {
        { MHD_OPTION_HTTPS_MEM_CERT, 0, st->cert },
        { MHD_OPTION_HTTPS_MEM_KEY, 0, st->key },
        { MHD_OPTION_HTTPS_PRIORITIES, 0, (char *)(uintptr_t)tls_priorities },
        { MHD_OPTION_END, 0, NULL },
    };
    static const struct MHD_OptionItem none = { MHD_OPTION_END, 0, NULL };
    flags |= st->cert != NULL ? MHD_USE_TLS : MHD_USE_TURBO;
    w->daemon = MHD_start_daemon(flags, 0, NULL, NULL, request_go_on, w, MHD_OPTION_EXTERNAL_LOGGER,
        on_library_message, NULL, MHD_OPTION_ARRAY, st->cert != NULL ? tls : &none,
        MHD_OPTION_URI_LOG_CALLBACK, request_begin, w, MHD_OPTION_NOTIFY_COMPLETED, request_end, w,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, w, MHD_OPTION_CONNECTION_MEMORY_LIMIT, pool,
        MHD_OPTION_CONNECTION_LIMIT, l->connections + CLOSING, MHD_OPTION_CONNECTION_TIMEOUT,
        l->idle_seconds, MHD_OPTION_STRICT_FOR_CLIENT, framing_reads_addresses() ? 0 : 1,
        MHD_OPTION_END);
    return w->daemon != NULL;
}

/* Signals are for the program's own threads: the new ones inherit a mask that blocks all. */
static bool start_threads(struct http_server *s, const struct start *st)
{
    sigset_t all, before;
    sigfillset(&all);
    if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    bool ok = true;
    for (unsigned i = 0; ok && i < s->n_workers; i++)
        ok = start_worker(&s->workers[i], st);
    ok = ok && door_start(s->door);
    int failed = pthread_sigmask(SIG_SETMASK, &before, NULL);
    assert(failed == 0);
    if (!ok)
        (void)snprintf(st->why, st->why_size, "%s",
            st->cert != NULL ? "cannot start the server: are certificate and key PEM and a pair?"
                             : "cannot start the server: out of threads or memory");
    return ok;
}

static bool make_workers(struct http_server *s, unsigned n)
{
    s->workers = aligned_alloc(alignof(struct http_worker), n * sizeof *s->workers);
    if (s->workers == NULL)
        return false;
    memset(s->workers, 0, n * sizeof *s->workers);
    for (unsigned i = 0; i < n; i++) {
        s->workers[i].server = s;
        s->workers[i].index = i;
    }
    s->n_workers = n;
    return true;
}

static bool make_server(struct http_server *s, struct start *st)
{
    const struct http_config *c = st->config;
    s->limits = limits_of(&c->limits);
    s->traffic = traffic_of(c->metric_prefix);
    if (s->traffic == NULL || !make_workers(s, threads_of(c->threads)) ||
        !route_table_init(&s->routes, c->routes, c->n_routes)) {
        (void)snprintf(st->why, st->why_size, "out of memory");
        return false;
    }
    s->door = door_open(&(struct door_config) { .listen = c->listen,
                            .connections = s->limits.connections,
                            .per_ip = s->limits.per_ip,
                            .idle_seconds = s->limits.idle_seconds,
                            .enter = on_enter,
                            .context = s },
        st->why, st->why_size);
    return s->door != NULL && start_threads(s, st);
}

struct http_server *http_start(const struct http_config *config, char *why, size_t why_size)
{
    assert(config->listen != NULL && config->metric_prefix != NULL);
    struct start st = { .config = config, .why = why, .why_size = why_size };
    struct http_server *s = calloc(1, sizeof *s);
    if (s == NULL)
        (void)snprintf(why, why_size, "out of memory");
    if (s != NULL && (!read_tls(&st) || !make_server(s, &st))) {
        http_stop(s);
        s = NULL;
    }
    free_pem(st.cert);
    free_pem(st.key);
    return s;
}

/* ---- Running and ending. ---- */

unsigned http_port(const struct http_server *s)
{
    return door_port(s->door);
}

unsigned http_threads(const struct http_server *s)
{
    return s->n_workers;
}

void http_quiesce(struct http_server *s)
{
    atomic_store(&s->quiesced, true);
    door_quiesce(s->door);
}

/* Answers are read first: what is taken in between makes the sum too large, never too small. */
unsigned http_in_hand(const struct http_server *s)
{
    unsigned answered = 0, taken = 0;
    for (unsigned i = 0; i < s->n_workers; i++)
        answered += atomic_load(&s->workers[i].answered);
    for (unsigned i = 0; i < s->n_workers; i++)
        taken += atomic_load(&s->workers[i].taken);
    return taken - answered;
}

/* Also after a start that failed half-way. */
void http_stop(struct http_server *s)
{
    atomic_store(&s->quiesced, true);
    if (s->door != NULL)
        door_stop(s->door);
    while (atomic_load(&s->resuming) > 0)
        (void)usleep(100); /* a thread is still on its way out of http_resume */
    for (unsigned i = 0; i < s->n_workers; i++) {
        if (s->workers[i].daemon != NULL)
            MHD_stop_daemon(s->workers[i].daemon);
        request_free_spares(&s->workers[i]);
    }
    if (s->door != NULL)
        door_free(s->door);
    route_table_free(&s->routes);
    free(s->workers);
    free(s);
}
