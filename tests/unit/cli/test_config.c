/*
 * The configuration: what a file sets, what is refused and in which words, and that the sample shows every key.
 */
#include "cli/config.h"

#include "vault/brand.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct fixture {
    char dir[256], path[512];
    struct config config;
    struct buf problems;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    const char *tmp = getenv("TMPDIR");
    snprintf(f->dir, sizeof(f->dir), "%s/config-XXXXXX", tmp == NULL ? "/tmp" : tmp);
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->path, sizeof(f->path), "%s/c", f->dir);
    buf_init(&f->problems, CONFIG_PROBLEMS_MAX);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    (void)unlink(f->path);
    assert_int_equal(rmdir(f->dir), 0);
    buf_free(&f->problems);
    free(f);
    return 0;
}

static void write_file(const char *path, struct str text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text.p, text.n), (ssize_t)text.n);
    assert_int_equal(close(fd), 0);
}

static bool read_str(struct fixture *f, struct str text)
{
    write_file(f->path, text);
    buf_reset(&f->problems);
    return config_read(f->path, &f->config, &f->problems);
}

static bool read_text(struct fixture *f, const char *text)
{
    return read_str(f, str_of(text));
}

/* The problems told, NUL-terminated. */
static const char *told(struct fixture *f)
{
    buf_byte(&f->problems, '\0');
    assert_false(f->problems.full);
    return f->problems.p;
}

/* The text must be refused with exactly this, PATH standing for the file's name. */
static void refuses(struct fixture *f, const char *text, const char *message)
{
    char wanted[2048];
    size_t n = 0, path = strlen(f->path);
    assert_false(read_text(f, text));
    for (const char *p = message; *p != '\0'; p++) {
        assert_true(n + path + 1 < sizeof(wanted));
        if (strncmp(p, "PATH", 4) == 0) {
            memcpy(wanted + n, f->path, path);
            n += path;
            p += 3;
        } else {
            wanted[n++] = *p;
        }
    }
    wanted[n] = '\0';
    assert_string_equal(told(f), wanted);
}

static void an_empty_file_gives_the_defaults(void **state)
{
    struct fixture *f = *state;
    struct config *c = &f->config;
    assert_true(read_text(f, ""));
    assert_string_equal(c->listen, "127.0.0.1:8080");
    assert_string_equal(c->admin, "127.0.0.1:8081");
    assert_string_equal(c->data, "turnpike-data");
    assert_string_equal(c->db, "");
    assert_string_equal(c->host_listen, "127.0.0.1:0");
    assert_int_equal(c->limits.body_bytes, 65536);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->n_links, 0);
    assert_true(config_sandbox_on(c));
    assert_true(config_check(c, &f->problems));
    assert_string_equal(told(f), "");
}

