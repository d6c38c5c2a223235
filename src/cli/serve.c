#include "cli/cli.h"
#include "cli/server.h"
#include "sandbox/host.h"

#include <signal.h>
#include <stdio.h>

/*
 * Signals are taken by this thread alone, in sigwait; a client that goes away must not end the
 * process.
 */
static bool block_signals(sigset_t *wanted)
{
    struct sigaction ignore = { .sa_handler = SIG_IGN };
    return sigemptyset(wanted) == 0 && sigaddset(wanted, SIGTERM) == 0 &&
           sigaddset(wanted, SIGINT) == 0 && sigprocmask(SIG_BLOCK, wanted, NULL) == 0 &&
           sigaction(SIGPIPE, &ignore, NULL) == 0;
}

static int serve(const struct config *config, const sigset_t *wanted)
{
    char why[512];
    struct server *s = server_start(config, NULL, why, sizeof why);
    if (s == NULL)
        return complain("%s", why);
    (void)printf("ready %s admin %s\n", server_url(s), server_admin_url(s));
    (void)fflush(stdout);
    int signal_number;
    (void)sigwait(wanted, &signal_number);
    server_stop(s);
    return EXIT_DONE;
}

int cmd_serve(int argc, char **argv)
{
    struct server_options o;
    struct option_rule rules[SERVER_OPTIONS];
    server_option_rules(&o, rules);
    int words = options_take(argc, argv, rules, COUNT(rules));
    if (words != 0) {
        if (words > 0)
            (void)complain("serve: what is '%s'?", argv[1]);
        return EXIT_USAGE;
    }
    static struct config config;
    sigset_t wanted;
    if (!server_config(&o, &config))
        return EXIT_FAILED;
    int status =
        block_signals(&wanted) ? serve(&config, &wanted) : complain("signals cannot be blocked");
    config_wipe(&config);
    return status;
}

int cmd_host(int argc, char **argv)
{
    const char *listen = NULL, *journal = NULL, *control = NULL;
    const struct option_rule rules[] = { { "--listen", &listen, false },
        { "--journal", &journal, false }, { "--control", &control, false } };
    sigset_t wanted;
    char why[512];
    if (options_take(argc, argv, rules, COUNT(rules)) != 0 || listen == NULL || journal == NULL) {
        (void)complain(
            "usage: turnpike host --listen HOST:PORT --journal FILE [--control HOST:PORT]");
        return EXIT_USAGE;
    }
    if (!block_signals(&wanted))
        return complain("signals cannot be blocked");
    struct host_server_config c = {
        .host = { .journal_path = journal }, .listen = listen, .control = control
    };
    struct host_server *h = host_server_start(&c, why, sizeof why);
    if (h == NULL)
        return complain("%s", why);
    (void)printf("ready port %u", host_server_port(h));
    if (control != NULL)
        (void)printf(" control %u", host_server_control_port(h));
    (void)printf("\n");
    (void)fflush(stdout);
    bool running = true;
    const struct timespec second = { .tv_sec = 1 };
    while (running && sigtimedwait(&wanted, NULL, &second) < 0)
        running = host_server_running(h);
    host_server_stop(h);
    return running ? EXIT_DONE : complain("the journal is broken; the log has file and line");
}

int cmd_check(int argc, char **argv)
{
    struct server_options o;
    struct option_rule rules[SERVER_OPTIONS];
    static struct config config;
    server_option_rules(&o, rules);
    if (options_take(argc, argv, rules, COUNT(rules)) != 0 || o.config == NULL) {
        (void)complain("usage: turnpike check --config FILE");
        return EXIT_USAGE;
    }
    if (!server_config(&o, &config))
        return EXIT_FAILED;
    (void)printf("%s is fine: %zu acquirer%s, sandbox %s\n", o.config, config.n_links,
        config.n_links == 1 ? "" : "s", config_sandbox_on(&config) ? "on" : "off");
    config_wipe(&config);
    return EXIT_DONE;
}
