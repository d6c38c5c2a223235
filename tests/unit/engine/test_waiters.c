/*
 * Waiters: who waits for an operation is found once, whatever else has come and gone.
 */
#include "base/rng.h"
#include "engine/waiters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { MANY = 4000 };

static struct command commands[MANY];

static void nobody_waits_in_an_empty_table(void **state)
{
    (void)state;
    struct waiters w;
    assert_true(waiters_init(&w, 1));
    assert_null(waiters_take(&w, 1));
    assert_null(waiters_take_any(&w));
    waiters_free(&w);
}

static void a_waiter_is_taken_once(void **state)
{
    (void)state;
    struct waiters w;
    assert_true(waiters_init(&w, 10));
    waiters_add(&w, 77, &commands[0]);
    waiters_add(&w, 78, &commands[1]);
    assert_ptr_equal(waiters_take(&w, 77), &commands[0]);
    assert_null(waiters_take(&w, 77));
    assert_null(waiters_take(&w, 79));
    assert_ptr_equal(waiters_take(&w, 78), &commands[1]);
    assert_int_equal(w.n, 0);
    waiters_free(&w);
}

static void a_table_holds_as_many_as_it_was_made_for(void **state)
{
    (void)state;
    struct waiters w;
    assert_true(waiters_init(&w, MANY));
    for (int64_t i = 0; i < MANY; i++)
        waiters_add(&w, (i + 1) << 21, &commands[i]);
    for (int64_t i = MANY - 1; i >= 0; i--)
        assert_ptr_equal(waiters_take(&w, (i + 1) << 21), &commands[i]);
    waiters_free(&w);
}

/* A small table, so that runs of neighbours form, tear and close; held against a plain array. */
static void coming_and_going_loses_nobody(void **state)
{
    (void)state;
    enum { IDS = 200 };
    struct waiters w;
    struct rng rng = rng_seeded(4);
    struct command *model[IDS + 1] = { NULL };
    size_t n = 0;
    assert_true(waiters_init(&w, 32));
    for (int round = 0; round < 200000; round++) {
        int64_t id = 1 + rng_below(&rng, IDS);
        if (model[id] == NULL && n < 60 && rng_below(&rng, 2) == 0) {
            model[id] = &commands[rng_below(&rng, MANY)];
            waiters_add(&w, id, model[id]);
            n++;
            continue;
        }
        assert_ptr_equal(waiters_take(&w, id), model[id]);
        n -= model[id] != NULL ? 1 : 0;
        model[id] = NULL;
        assert_int_equal(w.n, n);
    }
    waiters_free(&w);
}

static void taking_any_empties_the_table(void **state)
{
    (void)state;
    struct waiters w;
    static bool seen[MANY];
    assert_true(waiters_init(&w, MANY));
    for (int64_t i = 0; i < 500; i++)
        waiters_add(&w, i * 7 + 1, &commands[i]);
    for (int i = 0; i < 500; i++) {
        struct command *c = waiters_take_any(&w);
        assert_non_null(c);
        assert_false(seen[c - commands]);
        seen[c - commands] = true;
    }
    assert_null(waiters_take_any(&w));
    waiters_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_waits_in_an_empty_table),
        cmocka_unit_test(a_waiter_is_taken_once),
        cmocka_unit_test(a_table_holds_as_many_as_it_was_made_for),
        cmocka_unit_test(coming_and_going_loses_nobody),
        cmocka_unit_test(taking_any_empties_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
