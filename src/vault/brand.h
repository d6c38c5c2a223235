/*
 * Card brands from the first digits of the number.
 */
#ifndef TURNPIKE_VAULT_BRAND_H
#define TURNPIKE_VAULT_BRAND_H

#include "base/str.h"

enum card_brand {
    BRAND_UNKNOWN,
    BRAND_VISA,
    BRAND_MASTERCARD,
    BRAND_AMEX,
    BRAND_DISCOVER,
    BRAND_DINERS,
    BRAND_JCB,
    BRAND_MAESTRO,
    BRAND_MIR,
    BRAND_UNIONPAY,
    BRAND_BELKART,
    BRAND_COUNT
};

/* The brand by the first six digits, BRAND_UNKNOWN for fewer. The longest matching range wins. */
enum card_brand brand_of(struct str pan);

/*
 * "visa", "mastercard", ... and back; lower case. "unknown" is no name of a brand and gives false.
 */
const char *brand_name(enum card_brand b);
bool brand_by_name(struct str name, enum card_brand *out);

/*
 * Writes stars over card numbers in free text, but for their first six and last four digits: 13 to
 * 19 digits of a known brand with a right Luhn sum, in one piece or in groups parted by single
 * blanks or dashes.
 */
void brand_mask_cards(char *text, size_t n);

/* The sum of Luhn modulo 10: 0 for a valid number. s must be digits. */
int luhn_rest(struct str digits);

#endif
