/*
 * Genome's response codes, and the code of every outcome (spec/genome.md §8).
 */
#include "api/genome/genome_internal.h"

/* clang-format off */
static const struct genome_code codes[] = {
    { 0, "SUCCESS", "Transaction processed successfully" },
    { 1, "GENERAL SYSTEM ERROR", "general system error" },
    { 2, "DATABASE ERROR", "internal DB error" },
    { 3, "INTERNAL SERVICE ERROR", "general internal service error" },
    { 10, "INTERNAL SERVICE COMM ERROR", "general internal service communication error" },
    { 11, "INTERNAL SERVICE TIMEOUT", "internal timeout" },
    { 12, "SERVICE SSL ERROR", "internal SSL error" },
    { 1000, "GENERAL MERCHANT GATE ERROR", "merchant gate error" },
    { 1001, "GENERAL MERCHANT GATE ERROR", "request format error" },
    { 1002, "MANDATORY FIELDS ARE MISSING", "[field] not present in request" },
    { 1003, "INTERNAL COMM ERROR", "internal communication error" },
    { 1004, "INVALID PARAMETER", "invalid [field] in request message" },
    { 1005, "UNSUPPORTED API VERSION", "unsupported API version" },
    { 2000, "GENERAL MMS ERROR", "all other errors" },
    { 2001, "INVALID MERCHANT ACC PASSWORD", "incorrect value in merchant account or pass field" },
    { 2002, "COUNTRY RESTRICTIONS", "country is not available" },
    { 2003, "MERCHANT ACC IS NOT ACTIVE", "merchant account exists but not active" },
    { 2004, "UNAUTHORIZED TRANSACTION", "transaction is not allowed to account" },
    { 2005, "MID NOT ACTIVE", "there is no MID configured for account" },
    { 2006, "CURRENCY NOT ACTIVE", "there is no currency configured for account" },
    { 2007, "AMOUNT RESTRICTIONS", "amount is below or above amount restrictions" },
    { 2008, "IP ADDRESS RESTRICTIONS", "access from this IP-address is not available" },
    { 2009, "MERCHANT NOT ACTIVE", "merchant is not activated" },
    { 2010, "GATE NOT ACTIVE", "gate is not active" },
    { 2011, "ENTITY_ALREADY_EXISTS", "entity already exists" },
    { 2012, "ENTITY_NOT_FOUND", "entity is not found" },
    { 2013, "BAD_MID_CREDENTIALS", "bad mid credentials" },
    { 3000, "GENERAL PROCESSING ERROR", "all other errors" },
    { 3001, "TRANSACTION UNIQUE ID ALREADY USED", "transaction ID/ Order ID is already used" },
    { 3002, "INVALID TOKEN", "token not found or invalid" },
    { 3003, "INVALID REFFERENCE", "reference not found or invalid" },
    { 3004, "VOID NOT POSSIBLE", "it is not possible to void the the provided reference" },
    { 3005, "REFUND NOT POSSIBLE", "it is not possible to refund the provided reference" },
    { 3006, "TRANSACTION IS CB", "transaction is chargebacked" },
    { 3007, "ILLEGAL INTERVAL",
      "illegal interval between AUTH and SETTLE/VOID, between AUTH 3D and SETTLE/SALE" },
    { 3008, "ALREADY VOIDED", "transaction was already voided" },
    { 3009, "ALREADY REFUNDED", "transaction was already refunded" },
    { 3010, "ALREADY SETTLED", "transaction was already settled" },
    { 3011, "CARD TYPE NOT SUPPORTED", "MID doesn't support the card type" },
    { 3012, "ACCOUNT IS NOT 3D ENABLED", "account doesn't support 3D secure" },
    { 3013, "REQUIRED 3DS", "account support only 3D secure transaction" },
    { 3014, "TRANSACTION NOT FOUND FOR CHECK",
      "there was no transaction found on your Check request" },
    { 3015, "INVALID CURRENCY", "bank MID doesn't support the currency" },
    { 3016, "WRONG SETTLE AMOUNT", "amount in settle transaction is incorrect" },
    { 3017, "WRONG MID CREDENTIALS", "bank MID access credentials are incorrect" },
    { 3018, "MID IP ERROR", "bank refused the connection" },
    { 3019, "VALIDATION FAILED", "request cannot be validated" },
    { 3020, "INVALID CHARGEBACK", "chargebacks is invalid" },
    { 3021, "TRANSACTION BLOCKED", "transaction is blocked by routing" },
    { 3022, "INCORRECT AMOUNT", "the amount is incorrect" },
    { 3023, "ABORTED TRANSACTION", "transaction is aborted by the customer" },
    { 3024, "EXPIRED TRANSACTION", "transaction is expired" },
    { 3100, "GENERAL BANK DECLINE", "transaction declined by bank network" },
    { 3101, "INSUFFICIENT FUNDS", "insufficient funds" },
    { 3102, "LOST/STOLEN CARD", "card lost or stolen" },
    { 3103, "3DSECURE AUTH FAILED", "3d secure authentication failed" },
    { 3104, "INVALID CVV", "invalid CVV" },
    { 3105, "CARD EXPIRED", "card expired due to expiry date or expiry date is not correct" },
    { 3106, "INVALID AMOUNT", "bank cannot process selected amount" },
    { 3107, "INVALID CARD NUMBER", "card number was declined by bank" },
    { 3108, "REFUND LIMIT EXCEEDED", "it is not possible to issue refund due to bank limit" },
    { 3109, "TIMEOUT", "timeout between PSP and bank" },
    { 3110, "BANK REQUIRED FIELDS ARE MISSING OR INCORRECT",
      "not all required data was provided to the specific bank" },
    { 3111, "BANK ACCESS ERROR", "access error to a bank asquirer" },
    { 3112, "BANK CARD TYPE NOT SUPPORTED", "card type is not supported by MID" },
    { 3113, "BANK TRANSACTION TYPE NOT SUPPORTED", "transaction type is not supported by MID" },
    { 3114, "BANK CURRENCY NOT SUPPORTED", "currency is not supported by MID" },
    { 3115, "REFUND NOT POSSIBLE DO VOID", "order should be be voided due it was not settled" },
    { 3116, "COUNTRY NOT SUPPORTED", "country is not supported by MID" },
    { 3117, "MALFORMED BANK RESPONSE", "malformed bank response" },
    { 3118, "BANK_CONNECTION_ERROR", "bank connection error" },
    { 3119, "REFERAL OR RESTRICTED CARD", "Referal or restricted card" },
    { 3120, "RISK BANK DECLINE", "Risk Bank Decline" },
    { 3121, "INVALID ACQUIRER TOKEN", "acquirer token is invalid" },
    { 3122, "INVALID ACQUIRER REFERENCE", "acquirer reference is invalid" },
    { 3123, "ACQUIRER 3D SECURE NOT ENABLED", "acquirer 3D secure is not enabled" },
    { 3124, "UNKNOWN ACQUIRER PROCESSING STATUS", "unknown acquirer processing status" },
    { 3125, "ACQUIRER INTERNAL ERROR", "acquirer internal error" },
    { 3126, "WITHDRAWAL FREQUENCY LIMIT EXCEEDED", "withdrawal frequency limit exceeded" },
    { 3127, "BANK NEGATIVE LIST", "bank negative list" },
    { 3128, "FRAUD BANK DECLINE", "fraud decline by bank" },
    { 3129, "AUTHORIZATION DECLINED", "authorization decline" },
    { 3200, "GENERAL FRAUD DECLINE", "Declined by anti-fraud system" },
    { 3201, "GENERAL MANUAL REVIEW", "Sent for manual review by anti-fraud system" },
    { 3220, "TRUST LIST FRAUD DECLINE", "[Field] in black list" },
    { 3221, "TRUST LIST MANUAL REVIEW", "[Field] in watch list" },
    { 3300, "GENERAL DECLINE", "General payout error" },
    { 3310, "VALIDATION DECLINE", "Payout validation error" },
    { 3311, "INVALID MID REFERENCE", "Invalid mid reference" },
    { 3330, "UNREGISTERED CARD", "Unregistered card" },
    { 4000, "GENERAL RECONCILLIATION ERROR", "general reconcilliation error" },
    { 4001, "RECONCILLIATION INCOMPLETE", "reconcilliation incomplete" },
    { 4002, "RECONCILLIATION AMOUNT MISMATCH", "reconcilliation amount mismatch" },
    { 4003, "RECONCILLIATION COUNT MISMATCH", "reconcilliation count mismatch" },
    { 4004, "GENERAL FRS ERROR", "FRS general error" },
    { 4005, "BALANCE_IS_NOT_AVAILABLE", "Balance is not available" },
    { 4006, "CURRENCY_IS_NOT_AVAILABLE", "Currency is not available" },
    { 4007, "EXCEEDED_AMOUNT", "Exceeded amount" },
    { 5000, "QOD GENERAL ERROR", "QOD general error" },
    { 5001, "QOD UNSUPPORTED API VERSION", "unsupported API version of QOD" },
    { 5002, "INVALID TIME ORDER", "time order is invalid" },
    { 6000, "INTERNAL AUTH FAILURE", "general internal auth failure" },
    { 6001, "WRONG CREDENTIALS", "Wrong credentials" },
    { 6002, "ACCESS DENIED", "Access denied" },
    { 6003, "ALREADY EXISTS", "The user already exists" },
    { 6004, "USER NOT FOUND", "The user is not found" },
    { 6005, "ROLE NOT FOUND", "The role is not found" },
    { 6006, "PERMISSION NOT FOUND", "The permission is not found" },
    { 6007, "EXPIRED TOKEN", "The token is expired" },
    { 6008, "TOKEN NOT FOUND", "The token is not found" },
    { 6009, "USER TEMPORARY BLOCKED", "The user is temporary blocked" },
    { 6010, "EXPIRED PASSWORD", "The password is expired" },
    { 6011, "INVALID PASSWORD", "The password is invalid" },
    { 6012, "PREVIOUSLY USED PASSWORD", "The password is previously used" },
    { 7000, "INTERNAL PAYMENT GATE ERROR", "Internal payment gate error" },
    { 7101, "INTERNAL PAYMENT GATE SENDER ERROR", "Internal payment gate sender error" },
    { 7102, "COMMUNICATION ERROR", "External communication error" },
    { 7103, "COMMUNICATION TIMEOUT", "External communication timeout" },
};

