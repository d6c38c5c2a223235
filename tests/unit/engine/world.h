/*
 * A world for the engine: a real store in a folder of its own, a real vault, a clock set by hand,
 * seeded chance, two shops, and acquirer links that the test plays.
 *
 * A test asks (a command), steps, and gives the events of the links for the next step. What leaves
 * the engine is held against the law of the house at the moment it leaves: a message or a reply
 * must be found in the database by another connection. When a test ends, every row is proved.
 */
#ifndef TURNPIKE_TESTS_ENGINE_WORLD_H
#define TURNPIKE_TESTS_ENGINE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/log.h"
#include "engine/decision.h"
#include "engine/machine.h"
#include "store/backend.h"
#include "store/sqlite.h"
#include "vault/vault.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NOW_MS     INT64_C(1795298470000) /* 2026-11-21 22:01:10 */
#define SECOND     INT64_C(1000)
#define MINUTE     (60 * SECOND)
#define HOUR       (60 * MINUTE)
#define DAY        (24 * HOUR)
#define VISA       "4111111111111111"
#define MASTERCARD "5555555555554444"
#define AUTHCODE   "A1B2C3"

enum { EVENTS_PER_STEP = BATCH_EVENTS / 2, ACCOUNTS = ACC_MERCHANT_PAYABLE + 1 };

/* A store that does what the one behind it does until it is told what to say instead. */
struct weak_store {
    struct store base;
    struct store *real;
    enum store_result commit_says, load_says, list_says, setting_says;
    int commits, loads;
};

/* A message as a link got it. */
struct sent {
    struct acquirer_message m;
    char pan[20], cvv[5];
    uint8_t link;
    int64_t at_ms;
    bool owed; /* an event for it is still to be given */
};

/* A command, and what became of it. */
struct wish {
    struct command c;
    struct wish *next;
    struct world *world;
    char id[64];
    int told;
    bool lost; /* the process ended before it was told */
};

struct world {
    char folder[200], url[300], ring[256];
    struct weak_store weak;
    struct store *real, *reader;
    struct vault *vault;
    struct merchant_book *book;
    const struct merchant *shop, *other;
    struct clock clock;
    struct rng rng;
    struct link_view views[3];
    struct acquirer_port port;
    struct engine_config config;
    struct engine *engine;

    struct sent **sent;
    size_t n_sent, room;
    int flushes, unflushed;
    bool ending; /* the engine is letting go */
    struct acquirer_event events[EVENTS_PER_STEP];
    size_t n_events;
    struct wish *wishes;
    int n_wishes;
    struct arena arena, inner, page; /* rows for the test; for checks */
    char why[256];
};

/*
 * Nobody pulls the plug here, and a sync that takes its time proves nothing: these stand before the
 * C library's.
 */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

static inline struct world *world_of(void **state)
{
    return *state;
}

/* ---- a store that can be told to fail ---- */

static inline struct weak_store *weak_of(struct store *s)
{
    return (struct weak_store *)s;
}

static inline void weak_close(struct store *s)
{
    store_close(weak_of(s)->real);
}

static inline enum store_result weak_load(struct store *s, struct arena *a, struct store_load *l)
{
    struct weak_store *w = weak_of(s);
    w->loads++;
    return w->load_says != STORE_OK ? w->load_says : store_load(w->real, a, l);
}

static inline enum store_result weak_commit(struct store *s, const struct store_changes *c)
{
    struct weak_store *w = weak_of(s);
    w->commits++;
    return w->commit_says != STORE_OK ? w->commit_says : store_commit(w->real, c);
}

static inline enum store_result weak_checkpoint(struct store *s, bool background, int64_t *bytes)
{
    return store_checkpoint(weak_of(s)->real, background, bytes);
}

static inline enum store_result weak_list(
    struct store *s, struct arena *a, const struct list_query *q, struct list *out)
{
    struct weak_store *w = weak_of(s);
    return w->list_says != STORE_OK ? w->list_says : w->real->operations->list(w->real, a, q, out);
}

