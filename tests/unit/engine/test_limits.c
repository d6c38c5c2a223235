/*
 * A merchant's limits: what the JSON may say, what it may not, and which addresses a prefix holds.
 */
#include "engine/merchant.h"
#include "vault/brand.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

enum { EUR = 978, USD = 840, JPY = 392, LTU = 440, USA = 840, PRK = 408 };

static struct limits limits_of(const char *json)
{
    struct limits l;
    char why[200] = "";
    memset(&l, 0xff, sizeof l);
    if (!limits_parse(str_of(json), &l, why, sizeof why))
        fail_msg("%s", why);
    return l;
}

static void assert_bad(const char *json, const char *names)
{
    struct limits l;
    char why[200] = "";
    if (limits_parse(str_of(json), &l, why, sizeof why))
        fail_msg("%s was taken", json);
    if (strstr(why, names) == NULL)
        fail_msg("%s: \"%s\" does not name %s", json, why, names);
}

static void empty_text_and_an_empty_object_allow_everything_for_seven_days(void **state)
{
    (void)state;
    static const char *const texts[] = { "", "{}" };
    for (size_t i = 0; i < COUNT(texts); i++) {
        struct limits l = limits_of(texts[i]), none = { .window_days = 7 };
        assert_int_equal(l.n_currencies + l.n_amounts + l.n_networks, 0);
        assert_int_equal(l.n_countries + l.n_countries_denied, 0);
        assert_int_equal(l.brands, none.brands);
        assert_int_equal(l.window_days, none.window_days);
        assert_int_equal(l.three_ds, THREE_DS_OFF);
    }
}

static void every_key_is_read(void **state)
{
    (void)state;
    struct limits l = limits_of(
        "{\"currencies\":[\"EUR\",\"USD\"],\"countries\":[\"LTU\",\"US\"],"
        "\"countries_denied\":[\"PRK\"],\"networks\":[\"10.0.0.0/8\",\"2001:db8::/32\"],"
        "\"brands\":[\"visa\",\"mastercard\"],\"min_minor\":{\"EUR\":100},"
        "\"max_minor\":{\"USD\":900,\"EUR\":500000},\"window_days\":30,\"three_ds\":\"on\"}");
    assert_int_equal(l.n_currencies, 2);
    assert_int_equal(l.currencies[0], EUR);
    assert_int_equal(l.currencies[1], USD);
    assert_int_equal(l.n_countries, 2);
    assert_int_equal(l.countries[0], LTU);
    assert_int_equal(l.countries[1], USA);
    assert_int_equal(l.n_countries_denied, 1);
    assert_int_equal(l.countries_denied[0], PRK);
    assert_int_equal(l.n_networks, 2);
    assert_int_equal(l.networks[0].bits, 96 + 8);
    assert_int_equal(l.networks[1].bits, 32);
    assert_int_equal(l.brands, 1u << BRAND_VISA | 1u << BRAND_MASTERCARD);
    assert_int_equal(l.n_amounts, 2);
    assert_int_equal(l.amounts[0].currency, EUR);
    assert_int_equal(l.amounts[0].min_minor, 100);
    assert_int_equal(l.amounts[0].max_minor, 500000);
    assert_int_equal(l.amounts[1].currency, USD);
    assert_int_equal(l.amounts[1].min_minor, 0);
    assert_int_equal(l.amounts[1].max_minor, 900);
    assert_int_equal(l.window_days, 30);
    assert_int_equal(l.three_ds, THREE_DS_ON);
}

static void the_least_and_the_most_of_each_number_are_taken(void **state)
{
    (void)state;
    assert_int_equal(limits_of("{\"window_days\":1}").window_days, 1);
    assert_int_equal(limits_of("{\"window_days\":30}").window_days, 30);
    struct limits l = limits_of("{\"min_minor\":{\"EUR\":0},\"max_minor\":{\"EUR\":1}}");
    assert_int_equal(l.n_amounts, 1);
    assert_int_equal(l.amounts[0].min_minor, 0);
    assert_int_equal(l.amounts[0].max_minor, 1);
}

