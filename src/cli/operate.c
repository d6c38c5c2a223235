/*
 * What operators ask of a running server, or of its data when nobody serves it: keys, clock,
 * diagram.
 */
#include "base/log.h"
#include "cli/cli.h"
#include "engine/machine.h"
#include "store/store.h"
#include "vault/vault.h"

#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SLICE = 256, DIAGRAM_MAX = 1 << 20, RESEAL_POLLS = 6000 };

/* The words and the data directory of a command; false when it was called wrongly. */
static bool take_words(int argc, char **argv, struct datadir *dir, int *words)
{
    struct server_options o;
    struct option_rule rules[SERVER_OPTIONS];
    static struct config config;
    server_option_rules(&o, rules);
    *words = options_take(argc, argv, rules, COUNT(rules));
    if (*words < 0 || !server_config(&o, &config))
        return false;
    datadir_paths(&config, dir);
    config_wipe(&config);
    return true;
}

/* ---- keys ---- */

struct offline { /* store and vault of a directory that nobody serves */
    int lock_fd;
    struct store *store;
    struct vault *vault;
    struct rng rng;
};

static bool offline_open(const struct datadir *dir, struct offline *f)
{
    char why[512];
    *f = (struct offline) { .lock_fd = datadir_lock(dir, why, sizeof why), .rng = rng_system() };
    if (f->lock_fd >= 0)
        f->store = store_open(dir->db, STORE_WRITE, why, sizeof why);
    if (f->store != NULL)
        f->vault = vault_open(dir->keyring, false, why, sizeof why);
    if (f->vault == NULL)
        (void)complain("%s", why);
    return f->vault != NULL;
}

static void offline_close(struct offline *f)
{
    vault_close(f->vault);
    store_close(f->store);
    if (f->lock_fd >= 0)
        (void)close(f->lock_fd);
}

static bool reseal_cards(struct offline *f, struct arena *a)
{
    size_t n = SLICE;
    while (n == SLICE) {
        struct card_row **cards;
        arena_reset(a);
        bool ok = store_cards_of_other_keys(
                      f->store, a, vault_newest_key(f->vault), SLICE, &cards, &n) == STORE_OK;
        for (size_t i = 0; ok && i < n; i++)
            ok = vault_reseal_card(f->vault, &f->rng, cards[i]) == VAULT_OK;
        if (ok && n > 0)
            ok = store_commit(f->store, &(struct store_changes) { .cards = cards, .n_cards = n }) ==
                 STORE_OK;
        if (!ok)
            return false;
    }
    return true;
}

static const char *secret_label(enum face face)
{
    return face == FACE_GENOME ? "genome.private_key" : "merchant.secret";
}

static bool reseal_secrets(struct offline *f, struct arena *a)
{
    struct merchant_row *rows;
    size_t n;
    arena_reset(a);
    bool ok = store_merchants(f->store, a, &rows, &n) == STORE_OK;
    for (size_t i = 0; ok && i < n; i++) {
        struct str plain = STR_EMPTY, sealed = STR_EMPTY;
        if (rows[i].private_key.n == 0)
            continue;
        const char *label = secret_label(rows[i].face);
        ok = vault_open_text(f->vault, a, label, rows[i].id, rows[i].private_key, &plain) ==
                 VAULT_OK &&
             vault_seal_text(f->vault, &f->rng, a, label, rows[i].id, plain, &sealed) == VAULT_OK;
        rows[i].private_key = sealed;
        ok = ok && store_put_merchant(f->store, &rows[i]) == STORE_OK;
    }
    return ok;
}

static int with_offline(
    const struct datadir *dir, bool (*work)(struct offline *f, const struct datadir *dir,
                                   struct arena *a, char *why, size_t why_size))
{
    struct offline f;
    struct arena a;
    char why[512] = "a card or a merchant's key could not be opened; the log has the reason";
    arena_init(&a, 64 << 20);
    bool opened = offline_open(dir, &f);
    bool ok = opened && work(&f, dir, &a, why, sizeof why);
    if (opened && ok)
        (void)printf(
            "{\"newest\":%u,\"keys\":%zu}\n", vault_newest_key(f.vault), vault_key_count(f.vault));
    else if (opened)
        (void)complain("%s", why);
    arena_free(&a);
    offline_close(&f);
    return ok ? EXIT_DONE : EXIT_FAILED;
}

