#include "sandbox/cards.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct card_verdict ask(
    const char *merchant, const char *pan, const char *expiry, const char *cvv, int64_t amount)
{
    struct card_question q = { cards_column(str_of(merchant)), str_of(pan), str_of(expiry),
        str_of(cvv), amount, 978, 2511 };
    struct card_verdict v;
    cards_decide(&q, &v);
    return v;
}

struct published {
    const char *merchant, *pan, *expiry, *cvv;
    int64_t amount;
    const char *de39;
};

/* Each face's own list, in the words of its document. */
static const struct published published[] = {
    { "GENOME000000001", "4111111111111111", "2210", "123", 1000, "00" },
    { "GENOME000000001", "5191330000004415", "2210", "999", 1000, "00" },
    { "GENOME000000001", "4012000300001003", "3010", "123", 1000, "00" },
    { "GENOME000000001", "371449635398431", "2210", "1234", 1000, "00" },
    { "GENOME000000001", "6011111111111117", "2210", "123", 1000, "00" },
    { "GENOME000000001", "30569309025904", "2001", "123", 1000, "00" },
    { "GENOME000000001", "3530111333300000", "2210", "123", 1000, "00" },
    { "GENOME000000001", "5555555555554444", "2210", "123", 1000, "00" },
    { "GENOME000000001", "4111111111111111", "1912", "123", 1000, "54" },
    { "GENOME000000001", "4111111111111111", "3010", "123", 770051, "51" },
    { "GENOME000000001", "4111111111111111", "3010", "123", 5770005, "05" },
    { "GENOME000000001", "4111111111111111", "3010", "123", 9051, "00" },

    { "BEGATEWAY000361", "4200000000000000", "3010", "123", 1000, "00" },
    { "BEGATEWAY000361", "4005550000000019", "3010", "123", 1000, "05" },
    { "BEGATEWAY000361", "9112300000000000", "3010", "123", 1000, "00" },
    { "BEGATEWAY000361", "4012000000003010", "3010", "123", 1000, "00" },
    { "BEGATEWAY000361", "4111111111111111", "2210", "123", 1000, "54" },
    { "GENOME000000001", "4005550000000019", "3010", "123", 1000, "00" },

    { "RBS000000000001", "4444555511113333", "2412", "123", 1000, "00" },
    { "RBS000000000001", "4444555511113333", "2612", "123", 1000, "00" },
    { "RBS000000000001", "4444555511113333", "2712", "123", 1000, "N7" },
    { "RBS000000000001", "4012001038166662", "2412", "123", 1000, "00" },
    { "RBS000000000001", "5555555555555599", "3412", "123", 1000, "00" },
    { "RBS000000000001", "4111111111111111", "2612", "123", 1000, "00" },
    { "RBS000000000001", "4111111111111111", "3412", "124", 1000, "N7" },
    { "RBS000000000001", "4111111111111111", "3412", "", 1000, "00" },
    { "RBS000000000001", "4000001111111118", "3012", "123", 1000, "00" },
    { "RBS000000000001", "2202205000060910", "2806", "810", 1000, "51" },
    { "RBS000000000001", "2202202107593166", "2206", "123", 1000, "54" },
    { "RBS000000000001", "2202205000012424", "2805", "649", 1000, "00" },
    { "RBS000000000001", "2202205300068092", "2605", "583", 10000, "00" },
    { "RBS000000000001", "2202205300068092", "2605", "583", 10001, "51" },
    { "RBS000000000001", "2202206100040083", "2605", "061", 1000, "00" },
    { "RBS000000000001", "4242424242424242", "3012", "123", 1000, "56" },
    { "RBS000000000001", "4000007700030007", "3012", "123", 1000, "00" },
    { "RBS000000000001", "4000007700030510", "3012", "123", 1000, "51" },

    { "BISYS0000000001", "5479270000000000", "2203", "123", 1000, "00" },
    { "BISYS0000000001", "5479270000000000", "2204", "123", 1000, "54" },
    { "BISYS0000000001", "5479270000000000", "2203", "321", 1000, "05" },
    { "BISYS0000000001", "4111111111111111", "2412", "123", 1000, "00" },
    { "BISYS0000000001", "4111111111111111", "2612", "123", 1000, "54" },
    { "BISYS0000000001", "6011000000000004", "2412", "123", 1000, "00" },
    { "BISYS0000000001", "2201382000000013", "2412", "123", 1000, "00" },
    { "BISYS0000000001", "2201382000000062", "2412", "", 1000, "00" },
    { "BISYS0000000001", "2201382000000039", "2412", "123", 1000, "00" },
    { "BISYS0000000001", "4000000000000002", "2101", "123", 1000, "00" },
    { "BISYS0000000001", "4111111111111111", "2412", "123", 9051, "51" },
    { "BISYS0000000001", "4242424242424242", "3012", "123", 119043, "43" },
    { "BISYS0000000001", "4242424242424242", "3012", "123", 1000, "00" },
    { "BISYS0000000001", "4242424242424241", "3012", "123", 1000, "14" },

    { "OPTATUM00000001", "4000000000001091", "2801", "123", 1000, "00" },
    { "OPTATUM00000001", "4000000000001091", "2801", "123", 100400, "05" },
    { "OPTATUM00000001", "4000000000001091", "2801", "123", 920499, "51" },
    { "OPTATUM00000001", "4000000000001091", "2801", "123", 945000, "05" },
    { "OPTATUM00000001", "4000000000001091", "2801", "123", 920000, "00" },
    { "OPTATUM00000001", "4000000000001091", "2801", "123", 999999, "00" },

    { "SHOP00000000001", "4242424242424242", "2511", "123", 1000, "00" },
    { "SHOP00000000001", "4242424242424242", "2510", "123", 1000, "54" },
    { "SHOP00000000001", "4242424242424242", "", "", 1000, "00" },
    { "SHOP00000000001", "4242424242424243", "3012", "123", 1000, "14" },
    { "SHOP00000000001", "4242424242424242", "3012", "123", 770091, "91" },
    { "SHOP00000000001", "4000008400001629", "3012", "123", 1000, "05" },
};

