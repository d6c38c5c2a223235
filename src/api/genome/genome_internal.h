/*
 * The Genome face's own header: what its files share.
 *
 *   body --decode--> pairs and values --check--> (1001, 1005, 1002, 1004)
 *        --login--> (2001) --admit--> (2003, 3012, ...) --engine or CHECK's read--> --encode-->
 *
 * All of a call lives in its request's arena. A call is touched by one thread at a time: the HTTP
 * thread until the login check or the command is handed over, then the thread that answers it, then
 * an HTTP thread again.
 */
#ifndef TURNPIKE_API_GENOME_INTERNAL_H
#define TURNPIKE_API_GENOME_INTERNAL_H

#include "api/genome/genome.h"

/* Every field that is read, by the name it has on the wire. */
/* clang-format off */
#define GENOME_FIELDS(X)                                                                         \
    X(API_VERSION, api_version) X(MERCHANT_ACCOUNT, merchant_account)                            \
    X(MERCHANT_PASSWORD, merchant_password) X(AUTH_TYPE, auth_type) X(PUBLIC_KEY, public_key)    \
    X(SIGNATURE, signature) X(TRANSACTION_TYPE, transaction_type)                                \
    X(UNIQUE_ID, transaction_unique_id) X(REFERENCE, reference) X(AMOUNT, amount)                \
    X(CURRENCY, currency) X(CARD_NUMBER, card_number) X(CARD_EXP_MONTH, card_exp_month)          \
    X(CARD_EXP_YEAR, card_exp_year) X(TOKEN, token) X(CVV, cvv) X(FIRST_NAME, first_name)        \
    X(LAST_NAME, last_name) X(CARD_HOLDER, card_holder) X(ADDRESS, address) X(CITY, city)        \
    X(STATE, state) X(ZIP, zip) X(COUNTRY, country) X(USER_PHONE, user_phone)                    \
    X(USER_EMAIL, user_email) X(USER_IP, user_ip) X(MERCHANT_USER_ID, merchant_user_id)          \
    X(MERCHANT_DOMAIN_NAME, merchant_domain_name)                                                \
    X(MERCHANT_AFFILIATE_ID, merchant_affiliate_id)                                              \
    X(MERCHANT_PRODUCT_NAME, merchant_product_name)                                              \
    X(DESCRIPTOR_MERCHANT, descriptor_merchant) X(DESCRIPTOR_PHONE, descriptor_phone)            \
    X(PARES, pares) X(CALLBACK_URL, callback_url) X(REDIRECT_URL, redirect_url)                  \
    X(MID_REFERENCE, mid_reference) X(DATE_OF_BIRTH, date_of_birth) X(COF_TYPE, cof_type)

enum genome_field {
#define X(id, name) F_##id,
    GENOME_FIELDS(X)
#undef X
    F_COUNT
};
/* clang-format on */

/* The nine transaction types; those with a card have a second form with a token in its place. */
enum genome_type {
    GT_AUTH,
    GT_AUTH_TOKEN,
    GT_AUTH3D,
    GT_AUTH3D_TOKEN,
    GT_SALE,
    GT_SALE_TOKEN,
    GT_SALE3D,
    GT_SALE3D_TOKEN,
    GT_SETTLE,
    GT_REFUND,
    GT_VOID,
    GT_CHECK,
    GT_TOKENIZE,
    GT_COUNT, /* unknown */
};

/* Where a rule holds: bits of transaction types, and of the two ways to log in. */
#define GENOME_BIT(type) (1u << (unsigned)(type))
enum {
    GENOME_BY_PASSWORD = 1 << GT_COUNT,
    GENOME_BY_SIGNATURE = 1 << (GT_COUNT + 1),
};

struct genome_value {
    struct str text;
    enum { VALUE_ABSENT, VALUE_TEXT, VALUE_OTHER } kind; /* OTHER: an array, an object, a boolean */
};

struct genome_pair { /* as sent */
    struct str name, value;
    bool number; /* in JSON; 10.0 has come as "10" */
    bool other;  /* an array, an object or a boolean: value is empty */
};

struct genome_call {
    struct genome *g;
    struct http_request *http;
    int64_t now_ms;
    char sessionid[TOKEN_TEXT_SIZE];

    struct genome_pair *pairs;
    size_t n_pairs;
    struct genome_value values[F_COUNT]; /* an empty text is absent */
    enum genome_type type;
    bool by_signature;

    const struct merchant *merchant; /* held until the answer; NULL when there is none */
    bool logged_in;                  /* its credentials are proved */
    bool reference_fits;             /* the operation meant is of the kind its prefix says */
    struct login_check login;

