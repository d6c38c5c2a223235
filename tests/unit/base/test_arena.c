/*
 * The arena: alignment, limits, wiping.
 */
#include "base/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdalign.h>
#include <string.h>

static void memory_is_zeroed_aligned_and_does_not_overlap(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024 * 1024);
    char *before = NULL;
    for (size_t n = 0; n < 200; n++) {
        char *p = arena_alloc(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % alignof(max_align_t), 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0x5a, n);
        if (before != NULL && n > 1)
            assert_int_equal(before[n - 2], 0x5a);
        before = p;
    }
    arena_free(&a);
}

static void an_arena_never_grows_past_its_maximum(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 20000);
    assert_null(arena_alloc(&a, 20001));
    assert_null(arena_alloc(&a, SIZE_MAX));
    size_t given = 0;
    while (arena_alloc(&a, 1000) != NULL)
        given += 1000;
    assert_in_range(given, 15000, 20000);
    assert_true(a.used <= 20000);
    arena_free(&a);
    assert_int_equal(a.used, 0);
    assert_non_null(arena_alloc(&a, 20000));
    arena_free(&a);
}

static void an_array_whose_size_overflows_is_refused(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    assert_null(arena_array(&a, uint64_t, SIZE_MAX / 4));
    assert_null(arena_array(&a, uint64_t, 513));
    assert_non_null(arena_array(&a, uint64_t, 512));
    assert_null(arena_new(&a, uint64_t));
    arena_free(&a);
}

static void copies_and_formatted_text_end_in_nul(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    struct str copy = arena_str(&a, (struct str) { "hello world", 5 });
    assert_int_equal(copy.n, 5);
    assert_string_equal(copy.p, "hello");
    assert_string_equal(arena_str(&a, STR_EMPTY).p, "");
    struct str text = arena_printf(&a, "%s-%d", "op", 42);
    assert_int_equal(text.n, 5);
    assert_string_equal(text.p, "op-42");
    arena_free(&a);
}

static void text_without_room_is_the_empty_slice(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 16);
    assert_null(arena_str(&a, STR("0123456789abcdef")).p); /* no room for its NUL */
    assert_null(arena_printf(&a, "%064d", 7).p);
    assert_non_null(arena_str(&a, STR("0123456789abcde")).p);
    arena_free(&a);
}

static void a_reset_wipes_and_keeps_the_first_chunk(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024 * 1024);
    char *pan = arena_alloc(&a, 16);
    memcpy(pan, "4111111111111111", 16);
    for (int i = 0; i < 100; i++)
        assert_non_null(arena_alloc(&a, 1000)); /* several chunks on top */
    arena_reset(&a);
    for (int i = 0; i < 16; i++)
        assert_int_equal(pan[i], 0);
    assert_true(a.used > 0 && a.used < 20000);
    assert_ptr_equal(arena_alloc(&a, 16), pan);
    arena_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed_aligned_and_does_not_overlap),
        cmocka_unit_test(an_arena_never_grows_past_its_maximum),
        cmocka_unit_test(an_array_whose_size_overflows_is_refused),
        cmocka_unit_test(copies_and_formatted_text_end_in_nul),
        cmocka_unit_test(text_without_room_is_the_empty_slice),
        cmocka_unit_test(a_reset_wipes_and_keeps_the_first_chunk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
