/*
 * Slices: comparing, cutting, reading numbers and hex, at the borders where such code breaks.
 */
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void the_empty_slice_may_have_no_pointer(void **state)
{
    (void)state;
    assert_int_equal(str_of(NULL).n, 0);
    assert_true(str_eq(STR_EMPTY, STR("")));
    assert_true(str_eq_nocase(STR_EMPTY, STR_EMPTY));
    assert_int_equal(str_cmp(STR_EMPTY, STR("")), 0);
    assert_true(str_starts_with(STR_EMPTY, STR_EMPTY));
    assert_false(str_starts_with(STR_EMPTY, STR("a")));
    assert_false(str_is_digits(STR_EMPTY));
    assert_int_equal(str_find(STR_EMPTY, 'x'), 0);
    assert_int_equal(str_trim(STR_EMPTY).n, 0);
    assert_int_equal(str_skip(STR_EMPTY, 3).n, 0);
}

static void equality_looks_at_length_and_bytes(void **state)
{
    (void)state;
    assert_true(str_eq(STR("abc"), STR("abc")));
    assert_false(str_eq(STR("abc"), STR("abd")));
    assert_false(str_eq(STR("abc"), STR("ab")));
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
}

static void case_is_folded_for_ascii_letters_only(void **state)
{
    (void)state;
    assert_true(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_eq_nocase(STR("@"), STR("`"))); /* 32 apart, as letters are */
    assert_false(str_eq_nocase(STR("["), STR("{")));
    assert_false(str_eq_nocase(STR("\xc0"), STR("\xe0")));
}

static void order_is_by_unsigned_bytes_and_a_prefix_comes_first(void **state)
{
    (void)state;
    assert_true(str_cmp(STR("a"), STR("b")) < 0);
    assert_true(str_cmp(STR("b"), STR("a")) > 0);
    assert_true(str_cmp(STR("ab"), STR("abc")) < 0);
    assert_true(str_cmp(STR("abc"), STR("ab")) > 0);
    assert_true(str_cmp(STR("z"), STR("\xff")) < 0);
}

static void only_ascii_digits_are_digits(void **state)
{
    (void)state;
    assert_true(str_is_digits(STR("0123456789")));
    assert_false(str_is_digits(STR("12/")));
    assert_false(str_is_digits(STR("12:")));
    assert_false(str_is_digits(STR("1\0")));
    assert_false(str_is_digits(STR("\xd9\xa1"))); /* an Arabic one */
}

static void finding_skipping_and_trimming_stay_inside(void **state)
{
    (void)state;
    assert_int_equal(str_find(STR("a=b"), '='), 1);
    assert_int_equal(str_find(STR("abc"), '='), 3);
    assert_true(str_eq(str_skip(STR("abc"), 1), STR("bc")));
    assert_int_equal(str_skip(STR("abc"), 3).n, 0);
    assert_int_equal(str_skip(STR("abc"), SIZE_MAX).n, 0);
    assert_true(str_eq(str_trim(STR(" \t\r\n a b \n")), STR("a b")));
    assert_int_equal(str_trim(STR(" \n ")).n, 0);
}

static void splitting_keeps_empty_parts(void **state)
{
    (void)state;
    struct str rest = STR("a,,b,"), part;
    const char *const wanted[] = { "a", "", "b", "" };
    for (size_t i = 0; i < COUNT(wanted); i++) {
        assert_true(str_split(&rest, ',', &part));
        assert_true(str_eq(part, str_of(wanted[i])));
    }
    assert_false(str_split(&rest, ',', &part));
    rest = STR("");
    assert_true(str_split(&rest, ',', &part)); /* one part, empty */
    assert_int_equal(part.n, 0);
    assert_false(str_split(&rest, ',', &part));
}

static void numbers_are_read_whole_and_up_to_their_maximum(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t max;
        bool ok;
        uint64_t value;
    } rows[] = {
        { "0", 0, true, 0 },
        { "1", 0, false, 0 },
        { "007", 9, true, 7 },
        { "9", 5, false, 0 },
        { "65535", 65535, true, 65535 },
        { "65536", 65535, false, 0 },
        { "18446744073709551615", UINT64_MAX, true, UINT64_MAX },
        { "18446744073709551616", UINT64_MAX, false, 0 },
        { "99999999999999999999999", UINT64_MAX, false, 0 },
        { "", 9, false, 0 },
        { "+1", 9, false, 0 },
        { "-1", 9, false, 0 },
        { " 1", 9, false, 0 },
        { "1 ", 9, false, 0 },
        { "1x", 99, false, 0 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        uint64_t value = 12345;
        assert_int_equal(str_to_u64(str_of(rows[i].text), rows[i].max, &value), rows[i].ok);
        assert_true(value == (rows[i].ok ? rows[i].value : 12345));
    }
}

static void hexadecimal_numbers_have_one_to_sixteen_digits(void **state)
{
    (void)state;
    uint64_t value;
    assert_true(str_to_hex64(STR("fFfFfFfFfFfFfFfF"), &value) && value == UINT64_MAX);
    assert_true(str_to_hex64(STR("0a"), &value) && value == 10);
    assert_false(str_to_hex64(STR(""), &value));
    assert_false(str_to_hex64(STR("00000000000000001"), &value));
    assert_false(str_to_hex64(STR("0x1"), &value));
    assert_false(str_to_hex64(STR("g"), &value));
}

static void a_copy_fits_with_its_nul_or_is_empty(void **state)
{
    (void)state;
    char room[4] = "???";
    assert_true(str_copy(room, sizeof room, STR("abc")));
    assert_string_equal(room, "abc");
    assert_false(str_copy(room, sizeof room, STR("abcd")));
    assert_string_equal(room, "");
    assert_true(str_copy(room, sizeof room, STR_EMPTY));
    assert_string_equal(room, "");
}

static void hex_goes_there_and_back(void **state)
{
    (void)state;
    const uint8_t bytes[] = { 0x00, 0x1f, 0xa0, 0xff };
    char text[8];
    hex_lower(bytes, sizeof bytes, text);
    assert_memory_equal(text, "001fa0ff", 8);
    hex_upper(bytes, sizeof bytes, text);
    assert_memory_equal(text, "001FA0FF", 8);
    uint8_t back[4];
    assert_true(hex_decode((struct str) { text, 8 }, back, sizeof back));
    assert_memory_equal(back, bytes, sizeof bytes);
    assert_false(hex_decode(STR("001fa0f"), back, sizeof back));
    assert_false(hex_decode(STR("001fa0ff0"), back, sizeof back));
    assert_false(hex_decode(STR("001fa0fg"), back, sizeof back));
    assert_false(hex_decode(STR("001fa0 f"), back, sizeof back));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_empty_slice_may_have_no_pointer),
        cmocka_unit_test(equality_looks_at_length_and_bytes),
        cmocka_unit_test(case_is_folded_for_ascii_letters_only),
        cmocka_unit_test(order_is_by_unsigned_bytes_and_a_prefix_comes_first),
        cmocka_unit_test(only_ascii_digits_are_digits),
        cmocka_unit_test(finding_skipping_and_trimming_stay_inside),
        cmocka_unit_test(splitting_keeps_empty_parts),
        cmocka_unit_test(numbers_are_read_whole_and_up_to_their_maximum),
        cmocka_unit_test(hexadecimal_numbers_have_one_to_sixteen_digits),
        cmocka_unit_test(a_copy_fits_with_its_nul_or_is_empty),
        cmocka_unit_test(hex_goes_there_and_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
