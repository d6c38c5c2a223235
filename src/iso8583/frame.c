/*
 * Messages on a stream of bytes (spec/iso8583.md §3).
 *
 * A header says how many bytes follow. Reads may end anywhere, so iso_frame_next looks at what
 * has come so far and says whether it is a message yet. A length that cannot be right means that
 * the two sides have lost step: nothing after it can be trusted, and the only cure is a new
 * connection.
 *
 * The five bytes of a TPDU, where a link has them, are written with both addresses zero and read
 * past.
 */
#include "iso8583/iso8583.h"

#include <assert.h>
#include <string.h>

enum { HEADER_MAX = 4, TPDU_SIZE = 5, SHORTEST = 12 };

enum number { BIG_ENDIAN_BYTES, BCD_DIGITS, ASCII_DIGITS };

struct header {
    enum number number;
    uint8_t digits;   /* bytes of the length itself */
    uint8_t size;     /* bytes of the header: the length, then zeros */
    uint32_t at_most; /* what the length can say */
};

static const struct header headers[] = {
    [ISO_FRAME_BIN2] = { BIG_ENDIAN_BYTES, 2, 2, 0xFFFF },
    [ISO_FRAME_BCD2] = { BCD_DIGITS, 2, 2, 9999 },
    [ISO_FRAME_ASCII4] = { ASCII_DIGITS, 4, 4, 9999 },
    [ISO_FRAME_BIN4] = { BIG_ENDIAN_BYTES, 4, 4, UINT32_MAX },
    [ISO_FRAME_BIN2_RESERVED2] = { BIG_ENDIAN_BYTES, 2, 4, 0xFFFF },
};

static const uint8_t tpdu_first = 0x60;

static void write_length(const struct header *h, size_t length, uint8_t out[HEADER_MAX]);
static bool read_length(const struct header *h, const uint8_t *in, size_t *length);

void iso_frame_add(
    const struct iso_frame_rule *rule, struct buf *out, const void *message, size_t n)
{
    const struct header *h = &headers[rule->mode];
    size_t tpdu = rule->tpdu ? TPDU_SIZE : 0;
    size_t length = tpdu + n + (rule->inclusive ? h->size : 0);
    assert(n <= ISO_MAX_FRAME && length <= h->at_most);

    char *at = buf_reserve(out, h->size + tpdu + n);
    if (at == NULL)
        return;
    uint8_t header[HEADER_MAX] = { 0 };
    write_length(h, length, header);
    memcpy(at, header, h->size);
    memset(at + h->size, 0, tpdu);
    if (tpdu != 0)
        at[h->size] = (char)tpdu_first;
    memcpy(at + h->size + tpdu, message, n);
    out->n += h->size + tpdu + n;
}

enum iso_frame_result iso_frame_next(
    const struct iso_frame_rule *rule, struct str in, struct str *message, size_t *used)
{
    const struct header *h = &headers[rule->mode];
    size_t length = 0, own = rule->inclusive ? h->size : 0, tpdu = rule->tpdu ? TPDU_SIZE : 0;
    if (in.n < h->size)
        return ISO_FRAME_PARTIAL;
    if (!read_length(h, (const uint8_t *)in.p, &length))
        return ISO_FRAME_BROKEN;
    if (length == 0 || length == own) {
        *used = h->size;
        return ISO_FRAME_KEEPALIVE;
    }
    if (length < own + tpdu + SHORTEST || length > own + tpdu + ISO_MAX_FRAME)
        return ISO_FRAME_BROKEN;

    size_t whole = h->size + length - own;
    if (tpdu != 0 && in.n > h->size && (uint8_t)in.p[h->size] != tpdu_first)
        return ISO_FRAME_BROKEN;
    if (in.n < whole)
        return ISO_FRAME_PARTIAL;
    *message = (struct str) { in.p + h->size + tpdu, length - own - tpdu };
    *used = whole;
    return ISO_FRAME_MESSAGE;
}

static void write_length(const struct header *h, size_t length, uint8_t out[HEADER_MAX])
{
    for (size_t i = h->digits; i-- > 0;) {
        switch (h->number) {
        case BIG_ENDIAN_BYTES:
            out[i] = (uint8_t)length;
            length >>= 8;
            break;
        case BCD_DIGITS:
            out[i] = (uint8_t)(length / 10 % 10 << 4 | length % 10);
            length /= 100;
            break;
        case ASCII_DIGITS:
            out[i] = (uint8_t)('0' + length % 10);
            length /= 10;
            break;
        }
    }
}

/* False when it is no number. */
static bool read_length(const struct header *h, const uint8_t *in, size_t *length)
{
    size_t number = 0;
    for (size_t i = 0; i < h->digits; i++) {
        switch (h->number) {
        case BIG_ENDIAN_BYTES:
            number = number << 8 | in[i];
            break;
        case BCD_DIGITS:
            if (in[i] >> 4 > 9 || (in[i] & 0x0F) > 9)
                return false;
            number = number * 100 + (size_t)(in[i] >> 4) * 10 + (in[i] & 0x0F);
            break;
        case ASCII_DIGITS:
            if (in[i] < '0' || in[i] > '9')
                return false;
            number = number * 10 + (size_t)(in[i] - '0');
            break;
        }
    }
    *length = number;
    return true;
}
