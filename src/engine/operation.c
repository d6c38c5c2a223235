/*
 * The life of one operation at the acquirer.
 *
 * Requests (authorize, sale, refund): the host may refuse, silence is undone.
 *
 *   NEW ──send──► SENT ──approve──► APPROVED
 *    │             │ ├──decline──► DECLINED
 *    │             │ ├──not sent──► FAILED
 *    │             │ └──silence──► IN_DOUBT ──reversal acknowledged──► REVERSED
 *    └─no link─► FAILED              └──reversal refused, or 24 h──► MANUAL
 *
 * A completion (capture) reports what was decided and may still be refused; silence is answered by
 * repeating. The other advices (void, reversal, release) cannot be refused:
 *
 *   NEW ──send──► SENT ──acknowledged──► APPROVED        SENT ──silence──► SENT, repeated after 5, 15, 30, 60, 120, 300 ... s
 *                  └──refused, or 24 h──► MANUAL
 *
 * SENT is durable before the first byte leaves. IN_DOUBT is never final: its reversal is repeated
 * until the host answers. After a restart a request found SENT is a silence, and an advice found
 * SENT is repeated (spec/iso8583.md §8).
 */
#include "base/log.h"
#include "engine/ledger.h"
#include "engine/machine.h"

#include <assert.h>
#include <string.h>

static void put_on_the_wire(struct decision *d, struct operation_row *o, const struct hearing *h);
static void send_again(struct decision *d, struct operation_row *o, const struct hearing *h);
static void never_left(struct decision *d, struct operation_row *o, const struct hearing *h);
static void book_approval(struct decision *d, struct operation_row *o, const struct hearing *h);
static void keep_reason(struct decision *d, struct operation_row *o, const struct hearing *h);
static void start_reversal(struct decision *d, struct operation_row *o, const struct hearing *h);
static void keep_late_approval(
    struct decision *d, struct operation_row *o, const struct hearing *h);
static void close_reversed(struct decision *d, struct operation_row *o, const struct hearing *h);
static void repeat_later(struct decision *d, struct operation_row *o, const struct hearing *h);
static void acknowledge(struct decision *d, struct operation_row *o, const struct hearing *h);
static void call_a_person(struct decision *d, struct operation_row *o, const struct hearing *h);
static void hand_over(struct decision *d, struct operation_row *o, const struct hearing *h);

#define KIND(k)  (1u << (k))
#define REQUESTS (KIND(OPK_AUTHORIZE) | KIND(OPK_SALE) | KIND(OPK_REFUND))
#define OPENINGS (KIND(OPK_AUTHORIZE) | KIND(OPK_SALE))
#define CAPTURE  KIND(OPK_CAPTURE)
#define ADVICES  (KIND(OPK_VOID) | KIND(OPK_REVERSAL) | KIND(OPK_RELEASE))
#define ALL      (REQUESTS | CAPTURE | ADVICES)