static void every_kind_of_value_reaches_its_field(void **state)
{
    struct fixture *f = *state;
    assert_true(read_text(f, "[server]\n"
                             "listen = [::1]:0 ; any port\n"
                             "data: /srv/turnpike\r\n"
                             "threads=8\n"
                             "body_bytes = 1024\n"
                             "log_level = warn\n"
                             "[sandbox]\n"
                             "enabled = yes\n"
                             "[acquirer one]\n"
                             "address = host.example:5000\n"
                             "acquirer_id = 42\n"
                             "acquirer_country = BLR\n"
                             "profile = b\n"
                             "framing = ascii4\n"
                             "inclusive = yes\n"
                             "mac = retail2\n"
                             "mac_key = 000102030405060708090A0B0C0D0E0F\n"
                             "brands = visa,jcb\n"
                             "currencies = EUR, BYN\n"
                             "merchants = 9223372036854775807\n"
                             "reversal = 0420\n"
                             "echo_idle_ms = 250\n"));
    const struct config *c = &f->config;
    const struct link_config *l = &c->links[0];
    assert_string_equal(c->listen, "[::1]:0");
    assert_string_equal(c->data, "/srv/turnpike");
    assert_int_equal(c->threads, 8);
    assert_int_equal(c->limits.body_bytes, 1024);
    assert_int_equal(c->log_level, LOG_WARN);
    assert_int_equal(c->n_links, 1);
    assert_string_equal(l->name, "one");
    assert_string_equal(l->address, "host.example:5000");
    assert_string_equal(l->acquirer_id, "42");
    assert_int_equal(l->acquirer_country, 112);
    assert_int_equal(l->profile, ISO_PROFILE_B);
    assert_int_equal(l->framing.mode, ISO_FRAME_ASCII4);
    assert_true(l->framing.inclusive);
    assert_false(l->framing.tpdu);
    assert_int_equal(l->mac.kind, ISO_MAC_RETAIL_PAD2);
    for (int i = 0; i < 16; i++)
        assert_int_equal(l->mac.key[i], i);
    assert_int_equal(l->brands, 1u << BRAND_VISA | 1u << BRAND_JCB);
    assert_int_equal(l->n_currencies, 2);
    assert_int_equal(l->currencies[0], 978);
    assert_int_equal(l->currencies[1], 933);
    assert_int_equal(l->n_merchants, 1);
    assert_true(l->merchants[0] == INT64_MAX);
    assert_true(l->reversal_advice);
    assert_false(l->reversal_same_stan);
    assert_int_equal(l->echo_idle_ms, 250);
    assert_int_equal(l->max_in_flight, 5000);
    assert_true(config_sandbox_on(c));
    assert_true(config_check(c, &f->problems));
}

static void a_list_goes_on_in_indented_lines(void **state)
{
    struct fixture *f = *state;
    assert_true(read_text(f, "[acquirer a]\n"
                             "address = h:1\n"
                             "merchants = 1, 2,\n"
                             "    3,\n"
                             "\n"
                             "\t4\n"
                             "brands = visa\n"
                             " mastercard\n"));
    const struct link_config *l = &f->config.links[0];
    assert_int_equal(l->n_merchants, 4);
    assert_int_equal(l->merchants[3], 4);
    assert_int_equal(l->brands, 1u << BRAND_VISA | 1u << BRAND_MASTERCARD);
    refuses(f, "[server]\nlisten = h:1\n admin = h:2\n",
        "PATH:3: an indented line goes on with \"listen\", which takes one value; "
        "begin the line at its first column\n");
    assert_true(read_text(f, "[server]\n  listen = h:1\n"));
    assert_string_equal(f->config.listen, "h:1");
}

static void an_unknown_key_is_told_with_the_nearest_one(void **state)
{
    struct fixture *f = *state;
    refuses(f, "[server]\n\nlisen = h:1\n",
        "PATH:3: [server] has no key \"lisen\"; did you mean \"listen\"?\n");
    refuses(f, "[acquirer a]\nreqest_timeout = 3\n",
        "PATH:2: [acquirer NAME] has no key \"reqest_timeout\"; "
        "did you mean \"request_timeout_ms\"?\n");
    refuses(f, "[server]\nhost_listen = h:1\n",
        "PATH:2: [server] has no key \"host_listen\"; it belongs to [sandbox]\n");
    refuses(f, "[server]\npurple = 1\n",
        "PATH:2: [server] has no key \"purple\"; docs/turnpike.conf shows them all\n");
}

static void an_unknown_section_is_refused_even_when_it_is_empty(void **state)
{
    struct fixture *f = *state;
    refuses(f, "[serber]\n",
        "PATH:1: there is no section [serber]; "
        "there are [server], [sandbox] and [acquirer NAME]\n");
    refuses(f, "[acquirer Main]\naddress = h:1\n",
        "PATH:1: \"Main\" cannot name an acquirer; take 1 to 16 of a-z, 0-9, '-' and '_', "
        "such as [acquirer main]\n");
    assert_false(read_text(f, "[acquirer]\n"));
    assert_false(read_text(f, "[acquirer seventeen-letters]\n"));
    assert_true(read_text(f, "[acquirer sixteen-letters-]\n"));
    refuses(f, "[acquirer sandbox]\n",
        "PATH:1: \"sandbox\" is the name of the link to the simulator; take another\n");
}

