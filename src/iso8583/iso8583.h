/*
 * ISO 8583: the codec (spec/iso8583.md §1-§6, §11, §12).
 *
 * A message is an MTI and data elements as text: digits for n, the text itself for an and ans,
 * sign letter and digits for x+n, raw bytes for b. How that text lies on the wire is the
 * profile's matter: A is ASCII with a binary bitmap, H all text with a hexadecimal bitmap, B BCD.
 * What each element may hold is one row of a table (class, length, kind); the 1987 and 1993
 * versions have a table each, chosen by the first digit of the MTI.
 *
 * No call here allocates, but for those that take a struct buf. A message holds slices;
 * iso_unpack points them into the frame where the bytes are the text, and into the message's own
 * scratch where they had to be decoded. So a frame must outlive the message unpacked from it, and
 * a message cannot be copied by assignment.
 *
 * Nothing is truncated or repaired: a value outside its class or length is refused on the way
 * out, and anything not exactly as the table says is refused on the way in, bytes left over after
 * the last element included.
 */
#ifndef TURNPIKE_ISO8583_H
#define TURNPIKE_ISO8583_H

#include "base/buf.h"
#include "base/str.h"

enum iso_profile { ISO_PROFILE_A, ISO_PROFILE_H, ISO_PROFILE_B };

enum { ISO_MAX_DE = 128, ISO_SCRATCH = 4096, ISO_MAX_FRAME = 4096 };

enum iso_result {
    ISO_OK,
    ISO_SHORT,       /* the bytes end before the message does */
    ISO_BAD_MTI,     /* not four digits, or a version without a table */
    ISO_BAD_BITMAP,  /* not hexadecimal (profile H), or bit 65 set */
    ISO_UNKNOWN_DE,  /* a bit is set that the table has no row for */
    ISO_BAD_LENGTH,  /* a length prefix that is no number or too large; a wrong length */
    ISO_BAD_CONTENT, /* a character outside the element's class */
    ISO_TRAILING,    /* bytes left over after the last element */
    ISO_EMPTY,       /* no data element at all */
    ISO_NO_ROOM,     /* the output buffer, or scratch, is too small */
    ISO_NO_MAC       /* the library refused to compute the MAC */
};

const char *iso_result_text(enum iso_result r);

struct iso_message {
    char mti[5];
    uint64_t present[2];              /* bit k-1 of the pair: DE k, most significant first */
    struct str field[ISO_MAX_DE + 1]; /* valid only where present */
    uint8_t bad_de;                   /* what the last pack or unpack refused, 0 if none */
    uint16_t scratch_used;
    char scratch[ISO_SCRATCH];
};

/* Empties m and sets its MTI (four digits). */
void iso_init(struct iso_message *m, const char *mti);

/*
 * Wipes scratch and empties m, which was initialised or unpacked. Its frame is the owner's to
 * wipe.
 */
void iso_wipe(struct iso_message *m);

/*
 * Sets DE de (2..128, not 65). The bytes of value are not copied and must live until the message is
 * packed. The empty value is never put on the wire: iso_pack refuses it, so leave the element out.
 */
void iso_set(struct iso_message *m, int de, struct str value);

/* Sets an n element to value, zero-filled on the left to `digits` (1..20); kept in scratch. */
void iso_set_number(struct iso_message *m, int de, uint64_t value, int digits);

