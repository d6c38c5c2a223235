#include "http/traffic.h"
#include "base/metric.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { NAME_SIZE = 32, LABELS_SIZE = 64, CLASSES = 5 };

struct traffic {
    char name[NAME_SIZE];
    char labels[LABELS_SIZE], class_labels[CLASSES][LABELS_SIZE];
    struct metric seconds, classes[CLASSES];
    struct traffic *next;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct traffic *all;

static struct traffic *make(struct str name)
{
    struct traffic *t = calloc(1, sizeof *t);
    if (t == NULL)
        return NULL;
    bool fits = str_copy(t->name, sizeof t->name, name);
    assert(fits);
    (void)snprintf(t->labels, sizeof t->labels, "listener=\"%s\"", t->name);
    t->seconds = (struct metric)METRIC_HISTOGRAM("turnpike_http_request_seconds",
        "From the complete request to the sent response", t->labels);
    metric_register(&t->seconds);
    for (unsigned i = 0; i < CLASSES; i++) {
        (void)snprintf(
            t->class_labels[i], LABELS_SIZE, "listener=\"%s\",class=\"%uxx\"", t->name, i + 1);
        t->classes[i] = (struct metric)METRIC_COUNTER(
            "turnpike_http_responses_total", "Responses by class", t->class_labels[i]);
        metric_register(&t->classes[i]);
    }
    return t;
}

struct traffic *traffic_of(const char *listener)
{
    pthread_mutex_lock(&lock);
    struct traffic *t = all;
    while (t != NULL && !str_eq(str_of(t->name), str_of(listener)))
        t = t->next;
    if (t == NULL && (t = make(str_of(listener))) != NULL) {
        t->next = all;
        all = t;
    }
    pthread_mutex_unlock(&lock);
    return t;
}

void traffic_count(struct traffic *t, unsigned status, int64_t us)
{
    assert(status >= 100 && status < 100 * (CLASSES + 1));
    metric_add(&t->classes[status / 100 - 1], 1);
    if (us >= 0)
        metric_observe_us(&t->seconds, us);
}
