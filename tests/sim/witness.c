#include "witness.h"
#include "disk.h"
#include "engine/machine.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* ---- the laws ---- */

#define KIND(k)  (1u << (k))
#define OPENINGS (KIND(OPK_AUTHORIZE) | KIND(OPK_SALE))
#define REFUND   KIND(OPK_REFUND)
#define CAPTURE  KIND(OPK_CAPTURE)
#define ADVICES  (KIND(OPK_VOID) | KIND(OPK_REVERSAL) | KIND(OPK_RELEASE))
#define PLAYERS  (OPENINGS | REFUND | CAPTURE)

/* clang-format off */
static const struct {
    unsigned kinds;
    enum operation_state from, to;
} operation_laws[] = {
    { PLAYERS | ADVICES,          OPS_NEW,      OPS_SENT     },
    { PLAYERS,                    OPS_NEW,      OPS_FAILED   },
    { PLAYERS,                    OPS_SENT,     OPS_FAILED   },
    { PLAYERS | ADVICES,          OPS_SENT,     OPS_APPROVED },
    { PLAYERS,                    OPS_SENT,     OPS_DECLINED },
    { OPENINGS | REFUND,          OPS_SENT,     OPS_IN_DOUBT },
    { OPENINGS | REFUND,          OPS_IN_DOUBT, OPS_REVERSED },
    { OPENINGS | REFUND,          OPS_IN_DOUBT, OPS_MANUAL   },
    { OPENINGS,                   OPS_REVERSED, OPS_IN_DOUBT },
    { REFUND,                     OPS_REVERSED, OPS_MANUAL   },
    { CAPTURE | ADVICES,          OPS_SENT,     OPS_MANUAL   },
};

static const struct {
    enum payment_state from, to;
} payment_laws[] = {
    { PAY_NEW,        PAY_OPENING    },
    { PAY_OPENING,    PAY_AUTHORIZED },
    { PAY_OPENING,    PAY_CAPTURED   },
    { PAY_OPENING,    PAY_DECLINED   },
    { PAY_OPENING,    PAY_REVERSING  },
    { PAY_REVERSING,  PAY_REVERSED   },
    { PAY_REVERSING,  PAY_MANUAL     },
    { PAY_REVERSED,   PAY_REVERSING  },
    { PAY_AUTHORIZED, PAY_CAPTURING  },
    { PAY_AUTHORIZED, PAY_VOIDED     },
    { PAY_CAPTURING,  PAY_CAPTURED   },
    { PAY_CAPTURING,  PAY_AUTHORIZED },
    { PAY_CAPTURING,  PAY_MANUAL     },
    { PAY_CAPTURED,   PAY_REFUNDING  },
    { PAY_REFUNDING,  PAY_CAPTURED   },
    { PAY_REFUNDING,  PAY_REFUNDED   },
    { PAY_REFUNDING,  PAY_MANUAL     },
};
/* clang-format on */

/* Several events of one batch may lead along several edges. */
enum { EDGES_PER_COMMIT = 3 };

static bool operation_may(unsigned kind, enum operation_state from, enum operation_state to, int n)
{
    if (from == to && from != OPS_NEW)
        return true;
    for (size_t i = 0; i < COUNT(operation_laws) && n > 0; i++)
        if (operation_laws[i].from == from && (operation_laws[i].kinds & KIND(kind)) != 0 &&
            (operation_laws[i].to == to || operation_may(kind, operation_laws[i].to, to, n - 1)))
            return true;
    return false;
}

static bool payment_may(enum payment_state from, enum payment_state to, int n)
{
    if (from == to && from != PAY_NEW)
        return true;
    for (size_t i = 0; i < COUNT(payment_laws) && n > 0; i++)
        if (payment_laws[i].from == from &&
            (payment_laws[i].to == to || payment_may(payment_laws[i].to, to, n - 1)))
            return true;
    return false;
}

/* ---- what is known ---- */

