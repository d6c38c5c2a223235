/*
 * A command that meets a vault that refuses, or a card that is gone: it is answered, and nothing is
 * written that should not be.
 */
#include "../base/fault.h"
#include "world.h"

#include <openssl/evp.h>

FAULTY(
    int, EVP_EncryptFinal_ex, (EVP_CIPHER_CTX * ctx, unsigned char *out, int *n), (ctx, out, n), 0)

/* Without the sealed number there is no card, and without a card no payment. */
static void a_card_that_is_not_sealed_is_not_charged(void **state)
{
    struct world *w = world_of(state);
    static const enum command_kind kinds[] = { CMD_AUTHORIZE, CMD_SALE, CMD_TOKENIZE };
    for (size_t k = 0; k < COUNT(kinds); k++) {
        fault_arm("EVP_EncryptFinal_ex", 0, 0);
        struct wish *i = ask(w, kinds[k], 1250);
        assert_refused(w, i, OUT_INTERNAL);
        assert_true(fault_came());
        assert_false(i->c.reply.has_token);
        assert_int_equal(number(w, "SELECT count(*) FROM card"), 0);
        assert_int_equal(number(w, "SELECT count(*) FROM payment"), 0);
    }
    (void)approved(w, CMD_SALE, 1250);
}

static void a_hold_whose_card_is_gone_can_be_given_back(void **state)
{
    struct world *w = world_of(state);
    int64_t hold = approved(w, CMD_AUTHORIZE, 1250);
    execute(w, "DELETE FROM card");
    struct wish *i = ask_for(w, CMD_VOID, hold, 0);
    step(w);
    assert_told(i, OUT_APPROVED);
    assert_false(i->c.reply.has_token);
    assert_stands(w, id_of(i), OPS_SENT, PAY_VOIDED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_WORLD(a_card_that_is_not_sealed_is_not_charged),
        IN_WORLD(a_hold_whose_card_is_gone_can_be_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
