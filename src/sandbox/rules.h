/*
 * What the host decides about a card message (spec/iso8583.md §8.6): pure, on the books as they
 * are.
 */
#ifndef TURNPIKE_SANDBOX_RULES_H
#define TURNPIKE_SANDBOX_RULES_H

#include "iso8583/iso8583.h"
#include "sandbox/books.h"

enum rules_role { ROLE_AUTHORIZE, ROLE_FINANCIAL, ROLE_COMPLETION, ROLE_REVERSAL, RULES_ROLES };

struct rules_question {
    enum rules_role role;
    const struct iso_message *message; /* DE 2, 14, 25, 48 and 95 are read here, all else in x */
    uint16_t today;                    /* YYMM of DE 7 */
    int64_t tolerance_percent;
};

/*
 * Sets effect, kept, de39, authcode, cvv_result and delivery of x, whose other members describe the
 * message; of a repeat also the day. Changes nothing in the books: books_post does.
 */
void rules_decide(const struct books *b, const struct rules_question *q, struct exchange *x);

#endif
