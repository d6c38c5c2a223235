/*
 * What the vault does when the system or a library refuses: it says so, leaves the ring as it was,
 * and works again afterwards.
 */
#include "../base/fault.h"
#include "vault/keyring.h"
#include "vault/login.h"
#include "vault/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <wchar.h>

#define NOW_MS INT64_C(1795298470123)
#define PAN    "4111111111111111"

/* clang-format off */
FAULTY(int, sodium_init, (void), (), -1)
FAULTY(void *, sodium_malloc, (size_t n), (n), NULL)
FAULTY(int, crypto_pwhash,
    (unsigned char *out, unsigned long long out_n, const char *text, unsigned long long n,
        const unsigned char *salt, unsigned long long passes, size_t memory, int algorithm),
    (out, out_n, text, n, salt, passes, memory, algorithm), -1)

FAULTY(EVP_CIPHER *, EVP_CIPHER_fetch, (OSSL_LIB_CTX *lib, const char *name, const char *wanted),
    (lib, name, wanted), NULL)
FAULTY(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), (), NULL)
FAULTY(int, EVP_EncryptInit_ex2, (EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
    const unsigned char *key, const unsigned char *iv, const OSSL_PARAM *params),
    (ctx, cipher, key, iv, params), 0)
FAULTY(int, EVP_EncryptUpdate,
    (EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_n, const unsigned char *in, int n),
    (ctx, out, out_n, in, n), 0)
FAULTY(int, EVP_EncryptFinal_ex, (EVP_CIPHER_CTX *ctx, unsigned char *out, int *n),
    (ctx, out, n), 0)
FAULTY(int, EVP_DecryptInit_ex2, (EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
    const unsigned char *key, const unsigned char *iv, const OSSL_PARAM *params),
    (ctx, cipher, key, iv, params), 0)
FAULTY(int, EVP_DecryptUpdate,
    (EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_n, const unsigned char *in, int n),
    (ctx, out, out_n, in, n), 0)
FAULTY(int, EVP_CIPHER_CTX_ctrl, (EVP_CIPHER_CTX *ctx, int type, int n, void *p),
    (ctx, type, n, p), 0)

FAULTY(int, pthread_rwlockattr_init, (pthread_rwlockattr_t *attributes), (attributes), EAGAIN)
FAULTY(int, pthread_rwlockattr_setkind_np, (pthread_rwlockattr_t *attributes, int kind),
    (attributes, kind), EINVAL)
FAULTY(int, pthread_rwlock_init,
    (pthread_rwlock_t *restrict lock, const pthread_rwlockattr_t *restrict attributes),
    (lock, attributes), EAGAIN)
FAULTY(int, pthread_mutex_init, (pthread_mutex_t *lock, const pthread_mutexattr_t *attributes),
    (lock, attributes), EAGAIN)
FAULTY(int, pthread_cond_init,
    (pthread_cond_t *restrict wake, const pthread_condattr_t *restrict attributes),
    (wake, attributes), EAGAIN)
FAULTY(int, pthread_sigmask,
    (int how, const sigset_t *restrict set, sigset_t *restrict before), (how, set, before), EINVAL)

FAULTY(int, fstat, (int fd, struct stat *st), (fd, st), -1)
FAULTY(ssize_t, read, (int fd, void *bytes, size_t n), (fd, bytes, n), -1)
FAULTY(ssize_t, write, (int fd, const void *bytes, size_t n), (fd, bytes, n), -1)
FAULTY(int, fchmod, (int fd, mode_t mode), (fd, mode), -1)
FAULTY(uid_t, geteuid, (void), (), 12345)
FAULTY(gid_t, getegid, (void), (), 12345)
FAULTY(int, fsync, (int fd), (fd), -1)
FAULTY(int, close, (int fd), (fd), -1)
FAULTY(int, renameat, (int from_dir, const char *from, int to_dir, const char *to),
    (from_dir, from, to_dir, to), -1)
