"""What may follow what: the life cycle of a payment, move by move, and ids that are used up."""

import pytest

from genome import (
    CODES, FOLLOWING, NO_REFERENCE, NO_TOKEN, PAYING, TOKEN_FORMS, assert_erroneous,
    assert_recorded, fresh_card, request)
from turnpike import Pay, succeeded, unique_id, wait_until

# Each history is a payment of 12.34 EUR; its answers by name.


def authorized(shop):
    return {"AT": succeeded(shop.auth())}


def authorized_with_a_token(shop):
    return {"AT": succeeded(shop.auth(token=succeeded(shop.tokenize())["token"]))}


def settled(shop):
    made = authorized(shop)
    return {**made, "ST": succeeded(shop.settle(made["AT"]["reference"]))}


def settled_in_part(shop):
    made = authorized(shop)
    return {**made, "ST": succeeded(shop.settle(made["AT"]["reference"], 5))}


def voided(shop):
    made = authorized(shop)
    return {**made, "VD": succeeded(shop.void(made["AT"]["reference"]))}


def sold(shop):
    return {"SL": succeeded(shop.sale())}


def sold_with_a_token(shop):
    return {"SL": succeeded(shop.sale(token=succeeded(shop.tokenize())["token"]))}


def sold_and_refunded(shop):
    made = sold(shop)
    return {**made, "RF": succeeded(shop.refund(made["SL"]["reference"]))}


def sold_and_refunded_in_part(shop):
    made = sold(shop)
    return {**made, "RF": succeeded(shop.refund(made["SL"]["reference"], 2))}


def settled_and_refunded(shop):
    made = settled(shop)
    return {**made, "RF": succeeded(shop.refund(made["ST"]["reference"]))}


def declined_auth(shop):
    return {"AT": shop.auth("7700.05")}


def declined_sale(shop):
    return {"SL": shop.sale("7700.05")}


