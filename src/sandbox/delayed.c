#include "sandbox/delayed.h"

#include <assert.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

struct item {
    int64_t due_ms;
    uint64_t order; /* equal times keep their order */
    struct host_conn *conn;
    char *bytes;
    size_t n;
};

/* A binary heap. */
struct delayed {
    struct item *items;
    size_t count, room;
    uint64_t pushed;
    struct item taken;
};

struct delayed *delayed_new(void)
{
    return calloc(1, sizeof(struct delayed));
}

static void item_free(struct item *i)
{
    if (i->bytes != NULL)
        sodium_memzero(i->bytes, i->n); /* there is a card number in it */
    free(i->bytes);
    *i = (struct item) { 0 };
}

void delayed_free(struct delayed *d)
{
    if (d == NULL)
        return;
    item_free(&d->taken);
    for (size_t i = 0; i < d->count; i++)
        item_free(&d->items[i]);
    free(d->items);
    free(d);
}

static bool sooner(const struct item *a, const struct item *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void swap(struct item *a, struct item *b)
{
    struct item kept = *a;
    *a = *b;
    *b = kept;
}

static bool make_room(struct delayed *d)
{
    if (d->count < d->room)
        return true;
    size_t room = d->room == 0 ? 64 : d->room * 2;
    struct item *larger = room > DELAYED_MAX ? NULL : reallocarray(d->items, room, sizeof *larger);
    if (larger == NULL)
        return false;
    d->items = larger;
    d->room = room;
    return true;
}

bool delayed_push(struct delayed *d, int64_t due_ms, struct host_conn *c, struct str bytes)
{
    if (bytes.n == 0 || !make_room(d))
        return false;
    struct item new = { due_ms, d->pushed++, c, malloc(bytes.n), bytes.n };
    if (new.bytes == NULL)
        return false;
    memcpy(new.bytes, bytes.p, bytes.n);
    size_t at = d->count++;
    d->items[at] = new;
    for (; at > 0 && sooner(&d->items[at], &d->items[(at - 1) / 2]); at = (at - 1) / 2)
        swap(&d->items[at], &d->items[(at - 1) / 2]);
    return true;
}

int64_t delayed_due(const struct delayed *d)
{
    return d->count == 0 ? INT64_MAX : d->items[0].due_ms;
}

struct str delayed_pop(struct delayed *d, struct host_conn **c)
{
    assert(d->count > 0);
    item_free(&d->taken);
    d->taken = d->items[0];
    d->items[0] = d->items[--d->count];
    for (size_t at = 0;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < d->count; child++)
            if (sooner(&d->items[child], &d->items[least]))
                least = child;
        if (least == at)
            break;
        swap(&d->items[at], &d->items[least]);
        at = least;
    }
    *c = d->taken.conn;
    return (struct str) { d->taken.bytes, d->taken.n };
}

void delayed_forget(struct delayed *d, const struct host_conn *c)
{
    for (size_t i = 0; i < d->count; i++)
        if (d->items[i].conn == c)
            d->items[i].conn = NULL;
}
