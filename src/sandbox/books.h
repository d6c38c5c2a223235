/*
 * The host's books: every message it has decided, what is held, captured and refunded for it, and
 * the totals by merchant, currency and business day (spec/iso8583.md §8.6, §10).
 *
 * They are changed by books_post alone, with an exchange as it came off the wire or out of the
 * journal. An entry is 88 bytes and lives for ever; two index tables of 8 bytes a slot find it by
 * its key and by the gateway's reference.
 */
#ifndef TURNPIKE_SANDBOX_BOOKS_H
#define TURNPIKE_SANDBOX_BOOKS_H

#include "sandbox/exchange.h"

enum entry_kind {
    ENTRY_NOTED, /* an answer without money */
    ENTRY_HOLD,
    ENTRY_SALE,
    ENTRY_CAPTURE,
    ENTRY_REFUND,
    ENTRY_REVERSAL,
    ENTRY_NEVER_SEEN /* reversed before it came */
};

struct book_entry {
    uint64_t key, reference;
    int64_t amount;     /* DE 4 */
    int64_t authorized; /* of a hold or sale: what may be captured; partial reversals lower it */
    int64_t captured, refunded;
    uint32_t parent;  /* number of the entry it acts on; 0 none */
    uint32_t sibling; /* next entry with this reference */
    uint32_t totals;  /* its row of totals */
    char rrn[12];
    uint16_t currency;
    char de39[2], authcode[6];
    uint8_t kind;  /* enum entry_kind */
    uint8_t tries; /* repeats, or reversals put off */
    char cvv_result;
    bool reversed;
};

enum total_kind {
    TOTAL_REFUNDS,
    TOTAL_SALES_REVERSED,
    TOTAL_SALES,
    TOTAL_REFUNDS_REVERSED,
    TOTALS
};

struct book_totals {
    char merchant[16];
    uint16_t currency;
    uint32_t day;
    uint64_t count[TOTALS];
    int64_t amount[TOTALS];
    int64_t last_sale;
};

struct books;

/* NULL when there is no memory. */
struct books *books_new(void);
void books_free(struct books *b);

/* About so many will be posted next; saves growing step by step. */
void books_expect(struct books *b, uint32_t exchanges);

/* NULL when there is none. Entries stay where they are. */
struct book_entry *books_find(const struct books *b, uint64_t key);

/*
 * The hold or sale whose money e moves: itself, its parent, or its parent's parent; NULL for
 * others.
 */
struct book_entry *books_root(const struct books *b, struct book_entry *e);

/* The entry e acts on, or NULL. */
struct book_entry *books_parent(const struct books *b, const struct book_entry *e);

/* Asks for the memory that books_post(b, x) will look at. */
void books_prefetch(const struct books *b, const struct exchange *x);

/* Does what x.effect says. NULL, or a sentence why it cannot; then nothing has changed. */
const char *books_post(struct books *b, const struct exchange *x);

/* The totals an entry was counted in. */
const struct book_totals *books_totals_of(const struct books *b, const struct book_entry *e);

/* NULL when nothing was posted there. */
const struct book_totals *books_totals(
    struct books *b, struct str merchant, uint16_t currency, uint32_t day);

/* The first business day from the last cut-over on; 0 before the first. */
uint32_t books_cutover(const struct books *b);

struct host_position;
bool books_position(const struct books *b, uint64_t reference_key, struct host_position *out);

#endif
