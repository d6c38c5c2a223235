/*
 * What the tests of the host share: a host without sockets, messages in few words, answers as text.
 */
#ifndef TURNPIKE_TEST_SANDBOX_KIT_H
#define TURNPIKE_TEST_SANDBOX_KIT_H

#include "base/log.h"
#include "sandbox/host.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* 2025-11-21T22:00:00Z; DE 7 of the messages is 1121220000. */
#define KIT_NOW INT64_C(1763762400000)

enum { KIT_ANSWERS = 8 };

struct kit {
    struct host_config config;
    struct host *host;
    struct host_conn *conn;
    int64_t now;
    unsigned stan;
    bool open; /* the connection */

    size_t answers;
    struct iso_message answer[KIT_ANSWERS];
    char bytes[KIT_ANSWERS * ISO_MAX_FRAME];
    char folder[64], journal[80];
};

/* A message; what is NULL or 0 takes a default, "-" leaves the element out. */
struct ask {
    const char *mti, *pan, *processing;
    int64_t amount;
    const char *expiry, *cvv, *terminal, *merchant, *currency, *reference, *original, *kept, *rrn;
    const char *condition, *sent, *network_id;
    unsigned stan;
};

static inline const char *kit_or(const char *value, const char *otherwise)
{
    return value == NULL ? otherwise : value;
}

static inline void kit_set(struct iso_message *m, int de, const char *value)
{
    if (strcmp(value, "-") != 0)
        iso_set_text(m, de, "%s", value);
}

static inline void kit_start(struct kit *k)
{
    char why[256] = "";
    k->host = host_new(&k->config, why, sizeof why);
    if (k->host == NULL)
        fail_msg("%s", why);
    k->conn = host_connect(k->host);
    assert_non_null(k->conn);
    k->open = true;
}

static inline void kit_end(struct kit *k)
{
    host_disconnect(k->host, k->conn);
    host_free(k->host);
}

static inline void kit_collect(struct kit *k)
{
    struct buf *out = host_output(k->conn);
    assert_true(host_flush_journal(k->host));
    assert_true(out->n <= sizeof k->bytes);
    if (out->n > 0)
        memcpy(k->bytes, out->p, out->n);
    struct str left = { k->bytes, out->n }, frame;
    size_t used;
    k->answers = 0;
    while (iso_frame_next(&k->config.framing, left, &frame, &used) == ISO_FRAME_MESSAGE) {
        assert_true(k->answers < KIT_ANSWERS);
        struct iso_message *m = &k->answer[k->answers];
        if (iso_unpack(m, k->config.profile, frame.p, frame.n) != ISO_OK)
            m->mti[0] = '\0';
        else if (!iso_mac_valid(m, k->config.profile, &k->config.mac, frame.p, frame.n))
            m->mti[0] = '!';
        k->answers++;
        left = str_skip(left, used);
    }
    assert_int_equal(left.n, 0);
    buf_reset(out);
}

static inline void kit_send(struct kit *k, struct iso_message *m)
{
    char packed[ISO_MAX_FRAME];
    size_t n = 0;
    enum iso_result r =
        iso_pack_mac(m, k->config.profile, &k->config.mac, packed, sizeof packed, &n);
    if (r != ISO_OK)
        fail_msg("%s at %d", iso_result_text(r), m->bad_de);
    struct buf framed;
    buf_init(&framed, ISO_MAX_FRAME + 16);
    iso_frame_add(&k->config.framing, &framed, packed, n);
    k->open = host_receive(k->host, k->conn, buf_view(&framed), k->now);
    buf_free(&framed);
    kit_collect(k);
}

/* DE 39 of the only answer; "" when there was none. */
static inline const char *kit_code(struct kit *k)
{
    static char code[3];
    if (k->answers == 0)
        return "";
    assert_int_equal(k->answers, 1);
    assert_true(str_copy(code, sizeof code, iso_get(&k->answer[0], 39)));
    return code;
}

