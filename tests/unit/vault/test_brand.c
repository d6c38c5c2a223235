/*
 * Brands by prefix, at both ends of every range, and the check digit.
 */
#include "vault/brand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const struct range_row {
    const char *pan;
    enum card_brand brand;
} range_rows[] = {
    { "4000000000000002", BRAND_VISA },
    { "4999999999999999", BRAND_VISA },
    { "5099999999999999", BRAND_MAESTRO },
    { "5100000000000000", BRAND_MASTERCARD },
    { "5191330000004415", BRAND_MASTERCARD },
    { "5599999999999999", BRAND_MASTERCARD },
    { "5600000000000000", BRAND_MAESTRO },
    { "5899999999999999", BRAND_MAESTRO },
    { "5900000000000000", BRAND_UNKNOWN },
    { "2199990000000000", BRAND_UNKNOWN },
    { "2200000000000000", BRAND_MIR },
    { "2204990000000000", BRAND_MIR },
    { "2205000000000000", BRAND_UNKNOWN },
    { "2220990000000000", BRAND_UNKNOWN },
    { "2221000000000000", BRAND_MASTERCARD },
    { "2720990000000000", BRAND_MASTERCARD },
    { "2721000000000000", BRAND_UNKNOWN },
    { "3000000000000", BRAND_DINERS },
    { "30599999999999", BRAND_DINERS },
    { "30600000000000", BRAND_UNKNOWN },
    { "30940000000000", BRAND_UNKNOWN },
    { "30950000000000", BRAND_DINERS },
    { "30960000000000", BRAND_UNKNOWN },
    { "340000000000000", BRAND_AMEX },
    { "349999000000000", BRAND_AMEX },
    { "3500000000000000", BRAND_UNKNOWN },
    { "3527990000000000", BRAND_UNKNOWN },
    { "3528000000000000", BRAND_JCB },
    { "3589990000000000", BRAND_JCB },
    { "3590000000000000", BRAND_UNKNOWN },
    { "36000000000000", BRAND_DINERS },
    { "371449635398431", BRAND_AMEX },
    { "38000000000000", BRAND_DINERS },
    { "39999900000000", BRAND_DINERS },
    { "5018000000000000", BRAND_MAESTRO },
    { "5893000000000000", BRAND_MAESTRO },
    { "6304000000000000", BRAND_MAESTRO },
    { "6759649826438453102", BRAND_MAESTRO },
    { "6763000000000000", BRAND_MAESTRO },
    { "6010990000000000", BRAND_MAESTRO },
    { "6011000000000004", BRAND_DISCOVER },
    { "6012000000000000", BRAND_MAESTRO },
    { "6200000000000005", BRAND_UNIONPAY },
    { "6221260000000000", BRAND_UNIONPAY },
    { "6229250000000000", BRAND_UNIONPAY },
    { "6299990000000000", BRAND_UNIONPAY },
    { "6439990000000000", BRAND_MAESTRO },
    { "6440000000000000", BRAND_DISCOVER },
    { "6500000000000000", BRAND_DISCOVER },
    { "6599990000000000", BRAND_DISCOVER },
    { "6600000000000000", BRAND_MAESTRO },
    { "8099990000000000", BRAND_UNKNOWN },
    { "8100000000000000", BRAND_UNIONPAY },
    { "8200000000000000", BRAND_UNKNOWN },
    { "9111990000000000", BRAND_UNKNOWN },
    { "9112000000000000", BRAND_BELKART },
    { "9113000000000000", BRAND_UNKNOWN },
    { "0000000000000000", BRAND_UNKNOWN },
    { "1000000000000000", BRAND_UNKNOWN },
    { "411111", BRAND_VISA },
    { "41111", BRAND_UNKNOWN },
    { "", BRAND_UNKNOWN },
    { "4111x1", BRAND_UNKNOWN },
};

static void every_range_begins_and_ends_where_the_schemes_say(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(range_rows); i++)
        if (brand_of(str_of(range_rows[i].pan)) != range_rows[i].brand)
            fail_msg("%s is not %s", range_rows[i].pan, brand_name(range_rows[i].brand));
    assert_int_equal(brand_of(STR_EMPTY), BRAND_UNKNOWN);
}

static void names_go_there_and_back(void **state)
{
    (void)state;
    for (enum card_brand b = BRAND_VISA; b < BRAND_COUNT; b++) {
        enum card_brand back = BRAND_UNKNOWN;
        assert_true(brand_by_name(str_of(brand_name(b)), &back));
        assert_int_equal(back, b);
    }
    enum card_brand untouched = BRAND_MIR;
    static const char *const none[] = { "unknown", "", "VISA", "visa ", "visax", "maestr" };
    for (size_t i = 0; i < COUNT(none); i++)
        assert_false(brand_by_name(str_of(none[i]), &untouched));
    assert_int_equal(untouched, BRAND_MIR);
    assert_string_equal(brand_name(BRAND_UNKNOWN), "unknown");
    assert_string_equal(brand_name(BRAND_BELKART), "belkart");
}

static void the_rest_of_luhn_is_zero_for_valid_numbers_only(void **state)
{
    (void)state;
    static const struct {
        const char *digits;
        int rest;
    } rows[] = {
        { "4111111111111111", 0 },
        { "5191330000004415", 0 },
        { "371449635398431", 0 },
        { "6759649826438453102", 0 },
        { "4111111111111112", 1 },
        { "4111111111111110", 9 },
        { "1", 1 },
        { "18", 0 },
        { "59", 0 },
        { "", 0 },
    };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(luhn_rest(str_of(rows[i].digits)), rows[i].rest);
}

/* What the check digit is for. */
static void one_wrong_digit_never_passes(void **state)
{
    (void)state;
    char pan[] = "4111111111111111";
    for (size_t i = 0; i < strlen(pan); i++) {
        char right = pan[i];
        for (char c = '0'; c <= '9'; c++) {
            pan[i] = c;
            assert_int_equal(luhn_rest(str_of(pan)) == 0, c == right);
        }
        pan[i] = right;
    }
}

static void card_numbers_in_free_text_are_masked(void **state)
{
    static const struct {
        const char *text, *masked;
    } rows[] = {
        { "4111111111111111", "411111******1111" },
        { "my card: 5555 5555 5555 4444!", "my card: 5555 55** **** 4444!" },
        { "3782-822463-10005", "3782-82****-*0005" },
        { "flat 12 4111111111111111 5th floor", "flat 12 411111******1111 5th floor" },
        { "4111111111111111 4111111111111111", "411111******1111 411111******1111" },
        { "(4111111111111111)", "(411111******1111)" },
        /* what is none: a wrong sum, no brand, too short, too long, other separators */
        { "4111111111111112", "4111111111111112" },
        { "0000000000000000", "0000000000000000" },
        { "1795298470123", "1795298470123" },
        { "41111111111111113333", "41111111111111113333" },
        { "411111111111", "411111111111" },
        { "4111  1111 1111 1111", "4111  1111 1111 1111" },
        { "4111.1111.1111.1111", "4111.1111.1111.1111" },
        { "", "" },
    };
    (void)state;
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[64];
        assert_true(str_copy(text, sizeof text, str_of(rows[i].text)));
        brand_mask_cards(text, strlen(text));
        assert_string_equal(text, rows[i].masked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_range_begins_and_ends_where_the_schemes_say),
        cmocka_unit_test(names_go_there_and_back),
        cmocka_unit_test(the_rest_of_luhn_is_zero_for_valid_numbers_only),
        cmocka_unit_test(one_wrong_digit_never_passes),
        cmocka_unit_test(card_numbers_in_free_text_are_masked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
