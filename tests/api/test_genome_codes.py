"""Every response code that POST /api/cc can give, and what provokes it.

What validation, login, references and the life cycle answer is in the files beside this one; here
are the card holder who asks for a code, the bank's answers, the merchant's limits, silence, and
faults of our own.
"""

import concurrent.futures
import contextlib
import json
import shutil
import time

import pytest

from genome import (
    CODES, CODES_OF_LATER_VERSIONS, FOLLOWING, KEYS, NO_TOKEN, OPENINGS, PAYING, SALES, THREE_DS,
    assert_common, assert_erroneous, assert_recorded, fresh_card, request, status_of,
    unknown_token)
from turnpike import (
    CARD, PAYER, Gateway, Host, Pay, database, operation_id, succeeded, wait_until)

MASTERCARD = {**CARD, "card_number": "5555555555554444"}


# ---- the card holder asks for it ----


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("kind", ["AUTH", "SALE"])
def test_a_card_holder_may_ask_for_any_code(shop, kind, code):
    sent = request(shop, kind, card_holder=f"CODE {code}")
    answer = shop.send(sent)
    assert list(answer) == KEYS
    assert_common(answer, code)
    assert answer["message"] == CODES[code][1]
    if status_of(code) == "error":
        assert_erroneous(answer, code, "demo_merchant")
    else:
        assert answer["transaction_unique_id"] == sent["transaction_unique_id"]


@pytest.mark.parametrize("form", OPENINGS)
def test_a_code_that_was_asked_for_is_not_recorded(sandbox, shop, form):
    before = sandbox.rows("SELECT count(*) AS n FROM operation")
    answer = shop.send(request(shop, form, card_holder="CODE 3101"))
    assert answer["code"] == 3101 and answer["reference"] is None
    assert sandbox.rows("SELECT count(*) AS n FROM operation") == before


@pytest.mark.parametrize("holder", [
    "CODE", "CODE ", "CODE 31", "CODE 99999", "CODE 31O1", "CODE -1", "CODE 3101 ", "code 3101",
    "MR CODE 3101", "CODE3101", "CODE 0", *(f"CODE {code}" for code in CODES_OF_LATER_VERSIONS)])
def test_any_other_name_pays(shop, holder):
    sent = request(shop, "SALE", card_holder=holder)
    assert_recorded(succeeded(shop.send(sent)), sent)


def test_tokenize_knows_no_wanted_codes(shop):
    succeeded(shop.tokenize(card_holder="CODE 3101"))


# ---- the bank's answers (DE 39) ----

APPROVED, TIMEOUT = 0, 3109
BANK = {
    # what the bank says: what the merchant is told. Approvals:
    "00": APPROVED, "08": APPROVED, "11": APPROVED, "16": APPROVED, "85": APPROVED,
    # "referal or restricted card": refer to issuer, contact issuer, restricted, account problem
    "01": 3119, "02": 3119, "70": 3119, "36": 3119, "62": 3119, "76": 3119, "77": 3119, "78": 3119,
    # "MID credentials are incorrect": invalid merchant, not permitted to this terminal
    "03": 3017, "58": 3017,
    # "card lost or stolen": lost, stolen, and every other wish to have the card back
    "04": 3102, "07": 3102, "35": 3102, "37": 3102, "38": 3102, "41": 3102, "43": 3102,
    # "declined by bank network": do not honour, and what no list has
    "05": 3100,
    # "acquirer internal error": errors, malfunctions, nothing found, try again
    "06": 3125, "19": 3125, "20": 3125, "21": 3125, "22": 3125, "25": 3125, "32": 3125, "88": 3125,
    "96": 3125, "97": 3125, "98": 3125,
    # "timeout between PSP and bank": the result is not known, and undone
    "09": TIMEOUT, "26": TIMEOUT, "68": TIMEOUT, "94": TIMEOUT,
    # "insufficient funds": also when they suffice for a part only
    "10": 3101, "51": 3101,
    # "transaction type is not supported": invalid transaction, bank or function not supported
    "12": 3113, "31": 3113, "40": 3113,
    "13": 3106,  # "bank cannot process selected amount": invalid amount
    # "card number was declined": no such card, issuer or record, closed account
    "14": 3107, "15": 3107, "46": 3107, "56": 3107,
    "17": 3023,  # "aborted by the customer": customer cancellation
    "30": 3110,  # "not all required data was provided": format error
    # "expired": also when the bank wants the card back for it
    "33": 3105, "54": 3105,
    # "fraud decline by bank": suspected fraud
    "34": 3128, "59": 3128,
    # "authorization decline": no such account, not permitted to the cardholder, against the law
    "39": 3129, "42": 3129, "44": 3129, "52": 3129, "53": 3129, "57": 3129, "93": 3129,
    # "risk bank decline": PIN, security violation
    "55": 3120, "63": 3120, "75": 3120,
    "61": 3126, "65": 3126,  # "frequency limit exceeded": limits of amount and frequency
    "82": 3104,  # "invalid CVV"
    "91": 3111, "92": 3111,  # "access error to a bank": issuer inoperative, cannot route
}


