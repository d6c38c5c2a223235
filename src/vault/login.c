/*
 * The book of logins: who is known, who is guessing, who waits.
 *
 * One mutex guards three tables of fixed size. Remembered logins and counts of failures are sets of
 * slots under keyed hashes: a slot belongs to the set that its hash names, and a set that is full
 * gives up its oldest. As the key is drawn at start, nobody outside can aim at a set. What waits is
 * a ring of groups; a group is one password to verify and everyone who came with it. The worker
 * takes the oldest group, verifies without the mutex, and answers all who joined in the meantime.
 *
 *   login_verify: remembered ─► OK
 *                 the same login waits ─► join it
 *                 too many tries ─► THROTTLED
 *                 ring full ─► BUSY
 *                 else ─► a new group
 */
#include "vault/login.h"
#include "base/log.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <string.h>

enum {
    HASH = 32,
    WAYS = 8, /* slots in a set */
    MEMORY_BYTES = 19 * 1024 * 1024,
    PASSES = 2,
    KIBIBYTES_MAX = 1024 * 1024, /* of a stored hash */
    PASSES_MAX = 100
};

_Static_assert(LOGIN_HASH_SIZE == crypto_pwhash_STRBYTES, "the size libsodium writes and reads");
_Static_assert(LOGIN_TRACKED % WAYS == 0 && LOGIN_CACHED % WAYS == 0, "whole sets");

/* A remembered login, or a count of failures. Free when used_ms is 0. */
struct slot {
    uint8_t key[HASH];
    int64_t used_ms;  /* last change */
    int64_t until_ms; /* remembered, or refused, until then */
    int failures;
};

/* One verification and who waits for it. */
struct group {
    uint8_t key[HASH]; /* of the login */
    uint8_t who[HASH]; /* source and account of the first who came */
    struct queue_node *first, **end;
};

/* In locked memory. */
struct login_book {
    struct clock *clock;
    pthread_t worker;
    pthread_mutex_t lock; /* of all below */
    pthread_cond_t wake;
    bool closing;
    size_t oldest, waiting; /* in groups, a ring */
    struct group groups[LOGIN_WAITING_MAX];
    struct slot remembered[LOGIN_CACHED];
    struct slot failed[LOGIN_TRACKED];
    uint8_t secret[crypto_generichash_KEYBYTES];
};

/* Verified for accounts that do not exist. Of no password: nobody has seen one that gives it. */
static const char dummy_hash[LOGIN_HASH_SIZE] = "$argon2id$v=19$m=19456,t=2,p=1"
                                                "$dHVybnBpa2UtZHVtbXktMQ"
                                                "$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";

/* Keyed hashes. */

/* Lengths go in too, so that no two lists of parts look alike. */
static void hash_parts(
    const struct login_book *b, char what, const struct str *parts, size_t n, uint8_t out[HASH])
{
    crypto_generichash_state state;
    int failed = crypto_generichash_init(&state, b->secret, sizeof b->secret, HASH);
    failed |= crypto_generichash_update(&state, (const uint8_t *)&what, 1);
    for (size_t i = 0; i < n; i++) {
        uint64_t size = parts[i].n;
        failed |= crypto_generichash_update(&state, (const uint8_t *)&size, sizeof size);
        failed |= crypto_generichash_update(&state, (const uint8_t *)parts[i].p, parts[i].n);
    }
    failed |= crypto_generichash_final(&state, out, HASH);
    assert(failed == 0);
    sodium_memzero(&state, sizeof state);
}

static void hash_login(const struct login_book *b, const struct login_check *c, uint8_t out[HASH])
{
    struct str merchant = { (const char *)&c->merchant_id, sizeof c->merchant_id };
    struct str parts[] = { merchant, c->stored_hash, c->password };
    hash_parts(b, 'L', parts, COUNT(parts), out);
}

static void hash_who(const struct login_book *b, const struct login_check *c, uint8_t out[HASH])
{
    struct str parts[] = { { c->source, strnlen(c->source, sizeof c->source) }, c->account };
    hash_parts(b, 'W', parts, COUNT(parts), out);
}

/* Slots. The caller holds the lock. */

