/*
 * From rows to what goes on the wire (spec/iso8583.md §6).
 */
#include "engine/decision.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

void rrn_make(int64_t sent_ms, uint32_t stan, char out[13])
{
    struct utc t = utc_of(sent_ms);
    (void)snprintf(out, 13, "%01u%03u%02u%06u", (unsigned)t.year % 10,
        (unsigned)t.day_of_year % 1000, (unsigned)t.hour % 100, stan % 1000000);
}

void operation_want_more(struct decision *d, const struct operation_row *o)
{
    want_payment(d->rows, (struct row_key) { o->merchant_id, o->payment_id });
    if (o->parent_id != 0)
        want_operation(d->rows, (struct row_key) { o->merchant_id, o->parent_id });
}

static const char *mti_of(enum operation_kind k)
{
    switch (k) {
    case OPK_AUTHORIZE:
        return "0100";
    case OPK_CAPTURE:
        return "0220";
    default:
        return "0200";
    }
}

/*
 * The gateway's reference that the host keeps with the money: the opening's, or the refund's own.
 */
static int64_t reference_of(const struct operation_row *o)
{
    if (o->kind == OPK_REFUND)
        return o->id;
    return o->kind == OPK_REVERSAL ? o->parent_id : o->payment_id;
}

static void follow(
    struct acquirer_message *m, const struct operation_row *o, const struct operation_row *parent)
{
    m->original_kind = parent->kind;
    memcpy(m->original.mti, mti_of(parent->kind), sizeof m->original.mti);
    m->original.stan = parent->stan;
    m->original.sent_ms = parent->sent_ms;
    if (o->kind == OPK_REFUND)
        return;
    m->local_ms = parent->sent_ms;
    rrn_make(parent->sent_ms, parent->stan, m->rrn);
    if (o->kind == OPK_CAPTURE)
        memcpy(m->network_id, parent->network_id, sizeof m->network_id);
    if (o->kind == OPK_RELEASE) {
        m->amount_minor = parent->amount_minor;
        m->kept_minor = parent->amount_minor - o->amount_minor;
    }
}

bool message_of(struct decision *d, const struct operation_row *o,
    const struct merchant_row *merchant, struct acquirer_message *out)
{
    *out = (struct acquirer_message) { .operation = { o->merchant_id, o->id },
        .kind = o->kind,
        .repeat = o->attempts > 1,
        .expiry_yymm = o->expiry_yymm,
        .amount_minor = o->amount_minor,
        .currency = o->currency,
        .stan = o->stan,
        .sent_ms = o->sent_ms,
        .local_ms = o->sent_ms,
        .original_kind = o->kind,
        .entry = o->entry,
        .merchant = merchant };
    rrn_make(o->sent_ms, o->stan, out->rrn);
    memcpy(out->authcode, o->authcode, sizeof out->authcode);
    memcpy(out->reason, o->reason, sizeof out->reason);
    (void)snprintf(
        out->reference, sizeof out->reference, "%016llX", (unsigned long long)reference_of(o));
    if (o->parent_id == 0)
        return true;
    const struct operation_row *parent =
        operation_get(d->rows, (struct row_key) { o->merchant_id, o->parent_id });
    if (parent == NULL)
        return false;
    follow(out, o, parent);
    return true;
}
