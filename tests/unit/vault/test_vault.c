/*
 * Sealing: what goes in comes out, in its own row, under its own key, and nowhere else.
 *
 * The golden values were computed by other implementations of HMAC-SHA-256 and AES-256-GCM from the
 * layouts in vault.h, under a ring of the keys aa.. (fingerprint) and bb.. (card 1).
 */
#include "vault/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW_MS INT64_C(1795298470123)
#define PAN    "4111111111111111"

enum { MERCHANT = 361 };
#define CARD_ID INT64_C(0x0102030405060708)

static const char ring_text[] =
    "turnpike-keyring 1\n"
    "fingerprint aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
    "card 1 2026-11-21T22:01:10Z "
    "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\n";

static char folder[200], ring_path[256], why[512];
static struct vault *vault;
static struct rng rng;
static struct arena arena;

static int set_up(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    int n = snprintf(folder, sizeof folder, "%s/turnpike-vault-XXXXXX", base ? base : "/tmp");
    if (n < 0 || (size_t)n >= sizeof folder || mkdtemp(folder) == NULL)
        return -1;
    if (snprintf(ring_path, sizeof ring_path, "%s/cards.keys", folder) < 0)
        return -1;
    int fd = open(ring_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, ring_text, sizeof ring_text - 1) < 0 || close(fd) != 0)
        return -1;
    rng = rng_system();
    arena_init(&arena, 1024 * 1024);
    vault = vault_open(ring_path, false, why, sizeof why);
    return vault == NULL ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    vault_close(vault);
    arena_free(&arena);
    return unlink(ring_path) | rmdir(folder);
}

static struct card_row new_card(void)
{
    return (struct card_row) { .merchant_id = MERCHANT, .id = CARD_ID };
}

static struct card_row sealed_card(void)
{
    struct card_row card = new_card();
    assert_int_equal(vault_seal_card(vault, &rng, &card, STR(PAN)), VAULT_OK);
    return card;
}

static void a_sealed_number_opens_in_its_row(void **state)
{
    (void)state;
    static const char digits[] = "5191330000004415999";
    for (size_t n = 12; n <= 19; n++) {
        struct card_row card = new_card();
        struct str pan = { digits, n };
        assert_int_equal(vault_seal_card(vault, &rng, &card, pan), VAULT_OK);
        assert_int_equal(card.sealed_size, 12 + n + 16);
        assert_int_equal(card.key_id, 1);
        char opened[20];
        memset(opened, '?', sizeof opened);
        assert_int_equal(vault_open_card(vault, &card, opened), VAULT_OK);
        assert_true(str_eq(str_of(opened), pan));
    }
}

static void the_same_number_never_looks_the_same(void **state)
{
    (void)state;
    struct card_row one = sealed_card(), two = sealed_card();
    assert_memory_not_equal(one.sealed, two.sealed, 12);
    assert_memory_not_equal(one.sealed + 12, two.sealed + 12, 16);
    for (size_t i = 0; i + 4 <= one.sealed_size; i++)
        assert_memory_not_equal(one.sealed + i, "1111", 4);
}

static void a_number_sealed_by_another_implementation_opens(void **state)
{
    (void)state;
    struct card_row card = new_card();
    card.key_id = 1;
    card.sealed_size = 44;
    assert_true(hex_decode(STR("000102030405060708090a0b253adb4f7f966d3cbbd7cdb6be064769"
                               "80c2232ad6b0984cd22a4963f5fcf4c0"),
        card.sealed, 44));
    char pan[20];
    assert_int_equal(vault_open_card(vault, &card, pan), VAULT_OK);
    assert_string_equal(pan, PAN);
}

static void every_changed_bit_is_noticed(void **state)
{
    (void)state;
    struct card_row card = sealed_card();
    for (size_t bit = 0; bit < (size_t)card.sealed_size * 8; bit++) {
        struct card_row changed = card;
        changed.sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
        char pan[20];
        memset(pan, '?', sizeof pan);
        assert_int_equal(vault_open_card(vault, &changed, pan), VAULT_TAMPERED);
        for (size_t i = 0; i < sizeof pan; i++)
            assert_int_equal(pan[i], 0); /* nothing unverified is let out */
    }
}

