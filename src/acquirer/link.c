/*
 * One link, without its socket.
 *
 *   DOWN ──time to try──► CONNECTING ──link_connected──► SIGNING_ON ──0810 00──► UP
 *
 *   UP ──the host signs off, link_sign_off──► DRAINING ──nothing open──► CLOSING
 *                                                 └──and we are stopping──► SIGNING_OFF
 *
 *   any of these ──too slow, refused, framing error, echoes missed, 0810──► CLOSING
 *   any of these ──link_closed──► DOWN, or STOPPED after link_sign_off
 *
 * Closing is always two steps: the link says that it wants its socket closed (LINK_CLOSE), its
 * owner closes it and says so (link_closed). Only then are the open requests told: SILENT, or
 * NOT_SENT for those of which not one byte had left the output. A peer that closes goes straight to
 * the second step.
 *
 * Every submit that is accepted stands in the table of requests until it is answered or silent, and
 * gives its one event when it leaves; put_request and end_request are the only places where that
 * happens.
 */
#include "acquirer/acquirer.h"
#include "acquirer/message.h"
#include "acquirer/requests.h"
#include "base/log.h"
#include "base/metric.h"

#include <assert.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define MS INT64_C(1000000) /* in nanoseconds */

enum {
    OUT_MAX = 4 << 20,            /* bytes waiting for the socket */
    OUT_KEPT = 2 * ISO_MAX_FRAME, /* of those, room that only network messages may use */
    IN_MAX = 64 << 10,
    FRAME_OVERHEAD = 16,     /* more than any header and TPDU */
    IN_FLIGHT_MAX = 1000000, /* there are not more STANs */
    KEEP_MIN = 4096,         /* silent and answered requests that are remembered */
    ECHO_MISSES = 2,
    LOGS_A_SECOND = 20 /* lines that a confused host can cause */
};

static const int64_t keep_silent_ns = 600000 * MS;
static const int64_t unknown_ns = INT64_MIN; /* to be set by the next tick */

/* Waiting time before each new attempt, and the last for all that follow (§8.2). */
static const int64_t back_off_ms[] = { 1000, 2000, 4000, 8000, 16000, 30000 };

enum link_state {
    STATE_DOWN,
    STATE_CONNECTING,
    STATE_SIGNING_ON,
    STATE_UP,
    STATE_DRAINING,    /* no new work; what is open may still be answered */
    STATE_SIGNING_OFF, /* nothing is open; our 0800/002 is on its way */
    STATE_CLOSING,
    STATE_STOPPED
};

enum { NETWORK_SIGN_ON = 1, NETWORK_SIGN_OFF = 2, NETWORK_CUT_OVER = 201, NETWORK_ECHO = 301 };

/* The 0800 that waits for its answer. At most one does. */
struct network_request {
    bool waiting;
    int code; /* DE 70 */
    uint32_t stan;
    uint64_t de7;
    int64_t sent_ns;
};

struct link {
    struct link_config config; /* defaults filled in */
    struct link_view view;
    struct link_env env;
    struct rng *rng;
    uint8_t index;
    enum link_state state;
    bool stopping;
    const char *reason; /* why it is down, for the log */
    bool reason_logged; /* once for every connection or attempt at one */
    struct requests *requests;
    uint8_t pan_key[crypto_shorthash_KEYBYTES];
    struct buf in, out;
    uint64_t put_out; /* bytes ever put into out */
    struct network_request network;
    uint32_t network_stan;
    unsigned missed_echoes, attempts;
    int64_t heard_ns;   /* when the last byte came */
    int64_t retry_ns;   /* DOWN: when to connect */
    int64_t connect_ns; /* CONNECTING: since when */
    int64_t log_second;
    unsigned logs; /* lines in that second */
};

static struct metric sent_total = METRIC_COUNTER(
    "turnpike_link_messages_sent_total", "Messages put on the wire to acquirers", "");
static struct metric received_total =
    METRIC_COUNTER("turnpike_link_messages_received_total", "Messages received from acquirers", "");
static struct metric not_sent_total = METRIC_COUNTER(
    "turnpike_link_not_sent_total", "Messages that were refused before one byte of them left", "");
static struct metric timeouts_total =
    METRIC_COUNTER("turnpike_link_timeouts_total", "Requests that no answer came for in time", "");
static struct metric late_total =
    METRIC_COUNTER("turnpike_link_late_answers_total", "Answers to requests already given up", "");
