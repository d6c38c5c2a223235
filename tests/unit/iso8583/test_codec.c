/*
 * What the codec takes and what it refuses, one rule at a time.
 */
#include "helper.h"
#include "iso8583/table.h"

#include <wchar.h>

static uint8_t wire[ISO_MAX_FRAME];

static enum iso_result pack_one(const char *mti, int de, struct str value, enum iso_profile profile)
{
    struct iso_message m;
    size_t n = 77;
    iso_init(&m, mti);
    iso_set(&m, de, value);
    enum iso_result result = iso_pack(&m, profile, wire, sizeof wire, &n);
    assert_int_equal(m.bad_de, result == ISO_OK ? 0 : de);
    assert_true((n == 0) == (result != ISO_OK));
    return result;
}

/* Packs one element and gives what comes back. */
static void assert_comes_back(
    const char *mti, int de, const char *value, const char *wanted, enum iso_profile profile)
{
    struct iso_message m;
    size_t n = 0;
    iso_init(&m, mti);
    iso_set(&m, de, str_of(value));
    assert_int_equal(iso_pack(&m, profile, wire, sizeof wire, &n), ISO_OK);
    assert_int_equal(iso_unpack(&m, profile, wire, n), ISO_OK);
    assert_true(iso_has(&m, de));
    assert_str(iso_get(&m, de), wanted);
}

static void short_values_of_fixed_elements_are_filled(void **state)
{
    (void)state;
    for (int p = ISO_PROFILE_A; p <= ISO_PROFILE_B; p++) {
        enum iso_profile profile = (enum iso_profile)p;
        assert_comes_back("0200", 4, "7", "000000000007", profile);
        assert_comes_back("0200", 22, "12", "012", profile);
        assert_comes_back("0200", 41, "T1", "T1      ", profile);
        assert_comes_back("0200", 38, "A1", "A1    ", profile);
        assert_comes_back("0200", 63, "T1", "T1", profile);
    }
}

static void packed_digits_have_their_pad_where_the_rule_says(void **state)
{
    (void)state;
    static const uint8_t fixed[] = { 0x02, 0x00, 0, 0, 0x04, 0, 0, 0, 0, 0, 0x08, 0x12 };
    static const uint8_t counted[] = { 0x02, 0x00, 0, 0, 0, 1, 0, 0, 0, 0, 0x03, 0x12, 0x30 };
    assert_int_equal(pack_one("0200", 22, STR("812"), ISO_PROFILE_B), ISO_OK);
    assert_memory_equal(wire, fixed, sizeof fixed);
    assert_int_equal(pack_one("0200", 32, STR("123"), ISO_PROFILE_B), ISO_OK);
    assert_memory_equal(wire, counted, sizeof counted);
}

static void a_pad_nibble_is_dropped_by_count_and_a_digit_above_nine_refused(void **state)
{
    (void)state;
    uint8_t m_32[] = { 0x02, 0x00, 0, 0, 0, 1, 0, 0, 0, 0, 0x03, 0x12, 0x3F };
    struct iso_message m;
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_B, m_32, sizeof m_32), ISO_OK);
    assert_str(iso_get(&m, 32), "123");
    m_32[12] = 0xA0;
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_B, m_32, sizeof m_32), ISO_BAD_CONTENT);
    m_32[10] = 0x0A;
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_B, m_32, sizeof m_32), ISO_BAD_LENGTH);
    m_32[0] = 0xA2;
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_B, m_32, sizeof m_32), ISO_BAD_MTI);
}

static void values_of_a_wrong_length_are_refused(void **state)
{
    (void)state;
    static char long_text[1000];
    memset(long_text, 'x', sizeof long_text);
    static const struct {
        int de;
        const char *value;
    } wrong[] = { { 2, "41111111111111111111" }, { 4, "0000000000001" }, { 39, "000" },
        { 43, "EXAMPLE SHOP             MINSK        BY " }, { 48, "" }, { 4, "" },
        { 64, "1234567" }, { 64, "123456789" }, { 97, "D1" }, { 97, "D00000000000000001" } };
    for (int p = ISO_PROFILE_A; p <= ISO_PROFILE_B; p++) {
        for (size_t i = 0; i < COUNT(wrong); i++)
            assert_int_equal(
                pack_one("0200", wrong[i].de, str_of(wrong[i].value), (enum iso_profile)p),
                ISO_BAD_LENGTH);
        assert_int_equal(
            pack_one("0200", 63, (struct str) { long_text, 1000 }, (enum iso_profile)p),
            ISO_BAD_LENGTH);
        assert_int_equal(
            pack_one("0200", 63, (struct str) { long_text, 999 }, (enum iso_profile)p), ISO_OK);
    }
}

