#include "disk.h"
#include "base/str.h"

#include <assert.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES = 16, NAME_MAX_SIZE = 512, REGIONS = 64, REGION = 32 * 1024, SECTOR = 512 };

struct bytes {
    char *p;
    size_t n, room;
};

/* A write that is not durable yet; a truncation has no bytes. */
struct patch {
    size_t at, n;
    char *p;
};

struct file {
    char name[NAME_MAX_SIZE];
    bool exists;
    struct bytes seen, durable;
    struct patch *patches;
    size_t n_patches, room;
    /* locks of the database file */
    int shared;
    bool reserved, pending, exclusive;
    /* the write-ahead log's index: memory, and locks of its own */
    char *regions[REGIONS];
    int shm_shared[SQLITE_SHM_NLOCK];
    bool shm_exclusive[SQLITE_SHM_NLOCK];
};

/* What SQLite holds. */
struct handle {
    sqlite3_file base;
    struct file *file;
    int level;
    unsigned shm_shared, shm_exclusive; /* bit per lock */
};

static struct {
    struct file files[FILES];
    struct rng rng;
    bool dead;
    uint32_t die_at; /* 0: not planned */
    uint64_t calls;
    enum disk_fault fault;
} disk;

/* ---- bytes ---- */

static void *grown(void *p, size_t size)
{
    void *more = realloc(p, size);
    if (more == NULL)
        abort();
    return more;
}

static void resize(struct bytes *b, size_t n)
{
    if (n > b->room) {
        b->room = n * 2;
        b->p = grown(b->p, b->room);
    }
    if (n > b->n)
        memset(b->p + b->n, 0, n - b->n);
    b->n = n;
}

static void put(struct bytes *b, size_t at, const void *p, size_t n)
{
    if (at + n > b->n)
        resize(b, at + n);
    if (n > 0)
        memcpy(b->p + at, p, n);
}

static void apply(struct bytes *b, const struct patch *p)
{
    if (p->p == NULL)
        resize(b, p->at);
    else
        put(b, p->at, p->p, p->n);
}

static void remember(struct file *f, size_t at, const void *p, size_t n)
{
    if (f->n_patches == f->room) {
        f->room = f->room == 0 ? 64 : f->room * 2;
        f->patches = grown(f->patches, f->room * sizeof *f->patches);
    }
    struct patch *patch = &f->patches[f->n_patches++];
    *patch = (struct patch) { .at = at, .n = n };
    if (p == NULL)
        return;
    patch->p = grown(NULL, n);
    memcpy(patch->p, p, n);
}

static void forget_patches(struct file *f)
{
    for (size_t i = 0; i < f->n_patches; i++)
        free(f->patches[i].p);
    f->n_patches = 0;
}

/* ---- the life of the disk ---- */

static void drop_memory(struct file *f)
{
    for (size_t i = 0; i < REGIONS; i++) {
        free(f->regions[i]);
        f->regions[i] = NULL;
    }
}

static void assert_closed(const struct file *f)
{
    assert(f->shared == 0 && !f->exclusive && !f->reserved);
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++)
        assert(f->shm_shared[i] == 0 && !f->shm_exclusive[i]);
}

void disk_format(uint64_t seed)
{
    for (size_t i = 0; i < FILES; i++) {
        struct file *f = &disk.files[i];
        assert_closed(f);
        drop_memory(f);
        forget_patches(f);
        free(f->patches);
        free(f->seen.p);
        free(f->durable.p);
        *f = (struct file) { .exists = false };
    }
    disk.rng = rng_seeded(seed);
    disk.dead = false;
    disk.die_at = 0;
    disk.calls = 0;
    disk.fault = DISK_WELL;
    sqlite3_randomness(0, NULL); /* so that it asks us again */
}

void disk_die_at(uint32_t n)
{
    disk.die_at = n;
}

void disk_die_now(void)
{
    disk.dead = true;
}

bool disk_dead(void)
{
    return disk.dead;
}

