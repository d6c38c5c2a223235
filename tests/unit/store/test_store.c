#include "helper.h"

#include <pthread.h>

static void a_new_database_is_readable_by_its_owner_alone(void **state)
{
    struct place *p = *state;
    struct stat st;
    assert_int_equal(stat(p->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    char log[300];
    (void)snprintf(log, sizeof log, "%s-wal", p->path);
    assert_int_equal(stat(log, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void the_log_is_written_ahead_and_synced_in_full(void **state)
{
    struct place *p = *state;
    sqlite3 *db;
    sqlite3_stmt *st;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA journal_mode", -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(st, 0), "wal");
    sqlite3_finalize(st);
    sqlite3_close(db);
}

/* ---- what goes in comes out ---- */

static void every_field_of_an_operation_survives_the_round_trip(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < 100; i++) {
        struct operation_row *o = new_operation(p, 1, 1);
        random_row(p, &row_operation, o);
        assert_int_equal(add_operation(p, o), STORE_OK);
        struct operation_row *back = get_operation(p, o->merchant_id, o->id);
        assert_non_null(back);
        assert_rows_equal(&row_operation, o, back);
    }
}

static void every_field_of_a_payment_survives_the_round_trip(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < 100; i++) {
        struct payment_row *y = new_payment(p, 1, 1), *back;
        random_row(p, &row_payment, y);
        assert_int_equal(add_payment(p, y), STORE_OK);
        struct row_key key = { y->merchant_id, y->id };
        struct store_load l = { .payment_keys = &key, .payments = &back, .n_payments = 1 };
        assert_int_equal(store_load(p->store, &p->arena, &l), STORE_OK);
        assert_non_null(back);
        assert_rows_equal(&row_payment, y, back);
    }
}

static void every_field_of_a_card_survives_and_is_found_by_each_of_its_keys(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < 100; i++) {
        struct card_row *c = new_card(p, 1, 1), *by_key, *by_fingerprint, *by_token;
        random_row(p, &row_card, c);
        c->sealed_size = (uint8_t)(i % 65);
        assert_int_equal(add_card(p, c), STORE_OK);
        struct row_key key = { c->merchant_id, c->id };
        struct bytes_key fingerprint = { .merchant_id = c->merchant_id };
        struct bytes_key token = { .merchant_id = c->merchant_id };
        memcpy(fingerprint.bytes, c->fingerprint, 16);
        memcpy(token.bytes, c->token, 16);
        struct store_load l = { .card_keys = &key,
            .cards = &by_key,
            .n_cards = 1,
            .fingerprint_keys = &fingerprint,
            .by_fingerprint = &by_fingerprint,
            .n_fingerprints = 1,
            .token_keys = &token,
            .by_token = &by_token,
            .n_tokens = 1 };
        assert_int_equal(store_load(p->store, &p->arena, &l), STORE_OK);
        assert_true(by_key != NULL && by_fingerprint != NULL && by_token != NULL);
        assert_rows_equal(&row_card, c, by_key);
        assert_rows_equal(&row_card, c, by_fingerprint);
        assert_rows_equal(&row_card, c, by_token);
    }
}

static void every_field_of_a_merchant_survives_the_round_trip(void **state)
{
    struct place *p = *state;
    struct merchant_row in[40], *out;
    size_t n;
    for (int i = 0; i < 40; i++) {
        random_row(p, &row_merchant, &in[i]);
        in[i].id = 0;
        assert_int_equal(store_put_merchant(p->store, &in[i]), STORE_OK);
        assert_int_equal(in[i].id, i + 1);
    }
    assert_int_equal(store_merchants(p->store, &p->arena, &out, &n), STORE_OK);
    assert_int_equal(n, 40);
    for (int i = 0; i < 40; i++)
        assert_rows_equal(&row_merchant, &in[i], &out[i]);
}

static void entries_come_back_in_order_and_of_one_operation_only(void **state)
{
    struct place *p = *state;
    struct entry_row in[6], *out;
    size_t n;
    for (uint8_t i = 0; i < 6; i++) {
        random_row(p, &row_entry, &in[i]);
        in[i].merchant_id = 1;
        in[i].operation_id = i < 5 ? 10 : 11;
        in[i].seq = (uint8_t)(5 - i);
    }
    assert_int_equal(
        store_commit(p->store, &(struct store_changes) { .entries = in, .n_entries = 6 }),
        STORE_OK);
    assert_int_equal(
        store_entries(p->store, &p->arena, (struct row_key) { 1, 10 }, &out, &n), STORE_OK);
    assert_int_equal(n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_rows_equal(&row_entry, &in[4 - i], &out[i]);
    assert_int_equal(
        store_entries(p->store, &p->arena, (struct row_key) { 2, 10 }, &out, &n), STORE_OK);
    assert_int_equal(n, 0);
}

/* ---- changes ---- */

static void a_changed_operation_replaces_all_but_what_never_changes(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < 50; i++) {
        struct operation_row first, second;
        random_row(p, &row_operation, &first);
        random_row(p, &row_operation, &second);
        assert_int_equal(add_operation(p, &first), STORE_OK);
        second.merchant_id = first.merchant_id;
        second.id = first.id;
        assert_int_equal(change_operation(p, &second), STORE_OK);
        second.payment_id = first.payment_id;
        second.parent_id = first.parent_id;
        second.kind = first.kind;
        second.unique_id = first.unique_id;
        second.facts = first.facts;
        second.created_ms = first.created_ms;
        assert_rows_equal(&row_operation, &second, get_operation(p, first.merchant_id, first.id));
    }
}

static void a_changed_payment_and_a_changed_card_replace_what_was_there(void **state)
{
    struct place *p = *state;
    struct payment_row *y = new_payment(p, 1, 5), *y_back;
    struct card_row *c = new_card(p, 1, 6), *c_back;
    assert_int_equal(add_payment(p, y), STORE_OK);
    assert_int_equal(add_card(p, c), STORE_OK);
    y->state = PAY_CAPTURED;
    y->captured_minor = y->authorized_minor = 1250;
    y->updated_ms = 2000;
    c->key_id = 2;
    memset(c->sealed, 0xAB, sizeof c->sealed);
    c->sealed_size = 44;
    c->expiry_yymm = 3001;
    struct store_changes change = { .payments = &y, .n_payments = 1, .cards = &c, .n_cards = 1 };
    assert_int_equal(store_commit(p->store, &change), STORE_OK);
    struct row_key keys[2] = { { 1, 5 }, { 1, 6 } };
    struct store_load l = { .payment_keys = &keys[0],
        .payments = &y_back,
        .n_payments = 1,
        .card_keys = &keys[1],
        .cards = &c_back,
        .n_cards = 1 };
    assert_int_equal(store_load(p->store, &p->arena, &l), STORE_OK);
    assert_rows_equal(&row_payment, y, y_back);
    assert_rows_equal(&row_card, c, c_back);
}

static void a_batch_of_hundreds_is_written_whole(void **state)
{
    struct place *p = *state;
    enum { N = 500 };
    struct operation_row *o[N], *back[N];
    struct payment_row *y[N];
    struct entry_row e[2 * N];
    struct row_key keys[N];
    for (int i = 0; i < N; i++) {
        o[i] = new_operation(p, 1 + i % 3, 1 + i);
        y[i] = new_payment(p, 1 + i % 3, 1 + i);
        keys[i] = (struct row_key) { o[i]->merchant_id, o[i]->id };
        for (uint8_t k = 0; k < 2; k++)
            e[2 * i + k] = (struct entry_row) { 1 + i % 3, 1 + i, k, ACC_ACQUIRER_RECEIVABLE + k,
                978, k == 0 ? 1250 : -1250, 1 };
    }
    struct store_changes c = { .new_operations = o,
        .n_new_operations = N,
        .new_payments = y,
        .n_new_payments = N,
        .entries = e,
        .n_entries = COUNT(e) };
    assert_int_equal(store_commit(p->store, &c), STORE_OK);
    for (int i = 0; i < N; i++)
        o[i]->state = OPS_APPROVED;
    struct store_changes second = { .operations = o, .n_operations = N };
    assert_int_equal(store_commit(p->store, &second), STORE_OK);
    struct store_load l = { .operation_keys = keys, .operations = back, .n_operations = N };
    assert_int_equal(store_load(p->store, &p->arena, &l), STORE_OK);
    for (int i = 0; i < N; i++)
        assert_rows_equal(&row_operation, o[i], back[i]);
    assert_int_equal(sql_number(p, "SELECT count(*) FROM payment"), N);
    assert_int_equal(sql_number(p, "SELECT count(*) FROM entry"), 2 * N);
}

static void an_empty_commit_and_an_empty_load_do_nothing_well(void **state)
{
    struct place *p = *state;
    struct store_load l = { .n_operations = 0 };
    assert_int_equal(store_commit(p->store, &(struct store_changes) { .n_cards = 0 }), STORE_OK);
    assert_int_equal(store_load(p->store, &p->arena, &l), STORE_OK);
}

/* ---- unique keys ---- */

static void an_operation_is_found_by_its_merchants_own_id_and_no_other_merchants(void **state)
{
    struct place *p = *state;
    struct operation_row *mine = new_operation(p, 1, 10), *theirs = new_operation(p, 2, 11);
    mine->unique_id = theirs->unique_id = STR("order-000001");
    assert_int_equal(add_operation(p, mine), STORE_OK);
    assert_int_equal(add_operation(p, theirs), STORE_OK);
    struct unique_key keys[] = { { 1, STR("order-000001") }, { 2, STR("order-000001") },
        { 3, STR("order-000001") }, { 1, STR("order-00000") }, { 1, STR("ORDER-000001") } };
    struct operation_row *found[COUNT(keys)];
    struct store_load l = { .unique_keys = keys, .by_unique = found, .n_unique = COUNT(keys) };
    assert_int_equal(store_load(p->store, &p->arena, &l), STORE_OK);
    assert_int_equal(found[0]->id, 10);
    assert_int_equal(found[1]->id, 11);
    assert_null(found[2]);
    assert_null(found[3]);
    assert_null(found[4]);
}

static void operations_without_an_id_of_the_merchant_do_not_conflict(void **state)
{
    struct place *p = *state;
    assert_int_equal(add_operation(p, new_operation(p, 1, 10)), STORE_OK);
    assert_int_equal(add_operation(p, new_operation(p, 1, 11)), STORE_OK);
    assert_int_equal(sql_number(p, "SELECT count(*) FROM operation WHERE unique_id IS NULL"), 2);
}

static void a_used_unique_id_conflicts_and_nothing_of_the_batch_is_written(void **state)
{
    struct place *p = *state;
    struct operation_row *old = new_operation(p, 1, 10);
    old->unique_id = STR("order-000001");
    assert_int_equal(add_operation(p, old), STORE_OK);
    struct operation_row *batch[2] = { new_operation(p, 1, 11), new_operation(p, 1, 12) };
    batch[1]->unique_id = STR("order-000001");
    struct payment_row *y = new_payment(p, 1, 11);
    struct setting stan = { "stan.sandbox", 18 };
    struct store_changes c = { .new_operations = batch,
        .n_new_operations = 2,
        .new_payments = &y,
        .n_new_payments = 1,
        .settings = &stan,
        .n_settings = 1 };
    assert_int_equal(store_commit(p->store, &c), STORE_CONFLICT);
    assert_null(get_operation(p, 1, 11));
    assert_null(get_operation(p, 1, 12));
    assert_int_equal(sql_number(p, "SELECT count(*) FROM payment"), 0);
    assert_int_equal(sql_number(p, "SELECT count(*) FROM setting"), 0);
    batch[1]->unique_id = STR("order-000002");
    assert_int_equal(store_commit(p->store, &c), STORE_OK);
}

static void a_conflict_anywhere_in_a_large_batch_undoes_all_of_it(void **state)
{
    struct place *p = *state;
    enum { N = 20 };
    for (int at = 1; at < N; at++) {
        struct operation_row *batch[N];
        char ids[N][24];
        for (int i = 0; i < N; i++) {
            batch[i] = new_operation(p, 1, 100 + i);
            (void)snprintf(ids[i], sizeof ids[i], "order-%06d", i == at ? 0 : i);
            batch[i]->unique_id = str_of(ids[i]);
        }
        struct store_changes c = { .new_operations = batch, .n_new_operations = N };
        assert_int_equal(store_commit(p->store, &c), STORE_CONFLICT);
        assert_int_equal(sql_number(p, "SELECT count(*) FROM operation"), 0);
    }
}

static void a_used_key_conflicts_in_every_table(void **state)
{
    struct place *p = *state;
    struct card_row *c = new_card(p, 1, 1), *same_id = new_card(p, 1, 1);
    struct card_row *same_number = new_card(p, 1, 2), *same_token = new_card(p, 1, 3);
    memcpy(same_number->fingerprint, c->fingerprint, 16);
    memcpy(same_token->token, c->token, 16);
    assert_int_equal(add_card(p, c), STORE_OK);
    assert_int_equal(add_card(p, same_id), STORE_CONFLICT);
    assert_int_equal(add_card(p, same_number), STORE_CONFLICT);
    assert_int_equal(add_card(p, same_token), STORE_CONFLICT);
    same_number->merchant_id = same_token->merchant_id = 2;
    assert_int_equal(add_card(p, same_number), STORE_OK);
    assert_int_equal(add_card(p, same_token), STORE_OK);

    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_OK);
    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_CONFLICT);
    assert_int_equal(add_payment(p, new_payment(p, 1, 1)), STORE_OK);
    assert_int_equal(add_payment(p, new_payment(p, 1, 1)), STORE_CONFLICT);
    struct entry_row e = { 1, 1, 0, ACC_ISSUER_HOLD, 978, 5, 1 };
    struct store_changes entry = { .entries = &e, .n_entries = 1 };
    assert_int_equal(store_commit(p->store, &entry), STORE_OK);
    assert_int_equal(store_commit(p->store, &entry), STORE_CONFLICT);
}

