/*
 * The working set: one row however many keys find it, one load for all keys, and what changed is
 * what is written.
 */
#include "base/log.h"
#include "engine/workset.h"
#include "store/backend.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { SHOP = 5, ROWS = 64 };

/* A store of two operations, a payment and a card, that counts. */
struct shelf {
    struct store base;
    struct operation_row operations[2];
    struct payment_row payment;
    struct card_row card;
    enum store_result says;
    int loads;
    size_t keys; /* asked for, all together */
};

struct bench {
    struct shelf shelf;
    struct workset *set;
    struct arena arena;
};

static bool is_key(const struct row_key *k, int64_t merchant, int64_t id)
{
    return k->merchant_id == merchant && k->id == id;
}

static bool is_bytes(const struct bytes_key *k, const uint8_t bytes[16])
{
    return k->merchant_id == SHOP && memcmp(k->bytes, bytes, 16) == 0;
}

/* Gives copies, as a store does. */
static void *copy(struct arena *a, const void *row, size_t size)
{
    void *c = arena_alloc(a, size);
    assert_non_null(c);
    memcpy(c, row, size);
    return c;
}

static enum store_result shelf_load(struct store *base, struct arena *a, struct store_load *l)
{
    struct shelf *s = (struct shelf *)base;
    s->loads++;
    s->keys += l->n_operations + l->n_unique + l->n_payments + l->n_cards + l->n_fingerprints +
               l->n_tokens;
    if (s->says != STORE_OK)
        return s->says;
    for (size_t o = 0; o < COUNT(s->operations); o++) {
        const struct operation_row *row = &s->operations[o];
        for (size_t i = 0; i < l->n_operations; i++)
            if (is_key(&l->operation_keys[i], SHOP, row->id))
                l->operations[i] = copy(a, row, sizeof *row);
        for (size_t i = 0; i < l->n_unique; i++)
            if (l->unique_keys[i].merchant_id == SHOP &&
                str_eq(l->unique_keys[i].unique_id, row->unique_id))
                l->by_unique[i] = copy(a, row, sizeof *row);
    }
    for (size_t i = 0; i < l->n_payments; i++)
        if (is_key(&l->payment_keys[i], SHOP, s->payment.id))
            l->payments[i] = copy(a, &s->payment, sizeof s->payment);
    for (size_t i = 0; i < l->n_cards; i++)
        if (is_key(&l->card_keys[i], SHOP, s->card.id))
            l->cards[i] = copy(a, &s->card, sizeof s->card);
    for (size_t i = 0; i < l->n_fingerprints; i++)
        if (is_bytes(&l->fingerprint_keys[i], s->card.fingerprint))
            l->by_fingerprint[i] = copy(a, &s->card, sizeof s->card);
    for (size_t i = 0; i < l->n_tokens; i++)
        if (is_bytes(&l->token_keys[i], s->card.token))
            l->by_token[i] = copy(a, &s->card, sizeof s->card);
    return STORE_OK;
}

static const struct store_operations shelf_operations = { .load = shelf_load };

static int set_up(void **state)
{
    static struct bench b;
    memset(&b, 0, sizeof b);
    log_setup(LOG_ERROR, -1);
    b.shelf.base.operations = &shelf_operations;
    b.shelf.operations[0] = (struct operation_row) {
        .merchant_id = SHOP, .id = 1, .payment_id = 1, .unique_id = STR("a"), .amount_minor = 10
    };
    b.shelf.operations[1] = (struct operation_row) {
        .merchant_id = SHOP, .id = 2, .payment_id = 1, .unique_id = STR("b"), .amount_minor = 20
    };
    b.shelf.payment = (struct payment_row) { .merchant_id = SHOP, .id = 1 };
    b.shelf.card = (struct card_row) { .merchant_id = SHOP, .id = 9 };
    memset(b.shelf.card.fingerprint, 0xf1, sizeof b.shelf.card.fingerprint);
    memset(b.shelf.card.token, 0x70, sizeof b.shelf.card.token);
    arena_init(&b.arena, 16u << 20);
    b.set = workset_new(ROWS);
    assert_non_null(b.set);
    workset_begin(b.set, &b.arena);
    *state = &b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    workset_free(b->set);
    arena_free(&b->arena);
    return 0;
}

