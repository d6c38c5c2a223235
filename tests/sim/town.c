#include "town.h"
#include "disk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define START_MS INT64_C(1795298470000) /* 2026-11-21 22:01:10 */

/* The processes of all runs share a ring: chance must come from the seed alone. */
static const char ring_text[] =
    "turnpike-keyring 1\n"
    "fingerprint 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f\n"
    "card 1 2026-11-21T22:01:10Z "
    "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f\n";

/* ---- chance ---- */

uint32_t town_below(struct town *t, uint32_t bound)
{
    return rng_below(&t->rng, bound);
}

bool town_chance(struct town *t, uint32_t thousandths)
{
    return !t->calm && thousandths > 0 && town_below(t, 1000) < thousandths;
}

int64_t town_now_ms(struct town *t)
{
    return clock_now_ms(&t->clock);
}

/* Each kind of trouble is off in a third of the runs: some bugs hide behind the others. */
static void choose_trouble(struct town *t)
{
    static const struct trouble most = { .lose = 40,
        .twice = 30,
        .late = 40,
        .reorder = 200,
        .cut = 15,
        .link_drop = 12,
        .host_restart = 6,
        .host_fault = 25,
        .clock_jump = 4,
        .crash = 8,
        .crash_in_write = 12,
        .crash_at_start = 150,
        .disk_fault = 15,
        .checkpoint = 60,
        .rekey = 3,
        .odd_card = 250 };
    uint32_t all[sizeof most / sizeof(uint32_t)];
    memcpy(all, &most, sizeof most);
    for (size_t i = 0; i < COUNT(all); i++)
        if (town_below(t, 3) == 0)
            all[i] = 0;
    memcpy(&t->trouble, all, sizeof all);
}

/* ---- beginning and end ---- */

static void write_ring(const struct town *t)
{
    FILE *f = fopen(t->ring, "w");
    if (f == NULL || fwrite(ring_text, sizeof ring_text - 1, 1, f) != 1 || fclose(f) != 0 ||
        chmod(t->ring, S_IRUSR | S_IWUSR) != 0)
        sim_fail("cannot write %s", t->ring);
}

static void host_starts(struct town *t)
{
    char why[512];
    struct host_config config = { .journal_path = t->journal };
    t->host = host_new(&config, why, sizeof why);
    if (t->host == NULL)
        sim_fail("the host does not start: %s", why);
    t->host_due_ms = INT64_MAX;
}

static void start_again(struct town *t)
{
    do {
        disk_restart(&t->rng, town_below(t, 2) == 0);
        if (town_chance(t, t->trouble.crash_at_start))
            disk_die_at(1 + town_below(t, 30));
    } while (!process_start(t));
    disk_die_at(0);
}

void town_build(struct town *t, uint64_t seed, const char *folder)
{
    *t = (struct town) { .seed = seed,
        .rng = rng_seeded(seed),
        .process_rng = rng_seeded(seed ^ UINT64_C(0x9e3779b97f4a7c15)),
        .steady_ns = SECOND * MS };
    (void)snprintf(t->folder, sizeof t->folder, "%s", folder);
    (void)snprintf(t->url, sizeof t->url, "sqlite:%s/t.db", folder);
    (void)snprintf(t->ring, sizeof t->ring, "%s/keyring", folder);
    (void)snprintf(t->journal, sizeof t->journal, "%s/host.journal", folder);
    write_ring(t);
    clock_init_manual(&t->clock, START_MS);
    choose_trouble(t);
    t->n_links = 1 + town_below(t, TOWN_LINKS);
    disk_format(seed);
    witness_init(&t->witness);
    host_starts(t);
    start_again(t);
}

void town_tear_down(struct town *t)
{
    t->ending = true;
    engine_let_go(t->process.engine);
    process_end(t);
    if (t->host != NULL)
        network_host_goes(t);
    network_free(t);
    witness_free(&t->witness);
    for (struct ask *a = t->asks, *next; a != NULL; a = next) {
        next = a->next;
        free(a);
    }
    const char *const files[] = { t->ring, t->journal };
    for (size_t i = 0; i < COUNT(files); i++)
        if (unlink(files[i]) != 0)
            sim_fail("cannot remove %s", files[i]);
}

/* ---- a turn ---- */

