/*
 * Login by signature: the vector of spec/genome.md §4.1, and the route with a key from a real
 * vault.
 */
#include "fakes.h"

#include <stdio.h>
#include <unistd.h>

static const char demo_key[] = "skTest_DEMO0000000000000000000000002";
static const char demo_public[] = "pkTest_demo0000000000000000000000001";

static struct genome_pair pair(const char *name, const char *value)
{
    return (struct genome_pair) { .name = str_of(name), .value = str_of(value) };
}

static void assert_signature(
    const struct genome_pair *pairs, size_t n, const char *amount, const char *hex)
{
    struct arena a;
    arena_init(&a, 1024 * 1024);
    char made[GENOME_SIGNATURE_SIZE];
    assert_true(genome_sign(&a, pairs, n, str_of(amount), str_of(demo_key), made));
    assert_memory_equal(made, hex, sizeof made);
    arena_free(&a);
}

static void the_published_vector_is_reproduced(void **state)
{
    (void)state;
    const struct genome_pair pairs[] = { pair("user_ip", "127.0.0.1"), pair("api_version", "1"),
        pair("auth_type", "bySignature"), pair("amount", "10"), pair("country", "LTU"),
        pair("currency", "EUR"), pair("first_name", "Ann"), pair("last_name", "Lee"),
        pair("transaction_type", "AUTH"), pair("transaction_unique_id", "order-000001"),
        pair("user_email", "a@b.co"), pair("public_key", demo_public), pair("signature", "x"),
        pair("card_number", "4111111111111111"), pair("card_exp_month", "05"),
        pair("card_exp_year", "2028"), pair("cvv", "123"), pair("card_holder", "Ann Lee"),
        pair("address", "") };
    static const char hex[] = "b021e1b98a927c9bc8f0d51198ee05a4b9621075a9ee2b17fa8fa27bc83d40d4";
    assert_signature(pairs, COUNT(pairs), "", hex);
    assert_signature(pairs, COUNT(pairs), "10", hex);
}

static void letters_beyond_ascii_are_lowered_too(void **state)
{
    (void)state;
    const struct genome_pair upper[] = { pair("first_name", "\xc3\x89"
                                                            "\xc3\x9c"
                                                            "\xc5\x81"
                                                            "\xd0\x96"
                                                            "\xe6\xbc\xa2"
                                                            "\xf0\x9f\x98\x80"
                                                            "") };
    const struct genome_pair lower[] = { pair("first_name", "\xc3\xa9"
                                                            "\xc3\xbc"
                                                            "\xc5\x82"
                                                            "\xd0\xb6"
                                                            "\xe6\xbc\xa2"
                                                            "\xf0\x9f\x98\x80"
                                                            "") };
    struct arena a;
    arena_init(&a, 1024 * 1024);
    char one[GENOME_SIGNATURE_SIZE], two[GENOME_SIGNATURE_SIZE];
    assert_true(genome_sign(&a, upper, 1, STR_EMPTY, str_of(demo_key), one));
    assert_true(genome_sign(&a, lower, 1, STR_EMPTY, str_of(demo_key), two));
    assert_memory_equal(one, two, sizeof one);
    arena_free(&a);
}

/* ---- through the route ---- */

static char folder[64], ring[80];
static struct arena vault_arena;

static int setup(void **state)
{
    (void)fake_setup(state);
    char why[200];
    assert_true(snprintf(folder, sizeof folder, "/tmp/turnpike-test-XXXXXX") > 0);
    assert_non_null(mkdtemp(folder));
    assert_true(snprintf(ring, sizeof ring, "%s/keyring", folder) > 0);
    fake.genome.vault = vault_open(ring, true, why, sizeof why);
    assert_non_null(fake.genome.vault);
    arena_init(&vault_arena, 64 * 1024);
    struct rng rng = rng_system();
    assert_int_equal(vault_seal_text(fake.genome.vault, &rng, &vault_arena, "genome.private_key",
                         fake.demo.row.id, str_of(demo_key), &fake.demo.row.private_key),
        VAULT_OK);
    assert_true(
        str_copy(fake.demo.row.public_key, sizeof fake.demo.row.public_key, str_of(demo_public)));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    vault_close(fake.genome.vault);
    arena_free(&vault_arena);
    assert_int_equal(unlink(ring), 0);
    assert_int_equal(rmdir(folder), 0);
    return 0;
}

/*
 * A signed body: its text fields, except the card's, as the client signs them. signed_amount is how
 * it writes the amount.
 */
static json_t *signed_body(json_t *amount, const char *signed_amount)
{
    json_t *body = body_of('A');
    json_object_del(body, "merchant_account");
    json_object_del(body, "merchant_password");
    json_object_set_new(body, "auth_type", json_string("bySignature"));
    json_object_set_new(body, "custom_note", json_string("Unknown to the gateway"));
    json_object_set_new(body, "amount", amount);
    struct genome_pair pairs[64];
    size_t n = 0;
    const char *key;
    json_t *value;
    json_object_foreach(body, key, value) pairs[n++] =
        pair(key, strcmp(key, "amount") == 0        ? signed_amount
                  : strcmp(key, "api_version") == 0 ? "1"
                                                    : json_string_value(value));
    struct arena a;
    arena_init(&a, 1024 * 1024);
    char made[GENOME_SIGNATURE_SIZE];
    assert_true(genome_sign(&a, pairs, n, STR_EMPTY, str_of(demo_key), made));
    arena_free(&a);
    json_object_set_new(body, "public_key", json_string(demo_public));
    json_object_set_new(body, "signature", json_stringn(made, sizeof made));
    return body;
}

