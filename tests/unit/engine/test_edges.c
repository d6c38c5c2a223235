/*
 * Every edge of both machines, walked by the engine over a real store: where the operation and its
 * payment stand, what the merchant is told, what leaves for the host, and what is booked.
 */
#include "world.h"

static int64_t booked(struct world *w, int64_t operation_id, enum entry_account account)
{
    char sql[160];
    (void)snprintf(sql, sizeof sql,
        "SELECT coalesce(sum(amount_minor), 0) FROM entry WHERE operation_id = %" PRId64
        " AND account = %d",
        operation_id, (int)account);
    return number(w, sql);
}

/* ---- NEW: sent, or no link is up ---- */

static void an_opening_is_written_as_sent_and_leaves(void **state)
{
    struct world *w = world_of(state);
    static const enum command_kind kinds[] = { CMD_AUTHORIZE, CMD_SALE };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct wish *i = send(w, kinds[k], 1250);
        const struct operation_row *o = operation(w, id_of(i));
        const struct sent *s = last(w);
        assert_stands(w, o->id, OPS_SENT, PAY_OPENING);
        assert_int_equal(o->kind, k == 0 ? OPK_AUTHORIZE : OPK_SALE);
        assert_int_equal(o->attempts, 1);
        assert_true(o->sent_ms == NOW_MS && o->created_ms == NOW_MS && o->stan > 0);
        assert_string_equal(o->link, "main");
        assert_true(str_eq(o->unique_id, i->c.unique_id));
        assert_string_equal(o->facts.p, "{\"note\":\"a fact\"}");
        assert_string_equal(s->pan, VISA);
        assert_string_equal(s->cvv, "123");
        assert_int_equal(s->m.expiry_yymm, 2812);
        assert_int_equal(s->m.amount_minor, 1250);
        assert_false(s->m.repeat);
        assert_true(payment_of(w, o->id)->expires_ms == (k == 0 ? NOW_MS + 7 * DAY : 0));
    }
}

static void an_opening_without_a_link_is_written_as_failed_and_the_payment_is_declined(void **state)
{
    struct world *w = world_of(state);
    static const enum command_kind kinds[] = { CMD_AUTHORIZE, CMD_SALE };
    w->views[0].up = false;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct wish *i = ask(w, kinds[k], 1250);
        step(w);
        assert_told(i, OUT_HOST_DOWN);
        assert_stands(w, id_of(i), OPS_FAILED, PAY_DECLINED);
        assert_int_equal(i->c.reply.state, OPS_FAILED);
        assert_int_equal(operation(w, id_of(i))->stan, 0);
    }
    assert_int_equal(w->n_sent, 0);
}

static void a_capture_is_written_as_sent_and_leaves(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *i = send_for(w, CMD_CAPTURE, hold, 600);
    assert_stands(w, id_of(i), OPS_SENT, PAY_CAPTURING);
    assert_int_equal(i->c.reply.payment_id, hold);
    assert_int_equal(last(w)->m.kind, OPK_CAPTURE);
    assert_int_equal(last(w)->m.amount_minor, 600);
    assert_string_equal(last(w)->m.authcode, AUTHCODE);
    assert_string_equal(last(w)->pan, VISA);
    assert_string_equal(last(w)->cvv, "");
    assert_int_equal(last(w)->m.original.stan, operation(w, hold)->stan);
}

static void a_capture_without_a_link_fails_and_the_hold_stands(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    w->views[0].up = false;
    struct wish *i = ask_for(w, CMD_CAPTURE, hold, 600);
    step(w);
    assert_told(i, OUT_HOST_DOWN);
    assert_stands(w, id_of(i), OPS_FAILED, PAY_AUTHORIZED);
    w->views[0].up = true;
    (void)approved_for(w, CMD_CAPTURE, hold, 1000);
}

static void a_refund_is_written_as_sent_and_leaves(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct wish *i = send_for(w, CMD_REFUND, sale, 300);
    assert_stands(w, id_of(i), OPS_SENT, PAY_REFUNDING);
    assert_int_equal(last(w)->m.kind, OPK_REFUND);
    assert_int_equal(last(w)->m.amount_minor, 300);
    assert_string_equal(last(w)->m.authcode, "");
}

static void a_refund_without_a_link_fails_and_the_payment_stays_captured(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    w->views[0].up = false;
    struct wish *i = ask_for(w, CMD_REFUND, sale, 300);
    step(w);
    assert_told(i, OUT_HOST_DOWN);
    assert_stands(w, id_of(i), OPS_FAILED, PAY_CAPTURED);
    assert_int_equal(payment_of(w, sale)->refunded_minor, 0);
}