static struct slot *set_of(struct slot *table, size_t count, const uint8_t key[HASH])
{
    uint32_t number;
    memcpy(&number, key, sizeof number);
    return table + number % (count / WAYS) * WAYS;
}

static struct slot *slot_find(struct slot *table, size_t count, const uint8_t key[HASH])
{
    struct slot *set = set_of(table, count, key);
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].used_ms != 0 && sodium_memcmp(set[i].key, key, HASH) == 0)
            return &set[i];
    return NULL;
}

/* The slot of key: the one it has, or a free one, or that of the oldest, emptied. */
static struct slot *slot_take(
    struct slot *table, size_t count, const uint8_t key[HASH], int64_t now_ms)
{
    struct slot *slot = slot_find(table, count, key);
    if (slot == NULL) {
        struct slot *set = set_of(table, count, key);
        slot = set;
        for (size_t i = 1; i < WAYS; i++)
            if (set[i].used_ms < slot->used_ms)
                slot = &set[i];
        *slot = (struct slot) { 0 };
        memcpy(slot->key, key, HASH);
    }
    slot->used_ms = now_ms > 0 ? now_ms : 1;
    return slot;
}

static bool is_remembered(struct login_book *b, const uint8_t key[HASH], int64_t now_ms)
{
    struct slot *slot = slot_find(b->remembered, LOGIN_CACHED, key);
    return slot != NULL && now_ms < slot->until_ms;
}

static void remember(struct login_book *b, const uint8_t key[HASH], int64_t now_ms)
{
    slot_take(b->remembered, LOGIN_CACHED, key, now_ms)->until_ms = now_ms + LOGIN_REMEMBERED_MS;
}

static void count_failure(struct login_book *b, const uint8_t who[HASH], int64_t now_ms)
{
    struct slot *slot = slot_take(b->failed, LOGIN_TRACKED, who, now_ms);
    slot->failures++;
    int64_t pause = LOGIN_PAUSE_MIN_MS;
    for (int i = LOGIN_FREE_TRIES; i < slot->failures && pause < LOGIN_PAUSE_MAX_MS; i++)
        pause *= 2;
    if (pause > LOGIN_PAUSE_MAX_MS)
        pause = LOGIN_PAUSE_MAX_MS;
    if (slot->failures >= LOGIN_FREE_TRIES)
        slot->until_ms = now_ms + pause;
}

static void forget_failures(struct login_book *b, const uint8_t who[HASH])
{
    struct slot *slot = slot_find(b->failed, LOGIN_TRACKED, who);
    if (slot != NULL)
        *slot = (struct slot) { 0 };
}

/* Groups. The caller holds the lock. */

static struct group *group_at(struct login_book *b, size_t i)
{
    return &b->groups[(b->oldest + i) % LOGIN_WAITING_MAX];
}

static struct group *group_find(struct login_book *b, const uint8_t key[HASH])
{
    for (size_t i = 0; i < b->waiting; i++)
        if (sodium_memcmp(group_at(b, i)->key, key, HASH) == 0)
            return group_at(b, i);
    return NULL;
}

static void group_join(struct group *g, struct login_check *c)
{
    c->node.next = NULL;
    *g->end = &c->node;
    g->end = &c->node.next;
}

/* Whether who must wait before another password of his is looked at. */
static bool is_throttled(struct login_book *b, const uint8_t who[HASH], int64_t now_ms)
{
    const struct slot *slot = slot_find(b->failed, LOGIN_TRACKED, who);
    if (slot != NULL && now_ms < slot->until_ms)
        return true;
    int failures = slot != NULL ? slot->failures : 0;
    int tries = failures < LOGIN_FREE_TRIES ? LOGIN_FREE_TRIES - failures : 1;
    for (size_t i = 0; i < b->waiting; i++)
        tries -= sodium_memcmp(group_at(b, i)->who, who, HASH) == 0;
    return tries <= 0;
}