@pytest.fixture(scope="module", name="declines")
def answers_of_the_bank(session_folder):
    """A sandbox of its own, as some of these answers make the link sign on anew; and one payment
    for each answer. An amount of 7700.NN is answered NN with any card."""
    with Gateway.start(session_folder / "genome-declines") as gateway:
        shop = gateway.shop()
        answers = {}
        for kind, pay in (("SALE", shop.sale), ("AUTH", shop.auth)):
            for number in range(100):
                gateway.wait_ready()
                answers[kind, f"{number:02d}"] = pay(f"7700.{number:02d}", **fresh_card())
        yield gateway, answers


@pytest.mark.parametrize("kind", ["SALE", "AUTH"])
@pytest.mark.parametrize("de39", [f"{number:02d}" for number in range(100)])
def test_each_answer_of_the_bank_has_its_code(declines, kind, de39):
    gateway, answers = declines
    answer = answers[kind, de39]
    code = BANK.get(de39, 3100)
    assert answer["code"] == code, answer
    assert_recorded(answer, {"transaction_type": kind, "transaction_unique_id":
                             answer["transaction_unique_id"]}, code)
    if code != TIMEOUT:
        assert gateway.operation(answer["reference"])["de39"] == de39
    element = gateway.shop().check(answer["reference"])["transactions"][0]
    assert (element["code"], element["message"]) == (code, CODES[code][0])
    wanted = {"success": "SUCCESS", "decline": "DECLINE", "error": "ERROR"}[status_of(code)]
    assert element["status"] == wanted


@pytest.mark.parametrize("de39", [f"{number:02d}" for number in range(100)])
def test_only_an_approval_leaves_money_at_the_bank(declines, de39):
    gateway, answers = declines
    for kind in ("SALE", "AUTH"):
        reference = answers[kind, de39]["reference"]
        minor = 770000 + int(de39) if BANK.get(de39) == APPROVED else 0

        def settled_down(reference=reference, minor=minor):
            position = gateway.position(reference)
            total = position["held_minor"] + position["captured_minor"] if position else 0
            return total == minor
        assert wait_until(settled_down), gateway.position(reference)


@pytest.mark.parametrize("number, code", [
    ("4000007700030007", 0), ("4000007700030056", 3100), ("4000007700030148", 3107),
    ("4000007700030411", 3102), ("4000007700030437", 3102), ("4000007700030510", 3101),
    ("4000007700030544", 3105), ("4000007700030577", 3129), ("4000007700030593", 3128),
    ("4000007700030619", 3126), ("4000007700030627", 3119), ("4000007700030650", 3126),
    ("4000007700030825", 3104), ("4000007700030916", 3111), ("4000007700030965", 3125),
    ("4000007700031013", 3103),  # 1A, the issuer wants 3-D Secure
    ("4000007700031039", 3127),  # R3, the payer has stopped all payments
    ("4000007700031070", 3104),  # N7, the CVV does not match
    ("4000007700031104", 3101),  # 10, approved for half of it, which nobody wanted
    ("4000007700032060", 0),     # answered twice
    ("4000007700032094", 0)])    # fields in odd order
def test_a_sandbox_card_gives_its_code(sandbox, shop, number, code):
    for kind in ("AUTH", "SALE"):
        sent = request(shop, kind, **{**CARD, "card_number": number}, card_holder="ANN LEE")
        answer = shop.send(sent)
        assert_recorded(answer, sent, code)
    by_token = shop.sale(token=answer["token"])
    assert by_token["code"] == code

    def nothing_is_left():
        position = sandbox.position(answer["reference"])
        return position["held_minor"] == position["captured_minor"] == 0
    assert code == 0 or wait_until(nothing_is_left)


# ---- silence and broken answers ----


