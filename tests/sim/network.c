/*
 * The network between links and host: frames that take their time, and may be lost, doubled,
 * overtaken, or cut off with the connection.
 *
 * TCP itself does little of that; a network of gateways, load balancers and switches that each keep
 * a queue does all of it.
 */
#include "town.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { LATENCY_MS = 40, LATE_MS = 45000 };

static const struct iso_frame_rule framing = { .mode = ISO_FRAME_BIN2 };

struct wire *network_connect(struct town *t, uint8_t link)
{
    struct wire *w = calloc(1, sizeof *w);
    if (w == NULL)
        abort();
    buf_init(&w->to_host, 4 << 20);
    buf_init(&w->to_link, 4 << 20);
    w->link = link;
    w->link_open = true;
    w->at_host = host_connect(t->host);
    if (w->at_host == NULL)
        abort();
    w->next = t->wires;
    t->wires = w;
    return w;
}

static void add_packet(
    struct town *t, struct wire *w, bool to_host, struct str bytes, int64_t delay_ms)
{
    if (t->n_packets == t->packets_room) {
        t->packets_room = t->packets_room == 0 ? 64 : t->packets_room * 2;
        t->packets = realloc(t->packets, t->packets_room * sizeof *t->packets);
        if (t->packets == NULL)
            abort();
    }
    int64_t *last = to_host ? &w->last_to_host_ns : &w->last_to_link_ns;
    int64_t due_ns = t->steady_ns + delay_ms * MS;
    if (due_ns < *last && !town_chance(t, t->trouble.reorder))
        due_ns = *last;
    if (due_ns > *last)
        *last = due_ns;
    char *copy = malloc(bytes.n);
    if (copy == NULL)
        abort();
    memcpy(copy, bytes.p, bytes.n);
    t->packets[t->n_packets++] = (struct packet) { .due_ns = due_ns,
        .number = ++t->packets_made,
        .wire = w,
        .to_host = to_host,
        .bytes = { copy, bytes.n } };
}

static void host_closes(struct town *t, struct wire *w)
{
    if (w->at_host != NULL)
        host_disconnect(t->host, w->at_host);
    w->at_host = NULL;
}

/* The link hears that its connection is gone. */
static void link_loses(struct town *t, struct wire *w)
{
    struct process *p = &t->process;
    if (!w->link_open)
        return;
    w->link_open = false;
    if (p->wires[w->link] == w) {
        p->wires[w->link] = NULL;
        link_closed(p->links[w->link], t->steady_ns);
    }
}

void network_close_link_side(struct town *t, struct wire *w)
{
    (void)t;
    w->link_open = false; /* what is on its way to the host may still arrive */
}

/* One whole frame enters the network. */
static void carry(struct town *t, struct wire *w, bool to_host, struct str frame)
{
    int64_t delay_ms = 1 + town_below(t, LATENCY_MS);
    if (town_chance(t, t->trouble.late))
        delay_ms += town_below(t, LATE_MS);
    if (town_chance(t, t->trouble.lose)) {
        sim_say("a frame to the %s is lost", to_host ? "host" : "link");
        return;
    }
    add_packet(t, w, to_host, frame, delay_ms);
    if (town_chance(t, t->trouble.twice))
        add_packet(t, w, to_host, frame, delay_ms + town_below(t, 2000));
}

/* Takes the whole frames off b. */
static void carry_frames(struct town *t, struct wire *w, bool to_host, struct buf *b)
{
    for (;;) {
        struct str message = STR_EMPTY;
        size_t used = 0;
        enum iso_frame_result r = iso_frame_next(&framing, buf_view(b), &message, &used);
        if (r == ISO_FRAME_PARTIAL)
            return;
        if (r == ISO_FRAME_BROKEN) /* the host talks garbage: it goes as it is */
            used = b->n;
        carry(t, w, to_host, (struct str) { b->p, used });
        buf_consume(b, used);
    }
}