void disk_break(enum disk_fault fault)
{
    disk.fault = fault;
}

uint64_t disk_calls(void)
{
    return disk.calls;
}

/* Any of the sectors of a write that was not synced may be there. */
static void apply_in_part(struct bytes *b, const struct patch *p, struct rng *rng)
{
    if (p->p == NULL) {
        if (rng_below(rng, 2) == 0)
            resize(b, p->at);
        return;
    }
    for (size_t done = 0; done < p->n;) {
        size_t n = SECTOR - (p->at + done) % SECTOR;
        n = n < p->n - done ? n : p->n - done;
        if (rng_below(rng, 2) == 0)
            put(b, p->at + done, p->p + done, n);
        done += n;
    }
}

void disk_restart(struct rng *rng, bool power_cut)
{
    uint32_t mode = power_cut ? rng_below(rng, 3) : 0; /* all, none, some */
    for (size_t i = 0; i < FILES; i++) {
        struct file *f = &disk.files[i];
        assert_closed(f);
        drop_memory(f);
        for (size_t k = 0; k < f->n_patches && mode != 1; k++) {
            if (mode == 0)
                apply(&f->durable, &f->patches[k]);
            else
                apply_in_part(&f->durable, &f->patches[k], rng);
        }
        forget_patches(f);
        f->seen.n = 0;
        put(&f->seen, 0, f->durable.p, f->durable.n);
    }
    disk.dead = false;
    disk.die_at = 0;
}

static bool is_log(const struct file *f)
{
    size_t n = strlen(f->name);
    return n > 4 && strcmp(f->name + n - 4, "-wal") == 0;
}

bool disk_logs_synced(void)
{
    for (size_t i = 0; i < FILES; i++)
        if (is_log(&disk.files[i]) && disk.files[i].n_patches > 0)
            return false;
    return true;
}

/* Counts a call that changes something; false once the process is dead. */
static bool counts(void)
{
    disk.calls++;
    if (disk.die_at > 0 && --disk.die_at == 0)
        disk.dead = true;
    return !disk.dead;
}

/* ---- files ---- */

static struct handle *handle_of(sqlite3_file *f)
{
    return (struct handle *)f;
}

static int file_read(sqlite3_file *base, void *out, int n, sqlite3_int64 at)
{
    const struct bytes *b = &handle_of(base)->file->seen;
    size_t want = (size_t)n, from = (size_t)at;
    size_t there = from >= b->n ? 0 : b->n - from < want ? b->n - from : want;
    if (there > 0)
        memcpy(out, b->p + from, there);
    if (there == want)
        return SQLITE_OK;
    memset((char *)out + there, 0, want - there);
    return SQLITE_IOERR_SHORT_READ;
}

static int file_write(sqlite3_file *base, const void *p, int n, sqlite3_int64 at)
{
    struct file *f = handle_of(base)->file;
    if (is_log(f) && disk.fault == DISK_FULL && !disk.dead)
        return SQLITE_FULL;
    if (is_log(f) && disk.fault == DISK_NO_WRITE && !disk.dead)
        return SQLITE_IOERR_WRITE;
    put(&f->seen, (size_t)at, p, (size_t)n);
    if (counts())
        remember(f, (size_t)at, p, (size_t)n);
    return SQLITE_OK;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size)
{
    struct file *f = handle_of(base)->file;
    if ((size_t)size < f->seen.n)
        resize(&f->seen, (size_t)size);
    if (counts())
        remember(f, (size_t)size, NULL, 0);
    return SQLITE_OK;
}

static int file_sync(sqlite3_file *base, int flags)
{
    (void)flags;
    struct file *f = handle_of(base)->file;
    if (is_log(f) && disk.fault == DISK_NO_SYNC && !disk.dead)
        return SQLITE_IOERR_FSYNC;
    if (!counts())
        return SQLITE_OK;
    for (size_t i = 0; i < f->n_patches; i++)
        apply(&f->durable, &f->patches[i]);
    forget_patches(f);
    return SQLITE_OK;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size)
{
    *size = (sqlite3_int64)handle_of(base)->file->seen.n;
    return SQLITE_OK;
}

