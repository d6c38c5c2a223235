/*
 * Which handler a path belongs to.
 */
#ifndef TURNPIKE_HTTP_ROUTE_H
#define TURNPIKE_HTTP_ROUTE_H

#include "http/http.h"

struct route_table {
    const struct http_route **exact; /* sorted by path */
    size_t n_exact;
    const struct http_route **prefixes; /* the longest first */
    size_t n_prefixes;
};

/* False when there is no memory. The rows must outlive the table. */
bool route_table_init(struct route_table *t, const struct http_route *rows, size_t n);
void route_table_free(struct route_table *t);

/* NULL when no row fits; then *allowed has the path's methods, 0 when there is no such path. */
const struct http_route *route_find(
    const struct route_table *t, struct str path, unsigned method, unsigned *allowed);

/* Takes the target of a request line apart: *path decoded in the arena, *query as it stands. False
 * when an escape is broken, or the path is not UTF-8 or has control characters. */
bool route_split_target(struct str target, struct arena *a, struct str *path, struct str *query);

enum { ROUTE_ALLOW_SIZE = 48 };

/* The bit of a method's name, 0 when it is none of http.h. */
unsigned route_method(const char *name);
/* "GET, POST" for HTTP_GET | HTTP_POST. */
void route_allow_text(unsigned methods, char out[ROUTE_ALLOW_SIZE]);

#endif
