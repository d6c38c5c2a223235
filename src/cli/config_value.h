/*
 * Values of the configuration: from text to the field that a row of the table names.
 *
 * A reader knows one kind of value and answers yes or no; what to tell people is said once, from
 * the row.
 */
#ifndef TURNPIKE_CLI_CONFIG_VALUE_H
#define TURNPIKE_CLI_CONFIG_VALUE_H

#include "cli/config.h"

/* True for the kinds that go on in the next line. */
bool config_value_is_list(enum config_kind kind);

/*
 * Reads value into the field of `base` (a struct config or struct link_config) that k names; more:
 * it adds to the list that is there. False when it does not fit, with *bad the part of value that
 * is wrong.
 */
bool config_value_read(
    const struct config_key *k, struct str value, bool more, void *base, struct str *bad);

/* Appends what k takes: "a number from 1 to 64". */
void config_value_takes(const struct config_key *k, struct buf *out);

#endif
