/*
 * One link against a host played in memory: what it sends, what it believes, and what it says about
 * it.
 */
#include "peer.h"

/* ---- coming up and going down ---- */

static void a_link_signs_on_before_it_is_up(void **state)
{
    (void)state;
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    assert_int_equal(link_wish(b->link), LINK_IDLE);
    connect_it(b);
    assert_false(link_view(b->link)->up);

    struct frame f;
    assert_true(next_frame(b, &f));
    struct iso_message wanted;
    uint8_t bytes[ISO_MAX_FRAME];
    size_t n;
    iso_init(&wanted, "0800");
    iso_set(&wanted, 7, STR("1121220005"));
    iso_set(&wanted, 11, STR("000001"));
    iso_set(&wanted, 32, STR("12345678901"));
    iso_set(&wanted, 70, STR("001"));
    assert_int_equal(iso_pack(&wanted, ISO_PROFILE_A, bytes, sizeof bytes, &n), ISO_OK);
    assert_int_equal(f.n, n);
    assert_memory_equal(f.bytes, bytes, n);

    host_answers(b, &f, "00");
    assert_true(link_view(b->link)->up);
    assert_int_equal(only_event(b)->kind, ACQ_LINK_UP);
    assert_int_equal(only_event(b)->link, 3);
    bench_free(b);
}

static void nothing_is_sent_before_the_sign_on_is_answered(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 1);
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    link_submit(b->link, &a, b->now_ns);
    connect_it(b);
    link_submit(b->link, &a, b->now_ns);
    assert_int_equal(b->n_events, 2);
    assert_int_equal(b->events[0].kind, ACQ_NOT_SENT);
    assert_int_equal(b->events[1].kind, ACQ_NOT_SENT);
    assert_int_equal(b->events[1].operation.id, 1);
    assert_int_equal(b->events[1].operation_kind, OPK_SALE);
    struct frame f;
    assert_true(next_frame(b, &f));
    assert_string_equal(f.m.mti, "0800");
    assert_false(next_frame(b, &f));
    bench_free(b);
}

static void a_refused_sign_on_closes(void **state)
{
    (void)state;
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    connect_it(b);
    struct frame f;
    assert_true(next_frame(b, &f));
    host_answers(b, &f, "91");
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    assert_int_equal(b->n_events, 0);
    link_closed(b->link, b->now_ns);
    assert_int_equal(link_wish(b->link), LINK_IDLE);
    bench_free(b);
}

static void an_unanswered_sign_on_closes_after_ten_seconds(void **state)
{
    (void)state;
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    connect_it(b);
    assert_true(tick(b) == b->now_ns + 10 * SECOND);
    b->now_ns += 10 * SECOND - 1;
    (void)tick(b);
    assert_int_equal(link_wish(b->link), LINK_IDLE);
    b->now_ns += 1;
    (void)tick(b);
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    bench_free(b);
}

static void the_answer_to_another_sign_on_does_not_count(void **state)
{
    (void)state;
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    connect_it(b);
    struct frame f;
    assert_true(next_frame(b, &f));
    static const struct value others[] = { { 7, "1121220006" }, { 11, "000002" },
        { 32, "10987654321" }, { 70, "301" } };
    for (size_t i = 0; i < COUNT(others); i++) {
        struct iso_message answer;
        answer_to(&answer, &f.m, "00");
        iso_set(&answer, others[i].de, str_of(others[i].text));
        host_sends(b, &answer);
        assert_false(link_view(b->link)->up);
    }
    host_answers(b, &f, "00");
    assert_true(link_view(b->link)->up);
    bench_free(b);
}

static void a_connection_that_takes_five_seconds_is_given_up(void **state)
{
    (void)state;
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    assert_true(tick(b) == b->now_ns + 5 * SECOND);
    b->now_ns += 5 * SECOND - 1;
    (void)tick(b);
    assert_int_equal(link_wish(b->link), LINK_CONNECT);
    b->now_ns += 1;
    (void)tick(b);
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    link_connected(b->link, b->now_ns, bench_ms(b)); /* too late */
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    assert_int_equal(link_output(b->link)->n, 0);
    bench_free(b);
}

static void attempts_to_connect_back_off_with_jitter(void **state)
{
    (void)state;
    static const int64_t steps[] = { 1, 2, 4, 8, 16, 30, 30, 30 };
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    bool jitter = false;
    for (size_t i = 0; i < COUNT(steps); i++) {
        (void)tick(b);
        assert_int_equal(link_wish(b->link), LINK_CONNECT);
        link_closed(b->link, b->now_ns);
        int64_t wait = tick(b) - b->now_ns;
        assert_in_range(wait, steps[i] * SECOND * 3 / 4, steps[i] * SECOND * 5 / 4);
        jitter = jitter || wait != steps[i] * SECOND;
        b->now_ns += wait - 1;
        (void)tick(b);
        assert_int_equal(link_wish(b->link), LINK_IDLE);
        b->now_ns += 1;
    }
    assert_true(jitter);
    /* once it has been up the first wait is short again */
    bring_up(b);
    link_closed(b->link, b->now_ns);
    assert_in_range(tick(b) - b->now_ns, SECOND * 3 / 4, SECOND * 5 / 4);
    bench_free(b);
}

static void a_sign_on_that_is_refused_again_and_again_backs_off_too(void **state)
{
    (void)state;
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    int64_t wait = 0;
    for (int i = 0; i < 6; i++) {
        struct frame f;
        connect_it(b);
        assert_true(next_frame(b, &f));
        host_answers(b, &f, "91");
        link_closed(b->link, b->now_ns);
        wait = tick(b) - b->now_ns;
        b->now_ns += wait;
    }
    assert_in_range(wait, 30 * SECOND * 3 / 4, 30 * SECOND * 5 / 4);
    bench_free(b);
}

/* ---- requests and answers ---- */

