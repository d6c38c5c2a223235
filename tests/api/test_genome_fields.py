"""Every field rule of POST /api/cc, for every transaction type that it belongs to.

The rows come from genome.py. A request that passes all of them is answered PASSED[form], and
nothing of it is recorded; only where the card holder is what is looked at, the payment is made.
"""

import pytest

from genome import (
    AUTHS, CARD_FORMS, CODES, FIELDS, FOLLOWING, FORMS, NO_REFERENCE, NO_TOKEN, OPENINGS, PASSED,
    PAYING, RIGHT, SALES, THREE_DS, TOKEN_FORMS, WITH_AMOUNT, WRONG, assert_erroneous,
    fields_named, missing, reason_of, request, required_of, rules_of, text_of_length, type_of,
    unknown_token)
from turnpike import CARD, PAYER, succeeded, wait_until

ROWS = [pytest.param(form, rule, id=f"{form.replace(' ', '-')}-{rule.field}")
        for form in FORMS for rule in rules_of(form)]

# Unknown accounts and wrong passwords come from another address, so that nobody is slowed down.
STRANGER = "127.0.0.2"


def rows(kind=None, required=None, but=()):
    """The rows of a kind, of required or optional fields."""
    return [row for row in ROWS
            if (kind is None or row.values[1].kind == kind)
            and (required is None or (row.values[0] in row.values[1].required) == required)
            and row.values[1].field not in but]


def limited(by):
    """The rows with such a limit of length. What the version may be is a matter of its own."""
    return [row for row in rows(but=("api_version",)) if by(row.values[1])]


def complete(shop, form, rule, **fields):
    """A request in which the field of the rule may stand, with what it needs beside it."""
    beside = {}
    if form in SALES and rule.field in ("reference", "pares"):
        beside = {"reference": NO_REFERENCE, "pares": "eJxVUctu"}
    if rule.field == "currency":
        beside = {"amount": "12"}
    return request(shop, form, **{**beside, **fields})


def passed(form, rule):
    """What a request is answered that is as it must be."""
    if rule.field in ("merchant_account", "merchant_password"):
        return 2001
    if rule.field == "pares" or (rule.field == "reference" and form in SALES):
        return 3012
    if rule.field == "token":
        return 3002  # of the right length, but nobody's
    if rule.field == "card_holder" and form in OPENINGS:
        return 0  # no name that asks for a code
    return PASSED[form]


def assert_passed(shop, form, rule, value):
    if passed(form, rule) == 2001:
        shop = type(shop)(shop.url, shop.login, shop.password, source=STRANGER)
    answer = shop.send(complete(shop, form, rule, **{rule.field: value}))
    assert answer["code"] == passed(form, rule), (value, answer)


def assert_invalid(shop, form, rule, value):
    """Refused for this field alone; the reason."""
    answer = shop.send(complete(shop, form, rule, **{rule.field: value}))
    assert answer["code"] == 1004, (value, answer)
    assert_erroneous(answer, 1004)
    return reason_of(answer["message"], rule.field)


@pytest.mark.parametrize("form", FORMS)
def test_a_request_of_required_fields_alone_is_complete(shop, form):
    answer = shop.send(request(shop, form))
    assert answer["code"] == PASSED[form], answer


@pytest.mark.parametrize("form, rule", rows(required=True, but=("token", "transaction_type")))
def test_a_required_field_that_is_absent_or_empty_is_missing(shop, form, rule):
    fields = request(shop, form)
    for empty in ({}, {rule.field: ""}, {rule.field: None}):
        sent = {name: value for name, value in fields.items() if name != rule.field}
        answer = shop.send({**sent, **empty})
        assert answer["message"] == missing(rule.field), (empty, answer)
        assert_erroneous(answer, 1002)


@pytest.mark.parametrize("form", FORMS)
def test_without_a_transaction_type_nothing_else_is_known_to_be_missing(shop, form):
    for empty in ({}, {"transaction_type": ""}, {"transaction_type": None}):
        fields = request(shop, form)
        del fields["transaction_type"]
        answer = shop.send({**fields, **empty})
        assert answer["message"] == missing("transaction_type"), answer
        assert_erroneous(answer, 1002)


