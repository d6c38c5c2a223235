/*
 * Logins: known at once, guessed slowly, and nobody locked out by a stranger.
 *
 * argon2id at its real cost is dear, more so under the sanitizers: only the tests that are about
 * the cost pay it, the others store hashes of the least cost there is. None waits, the clock is
 * moved.
 */
#include "base/clock.h"
#include "vault/login.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <semaphore.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { MERCHANT = 361, BURST = LOGIN_WAITING_MAX + 1 };

static char dear_hash[LOGIN_HASH_SIZE]; /* of "demo_password", as the store has it */
static char hash[LOGIN_HASH_SIZE], changed_hash[LOGIN_HASH_SIZE]; /* and "new", both cheap */
static struct clock moment;
static struct login_book *book;
static sem_t answered;

static bool hash_cheaply(struct str password, char out[LOGIN_HASH_SIZE])
{
    return crypto_pwhash_str_alg(out, password.p, password.n, crypto_pwhash_argon2id_OPSLIMIT_MIN,
               crypto_pwhash_argon2id_MEMLIMIT_MIN, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

static int hash_once(void **state)
{
    (void)state;
    bool ok = login_hash(STR("demo_password"), dear_hash) &&
              hash_cheaply(STR("demo_password"), hash) && hash_cheaply(STR("new"), changed_hash);
    return ok ? sem_init(&answered, 0, 0) : -1;
}

static int open_book(void **state)
{
    (void)state;
    clock_init_manual(&moment, INT64_C(1795298470123));
    book = login_open(&moment);
    return book == NULL ? -1 : 0;
}

static int close_book(void **state)
{
    (void)state;
    login_close(book);
    return 0;
}

static void on_done(struct login_check *c)
{
    assert_ptr_equal(c->owner, c);
    assert_int_equal(sem_post(&answered), 0);
}

static void prepare(struct login_check *c, const char *source, const char *password)
{
    *c = (struct login_check) { .merchant_id = MERCHANT,
        .stored_hash = str_of(hash),
        .password = str_of(password),
        .account = STR("demo_merchant"),
        .done = on_done,
        .owner = c };
    assert_true(str_copy(c->source, sizeof c->source, str_of(source)));
}

static void await(void)
{
    struct timespec until;
    assert_int_equal(clock_gettime(CLOCK_REALTIME, &until), 0);
    until.tv_sec += 60;
    int failed;
    do
        failed = sem_timedwait(&answered, &until);
    while (failed != 0 && errno == EINTR);
    assert_int_equal(failed, 0);
}

/* Verifies and waits; *at_once tells whether no argon2id was computed. */
static enum login_result verify(struct login_check *c, bool *at_once)
{
    enum login_result result = login_verify(book, c);
    *at_once = result != LOGIN_LATER;
    if (*at_once)
        return result;
    await();
    return c->result;
}

static enum login_result try_once(const char *source, const char *password, bool *at_once)
{
    struct login_check c;
    prepare(&c, source, password);
    return verify(&c, at_once);
}

/* Uses up the free tries. */
static void fail_often(const char *source)
{
    for (int i = 0; i < LOGIN_FREE_TRIES; i++) {
        bool at_once;
        char password[16];
        assert_true(snprintf(password, sizeof password, "guess %d", i) > 0);
        assert_int_equal(try_once(source, password, &at_once), LOGIN_WRONG);
        assert_false(at_once);
    }
}

static void a_hash_is_argon2id_with_the_promised_cost_and_its_own_salt(void **state)
{
    (void)state;
    static const char head[] = "$argon2id$v=19$m=19456,t=2,p=1$";
    assert_memory_equal(dear_hash, head, sizeof head - 1);
    char again[LOGIN_HASH_SIZE];
    assert_true(login_hash(STR("demo_password"), again));
    assert_string_not_equal(dear_hash, again);
}

static void a_verified_login_is_remembered_for_its_time(void **state)
{
    (void)state;
    bool at_once;
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
    assert_false(at_once);
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
    assert_true(at_once);
    clock_advance(&moment, LOGIN_REMEMBERED_MS - 1);
    assert_int_equal(try_once("10.9.9.9", "demo_password", &at_once), LOGIN_OK);
    assert_true(at_once); /* from any address */
    clock_advance(&moment, 1);
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
    assert_false(at_once); /* and use does not make it longer */
}

static void only_the_same_merchant_hash_and_password_are_remembered(void **state)
{
    (void)state;
    bool at_once;
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
    assert_int_equal(try_once("10.0.0.1", "demo_passwor", &at_once), LOGIN_WRONG);
    assert_false(at_once);
    assert_int_equal(try_once("10.0.0.1", "", &at_once), LOGIN_WRONG);
    assert_false(at_once);
    struct login_check c;
    prepare(&c, "10.0.0.1", "demo_password");
    c.merchant_id++;
    assert_int_equal(verify(&c, &at_once), LOGIN_OK); /* his hash, so right, but not looked up */
    assert_false(at_once);
}

static void a_changed_password_holds_at_once(void **state)
{
    (void)state;
    bool at_once;
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
    struct login_check c;
    prepare(&c, "10.0.0.1", "demo_password");
    c.stored_hash = str_of(changed_hash);
    assert_int_equal(verify(&c, &at_once), LOGIN_WRONG);
    prepare(&c, "10.0.0.1", "new");
    c.stored_hash = str_of(changed_hash);
    assert_int_equal(verify(&c, &at_once), LOGIN_OK);
    assert_false(at_once);
}

/* The time of one verification, whatever its result. */
static int64_t time_of(struct login_check *c)
{
    bool at_once;
    int64_t start = clock_mono_ns();
    enum login_result result = verify(c, &at_once);
    assert_false(at_once);
    assert_true(result == LOGIN_OK || result == LOGIN_WRONG);
    return clock_mono_ns() - start;
}

/* Both compute argon2id; a refusal without it would take microseconds. */
static void an_unknown_account_takes_as_long_as_a_wrong_password(void **state)
{
    (void)state;
    int64_t wrong_ns = INT64_MAX;
    struct login_check c;
    for (int i = 0; i < 3; i++) { /* the quickest: the machine may have been busy */
        prepare(&c, "10.0.0.1", "wrong");
        c.stored_hash = str_of(dear_hash);
        int64_t ns = time_of(&c);
        wrong_ns = ns < wrong_ns ? ns : wrong_ns;
    }
    assert_int_equal(c.result, LOGIN_WRONG);
    prepare(&c, "10.0.0.2", "demo_password");
    c.merchant_id = 0;
    c.stored_hash = STR_EMPTY;
    assert_true(time_of(&c) > wrong_ns / 5);
    assert_int_equal(c.result, LOGIN_WRONG);
}

static void without_an_account_not_even_the_right_password_helps(void **state)
{
    (void)state;
    struct login_check c;
    prepare(&c, "10.0.0.1", "demo_password");
    c.merchant_id = 0;
    for (int i = 0; i < 2; i++) { /* and nothing is remembered of it */
        bool at_once;
        assert_int_equal(verify(&c, &at_once), LOGIN_WRONG);
        assert_false(at_once);
    }
}

static void a_stored_hash_that_cannot_be_read_lets_nobody_in(void **state)
{
    (void)state;
    char too_long[LOGIN_HASH_SIZE + 50];
    memset(too_long, 'a', sizeof too_long);
    const struct str hashes[] = { STR_EMPTY, STR("demo_password"), STR("$argon2id$v=19$m=1"),
        { too_long, sizeof too_long } };
    for (size_t i = 0; i < COUNT(hashes); i++) {
        struct login_check c;
        bool at_once;
        prepare(&c, "10.0.0.1", "demo_password");
        c.stored_hash = hashes[i];
        assert_int_equal(verify(&c, &at_once), LOGIN_WRONG);
        assert_false(at_once);
    }
}

static void guessing_is_slowed_down_by_pauses_that_double(void **state)
{
    (void)state;
    bool at_once;
    fail_often("10.0.0.66");
    for (int64_t pause = 1000; pause <= 4000; pause *= 2) {
        assert_int_equal(try_once("10.0.0.66", "demo_password", &at_once), LOGIN_THROTTLED);
        assert_true(at_once);
        clock_advance(&moment, pause - 1);
        assert_int_equal(try_once("10.0.0.66", "demo_password", &at_once), LOGIN_THROTTLED);
        clock_advance(&moment, 1);
        assert_int_equal(try_once("10.0.0.66", "one more guess", &at_once), LOGIN_WRONG);
        assert_false(at_once);
    }
}

static void the_longest_pause_is_five_minutes(void **state)
{
    (void)state;
    bool at_once;
    fail_often("10.0.0.66");
    for (int i = 0; i < 10; i++) { /* 1 s doubled ten times would be 17 minutes */
        clock_advance(&moment, LOGIN_PAUSE_MAX_MS);
        assert_int_equal(try_once("10.0.0.66", "guess", &at_once), LOGIN_WRONG);
    }
    clock_advance(&moment, LOGIN_PAUSE_MAX_MS - 1);
    assert_int_equal(try_once("10.0.0.66", "demo_password", &at_once), LOGIN_THROTTLED);
    clock_advance(&moment, 1);
    assert_int_equal(try_once("10.0.0.66", "demo_password", &at_once), LOGIN_OK);
}

static void an_address_that_guesses_locks_out_neither_others_nor_other_accounts(void **state)
{
    (void)state;
    bool at_once;
    fail_often("10.0.0.66");
    assert_int_equal(try_once("10.0.0.66", "demo_password", &at_once), LOGIN_THROTTLED);
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
    struct login_check c;
    prepare(&c, "10.0.0.66", "new");
    c.merchant_id++;
    c.stored_hash = str_of(changed_hash);
    c.account = STR("other_merchant");
    assert_int_equal(verify(&c, &at_once), LOGIN_OK);
}

static void a_remembered_login_is_never_throttled(void **state)
{
    (void)state;
    bool at_once;
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
    fail_often("10.0.0.1"); /* another program behind the same address */
    assert_int_equal(try_once("10.0.0.1", "guess", &at_once), LOGIN_THROTTLED);
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
    assert_true(at_once);
}

static void a_verified_login_starts_the_count_anew(void **state)
{
    (void)state;
    bool at_once;
    for (int i = 1; i < LOGIN_FREE_TRIES; i++)
        assert_int_equal(try_once("10.0.0.1", "typo", &at_once), LOGIN_WRONG);
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
    fail_often("10.0.0.1");
    assert_int_equal(try_once("10.0.0.1", "typo", &at_once), LOGIN_THROTTLED);
}

/* Were only finished tries counted, all of these would be computed before the first one fails. */
static void passwords_tried_at_the_same_time_count_as_tries(void **state)
{
    (void)state;
    static struct login_check checks[20];
    char passwords[COUNT(checks)][16];
    size_t later = 0;
    for (size_t i = 0; i < COUNT(checks); i++) {
        assert_true(snprintf(passwords[i], sizeof passwords[i], "guess %zu", i) > 0);
        prepare(&checks[i], "10.0.0.66", passwords[i]);
        enum login_result result = login_verify(book, &checks[i]);
        assert_true(result == LOGIN_LATER || result == LOGIN_THROTTLED);
        later += result == LOGIN_LATER;
    }
    assert_int_equal(later, LOGIN_FREE_TRIES);
    for (size_t i = 0; i < later; i++)
        await();
}

/* At the start of a busy shop: one computation serves all, and none is turned away. */
static void the_same_login_many_times_at_once_is_verified_once(void **state)
{
    (void)state;
    static struct login_check checks[2 * LOGIN_WAITING_MAX];
    struct login_check first;
    prepare(&first, "10.0.0.1", "wrong");
    first.stored_hash = str_of(dear_hash);
    int64_t once_ns = time_of(&first), start = clock_mono_ns();
    prepare(&first, "10.0.0.1", "another");
    first.stored_hash = str_of(dear_hash);
    assert_int_equal(login_verify(book, &first), LOGIN_LATER); /* keeps the worker at work */
    size_t later = 0;
    for (size_t i = 0; i < COUNT(checks); i++) {
        prepare(&checks[i], "10.0.0.1", "demo_password");
        checks[i].stored_hash = str_of(dear_hash);
        enum login_result result = login_verify(book, &checks[i]);
        assert_true(result == LOGIN_LATER || result == LOGIN_OK);
        later += result == LOGIN_LATER;
    }
    assert_true(later > 0);
    for (size_t i = 0; i <= later; i++)
        await();
    for (size_t i = 0; i < later; i++)
        assert_int_equal(checks[i].result, LOGIN_OK);
    assert_true(clock_mono_ns() - start < 40 * once_ns);
}

static void what_waits_is_finished_at_close(void **state)
{
    (void)state;
    struct login_check one, two;
    struct login_book *own = login_open(&moment);
    assert_non_null(own);
    prepare(&one, "10.0.0.1", "demo_password");
    prepare(&two, "10.0.0.1", "wrong");
    assert_int_equal(login_verify(own, &one), LOGIN_LATER);
    assert_int_equal(login_verify(own, &two), LOGIN_LATER);
    login_close(own);
    assert_int_equal(sem_trywait(&answered), 0);
    assert_int_equal(sem_trywait(&answered), 0);
    assert_int_equal(one.result, LOGIN_OK);
    assert_int_equal(two.result, LOGIN_WRONG);
    login_close(NULL);
}

static atomic_bool gate_open;

static void wait_at_gate(struct login_check *c)
{
    while (!atomic_load(&gate_open)) {
        struct timespec pause = { .tv_nsec = 1000000 };
        (void)nanosleep(&pause, NULL);
    }
    on_done(c);
}

/* The worker is held in done() so that the ring fills. */
static void a_full_ring_answers_busy_and_recovers(void **state)
{
    (void)state;
    static struct login_check checks[BURST + 1];
    static char sources[COUNT(checks)][46];
    atomic_store(&gate_open, false);
    size_t later = 0, busy = 0;
    for (size_t i = 0; i < COUNT(checks); i++) {
        assert_true(snprintf(sources[i], sizeof sources[i], "10.0.%zu.%zu", i / 256, i % 256) > 0);
        prepare(&checks[i], sources[i], sources[i]); /* all different */
        checks[i].done = wait_at_gate;
        enum login_result result = login_verify(book, &checks[i]);
        later += result == LOGIN_LATER;
        busy += result == LOGIN_BUSY;
    }
    assert_true(busy > 0); /* the worker holds one, or is about to; the ring holds the rest */
    assert_int_equal(later + busy, COUNT(checks));
    assert_in_range(later, LOGIN_WAITING_MAX, LOGIN_WAITING_MAX + 1);
    atomic_store(&gate_open, true);
    for (size_t i = 0; i < later; i++)
        await();
    for (size_t i = 0; i < later; i++)
        assert_int_equal(checks[i].result, LOGIN_WRONG);
    bool at_once;
    assert_int_equal(try_once("10.0.0.1", "demo_password", &at_once), LOGIN_OK);
}

#define ON_A_BOOK(test) cmocka_unit_test_setup_teardown(test, open_book, close_book)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hash_is_argon2id_with_the_promised_cost_and_its_own_salt),
        ON_A_BOOK(a_verified_login_is_remembered_for_its_time),
        ON_A_BOOK(only_the_same_merchant_hash_and_password_are_remembered),
        ON_A_BOOK(a_changed_password_holds_at_once),
        ON_A_BOOK(an_unknown_account_takes_as_long_as_a_wrong_password),
        ON_A_BOOK(without_an_account_not_even_the_right_password_helps),
        ON_A_BOOK(a_stored_hash_that_cannot_be_read_lets_nobody_in),
        ON_A_BOOK(guessing_is_slowed_down_by_pauses_that_double),
        ON_A_BOOK(the_longest_pause_is_five_minutes),
        ON_A_BOOK(an_address_that_guesses_locks_out_neither_others_nor_other_accounts),
        ON_A_BOOK(a_remembered_login_is_never_throttled),
        ON_A_BOOK(a_verified_login_starts_the_count_anew),
        ON_A_BOOK(passwords_tried_at_the_same_time_count_as_tries),
        ON_A_BOOK(the_same_login_many_times_at_once_is_verified_once),
        ON_A_BOOK(what_waits_is_finished_at_close),
        ON_A_BOOK(a_full_ring_answers_busy_and_recovers),
    };
    return cmocka_run_group_tests(tests, hash_once, NULL);
}
