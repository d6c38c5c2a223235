/*
 * Chance against the engine: thousands of steps of commands, answers, lost answers, lost messages,
 * late answers, links that come and go, a store that fails, and crashes. In the end the host
 * answers everything, time runs on, and then nothing is open, nobody was lied to, and the host
 * holds for every payment exactly what the database says.
 *
 * The seed is printed; TURNPIKE_SEED sets another.
 */
#include "world.h"

enum { STEPS = 3000, STANS = 1000000, PENDING_MAX = 4096 };

/* What the host has booked for one opening. */
struct deal {
    int64_t payment, held, captured, refunded;
};

/* What the host remembers of one trace number; 0 everywhere: it has never seen it. */
struct memory {
    int64_t sent_ms;
    struct deal *deal; /* the opening's own, or the one that is captured or refunded */
    int64_t amount;    /* booked, and to be undone */
    bool cancelled;    /* a reversal has been here, perhaps before the original */
    char said[3];      /* a final answer: it is given again to a repeat */
};

/* What becomes of a message's answer. */
enum fate { FATE_ANSWER, FATE_LOST, FATE_LATE, FATE_MALFORMED, FATE_NOT_SENT };

struct due {
    struct sent *sent;
    enum fate fate;
    bool late_only; /* the silence has been told */
    char de39[3];
};

struct chaos {
    struct world *w;
    struct rng rng;
    bool calm;
    size_t seen; /* messages that the host has looked at */
    struct memory *memories;
    struct deal *deals;
    size_t n_deals;
    struct due due[PENDING_MAX];
    size_t n_due;
};

static bool chance(struct chaos *c, uint32_t percent)
{
    return !c->calm && rng_below(&c->rng, 100) < percent;
}

static uint32_t one_of(struct chaos *c, uint32_t n)
{
    return rng_below(&c->rng, n);
}

/* ---- the host ---- */

static struct memory *memory_of(struct chaos *c, uint32_t stan, int64_t sent_ms)
{
    struct memory *m = &c->memories[stan];
    if (m->sent_ms == 0)
        m->sent_ms = sent_ms;
    assert_true(m->sent_ms == sent_ms); /* no trace number comes twice in a run */
    return m;
}

static const char *refuse(struct chaos *c, struct memory *m)
{
    static const char *const codes[] = { "05", "51", "54", "61" };
    (void)str_copy(m->said, sizeof m->said, str_of(codes[one_of(c, COUNT(codes))]));
    return m->said;
}

static const char *host_opening(struct chaos *c, const struct sent *s, struct memory *m)
{
    if (m->cancelled)
        return "94";
    assert_null(m->deal); /* a request is never sent twice */
    if (chance(c, 12))
        return refuse(c, m);
    if (chance(c, 3))
        return "09";
    bool part = chance(c, 3);
    m->deal = &c->deals[c->n_deals++];
    m->amount = part ? (s->m.amount_minor + 1) / 2 : s->m.amount_minor;
    m->deal->payment = s->m.operation.id;
    *(s->m.kind == OPK_SALE ? &m->deal->captured : &m->deal->held) = m->amount;
    return part ? "10" : "00";
}

static const char *host_capture(struct chaos *c, const struct sent *s, struct memory *m)
{
    if (m->said[0] != '\0')
        return m->said;
    if (m->amount > 0)
        return one_of(c, 2) == 0 ? "94" : "00";
    if (chance(c, 10))
        return refuse(c, m);
    if (chance(c, 5))
        return "96";
    struct deal *d = memory_of(c, s->m.original.stan, s->m.original.sent_ms)->deal;
    assert_non_null(d);
    assert_true(s->m.amount_minor <= d->held && d->captured == 0);
    m->deal = d;
    m->amount = s->m.amount_minor;
    d->held -= m->amount;
    d->captured = m->amount;
    return "00";
}

static const char *host_refund(struct chaos *c, const struct sent *s, struct memory *m)
{
    if (m->cancelled)
        return "94";
    assert_null(m->deal);
    if (chance(c, 10))
        return refuse(c, m);
    struct deal *d = memory_of(c, s->m.original.stan, s->m.original.sent_ms)->deal;
    assert_non_null(d);
    assert_true(d->refunded + s->m.amount_minor <= d->captured);
    m->deal = d;
    m->amount = s->m.amount_minor;
    d->refunded += m->amount;
    return "00";
}

