/*
 * The statements, written once for both databases.
 *
 * Parameters are $1, $2, ... and appear for the first time in that order, which SQLite numbers
 * the same way. Column lists come from store/columns.h.
 */
#ifndef TURNPIKE_STORE_STATEMENT_H
#define TURNPIKE_STORE_STATEMENT_H

#include "base/buf.h"
#include "store/columns.h"

enum statement_id {
    ST_OPERATION,
    ST_OPERATION_BY_UNIQUE,
    ST_PAYMENT,
    ST_CARD,
    ST_CARD_BY_FINGERPRINT,
    ST_CARD_BY_TOKEN,
    ST_ADD_OPERATION,
    ST_ADD_PAYMENT,
    ST_ADD_CARD,
    ST_ADD_ENTRY,
    ST_CHANGE_OPERATION,
    ST_CHANGE_PAYMENT,
    ST_CHANGE_CARD,
    ST_PENDING,
    ST_EXPIRED,
    ST_NEXT_EXPIRY,
    ST_LAST_OPERATION_ID,
    ST_LAST_CARD_ID,
    ST_CARDS_OF_LOWER_KEYS,
    ST_CARDS_OF_HIGHER_KEYS,
    ST_WALK_OPERATIONS,
    ST_WALK_PAYMENTS,
    ST_WALK_CARDS,
    ST_ENTRIES,
    ST_FOLLOWERS,
    ST_BALANCES,
    ST_SETTING,
    ST_SET,
    ST_MERCHANTS,
    ST_NEXT_MERCHANT_ID,
    ST_PUT_MERCHANT,
    ST_RAISE_SETTING,
    ST_COUNT
};

enum statement_verb { VERB_SELECT, VERB_INSERT, VERB_UPDATE, VERB_PUT, VERB_PLAIN };

struct statement {
    enum statement_verb verb;
    const struct row_type *row; /* NULL when the text is all there is */
    const char *text;           /* what follows the column list */
    const char *name;           /* for the log */
};

extern const struct statement statements[ST_COUNT];

enum { STATEMENT_MAX = 8192 };

/*
 * Appends the SQL text of a statement. An insert takes `rows` rows at once and begins with the
 * words the database likes best for it, such as "INSERT INTO"; the others ignore both.
 */
void statement_text(const struct statement *s, const char *insert, size_t rows, struct buf *out);

#endif
