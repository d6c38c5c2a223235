/*
 * Login by signature (spec/genome.md §4.1).
 *
 * All fields sent and not empty, except the card and the signature itself, sorted by name, as "k=v"
 * joined with "|", then "|" and the private key, all of it in lower case, hashed with SHA-256.
 * Clients do not agree on how a whole amount is written, so that the amount is tried as sent,
 * without trailing zeros, and with ".0".
 */
#include "api/genome/genome_internal.h"

#include <locale.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <wctype.h>

static const struct str unsigned_fields[] = { { "signature", 9 }, { "public_key", 10 },
    { "card_number", 11 }, { "card_exp_month", 14 }, { "card_exp_year", 13 }, { "cvv", 3 },
    { "card_holder", 11 } };

static enum vault_result open_key(struct genome_call *c, struct str *key);
static size_t amount_forms(struct arena *a, struct str sent, struct str forms[3]);
static void append_lower(struct buf *out, struct str utf8);

enum genome_signature genome_signature_look(struct genome_call *c)
{
    struct arena *a = c->http->arena;
    struct str sent = c->values[F_SIGNATURE].text, key;
    if (sent.n != GENOME_SIGNATURE_SIZE || c->merchant->row.private_key.n == 0)
        return SIGNATURE_WRONG;
    enum vault_result opened = open_key(c, &key);
    if (opened != VAULT_OK || key.n == 0)
        return opened == VAULT_FAILED ? SIGNATURE_UNKNOWN : SIGNATURE_WRONG;
    char lower[GENOME_SIGNATURE_SIZE], made[GENOME_SIGNATURE_SIZE];
    for (size_t i = 0; i < sizeof lower; i++)
        lower[i] = sent.p[i] >= 'A' && sent.p[i] <= 'F' ? (char)(sent.p[i] | 0x20) : sent.p[i];
    struct str forms[3];
    size_t n = amount_forms(a, c->values[F_AMOUNT].text, forms);
    enum genome_signature result = n > 0 ? SIGNATURE_WRONG : SIGNATURE_UNKNOWN;
    for (size_t i = 0; i < n && result == SIGNATURE_WRONG; i++) {
        if (!genome_sign(a, c->pairs, c->n_pairs, forms[i], key, made))
            result = SIGNATURE_UNKNOWN;
        else if (sodium_memcmp(made, lower, sizeof made) == 0)
            result = SIGNATURE_FITS;
    }
    sodium_memzero(made, sizeof made);
    sodium_memzero((char *)(uintptr_t)key.p, key.n);
    return result;
}

/* "10.0", "10" and "10.0" again; "9.90" and "9.9". One empty form when there is no amount; 0 without
 * memory. */
static size_t amount_forms(struct arena *a, struct str sent, struct str forms[3])
{
    forms[0] = sent;
    if (sent.n == 0)
        return 1;
    struct str trimmed = sent;
    bool fraction = str_find(sent, '.') < sent.n;
    while (fraction && trimmed.n > 1 && trimmed.p[trimmed.n - 1] == '0')
        trimmed.n--;
    if (fraction && trimmed.p[trimmed.n - 1] == '.')
        trimmed.n--;
    forms[1] = trimmed;
    if (str_find(trimmed, '.') < trimmed.n)
        return 2;
    forms[2] = arena_printf(a, "%.*s.0", STR_ARG(trimmed));
    return forms[2].p != NULL ? 3 : 0;
}

static enum vault_result open_key(struct genome_call *c, struct str *key)
{
    const struct merchant_row *row = &c->merchant->row;
    return vault_open_text(
        c->g->vault, c->http->arena, "genome.private_key", row->id, row->private_key, key);
}

static int by_name(const void *left, const void *right)
{
    const struct genome_pair *const *a = left, *const *b = right;
    return str_cmp((*a)->name, (*b)->name);
}

static bool is_signed(const struct genome_pair *pair)
{
    for (size_t i = 0; i < COUNT(unsigned_fields); i++)
        if (str_eq(pair->name, unsigned_fields[i]))
            return false;
    return pair->value.n > 0;
}

bool genome_sign(struct arena *a, const struct genome_pair *pairs, size_t n, struct str amount,
    struct str private_key, char out[GENOME_SIGNATURE_SIZE])
{
    enum { BASE_MAX = 1024 * 1024 };
    const struct genome_pair **sorted = arena_array(a, const struct genome_pair *, n);
    if (sorted == NULL)
        return false;
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (is_signed(&pairs[i]))
            sorted[count++] = &pairs[i];
    qsort(sorted, count, sizeof *sorted, by_name);
    struct buf base;
    buf_init(&base, BASE_MAX);
    for (size_t i = 0; i < count; i++) {
        bool is_amount = amount.n > 0 && str_eq(sorted[i]->name, STR("amount"));
        append_lower(&base, sorted[i]->name);
        buf_byte(&base, '=');
        append_lower(&base, is_amount ? amount : sorted[i]->value);
        buf_byte(&base, '|');
    }
    append_lower(&base, private_key);
    uint8_t hash[crypto_hash_sha256_BYTES];
    bool ok = !base.full && crypto_hash_sha256(hash, (const unsigned char *)base.p, base.n) == 0;
    hex_lower(hash, sizeof hash, out);
    buf_free(&base);
    return ok;
}

/* ---- lower case beyond ASCII, as the clients' languages have it ---- */

static locale_t unicode;
static pthread_once_t unicode_once = PTHREAD_ONCE_INIT;

static void find_unicode(void)
{
    unicode = newlocale(LC_CTYPE_MASK, "C.UTF-8", NULL);
}

/*
 * Length of the sequence that starts at p, and its code point; 0 when there is none. The text has
 * been checked to be UTF-8.
 */
static size_t decode_utf8(struct str s, uint32_t *point)
{
    static const uint8_t first_mask[] = { 0, 0x7f, 0x1f, 0x0f, 0x07 };
    unsigned char first = (unsigned char)s.p[0];
    size_t n = first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
    if (n > s.n)
        return 0;
    *point = first & first_mask[n];
    for (size_t i = 1; i < n; i++)
        *point = *point << 6 | ((unsigned char)s.p[i] & 0x3f);
    return n;
}

static void append_utf8(struct buf *out, uint32_t point)
{
    if (point < 0x80) {
        buf_byte(out, (char)point);
    } else if (point < 0x800) {
        buf_byte(out, (char)(0xc0 | point >> 6));
        buf_byte(out, (char)(0x80 | (point & 0x3f)));
    } else if (point < 0x10000) {
        buf_byte(out, (char)(0xe0 | point >> 12));
        buf_byte(out, (char)(0x80 | (point >> 6 & 0x3f)));
        buf_byte(out, (char)(0x80 | (point & 0x3f)));
    } else {
        buf_byte(out, (char)(0xf0 | point >> 18));
        buf_byte(out, (char)(0x80 | (point >> 12 & 0x3f)));
        buf_byte(out, (char)(0x80 | (point >> 6 & 0x3f)));
        buf_byte(out, (char)(0x80 | (point & 0x3f)));
    }
}

static void append_lower(struct buf *out, struct str utf8)
{
    (void)pthread_once(&unicode_once, find_unicode);
    while (utf8.n > 0) {
        uint32_t point;
        size_t n = decode_utf8(utf8, &point);
        if (n == 0)
            return;
        if (point < 0x80)
            point |= point >= 'A' && point <= 'Z' ? 0x20u : 0;
        else if (unicode != NULL)
            point = (uint32_t)towlower_l((wint_t)point, unicode);
        append_utf8(out, point);
        utf8 = str_skip(utf8, n);
    }
}