static const char *host_reversal(struct chaos *c, const struct sent *s)
{
    if (chance(c, 10))
        return "91";
    struct memory *m = memory_of(c, s->m.original.stan, s->m.original.sent_ms);
    bool known = m->deal != NULL;
    if (known && !m->cancelled) {
        if (s->m.original_kind == OPK_REFUND)
            m->deal->refunded -= m->amount;
        else
            m->deal->held = m->deal->captured = 0;
    }
    m->cancelled = true;
    return known ? "00" : "25";
}

static const char *host_decide(struct chaos *c, const struct sent *s)
{
    struct memory *m = memory_of(c, s->m.stan, s->m.sent_ms);
    switch (s->m.kind) {
    case OPK_AUTHORIZE:
    case OPK_SALE:
        return host_opening(c, s, m);
    case OPK_CAPTURE:
        return host_capture(c, s, m);
    case OPK_REFUND:
        return host_refund(c, s, m);
    case OPK_REVERSAL:
        return host_reversal(c, s);
    default:
        break;
    }
    if (chance(c, 10))
        return "96";
    struct deal *d = memory_of(c, s->m.original.stan, s->m.original.sent_ms)->deal;
    assert_non_null(d);
    if (s->m.kind == OPK_RELEASE)
        assert_true(s->m.kept_minor == d->captured);
    d->held = 0;
    return "00";
}

/* Takes what has left since the last look, and decides what becomes of it. */
static void host_receive(struct chaos *c)
{
    for (; c->seen < c->w->n_sent; c->seen++) {
        struct sent *s = c->w->sent[c->seen];
        uint32_t dice = c->calm ? 99 : one_of(c, 100);
        enum fate fate = dice < 6    ? FATE_NOT_SENT
                         : dice < 18 ? FATE_LOST
                         : dice < 26 ? FATE_LATE
                         : dice < 29 ? FATE_MALFORMED
                                     : FATE_ANSWER;
        if (!c->w->views[s->link].up)
            fate = FATE_NOT_SENT;
        if (fate == FATE_LATE && s->m.kind == OPK_REFUND)
            fate = FATE_LOST; /* a late approval would call a person: that has a test of its own */
        bool arrives = fate != FATE_NOT_SENT && (fate != FATE_LOST || chance(c, 50));
        assert_true(c->n_due < PENDING_MAX);
        struct due *d = &c->due[c->n_due++];
        *d = (struct due) { .sent = s, .fate = fate };
        if (arrives)
            (void)str_copy(d->de39, sizeof d->de39, str_of(host_decide(c, s)));
    }
}

/* Gives the event that is due; true when nothing more will come of the message. */
static bool deliver(struct chaos *c, struct due *d)
{
    struct world *w = c->w;
    if (d->late_only) {
        (void)give(w, d->sent, ACQ_LATE_ANSWER, d->de39);
        return true;
    }
    switch (d->fate) {
    case FATE_ANSWER:
        (void)give(w, d->sent, ACQ_ANSWERED, d->de39);
        return true;
    case FATE_NOT_SENT:
        (void)give(w, d->sent, ACQ_NOT_SENT, "");
        return true;
    case FATE_MALFORMED:
        give(w, d->sent, ACQ_SILENT, "")->malformed = true;
        return true;
    default:
        (void)give(w, d->sent, ACQ_SILENT, "");
        d->late_only = d->fate == FATE_LATE;
        return !d->late_only;
    }
}

static void deliver_some(struct chaos *c)
{
    for (size_t i = 0; i < c->n_due && c->w->n_events < EVENTS_PER_STEP; i++) {
        bool now = c->calm || one_of(c, 100) < (c->due[i].late_only ? 10u : 40u);
        if (now && deliver(c, &c->due[i]))
            c->due[i--] = c->due[--c->n_due];
    }
}

/* ---- the merchants ---- */

/*
 * Some operation of before, mostly a young one, now and then one that is none; and an amount,
 * mostly the whole of it.
 */
