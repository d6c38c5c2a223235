/*
 * The message map: one row per data element, one column per shape of message, in the order of the
 * specification's own table, so that the two can be laid side by side. A row names the function
 * that finds the value.
 *
 * Three columns of the operation kinds fall together: reversal, void and release are one shape and
 * differ in the reason (DE 39) and in DE 95.
 */
#include "acquirer/message.h"
#include "acquirer/ascii.h"
#include "base/clock.h"
#include "base/money.h"
#include "engine/command.h"
#include "vault/brand.h"

#include <assert.h>
#include <string.h>

enum shape {
    SHAPE_AUTHORIZATION, /* 0100 */
    SHAPE_PURCHASE,      /* 0200 */
    SHAPE_REFUND,        /* 0200, DE 3 200000 */
    SHAPE_COMPLETION,    /* 0220 */
    SHAPE_REVERSAL,      /* 0400, 0420 */
    SHAPE_COUNT
};

struct kind_row {
    enum shape shape;
    const char *mti, *repeat_mti;
    const char *reason; /* DE 39 when the engine gives none */
};

static const struct kind_row kinds[] = {
    [OPK_AUTHORIZE] = { SHAPE_AUTHORIZATION, "0100", "0101", "" },
    [OPK_SALE] = { SHAPE_PURCHASE, "0200", "0201", "" },
    [OPK_CAPTURE] = { SHAPE_COMPLETION, "0220", "0221", "" },
    [OPK_REFUND] = { SHAPE_REFUND, "0200", "0201", "" },
    [OPK_VOID] = { SHAPE_REVERSAL, "0420", "0421", "17" },
    [OPK_REVERSAL] = { SHAPE_REVERSAL, "0400", "0401", "68" },
    [OPK_RELEASE] = { SHAPE_REVERSAL, "0420", "0421", "32" },
};
static const struct kind_row reversal_by_advice = { SHAPE_REVERSAL, "0420", "0421", "68" };

/* What every function of the map sees. */
struct source {
    const struct link_config *link;
    const struct acquirer_message *message;
    const struct kind_row *kind;
    struct message_text *text;
};

/* Sets its element. False: there is no value, or it cannot be written. */
typedef bool put_function(struct iso_message *m, int de, const struct source *s);

static put_function put_pan, put_processing, put_amount, put_sent, put_stan, put_local_time,
    put_local_date, put_expiry, put_mcc, put_country, put_entry, put_condition, put_acquirer,
    put_forwarder, put_rrn, put_authcode, put_reason, put_terminal, put_merchant, put_acceptor,
    put_additional, put_currency, put_initiator, put_network_id, put_reference, put_original,
    put_replacement;

enum need {
    NO,   /* absent */
    MUST, /* without a value there is no message */
    MAY   /* when there is a value */
};

static const struct {
    uint8_t de;
    put_function *put;
    uint8_t need[SHAPE_COUNT];
} map[] = {
    /*                    0100  0200  refund 0220  04xx */
    { 2, put_pan, { MUST, MUST, MUST, MUST, MUST } },
    { 3, put_processing, { MUST, MUST, MUST, MUST, MUST } },
    { 4, put_amount, { MUST, MUST, MUST, MUST, MUST } },
    { 7, put_sent, { MUST, MUST, MUST, MUST, MUST } },
    { 11, put_stan, { MUST, MUST, MUST, MUST, MUST } },
    { 12, put_local_time, { MUST, MUST, MUST, MUST, MUST } },
    { 13, put_local_date, { MUST, MUST, MUST, MUST, MUST } },
    { 14, put_expiry, { MAY, MAY, MAY, MAY, MAY } },
    { 18, put_mcc, { MUST, MUST, MUST, MUST, MUST } },
    { 19, put_country, { MAY, MAY, MAY, NO, NO } },
    { 22, put_entry, { MUST, MUST, MUST, MUST, MUST } },
    { 25, put_condition, { MUST, MUST, MUST, MUST, MUST } },
    { 32, put_acquirer, { MUST, MUST, MUST, MUST, MUST } },
    { 33, put_forwarder, { MAY, MAY, MAY, MAY, MAY } },
    { 37, put_rrn, { MUST, MUST, MUST, MUST, MUST } },
    { 38, put_authcode, { NO, NO, NO, MAY, MAY } }, /* a host may have approved without one */
    { 39, put_reason, { NO, NO, NO, NO, MUST } },
    { 41, put_terminal, { MUST, MUST, MUST, MUST, MUST } },
    { 42, put_merchant, { MUST, MUST, MUST, MUST, MUST } },
    { 43, put_acceptor, { MUST, MUST, MUST, MUST, MUST } },
    { 48, put_additional, { MUST, MUST, NO, NO, NO } },
    { 49, put_currency, { MUST, MUST, MUST, MUST, MUST } },
    { 60, put_initiator, { MUST, MUST, NO, NO, NO } },
    { 62, put_network_id, { MAY, MAY, NO, MAY, NO } },
    { 63, put_reference, { MUST, MUST, MUST, MUST, MUST } },
    { 90, put_original, { NO, NO, MAY, MUST, MUST } },
    { 95, put_replacement, { NO, NO, NO, NO, MAY } },
};

