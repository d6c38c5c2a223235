/*
 * A MAC that libcrypto does not compute: nothing is sent with a wrong one, nothing is taken as valid.
 */
#include "../base/fault.h"
#include "golden.h"
#include "helper.h"

#include <openssl/evp.h>

/* clang-format off */
FAULTY(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_new, (void), (), NULL)
FAULTY(int, EVP_EncryptInit_ex2, (EVP_CIPHER_CTX *ctx, const EVP_CIPHER *cipher,
    const unsigned char *key, const unsigned char *iv, const OSSL_PARAM *params),
    (ctx, cipher, key, iv, params), 0)
FAULTY(int, EVP_CIPHER_CTX_set_padding, (EVP_CIPHER_CTX *ctx, int on), (ctx, on), 0)
FAULTY(int, EVP_EncryptUpdate,
    (EVP_CIPHER_CTX *ctx, unsigned char *out, int *out_n, const unsigned char *in, int n),
    (ctx, out, out_n, in, n), 0)
FAULTY(unsigned char *, EVP_Q_mac, (OSSL_LIB_CTX *lib, const char *name, const char *wanted,
    const char *sub, const OSSL_PARAM *params, const void *key, size_t key_n,
    const unsigned char *in, size_t n, unsigned char *out, size_t out_size, size_t *out_n),
    (lib, name, wanted, sub, params, key, key_n, in, n, out, out_size, out_n), NULL)
/* clang-format on */

static const struct iso_mac_key cmac = { .kind = ISO_MAC_CMAC, .key = { 1, 2, 3 } };

/* Where the computation may end: retail goes through the cipher twice, whole blocks and the last. */
static const struct step {
    const struct iso_mac_key *key;
    const char *name;
    int passes;
} steps[] = {
    { &golden_key, "EVP_CIPHER_CTX_new", 0 },
    { &golden_key, "EVP_EncryptInit_ex2", 0 },
    { &golden_key, "EVP_EncryptInit_ex2", 1 },
    { &golden_key, "EVP_CIPHER_CTX_set_padding", 0 },
    { &golden_key, "EVP_CIPHER_CTX_set_padding", 1 },
    { &golden_key, "EVP_EncryptUpdate", 0 },
    { &golden_key, "EVP_EncryptUpdate", 1 },
    { &cmac, "EVP_Q_mac", 0 },
};

static void a_mac_that_is_not_computed_leaves_nothing_to_send(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct iso_message m;
        uint8_t bytes[GOLDEN_MAX];
        size_t n = 77;
        message_of(&m, "0=0810|7=1121220005|11=000002|39=00");
        fault_arm(steps[i].name, steps[i].passes, 0);
        assert_int_equal(
            iso_pack_mac(&m, ISO_PROFILE_A, steps[i].key, bytes, sizeof bytes, &n), ISO_NO_MAC);
        assert_true(fault_came());
        assert_int_equal(n, 0);
        assert_false(iso_has(&m, 64));
        assert_int_equal(
            iso_pack_mac(&m, ISO_PROFILE_A, steps[i].key, bytes, sizeof bytes, &n), ISO_OK);
        assert_true(n > 0 && iso_has(&m, 64));
    }
}

static void a_mac_that_cannot_be_checked_is_not_valid(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(steps); i++) {
        struct iso_message m, got;
        uint8_t bytes[GOLDEN_MAX];
        size_t n = 0;
        message_of(&m, "0=0810|7=1121220005|11=000002|39=00");
        assert_int_equal(
            iso_pack_mac(&m, ISO_PROFILE_A, steps[i].key, bytes, sizeof bytes, &n), ISO_OK);
        assert_int_equal(iso_unpack(&got, ISO_PROFILE_A, bytes, n), ISO_OK);
        fault_arm(steps[i].name, steps[i].passes, 0);
        assert_false(iso_mac_valid(&got, ISO_PROFILE_A, steps[i].key, bytes, n));
        assert_true(fault_came());
        assert_true(iso_mac_valid(&got, ISO_PROFILE_A, steps[i].key, bytes, n));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mac_that_is_not_computed_leaves_nothing_to_send),
        cmocka_unit_test(a_mac_that_cannot_be_checked_is_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
