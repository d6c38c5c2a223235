#include "base/rng.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

struct rng rng_system(void)
{
    return (struct rng) { .seeded = false };
}

struct rng rng_seeded(uint64_t seed)
{
    return (struct rng) { .seeded = true, .seed = seed };
}

void rng_fill(struct rng *r, void *out, size_t n)
{
    if (!r->seeded) {
        randombytes_buf(out, n);
        return;
    }
    unsigned char key[randombytes_SEEDBYTES] = { 0 };
    memcpy(key, &r->seed, sizeof r->seed);
    memcpy(key + sizeof r->seed, &r->drawn, sizeof r->drawn);
    r->drawn++;
    randombytes_buf_deterministic(out, n, key);
}

uint32_t rng_below(struct rng *r, uint32_t bound)
{
    assert(bound > 0);
    uint32_t limit = UINT32_MAX - UINT32_MAX % bound;
    uint32_t value;
    do
        rng_fill(r, &value, sizeof value);
    while (value >= limit);
    return value % bound;
}
