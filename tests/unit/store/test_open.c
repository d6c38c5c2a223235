#include "helper.h"

#include "store/schema.h"

#include <errno.h>
#include <limits.h>
#include <sys/wait.h>

static struct store *try_open(struct place *p, const char *url, enum store_mode mode)
{
    memset(p->why, 'x', sizeof p->why);
    struct store *s = store_open(url, mode, p->why, sizeof p->why);
    assert_non_null(memchr(p->why, '\0', sizeof p->why));
    return s;
}

static void assert_refused(struct place *p, enum store_mode mode, const char *because)
{
    struct store *s = try_open(p, p->url, mode);
    store_close(s);
    assert_null(s);
    if (strstr(p->why, because) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", p->why, because);
}

static void write_file(struct place *p, const char *bytes, size_t n)
{
    int fd = open(p->path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, n), (ssize_t)n);
    assert_int_equal(close(fd), 0);
}

static void assert_current_and_usable(struct place *p, struct store *s)
{
    assert_non_null(s);
    assert_int_equal(store_set(s, "x", 1), STORE_OK);
    store_close(s);
    assert_int_equal(sql_number(p, "SELECT max(version) FROM schema_version"), schema_version());
}

/* ---- from nothing, and from earlier versions ---- */

static void a_missing_file_becomes_a_database_of_the_current_version(void **state)
{
    struct place *p = *state;
    assert_current_and_usable(p, try_open(p, p->url, STORE_WRITE));
}

static void an_empty_file_is_version_0_and_brought_up_to_date(void **state)
{
    struct place *p = *state;
    write_file(p, "", 0);
    assert_current_and_usable(p, try_open(p, p->url, STORE_WRITE));
}

static void a_database_without_any_step_applied_is_brought_up_to_date(void **state)
{
    struct place *p = *state;
    sql(p, "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_ms INTEGER)");
    assert_current_and_usable(p, try_open(p, p->url, STORE_WRITE));
}

static void opening_again_keeps_what_is_there_and_applies_nothing(void **state)
{
    struct place *p = *state;
    struct store *s = try_open(p, p->url, STORE_WRITE);
    assert_int_equal(store_set(s, "kept", 7), STORE_OK);
    store_close(s);
    sql(p, "UPDATE schema_version SET applied_ms = 5");
    assert_current_and_usable(p, try_open(p, p->url, STORE_WRITE));
    assert_int_equal(sql_number(p, "SELECT value FROM setting WHERE name = 'kept'"), 7);
    assert_int_equal(
        sql_number(p, "SELECT sum(applied_ms) FROM schema_version"), 5 * schema_version());
}

static void a_step_that_fails_leaves_the_version_as_it_was(void **state)
{
    struct place *p = *state;
    sql(p, "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_ms INTEGER);"
           "CREATE TABLE entry (in_the_way INTEGER)");
    assert_refused(p, STORE_WRITE, "already exists");
    assert_int_equal(sql_number(p, "SELECT count(*) FROM schema_version"), 0);
    assert_int_equal(
        sql_number(p, "SELECT count(*) FROM sqlite_schema WHERE name = 'merchant'"), 0);
}

static void the_steps_are_numbered_from_one_without_a_gap(void **state)
{
    (void)state;
    size_t n;
    const struct migration *steps = schema_migrations(&n);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(steps[i].version, i + 1);
    assert_int_equal(schema_version(), n);
}

