#include "base/log.h"
#include "base/clock.h"

#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PAN_SHORTEST = 13, PAN_LONGEST = 19 };

static _Atomic int threshold = LOG_INFO;
static _Atomic int sink = 2;

static const char *const level_names[] = { "debug", "info", "warn", "error" };

void log_setup(enum log_level level, int fd)
{
    atomic_store(&threshold, (int)level);
    atomic_store(&sink, fd);
}

bool log_level_of(struct str name, enum log_level *out)
{
    for (size_t i = 0; i < COUNT(level_names); i++) {
        if (str_eq(name, str_of(level_names[i]))) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool luhn_valid(const char *digits, size_t n)
{
    int sum = 0;
    for (size_t i = 0; i < n; i++) {
        int d = digits[n - 1 - i] - '0';
        if (i % 2 == 1)
            d = d > 4 ? 2 * d - 9 : 2 * d;
        sum += d;
    }
    return sum % 10 == 0;
}

void log_mask_pans(char *text, size_t n)
{
    size_t start = 0;
    while (start < n) {
        size_t end = start;
        while (end < n && is_digit(text[end]))
            end++;
        if (end - start >= PAN_SHORTEST && end - start <= PAN_LONGEST &&
            luhn_valid(text + start, end - start))
            memset(text + start + 6, '*', end - start - 10);
        start = end > start ? end : start + 1;
    }
}

static void make_printable(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < 0x20 || (unsigned char)text[i] > 0x7e)
            text[i] = '?';
}

/* What snprintf really wrote of n, in room bytes. */
static size_t written(int n, size_t room)
{
    if (n < 0)
        return 0;
    return (size_t)n < room ? (size_t)n : room - 1;
}

void log_event(enum log_level level, const char *event, const char *format, ...)
{
    int fd = atomic_load(&sink);
    if ((int)level < atomic_load(&threshold) || fd < 0)
        return;
    struct clock wall;
    clock_init(&wall, 0);
    char when[UTC_TEXT_SIZE];
    utc_text(clock_now_ms(&wall), when);

    /* Masked before it is cut: half a card number at the end would pass no Luhn check. */
    char line[LOG_LINE_MAX + PAN_LONGEST];
    size_t room = sizeof line;
    size_t n = written(snprintf(line, room, "t=%s level=%s event=%s%s", when, level_names[level],
                           event, format[0] != '\0' ? " " : ""),
        room);
    va_list args;
    va_start(args, format);
    n += written(vsnprintf(line + n, room - n, format, args), room - n);
    va_end(args);
    make_printable(line, n);
    log_mask_pans(line, n);
    if (n > LOG_LINE_MAX - 1)
        n = LOG_LINE_MAX - 1;
    line[n++] = '\n';
    if (write(fd, line, n) < 0)
        return; /* a log that cannot be written has nowhere to complain */
}