static inline enum store_result weak_next_expiry(struct store *s, int64_t *at_ms)
{
    struct weak_store *w = weak_of(s);
    return w->list_says != STORE_OK ? w->list_says : store_next_expiry(w->real, at_ms);
}

static inline enum store_result weak_last_id(struct store *s, int64_t *id)
{
    return store_last_id(weak_of(s)->real, id);
}

static inline enum store_result weak_setting(
    struct store *s, const char *name, int64_t *value, bool *found)
{
    struct weak_store *w = weak_of(s);
    return w->setting_says != STORE_OK ? w->setting_says
                                       : store_setting(w->real, name, value, found);
}

static inline enum store_result weak_put_merchant(struct store *s, struct merchant_row *m)
{
    return store_put_merchant(weak_of(s)->real, m);
}

static inline int64_t weak_bytes(struct store *s)
{
    return store_bytes(weak_of(s)->real);
}

static const struct store_operations weak_operations = { .close = weak_close,
    .load = weak_load,
    .commit = weak_commit,
    .checkpoint = weak_checkpoint,
    .list = weak_list,
    .next_expiry = weak_next_expiry,
    .last_id = weak_last_id,
    .setting = weak_setting,
    .put_merchant = weak_put_merchant,
    .bytes = weak_bytes };

/* ---- rows, as another connection sees them ---- */

static inline struct operation_row *operation_in(
    struct world *w, struct arena *a, struct row_key key)
{
    struct operation_row *o;
    struct store_load l = { .operation_keys = &key, .operations = &o, .n_operations = 1 };
    assert_int_equal(store_load(w->reader, a, &l), STORE_OK);
    return o;
}

/* An operation of the shop; it must be there. */
static inline struct operation_row *operation(struct world *w, int64_t id)
{
    struct operation_row *o = operation_in(w, &w->arena, (struct row_key) { w->shop->row.id, id });
    assert_non_null(o);
    return o;
}

/* The payment that an operation of the shop belongs to. */
static inline struct payment_row *payment_of(struct world *w, int64_t operation_id)
{
    struct operation_row *o = operation(w, operation_id);
    struct row_key key = { o->merchant_id, o->payment_id };
    struct payment_row *p;
    struct store_load l = { .payment_keys = &key, .payments = &p, .n_payments = 1 };
    assert_int_equal(store_load(w->reader, &w->arena, &l), STORE_OK);
    assert_non_null(p);
    return p;
}

/* What the database holds, counted by hand. */
static inline int64_t number(struct world *w, const char *sql)
{
    sqlite3_stmt *st;
    sqlite3 *db = sqlite_handle(w->reader);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &st, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(st), SQLITE_ROW);
    int64_t n = sqlite3_column_int64(st, 0);
    assert_int_equal(sqlite3_finalize(st), SQLITE_OK);
    return n;
}

static inline void execute(struct world *w, const char *sql)
{
    assert_int_equal(sqlite3_exec(sqlite_handle(w->real), sql, NULL, NULL, NULL), SQLITE_OK);
}

/* ---- the links ---- */

/* What goes out must be durable, and be what the row says. */
static inline void port_submit(void *self, uint8_t link, const struct acquirer_message *m)
{
    struct world *w = self;
    arena_reset(&w->inner);
    const struct operation_row *o = operation_in(w, &w->inner, m->operation);
    assert_non_null(o);
    assert_int_equal(o->state, OPS_SENT);
    assert_int_equal(o->kind, m->kind);
    assert_int_equal(o->stan, m->stan);
    assert_int_equal(o->sent_ms, m->sent_ms);
    assert_int_equal(m->repeat, o->attempts > 1);
    assert_true(link < w->port.n_links && m->stan >= 1 && m->stan <= 999999);
    assert_non_null(m->merchant);
    assert_int_equal(m->merchant->id, o->merchant_id);

    if (w->n_sent == w->room) {
        w->room = w->room == 0 ? 256 : 2 * w->room;
        w->sent = realloc(w->sent, w->room * sizeof *w->sent);
        assert_non_null(w->sent);
    }
    struct sent *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->m = *m;
    s->link = link;
    s->at_ms = clock_now_ms(&w->clock);
    s->owed = true;
    assert_true(str_copy(s->pan, sizeof s->pan, str_of(m->pan)));
    assert_true(str_copy(s->cvv, sizeof s->cvv, str_of(m->cvv)));
    s->m.pan = s->pan;
    s->m.cvv = s->cvv;
    w->sent[w->n_sent++] = s;
    w->unflushed++;
}

