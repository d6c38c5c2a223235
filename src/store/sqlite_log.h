/*
 * Gathers what SQLite writes to the write-ahead log.
 *
 * SQLite hands a commit to the system in two small writes per page, a header of 24 bytes and the
 * page, so that nearly every page of the log's file is touched three times. This thin layer over
 * the system's own VFS gathers writes that follow one another, and passes them on in large pieces
 * when SQLite syncs, reads, or does anything else to the file. With synchronous=FULL, and only so, a
 * commit is published to other connections after the sync: nobody can see the difference, and a
 * crash before it loses what was not promised to be kept. Files other than logs are opened by the
 * system's VFS directly.
 */
#ifndef TURNPIKE_STORE_SQLITE_LOG_H
#define TURNPIKE_STORE_SQLITE_LOG_H

/*
 * Registers the layer with SQLite, once; the name to give to sqlite3_open_v2, or NULL (the
 * system's own) when that is refused.
 */
const char *sqlite_log_vfs(void);

#endif
