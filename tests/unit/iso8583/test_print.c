/*
 * What people may see of a message, DE 48, and the names in the configuration.
 */
#include "golden.h"
#include "helper.h"

/* The line of m, NUL-terminated. */
static const char *line_of(const struct iso_message *m, struct buf *out)
{
    buf_init(out, 8192);
    iso_print(m, out);
    buf_byte(out, '\0');
    assert_false(out->full);
    return out->p;
}

static void a_line_shows_the_message_without_its_secrets(void **state)
{
    (void)state;
    struct iso_message m;
    struct buf out;
    message_of(&m, "0=0100|2=4111111111111111|3=000000|4=000000012345|14=2812|"
                   "48=T42070103212"
                   "4328AAABBWcSNIdjeUZThmNHAAAAAAA=9203123|63=ORDER-000101");
    iso_set(&m, 64, STR("\x01\x23\x45\x67\x89\xAB\xCD\xEF"));
    assert_string_equal(line_of(&m, &out),
        "0100 2=411111******1111 3=000000 4=000000012345 14=2812 "
        "48=T420701032124328***9203*** 63=ORDER-000101 64=0123456789ABCDEF");
    buf_free(&out);
}

static void no_known_message_prints_its_card_number_or_cvv(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        struct iso_message m;
        struct buf out;
        message_of(&m, golden[i].values);
        const char *line = line_of(&m, &out);
        char pan[20] = "", cvv[16] = "";
        if (iso_has(&m, 2)) {
            assert_true(str_copy(pan, sizeof pan, iso_get(&m, 2)));
            assert_null(strstr(line, pan));
        }
        struct str code = iso_de48_get(iso_get(&m, 48), "92");
        if (code.n > 0) {
            assert_true(str_copy(cvv + 4, sizeof cvv - 4, code));
            memcpy(cvv, code.n == 3 ? "9203" : "9204", 4);
            assert_null(strstr(line, cvv));
            assert_non_null(strstr(line, code.n == 3 ? "9203***" : "9204***"));
        }
        buf_free(&out);
    }
}

static void tracks_and_pins_are_never_shown(void **state)
{
    (void)state;
    static const int never[] = { 34, 35, 36, 45, 52, 55 };
    struct iso_message m;
    struct buf out;
    iso_init(&m, "0200");
    for (size_t i = 0; i < COUNT(never); i++)
        iso_set(&m, never[i], STR("4111111111111111=2812"));
    assert_string_equal(line_of(&m, &out), "0200 34=*** 35=*** 36=*** 45=*** 52=*** 55=***");
    buf_free(&out);

    iso_init(&m, "2200");
    iso_set(&m, 2, STR("4111111111111111"));
    assert_string_equal(line_of(&m, &out), "2200 2=***");
    buf_free(&out);
}

static void card_numbers_in_other_elements_are_masked(void **state)
{
    (void)state;
    struct iso_message m;
    struct buf out;
    iso_init(&m, "0210");
    iso_set(&m, 2, STR("4111111111111111"));
    iso_set(&m, 44, STR("99941111111111111110"));
    iso_set(&m, 60, STR("card 5555555555554444!"));
    iso_set(&m, 89, STR("0000000000000000"));
    assert_string_equal(line_of(&m, &out),
        "0210 2=411111******1111 44=999****************0 60=card 555555******4444! "
        "89=0000000000000000");
    buf_free(&out);
}

static void short_card_numbers_are_hidden_whole(void **state)
{
    (void)state;
    struct iso_message m;
    struct buf out;
    iso_init(&m, "0200");
    iso_set(&m, 2, STR("411111111111"));
    assert_string_equal(line_of(&m, &out), "0200 2=************");
    buf_free(&out);
    iso_set(&m, 2, STR("4111111111111111111"));
    assert_string_equal(line_of(&m, &out), "0200 2=411111*********1111");
    buf_free(&out);
}

static void what_is_not_understood_of_de_48_is_hidden(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        { "T", "48=T" },
        { "T9203", "48=T***" },
        { "T9299123", "48=T***" },
        { "T92x3123", "48=T***" },
        { "Tx203123", "48=T***" },
        { "", "48=" },
        { "9203123", "48=***" },
        { "T9902xx8701M", "48=T9902***8701M" },
        { "T8701M92", "48=T8701M***" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct iso_message m;
        struct buf out;
        iso_init(&m, "0100");
        iso_set(&m, 48, str_of(cases[i][0]));
        assert_string_equal(line_of(&m, &out) + 5, cases[i][1]);
        buf_free(&out);
    }
}

