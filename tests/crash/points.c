/*
 * Kills a gateway between two of its system calls. Loaded into the unmodified program:
 *
 *   LD_PRELOAD=points.so CRASH_POINT="CALL FILE WHEN WHO NTH" turnpike serve ...
 *
 *   CALL  name of the call, as in `calls`
 *   FILE  what it is made on, as in `files`; head is the log at its beginning
 *   WHEN  before it, after it, or in the middle: half of the bytes are written, and no more
 *   WHO   the thread: main, engine (the one that speaks to the acquirer), keeper (any other), any.
 *         Of the engine: requests while its current commit holds no answer of the acquirer, answers
 *         while it holds one
 *   NTH   the first such call is 1
 *
 * CALL and FILE may be any.
 *
 *   CRASH_FULL="FROM COUNT"    the disk is full for COUNT writes of the log, the FROM-th first
 *   CRASH_BROKEN="FROM COUNT"  COUNT of the engine's syncs of the log fail, and nothing is synced
 *
 * A word that is not known ends the program at once, so that a test cannot wait for a point in vain.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof *(a))

enum { FDS = 4096, WORD = 16, HEAD_BYTES = 32 };

enum call { ANY_CALL, OPEN, PWRITE, WRITE, SYNC, TRUNCATE, SEND, RECV, UNLINK, LINK, RENAME };
static const char *const calls[] = { "any", "open", "pwrite", "write", "sync", "truncate", "send",
    "recv", "unlink", "link", "rename" };

enum file {
    ANY_FILE,
    OTHER,
    LOG,
    HEAD,
    DB,
    SHM,
    JOURNAL,
    RING,
    FOLDER,
    ADMIN,
    ACQUIRER,
    CLIENT,
    WAKE
};
static const char *const files[] = { "any", "other", "log", "head", "db", "shm", "journal", "ring",
    "folder", "admin", "acquirer", "client", "wake" };

enum when { BEFORE, MIDDLE, AFTER };
static const char *const moments[] = { "before", "middle", "after" };

enum who { ANYBODY, MAIN, ENGINE, REQUESTS, ANSWERS, KEEPER };
static const char *const threads[] = { "any", "main", "engine", "requests", "answers", "keeper" };

/* How a path ends, and what it then is. */
static const struct {
    const char *end;
    enum file file;
} path_ends[] = { { "-wal", LOG }, { ".db", DB }, { "-shm", SHM }, { "-journal", JOURNAL },
    { "/admin", ADMIN } };

/* The functions behind ours. */
static struct {
    int (*open64)(const char *path, int flags, ...);
    int (*openat64)(int dir, const char *path, int flags, ...);
    int (*close)(int fd);
    ssize_t (*pwrite64)(int fd, const void *bytes, size_t n, off64_t at);
    ssize_t (*write)(int fd, const void *bytes, size_t n);
    int (*fdatasync)(int fd);
    int (*fsync)(int fd);
    int (*ftruncate64)(int fd, off64_t size);
    ssize_t (*send)(int fd, const void *bytes, size_t n, int flags);
    ssize_t (*sendmsg)(int fd, const struct msghdr *m, int flags);
    ssize_t (*recv)(int fd, void *bytes, size_t n, int flags);
    int (*connect)(int fd, const struct sockaddr *to, socklen_t size);
    int (*accept4)(int fd, struct sockaddr *from, socklen_t *size, int flags);
    int (*eventfd)(unsigned count, int flags);
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
    { "fsync", &next.fsync }, { "ftruncate64", &next.ftruncate64 }, { "send", &next.send },
    { "sendmsg", &next.sendmsg }, { "recv", &next.recv }, { "connect", &next.connect },
    { "accept4", &next.accept4 }, { "eventfd", &next.eventfd }, { "unlink", &next.unlink },
    { "unlinkat", &next.unlinkat }, { "linkat", &next.linkat }, { "renameat", &next.renameat } };

static struct {
    bool set;
    enum call call;
    enum file file;
    enum when when;
    enum who who;
    long nth;
} point;

/* Calls that fail: count of them, the from-th first; from is 0 when there are none. */
struct trouble {
    long from, count;
    atomic_long seen;
};

static struct trouble full, broken;
static atomic_long seen;
static _Atomic unsigned char file_of[FDS];

/* Of the engine's thread: what its commits are made of. */
static _Thread_local struct {
    bool engine;
    bool received;   /* the acquirer has answered something that no commit holds yet */
    bool committing; /* a commit is being written */
    bool head;       /* the last write was the log's head and nothing else */
    bool answers;    /* the current or last commit holds an answer */
} self;

static unsigned number_of(const char *const *words, size_t n, const char *word)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(words[i], word) == 0)
            return (unsigned)i;
    (void)fprintf(stderr, "points: \"%s\" is not known\n", word);
    _exit(99);
}

