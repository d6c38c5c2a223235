/*
 * One step of the engine: gather, load, decide, commit, release.
 *
 * Everything before the commit only reads and computes. Everything after it (messages, replies,
 * timers) is a consequence of what is durable. When the commit fails nothing of the batch has
 * happened: commands are told so, and answers of hosts count as silence, which has its own way out.
 */
#include "engine/engine.h"
#include "base/log.h"
#include "base/metric.h"
#include "engine/decision.h"
#include "engine/flights.h"
#include "engine/machine.h"
#include "engine/timers.h"
#include "engine/waiters.h"

#include <assert.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STAN_BLOCK = 10000, /* trace numbers are reserved in the store by blocks */
    STAN_LAST = 999999,
    RETRY_MS = 1000, /* after a failed commit */
    EXPIRIES = 64,   /* windows ended in one step */
    REKEY_SLICE = 64,
    SETTLE_MS = 5000, /* after a start links have so long to come up; then advices go at once */
    PATIENCE_MS = 30000,
    MAX_WAITING = 20000,
    BATCH_ARENA = 256 * 1024 * 1024,
    BATCH_ARENA_FIRST = 1024 * 1024,
    ROWS = BATCH_EVENTS * 4
};

/* What one step works on. */
struct batch {
    struct command *commands[BATCH_EVENTS];
    size_t n_commands;
    struct acquirer_event events[BATCH_EVENTS]; /* of links, and those that timers stand for */
    size_t n_events;
    struct timer repeats[BATCH_EVENTS];
    size_t n_repeats;
    struct payment_row **expired;
    size_t n_expired;
    int64_t now_ms;
};

struct engine {
    struct engine_config config;
    struct acquirer_port *port;
    struct queue queue;
    struct queue_node *backlog; /* taken from the queue, not yet in a batch */
    _Atomic uint32_t waiting, links_up;
    _Atomic bool ready, checkpoint_wanted, rekey_wanted;
    _Atomic int64_t rekey_left;
    void (*wake)(void *self);
    void *wake_self;

    struct idgen ids;
    uint32_t next_stan[LINKS_MAX], reserved_stan[LINKS_MAX];
    char stan_names[LINKS_MAX][32];
    struct timers timers;
    struct waiters waiters;
    struct flights *flights;
    int64_t next_expiry_ms, probe_ms;
    bool link_came_up; /* advices that wait are due, those of this batch included */

    struct workset *rows;
    struct arena arena;
    struct batch batch;
    struct effect effects[BATCH_EVENTS * EFFECTS_PER_EVENT];
    struct entry_row entries[BATCH_EVENTS * ENTRIES_PER_EVENT];
};

static struct metric metric_approved = METRIC_COUNTER(
    "turnpike_replies_total", "Commands answered, by how they ended.", "outcome=\"approved\"");
static struct metric metric_declined = METRIC_COUNTER(
    "turnpike_replies_total", "Commands answered, by how they ended.", "outcome=\"declined\"");
static struct metric metric_refused = METRIC_COUNTER(
    "turnpike_replies_total", "Commands answered, by how they ended.", "outcome=\"refused\"");
static struct metric metric_unknown = METRIC_COUNTER(
    "turnpike_replies_total", "Commands answered, by how they ended.", "outcome=\"unknown\"");
static struct metric metric_commits =
    METRIC_COUNTER("turnpike_commits_total", "Transactions of the engine.", "");
static struct metric metric_commit_failures =
    METRIC_COUNTER("turnpike_commit_failures_total", "Transactions of the engine that failed.", "");
static struct metric metric_commit_time =
    METRIC_HISTOGRAM("turnpike_commit_seconds", "Time of one transaction, fsync included.", "");
static struct metric metric_batch =
    METRIC_COUNTER("turnpike_batch_events_total", "Events that went into the batches.", "");
static struct metric metric_waiting =
    METRIC_GAUGE("turnpike_commands_waiting", "Commands taken and not answered yet.", "");
static struct metric metric_open = METRIC_GAUGE(
    "turnpike_timers", "Reminders of the engine: advices to repeat, merchants that wait.", "");

