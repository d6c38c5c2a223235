/*
 * What must be true in the end, when nothing fails any more and time has run on until it is quiet.
 */
#include "engine/machine.h"
#include "town.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS_TO_REST = 30000, LINE_MAX_SIZE = 2048 };

static bool is_open(const struct operation_row *o)
{
    return o->state == OPS_SENT || o->state == OPS_IN_DOUBT;
}

static size_t count_open(const struct town *t)
{
    size_t n = 0;
    for (size_t i = 0; i < t->witness.known.n_operations; i++)
        n += is_open(&t->witness.known.operations[i].row);
    return n;
}

/* Nothing is open, so no payment waits for anything either. */
static void prove_rest(const struct town *t)
{
    for (size_t i = 0; i < t->witness.known.n_payments; i++) {
        const struct payment_row *p = &t->witness.known.payments[i].row;
        if (p->state == PAY_OPENING || p->state == PAY_CAPTURING || p->state == PAY_REFUNDING ||
            p->state == PAY_REVERSING)
            sim_fail(
                "payment %llX stays %s", (unsigned long long)p->id, payment_state_name(p->state));
    }
}

/* Time runs on until nothing is open, and nothing is wanted for half a day. */
static void run_until_quiet(struct town *t)
{
    for (int i = 0;; i++) {
        if (i >= TURNS_TO_REST)
            sim_fail("it never comes to rest: %zu operations are open", count_open(t));
        town_turn(t);
        if (t->n_packets == 0 && t->process.n_events == 0 && count_open(t) == 0 &&
            engine_next_due(t->process.engine) > town_now_ms(t) + DAY / 2)
            return;
    }
}

/* What a merchant was told is true for ever. */
static void prove_answers(struct town *t)
{
    for (const struct ask *a = t->asks; a != NULL; a = a->next) {
        if (a->told + (a->lost ? 1 : 0) != 1)
            sim_fail("%s was told %d times", a->id, a->told);
        if (a->lost || !a->c.reply.recorded)
            continue;
        const struct known_operation *o =
            known_operation(&t->witness.known, a->c.reply.operation_id);
        if (o == NULL)
            sim_fail("%s was told %s, and there is no such operation", a->id,
                outcome_name(a->c.reply.outcome));
        enum operation_state is = o->row.state;
        enum outcome told = a->c.reply.outcome;
        bool honest =
            told == OUT_APPROVED && o->row.kind == OPK_VOID ? is == OPS_APPROVED || is == OPS_MANUAL
            : told == OUT_APPROVED                          ? is == OPS_APPROVED
            : told == OUT_HOST_DOWN                         ? is == OPS_FAILED
            : told == OUT_PENDING                           ? true
                                  : is == OPS_DECLINED || is == OPS_REVERSED || is == OPS_MANUAL;
        if (!honest)
            sim_fail(
                "%s was told %s and is %s", a->id, outcome_name(told), operation_state_name(is));
    }
}

static struct host_position position_of(struct town *t, int64_t id)
{
    char reference[17];
    struct host_position at = { .messages = 0 };
    (void)snprintf(reference, sizeof reference, "%016llX", (unsigned long long)id);
    if (t->host != NULL)
        (void)host_position(t->host, str_of(reference), &at);
    return at;
}

/* The engine gave something of the payment up: allowed where the clock has jumped past 24 hours. */
static bool given_up(const struct town *t, const struct payment_row *p)
{
    const struct known *k = &t->witness.known;
    bool manual = p->state == PAY_MANUAL;
    for (size_t i = 0; i < k->n_operations; i++)
        if (k->operations[i].row.payment_id == p->id && k->operations[i].row.kind != OPK_REFUND)
            manual = manual || k->operations[i].row.state == OPS_MANUAL;
    if (manual && t->trouble.clock_jump == 0)
        sim_fail("payment %llX needs a person", (unsigned long long)p->id);
    return manual;
}

/* The host holds what the ledger says, payment by payment and refund by refund. */
static void prove_host(struct town *t)
{
    const struct known *k = &t->witness.known;
    for (size_t i = 0; i < k->n_payments; i++) {
        const struct payment_row *p = &k->payments[i].row;
        struct host_position at = position_of(t, p->id);
        int64_t held = p->state == PAY_AUTHORIZED ? p->authorized_minor : 0;
        if (!given_up(t, p) && (at.held_minor != held || at.captured_minor != p->captured_minor))
            sim_fail("payment %llX (%s): the host holds %" PRId64 " of %" PRId64
                     " and has captured %" PRId64 " of %" PRId64,
                (unsigned long long)p->id, payment_state_name(p->state), at.held_minor, held,
                at.captured_minor, p->captured_minor);
    }
    for (size_t i = 0; i < k->n_operations; i++) {
        const struct operation_row *o = &k->operations[i].row;
        if (o->kind != OPK_REFUND)
            continue;
        int64_t given = position_of(t, o->id).refunded_minor;
        if (given != (o->state == OPS_APPROVED ? o->amount_minor : 0) &&
            (o->state != OPS_MANUAL || t->trouble.clock_jump == 0))
            sim_fail("refund %llX (%s) of %" PRId64 ": the host gave back %" PRId64,
                (unsigned long long)o->id, operation_state_name(o->state), o->amount_minor, given);
    }
}

/* The text of a field of the journal's line, up to the next space. */
static struct str field(const char *line, const char *name)
{
    const char *at = strstr(line, name);
    if (at == NULL)
        return STR_EMPTY;
    at += strlen(name);
    return (struct str) { at, strcspn(at, " \n") };
}

/* What the host was asked has a durable reason, and nothing was booked twice. */
static void prove_journal(struct town *t)
{
    enum { BOOKED_MAX = 4096 };
    static uint64_t booked[BOOKED_MAX];
    size_t n = 0;
    char line[LINE_MAX_SIZE];
    FILE *f = fopen(t->journal, "r");
    if (f == NULL)
        sim_fail("the host's journal cannot be read");
    while (fgets(line, sizeof line, f) != NULL) {
        char text[32];
        struct str ref = field(line, " ref="), effect = field(line, " effect=");
        if (ref.n != 16 || !str_copy(text, sizeof text, ref))
            continue;
        uint64_t id = strtoull(text, NULL, 16);
        if (known_operation(&t->witness.known, (int64_t)id) == NULL)
            sim_fail("the host was asked about %s, and nobody knows why", text);
        if (!str_eq(effect, STR("hold")) && !str_eq(effect, STR("sale")) &&
            !str_eq(effect, STR("refund")))
            continue;
        for (size_t i = 0; i < n; i++)
            if (booked[i] == id)
                sim_fail("the host booked %s twice", text);
        if (n < BOOKED_MAX)
            booked[n++] = id;
    }
    (void)fclose(f);
}

static void prove_all(struct town *t)
{
    run_until_quiet(t);
    witness_compare(&t->witness, t->process.reader);
    prove_rest(t);
    prove_answers(t);
    prove_host(t);
    prove_journal(t);
}

/* Once as it stands, and once when all windows have ended. */
void town_prove(struct town *t)
{
    t->calm = true;
    prove_all(t);
    clock_advance(&t->clock, 8 * DAY);
    prove_all(t);
    for (size_t i = 0; i < t->witness.known.n_payments; i++)
        if (t->witness.known.payments[i].row.state == PAY_AUTHORIZED)
            sim_fail("a hold outlives its window");
}
