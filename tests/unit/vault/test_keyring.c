/*
 * The key ring's file: made, refused when anything is wrong with it, changed whole.
 */
#include "vault/keyring.h"
#include "vault/vault.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NOW_MS INT64_C(1795298470123)
#define HEX_A  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HEX_B  "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define HEAD   "turnpike-keyring 1\nfingerprint " HEX_A "\n"
#define CARD   "card 1 2026-11-21T22:01:10Z " HEX_B "\n"

static char folder[200], ring_path[256], why[512];

static int make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    int n = snprintf(folder, sizeof folder, "%s/turnpike-ring-XXXXXX", base ? base : "/tmp");
    if (n < 0 || (size_t)n >= sizeof folder || mkdtemp(folder) == NULL)
        return -1;
    return snprintf(ring_path, sizeof ring_path, "%s/cards.keys", folder) > 0 ? 0 : -1;
}

/* Everything in the folder must be known by name: a forgotten temporary file fails the test. */
static int remove_folder(void **state)
{
    (void)state;
    if (unlink(ring_path) != 0 && rmdir(ring_path) != 0)
        (void)0; /* some tests leave no ring */
    return rmdir(folder);
}

static void write_ring(const void *text, size_t n, mode_t mode)
{
    (void)unlink(ring_path);
    int fd = open(ring_path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, n), n);
    assert_int_equal(fchmod(fd, mode), 0);
    assert_int_equal(close(fd), 0);
}

