#include "kit.h"

/* ---- network management ---- */

static void card_messages_before_sign_on_are_answered_91(void **state)
{
    struct kit *k = *state;
    assert_string_equal(kit_network(k, "002"), "00");
    assert_string_equal(ASK(k, "0200", .amount = 100), "91");
    assert_string_equal(kit_network(k, "301"), "00");
    assert_string_equal(kit_network(k, "001"), "00");
    assert_string_equal(ASK(k, "0200", .amount = 100), "00");
    kit_assert_position(k, REFERENCE, 0, 100, 0);
}

static void an_echo_is_answered_with_its_own_elements(void **state)
{
    struct kit *k = *state;
    assert_string_equal(kit_network(k, "301"), "00");
    assert_string_equal(k->answer[0].mti, "0810");
    assert_string_equal(kit_get(k, 70), "301");
    assert_string_equal(kit_get(k, 7), "1121220000");
    assert_string_equal(kit_get(k, 11), "000002");
}

static void key_exchange_is_not_supported(void **state)
{
    assert_string_equal(kit_network(*state, "161"), "40");
}

static void the_terminal_noecho01_silences_network_messages(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 100, .terminal = "NOECHO01"), "00");
    assert_string_equal(kit_network(k, "301"), "");
    assert_string_equal(ASK(k, "0200", .amount = 100), "00");
}

static void a_cut_over_begins_the_next_business_day(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 100), "00");
    assert_string_equal(kit_get(k, 15), "1121");
    assert_string_equal(kit_network(k, "201"), "00");
    assert_string_equal(ASK(k, "0200", .amount = 100), "00");
    assert_string_equal(kit_get(k, 15), "1122");
}

/* ---- openings ---- */

static void an_approval_has_the_elements_of_the_map(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 12345, .cvv = "123"), "00");
    assert_string_equal(k->answer[0].mti, "0110");
    static const int present[] = { 2, 3, 4, 7, 11, 12, 13, 15, 32, 37, 38, 39, 41, 42, 48, 49, 62,
        63 };
    uint64_t bits = 0;
    for (size_t i = 0; i < COUNT(present); i++)
        bits |= UINT64_C(1) << (64 - present[i]);
    assert_true(k->answer[0].present[0] == bits);
    assert_true(k->answer[0].present[1] == 0);
    assert_string_equal(kit_get(k, 2), "4242424242424242");
    assert_string_equal(kit_get(k, 4), "000000012345");
    assert_string_equal(kit_get(k, 48), "T8701M");
    assert_string_equal(kit_get(k, 63), REFERENCE);
    assert_int_equal(strlen(kit_get(k, 38)), 6);
    kit_assert_position(k, REFERENCE, 12345, 0, 0);
}

static void a_series_keeps_its_network_transaction_id(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 1, .network_id = "306326790123456"), "00");
    assert_string_equal(kit_get(k, 62), "306326790123456");
    assert_string_equal(ASK(k, "0100", .amount = 1, .pan = "5555555555554444"), "00");
    assert_memory_equal(kit_get(k, 62), "MCC", 3);
    assert_int_equal(strlen(kit_get(k, 62)), 13);
}

static void a_card_check_of_no_amount_gives_85(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .condition = "51"), "85");
    assert_string_equal(ASK(k, "0100", .condition = "59"), "13");
    assert_string_equal(ASK(k, "0200", .condition = "51"), "13");
    assert_string_equal(ASK(k, "0100", .condition = "51", .pan = "4000007700030510"), "51");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

static void wrong_and_expired_cards_are_declined(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 1, .pan = "4242424242424241"), "14");
    assert_string_equal(ASK(k, "0100", .amount = 1, .expiry = "2510"), "54");
    assert_string_equal(ASK(k, "0100", .amount = 1, .expiry = "2511"), "00");
    assert_string_equal(ASK(k, "0100", .amount = 1, .expiry = "-"), "00");
}

/* The host reads the year of DE 7 from its own clock, also across the new year. */
static void the_year_of_de_7_is_the_nearest_one(void **state)
{
    struct kit *k = *state;
    k->now = INT64_C(1767225600000); /* 2026-01-01T00:00:00Z */
    assert_string_equal(ASK(k, "0100", .amount = 1, .sent = "1231235959", .expiry = "2512"), "00");
    assert_string_equal(kit_get(k, 15), "1231");
    assert_string_equal(ASK(k, "0100", .amount = 1, .sent = "0101000000", .expiry = "2512"), "54");
}

static void incomplete_messages_are_format_errors(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 1, .terminal = "-"), "30");
    assert_string_equal(ASK(k, "0200", .amount = 1, .currency = "-"), "30");
    assert_string_equal(ASK(k, "0200", .amount = 1, .currency = "EUR"), "30");
    assert_string_equal(ASK(k, "0200", .amount = 1, .pan = "42"), "30");
    assert_string_equal(ASK(k, "0200", .amount = 1, .sent = "1321220000"), "30");
    assert_string_equal(ASK(k, "0220", .amount = 1), "30");
    assert_string_equal(ASK(k, "0400", .amount = 1), "30");
    char reference[66];
    memset(reference, 'R', sizeof reference);
    reference[65] = '\0';
    assert_string_equal(ASK(k, "0200", .amount = 1, .reference = reference), "30");
    assert_string_equal(ASK(k, "0200", .amount = 1, .processing = "010000"), "12");
    assert_string_equal(ASK(k, "0100", .amount = 1, .processing = "200000"), "12");
    assert_string_equal(ASK(k, "0120", .amount = 1), "40");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

