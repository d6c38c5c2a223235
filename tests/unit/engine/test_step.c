/*
 * A step of the engine: commands against the merchant's limits, routes, cards and ids, one batch as
 * one transaction, and everybody told exactly once.
 */
#include "vault/brand.h"
#include "world.h"

/* ---- the merchant's limits ---- */

static struct wish *sale_of(struct world *w, int64_t amount_minor, const char *currency)
{
    struct wish *i = wish_new(w, CMD_SALE, amount_minor);
    i->c.currency = currency_by_code(str_of(currency));
    return i;
}

static void assert_taken(struct world *w, struct wish *i)
{
    (void)submit(i);
    step(w);
    assert_waits(i);
    answer(w, last(w), "00");
    assert_told(i, OUT_APPROVED);
}

static void a_merchant_that_is_switched_off_is_refused_everything(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    w->shop = merchant_put(w, w->shop, "shop", "", false);
    static const enum command_kind kinds[] = { CMD_AUTHORIZE, CMD_SALE, CMD_TOKENIZE };
    for (size_t i = 0; i < COUNT(kinds); i++)
        assert_refused(w, ask(w, kinds[i], 1000), OUT_MERCHANT_INACTIVE);
    assert_refused(w, ask_for(w, CMD_CAPTURE, hold, 1000), OUT_MERCHANT_INACTIVE);
    assert_refused(w, ask_for(w, CMD_VOID, hold, 0), OUT_MERCHANT_INACTIVE);
    assert_refused(w, ask_for(w, CMD_REFUND, hold, 1000), OUT_MERCHANT_INACTIVE);
}

static void currencies_outside_the_list_are_refused(void **state)
{
    struct world *w = world_of(state);
    shop_limits(w, "{\"currencies\":[\"EUR\",\"USD\"]}");
    assert_taken(w, sale_of(w, 1000, "USD"));
    assert_refused(w, submit(sale_of(w, 1000, "GBP")), OUT_CURRENCY_NOT_ALLOWED);
}

static void countries_are_held_against_both_lists(void **state)
{
    struct world *w = world_of(state);
    static const struct {
        const char *limits, *country;
        enum outcome outcome; /* OUT_NONE: it is taken */
    } cases[] = {
        { "{\"countries\":[\"LTU\",\"LVA\"]}", "LV", OUT_NONE },
        { "{\"countries\":[\"LTU\",\"LVA\"]}", "EE", OUT_COUNTRY_NOT_ALLOWED },
        { "{\"countries\":[\"LTU\"]}", NULL, OUT_COUNTRY_NOT_ALLOWED },
        { "{\"countries_denied\":[\"PRK\"]}", "LT", OUT_NONE },
        { "{\"countries_denied\":[\"PRK\"]}", "KP", OUT_COUNTRY_NOT_ALLOWED },
        { "{\"countries_denied\":[\"PRK\"]}", NULL, OUT_COUNTRY_NOT_ALLOWED },
        { "{\"countries\":[\"LTU\"],\"countries_denied\":[\"LTU\"]}", "LT",
            OUT_COUNTRY_NOT_ALLOWED },
        { "", NULL, OUT_NONE },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        shop_limits(w, cases[i].limits);
        struct wish *sale = wish_new(w, CMD_SALE, 1000);
        sale->c.country =
            cases[i].country == NULL ? NULL : country_by_alpha(str_of(cases[i].country));
        if (cases[i].outcome == OUT_NONE)
            assert_taken(w, sale);
        else
            assert_refused(w, submit(sale), cases[i].outcome);
    }
}

static void addresses_outside_the_networks_are_refused(void **state)
{
    struct world *w = world_of(state);
    static const struct {
        const char *ip;
        bool taken;
    } cases[] = { { "10.1.2.3", true }, { "2001:db8::7", true }, { "11.0.0.1", false },
        { "", false }, { "nowhere", false } };
    shop_limits(w, "{\"networks\":[\"10.0.0.0/8\",\"2001:db8::/32\"]}");
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wish *sale = wish_new(w, CMD_SALE, 1000);
        sale->c.ip = str_of(cases[i].ip);
        if (cases[i].taken)
            assert_taken(w, sale);
        else
            assert_refused(w, submit(sale), OUT_IP_NOT_ALLOWED);
    }
}

static void amounts_are_held_against_the_limits_of_their_currency(void **state)
{
    struct world *w = world_of(state);
    shop_limits(w, "{\"min_minor\":{\"EUR\":100},\"max_minor\":{\"EUR\":5000,\"USD\":700}}");
    static const struct {
        int64_t minor;
        const char *currency;
        bool taken;
    } cases[] = {
        { 100, "EUR", true },
        { 99, "EUR", false },
        { 5000, "EUR", true },
        { 5001, "EUR", false },
        { 1, "USD", true },
        { 700, "USD", true },
        { 701, "USD", false },
        { INT64_C(999999999999), "GBP", true },
        { INT64_C(1000000000000), "GBP", false },
        { 0, "GBP", false },
        { -1, "GBP", false },
        { INT64_MIN, "GBP", false },
        { INT64_MAX, "GBP", false },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct wish *sale = sale_of(w, cases[i].minor, cases[i].currency);
        if (cases[i].taken)
            assert_taken(w, sale);
        else
            assert_refused(w, submit(sale), OUT_AMOUNT_NOT_ALLOWED);
    }
}

static void a_minimum_without_a_maximum_has_no_maximum(void **state)
{
    struct world *w = world_of(state);
    shop_limits(w, "{\"min_minor\":{\"EUR\":100}}");
    assert_taken(w, sale_of(w, INT64_C(999999999999), "EUR"));
}