/* ---- walks ---- */

static void pending_are_sent_and_in_doubt_operations_in_key_order_page_by_page(void **state)
{
    struct place *p = *state;
    for (int64_t id = 1; id <= 70; id++)
        for (int64_t merchant = 2; merchant >= 1; merchant--) {
            struct operation_row *o = new_operation(p, merchant, id);
            o->state = OPS_SENT + (enum operation_state)(id % 7);
            assert_int_equal(add_operation(p, o), STORE_OK);
        }
    struct row_key after = { 0, 0 };
    struct operation_row **page;
    size_t n, seen = 0;
    do {
        assert_int_equal(store_pending(p->store, &p->arena, after, 7, &page, &n), STORE_OK);
        assert_true(n <= 7);
        for (size_t i = 0; i < n; i++) {
            assert_true(page[i]->state == OPS_SENT || page[i]->state == OPS_IN_DOUBT);
            assert_true(page[i]->merchant_id > after.merchant_id ||
                        (page[i]->merchant_id == after.merchant_id && page[i]->id > after.id));
            after = (struct row_key) { page[i]->merchant_id, page[i]->id };
            seen++;
        }
    } while (n > 0);
    assert_int_equal(seen, 40);
}

static void an_answered_operation_is_no_longer_pending(void **state)
{
    struct place *p = *state;
    struct operation_row *o = new_operation(p, 1, 1), **page;
    size_t n;
    assert_int_equal(add_operation(p, o), STORE_OK);
    assert_int_equal(
        store_pending(p->store, &p->arena, (struct row_key) { 0, 0 }, 10, &page, &n), STORE_OK);
    assert_int_equal(n, 1);
    o->state = OPS_APPROVED;
    assert_int_equal(change_operation(p, o), STORE_OK);
    assert_int_equal(
        store_pending(p->store, &p->arena, (struct row_key) { 0, 0 }, 10, &page, &n), STORE_OK);
    assert_int_equal(n, 0);
}

