/*
 * The rooms around the Genome face, replaced by what a test writes down: an engine that gives the
 * next reply, a login that says what it is told, two merchants, and a store of a few rows.
 * fake_post takes a body through the face's own route, wakes it as the server would, and gives the
 * answer.
 */
#ifndef TURNPIKE_TEST_GENOME_FAKES_H
#define TURNPIKE_TEST_GENOME_FAKES_H

#include "api/genome/genome_internal.h"
#include "base/log.h"
#include "http/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>
#include <sodium.h>

enum { FAKE_ROOM = 8 };

#define DEMO_NOW_MS INT64_C(1795298470000) /* 2026-11-21 22:01:10 */

static struct {
    struct clock clock;
    struct genome genome;
    struct http_route routes[2];
    struct merchant demo, live;
    int held; /* merchants not given back */

    enum login_result login;      /* what login_verify says */
    enum login_result login_late; /* what the worker finds, when that is LOGIN_LATER */
    struct login_check *waiting_login;
    int logins;
    struct login_check login_seen;
    char password_seen[64], account_seen[64];

    struct reply reply; /* what the engine says */
    bool reply_at_once; /* before handle has returned */
    struct command *waiting_command;
    int commands;
    struct command command_seen;
    char facts_seen[4096];

    struct operation_row operations[FAKE_ROOM];
    size_t n_operations;
    struct card_row cards[FAKE_ROOM];
    size_t n_cards;
    enum store_result store;
    int loads;

    int resumes;
    struct arena arena;
    struct http_request request;
} fake;

/* ---- the rooms ---- */

const struct merchant *merchant_by_login(struct merchant_book *b, enum face face, struct str login)
{
    (void)b;
    assert_int_equal(face, FACE_GENOME);
    const struct merchant *all[] = { &fake.demo, &fake.live };
    for (size_t i = 0; i < COUNT(all); i++) {
        if (str_eq(str_of(all[i]->row.login), login)) {
            fake.held++;
            return all[i];
        }
    }
    return NULL;
}

const struct merchant *merchant_by_public_key(
    struct merchant_book *b, enum face face, struct str key)
{
    (void)b;
    assert_int_equal(face, FACE_GENOME);
    if (!str_eq(str_of(fake.demo.row.public_key), key))
        return NULL;
    fake.held++;
    return &fake.demo;
}

void merchant_release(struct merchant_book *b, const struct merchant *m)
{
    (void)b;
    assert_non_null(m);
    fake.held--;
}

enum login_result login_verify(struct login_book *b, struct login_check *c)
{
    (void)b;
    fake.logins++;
    fake.login_seen = *c;
    assert_true(str_copy(fake.password_seen, sizeof fake.password_seen, c->password));
    assert_true(str_copy(fake.account_seen, sizeof fake.account_seen, c->account));
    if (fake.login == LOGIN_LATER)
        fake.waiting_login = c;
    return fake.login;
}

void engine_submit(struct engine *e, struct command *c)
{
    (void)e;
    fake.commands++;
    fake.command_seen = *c;
    assert_true(c->facts.n < sizeof fake.facts_seen);
    (void)str_copy(fake.facts_seen, sizeof fake.facts_seen, c->facts);
    c->reply = fake.reply;
    if (!c->merchant->row.active)
        c->reply = (struct reply) { .outcome = OUT_MERCHANT_INACTIVE };
    else if (c->refuse != OUT_NONE)
        c->reply = (struct reply) { .outcome = c->refuse };
    sodium_memzero(&c->card, sizeof c->card);
    if (fake.reply_at_once)
        c->done(c);
    else
        fake.waiting_command = c;
}

void http_resume(struct http_request *r)
{
    assert_ptr_equal(r, &fake.request);
    fake.resumes++;
}

unsigned http_thread_index(void)
{
    return 0;
}

enum store_result store_load(struct store *s, struct arena *a, struct store_load *load)
{
    (void)s;
    (void)a;
    fake.loads++;
    if (fake.store != STORE_OK)
        return fake.store;
    for (size_t i = 0; i < fake.n_operations; i++) {
        struct operation_row *o = &fake.operations[i];
        for (size_t k = 0; k < load->n_operations; k++)
            if (load->operation_keys[k].merchant_id == o->merchant_id &&
                load->operation_keys[k].id == o->id)
                load->operations[k] = o;
        for (size_t k = 0; k < load->n_unique; k++)
            if (load->unique_keys[k].merchant_id == o->merchant_id &&
                str_eq(load->unique_keys[k].unique_id, o->unique_id))
                load->by_unique[k] = o;
    }
    for (size_t i = 0; i < fake.n_cards; i++)
        for (size_t k = 0; k < load->n_cards; k++)
            if (load->card_keys[k].merchant_id == fake.cards[i].merchant_id &&
                load->card_keys[k].id == fake.cards[i].id)
                load->cards[k] = &fake.cards[i];
    return STORE_OK;
}

