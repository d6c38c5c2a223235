"""Who is asking: password, signature, and what belongs to others."""

import json
import time

import pytest

from genome import (
    CARD_FORMS, CODES, FORMS, NO_REFERENCE, OPENINGS, PASSED, PRIVATE_KEY, PUBLIC_KEY,
    assert_erroneous, assert_recorded, fields_named, missing, post, post_as, request, signature)
from turnpike import CARD, add_merchant, succeeded

# Wrong passwords slow down whoever sends them: each test is somebody else.
STRANGERS = (f"127.0.1.{n}" for n in range(1, 255))


@pytest.fixture(name="stranger")
def shop_from_another_address(sandbox):
    return sandbox.shop(source=next(STRANGERS))


@pytest.fixture(scope="module", name="neighbour")
def another_merchant(sandbox):
    add_merchant(sandbox.data, "neighbour_shop", "neighbour_password", mid="GENOME000000077",
                 tid="GENOME77")
    sandbox.see_merchants()
    return sandbox.shop("neighbour_shop", "neighbour_password")


# ---- password ----


@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_password_is_refused(stranger, form):
    fields = request(stranger, form, merchant_password="wrong_password")
    answer = stranger.send(fields)
    assert_erroneous(answer, 2001)
    assert answer["message"] == CODES[2001][1]


@pytest.mark.parametrize("password", [
    "demo_passwor", "demo_passwordd", "Demo_password", "DEMO_PASSWORD", "demo_password ", " " * 13,
    "demo_p\u0430ssword"])
def test_a_password_is_compared_to_the_letter(stranger, password):
    assert_erroneous(stranger.send(request(stranger, "SALE", merchant_password=password)), 2001)


@pytest.mark.parametrize("account", [
    "nobody_at_all", "Demo_merchant", "demo_merchant ", "demo_merchan", "' or 1=1 --", "demo_m%",
    "\u0434\u0435\u043c\u043e__"])
def test_an_unknown_account_is_answered_like_a_wrong_password(stranger, account):
    answer = stranger.send(request(stranger, "SALE", merchant_account=account))
    assert_erroneous(answer, 2001)
    assert answer["message"] == CODES[2001][1]


def test_the_account_is_echoed_only_when_it_is_proved(shop, stranger):
    assert shop.check(NO_REFERENCE)["merchant_account"] == "demo_merchant"
    assert shop.check("too short")["merchant_account"] is None
    assert stranger.check(NO_REFERENCE, merchant_password="wrong_password")[
        "merchant_account"] is None


def test_guessing_is_slowed_down_and_hurts_nobody_else(sandbox, shop, stranger):
    """Behind five wrong passwords no other is looked at for a while, from that address."""
    for i in range(6):
        assert stranger.check(NO_REFERENCE, merchant_password=f"wrong_password{i}")["code"] == 2001
    began = time.monotonic()
    for i in range(20):
        assert stranger.check(NO_REFERENCE, merchant_password=f"guess_number_{i}")["code"] == 2001
    assert time.monotonic() - began < 5
    assert shop.check(NO_REFERENCE)["code"] == 3014
    assert sandbox.shop(source=next(STRANGERS)).check(NO_REFERENCE)["code"] == 3014


# ---- signature ----


def test_the_published_vector_is_reproduced():
    fields = {
        "amount": "10", "api_version": "1", "auth_type": "bySignature", "country": "LTU",
        "currency": "EUR", "first_name": "Ann", "last_name": "Lee", "transaction_type": "AUTH",
        "transaction_unique_id": "order-000001", "user_email": "a@b.co", "user_ip": "127.0.0.1",
        "public_key": PUBLIC_KEY, "card_number": CARD["card_number"], "cvv": "123", "city": ""}
    assert signature(fields, "skTest_DEMO0000000000000000000000002") == (
        "b021e1b98a927c9bc8f0d51198ee05a4b9621075a9ee2b17fa8fa27bc83d40d4")


def signed(shop, form, signed_as=(), private_key=PRIVATE_KEY, **fields):
    """A request that logs in by its signature; signed_as: values as the client signs them, where
    it sends others."""
    made = request(shop, form, auth_type="bySignature", **fields)
    del made["merchant_account"], made["merchant_password"]
    written = {name: value for name, value in made.items() if value is not None}
    made.update(public_key=PUBLIC_KEY, signature=signature(written | dict(signed_as), private_key))
    return made


@pytest.mark.parametrize("form", FORMS)
def test_a_signature_takes_the_place_of_account_and_password(shop, form):
    answer = shop.send(signed(shop, form))
    assert answer["code"] == PASSED[form], answer
    assert answer["merchant_account"] == "demo_merchant"


