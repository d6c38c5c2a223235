/*
 * When things go wrong: silence and the schedule of repeats, giving up, a restart in every state,
 * trace numbers that never come twice, and a store that cannot write.
 */
#include "world.h"

/* ---- the schedule ---- */

/* Brings an advice to its silence, over and over, and holds the time between against the list. */
static void assert_schedule(struct world *w, int64_t id)
{
    static const int64_t seconds[] = { 5, 15, 30, 60, 120, 300, 300, 300 };
    for (size_t i = 0; i < COUNT(seconds); i++) {
        hear(w, sent_for(w, id), ACQ_SILENT, "");
        int64_t now_ms = clock_now_ms(&w->clock);
        assert_true(operation(w, id)->next_ms == now_ms + seconds[i] * SECOND);
        size_t before = w->n_sent;
        pass(w, seconds[i] * SECOND - 1);
        assert_int_equal(w->n_sent, before);
        pass(w, 1);
        assert_int_equal(w->n_sent, before + 1);
        assert_true(last(w)->m.operation.id == id && last(w)->m.repeat);
        assert_int_equal(operation(w, id)->attempts, i + 2);
        clock_advance(&w->clock, 60 * SECOND); /* what the link waits for the answer */
    }
}

static void a_reversal_is_repeated_by_the_schedule(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    assert_schedule(w, last(w)->m.operation.id);
    answer(w, last(w), "00");
    assert_stands(w, id_of(sale), OPS_REVERSED, PAY_REVERSED);
}

static void a_capture_is_repeated_by_the_schedule(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 600);
    assert_schedule(w, id_of(capture));
    assert_told(capture, OUT_PENDING);
    answer(w, last(w), "94"); /* it had it all along */
    assert_stands(w, id_of(capture), OPS_APPROVED, PAY_CAPTURED);
}

static void a_repeat_is_the_first_message_but_for_being_a_repeat(void **state)
{
    struct world *w = world_of(state);
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    struct sent first = *last(w);
    for (int i = 0; i < 3; i++) {
        hear(w, last(w), ACQ_SILENT, "");
        pass(w, HOUR);
        const struct sent *s = last(w);
        assert_true(s->m.repeat);
        assert_int_equal(s->m.stan, first.m.stan);
        assert_true(s->m.sent_ms == first.m.sent_ms && s->m.local_ms == first.m.local_ms);
        assert_string_equal(s->m.rrn, first.m.rrn);
        assert_string_equal(s->m.reason, first.m.reason);
        assert_string_equal(s->m.reference, first.m.reference);
        assert_memory_equal(&s->m.original, &first.m.original, sizeof first.m.original);
        assert_string_equal(s->pan, first.pan);
    }
}

/* A link comes up; what waits leaves with the step after that. */
static void link_comes_up(struct world *w)
{
    link_event(w, ACQ_LINK_UP, 0);
    step(w);
    if (engine_next_due(w->engine) <= clock_now_ms(&w->clock))
        step(w);
}

static void a_link_that_comes_up_hurries_what_waits(void **state)
{
    struct world *w = world_of(state);
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    int64_t reversal = last(w)->m.operation.id;
    (void)ask_for(w, CMD_VOID, approved(w, CMD_AUTHORIZE, 1000), 0);
    step(w);
    int64_t voided = last(w)->m.operation.id;
    (void)give(w, sent_for(w, reversal), ACQ_SILENT, "");
    (void)give(w, sent_for(w, voided), ACQ_SILENT, "");
    step(w);
    size_t before = w->n_sent;
    pass(w, SECOND);
    assert_int_equal(w->n_sent, before);
    link_event(w, ACQ_LINK_DOWN, 0);
    step(w);
    assert_int_equal(w->n_sent, before);
    link_comes_up(w);
    assert_int_equal(w->n_sent, before + 2);
    link_comes_up(w); /* what waits for its answer is not sent over again */
    pass(w, HOUR);
    assert_int_equal(w->n_sent, before + 2);
    answer(w, sent_for(w, reversal), "00");
    answer(w, sent_for(w, voided), "00");
}