/*
 * Genome has no word for some of them: a card to be picked up is shown as lost or stolen, a stopped
 * payment as the bank's negative list, a second operation while one is open as blocked.
 */
static const struct {
    enum outcome outcome;
    int code;
} outcome_codes[] = {
    { OUT_NONE,                    1 },
    { OUT_APPROVED,                0 },
    { OUT_PENDING,                11 },
    { OUT_DUPLICATE_ID,         3001 },
    { OUT_UNKNOWN_REFERENCE,    3003 },
    { OUT_UNKNOWN_TOKEN,        3002 },
    { OUT_MERCHANT_INACTIVE,    2003 },
    { OUT_CURRENCY_NOT_ALLOWED, 2006 },
    { OUT_COUNTRY_NOT_ALLOWED,  2002 },
    { OUT_IP_NOT_ALLOWED,       2008 },
    { OUT_AMOUNT_NOT_ALLOWED,   2007 },
    { OUT_BRAND_NOT_ALLOWED,    3011 },
    { OUT_NO_ROUTE,             2005 },
    { OUT_ALREADY_CAPTURED,     3010 },
    { OUT_ALREADY_VOIDED,       3008 },
    { OUT_ALREADY_REFUNDED,     3009 },
    { OUT_NOT_CAPTURED,         3115 },
    { OUT_WINDOW_CLOSED,        3007 },
    { OUT_CAPTURE_TOO_LARGE,    3016 },
    { OUT_REFUND_TOO_LARGE,     3022 },
    { OUT_CURRENCY_MISMATCH,    3015 },
    { OUT_VOID_NOT_POSSIBLE,    3004 },
    { OUT_REFUND_NOT_POSSIBLE,  3005 },
    { OUT_CAPTURE_NOT_POSSIBLE, 3003 },
    { OUT_PAYMENT_BUSY,         3021 },
    { OUT_OVERLOADED,           1003 },
    { OUT_CARD_EXPIRED_BY_DATE, 3105 },
    { OUT_NO_THREE_DS,          3012 },
    { OUT_THREE_DS_REQUIRED,    3013 },
    { OUT_REFUSED_BY_FACE,      3000 }, /* never seen: the face has a code of its own then */
    { OUT_DECLINED,             3100 },
    { OUT_INSUFFICIENT_FUNDS,   3101 },
    { OUT_LOST_OR_STOLEN,       3102 },
    { OUT_PICK_UP_CARD,         3102 },
    { OUT_WRONG_CVV,            3104 },
    { OUT_CARD_EXPIRED,         3105 },
    { OUT_INVALID_AMOUNT,       3106 },
    { OUT_INVALID_CARD,         3107 },
    { OUT_LIMIT_EXCEEDED,       3126 },
    { OUT_REFER_TO_ISSUER,      3119 },
    { OUT_RESTRICTED_CARD,      3119 },
    { OUT_SUSPECTED_FRAUD,      3128 },
    { OUT_SECURITY_VIOLATION,   3120 },
    { OUT_NOT_PERMITTED,        3129 },
    { OUT_AUTHENTICATION_NEEDED, 3103 },
    { OUT_PAYMENT_STOPPED,      3127 },
    { OUT_ISSUER_UNAVAILABLE,   3111 },
    { OUT_BANK_CONFIGURATION,   3017 },
    { OUT_BANK_FORMAT,          3110 },
    { OUT_BANK_ERROR,           3125 },
    { OUT_NOT_SUPPORTED,        3113 },
    { OUT_CANCELLED_BY_PAYER,   3023 },
    { OUT_HOST_DOWN,            3118 },
    { OUT_TIMEOUT,              3109 },
    { OUT_MALFORMED_ANSWER,     3117 },
    { OUT_STORE_FAILED,            2 },
    { OUT_INTERNAL,                1 },
};
/* clang-format on */

/* A new outcome without a code stops the build here. */
enum {
#define X(name, number, sentence) +1
    OUTCOMES_KNOWN = 0 OUTCOMES(X)
#undef X
};
_Static_assert(COUNT(outcome_codes) == OUTCOMES_KNOWN, "every outcome needs a Genome code");

const struct genome_code *genome_code_table(size_t *count)
{
    *count = COUNT(codes);
    return codes;
}

const struct genome_code *genome_code_find(int code)
{
    for (size_t i = 0; i < COUNT(codes); i++)
        if (codes[i].code == code)
            return &codes[i];
    return NULL;
}

int genome_code_of(enum outcome o)
{
    for (size_t i = 0; i < COUNT(outcome_codes); i++)
        if (outcome_codes[i].outcome == o)
            return outcome_codes[i].code;
    return GENOME_SYSTEM_ERROR;
}

/*
 * spec/genome.md §4.2: what the bank, the anti-fraud system or the payout side refuses is a
 * decline.
 */
enum genome_status genome_status_of(int code)
{
    if (code == GENOME_SUCCESS)
        return GENOME_IS_SUCCESS;
    return code >= 3100 && code <= 3399 ? GENOME_IS_DECLINE : GENOME_IS_ERROR;
}