static struct known_operation *find_operation(const struct known *k, int64_t id)
{
    for (size_t i = k->n_operations; i > 0; i--)
        if (k->operations[i - 1].row.id == id)
            return &k->operations[i - 1];
    return NULL;
}

static struct known_payment *find_payment(const struct known *k, int64_t id)
{
    for (size_t i = k->n_payments; i > 0; i--)
        if (k->payments[i - 1].row.id == id)
            return &k->payments[i - 1];
    return NULL;
}

const struct known_operation *known_operation(const struct known *k, int64_t id)
{
    return find_operation(k, id);
}

const struct known_payment *known_payment(const struct known *k, int64_t id)
{
    return find_payment(k, id);
}

const struct known_operation *known_unique(
    const struct known *k, int64_t merchant_id, struct str unique_id)
{
    for (size_t i = 0; i < k->n_operations; i++)
        if (k->operations[i].row.merchant_id == merchant_id &&
            str_eq(str_of(k->operations[i].unique_id), unique_id))
            return &k->operations[i];
    return NULL;
}

static void *room_for(void *array, size_t n, size_t *room, size_t size)
{
    if (n < *room)
        return array;
    *room = *room == 0 ? 64 : *room * 2;
    array = realloc(array, *room * size);
    if (array == NULL)
        abort();
    return array;
}

static struct known_operation *add_operation(struct known *k)
{
    k->operations =
        room_for(k->operations, k->n_operations, &k->operations_room, sizeof *k->operations);
    struct known_operation *o = &k->operations[k->n_operations++];
    *o = (struct known_operation) { .entries = 0 };
    return o;
}

static struct known_payment *add_payment(struct known *k)
{
    k->payments = room_for(k->payments, k->n_payments, &k->payments_room, sizeof *k->payments);
    return &k->payments[k->n_payments++];
}

static void copy_known(struct known *to, const struct known *from)
{
    to->n_operations = to->n_payments = 0;
    for (size_t i = 0; i < from->n_operations; i++)
        *add_operation(to) = from->operations[i];
    for (size_t i = 0; i < from->n_payments; i++)
        *add_payment(to) = from->payments[i];
}

static void free_known(struct known *k)
{
    free(k->operations);
    free(k->payments);
    *k = (struct known) { .operations = NULL };
}

/* ---- one transaction ---- */

/* Unique ids and facts never change, so a changed row need not carry them. */
static void take_row(struct known_operation *to, const struct operation_row *o, bool added)
{
    to->row = *o;
    to->row.unique_id = to->row.facts = STR_EMPTY;
    bool fits = !added || str_copy(to->unique_id, sizeof to->unique_id, o->unique_id);
    assert(fits);
}

/* Nobody asks the host for more than there is, whatever the host would say. */
static void prove_amount(const struct known *k, const struct operation_row *o)
{
    const struct known_payment *p = find_payment(k, o->payment_id);
    if (p == NULL)
        sim_fail("an operation without its payment");
    int64_t most = o->kind == OPK_CAPTURE  ? p->row.authorized_minor
                   : o->kind == OPK_REFUND ? p->row.captured_minor - p->row.refunded_minor
                                           : INT64_MAX;
    /* A failed one has released its payment in the same commit; nothing was asked. */
    if (o->state == OPS_SENT && (o->amount_minor > most || o->amount_minor <= 0))
        sim_fail("%s %llX of %" PRId64 " where %" PRId64 " are left", operation_kind_name(o->kind),
            (unsigned long long)o->id, o->amount_minor, most);
}

