/*
 * Entries lie in chunks that never move; entry number 0 is none. An index is an open-addressing
 * table of (32 bits of the hash, entry number): growing it reads and writes the slots alone.
 */
#include "sandbox/books.h"
#include "sandbox/host.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum {
    CHUNK_BITS = 14,
    CHUNK_ENTRIES = 1 << CHUNK_BITS,
    CHUNKS_MAX = 4096, /* 67 million entries */
    INDEX_FIRST_SLOTS = 1 << 12,
    INDEX_SLOTS_MAX = 1 << 28,
    TOTALS_MAX = 1 << 20,
    TOTALS_FIRST = 64
};

_Static_assert(sizeof(struct book_entry) == 88, "millions of these are kept");

struct index {
    uint64_t *slots; /* 0: free */
    uint32_t mask, used;
};

struct books {
    struct book_entry *chunks[CHUNKS_MAX];
    uint32_t count; /* entries, the one of number 0 included */
    struct index by_key, by_reference, by_totals;
    struct book_totals *totals;
    uint32_t totals_count, totals_room; /* row 0 is none */
    uint32_t totals_latest;             /* the row used last: most often the next one too */
    uint32_t cutover;
};

/* ---- the index ---- */

static bool index_init(struct index *t, uint32_t slots)
{
    *t = (struct index) { calloc(slots, sizeof t->slots[0]), slots - 1, 0 };
    return t->slots != NULL;
}

static void index_put(struct index *t, uint32_t tag, uint32_t number)
{
    uint32_t at = tag & t->mask;
    while (t->slots[at] != 0)
        at = (at + 1) & t->mask;
    t->slots[at] = (uint64_t)tag << 32 | number;
    t->used++;
}

/* Makes room for `more`. */
static bool index_grow(struct index *t, uint32_t more)
{
    uint64_t slots = (uint64_t)t->mask + 1;
    while (t->used + more > slots / 4 * 3)
        slots *= 2;
    if (slots == (uint64_t)t->mask + 1)
        return true;
    struct index larger;
    if (slots > INDEX_SLOTS_MAX || !index_init(&larger, (uint32_t)slots))
        return false;
    for (uint32_t i = 0; i <= t->mask; i++)
        if (t->slots[i] != 0)
            index_put(&larger, (uint32_t)(t->slots[i] >> 32), (uint32_t)t->slots[i]);
    free(t->slots);
    *t = larger;
    return true;
}

/* The next entry number with that tag from slot *at on, 0 at the end of the run. */
static uint32_t index_next(const struct index *t, uint32_t tag, uint32_t *at)
{
    for (;; *at = (*at + 1) & t->mask) {
        uint64_t slot = t->slots[*at];
        if (slot == 0)
            return 0;
        if ((uint32_t)(slot >> 32) == tag) {
            *at = (*at + 1) & t->mask;
            return (uint32_t)slot;
        }
    }
}

/* ---- entries ---- */

struct books *books_new(void)
{
    struct books *b = calloc(1, sizeof *b);
    if (b == NULL)
        return NULL;
    b->count = 1;
    b->totals_count = 1;
    b->totals_room = TOTALS_FIRST;
    b->totals = calloc(TOTALS_FIRST, sizeof b->totals[0]);
    if (b->totals != NULL && index_init(&b->by_key, INDEX_FIRST_SLOTS) &&
        index_init(&b->by_reference, INDEX_FIRST_SLOTS) &&
        index_init(&b->by_totals, INDEX_FIRST_SLOTS))
        return b;
    books_free(b);
    return NULL;
}

void books_free(struct books *b)
{
    if (b == NULL)
        return;
    for (size_t i = 0; i < CHUNKS_MAX; i++)
        free(b->chunks[i]);
    free(b->by_key.slots);
    free(b->by_reference.slots);
    free(b->by_totals.slots);
    free(b->totals);
    free(b);
}

void books_expect(struct books *b, uint32_t exchanges)
{
    (void)(index_grow(&b->by_key, exchanges) && index_grow(&b->by_reference, exchanges));
}

uint32_t books_cutover(const struct books *b)
{
    return b->cutover;
}

static struct book_entry *entry_at(const struct books *b, uint32_t number)
{
    assert(number < b->count);
    return &b->chunks[number >> CHUNK_BITS][number & (CHUNK_ENTRIES - 1)];
}

static uint32_t number_of(const struct books *b, const struct index *t, uint64_t hash)
{
    uint32_t tag = (uint32_t)hash, at = tag & t->mask, number;
    while ((number = index_next(t, tag, &at)) != 0) {
        const struct book_entry *e = entry_at(b, number);
        if ((t == &b->by_key ? e->key : e->reference) == hash)
            return number;
    }
    return 0;
}

