/*
 * What may follow what: captures, voids and refunds against every state of a payment, the operation
 * they name, their amounts, and the end of the window.
 */
#include "world.h"

/* ---- every state of a payment x every command ---- */

/* A payment, by the operations that a merchant may name. */
struct stand {
    int64_t opening, capture; /* capture 0: there is none */
};

static void hear_last(struct world *w, enum acquirer_event_kind kind, const char *de39)
{
    hear(w, last(w), kind, de39);
}

/* Leaves the payment at the host's refusal to undo a refund. */
static void refund_until_stuck(struct world *w, int64_t reference)
{
    (void)send_for(w, CMD_REFUND, reference, 100);
    hear_last(w, ACQ_SILENT, "");
    hear_last(w, ACQ_ANSWERED, "30");
}

/* Opens a payment and stops in that state, if it is one before anything is captured. */
static bool bring_opening(
    struct world *w, enum command_kind kind, enum payment_state state, struct stand *s)
{
    s->opening = id_of(send(w, kind, 1000));
    s->capture = 0;
    switch (state) {
    case PAY_OPENING:
        return true;
    case PAY_DECLINED:
        hear_last(w, ACQ_ANSWERED, "05");
        return true;
    case PAY_REVERSING:
        hear_last(w, ACQ_SILENT, "");
        return true;
    case PAY_REVERSED:
        hear_last(w, ACQ_SILENT, "");
        hear_last(w, ACQ_ANSWERED, "00");
        return true;
    default:
        hear_last(w, ACQ_ANSWERED, "00");
        return state == PAY_AUTHORIZED;
    }
}

/* A captured payment goes on to one of the states behind that. */
static void bring_on(struct world *w, int64_t reference, enum payment_state state)
{
    switch (state) {
    case PAY_REFUNDING:
        (void)send_for(w, CMD_REFUND, reference, 400);
        break;
    case PAY_REFUNDED:
        (void)approved_for(w, CMD_REFUND, reference, 1000);
        break;
    case PAY_MANUAL:
        refund_until_stuck(w, reference);
        break;
    default:
        break;
    }
}

static struct stand bring(struct world *w, enum command_kind kind, enum payment_state state)
{
    struct stand s;
    if (!bring_opening(w, kind, state, &s)) {
        if (state == PAY_VOIDED) {
            (void)ask_for(w, CMD_VOID, s.opening, 0);
            step(w);
        } else if (kind == CMD_AUTHORIZE) {
            s.capture = id_of(send_for(w, CMD_CAPTURE, s.opening, 1000));
            if (state != PAY_CAPTURING)
                hear_last(w, ACQ_ANSWERED, "00");
        }
        bring_on(w, kind == CMD_SALE ? s.opening : s.capture, state);
    }
    assert_int_equal(payment_of(w, s.opening)->state, state);
    return s;
}

#define TAKEN OUT_NONE

/* Asks, and holds the answer against what is expected: a refusal without a trace, or TAKEN. */
static void assert_asked(struct world *w, enum command_kind kind, int64_t reference,
    enum outcome expected, enum payment_state state)
{
    struct wish *i = wish_new(w, kind, kind == CMD_VOID ? 0 : 100);
    i->c.reference = reference;
    if (expected != TAKEN) {
        assert_refused(w, submit(i), expected);
        assert_int_equal(payment_of(w, reference)->state, state);
        /* It has not used up its id. */
        struct wish *again = wish_new(w, kind, i->c.amount_minor);
        again->c.reference = reference;
        again->c.unique_id = i->c.unique_id;
        assert_refused(w, submit(again), expected);
        return;
    }
    (void)submit(i);
    step(w);
    assert_true(i->c.reply.recorded);
    assert_int_not_equal(payment_of(w, reference)->state, state);
}