static void load(struct bench *b)
{
    assert_int_equal(workset_load(b->set, &b->shelf.base), STORE_OK);
}

static struct row_key key(int64_t id)
{
    return (struct row_key) { SHOP, id };
}

static struct store_changes changes(struct bench *b)
{
    struct store_changes c = { .n_entries = 0 };
    workset_changes(b->set, &c);
    return c;
}

static void nothing_wanted_asks_the_store_nothing(void **state)
{
    struct bench *b = *state;
    load(b);
    assert_int_equal(b->shelf.loads, 0);
}

static void all_keys_are_fetched_with_one_load(void **state)
{
    struct bench *b = *state;
    want_operation(b->set, key(1));
    want_payment(b->set, key(1));
    want_card(b->set, key(9));
    want_unique(b->set, SHOP, STR("b"));
    want_fingerprint(b->set, SHOP, b->shelf.card.fingerprint);
    want_token(b->set, SHOP, b->shelf.card.token);
    load(b);
    assert_int_equal(b->shelf.loads, 1);
    assert_int_equal(b->shelf.keys, 6);
    assert_int_equal(operation_get(b->set, key(1))->amount_minor, 10);
    assert_int_equal(unique_get(b->set, SHOP, STR("b"))->amount_minor, 20);
    assert_non_null(payment_get(b->set, key(1)));
    assert_non_null(card_get(b->set, key(9)));
}

static void a_key_is_asked_for_once(void **state)
{
    struct bench *b = *state;
    for (int i = 0; i < 3; i++) {
        want_operation(b->set, key(1));
        want_unique(b->set, SHOP, STR("none"));
    }
    load(b);
    want_operation(b->set, key(1));
    want_unique(b->set, SHOP, STR("none"));
    load(b);
    assert_int_equal(b->shelf.loads, 1);
    assert_int_equal(b->shelf.keys, 2);
}

static void a_second_round_fetches_only_what_is_new(void **state)
{
    struct bench *b = *state;
    want_operation(b->set, key(1));
    load(b);
    struct operation_row *first = operation_get(b->set, key(1));
    want_operation(b->set, key(1));
    want_operation(b->set, key(2));
    load(b);
    assert_int_equal(b->shelf.keys, 2);
    assert_ptr_equal(operation_get(b->set, key(1)), first);
    assert_int_equal(operation_get(b->set, key(2))->amount_minor, 20);
}

static void a_row_is_one_row_under_every_key(void **state)
{
    struct bench *b = *state;
    want_unique(b->set, SHOP, STR("a"));
    want_operation(b->set, key(1));
    want_token(b->set, SHOP, b->shelf.card.token);
    want_fingerprint(b->set, SHOP, b->shelf.card.fingerprint);
    load(b);
    want_card(b->set, key(9)); /* known by now */
    load(b);
    assert_int_equal(b->shelf.keys, 4);
    assert_ptr_equal(unique_get(b->set, SHOP, STR("a")), operation_get(b->set, key(1)));
    struct card_row *card = card_get(b->set, key(9));
    assert_ptr_equal(token_get(b->set, SHOP, b->shelf.card.token), card);
    assert_ptr_equal(fingerprint_get(b->set, SHOP, b->shelf.card.fingerprint), card);
}

static void a_row_that_does_not_exist_is_remembered_as_absent(void **state)
{
    struct bench *b = *state;
    uint8_t none[16] = { 1 };
    want_operation(b->set, key(3));
    want_operation(b->set, (struct row_key) { SHOP + 1, 1 });
    want_payment(b->set, key(2));
    want_card(b->set, key(1));
    want_unique(b->set, SHOP, STR("c"));
    want_unique(b->set, SHOP + 1, STR("a"));
    want_fingerprint(b->set, SHOP, b->shelf.card.token);
    want_token(b->set, SHOP, none);
    load(b);
    assert_null(operation_get(b->set, key(3)));
    assert_null(operation_get(b->set, (struct row_key) { SHOP + 1, 1 }));
    assert_null(payment_get(b->set, key(2)));
    assert_null(card_get(b->set, key(1)));
    assert_null(unique_get(b->set, SHOP, STR("c")));
    assert_null(unique_get(b->set, SHOP + 1, STR("a")));
    assert_null(fingerprint_get(b->set, SHOP, b->shelf.card.token));
    assert_null(token_get(b->set, SHOP, none));
}

