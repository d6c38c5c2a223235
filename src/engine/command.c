/*
 * What merchants ask: checks in a fixed order, then an operation or a refusal. A refusal writes
 * nothing.
 */
#include "base/money.h"
#include "engine/ledger.h"
#include "engine/machine.h"
#include "vault/brand.h"

#include <assert.h>
#include <string.h>

static bool opens_payment(const struct command *c)
{
    return c->kind == CMD_AUTHORIZE || c->kind == CMD_SALE;
}

static bool uses_card(const struct command *c)
{
    return opens_payment(c) || c->kind == CMD_TOKENIZE;
}

static struct row_key reference_key(const struct command *c)
{
    return (struct row_key) { c->merchant->row.id, c->reference };
}

void command_want(struct decision *d, const struct command *c)
{
    int64_t merchant = c->merchant->row.id;
    if (c->unique_id.n > 0)
        want_unique(d->rows, merchant, c->unique_id);
    if (!uses_card(c))
        want_operation(d->rows, reference_key(c));
    else if (c->has_token)
        want_token(d->rows, merchant, c->token);
    else
        want_fingerprint(d->rows, merchant, c->fingerprint);
}

void command_want_more(struct decision *d, const struct command *c)
{
    if (uses_card(c))
        return;
    const struct operation_row *target = operation_get(d->rows, reference_key(c));
    if (target == NULL)
        return;
    want_payment(d->rows, (struct row_key) { target->merchant_id, target->payment_id });
    want_card(d->rows, (struct row_key) { target->merchant_id, target->card_id });
}

static void reply_now(struct decision *d, struct command *c, enum outcome outcome)
{
    c->reply.outcome = outcome;
    c->reply.at_ms = d->now_ms;
    effect_add(d, (struct effect) { .kind = EFFECT_REPLY, .command = c });
}

static void reply_describe(struct command *c, const struct operation_row *o)
{
    c->reply.recorded = true;
    c->reply.operation_id = o->id;
    c->reply.payment_id = o->payment_id;
    c->reply.kind = o->kind;
    c->reply.state = o->state;
    c->reply.amount_minor = o->amount_minor;
    memcpy(c->reply.authcode, o->authcode, sizeof c->reply.authcode);
}

static void reply_token(struct command *c, const struct card_row *card)
{
    if (card == NULL)
        return;
    c->reply.has_token = true;
    memcpy(c->reply.token, card->token, sizeof c->reply.token);
}

/* ---- the merchant's limits ---- */

static bool in_list(const uint16_t *list, size_t n, uint16_t value)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == value)
            return true;
    return false;
}

static bool currency_allowed(const struct limits *l, uint16_t currency)
{
    return l->n_currencies == 0 || in_list(l->currencies, l->n_currencies, currency);
}

/* Unknown where a list demands knowing is refused. */
static bool country_allowed(const struct limits *l, const struct country *country)
{
    if (country == NULL)
        return l->n_countries == 0 && l->n_countries_denied == 0;
    return (l->n_countries == 0 || in_list(l->countries, l->n_countries, country->numeric)) &&
           !in_list(l->countries_denied, l->n_countries_denied, country->numeric);
}

static bool address_allowed(const struct limits *l, struct str ip)
{
    for (size_t i = 0; i < l->n_networks; i++)
        if (network_contains(&l->networks[i], ip))
            return true;
    return l->n_networks == 0;
}

static bool amount_allowed(const struct limits *l, uint16_t currency, int64_t minor)
{
    if (minor <= 0 || minor > MONEY_MAX_MINOR)
        return false;
    for (size_t i = 0; i < l->n_amounts; i++)
        if (l->amounts[i].currency == currency)
            return minor >= l->amounts[i].min_minor &&
                   (l->amounts[i].max_minor == 0 || minor <= l->amounts[i].max_minor);
    return true;
}

static enum outcome check_limits(const struct command *c)
{
    const struct limits *l = &c->merchant->limits;
    if (!currency_allowed(l, c->currency->numeric))
        return OUT_CURRENCY_NOT_ALLOWED;
    if (!country_allowed(l, c->country))
        return OUT_COUNTRY_NOT_ALLOWED;
    if (!address_allowed(l, c->ip))
        return OUT_IP_NOT_ALLOWED;
    if (!amount_allowed(l, c->currency->numeric, c->amount_minor))
        return OUT_AMOUNT_NOT_ALLOWED;
    return OUT_NONE;
}

static bool brand_allowed(const struct limits *l, uint8_t brand)
{
    return l->brands == 0 || (l->brands >> brand & 1) != 0;
}

/* ---- cards ---- */