static const struct {
    enum payment_state state;
    enum outcome capture, voiding, refund; /* naming the authorization */
    enum outcome refund_capture;           /* naming the capture, where there is one */
} after_authorization[] = {
    { PAY_OPENING, OUT_PAYMENT_BUSY, OUT_PAYMENT_BUSY, OUT_REFUND_NOT_POSSIBLE, 0 },
    { PAY_AUTHORIZED, TAKEN, TAKEN, OUT_NOT_CAPTURED, 0 },
    { PAY_CAPTURING, OUT_PAYMENT_BUSY, OUT_PAYMENT_BUSY, OUT_REFUND_NOT_POSSIBLE,
        OUT_PAYMENT_BUSY },
    { PAY_CAPTURED, OUT_ALREADY_CAPTURED, OUT_VOID_NOT_POSSIBLE, OUT_REFUND_NOT_POSSIBLE, TAKEN },
    { PAY_REFUNDING, OUT_ALREADY_CAPTURED, OUT_VOID_NOT_POSSIBLE, OUT_REFUND_NOT_POSSIBLE,
        OUT_PAYMENT_BUSY },
    { PAY_REFUNDED, OUT_ALREADY_CAPTURED, OUT_VOID_NOT_POSSIBLE, OUT_REFUND_NOT_POSSIBLE,
        OUT_ALREADY_REFUNDED },
    { PAY_VOIDED, OUT_ALREADY_VOIDED, OUT_ALREADY_VOIDED, OUT_REFUND_NOT_POSSIBLE, 0 },
    { PAY_DECLINED, OUT_CAPTURE_NOT_POSSIBLE, OUT_VOID_NOT_POSSIBLE, OUT_REFUND_NOT_POSSIBLE, 0 },
    { PAY_REVERSING, OUT_CAPTURE_NOT_POSSIBLE, OUT_VOID_NOT_POSSIBLE, OUT_REFUND_NOT_POSSIBLE, 0 },
    { PAY_REVERSED, OUT_CAPTURE_NOT_POSSIBLE, OUT_VOID_NOT_POSSIBLE, OUT_REFUND_NOT_POSSIBLE, 0 },
    { PAY_MANUAL, OUT_PAYMENT_BUSY, OUT_PAYMENT_BUSY, OUT_REFUND_NOT_POSSIBLE, OUT_PAYMENT_BUSY },
};

static void every_state_after_an_authorization_answers_every_follow_up(void **state)
{
    struct world *w = world_of(state);
    for (size_t i = 0; i < COUNT(after_authorization); i++) {
        enum payment_state s = after_authorization[i].state;
        struct stand p = bring(w, CMD_AUTHORIZE, s);
        assert_asked(w, CMD_REFUND, p.opening, after_authorization[i].refund, s);
        if (p.capture != 0)
            assert_asked(w, CMD_REFUND, p.capture, after_authorization[i].refund_capture, s);
        p = bring(w, CMD_AUTHORIZE, s);
        assert_asked(w, CMD_CAPTURE, p.opening, after_authorization[i].capture, s);
        p = bring(w, CMD_AUTHORIZE, s);
        assert_asked(w, CMD_VOID, p.opening, after_authorization[i].voiding, s);
    }
}

static const struct {
    enum payment_state state;
    enum outcome refund;
} after_sale[] = {
    { PAY_OPENING, OUT_PAYMENT_BUSY },
    { PAY_CAPTURED, TAKEN },
    { PAY_REFUNDING, OUT_PAYMENT_BUSY },
    { PAY_REFUNDED, OUT_ALREADY_REFUNDED },
    { PAY_DECLINED, OUT_REFUND_NOT_POSSIBLE },
    { PAY_REVERSING, OUT_REFUND_NOT_POSSIBLE },
    { PAY_REVERSED, OUT_REFUND_NOT_POSSIBLE },
    { PAY_MANUAL, OUT_PAYMENT_BUSY },
};

static void every_state_after_a_sale_answers_every_follow_up(void **state)
{
    struct world *w = world_of(state);
    for (size_t i = 0; i < COUNT(after_sale); i++) {
        struct stand p = bring(w, CMD_SALE, after_sale[i].state);
        assert_asked(w, CMD_CAPTURE, p.opening, OUT_CAPTURE_NOT_POSSIBLE, after_sale[i].state);
        assert_asked(w, CMD_VOID, p.opening, OUT_VOID_NOT_POSSIBLE, after_sale[i].state);
        assert_asked(w, CMD_REFUND, p.opening, after_sale[i].refund, after_sale[i].state);
    }
}

/* ---- the operation that is named ---- */

