#include "base/log.h"
#include "store/sqlite.h"

#include <assert.h>
#include <string.h>

/* The two numbers that name a row in the log: for most tables the merchant and the id. */
static void log_unsound(
    const char *event, const struct row_type *type, const char *column, int64_t key, int64_t second)
{
    log_event(LOG_ERROR, event, "table=%s column=%s merchant=%lld id=%llX", type->table, column,
        (long long)key, (unsigned long long)second);
}

/* ---- to a statement ---- */

static bool bind_number(sqlite3_stmt *st, int at, const struct column *c, const void *row)
{
    int64_t value = column_number(c, row);
    return column_fits_number(c, value) && sqlite3_bind_int64(st, at, value) == SQLITE_OK;
}

/* The bytes stay where they are: the row outlives the step. */
static bool bind_bytes(sqlite3_stmt *st, int at, const struct column *c, const void *row)
{
    struct str bytes = column_bytes(c, row);
    if (!column_fits_bytes(c, bytes))
        return false;
    if (bytes.n == 0 && (c->marks & COL_NULL) != 0)
        return sqlite3_bind_null(st, at) == SQLITE_OK;
    const char *p = bytes.n > 0 ? bytes.p : "";
    if (c->type == COL_BYTES || c->type == COL_SEALED)
        return sqlite3_bind_blob(st, at, p, (int)bytes.n, SQLITE_STATIC) == SQLITE_OK;
    return sqlite3_bind_text(st, at, p, (int)bytes.n, SQLITE_STATIC) == SQLITE_OK;
}

static bool bind_column(
    sqlite3_stmt *st, int at, const struct row_type *type, size_t column, const void *row)
{
    const struct column *c = &type->columns[column];
    bool bound = c->type == COL_NUMBER ? bind_number(st, at, c, row) : bind_bytes(st, at, c, row);
    if (!bound)
        log_unsound("store.refused", type, c->name, column_number(&type->columns[0], row),
            column_number(&type->columns[1], row));
    return bound;
}

bool sqlite_bind_row(
    sqlite3_stmt *st, int *at, const struct row_type *type, const void *row, enum row_part part)
{
    const unsigned left_out = part == PART_ALL ? 0 : COL_KEY | COL_FIXED;
    for (size_t i = 0; i < type->n; i++)
        if ((type->columns[i].marks & left_out) == 0 && !bind_column(st, ++*at, type, i, row))
            return false;
    if (part == PART_ALL)
        return true;
    for (size_t i = 0; (type->columns[i].marks & COL_KEY) != 0; i++)
        if (!bind_column(st, ++*at, type, i, row))
            return false;
    return true;
}

/* ---- from a statement ---- */

static bool read_number(sqlite3_value *from, const struct column *c, void *row)
{
    if (sqlite3_value_type(from) != SQLITE_INTEGER)
        return false;
    int64_t value = sqlite3_value_int64(from);
    if (!column_fits_number(c, value))
        return false;
    column_set_number(c, row, value);
    return true;
}

static bool read_bytes(sqlite3_value *from, const struct column *c, struct arena *a, void *row)
{
    const bool binary = c->type == COL_BYTES || c->type == COL_SEALED;
    int type = sqlite3_value_type(from);
    if (type == SQLITE_NULL && (c->marks & COL_NULL) != 0) {
        column_set_bytes(c, row, STR_EMPTY);
        return true;
    }
    if (type != (binary ? SQLITE_BLOB : SQLITE_TEXT))
        return false;
    const char *p = binary ? sqlite3_value_blob(from) : (const char *)sqlite3_value_text(from);
    struct str bytes = { p, (size_t)sqlite3_value_bytes(from) };
    if ((p == NULL && bytes.n > 0) || !column_fits_bytes(c, bytes))
        return false;
    if (c->type == COL_SLICE) {
        bytes = arena_str(a, bytes);
        if (bytes.p == NULL)
            return false;
    }
    column_set_bytes(c, row, bytes);
    return true;
}

bool sqlite_read_row(sqlite3_stmt *st, const struct row_type *type, struct arena *a, void *row)
{
    memset(row, 0, type->size);
    for (size_t i = 0; i < type->n; i++) {
        const struct column *c = &type->columns[i];
        sqlite3_value *from = sqlite3_column_value(st, (int)i);
        if (!(c->type == COL_NUMBER ? read_number(from, c, row) : read_bytes(from, c, a, row))) {
            log_unsound("store.unsound", type, c->name, sqlite3_column_int64(st, 0),
                sqlite3_column_int64(st, 1));
            return false;
        }
    }
    return true;
}
