/*
 * The file is read whole and handed to inih line by line. inih cuts it into sections, keys and
 * values, strips comments and joins indented lines; what it passes over in silence is caught at its
 * door: a line too long for it, a heading without keys, a line that is none of the things a line
 * may be. Everything that is said about a problem goes through tell().
 */
#include "cli/config.h"

#include "cli/config_value.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- the table ---- */

#define FIELD(type, member) offsetof(type, member), sizeof(((type *)0)->member)
#define SERVER(member)      FIELD(struct config, member)
#define LINK(member)        FIELD(struct link_config, member)

enum { HOUR_MS = 3600 * 1000, MEGABYTE = 1 << 20 };

/* clang-format off */
static const struct config_key keys[] = {
    { CONFIG_SERVER, "listen", CONFIG_ADDRESS, 0, 65535, SERVER(listen), { 0 }, NULL,
      "Address of the merchants' APIs; port 0 picks a free one." },
    { CONFIG_SERVER, "admin", CONFIG_ADDRESS, 0, 65535, SERVER(admin), { 0 }, NULL,
      "Address of health, metrics and the sandbox's controls; not for the world." },
    { CONFIG_SERVER, "data", CONFIG_TEXT, 0, 0, SERVER(data), { 0 }, "a directory",
      "Directory of the database and the keys; made when it is not there." },
    { CONFIG_SERVER, "db", CONFIG_TEXT, 0, 0, SERVER(db), { 0 }, "a database URL",
      "URL of the database; SQLite in the data directory when not given." },
    { CONFIG_SERVER, "tls_cert", CONFIG_TEXT, 0, 0, SERVER(tls_cert), { 0 }, "a file name",
      "Certificate chain (PEM) of the merchants' address." },
    { CONFIG_SERVER, "tls_key", CONFIG_TEXT, 0, 0, SERVER(tls_key), { 0 }, "a file name",
      "Its private key (PEM)." },
    { CONFIG_SERVER, "threads", CONFIG_UNSIGNED, 0, 256, SERVER(threads), { 0 }, NULL,
      "Threads that serve HTTP; 0 is one per core." },
    { CONFIG_SERVER, "header_bytes", CONFIG_SIZE, 1024, MEGABYTE, SERVER(limits.header_bytes),
      { 0 }, NULL, "Largest header of a request." },
    { CONFIG_SERVER, "body_bytes", CONFIG_SIZE, 1024, 64 * MEGABYTE, SERVER(limits.body_bytes),
      { 0 }, NULL, "Largest body of a request." },
    { CONFIG_SERVER, "connections", CONFIG_UNSIGNED, 1, 1000000, SERVER(limits.connections),
      { 0 }, NULL, "Connections at a time; more wait." },
    { CONFIG_SERVER, "per_ip", CONFIG_UNSIGNED, 0, 1000000, SERVER(limits.per_ip), { 0 }, NULL,
      "Connections of one address; 0 is no limit." },
    { CONFIG_SERVER, "idle_seconds", CONFIG_UNSIGNED, 1, 3600, SERVER(limits.idle_seconds),
      { 0 }, NULL, "Time to receive a request, and between two." },
    { CONFIG_SERVER, "log_level", CONFIG_LOG_LEVEL, 0, 0, SERVER(log_level), { 0 }, NULL,
      "What is logged: this and everything graver." },
    { CONFIG_SERVER, "stop_seconds", CONFIG_UNSIGNED, 0, 3600, SERVER(stop_seconds), { 0 }, NULL,
      "How long a stop waits for what is in flight." },

    { CONFIG_SANDBOX, "enabled", CONFIG_WORD, 0, 0, SERVER(sandbox_enabled), { "no", "yes" }, NULL,
      "The simulators run inside; yes when there is no acquirer, else no." },
    { CONFIG_SANDBOX, "host_listen", CONFIG_ADDRESS, 0, 65535, SERVER(host_listen), { 0 }, NULL,
      "Address of the simulated acquirer." },
    { CONFIG_SANDBOX, "control", CONFIG_ADDRESS, 0, 65535, SERVER(control), { 0 }, NULL,
      "Address of its own small HTTP control; none when not given." },

    { CONFIG_ACQUIRER, "address", CONFIG_ADDRESS, 1, 65535, LINK(address), { 0 }, NULL,
      "Where the acquirer's host listens." },
    { CONFIG_ACQUIRER, "acquirer_id", CONFIG_DIGITS, 1, 11, LINK(acquirer_id), { 0 }, NULL,
      "Acquiring institution, DE 32." },
    { CONFIG_ACQUIRER, "forwarder_id", CONFIG_DIGITS, 1, 11, LINK(forwarder_id), { 0 }, NULL,
      "Forwarding institution, DE 33; not sent when not given." },
    { CONFIG_ACQUIRER, "acquirer_country", CONFIG_COUNTRY, 0, 0, LINK(acquirer_country),
      { 0 }, NULL, "Country of the acquirer, DE 19; not sent when not given." },
    { CONFIG_ACQUIRER, "profile", CONFIG_PROFILE, 0, 0, LINK(profile), { 0 }, NULL,
      "How elements lie on the wire: a ASCII, h all text, b BCD." },
    { CONFIG_ACQUIRER, "framing", CONFIG_FRAMING, 0, 0, LINK(framing.mode), { 0 }, NULL,
      "The length in front of a message." },
    { CONFIG_ACQUIRER, "inclusive", CONFIG_WORD, 0, 0, LINK(framing.inclusive),
      { "no", "yes" }, NULL, "The length counts itself." },
    { CONFIG_ACQUIRER, "tpdu", CONFIG_WORD, 0, 0, LINK(framing.tpdu),
      { "no", "yes" }, NULL, "Five bytes of TPDU stand before the message." },
    { CONFIG_ACQUIRER, "mac", CONFIG_MAC, 0, 0, LINK(mac.kind), { 0 }, NULL,
      "How messages are authenticated, DE 64 or 128." },
    { CONFIG_ACQUIRER, "mac_key", CONFIG_MAC_KEY, 0, 0, LINK(mac.key), { 0 }, NULL,
      "The key of the MAC; better in a file of its own." },
    { CONFIG_ACQUIRER, "mac_key_file", CONFIG_MAC_KEY_FILE, 0, 0, LINK(mac.key), { 0 }, NULL,
      "A file that holds the key of the MAC." },
    { CONFIG_ACQUIRER, "brands", CONFIG_BRANDS, 0, 0, LINK(brands), { 0 }, NULL,
      "Card brands it takes; all when not given." },
    { CONFIG_ACQUIRER, "currencies", CONFIG_CURRENCIES, 0, 0, LINK(currencies), { 0 }, NULL,
      "Currencies it takes; all when not given." },
    { CONFIG_ACQUIRER, "merchants", CONFIG_MERCHANTS, 0, 0, LINK(merchants), { 0 }, NULL,
      "Ids of the merchants that use it; all when not given." },
    { CONFIG_ACQUIRER, "max_in_flight", CONFIG_UNSIGNED, 1, 100000, LINK(max_in_flight),
      { 0 }, NULL, "Requests without an answer at a time; more are refused." },
    { CONFIG_ACQUIRER, "reversal", CONFIG_WORD, 0, 0, LINK(reversal_advice),
      { "0400", "0420" }, NULL, "The message that undoes what was not answered." },
    { CONFIG_ACQUIRER, "reversal_stan", CONFIG_WORD, 0, 0, LINK(reversal_same_stan),
      { "new", "same" }, NULL, "Its DE 11: a new number, or that of the original." },
    { CONFIG_ACQUIRER, "connect_timeout_ms", CONFIG_MILLISECONDS, 10, 10 * 60 * 1000,
      LINK(connect_timeout_ms), { 0 }, NULL, "To connect." },
    { CONFIG_ACQUIRER, "request_timeout_ms", CONFIG_MILLISECONDS, 10, 10 * 60 * 1000,
      LINK(request_timeout_ms), { 0 }, NULL, "For the answer to 0100 and 0200." },
    { CONFIG_ACQUIRER, "advice_timeout_ms", CONFIG_MILLISECONDS, 10, 10 * 60 * 1000,
      LINK(advice_timeout_ms), { 0 }, NULL, "For the answer to 0220, 0400 and 0420." },
    { CONFIG_ACQUIRER, "network_timeout_ms", CONFIG_MILLISECONDS, 10, 10 * 60 * 1000,
      LINK(network_timeout_ms), { 0 }, NULL, "For the answer to 0800." },
    { CONFIG_ACQUIRER, "echo_idle_ms", CONFIG_MILLISECONDS, 10, HOUR_MS, LINK(echo_idle_ms),
      { 0 }, NULL, "Silence on the link before an echo is sent." },
};
/* clang-format on */
static_assert(COUNT(keys) <= 64, "config.given has a bit for every key");

