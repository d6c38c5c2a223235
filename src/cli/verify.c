/*
 * `turnpike verify`: walks the whole database and proves what must hold.
 *
 *   every payment is in a state of its machine with the amounts that the state demands
 *   every operation is in a state that an edge leads to, and fits its payment
 *   the entries of every operation sum to zero per currency
 *   the entries of every payment agree with its amounts: what is held, captured and refunded
 *   no operation and no entry stands without its payment
 */
#include "cli/cli.h"
#include "engine/ledger.h"
#include "engine/machine.h"
#include "store/store.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { PAGE = 1000, FAULTS_SHOWN = 100, ACCOUNTS = ACC_MERCHANT_PAYABLE + 1 };

struct proof {
    struct store *store;
    struct arena page, inner;
    int64_t payments, operations, entries, faults;
};

struct sums { /* of one payment */
    int64_t by_account[ACCOUNTS];
    int64_t captured, refunded; /* of its approved operations */
};

static void fault(struct proof *v, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void fault(struct proof *v, const char *format, ...)
{
    if (v->faults++ >= FAULTS_SHOWN)
        return;
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\n");
}

static bool verify_entries(struct proof *v, const struct operation_row *o, struct sums *sums)
{
    struct entry_row *entries;
    size_t n;
    int64_t total = 0;
    struct row_key key = { o->merchant_id, o->id };
    if (store_entries(v->store, &v->inner, key, &entries, &n) != STORE_OK)
        return false;
    for (size_t i = 0; i < n; i++) {
        total += entries[i].amount_minor;
        if ((size_t)entries[i].account < ACCOUNTS)
            sums->by_account[entries[i].account] += entries[i].amount_minor;
        if (entries[i].currency != o->currency)
            fault(v, "operation %016" PRIX64 ": an entry in another currency", (uint64_t)o->id);
    }
    if (total != 0)
        fault(v, "operation %016" PRIX64 ": entries sum to %" PRId64 ", not 0", (uint64_t)o->id,
            total);
    v->entries += (int64_t)n;
    return true;
}

static bool verify_operation(
    struct proof *v, const struct operation_row *o, const struct payment_row *p, struct sums *sums)
{
    const char *why = operation_fault(o, p);
    if (why != NULL)
        fault(v, "operation %016" PRIX64 " (%s, %s): %s", (uint64_t)o->id,
            operation_kind_name(o->kind), operation_state_name(o->state), why);
    if (o->state == OPS_APPROVED && (o->kind == OPK_SALE || o->kind == OPK_CAPTURE))
        sums->captured += o->amount_minor;
    if (o->state == OPS_APPROVED && o->kind == OPK_REFUND)
        sums->refunded += o->amount_minor;
    v->operations++;
    return verify_entries(v, o, sums);
}

static void compare(struct proof *v, const struct payment_row *p, const struct sums *s)
{
    bool holds = p->state == PAY_AUTHORIZED || p->state == PAY_CAPTURING;
    const struct {
        const char *what;
        int64_t is, should;
    } facts[] = {
        { "captured by operations", s->captured, p->captured_minor },
        { "refunded by operations", s->refunded, p->refunded_minor },
        { "held in the ledger", s->by_account[ACC_ISSUER_HOLD], holds ? p->authorized_minor : 0 },
        { "owed by the acquirer in the ledger", s->by_account[ACC_ACQUIRER_RECEIVABLE],
            p->captured_minor - p->refunded_minor },
    };
    for (size_t i = 0; i < COUNT(facts) && p->state != PAY_MANUAL; i++)
        if (facts[i].is != facts[i].should)
            fault(v, "payment %016" PRIX64 " (%s): %s %" PRId64 ", should be %" PRId64,
                (uint64_t)p->id, payment_state_name(p->state), facts[i].what, facts[i].is,
                facts[i].should);
}

static bool verify_payment(struct proof *v, const struct payment_row *p)
{
    struct operation_row **operations;
    size_t n;
    struct sums sums = { .captured = 0 };
    const char *why = payment_fault(p);
    if (why != NULL)
        fault(v, "payment %016" PRIX64 " (%s): %s", (uint64_t)p->id, payment_state_name(p->state),
            why);
    arena_reset(&v->inner);
    struct row_key key = { p->merchant_id, p->id };
    if (store_payment_operations(v->store, &v->inner, key, &operations, &n) != STORE_OK)
        return false;
    if (n == 0 || operations[0]->id != p->id)
        fault(
            v, "payment %016" PRIX64 ": the operation that opened it is missing", (uint64_t)p->id);
    for (size_t i = 0; i < n; i++)
        if (!verify_operation(v, operations[i], p, &sums))
            return false;
    compare(v, p, &sums);
    v->payments++;
    return true;
}

static bool walk_payments(struct proof *v)
{
    struct row_key after = { 0, 0 };
    size_t n = PAGE;
    while (n == PAGE) {
        struct payment_row **rows;
        arena_reset(&v->page);
        if (store_walk_payments(v->store, &v->page, after, PAGE, &rows, &n) != STORE_OK)
            return false;
        for (size_t i = 0; i < n; i++) {
            if (!verify_payment(v, rows[i]))
                return false;
            after = (struct row_key) { rows[i]->merchant_id, rows[i]->id };
        }
    }
    return true;
}

/* Rows that no payment led to show as a difference in the counts. */
static bool count_all(struct proof *v)
{
    struct row_key after = { 0, 0 };
    size_t n = PAGE;
    int64_t operations = 0, entries = 0, total = 0;
    while (n == PAGE) {
        struct operation_row **rows;
        arena_reset(&v->page);
        if (store_walk_operations(v->store, &v->page, after, PAGE, &rows, &n) != STORE_OK)
            return false;
        if (n > 0)
            after = (struct row_key) { rows[n - 1]->merchant_id, rows[n - 1]->id };
        operations += (int64_t)n;
    }
    struct balance *balances;
    arena_reset(&v->page);
    if (store_balances(v->store, &v->page, 0, &balances, &n) != STORE_OK)
        return false;
    for (size_t i = 0; i < n; i++) {
        entries += balances[i].entries;
        total += balances[i].amount_minor;
    }
    if (operations != v->operations)
        fault(v, "%" PRId64 " operations belong to no payment", operations - v->operations);
    if (entries != v->entries)
        fault(v, "%" PRId64 " entries belong to no operation", entries - v->entries);
    if (total != 0)
        fault(v, "the ledger sums to %" PRId64 ", not 0", total);
    return true;
}

static int verify(struct proof *v)
{
    if (!walk_payments(v) || !count_all(v))
        return complain("the database cannot be read to the end");
    (void)printf("%" PRId64 " payments, %" PRId64 " operations, %" PRId64 " ledger entries: ",
        v->payments, v->operations, v->entries);
    if (v->faults == 0)
        (void)printf("all is well\n");
    else
        (void)printf("%" PRId64 " faults\n", v->faults);
    return v->faults == 0 ? EXIT_DONE : EXIT_FAILED;
}

int cmd_verify(int argc, char **argv)
{
    struct server_options o;
    struct option_rule rules[SERVER_OPTIONS];
    static struct config config;
    char why[512];
    server_option_rules(&o, rules);
    if (options_take(argc, argv, rules, COUNT(rules)) != 0)
        return EXIT_USAGE;
    if (!server_config(&o, &config))
        return EXIT_FAILED;
    struct datadir dir;
    datadir_paths(&config, &dir);
    config_wipe(&config);
    struct proof v = { .store = store_open(dir.db, STORE_READ, why, sizeof why) };
    if (v.store == NULL)
        return complain("%s", why);
    arena_init(&v.page, 64 << 20);
    arena_init(&v.inner, 64 << 20);
    int status = verify(&v);
    arena_free(&v.page);
    arena_free(&v.inner);
    store_close(v.store);
    return status;
}
