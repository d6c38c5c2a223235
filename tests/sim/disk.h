/*
 * A disk in memory for SQLite, that can lose power, break and be full.
 *
 * It is a VFS and stands in for the system's one. Of every file it keeps what a program sees and
 * what is durable: a write becomes durable when the file is synced. When the power is cut, of the
 * writes that were not synced any sectors may be there and any may be missing; when only the
 * process dies, all of them are there.
 *
 * A process that dies inside a call cannot be stopped there and thrown away; so from the instant of
 * its death nothing that it writes counts any more, and who drives it throws it away as soon as it
 * returns. disk_dead() tells that it is only a ghost by now.
 */
#ifndef TURNPIKE_TESTS_SIM_DISK_H
#define TURNPIKE_TESTS_SIM_DISK_H

#include "base/rng.h"

enum disk_fault {
    DISK_WELL,
    DISK_FULL,    /* a write finds no room */
    DISK_NO_SYNC, /* a sync fails; what was written may be there or not */
    DISK_NO_WRITE /* a write fails */
};

/* Makes it SQLite's default. Before the first database is opened. */
void disk_install(void);

/* An empty disk without faults. No connection may be open. */
void disk_format(uint64_t seed);

/* The process dies at the n-th write, truncation or sync from now (from 1). */
void disk_die_at(uint32_t n);
void disk_die_now(void);
bool disk_dead(void);

/*
 * A process is started on what the last one left: with power_cut only what was synced is certain.
 * No connection may be open.
 */
void disk_restart(struct rng *rng, bool power_cut);

/* From now on, for writes and syncs of logs. */
void disk_break(enum disk_fault fault);

/* True when all that was written to logs is durable. */
bool disk_logs_synced(void);

/* For traces: calls that changed the disk since it was formatted. */
uint64_t disk_calls(void);

#endif
