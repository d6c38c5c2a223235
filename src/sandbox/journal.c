#include "sandbox/journal.h"
#include "base/buf.h"
#include "base/log.h"
#include "base/money.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    LINE_MAX_BYTES = 1024,
    LINE_TYPICAL_BYTES = 300,
    EXPECTED_MAX = 1 << 26,
    READ_BYTES = 1 << 20,
    PENDING_MAX = 32 << 20
};

struct journal {
    int fd;
    struct buf pending;
    off_t written; /* whole lines in the file */
    bool lost;
};

enum field_kind {
    FIELD_SLICE, /* struct str, at most size bytes */
    FIELD_CHARS, /* char array of that size with its NUL */
    FIELD_I64,
    FIELD_U32,
    FIELD_U16,
    FIELD_EFFECT,
    FIELD_DELIVERY
};

struct field {
    const char *name;
    uint8_t name_size;
    uint8_t kind, size;
    size_t offset;
};

#define FIELD(name, kind, size, member)                                                            \
    {                                                                                              \
        name "=", sizeof name, (kind), (size), offsetof(struct exchange, member)                   \
    }

/*
 * The longest line is below LINE_MAX_BYTES: slices and texts have 214 bytes, at most three each when
 * escaped, numbers 60, names and spaces 130.
 */
static const struct field fields[] = {
    FIELD("t", FIELD_I64, 0, at_ms),
    FIELD("mti", FIELD_CHARS, 5, mti),
    FIELD("pan", FIELD_SLICE, EXCHANGE_PAN_MAX, pan),
    FIELD("proc", FIELD_SLICE, 6, processing),
    FIELD("amount", FIELD_I64, 0, amount),
    FIELD("cur", FIELD_U16, 0, currency),
    FIELD("stan", FIELD_SLICE, 6, stan),
    FIELD("de7", FIELD_SLICE, 10, sent),
    FIELD("acq", FIELD_SLICE, 11, acquirer),
    FIELD("tid", FIELD_SLICE, 8, terminal),
    FIELD("mid", FIELD_SLICE, 15, merchant),
    FIELD("rrn", FIELD_SLICE, 12, rrn),
    FIELD("ref", FIELD_SLICE, EXCHANGE_REFERENCE_MAX, reference),
    FIELD("orig", FIELD_SLICE, 42, original),
    FIELD("net", FIELD_CHARS, 4, network),
    FIELD("de39", FIELD_CHARS, 3, de39),
    FIELD("auth", FIELD_CHARS, 7, authcode),
    FIELD("cvr", FIELD_CHARS, 2, cvv_result),
    FIELD("day", FIELD_U32, 0, day),
    FIELD("kept", FIELD_I64, 0, kept),
    FIELD("effect", FIELD_EFFECT, 0, effect),
    FIELD("sent", FIELD_DELIVERY, 0, delivery),
};

static const char *const effect_names[EFFECT_COUNT] = {
    [EFFECT_SKIP] = "skip",
    [EFFECT_NONE] = "none",
    [EFFECT_HOLD] = "hold",
    [EFFECT_SALE] = "sale",
    [EFFECT_CAPTURE] = "capture",
    [EFFECT_REFUND] = "refund",
    [EFFECT_REVERSE] = "reverse",
    [EFFECT_RELEASE] = "release",
    [EFFECT_UNSEEN] = "unseen",
    [EFFECT_RETRY] = "retry",
    [EFFECT_REPEAT] = "repeat",
    [EFFECT_CUTOVER] = "cutover",
};

static const char *const delivery_names[DELIVERY_COUNT] = {
    [DELIVERY_ANSWER] = "answer",
    [DELIVERY_SILENT] = "silent",
    [DELIVERY_LATE] = "late",
    [DELIVERY_TWICE] = "twice",
    [DELIVERY_CLOSE] = "close",
    [DELIVERY_WRONG_MAC] = "wrong_mac",
    [DELIVERY_OTHER_AMOUNT] = "other_amount",
    [DELIVERY_ODD_FIELDS] = "odd_fields",
    [DELIVERY_GARBAGE] = "garbage",
};

