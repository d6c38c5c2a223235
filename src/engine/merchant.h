/*
 * Merchants as the faces and the engine use them: immutable, counted snapshots.
 *
 * The directory is read from the store at start and again when the setting "merchants.version" has
 * changed (looked at once a second by the directory's owner). A request holds the snapshot it began
 * with until it ends.
 */
#ifndef TURNPIKE_ENGINE_MERCHANT_H
#define TURNPIKE_ENGINE_MERCHANT_H

#include "base/country.h"
#include "base/currency.h"
#include "engine/outcome.h"
#include "store/store.h"

enum { MERCHANT_MAX_CURRENCIES = 64, MERCHANT_MAX_COUNTRIES = 256, MERCHANT_MAX_NETWORKS = 64 };

struct network { /* an IPv4 or IPv6 prefix; IPv4 is kept as ::ffff:a.b.c.d */
    uint8_t address[16];
    uint8_t bits;
};

/*
 * What a merchant may do. JSON in the store; absent lists allow everything:
 *   {"currencies":["EUR","USD"], "countries":["LTU"], "countries_denied":["PRK"], "networks":["10.0.0.0/8"], "brands":["visa","mastercard"],
 *    "min_minor":{"EUR":100}, "max_minor":{"EUR":500000}, "window_days":7, "three_ds":"off|on|required"}
 * networks limits the payer's address given in the request (user_ip), not the caller's.
 */
struct limits {
    uint16_t currencies[MERCHANT_MAX_CURRENCIES];
    size_t n_currencies;
    struct {
        uint16_t currency;
        int64_t min_minor, max_minor;
    } amounts[MERCHANT_MAX_CURRENCIES]; /* max 0: none */
    size_t n_amounts;
    uint16_t countries[MERCHANT_MAX_COUNTRIES], countries_denied[MERCHANT_MAX_COUNTRIES];
    size_t n_countries, n_countries_denied;
    struct network networks[MERCHANT_MAX_NETWORKS];
    size_t n_networks;
    uint32_t brands; /* bit per enum card_brand; 0: all */
    int window_days; /* days between authorization and capture, default 7 */
    enum { THREE_DS_OFF, THREE_DS_ON, THREE_DS_REQUIRED } three_ds;
};

/*
 * Reads the JSON text; false with a sentence that names the key and the fault. Empty text is no
 * limits.
 */
bool limits_parse(struct str json, struct limits *out, char *why, size_t why_size);

/*
 * True when text is an IPv4 or IPv6 address inside the prefix. limits_parse uses network_parse for
 * "a.b.c.d/n".
 */
bool network_parse(struct str text, struct network *out);
bool network_contains(const struct network *n, struct str address);

struct merchant {
    struct merchant_row row;
    struct limits limits;
};

struct merchant_book;

/* An empty book; merchant_book_load fills it. NULL without memory. */
struct merchant_book *merchant_book_new(void);
void merchant_book_free(struct merchant_book *b);

/*
 * Reads all merchants from s (any connection) when their version differs from the one held, or
 * always when force. One thread at a time.
 */
enum store_result merchant_book_load(struct merchant_book *b, struct store *s, bool force);

/* Any thread. The merchant, held until merchant_release; NULL when there is none. */
const struct merchant *merchant_by_login(struct merchant_book *b, enum face face, struct str login);
const struct merchant *merchant_by_public_key(
    struct merchant_book *b, enum face face, struct str key);
const struct merchant *merchant_by_id(struct merchant_book *b, int64_t id);
void merchant_release(struct merchant_book *b, const struct merchant *m);

#endif
