#include "engine/timers.h"

#include <assert.h>
#include <stdlib.h>

bool timers_reserve(struct timers *t, size_t n)
{
    if (n <= t->room - t->n)
        return true;
    size_t room = t->room == 0 ? 1024 : t->room;
    while (room - t->n < n)
        room *= 2;
    struct timer *heap = realloc(t->heap, room * sizeof *heap);
    if (heap == NULL)
        return false;
    t->heap = heap;
    t->room = room;
    return true;
}

void timers_free(struct timers *t)
{
    free(t->heap);
    *t = (struct timers) { .heap = NULL };
}

static void swap(struct timer *a, struct timer *b)
{
    struct timer held = *a;
    *a = *b;
    *b = held;
}

static void sift_up(struct timers *t, size_t at)
{
    while (at > 0 && t->heap[at].at_ms < t->heap[(at - 1) / 2].at_ms) {
        swap(&t->heap[at], &t->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
}

static void sift_down(struct timers *t, size_t at)
{
    for (;;) {
        size_t least = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2; child++)
            if (child < t->n && t->heap[child].at_ms < t->heap[least].at_ms)
                least = child;
        if (least == at)
            return;
        swap(&t->heap[at], &t->heap[least]);
        at = least;
    }
}

void timers_add(struct timers *t, struct timer timer)
{
    assert(t->n < t->room);
    t->heap[t->n++] = timer;
    sift_up(t, t->n - 1);
}

int64_t timers_next(const struct timers *t)
{
    return t->n == 0 ? INT64_MAX : t->heap[0].at_ms;
}

bool timers_take(struct timers *t, int64_t now_ms, struct timer *out)
{
    if (timers_next(t) > now_ms)
        return false;
    *out = t->heap[0];
    t->heap[0] = t->heap[--t->n];
    if (t->n > 0)
        sift_down(t, 0);
    return true;
}

void timers_hurry(struct timers *t, int64_t now_ms)
{
    for (size_t i = 0; i < t->n; i++) {
        if (t->heap[i].kind == TIMER_REPEAT && t->heap[i].at_ms > now_ms) {
            t->heap[i].at_ms = now_ms;
            t->heap[i].now = true;
            sift_up(t, i);
        }
    }
}
