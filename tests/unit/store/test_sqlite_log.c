#include "helper.h"

#include "store/sqlite_log.h"

enum { SIZE = 1024 * 1024, LARGEST = 127 * 1024 };

struct log {
    sqlite3_file *file;
    const char *name;
    char path[300];
};

static struct log open_log(struct place *p)
{
    struct log l;
    sqlite3_vfs *vfs = sqlite3_vfs_find(sqlite_log_vfs());
    assert_non_null(vfs);
    store_close(store_open(p->url, STORE_WRITE, p->why, sizeof p->why));
    (void)snprintf(l.path, sizeof l.path, "%s-wal", p->path);
    l.name = sqlite3_create_filename(p->path, "", l.path, 0, NULL);
    l.file = calloc(1, (size_t)vfs->szOsFile);
    assert_true(l.name != NULL && l.file != NULL);
    int flags = SQLITE_OPEN_WAL | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE;
    assert_int_equal(vfs->xOpen(vfs, sqlite3_filename_wal(l.name), l.file, flags, NULL), SQLITE_OK);
    return l;
}

static void close_log(struct log *l)
{
    assert_int_equal(l->file->pMethods->xClose(l->file), SQLITE_OK);
    free(l->file);
    sqlite3_free_filename((char *)(uintptr_t)l->name);
}

static int64_t size_on_disk(const struct log *l)
{
    struct stat st;
    assert_int_equal(stat(l->path, &st), 0);
    return st.st_size;
}

static void assert_on_disk(const struct log *l, const char *wanted, size_t n)
{
    char *bytes = malloc(n);
    int fd = open(l->path, O_RDONLY);
    assert_true(bytes != NULL && fd >= 0);
    assert_int_equal(pread(fd, bytes, n, 0), n);
    assert_memory_equal(bytes, wanted, n);
    assert_int_equal(close(fd), 0);
    free(bytes);
}

static void writes_reach_the_file_with_the_sync_and_not_before(void **state)
{
    struct log l = open_log(*state);
    const sqlite3_io_methods *m = l.file->pMethods;
    for (int i = 0; i < 4; i++)
        assert_int_equal(m->xWrite(l.file, "abcd", 4, 4 * i), SQLITE_OK);
    assert_int_equal(size_on_disk(&l), 0);
    assert_int_equal(m->xSync(l.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_on_disk(&l, "abcdabcdabcdabcd", 16);
    close_log(&l);
}

static void whatever_is_asked_of_the_file_sees_what_was_written(void **state)
{
    struct log l = open_log(*state);
    const sqlite3_io_methods *m = l.file->pMethods;
    sqlite3_int64 size = 0;
    char back[4];
    assert_int_equal(m->xWrite(l.file, "abcd", 4, 0), SQLITE_OK);
    assert_int_equal(m->xFileSize(l.file, &size), SQLITE_OK);
    assert_int_equal(size, 4);
    assert_int_equal(m->xWrite(l.file, "efgh", 4, 4), SQLITE_OK);
    assert_int_equal(m->xRead(l.file, back, 4, 4), SQLITE_OK);
    assert_memory_equal(back, "efgh", 4);
    assert_int_equal(m->xWrite(l.file, "ijkl", 4, 8), SQLITE_OK);
    assert_int_equal(m->xTruncate(l.file, 10), SQLITE_OK);
    assert_on_disk(&l, "abcdefghij", 10);
    assert_int_equal(size_on_disk(&l), 10);
    close_log(&l);
}

static void random_writes_give_the_same_file_as_without_gathering(void **state)
{
    struct place *p = *state;
    struct log l = open_log(p);
    const sqlite3_io_methods *m = l.file->pMethods;
    char *model = arena_alloc(&p->arena, SIZE), *noise = arena_alloc(&p->arena, LARGEST);
    assert_true(model != NULL && noise != NULL);
    assert_int_equal(m->xWrite(l.file, "", 1, SIZE - 1), SQLITE_OK);
    uint32_t at = 0;
    for (int i = 0; i < 3000; i++) {
        uint32_t kind = rng_below(&p->rng, 20);
        uint32_t n = kind == 0 ? 1 + rng_below(&p->rng, LARGEST) : kind < 10 ? 24 : 4096;
        if (kind == 1 || at + n > SIZE)
            at = rng_below(&p->rng, SIZE - n);
        rng_fill(&p->rng, noise, n);
        memcpy(model + at, noise, n);
        assert_int_equal(m->xWrite(l.file, noise, (int)n, at), SQLITE_OK);
        if (kind == 2) {
            assert_int_equal(m->xRead(l.file, noise, (int)n, at), SQLITE_OK);
            assert_memory_equal(noise, model + at, n);
        }
        at += n;
    }
    assert_int_equal(m->xSync(l.file, SQLITE_SYNC_NORMAL), SQLITE_OK);
    assert_on_disk(&l, model, SIZE);
    close_log(&l);
}

static void closing_passes_on_what_is_left(void **state)
{
    struct log l = open_log(*state);
    assert_int_equal(l.file->pMethods->xWrite(l.file, "left", 4, 0), SQLITE_OK);
    close_log(&l);
    assert_on_disk(&l, "left", 4);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up_folder, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(writes_reach_the_file_with_the_sync_and_not_before),
        EACH(whatever_is_asked_of_the_file_sees_what_was_written),
        EACH(random_writes_give_the_same_file_as_without_gathering),
        EACH(closing_passes_on_what_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
