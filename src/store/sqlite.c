#include "store/sqlite.h"
#include "base/log.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/* How long the writer waits for readers before it leaves the log as it is and goes on. */
enum { CHECKPOINT_WAIT_MS = 50 };

static void close_store(struct store *base);
static enum store_result load(struct store *base, struct arena *a, struct store_load *l);
static enum store_result commit(struct store *base, const struct store_changes *c);
static enum store_result checkpoint(struct store *base, bool background, int64_t *log_bytes);
static enum store_result list(
    struct store *base, struct arena *a, const struct list_query *q, struct list *out);
static enum store_result next_expiry(struct store *base, int64_t *at_ms);
static enum store_result last_id(struct store *base, int64_t *id);
static enum store_result setting(struct store *base, const char *name, int64_t *value, bool *found);
static enum store_result put_merchant(struct store *base, struct merchant_row *m);
static int64_t bytes(struct store *base);

static const struct store_operations operations = {
    .close = close_store,
    .load = load,
    .commit = commit,
    .checkpoint = checkpoint,
    .list = list,
    .next_expiry = next_expiry,
    .last_id = last_id,
    .setting = setting,
    .put_merchant = put_merchant,
    .bytes = bytes,
};

static const char *const transaction_words[TX_COUNT] = {
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "ROLLBACK",
};

static struct sqlite_store *self(struct store *base)
{
    assert(base->operations == &operations);
    return (struct sqlite_store *)base;
}

sqlite3 *sqlite_handle(struct store *base)
{
    return self(base)->db;
}

/* When it opens: the end of a transaction must not fail for want of memory. */
static bool prepare_transactions(struct sqlite_store *s, char *why, size_t why_size)
{
    for (size_t i = 0; i < TX_COUNT; i++) {
        if (sqlite3_prepare_v3(s->db, transaction_words[i], -1, SQLITE_PREPARE_PERSISTENT,
                &s->transactions[i], NULL) != SQLITE_OK) {
            (void)snprintf(why, why_size, "%s: %s", s->path, sqlite3_errmsg(s->db));
            return false;
        }
    }
    return true;
}

struct store *sqlite_open(const char *path, enum store_mode mode, char *why, size_t why_size)
{
    struct sqlite_store *s = calloc(1, sizeof *s);
    if (s == NULL) {
        (void)snprintf(why, why_size, "not enough memory");
        return NULL;
    }
    s->base.operations = &operations;
    s->mode = mode;
    /* "./" keeps SQLite from taking ":memory:" for more than a name. */
    int n = snprintf(s->path, sizeof s->path, "%s%s", path[0] == '/' ? "" : "./", path);
    if (path[0] == '\0' || n < 0 || (size_t)n >= sizeof s->path) {
        (void)snprintf(why, why_size, "the path of the database is %s",
            path[0] == '\0' ? "empty" : "too long");
        free(s);
        return NULL;
    }
    if (!sqlite_connect(s, why, why_size)) {
        free(s);
        return NULL;
    }
    if (!prepare_transactions(s, why, why_size)) {
        sqlite_disconnect(s);
        free(s);
        return NULL;
    }
    return &s->base;
}

static void close_store(struct store *base)
{
    struct sqlite_store *s = self(base);
    sqlite_disconnect(s);
    free(s);
}

static int64_t file_size(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (int64_t)st.st_size : 0;
}

static int64_t bytes(struct store *base)
{
    struct sqlite_store *s = self(base);
    char log[PATH_MAX + sizeof "-wal"];
    (void)snprintf(log, sizeof log, "%s-wal", s->path);
    return file_size(s->path) + file_size(log);
}

/* ---- statements and failures ---- */

/*
 * The system's reason for the last failure. SQLite forgets it when a COMMIT fails, but the log's
 * file still knows.
 */
static int system_reason(sqlite3 *db)
{
    int reason = sqlite3_system_errno(db);
    sqlite3_file *log = NULL;
    if (reason == 0 &&
        sqlite3_file_control(db, NULL, SQLITE_FCNTL_JOURNAL_POINTER, &log) == SQLITE_OK &&
        log != NULL && log->pMethods != NULL &&
        log->pMethods->xFileControl(log, SQLITE_FCNTL_LAST_ERRNO, &reason) != SQLITE_OK)
        reason = 0;
    return reason;
}

