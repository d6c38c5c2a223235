/*
 * Decisions about operations, as the pure functions they are: rows in memory, an event, a moment;
 * no store, no link, no loop. Every operation in every state hears every event.
 */
#include "base/log.h"
#include "engine/decision.h"
#include "engine/machine.h"
#include "store/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NOW_MS   INT64_C(1795298470000)
#define BEFORE   (NOW_MS - 60000)
#define DAY      INT64_C(86400000)
#define OPENED   INT64_C(0x10)
#define FOLLOWER INT64_C(0x20)
#define GONE     INT64_C(0x99)

enum { SHOP = 5, ROOM = 64 };

struct bench {
    struct arena arena;
    struct decision d;
    struct idgen ids;
    struct rng rng;
    struct link_view views[3];
    struct acquirer_port port;
    uint32_t next_stan[3];
    struct effect effects[ROOM];
    struct entry_row entries[ROOM];
};

static struct bench bench;

/* Links "main" and "spare" of one acquirer, and "other" of another. */
static int set_up(void **state)
{
    struct bench *b = &bench;
    log_setup(LOG_ERROR, -1);
    memset(b, 0, sizeof *b);
    arena_init(&b->arena, 4u << 20);
    static const char *const names[][2] = { { "main", "1" }, { "spare", "1" }, { "other", "2" } };
    for (size_t i = 0; i < COUNT(names); i++) {
        (void)str_copy(b->views[i].name, sizeof b->views[i].name, str_of(names[i][0]));
        (void)str_copy(
            b->views[i].acquirer_id, sizeof b->views[i].acquirer_id, str_of(names[i][1]));
        b->views[i].up = true;
        b->views[i].max_in_flight = 10;
        b->port.views[i] = &b->views[i];
        b->next_stan[i] = 100 * (uint32_t)(i + 1);
    }
    b->port.n_links = COUNT(names);
    b->rng = rng_seeded(1);
    idgen_init(&b->ids, 0);
    b->d = (struct decision) { .rows = workset_new(64),
        .arena = &b->arena,
        .now_ms = NOW_MS,
        .ids = &b->ids,
        .rng = &b->rng,
        .port = &b->port,
        .next_stan = b->next_stan,
        .effects = b->effects,
        .entries = b->entries };
    if (b->d.rows == NULL)
        return -1;
    workset_begin(b->d.rows, &b->arena);
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    workset_free(b->d.rows);
    arena_free(&b->arena);
    return 0;
}

static struct payment_row *add_payment(struct bench *b, enum payment_state state)
{
    struct payment_row p = { .merchant_id = SHOP,
        .id = OPENED,
        .state = state,
        .currency = 978,
        .expires_ms = NOW_MS + DAY,
        .created_ms = BEFORE,
        .updated_ms = BEFORE };
    switch (state) {
    case PAY_AUTHORIZED:
    case PAY_CAPTURING:
    case PAY_VOIDED:
        p.authorized_minor = 1000;
        break;
    case PAY_CAPTURED:
    case PAY_REFUNDING:
        p.authorized_minor = p.captured_minor = 1000;
        break;
    default:
        break;
    }
    return payment_add(b->d.rows, &p);
}

/* An operation over 1000; one that opens has the payment's id, another follows it. */
static struct operation_row *add_operation(
    struct bench *b, enum operation_kind kind, enum operation_state state)
{
    bool opens = kind == OPK_AUTHORIZE || kind == OPK_SALE;
    struct operation_row o = { .merchant_id = SHOP,
        .id = opens ? OPENED : FOLLOWER,
        .payment_id = OPENED,
        .parent_id = opens ? 0 : OPENED,
        .kind = kind,
        .state = state,
        .currency = 978,
        .amount_minor = 1000,
        .link = "main",
        .stan = state == OPS_NEW ? 0 : 7,
        .sent_ms = state == OPS_NEW ? 0 : BEFORE,
        .attempts = state == OPS_NEW ? 0 : 1,
        .created_ms = BEFORE,
        .updated_ms = BEFORE };
    return operation_add(b->d.rows, &o);
}

