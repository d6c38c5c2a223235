"""What POST /api/cc must do, as tables: transaction types, field rules, response codes.

The tables are written from the published document, not from the program, so that a test that walks
them compares the two. Below them is what the tests of the Genome face share: shapes of answers,
encodings of a request, the signature.
"""

import collections
import hashlib
import json
import random
import re
import urllib.parse

from turnpike import CARD, CARDS, PAYER, succeeded, unique_id

# ---- transaction types ----

CARD_FORMS = ("AUTH", "AUTH3D", "SALE", "SALE3D")
TOKEN_FORMS = tuple(f"{name} by token" for name in CARD_FORMS)
PAYING = CARD_FORMS + TOKEN_FORMS
FOLLOWING = ("SETTLE", "REFUND", "VOID")
FORMS = PAYING + FOLLOWING + ("CHECK", "TOKENIZE")
WITH_AMOUNT = PAYING + ("SETTLE", "REFUND")
SALES = ("SALE", "SALE by token")
AUTHS = ("AUTH", "AUTH by token")
OPENINGS = AUTHS + SALES
SALES3D = ("SALE3D", "SALE3D by token")
THREE_DS = ("AUTH3D", "AUTH3D by token") + SALES3D

NO_REFERENCE = "ATFF00000000000000A1"
NO_TOKEN = "5524fa52-75d8-4c7a-84ec-039d3097ab6f"
URLS = {"callback_url": "https://shop.example/callback", "redirect_url": "http://shop.example/"}


def type_of(form):
    return form.split(" ", maxsplit=1)[0]


TOKENS = {}  # by shop: one that it knows


def known_token(shop):
    if id(shop) not in TOKENS:
        TOKENS[id(shop)] = (shop, succeeded(shop.tokenize())["token"])
    return TOKENS[id(shop)][1]


def unknown_token(form):
    """The field with a token that nobody has, where the form has one."""
    return {"token": NO_TOKEN} if form in TOKEN_FORMS else {}


def request(shop, form, **fields):
    """A complete request of that form, with nothing optional but in CHECK. When all is well it is
    answered PASSED[form], and nothing is recorded: see below."""
    made = {}
    if form in CARD_FORMS or form == "TOKENIZE":
        made.update(CARD)
        del made["cvv"]
    if form in TOKEN_FORMS and "token" not in fields:
        made["token"] = known_token(shop)
    if form in PAYING:
        made.update(PAYER, card_holder="CODE 3101")
    if form in WITH_AMOUNT:
        made.update(amount="12.34", currency="EUR")
    if form in SALES3D:
        made.update(URLS)
    if form in FOLLOWING:
        made["reference"] = NO_REFERENCE
    if form == "CHECK":
        made["transaction_unique_id"] = unique_id()
    if form == "TOKENIZE":
        made.update(card_holder="ANN LEE", transaction_unique_id=None)
    return shop.fields(type_of(form), **made) | fields


# What such a request is answered behind all checks of its fields and of the login: a card holder
# who asks for code 3101 gets it, 3-D Secure is not enabled, and there is nothing of that reference
# or id.
PASSED = {**dict.fromkeys(OPENINGS, 3101), **dict.fromkeys(THREE_DS, 3012),
          **dict.fromkeys(FOLLOWING, 3003), "CHECK": 3014, "TOKENIZE": 0}

# ---- fields ----

Rule = collections.namedtuple("Rule", "field required optional shortest longest kind")


