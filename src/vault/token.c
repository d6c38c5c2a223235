/*
 * Card tokens: 16 bytes in the shape of a UUID, made of the time and chance.
 *
 * The first four bytes are the unix time, so that tokens of one time lie side by side in an index;
 * the other twelve are random, so that no token can be guessed. The version and variant bits of a
 * UUID are not set: the shape is what merchants' systems store, not a claim.
 */
#include "vault/vault.h"

#include <assert.h>
#include <string.h>

enum { TOKEN_BYTES = 16, TEXT_LENGTH = TOKEN_TEXT_SIZE - 1 };

/* Lengths in bytes of the five groups, two digits each. */
static const uint8_t groups[] = { 4, 2, 2, 2, 6 };

void token_make(struct rng *rng, int64_t now_ms, uint8_t token[TOKEN_BYTES])
{
    assert(now_ms >= 0);
    uint32_t seconds = (uint32_t)(now_ms / 1000); /* wraps in 2106: order is lost, not uniqueness */
    for (int i = 0; i < 4; i++)
        token[i] = (uint8_t)(seconds >> (24 - 8 * i));
    rng_fill(rng, token + 4, TOKEN_BYTES - 4);
}

void token_text(const uint8_t token[TOKEN_BYTES], char out[TOKEN_TEXT_SIZE])
{
    for (size_t i = 0; i < COUNT(groups); i++) {
        hex_lower(token, groups[i], out);
        token += groups[i];
        out += 2 * groups[i];
        *out++ = i + 1 < COUNT(groups) ? '-' : '\0';
    }
}

bool token_parse(struct str text, uint8_t token[TOKEN_BYTES])
{
    if (text.n != TEXT_LENGTH)
        return false;
    uint8_t read[TOKEN_BYTES];
    size_t at = 0;
    for (size_t i = 0; i < COUNT(groups); i++) {
        struct str part;
        if (!str_split(&text, '-', &part) || !hex_decode(part, read + at, groups[i]))
            return false;
        at += groups[i];
    }
    memcpy(token, read, TOKEN_BYTES);
    return true;
}
