/*
 * What comes late: answers after the silence, refusals after the window, advices after a day away.
 */
#include "world.h"

/* The payment's state belongs to the next refund then. */
static void a_late_approval_of_a_reversed_refund_leaves_the_next_refund_alone(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    struct wish *first = send_for(w, CMD_REFUND, sale, 400);
    struct sent *refund = last(w);
    hear(w, refund, ACQ_SILENT, "");
    answer(w, last(w), "00");
    assert_stands(w, id_of(first), OPS_REVERSED, PAY_CAPTURED);
    struct wish *second = send_for(w, CMD_REFUND, sale, 500);
    struct sent *in_flight = last(w);
    hear(w, refund, ACQ_LATE_ANSWER, "00");
    assert_int_equal(operation(w, id_of(first))->state, OPS_MANUAL);
    assert_stands(w, id_of(second), OPS_SENT, PAY_REFUNDING);
    answer(w, in_flight, "00");
    assert_told(second, OUT_APPROVED);
}

static void the_next_refund_survives_a_restart_too(void **state)
{
    struct world *w = world_of(state);
    int64_t sale = approved(w, CMD_SALE, 1000);
    (void)send_for(w, CMD_REFUND, sale, 400);
    struct sent *refund = last(w);
    hear(w, refund, ACQ_SILENT, "");
    answer(w, last(w), "00");
    (void)send_for(w, CMD_REFUND, sale, 500);
    hear(w, refund, ACQ_LATE_ANSWER, "00");
    crash_and_start(w);
    settle(w, "00");
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE state IN (1, 4)"), 0);
}

/* outcome NONE ("not decided yet") is stored and told. */
static void a_late_decline_of_a_capture_keeps_its_reason(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 600);
    struct sent *s = last(w);
    pass(w, 30 * SECOND);
    assert_told(capture, OUT_PENDING);
    hear(w, s, ACQ_SILENT, "");
    hear(w, s, ACQ_LATE_ANSWER, "51");
    assert_stands(w, id_of(capture), OPS_DECLINED, PAY_AUTHORIZED);
    assert_int_equal(operation(w, id_of(capture))->outcome, OUT_INSUFFICIENT_FUNDS);
}

/* the window of a hold whose capture was refused behind its end is never looked at again. */
static void a_capture_refused_after_the_window_lets_the_hold_go(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    clock_advance(&w->clock, 7 * DAY - 1);
    (void)send_for(w, CMD_CAPTURE, hold, 1000);
    struct sent *s = last(w);
    pass(w, 2); /* the window ends while the capture is on its way */
    answer(w, s, "05");
    settle(w, "00");
    assert_stands(w, hold, OPS_APPROVED, PAY_VOIDED);
}

static void a_capture_that_never_left_after_the_window_lets_the_hold_go(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    clock_advance(&w->clock, 7 * DAY - 1);
    (void)send_for(w, CMD_CAPTURE, hold, 1000);
    struct sent *s = last(w);
    pass(w, 2);
    hear(w, s, ACQ_NOT_SENT, "");
    settle(w, "00");
    assert_stands(w, hold, OPS_APPROVED, PAY_VOIDED);
}

/* rows.h: "0 when nothing is due". */
static void a_capture_answered_late_is_not_due_any_more(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 600);
    struct sent *s = last(w);
    hear(w, s, ACQ_SILENT, "");
    hear(w, s, ACQ_LATE_ANSWER, "00");
    assert_stands(w, id_of(capture), OPS_APPROVED, PAY_CAPTURED);
    assert_int_equal(operation(w, id_of(capture))->next_ms, 0);
}

/* the reply of engine_let_go has no time: 1970. */
static void a_reply_of_letting_go_has_its_time(void **state)
{
    struct world *w = world_of(state);
    struct wish *sent = send(w, CMD_SALE, 1000), *queued = ask(w, CMD_SALE, 1000);
    w->ending = true;
    engine_let_go(w->engine);
    assert_int_equal(sent->c.reply.at_ms, NOW_MS);
    assert_int_equal(queued->c.reply.at_ms, NOW_MS);
}

/* After a day away an advice is tried before it is given up. */
static void an_advice_is_tried_after_a_long_absence_before_it_is_given_up(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    clock_advance(&w->clock, 25 * HOUR);
    crash_and_start(w);
    settle(w, "00");
    assert_stands(w, id_of(sale), OPS_REVERSED, PAY_REVERSED);
}

/* a late 96 while the repeat is under way makes it due again, beside itself. */
static void a_late_please_try_again_does_not_double_the_repeat(void **state)
{
    struct world *w = world_of(state);
    struct wish *voided = ask_for(w, CMD_VOID, approved(w, CMD_AUTHORIZE, 1000), 0);
    step(w);
    struct sent *first = last(w);
    hear(w, first, ACQ_SILENT, "");
    pass(w, 5 * SECOND);
    size_t before = w->n_sent; /* the repeat is out and the host has not answered */
    hear(w, first, ACQ_LATE_ANSWER, "96");
    pass(w, 30 * SECOND);
    assert_int_equal(w->n_sent, before);
    assert_stands(w, id_of(voided), OPS_SENT, PAY_VOIDED);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_WORLD(a_late_decline_of_a_capture_keeps_its_reason),
        IN_WORLD(a_capture_refused_after_the_window_lets_the_hold_go),
        IN_WORLD(a_capture_that_never_left_after_the_window_lets_the_hold_go),
        IN_WORLD(a_capture_answered_late_is_not_due_any_more),
        IN_WORLD(a_reply_of_letting_go_has_its_time),
        IN_WORLD(an_advice_is_tried_after_a_long_absence_before_it_is_given_up),
        IN_WORLD(a_late_please_try_again_does_not_double_the_repeat),
        IN_WORLD(a_late_approval_of_a_reversed_refund_leaves_the_next_refund_alone),
        IN_WORLD(the_next_refund_survives_a_restart_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
