/*
 * The gateway's process: what turnpike's server puts together, without its sockets and threads.
 */
#include "disk.h"
#include "town.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONNECT_MS = 200 };

/* ---- the door between engine and links ---- */

static void on_event(void *self, const struct acquirer_event *ev)
{
    struct process *p = &((struct town *)self)->process;
    if (p->n_events == p->events_room) {
        p->events_room = p->events_room == 0 ? 64 : p->events_room * 2;
        p->events = realloc(p->events, p->events_room * sizeof *p->events);
        if (p->events == NULL)
            abort();
    }
    p->events[p->n_events++] = *ev;
}

static void on_submit(void *self, uint8_t link, const struct acquirer_message *m)
{
    struct town *t = self;
    if (disk_dead())
        return;
    sim_say("message kind %d op %llX stan %06u%s", m->kind, (unsigned long long)m->operation.id,
        m->stan, m->repeat ? " again" : "");
    witness_message(&t->witness, m);
    link_submit(t->process.links[link], m, t->steady_ns);
}

static void on_flush(void *self)
{
    if (!disk_dead())
        process_serve_links(self);
}

/* As the gateway's own loop serves its sockets. */
static bool serve_once(struct town *t, size_t i)
{
    struct process *p = &t->process;
    struct link *l = p->links[i];
    p->ticks_ns[i] = link_tick(l, t->steady_ns, town_now_ms(t));
    switch (link_wish(l)) {
    case LINK_CONNECT:
        if (p->connects_ns[i] == 0)
            p->connects_ns[i] = t->steady_ns + (1 + town_below(t, CONNECT_MS)) * MS;
        if (t->steady_ns < p->connects_ns[i])
            return false;
        p->connects_ns[i] = 0;
        if (t->host == NULL) {
            link_closed(l, t->steady_ns);
            return true;
        }
        p->wires[i] = network_connect(t, (uint8_t)i);
        link_connected(l, t->steady_ns, town_now_ms(t));
        return true;
    case LINK_CLOSE:
        p->connects_ns[i] = 0;
        if (p->wires[i] != NULL)
            network_close_link_side(t, p->wires[i]);
        p->wires[i] = NULL;
        link_closed(l, t->steady_ns);
        return true;
    default:
        if (p->wires[i] == NULL)
            return false;
        network_take_from_link(t, p->wires[i], link_output(l));
        return p->wires[i] == NULL;
    }
}

void process_serve_links(struct town *t)
{
    for (size_t i = 0; i < t->n_links; i++)
        while (serve_once(t, i))
            continue;
}

int64_t process_next_ns(struct town *t)
{
    struct process *p = &t->process;
    int64_t next = p->n_events > 0 ? t->steady_ns : INT64_MAX;
    for (size_t i = 0; i < t->n_links; i++) {
        next = p->ticks_ns[i] < next ? p->ticks_ns[i] : next;
        if (p->connects_ns[i] != 0 && p->connects_ns[i] < next)
            next = p->connects_ns[i];
    }
    int64_t due_ms = engine_next_due(p->engine), now_ms = town_now_ms(t);
    if (due_ms != INT64_MAX) {
        int64_t at_ns = t->steady_ns + (due_ms > now_ms ? (due_ms - now_ms) * MS : 0);
        next = at_ns < next ? at_ns : next;
    }
    return next;
}

void process_step(struct town *t)
{
    struct process *p = &t->process;
    struct acquirer_event batch[EVENTS_PER_STEP];
    size_t n = p->n_events < EVENTS_PER_STEP ? p->n_events : EVENTS_PER_STEP;
    if (n > 0) {
        memcpy(batch, p->events, n * sizeof *batch);
        memmove(p->events, p->events + n, (p->n_events - n) * sizeof *p->events);
    }
    p->n_events -= n;
    engine_step(p->engine, batch, n);
}

/* ---- start ---- */

static bool open_stores(struct town *t, char *why, size_t why_size)
{
    struct process *p = &t->process;
    p->store = store_open(t->url, STORE_WRITE, why, why_size);
    if (p->store == NULL)
        return false;
    witness_attach(&t->witness, p->store);
    p->reader = store_open(t->url, STORE_READ, why, why_size);
    p->checkpointer = p->reader == NULL ? NULL : store_open(t->url, STORE_WRITE, why, why_size);
    return p->checkpointer != NULL;
}