static int file_control(sqlite3_file *base, int op, void *arg)
{
    (void)base;
    (void)op;
    (void)arg;
    return SQLITE_NOTFOUND;
}

static int sector_size(sqlite3_file *base)
{
    (void)base;
    return 4096;
}

/* As SQLite's own VFS says for Unix. */
static int characteristics(sqlite3_file *base)
{
    (void)base;
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

/* ---- locks of the database ---- */

static int file_lock(sqlite3_file *base, int level)
{
    struct handle *h = handle_of(base);
    struct file *f = h->file;
    if (h->level >= level)
        return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED) {
        if (f->pending || f->exclusive)
            return SQLITE_BUSY;
        f->shared++;
    } else if (level == SQLITE_LOCK_RESERVED) {
        if (f->reserved)
            return SQLITE_BUSY;
        f->reserved = true;
    } else {
        if (h->level < SQLITE_LOCK_RESERVED && (f->reserved || f->pending))
            return SQLITE_BUSY;
        f->pending = true;
        h->level = SQLITE_LOCK_PENDING;
        if (level == SQLITE_LOCK_EXCLUSIVE && f->shared > 1)
            return SQLITE_BUSY;
        f->exclusive = level == SQLITE_LOCK_EXCLUSIVE;
    }
    h->level = level;
    return SQLITE_OK;
}

static int file_unlock(sqlite3_file *base, int level)
{
    struct handle *h = handle_of(base);
    struct file *f = h->file;
    if (h->level <= level)
        return SQLITE_OK;
    if (h->level >= SQLITE_LOCK_RESERVED)
        f->reserved = f->pending = f->exclusive = false;
    if (level == SQLITE_LOCK_NONE)
        f->shared--;
    h->level = level;
    return SQLITE_OK;
}

static int file_reserved(sqlite3_file *base, int *held)
{
    *held = handle_of(base)->file->reserved;
    return SQLITE_OK;
}

/* ---- the index of the log ---- */

static int shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
    struct file *f = handle_of(base)->file;
    assert(size == REGION && region < REGIONS);
    if (f->regions[region] == NULL && extend) {
        f->regions[region] = grown(NULL, REGION);
        memset(f->regions[region], 0, REGION);
    }
    *out = f->regions[region];
    return SQLITE_OK;
}

static bool shm_free(const struct handle *h, int i, bool exclusive)
{
    const struct file *f = h->file;
    bool mine = (h->shm_shared >> i & 1) != 0;
    return !f->shm_exclusive[i] && (!exclusive || f->shm_shared[i] == (mine ? 1 : 0));
}

static void shm_release(struct handle *h, int i)
{
    unsigned bit = 1u << i;
    if ((h->shm_shared & bit) != 0)
        h->file->shm_shared[i]--;
    if ((h->shm_exclusive & bit) != 0)
        h->file->shm_exclusive[i] = false;
    h->shm_shared &= ~bit;
    h->shm_exclusive &= ~bit;
}

static void shm_take(struct handle *h, int i, bool exclusive)
{
    unsigned bit = 1u << i;
    if (exclusive) {
        h->file->shm_exclusive[i] = true;
        h->shm_exclusive |= bit;
    } else if ((h->shm_shared & bit) == 0) {
        h->file->shm_shared[i]++;
        h->shm_shared |= bit;
    }
}

static int shm_lock(sqlite3_file *base, int first, int n, int flags)
{
    struct handle *h = handle_of(base);
    bool exclusive = (flags & SQLITE_SHM_EXCLUSIVE) != 0;
    for (int i = first; i < first + n && (flags & SQLITE_SHM_LOCK) != 0; i++)
        if (!shm_free(h, i, exclusive))
            return SQLITE_BUSY;
    for (int i = first; i < first + n; i++) {
        if ((flags & SQLITE_SHM_UNLOCK) != 0)
            shm_release(h, i);
        else
            shm_take(h, i, exclusive);
    }
    return SQLITE_OK;
}

