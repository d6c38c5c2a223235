#include "sandbox/host.h"
#include "base/log.h"
#include "base/money.h"
#include "sandbox/answer.h"
#include "sandbox/delayed.h"
#include "sandbox/journal.h"
#include "sandbox/rules.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_MAX = 2 << 20, OUTPUT_MAX = 32 << 20, TOLERANCE_MAX = 900 };

struct date {
    int64_t days;   /* since 1970 */
    uint32_t day;   /* 20261121 */
    uint16_t month; /* 2611, as an expiry is written */
};

struct host {
    struct host_config config;
    struct books *books;
    struct journal *journal; /* NULL: none */
    struct delayed *delayed;
    struct host_faults faults;
    struct iso_message request, answer;
    struct buf framed; /* one answer */
    struct {
        uint64_t mmdd;
        int64_t today;
        struct date date;
    } latest; /* the date worked out last: most often the next one too */
};

struct host_conn {
    struct buf in, out; /* in: the start of a frame that is not whole yet */
    bool signed_on, closing;
    bool deaf; /* terminal NOECHO01 was seen: network messages are not answered any more */
};

enum role { IS_CARD, IS_RECONCILIATION, IS_NETWORK };

/* What the host answers; anything else is left alone. The last digit of the MTI tells repeats apart. */
static const struct message_kind {
    char mti[4];
    enum role role;
    enum rules_role rules; /* RULES_ROLES: known, but not supported */
    enum answer_shape shape;
} kinds[] = {
    { "010", IS_CARD, ROLE_AUTHORIZE, ANSWER_OPENING },
    { "020", IS_CARD, ROLE_FINANCIAL, ANSWER_OPENING },
    { "022", IS_CARD, ROLE_COMPLETION, ANSWER_COMPLETION },
    { "040", IS_CARD, ROLE_REVERSAL, ANSWER_REVERSAL },
    { "042", IS_CARD, ROLE_REVERSAL, ANSWER_REVERSAL },
    { "012", IS_CARD, RULES_ROLES, ANSWER_OPENING },
    { "050", IS_RECONCILIATION, RULES_ROLES, ANSWER_RECONCILIATION },
    { "052", IS_RECONCILIATION, RULES_ROLES, ANSWER_RECONCILIATION },
    { "080", IS_NETWORK, RULES_ROLES, ANSWER_NETWORK },
};

/* Elements without which a message is a format error (39 = 30). */
static const uint8_t mandatory_card[] = { 2, 3, 4, 7, 11, 32, 41, 42, 49, 0 };
static const uint8_t mandatory_follow_up[] = { 2, 3, 4, 7, 11, 32, 41, 42, 49, 90, 0 };
static const uint8_t mandatory_reconciliation[] = { 7, 11, 15, 32, 42, 50, 74, 75, 76, 77, 86, 87,
    88, 89, 0 };
static const uint8_t mandatory_network[] = { 7, 11, 70, 0 };

/* What a fault makes of the delivery, where it lets the message be decided. */
static const enum delivery fault_delivery[] = {
    [HOST_FAULT_SILENT_BOOKED] = DELIVERY_SILENT,
    [HOST_FAULT_LATE] = DELIVERY_LATE,
    [HOST_FAULT_TWICE] = DELIVERY_TWICE,
    [HOST_FAULT_DROP_AFTER] = DELIVERY_CLOSE,
    [HOST_FAULT_GARBAGE] = DELIVERY_GARBAGE,
};

static const char deaf_terminal[] = "NOECHO01";
static const char garbage[] = "this is no message, and never was one";

/* ---- the host and its connections ---- */

struct host *host_new(const struct host_config *config, char *why, size_t why_size)
{
    assert(config->tolerance_percent >= 0 && config->tolerance_percent <= TOLERANCE_MAX);
    (void)snprintf(why, why_size, "no memory");
    struct host *h = calloc(1, sizeof *h);
    if (h == NULL)
        return NULL;
    h->config = *config;
    buf_init(&h->framed, 2 * ISO_MAX_FRAME);
    h->books = books_new();
    h->delayed = delayed_new();
    bool good = h->books != NULL && h->delayed != NULL;
    if (good && config->journal_path != NULL) {
        h->journal = journal_open(config->journal_path, h->books, why, why_size);
        good = h->journal != NULL;
    }
    if (good)
        return h;
    host_free(h);
    return NULL;
}

void host_free(struct host *h)
{
    if (h == NULL)
        return;
    journal_close(h->journal);
    delayed_free(h->delayed);
    books_free(h->books);
    buf_free(&h->framed);
    free(h);
}

