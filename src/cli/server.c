#include "cli/server.h"
#include "api/genome/genome.h"
#include "base/log.h"
#include "cli/admin.h"
#include "cli/datadir.h"
#include "cli/seed.h"
#include "engine/engine.h"

#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

enum {
    URL_MAX = 300,
    API_ROUTES = 32,
    HOUSEKEEPING_MS = 100,
    MERCHANTS_EVERY = 10,       /* rounds of housekeeping */
    LOG_LIMIT_BYTES = 64 << 20, /* of the write-ahead log: then it starts anew */
    SANDBOX_UP_MS = 5000,
    SIGN_OFF_MS = 2000,
    LAST_ANSWERS_MS = 1000
};

struct server {
    struct config config;
    struct datadir dir;
    int lock_fd;
    struct clock clock;
    struct rng rng, engine_rng, link_rng;
    struct store *writer, *keeper, *settings;
    struct store **readers;
    size_t n_readers;
    struct vault *vault;
    struct merchant_book *merchants;
    struct login_book *logins;
    struct host_server *host;
    struct engine *engine;
    struct loop *loop;
    struct acquirer *acquirer;
    struct genome genome;
    struct admin admin;
    struct http_route api_routes[API_ROUTES], admin_routes[ADMIN_ROUTES];
    struct http_server *api_http, *admin_http;
    pthread_t engine_thread, keeper_thread;
    bool engine_runs, keeper_runs, announced;
    _Atomic bool stopping;
    char url[URL_MAX], admin_url[URL_MAX];
    char *why;
    size_t why_size;
};

static bool fail(struct server *s, const char *sentence)
{
    (void)snprintf(s->why, s->why_size, "%s", sentence);
    return false;
}

/* As many descriptors as the system lets us have: connections are limited by the configuration. */
static bool allow_connections(struct server *s)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return fail(s, "the limit of open files cannot be read");
    files.rlim_cur = files.rlim_max;
    return setrlimit(RLIMIT_NOFILE, &files) == 0 ||
           fail(s, "the limit of open files cannot be raised");
}

/* Card numbers pass through this process: it leaves no core and cannot be attached to. */
static bool harden(struct server *s)
{
    const struct rlimit none = { 0, 0 };
    if (sodium_init() < 0)
        return fail(s, "libsodium does not start");
    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
        return fail(s, "core dumps cannot be switched off");
    return allow_connections(s);
}

/* ---- parts, in the order of starting ---- */

static bool start_data(struct server *s)
{
    datadir_paths(&s->config, &s->dir);
    if (!datadir_make(&s->config, s->why, s->why_size))
        return false;
    s->lock_fd = datadir_lock(&s->dir, s->why, s->why_size);
    if (s->lock_fd < 0)
        return false;
    s->writer = store_open(s->dir.db, STORE_WRITE, s->why, s->why_size);
    return s->writer != NULL;
}

/* A ring is made for an empty store only: cards without their keys must not go unnoticed. */
static bool store_is_empty(struct server *s, bool *empty)
{
    struct arena a;
    struct card_row **cards;
    struct merchant_row *merchants;
    size_t n_cards, n_merchants;
    arena_init(&a, 64 << 20);
    bool ok = store_walk_cards(s->writer, &a, (struct row_key) { 0, 0 }, 1, &cards, &n_cards) ==
                  STORE_OK &&
              store_merchants(s->writer, &a, &merchants, &n_merchants) == STORE_OK;
    *empty = ok && n_cards == 0 && n_merchants == 0;
    arena_free(&a);
    return ok || fail(s, "cannot read the store");
}

static bool start_vault(struct server *s)
{
    bool empty;
    if (!store_is_empty(s, &empty))
        return false;
    s->vault = vault_open(s->dir.keyring, empty, s->why, s->why_size);
    return s->vault != NULL;
}

static bool start_clock(struct server *s)
{
    int64_t offset = 0;
    bool found;
    if (store_setting(s->writer, "clock.offset_ms", &offset, &found) != STORE_OK)
        return fail(s, "cannot read the clock's offset");
    if (offset != 0 && !config_sandbox_on(&s->config))
        return fail(s,
            "this database belongs to a sandbox whose clock was moved; it cannot be served with "
            "real acquirers");
    clock_init(&s->clock, offset);
    return true;
}

static bool start_merchants(struct server *s)
{
    if (config_sandbox_on(&s->config) &&
        !seed_demo(s->writer, s->vault, &s->rng, clock_now_ms(&s->clock), s->why, s->why_size))
        return false;
    s->merchants = merchant_book_new();
    s->logins = login_open(&s->clock);
    if (s->merchants == NULL || s->logins == NULL)
        return fail(s, "no memory for merchants and logins");
    return merchant_book_load(s->merchants, s->writer, true) == STORE_OK ||
           fail(s, "cannot read the merchants");
}

