/*
 * Which scheme a card number belongs to, by the ranges that the schemes publish.
 *
 * A range is a pair of prefixes of equal length, at most six digits; of two that match, the longer
 * wins, so that "6" can be Maestro's and everything carved out of it stands in a row of its own.
 * The range 622126 to 622925, which Discover and UnionPay share, is UnionPay here: its cards are
 * issued by UnionPay's members and go over Discover only inside the United States.
 */
#include "vault/brand.h"

#include <assert.h>

enum { PREFIX_MAX = 6 };

struct range {
    uint32_t first, last;
    uint8_t digits; /* of both */
    enum card_brand brand;
};

static const struct range ranges[] = {
    { 2200, 2204, 4, BRAND_MIR },
    { 2221, 2720, 4, BRAND_MASTERCARD },
    { 300, 305, 3, BRAND_DINERS },
    { 3095, 3095, 4, BRAND_DINERS },
    { 34, 34, 2, BRAND_AMEX },
    { 3528, 3589, 4, BRAND_JCB },
    { 36, 36, 2, BRAND_DINERS },
    { 37, 37, 2, BRAND_AMEX },
    { 38, 39, 2, BRAND_DINERS },
    { 4, 4, 1, BRAND_VISA },
    { 50, 50, 2, BRAND_MAESTRO }, /* 5018, 5020, 5038 and neighbours */
    { 51, 55, 2, BRAND_MASTERCARD },
    { 56, 58, 2, BRAND_MAESTRO }, /* 5893 and neighbours */
    { 6, 6, 1, BRAND_MAESTRO },   /* 6304, 6759, 6761 to 6763, and what no other row takes */
    { 6011, 6011, 4, BRAND_DISCOVER },
    { 62, 62, 2, BRAND_UNIONPAY },
    { 644, 649, 3, BRAND_DISCOVER },
    { 65, 65, 2, BRAND_DISCOVER },
    { 81, 81, 2, BRAND_UNIONPAY },
    { 9112, 9112, 4, BRAND_BELKART },
};

static const char *const names[BRAND_COUNT] = {
    [BRAND_UNKNOWN] = "unknown",
    [BRAND_VISA] = "visa",
    [BRAND_MASTERCARD] = "mastercard",
    [BRAND_AMEX] = "amex",
    [BRAND_DISCOVER] = "discover",
    [BRAND_DINERS] = "diners",
    [BRAND_JCB] = "jcb",
    [BRAND_MAESTRO] = "maestro",
    [BRAND_MIR] = "mir",
    [BRAND_UNIONPAY] = "unionpay",
    [BRAND_BELKART] = "belkart",
};

enum card_brand brand_of(struct str pan)
{
    if (pan.n < PREFIX_MAX || !str_is_digits((struct str) { pan.p, PREFIX_MAX }))
        return BRAND_UNKNOWN;
    uint32_t prefix[PREFIX_MAX + 1] = { 0 }; /* by number of digits */
    for (size_t i = 0; i < PREFIX_MAX; i++)
        prefix[i + 1] = prefix[i] * 10 + (uint32_t)(pan.p[i] - '0');
    enum card_brand found = BRAND_UNKNOWN;
    uint8_t longest = 0;
    for (size_t i = 0; i < COUNT(ranges); i++) {
        const struct range *r = &ranges[i];
        if (r->digits > longest && prefix[r->digits] >= r->first && prefix[r->digits] <= r->last) {
            found = r->brand;
            longest = r->digits;
        }
    }
    return found;
}

const char *brand_name(enum card_brand b)
{
    assert((unsigned)b < BRAND_COUNT);
    return names[b];
}

bool brand_by_name(struct str name, enum card_brand *out)
{
    for (size_t i = BRAND_UNKNOWN + 1; i < BRAND_COUNT; i++) {
        if (str_eq(name, str_of(names[i]))) {
            *out = (enum card_brand)i;
            return true;
        }
    }
    return false;
}

int luhn_rest(struct str digits)
{
    int sum = 0;
    for (size_t i = 0; i < digits.n; i++) {
        char c = digits.p[digits.n - 1 - i];
        assert(c >= '0' && c <= '9');
        int d = c - '0';
        if (i % 2 == 1)
            d = d > 4 ? 2 * d - 9 : 2 * d;
        sum += d;
    }
    return sum % 10;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Where the longest card number that begins at start, a digit, ends; start when none does. */
static size_t card_end(const char *text, size_t n, size_t start)
{
    enum { SHORTEST = 13, LONGEST = 19 };
    char digits[LONGEST];
    size_t count = 0, end = start;
    for (size_t i = start; i < n; i++) {
        if (!is_digit(text[i])) {
            if ((text[i] != ' ' && text[i] != '-') || !is_digit(text[i - 1]))
                break;
            continue;
        }
        if (count == LONGEST)
            break;
        digits[count++] = text[i];
        struct str number = { digits, count };
        bool group_ends = i + 1 == n || !is_digit(text[i + 1]);
        if (group_ends && count >= SHORTEST && luhn_rest(number) == 0 &&
            brand_of(number) != BRAND_UNKNOWN)
            end = i + 1;
    }
    return end;
}

static void mask(char *text, size_t n)
{
    size_t digits = 0, seen = 0;
    for (size_t i = 0; i < n; i++)
        digits += is_digit(text[i]) ? 1 : 0;
    for (size_t i = 0; i < n; i++)
        if (is_digit(text[i]) && ++seen > 6 && seen <= digits - 4)
            text[i] = '*';
}

void brand_mask_cards(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        bool begins = is_digit(text[i]) && (i == 0 || !is_digit(text[i - 1]));
        size_t end = begins ? card_end(text, n, i) : i;
        mask(text + i, end - i);
        i = end > i ? end - 1 : i;
    }
}