static void register_metrics(void)
{
    static struct metric *const all[] = { &metric_approved, &metric_declined, &metric_refused,
        &metric_unknown, &metric_commits, &metric_commit_failures, &metric_commit_time,
        &metric_batch, &metric_waiting, &metric_open };
    for (size_t i = 0; i < COUNT(all); i++)
        metric_register(all[i]);
}

/* ---- making one ---- */

/* What was open when the process ended: requests count as silence, advices are repeated. */
static bool recover_one(struct engine *e, const struct operation_row *o, int64_t now_ms)
{
    struct timer t = {
        .at_ms = now_ms, .kind = TIMER_SILENCE, .operation = { o->merchant_id, o->id }
    };
    if (o->state != OPS_SENT)
        return true; /* IN_DOUBT: its reversal stands in the list by itself */
    if (kind_is_advice(o->kind)) {
        t.kind = TIMER_REPEAT;
        t.resumed = true;
        t.at_ms = now_ms + SETTLE_MS > o->next_ms ? now_ms + SETTLE_MS : o->next_ms;
    }
    if (!timers_reserve(&e->timers, 1))
        return false;
    timers_add(&e->timers, t);
    return true;
}

static bool recover(struct engine *e, char *why, size_t why_size)
{
    struct row_key after = { 0, 0 };
    size_t found = 0;
    int64_t now_ms = clock_now_ms(e->config.clock);
    for (;;) {
        struct operation_row **open;
        size_t n;
        arena_reset(&e->arena);
        if (store_pending(e->config.store, &e->arena, after, BATCH_EVENTS, &open, &n) != STORE_OK) {
            (void)snprintf(why, why_size, "cannot read the operations that were open");
            return false;
        }
        for (size_t i = 0; i < n; i++) {
            if (!recover_one(e, open[i], now_ms)) {
                (void)snprintf(why, why_size, "no memory for %zu open operations", found + n);
                return false;
            }
            after = (struct row_key) { open[i]->merchant_id, open[i]->id };
        }
        found += n;
        if (n < BATCH_EVENTS)
            break;
    }
    if (found > 0)
        log_event(LOG_WARN, "engine.recover", "open_operations=%zu", found);
    return true;
}

static bool read_state(struct engine *e, char *why, size_t why_size)
{
    int64_t last;
    if (store_last_id(e->config.store, &last) != STORE_OK ||
        store_next_expiry(e->config.store, &e->next_expiry_ms) != STORE_OK) {
        (void)snprintf(why, why_size, "cannot read the last id and the open windows");
        return false;
    }
    idgen_init(&e->ids, last);
    return recover(e, why, why_size);
}

struct engine *engine_new(const struct engine_config *config, char *why, size_t why_size)
{
    struct engine *e = calloc(1, sizeof *e);
    if (e == NULL) {
        (void)snprintf(why, why_size, "no memory for the engine");
        return NULL;
    }
    e->config = *config;
    if (e->config.advice_wait_ms == 0)
        e->config.advice_wait_ms = PATIENCE_MS;
    if (e->config.max_waiting == 0)
        e->config.max_waiting = MAX_WAITING;
    queue_init(&e->queue);
    atomic_init(&e->ready, true);
    atomic_init(&e->rekey_left, -1);
    arena_init(&e->arena, BATCH_ARENA);
    e->rows = workset_new(ROWS);
    e->flights = flights_new();
    bool ok = e->rows != NULL && e->flights != NULL &&
              arena_alloc(&e->arena, BATCH_ARENA_FIRST) != NULL &&
              waiters_init(&e->waiters, e->config.max_waiting) &&
              timers_reserve(&e->timers, e->config.max_waiting);
    if (!ok)
        (void)snprintf(why, why_size, "no memory for the engine");
    if (!ok || !read_state(e, why, why_size)) {
        engine_free(e);
        return NULL;
    }
    register_metrics();
    return e;
}

void engine_free(struct engine *e)
{
    if (e == NULL)
        return;
    timers_free(&e->timers);
    waiters_free(&e->waiters);
    workset_free(e->rows);
    flights_free(e->flights);
    arena_free(&e->arena);
    free(e);
}

