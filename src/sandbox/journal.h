/*
 * The host's journal: one line of text per exchange, only ever appended to.
 *
 *   t=1795298470123 mti=0200 pan=411111******1111 proc=000000 amount=1250 cur=978 stan=000102 ...
 *
 * Fields come in one order and none is left out; "-" stands for an empty one, and bytes that would
 * break the line are written %XX. A line tells all that the books need, so that a restart rebuilds
 * them. What a crash left of a last line is cut off; any other line that cannot be read refuses the
 * whole file.
 */
#ifndef TURNPIKE_SANDBOX_JOURNAL_H
#define TURNPIKE_SANDBOX_JOURNAL_H

#include "sandbox/books.h"

struct journal;

/*
 * Opens or makes the file, takes it for this process alone, and posts all its exchanges to b.
 * NULL with a sentence that names file and line.
 */
struct journal *journal_open(const char *path, struct books *b, char *why, size_t why_size);
void journal_close(struct journal *j);

/* Keeps a line for the next flush. */
void journal_append(struct journal *j, const struct exchange *x);

/* Writes the lines kept since the last call, with one write. False once a line was lost. */
bool journal_flush(struct journal *j);

#endif
