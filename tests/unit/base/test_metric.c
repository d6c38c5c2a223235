/*
 * Metrics as a scraper sees them: the text form, and counts from many threads.
 */
#include "base/metric.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct metric approved =
    METRIC_COUNTER("t_payments_total", "Payments by outcome", "outcome=\"approved\"");
static struct metric declined =
    METRIC_COUNTER("t_payments_total", "Payments by outcome", "outcome=\"declined\"");
static struct metric depth = METRIC_GAUGE("t_queue_depth", "Events waiting", "");
static struct metric plain = METRIC_HISTOGRAM("t_batch_seconds", "One batch", "");
static struct metric labelled = METRIC_HISTOGRAM("t_http_seconds", "Requests", "listener=\"api\"");

static struct buf page;

static const char *print_page(void)
{
    buf_reset(&page);
    metric_print(&page);
    buf_byte(&page, '\0');
    assert_false(page.full);
    return page.p;
}

static void assert_line(const char *line)
{
    const char *at = strstr(print_page(), line);
    if (at == NULL || (at != page.p && at[-1] != '\n'))
        fail_msg("no line \"%s\" in:\n%s", line, page.p);
}

static size_t times(const char *needle)
{
    size_t n = 0;
    for (const char *at = print_page(); (at = strstr(at, needle)) != NULL; at++)
        n++;
    return n;
}

static int register_all(void **state)
{
    (void)state;
    buf_init(&page, 1 << 20);
    metric_register(&approved);
    metric_register(&depth);
    metric_register(&plain);
    metric_register(&labelled);
    return 0;
}

static int free_page(void **state)
{
    (void)state;
    buf_free(&page);
    return 0;
}

static void counters_and_gauges_print_their_value(void **state)
{
    (void)state;
    metric_add(&approved, 1);
    metric_add(&approved, 41);
    metric_set(&depth, 7);
    metric_add(&depth, -9);
    assert_line("# HELP t_payments_total Payments by outcome\n# TYPE t_payments_total counter\n");
    assert_line("t_payments_total{outcome=\"approved\"} 42\n");
    assert_line("# TYPE t_queue_depth gauge\nt_queue_depth -2\n");
}

static void registering_twice_lists_once(void **state)
{
    (void)state;
    metric_register(&depth);
    metric_register(&depth);
    assert_int_equal(times("\nt_queue_depth "), 1);
}

static void metrics_of_one_name_stand_together_under_one_head(void **state)
{
    (void)state;
    metric_register(&declined); /* after others of another name */
    assert_int_equal(times("# TYPE t_payments_total"), 1);
    assert_non_null(strstr(print_page(),
        "t_payments_total{outcome=\"approved\"} 42\nt_payments_total{outcome=\"declined\"} 0\n"));
}

static void a_histogram_counts_upward_and_ends_at_infinity(void **state)
{
    (void)state;
    static const int64_t seen_us[] = { -5, 0, 50, 51, 2500, 2501, 60000000, 60000001 };
    for (size_t i = 0; i < COUNT(seen_us); i++)
        metric_observe_us(&plain, seen_us[i]);
    assert_line("t_batch_seconds_bucket{le=\"0.00005\"} 3\n");
    assert_line("t_batch_seconds_bucket{le=\"0.0001\"} 4\n");
    assert_line("t_batch_seconds_bucket{le=\"0.001\"} 4\n");
    assert_line("t_batch_seconds_bucket{le=\"0.0025\"} 5\n");
    assert_line("t_batch_seconds_bucket{le=\"0.005\"} 6\n");
    assert_line("t_batch_seconds_bucket{le=\"30\"} 6\n");
    assert_line("t_batch_seconds_bucket{le=\"60\"} 7\n");
    assert_line("t_batch_seconds_bucket{le=\"+Inf\"} 8\n");
    assert_line("t_batch_seconds_sum 120.005103\n");
    assert_line("t_batch_seconds_count 8\n");
}

static void labels_come_before_the_bound(void **state)
{
    (void)state;
    metric_observe_us(&labelled, 1500000);
    assert_line("t_http_seconds_bucket{listener=\"api\",le=\"1\"} 0\n");
    assert_line("t_http_seconds_bucket{listener=\"api\",le=\"2.5\"} 1\n");
    assert_line("t_http_seconds_sum{listener=\"api\"} 1.500000\n");
    assert_line("t_http_seconds_count{listener=\"api\"} 1\n");
}

enum { THREADS = 4, ROUNDS = 20000 };

static void *count_many(void *nothing)
{
    for (int i = 0; i < ROUNDS; i++) {
        metric_add(&declined, 1);
        metric_observe_us(&labelled, i);
    }
    return nothing;
}

static void no_count_is_lost_between_threads(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, count_many, NULL), 0);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_line("t_payments_total{outcome=\"declined\"} 80000\n");
    assert_line("t_http_seconds_count{listener=\"api\"} 80001\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_and_gauges_print_their_value),
        cmocka_unit_test(registering_twice_lists_once),
        cmocka_unit_test(metrics_of_one_name_stand_together_under_one_head),
        cmocka_unit_test(a_histogram_counts_upward_and_ends_at_infinity),
        cmocka_unit_test(labels_come_before_the_bound),
        cmocka_unit_test(no_count_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, register_all, free_page);
}
