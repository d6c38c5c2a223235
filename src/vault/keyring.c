/*
 * Reading and writing the key ring.
 *
 * The lines are a table: first word, number of words, what takes them. The file is changed under an
 * flock on itself, taken again when the file was replaced while we waited, so that of two processes
 * that add a key neither loses the other's. Readers need no lock: the file under the name is always
 * a whole one.
 */
#include "vault/keyring.h"
#include "base/buf.h"
#include "base/clock.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MAX = 4, PATH_ROOM = 4096 };

/* A ring being read. */
struct parse {
    const char *path;
    unsigned line; /* from 1 */
    bool version, fingerprint;
    struct keyring *ring;
    struct why why;
};

void why_say(struct why why, const char *format, ...)
{
    if (why.size == 0)
        return;
    va_list args;
    va_start(args, format);
    if (vsnprintf(why.text, why.size, format, args) < 0)
        why.text[0] = '\0';
    va_end(args);
}

static bool complain(const struct parse *p, const char *what)
{
    why_say(p->why, "%s:%u: %s; restore the file from its backup", p->path, p->line, what);
    return false;
}

static bool take_version(struct parse *p, const struct str *words)
{
    if (p->version)
        return complain(p, "a second 'turnpike-keyring' line");
    if (!str_eq(words[1], STR("1"))) {
        why_say(p->why, "%s:%u: a key ring of a version that this turnpike does not know; %s",
            p->path, p->line, "use the release that wrote it");
        return false;
    }
    p->version = true;
    return true;
}

static bool take_fingerprint(struct parse *p, const struct str *words)
{
    if (p->fingerprint)
        return complain(p, "a second 'fingerprint' line");
    if (!hex_decode(words[1], p->ring->fingerprint, KEY_BYTES))
        return complain(p, "a key is 64 hex digits");
    p->fingerprint = true;
    return true;
}

static bool is_moment(struct str s)
{
    static const char shape[] = "0000-00-00T00:00:00Z";
    if (s.n != sizeof shape - 1)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool digit = s.p[i] >= '0' && s.p[i] <= '9';
        if (shape[i] == '0' ? !digit : s.p[i] != shape[i])
            return false;
    }
    return true;
}

static bool take_card(struct parse *p, const struct str *words)
{
    struct keyring *r = p->ring;
    if (r->count == KEYRING_KEYS_MAX)
        return complain(p, "more keys than a ring may have");
    struct ring_key *key = &r->keys[r->count];
    uint32_t before = r->count > 0 ? r->keys[r->count - 1].id : 0;
    uint64_t id;
    if (!str_to_u64(words[1], UINT32_MAX, &id) || id <= before)
        return complain(p, "the numbers of the keys must rise from 1, newest last");
    if (!is_moment(words[2]) || !str_copy(key->made, sizeof key->made, words[2]))
        return complain(p, "a key has the time it was made, as 2026-11-21T22:01:10Z");
    if (!hex_decode(words[3], key->secret, KEY_BYTES))
        return complain(p, "a key is 64 hex digits");
    key->id = (uint32_t)id;
    r->count++;
    return true;
}

static const struct line_kind {
    const char *name;
    size_t words;
    bool (*take)(struct parse *p, const struct str *words);
} line_kinds[] = {
    { "turnpike-keyring", 2, take_version },
    { "fingerprint", 2, take_fingerprint },
    { "card", 4, take_card },
};

/* The words of a line, at most WORDS_MAX + 1 of them counted. */
static size_t words_of(struct str line, struct str words[WORDS_MAX])
{
    size_t n = 0;
    struct str word;
    while (n <= WORDS_MAX && str_split(&line, ' ', &word)) {
        if (word.n == 0)
            continue;
        if (n < WORDS_MAX)
            words[n] = word;
        n++;
    }
    return n;
}

static bool parse_line(struct parse *p, struct str line)
{
    struct str words[WORDS_MAX] = { 0 };
    size_t n = words_of(line, words);
    for (size_t i = 0; i < COUNT(line_kinds); i++) {
        const struct line_kind *kind = &line_kinds[i];
        if (!str_eq(words[0], str_of(kind->name)))
            continue;
        if (!p->version && kind->take != take_version)
            return complain(p, "the first line must be 'turnpike-keyring 1'");
        if (n != kind->words)
            return complain(p, "too few or too many words for this line");
        return kind->take(p, words);
    }
    return complain(p, "not a line of a key ring");
}

static bool parse_ring(struct parse *p, struct str text)
{
    struct str line;
    while (str_split(&text, '\n', &line)) {
        p->line++;
        line = str_trim(line);
        if (line.n > 0 && line.p[0] != '#' && !parse_line(p, line))
            return false;
    }
    if (!p->version || !p->fingerprint || p->ring->count == 0)
        return complain(p, "the file ends too early: a ring has a fingerprint key and a card key");
    return true;
}

