/*
 * The witness stands between the engine and its store, and remembers every transaction.
 *
 * It holds each against laws that are written down here a second time, apart from the engine's own
 * tables: legal edges, sums, what never changes. It knows what the database must hold after a
 * crash. And it is asked whenever something leaves the process: a message or an answer must rest on
 * what is durable.
 */
#ifndef TURNPIKE_TESTS_SIM_WITNESS_H
#define TURNPIKE_TESTS_SIM_WITNESS_H

#include "engine/command.h"
#include "engine/port.h"
#include "store/backend.h"

enum { UNIQUE_ROOM = 48, MAYBES = 8, ACCOUNTS = ACC_MERCHANT_PAYABLE + 1 };

/* An operation as it was last made durable. Its slices are empty, the text is here. */
struct known_operation {
    struct operation_row row;
    char unique_id[UNIQUE_ROOM];
    int64_t sums[ACCOUNTS]; /* of its entries */
    uint32_t entries, sent; /* sent: messages that left, in all lives */
};

struct known_payment {
    struct payment_row row;
};

struct known {
    struct known_operation *operations; /* in the order of their first commit */
    size_t n_operations, operations_room;
    struct known_payment *payments;
    size_t n_payments, payments_room;
};

struct witness {
    struct store base;
    struct store *real;
    struct known known;
    /*
     * With a transaction that failed, or during which the process died. Its pages may lie in the
     * log, whole, until the next one that succeeds is written over them: a crash may bring it back.
     */
    struct known maybe[MAYBES];
    size_t n_maybe; /* 0: nothing is in doubt */
    uint64_t commits;
};

void witness_init(struct witness *w);
void witness_free(struct witness *w);

/* A new process has opened the store. */
void witness_attach(struct witness *w, struct store *real);

/* Compares what a reader finds with what must be there: after a crash, and at the end. */
void witness_compare(struct witness *w, struct store *reader);

/* A message goes to a link. */
void witness_message(struct witness *w, const struct acquirer_message *m);

/* A merchant is answered. own_id: no other command has had its unique id. */
void witness_reply(struct witness *w, const struct command *c, bool own_id);

const struct known_operation *known_operation(const struct known *k, int64_t id);
const struct known_payment *known_payment(const struct known *k, int64_t id);
const struct known_operation *known_unique(
    const struct known *k, int64_t merchant_id, struct str unique_id);

/* Prints the seed, what is wrong, and how to replay it; ends the program. */
_Noreturn void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line of the trace, when one is wanted. */
void sim_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