static void expect_code(json_t *body, int code)
{
    assert_int_equal(fake_code(body, NULL), code);
    json_decref(body);
}

static void a_signed_request_needs_no_password(void **state)
{
    (void)state;
    json_t *body = signed_body(json_real(9.9), "9.9");
    json_t *answer = fake_post(body);
    assert_int_equal(answer_code(answer), 0);
    assert_string_equal(answer_text(answer, "merchant_account"), "demo_merchant");
    assert_int_equal(fake.logins, 0);
    assert_int_equal(fake.commands, 1);
    json_decref(answer);
    json_decref(body);
}

static void a_whole_amount_may_be_signed_with_or_without_its_zeros(void **state)
{
    (void)state;
    expect_code(signed_body(json_real(10.0), "10"), 0);
    expect_code(signed_body(json_real(10.0), "10.0"), 0);
    expect_code(signed_body(json_integer(10), "10"), 0);
    expect_code(signed_body(json_string("10.0"), "10.0"), 0);
    expect_code(signed_body(json_string("10.0"), "10"), 0);
    expect_code(signed_body(json_string("10.50"), "10.50"), 0);
    expect_code(signed_body(json_string("10.50"), "10.5"), 0);
    expect_code(signed_body(json_string("100"), "1"), 2001);
    expect_code(signed_body(json_string("10.0"), "11"), 2001);
}

static void an_upper_case_signature_is_the_same(void **state)
{
    (void)state;
    json_t *body = signed_body(json_integer(10), "10");
    char upper[GENOME_SIGNATURE_SIZE];
    const char *lower = json_string_value(json_object_get(body, "signature"));
    for (size_t i = 0; i < sizeof upper; i++)
        upper[i] = lower[i] >= 'a' ? (char)(lower[i] - 'a' + 'A') : lower[i];
    json_object_set_new(body, "signature", json_stringn(upper, sizeof upper));
    expect_code(body, 0);
}

static void a_changed_field_breaks_the_signature(void **state)
{
    (void)state;
    static const char *const names[] = { "first_name", "custom_note", "transaction_unique_id" };
    for (size_t i = 0; i < COUNT(names); i++) {
        json_t *body = signed_body(json_integer(10), "10");
        json_object_set_new(body, names[i], json_string("something else"));
        expect_code(body, 2001);
    }
    json_t *body = signed_body(json_integer(10), "10");
    json_object_set_new(body, "one_more", json_string("field"));
    expect_code(body, 2001);
    assert_int_equal(fake.commands, 0);
}

static void the_card_is_not_part_of_the_signature(void **state)
{
    (void)state;
    json_t *body = signed_body(json_integer(10), "10");
    json_object_set_new(body, "card_number", json_string("5555555555554444"));
    json_object_set_new(body, "card_holder", json_string("Somebody Else"));
    expect_code(body, 0);
}

static void a_wrong_signature_or_an_unknown_key_is_refused(void **state)
{
    (void)state;
    json_t *body = signed_body(json_integer(10), "10");
    json_object_set_new(body, "public_key", json_string("pkTest_nobody"));
    expect_code(body, 2001);
    char zeros[GENOME_SIGNATURE_SIZE];
    memset(zeros, '0', sizeof zeros);
    body = signed_body(json_integer(10), "10");
    json_object_set_new(body, "signature", json_stringn(zeros, sizeof zeros));
    expect_code(body, 2001);
    body = signed_body(json_integer(10), "10");
    json_object_set_new(body, "signature", json_string("abc"));
    expect_code(body, 1004);
}

static void a_merchant_without_a_private_key_cannot_sign(void **state)
{
    (void)state;
    fake.demo.row.private_key = STR_EMPTY;
    expect_code(signed_body(json_integer(10), "10"), 2001);
}

static void a_private_key_sealed_for_another_merchant_does_not_open(void **state)
{
    (void)state;
    fake.demo.row.id++;
    expect_code(signed_body(json_integer(10), "10"), 2001);
}

static void key_and_signature_are_missed_when_the_request_says_it_is_signed(void **state)
{
    (void)state;
    json_t *body = body_of('V');
    json_object_set_new(body, "auth_type", json_string("bySignature"));
    json_object_del(body, "merchant_account");
    json_object_del(body, "merchant_password");
    char message[512];
    assert_int_equal(fake_code(body, message), 1002);
    assert_string_equal(message, "Mandatory field(s) missing `public_key`, `signature`");
    json_decref(body);
}

int main(void)
{
#define ROUTE_TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_vector_is_reproduced),
        cmocka_unit_test(letters_beyond_ascii_are_lowered_too),
        ROUTE_TEST(a_signed_request_needs_no_password),
        ROUTE_TEST(a_whole_amount_may_be_signed_with_or_without_its_zeros),
        ROUTE_TEST(an_upper_case_signature_is_the_same),
        ROUTE_TEST(a_changed_field_breaks_the_signature),
        ROUTE_TEST(the_card_is_not_part_of_the_signature),
        ROUTE_TEST(a_wrong_signature_or_an_unknown_key_is_refused),
        ROUTE_TEST(a_merchant_without_a_private_key_cannot_sign),
        ROUTE_TEST(a_private_key_sealed_for_another_merchant_does_not_open),
        ROUTE_TEST(key_and_signature_are_missed_when_the_request_says_it_is_signed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
