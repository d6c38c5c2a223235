/*
 * The answers (spec/genome.md §4.2), written straight into the response.
 *
 * A recorded operation is answered with its reference, token and authorization code, whatever
 * became of it. What was refused before anything was written has the same keys with null in them.
 * CHECK has an array instead.
 */
#include "api/genome/genome_internal.h"
#include "http/json.h"

#include <assert.h>
#include <stdio.h>

static const char *const status_words[] = { "success", "decline", "error" };

/* What an answer says of an operation; an empty slice without a pointer is null. */
struct details {
    struct str unique_id, token, reference, authcode;
};

static void encode_details(struct buf *out, const struct details *d);
static void encode_checked(struct buf *out, const struct genome_call *c);

static void add_text(struct buf *out, struct str opening, struct str text)
{
    buf_str(out, opening);
    if (text.p != NULL)
        json_write_string(out, text);
    else
        buf_str(out, STR("null"));
}

static void add_number(struct buf *out, struct str opening, int64_t number)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%lld", (long long)number);
    assert(n > 0 && (size_t)n < sizeof digits);
    buf_str(out, opening);
    buf_add(out, digits, (size_t)n);
}

static int code_of(const struct genome_call *c)
{
    if (!c->submitted)
        return c->code;
    enum outcome outcome = c->command.reply.outcome;
    return outcome == OUT_REFUSED_BY_FACE ? c->wanted_code : genome_code_of(outcome);
}

/* A code without a row can only be a fault of ours. */
static struct str message_of(const struct genome_call *c, int code)
{
    const struct genome_code *row = genome_code_find(code);
    if (c->message.n > 0)
        return c->message;
    return str_of(row != NULL ? row->text : "general system error");
}

/* What could not be made durable has no reference, whatever had been decided. */
static bool is_recorded(const struct genome_call *c)
{
    const struct reply *r = &c->command.reply;
    return c->submitted && r->recorded && r->outcome != OUT_STORE_FAILED &&
           r->outcome != OUT_INTERNAL;
}

static struct details details_of(const struct genome_call *c, int code,
    char reference[GENOME_REFERENCE_SIZE], char token[TOKEN_TEXT_SIZE])
{
    const struct reply *r = &c->command.reply;
    bool recorded = is_recorded(c);
    bool tokenized = c->type == GT_TOKENIZE && c->submitted && r->outcome == OUT_APPROVED;
    struct details d = { STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY };
    if ((recorded || genome_status_of(code) == GENOME_IS_DECLINE) && c->type != GT_TOKENIZE)
        d.unique_id = c->values[F_UNIQUE_ID].text;
    if ((recorded || tokenized) && r->has_token) {
        token_text(r->token, token);
        d.token = str_of(token);
    }
    if (recorded) {
        genome_reference_text(r->kind, r->operation_id, reference);
        d.reference = str_of(reference);
        d.authcode = str_of(r->authcode);
    }
    return d;
}

void genome_encode(struct genome_call *c)
{
    struct buf *out = &c->http->response.body;
    int code = code_of(c);
    bool checked = c->found != NULL && code == GENOME_SUCCESS;
    add_text(out, STR("{\"api_version\":1,\"merchant_account\":"),
        c->logged_in ? str_of(c->merchant->row.login) : STR_EMPTY);
    add_text(out, STR(",\"sessionid\":"), str_of(c->sessionid));
    if (checked) {
        encode_checked(out, c);
    } else {
        char reference[GENOME_REFERENCE_SIZE], token[TOKEN_TEXT_SIZE];
        struct details d = details_of(c, code, reference, token);
        encode_details(out, &d);
        int64_t at_ms =
            c->submitted && c->command.reply.at_ms > 0 ? c->command.reply.at_ms : c->now_ms;
        add_number(out, STR(",\"timestamp\":"), at_ms / 1000);
        add_text(out, STR(",\"authcode\":"), d.authcode);
    }
    add_text(out, STR(",\"status\":"), str_of(status_words[genome_status_of(code)]));
    add_number(out, STR(",\"code\":"), code);
    add_text(out, STR(",\"message\":"), message_of(c, code));
    buf_byte(out, '}');
}

static void encode_details(struct buf *out, const struct details *d)
{
    add_text(out, STR(",\"transaction_unique_id\":"), d->unique_id);
    add_text(out, STR(",\"token\":"), d->token);
    add_text(out, STR(",\"reference\":"), d->reference);
}

/* ---- CHECK ---- */

/*
 * As the merchant was told, or will be: an opening on its way has no result yet; a void has one
 * before the bank has it. What never left is an error here, though the code is in the bank's range.
 */
static int checked_code(const struct operation_row *o, const char **status)
{
    bool opening = o->kind == OPK_AUTHORIZE || o->kind == OPK_SALE;
    if (o->outcome == OUT_NONE || o->outcome == OUT_PENDING || (opening && o->state == OPS_SENT)) {
        *status = "PROCESSING";
        return GENOME_INTERNAL_TIMEOUT;
    }
    int code = genome_code_of((enum outcome)o->outcome);
    static const char *const words[] = { "SUCCESS", "DECLINE", "ERROR" };
    *status = o->state == OPS_FAILED ? "ERROR" : words[genome_status_of(code)];
    return code;
}

static void encode_checked(struct buf *out, const struct genome_call *c)
{
    const struct operation_row *o = c->found;
    char reference[GENOME_REFERENCE_SIZE], token[TOKEN_TEXT_SIZE];
    const char *status;
    int code = checked_code(o, &status);
    genome_reference_text(o->kind, o->id, reference);
    if (c->found_card != NULL)
        token_text(c->found_card->token, token);
    add_text(out, STR(",\"transactions\":[{\"reference\":"), str_of(reference));
    add_text(
        out, STR(",\"transaction_unique_id\":"), o->unique_id.n > 0 ? o->unique_id : STR_EMPTY);
    add_text(out, STR(",\"transaction_type\":"), str_of(genome_kind_name(o->kind)));
    add_text(out, STR(",\"status\":"), str_of(status));
    add_number(out, STR(",\"code\":"), code);
    add_text(out, STR(",\"message\":"), str_of(genome_code_find(code)->value));
    add_text(out, STR(",\"token\":"), c->found_card != NULL ? str_of(token) : STR_EMPTY);
    add_number(out, STR(",\"timestamp\":"), o->created_ms / 1000);
    add_text(out, STR(",\"authcode\":"), str_of(o->authcode));
    buf_str(out, STR("}]"));
}

void genome_encode_bare(struct http_request *r, int64_t now_ms)
{
    const struct genome_code *row = genome_code_find(GENOME_SYSTEM_ERROR);
    struct buf *out = &r->response.body;
    buf_str(out, STR("{\"api_version\":1,\"merchant_account\":null,\"sessionid\":"));
    json_write_string(out, str_of(r->id));
    encode_details(out, &(struct details) { STR_EMPTY, STR_EMPTY, STR_EMPTY, STR_EMPTY });
    add_number(out, STR(",\"timestamp\":"), now_ms / 1000);
    add_number(out, STR(",\"authcode\":null,\"status\":\"error\",\"code\":"), row->code);
    add_text(out, STR(",\"message\":"), str_of(row->text));
    buf_byte(out, '}');
}
