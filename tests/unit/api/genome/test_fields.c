/*
 * Every field rule of spec/genome.md §4.1, written down a second time and tried through the route.
 */
#include "fakes.h"

#include <stdio.h>

#define PAYERS "AaBbSsDd"

static const struct expected_rule {
    const char *name;
    unsigned min, max;
    const char *required, *optional; /* letters of fakes.h */
    bool plain;                      /* any text of that length will do */
} expected[] = {
    { "merchant_account", 6, 32, PAYERS "TRVCK", "", true },
    { "merchant_password", 6, 32, PAYERS "TRVCK", "", true },
    { "transaction_unique_id", 6, 32, PAYERS "T", "", true },
    { "transaction_unique_id", 1, 32, "RV", "C", true },
    { "reference", 20, 20, "TRV", "C", true },
    { "currency", 3, 3, PAYERS "TR", "", false },
    { "card_number", 13, 19, "ABSDK", "", false },
    { "card_exp_month", 2, 2, "ABSDK", "", false },
    { "card_exp_year", 4, 4, "ABSDK", "", false },
    { "cvv", 3, 4, "", PAYERS "K", false },
    { "token", 36, 36, "", "absd", true },
    { "first_name", 1, 32, PAYERS, "", true },
    { "last_name", 1, 32, PAYERS, "", true },
    { "card_holder", 2, 32, PAYERS, "", true },
    { "card_holder", 3, 32, "K", "", true },
    { "zip", 2, 10, PAYERS, "", true },
    { "country", 2, 3, PAYERS, "", false },
    { "user_email", 6, 255, PAYERS, "", false },
    { "address", 2, 32, "", PAYERS, true },
    { "city", 2, 32, "", PAYERS, true },
    { "state", 1, 32, "", PAYERS, true },
    { "user_phone", 7, 15, "", PAYERS, true },
    { "merchant_user_id", 0, 32, "", PAYERS "TRV", true },
    { "merchant_domain_name", 0, 255, "", PAYERS "T", true },
    { "merchant_affiliate_id", 0, 255, "", PAYERS "T", true },
    { "merchant_product_name", 0, 255, "", PAYERS "T", true },
    { "descriptor_merchant", 0, 255, "", PAYERS "TRV", true },
    { "descriptor_phone", 0, 255, "", PAYERS "TRV", true },
    { "callback_url", 0, 255, "Dd", "", true },
    { "redirect_url", 0, 255, "Dd", "", true },
    { "mid_reference", 16, 16, "", PAYERS, true },
};

/* Present or missing only; what they hold is tried below. */
static const struct expected_rule without_length[] = {
    { "api_version", 0, 0, PAYERS "TRVCK", "", false },
    { "transaction_type", 0, 0, PAYERS "TRVCK", "", false },
    { "amount", 0, 0, PAYERS "TR", "", false },
    { "user_ip", 0, 0, PAYERS, "", false },
    { "pares", 0, 0, "", "AaSs", false },
    { "date_of_birth", 0, 0, "", PAYERS, false },
    { "cof_type", 0, 0, "", PAYERS, false },
};

static void expect(json_t *body, int code, const char *message)
{
    char said[512];
    assert_int_equal(fake_code(body, said), code);
    assert_string_equal(said, message);
    json_decref(body);
}

static void expect_reason(char letter, const char *field, json_t *value, const char *reason)
{
    char message[512];
    (void)snprintf(
        message, sizeof message, "Validation error in field(s) `%s` (%s)", field, reason);
    expect(body_with(letter, field, value), 1004, message);
}

static bool passes_validation(json_t *body)
{
    int code = fake_code(body, NULL);
    json_decref(body);
    return code < 1001 || code > 1005;
}

static json_t *text_of_length(size_t n)
{
    char text[300];
    assert_true(n < sizeof text);
    memset(text, 'x', n);
    return json_stringn(text, n);
}