/*
 * What a failure asks of the caller. The disk is full when SQLite says so, and when a write broke
 * on a limit of the file system that is as good as full.
 */
static enum store_result judge(int code, int reason)
{
    switch (code) {
    case SQLITE_CONSTRAINT_UNIQUE:
    case SQLITE_CONSTRAINT_PRIMARYKEY:
        return STORE_CONFLICT;
    case SQLITE_FULL:
        return STORE_FULL;
    case SQLITE_IOERR_WRITE:
    case SQLITE_IOERR_FSYNC:
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_TRUNCATE:
        return reason == ENOSPC || reason == EDQUOT || reason == EFBIG ? STORE_FULL : STORE_FAILED;
    default:
        return STORE_FAILED;
    }
}

/*
 * To be called before the statement is reset. A conflict is the caller's business and makes no
 * line.
 */
static enum store_result failure(struct sqlite_store *s, const char *doing)
{
    int code = sqlite3_extended_errcode(s->db);
    int reason = system_reason(s->db);
    enum store_result result = judge(code, reason);
    if (result != STORE_CONFLICT)
        log_event(LOG_ERROR, result == STORE_FULL ? "store.full" : "store.failed",
            "doing=\"%s\" code=%d errno=%d what=\"%s\"", doing, code, reason, sqlite3_errstr(code));
    return result;
}

static sqlite3_stmt *prepare(struct sqlite_store *s, const char *sql, size_t n, const char *doing)
{
    sqlite3_stmt *st = NULL;
    if (sqlite3_prepare_v3(s->db, sql, (int)n, SQLITE_PREPARE_PERSISTENT, &st, NULL) != SQLITE_OK)
        (void)failure(s, doing);
    return st;
}

static sqlite3_stmt *prepare_rows(struct sqlite_store *s, enum statement_id id, size_t rows)
{
    sqlite3_stmt *st = NULL;
    struct buf sql;
    buf_init(&sql, STATEMENT_MAX);
    statement_text(&statements[id], INSERT_WORDS, rows, &sql);
    if (!sql.full)
        st = prepare(s, sql.p, sql.n, statements[id].name);
    buf_free(&sql);
    return st;
}

/* The statement, prepared when it is first used; NULL, and a line in the log, when that fails. */
static sqlite3_stmt *statement(struct sqlite_store *s, enum statement_id id)
{
    if (s->statements[id] == NULL)
        s->statements[id] = prepare_rows(s, id, 1);
    return s->statements[id];
}

static sqlite3_stmt *bulk_statement(struct sqlite_store *s, enum statement_id id)
{
    if (s->bulk[id] == NULL)
        s->bulk[id] = prepare_rows(s, id, BULK_ROWS);
    return s->bulk[id];
}

/* Steps a statement that gives no row, and makes it ready for the next use. */
static enum store_result run(struct sqlite_store *s, sqlite3_stmt *st, const char *doing)
{
    enum store_result result = sqlite3_step(st) == SQLITE_DONE ? STORE_OK : failure(s, doing);
    (void)sqlite3_reset(st); /* repeats what step said */
    return result;
}

static enum store_result transact(struct sqlite_store *s, enum transaction tx)
{
    return run(s, s->transactions[tx], transaction_words[tx]);
}

/*
 * Ends what TX_READ or TX_WRITE began. Some failures have rolled back already (a full disk does).
 * Whatever happened, no transaction is open afterwards.
 */
static enum store_result finish(struct sqlite_store *s, enum store_result result)
{
    if (result == STORE_OK)
        result = transact(s, TX_COMMIT);
    if (sqlite3_get_autocommit(s->db) == 0)
        (void)transact(s, TX_ROLLBACK);
    assert(sqlite3_get_autocommit(s->db) != 0);
    return result;
}

/* ---- loading ---- */

static enum store_result no_room(const struct row_type *type)
{
    log_event(LOG_ERROR, "store.arena", "table=%s", type->table);
    return STORE_FAILED;
}

/* Reads the row that st, bound, finds into a new struct; *out is NULL when there is none. */
static enum store_result read_one(
    struct sqlite_store *s, enum statement_id id, struct arena *a, void **out)
{
    const struct row_type *type = statements[id].row;
    sqlite3_stmt *st = s->statements[id];
    enum store_result result = STORE_OK;
    *out = NULL;
    int rc = sqlite3_step(st);
    if (rc == SQLITE_ROW) {
        *out = arena_alloc(a, type->size);
        if (*out == NULL)
            result = no_room(type);
        else if (!sqlite_read_row(st, type, a, *out))
            result = STORE_FAILED;
    } else if (rc != SQLITE_DONE) {
        result = failure(s, statements[id].name);
    }
    (void)sqlite3_reset(st);
    return result;
}