@pytest.mark.parametrize("form", TOKEN_FORMS)
def test_an_empty_token_is_no_token_and_a_card_is_needed(shop, form):
    for empty in ("", None):
        answer = shop.send(request(shop, form) | {"token": empty})
        assert answer["code"] == 1002, answer
        assert set(fields_named(answer["message"])) == {
            "card_number", "card_exp_month", "card_exp_year"}


@pytest.mark.parametrize("form, rule", rows(required=False))
def test_an_optional_field_may_be_empty(shop, form, rule):
    for empty in ("", None):
        answer = shop.send(request(shop, form) | {rule.field: empty})
        if form == "CHECK" and rule.field == "transaction_unique_id":
            assert answer["code"] == 1002, answer  # it was the only one of the two
        else:
            assert answer["code"] == PASSED[form], (empty, answer)


@pytest.mark.parametrize("form, rule", limited(lambda rule: rule.shortest or rule.longest))
def test_the_shortest_and_the_longest_text_are_accepted(shop, form, rule):
    for n in {rule.shortest or 1, rule.longest or rule.shortest}:
        assert_passed(shop, form, rule, text_of_length(rule, n))


@pytest.mark.parametrize("form, rule", limited(lambda rule: (rule.shortest or 0) > 1))
def test_a_text_that_is_too_short_is_invalid(shop, form, rule):
    reason = assert_invalid(shop, form, rule, text_of_length(rule, rule.shortest - 1))
    if rule.kind == "country":
        assert reason == "Country length must be 3 chars"
    elif rule.shortest == rule.longest:
        assert reason == f"Provided argument must be a string with length {rule.longest}"


@pytest.mark.parametrize("form, rule", limited(lambda rule: rule.longest))
def test_a_text_that_is_too_long_is_invalid(shop, form, rule):
    reason = assert_invalid(shop, form, rule, text_of_length(rule, rule.longest + 1))
    if rule.kind == "country":
        assert reason == "Country length must be 3 chars"
    elif rule.shortest == rule.longest:
        assert reason == f"Provided argument must be a string with length {rule.longest}"
    else:
        assert reason == f"Expecting string with length less or equals {rule.longest}"


@pytest.mark.parametrize("form, rule", ROWS)
def test_an_array_an_object_and_a_boolean_are_no_text(shop, form, rule):
    for value in ([], ["12.34"], {}, {"a": 1}, True, False):
        reason = assert_invalid(shop, form, rule, value)
        assert reason == "Argument `value` must be string"


@pytest.mark.parametrize("form, rule", [row for row in ROWS if row.values[1].kind in RIGHT])
def test_values_of_the_right_kind_are_accepted(shop, form, rule):
    for value in RIGHT[rule.kind]:
        fits = rule.longest is None or rule.kind != "text" or len(value) <= rule.longest
        own_form = rule.field in ("token", "reference", "mid_reference", "transaction_unique_id")
        if fits and not (own_form and rule.kind == "text"):
            assert_passed(shop, form, rule, value)


@pytest.mark.parametrize(
    "form, rule", [row for row in ROWS if WRONG.get(row.values[1].kind)])
def test_values_of_the_wrong_kind_are_invalid(shop, form, rule):
    for value in WRONG[rule.kind]:
        reason = assert_invalid(shop, form, rule, value)
        if rule.kind == "email":
            assert reason == "Expected value must be valid email"
        if rule.kind == "month":
            assert reason == "Provided value is not valid month"


@pytest.mark.parametrize("number, rest", [
    ("4111111111111112", 1), ("4111111111111110", 9), ("5191330000004411", 6),
    ("371449635398432", 1)])
@pytest.mark.parametrize("form", CARD_FORMS + ("TOKENIZE",))
def test_a_wrong_card_number_is_told_the_rest_of_its_checksum(shop, form, number, rest):
    answer = shop.send(request(shop, form, card_number=number))
    assert reason_of(answer["message"], "card_number") == (
        f"Provided string has invalid Luhn checksum, rest is {rest}")


@pytest.mark.parametrize("form", WITH_AMOUNT)
def test_an_amount_below_zero_is_told_so(shop, form):
    for value in ("-0.01", -1):
        answer = shop.send(request(shop, form, amount=value))
        assert reason_of(answer["message"], "amount") == "Value must be greater or equals 0"


