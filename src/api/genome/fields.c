/*
 * What may stand in a request: the field rules of all transaction types as one table, and the short
 * checker that reads it (spec/genome.md §4.1).
 *
 * A rule holds for the types whose bits it has; a field has at most one rule for a type. Two
 * further bits stand for the ways to log in, so that a password is asked for unless the request is
 * signed. An empty text counts as absent. First every missing field is told, then every invalid
 * one.
 */
#include "api/genome/genome_internal.h"
#include "base/country.h"
#include "base/money.h"
#include "vault/brand.h"

#include <arpa/inet.h>
#include <string.h>

enum {
    CARD = 1 << GT_AUTH | 1 << GT_AUTH3D | 1 << GT_SALE | 1 << GT_SALE3D,
    TOKEN = 1 << GT_AUTH_TOKEN | 1 << GT_AUTH3D_TOKEN | 1 << GT_SALE_TOKEN | 1 << GT_SALE3D_TOKEN,
    PAYING = CARD | TOKEN,
    AUTHS = 1 << GT_AUTH | 1 << GT_AUTH_TOKEN,
    SALES = 1 << GT_SALE | 1 << GT_SALE_TOKEN,
    SALES3D = 1 << GT_SALE3D | 1 << GT_SALE3D_TOKEN,
    SETTLE = 1 << GT_SETTLE,
    REFUND = 1 << GT_REFUND,
    VOID = 1 << GT_VOID,
    FOLLOWING = SETTLE | REFUND | VOID,
    CHECK = 1 << GT_CHECK,
    TOKENIZE = 1 << GT_TOKENIZE,
    PASSWORD = GENOME_BY_PASSWORD,
    SIGNATURE = GENOME_BY_SIGNATURE,
    ALWAYS = PASSWORD | SIGNATURE,
};

enum kind {
    KIND_ANY,
    KIND_TEXT,
    KIND_NAME,
    KIND_DIGITS,
    KIND_CARD_NUMBER,
    KIND_MONTH,
    KIND_YEAR,
    KIND_AMOUNT,
    KIND_CURRENCY,
    KIND_COUNTRY,
    KIND_EMAIL,
    KIND_IPV4,
    KIND_DATE,
    KIND_TYPE,
    KIND_AUTH_TYPE,
    KIND_COF_TYPE,
};

/* clang-format off */
static const struct genome_rule rules[] = {
    { F_API_VERSION,            0,  32, KIND_ANY,         ALWAYS,    0 },
    { F_MERCHANT_ACCOUNT,       6,  32, KIND_TEXT,        PASSWORD,  0 },
    { F_MERCHANT_PASSWORD,      6,  32, KIND_ANY,         PASSWORD,  0 },
    { F_AUTH_TYPE,              0,   0, KIND_AUTH_TYPE,   0,         ALWAYS },
    { F_PUBLIC_KEY,             1,  64, KIND_TEXT,        SIGNATURE, 0 },
    { F_SIGNATURE,             64,  64, KIND_TEXT,        SIGNATURE, 0 },
    { F_UNIQUE_ID,              6,  32, KIND_TEXT,        PAYING | SETTLE, 0 },
    { F_UNIQUE_ID,              1,  32, KIND_TEXT,        REFUND | VOID, CHECK },
    { F_TRANSACTION_TYPE,       0,   0, KIND_TYPE,        ALWAYS,    0 },
    { F_REFERENCE,             20,  20, KIND_TEXT,        FOLLOWING, SALES | CHECK },
    { F_AMOUNT,                 0,   0, KIND_AMOUNT,      PAYING | SETTLE | REFUND, 0 },
    { F_CURRENCY,               3,   3, KIND_CURRENCY,    PAYING | SETTLE | REFUND, 0 },
    { F_CARD_NUMBER,           13,  19, KIND_CARD_NUMBER, CARD | TOKENIZE, 0 },
    { F_CARD_EXP_MONTH,         2,   2, KIND_MONTH,       CARD | TOKENIZE, 0 },
    { F_CARD_EXP_YEAR,          4,   4, KIND_YEAR,        CARD | TOKENIZE, 0 },
    { F_TOKEN,                 36,  36, KIND_TEXT,        TOKEN,     0 },
    { F_CVV,                    3,   4, KIND_DIGITS,      0,         PAYING | TOKENIZE },
    { F_FIRST_NAME,             1,  32, KIND_NAME,        PAYING,    0 },
    { F_LAST_NAME,              1,  32, KIND_NAME,        PAYING,    0 },
    { F_CARD_HOLDER,            2,  32, KIND_NAME,        PAYING,    0 },
    { F_CARD_HOLDER,            3,  32, KIND_NAME,        TOKENIZE,  0 },
    { F_ADDRESS,                2,  32, KIND_TEXT,        0,         PAYING },
    { F_CITY,                   2,  32, KIND_TEXT,        0,         PAYING },
    { F_STATE,                  1,  32, KIND_TEXT,        0,         PAYING },
    { F_ZIP,                    2,  10, KIND_TEXT,        PAYING,    0 },
    { F_COUNTRY,                2,   3, KIND_COUNTRY,     PAYING,    0 },
    { F_USER_PHONE,             7,  15, KIND_TEXT,        0,         PAYING },
    { F_USER_EMAIL,             6, 255, KIND_EMAIL,       PAYING,    0 },
    { F_USER_IP,                0,   0, KIND_IPV4,        PAYING,    0 },
    { F_MERCHANT_USER_ID,       0,  32, KIND_TEXT,        0,         PAYING | FOLLOWING },
    { F_MERCHANT_DOMAIN_NAME,   0, 255, KIND_TEXT,        0,         PAYING | SETTLE },
    { F_MERCHANT_AFFILIATE_ID,  0, 255, KIND_TEXT,        0,         PAYING | SETTLE },
    { F_MERCHANT_PRODUCT_NAME,  0, 255, KIND_TEXT,        0,         PAYING | SETTLE },
    { F_DESCRIPTOR_MERCHANT,    0, 255, KIND_TEXT,        0,         PAYING | FOLLOWING },
    { F_DESCRIPTOR_PHONE,       0, 255, KIND_TEXT,        0,         PAYING | FOLLOWING },
    { F_PARES,                  1,   0, KIND_ANY,         0,         AUTHS | SALES },
    { F_CALLBACK_URL,           0, 255, KIND_TEXT,        SALES3D,   0 },
    { F_REDIRECT_URL,           0, 255, KIND_TEXT,        SALES3D,   0 },
    { F_MID_REFERENCE,         16,  16, KIND_TEXT,        0,         PAYING },
    { F_DATE_OF_BIRTH,         10,  10, KIND_DATE,        0,         PAYING },
    { F_COF_TYPE,               0,   0, KIND_COF_TYPE,    0,         PAYING },
};

