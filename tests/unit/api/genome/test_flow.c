/*
 * A request's way through the face: bodies, login, what the engine is asked, the answers, and the
 * order of the checks.
 */
#include "fakes.h"

#include <stdio.h>
#include <unistd.h>

static void assert_text(const json_t *answer, const char *key, const char *expected)
{
    const char *said = answer_text(answer, key);
    if (expected == NULL)
        assert_null(said);
    else
        assert_string_equal(said, expected);
}

static void expect_code(json_t *body, int code)
{
    assert_int_equal(fake_code(body, NULL), code);
    json_decref(body);
}

/* The answer to something refused before anything was written. */
static void assert_erroneous(const json_t *answer, int code, const char *account)
{
    assert_int_equal(answer_code(answer), code);
    assert_int_equal(json_object_size(answer), 11);
    assert_int_equal(json_integer_value(json_object_get(answer, "api_version")), 1);
    assert_text(answer, "merchant_account", account);
    assert_int_equal(strlen(answer_text(answer, "sessionid")), 36);
    assert_text(answer, "transaction_unique_id", NULL);
    assert_text(answer, "token", NULL);
    assert_text(answer, "reference", NULL);
    assert_text(answer, "authcode", NULL);
    assert_int_equal(json_integer_value(json_object_get(answer, "timestamp")), DEMO_NOW_MS / 1000);
    assert_text(answer, "status", "error");
}

/* ---- bodies ---- */

static void expect_body(const char *content_type, const char *body, int code, const char *message)
{
    json_t *answer = fake_post_text(content_type, body);
    assert_int_equal(answer_code(answer), code);
    if (message != NULL)
        assert_text(answer, "message", message);
    json_decref(answer);
}

static void an_empty_or_shapeless_body_is_an_invalid_request(void **state)
{
    (void)state;
    static const char *const shapeless[] = { "", " \r\n", "{}", "[]", "[1,2]", "\"text\"",
        "some text" };
    for (size_t i = 0; i < COUNT(shapeless); i++)
        expect_body("text/plain", shapeless[i], 1004, "Invalid request");
    expect_body("application/json", "12", 1004, "Invalid request");
    json_t *answer = fake_post_text("application/json", "");
    assert_erroneous(answer, 1004, NULL);
    json_decref(answer);
}

static void json_that_cannot_be_read_is_a_format_error(void **state)
{
    (void)state;
    static const char *const broken[] = { "{", "{\"a\":1,}", "{\"a\":1,\"a\":2}", "{\"a\":1} x",
        "[1", "{\"a\":\"\xff\"}", "{\"a\":\"\\u0000\"}" };
    for (size_t i = 0; i < COUNT(broken); i++)
        expect_body("application/json", broken[i], 1001, "request format error");
    expect_body("application/json", "api_version=1", 1001, NULL);
}

static void json_is_read_whatever_the_content_type_says(void **state)
{
    (void)state;
    static const char *const types[] = { "", "application/json", "text/plain",
        "application/x-www-form-urlencoded; charset=utf-8", "multipart/form-data" };
    for (size_t i = 0; i < COUNT(types); i++) {
        json_t *answer = fake_post_text(types[i], bodies[0].body);
        assert_int_equal(answer_code(answer), 0);
        json_decref(answer);
    }
}

static void a_form_body_is_read_like_json(void **state)
{
    (void)state;
    expect_body("application/x-www-form-urlencoded",
        "api_version=1&merchant_account=demo_merchant&merchant_password=demo_password&"
        "transaction_unique_id=order-000001&transaction_type=REFUND&amount=10.50&currency=EUR&"
        "reference=SLFF00000006CAAC0F1B&descriptor_merchant=shop%20one",
        0, NULL);
    assert_int_equal(fake.command_seen.amount_minor, 1050);
    assert_string_equal(fake.facts_seen, "{\"descriptor_merchant\":\"shop one\"}");
    expect_body("", "api_version=1&api_version=1", 1001, NULL);
    expect_body("", "api_version=%zz", 1001, NULL);
    expect_body("multipart/form-data; boundary=x",
        "--x\r\nContent-Disposition: form-data; name=\"api_version\"\r\n\r\n2\r\n--x--\r\n", 1005,
        NULL);
    expect_body("multipart/form-data; boundary=x", "--y\r\nbroken", 1001, NULL);
}

static void too_many_fields_are_a_format_error(void **state)
{
    (void)state;
    json_t *body = body_of('A');
    char name[32];
    for (int i = 0; i < 300; i++) {
        assert_true(snprintf(name, sizeof name, "custom_%d", i) > 0);
        json_object_set_new(body, name, json_string("x"));
    }
    expect_code(body, 1001);
}

static void numbers_may_be_texts_and_texts_numbers(void **state)
{
    (void)state;
    json_t *body = body_of('A');
    json_object_set_new(body, "api_version", json_string("1"));
    json_object_set_new(body, "amount", json_string("19.99"));
    json_object_set_new(body, "card_number", json_integer(4111111111111111));
    json_object_set_new(body, "card_exp_month", json_integer(5));
    json_object_set_new(body, "card_exp_year", json_integer(2028));
    json_object_set_new(body, "cvv", json_integer(111));
    json_object_set_new(body, "zip", json_integer(2001));
    json_object_set_new(body, "transaction_unique_id", json_integer(12345678));
    expect_code(body, 0);
    assert_int_equal(fake.command_seen.amount_minor, 1999);
    assert_string_equal(fake.command_seen.card.pan, "4111111111111111");
    assert_string_equal(fake.command_seen.card.cvv, "111");
    assert_int_equal(fake.command_seen.card.expiry_yymm, 2805);
}

