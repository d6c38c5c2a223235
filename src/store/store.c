#include "store/store.h"
#include "store/backend.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Where a url's scheme leads. A url without one is the path of an SQLite file. */
static const struct scheme {
    const char *prefix;
    struct store *(*open)(const char *rest, enum store_mode mode, char *why, size_t why_size);
} schemes[] = {
    { "sqlite:", sqlite_open },
};

/*
 * Schemes of databases that this program cannot speak to: not to be taken for the name of a file.
 */
static const char *const refused[] = {
    "postgres:", "postgresql:", "mysql:", "file:", "http:", "https:"
};

static bool begins(const char *text, const char *prefix)
{
    return str_starts_with(str_of(text), str_of(prefix));
}

struct store *store_open(const char *url, enum store_mode mode, char *why, size_t why_size)
{
    assert(url != NULL && why != NULL && why_size > 0);
    assert(mode == STORE_WRITE || mode == STORE_READ);
    why[0] = '\0';
    for (size_t i = 0; i < COUNT(schemes); i++)
        if (begins(url, schemes[i].prefix))
            return schemes[i].open(url + strlen(schemes[i].prefix), mode, why, why_size);
    for (size_t i = 0; i < COUNT(refused); i++)
        if (begins(url, refused[i])) {
            (void)snprintf(why, why_size,
                "databases with \"%s\" are not supported: use sqlite:PATH, or ./%s for a file of "
                "that name",
                refused[i], refused[i]);
            return NULL;
        }
    return sqlite_open(url, mode, why, why_size);
}

void store_close(struct store *s)
{
    if (s != NULL)
        s->operations->close(s);
}

enum store_result store_load(struct store *s, struct arena *a, struct store_load *load)
{
    return s->operations->load(s, a, load);
}

enum store_result store_commit(struct store *s, const struct store_changes *c)
{
    return s->operations->commit(s, c);
}

enum store_result store_checkpoint(struct store *s, bool background, int64_t *log_bytes)
{
    *log_bytes = 0;
    return s->operations->checkpoint(s, background, log_bytes);
}

/* ---- lists ---- */

static enum store_result list(
    struct store *s, struct arena *a, const struct list_query *q, struct list *out)
{
    *out = (struct list) { NULL, 0 };
    enum store_result result = s->operations->list(s, a, q, out);
    if (result != STORE_OK)
        *out = (struct list) { NULL, 0 };
    return result;
}

/*
 * The lists of the engine are arrays of pointers, so that it can hand changed rows to
 * store_commit as they are.
 */
static enum store_result list_operations(struct store *s, struct arena *a,
    const struct list_query *q, struct operation_row ***out, size_t *n)
{
    struct list rows;
    enum store_result result = list(s, a, q, &rows);
    *n = 0;
    *out = arena_array(a, struct operation_row *, rows.n);
    if (*out == NULL)
        return STORE_FAILED;
    for (*n = 0; *n < rows.n; (*n)++)
        (*out)[*n] = (struct operation_row *)rows.rows + *n;
    return result;
}

static enum store_result list_payments(struct store *s, struct arena *a, const struct list_query *q,
    struct payment_row ***out, size_t *n)
{
    struct list rows;
    enum store_result result = list(s, a, q, &rows);
    *n = 0;
    *out = arena_array(a, struct payment_row *, rows.n);
    if (*out == NULL)
        return STORE_FAILED;
    for (*n = 0; *n < rows.n; (*n)++)
        (*out)[*n] = (struct payment_row *)rows.rows + *n;
    return result;
}

static enum store_result list_cards(
    struct store *s, struct arena *a, const struct list_query *q, struct card_row ***out, size_t *n)
{
    struct list rows;
    enum store_result result = list(s, a, q, &rows);
    *n = 0;
    *out = arena_array(a, struct card_row *, rows.n);
    if (*out == NULL)
        return STORE_FAILED;
    for (*n = 0; *n < rows.n; (*n)++)
        (*out)[*n] = (struct card_row *)rows.rows + *n;
    return result;
}