static void an_element_that_cannot_be_read_is_a_format_error(void **state)
{
    struct kit *k = *state;
    struct iso_message m;
    struct ask a = { "0200", .amount = 100 };
    char packed[ISO_MAX_FRAME];
    size_t n;
    kit_build(k, &a, &m);
    assert_int_equal(iso_pack(&m, ISO_PROFILE_A, packed, sizeof packed, &n), ISO_OK);
    char *terminal = memmem(packed, n, "TERM0001", 8);
    assert_non_null(terminal);
    terminal[0] = '\x01';
    struct buf framed;
    buf_init(&framed, ISO_MAX_FRAME);
    iso_frame_add(&k->config.framing, &framed, packed, n);
    assert_true(host_receive(k->host, k->conn, buf_view(&framed), k->now));
    buf_free(&framed);
    kit_collect(k);
    assert_string_equal(kit_code(k), "30");
    assert_string_equal(kit_get(k, 11), "000002");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

static void answers_and_unknown_messages_are_left_alone(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0110", .amount = 1), "");
    assert_string_equal(ASK(k, "0600", .amount = 1), "");
    assert_true(k->open);
}

static void a_framing_error_closes_the_connection(void **state)
{
    struct kit *k = *state;
    assert_false(host_receive(k->host, k->conn, STR("\xFF\xFF what is this"), k->now));
    assert_true(host_wants_close(k->conn));
}

static void frames_are_put_together_from_any_pieces(void **state)
{
    struct kit *k = *state;
    struct buf stream;
    buf_init(&stream, 16 * ISO_MAX_FRAME);
    enum { MESSAGES = 5 };
    for (int i = 0; i < MESSAGES; i++) {
        struct iso_message m;
        struct ask a = { "0200", .amount = 100 };
        char packed[ISO_MAX_FRAME];
        size_t n;
        kit_build(k, &a, &m);
        assert_int_equal(iso_pack(&m, ISO_PROFILE_A, packed, sizeof packed, &n), ISO_OK);
        iso_frame_add(&k->config.framing, &stream, packed, n);
        buf_add(&stream, "\0", 2); /* a keep-alive between two */
    }
    for (size_t piece = 1, at = 0; at < stream.n; piece = piece * 2 + 1) {
        size_t n = piece < stream.n - at ? piece : stream.n - at;
        assert_true(host_receive(k->host, k->conn, (struct str) { stream.p + at, n }, k->now));
        at += n;
    }
    buf_free(&stream);
    kit_collect(k);
    assert_int_equal(k->answers, MESSAGES);
    kit_assert_position(k, REFERENCE, 0, MESSAGES * 100, 0);
}

/* ---- duplicates ---- */

static void the_same_message_twice_is_a_duplicate(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 100, .stan = 7), "00");
    assert_string_equal(ASK(k, "0200", .amount = 100, .stan = 7), "94");
    assert_string_equal(ASK(k, "0100", .amount = 100, .stan = 7), "00"); /* another class */
    assert_string_equal(ASK(k, "0200", .amount = 100, .stan = 7, .sent = "1121220001"), "00");
    assert_string_equal(ASK(k, "0200", .amount = 100, .stan = 7, .terminal = "TERM0002"), "00");
    assert_string_equal(ASK(k, "0200", .amount = 100, .stan = 7, .pan = "4111111111111111"), "00");
    kit_assert_position(k, REFERENCE, 100, 400, 0);
}

static void a_repeat_gets_the_stored_answer_and_books_nothing(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 100, .stan = 7, .cvv = "123"), "00");
    struct iso_message first = k->answer[0];
    char bytes[sizeof k->bytes];
    memcpy(bytes, k->bytes, sizeof bytes);
    assert_string_equal(ASK(k, "0101", .amount = 100, .stan = 7), "00");
    static const int same[] = { 4, 15, 38, 39, 48, 62, 63 };
    for (size_t i = 0; i < COUNT(same); i++) {
        struct str before = iso_get(&first, same[i]);
        before.p = bytes + (before.p - k->bytes);
        assert_true(before.n > 0 && str_eq(before, iso_get(&k->answer[0], same[i])));
    }
    kit_assert_position(k, REFERENCE, 100, 0, 0);

    assert_string_equal(ASK(k, "0200", .amount = 5, .stan = 8, .pan = "4000007700030510"), "51");
    assert_string_equal(ASK(k, "0201", .amount = 5, .stan = 8, .pan = "4000007700030510"), "51");
    assert_string_equal(ASK(k, "0200", .amount = 5, .stan = 8, .pan = "4000007700030510"), "94");
    assert_int_equal(kit_position(k, REFERENCE).messages, 4);
}

