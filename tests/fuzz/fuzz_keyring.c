/*
 * The key ring file: a ring that is read has what vault/keyring.h says, written again it is the same
 * ring, and a refusal is a sentence that repeats no key.
 */
#include "file.h"
#include "fuzz.h"
#include "vault/keyring.h"

#include <sodium.h>

static struct fuzz_file file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    int failed = sodium_init();
    assert(failed >= 0);
    file_with_name(&file);
    return 0;
}

static void check_ring(const struct keyring *r)
{
    assert(r->count >= 1 && r->count <= KEYRING_KEYS_MAX);
    for (size_t i = 0; i < r->count; i++) {
        const struct ring_key *key = &r->keys[i];
        assert(key->id > (i > 0 ? r->keys[i - 1].id : 0));
        assert(strnlen(key->made, KEY_MADE_SIZE) == KEY_MADE_SIZE - 1);
        assert(keyring_find(r, key->id) == key);
    }
    assert(keyring_find(r, 0) == NULL && keyring_continues(r, r));
}

static void assert_same(const struct keyring *a, const struct keyring *b)
{
    assert(a->count == b->count && keyring_continues(a, b) && keyring_continues(b, a));
    for (size_t i = 0; i < a->count; i++) {
        assert(a->keys[i].id == b->keys[i].id);
        assert(strcmp(a->keys[i].made, b->keys[i].made) == 0);
        assert(memcmp(a->keys[i].secret, b->keys[i].secret, KEY_BYTES) == 0);
    }
}

/* The new file takes the old one's place, so that it must be opened again. */
static void check_saved(const struct keyring *r, struct why why)
{
    assert(keyring_save(r, file.path, true, why));
    struct keyring *same = keyring_load(file.path, why);
    assert(same != NULL);
    assert_same(r, same);
    keyring_free(same);
    int failed = close(file.fd);
    assert(failed == 0);
    file.fd = open(file.path, O_RDWR | O_CLOEXEC);
    assert(file.fd >= 0);
}

/* No piece of the file of the length of a key's half. */
static void check_reason(const char *why, struct str text)
{
    enum { PIECE = KEY_BYTES };
    size_t n = strlen(why);
    assert(n > 0);
    struct str said = str_skip((struct str) { why, n }, strlen(file.path));
    for (size_t i = 0; i + PIECE <= said.n; i++) {
        bool hex = true;
        for (size_t k = i; k < i + PIECE; k++)
            hex = hex && memchr("0123456789abcdefABCDEF", said.p[k], 22) != NULL;
        assert(!hex || !holds_text(text, (struct str) { said.p + i, PIECE }));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char text[512] = "";
    struct why why = { text, sizeof text };
    struct str ring = { (const char *)data, size };
    file_write(&file, ring);
    struct keyring *r = keyring_load(file.path, why);
    if (r == NULL) {
        assert(strnlen(text, sizeof text) < sizeof text);
        check_reason(text, ring);
        return 0;
    }
    check_ring(r);
    check_saved(r, why);
    keyring_free(r);
    return 0;
}