static void a_void_is_done_when_it_is_durable_and_leaves_behind_the_reply(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *i = ask_for(w, CMD_VOID, hold, 0);
    step(w);
    assert_told(i, OUT_APPROVED);
    assert_stands(w, id_of(i), OPS_SENT, PAY_VOIDED);
    assert_int_equal(i->c.reply.amount_minor, 1000);
    assert_string_equal(i->c.reply.authcode, AUTHCODE);
    assert_int_equal(last(w)->m.kind, OPK_VOID);
    assert_int_equal(last(w)->m.amount_minor, 1000);
    assert_string_equal(last(w)->m.reason, "17");
    assert_string_equal(last(w)->m.authcode, AUTHCODE);
    assert_int_equal(booked(w, id_of(i), ACC_ISSUER_HOLD), -1000);
}

static void a_void_is_taken_while_no_link_is_up_and_waits_for_one(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    w->views[0].up = false;
    struct wish *i = ask_for(w, CMD_VOID, hold, 0);
    step(w);
    assert_told(i, OUT_APPROVED);
    hear(w, last(w), ACQ_NOT_SENT, "");
    assert_stands(w, id_of(i), OPS_SENT, PAY_VOIDED);
    w->views[0].up = true;
    pass(w, 5 * SECOND);
    assert_false(last(w)->m.repeat); /* nothing has left before */
    answer(w, last(w), "00");
    assert_stands(w, id_of(i), OPS_APPROVED, PAY_VOIDED);
}

/* ---- SENT: not sent ---- */

static void an_opening_that_never_left_is_failed(void **state)
{
    struct world *w = world_of(state);
    struct wish *hold = send(w, CMD_AUTHORIZE, 1000);
    hear(w, last(w), ACQ_NOT_SENT, "");
    assert_told(hold, OUT_HOST_DOWN);
    assert_stands(w, id_of(hold), OPS_FAILED, PAY_DECLINED);
    struct wish *sale = send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_NOT_SENT, "");
    assert_told(sale, OUT_HOST_DOWN);
    assert_stands(w, id_of(sale), OPS_FAILED, PAY_DECLINED);
    assert_int_equal(w->n_sent, 2); /* nothing is undone */
}

static void a_refund_that_never_left_is_failed(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct wish *i = send_for(w, CMD_REFUND, sale, 1000);
    hear(w, last(w), ACQ_NOT_SENT, "");
    assert_told(i, OUT_HOST_DOWN);
    assert_stands(w, id_of(i), OPS_FAILED, PAY_CAPTURED);
}

static void a_capture_that_never_left_is_failed(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *i = send_for(w, CMD_CAPTURE, hold, 600);
    hear(w, last(w), ACQ_NOT_SENT, "");
    assert_told(i, OUT_HOST_DOWN);
    assert_stands(w, id_of(i), OPS_FAILED, PAY_AUTHORIZED);
}

static void a_capture_whose_repeat_does_not_leave_is_repeated_on(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *i = send_for(w, CMD_CAPTURE, hold, 600);
    hear(w, last(w), ACQ_SILENT, "");
    pass(w, 5 * SECOND);
    assert_true(last(w)->m.repeat);
    hear(w, last(w), ACQ_NOT_SENT, "");
    assert_waits(i);
    assert_stands(w, id_of(i), OPS_SENT, PAY_CAPTURING);
    pass(w, 5 * SECOND);
    assert_true(last(w)->m.repeat); /* the first has left */
    answer(w, last(w), "00");
    assert_told(i, OUT_APPROVED);
}

static void an_advice_that_did_not_leave_is_sent_again_as_the_first(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    assert_told(sale, OUT_TIMEOUT);
    for (int k = 0; k < 3; k++) {
        assert_int_equal(last(w)->m.kind, OPK_REVERSAL);
        assert_false(last(w)->m.repeat);
        size_t before = w->n_sent;
        hear(w, last(w), ACQ_NOT_SENT, "");
        assert_int_equal(operation(w, last(w)->m.operation.id)->state, OPS_SENT);
        pass(w, 5 * SECOND - 1);
        assert_int_equal(w->n_sent, before);
        pass(w, 1);
        assert_int_equal(w->n_sent, before + 1);
    }
    answer(w, last(w), "00");
    assert_stands(w, id_of(sale), OPS_REVERSED, PAY_REVERSED);
}

/* ---- SENT: approved ---- */

static void an_approved_authorization_holds(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = send(w, CMD_AUTHORIZE, 1000);
    struct acquirer_event *ev = give(w, last(w), ACQ_ANSWERED, "00");
    (void)str_copy(ev->network_id, sizeof ev->network_id, STR("306326790123456"));
    (void)str_copy(ev->advice, sizeof ev->advice, STR("01"));
    (void)str_copy(ev->cvv_result, sizeof ev->cvv_result, STR("M"));
    step(w);
    assert_told(i, OUT_APPROVED);
    const struct operation_row *o = operation(w, id_of(i));
    assert_stands(w, o->id, OPS_APPROVED, PAY_AUTHORIZED);
    assert_string_equal(o->de39, "00");
    assert_string_equal(o->authcode, AUTHCODE);
    assert_string_equal(o->network_id, "306326790123456");
    assert_string_equal(o->advice, "01");
    assert_string_equal(o->cvv_result, "M");
    assert_string_equal(i->c.reply.authcode, AUTHCODE);
    assert_string_equal(i->c.reply.de39, "00");
    assert_int_equal(payment_of(w, o->id)->authorized_minor, 1000);
    assert_int_equal(booked(w, o->id, ACC_ISSUER_HOLD), 1000);
    (void)send_for(w, CMD_CAPTURE, o->id, 1000);
    assert_string_equal(last(w)->m.network_id, "306326790123456");
}