/* ---- what the engine is asked ---- */

static void auth_and_sale_hand_the_card_to_the_engine(void **state)
{
    (void)state;
    expect_code(body_of('A'), 0);
    const struct command *c = &fake.command_seen;
    assert_int_equal(c->kind, CMD_AUTHORIZE);
    assert_ptr_equal(c->merchant, &fake.demo);
    assert_int_equal(c->amount_minor, 1999);
    assert_string_equal(c->currency->code, "EUR");
    assert_string_equal(c->card.pan, "4111111111111111");
    assert_string_equal(c->card.cvv, "111");
    assert_int_equal(c->card.expiry_yymm, 2805);
    assert_false(c->has_token);
    assert_int_equal(c->entry, ENTRY_ECOMMERCE);
    assert_string_equal(c->country->alpha2, "US");
    assert_true(c->single_refund);
    fake.reply.kind = OPK_SALE;
    expect_code(body_of('S'), 0);
    assert_int_equal(fake.command_seen.kind, CMD_SALE);
    assert_int_equal(fake.commands, 2);
}

/* People type their card number into the wrong field. */
static void a_card_number_in_another_field_is_masked_before_it_is_kept(void **state)
{
    (void)state;
    json_t *body = body_with('A', "address", json_string("4111 1111 1111 1111"));
    json_object_set_new(body, "merchant_user_id", json_string("u-4111111111111111"));
    expect_code(body, 0);
    assert_non_null(strstr(fake.facts_seen, "\"address\":\"4111 11** **** 1111\""));
    assert_non_null(strstr(fake.facts_seen, "\"merchant_user_id\":\"u-411111******1111\""));
}

