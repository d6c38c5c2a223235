/*
 * Remembers what a loss of power would take away. Loaded into the unmodified program:
 *
 *   LD_PRELOAD=powerloss.so CRASH_WORLD=FOLDER CRASH_SHADOW=OTHER_FOLDER turnpike serve ...
 *
 * Of every file below FOLDER that is written to, OTHER_FOLDER/<inode>.undo holds what the writes since
 * its last fsync or fdatasync have overwritten; what was written before a sync began is durable when it
 * returns. OTHER_FOLDER/names has a line for every name that was made, removed or changed, and for
 * every sync of a folder: a name is durable when its folder was synced, not when its file was. What
 * lost its last name keeps one in OTHER_FOLDER. power.py makes of both what a disk may hold after the
 * power went. All this outlives SIGKILL: it is written before the file itself is.
 *
 * Nothing is really synced, which only a real loss of power could tell; it takes as long as a fast disk.
 *
 * Shared memory (-shm) and locks are nothing that a disk is asked to keep.
 *
 * CRASH_SWALLOW=PATTERN: a sync of such paths returns at once and makes nothing durable.
 */
#include <assert.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <limits.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { FDS = 4096, FILES = 64, LINE = 3 * PATH_MAX, SYNC_US = 200 };

static struct {
    int (*open64)(const char *path, int flags, ...);
    int (*openat64)(int dir, const char *path, int flags, ...);
    int (*close)(int fd);
    ssize_t (*pwrite64)(int fd, const void *bytes, size_t n, off64_t at);
    ssize_t (*write)(int fd, const void *bytes, size_t n);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*ftruncate64)(int fd, off64_t size);
    int (*mkdir)(const char *path, mode_t mode);
    int (*unlink)(const char *path);
    int (*unlinkat)(int dir, const char *path, int flags);
    int (*linkat)(int dir, const char *path, int to_dir, const char *to, int flags);
    int (*renameat)(int dir, const char *path, int to_dir, const char *to);
} next;

static const struct {
    const char *name;
    void *slot;
} names[] = { { "open64", &next.open64 }, { "openat64", &next.openat64 }, { "close", &next.close },
    { "pwrite64", &next.pwrite64 }, { "write", &next.write }, { "fdatasync", &next.fdatasync },
    { "fsync", &next.fsync }, { "ftruncate64", &next.ftruncate64 }, { "mkdir", &next.mkdir },
    { "unlink", &next.unlink }, { "unlinkat", &next.unlinkat }, { "linkat", &next.linkat },
    { "renameat", &next.renameat } };

/*
 * An undo file is `durable`, the offset of the first record that counts, and the records. A record is
 * this head and the bytes that were overwritten or cut off.
 */
struct record {
    uint64_t at, n;       /* what is changed: from at, n bytes */
    uint64_t size_before; /* of the file */
    uint64_t old;         /* bytes that follow */
};

