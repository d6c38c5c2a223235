/*
 * Decimal text to minor units and back, digit by digit.
 *
 * A number is taken apart into its significant digits and the power of ten of the last of them:
 * "12.50" is 125 and -1. Minor units are those digits times ten to that power plus the exponent of
 * the currency; a negative power means a decimal that the currency does not have. No step rounds,
 * and nothing here can overflow, however the text is made.
 */
#include "base/money.h"

#include <assert.h>
#include <stdio.h>

enum {
    TEXT_MAX = 40,
    POWER_LIMIT = 1000,   /* beyond it, no number of 40 characters can come back into range */
    MINOR_DIGITS_MAX = 12 /* of MONEY_MAX_MINOR */
};

/* A number without leading or trailing zeros: digits × 10^power; no digits at all for zero. */
struct decimal {
    bool negative;
    char digits[TEXT_MAX];
    int n, power;
};

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/* Takes the digits at the start of *rest off it; false when there is none. */
static bool take_digits(struct str *rest, struct str *digits)
{
    size_t n = 0;
    while (n < rest->n && is_digit(rest->p[n]))
        n++;
    *digits = (struct str) { rest->p, n };
    *rest = str_skip(*rest, n);
    return n > 0;
}

/* Takes c off the start of *rest; false when something else stands there. */
static bool take(struct str *rest, char c)
{
    if (rest->n == 0 || rest->p[0] != c)
        return false;
    *rest = str_skip(*rest, 1);
    return true;
}

/* Reads what follows the 'e'. Of a power too large to matter, only so much as tells that it is. */
static bool take_power(struct str *rest, int *power)
{
    bool negative = take(rest, '-');
    if (!negative)
        (void)take(rest, '+');
    struct str digits;
    if (!take_digits(rest, &digits))
        return false;
    int value = 0;
    for (size_t i = 0; i < digits.n && value < POWER_LIMIT; i++)
        value = value * 10 + (digits.p[i] - '0');
    *power = negative ? -value : value;
    return true;
}

/* Appends digits, leaving out zeros before the first significant one. */
static void add_digits(struct decimal *d, struct str digits)
{
    for (size_t i = 0; i < digits.n; i++)
        if (d->n > 0 || digits.p[i] != '0')
            d->digits[d->n++] = digits.p[i];
}

static bool read_decimal(struct str text, struct decimal *d)
{
    *d = (struct decimal) { .negative = take(&text, '-') };
    struct str whole, fraction = STR_EMPTY;
    if (!take_digits(&text, &whole))
        return false;
    if (take(&text, '.') && !take_digits(&text, &fraction))
        return false;
    if ((take(&text, 'e') || take(&text, 'E')) && !take_power(&text, &d->power))
        return false;
    if (text.n > 0)
        return false;
    add_digits(d, whole);
    add_digits(d, fraction);
    d->power -= (int)fraction.n;
    while (d->n > 0 && d->digits[d->n - 1] == '0') {
        d->n--;
        d->power++;
    }
    return true;
}

enum money_result money_parse(struct str text, unsigned exponent, int64_t *minor)
{
    assert(exponent <= 4);
    struct decimal d;
    if (text.n > TEXT_MAX || !read_decimal(text, &d))
        return MONEY_NOT_A_NUMBER;
    if (d.n == 0) {
        *minor = 0; /* minus zero is zero */
        return MONEY_OK;
    }
    if (d.negative)
        return MONEY_NEGATIVE;
    int zeros = d.power + (int)exponent;
    if (zeros < 0)
        return MONEY_INEXACT;
    if (d.n + zeros > MINOR_DIGITS_MAX)
        return MONEY_TOO_LARGE;
    int64_t value = 0;
    for (int i = 0; i < d.n; i++)
        value = value * 10 + (d.digits[i] - '0');
    for (int i = 0; i < zeros; i++)
        value *= 10;
    assert(value > 0 && value <= MONEY_MAX_MINOR);
    *minor = value;
    return MONEY_OK;
}

size_t money_format(int64_t minor, unsigned exponent, char *out)
{
    static const uint64_t units[] = { 1, 10, 100, 1000, 10000 };
    assert(exponent < COUNT(units));
    uint64_t size = minor < 0 ? 0 - (uint64_t)minor : (uint64_t)minor;
    const char *sign = minor < 0 ? "-" : "";
    unsigned long long whole = size / units[exponent], rest = size % units[exponent];
    int n;
    if (exponent == 0)
        n = snprintf(out, MONEY_TEXT_SIZE, "%s%llu", sign, whole);
    else
        n = snprintf(out, MONEY_TEXT_SIZE, "%s%llu.%0*llu", sign, whole, (int)exponent, rest);
    assert(n > 0 && n < MONEY_TEXT_SIZE);
    return (size_t)n;
}

bool money_add(int64_t a, int64_t b, int64_t *sum)
{
    int64_t result;
    if (__builtin_add_overflow(a, b, &result))
        return false;
    *sum = result;
    return true;
}