static const struct acquirer_event an_answer = { .kind = ACQ_ANSWERED,
    .de39 = "00",
    .authcode = "A1B2C3",
    .network_id = "NET",
    .advice = "01",
    .cvv_result = "M" };

/* The effects, a letter for each. */
static void assert_effects(const struct bench *b, const char *wanted)
{
    static const char letters[] = { [EFFECT_SEND] = 'S',
        [EFFECT_REPLY] = 'A',
        [EFFECT_TELL] = 'T',
        [EFFECT_WAIT] = 'W',
        [EFFECT_REPEAT] = 'R',
        [EFFECT_EXPIRE] = 'X' };
    char got[ROOM + 1] = "";
    for (size_t i = 0; i < b->d.n_effects; i++)
        got[i] = letters[b->d.effects[i].kind];
    assert_string_equal(got, wanted);
}

static int ends[2]; /* of a pipe that the log goes to */

static void log_listen(void)
{
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    log_setup(LOG_INFO, ends[1]);
}

/* What was logged since. */
static const char *log_heard(void)
{
    static char text[4096];
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    log_setup(LOG_ERROR, -1);
    assert_int_equal(close(ends[0]) | close(ends[1]), 0);
    return text;
}

/* ---- every operation, every state, every event ---- */

#define EDGE(kind, from, event, to, before, after, effects, entries)                               \
    {                                                                                              \
        OPK_##kind, OPS_##from, OPE_##event, OPS_##to, PAY_##before, PAY_##after, effects, entries \
    }

