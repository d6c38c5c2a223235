/*
 * The two machines as tables: every edge that is drawn can be walked, every other cannot, and what
 * must be true of a row in its state is asked for.
 *
 * What an edge of an operation does is tested with the engine around it (test_edges.c).
 */
#include "engine/decision.h"
#include "engine/machine.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { SHOP = 5, EUR = 978, PAYMENT_STATES = PAY_MANUAL + 1, PAYMENT_EVENTS = PE_STUCK + 1 };

/* ---- payments ---- */

static const struct {
    enum payment_state from;
    enum payment_event event;
    enum payment_state to;
} walks[] = {
    { PAY_NEW, PE_OPEN, PAY_OPENING },
    { PAY_OPENING, PE_HELD, PAY_AUTHORIZED },
    { PAY_OPENING, PE_CAPTURED, PAY_CAPTURED },
    { PAY_OPENING, PE_REFUSED, PAY_DECLINED },
    { PAY_OPENING, PE_DOUBT, PAY_REVERSING },
    { PAY_REVERSING, PE_REVERSED, PAY_REVERSED },
    { PAY_REVERSING, PE_STUCK, PAY_MANUAL },
    { PAY_REVERSED, PE_DOUBT, PAY_REVERSING },
    { PAY_AUTHORIZED, PE_CAPTURE, PAY_CAPTURING },
    { PAY_AUTHORIZED, PE_VOID, PAY_VOIDED },
    { PAY_CAPTURING, PE_CAPTURED, PAY_CAPTURED },
    { PAY_CAPTURING, PE_REFUSED, PAY_AUTHORIZED },
    { PAY_CAPTURING, PE_STUCK, PAY_MANUAL },
    { PAY_CAPTURED, PE_REFUND, PAY_REFUNDING },
    { PAY_REFUNDING, PE_REFUNDED_PART, PAY_CAPTURED },
    { PAY_REFUNDING, PE_REFUNDED_ALL, PAY_REFUNDED },
    { PAY_REFUNDING, PE_REFUSED, PAY_CAPTURED },
    { PAY_REFUNDING, PE_STUCK, PAY_MANUAL },
};

static int walk_of(enum payment_state from, enum payment_event ev)
{
    for (size_t i = 0; i < COUNT(walks); i++)
        if (walks[i].from == from && walks[i].event == ev)
            return (int)walks[i].to;
    return -1;
}

static void a_payment_moves_along_its_edges_and_no_others(void **state)
{
    (void)state;
    size_t moves = 0;
    for (int from = 0; from < PAYMENT_STATES; from++)
        for (int ev = 0; ev < PAYMENT_EVENTS; ev++) {
            int to = walk_of((enum payment_state)from, (enum payment_event)ev);
            struct payment_row p = { .state = (enum payment_state)from };
            if (payment_apply(&p, (enum payment_event)ev) != (to >= 0) ||
                (int)p.state != (to >= 0 ? to : from))
                fail_msg("%s, event %d", payment_state_name((enum payment_state)from), ev);
            moves += to >= 0 ? 1 : 0;
        }
    assert_int_equal(moves, COUNT(walks));
}

static void every_state_of_a_payment_can_be_reached(void **state)
{
    (void)state;
    bool reached[PAYMENT_STATES] = { [PAY_NEW] = true };
    for (size_t round = 0; round < COUNT(walks); round++)
        for (size_t i = 0; i < COUNT(walks); i++)
            reached[walks[i].to] = reached[walks[i].to] || reached[walks[i].from];
    for (int s = 0; s < PAYMENT_STATES; s++)
        assert_true(reached[s]);
}

static const struct {
    enum payment_state state;
    int64_t authorized, captured, refunded;
    bool sound;
} amounts[] = {
    { PAY_OPENING, 0, 0, 0, true },
    { PAY_OPENING, 100, 0, 0, false },
    { PAY_DECLINED, 0, 0, 0, true },
    { PAY_DECLINED, 1, 0, 0, false },
    { PAY_REVERSING, 0, 0, 0, true },
    { PAY_REVERSING, 1, 0, 0, false },
    { PAY_REVERSED, 0, 0, 0, true },
    { PAY_REVERSED, 1, 0, 0, false },
    { PAY_AUTHORIZED, 100, 0, 0, true },
    { PAY_AUTHORIZED, 0, 0, 0, false },
    { PAY_AUTHORIZED, 100, 1, 0, false },
    { PAY_CAPTURING, 100, 0, 0, true },
    { PAY_CAPTURING, 0, 0, 0, false },
    { PAY_CAPTURING, 100, 100, 0, false },
    { PAY_VOIDED, 100, 0, 0, true },
    { PAY_VOIDED, 0, 0, 0, false },
    { PAY_VOIDED, 100, 50, 0, false },
    { PAY_CAPTURED, 100, 60, 0, true },
    { PAY_CAPTURED, 100, 60, 59, true },
    { PAY_CAPTURED, 100, 0, 0, false },
    { PAY_CAPTURED, 100, 101, 0, false },
    { PAY_CAPTURED, 100, 60, 61, false },
    { PAY_REFUNDING, 100, 60, 10, true },
    { PAY_REFUNDING, 100, 0, 0, false },
    { PAY_REFUNDED, 100, 60, 60, true },
    { PAY_REFUNDED, 100, 60, 59, false },
    { PAY_REFUNDED, 100, 0, 0, false },
    { PAY_MANUAL, 0, 0, 0, true },
    { PAY_MANUAL, 100, 60, 30, true },
    { PAY_MANUAL, 100, 101, 0, false },
    { PAY_MANUAL, -1, 0, 0, false },
    { PAY_MANUAL, 0, -1, 0, false },
    { PAY_MANUAL, 0, 0, -1, false },
    { PAY_NEW, 0, 0, 0, false },
    { (enum payment_state)PAYMENT_STATES, 0, 0, 0, false },
};