static struct metric refused_total = METRIC_COUNTER("turnpike_link_refused_answers_total",
    "Messages from acquirers that did not decode, fit or carry a right MAC", "");
static struct metric in_flight =
    METRIC_GAUGE("turnpike_link_in_flight", "Requests that wait for an answer", "");
static struct metric answer_time =
    METRIC_HISTOGRAM("turnpike_link_answer_seconds", "From request to answer", "");

static void register_metrics(void)
{
    static struct metric *const all[] = { &sent_total, &received_total, &not_sent_total,
        &timeouts_total, &late_total, &refused_total, &in_flight, &answer_time };
    for (size_t i = 0; i < COUNT(all); i++)
        metric_register(all[i]);
}

static void handle_frame(struct link *l, struct str frame, int64_t now_ns);
static void settle(struct link *l, int64_t now_ns, int64_t now_ms);
static void go_down(struct link *l);
static void end_request(struct link *l, struct request *r, enum acquirer_event_kind kind,
    bool malformed, int64_t now_ns);
static bool put_frame(struct link *l, struct iso_message *m, size_t kept);
static void send_network(struct link *l, int code, int64_t now_ns, int64_t now_ms);

/* ---- from birth to death ---- */

static void set_default(int64_t *value, int64_t otherwise)
{
    if (*value <= 0)
        *value = otherwise;
}

static void fill_defaults(struct link_config *c)
{
    if (c->acquirer_id[0] == '\0')
        (void)str_copy(c->acquirer_id, sizeof c->acquirer_id, STR("12345678901"));
    if (c->max_in_flight == 0)
        c->max_in_flight = 5000;
    if (c->max_in_flight > IN_FLIGHT_MAX)
        c->max_in_flight = IN_FLIGHT_MAX;
    set_default(&c->connect_timeout_ms, 5000);
    set_default(&c->request_timeout_ms, 30000);
    set_default(&c->advice_timeout_ms, 60000);
    set_default(&c->network_timeout_ms, 10000);
    set_default(&c->echo_idle_ms, 60000);
}

static struct link_view view_of(const struct link_config *c)
{
    struct link_view v = { .acquirer_country = c->acquirer_country,
        .max_in_flight = c->max_in_flight,
        .brands = c->brands,
        .currencies = c->currencies,
        .n_currencies = c->n_currencies,
        .merchants = c->merchants,
        .n_merchants = c->n_merchants,
        .reversal_advice = c->reversal_advice };
    memcpy(v.name, c->name, sizeof v.name);
    memcpy(v.acquirer_id, c->acquirer_id, sizeof v.acquirer_id);
    memcpy(v.forwarder_id, c->forwarder_id, sizeof v.forwarder_id);
    return v;
}

struct link *link_new(
    const struct link_config *config, uint8_t index, const struct link_env *env, struct rng *rng)
{
    assert(config->n_currencies <= COUNT(config->currencies));
    assert(config->n_merchants <= COUNT(config->merchants));
    struct link *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->config = *config;
    fill_defaults(&l->config);
    l->view = view_of(&l->config);
    l->env = *env;
    l->rng = rng;
    l->index = index;
    l->reason = "not connected yet";
    l->retry_ns = INT64_MIN;
    rng_fill(rng, l->pan_key, sizeof l->pan_key);
    buf_init(&l->in, IN_MAX);
    buf_init(&l->out, OUT_MAX);
    uint32_t max = l->config.max_in_flight;
    l->requests = requests_new(max, max > KEEP_MIN ? max : KEEP_MIN);
    if (l->requests == NULL) {
        link_free(l);
        return NULL;
    }
    register_metrics();
    return l;
}

void link_free(struct link *l)
{
    if (l == NULL)
        return;
    metric_add(&in_flight, -(int64_t)l->view.in_flight);
    requests_free(l->requests);
    buf_free(&l->in);
    buf_free(&l->out);
    sodium_memzero(l, sizeof *l);
    free(l);
}

struct link_view *link_view(struct link *l)
{
    return &l->view;
}

struct buf *link_output(struct link *l)
{
    return &l->out;
}

bool link_stopped(const struct link *l)
{
    return l->state == STATE_STOPPED;
}

enum link_wish link_wish(const struct link *l)
{
    return l->state == STATE_CONNECTING ? LINK_CONNECT
           : l->state == STATE_CLOSING  ? LINK_CLOSE
                                        : LINK_IDLE;
}