static inline void port_flush(void *self)
{
    struct world *w = self;
    w->flushes++;
    w->unflushed = 0;
}

/* The newest message. */
static inline struct sent *last(const struct world *w)
{
    assert_true(w->n_sent > 0);
    return w->sent[w->n_sent - 1];
}

/* The newest message for an operation. */
static inline struct sent *sent_for(const struct world *w, int64_t operation_id)
{
    for (size_t i = w->n_sent; i > 0; i--)
        if (w->sent[i - 1]->m.operation.id == operation_id)
            return w->sent[i - 1];
    fail_msg("nothing was sent for %016" PRIX64, (uint64_t)operation_id);
    return NULL;
}

/* The newest message of a kind. */
static inline struct sent *sent_kind(const struct world *w, enum operation_kind kind)
{
    for (size_t i = w->n_sent; i > 0; i--)
        if (w->sent[i - 1]->m.kind == kind)
            return w->sent[i - 1];
    fail_msg("no %s was sent", operation_kind_name(kind));
    return NULL;
}

/* An event for the next step. */
static inline struct acquirer_event *give(
    struct world *w, struct sent *s, enum acquirer_event_kind kind, const char *de39)
{
    assert_true(w->n_events < EVENTS_PER_STEP);
    if (kind != ACQ_LATE_ANSWER) {
        assert_true(s->owed);
        s->owed = false;
    }
    struct acquirer_event *ev = &w->events[w->n_events++];
    *ev = (struct acquirer_event) { .kind = kind,
        .link = s->link,
        .operation = s->m.operation,
        .operation_kind = s->m.kind,
        .amount_minor = s->m.amount_minor };
    assert_true(str_copy(ev->de39, sizeof ev->de39, str_of(de39)));
    if (strcmp(de39, "00") == 0)
        (void)str_copy(ev->authcode, sizeof ev->authcode, STR(AUTHCODE));
    return ev;
}

static inline void link_event(struct world *w, enum acquirer_event_kind kind, uint8_t link)
{
    assert_true(w->n_events < EVENTS_PER_STEP);
    w->events[w->n_events++] = (struct acquirer_event) { .kind = kind, .link = link };
}

/* ---- the engine ---- */

static inline void step(struct world *w)
{
    size_t n = w->n_events;
    w->n_events = 0;
    engine_step(w->engine, w->events, n);
    assert_int_equal(w->unflushed, 0);
}

/* One step with one event. */
static inline void hear(
    struct world *w, struct sent *s, enum acquirer_event_kind kind, const char *de39)
{
    (void)give(w, s, kind, de39);
    step(w);
}

static inline void answer(struct world *w, struct sent *s, const char *de39)
{
    hear(w, s, ACQ_ANSWERED, de39);
}

/* Time passes, and the engine looks. */
static inline void pass(struct world *w, int64_t ms)
{
    clock_advance(&w->clock, ms);
    step(w);
}

static inline void engine_start(struct world *w)
{
    w->config = (struct engine_config) { .store = &w->weak.base,
        .vault = w->vault,
        .merchants = w->book,
        .clock = &w->clock,
        .rng = &w->rng,
        .advice_wait_ms = w->config.advice_wait_ms,
        .max_waiting = w->config.max_waiting };
    w->engine = engine_new(&w->config, w->why, sizeof w->why);
    if (w->engine == NULL || !engine_set_port(w->engine, &w->port, w->why, sizeof w->why))
        fail_msg("%s", w->why);
}

