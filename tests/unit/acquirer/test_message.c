/*
 * What goes on the wire for each kind of operation, against the field lists of the golden messages
 * (spec/iso8583.md §14.1).
 */
#include "acquirer/ascii.h"
#include "acquirer/message.h"
#include "peer.h"

/* The operations of the golden messages, as the engine would ask for them. */
static struct acquirer_message completion(const struct merchant_row *merchant)
{
    return (struct acquirer_message) { .operation = { 1, 111 },
        .kind = OPK_CAPTURE,
        .pan = VISA,
        .expiry_yymm = 2812,
        .amount_minor = 10000,
        .currency = 933,
        .stan = 111,
        .sent_ms = TEN_PM + 3660000,
        .local_ms = TEN_PM + 70000 + THREE_HOURS,
        .rrn = "632522000101",
        .authcode = "A1B2C3",
        .network_id = "306326790123456",
        .original_kind = OPK_AUTHORIZE,
        .original = { "0100", 101, TEN_PM + 70000 },
        .entry = ENTRY_ECOMMERCE,
        .merchant = merchant,
        .reference = "ORDER-000101" };
}

static struct acquirer_message reversal(const struct merchant_row *merchant)
{
    return (struct acquirer_message) { .operation = { 1, 103 },
        .kind = OPK_REVERSAL,
        .pan = MASTERCARD,
        .expiry_yymm = 2910,
        .amount_minor = 99900,
        .currency = 933,
        .stan = 103,
        .sent_ms = TEN_PM + 180000,
        .local_ms = TEN_PM + 150000 + THREE_HOURS,
        .rrn = "632522000102",
        .reason = "68",
        .original_kind = OPK_SALE,
        .original = { "0200", 102, TEN_PM + 150000 },
        .entry = ENTRY_ECOMMERCE,
        .merchant = merchant,
        .reference = "ORDER-000102" };
}

static struct acquirer_message release(const struct merchant_row *merchant)
{
    struct acquirer_message a = completion(merchant);
    a.kind = OPK_RELEASE;
    a.amount_minor = 12345;
    a.kept_minor = 10000;
    a.stan = 120;
    a.sent_ms = TEN_PM + 5400000;
    memcpy(a.reason, "32", 3);
    a.network_id[0] = '\0';
    return a;
}

static struct acquirer_message refund(const struct merchant_row *merchant)
{
    return (struct acquirer_message) { .operation = { 1, 110 },
        .kind = OPK_REFUND,
        .pan = MASTERCARD,
        .expiry_yymm = 2910,
        .amount_minor = 50000,
        .currency = 933,
        .stan = 110,
        .sent_ms = TEN_PM + 3600000,
        .local_ms = TEN_PM + 3600000 + THREE_HOURS,
        .rrn = "632523000110",
        .original_kind = OPK_REFUND,
        .entry = ENTRY_ECOMMERCE,
        .merchant = merchant,
        .reference = "REFUND-000110" };
}

static struct acquirer_message card_check(const struct merchant_row *merchant)
{
    return (struct acquirer_message) { .operation = { 1, 130 },
        .kind = OPK_AUTHORIZE,
        .pan = "2200000000000004",
        .cvv = "456",
        .expiry_yymm = 3001,
        .currency = 933,
        .stan = 130,
        .sent_ms = TEN_PM + 240000,
        .local_ms = TEN_PM + 240000 + THREE_HOURS,
        .rrn = "632522000130",
        .original_kind = OPK_AUTHORIZE,
        .entry = ENTRY_ECOMMERCE,
        .merchant = merchant,
        .reference = "VERIFY-000130" };
}

static struct acquirer_message recurring(const struct merchant_row *merchant)
{
    struct acquirer_message a = card_check(merchant);
    a.pan = VISA;
    a.cvv = "";
    a.expiry_yymm = 2812;
    a.amount_minor = 1999;
    a.stan = 140;
    a.sent_ms = TEN_PM + 300000;
    a.local_ms = a.sent_ms + THREE_HOURS;
    a.entry = ENTRY_STORED;
    memcpy(a.rrn, "632522000140", 13);
    memcpy(a.network_id, "306326790123456", 16);
    memcpy(a.reference, "SUB-000140", 11);
    return a;
}