/* clang-format off */
static const struct legal {
    enum operation_kind kind;
    enum operation_state from;
    enum operation_event event;
    enum operation_state to;
    enum payment_state payment_from, payment_to;
    const char *effects;
    size_t entries;
} legal[] = {
    EDGE(AUTHORIZE, NEW,      SEND,          SENT,     OPENING,    OPENING,    "S",  0),
    EDGE(AUTHORIZE, NEW,      NO_LINK,       FAILED,   OPENING,    DECLINED,   "T",  0),
    EDGE(AUTHORIZE, SENT,     NOT_SENT,      FAILED,   OPENING,    DECLINED,   "T",  0),
    EDGE(AUTHORIZE, SENT,     APPROVE,       APPROVED, OPENING,    AUTHORIZED, "TX", 2),
    EDGE(AUTHORIZE, SENT,     DECLINE,       DECLINED, OPENING,    DECLINED,   "T",  0),
    EDGE(AUTHORIZE, SENT,     SILENCE,       IN_DOUBT, OPENING,    REVERSING,  "TS", 0),
    EDGE(AUTHORIZE, IN_DOUBT, LATE_APPROVAL, IN_DOUBT, REVERSING,  REVERSING,  "",   0),
    EDGE(AUTHORIZE, IN_DOUBT, REVERSED,      REVERSED, REVERSING,  REVERSED,   "",   0),
    EDGE(AUTHORIZE, IN_DOUBT, STUCK,         MANUAL,   REVERSING,  MANUAL,     "",   0),
    EDGE(AUTHORIZE, REVERSED, LATE_APPROVAL, IN_DOUBT, REVERSED,   REVERSING,  "TS", 0),
    EDGE(SALE,      NEW,      SEND,          SENT,     OPENING,    OPENING,    "S",  0),
    EDGE(SALE,      NEW,      NO_LINK,       FAILED,   OPENING,    DECLINED,   "T",  0),
    EDGE(SALE,      SENT,     NOT_SENT,      FAILED,   OPENING,    DECLINED,   "T",  0),
    EDGE(SALE,      SENT,     APPROVE,       APPROVED, OPENING,    CAPTURED,   "T",  2),
    EDGE(SALE,      SENT,     DECLINE,       DECLINED, OPENING,    DECLINED,   "T",  0),
    EDGE(SALE,      SENT,     SILENCE,       IN_DOUBT, OPENING,    REVERSING,  "TS", 0),
    EDGE(SALE,      IN_DOUBT, LATE_APPROVAL, IN_DOUBT, REVERSING,  REVERSING,  "",   0),
    EDGE(SALE,      IN_DOUBT, REVERSED,      REVERSED, REVERSING,  REVERSED,   "",   0),
    EDGE(SALE,      IN_DOUBT, STUCK,         MANUAL,   REVERSING,  MANUAL,     "",   0),
    EDGE(SALE,      REVERSED, LATE_APPROVAL, IN_DOUBT, REVERSED,   REVERSING,  "TS", 0),
    EDGE(REFUND,    NEW,      SEND,          SENT,     REFUNDING,  REFUNDING,  "S",  0),
    EDGE(REFUND,    NEW,      NO_LINK,       FAILED,   REFUNDING,  CAPTURED,   "T",  0),
    EDGE(REFUND,    SENT,     NOT_SENT,      FAILED,   REFUNDING,  CAPTURED,   "T",  0),
    EDGE(REFUND,    SENT,     APPROVE,       APPROVED, REFUNDING,  REFUNDED,   "T",  2),
    EDGE(REFUND,    SENT,     DECLINE,       DECLINED, REFUNDING,  CAPTURED,   "T",  0),
    EDGE(REFUND,    SENT,     SILENCE,       IN_DOUBT, REFUNDING,  REFUNDING,  "TS", 0),
    EDGE(REFUND,    IN_DOUBT, LATE_APPROVAL, IN_DOUBT, REFUNDING,  REFUNDING,  "",   0),
    EDGE(REFUND,    IN_DOUBT, REVERSED,      REVERSED, REFUNDING,  CAPTURED,   "",   0),
    EDGE(REFUND,    IN_DOUBT, STUCK,         MANUAL,   REFUNDING,  MANUAL,     "",   0),
    EDGE(REFUND,    REVERSED, LATE_APPROVAL, MANUAL,   CAPTURED,   CAPTURED,   "",   0),
    EDGE(CAPTURE,   NEW,      SEND,          SENT,     CAPTURING,  CAPTURING,  "S",  0),
    EDGE(CAPTURE,   NEW,      NO_LINK,       FAILED,   CAPTURING,  AUTHORIZED, "TX", 0),
    EDGE(CAPTURE,   SENT,     NOT_SENT,      FAILED,   CAPTURING,  AUTHORIZED, "TX", 0),
    EDGE(CAPTURE,   SENT,     APPROVE,       APPROVED, CAPTURING,  CAPTURED,   "T",  4),
    EDGE(CAPTURE,   SENT,     DECLINE,       DECLINED, CAPTURING,  AUTHORIZED, "TX", 0),
    EDGE(CAPTURE,   SENT,     SILENCE,       SENT,     CAPTURING,  CAPTURING,  "R",  0),
    EDGE(CAPTURE,   SENT,     REPEAT,        SENT,     CAPTURING,  CAPTURING,  "S",  0),
    EDGE(CAPTURE,   SENT,     STUCK,         MANUAL,   CAPTURING,  MANUAL,     "",   0),
    EDGE(VOID,      NEW,      SEND,          SENT,     VOIDED,     VOIDED,     "S",  0),
    EDGE(VOID,      SENT,     SILENCE,       SENT,     VOIDED,     VOIDED,     "R",  0),
    EDGE(VOID,      SENT,     NOT_SENT,      SENT,     VOIDED,     VOIDED,     "R",  0),
    EDGE(VOID,      SENT,     REPEAT,        SENT,     VOIDED,     VOIDED,     "S",  0),
    EDGE(VOID,      SENT,     STUCK,         MANUAL,   VOIDED,     VOIDED,     "",   0),
    EDGE(VOID,      SENT,     APPROVE,       APPROVED, VOIDED,     VOIDED,     "",   0),
    EDGE(RELEASE,   NEW,      SEND,          SENT,     CAPTURED,   CAPTURED,   "S",  0),
    EDGE(RELEASE,   SENT,     SILENCE,       SENT,     CAPTURED,   CAPTURED,   "R",  0),
    EDGE(RELEASE,   SENT,     NOT_SENT,      SENT,     CAPTURED,   CAPTURED,   "R",  0),
    EDGE(RELEASE,   SENT,     REPEAT,        SENT,     CAPTURED,   CAPTURED,   "S",  0),
    EDGE(RELEASE,   SENT,     STUCK,         MANUAL,   CAPTURED,   CAPTURED,   "",   0),
    EDGE(RELEASE,   SENT,     APPROVE,       APPROVED, CAPTURED,   CAPTURED,   "",   0),
    EDGE(REVERSAL,  NEW,      SEND,          SENT,     REVERSING,  REVERSING,  "S",  0),
    EDGE(REVERSAL,  SENT,     SILENCE,       SENT,     REVERSING,  REVERSING,  "R",  0),
    EDGE(REVERSAL,  SENT,     NOT_SENT,      SENT,     REVERSING,  REVERSING,  "R",  0),
    EDGE(REVERSAL,  SENT,     REPEAT,        SENT,     REVERSING,  REVERSING,  "S",  0),
    EDGE(REVERSAL,  SENT,     STUCK,         MANUAL,   REVERSING,  MANUAL,     "",   0),
    EDGE(REVERSAL,  SENT,     APPROVE,       APPROVED, REVERSING,  REVERSED,   "",   0),
};
/* clang-format on */

