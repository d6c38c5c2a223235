#include "sandbox/rules.h"
#include "sandbox/cards.h"

#include <string.h>

/* Scenarios of what follows an approval (spec/iso8583.md §13); cards.c has those of the opening. */
enum {
    NEVER_ANSWERED = 201,
    APPROVED_LATE = 202,
    DECLINED_LATE = 203,
    REVERSAL_BUSY = 210,
    REVERSAL_SILENT = 211,
    REVERSAL_REFUSED = 212,
    COMPLETION_SILENT = 220,
    COMPLETION_REFUSED = 221,
    REFUND_LATE = 230
};

enum { BUSY_TIMES = 3, REVERSAL_SILENT_TIMES = 5, COMPLETION_SILENT_TIMES = 2 };

/* DE 95 begins with the amount that stays. */
enum { DE95_KEPT = 12 };
static const uint64_t amount_max = 999999999999;

static void decide_known(const struct books *b, const struct rules_question *q,
    const struct book_entry *known, struct exchange *x);
static void decide_opening(const struct rules_question *q, enum effect effect, struct exchange *x);
static void decide_authorize(
    const struct books *b, const struct rules_question *q, struct exchange *x);
static void decide_financial(
    const struct books *b, const struct rules_question *q, struct exchange *x);
static void decide_completion(
    const struct books *b, const struct rules_question *q, struct exchange *x);
static void decide_reversal(
    const struct books *b, const struct rules_question *q, struct exchange *x);

static void (*const decide_by_role[RULES_ROLES])(
    const struct books *b, const struct rules_question *q, struct exchange *x) = {
    [ROLE_AUTHORIZE] = decide_authorize,
    [ROLE_FINANCIAL] = decide_financial,
    [ROLE_COMPLETION] = decide_completion,
    [ROLE_REVERSAL] = decide_reversal,
};

static void answer(struct exchange *x, const char *de39, enum effect effect)
{
    (void)str_copy(x->de39, sizeof x->de39, str_of(de39));
    x->effect = effect;
}

static unsigned scenario_of(const struct rules_question *q)
{
    return cards_scenario(iso_get(q->message, 2));
}

void rules_decide(const struct books *b, const struct rules_question *q, struct exchange *x)
{
    x->kept = 0;
    x->delivery = DELIVERY_ANSWER;
    const struct book_entry *known = books_find(b, x->key);
    if (known != NULL)
        decide_known(b, q, known, x);
    else
        decide_by_role[q->role](b, q, x);
}

/* The key has been seen: a repeat gets the stored answer, a second first message is refused. */
static void decide_known(const struct books *b, const struct rules_question *q,
    const struct book_entry *known, struct exchange *x)
{
    if (known->kind == ENTRY_NEVER_SEEN || (x->mti[3] - '0') % 2 == 0) {
        answer(x, "94", EFFECT_SKIP);
        return;
    }
    memcpy(x->de39, known->de39, sizeof known->de39);
    (void)str_copy(x->authcode, sizeof x->authcode,
        str_trim((struct str) { known->authcode, sizeof known->authcode }));
    x->cvv_result[0] = known->cvv_result;
    x->day = books_totals_of(b, known)->day;
    x->effect = EFFECT_REPEAT;

    unsigned scenario = scenario_of(q), seen = known->tries + 2u; /* this one included */
    bool opening = (q->role == ROLE_AUTHORIZE || q->role == ROLE_FINANCIAL) && x->original.n == 0;
    if ((q->role == ROLE_REVERSAL && scenario == REVERSAL_SILENT &&
            seen <= REVERSAL_SILENT_TIMES) ||
        (q->role == ROLE_COMPLETION && scenario == COMPLETION_SILENT &&
            seen <= COMPLETION_SILENT_TIMES) ||
        (opening && scenario == NEVER_ANSWERED))
        x->delivery = DELIVERY_SILENT;
    if ((opening && (scenario == APPROVED_LATE || scenario == DECLINED_LATE)) ||
        (known->kind == ENTRY_REFUND && scenario == REFUND_LATE))
        x->delivery = DELIVERY_LATE;
}

/* Six letters and digits, the same for the same message; not those that are read for one another. */
static void make_authcode(struct exchange *x)
{
    static const char letters[] = "0123456789ABCDEFGHJKLMNPQRSTUVWX";
    for (size_t i = 0; i < sizeof x->authcode - 1; i++)
        x->authcode[i] = letters[x->key >> 5 * i & 31];
    x->authcode[sizeof x->authcode - 1] = '\0';
}