static bool start_host(struct server *s)
{
    if (!config_sandbox_on(&s->config))
        return true;
    struct host_server_config c = { .host = { .journal_path = s->dir.journal },
        .listen = s->config.host_listen,
        .control = s->config.control[0] != '\0' ? s->config.control : NULL };
    s->host = host_server_start(&c, s->why, s->why_size);
    return s->host != NULL;
}

static void sandbox_link(const struct server *s, struct link_config *out)
{
    *out = (struct link_config) { .name = "sandbox", .acquirer_id = "12345678901" };
    (void)snprintf(out->address, sizeof out->address, "127.0.0.1:%u", host_server_port(s->host));
}

static bool start_engine(struct server *s, const struct server_hooks *hooks)
{
    struct link_config links[LINKS_MAX];
    size_t n = s->config.n_links;
    memcpy(links, s->config.links, n * sizeof *links);
    if (s->host != NULL)
        sandbox_link(s, &links[n++]);
    if (n == 0)
        return fail(s, "no [acquirer] is configured and the sandbox is off: nowhere to send to");
    s->engine = engine_new(&(struct engine_config) { .store = s->writer,
                               .vault = s->vault,
                               .merchants = s->merchants,
                               .clock = &s->clock,
                               .rng = &s->engine_rng },
        s->why, s->why_size);
    if (s->engine == NULL)
        return false;
    s->loop = loop_new(s->engine, &s->clock);
    if (s->loop == NULL)
        return fail(s, "the system gives no epoll");
    s->acquirer = acquirer_start(links, n, s->loop, &s->clock, &s->link_rng, s->why, s->why_size);
    sodium_memzero(links, sizeof links);
    if (s->acquirer == NULL)
        return false;
    if (hooks != NULL && hooks->trace != NULL)
        acquirer_trace(s->acquirer, hooks->trace, hooks->self);
    return engine_set_port(s->engine, acquirer_port(s->acquirer), s->why, s->why_size);
}

static bool open_readers(struct server *s, size_t n)
{
    s->readers = calloc(n, sizeof(struct store *));
    if (s->readers == NULL)
        return fail(s, "no memory for read connections");
    s->n_readers = n;
    for (size_t i = 0; i < n; i++) {
        s->readers[i] = store_open(s->dir.db, STORE_READ, s->why, s->why_size);
        if (s->readers[i] == NULL)
            return false;
    }
    return true;
}

static bool start_api(struct server *s)
{
    unsigned threads = s->config.threads;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (threads == 0)
        threads = cores > 0 ? (unsigned)cores : 1;
    if (!open_readers(s, threads))
        return false;
    s->genome = (struct genome) { .engine = s->engine,
        .merchants = s->merchants,
        .logins = s->logins,
        .vault = s->vault,
        .clock = &s->clock,
        .readers = s->readers };
    struct http_config c = { .listen = s->config.listen,
        .threads = threads,
        .tls_cert_file = s->config.tls_cert[0] != '\0' ? s->config.tls_cert : NULL,
        .tls_key_file = s->config.tls_key[0] != '\0' ? s->config.tls_key : NULL,
        .limits = s->config.limits,
        .routes = s->api_routes,
        .n_routes = genome_routes(&s->genome, s->api_routes, API_ROUTES),
        .metric_prefix = "api" };
    s->api_http = http_start(&c, s->why, s->why_size);
    return s->api_http != NULL;
}

static bool start_admin(struct server *s)
{
    s->settings = store_open(s->dir.db, STORE_WRITE, s->why, s->why_size);
    if (s->settings == NULL)
        return false;
    s->admin = (struct admin) { .engine = s->engine,
        .vault = s->vault,
        .keyring_path = s->dir.keyring,
        .clock = &s->clock,
        .settings = s->settings,
        .host = s->host,
        .sandbox = s->host != NULL };
    struct http_config c = { .listen = s->config.admin,
        .threads = 1,
        .routes = s->admin_routes,
        .n_routes = admin_routes(&s->admin, s->admin_routes),
        .metric_prefix = "admin" };
    s->admin_http = http_start(&c, s->why, s->why_size);
    return s->admin_http != NULL;
}

/* ---- threads ---- */

static void *run_engine(void *self)
{
    struct server *s = self;
    loop_run(s->loop);
    return NULL;
}

static void *keep_house(void *self)
{
    struct server *s = self;
    for (unsigned round = 0; !atomic_load(&s->stopping); round++) {
        int64_t log_bytes = 0;
        (void)usleep(HOUSEKEEPING_MS * 1000);
        if (store_checkpoint(s->keeper, true, &log_bytes) == STORE_OK &&
            log_bytes > LOG_LIMIT_BYTES)
            engine_checkpoint(s->engine);
        if (round % MERCHANTS_EVERY == 0 &&
            merchant_book_load(s->merchants, s->keeper, false) != STORE_OK)
            log_event(LOG_ERROR, "merchants.load", "the old ones stay");
    }
    return NULL;
}

