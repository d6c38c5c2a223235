/*
 * The configuration of `turnpike serve`: an INI file, and the command line over it.
 *
 *   [server]         where it listens, where the data lies, limits
 *   [sandbox]        the simulators inside: on by themselves when there is no acquirer
 *   [acquirer NAME]  one link to a host that speaks ISO 8583; as many as are needed
 *
 * Every key is one row of a table: its section, what it takes, its range, where it is kept, and a
 * sentence. The reader, the messages and the test that holds docs/turnpike.conf to the table all go
 * by it. All problems are told, not only the first, one line each: "FILE:LINE: what is wrong; what
 * would be right".
 *
 * The order of calls: config_read (or config_defaults), config_set for what the command line says,
 * config_check, and config_wipe at the end, because MAC keys are in it.
 */
#ifndef TURNPIKE_CLI_CONFIG_H
#define TURNPIKE_CLI_CONFIG_H

#include "acquirer/acquirer.h"
#include "base/log.h"
#include "http/http.h"

/* One link of LINKS_MAX is left for the sandbox. */
enum {
    CONFIG_LINKS_MAX = LINKS_MAX - 1,
    CONFIG_FILE_MAX = 1 << 20, /* bytes of a configuration file */
    CONFIG_LINE_MAX = 198,     /* bytes of a line, what inih takes; lists may go on in the next */
    CONFIG_PROBLEMS_MAX = 1 << 16 /* a good maximum for the buffer of problems */
};

struct config {
    /* [server] */
    char listen[256], admin[256]; /* HOST:PORT, port 0 picks a free one */
    char data[1024];              /* directory */
    char db[1024];                /* URL for store_open; "": SQLite in data */
    char tls_cert[1024], tls_key[1024];
    unsigned threads; /* 0: one per core */
    struct http_limits limits;
    enum log_level log_level;
    unsigned stop_seconds; /* how long SIGTERM waits for what is in flight */

    /* [sandbox] */
    bool sandbox_enabled; /* ask config_sandbox_on instead */
    char host_listen[256];
    char control[256]; /* "": none */

    /* [acquirer NAME], in the order of their first appearance */
    struct link_config links[CONFIG_LINKS_MAX];
    size_t n_links;

    /* which keys were given: bit k is row k of config_keys() */
    uint64_t given, link_given[CONFIG_LINKS_MAX];
};

/* What holds where nothing is said. */
void config_defaults(struct config *c);

/*
 * The defaults, and the file over them. False when anything is wrong with it: *out is then not to
 * be used, but must be wiped. The file must be a regular one of at most CONFIG_FILE_MAX bytes.
 * problems belongs to the caller.
 */
bool config_read(const char *path, struct config *out, struct buf *problems);

/*
 * One value from the command line over what is there; section is "server", "sandbox" or "acquirer
 * NAME", which is made when new.
 */
bool config_set(struct config *c, const char *section, const char *key, const char *value,
    struct buf *problems);

/* What no single key can tell: parts that need each other. */
bool config_check(const struct config *c, struct buf *problems);

/* The simulators run: as [sandbox] enabled says, and without it when there is no acquirer. */
bool config_sandbox_on(const struct config *c);

/* Wipes all, keys included. */
void config_wipe(struct config *c);

/* ---- the table, for the manual and tests ---- */

enum config_section { CONFIG_SERVER, CONFIG_SANDBOX, CONFIG_ACQUIRER, CONFIG_NO_SECTION };

enum config_kind {
    CONFIG_TEXT,
    CONFIG_ADDRESS,      /* HOST:PORT, the port from min to max */
    CONFIG_DIGITS,       /* text of min to max digits */
    CONFIG_UNSIGNED,     /* unsigned, from min to max */
    CONFIG_SIZE,         /* size_t, likewise */
    CONFIG_MILLISECONDS, /* int64_t, likewise */
    CONFIG_WORD,         /* bool: the first of two words is false, the second true */
    CONFIG_LOG_LEVEL,
    CONFIG_COUNTRY, /* uint16_t */
    CONFIG_PROFILE,
    CONFIG_FRAMING,
    CONFIG_MAC,
    CONFIG_MAC_KEY,
    CONFIG_MAC_KEY_FILE,
    CONFIG_BRANDS, /* lists: commas, and as many lines as it takes */
    CONFIG_CURRENCIES,
    CONFIG_MERCHANTS,
    CONFIG_KIND_COUNT
};

struct config_key {
    enum config_section section;
    const char *name;
    enum config_kind kind;
    int64_t min, max;
    size_t offset, size; /* of the field in struct config, or in struct link_config */
    const char *words[2];
    const char *takes; /* "HOST:PORT"; NULL where the kind or the range says it */
    const char *help;  /* a sentence */
};

const struct config_key *config_keys(size_t *count);
const char *config_section_name(enum config_section s);

#endif