static const struct legal *legal_find(
    enum operation_kind kind, enum operation_state from, enum operation_event event)
{
    for (size_t i = 0; i < COUNT(legal); i++)
        if (legal[i].kind == kind && legal[i].from == from && legal[i].event == event)
            return &legal[i];
    return NULL;
}

/* The opening that a follower stands behind. */
static struct operation_row *add_parent(struct bench *b, enum operation_kind kind)
{
    return kind == OPK_REVERSAL ? add_operation(b, OPK_SALE, OPS_IN_DOUBT)
                                : add_operation(b, OPK_AUTHORIZE, OPS_APPROVED);
}

static void walk(enum operation_kind kind, enum operation_state from, enum operation_event event)
{
    void *state;
    assert_int_equal(set_up(&state), 0);
    struct bench *b = state;
    const struct legal *wanted = legal_find(kind, from, event);
    struct payment_row *p = add_payment(b, wanted != NULL ? wanted->payment_from : PAY_AUTHORIZED);
    if (kind != OPK_AUTHORIZE && kind != OPK_SALE)
        (void)add_parent(b, kind);
    struct operation_row *o = add_operation(b, kind, from);
    o->next_ms = BEFORE;
    struct operation_row before = *o;
    struct hearing h = { &an_answer, OUT_DECLINED };
    bool moved = operation_apply(&b->d, o, event, &h);
    if (moved != (wanted != NULL))
        fail_msg("%s, %s, event %d: %s", operation_kind_name(kind), operation_state_name(from),
            (int)event, moved ? "moved" : "refused");
    if (wanted == NULL) {
        assert_memory_equal(o, &before, sizeof before);
        assert_effects(b, "");
    } else {
        if (o->state != wanted->to || p->state != wanted->payment_to)
            fail_msg("row %d: %s, %s", (int)(wanted - legal), operation_state_name(o->state),
                payment_state_name(p->state));
        assert_true(o->updated_ms == NOW_MS);
        if (o->state == OPS_APPROVED || o->state == OPS_DECLINED || o->state == OPS_MANUAL)
            assert_true(o->next_ms == 0); /* nothing is due any more */
        assert_true(p->state == wanted->payment_from || p->updated_ms == NOW_MS);
        assert_effects(b, wanted->effects);
        assert_int_equal(b->d.n_entries, wanted->entries);
    }
    assert_int_equal(tear_down(&state), 0);
}

static void every_operation_moves_along_its_edges_and_no_others(void **state)
{
    (void)state;
    for (int kind = OPK_AUTHORIZE; kind <= OPK_RELEASE; kind++)
        for (int from = OPS_NEW; from <= OPS_MANUAL; from++)
            for (int event = OPE_SEND; event <= OPE_REPEAT; event++)
                walk((enum operation_kind)kind, (enum operation_state)from,
                    (enum operation_event)event);
}

/* ---- what an event brings, and what it does not ---- */

