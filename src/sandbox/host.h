/*
 * The sandbox's acquirer and issuer host: ISO 8583 on one side, its own books on the other
 * (spec/iso8583.md §6, §8.6, §9, §10, §13).
 *
 * It is the outside world: it knows nothing of the gateway but the messages that arrive. It keeps
 * its own balances of holds, captures and refunds per original message, and an append-only journal
 * of every exchange, one line each, that tests compare with the gateway's answers. At start it
 * rebuilds its books from the journal.
 *
 *   bytes ──► host.c: frames, sign-on, faults ──► rules.c: the decision ──► books.c ──► journal.c
 *                        ▲                          cards.c: the issuer       │
 *                        └── answer.c: the answer, now or later ◄─────────────┘
 *
 * host.c is the logic alone (bytes in, bytes out, time given), so that a simulation can run it
 * without sockets; host_server.c runs it on TCP in one thread.
 */
#ifndef TURNPIKE_SANDBOX_HOST_H
#define TURNPIKE_SANDBOX_HOST_H

#include "base/buf.h"
#include "base/clock.h"
#include "iso8583/iso8583.h"

struct host;
struct host_conn;

struct host_config {
    const char *journal_path; /* NULL: keep no journal */
    enum iso_profile profile;
    struct iso_frame_rule framing;
    struct iso_mac_key mac;
    int64_t tolerance_percent; /* completions may exceed the hold by this, 0 to 900; default 0 */
};

/* ---- the logic ---- */

/*
 * Replays the journal. NULL with a sentence in why, which names file and line of a broken journal.
 */
struct host *host_new(const struct host_config *config, char *why, size_t why_size);
void host_free(struct host *h);

/* NULL when there is no memory. */
struct host_conn *host_connect(struct host *h);
void host_disconnect(struct host *h, struct host_conn *c);

/*
 * Bytes that arrived. Answers are appended to *host_output(c), at once or by host_tick when they
 * were delayed. False: close the connection (after sending the output).
 */
bool host_receive(struct host *h, struct host_conn *c, struct str bytes, int64_t now_ms);
struct buf *host_output(struct host_conn *c);
bool host_wants_close(const struct host_conn *c);

/* Sends what is due; returns when it wants to be called again, INT64_MAX for never. */
int64_t host_tick(struct host *h, int64_t now_ms);

/*
 * Writes journal lines gathered since the last call to the file (one write). To be called before
 * the output is sent. False when that fails: the host must then stop answering.
 */
bool host_flush_journal(struct host *h);

/* ---- faults, switched on by tests: they hold until changed ---- */

enum host_fault_kind {
    HOST_FAULT_NONE,
    HOST_FAULT_SILENT_UNBOOKED, /* drop the request before deciding */
    HOST_FAULT_SILENT_BOOKED,   /* decide and book, do not answer */
    HOST_FAULT_LATE,            /* answer after late_ms */
    HOST_FAULT_TWICE,           /* answer twice */
    HOST_FAULT_DROP_BEFORE,     /* close the connection before deciding */
    HOST_FAULT_DROP_AFTER,      /* decide, book, close without answering */
    HOST_FAULT_SIGN_OFF,        /* refuse sign-ons, and answer 91 to everything else */
    HOST_FAULT_GARBAGE          /* answer with bytes that are no message */
};

/* How late an answer comes "after the time-out" when nothing else is said. */
enum { HOST_LATE_MS = 35000 };

struct host_faults {
    enum host_fault_kind kind;
    int64_t count;      /* for the next count card messages; -1, and SIGN_OFF: all */
    uint32_t mti_class; /* only messages of this class: 1, 2, 4; 0: all of them (network management
                           is never hit but by SIGN_OFF) */
    int64_t delay_ms;   /* delays every card answer, whatever the kind */
    int64_t late_ms;    /* also of the selector cards that answer late; 0: HOST_LATE_MS */
};

/*
 * JSON: {"fault":"silent_booked","count":1,"class":2,"delay_ms":0,"late_ms":35000}. The names are
 * those of the enumeration in small letters. What is left out: none, -1, 0, 0, 0.
 */
bool host_faults_parse(struct str json, struct host_faults *out, char *why, size_t why_size);
void host_faults_print(const struct host_faults *f, struct buf *out);
void host_set_faults(struct host *h, const struct host_faults *f);
const struct host_faults *host_faults_now(const struct host *h); /* with the count that is left */

/*
 * What the host holds for one gateway reference (DE 63), summed: for tests and `turnpike host`'s
 * control.
 */
struct host_position {
    int64_t held_minor, captured_minor, refunded_minor;
    uint32_t messages; /* that are remembered, repeats included */
};
bool host_position(struct host *h, struct str reference, struct host_position *out);

/* ---- on TCP, in a thread of its own ---- */

struct host_server;

struct host_server_config {
    struct host_config host;
    const char *listen;  /* "127.0.0.1:0" */
    const char *control; /* address of a small HTTP control for tests: GET /faults, POST /faults,
                            GET /position?reference=...; NULL: none */
};

/*
 * NULL with a sentence in why. It accepts connections when it returns. A long journal may still be
 * replayed then: sign-ons are answered, and the calls below return, when that is done. If the
 * replay fails after the return, that is logged and the server stops running.
 */
struct host_server *host_server_start(
    const struct host_server_config *config, char *why, size_t why_size);
unsigned host_server_port(const struct host_server *s);
unsigned host_server_control_port(const struct host_server *s);
bool host_server_running(struct host_server *s);
void host_server_set_faults(struct host_server *s, const struct host_faults *f); /* any thread */
void host_server_faults(struct host_server *s, struct host_faults *out);         /* any thread */
bool host_server_position(
    struct host_server *s, struct str reference, struct host_position *out); /* any thread */
void host_server_stop(struct host_server *s);

#endif
