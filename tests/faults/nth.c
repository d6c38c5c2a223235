/*
 * Makes the n-th call of a kind fail in a program that knows nothing of it, and tells at its end
 * which memory was never given back.
 *
 * Loaded with LD_PRELOAD. The file that NTH_PAGE names is a page of memory shared with the test
 * (struct page): it says what is to fail, may be changed at any time, and tells back what was seen.
 * Calls of the program and of all its libraries count, as long as they go through the C library's
 * symbols; what the C library does inside itself (standard I/O, the stacks of threads) does not.
 *
 * A number is a poor name for a call when threads run beside each other. So a call may be chosen by
 * its callers instead: the first by a chain of callers that no run before has seen fail. The file
 * that NTH_TRIED names keeps which were.
 *
 * With NTH_LEAKS, a file, every block is remembered with the callers that asked for it; at the exit
 * those still there are written to it, one line for each chain of callers.
 *
 * Nothing here may allocate: memory is static, and system calls are made directly.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* What can fail; test_nth.py has the same list. */
enum class {
    NTH_MALLOC, /* malloc and its kin, mmap */
    NTH_WRITE,  /* to files, and their truncation */
    NTH_FSYNC,
    NTH_SEND, /* anything written to a socket */
    NTH_RECV, /* anything read from one */
    NTH_READ, /* from files */
    NTH_OPEN, /* whatever gives a descriptor or a name */
    NTH_THREAD,
    NTH_CLASSES
};

/* How a call ends besides with an errno. */
enum { PASS = 0, SHORT = -1, END = -2 };

enum { WHERE_SIZE = 3072, DEPTH = 16, OURS = 2 };

struct page {
    _Atomic uint32_t counting; /* while 0 nothing counts and nothing fails */
    uint32_t class;            /* of the call that fails */
    uint32_t for_good;         /* all after it fail too */
    int32_t error;             /* of the n-th: an errno, SHORT or END */
    int32_t then;              /* of those after it */
    uint32_t round; /* not 0: from the n-th on, the first call by callers new in this round */
    uint64_t n;     /* from 1; 0: none */
    _Atomic uint64_t seen[NTH_CLASSES];
    _Atomic uint64_t failed;
    char where[WHERE_SIZE]; /* who made the first call that failed */
};

static struct page *page;

/* ---- where a call came from ---- */

static _Thread_local bool busy __attribute__((tls_model("initial-exec")));

/* "MODULE+0xOFFSET " for every caller; the number of bytes. */
static size_t tell_callers(void *const *callers, int n, char *out, size_t room)
{
    size_t used = 0;
    for (int i = 0; i < n && used + 1 < room; i++) {
        Dl_info in;
        if (dladdr(callers[i], &in) == 0)
            continue;
        size_t offset = (size_t)((char *)callers[i] - (char *)in.dli_fbase);
        int m = snprintf(out + used, room - used, "%s+0x%zx ", in.dli_fname, offset);
        used += m > 0 ? (size_t)m : 0;
    }
    if (used >= room)
        used = room - 1;
    out[used] = '\0';
    return used;
}

static int callers_of(void *callers[DEPTH])
{
    void *all[DEPTH + OURS];
    if (busy)
        return 0;
    busy = true;
    int n = backtrace(all, DEPTH + OURS) - OURS;
    busy = false;
    if (n > 0)
        memcpy(callers, all + OURS, (size_t)n * sizeof *callers);
    return n > 0 ? n : 0;
}

/* ---- chains of callers that have had their failure ---- */

enum { TRIED = 1 << 16, KNOWN_BY = 10 };

static _Atomic uint64_t *tried; /* their hashes, in a file that outlives the program */

