/*
 * JSON as strangers send it.
 */
#include "http/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;

static int make_arena(void **state)
{
    (void)state;
    arena_init(&arena, 64 * 1024);
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void assert_refused(struct str text, const char *sentence)
{
    char why[100] = "";
    json_t *value = json_read(text, why, sizeof why);
    if (value != NULL)
        fail_msg("accepted: %.*s", STR_ARG(text));
    assert_string_equal(why, sentence);
}

/* The scalar's text after a trip through json_read. */
static void assert_text(const char *json, const char *text)
{
    char why[100] = "";
    json_t *value = json_read(str_of(json), why, sizeof why);
    if (value == NULL)
        fail_msg("%s: %s", json, why);
    struct str got = STR_EMPTY;
    assert_true(json_scalar_text(value, &arena, &got));
    assert_string_equal(got.p, text);
    assert_int_equal(got.n, strlen(text));
    json_decref(value);
}

static void an_object_is_read(void **state)
{
    (void)state;
    char why[100];
    json_t *value = json_read(
        STR(" {\"amount\": 10.5, \"list\": [1, {\"a\": null}], \"t\": true}\r\n"), why, sizeof why);
    assert_non_null(value);
    assert_true(json_real_value(json_object_get(value, "amount")) == 10.5);
    assert_int_equal(json_array_size(json_object_get(value, "list")), 2);
    assert_true(json_is_true(json_object_get(value, "t")));
    json_decref(value);
}

static void broken_texts_are_refused_with_a_line(void **state)
{
    (void)state;
    assert_refused(STR(""), "line 1: the text ends too early");
    assert_refused(STR("{\"a\": 1"), "line 1: the text ends too early");
    assert_refused(STR("{\n\"a\": 1,\n}"), "line 3: not valid JSON");
    assert_refused(STR("{} {}"), "line 1: something follows the value");
    assert_refused(STR("[01]"), "line 1: not valid JSON");
    assert_refused(STR("[+1]"), "line 1: not valid JSON");
    assert_refused(STR("[.5]"), "line 1: not valid JSON");
    assert_refused(STR("[NaN]"), "line 1: not valid JSON");
    assert_refused(STR("['a']"), "line 1: not valid JSON");
    assert_refused(STR("{\"a\": 1 /* no */}"), "line 1: not valid JSON");
    assert_refused(STR("\xef\xbb\xbf{}"), "line 1: not valid JSON");
}

static void duplicate_keys_are_refused_by_name(void **state)
{
    (void)state;
    assert_refused(
        STR("{\"amount\": 1,\n \"b\": 2,\n \"amount\": 3}"), "line 3: duplicate key \"amount\"");
    assert_refused(STR("{\"x\": {\"k\":1, \"k\":2}}"), "line 1: duplicate key \"k\"");
    assert_refused(STR("{\"k\":1, \"\\u006b\":2}"), "line 1: duplicate key");
}

static void no_sentence_repeats_what_may_be_a_secret(void **state)
{
    (void)state;
    assert_refused(
        STR("{\"4111111111111111\":1, \"4111111111111111\":2}"), "line 1: duplicate key");
    assert_refused(STR("{\"card\": 4111111111111111x}"), "line 1: not valid JSON");
    assert_refused(STR("{\"card\": \"4111\n1111\"}"), "line 1: a control character in a string");
    assert_refused(STR("{\"card\": 99999999999999999999}"), "line 1: a number is out of range");
}

static void invalid_characters_are_refused(void **state)
{
    (void)state;
    assert_refused(STR("[\"a\0b\"]"), "line 1: a NUL character");
    assert_refused(STR("[1]\0"), "line 1: a NUL character");
    assert_refused(STR("[\"\\u0000\"]"), "line 1: a NUL character");
    assert_refused(STR("{\"\\u0000\":1}"), "line 1: a NUL character");
    assert_refused(STR("[\"\xc3\x28\"]"), "line 1: invalid UTF-8");
    assert_refused(STR("[\"\xed\xa0\x80\"]"), "line 1: invalid UTF-8");
    assert_refused(STR("[\"\xc0\xaf\"]"), "line 1: invalid UTF-8");
    assert_refused(STR("[\"\\ud800\"]"), "line 1: not valid JSON");
    assert_refused(STR("[\"tab\tin it\"]"), "line 1: a control character in a string");
}

static void nesting_ends_at_the_limit(void **state)
{
    (void)state;
    char text[2 * JSON_MAX_DEPTH + 2], why[100];
    memset(text, '[', JSON_MAX_DEPTH);
    memset(text + JSON_MAX_DEPTH, ']', JSON_MAX_DEPTH);
    json_t *value = json_read((struct str) { text, 2 * JSON_MAX_DEPTH }, why, sizeof why);
    assert_non_null(value);
    json_decref(value);
    memset(text, '[', JSON_MAX_DEPTH + 1);
    memset(text + JSON_MAX_DEPTH + 1, ']', JSON_MAX_DEPTH + 1);
    assert_refused((struct str) { text, sizeof text }, "line 1: nested too deep");

    value = json_read(STR("[\"[[[[[[[[[[[[[[[[[[[[\\\"[[[[[[[[[\"]"), why, sizeof why);
    assert_non_null(value); /* brackets in a string are text */
    json_decref(value);
}

static void numbers_come_back_as_they_were_written(void **state)
{
    (void)state;
    assert_text("12.5", "12.5");
    assert_text("10", "10");
    assert_text("10.0", "10");
    assert_text("10.50", "10.5");
    assert_text("0.1", "0.1");
    assert_text("-0.07", "-0.07");
    assert_text("0.00", "0");
    assert_text("-0.0", "0");
    assert_text("1e2", "100");
    assert_text("1.5E+3", "1500");
    assert_text("25e-2", "0.25");
    assert_text("1e20", "100000000000000000000");
    assert_text("1e-20", "0.00000000000000000001");
    assert_text("123456789012.345", "123456789012.345");
    assert_text("999999999999.99", "999999999999.99");
    assert_text("123456789012345e20", "12345678901234500000000000000000000");
    assert_text("10.5000000000000000000000000", "10.5");
    assert_text("9223372036854775807", "9223372036854775807");
    assert_text("-9223372036854775808", "-9223372036854775808");
    assert_text("4111111111111111", "4111111111111111");
    assert_text("\"12.50\"", "12.50");
    assert_text("\"\"", "");
}

static void numbers_that_cannot_be_kept_exactly_are_refused(void **state)
{
    (void)state;
    assert_refused(STR("0.1234567890123456"), "line 1: a number has too many digits");
    assert_refused(STR("1234567890123456.0"), "line 1: a number has too many digits");
    assert_refused(STR("[\n1e21]"), "line 2: a number has too large an exponent");
    assert_refused(STR("1e-21"), "line 1: a number has too large an exponent");
    assert_refused(STR("1e99999999999999999999"), "line 1: a number has too large an exponent");
    assert_refused(STR("9223372036854775808"), "line 1: a number is out of range");
}

static void only_scalars_have_a_text(void **state)
{
    (void)state;
    static const char *const others[] = { "true", "false", "null", "[]", "{}" };
    for (size_t i = 0; i < COUNT(others); i++) {
        char why[100];
        json_t *value = json_read(str_of(others[i]), why, sizeof why);
        assert_non_null(value);
        struct str out;
        assert_false(json_scalar_text(value, &arena, &out));
        json_decref(value);
    }
}

static void a_full_arena_gives_no_text(void **state)
{
    (void)state;
    struct arena tiny;
    arena_init(&tiny, 16);
    json_t *value = json_string("longer than sixteen bytes");
    struct str out;
    assert_false(json_scalar_text(value, &tiny, &out));
    json_decref(value);
    arena_free(&tiny);
}

static void assert_written(struct str text, const char *json)
{
    struct buf out;
    buf_init(&out, 1000);
    json_write_string(&out, text);
    buf_byte(&out, '\0');
    assert_string_equal(out.p, json);
    buf_free(&out);
}

static void strings_are_escaped(void **state)
{
    (void)state;
    assert_written(STR(""), "\"\"");
    assert_written(STR_EMPTY, "\"\"");
    assert_written(STR("plain text / here"), "\"plain text / here\"");
    assert_written(
        STR("\"\\\b\f\n\r\t\x01\x7f\0"), "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f\\u0000\"");
    assert_written(
        STR("\xc3\xa9 \xd0\x96 \xf0\x9f\x98\x80"), "\"\xc3\xa9 \xd0\x96 \xf0\x9f\x98\x80\"");
    assert_written(STR("a\xff\xc3"), "\"a\\ufffd\\ufffd\"");
}

/* An empty text would mean that there was no room. */
static void any_value_is_printed_scalars_too(void **state)
{
    static const char *const texts[] = { "\"x\"", "7", "1.5", "true", "null", "[1,\"a\"]",
        "{\"b\":1,\"a\":{}}" };
    (void)state;
    for (size_t i = 0; i < COUNT(texts); i++) {
        json_t *value = json_loads(texts[i], JSON_DECODE_ANY, NULL);
        assert_non_null(value);
        assert_true(str_eq(json_print(value, &arena), str_of(texts[i])));
        json_decref(value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_is_read),
        cmocka_unit_test(broken_texts_are_refused_with_a_line),
        cmocka_unit_test(duplicate_keys_are_refused_by_name),
        cmocka_unit_test(no_sentence_repeats_what_may_be_a_secret),
        cmocka_unit_test(invalid_characters_are_refused),
        cmocka_unit_test(nesting_ends_at_the_limit),
        cmocka_unit_test(numbers_come_back_as_they_were_written),
        cmocka_unit_test(numbers_that_cannot_be_kept_exactly_are_refused),
        cmocka_unit_test(only_scalars_have_a_text),
        cmocka_unit_test(a_full_arena_gives_no_text),
        cmocka_unit_test(strings_are_escaped),
        cmocka_unit_test(any_value_is_printed_scalars_too),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