static void a_changed_length_is_noticed(void **state)
{
    (void)state;
    struct card_row card = sealed_card();
    uint8_t right = card.sealed_size;
    char pan[20];
    for (unsigned n = 0; n <= 255; n++) {
        card.sealed_size = (uint8_t)n;
        assert_int_equal(
            vault_open_card(vault, &card, pan), n == right ? VAULT_OK : VAULT_TAMPERED);
    }
}

static void a_number_copied_to_another_row_does_not_open(void **state)
{
    (void)state;
    struct card_row card = sealed_card(), other = card;
    char pan[20];
    other.merchant_id++;
    assert_int_equal(vault_open_card(vault, &other, pan), VAULT_TAMPERED);
    assert_string_equal(pan, "");
    other = card;
    other.id--;
    assert_int_equal(vault_open_card(vault, &other, pan), VAULT_TAMPERED);
    other = card;
    other.merchant_id = card.id;
    other.id = card.merchant_id;
    assert_int_equal(vault_open_card(vault, &other, pan), VAULT_TAMPERED);
    assert_int_equal(vault_open_card(vault, &card, pan), VAULT_OK);
}

static void a_key_that_is_gone_is_told_apart_from_tampering(void **state)
{
    (void)state;
    struct card_row card = sealed_card();
    char pan[20];
    static const uint32_t none[] = { 0, 2, UINT32_MAX };
    for (size_t i = 0; i < COUNT(none); i++) {
        card.key_id = none[i];
        assert_int_equal(vault_open_card(vault, &card, pan), VAULT_NO_KEY);
        assert_string_equal(pan, "");
    }
}

static void a_new_key_seals_and_the_old_one_still_opens(void **state)
{
    (void)state;
    struct card_row before = sealed_card();
    assert_true(vault_add_key(vault, ring_path, NOW_MS, why, sizeof why));
    struct card_row after = sealed_card();
    assert_int_equal(before.key_id, 1);
    assert_int_equal(after.key_id, 2);
    char pan[20];
    assert_int_equal(vault_open_card(vault, &before, pan), VAULT_OK);
    assert_int_equal(vault_open_card(vault, &after, pan), VAULT_OK);
    after.key_id = 1;
    assert_int_equal(vault_open_card(vault, &after, pan), VAULT_TAMPERED);

    vault_close(vault); /* and after a restart */
    vault = vault_open(ring_path, false, why, sizeof why);
    assert_non_null(vault);
    after.key_id = 2;
    assert_int_equal(vault_open_card(vault, &before, pan), VAULT_OK);
    assert_int_equal(vault_open_card(vault, &after, pan), VAULT_OK);
}

static void dropped_keys_are_gone_from_memory_and_file(void **state)
{
    (void)state;
    struct card_row before = sealed_card();
    assert_true(vault_add_key(vault, ring_path, NOW_MS, why, sizeof why));
    struct card_row after = sealed_card();
    for (int i = 0; i < 2; i++) { /* a second time changes nothing */
        assert_true(vault_drop_old_keys(vault, ring_path, why, sizeof why));
        assert_int_equal(vault_key_count(vault), 1);
        assert_int_equal(vault_newest_key(vault), 2);
        char pan[20];
        assert_int_equal(vault_open_card(vault, &before, pan), VAULT_NO_KEY);
        assert_int_equal(vault_open_card(vault, &after, pan), VAULT_OK);
        vault_close(vault);
        vault = vault_open(ring_path, false, why, sizeof why);
        assert_non_null(vault);
        assert_int_equal(vault_open_card(vault, &before, pan), VAULT_NO_KEY);
        assert_int_equal(vault_open_card(vault, &after, pan), VAULT_OK);
    }
}

static void a_key_added_elsewhere_is_known_after_a_reload(void **state)
{
    (void)state;
    struct vault *other = vault_open(ring_path, false, why, sizeof why);
    assert_non_null(other);
    assert_true(vault_add_key(other, ring_path, NOW_MS, why, sizeof why));
    struct card_row card = new_card();
    assert_int_equal(vault_seal_card(other, &rng, &card, STR(PAN)), VAULT_OK);
    char pan[20];
    assert_int_equal(vault_open_card(vault, &card, pan), VAULT_NO_KEY);
    assert_true(vault_reload(vault, ring_path, why, sizeof why));
    assert_int_equal(vault_open_card(vault, &card, pan), VAULT_OK);
    vault_close(other);
}

