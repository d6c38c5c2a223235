/*
 * From a body to a command.
 *
 * Shops send JSON under any Content-Type, so the first byte decides before the header does. Every
 * field becomes text: a number is as good as the text of it. What was sent is kept as pairs,
 * because a signature covers fields that nobody here knows (spec/genome.md §4, §4.1).
 */
#include "api/genome/genome_internal.h"
#include "base/country.h"
#include "base/money.h"
#include "http/form.h"
#include "http/json.h"
#include "vault/brand.h"

#include <assert.h>
#include <string.h>

static const struct {
    char prefix[3];
    enum operation_kind kind;
    const char *name;
} references[] = {
    { "AT", OPK_AUTHORIZE, "AUTH" },
    { "SL", OPK_SALE, "SALE" },
    { "ST", OPK_CAPTURE, "SETTLE" },
    { "RF", OPK_REFUND, "REFUND" },
    { "VD", OPK_VOID, "VOID" },
};

static const struct {
    enum genome_type type;
    enum command_kind kind;
} commands[] = {
    { GT_AUTH, CMD_AUTHORIZE },
    { GT_AUTH_TOKEN, CMD_AUTHORIZE },
    { GT_AUTH3D, CMD_AUTHORIZE },
    { GT_AUTH3D_TOKEN, CMD_AUTHORIZE },
    { GT_SALE, CMD_SALE },
    { GT_SALE_TOKEN, CMD_SALE },
    { GT_SALE3D, CMD_SALE },
    { GT_SALE3D_TOKEN, CMD_SALE },
    { GT_SETTLE, CMD_CAPTURE },
    { GT_REFUND, CMD_REFUND },
    { GT_VOID, CMD_VOID },
    { GT_TOKENIZE, CMD_TOKENIZE },
};

/*
 * Never given out: what a reference that cannot be one stands for, so that the engine refuses it in
 * its own order.
 */
static const int64_t NO_OPERATION = INT64_MAX;

static bool decode_json(struct genome_call *c);
static bool decode_form(struct genome_call *c);
static bool looks_like_json(const struct http_request *r);
static void bind_values(struct genome_call *c);

/* ---- the body ---- */

static bool fail(struct genome_call *c, int code)
{
    c->code = code;
    return false;
}

static bool fail_shapeless(struct genome_call *c)
{
    c->message = STR("Invalid request");
    return fail(c, GENOME_INVALID_FIELDS);
}

bool genome_decode(struct genome_call *c)
{
    if (str_trim(c->http->body).n == 0)
        return fail_shapeless(c);
    bool ok = looks_like_json(c->http) ? decode_json(c) : decode_form(c);
    if (!ok)
        return false;
    if (c->n_pairs == 0)
        return fail_shapeless(c);
    bind_values(c);
    return true;
}

static bool holds(struct str text, struct str word)
{
    for (; text.n >= word.n; text = str_skip(text, 1))
        if (str_eq_nocase((struct str) { text.p, word.n }, word))
            return true;
    return false;
}

static bool is_multipart(const struct http_request *r)
{
    return holds(r->content_type, STR("multipart/form-data"));
}

static bool looks_like_json(const struct http_request *r)
{
    struct str body = str_trim(r->body);
    if (body.p[0] == '{' || body.p[0] == '[')
        return true;
    return !is_multipart(r) && (body.p[0] == '"' || holds(r->content_type, STR("json")));
}

/*
 * Adds one member as a pair; an array, object or boolean only marks the field it should have been.
 */
static bool take_member(struct genome_call *c, struct str name, const json_t *member)
{
    struct genome_pair *pair = &c->pairs[c->n_pairs++];
    pair->name = name;
    pair->number = json_is_number(member);
    if (json_is_string(member))
        pair->value = (struct str) { json_string_value(member), json_string_length(member) };
    else if (pair->number)
        return json_scalar_text(member, c->http->arena, &pair->value);
    else
        pair->other = !json_is_null(member);
    return true;
}

