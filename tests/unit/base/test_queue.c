/*
 * The queue: nothing lost, nothing doubled, in order, and the consumer is woken.
 */
#include "base/queue.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <semaphore.h>

enum { PRODUCERS = 4, EACH = 20000 };

struct item {
    struct queue_node node;
    int producer, number;
};

struct shared {
    struct queue queue;
    sem_t wake;
    struct item items[PRODUCERS][EACH];
};

static struct shared shared;

static void a_push_tells_whether_the_queue_had_been_empty(void **state)
{
    (void)state;
    struct queue q;
    queue_init(&q);
    assert_null(queue_take(&q));
    struct item a, b;
    assert_true(queue_push(&q, &a.node));
    assert_false(queue_push(&q, &b.node));
    assert_non_null(queue_take(&q));
    assert_true(queue_push(&q, &a.node));
}

static void all_is_taken_at_once_oldest_first(void **state)
{
    (void)state;
    struct queue q;
    queue_init(&q);
    struct item items[5];
    for (int i = 0; i < 5; i++) {
        items[i].number = i;
        queue_push(&q, &items[i].node);
    }
    int expected = 0;
    for (struct queue_node *n = queue_take(&q); n != NULL; n = n->next)
        assert_int_equal(queue_entry(n, struct item, node)->number, expected++);
    assert_int_equal(expected, 5);
    assert_null(queue_take(&q));
}

static void *produce(void *arg)
{
    struct item *items = arg;
    for (int i = 0; i < EACH; i++)
        if (queue_push(&shared.queue, &items[i].node) && sem_post(&shared.wake) != 0)
            return items;
    return NULL;
}

/* The consumer sleeps on the semaphore as the engine does: a lost wake-up would hang it. */
static void many_producers_lose_and_double_nothing(void **state)
{
    (void)state;
    queue_init(&shared.queue);
    assert_int_equal(sem_init(&shared.wake, 0, 0), 0);
    pthread_t threads[PRODUCERS];
    for (int p = 0; p < PRODUCERS; p++) {
        for (int i = 0; i < EACH; i++)
            shared.items[p][i] = (struct item) { .producer = p, .number = i };
        assert_int_equal(pthread_create(&threads[p], NULL, produce, shared.items[p]), 0);
    }
    int next[PRODUCERS] = { 0 }, taken = 0;
    while (taken < PRODUCERS * EACH) {
        assert_int_equal(sem_wait(&shared.wake), 0);
        for (struct queue_node *n = queue_take(&shared.queue); n != NULL; n = n->next) {
            const struct item *item = queue_entry(n, struct item, node);
            assert_int_equal(item->number, next[item->producer]++);
            taken++;
        }
    }
    for (int p = 0; p < PRODUCERS; p++) {
        void *failed;
        assert_int_equal(pthread_join(threads[p], &failed), 0);
        assert_null(failed);
        assert_int_equal(next[p], EACH);
    }
    assert_null(queue_take(&shared.queue));
    assert_int_equal(sem_destroy(&shared.wake), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_push_tells_whether_the_queue_had_been_empty),
        cmocka_unit_test(all_is_taken_at_once_oldest_first),
        cmocka_unit_test(many_producers_lose_and_double_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