/* Fields that are needed only with, or only without, another one. */
static const struct {
    unsigned types;
    enum genome_field field, other;
    bool when_other_present;
} conditions[] = {
    { CHECK, F_REFERENCE, F_UNIQUE_ID, false },
    { CHECK, F_UNIQUE_ID, F_REFERENCE, false },
    { SALES, F_REFERENCE, F_PARES,     true },
    { SALES, F_PARES,     F_REFERENCE, true },
};

static const struct {
    const char *name;
    enum genome_type type, with_token;
} types[] = {
    { "AUTH",     GT_AUTH,     GT_AUTH_TOKEN },
    { "AUTH3D",   GT_AUTH3D,   GT_AUTH3D_TOKEN },
    { "SALE",     GT_SALE,     GT_SALE_TOKEN },
    { "SALE3D",   GT_SALE3D,   GT_SALE3D_TOKEN },
    { "SETTLE",   GT_SETTLE,   GT_SETTLE },
    { "REFUND",   GT_REFUND,   GT_REFUND },
    { "VOID",     GT_VOID,     GT_VOID },
    { "CHECK",    GT_CHECK,    GT_CHECK },
    { "TOKENIZE", GT_TOKENIZE, GT_TOKENIZE },
};

static const struct str names[F_COUNT] = {
#define X(id, text) [F_##id] = { #text, sizeof #text - 1 },
    GENOME_FIELDS(X)
#undef X
};

/* What is kept with an operation: who paid and for what, never the card. */
static const bool kept[F_COUNT] = {
    [F_FIRST_NAME] = true,         [F_LAST_NAME] = true,           [F_CARD_HOLDER] = true,
    [F_ADDRESS] = true,            [F_CITY] = true,                [F_STATE] = true,
    [F_ZIP] = true,                [F_COUNTRY] = true,             [F_USER_PHONE] = true,
    [F_USER_EMAIL] = true,         [F_USER_IP] = true,             [F_MERCHANT_USER_ID] = true,
    [F_MERCHANT_DOMAIN_NAME] = true, [F_MERCHANT_AFFILIATE_ID] = true,
    [F_MERCHANT_PRODUCT_NAME] = true, [F_DESCRIPTOR_MERCHANT] = true,
    [F_DESCRIPTOR_PHONE] = true,   [F_MID_REFERENCE] = true,       [F_DATE_OF_BIRTH] = true,
    [F_COF_TYPE] = true,
};
/* clang-format on */

