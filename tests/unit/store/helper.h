/*
 * What the tests of the store share: a database in a folder of its own, random rows, and a second
 * connection that speaks plain SQL.
 */
#ifndef TURNPIKE_TESTS_STORE_HELPER_H
#define TURNPIKE_TESTS_STORE_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "base/money.h"
#include "base/rng.h"
#include "store/columns.h"
#include "store/store.h"

#include <dirent.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct place {
    char folder[200], path[256], url[300];
    char why[512];
    struct store *store; /* the writer */
    struct arena arena;
    struct rng rng;
};

static inline struct place *place_new(void)
{
    struct place *p = calloc(1, sizeof *p);
    assert_non_null(p);
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(p->folder, sizeof p->folder, "%s/turnpike-store-XXXXXX",
        tmp != NULL && strlen(tmp) < 100 ? tmp : "/tmp");
    assert_non_null(mkdtemp(p->folder));
    (void)snprintf(p->path, sizeof p->path, "%s/t.db", p->folder);
    (void)snprintf(p->url, sizeof p->url, "sqlite:%s", p->path);
    arena_init(&p->arena, 64u << 20);
    p->rng = rng_seeded(20261121);
    return p;
}

/* cmocka fixtures: a place with an open store; a place without. */
static inline int set_up_folder(void **state)
{
    log_setup(LOG_ERROR, -1);
    *state = place_new();
    return 0;
}

static inline int set_up(void **state)
{
    (void)set_up_folder(state);
    struct place *p = *state;
    p->store = store_open(p->url, STORE_WRITE, p->why, sizeof p->why);
    return p->store == NULL ? -1 : 0;
}

static inline int tear_down(void **state)
{
    struct place *p = *state;
    store_close(p->store);
    arena_free(&p->arena);
    DIR *folder = opendir(p->folder);
    assert_non_null(folder);
    for (struct dirent *e = readdir(folder); e != NULL; e = readdir(folder)) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", p->folder, e->d_name);
        if (e->d_name[0] != '.')
            assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(closedir(folder), 0);
    assert_int_equal(rmdir(p->folder), 0);
    free(p);
    return 0;
}

/* Runs SQL on a connection of its own, as somebody with the sqlite3 program would. */
static inline void sql(struct place *p, const char *text)
{
    sqlite3 *db;
    char *error = NULL;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    if (sqlite3_exec(db, text, NULL, NULL, &error) != SQLITE_OK)
        fail_msg("%s: %s", text, error);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static inline int64_t sql_number(struct place *p, const char *text)
{
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return n;
}

/* ---- rows ---- */

/* A row whose every field is random within what its column allows; slices are in the arena. */
static inline void random_row(struct place *p, const struct row_type *type, void *row)
{
    memset(row, 0, type->size);
    for (size_t i = 0; i < type->n; i++) {
        const struct column *c = &type->columns[i];
        if (c->type == COL_NUMBER) {
            uint64_t r, span = (uint64_t)c->max - (uint64_t)c->min;
            rng_fill(&p->rng, &r, sizeof r);
            uint64_t above = span == UINT64_MAX ? r : r % (span + 1);
            column_set_number(c, row, (int64_t)((uint64_t)c->min + above));
            continue;
        }
        size_t max = c->type == COL_SLICE  ? (size_t)c->max
                     : c->type == COL_TEXT ? c->size - 1u
                                           : c->size;
        if (max > 400 && rng_below(&p->rng, 8) != 0)
            max = 400;
        size_t n = c->type == COL_BYTES ? max : rng_below(&p->rng, (uint32_t)max + 1);
        char *bytes = arena_alloc(&p->arena, n);
        assert_non_null(bytes);
        rng_fill(&p->rng, bytes, n);
        for (size_t j = 0; j < n && (c->type == COL_TEXT || c->type == COL_SLICE); j++)
            bytes[j] = (char)(' ' + (unsigned char)bytes[j] % 95);
        column_set_bytes(c, row, (struct str) { bytes, n });
    }
}

static inline void assert_rows_equal(const struct row_type *type, const void *a, const void *b)
{
    for (size_t i = 0; i < type->n; i++) {
        const struct column *c = &type->columns[i];
        bool equal = c->type == COL_NUMBER ? column_number(c, a) == column_number(c, b)
                                           : str_eq(column_bytes(c, a), column_bytes(c, b));
        if (!equal)
            fail_msg("%s.%s differs", type->table, c->name);
    }
}

static inline struct operation_row *new_operation(struct place *p, int64_t merchant, int64_t id)
{
    struct operation_row *o = arena_new(&p->arena, struct operation_row);
    assert_non_null(o);
    *o = (struct operation_row) { .merchant_id = merchant,
        .id = id,
        .payment_id = id,
        .kind = OPK_SALE,
        .state = OPS_SENT,
        .currency = 978,
        .amount_minor = 1250,
        .link = "sandbox",
        .stan = 17,
        .facts = STR("{}"),
        .created_ms = 1000,
        .updated_ms = 1000 };
    return o;
}

static inline struct payment_row *new_payment(struct place *p, int64_t merchant, int64_t id)
{
    struct payment_row *y = arena_new(&p->arena, struct payment_row);
    assert_non_null(y);
    *y = (struct payment_row) { .merchant_id = merchant,
        .id = id,
        .face = FACE_GENOME,
        .state = PAY_OPENING,
        .currency = 978,
        .created_ms = 1000,
        .updated_ms = 1000 };
    return y;
}

static inline struct card_row *new_card(struct place *p, int64_t merchant, int64_t id)
{
    struct card_row *c = arena_new(&p->arena, struct card_row);
    assert_non_null(c);
    random_row(p, &row_card, c);
    c->merchant_id = merchant;
    c->id = id;
    c->key_id = 1;
    return c;
}

static inline enum store_result add_operation(struct place *p, struct operation_row *o)
{
    return store_commit(
        p->store, &(struct store_changes) { .new_operations = &o, .n_new_operations = 1 });
}

static inline enum store_result change_operation(struct place *p, struct operation_row *o)
{
    return store_commit(p->store, &(struct store_changes) { .operations = &o, .n_operations = 1 });
}

static inline enum store_result add_payment(struct place *p, struct payment_row *y)
{
    return store_commit(
        p->store, &(struct store_changes) { .new_payments = &y, .n_new_payments = 1 });
}

static inline enum store_result change_payment(struct place *p, struct payment_row *y)
{
    return store_commit(p->store, &(struct store_changes) { .payments = &y, .n_payments = 1 });
}

static inline enum store_result add_card(struct place *p, struct card_row *c)
{
    return store_commit(p->store, &(struct store_changes) { .new_cards = &c, .n_new_cards = 1 });
}

static inline enum store_result load_operation_from(
    struct place *p, struct store *s, int64_t merchant, int64_t id, struct operation_row **out)
{
    struct row_key key = { merchant, id };
    struct store_load l = { .operation_keys = &key, .operations = out, .n_operations = 1 };
    return store_load(s, &p->arena, &l);
}

/* The operation that must be there, or NULL for none. */
static inline struct operation_row *get_operation(struct place *p, int64_t merchant, int64_t id)
{
    struct operation_row *o;
    assert_int_equal(load_operation_from(p, p->store, merchant, id, &o), STORE_OK);
    return o;
}

#endif