static void the_amounts_of_a_payment_must_fit_its_state(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(amounts); i++) {
        struct payment_row p = { .merchant_id = SHOP,
            .id = 1,
            .currency = EUR,
            .state = amounts[i].state,
            .authorized_minor = amounts[i].authorized,
            .captured_minor = amounts[i].captured,
            .refunded_minor = amounts[i].refunded };
        const char *fault = payment_fault(&p);
        if ((fault == NULL) != amounts[i].sound)
            fail_msg("row %zu: %s", i, fault == NULL ? "no fault" : fault);
        if (fault == NULL)
            assert_payment_valid(&p);
    }
}

static void an_amount_below_zero_is_called_that_whichever_it_is(void **state)
{
    (void)state;
    for (int which = 0; which < 3; which++) {
        struct payment_row p = { .merchant_id = SHOP,
            .id = 1,
            .currency = EUR,
            .state = PAY_MANUAL,
            .authorized_minor = which == 0 ? -1 : 0,
            .captured_minor = which == 1 ? -1 : 0,
            .refunded_minor = which == 2 ? -1 : 0 };
        assert_string_equal(payment_fault(&p), "an amount below zero");
    }
}

static void a_payment_has_ids_and_a_currency(void **state)
{
    (void)state;
    const struct payment_row sound = {
        .merchant_id = SHOP, .id = 1, .currency = EUR, .state = PAY_OPENING
    };
    struct payment_row p = sound;
    assert_null(payment_fault(&p));
    p.id = 0;
    assert_non_null(payment_fault(&p));
    p = sound;
    p.merchant_id = -1;
    assert_non_null(payment_fault(&p));
    p.merchant_id = 0;
    assert_non_null(payment_fault(&p));
    p = sound;
    p.currency = 0;
    assert_non_null(payment_fault(&p));
}

/* ---- operations ---- */

#define OPENING(k) ((k) == OPK_AUTHORIZE || (k) == OPK_SALE)
#define REQUEST(k) (OPENING(k) || (k) == OPK_REFUND)

/* True where the drawing in operation.c has an edge for that kind. */
static bool edge_drawn(enum operation_kind k, enum operation_state from, enum operation_event ev)
{
    bool capture = k == OPK_CAPTURE, advice = !REQUEST(k) && !capture;
    switch (from) {
    case OPS_NEW:
        return ev == OPE_SEND || (ev == OPE_NO_LINK && !advice);
    case OPS_SENT:
        switch (ev) {
        case OPE_APPROVE:
        case OPE_SILENCE:
        case OPE_NOT_SENT:
            return true;
        case OPE_DECLINE:
            return !advice;
        case OPE_REPEAT:
        case OPE_STUCK:
            return advice || capture;
        default:
            return false;
        }
    case OPS_IN_DOUBT:
        return REQUEST(k) && (ev == OPE_LATE_APPROVAL || ev == OPE_REVERSED || ev == OPE_STUCK);
    case OPS_REVERSED:
        return REQUEST(k) && ev == OPE_LATE_APPROVAL;
    default:
        return false;
    }
}

static void an_operation_does_not_move_where_no_edge_is_drawn(void **state)
{
    (void)state;
    int refused = 0;
    for (enum operation_kind k = OPK_AUTHORIZE; k <= OPK_RELEASE; k++)
        for (enum operation_state s = OPS_NEW; s <= OPS_MANUAL; s++)
            for (enum operation_event ev = OPE_SEND; ev <= OPE_REPEAT; ev++) {
                if (edge_drawn(k, s, ev))
                    continue;
                struct decision d = { .now_ms = 1 };
                struct operation_row o = { .merchant_id = SHOP, .id = 1, .kind = k, .state = s };
                struct operation_row before = o;
                if (operation_apply(&d, &o, ev, NULL))
                    fail_msg("%s %s moved by event %d", operation_kind_name(k),
                        operation_state_name(s), (int)ev);
                assert_memory_equal(&o, &before, sizeof o);
                assert_int_equal(d.n_effects + d.n_entries, 0);
                refused++;
            }
    assert_int_equal(refused, 7 * 8 * 10 - 56);
}

