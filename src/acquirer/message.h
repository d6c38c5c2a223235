/*
 * From the engine's wish to the elements of a message: the map of spec/iso8583.md §6.
 */
#ifndef TURNPIKE_ACQUIRER_MESSAGE_H
#define TURNPIKE_ACQUIRER_MESSAGE_H

#include "acquirer/acquirer.h"

/*
 * Texts that the message built points into. DE 48 may hold a CVV: its owner wipes it with the
 * message.
 */
struct message_text {
    char acceptor[40];    /* DE 43 */
    char additional[32];  /* DE 48 */
    char original[42];    /* DE 90 */
    char replacement[42]; /* DE 95 */
};

/*
 * Fills m with every element the map names for a's kind. False when a mandatory value is missing or
 * out of its range: then m->bad_de is the element. The texts of a, c and t must live until m is
 * packed.
 */
bool message_build(struct iso_message *m, struct message_text *t, const struct link_config *c,
    const struct acquirer_message *a);

/* DE 7 of a moment: MMDDhhmmss in UTC. */
uint64_t message_de7(int64_t ms);

/* True for what waits as long as an advice does (0220, 04xx), false for 0100 and 0200. */
bool message_waits_as_advice(enum operation_kind kind);

#endif
