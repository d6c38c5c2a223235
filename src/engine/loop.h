/*
 * The engine's thread: one loop that waits, gathers events, and lets the engine take them as one
 * batch.
 *
 *   wait (epoll) -> descriptors' callbacks add events -> commands from the queue -> engine_step -> release -> wait
 *
 * The acquirer links register their sockets here and run on this thread. In a simulation there is
 * no loop: the test calls engine_step itself.
 */
#ifndef TURNPIKE_ENGINE_LOOP_H
#define TURNPIKE_ENGINE_LOOP_H

#include "base/clock.h"
#include "engine/port.h"

struct loop;
struct engine;

/* What a registered descriptor is ready for. */
enum { LOOP_READ = 1, LOOP_WRITE = 2, LOOP_ERROR = 4 };

struct loop_watch {
    void (*ready)(struct loop_watch *w, unsigned events); /* loop's thread */
    int fd;                                               /* set by loop_add */
    unsigned wanted;                                      /* LOOP_READ | LOOP_WRITE */
};

/* Something that wants to be called at a time, on the steady clock (clock_mono_ns). */
struct loop_timer {
    void (*due)(struct loop_timer *t, int64_t now_ns);
    int64_t at_ns; /* INT64_MAX: never; may be changed at will from the loop's thread */
    struct loop_timer *next;
};

/* A loop for that engine, which it wakes. NULL when the system refuses. */
struct loop *loop_new(struct engine *e, struct clock *clock);
void loop_free(struct loop *l);

/* Runs until loop_stop. The calling thread becomes the engine's. */
void loop_run(struct loop *l);

/* Any thread: the loop returns after the step it is in. */
void loop_stop(struct loop *l);

/*
 * Any thread: runs fn(self) once on the loop's thread, soon. One at a time: false while another is
 * waiting.
 */
bool loop_call(struct loop *l, void (*fn)(void *self), void *self);

/* False when the system refuses (errno is set). The watch belongs to the caller. */
bool loop_add(struct loop *l, struct loop_watch *w, int fd, unsigned wanted);
bool loop_want(struct loop *l, struct loop_watch *w, unsigned wanted);
void loop_remove(struct loop *l, struct loop_watch *w);
void loop_add_timer(struct loop *l, struct loop_timer *t);

/* Adds an event to the batch being gathered. Copied. Loop's thread only. */
void loop_acquirer_event(struct loop *l, const struct acquirer_event *ev);

#endif