static bool connected(const struct link *l)
{
    return l->state >= STATE_SIGNING_ON && l->state <= STATE_SIGNING_OFF;
}

/* What may be relied on between any two calls. */
static void assert_link_valid(const struct link *l)
{
    assert(l->view.up == (l->state == STATE_UP));
    assert(l->view.in_flight == requests_open(l->requests));
    assert(l->view.in_flight <= l->view.max_in_flight);
    assert(l->view.in_flight == 0 || l->state == STATE_UP || l->state == STATE_DRAINING ||
           l->state == STATE_CLOSING);
    assert(l->out.n == 0 || connected(l) || l->state == STATE_CLOSING);
    assert(!l->stopping || (l->state != STATE_UP && l->state != STATE_DOWN));
}

/* True when one more line may be logged about what the host does wrong. */
static bool may_log(struct link *l, int64_t now_ns)
{
    int64_t second = now_ns / (1000 * MS);
    if (second != l->log_second) {
        l->log_second = second;
        l->logs = 0;
    }
    return l->logs++ < LOGS_A_SECOND;
}

/* ---- the connection ---- */

static void want_close(struct link *l, const char *reason)
{
    if (!connected(l) && l->state != STATE_CONNECTING)
        return;
    l->reason = reason;
    bool was_up = l->view.up;
    l->state = STATE_CLOSING;
    l->view.up = false;
    if (was_up)
        go_down(l);
}

static void log_reason(struct link *l)
{
    if (l->reason_logged)
        return;
    l->reason_logged = true;
    log_event(l->stopping ? LOG_INFO : LOG_WARN, "link.down", "link=%s reason=\"%s\" open=%" PRIu32,
        l->config.name, l->reason, l->view.in_flight);
}

/* The link was up and is not any more. */
static void go_down(struct link *l)
{
    assert(!l->view.up);
    log_reason(l);
    struct acquirer_event ev = { .kind = ACQ_LINK_DOWN, .link = l->index };
    l->env.event(l->env.self, &ev);
}

void link_connected(struct link *l, int64_t now_ns, int64_t now_ms)
{
    if (l->state != STATE_CONNECTING)
        return; /* it came as the time was up */
    l->state = STATE_SIGNING_ON;
    l->heard_ns = now_ns;
    l->missed_echoes = 0;
    send_network(l, NETWORK_SIGN_ON, now_ns, now_ms);
    assert_link_valid(l);
}

/*
 * Three quarters to five quarters of the step, so that many links do not come back in one instant.
 */
static int64_t back_off_ns(struct link *l)
{
    size_t last = COUNT(back_off_ms) - 1;
    int64_t step = back_off_ms[l->attempts < last ? l->attempts : last];
    if (l->attempts < last)
        l->attempts++;
    return (step * 3 / 4 + (int64_t)rng_below(l->rng, (uint32_t)step / 2 + 1)) * MS;
}

void link_closed(struct link *l, int64_t now_ns)
{
    if (l->state == STATE_DOWN || l->state == STATE_STOPPED)
        return;
    bool was_up = l->view.up;
    if (l->state == STATE_CONNECTING)
        l->reason = "cannot connect";
    else if (l->state != STATE_CLOSING)
        l->reason = "connection lost";
    l->view.up = false;
    l->state = l->stopping ? STATE_STOPPED : STATE_DOWN;
    if (was_up)
        go_down(l);
    log_reason(l);

    uint64_t gone = l->put_out - l->out.n; /* bytes that the socket has taken */
    static const enum request_list open[] = { LIST_REQUEST, LIST_ADVICE };
    for (size_t i = 0; i < COUNT(open); i++) {
        struct request *r;
        while ((r = requests_oldest(l->requests, open[i])) != NULL)
            end_request(l, r, r->out_at < gone ? ACQ_SILENT : ACQ_NOT_SENT, false, now_ns);
    }
    buf_reset(&l->in);
    buf_reset(&l->out);
    l->network.waiting = false;
    l->retry_ns = now_ns + back_off_ns(l);
    assert_link_valid(l);
}

void link_sign_off(struct link *l, int64_t now_ms)
{
    l->stopping = true;
    if (l->state == STATE_DOWN)
        l->state = STATE_STOPPED;
    else if (l->state == STATE_CONNECTING || l->state == STATE_SIGNING_ON)
        want_close(l, "signed off");
    if (l->state == STATE_UP) {
        l->state = STATE_DRAINING;
        l->reason = "signing off";
        l->view.up = false;
        go_down(l);
    }
    settle(l, unknown_ns, now_ms);
    assert_link_valid(l);
}

