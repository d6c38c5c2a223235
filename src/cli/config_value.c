/*
 * One reader per kind of value; which one serves a key is looked up in a table, and so is what it
 * takes in words.
 *
 * Lists are added to in place: a list's field in struct link_config has its count beside it, and
 * the readers of lists know both. They start anew unless the line goes on from the one before.
 */
#include "cli/config_value.h"

#include "base/country.h"
#include "base/currency.h"
#include "vault/brand.h"

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a reader is given. */
struct value {
    const struct config_key *key;
    struct str text;
    bool more;
    void *base;     /* the struct, for readers that need more than the field */
    void *field;    /* base + offset */
    struct str bad; /* set by a reader that knows better than "all of it" */
};

typedef bool value_reader(struct value *v);

static value_reader read_text, read_address, read_digits, read_unsigned, read_size,
    read_milliseconds, read_word, read_log_level, read_country, read_profile, read_framing,
    read_mac, read_mac_key, read_mac_key_file, read_brands, read_currencies, read_merchants;

static const struct {
    value_reader *read;
    const char *takes; /* NULL: the row or the range says it */
} kinds[] = {
    [CONFIG_TEXT] = { read_text, "a text without control characters" },
    [CONFIG_ADDRESS] = { read_address, NULL },
    [CONFIG_DIGITS] = { read_digits, NULL },
    [CONFIG_UNSIGNED] = { read_unsigned, NULL },
    [CONFIG_SIZE] = { read_size, NULL },
    [CONFIG_MILLISECONDS] = { read_milliseconds, NULL },
    [CONFIG_WORD] = { read_word, NULL },
    [CONFIG_LOG_LEVEL] = { read_log_level, "debug, info, warn or error" },
    [CONFIG_COUNTRY] = { read_country, "a country of ISO 3166-1: BY, BLR or 112" },
    [CONFIG_PROFILE] = { read_profile, "a, h or b" },
    [CONFIG_FRAMING] = { read_framing, "bin2, bcd2, ascii4, bin4 or bin2r2" },
    [CONFIG_MAC] = { read_mac, "none, retail, retail2 or cmac" },
    [CONFIG_MAC_KEY] = { read_mac_key, "32 hexadecimal digits" },
    [CONFIG_MAC_KEY_FILE] = { read_mac_key_file, "a file that holds 32 hexadecimal digits" },
    [CONFIG_BRANDS] = { read_brands, "card brands, such as: visa, mastercard" },
    [CONFIG_CURRENCIES] = { read_currencies, "at most 64 currencies, such as: EUR, USD" },
    [CONFIG_MERCHANTS] = { read_merchants, "at most 256 merchant ids, such as: 17, 18" },
};
static_assert(COUNT(kinds) == CONFIG_KIND_COUNT, "every kind has a row");

bool config_value_is_list(enum config_kind kind)
{
    return kind == CONFIG_BRANDS || kind == CONFIG_CURRENCIES || kind == CONFIG_MERCHANTS;
}

bool config_value_read(
    const struct config_key *k, struct str value, bool more, void *base, struct str *bad)
{
    assert(k->kind < CONFIG_KIND_COUNT && (!more || config_value_is_list(k->kind)));
    struct value v = { k, value, more, base, (char *)base + k->offset, value };
    bool good = kinds[k->kind].read(&v);
    *bad = v.bad;
    return good;
}

void config_value_takes(const struct config_key *k, struct buf *out)
{
    if (k->takes != NULL)
        buf_printf(out, "%s", k->takes);
    else if (k->kind == CONFIG_ADDRESS)
        buf_printf(out, "HOST:PORT with a port from %" PRId64 " to %" PRId64, k->min, k->max);
    else if (k->kind == CONFIG_DIGITS)
        buf_printf(out, "a text of %" PRId64 " to %" PRId64 " digits", k->min, k->max);
    else if (k->kind == CONFIG_WORD)
        buf_printf(out, "%s or %s", k->words[0], k->words[1]);
    else if (kinds[k->kind].takes != NULL)
        buf_printf(out, "%s", kinds[k->kind].takes);
    else
        buf_printf(out, "a number from %" PRId64 " to %" PRId64, k->min, k->max);
}

/* ---- texts ---- */

static bool is_printable(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < ' ' || s.p[i] == 0x7f)
            return false;
    return true;
}

static bool read_text(struct value *v)
{
    if (v->text.n == 0 || v->text.n >= v->key->size || !is_printable(v->text))
        return false;
    return str_copy(v->field, v->key->size, v->text);
}

static bool read_digits(struct value *v)
{
    if (!str_is_digits(v->text) || v->text.n < (size_t)v->key->min ||
        v->text.n > (size_t)v->key->max)
        return false;
    return str_copy(v->field, v->key->size, v->text);
}

/* The last colon ends the host; a host with colons of its own stands in brackets. */
static bool read_address(struct value *v)
{
    struct str s = v->text;
    size_t colon = s.n;
    while (colon > 0 && s.p[colon - 1] != ':')
        colon--;
    if (colon < 2)
        return false;
    struct str host = { s.p, colon - 1 }, port = str_skip(s, colon);
    bool bracketed = host.n > 2 && host.p[0] == '[' && host.p[host.n - 1] == ']';
    if (!bracketed && str_find(host, ':') < host.n)
        return false;
    if (str_find(host, ' ') < host.n)
        return false;
    uint64_t number = 0;
    if (!str_to_u64(port, (uint64_t)v->key->max, &number) || number < (uint64_t)v->key->min)
        return false;
    return read_text(v);
}

