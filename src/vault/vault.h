/*
 * The vault: card numbers at rest.
 *
 * A PAN is sealed with AES-256-GCM under the newest key of the key ring, with a fresh nonce; the
 * merchant's id and the card's id are the associated data, so that a sealed number copied to
 * another row does not open. A card is found again by a fingerprint: HMAC-SHA-256 of merchant and
 * PAN under a key of its own, cut to 16 bytes. Other secrets (private keys of merchants) are sealed
 * the same way with a label as associated data.
 *
 * The key ring is a file of mode 0600, created on first start. Text, one key a line, newest last:
 *   turnpike-keyring 1
 *   fingerprint <64 hex digits>
 *   card 1 2026-11-21T22:01:10Z <64 hex digits>
 *   card 2 ...
 * Lines that begin with '#' are comments; a change of the ring writes the file anew, without them.
 * A ring that is missing while the store already holds cards, is readable by others, or does not
 * parse, refuses to open: fail closed. Keys live in locked memory (sodium_malloc) and are wiped at
 * close.
 */
#ifndef TURNPIKE_VAULT_VAULT_H
#define TURNPIKE_VAULT_VAULT_H

#include "base/arena.h"
#include "base/rng.h"
#include "store/rows.h"

struct vault;

enum vault_result {
    VAULT_OK,
    VAULT_NO_KEY,   /* sealed under a key that the ring does not hold */
    VAULT_TAMPERED, /* the tag does not fit: another row, or changed bytes */
    VAULT_FAILED    /* the library refused, or no memory */
};

/*
 * Opens the ring at path. create: make one when there is no file. NULL with a sentence (file, line,
 * hint) in why.
 */
struct vault *vault_open(const char *path, bool create, char *why, size_t why_size);
void vault_close(struct vault *v);

/*
 * Adds a key to the file (new file, fsync, rename, fsync of the folder), then uses it. Safe while
 * other threads seal and open, and while another process changes the file.
 */
bool vault_add_key(struct vault *v, const char *path, int64_t now_ms, char *why, size_t why_size);

/*
 * Drops all card keys but the newest from file and memory: call it when no row is sealed under
 * them.
 */
bool vault_drop_old_keys(struct vault *v, const char *path, char *why, size_t why_size);

/*
 * Reads the file again, when another process has added a key. On failure, or when a key that we
 * hold differs in the file, the old ring stays.
 */
bool vault_reload(struct vault *v, const char *path, char *why, size_t why_size);

uint32_t vault_newest_key(const struct vault *v);
size_t vault_key_count(const struct vault *v);

/*
 * Seals pan (12..19 digits) into card->sealed, sealed_size, key_id; merchant_id and id must be set.
 * Any thread.
 */
enum vault_result vault_seal_card(
    struct vault *v, struct rng *rng, struct card_row *card, struct str pan);

/* Opens it: pan gets 12..19 digits and a NUL, or is empty; the caller wipes it. Any thread. */
enum vault_result vault_open_card(struct vault *v, const struct card_row *card, char pan[20]);

/* Opens it and seals it under the newest key; on failure it is unchanged, and the log says which. */
enum vault_result vault_reseal_card(struct vault *v, struct rng *rng, struct card_row *card);

void vault_fingerprint(struct vault *v, int64_t merchant_id, struct str pan, uint8_t out[16]);

/*
 * Other secrets, sealed as text ("v1.<key id>.<hex>"), bound to label (at most 32 characters) and
 * owner. plain may have 64 KiB. The slices are in the arena; the opened one is followed by a NUL.
 * What is not such a text is VAULT_TAMPERED.
 */
enum vault_result vault_seal_text(struct vault *v, struct rng *rng, struct arena *a,
    const char *label, int64_t owner, struct str plain, struct str *sealed);
enum vault_result vault_open_text(struct vault *v, struct arena *a, const char *label,
    int64_t owner, struct str sealed, struct str *plain);

/* A fresh token: UUID shape, the first four bytes the unix time, the rest random. */
enum { TOKEN_TEXT_SIZE = 37 };
void token_make(struct rng *rng, int64_t now_ms, uint8_t token[16]);
void token_text(const uint8_t token[16], char out[TOKEN_TEXT_SIZE]);
bool token_parse(struct str text, uint8_t token[16]); /* lower or upper case; exactly 8-4-4-4-12 */

#endif
