#include "engine/flights.h"

#include <stdlib.h>

enum { PLACES_BITS = 12, PLACES = 1 << PLACES_BITS };

struct flight {
    struct operation_row operation; /* id 0: nothing here */
    struct payment_row payment;
};

struct flights {
    struct flight places[PLACES];
};

struct flights *flights_new(void)
{
    return calloc(1, sizeof(struct flights));
}

void flights_free(struct flights *f)
{
    free(f);
}

static struct flight *place_of(struct flights *f, int64_t operation_id)
{
    uint64_t mixed = (uint64_t)operation_id * UINT64_C(0x9e3779b97f4a7c15);
    return &f->places[mixed >> (64 - PLACES_BITS)];
}

/* The slices of the row lie in the batch's arena; nothing after the first commit reads them. */
void flights_keep(
    struct flights *f, const struct operation_row *o, const struct payment_row *payment)
{
    struct flight *p = place_of(f, o->id);
    p->operation = *o;
    p->operation.unique_id = p->operation.facts = STR_EMPTY;
    p->payment = *payment;
}

bool flights_take(struct flights *f, struct row_key operation, struct workset *w)
{
    struct flight *p = place_of(f, operation.id);
    if (p->operation.id != operation.id || p->operation.merchant_id != operation.merchant_id)
        return false;
    operation_adopt(w, &p->operation);
    payment_adopt(w, &p->payment);
    p->operation.id = 0;
    return true;
}