@contextlib.contextmanager
def gateway_with_host(folder, template, **link):
    """A gateway whose only link is a host of its own."""
    data = shutil.copytree(template, folder / "data")
    with Host.start(folder / "host") as host:
        config = host.config(folder, **link)
        with Gateway.start(folder, data=data, config=config) as gateway:
            gateway.wait_ready()
            yield gateway, host


@pytest.fixture(scope="module", name="impatient")
def gateway_that_waits_for_half_a_second(session_folder, template):
    with gateway_with_host(session_folder / "genome-impatient", template, request_timeout_ms=500,
                           advice_timeout_ms=500) as both:
        yield both


def send_together(shop, requests):
    with concurrent.futures.ThreadPoolExecutor(len(requests)) as pool:
        return list(zip(requests, pool.map(shop.send, requests)))


def assert_undone(gateway, host, answer, code):
    """Nothing of it is left at the bank, and nothing may follow it."""
    shop = gateway.shop()
    reference = answer["reference"]
    assert shop.check(reference)["transactions"][0]["code"] == code
    assert shop.settle(reference)["code"] == 3003
    assert shop.void(reference)["code"] == 3004
    assert shop.refund(reference)["code"] == 3005

    def nothing_is_left():
        position = host.position(reference)
        return not position or position["held_minor"] == position["captured_minor"] == 0
    assert wait_until(nothing_is_left), host.position(reference)


@pytest.mark.parametrize("kinds, fault, code", [
    (("SALE", "AUTH"), {"fault": "silent_unbooked"}, 3109),
    (("SALE", "AUTH"), {"fault": "silent_booked"}, 3109),
    (("SALE", "AUTH"), {"fault": "late", "late_ms": 900}, 3109),
    (("SALE", "AUTH"), {"fault": "sign_off"}, 3111),
    (("SALE", "AUTH"), {"fault": "twice"}, 0),
    (("AUTH",), {"fault": "drop_before"}, 3109),
    (("SALE",), {"fault": "drop_after"}, 3109)])
def test_a_payment_without_a_proper_answer_is_undone(impatient, kinds, fault, code):
    gateway, host = impatient
    gateway.wait_ready()
    shop = gateway.shop()
    host.faults(**fault, count=len(kinds))
    requests = [request(shop, kind, card_holder="ANN LEE", **fresh_card()) for kind in kinds]
    answered = send_together(shop, requests)
    host.faults()
    gateway.wait_ready()
    for sent, answer in answered:
        assert_recorded(answer, sent, code)
        assert shop.send(sent)["code"] == 3001
        if code != 0:
            assert_undone(gateway, host, answer, code)


@pytest.mark.parametrize("codes", [
    {"4000007700032003": 3109,    # never answered, not booked
     "4000007700032011": 3109,    # never answered, but booked
     "4000007700032029": 3109,    # approved too late
     "4000007700032037": 3109},   # declined too late
    {"4000007700032045": 3109},   # connection closed, booked
    {"4000007700032052": 3109},   # connection closed, not booked
    {"4000007700032086": 3117}])  # answered with another amount
def test_a_sandbox_card_that_is_not_answered_properly_gives_its_code(impatient, codes):
    gateway, host = impatient
    gateway.wait_ready()
    shop = gateway.shop()
    host.faults(late_ms=900)
    requests = [request(shop, "SALE", **{**CARD, "card_number": number}, card_holder="ANN LEE")
                for number in codes]
    answered = send_together(shop, requests)
    host.faults()
    gateway.wait_ready()
    for sent, answer in answered:
        code = codes[sent["card_number"]]
        assert_recorded(answer, sent, code)
        assert_undone(gateway, host, answer, code)


def test_an_answer_that_is_no_message_is_no_answer(impatient):
    gateway, host = impatient
    gateway.wait_ready()
    shop = gateway.shop()
    host.faults(fault="garbage", count=1)
    answer = shop.sale(**fresh_card())
    assert answer["code"] in (3109, 3117), answer
    gateway.wait_ready()


def test_a_refund_without_an_answer_may_be_tried_again(impatient):
    gateway, host = impatient
    gateway.wait_ready()
    shop = gateway.shop()
    sale = succeeded(shop.sale(**fresh_card()))
    host.faults(fault="silent_booked", count=1)
    sent = shop.fields("REFUND", reference=sale["reference"], amount=12.34, currency="EUR")
    assert_recorded(shop.send(sent), sent, 3109)

    def again():
        answer = shop.refund(sale["reference"])
        return answer if answer["code"] != 3021 else None  # the reversal is under way
    succeeded(wait_until(again))
    assert host.position(sale["reference"])["refunded_minor"] == 1234


