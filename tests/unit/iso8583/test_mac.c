/*
 * The MAC: known answers, and what changes it.
 */
#include "golden.h"
#include "helper.h"

static const struct iso_mac_key pad2 = {
    .kind = ISO_MAC_RETAIL_PAD2,
    .key = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54,
        0x32, 0x10 },
};

static const struct iso_mac_key cmac = {
    .kind = ISO_MAC_CMAC,
    .key = { 0x2B, 0x7E, 0x15, 0x16, 0x28, 0xAE, 0xD2, 0xA6, 0xAB, 0xF7, 0x15, 0x88, 0x09, 0xCF,
        0x4F, 0x3C },
};

static void assert_hex(const uint8_t *bytes, const char *wanted)
{
    char text[17] = "";
    hex_upper(bytes, 8, text);
    assert_string_equal(text, wanted);
}

static void assert_mac(const struct iso_mac_key *key, struct str text, const char *wanted)
{
    uint8_t mac[8];
    assert_true(iso_mac(key, text.p, text.n, mac));
    assert_hex(mac, wanted);
}

static void retail_macs_have_the_values_of_the_standard(void **state)
{
    (void)state;
    assert_mac(&golden_key, STR("Now is the time for all "), "A1C72E74EA3FA9B6");
    assert_mac(&pad2, STR("Now is the time for all "), "E9086230CA3BE796");
    assert_mac(&golden_key, STR("Now is the time for it"), "2E2B1428CC78254F");
    assert_mac(&pad2, STR("Now is the time for it"), "5A692CE64F404145");
}

/* A long text goes through the cipher in several steps: each byte of it must still count. */
static void a_long_text_is_chained_without_a_seam(void **state)
{
    (void)state;
    char text[2000];
    uint8_t whole[8], changed[8];
    memset(text, 'a', sizeof text);
    assert_true(iso_mac(&golden_key, text, sizeof text, whole));
    for (size_t at = 0; at < sizeof text; at += 191) {
        text[at] = 'b';
        assert_true(iso_mac(&golden_key, text, sizeof text, changed));
        assert_memory_not_equal(changed, whole, 8);
        text[at] = 'a';
    }
    assert_true(iso_mac(&golden_key, text, sizeof text, changed));
    assert_memory_equal(changed, whole, 8);
}

static void macs_of_known_messages_are_right_under_every_algorithm(void **state)
{
    (void)state;
    static const struct {
        const char *name, *pad2, *cmac;
    } known[] = {
        { "X1_0800_echo_mac128", "DE7D75B7ECB0913D", "D643A36AB62C684C" },
        { "X2_0100_mac64", "FB67DFFC0270C3CC", "9F3B2E36FBEE7259" },
        { "X3_0420_mac128", "725A0E32C880DCB7", "CF09BD60542B7434" },
    };
    size_t found = 0;
    for (size_t i = 0; i < COUNT(golden); i++) {
        for (size_t k = 0; k < COUNT(known); k++) {
            if (!str_eq(str_of(golden[i].name), str_of(known[k].name)))
                continue;
            found++;
            struct iso_message m;
            uint8_t bytes[GOLDEN_MAX];
            size_t n = 0;
            message_of(&m, golden[i].values);
            assert_int_equal(
                iso_pack_mac(&m, ISO_PROFILE_A, &pad2, bytes, sizeof bytes, &n), ISO_OK);
            assert_hex(bytes + n - 8, known[k].pad2);
            assert_int_equal(
                iso_pack_mac(&m, ISO_PROFILE_A, &cmac, bytes, sizeof bytes, &n), ISO_OK);
            assert_hex(bytes + n - 8, known[k].cmac);
        }
    }
    assert_int_equal(found, COUNT(known));
}

static void a_mac_is_valid_only_for_its_bytes_and_key(void **state)
{
    (void)state;
    static const struct iso_mac_key *const keys[] = { &golden_key, &pad2, &cmac };
    for (int p = ISO_PROFILE_A; p <= ISO_PROFILE_B; p++) {
        for (size_t k = 0; k < COUNT(keys); k++) {
            enum iso_profile profile = (enum iso_profile)p;
            struct iso_message m, got;
            uint8_t bytes[GOLDEN_MAX];
            size_t n = 0;
            message_of(&m, "0=0810|7=1121220005|11=000002|32=12345678901|39=00");
            assert_int_equal(iso_pack_mac(&m, profile, keys[k], bytes, sizeof bytes, &n), ISO_OK);
            assert_int_equal(iso_unpack(&got, profile, bytes, n), ISO_OK);
            assert_true(iso_has(&got, 64));
            assert_memory_equal(iso_get(&got, 64).p, iso_get(&m, 64).p, 8);
            assert_true(iso_mac_valid(&got, profile, keys[k], bytes, n));
            assert_false(iso_mac_valid(&got, profile, keys[(k + 1) % COUNT(keys)], bytes, n));
            for (size_t bit = 0; bit < 8 * n; bit++) {
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
                if (iso_unpack(&got, profile, bytes, n) == ISO_OK)
                    assert_false(iso_mac_valid(&got, profile, keys[k], bytes, n));
                bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            }
        }
    }
}

