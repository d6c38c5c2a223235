/*
 * `turnpike demo`: a sandbox in a temporary folder, a few payments through POST /api/cc, and
 * everything that they caused: each request and answer, the ISO 8583 messages on the acquirer link,
 * and the ledger, which balances.
 */
#include "cli/cli.h"
#include "cli/server.h"
#include "engine/ledger.h"
#include "http/client.h"
#include "http/json.h"
#include "store/store.h"

#include <dirent.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TEXT_MAX = 1 << 20, KEPT = 8, SETTLE_MS = 150, CALL_TIMEOUT_MS = 40000 };

/* What later steps refer to: references and tokens of earlier answers. */
struct kept {
    char name[16], value[64];
};

struct demo {
    struct server *server;
    struct http_client *client;
    pthread_mutex_t lock; /* over messages: the trace comes from the engine's thread */
    struct buf messages;
    struct kept kept[KEPT];
    size_t n_kept;
    int failures;
};

#define CARD                                                                                       \
    "\"card_number\":\"4111111111111111\",\"card_exp_month\":\"12\",\"card_exp_year\":\"2030\","   \
    "\"cvv\":\"123\","
#define PAYER                                                                                      \
    "\"first_name\":\"Ann\",\"last_name\":\"Lee\",\"card_holder\":\"ANN LEE\",\"zip\":\"01001\","  \
    "\"country\":\"LTU\",\"user_email\":\"ann@example.com\",\"user_ip\":\"192.0.2.7\","
#define LOGIN                                                                                      \
    "\"api_version\":1,\"merchant_account\":\"demo_merchant\","                                    \
    "\"merchant_password\":\"demo_password\","

/* {NAME} in a body is the value kept under NAME. */
static const struct step {
    const char *title, *body;
    int code;                         /* what the answer's code must be */
    const char *keep_field, *keep_as; /* NULL: nothing */
} steps[] = {
    { "SALE: pay at once",
        "{" LOGIN
        "\"transaction_type\":\"SALE\",\"transaction_unique_id\":\"demo-sale-1\"," CARD PAYER
        "\"amount\":12.34,\"currency\":\"EUR\"}",
        0, "reference", "sale" },
    { "AUTH: hold funds",
        "{" LOGIN
        "\"transaction_type\":\"AUTH\",\"transaction_unique_id\":\"demo-auth-1\"," CARD PAYER
        "\"amount\":100.00,\"currency\":\"EUR\"}",
        0, "reference", "auth" },
    { "SETTLE: capture a part of them; the rest is given back",
        "{" LOGIN "\"transaction_type\":\"SETTLE\",\"transaction_unique_id\":\"demo-settle-1\","
        "\"reference\":\"{auth}\",\"amount\":80.00,\"currency\":\"EUR\"}",
        0, "reference", "settle" },
    { "REFUND: give some of it back",
        "{" LOGIN "\"transaction_type\":\"REFUND\",\"transaction_unique_id\":\"demo-refund-1\","
        "\"reference\":\"{settle}\",\"amount\":30.00,\"currency\":\"EUR\"}",
        0, NULL, NULL },
    { "AUTH: hold funds again",
        "{" LOGIN
        "\"transaction_type\":\"AUTH\",\"transaction_unique_id\":\"demo-auth-2\"," CARD PAYER
        "\"amount\":55.00,\"currency\":\"EUR\"}",
        0, "reference", "hold" },
    { "VOID: let them go",
        "{" LOGIN "\"transaction_type\":\"VOID\",\"transaction_unique_id\":\"demo-void-1\","
        "\"reference\":\"{hold}\"}",
        0, NULL, NULL },
    { "TOKENIZE: a card becomes a token",
        "{" LOGIN "\"transaction_type\":\"TOKENIZE\",\"card_holder\":\"ANN LEE\"," CARD
        "\"transaction_unique_id\":\"demo-token-1\"}",
        0, "token", "token" },
    { "SALE by token",
        "{" LOGIN "\"transaction_type\":\"SALE\",\"transaction_unique_id\":\"demo-sale-2\","
        "\"token\":\"{token}\"," PAYER "\"amount\":7.00,\"currency\":\"EUR\"}",
        0, NULL, NULL },
    { "SALE with a card that has no money",
        "{" LOGIN "\"transaction_type\":\"SALE\",\"transaction_unique_id\":\"demo-sale-3\","
        "\"card_number\":\"{poor}\",\"card_exp_month\":\"12\",\"card_exp_year\":\"2030\","
        "\"cvv\":\"123\"," PAYER "\"amount\":9.99,\"currency\":\"EUR\"}",
        3101, NULL, NULL },
    { "CHECK: what became of the first one",
        "{" LOGIN "\"transaction_type\":\"CHECK\",\"reference\":\"{sale}\"}", 0, NULL, NULL },
};