/* The shops are made by the first process. */
static bool open_shops(struct town *t, char *why, size_t why_size)
{
    struct process *p = &t->process;
    struct merchant_row *rows;
    size_t n = 0;
    struct arena a;
    (void)snprintf(why, why_size, "shops");
    arena_init(&a, 1 << 20);
    bool ok = store_merchants(p->store, &a, &rows, &n) == STORE_OK;
    arena_free(&a);
    for (; ok && n < TOWN_SHOPS; n++) {
        struct merchant_row row = shops_row((int)n);
        ok = store_put_merchant(p->store, &row) == STORE_OK;
    }
    p->book = merchant_book_new();
    ok = ok && p->book != NULL && merchant_book_load(p->book, p->store, true) == STORE_OK;
    for (int i = 0; ok && i < TOWN_SHOPS; i++) {
        p->shops[i] = merchant_by_id(p->book, i + 1);
        ok = p->shops[i] != NULL;
    }
    return ok;
}

static bool start_links(struct town *t, char *why, size_t why_size)
{
    static const char *const names[TOWN_LINKS] = { "main", "spare" };
    struct process *p = &t->process;
    p->port = (struct acquirer_port) {
        .self = t, .n_links = t->n_links, .submit = on_submit, .flush = on_flush
    };
    (void)snprintf(why, why_size, "links");
    for (size_t i = 0; i < t->n_links; i++) {
        struct link_config config = { .max_in_flight = 100, .reversal_advice = t->seed % 3 == 0 };
        struct link_env env = { .self = t, .event = on_event };
        if (!str_copy(config.name, sizeof config.name, str_of(names[i])))
            return false;
        p->links[i] = link_new(&config, (uint8_t)i, &env, &t->process_rng);
        if (p->links[i] == NULL)
            return false;
        p->port.views[i] = link_view(p->links[i]);
    }
    return engine_set_port(p->engine, &p->port, why, why_size);
}

static bool start_parts(struct town *t, char *why, size_t why_size)
{
    struct process *p = &t->process;
    if (!open_stores(t, why, why_size))
        return false;
    if (!disk_dead())
        witness_compare(&t->witness, p->reader);
    p->vault = vault_open(t->ring, false, why, why_size);
    if (p->vault == NULL || !open_shops(t, why, why_size))
        return false;
    struct engine_config config = { .store = &t->witness.base,
        .vault = p->vault,
        .merchants = p->book,
        .clock = &t->clock,
        .rng = &t->process_rng };
    p->engine = engine_new(&config, why, why_size);
    return p->engine != NULL && start_links(t, why, why_size);
}

bool process_start(struct town *t)
{
    char why[512] = "";
    t->process = (struct process) { .store = NULL };
    bool ok = start_parts(t, why, sizeof why);
    if (!ok && !disk_dead())
        sim_fail("the process does not start: %s", why);
    if (disk_dead()) {
        sim_say("the process dies while it starts");
        process_end(t);
        return false;
    }
    return true;
}

/* ---- end ---- */

void process_end(struct town *t)
{
    struct process *p = &t->process;
    disk_die_now();
    shops_lose_all(t);
    for (size_t i = 0; i < TOWN_LINKS; i++) {
        if (p->wires[i] != NULL)
            network_close_link_side(t, p->wires[i]);
        link_free(p->links[i]);
    }
    engine_free(p->engine);
    for (int i = 0; i < TOWN_SHOPS; i++)
        if (p->shops[i] != NULL)
            merchant_release(p->book, p->shops[i]);
    merchant_book_free(p->book);
    if (p->vault != NULL)
        vault_close(p->vault);
    struct store *const stores[] = { p->checkpointer, p->reader, p->store };
    for (size_t i = 0; i < COUNT(stores); i++)
        if (stores[i] != NULL)
            store_close(stores[i]);
    free(p->events);
    *p = (struct process) { .store = NULL };
}
