/*
 * A growing buffer that is told its maximum when it is made.
 *
 * Appending past the maximum, or when the system has no memory, sets `full` and leaves what was
 * there; all later appends do nothing. So a writer appends freely and looks at `full` once, at the
 * end.
 */
#ifndef TURNPIKE_BASE_BUF_H
#define TURNPIKE_BASE_BUF_H

#include "base/str.h"

struct buf {
    char *p;
    size_t n, room, max;
    bool full;
};

/* An empty buffer for at most max bytes. */
void buf_init(struct buf *b, size_t max);

void buf_add(struct buf *b, const void *bytes, size_t n);
void buf_str(struct buf *b, struct str s);
void buf_byte(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/*
 * Room for n more bytes at the end, not yet counted; NULL when there is none. Follow with b->n +=
 * written.
 */
char *buf_reserve(struct buf *b, size_t n);

/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);

/* What is in it now; valid until the next change. */
struct str buf_view(const struct buf *b);

/* Empties it, wiping the bytes, and keeps the memory. */
void buf_reset(struct buf *b);

/* Wipes and frees. */
void buf_free(struct buf *b);

#endif
