/*
 * The card table. A row is a column of merchants, conditions, and what the issuer does when all of
 * them hold; the first row that fits decides. The order is: wrong numbers, amounts that decline any
 * card, the listed cards, the calendar, selector cards, and what is left.
 *
 * Sources: spec/genome.md §4.5, spec/begateway.md §6, spec/rbs.md §9, spec/bisys.md §7,
 * spec/optatum.md §7, spec/iso8583.md §13.
 */
#include "sandbox/cards.h"
#include "base/currency.h"

#include <string.h>

enum card_test {
    TEST_NONE,
    TEST_BAD_LUHN,
    TEST_EXPIRED, /* by the calendar of DE 7 */
    TEST_SELECTOR
};

/* low <= amount <= high, of the amount's remainder or of its whole part; high 0: no condition. */
struct amount_test {
    int64_t low, high;
    int64_t modulus; /* 0: the amount itself */
    bool whole;      /* major units, fraction cut off */
};

struct card_row {
    enum card_column column;
    enum card_test test;
    const char *pans; /* separated by spaces; NULL: any */
    const char
        *expiry;     /* "2612 3412": one of them; "!2612": given, none of them; "<2001": before */
    const char *cvv; /* likewise, without "<" */
    struct amount_test amount;
    const char *de39; /* NULL: the last two digits of the amount */
    char cvv_result;
    const char *authcode;
};

#define ENDS(low, high, digits_power)                                                              \
    {                                                                                              \
        (low), (high), (digits_power), false                                                       \
    }
#define ABOVE(minor)                                                                               \
    {                                                                                              \
        (minor) + 1, INT64_MAX, 0, false                                                           \
    }
#define WHOLE(low, high)                                                                           \
    {                                                                                              \
        (low), (high), 0, true                                                                     \
    }

/* clang-format off */
static const char genome_cards[] =
    "4111111111111111 5191330000004415 4012000300001003 371449635398431 6011111111111117 "
    "30569309025904 3530111333300000 5555555555554444";
static const char rbs_cards[] =
    "4444555511113333 4012001038166662 5555555555555599 4111111111111111 5168494895055780 "
    "4000001111111118";
static const char rbs_mir_cards[] = "2202205000012424 2202205300068092 2202206100040083";
static const char bisys_cards[] =
    "5479270000000000 4111111111111111 6011000000000004 2201382000000013 2201382000000062 "
    "2201382000000039 4000000000000002";
static const char bisys_cards_of_2024[] =
    "4111111111111111 6011000000000004 2201382000000013 2201382000000062 2201382000000039";