/* The next word of *text. */
static const char *take_word(const char **text, char word[WORD])
{
    size_t n = strcspn(*text, " ");
    if (n == 0 || n >= WORD)
        _exit(99);
    memcpy(word, *text, n);
    word[n] = '\0';
    *text += n + ((*text)[n] == ' ');
    return word;
}

static void take_trouble(const char *name, struct trouble *t)
{
    char word[WORD];
    const char *text = getenv(name);
    if (text != NULL) {
        t->from = strtol(take_word(&text, word), NULL, 10);
        t->count = strtol(take_word(&text, word), NULL, 10);
    }
}

static bool strikes(struct trouble *t)
{
    long n = atomic_fetch_add(&t->seen, 1) + 1;
    return t->from > 0 && n >= t->from && n < t->from + t->count;
}

static void take_settings(void)
{
    char word[WORD];
    const char *text = getenv("CRASH_POINT");
    if (text != NULL) {
        point.call = (enum call)number_of(calls, COUNT(calls), take_word(&text, word));
        point.file = (enum file)number_of(files, COUNT(files), take_word(&text, word));
        point.when = (enum when)number_of(moments, COUNT(moments), take_word(&text, word));
        point.who = (enum who)number_of(threads, COUNT(threads), take_word(&text, word));
        point.nth = strtol(take_word(&text, word), NULL, 10);
        point.set = true;
    }
    take_trouble("CRASH_FULL", &full);
    take_trouble("CRASH_BROKEN", &broken);
}

__attribute__((constructor)) static void set_up(void)
{
    for (size_t i = 0; i < COUNT(names); i++) {
        void *found = dlsym(RTLD_NEXT, names[i].name);
        if (found == NULL)
            _exit(99);
        memcpy(names[i].slot, &found, sizeof found);
    }
    take_settings();
}

/* ---- what a call is ---- */

static enum file file_at_path(const char *path)
{
    if (strstr(path, "keyring") != NULL)
        return RING;
    size_t n = strlen(path);
    for (size_t i = 0; i < COUNT(path_ends); i++) {
        size_t end = strlen(path_ends[i].end);
        if (n >= end && strcmp(path + n - end, path_ends[i].end) == 0)
            return path_ends[i].file;
    }
    return OTHER;
}

static void note(int fd, enum file file)
{
    if (fd >= 0 && fd < FDS)
        atomic_store(&file_of[fd], (unsigned char)file);
}

static enum file file_at(int fd)
{
    return fd >= 0 && fd < FDS ? (enum file)atomic_load(&file_of[fd]) : OTHER;
}

static bool is_me(enum who who)
{
    bool main_thread = gettid() == getpid();
    switch (who) {
    case ANYBODY:
        return true;
    case MAIN:
        return main_thread;
    case ENGINE:
        return self.engine;
    case REQUESTS:
        return self.engine && !self.answers;
    case ANSWERS:
        return self.engine && self.answers;
    case KEEPER:
        return !self.engine && !main_thread;
    }
    return false;
}

/* Whether this is where the program is to die. */
static bool reached(enum call call, enum file file, enum when when)
{
    return point.set && point.when == when && (point.call == ANY_CALL || point.call == call) &&
           (point.file == ANY_FILE || point.file == file) && is_me(point.who) &&
           atomic_fetch_add(&seen, 1) + 1 == point.nth;
}

/* The calling thread does nothing more; the others go on until the signal reaches them. */
static void die(void)
{
    (void)kill(getpid(), SIGKILL);
    for (;;)
        (void)pause();
}

static void pass(enum call call, enum file file, enum when when)
{
    int error = errno;
    if (reached(call, file, when))
        die();
    errno = error;
}

/* ---- files ---- */

static int opened(int fd, const char *path, int flags)
{
    enum file file = (flags & O_DIRECTORY) != 0 ? FOLDER : file_at_path(path);
    note(fd, file);
    if (fd >= 0)
        pass(OPEN, file, AFTER);
    return fd;
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int fd = next.open64(path, flags, va_arg(more, mode_t));
    va_end(more);
    return opened(fd, path, flags);
}

int openat64(int dir, const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int fd = next.openat64(dir, path, flags, va_arg(more, mode_t));
    va_end(more);
    return opened(fd, path, flags);
}

int close(int fd)
{
    note(fd, OTHER);
    return next.close(fd);
}