static void an_approved_sale_is_captured(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    assert_stands(w, sale, OPS_APPROVED, PAY_CAPTURED);
    assert_int_equal(payment_of(w, sale)->authorized_minor, 1000);
    assert_int_equal(payment_of(w, sale)->captured_minor, 1000);
    assert_int_equal(booked(w, sale, ACC_ACQUIRER_RECEIVABLE), 1000);
    assert_int_equal(booked(w, sale, ACC_ISSUER_HOLD), 0);
}

static void an_approved_capture_of_all_leaves_nothing_to_release(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    int64_t capture = approved_for(w, CMD_CAPTURE, hold, 1000);
    assert_stands(w, capture, OPS_APPROVED, PAY_CAPTURED);
    assert_stands(w, hold, OPS_APPROVED, PAY_CAPTURED);
    assert_int_equal(last(w)->m.kind, OPK_CAPTURE);
    assert_int_equal(booked(w, capture, ACC_ISSUER_HOLD), -1000);
    assert_int_equal(booked(w, capture, ACC_ACQUIRER_RECEIVABLE), 1000);
}

static void what_an_approved_capture_leaves_is_released_at_once(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    int64_t capture = approved_for(w, CMD_CAPTURE, hold, 600);
    struct sent *release = last(w);
    assert_int_equal(release->m.kind, OPK_RELEASE);
    assert_int_equal(release->m.amount_minor, 1000); /* DE 4: the hold */
    assert_int_equal(release->m.kept_minor, 600);    /* DE 95: what stays */
    assert_string_equal(release->m.reason, "32");
    assert_string_equal(release->m.original.mti, "0100");
    assert_int_equal(release->m.original.stan, operation(w, hold)->stan);
    assert_string_equal(release->m.authcode, AUTHCODE);
    int64_t id = release->m.operation.id;
    assert_int_equal(operation(w, id)->amount_minor, 400);
    assert_true(operation(w, id)->parent_id == hold);
    assert_int_equal(booked(w, id, ACC_ISSUER_HOLD), -400);
    assert_int_equal(booked(w, capture, ACC_ISSUER_HOLD), -600);
    assert_stands(w, id, OPS_SENT, PAY_CAPTURED);
    answer(w, release, "00");
    assert_stands(w, id, OPS_APPROVED, PAY_CAPTURED);
}

static void an_approved_refund_of_a_part_leaves_the_payment_captured(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    int64_t refund = approved_for(w, CMD_REFUND, sale, 300);
    assert_stands(w, refund, OPS_APPROVED, PAY_CAPTURED);
    assert_int_equal(payment_of(w, sale)->refunded_minor, 300);
    assert_int_equal(booked(w, refund, ACC_ACQUIRER_RECEIVABLE), -300);
}

static void the_refund_of_the_last_part_makes_the_payment_refunded(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    (void)approved_for(w, CMD_REFUND, sale, 300);
    int64_t refund = approved_for(w, CMD_REFUND, sale, 700);
    assert_stands(w, refund, OPS_APPROVED, PAY_REFUNDED);
    assert_int_equal(payment_of(w, sale)->refunded_minor, 1000);
}

/* ---- SENT: declined ---- */

static void a_declined_opening_keeps_its_reason(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = send(w, CMD_AUTHORIZE, 1000);
    answer(w, last(w), "51");
    assert_told(i, OUT_INSUFFICIENT_FUNDS);
    assert_string_equal(i->c.reply.de39, "51");
    assert_stands(w, id_of(i), OPS_DECLINED, PAY_DECLINED);
    assert_string_equal(operation(w, id_of(i))->de39, "51");
    i = send(w, CMD_SALE, 1000);
    answer(w, last(w), "N7");
    assert_told(i, OUT_WRONG_CVV);
    assert_stands(w, id_of(i), OPS_DECLINED, PAY_DECLINED);
    assert_int_equal(w->n_sent, 2);
    assert_int_equal(number(w, "SELECT count(*) FROM entry"), 0);
}

static void a_declined_capture_leaves_the_hold(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *i = send_for(w, CMD_CAPTURE, hold, 600);
    answer(w, last(w), "61");
    assert_told(i, OUT_LIMIT_EXCEEDED);
    assert_stands(w, id_of(i), OPS_DECLINED, PAY_AUTHORIZED);
    assert_int_equal(payment_of(w, hold)->captured_minor, 0);
    assert_int_equal(booked(w, id_of(i), ACC_ISSUER_HOLD), 0);
    (void)approved_for(w, CMD_CAPTURE, hold, 500); /* and it may be captured anew */
}