FAULTY(int, linkat, (int from_dir, const char *from, int to_dir, const char *to, int flags),
    (from_dir, from, to_dir, to, flags), -1)
FAULTY(int, unlinkat, (int dir, const char *name, int flags), (dir, name, flags), -1)
FAULTY(int, flock, (int fd, int how), (fd, how), -1)
/* clang-format on */

/* Only root may give files away: what was asked for is noted. */
static struct {
    int times;
    uid_t user;
    gid_t group;
} given;

int fchown(int fd, uid_t user, gid_t group)
{
    (void)fd;
    given.times++;
    given.user = user;
    given.group = group;
    return 0;
}

static char folder[200], ring_path[256], aside_path[256], why[5000];
static const struct why to_why = { why, sizeof why };
static struct rng rng;

static int make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    int n = snprintf(folder, sizeof folder, "%s/turnpike-fault-XXXXXX", base ? base : "/tmp");
    if (n < 0 || (size_t)n >= sizeof folder || mkdtemp(folder) == NULL)
        return -1;
    rng = rng_system();
    if (snprintf(aside_path, sizeof aside_path, "%s/aside", folder) < 0)
        return -1;
    return snprintf(ring_path, sizeof ring_path, "%s/cards.keys", folder) > 0 ? 0 : -1;
}

/* A temporary file that was left behind would keep the folder. */
static int remove_folder(void **state)
{
    (void)state;
    (void)unlink(ring_path);
    return rmdir(folder);
}

static struct vault *open_vault(void)
{
    return vault_open(ring_path, true, why, sizeof why);
}

static void save_ring(const char *path)
{
    struct keyring *r = keyring_new(to_why);
    assert_non_null(r);
    assert_true(keyring_add(r, NOW_MS, to_why));
    assert_true(keyring_save(r, path, false, to_why));
    keyring_free(r);
}

static void assert_said(const char *part)
{
    if (strstr(why, part) == NULL)
        fail_msg("'%s' does not say '%s'", why, part);
}

static void a_vault_that_cannot_be_opened_says_so_and_opens_later(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int passes;
        const char *said;
    } steps[] = {
        { "sodium_init", 0, "libsodium does not start" },
        { "sodium_malloc", 0, "no memory for the key ring" }, /* the ring */
        { "sodium_malloc", 1, "no memory for the key ring" }, /* the file's text */
        { "sodium_malloc", 2, "the vault has no memory" },
        { "EVP_CIPHER_fetch", 0, "libcrypto has no AES-256-GCM" },
        { "pthread_rwlockattr_init", 0, "the vault has no memory" },
        { "pthread_rwlockattr_setkind_np", 0, "the vault has no memory" },
        { "pthread_rwlock_init", 0, "the vault has no memory" },
        { "pthread_mutex_init", 0, "the vault has no memory" },
        { "fstat", 0, "cannot look at the key ring: Input/output error" },
        { "read", 0, "cannot read the key ring: Input/output error" },
    };
    vault_close(open_vault());
    for (size_t i = 0; i < COUNT(steps); i++) {
        fault_arm(steps[i].name, steps[i].passes, EIO);
        assert_null(open_vault());
        assert_true(fault_came());
        assert_said(steps[i].said);
        struct vault *v = open_vault();
        assert_non_null(v);
        vault_close(v);
    }
}

static void a_first_ring_without_memory_is_not_made(void **state)
{
    (void)state;
    fault_arm("sodium_malloc", 0, ENOMEM);
    assert_null(open_vault());
    assert_true(fault_came());
    assert_said("no memory for the key ring");
    assert_int_equal(access(ring_path, F_OK), -1);
}

static void a_read_that_was_interrupted_goes_on(void **state)
{
    (void)state;
    vault_close(open_vault());
    fault_arm("read", 0, EINTR);
    struct vault *v = open_vault();
    assert_true(fault_came());
    assert_non_null(v);
    vault_close(v);
}

