/*
 * A town in one thread: shops, the gateway's process, its links, the network, the host, a disk and
 * a clock, all driven by one seed.
 *
 *   shops.c ──commands──► engine ──► witness ──► SQLite ──► disk.c
 *                           │ ▲
 *                    messages ▼ events
 *                         link.c ──frames──► network.c ──frames──► sandbox/host.c
 *
 * Everything but shops, network, disk and clock is the program itself. A turn moves time to the
 * next thing that wants to happen, delivers what is due, lets shops act, plays a trick or two, and
 * steps the engine. The process may die at any write of its own, and is started on what the disk
 * then holds.
 */
#ifndef TURNPIKE_TESTS_SIM_TOWN_H
#define TURNPIKE_TESTS_SIM_TOWN_H

#include "acquirer/acquirer.h"
#include "engine/engine.h"
#include "sandbox/host.h"
#include "witness.h"

#define MS     INT64_C(1000000) /* in nanoseconds of the steady clock */
#define SECOND INT64_C(1000)    /* in milliseconds of business time */
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

enum { TOWN_LINKS = 2, TOWN_SHOPS = 3, EVENTS_PER_STEP = 256 };

/*
 * How likely each kind of trouble is, in thousandths of the occasions it has. A seed switches some
 * of them off.
 */
struct trouble {
    uint32_t lose, twice, late, reorder, cut; /* of frames; cut: the connection breaks with it */
    uint32_t link_drop, host_restart, host_fault, clock_jump; /* of turns */
    uint32_t crash, crash_in_write, crash_at_start;
    uint32_t disk_fault, checkpoint, rekey;
    uint32_t odd_card; /* of openings: cards for which the host misbehaves */
};

/* A connection between a link and the host. */
struct wire {
    struct wire *next;
    struct host_conn *at_host; /* NULL: the host has closed */
    bool link_open;
    uint8_t link;
    struct buf to_host, to_link; /* the start of a frame that is not whole yet */
    int64_t last_to_host_ns, last_to_link_ns;
};

struct packet {
    int64_t due_ns;
    uint64_t number; /* in the order of sending */
    struct wire *wire;
    bool to_host;
    struct str bytes;
};

/* What a shop asked, and what it was told. */
struct ask {
    struct command c;
    struct ask *next;
    struct town *town;
    uint8_t shop;
    char id[UNIQUE_ROOM];
    int told;
    bool lost; /* the process died before it was told */
};

/* The gateway's process. */
struct process {
    struct store *store, *reader, *checkpointer;
    struct vault *vault;
    struct merchant_book *book;
    const struct merchant *shops[TOWN_SHOPS];
    struct engine *engine;
    struct link *links[TOWN_LINKS];
    struct wire *wires[TOWN_LINKS];
    int64_t connects_ns[TOWN_LINKS]; /* when the attempt ends; 0: none */
    int64_t ticks_ns[TOWN_LINKS];    /* when a link wants to be looked at */
    struct acquirer_port port;
    struct acquirer_event *events;
    size_t n_events, events_room;
};

struct town {
    uint64_t seed;
    struct rng rng; /* of chance here */
    struct rng process_rng;
    struct trouble trouble;
    bool calm; /* no new trouble, no new asks */
    size_t n_links;
    int64_t steady_ns;
    struct clock clock;
    char folder[256], url[320], ring[320], journal[320];

    struct witness witness;
    struct process process;
    struct host *host; /* NULL: it is down */
    int64_t host_back_ns, host_due_ms;
    struct wire *wires;
    struct packet *packets;
    size_t n_packets, packets_room;
    uint64_t packets_made;

    struct ask *asks;
    int n_asks;
    uint64_t turns, crashes, cuts;
    bool ending;
};

/* town.c */
void town_build(struct town *t, uint64_t seed, const char *folder);
void town_tear_down(struct town *t);
void town_turn(struct town *t);
/* True with that many thousandths of probability, unless the town is calm. */
bool town_chance(struct town *t, uint32_t thousandths);
uint32_t town_below(struct town *t, uint32_t bound);
int64_t town_now_ms(struct town *t);

/* process.c */
bool process_start(struct town *t); /* false: it died while starting */
void process_end(struct town *t);   /* however it ends: nothing is said, nothing is written */
void process_serve_links(struct town *t);
int64_t process_next_ns(struct town *t);
void process_step(struct town *t);

/* network.c */
struct wire *network_connect(struct town *t, uint8_t link);
void network_close_link_side(struct town *t, struct wire *w);
void network_take_from_link(struct town *t, struct wire *w, struct buf *out);
void network_deliver(struct town *t);
void network_host_goes(struct town *t);
int64_t network_next_ns(struct town *t);
void network_free(struct town *t);

/* shops.c */
void shops_act(struct town *t);
void shops_lose_all(struct town *t); /* the process died: who waits is never told */
struct merchant_row shops_row(int shop);

/* proof.c */
void town_prove(struct town *t);

#endif
