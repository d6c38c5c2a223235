#include "helper.h"

#include "store/sqlite.h"

#include <signal.h>
#include <sys/resource.h>

/* ---- what may be read from a database that somebody has changed ---- */

/* Sends the log to a file while it lives. */
static int capture_log(struct place *p, char path[300])
{
    (void)snprintf(path, 300, "%s/log", p->folder);
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    log_setup(LOG_WARN, fd);
    return fd;
}

static void assert_logged(int fd, const char *wanted, const char *unwanted)
{
    char text[4096] = { 0 };
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    assert_true(n > 0);
    log_setup(LOG_ERROR, -1);
    assert_int_equal(close(fd), 0);
    if (strstr(text, wanted) == NULL)
        fail_msg("log has no \"%s\": %s", wanted, text);
    if (unwanted != NULL && strstr(text, unwanted) != NULL)
        fail_msg("log has \"%s\": %s", unwanted, text);
}

static void values_out_of_range_fail_the_load_with_table_key_and_column_in_the_log(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *damage, *line;
    } cases[] = {
        { "UPDATE operation SET state = 99", "column=state" },
        { "UPDATE operation SET state = 0", "column=state" },
        { "UPDATE operation SET kind = -1", "column=kind" },
        { "UPDATE operation SET outcome = 256", "column=outcome" },
        { "UPDATE operation SET currency = 70000", "column=currency" },
        { "UPDATE operation SET amount_minor = 1000000000000", "column=amount_minor" },
        { "UPDATE operation SET amount_minor = -1", "column=amount_minor" },
        { "UPDATE operation SET stan = 1000000", "column=stan" },
        { "UPDATE operation SET link = '12345678901234567'", "column=link" },
        { "UPDATE operation SET de39 = CAST(x'300030' AS TEXT)", "column=de39" },
        { "UPDATE operation SET facts = CAST(zeroblob(10) AS TEXT)", "column=facts" },
        { "UPDATE operation SET facts = hex(zeroblob(40000))", "column=facts" },
        { "UPDATE operation SET unique_id = hex(zeroblob(200))", "column=unique_id" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char log[300];
        struct operation_row *o;
        int64_t id = (int64_t)i + 1;
        assert_int_equal(add_operation(p, new_operation(p, 1, id)), STORE_OK);
        sql(p, cases[i].damage);
        int fd = capture_log(p, log);
        enum store_result result = load_operation_from(p, p->store, 1, id, &o);
        assert_logged(fd, cases[i].line, "sql");
        assert_int_equal(result, STORE_FAILED);
        sql(p, "DELETE FROM operation");
    }
}

static void a_line_about_an_unsound_row_names_its_key_in_hexadecimal(void **state)
{
    struct place *p = *state;
    char log[300];
    struct operation_row *o;
    assert_int_equal(add_operation(p, new_operation(p, 2, 255)), STORE_OK);
    sql(p, "UPDATE operation SET facts = hex(zeroblob(40000)) || '4111111111111111'");
    int fd = capture_log(p, log);
    assert_int_equal(load_operation_from(p, p->store, 2, 255, &o), STORE_FAILED);
    assert_logged(fd, "event=store.unsound table=operation column=facts merchant=2 id=FF", "4111");
}

static void bytes_of_the_wrong_length_fail_the_load_of_a_card(void **state)
{
    struct place *p = *state;
    static const char *const damages[] = { "UPDATE card SET sealed = zeroblob(65)",
        "UPDATE card SET token = zeroblob(15)", "UPDATE card SET fingerprint = zeroblob(17)",
        "UPDATE card SET key_id = 4294967296", "UPDATE card SET bin = '1234567890'",
        "UPDATE card SET expiry_yymm = 9999" };
    for (size_t i = 0; i < COUNT(damages); i++) {
        struct row_key key = { 1, 1 };
        struct card_row *c;
        struct store_load l = { .card_keys = &key, .cards = &c, .n_cards = 1 };
        assert_int_equal(add_card(p, new_card(p, 1, 1)), STORE_OK);
        assert_int_equal(store_load(p->store, &p->arena, &l), STORE_OK);
        sql(p, damages[i]);
        assert_int_equal(store_load(p->store, &p->arena, &l), STORE_FAILED);
        sql(p, "DELETE FROM card");
    }
}

