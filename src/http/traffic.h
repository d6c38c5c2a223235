/*
 * What a listener counts: responses by class, and how long they took.
 *
 *   turnpike_http_request_seconds{listener="api"}   from the complete request to the sent response
 *   turnpike_http_responses_total{listener="api",class="2xx"}
 */
#ifndef TURNPIKE_HTTP_TRAFFIC_H
#define TURNPIKE_HTTP_TRAFFIC_H

#include <stdint.h>

struct traffic;

/* The counters of that listener, registered on first use; they live for ever. NULL: no memory. */
struct traffic *traffic_of(const char *listener);

/* us < 0: the server refused it without a handler, and it counts by class only. */
void traffic_count(struct traffic *t, unsigned status, int64_t us);

#endif