def test_a_refund_that_the_bank_refuses_may_be_tried_again(impatient):
    gateway, host = impatient
    gateway.wait_ready()
    shop = gateway.shop()
    sale = succeeded(shop.sale(**fresh_card()))
    host.faults(fault="sign_off")
    sent = shop.fields("REFUND", reference=sale["reference"], amount=12.34, currency="EUR")
    answer = shop.send(sent)
    host.faults()
    assert_recorded(answer, sent, 3111)
    gateway.wait_ready()
    succeeded(shop.refund(sale["reference"]))


def test_without_a_link_nothing_is_sent(session_folder, template):
    with gateway_with_host(session_folder / "genome-no-link", template) as (gateway, host):
        shop = gateway.shop()
        sale = succeeded(shop.sale())
        auth = succeeded(shop.auth())
        host.stop()
        assert wait_until(lambda: not gateway.is_ready())
        for kind in ("SALE", "AUTH"):
            sent = request(shop, kind, card_holder="ANN LEE")
            assert_recorded(shop.send(sent), sent, 3118)
            element = shop.check(transaction_unique_id=sent["transaction_unique_id"])[
                "transactions"][0]
            assert (element["status"], element["code"]) == ("ERROR", 3118)
        assert shop.settle(auth["reference"])["code"] == 3118
        assert shop.refund(sale["reference"])["code"] == 3118
        succeeded(shop.void(auth["reference"]))  # it is told to the bank when there is a link again
        succeeded(shop.tokenize())
        succeeded(shop.check(sale["reference"]))


def test_more_than_the_link_takes_and_what_it_does_not_take(session_folder, template):
    """One payment at a time, Visa in euro only."""
    with gateway_with_host(session_folder / "genome-narrow", template, max_in_flight=1,
                           brands="visa", currencies="EUR") as (gateway, host):
        shop = gateway.shop()
        succeeded(shop.sale())
        assert_erroneous(shop.sale(**MASTERCARD), 2005, "demo_merchant")
        assert_erroneous(shop.sale(currency="USD"), 2005, "demo_merchant")
        assert_erroneous(
            shop.sale(token=succeeded(shop.tokenize(**MASTERCARD))["token"]), 2005, "demo_merchant")
        host.faults(delay_ms=1500)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            first = pool.submit(shop.sale, transaction_unique_id="the-first-one")
            assert wait_until(lambda: shop.check(
                transaction_unique_id="the-first-one")["code"] == 0)
            sent = request(shop, "SALE", card_holder="ANN LEE")
            assert_erroneous(shop.send(sent), 1003, "demo_merchant")
            succeeded(first.result())
        host.faults()
        succeeded(shop.send(sent))  # the id was not used up


# ---- time and what is under way ----


@pytest.fixture(scope="module", name="movable")
def sandbox_whose_clock_and_host_may_be_changed(session_folder):
    with Gateway.start(session_folder / "genome-time") as gateway:
        yield gateway


def test_a_hold_is_open_for_seven_days(movable):
    shop = movable.shop()
    early = [succeeded(shop.auth())["reference"] for _ in range(6)]
    sale = succeeded(shop.sale())["reference"]
    succeeded(shop.settle(early[0]))
    movable.advance_clock(days=6, hours=23)
    settle = succeeded(shop.settle(early[1]))["reference"]
    succeeded(shop.void(early[2]))
    movable.advance_clock(hours=1)
    for answer in (shop.settle(early[3]), shop.settle(early[3], 1), shop.void(early[4])):
        assert_erroneous(answer, 3007, "demo_merchant")
        assert answer["message"] == CODES[3007][1]
    assert shop.settle(early[1])["code"] == 3010
    assert wait_until(lambda: movable.position(early[5])["held_minor"] == 0)  # by itself
    assert shop.refund(early[5])["code"] == 3005
    assert shop.settle(early[5])["code"] == 3007
    assert shop.check(early[5])["transactions"][0]["status"] == "SUCCESS"
    movable.advance_clock(days=60)
    succeeded(shop.refund(settle))
    succeeded(shop.refund(sale))


