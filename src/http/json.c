#include "http/json.h"
#include "http/text.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_QUOTED_MAX = 40, KEY_DIGITS_MAX = 6 };

/* One look at the text before jansson sees it, for the rules that jansson does not have. */
struct scan {
    const char *at, *end;
    size_t line, depth;
    const char *fault; /* NULL: none yet */
};

/* What the client is told for each of jansson's errors; its own texts quote the input. */
static const struct {
    enum json_error_code code;
    const char *sentence;
} errors[] = {
    { json_error_out_of_memory, "out of memory" },
    { json_error_invalid_utf8, "invalid UTF-8" },
    { json_error_premature_end_of_input, "the text ends too early" },
    { json_error_end_of_input_expected, "something follows the value" },
    { json_error_null_character, "a NUL character" },
    { json_error_null_byte_in_key, "a NUL character" },
    { json_error_numeric_overflow, "a number is out of range" },
    { json_error_stack_overflow, "nested too deep" },
};

/*
 * jansson allocates for every value. While a body is read into an arena its memory comes from there,
 * and a free does nothing: the arena wipes it all in the end. Elsewhere it is the heap's, wiped
 * when it is freed. A block knows which it is.
 */
struct block {
    _Alignas(max_align_t) size_t size;
    bool in_arena;
    _Alignas(max_align_t) char bytes[];
};

static _Thread_local struct arena *reading_into;

static void *take(size_t n)
{
    if (n > SIZE_MAX - sizeof(struct block))
        return NULL;
    struct block *b =
        reading_into != NULL ? arena_alloc_raw(reading_into, sizeof *b + n) : malloc(sizeof *b + n);
    if (b == NULL)
        return NULL;
    b->size = n;
    b->in_arena = reading_into != NULL;
    return b->bytes;
}

static void give_back(void *p)
{
    if (p == NULL)
        return;
    struct block *b = (struct block *)((char *)p - offsetof(struct block, bytes));
    if (b->in_arena)
        return;
    sodium_memzero(b->bytes, b->size);
    free(b);
}

/* Before anything else runs: a value must be freed by the functions that made it. */
__attribute__((constructor)) static void use_own_memory(void)
{
    json_set_alloc_funcs(take, give_back);
}

static bool is_number_char(char c)
{
    return (c >= '0' && c <= '9') || c == '-' || c == '+' || c == '.' || c == 'e' || c == 'E';
}

/* The exponent after 'e', held at a value that is out of range when there are too many digits. */
static long exponent_of(struct str digits)
{
    bool negative = digits.n > 0 && digits.p[0] == '-';
    if (digits.n > 0 && (digits.p[0] == '-' || digits.p[0] == '+'))
        digits = str_skip(digits, 1);
    long value = 0;
    for (size_t i = 0; i < digits.n && value <= JSON_MAX_EXPONENT; i++)
        if (digits.p[i] >= '0' && digits.p[i] <= '9')
            value = value * 10 + (digits.p[i] - '0');
    return negative ? -value : value;
}

/* Digits from the first to the last that is not zero; jansson holds the token to the grammar. */
static size_t significant_digits(struct str mantissa)
{
    size_t counted = 0, zeros = 0;
    for (size_t i = 0; i < mantissa.n; i++) {
        char c = mantissa.p[i];
        if (c == '0') {
            zeros += counted > 0;
        } else if (c >= '1' && c <= '9') {
            counted += zeros + 1;
            zeros = 0;
        }
    }
    return counted;
}

static void scan_number(struct scan *s)
{
    const char *start = s->at;
    bool whole = true;
    const char *e = NULL;
    for (; s->at < s->end && is_number_char(*s->at); s->at++) {
        bool is_e = *s->at == 'e' || *s->at == 'E';
        whole = whole && !is_e && *s->at != '.';
        if (is_e && e == NULL)
            e = s->at;
    }
    if (whole)
        return;
    const char *mantissa_end = e != NULL ? e : s->at;
    if (significant_digits((struct str) { start, (size_t)(mantissa_end - start) }) >
        JSON_MAX_DIGITS)
        s->fault = "a number has too many digits";
    if (e == NULL)
        return;
    long exponent = exponent_of((struct str) { e + 1, (size_t)(s->at - e - 1) });
    if (exponent < -JSON_MAX_EXPONENT || exponent > JSON_MAX_EXPONENT)
        s->fault = "a number has too large an exponent";
}