static void windows_end_oldest_first_and_only_of_authorized_payments(void **state)
{
    struct place *p = *state;
    int64_t at_ms = -1;
    struct payment_row **page;
    size_t n;
    assert_int_equal(store_next_expiry(p->store, &at_ms), STORE_OK);
    assert_int_equal(at_ms, 0);
    for (int64_t id = 1; id <= 11 * 12; id++) {
        struct payment_row *y = new_payment(p, 1 + id % 2, id);
        y->state = PAY_OPENING + (enum payment_state)(id % 11);
        y->expires_ms = id % 5 == 0 ? 0 : 10000 - id;
        assert_int_equal(add_payment(p, y), STORE_OK);
    }
    int64_t expected =
        sql_number(p, "SELECT count(*) FROM payment WHERE state = 2 AND expires_ms > 0");
    assert_true(expected > 3);
    assert_int_equal(store_expired(p->store, &p->arena, 10000, 1000, &page, &n), STORE_OK);
    assert_int_equal(n, expected);
    for (size_t i = 0; i < n; i++)
        assert_true(page[i]->state == PAY_AUTHORIZED && page[i]->expires_ms > 0 &&
                    (i == 0 || page[i - 1]->expires_ms <= page[i]->expires_ms));
    int64_t first_ms = page[0]->expires_ms, second_ms = page[1]->expires_ms;
    assert_int_equal(store_next_expiry(p->store, &at_ms), STORE_OK);
    assert_int_equal(at_ms, first_ms);
    assert_int_equal(store_expired(p->store, &p->arena, first_ms, 1000, &page, &n), STORE_OK);
    assert_int_equal(n, 1);
    assert_int_equal(store_expired(p->store, &p->arena, first_ms - 1, 1000, &page, &n), STORE_OK);
    assert_int_equal(n, 0);
    assert_int_equal(store_expired(p->store, &p->arena, 10000, 2, &page, &n), STORE_OK);
    assert_int_equal(n, 2);
    page[0]->state = PAY_VOIDED;
    assert_int_equal(change_payment(p, page[0]), STORE_OK);
    assert_int_equal(store_next_expiry(p->store, &at_ms), STORE_OK);
    assert_int_equal(at_ms, second_ms);
}

