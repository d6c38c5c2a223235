"""CHECK: what became of a transaction, asked by reference, by id, or by both."""

import time

import pytest

from genome import (
    CHECK_KEYS, CODES, ELEMENT_KEYS, ENCODINGS, NO_REFERENCE, assert_common, assert_erroneous,
    fresh_card, post_as)
from turnpike import operation_id, succeeded, unique_id


def make(shop, kind):
    """A transaction of that type; its answer."""
    if kind in ("AUTH", "SALE"):
        return succeeded((shop.auth if kind == "AUTH" else shop.sale)(**fresh_card()))
    if kind == "REFUND":
        return succeeded(shop.refund(succeeded(shop.sale())["reference"]))
    opening = succeeded(shop.auth())["reference"]
    return succeeded(shop.settle(opening) if kind == "SETTLE" else shop.void(opening))


def element_of(answer):
    """The only transaction of an answer that found one."""
    assert list(answer) == CHECK_KEYS
    assert_common(answer, 0)
    assert answer["message"] == CODES[0][1]
    assert len(answer["transactions"]) == 1
    element = answer["transactions"][0]
    assert list(element) == ELEMENT_KEYS
    assert type(element["code"]) is int and type(element["timestamp"]) is int
    for key in ELEMENT_KEYS:
        if key not in ("code", "timestamp"):
            assert isinstance(element[key], str), key
    return element


@pytest.mark.parametrize("kind", ["AUTH", "SALE", "SETTLE", "REFUND", "VOID"])
@pytest.mark.parametrize("asked", [
    ("reference",), ("transaction_unique_id",), ("reference", "transaction_unique_id")])
def test_every_type_is_found_in_every_way(shop, kind, asked):
    made = make(shop, kind)
    element = element_of(shop.check(**{name: made[name] for name in asked}))
    assert element["transaction_type"] == kind
    assert (element["status"], element["code"], element["message"]) == ("SUCCESS", 0, "SUCCESS")
    for key in ("reference", "transaction_unique_id", "token", "authcode"):
        assert element[key] == made[key]
    if kind in ("AUTH", "SALE", "VOID"):
        assert len(element["authcode"]) == 6
    assert abs(element["timestamp"] - time.time()) < 60


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_check_may_be_sent_in_every_encoding(shop, encoding):
    made = make(shop, "SALE")
    fields = shop.fields("CHECK", reference=made["reference"])
    assert element_of(post_as(shop, encoding, fields))["reference"] == made["reference"]


@pytest.mark.parametrize("amount, code", [("7700.05", 3100), ("7700.51", 3101), ("7700.17", 3023)])
@pytest.mark.parametrize("kind", ["AUTH", "SALE"])
def test_a_refusal_is_found_as_such_in_an_answer_that_succeeds(shop, kind, amount, code):
    made = shop.auth(amount) if kind == "AUTH" else shop.sale(amount)
    assert made["code"] == code
    element = element_of(shop.check(made["reference"]))
    assert element["status"] == ("DECLINE" if code >= 3100 else "ERROR")
    assert (element["code"], element["message"]) == (code, CODES[code][0])
    assert element["token"] == made["token"] and element["authcode"] == ""


def test_a_check_may_be_sent_at_any_stage_and_as_often_as_one_likes(shop):
    auth = make(shop, "AUTH")
    first = element_of(shop.check(auth["reference"]))
    settle = succeeded(shop.settle(auth["reference"]))
    assert element_of(shop.check(auth["reference"])) == first
    succeeded(shop.refund(settle["reference"]))
    for _ in range(3):
        assert element_of(shop.check(auth["reference"])) == first
        assert element_of(shop.check(settle["reference"]))["transaction_type"] == "SETTLE"


def test_a_check_writes_nothing(sandbox, shop):
    made = make(shop, "SALE")
    count = "SELECT (SELECT count(*) FROM operation) + (SELECT count(*) FROM entry) AS n"
    before = sandbox.rows(count)
    for _ in range(5):
        succeeded(shop.check(made["reference"]))
        shop.check(NO_REFERENCE)
    assert sandbox.rows(count) == before


def assert_nothing_found(answer):
    assert "transactions" not in answer
    assert_erroneous(answer, 3014, "demo_merchant")
    assert answer["message"] == CODES[3014][1]


def test_what_is_not_there_is_not_found(shop):
    for reference in (NO_REFERENCE, "SLFF00000000000000A1", "CBFF00000000000000A1", "x" * 20,
                      "0" * 20, " " * 20, "ATFF0000000000000000", "ATFFFFFFFFFFFFFFFFFF"):
        assert_nothing_found(shop.check(reference))
    for number in ("0", "x" * 32, "%", "order'--", unique_id()):
        assert_nothing_found(shop.check(transaction_unique_id=number))


def test_a_reference_is_compared_to_the_letter(shop):
    reference = make(shop, "SALE")["reference"]
    for wrong in (reference.lower(), "AT" + reference[2:], "ST" + reference[2:],
                  "A3" + reference[2:], "S3" + reference[2:], "sl" + reference[2:],
                  reference[:2] + "ff" + reference[4:]):
        assert_nothing_found(shop.check(wrong))


def test_a_reference_and_an_id_must_mean_the_same_transaction(shop):
    one, other = make(shop, "SALE"), make(shop, "SALE")
    for reference, number in (
            (one["reference"], other["transaction_unique_id"]),
            (one["reference"], unique_id()), (NO_REFERENCE, one["transaction_unique_id"])):
        assert_nothing_found(shop.check(reference, transaction_unique_id=number))


def test_what_was_refused_before_it_was_taken_is_not_found(shop):
    for fields in ({"amount": "10.005"}, {"card_holder": "CODE 3101"}, {"token": "x" * 36},
                   {"amount": 0}):
        number = unique_id()
        assert shop.sale(transaction_unique_id=number, **fields)["code"] != 0
        assert_nothing_found(shop.check(transaction_unique_id=number))


def test_what_the_gateway_does_by_itself_is_not_shown(sandbox, shop):
    """A release, a reversal: no merchant has asked for them."""
    auth = make(shop, "AUTH")
    succeeded(shop.settle(auth["reference"], 5))
    own = operation_id(auth["reference"])
    rows = sandbox.rows("SELECT id FROM operation WHERE payment_id = ? AND kind > 5", own)
    assert rows
    for prefix in ("AT", "SL", "ST", "RF", "VD"):
        assert_nothing_found(shop.check(f"{prefix}FF{rows[0]['id']:016X}"))


def test_a_bad_check_has_the_keys_of_an_error(shop):
    for fields, code in (({}, 1002), ({"reference": "short"}, 1004),
                         ({"transaction_unique_id": "x" * 33}, 1004),
                         ({"reference": NO_REFERENCE, "api_version": 3}, 1005),
                         ({"reference": ["x"]}, 1004)):
        answer = shop.ask("CHECK", **fields)
        assert "transactions" not in answer
        assert_erroneous(answer, code)