static void keep(struct demo *d, const char *name, const char *value)
{
    if (d->n_kept == KEPT)
        return;
    struct kept *k = &d->kept[d->n_kept++];
    (void)str_copy(k->name, sizeof k->name, str_of(name));
    (void)str_copy(k->value, sizeof k->value, str_of(value));
}

static const char *kept_value(const struct demo *d, struct str name)
{
    for (size_t i = 0; i < d->n_kept; i++)
        if (str_eq(str_of(d->kept[i].name), name))
            return d->kept[i].value;
    return NULL;
}

/* The body with every {name} replaced; other braces stay. */
static void fill_in(const struct demo *d, const char *body, struct buf *out)
{
    for (struct str rest = str_of(body); rest.n > 0;) {
        size_t end = rest.p[0] == '{' ? str_find(rest, '}') : rest.n;
        struct str name = { rest.p + 1, end > 0 && end < rest.n ? end - 1 : 0 };
        const char *value = name.n > 0 ? kept_value(d, name) : NULL;
        if (value != NULL) {
            buf_str(out, str_of(value));
            rest = str_skip(rest, end + 1);
        } else {
            buf_byte(out, rest.p[0]);
            rest = str_skip(rest, 1);
        }
    }
}

static void trace(void *self, const char *link, bool outgoing, const struct iso_message *m)
{
    struct demo *d = self;
    (void)pthread_mutex_lock(&d->lock);
    buf_printf(&d->messages, "    %s %s ", link, outgoing ? "->" : "<-");
    iso_print(m, &d->messages);
    buf_str(&d->messages, STR("\n"));
    (void)pthread_mutex_unlock(&d->lock);
}

/* Advices go out behind the answer: give them a moment before showing what was said. */
static void show_messages(struct demo *d)
{
    (void)usleep(SETTLE_MS * 1000);
    (void)pthread_mutex_lock(&d->lock);
    (void)printf("  ISO 8583:\n%.*s", STR_ARG(buf_view(&d->messages)));
    if (d->messages.n == 0)
        (void)printf("    nothing\n");
    buf_reset(&d->messages);
    (void)pthread_mutex_unlock(&d->lock);
}

static const struct {
    const char *key, *shown;
} hidden[] = { { "card_number", NULL }, { "cvv", "***" }, { "merchant_password", "***" } };

/* The request as it is shown: card number masked, CVV and password hidden. */
static void show_json(const char *label, struct str text)
{
    json_t *root = json_loadb(text.p, text.n, 0, NULL);
    for (size_t i = 0; i < COUNT(hidden); i++) {
        const char *value = json_string_value(json_object_get(root, hidden[i].key));
        char masked[32];
        if (value == NULL)
            continue;
        (void)str_copy(masked, sizeof masked, str_of(value));
        log_mask_pans(masked, strlen(masked));
        (void)json_object_set_new(
            root, hidden[i].key, json_string(hidden[i].shown != NULL ? hidden[i].shown : masked));
    }
    struct arena a;
    arena_init(&a, TEXT_MAX);
    struct str shown = root != NULL ? json_print(root, &a) : STR("(not JSON)");
    (void)printf("  %s %.*s\n", label, STR_ARG(shown));
    arena_free(&a);
    json_decref(root);
}

static void judge(struct demo *d, const struct step *s, struct str answer)
{
    json_t *root = json_loadb(answer.p, answer.n, 0, NULL);
    const json_t *code = json_object_get(root, "code");
    if (!json_is_integer(code) || json_integer_value(code) != s->code) {
        (void)printf("  UNEXPECTED: the code should be %d\n", s->code);
        d->failures++;
    }
    const char *value =
        s->keep_field == NULL ? NULL : json_string_value(json_object_get(root, s->keep_field));
    if (value != NULL)
        keep(d, s->keep_as, value);
    json_decref(root);
}

