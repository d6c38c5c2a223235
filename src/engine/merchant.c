#include "engine/merchant.h"
#include "base/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

/* All merchants of one version; immutable, freed when the last holder lets go. */
struct generation {
    _Atomic int64_t holders; /* the book, and every merchant handed out */
    struct arena arena;
    struct held *merchants;
    size_t n;
};

struct held {
    struct merchant merchant; /* first: what is handed out */
    struct generation *generation;
};

struct merchant_book {
    pthread_mutex_t lock; /* held for the look-up and one increment only */
    struct generation *now;
    int64_t version;
};

enum { GENERATION_MAX = 512 * 1024 * 1024 };

static void generation_release(struct generation *g)
{
    if (g == NULL || atomic_fetch_sub(&g->holders, 1) != 1)
        return;
    arena_free(&g->arena);
    free(g);
}

struct merchant_book *merchant_book_new(void)
{
    struct merchant_book *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    if (pthread_mutex_init(&b->lock, NULL) != 0) {
        free(b);
        return NULL;
    }
    b->version = -1;
    return b;
}

void merchant_book_free(struct merchant_book *b)
{
    if (b == NULL)
        return;
    generation_release(b->now);
    (void)pthread_mutex_destroy(&b->lock);
    free(b);
}

/* A merchant whose limits cannot be read is switched off: fail closed. */
static void fill(struct held *h, struct generation *g, const struct merchant_row *row)
{
    char why[160];
    h->merchant.row = *row;
    h->generation = g;
    if (limits_parse(row->limits, &h->merchant.limits, why, sizeof why))
        return;
    log_event(LOG_ERROR, "merchant.limits", "merchant=%lld fault=\"%s\" switched=off",
        (long long)row->id, why);
    h->merchant.row.active = false;
}

static struct generation *generation_read(struct store *s, enum store_result *result)
{
    struct generation *g = calloc(1, sizeof *g);
    if (g == NULL) {
        *result = STORE_FAILED;
        return NULL;
    }
    atomic_init(&g->holders, 1);
    arena_init(&g->arena, GENERATION_MAX);
    struct merchant_row *rows;
    *result = store_merchants(s, &g->arena, &rows, &g->n);
    if (*result == STORE_OK)
        g->merchants = arena_array(&g->arena, struct held, g->n);
    if (*result != STORE_OK || g->merchants == NULL) {
        *result = *result == STORE_OK ? STORE_FAILED : *result;
        generation_release(g);
        return NULL;
    }
    for (size_t i = 0; i < g->n; i++)
        fill(&g->merchants[i], g, &rows[i]);
    return g;
}

enum store_result merchant_book_load(struct merchant_book *b, struct store *s, bool force)
{
    int64_t version = 0;
    bool found;
    enum store_result result = store_setting(s, "merchants.version", &version, &found);
    if (result != STORE_OK)
        return result;
    if (!force && b->now != NULL && version == b->version)
        return STORE_OK;
    struct generation *fresh = generation_read(s, &result);
    if (fresh == NULL)
        return result;
    (void)pthread_mutex_lock(&b->lock);
    struct generation *old = b->now;
    b->now = fresh;
    b->version = version;
    (void)pthread_mutex_unlock(&b->lock);
    generation_release(old);
    return STORE_OK;
}

struct wanted {
    enum face face;
    struct str login, key;
    int64_t id;
};

static bool fits(const struct merchant_row *row, const struct wanted *w)
{
    if (w->id != 0)
        return row->id == w->id;
    if (row->face != w->face)
        return false;
    return w->login.n > 0 ? str_eq(str_of(row->login), w->login)
                          : w->key.n > 0 && str_eq(str_of(row->public_key), w->key);
}

static const struct merchant *find(struct merchant_book *b, struct wanted w)
{
    const struct merchant *found = NULL;
    (void)pthread_mutex_lock(&b->lock);
    struct generation *g = b->now;
    for (size_t i = 0; g != NULL && i < g->n && found == NULL; i++)
        if (fits(&g->merchants[i].merchant.row, &w))
            found = &g->merchants[i].merchant;
    if (found != NULL)
        (void)atomic_fetch_add(&g->holders, 1);
    (void)pthread_mutex_unlock(&b->lock);
    return found;
}

const struct merchant *merchant_by_login(struct merchant_book *b, enum face face, struct str login)
{
    return find(b, (struct wanted) { .face = face, .login = login });
}

const struct merchant *merchant_by_public_key(
    struct merchant_book *b, enum face face, struct str key)
{
    return find(b, (struct wanted) { .face = face, .key = key });
}

const struct merchant *merchant_by_id(struct merchant_book *b, int64_t id)
{
    return id == 0 ? NULL : find(b, (struct wanted) { .id = id });
}

void merchant_release(struct merchant_book *b, const struct merchant *m)
{
    assert(b != NULL && m != NULL);
    generation_release(((const struct held *)m)->generation);
}
