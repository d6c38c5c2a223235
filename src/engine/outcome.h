/*
 * The outcomes: the one list of how things end.
 *
 * Every face has a table from this list to its own codes and texts; the acquirer's DE 39 is mapped
 * to it by one table (spec/iso8583.md §7). Numbers are stored with operations and never change
 * their meaning: new outcomes go to the end of their hundred.
 */
#ifndef TURNPIKE_ENGINE_OUTCOME_H
#define TURNPIKE_ENGINE_OUTCOME_H

#include "base/str.h"

/* clang-format off */
#define OUTCOMES(X)                                                                              \
    X(NONE,                    0, "not decided yet")                                             \
    X(APPROVED,                1, "approved")                                                    \
    X(PENDING,                 2, "sent and not answered yet; it will be")                       \
    /* the request is refused before anything is written */                                      \
    X(DUPLICATE_ID,           10, "the merchant has used this id before")                        \
    X(UNKNOWN_REFERENCE,      11, "no such operation of this merchant")                          \
    X(UNKNOWN_TOKEN,          12, "no such card of this merchant")                               \
    X(MERCHANT_INACTIVE,      13, "the merchant is switched off")                                \
    X(CURRENCY_NOT_ALLOWED,   14, "not a currency of this merchant")                             \
    X(COUNTRY_NOT_ALLOWED,    15, "not a country this merchant sells to")                        \
    X(IP_NOT_ALLOWED,         16, "not an address this merchant calls from")                     \
    X(AMOUNT_NOT_ALLOWED,     17, "below or above the merchant's limits")                        \
    X(BRAND_NOT_ALLOWED,      18, "not a card brand of this merchant")                           \
    X(NO_ROUTE,               19, "no acquirer link takes this brand, currency and merchant")    \
    X(ALREADY_CAPTURED,       20, "the hold was captured before")                                \
    X(ALREADY_VOIDED,         21, "the hold was given back before")                              \
    X(ALREADY_REFUNDED,       22, "the payment was refunded before")                             \
    X(NOT_CAPTURED,           23, "nothing is captured yet: void instead of refund")             \
    X(WINDOW_CLOSED,          24, "the authorization window has ended")                          \
    X(CAPTURE_TOO_LARGE,      25, "nothing, or more than what is held")                         \
    X(REFUND_TOO_LARGE,       26, "nothing, or more than what is left of the captured amount")  \
    X(CURRENCY_MISMATCH,      27, "not the currency of the payment")                             \
    X(VOID_NOT_POSSIBLE,      28, "no hold that could be given back")                            \
    X(REFUND_NOT_POSSIBLE,    29, "no payment that could be refunded")                           \
    X(CAPTURE_NOT_POSSIBLE,   30, "no hold that could be captured")                              \
    X(PAYMENT_BUSY,           31, "another operation of this payment is not finished")           \
    X(OVERLOADED,             32, "too much is in flight")                                       \
    X(CARD_EXPIRED_BY_DATE,   33, "the expiry date has passed")                                  \
    X(NO_THREE_DS,            34, "3-D Secure is not available to this merchant")                \
    X(THREE_DS_REQUIRED,      35, "this merchant sells with 3-D Secure only")                    \
    X(REFUSED_BY_FACE,        36, "the face refuses it and knows why")                           \
    /* the issuer or the acquirer refuses */                                                     \
    X(DECLINED,              100, "declined without a reason")                                   \
    X(INSUFFICIENT_FUNDS,    101, "insufficient funds")                                          \
    X(LOST_OR_STOLEN,        102, "lost or stolen card")                                         \
    X(PICK_UP_CARD,          103, "the issuer wants the card back")                              \
    X(WRONG_CVV,             104, "the card verification value does not match")                  \
    X(CARD_EXPIRED,          105, "expired card")                                                \
    X(INVALID_AMOUNT,        106, "the bank cannot process this amount")                         \
    X(INVALID_CARD,          107, "no such card")                                                \
    X(LIMIT_EXCEEDED,        108, "over the card's limit of amount or frequency")                \
    X(REFER_TO_ISSUER,       109, "the payer must talk to the issuer")                           \
    X(RESTRICTED_CARD,       110, "restricted card")                                             \
    X(SUSPECTED_FRAUD,       111, "the issuer suspects fraud")                                   \
    X(SECURITY_VIOLATION,    112, "security violation")                                          \
    X(NOT_PERMITTED,         113, "the card may not do this")                                    \
    X(AUTHENTICATION_NEEDED, 114, "the issuer wants 3-D Secure")                                 \
    X(PAYMENT_STOPPED,       115, "the cardholder has withdrawn the consent")                    \
    X(ISSUER_UNAVAILABLE,    116, "issuer or switch inoperative")                                \
    X(BANK_CONFIGURATION,    117, "the acquirer does not know this merchant or terminal")        \
    X(BANK_FORMAT,           118, "the acquirer could not read the message")                     \
    X(BANK_ERROR,            119, "malfunction at the bank")                                     \
    X(NOT_SUPPORTED,         120, "the bank does not support this operation")                    \
    X(CANCELLED_BY_PAYER,    121, "cancelled by the cardholder")                                 \
    X(HOST_DOWN,             150, "no link to the acquirer is up: nothing was sent")             \
    X(TIMEOUT,               151, "the acquirer did not answer: it is being reversed")           \
    X(MALFORMED_ANSWER,      152, "the acquirer's answer does not fit: it is being reversed")    \
    /* our own fault */                                                                          \
    X(STORE_FAILED,          200, "the decision could not be made durable")                      \
    X(INTERNAL,              201, "a fault of ours")

enum outcome {
#define X(name, number, sentence) OUT_##name = number,
    OUTCOMES(X)
#undef X
};
/* clang-format on */

/* "INSUFFICIENT_FUNDS", and its sentence. "?" for a number that is none. */
const char *outcome_name(enum outcome o);
const char *outcome_sentence(enum outcome o);

/* What an answer means for the operation. */
enum answer_class {
    ANSWER_APPROVED,
    ANSWER_PARTIAL, /* less than asked for: undone, unless partial approvals are wanted */
    ANSWER_SOFT,
    ANSWER_FIX,
    ANSWER_SCA,
    ANSWER_HARD,
    ANSWER_PICKUP,
    ANSWER_RETRY,
    ANSWER_TECH,
    ANSWER_UNKNOWN /* counts as no answer */
};

struct response_code {
    char de39[3];
    enum answer_class class;
    enum outcome outcome;
    const char *meaning;
};

/* The row of a DE 39; for an unlisted one a row that declines softly. Never NULL. */
const struct response_code *response_code_find(const char *de39);

/* The whole table, for tests and the manual. */
const struct response_code *response_code_table(size_t *count);

#endif