static void take_operation(struct known *k, const struct operation_row *o, bool added)
{
    struct known_operation *old = find_operation(k, o->id);
    unsigned long long id = (unsigned long long)o->id;
    if (added != (old == NULL))
        sim_fail("operation %llX is %s", id, added ? "added twice" : "changed and was never added");
    enum operation_state from = old == NULL ? OPS_NEW : old->row.state;
    if (!operation_may(o->kind, from, o->state, EDGES_PER_COMMIT))
        sim_fail("operation %llX (%s): no edge from %s to %s", id, operation_kind_name(o->kind),
            operation_state_name(from), operation_state_name(o->state));
    if (old == NULL && o->unique_id.n > 0 && known_unique(k, o->merchant_id, o->unique_id) != NULL)
        sim_fail("unique id %.*s is taken twice", (int)o->unique_id.n, o->unique_id.p);
    if (old != NULL &&
        (old->row.merchant_id != o->merchant_id || old->row.payment_id != o->payment_id ||
            old->row.parent_id != o->parent_id || old->row.kind != o->kind ||
            old->row.currency != o->currency || old->row.amount_minor != o->amount_minor ||
            old->row.card_id != o->card_id || old->row.created_ms != o->created_ms))
        sim_fail("operation %llX changed what never changes", id);
    for (size_t i = 0; i < k->n_operations && old == NULL && o->state == OPS_SENT; i++)
        if (k->operations[i].row.stan == o->stan &&
            k->operations[i].row.sent_ms / 1000 == o->sent_ms / 1000)
            sim_fail("trace number %u is used twice within a second", o->stan);
    if (added)
        prove_amount(k, o);
    take_row(old != NULL ? old : add_operation(k), o, added);
}

static void take_payment(struct known *k, const struct payment_row *p, bool added)
{
    struct known_payment *old = find_payment(k, p->id);
    unsigned long long id = (unsigned long long)p->id;
    if (added != (old == NULL))
        sim_fail("payment %llX is %s", id, added ? "added twice" : "changed and was never added");
    enum payment_state from = old == NULL ? PAY_NEW : old->row.state;
    if (!payment_may(from, p->state, EDGES_PER_COMMIT))
        sim_fail("payment %llX: no edge from %s to %s", id, payment_state_name(from),
            payment_state_name(p->state));
    if (p->captured_minor > p->authorized_minor || p->refunded_minor > p->captured_minor ||
        p->refunded_minor < 0)
        sim_fail("payment %llX: authorized %" PRId64 ", captured %" PRId64 ", refunded %" PRId64,
            id, p->authorized_minor, p->captured_minor, p->refunded_minor);
    if (old != NULL && (old->row.captured_minor > p->captured_minor ||
                           old->row.refunded_minor > p->refunded_minor))
        sim_fail("payment %llX: money that moved is forgotten", id);
    struct known_payment *to = old != NULL ? old : add_payment(k);
    to->row = *p;
}

static void take_entry(struct known *k, const struct entry_row *e)
{
    struct known_operation *o = find_operation(k, e->operation_id);
    if (o == NULL || o->row.merchant_id != e->merchant_id || o->row.currency != e->currency)
        sim_fail("an entry of no operation");
    if (e->seq != o->entries + 1)
        sim_fail("entries of an operation are not numbered in order");
    o->entries++;
    o->sums[e->account] += e->amount_minor;
}

/* What the ledger says of a payment is what its amounts and state say. */
static void prove_ledger(const struct known *k, const struct payment_row *p)
{
    int64_t sums[ACCOUNTS] = { 0 };
    int on_their_way = 0;
    for (size_t i = 0; i < k->n_operations; i++) {
        const struct known_operation *o = &k->operations[i];
        if (o->row.payment_id != p->id)
            continue;
        int64_t total = 0;
        for (int a = 0; a < ACCOUNTS; a++) {
            total += o->sums[a];
            sums[a] += o->sums[a];
        }
        if (total != 0)
            sim_fail(
                "operation %llX: entries sum to %" PRId64, (unsigned long long)o->row.id, total);
        on_their_way += o->row.state == OPS_SENT && (PLAYERS & KIND(o->row.kind)) != 0;
    }
    bool holds = p->state == PAY_AUTHORIZED || p->state == PAY_CAPTURING ||
                 (p->state == PAY_MANUAL && p->captured_minor == 0);
    int64_t held = holds ? p->authorized_minor : 0, due = p->captured_minor - p->refunded_minor;
    if (sums[ACC_ISSUER_HOLD] != held || sums[ACC_MERCHANT_HELD] != -held ||
        sums[ACC_ACQUIRER_RECEIVABLE] != due || sums[ACC_MERCHANT_PAYABLE] != -due)
        sim_fail("payment %llX (%s): the ledger holds %" PRId64 " and is owed %" PRId64
                 ", the payment %" PRId64 " and %" PRId64,
            (unsigned long long)p->id, payment_state_name(p->state), sums[ACC_ISSUER_HOLD],
            sums[ACC_ACQUIRER_RECEIVABLE], held, due);
    if (on_their_way > 1)
        sim_fail("payment %llX: two operations on their way", (unsigned long long)p->id);
}

