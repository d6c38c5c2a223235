/*
 * The codec against messages whose bytes are known, and against broken copies of them.
 */
#include "golden.h"
#include "helper.h"

enum { PROFILES = 3 };

/* Whether the message carries a MAC, so that it is packed with the key. */
static const struct iso_mac_key *key_of(const struct golden *g)
{
    static const struct iso_mac_key none = { .kind = ISO_MAC_NONE };
    return g->name[0] == 'X' ? &golden_key : &none;
}

static void pack_golden(const struct golden *g, enum iso_profile profile, uint8_t *out, size_t *n)
{
    struct iso_message m;
    message_of(&m, g->values);
    assert_int_equal(iso_pack_mac(&m, profile, key_of(g), out, GOLDEN_MAX, n), ISO_OK);
}

static void known_messages_pack_to_their_bytes(void **state)
{
    (void)state;
    int lines = 0;
    for (size_t i = 0; i < COUNT(golden); i++) {
        for (int p = 0; p < PROFILES; p++) {
            if (golden[i].hex[p] == NULL)
                continue;
            uint8_t wanted[GOLDEN_MAX], got[GOLDEN_MAX];
            size_t wanted_n = from_hex(golden[i].hex[p], wanted, sizeof wanted), n = 0;
            pack_golden(&golden[i], (enum iso_profile)p, got, &n);
            assert_int_equal(n, wanted_n);
            assert_memory_equal(got, wanted, n);
            lines++;
        }
    }
    assert_int_equal(lines, GOLDEN_LINES);
}

/* Element by element, and no element more. */
static void assert_values(
    const struct iso_message *m, const struct golden *g, enum iso_profile profile)
{
    struct str rest = str_of(g->values), value;
    int de, count = 0;
    while (next_value(&rest, &de, &value)) {
        if (de == 0) {
            assert_true(str_eq(str_of(m->mti), value));
            continue;
        }
        count++;
        assert_true(iso_has(m, de));
        if (de != 64 && de != 128) {
            assert_true(str_eq(iso_get(m, de), value));
            continue;
        }
        uint8_t mac[8];
        assert_int_equal(iso_get(m, de).n, sizeof mac);
        assert_true(hex_decode(value, mac, sizeof mac));
        bool same = memcmp(iso_get(m, de).p, mac, sizeof mac) == 0;
        assert_true(same == (profile == ISO_PROFILE_A)); /* the wire form is under the MAC */
    }
    assert_int_equal(
        __builtin_popcountll(m->present[0]) + __builtin_popcountll(m->present[1]), count);
}

static void known_bytes_unpack_to_their_values(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        for (int p = 0; p < PROFILES; p++) {
            if (golden[i].hex[p] == NULL)
                continue;
            uint8_t bytes[GOLDEN_MAX];
            size_t n = from_hex(golden[i].hex[p], bytes, sizeof bytes);
            struct iso_message m;
            memset(&m, 0xA5, sizeof m);
            assert_int_equal(iso_unpack(&m, (enum iso_profile)p, bytes, n), ISO_OK);
            assert_values(&m, &golden[i], (enum iso_profile)p);
            assert_true(iso_mac_valid(&m, (enum iso_profile)p, key_of(&golden[i]), bytes, n));
        }
    }
}

static void every_known_message_survives_every_profile(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        for (int p = 0; p < PROFILES; p++) {
            uint8_t bytes[GOLDEN_MAX];
            size_t n = 0;
            struct iso_message m;
            pack_golden(&golden[i], (enum iso_profile)p, bytes, &n);
            assert_int_equal(iso_unpack(&m, (enum iso_profile)p, bytes, n), ISO_OK);
            if (key_of(&golden[i])->kind == ISO_MAC_NONE)
                assert_values(&m, &golden[i], (enum iso_profile)p);
        }
    }
}