def rules():
    none = ()
    cards = CARD_FORMS + ("TOKENIZE",)
    merchants = PAYING + ("SETTLE",)
    return (
        Rule("api_version", FORMS, none, None, 32, "version"),
        Rule("merchant_account", FORMS, none, 6, 32, "text"),
        Rule("merchant_password", FORMS, none, 6, 32, "text"),
        Rule("transaction_type", FORMS, none, None, None, "type"),
        Rule("transaction_unique_id", PAYING + ("SETTLE",), none, 6, 32, "text"),
        Rule("transaction_unique_id", ("REFUND", "VOID"), ("CHECK",), 1, 32, "text"),
        Rule("amount", WITH_AMOUNT, none, None, None, "amount"),
        Rule("currency", WITH_AMOUNT, none, 3, 3, "currency"),
        Rule("card_number", cards, none, 13, 19, "card_number"),
        Rule("card_exp_month", cards, none, 2, 2, "month"),
        Rule("card_exp_year", cards, none, 4, 4, "year"),
        Rule("token", TOKEN_FORMS, none, 36, 36, "text"),
        Rule("cvv", none, PAYING + ("TOKENIZE",), 3, 4, "digits"),
        Rule("first_name", PAYING, none, 1, 32, "text"),
        Rule("last_name", PAYING, none, 1, 32, "text"),
        Rule("card_holder", PAYING, none, 2, 32, "text"),
        Rule("card_holder", ("TOKENIZE",), none, 3, 32, "text"),
        Rule("zip", PAYING, none, 2, 10, "text"),
        Rule("country", PAYING, none, 2, 3, "country"),
        Rule("user_email", PAYING, none, 6, 255, "email"),
        Rule("user_ip", PAYING, none, None, None, "ipv4"),
        Rule("address", none, PAYING, 2, 32, "text"),
        Rule("city", none, PAYING, 2, 32, "text"),
        Rule("state", none, PAYING, 1, 32, "text"),
        Rule("user_phone", none, PAYING, 7, 15, "text"),
        Rule("merchant_user_id", none, PAYING + FOLLOWING, None, 32, "text"),
        Rule("merchant_domain_name", none, merchants, None, 255, "text"),
        Rule("merchant_affiliate_id", none, merchants, None, 255, "text"),
        Rule("merchant_product_name", none, merchants, None, 255, "text"),
        Rule("descriptor_merchant", none, PAYING + FOLLOWING, None, 255, "text"),
        Rule("descriptor_phone", none, PAYING + FOLLOWING, None, 255, "text"),
        Rule("callback_url", SALES3D, none, None, 255, "text"),
        Rule("redirect_url", SALES3D, none, None, 255, "text"),
        Rule("reference", FOLLOWING, SALES + ("CHECK",), 20, 20, "text"),
        Rule("pares", none, AUTHS + SALES, 1, None, "text"),
        Rule("mid_reference", none, PAYING, 16, 16, "text"),
        Rule("date_of_birth", none, PAYING, 10, 10, "date"),
        Rule("cof_type", none, PAYING, None, None, "cof_type"),
    )


RULES = rules()
FIELDS = tuple(dict.fromkeys(rule.field for rule in RULES))


def rules_of(form):
    return [rule for rule in RULES if form in rule.required + rule.optional]


def required_of(form):
    return [rule.field for rule in RULES if form in rule.required]


# Values of the right length, or of no particular one, that a kind does not allow, and some that it
# does. What has to do with length alone is made by text_of_length.
WRONG = {
    "text": (),
    "type": ("auth", "PAY", "AUTH ", "CHARGEBACK", "SALE2D", "0", 1),
    "amount": ("abc", "1,50", "12.34 EUR", " 12", "1 000", "--1", "0x10", "NaN", "Infinity", ".",
               "1.2.3", "-0.01", "-1", -1, -0.5, "10000000000", 10000000000, "99999999999999999999",
               1e15, "10.005", 10.005),
    "currency": ("QQQ", "978", "E1R", "   ", "ABC"),
    "card_number": ("4111111111111112", "411111111111111a", "4111 1111 1111 1111",
                    "4111-1111-1111-1111", "-411111111111111", "4111111111111111.0"),
    "month": ("00", "13", "99", "1a", "-1", " 1", "+1"),
    "year": ("20a1", "+031", "-031", "20.1", "    "),
    "digits": ("12a", " 12", "-12", "1.2", "+123", "abcd"),
    "country": ("QQQ", "QQ", "L1", "123", "..."),
    "email": ("no-at-sign.example", "@example.com", "ann.lee@", "a@b@example.com",
              "ann lee@example.com", "ann@exa mple.com", "ann@example..com", "<ann@example.com>"),
    "ipv4": ("256.1.1.1", "1.2.3", "1.2.3.4.5", "a.b.c.d", "::1", "2001:db8::1", "localhost",
             "1.2.3.4 ", "1.2.3.-4", "1.2.3.4/8", "1..2.3", 127),
    "date": ("31-12-1980", "1980-13-01", "1980-00-10", "1980-02-30", "1980-04-31", "1981-02-29",
             "1900-02-29", "1980/01/01", "1980-1-001", "19800101aa"),
    "cof_type": ("CIT", "MIT-initial", "mit", "cit-initial", "recurring", 1),
}
RIGHT = {
    "text": ("Ann O'Hara, \"x\" <y> & \\z", "\u0410\u043d\u043d\u0430 \u00d6zg\u00fcr"),
    "type": (),
    "amount": ("0", 0, "10", 10, "10.0", 10.0, "10.00", 12.5, 0.01, "0.01", 19.99, 9999999999,
               "9999999999.99", 1e3),
    "currency": ("USD", "GBP", "JPY", "KZT"),
    "card_number": ("30569309025904", "371449635398431", 4111111111111111),
    "month": ("01", "12", 12, 5),
    "year": ("2020", "2031", "2099", 2031),
    "digits": ("000", "1234", 123, 1234),
    "country": ("LT", "LTU", "USA", "GBR", "KAZ"),
    "email": ("a@b.co", "Ann.Lee+x@shop.example.com", "14848ff0@gmail.com"),
    "ipv4": ("127.0.0.1", "0.0.0.0", "255.255.255.255"),
    "date": ("1980-12-31", "1980-02-29", "2000-02-29"),
    "cof_type": ("CIT-initial", "CIT-subsequent", "MIT"),
}