static void unsound_rows_fail_every_list(void **state)
{
    struct place *p = *state;
    struct row_key start = { 0, 0 };
    struct operation_row **o;
    struct payment_row **y;
    struct card_row **c;
    struct entry_row *e;
    struct merchant_row *m, merchant = { .face = FACE_RBS, .login = "x" };
    struct balance *b;
    size_t n;
    struct entry_row entry = { 1, 1, 0, ACC_ISSUER_HOLD, 978, 5, 1 };
    struct payment_row *payment = new_payment(p, 1, 1);
    payment->state = PAY_AUTHORIZED;
    payment->expires_ms = 5;
    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_OK);
    assert_int_equal(add_payment(p, payment), STORE_OK);
    assert_int_equal(add_card(p, new_card(p, 1, 1)), STORE_OK);
    assert_int_equal(store_put_merchant(p->store, &merchant), STORE_OK);
    assert_int_equal(
        store_commit(p->store, &(struct store_changes) { .entries = &entry, .n_entries = 1 }),
        STORE_OK);
    sql(p,
        "UPDATE operation SET kind = 77; UPDATE payment SET face = 6; UPDATE card SET brand = 256;"
        "UPDATE entry SET account = 9; UPDATE merchant SET live = 2");
    struct arena *a = &p->arena;
    assert_int_equal(store_pending(p->store, a, start, 9, &o, &n), STORE_FAILED);
    assert_int_equal(n, 0);
    assert_int_equal(store_walk_operations(p->store, a, start, 9, &o, &n), STORE_FAILED);
    assert_int_equal(
        store_payment_operations(p->store, a, (struct row_key) { 1, 1 }, &o, &n), STORE_FAILED);
    assert_int_equal(store_expired(p->store, a, 9, 9, &y, &n), STORE_FAILED);
    assert_int_equal(store_walk_payments(p->store, a, start, 9, &y, &n), STORE_FAILED);
    assert_int_equal(store_cards_of_other_keys(p->store, a, 9, 9, &c, &n), STORE_FAILED);
    assert_int_equal(store_walk_cards(p->store, a, start, 9, &c, &n), STORE_FAILED);
    assert_int_equal(store_entries(p->store, a, (struct row_key) { 1, 1 }, &e, &n), STORE_FAILED);
    assert_int_equal(store_balances(p->store, a, 0, &b, &n), STORE_FAILED);
    assert_int_equal(store_merchants(p->store, a, &m, &n), STORE_FAILED);
    assert_int_equal(n, 0);
    assert_int_equal(store_set(p->store, "still", 1), STORE_OK);
}

static void a_sum_that_does_not_fit_fails_the_balances(void **state)
{
    struct place *p = *state;
    struct balance *b;
    size_t n;
    sql(p, "INSERT INTO entry VALUES (1, 1, 0, 1, 978, 9223372036854775807, 1);"
           "INSERT INTO entry VALUES (1, 1, 1, 1, 978, 9223372036854775807, 1)");
    assert_int_equal(store_balances(p->store, &p->arena, 1, &b, &n), STORE_FAILED);
}

static void pages_that_were_overwritten_fail_instead_of_giving_rows(void **state)
{
    struct place *p = *state;
    int64_t bytes;
    struct operation_row **o;
    size_t n;
    for (int64_t id = 1; id <= 200; id++)
        assert_int_equal(add_operation(p, new_operation(p, 1, id)), STORE_OK);
    assert_int_equal(store_checkpoint(p->store, false, &bytes), STORE_OK);
    store_close(p->store);
    int64_t root = sql_number(p, "SELECT rootpage FROM sqlite_schema WHERE name = 'operation'");
    int fd = open(p->path, O_WRONLY);
    char noise[4096];
    rng_fill(&p->rng, noise, sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, (root - 1) * 4096), sizeof noise);
    assert_int_equal(close(fd), 0);
    p->store = store_open(p->url, STORE_WRITE, p->why, sizeof p->why);
    assert_non_null(p->store);
    struct row_key start = { 0, 0 };
    assert_int_equal(store_walk_operations(p->store, &p->arena, start, 1000, &o, &n), STORE_FAILED);
    assert_int_equal(add_operation(p, new_operation(p, 1, 201)), STORE_FAILED);
    assert_int_equal(store_set(p->store, "still", 1), STORE_OK);
}

