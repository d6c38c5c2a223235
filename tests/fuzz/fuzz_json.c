/*
 * JSON bodies: what is read is printed and read again as the same, in the arena and on the heap;
 * and text of any bytes is written as a string that reads as that text.
 */
#include "fuzz.h"
#include "http/json.h"
#include "http/text.h"

#include <stdlib.h>

enum { ARENA_MAX = 8 << 20, WHY_SIZE = 160 };

static struct arena arena;
static struct buf written;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    arena_init(&arena, ARENA_MAX);
    buf_init(&written, 1 << 20);
    return 0;
}

/* "line N: " and a sentence, which repeats nothing of the text but the name of a key. */
static void check_reason(const char why[WHY_SIZE])
{
    size_t n = strnlen(why, WHY_SIZE);
    assert(n > 6 && n < WHY_SIZE && memcmp(why, "line ", 5) == 0);
    for (size_t i = 0; i < n; i++)
        assert(why[i] >= 0x20 && why[i] <= 0x7E);
}

/* Text of a number is plain digits: no exponent, and the number it was. */
static void check_scalar(const json_t *value)
{
    struct str text = STR_EMPTY;
    bool scalar = json_is_string(value) || json_is_number(value);
    if (!json_scalar_text(value, &arena, &text)) {
        assert(!scalar || json_is_real(value)); /* too many zeros, as a decimal */
        return;
    }
    assert(scalar && text.p[text.n] == '\0');
    if (!json_is_number(value))
        return;
    for (size_t i = 0; i < text.n; i++)
        assert((text.p[i] >= '0' && text.p[i] <= '9') || text.p[i] == '-' || text.p[i] == '.');
    assert(!json_is_real(value) || strtod(text.p, NULL) == json_real_value(value));
    assert(!json_is_integer(value) || strtoll(text.p, NULL, 10) == json_integer_value(value));
}

static size_t check_tree(const json_t *value)
{
    size_t deepest = 0;
    check_scalar(value);
    if (json_is_object(value)) {
        const char *name;
        json_t *member;
        json_object_foreach((json_t *)(uintptr_t)value, name, member)
        {
            size_t depth = check_tree(member) + 1;
            deepest = depth > deepest ? depth : deepest;
        }
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        size_t depth = check_tree(json_array_get(value, i)) + 1;
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest;
}

/* A number may have got a larger exponent than it had digits for: that alone reads differently. */
static void check_printed(const json_t *value)
{
    char why[WHY_SIZE];
    struct str text = json_print(value, &arena);
    assert(text.p != NULL && text_is_valid(text));
    json_t *same = json_read_into(&arena, text, why, sizeof why);
    if (same == NULL) {
        assert(strstr(why, "exponent") != NULL);
        return;
    }
    assert(json_equal(value, same));
    assert(str_eq(json_print(same, &arena), text));
}

static void check_string(struct str text)
{
    char why[WHY_SIZE];
    buf_reset(&written);
    json_write_string(&written, text);
    assert(!written.full);
    json_t *value = json_read_into(&arena, buf_view(&written), why, sizeof why);
    if (value == NULL) { /* a NUL is written as an escape, and refused by our own reader */
        assert(memchr(text.p, '\0', text.n) != NULL);
        return;
    }
    assert(json_is_string(value));
    struct str got = { json_string_value(value), json_string_length(value) };
    assert(text_is_valid(got) && (!text_is_valid(text) || str_eq(got, text)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    char why[WHY_SIZE] = "", why_again[WHY_SIZE] = "";
    json_t *value = json_read_into(&arena, text, why, sizeof why);
    json_t *on_heap = json_read(text, why_again, sizeof why_again);
    assert((value == NULL) == (on_heap == NULL));
    if (value == NULL) {
        check_reason(why);
        assert(strcmp(why, why_again) == 0);
    } else {
        assert(text_is_valid(text) && json_equal(value, on_heap));
        assert(check_tree(value) <= JSON_MAX_DEPTH);
        check_printed(value);
    }
    json_decref(on_heap);
    check_string(text);
    arena_reset(&arena);
    return 0;
}