@pytest.mark.parametrize("form", ["AUTH", "SALE"])
def test_a_signed_payment_is_a_payment(shop, form):
    fields = signed(shop, form, card_holder="ANN LEE")
    assert_recorded(succeeded(shop.send(fields)), fields)


@pytest.mark.parametrize("sent, written", [
    (10.0, "10"), (10.0, "10.0"), (10, "10"), (10, "10.0"), (10.5, "10.5"), (19.99, "19.99"),
    ("10.0", "10.0"), ("10.0", "10"), ("10", "10"), ("10.50", "10.50"), ("10.50", "10.5"),
    ("100", "100"), (100, "100"), (0.01, "0.01"), ("100.0", "100.0"), (1200.0, "1200")])
def test_the_amount_may_be_signed_as_each_client_writes_it(shop, sent, written):
    """Android signs 10.0 as 10; iOS signs the text that it sends."""
    answer = shop.send(signed(shop, "SALE", {"amount": written}, amount=sent))
    assert answer["code"] == PASSED["SALE"], answer


def test_the_android_client_is_understood(shop):
    fields = signed(shop, "AUTH", {"amount": "10"}, amount=10.0, card_holder="ANN LEE", cvv="123",
                    city="", state="", address="")
    assert succeeded(shop.send(fields))["merchant_account"] == "demo_merchant"


def test_the_ios_client_is_understood(shop):
    fields = signed(shop, "SALE", amount="10.0", card_holder="ANN LEE", user_phone="+37060000000")
    answer = post(shop, json.dumps(fields).encode(), "application/x-www-form-urlencoded; charset")
    assert_recorded(succeeded(answer), fields)


@pytest.mark.parametrize("encoding", ["urlencoded", "multipart"])
def test_a_form_may_be_signed(shop, encoding):
    assert post_as(shop, encoding, signed(shop, "SALE", amount="12.30"))["code"] == PASSED["SALE"]


def test_unknown_fields_are_signed_too_and_empty_ones_are_not(shop):
    fields = signed(shop, "SALE", custom_a="Two", zeta="\u0416\u00c9", Alpha="1", city="",
                    merchant_user_id="User7", state=None)
    assert shop.send(fields)["code"] == PASSED["SALE"]
    assert shop.send(fields | {"address": "", "user_phone": None})["code"] == PASSED["SALE"]


@pytest.mark.parametrize("field, value", [
    ("amount", "12.35"), ("amount", "12"), ("currency", "USD"), ("first_name", "Eve"),
    ("transaction_unique_id", "another-order"), ("user_email", "eve@example.com"),
    ("user_ip", "192.0.2.8"), ("zip", "99999"), ("country", "LVA"), ("custom_a", "added"),
    ("cof_type", "MIT"), ("transaction_type", "AUTH"), ("api_version", "1.0"), ("last_name", "L")])
def test_a_field_that_was_changed_behind_the_signature_is_noticed(shop, field, value):
    answer = shop.send(signed(shop, "SALE") | {field: value})
    assert_erroneous(answer, 2001)


@pytest.mark.parametrize("field", ["first_name", "amount", "transaction_unique_id"])
def test_a_field_that_was_added_behind_the_signature_is_noticed(shop, field):
    fields = request(shop, "SALE", auth_type="bySignature")
    del fields["merchant_account"], fields["merchant_password"]
    without = {name: value for name, value in fields.items() if name != field}
    answer = shop.send(fields | {"public_key": PUBLIC_KEY, "signature": signature(without)})
    assert_erroneous(answer, 2001)


@pytest.mark.parametrize("wrong", [
    {"signature": "0" * 64}, {"signature": "x" * 64}, {"public_key": "pkTest_nobody"},
    {"public_key": PUBLIC_KEY.lower()}, {"public_key": PRIVATE_KEY},
    {"public_key": PUBLIC_KEY + "0"}])
def test_a_wrong_signature_and_an_unknown_key_are_refused(shop, wrong):
    answer = shop.send(signed(shop, "SALE") | wrong)
    assert_erroneous(answer, 2001)
    assert answer["message"] == CODES[2001][1]


def test_a_signature_under_another_key_is_refused(shop):
    for key in ("", PUBLIC_KEY, PRIVATE_KEY + "0", "skTest_DEMO0000000000000000000000003"):
        assert_erroneous(shop.send(signed(shop, "SALE", private_key=key)), 2001)