static size_t read_ring(char *text, size_t size)
{
    int fd = open(ring_path, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    ssize_t n = read(fd, text, size - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_int_equal(close(fd), 0);
    return (size_t)n;
}

static struct vault *open_ring_file(void)
{
    return vault_open(ring_path, false, why, sizeof why);
}

static void a_first_start_makes_a_ring_that_only_we_can_read(void **state)
{
    (void)state;
    static const mode_t masks[] = { 0777, 0 }; /* whatever the shell has set */
    struct vault *v = NULL;
    for (size_t i = 0; i < COUNT(masks); i++) {
        vault_close(v);
        (void)unlink(ring_path);
        mode_t before = umask(masks[i]);
        v = vault_open(ring_path, true, why, sizeof why);
        (void)umask(before);
        assert_non_null(v);
        struct stat st;
        assert_int_equal(stat(ring_path, &st), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
    }
    assert_string_equal(why, "");
    assert_int_equal(vault_newest_key(v), 1);
    assert_int_equal(vault_key_count(v), 1);
    char text[2000];
    read_ring(text, sizeof text);
    assert_memory_equal(text, "turnpike-keyring 1\n", 19);
    assert_non_null(strstr(text, "\nfingerprint "));
    assert_non_null(strstr(text, "\ncard 1 20"));
    assert_int_equal(text[strlen(text) - 1], '\n');
    vault_close(v);
}

static void a_second_start_leaves_the_ring_as_it_is(void **state)
{
    (void)state;
    vault_close(vault_open(ring_path, true, why, sizeof why));
    char first[2000], second[2000];
    read_ring(first, sizeof first);
    struct vault *v = vault_open(ring_path, true, why, sizeof why);
    assert_non_null(v);
    read_ring(second, sizeof second);
    assert_string_equal(first, second);
    vault_close(v);
}

static void rings_are_made_of_different_keys(void **state)
{
    (void)state;
    char texts[2][2000];
    for (size_t i = 0; i < 2; i++) {
        vault_close(vault_open(ring_path, true, why, sizeof why));
        read_ring(texts[i], sizeof texts[i]);
        assert_int_equal(unlink(ring_path), 0);
    }
    const char *one = strstr(texts[0], "fingerprint "), *two = strstr(texts[1], "fingerprint ");
    assert_memory_not_equal(one + 12, two + 12, 64);
    one = strstr(one, "\ncard 1 ");
    two = strstr(two, "\ncard 1 ");
    assert_memory_not_equal(one + 29, two + 29, 64);
    assert_memory_not_equal(one + 29, strstr(texts[0], "fingerprint ") + 12, 64);
}

static void a_missing_ring_is_refused_with_a_hint(void **state)
{
    (void)state;
    assert_null(open_ring_file());
    assert_non_null(strstr(why, ring_path));
    assert_non_null(strstr(why, "backup"));
    assert_int_equal(access(ring_path, F_OK), -1);
}

static void comments_blank_lines_spacing_and_either_case_of_hex_are_read(void **state)
{
    (void)state;
    static const char text[] = "# keep safe\r\n\n  turnpike-keyring   1 \n# more\nfingerprint  "
                               "AAAAAAAAAAAAAAAAaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"
                               "card 3 2026-11-21T22:01:10Z " HEX_B "\n"
                               "card 7 2026-11-22T22:01:10Z " HEX_A; /* no newline */
    write_ring(text, sizeof text - 1, 0600);
    struct vault *v = open_ring_file();
    assert_non_null(v);
    assert_int_equal(vault_newest_key(v), 7);
    assert_int_equal(vault_key_count(v), 2);
    vault_close(v);
}

#define BROKEN(text, line, part)                                                                   \
    {                                                                                              \
        text, sizeof(text) - 1, line, part                                                         \
    }
static const struct broken {
    const char *text;
    size_t n;
    const char *line; /* that the complaint names */
    const char *part; /* of the complaint */
} broken[] = {
    BROKEN("", ":1:", "too early"),
    BROKEN("\n\n", ":3:", "too early"),
    BROKEN("# only a comment\n", ":2:", "too early"),
    BROKEN("turnpike-keyring 1\n", ":2:", "too early"),
    BROKEN(HEAD, ":3:", "too early"),
    BROKEN("turnpike-keyring 1\n" CARD, ":3:", "too early"),
    BROKEN("fingerprint " HEX_A "\n" CARD, ":1:", "first line"),
    BROKEN(CARD, ":1:", "first line"),
    BROKEN("turnpike-keyring 2\nfingerprint " HEX_A "\n" CARD, ":1:", "version"),
    BROKEN("turnpike-keyring\n", ":1:", "words"),
    BROKEN("turnpike-keyring 1 2\n", ":1:", "words"),
    BROKEN("turnpike-keyring 1\n" HEAD CARD, ":2:", "second"),
    BROKEN(HEAD "fingerprint " HEX_B "\n" CARD, ":3:", "second"),
    BROKEN("turnpike-keyring 1\nfingerprint " HEX_A "a\n" CARD, ":2:", "64 hex"),
    BROKEN("turnpike-keyring 1\nfingerprint\n" CARD, ":2:", "words"),
    BROKEN(HEAD "card 1 2026-11-21T22:01:10Z bb\n", ":3:", "64 hex"),
    BROKEN(HEAD "card 1 2026-11-21T22:01:10Z g" HEX_B "\n", ":3:", "64 hex"),
    BROKEN(HEAD "card 1 2026-11-21T22:01:10Z " HEX_B HEX_B "\n", ":3:", "64 hex"),
    BROKEN(HEAD "card 1 " HEX_B "\n", ":3:", "words"),
    BROKEN(HEAD "card 1 2026-11-21T22:01:10Z " HEX_B " x\n", ":3:", "words"),
    BROKEN(HEAD "card 1 2026-11-21T22:01:10Z " HEX_B " x y z\n", ":3:", "words"),
    BROKEN(HEAD "card 1 2026-11-21 " HEX_B "\n", ":3:", "time"),
    BROKEN(HEAD "card 1 2026-11-21T22:01:1xZ " HEX_B "\n", ":3:", "time"),
    BROKEN(HEAD "card 0 2026-11-21T22:01:10Z " HEX_B "\n", ":3:", "rise"),
    BROKEN(HEAD "card -1 2026-11-21T22:01:10Z " HEX_B "\n", ":3:", "rise"),
    BROKEN(HEAD "card x 2026-11-21T22:01:10Z " HEX_B "\n", ":3:", "rise"),
    BROKEN(HEAD "card 4294967296 2026-11-21T22:01:10Z " HEX_B "\n", ":3:", "rise"),
    BROKEN(HEAD CARD CARD, ":4:", "rise"),
    BROKEN(HEAD "card 2 2026-11-21T22:01:10Z " HEX_A "\n" CARD, ":4:", "rise"),
    BROKEN(HEAD CARD "card", ":4:", "words"),
    BROKEN(HEAD CARD "cart 2 2026-11-21T22:01:10Z " HEX_A "\n", ":4:", "not a line"),
    BROKEN(HEAD CARD "card\t2 2026-11-21T22:01:10Z " HEX_A "\n", ":4:", "not a line"),
    BROKEN(HEAD CARD "\0\n", ":4:", "not a line"),
    BROKEN(HEAD "card 1 2026-11-21T22:01:10Z \0" HEX_B "\n", ":3:", "64 hex"),
};

/* The complaint names file and line and what to do, and never repeats a key. */
static void every_kind_of_broken_ring_is_refused(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(broken); i++) {
        write_ring(broken[i].text, broken[i].n, 0600);
        struct vault *v = open_ring_file();
        if (v != NULL)
            fail_msg("row %zu was taken", i);
        if (strstr(why, broken[i].line) == NULL || strstr(why, broken[i].part) == NULL)
            fail_msg("row %zu: %s", i, why);
        assert_non_null(strstr(why, ring_path));
        assert_non_null(strstr(why, "; "));
        assert_null(strstr(why, "aaaa"));
        assert_null(strstr(why, "bbbb"));
    }
}

/* A file that lost its end, as after a full disk: no length of it may be taken for a ring. */
static void no_beginning_of_a_ring_is_a_ring(void **state)
{
    (void)state;
    static const char whole[] = HEAD CARD;
    for (size_t n = 0; n + 1 < sizeof whole - 1; n++) {
        write_ring(whole, n, 0600);
        assert_null(open_ring_file());
    }
    write_ring(whole, sizeof whole - 1, 0600);
    struct vault *v = open_ring_file();
    assert_non_null(v);
    vault_close(v);
}

static void a_ring_that_others_may_use_is_refused(void **state)
{
    (void)state;
    static const mode_t modes[] = { 0640, 0604, 0620, 0602, 0601, 0610, 0666, 0644 };
    for (size_t i = 0; i < COUNT(modes); i++) {
        write_ring(HEAD CARD, sizeof HEAD CARD - 1, modes[i]);
        assert_null(open_ring_file());
        assert_non_null(strstr(why, "chmod 600"));
    }
    write_ring(HEAD CARD, sizeof HEAD CARD - 1, 0400);
    struct vault *v = open_ring_file();
    assert_non_null(v);
    vault_close(v);
}

static void a_ring_is_a_regular_file(void **state)
{
    (void)state;
    assert_int_equal(mkdir(ring_path, 0700), 0);
    assert_null(open_ring_file());
    assert_non_null(strstr(why, "regular file"));
    assert_null(vault_open(ring_path, true, why, sizeof why));
    assert_int_equal(rmdir(ring_path), 0);

    assert_int_equal(mkfifo(ring_path, 0600), 0);
    assert_null(open_ring_file()); /* and does not wait for a writer */
    assert_non_null(strstr(why, "regular file"));
    assert_int_equal(unlink(ring_path), 0);

    assert_int_equal(symlink("/dev/null", ring_path), 0);
    assert_null(open_ring_file());
    assert_non_null(strstr(why, "symbolic link"));
    assert_int_equal(unlink(ring_path), 0);

    assert_int_equal(symlink("nowhere", ring_path), 0);
    assert_null(vault_open(ring_path, true, why, sizeof why));
}

static void a_ring_that_is_too_large_is_refused(void **state)
{
    (void)state;
    size_t n = KEYRING_FILE_MAX;
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, '\n', n + 1);
    memcpy(text, HEAD CARD, sizeof HEAD CARD - 1);
    write_ring(text, n + 1, 0600);
    assert_null(open_ring_file());
    assert_non_null(strstr(why, "larger"));
    write_ring(text, n, 0600);
    struct vault *v = open_ring_file();
    assert_non_null(v);
    vault_close(v);
    free(text);
}

static void a_ring_holds_so_many_keys_and_no_more(void **state)
{
    (void)state;
    struct vault *v = vault_open(ring_path, true, why, sizeof why);
    assert_non_null(v);
    struct why to = { why, sizeof why };
    struct keyring *r = keyring_load(ring_path, to);
    assert_non_null(r);
    while (r->count < KEYRING_KEYS_MAX)
        assert_true(keyring_add(r, NOW_MS, to));
    assert_true(keyring_save(r, ring_path, true, to));
    keyring_free(r);
    assert_true(vault_reload(v, ring_path, why, sizeof why));
    assert_int_equal(vault_key_count(v), KEYRING_KEYS_MAX);
    assert_false(vault_add_key(v, ring_path, NOW_MS, why, sizeof why));
    assert_non_null(strstr(why, "full"));
    assert_int_equal(vault_newest_key(v), KEYRING_KEYS_MAX);

    int fd = open(ring_path, O_WRONLY | O_APPEND | O_CLOEXEC);
    static const char more[] = "card 999 2026-11-21T22:01:10Z " HEX_A "\n";
    assert_int_equal(write(fd, more, sizeof more - 1), sizeof more - 1);
    assert_int_equal(close(fd), 0);
    assert_false(vault_reload(v, ring_path, why, sizeof why));
    assert_non_null(strstr(why, "more keys"));
    vault_close(v);
}

static void the_last_number_of_a_key_is_not_passed(void **state)
{
    (void)state;
    static const char text[] = HEAD "card 4294967295 2026-11-21T22:01:10Z " HEX_B "\n";
    write_ring(text, sizeof text - 1, 0600);
    struct vault *v = open_ring_file();
    assert_non_null(v);
    assert_false(vault_add_key(v, ring_path, NOW_MS, why, sizeof why));
    vault_close(v);
}

static void adding_a_key_keeps_the_old_ones_and_the_mode(void **state)
{
    (void)state;
    write_ring(HEAD CARD, sizeof HEAD CARD - 1, 0600);
    struct vault *v = open_ring_file();
    assert_true(vault_add_key(v, ring_path, NOW_MS, why, sizeof why));
    assert_int_equal(vault_newest_key(v), 2);
    assert_int_equal(vault_key_count(v), 2);
    char text[2000];
    read_ring(text, sizeof text);
    assert_non_null(strstr(text, "fingerprint " HEX_A "\n" CARD));
    assert_non_null(strstr(text, "\ncard 2 2026-11-21T22:01:10Z "));
    struct stat st;
    assert_int_equal(stat(ring_path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    vault_close(v);
}

static void two_processes_that_add_keys_lose_none(void **state)
{
    (void)state;
    struct vault *one = vault_open(ring_path, true, why, sizeof why);
    struct vault *two = open_ring_file();
    assert_true(vault_add_key(one, ring_path, NOW_MS, why, sizeof why));
    assert_true(vault_add_key(two, ring_path, NOW_MS, why, sizeof why));
    assert_int_equal(vault_newest_key(one), 2);
    assert_int_equal(vault_newest_key(two), 3); /* it read the other's first */
    assert_int_equal(vault_key_count(two), 3);
    assert_true(vault_reload(one, ring_path, why, sizeof why));
    assert_int_equal(vault_newest_key(one), 3);
    vault_close(one);
    vault_close(two);
}

static void a_ring_of_other_keys_does_not_replace_ours(void **state)
{
    (void)state;
    write_ring(HEAD CARD, sizeof HEAD CARD - 1, 0600);
    struct vault *v = open_ring_file();
    static const char *const others[] = {
        "turnpike-keyring 1\nfingerprint " HEX_B "\n" CARD,
        HEAD "card 1 2026-11-21T22:01:10Z " HEX_A "\n",
        "nonsense\n",
    };
    for (size_t i = 0; i < COUNT(others); i++) {
        write_ring(others[i], strlen(others[i]), 0600);
        assert_false(vault_reload(v, ring_path, why, sizeof why));
        assert_true(strlen(why) > 0);
        assert_false(vault_add_key(v, ring_path, NOW_MS, why, sizeof why));
        assert_false(vault_drop_old_keys(v, ring_path, why, sizeof why));
        char text[2000];
        read_ring(text, sizeof text);
        assert_string_equal(text, others[i]); /* left for a person to look at */
        assert_int_equal(vault_newest_key(v), 1);
    }
    assert_int_equal(unlink(ring_path), 0);
    assert_false(vault_reload(v, ring_path, why, sizeof why));
    assert_false(vault_add_key(v, ring_path, NOW_MS, why, sizeof why));
    assert_int_equal(access(ring_path, F_OK), -1);
    vault_close(v);
}

static void a_folder_that_is_not_there_is_told(void **state)
{
    (void)state;
    char deeper[300];
    assert_true(snprintf(deeper, sizeof deeper, "%s/none/cards.keys", folder) > 0);
    assert_null(vault_open(deeper, true, why, sizeof why));
    assert_non_null(strstr(why, deeper));
    char why_short[8];
    assert_null(vault_open(deeper, true, why_short, sizeof why_short));
    assert_true(strlen(why_short) < sizeof why_short);
    assert_null(vault_open(deeper, true, NULL, 0));
}

static void a_ring_may_be_named_without_a_folder(void **state)
{
    (void)state;
    char before[1024];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(folder), 0);
    struct vault *v = vault_open("cards.keys", true, why, sizeof why);
    assert_non_null(v);
    assert_true(vault_add_key(v, "cards.keys", NOW_MS, why, sizeof why));
    vault_close(v);
    assert_int_equal(chdir(before), 0);
}

#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_FOLDER(a_first_start_makes_a_ring_that_only_we_can_read),
        IN_A_FOLDER(a_second_start_leaves_the_ring_as_it_is),
        IN_A_FOLDER(rings_are_made_of_different_keys),
        IN_A_FOLDER(a_missing_ring_is_refused_with_a_hint),
        IN_A_FOLDER(comments_blank_lines_spacing_and_either_case_of_hex_are_read),
        IN_A_FOLDER(every_kind_of_broken_ring_is_refused),
        IN_A_FOLDER(no_beginning_of_a_ring_is_a_ring),
        IN_A_FOLDER(a_ring_that_others_may_use_is_refused),
        IN_A_FOLDER(a_ring_is_a_regular_file),
        IN_A_FOLDER(a_ring_that_is_too_large_is_refused),
        IN_A_FOLDER(a_ring_holds_so_many_keys_and_no_more),
        IN_A_FOLDER(the_last_number_of_a_key_is_not_passed),
        IN_A_FOLDER(adding_a_key_keeps_the_old_ones_and_the_mode),
        IN_A_FOLDER(two_processes_that_add_keys_lose_none),
        IN_A_FOLDER(a_ring_of_other_keys_does_not_replace_ours),
        IN_A_FOLDER(a_folder_that_is_not_there_is_told),
        IN_A_FOLDER(a_ring_may_be_named_without_a_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
