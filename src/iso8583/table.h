/*
 * What each data element may hold: one row each, one table for each version. Private to this room.
 */
#ifndef TURNPIKE_ISO8583_TABLE_H
#define TURNPIKE_ISO8583_TABLE_H

#include "iso8583/iso8583.h"

enum iso_kind {
    ISO_KIND_NONE, /* no row: the element is not spoken on this link */
    ISO_KIND_N,    /* digits */
    ISO_KIND_AN,   /* letters, digits, and the space that fills */
    ISO_KIND_ANS,  /* printable ASCII */
    ISO_KIND_XN,   /* C or D, then digits */
    ISO_KIND_B     /* any bytes, always the full size */
};

struct iso_element {
    uint8_t kind;   /* enum iso_kind */
    uint8_t prefix; /* digits of the length before the value: 2, 3, or 0 for a fixed element */
    uint16_t size;  /* characters, digits or bytes: the most, or of a fixed element the only */
};

/*
 * The rows of the version that mti names, by element number; NULL when it is not four digits or
 * has no table.
 */
const struct iso_element *iso_table(const char mti[5]);

/* True when the n characters at p are what an element of this kind may hold; n is not checked. */
bool iso_content_valid(enum iso_kind kind, const char *p, size_t n);

#endif