static void brands_outside_the_list_are_refused_for_new_and_for_stored_cards(void **state)
{
    struct world *w = world_of(state);
    struct wish *stored = wish_new(w, CMD_TOKENIZE, 0);
    stored->c.card = (struct card_input) { MASTERCARD, "", 2812 };
    (void)submit(stored);
    step(w);
    shop_limits(w, "{\"brands\":[\"visa\"]}");
    assert_taken(w, sale_of(w, 1000, "EUR"));
    struct wish *fresh = wish_new(w, CMD_SALE, 1000);
    fresh->c.card = (struct card_input) { "5105105105105100", "123", 2812 };
    assert_refused(w, submit(fresh), OUT_BRAND_NOT_ALLOWED);
    struct wish *token = wish_new(w, CMD_SALE, 1000);
    memset(&token->c.card, 0, sizeof token->c.card);
    token->c.has_token = true;
    memcpy(token->c.token, stored->c.reply.token, sizeof token->c.token);
    assert_refused(w, submit(token), OUT_BRAND_NOT_ALLOWED);
    assert_int_equal(number(w, "SELECT count(*) FROM card"), 2);
}

/* The first reason in a fixed order is the one that is told. */
static void the_reasons_to_refuse_have_an_order(void **state)
{
    struct world *w = world_of(state);
    static const char *const limits[] = {
        "{\"three_ds\":\"required\",\"currencies\":[\"USD\"],\"brands\":[\"amex\"]}",
        "{\"currencies\":[\"USD\"],\"countries\":[\"LTU\"],\"networks\":[\"10.0.0.0/8\"],"
        "\"min_minor\":{\"EUR\":5000},\"brands\":[\"amex\"]}",
        "{\"countries\":[\"LTU\"],\"networks\":[\"10.0.0.0/8\"],"
        "\"min_minor\":{\"EUR\":5000},\"brands\":[\"amex\"]}",
        "{\"networks\":[\"10.0.0.0/8\"],\"min_minor\":{\"EUR\":5000},\"brands\":[\"amex\"]}",
        "{\"min_minor\":{\"EUR\":5000},\"brands\":[\"amex\"]}",
        "{\"brands\":[\"amex\"]}",
        "",
    };
    static const enum outcome outcomes[] = { OUT_THREE_DS_REQUIRED, OUT_CURRENCY_NOT_ALLOWED,
        OUT_COUNTRY_NOT_ALLOWED, OUT_IP_NOT_ALLOWED, OUT_AMOUNT_NOT_ALLOWED, OUT_BRAND_NOT_ALLOWED,
        OUT_NO_ROUTE };
    w->views[0].brands = 1u << BRAND_AMEX;
    for (size_t i = 0; i < COUNT(limits); i++) {
        shop_limits(w, limits[i]);
        assert_refused(w, ask(w, CMD_SALE, 1000), outcomes[i]);
    }
    assert_int_equal(number(w, "SELECT count(*) FROM card"), 0);
}

/* A face may have reasons of its own: they count once id and token have been looked at. */
static void what_the_face_refuses_is_refused_behind_id_and_token(void **state)
{
    struct world *w = world_of(state);
    struct wish *taken = send(w, CMD_SALE, 1000);
    answer(w, last(w), "05");
    shop_limits(w, "{\"currencies\":[\"USD\"]}");
    struct wish *wishes[] = { wish_new(w, CMD_SALE, 1000), wish_new(w, CMD_SALE, 1000),
        wish_new(w, CMD_SALE, 1000), wish_new(w, CMD_TOKENIZE, 0) };
    static const enum outcome outcomes[] = { OUT_DUPLICATE_ID, OUT_UNKNOWN_TOKEN,
        OUT_REFUSED_BY_FACE, OUT_REFUSED_BY_FACE };
    wishes[0]->c.unique_id = taken->c.unique_id;
    wishes[1]->c.has_token = true;
    memset(&wishes[1]->c.card, 0, sizeof wishes[1]->c.card);
    for (size_t i = 0; i < COUNT(wishes); i++) {
        wishes[i]->c.refuse = OUT_REFUSED_BY_FACE;
        assert_refused(w, submit(wishes[i]), outcomes[i]);
    }
    assert_int_equal(number(w, "SELECT count(*) FROM card"), 1);
}

static void a_merchant_that_must_use_3d_secure_cannot_sell_without(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    shop_limits(w, "{\"three_ds\":\"required\"}");
    assert_refused(w, ask(w, CMD_SALE, 1000), OUT_THREE_DS_REQUIRED);
    assert_refused(w, ask(w, CMD_AUTHORIZE, 1000), OUT_THREE_DS_REQUIRED);
    (void)approved_for(w, CMD_CAPTURE, hold, 1000); /* what follows a payment needs none */
    shop_limits(w, "{\"three_ds\":\"on\"}");
    (void)approved(w, CMD_SALE, 1000);
}

/* ---- routes ---- */

static void without_a_route_a_payment_is_refused_and_its_id_is_not_used_up(void **state)
{
    struct world *w = world_of(state);
    static const uint16_t usd[] = { 840 };
    w->views[0].currencies = usd;
    w->views[0].n_currencies = 1;
    struct wish *refused = ask(w, CMD_SALE, 1000);
    assert_refused(w, refused, OUT_NO_ROUTE);
    w->views[0].n_currencies = 0;
    struct wish *again = wish_new(w, CMD_SALE, 1000);
    again->c.unique_id = refused->c.unique_id;
    assert_taken(w, again);
}

static void a_full_link_is_an_overload(void **state)
{
    struct world *w = world_of(state);
    w->views[0].in_flight = w->views[0].max_in_flight;
    assert_refused(w, ask(w, CMD_SALE, 1000), OUT_OVERLOADED);
}

