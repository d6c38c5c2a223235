#include "engine/merchant.h"
#include "vault/brand.h"

#include <arpa/inet.h>
#include <assert.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { WINDOW_DAYS_DEFAULT = 7, WINDOW_DAYS_MAX = 30 };

struct reading {
    struct limits *out;
    char *why;
    size_t why_size;
};

static bool fault(struct reading *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static bool fault(struct reading *r, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)vsnprintf(r->why, r->why_size, format, args);
    va_end(args);
    return false;
}

bool network_parse(struct str text, struct network *out)
{
    struct str bits = STR_EMPTY;
    size_t slash = str_find(text, '/');
    struct str address = { text.p, slash };
    if (slash < text.n)
        bits = str_skip(text, slash + 1);

    char buffer[INET6_ADDRSTRLEN];
    if (!str_copy(buffer, sizeof buffer, address))
        return false;
    struct in_addr v4;
    unsigned offset = 0;
    if (inet_pton(AF_INET, buffer, &v4) == 1) {
        static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };
        memcpy(out->address, mapped, sizeof mapped);
        memcpy(out->address + sizeof mapped, &v4, sizeof v4);
        offset = 96;
    } else if (inet_pton(AF_INET6, buffer, out->address) != 1) {
        return false;
    }
    uint64_t n = 128 - offset;
    if (slash < text.n && !str_to_u64(bits, 128 - offset, &n))
        return false;
    out->bits = (uint8_t)(n + offset);
    return true;
}

bool network_contains(const struct network *n, struct str address)
{
    struct network a;
    if (str_find(address, '/') < address.n || !network_parse(address, &a))
        return false;
    size_t whole = n->bits / 8;
    unsigned rest = n->bits % 8u;
    if (memcmp(a.address, n->address, whole) != 0)
        return false;
    return rest == 0 || (a.address[whole] ^ n->address[whole]) >> (8 - rest) == 0;
}

static bool currency_of(struct reading *r, const char *key, const char *code, uint16_t *numeric)
{
    const struct currency *c = currency_by_code(str_of(code));
    if (c == NULL)
        return fault(r, "%s: no such currency; write the three letters of ISO 4217", key);
    *numeric = c->numeric;
    return true;
}

/* Walks a JSON array of strings and hands each to add. */
static bool each_text(struct reading *r, const char *key, const json_t *list, size_t room,
    bool (*add)(struct reading *r, const char *key, const char *text, size_t at))
{
    if (!json_is_array(list))
        return fault(r, "%s: must be a list of strings", key);
    if (json_array_size(list) > room)
        return fault(r, "%s: more than %zu entries", key, room);
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *text = json_string_value(json_array_get(list, i));
        if (text == NULL)
            return fault(r, "%s: must be a list of strings", key);
        if (!add(r, key, text, i))
            return false;
    }
    return true;
}

static bool add_currency(struct reading *r, const char *key, const char *text, size_t at)
{
    r->out->n_currencies = at + 1;
    return currency_of(r, key, text, &r->out->currencies[at]);
}

static bool country_numeric(struct reading *r, const char *key, const char *text, uint16_t *out)
{
    const struct country *c = country_by_alpha(str_of(text));
    if (c == NULL)
        return fault(r, "%s: no such country; write two or three letters of ISO 3166", key);
    *out = c->numeric;
    return true;
}

static bool add_country(struct reading *r, const char *key, const char *text, size_t at)
{
    r->out->n_countries = at + 1;
    return country_numeric(r, key, text, &r->out->countries[at]);
}

static bool add_denied(struct reading *r, const char *key, const char *text, size_t at)
{
    r->out->n_countries_denied = at + 1;
    return country_numeric(r, key, text, &r->out->countries_denied[at]);
}

static bool add_network(struct reading *r, const char *key, const char *text, size_t at)
{
    r->out->n_networks = at + 1;
    if (!network_parse(str_of(text), &r->out->networks[at]))
        return fault(r, "%s: not an address or prefix like 10.0.0.0/8 or 2001:db8::/32", key);
    return true;
}

