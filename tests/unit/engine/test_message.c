/*
 * Messages: what each operation says to the host, and by which data it names the one before it
 * (spec/iso8583.md §6).
 */
#include "engine/command.h"
#include "engine/decision.h"
#include "store/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#define AUTH_TEXT "A1B2C3"
#define TEN_PM    INT64_C(1795298470000) /* 2026-11-21 22:01:10, day 325 */

enum { SHOP = 5, HOLD = 0x10, SALE = 0x20, REFUND = 0x30, NEXT = 0x40 };

struct bench {
    struct arena arena;
    struct decision d;
    struct merchant_row merchant;
};

static void add(struct bench *b, int64_t id, enum operation_kind kind, uint32_t stan)
{
    struct operation_row o = { .merchant_id = SHOP,
        .id = id,
        .payment_id = id,
        .kind = kind,
        .state = OPS_APPROVED,
        .currency = 978,
        .amount_minor = 1000,
        .stan = stan,
        .sent_ms = TEN_PM,
        .authcode = AUTH_TEXT,
        .network_id = "NET123" };
    (void)operation_add(b->d.rows, &o);
}

static int set_up(void **state)
{
    static struct bench b;
    memset(&b, 0, sizeof b);
    arena_init(&b.arena, 4u << 20);
    b.d.rows = workset_new(64);
    assert_non_null(b.d.rows);
    workset_begin(b.d.rows, &b.arena);
    b.merchant.id = SHOP;
    add(&b, HOLD, OPK_AUTHORIZE, 101);
    add(&b, SALE, OPK_SALE, 102);
    add(&b, REFUND, OPK_REFUND, 103);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    workset_free(b->d.rows);
    arena_free(&b->arena);
    return 0;
}

/* An operation an hour later, with trace number 200. */
static struct operation_row follower(enum operation_kind kind, int64_t parent, int64_t minor)
{
    return (struct operation_row) { .merchant_id = SHOP,
        .id = NEXT,
        .payment_id = parent == SALE || parent == REFUND ? SALE : HOLD,
        .parent_id = parent,
        .kind = kind,
        .currency = 978,
        .amount_minor = minor,
        .expiry_yymm = 2812,
        .entry = ENTRY_STORED,
        .stan = 200,
        .sent_ms = TEN_PM + 3600000,
        .attempts = 1 };
}

static struct acquirer_message message(struct bench *b, const struct operation_row *o)
{
    struct acquirer_message m;
    memset(&m, 0xff, sizeof m);
    assert_true(message_of(&b->d, o, &b->merchant, &m));
    return m;
}

static void an_rrn_is_year_day_hour_and_trace_number(void **state)
{
    (void)state;
    char rrn[13];
    rrn_make(TEN_PM, 101, rrn);
    assert_string_equal(rrn, "632522000101");
    rrn_make(TEN_PM, 999999, rrn);
    assert_string_equal(rrn, "632522999999");
    rrn_make(INT64_C(1893455999999), 1, rrn); /* 2029-12-31 23:59:59.999 */
    assert_string_equal(rrn, "936523000001");
    rrn_make(INT64_C(1893456000000), 1, rrn); /* 2030-01-01 00:00 */
    assert_string_equal(rrn, "000100000001");
    rrn_make(INT64_C(1861919999000), 5, rrn); /* 2028 is a leap year: its last day is 366 */
    assert_string_equal(rrn, "836623000005");
}

static void an_opening_names_nothing_before_it(void **state)
{
    struct bench *b = *state;
    struct operation_row o = follower(OPK_SALE, 0, 1250);
    o.payment_id = o.id;
    struct acquirer_message m = message(b, &o);
    assert_int_equal(m.operation.merchant_id, SHOP);
    assert_int_equal(m.operation.id, NEXT);
    assert_int_equal(m.kind, OPK_SALE);
    assert_int_equal(m.original_kind, OPK_SALE);
    assert_false(m.repeat);
    assert_int_equal(m.amount_minor, 1250);
    assert_int_equal(m.kept_minor, 0);
    assert_int_equal(m.currency, 978);
    assert_int_equal(m.expiry_yymm, 2812);
    assert_int_equal(m.entry, ENTRY_STORED);
    assert_int_equal(m.stan, 200);
    assert_true(m.sent_ms == TEN_PM + 3600000 && m.local_ms == m.sent_ms);
    assert_string_equal(m.rrn, "632523000200");
    assert_string_equal(m.original.mti, "");
    assert_string_equal(m.authcode, "");
    assert_string_equal(m.reason, "");
    assert_string_equal(m.reference, "0000000000000040");
    assert_ptr_equal(m.merchant, &b->merchant);
}

