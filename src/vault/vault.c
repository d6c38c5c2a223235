/*
 * Sealing and opening under the ring.
 *
 * What every sealed thing looks like: nonce 12 | ciphertext | tag 16, AES-256-GCM. What it is bound
 * to (the associated data) begins with a word of its own for each use, so that a text never opens
 * as a card. Nonces are random: 96 bits serve four billion seals under one key, and keys are
 * replaced long before. A context of the library is made for each call and freed, which wipes the
 * expanded key: one kept per thread would save half a microsecond and leave key material in
 * ordinary memory.
 *
 * The ring is behind a read-write lock, held while a key is in use. The fingerprint key never
 * changes while the vault is open, so its keyed HMAC state is made once and copied without a lock.
 */
#include "vault/vault.h"
#include "base/clock.h"
#include "base/log.h"
#include "vault/keyring.h"

#include <assert.h>
#include <errno.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

enum {
    NONCE = 12,
    TAG = 16,
    PAN_MIN = 12,
    PAN_MAX = 19,
    PAN_SIZE = PAN_MAX + 1, /* with the NUL */
    LABEL_MAX = 32,
    BOUND_MAX = 4 + 8 + LABEL_MAX,
    TEXT_MAX = 64 * 1024
};

_Static_assert(NONCE + PAN_MAX + TAG <= sizeof((struct card_row *)NULL)->sealed, "a PAN fits");

/* In locked memory, as the ring is. */
struct vault {
    pthread_rwlock_t lock;    /* of ring */
    pthread_mutex_t changing; /* one change of the file at a time */
    struct keyring *ring;
    _Atomic uint32_t newest; /* of ring, readable without the lock */
    _Atomic size_t count;
    EVP_CIPHER *gcm;
    crypto_auth_hmacsha256_state fingerprint; /* keyed, nothing hashed yet */
};

/* Associated data. */
struct bound {
    uint8_t bytes[BOUND_MAX];
    size_t n;
};

/* Opening and closing. */

/* Makes ring the vault's; the old one is given back. */
static void use_ring(struct vault *v, struct keyring *ring)
{
    int failed = pthread_rwlock_wrlock(&v->lock);
    assert(failed == 0 && ring->count > 0);
    struct keyring *old = v->ring;
    v->ring = ring;
    atomic_store(&v->newest, ring->keys[ring->count - 1].id);
    atomic_store(&v->count, ring->count);
    failed = pthread_rwlock_unlock(&v->lock);
    assert(failed == 0);
    keyring_free(old);
}

/*
 * A lock where a waiting writer goes before new readers: sealing never stops, rotation must not
 * starve.
 */
static bool init_locks(struct vault *v)
{
    pthread_rwlockattr_t attributes;
    if (pthread_rwlockattr_init(&attributes) != 0)
        return false;
    bool ok = pthread_rwlockattr_setkind_np(
                  &attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP) == 0 &&
              pthread_rwlock_init(&v->lock, &attributes) == 0;
    (void)pthread_rwlockattr_destroy(&attributes);
    if (!ok)
        return false;
    if (pthread_mutex_init(&v->changing, NULL) == 0)
        return true;
    (void)pthread_rwlock_destroy(&v->lock);
    return false;
}

/* A vault around ring, which it then owns; on failure the ring stays the caller's. */
static struct vault *vault_around(struct keyring *ring)
{
    struct vault *v = sodium_malloc(sizeof *v);
    if (v == NULL)
        return NULL;
    sodium_memzero(v, sizeof *v);
    if (OSSL_LIB_CTX_get0_global_default() != NULL) /* a fetch without it is a crash */
        v->gcm = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    if (v->gcm == NULL || !init_locks(v)) {
        EVP_CIPHER_free(v->gcm);
        sodium_free(v);
        return NULL;
    }
    (void)crypto_auth_hmacsha256_init(&v->fingerprint, ring->fingerprint, KEY_BYTES);
    use_ring(v, ring);
    return v;
}

static bool make_ring_if_none(const char *path, struct why why)
{
    if (access(path, F_OK) == 0 || errno != ENOENT)
        return true; /* what is there, and what is wrong with it, is seen when it is read */
    struct clock clock;
    clock_init(&clock, 0);
    struct keyring *ring = keyring_new(why);
    bool ok = ring != NULL && keyring_add(ring, clock_now_ms(&clock), why) &&
              keyring_save(ring, path, false, why);
    keyring_free(ring);
    return ok;
}