bool engine_set_port(struct engine *e, struct acquirer_port *port, char *why, size_t why_size)
{
    assert(port->n_links > 0 && port->n_links <= LINKS_MAX);
    e->port = port;
    for (size_t i = 0; i < port->n_links; i++) {
        int64_t next = 1;
        bool found;
        (void)snprintf(
            e->stan_names[i], sizeof e->stan_names[i], "stan.%s", port->views[i]->acquirer_id);
        if (store_setting(e->config.store, e->stan_names[i], &next, &found) != STORE_OK) {
            (void)snprintf(
                why, why_size, "cannot read the trace number of link %s", port->views[i]->name);
            return false;
        }
        if (!found || next < 1 || next > STAN_LAST)
            next = 1;
        e->next_stan[i] = e->reserved_stan[i] = (uint32_t)next;
    }
    return true;
}

/* ---- what other threads call ---- */

bool engine_ready(const struct engine *e)
{
    return atomic_load(&e->ready);
}

uint32_t engine_waiting(const struct engine *e)
{
    return atomic_load(&e->waiting);
}

uint32_t engine_links_up(const struct engine *e)
{
    return atomic_load(&e->links_up);
}

void engine_set_wake(struct engine *e, void (*wake)(void *self), void *self)
{
    e->wake = wake;
    e->wake_self = self;
}

void engine_wake(struct engine *e)
{
    if (e->wake != NULL)
        e->wake(e->wake_self);
}

void engine_checkpoint(struct engine *e)
{
    atomic_store(&e->checkpoint_wanted, true);
    engine_wake(e);
}

void engine_rekey(struct engine *e)
{
    atomic_store(&e->rekey_left, -1);
    atomic_store(&e->rekey_wanted, true);
    engine_wake(e);
}

int64_t engine_rekey_left(const struct engine *e)
{
    return atomic_load(&e->rekey_left);
}

/* The last thing that happens to a command. */
static void finish(struct engine *e, struct command *c)
{
    enum outcome o = c->reply.outcome;
    metric_add(o == OUT_APPROVED                           ? &metric_approved
               : o >= OUT_DECLINED && o < OUT_HOST_DOWN    ? &metric_declined
               : o >= OUT_DUPLICATE_ID && o < OUT_DECLINED ? &metric_refused
                                                           : &metric_unknown,
        1);
    sodium_memzero(&c->card, sizeof c->card);
    (void)atomic_fetch_sub(&e->waiting, 1);
    c->done(c);
}

void engine_submit(struct engine *e, struct command *c)
{
    assert(c->merchant != NULL && c->done != NULL);
    memset(&c->reply, 0, sizeof c->reply);
    if (atomic_fetch_add(&e->waiting, 1) >= e->config.max_waiting) {
        c->reply.outcome = OUT_OVERLOADED;
        c->reply.at_ms = clock_now_ms(e->config.clock);
        finish(e, c);
        return;
    }
    if (c->card.pan[0] != '\0')
        vault_fingerprint(
            e->config.vault, c->merchant->row.id, str_of(c->card.pan), c->fingerprint);
    if (queue_push(&e->queue, &c->node))
        engine_wake(e);
}

void engine_let_go(struct engine *e)
{
    if (e->backlog == NULL)
        e->backlog = queue_take(&e->queue);
    while (e->backlog != NULL) {
        struct command *c = queue_entry(e->backlog, struct command, node);
        e->backlog = e->backlog->next;
        c->reply.outcome = OUT_OVERLOADED;
        c->reply.at_ms = clock_now_ms(e->config.clock);
        finish(e, c);
    }
    struct command *c;
    while ((c = waiters_take_any(&e->waiters)) != NULL) {
        c->reply.outcome = OUT_PENDING;
        c->reply.at_ms = clock_now_ms(e->config.clock);
        finish(e, c);
    }
}

bool engine_has_work(const struct engine *e)
{
    return e->backlog != NULL || atomic_load(&((struct engine *)e)->queue.newest) != NULL;
}

int64_t engine_next_due(const struct engine *e)
{
    if (engine_has_work(e) || atomic_load(&e->checkpoint_wanted) || atomic_load(&e->rekey_wanted))
        return 0;
    int64_t due = timers_next(&e->timers);
    if (e->next_expiry_ms != 0 && e->next_expiry_ms < due)
        due = e->next_expiry_ms;
    if (!atomic_load(&e->ready) && e->probe_ms < due)
        due = e->probe_ms;
    return due;
}

/* ---- gathering ---- */

