/*
 * The acquirer links: TCP connections to hosts that speak ISO 8583 (spec/iso8583.md §3, §6, §8,
 * §9).
 *
 *   DOWN --connect--> CONNECTING --connected--> SIGNING_ON --0810 00--> UP
 *     ^                                                                 |
 *     +---- close, two missed echoes, framing error, sign-off ----------+
 *
 * link.c is the logic of one link without any socket: messages and bytes in, bytes and events out,
 * time given. acquirer.c owns the sockets and runs the links on the engine's loop. message.c turns
 * what the engine wants said into elements, requests.c remembers what may still be answered.
 *
 * On close every open request is told at once: SILENT, or NOT_SENT when none of its bytes had left.
 * Events are given from inside the calls below, link_submit among them: who takes them only queues
 * them.
 */
#ifndef TURNPIKE_ACQUIRER_ACQUIRER_H
#define TURNPIKE_ACQUIRER_ACQUIRER_H

#include "base/buf.h"
#include "base/rng.h"
#include "engine/loop.h"
#include "engine/port.h"
#include "iso8583/iso8583.h"

struct link_config {
    char name[17];
    char address[256];         /* HOST:PORT */
    char acquirer_id[12];      /* DE 32, default "12345678901" */
    char forwarder_id[12];     /* DE 33, "" */
    uint16_t acquirer_country; /* DE 19, 0: not sent */
    enum iso_profile profile;
    struct iso_frame_rule framing;
    struct iso_mac_key mac;
    uint32_t brands;
    uint16_t currencies[64];
    size_t n_currencies;
    int64_t merchants[256];
    size_t n_merchants;
    uint32_t max_in_flight; /* default 5000 */
    bool reversal_advice;   /* 0420 instead of 0400 */
    bool reversal_same_stan;
    /* milliseconds; zero means the default of §8.2 */
    int64_t connect_timeout_ms, request_timeout_ms, advice_timeout_ms, network_timeout_ms,
        echo_idle_ms;
};

/* ---- the logic of one link (link.c) ---- */

struct link;

/* Where a link puts its events and what it asks of its socket. */
struct link_env {
    void *self;
    void (*event)(void *self, const struct acquirer_event *ev);
    /*
     * Told about every message in either direction, packed form, before it is sent or after it was
     * received; NULL: nobody. Must mask what it keeps.
     */
    void (*trace)(void *self, const char *link, bool outgoing, const struct iso_message *m);
};

struct link *link_new(
    const struct link_config *config, uint8_t index, const struct link_env *env, struct rng *rng);
void link_free(struct link *l);
struct link_view *link_view(struct link *l);

enum link_wish { LINK_IDLE, LINK_CONNECT, LINK_CLOSE }; /* what it wants of its socket now */
enum link_wish link_wish(const struct link *l);

/*
 * now_ns is the steady clock (for time-outs), now_ms the business clock (for DE 7 of network
 * messages).
 */
void link_connected(struct link *l, int64_t now_ns, int64_t now_ms);
/* The connection failed, or the peer closed, or we did: everything open ends. */
void link_closed(struct link *l, int64_t now_ns);
void link_received(struct link *l, struct str bytes, int64_t now_ns, int64_t now_ms);
void link_submit(struct link *l, const struct acquirer_message *m, int64_t now_ns);
/* To be written and consumed by the owner of the socket. */
struct buf *link_output(struct link *l);
/* Time-outs, echo, back-off; returns when it wants the next. */
int64_t link_tick(struct link *l, int64_t now_ns, int64_t now_ms);
/*
 * Takes no new work, waits until nothing is open, sends 0800/002, and closes for good when that is
 * answered or its time is up.
 */
void link_sign_off(struct link *l, int64_t now_ms);
/* True when a signed-off link is closed. */
bool link_stopped(const struct link *l);

/* ---- all links on the loop (acquirer.c) ---- */

struct acquirer;

/*
 * Starts connecting. The port's functions may be used until acquirer_stop. NULL with a sentence in
 * why.
 */
struct acquirer *acquirer_start(const struct link_config *configs, size_t n, struct loop *loop,
    struct clock *clock, struct rng *rng, char *why, size_t why_size);
struct acquirer_port *acquirer_port(struct acquirer *a);
/*
 * Called on the loop's thread for every message of every link (demo, debugging); NULL switches it
 * off. Set before the loop runs.
 */
void acquirer_trace(struct acquirer *a,
    void (*trace)(void *self, const char *link, bool outgoing, const struct iso_message *m),
    void *self);
/*
 * Signs off every link once nothing is open on it. The views are down at once, but the loop must go
 * on running until acquirer_signed_off, which may be asked from any thread.
 */
void acquirer_sign_off(struct acquirer *a);
bool acquirer_signed_off(const struct acquirer *a);
/*
 * Closes and frees everything; nobody is told any more. The loop must not run again after this: it
 * still knows our timers.
 */
void acquirer_stop(struct acquirer *a);

#endif