/* Appends why text is not of that kind; nothing when it is. */
typedef void judge(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why);

static judge judge_text, judge_name, judge_digits, judge_card_number, judge_month, judge_year,
    judge_amount, judge_currency, judge_country, judge_email, judge_ipv4, judge_date, judge_type,
    judge_auth_type, judge_cof_type;

static const struct {
    judge *judge;
    const char *words;
} kinds[] = {
    [KIND_ANY] = { NULL, "any text" },
    [KIND_TEXT] = { judge_text, "text" },
    [KIND_NAME] = { judge_name, "text without a card number in it" },
    [KIND_DIGITS] = { judge_digits, "digits" },
    [KIND_CARD_NUMBER] = { judge_card_number, "digits with a valid Luhn checksum" },
    [KIND_MONTH] = { judge_month, "01 to 12" },
    [KIND_YEAR] = { judge_year, "four digits" },
    [KIND_AMOUNT] = { judge_amount,
        "0 to 9999999999.999, with no more decimals than the currency has" },
    [KIND_CURRENCY] = { judge_currency, "ISO 4217, three letters" },
    [KIND_COUNTRY] = { judge_country, "ISO 3166-1, three letters (two are accepted)" },
    [KIND_EMAIL] = { judge_email, "e-mail address" },
    [KIND_IPV4] = { judge_ipv4, "IPv4 address" },
    [KIND_DATE] = { judge_date, "YYYY-MM-DD" },
    [KIND_TYPE] = { judge_type,
        "AUTH, AUTH3D, SALE, SALE3D, SETTLE, REFUND, VOID, CHECK, TOKENIZE" },
    [KIND_AUTH_TYPE] = { judge_auth_type, "bySignature" },
    [KIND_COF_TYPE] = { judge_cof_type, "CIT-initial, CIT-subsequent, MIT" },
};

const struct genome_rule *genome_rules(size_t *count)
{
    *count = COUNT(rules);
    return rules;
}

const char *genome_field_name(enum genome_field f)
{
    return names[f].p;
}

const char *genome_rule_words(const struct genome_rule *rule)
{
    return kinds[rule->kind].words;
}

bool genome_field_find(struct str name, enum genome_field *out)
{
    for (unsigned f = 0; f < F_COUNT; f++) {
        if (str_eq(names[f], name)) {
            *out = (enum genome_field)f;
            return true;
        }
    }
    return false;
}

bool genome_field_kept(enum genome_field f)
{
    return kept[f];
}

enum genome_type genome_type_find(struct str name, bool with_token)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (str_eq(str_of(types[i].name), name))
            return with_token ? types[i].with_token : types[i].type;
    return GT_COUNT;
}

const char *genome_type_name(enum genome_type t)
{
    for (size_t i = 0; i < COUNT(types); i++)
        if (types[i].type == t || types[i].with_token == t)
            return types[i].name;
    return "?";
}

/* ---- the checker ---- */

enum { MESSAGE_MAX = 8 * 1024 };

unsigned genome_rule_bits(const struct genome_call *c)
{
    unsigned login = c->by_signature ? SIGNATURE : PASSWORD;
    return login | (c->type < GT_COUNT ? GENOME_BIT(c->type) : 0);
}

static bool present(const struct genome_call *c, enum genome_field f)
{
    return c->values[f].kind != VALUE_ABSENT;
}

/* "1", "1.0" and the number 1 are the same version. */
static bool version_supported(const struct genome_value *v)
{
    if (v->kind != VALUE_TEXT)
        return true; /* left to the rules */
    if (v->text.p[0] != '1' || v->text.n > 32)
        return false;
    for (size_t i = 1; i < v->text.n; i++)
        if (v->text.p[i] != (i == 1 ? '.' : '0'))
            return false;
    return v->text.n != 2;
}

static void add_name(struct buf *out, enum genome_field f)
{
    buf_str(out, out->n == 0 ? STR("") : STR(", "));
    buf_byte(out, '`');
    buf_str(out, names[f]);
    buf_byte(out, '`');
}

static void list_missing(const struct genome_call *c, struct buf *out)
{
    unsigned bits = genome_rule_bits(c);
    for (size_t i = 0; i < COUNT(rules); i++)
        if ((rules[i].required & bits) != 0 && !present(c, rules[i].field))
            add_name(out, rules[i].field);
    for (size_t i = 0; i < COUNT(conditions); i++)
        if ((conditions[i].types & bits) != 0 && !present(c, conditions[i].field) &&
            present(c, conditions[i].other) == conditions[i].when_other_present)
            add_name(out, conditions[i].field);
}

