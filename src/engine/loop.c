#include "engine/loop.h"
#include "base/log.h"
#include "engine/decision.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/*
 * After a step with work the next event is often only microseconds away (a host's answer, the next
 * request of a batch): looking for it so long costs less than going to sleep and being woken.
 */
#define LINGER_NS INT64_C(30000)

enum { READY_MAX = 64, EVENTS_ROOM = 16384, STEP_EVENTS = BATCH_EVENTS / 2 };

struct loop {
    struct engine *engine;
    struct clock *clock;
    int epoll_fd, wake_fd;
    struct loop_watch wake;
    struct loop_timer *timers;
    _Atomic bool asleep, stopped;
    _Atomic bool call_waiting;
    void (*call_fn)(void *self);
    void *call_self;
    struct acquirer_event *events; /* gathered for the next steps */
    size_t n_events, room;
    bool worked; /* the last step had something to do */
};

/* Producers call this after a push. The flag is read after the push and written before the last look at the queue, so
 * that one of the two sides always sees the other. */
static void wake(void *self)
{
    struct loop *l = self;
    if (!atomic_exchange(&l->asleep, false))
        return;
    uint64_t one = 1;
    if (write(l->wake_fd, &one, sizeof one) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "loop.wake", "errno=%d", errno);
}

static void drain_wake(struct loop_watch *w, unsigned events)
{
    uint64_t count;
    (void)events;
    if (read(w->fd, &count, sizeof count) < 0 && errno != EAGAIN)
        log_event(LOG_ERROR, "loop.wake", "errno=%d", errno);
}

struct loop *loop_new(struct engine *e, struct clock *clock)
{
    struct loop *l = calloc(1, sizeof *l);
    if (l == NULL)
        return NULL;
    l->engine = e;
    l->clock = clock;
    l->room = EVENTS_ROOM;
    l->events = calloc(l->room, sizeof *l->events);
    l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    l->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    l->wake.ready = drain_wake;
    if (l->events == NULL || l->epoll_fd < 0 || l->wake_fd < 0 ||
        !loop_add(l, &l->wake, l->wake_fd, LOOP_READ)) {
        loop_free(l);
        return NULL;
    }
    engine_set_wake(e, wake, l);
    return l;
}

void loop_free(struct loop *l)
{
    if (l == NULL)
        return;
    engine_set_wake(l->engine, NULL, NULL);
    if (l->epoll_fd >= 0)
        (void)close(l->epoll_fd);
    if (l->wake_fd >= 0)
        (void)close(l->wake_fd);
    free(l->events);
    free(l);
}

static struct epoll_event interest(struct loop_watch *w, unsigned wanted)
{
    struct epoll_event ev = { .data.ptr = w };
    ev.events =
        ((wanted & LOOP_READ) != 0 ? EPOLLIN : 0u) | ((wanted & LOOP_WRITE) != 0 ? EPOLLOUT : 0u);
    return ev;
}

bool loop_add(struct loop *l, struct loop_watch *w, int fd, unsigned wanted)
{
    struct epoll_event ev = interest(w, wanted);
    w->fd = fd;
    w->wanted = wanted;
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, fd, &ev) == 0;
}

bool loop_want(struct loop *l, struct loop_watch *w, unsigned wanted)
{
    struct epoll_event ev = interest(w, wanted);
    if (w->wanted == wanted)
        return true;
    w->wanted = wanted;
    return epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, w->fd, &ev) == 0;
}

void loop_remove(struct loop *l, struct loop_watch *w)
{
    (void)epoll_ctl(l->epoll_fd, EPOLL_CTL_DEL, w->fd, NULL);
    w->fd = -1;
}

void loop_add_timer(struct loop *l, struct loop_timer *t)
{
    t->next = l->timers;
    l->timers = t;
}

/*
 * Every open operation has at most one event under way, so the array grows to what is in flight and
 * stays. When it cannot grow, a late answer is dropped: its operation is resolved without it. Any
 * other event has to arrive, so the process ends, and the next one recovers all that is open.
 */
void loop_acquirer_event(struct loop *l, const struct acquirer_event *ev)
{
    if (l->n_events == l->room) {
        struct acquirer_event *more = realloc(l->events, 2 * l->room * sizeof *more);
        if (more == NULL && ev->kind == ACQ_LATE_ANSWER)
            return;
        if (more == NULL)
            abort();
        l->events = more;
        l->room *= 2;
    }
    l->events[l->n_events++] = *ev;
}