/* ---- writing ---- */

static char *write_bytes(char *at, const char *text, size_t n)
{
    memcpy(at, text, n);
    return at + n;
}

static char *write_number(char *at, uint64_t value)
{
    char digits[20];
    size_t from = sizeof digits;
    do {
        digits[--from] = (char)('0' + value % 10);
        value /= 10;
    } while (value != 0);
    return write_bytes(at, digits + from, sizeof digits - from);
}

static bool is_plain(char c)
{
    return c > ' ' && c < 0x7F && c != '%';
}

static char *write_text(char *at, struct str text)
{
    if (text.n == 0) {
        *at++ = '-';
        return at;
    }
    bool dash = text.n == 1 && text.p[0] == '-';
    for (size_t i = 0; i < text.n; i++) {
        if (is_plain(text.p[i]) && !dash) {
            *at++ = text.p[i];
            continue;
        }
        *at++ = '%';
        hex_upper(text.p + i, 1, at);
        at += 2;
    }
    return at;
}

static char *write_value(char *at, const struct field *f, const struct exchange *x)
{
    const void *member = (const char *)x + f->offset;
    switch ((enum field_kind)f->kind) {
    case FIELD_SLICE:
        assert(((const struct str *)member)->n <= f->size);
        return write_text(at, *(const struct str *)member);
    case FIELD_CHARS:
        return write_text(at, str_of(member));
    case FIELD_I64:
        return write_number(at, (uint64_t) * (const int64_t *)member);
    case FIELD_U32:
        return write_number(at, *(const uint32_t *)member);
    case FIELD_U16:
        return write_number(at, *(const uint16_t *)member);
    case FIELD_EFFECT:
        return write_text(at, str_of(effect_names[x->effect]));
    case FIELD_DELIVERY:
        return write_text(at, str_of(delivery_names[x->delivery]));
    }
    return at;
}

void journal_append(struct journal *j, const struct exchange *x)
{
    assert(x->at_ms >= 0 && x->amount >= 0 && x->kept >= 0);
    char *start = buf_reserve(&j->pending, LINE_MAX_BYTES), *at = start;
    if (start == NULL) {
        j->lost = true;
        return;
    }
    for (size_t i = 0; i < COUNT(fields); i++) {
        at = write_bytes(at, fields[i].name, fields[i].name_size);
        at = write_value(at, &fields[i], x);
        *at++ = i + 1 == COUNT(fields) ? '\n' : ' ';
    }
    assert(at - start <= LINE_MAX_BYTES);
    j->pending.n += (size_t)(at - start);
}

bool journal_flush(struct journal *j)
{
    struct str left = buf_view(&j->pending);
    while (left.n > 0 && !j->lost) {
        ssize_t n = write(j->fd, left.p, left.n);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            log_event(LOG_ERROR, "host.journal", "error=\"%s\"", strerror(errno));
            j->lost = true;
            break;
        }
        left = str_skip(left, (size_t)n);
    }
    if (j->lost) {
        /* What was written of these lines is not answered for: take it back. */
        if (ftruncate(j->fd, j->written) != 0)
            log_event(LOG_ERROR, "host.journal", "error=\"%s\"", strerror(errno));
        return false;
    }
    j->written += (off_t)j->pending.n;
    buf_reset(&j->pending);
    return true;
}

/* ---- reading ---- */

struct line {
    const char *at, *end;
    char *spare, *spare_end; /* room for texts that were escaped */
    bool escaped;            /* there is a % in it */
};