# (history, whose reference, move, amount, currency, code). All moves that are not of the table,
# made by hand from the life cycle: an AUTH ends by SETTLE or VOID, a SALE or SETTLE is followed by
# one REFUND, and nothing follows the rest.
SAME = 12.34
MOVES = [
    (authorized, "AT", "SETTLE", SAME, "EUR", 0),
    (authorized, "AT", "SETTLE", 0.01, "EUR", 0),
    (authorized, "AT", "SETTLE", 12.33, "EUR", 0),
    (authorized, "AT", "SETTLE", 12.35, "EUR", 3016),
    (authorized, "AT", "SETTLE", 1000, "EUR", 3016),
    (authorized, "AT", "SETTLE", 0, "EUR", 3016),
    (authorized, "AT", "SETTLE", SAME, "USD", 3015),
    (authorized, "AT", "SETTLE", 0, "USD", 3015),
    (authorized, "AT", "SETTLE", 12, "JPY", 3015),
    (authorized, "AT", "VOID", None, None, 0),
    (authorized, "AT", "REFUND", SAME, "EUR", 3115),
    (authorized, "AT", "REFUND", 1, "EUR", 3115),
    (authorized, "AT", "REFUND", 0, "EUR", 3115),
    (authorized_with_a_token, "AT", "SETTLE", SAME, "EUR", 0),
    (authorized_with_a_token, "AT", "VOID", None, None, 0),
    (authorized_with_a_token, "AT", "REFUND", SAME, "EUR", 3115),
    (settled, "AT", "SETTLE", SAME, "EUR", 3010),
    (settled, "AT", "SETTLE", 1, "EUR", 3010),
    (settled, "AT", "SETTLE", 0, "EUR", 3010),
    (settled, "AT", "VOID", None, None, 3004),
    (settled, "ST", "VOID", None, None, 3004),
    (settled, "ST", "SETTLE", SAME, "EUR", 3003),  # the reference must be of an AUTH
    (settled, "ST", "REFUND", SAME, "EUR", 0),
    (settled, "ST", "REFUND", 1, "EUR", 0),
    (settled, "ST", "REFUND", 12.35, "EUR", 3022),
    (settled, "ST", "REFUND", 0, "EUR", 3022),
    (settled, "ST", "REFUND", SAME, "USD", 3015),
    (settled, "AT", "REFUND", SAME, "EUR", 3005),  # the reference must be of the SETTLE
    (settled_in_part, "AT", "SETTLE", 1, "EUR", 3010),  # what was left has been given back
    (settled_in_part, "AT", "VOID", None, None, 3004),
    (settled_in_part, "ST", "REFUND", 5, "EUR", 0),
    (settled_in_part, "ST", "REFUND", 5.01, "EUR", 3022),
    (settled_in_part, "ST", "REFUND", SAME, "EUR", 3022),
    (voided, "AT", "VOID", None, None, 3008),
    (voided, "AT", "SETTLE", SAME, "EUR", 3008),
    (voided, "AT", "SETTLE", 1000, "EUR", 3008),
    (voided, "AT", "SETTLE", 0, "EUR", 3008),
    (voided, "AT", "REFUND", SAME, "EUR", 3005),
    (voided, "AT", "REFUND", 0, "EUR", 3005),
    (voided, "VD", "VOID", None, None, 3004),
    (voided, "VD", "SETTLE", SAME, "EUR", 3003),
    (voided, "VD", "REFUND", SAME, "EUR", 3005),
    (sold, "SL", "REFUND", SAME, "EUR", 0),
    (sold, "SL", "REFUND", 0.01, "EUR", 0),
    (sold, "SL", "REFUND", 12.35, "EUR", 3022),
    (sold, "SL", "REFUND", 0, "EUR", 3022),
    (sold, "SL", "REFUND", SAME, "USD", 3015),
    (sold, "SL", "VOID", None, None, 3004),
    (sold, "SL", "SETTLE", SAME, "EUR", 3003),
    (sold, "SL", "SETTLE", 0, "EUR", 3003),
    (sold_with_a_token, "SL", "REFUND", SAME, "EUR", 0),
    (sold_with_a_token, "SL", "VOID", None, None, 3004),
    (sold_and_refunded, "SL", "REFUND", SAME, "EUR", 3009),
    (sold_and_refunded, "SL", "REFUND", 0.01, "EUR", 3009),
    (sold_and_refunded, "SL", "REFUND", 0, "EUR", 3009),
    (sold_and_refunded, "SL", "VOID", None, None, 3004),
    (sold_and_refunded, "RF", "VOID", None, None, 3004),
    (sold_and_refunded, "RF", "REFUND", SAME, "EUR", 3005),
    (sold_and_refunded, "RF", "SETTLE", SAME, "EUR", 3003),
    (sold_and_refunded_in_part, "SL", "REFUND", 1, "EUR", 3009),  # once only, in part or in full
    (sold_and_refunded_in_part, "SL", "REFUND", 10.34, "EUR", 3009),
    (sold_and_refunded_in_part, "RF", "REFUND", 1, "EUR", 3005),
    (settled_and_refunded, "ST", "REFUND", SAME, "EUR", 3009),
    (settled_and_refunded, "AT", "SETTLE", SAME, "EUR", 3010),
    (settled_and_refunded, "AT", "VOID", None, None, 3004),
    (settled_and_refunded, "ST", "VOID", None, None, 3004),
    (settled_and_refunded, "RF", "REFUND", SAME, "EUR", 3005),
    (declined_auth, "AT", "SETTLE", 7700.05, "EUR", 3003),
    (declined_auth, "AT", "VOID", None, None, 3004),
    (declined_auth, "AT", "REFUND", 7700.05, "EUR", 3005),
    (declined_sale, "SL", "REFUND", 7700.05, "EUR", 3005),
    (declined_sale, "SL", "VOID", None, None, 3004),
    (declined_sale, "SL", "SETTLE", 7700.05, "EUR", 3003),
]

REFUSED = [move for move in MOVES if move[-1] != 0]


def name_of(move):
    history, whose, kind, amount, currency, code = move
    return f"{history.__name__}-{kind}-{whose}-{amount}-{currency}-{code}".replace("None-", "")


def follow(shop, made, move, **fields):
    _, whose, kind, amount, currency, _ = move
    given = {"amount": amount, "currency": currency, "reference": made[whose]["reference"]}
    sent = shop.fields(kind, **{**given, **fields})
    return sent, shop.send(sent)


def state_of(gateway, made):
    opening = made.get("AT") or made["SL"]
    payment = gateway.payment(opening["reference"])
    return {name: payment[name] for name in
            ("state", "authorized_minor", "captured_minor", "refunded_minor")}