static void many_processes_may_open_a_new_database_at_once(void **state)
{
    struct place *p = *state;
    pid_t children[6];
    for (size_t i = 0; i < COUNT(children); i++) {
        children[i] = fork();
        assert_true(children[i] >= 0);
        if (children[i] == 0) {
            struct store *s = store_open(p->url, STORE_WRITE, p->why, sizeof p->why);
            bool good = s != NULL && store_set(s, "x", (int64_t)i) == STORE_OK;
            store_close(s);
            _exit(good ? 0 : 1);
        }
    }
    for (size_t i = 0; i < COUNT(children); i++) {
        int status;
        assert_int_equal(waitpid(children[i], &status, 0), children[i]);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    assert_int_equal(sql_number(p, "SELECT count(*) FROM schema_version"), schema_version());
}

/* ---- what is refused ---- */

static void a_database_of_a_newer_program_is_refused_and_left_alone(void **state)
{
    struct place *p = *state;
    store_close(try_open(p, p->url, STORE_WRITE));
    sql(p, "INSERT INTO schema_version VALUES (1000, 1)");
    assert_refused(p, STORE_WRITE, "newer turnpike");
    assert_refused(p, STORE_READ, "newer turnpike");
    assert_int_equal(sql_number(p, "SELECT max(version) FROM schema_version"), 1000);
}

static void a_file_that_is_no_database_is_refused_and_left_alone(void **state)
{
    struct place *p = *state;
    char text[8192];
    memset(text, 'n', sizeof text);
    write_file(p, text, sizeof text);
    assert_refused(p, STORE_WRITE, "not a database");
    assert_refused(p, STORE_READ, "not a database");
    struct stat st;
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_size, sizeof text);
}

static void a_database_of_another_program_is_refused_and_left_alone(void **state)
{
    struct place *p = *state;
    sql(p, "CREATE TABLE bookmarks (url TEXT)");
    assert_refused(p, STORE_WRITE, "another program");
    assert_refused(p, STORE_READ, "another program");
    assert_int_equal(sql_number(p, "SELECT count(*) FROM sqlite_schema"), 1);
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "delete");
    assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

static void a_reader_creates_nothing(void **state)
{
    struct place *p = *state;
    assert_refused(p, STORE_READ, "unable to open");
    assert_int_equal(access(p->path, F_OK), -1);
}

static void a_reader_refuses_a_database_that_has_to_be_brought_up_to_date(void **state)
{
    struct place *p = *state;
    write_file(p, "", 0);
    assert_refused(p, STORE_READ, "start the server once");
    sql(p, "CREATE TABLE schema_version (version INTEGER PRIMARY KEY, applied_ms INTEGER)");
    assert_refused(p, STORE_READ, "start the server once");
}

static void a_folder_that_is_missing_is_named(void **state)
{
    struct place *p = *state;
    char url[300];
    (void)snprintf(url, sizeof url, "sqlite:%s/no/such/t.db", p->folder);
    assert_null(try_open(p, url, STORE_WRITE));
    assert_non_null(strstr(p->why, "/no/such/t.db: No such file or directory"));
    (void)snprintf(url, sizeof url, "sqlite:%s", p->folder);
    assert_null(try_open(p, url, STORE_WRITE));
    assert_non_null(strstr(p->why, "unable to open"));
}

static void other_databases_and_empty_or_endless_paths_are_refused(void **state)
{
    struct place *p = *state;
    char *endless = calloc(1, 2 * PATH_MAX);
    assert_non_null(endless);
    memset(endless, 'p', 2 * PATH_MAX - 1);
    assert_null(try_open(p, endless, STORE_WRITE));
    assert_non_null(strstr(p->why, "too long"));
    free(endless);
    assert_null(try_open(p, "sqlite:", STORE_WRITE));
    assert_non_null(strstr(p->why, "empty"));
    assert_null(try_open(p, "", STORE_READ));
    assert_non_null(strstr(p->why, "empty"));
    assert_null(try_open(p, "postgres://localhost/turnpike", STORE_WRITE));
    assert_non_null(strstr(p->why, "not supported"));
    assert_null(try_open(p, "file:t.db?mode=memory", STORE_WRITE));
    assert_non_null(strstr(p->why, "not supported"));
}