static bool expiry_due(const struct engine *e)
{
    return e->next_expiry_ms != 0 && e->next_expiry_ms <= e->batch.now_ms;
}

static size_t room_in(const struct batch *b)
{
    return BATCH_EVENTS - b->n_commands - b->n_events - b->n_repeats - b->n_expired;
}

static void take_events(struct engine *e, const struct acquirer_event *events, size_t n)
{
    struct batch *b = &e->batch;
    for (size_t i = 0; i < n; i++) {
        if (events[i].kind == ACQ_LINK_UP)
            e->link_came_up = true;
        else if (events[i].kind != ACQ_LINK_DOWN)
            b->events[b->n_events++] = events[i];
    }
}

static void tell_pending(struct engine *e, const struct timer *t)
{
    struct command *c = waiters_take(&e->waiters, t->operation.id);
    if (c == NULL)
        return;
    c->reply.outcome = OUT_PENDING;
    c->reply.at_ms = e->batch.now_ms;
    finish(e, c);
}

static void take_timers(struct engine *e)
{
    struct batch *b = &e->batch;
    struct timer t;
    while (room_in(b) > BATCH_EVENTS / 2 && timers_take(&e->timers, b->now_ms, &t)) {
        if (t.kind == TIMER_PATIENCE)
            tell_pending(e, &t);
        else if (t.kind == TIMER_REPEAT)
            b->repeats[b->n_repeats++] = t;
        else
            b->events[b->n_events++] =
                (struct acquirer_event) { .kind =
                                              t.kind == TIMER_SILENCE ? ACQ_SILENT : ACQ_NOT_SENT,
                    .operation = t.operation };
    }
}

static void take_commands(struct engine *e)
{
    struct batch *b = &e->batch;
    if (e->backlog == NULL)
        e->backlog = queue_take(&e->queue);
    size_t kept = expiry_due(e) ? EXPIRIES : 0;
    while (e->backlog != NULL && room_in(b) > kept) {
        b->commands[b->n_commands++] = queue_entry(e->backlog, struct command, node);
        e->backlog = e->backlog->next;
    }
}

static enum store_result take_expired(struct engine *e)
{
    struct batch *b = &e->batch;
    if (!expiry_due(e))
        return STORE_OK;
    return store_expired(
        e->config.store, &e->arena, b->now_ms, EXPIRIES, &b->expired, &b->n_expired);
}

/* ---- loading ---- */

static void want_first(struct engine *e, struct decision *d)
{
    struct batch *b = &e->batch;
    for (size_t i = 0; i < b->n_commands; i++)
        command_want(d, b->commands[i]);
    for (size_t i = 0; i < b->n_events; i++)
        if (!flights_take(e->flights, b->events[i].operation, e->rows))
            want_operation(e->rows, b->events[i].operation);
    for (size_t i = 0; i < b->n_repeats; i++)
        want_operation(e->rows, b->repeats[i].operation);
    for (size_t i = 0; i < b->n_expired; i++) {
        struct payment_row *p = b->expired[i];
        payment_adopt(e->rows, p);
        want_operation(e->rows, (struct row_key) { p->merchant_id, p->id });
    }
}

static void want_for(struct engine *e, struct decision *d, struct row_key key)
{
    const struct operation_row *o = operation_get(e->rows, key);
    if (o != NULL)
        operation_want_more(d, o);
}

static void want_second(struct engine *e, struct decision *d)
{
    struct batch *b = &e->batch;
    for (size_t i = 0; i < b->n_commands; i++)
        command_want_more(d, b->commands[i]);
    for (size_t i = 0; i < b->n_events; i++)
        want_for(e, d, b->events[i].operation);
    for (size_t i = 0; i < b->n_repeats; i++)
        want_for(e, d, b->repeats[i].operation);
}

static enum store_result load(struct engine *e, struct decision *d)
{
    enum store_result result = take_expired(e);
    if (result != STORE_OK)
        return result;
    want_first(e, d);
    result = workset_load(e->rows, e->config.store);
    if (result != STORE_OK)
        return result;
    want_second(e, d);
    return workset_load(e->rows, e->config.store);
}

/* ---- deciding ---- */