static void published_cards_do_what_their_document_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(published); i++) {
        const struct published *p = &published[i];
        struct card_verdict v = ask(p->merchant, p->pan, p->expiry, p->cvv, p->amount);
        if (strcmp(v.de39, p->de39) != 0)
            fail_msg("row %zu: %s %s gives %s", i, p->merchant, p->pan, v.de39);
    }
}

static void every_listed_card_passes_the_luhn_check(void **state)
{
    (void)state;
    struct str pan;
    size_t n = 0;
    for (; cards_listed(n, &pan); n++)
        if (!cards_luhn(pan))
            fail_msg("%.*s", STR_ARG(pan));
    assert_true(n > 40);
}

static void the_cards_for_tests_give_the_code_they_promise(void **state)
{
    (void)state;
    size_t n;
    const struct test_card *cards = cards_for_tests(&n);
    assert_true(n > 30);
    for (size_t i = 0; i < n; i++) {
        assert_true(cards_luhn(str_of(cards[i].pan)));
        struct card_verdict v = ask("GENOME000000001", cards[i].pan, "3012", "123", 1000);
        bool plain = v.delivery == DELIVERY_ANSWER || v.delivery == DELIVERY_TWICE ||
                     v.delivery == DELIVERY_ODD_FIELDS;
        if (strcmp(plain ? v.de39 : "", cards[i].de39) != 0)
            fail_msg("%s gives %s", cards[i].pan, v.de39);
    }
}

static void selector_cards_are_known_by_their_numbers(void **state)
{
    (void)state;
    assert_int_equal(cards_scenario(STR("4000007700030007")), 0);
    assert_int_equal(cards_scenario(STR("4000007720720512")), 51);
    assert_int_equal(cards_scenario(STR("5200007700722012")), 201);
    assert_int_equal(cards_scenario(STR("340000700720005")), 0);
    assert_int_equal(cards_scenario(STR("4000007800030007")), SCENARIO_NONE);
    assert_int_equal(cards_scenario(STR("40000077000300070")), SCENARIO_NONE);
    assert_int_equal(cards_scenario(STR("4")), SCENARIO_NONE);
}

static void begateway_cvc_chooses_the_result_and_declines_nothing(void **state)
{
    (void)state;
    static const char rows[][5] = { "111M", "222N", "333U", "444E", "5550", "1231" };
    for (size_t i = 0; i < COUNT(rows); i++) {
        char cvv[4] = { rows[i][0], rows[i][1], rows[i][2], '\0' };
        struct card_verdict v = ask("BEGATEWAY000361", "4200000000000000", "3012", cvv, 1000);
        assert_string_equal(v.de39, "00");
        assert_int_equal(v.cvv_result, rows[i][3]);
    }
}

static void a_cvv_result_is_given_only_when_a_cvv_was_sent(void **state)
{
    (void)state;
    assert_int_equal(ask("SHOP", "4242424242424242", "3012", "", 1).cvv_result, 0);
    assert_int_equal(ask("SHOP", "4242424242424242", "3012", "123", 1).cvv_result, 'M');
    assert_int_equal(ask("SHOP", "4000007700031070", "3012", "123", 1).cvv_result, 'N');
    assert_int_equal(ask("RBS1", "4111111111111111", "3412", "000", 1).cvv_result, 'N');
}

static void rbs_approvals_carry_the_code_of_its_sandbox(void **state)
{
    (void)state;
    assert_string_equal(ask("RBS1", "4111111111111111", "3412", "123", 1).authcode, "123456");
    assert_null(ask("SHOP", "4111111111111111", "3412", "123", 1).authcode);
}

static void whole_amounts_follow_the_exponent_of_the_currency(void **state)
{
    (void)state;
    struct card_question q = { CARDS_OPTATUM, STR("4000000000001091"), STR("2801"), STR("123"),
        1004, 392, 2511 };
    struct card_verdict v;
    cards_decide(&q, &v); /* yen have no fraction */
    assert_string_equal(v.de39, "05");
    q.currency = 978;
    cards_decide(&q, &v);
    assert_string_equal(v.de39, "00");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_cards_do_what_their_document_says),
        cmocka_unit_test(every_listed_card_passes_the_luhn_check),
        cmocka_unit_test(the_cards_for_tests_give_the_code_they_promise),
        cmocka_unit_test(selector_cards_are_known_by_their_numbers),
        cmocka_unit_test(begateway_cvc_chooses_the_result_and_declines_nothing),
        cmocka_unit_test(a_cvv_result_is_given_only_when_a_cvv_was_sent),
        cmocka_unit_test(rbs_approvals_carry_the_code_of_its_sandbox),
        cmocka_unit_test(whole_amounts_follow_the_exponent_of_the_currency),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
