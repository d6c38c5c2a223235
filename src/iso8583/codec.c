/*
 * Between a message and its bytes.
 *
 * Both directions walk the bitmap with a count of leading zeros and look each element up in the
 * table of the version. A profile is two facts, so there is one packer and one unpacker for all
 * of them. Every byte read is behind take(), every byte written behind room_for(): there is no
 * other arithmetic on the ends.
 *
 * An unpacked message never shows an element that was not checked: `present` grows as elements
 * are accepted, and of a refused message it names those before bad_de.
 */
#include "iso8583/table.h"

#include <assert.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct wire {
    bool bcd; /* n as packed digits, lengths and MTI too */
    bool hex; /* bitmap and b as upper-case hexadecimal */
};

static const struct wire wires[] = {
    [ISO_PROFILE_A] = { .bcd = false, .hex = false },
    [ISO_PROFILE_H] = { .bcd = false, .hex = true },
    [ISO_PROFILE_B] = { .bcd = true, .hex = false },
};

struct writer {
    uint8_t *at, *end;
};

struct reader {
    const uint8_t *at, *end;
};

static const uint64_t first_bit = UINT64_C(1) << 63;

/* ---- building a message ---- */

void iso_init(struct iso_message *m, const char *mti)
{
    assert(strnlen(mti, 5) == 4 && iso_content_valid(ISO_KIND_N, mti, 4));
    memcpy(m->mti, mti, 4);
    m->mti[4] = '\0';
    m->present[0] = m->present[1] = 0;
    m->bad_de = 0;
    m->scratch_used = 0;
}

void iso_wipe(struct iso_message *m)
{
    assert(m->scratch_used <= ISO_SCRATCH);
    sodium_memzero(m->scratch, m->scratch_used);
    m->present[0] = m->present[1] = 0;
    m->scratch_used = 0;
}

static void mark(struct iso_message *m, int de)
{
    m->present[(de - 1) / 64] |= first_bit >> ((de - 1) % 64);
}

static void assert_number_of_element(int de)
{
    assert(de >= 2 && de <= ISO_MAX_DE && de != 65);
}

void iso_set(struct iso_message *m, int de, struct str value)
{
    assert_number_of_element(de);
    m->field[de] = value;
    mark(m, de);
}