struct vault *vault_open(const char *path, bool create, char *why_text, size_t why_size)
{
    struct why why = { why_text, why_size };
    why_say(why, "%s", "");
    if (sodium_init() < 0) {
        why_say(why, "libsodium does not start");
        return NULL;
    }
    if (create && !make_ring_if_none(path, why))
        return NULL;
    struct keyring *ring = keyring_load(path, why);
    if (ring == NULL)
        return NULL;
    struct vault *v = vault_around(ring);
    if (v == NULL) {
        keyring_free(ring);
        why_say(why, "the vault has no memory, or libcrypto has no AES-256-GCM");
    }
    return v;
}

void vault_close(struct vault *v)
{
    if (v == NULL)
        return;
    keyring_free(v->ring);
    EVP_CIPHER_free(v->gcm);
    (void)pthread_rwlock_destroy(&v->lock);
    (void)pthread_mutex_destroy(&v->changing);
    sodium_free(v);
}

/* Changing the ring. */

static bool drop_old(struct keyring *ring, int64_t now_ms, struct why why)
{
    (void)now_ms;
    (void)why;
    if (ring->count > 1)
        ring->keys[0] = ring->keys[ring->count - 1];
    sodium_memzero(&ring->keys[1], sizeof ring->keys - sizeof ring->keys[0]);
    ring->count = 1;
    return true;
}

/* The ring of the file, when it may follow ours. */
static struct keyring *load_next(struct vault *v, const char *path, struct why why)
{
    struct keyring *next = keyring_load(path, why);
    if (next == NULL || keyring_continues(v->ring, next)) /* only who holds changing sets ring */
        return next;
    keyring_free(next);
    why_say(why, "%s: not the ring this process works with, a key differs; %s", path,
        "restore the right file, or restart to use this one");
    return NULL;
}

/* Reads the file, applies change to it (NULL: none), writes it, uses it. */
static bool change_ring(struct vault *v, const char *path,
    bool (*change)(struct keyring *ring, int64_t now_ms, struct why why), int64_t now_ms,
    struct why why)
{
    why_say(why, "%s", "");
    int failed = pthread_mutex_lock(&v->changing);
    assert(failed == 0);
    int lock = change != NULL ? keyring_lock(path, why) : -1;
    struct keyring *next = NULL;
    bool ok = change == NULL || lock >= 0;
    ok = ok && (next = load_next(v, path, why)) != NULL;
    if (ok && change != NULL)
        ok = change(next, now_ms, why) && keyring_save(next, path, true, why);
    if (ok)
        use_ring(v, next);
    else
        keyring_free(next);
    if (lock >= 0)
        keyring_unlock(lock);
    failed = pthread_mutex_unlock(&v->changing);
    assert(failed == 0);
    return ok;
}

bool vault_add_key(
    struct vault *v, const char *path, int64_t now_ms, char *why_text, size_t why_size)
{
    return change_ring(v, path, keyring_add, now_ms, (struct why) { why_text, why_size });
}

bool vault_drop_old_keys(struct vault *v, const char *path, char *why_text, size_t why_size)
{
    return change_ring(v, path, drop_old, 0, (struct why) { why_text, why_size });
}

bool vault_reload(struct vault *v, const char *path, char *why_text, size_t why_size)
{
    return change_ring(v, path, NULL, 0, (struct why) { why_text, why_size });
}

uint32_t vault_newest_key(const struct vault *v)
{
    return atomic_load(&v->newest);
}

size_t vault_key_count(const struct vault *v)
{
    return atomic_load(&v->count);
}

/* Sealing. */

static void hold_ring(struct vault *v)
{
    int failed = pthread_rwlock_rdlock(&v->lock);
    assert(failed == 0);
}

static void release_ring(struct vault *v)
{
    int failed = pthread_rwlock_unlock(&v->lock);
    assert(failed == 0);
}

static void be64_put(int64_t value, uint8_t out[8])
{
    for (int i = 0; i < 8; i++)
        out[i] = (uint8_t)((uint64_t)value >> (56 - 8 * i));
}

static struct bound bound_to_card(const struct card_row *card)
{
    struct bound b = { .bytes = "card", .n = 4 + 8 + 8 };
    be64_put(card->merchant_id, b.bytes + 4);
    be64_put(card->id, b.bytes + 12);
    return b;
}

