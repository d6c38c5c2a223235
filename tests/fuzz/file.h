/*
 * For the targets of files: a file in memory that holds the input, and its path.
 */
#ifndef TURNPIKE_TEST_FUZZ_FILE_H
#define TURNPIKE_TEST_FUZZ_FILE_H

#include "base/str.h"

#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct fuzz_file {
    int fd;
    char path[256];
};

/* A regular file without a name; its path leads through this process. */
static inline void file_in_memory(struct fuzz_file *f)
{
    f->fd = memfd_create("fuzz", MFD_CLOEXEC);
    assert(f->fd >= 0 && fchmod(f->fd, 0600) == 0);
    int n = snprintf(f->path, sizeof f->path, "/proc/self/fd/%d", f->fd);
    assert(n > 0 && (size_t)n < sizeof f->path);
}

static struct fuzz_file *named_file;

static inline void remove_named_file(void)
{
    (void)unlink(named_file->path);
}

/* A file with a name in TMPDIR, for code that follows no link; removed at the end. */
static inline void file_with_name(struct fuzz_file *f)
{
    const char *folder = getenv("TMPDIR");
    int n = snprintf(f->path, sizeof f->path, "%s/fuzz-XXXXXX", folder != NULL ? folder : "/tmp");
    assert(n > 0 && (size_t)n < sizeof f->path);
    f->fd = mkstemp(f->path);
    assert(f->fd >= 0);
    named_file = f;
    int failed = atexit(remove_named_file);
    assert(failed == 0);
}

static inline void file_write(const struct fuzz_file *f, struct str text)
{
    int failed = ftruncate(f->fd, 0);
    ssize_t n = text.n > 0 ? pwrite(f->fd, text.p, text.n, 0) : 0;
    assert(failed == 0 && n == (ssize_t)text.n);
}

static inline size_t file_size(const struct fuzz_file *f)
{
    struct stat st;
    int failed = fstat(f->fd, &st);
    assert(failed == 0);
    return (size_t)st.st_size;
}

#endif
