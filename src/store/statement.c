#include "store/statement.h"

#include <assert.h>

#define BY_KEY   "WHERE merchant_id = $1 AND id = $2"
#define AFTER    "(merchant_id, id) > ($1, $2) ORDER BY merchant_id, id LIMIT $3"
#define KEY_WALK "WHERE " AFTER

/*
 * The largest id of a table whose key is (merchant_id, id), by one step into the index per
 * merchant instead of a scan.
 */
#define LAST_ID(table)                                                                             \
    "WITH RECURSIVE owner (merchant) AS (SELECT min(merchant_id) FROM " table                      \
    " UNION ALL SELECT (SELECT min(merchant_id) FROM " table " WHERE merchant_id > merchant)"      \
    " FROM owner WHERE merchant IS NOT NULL)"                                                      \
    " SELECT coalesce(max((SELECT max(id) FROM " table " WHERE merchant_id = merchant)), 0)"       \
    " FROM owner"

/*
 * The conditions on states are worded as those of the partial indexes in store/schema.c: 1 SENT,
 * 4 IN_DOUBT; 2 AUTHORIZED.
 */
_Static_assert(OPS_SENT == 1 && OPS_IN_DOUBT == 4 && PAY_AUTHORIZED == 2,
    "numbers of states are part of the schema");

/* clang-format off */
const struct statement statements[ST_COUNT] = {
    [ST_OPERATION] = { VERB_SELECT, &row_operation, BY_KEY, "operation" },
    [ST_OPERATION_BY_UNIQUE] = { VERB_SELECT, &row_operation,
        "WHERE merchant_id = $1 AND unique_id = $2", "operation by unique id" },
    [ST_PAYMENT] = { VERB_SELECT, &row_payment, BY_KEY, "payment" },
    [ST_CARD] = { VERB_SELECT, &row_card, BY_KEY, "card" },
    [ST_CARD_BY_FINGERPRINT] = { VERB_SELECT, &row_card,
        "WHERE merchant_id = $1 AND fingerprint = $2", "card by fingerprint" },
    [ST_CARD_BY_TOKEN] = { VERB_SELECT, &row_card,
        "WHERE merchant_id = $1 AND token = $2", "card by token" },

    [ST_ADD_OPERATION] = { VERB_INSERT, &row_operation, "", "add operation" },
    [ST_ADD_PAYMENT] = { VERB_INSERT, &row_payment, "", "add payment" },
    [ST_ADD_CARD] = { VERB_INSERT, &row_card, "", "add card" },
    [ST_ADD_ENTRY] = { VERB_INSERT, &row_entry, "", "add entry" },
    [ST_CHANGE_OPERATION] = { VERB_UPDATE, &row_operation, "", "change operation" },
    [ST_CHANGE_PAYMENT] = { VERB_UPDATE, &row_payment, "", "change payment" },
    [ST_CHANGE_CARD] = { VERB_UPDATE, &row_card, "", "change card" },

    [ST_PENDING] = { VERB_SELECT, &row_operation,
        "WHERE state IN (1, 4) AND " AFTER, "pending operations" },
    [ST_EXPIRED] = { VERB_SELECT, &row_payment,
        "WHERE state = 2 AND expires_ms > 0 AND expires_ms <= $1"
        " ORDER BY expires_ms, merchant_id, id LIMIT $2", "expired payments" },
    [ST_NEXT_EXPIRY] = { VERB_PLAIN, NULL,
        "SELECT coalesce(min(expires_ms), 0) FROM payment WHERE state = 2 AND expires_ms > 0",
        "next expiry" },
    [ST_LAST_OPERATION_ID] = { VERB_PLAIN, NULL, LAST_ID("operation"), "last operation id" },
    [ST_LAST_CARD_ID] = { VERB_PLAIN, NULL, LAST_ID("card"), "last card id" },
    [ST_CARDS_OF_LOWER_KEYS] = { VERB_SELECT, &row_card,
        "WHERE key_id < $1 ORDER BY key_id LIMIT $2", "cards of lower keys" },
    [ST_CARDS_OF_HIGHER_KEYS] = { VERB_SELECT, &row_card,
        "WHERE key_id > $1 ORDER BY key_id LIMIT $2", "cards of higher keys" },
    [ST_WALK_OPERATIONS] = { VERB_SELECT, &row_operation, KEY_WALK, "walk operations" },
    [ST_WALK_PAYMENTS] = { VERB_SELECT, &row_payment, KEY_WALK, "walk payments" },
    [ST_WALK_CARDS] = { VERB_SELECT, &row_card, KEY_WALK, "walk cards" },
    [ST_ENTRIES] = { VERB_SELECT, &row_entry,
        "WHERE merchant_id = $1 AND operation_id = $2 ORDER BY seq", "entries" },
    [ST_FOLLOWERS] = { VERB_SELECT, &row_operation,
        "WHERE merchant_id = $1 AND payment_id = $2 AND parent_id > 0 ORDER BY id",
        "followers of a payment" },
    [ST_BALANCES] = { VERB_SELECT, &row_balance,
        "WHERE merchant_id BETWEEN $1 AND $2 GROUP BY merchant_id, account, currency"
        " ORDER BY merchant_id, account, currency", "balances" },

    [ST_SETTING] = { VERB_PLAIN, NULL, "SELECT value FROM setting WHERE name = $1", "setting" },
    [ST_SET] = { VERB_PLAIN, NULL, "INSERT INTO setting (name, value) VALUES ($1, $2)"
        " ON CONFLICT (name) DO UPDATE SET value = excluded.value", "set" },
    [ST_RAISE_SETTING] = { VERB_PLAIN, NULL, "INSERT INTO setting (name, value) VALUES ($1, 1)"
        " ON CONFLICT (name) DO UPDATE SET value = setting.value + 1", "raise setting" },
    [ST_MERCHANTS] = { VERB_SELECT, &row_merchant, "ORDER BY id", "merchants" },
    [ST_NEXT_MERCHANT_ID] = { VERB_PLAIN, NULL, "SELECT coalesce(max(id), 0) + 1 FROM merchant",
        "next merchant id" },
    [ST_PUT_MERCHANT] = { VERB_PUT, &row_merchant, "", "put merchant" },
};
/* clang-format on */

