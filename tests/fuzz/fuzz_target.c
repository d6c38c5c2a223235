/*
 * The target of a request line: a path that is taken is valid text without control characters, and
 * escaped again it is the same path.
 */
#include "fuzz.h"
#include "http/route.h"
#include "http/text.h"

static struct arena arena;
static struct buf escaped;

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    fuzz_quiet();
    arena_init(&arena, 4 << 20);
    buf_init(&escaped, 1 << 20);
    return 0;
}

static void check_path(struct str path)
{
    struct str same, query;
    assert(text_is_valid(path) && !text_has_control(path) && path.p[path.n] == '\0');
    buf_reset(&escaped);
    for (size_t i = 0; i < path.n; i++) {
        char digits[2];
        hex_lower(path.p + i, 1, digits);
        buf_byte(&escaped, '%');
        buf_add(&escaped, digits, sizeof digits);
    }
    buf_str(&escaped, STR("?a"));
    assert(!escaped.full);
    assert(route_split_target(buf_view(&escaped), &arena, &same, &query));
    assert(str_eq(path, same) && str_eq(query, STR("a")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct str target = { (const char *)data, size }, path, query;
    if (route_split_target(target, &arena, &path, &query)) {
        check_path(path);
        assert(query.n <= target.n && !text_has_control(target));
        assert(query.n == 0 || query.p + query.n == target.p + target.n);
    } else {
        assert(
            text_has_control(target) || str_find(target, '%') < target.n || !text_is_valid(target));
    }
    arena_reset(&arena);
    return 0;
}
