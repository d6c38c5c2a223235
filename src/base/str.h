/*
 * A slice of text that belongs to someone else.
 *
 * Everything that comes from outside travels as (pointer, length); a NUL is added only at the door
 * of a library that wants one. A slice never owns its bytes and is passed by value. The empty slice
 * may have a NULL pointer; no function here reads through it.
 */
#ifndef TURNPIKE_BASE_STR_H
#define TURNPIKE_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct str {
    const char *p;
    size_t n;
};

#define STR(literal) ((struct str) { (literal), sizeof(literal) - 1 })
#define STR_EMPTY    ((struct str) { NULL, 0 })
#define STR_ARG(s)   (int)(s).n, ((s).n > 0 ? (s).p : "") /* for "%.*s" */
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

/* The slice over a NUL-terminated text; NULL gives the empty slice. */
struct str str_of(const char *text);

bool str_eq(struct str a, struct str b);
bool str_eq_nocase(struct str a, struct str b); /* ASCII letters only */
int str_cmp(struct str a, struct str b);        /* byte order, shorter first, as memcmp */
bool str_starts_with(struct str s, struct str prefix);

/* True when s is not empty and holds only '0'..'9'. */
bool str_is_digits(struct str s);

/* Position of the first c, or s.n when there is none. */
size_t str_find(struct str s, char c);

/* s without the first n bytes (the empty slice when s is shorter). */
struct str str_skip(struct str s, size_t n);

/* s without ASCII white space at either end. */
struct str str_trim(struct str s);

/* Takes the part before the next `separator` off *rest; false when *rest is used up. */
bool str_split(struct str *rest, char separator, struct str *part);

/*
 * Reads all of s as an unsigned decimal without sign or blanks; false when it is not one or is
 * above max.
 */
bool str_to_u64(struct str s, uint64_t max, uint64_t *out);

/* Reads all of s as hexadecimal (either case), at most 16 digits. */
bool str_to_hex64(struct str s, uint64_t *out);

/* Copies s and a NUL into dst; false, with dst emptied, when it does not fit. */
bool str_copy(char *dst, size_t dst_size, struct str s);

/* Writes the 2 * n lower- or upper-case hex digits of bytes (and no NUL) to out. */
void hex_lower(const void *bytes, size_t n, char *out);
void hex_upper(const void *bytes, size_t n, char *out);

/* Reads 2 * n hex digits; false when text is not exactly that. */
bool hex_decode(struct str text, void *bytes, size_t n);

#endif
