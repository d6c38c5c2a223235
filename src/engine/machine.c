#include "engine/machine.h"

#include <assert.h>

struct payment_edge {
    enum payment_state from;
    enum payment_event event;
    enum payment_state to;
};

static const struct payment_edge payment_edges[] = {
    { PAY_NEW, PE_OPEN, PAY_OPENING },
    { PAY_OPENING, PE_HELD, PAY_AUTHORIZED },
    { PAY_OPENING, PE_CAPTURED, PAY_CAPTURED },
    { PAY_OPENING, PE_REFUSED, PAY_DECLINED },
    { PAY_OPENING, PE_DOUBT, PAY_REVERSING },
    { PAY_REVERSING, PE_REVERSED, PAY_REVERSED },
    { PAY_REVERSING, PE_STUCK, PAY_MANUAL },
    { PAY_REVERSED, PE_DOUBT, PAY_REVERSING },
    { PAY_AUTHORIZED, PE_CAPTURE, PAY_CAPTURING },
    { PAY_AUTHORIZED, PE_VOID, PAY_VOIDED },
    { PAY_CAPTURING, PE_CAPTURED, PAY_CAPTURED },
    { PAY_CAPTURING, PE_REFUSED, PAY_AUTHORIZED },
    { PAY_CAPTURING, PE_STUCK, PAY_MANUAL },
    { PAY_CAPTURED, PE_REFUND, PAY_REFUNDING },
    { PAY_REFUNDING, PE_REFUNDED_PART, PAY_CAPTURED },
    { PAY_REFUNDING, PE_REFUNDED_ALL, PAY_REFUNDED },
    { PAY_REFUNDING, PE_REFUSED, PAY_CAPTURED },
    { PAY_REFUNDING, PE_STUCK, PAY_MANUAL },
};

static const char *const payment_states[] = { [PAY_NEW] = "NEW",
    [PAY_OPENING] = "OPENING",
    [PAY_AUTHORIZED] = "AUTHORIZED",
    [PAY_CAPTURING] = "CAPTURING",
    [PAY_CAPTURED] = "CAPTURED",
    [PAY_REFUNDING] = "REFUNDING",
    [PAY_REFUNDED] = "REFUNDED",
    [PAY_VOIDED] = "VOIDED",
    [PAY_DECLINED] = "DECLINED",
    [PAY_REVERSING] = "REVERSING",
    [PAY_REVERSED] = "REVERSED",
    [PAY_MANUAL] = "MANUAL" };

static const char *const payment_events[] = { [PE_OPEN] = "open",
    [PE_HELD] = "approved: held",
    [PE_CAPTURED] = "approved: captured",
    [PE_REFUSED] = "refused",
    [PE_DOUBT] = "silence",
    [PE_REVERSED] = "reversal acknowledged",
    [PE_CAPTURE] = "capture",
    [PE_VOID] = "void, or the window ends",
    [PE_REFUND] = "refund",
    [PE_REFUNDED_PART] = "approved: some left",
    [PE_REFUNDED_ALL] = "approved: none left",
    [PE_STUCK] = "host refuses an advice, or 24 h" };

static const char *const operation_states[] = { [OPS_NEW] = "NEW",
    [OPS_SENT] = "SENT",
    [OPS_APPROVED] = "APPROVED",
    [OPS_DECLINED] = "DECLINED",
    [OPS_IN_DOUBT] = "IN_DOUBT",
    [OPS_REVERSED] = "REVERSED",
    [OPS_FAILED] = "FAILED",
    [OPS_MANUAL] = "MANUAL" };

static const char *const operation_kinds[] = { [OPK_AUTHORIZE] = "AUTHORIZE",
    [OPK_SALE] = "SALE",
    [OPK_CAPTURE] = "CAPTURE",
    [OPK_REFUND] = "REFUND",
    [OPK_VOID] = "VOID",
    [OPK_REVERSAL] = "REVERSAL",
    [OPK_RELEASE] = "RELEASE" };

static const char *name_in(const char *const *names, size_t n, size_t i)
{
    return i < n && names[i] != NULL ? names[i] : "?";
}

const char *payment_state_name(enum payment_state s)
{
    return name_in(payment_states, COUNT(payment_states), s);
}

const char *operation_state_name(enum operation_state s)
{
    return name_in(operation_states, COUNT(operation_states), s);
}

const char *operation_kind_name(enum operation_kind k)
{
    return name_in(operation_kinds, COUNT(operation_kinds), k);
}

bool payment_apply(struct payment_row *p, enum payment_event ev)
{
    for (size_t i = 0; i < COUNT(payment_edges); i++) {
        if (payment_edges[i].from == p->state && payment_edges[i].event == ev) {
            p->state = payment_edges[i].to;
            return true;
        }
    }
    return false;
}