static void only_operations_of_the_merchant_can_be_named(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    static const enum command_kind kinds[] = { CMD_CAPTURE, CMD_VOID, CMD_REFUND };
    const int64_t strange[] = { 0, -1, 1, hold + 1, INT64_MAX, INT64_MIN };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        for (size_t i = 0; i < COUNT(strange); i++)
            assert_refused(w, ask_for(w, kinds[k], strange[i], 100), OUT_UNKNOWN_REFERENCE);
        struct wish *other = wish_new(w, kinds[k], 100);
        other->c.merchant = w->other;
        other->c.reference = hold;
        assert_refused(w, submit(other), OUT_UNKNOWN_REFERENCE);
    }
    assert_stands(w, hold, OPS_APPROVED, PAY_AUTHORIZED);
}

static void what_the_engine_does_by_itself_cannot_be_named(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    (void)approved_for(w, CMD_CAPTURE, hold, 600);
    int64_t release = last(w)->m.operation.id;
    (void)send(w, CMD_SALE, 1000);
    hear_last(w, ACQ_SILENT, "");
    int64_t reversal = last(w)->m.operation.id;
    static const enum command_kind kinds[] = { CMD_CAPTURE, CMD_VOID, CMD_REFUND };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        assert_refused(w, ask_for(w, kinds[k], release, 100), OUT_UNKNOWN_REFERENCE);
        assert_refused(w, ask_for(w, kinds[k], reversal, 100), OUT_UNKNOWN_REFERENCE);
    }
}

static void a_refund_names_a_sale_or_an_approved_capture(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *declined = send_for(w, CMD_CAPTURE, hold, 1000);
    hear_last(w, ACQ_ANSWERED, "05");
    struct wish *failed = send_for(w, CMD_CAPTURE, hold, 1000);
    hear_last(w, ACQ_NOT_SENT, "");
    int64_t capture = approved_for(w, CMD_CAPTURE, hold, 1000);
    int64_t refund = approved_for(w, CMD_REFUND, capture, 100);
    assert_refused(w, ask_for(w, CMD_REFUND, id_of(declined), 100), OUT_REFUND_NOT_POSSIBLE);
    assert_refused(w, ask_for(w, CMD_REFUND, id_of(failed), 100), OUT_REFUND_NOT_POSSIBLE);
    assert_refused(w, ask_for(w, CMD_REFUND, refund, 100), OUT_REFUND_NOT_POSSIBLE);
    struct wish *voided = ask_for(w, CMD_VOID, approved(w, CMD_AUTHORIZE, 1000), 0);
    step(w);
    assert_refused(w, ask_for(w, CMD_REFUND, id_of(voided), 100), OUT_REFUND_NOT_POSSIBLE);
}

static void captures_and_voids_name_an_authorization(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *declined = send_for(w, CMD_CAPTURE, hold, 1000);
    hear_last(w, ACQ_ANSWERED, "05");
    assert_refused(w, ask_for(w, CMD_CAPTURE, id_of(declined), 100), OUT_CAPTURE_NOT_POSSIBLE);
    assert_refused(w, ask_for(w, CMD_VOID, id_of(declined), 0), OUT_VOID_NOT_POSSIBLE);
    struct wish *voided = ask_for(w, CMD_VOID, hold, 0);
    step(w);
    assert_refused(w, ask_for(w, CMD_CAPTURE, id_of(voided), 100), OUT_CAPTURE_NOT_POSSIBLE);
    assert_refused(w, ask_for(w, CMD_VOID, id_of(voided), 0), OUT_VOID_NOT_POSSIBLE);
}

/* Ids grow with time, so that somebody may guess one of this very batch. */
static void naming_an_operation_of_the_same_batch_does_no_harm(void **state)
{
    struct world *w = world_of(state);
    int64_t before = approved(w, CMD_SALE, 1000);
    clock_advance(&w->clock, 1);
    (void)ask(w, CMD_AUTHORIZE, 1000);
    int64_t base = id_floor(clock_now_ms(&w->clock));
    struct wish *guesses[3];
    for (int i = 0; i < 3; i++)
        guesses[i] = ask_for(w, CMD_CAPTURE, base + i, 100);
    step(w);
    int busy = 0;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(guesses[i]->told, 1);
        busy += guesses[i]->c.reply.outcome == OUT_PAYMENT_BUSY ? 1 : 0;
    }
    assert_int_equal(busy, 1);
    assert_int_equal(number(w, "SELECT count(*) FROM operation"), 2);
    assert_true(before < base);
}

/* ---- amounts ---- */