static void characters_outside_the_class_are_refused(void **state)
{
    (void)state;
    static const struct {
        int de;
        const char *value;
    } wrong[] = { { 2, "4111 11111111111" }, { 4, "-00000000001" }, { 38, "A1-2C3" }, { 39, "0_" },
        { 41, "TERM\t001" }, { 63, "caf\xC3\xA9" }, { 63, "line\nline" }, { 63, "\x7F" },
        { 97, "E0000000000015000" }, { 97, "D000000000001500C" } };
    for (int p = ISO_PROFILE_A; p <= ISO_PROFILE_B; p++) {
        for (size_t i = 0; i < COUNT(wrong); i++)
            assert_int_equal(
                pack_one("0200", wrong[i].de, str_of(wrong[i].value), (enum iso_profile)p),
                ISO_BAD_CONTENT);
    }
}

/* Each of the 256 bytes, at each place of a value, is taken as its class says. */
static void every_byte_is_taken_only_where_its_class_allows(void **state)
{
    (void)state;
    for (int c = 0; c < 256; c++) {
        bool digit = c >= '0' && c <= '9';
        bool letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        for (size_t at = 0; at < 6; at++) {
            char text[] = "111111";
            text[at] = (char)c;
            struct str value = { text, 6 };
            assert_true((pack_one("0200", 11, value, ISO_PROFILE_A) == ISO_OK) == digit);
            assert_true((pack_one("0200", 38, value, ISO_PROFILE_A) == ISO_OK) ==
                        (digit || letter || c == ' '));
            assert_true(
                (pack_one("0200", 60, value, ISO_PROFILE_A) == ISO_OK) == (c >= 0x20 && c < 0x7F));
        }
    }
}

static void a_signed_amount_begins_with_its_side(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } rows[] = { { "C15", true }, { "D15", true }, { "C", true }, { "", false }, { "15", false },
        { "E15", false }, { "c15", false }, { "C1D", false } };
    for (size_t i = 0; i < COUNT(rows); i++)
        assert_int_equal(
            iso_content_valid(ISO_KIND_XN, rows[i].text, strlen(rows[i].text)), rows[i].valid);
    static const char credit[] = "C0000000000015000", debit[] = "D0000000000015000";
    for (int p = ISO_PROFILE_A; p <= ISO_PROFILE_B; p++) {
        assert_comes_back("0200", 97, credit, credit, (enum iso_profile)p);
        assert_comes_back("0200", 97, debit, debit, (enum iso_profile)p);
    }
}

/* So unpacking always has room for what it must keep apart from the bytes. */
static void a_message_of_every_element_fits_scratch(void **state)
{
    (void)state;
    static const char *const versions[] = { "0200", "1200" };
    for (size_t v = 0; v < COUNT(versions); v++) {
        const struct iso_element *table = iso_table(versions[v]);
        assert_non_null(table);
        size_t all = 0;
        for (int de = 2; de <= ISO_MAX_DE; de++)
            if (table[de].kind != ISO_KIND_AN && table[de].kind != ISO_KIND_ANS)
                all += table[de].size;
        assert_in_range(all, 1, ISO_SCRATCH / 2);
    }
}

static void elements_without_a_row_are_refused_both_ways(void **state)
{
    (void)state;
    static const int never[] = { 35, 36, 45, 52, 53, 55, 127 };
    for (size_t i = 0; i < COUNT(never); i++) {
        assert_int_equal(
            pack_one("0200", never[i], STR("12345678"), ISO_PROFILE_A), ISO_UNKNOWN_DE);
        assert_int_equal(
            pack_one("1200", never[i], STR("12345678"), ISO_PROFILE_A), ISO_UNKNOWN_DE);
    }
    static const char track[] = "0200\0\0\0\0\x20\0\0\0"
                                "041111";
    struct iso_message m;
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_A, track, sizeof track - 1), ISO_UNKNOWN_DE);
    assert_int_equal(m.bad_de, 35);
    assert_false(iso_has(&m, 35));
}

static void the_version_digit_chooses_the_table(void **state)
{
    (void)state;
    assert_comes_back("0200", 12, "010110", "010110", ISO_PROFILE_A);
    assert_comes_back("1200", 12, "261122010110", "261122010110", ISO_PROFILE_A);
    assert_int_equal(pack_one("0200", 12, STR("261122010110"), ISO_PROFILE_A), ISO_BAD_LENGTH);
    assert_comes_back("1210", 39, "7", "007", ISO_PROFILE_A);
    assert_int_equal(pack_one("0200", 24, STR("200"), ISO_PROFILE_A), ISO_UNKNOWN_DE);

    struct iso_message m;
    size_t n = 0;
    iso_init(&m, "2200");
    iso_set(&m, 11, STR("000001"));
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, wire, sizeof wire, &n), ISO_BAD_MTI);
}

