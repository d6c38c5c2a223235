/*
 * Form bodies: what is read is valid text, and written down again in either encoding it reads as
 * the same fields.
 *
 * The first byte picks: 'u' a query string, 'm' multipart with the boundary "b", 'c' multipart with
 * the Content-Type in the first line.
 */
#include "fuzz.h"
#include "http/form.h"
#include "http/text.h"

enum { FEW = 24 };

static struct arena arena;
static struct buf written;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    arena_init(&arena, 16 << 20);
    buf_init(&written, 4 << 20);
    return 0;
}

/* form_get gives the first of a name, so some field is not given exactly when a name repeats. */
static void check_names(const struct form *f)
{
    struct str which = STR_EMPTY;
    bool repeated = false;
    for (size_t i = 0; i < f->n; i++)
        repeated = repeated || form_get(f, f->fields[i].name.p).p != f->fields[i].value.p;
    assert(form_repeated(f, &which) == repeated);
}

static void check_fields(const struct form *f)
{
    assert(f->n <= FORM_MAX_FIELDS);
    for (size_t i = 0; i < f->n; i++) {
        struct str name = f->fields[i].name, value = f->fields[i].value;
        assert(text_is_valid(name) && name.p[name.n] == '\0');
        assert(text_is_valid(value) && value.p[value.n] == '\0');
    }
    if (f->n <= FEW) /* each of them looks at each */
        check_names(f);
}

static void assert_same(const struct form *a, const struct form *b)
{
    assert(a->n == b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert(str_eq(a->fields[i].name, b->fields[i].name));
        assert(str_eq(a->fields[i].value, b->fields[i].value));
    }
}

static void write_escaped(struct str text)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i], digits[2];
        bool plain = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
        if (plain || c == ' ') {
            buf_byte(&written, plain ? c : '+');
            continue;
        }
        hex_upper(&c, 1, digits);
        buf_byte(&written, '%');
        buf_add(&written, digits, sizeof digits);
    }
}

static void check_urlencoded(const struct form *f)
{
    struct form same;
    buf_reset(&written);
    for (size_t i = 0; i < f->n; i++) {
        buf_str(&written, i == 0 ? STR("") : STR("&"));
        write_escaped(f->fields[i].name);
        buf_byte(&written, '=');
        write_escaped(f->fields[i].value);
    }
    assert(!written.full);
    assert(form_urlencoded(buf_view(&written), &arena, &same) == FORM_OK);
    assert_same(f, &same);
}

/* False when a name does not fit into a header line, or a value would end its part. */
static bool write_part(const struct form_field *f)
{
    struct str line_break = STR("\r\n");
    if (f->name.n > 400 || holds_text(f->name, line_break) ||
        holds_text(f->value, STR("\r\n--a-boundary")))
        return false;
    buf_str(&written, STR("--a-boundary\r\nContent-Disposition: form-data; name=\""));
    for (size_t i = 0; i < f->name.n; i++) {
        if (f->name.p[i] == '"' || f->name.p[i] == '\\')
            buf_byte(&written, '\\');
        buf_byte(&written, f->name.p[i]);
    }
    buf_str(&written, STR("\"\r\n\r\n"));
    buf_str(&written, f->value);
    buf_str(&written, line_break);
    return true;
}

static void check_multipart(const struct form *f)
{
    struct form same;
    buf_reset(&written);
    for (size_t i = 0; i < f->n; i++)
        if (!write_part(&f->fields[i]))
            return;
    buf_str(&written, STR("--a-boundary--"));
    assert(!written.full);
    assert(form_multipart(buf_view(&written), STR("Multipart/Form-Data; boundary=\"a-boundary\""),
               &arena, &same) == FORM_OK);
    assert_same(f, &same);
}

static enum form_result read_form(struct input *in, struct form *f)
{
    uint8_t pick = input_byte(in);
    struct str body = input_rest(in), type = STR("multipart/form-data; boundary=b");
    if (pick == 'u')
        return form_urlencoded(body, &arena, f);
    if (pick != 'm') {
        type = (struct str) { body.p, str_find(body, '\n') };
        body = str_skip(body, type.n + 1);
    }
    return form_multipart(body, type, &arena, f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    struct form f;
    enum form_result result = read_form(&in, &f);
    assert(result != FORM_NO_MEMORY || size > 100000);
    if (result == FORM_OK) {
        check_fields(&f);
        check_urlencoded(&f);
        if (f.n > 0)
            check_multipart(&f);
    }
    arena_reset(&arena);
    return 0;
}
