/*
 * For the targets of faces: a request as the server would hand it over, and what the engine takes
 * for granted of every command, whichever face made it.
 */
#ifndef TURNPIKE_TEST_FUZZ_FACE_H
#define TURNPIKE_TEST_FUZZ_FACE_H

#include "base/money.h"
#include "engine/command.h"
#include "http/http.h"
#include "http/json.h"
#include "http/text.h"

#include <assert.h>
#include <string.h>

/* As src/http/request.c makes them for the default limits. */
enum { FACE_BODY_MAX = 64 * 1024, FACE_ARENA_MAX = 256 * 1024 + 16 * 1024 + 4 * FACE_BODY_MAX };

struct face_bench {
    struct arena arena, reading;
    struct http_request request;
};

static inline void face_init(struct face_bench *f)
{
    arena_init(&f->arena, FACE_ARENA_MAX);
    arena_init(&f->reading, 16 << 20);
    buf_init(&f->request.response.body, 4 << 20);
}

static inline struct http_request *face_request(
    struct face_bench *f, struct str content_type, struct str body)
{
    if (body.n > FACE_BODY_MAX)
        body.n = FACE_BODY_MAX;
    struct buf kept = f->request.response.body;
    f->request = (struct http_request) { .method = HTTP_POST,
        .content_type = content_type,
        .body = body,
        .client_ip = "192.0.2.7",
        .id = "0123456789ABCDEF",
        .arena = &f->arena };
    f->request.response.status = 200;
    f->request.response.body = kept;
    return &f->request;
}

static inline void face_done(struct face_bench *f)
{
    arena_reset(&f->arena);
    arena_reset(&f->reading);
    buf_reset(&f->request.response.body);
}

/* What was answered, which must be one JSON object. */
static inline json_t *face_answer(struct face_bench *f)
{
    char why[160];
    assert(!f->request.response.body.full);
    json_t *answer =
        json_read_into(&f->reading, buf_view(&f->request.response.body), why, sizeof why);
    assert(json_is_object(answer));
    return answer;
}

/* ---- what every command is ---- */

/* Luhn's check, written a second time: the face's own is under test. */
static inline bool face_luhn(const char *digits, size_t n)
{
    static const unsigned char doubled[] = { 0, 2, 4, 6, 8, 1, 3, 5, 7, 9 };
    unsigned sum = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned digit = (unsigned)(digits[n - 1 - i] - '0');
        sum += i % 2 == 1 ? doubled[digit] : digit;
    }
    return sum % 10 == 0;
}

/* A whole card: number and expiry. */
static inline void face_check_card(const struct card_input *card)
{
    size_t n = strnlen(card->pan, sizeof card->pan);
    assert(n >= 13 && n <= 19 && n < sizeof card->pan);
    assert(str_is_digits((struct str) { card->pan, n }) && face_luhn(card->pan, n));
    assert(card->expiry_yymm % 100 >= 1 && card->expiry_yymm % 100 <= 12);
    assert(card->expiry_yymm <= 9912);
}

static inline void face_check_cvv(const struct card_input *card)
{
    size_t n = strnlen(card->cvv, sizeof card->cvv);
    assert(n == 0 || n == 3 || n == 4);
    assert(n == 0 || str_is_digits((struct str) { card->cvv, n }));
}

/* Nothing at all is the engine's to refuse; less than nothing must not reach it. */
static inline void face_check_money(const struct command *c, bool has_amount)
{
    assert(has_amount == (c->currency != NULL));
    assert(c->amount_minor >= 0 && c->amount_minor <= MONEY_MAX_MINOR);
    assert(has_amount || c->amount_minor == 0);
}

/* A flat object of texts, or nothing; no member of it is of the card. */
static inline void face_check_facts(struct str facts)
{
    static const char *const never[] = { "card_number", "cvv", "token", "merchant_password" };
    struct arena a;
    char why[160];
    if (facts.n == 0)
        return;
    arena_init(&a, 16 << 20);
    json_t *object = json_read_into(&a, facts, why, sizeof why);
    assert(json_is_object(object) && facts.p[facts.n] == '\0');
    const char *name;
    json_t *member;
    json_object_foreach(object, name, member) assert(json_is_string(member));
    for (size_t i = 0; i < COUNT(never); i++)
        assert(json_object_get(object, never[i]) == NULL);
    arena_free(&a);
}

#endif
