/*
 * Commands that wait for the answer to an operation, by the operation's id.
 */
#ifndef TURNPIKE_ENGINE_WAITERS_H
#define TURNPIKE_ENGINE_WAITERS_H

#include "engine/command.h"

struct waiters {
    struct waiter *slots;
    size_t n, mask;
};

/* Room for max commands. False without memory. */
bool waiters_init(struct waiters *w, size_t max);
void waiters_free(struct waiters *w);

/* There must be room and no other for the id. */
void waiters_add(struct waiters *w, int64_t operation_id, struct command *c);

/* Takes the one that waits for the id out; NULL when nobody does. */
struct command *waiters_take(struct waiters *w, int64_t operation_id);

/* Takes one out, whichever; NULL when none is left. */
struct command *waiters_take_any(struct waiters *w);

#endif