def test_a_hold_that_was_voided_in_time_stays_voided(movable):
    shop = movable.shop()
    auth = succeeded(shop.auth())["reference"]
    succeeded(shop.void(auth))
    movable.advance_clock(days=8)
    for answer in (shop.settle(auth), shop.settle(auth, 0), shop.void(auth)):
        assert_erroneous(answer, 3008, "demo_merchant")
    assert shop.refund(auth)["code"] == 3005


def test_a_token_does_not_age_with_the_login(movable):
    """Time passes; the password is looked at again."""
    shop = movable.shop()
    token = succeeded(shop.tokenize())["token"]
    movable.advance_clock(days=400)
    succeeded(shop.sale(token=token))


def test_an_unknown_result_is_told_as_such_and_never_as_a_refusal(movable):
    """A settlement that the bank does not answer: CHECK finds it under way."""
    shop = movable.shop()
    auth = succeeded(shop.auth())
    movable.faults(fault="silent_booked", count=1, **{"class": 2})
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sent = shop.fields("SETTLE", reference=auth["reference"], amount=12.34, currency="EUR")
        settle = pool.submit(shop.send, sent)
        by_id = {"transaction_unique_id": sent["transaction_unique_id"]}
        assert wait_until(lambda: shop.check(**by_id)["code"] == 0)
        element = shop.check(**by_id)["transactions"][0]
        assert (element["status"], element["code"]) == ("PROCESSING", 11)
        for move in (shop.settle, shop.void):
            assert_erroneous(move(auth["reference"]), 3021, "demo_merchant")
        movable.advance_clock(seconds=31)
        answer = settle.result(timeout=30)
    assert_recorded(answer, sent, 11)
    assert answer["status"] == "error"
    assert shop.check(answer["reference"])["transactions"][0]["code"] == 11
    movable.faults()


def test_one_operation_at_a_time(movable):
    """While a settlement or a refund is under way, another move must wait: 3021."""
    shop = movable.shop()
    auth, sale = succeeded(shop.auth()), succeeded(shop.sale())
    movable.faults(delay_ms=1500)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        settle = pool.submit(shop.settle, auth["reference"])
        refund = pool.submit(shop.refund, sale["reference"])

        def under_way():
            states = movable.rows("SELECT state FROM payment WHERE id IN (?, ?)",
                                  *(operation_id(made["reference"]) for made in (auth, sale)))
            return sorted(row["state"] for row in states) == [
                Pay.CAPTURING, Pay.REFUNDING]
        assert wait_until(under_way)
        assert_erroneous(shop.settle(auth["reference"]), 3021, "demo_merchant")
        assert_erroneous(shop.void(auth["reference"]), 3021, "demo_merchant")
        assert_erroneous(shop.refund(sale["reference"]), 3021, "demo_merchant")
        succeeded(settle.result())
        succeeded(refund.result())
    movable.faults()


def test_an_id_is_used_while_its_payment_is_under_way(movable):
    shop = movable.shop()
    movable.faults(delay_ms=1500)
    sent = request(shop, "SALE", card_holder="ANN LEE")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        first = pool.submit(shop.send, sent)
        by_id = {"transaction_unique_id": sent["transaction_unique_id"]}
        assert wait_until(lambda: shop.check(**by_id)["code"] == 0)
        element = shop.check(**by_id)["transactions"][0]
        assert (element["status"], element["code"], element["message"]) == (
            "PROCESSING", 11, CODES[11][0])
        assert_erroneous(shop.send(sent), 3001, "demo_merchant")
        assert_erroneous(shop.auth(**by_id), 3001, "demo_merchant")
        assert_erroneous(shop.refund(element["reference"]), 3021, "demo_merchant")
        assert_erroneous(shop.void(element["reference"]), 3004, "demo_merchant")
        assert not first.done()
        answer = first.result()
    movable.faults()
    assert_recorded(succeeded(answer), sent)
    assert answer["reference"] == element["reference"]


def test_what_cannot_be_stored_has_not_happened(movable):
    """Another program holds the database for longer than the engine waits."""
    shop = movable.shop()
    succeeded(shop.sale())
    sent = request(shop, "SALE", card_holder="ANN LEE")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        with database(movable.data, write=True) as connection:
            connection.execute("BEGIN IMMEDIATE")
            answer = pool.submit(shop.send, sent).result(timeout=60)
            connection.rollback()
    assert_erroneous(answer, 2, "demo_merchant")
    movable.wait_ready()
    assert shop.check(transaction_unique_id=sent["transaction_unique_id"])["code"] == 3014
    assert_recorded(succeeded(shop.send(sent)), sent)