/* clang-format off */
static const struct operation_edge {
    unsigned kinds;
    enum operation_state from;
    enum operation_event event;
    enum operation_state to;
    void (*action)(struct decision *d, struct operation_row *o, const struct hearing *h);
} operation_edges[] = {
    { ALL,                OPS_NEW,      OPE_SEND,          OPS_SENT,     put_on_the_wire    },
    { REQUESTS | CAPTURE, OPS_NEW,      OPE_NO_LINK,       OPS_FAILED,   never_left         },
    { REQUESTS | CAPTURE, OPS_SENT,     OPE_NOT_SENT,      OPS_FAILED,   never_left         },
    { REQUESTS | CAPTURE, OPS_SENT,     OPE_APPROVE,       OPS_APPROVED, book_approval      },
    { REQUESTS | CAPTURE, OPS_SENT,     OPE_DECLINE,       OPS_DECLINED, keep_reason        },
    { REQUESTS,           OPS_SENT,     OPE_SILENCE,       OPS_IN_DOUBT, start_reversal     },
    { REQUESTS,           OPS_IN_DOUBT, OPE_LATE_APPROVAL, OPS_IN_DOUBT, keep_late_approval },
    { REQUESTS,           OPS_IN_DOUBT, OPE_REVERSED,      OPS_REVERSED, close_reversed     },
    { REQUESTS,           OPS_IN_DOUBT, OPE_STUCK,         OPS_MANUAL,   call_a_person      },
    { OPENINGS,           OPS_REVERSED, OPE_LATE_APPROVAL, OPS_IN_DOUBT, start_reversal     },
    { KIND(OPK_REFUND),   OPS_REVERSED, OPE_LATE_APPROVAL, OPS_MANUAL,   hand_over          },
    { CAPTURE | ADVICES,  OPS_SENT,     OPE_SILENCE,       OPS_SENT,     repeat_later       },
    { ADVICES,            OPS_SENT,     OPE_NOT_SENT,      OPS_SENT,     repeat_later       },
    { CAPTURE | ADVICES,  OPS_SENT,     OPE_REPEAT,        OPS_SENT,     send_again         },
    { CAPTURE | ADVICES,  OPS_SENT,     OPE_STUCK,         OPS_MANUAL,   call_a_person      },
    { ADVICES,            OPS_SENT,     OPE_APPROVE,       OPS_APPROVED, acknowledge        },
};
/* clang-format on */

static const char *const event_names[] = { [OPE_SEND] = "send",
    [OPE_NO_LINK] = "no link is up",
    [OPE_APPROVE] = "approved",
    [OPE_DECLINE] = "declined",
    [OPE_SILENCE] = "silence",
    [OPE_NOT_SENT] = "could not be sent",
    [OPE_LATE_APPROVAL] = "late approval",
    [OPE_REVERSED] = "reversal acknowledged",
    [OPE_STUCK] = "refused for good, or 24 h",
    [OPE_REPEAT] = "repeat is due" };

/* spec/iso8583.md §8.2 */
static const int repeat_seconds[] = { 5, 15, 30, 60, 120, 300 };
enum { GIVE_UP_TRIES = 300 };
#define GIVE_UP_MS INT64_C(86400000)

bool kind_is_advice(enum operation_kind k)
{
    return (KIND(k) & (CAPTURE | ADVICES)) != 0;
}

void effect_add(struct decision *d, struct effect e)
{
    assert(d->n_effects < BATCH_EVENTS * EFFECTS_PER_EVENT);
    d->effects[d->n_effects++] = e;
}

static const struct operation_edge *edge_find(
    const struct operation_row *o, enum operation_event ev)
{
    for (size_t i = 0; i < COUNT(operation_edges); i++) {
        const struct operation_edge *e = &operation_edges[i];
        if ((e->kinds & KIND(o->kind)) != 0 && e->from == o->state && e->event == ev)
            return e;
    }
    return NULL;
}

bool operation_apply(
    struct decision *d, struct operation_row *o, enum operation_event ev, const struct hearing *h)
{
    static const struct hearing nothing = { NULL, OUT_NONE };
    const struct operation_edge *e = edge_find(o, ev);
    if (e == NULL)
        return false;
    o->state = e->to;
    o->updated_ms = d->now_ms;
    operation_mark(d->rows, o);
    e->action(d, o, h != NULL ? h : &nothing);
    return true;
}

static struct payment_row *payment_of(struct decision *d, const struct operation_row *o)
{
    struct payment_row *p =
        payment_get(d->rows, (struct row_key) { o->merchant_id, o->payment_id });
    assert(p != NULL);
    return p;
}

static void move_payment(struct decision *d, struct payment_row *p, enum payment_event ev)
{
    bool legal = payment_apply(p, ev);
    assert(legal);
    p->updated_ms = d->now_ms;
    payment_mark(d->rows, p);
    assert_payment_valid(p);
}

static void tell(struct decision *d, struct operation_row *o, enum outcome outcome)
{
    o->outcome = (uint8_t)outcome;
    effect_add(d, (struct effect) { .kind = EFFECT_TELL, .operation = o });
}