static int64_t some_reference(struct chaos *c, int64_t *amount_minor)
{
    *amount_minor = 1 + one_of(c, 1000);
    uint32_t back = one_of(c, one_of(c, 4) == 0 ? 400 : 20);
    const struct wish *i = c->w->wishes;
    while (back-- > 0 && i != NULL)
        i = i->next;
    if (i == NULL || !i->c.reply.recorded)
        return one_of(c, 1000);
    if (one_of(c, 3) != 0)
        *amount_minor = i->c.reply.amount_minor;
    return i->c.reply.operation_id;
}

static void ask_something(struct chaos *c)
{
    static const enum command_kind kinds[] = { CMD_AUTHORIZE, CMD_AUTHORIZE, CMD_SALE, CMD_SALE,
        CMD_CAPTURE, CMD_CAPTURE, CMD_VOID, CMD_REFUND, CMD_REFUND, CMD_TOKENIZE };
    static const char *const pans[] = { VISA, MASTERCARD, "378282246310005" };
    enum command_kind kind = kinds[one_of(c, COUNT(kinds))];
    int64_t amount_minor, reference = some_reference(c, &amount_minor);
    struct wish *i = wish_new(c->w, kind, amount_minor);
    i->c.reference = reference;
    if (i->c.card.pan[0] != '\0')
        (void)str_copy(i->c.card.pan, sizeof i->c.card.pan, str_of(pans[one_of(c, COUNT(pans))]));
    if (chance(c, 3) && i->next != NULL)
        i->c.unique_id = i->next->c.unique_id;
    (void)submit(i);
}

/* ---- the run ---- */

static void forget_what_the_links_knew(struct chaos *c)
{
    c->n_due = 0;
    crash_and_start(c->w);
}

static void one_step(struct chaos *c)
{
    struct world *w = c->w;
    for (uint32_t n = one_of(c, 5); n > 0; n--)
        ask_something(c);
    deliver_some(c);
    if (chance(c, 3)) {
        w->views[0].up = !w->views[0].up;
        if (w->n_events < EVENTS_PER_STEP)
            link_event(w, w->views[0].up ? ACQ_LINK_UP : ACQ_LINK_DOWN, 0);
    }
    w->weak.commit_says = chance(c, 3) ? STORE_FULL : STORE_OK;
    w->weak.load_says = chance(c, 1) ? STORE_FAILED : STORE_OK;
    clock_advance(&w->clock, one_of(c, 20) == 0 ? one_of(c, 120000) : one_of(c, 3000));
    step(w);
    host_receive(c);
    if (chance(c, 1))
        forget_what_the_links_knew(c);
}

/* Everything works from now on, and time runs until nothing is wanted within a day. */
static void calm_down(struct chaos *c)
{
    struct world *w = c->w;
    c->calm = true;
    w->weak.commit_says = w->weak.load_says = STORE_OK;
    w->views[0].up = true;
    for (int turn = 0;; turn++) {
        assert_true(turn < 20000);
        deliver_some(c);
        step(w);
        host_receive(c);
        int64_t now_ms = clock_now_ms(&w->clock), due_ms = engine_next_due(w->engine);
        if (c->n_due > 0 || due_ms <= now_ms)
            continue;
        if (due_ms > now_ms + DAY)
            break;
        clock_advance(&w->clock, due_ms - now_ms);
    }
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE state IN (1, 4)"), 0);
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE state = 7"), 0);
    c->calm = false;
}

/* What a merchant was told is what the row says in the end. */
static void prove_honesty(struct chaos *c)
{
    for (const struct wish *i = c->w->wishes; i != NULL; i = i->next) {
        if (i->lost || !i->c.reply.recorded)
            continue;
        arena_reset(&c->w->arena);
        const struct operation_row *o = operation(c->w, i->c.reply.operation_id);
        enum outcome told = i->c.reply.outcome;
        bool honest = told == OUT_APPROVED  ? o->state == OPS_APPROVED
                      : told == OUT_PENDING ? o->state != OPS_SENT
                      : told == OUT_HOST_DOWN
                          ? o->state == OPS_FAILED
                          : o->state == OPS_DECLINED || o->state == OPS_REVERSED;
        if (!honest)
            fail_msg("%s was told %s and is %s", operation_kind_name(o->kind), outcome_name(told),
                operation_state_name(o->state));
    }
}