/* ---- a test's own steps ---- */

static inline void fake_merchant(struct merchant *m, int64_t id, const char *login, bool live)
{
    *m = (struct merchant) { .row = { .id = id, .active = true, .live = live } };
    m->row.password_hash = STR("$argon2id$stored");
    assert_true(str_copy(m->row.login, sizeof m->row.login, str_of(login)));
}

static inline int fake_setup(void **state)
{
    (void)state;
    static struct store *readers[1];
    memset(&fake, 0, sizeof fake);
    clock_init_manual(&fake.clock, DEMO_NOW_MS);
    fake.genome = (struct genome) { .clock = &fake.clock, .readers = readers };
    assert_int_equal(genome_routes(&fake.genome, fake.routes, COUNT(fake.routes)), 2);
    fake_merchant(&fake.demo, 7, "demo_merchant", false);
    fake_merchant(&fake.live, 8, "live_merchant", true);
    fake.login = LOGIN_OK;
    fake.reply = (struct reply) { .outcome = OUT_APPROVED,
        .recorded = true,
        .operation_id = 0x94D1ED5D4B,
        .kind = OPK_AUTHORIZE,
        .has_token = true,
        .token = { 0x55, 0x24, 0xfa, 0x52, 0x75, 0xd8, 0x4c, 0x7a, 0x84, 0xec, 3, 0x9d, 0x30, 0x97,
            0xab, 0x6f },
        .authcode = "A1B2C3",
        .at_ms = INT64_C(1795298471999) };
    log_setup(LOG_ERROR, -1);
    return 0;
}

/* What the server does with a request; the answer's text stays until the next call of fake_end. */
static inline struct str fake_request(
    const struct http_route *route, const char *content_type, struct str body)
{
    arena_init(&fake.arena, 1024 * 1024);
    struct http_request *r = &fake.request;
    *r = (struct http_request) { .method = HTTP_POST,
        .content_type = str_of(content_type),
        .body = body,
        .client_ip = "192.0.2.7",
        .id = "0123456789ABCDEF",
        .arena = &fake.arena,
        .route = route };
    r->response.status = 200;
    r->response.content_type = "application/json";
    buf_init(&r->response.body, 4 * 1024 * 1024);
    fake.resumes = 0;
    enum http_result result = route->handle(route->context, r);
    if (fake.waiting_login != NULL) {
        struct login_check *check = fake.waiting_login;
        fake.waiting_login = NULL;
        assert_int_equal(result, HTTP_WAIT);
        check->result = fake.login_late;
        check->done(check);
    }
    if (fake.waiting_command != NULL) {
        struct command *command = fake.waiting_command;
        fake.waiting_command = NULL;
        assert_int_equal(result, HTTP_WAIT);
        command->done(command);
    }
    assert_int_equal(fake.resumes, result == HTTP_WAIT);
    if (result == HTTP_WAIT)
        route->resumed(route->context, r);
    assert_int_equal(fake.held, 0);
    assert_false(r->response.body.full);
    assert_int_equal(r->response.status, 200);
    return buf_view(&r->response.body);
}

static inline void fake_end(void)
{
    buf_free(&fake.request.response.body);
    arena_free(&fake.arena);
}

/* The answer to a body, to be given back with json_decref. */
static inline json_t *fake_post_text(const char *content_type, const char *body)
{
    struct str text = fake_request(&fake.routes[0], content_type, str_of(body));
    json_error_t error;
    json_t *answer = json_loadb(text.p, text.n, JSON_REJECT_DUPLICATES, &error);
    if (answer == NULL)
        fail_msg("not JSON: %s in %.*s", error.text, STR_ARG(text));
    fake_end();
    return answer;
}

static inline json_t *fake_post(const json_t *body)
{
    struct arena a;
    arena_init(&a, 1 << 20);
    struct str text = json_print(body, &a);
    assert_non_null(text.p);
    json_t *answer = fake_post_text("application/json", text.p);
    arena_free(&a);
    return answer;
}

