/*
 * Names of merchants for DE 43, which holds printable ASCII only.
 */
#ifndef TURNPIKE_ACQUIRER_ASCII_H
#define TURNPIKE_ACQUIRER_ASCII_H

#include "base/str.h"

/*
 * Writes UTF-8 text as printable ASCII into out[room], without a NUL, cut at room; returns the
 * length. Latin letters lose their marks, Cyrillic is transliterated, typographic signs become
 * plain ones, anything else becomes '?'.
 */
size_t ascii_fold(struct str text, char *out, size_t room);

#endif