static void facts_hold_the_payer_and_never_the_card(void **state)
{
    (void)state;
    json_t *body = body_with('A', "merchant_user_id", json_string("u\"7"));
    json_object_set_new(body, "custom_x", json_string("not kept"));
    expect_code(body, 0);
    json_t *facts = json_loads(fake.facts_seen, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(facts);
    assert_int_equal(json_object_size(facts), 12);
    assert_string_equal(json_string_value(json_object_get(facts, "first_name")), "John");
    assert_string_equal(json_string_value(json_object_get(facts, "card_holder")), "John Doe");
    assert_string_equal(json_string_value(json_object_get(facts, "user_ip")), "127.0.0.1");
    assert_string_equal(json_string_value(json_object_get(facts, "merchant_user_id")), "u\"7");
    json_decref(facts);
    static const char *const never[] = { "4111111111111111", "\"111\"", "demo_password", "2028",
        "custom_x", "demo_merchant" };
    for (size_t i = 0; i < COUNT(never); i++)
        assert_null(strstr(fake.facts_seen, never[i]));
}

static void a_token_goes_to_the_engine_without_a_card(void **state)
{
    (void)state;
    expect_code(body_with('a', "cvv", json_string("321")), 0);
    const struct command *c = &fake.command_seen;
    static const uint8_t token[16] = { 0x55, 0x24, 0xfa, 0x52, 0x75, 0xd8, 0x4c, 0x7a, 0x84, 0xec,
        3, 0x9d, 0x30, 0x97, 0xab, 0x6f };
    assert_true(c->has_token);
    assert_memory_equal(c->token, token, sizeof token);
    assert_string_equal(c->card.pan, "");
    assert_string_equal(c->card.cvv, "321");
    assert_int_equal(c->entry, ENTRY_STORED);
}

static void a_token_that_cannot_be_one_is_left_to_the_engine_to_refuse(void **state)
{
    (void)state;
    static const uint8_t zeros[16];
    expect_code(body_with('a', "token", json_string("14848ff0308f8a396041ddde45de5f8ffffa")), 0);
    assert_true(fake.command_seen.has_token);
    assert_memory_equal(fake.command_seen.token, zeros, sizeof zeros);
}

static void a_known_operation(enum operation_kind kind, int64_t id)
{
    fake.operations[fake.n_operations++] = (struct operation_row) { .merchant_id = 7,
        .id = id,
        .kind = kind,
        .state = OPS_APPROVED,
        .outcome = OUT_APPROVED,
        .unique_id = STR("order-000001"),
        .card_id = 3,
        .authcode = "111313",
        .created_ms = INT64_C(1429796980555) };
    fake.cards[0] =
        (struct card_row) { .merchant_id = 7, .id = 3, .token = { 0x55, 0x19, 0x22, 0x5d } };
    fake.n_cards = 1;
}

static void settle_refund_and_void_name_the_operation(void **state)
{
    (void)state;
    a_known_operation(OPK_AUTHORIZE, 0x94D1ED5D4B);
    a_known_operation(OPK_SALE, 0x6CAAC0F1B);
    expect_code(body_of('T'), 0);
    assert_int_equal(fake.command_seen.kind, CMD_CAPTURE);
    assert_int_equal(fake.command_seen.reference, 0x94D1ED5D4B);
    assert_int_equal(fake.command_seen.amount_minor, 1999);
    expect_code(body_of('R'), 0);
    assert_int_equal(fake.command_seen.kind, CMD_REFUND);
    assert_int_equal(fake.command_seen.reference, 0x6CAAC0F1B);
    assert_true(fake.command_seen.single_refund);
    expect_code(body_of('V'), 0);
    assert_int_equal(fake.command_seen.kind, CMD_VOID);
    assert_int_equal(fake.command_seen.reference, 0x94D1ED5D4B);
    assert_null(fake.command_seen.currency);
    assert_string_equal(fake.facts_seen, "");
}

static void a_reference_that_is_none_reaches_the_engine_as_no_operation(void **state)
{
    (void)state;
    a_known_operation(OPK_AUTHORIZE, 0x94D1ED5D4B);
    static const char *const wrong[] = { "SLFF00000094D1ED5D4B", "VDFF00000094D1ED5D4B",
        "ATFF00000094D1ED5D4C", "ATFF00000094d1ed5d4b", "ATEF00000094D1ED5D4B",
        "XXFF00000094D1ED5D4B", "ATFF0000000039FDAEGG", "ATFF0000000000000000",
        "ATFFFFFFFFFFFFFFFFFF" };
    for (size_t i = 0; i < COUNT(wrong); i++) {
        expect_code(body_with('V', "reference", json_string(wrong[i])), 0);
        assert_int_equal(fake.command_seen.reference, INT64_MAX);
    }
    fake.operations[0].merchant_id = 8;
    expect_code(body_of('V'), 0);
    assert_int_equal(fake.command_seen.reference, INT64_MAX);
}

static void an_unreadable_store_leaves_the_reference_to_the_engine(void **state)
{
    (void)state;
    fake.store = STORE_FAILED;
    expect_code(body_of('V'), 0);
    assert_int_equal(fake.command_seen.reference, 0x94D1ED5D4B);
}

static void references_are_twenty_characters(void **state)
{
    (void)state;
    static const struct {
        enum operation_kind kind;
        const char *text;
    } cases[] = { { OPK_AUTHORIZE, "ATFF00000094D1ED5D4B" }, { OPK_SALE, "SLFF00000094D1ED5D4B" },
        { OPK_CAPTURE, "STFF00000094D1ED5D4B" }, { OPK_REFUND, "RFFF00000094D1ED5D4B" },
        { OPK_VOID, "VDFF00000094D1ED5D4B" } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char text[GENOME_REFERENCE_SIZE];
        genome_reference_text(cases[i].kind, 0x94D1ED5D4B, text);
        assert_string_equal(text, cases[i].text);
        enum operation_kind kind;
        int64_t id;
        assert_true(genome_reference_parse(str_of(text), &kind, &id));
        assert_int_equal(kind, cases[i].kind);
        assert_int_equal(id, 0x94D1ED5D4B);
    }
    char largest[GENOME_REFERENCE_SIZE];
    genome_reference_text(OPK_SALE, INT64_MAX, largest);
    assert_string_equal(largest, "SLFF7FFFFFFFFFFFFFFF");
}

static void references_of_3d_secure_name_nothing_yet(void **state)
{
    (void)state;
    enum operation_kind kind;
    int64_t id;
    assert_false(genome_reference_parse(STR("A3FF0000000439730A8E"), &kind, &id));
    assert_false(genome_reference_parse(STR("S3FF0000000439730A8E"), &kind, &id));
}

/* ---- answers ---- */

static void a_success_has_all_keys(void **state)
{
    (void)state;
    json_t *body = body_of('A'), *answer = fake_post(body);
    assert_int_equal(json_object_size(answer), 11);
    assert_int_equal(json_integer_value(json_object_get(answer, "api_version")), 1);
    assert_text(answer, "merchant_account", "demo_merchant");
    assert_int_equal(strlen(answer_text(answer, "sessionid")), 36);
    assert_text(answer, "transaction_unique_id", "order-000001");
    assert_text(answer, "token", "5524fa52-75d8-4c7a-84ec-039d3097ab6f");
    assert_text(answer, "reference", "ATFF00000094D1ED5D4B");
    assert_int_equal(json_integer_value(json_object_get(answer, "timestamp")), 1795298471);
    assert_text(answer, "authcode", "A1B2C3");
    assert_text(answer, "status", "success");
    assert_int_equal(answer_code(answer), 0);
    assert_text(answer, "message", "Transaction processed successfully");
    json_decref(answer);
    json_decref(body);
}

static void the_keys_come_in_the_order_of_the_document(void **state)
{
    (void)state;
    struct str text = fake_request(&fake.routes[0], "application/json", str_of(bodies[0].body));
    static const char *const keys[] = { "{\"api_version\":1,", "\"merchant_account\":",
        "\"sessionid\":", "\"transaction_unique_id\":", "\"token\":", "\"reference\":",
        "\"timestamp\":", "\"authcode\":", "\"status\":", "\"code\":", "\"message\":" };
    char copy[1024];
    assert_true(str_copy(copy, sizeof copy, text));
    const char *at = copy;
    for (size_t i = 0; i < COUNT(keys); i++) {
        at = strstr(at, keys[i]);
        assert_non_null(at);
    }
    assert_string_equal(fake.request.response.content_type, "application/json");
    fake_end();
}

static void a_decline_keeps_reference_and_token(void **state)
{
    (void)state;
    fake.reply.outcome = OUT_INSUFFICIENT_FUNDS;
    fake.reply.authcode[0] = '\0';
    json_t *body = body_of('A'), *answer = fake_post(body);
    assert_int_equal(answer_code(answer), 3101);
    assert_text(answer, "status", "decline");
    assert_text(answer, "message", "insufficient funds");
    assert_text(answer, "transaction_unique_id", "order-000001");
    assert_text(answer, "reference", "ATFF00000094D1ED5D4B");
    assert_text(answer, "token", "5524fa52-75d8-4c7a-84ec-039d3097ab6f");
    assert_text(answer, "authcode", "");
    json_decref(answer);
    json_decref(body);
}

static void a_pending_operation_has_its_reference_and_code_11(void **state)
{
    (void)state;
    fake.reply.outcome = OUT_PENDING;
    fake.reply.kind = OPK_CAPTURE;
    json_t *body = body_of('T'), *answer = fake_post(body);
    assert_int_equal(answer_code(answer), 11);
    assert_text(answer, "status", "error");
    assert_text(answer, "reference", "STFF00000094D1ED5D4B");
    json_decref(answer);
    json_decref(body);
}

static void what_the_engine_refuses_unwritten_is_answered_with_nulls(void **state)
{
    (void)state;
    fake.reply = (struct reply) { .outcome = OUT_DUPLICATE_ID };
    json_t *body = body_of('A'), *answer = fake_post(body);
    assert_erroneous(answer, 3001, "demo_merchant");
    assert_text(answer, "message", "transaction ID/ Order ID is already used");
    json_decref(answer);
    json_decref(body);
}

static void what_was_not_made_durable_has_no_reference(void **state)
{
    (void)state;
    fake.reply.outcome = OUT_STORE_FAILED;
    fake.reply.at_ms = 0;
    json_t *body = body_of('A'), *answer = fake_post(body);
    assert_erroneous(answer, 2, "demo_merchant");
    json_decref(answer);
    json_decref(body);
}

static void every_outcome_of_the_engine_gets_its_code(void **state)
{
    (void)state;
    static const enum outcome all[] = {
#define X(name, number, sentence) OUT_##name,
        OUTCOMES(X)
#undef X
    };
    for (size_t i = 0; i < COUNT(all); i++) {
        if (all[i] == OUT_REFUSED_BY_FACE)
            continue; /* the face has asked for it and knows its code: CODE n */
        fake.reply.outcome = all[i];
        expect_code(body_of('S'), genome_code_of(all[i]));
    }
}

static void tokenize_answers_a_token_alone(void **state)
{
    (void)state;
    fake.reply.recorded = false;
    json_t *body = body_of('K'), *answer = fake_post(body);
    assert_int_equal(answer_code(answer), 0);
    assert_text(answer, "token", "5524fa52-75d8-4c7a-84ec-039d3097ab6f");
    assert_text(answer, "transaction_unique_id", NULL);
    assert_text(answer, "reference", NULL);
    assert_text(answer, "authcode", NULL);
    assert_text(answer, "status", "success");
    assert_int_equal(fake.command_seen.kind, CMD_TOKENIZE);
    assert_string_equal(fake.command_seen.card.pan, "4111111111111111");
    assert_int_equal(fake.command_seen.unique_id.n, 0);
    assert_null(fake.command_seen.currency);
    json_decref(answer);
    json_decref(body);
}

static void every_answer_has_a_session_of_its_own(void **state)
{
    (void)state;
    json_t *body = body_of('A'), *one = fake_post(body), *two = fake_post(body);
    assert_string_not_equal(answer_text(one, "sessionid"), answer_text(two, "sessionid"));
    json_decref(one);
    json_decref(two);
    json_decref(body);
}

static void the_engine_may_answer_before_the_handler_returns(void **state)
{
    (void)state;
    fake.reply_at_once = true;
    expect_code(body_of('A'), 0);
}

/* ---- login ---- */

static void a_wrong_password_is_2001_and_names_no_account(void **state)
{
    (void)state;
    static const enum login_result results[] = { LOGIN_WRONG, LOGIN_THROTTLED };
    for (size_t i = 0; i < COUNT(results); i++) {
        fake.login = results[i];
        json_t *body = body_of('A'), *answer = fake_post(body);
        assert_erroneous(answer, 2001, NULL);
        assert_text(answer, "message", "incorrect value in merchant account or pass field");
        json_decref(answer);
        json_decref(body);
    }
    assert_int_equal(fake.commands, 0);
    fake.login = LOGIN_BUSY;
    expect_code(body_of('A'), 1003);
}

static void the_login_is_asked_with_what_was_sent(void **state)
{
    (void)state;
    expect_code(body_of('A'), 0);
    assert_int_equal(fake.login_seen.merchant_id, 7);
    assert_true(str_eq(fake.login_seen.stored_hash, STR("$argon2id$stored")));
    assert_string_equal(fake.password_seen, "demo_password");
    assert_string_equal(fake.account_seen, "demo_merchant");
    assert_string_equal(fake.login_seen.source, "192.0.2.7");
}

static void an_unknown_account_is_verified_as_nobody_and_never_passes(void **state)
{
    (void)state;
    expect_code(body_with('A', "merchant_account", json_string("nobody_here")), 2001);
    assert_int_equal(fake.logins, 1);
    assert_int_equal(fake.login_seen.merchant_id, 0);
    assert_int_equal(fake.login_seen.stored_hash.n, 0);
    fake.login = LOGIN_LATER;
    fake.login_late = LOGIN_OK;
    expect_code(body_with('A', "merchant_account", json_string("nobody_here")), 2001);
    assert_int_equal(fake.commands, 0);
}

static void a_late_login_goes_on_to_the_engine(void **state)
{
    (void)state;
    fake.login = LOGIN_LATER;
    fake.login_late = LOGIN_OK;
    expect_code(body_of('A'), 0);
    assert_int_equal(fake.commands, 1);
    fake.login_late = LOGIN_WRONG;
    expect_code(body_of('A'), 2001);
    fake.login_late = LOGIN_THROTTLED;
    expect_code(body_of('A'), 2001);
    assert_int_equal(fake.commands, 1);
}

static void a_late_login_may_end_without_the_engine(void **state)
{
    (void)state;
    fake.login = LOGIN_LATER;
    fake.login_late = LOGIN_OK;
    expect_code(body_of('B'), 3012);
    assert_int_equal(fake.commands, 1);
    assert_int_equal(fake.command_seen.refuse, OUT_NO_THREE_DS);
    fake.commands = 0;
    a_known_operation(OPK_AUTHORIZE, 0x94D1ED5D4B);
    expect_code(body_of('C'), 0);
    assert_int_equal(fake.commands, 0);
}

static void nothing_secret_reaches_the_log(void **state)
{
    (void)state;
    FILE *file = tmpfile();
    assert_non_null(file);
    log_setup(LOG_DEBUG, fileno(file));
    fake.login = LOGIN_WRONG;
    expect_code(body_of('A'), 2001);
    expect_code(body_with('A', "amount", json_integer(-1)), 1004);
    expect_body("application/json", "{\"card_number\":\"4111111111111111\",", 1001, NULL);
    log_setup(LOG_ERROR, -1);
    char text[4096];
    rewind(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    assert_int_equal(fclose(file), 0);
    assert_non_null(strstr(text, "event=login.refused"));
    assert_non_null(strstr(text, "result=wrong"));
    assert_non_null(strstr(text, "demo_merchant"));
    static const char *const secrets[] = { "demo_password", "4111111111111111", "411111", "John" };
    for (size_t i = 0; i < COUNT(secrets); i++)
        assert_null(strstr(text, secrets[i]));
}

/* ---- the order of the checks ---- */

static void checks_come_in_the_order_of_the_document(void **state)
{
    (void)state;
    /* Wrong in every way at once; each step mends the first fault. */
    fake.login = LOGIN_WRONG;
    fake.demo.row.active = false;
    expect_body("application/json", "{\"api_version\":2,", 1001, NULL);
    json_t *body = body_of('B');
    json_object_set_new(body, "api_version", json_integer(2));
    json_object_del(body, "zip");
    json_object_set_new(body, "cvv", json_string("x"));
    assert_int_equal(fake_code(body, NULL), 1005);
    json_object_set_new(body, "api_version", json_integer(1));
    assert_int_equal(fake_code(body, NULL), 1002);
    json_object_set_new(body, "zip", json_string("02001"));
    assert_int_equal(fake_code(body, NULL), 1004);
    json_object_del(body, "cvv");
    assert_int_equal(fake_code(body, NULL), 2001);
    fake.login = LOGIN_OK;
    assert_int_equal(fake_code(body, NULL), 2003);
    fake.demo.row.active = true;
    assert_int_equal(fake_code(body, NULL), 3012);
    json_object_set_new(body, "transaction_type", json_string("AUTH"));
    json_object_set_new(body, "card_exp_year", json_string("2019"));
    assert_int_equal(fake_code(body, NULL), 3105);
    json_object_del(body, "card_exp_year");
    json_object_set_new(body, "card_exp_year", json_string("2020"));
    assert_int_equal(fake.command_seen.refuse, OUT_CARD_EXPIRED_BY_DATE);
    expect_code(body, 0);
    assert_int_equal(fake.command_seen.refuse, OUT_NONE);
}

static void three_d_secure_types_are_answered_3012(void **state)
{
    (void)state;
    static const char letters[] = "BbDd";
    for (const char *letter = letters; *letter != '\0'; letter++) {
        json_t *body = body_of(*letter), *answer = fake_post(body);
        assert_erroneous(answer, 3012, "demo_merchant");
        assert_text(answer, "message", "account doesn't support 3D secure");
        json_decref(answer);
        json_decref(body);
    }
    json_t *body = body_with('S', "pares", json_string("eJx+/=\n"));
    json_object_set_new(body, "reference", json_string("A3FF0000000439730A8E"));
    expect_code(body, 3012);
    expect_code(body_with('A', "pares", json_string("eJx")), 3012);
    assert_int_equal(fake.command_seen.refuse, OUT_NO_THREE_DS);
}

static void zero_reaches_the_engine_which_knows_the_payment(void **state)
{
    (void)state;
    fake.reply = (struct reply) { .outcome = OUT_CAPTURE_TOO_LARGE };
    expect_code(body_with('T', "amount", json_integer(0)), 3016);
    fake.reply.outcome = OUT_REFUND_TOO_LARGE;
    expect_code(body_with('R', "amount", json_real(0.0)), 3022);
    assert_int_equal(fake.commands, 2);
    assert_int_equal(fake.command_seen.amount_minor, 0);
}

static json_t *expiring(const char *year, const char *month)
{
    json_t *body = body_with('A', "card_exp_year", json_string(year));
    json_object_set_new(body, "card_exp_month", json_string(month));
    return body;
}

static void a_test_card_may_have_expired_since_2020(void **state)
{
    (void)state;
    expect_code(expiring("2020", "01"), 0);
    expect_code(expiring("2022", "10"), 0);
    json_t *body = expiring("2019", "12"), *answer = fake_post(body);
    assert_int_equal(answer_code(answer), 3105);
    assert_text(answer, "status", "decline");
    assert_text(answer, "transaction_unique_id", "order-000001");
    assert_text(answer, "reference", NULL);
    json_decref(answer);
    json_decref(body);
}

static void a_live_card_is_good_to_the_end_of_its_month(void **state)
{
    (void)state;
    static const struct {
        const char *year, *month;
        int code;
    } cases[] = { { "2026", "11", 0 }, { "2026", "10", 3105 }, { "2025", "12", 3105 },
        { "2027", "01", 0 } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *body = expiring(cases[i].year, cases[i].month);
        json_object_set_new(body, "merchant_account", json_string("live_merchant"));
        expect_code(body, cases[i].code);
    }
}

static void a_test_card_holder_may_ask_for_a_code(void **state)
{
    (void)state;
    static const struct {
        const char *holder;
        int code;
        const char *status;
    } cases[] = { { "CODE 3101", 3101, "decline" }, { "CODE 3003", 3003, "error" },
        { "CODE 0", 0, "success" }, { "CODE 9999", 0, "success" }, { "CODE x", 0, "success" },
        { "code 3101", 0, "success" } };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *body = body_with('S', "card_holder", json_string(cases[i].holder));
        fake.reply.kind = OPK_SALE;
        json_t *answer = fake_post(body);
        assert_int_equal(answer_code(answer), cases[i].code);
        assert_text(answer, "status", cases[i].status);
        assert_int_equal(
            fake.command_seen.refuse, cases[i].code == 0 ? OUT_NONE : OUT_REFUSED_BY_FACE);
        json_decref(answer);
        json_decref(body);
    }
    json_t *body = body_with('S', "card_holder", json_string("CODE 3101"));
    json_object_set_new(body, "merchant_account", json_string("live_merchant"));
    expect_code(body, 0);
}

static void a_merchant_switched_off_may_still_check(void **state)
{
    (void)state;
    fake.demo.row.active = false;
    a_known_operation(OPK_AUTHORIZE, 0x94D1ED5D4B);
    expect_code(body_of('V'), 2003);
    expect_code(body_of('K'), 2003);
    expect_code(body_of('C'), 0);
    assert_int_equal(fake.commands, 2);
}

/* ---- CHECK ---- */

static json_t *checked_element(const json_t *answer)
{
    const json_t *transactions = json_object_get(answer, "transactions");
    assert_int_equal(json_array_size(transactions), 1);
    return json_array_get(transactions, 0);
}

static void check_shows_a_good_operation(void **state)
{
    (void)state;
    a_known_operation(OPK_AUTHORIZE, 0x94D1ED5D4B);
    json_t *body = body_of('C'), *answer = fake_post(body);
    assert_int_equal(json_object_size(answer), 7);
    assert_text(answer, "merchant_account", "demo_merchant");
    assert_int_equal(strlen(answer_text(answer, "sessionid")), 36);
    assert_text(answer, "status", "success");
    assert_int_equal(answer_code(answer), 0);
    assert_text(answer, "message", "Transaction processed successfully");
    const json_t *element = checked_element(answer);
    assert_int_equal(json_object_size(element), 9);
    assert_text(element, "reference", "ATFF00000094D1ED5D4B");
    assert_text(element, "transaction_unique_id", "order-000001");
    assert_text(element, "transaction_type", "AUTH");
    assert_text(element, "status", "SUCCESS");
    assert_int_equal(answer_code(element), 0);
    assert_text(element, "message", "SUCCESS");
    assert_text(element, "token", "5519225d-0000-0000-0000-000000000000");
    assert_int_equal(json_integer_value(json_object_get(element, "timestamp")), 1429796980);
    assert_text(element, "authcode", "111313");
    json_decref(answer);
    json_decref(body);
}

static void check_finds_by_reference_by_id_or_by_both(void **state)
{
    (void)state;
    a_known_operation(OPK_REFUND, 0x94D1ED5D4B);
    json_t *body = body_with('C', "reference", json_string("RFFF00000094D1ED5D4B"));
    assert_int_equal(fake_code(body, NULL), 0);
    json_object_del(body, "transaction_unique_id");
    assert_int_equal(fake_code(body, NULL), 0);
    json_object_set_new(body, "reference", json_string("SLFF00000094D1ED5D4B"));
    assert_int_equal(fake_code(body, NULL), 3014);
    json_object_del(body, "reference");
    json_object_set_new(body, "transaction_unique_id", json_string("order-000001"));
    expect_code(body, 0);
    body = body_with('C', "reference", json_string("RFFF00000094D1ED5D4B"));
    json_object_set_new(body, "transaction_unique_id", json_string("another"));
    expect_code(body, 3014);
    a_known_operation(OPK_SALE, 0x6CAAC0F1B);
    fake.operations[1].unique_id = STR("order-000002");
    body = body_with('C', "reference", json_string("SLFF00000006CAAC0F1B"));
    assert_int_equal(fake_code(body, NULL), 3014);
    json_object_set_new(body, "transaction_unique_id", json_string("order-000002"));
    expect_code(body, 0);
}

static void check_finds_nothing_of_another_merchant(void **state)
{
    (void)state;
    a_known_operation(OPK_AUTHORIZE, 0x94D1ED5D4B);
    fake.operations[0].merchant_id = 8;
    json_t *body = body_of('C'), *answer = fake_post(body);
    assert_erroneous(answer, 3014, "demo_merchant");
    assert_null(json_object_get(answer, "transactions"));
    json_decref(answer);
    json_decref(body);
}

static void check_of_our_own_operations_finds_nothing(void **state)
{
    (void)state;
    a_known_operation(OPK_REVERSAL, 0x94D1ED5D4B);
    fake.operations[0].unique_id = STR("order-000001");
    json_t *body = body_of('C');
    json_object_del(body, "reference");
    expect_code(body, 3014);
}

static void check_says_how_far_an_operation_is(void **state)
{
    (void)state;
    static const struct {
        enum operation_kind kind;
        enum operation_state state;
        enum outcome outcome;
        int code;
        const char *status, *message;
    } cases[] = {
        { OPK_SALE, OPS_SENT, OUT_NONE, 11, "PROCESSING", "INTERNAL SERVICE TIMEOUT" },
        { OPK_SALE, OPS_SENT, OUT_PENDING, 11, "PROCESSING", "INTERNAL SERVICE TIMEOUT" },
        { OPK_AUTHORIZE, OPS_SENT, OUT_TIMEOUT, 11, "PROCESSING", "INTERNAL SERVICE TIMEOUT" },
        { OPK_CAPTURE, OPS_SENT, OUT_PENDING, 11, "PROCESSING", "INTERNAL SERVICE TIMEOUT" },
        { OPK_VOID, OPS_SENT, OUT_APPROVED, 0, "SUCCESS", "SUCCESS" },
        { OPK_SALE, OPS_DECLINED, OUT_INSUFFICIENT_FUNDS, 3101, "DECLINE", "INSUFFICIENT FUNDS" },
        { OPK_SALE, OPS_FAILED, OUT_HOST_DOWN, 3118, "ERROR", "BANK_CONNECTION_ERROR" },
        { OPK_SALE, OPS_IN_DOUBT, OUT_TIMEOUT, 3109, "DECLINE", "TIMEOUT" },
        { OPK_SALE, OPS_REVERSED, OUT_TIMEOUT, 3109, "DECLINE", "TIMEOUT" },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        fake.n_operations = 0;
        a_known_operation(cases[i].kind, 0x94D1ED5D4B);
        fake.operations[0].state = cases[i].state;
        fake.operations[0].outcome = (uint8_t)cases[i].outcome;
        json_t *body = body_of('C');
        assert_int_equal(json_object_del(body, "reference"), 0);
        json_t *answer = fake_post(body);
        assert_int_equal(answer_code(answer), 0);
        const json_t *element = checked_element(answer);
        assert_int_equal(answer_code(element), cases[i].code);
        assert_text(element, "status", cases[i].status);
        assert_text(element, "message", cases[i].message);
        json_decref(answer);
        json_decref(body);
    }
}

static void check_without_a_card_has_no_token(void **state)
{
    (void)state;
    a_known_operation(OPK_VOID, 0x94D1ED5D4B);
    fake.operations[0].card_id = 0;
    fake.operations[0].unique_id = STR_EMPTY;
    json_t *body = body_with('C', "reference", json_string("VDFF00000094D1ED5D4B"));
    json_object_del(body, "transaction_unique_id");
    json_t *answer = fake_post(body);
    const json_t *element = checked_element(answer);
    assert_text(element, "token", NULL);
    assert_text(element, "transaction_unique_id", NULL);
    json_decref(answer);
    json_decref(body);
}

static void check_of_an_unreadable_store_is_a_database_error(void **state)
{
    (void)state;
    fake.store = STORE_FAILED;
    expect_code(body_of('C'), 2);
}

static void check_reads_nothing_for_a_wrong_password(void **state)
{
    (void)state;
    fake.login = LOGIN_WRONG;
    expect_code(body_of('C'), 2001);
    assert_int_equal(fake.loads, 0);
}

/* ---- memory and help ---- */

static void without_memory_the_answer_is_a_system_error(void **state)
{
    (void)state;
    struct http_request *r = &fake.request;
    for (size_t max = 0; max < 16 * 1024; max += 256) {
        arena_init(&fake.arena, max);
        *r = (struct http_request) { .arena = &fake.arena,
            .body = str_of(bodies[0].body),
            .content_type = STR("application/json"),
            .id = "0123456789ABCDEF" };
        buf_init(&r->response.body, 64 * 1024);
        fake.reply_at_once = true;
        if (fake.routes[0].handle(&fake.genome, r) == HTTP_WAIT)
            fake.routes[0].resumed(&fake.genome, r);
        json_t *answer = json_loadb(r->response.body.p, r->response.body.n, 0, NULL);
        assert_non_null(answer);
        assert_int_equal(json_object_size(answer), 11);
        int code = answer_code(answer);
        assert_true(code == 0 || code == 1 || code == 1001);
        assert_int_equal(fake.held, 0);
        json_decref(answer);
        fake_end();
    }
}

static void the_help_names_every_field_and_every_code(void **state)
{
    (void)state;
    struct str page = fake_request(&fake.routes[1], "", STR(""));
    char *text = calloc(1, page.n + 1);
    assert_non_null(text);
    memcpy(text, page.p, page.n);
    assert_true(strncmp(text, "<!DOCTYPE html>", 15) == 0);
    assert_non_null(strstr(text, "</body></html>"));
    for (unsigned f = 0; f < F_COUNT; f++)
        assert_non_null(strstr(text, genome_field_name((enum genome_field)f)));
    size_t count;
    const struct genome_code *codes = genome_code_table(&count);
    for (size_t i = 0; i < count; i++) {
        char row[32];
        assert_true(snprintf(row, sizeof row, "<td>%d</td>", codes[i].code) > 0);
        assert_non_null(strstr(text, row));
    }
    assert_string_equal(fake.request.response.content_type, "text/html; charset=utf-8");
    free(text);
    fake_end();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup(name, fake_setup)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_or_shapeless_body_is_an_invalid_request),
        TEST(json_that_cannot_be_read_is_a_format_error),
        TEST(json_is_read_whatever_the_content_type_says),
        TEST(a_form_body_is_read_like_json),
        TEST(too_many_fields_are_a_format_error),
        TEST(numbers_may_be_texts_and_texts_numbers),
        TEST(auth_and_sale_hand_the_card_to_the_engine),
        TEST(facts_hold_the_payer_and_never_the_card),
        TEST(a_card_number_in_another_field_is_masked_before_it_is_kept),
        cmocka_unit_test(a_card_number_in_another_field_is_masked_before_it_is_kept),
        TEST(a_token_goes_to_the_engine_without_a_card),
        TEST(a_token_that_cannot_be_one_is_left_to_the_engine_to_refuse),
        TEST(settle_refund_and_void_name_the_operation),
        TEST(a_reference_that_is_none_reaches_the_engine_as_no_operation),
        TEST(an_unreadable_store_leaves_the_reference_to_the_engine),
        TEST(references_are_twenty_characters),
        TEST(references_of_3d_secure_name_nothing_yet),
        TEST(a_success_has_all_keys),
        TEST(the_keys_come_in_the_order_of_the_document),
        TEST(a_decline_keeps_reference_and_token),
        TEST(a_pending_operation_has_its_reference_and_code_11),
        TEST(what_the_engine_refuses_unwritten_is_answered_with_nulls),
        TEST(what_was_not_made_durable_has_no_reference),
        TEST(every_outcome_of_the_engine_gets_its_code),
        TEST(tokenize_answers_a_token_alone),
        TEST(every_answer_has_a_session_of_its_own),
        TEST(the_engine_may_answer_before_the_handler_returns),
        TEST(a_wrong_password_is_2001_and_names_no_account),
        TEST(the_login_is_asked_with_what_was_sent),
        TEST(an_unknown_account_is_verified_as_nobody_and_never_passes),
        TEST(a_late_login_goes_on_to_the_engine),
        TEST(a_late_login_may_end_without_the_engine),
        TEST(nothing_secret_reaches_the_log),
        TEST(checks_come_in_the_order_of_the_document),
        TEST(three_d_secure_types_are_answered_3012),
        TEST(zero_reaches_the_engine_which_knows_the_payment),
        TEST(a_test_card_may_have_expired_since_2020),
        TEST(a_live_card_is_good_to_the_end_of_its_month),
        TEST(a_test_card_holder_may_ask_for_a_code),
        TEST(a_merchant_switched_off_may_still_check),
        TEST(check_shows_a_good_operation),
        TEST(check_finds_by_reference_by_id_or_by_both),
        TEST(check_finds_nothing_of_another_merchant),
        TEST(check_of_our_own_operations_finds_nothing),
        TEST(check_says_how_far_an_operation_is),
        TEST(check_without_a_card_has_no_token),
        TEST(check_of_an_unreadable_store_is_a_database_error),
        TEST(check_reads_nothing_for_a_wrong_password),
        TEST(without_memory_the_answer_is_a_system_error),
        TEST(the_help_names_every_field_and_every_code),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