static size_t hash(const void *bytes, size_t n)
{
    uint64_t h = 14695981039346656037u;
    for (size_t i = 0; i < n; i++)
        h = (h ^ ((const unsigned char *)bytes)[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 29);
}

/* Wherever the modules were loaded. */
static uint64_t hash_callers(uint64_t round, void *const *callers, int n)
{
    uint64_t at[KNOWN_BY + 1] = { round };
    for (int i = 0; i < n && i < KNOWN_BY; i++) {
        struct dl_find_object found;
        bool known = _dl_find_object(callers[i], &found) == 0;
        at[i + 1] = (uint64_t)callers[i] - (known ? found.dlfo_link_map->l_addr : 0);
    }
    uint64_t h = hash(at, sizeof at);
    return h != 0 ? h : 1;
}

/* True for the first who asks. */
static bool is_new(uint64_t chain)
{
    for (size_t i = chain % TRIED, seen = 0; seen < TRIED; i = (i + 1) % TRIED, seen++) {
        uint64_t there = 0;
        if (atomic_compare_exchange_strong(&tried[i], &there, chain))
            return true;
        if (there == chain)
            return false;
    }
    return false;
}

static void note_where(struct page *p, void *const *callers, int n)
{
    if (atomic_fetch_add(&p->failed, 1) == 0)
        (void)tell_callers(callers, n, p->where, sizeof p->where);
}

static int fate_by_callers(struct page *p, uint64_t number)
{
    void *callers[DEPTH];
    if (number < p->n)
        return PASS;
    if (atomic_load(&p->failed) > 0)
        return p->for_good != 0 ? p->then : PASS;
    int n = callers_of(callers);
    if (n == 0 || tried == NULL || !is_new(hash_callers(p->round, callers, n)))
        return PASS;
    note_where(p, callers, n);
    return p->error;
}

static int fate_by_number(struct page *p, uint64_t number)
{
    void *callers[DEPTH];
    if (p->n == 0 || number < p->n || (number > p->n && p->for_good == 0))
        return PASS;
    note_where(p, callers, atomic_load(&p->failed) == 0 ? callers_of(callers) : 0);
    return number == p->n ? p->error : p->then;
}

/* PASS, or how this call is to end. */
static int fate(enum class class)
{
    struct page *p = page;
    if (p == NULL || atomic_load(&p->counting) == 0)
        return PASS;
    uint64_t number = atomic_fetch_add(&p->seen[class], 1) + 1;
    if (class != p->class)
        return PASS;
    return p->round != 0 ? fate_by_callers(p, number) : fate_by_number(p, number);
}

/* True when the call is to fail, with errno set. */
static bool fails(enum class class)
{
    int error = fate(class);
    if (error != PASS)
        errno = error > 0 ? error : EIO;
    return error != PASS;
}

/* ---- memory that is not given back ---- */

enum { SITES = 1 << 14, BLOCKS = 1 << 20 };

struct site {
    int n;
    void *callers[DEPTH];
    uint64_t blocks, bytes; /* now */
};

struct block {
    void *at; /* NULL: free */
    size_t bytes;
    uint32_t site;
};

static const char *leaks_path;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct site sites[SITES]; /* a hash table, never emptied */
static struct block blocks[BLOCKS];
static size_t n_sites, n_blocks;

static size_t home_of(const void *at)
{
    return hash(&at, sizeof at) % BLOCKS;
}

static uint32_t site_of(void *const *callers, int n)
{
    size_t bytes = (size_t)n * sizeof *callers;
    size_t i = hash(callers, bytes) % SITES;
    while (sites[i].n != 0 && (sites[i].n != n || memcmp(sites[i].callers, callers, bytes) != 0))
        i = (i + 1) % SITES;
    if (sites[i].n == 0) {
        if (++n_sites == SITES)
            abort(); /* the table is for a test: it is to be made larger */
        sites[i].n = n;
        memcpy(sites[i].callers, callers, bytes);
    }
    return (uint32_t)i;
}

static void remember(void *at, size_t bytes)
{
    void *callers[DEPTH];
    if (leaks_path == NULL || at == NULL)
        return;
    int n = callers_of(callers);
    if (n == 0)
        return;
    pthread_mutex_lock(&lock);
    if (++n_blocks == BLOCKS)
        abort();
    size_t i = home_of(at);
    while (blocks[i].at != NULL)
        i = (i + 1) % BLOCKS;
    blocks[i] = (struct block) { at, bytes, site_of(callers, n) };
    sites[blocks[i].site].blocks++;
    sites[blocks[i].site].bytes += bytes;
    pthread_mutex_unlock(&lock);
}

/* Closes the gap at i, so that every block is found from its home without one. */
static void close_gap(size_t i)
{
    for (size_t j = (i + 1) % BLOCKS; blocks[j].at != NULL; j = (j + 1) % BLOCKS) {
        size_t home = home_of(blocks[j].at);
        if ((j - home) % BLOCKS < (j - i) % BLOCKS)
            continue;
        blocks[i] = blocks[j];
        i = j;
    }
    blocks[i].at = NULL;
}

/* To be called while the block is still the program's: nobody else can have the address then. */
static void forget(const void *at)
{
    if (leaks_path == NULL || at == NULL)
        return;
    pthread_mutex_lock(&lock);
    size_t i = home_of(at);
    while (blocks[i].at != NULL && blocks[i].at != at)
        i = (i + 1) % BLOCKS;
    if (blocks[i].at != NULL) {
        sites[blocks[i].site].blocks--;
        sites[blocks[i].site].bytes -= blocks[i].bytes;
        n_blocks--;
        close_gap(i);
    }
    pthread_mutex_unlock(&lock);
}

/* ---- the start and the end ---- */

/* The file that a variable of the environment names, as shared memory; NULL without one. */
static void *shared(const char *name, size_t size)
{
    const char *path = getenv(name);
    int fd = path != NULL ? (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return NULL;
    long at = syscall(SYS_mmap, NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)0);
    (void)syscall(SYS_close, fd);
    return at != -1 ? (void *)at : NULL;
}

__attribute__((constructor)) static void begin(void)
{
    void *warm[1];
    (void)backtrace(warm, 1); /* loads what it needs */
    tried = shared("NTH_TRIED", TRIED * sizeof *tried);
    leaks_path = getenv("NTH_LEAKS");
    page = shared("NTH_PAGE", sizeof(struct page));
}

__attribute__((destructor)) static void end(void)
{
    static char line[WHERE_SIZE + 64];
    if (page != NULL)
        atomic_store(&page->counting, 0);
    const char *path = leaks_path;
    leaks_path = NULL;
    if (path == NULL)
        return;
    int fd =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    for (size_t i = 0; fd >= 0 && i < SITES; i++) {
        if (sites[i].blocks == 0)
            continue;
        int n = snprintf(line, sizeof line, "%llu %llu ", (unsigned long long)sites[i].blocks,
            (unsigned long long)sites[i].bytes);
        size_t used = (size_t)n + tell_callers(sites[i].callers, sites[i].n, line + n, WHERE_SIZE);
        line[used++] = '\n';
        if (syscall(SYS_write, fd, line, used) != (long)used)
            _exit(98);
    }
    (void)syscall(SYS_close, fd);
}

/* ---- memory ---- */

void *__libc_malloc(size_t n);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *p, size_t n);
void *__libc_memalign(size_t alignment, size_t n);
void __libc_free(void *p);