/* Keeps up which kind of commit the engine is writing. */
static void begin_write(bool head)
{
    if (self.received || !self.committing)
        self.answers = self.received;
    self.received = false;
    self.committing = true;
    self.head = head;
}

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at)
{
    enum file file = file_at(fd);
    if (file == LOG) {
        begin_write(at == 0 && n == HEAD_BYTES);
        if (strikes(&full)) {
            errno = ENOSPC;
            return -1;
        }
        file = at == 0 ? HEAD : LOG;
    }
    pass(PWRITE, file, BEFORE);
    if (reached(PWRITE, file, MIDDLE)) {
        (void)next.pwrite64(fd, bytes, n / 2, at);
        die();
    }
    ssize_t done = next.pwrite64(fd, bytes, n, at);
    pass(PWRITE, file, AFTER);
    return done;
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    enum file file = file_at(fd);
    pass(WRITE, file, BEFORE);
    if (reached(WRITE, file, MIDDLE)) {
        (void)next.write(fd, bytes, n / 2);
        die();
    }
    ssize_t done = next.write(fd, bytes, n);
    pass(WRITE, file, AFTER);
    return done;
}

static int sync_file(int fd, int (*function)(int fd))
{
    enum file file = file_at(fd);
    if (file == LOG && self.head)
        file = HEAD;
    pass(SYNC, file, BEFORE);
    int result = -1;
    if (file == LOG && self.engine && strikes(&broken))
        errno = EIO;
    else
        result = function(fd);
    pass(SYNC, file, AFTER);
    self.committing = self.committing && file != LOG;
    self.head = false;
    return result;
}

int fdatasync(int fd)
{
    return sync_file(fd, next.fdatasync);
}

int fsync(int fd)
{
    return sync_file(fd, next.fsync);
}

int ftruncate64(int fd, off64_t size)
{
    enum file file = file_at(fd);
    pass(TRUNCATE, file, BEFORE);
    int result = next.ftruncate64(fd, size);
    pass(TRUNCATE, file, AFTER);
    return result;
}

/* ---- names ---- */

int unlink(const char *path)
{
    enum file file = file_at_path(path);
    pass(UNLINK, file, BEFORE);
    int result = next.unlink(path);
    pass(UNLINK, file, AFTER);
    return result;
}

int unlinkat(int dir, const char *path, int flags)
{
    enum file file = file_at_path(path);
    pass(UNLINK, file, BEFORE);
    int result = next.unlinkat(dir, path, flags);
    pass(UNLINK, file, AFTER);
    return result;
}

int linkat(int dir, const char *path, int to_dir, const char *to, int flags)
{
    enum file file = file_at_path(to);
    pass(LINK, file, BEFORE);
    int result = next.linkat(dir, path, to_dir, to, flags);
    pass(LINK, file, AFTER);
    return result;
}

int renameat(int dir, const char *path, int to_dir, const char *to)
{
    enum file file = file_at_path(to);
    pass(RENAME, file, BEFORE);
    int result = next.renameat(dir, path, to_dir, to);
    pass(RENAME, file, AFTER);
    return result;
}

/* ---- the network ---- */

int connect(int fd, const struct sockaddr *to, socklen_t size)
{
    note(fd, ACQUIRER);
    return next.connect(fd, to, size);
}

int accept4(int fd, struct sockaddr *from, socklen_t *size, int flags)
{
    int client = next.accept4(fd, from, size, flags);
    note(client, CLIENT);
    return client;
}

int eventfd(unsigned count, int flags)
{
    int fd = next.eventfd(count, flags);
    note(fd, WAKE);
    return fd;
}

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    enum file file = file_at(fd);
    self.engine = self.engine || file == ACQUIRER;
    pass(SEND, file, BEFORE);
    if (reached(SEND, file, MIDDLE)) {
        (void)next.send(fd, bytes, n / 2, flags);
        die();
    }
    ssize_t done = next.send(fd, bytes, n, flags);
    pass(SEND, file, AFTER);
    return done;
}

ssize_t sendmsg(int fd, const struct msghdr *m, int flags)
{
    enum file file = file_at(fd);
    pass(SEND, file, BEFORE);
    if (reached(SEND, file, MIDDLE)) {
        if (m->msg_iovlen > 0)
            (void)next.send(fd, m->msg_iov[0].iov_base, m->msg_iov[0].iov_len / 2, flags);
        die();
    }
    ssize_t done = next.sendmsg(fd, m, flags);
    pass(SEND, file, AFTER);
    return done;
}

/* A frame is two bytes of length, then the MTI; 08xx is the link's own. */
static bool is_answer(const char *bytes, ssize_t n)
{
    return n > 4 && memcmp(bytes + 2, "08", 2) != 0;
}

ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
    enum file file = file_at(fd);
    ssize_t got = next.recv(fd, bytes, n, flags);
    if (file == ACQUIRER && is_answer(bytes, got)) {
        self.engine = self.received = true;
        pass(RECV, file, AFTER);
    } else if (got > 0) {
        pass(RECV, file == ACQUIRER ? OTHER : file, AFTER);
    }
    return got;
}