static const struct card_row rows[] = {
    { CARDS_ALL, .test = TEST_BAD_LUHN, .de39 = "14" },

    /* An amount that ends in 90NN (minor units) gives RC NN with any card. */
    { CARDS_BISYS,   .amount = ENDS(9000, 9099, 10000) },
    /* Here six digits, 7700NN (7700.51 gives 51), so that ordinary prices are left alone. */
    { CARDS_GENOME,  .amount = ENDS(770000, 770099, 1000000) },
    { CARDS_GENERIC, .amount = ENDS(770000, 770099, 1000000) },

    /* Genome: the listed cards take any CVV and any expiry from 2020 on, past or not. */
    { CARDS_GENOME, .pans = genome_cards, .expiry = "<2001", .de39 = "54" },
    { CARDS_GENOME, .pans = genome_cards, .de39 = "00" },

    { CARDS_BEGATEWAY, .pans = "4005550000000019", .de39 = "05" },

    /*
     * RBS: each card has its printed dates and its CVC; anything else is "wrong card parameters". The
     * CVC is a function of number and date, so a wrong date is a mismatch of the CVC as well: N7.
     */
    { CARDS_RBS, .pans = "4444555511113333", .expiry = "!2412 2612", .de39 = "N7" },
    { CARDS_RBS, .pans = "4012001038166662", .expiry = "!2412",      .de39 = "N7" },
    { CARDS_RBS, .pans = "5555555555555599", .expiry = "!2412 3412", .de39 = "N7" },
    { CARDS_RBS, .pans = "4111111111111111", .expiry = "!2612 3412", .de39 = "N7" },
    { CARDS_RBS, .pans = "5168494895055780", .expiry = "!2612",      .de39 = "N7" },
    { CARDS_RBS, .pans = "4000001111111118", .expiry = "!3012",      .de39 = "N7" },
    { CARDS_RBS, .pans = rbs_cards, .cvv = "!123", .de39 = "N7" },
    { CARDS_RBS, .pans = rbs_cards, .de39 = "00", .authcode = "123456" },
    { CARDS_RBS, .pans = "2202205000060910", .de39 = "51" }, /* action code 116 */
    { CARDS_RBS, .pans = "2202202107593166", .de39 = "54" }, /* action code 101 */
    { CARDS_RBS, .pans = "2202205300068092", .amount = ABOVE(10000), .de39 = "51" },
    { CARDS_RBS, .pans = rbs_mir_cards, .de39 = "00", .authcode = "123456" },

    /* Bisys: dates are compared with its own table, never with the clock. */
    { CARDS_BISYS, .pans = bisys_cards, .cvv = "!123", .de39 = "05", .cvv_result = 'N' },
    { CARDS_BISYS, .pans = "5479270000000000",  .expiry = "!2203", .de39 = "54" },
    { CARDS_BISYS, .pans = bisys_cards_of_2024, .expiry = "!2412", .de39 = "54" },
    { CARDS_BISYS, .pans = "4000000000000002",  .expiry = "!2101", .de39 = "54" },
    { CARDS_BISYS, .pans = bisys_cards, .de39 = "00" },

    /* Genome in test mode takes any year from 2020 on with any card. */
    { CARDS_GENOME, .expiry = "<2001", .de39 = "54" },
    { CARDS_GENOME, .test = TEST_SELECTOR },
    { CARDS_GENOME, .de39 = "00" },

    { CARDS_ALL, .test = TEST_EXPIRED, .de39 = "54" },
    { CARDS_ALL, .test = TEST_SELECTOR },

    /* Published elsewhere as "authentication required, then declined". */
    { CARDS_GENERIC, .pans = "4000008400001629", .de39 = "05" },

    /* beGateway: the CVC chooses the result shown to the shop; it declines nothing by itself. */
    { CARDS_BEGATEWAY, .cvv = "111", .de39 = "00", .cvv_result = 'M' },
    { CARDS_BEGATEWAY, .cvv = "222", .de39 = "00", .cvv_result = 'N' },
    { CARDS_BEGATEWAY, .cvv = "333", .de39 = "00", .cvv_result = 'U' },
    { CARDS_BEGATEWAY, .cvv = "444", .de39 = "00", .cvv_result = 'E' },
    { CARDS_BEGATEWAY, .cvv = "555", .de39 = "00", .cvv_result = '0' },
    { CARDS_BEGATEWAY, .cvv = "!555", .de39 = "00", .cvv_result = '1' },

    { CARDS_RBS, .de39 = "56" }, /* action code 53, card unknown to processing */

    /* Optatum: the whole part of the amount, any currency. First the two published tables, */
    { CARDS_OPTATUM, .amount = WHOLE(1002, 1002), .de39 = "01" }, /* 201 */
    { CARDS_OPTATUM, .amount = WHOLE(1003, 1003), .de39 = "03" }, /* 234 */
    { CARDS_OPTATUM, .amount = WHOLE(1004, 1005), .de39 = "05" }, /* 203 */
    { CARDS_OPTATUM, .amount = WHOLE(1006, 1006), .de39 = "57" }, /* 208 */
    { CARDS_OPTATUM, .amount = WHOLE(1007, 1007), .de39 = "01" }, /* 201 */
    { CARDS_OPTATUM, .amount = WHOLE(1008, 1008), .de39 = "68" }, /* 250 */
    { CARDS_OPTATUM, .amount = WHOLE(1009, 1010), .de39 = "12" }, /* 233 */
    { CARDS_OPTATUM, .amount = WHOLE(1011, 1011), .de39 = "10" }, /* 110 */
    { CARDS_OPTATUM, .amount = WHOLE(1012, 1012), .de39 = "57" }, /* 208 */
    { CARDS_OPTATUM, .amount = WHOLE( 401,  401), .de39 = "01" }, /* 201 */
    { CARDS_OPTATUM, .amount = WHOLE(1500, 1500), .de39 = "05" }, /* 203 */
    { CARDS_OPTATUM, .amount = WHOLE(2000, 2000), .de39 = "96" }, /* 150 */
    { CARDS_OPTATUM, .amount = WHOLE(2201, 2201), .de39 = "14" }, /* 231 */
    { CARDS_OPTATUM, .amount = WHOLE(2202, 2205), .de39 = "12" }, /* 233 */
    { CARDS_OPTATUM, .amount = WHOLE(2225, 2225), .de39 = "12" },
    { CARDS_OPTATUM, .amount = WHOLE(2227, 2227), .de39 = "12" },
    { CARDS_OPTATUM, .amount = WHOLE(2229, 2229), .de39 = "05" }, /* 203 */
    /* then 9000 + reason code, as near as a response code comes to it. */
    { CARDS_OPTATUM, .amount = WHOLE(9100, 9100), .de39 = "00" },
    { CARDS_OPTATUM, .amount = WHOLE(9110, 9110), .de39 = "10" },
    { CARDS_OPTATUM, .amount = WHOLE(9150, 9150), .de39 = "96" },
    { CARDS_OPTATUM, .amount = WHOLE(9151, 9152), .de39 = "68" },
    { CARDS_OPTATUM, .amount = WHOLE(9200, 9200), .de39 = "00" }, /* approved, flagged by the face */
    { CARDS_OPTATUM, .amount = WHOLE(9201, 9201), .de39 = "01" },
    { CARDS_OPTATUM, .amount = WHOLE(9202, 9202), .de39 = "54" },
    { CARDS_OPTATUM, .amount = WHOLE(9204, 9204), .de39 = "51" },
    { CARDS_OPTATUM, .amount = WHOLE(9205, 9205), .de39 = "43" },
    { CARDS_OPTATUM, .amount = WHOLE(9207, 9207), .de39 = "91" },
    { CARDS_OPTATUM, .amount = WHOLE(9208, 9208), .de39 = "57" },
    { CARDS_OPTATUM, .amount = WHOLE(9209, 9209), .de39 = "N7" },
    { CARDS_OPTATUM, .amount = WHOLE(9210, 9210), .de39 = "61" },
    { CARDS_OPTATUM, .amount = WHOLE(9211, 9211), .de39 = "82" },
    { CARDS_OPTATUM, .amount = WHOLE(9230, 9230), .de39 = "00", .cvv_result = 'N' },
    { CARDS_OPTATUM, .amount = WHOLE(9231, 9231), .de39 = "14" },
    { CARDS_OPTATUM, .amount = WHOLE(9233, 9233), .de39 = "12" },
    { CARDS_OPTATUM, .amount = WHOLE(9234, 9234), .de39 = "03" },
    { CARDS_OPTATUM, .amount = WHOLE(9236, 9236), .de39 = "06" },
    { CARDS_OPTATUM, .amount = WHOLE(9250, 9250), .de39 = "68" },
    { CARDS_OPTATUM, .amount = WHOLE(9400, 9400), .de39 = "00" },
    { CARDS_OPTATUM, .amount = WHOLE(9520, 9520), .de39 = "00" },
    { CARDS_OPTATUM, .amount = WHOLE(9101, 9703), .de39 = "05" },

    { CARDS_ALL, .de39 = "00" },
};

