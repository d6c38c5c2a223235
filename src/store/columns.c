#include "store/columns.h"
#include "base/money.h"

#include <assert.h>
#include <string.h>

/* clang-format off */
#define SIZE_OF(row, field) (uint16_t) sizeof(((struct row *)0)->field)
#define FIELD(row, field)   .offset = offsetof(struct row, field), .size = SIZE_OF(row, field)

#define NUMBER(row, field, lowest, highest, how) \
    { .name = #field, .type = COL_NUMBER, .marks = (how), FIELD(row, field), .min = (lowest), \
        .max = (highest) }
#define ID(row, field, how)    NUMBER(row, field, 1, INT64_MAX, how)
#define ID_OR_0(row, field)    NUMBER(row, field, 0, INT64_MAX, 0)
#define TIME(row, field, how)  NUMBER(row, field, 0, INT64_MAX, how)
#define MONEY(row, field)      NUMBER(row, field, 0, MONEY_MAX_MINOR, 0)
#define TEXT(row, field, how) \
    { .name = #field, .type = COL_TEXT, .marks = (how), FIELD(row, field) }
#define SLICE(row, field, longest, how) \
    { .name = #field, .type = COL_SLICE, .marks = (how), FIELD(row, field), .max = (longest) }
#define BYTES(row, field, how) \
    { .name = #field, .type = COL_BYTES, .marks = (how), FIELD(row, field) }

static const struct column operation_columns[] = {
    ID(operation_row, merchant_id, COL_KEY),
    ID(operation_row, id, COL_KEY),
    ID(operation_row, payment_id, COL_FIXED),
    NUMBER(operation_row, parent_id, 0, INT64_MAX, COL_FIXED),
    NUMBER(operation_row, kind, OPK_AUTHORIZE, OPK_RELEASE, COL_FIXED),
    NUMBER(operation_row, state, OPS_SENT, OPS_MANUAL, 0),
    NUMBER(operation_row, outcome, 0, UINT8_MAX, 0),
    NUMBER(operation_row, currency, 0, 999, 0),
    MONEY(operation_row, amount_minor),
    SLICE(operation_row, unique_id, STORE_UNIQUE_MAX, COL_FIXED | COL_NULL),
    ID_OR_0(operation_row, card_id),
    NUMBER(operation_row, expiry_yymm, 0, 9912, 0),
    NUMBER(operation_row, entry, 0, UINT8_MAX, 0),
    TEXT(operation_row, link, 0),
    NUMBER(operation_row, stan, 0, 999999, 0),
    TIME(operation_row, sent_ms, 0),
    NUMBER(operation_row, attempts, 0, UINT16_MAX, 0),
    TIME(operation_row, next_ms, 0),
    TEXT(operation_row, reason, 0),
    TEXT(operation_row, de39, 0),
    TEXT(operation_row, authcode, 0),
    TEXT(operation_row, network_id, 0),
    TEXT(operation_row, advice, 0),
    TEXT(operation_row, cvv_result, 0),
    SLICE(operation_row, facts, STORE_FACTS_MAX, COL_FIXED),
    TIME(operation_row, created_ms, COL_FIXED),
    TIME(operation_row, updated_ms, 0),
};

static const struct column payment_columns[] = {
    ID(payment_row, merchant_id, COL_KEY),
    ID(payment_row, id, COL_KEY),
    NUMBER(payment_row, face, FACE_GENOME, FACE_OPTATUM, COL_FIXED),
    NUMBER(payment_row, state, PAY_OPENING, PAY_MANUAL, 0),
    NUMBER(payment_row, currency, 0, 999, 0),
    MONEY(payment_row, authorized_minor),
    MONEY(payment_row, captured_minor),
    MONEY(payment_row, refunded_minor),
    ID_OR_0(payment_row, card_id),
    TIME(payment_row, expires_ms, 0),
    TIME(payment_row, created_ms, COL_FIXED),
    TIME(payment_row, updated_ms, 0),
};

static const struct column card_columns[] = {
    ID(card_row, merchant_id, COL_KEY),
    ID(card_row, id, COL_KEY),
    BYTES(card_row, fingerprint, COL_FIXED),
    BYTES(card_row, token, COL_FIXED),
    NUMBER(card_row, key_id, 0, UINT32_MAX, 0),
    { .name = "sealed", .type = COL_SEALED, FIELD(card_row, sealed) },
    TEXT(card_row, bin, 0),
    TEXT(card_row, last4, 0),
    NUMBER(card_row, brand, 0, UINT8_MAX, 0),
    NUMBER(card_row, expiry_yymm, 0, 9912, 0),
    TIME(card_row, created_ms, COL_FIXED),
};

static const struct column entry_columns[] = {
    ID(entry_row, merchant_id, COL_KEY),
    ID(entry_row, operation_id, COL_KEY),
    NUMBER(entry_row, seq, 0, UINT8_MAX, COL_KEY),
    NUMBER(entry_row, account, ACC_ISSUER_HOLD, ACC_MERCHANT_PAYABLE, COL_FIXED),
    NUMBER(entry_row, currency, 0, 999, COL_FIXED),
    NUMBER(entry_row, amount_minor, -MONEY_MAX_MINOR, MONEY_MAX_MINOR, COL_FIXED),
    TIME(entry_row, at_ms, COL_FIXED),
};

static const struct column merchant_columns[] = {
    ID(merchant_row, id, COL_KEY),
    NUMBER(merchant_row, face, FACE_GENOME, FACE_OPTATUM, 0),
    TEXT(merchant_row, login, 0),
    TEXT(merchant_row, name, 0),
    TEXT(merchant_row, city, 0),
    TEXT(merchant_row, country, 0),
    TEXT(merchant_row, mcc, 0),
    TEXT(merchant_row, mid, 0),
    TEXT(merchant_row, tid, 0),
    SLICE(merchant_row, password_hash, STORE_SECRET_MAX, 0),
    TEXT(merchant_row, public_key, 0),
    SLICE(merchant_row, private_key, STORE_SECRET_MAX, 0),
    NUMBER(merchant_row, active, 0, 1, 0),
    NUMBER(merchant_row, live, 0, 1, 0),
    SLICE(merchant_row, limits, STORE_LIMITS_MAX, 0),
    TIME(merchant_row, created_ms, COL_FIXED),
    TIME(merchant_row, updated_ms, 0),
};

/* A sum of bigints is wider than a bigint in PostgreSQL, hence the cast. */
static const struct column balance_columns[] = {
    ID(balance, merchant_id, 0),
    NUMBER(balance, account, ACC_ISSUER_HOLD, ACC_MERCHANT_PAYABLE, 0),
    NUMBER(balance, currency, 0, 999, 0),
    { .name = "CAST(sum(amount_minor) AS bigint)", .type = COL_NUMBER, FIELD(balance, amount_minor),
        .min = INT64_MIN, .max = INT64_MAX },
    { .name = "count(*)", .type = COL_NUMBER, FIELD(balance, entries), .min = 1, .max = INT64_MAX },
};

#define ROW_TYPE(name, row, columns) { (name), sizeof(struct row), (columns), COUNT(columns) }
const struct row_type row_operation = ROW_TYPE("operation", operation_row, operation_columns);
const struct row_type row_payment = ROW_TYPE("payment", payment_row, payment_columns);
const struct row_type row_card = ROW_TYPE("card", card_row, card_columns);
const struct row_type row_entry = ROW_TYPE("entry", entry_row, entry_columns);
const struct row_type row_merchant = ROW_TYPE("merchant", merchant_row, merchant_columns);
const struct row_type row_balance = ROW_TYPE("entry", balance, balance_columns);
/* clang-format on */

_Static_assert(offsetof(struct card_row, sealed_size) ==
                   offsetof(struct card_row, sealed) + sizeof(((struct card_row *)0)->sealed),
    "a COL_SEALED finds its length behind its bytes");

struct str column_bytes(const struct column *c, const void *row)
{
    const char *at = (const char *)row + c->offset;
    struct str slice;
    switch (c->type) {
    case COL_TEXT:
        return (struct str) { at, strnlen(at, c->size) };
    case COL_SLICE:
        memcpy(&slice, at, sizeof slice);
        return slice;
    case COL_BYTES:
        return (struct str) { at, c->size };
    default:
        assert(c->type == COL_SEALED);
        return (struct str) { at, (uint8_t)at[c->size] };
    }
}

void column_set_bytes(const struct column *c, void *row, struct str bytes)
{
    assert(column_fits_bytes(c, bytes));
    char *at = (char *)row + c->offset;
    if (c->type == COL_SLICE) {
        memcpy(at, &bytes, sizeof bytes);
        return;
    }
    if (bytes.n > 0)
        memcpy(at, bytes.p, bytes.n);
    if (c->type == COL_TEXT)
        at[bytes.n] = '\0';
    if (c->type == COL_SEALED)
        at[c->size] = (char)(uint8_t)bytes.n;
}

bool column_fits_bytes(const struct column *c, struct str bytes)
{
    switch (c->type) {
    case COL_TEXT:
        return bytes.n < c->size && str_find(bytes, '\0') == bytes.n;
    case COL_SLICE:
        return bytes.n <= (size_t)c->max && str_find(bytes, '\0') == bytes.n;
    case COL_BYTES:
        return bytes.n == c->size;
    default:
        return bytes.n <= c->size;
    }
}