static void malformed_messages_are_refused_for_the_right_reason(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(refusals); i++) {
        uint8_t bytes[GOLDEN_MAX];
        size_t n = from_hex(refusals[i].hex, bytes, sizeof bytes);
        struct iso_message m;
        assert_int_equal(iso_unpack(&m, ISO_PROFILE_A, bytes, n), refusals[i].result);
        assert_int_equal(m.bad_de, refusals[i].de);
    }
}

/*
 * The bytes lie in a block of exactly their size, so that the sanitizer sees a read past it. True
 * when they were accepted; again then holds what the message packs to.
 */
static bool unpack_and_repack(enum iso_profile profile, const uint8_t *bytes, size_t n,
    uint8_t again[GOLDEN_MAX], size_t *again_n)
{
    uint8_t *exact = test_malloc(n + 1);
    memcpy(exact + 1, bytes, n);
    struct iso_message m, second;
    bool accepted = iso_unpack(&m, profile, exact + 1, n) == ISO_OK;
    if (accepted) {
        assert_int_equal(iso_pack(&m, profile, again, GOLDEN_MAX, again_n), ISO_OK);
        assert_int_equal(iso_unpack(&second, profile, again, *again_n), ISO_OK);
        assert_same_message(&m, &second);
    }
    test_free(exact);
    return accepted;
}

static void every_prefix_of_a_known_message_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(golden); i++) {
        for (int p = 0; p < PROFILES; p++) {
            uint8_t bytes[GOLDEN_MAX], again[GOLDEN_MAX];
            size_t n = 0, again_n = 0;
            pack_golden(&golden[i], (enum iso_profile)p, bytes, &n);
            for (size_t cut = 0; cut < n; cut++)
                assert_false(unpack_and_repack((enum iso_profile)p, bytes, cut, again, &again_n));
            assert_true(unpack_and_repack((enum iso_profile)p, bytes, n, again, &again_n));
            assert_int_equal(again_n, n);
        }
    }
}

/* Equal but for the pad nibbles of profile B, which are not looked at, and are packed as zero. */
static void assert_same_bytes_but_for_pads(
    enum iso_profile profile, const uint8_t *again, const uint8_t *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t high = (again[i] ^ bytes[i]) & 0xF0, low = (again[i] ^ bytes[i]) & 0x0F;
        assert_true(high == 0 || (profile == ISO_PROFILE_B && (again[i] & 0xF0) == 0));
        assert_true(low == 0 || (profile == ISO_PROFILE_B && (again[i] & 0x0F) == 0));
    }
}

static void every_flipped_bit_is_refused_or_packs_to_the_same_bytes(void **state)
{
    (void)state;
    size_t accepted = 0, refused = 0;
    for (size_t i = 0; i < COUNT(golden); i++) {
        for (int p = 0; p < PROFILES; p++) {
            uint8_t bytes[GOLDEN_MAX], flipped[GOLDEN_MAX], again[GOLDEN_MAX];
            size_t n = 0, again_n = 0;
            pack_golden(&golden[i], (enum iso_profile)p, bytes, &n);
            for (size_t bit = 0; bit < 8 * n; bit++) {
                memcpy(flipped, bytes, n);
                flipped[bit / 8] ^= (uint8_t)(1u << bit % 8);
                if (!unpack_and_repack((enum iso_profile)p, flipped, n, again, &again_n)) {
                    refused++;
                    continue;
                }
                accepted++;
                assert_int_equal(again_n, n);
                assert_same_bytes_but_for_pads((enum iso_profile)p, again, flipped, n);
            }
        }
    }
    assert_true(accepted > 1000 && refused > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_messages_pack_to_their_bytes),
        cmocka_unit_test(known_bytes_unpack_to_their_values),
        cmocka_unit_test(every_known_message_survives_every_profile),
        cmocka_unit_test(malformed_messages_are_refused_for_the_right_reason),
        cmocka_unit_test(every_prefix_of_a_known_message_is_refused),
        cmocka_unit_test(every_flipped_bit_is_refused_or_packs_to_the_same_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
