#include "cli/datadir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

void datadir_paths(const struct config *c, struct datadir *out)
{
    const struct {
        char *path;
        const char *name;
    } files[] = { { out->db, "turnpike.db" }, { out->keyring, "keyring" },
        { out->journal, "host.journal" }, { out->lock, "lock" }, { out->admin, "admin" } };
    for (size_t i = 0; i < COUNT(files); i++)
        (void)snprintf(files[i].path, DATA_PATH_MAX, "%s/%s", c->data, files[i].name);
    if (c->db[0] != '\0')
        (void)str_copy(out->db, sizeof out->db, str_of(c->db));
}

/*
 * A folder's name is durable when the folder above it was synced; a crash may have come between making
 * it and that, so each start does it. A folder above that may not be read was there before ours.
 */
static bool sync_above(const char *path)
{
    char above[DATA_PATH_MAX];
    int n = snprintf(above, sizeof above, "%s/..", path);
    int fd =
        n > 0 && (size_t)n < sizeof above ? open(above, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (fd < 0)
        return errno == EACCES;
    bool ok = fsync(fd) == 0;
    int failure = errno;
    (void)close(fd);
    errno = failure;
    return ok;
}

bool datadir_make(const struct config *c, char *why, size_t why_size)
{
    if ((mkdir(c->data, 0700) == 0 || errno == EEXIST) && sync_above(c->data))
        return true;
    (void)snprintf(
        why, why_size, "cannot make the data directory %s: %s", c->data, strerror(errno));
    return false;
}

int datadir_lock(const struct datadir *d, char *why, size_t why_size)
{
    int fd = open(d->lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        (void)snprintf(why, why_size, "cannot open %s: %s", d->lock, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    (void)snprintf(why, why_size,
        "another turnpike serves this data directory (%s is locked); stop it, or use --data",
        d->lock);
    (void)close(fd);
    return -1;
}

bool datadir_announce(const struct datadir *d, const char *admin_url, char *why, size_t why_size)
{
    int fd = open(d->admin, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    size_t n = strlen(admin_url);
    bool ok = fd >= 0 && write(fd, admin_url, n) == (ssize_t)n;
    if (!ok)
        (void)snprintf(why, why_size, "cannot write %s: %s", d->admin, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    return ok;
}

void datadir_withdraw(const struct datadir *d)
{
    (void)unlink(d->admin);
}

/* The file may have outlived its process; the lock tells. */
bool datadir_serving(const struct datadir *d, char *url, size_t url_size)
{
    int lock = open(d->lock, O_RDWR | O_CLOEXEC);
    if (lock < 0)
        return false;
    bool free_now = flock(lock, LOCK_EX | LOCK_NB) == 0;
    (void)close(lock);
    int fd = free_now ? -1 : open(d->admin, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, url, url_size - 1);
    (void)close(fd);
    url[n > 0 ? n : 0] = '\0';
    return n > 0;
}
