/*
 * Time behind a seam.
 *
 * Business time is milliseconds since 1970 UTC, read from a struct clock. In the sandbox it can be
 * moved forward (`turnpike clock advance`), in a simulation it is set by hand. It never runs
 * backwards: a step of the machine's clock to the past holds it still until the time has caught up.
 * Durations are measured with clock_mono_ns.
 */
#ifndef TURNPIKE_BASE_CLOCK_H
#define TURNPIKE_BASE_CLOCK_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct clock {
    _Atomic int64_t offset_ms; /* what the sandbox has advanced */
    _Atomic int64_t latest_ms; /* the largest value given out */
    bool manual;               /* the machine's clock is not read: a simulation sets the time */
};

/* The machine's clock moved forward by offset_ms. */
void clock_init(struct clock *c, int64_t offset_ms);

/* A clock that stands at now_ms until clock_advance moves it. */
void clock_init_manual(struct clock *c, int64_t now_ms);

/* Any thread. */
int64_t clock_now_ms(struct clock *c);

/* Moves the clock forward; by_ms must not be negative. */
void clock_advance(struct clock *c, int64_t by_ms);

/* A steady count for measuring, not related to any date. */
int64_t clock_mono_ns(void);

/* Calendar fields of a moment, UTC. */
struct utc {
    int year, month, day; /* month and day from 1 */
    int hour, minute, second, ms;
    int day_of_year; /* from 1 */
};
struct utc utc_of(int64_t ms);

/* Writes "2026-11-21T22:01:10.123Z" and a NUL: 25 bytes. */
enum { UTC_TEXT_SIZE = 25 };
void utc_text(int64_t ms, char out[UTC_TEXT_SIZE]);

#endif