/* Leaves DRAINING once nothing is open. */
static void settle(struct link *l, int64_t now_ns, int64_t now_ms)
{
    if (l->state != STATE_DRAINING || l->view.in_flight > 0)
        return;
    if (!l->stopping) {
        want_close(l, "the host signed off");
        return;
    }
    l->state = STATE_SIGNING_OFF;
    send_network(l, NETWORK_SIGN_OFF, now_ns, now_ms);
}

void link_received(struct link *l, struct str bytes, int64_t now_ns, int64_t now_ms)
{
    while (bytes.n > 0 && connected(l)) {
        l->heard_ns = now_ns;
        size_t take = IN_MAX - l->in.n;
        if (take > bytes.n)
            take = bytes.n;
        buf_add(&l->in, bytes.p, take);
        if (l->in.full) {
            want_close(l, "no memory");
            break;
        }
        bytes = str_skip(bytes, take);

        struct str left = buf_view(&l->in), frame = STR_EMPTY;
        enum iso_frame_result found = ISO_FRAME_KEEPALIVE;
        while (connected(l) && found <= ISO_FRAME_KEEPALIVE) {
            size_t used = 0;
            found = iso_frame_next(&l->config.framing, left, &frame, &used);
            if (found == ISO_FRAME_MESSAGE)
                handle_frame(l, frame, now_ns);
            left = str_skip(left, used);
        }
        if (found == ISO_FRAME_BROKEN)
            want_close(l, "framing error");
        buf_consume(&l->in, l->in.n - left.n);
    }
    settle(l, now_ns, now_ms);
    assert_link_valid(l);
}

/* ---- requests ---- */

static void give_event(struct link *l, enum acquirer_event_kind kind, struct row_key operation,
    enum operation_kind operation_kind, bool malformed)
{
    struct acquirer_event ev = { .kind = kind,
        .link = l->index,
        .operation = operation,
        .operation_kind = operation_kind,
        .malformed = malformed };
    l->env.event(l->env.self, &ev);
}

static uint64_t hash_of_pan(const struct link *l, struct str pan)
{
    uint64_t h = 0;
    _Static_assert(sizeof h == crypto_shorthash_BYTES, "a hash is 64 bits");
    crypto_shorthash(
        (unsigned char *)&h, (const unsigned char *)(pan.n > 0 ? pan.p : ""), pan.n, l->pan_key);
    return h;
}

static uint64_t number_of(struct str digits)
{
    uint64_t value = 0;
    return str_to_u64(digits, UINT64_MAX, &value) ? value : 0;
}