struct file {
    ino_t inode;
    int read_fd; /* stays open: closing it would drop the locks of the process on the file */
    int undo_fd;
    uint64_t end, durable;
    unsigned emptied; /* how often: an offset means nothing after that */
    bool swallowed;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const char *world, *shadow, *swallow;
static int names_fd = -1;
static unsigned saved;
static struct file all_files[FILES];
static size_t n_files;

static struct file *_Atomic file_of[FDS];
static char *_Atomic folder_of[FDS];

__attribute__((constructor)) static void set_up(void)
{
    char path[PATH_MAX];
    for (size_t i = 0; i < COUNT(names); i++) {
        void *found = dlsym(RTLD_NEXT, names[i].name);
        assert(found != NULL);
        memcpy(names[i].slot, &found, sizeof found);
    }
    world = getenv("CRASH_WORLD");
    shadow = getenv("CRASH_SHADOW");
    swallow = getenv("CRASH_SWALLOW");
    assert(world != NULL && shadow != NULL);
    (void)snprintf(path, sizeof path, "%s/names", shadow);
    names_fd = next.open64(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    assert(names_fd >= 0);
}

static bool ends(const char *path, const char *end)
{
    size_t n = strlen(path), m = strlen(end);
    return n >= m && strcmp(path + n - m, end) == 0;
}

static bool is_of_world(const char *path)
{
    return strncmp(path, world, strlen(world)) == 0 && !ends(path, "-shm") && !ends(path, "/lock");
}

static bool is_swallowed(const char *path)
{
    return swallow != NULL && fnmatch(swallow, path, 0) == 0;
}

/* The whole path of a name in a folder that was opened. */
static void whole_path(char out[PATH_MAX], int dir, const char *path)
{
    const char *folder =
        dir >= 0 && dir < FDS && path[0] != '/' ? atomic_load(&folder_of[dir]) : NULL;
    (void)snprintf(
        out, PATH_MAX, "%s%s%s", folder != NULL ? folder : "", folder != NULL ? "/" : "", path);
}

/* ---- files ---- */

static void load_undo(struct file *f)
{
    struct stat st;
    struct record r;
    uint64_t end = sizeof f->durable;
    int failed = fstat(f->undo_fd, &st);
    assert(failed == 0);
    if (pread(f->undo_fd, &f->durable, sizeof f->durable, 0) != sizeof f->durable)
        f->durable = end;
    /* The last record may be cut off: then its write has not begun. */
    while (pread(f->undo_fd, &r, sizeof r, (off_t)end) == sizeof r &&
           end + sizeof r + r.old <= (uint64_t)st.st_size)
        end += sizeof r + r.old;
    f->end = end;
    if (f->durable > end)
        f->durable = end;
}

static struct file *file_known(ino_t inode)
{
    for (size_t i = 0; i < n_files; i++)
        if (all_files[i].inode == inode)
            return &all_files[i];
    return NULL;
}

static struct file *file_new(ino_t inode, const char *path)
{
    char undo[PATH_MAX];
    assert(n_files < FILES);
    struct file *f = &all_files[n_files++];
    (void)snprintf(undo, sizeof undo, "%s/%llu.undo", shadow, (unsigned long long)inode);
    f->inode = inode;
    f->swallowed = is_swallowed(path);
    f->read_fd = next.open64(path, O_RDONLY | O_CLOEXEC);
    f->undo_fd = next.open64(undo, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert(f->read_fd >= 0 && f->undo_fd >= 0);
    load_undo(f);
    return f;
}

static struct file *file_at(int fd)
{
    return fd >= 0 && fd < FDS ? atomic_load(&file_of[fd]) : NULL;
}

/* To be called before n bytes from at on are written, or cut off. */
static void keep_old(struct file *f, uint64_t at, uint64_t n)
{
    struct stat st;
    int failed = fstat(f->read_fd, &st);
    assert(failed == 0);
    struct record r = { .at = at, .n = n, .size_before = (uint64_t)st.st_size };
    r.old = at >= r.size_before ? 0 : at + n > r.size_before ? r.size_before - at : n;
    char *bytes = malloc(sizeof r + r.old);
    assert(bytes != NULL);
    memcpy(bytes, &r, sizeof r);
    ssize_t got = pread(f->read_fd, bytes + sizeof r, r.old, (off_t)at);
    assert(got == (ssize_t)r.old);
    ssize_t put = next.pwrite64(f->undo_fd, bytes, sizeof r + r.old, (off64_t)f->end);
    assert(put == (ssize_t)(sizeof r + r.old));
    free(bytes);
    f->end += sizeof r + r.old;
}

/*
 * Everything before upto is durable. When that is all, the records go before the mark is set back: in
 * between the mark is behind the end, and nothing is to be undone.
 */
static void settle(struct file *f, uint64_t upto)
{
    ssize_t put;
    if (upto <= f->durable)
        return;
    f->durable = upto;
    put = next.pwrite64(f->undo_fd, &f->durable, sizeof f->durable, 0);
    assert(put == sizeof f->durable);
    if (f->durable < f->end)
        return;
    f->emptied++;
    f->durable = f->end = sizeof f->durable;
    int failed = next.ftruncate64(f->undo_fd, (off64_t)f->end);
    put = next.pwrite64(f->undo_fd, &f->durable, sizeof f->durable, 0);
    assert(failed == 0 && put == sizeof f->durable);
}

/* ---- names ---- */

__attribute__((format(printf, 1, 2))) static void log_name(const char *format, ...)
{
    char line[LINE];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    assert(n > 0 && n < LINE);
    ssize_t put = next.write(names_fd, line, (size_t)n);
    assert(put == n);
}

/* Another name for what path names now, in our folder; "-" when it names nothing. */
static void save(const char *path, char out[PATH_MAX])
{
    do
        (void)snprintf(out, PATH_MAX, "%s/gone-%u", shadow, saved++);
    while (access(out, F_OK) == 0);
    if (next.linkat(AT_FDCWD, path, AT_FDCWD, out, 0) != 0)
        (void)snprintf(out, PATH_MAX, "-");
}

/* ---- opening and closing ---- */

/* Lists what opening will do, as far as it can be known before. */
static void before_open(const char *path, int flags)
{
    if (!is_of_world(path))
        return;
    struct stat st;
    bool there = stat(path, &st) == 0;
    if (!there && (flags & O_CREAT) != 0)
        log_name("make %s\n", path);
    if (there && (flags & O_TRUNC) != 0 && st.st_size > 0) {
        struct file *f = file_known(st.st_ino);
        keep_old(f != NULL ? f : file_new(st.st_ino, path), 0, (uint64_t)st.st_size);
    }
}

static void after_open(int fd, const char *path, int flags)
{
    struct stat st;
    if (fd < 0 || fd >= FDS || !is_of_world(path) || fstat(fd, &st) != 0)
        return;
    if (S_ISDIR(st.st_mode)) {
        atomic_store(&folder_of[fd], strdup(path));
    } else if (S_ISREG(st.st_mode) && (flags & O_ACCMODE) != O_RDONLY) {
        struct file *f = file_known(st.st_ino);
        atomic_store(&file_of[fd], f != NULL ? f : file_new(st.st_ino, path));
    }
}

static int open_in(int dir, const char *name, int flags, mode_t mode)
{
    char path[PATH_MAX];
    whole_path(path, dir, name);
    pthread_mutex_lock(&lock);
    before_open(path, flags);
    int fd = next.openat64(dir, name, flags, mode);
    int error = errno;
    after_open(fd, path, flags);
    pthread_mutex_unlock(&lock);
    errno = error;
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int fd = open_in(AT_FDCWD, path, flags, va_arg(more, mode_t));
    va_end(more);
    return fd;
}

int openat64(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int fd = open_in(dir, path, flags, va_arg(more, mode_t));
    va_end(more);
    return fd;
}

int close(int fd)
{
    if (fd >= 0 && fd < FDS) {
        atomic_store(&file_of[fd], NULL);
        free(atomic_exchange(&folder_of[fd], NULL));
    }
    return next.close(fd);
}

/* ---- writing and syncing ---- */

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    struct file *f = file_at(fd);
    if (f == NULL)
        return next.pwrite64(fd, bytes, n, at);
    pthread_mutex_lock(&lock);
    keep_old(f, (uint64_t)at, n);
    ssize_t done = next.pwrite64(fd, bytes, n, at);
    pthread_mutex_unlock(&lock);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    struct file *f = file_at(fd);
    if (f == NULL)
        return next.write(fd, bytes, n);
    pthread_mutex_lock(&lock);
    keep_old(f, (uint64_t)lseek(fd, 0, SEEK_CUR), n);
    ssize_t done = next.write(fd, bytes, n);
    pthread_mutex_unlock(&lock);
    return done;
}

int ftruncate64(int fd, off64_t size)
{
    struct file *f = file_at(fd);
    struct stat st;
    if (f == NULL || fstat(fd, &st) != 0)
        return next.ftruncate64(fd, size);
    pthread_mutex_lock(&lock);
    off_t from = size < st.st_size ? size : st.st_size;
    off_t to = size < st.st_size ? st.st_size : size;
    keep_old(f, (uint64_t)from, (uint64_t)(to - from));
    int result = next.ftruncate64(fd, size);
    pthread_mutex_unlock(&lock);
    return result;
}

static int sync_file(int fd, int (*function)(int fd))
{
    struct file *f = file_at(fd);
    const char *folder = fd >= 0 && fd < FDS ? atomic_load(&folder_of[fd]) : NULL;
    if (f == NULL && folder == NULL)
        return function(fd);
    if (f != NULL ? f->swallowed : is_swallowed(folder))
        return 0;
    pthread_mutex_lock(&lock);
    uint64_t upto = f != NULL ? f->end : 0;
    unsigned emptied = f != NULL ? f->emptied : 0;
    pthread_mutex_unlock(&lock);
    (void)usleep(SYNC_US);
    pthread_mutex_lock(&lock);
    if (f != NULL && f->emptied == emptied) /* else another sync has made all of it durable */
        settle(f, upto);
    if (folder != NULL)
        log_name("sync %s\n", folder);
    pthread_mutex_unlock(&lock);
    return 0;
}

int fdatasync(int fd)
{
    return sync_file(fd, next.fdatasync);
}

int fsync(int fd)
{
    return sync_file(fd, next.fsync);
}

/* ---- changing names ---- */

int mkdir(const char *path, mode_t mode)
{
    if (is_of_world(path) && access(path, F_OK) != 0)
        log_name("make %s\n", path);
    return next.mkdir(path, mode);
}

static int unlink_in(int dir, const char *name, int flags)
{
    char path[PATH_MAX], gone[PATH_MAX];
    whole_path(path, dir, name);
    if (!is_of_world(path))
        return next.unlinkat(dir, name, flags);
    pthread_mutex_lock(&lock);
    save(path, gone);
    log_name("remove %s %s\n", path, gone);
    int result = next.unlinkat(dir, name, flags);
    pthread_mutex_unlock(&lock);
    return result;
}

int unlink(const char *path)
{
    return unlink_in(AT_FDCWD, path, 0);
}

int unlinkat(int dir, const char *path, int flags)
{
    return unlink_in(dir, path, flags);
}

int linkat(int dir, const char *name, int to_dir, const char *to_name, int flags)
{
    char to[PATH_MAX];
    whole_path(to, to_dir, to_name);
    if (is_of_world(to) && access(to, F_OK) != 0)
        log_name("make %s\n", to);
    return next.linkat(dir, name, to_dir, to_name, flags);
}

int renameat(int dir, const char *name, int to_dir, const char *to_name)
{
    char from[PATH_MAX], to[PATH_MAX], gone[PATH_MAX];
    whole_path(from, dir, name);
    whole_path(to, to_dir, to_name);
    if (!is_of_world(to))
        return next.renameat(dir, name, to_dir, to_name);
    pthread_mutex_lock(&lock);
    save(to, gone);
    log_name("rename %s %s %s\n", from, to, gone);
    int result = next.renameat(dir, name, to_dir, to_name);
    pthread_mutex_unlock(&lock);
    return result;
}
