/*
 * The log: one line per event, key=value, on standard error.
 *
 *   t=2026-11-21T22:01:10.123Z level=info event=payment.approved request=7Q2.. op=00000006CAAC0F1B outcome=approved
 *
 * The format is trusted, the arguments are not: bytes outside printable ASCII become '?', a line is
 * cut at LOG_LINE_MAX, and any run of 13 to 19 digits that passes the Luhn check is masked before
 * it is written, as the last net under the rule that nobody logs a card number. Ids are written in
 * hexadecimal so that they are never taken for one. Any thread; a line is one write.
 */
#ifndef TURNPIKE_BASE_LOG_H
#define TURNPIKE_BASE_LOG_H

#include "base/str.h"

enum { LOG_LINE_MAX = 1024 };

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* Lines below level are dropped. fd is where lines go (2 at first); -1 drops all. */
void log_setup(enum log_level level, int fd);
bool log_level_of(struct str name, enum log_level *out); /* debug info warn error */

/*
 * event is a word such as "link.up"; the rest is "key=%s other=%d", may be "". Values from outside
 * are written as key=\"%.*s\".
 */
void log_event(enum log_level level, const char *event, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * Masks card numbers in place: all but the first six and last four digits of each Luhn-valid run of
 * 13 to 19.
 */
void log_mask_pans(char *text, size_t n);

#endif
