/*
 * A message for people, its DE 48, and the names of things.
 *
 * What is printed goes to logs, so it is chosen by what may be shown, not by what must be hidden:
 * an element without a row in the table, a part of DE 48 that is not listed here or cannot be
 * read, is "***". A card number that stands in free text is masked as the last net, this
 * message's own PAN even inside a longer run of digits.
 */
#include "base/log.h"
#include "iso8583/table.h"

#include <assert.h>
#include <string.h>

static const char hidden[] = "***";

/* Sub-elements of DE 48 that may be shown; not the authentication value (43) and the CVV (92). */
static const char shown_tags[][3] = { "42", "66", "83", "84", "87" };

static void print_element(
    const struct iso_message *m, const struct iso_element *e, int de, struct buf *out);
static void print_pan(struct str pan, struct buf *out);
static void print_de48(struct str de48, struct buf *out);
static void hide(struct str pan, char *text, size_t n);
static bool tag_is_shown(struct str id);
static void print_free_text(struct str text, struct buf *out);
static void print_text(struct str text, struct buf *out);
static void print_hex(struct str bytes, struct buf *out);
static bool de48_next(struct str *rest, struct str *id, struct str *value);

void iso_print(const struct iso_message *m, struct buf *out)
{
    static const struct iso_element no_row;
    const struct iso_element *table = iso_table(m->mti);
    print_text((struct str) { m->mti, strnlen(m->mti, 4) }, out);
    for (int de = 2; de <= ISO_MAX_DE; de++) {
        if (iso_has(m, de))
            print_element(m, table != NULL ? &table[de] : &no_row, de, out);
    }
}

static void print_element(
    const struct iso_message *m, const struct iso_element *e, int de, struct buf *out)
{
    struct str value = m->field[de];
    buf_printf(out, " %d=", de);
    size_t start = out->n;
    if (e->kind == ISO_KIND_NONE)
        buf_str(out, str_of(hidden));
    else if (de == 2)
        print_pan(value, out);
    else if (de == 48)
        print_de48(value, out);
    else if (e->kind == ISO_KIND_B)
        print_hex(value, out);
    else if (e->kind == ISO_KIND_N || e->kind == ISO_KIND_XN)
        print_text(value, out);
    else
        print_free_text(value, out);
    if (out->n > start)
        hide(iso_get(m, 2), out->p + start, out->n - start);
}

/* The first six and last four, when that leaves at least three hidden. */
static void print_pan(struct str pan, struct buf *out)
{
    size_t shown = pan.n >= 13 ? 10 : 0;
    if (shown != 0)
        print_text((struct str) { pan.p, 6 }, out);
    for (size_t i = shown; i < pan.n; i++)
        buf_byte(out, '*');
    if (shown != 0)
        print_text(str_skip(pan, pan.n - 4), out);
}

static void print_de48(struct str de48, struct buf *out)
{
    struct str rest = de48, id, value;
    if (rest.n > 0 && rest.p[0] == 'T') {
        buf_byte(out, 'T');
        rest = str_skip(rest, 1);
        while (de48_next(&rest, &id, &value)) {
            buf_printf(out, "%.*s%02zu", STR_ARG(id), value.n);
            if (tag_is_shown(id))
                print_free_text(value, out);
            else
                buf_str(out, str_of(hidden));
        }
    }
    if (rest.n > 0)
        buf_str(out, str_of(hidden));
}

static bool tag_is_shown(struct str id)
{
    for (size_t i = 0; i < COUNT(shown_tags); i++) {
        if (str_eq(id, str_of(shown_tags[i])))
            return true;
    }
    return false;
}

/* The message's own card number, wherever it stands whole. */
static void hide(struct str pan, char *text, size_t n)
{
    for (size_t i = 0; pan.n >= 8 && i + pan.n <= n; i++) {
        if (memcmp(text + i, pan.p, pan.n) == 0)
            memset(text + i, '*', pan.n);
    }
}

/* Not for amounts and references of digits only: one in ten of them passes the check for a card. */
static void print_free_text(struct str text, struct buf *out)
{
    size_t start = out->n;
    print_text(text, out);
    if (out->n > start)
        log_mask_pans(out->p + start, out->n - start);
}

