/*
 * What the tests of this room share: hexadecimal, values written as text, comparing messages.
 */
#ifndef TURNPIKE_TEST_ISO8583_HELPER_H
#define TURNPIKE_TEST_ISO8583_HELPER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "iso8583/iso8583.h"

#include <string.h>

static const struct iso_mac_key golden_key __attribute__((unused)) = {
    .kind = ISO_MAC_RETAIL_PAD1,
    .key = { 0x01, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA, 0x98, 0x76, 0x54,
        0x32, 0x10 },
};

/* The bytes of hex in out[room]; their number. */
static inline size_t from_hex(const char *hex, uint8_t *out, size_t room)
{
    struct str text = str_of(hex);
    assert_true(text.n / 2 <= room);
    assert_true(hex_decode(text, out, text.n / 2));
    return text.n / 2;
}

static inline void assert_str(struct str got, const char *wanted)
{
    assert_int_equal(got.n, strlen(wanted));
    if (got.n > 0)
        assert_memory_equal(got.p, wanted, got.n);
}

/* Both messages hold the same elements with the same values. */
static inline void assert_same_message(const struct iso_message *a, const struct iso_message *b)
{
    assert_string_equal(a->mti, b->mti);
    assert_true(a->present[0] == b->present[0] && a->present[1] == b->present[1]);
    for (int de = 2; de <= ISO_MAX_DE; de++)
        assert_true(str_eq(iso_get(a, de), iso_get(b, de)));
}

/* Takes "de=value" off the front of *values. */
static inline bool next_value(struct str *values, int *de, struct str *value)
{
    struct str pair;
    if (!str_split(values, '|', &pair))
        return false;
    size_t equals = str_find(pair, '=');
    uint64_t number = 0;
    assert_true(str_to_u64((struct str) { pair.p, equals }, ISO_MAX_DE, &number));
    *de = (int)number;
    *value = str_skip(pair, equals + 1);
    return true;
}

/* A message of "0=0800|7=1121215905|..."; a MAC in it is left out. */
static inline void message_of(struct iso_message *m, const char *values)
{
    struct str rest = str_of(values), value;
    int de;
    while (next_value(&rest, &de, &value)) {
        char mti[5];
        if (de != 0 && de != 64 && de != 128)
            iso_set(m, de, value);
        else if (de == 0 && str_copy(mti, sizeof mti, value))
            iso_init(m, mti);
    }
}

#endif