static size_t count_characters(struct str utf8)
{
    size_t n = 0;
    for (size_t i = 0; i < utf8.n; i++)
        n += ((unsigned char)utf8.p[i] & 0xC0) != 0x80;
    return n;
}

static void judge_length(const struct genome_rule *r, struct str text, struct buf *why)
{
    size_t n = count_characters(text);
    if (n >= r->min && (r->max == 0 || n <= r->max))
        return;
    if (r->kind == KIND_COUNTRY)
        buf_str(why, STR("Country length must be 3 chars"));
    else if (r->min == r->max)
        buf_printf(why, "Provided argument must be a string with length %u", r->min);
    else if (n < r->min)
        buf_printf(why, "Expecting string with length greater or equals %u", r->min);
    else
        buf_printf(why, "Expecting string with length less or equals %u", r->max);
}

static void judge_value(const struct genome_call *c, const struct genome_rule *r, struct buf *why)
{
    const struct genome_value *v = &c->values[r->field];
    if (v->kind == VALUE_OTHER) {
        buf_str(why, STR("Argument `value` must be string"));
        return;
    }
    judge_length(r, v->text, why);
    if (why->n == 0 && kinds[r->kind].judge != NULL)
        kinds[r->kind].judge(c, r, v->text, why);
}

static void list_invalid(const struct genome_call *c, struct buf *out)
{
    unsigned bits = genome_rule_bits(c);
    struct buf why;
    buf_init(&why, MESSAGE_MAX);
    for (size_t i = 0; i < COUNT(rules); i++) {
        if (((rules[i].required | rules[i].optional) & bits) == 0 || !present(c, rules[i].field))
            continue;
        judge_value(c, &rules[i], &why);
        if (why.n == 0)
            continue;
        add_name(out, rules[i].field);
        buf_str(out, STR(" ("));
        buf_str(out, buf_view(&why));
        buf_byte(out, ')');
        buf_reset(&why);
    }
    buf_free(&why);
}

/* Sets code and message when the list is not empty. */
static bool refuse(struct genome_call *c, const struct buf *list, int code, const char *opening)
{
    if (list->n == 0)
        return false;
    c->code = code;
    c->message = arena_printf(c->http->arena, "%s %.*s", opening, STR_ARG(buf_view(list)));
    return true;
}

bool genome_validate(struct genome_call *c)
{
    if (!version_supported(&c->values[F_API_VERSION])) {
        c->code = GENOME_UNSUPPORTED_VERSION;
        return false;
    }
    struct buf list;
    buf_init(&list, MESSAGE_MAX);
    list_missing(c, &list);
    bool refused = refuse(c, &list, GENOME_MISSING_FIELDS, "Mandatory field(s) missing");
    if (!refused) {
        list_invalid(c, &list);
        refused = refuse(c, &list, GENOME_INVALID_FIELDS, "Validation error in field(s)");
    }
    buf_free(&list);
    return !refused;
}

/* ---- the kinds ---- */

static void did_not_pass(const struct genome_rule *r, struct buf *why)
{
    buf_printf(why, "Field %s did not pass validation", names[r->field].p);
}

static void judge_text(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    for (size_t i = 0; i < text.n; i++) {
        if ((unsigned char)text.p[i] < 0x20 || text.p[i] == 0x7f) {
            did_not_pass(r, why);
            return;
        }
    }
}

/*
 * A card number typed into a name would be kept and shown as a name: thirteen digits are too many
 * for one.
 */
static void judge_name(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    judge_text(c, r, text, why);
    size_t digits = 0;
    for (size_t i = 0; i < text.n; i++)
        digits += text.p[i] >= '0' && text.p[i] <= '9';
    if (why->n == 0 && digits >= 13)
        did_not_pass(r, why);
}

static void judge_digits(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    if (!str_is_digits(text))
        did_not_pass(r, why);
}

static void judge_card_number(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    judge_digits(c, r, text, why);
    if (why->n == 0 && luhn_rest(text) != 0)
        buf_printf(why, "Provided string has invalid Luhn checksum, rest is %d", luhn_rest(text));
}

static void judge_month(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    (void)r;
    uint64_t month;
    if (!str_to_u64(text, 12, &month) || month == 0)
        buf_str(why, STR("Provided value is not valid month"));
}

/* Two digits of the year go to the bank: years are of this century. */
static void judge_year(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    uint64_t year;
    if (!str_to_u64(text, 2099, &year))
        did_not_pass(r, why);
}