/* One line stays one line, whatever a message set by hand may hold. */
static void print_text(struct str text, struct buf *out)
{
    char *at = buf_reserve(out, text.n);
    if (at == NULL)
        return;
    for (size_t i = 0; i < text.n; i++)
        at[i] = text.p[i] >= 0x20 && text.p[i] <= 0x7E ? text.p[i] : '?';
    out->n += text.n;
}

static void print_hex(struct str bytes, struct buf *out)
{
    char *at = buf_reserve(out, 2 * bytes.n);
    if (at == NULL)
        return;
    hex_upper(bytes.p, bytes.n, at);
    out->n += 2 * bytes.n;
}

/* ---- DE 48 ---- */

struct str iso_de48_get(struct str de48, const char id[2])
{
    struct str rest = str_skip(de48, 1), at, value;
    while (de48_next(&rest, &at, &value)) {
        if (memcmp(at.p, id, 2) == 0)
            return value;
    }
    return STR_EMPTY;
}

void iso_de48_add(struct buf *b, const char id[2], struct str value)
{
    assert(value.n <= 99);
    buf_printf(b, "%.2s%02zu", id, value.n);
    buf_str(b, value);
}

/*
 * Takes one sub-element off *rest; false, and *rest untouched, at its end and where it is not
 * well formed.
 */
static bool de48_next(struct str *rest, struct str *id, struct str *value)
{
    uint64_t n = 0;
    if (rest->n < 4 || !str_is_digits((struct str) { rest->p, 2 }) ||
        !str_to_u64((struct str) { rest->p + 2, 2 }, 99, &n) || n > rest->n - 4)
        return false;
    *id = (struct str) { rest->p, 2 };
    *value = (struct str) { rest->p + 4, (size_t)n };
    *rest = str_skip(*rest, 4 + (size_t)n);
    return true;
}

/* ---- names ---- */

struct name {
    const char *text;
    int value;
};

static const struct name profiles[] = {
    { "a", ISO_PROFILE_A },
    { "h", ISO_PROFILE_H },
    { "b", ISO_PROFILE_B },
};

static const struct name framings[] = {
    { "bin2", ISO_FRAME_BIN2 },
    { "bcd2", ISO_FRAME_BCD2 },
    { "ascii4", ISO_FRAME_ASCII4 },
    { "bin4", ISO_FRAME_BIN4 },
    { "bin2r2", ISO_FRAME_BIN2_RESERVED2 },
};

static const struct name mac_kinds[] = {
    { "none", ISO_MAC_NONE },
    { "retail", ISO_MAC_RETAIL_PAD1 },
    { "retail2", ISO_MAC_RETAIL_PAD2 },
    { "cmac", ISO_MAC_CMAC },
};

static const char *const result_texts[] = {
    [ISO_OK] = "ok",
    [ISO_SHORT] = "the bytes end before the message does",
    [ISO_BAD_MTI] = "the MTI is not four digits of a known version",
    [ISO_BAD_BITMAP] = "the bitmap is not hexadecimal, or bit 65 is set",
    [ISO_UNKNOWN_DE] = "an element that this link does not speak",
    [ISO_BAD_LENGTH] = "an element of a wrong length",
    [ISO_BAD_CONTENT] = "a character that the element may not hold",
    [ISO_TRAILING] = "bytes left over after the last element",
    [ISO_EMPTY] = "no element at all",
    [ISO_NO_ROOM] = "no room for the message",
    [ISO_NO_MAC] = "the MAC could not be computed",
};

const char *iso_result_text(enum iso_result r)
{
    assert((size_t)r < COUNT(result_texts));
    return result_texts[r];
}

static bool name_find(const struct name *names, size_t count, struct str text, int *value)
{
    for (size_t i = 0; i < count; i++) {
        if (str_eq(text, str_of(names[i].text))) {
            *value = names[i].value;
            return true;
        }
    }
    return false;
}

bool iso_profile_of(struct str name, enum iso_profile *out)
{
    int value;
    if (!name_find(profiles, COUNT(profiles), name, &value))
        return false;
    *out = (enum iso_profile)value;
    return true;
}

bool iso_framing_of(struct str name, enum iso_framing *out)
{
    int value;
    if (!name_find(framings, COUNT(framings), name, &value))
        return false;
    *out = (enum iso_framing)value;
    return true;
}

bool iso_mac_kind_of(struct str name, enum iso_mac_kind *out)
{
    int value;
    if (!name_find(mac_kinds, COUNT(mac_kinds), name, &value))
        return false;
    *out = (enum iso_mac_kind)value;
    return true;
}