static void a_payment_takes_the_next_link_and_what_follows_it_the_same_acquirer(void **state)
{
    struct world *w = world_of(state);
    w->port.n_links = 3; /* main and spare share an acquirer, far has another */
    crash_and_start(w);
    w->views[0].up = false;
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    assert_string_equal(operation(w, hold)->link, "spare");
    assert_int_equal(last(w)->link, 1);
    w->views[0].up = true;
    w->views[1].up = false;
    int64_t capture = approved_for(w, CMD_CAPTURE, hold, 1000);
    assert_string_equal(operation(w, capture)->link, "main");
    assert_true(operation(w, capture)->stan > operation(w, hold)->stan); /* one counter */
    w->views[0].up = false;
    int64_t far = approved(w, CMD_SALE, 1000);
    assert_string_equal(operation(w, far)->link, "far");
    assert_int_equal(operation(w, far)->stan, 1); /* a counter of its own */
    struct wish *refund = ask_for(w, CMD_REFUND, capture, 1000);
    step(w);
    assert_told(refund, OUT_HOST_DOWN); /* the other acquirer knows nothing of the capture */
}

static void links_that_are_up_are_counted(void **state)
{
    struct world *w = world_of(state);
    w->port.n_links = 3;
    crash_and_start(w);
    step(w);
    assert_int_equal(engine_links_up(w->engine), 3);
    w->views[1].up = false;
    step(w);
    assert_int_equal(engine_links_up(w->engine), 2);
}

/* ---- cards ---- */

static struct wish *tokenize(struct world *w, const char *pan, uint16_t expiry)
{
    struct wish *i = wish_new(w, CMD_TOKENIZE, 0);
    i->c.card = (struct card_input) { "", "", expiry };
    assert_true(str_copy(i->c.card.pan, sizeof i->c.card.pan, str_of(pan)));
    return submit(i);
}

static struct wish *token_sale(struct world *w, const uint8_t token[16])
{
    struct wish *i = wish_new(w, CMD_SALE, 1000);
    memset(&i->c.card, 0, sizeof i->c.card);
    i->c.has_token = true;
    i->c.entry = ENTRY_STORED;
    memcpy(i->c.token, token, 16);
    return submit(i);
}

static struct card_row *only_card(struct world *w)
{
    struct card_row **cards;
    size_t n;
    assert_int_equal(
        store_walk_cards(w->reader, &w->arena, (struct row_key) { 0, 0 }, 10, &cards, &n),
        STORE_OK);
    assert_int_equal(n, 1);
    return cards[0];
}

static void a_card_is_stored_sealed_and_known_by_its_first_and_last_digits(void **state)
{
    struct world *w = world_of(state);
    struct wish *i = tokenize(w, VISA, 2812);
    step(w);
    assert_told(i, OUT_APPROVED);
    assert_false(i->c.reply.recorded);
    const struct card_row *card = only_card(w);
    char pan[20];
    assert_string_equal(card->bin, "411111");
    assert_string_equal(card->last4, "1111");
    assert_int_equal(card->brand, BRAND_VISA);
    assert_int_equal(card->expiry_yymm, 2812);
    assert_memory_equal(card->token, i->c.reply.token, 16);
    assert_int_equal(vault_open_card(w->vault, card, pan), VAULT_OK);
    assert_string_equal(pan, VISA);
    assert_null(memmem(card->sealed, sizeof card->sealed, "1111", 4));
    assert_int_equal(number(w, "SELECT count(*) FROM operation"), 0);
}

static void a_card_has_one_token_however_often_and_by_whatever_it_comes(void **state)
{
    struct world *w = world_of(state);
    struct wish *first = tokenize(w, VISA, 2812);
    step(w);
    struct wish *second = tokenize(w, VISA, 2812);
    step(w);
    struct wish *sale = send(w, CMD_SALE, 1000);
    answer(w, last(w), "00");
    assert_memory_equal(first->c.reply.token, second->c.reply.token, 16);
    assert_memory_equal(first->c.reply.token, sale->c.reply.token, 16);
    assert_int_equal(number(w, "SELECT count(*) FROM card"), 1);
}

static void two_new_cards_that_are_one_in_one_batch_share_a_row(void **state)
{
    struct world *w = world_of(state);
    struct wish *wishes[] = { tokenize(w, VISA, 2812), ask(w, CMD_SALE, 1000),
        ask(w, CMD_AUTHORIZE, 500), tokenize(w, MASTERCARD, 2812), tokenize(w, VISA, 3001) };
    step(w);
    assert_int_equal(number(w, "SELECT count(*) FROM card"), 2);
    answer(w, sent_for(w, id_of(wishes[1])), "00");
    answer(w, sent_for(w, id_of(wishes[2])), "00");
    for (size_t i = 0; i < COUNT(wishes); i++) {
        assert_told(wishes[i], OUT_APPROVED);
        assert_true(wishes[i]->c.reply.has_token);
        assert_int_equal(
            memcmp(wishes[0]->c.reply.token, wishes[i]->c.reply.token, 16) == 0, i != 3);
    }
    assert_true(operation(w, id_of(wishes[1]))->card_id == operation(w, id_of(wishes[2]))->card_id);
    assert_int_equal(number(w, "SELECT max(expiry_yymm) FROM card WHERE bin = '411111'"), 3001);
}