enum store_result store_pending(struct store *s, struct arena *a, struct row_key after,
    size_t limit, struct operation_row ***out, size_t *n)
{
    struct list_query q = { LIST_PENDING, after.merchant_id, after.id, limit };
    return list_operations(s, a, &q, out, n);
}

enum store_result store_expired(struct store *s, struct arena *a, int64_t until_ms, size_t limit,
    struct payment_row ***out, size_t *n)
{
    struct list_query q = { LIST_EXPIRED, until_ms, 0, limit };
    return list_payments(s, a, &q, out, n);
}

enum store_result store_next_expiry(struct store *s, int64_t *at_ms)
{
    *at_ms = 0;
    return s->operations->next_expiry(s, at_ms);
}

enum store_result store_last_id(struct store *s, int64_t *id)
{
    *id = 0;
    return s->operations->last_id(s, id);
}

enum store_result store_cards_of_other_keys(struct store *s, struct arena *a, uint32_t key_id,
    size_t limit, struct card_row ***out, size_t *n)
{
    struct list_query q = { LIST_OTHER_KEYS, key_id, 0, limit };
    return list_cards(s, a, &q, out, n);
}

enum store_result store_walk_operations(struct store *s, struct arena *a, struct row_key after,
    size_t limit, struct operation_row ***out, size_t *n)
{
    struct list_query q = { LIST_WALK_OPERATIONS, after.merchant_id, after.id, limit };
    return list_operations(s, a, &q, out, n);
}

enum store_result store_walk_payments(struct store *s, struct arena *a, struct row_key after,
    size_t limit, struct payment_row ***out, size_t *n)
{
    struct list_query q = { LIST_WALK_PAYMENTS, after.merchant_id, after.id, limit };
    return list_payments(s, a, &q, out, n);
}

enum store_result store_walk_cards(struct store *s, struct arena *a, struct row_key after,
    size_t limit, struct card_row ***out, size_t *n)
{
    struct list_query q = { LIST_WALK_CARDS, after.merchant_id, after.id, limit };
    return list_cards(s, a, &q, out, n);
}

enum store_result store_payment_operations(struct store *s, struct arena *a, struct row_key payment,
    struct operation_row ***out, size_t *n)
{
    struct list_query q = { LIST_PAYMENT_OPERATIONS, payment.merchant_id, payment.id, SIZE_MAX };
    return list_operations(s, a, &q, out, n);
}

enum store_result store_entries(
    struct store *s, struct arena *a, struct row_key operation, struct entry_row **out, size_t *n)
{
    struct list_query q = { LIST_ENTRIES, operation.merchant_id, operation.id, SIZE_MAX };
    struct list rows;
    enum store_result result = list(s, a, &q, &rows);
    *out = rows.rows;
    *n = rows.n;
    return result;
}

enum store_result store_balances(
    struct store *s, struct arena *a, int64_t merchant_id, struct balance **out, size_t *n)
{
    bool all = merchant_id == 0;
    struct list_query q = { LIST_BALANCES, merchant_id, all ? INT64_MAX : merchant_id, SIZE_MAX };
    struct list rows;
    enum store_result result = list(s, a, &q, &rows);
    *out = rows.rows;
    *n = rows.n;
    return result;
}

enum store_result store_merchants(
    struct store *s, struct arena *a, struct merchant_row **out, size_t *n)
{
    struct list_query q = { LIST_MERCHANTS, 0, 0, SIZE_MAX };
    struct list rows;
    enum store_result result = list(s, a, &q, &rows);
    *out = rows.rows;
    *n = rows.n;
    return result;
}

/* ---- settings and merchants ---- */

enum store_result store_setting(struct store *s, const char *name, int64_t *value, bool *found)
{
    *value = 0;
    *found = false;
    return s->operations->setting(s, name, value, found);
}

enum store_result store_set(struct store *s, const char *name, int64_t value)
{
    const struct setting setting = { name, value };
    return store_commit(s, &(struct store_changes) { .settings = &setting, .n_settings = 1 });
}

enum store_result store_put_merchant(struct store *s, struct merchant_row *m)
{
    assert(m->id >= 0);
    return s->operations->put_merchant(s, m);
}

int64_t store_bytes(struct store *s)
{
    return s->operations->bytes(s);
}
