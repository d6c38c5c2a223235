#include "base/queue.h"

void queue_init(struct queue *q)
{
    atomic_init(&q->newest, NULL);
}

bool queue_push(struct queue *q, struct queue_node *node)
{
    struct queue_node *newest = atomic_load_explicit(&q->newest, memory_order_relaxed);
    do
        node->next = newest;
    while (!atomic_compare_exchange_weak_explicit(
        &q->newest, &newest, node, memory_order_release, memory_order_relaxed));
    return newest == NULL;
}

struct queue_node *queue_take(struct queue *q)
{
    struct queue_node *node = atomic_exchange_explicit(&q->newest, NULL, memory_order_acquire);
    struct queue_node *oldest = NULL;
    while (node != NULL) {
        struct queue_node *older = node->next;
        node->next = oldest;
        oldest = node;
        node = older;
    }
    return oldest;
}
