/*
 * The engine: load, decide, commit, release (docs/architecture.md).
 *
 * One thread takes everything that waits as one batch. It loads the rows the batch needs, decides
 * each event with pure functions on those rows, commits all changes as one transaction, and only
 * then lets replies and messages go. engine_step is that, without a thread; engine_run drives it
 * from the loop.
 */
#ifndef TURNPIKE_ENGINE_ENGINE_H
#define TURNPIKE_ENGINE_ENGINE_H

#include "base/clock.h"
#include "base/rng.h"
#include "engine/command.h"
#include "engine/loop.h"
#include "engine/port.h"
#include "store/store.h"
#include "vault/vault.h"

struct engine;

struct engine_config {
    struct store *store; /* the writer */
    struct vault *vault;
    struct merchant_book *merchants;
    struct clock *clock;
    struct rng *rng;
    int64_t
        advice_wait_ms; /* how long a merchant waits for the answer to a capture; default 30 s */
    uint32_t
        max_waiting; /* commands taken but not answered, default 20000: more are OVERLOADED at once */
};

/* Reads counters and what was open when the process ended. NULL with a sentence in why. */
struct engine *engine_new(const struct engine_config *config, char *why, size_t why_size);
void engine_free(struct engine *e);
/* Before the first step. Reads the trace numbers of the links. False with a sentence in why. */
bool engine_set_port(struct engine *e, struct acquirer_port *port, char *why, size_t why_size);

/* Any thread: gives a command to the engine. done() will be called exactly once. */
void engine_submit(struct engine *e, struct command *c);

/* False while the last commit failed or the writer has not answered: /readyz. */
bool engine_ready(const struct engine *e);

/* ---- driving it: the loop, or a simulation ---- */

/*
 * Takes what was submitted, these events of links, and what time has made due; loads, decides,
 * commits, releases. One thread.
 */
void engine_step(struct engine *e, const struct acquirer_event *events, size_t n);

/*
 * The business time at which a step is wanted although nothing has happened; INT64_MAX for never, 0
 * for at once.
 */
int64_t engine_next_due(const struct engine *e);

/* True when commands wait to be taken. */
bool engine_has_work(const struct engine *e);

/* What engine_submit calls after a push that found the queue empty: wakes the loop. */
void engine_set_wake(struct engine *e, void (*wake)(void *self), void *self);

/* Commands not answered yet. Any thread. */
uint32_t engine_waiting(const struct engine *e);

/* Links that are signed on, as of the last step. Any thread. */
uint32_t engine_links_up(const struct engine *e);

/* Asks the engine to let the write-ahead log start anew between two batches. Any thread. */
void engine_checkpoint(struct engine *e);

/*
 * Asks the running engine to seal every card under the newest key again, in slices between batches.
 * Any thread.
 */
void engine_rekey(struct engine *e);
/*
 * 0: all cards are under the newest key; -1: it goes on; above 0: stuck, a card could not be opened.
 * Any thread.
 */
int64_t engine_rekey_left(const struct engine *e);

/*
 * After the last step: answers what still waits with OUT_PENDING, and what was not taken with
 * OUT_OVERLOADED. What is open is resolved at the next start.
 */
void engine_let_go(struct engine *e);

/* Any thread: time has been moved, look at the timers again. */
void engine_wake(struct engine *e);

#endif
