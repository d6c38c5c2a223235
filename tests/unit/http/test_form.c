/*
 * Form bodies, well formed and hostile.
 */
#include "base/buf.h"
#include "http/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct arena arena;
static struct form form;

#define B           "--xYz"
#define FIELD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"
static const struct str type = { "multipart/form-data; boundary=xYz", 33 };

static int make_arena(void **state)
{
    (void)state;
    arena_init(&arena, 1 << 20);
    return 0;
}

static int reset_arena(void **state)
{
    (void)state;
    arena_reset(&arena);
    return 0;
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

static void assert_field(size_t i, struct str name, struct str value)
{
    assert_true(i < form.n);
    assert_true(str_eq(form.fields[i].name, name));
    assert_true(str_eq(form.fields[i].value, value));
    assert_int_equal(form.fields[i].name.p[name.n], '\0');
    assert_int_equal(form.fields[i].value.p[value.n], '\0');
}

static void assert_encoded(struct str text, enum form_result result)
{
    if (form_urlencoded(text, &arena, &form) != result)
        fail_msg("another result for %.*s", STR_ARG(text));
}

static void assert_multi(struct str body, enum form_result result)
{
    if (form_multipart(body, type, &arena, &form) != result)
        fail_msg("another result for:\n%.*s", STR_ARG(body));
}

static void pairs_are_decoded_in_order(void **state)
{
    (void)state;
    assert_encoded(STR("a=b&c=%20d+e&f&=g&a=%D0%96%3d%26&h=i=j"), FORM_OK);
    assert_int_equal(form.n, 6);
    assert_field(0, STR("a"), STR("b"));
    assert_field(1, STR("c"), STR(" d e"));
    assert_field(2, STR("f"), STR(""));
    assert_field(3, STR(""), STR("g"));
    assert_field(4, STR("a"), STR("\xd0\x96=&"));
    assert_field(5, STR("h"), STR("i=j"));
}

static void empty_pairs_are_no_fields(void **state)
{
    (void)state;
    assert_encoded(STR_EMPTY, FORM_OK);
    assert_int_equal(form.n, 0);
    assert_encoded(STR("&&a=1&&"), FORM_OK);
    assert_int_equal(form.n, 1);
    assert_field(0, STR("a"), STR("1"));
}

static void bad_escapes_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "a=%", "a=%4", "a=%G0", "a=%0g", "%=1", "a=%%41", "a=%-1",
        "a=% 1", "a=%u0041", "a=%4&b=1" };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_encoded(str_of(bad[i]), FORM_MALFORMED);
}

static void nul_and_invalid_utf8_are_refused(void **state)
{
    (void)state;
    assert_encoded(STR("a=%00"), FORM_MALFORMED);
    assert_encoded(STR("a%00=1"), FORM_MALFORMED);
    assert_encoded(STR("a=\0"), FORM_MALFORMED);
    assert_encoded(STR("a=%ff"), FORM_MALFORMED);
    assert_encoded(STR("a=%c0%80"), FORM_MALFORMED);
    assert_encoded(STR("a=%ed%a0%80"), FORM_MALFORMED);
    assert_encoded(STR("a=%f4%90%80%80"), FORM_MALFORMED);
    assert_encoded(STR("a=%e2%82"), FORM_MALFORMED);
    assert_encoded(STR("a=%f0%9f%98%80"), FORM_OK);
}

static void fields_are_counted(void **state)
{
    (void)state;
    char text[2 * (FORM_MAX_FIELDS + 1)];
    for (size_t i = 0; i < sizeof text; i += 2)
        memcpy(text + i, "a&", 2);
    assert_encoded((struct str) { text, sizeof text - 2 }, FORM_OK);
    assert_int_equal(form.n, FORM_MAX_FIELDS);
    assert_encoded((struct str) { text, sizeof text }, FORM_TOO_MANY);
}

static void a_full_arena_is_told(void **state)
{
    (void)state;
    struct arena tiny;
    arena_init(&tiny, 64);
    assert_int_equal(form_urlencoded(STR("a=1&b=2&c=3"), &tiny, &form), FORM_NO_MEMORY);
    assert_int_equal(form_multipart(STR(B "--"), type, &tiny, &form), FORM_NO_MEMORY);
    arena_free(&tiny);
}

