/*
 * For the targets that speak ISO 8583 over a stream: messages made of the input, and their frames.
 */
#ifndef TURNPIKE_TEST_FUZZ_WIRE_H
#define TURNPIKE_TEST_FUZZ_WIRE_H

#include "fuzz.h"
#include "iso8583/iso8583.h"

/* How one end of a connection talks. */
struct wire_rules {
    enum iso_profile profile;
    struct iso_frame_rule framing;
    struct iso_mac_key mac;
};

/* Of two bytes, so that every profile, framing and MAC is met. */
static inline struct wire_rules wire_rules_of(struct input *in)
{
    uint8_t a = input_byte(in), b = input_byte(in);
    struct wire_rules r = { .profile = (enum iso_profile)(a % 3) };
    r.framing.mode = (enum iso_framing)(b % 5);
    r.framing.inclusive = (b & 0x20) != 0;
    r.framing.tpdu = (b & 0x40) != 0;
    r.mac.kind = (a & 0x80) != 0 ? ISO_MAC_RETAIL_PAD1 : ISO_MAC_NONE;
    memset(r.mac.key, 0x5A, sizeof r.mac.key);
    return r;
}

/*
 * Changes elements as the input says: number, length, bytes; up to a number that is none. A length
 * of 255 leaves the element out.
 */
static inline void wire_change(struct iso_message *m, struct input *in)
{
    for (uint8_t de = input_byte(in); de >= 2 && de <= ISO_MAX_DE && de != 65;
         de = input_byte(in)) {
        uint8_t n = input_byte(in);
        if (n == 255)
            iso_unset(m, de);
        else
            iso_set(m, de, input_take(in, n));
    }
}

/* The frame of m in out, which is emptied first; nothing when m cannot be packed. */
static inline struct str wire_frame(
    const struct wire_rules *r, struct iso_message *m, struct buf *out)
{
    uint8_t packed[ISO_MAX_FRAME];
    size_t n = 0;
    buf_reset(out);
    if (iso_pack_mac(m, r->profile, &r->mac, packed, sizeof packed, &n) == ISO_OK && n >= 12)
        iso_frame_add(&r->framing, out, packed, n);
    return buf_view(out);
}

/* The first message of a stream; false when there is none. *used bytes of it were looked at. */
static inline bool wire_next(
    const struct wire_rules *r, struct str stream, struct iso_message *m, size_t *used)
{
    struct str frame;
    if (iso_frame_next(&r->framing, stream, &frame, used) != ISO_FRAME_MESSAGE)
        return false;
    assert(iso_unpack(m, r->profile, frame.p, frame.n) == ISO_OK);
    assert(iso_mac_valid(m, r->profile, &r->mac, frame.p, frame.n));
    return true;
}

#endif