static void grow(void)
{
    assert_int_equal(truncate(ring_path, KEYRING_FILE_MAX + 1), 0);
}

static void a_ring_that_grows_while_it_is_read_is_refused(void **state)
{
    (void)state;
    save_ring(ring_path);
    fault_arm_hook("read", grow);
    assert_null(open_vault());
    assert_true(fault_came());
    assert_said("grew while it was read");
}

static void a_ring_below_a_file_is_refused_with_a_hint(void **state)
{
    (void)state;
    save_ring(ring_path);
    char deeper[300];
    assert_true(snprintf(deeper, sizeof deeper, "%s/below", ring_path) > 0);
    assert_null(vault_open(deeper, true, why, sizeof why));
    assert_said("check the path and its permissions");
}

static void a_sentence_that_cannot_be_written_is_empty(void **state)
{
    (void)state;
    static const wchar_t not_in_this_locale[] = { 0x20AC, 0 };
    why_say(to_why, "before");
    why_say(to_why, "%ls", not_in_this_locale);
    assert_string_equal(why, "");
}

/* ---- writing the ring ---- */

/* A change that fails half way leaves file and memory as they were, and nothing beside the file. */
static void a_change_that_cannot_be_written_changes_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int passes, error;
        const char *said;
    } steps[] = {
        { "fchmod", 0, EPERM, "Operation not permitted" },
        { "write", 0, ENOSPC, "No space left" },
        { "fsync", 0, EIO, "Input/output error" },
        { "close", 1, EDQUOT, "Disk quota exceeded" }, /* the first is that of the file read */
        { "renameat", 0, EROFS, "Read-only file system" },
    };
    struct vault *v = open_vault();
    assert_non_null(v);
    for (size_t i = 0; i < COUNT(steps); i++) {
        fault_arm(steps[i].name, steps[i].passes, steps[i].error);
        assert_false(vault_add_key(v, ring_path, NOW_MS, why, sizeof why));
        assert_true(fault_came());
        assert_said(steps[i].said);
        assert_int_equal(vault_newest_key(v), 1);
        assert_true(vault_reload(v, ring_path, why, sizeof why));
        assert_int_equal(vault_key_count(v), 1);
    }
    assert_true(vault_add_key(v, ring_path, NOW_MS, why, sizeof why));
    assert_int_equal(vault_newest_key(v), 2);
    vault_close(v);
}

static void a_write_that_was_interrupted_goes_on(void **state)
{
    (void)state;
    fault_arm("write", 0, EINTR);
    struct vault *v = open_vault();
    assert_true(fault_came());
    assert_non_null(v);
    vault_close(v);
}

static void a_first_ring_that_cannot_be_put_in_place_is_told(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int passes;
    } steps[] = { { "linkat", 0 }, { "unlinkat", 0 }, { "fsync", 1 } };
    for (size_t i = 0; i < COUNT(steps); i++) {
        fault_arm(steps[i].name, steps[i].passes, EIO);
        assert_null(open_vault());
        assert_true(fault_came());
        assert_said("cannot write the key ring: Input/output error");
        (void)unlink(ring_path); /* the last two fail behind the link */
    }
}

static void make_ring_before_us(void)
{
    save_ring(ring_path);
}

/* Two servers start on an empty folder: the second takes the ring of the first. */
static void a_ring_that_another_process_made_first_is_used(void **state)
{
    (void)state;
    fault_arm_hook("linkat", make_ring_before_us);
    struct vault *v = open_vault();
    assert_true(fault_came());
    assert_non_null(v);
    uint8_t ours[16], theirs[16];
    vault_fingerprint(v, 1, STR(PAN), ours);
    vault_close(v);
    v = open_vault();
    vault_fingerprint(v, 1, STR(PAN), theirs);
    assert_memory_equal(ours, theirs, sizeof ours);
    vault_close(v);
}