const struct config_key *config_keys(size_t *count)
{
    *count = COUNT(keys);
    return keys;
}

const char *config_section_name(enum config_section s)
{
    static const char *const names[] = { "server", "sandbox", "acquirer NAME" };
    assert(s < COUNT(names));
    return names[s];
}

/* ---- one place in the input, and what is said about it ---- */

/* Where the reader stands: the source and line for messages, the section it is in. */
struct place {
    const char *source; /* the file's name, or "command line" */
    unsigned line;      /* 0: not a file */
    struct config *config;
    enum config_section section;
    size_t link; /* of CONFIG_ACQUIRER */
    struct buf *problems;
    bool failed;
};

static void tell(struct place *at, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void tell(struct place *at, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    assert(n >= 0);
    at->failed = true;
    if (at->line > 0)
        buf_printf(at->problems, "%s:%u: %s\n", at->source, at->line, text);
    else
        buf_printf(at->problems, "%s: %s\n", at->source, text);
}

/* Text from outside, made fit to be shown: cut, and without control characters. */
struct shown {
    char text[49];
};

static struct shown show(struct str s)
{
    struct shown out = { { 0 } };
    for (size_t i = 0; i < s.n && i < sizeof(out.text) - 1; i++)
        out.text[i] = (unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f ? '?' : s.p[i];
    if (s.n >= sizeof(out.text))
        memset(out.text + sizeof(out.text) - 4, '.', 3);
    return out;
}

/* ---- keys ---- */

static const struct config_key *key_find(enum config_section section, struct str name)
{
    for (size_t i = 0; i < COUNT(keys); i++)
        if (keys[i].section == section && str_eq(name, str_of(keys[i].name)))
            return &keys[i];
    return NULL;
}

/* How many letters must be added, dropped or changed to make b of a. */
static size_t edit_distance(struct str a, struct str b)
{
    enum { LONGEST = 32 };
    size_t row[LONGEST + 1];
    if (a.n > LONGEST || b.n > LONGEST)
        return LONGEST;
    for (size_t j = 0; j <= b.n; j++)
        row[j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t change = diagonal + (a.p[i - 1] != b.p[j - 1]);
            diagonal = row[j];
            size_t shorter = row[j] < row[j - 1] ? row[j] : row[j - 1];
            row[j] = change < shorter + 1 ? change : shorter + 1;
        }
    }
    return row[b.n];
}

static const struct config_key *key_nearest(enum config_section section, struct str name)
{
    const struct config_key *nearest = NULL;
    size_t best = name.n / 3 + 2; /* farther than this is another word */
    for (size_t i = 0; i < COUNT(keys); i++) {
        if (keys[i].section != section)
            continue;
        size_t distance = edit_distance(name, str_of(keys[i].name));
        if (distance < best) {
            best = distance;
            nearest = &keys[i];
        }
    }
    return nearest;
}

static void tell_unknown_key(struct place *at, struct str name)
{
    const char *section = config_section_name(at->section);
    for (enum config_section s = CONFIG_SERVER; s < CONFIG_NO_SECTION; s++) {
        if (s != at->section && key_find(s, name) != NULL) {
            tell(at, "[%s] has no key \"%s\"; it belongs to [%s]", section, show(name).text,
                config_section_name(s));
            return;
        }
    }
    const struct config_key *nearest = key_nearest(at->section, name);
    if (nearest != NULL)
        tell(at, "[%s] has no key \"%s\"; did you mean \"%s\"?", section, show(name).text,
            nearest->name);
    else
        tell(at, "[%s] has no key \"%s\"; docs/turnpike.conf shows them all", section,
            show(name).text);
}

static void tell_bad_value(struct place *at, const struct config_key *k, struct str bad)
{
    struct buf takes;
    buf_init(&takes, 256);
    config_value_takes(k, &takes);
    if (k->kind == CONFIG_MAC_KEY || (k->kind == CONFIG_TEXT && bad.n > 0)) /* may be secret */
        tell(at, "%s: the value does not fit; it takes %.*s", k->name, STR_ARG(buf_view(&takes)));
    else if (bad.n == 0)
        tell(at, "%s: there is no value; it takes %.*s", k->name, STR_ARG(buf_view(&takes)));
    else
        tell(at, "%s: \"%s\" does not fit; it takes %.*s", k->name, show(bad).text,
            STR_ARG(buf_view(&takes)));
    buf_free(&takes);
}

static uint64_t *given_mask(struct place *at)
{
    return at->section == CONFIG_ACQUIRER ? &at->config->link_given[at->link] : &at->config->given;
}

/*
 * Gives the key its value; more: the line goes on from the one before. A key may stand once in a
 * file.
 */
static void assign(struct place *at, struct str name, struct str value, bool more)
{
    const struct config_key *k = key_find(at->section, name);
    if (k == NULL) {
        if (!more) /* else it was told with its first line */
            tell_unknown_key(at, name);
        return;
    }
    if (more && !config_value_is_list(k->kind)) {
        tell(at,
            "an indented line goes on with \"%s\", which takes one value; "
            "begin the line at its first column",
            k->name);
        return;
    }
    uint64_t *given = given_mask(at), bit = UINT64_C(1) << (k - keys);
    if (!more && at->line > 0 && (*given & bit) != 0) {
        tell(at, "%s is given twice in this section; keep one of them", k->name);
        return;
    }
    *given |= bit;
    void *base = at->config;
    if (at->section == CONFIG_ACQUIRER)
        base = &at->config->links[at->link];
    struct str bad;
    if (!config_value_read(k, value, more, base, &bad))
        tell_bad_value(at, k, bad);
}

/* ---- sections ---- */

static void link_defaults(struct link_config *l, struct str name)
{
    *l = (struct link_config) { .acquirer_id = "12345678901", .max_in_flight = 5000 };
    bool fits = str_copy(l->name, sizeof(l->name), name);
    assert(fits);
}

static bool link_name_valid(struct str name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool good = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
        if (!good)
            return false;
    }
    return name.n > 0 && name.n < sizeof(((struct link_config *)0)->name);
}