static bool start_threads(struct server *s)
{
    s->keeper = store_open(s->dir.db, STORE_WRITE, s->why, s->why_size);
    if (s->keeper == NULL)
        return false;
    s->engine_runs = pthread_create(&s->engine_thread, NULL, run_engine, s) == 0;
    s->keeper_runs = s->engine_runs && pthread_create(&s->keeper_thread, NULL, keep_house, s) == 0;
    return s->keeper_runs || fail(s, "the system gives no threads");
}

/* A sandbox is ready when its own host has answered the sign-on; real hosts may come later. */
static bool wait_for_sandbox(struct server *s)
{
    if (s->host == NULL)
        return true;
    for (int waited = 0; waited < SANDBOX_UP_MS; waited++) {
        if (engine_links_up(s->engine) > 0)
            return true;
        (void)usleep(1000);
    }
    return fail(s, "the sandbox's host did not answer the sign-on");
}

/* "HOST:PORT" of the configuration with the port that was really taken. */
static void name_url(char url[URL_MAX], const char *scheme, const char *listen, unsigned port)
{
    struct str host = str_of(listen);
    while (host.n > 0 && host.p[host.n - 1] != ':')
        host.n--;
    (void)snprintf(url, URL_MAX, "%s://%.*s%u", scheme, STR_ARG(host), port);
}

static bool announce(struct server *s)
{
    name_url(s->url, s->config.tls_cert[0] != '\0' ? "https" : "http", s->config.listen,
        http_port(s->api_http));
    name_url(s->admin_url, "http", s->config.admin, http_port(s->admin_http));
    s->announced = datadir_announce(&s->dir, s->admin_url, s->why, s->why_size);
    return s->announced;
}

static bool start_all(struct server *s, const struct server_hooks *hooks)
{
    return harden(s) && start_data(s) && start_clock(s) && start_vault(s) && start_merchants(s) &&
           start_host(s) && start_engine(s, hooks) && start_threads(s) && start_api(s) &&
           start_admin(s) && wait_for_sandbox(s) && announce(s);
}

struct server *server_start(
    const struct config *config, const struct server_hooks *hooks, char *why, size_t why_size)
{
    struct server *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)snprintf(why, why_size, "no memory");
        return NULL;
    }
    s->config = *config;
    s->why = why;
    s->why_size = why_size;
    s->lock_fd = -1;
    s->rng = s->engine_rng = s->link_rng = rng_system();
    log_setup(config->log_level, 2);
    if (start_all(s, hooks))
        return s;
    s->config.stop_seconds = 0;
    server_stop(s);
    return NULL;
}

const char *server_url(const struct server *s)
{
    return s->url;
}

const char *server_admin_url(const struct server *s)
{
    return s->admin_url;
}

const char *server_db(const struct server *s)
{
    return s->dir.db;
}

/* ---- stopping ---- */

static void wait_for_requests(struct server *s, int64_t ms)
{
    int64_t until = clock_mono_ns() + ms * INT64_C(1000000);
    while (s->api_http != NULL && http_in_hand(s->api_http) > 0 && clock_mono_ns() < until)
        (void)usleep(2000);
}

static void sign_off(void *self)
{
    acquirer_sign_off(self);
}

static void wait_for_sign_off(struct server *s)
{
    bool called = loop_call(s->loop, sign_off, s->acquirer);
    for (int waited = 0; called && !acquirer_signed_off(s->acquirer) && waited < SIGN_OFF_MS;
         waited++)
        (void)usleep(1000);
}

static void stop_threads(struct server *s)
{
    atomic_store(&s->stopping, true);
    if (s->keeper_runs)
        (void)pthread_join(s->keeper_thread, NULL);
    if (!s->engine_runs)
        return;
    wait_for_sign_off(s);
    loop_stop(s->loop);
    (void)pthread_join(s->engine_thread, NULL);
}

static void close_parts(struct server *s)
{
    acquirer_stop(s->acquirer);
    loop_free(s->loop);
    engine_free(s->engine);
    host_server_stop(s->host);
    login_close(s->logins);
    merchant_book_free(s->merchants);
    vault_close(s->vault);
    for (size_t i = 0; i < s->n_readers; i++)
        store_close(s->readers[i]);
    free(s->readers);
    store_close(s->settings);
    store_close(s->keeper);
    store_close(s->writer);
}

void server_stop(struct server *s)
{
    if (s == NULL)
        return;
    if (s->api_http != NULL)
        http_quiesce(s->api_http);
    wait_for_requests(s, s->config.stop_seconds * INT64_C(1000));
    if (s->admin_http != NULL)
        http_stop(s->admin_http);
    stop_threads(s);
    if (s->engine != NULL)
        engine_let_go(s->engine);
    wait_for_requests(s, LAST_ANSWERS_MS); /* what it told is still being written */
    if (s->api_http != NULL)
        http_stop(s->api_http);
    close_parts(s);
    if (s->announced)
        datadir_withdraw(&s->dir);
    if (s->lock_fd >= 0)
        (void)close(s->lock_fd);
    config_wipe(&s->config);
    free(s);
}