static void an_event_without_an_answer_leaves_what_the_host_said_before(void **state)
{
    struct bench *b = *state;
    (void)add_payment(b, PAY_OPENING);
    struct operation_row *sale = add_operation(b, OPK_SALE, OPS_SENT);
    (void)str_copy(sale->de39, sizeof sale->de39, STR("09"));
    assert_true(operation_apply(&b->d, sale, OPE_SILENCE, NULL));
    assert_int_equal(sale->state, OPS_IN_DOUBT);
    assert_string_equal(sale->de39, "09");
    assert_effects(b, "S"); /* the reversal; there is no outcome to tell */
    const struct operation_row *reversal = b->d.effects[0].operation;
    assert_int_equal(reversal->kind, OPK_REVERSAL);
    assert_int_equal(reversal->parent_id, sale->id);
    assert_int_equal(reversal->amount_minor, 1000);
    assert_string_equal(reversal->reason, "68");

    struct operation_row *release = add_operation(b, OPK_RELEASE, OPS_SENT);
    (void)str_copy(release->de39, sizeof release->de39, STR("09"));
    assert_true(operation_apply(&b->d, release, OPE_APPROVE, NULL));
    assert_string_equal(release->de39, "09");
    assert_int_equal(release->outcome, OUT_APPROVED);
}

static void an_answer_is_kept_and_what_it_leaves_out_stays(void **state)
{
    struct bench *b = *state;
    (void)add_payment(b, PAY_OPENING);
    struct operation_row *sale = add_operation(b, OPK_SALE, OPS_IN_DOUBT);
    struct acquirer_event full = an_answer, bare = { .kind = ACQ_LATE_ANSWER, .de39 = "08" };
    assert_true(
        operation_apply(&b->d, sale, OPE_LATE_APPROVAL, &(struct hearing) { &full, OUT_NONE }));
    assert_string_equal(sale->de39, "00");
    assert_string_equal(sale->authcode, "A1B2C3");
    assert_string_equal(sale->network_id, "NET");
    assert_string_equal(sale->advice, "01");
    assert_string_equal(sale->cvv_result, "M");
    assert_true(
        operation_apply(&b->d, sale, OPE_LATE_APPROVAL, &(struct hearing) { &bare, OUT_NONE }));
    assert_string_equal(sale->de39, "08");
    assert_string_equal(sale->authcode, "A1B2C3");
    assert_string_equal(sale->network_id, "NET");
    assert_string_equal(sale->advice, "");
    assert_string_equal(sale->cvv_result, "");
    bare = (struct acquirer_event) { .de39 = "00", .authcode = "7", .network_id = "N" };
    assert_true(
        operation_apply(&b->d, sale, OPE_LATE_APPROVAL, &(struct hearing) { &bare, OUT_NONE }));
    assert_string_equal(sale->authcode, "7");
    assert_string_equal(sale->network_id, "N");
}

/* ---- repeats ---- */

static void an_advice_is_repeated_after_ever_longer_pauses(void **state)
{
    struct bench *b = *state;
    static const int seconds[] = { 5, 5, 15, 30, 60, 120, 300, 300, 300 };
    (void)add_payment(b, PAY_VOIDED);
    struct operation_row *advice = add_operation(b, OPK_VOID, OPS_SENT);
    for (uint16_t sent = 0; sent < COUNT(seconds); sent++) {
        advice->attempts = sent;
        b->d.n_effects = 0;
        assert_true(operation_apply(&b->d, advice, OPE_SILENCE, NULL));
        assert_int_equal(advice->attempts, sent);
        assert_true(advice->next_ms == NOW_MS + seconds[sent] * INT64_C(1000));
        assert_effects(b, "R");
        assert_true(b->effects[0].at_ms == advice->next_ms);
        assert_ptr_equal(b->effects[0].operation, advice);
    }
}