struct host_conn *host_connect(struct host *h)
{
    (void)h;
    struct host_conn *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    buf_init(&c->in, INPUT_MAX);
    buf_init(&c->out, OUTPUT_MAX);
    return c;
}

void host_disconnect(struct host *h, struct host_conn *c)
{
    delayed_forget(h->delayed, c);
    buf_free(&c->in);
    buf_free(&c->out);
    free(c);
}

struct buf *host_output(struct host_conn *c)
{
    return &c->out;
}

bool host_wants_close(const struct host_conn *c)
{
    return c->closing;
}

void host_set_faults(struct host *h, const struct host_faults *f)
{
    h->faults = *f;
}

const struct host_faults *host_faults_now(const struct host *h)
{
    return &h->faults;
}

bool host_position(struct host *h, struct str reference, struct host_position *out)
{
    return books_position(h->books, exchange_hash(reference.p, reference.n), out);
}

bool host_flush_journal(struct host *h)
{
    return h->journal == NULL || journal_flush(h->journal);
}

int64_t host_tick(struct host *h, int64_t now_ms)
{
    while (delayed_due(h->delayed) <= now_ms) {
        struct host_conn *c;
        struct str bytes = delayed_pop(h->delayed, &c);
        if (c != NULL)
            buf_str(&c->out, bytes);
    }
    return delayed_due(h->delayed);
}

/* ---- frames ---- */

static void receive_message(struct host *h, struct host_conn *c, struct str frame, int64_t now_ms);

bool host_receive(struct host *h, struct host_conn *c, struct str bytes, int64_t now_ms)
{
    bool carried = c->in.n > 0;
    struct str in = bytes, frame;
    size_t used;
    if (c->closing)
        return false;
    if (carried) {
        buf_str(&c->in, bytes);
        in = buf_view(&c->in);
    }
    c->closing = c->in.full;
    while (!c->closing) {
        enum iso_frame_result r = iso_frame_next(&h->config.framing, in, &frame, &used);
        if (r == ISO_FRAME_PARTIAL)
            break;
        if (r == ISO_FRAME_BROKEN) {
            log_event(LOG_WARN, "host.framing", "bytes=%zu", in.n);
            c->closing = true;
            break;
        }
        if (r == ISO_FRAME_MESSAGE)
            receive_message(h, c, frame, now_ms);
        in = str_skip(in, used);
    }
    if (carried)
        buf_consume(&c->in, c->in.n - in.n);
    else
        buf_str(&c->in, in);
    c->closing = c->closing || c->in.full || c->out.full;
    return !c->closing;
}

static void receive_card(
    struct host *h, struct host_conn *c, const struct message_kind *kind, struct exchange *x);
static void receive_reconciliation(
    struct host *h, struct host_conn *c, const struct message_kind *kind, struct exchange *x);
static void receive_network(
    struct host *h, struct host_conn *c, const struct message_kind *kind, struct exchange *x);
static void describe(struct host *h, struct exchange *x, char pan[EXCHANGE_PAN_MAX]);
static void finish(
    struct host *h, struct host_conn *c, const struct message_kind *kind, struct exchange *x);

static const struct message_kind *kind_of(const char mti[5])
{
    for (size_t i = 0; i < COUNT(kinds); i++)
        if (memcmp(kinds[i].mti, mti, 3) == 0)
            return &kinds[i];
    return NULL;
}

/* Sets DE 39 and the effect. */
static void refuse(struct exchange *x, const char *de39)
{
    (void)str_copy(x->de39, sizeof x->de39, str_of(de39));
    x->effect = EFFECT_SKIP;
}

static void receive_message(struct host *h, struct host_conn *c, struct str frame, int64_t now_ms)
{
    static void (*const receive[])(
        struct host *, struct host_conn *, const struct message_kind *, struct exchange *) = {
        [IS_CARD] = receive_card,
        [IS_RECONCILIATION] = receive_reconciliation,
        [IS_NETWORK] = receive_network,
    };
    struct iso_message *m = &h->request;
    enum iso_result r = iso_unpack(m, h->config.profile, frame.p, frame.n);
    const struct message_kind *kind = m->mti[0] == '\0' ? NULL : kind_of(m->mti);
    bool readable =
        r == ISO_OK && iso_mac_valid(m, h->config.profile, &h->config.mac, frame.p, frame.n);
    if (r != ISO_OK)
        log_event(LOG_WARN, "host.unreadable", "why=\"%s\" de=%u", iso_result_text(r), m->bad_de);
    else if (!readable)
        log_event(LOG_WARN, "host.mac", "mti=%s", m->mti);

    char pan[EXCHANGE_PAN_MAX];
    struct exchange x = { .at_ms = now_ms };
    bool answerable = h->config.mac.kind == ISO_MAC_NONE && iso_has(m, 7) && iso_has(m, 11);
    if (kind != NULL && (readable || (r != ISO_OK && answerable))) {
        describe(h, &x, pan);
        if (readable) {
            receive[kind->role](h, c, kind, &x);
        } else {
            refuse(&x, "30");
            finish(h, c, kind, &x);
        }
    }
    iso_wipe(m);
}

