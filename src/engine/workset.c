#include "engine/workset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* By what a slot is found. */
enum by { BY_OPERATION, BY_PAYMENT, BY_CARD, BY_UNIQUE, BY_FINGERPRINT, BY_TOKEN, BY_COUNT };

struct key {
    enum by by;
    int64_t merchant_id;
    struct str bytes; /* the id's eight bytes, the text, or the 16 bytes */
};

enum standing { WANTED, ABSENT, LOADED, CHANGED, NEW };

/*
 * A row, once however many keys find it. The row comes first, so that a row finds its own record.
 */
struct tracked {
    enum standing standing;
    _Alignas(max_align_t) char row[];
};

struct slot {
    uint64_t hash;
    struct key key;
    void *row; /* inside a struct tracked; NULL while WANTED or ABSENT */
    enum standing standing;
    bool used;
};

struct list { /* new and changed rows of one kind */
    void **rows;
    size_t n;
};

struct workset {
    struct arena *arena;
    struct slot *slots;
    size_t n_slots; /* a power of two */
    uint32_t *used; /* slots in use, in order of arrival */
    size_t n_used, n_loaded;
    struct list added[3], changed[3]; /* operations, payments, cards */
    size_t room;
};

static const size_t row_sizes[] = { sizeof(struct operation_row), sizeof(struct payment_row),
    sizeof(struct card_row) };

struct workset *workset_new(size_t rows)
{
    struct workset *w = calloc(1, sizeof *w);
    if (w == NULL)
        return NULL;
    w->room = rows;
    w->n_slots = 1;
    while (w->n_slots < rows * BY_COUNT * 2)
        w->n_slots *= 2;
    w->slots = calloc(w->n_slots, sizeof *w->slots);
    w->used = calloc(w->n_slots, sizeof *w->used);
    bool ok = w->slots != NULL && w->used != NULL;
    for (size_t i = 0; i < COUNT(w->added); i++) {
        w->added[i].rows = calloc(rows, sizeof(void *));
        w->changed[i].rows = calloc(rows, sizeof(void *));
        ok = ok && w->added[i].rows != NULL && w->changed[i].rows != NULL;
    }
    if (ok)
        return w;
    workset_free(w);
    return NULL;
}

void workset_free(struct workset *w)
{
    if (w == NULL)
        return;
    for (size_t i = 0; i < COUNT(w->added); i++) {
        free(w->added[i].rows);
        free(w->changed[i].rows);
    }
    free(w->slots);
    free(w->used);
    free(w);
}

void workset_begin(struct workset *w, struct arena *a)
{
    for (size_t i = 0; i < w->n_used; i++)
        w->slots[w->used[i]] = (struct slot) { .used = false };
    w->n_used = w->n_loaded = 0;
    for (size_t i = 0; i < COUNT(w->added); i++)
        w->added[i].n = w->changed[i].n = 0;
    w->arena = a;
}

static uint64_t hash_key(const struct key *k)
{
    uint64_t h = UINT64_C(0x9e3779b97f4a7c15) * ((uint64_t)k->merchant_id * BY_COUNT + k->by + 1);
    for (size_t i = 0; i < k->bytes.n; i++)
        h = (h ^ (unsigned char)k->bytes.p[i]) * UINT64_C(0x100000001b3);
    return h ^ h >> 32;
}

static bool same_key(const struct key *a, const struct key *b)
{
    return a->by == b->by && a->merchant_id == b->merchant_id && str_eq(a->bytes, b->bytes);
}

/* The slot of k; when there is none, a fresh one if add, else NULL. */
static struct slot *slot_of(struct workset *w, struct key k, bool add)
{
    uint64_t h = hash_key(&k);
    size_t at = h & (w->n_slots - 1);
    while (w->slots[at].used) {
        if (w->slots[at].hash == h && same_key(&w->slots[at].key, &k))
            return &w->slots[at];
        at = (at + 1) & (w->n_slots - 1);
    }
    if (!add)
        return NULL;
    assert(w->n_used < w->n_slots / 2); /* the engine bounds its batches */
    k.bytes = arena_str(w->arena, k.bytes);
    assert(k.bytes.p != NULL);
    w->used[w->n_used++] = (uint32_t)at;
    w->slots[at] = (struct slot) { .hash = h, .key = k, .standing = WANTED, .used = true };
    return &w->slots[at];
}