static void a_key_stands_once_in_its_section(void **state)
{
    struct fixture *f = *state;
    refuses(f, "[server]\nthreads = 1\nthreads = 2\n",
        "PATH:3: threads is given twice in this section; keep one of them\n");
    refuses(f,
        "[acquirer a]\naddress = h:1\n[acquirer b]\naddress = h:2\n"
        "[acquirer a]\naddress = h:3\n",
        "PATH:6: address is given twice in this section; keep one of them\n");
    assert_int_equal(f->config.n_links, 2);
}

static void all_problems_are_told_at_once(void **state)
{
    struct fixture *f = *state;
    refuses(f,
        "threads = 1\n"
        "[server]\n"
        "threads = many\n"
        "nonsense\n"
        "[sandbox\n"
        "enabled = maybe\n"
        "[sandbox] enabled = yes\n"
        "[sandbox]\n"
        " [server]\n"
        "enabled = maybe\n"
        "control =\n",
        "PATH:1: \"threads\" stands before the first section; begin with [server]\n"
        "PATH:3: threads: \"many\" does not fit; it takes a number from 0 to 256\n"
        "PATH:4: neither [section] nor key = value; comments begin with ; or #\n"
        "PATH:5: \"[\" opens a heading that does not end; write [server]\n"
        "PATH:7: \"enabled = yes\" after the heading; begin a new line\n"
        "PATH:9: an indented heading; begin it at the first column\n"
        "PATH:10: enabled: \"maybe\" does not fit; it takes no or yes\n"
        "PATH:11: control: there is no value; it takes HOST:PORT with a port from 0 to 65535\n");
}

static void values_outside_their_range_are_refused(void **state)
{
    static const char *const bad[] = {
        "[server]\nlisten = 127.0.0.1\n",
        "[server]\nlisten = :80\n",
        "[server]\nlisten = h:65536\n",
        "[server]\nlisten = ::1:80\n",
        "[server]\nlisten = h:\n",
        "[server]\nthreads = 257\n",
        "[server]\nthreads = -1\n",
        "[server]\nthreads = 1.0\n",
        "[server]\nthreads = 18446744073709551617\n",
        "[server]\nheader_bytes = 1023\n",
        "[server]\nlog_level = loud\n",
        "[server]\nlisten = 127.0.0.1:80 # comments of this kind stand alone\n",
        "[acquirer a]\naddress = h:0\n",
        "[acquirer a]\nacquirer_id = 123456789012\n",
        "[acquirer a]\nacquirer_id = 12a\n",
        "[acquirer a]\nacquirer_country = XX\n",
        "[acquirer a]\nprofile = c\n",
        "[acquirer a]\nframing = bin3\n",
        "[acquirer a]\nmac = des\n",
        "[acquirer a]\nbrands = visa,,jcb\n",
        "[acquirer a]\nbrands = visum\n",
        "[acquirer a]\ncurrencies = EUR EUR\n",
        "[acquirer a]\nmerchants = 0\n",
        "[acquirer a]\nmerchants = 9223372036854775808\n",
        "[acquirer a]\nmax_in_flight = 0\n",
        "[acquirer a]\nreversal = 0430\n",
        "[acquirer a]\nconnect_timeout_ms = 9\n",
    };
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT(bad); i++) {
        if (read_text(f, bad[i]))
            fail_msg("taken: %s", bad[i]);
        if (strstr(told(f), ":2: ") == NULL)
            fail_msg("no line number: %s", f->problems.p);
    }
}

static void a_wrong_member_of_a_list_is_named(void **state)
{
    struct fixture *f = *state;
    refuses(f, "[acquirer a]\ncurrencies = EUR, EURO, USD\n",
        "PATH:2: currencies: \"EURO\" does not fit; "
        "it takes at most 64 currencies, such as: EUR, USD\n");
}

