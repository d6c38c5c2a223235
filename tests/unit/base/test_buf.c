/*
 * The buffer: it grows to its maximum and not a byte further.
 */
#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void what_is_appended_stands_in_order(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    buf_str(&b, STR("amount="));
    buf_printf(&b, "%d", 1050);
    buf_byte(&b, '&');
    buf_add(&b, "x\0y", 3);
    buf_add(&b, NULL, 0);
    buf_str(&b, STR_EMPTY);
    assert_false(b.full);
    assert_true(str_eq(buf_view(&b), STR("amount=1050&x\0y")));
    buf_free(&b);
    assert_int_equal(buf_view(&b).n, 0);
}

static void a_full_buffer_keeps_what_it_had_and_takes_no_more(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    buf_str(&b, STR("12345678"));
    assert_false(b.full);
    buf_byte(&b, '9');
    assert_true(b.full);
    assert_true(str_eq(buf_view(&b), STR("12345678")));
    buf_consume(&b, 8);
    buf_byte(&b, 'x'); /* room again, but the text would have a hole */
    assert_int_equal(buf_view(&b).n, 0);
    buf_reset(&b);
    buf_byte(&b, 'x');
    assert_true(str_eq(buf_view(&b), STR("x")));
    buf_free(&b);
}

static void growing_keeps_the_bytes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    for (int i = 0; i < 100000; i++)
        buf_byte(&b, (char)('a' + i % 26));
    assert_false(b.full);
    assert_int_equal(b.n, 100000);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(b.p[i], 'a' + i % 26);
    buf_byte(&b, '!');
    assert_true(b.full);
    buf_free(&b);
}

static void a_reservation_is_counted_by_its_owner(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    char *at = buf_reserve(&b, 10);
    assert_non_null(at);
    memcpy(at, "abc", 3);
    b.n += 3;
    assert_true(str_eq(buf_view(&b), STR("abc")));
    assert_null(buf_reserve(&b, 98));
    assert_true(b.full);
    buf_free(&b);
    buf_init(&b, 100);
    buf_byte(&b, 'x');
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_free(&b);
}

static void consuming_drops_from_the_front_and_wipes_the_rest(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_str(&b, STR("4111111111111111rest"));
    buf_consume(&b, 0);
    buf_consume(&b, 16);
    assert_true(str_eq(buf_view(&b), STR("rest")));
    for (size_t i = 4; i < 20; i++)
        assert_int_equal(b.p[i], 0);
    buf_free(&b);
}

static void a_reset_wipes(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    buf_str(&b, STR("secret"));
    char *p = b.p;
    buf_reset(&b);
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(p[i], 0);
    buf_free(&b);
}

static void formatted_text_that_does_not_fit_leaves_nothing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    buf_str(&b, STR("ab"));
    buf_printf(&b, "%020d", 1);
    assert_true(b.full);
    assert_true(str_eq(buf_view(&b), STR("ab")));
    buf_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_appended_stands_in_order),
        cmocka_unit_test(a_full_buffer_keeps_what_it_had_and_takes_no_more),
        cmocka_unit_test(growing_keeps_the_bytes),
        cmocka_unit_test(a_reservation_is_counted_by_its_owner),
        cmocka_unit_test(consuming_drops_from_the_front_and_wipes_the_rest),
        cmocka_unit_test(a_reset_wipes),
        cmocka_unit_test(formatted_text_that_does_not_fit_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