def test_a_signature_does_not_repair_a_wrong_password(stranger):
    """Without auth_type it is a field that nobody knows."""
    fields = signed(stranger, "SALE")
    del fields["auth_type"]
    answer = stranger.send(fields)
    assert answer["message"] == missing("merchant_account", "merchant_password")
    answer = stranger.send(fields | {"merchant_account": "demo_merchant",
                                     "merchant_password": "wrong_password"})
    assert_erroneous(answer, 2001)


def test_the_password_does_not_repair_a_wrong_signature(shop):
    fields = signed(shop, "SALE") | {"signature": "0" * 64, "merchant_account": shop.login,
                                     "merchant_password": shop.password}
    assert_erroneous(shop.send(fields), 2001)


def test_a_signed_request_needs_key_and_signature(shop):
    fields = signed(shop, "SALE")
    for field in ("public_key", "signature"):
        for empty in ("", None):
            answer = shop.send(fields | {field: empty})
            assert answer["message"] == missing(field) and answer["code"] == 1002
        answer = shop.send(fields | {field: ["x"]})
        assert answer["code"] == 1004 and fields_named(answer["message"]) == [field]
    answer = shop.send(fields | {"signature": "abc"})
    assert answer["code"] == 1004 and fields_named(answer["message"]) == ["signature"]


def test_there_is_one_other_way_to_log_in(shop):
    for wrong in ("byPassword", "bysignature", "1", ["bySignature"]):
        answer = shop.send(request(shop, "SALE", auth_type=wrong))
        assert answer["code"] == 1004 and fields_named(answer["message"]) == ["auth_type"], wrong
    for empty in ("", None):
        assert shop.send(request(shop, "SALE", auth_type=empty))["code"] == PASSED["SALE"]


def test_a_merchant_without_keys_cannot_sign(neighbour):
    fields = signed(neighbour, "SALE", private_key="")
    assert_erroneous(neighbour.send(fields | {"public_key": "neighbour_shop"}), 2001)


@pytest.mark.parametrize("form", CARD_FORMS)
def test_the_card_is_not_signed(shop, form):
    """The clients sign before the payer has typed it."""
    fields = signed(shop, form, cvv="123")
    answer = shop.send(fields | {"cvv": "321", "card_exp_year": "2032", "card_exp_month": "11",
                                 "card_holder": "CODE 3104"})
    assert answer["code"] == (3104 if form in OPENINGS else 3012)


# ---- what belongs to others ----


def test_a_reference_of_another_merchant_is_unknown(shop, neighbour):
    sale, auth = succeeded(shop.sale()), succeeded(shop.auth())
    settled = succeeded(shop.auth())
    settle = succeeded(shop.settle(settled["reference"]))
    refund = succeeded(shop.refund(sale["reference"]))
    for reference in (auth, settled, settle, sale, refund):
        reference = reference["reference"]
        for answer in (neighbour.settle(reference), neighbour.void(reference),
                       neighbour.refund(reference)):
            assert_erroneous(answer, 3003, "neighbour_shop")
        assert_erroneous(neighbour.check(reference), 3014, "neighbour_shop")
    assert succeeded(shop.void(auth["reference"]))


def test_an_id_of_another_merchant_is_unknown_and_free(shop, neighbour):
    used = succeeded(shop.sale())["transaction_unique_id"]
    assert_erroneous(neighbour.check(transaction_unique_id=used), 3014, "neighbour_shop")
    mine = succeeded(neighbour.sale(transaction_unique_id=used))
    assert neighbour.check(transaction_unique_id=used)["transactions"][0]["reference"] == (
        mine["reference"])
    assert shop.sale(transaction_unique_id=used)["code"] == 3001
    assert neighbour.sale(transaction_unique_id=used)["code"] == 3001


def test_a_token_of_another_merchant_is_unknown(shop, neighbour):
    token = succeeded(shop.tokenize())["token"]
    for answer in (neighbour.sale(token=token), neighbour.auth(token=token)):
        assert_erroneous(answer, 3002, "neighbour_shop")
    assert neighbour.tokenize()["token"] != token
    assert succeeded(shop.sale(token=token))


def test_a_signature_for_one_merchant_does_not_open_another(shop, neighbour):
    added = signed(shop, "SALE") | {"merchant_account": neighbour.login}
    assert_erroneous(shop.send(added), 2001)
    fields = request(shop, "SALE", auth_type="bySignature", merchant_account=neighbour.login,
                     merchant_password=neighbour.password)
    answer = shop.send(fields | {"public_key": PUBLIC_KEY, "signature": signature(fields)})
    assert answer["code"] == PASSED["SALE"] and answer["merchant_account"] == shop.login
