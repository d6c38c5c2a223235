#include "base/str.h"

#include <string.h>

struct str str_of(const char *text)
{
    return (struct str) { text, text == NULL ? 0 : strlen(text) };
}

bool str_eq(struct str a, struct str b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++)
        if (lower(a.p[i]) != lower(b.p[i]))
            return false;
    return true;
}

int str_cmp(struct str a, struct str b)
{
    size_t shared = a.n < b.n ? a.n : b.n;
    int order = shared > 0 ? memcmp(a.p, b.p, shared) : 0;
    if (order != 0)
        return order;
    return (a.n > b.n) - (a.n < b.n);
}

bool str_starts_with(struct str s, struct str prefix)
{
    return s.n >= prefix.n && str_eq((struct str) { s.p, prefix.n }, prefix);
}

bool str_is_digits(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return s.n > 0;
}

size_t str_find(struct str s, char c)
{
    const char *at = s.n > 0 ? memchr(s.p, c, s.n) : NULL;
    return at == NULL ? s.n : (size_t)(at - s.p);
}

struct str str_skip(struct str s, size_t n)
{
    if (n >= s.n)
        return STR_EMPTY;
    return (struct str) { s.p + n, s.n - n };
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct str str_trim(struct str s)
{
    while (s.n > 0 && is_blank(s.p[0]))
        s = (struct str) { s.p + 1, s.n - 1 };
    while (s.n > 0 && is_blank(s.p[s.n - 1]))
        s.n--;
    return s;
}

bool str_split(struct str *rest, char separator, struct str *part)
{
    if (rest->p == NULL)
        return false;
    size_t at = str_find(*rest, separator);
    *part = (struct str) { rest->p, at };
    if (at == rest->n)
        *rest = STR_EMPTY;
    else
        *rest = (struct str) { rest->p + at + 1, rest->n - at - 1 };
    return true;
}

bool str_to_u64(struct str s, uint64_t max, uint64_t *out)
{
    if (!str_is_digits(s))
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.n; i++) {
        uint64_t digit = (uint64_t)(s.p[i] - '0');
        if (digit > max || value > (max - digit) / 10)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool str_to_hex64(struct str s, uint64_t *out)
{
    if (s.n == 0 || s.n > 16)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < s.n; i++) {
        int digit = hex_value(s.p[i]);
        if (digit < 0)
            return false;
        value = value << 4 | (uint64_t)digit;
    }
    *out = value;
    return true;
}

bool str_copy(char *dst, size_t dst_size, struct str s)
{
    bool fits = s.n < dst_size;
    if (fits && s.n > 0)
        memcpy(dst, s.p, s.n);
    dst[fits ? s.n : 0] = '\0';
    return fits;
}

static void hex_with(const char *digits, const void *bytes, size_t n, char *out)
{
    const unsigned char *b = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[b[i] >> 4];
        out[2 * i + 1] = digits[b[i] & 15];
    }
}

void hex_lower(const void *bytes, size_t n, char *out)
{
    hex_with("0123456789abcdef", bytes, n, out);
}

void hex_upper(const void *bytes, size_t n, char *out)
{
    hex_with("0123456789ABCDEF", bytes, n, out);
}

bool hex_decode(struct str text, void *bytes, size_t n)
{
    unsigned char *out = bytes;
    if (text.n != 2 * n)
        return false;
    for (size_t i = 0; i < n; i++) {
        int high = hex_value(text.p[2 * i]);
        int low = hex_value(text.p[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}