static struct operation_row operation_sound(enum operation_state s)
{
    return (struct operation_row) { .merchant_id = SHOP,
        .id = 9,
        .payment_id = 9,
        .kind = OPK_AUTHORIZE,
        .state = s,
        .currency = EUR,
        .amount_minor = 100,
        .link = "main",
        .stan = 1,
        .sent_ms = 1 };
}

static struct payment_row payment_in(enum payment_state s)
{
    return (struct payment_row) { .merchant_id = SHOP, .id = 9, .currency = EUR, .state = s };
}

static void an_opening_must_stand_where_its_payment_stands(void **state)
{
    (void)state;
    static const struct {
        enum payment_state payment;
        const char *openings;
    } expected[] = {
        { PAY_OPENING, "SENT" },
        { PAY_AUTHORIZED, "APPROVED" },
        { PAY_CAPTURING, "APPROVED" },
        { PAY_CAPTURED, "APPROVED" },
        { PAY_REFUNDING, "APPROVED" },
        { PAY_REFUNDED, "APPROVED" },
        { PAY_VOIDED, "APPROVED" },
        { PAY_DECLINED, "DECLINED FAILED" },
        { PAY_REVERSING, "IN_DOUBT" },
        { PAY_REVERSED, "REVERSED" },
        { PAY_MANUAL, "APPROVED MANUAL" },
    };
    for (size_t i = 0; i < COUNT(expected); i++)
        for (enum operation_state s = OPS_SENT; s <= OPS_MANUAL; s++) {
            struct str rest = str_of(expected[i].openings), part;
            bool fits = false;
            while (str_split(&rest, ' ', &part))
                fits = fits || str_eq(part, str_of(operation_state_name(s)));
            struct operation_row o = operation_sound(s);
            struct payment_row p = payment_in(expected[i].payment);
            if ((operation_fault(&o, &p) == NULL) != fits)
                fail_msg(
                    "%s of %s", operation_state_name(s), payment_state_name(expected[i].payment));
        }
    struct operation_row o = operation_sound(OPS_SENT);
    struct payment_row p = payment_in((enum payment_state)PAYMENT_STATES);
    assert_non_null(operation_fault(&o, &p));
}

static void what_was_sent_has_a_trace_number_a_time_and_a_link(void **state)
{
    (void)state;
    struct payment_row p = payment_in(PAY_OPENING);
    struct operation_row o = operation_sound(OPS_SENT);
    assert_null(operation_fault(&o, &p));
    o.stan = 0;
    assert_non_null(operation_fault(&o, &p));
    o = operation_sound(OPS_SENT);
    o.sent_ms = 0;
    assert_non_null(operation_fault(&o, &p));
    o = operation_sound(OPS_SENT);
    o.link[0] = '\0';
    assert_non_null(operation_fault(&o, &p));
    o.state = OPS_FAILED;
    o.stan = 0;
    p.state = PAY_DECLINED;
    assert_null(operation_fault(&o, &p));
}

static void an_operation_belongs_to_its_payment_and_follows_something_older(void **state)
{
    (void)state;
    struct payment_row p = payment_in(PAY_CAPTURED);
    struct operation_row o = operation_sound(OPS_APPROVED), sound;
    o.kind = OPK_CAPTURE;
    o.id = 12;
    o.parent_id = 9;
    sound = o;
    assert_null(operation_fault(&o, &p));
    o.parent_id = 0;
    assert_non_null(operation_fault(&o, &p));
    o.parent_id = 12;
    assert_non_null(operation_fault(&o, &p));
    o = sound;
    o.payment_id = 8;
    assert_non_null(operation_fault(&o, &p));
    o = sound;
    o.merchant_id = SHOP + 1;
    assert_non_null(operation_fault(&o, &p));
    o = sound;
    o.currency = 840;
    assert_non_null(operation_fault(&o, &p));
    o = sound;
    o.amount_minor = -1;
    assert_non_null(operation_fault(&o, &p));
    o = sound;
    o.state = OPS_NEW;
    assert_non_null(operation_fault(&o, &p));
    o = sound;
    o.state = (enum operation_state)(OPS_MANUAL + 1);
    assert_non_null(operation_fault(&o, &p));
    o = sound;
    o.kind = (enum operation_kind)(OPK_RELEASE + 1);
    assert_non_null(operation_fault(&o, &p));
    o = operation_sound(OPS_APPROVED);
    o.kind = OPK_REFUND;
    assert_non_null(operation_fault(&o, &p)); /* a refund opens nothing */
    o.id = o.payment_id = p.id = 0;
    assert_string_equal(operation_fault(&o, &p), "it is not an operation of its payment");
}

