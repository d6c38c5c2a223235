/*
 * The simulation: runs of a town (town.h), one seed each.
 *
 *   sim [--seeds FIRST..LAST] [--turns N] [--quiet]     many runs
 *   sim --seed N [--turns N] [--trace]                  one, to be looked at
 *
 * It ends with 1 at the first law that is broken, and prints the command that plays the same run
 * again.
 */
#include "base/log.h"
#include "disk.h"
#include "town.h"

#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names of the program and folder: the command that is printed is one that works. */
static struct {
    const char *program;
    uint64_t first, last;
    uint32_t turns;
    bool trace, quiet;
    char folder[200];
    struct town *town; /* of the run under way */
} sim = { .first = 1, .last = 100, .turns = 250 };

static struct { /* of all runs */
    uint64_t runs, turns, crashes, cuts, commits, asks, operations, told;
} total;

/* Nobody pulls the plug on the files beside the simulated disk. */
int fsync(int fd)
{
    (void)fd;
    return 0;
}

int fdatasync(int fd)
{
    (void)fd;
    return 0;
}

void sim_say(const char *format, ...)
{
    if (!sim.trace)
        return;
    va_list args;
    va_start(args, format);
    (void)vprintf(format, args);
    va_end(args);
    (void)printf("\n");
}

static void clean_up(void)
{
    if (sim.town != NULL) {
        (void)unlink(sim.town->ring);
        (void)unlink(sim.town->journal);
    }
    char db[sizeof sim.folder + 8];
    (void)snprintf(db, sizeof db, "%s/t.db", sim.folder);
    (void)unlink(db);
    (void)rmdir(sim.folder);
}

/* The host's own record, at the end of a trace. */
static void show_journal(void)
{
    char line[1024];
    FILE *f = sim.trace && sim.town != NULL ? fopen(sim.town->journal, "r") : NULL;
    while (f != NULL && fgets(line, sizeof line, f) != NULL)
        (void)printf("host: %s", line);
    if (f != NULL)
        (void)fclose(f);
}

static void tell_replay(void)
{
    uint64_t seed = sim.town == NULL ? sim.first : sim.town->seed;
    (void)fprintf(stderr, "replay: %s --seed %llu --turns %u --trace\n", sim.program,
        (unsigned long long)seed, sim.turns);
}

_Noreturn void sim_fail(const char *format, ...)
{
    va_list args;
    show_journal();
    (void)fflush(stdout);
    (void)fprintf(stderr,
        "seed %llu, turn %llu: ", (unsigned long long)(sim.town == NULL ? 0 : sim.town->seed),
        (unsigned long long)(sim.town == NULL ? 0 : sim.town->turns));
    va_start(args, format);
    (void)vfprintf(stderr, format, args);
    va_end(args);
    (void)fprintf(stderr, "\n");
    tell_replay();
    clean_up();
    _exit(1);
}

/* An assertion of the program itself. stdio in a signal handler: it is the last thing we do. */
static void on_abort(int signal)
{
    show_journal();
    (void)fflush(stdout);
    (void)fprintf(stderr, "signal %d\n", signal);
    tell_replay();
    clean_up();
    _exit(1);
}

static void run(uint64_t seed)
{
    static struct town town;
    sim.town = &town;
    town_build(&town, seed, sim.folder);
    while (town.turns < sim.turns)
        town_turn(&town);
    town_prove(&town);
    total.runs++;
    total.turns += town.turns;
    total.crashes += town.crashes;
    total.cuts += town.cuts;
    total.commits += town.witness.commits;
    total.asks += (uint64_t)town.n_asks;
    total.operations += town.witness.known.n_operations;
    for (const struct ask *a = town.asks; a != NULL; a = a->next)
        total.told += (uint64_t)a->told;
    town_tear_down(&town);
    sim.town = NULL;
}

/* ---- the command line ---- */

static bool number(const char *text, uint64_t max, uint64_t *out)
{
    return text != NULL && str_to_u64(str_of(text), max, out);
}

static bool range(const char *text)
{
    struct str rest = text == NULL ? STR_EMPTY : str_of(text);
    size_t dots = str_find(rest, '.');
    if (dots + 2 > rest.n || rest.p[dots + 1] != '.')
        return false;
    struct str first = { rest.p, dots }, last = str_skip(rest, dots + 2);
    return str_to_u64(first, UINT64_MAX, &sim.first) && str_to_u64(last, UINT64_MAX, &sim.last) &&
           sim.first <= sim.last;
}

static bool read_options(int argc, char **argv)
{
    uint64_t n = 0;
    sim.program = argv[0];
    for (int i = 1; i < argc; i++) {
        bool good = true;
        if (strcmp(argv[i], "--trace") == 0) {
            sim.trace = true;
        } else if (strcmp(argv[i], "--quiet") == 0) {
            sim.quiet = true;
        } else if (strcmp(argv[i], "--seed") == 0) {
            good = number(argv[++i], UINT64_MAX, &sim.first);
            sim.last = sim.first;
        } else if (strcmp(argv[i], "--turns") == 0) {
            good = number(argv[++i], 1000000, &n);
            sim.turns = (uint32_t)n;
        } else {
            good = strcmp(argv[i], "--seeds") == 0 && range(argv[++i]);
        }
        if (!good)
            return false;
    }
    return true;
}

int main(int argc, char **argv)
{
    if (!read_options(argc, argv)) {
        (void)fprintf(
            stderr, "usage: %s [--seeds FIRST..LAST | --seed N] [--turns N] [--trace]\n", argv[0]);
        return 2;
    }
    log_setup(LOG_ERROR, -1);
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(sim.folder, sizeof sim.folder, "%s/turnpike-sim-XXXXXX",
        tmp != NULL && strlen(tmp) < 100 ? tmp
        : access("/dev/shm", W_OK) == 0  ? "/dev/shm"
                                         : "/tmp");
    if (mkdtemp(sim.folder) == NULL) {
        perror(sim.folder);
        return 2;
    }
    (void)signal(SIGABRT, on_abort);
    (void)signal(SIGSEGV, on_abort);
    disk_install();
    for (uint64_t seed = sim.first; seed <= sim.last; seed++)
        run(seed);
    if (!sim.quiet)
        (void)printf(
            "%llu seeds, %llu turns: %llu asked, %llu told, %llu operations, %llu commits, "
            "%llu deaths, %llu cut connections: nothing lost, nothing doubled\n",
            (unsigned long long)total.runs, (unsigned long long)total.turns,
            (unsigned long long)total.asks, (unsigned long long)total.told,
            (unsigned long long)total.operations, (unsigned long long)total.commits,
            (unsigned long long)total.crashes, (unsigned long long)total.cuts);
    clean_up();
    return 0;
}