static void a_repeat_whose_first_message_was_lost_is_decided(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0101", .amount = 100), "00");
    kit_assert_position(k, REFERENCE, 100, 0, 0);
}

/* ---- completions ---- */

static void captures_never_exceed_the_hold(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 1000, .stan = 50), "00");
    const char *hold = kit_original("0100", 50);
    assert_string_equal(ASK(k, "0220", .amount = 600, .original = hold), "00");
    assert_string_equal(k->answer[0].mti, "0230");
    assert_false(iso_has(&k->answer[0], 15) || iso_has(&k->answer[0], 38));
    kit_assert_position(k, REFERENCE, 400, 600, 0);
    assert_string_equal(ASK(k, "0220", .amount = 401, .original = hold), "61");
    assert_string_equal(ASK(k, "0220", .amount = 400, .original = hold), "00");
    kit_assert_position(k, REFERENCE, 0, 1000, 0);
    assert_string_equal(ASK(k, "0220", .amount = 1, .original = hold), "61");
}

static void a_completion_must_fit_its_original(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 1000, .stan = 50), "00");
    assert_string_equal(ASK(k, "0200", .amount = 1000, .stan = 51), "00");
    const char *hold = kit_original("0100", 50);
    assert_string_equal(ASK(k, "0220", .amount = 1, .original = kit_original("0100", 99)), "25");
    assert_string_equal(ASK(k, "0220", .amount = 1, .original = kit_original("0200", 51)), "25");
    assert_string_equal(ASK(k, "0220", .amount = 1, .original = hold, .rrn = "999999999999"), "25");
    assert_string_equal(ASK(k, "0220", .amount = 0, .original = hold), "13");
    assert_string_equal(ASK(k, "0220", .amount = 1, .original = hold, .currency = "840"), "13");
    kit_assert_position(k, REFERENCE, 1000, 1000, 0);
}

static void the_tolerance_lets_a_completion_exceed_the_hold(void **state)
{
    struct kit *k = *state;
    kit_end(k);
    k->config.tolerance_percent = 15;
    kit_start(k);
    assert_string_equal(kit_network(k, "001"), "00");
    assert_string_equal(ASK(k, "0100", .amount = 1000, .stan = 50), "00");
    const char *hold = kit_original("0100", 50);
    assert_string_equal(ASK(k, "0220", .amount = 1151, .original = hold), "61");
    assert_string_equal(ASK(k, "0220", .amount = 1150, .original = hold), "00");
    kit_assert_position(k, REFERENCE, 0, 1150, 0);
}

static void a_repeated_completion_captures_once(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 1000, .stan = 50), "00");
    const char *hold = kit_original("0100", 50);
    assert_string_equal(ASK(k, "0220", .amount = 500, .stan = 60, .original = hold), "00");
    assert_string_equal(ASK(k, "0221", .amount = 500, .stan = 60, .original = hold), "00");
    assert_string_equal(ASK(k, "0220", .amount = 500, .stan = 60, .original = hold), "94");
    kit_assert_position(k, REFERENCE, 500, 500, 0);
}

/* ---- reversals ---- */

static void a_reversal_undoes_once(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 900, .stan = 50), "00");
    const char *sale = kit_original("0200", 50);
    assert_string_equal(ASK(k, "0400", .amount = 900, .stan = 60, .original = sale), "00");
    assert_string_equal(k->answer[0].mti, "0410");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
    assert_string_equal(ASK(k, "0401", .amount = 900, .stan = 60, .original = sale), "00");
    assert_string_equal(ASK(k, "0420", .amount = 900, .stan = 61, .original = sale), "00");
    assert_string_equal(k->answer[0].mti, "0430");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

static void a_reversal_before_its_original_bars_the_original(void **state)
{
    struct kit *k = *state;
    const char *sale = kit_original("0200", 50);
    assert_string_equal(ASK(k, "0400", .amount = 900, .stan = 60, .original = sale), "25");
    assert_string_equal(ASK(k, "0401", .amount = 900, .stan = 60, .original = sale), "25");
    assert_string_equal(ASK(k, "0420", .amount = 900, .stan = 61, .original = sale), "25");
    assert_string_equal(ASK(k, "0200", .amount = 900, .stan = 50), "94");
    assert_string_equal(ASK(k, "0201", .amount = 900, .stan = 50), "94");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
    assert_string_equal(ASK(k, "0200", .amount = 900, .stan = 51), "00");
}

static void a_reversal_must_fit_its_original(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 900, .stan = 50), "00");
    const char *sale = kit_original("0200", 50);
    assert_string_equal(ASK(k, "0400", .amount = 901, .original = sale), "13");
    assert_string_equal(ASK(k, "0400", .amount = 900, .original = sale, .currency = "840"), "13");
    assert_string_equal(ASK(k, "0400", .amount = 900, .original = sale, .rrn = "1"), "25");
    kit_assert_position(k, REFERENCE, 0, 900, 0);
    assert_string_equal(ASK(k, "0400", .amount = 900, .original = sale, .rrn = "-"), "00");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