static void what_did_not_leave_does_not_count_as_sent(void **state)
{
    struct bench *b = *state;
    (void)add_payment(b, PAY_VOIDED);
    struct operation_row *advice = add_operation(b, OPK_VOID, OPS_SENT);
    struct acquirer_event not_sent = { .kind = ACQ_NOT_SENT }, silent = { .kind = ACQ_SILENT };
    struct hearing not_left = { &not_sent, OUT_NONE }, no_answer = { &silent, OUT_TIMEOUT };
    advice->attempts = 3;
    assert_true(operation_apply(&b->d, advice, OPE_NOT_SENT, &no_answer));
    assert_int_equal(advice->attempts, 3);
    assert_true(operation_apply(&b->d, advice, OPE_NOT_SENT, &not_left));
    assert_int_equal(advice->attempts, 2);
    assert_true(advice->next_ms == NOW_MS + 15000);
    advice->attempts = 1;
    assert_true(operation_apply(&b->d, advice, OPE_NOT_SENT, &not_left));
    assert_int_equal(advice->attempts, 0);
    assert_true(operation_apply(&b->d, advice, OPE_NOT_SENT, &not_left));
    assert_int_equal(advice->attempts, 0);
    assert_true(advice->next_ms == NOW_MS + 5000);
}

static void an_advice_is_given_up_after_so_many_tries_or_a_day(void **state)
{
    struct bench *b = *state;
    static const struct {
        uint16_t attempts;
        int64_t age_ms;
        enum operation_state left;
    } rows[] = { { 299, 1000, OPS_SENT }, { 300, 1000, OPS_MANUAL }, { 301, 1000, OPS_MANUAL },
        { 1, DAY - 1, OPS_SENT }, { 1, DAY, OPS_MANUAL }, { 1, DAY + 1, OPS_MANUAL } };
    static const enum acquirer_event_kind kinds[] = { ACQ_SILENT, ACQ_NOT_SENT };
    (void)add_payment(b, PAY_VOIDED);
    struct operation_row *advice = add_operation(b, OPK_VOID, OPS_SENT);
    for (size_t k = 0; k < COUNT(kinds); k++)
        for (size_t i = 0; i < COUNT(rows); i++) {
            advice->state = OPS_SENT;
            advice->attempts = rows[i].attempts;
            advice->created_ms = NOW_MS - rows[i].age_ms;
            decide_answer(&b->d,
                &(struct acquirer_event) { .kind = kinds[k], .operation = { SHOP, FOLLOWER } });
            assert_int_equal(advice->state, rows[i].left);
        }
    advice->state = OPS_SENT; /* an answer that comes that late still counts */
    decide_answer(&b->d, &(struct acquirer_event) {
                             .kind = ACQ_ANSWERED, .operation = { SHOP, FOLLOWER }, .de39 = "00" });
    assert_int_equal(advice->state, OPS_APPROVED);
}

/* A store that holds nothing. */
static enum store_result load_nothing(struct store *s, struct arena *a, struct store_load *load)
{
    (void)s;
    (void)a;
    (void)load;
    return STORE_OK;
}

static void an_event_for_an_operation_that_is_gone_changes_nothing(void **state)
{
    struct bench *b = *state;
    static const struct store_operations nothing = { .load = load_nothing };
    struct store empty = { &nothing };
    want_operation(b->d.rows, (struct row_key) { SHOP, GONE });
    assert_int_equal(workset_load(b->d.rows, &empty), STORE_OK);
    log_listen();
    decide_repeat(&b->d, &(struct timer) { .resumed = true, .operation = { SHOP, GONE } });
    decide_answer(&b->d, &(struct acquirer_event) { .operation = { SHOP, GONE }, .de39 = "00" });
    assert_non_null(strstr(log_heard(), "level=error event=answer.unknown op=0000000000000099\n"));
    assert_effects(b, "");
    assert_int_equal(b->d.n_entries, 0);
}

/* An answer that comes twice, or when all is over, is no answer; only the log tells. */
static void an_answer_that_fits_nothing_is_logged_and_changes_nothing(void **state)
{
    struct bench *b = *state;
    (void)add_payment(b, PAY_OPENING);
    struct operation_row *sale = add_operation(b, OPK_SALE, OPS_SENT);
    const struct acquirer_event yes = {
        .kind = ACQ_ANSWERED, .operation = { SHOP, OPENED }, .de39 = "00"
    };
    log_listen();
    decide_answer(&b->d, &yes);
    assert_string_equal(log_heard(), "");
    struct operation_row before = *sale;
    log_listen();
    decide_answer(&b->d, &yes);
    assert_non_null(strstr(log_heard(), "level=warn event=answer.ignored op=0000000000000010 "
                                        "state=APPROVED event=\"approved\"\n"));
    assert_memory_equal(sale, &before, sizeof before);
    assert_effects(b, "T");
}

