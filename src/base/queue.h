/*
 * A queue with many producers and one consumer, without locks.
 *
 * The nodes are members of what is queued. A push is one compare-and-swap; the consumer takes
 * everything at once, in the order of the pushes. push tells whether the queue had been empty, so
 * that only the first producer of a batch needs to wake the consumer.
 */
#ifndef TURNPIKE_BASE_QUEUE_H
#define TURNPIKE_BASE_QUEUE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct queue_node {
    struct queue_node *next;
};

struct queue {
    _Atomic(struct queue_node *) newest;
};

void queue_init(struct queue *q);

/* Any thread. True when the queue had been empty: the consumer may be asleep. */
bool queue_push(struct queue *q, struct queue_node *node);

/* The consumer only: takes all, oldest first, linked by next; NULL when empty. */
struct queue_node *queue_take(struct queue *q);

/* The struct that holds the node. */
#define queue_entry(node, type, member) ((type *)((char *)(node)-offsetof(type, member)))

#endif