static void a_declined_original_has_nothing_to_undo(void **state)
{
    struct kit *k = *state;
    const char *pan = "4000007700030510";
    assert_string_equal(ASK(k, "0200", .amount = 9, .stan = 50, .pan = pan), "51");
    const char *sale = kit_original("0200", 50);
    assert_string_equal(ASK(k, "0400", .amount = 9, .original = sale, .pan = pan), "00");
}

static void a_hold_with_captures_is_not_undone_whole(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 900, .stan = 50), "00");
    const char *hold = kit_original("0100", 50);
    assert_string_equal(ASK(k, "0220", .amount = 300, .stan = 51, .original = hold), "00");
    assert_string_equal(ASK(k, "0420", .amount = 900, .original = hold), "12");
    kit_assert_position(k, REFERENCE, 600, 300, 0);
    const char *capture = kit_original("0220", 51);
    assert_string_equal(ASK(k, "0420", .amount = 300, .original = capture), "00");
    kit_assert_position(k, REFERENCE, 900, 0, 0);
    assert_string_equal(ASK(k, "0420", .amount = 900, .original = hold), "00");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
    assert_string_equal(ASK(k, "0220", .amount = 300, .original = hold), "25");
}

static void a_partial_reversal_leaves_the_amount_of_de_95(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 900, .stan = 50), "00");
    const char *hold = kit_original("0100", 50);
    assert_string_equal(
        ASK(k, "0420", .amount = 900, .original = hold, .kept = "000000000901"), "13");
    assert_string_equal(
        ASK(k, "0420", .amount = 900, .original = hold, .kept = "000000000500"), "00");
    kit_assert_position(k, REFERENCE, 500, 0, 0);
    assert_string_equal(ASK(k, "0220", .amount = 501, .original = hold), "61");
    assert_string_equal(ASK(k, "0220", .amount = 200, .original = hold), "00");
    assert_string_equal(
        ASK(k, "0420", .amount = 900, .original = hold, .kept = "000000000199"), "13");
    assert_string_equal(
        ASK(k, "0420", .amount = 900, .original = hold, .kept = "000000000200"), "00");
    kit_assert_position(k, REFERENCE, 0, 200, 0);
    assert_string_equal(
        ASK(k, "0420", .amount = 900, .original = hold, .kept = "00000000020A"), "30");
}

static void a_partial_reversal_to_nothing_undoes_the_hold(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 900, .stan = 50), "00");
    const char *hold = kit_original("0100", 50);
    assert_string_equal(
        ASK(k, "0420", .amount = 900, .original = hold, .kept = "000000000000"), "00");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
    assert_string_equal(ASK(k, "0220", .amount = 1, .original = hold), "25");
}

/* ---- refunds ---- */

#define REFUND(k, minor, of, ref)                                                                  \
    ASK(k, "0200", .processing = "200000", .amount = (minor), .original = (of), .reference = (ref))

static void refunds_never_exceed_what_was_captured(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 900, .stan = 50), "00");
    const char *sale = kit_original("0200", 50);
    assert_string_equal(REFUND(k, 400, sale, "REFUND1"), "00");
    assert_string_equal(k->answer[0].mti, "0210");
    assert_string_equal(REFUND(k, 501, sale, "REFUND2"), "61");
    assert_string_equal(REFUND(k, 500, sale, "REFUND3"), "00");
    assert_string_equal(REFUND(k, 1, sale, "REFUND4"), "61");
    assert_string_equal(REFUND(k, 0, sale, "REFUND5"), "13");
    kit_assert_position(k, REFERENCE, 0, 900, 900);
    kit_assert_position(k, "REFUND1", 0, 0, 400);
    kit_assert_position(k, "REFUND2", 0, 0, 0);
    assert_string_equal(ASK(k, "0400", .amount = 900, .original = sale), "12");
}

static void a_refund_may_name_the_completion_or_its_hold(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 900, .stan = 50), "00");
    const char *hold = kit_original("0100", 50);
    assert_string_equal(REFUND(k, 1, hold, REFERENCE), "61");
    assert_string_equal(ASK(k, "0220", .amount = 600, .stan = 51, .original = hold), "00");
    const char *capture = kit_original("0220", 51);
    assert_string_equal(REFUND(k, 200, capture, REFERENCE), "00");
    assert_string_equal(REFUND(k, 100, hold, REFERENCE), "00");
    kit_assert_position(k, REFERENCE, 300, 600, 300);
    assert_string_equal(ASK(k, "0420", .amount = 600, .original = capture), "12");
}

static void a_refund_must_fit_its_original(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 900, .stan = 50), "00");
    assert_string_equal(REFUND(k, 1, kit_original("0200", 99), "R"), "25");
    assert_string_equal(ASK(k, "0200", .processing = "200000", .amount = 1, .currency = "840",
                            .original = kit_original("0200", 50)),
        "13");
    assert_string_equal(ASK(k, "0400", .amount = 900, .original = kit_original("0200", 50)), "00");
    assert_string_equal(REFUND(k, 1, kit_original("0200", 50), "R"), "25");
}

