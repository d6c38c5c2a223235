/*
 * The table of countries: order, uniqueness, all three codes.
 */
#include "base/country.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static void the_table_is_complete_sorted_and_every_row_is_found_by_each_code(void **state)
{
    (void)state;
    size_t n;
    const struct country *all = country_table(&n);
    assert_int_equal(n, 249);
    for (size_t i = 0; i < n; i++) {
        if (i > 0)
            assert_true(strcmp(all[i - 1].alpha2, all[i].alpha2) < 0);
        assert_int_equal(strlen(all[i].alpha2), 2);
        assert_int_equal(strlen(all[i].alpha3), 3);
        assert_true(strlen(all[i].name) > 2);
        /* Found by binary search in both orders, so both orders are right and codes are unique. */
        assert_ptr_equal(country_by_alpha(str_of(all[i].alpha2)), &all[i]);
        assert_ptr_equal(country_by_alpha(str_of(all[i].alpha3)), &all[i]);
        assert_ptr_equal(country_by_numeric(all[i].numeric), &all[i]);
    }
}

static void the_codes_of_a_country_belong_together(void **state)
{
    (void)state;
    static const struct {
        const char *alpha2, *alpha3;
        unsigned numeric;
    } rows[] = {
        { "BY", "BLR", 112 },
        { "KZ", "KAZ", 398 },
        { "RU", "RUS", 643 },
        { "LT", "LTU", 440 },
        { "LV", "LVA", 428 },
        { "DE", "DEU", 276 },
        { "AT", "AUT", 40 },
        { "AU", "AUS", 36 },
        { "GB", "GBR", 826 },
        { "US", "USA", 840 },
        { "UM", "UMI", 581 },
        { "KP", "PRK", 408 },
        { "KR", "KOR", 410 },
        { "AF", "AFG", 4 },
        { "CD", "COD", 180 },
        { "CG", "COG", 178 },
        { "SS", "SSD", 728 },
        { "SD", "SDN", 729 },
        { "ME", "MNE", 499 },
        { "RS", "SRB", 688 },
        { "ZW", "ZWE", 716 },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const struct country *c = country_by_alpha(str_of(rows[i].alpha2));
        assert_non_null(c);
        assert_string_equal(c->alpha3, rows[i].alpha3);
        assert_int_equal(c->numeric, rows[i].numeric);
    }
}

static void what_is_no_country_is_not_found(void **state)
{
    (void)state;
    static const char *const none[] = { "", "B", "by", "BYX", "BLRX", "ZZ", "ZZZ", "AA", "AAA",
        "EU", "UK", "SU", "YUG", "12" };
    for (size_t i = 0; i < COUNT(none); i++)
        assert_null(country_by_alpha(str_of(none[i])));
    assert_null(country_by_alpha(STR_EMPTY));
    static const unsigned numbers[] = { 0, 1, 810, 891, 999, 1000, 0xffffffffU };
    for (size_t i = 0; i < COUNT(numbers); i++)
        assert_null(country_by_numeric(numbers[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_is_complete_sorted_and_every_row_is_found_by_each_code),
        cmocka_unit_test(the_codes_of_a_country_belong_together),
        cmocka_unit_test(what_is_no_country_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