static void an_all_zero_second_bitmap_is_accepted_and_not_sent(void **state)
{
    (void)state;
    static const char sent[] = "0800\x80\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
                               "000001";
    static const char packed[] = "0800\0\x20\0\0\0\0\0\0"
                                 "000001";
    struct iso_message m;
    size_t n = 0;
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_A, sent, sizeof sent - 1), ISO_OK);
    assert_str(iso_get(&m, 11), "000001");
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, wire, sizeof wire, &n), ISO_OK);
    assert_int_equal(n, sizeof packed - 1);
    assert_memory_equal(wire, packed, n);
}

static void an_empty_variable_element_is_read_and_never_written(void **state)
{
    (void)state;
    static const char sent[] = "0210\0\0\0\0\0\0\0\x02"
                               "000";
    struct iso_message m;
    size_t n = 0;
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_A, sent, sizeof sent - 1), ISO_OK);
    assert_true(iso_has(&m, 63));
    assert_int_equal(iso_get(&m, 63).n, 0);
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, wire, sizeof wire, &n), ISO_BAD_LENGTH);
    assert_int_equal(m.bad_de, 63);
}

static void lower_case_hexadecimal_is_refused(void **state)
{
    (void)state;
    static const char upper[] = "02000000000000000001AABBCCDD00112233";
    static const char lower_mac[] = "02000000000000000001aABBCCDD00112233";
    static const char lower_map[] = "0200002000000000000a";
    struct iso_message m;
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_H, upper, sizeof upper - 1), ISO_OK);
    assert_memory_equal(iso_get(&m, 64).p, "\xAA\xBB\xCC\xDD\x00\x11\x22\x33", 8);
    assert_int_equal(
        iso_unpack(&m, ISO_PROFILE_H, lower_mac, sizeof lower_mac - 1), ISO_BAD_CONTENT);
    assert_int_equal(
        iso_unpack(&m, ISO_PROFILE_H, lower_map, sizeof lower_map - 1), ISO_BAD_BITMAP);
}

static void a_refused_message_shows_only_what_was_checked(void **state)
{
    (void)state;
    static const char sent[] = "0200\x30\x20\0\0\0\0\0\0"
                               "00000000000000000X000001";
    struct iso_message m;
    memset(&m, 0xFF, sizeof m);
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_A, sent, sizeof sent - 1), ISO_BAD_CONTENT);
    assert_string_equal(m.mti, "0200");
    assert_int_equal(m.bad_de, 4);
    assert_str(iso_get(&m, 3), "000000");
    assert_false(iso_has(&m, 4));
    assert_false(iso_has(&m, 11));
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_A, "9200", 4), ISO_BAD_MTI);
    assert_string_equal(m.mti, "");
}

static void packing_never_writes_past_the_room(void **state)
{
    (void)state;
    for (int p = ISO_PROFILE_A; p <= ISO_PROFILE_B; p++) {
        struct iso_message m;
        message_of(&m, "0=0500|2=4111111111111|11=000900|43=SHOP|48=T|66=1|97=D0000000000015000");
        iso_set(&m, 128, STR("12345678"));
        size_t whole = 0, n = 0;
        assert_int_equal(iso_pack(&m, (enum iso_profile)p, wire, sizeof wire, &whole), ISO_OK);
        for (size_t room = 0; room <= whole; room++) {
            uint8_t *exact = test_malloc(room + 1);
            assert_int_equal(iso_pack(&m, (enum iso_profile)p, exact, room, &n),
                room < whole ? ISO_NO_ROOM : ISO_OK);
            test_free(exact);
        }
    }
}

static void numbers_and_texts_are_kept_in_the_message(void **state)
{
    (void)state;
    struct iso_message m;
    iso_init(&m, "0200");
    iso_set_number(&m, 4, 12345, 12);
    iso_set_number(&m, 11, 0, 6);
    iso_set_text(&m, 63, "ORDER-%06d", 17);
    assert_str(iso_get(&m, 4), "000000012345");
    assert_str(iso_get(&m, 11), "000000");
    assert_str(iso_get(&m, 63), "ORDER-000017");
    iso_set_number(&m, 11, 1234567, 6);
    assert_str(iso_get(&m, 11), "1234567");
    size_t n = 0;
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, wire, sizeof wire, &n), ISO_BAD_LENGTH);
    assert_int_equal(m.bad_de, 11);
    iso_set_number(&m, 86, UINT64_MAX, 20);
    assert_str(iso_get(&m, 86), "18446744073709551615");
}