/*
 * The process dies: what links and merchants waited for is forgotten, the rows stay. Nothing has
 * been looked at yet when this returns.
 */
static inline void crash_and_start(struct world *w)
{
    engine_free(w->engine);
    for (size_t i = 0; i < w->n_sent; i++)
        w->sent[i]->owed = false;
    for (struct wish *i = w->wishes; i != NULL; i = i->next)
        i->lost = i->lost || i->told == 0;
    w->n_events = 0;
    engine_start(w);
}

/* ---- merchants ---- */

static inline void wish_done(struct command *c)
{
    static const struct card_input nothing;
    struct wish *i = c->owner;
    struct world *w = i->world;
    assert_int_equal(++i->told, 1);
    assert_memory_equal(&c->card, &nothing, sizeof nothing);
    assert_int_not_equal(c->reply.outcome, OUT_NONE);
    assert_true(w->ending || c->reply.at_ms == clock_now_ms(&w->clock));
    if (!c->reply.recorded)
        return;
    arena_reset(&w->inner);
    const struct operation_row *o =
        operation_in(w, &w->inner, (struct row_key) { c->merchant->row.id, c->reply.operation_id });
    assert_non_null(o);
    assert_int_equal(o->payment_id, c->reply.payment_id);
    assert_int_equal(o->kind, c->reply.kind);
    assert_int_equal(o->state, c->reply.state);
    assert_int_equal(o->amount_minor, c->reply.amount_minor);
    if (c->reply.outcome != OUT_PENDING)
        assert_int_equal(o->outcome, c->reply.outcome);
}

/* A command of the shop, not given to the engine yet. */
static inline struct wish *wish_new(struct world *w, enum command_kind kind, int64_t amount_minor)
{
    struct wish *i = calloc(1, sizeof *i);
    assert_non_null(i);
    (void)snprintf(i->id, sizeof i->id, "order-%06d", ++w->n_wishes);
    i->world = w;
    i->next = w->wishes;
    w->wishes = i;
    i->c = (struct command) { .kind = kind,
        .merchant = w->shop,
        .unique_id = str_of(i->id),
        .amount_minor = amount_minor,
        .currency = currency_by_code(STR("EUR")),
        .entry = ENTRY_ECOMMERCE,
        .facts = STR("{\"note\":\"a fact\"}"),
        .done = wish_done,
        .owner = i };
    if (kind == CMD_AUTHORIZE || kind == CMD_SALE || kind == CMD_TOKENIZE)
        i->c.card = (struct card_input) { VISA, "123", 2812 };
    if (kind == CMD_TOKENIZE)
        i->c.unique_id = STR_EMPTY;
    if (kind == CMD_VOID || kind == CMD_TOKENIZE)
        i->c.currency = NULL;
    return i;
}

static inline struct wish *submit(struct wish *i)
{
    engine_submit(i->world->engine, &i->c);
    return i;
}

/* Opens a payment: in the queue, not yet in a batch. */
static inline struct wish *ask(struct world *w, enum command_kind kind, int64_t amount_minor)
{
    return submit(wish_new(w, kind, amount_minor));
}

/* Follows the operation up. */
static inline struct wish *ask_for(
    struct world *w, enum command_kind kind, int64_t reference, int64_t amount_minor)
{
    struct wish *i = wish_new(w, kind, amount_minor);
    i->c.reference = reference;
    return submit(i);
}

static inline void assert_told(const struct wish *i, enum outcome outcome)
{
    if (i->told != 1)
        fail_msg("%s was told %d times", i->id, i->told);
    if (i->c.reply.outcome != outcome)
        fail_msg("%s was told %s, not %s", i->id, outcome_name(i->c.reply.outcome),
            outcome_name(outcome));
}

static inline void assert_waits(const struct wish *i)
{
    assert_int_equal(i->told, 0);
}

static inline int64_t id_of(const struct wish *i)
{
    assert_true(i->c.reply.recorded);
    return i->c.reply.operation_id;
}

