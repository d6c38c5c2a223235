/*
 * Money: every text means one amount or none.
 */
#include "base/money.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct row {
    const char *text;
    unsigned exponent;
    enum money_result result;
    int64_t minor;
} rows[] = {
    /* what merchants send */
    { "10", 2, MONEY_OK, 1000 },
    { "10.5", 2, MONEY_OK, 1050 },
    { "10.50", 2, MONEY_OK, 1050 },
    { "10.500", 2, MONEY_OK, 1050 },
    { "0.01", 2, MONEY_OK, 1 },
    { "0", 2, MONEY_OK, 0 },
    { "0.00", 0, MONEY_OK, 0 },
    { "-0", 2, MONEY_OK, 0 },
    { "-0.00e5", 2, MONEY_OK, 0 },
    { "007.10", 2, MONEY_OK, 710 },
    { "1500", 0, MONEY_OK, 1500 },
    { "1500.000", 0, MONEY_OK, 1500 },
    { "1.234", 3, MONEY_OK, 1234 },
    { "1.2345", 4, MONEY_OK, 12345 },
    /* never rounded */
    { "10.005", 2, MONEY_INEXACT, 0 },
    { "10.505", 2, MONEY_INEXACT, 0 },
    { "0.001", 2, MONEY_INEXACT, 0 },
    { "1.5", 0, MONEY_INEXACT, 0 },
    { "1.23456", 4, MONEY_INEXACT, 0 },
    { "0.1000000000000000055511151231257827", 2, MONEY_INEXACT, 0 },
    /* powers of ten */
    { "1e2", 2, MONEY_OK, 10000 },
    { "1E+2", 2, MONEY_OK, 10000 },
    { "1.05e1", 2, MONEY_OK, 1050 },
    { "1050e-2", 2, MONEY_OK, 1050 },
    { "1050e-3", 2, MONEY_OK, 105 },
    { "1050e-4", 2, MONEY_INEXACT, 0 },
    { "100000e-5", 0, MONEY_OK, 1 },
    { "0e999999999999999999999999", 2, MONEY_OK, 0 },
    { "0e-999999999999999999999999", 2, MONEY_OK, 0 },
    { "1e999999999999999999999999", 2, MONEY_TOO_LARGE, 0 },
    { "1e-999999999999999999999999", 2, MONEY_INEXACT, 0 },
    { "1e4294967298", 2, MONEY_TOO_LARGE, 0 }, /* 2, if it wrapped at 32 bits */
    { "0.00000000000000000000000000000000001e33", 2, MONEY_OK, 1 },
    /* the edge of twelve digits */
    { "9999999999.99", 2, MONEY_OK, MONEY_MAX_MINOR },
    { "10000000000", 2, MONEY_TOO_LARGE, 0 },
    { "999999999999", 0, MONEY_OK, MONEY_MAX_MINOR },
    { "1000000000000", 0, MONEY_TOO_LARGE, 0 },
    { "9999999999999999999999999999999999999999", 0, MONEY_TOO_LARGE, 0 },
    { "0000000000000000000000000000000000000001", 0, MONEY_OK, 1 },
    { "00000000000000000000000000000000000000001", 0, MONEY_NOT_A_NUMBER, 0 }, /* 41 */
    /* below zero */
    { "-1", 2, MONEY_NEGATIVE, 0 },
    { "-0.001", 2, MONEY_NEGATIVE, 0 },
    /* no numbers */
    { "", 2, MONEY_NOT_A_NUMBER, 0 },
    { "-", 2, MONEY_NOT_A_NUMBER, 0 },
    { "--1", 2, MONEY_NOT_A_NUMBER, 0 },
    { "+1", 2, MONEY_NOT_A_NUMBER, 0 },
    { ".5", 2, MONEY_NOT_A_NUMBER, 0 },
    { "5.", 2, MONEY_NOT_A_NUMBER, 0 },
    { "5.e1", 2, MONEY_NOT_A_NUMBER, 0 },
    { "1.2.3", 2, MONEY_NOT_A_NUMBER, 0 },
    { "1,5", 2, MONEY_NOT_A_NUMBER, 0 },
    { "1 ", 2, MONEY_NOT_A_NUMBER, 0 },
    { " 1", 2, MONEY_NOT_A_NUMBER, 0 },
    { "e5", 2, MONEY_NOT_A_NUMBER, 0 },
    { "1e", 2, MONEY_NOT_A_NUMBER, 0 },
    { "1e+", 2, MONEY_NOT_A_NUMBER, 0 },
    { "1e+-2", 2, MONEY_NOT_A_NUMBER, 0 },
    { "1e2.5", 2, MONEY_NOT_A_NUMBER, 0 },
    { "1e2e2", 2, MONEY_NOT_A_NUMBER, 0 },
    { "0x10", 2, MONEY_NOT_A_NUMBER, 0 },
    { "NaN", 2, MONEY_NOT_A_NUMBER, 0 },
    { "inf", 2, MONEY_NOT_A_NUMBER, 0 },
    { "\xd9\xa1", 2, MONEY_NOT_A_NUMBER, 0 },
};