static void try_missing(const struct expected_rule *r)
{
    char message[128];
    (void)snprintf(message, sizeof message, "Mandatory field(s) missing `%s`", r->name);
    for (const char *letter = r->required; *letter != '\0'; letter++) {
        json_t *body = body_of(*letter);
        assert_int_equal(json_object_del(body, r->name), 0);
        expect(body, 1002, message);
        expect(body_with(*letter, r->name, json_string("")), 1002, message);
        expect(body_with(*letter, r->name, json_null()), 1002, message);
    }
}

static void a_required_field_is_missed_when_absent_empty_or_null(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++)
        try_missing(&expected[i]);
    for (size_t i = 0; i < COUNT(without_length); i++)
        try_missing(&without_length[i]);
}

static void an_optional_field_may_be_absent_empty_or_null(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        const struct expected_rule *r = &expected[i];
        for (const char *letter = r->optional; *letter != '\0'; letter++) {
            if (strcmp(r->name, "token") == 0)
                continue; /* without it the card is missed */
            json_t *body = body_of(*letter);
            (void)json_object_del(body, r->name);
            assert_true(passes_validation(body));
            assert_true(passes_validation(body_with(*letter, r->name, json_string(""))));
            assert_true(passes_validation(body_with(*letter, r->name, json_null())));
        }
    }
}

static void a_text_too_short_or_too_long_is_told_with_the_length(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        const struct expected_rule *r = &expected[i];
        char letters[32], shorter[80], longer[80];
        (void)snprintf(letters, sizeof letters, "%s%s", r->required, r->optional);
        (void)snprintf(
            shorter, sizeof shorter, "Expecting string with length greater or equals %u", r->min);
        (void)snprintf(
            longer, sizeof longer, "Expecting string with length less or equals %u", r->max);
        if (r->min == r->max)
            (void)snprintf(shorter, sizeof shorter,
                "Provided argument must be a string with length %u", r->min);
        if (strcmp(r->name, "country") == 0)
            (void)snprintf(shorter, sizeof shorter, "Country length must be 3 chars");
        bool one_text = r->min == r->max || strcmp(r->name, "country") == 0;
        for (const char *letter = letters; *letter != '\0'; letter++) {
            if (r->min > 1)
                expect_reason(*letter, r->name, text_of_length(r->min - 1), shorter);
            expect_reason(
                *letter, r->name, text_of_length(r->max + 1), one_text ? shorter : longer);
        }
    }
}

static void a_text_of_the_least_and_of_the_largest_length_passes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++) {
        const struct expected_rule *r = &expected[i];
        char letters[32];
        (void)snprintf(letters, sizeof letters, "%s%s", r->required, r->optional);
        for (const char *letter = letters; r->plain && *letter != '\0'; letter++) {
            size_t least = r->min > 0 ? r->min : 1;
            assert_true(passes_validation(body_with(*letter, r->name, text_of_length(least))));
            assert_true(passes_validation(body_with(*letter, r->name, text_of_length(r->max))));
        }
    }
}

static void try_not_a_text(const struct expected_rule *r)
{
    char letters[32];
    (void)snprintf(letters, sizeof letters, "%s%s", r->required, r->optional);
    for (const char *letter = letters; *letter != '\0'; letter++) {
        if (strcmp(r->name, "transaction_type") == 0 || strcmp(r->name, "pares") == 0)
            continue; /* not alone: the type decides over other fields, pares wants a reference */
        expect_reason(*letter, r->name, json_array(), "Argument `value` must be string");
        expect_reason(*letter, r->name, json_object(), "Argument `value` must be string");
        expect_reason(*letter, r->name, json_true(), "Argument `value` must be string");
    }
}

static void an_array_an_object_or_a_boolean_is_not_a_text(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(expected); i++)
        try_not_a_text(&expected[i]);
    for (size_t i = 0; i < COUNT(without_length); i++)
        try_not_a_text(&without_length[i]);
}