/* Enters the link of that name, a new one when there is none. */
static void enter_link(struct place *at, struct str name)
{
    struct config *c = at->config;
    if (!link_name_valid(name)) {
        tell(at,
            "\"%s\" cannot name an acquirer; take 1 to 16 of a-z, 0-9, '-' and '_', "
            "such as [acquirer main]",
            show(name).text);
        return;
    }
    if (str_eq(name, STR("sandbox"))) {
        tell(at, "\"sandbox\" is the name of the link to the simulator; take another");
        return;
    }
    size_t i = 0;
    while (i < c->n_links && !str_eq(name, str_of(c->links[i].name)))
        i++;
    if (i == CONFIG_LINKS_MAX) {
        tell(at, "more than %d acquirers; leave some out", (int)CONFIG_LINKS_MAX);
        return;
    }
    if (i == c->n_links) {
        link_defaults(&c->links[i], name);
        c->link_given[i] = 0;
        c->n_links++;
    }
    at->section = CONFIG_ACQUIRER;
    at->link = i;
}

/*
 * Makes the section of that name the current one; CONFIG_NO_SECTION, whose keys are passed over,
 * when it is none.
 */
static void enter_section(struct place *at, struct str name)
{
    at->section = CONFIG_NO_SECTION;
    name = str_trim(name);
    if (str_eq(name, STR("server")))
        at->section = CONFIG_SERVER;
    else if (str_eq(name, STR("sandbox")))
        at->section = CONFIG_SANDBOX;
    else if (str_eq(name, STR("acquirer")) || str_starts_with(name, STR("acquirer ")))
        enter_link(at, str_trim(str_skip(name, sizeof("acquirer") - 1)));
    else
        tell(at, "there is no section [%s]; there are [server], [sandbox] and [acquirer NAME]",
            show(name).text);
}