/* The socket takes what it likes of the link's output; sometimes the connection breaks in it. */
void network_take_from_link(struct town *t, struct wire *w, struct buf *out)
{
    if (out->n == 0)
        return;
    bool breaks = town_chance(t, t->trouble.cut);
    size_t n = breaks ? town_below(t, (uint32_t)out->n + 1) : out->n;
    buf_add(&w->to_host, out->p, n);
    buf_consume(out, n);
    carry_frames(t, w, true, &w->to_host);
    if (!breaks)
        return;
    t->cuts++;
    sim_say("connection of link %u breaks while it writes", w->link);
    link_loses(t, w);
}

static void take_from_host(struct town *t, struct wire *w)
{
    if (w->at_host == NULL)
        return;
    struct buf *out = host_output(w->at_host);
    buf_add(&w->to_link, out->p == NULL ? "" : out->p, out->n);
    buf_reset(out);
    carry_frames(t, w, false, &w->to_link);
    if (!host_wants_close(w->at_host))
        return;
    host_closes(t, w);
    link_loses(t, w);
}

static size_t first_due(const struct town *t)
{
    size_t first = t->n_packets;
    for (size_t i = 0; i < t->n_packets; i++) {
        const struct packet *p = &t->packets[i];
        if (p->due_ns > t->steady_ns)
            continue;
        if (first == t->n_packets || p->due_ns < t->packets[first].due_ns ||
            (p->due_ns == t->packets[first].due_ns && p->number < t->packets[first].number))
            first = i;
    }
    return first;
}

static void deliver_one(struct town *t, const struct packet *p)
{
    struct wire *w = p->wire;
    if (!p->to_host) {
        if (w->link_open && t->process.wires[w->link] == w)
            link_received(t->process.links[w->link], p->bytes, t->steady_ns, town_now_ms(t));
        return;
    }
    if (w->at_host == NULL)
        return;
    (void)host_receive(t->host, w->at_host, p->bytes, town_now_ms(t));
    if (!host_flush_journal(t->host))
        sim_fail("the host lost its journal");
    take_from_host(t, w);
}

/* Wires that nobody holds and nothing is on its way on. */
static void sweep(struct town *t)
{
    for (struct wire **at = &t->wires; *at != NULL;) {
        struct wire *w = *at;
        bool busy = w->link_open;
        for (size_t i = 0; i < t->n_packets && !busy; i++)
            busy = t->packets[i].wire == w;
        if (busy) {
            at = &w->next;
            continue;
        }
        host_closes(t, w);
        *at = w->next;
        buf_free(&w->to_host);
        buf_free(&w->to_link);
        free(w);
    }
}

void network_deliver(struct town *t)
{
    if (t->host != NULL) {
        t->host_due_ms = host_tick(t->host, town_now_ms(t));
        for (struct wire *w = t->wires; w != NULL; w = w->next)
            take_from_host(t, w);
    }
    for (size_t i = first_due(t); i < t->n_packets; i = first_due(t)) {
        struct packet p = t->packets[i];
        t->packets[i] = t->packets[--t->n_packets];
        deliver_one(t, &p);
        free((char *)p.bytes.p);
    }
    sweep(t);
}

/* It forgets what it had not written down: answers it was going to send late. */
void network_host_goes(struct town *t)
{
    for (struct wire *w = t->wires; w != NULL; w = w->next) {
        host_closes(t, w);
        link_loses(t, w);
    }
    host_free(t->host);
    t->host = NULL;
}

int64_t network_next_ns(struct town *t)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < t->n_packets; i++)
        if (t->packets[i].due_ns < next)
            next = t->packets[i].due_ns;
    if (t->host != NULL && t->host_due_ms != INT64_MAX) {
        int64_t left_ms = t->host_due_ms - town_now_ms(t);
        int64_t at_ns = t->steady_ns + (left_ms > 0 ? left_ms * MS : 0);
        next = at_ns < next ? at_ns : next;
    }
    return next;
}

void network_free(struct town *t)
{
    for (size_t i = 0; i < t->n_packets; i++)
        free((char *)t->packets[i].bytes.p);
    t->n_packets = 0;
    for (struct wire *w = t->wires; w != NULL; w = w->next)
        w->link_open = false;
    sweep(t);
    free(t->packets);
    t->packets = NULL;
}
