/*
 * The shape of a request's header, checked as strictly as RFC 9112 lets a server.
 *
 * A proxy in front and this server must agree where a request ends, or a second one is smuggled in
 * the body of the first. libmicrohttpd 0.9.75 is tolerant: it takes a bare line feed for a line
 * break, cuts a value at a NUL, joins folded lines, believes Transfer-Encoding over Content-Length
 * and reads an unknown coding up to the end of the connection. Here all of that is a fault, and the
 * connection ends with it.
 *
 * The library takes the header apart where it lies, with NULs in the place of separators. So what
 * it lost can be told from addresses: every name must stand exactly two bytes (CR LF) behind the
 * value before it, from the request line to the blank line. A later library refuses these things
 * itself and may lay the header out differently, so the addresses are looked at only with versions
 * up to 0.9.75.
 *
 * The lines between chunks can not be seen from here; therefore a chunked request is always the
 * last on its connection, and bytes behind it are never taken for another.
 */
#ifndef TURNPIKE_HTTP_FRAMING_H
#define TURNPIKE_HTTP_FRAMING_H

#include "base/str.h"

#include <microhttpd.h>

struct framing {
    const char *fault;       /* a word for the log; NULL: none */
    struct str header;       /* all of it, where the library keeps it */
    struct str content_type; /* empty when there is none */
    bool chunked;
    bool waits;              /* Expect: 100-continue */
    uint64_t content_length; /* 0 when there is none */
};

/* target is of the request line, where the library keeps it, with the length it came with. */
struct framing framing_check(
    struct MHD_Connection *c, const char *method, struct str target, const char *version);

/* True with a library whose own strictness is not needed, and in 0.9.75 sends a broken answer. */
bool framing_reads_addresses(void);

#endif
