#include "cli/seed.h"

#include <stdio.h>
#include <string.h>

/*
 * The hash is that of the published password demo_password, made once: hashing it anew would cost
 * every first start 30 ms.
 */
static const struct demo_merchant {
    enum face face;
    const char *login, *password_hash, *name, *city, *country, *mcc, *mid, *tid;
    const char *public_key, *private_key, *private_label;
} demo_merchants[] = {
    { FACE_GENOME, "demo_merchant",
        "$argon2id$v=19$m=19456,t=2,p=1$OuzV+MKwacV9j+QHTPy6rA$N2jBpzuw/4/"
        "k88cX6EzQnFUXWNyimpYFEYyk9qOIi7Y",
        "DEMO SHOP", "VILNIUS", "LT", "5732", "GENOME000000001", "GENOME01",
        "pkTest_demo0000000000000000000000001", "skTest_DEMO0000000000000000000000002",
        "genome.private_key" },
};

static bool fill(struct merchant_row *m, const struct demo_merchant *d, int64_t now_ms)
{
    *m = (struct merchant_row) {
        .face = d->face, .active = true, .live = false, .created_ms = now_ms, .updated_ms = now_ms
    };
    return str_copy(m->login, sizeof m->login, str_of(d->login)) &&
           str_copy(m->name, sizeof m->name, str_of(d->name)) &&
           str_copy(m->city, sizeof m->city, str_of(d->city)) &&
           str_copy(m->country, sizeof m->country, str_of(d->country)) &&
           str_copy(m->mcc, sizeof m->mcc, str_of(d->mcc)) &&
           str_copy(m->mid, sizeof m->mid, str_of(d->mid)) &&
           str_copy(m->tid, sizeof m->tid, str_of(d->tid)) &&
           str_copy(m->public_key, sizeof m->public_key, str_of(d->public_key));
}

/* The private key is sealed for the merchant's id, which the first write gives. */
static bool add_key(struct store *s, struct vault *v, struct rng *rng, struct arena *a,
    const struct demo_merchant *d, struct merchant_row *m)
{
    return vault_seal_text(v, rng, a, d->private_label, m->id, str_of(d->private_key),
               &m->private_key) == VAULT_OK &&
           store_put_merchant(s, m) == STORE_OK;
}

static bool add(struct store *s, struct vault *v, struct rng *rng, struct arena *a,
    const struct demo_merchant *d, int64_t now_ms)
{
    struct merchant_row m;
    if (!fill(&m, d, now_ms))
        return false;
    m.password_hash = str_of(d->password_hash);
    return store_put_merchant(s, &m) == STORE_OK && add_key(s, v, rng, a, d, &m);
}

/* Whether m is the demo merchant d as a start has left it that ended between the two writes. */
static bool is_half_made(const struct merchant_row *m, const struct demo_merchant *d)
{
    return m->face == d->face && m->private_key.n == 0 &&
           str_eq(str_of(m->public_key), str_of(d->public_key));
}

bool seed_demo(
    struct store *s, struct vault *v, struct rng *rng, int64_t now_ms, char *why, size_t why_size)
{
    struct arena a;
    struct merchant_row *rows;
    size_t n;
    arena_init(&a, 1 << 20);
    bool ok = store_merchants(s, &a, &rows, &n) == STORE_OK;
    for (size_t i = 0; ok && i < COUNT(demo_merchants); i++) {
        const struct demo_merchant *d = &demo_merchants[i];
        if (n == 0)
            ok = add(s, v, rng, &a, d, now_ms);
        for (size_t r = 0; ok && r < n; r++)
            if (is_half_made(&rows[r], d))
                ok = add_key(s, v, rng, &a, d, &rows[r]);
    }
    arena_free(&a);
    if (!ok)
        (void)snprintf(why, why_size, "cannot add the demo merchants; the log has the reason");
    return ok;
}