static void a_key_is_never_shown(void **state)
{
    struct fixture *f = *state;
    refuses(f, "[acquirer a]\nmac_key = 000102030405060708090a0b0c0d0e0\n",
        "PATH:2: mac_key: the value does not fit; it takes 32 hexadecimal digits\n");
}

static void a_key_may_lie_in_a_file_of_its_own(void **state)
{
    struct fixture *f = *state;
    char key[600], text[1024];
    snprintf(key, sizeof(key), "%s/key", f->dir);
    write_file(key, STR("ff0102030405060708090a0b0c0d0eff\n"));
    snprintf(text, sizeof(text), "[acquirer a]\naddress=h:1\nmac=cmac\nmac_key_file=%s\n", key);
    assert_true(read_text(f, text));
    assert_int_equal(f->config.links[0].mac.key[15], 0xff);
    assert_true(config_check(&f->config, &f->problems));
    write_file(key, STR("ff0102030405060708090a0b0c0d0e\n"));
    assert_false(read_text(f, text));
    assert_int_equal(unlink(key), 0);
    assert_false(read_text(f, text));
    assert_false(read_text(f, "[acquirer a]\nmac_key_file = /dev/zero\n"));
}

static void what_is_no_configuration_file_is_refused(void **state)
{
    struct fixture *f = *state;
    assert_false(config_read("/nowhere/turnpike.conf", &f->config, &f->problems));
    assert_string_equal(
        told(f), "/nowhere/turnpike.conf: cannot be opened: No such file or directory\n");
    buf_reset(&f->problems);
    assert_false(config_read("/dev/null", &f->config, &f->problems));
    assert_string_equal(told(f), "/dev/null: this is not a regular file\n");
    assert_int_equal(mkfifo(f->path, 0600), 0);
    assert_false(config_read(f->path, &f->config, &f->problems));
    assert_int_equal(unlink(f->path), 0);

    char *big = malloc(CONFIG_FILE_MAX + 1);
    assert_non_null(big);
    memset(big, '\n', CONFIG_FILE_MAX + 1);
    assert_true(read_str(f, (struct str) { big, CONFIG_FILE_MAX }));
    assert_false(read_str(f, (struct str) { big, CONFIG_FILE_MAX + 1 }));
    free(big);

    assert_false(read_str(f, STR("[server]\nthr\0eads = 1\n")));
    assert_non_null(strstr(told(f), ":2: there is a byte 0 in the line"));
}

static void a_line_that_is_too_long_is_refused_and_the_next_is_read(void **state)
{
    struct fixture *f = *state;
    char text[512] = "[server]\ndata = ";
    size_t head = strlen("[server]\n"), at = strlen(text);
    while (at < head + CONFIG_LINE_MAX)
        text[at++] = 'd';
    memcpy(text + at, "\nthreads = 3\n", 14);
    assert_true(read_text(f, text));
    assert_int_equal(strlen(f->config.data), CONFIG_LINE_MAX - strlen("data = "));
    memcpy(text + at, "d\nthreads = 3\n", 15);
    refuses(f, text,
        "PATH:2: the line is longer than 198 bytes; a list may go on in an indented line\n");
    assert_int_equal(f->config.threads, 3);
}

static void garbage_is_survived(void **state)
{
    struct fixture *f = *state;
    unsigned seed = 1;
    for (int round = 0; round < 300; round++) {
        char text[2048];
        static const char alphabet[] = "[]=:;# \t\n\nabcserver,0\xff\x01";
        for (size_t i = 0; i < sizeof(text); i++) {
            seed = seed * 1103515245u + 12345u;
            text[i] = alphabet[seed / 65536 % (sizeof(alphabet) - 1)];
        }
        assert_false(read_str(f, (struct str) { text, sizeof(text) }));
        assert_true(f->problems.n > 0);
    }
}

