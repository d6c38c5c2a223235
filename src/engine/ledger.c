#include "engine/ledger.h"

#include <assert.h>

static const struct {
    enum entry_account debit, credit;
} movements[] = {
    [MOVE_HOLD] = { ACC_ISSUER_HOLD, ACC_MERCHANT_HELD },
    [MOVE_UNHOLD] = { ACC_MERCHANT_HELD, ACC_ISSUER_HOLD },
    [MOVE_CAPTURE] = { ACC_ACQUIRER_RECEIVABLE, ACC_MERCHANT_PAYABLE },
    [MOVE_REFUND] = { ACC_MERCHANT_PAYABLE, ACC_ACQUIRER_RECEIVABLE },
};

/* Entries of one operation are posted in one decision, so the last ones tell its next number. */
static uint8_t next_seq(const struct decision *d, const struct operation_row *o)
{
    uint8_t seq = 1;
    for (size_t i = d->n_entries; i > 0 && d->entries[i - 1].operation_id == o->id; i--)
        seq++;
    return seq;
}

static void post_one(struct decision *d, const struct operation_row *o, enum entry_account account,
    int64_t amount_minor)
{
    assert(d->n_entries < BATCH_EVENTS * ENTRIES_PER_EVENT);
    struct entry_row e = { .merchant_id = o->merchant_id,
        .operation_id = o->id,
        .seq = next_seq(d, o),
        .account = account,
        .currency = o->currency,
        .amount_minor = amount_minor,
        .at_ms = d->now_ms };
    d->entries[d->n_entries++] = e;
}

void ledger_post(
    struct decision *d, const struct operation_row *o, enum movement m, int64_t amount_minor)
{
    assert(amount_minor > 0);
    post_one(d, o, movements[m].debit, amount_minor);
    post_one(d, o, movements[m].credit, -amount_minor);
}

const char *account_name(enum entry_account a)
{
    switch (a) {
    case ACC_ISSUER_HOLD:
        return "issuer_hold";
    case ACC_MERCHANT_HELD:
        return "merchant_held";
    case ACC_ACQUIRER_RECEIVABLE:
        return "acquirer_receivable";
    case ACC_MERCHANT_PAYABLE:
        return "merchant_payable";
    }
    return "?";
}
