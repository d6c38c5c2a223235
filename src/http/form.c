#include "http/form.h"
#include "http/text.h"

#include <string.h>

enum { BOUNDARY_MAX = 70, PART_HEADER_MAX = 1024, PART_HEADERS_MAX = 8 };

static const enum form_result results[] = {
    [TEXT_OK] = FORM_OK,
    [TEXT_MALFORMED] = FORM_MALFORMED,
    [TEXT_NO_MEMORY] = FORM_NO_MEMORY,
};

static enum form_result decode_pair(struct str pair, struct arena *a, struct form_field *f)
{
    size_t equals = str_find(pair, '=');
    enum text_result result = text_unescape((struct str) { pair.p, equals }, true, a, &f->name);
    if (result == TEXT_OK)
        result = text_unescape(str_skip(pair, equals + 1), true, a, &f->value);
    return results[result];
}

enum form_result form_urlencoded(struct str text, struct arena *a, struct form *out)
{
    *out = (struct form) { 0 };
    size_t pairs = 0;
    struct str rest = text, pair;
    while (str_split(&rest, '&', &pair))
        pairs += pair.n > 0;
    if (pairs > FORM_MAX_FIELDS)
        return FORM_TOO_MANY;
    out->fields = arena_array(a, struct form_field, pairs);
    if (out->fields == NULL)
        return FORM_NO_MEMORY;
    rest = text;
    while (str_split(&rest, '&', &pair)) {
        if (pair.n == 0)
            continue;
        enum form_result result = decode_pair(pair, a, &out->fields[out->n]);
        if (result != FORM_OK)
            return result;
        out->n++;
    }
    return FORM_OK;
}

/*
 * multipart/form-data (RFC 7578 over RFC 2046 §5.1), the strict shape that every client sends:
 *
 *   --boundary CRLF (header CRLF)* CRLF value CRLF --boundary CRLF ... --boundary-- [CRLF]
 *
 * No preamble, no epilogue, no padding behind a boundary, no folded header. A part is one text
 * field: no file, no inner multipart, no encoding.
 */

/* A parameter such as name="x" or name=x. */
struct param {
    struct str name, value;
};

static bool is_token_char(char c)
{
    if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'))
        return true;
    return c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL;
}

static struct str take_token(struct str *rest)
{
    size_t n = 0;
    while (n < rest->n && is_token_char(rest->p[n]))
        n++;
    struct str token = { rest->p, n };
    *rest = str_skip(*rest, n);
    return token;
}

/* The text between quotes, with \" and \\ undone; the rest behind the closing quote. */
static enum form_result take_quoted(struct str *rest, struct arena *a, struct str *out)
{
    char *p = arena_alloc(a, rest->n + 1);
    if (p == NULL)
        return FORM_NO_MEMORY;
    size_t n = 0, i = 1;
    for (; i < rest->n && rest->p[i] != '"'; i++) {
        bool escapes = rest->p[i] == '\\' && i + 1 < rest->n &&
                       (rest->p[i + 1] == '"' || rest->p[i + 1] == '\\');
        i += escapes;
        p[n++] = rest->p[i];
    }
    if (i >= rest->n)
        return FORM_MALFORMED;
    *rest = str_skip(*rest, i + 1);
    *out = (struct str) { p, n };
    return FORM_OK;
}

/* The next "; name=value" of a header; FORM_OK with an empty name at its end. */
static enum form_result take_param(struct str *rest, struct arena *a, struct param *out)
{
    *out = (struct param) { 0 };
    *rest = str_trim(*rest);
    if (rest->n == 0)
        return FORM_OK;
    if (rest->p[0] != ';')
        return FORM_MALFORMED;
    *rest = str_trim(str_skip(*rest, 1));
    out->name = take_token(rest);
    if (out->name.n == 0 || rest->n == 0 || rest->p[0] != '=')
        return FORM_MALFORMED;
    *rest = str_skip(*rest, 1);
    if (rest->n > 0 && rest->p[0] == '"')
        return take_quoted(rest, a, &out->value);
    out->value = take_token(rest);
    return out->value.n > 0 ? FORM_OK : FORM_MALFORMED;
}

static bool is_boundary(struct str s)
{
    if (s.n == 0 || s.n > BOUNDARY_MAX || s.p[s.n - 1] == ' ')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (c == '\0' || (!alnum && strchr("'()+_,-./:=? ", c) == NULL))
            return false;
    }
    return true;
}

/* "\r\n--boundary": what stands before every delimiter but the first, which lacks the line break.
 * */
static enum form_result find_delimiter(struct str content_type, struct arena *a, struct str *out)
{
    struct str rest = content_type, boundary = STR_EMPTY, type;
    if (!str_split(&rest, ';', &type) || !str_eq_nocase(str_trim(type), STR("multipart/form-data")))
        return FORM_MALFORMED;
    rest = str_skip(content_type, type.n);
    for (;;) {
        struct param p;
        enum form_result result = take_param(&rest, a, &p);
        if (result != FORM_OK)
            return result;
        if (p.name.n == 0)
            break;
        if (!str_eq_nocase(p.name, STR("boundary")))
            continue;
        if (boundary.p != NULL || !is_boundary(p.value))
            return FORM_MALFORMED;
        boundary = p.value;
    }
    if (boundary.p == NULL)
        return FORM_MALFORMED;
    *out = arena_printf(a, "\r\n--%.*s", STR_ARG(boundary));
    return out->p != NULL ? FORM_OK : FORM_NO_MEMORY;
}

