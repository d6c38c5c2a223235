/*
 * One exchange with the host: what was asked, what was decided, what it did to the books.
 *
 * It is the line of the journal and the only thing the books are changed by, so that a replay of
 * the journal leads to the same books as the messages did. It carries neither a CVV nor a whole
 * card number: the mask (first six, last four) stands in for DE 2 in the key of §8.6 too, where
 * STAN, date, acquirer and terminal already tell two messages apart. So nothing in the journal can
 * be turned back into a card.
 */
#ifndef TURNPIKE_SANDBOX_EXCHANGE_H
#define TURNPIKE_SANDBOX_EXCHANGE_H

#include "base/str.h"

enum { EXCHANGE_REFERENCE_MAX = 64, EXCHANGE_PAN_MAX = 19 };

/* What an exchange did to the books. */
enum effect {
    EFFECT_SKIP, /* nothing, and nothing is remembered: echo, 91 before sign-on, a dropped request */
    EFFECT_NONE,    /* no money moved; the answer is remembered: declines, reversals done before */
    EFFECT_HOLD,    /* kept = what is held */
    EFFECT_SALE,    /* kept = what is taken */
    EFFECT_CAPTURE, /* of the original's hold */
    EFFECT_REFUND,  /* to the original, or a credit without one */
    EFFECT_REVERSE, /* the original is undone */
    EFFECT_RELEASE, /* the original is reduced to kept */
    EFFECT_UNSEEN,  /* a reversal of what never came: its key is remembered and refused later */
    EFFECT_RETRY,   /* a reversal put off, counted at the original */
    EFFECT_REPEAT,  /* a message seen before, counted where it is remembered */
    EFFECT_CUTOVER, /* day is the first business day from here on */
    EFFECT_COUNT
};

/* What became of the answer. */
enum delivery {
    DELIVERY_ANSWER,
    DELIVERY_SILENT,
    DELIVERY_LATE,
    DELIVERY_TWICE,
    DELIVERY_CLOSE, /* the connection is closed without an answer */
    DELIVERY_WRONG_MAC,
    DELIVERY_OTHER_AMOUNT,
    DELIVERY_ODD_FIELDS,
    DELIVERY_GARBAGE,
    DELIVERY_COUNT
};

/* The slices lie in the message, or in the journal's line. */
struct exchange {
    int64_t at_ms;
    char mti[5];
    struct str pan;        /* masked */
    struct str processing; /* DE 3 */
    struct str stan, sent; /* DE 11, 7 */
    struct str acquirer;   /* DE 32 */
    struct str terminal;   /* DE 41, 42, without their fill */
    struct str merchant;
    struct str rrn;       /* DE 37 */
    struct str reference; /* DE 63 */
    struct str original;  /* DE 90 */
    int64_t amount, kept; /* DE 4; what the decision left of it */
    uint16_t currency;    /* DE 49 or 50 */
    uint32_t day;         /* business day, 20261121 */
    char network[4];      /* DE 70 */
    char de39[3];         /* "" when nothing was decided */
    char authcode[7];     /* DE 38 */
    char cvv_result[2];   /* DE 48.87 */
    enum effect effect;
    enum delivery delivery;
    uint64_t key, original_key, reference_key; /* by exchange_identify */
};

/* Writes the mask of a card number: its first six and last four digits, stars between. */
struct str exchange_mask(struct str pan, char out[EXCHANGE_PAN_MAX]);

/* Computes the keys of x from its other members. */
void exchange_identify(struct exchange *x);

/* SipHash under a key that is no secret: the same in every run. */
uint64_t exchange_hash(const void *bytes, size_t n);

/* True for the codes that book money: 00, 08, 10, 11, 16, 85. */
bool exchange_is_approval(const char *de39);

/* What is approved when DE 39 is 10: half, rounded up. */
int64_t exchange_partial(int64_t amount);

#endif