static void what_is_left_to_a_person_is_logged(void **state)
{
    struct bench *b = *state;
    (void)add_payment(b, PAY_VOIDED);
    (void)add_operation(b, OPK_VOID, OPS_SENT);
    const struct acquirer_event never = {
        .kind = ACQ_ANSWERED, .operation = { SHOP, FOLLOWER }, .de39 = "57"
    };
    log_listen();
    decide_answer(&b->d, &never);
    assert_non_null(strstr(log_heard(), "level=error event=operation.manual op=0000000000000020 "
                                        "kind=VOID de39=\"57\" attempts=1\n"));
}

static void an_advice_is_sent_again_when_it_is_due_its_link_came_up_or_we_started_anew(void **state)
{
    struct bench *b = *state;
    static const struct {
        int64_t next_ms;
        bool now, resumed, sent;
    } rows[] = {
        { NOW_MS, false, false, true },
        { NOW_MS - 1, false, false, true },
        { NOW_MS + 1, false, false, false },
        { NOW_MS + 1, true, false, true },
        { NOW_MS + 1, false, true, true },
        { 0, false, false, false }, /* it is on its way */
        { 0, true, false, false },
        { 0, false, true, true },
    };
    (void)add_payment(b, PAY_VOIDED);
    struct operation_row *advice = add_operation(b, OPK_VOID, OPS_SENT);
    for (size_t i = 0; i < COUNT(rows); i++) {
        b->d.n_effects = 0;
        advice->next_ms = rows[i].next_ms;
        advice->attempts = 4;
        decide_repeat(&b->d,
            &(struct timer) {
                .now = rows[i].now, .resumed = rows[i].resumed, .operation = { SHOP, FOLLOWER } });
        assert_effects(b, rows[i].sent ? "S" : "");
        assert_int_equal(advice->attempts, rows[i].sent ? 5 : 4);
        assert_true(advice->next_ms == (rows[i].sent ? 0 : rows[i].next_ms));
    }
}

/* ---- the wire ---- */

static void an_operation_leaves_by_its_link_with_the_next_trace_number_of_its_acquirer(void **state)
{
    struct bench *b = *state;
    static const struct {
        const char *link;
        uint8_t sent_by;
        uint32_t stan;
    } rows[] = { { "main", 0, 100 }, { "spare", 1, 101 }, { "other", 2, 300 }, { "main", 0, 102 } };
    (void)add_payment(b, PAY_OPENING);
    struct operation_row *sale = add_operation(b, OPK_SALE, OPS_NEW);
    for (size_t i = 0; i < COUNT(rows); i++) {
        b->d.n_effects = 0;
        sale->state = OPS_NEW;
        assert_true(str_copy(sale->link, sizeof sale->link, str_of(rows[i].link)));
        assert_true(operation_apply(&b->d, sale, OPE_SEND, NULL));
        assert_effects(b, "S");
        assert_int_equal(b->effects[0].link, rows[i].sent_by);
        assert_ptr_equal(b->effects[0].operation, sale);
        assert_int_equal(sale->stan, rows[i].stan);
        assert_true(sale->sent_ms == NOW_MS);
        assert_int_equal(sale->attempts, 1);
    }
}

static void trace_numbers_go_from_999999_to_1(void **state)
{
    struct bench *b = *state;
    static const uint32_t wanted[] = { 999998, 999999, 1, 2 };
    b->next_stan[0] = 999998;
    (void)add_payment(b, PAY_OPENING);
    struct operation_row *sale = add_operation(b, OPK_SALE, OPS_NEW);
    for (size_t i = 0; i < COUNT(wanted); i++) {
        sale->state = OPS_NEW;
        assert_true(operation_apply(&b->d, sale, OPE_SEND, NULL));
        assert_int_equal(sale->stan, wanted[i]);
    }
}

