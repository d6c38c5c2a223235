/*
 * The loop: it sleeps until somebody has something for it, and then nothing waits.
 *
 * The test's own thread is the engine's; commands come from others.
 */
#include "world.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#define MS INT64_C(1000000)

enum { WATCHDOG_S = 30, THREADS = 4, EACH_THREAD = 300 };

struct bench {
    struct world *w;
    struct loop *loop;
    struct acquirer_port port;
    size_t answered, answer_from; /* messages; answers are held back until there are so many */
    int told, expected;           /* the loop stops when all are told */
    int64_t started_ns;
    _Atomic int messages;
};

static int64_t passed_ms(const struct bench *b)
{
    return (clock_mono_ns() - b->started_ns) / MS;
}

/* ---- a port that answers through the loop ---- */

static void bench_submit(void *self, uint8_t link, const struct acquirer_message *m)
{
    struct bench *b = self;
    port_submit(b->w, link, m);
    (void)atomic_fetch_add(&b->messages, 1);
}

static void bench_flush(void *self)
{
    struct bench *b = self;
    port_flush(b->w);
    if (b->w->n_sent < b->answer_from)
        return;
    for (; b->answered < b->w->n_sent; b->answered++) {
        struct sent *s = b->w->sent[b->answered];
        struct acquirer_event ev = { .kind = ACQ_ANSWERED,
            .link = s->link,
            .operation = s->m.operation,
            .operation_kind = s->m.kind,
            .de39 = "00" };
        s->owed = false;
        loop_acquirer_event(b->loop, &ev);
    }
}

static void bench_done(struct command *c)
{
    struct wish *i = c->owner;
    struct bench *b = i->world->port.self;
    wish_done(c);
    if (++b->told == b->expected)
        loop_stop(b->loop);
}

static struct wish *wish_here(struct bench *b, enum command_kind kind, int64_t amount_minor)
{
    struct wish *i = wish_new(b->w, kind, amount_minor);
    i->c.done = bench_done;
    return i;
}

static int set_up(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    assert_non_null(b);
    b->w = world_new();
    b->w->port.self = b;
    b->w->port.submit = bench_submit;
    b->w->port.flush = bench_flush;
    b->loop = loop_new(b->w->engine, &b->w->clock);
    assert_non_null(b->loop);
    b->started_ns = clock_mono_ns();
    (void)alarm(WATCHDOG_S); /* a loop that never wakes ends the program */
    *state = b;
    return 0;
}

static int tear_down(void **state)
{
    struct bench *b = *state;
    (void)alarm(0);
    loop_free(b->loop);
    void *w = b->w;
    int result = world_tear_down(&w);
    free(b);
    return result;
}

static void rest(int64_t ms)
{
    struct timespec t = { ms / 1000, ms % 1000 * MS };
    while (nanosleep(&t, &t) != 0)
        continue;
}

/* ---- commands from other threads ---- */

struct caller {
    pthread_t thread;
    struct bench *b;
    struct wish *wishes[EACH_THREAD];
    size_t n;
    int64_t pause_ms;
};

static void *call(void *arg)
{
    struct caller *c = arg;
    rest(c->pause_ms);
    for (size_t i = 0; i < c->n; i++)
        (void)submit(c->wishes[i]);
    return NULL;
}

static void start(struct caller *c)
{
    assert_int_equal(pthread_create(&c->thread, NULL, call, c), 0);
}

static void join(struct caller *c)
{
    assert_int_equal(pthread_join(c->thread, NULL), 0);
}

static void a_command_wakes_the_loop_and_the_answer_is_told(void **state)
{
    struct bench *b = *state;
    struct caller c = { .b = b, .n = 1, .pause_ms = 30 };
    c.wishes[0] = wish_here(b, CMD_SALE, 1000);
    b->expected = 1;
    start(&c);
    loop_run(b->loop);
    join(&c);
    assert_told(c.wishes[0], OUT_APPROVED);
    assert_true(passed_ms(b) >= 30 && passed_ms(b) < 5000);
    assert_stands(b->w, id_of(c.wishes[0]), OPS_APPROVED, PAY_CAPTURED);
}

