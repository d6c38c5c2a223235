/*
 * Outcomes and response codes: numbers that are stored never move, and DE 39 means what the
 * specification says.
 */
#include "engine/outcome.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

/* Written down once more: a number here is in databases. */
static const struct {
    int number;
    enum outcome outcome;
    const char *name;
} stored[] = {
    { 0, OUT_NONE, "NONE" },
    { 1, OUT_APPROVED, "APPROVED" },
    { 2, OUT_PENDING, "PENDING" },
    { 10, OUT_DUPLICATE_ID, "DUPLICATE_ID" },
    { 11, OUT_UNKNOWN_REFERENCE, "UNKNOWN_REFERENCE" },
    { 12, OUT_UNKNOWN_TOKEN, "UNKNOWN_TOKEN" },
    { 13, OUT_MERCHANT_INACTIVE, "MERCHANT_INACTIVE" },
    { 14, OUT_CURRENCY_NOT_ALLOWED, "CURRENCY_NOT_ALLOWED" },
    { 15, OUT_COUNTRY_NOT_ALLOWED, "COUNTRY_NOT_ALLOWED" },
    { 16, OUT_IP_NOT_ALLOWED, "IP_NOT_ALLOWED" },
    { 17, OUT_AMOUNT_NOT_ALLOWED, "AMOUNT_NOT_ALLOWED" },
    { 18, OUT_BRAND_NOT_ALLOWED, "BRAND_NOT_ALLOWED" },
    { 19, OUT_NO_ROUTE, "NO_ROUTE" },
    { 20, OUT_ALREADY_CAPTURED, "ALREADY_CAPTURED" },
    { 21, OUT_ALREADY_VOIDED, "ALREADY_VOIDED" },
    { 22, OUT_ALREADY_REFUNDED, "ALREADY_REFUNDED" },
    { 23, OUT_NOT_CAPTURED, "NOT_CAPTURED" },
    { 24, OUT_WINDOW_CLOSED, "WINDOW_CLOSED" },
    { 25, OUT_CAPTURE_TOO_LARGE, "CAPTURE_TOO_LARGE" },
    { 26, OUT_REFUND_TOO_LARGE, "REFUND_TOO_LARGE" },
    { 27, OUT_CURRENCY_MISMATCH, "CURRENCY_MISMATCH" },
    { 28, OUT_VOID_NOT_POSSIBLE, "VOID_NOT_POSSIBLE" },
    { 29, OUT_REFUND_NOT_POSSIBLE, "REFUND_NOT_POSSIBLE" },
    { 30, OUT_CAPTURE_NOT_POSSIBLE, "CAPTURE_NOT_POSSIBLE" },
    { 31, OUT_PAYMENT_BUSY, "PAYMENT_BUSY" },
    { 32, OUT_OVERLOADED, "OVERLOADED" },
    { 33, OUT_CARD_EXPIRED_BY_DATE, "CARD_EXPIRED_BY_DATE" },
    { 34, OUT_NO_THREE_DS, "NO_THREE_DS" },
    { 35, OUT_THREE_DS_REQUIRED, "THREE_DS_REQUIRED" },
    { 36, OUT_REFUSED_BY_FACE, "REFUSED_BY_FACE" },
    { 100, OUT_DECLINED, "DECLINED" },
    { 101, OUT_INSUFFICIENT_FUNDS, "INSUFFICIENT_FUNDS" },
    { 102, OUT_LOST_OR_STOLEN, "LOST_OR_STOLEN" },
    { 103, OUT_PICK_UP_CARD, "PICK_UP_CARD" },
    { 104, OUT_WRONG_CVV, "WRONG_CVV" },
    { 105, OUT_CARD_EXPIRED, "CARD_EXPIRED" },
    { 106, OUT_INVALID_AMOUNT, "INVALID_AMOUNT" },
    { 107, OUT_INVALID_CARD, "INVALID_CARD" },
    { 108, OUT_LIMIT_EXCEEDED, "LIMIT_EXCEEDED" },
    { 109, OUT_REFER_TO_ISSUER, "REFER_TO_ISSUER" },
    { 110, OUT_RESTRICTED_CARD, "RESTRICTED_CARD" },
    { 111, OUT_SUSPECTED_FRAUD, "SUSPECTED_FRAUD" },
    { 112, OUT_SECURITY_VIOLATION, "SECURITY_VIOLATION" },
    { 113, OUT_NOT_PERMITTED, "NOT_PERMITTED" },
    { 114, OUT_AUTHENTICATION_NEEDED, "AUTHENTICATION_NEEDED" },
    { 115, OUT_PAYMENT_STOPPED, "PAYMENT_STOPPED" },
    { 116, OUT_ISSUER_UNAVAILABLE, "ISSUER_UNAVAILABLE" },
    { 117, OUT_BANK_CONFIGURATION, "BANK_CONFIGURATION" },
    { 118, OUT_BANK_FORMAT, "BANK_FORMAT" },
    { 119, OUT_BANK_ERROR, "BANK_ERROR" },
    { 120, OUT_NOT_SUPPORTED, "NOT_SUPPORTED" },
    { 121, OUT_CANCELLED_BY_PAYER, "CANCELLED_BY_PAYER" },
    { 150, OUT_HOST_DOWN, "HOST_DOWN" },
    { 151, OUT_TIMEOUT, "TIMEOUT" },
    { 152, OUT_MALFORMED_ANSWER, "MALFORMED_ANSWER" },
    { 200, OUT_STORE_FAILED, "STORE_FAILED" },
    { 201, OUT_INTERNAL, "INTERNAL" },
};

