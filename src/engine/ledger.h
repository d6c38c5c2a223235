/*
 * The ledger: double entry, append only.
 *
 * A transaction is an operation; its entries sum to zero. Which accounts a movement touches is one
 * table (ledger.c). Balances are sums of entries; nothing here updates a balance.
 */
#ifndef TURNPIKE_ENGINE_LEDGER_H
#define TURNPIKE_ENGINE_LEDGER_H

#include "engine/decision.h"

enum movement {
    MOVE_HOLD,    /* an authorization was approved */
    MOVE_UNHOLD,  /* a hold, or a part of it, ended */
    MOVE_CAPTURE, /* money is owed: a sale, a completion */
    MOVE_REFUND   /* money goes back */
};

/* Appends the two entries of a movement to the operation's transaction. amount > 0. */
void ledger_post(
    struct decision *d, const struct operation_row *o, enum movement m, int64_t amount_minor);

const char *account_name(enum entry_account a);

#endif