static struct key id_key(enum by by, const struct row_key *k)
{
    return (struct key) { by, k->merchant_id, { (const char *)&k->id, sizeof k->id } };
}

static struct key bytes_key(enum by by, int64_t merchant_id, const uint8_t bytes[16])
{
    return (struct key) { by, merchant_id, { (const char *)bytes, 16 } };
}

void want_operation(struct workset *w, struct row_key key)
{
    (void)slot_of(w, id_key(BY_OPERATION, &key), true);
}

void want_payment(struct workset *w, struct row_key key)
{
    (void)slot_of(w, id_key(BY_PAYMENT, &key), true);
}

void want_card(struct workset *w, struct row_key key)
{
    (void)slot_of(w, id_key(BY_CARD, &key), true);
}

void want_unique(struct workset *w, int64_t merchant_id, struct str unique_id)
{
    (void)slot_of(w, (struct key) { BY_UNIQUE, merchant_id, unique_id }, true);
}

void want_fingerprint(struct workset *w, int64_t merchant_id, const uint8_t fingerprint[16])
{
    (void)slot_of(w, bytes_key(BY_FINGERPRINT, merchant_id, fingerprint), true);
}

void want_token(struct workset *w, int64_t merchant_id, const uint8_t token[16])
{
    (void)slot_of(w, bytes_key(BY_TOKEN, merchant_id, token), true);
}

static enum by main_key(enum by by)
{
    return by == BY_UNIQUE ? BY_OPERATION : by == BY_FINGERPRINT || by == BY_TOKEN ? BY_CARD : by;
}

/* Wraps a row so that its standing can be kept; the copy is what everybody changes. */
static void *track(struct workset *w, enum by by, const void *row, enum standing standing)
{
    size_t size = row_sizes[main_key(by)];
    struct tracked *t = arena_alloc(w->arena, sizeof *t + size);
    assert(t != NULL);
    t->standing = standing;
    memcpy(t->row, row, size);
    return t->row;
}

static struct tracked *tracked_of(void *row)
{
    return (struct tracked *)((char *)row - offsetof(struct tracked, row));
}

static struct row_key key_of_row(enum by by, const void *row)
{
    switch (main_key(by)) {
    case BY_OPERATION: {
        const struct operation_row *o = row;
        return (struct row_key) { o->merchant_id, o->id };
    }
    case BY_PAYMENT: {
        const struct payment_row *p = row;
        return (struct row_key) { p->merchant_id, p->id };
    }
    default: {
        const struct card_row *c = row;
        return (struct row_key) { c->merchant_id, c->id };
    }
    }
}

/* A row came from the store for that slot: it may be in the set already under another key. */
static void place(struct workset *w, struct slot *s, const void *row)
{
    if (row == NULL) {
        s->standing = ABSENT;
        return;
    }
    struct row_key key = key_of_row(s->key.by, row);
    struct slot *main_slot = slot_of(w, id_key(main_key(s->key.by), &key), true);
    if (main_slot->row == NULL) {
        main_slot->row = track(w, s->key.by, row, LOADED);
        main_slot->standing = LOADED;
    }
    s->row = main_slot->row;
    s->standing = LOADED;
}

struct gathered { /* one kind of key to be fetched */
    struct slot **slots;
    void *keys;
    void **rows;
    size_t n;
};

static size_t key_size(enum by by)
{
    return by == BY_UNIQUE        ? sizeof(struct unique_key)
           : by >= BY_FINGERPRINT ? sizeof(struct bytes_key)
                                  : sizeof(struct row_key);
}