struct book_entry *books_find(const struct books *b, uint64_t key)
{
    uint32_t number = number_of(b, &b->by_key, key);
    return number == 0 ? NULL : entry_at(b, number);
}

struct book_entry *books_parent(const struct books *b, const struct book_entry *e)
{
    return e->parent == 0 ? NULL : entry_at(b, e->parent);
}

struct book_entry *books_root(const struct books *b, struct book_entry *e)
{
    while (e != NULL && e->kind != ENTRY_HOLD && e->kind != ENTRY_SALE)
        e = books_parent(b, e);
    return e;
}

/* Room for `more` entries and their places in the indexes. */
static bool entries_fit(struct books *b, uint32_t more)
{
    uint32_t last = b->count + more - 1, chunk = last >> CHUNK_BITS;
    if (chunk >= CHUNKS_MAX)
        return false;
    for (uint32_t i = b->count >> CHUNK_BITS; i <= chunk; i++) {
        if (b->chunks[i] == NULL)
            b->chunks[i] = calloc(CHUNK_ENTRIES, sizeof *b->chunks[i]);
        if (b->chunks[i] == NULL)
            return false;
    }
    return index_grow(&b->by_key, more) && index_grow(&b->by_reference, more);
}

static void set_text(char *field, size_t size, struct str text)
{
    size_t n = text.n < size ? text.n : size;
    memset(field, ' ', size);
    if (n > 0)
        memcpy(field, text.p, n);
}

static struct book_entry *entry_add(
    struct books *b, const struct exchange *x, uint64_t key, enum entry_kind kind, uint32_t totals)
{
    uint32_t number = b->count++;
    struct book_entry *e = entry_at(b, number);
    *e = (struct book_entry) { .key = key,
        .reference = x->reference_key,
        .amount = x->amount,
        .totals = totals,
        .currency = x->currency,
        .kind = (uint8_t)kind,
        .cvv_result = x->cvv_result[0] };
    set_text(e->rrn, sizeof e->rrn, x->rrn);
    set_text(e->de39, sizeof e->de39, str_of(x->de39));
    set_text(e->authcode, sizeof e->authcode, str_of(x->authcode));
    index_put(&b->by_key, (uint32_t)key, number);

    uint32_t first = number_of(b, &b->by_reference, x->reference_key);
    if (first == 0) {
        index_put(&b->by_reference, (uint32_t)x->reference_key, number);
    } else {
        e->sibling = entry_at(b, first)->sibling;
        entry_at(b, first)->sibling = number;
    }
    return e;
}

/* ---- totals ---- */

static bool totals_are(
    const struct book_totals *t, struct str merchant, uint16_t currency, uint32_t day)
{
    return t->day == day && t->currency == currency && str_eq(str_of(t->merchant), merchant);
}

static uint32_t totals_tag(struct str merchant, uint16_t currency, uint32_t day)
{
    uint64_t number = (uint64_t)currency << 32 | day;
    return (
        uint32_t)(exchange_hash(merchant.p, merchant.n) ^ exchange_hash(&number, sizeof number));
}

static uint32_t totals_find(struct books *b, struct str merchant, uint16_t currency, uint32_t day)
{
    if (totals_are(&b->totals[b->totals_latest], merchant, currency, day))
        return b->totals_latest;
    uint32_t tag = totals_tag(merchant, currency, day), at = tag & b->by_totals.mask, number;
    while ((number = index_next(&b->by_totals, tag, &at)) != 0) {
        if (totals_are(&b->totals[number], merchant, currency, day)) {
            b->totals_latest = number;
            return number;
        }
    }
    return 0;
}

/* The row of x, made when it is missing; 0 when it cannot be made. */
static uint32_t totals_for(struct books *b, const struct exchange *x)
{
    uint32_t number = totals_find(b, x->merchant, x->currency, x->day);
    if (number != 0)
        return number;
    if (b->totals_count == b->totals_room) {
        size_t room = (size_t)b->totals_room * 2;
        struct book_totals *larger =
            room > TOTALS_MAX ? NULL : reallocarray(b->totals, room, sizeof *larger);
        if (larger == NULL)
            return 0;
        b->totals = larger;
        b->totals_room = (uint32_t)room;
    }
    if (!index_grow(&b->by_totals, 1))
        return 0;
    struct book_totals *t = &b->totals[b->totals_count];
    *t = (struct book_totals) { .currency = x->currency, .day = x->day };
    if (!str_copy(t->merchant, sizeof t->merchant, x->merchant))
        return 0;
    index_put(&b->by_totals, totals_tag(x->merchant, x->currency, x->day), b->totals_count);
    return b->totals_latest = b->totals_count++;
}

