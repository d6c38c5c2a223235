/*
 * What the fuzz targets share: a reader for inputs that are scripts, and quiet.
 *
 * A target takes any bytes and states what must hold for them with assert, which a build for
 * fuzzing keeps. Nothing is drawn from clocks or random numbers where a result depends on it, so
 * that an input that fails once fails always.
 */
#ifndef TURNPIKE_TEST_FUZZ_H
#define TURNPIKE_TEST_FUZZ_H

#include "base/buf.h"
#include "base/log.h"
#include "base/str.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is left of the input. */
struct input {
    const uint8_t *at;
    size_t n;
};

/* The next byte, 0 when there is none. */
static inline uint8_t input_byte(struct input *in)
{
    if (in->n == 0)
        return 0;
    in->n--;
    return *in->at++;
}

/* The next n bytes, or all that are left. */
static inline struct str input_take(struct input *in, size_t n)
{
    struct str s = { (const char *)in->at, n < in->n ? n : in->n };
    in->at += s.n;
    in->n -= s.n;
    return s;
}

/* Everything that is left. */
static inline struct str input_rest(struct input *in)
{
    return input_take(in, in->n);
}

/* The library's log would drown what the fuzzer has to say. */
static inline void fuzz_quiet(void)
{
    log_setup(LOG_ERROR, -1);
}

/* True when needle, not empty, stands somewhere in text. */
static inline bool holds_text(struct str text, struct str needle)
{
    return needle.n > 0 && text.n > 0 && memmem(text.p, text.n, needle.p, needle.n) != NULL;
}

#endif