static bool no_memory(void)
{
    if (!fails(NTH_MALLOC))
        return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t n)
{
    void *p = no_memory() ? NULL : __libc_malloc(n);
    remember(p, n);
    return p;
}

void *calloc(size_t n, size_t size)
{
    void *p = no_memory() ? NULL : __libc_calloc(n, size);
    remember(p, n * size);
    return p;
}

void *realloc(void *old, size_t n)
{
    if (no_memory())
        return NULL;
    forget(old);
    void *p = __libc_realloc(old, n);
    remember(p != NULL || n == 0 ? p : old, n);
    return p;
}

static void *aligned(size_t alignment, size_t n)
{
    void *p = no_memory() ? NULL : __libc_memalign(alignment, n);
    remember(p, n);
    return p;
}

void *memalign(size_t alignment, size_t n)
{
    return aligned(alignment, n);
}

void *aligned_alloc(size_t alignment, size_t n)
{
    return aligned(alignment, n);
}

int posix_memalign(void **out, size_t alignment, size_t n)
{
    void *p = aligned(alignment, n);
    if (p == NULL)
        return ENOMEM;
    *out = p;
    return 0;
}

void free(void *p)
{
    int before = errno;
    forget(p);
    __libc_free(p);
    errno = before;
}

void *mmap(void *at, size_t n, int protection, int flags, int fd, off_t offset)
{
    return no_memory() ? MAP_FAILED
                       : (void *)syscall(SYS_mmap, at, n, protection, flags, fd, offset);
}