static void the_last_id_is_the_largest_of_operations_and_cards_of_any_merchant(void **state)
{
    struct place *p = *state;
    int64_t id = -1;
    assert_int_equal(store_last_id(p->store, &id), STORE_OK);
    assert_int_equal(id, 0);
    assert_int_equal(add_card(p, new_card(p, 4, 7)), STORE_OK);
    assert_int_equal(store_last_id(p->store, &id), STORE_OK);
    assert_int_equal(id, 7);
    assert_int_equal(add_operation(p, new_operation(p, 1, 9)), STORE_OK);
    assert_int_equal(add_operation(p, new_operation(p, 2, INT64_C(1) << 60)), STORE_OK);
    assert_int_equal(add_operation(p, new_operation(p, 9, 8)), STORE_OK);
    assert_int_equal(store_last_id(p->store, &id), STORE_OK);
    assert_true(id == INT64_C(1) << 60);
    assert_int_equal(add_card(p, new_card(p, 1, INT64_MAX)), STORE_OK);
    assert_int_equal(store_last_id(p->store, &id), STORE_OK);
    assert_true(id == INT64_MAX);
}

static void cards_of_other_keys_are_those_below_and_above(void **state)
{
    struct place *p = *state;
    struct card_row **page;
    size_t n;
    for (int64_t id = 1; id <= 30; id++) {
        struct card_row *c = new_card(p, 1, id);
        c->key_id = (uint32_t)(1 + id % 3);
        assert_int_equal(add_card(p, c), STORE_OK);
    }
    assert_int_equal(store_cards_of_other_keys(p->store, &p->arena, 2, 100, &page, &n), STORE_OK);
    assert_int_equal(n, 20);
    for (size_t i = 0; i < n; i++)
        assert_true(page[i]->key_id == 1 || page[i]->key_id == 3);
    assert_int_equal(store_cards_of_other_keys(p->store, &p->arena, 2, 12, &page, &n), STORE_OK);
    assert_int_equal(n, 12);
    struct store_changes c = { .cards = page, .n_cards = n };
    for (size_t i = 0; i < n; i++)
        page[i]->key_id = 2;
    assert_int_equal(store_commit(p->store, &c), STORE_OK);
    assert_int_equal(store_cards_of_other_keys(p->store, &p->arena, 2, 100, &page, &n), STORE_OK);
    assert_int_equal(n, 8);
}

