/*
 * What is kept: one struct per table, as the engine and the readers see it.
 *
 * Text in a row is either a small array with a NUL or a slice into the arena it was loaded into. Money is minor units, times are
 * milliseconds since 1970 UTC. Enumerations of states and kinds are stored as their numbers; the numbers are part of the
 * schema and never change their meaning.
 */
#ifndef TURNPIKE_STORE_ROWS_H
#define TURNPIKE_STORE_ROWS_H

#include "base/str.h"

/* The key of a row that belongs to a merchant. */
struct row_key {
    int64_t merchant_id, id;
};

enum face { FACE_GENOME = 1, FACE_BEGATEWAY, FACE_RBS, FACE_BISYS, FACE_OPTATUM };

enum operation_kind {
    OPK_AUTHORIZE = 1, /* 0100: a hold */
    OPK_SALE,          /* 0200: a purchase */
    OPK_CAPTURE,       /* 0220: a completion of a hold */
    OPK_REFUND,        /* 0200 with processing code 200000 */
    OPK_VOID,     /* 0420, reason 17: the merchant, or the end of the window, gives a hold back */
    OPK_REVERSAL, /* 0400, reason 68: undoes an operation whose answer never came */
    OPK_RELEASE, /* 0420 with DE 95, reason 32: gives back what a final partial capture left of a hold */
};

enum operation_state {
    OPS_NEW = 0, /* only in memory, while it is decided */
    OPS_SENT,    /* durable before the first byte leaves; advices stay here until answered */
    OPS_APPROVED,
    OPS_DECLINED,
    OPS_IN_DOUBT, /* no answer: a reversal is owed */
    OPS_REVERSED, /* the host has acknowledged the reversal */
    OPS_FAILED,   /* it never left */
    OPS_MANUAL,   /* the host refused what cannot be refused, or 24 h went by: a person must look */
};

enum payment_state {
    PAY_NEW = 0,
    PAY_OPENING,    /* the authorization or sale is on its way */
    PAY_AUTHORIZED, /* funds are held */
    PAY_CAPTURING,
    PAY_CAPTURED,
    PAY_REFUNDING,
    PAY_REFUNDED, /* all of it */
    PAY_VOIDED,
    PAY_DECLINED,  /* refused, or it never left */
    PAY_REVERSING, /* no answer to the opening: being undone */
    PAY_REVERSED,
    PAY_MANUAL,
};

enum entry_account {
    ACC_ISSUER_HOLD = 1,     /* memo: what issuers hold for us */
    ACC_MERCHANT_HELD,       /* memo: its other side, by merchant */
    ACC_ACQUIRER_RECEIVABLE, /* what the acquirer owes us */
    ACC_MERCHANT_PAYABLE,    /* what we owe the merchant */
};

struct merchant_row {
    int64_t id;
    enum face face;
    char login[65];           /* merchant_account, userName, shop id, ... */
    char name[65];            /* for people, and DE 43 */
    char city[14];            /* DE 43 */
    char country[3];          /* alpha-2, DE 43 */
    char mcc[5];              /* DE 18 */
    char mid[16];             /* DE 42 */
    char tid[9];              /* DE 41 */
    struct str password_hash; /* argon2id in its own text form */
    char public_key[65];      /* signature login; empty when none */
    struct str private_key;   /* sealed by the vault */
    bool active, live;        /* live false: test mode */
    struct str limits;        /* JSON text, read by engine/limits.h */
    int64_t created_ms, updated_ms;
};

struct card_row {
    int64_t merchant_id, id;
    uint8_t fingerprint[16]; /* keyed hash of the PAN */
    uint8_t token[16];       /* UUID; the first four bytes are the unix time of creation */
    uint32_t key_id;         /* of the key ring */
    uint8_t sealed[64];      /* nonce 12 | ciphertext of the PAN | tag 16 */
    uint8_t sealed_size;
    char bin[9]; /* first 6 or 8 digits */
    char last4[5];
    uint8_t brand;        /* enum card_brand */
    uint16_t expiry_yymm; /* 2812 */
    int64_t created_ms;
};

/* A payment has the id of the operation that opened it. */
struct payment_row {
    int64_t merchant_id, id;
    enum face face;
    enum payment_state state;
    uint16_t currency; /* numeric */
    int64_t authorized_minor, captured_minor, refunded_minor;
    int64_t card_id;
    int64_t expires_ms; /* end of the authorization window; 0 when it has none */
    int64_t created_ms, updated_ms;
};

struct operation_row {
    int64_t merchant_id, id, payment_id;
    int64_t parent_id; /* the operation it follows, captures, refunds or undoes; 0 for an opening */
    enum operation_kind kind;
    enum operation_state state;
    uint8_t outcome; /* enum outcome, as the merchant was or will be told */
    uint16_t currency;
    int64_t amount_minor;
    struct str unique_id; /* the merchant's, empty for our own operations */
    int64_t card_id;
    uint16_t expiry_yymm;
    uint8_t entry; /* enum entry_mode */
    char link[17]; /* name of the acquirer link, empty if it never had one */
    uint32_t stan;
    int64_t sent_ms;     /* DE 7, 12, 13 and the date in the RRN come from it */
    uint16_t attempts;   /* sendings so far, of an advice */
    int64_t next_ms;     /* when an advice is due again; 0 when nothing is due */
    char reason[3];      /* DE 39 of a reversal */
    char de39[4];        /* what the host said */
    char authcode[7];    /* DE 38 */
    char network_id[33]; /* DE 62 */
    char advice[3];      /* merchant advice code, DE 48.84 */
    char cvv_result[2];  /* DE 48.87 */
    struct str facts;    /* what the face keeps with the operation: JSON, never card data */
    int64_t created_ms, updated_ms;
};

/* One side of a ledger transaction; the transaction is the operation. The entries of one operation sum to zero per currency. */
struct entry_row {
    int64_t merchant_id, operation_id;
    uint8_t seq;
    enum entry_account account;
    uint16_t currency;
    int64_t amount_minor; /* debit positive, credit negative */
    int64_t at_ms;
};

#endif