    struct command command;
    bool submitted;  /* the engine's reply is the answer; otherwise code is */
    int wanted_code; /* what "CODE n" asks for: the answer to OUT_REFUSED_BY_FACE */
    int code;
    struct str message; /* instead of the code's own text, when not empty */

    const struct operation_row *found; /* CHECK */
    const struct card_row *found_card; /* its card; NULL when it has none */
};

/* ---- codes.c ---- */

enum {
    GENOME_SUCCESS = 0,
    GENOME_SYSTEM_ERROR = 1,
    GENOME_DATABASE_ERROR = 2,
    GENOME_INTERNAL_TIMEOUT = 11,
    GENOME_FORMAT_ERROR = 1001,
    GENOME_MISSING_FIELDS = 1002,
    GENOME_COMMUNICATION_ERROR = 1003,
    GENOME_INVALID_FIELDS = 1004,
    GENOME_UNSUPPORTED_VERSION = 1005,
    GENOME_WRONG_PASSWORD = 2001,
    GENOME_AMOUNT_RESTRICTED = 2007,
    GENOME_NOTHING_TO_CHECK = 3014,
};

struct genome_code {
    int code;
    const char *value, *text; /* spec/genome.md §8 */
};

const struct genome_code *genome_code_table(size_t *count);

/* The row of a code; NULL when Genome has no such code. */
const struct genome_code *genome_code_find(int code);

/* What Genome says to an outcome. Every member of OUTCOMES has one. */
int genome_code_of(enum outcome o);

enum genome_status { GENOME_IS_SUCCESS, GENOME_IS_DECLINE, GENOME_IS_ERROR };
enum genome_status genome_status_of(int code);

/* ---- fields.c ---- */

struct genome_rule {
    enum genome_field field;
    unsigned min, max; /* characters; max 0: not limited by length */
    unsigned kind;     /* row of the kinds in fields.c */
    unsigned required, optional;
};

const struct genome_rule *genome_rules(size_t *count);
unsigned genome_rule_bits(const struct genome_call *c); /* of its type and its way to log in */
const char *genome_field_name(enum genome_field f);
const char *genome_rule_words(const struct genome_rule *rule); /* its kind, for the help */
bool genome_field_find(struct str name, enum genome_field *out);
bool genome_field_kept(enum genome_field f); /* goes into the operation's facts */

/* The type of a name as sent, in its card or token form; GT_COUNT when there is none. */
enum genome_type genome_type_find(struct str name, bool with_token);
const char *genome_type_name(enum genome_type t);

/*
 * Version, missing fields, invalid fields, in this order. False: code and message say what is
 * wrong.
 */
bool genome_validate(struct genome_call *c);

/* ---- decode.c ---- */

/* Reads the body into pairs, values and type. False: code and message say why not. */
bool genome_decode(struct genome_call *c);

/* Fills c->command from a validated call whose merchant is known. False without memory. */
bool genome_fill_command(struct genome_call *c);

/* Two letters, "FF", and the operation's id in 16 upper-case digits. */
enum { GENOME_REFERENCE_SIZE = 21 };
void genome_reference_text(enum operation_kind kind, int64_t id, char out[GENOME_REFERENCE_SIZE]);
bool genome_reference_parse(struct str text, enum operation_kind *kind, int64_t *id);
/* "AUTH" for OPK_AUTHORIZE; NULL for kinds that a merchant never sees. */
const char *genome_kind_name(enum operation_kind kind);

/* The year and month on the card; both have passed the checks. */
void genome_expiry(const struct genome_call *c, int *year, int *month);

/* ---- sign.c ---- */

/* Whether the signature sent is that of the pairs under the merchant's private key. */
enum genome_signature {
    SIGNATURE_FITS,
    SIGNATURE_WRONG,
    SIGNATURE_UNKNOWN /* no memory */
};
enum genome_signature genome_signature_look(struct genome_call *c);

enum { GENOME_SIGNATURE_SIZE = 64 };
/*
 * Lower-case hex, no NUL. amount replaces the value of that name when it is not empty. False
 * without memory.
 */
bool genome_sign(struct arena *a, const struct genome_pair *pairs, size_t n, struct str amount,
    struct str private_key, char out[GENOME_SIGNATURE_SIZE]);

/* ---- check.c ---- */

/*
 * Looks whether the operation meant by the reference exists and is of the kind its prefix says:
 * reference_fits.
 */
void genome_look_up_reference(struct genome_call *c);

/* Answers CHECK from this thread's read connection: code, found and found_card. */
void genome_run_check(struct genome_call *c);

/* ---- encode.c, help.c ---- */

void genome_encode(struct genome_call *c);
void genome_encode_bare(struct http_request *r, int64_t now_ms); /* without memory for a call */
void genome_write_help(struct buf *out);

#endif