/* From the opening quote to behind the closing one. An unfinished string is left to jansson. */
static void scan_string(struct scan *s)
{
    s->at++;
    while (s->at < s->end && *s->at != '"') {
        if ((unsigned char)*s->at < 0x20) {
            s->fault = *s->at == '\0' ? "a NUL character" : "a control character in a string";
            return;
        }
        if (*s->at == '\\' && s->at + 1 < s->end && (unsigned char)s->at[1] >= 0x20)
            s->at++;
        s->at++;
    }
    if (s->at < s->end)
        s->at++;
}

static void scan_text(struct scan *s)
{
    while (s->at < s->end && s->fault == NULL) {
        char c = *s->at;
        if (c == '"') {
            scan_string(s);
            continue;
        }
        if (is_number_char(c)) {
            scan_number(s); /* a word such as true has an 'e' in it, which is no number to anyone */
            continue;
        }
        s->line += c == '\n';
        if (c == '\0')
            s->fault = "a NUL character";
        if ((c == '{' || c == '[') && ++s->depth > JSON_MAX_DEPTH)
            s->fault = "nested too deep";
        if ((c == '}' || c == ']') && s->depth > 0)
            s->depth--;
        s->at++;
    }
}

/* The key whose closing quote is the byte before end, when it is a plain word that is safe to
 * repeat. */
static struct str quotable_key(struct str text, size_t end)
{
    if (end < 2 || end > text.n || text.p[end - 1] != '"')
        return STR_EMPTY;
    size_t start = end - 1, digits = 0;
    while (start > 0 && text.p[start - 1] != '"') {
        char c = text.p[start - 1];
        bool digit = c >= '0' && c <= '9';
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '-';
        digits += digit;
        if ((!digit && !letter) || digits > KEY_DIGITS_MAX || end - start > KEY_QUOTED_MAX)
            return STR_EMPTY;
        start--;
    }
    return (struct str) { text.p + start, end - 1 - start };
}

static void explain(struct str text, const json_error_t *error, char *why, size_t why_size)
{
    enum json_error_code code = json_error_code(error);
    if (code == json_error_duplicate_key) {
        struct str key = quotable_key(text, (size_t)error->position);
        const char *quote = key.n > 0 ? "\"" : "";
        (void)snprintf(why, why_size, "line %d: duplicate key%s%s%.*s%s", error->line,
            key.n > 0 ? " " : "", quote, STR_ARG(key), quote);
        return;
    }
    const char *sentence = "not valid JSON";
    for (size_t i = 0; i < COUNT(errors); i++)
        if (errors[i].code == code)
            sentence = errors[i].sentence;
    (void)snprintf(why, why_size, "line %d: %s", error->line, sentence);
}

json_t *json_read(struct str text, char *why, size_t why_size)
{
    struct scan s = { .at = text.p, .end = text.p + text.n, .line = 1 };
    scan_text(&s);
    if (s.fault != NULL) {
        (void)snprintf(why, why_size, "line %zu: %s", s.line, s.fault);
        return NULL;
    }
    json_error_t error;
    json_t *value = json_loadb(
        text.n > 0 ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        explain(text, &error, why, why_size);
        sodium_memzero(&error, sizeof error); /* its text quotes the input */
    }
    return value;
}

json_t *json_read_into(struct arena *a, struct str text, char *why, size_t why_size)
{
    reading_into = a;
    json_t *value = json_read(text, why, why_size);
    reading_into = NULL;
    return value;
}

/* Digits d.ddd x 10^exponent without an exponent; no room when it would need more zeros than there
 * are. */
