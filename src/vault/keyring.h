/*
 * The key ring as a file: read, checked, written. Private to the vault; vault.h shows the format.
 *
 * Reading is strict: whatever is not exactly a ring that keyring_save would write (comments, blank
 * lines and spacing apart) is refused with the file, the line and what to do, and never with a
 * piece of the line, which may be a key. Writing is whole or not at all: a new file, flushed, put
 * in place in one step. Comments of the old file are not kept.
 */
#ifndef TURNPIKE_VAULT_KEYRING_H
#define TURNPIKE_VAULT_KEYRING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    KEY_BYTES = 32,
    KEYRING_KEYS_MAX = 256,
    KEYRING_FILE_MAX = 64 * 1024,
    KEY_MADE_SIZE = 21 /* "2026-11-21T22:01:10Z" and a NUL */
};

struct ring_key {
    uint32_t id; /* from 1, rising */
    char made[KEY_MADE_SIZE];
    uint8_t secret[KEY_BYTES];
};

struct keyring {
    uint8_t fingerprint[KEY_BYTES];
    size_t count; /* at least one in a ring that is in use */
    struct ring_key keys[KEYRING_KEYS_MAX];
};

/* Where a sentence for the operator goes. */
struct why {
    char *text;
    size_t size;
};
void why_say(struct why why, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* An empty ring with a fresh fingerprint key, in locked memory; NULL without memory. */
struct keyring *keyring_new(struct why why);

/* The ring in the file at path, or NULL. */
struct keyring *keyring_load(const char *path, struct why why);

/* Wipes and frees; NULL is fine. */
void keyring_free(struct keyring *r);

/* Appends a fresh key; false when the ring is full. */
bool keyring_add(struct keyring *r, int64_t now_ms, struct why why);

/* The key with that id, or NULL. */
const struct ring_key *keyring_find(const struct keyring *r, uint32_t id);

/* Whether next may take the place of r: the same fingerprint key, and no id whose key differs. */
bool keyring_continues(const struct keyring *r, const struct keyring *next);

/*
 * Puts r at path with mode 0600, durably. With replace, over the file that is there, keeping its
 * owner; without, only if there is none: one that another process has made in the meantime is left
 * alone, and counts as success.
 */
bool keyring_save(const struct keyring *r, const char *path, bool replace, struct why why);

/*
 * Holds off other processes that change the ring at path, until keyring_unlock. -1 when it cannot.
 */
int keyring_lock(const char *path, struct why why);
void keyring_unlock(int lock);

#endif