static bool bind_key(sqlite3_stmt *st, const void *keys, size_t i)
{
    const struct row_key *k = (const struct row_key *)keys + i;
    return sqlite3_bind_int64(st, 1, k->merchant_id) == SQLITE_OK &&
           sqlite3_bind_int64(st, 2, k->id) == SQLITE_OK;
}

static bool bind_unique(sqlite3_stmt *st, const void *keys, size_t i)
{
    const struct unique_key *k = (const struct unique_key *)keys + i;
    assert(k->unique_id.n > 0 && k->unique_id.n <= INT32_MAX);
    return sqlite3_bind_int64(st, 1, k->merchant_id) == SQLITE_OK &&
           sqlite3_bind_text(st, 2, k->unique_id.p, (int)k->unique_id.n, SQLITE_STATIC) ==
               SQLITE_OK;
}

static bool bind_bytes_key(sqlite3_stmt *st, const void *keys, size_t i)
{
    const struct bytes_key *k = (const struct bytes_key *)keys + i;
    return sqlite3_bind_int64(st, 1, k->merchant_id) == SQLITE_OK &&
           sqlite3_bind_blob(st, 2, k->bytes, sizeof k->bytes, SQLITE_STATIC) == SQLITE_OK;
}

/* One array of keys, and the array of pointers to rows of one type that answers it. */
struct load_part {
    enum statement_id id;
    bool (*bind)(sqlite3_stmt *st, const void *keys, size_t i);
    const void *keys;
    size_t n;
    void *results;
};

static enum store_result load_part(
    struct sqlite_store *s, struct arena *a, const struct load_part *part)
{
    if (part->n == 0)
        return STORE_OK;
    sqlite3_stmt *st = statement(s, part->id);
    if (st == NULL)
        return STORE_FAILED;
    for (size_t i = 0; i < part->n; i++) {
        void *row;
        if (!part->bind(st, part->keys, i))
            return failure(s, statements[part->id].name);
        enum store_result result = read_one(s, part->id, a, &row);
        if (result != STORE_OK)
            return result;
        memcpy((char *)part->results + i * sizeof row, &row, sizeof row);
    }
    return STORE_OK;
}

/* All in one read transaction: the rows are of one moment, and the locks are paid once. */
static enum store_result load(struct store *base, struct arena *a, struct store_load *l)
{
    struct sqlite_store *s = self(base);
    const struct load_part parts[] = {
        { ST_OPERATION, bind_key, l->operation_keys, l->n_operations, l->operations },
        { ST_OPERATION_BY_UNIQUE, bind_unique, l->unique_keys, l->n_unique, l->by_unique },
        { ST_PAYMENT, bind_key, l->payment_keys, l->n_payments, l->payments },
        { ST_CARD, bind_key, l->card_keys, l->n_cards, l->cards },
        { ST_CARD_BY_FINGERPRINT, bind_bytes_key, l->fingerprint_keys, l->n_fingerprints,
            l->by_fingerprint },
        { ST_CARD_BY_TOKEN, bind_bytes_key, l->token_keys, l->n_tokens, l->by_token },
    };
    enum store_result result = transact(s, TX_READ);
    for (size_t i = 0; i < COUNT(parts) && result == STORE_OK; i++)
        result = load_part(s, a, &parts[i]);
    return finish(s, result);
}

/* ---- single numbers ---- */

/* The number that st, bound, gives; *found says whether it gave one. Resets st. */
static enum store_result step_number(
    struct sqlite_store *s, enum statement_id id, int64_t *value, bool *found)
{
    sqlite3_stmt *st = s->statements[id];
    enum store_result result = STORE_OK;
    int rc = sqlite3_step(st);
    *found = rc == SQLITE_ROW;
    if (*found)
        *value = sqlite3_column_int64(st, 0);
    else if (rc != SQLITE_DONE)
        result = failure(s, statements[id].name);
    (void)sqlite3_reset(st);
    return result;
}