@pytest.mark.parametrize("move", MOVES, ids=name_of)
def test_each_move_is_answered_as_the_life_cycle_has_it(shop, move):
    made = move[0](shop)
    sent, answer = follow(shop, made, move)
    code = move[-1]
    assert answer["code"] == code, answer
    assert answer["message"] == CODES[code][1]
    if code == 0:
        assert_recorded(answer, sent)
    elif code < 3100:
        assert_erroneous(answer, code, "demo_merchant")


@pytest.mark.parametrize("move", REFUSED, ids=name_of)
def test_a_refused_move_changes_nothing_and_leaves_its_id_free(sandbox, shop, move):
    made = move[0](shop)
    before = state_of(sandbox, made)
    sent, answer = follow(shop, made, move)
    assert answer["code"] == move[-1]
    assert state_of(sandbox, made) == before
    assert shop.check(transaction_unique_id=sent["transaction_unique_id"])["code"] == 3014
    succeeded(shop.sale(transaction_unique_id=sent["transaction_unique_id"]))


@pytest.mark.parametrize("reference", [
    NO_REFERENCE, "SLFF00000000000000A1", "STFF7FFFFFFFFFFFFFFF", "ATFFFFFFFFFFFFFFFFFF",
    "ATFF0000000000000000", "A3FF00000000000000A1", "S3FF00000000000000A1",
    "CBFF00000000000000A1", "PTFF00000000000000A1", "QQFF00000000000000A1",
    "ATFF00000000395AD69G", "14848ff0308f8a396041", " ATFF000000000000001", "x" * 20,
    "\u0416" * 20, "' or 1=1 --         "])
@pytest.mark.parametrize("kind", ["SETTLE", "VOID", "REFUND"])
def test_an_unknown_reference_is_not_found(shop, kind, reference):
    """Whatever the amount."""
    for amount in ({}, {"amount": 0}):
        answer = shop.send(request(shop, kind, reference=reference, **amount))
        assert_erroneous(answer, 3003, "demo_merchant")


@pytest.mark.parametrize("kind", ["SETTLE", "VOID", "REFUND"])
def test_a_reference_in_other_letters_or_of_another_type_is_unknown(shop, kind):
    auth, sale = succeeded(shop.auth())["reference"], succeeded(shop.sale())["reference"]
    for wrong in ("SL" + auth[2:], "AT" + sale[2:], "ST" + auth[2:], "RF" + sale[2:],
                  "A3" + auth[2:], "S3" + auth[2:], "A3" + sale[2:], "S3" + sale[2:],
                  "at" + auth[2:], "VD" + auth[2:], auth.lower(), sale.lower()):
        if wrong not in (auth, sale):
            answer = shop.send(request(shop, kind, reference=wrong))
            assert_erroneous(answer, 3003, "demo_merchant")


@pytest.mark.parametrize("form", TOKEN_FORMS)
def test_an_unknown_token_is_not_found(shop, form):
    sent = request(shop, form, card_holder="ANN LEE", token=NO_TOKEN)
    assert_erroneous(shop.send(sent), 3002, "demo_merchant")
    succeeded(shop.sale(transaction_unique_id=sent["transaction_unique_id"]))


def test_a_full_payment_goes_from_hold_to_refund(sandbox, shop):
    auth = succeeded(shop.auth(20))
    assert state_of(sandbox, {"AT": auth}) == {
        "state": Pay.AUTHORIZED, "authorized_minor": 2000, "captured_minor": 0, "refunded_minor": 0}
    settle = succeeded(shop.settle(auth["reference"], 15))
    assert state_of(sandbox, {"AT": auth})["state"] == Pay.CAPTURED
    succeeded(shop.refund(settle["reference"], 15))
    assert state_of(sandbox, {"AT": auth}) == {
        "state": Pay.REFUNDED, "authorized_minor": 2000, "captured_minor": 1500,
        "refunded_minor": 1500}
    wanted = {"held_minor": 0, "captured_minor": 1500, "refunded_minor": 1500}
    assert wait_until(lambda: wanted.items() <= sandbox.position(auth["reference"]).items())


def test_a_void_gives_the_hold_back(sandbox, shop):
    auth = succeeded(shop.auth(20))
    void = succeeded(shop.void(auth["reference"]))
    assert void["token"] == auth["token"]
    assert state_of(sandbox, {"AT": auth})["state"] == Pay.VOIDED
    assert wait_until(lambda: sandbox.position(auth["reference"])["held_minor"] == 0)
    assert sandbox.position(auth["reference"])["captured_minor"] == 0


