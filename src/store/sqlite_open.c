#include "base/clock.h"
#include "base/log.h"
#include "store/schema.h"
#include "store/sqlite.h"
#include "store/sqlite_log.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/*
 * How a connection is set up, as measured.
 *
 *   cache_size          8 MiB. A sale touches one index in a random place, and a page that is not
 *                       here costs a microsecond from the system's cache; but at each commit that
 *                       has split a page SQLite looks through its whole cache, which at 64 MiB
 *                       costs more than it saves.
 *   wal_autocheckpoint  Checkpoints are called, see store_checkpoint.
 *   journal_size_limit  The log's file keeps up to 256 MiB when it starts anew: writing over old
 *                       blocks syncs faster than making a file longer.
 *   secure_delete       Nothing is ever deleted, and what is overwritten was sealed.
 */
static const char *const writer_pragmas = "PRAGMA synchronous = FULL;"
                                          "PRAGMA wal_autocheckpoint = 0;"
                                          "PRAGMA journal_size_limit = 268435456;"
                                          "PRAGMA cache_size = -8192;"
                                          "PRAGMA temp_store = MEMORY;"
                                          "PRAGMA secure_delete = OFF;"
                                          "PRAGMA cell_size_check = ON;"
                                          "PRAGMA trusted_schema = OFF;";
static const char *const reader_pragmas = "PRAGMA query_only = ON;"
                                          "PRAGMA cache_size = -2048;"
                                          "PRAGMA temp_store = MEMORY;"
                                          "PRAGMA cell_size_check = ON;"
                                          "PRAGMA trusted_schema = OFF;";

static const char *const version_table =
    "CREATE TABLE IF NOT EXISTS schema_version ("
    "version INTEGER NOT NULL PRIMARY KEY, applied_ms INTEGER NOT NULL) STRICT";

static bool open_database(struct sqlite_store *s, char *why, size_t why_size);
static bool prepare_writer(struct sqlite_store *s, char *why, size_t why_size);
static bool prepare_reader(struct sqlite_store *s, char *why, size_t why_size);

__attribute__((format(printf, 3, 4))) static bool refuse(
    char *why, size_t why_size, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(why, why_size, format, args);
    va_end(args);
    return false;
}

static bool refuse_error(const struct sqlite_store *s, char *why, size_t why_size)
{
    return refuse(why, why_size, "%s: %s (SQLite error %d)", s->path, sqlite3_errmsg(s->db),
        sqlite3_extended_errcode(s->db));
}

bool sqlite_connect(struct sqlite_store *s, char *why, size_t why_size)
{
    bool ready = open_database(s, why, why_size) &&
                 (s->mode == STORE_WRITE ? prepare_writer(s, why, why_size)
                                         : prepare_reader(s, why, why_size));
    if (!ready)
        sqlite_disconnect(s);
    return ready;
}

void sqlite_disconnect(struct sqlite_store *s)
{
    /* What finalize returns is the error of the last step, which was seen. */
    for (size_t i = 0; i < ST_COUNT; i++) {
        (void)sqlite3_finalize(s->statements[i]);
        (void)sqlite3_finalize(s->bulk[i]);
    }
    for (size_t i = 0; i < COUNT(s->transactions); i++)
        (void)sqlite3_finalize(s->transactions[i]);
    int rc = sqlite3_close(s->db);
    if (rc != SQLITE_OK)
        log_event(LOG_ERROR, "store.close", "code=%d", rc);
    s->db = NULL;
}

/*
 * Each connection is used by one thread at a time, and nobody asks SQLite how much memory it
 * takes: no locks for either.
 */
static void set_up_library(void)
{
    (void)sqlite3_config(
        SQLITE_CONFIG_MEMSTATUS, 0); /* too late when it is in use: slower, no harm */
}

/*
 * Makes the file with its mode before SQLite would with the umask's. A file that exists is not
 * even opened: closing it would drop the locks that other connections of this process hold on it.
 */
static bool create_file(const char *path, char *why, size_t why_size)
{
    int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, S_IRUSR | S_IWUSR);
    if (fd < 0 && errno != EEXIST)
        return refuse(why, why_size, "%s: %s", path, strerror(errno));
    if (fd >= 0 && close(fd) != 0)
        return refuse(why, why_size, "%s: %s", path, strerror(errno));
    return true;
}

static bool open_database(struct sqlite_store *s, char *why, size_t why_size)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, set_up_library);
    if (s->mode == STORE_WRITE && !create_file(s->path, why, why_size))
        return false;
    int flags = s->mode == STORE_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    if (sqlite3_open_v2(s->path, &s->db, flags | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE,
            s->mode == STORE_WRITE ? sqlite_log_vfs() : NULL) != SQLITE_OK) {
        if (s->db == NULL)
            return refuse(why, why_size, "%s: not enough memory", s->path);
        return refuse_error(s, why, why_size);
    }
    /* What SQLite cannot open for writing it opens for reading, whatever the reason was. */
    if (s->mode == STORE_WRITE && sqlite3_db_readonly(s->db, "main") != 0)
        return refuse(why, why_size, "%s: cannot be opened for writing", s->path);
    if (sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS) != SQLITE_OK ||
        sqlite3_db_config(s->db, SQLITE_DBCONFIG_DEFENSIVE, 1, (int *)NULL) != SQLITE_OK)
        return refuse_error(s, why, why_size);
    return true;
}

static bool execute(struct sqlite_store *s, const char *sql, char *why, size_t why_size)
{
    if (sqlite3_exec(s->db, sql, NULL, NULL, NULL) != SQLITE_OK)
        return refuse_error(s, why, why_size);
    return true;
}

