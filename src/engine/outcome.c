#include "engine/outcome.h"

#include <string.h>

static const struct {
    enum outcome outcome;
    const char *name, *sentence;
} outcomes[] = {
#define X(name, number, sentence) { OUT_##name, #name, sentence },
    OUTCOMES(X)
#undef X
};

const char *outcome_name(enum outcome o)
{
    for (size_t i = 0; i < COUNT(outcomes); i++)
        if (outcomes[i].outcome == o)
            return outcomes[i].name;
    return "?";
}

const char *outcome_sentence(enum outcome o)
{
    for (size_t i = 0; i < COUNT(outcomes); i++)
        if (outcomes[i].outcome == o)
            return outcomes[i].sentence;
    return "?";
}

/* spec/iso8583.md §7, in the order of the codes. */
static const struct response_code codes[] = {
    { "00", ANSWER_APPROVED, OUT_APPROVED, "approved" },
    { "01", ANSWER_SOFT, OUT_REFER_TO_ISSUER, "refer to issuer" },
    { "02", ANSWER_SOFT, OUT_REFER_TO_ISSUER, "refer to issuer, special condition" },
    { "03", ANSWER_TECH, OUT_BANK_CONFIGURATION, "invalid merchant" },
    { "04", ANSWER_PICKUP, OUT_PICK_UP_CARD, "pick up card" },
    { "05", ANSWER_SOFT, OUT_DECLINED, "do not honour" },
    { "06", ANSWER_TECH, OUT_BANK_ERROR, "error" },
    { "07", ANSWER_PICKUP, OUT_PICK_UP_CARD, "pick up card, special condition" },
    { "08", ANSWER_APPROVED, OUT_APPROVED, "honour with identification" },
    { "09", ANSWER_UNKNOWN, OUT_TIMEOUT, "request in progress" },
    { "10", ANSWER_PARTIAL, OUT_INSUFFICIENT_FUNDS, "partially approved" },
    { "11", ANSWER_APPROVED, OUT_APPROVED, "approved, VIP" },
    { "12", ANSWER_HARD, OUT_NOT_SUPPORTED, "invalid transaction" },
    { "13", ANSWER_FIX, OUT_INVALID_AMOUNT, "invalid amount" },
    { "14", ANSWER_HARD, OUT_INVALID_CARD, "invalid card number" },
    { "15", ANSWER_HARD, OUT_INVALID_CARD, "no such issuer" },
    { "16", ANSWER_APPROVED, OUT_APPROVED, "approved, update track 3" },
    { "17", ANSWER_HARD, OUT_CANCELLED_BY_PAYER, "customer cancellation" },
    { "19", ANSWER_RETRY, OUT_BANK_ERROR, "re-enter transaction" },
    { "20", ANSWER_TECH, OUT_BANK_ERROR, "invalid response" },
    { "21", ANSWER_TECH, OUT_BANK_ERROR, "no action taken" },
    { "22", ANSWER_TECH, OUT_BANK_ERROR, "suspected malfunction" },
    { "25", ANSWER_TECH, OUT_BANK_ERROR, "original not found" },
    { "26", ANSWER_UNKNOWN, OUT_TIMEOUT, "duplicate record" },
    { "30", ANSWER_TECH, OUT_BANK_FORMAT, "format error" },
    { "31", ANSWER_HARD, OUT_NOT_SUPPORTED, "bank not supported" },
    { "32", ANSWER_TECH, OUT_BANK_ERROR, "completed partially" },
    { "33", ANSWER_PICKUP, OUT_CARD_EXPIRED, "expired card, pick up" },
    { "34", ANSWER_PICKUP, OUT_SUSPECTED_FRAUD, "suspected fraud, pick up" },
    { "35", ANSWER_PICKUP, OUT_PICK_UP_CARD, "contact acquirer, pick up" },
    { "36", ANSWER_PICKUP, OUT_RESTRICTED_CARD, "restricted card, pick up" },
    { "37", ANSWER_PICKUP, OUT_PICK_UP_CARD, "call security, pick up" },
    { "38", ANSWER_PICKUP, OUT_PICK_UP_CARD, "PIN tries exceeded, pick up" },
    { "39", ANSWER_HARD, OUT_NOT_PERMITTED, "no credit account" },
    { "40", ANSWER_HARD, OUT_NOT_SUPPORTED, "function not supported" },
    { "41", ANSWER_PICKUP, OUT_LOST_OR_STOLEN, "lost card" },
    { "42", ANSWER_HARD, OUT_NOT_PERMITTED, "no universal account" },
    { "43", ANSWER_PICKUP, OUT_LOST_OR_STOLEN, "stolen card" },
    { "44", ANSWER_HARD, OUT_NOT_PERMITTED, "no investment account" },
    { "46", ANSWER_HARD, OUT_INVALID_CARD, "closed account" },
    { "51", ANSWER_SOFT, OUT_INSUFFICIENT_FUNDS, "insufficient funds" },
    { "52", ANSWER_HARD, OUT_NOT_PERMITTED, "no cheque account" },
    { "53", ANSWER_HARD, OUT_NOT_PERMITTED, "no savings account" },
    { "54", ANSWER_FIX, OUT_CARD_EXPIRED, "expired card" },
    { "55", ANSWER_FIX, OUT_SECURITY_VIOLATION, "incorrect PIN" },
    { "56", ANSWER_HARD, OUT_INVALID_CARD, "no card record" },
    { "57", ANSWER_HARD, OUT_NOT_PERMITTED, "not permitted to cardholder" },
    { "58", ANSWER_TECH, OUT_BANK_CONFIGURATION, "not permitted to terminal" },
    { "59", ANSWER_SOFT, OUT_SUSPECTED_FRAUD, "suspected fraud" },
    { "61", ANSWER_SOFT, OUT_LIMIT_EXCEEDED, "exceeds amount limit" },
    { "62", ANSWER_SOFT, OUT_RESTRICTED_CARD, "restricted card" },
    { "63", ANSWER_HARD, OUT_SECURITY_VIOLATION, "security violation" },
    { "65", ANSWER_SOFT, OUT_LIMIT_EXCEEDED, "exceeds frequency limit" },
    { "68", ANSWER_UNKNOWN, OUT_TIMEOUT, "response received too late" },
    { "70", ANSWER_SOFT, OUT_REFER_TO_ISSUER, "contact issuer" },
    { "75", ANSWER_SOFT, OUT_SECURITY_VIOLATION, "PIN tries exceeded" },
    { "76", ANSWER_SOFT, OUT_RESTRICTED_CARD, "account problem" },
    { "77", ANSWER_SOFT, OUT_RESTRICTED_CARD, "account problem" },
    { "78", ANSWER_SOFT, OUT_RESTRICTED_CARD, "blocked, first use" },
    { "82", ANSWER_FIX, OUT_WRONG_CVV, "negative CVV result" },
    { "85", ANSWER_APPROVED, OUT_APPROVED, "no reason to decline" },
    { "88", ANSWER_TECH, OUT_BANK_ERROR, "cryptographic failure" },
    { "91", ANSWER_RETRY, OUT_ISSUER_UNAVAILABLE, "issuer or switch inoperative" },
    { "92", ANSWER_RETRY, OUT_ISSUER_UNAVAILABLE, "cannot route" },
    { "93", ANSWER_HARD, OUT_NOT_PERMITTED, "cannot be completed, law" },
    { "94", ANSWER_UNKNOWN, OUT_TIMEOUT, "duplicate transmission" },
    { "96", ANSWER_RETRY, OUT_BANK_ERROR, "system malfunction" },
    { "97", ANSWER_TECH, OUT_BANK_ERROR, "MAC error" },
    { "98", ANSWER_TECH, OUT_BANK_ERROR, "key synchronisation" },
    { "1A", ANSWER_SCA, OUT_AUTHENTICATION_NEEDED, "customer authentication required" },
    { "6P", ANSWER_FIX, OUT_INVALID_CARD, "verification data failed" },
    { "N7", ANSWER_FIX, OUT_WRONG_CVV, "CVV2 mismatch" },
    { "R0", ANSWER_HARD, OUT_PAYMENT_STOPPED, "stop payment" },
    { "R1", ANSWER_HARD, OUT_PAYMENT_STOPPED, "revocation of authorization" },
    { "R3", ANSWER_HARD, OUT_PAYMENT_STOPPED, "revocation of all authorizations" },
};

static const struct response_code unlisted = { "", ANSWER_SOFT, OUT_DECLINED, "unlisted" };

const struct response_code *response_code_find(const char *de39)
{
    for (size_t i = 0; i < COUNT(codes); i++)
        if (strcmp(codes[i].de39, de39) == 0)
            return &codes[i];
    return &unlisted;
}

const struct response_code *response_code_table(size_t *count)
{
    *count = COUNT(codes);
    return codes;
}