static void an_approval_carries_everything_the_host_said(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    struct frame f;
    send_it(b, &a, &f);
    assert_string_equal(f.m.mti, "0200");
    assert_int_equal(link_view(b->link)->in_flight, 1);

    struct iso_message answer;
    answer_to(&answer, &f.m, "00");
    iso_set(&answer, 38, STR("1234"));
    iso_set(&answer, 48, STR("T8402038701M"));
    iso_set(&answer, 62, STR("MCC1A2B3C1122"));
    host_sends(b, &answer);
    const struct acquirer_event *ev = only_event(b);
    assert_int_equal(ev->kind, ACQ_ANSWERED);
    assert_int_equal(ev->link, 3);
    assert_int_equal(ev->operation.merchant_id, 1);
    assert_int_equal(ev->operation.id, 102);
    assert_int_equal(ev->operation_kind, OPK_SALE);
    assert_string_equal(ev->de39, "00");
    assert_string_equal(ev->authcode, "1234");
    assert_string_equal(ev->network_id, "MCC1A2B3C1122");
    assert_string_equal(ev->advice, "03");
    assert_string_equal(ev->cvv_result, "M");
    assert_int_equal(ev->amount_minor, 99900);
    assert_int_equal(link_view(b->link)->in_flight, 0);
    bench_free(b);
}

static void an_answer_need_not_repeat_the_card_or_the_terminal(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    struct frame f;
    send_it(b, &a, &f);
    struct iso_message answer;
    answer_to(&answer, &f.m, "51");
    iso_unset(&answer, 2);
    iso_unset(&answer, 32);
    iso_unset(&answer, 41);
    host_sends(b, &answer);
    assert_int_equal(only_event(b)->kind, ACQ_ANSWERED);
    assert_string_equal(only_event(b)->de39, "51");
    bench_free(b);
}

static void every_kind_of_operation_finds_its_answer(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    merchant.tid[4] = '\0'; /* the wire fills it with spaces */
    struct bench *b = bench_up();
    uint32_t stan = 500;
    for (int repeat = 0; repeat < 2; repeat++) {
        for (int kind = OPK_AUTHORIZE; kind <= OPK_RELEASE; kind++) {
            struct acquirer_message a = a_sale(&merchant, stan++);
            a.kind = (enum operation_kind)kind;
            a.repeat = repeat == 1;
            a.cvv = NULL;
            a.original = (struct original) { "0100", 101, TEN_PM };
            struct frame f;
            b->n_events = 0;
            send_it(b, &a, &f);
            host_answers(b, &f, "00");
            assert_int_equal(only_event(b)->kind, ACQ_ANSWERED);
            assert_int_equal(only_event(b)->operation.id, a.operation.id);
            assert_int_equal(only_event(b)->operation_kind, kind);
        }
    }
    bench_free(b);
}

static void answers_to_five_thousand_requests_may_come_in_any_order(void **state)
{
    (void)state;
    enum { MANY = 5000 };
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    for (uint32_t i = 1; i <= MANY; i++) {
        struct acquirer_message a = a_sale(&merchant, i);
        link_submit(b->link, &a, b->now_ns);
    }
    assert_int_equal(b->n_events, 0);
    assert_int_equal(link_view(b->link)->in_flight, MANY);

    char *answers[MANY];
    size_t sizes[MANY];
    for (size_t i = 0; i < MANY; i++) {
        struct frame f;
        struct iso_message answer;
        char bytes[ISO_MAX_FRAME];
        assert_true(next_frame(b, &f));
        answer_to(&answer, &f.m, "00");
        sizes[i] = framed(b, &answer, bytes, sizeof bytes);
        answers[i] = malloc(sizes[i]);
        assert_non_null(answers[i]);
        memcpy(answers[i], bytes, sizes[i]);
    }
    assert_int_equal(link_output(b->link)->n, 0);
    for (size_t i = 0; i < MANY; i++) {
        size_t at = i * 2503 % MANY; /* 2503 has no common factor with 5000 */
        receive(b, answers[at], sizes[at]);
        assert_int_equal(b->events[i].kind, ACQ_ANSWERED);
        assert_int_equal(b->events[i].operation.id, at + 1);
        free(answers[at]);
    }
    assert_int_equal(b->n_events, MANY);
    assert_int_equal(link_view(b->link)->in_flight, 0);
    bench_free(b);
}

static void terminals_may_use_the_same_STAN_at_the_same_time(void **state)
{
    (void)state;
    struct merchant_row left = shop(), right = shop();
    right.tid[7] = '2';
    struct acquirer_message a = a_sale(&left, 7), c = a_sale(&right, 7);
    c.operation.id = 8;
    memcpy(c.rrn, "632522999999", 13);
    struct bench *b = bench_up();
    struct frame fa, fc;
    send_it(b, &a, &fa);
    send_it(b, &c, &fc);
    struct iso_message answer; /* without DE 41 the RRN decides */
    answer_to(&answer, &fa.m, "00");
    iso_unset(&answer, 41);
    host_sends(b, &answer);
    assert_int_equal(only_event(b)->operation.id, 7);
    assert_int_equal(only_event(b)->kind, ACQ_ANSWERED);
    host_answers(b, &fc, "00");
    assert_int_equal(b->n_events, 2);
    assert_int_equal(b->events[1].operation.id, 8);
    assert_int_equal(b->events[1].kind, ACQ_ANSWERED);
    bench_free(b);
}

static void a_second_request_with_an_open_identity_is_not_sent(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 7);
    struct bench *b = bench_up();
    struct frame f;
    send_it(b, &a, &f);
    link_submit(b->link, &a, b->now_ns);
    assert_int_equal(only_event(b)->kind, ACQ_NOT_SENT);
    assert_int_equal(link_output(b->link)->n, 0);
    host_answers(b, &f, "00");
    assert_int_equal(b->events[1].kind, ACQ_ANSWERED);
    bench_free(b);
}

static void an_answer_that_differs_in_a_checked_element_is_silence(void **state)
{
    (void)state;
    static const struct value wrong[] = { { 2, VISA }, { 3, "200000" }, { 4, "000000099901" },
        { 4, "000000099899" }, { 37, "632522000103" }, { 49, "978" }, { 3, NULL }, { 4, NULL },
        { 37, NULL }, { 39, NULL }, { 49, NULL } };
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    for (uint32_t i = 0; i < COUNT(wrong); i++) {
        struct acquirer_message a = a_sale(&merchant, 200 + i);
        struct frame f;
        struct iso_message answer;
        b->n_events = 0;
        memcpy(a.rrn, "632522000102", 13);
        send_it(b, &a, &f);
        answer_to(&answer, &f.m, "00");
        if (wrong[i].text != NULL)
            iso_set(&answer, wrong[i].de, str_of(wrong[i].text));
        else
            iso_unset(&answer, wrong[i].de);
        host_sends(b, &answer);
        assert_int_equal(only_event(b)->kind, ACQ_SILENT);
        assert_true(only_event(b)->malformed);
        assert_int_equal(only_event(b)->operation.id, a.operation.id);
        assert_string_equal(only_event(b)->de39, "");
        assert_int_equal(link_view(b->link)->in_flight, 0);
        assert_true(link_view(b->link)->up);
    }
    bench_free(b);
}