static void a_message_without_a_mac_is_not_valid(void **state)
{
    (void)state;
    static const struct iso_mac_key none = { .kind = ISO_MAC_NONE };
    struct iso_message m;
    uint8_t bytes[GOLDEN_MAX];
    size_t n = 0;
    message_of(&m, "0=0810|7=1121220005|11=000002|39=00|70=301");
    assert_int_equal(iso_pack_mac(&m, ISO_PROFILE_A, &none, bytes, sizeof bytes, &n), ISO_OK);
    assert_int_equal(iso_unpack(&m, ISO_PROFILE_A, bytes, n), ISO_OK);
    assert_false(iso_has(&m, 128));
    assert_false(iso_mac_valid(&m, ISO_PROFILE_A, &golden_key, bytes, n));
    assert_true(iso_mac_valid(&m, ISO_PROFILE_A, &none, bytes, n));
    uint8_t mac[8];
    assert_false(iso_mac(&none, bytes, n, mac));
}

/* DE 64 covers nothing after itself, so with an element above 64 it is no MAC. */
static void a_mac_in_the_wrong_element_is_not_valid(void **state)
{
    (void)state;
    struct iso_message m;
    uint8_t bytes[GOLDEN_MAX], mac[8];
    size_t n = 0;
    message_of(&m, "0=0810|11=000002|70=301");
    iso_set(&m, 64, STR("12345678"));
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, bytes, sizeof bytes, &n), ISO_OK);
    assert_true(iso_mac(&golden_key, bytes, n - 8, mac));
    iso_set(&m, 64, (struct str) { (const char *)mac, 8 });
    assert_false(iso_mac_valid(&m, ISO_PROFILE_A, &golden_key, bytes, n));
}

static void packing_again_replaces_the_mac_and_moves_it(void **state)
{
    (void)state;
    struct iso_message m, got;
    uint8_t bytes[GOLDEN_MAX];
    size_t n = 0;
    message_of(&m, "0=0800|11=000002");
    for (int i = 0; i < 3; i++) {
        assert_int_equal(
            iso_pack_mac(&m, ISO_PROFILE_H, &golden_key, bytes, sizeof bytes, &n), ISO_OK);
        assert_true(iso_has(&m, 64));
    }
    iso_set(&m, 70, STR("301"));
    assert_int_equal(iso_pack_mac(&m, ISO_PROFILE_H, &golden_key, bytes, sizeof bytes, &n), ISO_OK);
    assert_false(iso_has(&m, 64));
    assert_true(iso_has(&m, 128));
    assert_int_equal(iso_unpack(&got, ISO_PROFILE_H, bytes, n), ISO_OK);
    assert_true(iso_mac_valid(&got, ISO_PROFILE_H, &golden_key, bytes, n));
    iso_init(&m, "0800");
    assert_int_equal(
        iso_pack_mac(&m, ISO_PROFILE_H, &golden_key, bytes, sizeof bytes, &n), ISO_EMPTY);
}

/* Zeros fill the last block, so of nothing the MAC is that of a block of zeros. */
static void nothing_has_a_mac_too(void **state)
{
    (void)state;
    static const uint8_t zeros[8], marked[8] = { 0x80 };
    uint8_t of_nothing[8], of_block[8];
    assert_true(iso_mac(&golden_key, "", 0, of_nothing));
    assert_true(iso_mac(&golden_key, zeros, sizeof zeros, of_block));
    assert_memory_equal(of_nothing, of_block, 8);
    assert_true(iso_mac(&pad2, "", 0, of_nothing));
    assert_true(iso_mac(&golden_key, marked, sizeof marked, of_block));
    assert_memory_equal(of_nothing, of_block, 8);
}

static void a_message_that_cannot_be_packed_gets_no_mac(void **state)
{
    (void)state;
    struct iso_message m;
    uint8_t bytes[GOLDEN_MAX];
    size_t n = 77;
    message_of(&m, "0=0810|11=00000x");
    assert_int_equal(
        iso_pack_mac(&m, ISO_PROFILE_A, &golden_key, bytes, sizeof bytes, &n), ISO_BAD_CONTENT);
    assert_int_equal(m.bad_de, 11);
    assert_int_equal(n, 0);
    assert_false(iso_has(&m, 64));

    iso_init(&m, "0810");
    iso_set_text(&m, 63, "%0*d", ISO_SCRATCH - 8, 1);
    iso_set(&m, 63, STR("short"));
    assert_int_equal(iso_pack_mac(&m, ISO_PROFILE_A, &golden_key, bytes, sizeof bytes, &n), ISO_OK);
    assert_int_equal(/* scratch is full now */
        iso_pack_mac(&m, ISO_PROFILE_A, &golden_key, bytes, sizeof bytes, &n), ISO_NO_ROOM);
    assert_int_equal(n, 0);
}

/* Bytes shorter than a MAC cannot end in one, whatever the message says. */
static void a_mac_needs_bytes_that_hold_it(void **state)
{
    (void)state;
    struct iso_message m;
    iso_init(&m, "0810");
    iso_set(&m, 64, STR("12345678"));
    assert_false(iso_mac_valid(&m, ISO_PROFILE_A, &golden_key, "1234567", 7));
    assert_false(iso_mac_valid(&m, ISO_PROFILE_H, &golden_key, "123456789012345", 15));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retail_macs_have_the_values_of_the_standard),
        cmocka_unit_test(a_long_text_is_chained_without_a_seam),
        cmocka_unit_test(macs_of_known_messages_are_right_under_every_algorithm),
        cmocka_unit_test(a_mac_is_valid_only_for_its_bytes_and_key),
        cmocka_unit_test(a_message_without_a_mac_is_not_valid),
        cmocka_unit_test(a_mac_in_the_wrong_element_is_not_valid),
        cmocka_unit_test(packing_again_replaces_the_mac_and_moves_it),
        cmocka_unit_test(nothing_has_a_mac_too),
        cmocka_unit_test(a_message_that_cannot_be_packed_gets_no_mac),
        cmocka_unit_test(a_mac_needs_bytes_that_hold_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