enum login_result login_verify(struct login_book *b, struct login_check *c)
{
    uint8_t key[HASH], who[HASH];
    hash_login(b, c, key);
    hash_who(b, c, who);
    int64_t now = clock_now_ms(b->clock);
    int failed = pthread_mutex_lock(&b->lock);
    assert(failed == 0 && !b->closing);
    enum login_result result = LOGIN_LATER;
    struct group *g = group_find(b, key);
    if (c->merchant_id != 0 && is_remembered(b, key, now)) {
        result = LOGIN_OK;
    } else if (g != NULL) {
        group_join(g, c);
    } else if (is_throttled(b, who, now)) {
        result = LOGIN_THROTTLED;
    } else if (b->waiting == LOGIN_WAITING_MAX) {
        result = LOGIN_BUSY;
    } else {
        g = group_at(b, b->waiting++);
        memcpy(g->key, key, HASH);
        memcpy(g->who, who, HASH);
        g->end = &g->first;
        group_join(g, c);
        failed = pthread_cond_signal(&b->wake);
        assert(failed == 0);
    }
    failed = pthread_mutex_unlock(&b->lock);
    assert(failed == 0);
    return result;
}

/* The worker. */

/* What a stored hash says. */
struct stored {
    uint64_t passes, kibibytes;
    uint8_t salt[crypto_pwhash_SALTBYTES], hash[HASH];
};

/* Takes "m=19456" and what separates it from the rest. */
static bool take_number(
    struct str *rest, struct str name, char separator, uint64_t max, uint64_t *out)
{
    struct str part;
    return str_split(rest, separator, &part) && str_starts_with(part, name) &&
           str_to_u64(str_skip(part, name.n), max, out) && *out > 0;
}

static bool read_base64(struct str text, uint8_t *out, size_t size)
{
    size_t n;
    return sodium_base642bin(out, size, text.p, text.n, NULL, &n, NULL,
               sodium_base64_VARIANT_ORIGINAL_NO_PADDING) == 0 &&
           n == size;
}

/* "$argon2id$v=19$m=KIBIBYTES,t=PASSES,p=1$SALT$HASH", as libsodium writes it. */
static bool read_hash(struct str text, struct stored *out)
{
    static const struct str head = { "$argon2id$v=19$", 15 }, lanes = { "p=1", 3 };
    struct str part;
    if (!str_starts_with(text, head))
        return false;
    text = str_skip(text, head.n);
    return take_number(&text, STR("m="), ',', KIBIBYTES_MAX, &out->kibibytes) &&
           out->kibibytes * 1024 >= crypto_pwhash_MEMLIMIT_MIN &&
           take_number(&text, STR("t="), ',', PASSES_MAX, &out->passes) &&
           str_split(&text, '$', &part) && str_eq(part, lanes) && str_split(&text, '$', &part) &&
           read_base64(part, out->salt, sizeof out->salt) &&
           read_base64(text, out->hash, sizeof out->hash);
}

/*
 * Computes argon2id, whatever comes: for no account, or an unreadable hash, over the dummy. Not by
 * crypto_pwhash_str_verify, which calls it a wrong password when there is no memory.
 */
static enum login_result verify_password(const struct login_check *c)
{
    struct stored stored;
    bool readable = c->merchant_id != 0 && read_hash(c->stored_hash, &stored);
    if (!readable && c->merchant_id != 0)
        log_event(LOG_ERROR, "login.hash_unreadable", "merchant=%llx",
            (unsigned long long)c->merchant_id);
    bool usable = readable || read_hash(str_of(dummy_hash), &stored);
    assert(usable);
    const char *password = c->password.n > 0 ? c->password.p : "";
    uint8_t made[HASH];
    enum login_result result = LOGIN_WRONG;
    if (crypto_pwhash(made, sizeof made, password, c->password.n, stored.salt, stored.passes,
            stored.kibibytes * 1024, crypto_pwhash_ALG_ARGON2ID13) != 0) {
        log_event(LOG_ERROR, "login.no_memory", "bytes=%llu",
            (unsigned long long)stored.kibibytes * 1024);
        result = LOGIN_BUSY;
    } else if (sodium_memcmp(made, stored.hash, sizeof made) == 0 && readable) {
        result = LOGIN_OK;
    }
    sodium_memzero(made, sizeof made);
    sodium_memzero(&stored, sizeof stored);
    return result;
}

