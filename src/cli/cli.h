/*
 * The command line: one row per command in main.c, one file per command.
 *
 * A command gets its own words (argv[0] is its name) and returns the exit status: 0, 1 when it
 * could not be done, 2 when it was called wrongly. Messages for people go to standard error,
 * results to standard output.
 */
#ifndef TURNPIKE_CLI_CLI_H
#define TURNPIKE_CLI_CLI_H

#include "cli/config.h"
#include "cli/datadir.h"

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };

int cmd_serve(int argc, char **argv);
int cmd_host(int argc, char **argv);
int cmd_demo(int argc, char **argv);
int cmd_merchant(int argc, char **argv);
int cmd_check(int argc, char **argv);
int cmd_keys(int argc, char **argv);
int cmd_clock(int argc, char **argv);
int cmd_diagram(int argc, char **argv);
int cmd_verify(int argc, char **argv);

/* An option of a command: "--name VALUE" or "--name=VALUE"; flag: without a value. */
struct option_rule {
    const char *name;
    const char **value; /* gets the value; for a flag its own name */
    bool flag;
};

/*
 * Takes the options out of argv; what is left (words without dashes) stays in argv[1..], their
 * number is returned. -1 with a message for an unknown or incomplete option.
 */
int options_take(int argc, char **argv, const struct option_rule *rules, size_t n);

/* The options that name a server or its data: --config --data --db --listen --admin --acquirer. */
struct server_options {
    const char *config, *data, *db, *listen, *admin, *acquirer;
};
enum { SERVER_OPTIONS = 6 };
void server_option_rules(struct server_options *o, struct option_rule rules[SERVER_OPTIONS]);

/* Reads the configuration and lays the options over it; prints all problems. */
bool server_config(const struct server_options *o, struct config *out);

/* "turnpike: " and the sentence, on standard error. Returns EXIT_FAILED. */
int complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

/*
 * Asks a running server's admin listener: GET, or POST when json is not NULL. Prints the answer;
 * false with a message.
 */
bool admin_call(const char *admin_url, const char *path, const char *json);

#endif