/* ---- what a message says ---- */

/* Days since 1970 of a date; month from 1. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    /* Years begin in March here, so that the leap day is the last of a year. */
    int64_t y = month > 2 ? year : year - 1, m = (month + 9) % 12;
    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
}

enum { DAY_MS = 86400000 };

static struct date date_of(int64_t days)
{
    struct utc t = utc_of(days * DAY_MS);
    return (struct date) { .days = days,
        .day = (uint32_t)(t.year * 10000 + t.month * 100 + t.day),
        .month = (uint16_t)(t.year % 100 * 100 + t.month) };
}

/* MMDD in the year in which it is nearest to now. False when it is no date. */
static bool date_near(struct host *h, struct str mmdd, int64_t now_ms, struct date *out)
{
    uint64_t value;
    int64_t today = now_ms / DAY_MS;
    if (mmdd.n < 4 || !str_to_u64((struct str) { mmdd.p, 4 }, 1231, &value))
        return false;
    int64_t month = (int64_t)value / 100, day = (int64_t)value % 100;
    if (month < 1 || month > 12 || day < 1 || day > 31)
        return false;
    if (h->latest.mmdd != value || h->latest.today != today) {
        int year = utc_of(now_ms).year;
        int64_t best = days_of(year, month, day);
        for (int other = year - 1; other <= year + 1; other += 2) {
            int64_t candidate = days_of(other, month, day);
            if (llabs(candidate - today) < llabs(best - today))
                best = candidate;
        }
        h->latest.mmdd = value;
        h->latest.today = today;
        h->latest.date = date_of(best);
    }
    *out = h->latest.date;
    return true;
}

static int64_t amount_of(const struct iso_message *m)
{
    uint64_t value = 0;
    return str_to_u64(iso_get(m, 4), MONEY_MAX_MINOR, &value) ? (int64_t)value : 0;
}

static struct str at_most(struct str s, size_t n)
{
    return s.n <= n ? s : (struct str) { s.p, n };
}

static void describe(struct host *h, struct exchange *x, char pan[EXCHANGE_PAN_MAX])
{
    const struct iso_message *m = &h->request;
    memcpy(x->mti, m->mti, sizeof x->mti);
    x->pan = exchange_mask(iso_get(m, 2), pan);
    x->processing = iso_get(m, 3);
    x->amount = amount_of(m);
    x->sent = iso_get(m, 7);
    x->stan = iso_get(m, 11);
    x->acquirer = iso_get(m, 32);
    x->rrn = str_trim(iso_get(m, 37));
    x->terminal = str_trim(iso_get(m, 41));
    x->merchant = str_trim(iso_get(m, 42));
    x->reference = at_most(iso_get(m, 63), EXCHANGE_REFERENCE_MAX);
    x->original = iso_get(m, 90);
    uint64_t currency = 0;
    if (str_to_u64(iso_get(m, iso_has(m, 49) ? 49 : 50), 999, &currency))
        x->currency = (uint16_t)currency;
    struct date date;
    if (date_near(h, x->sent, x->at_ms, &date)) {
        uint32_t cutover = books_cutover(h->books);
        x->day = date.day < cutover ? cutover : date.day;
    }
    (void)str_copy(x->network, sizeof x->network, iso_get(m, 70));
    bool zeros = true;
    for (size_t i = 0; i < x->original.n; i++)
        zeros = zeros && x->original.p[i] == '0';
    if (zeros)
        x->original = STR_EMPTY;
    exchange_identify(x);
}

static bool has_all(const struct iso_message *m, const uint8_t *elements)
{
    for (; *elements != 0; elements++)
        if (iso_get(m, *elements).n == 0)
            return false;
    return true;
}

/* ---- card messages ---- */

