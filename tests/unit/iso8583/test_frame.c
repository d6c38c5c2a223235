/*
 * Framing: the headers, reads that end anywhere, and lengths that cannot be right.
 */
#include "helper.h"

static const char message[52] = "0800 a message of fifty-two bytes as the table says";

struct header_case {
    struct iso_frame_rule rule;
    const char *header; /* before the 52 bytes, in hexadecimal */
};

static const struct header_case headers[] = {
    { { .mode = ISO_FRAME_BIN2 }, "0034" },
    { { .mode = ISO_FRAME_BIN2, .inclusive = true }, "0036" },
    { { .mode = ISO_FRAME_BCD2 }, "0052" },
    { { .mode = ISO_FRAME_BCD2, .inclusive = true }, "0054" },
    { { .mode = ISO_FRAME_ASCII4 }, "30303532" },
    { { .mode = ISO_FRAME_ASCII4, .inclusive = true }, "30303536" },
    { { .mode = ISO_FRAME_BIN4 }, "00000034" },
    { { .mode = ISO_FRAME_BIN4, .inclusive = true }, "00000038" },
    { { .mode = ISO_FRAME_BIN2_RESERVED2 }, "00340000" },
    { { .mode = ISO_FRAME_BIN2_RESERVED2, .inclusive = true }, "00380000" },
    { { .mode = ISO_FRAME_BIN2, .tpdu = true }, "00396000000000" },
    { { .mode = ISO_FRAME_ASCII4, .inclusive = true, .tpdu = true }, "303036316000000000" },
};

static void headers_have_the_known_bytes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        uint8_t wanted[16];
        size_t size = from_hex(headers[i].header, wanted, sizeof wanted);
        struct buf out;
        buf_init(&out, 100);
        iso_frame_add(&headers[i].rule, &out, message, sizeof message);
        assert_false(out.full);
        assert_int_equal(out.n, size + sizeof message);
        assert_memory_equal(out.p, wanted, size);
        assert_memory_equal(out.p + size, message, sizeof message);
        buf_free(&out);
    }
}

static void every_cut_is_partial_until_the_message_is_whole(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(headers); i++) {
        const struct iso_frame_rule *rule = &headers[i].rule;
        struct buf out;
        buf_init(&out, 300);
        iso_frame_add(rule, &out, message, sizeof message);
        size_t one = out.n, used = 0;
        iso_frame_add(rule, &out, message, sizeof message);
        struct str got = STR_EMPTY;
        for (size_t n = 0; n < one; n++)
            assert_int_equal(
                iso_frame_next(rule, (struct str) { out.p, n }, &got, &used), ISO_FRAME_PARTIAL);
        for (int k = 0; k < 2; k++) {
            assert_int_equal(iso_frame_next(rule, buf_view(&out), &got, &used), ISO_FRAME_MESSAGE);
            assert_int_equal(used, one);
            assert_int_equal(got.n, sizeof message);
            assert_memory_equal(got.p, message, sizeof message);
            buf_consume(&out, used);
        }
        assert_int_equal(out.n, 0);
        buf_free(&out);
    }
}

static enum iso_frame_result look(struct iso_frame_rule rule, const char *hex, size_t *used)
{
    uint8_t bytes[64];
    size_t n = from_hex(hex, bytes, sizeof bytes);
    struct str got;
    return iso_frame_next(&rule, (struct str) { (const char *)bytes, n }, &got, used);
}

static void a_zero_length_is_a_keep_alive(void **state)
{
    (void)state;
    static const struct header_case zero[] = {
        { { .mode = ISO_FRAME_BIN2 }, "0000" },
        { { .mode = ISO_FRAME_BIN2, .inclusive = true }, "0000" },
        { { .mode = ISO_FRAME_BIN2, .inclusive = true }, "0002" },
        { { .mode = ISO_FRAME_BCD2 }, "0000" },
        { { .mode = ISO_FRAME_ASCII4 }, "30303030" },
        { { .mode = ISO_FRAME_ASCII4, .inclusive = true }, "30303034" },
        { { .mode = ISO_FRAME_BIN4 }, "00000000" },
        { { .mode = ISO_FRAME_BIN2_RESERVED2 }, "00000100" },
        { { .mode = ISO_FRAME_BIN2, .tpdu = true }, "0000" },
    };
    for (size_t i = 0; i < COUNT(zero); i++) {
        size_t used = 0;
        assert_int_equal(look(zero[i].rule, zero[i].header, &used), ISO_FRAME_KEEPALIVE);
        assert_int_equal(used, strlen(zero[i].header) / 2);
    }
}