/* Run as another user, root say, a change leaves the file its owner. */
static void a_ring_of_another_owner_stays_his(void **state)
{
    (void)state;
    static const char *const who[] = { "geteuid", "getegid" };
    struct vault *v = open_vault();
    for (size_t i = 0; i < COUNT(who); i++) {
        memset(&given, 0, sizeof given);
        fault_arm(who[i], 0, 0);
        assert_true(vault_add_key(v, ring_path, NOW_MS, why, sizeof why));
        assert_true(fault_came());
        assert_int_equal(given.times, 1);
        assert_true(given.user == getuid() && given.group == getgid());
    }
    assert_true(vault_add_key(v, ring_path, NOW_MS, why, sizeof why));
    assert_int_equal(given.times, 1); /* our own is not given to anybody */
    vault_close(v);
}

static void a_ring_is_not_saved_to_a_place_that_cannot_be(void **state)
{
    (void)state;
    struct keyring *r = keyring_new(to_why);
    assert_true(keyring_add(r, NOW_MS, to_why));
    assert_false(keyring_save(r, "/turnpike-no-such-ring", true, to_why));
    assert_said("/turnpike-no-such-ring: cannot write the key ring: No such file");

    char longest[4200];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 2] = '/';
    longest[sizeof longest - 1] = '\0';
    assert_false(keyring_save(r, longest, false, to_why));
    assert_said("File name too long");

    char lost[300];
    assert_true(snprintf(lost, sizeof lost, "%s/cards.keys", ring_path) > 0);
    assert_false(keyring_save(r, lost, false, to_why));
    assert_said("No such file");
    keyring_free(r);
}

static void a_file_that_cannot_be_made_is_told(void **state)
{
    (void)state;
    struct keyring *r = keyring_new(to_why);
    assert_true(keyring_add(r, NOW_MS, to_why));
    assert_false(keyring_save(r, "/proc/cards.keys", false, to_why)); /* takes no files */
    assert_said("cannot write the key ring");
    keyring_free(r);
}

static void a_ring_without_memory_is_none(void **state)
{
    (void)state;
    fault_arm("sodium_malloc", 0, ENOMEM);
    assert_null(keyring_new(to_why));
    assert_true(fault_came());
    assert_said("no memory");
}

/* ---- the lock ---- */

static void take_ring_away(void)
{
    assert_int_equal(unlink(ring_path), 0);
}

static void put_another_ring(void)
{
    save_ring(aside_path);
    assert_int_equal(rename(aside_path, ring_path), 0);
}

static void a_lock_that_cannot_be_had_is_told(void **state)
{
    (void)state;
    save_ring(ring_path);
    fault_arm("flock", 0, ENOLCK);
    assert_int_equal(keyring_lock(ring_path, to_why), -1);
    assert_true(fault_came());
    assert_said("cannot lock the key ring");
    fault_arm_hook("flock", take_ring_away);
    assert_int_equal(keyring_lock(ring_path, to_why), -1);
    assert_true(fault_came());
    assert_said("cannot lock the key ring: No such file");
}

static void a_wait_for_the_lock_that_was_interrupted_goes_on(void **state)
{
    (void)state;
    save_ring(ring_path);
    fault_arm("flock", 0, EINTR);
    int lock = keyring_lock(ring_path, to_why);
    assert_true(fault_came());
    assert_true(lock >= 0);
    keyring_unlock(lock);
}

/* The lock is on the file that is there, not on the one that was there when we began to wait. */
static void a_ring_replaced_while_we_waited_is_locked_anew(void **state)
{
    (void)state;
    save_ring(ring_path);
    fault_arm_hook("flock", put_another_ring);
    int lock = keyring_lock(ring_path, to_why);
    assert_true(fault_came());
    assert_true(lock >= 0);
    struct stat locked, there;
    assert_int_equal(fstat(lock, &locked), 0);
    assert_int_equal(stat(ring_path, &there), 0);
    assert_true(locked.st_ino == there.st_ino);
    keyring_unlock(lock);
}

/* ---- sealing ---- */