/* ---- input and output ---- */

enum { CALLS = 65536 };

static _Atomic bool called[CALLS]; /* by descriptor */

static mode_t kind_of(int fd)
{
    struct stat st;
    int before = errno;
    mode_t kind = fstat(fd, &st) == 0 ? st.st_mode & S_IFMT : 0;
    errno = before;
    return kind;
}

/* Whether a socket was connected by the program itself. */
static bool has_called(int fd)
{
    return fd >= 0 && (size_t)fd < CALLS && atomic_load(&called[fd]);
}

/*
 * How a transfer over fd ends. Pipes and event counters are left alone: the kernel never fails
 * those for the reasons that are played here. Short transfers that go on for good are played on
 * sockets that the program has connected: who waits for edges, as libmicrohttpd does, may take a
 * short transfer for a full or an empty socket, and with the kernel it always is one.
 */
static int transfer(int fd, enum class of_socket, enum class of_file)
{
    mode_t kind = kind_of(fd);
    bool short_for_good = page != NULL && page->error == SHORT && page->then == SHORT;
    if (kind == S_IFSOCK)
        return short_for_good && !has_called(fd) ? PASS : fate(of_socket);
    return kind == S_IFREG ? fate(of_file) : PASS;
}

/* How many of n bytes go through; -1 with errno when the call fails. */
static ssize_t allowed(int how, size_t n, size_t few)
{
    if (how > 0)
        errno = how;
    return how > 0 ? -1 : how == END ? 0 : how == SHORT && n > few ? (ssize_t)few : (ssize_t)n;
}

static ssize_t may_put(int fd, size_t n)
{
    return allowed(transfer(fd, NTH_SEND, NTH_WRITE), n, (n + 1) / 2);
}

static ssize_t may_get(int fd, size_t n)
{
    return allowed(transfer(fd, NTH_RECV, NTH_READ), n, 1);
}

ssize_t write(int fd, const void *bytes, size_t n)
{
    ssize_t m = may_put(fd, n);
    return m < 0 ? -1 : syscall(SYS_write, fd, bytes, m);
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at)
{
    ssize_t m = may_put(fd, n);
    return m < 0 ? -1 : syscall(SYS_pwrite64, fd, bytes, m, at);
}

/* Of a short transfer only a part of the first piece goes through. */
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    if (count <= 0)
        return syscall(SYS_writev, fd, pieces, count);
    ssize_t m = may_put(fd, pieces[0].iov_len);
    if (m < 0 || (size_t)m < pieces[0].iov_len)
        return m < 0 ? -1 : syscall(SYS_write, fd, pieces[0].iov_base, m);
    return syscall(SYS_writev, fd, pieces, count);
}

ssize_t send(int fd, const void *bytes, size_t n, int flags)
{
    return sendto(fd, bytes, n, flags, NULL, 0);
}

ssize_t sendto(
    int fd, const void *bytes, size_t n, int flags, const struct sockaddr *to, socklen_t size)
{
    ssize_t m = may_put(fd, n);
    return m < 0 ? -1 : syscall(SYS_sendto, fd, bytes, m, flags, to, size);
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags)
{
    struct msghdr part = *message;
    struct iovec first = part.msg_iovlen > 0 ? part.msg_iov[0] : (struct iovec) { 0 };
    ssize_t m = may_put(fd, first.iov_len);
    if (m < 0)
        return -1;
    if ((size_t)m < first.iov_len) {
        first.iov_len = (size_t)m;
        part.msg_iov = &first;
        part.msg_iovlen = 1;
    }
    return syscall(SYS_sendmsg, fd, &part, flags);
}

