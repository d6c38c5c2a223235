/*
 * Shops: they open payments, follow them up, change their minds, ask twice, and ask for things that
 * cannot be.
 */
#include "disk.h"
#include "town.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOOK_BACK = 40 };

static const char *const plain_cards[] = { "4111111111111111", "5555555555554444",
    "378282246310005", "6011000990139424", "3530111333300000", "4000007700030007",
    "4000007700030510", "4000007700030056", "2200770212727079", "30569309025904" };

/* For these the host is silent, late, talks twice or nonsense, or refuses what follows. */
static const char *const odd_cards[] = { "4000007700031104", "4000007700032003", "4000007700032011",
    "4000007700032029", "4000007700032037", "4000007700032045", "4000007700032052",
    "4000007700032060", "4000007700032078", "4000007700032086", "4000007700032094",
    "4000007700032102", "4000007700032201", "4000007700032219", "4000007700032300",
    "4000007700030916", "4000007700030965", "4000007700032110" };

struct merchant_row shops_row(int shop)
{
    static const char *const limits[TOWN_SHOPS] = { "", "{\"max_minor\":{\"EUR\":2500}}",
        "{\"window_days\":1}" };
    struct merchant_row row = { .face = FACE_GENOME,
        .name = "EXAMPLE SHOP",
        .city = "VILNIUS",
        .country = "LT",
        .mcc = "5732",
        .active = true,
        .limits = str_of(limits[shop]) };
    (void)snprintf(row.login, sizeof row.login, "shop-%d", shop);
    (void)snprintf(row.mid, sizeof row.mid, "SHOP%011d", shop + 1);
    (void)snprintf(row.tid, sizeof row.tid, "TERM000%c", '1' + shop % 9);
    return row;
}

static bool has_own_id(const struct ask *a)
{
    for (const struct ask *other = a->town->asks; other != NULL; other = other->next)
        if (other != a && other->c.unique_id.p == a->c.unique_id.p)
            return false;
    return true;
}

static void on_done(struct command *c)
{
    struct ask *a = c->owner;
    if (disk_dead() || a->lost)
        return; /* a ghost speaks */
    if (++a->told > 1)
        sim_fail("%s was told twice", a->id);
    sim_say("%s is told %s%s", a->id, outcome_name(c->reply.outcome),
        c->reply.recorded ? "" : ", nothing recorded");
    if (!a->town->ending)
        witness_reply(&a->town->witness, c, has_own_id(a));
}

static struct ask *ask_new(struct town *t, uint8_t shop, enum command_kind kind)
{
    struct ask *a = calloc(1, sizeof *a);
    if (a == NULL)
        abort();
    (void)snprintf(a->id, sizeof a->id, "order-%06d", ++t->n_asks);
    a->town = t;
    a->shop = shop;
    a->next = t->asks;
    t->asks = a;
    a->c = (struct command) { .kind = kind,
        .unique_id = str_of(a->id),
        .entry = ENTRY_ECOMMERCE,
        .facts = STR("{}"),
        .done = on_done,
        .owner = a };
    if (kind == CMD_TOKENIZE)
        a->c.unique_id = STR_EMPTY;
    if (kind != CMD_VOID && kind != CMD_TOKENIZE)
        a->c.currency = currency_by_code(STR("EUR"));
    return a;
}

static void submit(struct ask *a)
{
    struct town *t = a->town;
    a->c.merchant = t->process.shops[a->shop];
    sim_say("shop %u asks %s: kind %d, %lld of %llX", a->shop, a->id, a->c.kind,
        (long long)a->c.amount_minor, (unsigned long long)a->c.reference);
    engine_submit(t->process.engine, &a->c);
}

/* Some ask of the shop, mostly a young one; NULL when luck has it. */
static struct ask *some_ask(struct town *t, uint8_t shop)
{
    uint32_t back = town_below(t, town_below(t, 3) == 0 ? LOOK_BACK : 6);
    struct ask *a = t->asks;
    for (; a != NULL && (back > 0 || a->shop != shop); a = a->next)
        back -= back > 0;
    return a;
}

