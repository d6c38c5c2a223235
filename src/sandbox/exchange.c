#include "sandbox/exchange.h"

#include <assert.h>
#include <sodium.h>
#include <string.h>

enum { BIN_DIGITS = 6, TAIL_DIGITS = 4, PAN_MIN = 12, KEY_TEXT_MAX = 80 };

/* DE 90: MTI 4, STAN 6, DE 7 10, DE 32 11, DE 33 11. */
enum { DE90_SIZE = 42, DE90_STAN = 4, DE90_SENT = 10, DE90_ACQUIRER = 20, DE90_FORWARDER = 31 };

struct str exchange_mask(struct str pan, char out[EXCHANGE_PAN_MAX])
{
    size_t n = pan.n <= EXCHANGE_PAN_MAX ? pan.n : EXCHANGE_PAN_MAX;
    for (size_t i = 0; i < n; i++)
        out[i] = n >= PAN_MIN && (i < BIN_DIGITS || i + TAIL_DIGITS >= n) ? pan.p[i] : '*';
    return (struct str) { out, n };
}

uint64_t exchange_hash(const void *bytes, size_t n)
{
    static const unsigned char key[crypto_shorthash_KEYBYTES] = "turnpike sandbox";
    unsigned char out[crypto_shorthash_BYTES];
    (void)crypto_shorthash(out, bytes, n, key);
    uint64_t value;
    memcpy(&value, out, sizeof value);
    return value;
}

static size_t add(char *text, size_t at, struct str s)
{
    assert(at + s.n < KEY_TEXT_MAX);
    if (s.n > 0)
        memcpy(text + at, s.p, s.n);
    text[at + s.n] = '|';
    return at + s.n + 1;
}

/* DE 90 carries the acquirer filled with zeros: they do not count. */
static struct str without_zeros(struct str s)
{
    while (s.n > 0 && s.p[0] == '0')
        s = str_skip(s, 1);
    return s;
}

static uint64_t key_of(
    const struct exchange *x, char class, struct str sent, struct str stan, struct str acquirer)
{
    char text[KEY_TEXT_MAX];
    text[0] = class;
    size_t n = add(text, 1, sent);
    n = add(text, n, stan);
    n = add(text, n, without_zeros(acquirer));
    n = add(text, n, x->terminal);
    n = add(text, n, x->pan);
    return exchange_hash(text, n);
}

static struct str part(struct str s, size_t from, size_t to)
{
    return (struct str) { s.p + from, to - from };
}

void exchange_identify(struct exchange *x)
{
    struct str o = x->original;
    x->key = key_of(x, x->mti[1], x->sent, x->stan, x->acquirer);
    x->reference_key = exchange_hash(x->reference.p, x->reference.n);
    x->original_key = 0;
    if (o.n == DE90_SIZE)
        x->original_key = key_of(x, o.p[1], part(o, DE90_SENT, DE90_ACQUIRER),
            part(o, DE90_STAN, DE90_SENT), part(o, DE90_ACQUIRER, DE90_FORWARDER));
}

bool exchange_is_approval(const char *de39)
{
    static const char approvals[][3] = { "00", "08", "10", "11", "16", "85" };
    for (size_t i = 0; i < COUNT(approvals); i++)
        if (memcmp(de39, approvals[i], 2) == 0)
            return true;
    return false;
}

int64_t exchange_partial(int64_t amount)
{
    return (amount + 1) / 2;
}