static void add_names(const struct row_type *row, struct buf *out)
{
    for (size_t i = 0; i < row->n; i++)
        buf_printf(out, "%s%s", i > 0 ? ", " : "", row->columns[i].name);
}

static void add_insert(const struct row_type *row, const char *insert, size_t rows, struct buf *out)
{
    buf_printf(out, "%s %s (", insert, row->table);
    add_names(row, out);
    buf_str(out, STR(") VALUES"));
    size_t parameter = 0;
    for (size_t r = 0; r < rows; r++) {
        for (size_t i = 0; i < row->n; i++)
            buf_printf(out, "%s$%zu", i > 0 ? ", " : r > 0 ? ", (" : " (", ++parameter);
        buf_str(out, STR(")"));
    }
}

/* The columns that may change are the first parameters, the key the last. */
static void add_update(const struct row_type *row, struct buf *out)
{
    buf_printf(out, "UPDATE %s SET", row->table);
    size_t parameter = 0;
    for (size_t i = 0; i < row->n; i++)
        if ((row->columns[i].marks & (COL_KEY | COL_FIXED)) == 0) {
            buf_printf(
                out, "%s %s = $%zu", parameter > 0 ? "," : "", row->columns[i].name, parameter + 1);
            parameter++;
        }
    for (size_t i = 0; i < row->n && (row->columns[i].marks & COL_KEY) != 0; i++)
        buf_printf(
            out, " %s %s = $%zu", i > 0 ? "AND" : "WHERE", row->columns[i].name, ++parameter);
}

/* For a table whose key is `id` alone. */
static void add_put(const struct row_type *row, struct buf *out)
{
    add_insert(row, "INSERT INTO", 1, out);
    buf_str(out, STR(" ON CONFLICT (id) DO UPDATE SET"));
    bool first = true;
    for (size_t i = 0; i < row->n; i++)
        if ((row->columns[i].marks & (COL_KEY | COL_FIXED)) == 0) {
            const char *name = row->columns[i].name;
            buf_printf(out, "%s %s = excluded.%s", first ? "" : ",", name, name);
            first = false;
        }
}

void statement_text(const struct statement *s, const char *insert, size_t rows, struct buf *out)
{
    assert(s->text != NULL && (s->row != NULL || s->verb == VERB_PLAIN));
    switch (s->verb) {
    case VERB_SELECT:
        buf_str(out, STR("SELECT "));
        add_names(s->row, out);
        buf_printf(out, " FROM %s ", s->row->table);
        break;
    case VERB_INSERT:
        add_insert(s->row, insert, rows, out);
        break;
    case VERB_UPDATE:
        add_update(s->row, out);
        break;
    case VERB_PUT:
        add_put(s->row, out);
        break;
    case VERB_PLAIN:
        break;
    }
    buf_str(out, str_of(s->text));
}