/* ---- the file ---- */

struct reading {
    struct place at;
    struct str rest;  /* lines not read yet */
    bool in_section;  /* a heading has been seen */
    bool indented;    /* the line begins with a blank */
    bool after_pair;  /* so an indented line goes on with the pair before */
    bool awaits_pair; /* the line must come back from inih as key and value */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static void read_heading(struct reading *r, struct str line)
{
    struct place *at = &r->at;
    size_t end = str_find(line, ']');
    struct str after = str_trim(str_skip(line, end + 1));
    r->in_section = true;
    r->after_pair = false;
    at->section = CONFIG_NO_SECTION;
    if (end == line.n)
        tell(at, "\"[\" opens a heading that does not end; write [server]");
    else if (after.n > 0 && after.p[0] != ';' && after.p[0] != '#')
        tell(at, "\"%s\" after the heading; begin a new line", show(after).text);
    else
        enter_section(at, (struct str) { line.p + 1, end - 1 });
}

/* True when the line may go to inih. */
static bool check_line(struct reading *r, struct str line)
{
    struct place *at = &r->at;
    r->indented = line.n > 0 && is_blank(line.p[0]);
    struct str text = str_trim(line);
    if (str_find(line, '\0') < line.n) {
        tell(at, "there is a byte 0 in the line; this is not a text");
        return false;
    }
    if (text.n == 0 || text.p[0] == ';' || text.p[0] == '#')
        return false;
    if (line.n > CONFIG_LINE_MAX) {
        tell(at, "the line is longer than %d bytes; a list may go on in an indented line",
            (int)CONFIG_LINE_MAX);
        return false;
    }
    if (text.p[0] == '[') {
        if (r->indented)
            tell(at, "an indented heading; begin it at the first column");
        else
            read_heading(r, text);
        return !r->indented;
    }
    r->awaits_pair = true;
    return true;
}

static void settle_line(struct reading *r)
{
    if (r->awaits_pair)
        tell(&r->at, "neither [section] nor key = value; comments begin with ; or #");
    r->awaits_pair = false;
}

/* inih's reader: the next line, or a blank one in place of what inih must not see. */
static char *next_line(char *out, int room, void *stream)
{
    struct reading *r = stream;
    settle_line(r);
    struct str line;
    if (!str_split(&r->rest, '\n', &line))
        return NULL;
    r->at.line++;
    if (!check_line(r, line))
        line = STR_EMPTY;
    if (room <= 0 || !str_copy(out, (size_t)room, line)) {
        tell(&r->at, "the line is too long");
        r->awaits_pair = false;
    }
    return out;
}

/*
 * inih's handler. Its section is not looked at: next_line has seen the heading, also of one without
 * keys.
 */
static int take_pair(void *user, const char *section, const char *name, const char *value)
{
    struct reading *r = user;
    (void)section;
    bool more = r->indented && r->after_pair;
    r->awaits_pair = false;
    r->after_pair = true;
    if (!r->in_section)
        tell(&r->at, "\"%s\" stands before the first section; begin with [server]",
            show(str_of(name)).text);
    else if (r->at.section != CONFIG_NO_SECTION)
        assign(&r->at, str_of(name), str_of(value), more);
    return 1;
}

/* Reads the whole file into bytes; false after telling why not. */
static bool read_file(struct place *at, int fd, struct buf *bytes)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        tell(at, "this is not a regular file");
        return false;
    }
    for (;;) {
        char part[4096];
        ssize_t n = read(fd, part, sizeof(part));
        if (n > 0)
            buf_add(bytes, part, (size_t)n);
        sodium_memzero(part, sizeof(part));
        if (n < 0) {
            tell(at, "cannot be read: %s", strerror(errno));
            return false;
        }
        if (bytes->full) {
            tell(at, "larger than %d bytes; this is no configuration", (int)CONFIG_FILE_MAX);
            return false;
        }
        if (n == 0)
            return true;
    }
}

