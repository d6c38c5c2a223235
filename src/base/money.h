/*
 * Money: int64 minor units and a currency. Never floating point, never rounded.
 */
#ifndef TURNPIKE_BASE_MONEY_H
#define TURNPIKE_BASE_MONEY_H

#include "base/arena.h"
#include "base/currency.h"

/* ISO 8583 carries twelve digits; no amount in turnpike is larger. */
#define MONEY_MAX_MINOR INT64_C(999999999999)

enum money_result {
    MONEY_OK,
    MONEY_NOT_A_NUMBER, /* not [-]digits[.digits][e[+-]digits] */
    MONEY_NEGATIVE,
    MONEY_INEXACT,  /* more decimals than the currency has, not all of them zero */
    MONEY_TOO_LARGE /* above MONEY_MAX_MINOR */
};

/*
 * Reads a decimal number in major units, as it stands in JSON or a form ("12.5", "10", "1e2"), into
 * minor units of a currency with that exponent. "10.50" and "10.500" USD are 1050; "10.505" USD is
 * MONEY_INEXACT. At most 40 characters.
 */
enum money_result money_parse(struct str text, unsigned exponent, int64_t *minor);

/*
 * Writes "12.50" (exponent 2), "-3" (exponent 0) and a NUL; returns the length. out has
 * MONEY_TEXT_SIZE bytes.
 */
enum { MONEY_TEXT_SIZE = 32 };
size_t money_format(int64_t minor, unsigned exponent, char *out);

/* *sum = a + b; false, and *sum untouched, when it does not fit. */
bool money_add(int64_t a, int64_t b, int64_t *sum);

#endif
