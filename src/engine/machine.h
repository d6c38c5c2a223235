/*
 * The life of a payment, and the pictures of both machines.
 *
 *   NEW ──open──► OPENING ──approved──► AUTHORIZED ──capture──► CAPTURING ──approved──► CAPTURED ──refund──► REFUNDING ──all──► REFUNDED
 *                   │ │                     │  ▲                   │                    ▲  ▲                 │
 *                   │ └──(a sale)───────────┼──┼───────────────────┼────────────────────┘  └──part, refused──┘
 *                   │                       │  └──────refused──────┘
 *                   ├──refused──► DECLINED  └──void──► VOIDED
 *                   └──silence──► REVERSING ──reversed──► REVERSED          stuck anywhere ──► MANUAL
 *
 * A payment has at most one operation on its way at a time (OPENING, CAPTURING, REFUNDING,
 * REVERSING); releases of unused holds and voids are decided at once and delivered behind it.
 */
#ifndef TURNPIKE_ENGINE_MACHINE_H
#define TURNPIKE_ENGINE_MACHINE_H

#include "base/buf.h"
#include "store/rows.h"

enum payment_event {
    PE_OPEN,
    PE_HELD,
    PE_CAPTURED,
    PE_REFUSED,
    PE_DOUBT,
    PE_REVERSED,
    PE_CAPTURE,
    PE_VOID,
    PE_REFUND,
    PE_REFUNDED_PART,
    PE_REFUNDED_ALL,
    PE_STUCK
};

/* Moves p along its edge; false, with nothing changed, when there is none. */
bool payment_apply(struct payment_row *p, enum payment_event ev);

/*
 * Asserts what must be true of p in its state: amounts, ids, window. Called at both ends of every
 * decision.
 */
void assert_payment_valid(const struct payment_row *p);

/* The same as a question, for verify: NULL when all is well, else a sentence. */
const char *payment_fault(const struct payment_row *p);
const char *operation_fault(const struct operation_row *o, const struct payment_row *p);

const char *payment_state_name(enum payment_state s);
const char *operation_state_name(enum operation_state s);
const char *operation_kind_name(enum operation_kind k);

/* Both tables as one Graphviz file. */
void machine_print(struct buf *out);

/* operation.c: its part of the picture. */
void operation_edges_print(struct buf *out);

#endif