/* Where an operation and its payment stand. */
static inline void assert_stands(struct world *w, int64_t id, enum operation_state operation_state,
    enum payment_state payment_state)
{
    const struct operation_row *o = operation(w, id);
    const struct payment_row *p = payment_of(w, id);
    if (o->state != operation_state || p->state != payment_state)
        fail_msg("%s is %s of a payment that is %s, not %s and %s", operation_kind_name(o->kind),
            operation_state_name(o->state), payment_state_name(p->state),
            operation_state_name(operation_state), payment_state_name(payment_state));
}

/* Asks and steps: the message is out and nobody has answered. */
static inline struct wish *send(struct world *w, enum command_kind kind, int64_t amount_minor)
{
    struct wish *i = ask(w, kind, amount_minor);
    step(w);
    assert_waits(i);
    return i;
}

static inline struct wish *send_for(
    struct world *w, enum command_kind kind, int64_t reference, int64_t amount_minor)
{
    struct wish *i = ask_for(w, kind, reference, amount_minor);
    step(w);
    assert_waits(i);
    return i;
}

/* Opens a payment that the host approves; gives the operation's id. */
static inline int64_t approved(struct world *w, enum command_kind kind, int64_t amount_minor)
{
    struct wish *i = send(w, kind, amount_minor);
    answer(w, last(w), "00");
    assert_told(i, OUT_APPROVED);
    return id_of(i);
}

/* A capture or refund that the host approves; gives its id. */
static inline int64_t approved_for(
    struct world *w, enum command_kind kind, int64_t reference, int64_t amount_minor)
{
    struct wish *i = send_for(w, kind, reference, amount_minor);
    answer(w, last(w), "00");
    assert_told(i, OUT_APPROVED);
    return id_of(i);
}

/* A follow-up that must be refused without a trace. */
static inline void assert_refused(struct world *w, struct wish *i, enum outcome outcome)
{
    int64_t rows = number(w, "SELECT count(*) FROM operation");
    size_t messages = w->n_sent;
    if (i->told == 0)
        step(w);
    assert_told(i, outcome);
    assert_false(i->c.reply.recorded);
    assert_int_equal(number(w, "SELECT count(*) FROM operation"), rows);
    assert_int_equal(w->n_sent, messages);
}

/* The host answers all that is owed, and time runs on until nothing is wanted within a day. */
static inline void settle(struct world *w, const char *de39)
{
    for (int turn = 0; turn < 100000; turn++) {
        bool owed = false;
        for (size_t i = 0; i < w->n_sent && w->n_events < EVENTS_PER_STEP; i++) {
            if (!w->sent[i]->owed)
                continue;
            (void)give(w, w->sent[i], ACQ_ANSWERED, de39);
            owed = true;
        }
        int64_t now_ms = clock_now_ms(&w->clock), due_ms = engine_next_due(w->engine);
        if (!owed && w->n_events == 0 && due_ms > now_ms + DAY)
            return;
        if (!owed && due_ms > now_ms)
            clock_advance(&w->clock, due_ms - now_ms);
        step(w);
    }
    fail_msg("it never comes to rest");
}

/* ---- the proof ---- */

static inline void prove_operation(
    struct world *w, const struct operation_row *o, const struct payment_row *p, int64_t *sums)
{
    struct entry_row *entries;
    size_t n;
    int64_t total = 0;
    const char *fault = operation_fault(o, p);
    if (fault != NULL)
        fail_msg("%s %s: %s", operation_kind_name(o->kind), operation_state_name(o->state), fault);
    assert_int_equal(store_entries(w->reader, &w->inner, (struct row_key) { o->merchant_id, o->id },
                         &entries, &n),
        STORE_OK);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(entries[i].currency, o->currency);
        assert_int_equal(entries[i].seq, i + 1);
        assert_true((int)entries[i].account >= 1 && (int)entries[i].account < ACCOUNTS);
        total += entries[i].amount_minor;
        sums[entries[i].account] += entries[i].amount_minor;
    }
    assert_true(total == 0);
}

