/*
 * What the face reads by itself, on the read connection of the HTTP thread: the answer to CHECK,
 * and the kind of an operation that a reference names. Neither waits for the engine.
 */
#include "api/genome/genome_internal.h"

/*
 * The operation of that reference, NULL when there is none or the prefix is not that of its kind.
 */
static enum store_result load_by_reference(
    struct genome_call *c, struct str reference, struct operation_row **found)
{
    struct row_key key = { .merchant_id = c->merchant->row.id };
    enum operation_kind kind;
    *found = NULL;
    if (!genome_reference_parse(reference, &kind, &key.id))
        return STORE_OK;
    struct store_load load = { .operation_keys = &key, .operations = found, .n_operations = 1 };
    enum store_result result =
        store_load(c->g->readers[http_thread_index()], c->http->arena, &load);
    if (result != STORE_OK || (*found != NULL && (*found)->kind != kind))
        *found = NULL;
    return result;
}

/* When the store cannot be read the engine will say so, or will find the operation after all. */
void genome_look_up_reference(struct genome_call *c)
{
    struct operation_row *found;
    enum store_result result = load_by_reference(c, c->values[F_REFERENCE].text, &found);
    c->reference_fits = result != STORE_OK || found != NULL;
}

static enum store_result load_by_unique_id(
    struct genome_call *c, struct str unique_id, struct operation_row **found)
{
    struct unique_key key = { c->merchant->row.id, unique_id };
    *found = NULL;
    struct store_load load = { .unique_keys = &key, .by_unique = found, .n_unique = 1 };
    return store_load(c->g->readers[http_thread_index()], c->http->arena, &load);
}

static enum store_result load_card(struct genome_call *c, int64_t id, struct card_row **card)
{
    struct row_key key = { c->merchant->row.id, id };
    *card = NULL;
    if (id == 0)
        return STORE_OK;
    struct store_load load = { .card_keys = &key, .cards = card, .n_cards = 1 };
    return store_load(c->g->readers[http_thread_index()], c->http->arena, &load);
}

/* With both a reference and an id, they must mean the same operation. */
void genome_run_check(struct genome_call *c)
{
    struct str reference = c->values[F_REFERENCE].text, unique_id = c->values[F_UNIQUE_ID].text;
    struct operation_row *by_reference = NULL, *by_id = NULL, *found;
    enum store_result result = STORE_OK;
    if (reference.n > 0)
        result = load_by_reference(c, reference, &by_reference);
    if (result == STORE_OK && unique_id.n > 0)
        result = load_by_unique_id(c, unique_id, &by_id);
    found = reference.n > 0 ? by_reference : by_id;
    if (reference.n > 0 && unique_id.n > 0 &&
        (by_reference == NULL || by_id == NULL || by_reference->id != by_id->id))
        found = NULL;
    struct card_row *card = NULL;
    if (result == STORE_OK && found != NULL)
        result = load_card(c, found->card_id, &card);
    if (result != STORE_OK)
        c->code = GENOME_DATABASE_ERROR;
    else if (found == NULL || genome_kind_name(found->kind) == NULL)
        c->code = GENOME_NOTHING_TO_CHECK;
    c->found = found;
    c->found_card = card;
}