static void a_library_that_refuses_to_seal_leaves_the_card_unsealed(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int passes;
    } steps[] = { { "EVP_CIPHER_CTX_new", 0 }, { "EVP_EncryptInit_ex2", 0 },
        { "EVP_EncryptUpdate", 0 }, { "EVP_EncryptUpdate", 1 }, { "EVP_EncryptFinal_ex", 0 },
        { "EVP_CIPHER_CTX_ctrl", 0 } };
    struct vault *v = open_vault();
    struct arena arena;
    arena_init(&arena, 10000);
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct card_row card = { .merchant_id = 1, .id = 2 };
        fault_arm(steps[i].name, steps[i].passes, 0);
        assert_int_equal(vault_seal_card(v, &rng, &card, STR(PAN)), VAULT_FAILED);
        assert_true(fault_came());
        assert_int_equal(card.sealed_size, 0);
        struct str sealed = STR("untouched");
        fault_arm(steps[i].name, steps[i].passes, 0);
        assert_int_equal(
            vault_seal_text(v, &rng, &arena, "label", 1, STR("text"), &sealed), VAULT_FAILED);
        assert_true(fault_came());
        assert_true(str_eq(sealed, STR("untouched")));
    }
    arena_free(&arena);
    vault_close(v);
}

static void a_library_that_refuses_to_open_is_told_apart_from_tampering(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        int passes;
    } steps[] = { { "EVP_CIPHER_CTX_new", 0 }, { "EVP_DecryptInit_ex2", 0 },
        { "EVP_DecryptUpdate", 0 }, { "EVP_DecryptUpdate", 1 }, { "EVP_CIPHER_CTX_ctrl", 0 } };
    static const char nothing[20];
    struct vault *v = open_vault();
    struct card_row card = { .merchant_id = 1, .id = 2 };
    assert_int_equal(vault_seal_card(v, &rng, &card, STR(PAN)), VAULT_OK);
    char pan[20];
    for (size_t i = 0; i < COUNT(steps); i++) {
        fault_arm(steps[i].name, steps[i].passes, 0);
        assert_int_equal(vault_open_card(v, &card, pan), VAULT_FAILED);
        assert_true(fault_came());
        assert_memory_equal(pan, nothing, sizeof pan);
    }
    assert_int_equal(vault_open_card(v, &card, pan), VAULT_OK);
    assert_string_equal(pan, PAN);
    vault_close(v);
}

static void a_card_that_cannot_be_sealed_again_stays_as_it_was(void **state)
{
    (void)state;
    struct vault *v = open_vault();
    struct card_row card = { .merchant_id = 1, .id = 2 };
    assert_int_equal(vault_seal_card(v, &rng, &card, STR(PAN)), VAULT_OK);
    struct card_row before = card;
    fault_arm("EVP_EncryptFinal_ex", 0, 0);
    assert_int_equal(vault_reseal_card(v, &rng, &card), VAULT_FAILED);
    assert_true(fault_came());
    assert_memory_equal(&card, &before, sizeof card);
    vault_close(v);
}

/* ---- logins ---- */

static sem_t answered;

static void on_done(struct login_check *c)
{
    (void)c;
    assert_int_equal(sem_post(&answered), 0);
}

static void a_book_that_cannot_be_opened_is_none(void **state)
{
    (void)state;
    static const char *const steps[] = { "sodium_init", "sodium_malloc", "pthread_mutex_init",
        "pthread_cond_init", "pthread_sigmask" };
    struct clock clock;
    clock_init_manual(&clock, NOW_MS);
    for (size_t i = 0; i < COUNT(steps); i++) {
        fault_arm(steps[i], 0, ENOMEM);
        assert_null(login_open(&clock));
        assert_true(fault_came());
    }
    struct login_book *b = login_open(&clock);
    assert_non_null(b);
    login_close(b);
}