# ---- the merchant's limits ----

MERCHANTS = {
    "euro_shop": {"currencies": ["EUR", "JPY"]},
    "local_shop": {"countries": ["LTU", "LVA"]},
    "wary_shop": {"countries_denied": ["PRK"]},
    "known_nets": {"networks": ["192.0.2.0/24", "198.51.100.7/32"]},
    "small_shop": {"min_minor": {"EUR": 100}, "max_minor": {"EUR": 5000, "USD": 1000}},
    "visa_shop": {"brands": ["visa"]},
    "quick_shop": {"window_days": 1},
    "strict_shop": {"currencies": ["EUR"], "countries": ["LTU"], "networks": ["192.0.2.0/24"],
                    "max_minor": {"EUR": 5000}, "brands": ["visa"]},
    "secure_shop": {"three_ds": "required", "currencies": ["EUR"], "countries": ["LTU"],
                    "brands": ["visa"]},
    "willing_shop": {"three_ds": "on"},
    "closed_shop": {},
}


@pytest.fixture(scope="module", name="merchants")
def merchants_with_limits(movable):
    def command(*words, password=""):
        done = movable.cli("merchant", *words, stdin=password)
        assert done.returncode == 0, done.stderr

    for number, (login, limits) in enumerate(MERCHANTS.items()):
        command("add", login, "--name", "SHOP", "--mid", f"GENOME0000001{number:02d}", "--tid",
                f"GENOME{number:02d}", "--mcc", "5732", "--city", "VILNIUS", "--country", "LT",
                "--password-stdin", password="password\n")
        command("limits", login, json.dumps(limits))
    command("disable", "closed_shop")
    command("add", "live_shop", "--name", "SHOP", "--mid", "LIVE00000000001", "--tid", "LIVE0001",
            "--mcc", "5732", "--city", "VILNIUS", "--country", "LT", "--live", "--password-stdin",
            password="password\n")
    movable.see_merchants()
    return {login: movable.shop(login, "password") for login in (*MERCHANTS, "live_shop")}


@pytest.mark.parametrize("login, fields, code", [
    ("euro_shop", {}, 0), ("euro_shop", {"currency": "USD"}, 2006),
    ("euro_shop", {"currency": "JPY", "amount": 100}, 0),
    ("local_shop", {}, 0), ("local_shop", {"country": "LV"}, 0),
    ("local_shop", {"country": "USA"}, 2002), ("local_shop", {"country": "US"}, 2002),
    ("wary_shop", {}, 0), ("wary_shop", {"country": "PRK"}, 2002),
    ("known_nets", {}, 0), ("known_nets", {"user_ip": "192.0.2.255"}, 0),
    ("known_nets", {"user_ip": "192.0.3.0"}, 2008), ("known_nets", {"user_ip": "198.51.100.7"}, 0),
    ("known_nets", {"user_ip": "198.51.100.8"}, 2008),
    ("small_shop", {"amount": "0.99"}, 2007), ("small_shop", {"amount": 1}, 0),
    ("small_shop", {"amount": 50}, 0), ("small_shop", {"amount": "50.01"}, 2007),
    ("small_shop", {"amount": "10.01", "currency": "USD"}, 2007),
    ("small_shop", {"amount": "0.01", "currency": "USD"}, 0),
    ("small_shop", {"amount": 100, "currency": "GBP"}, 0),
    ("visa_shop", {}, 0), ("visa_shop", MASTERCARD, 3011),
    ("visa_shop", {**CARD, "card_number": "371449635398431"}, 3011),
    ("closed_shop", {}, 2003)])
@pytest.mark.parametrize("kind", ["AUTH", "SALE"])
def test_a_limit_of_the_merchant_has_its_code(merchants, kind, login, fields, code):
    shop = merchants[login]
    sent = request(shop, kind, **{"card_holder": "ANN LEE", "amount": 12, **fields})
    answer = shop.send(sent)
    assert answer["code"] == code, answer
    if code:
        assert_erroneous(answer, code, login)
        assert answer["message"] == CODES[code][1]


def test_a_token_does_not_get_around_the_brands(merchants):
    shop = merchants["visa_shop"]
    token = succeeded(shop.tokenize(**MASTERCARD))["token"]
    for answer in (shop.sale(token=token), shop.auth(token=token)):
        assert_erroneous(answer, 3011, "visa_shop")