static void every_text_means_one_amount_or_none(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        int64_t minor = -77;
        enum money_result result = money_parse(str_of(rows[i].text), rows[i].exponent, &minor);
        if (result != rows[i].result || minor != (result == MONEY_OK ? rows[i].minor : -77))
            fail_msg("'%s' with exponent %u: result %d, %lld", rows[i].text, rows[i].exponent,
                (int)result, (long long)minor);
    }
}

static void a_nul_inside_is_no_end(void **state)
{
    (void)state;
    int64_t minor;
    assert_int_equal(money_parse(STR("1\0"), 2, &minor), MONEY_NOT_A_NUMBER);
    assert_int_equal(money_parse(STR_EMPTY, 2, &minor), MONEY_NOT_A_NUMBER);
}

static void amounts_are_written_with_the_decimals_of_the_currency(void **state)
{
    (void)state;
    static const struct {
        int64_t minor;
        unsigned exponent;
        const char *text;
    } wanted[] = {
        { 1250, 2, "12.50" },
        { 5, 2, "0.05" },
        { 0, 2, "0.00" },
        { -3, 0, "-3" },
        { -3, 2, "-0.03" },
        { 1234, 3, "1.234" },
        { 10, 4, "0.0010" },
        { MONEY_MAX_MINOR, 2, "9999999999.99" },
        { INT64_MAX, 0, "9223372036854775807" },
        { INT64_MIN, 4, "-922337203685477.5808" },
    };
    for (size_t i = 0; i < COUNT(wanted); i++) {
        char text[MONEY_TEXT_SIZE];
        assert_int_equal(
            money_format(wanted[i].minor, wanted[i].exponent, text), strlen(wanted[i].text));
        assert_string_equal(text, wanted[i].text);
    }
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    for (unsigned exponent = 0; exponent <= 4; exponent++) {
        for (int64_t minor = 1; minor <= MONEY_MAX_MINOR; minor = minor * 7 + 3) {
            char text[MONEY_TEXT_SIZE];
            size_t n = money_format(minor, exponent, text);
            int64_t back;
            assert_int_equal(money_parse((struct str) { text, n }, exponent, &back), MONEY_OK);
            assert_true(back == minor);
        }
    }
}

static void a_sum_that_does_not_fit_is_refused(void **state)
{
    (void)state;
    int64_t sum = 5;
    assert_true(money_add(2, -3, &sum) && sum == -1);
    assert_false(money_add(INT64_MAX, 1, &sum));
    assert_false(money_add(INT64_MIN, -1, &sum));
    assert_true(sum == -1);
    assert_true(money_add(INT64_MAX, 0, &sum) && sum == INT64_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_text_means_one_amount_or_none),
        cmocka_unit_test(a_nul_inside_is_no_end),
        cmocka_unit_test(amounts_are_written_with_the_decimals_of_the_currency),
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(a_sum_that_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