static bool in_document(const char *name)
{
    static const char *const login[] = { "auth_type", "public_key", "signature" };
    for (size_t i = 0; i < COUNT(expected); i++)
        if (strcmp(expected[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < COUNT(without_length); i++)
        if (strcmp(without_length[i].name, name) == 0)
            return true;
    for (size_t i = 0; i < COUNT(login); i++)
        if (strcmp(login[i], name) == 0)
            return true;
    return false;
}

static void a_field_has_at_most_one_rule_for_a_type_and_none_is_invented(void **state)
{
    (void)state;
    size_t count;
    const struct genome_rule *rules = genome_rules(&count);
    for (unsigned t = 0; t < GT_COUNT + 2; t++) {
        unsigned seen[F_COUNT] = { 0 };
        for (size_t i = 0; i < count; i++)
            if (((rules[i].required | rules[i].optional) & GENOME_BIT(t)) != 0)
                assert_int_equal(seen[rules[i].field]++, 0);
    }
    for (size_t i = 0; i < count; i++)
        assert_true(in_document(genome_field_name(rules[i].field)));
}

static void a_value_of_the_wrong_kind_is_told_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        char letter;
        const char *field, *value, *reason;
    } cases[] = {
        { 'A', "card_number", "4111111111111112",
            "Provided string has invalid Luhn checksum, rest is 1" },
        { 'A', "card_number", "4111 1111 1111 1111", "Field card_number did not pass validation" },
        { 'K', "card_number", "411111111111111a", "Field card_number did not pass validation" },
        { 'A', "card_exp_month", "13", "Provided value is not valid month" },
        { 'A', "card_exp_month", "00", "Provided value is not valid month" },
        { 'A', "card_exp_month", "1x", "Provided value is not valid month" },
        { 'A', "card_exp_year", "20x8", "Field card_exp_year did not pass validation" },
        { 'A', "card_exp_year", "2100", "Field card_exp_year did not pass validation" },
        { 'A', "cvv", "12a", "Field cvv did not pass validation" },
        { 'a', "cvv", "12a", "Field cvv did not pass validation" },
        { 'A', "currency", "EUX", "Field currency did not pass validation" },
        { 'A', "currency", "eur", "Field currency did not pass validation" },
        { 'A', "country", "ZZZ", "Field country did not pass validation" },
        { 'A', "user_email", "no-at-sign.example", "Expected value must be valid email" },
        { 'A', "user_email", "two@@signs.example", "Expected value must be valid email" },
        { 'A', "user_email", "a@nodot", "Expected value must be valid email" },
        { 'A', "user_email", "a@dot.end.", "Expected value must be valid email" },
        { 'A', "user_email", "@nobody.example", "Expected value must be valid email" },
        { 'A', "user_email", "a b@blank.example", "Expected value must be valid email" },
        { 'A', "user_email", "a..b@dots.example", "Expected value must be valid email" },
        { 'A', "user_ip", "256.0.0.1", "Field user_ip did not pass validation" },
        { 'A', "user_ip", "::1", "Field user_ip did not pass validation" },
        { 'A', "user_ip", "localhost", "Field user_ip did not pass validation" },
        { 'A', "amount", "-1", "Value must be greater or equals 0" },
        { 'A', "amount", "ten", "Field amount did not pass validation" },
        { 'A', "amount", "10.005", "Value must have no more than 2 decimals" },
        { 'A', "amount", "10000000000", "Value must be less or equals 9999999999.99" },
        { 'T', "amount", "1,50", "Field amount did not pass validation" },
        { 'R', "amount", "-0.01", "Value must be greater or equals 0" },
        { 'A', "card_holder", "4111111111111111", "Field card_holder did not pass validation" },
        { 'A', "card_holder", "4111 1111 1111 1111", "Field card_holder did not pass validation" },
        { 'A', "first_name", "Jo\nhn", "Field first_name did not pass validation" },
        { 'A', "transaction_unique_id", "order\t0001",
            "Field transaction_unique_id did not pass validation" },
        { 'A', "date_of_birth", "2001-02-30", "Field date_of_birth did not pass validation" },
        { 'A', "date_of_birth", "01.02.2001", "Field date_of_birth did not pass validation" },
        { 'A', "cof_type", "mit", "Field cof_type did not pass validation" },
        { 'A', "auth_type", "byMagic", "Field auth_type did not pass validation" },
        { 'A', "transaction_type", "PAY", "Field transaction_type did not pass validation" },
        { 'A', "transaction_type", "auth", "Field transaction_type did not pass validation" },
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        expect_reason(
            cases[i].letter, cases[i].field, json_string(cases[i].value), cases[i].reason);
}

static void values_of_the_right_kind_pass(void **state)
{
    (void)state;
    static const struct {
        const char *field, *value;
    } cases[] = { { "card_number", "371449635398431" }, { "card_number", "6011111111111117" },
        { "card_exp_month", "12" }, { "card_exp_year", "2099" }, { "cvv", "1234" },
        { "country", "LT" }, { "country", "BLR" }, { "user_email", "a@b.co" },
        { "user_email", "first.last+tag@sub.shop.example" }, { "user_ip", "192.168.0.1" },
        { "amount", "0" }, { "amount", "9999999999.99" }, { "amount", "10.50" },
        { "amount", "10.500" }, { "date_of_birth", "2000-02-29" }, { "cof_type", "MIT" },
        { "cof_type", "CIT-initial" }, { "user_phone", "+37060000000" }, { "api_version", "1.0" },
        { "custom_field", "whatever" } };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_true(passes_validation(body_with('A', cases[i].field, json_string(cases[i].value))));
}

static void decimals_are_counted_by_the_currency(void **state)
{
    (void)state;
    json_t *body = body_with('A', "currency", json_string("JPY"));
    expect(body, 1004,
        "Validation error in field(s) `amount` (Value must have no more than 0 decimals)");
    body = body_with('A', "currency", json_string("KWD"));
    json_object_set_new(body, "amount", json_real(10.125));
    assert_true(passes_validation(body));
    body = body_with('A', "currency", json_string("JPY"));
    json_object_set_new(body, "amount", json_string("9999999999"));
    assert_true(passes_validation(body));
    body = body_with('A', "currency", json_string("JPY"));
    json_object_set_new(body, "amount", json_string("10000000000"));
    expect(body, 1004,
        "Validation error in field(s) `amount` (Value must be less or equals 9999999999)");
}

static void an_amount_that_is_not_exact_is_refused_as_a_number_too(void **state)
{
    (void)state;
    json_t *answer = fake_post_text("application/json",
        "{" ACCOUNT ID("AUTH") "\"amount\":10.005,\"currency\":\"EUR\"," CARD_FIELDS PAYER "}");
    assert_int_equal(answer_code(answer), 1004);
    assert_string_equal(answer_text(answer, "message"),
        "Validation error in field(s) `amount` (Value must have no more than 2 decimals)");
    json_decref(answer);
}

static void lengths_are_counted_in_characters(void **state)
{
    (void)state;
    enum { LETTERS = 32, BYTES = 2 };
    char name[(LETTERS + 1) * BYTES + 1];
    for (size_t i = 0; i < sizeof name / BYTES; i++)
        memcpy(name + i * BYTES,
            "\xd0\x96"
            "",
            BYTES);
    json_t *exact = json_stringn(name, LETTERS * BYTES);
    assert_true(passes_validation(body_with('A', "first_name", exact)));
    expect_reason('A', "first_name", json_stringn(name, (LETTERS + 1) * BYTES),
        "Expecting string with length less or equals 32");
}

static void all_missing_fields_are_told_at_once(void **state)
{
    (void)state;
    json_t *body = json_loads("{\"transaction_type\":\"AUTH\",\"cvv\":\"bad\"}", 0, NULL);
    expect(body, 1002,
        "Mandatory field(s) missing `api_version`, `merchant_account`, `merchant_password`, "
        "`transaction_unique_id`, `amount`, `currency`, `card_number`, `card_exp_month`, "
        "`card_exp_year`, `first_name`, `last_name`, `card_holder`, `zip`, `country`, "
        "`user_email`, `user_ip`");
    body = json_loads("{\"api_version\":1,\"amount\":1}", 0, NULL);
    expect(body, 1002,
        "Mandatory field(s) missing `merchant_account`, `merchant_password`, `transaction_type`");
}

static void all_invalid_fields_are_told_at_once(void **state)
{
    (void)state;
    json_t *body = body_with('A', "amount", json_integer(-5));
    json_object_set_new(body, "cvv", json_string("12"));
    json_object_set_new(body, "country", json_string("LITHUANIA"));
    expect(body, 1004,
        "Validation error in field(s) `amount` (Value must be greater or equals 0), "
        "`cvv` (Expecting string with length greater or equals 3), "
        "`country` (Country length must be 3 chars)");
}

static void a_token_takes_the_place_of_the_card(void **state)
{
    (void)state;
    json_t *body = body_of('a');
    json_object_del(body, "token");
    expect(
        body, 1002, "Mandatory field(s) missing `card_number`, `card_exp_month`, `card_exp_year`");
    assert_true(passes_validation(body_with('a', "card_number", json_string("not looked at"))));
}

static void check_needs_a_reference_or_an_id(void **state)
{
    (void)state;
    json_t *body = body_of('C');
    json_object_del(body, "reference");
    json_object_del(body, "transaction_unique_id");
    expect(body, 1002, "Mandatory field(s) missing `reference`, `transaction_unique_id`");
}

static void sale_needs_pares_and_reference_together(void **state)
{
    (void)state;
    expect(body_with('S', "pares", json_string("eJx")), 1002,
        "Mandatory field(s) missing `reference`");
    expect(body_with('s', "reference", json_string("A3FF00000094D1ED5D4B")), 1002,
        "Mandatory field(s) missing `pares`");
}

static void only_version_one_is_supported_and_it_is_checked_first(void **state)
{
    (void)state;
    static const char *const others[] = { "2", "1.1", "11", "1.", "v1", "1.01" };
    for (size_t i = 0; i < COUNT(others); i++)
        expect(
            body_with('A', "api_version", json_string(others[i])), 1005, "unsupported API version");
    json_t *body = json_loads("{\"api_version\":2}", 0, NULL);
    expect(body, 1005, "unsupported API version");
    assert_true(passes_validation(body_with('A', "api_version", json_real(1.0))));
    assert_true(passes_validation(body_with('A', "api_version", json_string("1"))));
}

static void fields_of_other_types_are_not_looked_at(void **state)
{
    (void)state;
    assert_true(passes_validation(body_with('V', "amount", json_string("nonsense"))));
    assert_true(passes_validation(body_with('T', "user_email", json_array())));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_required_field_is_missed_when_absent_empty_or_null, fake_setup),
        cmocka_unit_test_setup(an_optional_field_may_be_absent_empty_or_null, fake_setup),
        cmocka_unit_test_setup(a_text_too_short_or_too_long_is_told_with_the_length, fake_setup),
        cmocka_unit_test_setup(a_text_of_the_least_and_of_the_largest_length_passes, fake_setup),
        cmocka_unit_test_setup(an_array_an_object_or_a_boolean_is_not_a_text, fake_setup),
        cmocka_unit_test_setup(
            a_field_has_at_most_one_rule_for_a_type_and_none_is_invented, fake_setup),
        cmocka_unit_test_setup(a_value_of_the_wrong_kind_is_told_with_its_reason, fake_setup),
        cmocka_unit_test_setup(values_of_the_right_kind_pass, fake_setup),
        cmocka_unit_test_setup(decimals_are_counted_by_the_currency, fake_setup),
        cmocka_unit_test_setup(an_amount_that_is_not_exact_is_refused_as_a_number_too, fake_setup),
        cmocka_unit_test_setup(lengths_are_counted_in_characters, fake_setup),
        cmocka_unit_test_setup(all_missing_fields_are_told_at_once, fake_setup),
        cmocka_unit_test_setup(all_invalid_fields_are_told_at_once, fake_setup),
        cmocka_unit_test_setup(a_token_takes_the_place_of_the_card, fake_setup),
        cmocka_unit_test_setup(check_needs_a_reference_or_an_id, fake_setup),
        cmocka_unit_test_setup(sale_needs_pares_and_reference_together, fake_setup),
        cmocka_unit_test_setup(only_version_one_is_supported_and_it_is_checked_first, fake_setup),
        cmocka_unit_test_setup(fields_of_other_types_are_not_looked_at, fake_setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