@pytest.mark.parametrize("form", PAYING)
def test_letters_count_not_bytes(shop, form):
    for field in ("first_name", "last_name", "address", "city", "state"):
        answer = shop.send(request(shop, form, **{field: "\u0416\u20ac" * 16}))
        assert answer["code"] == PASSED[form], answer
        answer = shop.send(request(shop, form, **{field: "\u0416\u20ac" * 16 + "\u0416"}))
        assert fields_named(answer["message"]) == [field]


@pytest.mark.parametrize("form", PAYING + ("TOKENIZE",))
def test_a_card_number_is_no_name(shop, form):
    answer = shop.send(request(shop, form, card_holder=CARD["card_number"]))
    assert answer["code"] == 1004, answer
    assert reason_of(answer["message"], "card_holder") == (
        "Field card_holder did not pass validation")


@pytest.mark.parametrize("field", [
    "transaction_unique_id", "first_name", "last_name", "card_holder", "address", "city", "state",
    "zip", "user_phone", "merchant_user_id", "descriptor_merchant"])
def test_control_characters_are_no_text(shop, field):
    """They would break lines of a log or of a receipt."""
    for character in "\n\r\t\x1b\x7f\x01":
        answer = shop.send(request(shop, "SALE") | {field: f"1234{character}567"})
        assert answer["code"] == 1004 and fields_named(answer["message"]) == [field], answer


@pytest.mark.parametrize("form", FORMS)
def test_all_missing_fields_are_named_at_once_and_no_other(shop, form):
    fields = shop.fields(type_of(form), transaction_unique_id=None)
    if form in TOKEN_FORMS:
        fields["token"] = NO_TOKEN
    answer = shop.send(fields)
    given = set(fields) | {"api_version", "merchant_account", "merchant_password"}
    wanted = [name for name in required_of(form) if name not in given]
    wanted += ["transaction_unique_id", "reference"] if form == "CHECK" else []
    assert answer["code"] == 1002
    assert answer["message"].startswith("Mandatory field(s) missing `")
    assert sorted(fields_named(answer["message"])) == sorted(wanted)


@pytest.mark.parametrize("form", FORMS)
def test_all_invalid_fields_are_named_at_once_and_no_other(shop, form):
    """Even those of the login."""
    names = [rule.field for rule in rules_of(form)
             if rule.field not in ("api_version", "transaction_type")]
    if form == "CHECK":
        names.remove("reference")
    answer = shop.send(request(shop, form) | {name: ["x"] for name in names})
    assert answer["code"] == 1004
    assert answer["message"].startswith("Validation error in field(s) `")
    assert sorted(fields_named(answer["message"])) == sorted(names)


@pytest.mark.parametrize("form", FORMS)
def test_fields_of_other_types_and_unknown_ones_are_ignored(shop, form):
    own = {rule.field for rule in rules_of(form)} | {"token"}
    others = {name: ["nonsense"] for name in FIELDS if name not in own}
    unknown = {"custom_order": "7", "customer": {"a": [1, None, True]}, "AMOUNT": "x", "": "y",
               "signature": 1, "public_key": []}
    answer = shop.send(request(shop, form) | others | unknown)
    assert answer["code"] == PASSED[form], answer


@pytest.mark.parametrize("form", TOKEN_FORMS)
def test_a_token_takes_the_place_of_the_card(shop, form):
    """Card fields beside it are not looked at."""
    answer = shop.send(request(shop, form, card_number="1", card_exp_month="x", card_exp_year="y"))
    assert answer["code"] == PASSED[form], answer


@pytest.mark.parametrize("form", SALES)
def test_a_sale_has_reference_and_pares_or_neither(shop, form):
    for field, other, value in (("reference", "pares", "eJxV"),
                                ("pares", "reference", NO_REFERENCE)):
        answer = shop.send(request(shop, form, **{other: value}))
        assert answer["message"] == missing(field) and answer["code"] == 1002


def test_a_check_has_a_reference_or_an_id(shop):
    answer = shop.ask("CHECK")
    assert answer["code"] == 1002
    assert sorted(fields_named(answer["message"])) == ["reference", "transaction_unique_id"]
    for fields in ({"reference": NO_REFERENCE}, {"transaction_unique_id": "1"}):
        assert shop.ask("CHECK", **fields)["code"] == 3014


