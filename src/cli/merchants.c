/*
 * `turnpike merchant`: add, list, passwd, limits. Works beside a running server, which sees the
 * change within two seconds.
 */
#include "cli/cli.h"
#include "engine/merchant.h"
#include "store/store.h"
#include "vault/login.h"
#include "vault/vault.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { PASSWORD_MAX = 32, PASSWORD_MIN = 6 };

static const struct {
    enum face face;
    const char *name;
} faces[] = { { FACE_GENOME, "genome" } };

struct desk {
    struct datadir dir;
    struct store *store;
    struct arena arena;
};

static const char *face_name(enum face face)
{
    for (size_t i = 0; i < COUNT(faces); i++)
        if (faces[i].face == face)
            return faces[i].name;
    return "?";
}

static int usage(void)
{
    (void)complain(
        "usage:\n"
        "  turnpike merchant list\n"
        "  turnpike merchant add LOGIN --name NAME --mid MID --tid TID --mcc MCC --city CITY "
        "--country CC [--live] [--password-stdin]\n"
        "  turnpike merchant passwd LOGIN [--password-stdin]\n"
        "  turnpike merchant limits LOGIN [JSON]      without JSON: show them\n"
        "  turnpike merchant enable|disable LOGIN\n"
        "all with [--data DIR]. A password is made and printed unless --password-stdin gives one.\n"
        "limits, for example: {\"currencies\":[\"EUR\"],\"max_minor\":{\"EUR\":500000},"
        "\"countries_denied\":[\"PRK\"],\"brands\":[\"visa\"],\"window_days\":7}");
    return EXIT_USAGE;
}

static struct merchant_row *find(struct desk *k, const char *login)
{
    struct merchant_row *rows;
    size_t n;
    if (store_merchants(k->store, &k->arena, &rows, &n) != STORE_OK)
        return NULL;
    for (size_t i = 0; i < n; i++)
        if (strcmp(rows[i].login, login) == 0)
            return &rows[i];
    (void)complain("there is no merchant '%s'", login);
    return NULL;
}

static int put(struct desk *k, struct merchant_row *m)
{
    struct clock wall;
    clock_init(&wall, 0);
    m->updated_ms = clock_now_ms(&wall);
    switch (store_put_merchant(k->store, m)) {
    case STORE_OK:
        return EXIT_DONE;
    case STORE_CONFLICT:
        return complain("there is a merchant of that name already");
    default:
        return complain("the store did not take it; the log has the reason");
    }
}

/* From standard input, or made up and printed. */
static bool take_password(bool from_stdin, char out[PASSWORD_MAX + 2])
{
    if (!from_stdin) {
        static const char letters[] = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";
        for (int i = 0; i < 24; i++)
            out[i] = letters[randombytes_uniform(sizeof letters - 1)];
        out[24] = '\0';
        (void)printf("password %s\n", out);
        return true;
    }
    if (fgets(out, PASSWORD_MAX + 2, stdin) == NULL)
        return false;
    struct str s = str_trim(str_of(out));
    if (s.n < PASSWORD_MIN || s.n > PASSWORD_MAX) {
        (void)complain("a password has %d to %d characters", PASSWORD_MIN, PASSWORD_MAX);
        return false;
    }
    memmove(out, s.p, s.n);
    out[s.n] = '\0';
    return true;
}

static bool set_password(struct desk *k, struct merchant_row *m, bool from_stdin)
{
    char password[PASSWORD_MAX + 2], hash[LOGIN_HASH_SIZE];
    bool ok = take_password(from_stdin, password) && login_hash(str_of(password), hash);
    sodium_memzero(password, sizeof password);
    if (ok)
        m->password_hash = arena_str(&k->arena, str_of(hash));
    return ok;
}

struct details {
    const char *name, *mid, *tid, *mcc, *city, *country, *live, *password_stdin;
};

static bool fill(struct merchant_row *m, const struct details *d, const char *login)
{
    struct clock wall;
    clock_init(&wall, 0);
    *m = (struct merchant_row) { .face = FACE_GENOME,
        .active = true,
        .live = d->live != NULL,
        .created_ms = clock_now_ms(&wall) };
    const struct {
        char *field;
        size_t size, min;
        const char *value, *name;
    } fields[] = { { m->login, sizeof m->login, 6, login, "LOGIN" },
        { m->name, 26, 1, d->name, "--name" }, { m->mid, sizeof m->mid, 1, d->mid, "--mid" },
        { m->tid, sizeof m->tid, 1, d->tid, "--tid" },
        { m->mcc, sizeof m->mcc, 4, d->mcc, "--mcc" },
        { m->city, sizeof m->city, 1, d->city, "--city" },
        { m->country, sizeof m->country, 2, d->country, "--country" } };
    for (size_t i = 0; i < COUNT(fields); i++) {
        struct str value = str_of(fields[i].value);
        if (value.n < fields[i].min || !str_copy(fields[i].field, fields[i].size, value)) {
            (void)complain(
                "%s has %zu to %zu characters", fields[i].name, fields[i].min, fields[i].size - 1);
            return false;
        }
    }
    if (!str_is_digits(str_of(m->mcc)) || country_by_alpha(str_of(m->country)) == NULL) {
        (void)complain("--mcc is four digits, --country two letters of ISO 3166");
        return false;
    }
    return true;
}