/* How the card was given, on the wire (spec/iso8583.md §5.2, §5.3). */
static const struct {
    const char *de22, *de25;
} entries[] = {
    [ENTRY_ECOMMERCE] = { "812", "59" },
    [ENTRY_STORED] = { "102", "59" },
    [ENTRY_MOTO] = { "012", "08" },
};

static const struct kind_row *kind_row_of(enum operation_kind kind, bool reversal_advice)
{
    assert(kind >= OPK_AUTHORIZE && kind <= OPK_RELEASE);
    return kind == OPK_REVERSAL && reversal_advice ? &reversal_by_advice : &kinds[kind];
}

bool message_waits_as_advice(enum operation_kind kind)
{
    return kind_row_of(kind, false)->shape >= SHAPE_COMPLETION;
}

bool message_build(struct iso_message *m, struct message_text *t, const struct link_config *c,
    const struct acquirer_message *a)
{
    assert(a->merchant != NULL);
    struct source s = {
        .link = c, .message = a, .kind = kind_row_of(a->kind, c->reversal_advice), .text = t
    };
    iso_init(m, a->repeat ? s.kind->repeat_mti : s.kind->mti);
    for (size_t i = 0; i < COUNT(map); i++) {
        enum need need = map[i].need[s.kind->shape];
        if (need == NO || map[i].put(m, map[i].de, &s) || need == MAY)
            continue;
        m->bad_de = map[i].de;
        return false;
    }
    return true;
}

/* ---- the values ---- */

static bool put_text(struct iso_message *m, int de, const char *text)
{
    if (text == NULL || text[0] == '\0')
        return false;
    iso_set(m, de, str_of(text));
    return true;
}

/* digits decimal digits of value at out. */
static void digits_at(char *out, uint64_t value, size_t digits)
{
    for (size_t i = digits; i > 0; i--, value /= 10)
        out[i - 1] = (char)('0' + value % 10);
}

static bool put_pan(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->message->pan);
}

/* What a reversal undoes decides its processing code. */
static bool put_processing(struct iso_message *m, int de, const struct source *s)
{
    bool refund = s->kind->shape == SHAPE_REFUND ||
                  (s->kind->shape == SHAPE_REVERSAL && s->message->original_kind == OPK_REFUND);
    return put_text(m, de, refund ? "200000" : "000000");
}

static bool put_amount(struct iso_message *m, int de, const struct source *s)
{
    int64_t amount = s->message->amount_minor;
    if (amount < 0 || amount > MONEY_MAX_MINOR)
        return false;
    iso_set_number(m, de, (uint64_t)amount, 12);
    return true;
}

uint64_t message_de7(int64_t ms)
{
    struct utc t = utc_of(ms);
    uint64_t date = (uint64_t)t.month * 100 + (uint64_t)t.day;
    return ((date * 100 + (uint64_t)t.hour) * 100 + (uint64_t)t.minute) * 100 + (uint64_t)t.second;
}

static bool put_sent(struct iso_message *m, int de, const struct source *s)
{
    iso_set_number(m, de, message_de7(s->message->sent_ms), 10);
    return true;
}

static bool put_stan(struct iso_message *m, int de, const struct source *s)
{
    const struct acquirer_message *a = s->message;
    bool same = s->kind->shape == SHAPE_REVERSAL && s->link->reversal_same_stan &&
                a->original.mti[0] != '\0';
    uint32_t stan = same ? a->original.stan : a->stan;
    if (stan == 0 || stan > 999999)
        return false;
    iso_set_number(m, de, stan, 6);
    return true;
}

static bool put_local_time(struct iso_message *m, int de, const struct source *s)
{
    iso_set_number(m, de, message_de7(s->message->local_ms) % 1000000, 6);
    return true;
}

static bool put_local_date(struct iso_message *m, int de, const struct source *s)
{
    iso_set_number(m, de, message_de7(s->message->local_ms) / 1000000, 4);
    return true;
}

static bool put_expiry(struct iso_message *m, int de, const struct source *s)
{
    if (s->message->expiry_yymm == 0 || s->message->expiry_yymm > 9999)
        return false;
    iso_set_number(m, de, s->message->expiry_yymm, 4);
    return true;
}

static bool put_mcc(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->message->merchant->mcc);
}

static bool put_country(struct iso_message *m, int de, const struct source *s)
{
    if (s->link->acquirer_country == 0)
        return false;
    iso_set_number(m, de, s->link->acquirer_country, 3);
    return true;
}

static bool put_entry(struct iso_message *m, int de, const struct source *s)
{
    uint8_t entry = s->message->entry;
    return entry < COUNT(entries) && put_text(m, de, entries[entry].de22);
}

