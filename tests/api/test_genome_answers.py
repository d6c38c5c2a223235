"""What POST /api/cc answers when it has worked: every type, with card and token, and the money."""

import json
import time

import pytest

from genome import (
    AUTHS, CHECK_KEYS, CODES, ELEMENT_KEYS, KEYS, SALES, THREE_DS, assert_common, assert_erroneous,
    assert_recorded, fresh_card, post_as, reason_of, request)
from turnpike import CARD, PAYER, State, succeeded, unique_id, wait_until

PAY = {"amount": 12.34, "currency": "EUR", **PAYER}


def opening(shop, form, card=None, **fields):
    """The fields of an AUTH or SALE that will be approved, with a card or with its token."""
    card = card or fresh_card()
    if form.endswith("by token"):
        card = {"token": succeeded(shop.tokenize(**card))["token"]}
    return shop.fields(form.split()[0], **{**PAY, **card, **fields})


# ---- shapes ----


@pytest.mark.parametrize("form", AUTHS + SALES)
def test_an_opening_answers_every_field_in_order(shop, form):
    sent = opening(shop, form)
    began = int(time.time())
    answer = succeeded(shop.send(sent))
    assert_recorded(answer, sent)
    assert began <= answer["timestamp"] <= time.time()
    assert answer["authcode"]


@pytest.mark.parametrize("kind", ["SETTLE", "VOID", "REFUND"])
def test_a_follow_up_answers_every_field_in_order(shop, kind):
    first = succeeded(shop.sale() if kind == "REFUND" else shop.auth())
    amount = {} if kind == "VOID" else {"amount": 12.34, "currency": "EUR"}
    sent = shop.fields(kind, reference=first["reference"], **amount)
    answer = succeeded(shop.send(sent))
    assert_recorded(answer, sent)
    assert answer["token"] == first["token"]
    assert answer["reference"] != first["reference"]
    if kind == "VOID":
        assert answer["authcode"] == first["authcode"]


def test_tokenize_answers_a_token_and_nothing_else(shop):
    answer = succeeded(shop.tokenize(**fresh_card()))
    assert list(answer) == KEYS
    assert_common(answer, 0)
    assert len(answer["token"]) == 36
    assert answer["message"] == "Transaction processed successfully"
    for key in ("transaction_unique_id", "reference", "authcode"):
        assert answer[key] is None


def test_a_check_answers_the_transactions(shop):
    sale = succeeded(shop.sale())
    answer = shop.check(sale["reference"])
    assert list(answer) == CHECK_KEYS
    assert_common(answer, 0)
    assert answer["message"] == "Transaction processed successfully"
    assert [list(element) for element in answer["transactions"]] == [ELEMENT_KEYS]
    element = answer["transactions"][0]
    assert abs(element.pop("timestamp") - sale["timestamp"]) <= 1  # of its beginning, of its end
    assert element == {
        "reference": sale["reference"], "transaction_unique_id": sale["transaction_unique_id"],
        "transaction_type": "SALE", "status": "SUCCESS", "code": 0, "message": "SUCCESS",
        "token": sale["token"], "authcode": sale["authcode"]}


def test_a_decline_has_the_shape_of_a_success(shop):
    sent = shop.fields("SALE", **PAY | {"amount": "7700.51"}, **fresh_card())
    answer = shop.send(sent)
    assert_recorded(answer, sent, code=3101)
    assert answer["status"] == "decline" and answer["message"] == "insufficient funds"


@pytest.mark.parametrize("form", THREE_DS)
def test_a_merchant_without_3d_secure_is_told_so(shop, form):
    fields = request(shop, form, card_holder="ANN LEE")
    for _ in range(2):  # the id is still free
        answer = shop.send(fields)
        assert_erroneous(answer, 3012, "demo_merchant")
        assert answer["message"] == CODES[3012][1]


def test_paying_with_a_result_of_3d_secure_needs_3d_secure(shop):
    for form in AUTHS + SALES:
        sent = request(shop, form, card_holder="ANN LEE", pares="eJxV",
                       reference="A3FF00000000000000A1")
        assert_erroneous(shop.send(sent), 3012, "demo_merchant")


def test_no_answer_repeats_what_is_secret(shop):
    card = fresh_card()
    for fields in ({}, {"amount": "7700.05"}, {"first_name": ["x"]}, {"zip": ""},
                   {"card_number": card["card_number"], "card_exp_year": "31"}):
        sent = shop.fields("SALE", **{**PAY, **card, "cvv": "9876", **fields})
        text = shop.post(json.dumps(sent)).text
        for secret in (card["card_number"], card["card_number"][6:], shop.password, "9876"):
            assert secret not in text


# ---- references and tokens ----


def test_references_and_sessions_are_never_the_same(shop):
    answers = [succeeded(shop.sale()) for _ in range(20)]
    assert len({answer["reference"] for answer in answers}) == 20
    assert len({answer["sessionid"] for answer in answers}) == 20
    assert [a["reference"] for a in answers] == sorted(a["reference"] for a in answers)


