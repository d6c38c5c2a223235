#include "http/client.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

struct http_client {
    CURL *curl;
};

struct http_client *http_client_new(void)
{
    struct http_client *c = calloc(1, sizeof *c);
    if (c == NULL)
        return NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK)
        c->curl = curl_easy_init();
    if (c->curl != NULL)
        return c;
    free(c);
    return NULL;
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    curl_easy_cleanup(c->curl);
    free(c);
}

static size_t take(char *bytes, size_t size, size_t n, void *out)
{
    struct buf *b = out;
    buf_add(b, bytes, size * n);
    return b->full ? 0 : size * n;
}

static bool prepare(struct http_client *c, const char *url, const struct curl_slist *headers,
    const struct str *body, long timeout_ms, struct buf *out)
{
    CURL *h = c->curl;
    curl_easy_reset(h);
    bool ok = curl_easy_setopt(h, CURLOPT_URL, url) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_PROXY, "") == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, take) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_WRITEDATA, out) == CURLE_OK &&
              curl_easy_setopt(h, CURLOPT_HTTPHEADER, headers) == CURLE_OK;
    if (!ok || body == NULL)
        return ok;
    return curl_easy_setopt(h, CURLOPT_POST, 1L) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_POSTFIELDSIZE, (long)body->n) == CURLE_OK &&
           curl_easy_setopt(h, CURLOPT_POSTFIELDS, body->n > 0 ? body->p : "") == CURLE_OK;
}

unsigned http_client_call(struct http_client *c, const char *url, const char *content_type,
    const struct str *body, long timeout_ms, struct buf *out, char *why, size_t why_size)
{
    char line[128];
    long status = 0;
    (void)snprintf(line, sizeof line, "Content-Type: %s", content_type != NULL ? content_type : "");
    struct curl_slist *headers = curl_slist_append(NULL, line);
    CURLcode result = CURLE_OUT_OF_MEMORY;
    if (headers != NULL && prepare(c, url, headers, body, timeout_ms, out))
        result = curl_easy_perform(c->curl);
    if (result == CURLE_OK)
        result = curl_easy_getinfo(c->curl, CURLINFO_RESPONSE_CODE, &status);
    if (result != CURLE_OK)
        (void)snprintf(why, why_size, "%s", curl_easy_strerror(result));
    curl_slist_free_all(headers);
    return result == CURLE_OK ? (unsigned)status : 0;
}