/* Opens the file for reading when nobody else may and it is a plain, small one. */
static int open_ring(const char *path, struct stat *st, struct why why)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        const char *hint =
            errno == ENOENT  ? "restore it from its backup, cards cannot be read without it"
            : errno == ELOOP ? "a symbolic link is not followed, name the file itself"
                             : "check the path and its permissions";
        why_say(why, "%s: cannot open the key ring: %s; %s", path, strerror(errno), hint);
        return -1;
    }
    if (fstat(fd, st) != 0)
        why_say(why, "%s: cannot look at the key ring: %s", path, strerror(errno));
    else if (!S_ISREG(st->st_mode))
        why_say(why, "%s: the key ring must be a regular file; check the path", path);
    else if ((st->st_mode & (S_IRWXG | S_IRWXO)) != 0)
        why_say(why, "%s: the key ring is open to other users; chmod 600 it, and if others may %s",
            path, "have read it, add a new key");
    else if (st->st_size > KEYRING_FILE_MAX)
        why_say(why, "%s: larger than a key ring can be (%d bytes); check the path", path,
            KEYRING_FILE_MAX);
    else
        return fd;
    (void)close(fd);
    return -1;
}

/* Fills text with what fd has, at most max bytes; -1 on an error. */
static ssize_t read_all(int fd, char *text, size_t max)
{
    size_t n = 0;
    while (n < max) {
        ssize_t got = read(fd, text + n, max - n);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        n += (size_t)got;
    }
    return (ssize_t)n;
}

static struct keyring *empty_ring(struct why why)
{
    struct keyring *r = sodium_malloc(sizeof *r);
    if (r == NULL)
        why_say(why, "no memory for the key ring");
    else
        sodium_memzero(r, sizeof *r);
    return r;
}

struct keyring *keyring_load(const char *path, struct why why)
{
    struct stat st;
    int fd = open_ring(path, &st, why);
    if (fd < 0)
        return NULL;
    struct parse p = { .path = path, .why = why, .ring = empty_ring(why) };
    char *text = sodium_malloc(KEYRING_FILE_MAX + 1);
    bool ok = false;
    if (text == NULL)
        why_say(why, "no memory for the key ring");
    if (text == NULL || p.ring == NULL)
        goto out;
    ssize_t n = read_all(fd, text, KEYRING_FILE_MAX + 1);
    if (n < 0)
        why_say(why, "%s: cannot read the key ring: %s", path, strerror(errno));
    else if (n > KEYRING_FILE_MAX)
        why_say(why, "%s: grew while it was read; try again", path);
    else
        ok = parse_ring(&p, (struct str) { text, (size_t)n });
out:
    (void)close(fd);
    sodium_free(text);
    if (ok)
        return p.ring;
    keyring_free(p.ring);
    return NULL;
}

void keyring_free(struct keyring *r)
{
    sodium_free(r); /* wipes */
}

struct keyring *keyring_new(struct why why)
{
    struct keyring *r = empty_ring(why);
    if (r != NULL)
        randombytes_buf(r->fingerprint, KEY_BYTES);
    return r;
}

bool keyring_add(struct keyring *r, int64_t now_ms, struct why why)
{
    uint32_t newest = r->count > 0 ? r->keys[r->count - 1].id : 0;
    if (r->count == KEYRING_KEYS_MAX || newest == UINT32_MAX) {
        why_say(why, "the key ring is full (%d keys); seal the cards anew and drop the old keys",
            KEYRING_KEYS_MAX);
        return false;
    }
    struct ring_key *key = &r->keys[r->count];
    key->id = newest + 1;
    char now[UTC_TEXT_SIZE];
    utc_text(now_ms, now);
    bool fits = str_copy(key->made, sizeof key->made, (struct str) { now, KEY_MADE_SIZE - 1 });
    assert(fits);
    key->made[KEY_MADE_SIZE - 2] = 'Z'; /* in place of the milliseconds */
    randombytes_buf(key->secret, KEY_BYTES);
    r->count++;
    return true;
}

const struct ring_key *keyring_find(const struct keyring *r, uint32_t id)
{
    for (size_t i = r->count; i > 0; i--) /* most rows are under the newest */
        if (r->keys[i - 1].id == id)
            return &r->keys[i - 1];
    return NULL;
}

bool keyring_continues(const struct keyring *r, const struct keyring *next)
{
    if (sodium_memcmp(r->fingerprint, next->fingerprint, KEY_BYTES) != 0)
        return false;
    for (size_t i = 0; i < next->count; i++) {
        const struct ring_key *known = keyring_find(r, next->keys[i].id);
        if (known != NULL && sodium_memcmp(known->secret, next->keys[i].secret, KEY_BYTES) != 0)
            return false;
    }
    return true;
}

