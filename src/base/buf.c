#include "base/buf.h"

#include <assert.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_ROOM = 256 };

void buf_init(struct buf *b, size_t max)
{
    *b = (struct buf) { .max = max };
}

/* Not realloc: the old bytes may hold card data and must be wiped. */
static bool grow(struct buf *b, size_t need)
{
    size_t room = b->room == 0 ? FIRST_ROOM : b->room * 2;
    if (room < need)
        room = need;
    if (room > b->max)
        room = b->max;
    char *p = malloc(room);
    if (p == NULL)
        return false;
    if (b->n > 0)
        memcpy(p, b->p, b->n);
    if (b->p != NULL)
        sodium_memzero(b->p, b->n);
    free(b->p);
    b->p = p;
    b->room = room;
    return true;
}

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->full)
        return NULL;
    if (n > b->max - b->n || (n > b->room - b->n && !grow(b, b->n + n))) {
        b->full = true;
        return NULL;
    }
    return b->p + b->n;
}

void buf_add(struct buf *b, const void *bytes, size_t n)
{
    if (n == 0)
        return;
    char *at = buf_reserve(b, n);
    if (at == NULL)
        return;
    memcpy(at, bytes, n);
    b->n += n;
}

void buf_str(struct buf *b, struct str s)
{
    buf_add(b, s.p, s.n);
}

void buf_byte(struct buf *b, char c)
{
    buf_add(b, &c, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    assert(n >= 0);
    char *at = buf_reserve(b, (size_t)n + 1);
    if (at == NULL)
        return;
    va_start(args, format);
    (void)vsnprintf(at, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
}

void buf_consume(struct buf *b, size_t n)
{
    assert(n <= b->n);
    if (n == 0)
        return;
    memmove(b->p, b->p + n, b->n - n);
    sodium_memzero(b->p + b->n - n, n);
    b->n -= n;
}

struct str buf_view(const struct buf *b)
{
    return (struct str) { b->p, b->n };
}

void buf_reset(struct buf *b)
{
    if (b->n > 0)
        sodium_memzero(b->p, b->n);
    b->n = 0;
    b->full = false;
}

void buf_free(struct buf *b)
{
    buf_reset(b);
    free(b->p);
    buf_init(b, b->max);
}