static bool is_refund(const struct operation_row *o)
{
    return o->kind == OPK_REFUND;
}

/* ---- starting ---- */

struct operation_row operation_draft(struct decision *d, const struct payment_row *p,
    enum operation_kind kind, const struct operation_row *parent)
{
    struct operation_row o = { .merchant_id = p->merchant_id,
        .id = parent == NULL ? p->id : id_next(d->ids, d->now_ms),
        .payment_id = p->id,
        .kind = kind,
        .currency = p->currency,
        .card_id = p->card_id,
        .created_ms = d->now_ms,
        .updated_ms = d->now_ms };
    if (parent == NULL)
        return o;
    o.parent_id = parent->id;
    o.expiry_yymm = parent->expiry_yymm;
    o.entry = parent->entry;
    memcpy(o.link, parent->link, sizeof o.link);
    if (kind != OPK_REFUND)
        memcpy(o.authcode, parent->authcode, sizeof o.authcode);
    return o;
}

struct operation_row *operation_start(
    struct decision *d, const struct operation_row *draft, int link)
{
    assert(draft->state == OPS_NEW);
    struct operation_row *o = operation_add(d->rows, draft);
    if (link >= 0)
        (void)str_copy(o->link, sizeof o->link, str_of(d->port->views[link]->name));
    bool moved = operation_apply(d, o, link >= 0 ? OPE_SEND : OPE_NO_LINK, NULL);
    assert(moved);
    return o;
}

static uint32_t take_stan(struct decision *d, uint8_t link)
{
    uint8_t owner = stan_owner(d->port, link);
    uint32_t stan = d->next_stan[owner];
    d->next_stan[owner] = stan == 999999 ? 1 : stan + 1;
    return stan;
}

static void put_on_the_wire(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    (void)h;
    uint8_t link = 0;
    while (link + 1u < d->port->n_links && strcmp(d->port->views[link]->name, o->link) != 0)
        link++;
    o->stan = take_stan(d, link);
    o->sent_ms = d->now_ms;
    o->attempts = 1;
    effect_add(d, (struct effect) { .kind = EFFECT_SEND, .operation = o, .link = link });
}

static void send_again(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    (void)h;
    o->attempts++;
    o->next_ms = 0;
    uint8_t link = route_advice(d->port, o->link);
    effect_add(d, (struct effect) { .kind = EFFECT_SEND, .operation = o, .link = link });
}

static void repeat_later(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    if (h->answer != NULL && h->answer->kind == ACQ_NOT_SENT && o->attempts > 0)
        o->attempts--; /* it did not leave: the next one is not a repeat because of it */
    size_t step = o->attempts > 0 ? o->attempts - 1u : 0;
    if (step >= COUNT(repeat_seconds))
        step = COUNT(repeat_seconds) - 1;
    o->next_ms = d->now_ms + repeat_seconds[step] * INT64_C(1000);
    effect_add(d, (struct effect) { .kind = EFFECT_REPEAT, .operation = o, .at_ms = o->next_ms });
}

/* An advice of our own that undoes or shrinks what parent did. */
static void start_advice(struct decision *d, const struct payment_row *p,
    const struct operation_row *parent, enum operation_kind kind, int64_t amount_minor,
    const char reason[3])
{
    struct operation_row o = operation_draft(d, p, kind, parent);
    o.amount_minor = amount_minor;
    memcpy(o.reason, reason, sizeof o.reason);
    (void)operation_start(d, &o, route_advice(d->port, parent->link));
}

/* ---- answers ---- */

static void keep_answer(struct operation_row *o, const struct hearing *h)
{
    if (h->answer == NULL)
        return;
    memcpy(o->de39, h->answer->de39, sizeof o->de39);
    if (h->answer->authcode[0] != '\0')
        memcpy(o->authcode, h->answer->authcode, sizeof o->authcode);
    if (h->answer->network_id[0] != '\0')
        memcpy(o->network_id, h->answer->network_id, sizeof o->network_id);
    memcpy(o->advice, h->answer->advice, sizeof o->advice);
    memcpy(o->cvv_result, h->answer->cvv_result, sizeof o->cvv_result);
}

