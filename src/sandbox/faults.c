/*
 * Faults as JSON.
 */
#include "http/json.h"
#include "sandbox/host.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const char *const fault_names[] = {
    [HOST_FAULT_NONE] = "none",
    [HOST_FAULT_SILENT_UNBOOKED] = "silent_unbooked",
    [HOST_FAULT_SILENT_BOOKED] = "silent_booked",
    [HOST_FAULT_LATE] = "late",
    [HOST_FAULT_TWICE] = "twice",
    [HOST_FAULT_DROP_BEFORE] = "drop_before",
    [HOST_FAULT_DROP_AFTER] = "drop_after",
    [HOST_FAULT_SIGN_OFF] = "sign_off",
    [HOST_FAULT_GARBAGE] = "garbage",
};

enum { HOUR_MS = 3600000, FAULT_COUNT_MAX = 1000000000 };

/* The numbers, their bounds and where they go. */
static const struct {
    const char *name;
    json_int_t min, max;
} numbers[] = {
    { "count", -1, FAULT_COUNT_MAX },
    { "class", 0, 4 },
    { "delay_ms", 0, HOUR_MS },
    { "late_ms", 0, HOUR_MS },
};
enum { NUMBER_COUNT, NUMBER_CLASS, NUMBER_DELAY, NUMBER_LATE, NUMBERS };
_Static_assert(COUNT(numbers) == NUMBERS, "one row each");

static bool read_kind(const json_t *value, enum host_fault_kind *out)
{
    struct str name = str_of(json_string_value(value));
    for (size_t i = 0; i < COUNT(fault_names); i++) {
        if (str_eq(name, str_of(fault_names[i]))) {
            *out = (enum host_fault_kind)i;
            return true;
        }
    }
    return false;
}

static bool read_number(const char *name, const json_t *value, json_int_t found[NUMBERS])
{
    for (size_t i = 0; i < NUMBERS; i++) {
        if (strcmp(name, numbers[i].name) != 0)
            continue;
        found[i] = json_integer_value(value);
        return json_is_integer(value) && found[i] >= numbers[i].min && found[i] <= numbers[i].max;
    }
    return false;
}

bool host_faults_parse(struct str json, struct host_faults *out, char *why, size_t why_size)
{
    json_t *object = json_read(json, why, why_size);
    if (object == NULL)
        return false;
    bool good = json_is_object(object);
    if (!good)
        (void)snprintf(why, why_size, "not an object");
    json_int_t found[NUMBERS] = { [NUMBER_COUNT] = -1 };
    enum host_fault_kind kind = HOST_FAULT_NONE;
    const char *name;
    json_t *value;
    json_object_foreach(object, name, value)
    {
        good =
            strcmp(name, "fault") == 0 ? read_kind(value, &kind) : read_number(name, value, found);
        if (!good) {
            (void)snprintf(why, why_size, "\"%.20s\" is not known or has no such value", name);
            break;
        }
    }
    json_decref(object);
    if (good)
        *out = (struct host_faults) { .kind = kind,
            .count = found[NUMBER_COUNT],
            .mti_class = (uint32_t)found[NUMBER_CLASS],
            .delay_ms = found[NUMBER_DELAY],
            .late_ms = found[NUMBER_LATE] };
    return good;
}

void host_faults_print(const struct host_faults *f, struct buf *out)
{
    assert(f->kind < COUNT(fault_names));
    buf_printf(out,
        "{\"fault\":\"%s\",\"count\":%lld,\"class\":%u,\"delay_ms\":%lld,\"late_ms\":%lld}",
        fault_names[f->kind], (long long)f->count, (unsigned)f->mti_class, (long long)f->delay_ms,
        (long long)f->late_ms);
}
