/*
 * The sockets of the links, on 127.0.0.1 against a host that the test plays itself, with a small
 * loop of its own in place of the engine's.
 */
#include "base/metric.h"
#include "peer.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- a loop ---- */

enum { WATCHES_MAX = 8 };

struct loop {
    struct loop_watch *watches[WATCHES_MAX];
    size_t n_watches;
    struct loop_timer *timers;
    struct acquirer_event events[EVENTS_MAX];
    size_t n_events;
};

bool loop_add(struct loop *l, struct loop_watch *w, int fd, unsigned wanted)
{
    assert_true(l->n_watches < WATCHES_MAX);
    w->fd = fd;
    w->wanted = wanted;
    l->watches[l->n_watches++] = w;
    return true;
}

bool loop_want(struct loop *l, struct loop_watch *w, unsigned wanted)
{
    (void)l;
    w->wanted = wanted;
    return true;
}

void loop_remove(struct loop *l, struct loop_watch *w)
{
    for (size_t i = 0; i < l->n_watches; i++)
        if (l->watches[i] == w)
            l->watches[i--] = l->watches[--l->n_watches];
    w->fd = -1;
}

void loop_add_timer(struct loop *l, struct loop_timer *t)
{
    t->next = l->timers;
    l->timers = t;
}

void loop_acquirer_event(struct loop *l, const struct acquirer_event *ev)
{
    assert_true(l->n_events < EVENTS_MAX);
    l->events[l->n_events++] = *ev;
}

/* One round: at most wait_ms for a socket, then the timers. */
static void turn(struct loop *l, int wait_ms)
{
    struct pollfd fds[WATCHES_MAX];
    struct loop_watch *watches[WATCHES_MAX];
    size_t n = l->n_watches;
    for (size_t i = 0; i < n; i++) {
        watches[i] = l->watches[i];
        unsigned wanted = watches[i]->wanted;
        fds[i] = (struct pollfd) { .fd = watches[i]->fd,
            .events = (short)(((wanted & LOOP_READ) != 0 ? POLLIN : 0) |
                              ((wanted & LOOP_WRITE) != 0 ? POLLOUT : 0)) };
    }
    assert_true(poll(fds, n, wait_ms) >= 0);
    for (size_t i = 0; i < n; i++) {
        unsigned events = ((fds[i].revents & POLLIN) != 0 ? LOOP_READ : 0u) |
                          ((fds[i].revents & POLLOUT) != 0 ? LOOP_WRITE : 0u) |
                          ((fds[i].revents & (POLLERR | POLLHUP)) != 0 ? LOOP_ERROR : 0u);
        if (events != 0 && watches[i]->fd == fds[i].fd)
            watches[i]->ready(watches[i], events);
    }
    int64_t now_ns = clock_mono_ns();
    for (struct loop_timer *t = l->timers; t != NULL; t = t->next)
        if (t->at_ns <= now_ns)
            t->due(t, now_ns);
}

/* ---- a host ---- */

struct bench_host {
    int listening, fd;
    unsigned port;
    struct buf in;
};