static void stored_numbers_keep_their_meaning(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(stored); i++) {
        assert_int_equal(stored[i].outcome, stored[i].number);
        assert_string_equal(outcome_name((enum outcome)stored[i].number), stored[i].name);
    }
}

static void a_number_between_the_outcomes_has_no_name(void **state)
{
    (void)state;
    size_t named = 0;
    for (int n = -1; n < 300; n++) {
        bool none = strcmp(outcome_name((enum outcome)n), "?") == 0;
        assert_int_equal(none, strcmp(outcome_sentence((enum outcome)n), "?") == 0);
        named += none ? 0 : 1;
    }
    assert_int_equal(named, COUNT(stored));
}

static void every_outcome_fits_the_column_and_has_a_sentence_of_its_own(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(stored); i++) {
        const char *sentence = outcome_sentence(stored[i].outcome);
        assert_in_range(stored[i].number, 0, 255);
        assert_true(strlen(sentence) >= 8);
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(sentence, outcome_sentence(stored[j].outcome));
    }
}

/* Which codes are of which class (spec/iso8583.md §7). */
static const struct {
    enum answer_class class;
    const char *codes;
} classes[] = {
    { ANSWER_APPROVED, "00 08 11 16 85" },
    { ANSWER_PARTIAL, "10" },
    { ANSWER_SOFT, "01 02 05 51 59 61 62 65 70 75 76 77 78" },
    { ANSWER_FIX, "13 54 55 82 6P N7" },
    { ANSWER_SCA, "1A" },
    { ANSWER_HARD, "12 14 15 17 31 39 40 42 44 46 52 53 56 57 63 93 R0 R1 R3" },
    { ANSWER_PICKUP, "04 07 33 34 35 36 37 38 41 43" },
    { ANSWER_RETRY, "19 91 92 96" },
    { ANSWER_TECH, "03 06 20 21 22 25 30 32 58 88 97 98" },
    { ANSWER_UNKNOWN, "09 26 68 94" },
};

static bool listed(struct str codes, const char *code)
{
    struct str part;
    while (str_split(&codes, ' ', &part))
        if (str_eq(part, str_of(code)))
            return true;
    return false;
}

static void every_code_is_of_the_class_that_the_specification_names(void **state)
{
    (void)state;
    size_t rows, known = 0;
    const struct response_code *table = response_code_table(&rows);
    for (size_t i = 0; i < COUNT(classes); i++) {
        struct str rest = str_of(classes[i].codes), part;
        while (str_split(&rest, ' ', &part)) {
            char code[4];
            assert_true(str_copy(code, sizeof code, part));
            const struct response_code *r = response_code_find(code);
            assert_string_equal(r->de39, code);
            if (r->class != classes[i].class)
                fail_msg("%s is of class %d, not %d", code, (int)r->class, (int)classes[i].class);
            known++;
        }
    }
    assert_int_equal(known, rows);
    for (size_t i = 0; i < rows; i++)
        assert_ptr_equal(response_code_find(table[i].de39), &table[i]);
}

