/*
 * The log: what a line looks like, and what never gets into one.
 */
#include "base/log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define PAN "4111111111111111"

static int ends[2];

static int open_pipe(void **state)
{
    (void)state;
    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0)
        return -1;
    log_setup(LOG_INFO, ends[1]);
    return 0;
}

static int close_pipe(void **state)
{
    (void)state;
    log_setup(LOG_INFO, 2);
    return close(ends[0]) | close(ends[1]);
}

/* What has been written since the last call. */
static const char *logged(void)
{
    static char text[8192];
    ssize_t n = read(ends[0], text, sizeof text - 1);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void an_event_is_one_line_of_keys_and_values(void **state)
{
    (void)state;
    log_event(LOG_INFO, "link.up", "name=%s port=%d", "main", 5000);
    const char *line = logged();
    assert_memory_equal(line, "t=20", 4);
    assert_int_equal(line[2 + 24], ' ');
    assert_string_equal(line + 2 + 24, " level=info event=link.up name=main port=5000\n");
    const char *none = "";
    log_event(LOG_ERROR, "link.down", "%s", none);
    assert_non_null(strstr(logged(), "level=error event=link.down"));
}

static void lines_below_the_level_are_dropped(void **state)
{
    (void)state;
    log_event(LOG_DEBUG, "too.low", "a=%d", 1);
    assert_string_equal(logged(), "");
    log_setup(LOG_ERROR, ends[1]);
    log_event(LOG_WARN, "too.low", "a=%d", 1);
    assert_string_equal(logged(), "");
    log_event(LOG_ERROR, "high.enough", "a=%d", 1);
    assert_non_null(strstr(logged(), "high.enough"));
    log_setup(LOG_DEBUG, -1);
    log_event(LOG_ERROR, "nowhere", "a=%d", 1);
    assert_string_equal(logged(), "");
}

static void levels_have_names(void **state)
{
    (void)state;
    enum log_level level = LOG_DEBUG;
    assert_true(log_level_of(STR("warn"), &level));
    assert_int_equal(level, LOG_WARN);
    assert_true(log_level_of(STR("error"), &level));
    assert_int_equal(level, LOG_ERROR);
    assert_false(log_level_of(STR("WARN"), &level));
    assert_false(log_level_of(STR(""), &level));
    assert_false(log_level_of(STR_EMPTY, &level));
}

static void a_value_cannot_begin_a_line_of_its_own(void **state)
{
    (void)state;
    log_event(LOG_INFO, "request", "agent=\"%s\"", "x\nt=2026 level=error\r\x1b[2J\x7f\xc3\xa9");
    const char *line = logged();
    assert_non_null(strstr(line, "agent=\"x?t=2026 level=error??[2J???\"\n"));
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
}

static void card_numbers_are_masked_on_their_way_out(void **state)
{
    (void)state;
    log_event(LOG_INFO, "bug", "pan=%s", PAN);
    const char *line = logged();
    assert_null(strstr(line, PAN));
    assert_non_null(strstr(line, "pan=411111******1111\n"));
}

/*
 * Wherever the cut falls, no more than the first six digits of the number are left in front of it.
 */
static void a_line_is_cut_and_no_piece_of_a_card_number_survives_the_cut(void **state)
{
    (void)state;
    char padding[LOG_LINE_MAX + 1];
    memset(padding, 'x', sizeof padding);
    for (int n = LOG_LINE_MAX - 100; n < LOG_LINE_MAX; n++) {
        log_event(LOG_INFO, "long", "%.*s%s trailing text of some length", n, padding, PAN);
        const char *line = logged();
        assert_true(strlen(line) <= LOG_LINE_MAX);
        assert_int_equal(line[strlen(line) - 1], '\n');
        assert_null(strstr(line, "4111111"));
    }
    log_event(LOG_INFO, "long", "%.*s%.*s", LOG_LINE_MAX, padding, LOG_LINE_MAX, padding);
    assert_int_equal(strlen(logged()), LOG_LINE_MAX);
}

static void only_what_may_be_a_card_number_is_masked(void **state)
{
    (void)state;
    static const struct {
        const char *text, *masked;
    } rows[] = {
        { "4222222222222", "422222***2222" },             /* 13 digits */
        { "371449635398431", "371449*****8431" },         /* 15 */
        { "6759649826438453102", "675964*********3102" }, /* 19 */
        { PAN "," PAN, "411111******1111,411111******1111" },
        { "x" PAN "y", "x411111******1111y" },
        { "4111111111111112", "4111111111111112" },         /* fails the check */
        { "411111111111", "411111111111" },                 /* 12 */
        { "00000000000000000000", "00000000000000000000" }, /* 20 */
        { "4111 1111 1111 1111", "4111 1111 1111 1111" },
        { "", "" },
    };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char text[64];
        assert_true(str_copy(text, sizeof text, str_of(rows[i].text)));
        log_mask_pans(text, strlen(text));
        assert_string_equal(text, rows[i].masked);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            an_event_is_one_line_of_keys_and_values, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(lines_below_the_level_are_dropped, open_pipe, close_pipe),
        cmocka_unit_test(levels_have_names),
        cmocka_unit_test_setup_teardown(
            a_value_cannot_begin_a_line_of_its_own, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(
            card_numbers_are_masked_on_their_way_out, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(
            a_line_is_cut_and_no_piece_of_a_card_number_survives_the_cut, open_pipe, close_pipe),
        cmocka_unit_test(only_what_may_be_a_card_number_is_masked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