static void gather(struct workset *w, size_t upto, enum by by, struct gathered *g)
{
    size_t n = upto - w->n_loaded;
    g->slots = arena_array(w->arena, struct slot *, n);
    g->keys = arena_alloc_array(w->arena, key_size(by), n);
    g->rows = arena_array(w->arena, void *, n);
    assert(g->slots != NULL && g->keys != NULL && g->rows != NULL);
    g->n = 0;
    for (size_t i = w->n_loaded; i < upto; i++) {
        struct slot *s = &w->slots[w->used[i]];
        if (s->key.by != by || s->standing != WANTED)
            continue;
        char *at = (char *)g->keys + g->n * key_size(by);
        if (by == BY_UNIQUE) {
            *(struct unique_key *)at = (struct unique_key) { s->key.merchant_id, s->key.bytes };
        } else if (by >= BY_FINGERPRINT) {
            struct bytes_key *k = (struct bytes_key *)at;
            k->merchant_id = s->key.merchant_id;
            memcpy(k->bytes, s->key.bytes.p, sizeof k->bytes);
        } else {
            struct row_key *k = (struct row_key *)at;
            k->merchant_id = s->key.merchant_id;
            memcpy(&k->id, s->key.bytes.p, sizeof k->id);
        }
        g->slots[g->n++] = s;
    }
}

enum store_result workset_load(struct workset *w, struct store *s)
{
    struct gathered g[BY_COUNT];
    size_t upto = w->n_used;
    if (upto == w->n_loaded)
        return STORE_OK;
    for (int by = 0; by < BY_COUNT; by++)
        gather(w, upto, (enum by)by, &g[by]);
    struct store_load load = {
        .operation_keys = g[BY_OPERATION].keys,
        .operations = (struct operation_row **)(void *)g[BY_OPERATION].rows,
        .n_operations = g[BY_OPERATION].n,
        .unique_keys = g[BY_UNIQUE].keys,
        .by_unique = (struct operation_row **)(void *)g[BY_UNIQUE].rows,
        .n_unique = g[BY_UNIQUE].n,
        .payment_keys = g[BY_PAYMENT].keys,
        .payments = (struct payment_row **)(void *)g[BY_PAYMENT].rows,
        .n_payments = g[BY_PAYMENT].n,
        .card_keys = g[BY_CARD].keys,
        .cards = (struct card_row **)(void *)g[BY_CARD].rows,
        .n_cards = g[BY_CARD].n,
        .fingerprint_keys = g[BY_FINGERPRINT].keys,
        .by_fingerprint = (struct card_row **)(void *)g[BY_FINGERPRINT].rows,
        .n_fingerprints = g[BY_FINGERPRINT].n,
        .token_keys = g[BY_TOKEN].keys,
        .by_token = (struct card_row **)(void *)g[BY_TOKEN].rows,
        .n_tokens = g[BY_TOKEN].n,
    };
    enum store_result result = store_load(s, w->arena, &load);
    if (result != STORE_OK)
        return result;
    for (int by = 0; by < BY_COUNT; by++)
        for (size_t i = 0; i < g[by].n; i++)
            place(w, g[by].slots[i], g[by].rows[i]);
    w->n_loaded = upto;
    return STORE_OK;
}

static void *get(struct workset *w, struct key k)
{
    struct slot *s = slot_of(w, k, false);
    assert(s != NULL && s->standing != WANTED);
    return s->row;
}

struct operation_row *operation_get(struct workset *w, struct row_key key)
{
    return get(w, id_key(BY_OPERATION, &key));
}

struct payment_row *payment_get(struct workset *w, struct row_key key)
{
    return get(w, id_key(BY_PAYMENT, &key));
}

struct card_row *card_get(struct workset *w, struct row_key key)
{
    return get(w, id_key(BY_CARD, &key));
}

struct operation_row *unique_get(struct workset *w, int64_t merchant_id, struct str unique_id)
{
    return get(w, (struct key) { BY_UNIQUE, merchant_id, unique_id });
}

