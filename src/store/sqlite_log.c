#include "store/sqlite_log.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/*
 * What is gathered at most: thirty pages. SQLite's VFS for Unix takes less than 128 KiB in one
 * write. The memory is taken by the first write, so that only a connection that writes has it.
 */
enum { GATHER_MAX = 124 * 1024 };

/* Lies in memory that SQLite gives; the system's own file lies behind it. */
struct log_file {
    sqlite3_file base;
    sqlite3_file *file;
    char *gathered; /* bytes for the file from `at` on, not passed on yet */
    sqlite3_int64 at;
    int n;
};

static struct {
    sqlite3_vfs vfs;
    sqlite3_vfs *system;
    bool registered;
} layer;

static struct log_file *self(sqlite3_file *f)
{
    return (struct log_file *)f;
}

/*
 * Passes on what was gathered. When that fails it is dropped: the transaction has failed, and the
 * next one writes over the same place.
 */
static int pass_on(struct log_file *l)
{
    int n = l->n;
    l->n = 0;
    return n == 0 ? SQLITE_OK : l->file->pMethods->xWrite(l->file, l->gathered, n, l->at);
}

static int log_write(sqlite3_file *f, const void *bytes, int n, sqlite3_int64 at)
{
    struct log_file *l = self(f);
    if (l->gathered == NULL)
        l->gathered = malloc(GATHER_MAX);
    if (l->n > 0 && (at != l->at + l->n || n > GATHER_MAX - l->n)) {
        int rc = pass_on(l);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (l->gathered == NULL || n > GATHER_MAX)
        return l->file->pMethods->xWrite(l->file, bytes, n, at);
    if (l->n == 0)
        l->at = at;
    memcpy(l->gathered + l->n, bytes, (size_t)n);
    l->n += n;
    return SQLITE_OK;
}

static int log_close(sqlite3_file *f)
{
    struct log_file *l = self(f);
    int passed = pass_on(l);
    free(l->gathered);
    l->gathered = NULL;
    int closed = l->file->pMethods->xClose(l->file);
    return passed != SQLITE_OK ? passed : closed;
}

static int log_read(sqlite3_file *f, void *bytes, int n, sqlite3_int64 at)
{
    int rc = pass_on(self(f));
    return rc != SQLITE_OK ? rc : self(f)->file->pMethods->xRead(self(f)->file, bytes, n, at);
}

static int log_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc = pass_on(self(f));
    return rc != SQLITE_OK ? rc : self(f)->file->pMethods->xTruncate(self(f)->file, size);
}

static int log_sync(sqlite3_file *f, int flags)
{
    int rc = pass_on(self(f));
    return rc != SQLITE_OK ? rc : self(f)->file->pMethods->xSync(self(f)->file, flags);
}

static int log_size(sqlite3_file *f, sqlite3_int64 *size)
{
    int rc = pass_on(self(f));
    return rc != SQLITE_OK ? rc : self(f)->file->pMethods->xFileSize(self(f)->file, size);
}

static int log_control(sqlite3_file *f, int op, void *arg)
{
    int rc = pass_on(self(f));
    return rc != SQLITE_OK ? rc : self(f)->file->pMethods->xFileControl(self(f)->file, op, arg);
}

/* Nobody locks a log: the locks are on the database and on its shared memory. */
static int log_lock(sqlite3_file *f, int level)
{
    return self(f)->file->pMethods->xLock(self(f)->file, level);
}

static int log_unlock(sqlite3_file *f, int level)
{
    return self(f)->file->pMethods->xUnlock(self(f)->file, level);
}

static int log_reserved(sqlite3_file *f, int *held)
{
    return self(f)->file->pMethods->xCheckReservedLock(self(f)->file, held);
}

static int log_sector(sqlite3_file *f)
{
    return self(f)->file->pMethods->xSectorSize(self(f)->file);
}

static int log_character(sqlite3_file *f)
{
    return self(f)->file->pMethods->xDeviceCharacteristics(self(f)->file);
}

static const sqlite3_io_methods log_methods = {
    .iVersion = 1,
    .xClose = log_close,
    .xRead = log_read,
    .xWrite = log_write,
    .xTruncate = log_truncate,
    .xSync = log_sync,
    .xFileSize = log_size,
    .xLock = log_lock,
    .xUnlock = log_unlock,
    .xCheckReservedLock = log_reserved,
    .xFileControl = log_control,
    .xSectorSize = log_sector,
    .xDeviceCharacteristics = log_character,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *flags_out)
{
    (void)vfs;
    if ((flags & SQLITE_OPEN_WAL) == 0)
        return layer.system->xOpen(layer.system, name, f, flags, flags_out);
    struct log_file *l = self(f);
    *l = (struct log_file) { .file = (sqlite3_file *)(l + 1) };
    int rc = layer.system->xOpen(layer.system, name, l->file, flags, flags_out);
    if (rc == SQLITE_OK)
        l->base.pMethods = &log_methods;
    return rc;
}

static void register_layer(void)
{
    layer.system = sqlite3_vfs_find(NULL);
    if (layer.system == NULL)
        return;
    layer.vfs = *layer.system;
    layer.vfs.zName = "turnpike";
    layer.vfs.pNext = NULL;
    layer.vfs.szOsFile += (int)sizeof(struct log_file);
    layer.vfs.xOpen = open_file;
    layer.registered = sqlite3_vfs_register(&layer.vfs, 0) == SQLITE_OK;
}

const char *sqlite_log_vfs(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    (void)pthread_once(&once, register_layer);
    return layer.registered ? layer.vfs.zName : NULL;
}