static void only_marked_rows_are_written_and_each_once(void **state)
{
    struct bench *b = *state;
    want_operation(b->set, key(1));
    want_operation(b->set, key(2));
    want_payment(b->set, key(1));
    want_card(b->set, key(9));
    want_token(b->set, SHOP, b->shelf.card.token);
    load(b);
    struct store_changes c = changes(b);
    assert_int_equal(c.n_operations + c.n_payments + c.n_cards, 0);
    struct operation_row *o = operation_get(b->set, key(2));
    o->amount_minor = 99;
    operation_mark(b->set, o);
    operation_mark(b->set, o);
    payment_mark(b->set, payment_get(b->set, key(1)));
    card_mark(b->set, card_get(b->set, key(9)));
    card_mark(b->set, token_get(b->set, SHOP, b->shelf.card.token));
    c = changes(b);
    assert_int_equal(c.n_operations, 1);
    assert_ptr_equal(c.operations[0], o);
    assert_int_equal(c.operations[0]->amount_minor, 99);
    assert_int_equal(c.n_payments, 1);
    assert_int_equal(c.n_cards, 1);
    assert_int_equal(c.n_new_operations + c.n_new_payments + c.n_new_cards, 0);
}

static void a_new_row_is_found_by_all_its_keys_and_needs_no_mark(void **state)
{
    struct bench *b = *state;
    struct operation_row o = {
        .merchant_id = SHOP, .id = 7, .payment_id = 7, .unique_id = STR("new")
    };
    struct payment_row p = { .merchant_id = SHOP, .id = 7 };
    struct card_row k = { .merchant_id = SHOP, .id = 8, .fingerprint = { 1 }, .token = { 2 } };
    want_unique(b->set, SHOP, STR("new"));
    want_fingerprint(b->set, SHOP, k.fingerprint);
    load(b);
    struct operation_row *added = operation_add(b->set, &o);
    assert_ptr_not_equal(added, &o);
    assert_ptr_equal(operation_get(b->set, key(7)), added);
    assert_ptr_equal(unique_get(b->set, SHOP, STR("new")), added);
    struct payment_row *payment = payment_add(b->set, &p);
    assert_ptr_equal(payment_get(b->set, key(7)), payment);
    struct card_row *card = card_add(b->set, &k);
    assert_ptr_equal(card_get(b->set, key(8)), card);
    assert_ptr_equal(fingerprint_get(b->set, SHOP, k.fingerprint), card);
    assert_ptr_equal(token_get(b->set, SHOP, k.token), card);
    operation_mark(b->set, added); /* it is written as new, not also as changed */
    struct store_changes c = changes(b);
    assert_int_equal(c.n_new_operations, 1);
    assert_ptr_equal(c.new_operations[0], added);
    assert_int_equal(c.n_new_payments, 1);
    assert_int_equal(c.n_new_cards, 1);
    assert_int_equal(c.n_operations + c.n_payments + c.n_cards, 0);
}

static void operations_of_our_own_have_no_unique_id_to_collide(void **state)
{
    struct bench *b = *state;
    for (int64_t id = 10; id < 13; id++)
        (void)operation_add(
            b->set, &(struct operation_row) { .merchant_id = SHOP, .id = id, .payment_id = 1 });
    assert_int_equal(changes(b).n_new_operations, 3);
}

static void an_adopted_payment_is_in_the_set_unless_it_was_there(void **state)
{
    struct bench *b = *state;
    struct payment_row other = { .merchant_id = SHOP, .id = 4, .captured_minor = 4 };
    struct payment_row again = { .merchant_id = SHOP, .id = 1, .captured_minor = 5 };
    want_payment(b->set, key(1));
    load(b);
    payment_adopt(b->set, &other);
    payment_adopt(b->set, &again);
    load(b);
    assert_int_equal(payment_get(b->set, key(4))->captured_minor, 4);
    assert_int_equal(payment_get(b->set, key(1))->captured_minor, 0);
    payment_mark(b->set, payment_get(b->set, key(4)));
    assert_int_equal(changes(b).n_payments, 1);
}

