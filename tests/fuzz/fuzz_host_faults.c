/*
 * The faults that a test switches on in the sandbox: what is read is within its bounds, and printed
 * it reads as the same.
 */
#include "fuzz.h"
#include "sandbox/host.h"

static struct buf printed;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    buf_init(&printed, 4096);
    return 0;
}

static void check_faults(const struct host_faults *f)
{
    struct host_faults same;
    char why[160];
    assert(f->kind <= HOST_FAULT_GARBAGE && f->count >= -1 && f->mti_class <= 4);
    assert(f->delay_ms >= 0 && f->delay_ms <= 3600000);
    assert(f->late_ms >= 0 && f->late_ms <= 3600000);
    buf_reset(&printed);
    host_faults_print(f, &printed);
    assert(!printed.full);
    assert(host_faults_parse(buf_view(&printed), &same, why, sizeof why));
    assert(same.kind == f->kind && same.count == f->count && same.mti_class == f->mti_class);
    assert(same.delay_ms == f->delay_ms && same.late_ms == f->late_ms);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct host_faults faults;
    char why[160] = "";
    if (host_faults_parse((struct str) { (const char *)data, size }, &faults, why, sizeof why))
        check_faults(&faults);
    else
        assert(why[0] != '\0' && strnlen(why, sizeof why) < sizeof why);
    return 0;
}
