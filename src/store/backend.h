/*
 * What a database has to offer to be a store: the operations behind store/store.h.
 *
 * struct store begins every backend's own struct. A call of store.h is checked by store.c and
 * goes through the table.
 */
#ifndef TURNPIKE_STORE_BACKEND_H
#define TURNPIKE_STORE_BACKEND_H

#include "store/columns.h"

/* The reads that give a list of rows. */
enum list_kind {
    LIST_PENDING,            /* after, limit: operations */
    LIST_EXPIRED,            /* until, limit: payments */
    LIST_OTHER_KEYS,         /* key id, limit: cards */
    LIST_WALK_OPERATIONS,    /* after, limit */
    LIST_WALK_PAYMENTS,      /* after, limit */
    LIST_WALK_CARDS,         /* after, limit */
    LIST_ENTRIES,            /* of an operation */
    LIST_PAYMENT_OPERATIONS, /* of a payment */
    LIST_BALANCES,           /* first and last merchant */
    LIST_MERCHANTS
};

struct list_query {
    enum list_kind kind;
    int64_t a, b; /* the key, or the one or two numbers that the kind takes */
    size_t limit;
};

/* Rows lie one after the other, as their row_type says. */
struct list {
    void *rows;
    size_t n;
};

struct store_operations {
    void (*close)(struct store *s);
    enum store_result (*load)(struct store *s, struct arena *a, struct store_load *load);
    enum store_result (*commit)(struct store *s, const struct store_changes *c);
    enum store_result (*checkpoint)(struct store *s, bool background, int64_t *log_bytes);
    enum store_result (*list)(
        struct store *s, struct arena *a, const struct list_query *q, struct list *out);
    enum store_result (*next_expiry)(struct store *s, int64_t *at_ms);
    enum store_result (*last_id)(struct store *s, int64_t *id);
    enum store_result (*setting)(struct store *s, const char *name, int64_t *value, bool *found);
    enum store_result (*put_merchant)(struct store *s, struct merchant_row *m);
    int64_t (*bytes)(struct store *s);
};

struct store {
    const struct store_operations *operations;
};

/* The backends. path is what follows the scheme in the url. */
struct store *sqlite_open(const char *path, enum store_mode mode, char *why, size_t why_size);

#endif