static void an_impossible_length_breaks_the_stream_at_once(void **state)
{
    (void)state;
    static const struct header_case broken[] = {
        { { .mode = ISO_FRAME_BIN2 }, "000B" },
        { { .mode = ISO_FRAME_BIN2 }, "0001" },
        { { .mode = ISO_FRAME_BIN2 }, "1001" },
        { { .mode = ISO_FRAME_BIN2 }, "FFFF" },
        { { .mode = ISO_FRAME_BIN2, .inclusive = true }, "0001" },
        { { .mode = ISO_FRAME_BIN2, .inclusive = true }, "000D" },
        { { .mode = ISO_FRAME_BIN2, .inclusive = true }, "1003" },
        { { .mode = ISO_FRAME_BCD2 }, "4097" },
        { { .mode = ISO_FRAME_BCD2 }, "005A" },
        { { .mode = ISO_FRAME_BCD2 }, "A052" },
        { { .mode = ISO_FRAME_ASCII4 }, "2B303532" },
        { { .mode = ISO_FRAME_ASCII4 }, "34303937" },
        { { .mode = ISO_FRAME_ASCII4 }, "3030353A" },
        { { .mode = ISO_FRAME_BIN4 }, "01000034" },
        { { .mode = ISO_FRAME_BIN4 }, "FFFFFFFF" },
        { { .mode = ISO_FRAME_BIN2_RESERVED2 }, "10010000" },
        { { .mode = ISO_FRAME_BIN2, .tpdu = true }, "0010" },
        { { .mode = ISO_FRAME_BIN2, .tpdu = true }, "003930" },
    };
    for (size_t i = 0; i < COUNT(broken); i++) {
        size_t used = 0;
        assert_int_equal(look(broken[i].rule, broken[i].header, &used), ISO_FRAME_BROKEN);
    }
    size_t used = 0;
    assert_int_equal(
        look((struct iso_frame_rule) { .mode = ISO_FRAME_BIN2 }, "1000", &used), ISO_FRAME_PARTIAL);
    assert_int_equal(
        look((struct iso_frame_rule) { .mode = ISO_FRAME_BIN2 }, "000C", &used), ISO_FRAME_PARTIAL);
}

static void a_full_buffer_takes_no_part_of_a_frame(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, sizeof message + 1);
    iso_frame_add(&headers[0].rule, &out, message, sizeof message);
    assert_true(out.full);
    assert_int_equal(out.n, 0);
    buf_free(&out);
}

static void the_largest_message_fits_every_header(void **state)
{
    (void)state;
    static char large[ISO_MAX_FRAME];
    for (size_t i = 0; i < COUNT(headers); i++) {
        struct buf out;
        struct str got;
        size_t used = 0;
        buf_init(&out, sizeof large + 16);
        iso_frame_add(&headers[i].rule, &out, large, sizeof large);
        assert_int_equal(
            iso_frame_next(&headers[i].rule, buf_view(&out), &got, &used), ISO_FRAME_MESSAGE);
        assert_int_equal(got.n, sizeof large);
        assert_int_equal(used, out.n);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(headers_have_the_known_bytes),
        cmocka_unit_test(every_cut_is_partial_until_the_message_is_whole),
        cmocka_unit_test(a_zero_length_is_a_keep_alive),
        cmocka_unit_test(an_impossible_length_breaks_the_stream_at_once),
        cmocka_unit_test(a_full_buffer_takes_no_part_of_a_frame),
        cmocka_unit_test(the_largest_message_fits_every_header),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
