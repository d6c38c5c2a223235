#include "cli/cli.h"
#include "http/client.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { ANSWER_MAX = 1 << 20, ADMIN_TIMEOUT_MS = 10000, PROBLEMS_MAX = 1 << 16 };

int complain(const char *format, ...)
{
    va_list args;
    (void)fprintf(stderr, "turnpike: ");
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\n");
    return EXIT_FAILED;
}

static const struct option_rule *rule_of(const struct option_rule *rules, size_t n, struct str name)
{
    for (size_t i = 0; i < n; i++)
        if (str_eq(str_of(rules[i].name), name))
            return &rules[i];
    return NULL;
}

int options_take(int argc, char **argv, const struct option_rule *rules, size_t n)
{
    int words = 0;
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], "--", 2) != 0) {
            argv[++words] = argv[i];
            continue;
        }
        struct str name = str_of(argv[i]);
        size_t equals = str_find(name, '=');
        const struct option_rule *r = rule_of(rules, n, (struct str) { name.p, equals });
        if (r == NULL) {
            (void)complain("%s: there is no option '%s'", argv[0], argv[i]);
            return -1;
        }
        if (r->flag) {
            *r->value = r->name;
        } else if (equals < name.n) {
            *r->value = argv[i] + equals + 1;
        } else if (i + 1 < argc) {
            *r->value = argv[++i];
        } else {
            (void)complain("%s: %s wants a value", argv[0], argv[i]);
            return -1;
        }
    }
    return words;
}

void server_option_rules(struct server_options *o, struct option_rule rules[SERVER_OPTIONS])
{
    *o = (struct server_options) { .config = NULL };
    const struct option_rule all[SERVER_OPTIONS] = { { "--config", &o->config, false },
        { "--data", &o->data, false }, { "--db", &o->db, false }, { "--listen", &o->listen, false },
        { "--admin", &o->admin, false }, { "--acquirer", &o->acquirer, false } };
    memcpy(rules, all, sizeof all);
}

static bool lay_over(const struct server_options *o, struct config *out, struct buf *problems)
{
    const struct {
        const char *section, *key, *value;
    } given[] = { { "server", "data", o->data }, { "server", "db", o->db },
        { "server", "listen", o->listen }, { "server", "admin", o->admin },
        { "acquirer acquirer", "address", o->acquirer } };
    bool ok = true;
    for (size_t i = 0; i < COUNT(given); i++)
        if (given[i].value != NULL)
            ok = config_set(out, given[i].section, given[i].key, given[i].value, problems) && ok;
    return ok;
}

bool server_config(const struct server_options *o, struct config *out)
{
    struct buf problems;
    buf_init(&problems, PROBLEMS_MAX);
    bool ok = true;
    if (o->config != NULL)
        ok = config_read(o->config, out, &problems);
    else
        config_defaults(out);
    ok = ok && lay_over(o, out, &problems) && config_check(out, &problems);
    if (problems.n > 0)
        (void)fprintf(stderr, "%.*s", STR_ARG(buf_view(&problems)));
    if (!ok)
        config_wipe(out);
    buf_free(&problems);
    return ok;
}

bool admin_call(const char *admin_url, const char *path, const char *json)
{
    char url[512], why[256] = "no memory";
    struct buf answer;
    struct str body = str_of(json);
    (void)snprintf(url, sizeof url, "%s%s", admin_url, path);
    buf_init(&answer, ANSWER_MAX);
    struct http_client *c = http_client_new();
    unsigned status =
        c == NULL ? 0
                  : http_client_call(c, url, "application/json", json != NULL ? &body : NULL,
                        ADMIN_TIMEOUT_MS, &answer, why, sizeof why);
    if (status == 0)
        (void)complain("%s: %s", url, why);
    else if (status != 200)
        (void)complain("%s: %.*s", url, STR_ARG(buf_view(&answer)));
    else
        (void)printf("%.*s", STR_ARG(buf_view(&answer)));
    http_client_free(c);
    buf_free(&answer);
    return status == 200;
}