static void a_renewed_card_keeps_the_later_expiry(void **state)
{
    struct world *w = world_of(state);
    (void)tokenize(w, VISA, 2812);
    step(w);
    (void)tokenize(w, VISA, 3105);
    step(w);
    assert_int_equal(only_card(w)->expiry_yymm, 3105);
    (void)tokenize(w, VISA, 2906);
    step(w);
    assert_int_equal(only_card(w)->expiry_yymm, 3105);
    struct wish *sale = send(w, CMD_SALE, 1000); /* with 2812: what the payer typed goes out */
    assert_int_equal(last(w)->m.expiry_yymm, 2812);
    assert_int_equal(operation(w, id_of(sale))->expiry_yymm, 2812);
    assert_int_equal(only_card(w)->expiry_yymm, 3105);
    struct wish *renewed = wish_new(w, CMD_SALE, 1000); /* a payment renews it as well */
    renewed->c.card.expiry_yymm = 3211;
    (void)submit(renewed);
    step(w);
    assert_int_equal(only_card(w)->expiry_yymm, 3211);
}

static void a_token_pays_with_the_stored_card_and_without_a_cvv(void **state)
{
    struct world *w = world_of(state);
    struct wish *stored = tokenize(w, MASTERCARD, 3012);
    step(w);
    struct wish *sale = token_sale(w, stored->c.reply.token);
    step(w);
    assert_waits(sale);
    assert_string_equal(last(w)->pan, MASTERCARD);
    assert_string_equal(last(w)->cvv, "");
    assert_int_equal(last(w)->m.expiry_yymm, 3012);
    assert_int_equal(last(w)->m.entry, ENTRY_STORED);
    answer(w, last(w), "00");
    assert_told(sale, OUT_APPROVED);
    assert_memory_equal(sale->c.reply.token, stored->c.reply.token, 16);
}

static void a_token_with_a_cvv_sends_the_cvv(void **state)
{
    struct world *w = world_of(state);
    struct wish *stored = tokenize(w, VISA, 2812);
    step(w);
    struct wish *sale = wish_new(w, CMD_SALE, 1000);
    sale->c.card = (struct card_input) { "", "987", 0 };
    sale->c.has_token = true;
    memcpy(sale->c.token, stored->c.reply.token, 16);
    (void)submit(sale);
    step(w);
    assert_string_equal(last(w)->pan, VISA);
    assert_string_equal(last(w)->cvv, "987");
}

static void a_token_of_nobody_or_of_another_merchant_is_unknown(void **state)
{
    struct world *w = world_of(state);
    struct wish *stored = tokenize(w, VISA, 2812);
    step(w);
    uint8_t token[16];
    memcpy(token, stored->c.reply.token, sizeof token);
    token[15] ^= 1;
    assert_refused(w, token_sale(w, token), OUT_UNKNOWN_TOKEN);
    struct wish *other = wish_new(w, CMD_SALE, 1000);
    memset(&other->c.card, 0, sizeof other->c.card);
    other->c.merchant = w->other;
    other->c.has_token = true;
    memcpy(other->c.token, stored->c.reply.token, 16);
    assert_refused(w, submit(other), OUT_UNKNOWN_TOKEN);
}

static void the_same_card_at_two_merchants_is_two_cards(void **state)
{
    struct world *w = world_of(state);
    struct wish *mine = tokenize(w, VISA, 2812);
    struct wish *theirs = wish_new(w, CMD_TOKENIZE, 0);
    theirs->c.merchant = w->other;
    (void)submit(theirs);
    step(w);
    assert_memory_not_equal(mine->c.reply.token, theirs->c.reply.token, 16);
    assert_int_equal(number(w, "SELECT count(DISTINCT fingerprint) FROM card"), 2);
}

static void a_card_that_cannot_be_opened_sends_nothing_and_fails(void **state)
{
    struct world *w = world_of(state);
    struct wish *stored = tokenize(w, VISA, 2812);
    step(w);
    execute(w, "UPDATE card SET sealed = zeroblob(length(sealed))");
    struct wish *sale = token_sale(w, stored->c.reply.token);
    step(w);
    assert_waits(sale);
    assert_int_equal(w->n_sent, 0);
    assert_true(engine_next_due(w->engine) <= clock_now_ms(&w->clock));
    step(w);
    assert_told(sale, OUT_HOST_DOWN);
    assert_stands(w, id_of(sale), OPS_FAILED, PAY_DECLINED);
}

/* True when the text stands somewhere in the files of the database. */
static bool database_holds(struct world *w, const char *text)
{
    static const char *const files[] = { "t.db", "t.db-wal" };
    bool found = false;
    for (size_t i = 0; i < COUNT(files); i++) {
        char path[256];
        static char bytes[16 << 20];
        (void)snprintf(path, sizeof path, "%s/%s", w->folder, files[i]);
        FILE *f = fopen(path, "rb");
        assert_non_null(f);
        size_t n = fread(bytes, 1, sizeof bytes, f);
        assert_true(n < sizeof bytes && fclose(f) == 0);
        found = found || memmem(bytes, n, text, strlen(text)) != NULL;
    }
    return found;
}

static void no_card_data_stays_in_a_command_or_a_row(void **state)
{
    struct world *w = world_of(state);
    static const struct card_input nothing;
    struct wish *sale = send(w, CMD_SALE, 1000);
    assert_memory_equal(&sale->c.card, &nothing, sizeof nothing); /* while it still waits */
    answer(w, last(w), "00");
    assert_false(database_holds(w, VISA));
    assert_true(database_holds(w, "a fact"));
    struct wish *refused = ask(w, CMD_SALE, -1);
    step(w);
    assert_memory_equal(&refused->c.card, &nothing, sizeof nothing);
}

/* ---- ids ---- */