static void three_ds_has_three_words(void **state)
{
    (void)state;
    assert_int_equal(limits_of("{\"three_ds\":\"off\"}").three_ds, THREE_DS_OFF);
    assert_int_equal(limits_of("{\"three_ds\":\"on\"}").three_ds, THREE_DS_ON);
    assert_int_equal(limits_of("{\"three_ds\":\"required\"}").three_ds, THREE_DS_REQUIRED);
    assert_bad("{\"three_ds\":\"maybe\"}", "three_ds");
    assert_bad("{\"three_ds\":true}", "three_ds");
}

static void a_fault_names_its_key(void **state)
{
    (void)state;
    static const struct {
        const char *json, *names;
    } bad[] = {
        { "{\"currencies\":\"EUR\"}", "currencies" },
        { "{\"currencies\":[\"eur\"]}", "currencies" },
        { "{\"currencies\":[978]}", "currencies" },
        { "{\"currencies\":[\"QQQ\"]}", "currencies" },
        { "{\"countries\":[\"Lithuania\"]}", "countries" },
        { "{\"countries\":{}}", "countries" },
        { "{\"countries_denied\":[\"QQ\"]}", "countries_denied" },
        { "{\"networks\":[\"10.0.0.0/33\"]}", "networks" },
        { "{\"networks\":[\"\"]}", "networks" },
        { "{\"brands\":[\"unknown\"]}", "brands" },
        { "{\"brands\":[\"VISA\"]}", "brands" },
        { "{\"min_minor\":[100]}", "min_minor" },
        { "{\"min_minor\":{\"EUR\":-1}}", "min_minor" },
        { "{\"min_minor\":{\"EUR\":1.5}}", "min_minor" },
        { "{\"min_minor\":{\"EUR\":\"1\"}}", "min_minor" },
        { "{\"max_minor\":{\"EURO\":1}}", "max_minor" },
        { "{\"window_days\":0}", "window_days" },
        { "{\"window_days\":31}", "window_days" },
        { "{\"window_days\":-7}", "window_days" },
        { "{\"window_days\":7.0}", "window_days" },
        { "{\"window_days\":\"7\"}", "window_days" },
        { "{\"window_days\":99999999999999}", "window_days" },
        { "{\"colour\":\"blue\"}", "colour" },
        { "{\"Currencies\":[\"EUR\"]}", "Currencies" },
        { "[]", "object" },
        { "7", "limits" },
        { "{", "limits" },
        { "{\"window_days\":7,\"window_days\":8}", "limits" },
        { "{\"window_days\":7} x", "limits" },
    };
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_bad(bad[i].json, bad[i].names);
}

/* A list of n times the same word under a key. */
static const char *long_list(const char *key, const char *word, int n)
{
    static char text[8192];
    size_t at = (size_t)snprintf(text, sizeof text, "{\"%s\":[", key);
    for (int i = 0; i < n; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s\"%s\"", i > 0 ? "," : "", word);
    (void)snprintf(text + at, sizeof text - at, "]}");
    return text;
}

static void lists_have_their_maximum(void **state)
{
    (void)state;
    assert_int_equal(limits_of(long_list("currencies", "EUR", 64)).n_currencies, 64);
    assert_bad(long_list("currencies", "EUR", 65), "currencies");
    assert_int_equal(limits_of(long_list("countries", "LT", 256)).n_countries, 256);
    assert_bad(long_list("countries", "LT", 257), "countries");
    assert_bad(long_list("countries_denied", "LT", 257), "countries_denied");
    assert_int_equal(limits_of(long_list("networks", "::1", 64)).n_networks, 64);
    assert_bad(long_list("networks", "::1", 65), "networks");
    assert_bad(long_list("brands", "visa", 100), "brands");
}

static void more_currencies_with_amounts_than_there_is_room_for_are_refused(void **state)
{
    (void)state;
    size_t n;
    const struct currency *all = currency_table(&n);
    assert_true(n > MERCHANT_MAX_CURRENCIES);
    for (int many = MERCHANT_MAX_CURRENCIES; many <= MERCHANT_MAX_CURRENCIES + 1; many++) {
        char text[4096];
        size_t at = (size_t)snprintf(text, sizeof text, "{\"max_minor\":{");
        for (int i = 0; i < many; i++)
            at += (size_t)snprintf(
                text + at, sizeof text - at, "%s\"%s\":5", i > 0 ? "," : "", all[i].code);
        (void)snprintf(text + at, sizeof text - at, "}}");
        if (many == MERCHANT_MAX_CURRENCIES)
            assert_int_equal(limits_of(text).n_amounts, MERCHANT_MAX_CURRENCIES);
        else
            assert_bad(text, "max_minor");
    }
}