static void a_line_is_one_printable_line(void **state)
{
    (void)state;
    struct iso_message m;
    struct buf out;
    iso_init(&m, "0100");
    iso_set(&m, 63, STR("a\r\nb\x1B[1m\xC3\xA9\x7F~"));
    assert_string_equal(line_of(&m, &out), "0100 63=a??b?[1m???~");
    buf_free(&out);
    buf_init(&out, 3);
    iso_print(&m, &out);
    assert_true(out.full);
    buf_free(&out);
    iso_init(&m, "0100");
    iso_set(&m, 64, STR("12345678"));
    buf_init(&out, sizeof "0100 64=" - 1 + 15);
    iso_print(&m, &out);
    assert_true(out.full); /* sixteen digits */
    buf_free(&out);
}

static void sub_elements_of_de_48_are_found_and_added(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1200);
    buf_byte(&b, 'T');
    iso_de48_add(&b, "42", STR("0103212"));
    iso_de48_add(&b, "92", STR("123"));
    iso_de48_add(&b, "00", STR_EMPTY);
    assert_str(buf_view(&b), "T420701032129203123"
                             "0000");
    assert_str(iso_de48_get(buf_view(&b), "42"), "0103212");
    assert_str(iso_de48_get(buf_view(&b), "92"), "123");
    assert_int_equal(iso_de48_get(buf_view(&b), "00").n, 0);
    assert_int_equal(iso_de48_get(buf_view(&b), "43").n, 0);
    assert_int_equal(iso_de48_get(STR_EMPTY, "43").n, 0);
    assert_int_equal(iso_de48_get(STR("T"), "43").n, 0);
    assert_int_equal(iso_de48_get(STR("T4305abcd"), "43").n, 0);
    assert_int_equal(iso_de48_get(STR("T43-1abcd"), "43").n, 0);
    buf_free(&b);
}

static void names_in_the_configuration_are_known(void **state)
{
    (void)state;
    enum iso_profile profile;
    enum iso_framing framing;
    enum iso_mac_kind kind;
    assert_true(iso_profile_of(STR("a"), &profile) && profile == ISO_PROFILE_A);
    assert_true(iso_profile_of(STR("h"), &profile) && profile == ISO_PROFILE_H);
    assert_true(iso_profile_of(STR("b"), &profile) && profile == ISO_PROFILE_B);
    assert_false(iso_profile_of(STR("c"), &profile));
    assert_false(iso_profile_of(STR_EMPTY, &profile));
    assert_true(iso_framing_of(STR("bin2"), &framing) && framing == ISO_FRAME_BIN2);
    assert_true(iso_framing_of(STR("bcd2"), &framing) && framing == ISO_FRAME_BCD2);
    assert_true(iso_framing_of(STR("ascii4"), &framing) && framing == ISO_FRAME_ASCII4);
    assert_true(iso_framing_of(STR("bin4"), &framing) && framing == ISO_FRAME_BIN4);
    assert_true(iso_framing_of(STR("bin2r2"), &framing) && framing == ISO_FRAME_BIN2_RESERVED2);
    assert_false(iso_framing_of(STR("bin"), &framing));
    assert_true(iso_mac_kind_of(STR("none"), &kind) && kind == ISO_MAC_NONE);
    assert_true(iso_mac_kind_of(STR("retail"), &kind) && kind == ISO_MAC_RETAIL_PAD1);
    assert_true(iso_mac_kind_of(STR("retail2"), &kind) && kind == ISO_MAC_RETAIL_PAD2);
    assert_true(iso_mac_kind_of(STR("cmac"), &kind) && kind == ISO_MAC_CMAC);
    assert_false(iso_mac_kind_of(STR("CMAC"), &kind));
}

static void every_result_has_its_own_text(void **state)
{
    (void)state;
    for (int a = ISO_OK; a <= ISO_NO_MAC; a++) {
        assert_non_null(iso_result_text((enum iso_result)a));
        for (int b = ISO_OK; b < a; b++)
            assert_string_not_equal(
                iso_result_text((enum iso_result)a), iso_result_text((enum iso_result)b));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_shows_the_message_without_its_secrets),
        cmocka_unit_test(no_known_message_prints_its_card_number_or_cvv),
        cmocka_unit_test(tracks_and_pins_are_never_shown),
        cmocka_unit_test(card_numbers_in_other_elements_are_masked),
        cmocka_unit_test(short_card_numbers_are_hidden_whole),
        cmocka_unit_test(what_is_not_understood_of_de_48_is_hidden),
        cmocka_unit_test(a_line_is_one_printable_line),
        cmocka_unit_test(sub_elements_of_de_48_are_found_and_added),
        cmocka_unit_test(names_in_the_configuration_are_known),
        cmocka_unit_test(every_result_has_its_own_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
