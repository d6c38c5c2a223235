/*
 * Answers that are to be sent later, soonest first. Bounded: DELAYED_MAX answers.
 */
#ifndef TURNPIKE_SANDBOX_DELAYED_H
#define TURNPIKE_SANDBOX_DELAYED_H

#include "base/str.h"

enum { DELAYED_MAX = 1 << 16 };

struct host_conn;
struct delayed;

struct delayed *delayed_new(void);
void delayed_free(struct delayed *d);

/* Copies the bytes. False when there is no room. */
bool delayed_push(struct delayed *d, int64_t due_ms, struct host_conn *c, struct str bytes);

/* When the first is due; INT64_MAX when there is none. */
int64_t delayed_due(const struct delayed *d);

/*
 * Takes the first: its bytes, valid until the next call, and where they go; NULL: nowhere any more.
 */
struct str delayed_pop(struct delayed *d, struct host_conn **c);

/* The connection is gone: what was for it goes nowhere. */
void delayed_forget(struct delayed *d, const struct host_conn *c);

#endif