static void an_answer_that_matches_no_request_is_ignored(void **state)
{
    (void)state;
    static const struct value wrong[] = { { 7, "1121220231" }, { 11, "000103" },
        { 32, "10987654321" }, { 41, "TERM0002" }, { 7, NULL }, { 11, NULL } };
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    struct frame f;
    send_it(b, &a, &f);
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct iso_message answer;
        answer_to(&answer, &f.m, "00");
        if (wrong[i].text != NULL)
            iso_set(&answer, wrong[i].de, str_of(wrong[i].text));
        else
            iso_unset(&answer, wrong[i].de);
        host_sends(b, &answer);
    }
    static const char *const mtis[] = { "0110", "0230", "0410", "0200" };
    for (size_t i = 0; i < COUNT(mtis); i++) {
        struct iso_message answer;
        answer_to(&answer, &f.m, "00");
        memcpy(answer.mti, mtis[i], 5);
        host_sends(b, &answer);
    }
    assert_int_equal(b->n_events, 0);
    assert_int_equal(link_view(b->link)->in_flight, 1);
    host_answers(b, &f, "00");
    assert_int_equal(only_event(b)->kind, ACQ_ANSWERED);
    bench_free(b);
}

static void only_a_partial_approval_may_have_a_smaller_amount(void **state)
{
    (void)state;
    static const struct {
        const char *amount;
        enum acquirer_event_kind kind;
    } cases[] = { { "000000050000", ACQ_ANSWERED }, { "000000099900", ACQ_ANSWERED },
        { "000000099901", ACQ_SILENT }, { "000000000000", ACQ_SILENT } };
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    for (uint32_t i = 0; i < COUNT(cases); i++) {
        struct acquirer_message a = a_sale(&merchant, 300 + i);
        struct frame f;
        struct iso_message answer;
        b->n_events = 0;
        send_it(b, &a, &f);
        answer_to(&answer, &f.m, "10");
        iso_set(&answer, 4, str_of(cases[i].amount));
        host_sends(b, &answer);
        assert_int_equal(only_event(b)->kind, cases[i].kind);
    }
    bench_free(b);
}

static void codes_09_and_68_are_no_answer(void **state)
{
    (void)state;
    static const char *const codes[] = { "09", "68" };
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    for (uint32_t i = 0; i < COUNT(codes); i++) {
        struct acquirer_message a = a_sale(&merchant, 400 + i);
        struct frame f;
        b->n_events = 0;
        send_it(b, &a, &f);
        host_answers(b, &f, codes[i]);
        assert_int_equal(only_event(b)->kind, ACQ_SILENT);
        assert_false(only_event(b)->malformed);
        host_answers(b, &f, "00"); /* the real one, later */
        assert_int_equal(b->events[1].kind, ACQ_LATE_ANSWER);
    }
    bench_free(b);
}

static void a_second_answer_is_ignored(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    struct frame f;
    send_it(b, &a, &f);
    host_answers(b, &f, "00");
    host_answers(b, &f, "00");
    host_answers(b, &f, "05");
    assert_int_equal(only_event(b)->kind, ACQ_ANSWERED);
    bench_free(b);
}

/* ---- silence ---- */

static void a_request_is_silent_after_thirty_seconds_and_an_advice_after_sixty(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message sale = a_sale(&merchant, 1), capture = a_sale(&merchant, 2);
    capture.kind = OPK_CAPTURE;
    capture.original = (struct original) { "0100", 101, TEN_PM };
    struct link_config config = plain_config();
    config.echo_idle_ms = 3600000;
    struct bench *b = bench_with(&config);
    bring_up(b);
    struct frame f;
    send_it(b, &sale, &f);
    send_it(b, &capture, &f);
    assert_true(tick(b) == b->now_ns + 30 * SECOND);
    b->now_ns += 30 * SECOND - 1;
    (void)tick(b);
    assert_int_equal(b->n_events, 0);
    b->now_ns += 1;
    assert_true(tick(b) == b->now_ns + 30 * SECOND);
    assert_int_equal(only_event(b)->kind, ACQ_SILENT);
    assert_int_equal(only_event(b)->operation.id, 1);
    assert_false(only_event(b)->malformed);
    b->now_ns += 30 * SECOND;
    (void)tick(b);
    assert_int_equal(b->n_events, 2);
    assert_int_equal(b->events[1].operation.id, 2);
    assert_int_equal(link_view(b->link)->in_flight, 0);
    bench_free(b);
}

static void time_outs_come_one_by_one_in_the_order_of_sending(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    struct frame f;
    int64_t first = b->now_ns;
    for (uint32_t i = 1; i <= 10; i++) {
        struct acquirer_message a = a_sale(&merchant, i);
        send_it(b, &a, &f);
        b->now_ns += SECOND;
    }
    for (size_t i = 1; i <= 10; i++) {
        b->now_ns = first + 30 * SECOND + ((int64_t)i - 1) * SECOND;
        (void)tick(b);
        assert_int_equal(b->n_events, i);
        assert_int_equal(b->events[i - 1].operation.id, i);
    }
    bench_free(b);
}

static void a_late_answer_is_told_once_with_its_details(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    struct frame f;
    send_it(b, &a, &f);
    b->now_ns += 31 * SECOND;
    (void)tick(b);
    struct iso_message answer;
    answer_to(&answer, &f.m, "00");
    iso_set(&answer, 38, STR("123456"));
    host_sends(b, &answer);
    host_sends(b, &answer);
    assert_int_equal(b->n_events, 2);
    assert_int_equal(b->events[0].kind, ACQ_SILENT);
    assert_int_equal(b->events[1].kind, ACQ_LATE_ANSWER);
    assert_int_equal(b->events[1].operation.id, 102);
    assert_string_equal(b->events[1].de39, "00");
    assert_string_equal(b->events[1].authcode, "123456");
    assert_int_equal(b->events[1].amount_minor, 99900);
    bench_free(b);
}

