/*
 * One acquirer link against a host that says anything: whatever comes, every message that was
 * submitted gets exactly one event in the end, and a late answer only after a silence.
 *
 * The input is two bytes of rules and a script: submit, answer (with elements changed), other bytes,
 * time, a socket that takes output, a connection that is lost.
 */
#include "acquirer/acquirer.h"
#include "engine/command.h"
#include "wire.h"

enum { SUBMITS_MAX = 64, IN_FLIGHT_MAX = 6, SENT_ROOM = 64 * 1024 };

#define MS     INT64_C(1000000)
#define TEN_PM INT64_C(1795298400000) /* 2026-11-21 22:00:00 */

/*
 * A link takes much memory when it is made, so one for each set of rules is kept and used again; ten
 * minutes later it has forgotten everything.
 */
static struct link *links[3][2][5];

static struct {
    struct link *link;
    struct wire_rules rules;
    struct rng rng;
    int64_t now_ns, start_ns;
    struct merchant_row merchant;
    size_t submitted;
    uint8_t ended[SUBMITS_MAX]; /* events that end it: one at last */
    bool silent[SUBMITS_MAX], late[SUBMITS_MAX];
    bool up;
    struct buf sent; /* what the socket took; answers are made of it */
    struct buf frame;
    struct iso_message request, answer;
} s;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    buf_init(&s.sent, SENT_ROOM);
    buf_init(&s.frame, 2 * ISO_MAX_FRAME);
    s.merchant = (struct merchant_row) { .id = 1,
        .face = FACE_GENOME,
        .name = "EXAMPLE SHOP",
        .city = "MINSK",
        .country = "BY",
        .mcc = "5732",
        .mid = "MERCHANT0000001",
        .tid = "TERM0001" };
    return 0;
}

static int64_t now_ms(void)
{
    return TEN_PM + (s.now_ns - s.start_ns) / MS;
}

static void on_event(void *self, const struct acquirer_event *ev)
{
    (void)self;
    if (ev->kind == ACQ_LINK_UP || ev->kind == ACQ_LINK_DOWN) {
        assert(s.up == (ev->kind == ACQ_LINK_DOWN));
        s.up = ev->kind == ACQ_LINK_UP;
        return;
    }
    size_t i = (size_t)ev->operation.id;
    assert(i < s.submitted && ev->operation.merchant_id == 1 && ev->link == 2);
    assert(strnlen(ev->authcode, sizeof ev->authcode) < sizeof ev->authcode);
    assert(strnlen(ev->network_id, sizeof ev->network_id) < sizeof ev->network_id);
    if (ev->kind == ACQ_ANSWERED || ev->kind == ACQ_LATE_ANSWER)
        assert(strlen(ev->de39) == 2 && ev->amount_minor > 0 && ev->amount_minor <= 99900);
    if (ev->kind == ACQ_LATE_ANSWER) {
        assert(s.silent[i] && !s.late[i]);
        s.late[i] = true;
        return;
    }
    s.silent[i] = ev->kind == ACQ_SILENT;
    assert(s.ended[i] == 0);
    s.ended[i]++;
}

/* A message of each kind in turn; some cannot be built, some have the identity of another. */
static void submit(struct input *in)
{
    static const enum operation_kind kinds[] = { OPK_AUTHORIZE, OPK_SALE, OPK_CAPTURE, OPK_REFUND,
        OPK_REVERSAL, OPK_VOID, OPK_RELEASE };
    uint8_t pick = input_byte(in);
    if (s.submitted == SUBMITS_MAX)
        return;
    struct acquirer_message a = { .operation = { 1, (int64_t)s.submitted },
        .kind = kinds[pick % COUNT(kinds)],
        .repeat = (pick & 0x80) != 0,
        .pan = (pick & 0x40) != 0 ? "4111111111111111" : "5555555555554444",
        .cvv = "321",
        .expiry_yymm = 2910,
        .amount_minor = 99900,
        .kept_minor = 100,
        .currency = 933,
        .stan = (pick & 0x20) != 0 ? 1 : (uint32_t)s.submitted + 1,
        .sent_ms = TEN_PM,
        .local_ms = TEN_PM,
        .rrn = "632522000101",
        .authcode = "A1B2C3",
        .reason = "68",
        .original_kind = OPK_SALE,
        .original = { "0200", 7, TEN_PM },
        .entry = ENTRY_ECOMMERCE,
        .merchant = &s.merchant,
        .reference = "06CAAC0F1B000001" };
    s.submitted++;
    link_submit(s.link, &a, s.now_ns);
    assert(s.up || s.ended[s.submitted - 1] == 1);
}

/* The socket takes n bytes. */
static void drain(size_t n)
{
    struct buf *out = link_output(s.link);
    if (n > out->n)
        n = out->n;
    if (n > s.sent.max - s.sent.n) /* it takes no more */
        n = s.sent.max - s.sent.n;
    buf_add(&s.sent, out->p, n);
    buf_consume(out, n);
}

static void receive(struct str bytes)
{
    link_received(s.link, bytes, s.now_ns, now_ms());
}