static struct card_row *card_find(struct decision *d, const struct command *c)
{
    int64_t merchant = c->merchant->row.id;
    return c->has_token ? token_get(d->rows, merchant, c->token)
                        : fingerprint_get(d->rows, merchant, c->fingerprint);
}

/* Adds the card of c, sealed; NULL when the vault refuses. */
static struct card_row *card_create(struct decision *d, const struct command *c)
{
    struct str pan = str_of(c->card.pan);
    struct card_row card = { .merchant_id = c->merchant->row.id,
        .id = id_next(d->ids, d->now_ms),
        .brand = (uint8_t)brand_of(pan),
        .expiry_yymm = c->card.expiry_yymm,
        .created_ms = d->now_ms };
    memcpy(card.fingerprint, c->fingerprint, sizeof card.fingerprint);
    token_make(d->rng, d->now_ms, card.token);
    (void)str_copy(card.bin, sizeof card.bin, (struct str) { pan.p, 6 });
    (void)str_copy(card.last4, sizeof card.last4, str_skip(pan, pan.n - 4));
    if (vault_seal_card(d->vault, d->rng, &card, pan) != VAULT_OK)
        return NULL;
    return card_add(d->rows, &card);
}

/* A renewed card keeps its number: the later expiry is the one to keep. */
static void card_renew(struct decision *d, const struct command *c, struct card_row *card)
{
    if (c->has_token || c->card.expiry_yymm <= card->expiry_yymm)
        return;
    card->expiry_yymm = c->card.expiry_yymm;
    card_mark(d->rows, card);
}

static void decide_tokenize(struct decision *d, struct command *c)
{
    if (c->refuse != OUT_NONE) {
        reply_now(d, c, c->refuse);
        return;
    }
    struct card_row *card = card_find(d, c);
    if (card != NULL)
        card_renew(d, c, card);
    else
        card = card_create(d, c);
    reply_token(c, card);
    reply_now(d, c, card != NULL ? OUT_APPROVED : OUT_INTERNAL);
}

/* ---- opening a payment ---- */

static enum outcome route_outcome(int link)
{
    return link == ROUTE_NONE ? OUT_NO_ROUTE : link == ROUTE_FULL ? OUT_OVERLOADED : OUT_NONE;
}

/* Tells the merchant when the host has answered, or at once when nothing was sent. */
static void wait_for(struct decision *d, struct command *c, struct operation_row *o)
{
    reply_describe(c, o);
    if (o->state != OPS_SENT) {
        reply_now(d, c, o->outcome);
        return;
    }
    struct effect *send = &d->effects[d->n_effects - 1];
    assert(send->kind == EFFECT_SEND && send->operation == o);
    send->command = c; /* the message needs what only the command has: number and CVV */
    effect_add(d, (struct effect) { .kind = EFFECT_WAIT, .command = c, .operation = o });
}

static void open_payment(
    struct decision *d, struct command *c, const struct card_row *card, int link)
{
    struct payment_row *p = payment_add(d->rows,
        &(struct payment_row) { .merchant_id = c->merchant->row.id,
            .id = id_next(d->ids, d->now_ms),
            .face = c->merchant->row.face,
            .currency = c->currency->numeric,
            .card_id = card->id,
            .expires_ms = c->kind == CMD_AUTHORIZE
                              ? d->now_ms + c->merchant->limits.window_days * INT64_C(86400000)
                              : 0,
            .created_ms = d->now_ms,
            .updated_ms = d->now_ms });
    bool moved = payment_apply(p, PE_OPEN);
    assert(moved);
    struct operation_row o =
        operation_draft(d, p, c->kind == CMD_AUTHORIZE ? OPK_AUTHORIZE : OPK_SALE, NULL);
    o.amount_minor = c->amount_minor;
    o.unique_id = c->unique_id;
    o.expiry_yymm = c->has_token ? card->expiry_yymm : c->card.expiry_yymm;
    o.entry = (uint8_t)c->entry;
    o.facts = c->facts;
    reply_token(c, card);
    wait_for(d, c, operation_start(d, &o, link));
}

/* What speaks against it besides card and route; card is NULL when it is a new one. */
static enum outcome check_opening(const struct command *c, const struct card_row *card)
{
    if (card == NULL && c->has_token)
        return OUT_UNKNOWN_TOKEN;
    if (c->refuse != OUT_NONE)
        return c->refuse;
    if (c->merchant->limits.three_ds == THREE_DS_REQUIRED)
        return OUT_THREE_DS_REQUIRED;
    return check_limits(c);
}