static void a_late_answer_is_checked_like_any_other(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    struct frame f;
    send_it(b, &a, &f);
    b->now_ns += 31 * SECOND;
    (void)tick(b);
    struct iso_message answer;
    answer_to(&answer, &f.m, "00");
    iso_set(&answer, 2, STR(VISA));
    host_sends(b, &answer);
    host_answers(b, &f, "68");
    assert_int_equal(only_event(b)->kind, ACQ_SILENT);
    host_answers(b, &f, "00");
    assert_int_equal(b->events[1].kind, ACQ_LATE_ANSWER);
    bench_free(b);
}

static void ten_minutes_later_an_answer_is_unknown(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct link_config config = plain_config();
    config.echo_idle_ms = 36000000;
    struct bench *b = bench_with(&config);
    bring_up(b);
    struct frame f;
    send_it(b, &a, &f);
    b->now_ns += 30 * SECOND;
    (void)tick(b);
    b->now_ns += 600 * SECOND;
    (void)tick(b);
    host_answers(b, &f, "00");
    assert_int_equal(only_event(b)->kind, ACQ_SILENT);
    bench_free(b);
}

static void the_last_4096_silent_requests_are_remembered(void **state)
{
    (void)state;
    enum { ROUNDS = 4097 };
    struct merchant_row merchant = shop();
    struct link_config config = plain_config();
    config.max_in_flight = 10;
    struct bench *b = bench_with(&config);
    bring_up(b);
    struct frame *first = malloc(sizeof *first), *second = malloc(sizeof *second), f;
    assert_true(first != NULL && second != NULL);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        struct acquirer_message a = a_sale(&merchant, i);
        struct frame *into = i == 1 ? first : i == 2 ? second : &f;
        send_it(b, &a, into);
        host_answers(b, into, "68");
    }
    size_t before = b->n_events;
    assert_int_equal(before, ROUNDS);
    /* the frames were moved: read them again */
    assert_int_equal(iso_unpack(&first->m, ISO_PROFILE_A, first->bytes, first->n), ISO_OK);
    host_answers(b, first, "00");
    assert_int_equal(b->n_events, before);
    host_answers(b, second, "00");
    assert_int_equal(b->n_events, before + 1);
    assert_int_equal(b->events[before].kind, ACQ_LATE_ANSWER);
    assert_int_equal(b->events[before].operation.id, 2);
    free(first);
    free(second);
    bench_free(b);
}

static void the_answer_to_a_reversal_or_to_its_repeat_counts_once(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 103);
    a.kind = OPK_REVERSAL;
    a.original = (struct original) { "0200", 102, TEN_PM };
    struct bench *b = bench_up();
    struct frame first, again;
    send_it(b, &a, &first);
    b->now_ns += 61 * SECOND;
    (void)tick(b);
    assert_int_equal(only_event(b)->kind, ACQ_SILENT);
    while (next_frame(b, &again))
        assert_string_equal(again.m.mti, "0800");
    b->n_events = 0;
    a.repeat = true;
    send_it(b, &a, &again);
    assert_string_equal(again.m.mti, "0401");
    host_answers(b, &first, "00");
    host_answers(b, &again, "00");
    assert_int_equal(only_event(b)->kind, ACQ_ANSWERED);
    bench_free(b);
}

/* ---- a dropped connection ---- */

static void a_dropped_link_makes_everything_open_silent_at_once(void **state)
{
    (void)state;
    enum { MANY = 1000 };
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    for (uint32_t i = 1; i <= MANY; i++) {
        struct acquirer_message a = a_sale(&merchant, i);
        a.kind = i % 2 == 0 ? OPK_CAPTURE : OPK_SALE;
        a.original = (struct original) { "0100", 101, TEN_PM };
        struct frame f;
        send_it(b, &a, &f);
    }
    link_closed(b->link, b->now_ns);
    bool seen[MANY + 1] = { false };
    size_t down = 0;
    for (size_t i = 0; i < b->n_events; i++) {
        if (b->events[i].kind == ACQ_LINK_DOWN) {
            down++;
            continue;
        }
        assert_int_equal(b->events[i].kind, ACQ_SILENT);
        assert_false(seen[b->events[i].operation.id]);
        seen[b->events[i].operation.id] = true;
    }
    assert_int_equal(down, 1);
    assert_int_equal(b->n_events, MANY + 1);
    assert_false(link_view(b->link)->up);
    assert_int_equal(link_view(b->link)->in_flight, 0);
    bench_free(b);
}

static void what_had_not_left_when_the_link_dropped_is_not_sent(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    for (uint32_t i = 1; i <= 3; i++) {
        struct acquirer_message a = a_sale(&merchant, i);
        link_submit(b->link, &a, b->now_ns);
    }
    size_t each = link_output(b->link)->n / 3;
    buf_consume(link_output(b->link), each + 1); /* the second has begun to leave */
    link_closed(b->link, b->now_ns);
    assert_int_equal(b->n_events, 4);
    assert_int_equal(b->events[0].kind, ACQ_LINK_DOWN);
    assert_int_equal(b->events[1].kind, ACQ_SILENT);
    assert_int_equal(b->events[2].kind, ACQ_SILENT);
    assert_int_equal(b->events[3].kind, ACQ_NOT_SENT);
    assert_int_equal(b->events[3].operation.id, 3);
    assert_int_equal(link_output(b->link)->n, 0);
    bench_free(b);
}

static void a_message_counts_as_sent_from_its_first_byte(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    struct acquirer_message a = a_sale(&merchant, 1);
    link_submit(b->link, &a, b->now_ns);
    buf_consume(link_output(b->link), link_output(b->link)->n); /* all of it, and no more */
    a = a_sale(&merchant, 2);
    link_submit(b->link, &a, b->now_ns);
    link_submit(b->link, &a, b->now_ns); /* refused, and takes no place in the stream */
    link_closed(b->link, b->now_ns);
    assert_int_equal(b->n_events, 4);
    assert_int_equal(b->events[0].kind, ACQ_NOT_SENT);
    assert_int_equal(b->events[1].kind, ACQ_LINK_DOWN);
    assert_int_equal(b->events[2].kind, ACQ_SILENT);
    assert_int_equal(b->events[2].operation.id, 1);
    assert_int_equal(b->events[3].kind, ACQ_NOT_SENT);
    assert_int_equal(b->events[3].operation.id, 2);
    bench_free(b);
}

static void an_answer_on_the_next_connection_is_late(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    struct frame f;
    send_it(b, &a, &f);
    link_closed(b->link, b->now_ns);
    b->now_ns += 2 * SECOND;
    bring_up(b);
    host_answers(b, &f, "00");
    assert_int_equal(only_event(b)->kind, ACQ_LATE_ANSWER);
    bench_free(b);
}