static void walks_visit_every_row_once_in_key_order(void **state)
{
    struct place *p = *state;
    for (int64_t i = 1; i <= 50; i++) {
        assert_int_equal(add_operation(p, new_operation(p, 1 + i % 3, i)), STORE_OK);
        assert_int_equal(add_payment(p, new_payment(p, 1 + i % 3, i)), STORE_OK);
        assert_int_equal(add_card(p, new_card(p, 1 + i % 3, i)), STORE_OK);
    }
    struct row_key last[3] = { { 0, 0 }, { 0, 0 }, { 0, 0 } };
    size_t seen[3] = { 0, 0, 0 }, n = 1;
    while (n > 0) {
        struct operation_row **o;
        struct payment_row **y;
        struct card_row **c;
        size_t n_o, n_y, n_c;
        assert_int_equal(
            store_walk_operations(p->store, &p->arena, last[0], 7, &o, &n_o), STORE_OK);
        assert_int_equal(store_walk_payments(p->store, &p->arena, last[1], 8, &y, &n_y), STORE_OK);
        assert_int_equal(store_walk_cards(p->store, &p->arena, last[2], 9, &c, &n_c), STORE_OK);
        for (size_t i = 0; i < n_o; i++, seen[0]++) {
            assert_true(o[i]->merchant_id > last[0].merchant_id || o[i]->id > last[0].id);
            last[0] = (struct row_key) { o[i]->merchant_id, o[i]->id };
        }
        for (size_t i = 0; i < n_y; i++, seen[1]++) {
            assert_true(y[i]->merchant_id > last[1].merchant_id || y[i]->id > last[1].id);
            last[1] = (struct row_key) { y[i]->merchant_id, y[i]->id };
        }
        for (size_t i = 0; i < n_c; i++, seen[2]++) {
            assert_true(c[i]->merchant_id > last[2].merchant_id || c[i]->id > last[2].id);
            last[2] = (struct row_key) { c[i]->merchant_id, c[i]->id };
        }
        n = n_o + n_y + n_c;
    }
    assert_int_equal(seen[0], 50);
    assert_int_equal(seen[1], 50);
    assert_int_equal(seen[2], 50);
}

