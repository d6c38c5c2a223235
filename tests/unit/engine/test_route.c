/*
 * Routing: the first link that takes a payment, and where what follows it goes.
 */
#include "engine/decision.h"
#include "vault/brand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

enum { EUR = 978, USD = 840, SHOP = 5, OTHER = 6 };

static const uint16_t euro[] = { EUR }, both[] = { USD, EUR };
static const int64_t shop[] = { SHOP }, shops[] = { OTHER, SHOP };

struct board {
    struct link_view views[4];
    struct acquirer_port port;
};

/* north and south speak to one acquirer, east to another, west to a third. */
static int set_up(void **state)
{
    static const char *const names[] = { "north", "south", "east", "west" };
    static const char *const acquirers[] = { "11111", "11111", "22222", "33333" };
    static struct board b;
    memset(&b, 0, sizeof b);
    b.port.n_links = COUNT(b.views);
    for (size_t i = 0; i < COUNT(b.views); i++) {
        b.views[i].up = true;
        b.views[i].max_in_flight = 10;
        assert_true(str_copy(b.views[i].name, sizeof b.views[i].name, str_of(names[i])));
        assert_true(
            str_copy(b.views[i].acquirer_id, sizeof b.views[i].acquirer_id, str_of(acquirers[i])));
        b.port.views[i] = &b.views[i];
    }
    *state = &b;
    return 0;
}

static int pick(const struct board *b)
{
    return route_pick(&b->port, BRAND_VISA, EUR, SHOP);
}

static void the_first_link_that_is_up_and_takes_it_is_picked(void **state)
{
    struct board *b = *state;
    assert_int_equal(pick(b), 0);
    b->views[0].up = false;
    assert_int_equal(pick(b), 1);
    b->views[1].in_flight = b->views[1].max_in_flight;
    assert_int_equal(pick(b), 2);
    b->views[1].in_flight--;
    assert_int_equal(pick(b), 1);
}

static void a_link_with_a_list_of_brands_takes_no_other(void **state)
{
    struct board *b = *state;
    b->views[0].brands = 1u << BRAND_MASTERCARD;
    assert_int_equal(pick(b), 1);
    assert_int_equal(route_pick(&b->port, BRAND_MASTERCARD, EUR, SHOP), 0);
    b->views[0].brands |= 1u << BRAND_VISA;
    assert_int_equal(pick(b), 0);
}

static void a_link_with_a_list_of_currencies_takes_no_other(void **state)
{
    struct board *b = *state;
    b->views[0].currencies = euro;
    b->views[0].n_currencies = 1;
    assert_int_equal(pick(b), 0);
    assert_int_equal(route_pick(&b->port, BRAND_VISA, USD, SHOP), 1);
    b->views[0].currencies = both;
    b->views[0].n_currencies = COUNT(both);
    assert_int_equal(pick(b), 0);
    assert_int_equal(route_pick(&b->port, BRAND_VISA, USD, SHOP), 0);
}

static void a_link_with_a_list_of_merchants_takes_no_other(void **state)
{
    struct board *b = *state;
    b->views[0].merchants = shop;
    b->views[0].n_merchants = 1;
    assert_int_equal(pick(b), 0);
    assert_int_equal(route_pick(&b->port, BRAND_VISA, EUR, OTHER), 1);
    b->views[0].merchants = shops;
    b->views[0].n_merchants = COUNT(shops);
    assert_int_equal(pick(b), 0);
    assert_int_equal(route_pick(&b->port, BRAND_VISA, EUR, OTHER), 0);
}

static void none_down_and_full_are_told_apart(void **state)
{
    struct board *b = *state;
    for (size_t i = 0; i < COUNT(b->views); i++) {
        b->views[i].merchants = shop;
        b->views[i].n_merchants = 1;
        b->views[i].up = false;
    }
    assert_int_equal(route_pick(&b->port, BRAND_VISA, EUR, OTHER), ROUTE_NONE);
    assert_int_equal(pick(b), ROUTE_DOWN);
    b->views[3].up = true;
    b->views[3].in_flight = b->views[3].max_in_flight;
    assert_int_equal(pick(b), ROUTE_FULL);
    b->views[3].up = false;
    b->views[0].up = true;
    b->views[0].in_flight = b->views[0].max_in_flight;
    assert_int_equal(pick(b), ROUTE_FULL); /* whichever comes first */
}

static void a_follow_up_takes_its_own_link_while_that_is_up(void **state)
{
    struct board *b = *state;
    assert_int_equal(route_again(&b->port, "south"), 1);
    assert_int_equal(route_again(&b->port, "west"), 3);
    b->views[1].in_flight = b->views[1].max_in_flight;
    assert_int_equal(route_again(&b->port, "south"), 1);
}

static void a_follow_up_may_take_another_link_of_the_same_acquirer_only(void **state)
{
    struct board *b = *state;
    b->views[1].up = false;
    assert_int_equal(route_again(&b->port, "south"), 0);
    b->views[0].up = false;
    b->views[1].up = true;
    assert_int_equal(route_again(&b->port, "north"), 1);
    b->views[1].up = false;
    assert_int_equal(route_again(&b->port, "south"), ROUTE_DOWN);
    assert_int_equal(route_again(&b->port, "gone"), ROUTE_NONE);
    assert_int_equal(route_again(&b->port, ""), ROUTE_NONE);
}

static void an_advice_waits_at_its_own_link_when_none_is_up(void **state)
{
    struct board *b = *state;
    assert_int_equal(route_advice(&b->port, "east"), 2);
    b->views[2].up = false;
    assert_int_equal(route_advice(&b->port, "east"), 2);
    b->views[1].up = false;
    assert_int_equal(route_advice(&b->port, "south"), 0);
    b->views[0].up = false;
    assert_int_equal(route_advice(&b->port, "south"), 1);
    assert_int_equal(route_advice(&b->port, "gone"), 0);
}

static void links_of_one_acquirer_share_the_trace_numbers_of_the_first(void **state)
{
    struct board *b = *state;
    static const uint8_t owners[] = { 0, 0, 2, 3 };
    for (uint8_t i = 0; i < COUNT(owners); i++)
        assert_int_equal(stan_owner(&b->port, i), owners[i]);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup(test, set_up)
    const struct CMUnitTest tests[] = {
        EACH(the_first_link_that_is_up_and_takes_it_is_picked),
        EACH(a_link_with_a_list_of_brands_takes_no_other),
        EACH(a_link_with_a_list_of_currencies_takes_no_other),
        EACH(a_link_with_a_list_of_merchants_takes_no_other),
        EACH(none_down_and_full_are_told_apart),
        EACH(a_follow_up_takes_its_own_link_while_that_is_up),
        EACH(a_follow_up_may_take_another_link_of_the_same_acquirer_only),
        EACH(an_advice_waits_at_its_own_link_when_none_is_up),
        EACH(links_of_one_acquirer_share_the_trace_numbers_of_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