static void a_path_alone_is_a_file_even_with_a_name_that_means_more_to_sqlite(void **state)
{
    struct place *p = *state;
    char before[PATH_MAX];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(p->folder), 0);
    struct store *plain = try_open(p, "t.db", STORE_WRITE);
    struct store *special = try_open(p, "sqlite::memory:", STORE_WRITE);
    assert_non_null(plain);
    assert_non_null(special);
    assert_int_equal(access(":memory:", F_OK), 0);
    store_close(plain);
    store_close(special);
    assert_int_equal(access(p->path, F_OK), 0);
    assert_int_equal(chdir(before), 0);
}

static void a_sentence_that_does_not_fit_is_cut(void **state)
{
    struct place *p = *state;
    char tiny[8];
    memset(tiny, 'x', sizeof tiny);
    assert_null(store_open(p->url, STORE_READ, tiny, sizeof tiny));
    assert_int_equal(strnlen(tiny, sizeof tiny), sizeof tiny - 1);
}

static void closing_nothing_is_allowed(void **state)
{
    (void)state;
    store_close(NULL);
}

/* ---- what a killed writer leaves ---- */

static void a_reader_opens_what_a_killed_writer_left_in_the_log(void **state)
{
    struct place *p = *state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct store *s = store_open(p->url, STORE_WRITE, p->why, sizeof p->why);
        if (s == NULL || store_set(s, "durable", 42) != STORE_OK)
            _exit(1);
        _exit(0); /* without closing: the log stays */
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct store *s = try_open(p, p->url, STORE_READ);
    assert_non_null(s);
    int64_t value;
    bool found;
    assert_int_equal(store_setting(s, "durable", &value, &found), STORE_OK);
    assert_int_equal(value, 42);
    store_close(s);
}

/* ---- a system that says no ---- */

static int opens_refused;

static int open_without_descriptors(const char *path, int flags, int mode)
{
    if ((flags & O_ACCMODE) == O_RDWR && opens_refused++ == 0) {
        errno = EMFILE;
        return -1;
    }
    return open(path, flags, (mode_t)mode);
}

/* SQLite would go on with a connection that only reads. */
static void a_writer_that_may_only_read_is_refused(void **state)
{
    struct place *p = *state;
    store_close(try_open(p, p->url, STORE_WRITE));
    sqlite3_vfs *vfs = sqlite3_vfs_find(NULL);
    assert_int_equal(
        vfs->xSetSystemCall(vfs, "open", (sqlite3_syscall_ptr)(uintptr_t)open_without_descriptors),
        SQLITE_OK);
    opens_refused = 0;
    assert_refused(p, STORE_WRITE, "cannot be opened for writing");
    assert_int_equal(opens_refused, 1);
    assert_int_equal(vfs->xSetSystemCall(vfs, "open", NULL), SQLITE_OK);
    assert_current_and_usable(p, try_open(p, p->url, STORE_WRITE));
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up_folder, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(a_missing_file_becomes_a_database_of_the_current_version),
        EACH(an_empty_file_is_version_0_and_brought_up_to_date),
        EACH(a_database_without_any_step_applied_is_brought_up_to_date),
        EACH(opening_again_keeps_what_is_there_and_applies_nothing),
        EACH(a_step_that_fails_leaves_the_version_as_it_was),
        EACH(the_steps_are_numbered_from_one_without_a_gap),
        EACH(many_processes_may_open_a_new_database_at_once),
        EACH(a_database_of_a_newer_program_is_refused_and_left_alone),
        EACH(a_file_that_is_no_database_is_refused_and_left_alone),
        EACH(a_database_of_another_program_is_refused_and_left_alone),
        EACH(a_reader_creates_nothing),
        EACH(a_reader_refuses_a_database_that_has_to_be_brought_up_to_date),
        EACH(a_folder_that_is_missing_is_named),
        EACH(other_databases_and_empty_or_endless_paths_are_refused),
        EACH(a_path_alone_is_a_file_even_with_a_name_that_means_more_to_sqlite),
        EACH(a_sentence_that_does_not_fit_is_cut),
        EACH(closing_nothing_is_allowed),
        EACH(a_reader_opens_what_a_killed_writer_left_in_the_log),
        EACH(a_writer_that_may_only_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
