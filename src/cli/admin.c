#include "cli/admin.h"
#include "base/log.h"
#include "base/metric.h"
#include "http/form.h"
#include "http/json.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { METRICS_MAX = 1 << 20 };
#define ADVANCE_MAX_MS INT64_C(315360000000) /* ten years at a time */

static enum http_result answer(struct http_request *r, unsigned status, struct str body)
{
    http_reply_text(r, status, "application/json", body);
    return HTTP_REPLY;
}

static enum http_result problem(struct http_request *r, unsigned status, const char *sentence)
{
    struct buf b;
    buf_init(&b, 4096);
    buf_str(&b, STR("{\"error\":"));
    json_write_string(&b, str_of(sentence));
    buf_str(&b, STR("}\n"));
    (void)answer(r, status, buf_view(&b));
    buf_free(&b);
    return HTTP_REPLY;
}

static enum http_result healthz(void *context, struct http_request *r)
{
    (void)context;
    http_reply_text(r, 200, "text/plain", STR("ok\n"));
    return HTTP_REPLY;
}

static enum http_result readyz(void *context, struct http_request *r)
{
    struct admin *a = context;
    struct str why = STR("ok\n");
    if (!engine_ready(a->engine))
        why = STR("the store does not take writes: is the disk full? the log has the reason\n");
    else if (engine_links_up(a->engine) == 0)
        why = STR("no acquirer link is up\n");
    http_reply_text(r, str_eq(why, STR("ok\n")) ? 200 : 503, "text/plain", why);
    return HTTP_REPLY;
}

static enum http_result metrics(void *context, struct http_request *r)
{
    (void)context;
    struct buf b;
    buf_init(&b, METRICS_MAX);
    metric_print(&b);
    if (b.full)
        (void)problem(r, 500, "the metrics do not fit");
    else
        http_reply_text(r, 200, "text/plain; version=0.0.4", buf_view(&b));
    buf_free(&b);
    return HTTP_REPLY;
}

/* A POST from a web page cannot carry this type without the browser asking first. */
static bool is_json(const struct http_request *r)
{
    return str_starts_with(r->content_type, STR("application/json"));
}

static enum http_result show_keys(struct admin *a, struct http_request *r)
{
    int64_t left = engine_rekey_left(a->engine);
    struct str text = arena_printf(r->arena, "{\"newest\":%u,\"keys\":%zu,\"resealing\":%s}\n",
        vault_newest_key(a->vault), vault_key_count(a->vault),
        left == 0  ? "\"done\""
        : left < 0 ? "\"going on\""
                   : "\"stuck\"");
    return answer(r, 200, text);
}

static enum http_result keys(void *context, struct http_request *r)
{
    return show_keys(context, r);
}

static enum http_result rotate(void *context, struct http_request *r)
{
    struct admin *a = context;
    char why[256];
    if (!is_json(r))
        return problem(r, 415, "send application/json");
    if (!vault_add_key(a->vault, a->keyring_path, clock_now_ms(a->clock), why, sizeof why))
        return problem(r, 500, why);
    engine_rekey(a->engine);
    log_event(LOG_INFO, "keys.rotated", "key=%u", vault_newest_key(a->vault));
    return show_keys(a, r);
}

static enum http_result show_clock(struct admin *a, struct http_request *r)
{
    int64_t now = clock_now_ms(a->clock);
    char text[UTC_TEXT_SIZE];
    utc_text(now, text);
    return answer(r, 200,
        arena_printf(r->arena,
            "{\"now\":\"%s\",\"now_ms\":%" PRId64 ",\"advanced_ms\":%" PRId64 "}\n", text, now,
            atomic_load(&a->clock->offset_ms)));
}

/* {"advance_ms":N}; false when the body is not that. */
static bool read_advance(struct str body, int64_t *by_ms)
{
    char why[160];
    json_t *root = json_read(body, why, sizeof why);
    const json_t *value = json_object_get(root, "advance_ms");
    bool ok = json_is_integer(value) && json_object_size(root) == 1;
    *by_ms = json_integer_value(value);
    json_decref(root);
    return ok && *by_ms >= 0 && *by_ms <= ADVANCE_MAX_MS;
}

static enum http_result sandbox_clock(void *context, struct http_request *r)
{
    struct admin *a = context;
    int64_t by_ms;
    if (r->method == HTTP_GET)
        return show_clock(a, r);
    if (!is_json(r))
        return problem(r, 415, "send application/json");
    if (!read_advance(r->body, &by_ms))
        return problem(r, 400, "send {\"advance_ms\":N}, 0 to ten years");
    int64_t offset = atomic_load(&a->clock->offset_ms) + by_ms;
    if (store_set(a->settings, "clock.offset_ms", offset) != STORE_OK)
        return problem(r, 500, "the store did not keep it, so the clock was not moved");
    clock_advance(a->clock, by_ms);
    engine_wake(a->engine);
    log_event(LOG_INFO, "clock.advanced", "by_ms=%" PRId64, by_ms);
    return show_clock(a, r);
}

static enum http_result host_faults(void *context, struct http_request *r)
{
    struct admin *a = context;
    struct host_faults faults;
    char why[256];
    if (!is_json(r))
        return problem(r, 415, "send application/json");
    if (!host_faults_parse(r->body, &faults, why, sizeof why))
        return problem(r, 400, why);
    host_server_set_faults(a->host, &faults);
    return answer(r, 200, STR("{\"ok\":true}\n"));
}

static enum http_result host_books(void *context, struct http_request *r)
{
    struct admin *a = context;
    struct form form;
    struct host_position p;
    if (form_urlencoded(r->query, r->arena, &form) != FORM_OK)
        return problem(r, 400, "the query is malformed");
    struct str reference = form_get(&form, "reference");
    if (reference.n == 0)
        return problem(r, 400, "name a reference (DE 63)");
    if (!host_server_position(a->host, reference, &p))
        return problem(r, 404, "the host has no such reference");
    return answer(r, 200,
        arena_printf(r->arena,
            "{\"held_minor\":%" PRId64 ",\"captured_minor\":%" PRId64 ",\"refunded_minor\":%" PRId64
            ",\"messages\":%u}\n",
            p.held_minor, p.captured_minor, p.refunded_minor, p.messages));
}

size_t admin_routes(struct admin *a, struct http_route routes[ADMIN_ROUTES])
{
    const struct http_route all[ADMIN_ROUTES] = {
        { "/healthz", HTTP_GET | HTTP_HEAD, healthz, NULL, a },
        { "/readyz", HTTP_GET | HTTP_HEAD, readyz, NULL, a },
        { "/metrics", HTTP_GET, metrics, NULL, a },
        { "/keys", HTTP_GET, keys, NULL, a },
        { "/keys/rotate", HTTP_POST, rotate, NULL, a },
        { "/sandbox/clock", HTTP_GET | HTTP_POST, sandbox_clock, NULL, a },
        { "/sandbox/host/faults", HTTP_POST, host_faults, NULL, a },
        { "/sandbox/host/position", HTTP_GET, host_books, NULL, a },
    };
    size_t n = a->sandbox ? ADMIN_ROUTES : 5;
    memcpy(routes, all, n * sizeof *routes);
    return n;
}