static inline void prove_payment(struct world *w, const struct payment_row *p)
{
    struct operation_row **rows;
    size_t n;
    int64_t sums[ACCOUNTS] = { 0 };
    const char *fault = payment_fault(p);
    if (fault != NULL)
        fail_msg("payment %s: %s", payment_state_name(p->state), fault);
    arena_reset(&w->inner);
    assert_int_equal(store_payment_operations(w->reader, &w->inner,
                         (struct row_key) { p->merchant_id, p->id }, &rows, &n),
        STORE_OK);
    assert_true(n > 0 && rows[0]->id == p->id);
    for (size_t i = 0; i < n; i++)
        prove_operation(w, rows[i], p, sums);
    /* A capture or refund that a person must look at leaves the amounts as they were before it. */
    bool holds = p->state == PAY_AUTHORIZED || p->state == PAY_CAPTURING ||
                 (p->state == PAY_MANUAL && p->captured_minor == 0);
    assert_true(sums[ACC_ISSUER_HOLD] == (holds ? p->authorized_minor : 0));
    assert_true(sums[ACC_MERCHANT_HELD] == -sums[ACC_ISSUER_HOLD]);
    assert_true(sums[ACC_ACQUIRER_RECEIVABLE] == p->captured_minor - p->refunded_minor);
    assert_true(sums[ACC_MERCHANT_PAYABLE] == -sums[ACC_ACQUIRER_RECEIVABLE]);
}

static inline void prove(struct world *w)
{
    enum { PAGE = 500 };
    struct row_key after = { 0, 0 };
    size_t n = PAGE;
    while (n == PAGE) {
        struct payment_row **rows;
        arena_reset(&w->page);
        assert_int_equal(
            store_walk_payments(w->reader, &w->page, after, PAGE, &rows, &n), STORE_OK);
        for (size_t i = 0; i < n; i++) {
            prove_payment(w, rows[i]);
            after = (struct row_key) { rows[i]->merchant_id, rows[i]->id };
        }
    }
    assert_int_equal(number(w, "SELECT coalesce(sum(amount_minor), 0) FROM entry"), 0);
    assert_int_equal(number(w, "SELECT count(*) FROM operation o LEFT JOIN payment p ON"
                               " p.merchant_id = o.merchant_id AND p.id = o.payment_id"
                               " WHERE p.id IS NULL"),
        0);
    assert_int_equal(number(w, "SELECT count(*) FROM entry e LEFT JOIN operation o ON"
                               " o.merchant_id = e.merchant_id AND o.id = e.operation_id"
                               " WHERE o.id IS NULL"),
        0);
    /* What is in doubt is being reversed. */
    assert_int_equal(number(w, "SELECT count(*) FROM operation d WHERE state = 4 AND NOT EXISTS"
                               " (SELECT 1 FROM operation r WHERE r.merchant_id = d.merchant_id"
                               " AND r.parent_id = d.id AND r.kind = 6 AND r.state = 1)"),
        0);
}

/* ---- making one, and ending it ---- */

/* Gives a shop other limits, and the snapshot that has them. */
static inline const struct merchant *merchant_put(
    struct world *w, const struct merchant *old, const char *login, const char *limits, bool active)
{
    struct merchant_row row = { .id = old == NULL ? 0 : old->row.id,
        .face = FACE_GENOME,
        .name = "EXAMPLE SHOP",
        .city = "VILNIUS",
        .country = "LT",
        .mcc = "5732",
        .mid = "MERCHANT0000001",
        .tid = "TERM0001",
        .active = active,
        .limits = str_of(limits) };
    assert_true(str_copy(row.login, sizeof row.login, str_of(login)));
    assert_int_equal(store_put_merchant(w->real, &row), STORE_OK);
    assert_int_equal(merchant_book_load(w->book, w->real, false), STORE_OK);
    const struct merchant *m = merchant_by_id(w->book, row.id);
    assert_non_null(m);
    if (old != NULL)
        merchant_release(w->book, old);
    return m;
}