const char *payment_fault(const struct payment_row *p)
{
    if (p->id <= 0 || p->merchant_id <= 0 || p->currency == 0)
        return "an id or the currency is missing";
    if (p->state == PAY_NEW || payment_state_name(p->state)[0] == '?')
        return "no such state";
    if (p->authorized_minor < 0 || p->captured_minor < 0 || p->refunded_minor < 0)
        return "an amount below zero";
    if (p->captured_minor > p->authorized_minor)
        return "captured more than authorized";
    if (p->refunded_minor > p->captured_minor)
        return "refunded more than captured";
    bool has_captured = p->captured_minor > 0;
    switch (p->state) {
    case PAY_CAPTURED:
    case PAY_REFUNDING:
        return has_captured ? NULL : "captured, but nothing is";
    case PAY_REFUNDED:
        return p->refunded_minor == p->captured_minor && has_captured ? NULL
                                                                      : "refunded, but not all is";
    case PAY_AUTHORIZED:
    case PAY_CAPTURING:
    case PAY_VOIDED:
        if (p->authorized_minor == 0)
            return "held, but nothing is";
        return has_captured ? "only held, but captured" : NULL;
    case PAY_OPENING:
    case PAY_DECLINED:
    case PAY_REVERSING:
    case PAY_REVERSED:
        return p->authorized_minor == 0 ? NULL : "not approved, but authorized";
    default:
        return NULL;
    }
}

void assert_payment_valid(const struct payment_row *p)
{
    assert(payment_fault(p) == NULL);
}

/*
 * States of an opening or follow-up that a payment's state allows, as bits of enum operation_state.
 */
#define BIT(state) (1u << (state))
static const struct {
    enum payment_state payment;
    unsigned opening;
} openings[] = {
    { PAY_OPENING, BIT(OPS_SENT) },
    { PAY_AUTHORIZED, BIT(OPS_APPROVED) },
    { PAY_CAPTURING, BIT(OPS_APPROVED) },
    { PAY_CAPTURED, BIT(OPS_APPROVED) },
    { PAY_REFUNDING, BIT(OPS_APPROVED) },
    { PAY_REFUNDED, BIT(OPS_APPROVED) },
    { PAY_VOIDED, BIT(OPS_APPROVED) },
    { PAY_DECLINED, BIT(OPS_DECLINED) | BIT(OPS_FAILED) },
    { PAY_REVERSING, BIT(OPS_IN_DOUBT) },
    { PAY_REVERSED, BIT(OPS_REVERSED) },
    { PAY_MANUAL, BIT(OPS_APPROVED) | BIT(OPS_MANUAL) },
};

const char *operation_fault(const struct operation_row *o, const struct payment_row *p)
{
    if (o->id <= 0 || o->merchant_id != p->merchant_id || o->payment_id != p->id)
        return "it is not an operation of its payment";
    if (operation_kind_name(o->kind)[0] == '?' || o->state == OPS_NEW ||
        operation_state_name(o->state)[0] == '?')
        return "no such kind or state";
    if (o->amount_minor < 0 || o->currency != p->currency)
        return "amount or currency do not fit the payment";
    if (o->state != OPS_FAILED && (o->stan == 0 || o->sent_ms == 0 || o->link[0] == '\0'))
        return "sent without a trace number, a time or a link";
    if (o->id != p->id)
        return o->parent_id > 0 && o->parent_id < o->id ? NULL : "it follows nothing";
    if (o->kind != OPK_AUTHORIZE && o->kind != OPK_SALE)
        return "a payment that no authorization or sale opened";
    for (size_t i = 0; i < COUNT(openings); i++)
        if (openings[i].payment == p->state)
            return (openings[i].opening & BIT(o->state)) != 0 ? NULL
                                                              : "no edge leads to these states";
    return "no such state of a payment";
}

void machine_print(struct buf *out)
{
    buf_str(out, STR("digraph turnpike {\n  rankdir=LR;\n  node [shape=box, style=rounded, "
                     "fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", "
                     "fontsize=10];\n  subgraph cluster_payment {\n    label=\"payment\";\n"));
    for (size_t i = 0; i < COUNT(payment_edges); i++)
        buf_printf(out, "    P_%s -> P_%s [label=\"%s\"];\n", payment_states[payment_edges[i].from],
            payment_states[payment_edges[i].to], payment_events[payment_edges[i].event]);
    for (size_t i = 0; i < COUNT(payment_states); i++)
        buf_printf(out, "    P_%s [label=\"%s\"];\n", payment_states[i], payment_states[i]);
    buf_str(out, STR("  }\n"));
    operation_edges_print(out);
    buf_str(out, STR("}\n"));
}
