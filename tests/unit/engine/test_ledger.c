/*
 * The ledger: which accounts a movement touches, and that nothing is ever out of balance.
 */
#include "engine/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static struct entry_row entries[BATCH_EVENTS * ENTRIES_PER_EVENT];

static struct decision decision_new(void)
{
    return (struct decision) { .now_ms = 1000, .entries = entries };
}

static struct operation_row operation_new(int64_t id)
{
    return (struct operation_row) { .merchant_id = 5, .id = id, .currency = 978 };
}

static void every_movement_debits_and_credits_its_accounts(void **state)
{
    (void)state;
    static const struct {
        enum movement movement;
        enum entry_account debit, credit;
    } expected[] = {
        { MOVE_HOLD, ACC_ISSUER_HOLD, ACC_MERCHANT_HELD },
        { MOVE_UNHOLD, ACC_MERCHANT_HELD, ACC_ISSUER_HOLD },
        { MOVE_CAPTURE, ACC_ACQUIRER_RECEIVABLE, ACC_MERCHANT_PAYABLE },
        { MOVE_REFUND, ACC_MERCHANT_PAYABLE, ACC_ACQUIRER_RECEIVABLE },
    };
    for (size_t i = 0; i < COUNT(expected); i++) {
        struct decision d = decision_new();
        struct operation_row o = operation_new(1);
        ledger_post(&d, &o, expected[i].movement, 250);
        assert_int_equal(d.n_entries, 2);
        assert_int_equal(entries[0].account, expected[i].debit);
        assert_int_equal(entries[0].amount_minor, 250);
        assert_int_equal(entries[1].account, expected[i].credit);
        assert_int_equal(entries[1].amount_minor, -250);
    }
}

static void an_entry_names_its_operation_currency_and_time(void **state)
{
    (void)state;
    struct decision d = decision_new();
    struct operation_row o = operation_new(77);
    ledger_post(&d, &o, MOVE_CAPTURE, 1);
    for (size_t i = 0; i < d.n_entries; i++) {
        assert_int_equal(entries[i].merchant_id, 5);
        assert_int_equal(entries[i].operation_id, 77);
        assert_int_equal(entries[i].currency, 978);
        assert_int_equal(entries[i].at_ms, 1000);
    }
}

static void entries_of_an_operation_are_numbered_from_one(void **state)
{
    (void)state;
    struct decision d = decision_new();
    struct operation_row capture = operation_new(1), release = operation_new(2);
    ledger_post(&d, &capture, MOVE_UNHOLD, 60);
    ledger_post(&d, &capture, MOVE_CAPTURE, 60);
    ledger_post(&d, &release, MOVE_UNHOLD, 40);
    static const uint8_t seqs[] = { 1, 2, 3, 4, 1, 2 };
    assert_int_equal(d.n_entries, COUNT(seqs));
    for (size_t i = 0; i < COUNT(seqs); i++)
        assert_int_equal(entries[i].seq, seqs[i]);
}

/* What stands before the first entry of the batch is not the batch's. */
static void numbering_looks_back_no_further_than_the_batch(void **state)
{
    (void)state;
    struct decision d = decision_new();
    struct operation_row o = operation_new(1);
    entries[0] = (struct entry_row) { .operation_id = 1, .seq = 1 };
    d.entries = entries + 1;
    ledger_post(&d, &o, MOVE_HOLD, 60);
    assert_int_equal(d.entries[0].seq, 1);
    assert_int_equal(d.entries[1].seq, 2);
}

static void whatever_moves_the_sum_is_zero_and_a_hold_that_ends_leaves_nothing(void **state)
{
    (void)state;
    struct decision d = decision_new();
    struct operation_row hold = operation_new(1), capture = operation_new(2),
                         release = operation_new(3), refund = operation_new(4);
    ledger_post(&d, &hold, MOVE_HOLD, 100);
    ledger_post(&d, &capture, MOVE_UNHOLD, 60);
    ledger_post(&d, &capture, MOVE_CAPTURE, 60);
    ledger_post(&d, &release, MOVE_UNHOLD, 40);
    ledger_post(&d, &refund, MOVE_REFUND, 60);
    int64_t sums[ACC_MERCHANT_PAYABLE + 1] = { 0 };
    for (size_t i = 0; i < d.n_entries; i++)
        sums[entries[i].account] += entries[i].amount_minor;
    for (size_t i = 0; i < COUNT(sums); i++)
        assert_int_equal(sums[i], 0);
}

static void accounts_have_their_names(void **state)
{
    (void)state;
    assert_string_equal(account_name(ACC_ISSUER_HOLD), "issuer_hold");
    assert_string_equal(account_name(ACC_MERCHANT_HELD), "merchant_held");
    assert_string_equal(account_name(ACC_ACQUIRER_RECEIVABLE), "acquirer_receivable");
    assert_string_equal(account_name(ACC_MERCHANT_PAYABLE), "merchant_payable");
    assert_string_equal(account_name((enum entry_account)0), "?");
    assert_string_equal(account_name((enum entry_account)5), "?");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_movement_debits_and_credits_its_accounts),
        cmocka_unit_test(an_entry_names_its_operation_currency_and_time),
        cmocka_unit_test(entries_of_an_operation_are_numbered_from_one),
        cmocka_unit_test(numbering_looks_back_no_further_than_the_batch),
        cmocka_unit_test(whatever_moves_the_sum_is_zero_and_a_hold_that_ends_leaves_nothing),
        cmocka_unit_test(accounts_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
