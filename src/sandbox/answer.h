/*
 * The host's answers (spec/iso8583.md §6): which elements are echoed, which are added.
 */
#ifndef TURNPIKE_SANDBOX_ANSWER_H
#define TURNPIKE_SANDBOX_ANSWER_H

#include "iso8583/iso8583.h"
#include "sandbox/books.h"

enum answer_shape {
    ANSWER_OPENING,    /* 0110, 0210 */
    ANSWER_COMPLETION, /* 0230 */
    ANSWER_REVERSAL,   /* 0410, 0430 */
    ANSWER_RECONCILIATION,
    ANSWER_NETWORK,
    ANSWER_SHAPES
};

/* Begins the answer to request: MTI, echoed elements, DE 39. Its slices lie in request and x. */
void answer_build(struct iso_message *answer, enum answer_shape shape,
    const struct iso_message *request, const struct exchange *x);

/* Adds the host's totals (DE 74-77, 86-89, 97). */
void answer_totals(struct iso_message *answer, const struct book_totals *t);

#endif
