/*
 * ISO 4217: every active currency with its numeric code and exponent.
 */
#ifndef TURNPIKE_BASE_CURRENCY_H
#define TURNPIKE_BASE_CURRENCY_H

#include "base/str.h"

struct currency {
    char code[4];     /* "EUR" */
    uint16_t numeric; /* 978 */
    uint8_t exponent; /* minor units are 10^-exponent; 0 to 4 */
    const char *name;
};

/*
 * NULL when there is no such currency. Codes are upper case. Entries live for ever and may be
 * compared by address.
 */
const struct currency *currency_by_code(struct str code);
const struct currency *currency_by_numeric(unsigned numeric);

/* The whole table, for listings and tests. */
const struct currency *currency_table(size_t *count);

#endif