/* Builds a and compares it, packed, with the message of exactly these fields. */
static void assert_wire(const struct acquirer_message *a, uint16_t country, bool by_advice,
    const char *mti, const struct value *values, size_t n_values)
{
    struct link_config config = plain_config();
    config.acquirer_country = country;
    config.reversal_advice = by_advice;
    struct iso_message m, wanted;
    struct message_text text;
    assert_true(message_build(&m, &text, &config, a));
    iso_init(&wanted, mti);
    for (size_t i = 0; i < n_values; i++)
        iso_set(&wanted, values[i].de, str_of(values[i].text));
    for (enum iso_profile profile = ISO_PROFILE_A; profile <= ISO_PROFILE_B; profile++) {
        uint8_t left[ISO_MAX_FRAME], right[ISO_MAX_FRAME];
        size_t n_left, n_right;
        assert_int_equal(iso_pack(&m, profile, left, sizeof left, &n_left), ISO_OK);
        assert_int_equal(iso_pack(&wanted, profile, right, sizeof right, &n_right), ISO_OK);
        assert_int_equal(n_left, n_right);
        assert_memory_equal(left, right, n_left);
    }
}

#define EXAMPLE_SHOP "EXAMPLE SHOP             MINSK        BY"

static const struct value completion_fields[] = { { 2, VISA }, { 3, "000000" },
    { 4, "000000010000" }, { 7, "1121230100" }, { 11, "000111" }, { 12, "010110" }, { 13, "1122" },
    { 14, "2812" }, { 18, "5732" }, { 22, "812" }, { 25, "59" }, { 32, "12345678901" },
    { 37, "632522000101" }, { 38, "A1B2C3" }, { 41, "TERM0001" }, { 42, "MERCHANT0000001" },
    { 43, EXAMPLE_SHOP }, { 49, "933" }, { 62, "306326790123456" }, { 63, "ORDER-000101" },
    { 90, "010000010111212201101234567890100000000000" } };

static const struct value reversal_fields[] = { { 2, MASTERCARD }, { 3, "000000" },
    { 4, "000000099900" }, { 7, "1121220300" }, { 11, "000103" }, { 12, "010230" }, { 13, "1122" },
    { 14, "2910" }, { 18, "5732" }, { 22, "812" }, { 25, "59" }, { 32, "12345678901" },
    { 37, "632522000102" }, { 39, "68" }, { 41, "TERM0001" }, { 42, "MERCHANT0000001" },
    { 43, EXAMPLE_SHOP }, { 49, "933" }, { 63, "ORDER-000102" },
    { 90, "020000010211212202301234567890100000000000" } };

static void a_capture_is_golden_message_C1(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = completion(&merchant);
    assert_wire(&a, 112, false, "0220", completion_fields, COUNT(completion_fields));
}

static void a_repeated_capture_is_golden_message_C2(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = completion(&merchant);
    a.repeat = true;
    assert_wire(&a, 112, false, "0221", completion_fields, COUNT(completion_fields));
}

static void a_reversal_and_its_repeat_are_golden_messages_R1_and_R2(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = reversal(&merchant);
    assert_wire(&a, 112, false, "0400", reversal_fields, COUNT(reversal_fields));
    a.repeat = true;
    assert_wire(&a, 112, false, "0401", reversal_fields, COUNT(reversal_fields));
}

static void a_reversal_by_advice_is_golden_message_R4_and_its_repeat_R5(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = reversal(&merchant);
    a.stan = 104;
    a.sent_ms = TEN_PM + 210000;
    struct value fields[COUNT(reversal_fields)];
    memcpy(fields, reversal_fields, sizeof fields);
    fields[3].text = "1121220330";
    fields[4].text = "000104";
    assert_wire(&a, 112, true, "0420", fields, COUNT(fields));
    a.repeat = true;
    assert_wire(&a, 112, true, "0421", fields, COUNT(fields));
}

static void a_reversal_can_take_the_STAN_of_its_original(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = reversal(&merchant);
    struct link_config config = plain_config();
    config.reversal_same_stan = true;
    struct iso_message m;
    struct message_text text;
    assert_true(message_build(&m, &text, &config, &a));
    assert_true(str_eq(iso_get(&m, 11), STR("000102")));
    a = completion(&merchant);
    assert_true(message_build(&m, &text, &config, &a));
    assert_true(str_eq(iso_get(&m, 11), STR("000111"))); /* a completion is no reversal */
}

