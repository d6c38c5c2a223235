/*
 * Commands: what a face asks of the engine, and what it is told.
 *
 * A face fills a struct command in its request's arena and gives it to engine_submit. From then
 * until done() is called it belongs to the engine. done() runs on the engine's thread, after
 * everything decided is durable; it must only wake the request.
 */
#ifndef TURNPIKE_ENGINE_COMMAND_H
#define TURNPIKE_ENGINE_COMMAND_H

#include "base/currency.h"
#include "base/queue.h"
#include "engine/merchant.h"
#include "engine/outcome.h"
#include "store/rows.h"

enum command_kind { CMD_AUTHORIZE, CMD_SALE, CMD_CAPTURE, CMD_VOID, CMD_REFUND, CMD_TOKENIZE };

enum entry_mode {
    ENTRY_ECOMMERCE = 1, /* the payer typed the card: DE 22 812 */
    ENTRY_STORED,        /* the merchant used a token: DE 22 102 */
    ENTRY_MOTO
};

/* A card as the payer gave it. Wiped by the engine as soon as it has been used. */
struct card_input {
    char pan[20]; /* 13..19 digits, Luhn checked by the face; empty when a token is given */
    char cvv[5];  /* 3 or 4 digits, or empty */
    uint16_t expiry_yymm;
};

struct reply {
    enum outcome outcome;
    bool recorded; /* an operation was written: the ids below are real */
    int64_t operation_id, payment_id;
    enum operation_kind kind;
    enum operation_state state;
    bool has_token;
    uint8_t token[16];
    char de39[4];
    char authcode[7];
    int64_t at_ms;
    int64_t amount_minor;
};

struct command {
    struct queue_node node;
    enum command_kind kind;
    const struct merchant *merchant; /* held by the face until done() */
    struct str unique_id;            /* the merchant's own id; empty when the call has none */

    int64_t amount_minor;            /* 0 in VOID and TOKENIZE */
    const struct currency *currency; /* NULL in VOID and TOKENIZE */

    struct card_input card; /* pan empty when has_token */
    bool has_token;
    uint8_t token[16];
    enum entry_mode entry;

    int64_t reference;  /* CAPTURE, VOID, REFUND: the operation meant */
    bool single_refund; /* a payment may be refunded once only, in whole or in part */

    const struct country *country; /* the payer's, NULL when unknown */
    struct str ip;                 /* the payer's, text; empty when unknown */
    /* OUT_NONE, or how it is answered once id, reference and token have been looked at. */
    enum outcome refuse;
    struct str facts; /* JSON text kept with the operation; never card data */

    uint8_t fingerprint[16]; /* the engine's own, made by engine_submit */
    struct reply reply;
    void (*done)(struct command *c); /* engine's thread */
    void *owner;                     /* the face's */
};

#endif