static void a_capture_goes_under_the_holds_rrn_time_and_network_id(void **state)
{
    struct bench *b = *state;
    struct operation_row o = follower(OPK_CAPTURE, HOLD, 600);
    (void)str_copy(o.authcode, sizeof o.authcode, STR(AUTH_TEXT));
    struct acquirer_message m = message(b, &o);
    assert_int_equal(m.amount_minor, 600);
    assert_int_equal(m.stan, 200);
    assert_true(m.sent_ms == TEN_PM + 3600000);
    assert_true(m.local_ms == TEN_PM);
    assert_string_equal(m.rrn, "632522000101");
    assert_string_equal(m.original.mti, "0100");
    assert_int_equal(m.original.stan, 101);
    assert_true(m.original.sent_ms == TEN_PM);
    assert_int_equal(m.original_kind, OPK_AUTHORIZE);
    assert_string_equal(m.network_id, "NET123");
    assert_string_equal(m.authcode, AUTH_TEXT);
    assert_string_equal(m.reference, "0000000000000010");
}

static void a_void_names_the_hold_and_its_reason(void **state)
{
    struct bench *b = *state;
    struct operation_row o = follower(OPK_VOID, HOLD, 1000);
    (void)str_copy(o.reason, sizeof o.reason, STR("17"));
    struct acquirer_message m = message(b, &o);
    assert_int_equal(m.amount_minor, 1000);
    assert_int_equal(m.kept_minor, 0);
    assert_string_equal(m.reason, "17");
    assert_string_equal(m.original.mti, "0100");
    assert_string_equal(m.rrn, "632522000101");
    assert_true(m.local_ms == TEN_PM);
    assert_string_equal(m.network_id, "");
    assert_string_equal(m.reference, "0000000000000010");
}

static void a_release_carries_the_whole_hold_and_what_stays_of_it(void **state)
{
    struct bench *b = *state;
    struct operation_row o = follower(OPK_RELEASE, HOLD, 400);
    (void)str_copy(o.reason, sizeof o.reason, STR("32"));
    struct acquirer_message m = message(b, &o);
    assert_int_equal(m.amount_minor, 1000);
    assert_int_equal(m.kept_minor, 600);
    assert_string_equal(m.reason, "32");
    assert_string_equal(m.original.mti, "0100");
    assert_int_equal(m.original.stan, 101);
    assert_string_equal(m.reference, "0000000000000010");
}

static void a_refund_names_the_sale_under_an_rrn_and_reference_of_its_own(void **state)
{
    struct bench *b = *state;
    struct operation_row o = follower(OPK_REFUND, SALE, 300);
    struct acquirer_message m = message(b, &o);
    assert_int_equal(m.amount_minor, 300);
    assert_string_equal(m.rrn, "632523000200");
    assert_true(m.local_ms == m.sent_ms);
    assert_string_equal(m.original.mti, "0200");
    assert_int_equal(m.original.stan, 102);
    assert_int_equal(m.original_kind, OPK_SALE);
    assert_string_equal(m.network_id, "");
    assert_string_equal(m.reference, "0000000000000040");
}

static void a_refund_of_a_capture_names_the_completion(void **state)
{
    struct bench *b = *state;
    add(b, 0x50, OPK_CAPTURE, 105);
    struct operation_row o = follower(OPK_REFUND, 0x50, 300);
    struct acquirer_message m = message(b, &o);
    assert_string_equal(m.original.mti, "0220");
    assert_int_equal(m.original.stan, 105);
    assert_int_equal(m.original_kind, OPK_CAPTURE);
}