/* ---- 0100 and 0200 ---- */

static void decide_authorize(
    const struct books *b, const struct rules_question *q, struct exchange *x)
{
    (void)b;
    bool check = x->amount == 0;
    if (!str_starts_with(x->processing, STR("00"))) {
        answer(x, "12", EFFECT_NONE);
        return;
    }
    if (check && !str_eq(iso_get(q->message, 25), STR("51"))) {
        answer(x, "13", EFFECT_NONE);
        return;
    }
    decide_opening(q, EFFECT_HOLD, x);
    if (check && x->effect == EFFECT_HOLD)
        answer(x, "85", EFFECT_HOLD);
}

/* A purchase, a hold, or a credit without an original: the card decides. */
static void decide_opening(const struct rules_question *q, enum effect effect, struct exchange *x)
{
    struct card_question card = {
        .column = cards_column(x->merchant),
        .pan = iso_get(q->message, 2),
        .expiry = iso_get(q->message, 14),
        .cvv = iso_de48_get(iso_get(q->message, 48), "92"),
        .amount = x->amount,
        .currency = x->currency,
        .today = q->today,
    };
    struct card_verdict verdict;
    cards_decide(&card, &verdict);
    x->delivery = verdict.delivery;
    if (verdict.unbooked) {
        answer(x, "", EFFECT_SKIP);
        return;
    }
    x->cvv_result[0] = verdict.cvv_result;
    answer(x, verdict.de39, EFFECT_NONE);
    if (!exchange_is_approval(x->de39))
        return;
    x->effect = effect;
    x->kept = str_eq(str_of(x->de39), STR("10")) ? exchange_partial(x->amount) : x->amount;
    if (verdict.authcode != NULL)
        (void)str_copy(x->authcode, sizeof x->authcode, str_of(verdict.authcode));
    else
        make_authcode(x);
}

/* The sale or hold that a refund may take from; NULL when there is none. */
static const struct book_entry *refundable(const struct books *b, const struct exchange *x)
{
    struct book_entry *o = books_find(b, x->original_key);
    if (o == NULL || o->reversed ||
        (o->kind != ENTRY_SALE && o->kind != ENTRY_CAPTURE && o->kind != ENTRY_HOLD))
        return NULL;
    const struct book_entry *root = books_root(b, o);
    return root == NULL || root->reversed ? NULL : root;
}

static void decide_refund(const struct books *b, const struct rules_question *q, struct exchange *x)
{
    const struct book_entry *root = refundable(b, x);
    if (root == NULL) {
        answer(x, "25", EFFECT_NONE);
        return;
    }
    if (root->currency != x->currency) {
        answer(x, "13", EFFECT_NONE);
        return;
    }
    if (x->amount > root->captured - root->refunded) {
        answer(x, "61", EFFECT_NONE);
        return;
    }
    answer(x, "00", EFFECT_REFUND);
    make_authcode(x);
    if (scenario_of(q) == REFUND_LATE)
        x->delivery = DELIVERY_LATE;
}

static void decide_credit(const struct rules_question *q, struct exchange *x)
{
    decide_opening(q, EFFECT_REFUND, x);
    if (x->effect != EFFECT_REFUND)
        return;
    if (x->kept != x->amount) /* a credit is given whole */
        answer(x, "00", EFFECT_REFUND);
    if (scenario_of(q) == REFUND_LATE)
        x->delivery = DELIVERY_LATE;
}

static void decide_financial(
    const struct books *b, const struct rules_question *q, struct exchange *x)
{
    bool refund = str_starts_with(x->processing, STR("20"));
    if (!refund && !str_starts_with(x->processing, STR("00")))
        answer(x, "12", EFFECT_NONE);
    else if (x->amount == 0)
        answer(x, "13", EFFECT_NONE);
    else if (!refund)
        decide_opening(q, EFFECT_SALE, x);
    else if (x->original.n > 0)
        decide_refund(b, q, x);
    else
        decide_credit(q, x);
    if (x->effect == EFFECT_REFUND)
        x->kept = x->amount;
}

/* ---- 0220 ---- */

/* DE 37, where it is sent, must be the original's. */
static bool rrn_fits(const struct book_entry *o, const struct exchange *x)
{
    struct str kept = str_trim((struct str) { o->rrn, sizeof o->rrn });
    return x->rrn.n == 0 || str_eq(kept, x->rrn);
}

