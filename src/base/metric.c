#include "base/metric.h"

#include <assert.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

/* Upper bounds of the buckets, with the text of `le` in seconds; the one after the last is +Inf. */
static const struct {
    int64_t us;
    const char *seconds;
} bounds[] = {
    { 50, "0.00005" },
    { 100, "0.0001" },
    { 250, "0.00025" },
    { 500, "0.0005" },
    { 1000, "0.001" },
    { 2500, "0.0025" },
    { 5000, "0.005" },
    { 10000, "0.01" },
    { 25000, "0.025" },
    { 50000, "0.05" },
    { 100000, "0.1" },
    { 250000, "0.25" },
    { 500000, "0.5" },
    { 1000000, "1" },
    { 2500000, "2.5" },
    { 5000000, "5" },
    { 10000000, "10" },
    { 30000000, "30" },
    { 60000000, "60" },
};
static_assert(COUNT(bounds) == METRIC_BUCKETS - 1, "the last bucket has no bound");

static const char *const kind_names[] = {
    [METRIC_IS_COUNTER] = "counter",
    [METRIC_IS_GAUGE] = "gauge",
    [METRIC_IS_HISTOGRAM] = "histogram",
};

/* The list is changed at start only, but a page may be printed while a second listener starts. */
static pthread_mutex_t list_lock = PTHREAD_MUTEX_INITIALIZER;
static struct metric *first;

/* A metric goes behind the last one of its name, as the text form wants one block per name. */
void metric_register(struct metric *m)
{
    assert(m->name != NULL && m->help != NULL && m->labels != NULL);
    pthread_mutex_lock(&list_lock);
    struct metric **behind = NULL;
    struct metric **end = &first;
    bool listed = false;
    for (; *end != NULL; end = &(*end)->next) {
        if (*end == m)
            listed = true;
        if (strcmp((*end)->name, m->name) == 0) {
            assert((*end)->kind == m->kind);
            behind = &(*end)->next;
        }
    }
    if (!listed) {
        if (behind == NULL)
            behind = end;
        m->next = *behind;
        *behind = m;
    }
    pthread_mutex_unlock(&list_lock);
}

void metric_add(struct metric *m, int64_t by)
{
    assert(m->kind == METRIC_IS_GAUGE || (m->kind == METRIC_IS_COUNTER && by >= 0));
    atomic_fetch_add_explicit(&m->value, by, memory_order_relaxed);
}

void metric_set(struct metric *m, int64_t value)
{
    assert(m->kind == METRIC_IS_GAUGE);
    atomic_store_explicit(&m->value, value, memory_order_relaxed);
}

void metric_observe_us(struct metric *m, int64_t us)
{
    assert(m->kind == METRIC_IS_HISTOGRAM);
    if (us < 0)
        us = 0;
    size_t i = 0;
    while (i < COUNT(bounds) && us > bounds[i].us)
        i++;
    atomic_fetch_add_explicit(&m->buckets[i], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&m->value, us, memory_order_relaxed);
}

static void print_sample(
    struct buf *out, const struct metric *m, const char *suffix, const char *le)
{
    buf_printf(out, "%s%s", m->name, suffix);
    if (m->labels[0] == '\0' && le == NULL)
        return;
    const char *comma = m->labels[0] != '\0' && le != NULL ? "," : "";
    buf_printf(out, "{%s%s", m->labels, comma);
    if (le != NULL)
        buf_printf(out, "le=\"%s\"", le);
    buf_byte(out, '}');
}

/* The count is taken from the buckets, so that it always equals the +Inf bucket. */
static void print_histogram(struct buf *out, struct metric *m)
{
    int64_t sum_us = atomic_load_explicit(&m->value, memory_order_relaxed);
    int64_t count = 0;
    for (size_t i = 0; i < METRIC_BUCKETS; i++) {
        count += atomic_load_explicit(&m->buckets[i], memory_order_relaxed);
        print_sample(out, m, "_bucket", i < COUNT(bounds) ? bounds[i].seconds : "+Inf");
        buf_printf(out, " %" PRId64 "\n", count);
    }
    print_sample(out, m, "_sum", NULL);
    buf_printf(out, " %" PRId64 ".%06" PRId64 "\n", sum_us / 1000000, sum_us % 1000000);
    print_sample(out, m, "_count", NULL);
    buf_printf(out, " %" PRId64 "\n", count);
}

void metric_print(struct buf *out)
{
    pthread_mutex_lock(&list_lock);
    const char *name = "";
    for (struct metric *m = first; m != NULL; m = m->next) {
        if (strcmp(name, m->name) != 0) {
            name = m->name;
            buf_printf(
                out, "# HELP %s %s\n# TYPE %s %s\n", name, m->help, name, kind_names[m->kind]);
        }
        if (m->kind == METRIC_IS_HISTOGRAM) {
            print_histogram(out, m);
            continue;
        }
        print_sample(out, m, "", NULL);
        buf_printf(out, " %" PRId64 "\n", atomic_load_explicit(&m->value, memory_order_relaxed));
    }
    pthread_mutex_unlock(&list_lock);
}