static void book_hold(struct decision *d, struct operation_row *o, struct payment_row *p)
{
    p->authorized_minor = o->amount_minor;
    ledger_post(d, o, MOVE_HOLD, o->amount_minor);
    move_payment(d, p, PE_HELD);
    effect_add(d, (struct effect) { .kind = EFFECT_EXPIRE, .at_ms = p->expires_ms });
}

static void book_sale(struct decision *d, struct operation_row *o, struct payment_row *p)
{
    p->authorized_minor = p->captured_minor = o->amount_minor;
    ledger_post(d, o, MOVE_CAPTURE, o->amount_minor);
    move_payment(d, p, PE_CAPTURED);
}

/* What a final capture leaves of the hold is given back at once. */
static void book_capture(struct decision *d, struct operation_row *o, struct payment_row *p)
{
    int64_t rest = p->authorized_minor - o->amount_minor;
    assert(rest >= 0);
    p->captured_minor = o->amount_minor;
    ledger_post(d, o, MOVE_UNHOLD, o->amount_minor);
    ledger_post(d, o, MOVE_CAPTURE, o->amount_minor);
    move_payment(d, p, PE_CAPTURED);
    if (rest == 0)
        return;
    const struct operation_row *hold =
        operation_get(d->rows, (struct row_key) { o->merchant_id, o->parent_id });
    assert(hold != NULL);
    struct operation_row release = operation_draft(d, p, OPK_RELEASE, hold);
    release.amount_minor = rest;
    memcpy(release.reason, "32", sizeof release.reason);
    struct operation_row *started = operation_start(d, &release, route_advice(d->port, hold->link));
    ledger_post(d, started, MOVE_UNHOLD, rest);
}

static void book_refund(struct decision *d, struct operation_row *o, struct payment_row *p)
{
    p->refunded_minor += o->amount_minor;
    ledger_post(d, o, MOVE_REFUND, o->amount_minor);
    move_payment(d, p, p->refunded_minor == p->captured_minor ? PE_REFUNDED_ALL : PE_REFUNDED_PART);
}

static void book_approval(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    struct payment_row *p = payment_of(d, o);
    keep_answer(o, h);
    o->next_ms = 0;
    tell(d, o, OUT_APPROVED);
    switch (o->kind) {
    case OPK_AUTHORIZE:
        book_hold(d, o, p);
        break;
    case OPK_SALE:
        book_sale(d, o, p);
        break;
    case OPK_CAPTURE:
        book_capture(d, o, p);
        break;
    default:
        assert(is_refund(o));
        book_refund(d, o, p);
    }
}

/* A hold that was not captured after all may have come to its end meanwhile. */
static void refused(struct decision *d, struct operation_row *o)
{
    struct payment_row *p = payment_of(d, o);
    move_payment(d, p, PE_REFUSED);
    if (o->kind == OPK_CAPTURE)
        effect_add(d, (struct effect) { .kind = EFFECT_EXPIRE, .at_ms = p->expires_ms });
}

static void keep_reason(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    keep_answer(o, h);
    o->next_ms = 0;
    tell(d, o, h->outcome);
    refused(d, o);
}

static void never_left(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    (void)h;
    tell(d, o, OUT_HOST_DOWN);
    refused(d, o);
}

/* The payment of a refund stays REFUNDING; the opening's goes back to where it came from. */
static void start_reversal(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    struct payment_row *p = payment_of(d, o);
    keep_answer(o, h);
    if (h->outcome != OUT_NONE)
        tell(d, o, h->outcome);
    if (!is_refund(o))
        move_payment(d, p, PE_DOUBT);
    start_advice(d, p, o, OPK_REVERSAL, o->amount_minor, "68");
}

static void keep_late_approval(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    (void)d;
    keep_answer(o, h);
}

static void close_reversed(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    (void)h;
    move_payment(d, payment_of(d, o), is_refund(o) ? PE_REFUSED : PE_REVERSED);
}