/*
 * Selector cards, BBBBBB 77 VMOC RRR L: RRR 001 to 099 decline with that code, the others are here.
 * Scenarios of completions, reversals and refunds approve at first; rules.c knows what they do
 * afterwards.
 */
static const struct scenario {
    unsigned rrr;
    char de39[3];
    enum delivery delivery;
    bool unbooked;
} scenarios[] = {
    { 101, "1A", DELIVERY_ANSWER, false },
    { 103, "R3", DELIVERY_ANSWER, false },
    { 107, "N7", DELIVERY_ANSWER, false },
    { 110, "10", DELIVERY_ANSWER, false },
    { 200, "",   DELIVERY_SILENT, true },
    { 201, "00", DELIVERY_SILENT, false },
    { 202, "00", DELIVERY_LATE, false },
    { 203, "05", DELIVERY_LATE, false },
    { 204, "00", DELIVERY_CLOSE, false },
    { 205, "",   DELIVERY_CLOSE, true },
    { 206, "00", DELIVERY_TWICE, false },
    { 207, "00", DELIVERY_WRONG_MAC, false },
    { 208, "00", DELIVERY_OTHER_AMOUNT, false },
    { 209, "00", DELIVERY_ODD_FIELDS, false },
};

static const struct test_card test_cards[] = {
    { "4000007700030007", "00", "approved" },
    { "4000007700030056", "05", "do not honour" },
    { "4000007700030148", "14", "invalid card number" },
    { "4000007700030411", "41", "lost card" },
    { "4000007700030437", "43", "stolen card" },
    { "4000007700030510", "51", "insufficient funds" },
    { "4000007700030544", "54", "expired card" },
    { "4000007700030577", "57", "not permitted to cardholder" },
    { "4000007700030593", "59", "suspected fraud" },
    { "4000007700030619", "61", "exceeds amount limit" },
    { "4000007700030627", "62", "restricted card" },
    { "4000007700030650", "65", "exceeds frequency limit" },
    { "4000007700030825", "82", "negative CVV result" },
    { "4000007700030916", "91", "issuer inoperative" },
    { "4000007700030965", "96", "system malfunction" },
    { "4000007700031013", "1A", "3-D Secure required" },
    { "4000007700031039", "R3", "all authorizations revoked" },
    { "4000007700031070", "N7", "CVV2 mismatch" },
    { "4000007700031104", "10", "approved for half the amount" },
    { "4000007700032003", "",   "never answered, not booked" },
    { "4000007700032011", "",   "never answered, but booked" },
    { "4000007700032029", "",   "approved after the time-out" },
    { "4000007700032037", "",   "declined after the time-out" },
    { "4000007700032045", "",   "connection closed, booked" },
    { "4000007700032052", "",   "connection closed, not booked" },
    { "4000007700032060", "00", "answered twice" },
    { "4000007700032078", "",   "answered with a wrong MAC" },
    { "4000007700032086", "",   "answered with another amount" },
    { "4000007700032094", "00", "answered with fields in odd order" },
    { "4000007700032102", "00", "approved; a reversal gets 91 three times, then 00" },
    { "4000007700032110", "00", "approved; a reversal is answered the sixth time, with 25" },
    { "4000007700032128", "00", "approved; a reversal is refused with 30" },
    { "4000007700032201", "00", "approved; a completion is answered the third time" },
    { "4000007700032219", "00", "approved; a completion is refused with 25" },
    { "4000007700032300", "00", "approved; a refund is answered after the time-out" },
};
/* clang-format on */