/* The link drops and is back before the engine has looked: silence and link in one batch. */
static void a_link_that_was_gone_for_a_moment_takes_what_it_lost_at_once(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    int64_t reversal = last(w)->m.operation.id;
    (void)give(w, last(w), ACQ_SILENT, "");
    link_event(w, ACQ_LINK_DOWN, 0);
    size_t before = w->n_sent;
    link_comes_up(w);
    assert_int_equal(w->n_sent, before + 1);
    assert_true(last(w)->m.operation.id == reversal && last(w)->m.repeat);
    answer(w, last(w), "00");
    assert_stands(w, id_of(sale), OPS_REVERSED, PAY_REVERSED);
}

static void an_advice_is_given_up_after_a_day(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    int64_t id = last(w)->m.operation.id;
    while (clock_now_ms(&w->clock) < NOW_MS + DAY - 6 * MINUTE) {
        hear(w, last(w), ACQ_SILENT, "");
        assert_int_equal(operation(w, id)->state, OPS_SENT);
        pass(w, 5 * MINUTE);
    }
    clock_advance(&w->clock, NOW_MS + DAY - 1 - clock_now_ms(&w->clock));
    hear(w, last(w), ACQ_SILENT, "");
    assert_int_equal(operation(w, id)->state, OPS_SENT);
    pass(w, 5 * MINUTE);
    hear(w, last(w), ACQ_SILENT, "");
    assert_stands(w, id, OPS_MANUAL, PAY_MANUAL);
    assert_stands(w, id_of(sale), OPS_MANUAL, PAY_MANUAL);
    size_t before = w->n_sent;
    pass(w, DAY);
    assert_int_equal(w->n_sent, before);
}

static void an_advice_is_given_up_after_three_hundred_tries(void **state)
{
    struct world *w = world_of(state);
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    int64_t id = last(w)->m.operation.id;
    for (int i = 1; i < 300; i++) {
        hear(w, last(w), ACQ_SILENT, "");
        assert_int_equal(operation(w, id)->state, OPS_SENT);
        link_comes_up(w);
    }
    assert_int_equal(operation(w, id)->attempts, 300);
    hear(w, last(w), ACQ_SILENT, "");
    assert_stands(w, id, OPS_MANUAL, PAY_MANUAL);
}

static void an_advice_that_cannot_leave_for_a_day_is_given_up(void **state)
{
    struct world *w = world_of(state);
    struct wish *voided = ask_for(w, CMD_VOID, approved(w, CMD_AUTHORIZE, 1000), 0);
    step(w);
    hear(w, last(w), ACQ_NOT_SENT, "");
    pass(w, DAY);
    hear(w, last(w), ACQ_NOT_SENT, "");
    assert_stands(w, id_of(voided), OPS_MANUAL, PAY_VOIDED);
}

/* ---- restarts ---- */

static void a_request_found_sent_after_a_restart_is_reversed(void **state)
{
    struct world *w = world_of(state);
    int64_t captured = approved(w, CMD_SALE, 1000);
    int64_t hold = id_of(send(w, CMD_AUTHORIZE, 1000));
    int64_t sale = id_of(send(w, CMD_SALE, 1000));
    int64_t refund = id_of(send_for(w, CMD_REFUND, captured, 500));
    size_t before = w->n_sent;
    crash_and_start(w);
    assert_int_equal(w->n_sent, before); /* nothing leaves before the first step */
    assert_true(engine_next_due(w->engine) <= clock_now_ms(&w->clock));
    step(w);
    assert_int_equal(w->n_sent, before + 3);
    assert_stands(w, hold, OPS_IN_DOUBT, PAY_REVERSING);
    assert_stands(w, sale, OPS_IN_DOUBT, PAY_REVERSING);
    assert_stands(w, refund, OPS_IN_DOUBT, PAY_REFUNDING);
    assert_int_equal(operation(w, sale)->outcome, OUT_TIMEOUT);
    settle(w, "00");
    assert_stands(w, hold, OPS_REVERSED, PAY_REVERSED);
    assert_stands(w, sale, OPS_REVERSED, PAY_REVERSED);
    assert_stands(w, refund, OPS_REVERSED, PAY_CAPTURED);
}

