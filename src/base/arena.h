/*
 * An arena: memory that is freed whole.
 *
 * One arena serves one request, or one batch of the engine. Nothing in it is freed by hand. It is
 * told its maximum when it is made, so that no input can make it grow without bound; an allocation
 * that would pass the maximum, or that the system refuses, is NULL, and the caller answers with an
 * error. Card data passes through request arenas, so freeing wipes.
 */
#ifndef TURNPIKE_BASE_ARENA_H
#define TURNPIKE_BASE_ARENA_H

#include "base/str.h"

struct arena_chunk;

struct arena {
    struct arena_chunk *chunks; /* newest first */
    char *at, *end;             /* free room in the newest chunk */
    size_t used, max;           /* bytes taken from the system, and their limit */
};

/* An empty arena that will hold at most max bytes. Takes nothing from the system yet. */
void arena_init(struct arena *a, size_t max);

/* n zeroed bytes aligned for any type, or NULL. n == 0 gives a valid pointer. */
void *arena_alloc(struct arena *a, size_t n);

/* The same without the zeros: for what is written at once. */
void *arena_alloc_raw(struct arena *a, size_t n);

#define arena_new(a, type)          ((type *)arena_alloc((a), sizeof(type)))
#define arena_array(a, type, count) ((type *)arena_alloc_array((a), sizeof(type), (count)))
void *arena_alloc_array(struct arena *a, size_t size, size_t count);

/* A NUL-terminated copy of s; the empty slice with p == NULL when there is no room. */
struct str arena_str(struct arena *a, struct str s);

/* Formatted text, NUL-terminated; p == NULL when there is no room. */
struct str arena_printf(struct arena *a, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Wipes all and keeps the oldest chunk for the next use. */
void arena_reset(struct arena *a);

/* Wipes all and gives it back to the system. */
void arena_free(struct arena *a);

#endif
