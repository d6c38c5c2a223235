/*
 * JSON bodies, read with jansson under stricter rules than its own.
 *
 * Refused: duplicate keys, nesting deeper than JSON_MAX_DEPTH, invalid UTF-8, NUL characters,
 * anything after the value, and numbers that could not be kept exactly: a number with a fraction or
 * an exponent of more than 15 significant digits or with an exponent outside -20..20, because
 * jansson keeps it as a double and money must not be rounded; a whole number beyond 64 bits.
 *
 * jansson's own memory is wiped when it is freed, as a body may hold card data.
 */
#ifndef TURNPIKE_HTTP_JSON_H
#define TURNPIKE_HTTP_JSON_H

#include "base/arena.h"
#include "base/buf.h"

#include <jansson.h>

enum { JSON_MAX_DEPTH = 16, JSON_MAX_DIGITS = 15, JSON_MAX_EXPONENT = 20 };

/* Any value, to be freed with json_decref; NULL with a sentence ("line 3: duplicate key
 * \"amount\"") in why. Never quotes values from the text. */
json_t *json_read(struct str text, char *why, size_t why_size);

/*
 * The same, in the arena: nothing to free, and the strings in it live as long as the arena does. Must
 * not be changed or given to json_decref after the arena is gone.
 */
json_t *json_read_into(struct arena *a, struct str text, char *why, size_t why_size);

/* A number or string value as text: a string's bytes; an integer's digits; a real in its shortest
 * exact decimal form ("12.5", "10" for 10.0). False for other kinds, and when the arena is full. */
bool json_scalar_text(const json_t *value, struct arena *a, struct str *out);

/*
 * value as text, in the arena; the empty slice without room. In place of json_dumps, whose text
 * must not be given to free: jansson's memory is our own (json.c).
 */
struct str json_print(const json_t *value, struct arena *a);

/* Appends text as a JSON string with quotes and escapes; bytes that are not UTF-8 become U+FFFD. */
void json_write_string(struct buf *out, struct str text);

#endif