static void an_advice_found_sent_after_a_restart_is_repeated(void **state)
{
    struct world *w = world_of(state);
    int64_t capture = id_of(send_for(w, CMD_CAPTURE, approved(w, CMD_AUTHORIZE, 1000), 600));
    struct wish *void_wish = ask_for(w, CMD_VOID, approved(w, CMD_AUTHORIZE, 1000), 0);
    step(w);
    int64_t voided = id_of(void_wish);
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    int64_t reversal = last(w)->m.operation.id;
    (void)approved_for(w, CMD_CAPTURE, approved(w, CMD_AUTHORIZE, 1000), 600);
    int64_t release = last(w)->m.operation.id;
    const int64_t ids[] = { capture, voided, reversal, release };
    uint32_t stans[COUNT(ids)];
    for (size_t i = 0; i < COUNT(ids); i++)
        stans[i] = sent_for(w, ids[i])->m.stan;
    crash_and_start(w);
    step(w);
    pass(w, 5 * SECOND);
    for (size_t i = 0; i < COUNT(ids); i++) {
        const struct sent *s = sent_for(w, ids[i]);
        assert_true(s->owed && s->m.repeat);
        assert_int_equal(s->m.stan, stans[i]);
        assert_string_equal(s->pan, VISA);
    }
    settle(w, "00");
    for (size_t i = 0; i < COUNT(ids); i++)
        assert_int_equal(operation(w, ids[i])->state, OPS_APPROVED);
}

static void an_advice_that_waits_keeps_its_time_over_a_restart(void **state)
{
    struct world *w = world_of(state);
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    int64_t id = last(w)->m.operation.id;
    hear(w, last(w), ACQ_SILENT, "");
    pass(w, 5 * SECOND);
    hear(w, last(w), ACQ_SILENT, "");
    int64_t due_ms = clock_now_ms(&w->clock) + 15 * SECOND;
    crash_and_start(w);
    assert_true(engine_next_due(w->engine) == due_ms);
    size_t before = w->n_sent;
    pass(w, 15 * SECOND - 1);
    assert_int_equal(w->n_sent, before);
    pass(w, 1);
    assert_int_equal(w->n_sent, before + 1);
    assert_true(last(w)->m.operation.id == id && last(w)->m.repeat);
    answer(w, last(w), "00");
}

static void what_is_in_doubt_is_not_reversed_twice_by_a_restart(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    for (int i = 0; i < 3; i++) {
        crash_and_start(w);
        step(w);
    }
    settle(w, "00");
    assert_stands(w, id_of(sale), OPS_REVERSED, PAY_REVERSED);
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE kind = 6"), 1);
}

static void what_is_closed_is_left_alone_by_a_restart(void **state)
{
    struct world *w = world_of(state);
    (void)approved_for(w, CMD_REFUND, approved(w, CMD_SALE, 1000), 500);
    (void)approved_for(w, CMD_CAPTURE, approved(w, CMD_AUTHORIZE, 1000), 1000);
    (void)send(w, CMD_SALE, 1000);
    answer(w, last(w), "05");
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_NOT_SENT, "");
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    answer(w, last(w), "30");
    size_t before = w->n_sent;
    w->weak.commits = 0;
    crash_and_start(w);
    assert_true(engine_next_due(w->engine) == INT64_MAX);
    step(w);
    pass(w, DAY);
    assert_int_equal(w->n_sent, before);
    assert_int_equal(w->weak.commits, 0);
}

static void windows_that_ended_while_the_process_was_away_are_ended(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    clock_advance(&w->clock, 8 * DAY);
    crash_and_start(w);
    step(w);
    assert_stands(w, hold, OPS_APPROVED, PAY_VOIDED);
    settle(w, "00");
}

static void many_open_operations_are_all_recovered(void **state)
{
    enum { MANY = 2 * BATCH_EVENTS + 100 };
    struct world *w = world_of(state);
    for (int i = 0; i < MANY; i++)
        (void)ask(w, CMD_SALE, 1000);
    while (engine_has_work(w->engine))
        step(w);
    assert_int_equal(w->n_sent, MANY);
    crash_and_start(w);
    settle(w, "00");
    assert_int_equal(number(w, "SELECT count(*) FROM payment WHERE state = 10"), MANY);
}