static void decide(struct engine *e, struct decision *d)
{
    struct batch *b = &e->batch;
    for (size_t i = 0; i < b->n_events; i++)
        decide_answer(d, &b->events[i]);
    for (size_t i = 0; i < b->n_repeats; i++)
        decide_repeat(d, &b->repeats[i]);
    for (size_t i = 0; i < b->n_expired; i++)
        decide_expiry(d, payment_get(e->rows,
                             (struct row_key) { b->expired[i]->merchant_id, b->expired[i]->id }));
    for (size_t i = 0; i < b->n_commands; i++)
        decide_command(d, b->commands[i]);
}

static bool brings_its_card(const struct effect *f)
{
    return f->command != NULL && f->command->card.pan[0] != '\0';
}

/* Messages that do not come with a card number need the sealed one. */
static enum store_result load_cards(struct engine *e, const struct decision *d)
{
    for (size_t i = 0; i < d->n_effects; i++) {
        const struct effect *f = &d->effects[i];
        if (f->kind == EFFECT_SEND && !brings_its_card(f))
            want_card(
                e->rows, (struct row_key) { f->operation->merchant_id, f->operation->card_id });
    }
    return workset_load(e->rows, e->config.store);
}

/* ---- committing ---- */

/*
 * Trace numbers used up to now must be covered by what the store holds, or a restart would use them
 * again. When less than a batch's worth is left of the block, the next block is reserved with this
 * commit.
 */
static size_t reserve_stans(struct engine *e, struct setting *settings)
{
    size_t n = 0;
    for (size_t i = 0; i < e->port->n_links; i++) {
        if (stan_owner(e->port, (uint8_t)i) != i)
            continue;
        uint32_t left = (e->reserved_stan[i] + STAN_LAST - e->next_stan[i]) % STAN_LAST;
        if (left > BATCH_EVENTS * 2 && left <= STAN_BLOCK + BATCH_EVENTS * 2)
            continue;
        uint32_t upto = (e->next_stan[i] + STAN_BLOCK + BATCH_EVENTS * 2 - 1) % STAN_LAST + 1;
        settings[n++] = (struct setting) { e->stan_names[i], upto };
        e->reserved_stan[i] = upto;
    }
    return n;
}

static bool changes_nothing(const struct store_changes *c)
{
    return c->n_new_operations + c->n_operations + c->n_new_payments + c->n_payments +
               c->n_new_cards + c->n_cards ==
           0;
}

static enum store_result commit(struct engine *e, struct decision *d)
{
    struct setting settings[LINKS_MAX];
    struct store_changes changes = { .entries = d->entries, .n_entries = d->n_entries };
    workset_changes(e->rows, &changes);
    if (changes_nothing(&changes))
        return STORE_OK;
    changes.settings = settings;
    changes.n_settings = reserve_stans(e, settings);
    int64_t start = clock_mono_ns();
    enum store_result result = store_commit(e->config.store, &changes);
    metric_observe_us(&metric_commit_time, (clock_mono_ns() - start) / 1000);
    metric_add(result == STORE_OK ? &metric_commits : &metric_commit_failures, 1);
    if (result != STORE_OK && changes.n_settings > 0)
        memcpy(e->reserved_stan, e->next_stan, sizeof e->reserved_stan); /* not reserved */
    return result;
}

/* ---- releasing ---- */

static void send_one(struct engine *e, struct decision *d, const struct effect *f)
{
    const struct operation_row *o = f->operation;
    struct row_key key = { o->merchant_id, o->id };
    char opened[20] = "";
    bool own_card = brings_its_card(f);
    const struct merchant *m = f->command != NULL
                                   ? f->command->merchant
                                   : merchant_by_id(e->config.merchants, o->merchant_id);
    struct acquirer_message message;
    bool ok = m != NULL && message_of(d, o, &m->row, &message);
    if (ok && !own_card) {
        const struct card_row *card =
            card_get(e->rows, (struct row_key) { o->merchant_id, o->card_id });
        ok = card != NULL && vault_open_card(e->config.vault, card, opened) == VAULT_OK;
    }
    if (ok) {
        message.pan = own_card ? f->command->card.pan : opened;
        message.cvv = f->command != NULL ? f->command->card.cvv : "";
        e->port->submit(e->port->self, f->link, &message);
    } else {
        log_event(LOG_ERROR, "engine.cannot_send", "op=%016llX", (unsigned long long)o->id);
        timers_add(&e->timers,
            (struct timer) { .at_ms = d->now_ms, .kind = TIMER_NOT_SENT, .operation = key });
    }
    sodium_memzero(opened, sizeof opened);
    if (m != NULL && f->command == NULL)
        merchant_release(e->config.merchants, m);
}