static void half_a_frame_is_forgotten_with_its_connection(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    struct frame f;
    struct iso_message answer;
    char bytes[ISO_MAX_FRAME];
    send_it(b, &a, &f);
    answer_to(&answer, &f.m, "00");
    size_t n = framed(b, &answer, bytes, sizeof bytes);
    receive(b, bytes, n / 2);
    link_closed(b->link, b->now_ns);
    b->now_ns += 2 * SECOND;
    bring_up(b);
    a = a_sale(&merchant, 103);
    send_it(b, &a, &f);
    host_answers(b, &f, "00");
    assert_int_equal(only_event(b)->operation.id, 103);
    bench_free(b);
}

/* ---- bytes ---- */

static void a_frame_may_be_split_at_every_byte(void **state)
{
    (void)state;
    static const struct iso_frame_rule rules[] = { { ISO_FRAME_BIN2, false, false },
        { ISO_FRAME_ASCII4, true, true }, { ISO_FRAME_BIN2_RESERVED2, false, false } };
    struct merchant_row merchant = shop();
    for (size_t r = 0; r < COUNT(rules); r++) {
        struct link_config config = plain_config();
        config.framing = rules[r];
        config.profile = r == 0 ? ISO_PROFILE_B : ISO_PROFILE_H;
        struct bench *b = bench_with(&config);
        bring_up(b);
        size_t n = 2;
        for (uint32_t cut = 1; cut < n; cut++) {
            struct acquirer_message a = a_sale(&merchant, cut);
            struct frame f;
            struct iso_message answer;
            char bytes[ISO_MAX_FRAME];
            send_it(b, &a, &f);
            answer_to(&answer, &f.m, "00");
            n = framed(b, &answer, bytes, sizeof bytes);
            receive(b, bytes, cut);
            assert_int_equal(b->n_events, cut - 1);
            receive(b, bytes + cut, n - cut);
            assert_int_equal(b->n_events, cut);
            assert_int_equal(b->events[cut - 1].kind, ACQ_ANSWERED);
        }
        assert_true(n > 100);
        bench_free(b);
    }
}

static void frames_may_come_byte_by_byte_or_all_in_one_read(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    char all[600 * 200];
    size_t n = 0;
    for (uint32_t i = 1; i <= 600; i++) {
        struct acquirer_message a = a_sale(&merchant, i);
        struct frame f;
        struct iso_message answer;
        send_it(b, &a, &f);
        answer_to(&answer, &f.m, "00");
        n += framed(b, &answer, all + n, sizeof all - n);
    }
    assert_true(n > 64 << 10); /* more than the link keeps */
    size_t half = n / 2;
    receive(b, all, half);
    for (size_t i = half; i < n; i++)
        receive(b, all + i, 1);
    assert_int_equal(b->n_events, 600);
    bench_free(b);
}

static void a_keep_alive_is_no_message(void **state)
{
    (void)state;
    struct bench *b = bench_up();
    receive(b, "\0\0\0\0", 4);
    assert_int_equal(b->n_events, 0);
    assert_true(link_view(b->link)->up);
    assert_int_equal(link_output(b->link)->n, 0);
    bench_free(b);
}

static void a_framing_error_closes(void **state)
{
    (void)state;
    static const char *const broken[] = { "\xff\xff", "\x00\x01", "\x10\x01" };
    struct merchant_row merchant = shop();
    for (size_t i = 0; i < COUNT(broken); i++) {
        struct acquirer_message a = a_sale(&merchant, 1);
        struct bench *b = bench_up();
        struct frame f;
        send_it(b, &a, &f);
        receive(b, broken[i], 2);
        assert_int_equal(link_wish(b->link), LINK_CLOSE);
        assert_false(link_view(b->link)->up);
        assert_int_equal(only_event(b)->kind, ACQ_LINK_DOWN);
        host_answers(b, &f, "00"); /* nothing after it is believed */
        assert_int_equal(b->n_events, 1);
        link_closed(b->link, b->now_ns);
        assert_int_equal(b->n_events, 2);
        assert_int_equal(b->events[1].kind, ACQ_SILENT);
        bench_free(b);
    }
}

static void a_frame_that_is_no_message_is_dropped(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    struct frame f;
    send_it(b, &a, &f);
    receive(b, "\0\x10garbage, garbage", 18);
    receive(b,
        "\0\x10"
        "0110\xff\xff\xff\xff\xff\xff\xff\xff....",
        18);
    assert_int_equal(b->n_events, 0);
    assert_true(link_view(b->link)->up);
    host_answers(b, &f, "00");
    assert_int_equal(only_event(b)->kind, ACQ_ANSWERED);
    bench_free(b);
}

static void random_bytes_do_no_harm(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    struct rng rng = rng_seeded(42);
    uint32_t stan = 1;
    for (int round = 0; round < 3000; round++) {
        struct acquirer_message a = a_sale(&merchant, stan++);
        struct frame f;
        struct iso_message answer;
        char bytes[ISO_MAX_FRAME];
        b->n_events = 0;
        send_it(b, &a, &f);
        answer_to(&answer, &f.m, "00");
        size_t n = framed(b, &answer, bytes, sizeof bytes);
        for (uint32_t i = rng_below(&rng, 4); i > 0; i--)
            bytes[rng_below(&rng, (uint32_t)n)] ^= (char)(1 << rng_below(&rng, 8));
        receive(b, bytes, n);
        (void)tick(b);
        if (link_wish(b->link) == LINK_CLOSE || round % 50 == 0) {
            link_closed(b->link, b->now_ns);
            b->now_ns += 40 * SECOND;
            bring_up(b);
        }
        assert_true(b->n_events <= 4);
        while (next_frame(b, &f))
            assert_int_equal(f.m.mti[1], '8');
    }
    bench_free(b);
}

/* ---- limits ---- */

static void a_full_link_sends_nothing_more(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct link_config config = plain_config();
    config.max_in_flight = 2;
    struct bench *b = bench_with(&config);
    bring_up(b);
    struct frame first, f;
    struct acquirer_message a = a_sale(&merchant, 1);
    send_it(b, &a, &first);
    a = a_sale(&merchant, 2);
    send_it(b, &a, &f);
    a = a_sale(&merchant, 3);
    link_submit(b->link, &a, b->now_ns);
    assert_int_equal(only_event(b)->kind, ACQ_NOT_SENT);
    assert_int_equal(only_event(b)->operation.id, 3);
    assert_int_equal(link_output(b->link)->n, 0);
    host_answers(b, &first, "00");
    send_it(b, &a, &f);
    assert_int_equal(link_view(b->link)->in_flight, 2);
    bench_free(b);
}