static void parse(struct place *at, struct str text)
{
    if (str_starts_with(text, STR("\xEF\xBB\xBF")))
        text = str_skip(text, 3);
    struct reading r = { .at = *at, .rest = text };
    r.at.line = 0;
    int result = ini_parse_stream(next_line, &r, take_pair, &r);
    settle_line(&r);
    if (result != 0 && !r.at.failed)
        tell(&r.at, "the file could not be parsed");
    at->failed = at->failed || r.at.failed;
}

bool config_read(const char *path, struct config *out, struct buf *problems)
{
    struct place at = { path, 0, out, CONFIG_NO_SECTION, 0, problems, false };
    config_defaults(out);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a FIFO must not hold us up */
    if (fd < 0) {
        tell(&at, "cannot be opened: %s", strerror(errno));
        return false;
    }
    struct buf bytes;
    buf_init(&bytes, CONFIG_FILE_MAX);
    if (read_file(&at, fd, &bytes))
        parse(&at, buf_view(&bytes));
    buf_free(&bytes);
    (void)close(fd);
    return !at.failed;
}

/* ---- the rest ---- */

void config_defaults(struct config *c)
{
    *c = (struct config) {
        .listen = "127.0.0.1:8080",
        .admin = "127.0.0.1:8081",
        .data = "turnpike-data",
        .limits = { .header_bytes = 16 * 1024,
            .body_bytes = 64 * 1024,
            .connections = 4096,
            .idle_seconds = 30 },
        .log_level = LOG_INFO,
        .stop_seconds = 30,
        .host_listen = "127.0.0.1:0",
    };
}