static void wait_for(struct engine *e, struct decision *d, const struct effect *f)
{
    const struct operation_row *o = f->operation;
    sodium_memzero(&f->command->card, sizeof f->command->card);
    waiters_add(&e->waiters, o->id, f->command);
    flights_keep(
        e->flights, o, payment_get(e->rows, (struct row_key) { o->merchant_id, o->payment_id }));
    if (kind_is_advice(o->kind))
        timers_add(&e->timers, (struct timer) { .at_ms = d->now_ms + e->config.advice_wait_ms,
                                   .kind = TIMER_PATIENCE,
                                   .operation = { o->merchant_id, o->id } });
}

static void tell(struct engine *e, struct decision *d, const struct operation_row *o)
{
    struct command *c = waiters_take(&e->waiters, o->id);
    if (c == NULL)
        return;
    c->reply.outcome = o->outcome;
    c->reply.state = o->state;
    c->reply.at_ms = d->now_ms;
    memcpy(c->reply.de39, o->de39, sizeof c->reply.de39);
    memcpy(c->reply.authcode, o->authcode, sizeof c->reply.authcode);
    finish(e, c);
}

static void remind(struct engine *e, const struct effect *f)
{
    if (f->kind == EFFECT_REPEAT)
        timers_add(&e->timers, (struct timer) { .at_ms = f->at_ms,
                                   .kind = TIMER_REPEAT,
                                   .operation = { f->operation->merchant_id, f->operation->id } });
    else if (e->next_expiry_ms == 0 || f->at_ms < e->next_expiry_ms)
        e->next_expiry_ms = f->at_ms;
}

static void release(struct engine *e, struct decision *d)
{
    for (size_t i = 0; i < d->n_effects; i++)
        if (d->effects[i].kind == EFFECT_SEND)
            send_one(e, d, &d->effects[i]);
    e->port->flush(e->port->self);
    for (size_t i = 0; i < d->n_effects; i++) {
        const struct effect *f = &d->effects[i];
        switch (f->kind) {
        case EFFECT_SEND:
            break;
        case EFFECT_REPLY:
            finish(e, f->command);
            break;
        case EFFECT_TELL:
            tell(e, d, f->operation);
            break;
        case EFFECT_WAIT:
            wait_for(e, d, f);
            break;
        case EFFECT_REPEAT:
        case EFFECT_EXPIRE:
            remind(e, f);
        }
    }
}

static void now_ready(struct engine *e)
{
    if (atomic_exchange(&e->ready, true))
        return;
    log_event(LOG_INFO, "engine.ready", "store=writes_again");
}

/* Nothing of the batch has happened. */
static void abandon(struct engine *e, enum store_result result)
{
    struct batch *b = &e->batch;
    int64_t again = b->now_ms + RETRY_MS;
    log_event(LOG_ERROR, "engine.commit_failed", "result=%d commands=%zu answers=%zu", (int)result,
        b->n_commands, b->n_events);
    atomic_store(&e->ready, false);
    e->probe_ms = again;
    for (size_t i = 0; i < b->n_events; i++) {
        const struct acquirer_event *ev = &b->events[i];
        if (ev->kind != ACQ_LATE_ANSWER)
            timers_add(
                &e->timers, (struct timer) { .at_ms = again,
                                .kind = ev->kind == ACQ_NOT_SENT ? TIMER_NOT_SENT : TIMER_SILENCE,
                                .operation = ev->operation });
    }
    for (size_t i = 0; i < b->n_repeats; i++) {
        b->repeats[i].at_ms = again;
        timers_add(&e->timers, b->repeats[i]);
    }
    if (expiry_due(e))
        e->next_expiry_ms = again;
    for (size_t i = 0; i < b->n_commands; i++) {
        memset(&b->commands[i]->reply, 0, sizeof b->commands[i]->reply);
        b->commands[i]->reply.outcome = OUT_STORE_FAILED;
        b->commands[i]->reply.at_ms = b->now_ms;
        finish(e, b->commands[i]);
    }
}

