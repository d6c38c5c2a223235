/*
 * The working set: the rows that one batch of the engine reads and writes.
 *
 * In the LOAD phase the engine asks for keys (want_...), then workset_load fetches all that are not
 * there yet with one store_load. In DECIDE it gets rows (..._get), changes them in place and marks
 * them, or adds new ones; what an earlier event of the batch did is seen by the later ones. In
 * COMMIT the marked rows go to the store. A key that was asked for and does not exist is remembered
 * as absent. Asking DECIDE for a key that was never wanted is a fault of the program.
 */
#ifndef TURNPIKE_ENGINE_WORKSET_H
#define TURNPIKE_ENGINE_WORKSET_H

#include "store/store.h"

struct workset;

/* Room for about `rows` rows of each kind per batch. NULL without memory. */
struct workset *workset_new(size_t rows);
void workset_free(struct workset *w);

/* Forgets everything; the arena is the batch's. */
void workset_begin(struct workset *w, struct arena *a);

void want_operation(struct workset *w, struct row_key key);
void want_payment(struct workset *w, struct row_key key);
void want_card(struct workset *w, struct row_key key);
void want_unique(struct workset *w, int64_t merchant_id, struct str unique_id);
void want_fingerprint(struct workset *w, int64_t merchant_id, const uint8_t fingerprint[16]);
void want_token(struct workset *w, int64_t merchant_id, const uint8_t token[16]);

/* Fetches what is wanted and not there. */
enum store_result workset_load(struct workset *w, struct store *s);

struct operation_row *operation_get(struct workset *w, struct row_key key);
struct payment_row *payment_get(struct workset *w, struct row_key key);
struct card_row *card_get(struct workset *w, struct row_key key);
struct operation_row *unique_get(struct workset *w, int64_t merchant_id, struct str unique_id);
struct card_row *fingerprint_get(
    struct workset *w, int64_t merchant_id, const uint8_t fingerprint[16]);
struct card_row *token_get(struct workset *w, int64_t merchant_id, const uint8_t token[16]);

/* Puts a row that was loaded in another way (store_expired) into the set. */
void payment_adopt(struct workset *w, const struct payment_row *p);
void operation_adopt(struct workset *w, const struct operation_row *o);

/* A copy of the filled row, found by every key of it from then on. Its keys must be absent. */
struct operation_row *operation_add(struct workset *w, const struct operation_row *filled);
struct payment_row *payment_add(struct workset *w, const struct payment_row *filled);
struct card_row *card_add(struct workset *w, const struct card_row *filled);

/* Says that a loaded row was changed. New rows need no mark; marking twice is harmless. */
void operation_mark(struct workset *w, struct operation_row *o);
void payment_mark(struct workset *w, struct payment_row *p);
void card_mark(struct workset *w, struct card_row *c);

/* Fills the arrays of new and changed rows. */
void workset_changes(struct workset *w, struct store_changes *out);

#endif
