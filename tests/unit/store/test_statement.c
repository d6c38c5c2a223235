#include "helper.h"

#include "store/statement.h"

/* Calls `look` with every line of the plan of every statement. */
static void each_plan(struct place *p, void (*look)(const struct statement *s, const char *line))
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    for (size_t i = 0; i < ST_COUNT; i++) {
        struct buf text;
        sqlite3_stmt *st;
        buf_init(&text, STATEMENT_MAX);
        buf_str(&text, STR("EXPLAIN QUERY PLAN "));
        statement_text(&statements[i], "INSERT INTO", 3, &text);
        assert_false(text.full);
        if (sqlite3_prepare_v2(db, text.p, (int)text.n, &st, NULL) != SQLITE_OK)
            fail_msg("%s: %s", statements[i].name, sqlite3_errmsg(db));
        while (sqlite3_step(st) == SQLITE_ROW)
            look(&statements[i], (const char *)sqlite3_column_text(st, 3));
        assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
        buf_free(&text);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* Merchants are few and read whole; balances are a sum over all entries. */
static bool reads_everything(const struct statement *s)
{
    return s == &statements[ST_MERCHANTS] || s == &statements[ST_BALANCES];
}

/* A scan of a partial index is a walk along the few rows that wait. */
static void assert_no_scan(const struct statement *s, const char *line)
{
    bool scans = strstr(line, "SCAN") != NULL && strstr(line, "INDEX payment_window") == NULL &&
                 strstr(line, "SCAN owner") == NULL && strstr(line, "CONSTANT") == NULL;
    if (scans && !reads_everything(s))
        fail_msg("%s: %s", s->name, line);
}

static void assert_no_sort(const struct statement *s, const char *line)
{
    if (strstr(line, "TEMP B-TREE") != NULL && !reads_everything(s))
        fail_msg("%s: %s", s->name, line);
}

static void assert_small_index(const struct statement *s, const char *line)
{
    if (s == &statements[ST_PENDING])
        assert_non_null(strstr(line, "operation_pending"));
    if (s == &statements[ST_EXPIRED] || s == &statements[ST_NEXT_EXPIRY])
        assert_non_null(strstr(line, "payment_window"));
    if (s == &statements[ST_FOLLOWERS])
        assert_non_null(strstr(line, "operation_follower"));
}

static void no_statement_reads_a_whole_table(void **state)
{
    each_plan(*state, assert_no_scan);
}

static void no_statement_sorts_what_an_index_has_in_order(void **state)
{
    each_plan(*state, assert_no_sort);
}

static void what_waits_is_found_through_an_index_of_what_waits(void **state)
{
    each_plan(*state, assert_small_index);
}

static void parameters_are_numbered_in_the_order_of_their_first_use(void **state)
{
    struct place *p = *state;
    sqlite3 *db;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    for (size_t i = 0; i < ST_COUNT; i++) {
        struct buf text;
        sqlite3_stmt *st;
        buf_init(&text, STATEMENT_MAX);
        statement_text(&statements[i], "INSERT INTO", 3, &text);
        assert_int_equal(sqlite3_prepare_v2(db, text.p, (int)text.n, &st, NULL), SQLITE_OK);
        for (int n = 1; n <= sqlite3_bind_parameter_count(st); n++) {
            char name[16];
            (void)snprintf(name, sizeof name, "$%d", n);
            assert_string_equal(sqlite3_bind_parameter_name(st, n), name);
        }
        assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
        buf_free(&text);
    }
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void columns_lie_inside_their_row_and_keys_come_first(void **state)
{
    (void)state;
    const struct row_type *const types[] = { &row_operation, &row_payment, &row_card, &row_entry,
        &row_merchant, &row_balance };
    for (size_t t = 0; t < COUNT(types); t++) {
        bool keys_ended = false;
        for (size_t i = 0; i < types[t]->n; i++) {
            const struct column *c = &types[t]->columns[i];
            bool key = (c->marks & COL_KEY) != 0;
            assert_true((size_t)c->offset + c->size <= types[t]->size);
            assert_false(key && keys_ended);
            assert_true(c->type != COL_NUMBER || c->min < c->max);
            keys_ended = keys_ended || !key;
        }
    }
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(no_statement_reads_a_whole_table),
        EACH(no_statement_sorts_what_an_index_has_in_order),
        EACH(what_waits_is_found_through_an_index_of_what_waits),
        EACH(parameters_are_numbered_in_the_order_of_their_first_use),
        EACH(columns_lie_inside_their_row_and_keys_come_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