static enum host_fault_kind take_fault(struct host *h, const struct exchange *x)
{
    struct host_faults *f = &h->faults;
    if (f->kind == HOST_FAULT_NONE || f->kind == HOST_FAULT_SIGN_OFF)
        return f->kind;
    if (f->count == 0 || (f->mti_class != 0 && f->mti_class != (uint32_t)(x->mti[1] - '0')))
        return HOST_FAULT_NONE;
    enum host_fault_kind kind = f->kind;
    if (f->count > 0 && --f->count == 0)
        f->kind = HOST_FAULT_NONE;
    return kind;
}

/* Whether the message can be decided at all; refuses it otherwise. */
static bool acceptable(struct host *h, const struct host_conn *c, const struct message_kind *kind,
    enum host_fault_kind fault, struct exchange *x)
{
    const struct iso_message *m = &h->request;
    bool follow_up = kind->rules == ROLE_COMPLETION || kind->rules == ROLE_REVERSAL;
    size_t pan = iso_get(m, 2).n, reference = iso_get(m, 63).n;
    if (!c->signed_on || fault == HOST_FAULT_SIGN_OFF)
        refuse(x, "91");
    else if (!has_all(m, follow_up ? mandatory_follow_up : mandatory_card) || pan < 12 ||
             reference > EXCHANGE_REFERENCE_MAX || x->day == 0 || x->currency == 0 ||
             (follow_up && x->original.n == 0))
        refuse(x, "30");
    else if (kind->rules == RULES_ROLES)
        refuse(x, "40");
    else
        return true;
    return false;
}

static void receive_card(
    struct host *h, struct host_conn *c, const struct message_kind *kind, struct exchange *x)
{
    enum host_fault_kind fault = take_fault(h, x);
    if (str_eq(x->terminal, str_of(deaf_terminal)))
        c->deaf = true;
    if (fault == HOST_FAULT_SILENT_UNBOOKED || fault == HOST_FAULT_DROP_BEFORE) {
        refuse(x, "");
        x->delivery = fault == HOST_FAULT_DROP_BEFORE ? DELIVERY_CLOSE : DELIVERY_SILENT;
        finish(h, c, kind, x);
        return;
    }
    if (acceptable(h, c, kind, fault, x)) {
        struct date sent;
        bool dated = date_near(h, x->sent, x->at_ms, &sent);
        assert(dated);
        struct rules_question q = { kind->rules, &h->request, sent.month,
            h->config.tolerance_percent };
        rules_decide(h->books, &q, x);
        const char *problem = books_post(h->books, x);
        if (problem != NULL) {
            log_event(LOG_ERROR, "host.books", "why=\"%s\"", problem);
            refuse(x, "96");
        }
    }
    bool decided = x->de39[0] != '\0';
    if (decided && fault != HOST_FAULT_NONE && fault != HOST_FAULT_SIGN_OFF)
        x->delivery = fault_delivery[fault];
    finish(h, c, kind, x);
}

/* ---- answers ---- */

/* Packs h->answer into h->framed. */
static bool pack(struct host *h, enum delivery delivery)
{
    /* A wrong MAC is one under another key; without MACs it is one that was not asked for. */
    struct iso_mac_key key = h->config.mac;
    if (delivery == DELIVERY_WRONG_MAC) {
        key.kind = key.kind == ISO_MAC_NONE ? ISO_MAC_RETAIL_PAD1 : key.kind;
        key.key[0] ^= 0x55;
        key.key[9] ^= 0x55;
    }
    char packed[ISO_MAX_FRAME];
    size_t n = 0;
    enum iso_result r =
        iso_pack_mac(&h->answer, h->config.profile, &key, packed, sizeof packed, &n);
    if (r != ISO_OK) {
        log_event(LOG_ERROR, "host.pack", "why=\"%s\" de=%u", iso_result_text(r), h->answer.bad_de);
        return false;
    }
    if (delivery == DELIVERY_GARBAGE) {
        memcpy(packed, garbage, sizeof garbage);
        n = sizeof garbage;
    }
    buf_reset(&h->framed);
    iso_frame_add(&h->config.framing, &h->framed, packed, n);
    sodium_memzero(packed, n);
    return !h->framed.full;
}