bool config_set(
    struct config *c, const char *section, const char *key, const char *value, struct buf *problems)
{
    struct place at = { "command line", 0, c, CONFIG_NO_SECTION, 0, problems, false };
    enter_section(&at, str_of(section));
    if (at.section != CONFIG_NO_SECTION)
        assign(&at, str_of(key), str_of(value), false);
    return !at.failed;
}

static bool is_given(uint64_t mask, enum config_section section, const char *name)
{
    const struct config_key *k = key_find(section, str_of(name));
    assert(k != NULL);
    return (mask >> (k - keys) & 1) != 0;
}

static void check_link(struct place *at, const struct link_config *l, uint64_t given)
{
    bool key = is_given(given, CONFIG_ACQUIRER, "mac_key");
    bool key_file = is_given(given, CONFIG_ACQUIRER, "mac_key_file");
    if (l->address[0] == '\0')
        tell(at, "[acquirer %s] has no address; give it address = HOST:PORT", l->name);
    if (key && key_file)
        tell(at, "[acquirer %s] has both mac_key and mac_key_file; keep one of them", l->name);
    if (l->mac.kind != ISO_MAC_NONE && !key && !key_file)
        tell(at, "[acquirer %s] has a mac and no key; give it mac_key_file", l->name);
    if (l->mac.kind == ISO_MAC_NONE && (key || key_file))
        tell(at, "[acquirer %s] has a key and no mac; give it mac = cmac, or what the host uses",
            l->name);
}

bool config_check(const struct config *c, struct buf *problems)
{
    struct place at = { "configuration", 0, NULL, CONFIG_NO_SECTION, 0, problems, false };
    if ((c->tls_cert[0] == '\0') != (c->tls_key[0] == '\0'))
        tell(&at, "[server] has one of tls_cert and tls_key; TLS takes both");
    if (!config_sandbox_on(c) && c->n_links == 0)
        tell(&at, "[sandbox] is off and there is no acquirer; give it an [acquirer NAME]");
    for (size_t i = 0; i < c->n_links; i++)
        check_link(&at, &c->links[i], c->link_given[i]);
    return !at.failed;
}

bool config_sandbox_on(const struct config *c)
{
    if (is_given(c->given, CONFIG_SANDBOX, "enabled"))
        return c->sandbox_enabled;
    return c->n_links == 0;
}

void config_wipe(struct config *c)
{
    sodium_memzero(c, sizeof(*c));
}