static void decide_opening(struct decision *d, struct command *c)
{
    struct card_row *card = card_find(d, c);
    enum outcome outcome = check_opening(c, card);
    if (outcome != OUT_NONE) {
        reply_now(d, c, outcome);
        return;
    }
    uint8_t brand = card != NULL ? card->brand : (uint8_t)brand_of(str_of(c->card.pan));
    int link = route_pick(d->port, brand, c->currency->numeric, c->merchant->row.id);
    outcome =
        brand_allowed(&c->merchant->limits, brand) ? route_outcome(link) : OUT_BRAND_NOT_ALLOWED;
    if (outcome != OUT_NONE) {
        reply_now(d, c, outcome);
        return;
    }
    if (card != NULL)
        card_renew(d, c, card);
    else
        card = card_create(d, c);
    if (card != NULL)
        open_payment(d, c, card, link);
    else
        reply_now(d, c, OUT_INTERNAL);
}

/* ---- following a payment up ---- */

/* What a payment's state answers to a follow-up that it does not allow; OUT_NONE where it does. */
struct follow_up_rule {
    enum payment_state state;
    enum outcome capture, voiding, refund;
};

/* clang-format off */
static const struct follow_up_rule follow_up_rules[] = {
    { PAY_OPENING,    OUT_PAYMENT_BUSY,         OUT_PAYMENT_BUSY,      OUT_PAYMENT_BUSY        },
    { PAY_AUTHORIZED, OUT_NONE,                 OUT_NONE,              OUT_NOT_CAPTURED        },
    { PAY_CAPTURING,  OUT_PAYMENT_BUSY,         OUT_PAYMENT_BUSY,      OUT_PAYMENT_BUSY        },
    { PAY_CAPTURED,   OUT_ALREADY_CAPTURED,     OUT_VOID_NOT_POSSIBLE, OUT_NONE                },
    { PAY_REFUNDING,  OUT_ALREADY_CAPTURED,     OUT_VOID_NOT_POSSIBLE, OUT_PAYMENT_BUSY        },
    { PAY_REFUNDED,   OUT_ALREADY_CAPTURED,     OUT_VOID_NOT_POSSIBLE, OUT_ALREADY_REFUNDED    },
    { PAY_VOIDED,     OUT_ALREADY_VOIDED,       OUT_ALREADY_VOIDED,    OUT_REFUND_NOT_POSSIBLE },
    { PAY_DECLINED,   OUT_CAPTURE_NOT_POSSIBLE, OUT_VOID_NOT_POSSIBLE, OUT_REFUND_NOT_POSSIBLE },
    { PAY_REVERSING,  OUT_CAPTURE_NOT_POSSIBLE, OUT_VOID_NOT_POSSIBLE, OUT_REFUND_NOT_POSSIBLE },
    { PAY_REVERSED,   OUT_CAPTURE_NOT_POSSIBLE, OUT_VOID_NOT_POSSIBLE, OUT_REFUND_NOT_POSSIBLE },
    { PAY_MANUAL,     OUT_PAYMENT_BUSY,         OUT_PAYMENT_BUSY,      OUT_PAYMENT_BUSY        },
};
/* clang-format on */

static enum outcome follow_up_allowed(const struct command *c, const struct payment_row *p)
{
    for (size_t i = 0; i < COUNT(follow_up_rules); i++) {
        const struct follow_up_rule *r = &follow_up_rules[i];
        if (r->state == p->state)
            return c->kind == CMD_CAPTURE ? r->capture
                   : c->kind == CMD_VOID  ? r->voiding
                                          : r->refund;
    }
    return OUT_INTERNAL;
}

/* A capture or void names the authorization; a refund the sale or the capture. */
static enum outcome target_allowed(
    const struct command *c, const struct operation_row *target, const struct payment_row *p)
{
    switch (c->kind) {
    case CMD_CAPTURE:
        return target->kind == OPK_AUTHORIZE ? OUT_NONE : OUT_CAPTURE_NOT_POSSIBLE;
    case CMD_VOID:
        return target->kind == OPK_AUTHORIZE ? OUT_NONE : OUT_VOID_NOT_POSSIBLE;
    default:
        if (target->kind == OPK_AUTHORIZE)
            return p->state == PAY_AUTHORIZED ? OUT_NOT_CAPTURED : OUT_REFUND_NOT_POSSIBLE;
        if (target->kind == OPK_CAPTURE && target->state == OPS_SENT)
            return OUT_PAYMENT_BUSY;
        return (target->kind == OPK_SALE || target->kind == OPK_CAPTURE) &&
                       (target->state == OPS_APPROVED || target->kind == OPK_SALE)
                   ? OUT_NONE
                   : OUT_REFUND_NOT_POSSIBLE;
    }
}