def test_a_card_has_one_token_whatever_it_is_used_for(shop):
    card = fresh_card()
    token = succeeded(shop.tokenize(**card))["token"]
    sale = succeeded(shop.sale(**card))
    assert sale["token"] == token
    assert succeeded(shop.auth(**card))["token"] == token
    assert succeeded(shop.sale(**card | {"card_exp_year": "2032"}))["token"] == token
    assert succeeded(shop.auth(token=token))["token"] == token
    assert succeeded(shop.refund(sale["reference"]))["token"] == token
    assert succeeded(shop.tokenize(**fresh_card()))["token"] != token


def test_a_token_begins_with_the_time_of_its_making(shop):
    token = succeeded(shop.tokenize(**fresh_card()))["token"]
    assert abs(int(token[:8], 16) - time.time()) < 60


def test_a_token_needs_no_card_and_no_cvv(shop):
    token = succeeded(shop.tokenize(**fresh_card()))["token"]
    for kind in ("AUTH", "SALE"):
        for cvv in ({}, {"cvv": "123"}):
            sent = shop.fields(kind, **PAY, token=token, **cvv)
            assert_recorded(succeeded(shop.send(sent)), sent)


def test_tokenize_takes_a_cvv_or_none(shop):
    card = fresh_card()
    assert succeeded(shop.tokenize(**card))["token"] == succeeded(
        shop.tokenize(**card | {"cvv": None}))["token"]


def test_tokenize_does_not_use_up_an_id(shop):
    used = unique_id()
    for _ in range(2):
        succeeded(shop.tokenize(transaction_unique_id=used))
    succeeded(shop.sale(transaction_unique_id=used))


def test_a_token_that_nobody_has_is_unknown(shop):
    token = succeeded(shop.tokenize())["token"]
    for wrong in (token[:-1] + ("0" if token[-1] != "0" else "1"), token.replace("-", "0"),
                  token[1:] + " ", "0" * 36, "-" * 36, "\u0416" * 36):
        answer = shop.sale(token=wrong)
        assert_erroneous(answer, 3002, "demo_merchant")


# ---- money ----

AMOUNTS = [  # (sent, currency, minor units)
    (12.34, "EUR", 1234), ("12.34", "EUR", 1234), (10, "EUR", 1000), (10.0, "EUR", 1000),
    ("10", "EUR", 1000), ("10.0", "EUR", 1000), ("10.00", "EUR", 1000), ("10.000", "EUR", 1000),
    (0.01, "EUR", 1), ("0.01", "USD", 1), (19.99, "USD", 1999), (1.1, "GBP", 110),
    (1.15, "EUR", 115), (2.675, "KWD", 2675), (4.35, "EUR", 435), (1e2, "EUR", 10000),
    (0.29, "EUR", 29), (1010101.01, "EUR", 101010101), (9999999999.99, "EUR", 999999999999),
    ("9999999999.99", "EUR", 999999999999), (100, "JPY", 100), ("100", "JPY", 100),
    (100.0, "JPY", 100), (9999999999, "JPY", 9999999999), (1.234, "KWD", 1234),
    ("0.001", "KWD", 1), (5, "BHD", 5000), ("1.5", "TND", 1500),
    (999999999.999, "KWD", 999999999999), ("999999999.999", "KWD", 999999999999),
    (12.3456, "CLF", 123456),
]


@pytest.mark.parametrize("encoding", ["json", "urlencoded"])
@pytest.mark.parametrize("sent, currency, minor", AMOUNTS)
def test_an_amount_is_taken_to_the_last_minor_unit(sandbox, shop, sent, currency, minor, encoding):
    fields = shop.fields("SALE", **PAYER, **CARD, amount=sent, currency=currency)
    answer = succeeded(post_as(shop, encoding, fields))
    assert sandbox.position(answer["reference"])["captured_minor"] == minor
    row = sandbox.operation(answer["reference"])
    assert row["amount_minor"] == minor


INEXACT = [
    (10.005, "EUR", 2), ("10.005", "EUR", 2), (0.001, "USD", 2), ("12.345", "GBP", 2),
    (0.5, "JPY", 0), ("0.5", "JPY", 0), ("100.01", "JPY", 0), (1.2345, "KWD", 3),
    ("1.2345", "KWD", 3), ("0.0001", "BHD", 3), (1e-3, "EUR", 2), ("12.34567", "CLF", 4),
]


@pytest.mark.parametrize("kind", ["AUTH", "SALE", "SETTLE", "REFUND"])
@pytest.mark.parametrize("sent, currency, decimals", INEXACT)
def test_an_amount_that_is_not_exact_is_refused_not_rounded(shop, kind, sent, currency, decimals):
    answer = shop.send(request(shop, kind, amount=sent, currency=currency))
    assert answer["code"] == 1004, answer
    assert str(decimals) in reason_of(answer["message"], "amount")
    assert_erroneous(answer, 1004)