static void a_declined_refund_leaves_the_payment_captured(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct wish *i = send_for(w, CMD_REFUND, sale, 600);
    answer(w, last(w), "57");
    assert_told(i, OUT_NOT_PERMITTED);
    assert_stands(w, id_of(i), OPS_DECLINED, PAY_CAPTURED);
    assert_int_equal(payment_of(w, sale)->refunded_minor, 0);
    (void)approved_for(w, CMD_REFUND, sale, 1000);
}

/* ---- SENT: silence ---- */

/* The newest message must be the reversal of that operation, named by its trace number and time. */
static struct sent *assert_reversal_of(struct world *w, int64_t id, const char *mti)
{
    const struct operation_row *o = operation(w, id);
    struct sent *s = last(w);
    char rrn[13];
    rrn_make(o->sent_ms, o->stan, rrn);
    assert_int_equal(s->m.kind, OPK_REVERSAL);
    assert_int_equal(s->m.original_kind, o->kind);
    assert_string_equal(s->m.original.mti, mti);
    assert_int_equal(s->m.original.stan, o->stan);
    assert_true(s->m.original.sent_ms == o->sent_ms);
    assert_true(s->m.stan != o->stan && s->m.local_ms == o->sent_ms);
    assert_int_equal(s->m.amount_minor, o->amount_minor);
    assert_int_equal(s->m.expiry_yymm, o->expiry_yymm);
    assert_string_equal(s->m.reason, "68");
    assert_string_equal(s->m.rrn, rrn);
    assert_string_equal(s->pan, VISA);
    assert_string_equal(s->cvv, "");
    assert_true(operation(w, s->m.operation.id)->parent_id == id);
    return s;
}

static void silence_puts_an_opening_in_doubt_and_reverses_it(void **state)
{
    struct world *w = world_of(state);
    static const struct {
        enum command_kind kind;
        const char *mti;
    } openings[] = { { CMD_AUTHORIZE, "0100" }, { CMD_SALE, "0200" } };
    for (size_t k = 0; k < COUNT(openings); k++) {
        struct wish *i = send(w, openings[k].kind, 1000);
        clock_advance(&w->clock, 30 * SECOND);
        hear(w, last(w), ACQ_SILENT, "");
        assert_told(i, OUT_TIMEOUT);
        assert_stands(w, id_of(i), OPS_IN_DOUBT, PAY_REVERSING);
        struct sent *reversal = assert_reversal_of(w, id_of(i), openings[k].mti);
        assert_true(reversal->m.sent_ms == clock_now_ms(&w->clock));
        answer(w, reversal, "00");
        assert_stands(w, reversal->m.operation.id, OPS_APPROVED, PAY_REVERSED);
    }
}

static void an_answer_that_does_not_fit_is_silence_with_a_name(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = send(w, CMD_SALE, 1000);
    give(w, last(w), ACQ_SILENT, "")->malformed = true;
    step(w);
    assert_told(i, OUT_MALFORMED_ANSWER);
    assert_stands(w, id_of(i), OPS_IN_DOUBT, PAY_REVERSING);
}

static void a_part_that_nobody_asked_for_is_given_back(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = send(w, CMD_SALE, 1000);
    give(w, last(w), ACQ_ANSWERED, "10")->amount_minor = 500;
    step(w);
    assert_told(i, OUT_INSUFFICIENT_FUNDS);
    assert_stands(w, id_of(i), OPS_IN_DOUBT, PAY_REVERSING);
    struct sent *reversal = assert_reversal_of(w, id_of(i), "0200");
    answer(w, reversal, "00");
    assert_stands(w, id_of(i), OPS_REVERSED, PAY_REVERSED);
    assert_int_equal(number(w, "SELECT count(*) FROM entry"), 0);
}

static void silence_puts_a_refund_in_doubt_and_the_payment_goes_on_refunding(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct wish *i = send_for(w, CMD_REFUND, sale, 400);
    hear(w, last(w), ACQ_SILENT, "");
    assert_told(i, OUT_TIMEOUT);
    assert_stands(w, id_of(i), OPS_IN_DOUBT, PAY_REFUNDING);
    (void)assert_reversal_of(w, id_of(i), "0200");
    assert_refused(w, ask_for(w, CMD_REFUND, sale, 100), OUT_PAYMENT_BUSY);
}

static void a_capture_without_an_answer_is_never_reversed_but_repeated(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *i = send_for(w, CMD_CAPTURE, hold, 600);
    struct sent first = *last(w);
    hear(w, last(w), ACQ_SILENT, "");
    assert_waits(i);
    assert_stands(w, id_of(i), OPS_SENT, PAY_CAPTURING);
    assert_true(operation(w, id_of(i))->next_ms == NOW_MS + 5 * SECOND);
    assert_true(engine_next_due(w->engine) == NOW_MS + 5 * SECOND);
    pass(w, 5 * SECOND);
    const struct sent *second = last(w);
    assert_true(second->m.operation.id == first.m.operation.id && second->m.repeat);
    assert_int_equal(second->m.kind, OPK_CAPTURE);
    assert_int_equal(second->m.stan, first.m.stan);
    assert_true(second->m.sent_ms == first.m.sent_ms);
    assert_string_equal(second->m.rrn, first.m.rrn);
    assert_memory_equal(&second->m.original, &first.m.original, sizeof first.m.original);
    assert_string_equal(second->pan, VISA);
    assert_true(operation(w, id_of(i))->next_ms == 0); /* now the host has to speak */
    assert_int_equal(operation(w, id_of(i))->attempts, 2);
    answer(w, last(w), "00");
    assert_told(i, OUT_APPROVED);
    assert_stands(w, id_of(i), OPS_APPROVED, PAY_CAPTURED);
}