static void a_release_is_golden_message_R7(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = release(&merchant);
    static const struct value fields[] = { { 2, VISA }, { 3, "000000" }, { 4, "000000012345" },
        { 7, "1121233000" }, { 11, "000120" }, { 12, "010110" }, { 13, "1122" }, { 14, "2812" },
        { 18, "5732" }, { 22, "812" }, { 25, "59" }, { 32, "12345678901" }, { 37, "632522000101" },
        { 38, "A1B2C3" }, { 39, "32" }, { 41, "TERM0001" }, { 42, "MERCHANT0000001" },
        { 43, EXAMPLE_SHOP }, { 49, "933" }, { 63, "ORDER-000101" },
        { 90, "010000010111212201101234567890100000000000" },
        { 95, "000000010000000000000000D00000000D00000000" } };
    assert_wire(&a, 112, false, "0420", fields, COUNT(fields));
    a.reason[0] = '\0'; /* the kind has its own */
    assert_wire(&a, 112, false, "0420", fields, COUNT(fields));
}

static void a_void_is_a_reversal_advice_for_reason_17(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = reversal(&merchant);
    a.kind = OPK_VOID;
    a.reason[0] = '\0';
    struct value fields[COUNT(reversal_fields)];
    memcpy(fields, reversal_fields, sizeof fields);
    fields[13].text = "17";
    assert_wire(&a, 112, false, "0420", fields, COUNT(fields));
    a.repeat = true;
    assert_wire(&a, 112, false, "0421", fields, COUNT(fields));
}

static void a_refund_is_golden_message_F3_and_names_the_sale_when_it_is_known(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = refund(&merchant);
    static const struct value fields[] = { { 2, MASTERCARD }, { 3, "200000" },
        { 4, "000000050000" }, { 7, "1121230000" }, { 11, "000110" }, { 12, "020000" },
        { 13, "1122" }, { 14, "2910" }, { 18, "5732" }, { 22, "812" }, { 25, "59" },
        { 32, "12345678901" }, { 37, "632523000110" }, { 41, "TERM0001" },
        { 42, "MERCHANT0000001" }, { 43, EXAMPLE_SHOP }, { 49, "933" }, { 63, "REFUND-000110" },
        { 90, "020000010211212202301234567890100000000000" } };
    assert_wire(&a, 0, false, "0200", fields, COUNT(fields) - 1);
    a.original = (struct original) { "0200", 102, TEN_PM + 150000 };
    assert_wire(&a, 0, false, "0200", fields, COUNT(fields));
}

static void the_reversal_of_a_refund_has_the_processing_code_of_a_refund(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = reversal(&merchant);
    a.original_kind = OPK_REFUND;
    struct value fields[COUNT(reversal_fields)];
    memcpy(fields, reversal_fields, sizeof fields);
    fields[1].text = "200000";
    assert_wire(&a, 112, false, "0400", fields, COUNT(fields));
}

static void a_sale_has_the_shape_of_golden_message_F1_without_a_cryptogram(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = a_sale(&merchant, 102);
    static const struct value fields[] = { { 2, MASTERCARD }, { 3, "000000" },
        { 4, "000000099900" }, { 7, "1121220230" }, { 11, "000102" }, { 12, "010230" },
        { 13, "1122" }, { 14, "2910" }, { 18, "5732" }, { 19, "112" }, { 22, "812" }, { 25, "59" },
        { 32, "12345678901" }, { 37, "632522000102" }, { 41, "TERM0001" },
        { 42, "MERCHANT0000001" }, { 43, EXAMPLE_SHOP }, { 48, "T420701032109203321" },
        { 49, "933" }, { 60, "00NC" }, { 63, "ORDER-000102" } };
    assert_wire(&a, 112, false, "0200", fields, COUNT(fields));
}

static void a_card_check_is_golden_message_V1(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = card_check(&merchant);
    static const struct value fields[] = { { 2, "2200000000000004" }, { 3, "000000" },
        { 4, "000000000000" }, { 7, "1121220400" }, { 11, "000130" }, { 12, "010400" },
        { 13, "1122" }, { 14, "3001" }, { 18, "5732" }, { 22, "812" }, { 25, "51" },
        { 32, "12345678901" }, { 37, "632522000130" }, { 41, "TERM0001" },
        { 42, "MERCHANT0000001" }, { 43, EXAMPLE_SHOP }, { 48, "T420701032109203456" },
        { 49, "933" }, { 60, "00NC" }, { 63, "VERIFY-000130" } };
    assert_wire(&a, 0, false, "0100", fields, COUNT(fields));
}

