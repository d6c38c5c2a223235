#include "base/clock.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t read_clock(clockid_t id, int64_t per_second)
{
    struct timespec now;
    if (clock_gettime(id, &now) != 0)
        abort(); /* no clock, no payments */
    return (int64_t)now.tv_sec * per_second + now.tv_nsec / (1000000000 / per_second);
}

void clock_init(struct clock *c, int64_t offset_ms)
{
    assert(offset_ms >= 0);
    *c = (struct clock) { .offset_ms = offset_ms };
}

void clock_init_manual(struct clock *c, int64_t now_ms)
{
    *c = (struct clock) { .latest_ms = now_ms, .manual = true };
}

int64_t clock_now_ms(struct clock *c)
{
    int64_t latest = atomic_load(&c->latest_ms);
    if (c->manual)
        return latest;
    int64_t now = read_clock(CLOCK_REALTIME, 1000) + atomic_load(&c->offset_ms);
    while (now > latest)
        if (atomic_compare_exchange_weak(&c->latest_ms, &latest, now))
            return now;
    return latest;
}

void clock_advance(struct clock *c, int64_t by_ms)
{
    assert(by_ms >= 0);
    if (c->manual)
        atomic_fetch_add(&c->latest_ms, by_ms);
    else
        atomic_fetch_add(&c->offset_ms, by_ms);
}

int64_t clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC, 1000000000);
}

struct utc utc_of(int64_t ms)
{
    time_t seconds = (time_t)(ms / 1000);
    int rest = (int)(ms % 1000);
    if (rest < 0) {
        rest += 1000;
        seconds--;
    }
    struct tm tm;
    if (gmtime_r(&seconds, &tm) == NULL)
        abort();
    return (struct utc) { .year = tm.tm_year + 1900,
        .month = tm.tm_mon + 1,
        .day = tm.tm_mday,
        .hour = tm.tm_hour,
        .minute = tm.tm_min,
        .second = tm.tm_sec,
        .ms = rest,
        .day_of_year = tm.tm_yday + 1 };
}

void utc_text(int64_t ms, char out[UTC_TEXT_SIZE])
{
    struct utc t = utc_of(ms);
    (void)snprintf(out, UTC_TEXT_SIZE, "%04u-%02u-%02uT%02u:%02u:%02u.%03uZ",
        (unsigned)t.year % 10000, (unsigned)t.month % 100, (unsigned)t.day % 100,
        (unsigned)t.hour % 100, (unsigned)t.minute % 100, (unsigned)t.second % 100,
        (unsigned)t.ms % 1000);
}