def text_of_length(rule, n):
    """Text of n characters that breaks no other part of the rule."""
    if rule.kind == "card_number":
        return luhn("400055" + "0123456789012"[:n - 7])
    if rule.kind == "email":
        domain = ".".join(["b" * 60] * 4 + ["b" * (n - 249), "co"]) if n > 250 else "b.co"[:n - 2]
        return "a@" + domain
    if rule.kind == "country":
        return {1: "L", 2: "LT", 3: "LTU"}.get(n, "LTUX")
    if rule.kind == "currency":
        return "EURO"[:n]
    if rule.kind == "date":
        return "1980-12-310"[:n]
    if rule.kind in ("digits", "month", "year"):
        return {"digits": "12345", "month": "012", "year": "20310"}[rule.kind][:n]
    if rule.field == "reference":
        return (NO_REFERENCE + "A")[:n]
    return "x" * n


def luhn(digits):
    """The digits with their check digit behind them."""
    total = 0
    for i, digit in enumerate(reversed(digits)):
        double = int(digit) * (2 if i % 2 == 0 else 1)
        total += double - 9 if double > 9 else double
    return digits + str(-total % 10)


_cards = random.Random()


def fresh_card():
    """A Visa card that nobody has used, of no list: approved by the sandbox."""
    number = luhn(f"47174{_cards.randrange(10**10):010d}")
    return {**CARD, "card_number": number, "card_exp_year": "2049"}


# ---- response codes: value and message ----

