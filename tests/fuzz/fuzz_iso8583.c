/*
 * The ISO 8583 codec: bytes into a message and back, in every profile, the frames around it, its
 * line for people and its MAC.
 *
 * The first byte picks the profile (a, h, b) by its remainder of three, and what else is looked at;
 * the second the framing. The rest is one message, and the same bytes are a stream of frames.
 */
#include "fuzz.h"
#include "iso8583/table.h"

enum {
    ROOM = 32 * 1024,
    LOOK_FRAMES = 0x10,
    LOOK_PRINT = 0x08,
    LOOK_PROFILES = 0x20,
    LOOK_MAC = 0x80
};

static const uint8_t a_key[16] = { 1, 0x23, 0x45, 0x67, 0x89, 0xAB, 0xCD, 0xEF, 0xFE, 0xDC, 0xBA,
    0x98, 0x76, 0x54, 0x32, 0x10 };

static uint8_t packed[ROOM], packed_again[ROOM];
static struct iso_message message, again;
static struct buf line, frames;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    buf_init(&line, 256 * 1024);
    buf_init(&frames, ROOM);
    return 0;
}

/* The elements of m one after the other: from 0, until it is 0 again. */
static int next_element(const struct iso_message *m, int de)
{
    for (int half = de / 64; half < 2; half++, de = half * 64) {
        uint64_t left = m->present[half] << (de % 64);
        if (left != 0)
            return de + 1 + __builtin_clzll(left);
    }
    return 0;
}

/* Both hold the same elements with the same values. */
static void assert_same(const struct iso_message *a, const struct iso_message *b)
{
    assert(memcmp(a->mti, b->mti, sizeof a->mti) == 0);
    assert(a->present[0] == b->present[0] && a->present[1] == b->present[1]);
    for (int de = 0; de < ISO_MAX_DE && (de = next_element(a, de)) != 0;)
        assert(str_eq(a->field[de], b->field[de]));
}

/* Every element that is shown is one that the table has, of a right length and content. */
static void assert_sound(const struct iso_message *m, enum iso_result result, bool *has_empty)
{
    const struct iso_element *table = iso_table(m->mti);
    *has_empty = false;
    if (table == NULL) {
        assert(m->mti[0] == '\0' && (m->present[0] | m->present[1]) == 0);
        return;
    }
    assert(m->scratch_used <= ISO_SCRATCH && strnlen(m->mti, sizeof m->mti) == 4);
    assert(!iso_has(m, 1) && !iso_has(m, 65));
    for (int de = 0; de < ISO_MAX_DE && (de = next_element(m, de)) != 0;) {
        struct str value = m->field[de];
        assert(result == ISO_OK || m->bad_de == 0 || de < m->bad_de);
        assert(table[de].kind != ISO_KIND_NONE && value.n <= table[de].size);
        assert(table[de].prefix != 0 || value.n == table[de].size);
        assert(iso_content_valid((enum iso_kind)table[de].kind, value.p, value.n));
        *has_empty = *has_empty || value.n == 0;
    }
}

/*
 * The bytes a message had are the bytes it gets. Two things have more than one spelling on the way
 * in and one on the way out: a pad nibble (profile B), and a second bitmap without a bit in it.
 */
static void check_round_trip(enum iso_profile profile, struct str bytes)
{
    size_t n = 0, n_again = 0;
    assert(iso_pack(&message, profile, packed, sizeof packed, &n) == ISO_OK);
    size_t bitmap = profile == ISO_PROFILE_H ? 16 : 8;
    size_t spare = message.present[1] == 0 && bytes.n == n + bitmap ? bitmap : 0;
    assert(n + spare == bytes.n);
    if (profile != ISO_PROFILE_B && spare == 0)
        assert(memcmp(packed, bytes.p, n) == 0);
    assert(iso_unpack(&again, profile, packed, n) == ISO_OK);
    assert_same(&message, &again);
    assert(iso_pack(&again, profile, packed_again, sizeof packed_again, &n_again) == ISO_OK);
    assert(n_again == n && memcmp(packed, packed_again, n) == 0);
}

/* What one profile can say every other can, and none writes past its room. */
static void check_profiles(void)
{
    size_t n = 0, short_n = 1;
    for (int p = ISO_PROFILE_A; p <= ISO_PROFILE_B; p++) {
        assert(iso_pack(&message, (enum iso_profile)p, packed, sizeof packed, &n) == ISO_OK);
        assert(iso_unpack(&again, (enum iso_profile)p, packed, n) == ISO_OK);
        assert_same(&message, &again);
        assert(iso_pack(&message, (enum iso_profile)p, packed, n - 1, &short_n) == ISO_NO_ROOM);
        assert(short_n == 0);
    }
}