static void commands_of_many_threads_are_all_told(void **state)
{
    struct bench *b = *state;
    static struct caller callers[THREADS];
    b->expected = THREADS * EACH_THREAD;
    for (int t = 0; t < THREADS; t++) {
        callers[t] = (struct caller) { .b = b, .n = EACH_THREAD };
        for (size_t i = 0; i < EACH_THREAD; i++)
            callers[t].wishes[i] = wish_here(b, CMD_SALE, 1 + (int64_t)i);
    }
    for (int t = 0; t < THREADS; t++)
        start(&callers[t]);
    loop_run(b->loop);
    for (int t = 0; t < THREADS; t++) {
        join(&callers[t]);
        for (size_t i = 0; i < EACH_THREAD; i++)
            assert_told(callers[t].wishes[i], OUT_APPROVED);
    }
    assert_int_equal(number(b->w, "SELECT count(*) FROM payment WHERE state = 4"), b->expected);
}

static void more_answers_than_a_step_takes_are_taken_in_the_next(void **state)
{
    enum { MANY = 1500 }; /* more than the array has room for at first */
    struct bench *b = *state;
    b->answer_from = MANY;
    b->expected = MANY;
    for (int i = 0; i < MANY; i++)
        (void)submit(wish_here(b, CMD_SALE, 1000));
    loop_run(b->loop);
    assert_int_equal(b->told, MANY);
    assert_int_equal(number(b->w, "SELECT count(*) FROM payment WHERE state = 4"), MANY);
}

/* ---- time ---- */

/* Waits until the second message is out. */
static void *advance(void *arg)
{
    struct bench *b = arg;
    while (atomic_load(&b->messages) < 2)
        rest(5);
    rest(20);
    clock_advance(&b->w->clock, 30 * SECOND);
    engine_wake(b->w->engine);
    return NULL;
}