/* A printf into scratch; when it does not fit the value is empty and iso_pack will refuse it. */
void iso_set_text(struct iso_message *m, int de, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void iso_unset(struct iso_message *m, int de);
bool iso_has(const struct iso_message *m, int de);

/* The value, or the empty slice when it is absent. */
struct str iso_get(const struct iso_message *m, int de);

/*
 * Packs m into out[room]; *n is the length. Fixed an/ans values shorter than the element are
 * space-filled, fixed n zero-filled.
 */
enum iso_result iso_pack(
    struct iso_message *m, enum iso_profile profile, void *out, size_t room, size_t *n);

/*
 * Unpacks exactly n bytes. m need not be initialised. A variable element may be empty. Of a refused
 * message the MTI can be read (empty when it was what was refused), and the elements before bad_de.
 */
enum iso_result iso_unpack(
    struct iso_message *m, enum iso_profile profile, const void *bytes, size_t n);

/*
 * The MTI of the answer to mti: function 0->1, 2->3, origin digit made even ("0401" -> "0410",
 * "0220" -> "0230").
 */
void iso_answer_mti(const char mti[5], char out[5]);

/*
 * One line for people: "0200 2=411111******1111 3=000000 4=..."; PAN masked (in text elements
 * too); the CVV (48.92), the authentication value (48.43) and elements without a row, such as
 * tracks and PIN, shown as "***"; binary in hexadecimal.
 */
void iso_print(const struct iso_message *m, struct buf *out);

/* ---- DE 48, tagged: 'T', then two-digit id, two-digit length, value (spec §5.4) ---- */

/* The sub-element, or the empty slice. */
struct str iso_de48_get(struct str de48, const char id[2]);
/*
 * Appends a sub-element (value at most 99 bytes) to text in buf; the caller writes the leading
 * 'T'.
 */
void iso_de48_add(struct buf *b, const char id[2], struct str value);

/* ---- MAC (§11) ---- */

enum iso_mac_kind { ISO_MAC_NONE, ISO_MAC_RETAIL_PAD1, ISO_MAC_RETAIL_PAD2, ISO_MAC_CMAC };

struct iso_mac_key {
    enum iso_mac_kind kind;
    uint8_t key[16];
};

/* The 8-byte MAC over n bytes. False when the library refuses. */
bool iso_mac(const struct iso_mac_key *key, const void *bytes, size_t n, uint8_t out[8]);

/*
 * As iso_pack, adding DE 64 or 128 with the MAC of what is packed (hex text in profile H), and
 * dropping the one that m may have. kind NONE is plain iso_pack.
 */
enum iso_result iso_pack_mac(struct iso_message *m, enum iso_profile profile,
    const struct iso_mac_key *key, void *out, size_t room, size_t *n);

/*
 * True when the message unpacked from these bytes carries the right MAC; constant time. Always true
 * for kind NONE.
 */
bool iso_mac_valid(const struct iso_message *m, enum iso_profile profile,
    const struct iso_mac_key *key, const void *bytes, size_t n);

/* ---- framing on a stream (§3) ---- */

enum iso_framing {
    ISO_FRAME_BIN2,
    ISO_FRAME_BCD2,
    ISO_FRAME_ASCII4,
    ISO_FRAME_BIN4,
    ISO_FRAME_BIN2_RESERVED2
};

struct iso_frame_rule {
    enum iso_framing mode;
    bool inclusive; /* the length counts the header */
    bool tpdu;      /* five bytes 60 dd dd ss ss before the MTI */
};

/* Appends header and message to out (sets out->full when it does not fit). */
void iso_frame_add(
    const struct iso_frame_rule *rule, struct buf *out, const void *message, size_t n);

enum iso_frame_result {
    ISO_FRAME_MESSAGE,
    ISO_FRAME_KEEPALIVE,
    ISO_FRAME_PARTIAL,
    ISO_FRAME_BROKEN
};

/*
 * Looks at the start of `in`. MESSAGE: *message is the slice inside `in`, without header and
 * TPDU, and *used the bytes to drop; KEEPALIVE: drop *used; PARTIAL: more bytes are needed;
 * BROKEN: the length of the message is above ISO_MAX_FRAME, below 12, or not a number, or the
 * TPDU is none: close the connection.
 */
enum iso_frame_result iso_frame_next(
    const struct iso_frame_rule *rule, struct str in, struct str *message, size_t *used);

/*
 * Names in the configuration: "a" "h" "b"; "bin2" "bcd2" "ascii4" "bin4" "bin2r2"; "none" "retail"
 * "retail2" "cmac". False when unknown.
 */
bool iso_profile_of(struct str name, enum iso_profile *out);
bool iso_framing_of(struct str name, enum iso_framing *out);
bool iso_mac_kind_of(struct str name, enum iso_mac_kind *out);

#endif