static struct bound bound_to_label(const char *label, int64_t owner)
{
    size_t n = strlen(label);
    assert(n <= LABEL_MAX);
    struct bound b = { .bytes = "text", .n = 4 + 8 + n };
    be64_put(owner, b.bytes + 4);
    memcpy(b.bytes + 12, label, n);
    return b;
}

/* Seals plain behind the nonce that already stands in out; out gets NONCE + plain.n + TAG bytes. */
static bool gcm_seal(const EVP_CIPHER *gcm, const uint8_t key[KEY_BYTES], const struct bound *to,
    struct str plain, uint8_t *out)
{
    assert(plain.n <= TEXT_MAX);
    int n;
    uint8_t *text = out + NONCE, *tag = text + plain.n;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool ok = ctx != NULL && EVP_EncryptInit_ex2(ctx, gcm, key, out, NULL) == 1 &&
              EVP_EncryptUpdate(ctx, NULL, &n, to->bytes, (int)to->n) == 1 &&
              (plain.n == 0 ||
                  EVP_EncryptUpdate(ctx, text, &n, (const uint8_t *)plain.p, (int)plain.n) == 1) &&
              EVP_EncryptFinal_ex(ctx, tag, &n) == 1 &&
              EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, TAG, tag) == 1;
    EVP_CIPHER_CTX_free(ctx);
    return ok;
}

/*
 * Opens n bytes into plain, which gets n - NONCE - TAG bytes, wiped unless the result is VAULT_OK.
 */
static enum vault_result gcm_open(const EVP_CIPHER *gcm, const uint8_t key[KEY_BYTES],
    const struct bound *to, const uint8_t *sealed, size_t n, uint8_t *plain)
{
    assert(n >= NONCE + TAG && n <= NONCE + TEXT_MAX + TAG);
    int got, text_n = (int)(n - NONCE - TAG);
    uint8_t tag[TAG];
    memcpy(tag, sealed + n - TAG, TAG);
    enum vault_result result = VAULT_FAILED;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (ctx != NULL && EVP_DecryptInit_ex2(ctx, gcm, key, sealed, NULL) == 1 &&
        EVP_DecryptUpdate(ctx, NULL, &got, to->bytes, (int)to->n) == 1 &&
        (text_n == 0 || EVP_DecryptUpdate(ctx, plain, &got, sealed + NONCE, text_n) == 1) &&
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, TAG, tag) == 1) {
        uint8_t rest[TAG]; /* GCM leaves nothing for the end, only the verdict */
        result = EVP_DecryptFinal_ex(ctx, rest, &got) == 1 ? VAULT_OK : VAULT_TAMPERED;
    }
    EVP_CIPHER_CTX_free(ctx);
    if (result != VAULT_OK)
        sodium_memzero(plain, (size_t)text_n);
    return result;
}

/* Opens under the key with that id. */
static enum vault_result open_under(struct vault *v, uint32_t key_id, const struct bound *to,
    const uint8_t *sealed, size_t n, uint8_t *plain)
{
    hold_ring(v);
    const struct ring_key *key = keyring_find(v->ring, key_id);
    enum vault_result result =
        key == NULL ? VAULT_NO_KEY : gcm_open(v->gcm, key->secret, to, sealed, n, plain);
    release_ring(v);
    return result;
}

/* Seals under the newest key; out begins with the nonce. */
static bool seal_under_newest(struct vault *v, struct rng *rng, const struct bound *to,
    struct str plain, uint8_t *out, uint32_t *key_id)
{
    rng_fill(rng, out, NONCE);
    hold_ring(v);
    const struct ring_key *key = &v->ring->keys[v->ring->count - 1];
    bool ok = gcm_seal(v->gcm, key->secret, to, plain, out);
    *key_id = key->id;
    release_ring(v);
    return ok;
}

enum vault_result vault_seal_card(
    struct vault *v, struct rng *rng, struct card_row *card, struct str pan)
{
    assert(card->merchant_id > 0 && card->id > 0);
    assert(pan.n >= PAN_MIN && pan.n <= PAN_MAX && str_is_digits(pan));
    struct bound to = bound_to_card(card);
    if (!seal_under_newest(v, rng, &to, pan, card->sealed, &card->key_id))
        return VAULT_FAILED;
    card->sealed_size = (uint8_t)(NONCE + pan.n + TAG);
    return VAULT_OK;
}