/* For statements that take nothing and always give a number. */
static enum store_result read_number(struct sqlite_store *s, enum statement_id id, int64_t *value)
{
    bool found = false;
    enum store_result result =
        statement(s, id) == NULL ? STORE_FAILED : step_number(s, id, value, &found);
    return result == STORE_OK && !found ? STORE_FAILED : result;
}

static enum store_result next_expiry(struct store *base, int64_t *at_ms)
{
    return read_number(self(base), ST_NEXT_EXPIRY, at_ms);
}

static enum store_result last_id(struct store *base, int64_t *id)
{
    struct sqlite_store *s = self(base);
    int64_t card = 0;
    enum store_result result = read_number(s, ST_LAST_OPERATION_ID, id);
    if (result == STORE_OK)
        result = read_number(s, ST_LAST_CARD_ID, &card);
    if (card > *id)
        *id = card;
    return result;
}

static enum store_result setting(struct store *base, const char *name, int64_t *value, bool *found)
{
    struct sqlite_store *s = self(base);
    sqlite3_stmt *st = statement(s, ST_SETTING);
    if (st == NULL)
        return STORE_FAILED;
    if (sqlite3_bind_text(st, 1, name, -1, SQLITE_STATIC) != SQLITE_OK)
        return failure(s, statements[ST_SETTING].name);
    return step_number(s, ST_SETTING, value, found);
}

/* ---- lists ---- */

/*
 * The statements of each list, one after the other until the limit is reached, and the numbers
 * they take in order.
 */
enum { TAKES_A = 1, TAKES_B = 2, TAKES_LIMIT = 4 };
static const struct list_plan {
    enum statement_id statements[2];
    size_t n;
    unsigned takes;
} list_plans[] = {
    [LIST_PENDING] = { { ST_PENDING }, 1, TAKES_A | TAKES_B | TAKES_LIMIT },
    [LIST_EXPIRED] = { { ST_EXPIRED }, 1, TAKES_A | TAKES_LIMIT },
    [LIST_OTHER_KEYS] = { { ST_CARDS_OF_LOWER_KEYS, ST_CARDS_OF_HIGHER_KEYS }, 2,
        TAKES_A | TAKES_LIMIT },
    [LIST_WALK_OPERATIONS] = { { ST_WALK_OPERATIONS }, 1, TAKES_A | TAKES_B | TAKES_LIMIT },
    [LIST_WALK_PAYMENTS] = { { ST_WALK_PAYMENTS }, 1, TAKES_A | TAKES_B | TAKES_LIMIT },
    [LIST_WALK_CARDS] = { { ST_WALK_CARDS }, 1, TAKES_A | TAKES_B | TAKES_LIMIT },
    [LIST_ENTRIES] = { { ST_ENTRIES }, 1, TAKES_A | TAKES_B },
    [LIST_PAYMENT_OPERATIONS] = { { ST_OPERATION, ST_FOLLOWERS }, 2, TAKES_A | TAKES_B },
    [LIST_BALANCES] = { { ST_BALANCES }, 1, TAKES_A | TAKES_B },
    [LIST_MERCHANTS] = { { ST_MERCHANTS }, 1, 0 },
};

/*
 * A growing array of rows in an arena: room doubles, what it grew out of is freed with the arena.
 */
struct growing {
    struct list list;
    size_t room;
};

static void *grow(struct growing *g, struct arena *a, size_t row_size)
{
    enum { FIRST_ROOM = 16 };
    if (g->list.n == g->room) {
        size_t room = g->room == 0 ? FIRST_ROOM : g->room * 2;
        void *rows = arena_alloc_array(a, row_size, room);
        if (rows == NULL)
            return NULL;
        if (g->list.n > 0)
            memcpy(rows, g->list.rows, g->list.n * row_size);
        g->list.rows = rows;
        g->room = room;
    }
    return (char *)g->list.rows + g->list.n * row_size;
}

static bool bind_query(sqlite3_stmt *st, unsigned takes, const struct list_query *q, size_t rest)
{
    int at = 0;
    if ((takes & TAKES_A) != 0 && sqlite3_bind_int64(st, ++at, q->a) != SQLITE_OK)
        return false;
    if ((takes & TAKES_B) != 0 && sqlite3_bind_int64(st, ++at, q->b) != SQLITE_OK)
        return false;
    int64_t limit = rest < INT64_MAX ? (int64_t)rest : INT64_MAX;
    return (takes & TAKES_LIMIT) == 0 || sqlite3_bind_int64(st, ++at, limit) == SQLITE_OK;
}

