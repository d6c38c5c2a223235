/*
 * The Genome gateway: its routes, and the way of a request through them.
 *
 *   HTTP thread      decode, validate, find the merchant, look at the reference
 *                      login remembered, or signed: admit ──► engine, or CHECK's read, answer
 *                      login not remembered: wait
 *   login's worker   right password: admit ──► engine        else wake the request
 *   engine's thread  wake the request
 *   HTTP thread      CHECK's read if it waited for the login; encode
 *
 * Whoever hands the call over does not touch it again. Bodies are never logged: they hold cards and
 * passwords.
 */
#include "api/genome/genome_internal.h"
#include "base/log.h"

#include <assert.h>

static enum http_result handle(void *context, struct http_request *r);
static void resumed(void *context, struct http_request *r);
static enum http_result help(void *context, struct http_request *r);

size_t genome_routes(struct genome *g, struct http_route *routes, size_t room)
{
    const struct http_route ours[] = {
        { "/api/cc", HTTP_POST, handle, resumed, g },
        { "/help/cc", HTTP_GET | HTTP_HEAD, help, NULL, g },
    };
    assert(room >= COUNT(ours));
    for (size_t i = 0; i < COUNT(ours); i++)
        routes[i] = ours[i];
    return COUNT(ours);
}

static enum http_result help(void *context, struct http_request *r)
{
    (void)context;
    r->response.content_type = "text/html; charset=utf-8";
    genome_write_help(&r->response.body);
    return HTTP_REPLY;
}

static struct genome_call *call_new(struct genome *g, struct http_request *r);
static void find_merchant(struct genome_call *c);
static enum http_result log_in(struct genome_call *c);
static enum http_result go_on(struct genome_call *c);
static void login_done(struct login_check *check);
static void login_failed(struct genome_call *c, enum login_result result);
static bool admit(struct genome_call *c);
static void answer(struct genome_call *c);

static enum http_result handle(void *context, struct http_request *r)
{
    struct genome *g = context;
    struct genome_call *c = call_new(g, r);
    if (c == NULL) {
        genome_encode_bare(r, clock_now_ms(g->clock));
        return HTTP_REPLY;
    }
    enum http_result result = HTTP_REPLY;
    if (genome_decode(c) && genome_validate(c)) {
        find_merchant(c);
        result = log_in(c);
    }
    if (result == HTTP_REPLY)
        answer(c);
    return result;
}

static struct genome_call *call_new(struct genome *g, struct http_request *r)
{
    struct genome_call *c = arena_new(r->arena, struct genome_call);
    if (c == NULL)
        return NULL;
    uint8_t session[16];
    struct rng rng = rng_system();
    c->g = g;
    c->http = r;
    c->now_ms = clock_now_ms(g->clock);
    c->type = GT_COUNT;
    token_make(&rng, c->now_ms, session);
    token_text(session, c->sessionid);
    r->user = c;
    return c;
}

/*
 * The reference is looked at before the login, because the login may go on in a thread that has no
 * read connection.
 */
static void find_merchant(struct genome_call *c)
{
    struct merchant_book *book = c->g->merchants;
    const struct genome_value *v = c->values;
    c->merchant = c->by_signature
                      ? merchant_by_public_key(book, FACE_GENOME, v[F_PUBLIC_KEY].text)
                      : merchant_by_login(book, FACE_GENOME, v[F_MERCHANT_ACCOUNT].text);
    bool follows = c->type == GT_SETTLE || c->type == GT_REFUND || c->type == GT_VOID;
    if (c->merchant != NULL && follows)
        genome_look_up_reference(c);
}

/* An account that does not exist never has the right password. */
static bool proved(const struct login_check *check, enum login_result result)
{
    return result == LOGIN_OK && check->merchant_id != 0;
}

/* HTTP_WAIT: the call belongs to another thread now. */
static enum http_result log_in(struct genome_call *c)
{
    if (c->by_signature) {
        enum genome_signature found =
            c->merchant != NULL ? genome_signature_look(c) : SIGNATURE_WRONG;
        if (found == SIGNATURE_FITS)
            return go_on(c);
        if (found == SIGNATURE_WRONG)
            login_failed(c, LOGIN_WRONG);
        else
            c->code = GENOME_SYSTEM_ERROR;
        return HTTP_REPLY;
    }
    struct login_check *check = &c->login;
    if (c->merchant != NULL && c->merchant->row.password_hash.n > 0) {
        check->merchant_id = c->merchant->row.id;
        check->stored_hash = c->merchant->row.password_hash;
    }
    check->password = c->values[F_MERCHANT_PASSWORD].text;
    check->account = c->values[F_MERCHANT_ACCOUNT].text;
    (void)str_copy(check->source, sizeof check->source, str_of(c->http->client_ip));
    check->done = login_done;
    check->owner = c;
    enum login_result result = login_verify(c->g->logins, check);
    if (result == LOGIN_LATER)
        return HTTP_WAIT;
    if (proved(check, result))
        return go_on(c);
    login_failed(c, result);
    return HTTP_REPLY;
}