/* One line of printable characters without the card number. */
static void check_line(void)
{
    buf_reset(&line);
    iso_print(&message, &line);
    assert(!line.full);
    for (size_t i = 0; i < line.n; i++)
        assert(line.p[i] >= 0x20 && line.p[i] <= 0x7E);
    struct str pan = iso_get(&message, 2);
    if (pan.n >= 8)
        assert(!holds_text(buf_view(&line), pan));
}

/* What was packed with a MAC carries it, and not one bit of it may change. */
static void check_mac(enum iso_profile profile, uint8_t pick)
{
    struct iso_mac_key key = { .kind = (enum iso_mac_kind)(pick % 4) };
    memcpy(key.key, a_key, sizeof a_key);
    iso_unset(&message, 64);
    iso_unset(&message, 128);
    if ((message.present[0] | message.present[1]) == 0)
        return;
    size_t n = 0;
    assert(iso_pack_mac(&message, profile, &key, packed, sizeof packed, &n) == ISO_OK);
    assert(iso_unpack(&again, profile, packed, n) == ISO_OK);
    assert(iso_mac_valid(&again, profile, &key, packed, n));
    if (key.kind == ISO_MAC_NONE)
        return;
    packed[pick * 131u % n] ^= (uint8_t)(1u << (pick >> 5));
    if (iso_unpack(&again, profile, packed, n) == ISO_OK)
        assert(!iso_mac_valid(&again, profile, &key, packed, n));
}

static void check_frame(const struct iso_frame_rule *rule, struct str in, struct str frame)
{
    size_t used;
    struct str other;
    assert(frame.n >= 12 && frame.n <= ISO_MAX_FRAME);
    assert(frame.p >= in.p && frame.p + frame.n <= in.p + in.n);
    buf_reset(&frames);
    iso_frame_add(rule, &frames, frame.p, frame.n);
    assert(!frames.full);
    assert(iso_frame_next(rule, buf_view(&frames), &other, &used) == ISO_FRAME_MESSAGE);
    assert(used == frames.n && str_eq(other, frame));
}

/* A stream: what is not whole yet is never taken for whole or broken. */
static void check_frames(uint8_t pick, struct str in)
{
    struct iso_frame_rule rule = { .mode = (enum iso_framing)(pick % 5),
        .inclusive = (pick & 0x20) != 0,
        .tpdu = (pick & 0x40) != 0 };
    enum iso_frame_result result;
    do {
        struct str frame = STR_EMPTY;
        size_t used = 0, used_of_less = 0;
        result = iso_frame_next(&rule, in, &frame, &used);
        if (result == ISO_FRAME_PARTIAL || result == ISO_FRAME_BROKEN)
            break;
        assert(used > 0 && used <= in.n);
        struct str less = { in.p, used - 1 }, none = STR_EMPTY;
        assert(iso_frame_next(&rule, less, &none, &used_of_less) == ISO_FRAME_PARTIAL);
        if (result == ISO_FRAME_MESSAGE)
            check_frame(&rule, in, frame);
        in = str_skip(in, used);
    } while (in.n > 0);
}

static void check_answer_mti(void)
{
    char mti[5];
    iso_answer_mti(message.mti, mti);
    assert(strlen(mti) == 4 && iso_table(mti) != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    uint8_t look = input_byte(&in), pick = input_byte(&in);
    struct str bytes = input_rest(&in);
    enum iso_profile profile = (enum iso_profile)(look % 3);
    if ((look & LOOK_FRAMES) != 0)
        check_frames(pick, bytes);

    bool has_empty;
    enum iso_result result = iso_unpack(&message, profile, bytes.p, bytes.n);
    assert(iso_result_text(result) != NULL);
    assert_sound(&message, result, &has_empty);
    if (message.mti[0] != '\0')
        check_answer_mti();
    if ((look & LOOK_PRINT) != 0)
        check_line();
    if (result == ISO_OK && !has_empty) {
        check_round_trip(profile, bytes);
        if ((look & LOOK_PROFILES) != 0)
            check_profiles();
        if ((look & LOOK_MAC) != 0)
            check_mac(profile, pick);
    } else if (result == ISO_OK) {
        size_t n = 1;
        assert(iso_pack(&message, profile, packed, sizeof packed, &n) == ISO_BAD_LENGTH && n == 0);
        assert(iso_get(&message, message.bad_de).n == 0);
    }
    iso_wipe(&message);
    return 0;
}
