/*
 * A link on a bench: its clock is set by hand, its events are kept, and the test plays the host in
 * memory.
 */
#ifndef TURNPIKE_TEST_PEER_H
#define TURNPIKE_TEST_PEER_H

#include "acquirer/acquirer.h"
#include "base/log.h"
#include "engine/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS         INT64_C(1000000)
#define SECOND     (1000 * MS)
#define VISA       "4111111111111111"
#define MASTERCARD "5555555555554444"
/* 2026-11-21 22:00:00 UTC. */
#define TEN_PM      INT64_C(1795298400000)
#define THREE_HOURS INT64_C(10800000)

enum { EVENTS_MAX = 20000 };

struct bench {
    struct link *link;
    struct link_config config;
    struct rng rng;
    int64_t now_ns;
    struct acquirer_event events[EVENTS_MAX];
    size_t n_events;
    size_t traced;
};

/* One frame that the link put out: the message points into bytes. */
struct frame {
    char bytes[ISO_MAX_FRAME];
    size_t n;
    struct iso_message m;
};

struct value {
    int de;
    const char *text;
};

static inline struct merchant_row shop(void)
{
    return (struct merchant_row) { .id = 1,
        .face = FACE_GENOME,
        .name = "EXAMPLE SHOP",
        .city = "MINSK",
        .country = "BY",
        .mcc = "5732",
        .mid = "MERCHANT0000001",
        .tid = "TERM0001" };
}

static inline void keep_event(void *self, const struct acquirer_event *ev)
{
    struct bench *b = self;
    assert_true(b->n_events < EVENTS_MAX);
    b->events[b->n_events++] = *ev;
}

static inline void count_trace(
    void *self, const char *link, bool outgoing, const struct iso_message *m)
{
    struct bench *b = self;
    (void)outgoing;
    assert_string_equal(link, "main");
    assert_int_equal(strlen(m->mti), 4);
    b->traced++;
}

/* Card messages are sent at 22:01:10 and so on; network messages at 22:00:05. */
static inline int64_t bench_ms(const struct bench *b)
{
    (void)b;
    return TEN_PM + 5000;
}

static inline struct bench *bench_with(const struct link_config *config)
{
    log_setup(LOG_ERROR, -1);
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->config = *config;
    b->rng = rng_seeded(7);
    b->now_ns = 1000 * SECOND;
    struct link_env env = { .self = b, .event = keep_event, .trace = count_trace };
    b->link = link_new(&b->config, 3, &env, &b->rng);
    assert_non_null(b->link);
    return b;
}

static inline struct link_config plain_config(void)
{
    return (struct link_config) {
        .name = "main", .acquirer_id = "12345678901", .acquirer_country = 112
    };
}

static inline void bench_free(struct bench *b)
{
    link_free(b->link);
    free(b);
}

static inline int64_t tick(struct bench *b)
{
    return link_tick(b->link, b->now_ns, bench_ms(b));
}

static inline void receive(struct bench *b, const void *bytes, size_t n)
{
    link_received(b->link, (struct str) { bytes, n }, b->now_ns, bench_ms(b));
}

/* Takes the first frame off the link's output; false when there is none. */
static inline bool next_frame(struct bench *b, struct frame *f)
{
    struct buf *out = link_output(b->link);
    struct str message;
    size_t used;
    if (iso_frame_next(&b->config.framing, buf_view(out), &message, &used) != ISO_FRAME_MESSAGE)
        return false;
    memcpy(f->bytes, message.p, message.n);
    f->n = message.n;
    buf_consume(out, used);
    assert_int_equal(iso_unpack(&f->m, b->config.profile, f->bytes, f->n), ISO_OK);
    assert_true(iso_mac_valid(&f->m, b->config.profile, &b->config.mac, f->bytes, f->n));
    return true;
}

/* The host's answer in the making: every element it echoes, and DE 39. */
static inline void answer_to(
    struct iso_message *answer, const struct iso_message *m, const char *de39)
{
    static const int echoed[] = { 2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 63, 70 };
    char mti[5];
    iso_answer_mti(m->mti, mti);
    iso_init(answer, mti);
    for (size_t i = 0; i < COUNT(echoed); i++)
        if (iso_has(m, echoed[i]))
            iso_set(answer, echoed[i], iso_get(m, echoed[i]));
    iso_set(answer, 39, str_of(de39));
}

/* The frame of m, as the host sends it; returns its length. */
static inline size_t framed(struct bench *b, struct iso_message *m, char *out, size_t room)
{
    uint8_t bytes[ISO_MAX_FRAME];
    size_t n;
    assert_int_equal(
        iso_pack_mac(m, b->config.profile, &b->config.mac, bytes, sizeof bytes, &n), ISO_OK);
    struct buf buf;
    buf_init(&buf, room);
    iso_frame_add(&b->config.framing, &buf, bytes, n);
    assert_false(buf.full);
    n = buf.n;
    memcpy(out, buf.p, n);
    buf_free(&buf);
    return n;
}

static inline void host_sends(struct bench *b, struct iso_message *m)
{
    char bytes[ISO_MAX_FRAME + 16];
    size_t n = framed(b, m, bytes, sizeof bytes);
    receive(b, bytes, n);
}

static inline void host_answers(struct bench *b, const struct frame *f, const char *de39)
{
    struct iso_message answer;
    answer_to(&answer, &f->m, de39);
    host_sends(b, &answer);
}

static inline void connect_it(struct bench *b)
{
    (void)tick(b);
    assert_int_equal(link_wish(b->link), LINK_CONNECT);
    link_connected(b->link, b->now_ns, bench_ms(b));
}

/* Connected and signed on, nothing left in the output, no events kept. */
static inline void bring_up(struct bench *b)
{
    struct frame f;
    connect_it(b);
    assert_true(next_frame(b, &f));
    host_answers(b, &f, "00");
    assert_true(link_view(b->link)->up);
    b->n_events = 0;
}

static inline struct bench *bench_up(void)
{
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    bring_up(b);
    return b;
}

/* A sale of 999.00 by e-commerce; operation id = stan. */
static inline struct acquirer_message a_sale(const struct merchant_row *merchant, uint32_t stan)
{
    struct acquirer_message a = { .operation = { 1, stan },
        .kind = OPK_SALE,
        .pan = MASTERCARD,
        .cvv = "321",
        .expiry_yymm = 2910,
        .amount_minor = 99900,
        .currency = 933,
        .stan = stan,
        .sent_ms = TEN_PM + 150000,
        .local_ms = TEN_PM + 150000 + THREE_HOURS,
        .original_kind = OPK_SALE,
        .entry = ENTRY_ECOMMERCE,
        .merchant = merchant,
        .reference = "ORDER-000102" };
    memcpy(a.rrn, "632522", 6);
    for (int i = 11; i >= 6; i--, stan /= 10)
        a.rrn[i] = (char)('0' + stan % 10);
    return a;
}

/* Submits and takes the frame. */
static inline void send_it(struct bench *b, const struct acquirer_message *a, struct frame *f)
{
    size_t before = b->n_events;
    link_submit(b->link, a, b->now_ns);
    assert_int_equal(b->n_events, before);
    assert_true(next_frame(b, f));
}

static inline const struct acquirer_event *only_event(const struct bench *b)
{
    assert_int_equal(b->n_events, 1);
    return &b->events[0];
}

#endif