static void ids_grow_over_a_restart_although_the_clock_stands_still(void **state)
{
    struct world *w = world_of(state);
    int64_t before = approved(w, CMD_SALE, 1000);
    (void)ask(w, CMD_TOKENIZE, 0);
    struct wish *card = wish_new(w, CMD_TOKENIZE, 0);
    card->c.card = (struct card_input) { MASTERCARD, "", 2812 };
    (void)submit(card);
    step(w);
    crash_and_start(w);
    int64_t after = approved(w, CMD_SALE, 1000);
    assert_true(after > before);
    assert_true(after > number(w, "SELECT max(id) FROM card"));
}

/* ---- trace numbers ---- */

static void trace_numbers_do_not_come_twice_over_restarts(void **state)
{
    struct world *w = world_of(state);
    uint32_t before = 0;
    for (int round = 0; round < 10; round++) {
        for (int i = 0; i < 3; i++) {
            (void)approved(w, CMD_SALE, 1000);
            assert_true(last(w)->m.stan > before);
            before = last(w)->m.stan;
        }
        /* A number is covered by the store before it leaves. */
        assert_true(
            number(w, "SELECT value FROM setting WHERE name = 'stan.12345678901'") > before);
        crash_and_start(w);
    }
}

static void trace_numbers_go_round_after_999999(void **state)
{
    struct world *w = world_of(state);
    assert_int_equal(store_set(w->real, "stan.12345678901", 999998), STORE_OK);
    crash_and_start(w);
    static const uint32_t expected[] = { 999998, 999999, 1, 2, 3 };
    for (size_t i = 0; i < COUNT(expected); i++) {
        (void)approved(w, CMD_SALE, 1000);
        assert_int_equal(last(w)->m.stan, expected[i]);
    }
    crash_and_start(w);
    (void)approved(w, CMD_SALE, 1000);
    assert_true(last(w)->m.stan > 3 && last(w)->m.stan < 100000);
}

static void trace_numbers_that_make_no_sense_begin_anew(void **state)
{
    struct world *w = world_of(state);
    static const int64_t values[] = { 0, -5, 1000000, INT64_MAX };
    for (size_t i = 0; i < COUNT(values); i++) {
        assert_int_equal(store_set(w->real, "stan.12345678901", values[i]), STORE_OK);
        crash_and_start(w);
        (void)approved(w, CMD_SALE, 1000);
        assert_int_equal(last(w)->m.stan, 1);
    }
}

/* Several blocks of reserved numbers, over the largest one and over a restart. */
static void a_long_day_of_sales_uses_every_trace_number_once(void **state)
{
    enum { BATCHES = 48 };
    struct world *w = world_of(state);
    static bool used[1000000];
    memset(used, 0, sizeof used);
    assert_int_equal(store_set(w->real, "stan.12345678901", 990000), STORE_OK);
    crash_and_start(w);
    size_t seen = 0;
    for (int b = 0; b < BATCHES; b++) {
        for (int i = 0; i < BATCH_EVENTS; i++) {
            struct wish *sale = wish_new(w, CMD_SALE, 1000);
            sale->c.unique_id = STR_EMPTY;
            (void)submit(sale);
        }
        step(w);
        for (; seen < w->n_sent; seen++) {
            uint32_t stan = w->sent[seen]->m.stan;
            assert_true(stan >= 1 && stan <= 999999);
            assert_false(used[stan]);
            used[stan] = true;
            w->sent[seen]->owed = false;
        }
        int64_t upto = number(w, "SELECT value FROM setting WHERE name = 'stan.12345678901'");
        assert_true(upto >= 1 && upto <= 999999);
        assert_false(used[upto]); /* where a restart would go on */
        if (b == 20) {
            execute(w, "UPDATE operation SET state = 3; UPDATE payment SET state = 8");
            crash_and_start(w);
        }
    }
    execute(w, "UPDATE operation SET state = 3; UPDATE payment SET state = 8");
    crash_and_start(w);
}

/* ---- a store that cannot write ---- */

static void assert_store_failed(const struct wish *i)
{
    assert_told(i, OUT_STORE_FAILED);
    assert_false(i->c.reply.recorded);
    assert_int_equal(i->c.reply.operation_id, 0);
    assert_false(i->c.reply.has_token);
}