static void open_payment(struct town *t, uint8_t shop)
{
    enum command_kind kind = town_below(t, 8) == 0   ? CMD_TOKENIZE
                             : town_below(t, 2) == 0 ? CMD_SALE
                                                     : CMD_AUTHORIZE;
    struct ask *a = ask_new(t, shop, kind);
    const struct ask *before = some_ask(t, shop);
    a->c.amount_minor = kind == CMD_TOKENIZE ? 0 : 1 + town_below(t, 3000);
    if (kind != CMD_TOKENIZE && before != NULL && before->c.reply.has_token &&
        town_below(t, 4) == 0) {
        a->c.has_token = true;
        memcpy(a->c.token, before->c.reply.token, sizeof a->c.token);
        a->c.entry = ENTRY_STORED;
    } else {
        const char *pan = town_chance(t, t->trouble.odd_card)
                              ? odd_cards[town_below(t, COUNT(odd_cards))]
                              : plain_cards[town_below(t, COUNT(plain_cards))];
        a->c.card = (struct card_input) { .cvv = "123", .expiry_yymm = 3012 };
        bool fits = str_copy(a->c.card.pan, sizeof a->c.card.pan, str_of(pan));
        assert(fits);
    }
    submit(a);
}

/* What a sensible shop would follow up so: a hold, or money that it has taken. */
static bool sensible(const struct ask *a, enum command_kind kind)
{
    if (!a->c.reply.recorded || a->c.reply.outcome != OUT_APPROVED)
        return false;
    return kind == CMD_REFUND ? a->c.kind == CMD_SALE || a->c.kind == CMD_CAPTURE
                              : a->c.kind == CMD_AUTHORIZE;
}

static const struct ask *choose(struct town *t, uint8_t shop, enum command_kind kind)
{
    if (town_below(t, 6) == 0)
        return some_ask(t, shop);
    uint32_t skip = town_below(t, 3);
    const struct ask *found = NULL;
    for (const struct ask *a = t->asks; a != NULL; a = a->next)
        if (a->shop == shop && sensible(a, kind)) {
            found = a;
            if (skip-- == 0)
                break;
        }
    return found;
}

/* The whole, a part, and now and then a little more than there is. */
static int64_t amount_of(struct town *t, int64_t whole)
{
    uint32_t dice = town_below(t, 10);
    return dice < 4 ? whole : dice == 4 ? whole + 1 : 1 + town_below(t, (uint32_t)whole);
}

static void follow_up(struct town *t, uint8_t shop)
{
    static const enum command_kind kinds[] = { CMD_CAPTURE, CMD_CAPTURE, CMD_VOID, CMD_REFUND,
        CMD_REFUND };
    enum command_kind kind = kinds[town_below(t, COUNT(kinds))];
    const struct ask *of = choose(t, shop, kind);
    struct ask *a = ask_new(t, shop, kind);
    a->c.reference = of == NULL ? 1 + town_below(t, 99) : of->c.reply.operation_id;
    int64_t whole = of == NULL || of->c.amount_minor == 0 ? 100 : of->c.amount_minor;
    if (kind != CMD_VOID)
        a->c.amount_minor = amount_of(t, whole);
    a->c.single_refund = town_below(t, 8) == 0;
    submit(a);
    if (town_below(t, 6) != 0)
        return;
    struct ask *rival = ask_new(t, shop, kinds[town_below(t, COUNT(kinds))]);
    rival->c.reference = a->c.reference;
    rival->c.amount_minor = rival->c.kind == CMD_VOID ? 0 : whole;
    submit(rival);
}

/* The shop did not hear, or did not listen: the same id once more. */
static void ask_again(struct town *t, uint8_t shop)
{
    const struct ask *before = some_ask(t, shop);
    if (before == NULL || before->c.kind == CMD_TOKENIZE)
        return;
    struct ask *a = ask_new(t, shop, before->c.kind);
    a->c.unique_id = before->c.unique_id;
    a->c.reference = before->c.reference;
    a->c.amount_minor = before->c.amount_minor;
    a->c.has_token = before->c.has_token;
    memcpy(a->c.token, before->c.token, sizeof a->c.token);
    if (!a->c.has_token && (a->c.kind == CMD_SALE || a->c.kind == CMD_AUTHORIZE)) {
        a->c.card = (struct card_input) { .cvv = "123", .expiry_yymm = 3012 };
        bool fits = str_copy(a->c.card.pan, sizeof a->c.card.pan, str_of(plain_cards[0]));
        assert(fits);
    }
    submit(a);
}

void shops_act(struct town *t)
{
    for (uint32_t n = town_below(t, 4); n > 0; n--) {
        uint8_t shop = (uint8_t)town_below(t, TOWN_SHOPS);
        uint32_t dice = town_below(t, 100);
        if (dice < 45)
            open_payment(t, shop);
        else if (dice < 92)
            follow_up(t, shop);
        else
            ask_again(t, shop);
    }
}

void shops_lose_all(struct town *t)
{
    for (struct ask *a = t->asks; a != NULL; a = a->next)
        if (a->told == 0)
            a->lost = true;
}
