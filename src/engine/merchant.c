#include "engine/merchant.h"
#include "base/log.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum index { BY_ID, BY_LOGIN, BY_KEY, INDEXES };

/* All merchants of one version; immutable, freed when the last holder lets go. */
struct generation {
    _Atomic int64_t holders; /* the book, and every merchant handed out */
    struct arena arena;
    struct held *merchants;
    struct held **sorted[INDEXES];
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

/* What a merchant is looked up by; the part that the index does not use is empty. */
struct wanted {
    enum face face;
    struct str text;
    int64_t id;
};

static struct wanted key_of(const struct merchant_row *row, enum index by)
{
    if (by == BY_ID)
        return (struct wanted) { .id = row->id };
    return (struct wanted) { .face = row->face,
        .text = str_of(by == BY_LOGIN ? row->login : row->public_key) };
}

static int compare(const struct wanted *a, const struct wanted *b)
{
    if (a->id != b->id)
        return a->id < b->id ? -1 : 1;
    if (a->face != b->face)
        return a->face < b->face ? -1 : 1;
    return str_cmp(a->text, b->text);
}

static int compare_rows(const void *a, const void *b, void *by)
{
    const struct held *const *x = a, *const *y = b;
    struct wanted left = key_of(&(*x)->merchant.row, *(const enum index *)by);
    struct wanted right = key_of(&(*y)->merchant.row, *(const enum index *)by);
    return compare(&left, &right);
}

static bool index_all(struct generation *g)
{
    for (enum index by = BY_ID; by < INDEXES; by++) {
        g->sorted[by] = arena_array(&g->arena, struct held *, g->n);
        if (g->sorted[by] == NULL)
            return false;
        for (size_t i = 0; i < g->n; i++)
            g->sorted[by][i] = &g->merchants[i];
        qsort_r(g->sorted[by], g->n, sizeof(struct held *), compare_rows, &by);
    }
    return true;
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
    struct merchant_row *rows = NULL;
    *result = store_merchants(s, &g->arena, &rows, &g->n);
    if (*result == STORE_OK)
        g->merchants = arena_array(&g->arena, struct held, g->n);
    for (size_t i = 0; g->merchants != NULL && i < g->n; i++)
        fill(&g->merchants[i], g, &rows[i]);
    if (g->merchants != NULL && index_all(g))
        return g;
    *result = *result == STORE_OK ? STORE_FAILED : *result;
    generation_release(g);
    return NULL;
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

static struct held *search(const struct generation *g, enum index by, struct wanted w)
{
    size_t low = 0, high = g->n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct wanted here = key_of(&g->sorted[by][middle]->merchant.row, by);
        int order = compare(&w, &here);
        if (order == 0)
            return g->sorted[by][middle];
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return NULL;
}

static const struct merchant *find(struct merchant_book *b, enum index by, struct wanted w)
{
    struct held *found = NULL;
    (void)pthread_mutex_lock(&b->lock);
    if (b->now != NULL)
        found = search(b->now, by, w);
    if (found != NULL)
        (void)atomic_fetch_add(&found->generation->holders, 1);
    (void)pthread_mutex_unlock(&b->lock);
    return found == NULL ? NULL : &found->merchant;
}

const struct merchant *merchant_by_login(struct merchant_book *b, enum face face, struct str login)
{
    return login.n == 0 ? NULL : find(b, BY_LOGIN, (struct wanted) { .face = face, .text = login });
}

const struct merchant *merchant_by_public_key(
    struct merchant_book *b, enum face face, struct str key)
{
    return key.n == 0 ? NULL : find(b, BY_KEY, (struct wanted) { .face = face, .text = key });
}

const struct merchant *merchant_by_id(struct merchant_book *b, int64_t id)
{
    return id == 0 ? NULL : find(b, BY_ID, (struct wanted) { .id = id });
}

void merchant_release(struct merchant_book *b, const struct merchant *m)
{
    assert(b != NULL && m != NULL);
    generation_release(((const struct held *)m)->generation);
}