static int add(struct desk *k, const char *login, const struct details *d)
{
    struct merchant_row m;
    if (!fill(&m, d, login) || !set_password(k, &m, d->password_stdin != NULL))
        return EXIT_FAILED;
    return put(k, &m);
}

static int list(struct desk *k)
{
    struct merchant_row *rows;
    size_t n;
    if (store_merchants(k->store, &k->arena, &rows, &n) != STORE_OK)
        return complain("the store cannot be read");
    for (size_t i = 0; i < n; i++)
        (void)printf("%s %s mid=%s tid=%s mcc=%s %s %s name=\"%s\" limits=%.*s\n",
            face_name(rows[i].face), rows[i].login, rows[i].mid, rows[i].tid, rows[i].mcc,
            rows[i].live ? "live" : "test", rows[i].active ? "active" : "disabled", rows[i].name,
            rows[i].limits.n > 0 ? (int)rows[i].limits.n : 2,
            rows[i].limits.n > 0 ? rows[i].limits.p : "{}");
    return EXIT_DONE;
}

static int limits(struct desk *k, const char *login, const char *json)
{
    static struct limits parsed;
    char why[256];
    struct merchant_row *m = find(k, login);
    if (m == NULL)
        return EXIT_FAILED;
    if (json == NULL) {
        (void)printf(
            "%.*s\n", m->limits.n > 0 ? (int)m->limits.n : 2, m->limits.n > 0 ? m->limits.p : "{}");
        return EXIT_DONE;
    }
    if (!limits_parse(str_of(json), &parsed, why, sizeof why))
        return complain("%s", why);
    m->limits = str_of(json);
    return put(k, m);
}

static int passwd(struct desk *k, const char *login, bool from_stdin)
{
    struct merchant_row *m = find(k, login);
    return m != NULL && set_password(k, m, from_stdin) ? put(k, m) : EXIT_FAILED;
}

static int enable(struct desk *k, const char *login, bool active)
{
    struct merchant_row *m = find(k, login);
    if (m == NULL)
        return EXIT_FAILED;
    m->active = active;
    return put(k, m);
}

/* The words of every form of the command. */
static bool is_known(char **words, int n)
{
    static const struct {
        const char *name;
        int fewest, most;
    } forms[] = { { "list", 1, 1 }, { "add", 2, 2 }, { "passwd", 2, 2 }, { "limits", 2, 3 },
        { "enable", 2, 2 }, { "disable", 2, 2 } };
    for (size_t i = 0; i < COUNT(forms); i++)
        if (strcmp(words[1], forms[i].name) == 0)
            return n >= forms[i].fewest && n <= forms[i].most;
    return false;
}

static int run(struct desk *k, char **words, int n, const struct details *d)
{
    const char *what = words[1];
    if (strcmp(what, "list") == 0)
        return list(k);
    if (strcmp(what, "add") == 0)
        return add(k, words[2], d);
    if (strcmp(what, "passwd") == 0)
        return passwd(k, words[2], d->password_stdin != NULL);
    if (strcmp(what, "limits") == 0)
        return limits(k, words[2], n == 3 ? words[3] : NULL);
    return enable(k, words[2], strcmp(what, "enable") == 0);
}

int cmd_merchant(int argc, char **argv)
{
    struct server_options o;
    struct details d = { .name = NULL };
    struct option_rule rules[SERVER_OPTIONS + 8] = { [SERVER_OPTIONS] = { "--name", &d.name,
                                                         false },
        { "--mid", &d.mid, false },
        { "--tid", &d.tid, false },
        { "--mcc", &d.mcc, false },
        { "--city", &d.city, false },
        { "--country", &d.country, false },
        { "--live", &d.live, true },
        { "--password-stdin", &d.password_stdin, true } };
    server_option_rules(&o, rules);
    int words = options_take(argc, argv, rules, COUNT(rules));
    if (words < 1 || !is_known(argv, words))
        return usage();
    static struct config config;
    struct desk k;
    char why[512];
    if (!server_config(&o, &config))
        return EXIT_FAILED;
    datadir_paths(&config, &k.dir);
    config_wipe(&config);
    k.store = store_open(k.dir.db, STORE_WRITE, why, sizeof why);
    if (k.store == NULL)
        return complain("%s", why);
    arena_init(&k.arena, 256 << 20);
    int status = run(&k, argv, words, &d);
    arena_free(&k.arena);
    store_close(k.store);
    return status;
}