/* Brings a void, a reversal and a release on their way; gives their ids. */
static void three_advices(struct world *w, int64_t ids[3])
{
    struct wish *voided = ask_for(w, CMD_VOID, approved(w, CMD_AUTHORIZE, 1000), 0);
    step(w);
    ids[0] = id_of(voided);
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    ids[1] = last(w)->m.operation.id;
    (void)approved_for(w, CMD_CAPTURE, approved(w, CMD_AUTHORIZE, 1000), 100);
    ids[2] = last(w)->m.operation.id;
    assert_int_equal(operation(w, ids[0])->kind, OPK_VOID);
    assert_int_equal(operation(w, ids[1])->kind, OPK_REVERSAL);
    assert_int_equal(operation(w, ids[2])->kind, OPK_RELEASE);
}

static void an_advice_without_an_answer_is_repeated(void **state)
{
    struct world *w = world_of(state);
    int64_t ids[3];
    three_advices(w, ids);
    for (size_t i = 0; i < COUNT(ids); i++)
        (void)give(w, sent_for(w, ids[i]), ACQ_SILENT, "");
    step(w);
    for (size_t i = 0; i < COUNT(ids); i++) {
        assert_int_equal(operation(w, ids[i])->state, OPS_SENT);
        assert_true(operation(w, ids[i])->next_ms == NOW_MS + 5 * SECOND);
    }
    size_t before = w->n_sent;
    pass(w, 5 * SECOND);
    assert_int_equal(w->n_sent, before + 3);
    for (size_t i = 0; i < COUNT(ids); i++) {
        assert_true(sent_for(w, ids[i])->m.repeat);
        answer(w, sent_for(w, ids[i]), "00");
        assert_int_equal(operation(w, ids[i])->state, OPS_APPROVED);
    }
    before = w->n_sent;
    pass(w, HOUR);
    assert_int_equal(w->n_sent, before);
}

static void an_acknowledged_advice_is_approved_and_says_nothing_more(void **state)
{
    struct world *w = world_of(state);
    int64_t ids[3];
    three_advices(w, ids);
    size_t before = w->n_sent;
    for (size_t i = 0; i < COUNT(ids); i++) {
        answer(w, sent_for(w, ids[i]), "00");
        const struct operation_row *o = operation(w, ids[i]);
        assert_int_equal(o->state, OPS_APPROVED);
        assert_int_equal(o->outcome, OUT_APPROVED);
        assert_string_equal(o->de39, "00");
    }
    pass(w, HOUR);
    assert_int_equal(w->n_sent, before);
}

/* ---- stuck ---- */

static void a_refused_advice_waits_for_a_person(void **state)
{
    struct world *w = world_of(state);
    static const enum payment_state after[] = { PAY_VOIDED, PAY_MANUAL, PAY_CAPTURED };
    int64_t ids[3];
    three_advices(w, ids);
    size_t before = w->n_sent;
    for (size_t i = 0; i < COUNT(ids); i++) {
        answer(w, sent_for(w, ids[i]), "30");
        assert_stands(w, ids[i], OPS_MANUAL, after[i]);
        assert_string_equal(operation(w, ids[i])->de39, "30");
    }
    pass(w, HOUR);
    assert_int_equal(w->n_sent, before);
}

