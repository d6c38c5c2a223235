/*
 * Form bodies and query strings: application/x-www-form-urlencoded and multipart/form-data.
 */
#ifndef TURNPIKE_HTTP_FORM_H
#define TURNPIKE_HTTP_FORM_H

#include "base/arena.h"

enum { FORM_MAX_FIELDS = 256 };

struct form_field {
    struct str name, value; /* decoded, in the arena */
};

struct form {
    struct form_field *fields;
    size_t n;
};

enum form_result {
    FORM_OK,
    FORM_MALFORMED, /* a bad %-escape, invalid UTF-8, a NUL, a broken frame, a file part */
    FORM_TOO_MANY,  /* more than FORM_MAX_FIELDS */
    FORM_NO_MEMORY
};

/* Decodes "a=b&c=%20d". Repeated names are kept in order; callers decide what they mean. */
enum form_result form_urlencoded(struct str text, struct arena *a, struct form *out);

/* Decodes a multipart/form-data body; content_type is the whole header with its boundary. */
enum form_result form_multipart(
    struct str body, struct str content_type, struct arena *a, struct form *out);

/* The first value of that name; the empty slice with p == NULL when there is none. */
struct str form_get(const struct form *f, const char *name);

/* True when a name stands in it more than once; that name in *which. */
bool form_repeated(const struct form *f, struct str *which);

#endif