static void a_fingerprint_is_the_keyed_hash_of_merchant_and_number(void **state)
{
    (void)state;
    uint8_t found[16], wanted[16];
    vault_fingerprint(vault, MERCHANT, STR(PAN), found);
    assert_true(hex_decode(STR("b2523067657112ca7f9a925a692b1c0e"), wanted, 16));
    assert_memory_equal(found, wanted, 16);
    vault_fingerprint(vault, MERCHANT, STR(PAN), found); /* the state is not used up */
    assert_memory_equal(found, wanted, 16);
    vault_fingerprint(vault, MERCHANT + 1, STR(PAN), found);
    assert_true(hex_decode(STR("eebf7b3c84d6d81f981d01ff6cf9206a"), wanted, 16));
    assert_memory_equal(found, wanted, 16);
}

static void a_fingerprint_outlives_the_keys(void **state)
{
    (void)state;
    uint8_t before[16], after[16];
    vault_fingerprint(vault, MERCHANT, STR(PAN), before);
    assert_true(vault_add_key(vault, ring_path, NOW_MS, why, sizeof why));
    assert_true(vault_drop_old_keys(vault, ring_path, why, sizeof why));
    vault_fingerprint(vault, MERCHANT, STR(PAN), after);
    assert_memory_equal(before, after, 16);
}

/* Texts. */

static void a_card_is_sealed_again_under_the_newest_key_or_left_as_it_was(void **state)
{
    (void)state;
    char pan[20];
    struct card_row card = sealed_card(), broken = card;
    uint32_t before = card.key_id;
    assert_true(vault_add_key(vault, ring_path, 1700000000000, why, sizeof why));
    assert_int_equal(vault_reseal_card(vault, &rng, &card), VAULT_OK);
    assert_int_equal(card.key_id, vault_newest_key(vault));
    assert_int_not_equal(card.key_id, before);
    assert_int_equal(vault_open_card(vault, &card, pan), VAULT_OK);
    assert_string_equal(pan, PAN);

    broken.sealed[20] ^= 1;
    struct card_row copy = broken;
    assert_int_equal(vault_reseal_card(vault, &rng, &broken), VAULT_TAMPERED);
    assert_memory_equal(&broken, &copy, sizeof copy);
}

static void a_sealed_text_opens_under_its_label_and_owner(void **state)
{
    (void)state;
    static const char long_text[3000] = "-----BEGIN";
    const struct str texts[] = { STR("secret"), STR(""), STR_EMPTY, STR("a\0b"),
        { long_text, sizeof long_text } };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct str sealed, plain;
        assert_int_equal(
            vault_seal_text(vault, &rng, &arena, "merchant-key", MERCHANT, texts[i], &sealed),
            VAULT_OK);
        assert_true(str_starts_with(sealed, STR("v1.1.")));
        assert_int_equal(sealed.n, 5 + 2 * (12 + texts[i].n + 16));
        assert_int_equal(
            vault_open_text(vault, &arena, "merchant-key", MERCHANT, sealed, &plain), VAULT_OK);
        assert_true(str_eq(plain, texts[i]));
        assert_int_equal(plain.p[plain.n], 0);
    }
}

static void a_text_sealed_by_another_implementation_opens(void **state)
{
    (void)state;
    struct str plain, sealed = STR("v1.1.000102030405060708090a0b626e890c2bd3ed9070a9"
                                   "bf471b0670046557026078e2");
    assert_int_equal(
        vault_open_text(vault, &arena, "merchant-key", MERCHANT, sealed, &plain), VAULT_OK);
    assert_true(str_eq(plain, STR("secret")));
}