/* The one number that a query gives. */
static bool query_number(
    struct sqlite_store *s, const char *sql, int64_t *out, char *why, size_t why_size)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(s->db, sql, -1, &st, NULL) != SQLITE_OK)
        return refuse_error(s, why, why_size);
    bool found = sqlite3_step(st) == SQLITE_ROW;
    if (found)
        *out = sqlite3_column_int64(st, 0);
    else
        (void)refuse_error(s, why, why_size);
    (void)sqlite3_finalize(st);
    return found;
}

/* ---- the schema ---- */

/*
 * The version of the schema; 0 for an empty database. False for a database that is not
 * turnpike's.
 */
static bool read_version(struct sqlite_store *s, int64_t *version, char *why, size_t why_size)
{
    int64_t tables = 0, ours = 0;
    *version = 0;
    if (!query_number(s, "SELECT count(*) FROM sqlite_schema", &tables, why, why_size) ||
        !query_number(s, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'", &ours,
            why, why_size))
        return false;
    if (ours == 0)
        return tables == 0 ||
               refuse(why, why_size,
                   "%s is a database of another program: give turnpike a file of its own", s->path);
    return query_number(
        s, "SELECT coalesce(max(version), 0) FROM schema_version", version, why, why_size);
}

static bool check_not_newer(
    const struct sqlite_store *s, int64_t version, char *why, size_t why_size)
{
    if (version <= schema_version())
        return true;
    return refuse(why, why_size,
        "%s has schema version %lld, made by a newer turnpike; this one knows versions up to %lld: "
        "use the newer program",
        s->path, (long long)version, (long long)schema_version());
}

static bool apply(struct sqlite_store *s, const struct migration *m, char *why, size_t why_size)
{
    struct clock wall;
    clock_init(&wall, 0);
    char mark[128];
    (void)snprintf(mark, sizeof mark, "INSERT INTO schema_version VALUES (%lld, %lld)",
        (long long)m->version, (long long)clock_now_ms(&wall));
    if (!execute(s, m->sqlite, why, why_size) || !execute(s, mark, why, why_size))
        return false;
    log_event(
        LOG_INFO, "store.migrated", "version=%lld what=\"%s\"", (long long)m->version, m->what);
    return true;
}

/*
 * One step if one is missing. The version is read again behind the lock: another process may have
 * been here first.
 */
static bool migrate_once(struct sqlite_store *s, bool *done, char *why, size_t why_size)
{
    int64_t version;
    size_t n;
    const struct migration *steps = schema_migrations(&n);
    if (!execute(s, "BEGIN IMMEDIATE", why, why_size))
        return false;
    bool sound = read_version(s, &version, why, why_size) &&
                 check_not_newer(s, version, why, why_size) &&
                 execute(s, version_table, why, why_size);
    *done = true;
    for (size_t i = 0; sound && i < n; i++)
        if (steps[i].version > version) {
            sound = apply(s, &steps[i], why, why_size);
            *done = i + 1 == n;
            break;
        }
    if (sound && execute(s, "COMMIT", why, why_size))
        return true;
    if (sqlite3_get_autocommit(s->db) == 0 &&
        sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL) != SQLITE_OK)
        log_event(LOG_ERROR, "store.rollback", "code=%d", sqlite3_extended_errcode(s->db));
    return false;
}

/* ---- the two kinds of connection ---- */

/* Switches to the write-ahead log; the answer to the pragma is the mode that holds now. */
static bool use_log(struct sqlite_store *s, char *why, size_t why_size)
{
    sqlite3_stmt *st;
    if (sqlite3_prepare_v2(s->db, "PRAGMA journal_mode = WAL", -1, &st, NULL) != SQLITE_OK)
        return refuse_error(s, why, why_size);
    bool stepped = sqlite3_step(st) == SQLITE_ROW;
    bool wal = stepped && str_eq(str_of((const char *)sqlite3_column_text(st, 0)), STR("wal"));
    if (!stepped)
        (void)refuse_error(s, why, why_size);
    else if (!wal)
        (void)refuse(why, why_size,
            "%s: the file system cannot hold a write-ahead log (it needs shared memory)", s->path);
    (void)sqlite3_finalize(st);
    return wal;
}

static bool read_page_size(struct sqlite_store *s, char *why, size_t why_size)
{
    enum { FRAME_HEADER = 24 };
    if (!query_number(s, "PRAGMA page_size", &s->frame_bytes, why, why_size))
        return false;
    s->frame_bytes += FRAME_HEADER;
    return true;
}

/* The database is looked at before anything of it is changed. */
static bool prepare_writer(struct sqlite_store *s, char *why, size_t why_size)
{
    int64_t version;
    if (!execute(s, "PRAGMA page_size = 4096", why, why_size) ||
        !read_version(s, &version, why, why_size) || !check_not_newer(s, version, why, why_size) ||
        !use_log(s, why, why_size) || !execute(s, writer_pragmas, why, why_size))
        return false;
    bool done = version == schema_version();
    while (!done)
        if (!migrate_once(s, &done, why, why_size))
            return false;
    return read_page_size(s, why, why_size);
}

static bool prepare_reader(struct sqlite_store *s, char *why, size_t why_size)
{
    int64_t version;
    if (!execute(s, reader_pragmas, why, why_size) || !read_version(s, &version, why, why_size) ||
        !check_not_newer(s, version, why, why_size))
        return false;
    if (version < schema_version())
        return refuse(why, why_size,
            "%s has schema version %lld and this program needs %lld: start the server once, it "
            "brings the database up to date",
            s->path, (long long)version, (long long)schema_version());
    return read_page_size(s, why, why_size);
}