static void a_recurring_payment_is_golden_message_M1(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = recurring(&merchant);
    static const struct value fields[] = { { 2, VISA }, { 3, "000000" }, { 4, "000000001999" },
        { 7, "1121220500" }, { 11, "000140" }, { 12, "010500" }, { 13, "1122" }, { 14, "2812" },
        { 18, "5732" }, { 22, "102" }, { 25, "59" }, { 32, "12345678901" }, { 37, "632522000140" },
        { 41, "TERM0001" }, { 42, "MERCHANT0000001" }, { 43, EXAMPLE_SHOP }, { 48, "T" },
        { 49, "933" }, { 60, "07RM" }, { 62, "306326790123456" }, { 63, "SUB-000140" } };
    assert_wire(&a, 0, false, "0100", fields, COUNT(fields));
}

static void how_the_card_was_given_shows_in_22_25_48_and_60(void **state)
{
    (void)state;
    static const struct {
        uint8_t entry;
        const char *pan, *cvv, *network_id, *de22, *de25, *de48, *de60;
    } cases[] = {
        { ENTRY_ECOMMERCE, VISA, "", "", "812", "59", "T42070103210", "07NC" },
        { ENTRY_ECOMMERCE, "378282246310005", "1234", "", "812", "59", "T4207010321092041234",
            "07NC" },
        { ENTRY_MOTO, MASTERCARD, "123", "", "012", "08", "T9203123", "00NC" },
        { ENTRY_MOTO, VISA, "", "", "012", "08", "T", "07NC" },
        { ENTRY_STORED, VISA, "", "", "102", "59", "T", "07UM" },
        { ENTRY_STORED, MASTERCARD, "", "MCC1A2B3C1122", "102", "59", "T", "00RM" },
        { ENTRY_STORED, VISA, "123", "", "102", "59", "T9203123", "07UC" },
    };
    struct merchant_row merchant = shop();
    struct link_config config = plain_config();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct acquirer_message a = a_sale(&merchant, 102);
        a.entry = cases[i].entry;
        a.pan = cases[i].pan;
        a.cvv = cases[i].cvv;
        assert_true(str_copy(a.network_id, sizeof a.network_id, str_of(cases[i].network_id)));
        struct iso_message m;
        struct message_text text;
        assert_true(message_build(&m, &text, &config, &a));
        assert_true(str_eq(iso_get(&m, 22), str_of(cases[i].de22)));
        assert_true(str_eq(iso_get(&m, 25), str_of(cases[i].de25)));
        assert_true(str_eq(iso_get(&m, 48), str_of(cases[i].de48)));
        assert_true(str_eq(iso_get(&m, 60), str_of(cases[i].de60)));
        assert_int_equal(iso_has(&m, 62), cases[i].network_id[0] != '\0');
    }
}

static void a_forwarding_institution_is_named_in_33_and_90(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    struct acquirer_message a = reversal(&merchant);
    struct link_config config = plain_config();
    memcpy(config.acquirer_id, "777", 4);
    memcpy(config.forwarder_id, "4242", 5);
    struct iso_message m;
    struct message_text text;
    assert_true(message_build(&m, &text, &config, &a));
    assert_true(str_eq(iso_get(&m, 32), STR("777")));
    assert_true(str_eq(iso_get(&m, 33), STR("4242")));
    assert_true(str_eq(iso_get(&m, 90), STR("020000010211212202300000000077700000004242")));
}

static void a_missing_or_impossible_value_makes_no_message(void **state)
{
    (void)state;
    struct link_config config = plain_config();
    for (int i = 0; i < 7; i++) {
        struct merchant_row merchant = shop();
        struct acquirer_message a = a_sale(&merchant, 102);
        int de = 0;
        switch (i) {
        case 0:
            a.pan = "";
            de = 2;
            break;
        case 1:
            a.amount_minor = -1;
            de = 4;
            break;
        case 2:
            a.amount_minor = INT64_C(1000000000000);
            de = 4;
            break;
        case 3:
            a.stan = 1000000;
            de = 11;
            break;
        case 4:
            merchant.tid[0] = '\0';
            de = 41;
            break;
        case 5:
            a.cvv = "12345";
            de = 48;
            break;
        default:
            a.entry = 9;
            de = 22;
            break;
        }
        struct iso_message m;
        struct message_text text;
        assert_false(message_build(&m, &text, &config, &a));
        assert_int_equal(m.bad_de, de);
    }
}

static void assert_folds(const char *from, const char *to)
{
    char out[64];
    size_t n = ascii_fold(str_of(from), out, sizeof out);
    assert_true(str_eq((struct str) { out, n }, str_of(to)));
}