static void a_hash_needs_its_library_and_takes_an_empty_password(void **state)
{
    (void)state;
    char hash[LOGIN_HASH_SIZE] = "";
    fault_arm("sodium_init", 0, 0);
    assert_false(login_hash(STR("password"), hash));
    assert_true(fault_came());
    assert_true(login_hash(STR_EMPTY, hash));
    assert_int_equal(crypto_pwhash_str_verify(hash, "", 0), 0);
}

/* Too little memory says nothing about the password: not wrong, not counted, not remembered. */
static void a_password_that_could_not_be_checked_is_neither_right_nor_wrong(void **state)
{
    (void)state;
    static char hash[LOGIN_HASH_SIZE];
    assert_int_equal(crypto_pwhash_str_alg(hash, "secret", 6, crypto_pwhash_argon2id_OPSLIMIT_MIN,
                         crypto_pwhash_argon2id_MEMLIMIT_MIN, crypto_pwhash_ALG_ARGON2ID13),
        0);
    assert_int_equal(sem_init(&answered, 0, 0), 0);
    struct clock clock;
    clock_init_manual(&clock, NOW_MS);
    struct login_book *b = login_open(&clock);
    assert_non_null(b);
    struct login_check c = { .merchant_id = 1,
        .stored_hash = str_of(hash),
        .password = STR("secret"),
        .source = "10.0.0.1",
        .account = STR("shop"),
        .done = on_done };
    for (int i = 0; i < 2 * LOGIN_FREE_TRIES; i++) {
        fault_arm("crypto_pwhash", 0, ENOMEM);
        assert_int_equal(login_verify(b, &c), LOGIN_LATER);
        while (sem_wait(&answered) != 0)
            assert_int_equal(errno, EINTR);
        assert_true(fault_came());
        assert_int_equal(c.result, LOGIN_BUSY);
    }
    assert_int_equal(login_verify(b, &c), LOGIN_LATER);
    login_close(b);
    assert_int_equal(c.result, LOGIN_OK);
    assert_int_equal(sem_destroy(&answered), 0);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_vault_that_cannot_be_opened_says_so_and_opens_later),
        IN_A_FOLDER(a_first_ring_without_memory_is_not_made),
        IN_A_FOLDER(a_read_that_was_interrupted_goes_on),
        IN_A_FOLDER(a_ring_that_grows_while_it_is_read_is_refused),
        IN_A_FOLDER(a_ring_below_a_file_is_refused_with_a_hint),
        IN_A_FOLDER(a_sentence_that_cannot_be_written_is_empty),
        IN_A_FOLDER(a_change_that_cannot_be_written_changes_nothing),
        IN_A_FOLDER(a_write_that_was_interrupted_goes_on),
        IN_A_FOLDER(a_first_ring_that_cannot_be_put_in_place_is_told),
        IN_A_FOLDER(a_ring_that_another_process_made_first_is_used),
        IN_A_FOLDER(a_ring_of_another_owner_stays_his),
        IN_A_FOLDER(a_ring_is_not_saved_to_a_place_that_cannot_be),
        IN_A_FOLDER(a_file_that_cannot_be_made_is_told),
        IN_A_FOLDER(a_ring_without_memory_is_none),
        IN_A_FOLDER(a_lock_that_cannot_be_had_is_told),
        IN_A_FOLDER(a_wait_for_the_lock_that_was_interrupted_goes_on),
        IN_A_FOLDER(a_ring_replaced_while_we_waited_is_locked_anew),
        IN_A_FOLDER(a_library_that_refuses_to_seal_leaves_the_card_unsealed),
        IN_A_FOLDER(a_library_that_refuses_to_open_is_told_apart_from_tampering),
        IN_A_FOLDER(a_card_that_cannot_be_sealed_again_stays_as_it_was),
        cmocka_unit_test(a_book_that_cannot_be_opened_is_none),
        cmocka_unit_test(a_hash_needs_its_library_and_takes_an_empty_password),
        cmocka_unit_test(a_password_that_could_not_be_checked_is_neither_right_nor_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