const struct book_totals *books_totals(
    struct books *b, struct str merchant, uint16_t currency, uint32_t day)
{
    uint32_t number = totals_find(b, merchant, currency, day);
    return number == 0 ? NULL : &b->totals[number];
}

const struct book_totals *books_totals_of(const struct books *b, const struct book_entry *e)
{
    assert(e->totals < b->totals_count);
    return &b->totals[e->totals];
}

/* DE 86 to 89 have sixteen digits. */
#define TOTAL_MAX INT64_C(9999999999999999)

static void count(struct books *b, uint32_t totals, enum total_kind kind, int64_t amount)
{
    struct book_totals *t = &b->totals[totals];
    t->count[kind]++;
    t->amount[kind] += amount;
    if (t->amount[kind] > TOTAL_MAX)
        t->amount[kind] = TOTAL_MAX;
    if (kind == TOTAL_SALES)
        t->last_sale = amount;
}

/* ---- posting ---- */

/* Above all amounts and tolerances; what a hold is captured for stays far from overflowing. */
#define CAPTURED_MAX INT64_C(1000000000000000)

struct posting {
    const struct exchange *x;
    uint32_t totals;
    uint32_t original; /* the entry DE 90 names; 0 none */
};

static const char *post_note(struct books *b, const struct posting *p);
static const char *post_hold(struct books *b, const struct posting *p);
static const char *post_sale(struct books *b, const struct posting *p);
static const char *post_capture(struct books *b, const struct posting *p);
static const char *post_refund(struct books *b, const struct posting *p);
static const char *post_reverse(struct books *b, const struct posting *p);
static const char *post_release(struct books *b, const struct posting *p);
static const char *post_unseen(struct books *b, const struct posting *p);
static const char *post_retry(struct books *b, const struct posting *p);

/* The effects that add an entry, or change one, and whether they need the original. */
static const struct {
    const char *(*post)(struct books *b, const struct posting *p);
    bool needs_original;
} posts[EFFECT_COUNT] = {
    [EFFECT_NONE] = { post_note, false },
    [EFFECT_HOLD] = { post_hold, false },
    [EFFECT_SALE] = { post_sale, false },
    [EFFECT_CAPTURE] = { post_capture, true },
    [EFFECT_REFUND] = { post_refund, false },
    [EFFECT_REVERSE] = { post_reverse, true },
    [EFFECT_RELEASE] = { post_release, true },
    [EFFECT_UNSEEN] = { post_unseen, false },
    [EFFECT_RETRY] = { post_retry, true },
};

static void count_try(struct book_entry *e)
{
    if (e->tries < UINT8_MAX)
        e->tries++;
}

static const char wrong_original[] = "the original is not of a kind that this can act on";

void books_prefetch(const struct books *b, const struct exchange *x)
{
    __builtin_prefetch(&b->by_key.slots[(uint32_t)x->key & b->by_key.mask]);
    __builtin_prefetch(&b->by_reference.slots[(uint32_t)x->reference_key & b->by_reference.mask]);
    if (x->original_key != 0)
        __builtin_prefetch(&b->by_key.slots[(uint32_t)x->original_key & b->by_key.mask]);
}

const char *books_post(struct books *b, const struct exchange *x)
{
    struct book_entry *known = NULL;
    switch (x->effect) {
    case EFFECT_SKIP:
        return NULL;
    case EFFECT_CUTOVER:
        b->cutover = x->day;
        return NULL;
    case EFFECT_REPEAT:
        known = books_find(b, x->key);
        if (known == NULL)
            return "a repeat of something unknown";
        count_try(known);
        return NULL;
    default:
        break;
    }
    assert(x->effect < EFFECT_COUNT && posts[x->effect].post != NULL);
    struct posting p = { .x = x };
    if (x->original_key != 0)
        p.original = number_of(b, &b->by_key, x->original_key);
    if (p.original == 0 && posts[x->effect].needs_original)
        return "the original is unknown";
    if (x->effect != EFFECT_RETRY && books_find(b, x->key) != NULL)
        return "the same message was booked before";
    p.totals = totals_for(b, x);
    if (p.totals == 0 || !entries_fit(b, 2))
        return "no room in the books";
    return posts[x->effect].post(b, &p);
}

static struct book_entry *add(struct books *b, const struct posting *p, enum entry_kind kind)
{
    struct book_entry *e = entry_add(b, p->x, p->x->key, kind, p->totals);
    e->parent = p->original;
    return e;
}

static const char *post_note(struct books *b, const struct posting *p)
{
    (void)add(b, p, ENTRY_NOTED);
    return NULL;
}

static const char *post_hold(struct books *b, const struct posting *p)
{
    add(b, p, ENTRY_HOLD)->authorized = p->x->kept;
    return NULL;
}

