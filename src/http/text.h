/*
 * Text from outside: UTF-8 and percent escapes.
 */
#ifndef TURNPIKE_HTTP_TEXT_H
#define TURNPIKE_HTTP_TEXT_H

#include "base/arena.h"

/* Bytes of the character at the start of s: 1 to 4; 0 when there is no valid one. As RFC 3629 has
 * it: no overlong forms, no surrogates, nothing above U+10FFFF. */
size_t text_char(struct str s);

/* True when all of s is valid UTF-8 and holds no NUL: text that databases and libraries take. */
bool text_is_valid(struct str s);

/* True when there is a byte below 0x20 or 0x7f in it. */
bool text_has_control(struct str s);

enum text_result { TEXT_OK, TEXT_MALFORMED, TEXT_NO_MEMORY };

/* Undoes %HH, and with plus_is_blank '+', into a NUL-terminated copy in the arena. Malformed: half
 * an escape, or a result that is not valid text. */
enum text_result text_unescape(
    struct str text, bool plus_is_blank, struct arena *a, struct str *out);

#endif
