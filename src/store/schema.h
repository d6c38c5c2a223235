/*
 * The schema, as a numbered list of steps.
 *
 * Steps only go forward. Each is applied in one transaction together with its row in
 * schema_version, so that a database is always at exactly one version. A step that was released
 * is never edited: a change is a new step at the end. A database of a later version than the
 * program knows is left alone.
 */
#ifndef TURNPIKE_STORE_SCHEMA_H
#define TURNPIKE_STORE_SCHEMA_H

#include "store/store.h"

struct migration {
    int64_t version; /* 1, 2, ... */
    const char *what;
    const char *sqlite; /* the step in SQLite's words */
};

const struct migration *schema_migrations(size_t *count);

/* The version this program works with: that of the last step. */
int64_t schema_version(void);

#endif