static void what_scratch_cannot_hold_is_refused_when_packed(void **state)
{
    (void)state;
    struct iso_message m;
    size_t n = 0;
    iso_init(&m, "0200");
    for (int i = 0; i < 8; i++)
        iso_set_text(&m, 60, "%0999d", i);
    assert_true(m.scratch_used <= ISO_SCRATCH);
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, wire, sizeof wire, &n), ISO_BAD_LENGTH);

    iso_init(&m, "0200");
    for (int i = 0; i < 400; i++)
        iso_set_number(&m, 4, 1, 12);
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, wire, sizeof wire, &n), ISO_BAD_LENGTH);

    static const wchar_t not_in_this_locale[] = { 0x20AC, 0 };
    iso_init(&m, "0200");
    iso_set_text(&m, 60, "%ls", not_in_this_locale);
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, wire, sizeof wire, &n), ISO_BAD_LENGTH);
}

static void wiping_leaves_nothing_in_scratch(void **state)
{
    (void)state;
    struct iso_message m;
    iso_init(&m, "0100");
    iso_set_text(&m, 48, "T92%02d%s", 3, "123");
    iso_wipe(&m);
    assert_false(iso_has(&m, 48));
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(m.scratch[i], 0);
}

static void elements_can_be_set_and_unset(void **state)
{
    (void)state;
    struct iso_message m;
    size_t n = 0;
    iso_init(&m, "0800");
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, wire, sizeof wire, &n), ISO_EMPTY);
    for (int de = 2; de <= ISO_MAX_DE; de++) {
        if (de == 65)
            continue;
        assert_false(iso_has(&m, de));
        iso_set(&m, de, STR("x"));
        assert_true(iso_has(&m, de));
        assert_str(iso_get(&m, de), "x");
        iso_unset(&m, de);
        assert_false(iso_has(&m, de));
        assert_int_equal(iso_get(&m, de).n, 0);
    }
    iso_set(&m, 7, STR("1"));
    iso_set(&m, 11, STR("1"));
    iso_set(&m, 70, STR("1"));
    assert_true(m.present[0] == UINT64_C(0x0220000000000000));
    assert_true(m.present[1] == UINT64_C(0x0400000000000000));
}

static void answers_have_the_mti_of_an_answer(void **state)
{
    (void)state;
    static const char *const pairs[][2] = { { "0100", "0110" }, { "0101", "0110" },
        { "0200", "0210" }, { "0220", "0230" }, { "0221", "0230" }, { "0401", "0410" },
        { "0421", "0430" }, { "0521", "0530" }, { "0800", "0810" }, { "0802", "0812" },
        { "0803", "0812" }, { "1804", "1814" }, { "1421", "1430" }, { "0405", "0414" },
        { "0110", "0110" } };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char answer[5];
        iso_answer_mti(pairs[i][0], answer);
        assert_string_equal(answer, pairs[i][1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(short_values_of_fixed_elements_are_filled),
        cmocka_unit_test(packed_digits_have_their_pad_where_the_rule_says),
        cmocka_unit_test(a_pad_nibble_is_dropped_by_count_and_a_digit_above_nine_refused),
        cmocka_unit_test(values_of_a_wrong_length_are_refused),
        cmocka_unit_test(characters_outside_the_class_are_refused),
        cmocka_unit_test(every_byte_is_taken_only_where_its_class_allows),
        cmocka_unit_test(a_signed_amount_begins_with_its_side),
        cmocka_unit_test(a_message_of_every_element_fits_scratch),
        cmocka_unit_test(elements_without_a_row_are_refused_both_ways),
        cmocka_unit_test(the_version_digit_chooses_the_table),
        cmocka_unit_test(an_all_zero_second_bitmap_is_accepted_and_not_sent),
        cmocka_unit_test(an_empty_variable_element_is_read_and_never_written),
        cmocka_unit_test(lower_case_hexadecimal_is_refused),
        cmocka_unit_test(a_refused_message_shows_only_what_was_checked),
        cmocka_unit_test(packing_never_writes_past_the_room),
        cmocka_unit_test(numbers_and_texts_are_kept_in_the_message),
        cmocka_unit_test(what_scratch_cannot_hold_is_refused_when_packed),
        cmocka_unit_test(wiping_leaves_nothing_in_scratch),
        cmocka_unit_test(elements_can_be_set_and_unset),
        cmocka_unit_test(answers_have_the_mti_of_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
