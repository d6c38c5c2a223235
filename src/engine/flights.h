/*
 * Copies of the rows of operations that are on their way, so that their answers need not load them.
 *
 * Only the engine changes rows, and while an operation is on its way its payment waits for it, so a
 * copy stays true from the commit that sent it until its first event takes it out. It is a cache of
 * fixed size: a copy may be gone, and then the store has the rows.
 */
#ifndef TURNPIKE_ENGINE_FLIGHTS_H
#define TURNPIKE_ENGINE_FLIGHTS_H

#include "engine/workset.h"

struct flights;

/* NULL without memory. */
struct flights *flights_new(void);
void flights_free(struct flights *f);

/* Keeps copies of a request or capture that was committed as SENT, and of its payment. */
void flights_keep(
    struct flights *f, const struct operation_row *o, const struct payment_row *payment);

/* Moves the copies into the working set; false when there are none. */
bool flights_take(struct flights *f, struct row_key operation, struct workset *w);

#endif