/* The largest amount: 9999999999.999, or what twelve digits of minor units hold. */
static int64_t largest_minor(unsigned exponent)
{
    static const int64_t by_exponent[] = { INT64_C(9999999999), INT64_C(99999999999) };
    return exponent < COUNT(by_exponent) ? by_exponent[exponent] : MONEY_MAX_MINOR;
}

static void judge_amount(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    const struct currency *currency = currency_by_code(c->values[F_CURRENCY].text);
    unsigned exponent = currency != NULL ? currency->exponent : 2;
    int64_t minor = 0;
    enum money_result result = money_parse(text, exponent, &minor);
    if (result == MONEY_OK && minor > largest_minor(exponent))
        result = MONEY_TOO_LARGE;
    char largest[MONEY_TEXT_SIZE];
    (void)money_format(largest_minor(exponent), exponent, largest);
    switch (result) {
    case MONEY_OK:
        break;
    case MONEY_NOT_A_NUMBER:
        did_not_pass(r, why);
        break;
    case MONEY_NEGATIVE:
        buf_str(why, STR("Value must be greater or equals 0"));
        break;
    case MONEY_INEXACT:
        if (currency != NULL)
            buf_printf(why, "Value must have no more than %u decimals", exponent);
        break;
    case MONEY_TOO_LARGE:
        buf_printf(why, "Value must be less or equals %s", largest);
        break;
    }
}

static void judge_currency(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    if (currency_by_code(text) == NULL)
        did_not_pass(r, why);
}

static void judge_country(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    if (country_by_alpha(text) == NULL)
        did_not_pass(r, why);
}

static bool is_alphanumeric(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (unsigned char)c >= 0x80;
}

/* Labels of letters, digits and inner hyphens, two at least. */
static bool is_domain(struct str s)
{
    size_t labels = 0;
    struct str label;
    if (s.n == 0 || s.p[s.n - 1] == '.')
        return false;
    while (str_split(&s, '.', &label)) {
        if (label.n == 0 || label.n > 63 || label.p[0] == '-' || label.p[label.n - 1] == '-')
            return false;
        for (size_t i = 0; i < label.n; i++)
            if (!is_alphanumeric(label.p[i]) && label.p[i] != '-')
                return false;
        labels++;
    }
    return labels >= 2;
}

static bool is_mailbox(struct str s)
{
    if (s.n == 0 || s.n > 64 || s.p[0] == '.' || s.p[s.n - 1] == '.')
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool allowed = is_alphanumeric(s.p[i]) || memchr("!#$%&'*+/=?^_`{|}~.-", s.p[i], 20);
        if (!allowed || (s.p[i] == '.' && s.p[i - 1] == '.'))
            return false;
    }
    return true;
}

static void judge_email(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    (void)r;
    size_t at = str_find(text, '@');
    if (at == text.n || !is_mailbox((struct str) { text.p, at }) ||
        !is_domain(str_skip(text, at + 1)))
        buf_str(why, STR("Expected value must be valid email"));
}

static void judge_ipv4(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    char address[INET_ADDRSTRLEN];
    struct in_addr parsed;
    if (!str_copy(address, sizeof address, text) || inet_pton(AF_INET, address, &parsed) != 1)
        did_not_pass(r, why);
}

static void judge_date(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    static const unsigned days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    uint64_t year = 0, month = 1, day = 0;
    struct str rest = text, part[3] = { STR_EMPTY, STR_EMPTY, STR_EMPTY };
    for (size_t i = 0; i < 3; i++)
        (void)str_split(&rest, '-', &part[i]);
    bool ok = part[0].n == 4 && part[1].n == 2 && part[2].n == 2 &&
              str_to_u64(part[0], 9999, &year) && str_to_u64(part[1], 12, &month) &&
              str_to_u64(part[2], 31, &day) && year >= 1900 && month >= 1 && day >= 1;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (!ok || day > days[month - 1] + (leap && month == 2))
        did_not_pass(r, why);
}

static void judge_type(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)text;
    if (c->type == GT_COUNT)
        did_not_pass(r, why);
}

static void judge_auth_type(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    if (!str_eq(text, STR("bySignature")))
        did_not_pass(r, why);
}

static void judge_cof_type(
    const struct genome_call *c, const struct genome_rule *r, struct str text, struct buf *why)
{
    (void)c;
    static const struct str allowed[] = { { "CIT-initial", 11 }, { "CIT-subsequent", 14 },
        { "MIT", 3 } };
    for (size_t i = 0; i < COUNT(allowed); i++)
        if (str_eq(text, allowed[i]))
            return;
    did_not_pass(r, why);
}
