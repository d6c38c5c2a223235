#include "base/id.h"

#include <assert.h>

enum { COUNT_BITS = 21 };
#define EPOCH_MS INT64_C(1577836800000)

void idgen_init(struct idgen *g, int64_t last)
{
    assert(last >= 0);
    g->last = last;
}

int64_t id_floor(int64_t ms)
{
    assert(ms >= EPOCH_MS && ms - EPOCH_MS < INT64_C(1) << 42);
    return (ms - EPOCH_MS) << COUNT_BITS;
}

int64_t id_next(struct idgen *g, int64_t now_ms)
{
    int64_t id = id_floor(now_ms);
    if (id <= g->last)
        id = g->last + 1;
    g->last = id;
    return id;
}

int64_t id_time_ms(int64_t id)
{
    return (id >> COUNT_BITS) + EPOCH_MS;
}
