/*
 * 63-bit ids, ordered by time.
 *
 *   42 bits milliseconds since 2020-01-01 UTC (until 2159) | 21 bits count within the millisecond
 *
 * Made by one thread, strictly increasing: when the clock stands still or a millisecond is used up,
 * the next one is taken ahead of time.
 */
#ifndef TURNPIKE_BASE_ID_H
#define TURNPIKE_BASE_ID_H

#include <stdint.h>

struct idgen {
    int64_t last;
};

/* Continues after `last`, the largest id known to exist (0 when there is none). */
void idgen_init(struct idgen *g, int64_t last);

/* The next id, above all before it. now_ms must be after 2020. */
int64_t id_next(struct idgen *g, int64_t now_ms);

/* The moment an id was made, in milliseconds since 1970. */
int64_t id_time_ms(int64_t id);

/* The smallest id that could be made at that moment. */
int64_t id_floor(int64_t ms);

#endif