static void decide_completion(
    const struct books *b, const struct rules_question *q, struct exchange *x)
{
    const struct book_entry *o = books_find(b, x->original_key);
    if (o == NULL || o->kind != ENTRY_HOLD || o->reversed || !rrn_fits(o, x) ||
        scenario_of(q) == COMPLETION_REFUSED) {
        answer(x, "25", EFFECT_NONE);
        return;
    }
    if (x->amount == 0 || x->currency != o->currency) {
        answer(x, "13", EFFECT_NONE);
        return;
    }
    int64_t limit = o->authorized + o->authorized * q->tolerance_percent / 100;
    if (x->amount > limit - o->captured) {
        answer(x, "61", EFFECT_NONE);
        return;
    }
    answer(x, "00", EFFECT_CAPTURE);
    x->kept = x->amount;
    if (scenario_of(q) == COMPLETION_SILENT)
        x->delivery = DELIVERY_SILENT;
}

/* ---- 0400 and 0420 ---- */

/* Whether the whole of o can be undone: not a hold with captures, nor what refunds rest upon. */
static bool undoable(const struct books *b, const struct book_entry *o)
{
    const struct book_entry *hold = books_parent(b, o);
    switch (o->kind) {
    case ENTRY_HOLD:
        return o->captured == 0;
    case ENTRY_SALE:
        return o->refunded == 0;
    case ENTRY_CAPTURE:
        return hold != NULL && hold->captured - o->amount >= hold->refunded;
    default:
        return o->kind == ENTRY_REFUND;
    }
}

static void decide_undo(const struct books *b, const struct book_entry *o, struct exchange *x)
{
    if (undoable(b, o))
        answer(x, "00", EFFECT_REVERSE);
    else
        answer(x, "12", EFFECT_NONE);
}

/* DE 95: the original is reduced to the amount that stays. */
static void decide_release(const struct books *b, const struct rules_question *q,
    const struct book_entry *o, struct exchange *x)
{
    uint64_t stays = 0;
    struct str de95 = iso_get(q->message, 95);
    if (de95.n < DE95_KEPT || !str_to_u64((struct str) { de95.p, DE95_KEPT }, amount_max, &stays)) {
        answer(x, "30", EFFECT_SKIP);
        return;
    }
    if (o->kind != ENTRY_HOLD && o->kind != ENTRY_SALE) {
        answer(x, "12", EFFECT_NONE);
        return;
    }
    int64_t used = o->kind == ENTRY_HOLD ? o->captured : o->refunded;
    if ((int64_t)stays > o->authorized || (int64_t)stays < used) {
        answer(x, "13", EFFECT_NONE);
        return;
    }
    if (stays == 0) {
        decide_undo(b, o, x);
        return;
    }
    answer(x, "00", EFFECT_RELEASE);
    x->kept = (int64_t)stays;
}

static bool amount_fits(const struct book_entry *o, const struct exchange *x)
{
    bool partial = memcmp(o->de39, "10", 2) == 0;
    return x->currency == o->currency &&
           (x->amount == o->amount || (partial && x->amount == exchange_partial(o->amount)));
}

static void decide_reversal(
    const struct books *b, const struct rules_question *q, struct exchange *x)
{
    const struct book_entry *o = books_find(b, x->original_key);
    unsigned scenario = scenario_of(q);
    if (o == NULL || o->kind == ENTRY_NEVER_SEEN) {
        answer(x, "25", EFFECT_UNSEEN);
        return;
    }
    if (!rrn_fits(o, x)) {
        answer(x, "25", EFFECT_NONE);
        return;
    }
    if (scenario == REVERSAL_REFUSED) {
        answer(x, "30", EFFECT_NONE);
        return;
    }
    if (scenario == REVERSAL_BUSY && o->tries < BUSY_TIMES) {
        answer(x, "91", EFFECT_RETRY);
        return;
    }
    if (o->kind == ENTRY_REVERSAL)
        answer(x, "12", EFFECT_NONE);
    else if (o->kind == ENTRY_NOTED || o->reversed)
        answer(x, "00", EFFECT_NONE); /* nothing to undo, or undone before */
    else if (!amount_fits(o, x))
        answer(x, "13", EFFECT_NONE);
    else if (iso_has(q->message, 95))
        decide_release(b, q, o, x);
    else
        decide_undo(b, o, x);
    if (scenario == REVERSAL_SILENT) {
        x->delivery = DELIVERY_SILENT;
        if (x->effect == EFFECT_REVERSE)
            answer(x, "25", EFFECT_REVERSE);
    }
}
