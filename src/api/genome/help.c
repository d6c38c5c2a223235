/*
 * GET /help/cc: the reference a developer reads, printed from the tables that the face runs on.
 */
#include "api/genome/genome_internal.h"

static void write_fields(struct buf *out);
static void write_codes(struct buf *out);

static const char opening[] =
    "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
    "<title>Gateway API reference</title>\n<style>"
    "body{font:16px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:75rem;padding:0 1rem;"
    "color:#1d2430}"
    "table{border-collapse:collapse;font-size:.85rem;display:block;overflow-x:auto}"
    "th,td{border:1px solid #ccd3dd;padding:.2rem .5rem;text-align:left;vertical-align:top}"
    "th{background:#f1f4f8}td.mark{text-align:center}code{font-size:.95em}"
    "</style></head>\n<body>\n<h1>Gateway API: <code>POST /api/cc</code></h1>\n"
    "<p>The body is a JSON object; a form (<code>application/x-www-form-urlencoded</code> or "
    "<code>multipart/form-data</code>) with the same names is accepted too. Numbers may be sent "
    "as text and text as numbers; an empty text counts as absent; unknown fields are ignored. "
    "The answer is JSON with HTTP status 200, and its <code>status</code>, <code>code</code> and "
    "<code>message</code> say what became of the request.</p>\n";

static const char explanations[] =
    "<h2>Logging in</h2>\n<p>With <code>merchant_account</code> and "
    "<code>merchant_password</code>; or with <code>auth_type</code> <code>bySignature</code>, "
    "<code>public_key</code> and <code>signature</code>: all fields that are not empty, except "
    "<code>signature</code>, <code>public_key</code>, <code>card_number</code>, "
    "<code>card_exp_month</code>, <code>card_exp_year</code>, <code>cvv</code> and "
    "<code>card_holder</code>, sorted by name, written <code>name=value</code> and joined with "
    "<code>|</code>, then <code>|</code> and the private key, all in lower case; its SHA-256 in "
    "hexadecimal.</p>\n"
    "<h2>Cards and tokens</h2>\n<p>Every answer to a payment carries the card's "
    "<code>token</code>. With it, AUTH and SALE need no card number and no expiry date. "
    "TOKENIZE gives a token without a payment.</p>\n"
    "<h2>References</h2>\n<p>Twenty characters: two letters for the type (AT AUTH, SL SALE, ST "
    "SETTLE, RF REFUND, VD VOID), <code>FF</code>, and sixteen hexadecimal digits. SETTLE and VOID "
    "take the reference of an AUTH; REFUND that of a SALE or a SETTLE, once. CHECK takes a "
    "reference, a <code>transaction_unique_id</code>, or both of the same transaction.</p>\n"
    "<h2>3-D Secure</h2>\n<p>AUTH3D and SALE3D, and AUTH and SALE with <code>pares</code>, are "
    "answered 3012: 3-D Secure is not enabled.</p>\n"
    "<h2>Test mode</h2>\n<p>A test merchant may use any expiry date from 2020 on. A "
    "<code>card_holder</code> of the form <code>CODE 3101</code> in AUTH or SALE is answered with "
    "that code at once: nothing is recorded and nothing is sent to the bank.</p>\n"
    "<h2>When the result is unknown</h2>\n<p>After the codes 1, 2, 3, 10, 11, 12, 1003 and 6000, "
    "and when no answer came at all, ask with CHECK before trying again. An element of CHECK "
    "with <code>status</code> <code>PROCESSING</code> and code 11 has no result yet.</p>\n";

void genome_write_help(struct buf *out)
{
    buf_str(out, STR(opening));
    write_fields(out);
    buf_str(out, STR(explanations));
    write_codes(out);
    buf_str(out, STR("</body></html>\n"));
}

static void write_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '&')
            buf_str(out, STR("&amp;"));
        else if (*text == '<')
            buf_str(out, STR("&lt;"));
        else
            buf_byte(out, *text);
    }
}

static bool is_token_form(enum genome_type t)
{
    return t == GT_AUTH_TOKEN || t == GT_AUTH3D_TOKEN || t == GT_SALE_TOKEN || t == GT_SALE3D_TOKEN;
}

static void write_length(struct buf *out, const struct genome_rule *r)
{
    if (r->max == 0)
        buf_str(out, STR("<td></td>"));
    else if (r->min == r->max)
        buf_printf(out, "<td>%u</td>", r->max);
    else
        buf_printf(out, "<td>%u&ndash;%u</td>", r->min, r->max);
}

/* A rule that belongs to a way to log in holds for all types. */
static const char *mark_of(const struct genome_rule *r, enum genome_type t)
{
    const unsigned logins = GENOME_BY_PASSWORD | GENOME_BY_SIGNATURE;
    unsigned bits = GENOME_BIT(t) | logins;
    if ((r->required & bits) != 0)
        return "&#9679;";
    return (r->optional & bits) != 0 ? "&#9675;" : "";
}

static void write_fields(struct buf *out)
{
    size_t count;
    const struct genome_rule *rules = genome_rules(&count);
    buf_str(out,
        STR("<h2>Fields</h2>\n<p>&#9679; required, &#9675; optional. <code>public_key</code> and "
            "<code>signature</code> take the place of account and password. SALE needs "
            "<code>reference</code> and <code>pares</code> together or not at all.</p>\n"
            "<table><tr><th>field</th><th>length</th><th>rule</th>"));
    for (unsigned t = 0; t < GT_COUNT; t++)
        buf_printf(out, "<th>%s%s</th>", genome_type_name((enum genome_type)t),
            is_token_form((enum genome_type)t) ? " by token" : "");
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "</tr>\n<tr><td><code>%s</code></td>", genome_field_name(rules[i].field));
        write_length(out, &rules[i]);
        buf_printf(out, "<td>%s</td>", genome_rule_words(&rules[i]));
        for (unsigned t = 0; t < GT_COUNT; t++)
            buf_printf(out, "<td class=\"mark\">%s</td>", mark_of(&rules[i], (enum genome_type)t));
    }
    buf_str(out, STR("</tr>\n</table>\n"));
}

static void write_codes(struct buf *out)
{
    static const char *const words[] = { "success", "decline", "error" };
    size_t count;
    const struct genome_code *codes = genome_code_table(&count);
    buf_str(out, STR("<h2>Codes</h2>\n<table><tr><th>code</th><th>status</th><th>value</th>"
                     "<th>message</th></tr>\n"));
    for (size_t i = 0; i < count; i++) {
        buf_printf(out, "<tr><td>%d</td><td>%s</td><td>", codes[i].code,
            words[genome_status_of(codes[i].code)]);
        write_escaped(out, codes[i].value);
        buf_str(out, STR("</td><td>"));
        write_escaped(out, codes[i].text);
        buf_str(out, STR("</td></tr>\n"));
    }
    buf_str(out, STR("</table>\n"));
}