void loop_stop(struct loop *l)
{
    atomic_store(&l->stopped, true);
    wake(l);
}

bool loop_call(struct loop *l, void (*fn)(void *self), void *self)
{
    if (atomic_load(&l->call_waiting))
        return false;
    l->call_fn = fn;
    l->call_self = self;
    atomic_store(&l->call_waiting, true);
    wake(l);
    return true;
}

static void take_call(struct loop *l)
{
    if (!atomic_load(&l->call_waiting))
        return;
    void (*fn)(void *self) = l->call_fn;
    void *self = l->call_self;
    atomic_store(&l->call_waiting, false);
    fn(self);
}

/* Milliseconds until something is due; -1 for no limit. */
static int time_left(struct loop *l)
{
    int64_t due_ms = engine_next_due(l->engine);
    if (due_ms == 0 || l->n_events > 0 || atomic_load(&l->stopped) || atomic_load(&l->call_waiting))
        return 0;
    int64_t left = INT64_MAX;
    if (due_ms != INT64_MAX) {
        int64_t now_ms = clock_now_ms(l->clock);
        left = due_ms > now_ms ? due_ms - now_ms : 0;
    }
    int64_t now_ns = clock_mono_ns();
    for (const struct loop_timer *t = l->timers; t != NULL; t = t->next) {
        if (t->at_ns == INT64_MAX)
            continue;
        int64_t ms = t->at_ns > now_ns ? (t->at_ns - now_ns + 999999) / 1000000 : 0;
        left = ms < left ? ms : left;
    }
    if (left == INT64_MAX)
        return -1;
    return left < 60000 ? (int)left : 60000;
}

static void run_timers(struct loop *l)
{
    int64_t now_ns = clock_mono_ns();
    for (struct loop_timer *t = l->timers; t != NULL; t = t->next)
        if (t->at_ns <= now_ns)
            t->due(t, now_ns);
}

static unsigned what_is_ready(uint32_t events)
{
    return ((events & EPOLLIN) != 0 ? LOOP_READ : 0u) |
           ((events & EPOLLOUT) != 0 ? LOOP_WRITE : 0u) |
           ((events & (EPOLLERR | EPOLLHUP)) != 0 ? LOOP_ERROR : 0u);
}

/* Looks without sleeping; producers see that the loop is awake and save their wake-up. */
static int linger(struct loop *l, struct epoll_event ready[READY_MAX])
{
    int64_t until = clock_mono_ns() + LINGER_NS;
    int n;
    do
        n = epoll_wait(l->epoll_fd, ready, READY_MAX, 0);
    while (n == 0 && time_left(l) != 0 && clock_mono_ns() < until);
    return n;
}

static int wait_for_events(struct loop *l, struct epoll_event ready[READY_MAX])
{
    int n = l->worked ? linger(l, ready) : 0;
    if (n != 0)
        return n;
    atomic_store(&l->asleep, true);
    n = epoll_wait(l->epoll_fd, ready, READY_MAX, time_left(l));
    atomic_store(&l->asleep, false);
    return n;
}

static void wait_and_gather(struct loop *l)
{
    struct epoll_event ready[READY_MAX];
    int n = wait_for_events(l, ready);
    if (n < 0 && errno != EINTR)
        log_event(LOG_ERROR, "loop.wait", "errno=%d", errno);
    for (int i = 0; i < n; i++) {
        struct loop_watch *w = ready[i].data.ptr;
        if (w->fd >= 0)
            w->ready(w, what_is_ready(ready[i].events));
    }
    run_timers(l);
    take_call(l);
}

static void step(struct loop *l)
{
    size_t n = l->n_events < STEP_EVENTS ? l->n_events : STEP_EVENTS;
    struct acquirer_event batch[STEP_EVENTS];
    memcpy(batch, l->events, n * sizeof *batch);
    memmove(l->events, l->events + n, (l->n_events - n) * sizeof *l->events);
    l->n_events -= n;
    l->worked = n > 0 || engine_has_work(l->engine);
    engine_step(l->engine, batch, n);
}

void loop_run(struct loop *l)
{
    while (!atomic_load(&l->stopped)) {
        wait_and_gather(l);
        step(l);
    }
}
