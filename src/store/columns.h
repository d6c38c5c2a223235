/*
 * Rows as columns: how each struct of store/rows.h lies in its table.
 *
 * One const table per row says the name of every column, where its field is, and which values are
 * sound. The same table makes the SQL (store/statement.c), binds a row and reads one back, so
 * that a field is named in one place, and what may be read is what may be written: a database is
 * input like any other.
 */
#ifndef TURNPIKE_STORE_COLUMNS_H
#define TURNPIKE_STORE_COLUMNS_H

#include "store/store.h"

#include <assert.h>
#include <string.h>

enum column_type {
    COL_NUMBER, /* an integer of 1, 2, 4 (unsigned) or 8 bytes (signed) between min and max */
    COL_TEXT,   /* a char array of `size` bytes with a NUL */
    COL_SLICE,  /* a struct str of at most max bytes, without NUL */
    COL_BYTES,  /* exactly `size` bytes */
    COL_SEALED  /* at most `size` bytes; how many is the one-byte field behind them */
};

enum {
    COL_KEY = 1,   /* part of the primary key; these columns come first */
    COL_FIXED = 2, /* set when the row is inserted, never changed */
    COL_NULL = 4   /* the empty slice is NULL, so that a unique index passes it over */
};

struct column {
    const char *name; /* or the expression that gives it */
    enum column_type type;
    unsigned marks;
    uint16_t offset, size;
    int64_t min, max;
};

struct row_type {
    const char *table;
    size_t size; /* of the struct */
    const struct column *columns;
    size_t n;
};

extern const struct row_type row_operation, row_payment, row_card, row_entry, row_merchant,
    row_balance;

/* True when the value is sound for the column: in range, not too long, text without NUL. */
static inline bool column_fits_number(const struct column *c, int64_t value)
{
    return value >= c->min && value <= c->max;
}
bool column_fits_bytes(const struct column *c, struct str bytes);

/* The number in a COL_NUMBER field. Inline like the next one: a sale moves about two hundred. */
static inline int64_t column_number(const struct column *c, const void *row)
{
    const char *at = (const char *)row + c->offset;
    uint16_t two;
    uint32_t four;
    int64_t eight;
    switch (c->size) {
    case 1:
        return *(const uint8_t *)at;
    case 2:
        memcpy(&two, at, sizeof two);
        return two;
    case 4:
        memcpy(&four, at, sizeof four);
        return four;
    default:
        assert(c->size == 8);
        memcpy(&eight, at, sizeof eight);
        return eight;
    }
}

static inline void column_set_number(const struct column *c, void *row, int64_t value)
{
    assert(column_fits_number(c, value));
    char *at = (char *)row + c->offset;
    uint16_t two = (uint16_t)value;
    uint32_t four = (uint32_t)value;
    switch (c->size) {
    case 1:
        *(uint8_t *)at = (uint8_t)value;
        break;
    case 2:
        memcpy(at, &two, sizeof two);
        break;
    case 4:
        memcpy(at, &four, sizeof four);
        break;
    default:
        assert(c->size == 8);
        memcpy(at, &value, sizeof value);
        break;
    }
}

/*
 * The bytes of any other field; a COL_TEXT that has no NUL gives all of the array, which
 * column_fits refuses.
 */
struct str column_bytes(const struct column *c, const void *row);

/* Puts bytes that fit into a field; a slice keeps pointing to them. */
void column_set_bytes(const struct column *c, void *row, struct str bytes);

#endif
