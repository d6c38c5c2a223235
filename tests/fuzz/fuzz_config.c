/*
 * The configuration file: what is read is within the bounds of its table, what is wrong is told
 * with file and line, and nothing is left of it once it is wiped.
 */
#include "cli/config.h"
#include "file.h"
#include "fuzz.h"

#include <stdlib.h>

static struct fuzz_file file;
static struct config config, nothing;
static struct buf problems;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    file_in_memory(&file);
    buf_init(&problems, CONFIG_PROBLEMS_MAX);
    return 0;
}

/* Lines of "FILE:LINE: sentence" or "FILE: sentence", of printable characters. */
static void check_problems(void)
{
    struct str rest = buf_view(&problems), line, path = str_of(file.path);
    assert(rest.n > 0);
    while (str_split(&rest, '\n', &line)) {
        if (rest.n == 0 && problems.full)
            return; /* cut off */
        assert(line.n == 0 || (str_starts_with(line, path) && line.n > path.n + 2));
        for (size_t i = 0; i < line.n; i++)
            assert((unsigned char)line.p[i] >= 0x20 && line.p[i] != 0x7F);
    }
}

/* A number or a text of the table, in the struct that it is kept in. */
static void check_value(const struct config_key *k, const void *base)
{
    const char *field = (const char *)base + k->offset;
    int64_t value = 0;
    switch (k->kind) {
    case CONFIG_TEXT:
    case CONFIG_ADDRESS:
    case CONFIG_DIGITS:
        assert(strnlen(field, k->size) < k->size);
        return;
    case CONFIG_UNSIGNED:
        value = *(const unsigned *)(const void *)field;
        break;
    case CONFIG_SIZE:
        value = (int64_t) * (const size_t *)(const void *)field;
        break;
    case CONFIG_MILLISECONDS:
        value = *(const int64_t *)(const void *)field;
        break;
    default:
        return;
    }
    assert(value >= k->min && value <= k->max);
}

static void check_link(const struct link_config *l)
{
    assert(l->name[0] != '\0' && strnlen(l->name, sizeof l->name) < sizeof l->name);
    assert(l->n_currencies <= COUNT(l->currencies) && l->n_merchants <= COUNT(l->merchants));
    for (size_t i = 0; i < l->n_currencies; i++)
        assert(l->currencies[i] > 0 && l->currencies[i] < 1000);
    for (size_t i = 0; i < l->n_merchants; i++)
        assert(l->merchants[i] > 0);
    assert(l->acquirer_country < 1000 && l->framing.mode <= ISO_FRAME_BIN2_RESERVED2);
    assert(l->profile <= ISO_PROFILE_B && l->mac.kind <= ISO_MAC_CMAC);
}

static void check_config(const struct config *c)
{
    size_t count;
    const struct config_key *keys = config_keys(&count);
    assert(c->n_links <= CONFIG_LINKS_MAX && c->log_level <= LOG_ERROR);
    for (size_t k = 0; k < count; k++) {
        uint64_t bit = UINT64_C(1) << k;
        bool of_link = keys[k].section == CONFIG_ACQUIRER;
        if (!of_link && (c->given & bit) != 0)
            check_value(&keys[k], c);
        for (size_t i = 0; of_link && i < c->n_links; i++)
            if ((c->link_given[i] & bit) != 0)
                check_value(&keys[k], &c->links[i]);
    }
    for (size_t i = 0; i < c->n_links; i++) {
        check_link(&c->links[i]);
        for (size_t j = 0; j < i; j++)
            assert(strcmp(c->links[i].name, c->links[j].name) != 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    file_write(&file, (struct str) { (const char *)data, size });
    buf_reset(&problems);
    problems.full = false;
    if (config_read(file.path, &config, &problems)) {
        assert(problems.n == 0);
        check_config(&config);
        bool good = config_check(&config, &problems);
        assert(good == (problems.n == 0));
        (void)config_sandbox_on(&config);
    } else {
        check_problems();
    }
    config_wipe(&config);
    assert(memcmp(&config, &nothing, sizeof config) == 0);
    return 0;
}