@pytest.mark.parametrize("sent, currency", [
    ("10000000000", "EUR"), (10000000000, "EUR"), ("10000000000", "JPY"), (10000000000, "JPY"),
    ("10000000000", "KWD"), (1e11, "USD"), ("9" * 30, "EUR"), ("1e30", "EUR")])
def test_an_amount_beyond_the_largest_is_invalid(shop, sent, currency):
    for kind in ("AUTH", "SALE", "SETTLE", "REFUND"):
        answer = shop.send(request(shop, kind, amount=sent, currency=currency))
        assert answer["code"] == 1004, answer
        reason_of(answer["message"], "amount")


def test_nothing_is_not_an_amount_to_pay(shop):
    for kind in ("AUTH", "SALE"):
        for amount in (0, "0", "0.00", -0.0):
            answer = shop.send(request(shop, kind, card_holder="ANN LEE", amount=amount))
            assert_erroneous(answer, 2007, "demo_merchant")


def test_the_bank_sees_the_amount_and_the_currency(sandbox, shop):
    sale = succeeded(shop.sale("1.234", currency="KWD"))
    journal = [line for line in sandbox.journal() if line["cur"] == 414 and line["amount"] == 1234]
    assert journal and sandbox.position(sale["reference"]) == {
        "held_minor": 0, "captured_minor": 1234, "refunded_minor": 0, "messages": 1}


def test_the_ledger_books_a_sale_once(sandbox, shop):
    sale = succeeded(shop.sale(10))
    number = int(sale["reference"][4:], 16)
    entries = sandbox.rows("SELECT * FROM entry WHERE operation_id = ?", number)
    assert sum(entry["amount_minor"] for entry in entries) == 0
    assert sorted(abs(entry["amount_minor"]) for entry in entries) == [1000, 1000]


# ---- test cards ----

TEST_CARDS = [
    ("4111111111111111", "123"), ("5191330000004415", "123"), ("4012000300001003", "123"),
    ("371449635398431", "1234"), ("6011111111111117", "123"), ("30569309025904", "123"),
    ("3530111333300000", "123"), ("5555555555554444", "123")]


@pytest.mark.parametrize("number, cvv", TEST_CARDS)
def test_a_published_test_card_is_approved_with_its_printed_date(shop, number, cvv):
    """10/2022 has passed; in test mode every year from 2020 will do."""
    card = {"card_number": number, "card_exp_month": "10", "card_exp_year": "2022", "cvv": cvv}
    auth = succeeded(shop.auth(**card))
    succeeded(shop.settle(auth["reference"]))
    sale = succeeded(shop.sale(**card))
    succeeded(shop.refund(sale["reference"]))
    token = succeeded(shop.tokenize(**card))["token"]
    assert token == sale["token"]
    succeeded(shop.sale(token=token))


@pytest.mark.parametrize("number, cvv", TEST_CARDS)
def test_a_published_test_card_takes_any_valid_date_and_any_cvv(shop, number, cvv):
    for month, year in (("01", "2020"), ("12", "2020"), ("06", "2026"), ("12", "2049")):
        succeeded(shop.sale(card_number=number, card_exp_month=month, card_exp_year=year, cvv=cvv))
    for other in ("000", "999", "1234"):
        succeeded(shop.sale(**CARD | {"card_number": number, "cvv": other}))
    succeeded(shop.sale(**CARD | {"card_number": number, "cvv": None}))


def test_any_card_of_2020_or_later_is_accepted_in_test_mode(shop):
    for month, year in (("01", "2020"), ("12", "2021"), ("06", "2025")):
        card = fresh_card() | {"card_exp_month": month, "card_exp_year": year}
        sale = succeeded(shop.sale(**card))
        succeeded(shop.refund(sale["reference"]))
        auth = succeeded(shop.auth(token=sale["token"]))
        succeeded(shop.settle(auth["reference"]))


@pytest.mark.parametrize("number, cvv", TEST_CARDS)
def test_a_card_of_the_years_before_2020_has_expired_even_in_test_mode(shop, number, cvv):
    card = {"card_number": number, "card_exp_month": "12", "card_exp_year": "2019", "cvv": cvv}
    for answer in (shop.sale(**card), shop.auth(**card)):
        assert answer["code"] == 3105 and answer["status"] == "decline", answer
        assert answer["message"] == CODES[3105][1]


# ---- nothing is left half done ----


def test_what_was_answered_is_what_the_books_say(sandbox, shop):
    auth = succeeded(shop.auth(20))
    assert sandbox.position(auth["reference"])["held_minor"] == 2000
    succeeded(shop.settle(auth["reference"], 15.5))
    held = wait_until(lambda: sandbox.position(auth["reference"])["held_minor"] == 0)
    assert held, sandbox.position(auth["reference"])
    assert sandbox.position(auth["reference"])["captured_minor"] == 1550
    assert sandbox.operation(auth["reference"])["state"] == State.APPROVED
    payment = sandbox.payment(auth["reference"])
    assert (payment["authorized_minor"], payment["captured_minor"]) == (2000, 1550)