/* Books the result for all of the group; the caller holds the lock. */
static void book_result(struct login_book *b, struct group *g, enum login_result result)
{
    int64_t now = clock_now_ms(b->clock);
    if (result == LOGIN_OK)
        remember(b, g->key, now);
    for (struct queue_node *node = g->first; node != NULL; node = node->next) {
        struct login_check *c = queue_entry(node, struct login_check, node);
        uint8_t who[HASH];
        hash_who(b, c, who);
        c->result = result;
        if (result == LOGIN_OK)
            forget_failures(b, who);
        else if (result == LOGIN_WRONG)
            count_failure(b, who, now);
    }
}

/*
 * Verifies the oldest group and answers it; the caller holds the lock, which is let go meanwhile.
 */
static void answer_oldest(struct login_book *b)
{
    struct group *g = group_at(b, 0);
    const struct login_check *any = queue_entry(g->first, struct login_check, node);
    int failed = pthread_mutex_unlock(&b->lock);
    assert(failed == 0);
    enum login_result result = verify_password(any);
    failed = pthread_mutex_lock(&b->lock);
    assert(failed == 0);

    book_result(b, g, result);
    struct queue_node *node = g->first;
    sodium_memzero(g, sizeof *g);
    b->oldest = (b->oldest + 1) % LOGIN_WAITING_MAX;
    b->waiting--;
    failed = pthread_mutex_unlock(&b->lock);
    assert(failed == 0);
    while (node != NULL) {
        struct login_check *c = queue_entry(node, struct login_check, node);
        node = node->next; /* done may free c */
        c->done(c);
    }
    failed = pthread_mutex_lock(&b->lock);
    assert(failed == 0);
}

static void *work(void *book)
{
    struct login_book *b = book;
    int failed = pthread_mutex_lock(&b->lock);
    while (!b->closing || b->waiting > 0) {
        if (b->waiting > 0)
            answer_oldest(b);
        else
            failed |= pthread_cond_wait(&b->wake, &b->lock);
        assert(failed == 0);
    }
    failed |= pthread_mutex_unlock(&b->lock);
    assert(failed == 0);
    return NULL;
}

/* Starts the worker with all signals blocked: they are for the main thread. */
static bool start_worker(struct login_book *b)
{
    sigset_t all, before;
    if (sigfillset(&all) != 0 || pthread_sigmask(SIG_SETMASK, &all, &before) != 0)
        return false;
    bool ok = pthread_create(&b->worker, NULL, work, b) == 0;
    return pthread_sigmask(SIG_SETMASK, &before, NULL) == 0 && ok;
}

struct login_book *login_open(struct clock *clock)
{
    if (sodium_init() < 0)
        return NULL;
    struct login_book *b = sodium_malloc(sizeof *b);
    if (b == NULL)
        return NULL;
    sodium_memzero(b, sizeof *b);
    b->clock = clock;
    randombytes_buf(b->secret, sizeof b->secret);
    if (pthread_mutex_init(&b->lock, NULL) != 0)
        goto no_lock;
    if (pthread_cond_init(&b->wake, NULL) != 0)
        goto no_wake;
    if (start_worker(b))
        return b;
    (void)pthread_cond_destroy(&b->wake);
no_wake:
    (void)pthread_mutex_destroy(&b->lock);
no_lock:
    sodium_free(b);
    return NULL;
}

void login_close(struct login_book *b)
{
    if (b == NULL)
        return;
    int failed = pthread_mutex_lock(&b->lock);
    b->closing = true;
    failed |= pthread_cond_signal(&b->wake);
    failed |= pthread_mutex_unlock(&b->lock);
    failed |= pthread_join(b->worker, NULL);
    assert(failed == 0);
    (void)pthread_cond_destroy(&b->wake);
    (void)pthread_mutex_destroy(&b->lock);
    sodium_free(b); /* wipes */
}

bool login_hash(struct str password, char out[LOGIN_HASH_SIZE])
{
    if (sodium_init() < 0)
        return false;
    const char *text = password.n > 0 ? password.p : "";
    return crypto_pwhash_str_alg(
               out, text, password.n, PASSES, MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13) == 0;
}