static inline int answer_code(const json_t *answer)
{
    const json_t *code = json_object_get(answer, "code");
    assert_true(json_is_integer(code));
    return (int)json_integer_value(code);
}

static inline const char *answer_text(const json_t *answer, const char *key)
{
    const json_t *value = json_object_get(answer, key);
    assert_non_null(value);
    return json_is_null(value) ? NULL : json_string_value(value);
}

/* Posts, gives the code back, and the message in message[512] unless it is NULL. */
static inline int fake_code(const json_t *body, char *message)
{
    json_t *answer = fake_post(body);
    int code = answer_code(answer);
    if (message != NULL)
        assert_true(str_copy(message, 512, str_of(answer_text(answer, "message"))));
    json_decref(answer);
    return code;
}

#define ACCOUNT                                                                                    \
    "\"api_version\":1,\"merchant_account\":\"demo_merchant\","                                    \
    "\"merchant_password\":\"demo_password\","
#define AMOUNT "\"amount\":19.99,\"currency\":\"EUR\","
#define PAYER                                                                                      \
    "\"first_name\":\"John\",\"last_name\":\"Doe\",\"card_holder\":\"John Doe\","                  \
    "\"address\":\"123 Street name.\",\"city\":\"City Name\",\"state\":\"Texas\","                 \
    "\"zip\":\"02001\",\"country\":\"USA\",\"user_phone\":\"123456789\","                          \
    "\"user_email\":\"test@test.com\",\"user_ip\":\"127.0.0.1\""
#define CARD_FIELDS                                                                                \
    "\"card_number\":\"4111111111111111\",\"card_exp_month\":\"05\",\"card_exp_year\":\"2028\","   \
    "\"cvv\":\"111\","
#define TOKEN_FIELD "\"token\":\"5524fa52-75d8-4c7a-84ec-039d3097ab6f\","
#define URLS                                                                                       \
    ",\"callback_url\":\"https://shop.example/callback\","                                         \
    "\"redirect_url\":\"https://shop.example/redirect\""
#define ID(type) "\"transaction_unique_id\":\"order-000001\",\"transaction_type\":\"" type "\","

/* One letter for each form of request: lower case with a token. */
static const struct {
    char letter;
    const char *body;
} bodies[] = {
    { 'A', "{" ACCOUNT ID("AUTH") AMOUNT CARD_FIELDS PAYER "}" },
    { 'a', "{" ACCOUNT ID("AUTH") AMOUNT TOKEN_FIELD PAYER "}" },
    { 'B', "{" ACCOUNT ID("AUTH3D") AMOUNT CARD_FIELDS PAYER "}" },
    { 'b', "{" ACCOUNT ID("AUTH3D") AMOUNT TOKEN_FIELD PAYER "}" },
    { 'S', "{" ACCOUNT ID("SALE") AMOUNT CARD_FIELDS PAYER "}" },
    { 's', "{" ACCOUNT ID("SALE") AMOUNT TOKEN_FIELD PAYER "}" },
    { 'D', "{" ACCOUNT ID("SALE3D") AMOUNT CARD_FIELDS PAYER URLS "}" },
    { 'd', "{" ACCOUNT ID("SALE3D") AMOUNT TOKEN_FIELD PAYER URLS "}" },
    { 'T', "{" ACCOUNT ID("SETTLE") AMOUNT "\"reference\":\"ATFF00000094D1ED5D4B\"}" },
    { 'R', "{" ACCOUNT ID("REFUND") AMOUNT "\"reference\":\"SLFF00000006CAAC0F1B\"}" },
    { 'V', "{" ACCOUNT ID("VOID") "\"reference\":\"ATFF00000094D1ED5D4B\"}" },
    { 'C', "{" ACCOUNT ID("CHECK") "\"reference\":\"ATFF00000094D1ED5D4B\"}" },
    { 'K', "{" ACCOUNT "\"transaction_type\":\"TOKENIZE\"," CARD_FIELDS
           "\"card_holder\":\"John Doe\"}" },
};

static inline json_t *body_of(char letter)
{
    for (size_t i = 0; i < COUNT(bodies); i++)
        if (bodies[i].letter == letter) {
            json_t *body = json_loads(bodies[i].body, JSON_REJECT_DUPLICATES, NULL);
            assert_non_null(body);
            return body;
        }
    fail_msg("no body for %c", letter);
    return NULL;
}

static inline json_t *body_with(char letter, const char *key, json_t *value)
{
    json_t *body = body_of(letter);
    assert_int_equal(json_object_set_new(body, key, value), 0);
    return body;
}

#endif