static void a_table_that_is_gone_fails_every_call_that_needs_it(void **state)
{
    struct place *p = *state;
    int64_t value;
    bool found;
    struct merchant_row m = { .face = FACE_RBS, .login = "x" };
    struct operation_row **o;
    size_t n;
    sql(p, "DROP TABLE operation; DROP TABLE setting; DROP TABLE payment");
    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_FAILED);
    assert_int_equal(store_set(p->store, "x", 1), STORE_FAILED);
    assert_int_equal(store_setting(p->store, "x", &value, &found), STORE_FAILED);
    assert_int_equal(store_put_merchant(p->store, &m), STORE_FAILED);
    assert_int_equal(m.id, 0);
    assert_int_equal(sql_number(p, "SELECT count(*) FROM merchant"), 0);
    assert_int_equal(store_last_id(p->store, &value), STORE_FAILED);
    assert_int_equal(store_next_expiry(p->store, &value), STORE_FAILED);
    assert_int_equal(
        store_pending(p->store, &p->arena, (struct row_key) { 0, 0 }, 5, &o, &n), STORE_FAILED);
    assert_int_equal(add_card(p, new_card(p, 1, 1)), STORE_OK);
}

/* ---- what may be written ---- */

static void rows_out_of_range_are_refused_and_nothing_of_the_batch_is_written(void **state)
{
    struct place *p = *state;
    char *facts = arena_alloc(&p->arena, STORE_FACTS_MAX + 1);
    assert_non_null(facts);
    memset(facts, 'f', STORE_FACTS_MAX + 1);
    struct operation_row *bad[8];
    for (int i = 0; i < 8; i++)
        bad[i] = new_operation(p, 1, 100 + i);
    bad[0]->state = OPS_NEW;
    bad[1]->amount_minor = MONEY_MAX_MINOR + 1;
    bad[2]->facts = (struct str) { facts, STORE_FACTS_MAX + 1 };
    bad[3]->unique_id = (struct str) { facts, STORE_UNIQUE_MAX + 1 };
    bad[4]->unique_id = STR("with\0nul");
    memset(bad[5]->link, 'l', sizeof bad[5]->link); /* no NUL */
    bad[6]->merchant_id = 0;
    bad[7]->kind = (enum operation_kind)8;
    for (int i = 0; i < 8; i++) {
        struct operation_row *batch[2] = { new_operation(p, 1, 1), bad[i] };
        struct store_changes c = { .new_operations = batch, .n_new_operations = 2 };
        assert_int_equal(store_commit(p->store, &c), STORE_FAILED);
        assert_null(get_operation(p, 1, 1));
    }
    bad[2]->facts.n = STORE_FACTS_MAX;
    bad[3]->unique_id.n = STORE_UNIQUE_MAX;
    assert_int_equal(add_operation(p, bad[2]), STORE_OK);
    assert_int_equal(add_operation(p, bad[3]), STORE_OK);
}

static void changing_a_row_that_does_not_exist_fails_and_undoes_the_batch(void **state)
{
    struct place *p = *state;
    struct operation_row *o = new_operation(p, 1, 1), *missing = new_operation(p, 1, 2);
    assert_int_equal(add_operation(p, o), STORE_OK);
    o->state = OPS_APPROVED;
    struct operation_row *both[2] = { o, missing };
    struct store_changes c = { .operations = both, .n_operations = 2 };
    assert_int_equal(store_commit(p->store, &c), STORE_FAILED);
    assert_int_equal(get_operation(p, 1, 1)->state, OPS_SENT);
    assert_int_equal(change_payment(p, new_payment(p, 1, 1)), STORE_FAILED);
}

static void a_load_that_the_arena_cannot_hold_fails_and_the_next_one_works(void **state)
{
    struct place *p = *state;
    struct operation_row *o = new_operation(p, 1, 1), *out, **list;
    size_t n;
    o->facts = (struct str) { arena_alloc(&p->arena, 60000), 60000 };
    memset((char *)(uintptr_t)o->facts.p, 'f', 60000);
    assert_int_equal(add_operation(p, o), STORE_OK);
    struct arena small;
    const size_t sizes[] = { 16, 256, 4096, 20000 };
    for (size_t i = 0; i < COUNT(sizes); i++) {
        arena_init(&small, sizes[i]);
        struct row_key key = { 1, 1 }, start = { 0, 0 };
        struct store_load l = { .operation_keys = &key, .operations = &out, .n_operations = 1 };
        assert_int_equal(store_load(p->store, &small, &l), STORE_FAILED);
        assert_int_equal(
            store_walk_operations(p->store, &small, start, 5, &list, &n), STORE_FAILED);
        arena_free(&small);
    }
    assert_rows_equal(&row_operation, o, get_operation(p, 1, 1));
}

