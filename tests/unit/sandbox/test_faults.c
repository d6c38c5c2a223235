#include "kit.h"

#include "sandbox/delayed.h"

static void set(struct kit *k, const char *json)
{
    struct host_faults f;
    char why[128] = "";
    if (!host_faults_parse(str_of(json), &f, why, sizeof why))
        fail_msg("%s", why);
    host_set_faults(k->host, &f);
}

static void reconnect(struct kit *k)
{
    host_disconnect(k->host, k->conn);
    k->conn = host_connect(k->host);
    assert_string_equal(kit_network(k, "001"), "00");
}

static void a_request_dropped_unbooked_leaves_no_trace_in_the_books(void **state)
{
    struct kit *k = *state;
    set(k, "{\"fault\":\"silent_unbooked\"}");
    assert_string_equal(ASK(k, "0200", .amount = 10, .stan = 50), "");
    assert_true(k->open);
    set(k, "{}");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
    assert_string_equal(ASK(k, "0400", .amount = 10, .original = kit_original("0200", 50)), "25");
}

static void a_silent_booked_request_can_be_reversed(void **state)
{
    struct kit *k = *state;
    set(k, "{\"fault\":\"silent_booked\"}");
    assert_string_equal(ASK(k, "0200", .amount = 10, .stan = 50), "");
    kit_assert_position(k, REFERENCE, 0, 10, 0);
    set(k, "{}");
    assert_string_equal(ASK(k, "0400", .amount = 10, .original = kit_original("0200", 50)), "00");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

static void a_late_answer_comes_when_it_was_said_to(void **state)
{
    struct kit *k = *state;
    int64_t start = k->now;
    set(k, "{\"fault\":\"late\",\"late_ms\":500}");
    assert_string_equal(ASK(k, "0200", .amount = 10), "");
    kit_tick(k, start + 499);
    assert_int_equal(k->answers, 0);
    kit_tick(k, start + 500);
    assert_string_equal(kit_code(k), "00");
}

static void late_ms_holds_for_the_selector_cards_too(void **state)
{
    struct kit *k = *state;
    set(k, "{\"late_ms\":70}");
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = "4000007700032029"), "");
    kit_tick(k, k->now + 70);
    assert_string_equal(kit_code(k), "00");
}

static void an_answer_may_come_twice(void **state)
{
    struct kit *k = *state;
    struct iso_message m;
    struct ask a = { "0200", .amount = 10 };
    set(k, "{\"fault\":\"twice\",\"count\":1}");
    kit_build(k, &a, &m);
    kit_send(k, &m);
    assert_int_equal(k->answers, 2);
    assert_string_equal(ASK(k, "0200", .amount = 10), "00");
    kit_assert_position(k, REFERENCE, 0, 20, 0);
}

static void a_drop_before_the_decision_closes_and_books_nothing(void **state)
{
    struct kit *k = *state;
    set(k, "{\"fault\":\"drop_before\",\"count\":1}");
    assert_string_equal(ASK(k, "0200", .amount = 10), "");
    assert_false(k->open);
    assert_true(host_wants_close(k->conn));
    kit_assert_position(k, REFERENCE, 0, 0, 0);
    reconnect(k);
    assert_string_equal(ASK(k, "0200", .amount = 10), "00");
}

static void a_drop_after_the_decision_closes_and_books(void **state)
{
    struct kit *k = *state;
    set(k, "{\"fault\":\"drop_after\",\"count\":1}");
    assert_string_equal(ASK(k, "0200", .amount = 10), "");
    assert_false(k->open);
    kit_assert_position(k, REFERENCE, 0, 10, 0);
    assert_false(host_receive(k->host, k->conn, STR("\0\0"), k->now));
}

static void a_signed_off_host_refuses_sign_ons_and_answers_91(void **state)
{
    struct kit *k = *state;
    set(k, "{\"fault\":\"sign_off\"}");
    assert_string_equal(kit_network(k, "001"), "91");
    assert_string_equal(kit_network(k, "301"), "91");
    assert_string_equal(ASK(k, "0200", .amount = 10, .stan = 50), "91");
    set(k, "{}");
    assert_string_equal(ASK(k, "0200", .amount = 10, .stan = 50), "00");
}

static void garbage_is_a_frame_without_a_message(void **state)
{
    struct kit *k = *state;
    struct iso_message m;
    struct ask a = { "0200", .amount = 10 };
    set(k, "{\"fault\":\"garbage\"}");
    kit_build(k, &a, &m);
    kit_send(k, &m);
    assert_int_equal(k->answers, 1);
    assert_string_equal(k->answer[0].mti, "");
    kit_assert_position(k, REFERENCE, 0, 10, 0);
}

