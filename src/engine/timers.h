/*
 * What the engine will look at later: a heap by business time.
 *
 * A timer is only a reminder: when it fires, the row says whether there is still something to do.
 * So nothing is ever taken out.
 */
#ifndef TURNPIKE_ENGINE_TIMERS_H
#define TURNPIKE_ENGINE_TIMERS_H

#include "store/rows.h"

enum timer_kind {
    TIMER_REPEAT,   /* an advice is due again */
    TIMER_PATIENCE, /* a merchant has waited long enough */
    TIMER_SILENCE,  /* an answer could not be stored: it counts as none */
    TIMER_NOT_SENT  /* likewise, of a message that never left */
};

struct timer {
    int64_t at_ms;
    enum timer_kind kind;
    bool now;     /* its link has come up: due whatever the row says */
    bool resumed; /* found at start: nothing is under way, whatever the row says */
    struct row_key operation;
};

struct timers {
    struct timer *heap;
    size_t n, room;
};

/* Makes room for n more; false without memory. */
bool timers_reserve(struct timers *t, size_t n);
void timers_free(struct timers *t);

/* There must be room. */
void timers_add(struct timers *t, struct timer timer);

/* Takes the earliest when it is due. */
bool timers_take(struct timers *t, int64_t now_ms, struct timer *out);

/* Time of the earliest, INT64_MAX when there is none. */
int64_t timers_next(const struct timers *t);

/* Makes every TIMER_REPEAT due at once. */
void timers_hurry(struct timers *t, int64_t now_ms);

#endif
