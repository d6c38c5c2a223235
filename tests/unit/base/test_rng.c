/*
 * Chance: repeatable under a seed, and even.
 */
#include "base/rng.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_same_seed_gives_the_same_bytes(void **state)
{
    (void)state;
    struct rng a = rng_seeded(42), b = rng_seeded(42), c = rng_seeded(43);
    uint8_t from_a[64], from_b[64], from_c[64];
    for (int i = 0; i < 3; i++) {
        rng_fill(&a, from_a, sizeof from_a);
        rng_fill(&b, from_b, sizeof from_b);
        rng_fill(&c, from_c, sizeof from_c);
        assert_memory_equal(from_a, from_b, sizeof from_a);
        assert_memory_not_equal(from_a, from_c, sizeof from_a);
    }
}

static void each_call_gives_other_bytes(void **state)
{
    (void)state;
    struct rng kinds[] = { rng_seeded(1), rng_system() };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        uint8_t one[16], two[16];
        rng_fill(&kinds[k], one, sizeof one);
        rng_fill(&kinds[k], two, sizeof two);
        assert_memory_not_equal(one, two, sizeof one);
    }
}

static void only_the_bytes_asked_for_are_written(void **state)
{
    (void)state;
    struct rng kinds[] = { rng_seeded(1), rng_system() };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        uint8_t bytes[12] = { 0 };
        rng_fill(&kinds[k], bytes + 1, 10);
        rng_fill(&kinds[k], bytes, 0);
        assert_int_equal(bytes[0], 0);
        assert_int_equal(bytes[11], 0);
    }
}

static void numbers_below_a_bound_are_even(void **state)
{
    (void)state;
    struct rng r = rng_seeded(7);
    unsigned seen[6] = { 0 };
    for (int i = 0; i < 6000; i++) {
        uint32_t value = rng_below(&r, 6);
        assert_true(value < 6);
        seen[value]++;
    }
    for (size_t i = 0; i < COUNT(seen); i++)
        assert_in_range(seen[i], 850, 1150); /* 1000 expected, five deviations either way */
    assert_int_equal(rng_below(&r, 1), 0);
}

/* With this bound the plain remainder would give the lower half twice as often as the upper. */
static void a_bound_that_does_not_divide_is_even_too(void **state)
{
    (void)state;
    struct rng r = rng_seeded(9);
    uint32_t bound = 0xc0000000U;
    unsigned low = 0;
    for (int i = 0; i < 3000; i++)
        low += rng_below(&r, bound) < bound / 3;
    assert_in_range(low, 850, 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_gives_the_same_bytes),
        cmocka_unit_test(each_call_gives_other_bytes),
        cmocka_unit_test(only_the_bytes_asked_for_are_written),
        cmocka_unit_test(numbers_below_a_bound_are_even),
        cmocka_unit_test(a_bound_that_does_not_divide_is_even_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
