/*
 * Passwords of merchants: argon2id, remembered for minutes, guessing slowed down.
 *
 * A verified login is remembered in memory as a keyed hash of (merchant, stored hash, password)
 * under a key drawn at start, so that argon2id is paid once per merchant and LOGIN_REMEMBERED_MS,
 * not per request; a changed password changes the stored hash and so is not found there. What is
 * not remembered is verified by a worker thread, so that no HTTP thread ever computes argon2id.
 * Requests that come with the same login while it is being verified wait for that one verification.
 *
 * Failures are counted per (source address, account): after LOGIN_FREE_TRIES wrong ones in a row
 * each further try from that address on that account is refused without a look until a pause that
 * doubles (1 s .. 5 min) has passed; then one try is looked at. Different passwords that wait at
 * the same time count as tries already. The merchant itself, from its own address, is never locked
 * out by others, and a remembered login is never throttled. A verified one starts the count anew.
 * The tables have fixed sizes and forget the oldest.
 */
#ifndef TURNPIKE_VAULT_LOGIN_H
#define TURNPIKE_VAULT_LOGIN_H

#include "base/clock.h"
#include "base/queue.h"
#include "base/str.h"

enum {
    LOGIN_REMEMBERED_MS = 10 * 60 * 1000,
    LOGIN_FREE_TRIES = 5,
    LOGIN_PAUSE_MIN_MS = 1000,
    LOGIN_PAUSE_MAX_MS = 5 * 60 * 1000,
    LOGIN_TRACKED = 8192,
    LOGIN_CACHED = 4096,
    LOGIN_WAITING_MAX = 256
};

enum login_result {
    LOGIN_OK,
    LOGIN_WRONG,
    LOGIN_THROTTLED, /* too many wrong tries from that address: not even looked at */
    LOGIN_BUSY,      /* LOGIN_WAITING_MAX verifications are waiting, or no memory for one */
    LOGIN_LATER      /* the worker will call done() */
};

struct login_book;

struct login_check {
    struct queue_node node;
    int64_t merchant_id;    /* 0 when the account does not exist: a dummy hash is verified, so that
                               time tells nothing */
    struct str stored_hash; /* all slices must live until done() */
    struct str password;
    char source[46];                     /* address of the caller */
    struct str account;                  /* as given */
    enum login_result result;            /* set before done() */
    void (*done)(struct login_check *c); /* worker's thread; it may free c */
    void *owner;
};

/* Starts the worker. NULL without memory or thread. */
struct login_book *login_open(struct clock *clock);

/* Finishes what waits. Nobody may call login_verify any more. NULL is fine. */
void login_close(struct login_book *b);

/*
 * Any thread. OK, THROTTLED or BUSY at once, or LATER: then done() is called with c->result, which
 * may be before this returns.
 */
enum login_result login_verify(struct login_book *b, struct login_check *c);

/* Hashes a password for the store (argon2id, 19 MiB, 2 passes). False without memory. */
enum { LOGIN_HASH_SIZE = 128 };
bool login_hash(struct str password, char out[LOGIN_HASH_SIZE]);

#endif
