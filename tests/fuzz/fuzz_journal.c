/*
 * The sandbox's journal: a file that is taken leaves books that a second reading finds again, ends
 * after its last whole line, and takes what is appended; one that is refused is told with its line.
 */
#include "file.h"
#include "fuzz.h"
#include "sandbox/host.h"
#include "sandbox/journal.h"

static struct fuzz_file file;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    file_in_memory(&file);
    return 0;
}

/* The value behind name in the line, as it stands there. */
static struct str value_of(struct str line, struct str name)
{
    const char *at = memmem(line.p, line.n, name.p, name.n);
    if (at == NULL)
        return STR_EMPTY;
    struct str value = str_skip(line, (size_t)(at - line.p) + name.n);
    value.n = str_find(value, ' ');
    return value;
}

static void assert_same(const struct books *a, const struct books *b, struct str text)
{
    struct str line;
    assert(books_cutover(a) == books_cutover(b));
    while (str_split(&text, '\n', &line)) {
        struct str reference = value_of(line, STR(" ref="));
        struct host_position p = { 0 }, q = { 0 };
        uint64_t key = exchange_hash(reference.p, reference.n);
        assert(books_position(a, key, &p) == books_position(b, key, &q));
        assert(p.held_minor == q.held_minor && p.captured_minor == q.captured_minor);
        assert(p.refunded_minor == q.refunded_minor && p.messages == q.messages);
        assert(p.held_minor >= 0 && p.captured_minor >= 0 && p.refunded_minor >= 0);
    }
}

/* What every line that is written looks like when it is read. */
static void append_one(struct journal *j)
{
    struct exchange x = { .at_ms = 1763762400000,
        .mti = "0800",
        .rrn = STR("-"),
        .reference = STR("100% \x01\xFF= end"),
        .network = "301",
        .de39 = "00",
        .effect = EFFECT_SKIP };
    journal_append(j, &x);
    assert(journal_flush(j));
}

static struct books *read_books(struct journal **j, char *why, size_t why_size)
{
    struct books *b = books_new();
    assert(b != NULL);
    *j = journal_open(file.path, b, why, why_size);
    return b;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str text = { (const char *)data, size };
    char why[512] = "";
    struct journal *j;
    file_write(&file, text);
    struct books *first = read_books(&j, why, sizeof why);
    if (j == NULL) {
        assert(str_starts_with(str_of(why), str_of(file.path)) && strstr(why, " line ") != NULL);
        assert(file_size(&file) == size);
        books_free(first);
        return 0;
    }
    size_t whole = size;
    while (whole > 0 && data[whole - 1] != '\n')
        whole--;
    assert(file_size(&file) == whole);
    append_one(j);
    journal_close(j);

    struct books *second = read_books(&j, why, sizeof why);
    assert(j != NULL && file_size(&file) > whole);
    assert_same(first, second, (struct str) { text.p, whole });
    journal_close(j);
    books_free(first);
    books_free(second);
    return 0;
}