/* Reads are given no room rather than an end when they are to see one: END is 0 bytes read. */
static ssize_t get(long number, int fd, void *bytes, size_t n, long fourth)
{
    ssize_t m = may_get(fd, n);
    if (m <= 0)
        return m;
    if (number == SYS_recvfrom)
        return syscall(number, fd, bytes, m, fourth, NULL, NULL);
    return syscall(number, fd, bytes, m, fourth);
}

ssize_t read(int fd, void *bytes, size_t n)
{
    return get(SYS_read, fd, bytes, n, 0);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at)
{
    return get(SYS_pread64, fd, bytes, n, at);
}

ssize_t recv(int fd, void *bytes, size_t n, int flags)
{
    return get(SYS_recvfrom, fd, bytes, n, flags);
}

int ftruncate(int fd, off_t size)
{
    return fails(NTH_WRITE) ? -1 : (int)syscall(SYS_ftruncate, fd, size);
}

int fsync(int fd)
{
    return fails(NTH_FSYNC) ? -1 : (int)syscall(SYS_fsync, fd);
}

int fdatasync(int fd)
{
    return fails(NTH_FSYNC) ? -1 : (int)syscall(SYS_fdatasync, fd);
}

/* ---- descriptors, names, threads ---- */

static int open_at(int dir, const char *path, int flags, mode_t mode)
{
    return fails(NTH_OPEN) ? -1 : (int)syscall(SYS_openat, dir, path, flags, mode);
}

static bool makes_a_file(int flags)
{
    return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE;
}

int open(const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = makes_a_file(flags) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_at(AT_FDCWD, path, flags, mode);
}

int openat(int dir, const char *path, int flags, ...)
{
    va_list args;
    va_start(args, flags);
    mode_t mode = makes_a_file(flags) ? va_arg(args, mode_t) : 0;
    va_end(args);
    return open_at(dir, path, flags, mode);
}

static int note_socket(int fd, bool by_us)
{
    if (fd >= 0 && (size_t)fd < CALLS)
        atomic_store(&called[fd], by_us);
    return fd;
}

int socket(int family, int type, int protocol)
{
    return fails(NTH_OPEN) ? -1
                           : note_socket((int)syscall(SYS_socket, family, type, protocol), false);
}

int connect(int fd, const struct sockaddr *to, socklen_t size)
{
    return (int)syscall(SYS_connect, note_socket(fd, true), to, size);
}

int accept4(int fd, struct sockaddr *from, socklen_t *size, int flags)
{
    return fails(NTH_OPEN) ? -1
                           : note_socket((int)syscall(SYS_accept4, fd, from, size, flags), false);
}

int epoll_create1(int flags)
{
    return fails(NTH_OPEN) ? -1 : (int)syscall(SYS_epoll_create1, flags);
}

int eventfd(unsigned first, int flags)
{
    return fails(NTH_OPEN) ? -1 : (int)syscall(SYS_eventfd2, first, flags);
}

int mkdir(const char *path, mode_t mode)
{
    return fails(NTH_OPEN) ? -1 : (int)syscall(SYS_mkdir, path, mode);
}

int linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
    return fails(NTH_OPEN) ? -1 : (int)syscall(SYS_linkat, from_dir, from, to_dir, to, flags);
}

int pthread_create(
    pthread_t *thread, const pthread_attr_t *attr, void *(*run)(void *), void *context)
{
    static int (*next)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    if (next == NULL) {
        void *found = dlsym(RTLD_NEXT, "pthread_create");
        memcpy(&next, &found, sizeof next);
    }
    return fate(NTH_THREAD) != PASS ? EAGAIN : next(thread, attr, run, context);
}

/* The names that the C library gives the same functions where offsets are always wide. */
#define SAME_AS(name) __attribute__((alias(#name)))
void *mmap64(void *at, size_t n, int protection, int flags, int fd, off64_t offset) SAME_AS(mmap);
ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) SAME_AS(pwrite);
ssize_t pread64(int fd, void *bytes, size_t n, off64_t at) SAME_AS(pread);
int ftruncate64(int fd, off64_t size) SAME_AS(ftruncate);
int open64(const char *path, int flags, ...) SAME_AS(open);
int openat64(int dir, const char *path, int flags, ...) SAME_AS(openat);