/* Echoes the k-th message that was sent, with its changes; the MTI may be another. */
static void answer(struct input *in)
{
    uint8_t k = input_byte(in), twist = input_byte(in);
    struct str left = buf_view(&s.sent);
    size_t used = 0;
    char mti[5];
    for (unsigned i = 0; i <= k; i++) {
        left = str_skip(left, used);
        if (!wire_next(&s.rules, left, &s.request, &used))
            return;
    }
    static const int echoed[] = { 2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 63, 70 };
    iso_answer_mti(s.request.mti, mti);
    if ((twist & 0x80) != 0)
        mti[twist % 4] = (char)('0' + twist / 4 % 10);
    iso_init(&s.answer, mti);
    for (size_t i = 0; i < COUNT(echoed); i++)
        if (iso_has(&s.request, echoed[i]))
            iso_set(&s.answer, echoed[i], iso_get(&s.request, echoed[i]));
    iso_set(&s.answer, 39, STR("00"));
    wire_change(&s.answer, in);
    receive(wire_frame(&s.rules, &s.answer, &s.frame));
}

/* A message of the host's own: an echo, a sign-off, a cut-over or worse. */
static void tell(struct input *in)
{
    static const char *const mtis[] = { "0800", "0820", "0801", "0810", "0200", "0210", "1800" };
    iso_init(&s.answer, mtis[input_byte(in) % COUNT(mtis)]);
    iso_set(&s.answer, 7, STR("1121220005"));
    iso_set(&s.answer, 11, STR("000001"));
    iso_set(&s.answer, 70, STR("301"));
    wire_change(&s.answer, in);
    receive(wire_frame(&s.rules, &s.answer, &s.frame));
}

/* A new connection begins with a new message. */
static void lose_connection(void)
{
    link_closed(s.link, s.now_ns);
    buf_reset(&s.sent);
}

static void settle(void)
{
    if (link_wish(s.link) == LINK_CLOSE)
        lose_connection();
    else if (link_wish(s.link) == LINK_CONNECT)
        link_connected(s.link, s.now_ns, now_ms());
}

static void pass_time(int64_t ms)
{
    s.now_ns += ms * MS;
    assert(link_tick(s.link, s.now_ns, now_ms()) >= s.now_ns || link_wish(s.link) == LINK_CLOSE);
}

static void step(struct input *in)
{
    switch (input_byte(in) % 9) {
    case 0:
        submit(in);
        break;
    case 1:
    case 2:
        drain(SIZE_MAX);
        answer(in);
        break;
    case 3:
        tell(in);
        break;
    case 4:
        receive(input_take(in, input_byte(in)));
        break;
    case 5:
        pass_time((int64_t)input_byte(in) * input_byte(in));
        break;
    case 6:
        drain(input_byte(in));
        break;
    case 7:
        lose_connection();
        break;
    case 8:
        if (input_byte(in) == 0)
            link_sign_off(s.link, now_ms());
        break;
    }
}

static struct link *link_of_rules(void)
{
    static const struct link_env env = { .event = on_event };
    struct wire_rules *r = &s.rules;
    r->framing.inclusive = r->framing.mode % 2 == 1;
    r->framing.tpdu = r->profile == ISO_PROFILE_B;
    struct link **kept = &links[r->profile][r->mac.kind != ISO_MAC_NONE][r->framing.mode];
    if (*kept != NULL && link_stopped(*kept)) {
        link_free(*kept);
        *kept = NULL;
    }
    struct link_config config = { .name = "main",
        .profile = r->profile,
        .framing = r->framing,
        .mac = r->mac,
        .max_in_flight = IN_FLIGHT_MAX };
    if (*kept == NULL)
        *kept = link_new(&config, 2, &env, &s.rng);
    assert(*kept != NULL);
    return *kept;
}

static void start(struct input *in)
{
    s.rules = wire_rules_of(in);
    s.rng = rng_seeded(7);
    s.now_ns += 1000000 * MS;
    s.start_ns = s.now_ns;
    s.submitted = 0;
    s.up = false;
    memset(s.ended, 0, sizeof s.ended);
    memset(s.silent, 0, sizeof s.silent);
    memset(s.late, 0, sizeof s.late);
    buf_reset(&s.sent);
    s.link = link_of_rules();
}

/* Most scripts would never get past the sign-on by themselves. */
static void sign_on(void)
{
    static const uint8_t plain[] = { 0, 0 };
    struct input none = { plain, sizeof plain };
    pass_time(1);
    settle();
    drain(SIZE_MAX);
    answer(&none);
    assert(s.up && link_view(s.link)->up);
    buf_reset(&s.sent);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    start(&in);
    if ((input_byte(&in) & 1) == 0)
        sign_on();
    while (in.n > 0) {
        step(&in);
        settle();
    }
    link_closed(s.link, s.now_ns);
    assert(!s.up && link_view(s.link)->in_flight == 0);
    for (size_t i = 0; i < s.submitted; i++)
        assert(s.ended[i] == 1);
    return 0;
}
