/*
 * The book of merchants: found by login, key and id; a snapshot stays as it was for who holds it.
 */
#include "world.h"

#include <pthread.h>
#include <stdatomic.h>

static struct merchant_row row_of(const char *login, enum face face)
{
    struct merchant_row m = { .face = face,
        .name = "SHOP",
        .city = "RIGA",
        .country = "LV",
        .mcc = "5732",
        .mid = "MERCHANT0000009",
        .tid = "TERM0009",
        .active = true };
    assert_true(str_copy(m.login, sizeof m.login, str_of(login)));
    return m;
}

static void put(struct world *w, struct merchant_row *m)
{
    assert_int_equal(store_put_merchant(w->real, m), STORE_OK);
}

static void load(struct world *w, bool force)
{
    assert_int_equal(merchant_book_load(w->book, w->reader, force), STORE_OK);
}

static void an_empty_book_knows_nobody(void **state)
{
    (void)state;
    struct merchant_book *b = merchant_book_new();
    assert_non_null(b);
    assert_null(merchant_by_login(b, FACE_GENOME, STR("shop")));
    assert_null(merchant_by_public_key(b, FACE_GENOME, STR("key")));
    assert_null(merchant_by_id(b, 1));
    merchant_book_free(b);
    merchant_book_free(NULL);
}

static void a_merchant_is_found_by_face_and_login_by_face_and_key_and_by_id(void **state)
{
    struct world *w = world_of(state);
    struct merchant_row a = row_of("one", FACE_GENOME), b = row_of("one", FACE_RBS);
    (void)str_copy(a.public_key, sizeof a.public_key, STR("pk-a"));
    put(w, &a);
    put(w, &b);
    load(w, false);
    const struct merchant *m = merchant_by_login(w->book, FACE_GENOME, STR("one"));
    assert_int_equal(m->row.id, a.id);
    merchant_release(w->book, m);
    m = merchant_by_login(w->book, FACE_RBS, STR("one"));
    assert_int_equal(m->row.id, b.id);
    merchant_release(w->book, m);
    m = merchant_by_public_key(w->book, FACE_GENOME, STR("pk-a"));
    assert_int_equal(m->row.id, a.id);
    merchant_release(w->book, m);
    m = merchant_by_id(w->book, b.id);
    assert_int_equal(m->row.face, FACE_RBS);
    assert_string_equal(m->row.mid, "MERCHANT0000009");
    merchant_release(w->book, m);
}

static void who_is_not_in_the_book_is_not_found(void **state)
{
    struct world *w = world_of(state);
    assert_null(merchant_by_login(w->book, FACE_BISYS, STR("shop")));
    assert_null(merchant_by_login(w->book, FACE_GENOME, STR("sho")));
    assert_null(merchant_by_login(w->book, FACE_GENOME, STR("shop2")));
    assert_null(merchant_by_login(w->book, FACE_GENOME, STR("Shop")));
    assert_null(merchant_by_login(w->book, FACE_GENOME, STR_EMPTY));
    assert_null(merchant_by_public_key(w->book, FACE_GENOME, STR("pk")));
    assert_null(merchant_by_id(w->book, 0));
    assert_null(merchant_by_id(w->book, 3));
    assert_null(merchant_by_id(w->book, -1));
}

static void an_empty_key_finds_nobody_although_most_have_none(void **state)
{
    struct world *w = world_of(state);
    assert_null(merchant_by_public_key(w->book, FACE_GENOME, STR_EMPTY));
    assert_null(merchant_by_public_key(w->book, FACE_GENOME, STR("")));
}

static void every_one_of_many_is_found(void **state)
{
    enum { MANY = 300 };
    struct world *w = world_of(state);
    int64_t ids[MANY];
    for (int i = 0; i < MANY; i++) {
        struct merchant_row m = row_of("", i % 2 == 0 ? FACE_GENOME : FACE_OPTATUM);
        (void)snprintf(m.login, sizeof m.login, "login-%d", i * 7919 % MANY);
        (void)snprintf(m.public_key, sizeof m.public_key, "key-%d", i);
        put(w, &m);
        ids[i] = m.id;
    }
    load(w, false);
    for (int i = 0; i < MANY; i++) {
        char login[32], key[32];
        enum face face = i % 2 == 0 ? FACE_GENOME : FACE_OPTATUM;
        (void)snprintf(login, sizeof login, "login-%d", i * 7919 % MANY);
        (void)snprintf(key, sizeof key, "key-%d", i);
        const struct merchant *found[] = { merchant_by_login(w->book, face, str_of(login)),
            merchant_by_public_key(w->book, face, str_of(key)), merchant_by_id(w->book, ids[i]) };
        for (size_t k = 0; k < COUNT(found); k++) {
            assert_non_null(found[k]);
            assert_int_equal(found[k]->row.id, ids[i]);
            merchant_release(w->book, found[k]);
        }
    }
}

