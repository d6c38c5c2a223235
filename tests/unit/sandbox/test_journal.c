#include "kit.h"

#include <sys/stat.h>

/* A host with a journal in a folder of its own, signed on. */
static int journal_setup(void **state)
{
    if (kit_setup(state) != 0)
        return -1;
    struct kit *k = *state;
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(k->folder, sizeof k->folder, "%.40s/turnpike-XXXXXX", kit_or(tmp, "/tmp"));
    if (mkdtemp(k->folder) == NULL)
        return -1;
    (void)snprintf(k->journal, sizeof k->journal, "%s/journal", k->folder);
    kit_end(k);
    k->config.journal_path = k->journal;
    kit_start(k);
    return strcmp(kit_network(k, "001"), "00");
}

static int journal_teardown(void **state)
{
    struct kit *k = *state;
    char journal[sizeof k->journal], folder[sizeof k->folder];
    memcpy(journal, k->journal, sizeof journal);
    memcpy(folder, k->folder, sizeof folder);
    (void)kit_teardown(state);
    return unlink(journal) != 0 || rmdir(folder) != 0;
}

static void restart(struct kit *k)
{
    kit_end(k);
    kit_start(k);
    assert_string_equal(kit_network(k, "001"), "00");
}

/* The whole journal; to be freed. */
static char *read_journal(struct kit *k)
{
    FILE *f = fopen(k->journal, "r");
    assert_non_null(f);
    struct stat st;
    assert_int_equal(fstat(fileno(f), &st), 0);
    char *text = calloc(1, (size_t)st.st_size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)st.st_size, f), (size_t)st.st_size);
    (void)fclose(f);
    return text;
}