/* ---- between batches ---- */

static void probe(struct engine *e)
{
    if (atomic_load(&e->ready) || e->probe_ms > e->batch.now_ms)
        return;
    if (store_set(e->config.store, "engine.probe_ms", e->batch.now_ms) == STORE_OK)
        now_ready(e);
    else
        e->probe_ms = e->batch.now_ms + RETRY_MS;
}

static void checkpoint(struct engine *e)
{
    int64_t bytes;
    if (atomic_exchange(&e->checkpoint_wanted, false))
        (void)store_checkpoint(e->config.store, false, &bytes);
}

/* One slice of re-sealing; stops asking when nothing is left, or when a card cannot be opened. */
static void rekey(struct engine *e)
{
    if (!atomic_load(&e->rekey_wanted))
        return;
    struct card_row **cards;
    size_t n;
    arena_reset(&e->arena);
    enum store_result result = store_cards_of_other_keys(
        e->config.store, &e->arena, vault_newest_key(e->config.vault), REKEY_SLICE, &cards, &n);
    bool ok = result == STORE_OK;
    for (size_t i = 0; ok && i < n; i++)
        ok = vault_reseal_card(e->config.vault, e->config.rng, cards[i]) == VAULT_OK;
    if (ok && n > 0)
        ok = store_commit(e->config.store,
                 &(struct store_changes) { .cards = cards, .n_cards = n }) == STORE_OK;
    if (ok && n == REKEY_SLICE)
        return;
    atomic_store(&e->rekey_wanted, false);
    atomic_store(&e->rekey_left, ok ? 0 : (int64_t)n);
}

/* Room for all that this step, and its failure, may remind of. */
static bool make_room(struct engine *e)
{
    return timers_reserve(&e->timers, BATCH_EVENTS * (EFFECTS_PER_EVENT + 2));
}

static enum store_result load_decide_commit(struct engine *e, struct decision *d)
{
    if (!make_room(e))
        return STORE_FAILED;
    enum store_result result = load(e, d);
    if (result != STORE_OK)
        return result;
    decide(e, d);
    result = load_cards(e, d);
    return result == STORE_OK ? commit(e, d) : result;
}

static void note_links(struct engine *e)
{
    uint32_t up = 0;
    for (size_t i = 0; i < e->port->n_links; i++)
        up += e->port->views[i]->up ? 1 : 0;
    atomic_store(&e->links_up, up);
}

static void note_progress(struct engine *e)
{
    struct batch *b = &e->batch;
    metric_add(&metric_batch, (int64_t)(b->n_commands + b->n_events + b->n_repeats + b->n_expired));
    metric_set(&metric_waiting, atomic_load(&e->waiting));
    metric_set(&metric_open, (int64_t)e->timers.n);
}

void engine_step(struct engine *e, const struct acquirer_event *events, size_t n)
{
    assert(e->port != NULL && n <= BATCH_EVENTS / 2);
    struct batch *b = &e->batch;
    b->n_commands = b->n_events = b->n_repeats = b->n_expired = 0;
    b->now_ms = clock_now_ms(e->config.clock);
    arena_reset(&e->arena);
    workset_begin(e->rows, &e->arena);
    take_events(e, events, n);
    take_timers(e);
    bool expiring = expiry_due(e);
    take_commands(e);

    struct decision d = { .rows = e->rows,
        .arena = &e->arena,
        .now_ms = b->now_ms,
        .ids = &e->ids,
        .rng = e->config.rng,
        .vault = e->config.vault,
        .port = e->port,
        .next_stan = e->next_stan,
        .effects = e->effects,
        .entries = e->entries };
    if (b->n_commands + b->n_events + b->n_repeats > 0 || expiring) {
        enum store_result result = load_decide_commit(e, &d);
        if (result == STORE_OK)
            release(e, &d);
        else
            abandon(e, result);
        if (result == STORE_OK && expiring &&
            store_next_expiry(e->config.store, &e->next_expiry_ms) != STORE_OK)
            e->next_expiry_ms = b->now_ms + RETRY_MS;
        note_progress(e);
    }
    if (e->link_came_up)
        timers_hurry(&e->timers, b->now_ms);
    e->link_came_up = false;
    note_links(e);
    probe(e);
    checkpoint(e);
    rekey(e);
}
