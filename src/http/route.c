#include "http/route.h"
#include "http/text.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    unsigned bit;
    const char *name;
} methods[] = {
    { HTTP_GET, "GET" },
    { HTTP_POST, "POST" },
    { HTTP_PUT, "PUT" },
    { HTTP_DELETE, "DELETE" },
    { HTTP_HEAD, "HEAD" },
    { HTTP_OPTIONS, "OPTIONS" },
};

static bool is_prefix(const struct http_route *r)
{
    size_t n = strlen(r->path);
    return n > 0 && r->path[n - 1] == '*';
}

static int by_path(const void *a, const void *b)
{
    const struct http_route *const *left = a, *const *right = b;
    return str_cmp(str_of((*left)->path), str_of((*right)->path));
}

static int longest_first(const void *a, const void *b)
{
    const struct http_route *const *left = a, *const *right = b;
    size_t n = strlen((*left)->path), m = strlen((*right)->path);
    return n == m ? by_path(a, b) : (n < m) - (n > m);
}

bool route_table_init(struct route_table *t, const struct http_route *rows, size_t n)
{
    *t = (struct route_table) { 0 };
    t->exact = calloc(n + 1, sizeof *t->exact);
    t->prefixes = calloc(n + 1, sizeof *t->prefixes);
    if (t->exact == NULL || t->prefixes == NULL) {
        route_table_free(t);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        assert(rows[i].path[0] == '/' && rows[i].methods != 0 && rows[i].handle != NULL);
        if (is_prefix(&rows[i]))
            t->prefixes[t->n_prefixes++] = &rows[i];
        else
            t->exact[t->n_exact++] = &rows[i];
    }
    qsort(t->exact, t->n_exact, sizeof *t->exact, by_path);
    qsort(t->prefixes, t->n_prefixes, sizeof *t->prefixes, longest_first);
    return true;
}

void route_table_free(struct route_table *t)
{
    free(t->exact);
    free(t->prefixes);
    *t = (struct route_table) { 0 };
}

/* The first of the sorted rows that is not below path. */
static size_t lower_bound(const struct route_table *t, struct str path)
{
    size_t low = 0, high = t->n_exact;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (str_cmp(str_of(t->exact[middle]->path), path) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

const struct http_route *route_find(
    const struct route_table *t, struct str path, unsigned method, unsigned *allowed)
{
    *allowed = 0;
    for (size_t i = lower_bound(t, path); i < t->n_exact; i++) {
        const struct http_route *r = t->exact[i];
        if (!str_eq(str_of(r->path), path))
            break;
        if ((r->methods & method) != 0)
            return r;
        *allowed |= r->methods;
    }
    struct str taken =
        STR_EMPTY; /* the longest prefix that fits: shorter ones are no longer asked */
    for (size_t i = 0; i < t->n_prefixes && *allowed == 0; i++) {
        const struct http_route *r = t->prefixes[i];
        struct str prefix = { r->path, strlen(r->path) - 1 };
        if (!str_starts_with(path, prefix))
            continue;
        taken = str_of(r->path);
        for (; i < t->n_prefixes && str_eq(str_of(t->prefixes[i]->path), taken); i++) {
            if ((t->prefixes[i]->methods & method) != 0)
                return t->prefixes[i];
            *allowed |= t->prefixes[i]->methods;
        }
    }
    return NULL;
}

/* "http://host/path" is another way to say "/path" (RFC 9112 §3.2.2). */
static struct str without_authority(struct str target)
{
    static const struct str schemes[] = { { "http://", 7 }, { "https://", 8 } };
    for (size_t i = 0; i < COUNT(schemes); i++) {
        struct str start = { target.p, schemes[i].n };
        if (target.n < schemes[i].n || !str_eq_nocase(start, schemes[i]))
            continue;
        struct str rest = str_skip(target, schemes[i].n);
        rest = str_skip(rest, str_find(rest, '/'));
        return rest.n > 0 ? rest : STR("/");
    }
    return target;
}

bool route_split_target(struct str target, struct arena *a, struct str *path, struct str *query)
{
    if (text_has_control(target))
        return false;
    target = without_authority(target);
    size_t mark = str_find(target, '?');
    *query = str_skip(target, mark + 1);
    return text_unescape((struct str) { target.p, mark }, false, a, path) == TEXT_OK &&
           !text_has_control(*path);
}

unsigned route_method(const char *name)
{
    for (size_t i = 0; i < COUNT(methods); i++)
        if (strcmp(methods[i].name, name) == 0)
            return methods[i].bit;
    return 0;
}

void route_allow_text(unsigned allowed, char out[ROUTE_ALLOW_SIZE])
{
    size_t n = 0;
    for (size_t i = 0; i < COUNT(methods); i++) {
        if ((allowed & methods[i].bit) == 0)
            continue;
        size_t length = strlen(methods[i].name);
        assert(n + length + 3 <= ROUTE_ALLOW_SIZE);
        if (n > 0) {
            memcpy(out + n, ", ", 2);
            n += 2;
        }
        memcpy(out + n, methods[i].name, length);
        n += length;
    }
    out[n] = '\0';
}