static void a_clock_that_is_moved_makes_the_loop_look_at_the_timers(void **state)
{
    struct bench *b = *state;
    pthread_t thread;
    struct wish *hold = wish_here(b, CMD_AUTHORIZE, 1000);
    b->expected = 1;
    (void)submit(hold);
    loop_run(b->loop);
    assert_told(hold, OUT_APPROVED);
    loop_free(b->loop);
    b->loop = loop_new(b->w->engine, &b->w->clock);
    assert_non_null(b->loop);

    struct wish *capture = wish_here(b, CMD_CAPTURE, 1000);
    capture->c.reference = id_of(hold);
    b->answer_from = SIZE_MAX; /* the host is silent: the merchant's patience ends */
    b->expected = 2;
    (void)submit(capture);
    assert_int_equal(pthread_create(&thread, NULL, advance, b), 0);
    loop_run(b->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_told(capture, OUT_PENDING);
    assert_true(passed_ms(b) < 10000);
}

struct alarm_clock {
    struct loop_timer timer; /* first: what the loop gives back */
    struct bench *b;
    int64_t every_ns;
    int rings, last;
};

static void ring(struct loop_timer *t, int64_t now_ns)
{
    struct alarm_clock *a = (struct alarm_clock *)t;
    assert_true(now_ns >= t->at_ns);
    a->rings++;
    t->at_ns = a->rings == a->last ? INT64_MAX : t->at_ns + a->every_ns;
    if (a->rings == a->last)
        loop_stop(a->b->loop);
}

static void a_timer_rings_when_its_time_has_come_and_not_before(void **state)
{
    struct bench *b = *state;
    struct alarm_clock a = { .b = b, .every_ns = 10 * MS, .last = 5 };
    struct alarm_clock never = { .b = b };
    a.timer = (struct loop_timer) { .due = ring, .at_ns = clock_mono_ns() + 10 * MS };
    never.timer = (struct loop_timer) { .due = ring, .at_ns = INT64_MAX };
    loop_add_timer(b->loop, &never.timer);
    loop_add_timer(b->loop, &a.timer);
    loop_run(b->loop);
    assert_int_equal(a.rings, 5);
    assert_int_equal(never.rings, 0);
    assert_true(passed_ms(b) >= 50 && passed_ms(b) < 5000);
}

static int64_t thread_cpu_ms(void)
{
    struct timespec t;
    assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / MS;
}

static void a_loop_with_nothing_to_do_sleeps(void **state)
{
    struct bench *b = *state;
    struct alarm_clock a = { .b = b, .last = 1 };
    a.timer = (struct loop_timer) { .due = ring, .at_ns = clock_mono_ns() + 200 * MS };
    loop_add_timer(b->loop, &a.timer);
    int64_t before = thread_cpu_ms();
    loop_run(b->loop);
    assert_true(passed_ms(b) >= 200);
    assert_true(thread_cpu_ms() - before < 100);
}

/* ---- descriptors ---- */

struct ear {
    struct loop_watch watch; /* first: what the loop gives back */
    struct bench *b;
    struct ear *other; /* taken off the loop when this one hears */
    unsigned heard;
    int calls;
    unsigned stop_at; /* the loop stops when this is heard */
};

static void listen_to(struct loop_watch *w, unsigned events)
{
    struct ear *e = (struct ear *)w;
    char byte;
    e->heard |= events;
    e->calls++;
    if ((events & LOOP_READ) != 0)
        assert_int_equal(read(w->fd, &byte, 1), 1);
    if (e->other != NULL)
        loop_remove(e->b->loop, &e->other->watch);
    if ((events & LOOP_ERROR) != 0)
        loop_remove(e->b->loop, w);
    if ((e->heard & e->stop_at) == e->stop_at)
        loop_stop(e->b->loop);
}

static void pipe_open(int fds[2])
{
    assert_int_equal(pipe2(fds, O_CLOEXEC | O_NONBLOCK), 0);
}

static void pipe_close(int fds[2])
{
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            assert_int_equal(close(fds[i]), 0);
}

static void *write_later(void *arg)
{
    rest(20);
    return write(*(int *)arg, "x", 1) == 1 ? arg : NULL;
}

static void a_descriptor_that_is_ready_is_told_to_its_watch(void **state)
{
    struct bench *b = *state;
    int fds[2];
    void *wrote;
    pthread_t thread;
    pipe_open(fds);
    struct ear e = { .watch.ready = listen_to, .b = b, .stop_at = LOOP_READ };
    assert_true(loop_add(b->loop, &e.watch, fds[0], LOOP_READ));
    assert_int_equal(pthread_create(&thread, NULL, write_later, &fds[1]), 0);
    loop_run(b->loop);
    assert_int_equal(pthread_join(thread, &wrote), 0);
    assert_non_null(wrote);
    assert_int_equal(e.heard, LOOP_READ);
    assert_int_equal(e.calls, 1);
    loop_remove(b->loop, &e.watch);
    assert_int_equal(e.watch.fd, -1);
    pipe_close(fds);
}

static void a_watch_hears_what_it_wants_only(void **state)
{
    struct bench *b = *state;
    int fds[2];
    pipe_open(fds);
    struct ear e = { .watch.ready = listen_to, .b = b, .stop_at = LOOP_WRITE };
    struct alarm_clock a = { .b = b, .last = 1 };
    assert_true(loop_add(b->loop, &e.watch, fds[1], 0));
    a.timer = (struct loop_timer) { .due = ring, .at_ns = clock_mono_ns() + 20 * MS };
    loop_add_timer(b->loop, &a.timer);
    loop_run(b->loop);
    assert_int_equal(e.calls, 0);

    loop_remove(b->loop, &e.watch);
    loop_free(b->loop);
    b->loop = loop_new(b->w->engine, &b->w->clock);
    assert_true(loop_add(b->loop, &e.watch, fds[1], LOOP_READ));
    assert_true(loop_want(b->loop, &e.watch, LOOP_READ));
    assert_true(loop_want(b->loop, &e.watch, LOOP_WRITE));
    assert_int_equal(e.watch.wanted, LOOP_WRITE);
    loop_run(b->loop);
    assert_int_equal(e.heard, LOOP_WRITE);
    loop_remove(b->loop, &e.watch);
    pipe_close(fds);
}

static void a_hang_up_is_heard_whatever_is_wanted(void **state)
{
    struct bench *b = *state;
    int fds[2];
    pipe_open(fds);
    struct ear e = { .watch.ready = listen_to, .b = b, .stop_at = LOOP_ERROR };
    assert_true(loop_add(b->loop, &e.watch, fds[0], 0));
    assert_int_equal(close(fds[1]), 0);
    fds[1] = -1;
    loop_run(b->loop);
    assert_int_equal(e.heard, LOOP_ERROR);
    pipe_close(fds);
}

static void a_watch_that_another_takes_off_is_not_called(void **state)
{
    struct bench *b = *state;
    int one[2], two[2];
    pipe_open(one);
    pipe_open(two);
    struct ear a = { .watch.ready = listen_to, .b = b, .stop_at = LOOP_READ };
    struct ear c = { .watch.ready = listen_to, .b = b, .stop_at = LOOP_READ };
    a.other = &c;
    c.other = &a;
    assert_int_equal(write(one[1], "x", 1), 1);
    assert_int_equal(write(two[1], "x", 1), 1);
    assert_true(loop_add(b->loop, &a.watch, one[0], LOOP_READ));
    assert_true(loop_add(b->loop, &c.watch, two[0], LOOP_READ));
    loop_run(b->loop);
    assert_int_equal(a.calls + c.calls, 1);
    loop_remove(b->loop, a.calls == 1 ? &a.watch : &c.watch);
    pipe_close(one);
    pipe_close(two);
}

static void what_the_system_refuses_is_refused(void **state)
{
    struct bench *b = *state;
    struct ear e = { .watch.ready = listen_to, .b = b };
    assert_false(loop_add(b->loop, &e.watch, -1, LOOP_READ));
    e.watch.fd = -1;
    e.watch.wanted = 0;
    assert_false(loop_want(b->loop, &e.watch, LOOP_WRITE));
}

/* ---- calls and the end ---- */

struct errand {
    struct bench *b;
    pthread_t home;
    int runs;
    bool again;
};

static void run_errand(void *self)
{
    struct errand *e = self;
    assert_true(pthread_equal(pthread_self(), e->home));
    e->runs++;
    if (e->again) {
        e->again = false;
        assert_true(loop_call(e->b->loop, run_errand, e));
        return;
    }
    loop_stop(e->b->loop);
}

static void *send_errand(void *arg)
{
    struct errand *e = arg;
    rest(20);
    return loop_call(e->b->loop, run_errand, e) ? arg : NULL;
}

static void a_call_from_another_thread_runs_once_on_the_loops(void **state)
{
    struct bench *b = *state;
    struct errand e = { .b = b, .home = pthread_self() };
    pthread_t thread;
    void *taken;
    assert_int_equal(pthread_create(&thread, NULL, send_errand, &e), 0);
    loop_run(b->loop);
    assert_int_equal(pthread_join(thread, &taken), 0);
    assert_non_null(taken);
    assert_int_equal(e.runs, 1);
}

static void one_call_waits_at_a_time_and_the_next_may_come_from_the_first(void **state)
{
    struct bench *b = *state;
    struct errand e = { .b = b, .home = pthread_self(), .again = true };
    assert_true(loop_call(b->loop, run_errand, &e));
    assert_false(loop_call(b->loop, run_errand, &e));
    loop_run(b->loop);
    assert_int_equal(e.runs, 2);
}

static void *stop_later(void *arg)
{
    rest(20);
    loop_stop(arg);
    return NULL;
}

static void a_stop_from_another_thread_ends_a_sleeping_loop(void **state)
{
    struct bench *b = *state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_later, b->loop), 0);
    loop_run(b->loop);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(passed_ms(b) >= 20 && passed_ms(b) < 5000);
    loop_run(b->loop); /* stopped is stopped */
}