static void there_is_room_for_fifteen_acquirers(void **state)
{
    struct fixture *f = *state;
    struct buf text;
    buf_init(&text, 4096);
    for (int i = 1; i <= CONFIG_LINKS_MAX; i++)
        buf_printf(&text, "[acquirer a%d]\naddress = h:%d\n", i, i);
    assert_true(read_str(f, buf_view(&text)));
    assert_int_equal(f->config.n_links, CONFIG_LINKS_MAX);
    assert_string_equal(f->config.links[14].address, "h:15");
    buf_printf(&text, "[acquirer more]\naddress = h:16\n");
    assert_false(read_str(f, buf_view(&text)));
    assert_non_null(strstr(told(f), ":31: more than 15 acquirers"));
    buf_free(&text);
}

static void the_command_line_wins_over_the_file(void **state)
{
    struct fixture *f = *state;
    struct config *c = &f->config;
    assert_true(read_text(f, "[server]\nlisten = h:1\n[acquirer a]\nmerchants = 1\n"));
    assert_true(config_set(c, "server", "listen", "h:2", &f->problems));
    assert_true(config_set(c, "acquirer a", "address", "h:3", &f->problems));
    assert_true(config_set(c, "acquirer a", "merchants", "2", &f->problems));
    assert_true(config_set(c, "acquirer main", "address", "h:4", &f->problems));
    assert_string_equal(c->listen, "h:2");
    assert_string_equal(c->links[0].address, "h:3");
    assert_int_equal(c->links[0].n_merchants, 1);
    assert_int_equal(c->links[0].merchants[0], 2);
    assert_int_equal(c->n_links, 2);
    assert_string_equal(c->links[1].name, "main");
    assert_int_equal(f->problems.n, 0);
    assert_false(config_set(c, "server", "threads", "x", &f->problems));
    assert_false(config_set(c, "servant", "threads", "1", &f->problems));
    assert_string_equal(told(f),
        "command line: threads: \"x\" does not fit; it takes a number from 0 to 256\n"
        "command line: there is no section [servant]; "
        "there are [server], [sandbox] and [acquirer NAME]\n");
}

static void the_sandbox_is_on_without_an_acquirer_unless_told(void **state)
{
    struct fixture *f = *state;
    assert_true(read_text(f, "[acquirer a]\naddress = h:1\n"));
    assert_false(config_sandbox_on(&f->config));
    assert_true(read_text(f, "[sandbox]\nenabled = yes\n[acquirer a]\naddress = h:1\n"));
    assert_true(config_sandbox_on(&f->config));
    assert_true(read_text(f, "[sandbox]\nenabled = no\n"));
    assert_false(config_sandbox_on(&f->config));
}

static void parts_that_need_each_other_are_checked_together(void **state)
{
    struct fixture *f = *state;
    assert_true(read_text(f, "[server]\ntls_cert = c\n[acquirer a]\nmac = cmac\n"
                             "[acquirer b]\naddress = h:1\n"
                             "mac_key = 000102030405060708090a0b0c0d0e0f\n"));
    assert_false(config_check(&f->config, &f->problems));
    assert_string_equal(told(f),
        "configuration: [server] has one of tls_cert and tls_key; TLS takes both\n"
        "configuration: [acquirer a] has no address; give it address = HOST:PORT\n"
        "configuration: [acquirer a] has a mac and no key; give it mac_key_file\n"
        "configuration: [acquirer b] has a key and no mac; "
        "give it mac = cmac, or what the host uses\n");
    assert_true(read_text(f, "[sandbox]\nenabled = no\n"));
    assert_false(config_check(&f->config, &f->problems));
}

static void control_characters_are_not_shown(void **state)
{
    struct fixture *f = *state;
    refuses(f, "[server]\nthr\x1b[2J = 1\n",
        "PATH:2: [server] has no key \"thr?[2J\"; docs/turnpike.conf shows them all\n");
}