static void a_full_output_sends_nothing_more_but_still_echoes(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct link_config config = plain_config();
    config.max_in_flight = 50000;
    struct bench *b = bench_with(&config);
    bring_up(b);
    uint32_t stan = 1;
    while (b->n_events == 0) {
        struct acquirer_message a = a_sale(&merchant, stan++);
        link_submit(b->link, &a, b->now_ns);
        assert_true(stan < 50000);
    }
    assert_int_equal(b->events[0].kind, ACQ_NOT_SENT);
    size_t full = link_output(b->link)->n;
    assert_in_range(full, (4 << 20) - 3 * ISO_MAX_FRAME, 4 << 20);
    assert_int_equal(link_view(b->link)->in_flight, stan - 2);

    struct iso_message echo;
    iso_init(&echo, "0800");
    iso_set(&echo, 7, STR("1121220005"));
    iso_set(&echo, 11, STR("000900"));
    iso_set(&echo, 70, STR("301"));
    host_sends(b, &echo);
    assert_true(link_output(b->link)->n > full);
    assert_true(link_view(b->link)->up);

    buf_consume(link_output(b->link), link_output(b->link)->n);
    struct acquirer_message a = a_sale(&merchant, stan);
    struct frame f;
    send_it(b, &a, &f); /* room again */
    bench_free(b);
}

static void a_host_that_asks_without_reading_is_closed(void **state)
{
    (void)state;
    struct bench *b = bench_up();
    struct iso_message echo;
    iso_init(&echo, "0800");
    iso_set(&echo, 7, STR("1121220005"));
    iso_set(&echo, 11, STR("000900"));
    iso_set(&echo, 70, STR("301"));
    char bytes[ISO_MAX_FRAME];
    size_t n = framed(b, &echo, bytes, sizeof bytes);
    for (int i = 0; i < 200000 && link_wish(b->link) == LINK_IDLE; i++)
        receive(b, bytes, n);
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    assert_true(link_output(b->link)->n <= 4 << 20);
    bench_free(b);
}

/* ---- network management ---- */

static void an_idle_link_sends_golden_echo_N3(void **state)
{
    (void)state;
    struct bench *b = bench_up(); /* its sign-on had STAN 1 */
    assert_true(tick(b) == b->now_ns + 60 * SECOND);
    b->now_ns += 60 * SECOND;
    (void)tick(b);
    struct frame f;
    assert_true(next_frame(b, &f));
    static const uint8_t n3[] = "0800\x82\x20\x00\x01\x00\x00\x00\x00\x04\x00\x00\x00\x00\x00\x00"
                                "\x00"
                                "1121220005000002"
                                "1112345678901"
                                "301";
    assert_int_equal(f.n, sizeof n3 - 1);
    assert_memory_equal(f.bytes, n3, f.n);
    host_answers(b, &f, "00");
    assert_true(tick(b) == b->now_ns + 60 * SECOND);
    assert_false(next_frame(b, &f));
    bench_free(b);
}

static void traffic_goes_on_while_an_echo_is_unanswered(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    b->now_ns += 60 * SECOND;
    (void)tick(b);
    struct frame f;
    assert_true(next_frame(b, &f));
    send_it(b, &a, &f);
    host_answers(b, &f, "00");
    assert_int_equal(only_event(b)->kind, ACQ_ANSWERED);
    bench_free(b);
}

static void two_missed_echoes_close(void **state)
{
    (void)state;
    struct bench *b = bench_up();
    b->now_ns += 60 * SECOND;
    (void)tick(b);
    b->now_ns += 10 * SECOND;
    assert_true(tick(b) == b->now_ns + 10 * SECOND);
    assert_int_equal(link_wish(b->link), LINK_IDLE);
    struct frame f;
    assert_true(next_frame(b, &f) && next_frame(b, &f));
    assert_false(next_frame(b, &f));
    b->now_ns += 10 * SECOND;
    (void)tick(b);
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    assert_int_equal(only_event(b)->kind, ACQ_LINK_DOWN);
    link_closed(b->link, b->now_ns);
    assert_int_equal(b->n_events, 1);
    bench_free(b);
}

static void an_answered_echo_forgives_the_miss_before_it(void **state)
{
    (void)state;
    struct bench *b = bench_up();
    struct frame f;
    for (int i = 0; i < 3; i++) {
        b->now_ns += 60 * SECOND;
        (void)tick(b);
        assert_true(next_frame(b, &f));
        b->now_ns += 10 * SECOND;
        (void)tick(b);
        assert_true(next_frame(b, &f));
        host_answers(b, &f, "00");
        assert_int_equal(link_wish(b->link), LINK_IDLE);
    }
    bench_free(b);
}

static void the_hosts_own_network_messages_are_answered(void **state)
{
    (void)state;
    static const struct {
        const char *mti, *code, *answer, *de39;
    } cases[] = { { "0800", "301", "0810", "00" }, { "0800", "201", "0810", "00" },
        { "0800", "001", "0810", "00" }, { "0820", "201", "0830", "00" },
        { "0800", "161", "0810", "40" } };
    struct bench *b = bench_up();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct iso_message ask;
        struct frame f;
        iso_init(&ask, cases[i].mti);
        iso_set(&ask, 7, STR("1121220007"));
        iso_set(&ask, 11, STR("000777"));
        iso_set(&ask, 70, str_of(cases[i].code));
        host_sends(b, &ask);
        assert_true(next_frame(b, &f));
        assert_string_equal(f.m.mti, cases[i].answer);
        assert_true(str_eq(iso_get(&f.m, 7), STR("1121220007")));
        assert_true(str_eq(iso_get(&f.m, 11), STR("000777")));
        assert_true(str_eq(iso_get(&f.m, 39), str_of(cases[i].de39)));
        assert_true(str_eq(iso_get(&f.m, 70), str_of(cases[i].code)));
    }
    assert_true(link_view(b->link)->up);
    assert_int_equal(b->n_events, 0);
    bench_free(b);
}

