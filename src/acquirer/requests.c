/*
 * A pool of entries, five lists threaded through it by index, and a hash by (class, DE 7, STAN)
 * with chains. Only our own messages enter the hash, so no peer can make the chains long.
 */
#include "acquirer/requests.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define NONE UINT32_MAX

struct list {
    uint32_t oldest, newest, n;
};

struct requests {
    uint32_t max_open, keep, n_entries, n_buckets;
    struct list lists[LIST_COUNT];
    uint32_t *buckets;
    struct request *entries;
};

static void list_add(struct requests *t, enum request_list list, uint32_t at);
static void list_take(struct requests *t, uint32_t at);

struct requests *requests_new(uint32_t max_open, uint32_t keep)
{
    assert(max_open > 0 && max_open <= 1000000 && keep > 0 && keep <= 1000000);
    struct requests *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    t->max_open = max_open;
    t->keep = keep;
    t->n_entries = max_open + 2 * keep + 1;
    t->n_buckets = 1;
    while (t->n_buckets < 2 * t->n_entries)
        t->n_buckets *= 2;
    t->entries = calloc(t->n_entries, sizeof *t->entries);
    t->buckets = malloc(t->n_buckets * sizeof *t->buckets);
    if (t->entries == NULL || t->buckets == NULL) {
        requests_free(t);
        return NULL;
    }
    for (uint32_t i = 0; i < t->n_buckets; i++)
        t->buckets[i] = NONE;
    for (int i = 0; i < LIST_COUNT; i++)
        t->lists[i] = (struct list) { .oldest = NONE, .newest = NONE };
    for (uint32_t i = 0; i < t->n_entries; i++)
        list_add(t, LIST_FREE, i);
    return t;
}

void requests_free(struct requests *t)
{
    if (t == NULL)
        return;
    if (t->entries != NULL)
        sodium_memzero(t->entries, t->n_entries * sizeof *t->entries);
    free(t->entries);
    free(t->buckets);
    free(t);
}

uint32_t requests_open(const struct requests *t)
{
    return t->lists[LIST_REQUEST].n + t->lists[LIST_ADVICE].n;
}

static bool is_open(const struct request *r)
{
    return r->list == LIST_REQUEST || r->list == LIST_ADVICE;
}

static uint32_t bucket_of(const struct requests *t, char class, uint64_t de7, uint32_t stan)
{
    uint64_t h = de7 * 1000000 + stan + ((uint64_t)(unsigned char)class << 56);
    h = (h ^ h >> 32) * UINT64_C(0x9E3779B97F4A7C15);
    return (uint32_t)(h >> 32) & (t->n_buckets - 1);
}

/* Function digit of the request that an answer's belongs to. */
static char asked_function(char answered)
{
    return answered == '1' ? '0' : answered == '3' ? '2' : '\0';
}

static bool same_identity(const struct request *a, const struct request *b)
{
    return memcmp(a->mti, b->mti, 3) == 0 && a->de7 == b->de7 && a->stan == b->stan &&
           strcmp(a->terminal, b->terminal) == 0;
}

struct request *requests_add(struct requests *t, const struct request *r, enum request_list list)
{
    assert(list == LIST_REQUEST || list == LIST_ADVICE);
    if (requests_open(t) >= t->max_open)
        return NULL;
    uint32_t bucket = bucket_of(t, r->mti[1], r->de7, r->stan);
    uint32_t next;
    for (uint32_t i = t->buckets[bucket]; i != NONE; i = next) {
        next = t->entries[i].chain;
        if (!same_identity(&t->entries[i], r))
            continue;
        if (is_open(&t->entries[i]))
            return NULL;
        requests_drop(t, &t->entries[i]);
    }
    uint32_t at = t->lists[LIST_FREE].oldest;
    assert(at != NONE); /* the limits of the other lists leave one free */
    list_take(t, at);
    t->entries[at] = *r;
    t->entries[at].chain = t->buckets[bucket];
    t->buckets[bucket] = at;
    list_add(t, list, at);
    return &t->entries[at];
}

struct request *requests_find(struct requests *t, const struct request_key *key)
{
    char function = asked_function(key->mti[2]);
    struct request *best = NULL;
    int best_score = -1;
    uint32_t i = t->buckets[bucket_of(t, key->mti[1], key->de7, key->stan)];
    for (; i != NONE; i = t->entries[i].chain) {
        struct request *r = &t->entries[i];
        if (r->mti[0] != key->mti[0] || r->mti[1] != key->mti[1] || r->mti[2] != function ||
            r->de7 != key->de7 || r->stan != key->stan)
            continue;
        if (key->terminal.n > 0 && !str_eq(key->terminal, str_of(r->terminal)))
            continue;
        int score = (str_eq(key->rrn, str_of(r->rrn)) ? 4 : 0) + (is_open(r)                  ? 2
                                                                     : r->list == LIST_SILENT ? 1
                                                                                              : 0);
        if (score > best_score) {
            best = r;
            best_score = score;
        }
    }
    return best;
}

void requests_close(struct requests *t, struct request *r, enum request_list list, int64_t now_ns)
{
    assert(list == LIST_SILENT || list == LIST_ANSWERED);
    assert(is_open(r) || r->list == LIST_SILENT);
    uint32_t at = (uint32_t)(r - t->entries);
    list_take(t, at);
    r->closed_ns = now_ns;
    list_add(t, list, at);
    if (t->lists[list].n > t->keep)
        requests_drop(t, requests_oldest(t, list));
}

void requests_drop(struct requests *t, struct request *r)
{
    assert(r->list != LIST_FREE);
    uint32_t at = (uint32_t)(r - t->entries);
    uint32_t *link = &t->buckets[bucket_of(t, r->mti[1], r->de7, r->stan)];
    while (*link != at) {
        assert(*link != NONE);
        link = &t->entries[*link].chain;
    }
    *link = r->chain;
    list_take(t, at);
    sodium_memzero(r, sizeof *r);
    list_add(t, LIST_FREE, at);
}

struct request *requests_oldest(struct requests *t, enum request_list list)
{
    uint32_t at = t->lists[list].oldest;
    return at == NONE ? NULL : &t->entries[at];
}

static void list_add(struct requests *t, enum request_list list, uint32_t at)
{
    struct list *l = &t->lists[list];
    struct request *r = &t->entries[at];
    r->list = list;
    r->before = l->newest;
    r->after = NONE;
    if (l->newest == NONE)
        l->oldest = at;
    else
        t->entries[l->newest].after = at;
    l->newest = at;
    l->n++;
}

static void list_take(struct requests *t, uint32_t at)
{
    struct request *r = &t->entries[at];
    struct list *l = &t->lists[r->list];
    if (r->before == NONE)
        l->oldest = r->after;
    else
        t->entries[r->before].after = r->after;
    if (r->after == NONE)
        l->newest = r->before;
    else
        t->entries[r->after].before = r->before;
    l->n--;
}