CODES = {
    0: ("SUCCESS", "Transaction processed successfully"),
    1: ("GENERAL SYSTEM ERROR", "general system error"),
    2: ("DATABASE ERROR", "internal DB error"),
    3: ("INTERNAL SERVICE ERROR", "general internal service error"),
    10: ("INTERNAL SERVICE COMM ERROR", "general internal service communication error"),
    11: ("INTERNAL SERVICE TIMEOUT", "internal timeout"),
    12: ("SERVICE SSL ERROR", "internal SSL error"),
    1000: ("GENERAL MERCHANT GATE ERROR", "merchant gate error"),
    1001: ("GENERAL MERCHANT GATE ERROR", "request format error"),
    1002: ("MANDATORY FIELDS ARE MISSING", "[field] not present in request"),
    1003: ("INTERNAL COMM ERROR", "internal communication error"),
    1004: ("INVALID PARAMETER", "invalid [field] in request message"),
    1005: ("UNSUPPORTED API VERSION", "unsupported API version"),
    2000: ("GENERAL MMS ERROR", "all other errors"),
    2001: ("INVALID MERCHANT ACC PASSWORD", "incorrect value in merchant account or pass field"),
    2002: ("COUNTRY RESTRICTIONS", "country is not available"),
    2003: ("MERCHANT ACC IS NOT ACTIVE", "merchant account exists but not active"),
    2004: ("UNAUTHORIZED TRANSACTION", "transaction is not allowed to account"),
    2005: ("MID NOT ACTIVE", "there is no MID configured for account"),
    2006: ("CURRENCY NOT ACTIVE", "there is no currency configured for account"),
    2007: ("AMOUNT RESTRICTIONS", "amount is below or above amount restrictions"),
    2008: ("IP ADDRESS RESTRICTIONS", "access from this IP-address is not available"),
    2009: ("MERCHANT NOT ACTIVE", "merchant is not activated"),
    2010: ("GATE NOT ACTIVE", "gate is not active"),
    2011: ("ENTITY_ALREADY_EXISTS", "entity already exists"),
    2012: ("ENTITY_NOT_FOUND", "entity is not found"),
    2013: ("BAD_MID_CREDENTIALS", "bad mid credentials"),
    3000: ("GENERAL PROCESSING ERROR", "all other errors"),
    3001: ("TRANSACTION UNIQUE ID ALREADY USED", "transaction ID/ Order ID is already used"),
    3002: ("INVALID TOKEN", "token not found or invalid"),
    3003: ("INVALID REFFERENCE", "reference not found or invalid"),
    3004: ("VOID NOT POSSIBLE", "it is not possible to void the the provided reference"),
    3005: ("REFUND NOT POSSIBLE", "it is not possible to refund the provided reference"),
    3006: ("TRANSACTION IS CB", "transaction is chargebacked"),
    3007: ("ILLEGAL INTERVAL",
           "illegal interval between AUTH and SETTLE/VOID, between AUTH 3D and SETTLE/SALE"),
    3008: ("ALREADY VOIDED", "transaction was already voided"),
    3009: ("ALREADY REFUNDED", "transaction was already refunded"),
    3010: ("ALREADY SETTLED", "transaction was already settled"),
    3011: ("CARD TYPE NOT SUPPORTED", "MID doesn't support the card type"),
    3012: ("ACCOUNT IS NOT 3D ENABLED", "account doesn't support 3D secure"),
    3013: ("REQUIRED 3DS", "account support only 3D secure transaction"),
    3014: ("TRANSACTION NOT FOUND FOR CHECK",
           "there was no transaction found on your Check request"),
    3015: ("INVALID CURRENCY", "bank MID doesn't support the currency"),
    3016: ("WRONG SETTLE AMOUNT", "amount in settle transaction is incorrect"),
    3017: ("WRONG MID CREDENTIALS", "bank MID access credentials are incorrect"),
    3018: ("MID IP ERROR", "bank refused the connection"),
    3019: ("VALIDATION FAILED", "request cannot be validated"),
    3020: ("INVALID CHARGEBACK", "chargebacks is invalid"),
    3021: ("TRANSACTION BLOCKED", "transaction is blocked by routing"),
    3022: ("INCORRECT AMOUNT", "the amount is incorrect"),
    3023: ("ABORTED TRANSACTION", "transaction is aborted by the customer"),
    3024: ("EXPIRED TRANSACTION", "transaction is expired"),
    3100: ("GENERAL BANK DECLINE", "transaction declined by bank network"),
    3101: ("INSUFFICIENT FUNDS", "insufficient funds"),
    3102: ("LOST/STOLEN CARD", "card lost or stolen"),
    3103: ("3DSECURE AUTH FAILED", "3d secure authentication failed"),
    3104: ("INVALID CVV", "invalid CVV"),
    3105: ("CARD EXPIRED", "card expired due to expiry date or expiry date is not correct"),
    3106: ("INVALID AMOUNT", "bank cannot process selected amount"),
    3107: ("INVALID CARD NUMBER", "card number was declined by bank"),
    3108: ("REFUND LIMIT EXCEEDED", "it is not possible to issue refund due to bank limit"),
    3109: ("TIMEOUT", "timeout between PSP and bank"),
    3110: ("BANK REQUIRED FIELDS ARE MISSING OR INCORRECT",
           "not all required data was provided to the specific bank"),
    3111: ("BANK ACCESS ERROR", "access error to a bank asquirer"),
    3112: ("BANK CARD TYPE NOT SUPPORTED", "card type is not supported by MID"),
    3113: ("BANK TRANSACTION TYPE NOT SUPPORTED", "transaction type is not supported by MID"),
    3114: ("BANK CURRENCY NOT SUPPORTED", "currency is not supported by MID"),
    3115: ("REFUND NOT POSSIBLE DO VOID", "order should be be voided due it was not settled"),
    3116: ("COUNTRY NOT SUPPORTED", "country is not supported by MID"),
    3117: ("MALFORMED BANK RESPONSE", "malformed bank response"),
    3118: ("BANK_CONNECTION_ERROR", "bank connection error"),
    3119: ("REFERAL OR RESTRICTED CARD", "Referal or restricted card"),
    3120: ("RISK BANK DECLINE", "Risk Bank Decline"),
    3121: ("INVALID ACQUIRER TOKEN", "acquirer token is invalid"),
    3122: ("INVALID ACQUIRER REFERENCE", "acquirer reference is invalid"),
    3123: ("ACQUIRER 3D SECURE NOT ENABLED", "acquirer 3D secure is not enabled"),
    3124: ("UNKNOWN ACQUIRER PROCESSING STATUS", "unknown acquirer processing status"),
    3125: ("ACQUIRER INTERNAL ERROR", "acquirer internal error"),
    3126: ("WITHDRAWAL FREQUENCY LIMIT EXCEEDED", "withdrawal frequency limit exceeded"),
    3127: ("BANK NEGATIVE LIST", "bank negative list"),
    3128: ("FRAUD BANK DECLINE", "fraud decline by bank"),
    3129: ("AUTHORIZATION DECLINED", "authorization decline"),
    3200: ("GENERAL FRAUD DECLINE", "Declined by anti-fraud system"),
    3201: ("GENERAL MANUAL REVIEW", "Sent for manual review by anti-fraud system"),
    3220: ("TRUST LIST FRAUD DECLINE", "[Field] in black list"),
    3221: ("TRUST LIST MANUAL REVIEW", "[Field] in watch list"),
    3300: ("GENERAL DECLINE", "General payout error"),
    3310: ("VALIDATION DECLINE", "Payout validation error"),
    3311: ("INVALID MID REFERENCE", "Invalid mid reference"),
    3330: ("UNREGISTERED CARD", "Unregistered card"),
    4000: ("GENERAL RECONCILLIATION ERROR", "general reconcilliation error"),
    4001: ("RECONCILLIATION INCOMPLETE", "reconcilliation incomplete"),
    4002: ("RECONCILLIATION AMOUNT MISMATCH", "reconcilliation amount mismatch"),
    4003: ("RECONCILLIATION COUNT MISMATCH", "reconcilliation count mismatch"),
    4004: ("GENERAL FRS ERROR", "FRS general error"),
    4005: ("BALANCE_IS_NOT_AVAILABLE", "Balance is not available"),
    4006: ("CURRENCY_IS_NOT_AVAILABLE", "Currency is not available"),
    4007: ("EXCEEDED_AMOUNT", "Exceeded amount"),
    5000: ("QOD GENERAL ERROR", "QOD general error"),
    5001: ("QOD UNSUPPORTED API VERSION", "unsupported API version of QOD"),
    5002: ("INVALID TIME ORDER", "time order is invalid"),
    6000: ("INTERNAL AUTH FAILURE", "general internal auth failure"),
    6001: ("WRONG CREDENTIALS", "Wrong credentials"),
    6002: ("ACCESS DENIED", "Access denied"),
    6003: ("ALREADY EXISTS", "The user already exists"),
    6004: ("USER NOT FOUND", "The user is not found"),
    6005: ("ROLE NOT FOUND", "The role is not found"),
    6006: ("PERMISSION NOT FOUND", "The permission is not found"),
    6007: ("EXPIRED TOKEN", "The token is expired"),
    6008: ("TOKEN NOT FOUND", "The token is not found"),
    6009: ("USER TEMPORARY BLOCKED", "The user is temporary blocked"),
    6010: ("EXPIRED PASSWORD", "The password is expired"),
    6011: ("INVALID PASSWORD", "The password is invalid"),
    6012: ("PREVIOUSLY USED PASSWORD", "The password is previously used"),
    7000: ("INTERNAL PAYMENT GATE ERROR", "Internal payment gate error"),
    7101: ("INTERNAL PAYMENT GATE SENDER ERROR", "Internal payment gate sender error"),
    7102: ("COMMUNICATION ERROR", "External communication error"),
    7103: ("COMMUNICATION TIMEOUT", "External communication timeout"),
}

