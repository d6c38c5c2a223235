/*
 * Ids: rising, telling their time.
 */
#include "base/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdbool.h>

#define NOW_MS INT64_C(1795298470123)

static void ids_rise_whatever_the_clock_does(void **state)
{
    (void)state;
    struct idgen g;
    idgen_init(&g, 0);
    int64_t last = 0;
    for (int i = 0; i < 10000; i++) {
        int64_t now = NOW_MS + (i % 7) - (i % 3) * 1000; /* to and fro */
        int64_t id = id_next(&g, now);
        assert_true(id > last);
        last = id;
    }
}

static void an_id_tells_its_millisecond(void **state)
{
    (void)state;
    struct idgen g;
    idgen_init(&g, 0);
    int64_t id = id_next(&g, NOW_MS);
    assert_true(id_time_ms(id) == NOW_MS);
    assert_true(id == id_floor(NOW_MS));
    assert_true(id_next(&g, NOW_MS) == id + 1);
}

static void ids_continue_after_the_largest_known(void **state)
{
    (void)state;
    struct idgen g;
    int64_t known = id_floor(NOW_MS + 5000); /* made by a clock that was ahead */
    idgen_init(&g, known);
    assert_true(id_next(&g, NOW_MS) == known + 1);
    assert_true(id_next(&g, NOW_MS + 6000) == id_floor(NOW_MS + 6000));
}

static void a_millisecond_that_is_used_up_borrows_from_the_next(void **state)
{
    (void)state;
    struct idgen g;
    idgen_init(&g, id_floor(NOW_MS + 1) - 1);
    int64_t id = id_next(&g, NOW_MS);
    assert_true(id_time_ms(id) == NOW_MS + 1);
    assert_true(id_next(&g, NOW_MS + 1) == id + 1);
}

static void the_floor_of_a_moment_splits_the_ids(void **state)
{
    (void)state;
    assert_true(id_floor(INT64_C(1577836800000)) == 0); /* 2020 began */
    assert_true(id_time_ms(id_floor(NOW_MS) - 1) == NOW_MS - 1);
    assert_true(id_time_ms(id_floor(NOW_MS)) == NOW_MS);
    assert_true(id_floor(INT64_C(5964652800000)) > 0); /* 2159 begins, the sign bit is free */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ids_rise_whatever_the_clock_does),
        cmocka_unit_test(an_id_tells_its_millisecond),
        cmocka_unit_test(ids_continue_after_the_largest_known),
        cmocka_unit_test(a_millisecond_that_is_used_up_borrows_from_the_next),
        cmocka_unit_test(the_floor_of_a_moment_splits_the_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