static bool read_number(struct str text, uint64_t max, uint64_t *out)
{
    uint64_t value = 0;
    if (text.n == 0 || text.n > 19)
        return false;
    for (size_t i = 0; i < text.n; i++) {
        unsigned digit = (unsigned)(text.p[i] - '0');
        if (digit > 9)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return value <= max;
}

static bool unescape(struct line *l, struct str *text)
{
    char *out = l->spare;
    for (size_t i = 0; i < text->n; i++) {
        if (l->spare == l->spare_end)
            return false;
        if (text->p[i] != '%')
            *l->spare++ = text->p[i];
        else if (text->n - i < 3 || !hex_decode((struct str) { text->p + i + 1, 2 }, l->spare++, 1))
            return false;
        else
            i += 2;
    }
    *text = (struct str) { out, (size_t)(l->spare - out) };
    return true;
}

static bool read_text(struct line *l, struct str *text)
{
    if (text->n == 0)
        return false;
    if (text->n == 1 && text->p[0] == '-') {
        *text = STR_EMPTY;
        return true;
    }
    return !l->escaped || unescape(l, text);
}

static bool read_name(struct str text, const char *const *names, size_t n, unsigned *out)
{
    for (unsigned i = 0; i < n; i++) {
        if (str_eq(text, str_of(names[i]))) {
            *out = i;
            return true;
        }
    }
    return false;
}

static bool read_value(struct line *l, const struct field *f, struct str text, struct exchange *x)
{
    void *member = (char *)x + f->offset;
    uint64_t number = 0;
    unsigned name = 0;
    switch ((enum field_kind)f->kind) {
    case FIELD_SLICE:
        if (!read_text(l, &text) || text.n > f->size)
            return false;
        *(struct str *)member = text;
        return true;
    case FIELD_CHARS:
        return read_text(l, &text) && str_copy(member, f->size, text);
    case FIELD_I64:
        if (!read_number(text, INT64_MAX / 1000, &number))
            return false;
        *(int64_t *)member = (int64_t)number;
        return true;
    case FIELD_U32:
        if (!read_number(text, UINT32_MAX, &number))
            return false;
        *(uint32_t *)member = (uint32_t)number;
        return true;
    case FIELD_U16:
        if (!read_number(text, 999, &number))
            return false;
        *(uint16_t *)member = (uint16_t)number;
        return true;
    case FIELD_EFFECT:
        if (!read_name(text, effect_names, EFFECT_COUNT, &name))
            return false;
        x->effect = (enum effect)name;
        return true;
    case FIELD_DELIVERY:
        if (!read_name(text, delivery_names, DELIVERY_COUNT, &name))
            return false;
        x->delivery = (enum delivery)name;
        return true;
    }
    return false;
}

/* Takes "name=value" and the space behind it; the last value ends with the line. */
static bool take_value(struct line *l, const struct field *f, bool last, struct str *value)
{
    size_t left = (size_t)(l->end - l->at);
    if (left < f->name_size || memcmp(l->at, f->name, f->name_size) != 0)
        return false;
    value->p = l->at + f->name_size;
    const char *space = memchr(value->p, ' ', left - f->name_size);
    const char *end = space == NULL ? l->end : space;
    value->n = (size_t)(end - value->p);
    l->at = last ? end : end + 1;
    return last == (space == NULL);
}

/* The name of the field that cannot be read, or NULL. */
static const char *read_line(struct line *l, struct exchange *x)
{
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct str value;
        if (!take_value(l, &fields[i], i + 1 == COUNT(fields), &value) ||
            !read_value(l, &fields[i], value, x))
            return fields[i].name;
    }
    if (strlen(x->mti) != 4 || !str_is_digits(str_of(x->mti)))
        return "mti=";
    if (x->original.n != 0 && (x->original.n != 42 || !str_is_digits(x->original)))
        return "orig=";
    return x->amount > MONEY_MAX_MINOR || x->kept > MONEY_MAX_MINOR ? "amount=" : NULL;
}

struct replay {
    struct books *books;
    const char *path;
    uint64_t line;
    char *why;
    size_t why_size;
    /* One line is read ahead of the one that is posted, so that the books' memory is on its way. */
    struct exchange read, ahead;
    char spare[2][LINE_MAX_BYTES];
};

