/*
 * Functions of the C library, libcrypto and libsodium that fail when a test says so.
 *
 * FAULTY defines a function of that name in the test program, which the linker prefers to the one
 * of the shared library. It passes calls on until one is armed: then that call fails, or, with a
 * hook, something happens just before it, as when another process comes between.
 */
#ifndef TURNPIKE_TEST_BASE_FAULT_H
#define TURNPIKE_TEST_BASE_FAULT_H

#include <dlfcn.h>
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static struct {
    const char *name; /* NULL: nothing is armed */
    int passes;       /* calls that go through before */
    int error;        /* for errno */
    void (*hook)(void);
} fault_armed;

/* The call of that name after so many others fails, once, with errno set. */
static inline void fault_arm(const char *name, int passes, int error)
{
    fault_armed.name = name;
    fault_armed.passes = passes;
    fault_armed.error = error;
    fault_armed.hook = NULL;
}

/* Something happens before the next call of that name, which then goes through. */
static inline void fault_arm_hook(const char *name, void (*hook)(void))
{
    fault_arm(name, 0, 0);
    fault_armed.hook = hook;
}

/* Whether what was armed has come; nothing is armed any more. */
static inline bool fault_came(void)
{
    bool came = fault_armed.name == NULL;
    fault_armed.name = NULL;
    return came;
}

static inline bool fault_is_due(const char *name)
{
    if (fault_armed.name == NULL || strcmp(fault_armed.name, name) != 0 || fault_armed.passes-- > 0)
        return false;
    fault_armed.name = NULL;
    if (fault_armed.hook != NULL) {
        fault_armed.hook();
        return false;
    }
    errno = fault_armed.error;
    return true;
}

/* The function that would have been called, into *real. */
static inline void fault_real(const char *name, void *real, size_t size)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (found == NULL || size != sizeof found)
        abort();
    memcpy(real, &found, size);
}

#define FAULTY(type, name, params, args, failure)                                                  \
    type name params                                                                               \
    {                                                                                              \
        type(*real) params;                                                                        \
        if (fault_is_due(#name))                                                                   \
            return failure;                                                                        \
        fault_real(#name, (void *)&real, sizeof real);                                             \
        return real args;                                                                          \
    }

#endif
