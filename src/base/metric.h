/*
 * Counters, gauges and latency histograms, printed in the Prometheus text form.
 *
 * A metric is a static variable of the module that counts; it is listed once with metric_register,
 * at start, before threads run. Updates are relaxed atomics, from any thread.
 *
 *   static struct metric approved = METRIC_COUNTER("turnpike_payments_total", "Payments by outcome", "outcome=\"approved\"");
 *   metric_register(&approved);
 *   metric_add(&approved, 1);
 */
#ifndef TURNPIKE_BASE_METRIC_H
#define TURNPIKE_BASE_METRIC_H

#include "base/buf.h"

#include <stdatomic.h>

enum metric_kind { METRIC_IS_COUNTER, METRIC_IS_GAUGE, METRIC_IS_HISTOGRAM };

/*
 * Histogram bounds in microseconds, the same for all: 50 us to 60 s, roughly 1-2.5-5 steps; the
 * last bucket is +Inf.
 */
enum { METRIC_BUCKETS = 20 };

struct metric {
    enum metric_kind kind;
    const char *name, *help, *labels; /* labels without braces, "" for none */
    _Atomic int64_t value;            /* counter and gauge; sum in microseconds of a histogram */
    _Atomic int64_t buckets[METRIC_BUCKETS];
    struct metric *next;
};

#define METRIC_COUNTER(n, h, l)                                                                    \
    {                                                                                              \
        .kind = METRIC_IS_COUNTER, .name = (n), .help = (h), .labels = (l)                         \
    }
#define METRIC_GAUGE(n, h, l)                                                                      \
    {                                                                                              \
        .kind = METRIC_IS_GAUGE, .name = (n), .help = (h), .labels = (l)                           \
    }
#define METRIC_HISTOGRAM(n, h, l)                                                                  \
    {                                                                                              \
        .kind = METRIC_IS_HISTOGRAM, .name = (n), .help = (h), .labels = (l)                       \
    }

/* Lists m beside those of its name; a second call with the same m does nothing. */
void metric_register(struct metric *m);

void metric_add(struct metric *m, int64_t by);        /* counter, gauge */
void metric_set(struct metric *m, int64_t value);     /* gauge */
void metric_observe_us(struct metric *m, int64_t us); /* histogram */

/*
 * Appends every registered metric in the Prometheus text format, version 0.0.4; histograms in
 * seconds.
 */
void metric_print(struct buf *out);

#endif