static void a_reversal_names_what_it_undoes(void **state)
{
    struct bench *b = *state;
    static const struct {
        int64_t parent;
        enum operation_kind kind;
        const char *mti, *rrn, *reference;
    } undone[] = {
        { HOLD, OPK_AUTHORIZE, "0100", "632522000101", "0000000000000010" },
        { SALE, OPK_SALE, "0200", "632522000102", "0000000000000020" },
        { REFUND, OPK_REFUND, "0200", "632522000103", "0000000000000030" },
    };
    for (size_t i = 0; i < COUNT(undone); i++) {
        struct operation_row o = follower(OPK_REVERSAL, undone[i].parent, 1000);
        (void)str_copy(o.reason, sizeof o.reason, STR("68"));
        struct acquirer_message m = message(b, &o);
        assert_int_equal(m.original_kind, undone[i].kind);
        assert_string_equal(m.original.mti, undone[i].mti);
        assert_string_equal(m.rrn, undone[i].rrn);
        assert_string_equal(m.reference, undone[i].reference);
        assert_string_equal(m.reason, "68");
        assert_int_equal(m.stan, 200);
        assert_true(m.local_ms == TEN_PM && m.sent_ms == TEN_PM + 3600000);
    }
}

static void a_repeat_differs_from_the_first_in_nothing_but_being_one(void **state)
{
    struct bench *b = *state;
    struct operation_row o = follower(OPK_CAPTURE, HOLD, 600);
    struct acquirer_message first = message(b, &o);
    o.attempts = 2;
    struct acquirer_message second = message(b, &o);
    assert_false(first.repeat);
    assert_true(second.repeat);
    assert_int_equal(second.stan, first.stan);
    assert_true(second.sent_ms == first.sent_ms && second.local_ms == first.local_ms);
    assert_string_equal(second.rrn, first.rrn);
    assert_memory_equal(&second.original, &first.original, sizeof first.original);
    assert_int_equal(second.amount_minor, first.amount_minor);
}

/* A store that holds nothing. */
static enum store_result load_nothing(struct store *s, struct arena *a, struct store_load *load)
{
    (void)s;
    (void)a;
    (void)load;
    return STORE_OK;
}

static void without_the_operation_before_it_there_is_no_message(void **state)
{
    struct bench *b = *state;
    static const struct store_operations nothing = { .load = load_nothing };
    struct store empty = { &nothing };
    struct operation_row o = follower(OPK_CAPTURE, 0x99, 600);
    struct acquirer_message m;
    want_operation(b->d.rows, (struct row_key) { SHOP, o.parent_id });
    assert_int_equal(workset_load(b->d.rows, &empty), STORE_OK);
    assert_false(message_of(&b->d, &o, &b->merchant, &m));
}

static void captures_voids_reversals_and_releases_are_advices(void **state)
{
    (void)state;
    for (enum operation_kind k = OPK_AUTHORIZE; k <= OPK_RELEASE; k++)
        assert_int_equal(kind_is_advice(k),
            k == OPK_CAPTURE || k == OPK_VOID || k == OPK_REVERSAL || k == OPK_RELEASE);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_rrn_is_year_day_hour_and_trace_number),
        EACH(an_opening_names_nothing_before_it),
        EACH(a_capture_goes_under_the_holds_rrn_time_and_network_id),
        EACH(a_void_names_the_hold_and_its_reason),
        EACH(a_release_carries_the_whole_hold_and_what_stays_of_it),
        EACH(a_refund_names_the_sale_under_an_rrn_and_reference_of_its_own),
        EACH(a_refund_of_a_capture_names_the_completion),
        EACH(a_reversal_names_what_it_undoes),
        EACH(a_repeat_differs_from_the_first_in_nothing_but_being_one),
        EACH(without_the_operation_before_it_there_is_no_message),
        cmocka_unit_test(captures_voids_reversals_and_releases_are_advices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