static void pass(struct town *t, int64_t ns)
{
    t->steady_ns += ns;
    clock_advance(&t->clock, ns / MS);
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* To the next thing that wants to happen; while shops are open, not much further than a second. */
static void move_time(struct town *t)
{
    int64_t next = min64(process_next_ns(t), network_next_ns(t));
    if (t->host == NULL)
        next = min64(next, t->host_back_ns);
    if (!t->calm)
        next = min64(next, t->steady_ns + (1 + town_below(t, 1200)) * MS);
    int64_t ms = next <= t->steady_ns ? 0 : (next - t->steady_ns + MS - 1) / MS;
    pass(t, (ms > 0 ? ms : town_below(t, 2)) * MS);
}

static void trouble_at_the_host(struct town *t)
{
    static const struct host_faults well = { .kind = HOST_FAULT_NONE };
    if (t->host == NULL && (t->calm || t->steady_ns >= t->host_back_ns)) {
        sim_say("the host is back");
        host_starts(t);
    }
    if (t->host == NULL)
        return;
    if (town_chance(t, t->trouble.host_restart)) {
        sim_say("the host goes down");
        network_host_goes(t);
        t->host_back_ns = t->steady_ns + town_below(t, 90000) * MS;
        return;
    }
    if (t->calm) {
        host_set_faults(t->host, &well);
    } else if (town_chance(t, t->trouble.host_fault)) {
        static const uint32_t classes[] = { 0, 1, 2, 4 };
        struct host_faults f = { .kind =
                                     (enum host_fault_kind)town_below(t, HOST_FAULT_GARBAGE + 1),
            .count = 1 + town_below(t, 4),
            .mti_class = classes[town_below(t, COUNT(classes))] };
        /* A host that is signed off forgets what it refuses, and would take a double for new. */
        if (f.kind == HOST_FAULT_SIGN_OFF && t->trouble.twice > 0)
            f.kind = HOST_FAULT_LATE;
        sim_say("host fault %d, %lld times", (int)f.kind, (long long)f.count);
        host_set_faults(t->host, &f);
    }
}

static void trouble_in_the_town(struct town *t)
{
    trouble_at_the_host(t);
    if (town_chance(t, t->trouble.link_drop)) {
        struct wire *w = t->process.wires[town_below(t, (uint32_t)t->n_links)];
        if (w != NULL) {
            sim_say("connection of link %u breaks", w->link);
            network_close_link_side(t, w);
            t->process.wires[w->link] = NULL;
            link_closed(t->process.links[w->link], t->steady_ns);
        }
    }
    if (town_chance(t, t->trouble.clock_jump)) {
        int64_t by_ms = town_below(t, 5) == 0 ? 2 * DAY : town_below(t, 3 * (uint32_t)HOUR);
        sim_say("the clock jumps by %lld s", (long long)(by_ms / SECOND));
        clock_advance(&t->clock, by_ms);
        engine_wake(t->process.engine);
    }
    if (town_chance(t, t->trouble.rekey)) {
        sim_say("cards are sealed anew");
        engine_rekey(t->process.engine);
    }
}

static void trouble_on_the_disk(struct town *t)
{
    static const enum disk_fault faults[] = { DISK_FULL, DISK_NO_SYNC, DISK_NO_WRITE };
    disk_break(
        town_chance(t, t->trouble.disk_fault) ? faults[town_below(t, COUNT(faults))] : DISK_WELL);
    if (town_chance(t, t->trouble.crash_in_write))
        disk_die_at(1 + town_below(t, 25));
}

/* As the keeper's thread does, with a connection of its own. */
static void checkpoint_behind(struct town *t)
{
    int64_t bytes;
    if (!town_chance(t, t->trouble.checkpoint))
        return;
    (void)store_checkpoint(t->process.checkpointer, true, &bytes);
    if (town_below(t, 3) == 0)
        engine_checkpoint(t->process.engine);
}

void town_turn(struct town *t)
{
    t->turns++;
    move_time(t);
    sim_say("turn %llu, %lld ms, %llu calls of the disk", (unsigned long long)t->turns,
        (long long)(town_now_ms(t) - START_MS), (unsigned long long)disk_calls());
    trouble_in_the_town(t);
    network_deliver(t);
    process_serve_links(t);
    if (!t->calm)
        shops_act(t);
    trouble_on_the_disk(t);
    process_step(t);
    checkpoint_behind(t);
    if (town_chance(t, t->trouble.crash))
        disk_die_now();
    if (!disk_dead())
        return;
    sim_say("the process dies");
    t->crashes++;
    process_end(t);
    start_again(t);
}