/* An element of the first answer; "" when it is absent. */
static inline const char *kit_get(struct kit *k, int de)
{
    static char text[1000];
    assert_true(k->answers > 0);
    assert_true(str_copy(text, sizeof text, iso_get(&k->answer[0], de)));
    return text;
}

static inline void kit_build(struct kit *k, const struct ask *a, struct iso_message *m)
{
    iso_init(m, a->mti);
    kit_set(m, 2, kit_or(a->pan, "4242424242424242"));
    kit_set(m, 3, kit_or(a->processing, "000000"));
    iso_set_number(m, 4, (uint64_t)a->amount, 12);
    kit_set(m, 7, kit_or(a->sent, "1121220000"));
    iso_set_number(m, 11, a->stan != 0 ? a->stan : ++k->stan, 6);
    kit_set(m, 12, "220000");
    kit_set(m, 13, "1121");
    kit_set(m, 14, kit_or(a->expiry, "3012"));
    kit_set(m, 25, kit_or(a->condition, "59"));
    kit_set(m, 32, "12345678901");
    kit_set(m, 37, kit_or(a->rrn, "532522000001"));
    kit_set(m, 41, kit_or(a->terminal, "TERM0001"));
    kit_set(m, 42, kit_or(a->merchant, "SHOP00000000001"));
    if (a->cvv != NULL)
        iso_set_text(m, 48, "T92%02zu%s", strlen(a->cvv), a->cvv);
    kit_set(m, 49, kit_or(a->currency, "978"));
    kit_set(m, 62, kit_or(a->network_id, "-"));
    kit_set(m, 63, kit_or(a->reference, "06CAAC0F1B000001"));
    kit_set(m, 90, kit_or(a->original, "-"));
    if (a->kept != NULL)
        iso_set_text(m, 95, "%s000000000000D00000000D00000000", a->kept);
}

static inline const char *kit_ask(struct kit *k, struct ask a)
{
    struct iso_message m;
    kit_build(k, &a, &m);
    kit_send(k, &m);
    return kit_code(k);
}

#define ASK(k, ...) kit_ask((k), (struct ask) { __VA_ARGS__ })

/* DE 90 for a message of this kit; valid for the next fifteen calls. */
static inline const char *kit_original(const char *mti, unsigned stan)
{
    static char text[16][43];
    static unsigned next;
    next = (next + 1) % 16;
    (void)snprintf(text[next], sizeof text[next], "%s%06u1121220000%s%s", mti, stan % 1000000,
        "12345678901", "00000000000");
    return text[next];
}

static inline const char *kit_network(struct kit *k, const char *code)
{
    struct iso_message m;
    iso_init(&m, "0800");
    kit_set(&m, 7, "1121220000");
    iso_set_number(&m, 11, ++k->stan, 6);
    kit_set(&m, 70, code);
    kit_send(k, &m);
    return kit_code(k);
}

static inline void kit_tick(struct kit *k, int64_t now)
{
    k->now = now;
    (void)host_tick(k->host, now);
    kit_collect(k);
}

static inline struct host_position kit_position(struct kit *k, const char *reference)
{
    struct host_position p;
    (void)host_position(k->host, str_of(reference), &p);
    return p;
}

static inline void kit_assert_position(
    struct kit *k, const char *reference, int64_t held, int64_t captured, int64_t refunded)
{
    struct host_position p = kit_position(k, reference);
    assert_int_equal(p.held_minor, held);
    assert_int_equal(p.captured_minor, captured);
    assert_int_equal(p.refunded_minor, refunded);
}

#define REFERENCE "06CAAC0F1B000001"

/* A host, signed on. */
static inline int kit_setup(void **state)
{
    log_setup(LOG_ERROR, -1);
    struct kit *k = calloc(1, sizeof *k);
    assert_non_null(k);
    k->now = KIT_NOW;
    kit_start(k);
    assert_string_equal(kit_network(k, "001"), "00");
    *state = k;
    return 0;
}

static inline int kit_teardown(void **state)
{
    kit_end(*state);
    free(*state);
    return 0;
}

#endif
