/*
 * The door between the engine and the acquirer links.
 *
 * The engine decides which link takes a message, gives it its STAN, commits, and only then calls
 * submit. The link packs it at once (card data is not kept by pointer), sends it, and sooner or
 * later gives exactly one event back for every submit: ANSWERED, SILENT (time-out, dropped link,
 * answer that does not fit) or NOT_SENT (nothing left the process). After that it may give LATE
 * events.
 *
 * Links run on the engine's own thread, driven by the loop (engine/loop.h), so that no call here
 * needs a lock.
 */
#ifndef TURNPIKE_ENGINE_PORT_H
#define TURNPIKE_ENGINE_PORT_H

#include "base/str.h"
#include "store/rows.h"

enum { LINKS_MAX = 16 };

/* What the engine knows of a link when it routes. Kept up to date by the link. */
struct link_view {
    char name[17];
    char acquirer_id[12];      /* DE 32 */
    char forwarder_id[12];     /* DE 33, "" when not used */
    uint16_t acquirer_country; /* DE 19 */
    bool up;                   /* signed on */
    uint32_t in_flight, max_in_flight;
    uint32_t brands;            /* bit per enum card_brand; 0: all */
    const uint16_t *currencies; /* numeric; n 0: all */
    size_t n_currencies;
    const int64_t *merchants; /* ids; n 0: all */
    size_t n_merchants;
    bool reversal_advice; /* silence is undone by 0420 instead of 0400 */
};

struct original { /* DE 90 */
    char mti[5];
    uint32_t stan;
    int64_t sent_ms;
};

struct acquirer_message {
    struct row_key operation; /* comes back with the event */
    enum operation_kind kind;
    bool repeat;          /* 0401, 0421, 0221 */
    const char *pan;      /* valid during submit only */
    const char *cvv;      /* likewise; "" when there is none */
    uint16_t expiry_yymm; /* 0: not known */
    int64_t amount_minor; /* DE 4; of the original in a reversal, void or release */
    int64_t kept_minor;   /* OPK_RELEASE: what stays, DE 95 */
    uint16_t currency;
    uint32_t stan;
    int64_t sent_ms;  /* DE 7 */
    int64_t local_ms; /* DE 12, 13: sent_ms, or the original's where the map says so */
    char rrn[13];
    char authcode[7];                    /* "" when unknown */
    char reason[3];                      /* DE 39 of a reversal, void or release */
    char network_id[33];                 /* DE 62 */
    enum operation_kind original_kind;   /* what is undone: decides DE 3 */
    struct original original;            /* mti[0] == 0 when there is none */
    uint8_t entry;                       /* enum entry_mode */
    const struct merchant_row *merchant; /* DE 18, 41, 42, 43 */
    char reference
        [17]; /* DE 63: 16 hexadecimal digits of the opening operation's id, or of the refund's */
};

enum acquirer_event_kind {
    ACQ_ANSWERED,
    ACQ_SILENT,
    ACQ_NOT_SENT,
    ACQ_LATE_ANSWER,
    ACQ_LINK_UP, /* operation is not set */
    ACQ_LINK_DOWN
};

struct acquirer_event {
    enum acquirer_event_kind kind;
    uint8_t link;
    struct row_key operation;
    enum operation_kind operation_kind;
    bool malformed; /* SILENT because the answer did not fit */
    char de39[4];
    char authcode[7];
    char network_id[33];
    char advice[3];
    char cvv_result[2];
    int64_t amount_minor; /* DE 4 of the answer */
};

struct acquirer_port {
    void *self;
    size_t n_links;
    struct link_view *views[LINKS_MAX];
    /* Never fails: what cannot be sent comes back as NOT_SENT through the loop. */
    void (*submit)(void *self, uint8_t link, const struct acquirer_message *m);
    /* After the last submit of a batch: one write per link. */
    void (*flush)(void *self);
};

#endif
