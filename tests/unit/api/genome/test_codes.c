/* The tables of codes: complete, and in the words of spec/genome.md §8. */
#include "fakes.h"

/* From the brief of the interface, written down a second time: what a shop's own table expects. */
static const struct {
    enum outcome outcome;
    int code;
} expected[] = {
    { OUT_NONE, 1 },
    { OUT_APPROVED, 0 },
    { OUT_PENDING, 11 },
    { OUT_DUPLICATE_ID, 3001 },
    { OUT_UNKNOWN_REFERENCE, 3003 },
    { OUT_UNKNOWN_TOKEN, 3002 },
    { OUT_MERCHANT_INACTIVE, 2003 },
    { OUT_CURRENCY_NOT_ALLOWED, 2006 },
    { OUT_COUNTRY_NOT_ALLOWED, 2002 },
    { OUT_IP_NOT_ALLOWED, 2008 },
    { OUT_AMOUNT_NOT_ALLOWED, 2007 },
    { OUT_BRAND_NOT_ALLOWED, 3011 },
    { OUT_NO_ROUTE, 2005 },
    { OUT_ALREADY_CAPTURED, 3010 },
    { OUT_ALREADY_VOIDED, 3008 },
    { OUT_ALREADY_REFUNDED, 3009 },
    { OUT_NOT_CAPTURED, 3115 },
    { OUT_WINDOW_CLOSED, 3007 },
    { OUT_CAPTURE_TOO_LARGE, 3016 },
    { OUT_REFUND_TOO_LARGE, 3022 },
    { OUT_CURRENCY_MISMATCH, 3015 },
    { OUT_VOID_NOT_POSSIBLE, 3004 },
    { OUT_REFUND_NOT_POSSIBLE, 3005 },
    { OUT_CAPTURE_NOT_POSSIBLE, 3003 },
    { OUT_PAYMENT_BUSY, 3021 },
    { OUT_OVERLOADED, 1003 },
    { OUT_CARD_EXPIRED_BY_DATE, 3105 },
    { OUT_NO_THREE_DS, 3012 },
    { OUT_THREE_DS_REQUIRED, 3013 },
    { OUT_REFUSED_BY_FACE, 3000 },
    { OUT_DECLINED, 3100 },
    { OUT_INSUFFICIENT_FUNDS, 3101 },
    { OUT_LOST_OR_STOLEN, 3102 },
    { OUT_PICK_UP_CARD, 3102 },
    { OUT_WRONG_CVV, 3104 },
    { OUT_CARD_EXPIRED, 3105 },
    { OUT_INVALID_AMOUNT, 3106 },
    { OUT_INVALID_CARD, 3107 },
    { OUT_LIMIT_EXCEEDED, 3126 },
    { OUT_REFER_TO_ISSUER, 3119 },
    { OUT_RESTRICTED_CARD, 3119 },
    { OUT_SUSPECTED_FRAUD, 3128 },
    { OUT_SECURITY_VIOLATION, 3120 },
    { OUT_NOT_PERMITTED, 3129 },
    { OUT_AUTHENTICATION_NEEDED, 3103 },
    { OUT_PAYMENT_STOPPED, 3127 },
    { OUT_ISSUER_UNAVAILABLE, 3111 },
    { OUT_BANK_CONFIGURATION, 3017 },
    { OUT_BANK_FORMAT, 3110 },
    { OUT_BANK_ERROR, 3125 },
    { OUT_NOT_SUPPORTED, 3113 },
    { OUT_CANCELLED_BY_PAYER, 3023 },
    { OUT_HOST_DOWN, 3118 },
    { OUT_TIMEOUT, 3109 },
    { OUT_MALFORMED_ANSWER, 3117 },
    { OUT_STORE_FAILED, 2 },
    { OUT_INTERNAL, 1 },
};

static int code_expected(enum outcome o)
{
    for (size_t i = 0; i < COUNT(expected); i++)
        if (expected[i].outcome == o)
            return expected[i].code;
    fail_msg("outcome %d has no expected code", (int)o);
    return -1;
}

static void every_outcome_has_its_code_and_every_code_has_a_text(void **state)
{
    (void)state;
    static const enum outcome all[] = {
#define X(name, number, sentence) OUT_##name,
        OUTCOMES(X)
#undef X
    };
    for (size_t i = 0; i < COUNT(all); i++) {
        assert_int_equal(genome_code_of(all[i]), code_expected(all[i]));
        assert_non_null(genome_code_find(genome_code_of(all[i])));
    }
}

static void only_an_approval_is_a_success(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        bool success = genome_status_of(genome_code_of(expected[i].outcome)) == GENOME_IS_SUCCESS;
        assert_int_equal(success, expected[i].outcome == OUT_APPROVED);
    }
}

static void an_unknown_outcome_is_a_system_error(void **state)
{
    (void)state;
    assert_int_equal(genome_code_of((enum outcome)99), 1);
}

static void status_follows_the_hundred_of_the_code(void **state)
{
    (void)state;
    assert_int_equal(genome_status_of(0), GENOME_IS_SUCCESS);
    assert_int_equal(genome_status_of(1), GENOME_IS_ERROR);
    assert_int_equal(genome_status_of(2001), GENOME_IS_ERROR);
    assert_int_equal(genome_status_of(3024), GENOME_IS_ERROR);
    assert_int_equal(genome_status_of(3100), GENOME_IS_DECLINE);
    assert_int_equal(genome_status_of(3201), GENOME_IS_DECLINE);
    assert_int_equal(genome_status_of(3330), GENOME_IS_DECLINE);
    assert_int_equal(genome_status_of(4000), GENOME_IS_ERROR);
}

static void the_table_of_codes_is_whole_and_in_order(void **state)
{
    (void)state;
    size_t count;
    const struct genome_code *codes = genome_code_table(&count);
    assert_int_equal(count, 118);
    for (size_t i = 1; i < count; i++)
        assert_true(codes[i - 1].code < codes[i].code);
    assert_string_equal(genome_code_find(3101)->text, "insufficient funds");
    assert_string_equal(genome_code_find(3101)->value, "INSUFFICIENT FUNDS");
    assert_string_equal(genome_code_find(0)->text, "Transaction processed successfully");
    assert_null(genome_code_find(8000));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_outcome_has_its_code_and_every_code_has_a_text),
        cmocka_unit_test(only_an_approval_is_a_success),
        cmocka_unit_test(an_unknown_outcome_is_a_system_error),
        cmocka_unit_test(status_follows_the_hundred_of_the_code),
        cmocka_unit_test(the_table_of_codes_is_whole_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