static void a_short_buffer_gets_a_short_sentence(void **state)
{
    (void)state;
    struct limits l;
    char why[8];
    memset(why, 'x', sizeof why);
    assert_false(limits_parse(STR("{\"window_days\":0}"), &l, why, sizeof why));
    assert_string_equal(why, "window_");
}

static const struct {
    const char *network, *address;
    bool inside;
} addresses[] = {
    { "10.0.0.0/8", "10.255.1.2", true },
    { "10.0.0.0/8", "11.0.0.0", false },
    { "10.0.0.0/8", "::ffff:10.1.2.3", true },
    { "192.168.4.0/22", "192.168.7.255", true },
    { "192.168.4.0/22", "192.168.8.0", false },
    { "192.168.4.129/25", "192.168.4.128", true },
    { "192.168.4.129/25", "192.168.4.127", false },
    { "1.2.3.4", "1.2.3.4", true },
    { "1.2.3.4", "1.2.3.5", false },
    { "0.0.0.0/0", "255.255.255.255", true },
    { "0.0.0.0/0", "2001:db8::1", false },
    { "::/0", "2001:db8::1", true },
    { "::/0", "1.2.3.4", true },
    { "2001:db8::/33", "2001:db8:7fff::1", true },
    { "2001:db8::/33", "2001:db8:8000::1", false },
    { "2001:db8::1", "2001:db8::1", true },
    { "2001:db8::1", "2001:db8::2", false },
    { "10.0.0.0/8", "", false },
    { "10.0.0.0/8", "10.1.2.3/32", false },
    { "10.0.0.0/8", "10.1.2", false },
    { "10.0.0.0/8", " 10.1.2.3", false },
    { "::/0", "localhost", false },
    { "::/0", "1:2:3:4:5:6:7:8:9", false },
};

static void a_prefix_holds_its_addresses_and_no_others(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(addresses); i++) {
        struct network n;
        assert_true(network_parse(str_of(addresses[i].network), &n));
        if (network_contains(&n, str_of(addresses[i].address)) != addresses[i].inside)
            fail_msg("%s in %s", addresses[i].address, addresses[i].network);
    }
}

static void an_address_alone_is_the_longest_prefix(void **state)
{
    (void)state;
    static const char *const alone[] = { "1.2.3.4", "1.2.3.4/32", "2001:db8::1", "::1/128" };
    for (size_t i = 0; i < COUNT(alone); i++) {
        struct network n;
        assert_true(network_parse(str_of(alone[i]), &n));
        assert_int_equal(n.bits, 128);
    }
}

static void what_is_no_network_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "/8", "10.0.0.0/", "10.0.0.0/x", "10.0.0.0/-1",
        "10.0.0.0/33", "::/129", "::/999999999999999999999", "10.0.0.0/8/8", "256.0.0.1",
        "10.0.0.0 /8", "ffff:ffff:ffff:ffff:ffff:ffff:255.255.255.255.255.255.255.255" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct network n;
        if (network_parse(str_of(bad[i]), &n))
            fail_msg("\"%s\" was taken", bad[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(empty_text_and_an_empty_object_allow_everything_for_seven_days),
        cmocka_unit_test(every_key_is_read),
        cmocka_unit_test(the_least_and_the_most_of_each_number_are_taken),
        cmocka_unit_test(three_ds_has_three_words),
        cmocka_unit_test(a_fault_names_its_key),
        cmocka_unit_test(lists_have_their_maximum),
        cmocka_unit_test(more_currencies_with_amounts_than_there_is_room_for_are_refused),
        cmocka_unit_test(a_short_buffer_gets_a_short_sentence),
        cmocka_unit_test(a_prefix_holds_its_addresses_and_no_others),
        cmocka_unit_test(an_address_alone_is_the_longest_prefix),
        cmocka_unit_test(what_is_no_network_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