static void a_capture_takes_at_most_what_is_held(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    assert_refused(w, ask_for(w, CMD_CAPTURE, hold, 1001), OUT_CAPTURE_TOO_LARGE);
    assert_refused(w, ask_for(w, CMD_CAPTURE, hold, INT64_MAX), OUT_CAPTURE_TOO_LARGE);
    assert_refused(w, ask_for(w, CMD_CAPTURE, hold, 0), OUT_CAPTURE_TOO_LARGE);
    assert_refused(w, ask_for(w, CMD_CAPTURE, hold, -1), OUT_CAPTURE_TOO_LARGE);
    (void)approved_for(w, CMD_CAPTURE, hold, 1000);
}

static void refunds_take_at_most_what_is_left_of_the_capture(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    int64_t capture = approved_for(w, CMD_CAPTURE, hold, 600);
    assert_refused(w, ask_for(w, CMD_REFUND, capture, 601), OUT_REFUND_TOO_LARGE);
    assert_refused(w, ask_for(w, CMD_REFUND, capture, 0), OUT_REFUND_TOO_LARGE);
    assert_refused(w, ask_for(w, CMD_REFUND, capture, -600), OUT_REFUND_TOO_LARGE);
    (void)approved_for(w, CMD_REFUND, capture, 250);
    assert_refused(w, ask_for(w, CMD_REFUND, capture, 351), OUT_REFUND_TOO_LARGE);
    (void)approved_for(w, CMD_REFUND, capture, 350);
    assert_stands(w, capture, OPS_APPROVED, PAY_REFUNDED);
}

static void follow_ups_are_in_the_currency_of_the_payment(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000), sale = approved(w, CMD_SALE, 1000);
    struct wish *capture = wish_new(w, CMD_CAPTURE, 100);
    capture->c.reference = hold;
    capture->c.currency = currency_by_code(STR("USD"));
    assert_refused(w, submit(capture), OUT_CURRENCY_MISMATCH);
    struct wish *refund = wish_new(w, CMD_REFUND, 100);
    refund->c.reference = sale;
    refund->c.currency = currency_by_code(STR("JPY"));
    assert_refused(w, submit(refund), OUT_CURRENCY_MISMATCH);
}

static void a_payment_that_may_be_refunded_once_is(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    for (int i = 0; i < 2; i++) {
        struct wish *refund = wish_new(w, CMD_REFUND, 400);
        refund->c.reference = sale;
        refund->c.single_refund = true;
        if (i == 1) {
            assert_refused(w, submit(refund), OUT_ALREADY_REFUNDED);
            break;
        }
        (void)submit(refund);
        step(w);
        hear_last(w, ACQ_ANSWERED, "00");
        assert_told(refund, OUT_APPROVED);
    }
}

static void the_smallest_unit_is_an_amount(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000), sale = approved(w, CMD_SALE, 1000);
    int64_t capture = approved_for(w, CMD_CAPTURE, hold, 1);
    assert_true(payment_of(w, capture)->captured_minor == 1);
    (void)approved_for(w, CMD_REFUND, sale, 1);
    assert_true(payment_of(w, sale)->refunded_minor == 1);
    struct wish *once = wish_new(w, CMD_REFUND, 1);
    once->c.reference = sale;
    once->c.single_refund = true;
    assert_refused(w, submit(once), OUT_ALREADY_REFUNDED);
}

static void a_payment_is_as_old_as_its_last_change(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    pass(w, MINUTE);
    (void)send_for(w, CMD_REFUND, sale, 100);
    assert_true(payment_of(w, sale)->updated_ms == NOW_MS + MINUTE);
    pass(w, MINUTE);
    answer(w, last(w), "00");
    assert_true(payment_of(w, sale)->updated_ms == NOW_MS + 2 * MINUTE);
    assert_true(payment_of(w, sale)->created_ms == NOW_MS);
}

static void a_declined_refund_was_none(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    (void)send_for(w, CMD_REFUND, sale, 400);
    hear_last(w, ACQ_ANSWERED, "05");
    struct wish *refund = wish_new(w, CMD_REFUND, 1000);
    refund->c.reference = sale;
    refund->c.single_refund = true;
    (void)submit(refund);
    step(w);
    hear_last(w, ACQ_ANSWERED, "00");
    assert_told(refund, OUT_APPROVED);
}

/* ---- one operation at a time ---- */

