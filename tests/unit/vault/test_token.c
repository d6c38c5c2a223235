/*
 * Tokens: time in front, chance behind, one way to write them.
 */
#include "vault/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define NOW_MS INT64_C(1795298470123) /* 6b024ea6 in seconds */

static void a_token_begins_with_the_time_and_ends_in_chance(void **state)
{
    (void)state;
    struct rng rng = rng_system();
    uint8_t one[16], two[16];
    token_make(&rng, NOW_MS, one);
    token_make(&rng, NOW_MS, two);
    uint32_t seconds =
        (uint32_t)one[0] << 24 | (uint32_t)one[1] << 16 | (uint32_t)one[2] << 8 | (uint32_t)one[3];
    assert_true(seconds == NOW_MS / 1000);
    assert_memory_equal(one, two, 4);
    assert_memory_not_equal(one + 4, two + 4, 12);
}

static void a_token_is_written_as_a_uuid(void **state)
{
    (void)state;
    uint8_t token[16];
    for (size_t i = 0; i < sizeof token; i++)
        token[i] = (uint8_t)(i * 17);
    char text[TOKEN_TEXT_SIZE];
    token_text(token, text);
    assert_string_equal(text, "00112233-4455-6677-8899-aabbccddeeff");
    uint8_t back[16] = { 0 };
    assert_true(token_parse(str_of(text), back));
    assert_memory_equal(back, token, sizeof token);
    assert_true(token_parse(STR("00112233-4455-6677-8899-AABBCCddEEFF"), back));
    assert_memory_equal(back, token, sizeof token);
}

static void what_is_not_exactly_a_token_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "",
        "00112233445566778899aabbccddeeff",
        "00112233-4455-6677-8899-aabbccddeef",
        "00112233-4455-6677-8899-aabbccddeeff0",
        "00112233-4455-6677-8899-aabbccddeeff-",
        "0011223-34455-6677-8899-aabbccddeeff",
        "00112233-4455-6677-8899aabbccddeeff-",
        "00112233-4455-6677-8899-aabbccddeefg",
        "00112233-4455-6677-8899-aabbccddee-f",
        "00112233_4455-6677-8899-aabbccddeeff",
        "{0112233-4455-6677-8899-aabbccddeef}",
        "00112233-4455-6677-8899-aabbccddee f",
    };
    uint8_t token[16], before[16];
    memset(token, 0x77, sizeof token);
    memcpy(before, token, sizeof token);
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_false(token_parse(str_of(rows[i]), token));
    assert_false(token_parse(STR("00112233-4455-6677-8899-aabbccddee\0f"), token));
    assert_false(token_parse(STR_EMPTY, token));
    assert_memory_equal(token, before, sizeof token); /* untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_token_begins_with_the_time_and_ends_in_chance),
        cmocka_unit_test(a_token_is_written_as_a_uuid),
        cmocka_unit_test(what_is_not_exactly_a_token_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