static struct str without_spaces(struct str s)
{
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

/* What has to be remembered of a message to know its answer. */
static struct request request_of(
    const struct link *l, const struct acquirer_message *a, const struct iso_message *m)
{
    struct request r = { .operation = a->operation,
        .kind = a->kind,
        .de7 = number_of(iso_get(m, 7)),
        .stan = (uint32_t)number_of(iso_get(m, 11)),
        .amount_minor = a->amount_minor,
        .currency = a->currency,
        .pan_hash = hash_of_pan(l, iso_get(m, 2)) };
    memcpy(r.mti, m->mti, sizeof r.mti);
    bool fits = str_copy(r.terminal, sizeof r.terminal, without_spaces(iso_get(m, 41))) &&
                str_copy(r.rrn, sizeof r.rrn, iso_get(m, 37)) &&
                str_copy(r.processing, sizeof r.processing, iso_get(m, 3));
    assert(fits); /* packing has checked the lengths */
    return r;
}

/* Packs, remembers and puts out the message; NULL, or why it was not sent. */
static const char *put_request(
    struct link *l, const struct acquirer_message *a, struct iso_message *m, int64_t now_ns)
{
    uint64_t out_at = l->put_out;
    size_t before = l->out.n;
    if (!put_frame(l, m, OUT_KEPT))
        return m->bad_de != 0 ? "an element has no valid value" : "output full";
    struct request r = request_of(l, a, m);
    r.sent_ns = now_ns;
    r.out_at = out_at;
    enum request_list list = message_waits_as_advice(a->kind) ? LIST_ADVICE : LIST_REQUEST;
    if (requests_add(l->requests, &r, list) == NULL) {
        sodium_memzero(l->out.p + before, l->out.n - before);
        l->out.n = before;
        l->put_out = out_at;
        return "an open request has the same identity";
    }
    l->view.in_flight++;
    metric_add(&in_flight, 1);
    metric_add(&sent_total, 1);
    if (l->env.trace != NULL)
        l->env.trace(l->env.self, l->config.name, true, m);
    return NULL;
}

void link_submit(struct link *l, const struct acquirer_message *a, int64_t now_ns)
{
    const char *refused = NULL;
    struct iso_message m;
    struct message_text text;
    if (l->state != STATE_UP) {
        refused = "down";
    } else if (l->view.in_flight >= l->view.max_in_flight) {
        refused = "full";
    } else {
        refused = message_build(&m, &text, &l->config, a) ? put_request(l, a, &m, now_ns)
                                                          : "an element has no value";
        if (refused != NULL)
            log_event(LOG_ERROR, "link.not_sent",
                "link=%s op=%016" PRIX64 " mti=%s de=%d reason=\"%s\"", l->config.name,
                (uint64_t)a->operation.id, m.mti, m.bad_de, refused);
        iso_wipe(&m);
        sodium_memzero(&text, sizeof text);
    }
    if (refused != NULL) {
        metric_add(&not_sent_total, 1);
        give_event(l, ACQ_NOT_SENT, a->operation, a->kind, false);
    }
    assert_link_valid(l);
}

/*
 * An open request ends without an answer: one event, and an answer that still comes will be known
 * as late.
 */
static void end_request(struct link *l, struct request *r, enum acquirer_event_kind kind,
    bool malformed, int64_t now_ns)
{
    assert(kind == ACQ_SILENT || kind == ACQ_NOT_SENT);
    struct row_key operation = r->operation;
    enum operation_kind operation_kind = r->kind;
    if (kind == ACQ_NOT_SENT) {
        metric_add(&not_sent_total, 1);
        requests_drop(l->requests, r);
    } else {
        requests_close(l->requests, r, LIST_SILENT, now_ns);
    }
    l->view.in_flight--;
    metric_add(&in_flight, -1);
    give_event(l, kind, operation, operation_kind, malformed);
}

/* ---- what goes out ---- */

/*
 * Packs m, with its MAC, behind what already waits. False, with nothing put out, when it does not
 * pack or fewer than `kept` bytes would be left.
 */
static bool put_frame(struct link *l, struct iso_message *m, size_t kept)
{
    uint8_t bytes[ISO_MAX_FRAME];
    size_t n = 0, before = l->out.n;
    if (iso_pack_mac(m, l->config.profile, &l->config.mac, bytes, sizeof bytes, &n) != ISO_OK)
        return false;
    bool room = l->out.max - l->out.n >= n + FRAME_OVERHEAD + kept;
    if (room)
        iso_frame_add(&l->config.framing, &l->out, bytes, n);
    sodium_memzero(bytes, n);
    if (l->out.full) { /* the system had no memory */
        l->out.full = false;
        l->out.n = before;
        room = false;
    }
    l->put_out += l->out.n - before;
    return room;
}

static void put_network(struct link *l, struct iso_message *m)
{
    if (!put_frame(l, m, 0)) {
        want_close(l, "output full");
        return;
    }
    metric_add(&sent_total, 1);
    if (l->env.trace != NULL)
        l->env.trace(l->env.self, l->config.name, true, m);
}

static void send_network(struct link *l, int code, int64_t now_ns, int64_t now_ms)
{
    l->network_stan = l->network_stan % 999999 + 1;
    l->network = (struct network_request) { .waiting = true,
        .code = code,
        .stan = l->network_stan,
        .de7 = message_de7(now_ms),
        .sent_ns = now_ns };
    struct iso_message m;
    iso_init(&m, "0800");
    iso_set_number(&m, 7, l->network.de7, 10);
    iso_set_number(&m, 11, l->network.stan, 6);
    iso_set(&m, 32, str_of(l->config.acquirer_id));
    iso_set_number(&m, 70, (uint64_t)code, 3);
    put_network(l, &m);
}

/* ---- what comes in ---- */

static void network_message(struct link *l, const struct iso_message *m, int64_t now_ns);
static void card_answer(
    struct link *l, const struct iso_message *m, bool mac_right, int64_t now_ns);

static void handle_frame(struct link *l, struct str frame, int64_t now_ns)
{
    metric_add(&received_total, 1);
    struct iso_message m;
    enum iso_result result = iso_unpack(&m, l->config.profile, frame.p, frame.n);
    if (result != ISO_OK || m.mti[0] != '0') {
        metric_add(&refused_total, 1);
        if (may_log(l, now_ns))
            log_event(LOG_WARN, "link.bad_message", "link=%s reason=\"%s\" de=%d", l->config.name,
                result != ISO_OK ? iso_result_text(result) : "another version", m.bad_de);
        iso_wipe(&m);
        return;
    }
    if (l->env.trace != NULL)
        l->env.trace(l->env.self, l->config.name, false, &m);
    bool mac_right = iso_mac_valid(&m, l->config.profile, &l->config.mac, frame.p, frame.n);
    bool answer = m.mti[2] == '1' || m.mti[2] == '3';
    if (m.mti[1] != '8' && answer) {
        card_answer(l, &m, mac_right, now_ns);
    } else if (!mac_right || m.mti[1] != '8') {
        metric_add(&refused_total, 1);
        if (may_log(l, now_ns))
            log_event(LOG_WARN, "link.bad_message", "link=%s mti=%s reason=\"%s\"", l->config.name,
                m.mti, mac_right ? "not expected from a host" : "wrong MAC");
    } else {
        network_message(l, &m, now_ns);
    }
    iso_wipe(&m);
}

/* ---- network management ---- */

static void came_up(struct link *l)
{
    l->state = STATE_UP;
    l->view.up = true;
    l->attempts = 0;
    log_event(LOG_INFO, "link.up", "link=%s", l->config.name);
    struct acquirer_event ev = { .kind = ACQ_LINK_UP, .link = l->index };
    l->env.event(l->env.self, &ev);
}

static void network_answer(struct link *l, const struct iso_message *m, int64_t now_ns)
{
    struct network_request *n = &l->network;
    struct str host = iso_get(m, 32);
    bool fits = n->waiting && number_of(iso_get(m, 7)) == n->de7 &&
                number_of(iso_get(m, 11)) == n->stan &&
                (!iso_has(m, 70) || number_of(iso_get(m, 70)) == (uint64_t)n->code) &&
                (host.n == 0 || str_eq(host, str_of(l->config.acquirer_id)));
    if (!fits) {
        if (may_log(l, now_ns))
            log_event(LOG_WARN, "link.unknown_answer", "link=%s mti=%s", l->config.name, m->mti);
        return;
    }
    n->waiting = false;
    l->missed_echoes = 0;
    if (n->code == NETWORK_SIGN_OFF)
        want_close(l, "signed off");
    if (n->code != NETWORK_SIGN_ON || l->state != STATE_SIGNING_ON)
        return;
    if (str_eq(iso_get(m, 39), STR("00")))
        came_up(l);
    else
        want_close(l, "sign-on refused");
}

/* The host asks or tells. Everything we know is answered 00, the rest 40: not supported. */
static void network_request(struct link *l, const struct iso_message *m)
{
    static const int echoed[] = { 7, 11, 32, 33, 70 };
    uint64_t code = number_of(iso_get(m, 70));
    bool known = code == NETWORK_SIGN_ON || code == NETWORK_SIGN_OFF || code == NETWORK_CUT_OVER ||
                 code == NETWORK_ECHO;
    char mti[5];
    iso_answer_mti(m->mti, mti);
    struct iso_message answer;
    iso_init(&answer, mti);
    for (size_t i = 0; i < COUNT(echoed); i++) {
        struct str value = iso_get(m, echoed[i]);
        if (value.n > 0)
            iso_set(&answer, echoed[i], value);
    }
    iso_set(&answer, 39, known ? STR("00") : STR("40"));
    put_network(l, &answer);
    if (code == NETWORK_CUT_OVER)
        log_event(LOG_INFO, "link.cut_over", "link=%s", l->config.name);
    if (code != NETWORK_SIGN_OFF)
        return;
    if (l->state == STATE_UP) {
        l->state = STATE_DRAINING;
        l->reason = "the host signed off";
        l->view.up = false;
        go_down(l);
    } else if (l->state == STATE_SIGNING_ON) {
        want_close(l, "the host signed off");
    }
}

static void network_message(struct link *l, const struct iso_message *m, int64_t now_ns)
{
    if (m->mti[2] == '1' || m->mti[2] == '3')
        network_answer(l, m, now_ns);
    else if (m->mti[2] == '0' || m->mti[2] == '2')
        network_request(l, m);
}

/* ---- answers ---- */

static struct request *find_request(struct link *l, const struct iso_message *m)
{
    struct str host = iso_get(m, 32);
    if (!iso_has(m, 7) || !iso_has(m, 11) ||
        (host.n > 0 && !str_eq(host, str_of(l->config.acquirer_id))))
        return NULL;
    struct request_key key = { .de7 = number_of(iso_get(m, 7)),
        .stan = (uint32_t)number_of(iso_get(m, 11)),
        .terminal = without_spaces(iso_get(m, 41)),
        .rrn = iso_get(m, 37) };
    memcpy(key.mti, m->mti, sizeof key.mti);
    return requests_find(l->requests, &key);
}

/* Compares what the answer repeats of the request (§8.1): the first element that differs, or 0. */
static int mismatch(const struct link *l, const struct request *r, const struct iso_message *m)
{
    struct str de39 = iso_get(m, 39);
    if (iso_has(m, 2) && hash_of_pan(l, iso_get(m, 2)) != r->pan_hash)
        return 2;
    if (!str_eq(iso_get(m, 3), str_of(r->processing)))
        return 3;
    uint64_t amount = number_of(iso_get(m, 4)), asked = (uint64_t)r->amount_minor;
    bool partly = amount > 0 && amount < asked && str_eq(de39, STR("10"));
    if (!iso_has(m, 4) || (amount != asked && !partly))
        return 4;
    if (!str_eq(iso_get(m, 37), str_of(r->rrn)))
        return 37;
    if (without_spaces(de39).n != 2)
        return 39;
    if (!str_is_digits(iso_get(m, 49)) || number_of(iso_get(m, 49)) != r->currency)
        return 49;
    return 0;
}

/*
 * Copies what fits: an optional detail that is longer than we can keep is no reason to doubt the
 * answer.
 */
static void keep(char *dst, size_t room, struct str value)
{
    (void)str_copy(dst, room, without_spaces(value));
}

static void give_answer(struct link *l, enum acquirer_event_kind kind, const struct request *r,
    const struct iso_message *m)
{
    struct acquirer_event ev = { .kind = kind,
        .link = l->index,
        .operation = r->operation,
        .operation_kind = r->kind,
        .amount_minor = (int64_t)number_of(iso_get(m, 4)) };
    keep(ev.de39, sizeof ev.de39, iso_get(m, 39));
    keep(ev.authcode, sizeof ev.authcode, iso_get(m, 38));
    keep(ev.network_id, sizeof ev.network_id, iso_get(m, 62));
    keep(ev.advice, sizeof ev.advice, iso_de48_get(iso_get(m, 48), "84"));
    keep(ev.cvv_result, sizeof ev.cvv_result, iso_de48_get(iso_get(m, 48), "87"));
    l->env.event(l->env.self, &ev);
}

static void log_answer(struct link *l, enum log_level level, const char *event,
    const struct request *r, int de, int64_t now_ns)
{
    if (!may_log(l, now_ns))
        return;
    if (de != 0)
        log_event(level, event, "link=%s op=%016" PRIX64 " mti=%s de=%d", l->config.name,
            (uint64_t)r->operation.id, r->mti, de);
    else
        log_event(level, event, "link=%s op=%016" PRIX64 " mti=%s", l->config.name,
            (uint64_t)r->operation.id, r->mti);
}

static void card_answer(struct link *l, const struct iso_message *m, bool mac_right, int64_t now_ns)
{
    struct request *r = find_request(l, m);
    if (r == NULL) {
        metric_add(&refused_total, 1);
        if (may_log(l, now_ns))
            log_event(LOG_WARN, "link.unknown_answer", "link=%s mti=%s", l->config.name, m->mti);
        return;
    }
    int wrong = mac_right ? mismatch(l, r, m) : iso_has(m, 128) ? 128 : 64;
    bool open = r->list == LIST_REQUEST || r->list == LIST_ADVICE;
    if (wrong != 0) {
        metric_add(&refused_total, 1);
        log_answer(l, LOG_ERROR, "link.answer_mismatch", r, wrong, now_ns);
        if (open)
            end_request(l, r, ACQ_SILENT, true, now_ns);
        return;
    }
    struct str de39 = iso_get(m, 39);
    bool says_nothing = str_eq(de39, STR("09")) || str_eq(de39, STR("68"));
    if (open && says_nothing) {
        end_request(l, r, ACQ_SILENT, false, now_ns);
    } else if (open) {
        metric_observe_us(&answer_time, (now_ns - r->sent_ns) / 1000);
        requests_close(l->requests, r, LIST_ANSWERED, now_ns);
        l->view.in_flight--;
        metric_add(&in_flight, -1);
        give_answer(l, ACQ_ANSWERED, r, m);
    } else if (r->list == LIST_ANSWERED) {
        log_answer(l, LOG_WARN, "link.duplicate_answer", r, 0, now_ns);
    } else if (!says_nothing) {
        metric_add(&late_total, 1);
        log_answer(l, LOG_WARN, "link.late_answer", r, 0, now_ns);
        requests_close(l->requests, r, LIST_ANSWERED, now_ns);
        give_answer(l, ACQ_LATE_ANSWER, r, m);
    }
}

/* ---- time ---- */

/* Silence for all of the list that have waited long enough; when the next will have. */
static int64_t expire(struct link *l, enum request_list list, int64_t wait_ns, int64_t now_ns)
{
    struct request *r;
    while ((r = requests_oldest(l->requests, list)) != NULL) {
        if (now_ns - r->sent_ns < wait_ns)
            return r->sent_ns + wait_ns;
        metric_add(&timeouts_total, 1);
        end_request(l, r, ACQ_SILENT, false, now_ns);
    }
    return INT64_MAX;
}

static void forget_old(struct link *l, int64_t now_ns)
{
    static const enum request_list over[] = { LIST_SILENT, LIST_ANSWERED };
    for (size_t i = 0; i < COUNT(over); i++) {
        struct request *r;
        while ((r = requests_oldest(l->requests, over[i])) != NULL &&
               now_ns - r->closed_ns >= keep_silent_ns)
            requests_drop(l->requests, r);
    }
}

/* Our own 0800: its time-out, and the echo when the host has been quiet. When to look again. */
static int64_t tend_network(struct link *l, int64_t now_ns, int64_t now_ms)
{
    struct network_request *n = &l->network;
    int64_t wait_ns = l->config.network_timeout_ms * MS, idle_ns = l->config.echo_idle_ms * MS;
    if (n->waiting && n->sent_ns == unknown_ns)
        n->sent_ns = now_ns;
    if (n->waiting && now_ns - n->sent_ns < wait_ns)
        return n->sent_ns + wait_ns;
    if (n->waiting && n->code != NETWORK_ECHO) {
        want_close(l, n->code == NETWORK_SIGN_ON ? "sign-on unanswered" : "signed off");
        return now_ns;
    }
    if (n->waiting && ++l->missed_echoes >= ECHO_MISSES) {
        want_close(l, "echo unanswered");
        return now_ns;
    }
    if (!n->waiting && now_ns - l->heard_ns < idle_ns)
        return l->heard_ns + idle_ns;
    send_network(l, NETWORK_ECHO, now_ns, now_ms);
    return now_ns + wait_ns;
}

int64_t link_tick(struct link *l, int64_t now_ns, int64_t now_ms)
{
    int64_t next = INT64_MAX;
    int64_t connect_ns = l->config.connect_timeout_ms * MS;
    forget_old(l, now_ns);
    if (l->state == STATE_DOWN && now_ns < l->retry_ns)
        return l->retry_ns;
    if (l->state == STATE_DOWN) {
        l->state = STATE_CONNECTING;
        l->connect_ns = now_ns;
        l->reason_logged = false;
    }
    if (l->state == STATE_CONNECTING) {
        next = l->connect_ns + connect_ns;
        if (now_ns >= next)
            want_close(l, "cannot connect in time");
    } else if (connected(l)) {
        next = expire(l, LIST_REQUEST, l->config.request_timeout_ms * MS, now_ns);
        int64_t advice = expire(l, LIST_ADVICE, l->config.advice_timeout_ms * MS, now_ns);
        settle(l, now_ns, now_ms);
        int64_t network = connected(l) ? tend_network(l, now_ns, now_ms) : now_ns;
        next = advice < next ? advice : next;
        next = network < next ? network : next;
    }
    assert_link_valid(l);
    return next;
}