static bool work_show(
    struct offline *f, const struct datadir *dir, struct arena *a, char *why, size_t why_size)
{
    (void)f, (void)dir, (void)a, (void)why, (void)why_size;
    return true;
}

static bool work_rotate(
    struct offline *f, const struct datadir *dir, struct arena *a, char *why, size_t why_size)
{
    struct clock wall;
    clock_init(&wall, 0);
    return vault_add_key(f->vault, dir->keyring, clock_now_ms(&wall), why, why_size) &&
           reseal_cards(f, a);
}

/* Old keys go only after nothing is sealed under them any more. */
static bool work_drop(
    struct offline *f, const struct datadir *dir, struct arena *a, char *why, size_t why_size)
{
    return reseal_cards(f, a) && reseal_secrets(f, a) &&
           vault_drop_old_keys(f->vault, dir->keyring, why, why_size);
}

int cmd_keys(int argc, char **argv)
{
    struct datadir dir;
    int words;
    char url[512];
    if (!take_words(argc, argv, &dir, &words))
        return EXIT_USAGE;
    const char *what = words == 1 ? argv[1] : "";
    bool serving = datadir_serving(&dir, url, sizeof url);
    if (strcmp(what, "show") == 0)
        return serving ? (admin_call(url, "/keys", NULL) ? EXIT_DONE : EXIT_FAILED)
                       : with_offline(&dir, work_show);
    if (strcmp(what, "rotate") == 0)
        return serving ? (admin_call(url, "/keys/rotate", "{}") ? EXIT_DONE : EXIT_FAILED)
                       : with_offline(&dir, work_rotate);
    if (strcmp(what, "drop") == 0)
        return serving ? complain("stop the server first: keys are dropped only at rest")
                       : with_offline(&dir, work_drop);
    (void)complain("usage: turnpike keys show|rotate|drop [--data DIR]\n"
                   "  rotate adds a key and seals every card under it, while serving\n"
                   "  drop   removes the old keys once nothing is sealed under them");
    return EXIT_USAGE;
}

/* ---- clock ---- */

/* "30s", "15m", "12h", "7d", or plain milliseconds "500ms". */
static bool duration_parse(const char *text, int64_t *ms)
{
    static const struct {
        const char *unit;
        int64_t ms;
    } units[] = { { "ms", 1 }, { "s", 1000 }, { "m", 60000 }, { "h", 3600000 }, { "d", 86400000 } };
    struct str s = str_of(text);
    size_t digits = 0;
    while (digits < s.n && s.p[digits] >= '0' && s.p[digits] <= '9')
        digits++;
    uint64_t value;
    if (!str_to_u64((struct str) { s.p, digits }, 1000000000, &value))
        return false;
    for (size_t i = 0; i < COUNT(units); i++) {
        if (str_eq(str_skip(s, digits), str_of(units[i].unit))) {
            *ms = (int64_t)value * units[i].ms;
            return true;
        }
    }
    return false;
}

int cmd_clock(int argc, char **argv)
{
    struct datadir dir;
    int words;
    char url[512], json[64];
    int64_t by_ms = 0;
    if (!take_words(argc, argv, &dir, &words))
        return EXIT_USAGE;
    bool show = words == 1 && strcmp(argv[1], "show") == 0;
    bool advance = words == 2 && strcmp(argv[1], "advance") == 0;
    if (!show && !(advance && duration_parse(argv[2], &by_ms))) {
        (void)complain("usage: turnpike clock show|advance DURATION [--data DIR]\n"
                       "  DURATION is a number and ms, s, m, h or d: 7d");
        return EXIT_USAGE;
    }
    if (!datadir_serving(&dir, url, sizeof url))
        return complain("nobody serves this data directory; start `turnpike serve`, or use --data");
    (void)snprintf(json, sizeof json, "{\"advance_ms\":%" PRId64 "}", by_ms);
    return admin_call(url, "/sandbox/clock", advance ? json : NULL) ? EXIT_DONE : EXIT_FAILED;
}

/* ---- diagram ---- */

int cmd_diagram(int argc, char **argv)
{
    struct buf b;
    if (options_take(argc, argv, NULL, 0) != 0)
        return EXIT_USAGE;
    buf_init(&b, DIAGRAM_MAX);
    machine_print(&b);
    (void)printf("%.*s", STR_ARG(buf_view(&b)));
    buf_free(&b);
    return EXIT_DONE;
}