static void submit(struct genome_call *c);

/* The credentials are proved, on an HTTP thread. */
static enum http_result go_on(struct genome_call *c)
{
    c->logged_in = true;
    if (!admit(c))
        return HTTP_REPLY;
    if (c->type == GT_CHECK) {
        genome_run_check(c);
        return HTTP_REPLY;
    }
    submit(c);
    return HTTP_WAIT;
}

/* Login's worker: the same, but that a CHECK is read when the request is back on an HTTP thread. */
static void login_done(struct login_check *check)
{
    struct genome_call *c = check->owner;
    if (proved(check, check->result)) {
        c->logged_in = true;
        if (admit(c) && c->type != GT_CHECK) {
            submit(c);
            return;
        }
    } else {
        login_failed(c, check->result);
    }
    http_resume(c->http);
}

static void login_failed(struct genome_call *c, enum login_result result)
{
    static const char *const words[] = { [LOGIN_OK] = "ok",
        [LOGIN_WRONG] = "wrong",
        [LOGIN_THROTTLED] = "throttled",
        [LOGIN_BUSY] = "busy",
        [LOGIN_LATER] = "later" };
    struct str account = c->values[c->by_signature ? F_PUBLIC_KEY : F_MERCHANT_ACCOUNT].text;
    log_event(LOG_WARN, "login.refused",
        "face=genome request=%s source=%s result=%s account=\"%.*s\"", c->http->id,
        c->http->client_ip, words[result], STR_ARG(account));
    c->code = result == LOGIN_BUSY ? GENOME_COMMUNICATION_ERROR : GENOME_WRONG_PASSWORD;
}

static void command_done(struct command *command)
{
    struct genome_call *c = command->owner;
    http_resume(c->http);
}

static void submit(struct genome_call *c)
{
    c->command.done = command_done;
    c->command.owner = c;
    c->submitted = true;
    engine_submit(c->g->engine, &c->command);
}

static void resumed(void *context, struct http_request *r)
{
    (void)context;
    struct genome_call *c = r->user;
    assert(c != NULL && c->http == r);
    if (!c->submitted && c->logged_in && c->code == GENOME_SUCCESS)
        genome_run_check(c);
    answer(c);
}

static void answer(struct genome_call *c)
{
    genome_encode(c);
    if (c->merchant != NULL)
        merchant_release(c->g->merchants, c->merchant);
    c->merchant = NULL;
}

/* ---- what is refused before the engine sees it ---- */

static bool wants_3d_secure(const struct genome_call *c)
{
    bool finishes =
        c->values[F_PARES].kind != VALUE_ABSENT &&
        (GENOME_BIT(c->type) & (GENOME_BIT(GT_AUTH) | GENOME_BIT(GT_AUTH_TOKEN) |
                                   GENOME_BIT(GT_SALE) | GENOME_BIT(GT_SALE_TOKEN))) != 0;
    return finishes || c->type == GT_AUTH3D || c->type == GT_AUTH3D_TOKEN || c->type == GT_SALE3D ||
           c->type == GT_SALE3D_TOKEN;
}

/*
 * In test mode every year from 2020 will do, so that published test cards keep working
 * (spec/genome.md §4.5).
 */
static bool has_expired(const struct genome_call *c)
{
    if (c->type != GT_AUTH && c->type != GT_SALE && c->type != GT_TOKENIZE)
        return false;
    int year, month;
    genome_expiry(c, &year, &month);
    if (!c->merchant->row.live)
        return year < 2020;
    struct utc now = utc_of(c->now_ms);
    return year < now.year || (year == now.year && month < now.month);
}

/* "CODE 3101" as the card holder of a test merchant asks for that answer; -1 when it does not. */
static int wanted_code(const struct genome_call *c)
{
    struct str holder = c->values[F_CARD_HOLDER].text;
    uint64_t code;
    bool opens = c->type == GT_AUTH || c->type == GT_AUTH_TOKEN || c->type == GT_SALE ||
                 c->type == GT_SALE_TOKEN;
    if (!opens || c->merchant->row.live || !str_starts_with(holder, STR("CODE ")) ||
        !str_to_u64(str_skip(holder, 5), 9999, &code) || genome_code_find((int)code) == NULL)
        return -1;
    return (int)code;
}

/* What the engine is to answer once it has found nothing wrong with id, reference and token. */
static enum outcome refusal(struct genome_call *c)
{
    if (wants_3d_secure(c))
        return OUT_NO_THREE_DS;
    if (has_expired(c))
        return OUT_CARD_EXPIRED_BY_DATE;
    c->wanted_code = wanted_code(c);
    return c->wanted_code > GENOME_SUCCESS ? OUT_REFUSED_BY_FACE : OUT_NONE;
}

/* Fills the command; false when the call is to be answered at once, with code. */
static bool admit(struct genome_call *c)
{
    if (c->type == GT_CHECK)
        return true;
    if (!genome_fill_command(c)) {
        c->code = GENOME_SYSTEM_ERROR;
        return false;
    }
    c->command.refuse = refusal(c);
    return true;
}