static void an_id_is_used_once(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    const struct operation_row *first = operation(w, hold);
    static const enum command_kind kinds[] = { CMD_AUTHORIZE, CMD_SALE };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        struct wish *i = wish_new(w, kinds[k], 1000);
        i->c.unique_id = first->unique_id;
        assert_refused(w, submit(i), OUT_DUPLICATE_ID);
    }
    static const enum command_kind follow_ups[] = { CMD_CAPTURE, CMD_VOID, CMD_REFUND };
    for (size_t k = 0; k < COUNT(follow_ups); k++) {
        struct wish *i = wish_new(w, follow_ups[k], 1000);
        i->c.unique_id = first->unique_id;
        i->c.reference = hold;
        assert_refused(w, submit(i), OUT_DUPLICATE_ID);
    }
    assert_stands(w, hold, OPS_APPROVED, PAY_AUTHORIZED);
}

static void an_id_of_one_character_is_an_id(void **state)
{
    struct world *w = world_of(state);
    struct wish *first = wish_new(w, CMD_SALE, 1000), *second = wish_new(w, CMD_SALE, 1000);
    first->c.unique_id = second->c.unique_id = STR("7");
    (void)submit(first);
    step(w);
    answer(w, last(w), "00");
    assert_told(first, OUT_APPROVED);
    assert_refused(w, submit(second), OUT_DUPLICATE_ID);
}

static void of_two_with_the_same_id_in_one_batch_the_first_is_taken(void **state)
{
    struct world *w = world_of(state);
    struct wish *first = wish_new(w, CMD_SALE, 1000), *second = wish_new(w, CMD_SALE, 2000);
    second->c.unique_id = first->c.unique_id;
    (void)submit(first);
    (void)submit(second);
    step(w);
    assert_waits(first);
    assert_told(second, OUT_DUPLICATE_ID);
    assert_int_equal(w->n_sent, 1);
    assert_int_equal(last(w)->m.amount_minor, 1000);
}

static void an_id_is_taken_while_the_first_is_in_flight(void **state)
{
    struct world *w = world_of(state);
    struct wish *first = send(w, CMD_SALE, 1000), *second = wish_new(w, CMD_SALE, 1000);
    second->c.unique_id = first->c.unique_id;
    assert_refused(w, submit(second), OUT_DUPLICATE_ID);
    answer(w, last(w), "00");
    assert_told(first, OUT_APPROVED);
}

static void what_was_declined_failed_or_reversed_has_used_up_its_id(void **state)
{
    struct world *w = world_of(state);
    struct wish *wishes[3];
    wishes[0] = send(w, CMD_SALE, 1000);
    answer(w, last(w), "05");
    wishes[1] = send(w, CMD_SALE, 1000);
    hear(w, last(w), ACQ_SILENT, "");
    w->views[0].up = false;
    wishes[2] = ask(w, CMD_SALE, 1000);
    step(w);
    w->views[0].up = true;
    for (size_t i = 0; i < COUNT(wishes); i++) {
        struct wish *again = wish_new(w, CMD_SALE, 1000);
        again->c.unique_id = wishes[i]->c.unique_id;
        assert_refused(w, submit(again), OUT_DUPLICATE_ID);
    }
}

static void a_refused_request_leaves_its_id_to_the_next_of_the_batch(void **state)
{
    struct world *w = world_of(state);
    struct wish *first = wish_new(w, CMD_SALE, 0), *second = wish_new(w, CMD_SALE, 1000);
    second->c.unique_id = first->c.unique_id;
    (void)submit(first);
    (void)submit(second);
    step(w);
    assert_told(first, OUT_AMOUNT_NOT_ALLOWED);
    assert_waits(second);
}

static void ids_of_two_merchants_do_not_meet(void **state)
{
    struct world *w = world_of(state);
    struct wish *mine = send(w, CMD_SALE, 1000), *theirs = wish_new(w, CMD_SALE, 1000);
    theirs->c.merchant = w->other;
    theirs->c.unique_id = mine->c.unique_id;
    assert_taken(w, theirs);
}

static void calls_without_an_id_are_never_duplicates(void **state)
{
    struct world *w = world_of(state);
    for (int i = 0; i < 3; i++) {
        struct wish *sale = wish_new(w, CMD_SALE, 1000);
        sale->c.unique_id = STR_EMPTY;
        assert_taken(w, sale);
    }
}

/* ---- batches ---- */

static void a_step_with_nothing_to_do_writes_nothing(void **state)
{
    struct world *w = world_of(state);
    w->weak.commits = w->weak.loads = 0;
    step(w);
    pass(w, HOUR);
    assert_int_equal(w->weak.commits + w->weak.loads, 0);
    assert_true(engine_next_due(w->engine) == INT64_MAX);
}

static void a_batch_is_one_transaction_and_one_flush(void **state)
{
    enum { SALES = 200 };
    struct world *w = world_of(state);
    for (int i = 0; i < SALES; i++)
        (void)ask(w, CMD_SALE, 1000);
    w->weak.commits = w->flushes = 0;
    step(w);
    assert_int_equal(w->weak.commits, 1);
    assert_int_equal(w->flushes, 1);
    assert_int_equal(w->n_sent, SALES);
    for (size_t i = 0; i < SALES; i++)
        (void)give(w, w->sent[i], ACQ_ANSWERED, "00");
    step(w);
    assert_int_equal(w->weak.commits, 2);
    assert_int_equal(number(w, "SELECT count(*) FROM payment WHERE state = 5"), 0);
    assert_int_equal(number(w, "SELECT count(*) FROM payment WHERE state = 4"), SALES);
}

static void a_refusal_alone_writes_nothing(void **state)
{
    struct world *w = world_of(state);
    w->weak.commits = 0;
    assert_refused(w, ask(w, CMD_SALE, 0), OUT_AMOUNT_NOT_ALLOWED);
    assert_int_equal(w->weak.commits, 0);
}