static void a_reversed_refund_may_be_made_again(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 900, .stan = 50), "00");
    const char *sale = kit_original("0200", 50);
    assert_string_equal(ASK(k, "0200", .processing = "200000", .amount = 900, .stan = 51,
                            .original = sale, .reference = "REFUND1"),
        "00");
    assert_string_equal(ASK(k, "0400", .processing = "200000", .amount = 900,
                            .original = kit_original("0200", 51), .reference = "REFUND1"),
        "00");
    kit_assert_position(k, REFERENCE, 0, 900, 0);
    kit_assert_position(k, "REFUND1", 0, 0, 0);
    assert_string_equal(REFUND(k, 900, sale, "REFUND2"), "00");
    kit_assert_position(k, REFERENCE, 0, 900, 900);
}

static void a_credit_needs_no_original(void **state)
{
    struct kit *k = *state;
    assert_string_equal(REFUND(k, 700, "-", "PAYOUT1"), "00");
    kit_assert_position(k, "PAYOUT1", 0, 0, 700);
    assert_string_equal(ASK(k, "0200", .processing = "200000", .amount = 1,
                            .original = "000000000000000000000000000000000000000000"),
        "00");
    assert_string_equal(
        ASK(k, "0200", .processing = "200000", .amount = 1, .pan = "4000007700030510"), "51");
}

/* ---- scenarios ---- */

static const char *scenario_pan(unsigned rrr)
{
    static char pan[17];
    (void)snprintf(pan, sizeof pan, "400000770003%03u0", rrr % 1000);
    int sum = 0;
    for (int i = 0; i < 15; i++) {
        int d = pan[i] - '0';
        sum += i % 2 == 0 ? (d > 4 ? 2 * d - 9 : 2 * d) : d;
    }
    pan[15] = (char)('0' + (10 - sum % 10) % 10);
    return pan;
}

static void scenarios_001_to_099_answer_their_number(void **state)
{
    struct kit *k = *state;
    int64_t booked = 0;
    for (unsigned rrr = 1; rrr < 100; rrr++) {
        char code[4];
        (void)snprintf(code, sizeof code, "%02u", rrr);
        assert_string_equal(ASK(k, "0200", .amount = 10, .pan = scenario_pan(rrr)), code);
        bool approval = rrr == 8 || rrr == 11 || rrr == 16 || rrr == 85;
        assert_int_equal(iso_has(&k->answer[0], 38), approval || rrr == 10);
        booked += approval ? 10 : rrr == 10 ? 5 : 0;
    }
    kit_assert_position(k, REFERENCE, 0, booked, 0);
}

static void scenarios_with_letters_decline(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0100", .amount = 10, .pan = scenario_pan(101)), "1A");
    assert_string_equal(ASK(k, "0100", .amount = 10, .pan = scenario_pan(103)), "R3");
    assert_string_equal(kit_get(k, 48), "T840203");
    assert_string_equal(ASK(k, "0100", .amount = 10, .pan = scenario_pan(107), .cvv = "9"), "N7");
    assert_string_equal(kit_get(k, 48), "T8701N");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

static void scenario_110_approves_half(void **state)
{
    struct kit *k = *state;
    const char *pan = scenario_pan(110);
    assert_string_equal(ASK(k, "0100", .amount = 1001, .pan = pan, .stan = 50), "10");
    assert_string_equal(kit_get(k, 4), "000000000501");
    assert_string_equal(kit_get(k, 54), "0057978C000000001001");
    kit_assert_position(k, REFERENCE, 501, 0, 0);
    assert_string_equal(ASK(k, "0101", .amount = 1001, .pan = pan, .stan = 50), "10");
    assert_string_equal(kit_get(k, 4), "000000000501");
    const char *hold = kit_original("0100", 50);
    assert_string_equal(ASK(k, "0400", .amount = 1001, .pan = pan, .original = hold), "00");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

/* Reversing what the scenario left; the code tells whether the host had seen it. */
static void silent_scenarios_book_or_not_as_they_say(void **state)
{
    struct kit *k = *state;
    static const struct {
        unsigned rrr;
        bool booked, closes;
    } rows[] = { { 200, false, false }, { 201, true, false }, { 204, true, true },
        { 205, false, true } };
    for (size_t i = 0; i < COUNT(rows); i++) {
        const char *pan = scenario_pan(rows[i].rrr);
        unsigned stan = 50 + (unsigned)i;
        assert_string_equal(ASK(k, "0200", .amount = 77, .pan = pan, .stan = stan), "");
        assert_int_equal(!k->open, rows[i].closes);
        kit_assert_position(k, REFERENCE, 0, rows[i].booked ? 77 : 0, 0);
        if (rows[i].closes) {
            host_disconnect(k->host, k->conn);
            k->conn = host_connect(k->host);
            assert_string_equal(kit_network(k, "001"), "00");
        }
        assert_string_equal(
            ASK(k, "0400", .amount = 77, .pan = pan, .original = kit_original("0200", stan)),
            rows[i].booked ? "00" : "25");
        kit_assert_position(k, REFERENCE, 0, 0, 0);
    }
}

static void scenarios_202_and_203_answer_after_the_time_out(void **state)
{
    struct kit *k = *state;
    int64_t start = k->now;
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = scenario_pan(202)), "");
    kit_assert_position(k, REFERENCE, 0, 10, 0);
    k->now = start + 1000;
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = scenario_pan(203)), "");
    kit_assert_position(k, REFERENCE, 0, 10, 0);
    assert_true(host_tick(k->host, k->now) == start + HOST_LATE_MS);
    kit_tick(k, start + HOST_LATE_MS - 1);
    assert_int_equal(k->answers, 0);
    kit_tick(k, start + HOST_LATE_MS);
    assert_string_equal(kit_code(k), "00");
    kit_tick(k, start + 1000 + HOST_LATE_MS);
    assert_string_equal(kit_code(k), "05");
    assert_true(host_tick(k->host, k->now) == INT64_MAX);
}

