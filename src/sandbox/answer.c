#include "sandbox/answer.h"

#include <string.h>

enum { ECHO_MAX = 16 };

static const uint8_t echoed[ANSWER_SHAPES][ECHO_MAX] = {
    [ANSWER_OPENING] = { 2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 63 },
    [ANSWER_COMPLETION] = { 2, 3, 4, 7, 11, 12, 13, 32, 37, 41, 42, 49, 63 },
    [ANSWER_REVERSAL] = { 2, 3, 4, 7, 11, 32, 37, 41, 42, 49, 63 },
    [ANSWER_RECONCILIATION] = { 7, 11, 15, 32, 42, 50 },
    [ANSWER_NETWORK] = { 7, 11, 32, 70 },
};

/* Merchant advice codes (DE 48.84) that go with a decline. */
static const struct {
    char de39[3], advice[3];
} advices[] = {
    { "51", "02" },
    { "54", "01" },
    { "61", "02" },
    { "65", "02" },
    { "91", "02" },
    { "R0", "03" },
    { "R1", "03" },
    { "R3", "03" },
};

static void add_opening(
    struct iso_message *answer, const struct iso_message *request, const struct exchange *x);
static void add_amounts(struct iso_message *answer, const struct exchange *x);
static void add_de48(struct iso_message *answer, const struct exchange *x);
static void add_network_id(
    struct iso_message *answer, const struct iso_message *request, const struct exchange *x);

void answer_build(struct iso_message *answer, enum answer_shape shape,
    const struct iso_message *request, const struct exchange *x)
{
    char mti[5];
    iso_answer_mti(request->mti, mti);
    iso_init(answer, mti);
    for (const uint8_t *de = echoed[shape]; de < echoed[shape] + ECHO_MAX && *de != 0; de++) {
        struct str value = iso_get(request, *de);
        if (value.n > 0)
            iso_set(answer, *de, value);
    }
    iso_set(answer, 39, str_of(x->de39));
    if (shape == ANSWER_OPENING)
        add_opening(answer, request, x);
}

static void add_opening(
    struct iso_message *answer, const struct iso_message *request, const struct exchange *x)
{
    bool approved = exchange_is_approval(x->de39);
    if (x->day != 0)
        iso_set_number(answer, 15, x->day % 10000, 4);
    if (approved && x->authcode[0] != '\0')
        iso_set(answer, 38, str_of(x->authcode));
    if (approved)
        add_network_id(answer, request, x);
    add_amounts(answer, x);
    add_de48(answer, x);
    if (x->delivery == DELIVERY_ODD_FIELDS)
        iso_set(answer, 44, STR("SANDBOX")); /* in no message map */
}

/* DE 4 as it was approved; the original amount goes to DE 54: account, type 57, currency, sign, amount. */
static void add_amounts(struct iso_message *answer, const struct exchange *x)
{
    if (str_eq(str_of(x->de39), STR("10"))) {
        iso_set_number(answer, 4, (uint64_t)exchange_partial(x->amount), 12);
        iso_set_text(
            answer, 54, "0057%03uC%012llu", (unsigned)x->currency, (unsigned long long)x->amount);
    }
    if (x->delivery == DELIVERY_OTHER_AMOUNT)
        iso_set_number(answer, 4, (uint64_t)x->amount % 999999999999 + 1, 12);
}

static void add_de48(struct iso_message *answer, const struct exchange *x)
{
    if (x->delivery == DELIVERY_ODD_FIELDS) {
        iso_set(answer, 48, STR("T9903ODD8701P8402020107SANDBOX"));
        return;
    }
    char text[] = "T8402..8701.";
    size_t n = 1;
    for (size_t i = 0; i < COUNT(advices); i++) {
        if (memcmp(x->de39, advices[i].de39, 2) != 0)
            continue;
        memcpy(text + 5, advices[i].advice, 2);
        n = 7;
    }
    if (x->cvv_result[0] != '\0') {
        memcpy(text + n, "8701", 4);
        text[n + 4] = x->cvv_result[0];
        n += 5;
    }
    if (n > 1)
        iso_set_text(answer, 48, "%.*s", (int)n, text);
}

/* In the form of the scheme; a series keeps the id of its first payment. */
static void add_network_id(
    struct iso_message *answer, const struct iso_message *request, const struct exchange *x)
{
    struct str first = iso_get(request, 62), pan = iso_get(request, 2);
    unsigned long long number = x->key >> 1;
    if (first.n > 0)
        iso_set(answer, 62, first);
    else if (pan.n > 0 && pan.p[0] == '5')
        iso_set_text(answer, 62, "MCC%06llX%04u", number % 0x1000000, (unsigned)x->day % 10000);
    else
        iso_set_number(answer, 62, number % 1000000000000000, 15);
}

void answer_totals(struct iso_message *answer, const struct book_totals *t)
{
    for (int i = 0; i < TOTALS; i++) {
        iso_set_number(answer, 74 + i, t->count[i], 10);
        iso_set_number(answer, 86 + i, (uint64_t)t->amount[i], 16);
    }
    int64_t net = t->amount[TOTAL_REFUNDS] + t->amount[TOTAL_SALES_REVERSED] -
                  t->amount[TOTAL_SALES] - t->amount[TOTAL_REFUNDS_REVERSED];
    iso_set_text(
        answer, 97, "%c%016llu", net < 0 ? 'D' : 'C', (unsigned long long)(net < 0 ? -net : net));
}