static struct str plain_decimal(bool negative, struct str digits, long exponent, struct arena *a)
{
    static const char zeros[] = "0000000000000000000000000000000000000000";
    const long zeros_max = (long)sizeof zeros - 1;
    const char *sign = negative ? "-" : "";
    long point = exponent + 1,
         shown = (long)digits.n; /* digits before the decimal point, and in all */
    if (point > zeros_max || point < -zeros_max)
        return STR_EMPTY;
    if (point <= 0)
        return arena_printf(a, "%s0.%.*s%.*s", sign, (int)-point, zeros, STR_ARG(digits));
    if (point >= shown)
        return arena_printf(a, "%s%.*s%.*s", sign, STR_ARG(digits), (int)(point - shown), zeros);
    return arena_printf(
        a, "%s%.*s.%.*s", sign, (int)point, digits.p, (int)(shown - point), digits.p + point);
}

/* Fifteen digits bring back every number that json_read accepts; the zeros at their end say
 * nothing. */
static struct str real_text(double value, struct arena *a)
{
    char printed[40];
    int length = snprintf(printed, sizeof printed, "%.*e", JSON_MAX_DIGITS - 1, value);
    assert(length > JSON_MAX_DIGITS && (size_t)length < sizeof printed);
    char digits[JSON_MAX_DIGITS];
    size_t n = 0;
    const char *at = printed;
    for (; *at != 'e' && *at != '\0'; at++)
        if (*at >= '0' && *at <= '9' && n < sizeof digits)
            digits[n++] = *at;
    assert(*at == 'e' && n == sizeof digits); /* jansson has neither infinity nor NaN */
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (value == 0)
        return arena_str(a, STR("0"));
    return plain_decimal(value < 0, (struct str) { digits, n }, strtol(at + 1, NULL, 10), a);
}

bool json_scalar_text(const json_t *value, struct arena *a, struct str *out)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        *out = arena_str(a, (struct str) { json_string_value(value), json_string_length(value) });
        break;
    case JSON_INTEGER:
        *out = arena_printf(a, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL:
        *out = real_text(json_real_value(value), a);
        break;
    default:
        return false;
    }
    return out->p != NULL;
}

struct str json_print(const json_t *value, struct arena *a)
{
    char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT | JSON_PRESERVE_ORDER |
                                       JSON_REAL_PRECISION(JSON_MAX_DIGITS));
    struct str printed = text != NULL ? arena_str(a, str_of(text)) : STR_EMPTY;
    give_back(text);
    return printed;
}

static const char *short_escape(char c)
{
    switch (c) {
    case '"':
        return "\\\"";
    case '\\':
        return "\\\\";
    case '\b':
        return "\\b";
    case '\f':
        return "\\f";
    case '\n':
        return "\\n";
    case '\r':
        return "\\r";
    case '\t':
        return "\\t";
    default:
        return NULL;
    }
}

static bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f && c != '"' && c != '\\';
}

static void write_special(struct buf *out, struct str *text)
{
    size_t n = text_char(*text);
    if (n == 0) {
        buf_str(out, STR("\\ufffd"));
        *text = str_skip(*text, 1);
        return;
    }
    const char *escape = n == 1 ? short_escape(text->p[0]) : NULL;
    if (escape != NULL)
        buf_str(out, str_of(escape));
    else if (n == 1)
        buf_printf(out, "\\u%04x", (unsigned)(unsigned char)text->p[0]);
    else
        buf_add(out, text->p, n);
    *text = str_skip(*text, n);
}

void json_write_string(struct buf *out, struct str text)
{
    buf_byte(out, '"');
    while (text.n > 0) {
        size_t plain = 0;
        while (plain < text.n && is_plain(text.p[plain]))
            plain++;
        buf_add(out, text.p, plain);
        text = str_skip(text, plain);
        if (text.n > 0)
            write_special(out, &text);
    }
    buf_byte(out, '"');
}