static void a_text_does_not_open_under_another_label_or_owner(void **state)
{
    (void)state;
    struct str sealed, plain = STR("untouched");
    assert_int_equal(
        vault_seal_text(vault, &rng, &arena, "cvv", MERCHANT, STR("123"), &sealed), VAULT_OK);
    assert_int_equal(
        vault_open_text(vault, &arena, "cvx", MERCHANT, sealed, &plain), VAULT_TAMPERED);
    assert_int_equal(
        vault_open_text(vault, &arena, "cv", MERCHANT, sealed, &plain), VAULT_TAMPERED);
    assert_int_equal(vault_open_text(vault, &arena, "", MERCHANT, sealed, &plain), VAULT_TAMPERED);
    assert_int_equal(
        vault_open_text(vault, &arena, "cvv", MERCHANT + 1, sealed, &plain), VAULT_TAMPERED);
    assert_true(str_eq(plain, STR("untouched")));
}

/* The same bytes, once as a card and once as a text whose label makes up for the difference. */
static void a_card_does_not_open_as_a_text(void **state)
{
    (void)state;
    struct card_row card = new_card();
    card.id = INT64_C(0x4142434445464748); /* "ABCDEFGH" */
    assert_int_equal(vault_seal_card(vault, &rng, &card, STR(PAN)), VAULT_OK);
    char text[5 + 2 * sizeof card.sealed] = "v1.1.";
    hex_lower(card.sealed, card.sealed_size, text + 5);
    struct str sealed = { text, 5 + 2 * (size_t)card.sealed_size }, plain;
    assert_int_equal(
        vault_open_text(vault, &arena, "ABCDEFGH", MERCHANT, sealed, &plain), VAULT_TAMPERED);
}

static void what_is_no_sealed_text_is_refused(void **state)
{
    (void)state;
    struct str plain;
    static const char *const rows[] = { "", "v1", "v1.", "v1.1", "v1.1.", "v2.1.00", "1.1.00",
        "v1.1.zz", "v1.x.00", "v1.-1.00", "v1.4294967296.00", "plain password",
        "v1.1.000102030405060708090a0b626e890c2bd3ed9070a9bf471b0670046557026078e",
        "v1.1.000102030405060708090a0b626e890c2bd3ed9070a9bf471b0670046557026078e2a",
        "v1.1.000102030405060708090a0b626e890c2bd3ed9070a9bf471b0670046557026078e2.",
        "v1.1.000102030405060708090a0b626e890c2bd3ed9070a9bf471b0670046557026078e3",
        "v1.1.x00102030405060708090a0b626e890c2bd3ed9070a9bf471b0670046557026078e2" };
    for (size_t i = 0; i < COUNT(rows); i++)
        if (vault_open_text(vault, &arena, "merchant-key", MERCHANT, str_of(rows[i]), &plain) !=
            VAULT_TAMPERED)
            fail_msg("row %zu: %s", i, rows[i]);
    struct str gone = STR("v1.2.000102030405060708090a0b626e890c2bd3ed9070a9"
                          "bf471b0670046557026078e2");
    assert_int_equal(
        vault_open_text(vault, &arena, "merchant-key", MERCHANT, gone, &plain), VAULT_NO_KEY);
}

static void a_text_without_room_fails(void **state)
{
    (void)state;
    static const char text[64 * 1024 + 1];
    struct str sealed, plain;
    struct arena small, large;
    arena_init(&large, 4 * 1024 * 1024);
    assert_int_equal(
        vault_seal_text(vault, &rng, &large, "l", 1, (struct str) { text, sizeof text }, &sealed),
        VAULT_FAILED);
    assert_int_equal(vault_seal_text(vault, &rng, &large, "l", 1,
                         (struct str) { text, sizeof text - 1 }, &sealed),
        VAULT_OK);
    for (size_t max = 0; max < 400000; max += 65536) {
        arena_init(&small, max);
        struct str unused;
        enum vault_result result =
            vault_seal_text(vault, &rng, &small, "l", 1, (struct str) { text, 64000 }, &unused);
        assert_int_equal(result, max < 5 * 64000 ? VAULT_FAILED : VAULT_OK);
        arena_free(&small);
        arena_init(&small, max);
        result = vault_open_text(vault, &small, "l", 1, sealed, &plain);
        assert_int_equal(result, max < 2 * sizeof text ? VAULT_FAILED : VAULT_OK);
        arena_free(&small);
    }
    arena_free(&large);
}