/* ---- numbers ---- */

static bool read_number(const struct value *v, uint64_t *out)
{
    return str_to_u64(v->text, (uint64_t)v->key->max, out) && *out >= (uint64_t)v->key->min;
}

static bool read_unsigned(struct value *v)
{
    uint64_t number = 0;
    assert(v->key->size == sizeof(unsigned) && v->key->max <= UINT32_MAX);
    if (!read_number(v, &number))
        return false;
    *(unsigned *)v->field = (unsigned)number;
    return true;
}

static bool read_size(struct value *v)
{
    uint64_t number = 0;
    assert(v->key->size == sizeof(size_t));
    if (!read_number(v, &number))
        return false;
    *(size_t *)v->field = (size_t)number;
    return true;
}

static bool read_milliseconds(struct value *v)
{
    uint64_t number = 0;
    assert(v->key->size == sizeof(int64_t));
    if (!read_number(v, &number))
        return false;
    *(int64_t *)v->field = (int64_t)number;
    return true;
}

/* ---- words ---- */

static bool read_word(struct value *v)
{
    assert(v->key->size == sizeof(bool));
    for (size_t i = 0; i < COUNT(v->key->words); i++) {
        if (str_eq(v->text, str_of(v->key->words[i]))) {
            *(bool *)v->field = i == 1;
            return true;
        }
    }
    return false;
}

static bool read_log_level(struct value *v)
{
    return log_level_of(v->text, v->field);
}

static bool read_profile(struct value *v)
{
    return iso_profile_of(v->text, v->field);
}

static bool read_framing(struct value *v)
{
    return iso_framing_of(v->text, v->field);
}

static bool read_mac(struct value *v)
{
    return iso_mac_kind_of(v->text, v->field);
}

static bool read_country(struct value *v)
{
    uint64_t number = 0;
    const struct country *c = NULL;
    if (str_to_u64(v->text, 999, &number))
        c = country_by_numeric((unsigned)number);
    else
        c = country_by_alpha(v->text);
    if (c == NULL)
        return false;
    *(uint16_t *)v->field = c->numeric;
    return true;
}

/* ---- keys ---- */

static bool read_mac_key(struct value *v)
{
    return hex_decode(v->text, v->field, v->key->size);
}

/*
 * The file's bytes, at most room of them; 0 when it cannot be read, is no regular file or is
 * longer.
 */
static size_t read_small_file(struct str path, char *out, size_t room)
{
    char name[1024];
    if (path.n == 0 || !is_printable(path) || !str_copy(name, sizeof(name), path))
        return 0;
    int fd = open(name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return 0;
    size_t n = 0;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= (off_t)room) {
        ssize_t got = 0;
        while (n < room && (got = read(fd, out + n, room - n)) > 0)
            n += (size_t)got;
        if (got < 0)
            n = 0;
    }
    (void)close(fd);
    return n;
}

static bool read_mac_key_file(struct value *v)
{
    char text[256];
    size_t n = read_small_file(v->text, text, sizeof(text));
    bool good = hex_decode(str_trim((struct str) { text, n }), v->field, v->key->size);
    sodium_memzero(text, sizeof(text));
    return good;
}

/* ---- lists ---- */

/*
 * Takes the next member off *rest into v->bad; false at the end. A comma at the end of a line is no
 * member.
 */
static bool next_member(struct value *v, struct str *rest)
{
    struct str part;
    if (!str_split(rest, ',', &part))
        return false;
    part = str_trim(part);
    if (part.n == 0 && rest->p == NULL && v->text.n > 0)
        return false;
    v->bad = part;
    return true;
}

static bool read_brands(struct value *v)
{
    uint32_t *brands = v->field;
    struct str rest = v->text;
    if (rest.n == 0)
        return false;
    if (!v->more)
        *brands = 0;
    while (next_member(v, &rest)) {
        enum card_brand brand;
        if (!brand_by_name(v->bad, &brand) || brand == BRAND_UNKNOWN)
            return false;
        *brands |= UINT32_C(1) << brand;
    }
    return true;
}

static bool read_currencies(struct value *v)
{
    struct link_config *link = v->base;
    struct str rest = v->text;
    if (rest.n == 0)
        return false;
    if (!v->more)
        link->n_currencies = 0;
    while (next_member(v, &rest)) {
        const struct currency *c = currency_by_code(v->bad);
        if (c == NULL || link->n_currencies == COUNT(link->currencies))
            return false;
        link->currencies[link->n_currencies++] = c->numeric;
    }
    return true;
}

static bool read_merchants(struct value *v)
{
    struct link_config *link = v->base;
    struct str rest = v->text;
    if (rest.n == 0)
        return false;
    if (!v->more)
        link->n_merchants = 0;
    while (next_member(v, &rest)) {
        uint64_t id = 0;
        if (!str_to_u64(v->bad, INT64_MAX, &id) || id == 0 ||
            link->n_merchants == COUNT(link->merchants))
            return false;
        link->merchants[link->n_merchants++] = (int64_t)id;
    }
    return true;
}