static void run_step(struct demo *d, const struct step *s)
{
    char url[512], why[256];
    struct buf body, answer;
    buf_init(&body, TEXT_MAX);
    buf_init(&answer, TEXT_MAX);
    fill_in(d, s->body, &body);
    (void)snprintf(url, sizeof url, "%s/api/cc", server_url(d->server));
    (void)printf("\n%s\n", s->title);
    show_json("POST /api/cc", buf_view(&body));
    struct str text = buf_view(&body);
    if (http_client_call(d->client, url, "application/json", &text, CALL_TIMEOUT_MS, &answer, why,
            sizeof why) == 0) {
        (void)printf("  NO ANSWER: %s\n", why);
        d->failures++;
    } else {
        show_json("answer      ", buf_view(&answer));
        judge(d, s, buf_view(&answer));
    }
    show_messages(d);
    buf_free(&body);
    buf_free(&answer);
}

static void show_ledger(struct demo *d)
{
    char why[256];
    struct arena a;
    struct balance *rows = NULL;
    size_t n = 0;
    int64_t total = 0;
    arena_init(&a, 1 << 20);
    struct store *s = store_open(server_db(d->server), STORE_READ, why, sizeof why);
    if (s == NULL || store_balances(s, &a, 0, &rows, &n) != STORE_OK)
        d->failures++;
    (void)printf("\nThe ledger (debit positive, minor units):\n");
    for (size_t i = 0; i < n; i++) {
        const struct currency *c = currency_by_numeric(rows[i].currency);
        (void)printf("  %-20s %s %10" PRId64 "   %" PRId64 " entries\n",
            account_name(rows[i].account), c != NULL ? c->code : "?", rows[i].amount_minor,
            rows[i].entries);
        total += rows[i].amount_minor;
    }
    (void)printf("  %-20s     %10" PRId64 "   %s\n", "sum", total,
        total == 0 ? "it balances" : "IT DOES NOT BALANCE");
    d->failures += total != 0 || n == 0;
    store_close(s);
    arena_free(&a);
}

static void remove_folder(const char *path)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return;
    for (struct dirent *f = readdir(dir); f != NULL; f = readdir(dir)) {
        char file[1024];
        (void)snprintf(file, sizeof file, "%s/%s", path, f->d_name);
        (void)unlink(file);
    }
    (void)closedir(dir);
    (void)rmdir(path);
}

static bool start(struct demo *d, const char *folder)
{
    static struct config config;
    struct buf problems;
    char why[512] = "no HTTP client";
    buf_init(&problems, TEXT_MAX);
    config_defaults(&config);
    bool ok = config_set(&config, "server", "data", folder, &problems) &&
              config_set(&config, "server", "listen", "127.0.0.1:0", &problems) &&
              config_set(&config, "server", "admin", "127.0.0.1:0", &problems) &&
              config_set(&config, "server", "log_level", "warn", &problems);
    d->client = http_client_new();
    if (ok && d->client != NULL)
        d->server = server_start(
            &config, &(struct server_hooks) { .trace = trace, .self = d }, why, sizeof why);
    if (d->server == NULL)
        (void)complain("%.*s%s", STR_ARG(buf_view(&problems)), why);
    buf_free(&problems);
    config_wipe(&config);
    return d->server != NULL;
}

int cmd_demo(int argc, char **argv)
{
    char folder[400];
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(
        folder, sizeof folder, "%.300s/turnpike-demo-XXXXXX", tmp != NULL ? tmp : "/tmp");
    static struct demo d = { .lock = PTHREAD_MUTEX_INITIALIZER };
    if (options_take(argc, argv, NULL, 0) != 0)
        return EXIT_USAGE;
    if (mkdtemp(folder) == NULL)
        return complain("no temporary folder");
    buf_init(&d.messages, TEXT_MAX);
    keep(&d, "poor", "4000007700030510");
    if (start(&d, folder)) {
        (void)printf("A sandbox at %s, with its data in %s\n", server_url(d.server), folder);
        for (size_t i = 0; i < COUNT(steps); i++)
            run_step(&d, &steps[i]);
        show_ledger(&d);
        server_stop(d.server);
    } else {
        d.failures++;
    }
    http_client_free(d.client);
    buf_free(&d.messages);
    remove_folder(folder);
    (void)printf("\n%s\n", d.failures == 0 ? "Done: all as expected." : "SOMETHING WENT WRONG.");
    return d.failures == 0 ? EXIT_DONE : EXIT_FAILED;
}