/* Threads. */

enum { THREADS = 3, ROTATIONS = 40 };

struct worker {
    pthread_t thread;
    atomic_uint sealed;
    const char *failed;
};

static atomic_bool stop;

static void *seal_and_open(void *arg)
{
    struct worker *w = arg;
    struct rng own = rng_system();
    uint8_t wanted[16], found[16];
    vault_fingerprint(vault, MERCHANT, STR(PAN), wanted);
    uint32_t last_key = 0;
    while (!atomic_load(&stop) && w->failed == NULL) {
        struct card_row card = new_card();
        char pan[20];
        if (vault_seal_card(vault, &own, &card, STR(PAN)) != VAULT_OK)
            w->failed = "a seal failed";
        else if (vault_open_card(vault, &card, pan) != VAULT_OK || strcmp(pan, PAN) != 0)
            w->failed = "a sealed number did not open";
        else if (card.key_id < last_key)
            w->failed = "an old key came back";
        vault_fingerprint(vault, MERCHANT, STR(PAN), found);
        if (memcmp(found, wanted, sizeof found) != 0)
            w->failed = "a fingerprint changed";
        last_key = card.key_id;
        atomic_fetch_add(&w->sealed, 1);
    }
    return NULL;
}

static void keys_rotate_while_other_threads_seal_and_open(void **state)
{
    (void)state;
    static struct worker workers[THREADS];
    atomic_store(&stop, false);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&workers[i].thread, NULL, seal_and_open, &workers[i]), 0);
    bool ok = true;
    for (int i = 0; i < ROTATIONS; i++) {
        ok = ok && vault_add_key(vault, ring_path, NOW_MS, why, sizeof why);
        ok = ok && vault_reload(vault, ring_path, why, sizeof why);
        unsigned seen = atomic_load(&workers[0].sealed);
        while (ok && atomic_load(&workers[0].sealed) == seen && workers[0].failed == NULL)
            (void)usleep(50); /* the workers have got on under the new key */
    }
    atomic_store(&stop, true);
    for (size_t i = 0; i < THREADS; i++) {
        assert_int_equal(pthread_join(workers[i].thread, NULL), 0);
        if (workers[i].failed != NULL)
            fail_msg("%s", workers[i].failed);
        assert_true(atomic_load(&workers[i].sealed) > 0);
    }
    assert_true(ok);
    assert_int_equal(vault_newest_key(vault), 1 + ROTATIONS);
    assert_int_equal(vault_key_count(vault), 1 + ROTATIONS);
}

#define ON_A_VAULT(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_A_VAULT(a_sealed_number_opens_in_its_row),
        ON_A_VAULT(the_same_number_never_looks_the_same),
        ON_A_VAULT(a_number_sealed_by_another_implementation_opens),
        ON_A_VAULT(every_changed_bit_is_noticed),
        ON_A_VAULT(a_changed_length_is_noticed),
        ON_A_VAULT(a_number_copied_to_another_row_does_not_open),
        ON_A_VAULT(a_key_that_is_gone_is_told_apart_from_tampering),
        ON_A_VAULT(a_new_key_seals_and_the_old_one_still_opens),
        ON_A_VAULT(dropped_keys_are_gone_from_memory_and_file),
        ON_A_VAULT(a_key_added_elsewhere_is_known_after_a_reload),
        ON_A_VAULT(a_fingerprint_is_the_keyed_hash_of_merchant_and_number),
        ON_A_VAULT(a_fingerprint_outlives_the_keys),
        ON_A_VAULT(a_card_is_sealed_again_under_the_newest_key_or_left_as_it_was),
        ON_A_VAULT(a_sealed_text_opens_under_its_label_and_owner),
        ON_A_VAULT(a_text_sealed_by_another_implementation_opens),
        ON_A_VAULT(a_text_does_not_open_under_another_label_or_owner),
        ON_A_VAULT(a_card_does_not_open_as_a_text),
        ON_A_VAULT(what_is_no_sealed_text_is_refused),
        ON_A_VAULT(a_text_without_room_fails),
        ON_A_VAULT(keys_rotate_while_other_threads_seal_and_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