static void the_first_ids_and_the_amount_zero_are_sound(void **state)
{
    (void)state;
    struct payment_row p = payment_in(PAY_OPENING);
    struct operation_row o = operation_sound(OPS_SENT);
    p.id = o.id = o.payment_id = 1;
    o.amount_minor = 0;
    assert_null(operation_fault(&o, &p));
    p.state = PAY_CAPTURED;
    o.state = OPS_APPROVED;
    o.kind = OPK_CAPTURE;
    o.id = 2;
    o.parent_id = 1;
    assert_null(operation_fault(&o, &p));
}

/* ---- names and the picture ---- */

static void names_beyond_the_last_are_question_marks(void **state)
{
    (void)state;
    assert_string_equal(payment_state_name(PAY_REVERSING), "REVERSING");
    assert_string_equal(payment_state_name(PAY_MANUAL), "MANUAL");
    assert_string_equal(payment_state_name((enum payment_state)99), "?");
    assert_string_equal(operation_state_name(OPS_IN_DOUBT), "IN_DOUBT");
    assert_string_equal(operation_state_name((enum operation_state)99), "?");
    assert_string_equal(operation_kind_name(OPK_RELEASE), "RELEASE");
    assert_string_equal(operation_kind_name((enum operation_kind)0), "?");
    assert_string_equal(operation_kind_name((enum operation_kind)99), "?");
}

static size_t times(const char *text, const char *word)
{
    size_t n = 0;
    for (const char *at = strstr(text, word); at != NULL; at = strstr(at + 1, word))
        n++;
    return n;
}

static void the_picture_shows_every_edge(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 20);
    machine_print(&out);
    buf_byte(&out, '\0');
    assert_false(out.full);
    assert_true(str_starts_with(buf_view(&out), STR("digraph turnpike {")));
    assert_int_equal(times(out.p, "{"), times(out.p, "}"));
    assert_int_equal(times(out.p, "P_NEW -> "), 1);
    for (size_t i = 0; i < COUNT(walks); i++) {
        char arrow[80];
        (void)snprintf(arrow, sizeof arrow, "P_%s -> P_%s ", payment_state_name(walks[i].from),
            payment_state_name(walks[i].to));
        assert_true(times(out.p, arrow) >= 1);
    }
    for (enum payment_state s = PAY_NEW; s < (enum payment_state)PAYMENT_STATES; s++) {
        char node[80];
        (void)snprintf(node, sizeof node, "    P_%s [label=\"%s\"];\n", payment_state_name(s),
            payment_state_name(s));
        assert_int_equal(times(out.p, node), 1);
    }
    /* Four pictures of operations: openings, refund, capture, advices. */
    static const struct {
        char picture;
        enum operation_kind kind;
    } pictures[] = { { 'R', OPK_SALE }, { 'F', OPK_REFUND }, { 'C', OPK_CAPTURE },
        { 'A', OPK_VOID } };
    size_t drawn = COUNT(walks);
    for (size_t i = 0; i < COUNT(pictures); i++)
        for (enum operation_state s = OPS_NEW; s <= OPS_MANUAL; s++) {
            char from[40];
            size_t edges = 0;
            for (enum operation_event ev = OPE_SEND; ev <= OPE_REPEAT; ev++)
                edges += edge_drawn(pictures[i].kind, s, ev) ? 1 : 0;
            (void)snprintf(
                from, sizeof from, "%c_%s -> ", pictures[i].picture, operation_state_name(s));
            assert_int_equal(times(out.p, from), edges);
            drawn += edges;
        }
    assert_int_equal(times(out.p, " -> "), drawn);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payment_moves_along_its_edges_and_no_others),
        cmocka_unit_test(every_state_of_a_payment_can_be_reached),
        cmocka_unit_test(the_amounts_of_a_payment_must_fit_its_state),
        cmocka_unit_test(an_amount_below_zero_is_called_that_whichever_it_is),
        cmocka_unit_test(a_payment_has_ids_and_a_currency),
        cmocka_unit_test(an_operation_does_not_move_where_no_edge_is_drawn),
        cmocka_unit_test(an_opening_must_stand_where_its_payment_stands),
        cmocka_unit_test(what_was_sent_has_a_trace_number_a_time_and_a_link),
        cmocka_unit_test(an_operation_belongs_to_its_payment_and_follows_something_older),
        cmocka_unit_test(the_first_ids_and_the_amount_zero_are_sound),
        cmocka_unit_test(names_beyond_the_last_are_question_marks),
        cmocka_unit_test(the_picture_shows_every_edge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
