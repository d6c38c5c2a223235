/*
 * The table of currencies: order, uniqueness, and the values that hurt when they are wrong.
 */
#include "base/currency.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void the_table_is_sorted_and_every_row_is_found(void **state)
{
    (void)state;
    size_t n;
    const struct currency *all = currency_table(&n);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            assert_true(strcmp(all[i - 1].code, all[i].code) < 0);
        assert_int_equal(strlen(all[i].code), 3);
        assert_true(all[i].exponent <= 4);
        assert_in_range(all[i].numeric, 1, 999);
        assert_true(strlen(all[i].name) > 0);
        assert_ptr_equal(currency_by_code(str_of(all[i].code)), &all[i]);
        assert_ptr_equal(currency_by_numeric(all[i].numeric), &all[i]); /* so they are unique */
    }
}

static void what_is_no_currency_is_not_found(void **state)
{
    (void)state;
    static const char *const none[] = { "", "E", "EU", "EURO", "eur", "AAA", "ZZZ", "E R", "XXX",
        "XTS", "XAU", "XDR", "HRK", "ANG", "SLL", "ZWL" };
    for (size_t i = 0; i < COUNT(none); i++)
        assert_null(currency_by_code(str_of(none[i])));
    assert_null(currency_by_code(STR_EMPTY));
    assert_null(currency_by_code(STR("EU\0")));
    static const unsigned numbers[] = { 0, 1, 191, 810, 959, 963, 999, 1000, 1978, 0xffffffffU };
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_null(currency_by_numeric(numbers[i]));
}

static void numeric_codes_and_exponents_are_those_of_the_standard(void **state)
{
    (void)state;
    static const struct {
        const char *code;
        unsigned numeric, exponent;
    } rows[] = {
        { "EUR", 978, 2 },
        { "USD", 840, 2 },
        { "GBP", 826, 2 },
        { "RUB", 643, 2 },
        { "BYN", 933, 2 },
        { "KZT", 398, 2 },
        { "UAH", 980, 2 },
        { "UZS", 860, 2 },
        { "KGS", 417, 2 },
        { "AMD", 51, 2 },
        { "GEL", 981, 2 },
        { "PLN", 985, 2 },
        { "ALL", 8, 2 },
        { "BHD", 48, 3 },
        { "XCG", 532, 2 },
        { "ZWG", 924, 2 },
        { "SLE", 925, 2 },
        { "VES", 928, 2 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct currency *c = currency_by_code(str_of(rows[i].code));
        assert_non_null(c);
        assert_int_equal(c->numeric, rows[i].numeric);
        assert_int_equal(c->exponent, rows[i].exponent);
    }
}

/* Every currency whose exponent is not 2; one missing or one too many is money lost. */
static void exactly_these_currencies_have_other_than_two_decimals(void **state)
{
    (void)state;
    static const char *const wanted[] = {
        [0] = "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ",
        [1] = "",
        [3] = "BHD IQD JOD KWD LYD OMR TND ",
        [4] = "CLF UYW "
    };
    size_t n;
    const struct currency *all = currency_table(&n);
    for (unsigned exponent = 0; exponent <= 4; exponent++) {
        char found[400] = "";
        size_t at = 0;
        for (size_t i = 0; i < n && exponent != 2; i++) {
            if (all[i].exponent == exponent) {
                memcpy(found + at, all[i].code, 3);
                found[at + 3] = ' ';
                at += 4;
            }
        }
        if (exponent != 2)
            assert_string_equal(found, wanted[exponent]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_sorted_and_every_row_is_found),
        cmocka_unit_test(what_is_no_currency_is_not_found),
        cmocka_unit_test(numeric_codes_and_exponents_are_those_of_the_standard),
        cmocka_unit_test(exactly_these_currencies_have_other_than_two_decimals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