static void when_the_host_signs_off_the_open_requests_are_still_answered(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102), c = a_sale(&merchant, 103);
    struct bench *b = bench_up();
    struct frame open, f;
    send_it(b, &a, &open);
    struct iso_message off;
    iso_init(&off, "0800");
    iso_set(&off, 7, STR("1121220007"));
    iso_set(&off, 11, STR("000777"));
    iso_set(&off, 70, STR("002"));
    host_sends(b, &off);
    assert_true(next_frame(b, &f));
    assert_string_equal(f.m.mti, "0810");
    assert_int_equal(only_event(b)->kind, ACQ_LINK_DOWN);
    assert_false(link_view(b->link)->up);
    link_submit(b->link, &c, b->now_ns);
    assert_int_equal(b->events[1].kind, ACQ_NOT_SENT);
    assert_int_equal(link_wish(b->link), LINK_IDLE);
    host_answers(b, &open, "00");
    assert_int_equal(b->events[2].kind, ACQ_ANSWERED);
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    link_closed(b->link, b->now_ns);
    b->now_ns += 2 * SECOND;
    bring_up(b); /* and tries again */
    bench_free(b);
}

static void our_sign_off_waits_for_open_requests_then_closes_for_good(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102), c = a_sale(&merchant, 103);
    struct bench *b = bench_up();
    struct frame open, off;
    send_it(b, &a, &open);
    link_sign_off(b->link, bench_ms(b));
    assert_false(link_view(b->link)->up);
    assert_int_equal(only_event(b)->kind, ACQ_LINK_DOWN);
    assert_false(next_frame(b, &off));
    link_submit(b->link, &c, b->now_ns);
    assert_int_equal(b->events[1].kind, ACQ_NOT_SENT);
    host_answers(b, &open, "00");
    assert_int_equal(b->events[2].kind, ACQ_ANSWERED);
    assert_true(next_frame(b, &off));
    assert_true(str_eq(iso_get(&off.m, 70), STR("002")));
    assert_false(link_stopped(b->link));
    host_answers(b, &off, "00");
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    link_closed(b->link, b->now_ns);
    assert_true(link_stopped(b->link));
    b->now_ns += 3600 * SECOND;
    assert_true(tick(b) == INT64_MAX);
    assert_int_equal(link_wish(b->link), LINK_IDLE);
    bench_free(b);
}

static void an_unanswered_sign_off_closes_too(void **state)
{
    (void)state;
    struct bench *b = bench_up();
    b->now_ns += 30 * SECOND; /* the link does not know it yet */
    link_sign_off(b->link, bench_ms(b));
    assert_true(tick(b) == b->now_ns + 10 * SECOND);
    struct frame f;
    assert_true(next_frame(b, &f));
    b->now_ns += 10 * SECOND;
    (void)tick(b);
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    bench_free(b);
}

static void a_link_that_is_down_signs_off_at_once(void **state)
{
    (void)state;
    struct link_config config = plain_config();
    struct bench *b = bench_with(&config);
    link_sign_off(b->link, bench_ms(b));
    assert_true(link_stopped(b->link));
    bench_free(b);

    b = bench_with(&config);
    connect_it(b);
    link_sign_off(b->link, bench_ms(b));
    assert_int_equal(link_wish(b->link), LINK_CLOSE);
    link_closed(b->link, b->now_ns);
    assert_true(link_stopped(b->link));
    bench_free(b);
}

/* ---- MAC ---- */

static struct link_config config_with_mac(void)
{
    struct link_config config = plain_config();
    config.mac = (struct iso_mac_key) { .kind = ISO_MAC_RETAIL_PAD1,
        .key = "\x01\x23\x45\x67\x89\xab\xcd\xef\xfe\xdc\xba\x98\x76\x54\x32\x10" };
    return config;
}

static void with_a_key_every_message_carries_its_MAC(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct link_config config = config_with_mac();
    struct bench *b = bench_with(&config);
    bring_up(b); /* next_frame checks the MAC of the sign-on */
    struct frame f;
    struct acquirer_message a = a_sale(&merchant, 102);
    send_it(b, &a, &f);
    assert_int_equal(iso_get(&f.m, 64).n, 8);
    host_answers(b, &f, "00");
    assert_int_equal(only_event(b)->kind, ACQ_ANSWERED);
    a = a_sale(&merchant, 103);
    a.kind = OPK_CAPTURE;
    a.original = (struct original) { "0100", 101, TEN_PM };
    send_it(b, &a, &f);
    assert_int_equal(iso_get(&f.m, 128).n, 8);
    bench_free(b);
}

static void an_answer_with_a_wrong_or_missing_MAC_is_silence(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct link_config config = config_with_mac();
    struct bench *b = bench_with(&config);
    bring_up(b);
    for (uint32_t i = 0; i < 2; i++) {
        struct acquirer_message a = a_sale(&merchant, 102 + i);
        struct frame f;
        struct iso_message answer;
        b->n_events = 0;
        send_it(b, &a, &f);
        answer_to(&answer, &f.m, "00");
        struct iso_mac_key right = b->config.mac;
        b->config.mac.key[0] ^= 0x80;
        b->config.mac.kind = i == 0 ? ISO_MAC_RETAIL_PAD1 : ISO_MAC_NONE;
        host_sends(b, &answer);
        b->config.mac = right;
        assert_int_equal(only_event(b)->kind, ACQ_SILENT);
        assert_true(only_event(b)->malformed);
        assert_true(link_view(b->link)->up);
    }
    bench_free(b);
}

static void a_network_message_with_a_wrong_MAC_is_dropped(void **state)
{
    (void)state;
    struct link_config config = config_with_mac();
    struct bench *b = bench_with(&config);
    connect_it(b);
    struct frame f;
    assert_true(next_frame(b, &f));
    struct iso_message message;
    answer_to(&message, &f.m, "00");
    struct iso_mac_key right = b->config.mac;
    b->config.mac.key[0] ^= 0x80;
    host_sends(b, &message);
    assert_false(link_view(b->link)->up);
    iso_init(&message, "0800");
    iso_set(&message, 7, STR("1121220007"));
    iso_set(&message, 11, STR("000777"));
    iso_set(&message, 70, STR("002"));
    host_sends(b, &message);
    assert_int_equal(link_output(b->link)->n, 0);
    b->config.mac = right;
    host_answers(b, &f, "00");
    assert_true(link_view(b->link)->up);
    bench_free(b);
}

/* ---- the rest ---- */