static void shm_barrier(sqlite3_file *base)
{
    (void)base;
}

static int shm_unmap(sqlite3_file *base, int delete)
{
    struct handle *h = handle_of(base);
    for (int i = 0; i < SQLITE_SHM_NLOCK; i++)
        shm_release(h, i);
    if (delete)
        drop_memory(h->file);
    return SQLITE_OK;
}

static int file_close(sqlite3_file *base)
{
    (void)shm_unmap(base, 0);
    return file_unlock(base, SQLITE_LOCK_NONE);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_reserved,
    .xFileControl = file_control,
    .xSectorSize = sector_size,
    .xDeviceCharacteristics = characteristics,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- the folder ---- */

static struct file *find(const char *name, bool create)
{
    struct file *room = NULL;
    for (size_t i = 0; i < FILES; i++) {
        struct file *f = &disk.files[i];
        if (f->exists && strcmp(f->name, name) == 0)
            return f;
        if (!f->exists && room == NULL)
            room = f;
    }
    if (!create || room == NULL)
        return NULL;
    bool named = str_copy(room->name, sizeof room->name, str_of(name));
    assert(named);
    room->exists = true;
    return room;
}

static int disk_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *base, int flags, int *out)
{
    (void)vfs;
    assert(name != NULL); /* nothing temporary belongs on a disk here */
    struct handle *h = handle_of(base);
    /* The store makes the database's file itself; here that is the same as opening it. */
    bool create = (flags & (SQLITE_OPEN_CREATE | SQLITE_OPEN_MAIN_DB)) != 0;
    *h = (struct handle) { .file = find(name, create) };
    if (h->file == NULL)
        return SQLITE_CANTOPEN;
    h->base.pMethods = &methods;
    if (out != NULL)
        *out = flags;
    return SQLITE_OK;
}

static int disk_delete(sqlite3_vfs *vfs, const char *name, int sync_folder)
{
    (void)vfs;
    (void)sync_folder;
    struct file *f = find(name, false);
    if (f == NULL)
        return SQLITE_IOERR_DELETE_NOENT;
    f->seen.n = 0;
    if (!counts())
        return SQLITE_OK;
    forget_patches(f);
    f->durable.n = 0;
    return SQLITE_OK;
}

static int disk_access(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
    (void)vfs;
    const struct file *f = find(name, false);
    *out = f != NULL && (flags != SQLITE_ACCESS_EXISTS || f->seen.n > 0);
    return SQLITE_OK;
}

static int full_path(sqlite3_vfs *vfs, const char *name, int size, char *out)
{
    (void)vfs;
    return str_copy(out, (size_t)size, str_of(name)) ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int randomness(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    rng_fill(&disk.rng, out, (size_t)n);
    return n;
}

/* Nobody else runs, so nothing changes by waiting. */
static int no_sleep(sqlite3_vfs *vfs, int us)
{
    (void)vfs;
    return us;
}

static int last_error(sqlite3_vfs *vfs, int n, char *out)
{
    (void)vfs;
    (void)n;
    (void)out;
    return 0;
}

static int current_time(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
    (void)vfs;
    *out = INT64_C(212662000000000);
    return SQLITE_OK;
}

void disk_install(void)
{
    static sqlite3_vfs vfs = {
        .iVersion = 2,
        .szOsFile = sizeof(struct handle),
        .mxPathname = NAME_MAX_SIZE - 1,
        .zName = "simulated",
        .xOpen = disk_open,
        .xDelete = disk_delete,
        .xAccess = disk_access,
        .xFullPathname = full_path,
        .xRandomness = randomness,
        .xSleep = no_sleep,
        .xGetLastError = last_error,
        .xCurrentTimeInt64 = current_time,
    };
    if (sqlite3_vfs_register(&vfs, 1) != SQLITE_OK)
        abort();
}