static bool refuse_line(struct replay *r, uint64_t line, const char *what, const char *where)
{
    (void)snprintf(
        r->why, r->why_size, "%s line %llu: %s%s", r->path, (unsigned long long)line, what, where);
    return false;
}

static bool post_line(struct replay *r, uint64_t line, const struct exchange *x)
{
    const char *problem = books_post(r->books, x);
    return problem == NULL || refuse_line(r, line, problem, "");
}

/* Posts every whole line of text; false with a sentence. *used are the bytes of those lines. */
static bool replay_lines(struct replay *r, struct str text, size_t *used)
{
    const char *newline;
    bool pending = false;
    *used = 0;
    while (*used < text.n && (newline = memchr(text.p + *used, '\n', text.n - *used)) != NULL) {
        char *spare = r->spare[++r->line % 2];
        struct line l = { text.p + *used, newline, spare, spare + LINE_MAX_BYTES, false };
        l.escaped = memchr(l.at, '%', (size_t)(newline - l.at)) != NULL;
        r->ahead = (struct exchange) { 0 };
        const char *bad = read_line(&l, &r->ahead);
        if (bad == NULL) {
            exchange_identify(&r->ahead);
            books_prefetch(r->books, &r->ahead);
        }
        if (pending && !post_line(r, r->line - 1, &r->read))
            return false;
        if (bad != NULL)
            return refuse_line(r, r->line, "cannot be read at ", bad);
        r->read = r->ahead;
        pending = true;
        *used = (size_t)(newline - text.p) + 1;
    }
    return !pending || post_line(r, r->line, &r->read);
}

static bool fail(char *why, size_t why_size, const char *path, const char *what)
{
    (void)snprintf(why, why_size, "%s: %s: %s", path, what, strerror(errno));
    return false;
}

static bool replay_file(struct journal *j, struct replay *r, char *room)
{
    struct stat st;
    if (fstat(j->fd, &st) == 0 && st.st_size / LINE_TYPICAL_BYTES < EXPECTED_MAX)
        books_expect(r->books, (uint32_t)(st.st_size / LINE_TYPICAL_BYTES));
    size_t have = 0, used = 0;
    for (;;) {
        ssize_t n = read(j->fd, room + have, READ_BYTES - have);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return fail(r->why, r->why_size, r->path, "cannot be read");
        if (n == 0)
            break;
        have += (size_t)n;
        if (!replay_lines(r, (struct str) { room, have }, &used))
            return false;
        if (used == 0 && have == READ_BYTES)
            return refuse_line(r, r->line + 1, "has no end", "");
        j->written += (off_t)used;
        have -= used;
        memmove(room, room + used, have);
    }
    if (have > 0 && ftruncate(j->fd, j->written) != 0)
        return fail(r->why, r->why_size, r->path, "its last line cannot be cut");
    return true;
}

struct journal *journal_open(const char *path, struct books *b, char *why, size_t why_size)
{
    struct journal *j = calloc(1, sizeof *j);
    char *room = malloc(READ_BYTES);
    if (j == NULL || room == NULL) {
        (void)snprintf(why, why_size, "no memory");
        free(room);
        free(j);
        return NULL;
    }
    struct replay r = { .books = b, .path = path, .why = why, .why_size = why_size };
    buf_init(&j->pending, PENDING_MAX);
    j->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    bool good = j->fd >= 0 || fail(why, why_size, path, "cannot be opened");
    if (good && flock(j->fd, LOCK_EX | LOCK_NB) != 0)
        good = fail(why, why_size, path, "is used by another host");
    good = good && replay_file(j, &r, room);
    free(room);
    if (good)
        return j;
    journal_close(j);
    return NULL;
}

void journal_close(struct journal *j)
{
    if (j == NULL)
        return;
    if (j->fd >= 0 && close(j->fd) != 0)
        log_event(LOG_ERROR, "host.journal", "error=\"%s\"", strerror(errno));
    buf_free(&j->pending);
    free(j);
}