static const struct {
    char prefix[4];
    enum card_column column;
} prefixes[] = {
    { "GEN", CARDS_GENOME },
    { "BEG", CARDS_BEGATEWAY },
    { "RBS", CARDS_RBS },
    { "BIS", CARDS_BISYS },
    { "OPT", CARDS_OPTATUM },
};

enum card_column cards_column(struct str merchant)
{
    for (size_t i = 0; i < COUNT(prefixes); i++)
        if (str_starts_with(merchant, str_of(prefixes[i].prefix)))
            return prefixes[i].column;
    return CARDS_GENERIC;
}

static bool row_fits(const struct card_row *row, const struct card_question *q);
static bool test_fits(enum card_test test, const struct card_question *q);
static bool list_has(const char *list, struct str value);
static bool text_fits(const char *condition, struct str value);
static int64_t amount_value(const struct amount_test *t, const struct card_question *q);
static void apply_scenario(unsigned rrr, struct card_verdict *out);
static void two_digits(int64_t value, char out[3]);

void cards_decide(const struct card_question *q, struct card_verdict *out)
{
    *out = (struct card_verdict) { .delivery = DELIVERY_ANSWER };
    const struct card_row *row = rows;
    while (!row_fits(row, q))
        row++; /* the last row fits all */
    if (row->test == TEST_SELECTOR)
        apply_scenario(cards_scenario(q->pan), out);
    else if (row->de39 == NULL)
        two_digits(amount_value(&row->amount, q) % 100, out->de39);
    else
        memcpy(out->de39, row->de39, sizeof out->de39);
    out->authcode = row->authcode;
    out->cvv_result = row->cvv_result;
    if (q->cvv.n == 0)
        out->cvv_result = '\0';
    else if (out->cvv_result == '\0')
        out->cvv_result = strcmp(out->de39, "N7") == 0 || strcmp(out->de39, "82") == 0 ? 'N' : 'M';
}