static void scenario_206_answers_twice(void **state)
{
    struct kit *k = *state;
    struct iso_message m;
    struct ask a = { "0200", .amount = 10, .pan = scenario_pan(206) };
    kit_build(k, &a, &m);
    kit_send(k, &m);
    assert_int_equal(k->answers, 2);
    assert_true(str_eq(iso_get(&k->answer[0], 38), iso_get(&k->answer[1], 38)));
    kit_assert_position(k, REFERENCE, 0, 10, 0);
}

static void scenario_207_answers_with_a_wrong_mac(void **state)
{
    struct kit *k = *state;
    for (int profile = ISO_PROFILE_A; profile <= ISO_PROFILE_B; profile++) {
        kit_end(k);
        k->config.profile = (enum iso_profile)profile;
        k->config.mac = (struct iso_mac_key) { ISO_MAC_CMAC, "0123456789abcde" };
        kit_start(k);
        assert_string_equal(kit_network(k, "001"), "00");
        assert_string_equal(k->answer[0].mti, "0810");
        assert_string_equal(ASK(k, "0200", .amount = 10), "00");
        assert_string_equal(k->answer[0].mti, "0210");
        (void)ASK(k, "0200", .amount = 10, .pan = scenario_pan(207));
        assert_string_equal(k->answer[0].mti, "!210");
        kit_assert_position(k, REFERENCE, 0, 20, 0);
    }
}

static void a_request_with_a_wrong_mac_is_dropped(void **state)
{
    struct kit *k = *state;
    kit_end(k);
    k->config.mac = (struct iso_mac_key) { ISO_MAC_CMAC, "0123456789abcde" };
    kit_start(k);
    struct iso_mac_key right = k->config.mac;
    k->config.mac.key[0] ^= 1;
    assert_string_equal(kit_network(k, "001"), "");
    k->config.mac = right;
    assert_string_equal(kit_network(k, "001"), "00");
}

static void scenario_208_answers_another_amount(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = scenario_pan(208)), "00");
    assert_string_equal(kit_get(k, 4), "000000000011");
    kit_assert_position(k, REFERENCE, 0, 10, 0);
}

static void scenario_209_answers_in_odd_order(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = scenario_pan(209)), "00");
    assert_true(iso_has(&k->answer[0], 44));
    struct str de48 = iso_get(&k->answer[0], 48);
    assert_true(str_eq(iso_de48_get(de48, "87"), STR("P")));
    assert_true(str_eq(iso_de48_get(de48, "84"), STR("02")));
}

static void scenario_210_puts_the_reversal_off_three_times(void **state)
{
    struct kit *k = *state;
    const char *pan = scenario_pan(210), *sale = kit_original("0200", 50);
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = pan, .stan = 50), "00");
    for (int i = 0; i < 3; i++) {
        const char *mti = i == 0 ? "0420" : "0421";
        assert_string_equal(
            ASK(k, mti, .amount = 10, .pan = pan, .stan = 60, .original = sale), "91");
        kit_assert_position(k, REFERENCE, 0, 10, 0);
    }
    assert_string_equal(
        ASK(k, "0421", .amount = 10, .pan = pan, .stan = 60, .original = sale), "00");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

static void scenario_211_answers_the_sixth_reversal_with_25(void **state)
{
    struct kit *k = *state;
    const char *pan = scenario_pan(211), *sale = kit_original("0200", 50);
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = pan, .stan = 50), "00");
    for (int i = 0; i < 5; i++) {
        const char *mti = i == 0 ? "0420" : "0421";
        assert_string_equal(
            ASK(k, mti, .amount = 10, .pan = pan, .stan = 60, .original = sale), "");
    }
    assert_string_equal(
        ASK(k, "0421", .amount = 10, .pan = pan, .stan = 60, .original = sale), "25");
    kit_assert_position(k, REFERENCE, 0, 0, 0);
}