/* Takes `prefix` off *rest; false when it does not stand there. */
static bool take(struct str *rest, struct str prefix)
{
    if (!str_starts_with(*rest, prefix))
        return false;
    *rest = (struct str) { rest->p + prefix.n, rest->n - prefix.n };
    return true;
}

/* Takes what stands before `mark`, and the mark, off *rest. */
static bool take_until(struct str *rest, struct str mark, struct str *before)
{
    const char *at = rest->n > 0 ? memmem(rest->p, rest->n, mark.p, mark.n) : NULL;
    if (at == NULL)
        return false;
    *before = (struct str) { rest->p, (size_t)(at - rest->p) };
    *rest = (struct str) { at + mark.n, rest->n - before->n - mark.n };
    return true;
}

static enum form_result read_disposition(struct str value, struct arena *a, struct str *name)
{
    struct str type, rest = value;
    if (name->p != NULL || !str_split(&rest, ';', &type) ||
        !str_eq_nocase(str_trim(type), STR("form-data")))
        return FORM_MALFORMED;
    rest = str_skip(value, type.n);
    for (;;) {
        struct param p;
        enum form_result result = take_param(&rest, a, &p);
        if (result != FORM_OK || p.name.n == 0)
            return result;
        if (!str_eq_nocase(p.name, STR("name")) || name->p != NULL || !text_is_valid(p.value))
            return FORM_MALFORMED; /* filename and filename* among others: no files here */
        *name = arena_str(a, p.value);
        if (name->p == NULL)
            return FORM_NO_MEMORY;
    }
}

static bool is_plain_encoding(struct str value)
{
    return str_eq_nocase(value, STR("7bit")) || str_eq_nocase(value, STR("8bit")) ||
           str_eq_nocase(value, STR("binary"));
}

static enum form_result read_part_header(struct str line, struct arena *a, struct str *name)
{
    struct str rest = line, key;
    if (line.n > PART_HEADER_MAX || line.p[0] == ' ' || line.p[0] == '\t')
        return FORM_MALFORMED;
    key = take_token(&rest);
    if (key.n == 0 || !take(&rest, STR(":")))
        return FORM_MALFORMED;
    struct str value = str_trim(rest);
    if (str_eq_nocase(key, STR("Content-Disposition")))
        return read_disposition(value, a, name);
    bool multipart =
        value.n >= 10 && str_eq_nocase((struct str) { value.p, 10 }, STR("multipart/"));
    if (str_eq_nocase(key, STR("Content-Type")) && multipart)
        return FORM_MALFORMED;
    if (str_eq_nocase(key, STR("Content-Transfer-Encoding")) && !is_plain_encoding(value))
        return FORM_MALFORMED;
    return FORM_OK;
}

/* From behind a delimiter's line break to behind the next delimiter. */
static enum form_result read_part(
    struct str *rest, struct str delimiter, struct arena *a, struct form_field *f)
{
    struct str line, name = STR_EMPTY;
    for (size_t n = 0;; n++) {
        if (n > PART_HEADERS_MAX || !take_until(rest, STR("\r\n"), &line))
            return FORM_MALFORMED;
        if (line.n == 0)
            break;
        enum form_result result = read_part_header(line, a, &name);
        if (result != FORM_OK)
            return result;
    }
    struct str value;
    if (name.p == NULL)
        return FORM_MALFORMED;
    if (!take_until(rest, delimiter, &value) || !text_is_valid(value))
        return FORM_MALFORMED;
    f->name = name;
    f->value = arena_str(a, value);
    return f->value.p != NULL ? FORM_OK : FORM_NO_MEMORY;
}

enum form_result form_multipart(
    struct str body, struct str content_type, struct arena *a, struct form *out)
{
    *out = (struct form) { 0 };
    struct str delimiter, rest = body;
    enum form_result result = find_delimiter(content_type, a, &delimiter);
    if (result != FORM_OK)
        return result;
    if (!take(&rest, str_skip(delimiter, 2)))
        return FORM_MALFORMED;
    out->fields = arena_array(a, struct form_field, FORM_MAX_FIELDS);
    if (out->fields == NULL)
        return FORM_NO_MEMORY;
    while (!take(&rest, STR("--"))) {
        if (!take(&rest, STR("\r\n")))
            return FORM_MALFORMED;
        if (out->n == FORM_MAX_FIELDS)
            return FORM_TOO_MANY;
        result = read_part(&rest, delimiter, a, &out->fields[out->n]);
        if (result != FORM_OK)
            return result;
        out->n++;
    }
    return rest.n == 0 || str_eq(rest, STR("\r\n")) ? FORM_OK : FORM_MALFORMED;
}

struct str form_get(const struct form *f, const char *name)
{
    struct str wanted = str_of(name);
    for (size_t i = 0; i < f->n; i++)
        if (str_eq(f->fields[i].name, wanted))
            return f->fields[i].value;
    return STR_EMPTY;
}

bool form_repeated(const struct form *f, struct str *which)
{
    for (size_t i = 1; i < f->n; i++)
        for (size_t j = 0; j < i; j++)
            if (str_eq(f->fields[i].name, f->fields[j].name)) {
                *which = f->fields[i].name;
                return true;
            }
    return false;
}
