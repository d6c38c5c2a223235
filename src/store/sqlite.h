/*
 * The store on SQLite.
 *
 *   sqlite.c       what store/backend.h asks for: loads, commits, lists, checkpoints
 *   sqlite_open.c  the way to an open connection: file, pragmas, schema
 *   sqlite_row.c   rows to and from a statement
 *   sqlite_log.c   gathers the many small writes to the log into few
 *
 * One connection belongs to one thread at a time. Statements are prepared when first used and
 * kept. Every failure ends with the transaction rolled back and the connection ready for the next
 * call. What goes to the log is the name of a statement, a table, a key and a column: never a
 * value.
 */
#ifndef TURNPIKE_STORE_SQLITE_H
#define TURNPIKE_STORE_SQLITE_H

#include "store/backend.h"
#include "store/statement.h"

#include <limits.h>
#include <sqlite3.h>

/*
 * Transactions are SQLite's own words; the engine's write intent is taken at once, so that a
 * commit never has to start over.
 */
enum transaction { TX_READ, TX_WRITE, TX_COMMIT, TX_ROLLBACK, TX_COUNT };

/*
 * Rows that go into one insert when there are that many. "OR FAIL" leaves out the journal with
 * which SQLite would undo a statement alone: whoever fails rolls back all of the transaction
 * anyway. Both together take about a third off the price of an insert.
 */
enum { BULK_ROWS = 8 };
#define INSERT_WORDS "INSERT OR FAIL INTO"

/* How long a connection waits for the lock of another before it gives up. */
enum { BUSY_TIMEOUT_MS = 5000 };

struct sqlite_store {
    struct store base;
    sqlite3 *db;
    enum store_mode mode;
    sqlite3_stmt *transactions[TX_COUNT];
    sqlite3_stmt *statements[ST_COUNT];
    sqlite3_stmt *bulk[ST_COUNT]; /* inserts of BULK_ROWS rows at once */
    int64_t frame_bytes;          /* what one page takes in the write-ahead log */
    char path[PATH_MAX];
};

/* For tests: the connection itself, for PRAGMAs that make it fail. */
sqlite3 *sqlite_handle(struct store *s);

/*
 * sqlite_open.c. Opens the file at s->path as s->mode says; false with a sentence in why, and the
 * connection closed.
 */
bool sqlite_connect(struct sqlite_store *s, char *why, size_t why_size);
void sqlite_disconnect(struct sqlite_store *s);

/*
 * sqlite_row.c. Binds the columns of a row that are meant, in the order of the parameters, after
 * the first *at; *at counts on. False, with a line in the log, when a value is not sound.
 */
enum row_part { PART_ALL, PART_CHANGING_THEN_KEY };
bool sqlite_bind_row(
    sqlite3_stmt *st, int *at, const struct row_type *type, const void *row, enum row_part part);

/*
 * Reads the row that st stands on; slices are copied into the arena. False, with a line in the
 * log, when it is not sound or the arena is full.
 */
bool sqlite_read_row(sqlite3_stmt *st, const struct row_type *type, struct arena *a, void *row);

#endif
