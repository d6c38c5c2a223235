/*
 * A small HTTP client, on libcurl: for the command line and the demo. Callbacks have a sender of their own.
 */
#ifndef TURNPIKE_HTTP_CLIENT_H
#define TURNPIKE_HTTP_CLIENT_H

#include "base/buf.h"

struct http_client;

/* Keeps its connection alive between calls. NULL when libcurl does not start. */
struct http_client *http_client_new(void);
void http_client_free(struct http_client *c);

/*
 * GET when body is NULL, else POST of *body as content_type. The answer's body is appended to out, its status is returned; 0 with a sentence in
 * why when there was no answer within timeout_ms. Redirects are not followed.
 */
unsigned http_client_call(struct http_client *c, const char *url, const char *content_type,
    const struct str *body, long timeout_ms, struct buf *out, char *why, size_t why_size);

#endif