# Known of later versions of the API only.
CODES_OF_LATER_VERSIONS = (4, 1006, 3025, 3027, 3130, 3131, 3132, 3133, 3134, 3135, 3140, 3150,
                           3157, 3170, 3202, 3203, 6013, 6014, 8000, 8001)


def status_of(code):
    if code == 0:
        return "success"
    return "decline" if 3100 <= code <= 3399 else "error"


# ---- answers ----

KEYS = ["api_version", "merchant_account", "sessionid", "transaction_unique_id", "token",
        "reference", "timestamp", "authcode", "status", "code", "message"]
CHECK_KEYS = ["api_version", "merchant_account", "sessionid", "transactions", "status", "code",
              "message"]
ELEMENT_KEYS = ["reference", "transaction_unique_id", "transaction_type", "status", "code",
                "message", "token", "timestamp", "authcode"]
PREFIXES = {"AUTH": "AT", "SALE": "SL", "SETTLE": "ST", "REFUND": "RF", "VOID": "VD"}

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def assert_common(answer, code, account="demo_merchant"):
    """What every answer has, whatever became of the request."""
    assert answer["api_version"] == 1 and not isinstance(answer["api_version"], (bool, str))
    assert answer["merchant_account"] == account
    assert UUID.fullmatch(answer["sessionid"])
    assert type(answer["code"]) is int and answer["code"] == code, answer
    assert answer["status"] == status_of(code)
    assert isinstance(answer["message"], str) and answer["message"]
    if "timestamp" in answer:
        assert type(answer["timestamp"]) is int