@pytest.mark.parametrize("form", FORMS)
def test_only_version_one_is_spoken(shop, form):
    for right in (1, 1.0, "1", "1.0"):
        assert shop.send(request(shop, form, api_version=right))["code"] == PASSED[form], right
    for wrong in (0, 2, -1, 1.1, 10, "2", "1.1", "01", "v1", "one", "1,0", " 1", "1 ", "11",
                  "1." + "0" * 40):
        answer = shop.send(request(shop, form, api_version=wrong))
        assert answer["code"] == 1005, wrong
        assert answer["message"] == CODES[1005][1]
        assert_erroneous(answer, 1005)


@pytest.mark.parametrize("form", AUTHS + SALES)
def test_numbers_may_be_text_and_text_numbers(shop, form):
    as_numbers = request(shop, form, zip=1001, user_phone=37060000000, cvv=123, amount=12.34,
                         transaction_unique_id=2**53 - 1, merchant_user_id=7, api_version=1)
    as_text = request(shop, form, zip="1001", user_phone="37060000000", cvv="123", amount="12.34",
                      transaction_unique_id=str(2**53 - 1), merchant_user_id="7", api_version="1")
    if form in CARD_FORMS:
        as_numbers |= {"card_number": 4111111111111111, "card_exp_month": 12, "card_exp_year": 2031}
    assert shop.send(as_numbers)["code"] == PASSED[form]
    assert shop.send(as_text)["code"] == PASSED[form]


def test_what_was_sent_is_kept_and_the_card_is_not(sandbox, shop):
    """The facts of an operation: who paid and for what."""
    told = {"address": "1 \u0160v. Jono St", "city": "Vilnius", "state": "LT-VL",
            "user_phone": "+37060000000", "merchant_user_id": "u-7",
            "merchant_domain_name": "shop.example", "merchant_affiliate_id": "a-1",
            "merchant_product_name": "Tea Pot", "descriptor_merchant": "SHOP",
            "descriptor_phone": "180012345678", "mid_reference": "MD0000000D36A5F9",
            "date_of_birth": "1980-12-31", "cof_type": "CIT-initial", "custom_a": "unknown"}
    sale = shop.sale(**told)
    assert sale["code"] == 0, sale
    row = wait_until(lambda: sandbox.operation(sale["reference"]))
    facts = row["facts"] if isinstance(row["facts"], str) else row["facts"].decode()
    for name in told.keys() - {"custom_a"}:
        assert f'"{name}":' in facts, name
    for name in ("first_name", "last_name", "card_holder", "zip", "country", "user_email",
                 "user_ip"):
        assert f'"{name}":"{PAYER[name]}"' in facts
    for never in ("card_number", "cvv", "card_exp", "merchant_password", CARD["card_number"],
                  shop.password):
        assert never not in facts


# ---- the order of the checks ----


@pytest.mark.parametrize("form", FORMS)
def test_the_version_comes_before_missing_fields(shop, form):
    assert shop.send({"transaction_type": type_of(form), "api_version": 2})["code"] == 1005
    assert shop.send({"api_version": 2})["code"] == 1005


@pytest.mark.parametrize("form", [form for form in FORMS if form != "CHECK"])
def test_missing_fields_come_before_invalid_ones(shop, form):
    field = next(name for name in reversed(required_of(form)) if name != "token")
    fields = request(shop, form, merchant_account="x", transaction_unique_id="x" * 40)
    del fields[field]
    answer = shop.send(fields)
    assert answer["message"] == missing(field) and answer["code"] == 1002


@pytest.mark.parametrize("form", FORMS)
def test_invalid_fields_come_before_the_login(shop, form):
    wrong = {"merchant_password": "wrong_password"}
    rule = next(rule for rule in reversed(rules_of(form)) if rule.longest)
    fields = complete(shop, form, rule, **{rule.field: text_of_length(rule, rule.longest + 1)})
    assert shop.send(fields | wrong)["code"] == 1004
    stranger = type(shop)(shop.url, "nobody_at_all", shop.password, source=STRANGER)
    assert stranger.send(request(stranger, form, **unknown_token(form)))["code"] == 2001


