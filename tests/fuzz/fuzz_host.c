/*
 * The sandbox's host against a peer that says anything: what it answers is well-formed, its books
 * never owe less than nothing, and its journal brings the same books back after a restart.
 *
 * The input is two bytes of rules and a script: messages (with elements changed), other bytes, time,
 * faults, a new connection, a restart.
 */
#include "file.h"
#include "sandbox/exchange.h"
#include "sandbox/host.h"
#include "wire.h"

#define NOW INT64_C(1763762400000) /* 2025-11-21T22:00:00Z */

enum { REFERENCES_MAX = 8 };

static struct fuzz_file file;

static struct {
    struct host *host;
    struct host_conn *conn;
    struct host_config config;
    struct wire_rules rules;
    int64_t now;
    bool may_be_odd; /* garbage and wrong MACs were asked for */
    char references[REFERENCES_MAX][EXCHANGE_REFERENCE_MAX + 1];
    size_t n_references;
    struct buf frame;
    struct iso_message message, answer;
} s;

/* What every message has, until the input changes it. */
static const struct {
    int de;
    const char *text;
} elements[] = {
    { 2, "4242424242424242" },
    { 3, "000000" },
    { 4, "000000001250" },
    { 7, "1121220000" },
    { 11, "000101" },
    { 14, "2812" },
    { 32, "12345678901" },
    { 37, "532522000101" },
    { 41, "TERM0001" },
    { 42, "SHOP00000000001" },
    { 49, "978" },
    { 63, "06CAAC0F1B000001" },
};

static const char *const mtis[] = { "0800", "0100", "0200", "0220", "0400", "0420", "0500", "0820",
    "0120", "0101", "0201", "0221", "0401", "0421", "0520", "0210", "1200", "0600" };

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    file_in_memory(&file);
    buf_init(&s.frame, 2 * ISO_MAX_FRAME);
    return 0;
}

/* ---- the host ---- */

static void open_host(void)
{
    char why[256] = "";
    s.host = host_new(&s.config, why, sizeof why);
    assert(s.host != NULL);
    s.conn = host_connect(s.host);
    assert(s.conn != NULL);
}

/* Takes what was answered: frames, each of them a message that fits, unless a fault says otherwise. */
static void take_answers(void)
{
    struct buf *out = host_output(s.conn);
    assert(host_flush_journal(s.host));
    struct str left = buf_view(out), frame;
    size_t used;
    while (left.n > 0) {
        assert(iso_frame_next(&s.rules.framing, left, &frame, &used) == ISO_FRAME_MESSAGE);
        enum iso_result r = iso_unpack(&s.answer, s.rules.profile, frame.p, frame.n);
        assert(r == ISO_OK || s.may_be_odd);
        if (r == ISO_OK && !s.may_be_odd) {
            assert(s.answer.mti[2] == '1' || s.answer.mti[2] == '3');
            assert(iso_get(&s.answer, 39).n == 2);
        }
        left = str_skip(left, used);
    }
    buf_reset(out);
}

static void reconnect(void)
{
    take_answers();
    host_disconnect(s.host, s.conn);
    s.conn = host_connect(s.host);
    assert(s.conn != NULL);
}

static void positions(struct host_position out[REFERENCES_MAX])
{
    memset(out, 0, REFERENCES_MAX * sizeof out[0]);
    for (size_t i = 0; i < s.n_references; i++) {
        (void)host_position(s.host, str_of(s.references[i]), &out[i]);
        assert(out[i].held_minor >= 0 && out[i].captured_minor >= 0 && out[i].refunded_minor >= 0);
        assert(out[i].refunded_minor <= out[i].captured_minor || out[i].messages > 1);
    }
}

static void restart(void)
{
    struct host_position before[REFERENCES_MAX], after[REFERENCES_MAX];
    take_answers();
    positions(before);
    host_disconnect(s.host, s.conn);
    host_free(s.host);
    open_host();
    positions(after);
    assert(memcmp(before, after, sizeof before) == 0);
}

/* ---- the peer ---- */

static void send_bytes(struct str bytes)
{
    bool open = host_receive(s.host, s.conn, bytes, s.now);
    assert(open == !host_wants_close(s.conn));
    take_answers();
    if (!open)
        reconnect();
}

static void note_reference(void)
{
    struct str reference = iso_get(&s.message, 63);
    if (reference.n == 0 || s.n_references == REFERENCES_MAX)
        return;
    if (str_copy(s.references[s.n_references], sizeof s.references[0], reference))
        s.n_references++;
}

/* DE 90 for a follow-up of the message that the template makes, under the MTI picked. */
static void set_original(uint8_t pick)
{
    iso_set_text(&s.message, 90, "%s0001011121220000%s00000000000", pick & 0x20 ? "0200" : "0100",
        "12345678901");
    iso_set(&s.message, 11, pick & 0x40 ? STR("000102") : STR("000103"));
}

static void send_message(struct input *in)
{
    uint8_t pick = input_byte(in);
    const char *mti = mtis[pick % 32 % COUNT(mtis)];
    iso_init(&s.message, mti);
    for (size_t i = 0; i < COUNT(elements); i++)
        iso_set(&s.message, elements[i].de, str_of(elements[i].text));
    if (mti[1] == '8')
        iso_set(&s.message, 70, STR("001"));
    if (mti[1] == '4' || mti[2] == '2')
        set_original(pick);
    wire_change(&s.message, in);
    note_reference();
    send_bytes(wire_frame(&s.rules, &s.message, &s.frame));
}

static void set_faults(struct input *in)
{
    struct host_faults f = { .kind = (enum host_fault_kind)(input_byte(in) % 9),
        .count = input_byte(in) % 4 - 1,
        .mti_class = input_byte(in) % 5,
        .delay_ms = input_byte(in) };
    s.may_be_odd = s.may_be_odd || f.kind == HOST_FAULT_GARBAGE;
    host_set_faults(s.host, &f);
}

static void step(struct input *in)
{
    switch (input_byte(in) % 8) {
    case 0:
    case 1:
    case 2:
        send_message(in);
        break;
    case 3:
        send_bytes(input_take(in, input_byte(in)));
        break;
    case 4:
        s.now += (int64_t)input_byte(in) * input_byte(in) * 1000;
        assert(host_tick(s.host, s.now) > s.now);
        take_answers();
        break;
    case 5:
        set_faults(in);
        break;
    case 6:
        reconnect();
        break;
    case 7:
        restart();
        break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t sign_on[] = { 0, 0 };
    struct input in = { data, size }, first = { sign_on, sizeof sign_on };
    s.rules = wire_rules_of(&in);
    s.config = (struct host_config) { .journal_path = file.path,
        .profile = s.rules.profile,
        .framing = s.rules.framing,
        .mac = s.rules.mac };
    s.now = NOW;
    s.may_be_odd = false;
    s.n_references = 0;
    file_write(&file, STR_EMPTY);
    open_host();
    send_message(&first);
    while (in.n > 0)
        step(&in);
    restart();
    host_disconnect(s.host, s.conn);
    host_free(s.host);
    return 0;
}
