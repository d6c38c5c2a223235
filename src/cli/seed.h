/*
 * The demo merchants that a new data directory is seeded with, in test mode.
 */
#ifndef TURNPIKE_CLI_SEED_H
#define TURNPIKE_CLI_SEED_H

#include "base/rng.h"
#include "store/store.h"
#include "vault/vault.h"

/*
 * Adds the demo merchants to a store that has no merchants, and gives one that a broken start has left
 * without its key the key. False with a sentence in why.
 */
bool seed_demo(
    struct store *s, struct vault *v, struct rng *rng, int64_t now_ms, char *why, size_t why_size);

#endif