static enum outcome amount_fits(const struct command *c, const struct payment_row *p)
{
    if (c->kind == CMD_VOID)
        return OUT_NONE;
    if (c->currency->numeric != p->currency)
        return OUT_CURRENCY_MISMATCH;
    if (c->kind == CMD_CAPTURE)
        return c->amount_minor > 0 && c->amount_minor <= p->authorized_minor
                   ? OUT_NONE
                   : OUT_CAPTURE_TOO_LARGE;
    if (c->single_refund && p->refunded_minor > 0)
        return OUT_ALREADY_REFUNDED;
    int64_t left = p->captured_minor - p->refunded_minor;
    return c->amount_minor > 0 && c->amount_minor <= left ? OUT_NONE : OUT_REFUND_TOO_LARGE;
}

/*
 * The window ends a hold for capture and void, whether the automatic void has come already or not. A
 * hold that the merchant gave back in time is voided and nothing else.
 */
static bool window_closed(
    const struct decision *d, const struct command *c, const struct payment_row *p)
{
    if ((c->kind != CMD_CAPTURE && c->kind != CMD_VOID) || p->expires_ms == 0)
        return false;
    return (p->state == PAY_AUTHORIZED && d->now_ms >= p->expires_ms) ||
           (p->state == PAY_VOIDED && p->updated_ms >= p->expires_ms);
}

static enum outcome check_follow_up(struct decision *d, const struct command *c,
    const struct operation_row *target, const struct payment_row *p)
{
    enum outcome outcome = target_allowed(c, target, p);
    if (outcome == OUT_NONE && window_closed(d, c, p))
        outcome = OUT_WINDOW_CLOSED;
    if (outcome == OUT_NONE)
        outcome = follow_up_allowed(c, p);
    if (outcome == OUT_NONE)
        outcome = amount_fits(c, p);
    return outcome == OUT_NONE ? c->refuse : outcome;
}

static void move(struct decision *d, struct payment_row *p, enum payment_event ev)
{
    bool legal = payment_apply(p, ev);
    assert(legal);
    p->updated_ms = d->now_ms;
    payment_mark(d->rows, p);
}

/* A void is an advice: decided here and delivered behind the answer, however long that takes. */
static void decide_void(
    struct decision *d, struct command *c, struct operation_row *draft, struct payment_row *p)
{
    draft->amount_minor = p->authorized_minor;
    memcpy(draft->reason, "17", sizeof draft->reason);
    struct operation_row *o = operation_start(d, draft, route_advice(d->port, draft->link));
    o->outcome = OUT_APPROVED;
    ledger_post(d, o, MOVE_UNHOLD, p->authorized_minor);
    move(d, p, PE_VOID);
    reply_describe(c, o);
    reply_now(d, c, OUT_APPROVED);
}

static void decide_follow_up(struct decision *d, struct command *c)
{
    const struct operation_row *target = operation_get(d->rows, reference_key(c));
    if (target == NULL || target->kind == OPK_REVERSAL || target->kind == OPK_RELEASE) {
        reply_now(d, c, OUT_UNKNOWN_REFERENCE);
        return;
    }
    struct payment_row *p =
        payment_get(d->rows, (struct row_key) { target->merchant_id, target->payment_id });
    assert(p != NULL);
    assert_payment_valid(p);
    enum outcome outcome = check_follow_up(d, c, target, p);
    if (outcome != OUT_NONE) {
        reply_now(d, c, outcome);
        return;
    }
    static const enum operation_kind kinds[] = {
        [CMD_CAPTURE] = OPK_CAPTURE, [CMD_VOID] = OPK_VOID, [CMD_REFUND] = OPK_REFUND
    };
    struct operation_row o = operation_draft(d, p, kinds[c->kind], target);
    o.unique_id = c->unique_id;
    o.facts = c->facts;
    reply_token(c, card_get(d->rows, (struct row_key) { target->merchant_id, target->card_id }));
    if (c->kind == CMD_VOID) {
        decide_void(d, c, &o, p);
        return;
    }
    o.amount_minor = c->amount_minor;
    int link = route_again(d->port, target->link);
    move(d, p, c->kind == CMD_CAPTURE ? PE_CAPTURE : PE_REFUND);
    wait_for(d, c, operation_start(d, &o, link));
}

void decide_command(struct decision *d, struct command *c)
{
    memset(&c->reply, 0, sizeof c->reply);
    if (!c->merchant->row.active)
        reply_now(d, c, OUT_MERCHANT_INACTIVE);
    else if (c->unique_id.n > 0 && unique_get(d->rows, c->merchant->row.id, c->unique_id) != NULL)
        reply_now(d, c, OUT_DUPLICATE_ID);
    else if (c->kind == CMD_TOKENIZE)
        decide_tokenize(d, c);
    else if (opens_payment(c))
        decide_opening(d, c);
    else
        decide_follow_up(d, c);
}
