/*
 * From UTF-8 to the characters that an acquirer's host accepts. What is lost is lost on the payer's
 * statement only: the merchant's name in the database stays as it is.
 */
#include "acquirer/ascii.h"

#include <string.h>

/* U+00C0 to U+00FF and U+0100 to U+017F: one letter each. */
static const char latin_1[] = "AAAAAAACEEEEIIIIDNOOOOOxOUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";
static const char latin_a[] = "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiJjJjKkkLlLlLlLl"
                              "LlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs";

/* U+0410 to U+042F; the small letters follow in the same order. */
static const char *const cyrillic[] = { "A", "B", "V", "G", "D", "E", "Zh", "Z", "I", "Y", "K", "L",
    "M", "N", "O", "P", "R", "S", "T", "U", "F", "Kh", "Ts", "Ch", "Sh", "Shch", "", "Y", "", "E",
    "Yu", "Ya" };

static const struct {
    uint32_t from;
    const char *to;
} others[] = {
    { 0x00A0, " " },
    { 0x00AB, "\"" },
    { 0x00BB, "\"" },
    { 0x0401, "E" },
    { 0x0404, "Ye" },
    { 0x0406, "I" },
    { 0x0407, "Yi" },
    { 0x040E, "U" },
    { 0x0451, "e" },
    { 0x0454, "ye" },
    { 0x0456, "i" },
    { 0x0457, "yi" },
    { 0x045E, "u" },
    { 0x0490, "G" },
    { 0x0491, "g" },
    { 0x0492, "G" },
    { 0x0493, "g" },
    { 0x049A, "Q" },
    { 0x049B, "q" },
    { 0x04A2, "N" },
    { 0x04A3, "n" },
    { 0x04AE, "U" },
    { 0x04AF, "u" },
    { 0x04B0, "U" },
    { 0x04B1, "u" },
    { 0x04BA, "H" },
    { 0x04BB, "h" },
    { 0x04D8, "A" },
    { 0x04D9, "a" },
    { 0x04E8, "O" },
    { 0x04E9, "o" },
    { 0x2013, "-" },
    { 0x2014, "-" },
    { 0x2018, "'" },
    { 0x2019, "'" },
    { 0x201C, "\"" },
    { 0x201D, "\"" },
    { 0x201E, "\"" },
    { 0x2116, "No" },
};

_Static_assert(sizeof latin_1 == 64 + 1, "one letter for each of U+00C0..U+00FF");
_Static_assert(sizeof latin_a == 128 + 1, "one letter for each of U+0100..U+017F");
_Static_assert(COUNT(cyrillic) == 32, "one text for each of U+0410..U+042F");

/* Takes one character off s; 0 for a byte that begins none. */
static uint32_t next_character(struct str *s)
{
    unsigned char first = (unsigned char)s->p[0];
    size_t more = first < 0x80 ? 0 : first >= 0xF0 ? 3 : first >= 0xE0 ? 2 : 1;
    uint32_t c = more == 0 ? first : first & (0x3Fu >> more);
    bool valid = first < 0x80 || (first >= 0xC2 && first <= 0xF4);
    size_t taken = 1;
    while (valid && taken <= more && taken < s->n && ((unsigned char)s->p[taken] & 0xC0) == 0x80)
        c = c << 6 | ((unsigned char)s->p[taken++] & 0x3Fu);
    *s = str_skip(*s, taken);
    return valid && taken == more + 1 ? c : 0;
}

/* The text for c, in space[5] where it has to be made. */
static const char *fold(uint32_t c, char space[5])
{
    memset(space, 0, 5);
    if (c >= 0x20 && c <= 0x7E)
        space[0] = (char)c;
    else if (c >= 0xC0 && c <= 0xFF)
        space[0] = latin_1[c - 0xC0];
    else if (c >= 0x100 && c <= 0x17F)
        space[0] = latin_a[c - 0x100];
    else if (c >= 0x410 && c <= 0x42F)
        return cyrillic[c - 0x410];
    if (c >= 0x430 && c <= 0x44F) {
        const char *capital = cyrillic[c - 0x430];
        for (size_t i = 0; capital[i] != '\0'; i++)
            space[i] = (char)(capital[i] | 0x20);
        return space;
    }
    if (space[0] != '\0')
        return space;
    for (size_t i = 0; i < COUNT(others); i++)
        if (others[i].from == c)
            return others[i].to;
    return "?";
}

size_t ascii_fold(struct str text, char *out, size_t room)
{
    size_t n = 0;
    while (text.n > 0 && n < room) {
        char space[5];
        const char *plain = fold(next_character(&text), space);
        while (*plain != '\0' && n < room)
            out[n++] = *plain++;
    }
    return n;
}