/* ---- drafts ---- */

static void a_follower_takes_from_its_parent_what_the_host_must_see_again(void **state)
{
    struct bench *b = *state;
    struct payment_row *p = add_payment(b, PAY_AUTHORIZED);
    p->card_id = 77;
    struct operation_row *hold = add_operation(b, OPK_AUTHORIZE, OPS_APPROVED);
    hold->expiry_yymm = 2812;
    hold->entry = 3;
    (void)str_copy(hold->authcode, sizeof hold->authcode, STR("A1B2C3"));
    (void)str_copy(hold->link, sizeof hold->link, STR("other"));
    static const enum operation_kind kinds[] = { OPK_CAPTURE, OPK_VOID, OPK_REFUND };
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct operation_row o = operation_draft(&b->d, p, kinds[i], hold);
        assert_true(o.id > hold->id && id_time_ms(o.id) == NOW_MS);
        assert_true(o.merchant_id == SHOP && o.payment_id == OPENED && o.parent_id == OPENED);
        assert_int_equal(o.kind, kinds[i]);
        assert_int_equal(o.state, OPS_NEW);
        assert_int_equal(o.currency, 978);
        assert_int_equal(o.card_id, 77);
        assert_int_equal(o.expiry_yymm, 2812);
        assert_int_equal(o.entry, 3);
        assert_string_equal(o.link, "other");
        assert_string_equal(o.authcode, kinds[i] == OPK_REFUND ? "" : "A1B2C3");
        assert_true(o.created_ms == NOW_MS && o.updated_ms == NOW_MS);
    }
}

/* ---- the end of a window ---- */

static void a_hold_is_voided_when_its_window_ends_and_not_before(void **state)
{
    struct bench *b = *state;
    struct payment_row *p = add_payment(b, PAY_AUTHORIZED);
    struct operation_row *hold = add_operation(b, OPK_AUTHORIZE, OPS_APPROVED);
    (void)str_copy(hold->link, sizeof hold->link, STR("other"));
    p->expires_ms = NOW_MS + 1;
    decide_expiry(&b->d, p);
    assert_int_equal(p->state, PAY_AUTHORIZED);
    assert_effects(b, "");

    p->expires_ms = NOW_MS;
    decide_expiry(&b->d, p);
    assert_int_equal(p->state, PAY_VOIDED);
    assert_effects(b, "S");
    const struct operation_row *v = b->effects[0].operation;
    assert_int_equal(v->kind, OPK_VOID);
    assert_int_equal(v->amount_minor, 1000);
    assert_string_equal(v->reason, "17");
    assert_int_equal(b->effects[0].link, 2);
    assert_int_equal(b->d.n_entries, 2);
    assert_true(b->entries[0].operation_id == v->id && b->entries[0].amount_minor == 1000);

    decide_expiry(&b->d, p); /* it has been told twice */
    assert_effects(b, "S");
    assert_int_equal(b->d.n_entries, 2);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_moves_along_its_edges_and_no_others),
        EACH(an_event_without_an_answer_leaves_what_the_host_said_before),
        EACH(an_answer_is_kept_and_what_it_leaves_out_stays),
        EACH(an_advice_is_repeated_after_ever_longer_pauses),
        EACH(what_did_not_leave_does_not_count_as_sent),
        EACH(an_advice_is_given_up_after_so_many_tries_or_a_day),
        EACH(an_event_for_an_operation_that_is_gone_changes_nothing),
        EACH(an_answer_that_fits_nothing_is_logged_and_changes_nothing),
        EACH(what_is_left_to_a_person_is_logged),
        EACH(an_advice_is_sent_again_when_it_is_due_its_link_came_up_or_we_started_anew),
        EACH(an_operation_leaves_by_its_link_with_the_next_trace_number_of_its_acquirer),
        EACH(trace_numbers_go_from_999999_to_1),
        EACH(a_follower_takes_from_its_parent_what_the_host_must_see_again),
        EACH(a_hold_is_voided_when_its_window_ends_and_not_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
