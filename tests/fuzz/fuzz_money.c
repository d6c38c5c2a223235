/*
 * Amounts as text: what is read is the number that the C library reads, in minor units, and written
 * again it reads as the same.
 *
 * The first byte is the exponent of the currency, by its remainder of five.
 */
#include "base/money.h"
#include "fuzz.h"

#include <math.h>
#include <stdlib.h>

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    return 0;
}

static void check_format(int64_t minor, unsigned exponent)
{
    char text[MONEY_TEXT_SIZE];
    int64_t same = -1;
    size_t n = money_format(minor, exponent, text);
    assert(n == strlen(text));
    assert(money_parse((struct str) { text, n }, exponent, &same) == MONEY_OK && same == minor);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const long double units[] = { 1, 10, 100, 1000, 10000 };
    struct input in = { data, size };
    unsigned exponent = input_byte(&in) % 5;
    struct str text = input_rest(&in);
    char terminated[64] = "";
    int64_t minor = -7;
    enum money_result result = money_parse(text, exponent, &minor);
    assert((result == MONEY_OK) == (minor != -7));
    if (result == MONEY_NOT_A_NUMBER || !str_copy(terminated, sizeof terminated, text)) {
        assert(result == MONEY_NOT_A_NUMBER);
        return 0;
    }
    char *end;
    long double value = strtold(terminated, &end) * units[exponent];
    assert(*end == '\0');
    if (result == MONEY_OK) {
        assert(minor >= 0 && minor <= MONEY_MAX_MINOR);
        assert(fabsl(value - (long double)minor) < 1e-6L);
        check_format(minor, exponent);
    }
    assert((result == MONEY_NEGATIVE) == (terminated[0] == '-' && minor != 0));
    assert(result != MONEY_TOO_LARGE || value > (long double)MONEY_MAX_MINOR);
    return 0;
}