static void a_payment_has_its_opening_and_what_followed_in_order(void **state)
{
    struct place *p = *state;
    const int64_t ids[] = { 10, 30, 20, 40 };
    struct operation_row **out;
    size_t n;
    for (size_t i = 0; i < COUNT(ids); i++) {
        struct operation_row *o = new_operation(p, 1, ids[i]);
        o->payment_id = 10;
        o->parent_id = i == 0 ? 0 : 10;
        assert_int_equal(add_operation(p, o), STORE_OK);
    }
    assert_int_equal(add_operation(p, new_operation(p, 1, 15)), STORE_OK);
    assert_int_equal(add_operation(p, new_operation(p, 2, 10)), STORE_OK);
    assert_int_equal(
        store_payment_operations(p->store, &p->arena, (struct row_key) { 1, 10 }, &out, &n),
        STORE_OK);
    assert_int_equal(n, 4);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(out[i]->id, 10 * (int64_t)(i + 1));
    assert_int_equal(
        store_payment_operations(p->store, &p->arena, (struct row_key) { 3, 10 }, &out, &n),
        STORE_OK);
    assert_int_equal(n, 0);
}

static void balances_are_sums_of_entries_by_merchant_account_and_currency(void **state)
{
    struct place *p = *state;
    const struct entry_row in[] = {
        { 1, 10, 0, ACC_ACQUIRER_RECEIVABLE, 978, 1250, 1 },
        { 1, 10, 1, ACC_MERCHANT_PAYABLE, 978, -1250, 1 },
        { 1, 11, 0, ACC_ACQUIRER_RECEIVABLE, 978, MONEY_MAX_MINOR, 1 },
        { 1, 11, 1, ACC_MERCHANT_PAYABLE, 978, -MONEY_MAX_MINOR, 1 },
        { 1, 12, 0, ACC_MERCHANT_PAYABLE, 840, 7, 1 },
        { 2, 13, 0, ACC_MERCHANT_PAYABLE, 978, -3, 1 },
    };
    struct balance *out;
    size_t n;
    struct store_changes c = { .entries = in, .n_entries = COUNT(in) };
    assert_int_equal(store_commit(p->store, &c), STORE_OK);
    assert_int_equal(store_balances(p->store, &p->arena, 0, &out, &n), STORE_OK);
    assert_int_equal(n, 4);
    assert_int_equal(out[0].account, ACC_ACQUIRER_RECEIVABLE);
    assert_int_equal(out[0].amount_minor, MONEY_MAX_MINOR + 1250);
    assert_int_equal(out[0].entries, 2);
    assert_int_equal(out[1].currency, 840);
    assert_int_equal(out[1].amount_minor, 7);
    assert_int_equal(out[2].amount_minor, -MONEY_MAX_MINOR - 1250);
    assert_int_equal(out[3].merchant_id, 2);
    assert_int_equal(store_balances(p->store, &p->arena, 2, &out, &n), STORE_OK);
    assert_int_equal(n, 1);
    assert_int_equal(out[0].amount_minor, -3);
    assert_int_equal(store_balances(p->store, &p->arena, 3, &out, &n), STORE_OK);
    assert_int_equal(n, 0);
}

/* ---- settings and merchants ---- */

static void settings_are_found_once_set_and_changed_when_set_again(void **state)
{
    struct place *p = *state;
    int64_t value = 5;
    bool found = true;
    assert_int_equal(store_setting(p->store, "clock.offset_ms", &value, &found), STORE_OK);
    assert_false(found);
    assert_int_equal(store_set(p->store, "clock.offset_ms", -86400000), STORE_OK);
    assert_int_equal(store_setting(p->store, "clock.offset_ms", &value, &found), STORE_OK);
    assert_true(found);
    assert_int_equal(value, -86400000);
    assert_int_equal(store_set(p->store, "clock.offset_ms", INT64_MAX), STORE_OK);
    assert_int_equal(store_setting(p->store, "clock.offset_ms", &value, &found), STORE_OK);
    assert_true(value == INT64_MAX);
}

static struct merchant_row new_merchant(const char *login, const char *public_key)
{
    struct merchant_row m = { .face = FACE_GENOME, .country = "LT", .active = true };
    assert_true(str_copy(m.login, sizeof m.login, str_of(login)));
    assert_true(str_copy(m.public_key, sizeof m.public_key, str_of(public_key)));
    return m;
}

static int64_t merchants_version(struct place *p)
{
    int64_t value;
    bool found;
    assert_int_equal(store_setting(p->store, "merchants.version", &value, &found), STORE_OK);
    return value;
}