static inline void shop_limits(struct world *w, const char *limits)
{
    w->shop = merchant_put(w, w->shop, "shop", limits, true);
}

static inline void link_init(struct link_view *v, const char *name, const char *acquirer, bool up)
{
    *v = (struct link_view) { .up = up, .max_in_flight = 100000 };
    assert_true(str_copy(v->name, sizeof v->name, str_of(name)));
    assert_true(str_copy(v->acquirer_id, sizeof v->acquirer_id, str_of(acquirer)));
}

static inline struct world *world_new(void)
{
    log_setup(LOG_ERROR, -1);
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(w->folder, sizeof w->folder, "%s/turnpike-engine-XXXXXX",
        tmp != NULL && strlen(tmp) < 100 ? tmp : "/tmp");
    assert_non_null(mkdtemp(w->folder));
    (void)snprintf(w->url, sizeof w->url, "sqlite:%s/t.db", w->folder);
    (void)snprintf(w->ring, sizeof w->ring, "%s/keys", w->folder);
    arena_init(&w->arena, 256u << 20);
    arena_init(&w->inner, 64u << 20);
    arena_init(&w->page, 64u << 20);
    clock_init_manual(&w->clock, NOW_MS);
    w->rng = rng_seeded(20261121);
    w->real = store_open(w->url, STORE_WRITE, w->why, sizeof w->why);
    assert_non_null(w->real);
    w->reader = store_open(w->url, STORE_READ, w->why, sizeof w->why);
    assert_non_null(w->reader);
    w->weak = (struct weak_store) { .base = { &weak_operations }, .real = w->real };
    w->vault = vault_open(w->ring, true, w->why, sizeof w->why);
    assert_non_null(w->vault);
    w->book = merchant_book_new();
    assert_non_null(w->book);
    w->shop = merchant_put(w, NULL, "shop", "", true);
    w->other = merchant_put(w, NULL, "other", "", true);
    link_init(&w->views[0], "main", "12345678901", true);
    link_init(&w->views[1], "spare", "12345678901", true);
    link_init(&w->views[2], "far", "99999999999", true);
    w->port = (struct acquirer_port) { .self = w,
        .n_links = 1,
        .views = { &w->views[0], &w->views[1], &w->views[2] },
        .submit = port_submit,
        .flush = port_flush };
    engine_start(w);
    return w;
}

static inline void folder_remove(const char *folder)
{
    DIR *d = opendir(folder);
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e != NULL; e = readdir(d)) {
        char path[512];
        (void)snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (e->d_name[0] != '.')
            assert_int_equal(unlink(path), 0);
    }
    assert_int_equal(closedir(d), 0);
    assert_int_equal(rmdir(folder), 0);
}

static inline int world_set_up(void **state)
{
    *state = world_new();
    return 0;
}

/* cmocka fixture: everybody has been told once, and every row is proved. */
static inline int world_tear_down(void **state)
{
    struct world *w = *state;
    w->ending = true;
    engine_let_go(w->engine);
    for (struct wish *i = w->wishes; i != NULL; i = i->next)
        assert_int_equal(i->told + (i->lost ? 1 : 0), 1);
    prove(w);
    assert_int_equal(engine_waiting(w->engine), 0);
    engine_free(w->engine);
    merchant_release(w->book, w->shop);
    merchant_release(w->book, w->other);
    merchant_book_free(w->book);
    vault_close(w->vault);
    store_close(w->reader);
    store_close(w->real);
    for (struct wish *i = w->wishes, *next; i != NULL; i = next) {
        next = i->next;
        free(i);
    }
    for (size_t i = 0; i < w->n_sent; i++)
        free(w->sent[i]);
    free(w->sent);
    arena_free(&w->arena);
    arena_free(&w->inner);
    arena_free(&w->page);
    folder_remove(w->folder);
    free(w);
    return 0;
}

#define IN_WORLD(test) cmocka_unit_test_setup_teardown(test, world_set_up, world_tear_down)

#endif