static void limits_come_with_the_merchant(void **state)
{
    struct world *w = world_of(state);
    shop_limits(w, "{\"window_days\":3,\"currencies\":[\"USD\"]}");
    assert_int_equal(w->shop->limits.window_days, 3);
    assert_int_equal(w->shop->limits.n_currencies, 1);
    assert_true(w->shop->row.active);
}

static void a_merchant_whose_limits_cannot_be_read_is_switched_off(void **state)
{
    struct world *w = world_of(state);
    shop_limits(w, "{\"window_days\":\"a week\"}");
    assert_false(w->shop->row.active);
    shop_limits(w, "{\"window_days\":7}");
    assert_true(w->shop->row.active);
}

static void a_snapshot_that_is_held_stays_as_it_was(void **state)
{
    struct world *w = world_of(state);
    const struct merchant *before = merchant_by_login(w->book, FACE_GENOME, STR("shop"));
    shop_limits(w, "{\"window_days\":2}");
    assert_int_equal(before->limits.window_days, 7);
    assert_string_equal(before->row.login, "shop");
    const struct merchant *after = merchant_by_login(w->book, FACE_GENOME, STR("shop"));
    assert_int_equal(after->limits.window_days, 2);
    merchant_release(w->book, before);
    merchant_release(w->book, after);
}

static void the_book_is_read_again_only_when_the_version_has_changed_or_by_force(void **state)
{
    struct world *w = world_of(state);
    load(w, false);
    const struct merchant *a = merchant_by_id(w->book, 1);
    load(w, false);
    const struct merchant *b = merchant_by_id(w->book, 1);
    assert_ptr_equal(a, b);
    load(w, true);
    const struct merchant *c = merchant_by_id(w->book, 1);
    assert_ptr_not_equal(a, c);
    merchant_release(w->book, a);
    merchant_release(w->book, b);
    merchant_release(w->book, c);
}

static void a_book_that_cannot_be_read_stays_as_it_is(void **state)
{
    struct world *w = world_of(state);
    w->weak.setting_says = STORE_FAILED;
    assert_int_equal(merchant_book_load(w->book, &w->weak.base, true), STORE_FAILED);
    w->weak.setting_says = STORE_OK;
    w->weak.list_says = STORE_FAILED;
    assert_int_equal(merchant_book_load(w->book, &w->weak.base, true), STORE_FAILED);
    w->weak.list_says = STORE_OK;
    const struct merchant *m = merchant_by_login(w->book, FACE_GENOME, STR("shop"));
    assert_non_null(m);
    merchant_release(w->book, m);
}

struct reading {
    struct merchant_book *book;
    _Atomic bool stop;
    _Atomic int looked, wrong;
};

static void *look_up(void *arg)
{
    struct reading *r = arg;
    while (!atomic_load(&r->stop)) {
        const struct merchant *m = merchant_by_login(r->book, FACE_GENOME, STR("shop"));
        bool right = m != NULL && strcmp(m->row.login, "shop") == 0 && m->limits.window_days >= 1;
        (void)atomic_fetch_add(right ? &r->looked : &r->wrong, 1);
        if (m != NULL)
            merchant_release(r->book, m);
    }
    return NULL;
}

static void readers_look_up_while_the_book_is_read_anew(void **state)
{
    struct world *w = world_of(state);
    struct reading r = { .book = w->book };
    pthread_t threads[2];
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look_up, &r), 0);
    for (int i = 0; i < 200 || atomic_load(&r.looked) < 1000; i++)
        load(w, true);
    atomic_store(&r.stop, true);
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(atomic_load(&r.wrong), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_book_knows_nobody),
        IN_WORLD(a_merchant_is_found_by_face_and_login_by_face_and_key_and_by_id),
        IN_WORLD(who_is_not_in_the_book_is_not_found),
        IN_WORLD(an_empty_key_finds_nobody_although_most_have_none),
        IN_WORLD(every_one_of_many_is_found),
        IN_WORLD(limits_come_with_the_merchant),
        IN_WORLD(a_merchant_whose_limits_cannot_be_read_is_switched_off),
        IN_WORLD(a_snapshot_that_is_held_stays_as_it_was),
        IN_WORLD(the_book_is_read_again_only_when_the_version_has_changed_or_by_force),
        IN_WORLD(a_book_that_cannot_be_read_stays_as_it_is),
        IN_WORLD(readers_look_up_while_the_book_is_read_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