static void every_change_of_a_merchant_raises_the_version(void **state)
{
    struct place *p = *state;
    struct merchant_row m = new_merchant("demo", "pk1"), *out;
    size_t n;
    assert_int_equal(merchants_version(p), 0);
    assert_int_equal(store_put_merchant(p->store, &m), STORE_OK);
    assert_int_equal(m.id, 1);
    assert_int_equal(merchants_version(p), 1);
    m.active = false;
    m.limits = STR("{\"currencies\":[\"EUR\"]}");
    assert_int_equal(store_put_merchant(p->store, &m), STORE_OK);
    assert_int_equal(merchants_version(p), 2);
    assert_int_equal(store_merchants(p->store, &p->arena, &out, &n), STORE_OK);
    assert_int_equal(n, 1);
    assert_rows_equal(&row_merchant, &m, &out[0]);
}

static void a_login_of_a_face_and_a_public_key_belong_to_one_merchant(void **state)
{
    struct place *p = *state;
    struct merchant_row first = new_merchant("demo", "pk1"), same_login = new_merchant("demo", "");
    struct merchant_row same_key = new_merchant("other", "pk1");
    struct merchant_row keyless = new_merchant("third", "");
    assert_int_equal(store_put_merchant(p->store, &first), STORE_OK);
    assert_int_equal(store_put_merchant(p->store, &same_login), STORE_CONFLICT);
    assert_int_equal(same_login.id, 0);
    assert_int_equal(store_put_merchant(p->store, &same_key), STORE_CONFLICT);
    assert_int_equal(merchants_version(p), 1);
    same_login.face = FACE_RBS;
    assert_int_equal(store_put_merchant(p->store, &same_login), STORE_OK);
    assert_int_equal(store_put_merchant(p->store, &keyless), STORE_OK);
    assert_int_equal(keyless.id, 3);
    assert_true(str_copy(keyless.public_key, sizeof keyless.public_key, STR("pk1")));
    assert_int_equal(store_put_merchant(p->store, &keyless), STORE_CONFLICT);
}

/* ---- several connections ---- */

static void a_reader_sees_a_commit_at_once_and_cannot_be_used_to_write(void **state)
{
    struct place *p = *state;
    struct operation_row *seen;
    struct store *reader = store_open(p->url, STORE_READ, p->why, sizeof p->why);
    assert_non_null(reader);
    for (int64_t id = 1; id <= 20; id++) {
        assert_int_equal(load_operation_from(p, reader, 1, id, &seen), STORE_OK);
        assert_null(seen);
        assert_int_equal(add_operation(p, new_operation(p, 1, id)), STORE_OK);
        assert_int_equal(load_operation_from(p, reader, 1, id, &seen), STORE_OK);
        assert_non_null(seen);
    }
    store_close(reader);
}

static void a_second_writer_may_write_between_two_commits(void **state)
{
    struct place *p = *state;
    struct store *cli = store_open(p->url, STORE_WRITE, p->why, sizeof p->why);
    struct merchant_row m = new_merchant("from-the-command-line", "");
    int64_t value;
    bool found;
    assert_non_null(cli);
    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_OK);
    assert_int_equal(store_put_merchant(cli, &m), STORE_OK);
    assert_int_equal(store_set(cli, "clock.offset_ms", 5), STORE_OK);
    assert_int_equal(add_operation(p, new_operation(p, 1, 2)), STORE_OK);
    assert_int_equal(store_setting(p->store, "clock.offset_ms", &value, &found), STORE_OK);
    assert_int_equal(value, 5);
    assert_int_equal(merchants_version(p), 1);
    store_close(cli);
    assert_int_equal(add_operation(p, new_operation(p, 1, 3)), STORE_OK);
}

static void *hold_the_lock_for_a_while(void *arg)
{
    sqlite3 *db = arg;
    (void)usleep(100 * 1000);
    return sqlite3_exec(db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? arg : NULL;
}

static void a_commit_waits_for_a_short_write_of_another(void **state)
{
    struct place *p = *state;
    sqlite3 *db;
    pthread_t thread;
    void *done;
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "BEGIN IMMEDIATE; INSERT INTO setting VALUES ('x', 1)", NULL, NULL, NULL),
        SQLITE_OK);
    assert_int_equal(pthread_create(&thread, NULL, hold_the_lock_for_a_while, db), 0);
    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_OK);
    assert_int_equal(sql_number(p, "SELECT value FROM setting WHERE name = 'x'"), 1);
    assert_int_equal(pthread_join(thread, &done), 0);
    assert_ptr_equal(done, db);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* ---- checkpoints ---- */