static void wiping_leaves_no_key_behind(void **state)
{
    struct fixture *f = *state;
    static const struct config zero;
    assert_true(read_text(f, "[acquirer a]\nmac_key = 000102030405060708090a0b0c0d0e0f\n"));
    config_wipe(&f->config);
    assert_memory_equal(&f->config, &zero, sizeof(zero));
}

/* ---- the sample ---- */

static void open_sample(char *out, size_t size)
{
    const char *root = getenv("TURNPIKE_SOURCE");
    snprintf(out, size, "%s/docs/turnpike.conf", root == NULL ? "." : root);
}

static void the_sample_is_taken_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    char path[1024];
    open_sample(path, sizeof(path));
    if (!config_read(path, &f->config, &f->problems))
        fail_msg("%s", told(f));
    assert_true(config_check(&f->config, &f->problems));
    struct config defaults;
    config_defaults(&defaults);
    assert_int_equal(f->config.n_links, 0);
    size_t count = 0;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count && keys[i].section != CONFIG_ACQUIRER; i++) {
        size_t at = keys[i].offset;
        if (memcmp((char *)&f->config + at, (char *)&defaults + at, keys[i].size) != 0)
            fail_msg("%s", keys[i].name);
    }
}

/* With its examples (";key" at the first column) switched on, all but the file of a key, which is not there. */
static void the_sample_shows_every_key(void **state)
{
    struct fixture *f = *state;
    char path[1024];
    open_sample(path, sizeof(path));
    FILE *sample = fopen(path, "r");
    assert_non_null(sample);
    struct buf text;
    buf_init(&text, 1 << 16);
    char line[256];
    while (fgets(line, sizeof(line), sample) != NULL)
        if (strstr(line, "mac_key_file =") != line + 1)
            buf_str(&text, str_of(line[0] == ';' ? line + 1 : line));
    assert_int_equal(fclose(sample), 0);
    if (!read_str(f, buf_view(&text)))
        fail_msg("%s", told(f));
    buf_free(&text);

    size_t count = 0;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        uint64_t given =
            keys[i].section == CONFIG_ACQUIRER ? f->config.link_given[0] : f->config.given;
        bool wanted = strcmp(keys[i].name, "mac_key_file") != 0;
        if ((given >> i & 1) != wanted)
            fail_msg("[%s] %s", config_section_name(keys[i].section), keys[i].name);
    }
    assert_int_equal(f->config.links[0].n_currencies, 3);
}

static void the_table_speaks_in_sentences(void **state)
{
    (void)state;
    size_t count = 0;
    const struct config_key *keys = config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(keys[i].help);
        assert_true(n > 2 && keys[i].help[n - 1] == '.');
        assert_true(keys[i].min <= keys[i].max);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_file_gives_the_defaults),
        TEST(every_kind_of_value_reaches_its_field),
        TEST(a_list_goes_on_in_indented_lines),
        TEST(an_unknown_key_is_told_with_the_nearest_one),
        TEST(an_unknown_section_is_refused_even_when_it_is_empty),
        TEST(a_key_stands_once_in_its_section),
        TEST(all_problems_are_told_at_once),
        TEST(values_outside_their_range_are_refused),
        TEST(a_wrong_member_of_a_list_is_named),
        TEST(a_key_is_never_shown),
        TEST(a_key_may_lie_in_a_file_of_its_own),
        TEST(what_is_no_configuration_file_is_refused),
        TEST(a_line_that_is_too_long_is_refused_and_the_next_is_read),
        TEST(garbage_is_survived),
        TEST(there_is_room_for_fifteen_acquirers),
        TEST(the_command_line_wins_over_the_file),
        TEST(the_sandbox_is_on_without_an_acquirer_unless_told),
        TEST(parts_that_need_each_other_are_checked_together),
        TEST(control_characters_are_not_shown),
        TEST(wiping_leaves_no_key_behind),
        TEST(the_sample_is_taken_and_changes_nothing),
        TEST(the_sample_shows_every_key),
        TEST(the_table_speaks_in_sentences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