def assert_recorded(answer, sent, code=0):
    """The answer to an operation that was sent to the bank: every key has its value."""
    assert list(answer) == KEYS
    assert_common(answer, code)
    assert answer["transaction_unique_id"] == sent["transaction_unique_id"]
    assert UUID.fullmatch(answer["token"]) and len(answer["token"]) == 36
    assert re.fullmatch(PREFIXES[sent["transaction_type"]] + r"FF[0-9A-F]{16}", answer["reference"])
    assert isinstance(answer["authcode"], str) and len(answer["authcode"]) <= 24
    assert answer["message"] == CODES[code][1]


def assert_erroneous(answer, code, account=None):
    """A request that could not be taken: the same keys, and nothing in those of the operation."""
    assert list(answer) == KEYS
    assert_common(answer, code, account)
    for key in ("transaction_unique_id", "token", "reference", "authcode"):
        assert answer[key] is None, key


def missing(*fields):
    return "Mandatory field(s) missing " + ", ".join(f"`{field}`" for field in fields)


def fields_named(message):
    """The names in a message of code 1002 or 1004."""
    return re.findall(r"`(\w+)`(?:,| \(|$)", message)


def reason_of(message, field):
    """Why a field was invalid, when it was the only one."""
    found = re.fullmatch(rf"Validation error in field\(s\) `{field}` \((.+)\)", message, re.S)
    assert found, message
    return found.group(1)


# ---- encodings ----


def urlencoded(fields):
    return urllib.parse.urlencode(fields).encode()


BOUNDARY = "------------------------4ebf00fbcf09"
MULTIPART = f"multipart/form-data; boundary={BOUNDARY}"


def multipart(fields):
    parts = "".join(
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items())
    return f"{parts}--{BOUNDARY}--\r\n".encode()


ENCODINGS = {
    "json": ("application/json", lambda fields: json.dumps(fields).encode()),
    "urlencoded": ("application/x-www-form-urlencoded", urlencoded),
    "multipart": (MULTIPART, multipart),
}


def post(shop, body, content_type="application/json"):
    """The answer to any bytes, which must be JSON with HTTP status 200."""
    answer = shop.post(body, content_type)
    assert answer.status == 200, f"{answer.status} {answer.text}"
    assert answer.headers["Content-Type"].startswith("application/json")
    return answer.json()


def post_as(shop, encoding, fields):
    CARDS.add(str(fields.get("card_number", CARD["card_number"])))
    content_type, encode = ENCODINGS[encoding]
    return post(shop, encode(fields), content_type)


# ---- signature ----

PUBLIC_KEY = "pkTest_demo0000000000000000000000001"
PRIVATE_KEY = "skTest_DEMO0000000000000000000000002"
NOT_SIGNED = ("signature", "public_key", "card_number", "card_exp_month", "card_exp_year", "cvv",
              "card_holder")


def signature(fields, private_key=PRIVATE_KEY):
    """Of fields as the client writes them."""
    base = "".join(f"{name}={fields[name]}|" for name in sorted(fields)
                   if name not in NOT_SIGNED and fields[name] not in ("", None))
    return hashlib.sha256((base + private_key).lower().encode()).hexdigest()