enum vault_result vault_open_card(struct vault *v, const struct card_row *card, char pan[PAN_SIZE])
{
    memset(pan, 0, PAN_SIZE);
    size_t n = card->sealed_size;
    if (n < NONCE + PAN_MIN + TAG || n > NONCE + PAN_MAX + TAG)
        return VAULT_TAMPERED;
    struct bound to = bound_to_card(card);
    enum vault_result result = open_under(v, card->key_id, &to, card->sealed, n, (uint8_t *)pan);
    assert(result != VAULT_OK || str_is_digits((struct str) { pan, n - NONCE - TAG }));
    return result;
}

enum vault_result vault_reseal_card(struct vault *v, struct rng *rng, struct card_row *card)
{
    char pan[20];
    struct card_row sealed = *card;
    enum vault_result result = vault_open_card(v, card, pan);
    if (result == VAULT_OK)
        result = vault_seal_card(v, rng, &sealed, str_of(pan));
    sodium_memzero(pan, sizeof pan);
    if (result == VAULT_OK)
        *card = sealed;
    else
        log_event(LOG_ERROR, "vault.reseal_failed", "card=%016llX key=%u",
            (unsigned long long)card->id, card->key_id);
    return result;
}

void vault_fingerprint(struct vault *v, int64_t merchant_id, struct str pan, uint8_t out[16])
{
    assert(str_is_digits(pan));
    uint8_t merchant[8], full[crypto_auth_hmacsha256_BYTES];
    be64_put(merchant_id, merchant);
    crypto_auth_hmacsha256_state state = v->fingerprint;
    (void)crypto_auth_hmacsha256_update(&state, merchant, sizeof merchant); /* cannot fail */
    (void)crypto_auth_hmacsha256_update(&state, (const uint8_t *)pan.p, pan.n);
    (void)crypto_auth_hmacsha256_final(&state, full);
    memcpy(out, full, 16);
    sodium_memzero(&state, sizeof state);
    sodium_memzero(full, sizeof full);
}

enum vault_result vault_seal_text(struct vault *v, struct rng *rng, struct arena *a,
    const char *label, int64_t owner, struct str plain, struct str *sealed)
{
    if (plain.n > TEXT_MAX)
        return VAULT_FAILED;
    size_t n = NONCE + plain.n + TAG;
    uint8_t *bytes = arena_alloc(a, n);
    char *hex = arena_alloc(a, 2 * n);
    if (bytes == NULL || hex == NULL)
        return VAULT_FAILED;
    struct bound to = bound_to_label(label, owner);
    uint32_t key_id;
    if (!seal_under_newest(v, rng, &to, plain, bytes, &key_id))
        return VAULT_FAILED;
    hex_lower(bytes, n, hex);
    *sealed = arena_printf(a, "v1.%u.%.*s", key_id, (int)(2 * n), hex);
    return sealed->p == NULL ? VAULT_FAILED : VAULT_OK;
}

enum vault_result vault_open_text(struct vault *v, struct arena *a, const char *label,
    int64_t owner, struct str sealed, struct str *plain)
{
    struct str version, number, hex = sealed;
    uint64_t key_id;
    if (!str_split(&hex, '.', &version) || !str_eq(version, STR("v1")) ||
        !str_split(&hex, '.', &number) || !str_to_u64(number, UINT32_MAX, &key_id))
        return VAULT_TAMPERED;
    size_t n = hex.n / 2;
    if (n < NONCE + TAG || n > NONCE + TEXT_MAX + TAG)
        return VAULT_TAMPERED;
    uint8_t *bytes = arena_alloc(a, n);
    char *text = arena_alloc(a, n - NONCE - TAG + 1); /* with a NUL, for libraries that want one */
    if (bytes == NULL || text == NULL)
        return VAULT_FAILED;
    if (!hex_decode(hex, bytes, n))
        return VAULT_TAMPERED;
    struct bound to = bound_to_label(label, owner);
    enum vault_result result = open_under(v, (uint32_t)key_id, &to, bytes, n, (uint8_t *)text);
    if (result == VAULT_OK)
        *plain = (struct str) { text, n - NONCE - TAG };
    return result;
}