static void more_commands_than_a_batch_holds_are_taken_in_the_next_steps_in_order(void **state)
{
    enum { MANY = 2 * BATCH_EVENTS + 88 };
    struct world *w = world_of(state);
    struct wish *wishes[MANY];
    for (int i = 0; i < MANY; i++)
        wishes[i] = ask(w, CMD_SALE, i + 1);
    assert_true(engine_has_work(w->engine));
    assert_true(engine_next_due(w->engine) == 0);
    static const size_t after[] = { BATCH_EVENTS, 2 * BATCH_EVENTS, MANY };
    for (size_t s = 0; s < COUNT(after); s++) {
        assert_true(engine_has_work(w->engine));
        step(w);
        assert_int_equal(w->n_sent, after[s]);
    }
    assert_false(engine_has_work(w->engine));
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(w->sent[i]->m.amount_minor, i + 1);
        assert_true(w->sent[i]->m.operation.id == id_of(wishes[i]));
        assert_true(i == 0 || w->sent[i]->m.stan == w->sent[i - 1]->m.stan + 1);
    }
    assert_int_equal(engine_waiting(w->engine), MANY);
    settle(w, "00");
    for (int i = 0; i < MANY; i++)
        assert_told(wishes[i], OUT_APPROVED);
    assert_int_equal(engine_waiting(w->engine), 0);
}

/* As full as it gets: answers that start new messages, repeats, windows and commands. */
static void a_full_batch_of_everything_is_taken(void **state)
{
    enum { EACH_KIND = EVENTS_PER_STEP };
    struct world *w = world_of(state);
    int64_t holds[EACH_KIND];
    for (int i = 0; i < EACH_KIND; i++)
        (void)ask(w, CMD_AUTHORIZE, 1000);
    step(w);
    for (int i = 0; i < EACH_KIND; i++) {
        holds[i] = w->sent[i]->m.operation.id;
        (void)give(w, w->sent[i], ACQ_ANSWERED, "00");
    }
    step(w);
    clock_advance(&w->clock, 7 * DAY - 10 * SECOND);
    for (int i = 0; i < EACH_KIND; i++)
        (void)ask(w, CMD_AUTHORIZE, 500); /* to be voided at the end of their own window */
    for (int i = 0; i < EACH_KIND; i++)
        (void)ask_for(w, CMD_CAPTURE, holds[i], 400);
    step(w);
    size_t captures = w->n_sent - EACH_KIND;
    for (size_t i = captures; i < w->n_sent; i++)
        (void)give(w, w->sent[i], ACQ_SILENT, "");
    step(w);
    clock_advance(&w->clock, 20 * SECOND);
    for (size_t i = captures - EACH_KIND; i < captures; i++)
        (void)give(w, w->sent[i], ACQ_SILENT, ""); /* each starts a reversal */
    for (int i = 0; i < BATCH_EVENTS; i++)
        (void)ask(w, CMD_SALE, 100);
    step(w);
    settle(w, "00");
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE state IN (1, 4)"), 0);
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE kind = 7"), EACH_KIND);
    assert_int_equal(number(w, "SELECT count(*) FROM operation WHERE kind = 6"), EACH_KIND);
    assert_int_equal(
        number(w, "SELECT count(*) FROM payment WHERE state = 4"), EACH_KIND + BATCH_EVENTS);
}

static void answers_are_decided_before_repeats_windows_and_commands(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 1000);
    struct sent *s = last(w);
    hear(w, s, ACQ_SILENT, "");
    clock_advance(&w->clock, 5 * SECOND);
    (void)give(w, s, ACQ_LATE_ANSWER, "00"); /* and the repeat is due, and a refund is asked */
    struct wish *refund = ask_for(w, CMD_REFUND, id_of(capture), 1000);
    size_t before = w->n_sent;
    step(w);
    assert_told(capture, OUT_APPROVED);
    assert_int_equal(w->n_sent, before + 1);
    assert_true(last(w)->m.operation.id == id_of(refund));
}

/* ---- who is told, and when ---- */

static void above_the_maximum_of_waiting_commands_everybody_is_sent_away_at_once(void **state)
{
    struct world *w = world_of(state);
    w->config.max_waiting = 3;
    crash_and_start(w);
    struct wish *taken[3];
    for (size_t i = 0; i < COUNT(taken); i++)
        taken[i] = ask(w, CMD_SALE, 1000);
    struct wish *away = ask(w, CMD_SALE, 1000); /* before any step */
    assert_told(away, OUT_OVERLOADED);
    assert_int_equal(engine_waiting(w->engine), 3);
    step(w);
    assert_told(ask(w, CMD_VOID, 0), OUT_OVERLOADED);
    assert_int_equal(w->n_sent, 3);
    answer(w, w->sent[0], "00");
    assert_told(taken[0], OUT_APPROVED);
    struct wish *next = send(w, CMD_SALE, 1000);
    assert_waits(next);
    assert_int_equal(engine_waiting(w->engine), 3);
}

static void letting_go_tells_everybody_and_loses_nothing(void **state)
{
    struct world *w = world_of(state);
    struct wish *sent = send(w, CMD_SALE, 1000);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 1000);
    struct wish *queued = ask(w, CMD_SALE, 1000);
    w->ending = true;
    engine_let_go(w->engine);
    assert_told(sent, OUT_PENDING);
    assert_told(capture, OUT_PENDING);
    assert_told(queued, OUT_OVERLOADED);
    assert_int_equal(engine_waiting(w->engine), 0);
    w->ending = false;
    answer(w, sent_for(w, id_of(sent)), "00"); /* nobody is told twice */
    assert_stands(w, id_of(sent), OPS_APPROVED, PAY_CAPTURED);
    crash_and_start(w);
    settle(w, "00");
    assert_stands(w, id_of(capture), OPS_APPROVED, PAY_CAPTURED);
}