/* Holds a transaction against the laws; k is what was known, and what will be. */
static void take_changes(struct known *k, const struct store_changes *c)
{
    for (size_t i = 0; i < c->n_new_payments; i++)
        take_payment(k, c->new_payments[i], true);
    for (size_t i = 0; i < c->n_payments; i++)
        take_payment(k, c->payments[i], false);
    for (size_t i = 0; i < c->n_new_operations; i++)
        take_operation(k, c->new_operations[i], true);
    for (size_t i = 0; i < c->n_operations; i++)
        take_operation(k, c->operations[i], false);
    for (size_t i = 0; i < c->n_entries; i++)
        take_entry(k, &c->entries[i]);
    for (size_t i = 0; i < c->n_new_payments; i++)
        prove_ledger(k, c->new_payments[i]);
    for (size_t i = 0; i < c->n_payments; i++)
        prove_ledger(k, c->payments[i]);
    for (size_t i = 0; i < c->n_new_operations; i++) {
        const struct known_payment *p = find_payment(k, c->new_operations[i]->payment_id);
        if (p == NULL)
            sim_fail("an operation without its payment");
        prove_ledger(k, &p->row);
    }
}

static struct witness *self(struct store *s)
{
    return (struct witness *)s;
}

/* From now on this is what is known. */
static void become(struct witness *w, struct known *next)
{
    struct known was = w->known;
    w->known = *next;
    *next = was;
    w->n_maybe = 0;
}

static enum store_result witness_commit(struct store *s, const struct store_changes *c)
{
    struct witness *w = self(s);
    if (disk_dead())
        return store_commit(w->real, c);
    struct known *next = &w->maybe[w->n_maybe % MAYBES];
    copy_known(next, &w->known);
    take_changes(next, c);
    enum store_result result = store_commit(w->real, c);
    w->commits++;
    sim_say("commit %" PRIu64 ": %zu new operations, %zu changed%s", w->commits,
        c->n_new_operations, c->n_operations,
        disk_dead()          ? ", the process dies in it"
        : result != STORE_OK ? ", it fails"
                             : "");
    if (disk_dead() || result != STORE_OK) {
        w->n_maybe++;
        return result;
    }
    if (!disk_logs_synced())
        sim_fail("a commit returned before the log was synced");
    become(w, next);
    return result;
}

/* ---- the rest of the store passes through ---- */

static void pass_close(struct store *s)
{
    store_close(self(s)->real);
}

static enum store_result pass_load(struct store *s, struct arena *a, struct store_load *l)
{
    return store_load(self(s)->real, a, l);
}

static enum store_result pass_checkpoint(struct store *s, bool background, int64_t *log_bytes)
{
    return store_checkpoint(self(s)->real, background, log_bytes);
}

static enum store_result pass_list(
    struct store *s, struct arena *a, const struct list_query *q, struct list *out)
{
    return self(s)->real->operations->list(self(s)->real, a, q, out);
}

static enum store_result pass_next_expiry(struct store *s, int64_t *at_ms)
{
    return store_next_expiry(self(s)->real, at_ms);
}

static enum store_result pass_last_id(struct store *s, int64_t *id)
{
    return store_last_id(self(s)->real, id);
}

static enum store_result pass_setting(
    struct store *s, const char *name, int64_t *value, bool *found)
{
    return store_setting(self(s)->real, name, value, found);
}

static enum store_result pass_put_merchant(struct store *s, struct merchant_row *m)
{
    return store_put_merchant(self(s)->real, m);
}