static bool put_condition(struct iso_message *m, int de, const struct source *s)
{
    const struct acquirer_message *a = s->message;
    if (a->kind == OPK_AUTHORIZE && a->amount_minor == 0)
        return put_text(m, de, "51"); /* a check of the card */
    return a->entry < COUNT(entries) && put_text(m, de, entries[a->entry].de25);
}

static bool put_acquirer(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->link->acquirer_id);
}

static bool put_forwarder(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->link->forwarder_id);
}

static bool put_rrn(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->message->rrn);
}

static bool put_authcode(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->message->authcode);
}

static bool put_reason(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->message->reason) || put_text(m, de, s->kind->reason);
}

static bool put_terminal(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->message->merchant->tid);
}

static bool put_merchant(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->message->merchant->mid);
}

/* Name 25, city 13, country 2. */
static bool put_acceptor(struct iso_message *m, int de, const struct source *s)
{
    const struct merchant_row *merchant = s->message->merchant;
    char *out = s->text->acceptor;
    memset(out, ' ', sizeof s->text->acceptor);
    (void)ascii_fold(str_of(merchant->name), out, 25);
    (void)ascii_fold(str_of(merchant->city), out + 25, 13);
    (void)ascii_fold(str_of(merchant->country), out + 38, 2);
    iso_set(m, de, (struct str) { out, sizeof s->text->acceptor });
    return true;
}

/* 'T', then the security level of a shop's own page without a cryptogram, then the CVV (§5.4). */
static bool put_additional(struct iso_message *m, int de, const struct source *s)
{
    const struct acquirer_message *a = s->message;
    static const char level[] = "42070103210";
    char *out = s->text->additional;
    size_t n = 0;
    out[n++] = 'T';
    if (a->entry == ENTRY_ECOMMERCE) {
        memcpy(out + n, level, sizeof level - 1);
        n += sizeof level - 1;
    }
    struct str cvv = str_of(a->cvv);
    if (cvv.n > 4)
        return false;
    if (cvv.n > 0) {
        memcpy(out + n, "92", 2);
        digits_at(out + n + 2, cvv.n, 2);
        memcpy(out + n + 4, cvv.p, cvv.n);
        n += 4 + cvv.n;
    }
    assert(n <= sizeof s->text->additional);
    iso_set(m, de, (struct str) { out, n });
    return true;
}

static bool put_currency(struct iso_message *m, int de, const struct source *s)
{
    if (s->message->currency == 0 || s->message->currency > 999)
        return false;
    iso_set_number(m, de, s->message->currency, 3);
    return true;
}

/* The scheme's way to say "not authenticated", then who began it: §5.5. */
static bool put_initiator(struct iso_message *m, int de, const struct source *s)
{
    const struct acquirer_message *a = s->message;
    enum card_brand brand = brand_of(str_of(a->pan));
    bool zero = brand == BRAND_MASTERCARD || brand == BRAND_MAESTRO || brand == BRAND_MIR;
    /* A stored card with its CVV is the cardholder's doing; with the network's id, a series. */
    const char *who = "NC";
    if (a->entry == ENTRY_STORED && a->cvv != NULL && a->cvv[0] != '\0')
        who = "UC";
    else if (a->entry == ENTRY_STORED)
        who = a->network_id[0] != '\0' ? "RM" : "UM";
    iso_set_text(m, de, "%s%s", zero ? "00" : "07", who);
    return true;
}

static bool put_network_id(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->message->network_id);
}

static bool put_reference(struct iso_message *m, int de, const struct source *s)
{
    return put_text(m, de, s->message->reference);
}

/* An institution's id in eleven places, zeros on the left. */
static void institution_at(char *out, const char *id)
{
    size_t n = strlen(id);
    assert(n <= 11);
    memset(out, '0', 11 - n);
    memcpy(out + 11 - n, id, n);
}

static bool put_original(struct iso_message *m, int de, const struct source *s)
{
    const struct original *o = &s->message->original;
    if (strlen(o->mti) != 4)
        return false;
    char *out = s->text->original;
    memcpy(out, o->mti, 4);
    digits_at(out + 4, o->stan, 6);
    digits_at(out + 10, message_de7(o->sent_ms), 10);
    institution_at(out + 20, s->link->acquirer_id);
    institution_at(out + 31, s->link->forwarder_id);
    iso_set(m, de, (struct str) { out, sizeof s->text->original });
    return true;
}

/* What stays, then three amounts of nothing (§5.7). */
static bool put_replacement(struct iso_message *m, int de, const struct source *s)
{
    const struct acquirer_message *a = s->message;
    if (a->kind != OPK_RELEASE || a->kept_minor < 0 || a->kept_minor > MONEY_MAX_MINOR)
        return false;
    static const char nothing[] = "000000000000D00000000D00000000";
    char *out = s->text->replacement;
    digits_at(out, (uint64_t)a->kept_minor, 12);
    memcpy(out + 12, nothing, sizeof nothing - 1);
    iso_set(m, de, (struct str) { out, sizeof s->text->replacement });
    return true;
}