static void beginning_forgets_everything(void **state)
{
    struct bench *b = *state;
    want_operation(b->set, key(1));
    load(b);
    operation_mark(b->set, operation_get(b->set, key(1)));
    (void)payment_add(b->set, &(struct payment_row) { .merchant_id = SHOP, .id = 7 });
    arena_reset(&b->arena);
    workset_begin(b->set, &b->arena);
    struct store_changes c = changes(b);
    assert_int_equal(c.n_operations + c.n_new_payments, 0);
    want_operation(b->set, key(1));
    load(b);
    assert_int_equal(b->shelf.loads, 2);
    assert_int_equal(operation_get(b->set, key(1))->amount_minor, 10);
}

static void a_load_that_fails_says_so(void **state)
{
    struct bench *b = *state;
    b->shelf.says = STORE_FAILED;
    want_operation(b->set, key(1));
    assert_int_equal(workset_load(b->set, &b->shelf.base), STORE_FAILED);
    b->shelf.says = STORE_OK;
    load(b);
    assert_non_null(operation_get(b->set, key(1)));
}

static void many_keys_are_kept_apart(void **state)
{
    struct bench *b = *state;
    enum { MANY = 200 };
    for (int64_t i = 0; i < MANY; i++) {
        want_operation(b->set, (struct row_key) { i, 1 });
        want_payment(b->set, key(i));
    }
    load(b);
    assert_int_equal(b->shelf.keys, 2 * MANY);
    for (int64_t i = 0; i < MANY; i++) {
        assert_int_equal(operation_get(b->set, (struct row_key) { i, 1 }) != NULL, i == SHOP);
        assert_int_equal(payment_get(b->set, key(i)) != NULL, i == 1);
    }
}

/* True when fn ends the process by an assertion. */
static bool dies(void (*fn)(struct bench *b), struct bench *b)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct rlimit none = { 0, 0 };
        (void)setrlimit(RLIMIT_CORE, &none);
        (void)signal(SIGABRT, SIG_DFL);
        (void)close(STDERR_FILENO);
        fn(b);
        _exit(0);
    }
    int status;
    assert_true(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void get_unasked(struct bench *b)
{
    (void)operation_get(b->set, key(1));
}

static void get_unloaded(struct bench *b)
{
    want_operation(b->set, key(1));
    (void)operation_get(b->set, key(1));
}

static void get_loaded(struct bench *b)
{
    want_operation(b->set, key(1));
    (void)workset_load(b->set, &b->shelf.base);
    (void)operation_get(b->set, key(1));
}

static void add_what_is_there(struct bench *b)
{
    get_loaded(b);
    (void)operation_add(b->set, &b->shelf.operations[0]);
}

static void add_beyond_room(struct bench *b)
{
    for (int64_t i = 0; i <= ROWS; i++)
        (void)payment_add(b->set, &(struct payment_row) { .merchant_id = SHOP, .id = 100 + i });
}

static void a_fault_of_the_program_stops_it(void **state)
{
    struct bench *b = *state;
    assert_true(dies(get_unasked, b));
    assert_true(dies(get_unloaded, b));
    assert_false(dies(get_loaded, b));
    assert_true(dies(add_what_is_there, b));
    assert_true(dies(add_beyond_room, b));
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        EACH(nothing_wanted_asks_the_store_nothing),
        EACH(all_keys_are_fetched_with_one_load),
        EACH(a_key_is_asked_for_once),
        EACH(a_second_round_fetches_only_what_is_new),
        EACH(a_row_is_one_row_under_every_key),
        EACH(a_row_that_does_not_exist_is_remembered_as_absent),
        EACH(only_marked_rows_are_written_and_each_once),
        EACH(a_new_row_is_found_by_all_its_keys_and_needs_no_mark),
        EACH(operations_of_our_own_have_no_unique_id_to_collide),
        EACH(an_adopted_payment_is_in_the_set_unless_it_was_there),
        EACH(beginning_forgets_everything),
        EACH(a_load_that_fails_says_so),
        EACH(many_keys_are_kept_apart),
        EACH(a_fault_of_the_program_stops_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
