#include "engine/waiters.h"

#include <assert.h>
#include <stdlib.h>

struct waiter {
    int64_t id; /* 0: free */
    struct command *command;
};

bool waiters_init(struct waiters *w, size_t max)
{
    size_t size = 64;
    while (size < 2 * max)
        size *= 2;
    *w = (struct waiters) { .slots = calloc(size, sizeof *w->slots), .mask = size - 1 };
    return w->slots != NULL;
}

void waiters_free(struct waiters *w)
{
    free(w->slots);
    w->slots = NULL;
}

static size_t home(const struct waiters *w, int64_t id)
{
    return (size_t)((uint64_t)id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & w->mask;
}

static size_t slot_of(const struct waiters *w, int64_t id)
{
    size_t at = home(w, id);
    while (w->slots[at].id != 0 && w->slots[at].id != id)
        at = (at + 1) & w->mask;
    return at;
}

void waiters_add(struct waiters *w, int64_t operation_id, struct command *c)
{
    size_t at = slot_of(w, operation_id);
    assert(w->slots[at].id == 0 && w->n < w->mask);
    w->slots[at] = (struct waiter) { operation_id, c };
    w->n++;
}

/* Moves later entries of the run back, so that no search ends at the hole. */
static void close_hole(struct waiters *w, size_t hole)
{
    for (size_t at = (hole + 1) & w->mask; w->slots[at].id != 0; at = (at + 1) & w->mask) {
        size_t wants = home(w, w->slots[at].id);
        if (((at - wants) & w->mask) >= ((at - hole) & w->mask)) {
            w->slots[hole] = w->slots[at];
            hole = at;
        }
    }
    w->slots[hole] = (struct waiter) { 0, NULL };
}

struct command *waiters_take(struct waiters *w, int64_t operation_id)
{
    size_t at = slot_of(w, operation_id);
    struct command *c = w->slots[at].command;
    if (w->slots[at].id == 0)
        return NULL;
    close_hole(w, at);
    w->n--;
    return c;
}

struct command *waiters_take_any(struct waiters *w)
{
    for (size_t at = 0; w->n > 0 && at <= w->mask; at++)
        if (w->slots[at].id != 0)
            return waiters_take(w, w->slots[at].id);
    return NULL;
}