static void names_lose_their_marks_and_cyrillic_is_transliterated(void **state)
{
    (void)state;
    assert_folds("Caf\xc3\xa9 \xc5\x81\xc3\xb3"
                 "d\xc5\xba",
        "Cafe Lodz");
    assert_folds("\xd0\x9c\xd0\xb0\xd0\xb3\xd0\xb0\xd0\xb7\xd0\xb8\xd0\xbd", "Magazin");
    assert_folds("\xd0\xa9\xd1\x83\xd1\x8e", "Shchuyu");
    assert_folds("\xe2\x80\x9cX\xe2\x80\x9d \xe2\x84\x96 1", "\"X\" No 1");
    assert_folds("\xe6\x97\xa5\xf0\x9f\x98\x80", "??");
    assert_folds("a\tb\x7f", "a?b?");
}

static void broken_utf8_becomes_question_marks(void **state)
{
    (void)state;
    assert_folds("\x80\xff", "??");
    assert_folds("a\xc3", "a?");
    assert_folds("\xe2\x80"
                 "b",
        "?b");
    assert_folds("\xc0\xaf", "??");
}

static void the_acceptor_is_always_forty_characters(void **state)
{
    (void)state;
    struct merchant_row merchant = shop();
    memset(merchant.name, 'N', sizeof merchant.name - 1);
    (void)str_copy(merchant.city, sizeof merchant.city, STR("Thirteen city"));
    struct acquirer_message a = a_sale(&merchant, 102);
    struct link_config config = plain_config();
    struct iso_message m;
    struct message_text text;
    assert_true(message_build(&m, &text, &config, &a));
    assert_true(str_eq(iso_get(&m, 43), STR("NNNNNNNNNNNNNNNNNNNNNNNNNThirteen cityBY")));
    /* the last letter is cut in the middle of "Shch" */
    (void)str_copy(merchant.name, sizeof merchant.name, STR("NNNNNNNNNNNNNNNNNNNNNNNN\xd0\xa9"));
    merchant.city[0] = '\0';
    assert_true(message_build(&m, &text, &config, &a));
    assert_true(str_eq(iso_get(&m, 43), STR("NNNNNNNNNNNNNNNNNNNNNNNNS             BY")));
}

static void only_requests_wait_as_short_as_requests(void **state)
{
    (void)state;
    assert_false(message_waits_as_advice(OPK_AUTHORIZE));
    assert_false(message_waits_as_advice(OPK_SALE));
    assert_false(message_waits_as_advice(OPK_REFUND));
    assert_true(message_waits_as_advice(OPK_CAPTURE));
    assert_true(message_waits_as_advice(OPK_VOID));
    assert_true(message_waits_as_advice(OPK_REVERSAL));
    assert_true(message_waits_as_advice(OPK_RELEASE));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_capture_is_golden_message_C1),
        cmocka_unit_test(a_repeated_capture_is_golden_message_C2),
        cmocka_unit_test(a_reversal_and_its_repeat_are_golden_messages_R1_and_R2),
        cmocka_unit_test(a_reversal_by_advice_is_golden_message_R4_and_its_repeat_R5),
        cmocka_unit_test(a_reversal_can_take_the_STAN_of_its_original),
        cmocka_unit_test(a_release_is_golden_message_R7),
        cmocka_unit_test(a_void_is_a_reversal_advice_for_reason_17),
        cmocka_unit_test(a_refund_is_golden_message_F3_and_names_the_sale_when_it_is_known),
        cmocka_unit_test(the_reversal_of_a_refund_has_the_processing_code_of_a_refund),
        cmocka_unit_test(a_sale_has_the_shape_of_golden_message_F1_without_a_cryptogram),
        cmocka_unit_test(a_card_check_is_golden_message_V1),
        cmocka_unit_test(a_recurring_payment_is_golden_message_M1),
        cmocka_unit_test(how_the_card_was_given_shows_in_22_25_48_and_60),
        cmocka_unit_test(a_forwarding_institution_is_named_in_33_and_90),
        cmocka_unit_test(a_missing_or_impossible_value_makes_no_message),
        cmocka_unit_test(names_lose_their_marks_and_cyrillic_is_transliterated),
        cmocka_unit_test(broken_utf8_becomes_question_marks),
        cmocka_unit_test(the_acceptor_is_always_forty_characters),
        cmocka_unit_test(only_requests_wait_as_short_as_requests),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