static void of_two_captures_in_one_batch_the_second_finds_the_payment_busy(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *first = ask_for(w, CMD_CAPTURE, hold, 600);
    struct wish *second = ask_for(w, CMD_CAPTURE, hold, 600);
    struct wish *voided = ask_for(w, CMD_VOID, hold, 0);
    step(w);
    assert_waits(first);
    assert_told(second, OUT_PAYMENT_BUSY);
    assert_told(voided, OUT_PAYMENT_BUSY);
}

static void of_two_voids_in_one_batch_the_second_is_already_done(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *first = ask_for(w, CMD_VOID, hold, 0);
    struct wish *second = ask_for(w, CMD_VOID, hold, 0);
    step(w);
    assert_told(first, OUT_APPROVED);
    assert_told(second, OUT_ALREADY_VOIDED);
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE kind = 5"), 1);
}

static void a_follow_up_sees_the_answer_of_its_own_batch(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    (void)give(w, last(w), ACQ_ANSWERED, "00");
    struct wish *refund = ask_for(w, CMD_REFUND, id_of(sale), 1000);
    step(w);
    assert_told(sale, OUT_APPROVED);
    assert_waits(refund);
    assert_stands(w, id_of(refund), OPS_SENT, PAY_REFUNDING);
}

static void a_follow_up_replies_with_the_token_of_the_card(void **state)
{
    struct world *w = world_of(state);
    struct wish *hold = send(w, CMD_AUTHORIZE, 1000);
    hear_last(w, ACQ_ANSWERED, "00");
    struct wish *voided = ask_for(w, CMD_VOID, id_of(hold), 0);
    step(w);
    assert_true(hold->c.reply.has_token && voided->c.reply.has_token);
    assert_memory_equal(voided->c.reply.token, hold->c.reply.token, 16);
}

/* ---- the window ---- */

static void a_follow_up_keeps_the_id_and_the_facts_that_came_with_it(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000), other = approved(w, CMD_AUTHORIZE, 1000);
    int64_t capture = approved_for(w, CMD_CAPTURE, hold, 1000);
    int64_t refund = approved_for(w, CMD_REFUND, capture, 400);
    struct wish *i = ask_for(w, CMD_VOID, other, 0);
    step(w);
    assert_told(i, OUT_APPROVED);
    const int64_t made[] = { capture, refund, id_of(i) };
    for (size_t n = 0; n < COUNT(made); n++) {
        const struct operation_row *o = operation(w, made[n]);
        assert_true(str_starts_with(o->unique_id, STR("order-")));
        assert_true(str_eq(o->facts, STR("{\"note\":\"a fact\"}")));
    }
    struct wish *again = wish_new(w, CMD_REFUND, 100);
    again->c.reference = capture;
    again->c.unique_id = operation(w, refund)->unique_id;
    assert_refused(w, submit(again), OUT_DUPLICATE_ID);
}

/* A command may lie where another was answered. */
static void a_reply_says_nothing_of_the_one_before(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = wish_new(w, CMD_VOID, 0);
    memset(&i->c.reply, 0xff, sizeof i->c.reply);
    i->c.reference = 12345;
    assert_refused(w, submit(i), OUT_UNKNOWN_REFERENCE);
    assert_false(i->c.reply.has_token);
    assert_int_equal(i->c.reply.operation_id, 0);
}

static void a_hold_can_be_captured_until_its_window_ends(void **state)
{
    struct world *w = world_of(state);
    int64_t early = approved(w, CMD_AUTHORIZE, 1000), late = approved(w, CMD_AUTHORIZE, 1000);
    clock_advance(&w->clock, 7 * DAY - 1);
    (void)approved_for(w, CMD_CAPTURE, early, 1000);
    clock_advance(&w->clock, 1);
    struct wish *capture = ask_for(w, CMD_CAPTURE, late, 1000);
    struct wish *voided = ask_for(w, CMD_VOID, late, 0);
    step(w);
    assert_told(capture, OUT_WINDOW_CLOSED);
    assert_told(voided, OUT_WINDOW_CLOSED);
    assert_stands(w, late, OPS_APPROVED, PAY_VOIDED);
}