static void prove_host(struct chaos *c)
{
    for (size_t i = 0; i < c->n_deals; i++) {
        const struct deal *d = &c->deals[i];
        arena_reset(&c->w->arena);
        const struct payment_row *p = payment_of(c->w, d->payment);
        int64_t held = p->state == PAY_AUTHORIZED ? p->authorized_minor : 0;
        if (d->held != held || d->captured != p->captured_minor || d->refunded != p->refunded_minor)
            fail_msg("a payment that is %s: the host holds %" PRId64 " of %" PRId64
                     ", captured %" PRId64 " of %" PRId64 ", refunded %" PRId64 " of %" PRId64,
                payment_state_name(p->state), d->held, held, d->captured, p->captured_minor,
                d->refunded, p->refunded_minor);
    }
    assert_int_equal(number(c->w, "SELECT count(*) FROM payment WHERE authorized_minor > 0") <=
                         (int64_t)c->n_deals,
        1);
}

static void prove_all(struct chaos *c)
{
    calm_down(c);
    prove(c->w);
    prove_honesty(c);
    prove_host(c);
}

static uint64_t seed_from(uint64_t otherwise)
{
    const char *text = getenv("TURNPIKE_SEED");
    uint64_t seed = otherwise;
    if (text != NULL)
        assert_true(str_to_u64(str_of(text), UINT64_MAX, &seed));
    print_message("seed %" PRIu64 "\n", seed);
    return seed;
}

static void run(struct world *w, uint64_t seed)
{
    struct chaos *c = calloc(1, sizeof *c);
    assert_non_null(c);
    *c = (struct chaos) { .w = w, .rng = rng_seeded(seed_from(seed)) };
    c->memories = calloc(STANS, sizeof *c->memories);
    c->deals = calloc((size_t)STEPS * 5, sizeof *c->deals);
    assert_true(c->memories != NULL && c->deals != NULL);
    for (int i = 1; i <= STEPS; i++) {
        one_step(c);
        if (i % 500 != 0)
            continue;
        prove_all(c);
        pass(w, i == 2000 ? 8 * DAY : HOUR); /* all windows end once */
        host_receive(c);
    }
    prove_all(c);
    assert_true(number(w, "SELECT count(DISTINCT state) FROM payment") >= 6);
    assert_int_equal(number(w, "SELECT count(DISTINCT kind) FROM operation"), 7);
    free(c->memories);
    free(c->deals);
    free(c);
}

static void chance_finds_nothing_open_nothing_lost_and_nothing_doubled(void **state)
{
    run(world_of(state), 1);
}

static void chance_finds_nothing_with_another_seed(void **state)
{
    run(world_of(state), 20261121);
}

/* The same seed is the same run: that is what makes a failure one that can be looked at. */
static void the_same_seed_is_the_same_run(void **state)
{
    int64_t rows[2], sums[2];
    for (int i = 0; i < 2; i++) {
        struct world *w = world_new();
        void *own = w;
        struct chaos *c = calloc(1, sizeof *c);
        assert_non_null(c);
        *c = (struct chaos) { .w = w, .rng = rng_seeded(7) };
        c->memories = calloc(STANS, sizeof *c->memories);
        c->deals = calloc((size_t)STEPS * 5, sizeof *c->deals);
        assert_true(c->memories != NULL && c->deals != NULL);
        for (int k = 0; k < 200; k++)
            one_step(c);
        prove_all(c);
        rows[i] = number(w, "SELECT count(*) FROM operation");
        sums[i] = number(w, "SELECT sum(id % 1000003 * state + stan) FROM operation");
        free(c->memories);
        free(c->deals);
        free(c);
        (void)world_tear_down(&own);
    }
    (void)state;
    assert_int_equal(rows[0], rows[1]);
    assert_int_equal(sums[0], sums[1]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_WORLD(chance_finds_nothing_open_nothing_lost_and_nothing_doubled),
        IN_WORLD(chance_finds_nothing_with_another_seed),
        cmocka_unit_test(the_same_seed_is_the_same_run),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
