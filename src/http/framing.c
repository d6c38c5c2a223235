#include "http/framing.h"

#include <string.h>

enum { VERSION_LENGTH = 8, LINE_BREAK = 2 };

struct walk {
    struct framing *f;
    const char *next; /* where the next name must stand; NULL: not looked at */
    unsigned hosts, lengths, codings;
};

static void on_content_length(struct walk *w, struct str value)
{
    if (!str_to_u64(value, UINT64_MAX, &w->f->content_length))
        w->f->fault = "content-length";
    if (++w->lengths > 1)
        w->f->fault = "repeated content-length";
}

static void on_transfer_encoding(struct walk *w, struct str value)
{
    w->f->chunked = true;
    if (++w->codings > 1 || !str_eq_nocase(value, STR("chunked")))
        w->f->fault = "transfer-encoding";
}

/* What a host name, an address and a port are made of (RFC 3986 §3.2.2): no blank, no path. */
static bool is_host(struct str s)
{
    static const char others[] = "-._~%!$&'()*+,;=:[]";
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && (c < '0' || c > '9') && memchr(others, c, sizeof others - 1) == NULL)
            return false;
    }
    return true;
}

static void on_host(struct walk *w, struct str value)
{
    if (!is_host(value))
        w->f->fault = "host";
    if (++w->hosts > 1)
        w->f->fault = "repeated host";
}

static void on_content_type(struct walk *w, struct str value)
{
    if (w->f->content_type.p != NULL)
        w->f->fault = "repeated content-type";
    w->f->content_type = value;
}

static void on_expect(struct walk *w, struct str value)
{
    w->f->waits = str_eq_nocase(value, STR("100-continue"));
}

static const struct {
    struct str name;
    void (*see)(struct walk *w, struct str value);
} known[] = {
    { { "Host", 4 }, on_host },
    { { "Expect", 6 }, on_expect },
    { { "Content-Type", 12 }, on_content_type },
    { { "Content-Length", 14 }, on_content_length },
    { { "Transfer-Encoding", 17 }, on_transfer_encoding },
};

/* RFC 9110 §5.6.2. The blank before a colon is what this is most for. */
static bool is_token(struct str s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        bool digit = c >= '0' && c <= '9';
        if (!letter && !digit && c != '-' && (c == '\0' || strchr("!#$%&'*+.^_`|~", c) == NULL))
            return false;
    }
    return s.n > 0;
}

static bool has_control(struct str s)
{
    for (size_t i = 0; i < s.n; i++)
        if (((unsigned char)s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
            return true;
    return false;
}

static enum MHD_Result see_header(void *cls, enum MHD_ValueKind kind, const char *name,
    size_t name_size, const char *value, size_t value_size)
{
    (void)kind;
    struct walk *w = cls;
    struct str n = { name, name_size }, v = { value, value_size };
    if (w->next != NULL && name != w->next)
        w->f->fault = "header line";
    else if (!is_token(n))
        w->f->fault = "header name";
    else if (value == NULL || has_control(v))
        w->f->fault = "header value";
    if (w->f->fault != NULL)
        return MHD_NO;
    if (w->next != NULL)
        w->next = value + value_size + LINE_BREAK;
    for (size_t i = 0; i < COUNT(known); i++)
        if (str_eq_nocase(n, known[i].name))
            known[i].see(w, v);
    return w->f->fault == NULL ? MHD_YES : MHD_NO;
}

bool framing_reads_addresses(void)
{
    return strcmp(MHD_get_version(), "0.9.75") <= 0;
}

static bool is_request_line(const char *method, struct str target, const char *version)
{
    struct str m = str_of(method);
    return is_token(m) && str_find(target, ' ') == target.n && target.p == m.p + m.n + 1 &&
           version == target.p + target.n + 1;
}

struct framing framing_check(
    struct MHD_Connection *c, const char *method, struct str target, const char *version)
{
    struct framing f = { 0 };
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
    if (info != NULL)
        f.header = (struct str) { method, info->header_size };
    struct walk w = { .f = &f };
    if (framing_reads_addresses()) {
        w.next = version + VERSION_LENGTH + LINE_BREAK;
        if (!is_request_line(method, target, version)) {
            f.fault = "request line";
            return f;
        }
    }
    (void)MHD_get_connection_values_n(c, MHD_HEADER_KIND, see_header, &w);
    if (f.fault == NULL && w.next != NULL && w.next + LINE_BREAK != method + f.header.n)
        f.fault = "header end";
    bool old = strcmp(version, "HTTP/1.0") == 0;
    if (f.fault == NULL && f.chunked && (w.lengths > 0 || old))
        f.fault = "transfer-encoding";
    if (f.fault == NULL && w.hosts == 0 && !old)
        f.fault = "no host";
    return f;
}