static bool add_brand(struct reading *r, const char *key, const char *text, size_t at)
{
    (void)at;
    enum card_brand brand;
    if (!brand_by_name(str_of(text), &brand))
        return fault(r, "%s: no such card brand", key);
    r->out->brands |= UINT32_C(1) << brand;
    return true;
}

static bool read_amounts(struct reading *r, const char *key, const json_t *object, bool is_max)
{
    if (!json_is_object(object))
        return fault(r, "%s: must be an object of currency and minor units", key);
    struct limits *l = r->out;
    const char *code;
    const json_t *value;
    json_object_foreach((json_t *)object, code, value)
    {
        uint16_t currency = 0;
        if (!currency_of(r, key, code, &currency))
            return false;
        if (!json_is_integer(value) || json_integer_value(value) < 0)
            return fault(r, "%s: amounts are whole minor units, not below 0", key);
        size_t i = 0;
        while (i < l->n_amounts && l->amounts[i].currency != currency)
            i++;
        if (i == MERCHANT_MAX_CURRENCIES)
            return fault(r, "%s: too many currencies", key);
        if (i == l->n_amounts)
            l->amounts[l->n_amounts++].currency = currency;
        *(is_max ? &l->amounts[i].max_minor : &l->amounts[i].min_minor) = json_integer_value(value);
    }
    return true;
}

static bool read_three_ds(struct reading *r, const char *key, const json_t *value)
{
    static const char *const names[] = { "off", "on", "required" };
    const char *text = json_string_value(value);
    for (size_t i = 0; text != NULL && i < COUNT(names); i++) {
        if (strcmp(text, names[i]) == 0) {
            r->out->three_ds = i == 0 ? THREE_DS_OFF : i == 1 ? THREE_DS_ON : THREE_DS_REQUIRED;
            return true;
        }
    }
    return fault(r, "%s: must be off, on or required", key);
}

static bool read_window(struct reading *r, const char *key, const json_t *value)
{
    json_int_t days = json_integer_value(value);
    if (!json_is_integer(value) || days < 1 || days > WINDOW_DAYS_MAX)
        return fault(r, "%s: must be whole days from 1 to %d", key, WINDOW_DAYS_MAX);
    r->out->window_days = (int)days;
    return true;
}

static bool read_key(struct reading *r, const char *key, const json_t *value)
{
    if (strcmp(key, "currencies") == 0)
        return each_text(r, key, value, MERCHANT_MAX_CURRENCIES, add_currency);
    if (strcmp(key, "countries") == 0)
        return each_text(r, key, value, MERCHANT_MAX_COUNTRIES, add_country);
    if (strcmp(key, "countries_denied") == 0)
        return each_text(r, key, value, MERCHANT_MAX_COUNTRIES, add_denied);
    if (strcmp(key, "networks") == 0)
        return each_text(r, key, value, MERCHANT_MAX_NETWORKS, add_network);
    if (strcmp(key, "brands") == 0)
        return each_text(r, key, value, BRAND_COUNT, add_brand);
    if (strcmp(key, "min_minor") == 0)
        return read_amounts(r, key, value, false);
    if (strcmp(key, "max_minor") == 0)
        return read_amounts(r, key, value, true);
    if (strcmp(key, "window_days") == 0)
        return read_window(r, key, value);
    if (strcmp(key, "three_ds") == 0)
        return read_three_ds(r, key, value);
    return fault(r, "%.40s: no such limit", key);
}

bool limits_parse(struct str json, struct limits *out, char *why, size_t why_size)
{
    assert(why_size > 0);
    struct reading r = { out, why, why_size };
    memset(out, 0, sizeof *out);
    out->window_days = WINDOW_DAYS_DEFAULT;
    if (json.n == 0)
        return true;
    json_error_t error;
    json_t *root = json_loadb(json.p, json.n, JSON_REJECT_DUPLICATES, &error);
    if (root == NULL)
        return fault(&r, "limits: line %d: %s", error.line, error.text);
    bool ok = json_is_object(root) || fault(&r, "limits: must be a JSON object");
    const char *key;
    const json_t *value;
    if (ok) {
        json_object_foreach(root, key, value)
        {
            ok = read_key(&r, key, value);
            if (!ok)
                break;
        }
    }
    json_decref(root);
    return ok;
}
