/*
 * A decision: what the pure functions of the engine read, and what they leave behind.
 *
 * decide_* functions get loaded rows (the working set), an event, the time and random bytes. They
 * change rows, post ledger entries and list effects. They call no SQL, no socket and no clock.
 * Effects happen only after the commit.
 */
#ifndef TURNPIKE_ENGINE_DECISION_H
#define TURNPIKE_ENGINE_DECISION_H

#include "base/id.h"
#include "engine/engine.h"
#include "engine/timers.h"
#include "engine/workset.h"

enum { BATCH_EVENTS = 512, EFFECTS_PER_EVENT = 4, ENTRIES_PER_EVENT = 8 };

enum effect_kind {
    EFFECT_SEND,   /* the operation goes to its link */
    EFFECT_REPLY,  /* the command of the event being decided is answered */
    EFFECT_TELL,   /* the command that waits for the operation, if any, is answered */
    EFFECT_WAIT,   /* the command of the event waits for the operation */
    EFFECT_REPEAT, /* the operation is looked at again at at_ms */
    EFFECT_EXPIRE  /* a window ends at at_ms */
};

struct effect {
    enum effect_kind kind;
    struct command *command;
    struct operation_row *operation;
    uint8_t link;
    int64_t at_ms;
};

struct decision {
    struct workset *rows;
    struct arena *arena;
    int64_t now_ms;
    struct idgen *ids;
    struct rng *rng;
    struct vault *vault;
    const struct acquirer_port *port; /* the views only; submit is not called here */
    uint32_t *next_stan;              /* per link */

    struct effect *effects;
    size_t n_effects;
    struct entry_row *entries;
    size_t n_entries;
};

/* ---- command.c: what merchants ask ---- */

/* Wants the rows that deciding c needs: in two rounds, each followed by a load. */
void command_want(struct decision *d, const struct command *c);
void command_want_more(struct decision *d, const struct command *c);
void decide_command(struct decision *d, struct command *c);

/* ---- operation.c: what happens to operations ---- */

enum operation_event {
    OPE_SEND,          /* it is written, then sent */
    OPE_NO_LINK,       /* no link is up: it is written as failed */
    OPE_APPROVE,       /* the host agreed; for advices: took note */
    OPE_DECLINE,       /* the host refused */
    OPE_SILENCE,       /* no answer, or one that does not fit */
    OPE_NOT_SENT,      /* the link could not send it: nothing left */
    OPE_LATE_APPROVAL, /* an approval after the silence */
    OPE_REVERSED,      /* its reversal was acknowledged */
    OPE_STUCK,         /* the host refused an advice, or it was repeated for too long */
    OPE_REPEAT         /* an advice is due again */
};

/* What the event brought along. */
struct hearing {
    const struct acquirer_event *answer; /* NULL when there was none */
    enum outcome outcome;                /* of a refusal or a silence */
};

/* Wants the rows that an event for o needs: payment, parent, and (to send something) the card. */
void operation_want_more(struct decision *d, const struct operation_row *o);

/*
 * Moves o along the edge for ev and does what belongs to it; false, with nothing changed, when the
 * table has no such edge.
 */
bool operation_apply(
    struct decision *d, struct operation_row *o, enum operation_event ev, const struct hearing *h);

/* An event of a link, or a timer's OPE_REPEAT, for a loaded operation. */
void decide_answer(struct decision *d, const struct acquirer_event *ev);
void decide_repeat(struct decision *d, const struct timer *t);

/* The window of p has ended. */
void decide_expiry(struct decision *d, struct payment_row *p);

/*
 * A new operation of p, following parent (NULL for an opening), with an id and times but no state
 * yet: for decide_ functions.
 */
struct operation_row operation_draft(struct decision *d, const struct payment_row *p,
    enum operation_kind kind, const struct operation_row *parent);

/* Adds the draft and applies OPE_SEND on that link, or OPE_NO_LINK when link < 0. */
struct operation_row *operation_start(
    struct decision *d, const struct operation_row *draft, int link);

void effect_add(struct decision *d, struct effect e);

/* ---- route.c ---- */

enum { ROUTE_NONE = -1, ROUTE_DOWN = -2, ROUTE_FULL = -3 };

/*
 * The first link, in configuration order, that takes brand, currency and merchant, is up and has
 * room. ROUTE_NONE: none takes them at all.
 */
int route_pick(
    const struct acquirer_port *port, uint8_t brand, uint16_t currency, int64_t merchant_id);

/*
 * The link of that name when it is up; else one that is up with the same acquirer; ROUTE_DOWN;
 * ROUTE_NONE when the name is not configured any more.
 */
int route_again(const struct acquirer_port *port, const char *name);

/* Where an advice goes: as route_again, but a link that is down will do; it waits there. */
uint8_t route_advice(const struct acquirer_port *port, const char *name);

/*
 * Links of one acquirer share the trace numbers of the first of them: a number is unique per DE 32.
 */
uint8_t stan_owner(const struct acquirer_port *port, uint8_t link);

/* ---- message.c ---- */

/*
 * What goes on the wire for o; false when a row that it needs is missing. pan and cvv are the
 * caller's.
 */
bool message_of(struct decision *d, const struct operation_row *o,
    const struct merchant_row *merchant, struct acquirer_message *out);

/* RRN: last digit of the year, day of the year, hour, STAN (spec/iso8583.md §8.1). */
void rrn_make(int64_t sent_ms, uint32_t stan, char out[13]);

/* Advices are repeated until answered and never reversed. */
bool kind_is_advice(enum operation_kind k); /* capture, void, reversal, release */

#endif