static void a_fault_hits_its_class_and_its_count_alone(void **state)
{
    struct kit *k = *state;
    set(k, "{\"fault\":\"silent_booked\",\"count\":2,\"class\":2}");
    assert_string_equal(ASK(k, "0100", .amount = 1), "00");
    assert_string_equal(kit_network(k, "301"), "00");
    assert_string_equal(ASK(k, "0200", .amount = 1), "");
    assert_int_equal(host_faults_now(k->host)->count, 1);
    assert_string_equal(ASK(k, "0200", .amount = 1), "");
    assert_string_equal(ASK(k, "0200", .amount = 1), "00");
}

static void a_fault_does_not_answer_what_a_scenario_never_decided(void **state)
{
    struct kit *k = *state;
    set(k, "{\"fault\":\"garbage\"}");
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = "4000007700032003"), "");
}

static void a_delay_holds_back_every_card_answer(void **state)
{
    struct kit *k = *state;
    int64_t start = k->now;
    set(k, "{\"delay_ms\":20}");
    assert_string_equal(ASK(k, "0200", .amount = 10), "");
    assert_string_equal(kit_network(k, "301"), "00");
    k->now += 5;
    assert_string_equal(ASK(k, "0200", .amount = 10), "");
    kit_tick(k, start + 20);
    assert_int_equal(k->answers, 1);
    kit_tick(k, start + 25);
    assert_int_equal(k->answers, 1);
}

static void a_late_answer_to_a_closed_connection_goes_nowhere(void **state)
{
    struct kit *k = *state;
    set(k, "{\"fault\":\"late\",\"late_ms\":500,\"count\":1}");
    assert_string_equal(ASK(k, "0200", .amount = 10), "");
    reconnect(k);
    kit_tick(k, k->now + 500);
    assert_int_equal(k->answers, 0);
}

static void what_is_no_fault_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "[]", "{\"fault\":\"chaos\"}", "{\"fault\":1}",
        "{\"count\":-2}", "{\"count\":1.5}", "{\"class\":5}", "{\"late_ms\":3600001}",
        "{\"colour\":1}", "{\"fault\":\"none\"} x", "{\"delay_ms\":\"1\"}" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct host_faults f;
        char why[128] = "";
        if (host_faults_parse(str_of(bad[i]), &f, why, sizeof why))
            fail_msg("%s", bad[i]);
        assert_true(why[0] != '\0');
    }
}

static void faults_are_printed_as_they_are_read(void **state)
{
    (void)state;
    static const char text[] =
        "{\"fault\":\"drop_after\",\"count\":3,\"class\":4,\"delay_ms\":5,\"late_ms\":6}";
    struct host_faults f;
    char why[128];
    struct buf out;
    buf_init(&out, 1024);
    assert_true(host_faults_parse(STR(text), &f, why, sizeof why));
    host_faults_print(&f, &out);
    assert_true(str_eq(buf_view(&out), STR(text)));
    buf_free(&out);
}

static void delayed_answers_come_in_the_order_of_their_times(void **state)
{
    (void)state;
    struct delayed *d = delayed_new();
    enum { N = 1000 };
    for (int i = 0; i < N; i++) {
        char text[12];
        (void)snprintf(text, sizeof text, "%d", i);
        assert_true(delayed_push(d, (i * 7919) % 101, NULL, str_of(text)));
    }
    int64_t last = -1, last_number = -1;
    for (int i = 0; i < N; i++) {
        struct host_conn *c;
        int64_t due = delayed_due(d);
        uint64_t number;
        assert_true(str_to_u64(delayed_pop(d, &c), N, &number));
        assert_true(due > last || (due == last && (int64_t)number > last_number));
        last = due;
        last_number = (int64_t)number;
    }
    assert_true(delayed_due(d) == INT64_MAX);
    delayed_free(d);
}

static void delayed_answers_are_bounded(void **state)
{
    (void)state;
    struct delayed *d = delayed_new();
    for (int i = 0; i < DELAYED_MAX; i++)
        assert_true(delayed_push(d, i, NULL, STR("x")));
    assert_false(delayed_push(d, 0, NULL, STR("x")));
    delayed_free(d);
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_request_dropped_unbooked_leaves_no_trace_in_the_books),
        T(a_silent_booked_request_can_be_reversed),
        T(a_late_answer_comes_when_it_was_said_to),
        T(late_ms_holds_for_the_selector_cards_too),
        T(an_answer_may_come_twice),
        T(a_drop_before_the_decision_closes_and_books_nothing),
        T(a_drop_after_the_decision_closes_and_books),
        T(a_signed_off_host_refuses_sign_ons_and_answers_91),
        T(garbage_is_a_frame_without_a_message),
        T(a_fault_hits_its_class_and_its_count_alone),
        T(a_fault_does_not_answer_what_a_scenario_never_decided),
        T(a_delay_holds_back_every_card_answer),
        T(a_late_answer_to_a_closed_connection_goes_nowhere),
        cmocka_unit_test(what_is_no_fault_is_refused),
        cmocka_unit_test(faults_are_printed_as_they_are_read),
        cmocka_unit_test(delayed_answers_come_in_the_order_of_their_times),
        cmocka_unit_test(delayed_answers_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
