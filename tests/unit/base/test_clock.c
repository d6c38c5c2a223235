/*
 * Time: the seam, and the calendar.
 */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#define DAY_MS INT64_C(86400000)

static void a_manual_clock_stands_until_it_is_moved(void **state)
{
    (void)state;
    struct clock c;
    clock_init_manual(&c, 1000);
    assert_true(clock_now_ms(&c) == 1000);
    assert_true(clock_now_ms(&c) == 1000);
    clock_advance(&c, 0);
    clock_advance(&c, DAY_MS);
    assert_true(clock_now_ms(&c) == 1000 + DAY_MS);
}

static void the_machines_clock_can_be_moved_forward(void **state)
{
    (void)state;
    struct clock c;
    clock_init(&c, 0);
    int64_t before = clock_now_ms(&c);
    assert_true(before / 1000 - (int64_t)time(NULL) <= 1);
    assert_true((int64_t)time(NULL) - before / 1000 <= 1);
    clock_advance(&c, DAY_MS);
    int64_t after = clock_now_ms(&c);
    assert_true(after - before >= DAY_MS && after - before < DAY_MS + 60000);
    struct clock ahead;
    clock_init(&ahead, DAY_MS);
    assert_true(clock_now_ms(&ahead) >= before + DAY_MS);
}

static void time_holds_still_rather_than_run_backwards(void **state)
{
    (void)state;
    struct clock c;
    clock_init(&c, 0);
    int64_t now = clock_now_ms(&c);
    c.latest_ms = now + 60000; /* as if the machine had been set back by a minute */
    assert_true(clock_now_ms(&c) == now + 60000);
    assert_true(clock_now_ms(&c) == now + 60000);
}

static void *read_many(void *arg)
{
    struct clock *c = arg;
    int64_t last = 0;
    for (int i = 0; i < 20000; i++) {
        int64_t now = clock_now_ms(c);
        if (now < last)
            return c;
        last = now;
    }
    return NULL;
}

static void no_thread_sees_time_run_backwards(void **state)
{
    (void)state;
    struct clock c;
    clock_init(&c, 0);
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, read_many, &c), 0);
    for (size_t i = 0; i < 4; i++) {
        void *wrong;
        assert_int_equal(pthread_join(threads[i], &wrong), 0);
        assert_null(wrong);
    }
}

static void the_steady_count_does_not_fall(void **state)
{
    (void)state;
    int64_t a = clock_mono_ns(), b = clock_mono_ns();
    assert_true(a > 0 && b >= a);
}

static void moments_have_their_calendar_fields(void **state)
{
    (void)state;
    struct utc t = utc_of(INT64_C(1709251199999)); /* the last of a leap day */
    assert_int_equal(t.year, 2024);
    assert_int_equal(t.month, 2);
    assert_int_equal(t.day, 29);
    assert_int_equal(t.hour, 23);
    assert_int_equal(t.minute, 59);
    assert_int_equal(t.second, 59);
    assert_int_equal(t.ms, 999);
    assert_int_equal(t.day_of_year, 60);
    t = utc_of(-1);
    assert_int_equal(t.year, 1969);
    assert_int_equal(t.day_of_year, 365);
    assert_int_equal(t.ms, 999);
}

static void moments_are_written_in_utc_with_milliseconds(void **state)
{
    (void)state;
    char text[UTC_TEXT_SIZE];
    utc_text(0, text);
    assert_string_equal(text, "1970-01-01T00:00:00.000Z");
    utc_text(INT64_C(1795298470123), text);
    assert_string_equal(text, "2026-11-21T22:01:10.123Z");
    utc_text(-1000, text);
    assert_string_equal(text, "1969-12-31T23:59:59.000Z");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manual_clock_stands_until_it_is_moved),
        cmocka_unit_test(the_machines_clock_can_be_moved_forward),
        cmocka_unit_test(time_holds_still_rather_than_run_backwards),
        cmocka_unit_test(no_thread_sees_time_run_backwards),
        cmocka_unit_test(the_steady_count_does_not_fall),
        cmocka_unit_test(moments_have_their_calendar_fields),
        cmocka_unit_test(moments_are_written_in_utc_with_milliseconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