static bool decode_json(struct genome_call *c)
{
    char why[160];
    json_t *root = json_read_into(c->http->arena, c->http->body, why, sizeof why);
    if (root == NULL)
        return fail(c, GENOME_FORMAT_ERROR);
    bool ok = true;
    if (json_is_object(root)) {
        size_t n = json_object_size(root);
        ok = n <= FORM_MAX_FIELDS;
        c->pairs = ok ? arena_array(c->http->arena, struct genome_pair, n) : NULL;
        ok = c->pairs != NULL;
        for (void *at = json_object_iter(root); ok && at != NULL;
             at = json_object_iter_next(root, at)) {
            struct str name = { json_object_iter_key(at), json_object_iter_key_len(at) };
            ok = take_member(c, name, json_object_iter_value(at));
        }
    }
    return ok || fail(c, GENOME_FORMAT_ERROR);
}

static bool decode_form(struct genome_call *c)
{
    const struct http_request *r = c->http;
    struct form form = { 0 };
    struct str twice;
    enum form_result result = is_multipart(r)
                                  ? form_multipart(r->body, r->content_type, r->arena, &form)
                                  : form_urlencoded(r->body, r->arena, &form);
    if (result != FORM_OK || form_repeated(&form, &twice))
        return fail(c, GENOME_FORMAT_ERROR);
    c->pairs = arena_array(r->arena, struct genome_pair, form.n);
    if (c->pairs == NULL)
        return fail(c, GENOME_FORMAT_ERROR);
    size_t filled = 0;
    for (size_t i = 0; i < form.n; i++) {
        c->pairs[i] =
            (struct genome_pair) { .name = form.fields[i].name, .value = form.fields[i].value };
        filled += form.fields[i].value.n > 0;
    }
    c->n_pairs = filled > 0 ? form.n : 0; /* "some text" is a name without a value: no shape */
    return true;
}

/* 5 as a JSON number is the month "05": JSON has no other way to write it. */
static struct str month_of_number(struct genome_call *c, struct str text)
{
    return text.n == 1 ? arena_printf(c->http->arena, "0%.*s", STR_ARG(text)) : text;
}

static void bind_values(struct genome_call *c)
{
    for (size_t i = 0; i < c->n_pairs; i++) {
        const struct genome_pair *pair = &c->pairs[i];
        enum genome_field f;
        if ((pair->value.n == 0 && !pair->other) || !genome_field_find(pair->name, &f))
            continue;
        c->values[f].kind = pair->other ? VALUE_OTHER : VALUE_TEXT;
        c->values[f].text =
            f == F_CARD_EXP_MONTH && pair->number ? month_of_number(c, pair->value) : pair->value;
    }
    bool with_token = c->values[F_TOKEN].kind != VALUE_ABSENT;
    c->type = genome_type_find(c->values[F_TRANSACTION_TYPE].text, with_token);
    c->by_signature = str_eq(c->values[F_AUTH_TYPE].text, STR("bySignature"));
}

/* ---- the command ---- */

static bool fill_facts(struct genome_call *c);
static void fill_card(struct genome_call *c);

bool genome_fill_command(struct genome_call *c)
{
    struct command *command = &c->command;
    const struct genome_value *v = c->values;
    for (size_t i = 0; i < COUNT(commands); i++)
        if (commands[i].type == c->type)
            command->kind = commands[i].kind;
    command->merchant = c->merchant;
    command->single_refund = true;
    if (c->type == GT_TOKENIZE) {
        fill_card(c);
        return true;
    }
    command->unique_id = v[F_UNIQUE_ID].text;
    if (c->type != GT_VOID) {
        command->currency = currency_by_code(v[F_CURRENCY].text);
        assert(command->currency != NULL);
        enum money_result result =
            money_parse(v[F_AMOUNT].text, command->currency->exponent, &command->amount_minor);
        assert(result == MONEY_OK);
    }
    if (c->type == GT_SETTLE || c->type == GT_REFUND || c->type == GT_VOID) {
        enum operation_kind kind;
        if (!c->reference_fits ||
            !genome_reference_parse(v[F_REFERENCE].text, &kind, &command->reference))
            command->reference = NO_OPERATION;
    } else {
        fill_card(c);
        command->country = country_by_alpha(v[F_COUNTRY].text);
        command->ip = v[F_USER_IP].text;
    }
    return fill_facts(c);
}