static void append(struct kit *k, const char *text)
{
    FILE *f = fopen(k->journal, "a");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void assert_refused(struct kit *k, const char *reason)
{
    char why[256] = "";
    struct host *h = host_new(&k->config, why, sizeof why);
    assert_null(h);
    if (strstr(why, reason) == NULL)
        fail_msg("%s", why);
}

/* Something of every effect. */
static void make_history(struct kit *k)
{
    const char *silent = "4000007700032011", *busy = "4000007700032102";
    assert_string_equal(ASK(k, "0100", .amount = 1000, .stan = 100, .cvv = "737"), "00");
    assert_string_equal(
        ASK(k, "0220", .amount = 300, .stan = 101, .original = kit_original("0100", 100)), "00");
    assert_string_equal(ASK(k, "0420", .amount = 1000, .stan = 102, .kept = "000000000700",
                            .original = kit_original("0100", 100)),
        "00");
    assert_string_equal(
        ASK(k, "0200", .amount = 50, .stan = 103, .reference = "SALE 50% off"), "00");
    assert_string_equal(ASK(k, "0200", .processing = "200000", .amount = 20, .stan = 104,
                            .original = kit_original("0200", 103), .reference = "REFUND"),
        "00");
    assert_string_equal(ASK(k, "0200", .amount = 60, .stan = 105, .pan = silent), "");
    assert_string_equal(ASK(k, "0400", .amount = 60, .stan = 106, .pan = silent,
                            .original = kit_original("0200", 105)),
        "00");
    assert_string_equal(
        ASK(k, "0400", .amount = 1, .stan = 107, .original = kit_original("0200", 999)), "25");
    assert_string_equal(ASK(k, "0200", .amount = 70, .stan = 108, .pan = busy), "00");
    assert_string_equal(ASK(k, "0400", .amount = 70, .stan = 109, .pan = busy,
                            .original = kit_original("0200", 108)),
        "91");
    assert_string_equal(ASK(k, "0200", .amount = 5, .stan = 110, .pan = "4000007700030510"), "51");
    assert_string_equal(ASK(k, "0201", .amount = 5, .stan = 110, .pan = "4000007700030510"), "51");
    assert_string_equal(
        ASK(k, "0200", .amount = 5, .stan = 111, .terminal = "-", .reference = "-"), "30");
}

static void a_restart_rebuilds_the_books(void **state)
{
    struct kit *k = *state;
    make_history(k);
    char authcode[8];
    assert_string_equal(ASK(k, "0101", .amount = 1000, .stan = 100), "00");
    (void)snprintf(authcode, sizeof authcode, "%.6s", kit_get(k, 38));
    struct host_position before = kit_position(k, REFERENCE);
    restart(k);

    struct host_position after = kit_position(k, REFERENCE);
    assert_memory_equal(&before, &after, sizeof before);
    kit_assert_position(k, REFERENCE, 400, 370, 0);
    kit_assert_position(k, "SALE 50% off", 0, 50, 20);
    kit_assert_position(k, "REFUND", 0, 0, 20);

    assert_string_equal(ASK(k, "0100", .amount = 1000, .stan = 100), "94");
    assert_string_equal(ASK(k, "0101", .amount = 1000, .stan = 100), "00");
    assert_string_equal(kit_get(k, 38), authcode);
    assert_string_equal(kit_get(k, 48), "T8701M");
    assert_string_equal(ASK(k, "0200", .amount = 1, .stan = 999), "94");
    assert_string_equal(ASK(k, "0220", .amount = 401, .original = kit_original("0100", 100)), "61");
    assert_string_equal(ASK(k, "0220", .amount = 400, .original = kit_original("0100", 100)), "00");
    assert_string_equal(
        ASK(k, "0200", .processing = "200000", .amount = 31, .original = kit_original("0200", 103)),
        "61");
}

static void a_restart_keeps_what_a_scenario_has_counted(void **state)
{
    struct kit *k = *state;
    make_history(k);
    restart(k);
    const char *pan = "4000007700032102", *sale = kit_original("0200", 108);
    for (int i = 0; i < 2; i++)
        assert_string_equal(
            ASK(k, "0401", .amount = 70, .stan = 109, .pan = pan, .original = sale), "91");
    assert_string_equal(
        ASK(k, "0401", .amount = 70, .stan = 109, .pan = pan, .original = sale), "00");
}

static void a_restart_keeps_the_business_day(void **state)
{
    struct kit *k = *state;
    assert_string_equal(kit_network(k, "201"), "00");
    restart(k);
    assert_string_equal(ASK(k, "0200", .amount = 1), "00");
    assert_string_equal(kit_get(k, 15), "1122");
}

static void a_line_says_what_happened(void **state)
{
    struct kit *k = *state;
    assert_string_equal(
        ASK(k, "0200", .amount = 5, .stan = 110, .pan = "4000007700030510", .cvv = "737"), "51");
    char *text = read_journal(k);
    const char *line = strchr(text, '\n') + 1;
    assert_string_equal(line,
        "t=1763762400000 mti=0200 pan=400000******0510 proc=000000 amount=5 cur=978 stan=000110 "
        "de7=1121220000 acq=12345678901 tid=TERM0001 mid=SHOP00000000001 rrn=532522000001 "
        "ref=06CAAC0F1B000001 orig=- net=- de39=51 auth=- cvr=M day=20251121 kept=0 effect=none "
        "sent=answer\n");
    free(text);
}

static void neither_card_number_nor_cvv_is_written(void **state)
{
    struct kit *k = *state;
    make_history(k);
    char *text = read_journal(k);
    assert_non_null(strstr(text, "424242******4242"));
    assert_null(strstr(text, "4242424242"));
    assert_null(strstr(text, "400000770"));
    assert_null(strstr(text, "737"));
    free(text);
}

static void one_line_is_written_for_each_exchange(void **state)
{
    struct kit *k = *state;
    make_history(k);
    char *text = read_journal(k);
    size_t lines = 0;
    for (const char *at = text; (at = strchr(at, '\n')) != NULL; at++)
        lines++;
    assert_int_equal(lines, 14);
    free(text);
}

static void a_last_line_cut_short_is_forgotten(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 1, .stan = 50), "00");
    assert_string_equal(ASK(k, "0200", .amount = 2, .stan = 51), "00");
    char *text = read_journal(k);
    size_t size = strlen(text);
    size_t second = (size_t)(strstr(text, "stan=000051") - text);
    while (text[second - 1] != '\n')
        second--;
    for (size_t cut = size - 1; cut > second; cut -= cut - second > 40 ? 37 : 1) {
        kit_end(k);
        FILE *f = fopen(k->journal, "w");
        assert_non_null(f);
        assert_int_equal(fwrite(text, 1, cut, f), cut);
        assert_int_equal(fclose(f), 0);
        kit_start(k);
        kit_assert_position(k, REFERENCE, 0, 1, 0);
    }
    free(text);
    struct stat st;
    assert_int_equal(stat(k->journal, &st), 0);
    assert_int_equal(st.st_size, second);
    assert_string_equal(kit_network(k, "001"), "00");
    assert_string_equal(ASK(k, "0200", .amount = 2, .stan = 51), "00");
    restart(k);
    kit_assert_position(k, REFERENCE, 0, 3, 0);
}