/* What each refusal is called; in the order of the outcomes. */
static const struct {
    const char *code;
    enum outcome outcome;
} reasons[] = {
    { "05", OUT_DECLINED },
    { "51", OUT_INSUFFICIENT_FUNDS },
    { "10", OUT_INSUFFICIENT_FUNDS },
    { "41", OUT_LOST_OR_STOLEN },
    { "43", OUT_LOST_OR_STOLEN },
    { "04", OUT_PICK_UP_CARD },
    { "07", OUT_PICK_UP_CARD },
    { "35", OUT_PICK_UP_CARD },
    { "37", OUT_PICK_UP_CARD },
    { "38", OUT_PICK_UP_CARD },
    { "82", OUT_WRONG_CVV },
    { "N7", OUT_WRONG_CVV },
    { "54", OUT_CARD_EXPIRED },
    { "33", OUT_CARD_EXPIRED },
    { "13", OUT_INVALID_AMOUNT },
    { "14", OUT_INVALID_CARD },
    { "15", OUT_INVALID_CARD },
    { "46", OUT_INVALID_CARD },
    { "56", OUT_INVALID_CARD },
    { "6P", OUT_INVALID_CARD },
    { "61", OUT_LIMIT_EXCEEDED },
    { "65", OUT_LIMIT_EXCEEDED },
    { "01", OUT_REFER_TO_ISSUER },
    { "02", OUT_REFER_TO_ISSUER },
    { "70", OUT_REFER_TO_ISSUER },
    { "36", OUT_RESTRICTED_CARD },
    { "62", OUT_RESTRICTED_CARD },
    { "76", OUT_RESTRICTED_CARD },
    { "77", OUT_RESTRICTED_CARD },
    { "78", OUT_RESTRICTED_CARD },
    { "59", OUT_SUSPECTED_FRAUD },
    { "34", OUT_SUSPECTED_FRAUD },
    { "55", OUT_SECURITY_VIOLATION },
    { "63", OUT_SECURITY_VIOLATION },
    { "75", OUT_SECURITY_VIOLATION },
    { "39", OUT_NOT_PERMITTED },
    { "42", OUT_NOT_PERMITTED },
    { "44", OUT_NOT_PERMITTED },
    { "52", OUT_NOT_PERMITTED },
    { "53", OUT_NOT_PERMITTED },
    { "57", OUT_NOT_PERMITTED },
    { "93", OUT_NOT_PERMITTED },
    { "1A", OUT_AUTHENTICATION_NEEDED },
    { "R0", OUT_PAYMENT_STOPPED },
    { "R1", OUT_PAYMENT_STOPPED },
    { "R3", OUT_PAYMENT_STOPPED },
    { "91", OUT_ISSUER_UNAVAILABLE },
    { "92", OUT_ISSUER_UNAVAILABLE },
    { "03", OUT_BANK_CONFIGURATION },
    { "58", OUT_BANK_CONFIGURATION },
    { "30", OUT_BANK_FORMAT },
    { "06", OUT_BANK_ERROR },
    { "19", OUT_BANK_ERROR },
    { "20", OUT_BANK_ERROR },
    { "21", OUT_BANK_ERROR },
    { "22", OUT_BANK_ERROR },
    { "25", OUT_BANK_ERROR },
    { "32", OUT_BANK_ERROR },
    { "88", OUT_BANK_ERROR },
    { "96", OUT_BANK_ERROR },
    { "97", OUT_BANK_ERROR },
    { "98", OUT_BANK_ERROR },
    { "12", OUT_NOT_SUPPORTED },
    { "31", OUT_NOT_SUPPORTED },
    { "40", OUT_NOT_SUPPORTED },
    { "17", OUT_CANCELLED_BY_PAYER },
    { "09", OUT_TIMEOUT },
    { "26", OUT_TIMEOUT },
    { "68", OUT_TIMEOUT },
    { "94", OUT_TIMEOUT },
};

static void a_refusal_keeps_its_reason(void **state)
{
    (void)state;
    size_t rows, approved = 0;
    const struct response_code *table = response_code_table(&rows);
    for (size_t i = 0; i < rows; i++)
        approved += table[i].class == ANSWER_APPROVED;
    assert_int_equal(COUNT(reasons) + approved, rows); /* none is left out */
    for (size_t i = 0; i < COUNT(reasons); i++) {
        const struct response_code *r = response_code_find(reasons[i].code);
        if (r->outcome != reasons[i].outcome)
            fail_msg("%s is %s", reasons[i].code, outcome_name(r->outcome));
    }
}

static void only_an_approval_has_the_outcome_approved(void **state)
{
    (void)state;
    size_t rows;
    const struct response_code *table = response_code_table(&rows);
    for (size_t i = 0; i < rows; i++) {
        assert_int_equal(table[i].class == ANSWER_APPROVED, table[i].outcome == OUT_APPROVED);
        if (table[i].class != ANSWER_APPROVED)
            assert_true(table[i].outcome >= OUT_DECLINED && table[i].outcome < OUT_STORE_FAILED);
        assert_true(strlen(table[i].meaning) > 0);
    }
}

static void a_code_that_is_not_listed_declines_softly_and_never_approves(void **state)
{
    (void)state;
    size_t unlisted = 0;
    for (int a = ' '; a < 127; a++)
        for (int b = ' '; b < 127; b++) {
            char code[3] = { (char)a, (char)b, '\0' };
            bool known = false;
            for (size_t i = 0; i < COUNT(classes) && !known; i++)
                known = listed(str_of(classes[i].codes), code);
            if (known)
                continue;
            const struct response_code *r = response_code_find(code);
            assert_int_equal(r->class, ANSWER_SOFT);
            assert_int_equal(r->outcome, OUT_DECLINED);
            unlisted++;
        }
    assert_true(unlisted > 8000);
    static const char *const odd[] = { "", "0", "000", "0 ", "n7", "1a", "00 " };
    for (size_t i = 0; i < COUNT(odd); i++)
        assert_int_equal(response_code_find(odd[i])->class, ANSWER_SOFT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stored_numbers_keep_their_meaning),
        cmocka_unit_test(a_number_between_the_outcomes_has_no_name),
        cmocka_unit_test(every_outcome_fits_the_column_and_has_a_sentence_of_its_own),
        cmocka_unit_test(every_code_is_of_the_class_that_the_specification_names),
        cmocka_unit_test(a_refusal_keeps_its_reason),
        cmocka_unit_test(only_an_approval_has_the_outcome_approved),
        cmocka_unit_test(a_code_that_is_not_listed_declines_softly_and_never_approves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