static void the_first_value_of_a_name_is_got(void **state)
{
    (void)state;
    assert_encoded(STR("a=1&b=&a=2"), FORM_OK);
    assert_true(str_eq(form_get(&form, "a"), STR("1")));
    assert_non_null(form_get(&form, "b").p);
    assert_int_equal(form_get(&form, "b").n, 0);
    assert_null(form_get(&form, "c").p);
    assert_null(form_get(&form, "").p);
}

static void repeated_names_are_found(void **state)
{
    (void)state;
    struct str which = STR_EMPTY;
    assert_encoded(STR("a=1&b=2&c=3&b=4"), FORM_OK);
    assert_true(form_repeated(&form, &which));
    assert_true(str_eq(which, STR("b")));
    assert_encoded(STR("a=1&b=2&A=3"), FORM_OK);
    assert_false(form_repeated(&form, &which));
}

static void parts_are_read(void **state)
{
    (void)state;
    assert_multi(STR(B "\r\n" FIELD("amount") "\r\n12.50\r\n" B "\r\n" FIELD(
                     "note") "Content-Type: text/plain; charset=utf-8\r\n\r\n"
                             "line one\r\n--xY\r\n\xd0\x96\r\n" B "\r\n" FIELD("empty") "\r\n\r\n" B
                                                                                        "--\r\n"),
        FORM_OK);
    assert_int_equal(form.n, 3);
    assert_field(0, STR("amount"), STR("12.50"));
    assert_field(1, STR("note"), STR("line one\r\n--xY\r\n\xd0\x96"));
    assert_field(2, STR("empty"), STR(""));
    assert_multi(STR(B "--"), FORM_OK);
    assert_int_equal(form.n, 0);
}

static void the_boundary_may_be_quoted(void **state)
{
    (void)state;
    assert_int_equal(
        form_multipart(STR("--a b?\r\n" FIELD("x") "\r\n1\r\n--a b?--"),
            STR("Multipart/Form-Data; charset=utf-8; Boundary=\"a b?\""), &arena, &form),
        FORM_OK);
    assert_field(0, STR("x"), STR("1"));
}

static void bad_content_types_are_refused(void **state)
{
    (void)state;
    char over_long[110] = "multipart/form-data; boundary=";
    memset(over_long + strlen(over_long), 'b', 71);
    const char *const bad[] = { "", "multipart/form-data", "multipart/mixed; boundary=xYz",
        "multipart/form-data; boundary=", "multipart/form-data; boundary=\"\"",
        "multipart/form-data; boundary=\"xYz", "multipart/form-data; boundary=\"xYz \"",
        "multipart/form-data; boundary=xYz; boundary=xYz", "multipart/form-data boundary=xYz",
        "multipart/form-data; boundary=x@z", over_long };
    for (size_t i = 0; i < COUNT(bad); i++)
        if (form_multipart(STR(B "--"), str_of(bad[i]), &arena, &form) != FORM_MALFORMED)
            fail_msg("accepted: %s", bad[i]);
}

static void broken_frames_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "x",
        "\r\n" B "--",                                              /* a preamble */
        B,                                                          /* no end */
        B "-",                                                      /* half an end */
        B "\n" FIELD("a") "\r\n1\r\n" B "--",                       /* a bare line feed */
        B " \r\n" FIELD("a") "\r\n1\r\n" B "--",                    /* padding */
        B "\r\n" FIELD("a") "\r\n1\r\n",                            /* no last boundary */
        B "\r\n" FIELD("a") "\r\n1\r\n" B "--\r\nmore",             /* an epilogue */
        B "\r\n" FIELD("a") "1\r\n" B "--",                         /* no blank line */
        B "\r\n\r\n1\r\n" B "--",                                   /* no disposition */
        B "\r\nContent-Disposition: form-data\r\n\r\n1\r\n" B "--", /* no name */
        B "\r\nContent-Disposition: attachment; name=a\r\n\r\n1\r\n" B "--",
        B "\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n" B "--",
        B "\r\nContent-Disposition: form-data; name=a; name=b\r\n\r\n1\r\n" B "--",
        B "\r\n" FIELD("a") FIELD("b") "\r\n1\r\n" B "--",
        B "\r\n" FIELD("a") " folded\r\n\r\n1\r\n" B "--",
        B "\r\n" FIELD("a") "No colon\r\n\r\n1\r\n" B "--",
        B "\r\n" FIELD("a") "\r\n\xff\r\n" B "--",
        B "\r\n" FIELD("\xff") "\r\n1\r\n" B "--",
        B "\r\n" FIELD("a") "\r\n1\r\n" B "x\r\n" FIELD("b") "\r\n2\r\n" B "--",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_multi(str_of(bad[i]), FORM_MALFORMED);
    assert_multi(STR(B "\r\n" FIELD("a") "\r\n1\0\r\n" B "--"), FORM_MALFORMED);
}