static void a_hold_whose_window_ends_is_voided_by_itself(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    assert_true(engine_next_due(w->engine) == NOW_MS + 7 * DAY);
    size_t before = w->n_sent;
    pass(w, 7 * DAY - 1);
    assert_int_equal(w->n_sent, before);
    pass(w, 1);
    struct sent *s = last(w);
    assert_int_equal(w->n_sent, before + 1);
    assert_int_equal(s->m.kind, OPK_VOID);
    assert_int_equal(s->m.amount_minor, 1000);
    assert_string_equal(s->m.reason, "17");
    assert_string_equal(s->m.original.mti, "0100");
    assert_stands(w, s->m.operation.id, OPS_SENT, PAY_VOIDED);
    assert_true(operation(w, s->m.operation.id)->parent_id == hold);
    assert_int_equal(operation(w, s->m.operation.id)->unique_id.n, 0);
    answer(w, s, "00");
    assert_stands(w, s->m.operation.id, OPS_APPROVED, PAY_VOIDED);
    assert_refused(w, ask_for(w, CMD_CAPTURE, hold, 1000), OUT_WINDOW_CLOSED);
    assert_true(engine_next_due(w->engine) == INT64_MAX);
}

static void a_hold_that_was_given_back_in_time_is_voided_and_not_expired(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    clock_advance(&w->clock, 7 * DAY - 1);
    (void)ask_for(w, CMD_VOID, hold, 0);
    step(w);
    answer(w, last(w), "00");
    pass(w, DAY);
    assert_refused(w, ask_for(w, CMD_VOID, hold, 0), OUT_ALREADY_VOIDED);
    assert_refused(w, ask_for(w, CMD_CAPTURE, hold, 1000), OUT_ALREADY_VOIDED);
}

static void what_the_face_refuses_comes_behind_everything_that_the_payment_says(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000), sale = approved(w, CMD_SALE, 1000);
    const struct {
        enum command_kind kind;
        int64_t reference, amount_minor;
        enum outcome outcome;
    } cases[] = {
        { CMD_CAPTURE, 7, 100, OUT_UNKNOWN_REFERENCE },
        { CMD_CAPTURE, sale, 100, OUT_CAPTURE_NOT_POSSIBLE },
        { CMD_CAPTURE, hold, 1001, OUT_CAPTURE_TOO_LARGE },
        { CMD_CAPTURE, hold, 1000, OUT_REFUSED_BY_FACE },
        { CMD_VOID, hold, 0, OUT_REFUSED_BY_FACE },
        { CMD_REFUND, hold, 100, OUT_NOT_CAPTURED },
        { CMD_REFUND, sale, 1001, OUT_REFUND_TOO_LARGE },
        { CMD_REFUND, sale, 1000, OUT_REFUSED_BY_FACE },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wish *wish = wish_new(w, cases[i].kind, cases[i].amount_minor);
        wish->c.reference = cases[i].reference;
        wish->c.refuse = OUT_REFUSED_BY_FACE;
        assert_refused(w, submit(wish), cases[i].outcome);
    }
    assert_stands(w, hold, OPS_APPROVED, PAY_AUTHORIZED);
    assert_stands(w, sale, OPS_APPROVED, PAY_CAPTURED);
}

static void the_length_of_the_window_is_the_merchants(void **state)
{
    struct world *w = world_of(state);
    shop_limits(w, "{\"window_days\":2}");
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    assert_true(payment_of(w, hold)->expires_ms == NOW_MS + 2 * DAY);
    shop_limits(w, "{\"window_days\":30}");
    (void)approved(w, CMD_AUTHORIZE, 1000);
    pass(w, 2 * DAY);
    assert_stands(w, hold, OPS_APPROVED, PAY_VOIDED);
    assert_true(engine_next_due(w->engine) == NOW_MS + 30 * DAY);
}

static void a_window_that_ends_means_nothing_to_what_is_captured_or_voided(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    int64_t capture = approved_for(w, CMD_CAPTURE, hold, 1000);
    int64_t other = approved(w, CMD_AUTHORIZE, 1000);
    (void)ask_for(w, CMD_VOID, other, 0);
    step(w);
    answer(w, last(w), "00");
    int64_t sale = approved(w, CMD_SALE, 1000);
    size_t before = w->n_sent;
    pass(w, 8 * DAY);
    assert_int_equal(w->n_sent, before);
    assert_stands(w, capture, OPS_APPROVED, PAY_CAPTURED);
    (void)approved_for(w, CMD_REFUND, sale, 1000);
    (void)approved_for(w, CMD_REFUND, capture, 1000);
}