/* Digits that have been checked. */
static int number_of(struct str digits)
{
    uint64_t value = 0;
    bool ok = str_to_u64(digits, 9999, &value);
    assert(ok);
    return (int)value;
}

void genome_expiry(const struct genome_call *c, int *year, int *month)
{
    *year = number_of(c->values[F_CARD_EXP_YEAR].text);
    *month = number_of(c->values[F_CARD_EXP_MONTH].text);
}

static void fill_card(struct genome_call *c)
{
    struct command *command = &c->command;
    const struct genome_value *v = c->values;
    bool ok = str_copy(command->card.cvv, sizeof command->card.cvv, v[F_CVV].text);
    assert(ok);
    if (v[F_TOKEN].kind != VALUE_ABSENT && c->type != GT_TOKENIZE) {
        command->entry = ENTRY_STORED;
        command->has_token = true;
        if (!token_parse(v[F_TOKEN].text, command->token))
            memset(command->token, 0, sizeof command->token); /* no card has this one */
        return;
    }
    command->entry = ENTRY_ECOMMERCE;
    ok = str_copy(command->card.pan, sizeof command->card.pan, v[F_CARD_NUMBER].text);
    assert(ok);
    int year, month;
    genome_expiry(c, &year, &month);
    command->card.expiry_yymm = (uint16_t)(year % 100 * 100 + month);
}

/*
 * Only fields that have passed a rule of this type are kept, and a card number that somebody typed
 * into one of them is not.
 */
static bool fill_facts(struct genome_call *c)
{
    enum { FACTS_MAX = 16 * 1024 };
    size_t count;
    const struct genome_rule *rules = genome_rules(&count);
    unsigned bits = genome_rule_bits(c);
    struct buf json;
    buf_init(&json, FACTS_MAX);
    for (size_t i = 0; i < count; i++) {
        enum genome_field f = rules[i].field;
        if (((rules[i].required | rules[i].optional) & bits) == 0 || !genome_field_kept(f) ||
            c->values[f].kind != VALUE_TEXT)
            continue;
        buf_byte(&json, json.n == 0 ? '{' : ',');
        json_write_string(&json, str_of(genome_field_name(f)));
        buf_byte(&json, ':');
        size_t before = json.n;
        json_write_string(&json, c->values[f].text);
        brand_mask_cards(json.p + before, json.n - before);
    }
    if (json.n > 0)
        buf_byte(&json, '}');
    c->command.facts = arena_str(c->http->arena, buf_view(&json));
    bool ok = !json.full && c->command.facts.p != NULL;
    buf_free(&json);
    return ok;
}

/* ---- references ---- */

void genome_reference_text(enum operation_kind kind, int64_t id, char out[GENOME_REFERENCE_SIZE])
{
    assert(genome_kind_name(kind) != NULL && id >= 0);
    size_t row = 0;
    while (references[row].kind != kind)
        row++;
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)((uint64_t)id >> (56 - 8 * i));
    memcpy(out, references[row].prefix, 2);
    memcpy(out + 2, "FF", 2);
    hex_upper(bytes, sizeof bytes, out + 4);
    out[GENOME_REFERENCE_SIZE - 1] = '\0';
}

bool genome_reference_parse(struct str text, enum operation_kind *kind, int64_t *id)
{
    if (text.n != GENOME_REFERENCE_SIZE - 1 || text.p[2] != 'F' || text.p[3] != 'F')
        return false;
    for (size_t i = 4; i < text.n; i++)
        if (text.p[i] >= 'a' && text.p[i] <= 'f')
            return false;
    uint64_t value;
    if (!str_to_hex64(str_skip(text, 4), &value) || value == 0 || value > INT64_MAX)
        return false;
    for (size_t i = 0; i < COUNT(references); i++) {
        if (memcmp(references[i].prefix, text.p, 2) == 0) {
            *kind = references[i].kind;
            *id = (int64_t)value;
            return true;
        }
    }
    return false;
}

const char *genome_kind_name(enum operation_kind kind)
{
    for (size_t i = 0; i < COUNT(references); i++)
        if (references[i].kind == kind)
            return references[i].name;
    return NULL;
}