def test_what_a_settlement_leaves_is_given_back(sandbox, shop):
    auth = succeeded(shop.auth(20))
    succeeded(shop.settle(auth["reference"], 0.01))
    assert wait_until(lambda: sandbox.position(auth["reference"])["held_minor"] == 0)
    assert sandbox.position(auth["reference"])["captured_minor"] == 1


def test_a_refusal_by_the_bank_leaves_the_payment_as_it_was(sandbox, shop):
    """A completion that this host does not find: the hold can still be voided."""
    auth = succeeded(shop.auth(card_number="4000007700032219"))
    sent = shop.fields("SETTLE", reference=auth["reference"], amount=12.34, currency="EUR")
    assert_recorded(shop.send(sent), sent, code=3125)
    assert state_of(sandbox, {"AT": auth})["state"] == Pay.AUTHORIZED
    succeeded(shop.void(auth["reference"]))


# ---- ids ----


@pytest.mark.parametrize("form", PAYING + FOLLOWING)
def test_an_id_is_used_once(shop, form):
    """By any type; and the second request is refused, not answered like the first."""
    used = unique_id()
    first = succeeded(shop.sale(transaction_unique_id=used))
    fields = request(shop, form, transaction_unique_id=used)
    for _ in range(2):
        answer = shop.send(fields)
        assert_erroneous(answer, 3001, "demo_merchant")
        assert answer["message"] == CODES[3001][1]
    found = shop.check(transaction_unique_id=used)["transactions"]
    assert [element["reference"] for element in found] == [first["reference"]]


@pytest.mark.parametrize("kind", ["SETTLE", "REFUND", "VOID"])
def test_the_id_of_a_follow_up_is_used_too(shop, kind):
    opening = succeeded(shop.sale() if kind == "REFUND" else shop.auth())
    amount = {} if kind == "VOID" else {"amount": 12.34, "currency": "EUR"}
    sent = shop.fields(kind, reference=opening["reference"], **amount)
    succeeded(shop.send(sent))
    assert_erroneous(shop.send(sent), 3001, "demo_merchant")
    assert shop.sale(transaction_unique_id=sent["transaction_unique_id"])["code"] == 3001


def test_a_decline_uses_up_the_id(shop):
    for decline in ("7700.05", "7700.51", "7700.14"):
        used = unique_id()
        assert 3100 <= shop.sale(decline, transaction_unique_id=used)["code"] < 3200
        assert shop.sale(transaction_unique_id=used)["code"] == 3001


@pytest.mark.parametrize("wrong, code", [
    ({"amount": "10.005"}, 1004), ({"currency": "EURO"}, 1004), ({"zip": ""}, 1002),
    ({"api_version": 2}, 1005), ({"card_number": "4111111111111112"}, 1004),
    ({"token": NO_TOKEN}, 3002), ({"amount": 0}, 2007), ({"card_holder": "CODE 3101"}, 3101),
    ({"card_holder": "CODE 1"}, 1), ({"card_exp_year": "2019"}, 3105),
    ({"transaction_type": "AUTH3D"}, 3012),
    ({"transaction_type": "SETTLE", "reference": NO_REFERENCE}, 3003)])
def test_a_request_that_was_not_taken_leaves_its_id_free(shop, wrong, code):
    sent = request(shop, "SALE", card_holder="ANN LEE")
    for _ in range(2):
        assert shop.send(sent | wrong)["code"] == code
    assert shop.check(transaction_unique_id=sent["transaction_unique_id"])["code"] == 3014
    assert_recorded(succeeded(shop.send(sent)), sent)


def test_ids_are_compared_to_the_letter(shop):
    used = unique_id()
    for one in (used, used.upper(), used + " ", " " + used, used[:-1], used + "\u0416"):
        succeeded(shop.sale(transaction_unique_id=one))
        assert shop.sale(transaction_unique_id=one)["code"] == 3001
    number = 10**15 + int(used[:12], 16) % 10**15
    succeeded(shop.sale(transaction_unique_id=number))
    assert shop.sale(transaction_unique_id=str(number))["code"] == 3001


def test_the_same_order_may_be_paid_again_under_another_id(shop):
    card = fresh_card()
    first, second = succeeded(shop.sale(**card)), succeeded(shop.sale(**card))
    assert first["reference"] != second["reference"]
