/*
 * The requests of one link that an answer may still come for.
 *
 * All memory is taken when the table is made. A request is found by what an answer repeats of it
 * (spec/iso8583.md §8.1); it is on one list at a time, oldest first, and since all requests of a
 * list wait equally long, the oldest is the next to time out.
 *
 *   REQUEST, ADVICE --answer--> ANSWERED (a second answer is recognised as a duplicate)
 *                  \--silence--> SILENT --late answer--> ANSWERED
 *
 * The lists of what is over have a limit; their oldest make room. No card number is kept, only its
 * keyed hash.
 */
#ifndef TURNPIKE_ACQUIRER_REQUESTS_H
#define TURNPIKE_ACQUIRER_REQUESTS_H

#include "base/str.h"
#include "store/rows.h"

enum request_list { LIST_REQUEST, LIST_ADVICE, LIST_SILENT, LIST_ANSWERED, LIST_FREE, LIST_COUNT };

struct request {
    struct row_key operation;
    enum operation_kind kind;
    char mti[5];
    uint64_t de7;
    uint32_t stan;
    char terminal[9]; /* without trailing spaces */
    char rrn[13];
    char processing[7];
    int64_t amount_minor;
    uint16_t currency;
    uint64_t pan_hash;
    int64_t sent_ns;
    int64_t closed_ns; /* SILENT and ANSWERED: since when */
    uint64_t out_at;   /* how many bytes the link had put out before this one */
    /* of the table */
    enum request_list list;
    uint32_t before, after; /* on the list */
    uint32_t chain;         /* in the bucket */
};

/* What an answer says of the request it belongs to. Empty terminal: it does not say. */
struct request_key {
    char mti[5]; /* the answer's */
    uint64_t de7;
    uint32_t stan;
    struct str terminal, rrn;
};

struct requests;

/*
 * Room for max_open open requests and keep of each kind that is over; NULL when there is no memory.
 */
struct requests *requests_new(uint32_t max_open, uint32_t keep);
void requests_free(struct requests *t);

uint32_t requests_open(const struct requests *t);

/*
 * A copy of r on the list REQUEST or ADVICE. NULL when there is no room, or when an open one could
 * not be told from it. One that is over and has the same identity gives way: a repeat takes the
 * place of what it repeats.
 */
struct request *requests_add(struct requests *t, const struct request *r, enum request_list list);

/*
 * The one that an answer belongs to: an open one rather than one that is over, an equal RRN rather
 * than another. NULL: none.
 */
struct request *requests_find(struct requests *t, const struct request_key *key);

/* To SILENT or ANSWERED. */
void requests_close(struct requests *t, struct request *r, enum request_list list, int64_t now_ns);
void requests_drop(struct requests *t, struct request *r);

/* NULL when the list is empty. */
struct request *requests_oldest(struct requests *t, enum request_list list);

#endif