static void when_the_commit_fails_nothing_has_happened_and_everybody_is_told_so(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    static const enum store_result failures[] = { STORE_FULL, STORE_FAILED, STORE_CONFLICT };
    for (size_t f = 0; f < COUNT(failures); f++) {
        int64_t rows = number(w, "SELECT count(*) FROM operation");
        size_t messages = w->n_sent;
        w->weak.commit_says = failures[f];
        struct wish *sale = ask(w, CMD_SALE, 1000), *capture = ask_for(w, CMD_CAPTURE, hold, 600);
        struct wish *card = ask(w, CMD_TOKENIZE, 0);
        struct wish *refused = ask(w, CMD_SALE, 0);
        step(w);
        assert_store_failed(sale);
        assert_store_failed(capture);
        assert_store_failed(card);
        assert_store_failed(refused);
        assert_int_equal(w->n_sent, messages);
        assert_int_equal(number(w, "SELECT count(*) FROM operation"), rows);
        assert_stands(w, hold, OPS_APPROVED, PAY_AUTHORIZED);
        assert_false(engine_ready(w->engine));
        w->weak.commit_says = STORE_OK;
        pass(w, SECOND);
        assert_true(engine_ready(w->engine));
        struct wish *again = wish_new(w, CMD_SALE, 1000);
        again->c.unique_id = sale->c.unique_id;
        (void)submit(again);
        step(w);
        assert_waits(again); /* its id was not used up */
        answer(w, last(w), "00");
    }
    (void)approved_for(w, CMD_CAPTURE, hold, 1000);
}

static void when_the_load_fails_nothing_has_happened_either(void **state)
{
    struct world *w = world_of(state);
    w->weak.load_says = STORE_FAILED;
    struct wish *sale = ask(w, CMD_SALE, 1000);
    step(w);
    assert_store_failed(sale);
    assert_int_equal(w->n_sent, 0);
    assert_false(engine_ready(w->engine));
    w->weak.load_says = STORE_OK;
    pass(w, SECOND);
    assert_true(engine_ready(w->engine));
    (void)approved(w, CMD_SALE, 1000);
}

static void a_store_that_fails_is_tried_once_a_second(void **state)
{
    struct world *w = world_of(state);
    w->weak.commit_says = STORE_FULL;
    (void)ask(w, CMD_SALE, 1000);
    step(w);
    for (int i = 0; i < 3; i++) {
        int commits = w->weak.commits;
        assert_true(engine_next_due(w->engine) == clock_now_ms(&w->clock) + SECOND);
        pass(w, SECOND - 1);
        assert_int_equal(w->weak.commits, commits);
        pass(w, 1);
        assert_int_equal(w->weak.commits, commits + 1);
        assert_false(engine_ready(w->engine));
    }
    w->weak.commit_says = STORE_OK;
    pass(w, SECOND);
    assert_true(engine_ready(w->engine));
    assert_true(engine_next_due(w->engine) == INT64_MAX);
}

static void an_answer_that_could_not_be_stored_is_silence(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    struct sent *s = last(w);
    w->weak.commit_says = STORE_FULL;
    answer(w, s, "00");
    assert_waits(sale);
    assert_stands(w, id_of(sale), OPS_SENT, PAY_OPENING);
    pass(w, SECOND);
    assert_waits(sale);
    w->weak.commit_says = STORE_OK;
    pass(w, SECOND);
    assert_told(sale, OUT_TIMEOUT);
    assert_stands(w, id_of(sale), OPS_IN_DOUBT, PAY_REVERSING);
    assert_int_equal(last(w)->m.kind, OPK_REVERSAL);
    answer(w, last(w), "00");
    assert_stands(w, id_of(sale), OPS_REVERSED, PAY_REVERSED);
}

static void an_answer_to_an_advice_that_could_not_be_stored_is_asked_for_again(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 600);
    w->weak.commit_says = STORE_FULL;
    answer(w, last(w), "00");
    assert_waits(capture);
    w->weak.commit_says = STORE_OK;
    pass(w, SECOND);
    assert_stands(w, id_of(capture), OPS_SENT, PAY_CAPTURING);
    pass(w, 5 * SECOND);
    assert_true(last(w)->m.repeat);
    answer(w, last(w), "94");
    assert_told(capture, OUT_APPROVED);
    assert_stands(w, id_of(capture), OPS_APPROVED, PAY_CAPTURED);
}