static void scenario_212_refuses_the_reversal(void **state)
{
    struct kit *k = *state;
    const char *pan = scenario_pan(212), *sale = kit_original("0200", 50);
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = pan, .stan = 50), "00");
    assert_string_equal(ASK(k, "0400", .amount = 10, .pan = pan, .original = sale), "30");
    kit_assert_position(k, REFERENCE, 0, 10, 0);
}

static void scenario_220_answers_the_third_completion(void **state)
{
    struct kit *k = *state;
    const char *pan = scenario_pan(220), *hold = kit_original("0100", 50);
    assert_string_equal(ASK(k, "0100", .amount = 10, .pan = pan, .stan = 50), "00");
    assert_string_equal(ASK(k, "0220", .amount = 10, .pan = pan, .stan = 60, .original = hold), "");
    assert_string_equal(ASK(k, "0221", .amount = 10, .pan = pan, .stan = 60, .original = hold), "");
    assert_string_equal(
        ASK(k, "0221", .amount = 10, .pan = pan, .stan = 60, .original = hold), "00");
    kit_assert_position(k, REFERENCE, 0, 10, 0);
}

static void scenario_221_refuses_the_completion(void **state)
{
    struct kit *k = *state;
    const char *pan = scenario_pan(221), *hold = kit_original("0100", 50);
    assert_string_equal(ASK(k, "0100", .amount = 10, .pan = pan, .stan = 50), "00");
    assert_string_equal(ASK(k, "0220", .amount = 10, .pan = pan, .original = hold), "25");
    kit_assert_position(k, REFERENCE, 10, 0, 0);
}

static void scenario_230_answers_the_refund_late(void **state)
{
    struct kit *k = *state;
    const char *pan = scenario_pan(230), *sale = kit_original("0200", 50);
    assert_string_equal(ASK(k, "0200", .amount = 10, .pan = pan, .stan = 50), "00");
    assert_string_equal(
        ASK(k, "0200", .processing = "200000", .amount = 10, .pan = pan, .original = sale), "");
    kit_assert_position(k, REFERENCE, 0, 10, 10);
    kit_tick(k, k->now + HOST_LATE_MS);
    assert_string_equal(kit_code(k), "00");
}

/* ---- reconciliation ---- */

struct day {
    const char *merchant, *currency, *date;
    unsigned count[4]; /* DE 74 to 77 */
    unsigned amount[4];
};

static const char *reconcile(struct kit *k, struct day d)
{
    struct iso_message m;
    iso_init(&m, "0500");
    kit_set(&m, 7, "1121230000");
    iso_set_number(&m, 11, ++k->stan, 6);
    kit_set(&m, 15, kit_or(d.date, "1121"));
    kit_set(&m, 32, "12345678901");
    kit_set(&m, 42, kit_or(d.merchant, "SHOP00000000001"));
    kit_set(&m, 50, kit_or(d.currency, "978"));
    for (int i = 0; i < 4; i++) {
        iso_set_number(&m, 74 + i, d.count[i], 10);
        iso_set_number(&m, 86 + i, d.amount[i], 16);
    }
    kit_send(k, &m);
    return kit_code(k);
}

/* Three sales, a capture, a refund, a reversed sale and a reversed refund; a hold, which does not count. */
static void make_a_day(struct kit *k, const char *merchant)
{
    for (unsigned stan = 51; stan <= 53; stan++)
        assert_string_equal(
            ASK(k, "0200", .amount = stan, .stan = stan, .merchant = merchant), "00");
    assert_string_equal(ASK(k, "0100", .amount = 900, .stan = 60, .merchant = merchant), "00");
    assert_string_equal(
        ASK(k, "0220", .amount = 500, .merchant = merchant, .original = kit_original("0100", 60)),
        "00");
    for (unsigned i = 0; i < 2; i++)
        assert_string_equal(ASK(k, "0200", .processing = "200000", .amount = 20 + i, .stan = 70 + i,
                                .merchant = merchant, .original = kit_original("0200", 51 + i)),
            "00");
    assert_string_equal(
        ASK(k, "0400", .amount = 53, .merchant = merchant, .original = kit_original("0200", 53)),
        "00");
    assert_string_equal(
        ASK(k, "0400", .amount = 21, .merchant = merchant, .original = kit_original("0200", 71)),
        "00");
}

static void a_day_that_agrees_is_in_balance(void **state)
{
    struct kit *k = *state;
    make_a_day(k, "SHOP00000000001");
    struct day right = { .count = { 2, 1, 4, 1 }, .amount = { 41, 53, 656, 21 } };
    assert_string_equal(reconcile(k, right), "00");
    assert_string_equal(k->answer[0].mti, "0510");
    assert_string_equal(kit_get(k, 66), "1");
    assert_false(iso_has(&k->answer[0], 74));
}