static struct operation_row *parent_of(struct decision *d, const struct operation_row *o)
{
    struct operation_row *parent =
        operation_get(d->rows, (struct row_key) { o->merchant_id, o->parent_id });
    assert(parent != NULL);
    return parent;
}

static void acknowledge(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    o->next_ms = 0;
    o->outcome = OUT_APPROVED;
    if (h->answer != NULL)
        memcpy(o->de39, h->answer->de39, sizeof o->de39);
    if (o->kind == OPK_REVERSAL)
        (void)operation_apply(d, parent_of(d, o), OPE_REVERSED, NULL);
}

/* Nothing the engine may do by itself is left: an operator reads the log and the row. */
static void hand_over(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    (void)d;
    o->next_ms = 0;
    if (h->answer != NULL)
        memcpy(o->de39, h->answer->de39, sizeof o->de39);
    log_event(LOG_ERROR, "operation.manual", "op=%016llX kind=%s de39=\"%s\" attempts=%u",
        (unsigned long long)o->id, operation_kind_name(o->kind), o->de39, o->attempts);
}

static void call_a_person(struct decision *d, struct operation_row *o, const struct hearing *h)
{
    hand_over(d, o, h);
    if (o->kind == OPK_REVERSAL)
        (void)operation_apply(d, parent_of(d, o), OPE_STUCK, NULL);
    else if (o->kind != OPK_VOID && o->kind != OPK_RELEASE)
        move_payment(d, payment_of(d, o), PE_STUCK);
}

/* ---- from an event to an edge ---- */

static bool is_one_of(const char *code, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(code, list[i]) == 0)
            return true;
    return false;
}

/*
 * spec/iso8583.md §8.3: closed by 00 21 25 94; refused for good by 12 13 30 40 57 58; else
 * repeated.
 */
static enum operation_event advice_event(const struct response_code *code, const char *de39)
{
    static const char *const closed[] = { "21", "25", "26", "94" };
    static const char *const refused[] = { "03", "12", "13", "30", "40", "57", "58" };
    if (code->class == ANSWER_APPROVED || is_one_of(de39, closed, COUNT(closed)))
        return OPE_APPROVE;
    return is_one_of(de39, refused, COUNT(refused)) ? OPE_STUCK : OPE_SILENCE;
}

static enum operation_event capture_event(const struct response_code *code, const char *de39)
{
    static const char *const taken_before[] = { "26", "94" };
    if (code->class == ANSWER_APPROVED || is_one_of(de39, taken_before, COUNT(taken_before)))
        return OPE_APPROVE;
    return code->class == ANSWER_RETRY || code->class == ANSWER_UNKNOWN ? OPE_SILENCE : OPE_DECLINE;
}

static enum operation_event request_event(const struct response_code *code)
{
    switch (code->class) {
    case ANSWER_APPROVED:
        return OPE_APPROVE;
    case ANSWER_PARTIAL: /* the part is given back: nobody asked for it */
    case ANSWER_UNKNOWN:
        return OPE_SILENCE;
    default:
        return OPE_DECLINE;
    }
}

static enum operation_event answered_event(
    const struct operation_row *o, const struct response_code *code, const char *de39)
{
    if (o->kind == OPK_CAPTURE)
        return capture_event(code, de39);
    return kind_is_advice(o->kind) ? advice_event(code, de39) : request_event(code);
}

static bool repeated_too_long(const struct decision *d, const struct operation_row *o)
{
    return o->attempts >= GIVE_UP_TRIES || d->now_ms - o->created_ms >= GIVE_UP_MS;
}

/* The event for an advice that got no answer may be its last. */
static enum operation_event or_give_up(
    const struct decision *d, const struct operation_row *o, enum operation_event ev)
{
    bool silence = ev == OPE_SILENCE || ev == OPE_NOT_SENT;
    return silence && kind_is_advice(o->kind) && repeated_too_long(d, o) ? OPE_STUCK : ev;
}