@pytest.mark.parametrize("form", PAYING + FOLLOWING)
def test_the_login_comes_before_the_id_and_the_id_before_reference_and_token(shop, form):
    used = succeeded(shop.sale())["transaction_unique_id"]
    fields = request(shop, form, transaction_unique_id=used, **unknown_token(form))
    assert shop.send(fields)["code"] == 3001
    stranger = type(shop)(shop.url, shop.login, shop.password, source=STRANGER)
    assert stranger.send(fields | {"merchant_password": "wrong_password"})["code"] == 2001


ANN = {"card_holder": "ANN LEE"}
FINISHES_3D = {"pares": "eJxV", "reference": NO_REFERENCE}


@pytest.mark.parametrize("form, fields, code", [
    ("SALE", {**ANN, "card_exp_year": "2019"}, 3105),
    ("AUTH", {**ANN, "card_exp_year": "2019"}, 3105),
    ("AUTH3D", ANN, 3012), ("SALE3D", ANN, 3012), ("AUTH3D by token", ANN, 3012),
    ("SALE", {**ANN, **FINISHES_3D}, 3012), ("AUTH by token", {**ANN, **FINISHES_3D}, 3012),
    ("SALE", {"card_holder": "CODE 3101"}, 3101), ("AUTH", {"card_holder": "CODE 1"}, 1),
    ("SALE by token", {"card_holder": "CODE 3101"}, 3101),
    ("SALE by token", {**ANN, "token": NO_TOKEN}, 3002),
    ("SALE", {**ANN, "amount": 0}, 2007),
    ("SETTLE", {"amount": 0}, 3003), ("REFUND", {"amount": 0}, 3003), ("VOID", {}, 3003)])
def test_a_used_id_comes_before_all_else_that_speaks_against_it(shop, form, fields, code):
    used = succeeded(shop.sale())["transaction_unique_id"]
    assert_erroneous(shop.send(request(shop, form, transaction_unique_id=used, **fields)), 3001,
                     "demo_merchant")
    assert shop.send(request(shop, form, **fields))["code"] == code


@pytest.mark.parametrize("form, fields", [
    ("AUTH3D by token", {}), ("SALE3D by token", {}), ("AUTH by token", FINISHES_3D),
    ("SALE by token", FINISHES_3D), ("AUTH by token", {"card_holder": "CODE 3101"}),
    ("SALE by token", {"card_holder": "CODE 1"}), ("SALE by token", {"amount": 0})])
def test_an_unknown_token_comes_before_what_is_refused_with_any_token(shop, form, fields):
    fields = {**ANN, **fields}
    answer = shop.send(request(shop, form, token=NO_TOKEN, **fields))
    assert_erroneous(answer, 3002, "demo_merchant")
    assert shop.send(request(shop, form, **fields))["code"] not in (0, 3002)


@pytest.mark.parametrize("form, fields, code", [
    ("AUTH3D", {"card_exp_year": "2019"}, 3012), ("SALE", {**FINISHES_3D, "amount": 0}, 3012),
    ("SALE", {**FINISHES_3D, "card_exp_year": "2019"}, 3012),
    ("SALE", {"card_exp_year": "2019"}, 3105), ("AUTH", {"card_exp_year": "2019"}, 3105),
    ("SALE", {**ANN, "card_exp_year": "2019", "amount": 0}, 3105), ("SALE", {"amount": 0}, 3101),
    ("SALE", {"amount": "7700.05"}, 3101)])
def test_3d_secure_the_date_the_wanted_code_the_limits_and_the_bank_come_in_this_order(
        shop, form, fields, code):
    """The card holder asks for code 3101 where nobody else is named."""
    assert shop.send(request(shop, form, **fields))["code"] == code


def test_the_token_comes_before_the_bank(shop):
    """This amount is declined with any card."""
    assert shop.sale(amount="7700.51", token=NO_TOKEN)["code"] == 3002
    assert shop.sale(amount="7700.51", token=shop.tokenize()["token"])["code"] == 3101


def test_the_state_comes_before_the_amount(shop):
    auth = shop.auth()
    assert shop.void(auth["reference"])["code"] == 0
    assert shop.settle(auth["reference"], 99.99)["code"] == 3008
    assert shop.settle(auth["reference"], 12, currency="USD")["code"] == 3008