static const char *post_sale(struct books *b, const struct posting *p)
{
    struct book_entry *e = add(b, p, ENTRY_SALE);
    e->authorized = e->captured = p->x->kept;
    count(b, p->totals, TOTAL_SALES, p->x->kept);
    return NULL;
}

static const char *post_capture(struct books *b, const struct posting *p)
{
    struct book_entry *hold = entry_at(b, p->original);
    if (hold->kind != ENTRY_HOLD || hold->reversed || hold->captured > CAPTURED_MAX)
        return wrong_original;
    (void)add(b, p, ENTRY_CAPTURE);
    hold->captured += p->x->amount;
    count(b, p->totals, TOTAL_SALES, p->x->amount);
    return NULL;
}

static const char *post_refund(struct books *b, const struct posting *p)
{
    struct book_entry *root = NULL;
    if (p->original != 0) {
        root = books_root(b, entry_at(b, p->original));
        if (root == NULL || root->captured - root->refunded < p->x->amount)
            return wrong_original;
    }
    struct book_entry *e = add(b, p, ENTRY_REFUND);
    if (root != NULL)
        root->refunded += e->amount;
    count(b, p->totals, TOTAL_REFUNDS, e->amount);
    return NULL;
}

static const char *post_reverse(struct books *b, const struct posting *p)
{
    struct book_entry *o = entry_at(b, p->original), *root = books_root(b, o);
    if (o->reversed || o->kind < ENTRY_HOLD || o->kind > ENTRY_REFUND)
        return wrong_original;
    (void)add(b, p, ENTRY_REVERSAL);
    o->reversed = true;
    switch (o->kind) {
    case ENTRY_HOLD:
        o->authorized = 0;
        break;
    case ENTRY_SALE:
        count(b, p->totals, TOTAL_SALES_REVERSED, o->captured);
        o->authorized = o->captured = 0;
        break;
    case ENTRY_CAPTURE:
        root->captured -= o->amount;
        count(b, p->totals, TOTAL_SALES_REVERSED, o->amount);
        break;
    default:
        if (root != NULL)
            root->refunded -= o->amount;
        count(b, p->totals, TOTAL_REFUNDS_REVERSED, o->amount);
        break;
    }
    return NULL;
}

static const char *post_release(struct books *b, const struct posting *p)
{
    struct book_entry *o = entry_at(b, p->original);
    bool sale = o->kind == ENTRY_SALE;
    if ((o->kind != ENTRY_HOLD && !sale) || o->reversed || p->x->kept > o->authorized ||
        p->x->kept < (sale ? o->refunded : o->captured))
        return wrong_original;
    (void)add(b, p, ENTRY_REVERSAL);
    if (sale) {
        count(b, p->totals, TOTAL_SALES_REVERSED, o->captured - p->x->kept);
        o->captured = p->x->kept;
    }
    o->authorized = p->x->kept;
    return NULL;
}

static const char *post_unseen(struct books *b, const struct posting *p)
{
    struct posting reversal = *p;
    if (p->original == 0) {
        reversal.original = b->count;
        (void)entry_add(b, p->x, p->x->original_key, ENTRY_NEVER_SEEN, p->totals);
    }
    (void)add(b, &reversal, ENTRY_REVERSAL);
    return NULL;
}

static const char *post_retry(struct books *b, const struct posting *p)
{
    count_try(entry_at(b, p->original));
    return NULL;
}

/* ---- positions ---- */

/* What an entry adds under its own reference; what it did to an entry of the same reference is seen there. */
static void add_position(
    const struct books *b, struct book_entry *e, uint64_t reference, struct host_position *out)
{
    out->messages += e->kind == ENTRY_NEVER_SEEN ? 0u : 1u + e->tries;
    if (e->kind == ENTRY_HOLD || e->kind == ENTRY_SALE) {
        if (e->authorized > e->captured)
            out->held_minor += e->authorized - e->captured;
        out->captured_minor += e->captured;
        out->refunded_minor += e->refunded;
        return;
    }
    const struct book_entry *root = books_root(b, e);
    if (e->reversed || (root != NULL && root->reference == reference))
        return;
    if (e->kind == ENTRY_CAPTURE)
        out->captured_minor += e->amount;
    if (e->kind == ENTRY_REFUND)
        out->refunded_minor += e->amount;
}

bool books_position(const struct books *b, uint64_t reference_key, struct host_position *out)
{
    *out = (struct host_position) { 0 };
    uint32_t number = number_of(b, &b->by_reference, reference_key);
    if (number == 0)
        return false;
    for (; number != 0; number = entry_at(b, number)->sibling)
        add_position(b, entry_at(b, number), reference_key, out);
    return true;
}