static bool row_fits(const struct card_row *row, const struct card_question *q)
{
    if (row->column != CARDS_ALL && row->column != q->column)
        return false;
    if (row->pans != NULL && !list_has(row->pans, q->pan))
        return false;
    if (row->amount.high != 0) {
        int64_t value = amount_value(&row->amount, q);
        if (value < row->amount.low || value > row->amount.high)
            return false;
    }
    return test_fits(row->test, q) && text_fits(row->expiry, q->expiry) &&
           text_fits(row->cvv, q->cvv);
}

static bool test_fits(enum card_test test, const struct card_question *q)
{
    uint64_t expiry = 0;
    switch (test) {
    case TEST_NONE:
        return true;
    case TEST_BAD_LUHN:
        return !cards_luhn(q->pan);
    case TEST_EXPIRED:
        return str_to_u64(q->expiry, 9999, &expiry) && expiry < q->today;
    case TEST_SELECTOR:
        return cards_scenario(q->pan) != SCENARIO_NONE;
    }
    return false;
}

static bool list_has(const char *list, struct str value)
{
    struct str rest = str_of(list), item;
    while (str_split(&rest, ' ', &item))
        if (str_eq(item, value))
            return true;
    return false;
}

/* A value that was not given fits no condition: a stored card comes without CVV, and may come without expiry. */
static bool text_fits(const char *condition, struct str value)
{
    if (condition == NULL)
        return true;
    if (value.n == 0)
        return false;
    if (condition[0] == '!')
        return !list_has(condition + 1, value);
    if (condition[0] == '<')
        return str_cmp(value, str_of(condition + 1)) < 0;
    return list_has(condition, value);
}

static int64_t amount_value(const struct amount_test *t, const struct card_question *q)
{
    int64_t value = q->amount;
    if (t->whole) {
        const struct currency *c = currency_by_numeric(q->currency);
        for (unsigned i = c == NULL ? 2 : c->exponent; i > 0; i--)
            value /= 10;
    }
    return t->modulus == 0 ? value : value % t->modulus;
}

static void apply_scenario(unsigned rrr, struct card_verdict *out)
{
    if (rrr < 100) {
        two_digits(rrr, out->de39);
        return;
    }
    memcpy(out->de39, "00", sizeof out->de39);
    for (size_t i = 0; i < COUNT(scenarios); i++) {
        if (scenarios[i].rrr != rrr)
            continue;
        memcpy(out->de39, scenarios[i].de39, sizeof out->de39);
        out->delivery = scenarios[i].delivery;
        out->unbooked = scenarios[i].unbooked;
    }
}

static void two_digits(int64_t value, char out[3])
{
    out[0] = (char)('0' + value / 10 % 10);
    out[1] = (char)('0' + value % 10);
    out[2] = '\0';
}

/* Sixteen digits with one of these, or fifteen of American Express with a single 7. */
static const char *const selector_bins[] = { "40000077", "52000077", "22000077", "35280077",
    "62000077" };
static const char amex_selector_bin[] = "3400007";

unsigned cards_scenario(struct str pan)
{
    bool selects = pan.n == 15 && str_starts_with(pan, str_of(amex_selector_bin));
    for (size_t i = 0; i < COUNT(selector_bins) && pan.n == 16; i++)
        selects = selects || str_starts_with(pan, str_of(selector_bins[i]));
    if (!selects)
        return SCENARIO_NONE;
    const char *rrr = pan.p + pan.n - 4;
    return (unsigned)((rrr[0] - '0') * 100 + (rrr[1] - '0') * 10 + (rrr[2] - '0'));
}

bool cards_luhn(struct str pan)
{
    int sum = 0;
    for (size_t i = 0; i < pan.n; i++) {
        int digit = pan.p[pan.n - 1 - i] - '0';
        if (i % 2 == 1)
            digit = digit > 4 ? 2 * digit - 9 : 2 * digit;
        sum += digit;
    }
    return pan.n > 0 && sum % 10 == 0;
}

const struct test_card *cards_for_tests(size_t *count)
{
    *count = COUNT(test_cards);
    return test_cards;
}

bool cards_listed(size_t i, struct str *pan)
{
    for (const struct card_row *row = rows; row < rows + COUNT(rows); row++) {
        struct str rest = str_of(row->pans);
        while (str_split(&rest, ' ', pan))
            if (i-- == 0)
                return true;
    }
    return false;
}