def test_the_window_of_a_hold_is_the_merchants(movable, merchants):
    shop = merchants["quick_shop"]
    first, second = (succeeded(shop.auth())["reference"] for _ in range(2))
    movable.advance_clock(hours=23)
    succeeded(shop.settle(first))
    movable.advance_clock(hours=1)
    assert shop.settle(second)["code"] == 3007


def test_of_several_limits_the_first_is_told(merchants):
    shop = merchants["strict_shop"]
    wrong = {"currency": ("USD", 2006), "country": ("USA", 2002), "user_ip": ("198.51.100.7", 2008),
             "amount": (51, 2007), "card_number": (MASTERCARD["card_number"], 3011)}
    fields = {name: value for name, (value, _) in wrong.items()}
    for name, (_, code) in wrong.items():
        assert_erroneous(shop.send(request(shop, "SALE", card_holder="ANN LEE", **fields)), code,
                         "strict_shop")
        del fields[name]
    succeeded(shop.send(request(shop, "SALE", card_holder="ANN LEE", **fields)))


@pytest.mark.parametrize("form", OPENINGS)
def test_a_merchant_who_must_use_3d_secure_cannot_do_without(merchants, form):
    """Nor find out about other limits before."""
    shop = merchants["secure_shop"]
    sent = request(shop, form, card_holder="ANN LEE")
    for more in ({}, {"currency": "USD"}, {"country": "USA"}, {"amount": 0}, {"cvv": "123"}):
        answer = shop.send(sent | more)
        assert_erroneous(answer, 3013, "secure_shop")
        assert answer["message"] == CODES[3013][1]
    assert shop.check(transaction_unique_id=sent["transaction_unique_id"])["code"] == 3014


def test_3d_secure_that_is_required_comes_before_the_brand(merchants):
    shop = merchants["secure_shop"]
    assert_erroneous(shop.sale(**MASTERCARD), 3013, "secure_shop")
    token = succeeded(shop.tokenize(**MASTERCARD))["token"]
    assert_erroneous(shop.auth(token=token), 3013, "secure_shop")


@pytest.mark.parametrize("form, fields, code", [
    *((form, {}, 3012) for form in THREE_DS),
    *((form, {"pares": "eJxV", "reference": "A3FF00000000000000A1"}, 3012) for form in SALES),
    ("SALE by token", {"token": NO_TOKEN}, 3002), ("AUTH3D by token", {"token": NO_TOKEN}, 3002),
    ("AUTH", {"card_exp_year": "2019"}, 3105), ("SALE", {"card_holder": "CODE 3101"}, 3101),
    ("SALE by token", {"card_holder": "CODE 3102"}, 3102)])
def test_token_3d_secure_date_and_wanted_code_come_before_3d_secure_that_is_required(
        merchants, form, fields, code):
    shop = merchants["secure_shop"]
    sent = request(shop, form, **{"card_holder": "ANN LEE", **fields})
    assert shop.send(sent)["code"] == code


@pytest.mark.parametrize("form", OPENINGS)
def test_a_merchant_who_may_use_3d_secure_can_do_without(merchants, form):
    shop = merchants["willing_shop"]
    succeeded(shop.send(request(shop, form, card_holder="ANN LEE")))


@pytest.mark.parametrize("form", [*PAYING, *FOLLOWING, "TOKENIZE"])
def test_a_merchant_that_is_switched_off_may_only_ask(merchants, form):
    shop = merchants["closed_shop"]
    assert_erroneous(shop.send(request(shop, form, **unknown_token(form))), 2003, "closed_shop")
    assert shop.check(transaction_unique_id="anything")["code"] == 3014


def test_a_live_merchant_gets_no_test_behaviour(movable, merchants):
    """The name is a name, and the calendar rules; it is moved by other tests, so ask for it."""
    shop = merchants["live_shop"]
    year = time.gmtime(movable.advance_clock(seconds=0)["now_ms"] // 1000).tm_year
    far = {**PAYER, **CARD, "card_exp_year": str(year + 3)}
    succeeded(shop.sale(**far | {"card_holder": "CODE 3101"}))
    for past in (str(year - 1), "2022"):
        answer = shop.sale(**far | {"card_exp_year": past})
        assert answer["code"] == 3105 and answer["status"] == "decline"
    succeeded(shop.sale(**far | {"card_exp_year": str(year), "card_exp_month": "12"}))
