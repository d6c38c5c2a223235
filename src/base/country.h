/*
 * ISO 3166-1: every country in its three codes.
 */
#ifndef TURNPIKE_BASE_COUNTRY_H
#define TURNPIKE_BASE_COUNTRY_H

#include "base/str.h"

struct country {
    char alpha2[3], alpha3[4];
    uint16_t numeric;
    const char *name;
};

/* NULL when there is none. by_alpha takes two or three letters, upper case. */
const struct country *country_by_alpha(struct str code);
const struct country *country_by_numeric(unsigned numeric);
const struct country *country_table(size_t *count);

#endif