static void an_opening_whose_reversal_is_refused_waits_for_a_person_with_its_payment(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = send(w, CMD_AUTHORIZE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    answer(w, last(w), "12");
    assert_stands(w, id_of(i), OPS_MANUAL, PAY_MANUAL);
    assert_refused(w, ask_for(w, CMD_CAPTURE, id_of(i), 1000), OUT_PAYMENT_BUSY);
}

static void a_refund_whose_reversal_is_refused_waits_for_a_person_with_its_payment(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct wish *i = send_for(w, CMD_REFUND, sale, 400);
    hear(w, last(w), ACQ_SILENT, "");
    answer(w, last(w), "58");
    assert_stands(w, id_of(i), OPS_MANUAL, PAY_MANUAL);
    assert_stands(w, sale, OPS_APPROVED, PAY_MANUAL);
    assert_int_equal(payment_of(w, sale)->refunded_minor, 0);
}

static void a_capture_that_is_never_answered_waits_for_a_person_with_its_payment(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *i = send_for(w, CMD_CAPTURE, hold, 600);
    clock_advance(&w->clock, DAY);
    hear(w, last(w), ACQ_SILENT, "");
    assert_told(i, OUT_PENDING);
    assert_stands(w, id_of(i), OPS_MANUAL, PAY_MANUAL);
    assert_stands(w, hold, OPS_APPROVED, PAY_MANUAL);
    assert_int_equal(w->n_sent, 2);
}

/* ---- IN_DOUBT and REVERSED ---- */

static void a_late_approval_is_kept_and_the_reversal_goes_on(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = send(w, CMD_SALE, 1000);
    struct sent *sale = last(w);
    hear(w, sale, ACQ_SILENT, "");
    struct sent *reversal = last(w);
    hear(w, sale, ACQ_LATE_ANSWER, "00");
    assert_stands(w, id_of(i), OPS_IN_DOUBT, PAY_REVERSING);
    assert_string_equal(operation(w, id_of(i))->authcode, AUTHCODE);
    assert_string_equal(operation(w, id_of(i))->de39, "00");
    assert_int_equal(operation(w, id_of(i))->outcome, OUT_TIMEOUT); /* as the merchant was told */
    assert_ptr_equal(last(w), reversal);
    answer(w, reversal, "00");
    assert_stands(w, id_of(i), OPS_REVERSED, PAY_REVERSED);
}

static void a_late_decline_changes_nothing(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = send(w, CMD_SALE, 1000);
    struct sent *sale = last(w);
    hear(w, sale, ACQ_SILENT, "");
    hear(w, sale, ACQ_LATE_ANSWER, "51");
    assert_stands(w, id_of(i), OPS_IN_DOUBT, PAY_REVERSING);
    assert_string_equal(operation(w, id_of(i))->de39, "");
    assert_int_equal(operation(w, id_of(i))->outcome, OUT_TIMEOUT);
    answer(w, last(w), "25"); /* the host has nothing to undo */
    assert_stands(w, id_of(i), OPS_REVERSED, PAY_REVERSED);
    hear(w, sale, ACQ_LATE_ANSWER, "51");
    assert_stands(w, id_of(i), OPS_REVERSED, PAY_REVERSED);
}

static void an_acknowledged_reversal_closes_the_opening(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = send(w, CMD_AUTHORIZE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    answer(w, last(w), "00");
    assert_stands(w, id_of(i), OPS_REVERSED, PAY_REVERSED);
    assert_int_equal(operation(w, id_of(i))->outcome, OUT_TIMEOUT);
    assert_int_equal(number(w, "SELECT count(*) FROM entry"), 0);
}

static void an_acknowledged_reversal_of_a_refund_leaves_the_payment_captured(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct wish *i = send_for(w, CMD_REFUND, sale, 400);
    hear(w, last(w), ACQ_SILENT, "");
    answer(w, last(w), "00");
    assert_stands(w, id_of(i), OPS_REVERSED, PAY_CAPTURED);
    assert_int_equal(payment_of(w, sale)->refunded_minor, 0);
    (void)approved_for(w, CMD_REFUND, sale, 1000);
    assert_stands(w, sale, OPS_APPROVED, PAY_REFUNDED);
}

static void an_approval_after_the_reversal_was_closed_is_reversed_again(void **state)
{
    struct world *w = world_of(state);
    static const struct {
        enum command_kind kind;
        const char *mti;
    } openings[] = { { CMD_AUTHORIZE, "0100" }, { CMD_SALE, "0200" } };
    for (size_t k = 0; k < COUNT(openings); k++) {
        struct wish *i = send(w, openings[k].kind, 1000);
        struct sent *opening = last(w);
        hear(w, opening, ACQ_SILENT, "");
        struct sent *first = last(w);
        answer(w, first, "25");
        hear(w, opening, ACQ_LATE_ANSWER, "00");
        assert_stands(w, id_of(i), OPS_IN_DOUBT, PAY_REVERSING);
        struct sent *second = assert_reversal_of(w, id_of(i), openings[k].mti);
        assert_true(second->m.operation.id != first->m.operation.id);
        assert_string_equal(second->m.authcode, AUTHCODE);
        answer(w, second, "00");
        assert_stands(w, id_of(i), OPS_REVERSED, PAY_REVERSED);
        assert_int_equal(operation(w, id_of(i))->outcome, OUT_TIMEOUT);
    }
}

static void a_late_approval_of_a_refund_that_was_reversed_calls_a_person(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct wish *i = send_for(w, CMD_REFUND, sale, 400);
    struct sent *refund = last(w);
    hear(w, refund, ACQ_SILENT, "");
    answer(w, last(w), "00");
    hear(w, refund, ACQ_LATE_ANSWER, "00");
    assert_stands(w, id_of(i), OPS_MANUAL, PAY_CAPTURED);
}

/* ---- events that have no edge ---- */

static void a_second_answer_changes_nothing(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct wish *declined = send(w, CMD_SALE, 1000);
    answer(w, last(w), "51");
    struct sent *first = sent_for(w, sale), *second = sent_for(w, id_of(declined));
    static const enum acquirer_event_kind kinds[] = { ACQ_ANSWERED, ACQ_SILENT, ACQ_NOT_SENT };
    size_t messages = w->n_sent;
    for (size_t k = 0; k < COUNT(kinds); k++) {
        first->owed = second->owed = true;
        (void)give(w, first, kinds[k], kinds[k] == ACQ_ANSWERED ? "51" : "");
        (void)give(w, second, kinds[k], kinds[k] == ACQ_ANSWERED ? "00" : "");
        step(w);
    }
    assert_stands(w, sale, OPS_APPROVED, PAY_CAPTURED);
    assert_stands(w, id_of(declined), OPS_DECLINED, PAY_DECLINED);
    assert_string_equal(operation(w, sale)->de39, "00");
    assert_int_equal(w->n_sent, messages);
}

static void an_answer_for_an_operation_that_does_not_exist_changes_nothing(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct sent stranger = { .m = { .operation = { w->shop->row.id, 12345 } }, .owed = true };
    answer(w, &stranger, "00");
    stranger.m.operation = (struct row_key) { 999, sale };
    stranger.owed = true;
    answer(w, &stranger, "51");
    assert_stands(w, sale, OPS_APPROVED, PAY_CAPTURED);
    assert_int_equal(number(w, "SELECT count(*) FROM operation"), 1);
}

/* ---- every DE 39, for every kind of operation ---- */

static void every_response_code_takes_an_opening_where_its_class_says(void **state)
{
    struct world *w = world_of(state);
    size_t n;
    const struct response_code *codes = response_code_table(&n);
    for (size_t i = 0; i < n; i++) {
        struct wish *sale = send(w, i % 2 == 0 ? CMD_SALE : CMD_AUTHORIZE, 1000);
        answer(w, last(w), codes[i].de39);
        enum answer_class class = codes[i].class;
        bool doubt = class == ANSWER_UNKNOWN || class == ANSWER_PARTIAL;
        enum operation_state expected = class == ANSWER_APPROVED ? OPS_APPROVED
                                        : doubt                  ? OPS_IN_DOUBT
                                                                 : OPS_DECLINED;
        if (operation(w, id_of(sale))->state != expected)
            fail_msg(
                "%s: %s", codes[i].de39, operation_state_name(operation(w, id_of(sale))->state));
        assert_told(sale, codes[i].outcome);
        if (doubt)
            answer(w, last(w), "00");
    }
    struct wish *sale = send(w, CMD_SALE, 1000);
    answer(w, last(w), "ZZ");
    assert_told(sale, OUT_DECLINED);
}

static bool is_one_of(const char *codes, const char *code)
{
    struct str rest = str_of(codes), part;
    while (str_split(&rest, ' ', &part))
        if (str_eq(part, str_of(code)))
            return true;
    return false;
}

static void every_response_code_takes_a_capture_where_it_should(void **state)
{
    struct world *w = world_of(state);
    size_t n;
    const struct response_code *codes = response_code_table(&n);
    for (size_t i = 0; i < n; i++) {
        int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
        struct wish *capture = send_for(w, CMD_CAPTURE, hold, 1000);
        answer(w, last(w), codes[i].de39);
        bool taken = is_one_of("00 08 11 16 85 26 94", codes[i].de39);
        bool again = is_one_of("09 68 19 91 92 96", codes[i].de39);
        enum operation_state expected = taken ? OPS_APPROVED : again ? OPS_SENT : OPS_DECLINED;
        if (operation(w, id_of(capture))->state != expected)
            fail_msg(
                "%s: %s", codes[i].de39, operation_state_name(operation(w, id_of(capture))->state));
        assert_int_equal(capture->told, again ? 0 : 1);
        if (again) {
            pass(w, 5 * SECOND);
            answer(w, last(w), "00");
            assert_told(capture, OUT_APPROVED);
        }
    }
}

static void every_response_code_takes_an_advice_where_it_should(void **state)
{
    struct world *w = world_of(state);
    size_t n;
    const struct response_code *codes = response_code_table(&n);
    for (size_t i = 0; i < n; i++) {
        struct wish *voided = ask_for(w, CMD_VOID, approved(w, CMD_AUTHORIZE, 1000), 0);
        step(w);
        answer(w, last(w), codes[i].de39);
        bool closed = is_one_of("00 08 11 16 85 21 25 26 94", codes[i].de39);
        bool refused = is_one_of("03 12 13 30 40 57 58", codes[i].de39);
        enum operation_state expected = closed ? OPS_APPROVED : refused ? OPS_MANUAL : OPS_SENT;
        if (operation(w, id_of(voided))->state != expected)
            fail_msg(
                "%s: %s", codes[i].de39, operation_state_name(operation(w, id_of(voided))->state));
        if (expected == OPS_SENT) {
            pass(w, 5 * SECOND);
            answer(w, last(w), "00");
        }
    }
}

static void an_advice_is_answered_late_as_well_as_in_time(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 1000);
    struct sent *s = last(w);
    hear(w, s, ACQ_SILENT, "");
    hear(w, s, ACQ_LATE_ANSWER, "00");
    assert_told(capture, OUT_APPROVED);
    assert_stands(w, id_of(capture), OPS_APPROVED, PAY_CAPTURED);
    size_t before = w->n_sent;
    pass(w, HOUR);
    assert_int_equal(w->n_sent, before); /* the reminder finds nothing to do */

    struct wish *sale = send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    s = last(w);
    hear(w, s, ACQ_SILENT, "");
    hear(w, s, ACQ_LATE_ANSWER, "00");
    assert_stands(w, id_of(sale), OPS_REVERSED, PAY_REVERSED);
}

/* The answer that is late, and the one to the repeat: one of them counts. */
static void a_late_answer_and_the_answer_to_the_repeat_count_once(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 600);
    struct sent *first = last(w);
    hear(w, first, ACQ_SILENT, "");
    pass(w, 5 * SECOND);
    (void)give(w, first, ACQ_LATE_ANSWER, "00");
    (void)give(w, last(w), ACQ_ANSWERED, "94");
    step(w);
    assert_told(capture, OUT_APPROVED);
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE kind = 7"), 1);
    assert_int_equal(booked(w, id_of(capture), ACC_ACQUIRER_RECEIVABLE), 600);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_WORLD(an_opening_is_written_as_sent_and_leaves),
        IN_WORLD(an_opening_without_a_link_is_written_as_failed_and_the_payment_is_declined),
        IN_WORLD(a_capture_is_written_as_sent_and_leaves),
        IN_WORLD(a_capture_without_a_link_fails_and_the_hold_stands),
        IN_WORLD(a_refund_is_written_as_sent_and_leaves),
        IN_WORLD(a_refund_without_a_link_fails_and_the_payment_stays_captured),
        IN_WORLD(a_void_is_done_when_it_is_durable_and_leaves_behind_the_reply),
        IN_WORLD(a_void_is_taken_while_no_link_is_up_and_waits_for_one),
        IN_WORLD(an_opening_that_never_left_is_failed),
        IN_WORLD(a_refund_that_never_left_is_failed),
        IN_WORLD(a_capture_that_never_left_is_failed),
        IN_WORLD(a_capture_whose_repeat_does_not_leave_is_repeated_on),
        IN_WORLD(an_advice_that_did_not_leave_is_sent_again_as_the_first),
        IN_WORLD(an_approved_authorization_holds),
        IN_WORLD(an_approved_sale_is_captured),
        IN_WORLD(an_approved_capture_of_all_leaves_nothing_to_release),
        IN_WORLD(what_an_approved_capture_leaves_is_released_at_once),
        IN_WORLD(an_approved_refund_of_a_part_leaves_the_payment_captured),
        IN_WORLD(the_refund_of_the_last_part_makes_the_payment_refunded),
        IN_WORLD(a_declined_opening_keeps_its_reason),
        IN_WORLD(a_declined_capture_leaves_the_hold),
        IN_WORLD(a_declined_refund_leaves_the_payment_captured),
        IN_WORLD(silence_puts_an_opening_in_doubt_and_reverses_it),
        IN_WORLD(an_answer_that_does_not_fit_is_silence_with_a_name),
        IN_WORLD(a_part_that_nobody_asked_for_is_given_back),
        IN_WORLD(silence_puts_a_refund_in_doubt_and_the_payment_goes_on_refunding),
        IN_WORLD(a_capture_without_an_answer_is_never_reversed_but_repeated),
        IN_WORLD(an_advice_without_an_answer_is_repeated),
        IN_WORLD(an_acknowledged_advice_is_approved_and_says_nothing_more),
        IN_WORLD(a_refused_advice_waits_for_a_person),
        IN_WORLD(an_opening_whose_reversal_is_refused_waits_for_a_person_with_its_payment),
        IN_WORLD(a_refund_whose_reversal_is_refused_waits_for_a_person_with_its_payment),
        IN_WORLD(a_capture_that_is_never_answered_waits_for_a_person_with_its_payment),
        IN_WORLD(a_late_approval_is_kept_and_the_reversal_goes_on),
        IN_WORLD(a_late_decline_changes_nothing),
        IN_WORLD(an_acknowledged_reversal_closes_the_opening),
        IN_WORLD(an_acknowledged_reversal_of_a_refund_leaves_the_payment_captured),
        IN_WORLD(an_approval_after_the_reversal_was_closed_is_reversed_again),
        IN_WORLD(a_late_approval_of_a_refund_that_was_reversed_calls_a_person),
        IN_WORLD(a_second_answer_changes_nothing),
        IN_WORLD(an_answer_for_an_operation_that_does_not_exist_changes_nothing),
        IN_WORLD(every_response_code_takes_an_opening_where_its_class_says),
        IN_WORLD(every_response_code_takes_a_capture_where_it_should),
        IN_WORLD(every_response_code_takes_an_advice_where_it_should),
        IN_WORLD(an_advice_is_answered_late_as_well_as_in_time),
        IN_WORLD(a_late_answer_and_the_answer_to_the_repeat_count_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