struct card_row *fingerprint_get(
    struct workset *w, int64_t merchant_id, const uint8_t fingerprint[16])
{
    return get(w, bytes_key(BY_FINGERPRINT, merchant_id, fingerprint));
}

struct card_row *token_get(struct workset *w, int64_t merchant_id, const uint8_t token[16])
{
    return get(w, bytes_key(BY_TOKEN, merchant_id, token));
}

static void adopt(struct workset *w, enum by by, const void *row)
{
    struct row_key key = key_of_row(by, row);
    struct slot *s = slot_of(w, id_key(by, &key), true);
    if (s->standing == WANTED)
        place(w, s, row);
}

void payment_adopt(struct workset *w, const struct payment_row *p)
{
    adopt(w, BY_PAYMENT, p);
}

void operation_adopt(struct workset *w, const struct operation_row *o)
{
    adopt(w, BY_OPERATION, o);
}

/* Makes the row findable under k. */
static void enter(struct workset *w, struct key k, void *row)
{
    struct slot *s = slot_of(w, k, true);
    assert(s->row == NULL);
    s->row = row;
    s->standing = NEW;
}

static void *add(struct workset *w, enum by by, const void *filled)
{
    void *row = track(w, by, filled, NEW);
    struct row_key key = key_of_row(by, row);
    enter(w, id_key(by, &key), row);
    struct list *l = &w->added[by];
    assert(l->n < w->room);
    l->rows[l->n++] = row;
    return row;
}

struct operation_row *operation_add(struct workset *w, const struct operation_row *filled)
{
    struct operation_row *o = add(w, BY_OPERATION, filled);
    if (o->unique_id.n > 0)
        enter(w, (struct key) { BY_UNIQUE, o->merchant_id, o->unique_id }, o);
    return o;
}

struct payment_row *payment_add(struct workset *w, const struct payment_row *filled)
{
    return add(w, BY_PAYMENT, filled);
}

struct card_row *card_add(struct workset *w, const struct card_row *filled)
{
    struct card_row *c = add(w, BY_CARD, filled);
    enter(w, bytes_key(BY_FINGERPRINT, c->merchant_id, c->fingerprint), c);
    enter(w, bytes_key(BY_TOKEN, c->merchant_id, c->token), c);
    return c;
}

static void mark(struct workset *w, enum by by, void *row)
{
    struct tracked *t = tracked_of(row);
    if (t->standing != LOADED)
        return;
    t->standing = CHANGED;
    struct list *l = &w->changed[by];
    assert(l->n < w->room);
    l->rows[l->n++] = row;
}

void operation_mark(struct workset *w, struct operation_row *o)
{
    mark(w, BY_OPERATION, o);
}

void payment_mark(struct workset *w, struct payment_row *p)
{
    mark(w, BY_PAYMENT, p);
}

void card_mark(struct workset *w, struct card_row *c)
{
    mark(w, BY_CARD, c);
}

void workset_changes(struct workset *w, struct store_changes *out)
{
    out->new_operations = (struct operation_row *const *)(void *)w->added[BY_OPERATION].rows;
    out->n_new_operations = w->added[BY_OPERATION].n;
    out->operations = (struct operation_row *const *)(void *)w->changed[BY_OPERATION].rows;
    out->n_operations = w->changed[BY_OPERATION].n;
    out->new_payments = (struct payment_row *const *)(void *)w->added[BY_PAYMENT].rows;
    out->n_new_payments = w->added[BY_PAYMENT].n;
    out->payments = (struct payment_row *const *)(void *)w->changed[BY_PAYMENT].rows;
    out->n_payments = w->changed[BY_PAYMENT].n;
    out->new_cards = (struct card_row *const *)(void *)w->added[BY_CARD].rows;
    out->n_new_cards = w->added[BY_CARD].n;
    out->cards = (struct card_row *const *)(void *)w->changed[BY_CARD].rows;
    out->n_cards = w->changed[BY_CARD].n;
}
