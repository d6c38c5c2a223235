/*
 * The sandbox's issuer: what a card does, as one table (cards.c).
 *
 * Five families of merchants share the host and each has test cards of its own, so the same number
 * may behave differently for two of them: the first letters of the merchant id (DE 42) choose the
 * column. Cards of no list are approved, as long as they pass the Luhn check and are not expired.
 */
#ifndef TURNPIKE_SANDBOX_CARDS_H
#define TURNPIKE_SANDBOX_CARDS_H

#include "sandbox/exchange.h"

enum card_column {
    CARDS_ALL, /* of a row: every merchant */
    CARDS_GENOME,
    CARDS_BEGATEWAY,
    CARDS_RBS,
    CARDS_BISYS,
    CARDS_OPTATUM,
    CARDS_GENERIC /* every other merchant id */
};

enum card_column cards_column(struct str merchant);

struct card_question {
    enum card_column column;
    struct str pan, expiry, cvv; /* expiry YYMM; the last two may be empty */
    int64_t amount;
    uint16_t currency;
    uint16_t today; /* YYMM of DE 7 */
};

struct card_verdict {
    char de39[3];
    char cvv_result;      /* 0: none */
    const char *authcode; /* NULL: the host makes one */
    enum delivery delivery;
    bool unbooked; /* the request is lost before it is decided */
};

void cards_decide(const struct card_question *q, struct card_verdict *out);

/* The scenario RRR of a selector card (spec/iso8583.md §13); SCENARIO_NONE for any other card. */
enum { SCENARIO_NONE = 1000 };
unsigned cards_scenario(struct str pan);

/* Cards for trying out one outcome each; expiry and CVV may be anything valid. */
struct test_card {
    const char *pan, *de39; /* "" where no answer comes, or none in time */
    const char *meaning;
};
const struct test_card *cards_for_tests(size_t *count);

/* True for the Luhn check. */
bool cards_luhn(struct str pan);

/* Every card number that has a row, one at a time, until it returns false: for tests. */
bool cards_listed(size_t i, struct str *pan);

#endif