static void a_capture_under_way_is_not_cut_off_by_the_end_of_the_window(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    clock_advance(&w->clock, 7 * DAY - 1);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 1000);
    clock_advance(&w->clock, 1);
    hear_last(w, ACQ_ANSWERED, "00");
    assert_told(capture, OUT_APPROVED);
    assert_stands(w, id_of(capture), OPS_APPROVED, PAY_CAPTURED);
}

static void a_late_answer_holds_nothing_after_the_window(void **state)
{
    struct world *w = world_of(state);
    struct wish *hold = send(w, CMD_AUTHORIZE, 1000);
    clock_advance(&w->clock, 8 * DAY); /* the sandbox's clock is moved while the host thinks */
    hear_last(w, ACQ_ANSWERED, "00");
    assert_told(hold, OUT_APPROVED);
    step(w);
    assert_stands(w, id_of(hold), OPS_APPROVED, PAY_VOIDED);
}

static void many_windows_end_in_several_steps(void **state)
{
    enum { HOLDS = 150 };
    struct world *w = world_of(state);
    int64_t ids[HOLDS];
    for (int i = 0; i < HOLDS; i++)
        ids[i] = approved(w, CMD_AUTHORIZE, 1000);
    clock_advance(&w->clock, 7 * DAY);
    struct wish *capture = ask_for(w, CMD_CAPTURE, ids[HOLDS - 1], 1000);
    step(w);
    assert_stands(w, ids[0], OPS_APPROVED, PAY_VOIDED);
    assert_stands(w, ids[HOLDS - 1], OPS_APPROVED, PAY_AUTHORIZED); /* not its turn yet */
    assert_told(capture, OUT_WINDOW_CLOSED);
    int steps = 0;
    while (engine_next_due(w->engine) <= clock_now_ms(&w->clock)) {
        step(w);
        assert_true(++steps < 10);
    }
    assert_true(steps > 0);
    for (int i = 0; i < HOLDS; i++)
        assert_stands(w, ids[i], OPS_APPROVED, PAY_VOIDED);
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE kind = 5"), HOLDS);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_WORLD(every_state_after_an_authorization_answers_every_follow_up),
        IN_WORLD(every_state_after_a_sale_answers_every_follow_up),
        IN_WORLD(only_operations_of_the_merchant_can_be_named),
        IN_WORLD(what_the_engine_does_by_itself_cannot_be_named),
        IN_WORLD(a_refund_names_a_sale_or_an_approved_capture),
        IN_WORLD(captures_and_voids_name_an_authorization),
        IN_WORLD(naming_an_operation_of_the_same_batch_does_no_harm),
        IN_WORLD(a_capture_takes_at_most_what_is_held),
        IN_WORLD(refunds_take_at_most_what_is_left_of_the_capture),
        IN_WORLD(follow_ups_are_in_the_currency_of_the_payment),
        IN_WORLD(a_payment_that_may_be_refunded_once_is),
        IN_WORLD(the_smallest_unit_is_an_amount),
        IN_WORLD(a_payment_is_as_old_as_its_last_change),
        IN_WORLD(a_declined_refund_was_none),
        IN_WORLD(of_two_captures_in_one_batch_the_second_finds_the_payment_busy),
        IN_WORLD(of_two_voids_in_one_batch_the_second_is_already_done),
        IN_WORLD(a_follow_up_sees_the_answer_of_its_own_batch),
        IN_WORLD(a_follow_up_replies_with_the_token_of_the_card),
        IN_WORLD(a_follow_up_keeps_the_id_and_the_facts_that_came_with_it),
        IN_WORLD(a_reply_says_nothing_of_the_one_before),
        IN_WORLD(a_hold_can_be_captured_until_its_window_ends),
        IN_WORLD(a_hold_whose_window_ends_is_voided_by_itself),
        IN_WORLD(a_hold_that_was_given_back_in_time_is_voided_and_not_expired),
        IN_WORLD(what_the_face_refuses_comes_behind_everything_that_the_payment_says),
        IN_WORLD(the_length_of_the_window_is_the_merchants),
        IN_WORLD(a_window_that_ends_means_nothing_to_what_is_captured_or_voided),
        IN_WORLD(a_capture_under_way_is_not_cut_off_by_the_end_of_the_window),
        IN_WORLD(a_late_answer_holds_nothing_after_the_window),
        IN_WORLD(many_windows_end_in_several_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