static void what_never_left_stays_so_although_it_could_not_be_stored(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    w->weak.commit_says = STORE_FULL;
    hear(w, last(w), ACQ_NOT_SENT, "");
    assert_waits(sale);
    w->weak.commit_says = STORE_OK;
    pass(w, SECOND);
    assert_told(sale, OUT_HOST_DOWN);
    assert_stands(w, id_of(sale), OPS_FAILED, PAY_DECLINED);
    assert_int_equal(w->n_sent, 1);
}

static void a_repeat_and_a_window_that_could_not_be_stored_come_again(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    clock_advance(&w->clock, 7 * DAY - 5 * SECOND);
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    int64_t reversal = last(w)->m.operation.id;
    hear(w, last(w), ACQ_SILENT, "");
    size_t before = w->n_sent;
    w->weak.commit_says = STORE_FULL;
    pass(w, 5 * SECOND);
    assert_int_equal(w->n_sent, before);
    assert_stands(w, hold, OPS_APPROVED, PAY_AUTHORIZED);
    assert_int_equal(operation(w, reversal)->attempts, 1);
    w->weak.commit_says = STORE_OK;
    pass(w, SECOND);
    assert_int_equal(w->n_sent, before + 2);
    assert_stands(w, hold, OPS_APPROVED, PAY_VOIDED);
    assert_true(sent_for(w, reversal)->m.repeat);
    settle(w, "00");
}

static void a_hurried_repeat_that_could_not_be_stored_stays_hurried(void **state)
{
    struct world *w = world_of(state);
    (void)send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    for (int i = 0; i < 6; i++) { /* the next one would be due in five minutes */
        hear(w, last(w), ACQ_SILENT, "");
        link_event(w, ACQ_LINK_UP, 0);
        step(w);
        if (i == 5)
            w->weak.commit_says = STORE_FULL;
        step(w);
    }
    size_t before = w->n_sent;
    w->weak.commit_says = STORE_OK;
    pass(w, SECOND);
    assert_int_equal(w->n_sent, before + 1);
    answer(w, last(w), "00");
}

static void trace_numbers_of_a_batch_that_failed_are_covered_by_the_next(void **state)
{
    struct world *w = world_of(state);
    w->weak.commit_says = STORE_FULL;
    (void)ask(w, CMD_SALE, 1000);
    step(w);
    w->weak.commit_says = STORE_OK;
    pass(w, SECOND);
    (void)approved(w, CMD_SALE, 1000);
    int64_t upto = number(w, "SELECT value FROM setting WHERE name = 'stan.12345678901'");
    assert_true(upto > last(w)->m.stan);
    crash_and_start(w);
    (void)approved(w, CMD_SALE, 1000);
    assert_int_equal(last(w)->m.stan, upto);
}

/* The store's own failure instead of a told one: the database may not grow. */
static void a_database_that_is_full_fails_the_batch_and_works_when_there_is_room(void **state)
{
    struct world *w = world_of(state);
    static char long_facts[40000];
    memset(long_facts, 'f', sizeof long_facts);
    (void)approved(w, CMD_SALE, 1000);
    execute(w, "PRAGMA max_page_count = 1");
    struct wish *sale = wish_new(w, CMD_SALE, 1000);
    sale->c.facts = (struct str) { long_facts, sizeof long_facts };
    (void)submit(sale);
    size_t before = w->n_sent;
    step(w);
    assert_store_failed(sale);
    assert_int_equal(w->n_sent, before);
    assert_false(engine_ready(w->engine));
    execute(w, "PRAGMA max_page_count = 1000000");
    pass(w, SECOND);
    assert_true(engine_ready(w->engine));
    struct wish *again = wish_new(w, CMD_SALE, 1000);
    again->c.facts = sale->c.facts;
    again->c.unique_id = sale->c.unique_id;
    (void)submit(again);
    step(w);
    answer(w, last(w), "00");
    assert_told(again, OUT_APPROVED);
}

