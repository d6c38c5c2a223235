/*
 * The message authentication code in DE 64, or in DE 128 when any element above 64 is present
 * (spec/iso8583.md §11).
 *
 * It covers everything from the MTI to the byte before itself, as sent, its own bit in the bitmap
 * already set. So a message is packed with eight zero bytes in its place, which are last, and
 * they are overwritten.
 *
 * The retail MAC is ISO 9797-1 algorithm 3: DES-CBC under the first half of the key, the last
 * block closed by decrypting with the second half and encrypting with the first. libcrypto has no
 * single DES without its legacy provider, but two-key triple DES with equal halves is the same.
 */
#include "iso8583/iso8583.h"

#include <assert.h>
#include <openssl/evp.h>
#include <sodium.h>
#include <string.h>

enum { MAC_SIZE = 8, BLOCK = 8 };

static bool mac_retail(
    const uint8_t key[16], const void *bytes, size_t n, bool mark_end, uint8_t out[MAC_SIZE]);
static bool mac_cmac(const uint8_t key[16], const void *bytes, size_t n, uint8_t out[MAC_SIZE]);
static bool des_cbc(
    EVP_CIPHER_CTX *ctx, const uint8_t key[16], const void *bytes, size_t n, uint8_t chain[BLOCK]);

bool iso_mac(const struct iso_mac_key *key, const void *bytes, size_t n, uint8_t out[8])
{
    switch (key->kind) {
    case ISO_MAC_RETAIL_PAD1:
        return mac_retail(key->key, bytes, n, false, out);
    case ISO_MAC_RETAIL_PAD2:
        return mac_retail(key->key, bytes, n, true, out);
    case ISO_MAC_CMAC:
        return mac_cmac(key->key, bytes, n, out);
    case ISO_MAC_NONE:
        break;
    }
    return false;
}

/* Bytes that the MAC takes at the end of a message. */
static size_t mac_width(enum iso_profile profile)
{
    return profile == ISO_PROFILE_H ? 2 * MAC_SIZE : MAC_SIZE;
}

/* The element that the MAC belongs in. */
static int mac_element(const struct iso_message *m)
{
    return m->present[1] != 0 ? 128 : 64;
}

enum iso_result iso_pack_mac(struct iso_message *m, enum iso_profile profile,
    const struct iso_mac_key *key, void *out, size_t room, size_t *n)
{
    if (key->kind == ISO_MAC_NONE)
        return iso_pack(m, profile, out, room, n);

    /* A message packed a second time, as a repeat, may hold the MAC of the first. */
    iso_unset(m, 64);
    iso_unset(m, 128);
    *n = 0;
    m->bad_de = 0;
    if ((m->present[0] | m->present[1]) == 0)
        return ISO_EMPTY;
    if (MAC_SIZE > ISO_SCRATCH - (size_t)m->scratch_used)
        return ISO_NO_ROOM;
    uint8_t *mac = (uint8_t *)m->scratch + m->scratch_used;
    memset(mac, 0, MAC_SIZE);
    int de = mac_element(m);
    iso_set(m, de, (struct str) { (const char *)mac, MAC_SIZE });

    size_t packed = 0;
    enum iso_result result = iso_pack(m, profile, out, room, &packed);
    if (result == ISO_OK && !iso_mac(key, out, packed - mac_width(profile), mac))
        result = ISO_NO_MAC;
    if (result != ISO_OK) {
        iso_unset(m, de);
        return result;
    }
    m->scratch_used = (uint16_t)(m->scratch_used + MAC_SIZE);
    uint8_t *place = (uint8_t *)out + packed - mac_width(profile);
    if (profile == ISO_PROFILE_H)
        hex_upper(mac, MAC_SIZE, (char *)place);
    else
        memcpy(place, mac, MAC_SIZE);
    *n = packed;
    return ISO_OK;
}

bool iso_mac_valid(const struct iso_message *m, enum iso_profile profile,
    const struct iso_mac_key *key, const void *bytes, size_t n)
{
    if (key->kind == ISO_MAC_NONE)
        return true;
    struct str sent = iso_get(m, mac_element(m));
    if (sent.n != MAC_SIZE || n < mac_width(profile))
        return false;
    uint8_t right[MAC_SIZE];
    bool valid = iso_mac(key, bytes, n - mac_width(profile), right) &&
                 sodium_memcmp(right, sent.p, MAC_SIZE) == 0;
    sodium_memzero(right, sizeof right);
    return valid;
}

/*
 * mark_end is padding 2: one bit, then zeros. Padding 1 is zeros only, and none when the blocks
 * are full.
 */
static bool mac_retail(
    const uint8_t key[16], const void *bytes, size_t n, bool mark_end, uint8_t out[MAC_SIZE])
{
    size_t before = n == 0 ? 0 : (mark_end ? n : n - 1) / BLOCK * BLOCK;
    uint8_t last[BLOCK] = { 0 }, chain[BLOCK] = { 0 }, first_twice[16];
    if (n > before)
        memcpy(last, (const uint8_t *)bytes + before, n - before);
    if (mark_end)
        last[n - before] = 0x80;
    memcpy(first_twice, key, 8);
    memcpy(first_twice + 8, key, 8);

    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    bool done = ctx != NULL && des_cbc(ctx, first_twice, bytes, before, chain) &&
                des_cbc(ctx, key, last, BLOCK, chain);
    EVP_CIPHER_CTX_free(ctx);
    if (done)
        memcpy(out, chain, MAC_SIZE);
    sodium_memzero(first_twice, sizeof first_twice);
    sodium_memzero(last, sizeof last);
    return done;
}

/* Carries the chaining value over n bytes, a whole number of blocks, which may be none. */
static bool des_cbc(
    EVP_CIPHER_CTX *ctx, const uint8_t key[16], const void *bytes, size_t n, uint8_t chain[BLOCK])
{
    assert(n % BLOCK == 0);
    uint8_t sink[512];
    const uint8_t *at = bytes;
    if (EVP_EncryptInit_ex2(ctx, EVP_des_ede_cbc(), key, chain, NULL) != 1 ||
        EVP_CIPHER_CTX_set_padding(ctx, 0) != 1)
        return false;
    while (n > 0) {
        int step = n < sizeof sink ? (int)n : (int)sizeof sink, written = 0;
        if (EVP_EncryptUpdate(ctx, sink, &written, at, step) != 1 || written != step)
            return false;
        memcpy(chain, sink + step - BLOCK, BLOCK);
        at += step;
        n -= (size_t)step;
    }
    return true;
}

/* The first half of an AES-128-CMAC. */
static bool mac_cmac(const uint8_t key[16], const void *bytes, size_t n, uint8_t out[MAC_SIZE])
{
    uint8_t whole[16];
    size_t written = 0;
    if (EVP_Q_mac(NULL, "CMAC", NULL, "AES-128-CBC", NULL, key, 16, bytes, n, whole, sizeof whole,
            &written) == NULL ||
        written != sizeof whole)
        return false;
    memcpy(out, whole, MAC_SIZE);
    return true;
}
