/*
 * turnpike: a card payment gateway. This file is the list of its commands.
 */
#include "cli/cli.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *usage, *help;
} commands[] = {
    { "serve", cmd_serve,
        "[--config FILE] [--data DIR] [--db URL] [--listen HOST:PORT] [--admin HOST:PORT] "
        "[--acquirer HOST:PORT]",
        "serve the merchant APIs; without a configuration a complete sandbox" },
    { "demo", cmd_demo, "",
        "take a few payments in a temporary sandbox and show all that happens" },
    { "host", cmd_host, "--listen HOST:PORT --journal FILE [--control HOST:PORT]",
        "run the host simulator (acquirer and issuer) alone" },
    { "merchant", cmd_merchant, "add|list|passwd|limits ... [--data DIR]",
        "manage merchants; `turnpike merchant` tells more" },
    { "check", cmd_check, "--config FILE", "read a configuration and tell all that is wrong" },
    { "keys", cmd_keys, "show|rotate|drop [--data DIR]",
        "the card key ring; rotate seals every card under a new key, while serving" },
    { "clock", cmd_clock, "show|advance DURATION [--data DIR]",
        "the sandbox's clock; DURATION like 30s, 15m, 12h, 7d" },
    { "diagram", cmd_diagram, "", "print the state machines from their tables, as Graphviz" },
    { "verify", cmd_verify, "[--data DIR] [--db URL]",
        "walk the database and prove that ledger and states are right" },
};

static int help(FILE *to, int status)
{
    (void)fprintf(to, "turnpike: a card payment gateway\n\n");
    for (size_t i = 0; i < COUNT(commands); i++)
        (void)fprintf(to, "  turnpike %s %s\n      %s\n", commands[i].name, commands[i].usage,
            commands[i].help);
    (void)fprintf(to, "\nThe data directory is ./turnpike-data unless --data or the configuration "
                      "names another.\n");
    return status;
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        return complain("libsodium does not start");
    if (argc < 2)
        return help(stderr, EXIT_USAGE);
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "help") == 0)
        return help(stdout, EXIT_DONE);
    for (size_t i = 0; i < COUNT(commands); i++)
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    (void)complain("there is no command '%s'", argv[1]);
    return help(stderr, EXIT_USAGE);
}