static int64_t pass_bytes(struct store *s)
{
    return store_bytes(self(s)->real);
}

static const struct store_operations operations = { .close = pass_close,
    .load = pass_load,
    .commit = witness_commit,
    .checkpoint = pass_checkpoint,
    .list = pass_list,
    .next_expiry = pass_next_expiry,
    .last_id = pass_last_id,
    .setting = pass_setting,
    .put_merchant = pass_put_merchant,
    .bytes = pass_bytes };

void witness_init(struct witness *w)
{
    *w = (struct witness) { .base = { &operations } };
}

void witness_free(struct witness *w)
{
    free_known(&w->known);
    for (size_t i = 0; i < MAYBES; i++)
        free_known(&w->maybe[i]);
}

void witness_attach(struct witness *w, struct store *real)
{
    w->real = real;
}

/* ---- after a crash ---- */

static bool same_operation(const struct known_operation *k, const struct operation_row *o)
{
    return k->row.merchant_id == o->merchant_id && k->row.payment_id == o->payment_id &&
           k->row.parent_id == o->parent_id && k->row.kind == o->kind && k->row.state == o->state &&
           k->row.outcome == o->outcome && k->row.currency == o->currency &&
           k->row.amount_minor == o->amount_minor && k->row.stan == o->stan &&
           k->row.sent_ms == o->sent_ms && k->row.attempts == o->attempts &&
           k->row.next_ms == o->next_ms && k->row.card_id == o->card_id &&
           strcmp(k->row.de39, o->de39) == 0 && strcmp(k->row.authcode, o->authcode) == 0 &&
           str_eq(str_of(k->unique_id), o->unique_id);
}

static bool same_entries(const struct known_operation *k, struct store *reader, struct arena *a)
{
    struct entry_row *entries;
    size_t n;
    int64_t sums[ACCOUNTS] = { 0 };
    struct row_key key = { k->row.merchant_id, k->row.id };
    if (store_entries(reader, a, key, &entries, &n) != STORE_OK)
        sim_fail("entries cannot be read");
    for (size_t i = 0; i < n; i++)
        sums[entries[i].account] += entries[i].amount_minor;
    return n == k->entries && memcmp(sums, k->sums, sizeof sums) == 0;
}

static bool same_payment(const struct payment_row *k, const struct payment_row *p)
{
    return k->merchant_id == p->merchant_id && k->state == p->state && k->currency == p->currency &&
           k->authorized_minor == p->authorized_minor && k->captured_minor == p->captured_minor &&
           k->refunded_minor == p->refunded_minor && k->card_id == p->card_id &&
           k->expires_ms == p->expires_ms;
}

static bool same_operations(const struct known *k, struct store *reader, struct arena *a)
{
    struct operation_row **rows;
    size_t n;
    if (store_walk_operations(reader, a, (struct row_key) { 0, 0 }, SIZE_MAX / 2, &rows, &n) !=
        STORE_OK)
        sim_fail("operations cannot be read");
    bool same = n == k->n_operations;
    for (size_t i = 0; i < n && same; i++) {
        const struct known_operation *o = find_operation(k, rows[i]->id);
        same = o != NULL && same_operation(o, rows[i]) && same_entries(o, reader, a);
    }
    return same;
}

static bool same_payments(const struct known *k, struct store *reader, struct arena *a)
{
    struct payment_row **rows;
    size_t n;
    if (store_walk_payments(reader, a, (struct row_key) { 0, 0 }, SIZE_MAX / 2, &rows, &n) !=
        STORE_OK)
        sim_fail("payments cannot be read");
    bool same = n == k->n_payments;
    for (size_t i = 0; i < n && same; i++) {
        const struct known_payment *p = find_payment(k, rows[i]->id);
        same = p != NULL && same_payment(&p->row, rows[i]);
    }
    return same;
}

static bool holds(const struct known *k, struct store *reader)
{
    struct arena a;
    arena_init(&a, 64u << 20);
    bool same = same_operations(k, reader, &a) && same_payments(k, reader, &a);
    arena_free(&a);
    return same;
}

