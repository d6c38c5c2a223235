/*
 * Random bytes behind a seam: the system's generator in service, a seeded one in a simulation.
 */
#ifndef TURNPIKE_BASE_RNG_H
#define TURNPIKE_BASE_RNG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct rng {
    bool seeded;
    uint64_t seed, drawn;
};

struct rng rng_system(void);
struct rng rng_seeded(uint64_t seed);

/* Fills n bytes. A seeded generator gives the same bytes for the same seed and the same calls. */
void rng_fill(struct rng *r, void *out, size_t n);

/* A number below bound (> 0), without bias. */
uint32_t rng_below(struct rng *r, uint32_t bound);

#endif
