/*
 * The store: SQL behind one interface.
 *
 * The engine loads what a batch needs with few calls, decides, and hands all changes to one
 * store_commit, which is one transaction and one fsync. Nobody else writes to a database that is
 * being served, but for the command line's short transactions. Readers open their own connections
 * and never wait for the writer.
 *
 * The calls are shaped so that PostgreSQL can serve them in one round trip each: a load takes
 * arrays of keys, a commit takes arrays of rows.
 *
 * A row that is loaded lives in the arena given. Keys start with the merchant everywhere.
 */
#ifndef TURNPIKE_STORE_STORE_H
#define TURNPIKE_STORE_STORE_H

#include "base/arena.h"
#include "store/rows.h"

struct store;

/*
 * The longest texts a row may hold, in bytes. A longer one, like a number out of the range of its
 * column, is STORE_FAILED: checked before by who makes rows.
 */
enum {
    STORE_UNIQUE_MAX = 255,
    STORE_FACTS_MAX = 64 * 1024,
    STORE_SECRET_MAX = 16 * 1024, /* password_hash, private_key */
    STORE_LIMITS_MAX = 64 * 1024
};

enum store_result {
    STORE_OK,
    STORE_CONFLICT, /* a unique key exists already: nothing was written */
    STORE_FULL,     /* no room on the disk: nothing was written; it may work later */
    STORE_FAILED    /* anything else; the log has the reason */
};

enum store_mode {
    /* The one writer: creates the database, brings it up to date, syncs each commit. */
    STORE_WRITE,
    /* A reader's own connection: creates and changes nothing, sees every commit at once. */
    STORE_READ
};

/*
 * url: "sqlite:PATH" (a path alone is SQLite too). NULL on failure, with a sentence in
 * why[why_size].
 */
struct store *store_open(const char *url, enum store_mode mode, char *why, size_t why_size);
void store_close(struct store *s);

/* ---- loading, by the engine: round trips serve arrays ---- */

struct unique_key {
    int64_t merchant_id;
    struct str unique_id;
};
struct bytes_key { /* fingerprint or token */
    int64_t merchant_id;
    uint8_t bytes[16];
};

/*
 * Each array of keys with as many results; a result is NULL when there is no such row. Any of the
 * counts may be 0.
 */
struct store_load {
    const struct row_key *operation_keys;
    struct operation_row **operations;
    size_t n_operations;

    const struct unique_key *unique_keys; /* operations by the merchant's own id */
    struct operation_row **by_unique;
    size_t n_unique;

    const struct row_key *payment_keys;
    struct payment_row **payments;
    size_t n_payments;

    const struct row_key *card_keys;
    struct card_row **cards;
    size_t n_cards;

    const struct bytes_key *fingerprint_keys;
    struct card_row **by_fingerprint;
    size_t n_fingerprints;

    const struct bytes_key *token_keys;
    struct card_row **by_token;
    size_t n_tokens;
};

enum store_result store_load(struct store *s, struct arena *a, struct store_load *load);

/* ---- committing ---- */

struct setting {
    const char *name; /* "clock.offset_ms", "stan.sandbox", ... */
    int64_t value;
};

/*
 * Everything one batch changes. New rows are inserted, changed rows replace the row of the same
 * key (facts and unique ids do not change).
 */
struct store_changes {
    struct operation_row *const *new_operations, *const *operations;
    size_t n_new_operations, n_operations;
    struct payment_row *const *new_payments, *const *payments;
    size_t n_new_payments, n_payments;
    struct card_row *const *new_cards, *const *cards;
    size_t n_new_cards, n_cards;
    const struct entry_row *entries;
    size_t n_entries;
    const struct setting *settings;
    size_t n_settings;
};

/* One transaction, durable when it returns STORE_OK. Anything else wrote nothing. */
enum store_result store_commit(struct store *s, const struct store_changes *c);

/*
 * Moves what is in the write-ahead log into the database. background: as far as possible without
 * making the writer wait, from a thread of its own with its own STORE_WRITE connection; otherwise
 * by the writer between two batches, which also lets the log start anew. *log_bytes: how far the log
 * has come since it last did; 0 when the next commit starts it anew. That readers were in the way
 * is no failure.
 */
enum store_result store_checkpoint(struct store *s, bool background, int64_t *log_bytes);

/* ---- walking: recovery, timers, verify ---- */

/*
 * Operations that are SENT or IN_DOUBT, or an advice that is due, in key order after `after`, at
 * most limit.
 */
enum store_result store_pending(struct store *s, struct arena *a, struct row_key after,
    size_t limit, struct operation_row ***out, size_t *n);

/* AUTHORIZED payments whose window ends at or before `until_ms`, oldest first. */
enum store_result store_expired(struct store *s, struct arena *a, int64_t until_ms, size_t limit,
    struct payment_row ***out, size_t *n);

/* The earliest end of a window of an AUTHORIZED payment; 0 when there is none. */
enum store_result store_next_expiry(struct store *s, int64_t *at_ms);

/* The largest id in use (operations and cards), 0 for an empty store. */
enum store_result store_last_id(struct store *s, int64_t *id);

/* Cards sealed under another key than key_id, at most limit. */
enum store_result store_cards_of_other_keys(struct store *s, struct arena *a, uint32_t key_id,
    size_t limit, struct card_row ***out, size_t *n);

/* Walks by primary key, for verify and exports: rows after `after`, at most limit. */
enum store_result store_walk_operations(struct store *s, struct arena *a, struct row_key after,
    size_t limit, struct operation_row ***out, size_t *n);
enum store_result store_walk_payments(struct store *s, struct arena *a, struct row_key after,
    size_t limit, struct payment_row ***out, size_t *n);
enum store_result store_walk_cards(struct store *s, struct arena *a, struct row_key after,
    size_t limit, struct card_row ***out, size_t *n);

/* The entries of one operation, in order. */
enum store_result store_entries(
    struct store *s, struct arena *a, struct row_key operation, struct entry_row **out, size_t *n);

/* All operations of one payment, in id order. */
enum store_result store_payment_operations(struct store *s, struct arena *a, struct row_key payment,
    struct operation_row ***out, size_t *n);

struct balance {
    int64_t merchant_id;
    enum entry_account account;
    uint16_t currency;
    int64_t amount_minor;
    int64_t entries;
};
/* Sum of the entries by merchant, account and currency, of one merchant or (0) of all. */
enum store_result store_balances(
    struct store *s, struct arena *a, int64_t merchant_id, struct balance **out, size_t *n);

/* ---- settings and merchants (few, read whole) ---- */

enum store_result store_setting(struct store *s, const char *name, int64_t *value, bool *found);
enum store_result store_set(struct store *s, const char *name, int64_t value);

enum store_result store_merchants(
    struct store *s, struct arena *a, struct merchant_row **out, size_t *n);

/*
 * Inserts (m->id == 0: gives it the next id, from 1) or replaces. STORE_CONFLICT when (face,
 * login), or a public key, is taken. Raises the setting "merchants.version".
 */
enum store_result store_put_merchant(struct store *s, struct merchant_row *m);

/* Bytes on disk: database and write-ahead log. */
int64_t store_bytes(struct store *s);

#endif