static int64_t log_size(struct place *p)
{
    char log[300];
    struct stat st;
    (void)snprintf(log, sizeof log, "%s-wal", p->path);
    assert_int_equal(stat(log, &st), 0);
    return st.st_size;
}

static void after_a_checkpoint_the_log_starts_anew(void **state)
{
    struct place *p = *state;
    struct store *keeper = store_open(p->url, STORE_WRITE, p->why, sizeof p->why);
    assert_non_null(keeper);
    for (int64_t round = 0; round < 2; round++) {
        int64_t bytes = -1, first = 1 + 100 * round, full;
        for (int64_t id = first; id < first + 50; id++)
            assert_int_equal(add_operation(p, new_operation(p, 1, id)), STORE_OK);
        full = log_size(p);
        assert_true(full > 50 * 4096);
        assert_int_equal(
            store_checkpoint(round == 0 ? keeper : p->store, round == 0, &bytes), STORE_OK);
        assert_int_equal(bytes > 0, round == 0); /* in the background nobody promises */
        assert_true(store_bytes(p->store) > full);
        assert_int_equal(add_operation(p, new_operation(p, 1, first + 50)), STORE_OK);
        assert_int_equal(log_size(p), full);
        assert_non_null(get_operation(p, 1, first));
        assert_non_null(get_operation(p, 1, first + 50));
    }
    store_close(keeper);
}

static void a_reader_in_the_way_makes_no_checkpoint_fail(void **state)
{
    struct place *p = *state;
    sqlite3 *db;
    int64_t bytes;
    assert_int_equal(add_operation(p, new_operation(p, 1, 1)), STORE_OK);
    assert_int_equal(sqlite3_open(p->path, &db), SQLITE_OK);
    assert_int_equal(
        sqlite3_exec(db, "BEGIN; SELECT count(*) FROM operation", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(add_operation(p, new_operation(p, 1, 2)), STORE_OK);
    assert_int_equal(store_checkpoint(p->store, true, &bytes), STORE_OK);
    assert_true(bytes > 0);
    assert_int_equal(store_checkpoint(p->store, false, &bytes), STORE_OK);
    assert_true(bytes > 0);
    assert_int_equal(sqlite3_exec(db, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(store_checkpoint(p->store, false, &bytes), STORE_OK);
    assert_int_equal(bytes, 0);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(a_new_database_is_readable_by_its_owner_alone),
        EACH(the_log_is_written_ahead_and_synced_in_full),
        EACH(every_field_of_an_operation_survives_the_round_trip),
        EACH(every_field_of_a_payment_survives_the_round_trip),
        EACH(every_field_of_a_card_survives_and_is_found_by_each_of_its_keys),
        EACH(every_field_of_a_merchant_survives_the_round_trip),
        EACH(entries_come_back_in_order_and_of_one_operation_only),
        EACH(a_changed_operation_replaces_all_but_what_never_changes),
        EACH(a_changed_payment_and_a_changed_card_replace_what_was_there),
        EACH(a_batch_of_hundreds_is_written_whole),
        EACH(an_empty_commit_and_an_empty_load_do_nothing_well),
        EACH(an_operation_is_found_by_its_merchants_own_id_and_no_other_merchants),
        EACH(operations_without_an_id_of_the_merchant_do_not_conflict),
        EACH(a_used_unique_id_conflicts_and_nothing_of_the_batch_is_written),
        EACH(a_conflict_anywhere_in_a_large_batch_undoes_all_of_it),
        EACH(a_used_key_conflicts_in_every_table),
        EACH(pending_are_sent_and_in_doubt_operations_in_key_order_page_by_page),
        EACH(an_answered_operation_is_no_longer_pending),
        EACH(windows_end_oldest_first_and_only_of_authorized_payments),
        EACH(the_last_id_is_the_largest_of_operations_and_cards_of_any_merchant),
        EACH(cards_of_other_keys_are_those_below_and_above),
        EACH(walks_visit_every_row_once_in_key_order),
        EACH(a_payment_has_its_opening_and_what_followed_in_order),
        EACH(balances_are_sums_of_entries_by_merchant_account_and_currency),
        EACH(settings_are_found_once_set_and_changed_when_set_again),
        EACH(every_change_of_a_merchant_raises_the_version),
        EACH(a_login_of_a_face_and_a_public_key_belong_to_one_merchant),
        EACH(a_reader_sees_a_commit_at_once_and_cannot_be_used_to_write),
        EACH(a_second_writer_may_write_between_two_commits),
        EACH(a_commit_waits_for_a_short_write_of_another),
        EACH(after_a_checkpoint_the_log_starts_anew),
        EACH(a_reader_in_the_way_makes_no_checkpoint_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
