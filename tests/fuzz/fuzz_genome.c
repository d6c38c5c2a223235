/*
 * The Genome face's decoder: a body under some Content-Type becomes a command that the engine may
 * rely on, or an error of the face's own table; and either can be answered as JSON.
 *
 * The first byte picks the Content-Type: a letter of content_types, or 'c' for the body's first
 * line. A capital letter says that the reference, where there is one, is of the right kind.
 */
#include "face.h"
#include "fuzz.h"

#include "api/genome/genome_internal.h"
#include "http/json.h"
#include "http/text.h"

static const struct {
    char letter;
    struct str type;
} content_types[] = {
    { 'j', { "application/json", 16 } },
    { 'f', { "application/x-www-form-urlencoded", 33 } },
    { 'm', { "multipart/form-data; boundary=b", 31 } },
    { 't', { "text/plain; charset=utf-8", 25 } },
    { 'n', { "", 0 } },
};

static const enum outcome outcomes[] = {
#define X(name, number, sentence) OUT_##name,
    OUTCOMES(X)
#undef X
};

static struct face_bench face;
static struct merchant merchant;
static struct genome_call call;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    face_init(&face);
    merchant.row = (struct merchant_row) { .id = 7, .active = true };
    bool ok = str_copy(merchant.row.login, sizeof merchant.row.login, STR("demo_merchant"));
    assert(ok);
    return 0;
}

/* ---- a command ---- */

static bool pays(const struct command *c)
{
    return c->kind == CMD_AUTHORIZE || c->kind == CMD_SALE;
}

static void check_entry(const struct command *c)
{
    if (pays(c) && c->has_token) {
        assert(c->card.pan[0] == '\0' && c->entry == ENTRY_STORED);
    } else {
        face_check_card(&c->card);
        assert(c->entry == ENTRY_ECOMMERCE && !c->has_token);
    }
    face_check_cvv(&c->card);
}

/* The rest is what engine/command.h says of each member. */
static void check_command(const struct command *c)
{
    face_check_money(c, c->kind != CMD_VOID && c->kind != CMD_TOKENIZE);
    face_check_facts(c->facts);
    assert(c->merchant == &merchant && c->single_refund);
    assert(c->kind == CMD_TOKENIZE || (c->unique_id.n >= 1 && text_is_valid(c->unique_id)));
    assert(!text_has_control(c->unique_id));
    if (pays(c) || c->kind == CMD_TOKENIZE)
        check_entry(c);
    else
        assert(c->reference > 0 && c->card.pan[0] == '\0' && c->card.cvv[0] == '\0');
    if (pays(c))
        assert(c->country != NULL && c->ip.n >= 7 && c->ip.n <= 15);
}

/* ---- the rest of a call ---- */

static void check_refused(void)
{
    static const int possible[] = { GENOME_FORMAT_ERROR, GENOME_MISSING_FIELDS,
        GENOME_INVALID_FIELDS, GENOME_UNSUPPORTED_VERSION };
    bool known = false;
    for (size_t i = 0; i < COUNT(possible); i++)
        known = known || call.code == possible[i];
    assert(known && genome_code_find(call.code) != NULL);
    assert(text_is_valid(call.message) && !text_has_control(call.message));
}

/* Operations have references of one spelling. */
static void check_reference(void)
{
    struct str text = call.values[F_REFERENCE].text;
    enum operation_kind kind;
    int64_t id;
    char same[GENOME_REFERENCE_SIZE];
    if (!genome_reference_parse(text, &kind, &id))
        return;
    assert(id > 0);
    genome_reference_text(kind, id, same);
    assert(str_eq(str_of(same), text));
}

static void check_signature(void)
{
    char hash[GENOME_SIGNATURE_SIZE];
    if (!genome_sign(&face.arena, call.pairs, call.n_pairs, STR("1.00"), STR("key"), hash))
        return; /* longer than what is ever signed */
    for (size_t i = 0; i < sizeof hash; i++)
        assert((hash[i] >= '0' && hash[i] <= '9') || (hash[i] >= 'a' && hash[i] <= 'f'));
}

/* The answer is JSON with the code in it; a card number in it would have come as something else. */
static void check_answer(void)
{
    genome_encode(&call);
    json_t *answer = face_answer(&face);
    const json_t *code = json_object_get(answer, "code");
    assert(json_is_integer(code) && genome_code_find((int)json_integer_value(code)) != NULL);
    assert(json_is_string(json_object_get(answer, "message")));
}

/* Answered as if the engine had approved, or had refused it for every reason in turn. */
static void answer_command(size_t size)
{
    call.submitted = true;
    call.logged_in = true;
    call.command.reply = (struct reply) { .outcome = outcomes[size % COUNT(outcomes)],
        .recorded = size % 2 == 0,
        .operation_id = 0x94D1ED5D4B,
        .kind = OPK_SALE,
        .has_token = size % 3 == 0,
        .authcode = "A1B2C3",
        .at_ms = INT64_C(1795298471999) };
    check_answer();
}

static void fill_and_answer(size_t size)
{
    call.merchant = &merchant;
    assert(genome_fill_command(&call));
    check_command(&call.command);
    answer_command(size);
}

static struct str content_type_of(uint8_t letter, struct str *body)
{
    for (size_t i = 0; i < COUNT(content_types); i++)
        if (content_types[i].letter == (letter | 0x20))
            return content_types[i].type;
    struct str line = { body->p, str_find(*body, '\n') };
    *body = str_skip(*body, line.n + 1);
    return line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, size };
    uint8_t letter = input_byte(&in);
    struct str body = input_rest(&in);
    struct str content_type = content_type_of(letter, &body);
    call = (struct genome_call) {
        .http = face_request(&face, content_type, body),
        .now_ms = INT64_C(1795298470000),
        .sessionid = "5524fa52-75d8-4c7a-84ec-039d3097ab6f",
        .type = GT_COUNT,
        .reference_fits = (letter & 0x20) == 0,
    };
    if (!genome_decode(&call) || !genome_validate(&call)) {
        check_refused();
        check_answer();
    } else if (call.type != GT_CHECK) {
        fill_and_answer(size);
    }
    if (call.n_pairs > 0) {
        check_reference();
        check_signature();
    }
    face_done(&face);
    return 0;
}