static void letting_go_of_a_backlog_tells_all_of_it(void **state)
{
    struct world *w = world_of(state);
    struct wish *wishes[BATCH_EVENTS + 50];
    for (size_t i = 0; i < COUNT(wishes); i++)
        wishes[i] = ask(w, CMD_SALE, 1000);
    step(w);
    struct wish *later = ask(w, CMD_SALE, 1000); /* in the queue, behind the backlog */
    w->ending = true;
    engine_let_go(w->engine);
    engine_let_go(w->engine);
    for (size_t i = 0; i < COUNT(wishes); i++)
        assert_told(wishes[i], i < BATCH_EVENTS ? OUT_PENDING : OUT_OVERLOADED);
    assert_told(later, OUT_OVERLOADED);
}

static void a_merchant_waits_thirty_seconds_for_a_capture_and_then_hears_not_yet(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 600);
    struct sent *s = last(w);
    assert_true(engine_next_due(w->engine) == NOW_MS + 30 * SECOND);
    pass(w, 30 * SECOND - 1);
    assert_waits(capture);
    pass(w, 1);
    assert_told(capture, OUT_PENDING);
    assert_int_equal(capture->c.reply.state, OPS_SENT);
    assert_string_equal(capture->c.reply.authcode, AUTHCODE);
    assert_stands(w, id_of(capture), OPS_SENT, PAY_CAPTURING);
    answer(w, s, "00");
    assert_stands(w, id_of(capture), OPS_APPROVED, PAY_CAPTURED);
    assert_int_equal(operation(w, id_of(capture))->outcome, OUT_APPROVED);
}

static void patience_is_configured_and_ends_with_the_answer(void **state)
{
    struct world *w = world_of(state);
    w->config.advice_wait_ms = 2 * SECOND;
    crash_and_start(w);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1000);
    struct wish *capture = send_for(w, CMD_CAPTURE, hold, 600);
    answer(w, last(w), "05");
    assert_told(capture, OUT_DECLINED);
    struct wish *second = send_for(w, CMD_CAPTURE, hold, 600);
    pass(w, 2 * SECOND);
    assert_told(second, OUT_PENDING);
    answer(w, last(w), "51");
    assert_stands(w, id_of(second), OPS_DECLINED, PAY_AUTHORIZED);
    assert_int_equal(operation(w, id_of(second))->outcome, OUT_INSUFFICIENT_FUNDS);
}

static void a_sale_is_not_told_to_wait(void **state)
{
    struct world *w = world_of(state);
    struct wish *sale = send(w, CMD_SALE, 1000);
    pass(w, HOUR); /* it is the link that says silence */
    assert_waits(sale);
    hear(w, last(w), ACQ_SILENT, "");
    assert_told(sale, OUT_TIMEOUT);
}

static void count_wakes(void *self)
{
    (*(int *)self)++;
}

static void only_the_first_command_of_a_batch_wakes_the_loop(void **state)
{
    struct world *w = world_of(state);
    int wakes = 0;
    engine_set_wake(w->engine, count_wakes, &wakes);
    (void)ask(w, CMD_SALE, 1000);
    (void)ask(w, CMD_SALE, 1000);
    assert_int_equal(wakes, 1);
    step(w);
    (void)ask(w, CMD_SALE, 1000);
    assert_int_equal(wakes, 2);
    engine_wake(w->engine);
    assert_int_equal(wakes, 3);
    engine_set_wake(w->engine, NULL, NULL);
    engine_wake(w->engine);
    assert_int_equal(wakes, 3);
}

/* ---- between batches ---- */

static void new_key(struct world *w)
{
    assert_true(vault_add_key(w->vault, w->ring, clock_now_ms(&w->clock), w->why, sizeof w->why));
}

/* A number for every i: 4111 11.., with its check digit. */
static void number_card(int i, char pan[20])
{
    (void)snprintf(pan, 20, "411111%09d0", i);
    int rest = luhn_rest(str_of(pan));
    pan[15] = (char)('0' + (10 - rest) % 10);
}

static void cards_are_sealed_again_in_slices(void **state)
{
    enum { CARDS = 150 };
    struct world *w = world_of(state);
    for (int i = 0; i < CARDS; i++) {
        char pan[20];
        number_card(i, pan);
        (void)tokenize(w, pan, 2812);
    }
    step(w);
    assert_int_equal(number(w, "SELECT count(*) FROM card WHERE key_id = 1"), CARDS);
    new_key(w);
    assert_true(engine_next_due(w->engine) == INT64_MAX);
    engine_rekey(w->engine);
    static const int left[] = { CARDS - 64, CARDS - 128, 0 };
    for (size_t s = 0; s < COUNT(left); s++) {
        assert_true(engine_next_due(w->engine) == 0);
        assert_int_equal(engine_rekey_left(w->engine), -1);
        step(w);
        assert_int_equal(number(w, "SELECT count(*) FROM card WHERE key_id = 1"), left[s]);
    }
    assert_int_equal(engine_rekey_left(w->engine), 0);
    assert_true(engine_next_due(w->engine) == INT64_MAX);
    assert_true(vault_drop_old_keys(w->vault, w->ring, w->why, sizeof w->why));
    char first[20];
    number_card(0, first);
    struct wish *known = tokenize(w, first, 2812);
    step(w);
    struct wish *sale = token_sale(w, known->c.reply.token);
    step(w);
    assert_waits(sale);
    assert_string_equal(last(w)->pan, first);
    assert_int_equal(number(w, "SELECT count(*) FROM card"), CARDS);
}