/* Sends h->answer as x.delivery says. */
static void deliver(struct host *h, struct host_conn *c, const struct exchange *x, bool card)
{
    c->closing = c->closing || x->delivery == DELIVERY_CLOSE;
    bool answers = x->delivery != DELIVERY_CLOSE && x->delivery != DELIVERY_SILENT;
    answers = answers && pack(h, x->delivery);
    iso_wipe(&h->answer);
    if (!answers)
        return;
    int64_t delay = card ? h->faults.delay_ms : 0;
    if (x->delivery == DELIVERY_LATE)
        delay += h->faults.late_ms > 0 ? h->faults.late_ms : HOST_LATE_MS;
    struct str bytes = buf_view(&h->framed);
    for (int i = x->delivery == DELIVERY_TWICE ? 0 : 1; i < 2; i++) {
        if (delay == 0)
            buf_str(&c->out, bytes);
        else if (!delayed_push(h->delayed, x->at_ms + delay, c, bytes))
            log_event(LOG_WARN, "host.delayed", "why=\"too many\"");
    }
    buf_reset(&h->framed);
}

/* Writes x into the journal and begins its answer. */
static void begin_answer(struct host *h, const struct message_kind *kind, const struct exchange *x)
{
    if (h->journal != NULL)
        journal_append(h->journal, x);
    if (x->de39[0] != '\0')
        answer_build(&h->answer, kind->shape, &h->request, x);
    else
        assert(x->delivery == DELIVERY_SILENT || x->delivery == DELIVERY_CLOSE);
}

static void finish(
    struct host *h, struct host_conn *c, const struct message_kind *kind, struct exchange *x)
{
    begin_answer(h, kind, x);
    deliver(h, c, x, kind->role == IS_CARD);
}

/* ---- network management (§9) ---- */

static void receive_network(
    struct host *h, struct host_conn *c, const struct message_kind *kind, struct exchange *x)
{
    bool off = h->faults.kind == HOST_FAULT_SIGN_OFF;
    struct date date;
    refuse(x, "00");
    if (c->deaf || str_eq(x->terminal, str_of(deaf_terminal)))
        x->delivery = DELIVERY_SILENT;
    else if (!has_all(&h->request, mandatory_network) || !date_near(h, x->sent, x->at_ms, &date))
        refuse(x, "30");
    else if (off)
        refuse(x, "91");
    else if (strcmp(x->network, "001") == 0)
        c->signed_on = true;
    else if (strcmp(x->network, "002") == 0)
        c->signed_on = false;
    else if (strcmp(x->network, "201") == 0) {
        x->effect = EFFECT_CUTOVER;
        x->day = date_of(date.days + 1).day;
        (void)books_post(h->books, x);
    } else if (strcmp(x->network, "301") != 0)
        refuse(x, "40");
    finish(h, c, kind, x);
}

/* ---- reconciliation (§10) ---- */

static bool number_is(const struct iso_message *m, int de, uint64_t value)
{
    uint64_t said = 0;
    return str_to_u64(iso_get(m, de), UINT64_MAX / 2, &said) && said == value;
}

static bool totals_agree(const struct iso_message *m, const struct book_totals *t)
{
    bool agree = true;
    for (int i = 0; i < TOTALS; i++)
        agree = agree && number_is(m, 74 + i, t->count[i]) &&
                number_is(m, 86 + i, (uint64_t)t->amount[i]);
    return agree;
}

/* The totals of the merchant's day as the host tells them: a merchant whose id ends in 9 has one sale less. */
static struct book_totals totals_told(struct host *h, const struct exchange *x)
{
    struct book_totals told = { 0 };
    const struct book_totals *t = books_totals(h->books, x->merchant, x->currency, x->day);
    if (t != NULL)
        told = *t;
    if (told.count[TOTAL_SALES] > 0 && x->merchant.p[x->merchant.n - 1] == '9') {
        told.count[TOTAL_SALES]--;
        told.amount[TOTAL_SALES] -= told.last_sale;
    }
    return told;
}

static void receive_reconciliation(
    struct host *h, struct host_conn *c, const struct message_kind *kind, struct exchange *x)
{
    const struct iso_message *m = &h->request;
    struct book_totals told = { 0 };
    struct date date;
    const char *settlement = "3";
    refuse(x, "30");
    if (!c->signed_on || h->faults.kind == HOST_FAULT_SIGN_OFF) {
        refuse(x, "91");
    } else if (has_all(m, mandatory_reconciliation) && x->merchant.n > 0 && x->currency != 0 &&
               date_near(h, iso_get(m, 15), x->at_ms, &date)) {
        x->day = date.day;
        told = totals_told(h, x);
        bool agree = totals_agree(m, &told);
        settlement = agree ? "1" : "2";
        refuse(x, agree ? "00" : "95");
    }
    begin_answer(h, kind, x);
    iso_set(&h->answer, 66, str_of(settlement));
    if (settlement[0] == '2')
        answer_totals(&h->answer, &told);
    deliver(h, c, x, false);
}