static void resealing_stops_when_the_store_cannot_write(void **state)
{
    struct world *w = world_of(state);
    (void)ask(w, CMD_TOKENIZE, 0);
    step(w);
    assert_true(vault_add_key(w->vault, w->ring, clock_now_ms(&w->clock), w->why, sizeof w->why));
    w->weak.commit_says = STORE_FULL;
    engine_rekey(w->engine);
    step(w);
    assert_int_equal(engine_rekey_left(w->engine), 1);
    assert_int_equal(number(w, "SELECT count(*) FROM card WHERE key_id = 1"), 1);
    w->weak.commit_says = STORE_OK;
    engine_rekey(w->engine);
    step(w);
    assert_int_equal(engine_rekey_left(w->engine), 0);
    assert_int_equal(number(w, "SELECT count(*) FROM card WHERE key_id = 1"), 0);
}

static void an_engine_is_not_made_from_a_store_that_cannot_be_read(void **state)
{
    struct world *w = world_of(state);
    char why[200] = "";
    w->weak.list_says = STORE_FAILED;
    assert_null(engine_new(&w->config, why, sizeof why));
    assert_true(strlen(why) > 10);
    w->weak.list_says = STORE_OK;
    struct engine *e = engine_new(&w->config, why, sizeof why);
    assert_non_null(e);
    w->weak.setting_says = STORE_FAILED;
    assert_false(engine_set_port(e, &w->port, why, sizeof why));
    assert_non_null(strstr(why, "main"));
    engine_free(e);
    engine_free(NULL);
    w->weak.setting_says = STORE_OK;
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_WORLD(a_reversal_is_repeated_by_the_schedule),
        IN_WORLD(a_capture_is_repeated_by_the_schedule),
        IN_WORLD(a_repeat_is_the_first_message_but_for_being_a_repeat),
        IN_WORLD(a_link_that_comes_up_hurries_what_waits),
        IN_WORLD(a_link_that_was_gone_for_a_moment_takes_what_it_lost_at_once),
        IN_WORLD(an_advice_is_given_up_after_a_day),
        IN_WORLD(an_advice_is_given_up_after_three_hundred_tries),
        IN_WORLD(an_advice_that_cannot_leave_for_a_day_is_given_up),
        IN_WORLD(a_request_found_sent_after_a_restart_is_reversed),
        IN_WORLD(an_advice_found_sent_after_a_restart_is_repeated),
        IN_WORLD(an_advice_that_waits_keeps_its_time_over_a_restart),
        IN_WORLD(what_is_in_doubt_is_not_reversed_twice_by_a_restart),
        IN_WORLD(what_is_closed_is_left_alone_by_a_restart),
        IN_WORLD(windows_that_ended_while_the_process_was_away_are_ended),
        IN_WORLD(many_open_operations_are_all_recovered),
        IN_WORLD(ids_grow_over_a_restart_although_the_clock_stands_still),
        IN_WORLD(trace_numbers_do_not_come_twice_over_restarts),
        IN_WORLD(trace_numbers_go_round_after_999999),
        IN_WORLD(trace_numbers_that_make_no_sense_begin_anew),
        IN_WORLD(a_long_day_of_sales_uses_every_trace_number_once),
        IN_WORLD(when_the_commit_fails_nothing_has_happened_and_everybody_is_told_so),
        IN_WORLD(when_the_load_fails_nothing_has_happened_either),
        IN_WORLD(a_store_that_fails_is_tried_once_a_second),
        IN_WORLD(an_answer_that_could_not_be_stored_is_silence),
        IN_WORLD(an_answer_to_an_advice_that_could_not_be_stored_is_asked_for_again),
        IN_WORLD(what_never_left_stays_so_although_it_could_not_be_stored),
        IN_WORLD(a_repeat_and_a_window_that_could_not_be_stored_come_again),
        IN_WORLD(a_hurried_repeat_that_could_not_be_stored_stays_hurried),
        IN_WORLD(trace_numbers_of_a_batch_that_failed_are_covered_by_the_next),
        IN_WORLD(a_database_that_is_full_fails_the_batch_and_works_when_there_is_room),
        IN_WORLD(resealing_stops_when_the_store_cannot_write),
        IN_WORLD(an_engine_is_not_made_from_a_store_that_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
