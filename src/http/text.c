#include "http/text.h"

/* What may follow a lead byte: the second byte has its own range, the others are 80..BF (RFC 3629
 * §4). */
static const struct lead {
    unsigned char from, to; /* of the lead byte */
    unsigned char second, second_to;
    size_t length;
} leads[] = {
    { 0xc2, 0xdf, 0x80, 0xbf, 2 },
    { 0xe0, 0xe0, 0xa0, 0xbf, 3 },
    { 0xe1, 0xec, 0x80, 0xbf, 3 },
    { 0xed, 0xed, 0x80, 0x9f, 3 },
    { 0xee, 0xef, 0x80, 0xbf, 3 },
    { 0xf0, 0xf0, 0x90, 0xbf, 4 },
    { 0xf1, 0xf3, 0x80, 0xbf, 4 },
    { 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static bool follows(const struct lead *l, const unsigned char *b)
{
    if (b[1] < l->second || b[1] > l->second_to)
        return false;
    for (size_t i = 2; i < l->length; i++)
        if (b[i] < 0x80 || b[i] > 0xbf)
            return false;
    return true;
}

size_t text_char(struct str s)
{
    if (s.n == 0)
        return 0;
    const unsigned char *b = (const unsigned char *)s.p;
    if (b[0] < 0x80)
        return 1;
    for (size_t i = 0; i < COUNT(leads); i++)
        if (b[0] >= leads[i].from && b[0] <= leads[i].to)
            return s.n >= leads[i].length && follows(&leads[i], b) ? leads[i].length : 0;
    return 0;
}

bool text_is_valid(struct str s)
{
    while (s.n > 0) {
        size_t n = text_char(s);
        if (n == 0 || s.p[0] == '\0')
            return false;
        s = str_skip(s, n);
    }
    return true;
}

bool text_has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return true;
    return false;
}

enum text_result text_unescape(
    struct str text, bool plus_is_blank, struct arena *a, struct str *out)
{
    char *p = arena_alloc(a, text.n + 1);
    if (p == NULL)
        return TEXT_NO_MEMORY;
    size_t n = 0;
    while (text.n > 0) {
        char c = text.p[0];
        if (c == '%') {
            if (text.n < 3 || !hex_decode((struct str) { text.p + 1, 2 }, &c, 1))
                return TEXT_MALFORMED;
            text = str_skip(text, 2);
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        p[n++] = c;
        text = str_skip(text, 1);
    }
    *out = (struct str) { p, n };
    return text_is_valid(*out) ? TEXT_OK : TEXT_MALFORMED;
}