static void a_loop_that_is_gone_is_not_woken(void **state)
{
    struct bench *b = *state;
    loop_free(b->loop);
    b->loop = NULL;
    struct wish *sale = wish_new(b->w, CMD_SALE, 1000);
    (void)submit(sale);
    assert_waits(sale);
    loop_free(NULL);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    static const struct CMUnitTest tests[] = {
        EACH(a_command_wakes_the_loop_and_the_answer_is_told),
        EACH(commands_of_many_threads_are_all_told),
        EACH(more_answers_than_a_step_takes_are_taken_in_the_next),
        EACH(a_clock_that_is_moved_makes_the_loop_look_at_the_timers),
        EACH(a_timer_rings_when_its_time_has_come_and_not_before),
        EACH(a_loop_with_nothing_to_do_sleeps),
        EACH(a_descriptor_that_is_ready_is_told_to_its_watch),
        EACH(a_watch_hears_what_it_wants_only),
        EACH(a_hang_up_is_heard_whatever_is_wanted),
        EACH(a_watch_that_another_takes_off_is_not_called),
        EACH(what_the_system_refuses_is_refused),
        EACH(a_call_from_another_thread_runs_once_on_the_loops),
        EACH(one_call_waits_at_a_time_and_the_next_may_come_from_the_first),
        EACH(a_stop_from_another_thread_ends_a_sleeping_loop),
        EACH(a_loop_that_is_gone_is_not_woken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