/* Appends the rows that st, bound, gives. */
static enum store_result collect(
    struct sqlite_store *s, enum statement_id id, struct arena *a, struct growing *g)
{
    const struct row_type *type = statements[id].row;
    sqlite3_stmt *st = s->statements[id];
    enum store_result result = STORE_OK;
    int rc = sqlite3_step(st);
    while (rc == SQLITE_ROW && result == STORE_OK) {
        void *row = grow(g, a, type->size);
        if (row == NULL)
            result = no_room(type);
        else if (!sqlite_read_row(st, type, a, row))
            result = STORE_FAILED;
        if (result == STORE_OK) {
            g->list.n++;
            rc = sqlite3_step(st);
        }
    }
    if (result == STORE_OK && rc != SQLITE_DONE)
        result = failure(s, statements[id].name);
    (void)sqlite3_reset(st);
    return result;
}

static enum store_result list(
    struct store *base, struct arena *a, const struct list_query *q, struct list *out)
{
    struct sqlite_store *s = self(base);
    const struct list_plan *plan = &list_plans[q->kind];
    struct growing g = { .room = 0 };
    enum store_result result = transact(s, TX_READ);
    for (size_t i = 0; i < plan->n && result == STORE_OK; i++) {
        sqlite3_stmt *st = statement(s, plan->statements[i]);
        if (st == NULL || !bind_query(st, plan->takes, q, q->limit - g.list.n))
            result = STORE_FAILED;
        else
            result = collect(s, plan->statements[i], a, &g);
    }
    *out = g.list;
    return finish(s, result);
}

/* ---- committing ---- */

/* Rows to be written: an array of pointers to them, or of the rows themselves. */
struct rows {
    const void *array;
    size_t n;
    size_t size; /* of a row; 0 for an array of pointers */
};

static const void *row_at(const struct rows *rows, size_t i)
{
    const void *row;
    if (rows->size > 0)
        return (const char *)rows->array + i * rows->size;
    memcpy(&row, (const char *)rows->array + i * sizeof row, sizeof row);
    return row;
}

/* The next BULK_ROWS rows with one step. */
static enum store_result insert_bulk(
    struct sqlite_store *s, enum statement_id id, const struct rows *rows, size_t first)
{
    sqlite3_stmt *st = bulk_statement(s, id);
    int at = 0;
    if (st == NULL)
        return STORE_FAILED;
    for (size_t i = first; i < first + BULK_ROWS; i++)
        if (!sqlite_bind_row(st, &at, statements[id].row, row_at(rows, i), PART_ALL))
            return STORE_FAILED;
    return run(s, st, statements[id].name);
}

static enum store_result write_row(
    struct sqlite_store *s, enum statement_id id, const void *row, enum row_part part)
{
    sqlite3_stmt *st = statement(s, id);
    int at = 0;
    if (st == NULL || !sqlite_bind_row(st, &at, statements[id].row, row, part))
        return STORE_FAILED;
    return run(s, st, statements[id].name);
}

static enum store_result insert_rows(
    struct sqlite_store *s, enum statement_id id, const struct rows *rows)
{
    enum store_result result = STORE_OK;
    size_t i = 0;
    for (; i + BULK_ROWS <= rows->n && result == STORE_OK; i += BULK_ROWS)
        result = insert_bulk(s, id, rows, i);
    for (; i < rows->n && result == STORE_OK; i++)
        result = write_row(s, id, row_at(rows, i), PART_ALL);
    return result;
}

/*
 * A row to be changed was loaded before and rows are never deleted, so one that is not there is
 * damage.
 */
static enum store_result update_row(struct sqlite_store *s, enum statement_id id, const void *row)
{
    enum store_result result = write_row(s, id, row, PART_CHANGING_THEN_KEY);
    if (result != STORE_OK || sqlite3_changes(s->db) == 1)
        return result;
    const struct row_type *type = statements[id].row;
    log_event(LOG_ERROR, "store.missing", "table=%s merchant=%lld id=%llX", type->table,
        (long long)column_number(&type->columns[0], row),
        (unsigned long long)column_number(&type->columns[1], row));
    return STORE_FAILED;
}