static void payments_go_on_between_the_slices(void **state)
{
    struct world *w = world_of(state);
    for (int i = 0; i < 100; i++) {
        char pan[20];
        number_card(i, pan);
        (void)tokenize(w, pan, 2812);
    }
    step(w);
    new_key(w);
    engine_rekey(w->engine);
    struct wish *sale = send(w, CMD_SALE, 1000);
    answer(w, last(w), "00");
    assert_told(sale, OUT_APPROVED);
    assert_int_equal(engine_rekey_left(w->engine), 0);
}

static void a_card_that_cannot_be_opened_ends_the_sealing_and_shows(void **state)
{
    struct world *w = world_of(state);
    (void)tokenize(w, VISA, 2812);
    (void)tokenize(w, MASTERCARD, 2812);
    step(w);
    execute(w, "UPDATE card SET sealed = zeroblob(length(sealed)) WHERE bin = '555555'");
    new_key(w);
    engine_rekey(w->engine);
    step(w);
    assert_true(engine_rekey_left(w->engine) > 0);
    assert_true(engine_next_due(w->engine) == INT64_MAX);
    assert_int_equal(number(w, "SELECT count(*) FROM card WHERE key_id = 1"), 2);
}

static void a_checkpoint_is_made_between_two_steps_and_once(void **state)
{
    struct world *w = world_of(state);
    (void)approved(w, CMD_SALE, 1000);
    engine_checkpoint(w->engine);
    assert_true(engine_next_due(w->engine) == 0);
    step(w);
    assert_true(engine_next_due(w->engine) == INT64_MAX);
    (void)approved(w, CMD_SALE, 1000);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        IN_WORLD(a_merchant_that_is_switched_off_is_refused_everything),
        IN_WORLD(currencies_outside_the_list_are_refused),
        IN_WORLD(countries_are_held_against_both_lists),
        IN_WORLD(addresses_outside_the_networks_are_refused),
        IN_WORLD(amounts_are_held_against_the_limits_of_their_currency),
        IN_WORLD(a_minimum_without_a_maximum_has_no_maximum),
        IN_WORLD(brands_outside_the_list_are_refused_for_new_and_for_stored_cards),
        IN_WORLD(the_reasons_to_refuse_have_an_order),
        IN_WORLD(what_the_face_refuses_is_refused_behind_id_and_token),
        IN_WORLD(a_merchant_that_must_use_3d_secure_cannot_sell_without),
        IN_WORLD(without_a_route_a_payment_is_refused_and_its_id_is_not_used_up),
        IN_WORLD(a_full_link_is_an_overload),
        IN_WORLD(a_payment_takes_the_next_link_and_what_follows_it_the_same_acquirer),
        IN_WORLD(links_that_are_up_are_counted),
        IN_WORLD(a_card_is_stored_sealed_and_known_by_its_first_and_last_digits),
        IN_WORLD(a_card_has_one_token_however_often_and_by_whatever_it_comes),
        IN_WORLD(two_new_cards_that_are_one_in_one_batch_share_a_row),
        IN_WORLD(a_renewed_card_keeps_the_later_expiry),
        IN_WORLD(a_token_pays_with_the_stored_card_and_without_a_cvv),
        IN_WORLD(a_token_with_a_cvv_sends_the_cvv),
        IN_WORLD(a_token_of_nobody_or_of_another_merchant_is_unknown),
        IN_WORLD(the_same_card_at_two_merchants_is_two_cards),
        IN_WORLD(a_card_that_cannot_be_opened_sends_nothing_and_fails),
        IN_WORLD(no_card_data_stays_in_a_command_or_a_row),
        IN_WORLD(an_id_is_used_once),
        IN_WORLD(an_id_of_one_character_is_an_id),
        IN_WORLD(of_two_with_the_same_id_in_one_batch_the_first_is_taken),
        IN_WORLD(an_id_is_taken_while_the_first_is_in_flight),
        IN_WORLD(what_was_declined_failed_or_reversed_has_used_up_its_id),
        IN_WORLD(a_refused_request_leaves_its_id_to_the_next_of_the_batch),
        IN_WORLD(ids_of_two_merchants_do_not_meet),
        IN_WORLD(calls_without_an_id_are_never_duplicates),
        IN_WORLD(a_step_with_nothing_to_do_writes_nothing),
        IN_WORLD(a_batch_is_one_transaction_and_one_flush),
        IN_WORLD(a_refusal_alone_writes_nothing),
        IN_WORLD(more_commands_than_a_batch_holds_are_taken_in_the_next_steps_in_order),
        IN_WORLD(a_full_batch_of_everything_is_taken),
        IN_WORLD(answers_are_decided_before_repeats_windows_and_commands),
        IN_WORLD(above_the_maximum_of_waiting_commands_everybody_is_sent_away_at_once),
        IN_WORLD(letting_go_tells_everybody_and_loses_nothing),
        IN_WORLD(letting_go_of_a_backlog_tells_all_of_it),
        IN_WORLD(a_merchant_waits_thirty_seconds_for_a_capture_and_then_hears_not_yet),
        IN_WORLD(patience_is_configured_and_ends_with_the_answer),
        IN_WORLD(a_sale_is_not_told_to_wait),
        IN_WORLD(only_the_first_command_of_a_batch_wakes_the_loop),
        IN_WORLD(cards_are_sealed_again_in_slices),
        IN_WORLD(payments_go_on_between_the_slices),
        IN_WORLD(a_card_that_cannot_be_opened_ends_the_sealing_and_shows),
        IN_WORLD(a_checkpoint_is_made_between_two_steps_and_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