/* A number of more digits than asked keeps them all, so that packing refuses it. */
void iso_set_number(struct iso_message *m, int de, uint64_t value, int digits)
{
    assert(digits >= 1 && digits <= 20);
    char text[20];
    int at = (int)sizeof text, stop = at - digits;
    do {
        text[--at] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    while (at > stop)
        text[--at] = '0';

    size_t n = sizeof text - (size_t)at;
    if (n > ISO_SCRATCH - (size_t)m->scratch_used) {
        iso_set(m, de, STR_EMPTY);
        return;
    }
    char *kept = m->scratch + m->scratch_used;
    memcpy(kept, text + at, n);
    m->scratch_used = (uint16_t)(m->scratch_used + n);
    iso_set(m, de, (struct str) { kept, n });
}

/* What scratch cannot hold becomes the empty value, which packing refuses. */
void iso_set_text(struct iso_message *m, int de, const char *format, ...)
{
    char *at = m->scratch + m->scratch_used;
    size_t room = ISO_SCRATCH - (size_t)m->scratch_used;
    va_list args;
    va_start(args, format);
    int n = vsnprintf(at, room, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= room) {
        sodium_memzero(at, room);
        iso_set(m, de, STR_EMPTY);
        return;
    }
    m->scratch_used = (uint16_t)(m->scratch_used + n);
    iso_set(m, de, (struct str) { at, (size_t)n });
}

void iso_unset(struct iso_message *m, int de)
{
    assert_number_of_element(de);
    m->present[(de - 1) / 64] &= ~(first_bit >> ((de - 1) % 64));
}

bool iso_has(const struct iso_message *m, int de)
{
    assert(de >= 1 && de <= ISO_MAX_DE);
    return (m->present[(de - 1) / 64] & first_bit >> ((de - 1) % 64)) != 0;
}

struct str iso_get(const struct iso_message *m, int de)
{
    return iso_has(m, de) ? m->field[de] : STR_EMPTY;
}

void iso_answer_mti(const char mti[5], char out[5])
{
    memcpy(out, mti, 4);
    out[4] = '\0';
    if (out[2] == '0' || out[2] == '2')
        out[2]++;
    if (out[3] == '1' || out[3] == '3' || out[3] == '5')
        out[3]--;
}

/* ---- packing ---- */

static enum iso_result put_element(
    struct writer *w, const struct wire *wire, const struct iso_element *e, struct str value);
static bool put_prefix(
    struct writer *w, const struct wire *wire, const struct iso_element *e, size_t n);
static bool put_value(
    struct writer *w, const struct wire *wire, const struct iso_element *e, struct str value);
static bool put_bitmap(struct writer *w, const struct wire *wire, uint64_t bits);
static bool put_digits(struct writer *w, struct str digits, size_t zeros, bool pad_after);
static uint8_t *room_for(struct writer *w, size_t n);

enum iso_result iso_pack(
    struct iso_message *m, enum iso_profile profile, void *out, size_t room, size_t *n)
{
    const struct wire *wire = &wires[profile];
    struct writer w = { out, (uint8_t *)out + room };
    *n = 0;
    m->bad_de = 0;

    const struct iso_element *table = iso_table(m->mti);
    if (table == NULL)
        return ISO_BAD_MTI;
    if ((m->present[0] | m->present[1]) == 0)
        return ISO_EMPTY;

    static const struct iso_element as_mti = { ISO_KIND_N, 0, 4 };
    bool second = m->present[1] != 0;
    if (!put_value(&w, wire, &as_mti, (struct str) { m->mti, 4 }) ||
        !put_bitmap(&w, wire, m->present[0] | (second ? first_bit : 0)) ||
        (second && !put_bitmap(&w, wire, m->present[1])))
        return ISO_NO_ROOM;

    for (int half = 0; half < 2; half++) {
        uint64_t left = m->present[half];
        while (left != 0) {
            int zeros = __builtin_clzll(left), de = half * 64 + zeros + 1;
            left &= ~(first_bit >> zeros);
            enum iso_result r = put_element(&w, wire, &table[de], m->field[de]);
            if (r != ISO_OK) {
                m->bad_de = (uint8_t)de;
                return r;
            }
        }
    }
    *n = (size_t)(w.at - (uint8_t *)out);
    assert(*n <= room);
    return ISO_OK;
}

static enum iso_result put_element(
    struct writer *w, const struct wire *wire, const struct iso_element *e, struct str value)
{
    if (e->kind == ISO_KIND_NONE)
        return ISO_UNKNOWN_DE;
    bool whole = e->kind == ISO_KIND_B || e->kind == ISO_KIND_XN;
    if (value.n == 0 || value.n > e->size || (whole && value.n != e->size))
        return ISO_BAD_LENGTH;
    if (!iso_content_valid(e->kind, value.p, value.n))
        return ISO_BAD_CONTENT;
    if (!put_prefix(w, wire, e, value.n) || !put_value(w, wire, e, value))
        return ISO_NO_ROOM;
    return ISO_OK;
}

/* The length: so many characters, or of packed digits so many digits. */
static bool put_prefix(
    struct writer *w, const struct wire *wire, const struct iso_element *e, size_t n)
{
    assert(n <= e->size && e->size <= 999);
    if (e->prefix == 0)
        return true;
    char text[3] = { (char)('0' + n / 100), (char)('0' + n / 10 % 10), (char)('0' + n % 10) };
    struct str digits = { text + 3 - e->prefix, e->prefix };
    if (wire->bcd)
        return put_digits(w, digits, 0, false);
    uint8_t *at = room_for(w, digits.n);
    if (at == NULL)
        return false;
    memcpy(at, digits.p, digits.n);
    return true;
}

static bool put_value(
    struct writer *w, const struct wire *wire, const struct iso_element *e, struct str value)
{
    size_t fill = e->prefix == 0 ? e->size - value.n : 0;
    if (wire->bcd && e->kind == ISO_KIND_N)
        return put_digits(w, value, fill, e->prefix != 0);
    if (wire->bcd && e->kind == ISO_KIND_XN) {
        uint8_t *sign = room_for(w, 1);
        if (sign == NULL)
            return false;
        *sign = (uint8_t)value.p[0];
        return put_digits(w, str_skip(value, 1), 0, false);
    }
    bool hex = wire->hex && e->kind == ISO_KIND_B;
    uint8_t *at = room_for(w, hex ? 2 * value.n : value.n + fill);
    if (at == NULL)
        return false;
    if (hex) {
        hex_upper(value.p, value.n, (char *)at);
        return true;
    }
    if (fill != 0 && e->kind == ISO_KIND_N) {
        memset(at, '0', fill);
        at += fill;
    } else if (fill != 0) {
        memset(at + value.n, ' ', fill);
    }
    memcpy(at, value.p, value.n);
    return true;
}

static bool put_bitmap(struct writer *w, const struct wire *wire, uint64_t bits)
{
    uint8_t raw[8];
    for (int i = 0; i < 8; i++)
        raw[i] = (uint8_t)(bits >> (56 - 8 * i));
    uint8_t *at = room_for(w, wire->hex ? 16 : 8);
    if (at == NULL)
        return false;
    if (wire->hex)
        hex_upper(raw, 8, (char *)at);
    else
        memcpy(at, raw, 8);
    return true;
}

/* Packed digits after so many zeros; an odd count gets a zero nibble before them, or after. */
static bool put_digits(struct writer *w, struct str digits, size_t zeros, bool pad_after)
{
    size_t count = zeros + digits.n, odd = count & 1;
    uint8_t *at = room_for(w, (count + odd) / 2);
    if (at == NULL)
        return false;
    memset(at, 0, (count + odd) / 2);
    size_t nibble = zeros + (pad_after ? 0 : odd);
    for (size_t i = 0; i < digits.n; i++, nibble++)
        at[nibble / 2] |= (uint8_t)((digits.p[i] & 0x0F) << (nibble & 1 ? 0 : 4));
    return true;
}

/* The next n bytes of the output, or NULL when it has not so many left. */
static uint8_t *room_for(struct writer *w, size_t n)
{
    if (n > (size_t)(w->end - w->at))
        return NULL;
    uint8_t *at = w->at;
    w->at += n;
    return at;
}

/* ---- unpacking ---- */

static enum iso_result get_mti(struct reader *r, const struct wire *wire, char mti[5]);
static enum iso_result get_bitmap(struct reader *r, const struct wire *wire, uint64_t *bits);
static enum iso_result get_element(struct iso_message *m, struct reader *r, const struct wire *wire,
    const struct iso_element *e, struct str *value);
static enum iso_result get_prefix(
    struct reader *r, const struct wire *wire, const struct iso_element *e, size_t *n);
static enum iso_result get_packed(struct iso_message *m, struct reader *r,
    const struct iso_element *e, size_t n, struct str *value);
static enum iso_result get_hex(
    struct iso_message *m, struct reader *r, const struct iso_element *e, struct str *value);
static bool unpack_digits(const uint8_t *packed, size_t skip, size_t n, char *digits);
static bool upper_hex(const uint8_t *text, size_t n, void *bytes);
static const uint8_t *take(struct reader *r, size_t n);

enum iso_result iso_unpack(
    struct iso_message *m, enum iso_profile profile, const void *bytes, size_t n)
{
    const struct wire *wire = &wires[profile];
    struct reader r = { bytes, (const uint8_t *)bytes + n };
    uint64_t bits[2] = { 0, 0 };
    m->mti[0] = '\0';
    m->present[0] = m->present[1] = 0;
    m->bad_de = 0;
    m->scratch_used = 0;

    enum iso_result result = get_mti(&r, wire, m->mti);
    if (result == ISO_OK)
        result = get_bitmap(&r, wire, &bits[0]);
    if (result == ISO_OK && (bits[0] & first_bit) != 0)
        result = get_bitmap(&r, wire, &bits[1]);
    if (result != ISO_OK)
        return result;
    bits[0] &= ~first_bit;
    if ((bits[1] & first_bit) != 0)
        return ISO_BAD_BITMAP;
    if ((bits[0] | bits[1]) == 0)
        return ISO_EMPTY;

    const struct iso_element *table = iso_table(m->mti);
    assert(table != NULL);
    for (int half = 0; half < 2; half++) {
        while (bits[half] != 0) {
            int zeros = __builtin_clzll(bits[half]), de = half * 64 + zeros + 1;
            bits[half] &= ~(first_bit >> zeros);
            result = get_element(m, &r, wire, &table[de], &m->field[de]);
            if (result != ISO_OK) {
                m->bad_de = (uint8_t)de;
                return result;
            }
            mark(m, de);
        }
    }
    return r.at == r.end ? ISO_OK : ISO_TRAILING;
}

/* mti stays empty unless it is four digits of a version with a table. */
static enum iso_result get_mti(struct reader *r, const struct wire *wire, char mti[5])
{
    char text[5] = "";
    const uint8_t *at = take(r, wire->bcd ? 2 : 4);
    if (at == NULL)
        return ISO_SHORT;
    if (!wire->bcd)
        memcpy(text, at, 4);
    else if (!unpack_digits(at, 0, 4, text))
        return ISO_BAD_MTI;
    if (iso_table(text) == NULL)
        return ISO_BAD_MTI;
    memcpy(mti, text, sizeof text);
    return ISO_OK;
}

static enum iso_result get_bitmap(struct reader *r, const struct wire *wire, uint64_t *bits)
{
    uint8_t raw[8];
    const uint8_t *at = take(r, wire->hex ? 16 : 8);
    if (at == NULL)
        return ISO_SHORT;
    if (!wire->hex)
        memcpy(raw, at, 8);
    else if (!upper_hex(at, 8, raw))
        return ISO_BAD_BITMAP;
    *bits = 0;
    for (int i = 0; i < 8; i++)
        *bits = *bits << 8 | raw[i];
    return ISO_OK;
}

static enum iso_result get_element(struct iso_message *m, struct reader *r, const struct wire *wire,
    const struct iso_element *e, struct str *value)
{
    if (e->kind == ISO_KIND_NONE)
        return ISO_UNKNOWN_DE;
    size_t n = e->size;
    if (e->prefix != 0) {
        enum iso_result result = get_prefix(r, wire, e, &n);
        if (result != ISO_OK)
            return result;
    }
    if (wire->bcd && (e->kind == ISO_KIND_N || e->kind == ISO_KIND_XN))
        return get_packed(m, r, e, n, value);
    if (wire->hex && e->kind == ISO_KIND_B)
        return get_hex(m, r, e, value);

    const char *at = (const char *)take(r, n);
    if (at == NULL)
        return ISO_SHORT;
    if (!iso_content_valid(e->kind, at, n))
        return ISO_BAD_CONTENT;
    *value = (struct str) { at, n };
    return ISO_OK;
}

static enum iso_result get_prefix(
    struct reader *r, const struct wire *wire, const struct iso_element *e, size_t *n)
{
    char text[4];
    size_t digits = wire->bcd ? (e->prefix + 1u) / 2 * 2 : e->prefix;
    const uint8_t *at = take(r, wire->bcd ? digits / 2 : digits);
    if (at == NULL)
        return ISO_SHORT;
    if (!wire->bcd)
        memcpy(text, at, digits);
    else if (!unpack_digits(at, 0, digits, text))
        return ISO_BAD_LENGTH;
    size_t number = 0;
    for (size_t i = 0; i < digits; i++) {
        if (text[i] < '0' || text[i] > '9')
            return ISO_BAD_LENGTH;
        number = number * 10 + (size_t)(text[i] - '0');
    }
    if (number > e->size)
        return ISO_BAD_LENGTH;
    *n = number;
    return ISO_OK;
}

/*
 * n digits, or a sign letter and digits, from BCD into scratch. A pad nibble is dropped by count,
 * whatever it holds: hosts differ in what they put there (spec/iso8583.md §1.1).
 */
static enum iso_result get_packed(struct iso_message *m, struct reader *r,
    const struct iso_element *e, size_t n, struct str *value)
{
    size_t sign = e->kind == ISO_KIND_XN ? 1 : 0, digits = n - sign;
    const uint8_t *at = take(r, sign + (digits + 1) / 2);
    if (at == NULL)
        return ISO_SHORT;
    if (n > ISO_SCRATCH - (size_t)m->scratch_used)
        return ISO_NO_ROOM; /* GCOV_EXCL_LINE: all elements of a table have room */
    char *text = m->scratch + m->scratch_used;
    if (sign != 0)
        text[0] = (char)at[0];
    size_t skip = e->prefix == 0 ? digits & 1 : 0;
    if (!unpack_digits(at + sign, skip, digits, text + sign) ||
        !iso_content_valid(e->kind, text, n))
        return ISO_BAD_CONTENT;
    m->scratch_used = (uint16_t)(m->scratch_used + n);
    *value = (struct str) { text, n };
    return ISO_OK;
}

/* A b element from its hexadecimal text into scratch. */
static enum iso_result get_hex(
    struct iso_message *m, struct reader *r, const struct iso_element *e, struct str *value)
{
    const uint8_t *at = take(r, 2u * e->size);
    if (at == NULL)
        return ISO_SHORT;
    if (e->size > ISO_SCRATCH - (size_t)m->scratch_used)
        return ISO_NO_ROOM; /* GCOV_EXCL_LINE: as above */
    char *bytes = m->scratch + m->scratch_used;
    if (!upper_hex(at, e->size, bytes))
        return ISO_BAD_CONTENT;
    m->scratch_used = (uint16_t)(m->scratch_used + e->size);
    *value = (struct str) { bytes, e->size };
    return ISO_OK;
}

/* n digits after `skip` nibbles; false when one of them is above 9. */
static bool unpack_digits(const uint8_t *packed, size_t skip, size_t n, char *digits)
{
    unsigned worst = 0;
    for (size_t i = 0; i < n; i++) {
        size_t nibble = skip + i;
        unsigned digit = packed[nibble / 2] >> (nibble & 1 ? 0 : 4) & 0x0F;
        worst |= digit + 6; /* carries into 0x10 above 9 */
        digits[i] = (char)('0' + digit);
    }
    return (worst & 0x10) == 0;
}

/* n bytes from upper-case hexadecimal; lower case would be a second spelling and is refused. */
static bool upper_hex(const uint8_t *text, size_t n, void *bytes)
{
    for (size_t i = 0; i < 2 * n; i++) {
        if (text[i] >= 'a')
            return false;
    }
    return hex_decode((struct str) { (const char *)text, 2 * n }, bytes, n);
}

/* The next n bytes of the input, or NULL when it has not so many left. */
static const uint8_t *take(struct reader *r, size_t n)
{
    if (n > (size_t)(r->end - r->at))
        return NULL;
    const uint8_t *at = r->at;
    r->at += n;
    return at;
}