static void files_and_encodings_and_inner_multiparts_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        B "\r\nContent-Disposition: form-data; name=\"a\"; filename=\"f\"\r\n\r\n1\r\n" B "--",
        B "\r\nContent-Disposition: form-data; name=\"a\"; filename*=UTF-8''f\r\n\r\n1\r\n" B "--",
        B "\r\n" FIELD("a") "Content-Type: multipart/mixed; boundary=q\r\n\r\n1\r\n" B "--",
        B "\r\n" FIELD("a") "Content-Transfer-Encoding: base64\r\n\r\nMQ==\r\n" B "--",
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_multi(str_of(bad[i]), FORM_MALFORMED);
    assert_multi(
        STR(B "\r\n" FIELD("a") "Content-Transfer-Encoding: 8bit\r\n\r\n1\r\n" B "--"), FORM_OK);
}

static void part_headers_are_bounded(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 16);
    buf_str(&body, STR(B "\r\n" FIELD("a")));
    for (int i = 0; i < 20; i++)
        buf_str(&body, STR("X-More: 1\r\n"));
    buf_str(&body, STR("\r\n1\r\n" B "--"));
    assert_multi(buf_view(&body), FORM_MALFORMED);
    buf_reset(&body);
    buf_str(&body, STR(B "\r\n" FIELD("a") "X-Long: "));
    for (int i = 0; i < 2000; i++)
        buf_byte(&body, 'x');
    buf_str(&body, STR("\r\n\r\n1\r\n" B "--"));
    assert_multi(buf_view(&body), FORM_MALFORMED);
    buf_free(&body);
}

static void parts_are_counted(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 16);
    for (int i = 0; i < FORM_MAX_FIELDS; i++)
        buf_str(&body, STR(B "\r\n" FIELD("a") "\r\n1\r\n"));
    size_t full = body.n;
    buf_str(&body, STR(B "--"));
    assert_multi(buf_view(&body), FORM_OK);
    assert_int_equal(form.n, FORM_MAX_FIELDS);
    body.n = full;
    buf_str(&body, STR(B "\r\n" FIELD("b") "\r\n1\r\n" B "--"));
    assert_multi(buf_view(&body), FORM_TOO_MANY);
    buf_free(&body);
}

static void quotes_in_names_are_undone(void **state)
{
    (void)state;
    assert_multi(STR(B "\r\n" FIELD("a\\\"b\\\\c") "\r\n1\r\n" B "--"), FORM_OK);
    assert_field(0, STR("a\"b\\c"), STR("1"));
}

#define RESET(f) cmocka_unit_test_setup(f, reset_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RESET(pairs_are_decoded_in_order),
        RESET(empty_pairs_are_no_fields),
        RESET(bad_escapes_are_refused),
        RESET(nul_and_invalid_utf8_are_refused),
        RESET(fields_are_counted),
        RESET(a_full_arena_is_told),
        RESET(the_first_value_of_a_name_is_got),
        RESET(repeated_names_are_found),
        RESET(parts_are_read),
        RESET(the_boundary_may_be_quoted),
        RESET(bad_content_types_are_refused),
        RESET(broken_frames_are_refused),
        RESET(files_and_encodings_and_inner_multiparts_are_refused),
        RESET(part_headers_are_bounded),
        RESET(parts_are_counted),
        RESET(quotes_in_names_are_undone),
    };
    return cmocka_run_group_tests(tests, make_arena, free_arena);
}