/* ---- a full disk, and a lock that is held for ever ---- */

/*
 * No file may grow past what it is now: writes break with EFBIG, as on a file system that has no
 * room for them.
 */
static void limit_files(rlim_t bytes, struct rlimit *before)
{
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, before), 0);
    struct rlimit limit = { bytes, before->rlim_max };
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

static void a_full_disk_is_told_apart_and_the_next_commit_works_when_there_is_room(void **state)
{
    struct place *p = *state;
    struct rlimit before;
    char log[300];
    struct stat st;
    (void)snprintf(log, sizeof log, "%s-wal", p->path);
    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_OK);
    assert_int_equal(stat(log, &st), 0);
    limit_files((rlim_t)st.st_size + 4096, &before);
    enum store_result first = add_operation(p, new_operation(p, 1, 2));
    enum store_result second = store_set(p->store, "x", 1);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(first, STORE_FULL);
    assert_int_equal(second, STORE_FULL);
    assert_null(get_operation(p, 1, 2));
    assert_non_null(get_operation(p, 1, 1));
    assert_int_equal(add_operation(p, new_operation(p, 1, 2)), STORE_OK);
    assert_non_null(get_operation(p, 1, 2));
}

static void a_checkpoint_without_room_for_the_database_says_full(void **state)
{
    struct place *p = *state;
    struct rlimit before;
    int64_t bytes;
    for (int64_t id = 1; id <= 50; id++)
        assert_int_equal(add_operation(p, new_operation(p, 1, id)), STORE_OK);
    limit_files(4096, &before);
    enum store_result background = store_checkpoint(p->store, true, &bytes);
    enum store_result foreground = store_checkpoint(p->store, false, &bytes);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(background, STORE_FULL);
    assert_int_equal(foreground, STORE_FULL);
    assert_int_equal(store_checkpoint(p->store, false, &bytes), STORE_OK);
    assert_non_null(get_operation(p, 1, 50));
}

static void a_database_at_its_largest_says_full(void **state)
{
    struct place *p = *state;
    struct operation_row *o = new_operation(p, 1, 1);
    sqlite3 *db = sqlite_handle(p->store);
    assert_int_equal(sqlite3_exec(db, "PRAGMA max_page_count = 1", NULL, NULL, NULL), SQLITE_OK);
    o->facts = (struct str) { arena_alloc(&p->arena, 60000), 60000 };
    memset((char *)(uintptr_t)o->facts.p, 'f', 60000);
    assert_int_equal(add_operation(p, o), STORE_FULL);
    assert_null(get_operation(p, 1, 1));
    assert_int_equal(
        sqlite3_exec(db, "PRAGMA max_page_count = 1000000", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(add_operation(p, o), STORE_OK);
}

static void a_lock_that_another_holds_too_long_fails_the_commit_and_not_the_next(void **state)
{
    struct place *p = *state;
    sqlite3 *db;
    assert_int_equal(sqlite3_busy_timeout(sqlite_handle(p->store), 50), SQLITE_OK);
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_FAILED);
    assert_null(get_operation(p, 1, 1));
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_OK);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(values_out_of_range_fail_the_load_with_table_key_and_column_in_the_log),
        EACH(a_line_about_an_unsound_row_names_its_key_in_hexadecimal),
        EACH(bytes_of_the_wrong_length_fail_the_load_of_a_card),
        EACH(unsound_rows_fail_every_list),
        EACH(a_sum_that_does_not_fit_fails_the_balances),
        EACH(pages_that_were_overwritten_fail_instead_of_giving_rows),
        EACH(a_table_that_is_gone_fails_every_call_that_needs_it),
        EACH(rows_out_of_range_are_refused_and_nothing_of_the_batch_is_written),
        EACH(changing_a_row_that_does_not_exist_fails_and_undoes_the_batch),
        EACH(a_load_that_the_arena_cannot_hold_fails_and_the_next_one_works),
        EACH(a_full_disk_is_told_apart_and_the_next_commit_works_when_there_is_room),
        EACH(a_checkpoint_without_room_for_the_database_says_full),
        EACH(a_database_at_its_largest_says_full),
        EACH(a_lock_that_another_holds_too_long_fails_the_commit_and_not_the_next),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
