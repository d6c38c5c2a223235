/*
 * Timers: the earliest first, none lost, none early; and repeats that are hurried.
 */
#include "base/rng.h"
#include "engine/timers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 5000 };

static struct timer timer_at(int64_t at_ms, int64_t id)
{
    return (struct timer) { .at_ms = at_ms, .kind = TIMER_REPEAT, .operation = { 1, id } };
}

static void no_timer_is_never_due(void **state)
{
    (void)state;
    struct timers t = { .heap = NULL };
    struct timer out;
    assert_true(timers_next(&t) == INT64_MAX);
    assert_false(timers_take(&t, INT64_MAX - 1, &out));
    timers_hurry(&t, 0);
    timers_free(&t);
}

static void a_timer_is_due_at_its_time_and_not_before(void **state)
{
    (void)state;
    struct timers t = { .heap = NULL };
    struct timer out;
    assert_true(timers_reserve(&t, 1));
    timers_add(&t, timer_at(1000, 7));
    assert_true(timers_next(&t) == 1000);
    assert_false(timers_take(&t, 999, &out));
    assert_true(timers_take(&t, 1000, &out));
    assert_true(out.operation.id == 7 && out.at_ms == 1000 && out.kind == TIMER_REPEAT);
    assert_false(timers_take(&t, 2000, &out));
    timers_free(&t);
}

static void timers_come_in_the_order_of_their_times_and_none_is_lost(void **state)
{
    (void)state;
    struct timers t = { .heap = NULL };
    struct rng rng = rng_seeded(1);
    static bool seen[MANY];
    assert_true(timers_reserve(&t, MANY));
    for (int64_t i = 0; i < MANY; i++)
        timers_add(&t, timer_at(rng_below(&rng, 1000), i));
    struct timer out;
    int64_t before = -1;
    for (int i = 0; i < MANY; i++) {
        int64_t next = timers_next(&t);
        assert_true(timers_take(&t, INT64_MAX - 1, &out));
        assert_true(out.at_ms == next && out.at_ms >= before);
        assert_false(seen[out.operation.id]);
        seen[out.operation.id] = true;
        before = out.at_ms;
    }
    assert_true(timers_next(&t) == INT64_MAX);
    timers_free(&t);
}

static void room_grows_and_what_is_held_stays(void **state)
{
    (void)state;
    struct timers t = { .heap = NULL };
    struct timer out;
    for (int64_t i = 0; i < 3000; i++) {
        assert_true(timers_reserve(&t, 1));
        timers_add(&t, timer_at(5000 - i, i));
        assert_true(timers_next(&t) == 5000 - i);
    }
    assert_true(timers_reserve(&t, 100000));
    assert_true(t.room - t.n >= 100000);
    for (int64_t i = 2999; i >= 0; i--) {
        assert_true(timers_take(&t, 5000, &out));
        assert_true(out.operation.id == i);
    }
    timers_free(&t);
    assert_null(t.heap);
}

/* Taking and adding by turns, held against a plain list. */
static void adding_and_taking_by_turns_keeps_the_order(void **state)
{
    (void)state;
    struct timers t = { .heap = NULL };
    struct rng rng = rng_seeded(2);
    static int64_t model[MANY];
    size_t n = 0;
    assert_true(timers_reserve(&t, MANY));
    for (int round = 0; round < 3 * MANY; round++) {
        if (n < 200 && rng_below(&rng, 2) == 0) {
            model[n] = rng_below(&rng, 500);
            timers_add(&t, timer_at(model[n++], 1));
            continue;
        }
        size_t least = 0;
        for (size_t i = 1; i < n; i++)
            least = model[i] < model[least] ? i : least;
        int64_t now = rng_below(&rng, 500);
        struct timer out;
        bool due = n > 0 && model[least] <= now;
        assert_int_equal(timers_take(&t, now, &out), due);
        if (due) {
            assert_true(out.at_ms == model[least]);
            model[least] = model[--n];
        }
    }
    timers_free(&t);
}

static void a_hurry_makes_repeats_due_and_nothing_else(void **state)
{
    (void)state;
    struct timers t = { .heap = NULL };
    struct rng rng = rng_seeded(3);
    int repeats = 0;
    assert_true(timers_reserve(&t, 1000));
    for (int64_t i = 0; i < 1000; i++) {
        struct timer one = timer_at(100 + rng_below(&rng, 10000), i);
        one.kind = (enum timer_kind)rng_below(&rng, 4);
        repeats += one.kind == TIMER_REPEAT ? 1 : 0;
        timers_add(&t, one);
    }
    timers_hurry(&t, 50);
    struct timer out;
    for (int i = 0; i < repeats; i++) {
        assert_true(timers_take(&t, 50, &out));
        assert_int_equal(out.kind, TIMER_REPEAT);
        assert_true(out.at_ms == 50 && out.now);
    }
    assert_false(timers_take(&t, 50, &out));
    int64_t before = 50;
    for (int i = repeats; i < 1000; i++) {
        assert_true(timers_take(&t, 20000, &out));
        assert_int_not_equal(out.kind, TIMER_REPEAT);
        assert_false(out.now);
        assert_true(out.at_ms >= before);
        before = out.at_ms;
    }
    timers_free(&t);
}

static void a_hurry_leaves_what_is_due_already_as_it_is(void **state)
{
    (void)state;
    struct timers t = { .heap = NULL };
    assert_true(timers_reserve(&t, 2));
    timers_add(&t, timer_at(10, 1));
    timers_add(&t, timer_at(20, 2));
    timers_hurry(&t, 20);
    struct timer out;
    for (int64_t i = 1; i <= 2; i++) {
        assert_true(timers_take(&t, 20, &out));
        assert_true(out.operation.id == i && out.at_ms == i * 10);
        assert_false(out.now);
    }
    timers_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_timer_is_never_due),
        cmocka_unit_test(a_timer_is_due_at_its_time_and_not_before),
        cmocka_unit_test(timers_come_in_the_order_of_their_times_and_none_is_lost),
        cmocka_unit_test(room_grows_and_what_is_held_stays),
        cmocka_unit_test(adding_and_taking_by_turns_keeps_the_order),
        cmocka_unit_test(a_hurry_makes_repeats_due_and_nothing_else),
        cmocka_unit_test(a_hurry_leaves_what_is_due_already_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