static void the_view_shows_the_configuration(void **state)
{
    (void)state;
    struct link_config config = plain_config();
    config.acquirer_id[0] = '\0';
    config.reversal_advice = true;
    config.brands = 6;
    config.currencies[0] = 933;
    config.n_currencies = 1;
    config.merchants[0] = 42;
    config.n_merchants = 1;
    struct bench *b = bench_with(&config);
    const struct link_view *v = link_view(b->link);
    assert_string_equal(v->name, "main");
    assert_string_equal(v->acquirer_id, "12345678901");
    assert_int_equal(v->acquirer_country, 112);
    assert_int_equal(v->max_in_flight, 5000);
    assert_int_equal(v->brands, 6);
    assert_true(v->reversal_advice);
    assert_int_equal(v->n_currencies, 1);
    assert_int_equal(v->currencies[0], 933);
    assert_int_equal(v->n_merchants, 1);
    assert_int_equal(v->merchants[0], 42);
    assert_false(v->up);
    bench_free(b);
}

static void every_message_is_traced_in_both_directions(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    struct bench *b = bench_up();
    assert_int_equal(b->traced, 2);
    struct frame f;
    send_it(b, &a, &f);
    host_answers(b, &f, "00");
    assert_int_equal(b->traced, 4);
    bench_free(b);
}

static void a_message_that_cannot_be_packed_is_not_sent(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct bench *b = bench_up();
    struct acquirer_message a = a_sale(&merchant, 1);
    a.pan = "41111111x1111111";
    link_submit(b->link, &a, b->now_ns);
    a = a_sale(&merchant, 2);
    a.currency = 0;
    link_submit(b->link, &a, b->now_ns);
    assert_int_equal(b->n_events, 2);
    assert_int_equal(b->events[0].kind, ACQ_NOT_SENT);
    assert_int_equal(b->events[1].kind, ACQ_NOT_SENT);
    assert_int_equal(link_output(b->link)->n, 0);
    assert_int_equal(link_view(b->link)->in_flight, 0);
    bench_free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_link_signs_on_before_it_is_up),
        cmocka_unit_test(nothing_is_sent_before_the_sign_on_is_answered),
        cmocka_unit_test(a_refused_sign_on_closes),
        cmocka_unit_test(an_unanswered_sign_on_closes_after_ten_seconds),
        cmocka_unit_test(the_answer_to_another_sign_on_does_not_count),
        cmocka_unit_test(a_connection_that_takes_five_seconds_is_given_up),
        cmocka_unit_test(attempts_to_connect_back_off_with_jitter),
        cmocka_unit_test(a_sign_on_that_is_refused_again_and_again_backs_off_too),
        cmocka_unit_test(an_approval_carries_everything_the_host_said),
        cmocka_unit_test(an_answer_need_not_repeat_the_card_or_the_terminal),
        cmocka_unit_test(every_kind_of_operation_finds_its_answer),
        cmocka_unit_test(answers_to_five_thousand_requests_may_come_in_any_order),
        cmocka_unit_test(terminals_may_use_the_same_STAN_at_the_same_time),
        cmocka_unit_test(a_second_request_with_an_open_identity_is_not_sent),
        cmocka_unit_test(an_answer_that_differs_in_a_checked_element_is_silence),
        cmocka_unit_test(an_answer_that_matches_no_request_is_ignored),
        cmocka_unit_test(only_a_partial_approval_may_have_a_smaller_amount),
        cmocka_unit_test(codes_09_and_68_are_no_answer),
        cmocka_unit_test(a_second_answer_is_ignored),
        cmocka_unit_test(a_request_is_silent_after_thirty_seconds_and_an_advice_after_sixty),
        cmocka_unit_test(time_outs_come_one_by_one_in_the_order_of_sending),
        cmocka_unit_test(a_late_answer_is_told_once_with_its_details),
        cmocka_unit_test(a_late_answer_is_checked_like_any_other),
        cmocka_unit_test(ten_minutes_later_an_answer_is_unknown),
        cmocka_unit_test(the_last_4096_silent_requests_are_remembered),
        cmocka_unit_test(the_answer_to_a_reversal_or_to_its_repeat_counts_once),
        cmocka_unit_test(a_dropped_link_makes_everything_open_silent_at_once),
        cmocka_unit_test(what_had_not_left_when_the_link_dropped_is_not_sent),
        cmocka_unit_test(a_message_counts_as_sent_from_its_first_byte),
        cmocka_unit_test(an_answer_on_the_next_connection_is_late),
        cmocka_unit_test(half_a_frame_is_forgotten_with_its_connection),
        cmocka_unit_test(a_frame_may_be_split_at_every_byte),
        cmocka_unit_test(frames_may_come_byte_by_byte_or_all_in_one_read),
        cmocka_unit_test(a_keep_alive_is_no_message),
        cmocka_unit_test(a_framing_error_closes),
        cmocka_unit_test(a_frame_that_is_no_message_is_dropped),
        cmocka_unit_test(random_bytes_do_no_harm),
        cmocka_unit_test(a_full_link_sends_nothing_more),
        cmocka_unit_test(a_full_output_sends_nothing_more_but_still_echoes),
        cmocka_unit_test(a_host_that_asks_without_reading_is_closed),
        cmocka_unit_test(an_idle_link_sends_golden_echo_N3),
        cmocka_unit_test(traffic_goes_on_while_an_echo_is_unanswered),
        cmocka_unit_test(two_missed_echoes_close),
        cmocka_unit_test(an_answered_echo_forgives_the_miss_before_it),
        cmocka_unit_test(the_hosts_own_network_messages_are_answered),
        cmocka_unit_test(when_the_host_signs_off_the_open_requests_are_still_answered),
        cmocka_unit_test(our_sign_off_waits_for_open_requests_then_closes_for_good),
        cmocka_unit_test(an_unanswered_sign_off_closes_too),
        cmocka_unit_test(a_link_that_is_down_signs_off_at_once),
        cmocka_unit_test(with_a_key_every_message_carries_its_MAC),
        cmocka_unit_test(an_answer_with_a_wrong_or_missing_MAC_is_silence),
        cmocka_unit_test(a_network_message_with_a_wrong_MAC_is_dropped),
        cmocka_unit_test(the_view_shows_the_configuration),
        cmocka_unit_test(every_message_is_traced_in_both_directions),
        cmocka_unit_test(a_message_that_cannot_be_packed_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
