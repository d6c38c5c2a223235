#include "base/arena.h"

#include <assert.h>
#include <sodium.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = alignof(max_align_t), FIRST_CHUNK = 8 * 1024, LARGEST_STEP = 1024 * 1024 };

struct arena_chunk {
    struct arena_chunk *older;
    size_t size; /* of data */
    alignas(max_align_t) char data[];
};

void arena_init(struct arena *a, size_t max)
{
    *a = (struct arena) { .max = max };
}

static bool add_chunk(struct arena *a, size_t need)
{
    size_t size = a->chunks == NULL ? FIRST_CHUNK : a->chunks->size * 2;
    if (size > LARGEST_STEP)
        size = LARGEST_STEP;
    if (size < need)
        size = need;
    if (size > a->max - a->used)
        size = a->max - a->used;
    if (size < need)
        return false;
    struct arena_chunk *c = malloc(sizeof *c + size);
    if (c == NULL)
        return false;
    c->older = a->chunks;
    c->size = size;
    a->chunks = c;
    a->used += size;
    a->at = c->data;
    a->end = c->data + size;
    return true;
}

void *arena_alloc_raw(struct arena *a, size_t n)
{
    if (n > a->max)
        return NULL;
    size_t rounded = n == 0 ? ALIGNMENT : (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if ((size_t)(a->end - a->at) < rounded && !add_chunk(a, rounded))
        return NULL;
    void *p = a->at;
    a->at += rounded;
    return p;
}

void *arena_alloc(struct arena *a, size_t n)
{
    void *p = arena_alloc_raw(a, n);
    return p != NULL ? memset(p, 0, n) : NULL;
}

void *arena_alloc_array(struct arena *a, size_t size, size_t count)
{
    if (count > 0 && size > a->max / count)
        return NULL;
    return arena_alloc(a, size * count);
}

struct str arena_str(struct arena *a, struct str s)
{
    char *p = arena_alloc_raw(a, s.n + 1);
    if (p == NULL)
        return STR_EMPTY;
    if (s.n > 0)
        memcpy(p, s.p, s.n);
    p[s.n] = '\0';
    return (struct str) { p, s.n };
}

struct str arena_printf(struct arena *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(n >= 0);
    char *p = arena_alloc(a, (size_t)n + 1);
    if (p == NULL)
        return STR_EMPTY;
    va_start(args, format);
    (void)vsnprintf(p, (size_t)n + 1, format, args);
    va_end(args);
    return (struct str) { p, (size_t)n };
}

/* Wipes what was handed out of the newest chunk and everything of the older ones. */
static void wipe_chunk(struct arena *a, struct arena_chunk *c)
{
    size_t used = c == a->chunks ? (size_t)(a->at - c->data) : c->size;
    sodium_memzero(c->data, used);
}

void arena_reset(struct arena *a)
{
    while (a->chunks != NULL && a->chunks->older != NULL) {
        struct arena_chunk *c = a->chunks;
        wipe_chunk(a, c);
        a->used -= c->size;
        a->chunks = c->older;
        a->at = a->chunks->data + a->chunks->size;
        free(c);
    }
    if (a->chunks != NULL) {
        wipe_chunk(a, a->chunks);
        a->at = a->chunks->data;
        a->end = a->chunks->data + a->chunks->size;
    }
}

void arena_free(struct arena *a)
{
    arena_reset(a);
    free(a->chunks);
    arena_init(a, a->max);
}