static void any_other_broken_line_is_refused_with_its_number(void **state)
{
    struct kit *k = *state;
    assert_string_equal(ASK(k, "0200", .amount = 1, .stan = 50), "00");
    char *good = read_journal(k);
    const char *sale = strchr(good, '\n') + 1;
    static const char *const changes[][2] = {
        { "mti=0200", "mti=02x0" },
        { "amount=1", "amount=-1" },
        { "amount=1", "amount=1000000000000" },
        { "amount=1", "amount=" },
        { "effect=sale", "effect=magic" },
        { "cur=978", "cur=1978" },
        { "orig=-", "orig=0200" },
        { "tid=TERM0001", "tid=TERM00012" },
        { "tid=TERM0001", "tid=TERM%0G" },
        { " rrn=", " nrr=" },
        { "sent=answer", "sent=answer x=1" },
        { "effect=sale", "effect=repeat" },
        { "effect=sale", "effect=capture" },
    };
    for (size_t i = 0; i < COUNT(changes); i++) {
        kit_end(k);
        struct buf line;
        buf_init(&line, 4096);
        const char *at = strstr(sale, changes[i][0]);
        assert_non_null(at);
        buf_add(&line, sale, (size_t)(at - sale));
        buf_printf(&line, "%s%s", changes[i][1], at + strlen(changes[i][0]));
        buf_byte(&line, '\0');
        FILE *f = fopen(k->journal, "w");
        assert_non_null(f);
        /* In front a line that is whole, so that the number is 2. */
        assert_int_equal(fwrite(good, 1, (size_t)(sale - good), f), (size_t)(sale - good));
        assert_int_equal(fclose(f), 0);
        append(k, line.p);
        assert_refused(k, "journal line 2: ");
        buf_free(&line);
        assert_int_equal(truncate(k->journal, 0), 0);
        kit_start(k);
    }
    free(good);
}

static void a_line_without_end_is_refused(void **state)
{
    struct kit *k = *state;
    kit_end(k);
    FILE *f = fopen(k->journal, "w");
    assert_non_null(f);
    for (int i = 0; i < 2 << 20; i++)
        (void)fputc('x', f);
    assert_int_equal(fclose(f), 0);
    assert_refused(k, "journal line 1: ");
    assert_int_equal(truncate(k->journal, 0), 0);
    kit_start(k);
}

static void a_journal_belongs_to_one_host(void **state)
{
    assert_refused(*state, "another host");
}

static void a_journal_that_cannot_be_opened_is_named(void **state)
{
    (void)state;
    struct kit k = { .config.journal_path = "/proc/nowhere/journal" };
    assert_refused(&k, "/proc/nowhere/journal: ");
}

static void many_exchanges_are_rebuilt_across_the_reading_buffer(void **state)
{
    struct kit *k = *state;
    enum { N = 6000 }; /* more than 1 MiB of lines */
    for (unsigned i = 0; i < N; i++)
        assert_string_equal(ASK(k, "0200", .amount = 1 + i % 7, .stan = 1000 + i), "00");
    struct host_position before = kit_position(k, REFERENCE);
    assert_int_equal(before.messages, N);
    restart(k);
    struct host_position after = kit_position(k, REFERENCE);
    assert_memory_equal(&before, &after, sizeof before);
    for (unsigned i = 0; i < N; i += 97)
        assert_string_equal(ASK(k, "0200", .amount = 1 + i % 7, .stan = 1000 + i), "94");
}

#define T(name) cmocka_unit_test_setup_teardown(name, journal_setup, journal_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_restart_rebuilds_the_books),
        T(a_restart_keeps_what_a_scenario_has_counted),
        T(a_restart_keeps_the_business_day),
        T(a_line_says_what_happened),
        T(neither_card_number_nor_cvv_is_written),
        T(one_line_is_written_for_each_exchange),
        T(a_last_line_cut_short_is_forgotten),
        T(any_other_broken_line_is_refused_with_its_number),
        T(a_line_without_end_is_refused),
        T(a_journal_belongs_to_one_host),
        T(many_exchanges_are_rebuilt_across_the_reading_buffer),
        cmocka_unit_test(a_journal_that_cannot_be_opened_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