static void host_open(struct bench_host *h, unsigned port)
{
    struct sockaddr_in a = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t size = sizeof a;
    int one = 1, small = 4096;
    h->fd = -1;
    buf_init(&h->in, 8 << 20);
    h->listening = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(h->listening >= 0);
    assert_int_equal(setsockopt(h->listening, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one), 0);
    assert_int_equal(setsockopt(h->listening, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    assert_int_equal(bind(h->listening, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(h->listening, 4), 0);
    assert_int_equal(getsockname(h->listening, (struct sockaddr *)&a, &size), 0);
    h->port = ntohs(a.sin_port);
}

static void host_hang_up(struct bench_host *h)
{
    if (h->fd >= 0)
        assert_int_equal(close(h->fd), 0);
    h->fd = -1;
    buf_reset(&h->in);
}

static void host_close(struct bench_host *h)
{
    host_hang_up(h);
    assert_int_equal(close(h->listening), 0);
    buf_free(&h->in);
}

static void host_accept(struct bench_host *h, struct loop *l)
{
    int64_t until = clock_mono_ns() + 5 * SECOND;
    struct pollfd p = { .fd = h->listening, .events = POLLIN };
    while (poll(&p, 1, 0) == 0) {
        assert_true(clock_mono_ns() < until);
        turn(l, 5);
    }
    h->fd = accept(h->listening, NULL, NULL);
    assert_true(h->fd >= 0);
    assert_int_equal(fcntl(h->fd, F_SETFL, O_NONBLOCK), 0);
}

static void host_read(struct bench_host *h)
{
    char bytes[4096];
    ssize_t n;
    while ((n = recv(h->fd, bytes, sizeof bytes, 0)) > 0)
        buf_add(&h->in, bytes, (size_t)n);
    assert_true(n == 0 || errno == EAGAIN);
}

static const struct iso_frame_rule bin2 = { ISO_FRAME_BIN2, false, false };

/* The next message, while the loop turns. */
static void host_next(struct bench_host *h, struct loop *l, struct frame *f)
{
    int64_t until = clock_mono_ns() + 5 * SECOND;
    struct str message;
    size_t used;
    while (iso_frame_next(&bin2, buf_view(&h->in), &message, &used) != ISO_FRAME_MESSAGE) {
        assert_true(clock_mono_ns() < until);
        turn(l, 1);
        host_read(h);
    }
    memcpy(f->bytes, message.p, message.n);
    f->n = message.n;
    buf_consume(&h->in, used);
    assert_int_equal(iso_unpack(&f->m, ISO_PROFILE_A, f->bytes, f->n), ISO_OK);
}

static void host_says(struct bench_host *h, const struct frame *f, const char *de39)
{
    struct iso_message answer;
    uint8_t bytes[ISO_MAX_FRAME];
    size_t n;
    answer_to(&answer, &f->m, de39);
    assert_int_equal(iso_pack(&answer, ISO_PROFILE_A, bytes, sizeof bytes, &n), ISO_OK);
    struct buf out;
    buf_init(&out, 8192);
    iso_frame_add(&bin2, &out, bytes, n);
    assert_true(send(h->fd, out.p, out.n, MSG_NOSIGNAL) == (ssize_t)out.n);
    buf_free(&out);
}

static void turn_until_events(struct loop *l, size_t n)
{
    int64_t until = clock_mono_ns() + 5 * SECOND;
    while (l->n_events < n) {
        assert_true(clock_mono_ns() < until);
        turn(l, 5);
    }
}

/* ---- both ---- */

struct stage {
    struct loop loop;
    struct bench_host host;
    struct clock clock;
    struct rng rng;
    struct acquirer *acquirer;
    struct acquirer_port *port;
};

static struct link_config config_to(unsigned port)
{
    struct link_config config = plain_config();
    (void)snprintf(config.address, sizeof config.address, "127.0.0.1:%u", port);
    return config;
}

static struct stage *stage_open(void)
{
    log_setup(LOG_ERROR, -1);
    struct stage *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->rng = rng_seeded(7);
    clock_init_manual(&s->clock, TEN_PM);
    host_open(&s->host, 0);
    return s;
}

static void stage_start(struct stage *s, const struct link_config *configs, size_t n)
{
    char why[200] = "";
    s->acquirer = acquirer_start(configs, n, &s->loop, &s->clock, &s->rng, why, sizeof why);
    assert_string_equal(why, "");
    assert_non_null(s->acquirer);
    s->port = acquirer_port(s->acquirer);
    assert_int_equal(s->port->n_links, n);
}

static void stage_sign_on(struct stage *s)
{
    struct frame f;
    host_accept(&s->host, &s->loop);
    host_next(&s->host, &s->loop, &f);
    assert_string_equal(f.m.mti, "0800");
    host_says(&s->host, &f, "00");
    turn_until_events(&s->loop, 1);
    assert_int_equal(s->loop.events[0].kind, ACQ_LINK_UP);
    s->loop.n_events = 0;
}

/* One link, signed on. */
static struct stage *stage_up(uint32_t max_in_flight)
{
    struct stage *s = stage_open();
    struct link_config config = config_to(s->host.port);
    config.max_in_flight = max_in_flight;
    stage_start(s, &config, 1);
    stage_sign_on(s);
    assert_true(s->port->views[0]->up);
    return s;
}

static void stage_close(struct stage *s)
{
    acquirer_stop(s->acquirer);
    assert_int_equal(s->loop.n_watches, 0);
    host_close(&s->host);
    free(s);
}

static void submit(struct stage *s, uint32_t stan)
{
    static struct merchant_row merchant;
    merchant = shop();
    struct acquirer_message a = a_sale(&merchant, stan);
    s->port->submit(s->port->self, 0, &a);
}

static bool metrics_have(const char *line)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    metric_print(&out);
    bool found = out.n > 0 && memmem(out.p, out.n, line, strlen(line)) != NULL;
    buf_free(&out);
    return found;
}

static void a_sale_goes_to_the_host_and_its_answer_comes_back(void **state)
{
    (void)state;
    struct stage *s = stage_up(0);
    struct frame f;
    assert_true(metrics_have("turnpike_link_up{link=\"main\"} 1\n"));
    submit(s, 102);
    s->port->flush(s->port->self);
    host_next(&s->host, &s->loop, &f);
    assert_string_equal(f.m.mti, "0200");
    host_says(&s->host, &f, "00");
    turn_until_events(&s->loop, 1);
    assert_int_equal(s->loop.events[0].kind, ACQ_ANSWERED);
    assert_int_equal(s->loop.events[0].operation.id, 102);
    assert_int_equal(s->port->views[0]->in_flight, 0);
    stage_close(s);
    assert_true(metrics_have("turnpike_link_up{link=\"main\"} 0\n"));
}

static void nothing_leaves_before_the_flush(void **state)
{
    (void)state;
    struct stage *s = stage_up(0);
    submit(s, 1);
    usleep(20000);
    host_read(&s->host);
    assert_int_equal(s->host.in.n, 0);
    s->port->flush(s->port->self);
    usleep(20000);
    host_read(&s->host);
    assert_true(s->host.in.n > 0);
    stage_close(s);
}

static void a_host_that_hangs_up_makes_the_open_request_silent(void **state)
{
    (void)state;
    struct stage *s = stage_up(0);
    struct frame f;
    submit(s, 1);
    s->port->flush(s->port->self);
    host_next(&s->host, &s->loop, &f);
    host_hang_up(&s->host);
    turn_until_events(&s->loop, 2);
    assert_int_equal(s->loop.events[0].kind, ACQ_LINK_DOWN);
    assert_int_equal(s->loop.events[1].kind, ACQ_SILENT);
    assert_false(s->port->views[0]->up);
    s->loop.n_events = 0;
    stage_sign_on(s); /* it comes back by itself, after about a second */
    assert_true(s->port->views[0]->up);
    stage_close(s);
}

static void more_than_the_socket_takes_is_written_when_it_takes_more(void **state)
{
    (void)state;
    enum { MANY = 12000 };
    struct stage *s = stage_up(MANY);
    struct frame f;
    int small = 4096;
    int fd = s->loop.watches[0]->fd;
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    for (uint32_t i = 1; i <= MANY; i++)
        submit(s, i);
    s->port->flush(s->port->self);
    assert_int_equal(s->loop.n_events, 0);
    assert_int_equal(s->loop.watches[0]->wanted, LOOP_READ | LOOP_WRITE);
    for (uint32_t i = 1; i <= MANY; i++) {
        uint64_t stan;
        host_next(&s->host, &s->loop, &f);
        assert_true(str_to_u64(iso_get(&f.m, 11), 999999, &stan));
        assert_int_equal(stan, i);
    }
    turn(&s->loop, 0);
    assert_int_equal(s->loop.watches[0]->wanted, LOOP_READ);
    stage_close(s);
}

static void a_host_that_is_not_there_is_tried_again(void **state)
{
    (void)state;
    struct stage *s = stage_open();
    struct link_config config = config_to(s->host.port);
    unsigned port = s->host.port;
    host_close(&s->host);
    stage_start(s, &config, 1);
    for (int i = 0; i < 10; i++)
        turn(&s->loop, 1);
    assert_int_equal(s->loop.n_watches, 0);
    assert_int_equal(s->loop.n_events, 0);
    host_open(&s->host, port);
    stage_sign_on(s);
    stage_close(s);
}

static void the_next_address_of_a_name_is_tried_when_one_fails(void **state)
{
    (void)state;
    struct stage *s = stage_open();
    struct link_config config = config_to(0);
    (void)snprintf(config.address, sizeof config.address, "localhost:%u", s->host.port);
    stage_start(s, &config, 1); /* where localhost is ::1 too, nobody listens there */
    stage_sign_on(s);
    stage_close(s);
}

static void each_link_has_its_own_connection(void **state)
{
    (void)state;
    struct stage *s = stage_open();
    struct bench_host second;
    host_open(&second, 0);
    struct link_config configs[] = { config_to(s->host.port), config_to(second.port) };
    memcpy(configs[1].name, "spare", 6);
    stage_start(s, configs, 2);
    stage_sign_on(s);
    assert_true(s->port->views[0]->up);
    assert_false(s->port->views[1]->up);
    struct frame f;
    host_accept(&second, &s->loop);
    host_next(&second, &s->loop, &f);
    host_says(&second, &f, "00");
    turn_until_events(&s->loop, 1);
    assert_int_equal(s->loop.events[0].link, 1);
    assert_string_equal(s->port->views[1]->name, "spare");
    assert_true(s->port->views[1]->up);
    host_close(&second);
    stage_close(s);
}

static void signing_off_says_so_to_the_host_and_closes(void **state)
{
    (void)state;
    struct stage *s = stage_up(0);
    struct frame f;
    acquirer_sign_off(s->acquirer);
    assert_false(acquirer_signed_off(s->acquirer));
    host_next(&s->host, &s->loop, &f);
    assert_true(str_eq(iso_get(&f.m, 70), STR("002")));
    host_says(&s->host, &f, "00");
    int64_t until = clock_mono_ns() + 5 * SECOND;
    while (!acquirer_signed_off(s->acquirer)) {
        assert_true(clock_mono_ns() < until);
        turn(&s->loop, 5);
    }
    assert_int_equal(s->loop.n_watches, 0);
    stage_close(s);
}

static void keep_trace(void *self, const char *link, bool outgoing, const struct iso_message *m)
{
    char *seen = self;
    size_t n = strlen(seen);
    assert_string_equal(link, "main");
    (void)snprintf(seen + n, 64 - n, "%c%s ", outgoing ? '>' : '<', m->mti);
}

static void the_trace_sees_every_message(void **state)
{
    (void)state;
    struct stage *s = stage_open();
    struct link_config config = config_to(s->host.port);
    char seen[64] = "";
    stage_start(s, &config, 1);
    acquirer_trace(s->acquirer, keep_trace, seen);
    stage_sign_on(s);
    assert_string_equal(seen, ">0800 <0810 ");
    acquirer_trace(s->acquirer, NULL, NULL);
    submit(s, 1);
    assert_string_equal(seen, ">0800 <0810 ");
    stage_close(s);
}

static void an_address_that_is_none_is_explained(void **state)
{
    (void)state;
    static const char *const wrong[] = { "", "nonsense", "127.0.0.1", "127.0.0.1:", ":9000", "[]:1",
        "127.0.0.1:port" };
    struct stage *s = stage_open();
    for (size_t i = 0; i < COUNT(wrong); i++) {
        struct link_config configs[] = { config_to(s->host.port), plain_config() };
        char why[200] = "";
        (void)str_copy(configs[1].address, sizeof configs[1].address, str_of(wrong[i]));
        assert_null(acquirer_start(configs, 2, &s->loop, &s->clock, &s->rng, why, sizeof why));
        assert_non_null(strstr(why, "acquirer link main: "));
        assert_non_null(strstr(why, wrong[i]));
        assert_null(s->loop.timers);
        assert_int_equal(s->loop.n_watches, 0);
    }
    struct link_config six = plain_config();
    (void)str_copy(six.address, sizeof six.address, STR("[::1]:1"));
    stage_start(s, &six, 1);
    stage_close(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sale_goes_to_the_host_and_its_answer_comes_back),
        cmocka_unit_test(nothing_leaves_before_the_flush),
        cmocka_unit_test(a_host_that_hangs_up_makes_the_open_request_silent),
        cmocka_unit_test(more_than_the_socket_takes_is_written_when_it_takes_more),
        cmocka_unit_test(a_host_that_is_not_there_is_tried_again),
        cmocka_unit_test(the_next_address_of_a_name_is_tried_when_one_fails),
        cmocka_unit_test(each_link_has_its_own_connection),
        cmocka_unit_test(signing_off_says_so_to_the_host_and_closes),
        cmocka_unit_test(the_trace_sees_every_message),
        cmocka_unit_test(an_address_that_is_none_is_explained),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