static void a_day_that_differs_gets_the_totals_of_the_host(void **state)
{
    struct kit *k = *state;
    make_a_day(k, "SHOP00000000001");
    struct day wrong = { .count = { 2, 1, 4, 1 }, .amount = { 41, 53, 657, 21 } };
    assert_string_equal(reconcile(k, wrong), "95");
    assert_string_equal(kit_get(k, 66), "2");
    assert_string_equal(kit_get(k, 74), "0000000002");
    assert_string_equal(kit_get(k, 76), "0000000004");
    assert_string_equal(kit_get(k, 88), "0000000000000656");
    assert_string_equal(kit_get(k, 97), "D0000000000000583"); /* 41 + 53 - 656 - 21 */
}

static void totals_are_kept_by_merchant_currency_and_day(void **state)
{
    struct kit *k = *state;
    make_a_day(k, "SHOP00000000001");
    assert_string_equal(reconcile(k, (struct day) { .merchant = "SHOP00000000002" }), "00");
    assert_string_equal(reconcile(k, (struct day) { .currency = "840" }), "00");
    assert_string_equal(reconcile(k, (struct day) { .date = "1122" }), "00");
    assert_string_equal(reconcile(k, (struct day) { .date = "1121" }), "95");
}

static void a_merchant_whose_id_ends_in_9_is_told_one_sale_less(void **state)
{
    struct kit *k = *state;
    make_a_day(k, "SHOP00000000009");
    struct day right = {
        .merchant = "SHOP00000000009", .count = { 2, 1, 4, 1 }, .amount = { 41, 53, 656, 21 }
    };
    assert_string_equal(reconcile(k, right), "95");
    assert_string_equal(kit_get(k, 76), "0000000003");
    assert_string_equal(kit_get(k, 88), "0000000000000156");
}

static void a_reconciliation_without_a_date_is_an_error(void **state)
{
    struct kit *k = *state;
    assert_string_equal(reconcile(k, (struct day) { .date = "-" }), "30");
    assert_string_equal(kit_get(k, 66), "3");
}

#define T(name) cmocka_unit_test_setup_teardown(name, kit_setup, kit_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(card_messages_before_sign_on_are_answered_91),
        T(an_echo_is_answered_with_its_own_elements),
        T(key_exchange_is_not_supported),
        T(the_terminal_noecho01_silences_network_messages),
        T(a_cut_over_begins_the_next_business_day),
        T(an_approval_has_the_elements_of_the_map),
        T(a_series_keeps_its_network_transaction_id),
        T(a_card_check_of_no_amount_gives_85),
        T(wrong_and_expired_cards_are_declined),
        T(the_year_of_de_7_is_the_nearest_one),
        T(incomplete_messages_are_format_errors),
        T(an_element_that_cannot_be_read_is_a_format_error),
        T(answers_and_unknown_messages_are_left_alone),
        T(a_framing_error_closes_the_connection),
        T(frames_are_put_together_from_any_pieces),
        T(the_same_message_twice_is_a_duplicate),
        T(a_repeat_gets_the_stored_answer_and_books_nothing),
        T(a_repeat_whose_first_message_was_lost_is_decided),
        T(captures_never_exceed_the_hold),
        T(a_completion_must_fit_its_original),
        T(the_tolerance_lets_a_completion_exceed_the_hold),
        T(a_repeated_completion_captures_once),
        T(a_reversal_undoes_once),
        T(a_reversal_before_its_original_bars_the_original),
        T(a_reversal_must_fit_its_original),
        T(a_declined_original_has_nothing_to_undo),
        T(a_hold_with_captures_is_not_undone_whole),
        T(a_partial_reversal_leaves_the_amount_of_de_95),
        T(a_partial_reversal_to_nothing_undoes_the_hold),
        T(refunds_never_exceed_what_was_captured),
        T(a_refund_may_name_the_completion_or_its_hold),
        T(a_refund_must_fit_its_original),
        T(a_reversed_refund_may_be_made_again),
        T(a_credit_needs_no_original),
        T(scenarios_001_to_099_answer_their_number),
        T(scenarios_with_letters_decline),
        T(scenario_110_approves_half),
        T(silent_scenarios_book_or_not_as_they_say),
        T(scenarios_202_and_203_answer_after_the_time_out),
        T(scenario_206_answers_twice),
        T(scenario_207_answers_with_a_wrong_mac),
        T(a_request_with_a_wrong_mac_is_dropped),
        T(scenario_208_answers_another_amount),
        T(scenario_209_answers_in_odd_order),
        T(scenario_210_puts_the_reversal_off_three_times),
        T(scenario_211_answers_the_sixth_reversal_with_25),
        T(scenario_212_refuses_the_reversal),
        T(scenario_220_answers_the_third_completion),
        T(scenario_221_refuses_the_completion),
        T(scenario_230_answers_the_refund_late),
        T(a_day_that_agrees_is_in_balance),
        T(a_day_that_differs_gets_the_totals_of_the_host),
        T(totals_are_kept_by_merchant_currency_and_day),
        T(a_merchant_whose_id_ends_in_9_is_told_one_sale_less),
        T(a_reconciliation_without_a_date_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