void witness_compare(struct witness *w, struct store *reader)
{
    size_t n = w->n_maybe < MAYBES ? w->n_maybe : MAYBES;
    if (holds(&w->known, reader)) {
        w->n_maybe = 0;
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (holds(&w->maybe[i], reader)) {
            sim_say("a transaction that had failed, or was not ended, is there");
            become(w, &w->maybe[i]);
            return;
        }
    sim_fail(n == 0 ? "the database does not hold what was committed"
                    : "the database holds a part of a transaction, or lost an older one");
}

/* ---- what leaves ---- */

/* The trace number that a follow-up names is that of the message it follows. */
static void prove_original(
    const struct known *k, const struct known_operation *o, const struct acquirer_message *m)
{
    if (o->row.parent_id == 0)
        return;
    const struct known_operation *parent = find_operation(k, o->row.parent_id);
    if (parent == NULL || m->original.stan != parent->row.stan ||
        m->original.sent_ms != parent->row.sent_ms)
        sim_fail("%s %llX names another original", operation_kind_name(o->row.kind),
            (unsigned long long)o->row.id);
    bool doubted = parent->row.state == OPS_IN_DOUBT;
    if (o->row.kind == OPK_REVERSAL && !doubted && parent->row.state != OPS_MANUAL)
        sim_fail("a reversal of an operation that is %s", operation_state_name(parent->row.state));
}

void witness_message(struct witness *w, const struct acquirer_message *m)
{
    struct known_operation *o = find_operation(&w->known, m->operation.id);
    if (o == NULL || o->row.state != OPS_SENT || w->n_maybe > 0)
        sim_fail("a message leaves before its operation is durable as SENT");
    if (!disk_logs_synced())
        sim_fail("a message leaves before the log is synced");
    /* A release names the amount of the hold, and what stays of it; its row what is given back. */
    int64_t amount = m->kind == OPK_RELEASE ? m->amount_minor - m->kept_minor : m->amount_minor;
    if (o->row.stan != m->stan || o->row.sent_ms != m->sent_ms || o->row.kind != m->kind ||
        o->row.amount_minor != amount || m->repeat != (o->row.attempts > 1))
        sim_fail("a message says something else than its row");
    o->sent++;
    if ((KIND(o->row.kind) & (OPENINGS | REFUND)) != 0 && o->sent > 1)
        sim_fail("%s %llX is sent a second time", operation_kind_name(o->row.kind),
            (unsigned long long)o->row.id);
    prove_original(&w->known, o, m);
}

void witness_reply(struct witness *w, const struct command *c, bool own_id)
{
    if (!c->reply.recorded) {
        const struct known_operation *own =
            c->unique_id.n == 0 || !own_id
                ? NULL
                : known_unique(&w->known, c->merchant->row.id, c->unique_id);
        /* These are said before anybody looks at the id. */
        bool blind = c->reply.outcome == OUT_OVERLOADED || c->reply.outcome == OUT_STORE_FAILED ||
                     c->reply.outcome == OUT_MERCHANT_INACTIVE;
        if (own != NULL && !blind && c->reply.outcome != OUT_DUPLICATE_ID)
            sim_fail("a refusal (%s) left an operation behind", outcome_name(c->reply.outcome));
        return;
    }
    const struct known_operation *o = find_operation(&w->known, c->reply.operation_id);
    if (o == NULL || o->row.merchant_id != c->merchant->row.id ||
        !str_eq(str_of(o->unique_id), c->unique_id))
        sim_fail("an answer leaves before its operation is durable");
    if (o->row.state != c->reply.state || o->row.amount_minor != c->reply.amount_minor ||
        o->row.kind != c->reply.kind || o->row.payment_id != c->reply.payment_id)
        sim_fail("an answer says something else than its row");
    if (c->reply.outcome != OUT_PENDING && o->row.outcome != c->reply.outcome)
        sim_fail("%s was told, %s is written", outcome_name(c->reply.outcome),
            outcome_name(o->row.outcome));
}