void decide_answer(struct decision *d, const struct acquirer_event *ev)
{
    struct operation_row *o = operation_get(d->rows, ev->operation);
    if (o == NULL) {
        log_event(LOG_ERROR, "answer.unknown", "op=%016llX", (unsigned long long)ev->operation.id);
        return;
    }
    const struct response_code *code = response_code_find(ev->de39);
    struct hearing h = { ev, code->outcome };
    enum operation_event what = OPE_SILENCE;
    switch (ev->kind) {
    case ACQ_ANSWERED:
        what = answered_event(o, code, ev->de39);
        break;
    case ACQ_LATE_ANSWER:
        if (kind_is_advice(o->kind)) {
            what = answered_event(o, code, ev->de39);
            if (what == OPE_SILENCE)
                return; /* it is being repeated already */
            break;
        }
        if (code->class != ANSWER_APPROVED && code->class != ANSWER_PARTIAL)
            return; /* a late refusal: the reversal that is under way will find nothing */
        what = OPE_LATE_APPROVAL;
        h.outcome = OUT_NONE;
        break;
    case ACQ_NOT_SENT:
        what = o->kind == OPK_CAPTURE && o->attempts > 1 ? OPE_SILENCE : OPE_NOT_SENT;
        break;
    default:
        h.outcome = ev->malformed ? OUT_MALFORMED_ANSWER : OUT_TIMEOUT;
    }
    if (!operation_apply(d, o, or_give_up(d, o, what), &h))
        log_event(LOG_WARN, "answer.ignored", "op=%016llX state=%s event=\"%s\"",
            (unsigned long long)o->id, operation_state_name(o->state), event_names[what]);
}

void decide_repeat(struct decision *d, const struct timer *t)
{
    struct operation_row *o = operation_get(d->rows, t->operation);
    if (o == NULL)
        return;
    bool waits = o->next_ms != 0 && (t->now || o->next_ms <= d->now_ms);
    if (waits || t->resumed)
        (void)operation_apply(d, o, OPE_REPEAT, NULL);
}

void decide_expiry(struct decision *d, struct payment_row *p)
{
    if (p->state != PAY_AUTHORIZED || p->expires_ms > d->now_ms)
        return;
    const struct operation_row *hold =
        operation_get(d->rows, (struct row_key) { p->merchant_id, p->id });
    assert(hold != NULL);
    struct operation_row o = operation_draft(d, p, OPK_VOID, hold);
    o.amount_minor = p->authorized_minor;
    memcpy(o.reason, "17", sizeof o.reason);
    struct operation_row *started = operation_start(d, &o, route_advice(d->port, hold->link));
    ledger_post(d, started, MOVE_UNHOLD, p->authorized_minor);
    move_payment(d, p, PE_VOID);
}

void operation_edges_print(struct buf *out)
{
    static const struct {
        unsigned kinds;
        const char *id, *label;
    } pictures[] = { { OPENINGS, "R", "operation: authorize, sale" },
        { KIND(OPK_REFUND), "F", "operation: refund" }, { CAPTURE, "C", "operation: capture" },
        { KIND(OPK_VOID), "A", "operation: void, reversal, release" } };
    for (size_t p = 0; p < COUNT(pictures); p++) {
        buf_printf(
            out, "  subgraph cluster_%s {\n    label=\"%s\";\n", pictures[p].id, pictures[p].label);
        for (size_t i = 0; i < COUNT(operation_edges); i++) {
            const struct operation_edge *e = &operation_edges[i];
            if ((e->kinds & pictures[p].kinds) != 0)
                buf_printf(out,
                    "    %s_%s -> %s_%s [label=\"%s\"];\n    %s_%s [label=\"%s\"];\n    %s_%s "
                    "[label=\"%s\"];\n",
                    pictures[p].id, operation_state_name(e->from), pictures[p].id,
                    operation_state_name(e->to), event_names[e->event], pictures[p].id,
                    operation_state_name(e->from), operation_state_name(e->from), pictures[p].id,
                    operation_state_name(e->to), operation_state_name(e->to));
        }
        buf_str(out, STR("  }\n"));
    }
}