/* The file's text, in a buffer that is wiped when freed. */
static void print_ring(const struct keyring *r, struct buf *out)
{
    char hex[2 * KEY_BYTES];
    buf_str(
        out, STR("turnpike-keyring 1\n"
                 "# The keys of the card vault. Whoever reads this file reads the cards; whoever\n"
                 "# loses it loses them. Keep a copy apart from the copies of the database.\n"
                 "fingerprint "));
    hex_lower(r->fingerprint, KEY_BYTES, hex);
    buf_add(out, hex, sizeof hex);
    for (size_t i = 0; i < r->count; i++) {
        buf_printf(out, "\ncard %u %s ", r->keys[i].id, r->keys[i].made);
        hex_lower(r->keys[i].secret, KEY_BYTES, hex);
        buf_add(out, hex, sizeof hex);
    }
    buf_byte(out, '\n');
    sodium_memzero(hex, sizeof hex);
}

/*
 * Writes text to a file that did not exist and flushes it; owner: as that file, NULL for our own.
 */
static bool write_new(int dir, const char *name, struct str text, const struct stat *owner)
{
    int fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return false;
    bool ok = fchmod(fd, 0600) == 0; /* whatever the umask made of it */
    if (ok && owner != NULL && (owner->st_uid != geteuid() || owner->st_gid != getegid()))
        ok = fchown(fd, owner->st_uid, owner->st_gid) == 0;
    for (size_t at = 0; ok && at < text.n;) {
        ssize_t n = write(fd, text.p + at, text.n - at);
        if (n > 0)
            at += (size_t)n;
        else
            ok = n < 0 && errno == EINTR;
    }
    ok = ok && fsync(fd) == 0;
    int failure = errno;
    if (close(fd) != 0 && ok)
        return false;
    errno = failure;
    return ok;
}

/* Gives the new file its name, and makes that durable. */
static bool put_in_place(int dir, const char *temporary, const char *name, bool replace)
{
    if (replace ? renameat(dir, temporary, dir, name) != 0
                : linkat(dir, temporary, dir, name, 0) != 0 && errno != EEXIST)
        return false;
    if (!replace && unlinkat(dir, temporary, 0) != 0)
        return false;
    return fsync(dir) == 0;
}

/* Opens the folder of path and points *name at its last part; -1 when it cannot. */
static int open_folder(const char *path, const char **name)
{
    const char *slash = strrchr(path, '/');
    *name = slash == NULL ? path : slash + 1;
    char folder[PATH_ROOM] = ".";
    if (slash != NULL) {
        size_t n = slash == path ? 1 : (size_t)(slash - path);
        if (!str_copy(folder, sizeof folder, (struct str) { path, n })) {
            errno = ENAMETOOLONG;
            return -1;
        }
    }
    return open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

bool keyring_save(const struct keyring *r, const char *path, bool replace, struct why why)
{
    struct stat old;
    const char *name;
    char temporary[NAME_MAX + 1] = "";
    bool ok = false;
    struct buf text;
    buf_init(&text, KEYRING_FILE_MAX);
    print_ring(r, &text);
    assert(r->count > 0);
    errno = ENOMEM;
    int dir = open_folder(path, &name);
    if (dir < 0 || text.full || (replace && fstatat(dir, name, &old, AT_SYMLINK_NOFOLLOW) != 0))
        goto out;
    int n = snprintf(temporary, sizeof temporary, "%.200s.new-%08x", name, randombytes_random());
    assert(n > 0 && (size_t)n < sizeof temporary);
    ok = write_new(dir, temporary, buf_view(&text), replace ? &old : NULL) &&
         put_in_place(dir, temporary, name, replace);
out:
    if (!ok)
        why_say(why, "%s: cannot write the key ring: %s; check the folder and its permissions",
            path, strerror(errno));
    if (!ok && dir >= 0 && temporary[0] != '\0')
        (void)unlinkat(dir, temporary, 0); /* gone already when the last step was what failed */
    if (dir >= 0)
        (void)close(dir);
    buf_free(&text);
    return ok;
}

int keyring_lock(const char *path, struct why why)
{
    for (;;) {
        struct stat ours, there;
        int fd = open_ring(path, &ours, why);
        if (fd < 0)
            return -1;
        int held;
        do
            held = flock(fd, LOCK_EX);
        while (held != 0 && errno == EINTR);
        bool known = held == 0 && lstat(path, &there) == 0;
        if (known && ours.st_dev == there.st_dev && ours.st_ino == there.st_ino)
            return fd;
        if (!known)
            why_say(why, "%s: cannot lock the key ring: %s", path, strerror(errno));
        (void)close(fd);
        if (!known)
            return -1;
    }
}

void keyring_unlock(int lock)
{
    assert(lock >= 0);
    (void)close(lock);
}