static enum store_result update_rows(
    struct sqlite_store *s, enum statement_id id, const struct rows *rows)
{
    enum store_result result = STORE_OK;
    for (size_t i = 0; i < rows->n && result == STORE_OK; i++)
        result = update_row(s, id, row_at(rows, i));
    return result;
}

static enum store_result write_setting(
    struct sqlite_store *s, enum statement_id id, const struct setting *v)
{
    sqlite3_stmt *st = statement(s, id);
    if (st == NULL)
        return STORE_FAILED;
    if (sqlite3_bind_text(st, 1, v->name, -1, SQLITE_STATIC) != SQLITE_OK ||
        (id == ST_SET && sqlite3_bind_int64(st, 2, v->value) != SQLITE_OK))
        return failure(s, statements[id].name);
    return run(s, st, statements[id].name);
}

static enum store_result commit(struct store *base, const struct store_changes *c)
{
    struct sqlite_store *s = self(base);
    assert(s->mode == STORE_WRITE);
    const struct {
        enum statement_id id;
        enum store_result (*write)(
            struct sqlite_store *s, enum statement_id id, const struct rows *rows);
        struct rows rows;
    } parts[] = {
        { ST_ADD_PAYMENT, insert_rows, { c->new_payments, c->n_new_payments, 0 } },
        { ST_CHANGE_PAYMENT, update_rows, { c->payments, c->n_payments, 0 } },
        { ST_ADD_OPERATION, insert_rows, { c->new_operations, c->n_new_operations, 0 } },
        { ST_CHANGE_OPERATION, update_rows, { c->operations, c->n_operations, 0 } },
        { ST_ADD_CARD, insert_rows, { c->new_cards, c->n_new_cards, 0 } },
        { ST_CHANGE_CARD, update_rows, { c->cards, c->n_cards, 0 } },
        { ST_ADD_ENTRY, insert_rows, { c->entries, c->n_entries, sizeof *c->entries } },
    };
    enum store_result result = transact(s, TX_WRITE);
    for (size_t i = 0; i < COUNT(parts) && result == STORE_OK; i++)
        result = parts[i].write(s, parts[i].id, &parts[i].rows);
    for (size_t i = 0; i < c->n_settings && result == STORE_OK; i++)
        result = write_setting(s, ST_SET, &c->settings[i]);
    return finish(s, result);
}

static enum store_result put_merchant(struct store *base, struct merchant_row *m)
{
    struct sqlite_store *s = self(base);
    assert(s->mode == STORE_WRITE);
    const struct setting version = { "merchants.version", 0 };
    struct merchant_row row = *m;
    enum store_result result = transact(s, TX_WRITE);
    if (result == STORE_OK && row.id == 0)
        result = read_number(s, ST_NEXT_MERCHANT_ID, &row.id);
    if (result == STORE_OK)
        result = write_row(s, ST_PUT_MERCHANT, &row, PART_ALL);
    if (result == STORE_OK)
        result = write_setting(s, ST_RAISE_SETTING, &version);
    result = finish(s, result);
    if (result == STORE_OK)
        m->id = row.id;
    return result;
}

/* ---- checkpoints ---- */

/*
 * In the background what is in the log moves as far as readers allow, and nobody waits. In the
 * foreground the writer stands still, so that all of it can move. When all of it has moved and no
 * reader needs the old log, the next commit writes at its beginning again; for such readers the
 * foreground waits CHECKPOINT_WAIT_MS. That the log has to grow on is not a failure.
 */
static enum store_result checkpoint(struct store *base, bool background, int64_t *log_bytes)
{
    struct sqlite_store *s = self(base);
    assert(s->mode == STORE_WRITE);
    int frames = 0;
    int wait_ms = background ? 0 : CHECKPOINT_WAIT_MS;
    if (sqlite3_busy_timeout(s->db, wait_ms) != SQLITE_OK)
        return failure(s, "checkpoint");
    int mode = background ? SQLITE_CHECKPOINT_PASSIVE : SQLITE_CHECKPOINT_RESTART;
    int rc = sqlite3_wal_checkpoint_v2(s->db, NULL, mode, &frames, NULL);
    enum store_result result =
        rc == SQLITE_OK || rc == SQLITE_BUSY ? STORE_OK : failure(s, "checkpoint");
    if (sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS) != SQLITE_OK)
        return failure(s, "checkpoint");
    *log_bytes = frames < 0 || (rc == SQLITE_OK && !background) ? 0 : frames * s->frame_bytes;
    return result;
}
