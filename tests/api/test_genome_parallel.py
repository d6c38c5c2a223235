"""Requests that arrive at the same time: exactly one of those that exclude each other wins."""

import collections
import concurrent.futures
import threading

import pytest

from genome import assert_recorded, fresh_card, request
from turnpike import Gateway, Pay, succeeded, unique_id, verify, wait_until

ROUNDS = 8


@pytest.fixture(scope="module", name="busy")
def sandbox_with_a_slow_bank(session_folder):
    """Its bank takes a moment, so that requests do meet; in the end its books must balance."""
    with Gateway.start(session_folder / "genome-parallel") as gateway:
        gateway.faults(delay_ms=20)
        yield gateway
        gateway.faults()
        data = gateway.data
    verify(data)


def at_once(*calls):
    """What each of them answers; they start together."""
    barrier = threading.Barrier(len(calls))

    def run(ask):
        barrier.wait()
        return ask()
    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return [future.result() for future in [pool.submit(run, ask) for ask in calls]]


def one_wins(answers, others):
    """The success; every other answer has one of these codes."""
    codes = collections.Counter(answer["code"] for answer in answers)
    assert codes.pop(0, 0) == 1, answers
    assert set(codes) <= set(others), answers
    return next(answer for answer in answers if answer["code"] == 0)


@pytest.mark.parametrize("number", [2, 8])
def test_of_several_settlements_one_wins(busy, number):
    shop = busy.shop()
    for _ in range(ROUNDS):
        auth = succeeded(shop.auth())["reference"]
        one_wins(at_once(*[lambda: shop.settle(auth)] * number), {3010, 3021})
        payment = busy.payment(auth)
        assert (payment["state"], payment["captured_minor"]) == (Pay.CAPTURED, 1234)
        assert busy.position(auth)["captured_minor"] == 1234
        assert shop.settle(auth)["code"] == 3010


@pytest.mark.parametrize("number", [2, 8])
def test_of_several_voids_one_wins(busy, number):
    shop = busy.shop()
    for _ in range(ROUNDS):
        auth = succeeded(shop.auth())["reference"]
        one_wins(at_once(*[lambda: shop.void(auth)] * number), {3008})
        assert busy.payment(auth)["state"] == Pay.VOIDED
        assert wait_until(lambda: busy.position(auth)["held_minor"] == 0)


def test_of_a_settlement_and_a_void_one_wins(busy):
    shop = busy.shop()
    for i in range(2 * ROUNDS):
        auth = succeeded(shop.auth())["reference"]
        calls = [lambda: shop.settle(auth), lambda: shop.void(auth)]
        answers = at_once(*(calls if i % 2 else reversed(calls)))
        winner = one_wins(answers, {3004, 3008, 3021})
        captured = 1234 if winner["reference"].startswith("ST") else 0
        assert busy.payment(auth)["captured_minor"] == captured
        assert wait_until(lambda: busy.position(auth)["held_minor"] == 0)
        assert busy.position(auth)["captured_minor"] == captured


@pytest.mark.parametrize("amount", [12.34, 1])
@pytest.mark.parametrize("number", [2, 8])
def test_of_several_refunds_one_wins(busy, number, amount):
    """Even when there would be money for all of them."""
    shop = busy.shop()
    for _ in range(ROUNDS):
        sale = succeeded(shop.sale())["reference"]
        one_wins(at_once(*[lambda: shop.refund(sale, amount)] * number), {3009, 3021})
        assert busy.position(sale)["refunded_minor"] == round(amount * 100)
        assert busy.payment(sale)["refunded_minor"] == round(amount * 100)
        assert shop.refund(sale, 0.01)["code"] == 3009


@pytest.mark.parametrize("kind", ["AUTH", "SALE"])
@pytest.mark.parametrize("number", [2, 8])
def test_an_id_that_arrives_several_times_is_paid_once(busy, number, kind):
    shop = busy.shop()
    for _ in range(ROUNDS):
        sent = request(shop, kind, card_holder="ANN LEE")
        winner = one_wins(at_once(*[lambda: shop.send(sent)] * number), {3001})
        assert_recorded(winner, sent)
        found = busy.rows("SELECT id FROM operation WHERE unique_id = ?",
                          sent["transaction_unique_id"])
        assert len(found) == 1


def test_an_id_is_taken_by_one_type_only(busy):
    shop = busy.shop()
    for _ in range(ROUNDS):
        auth, sale = succeeded(shop.auth())["reference"], succeeded(shop.sale())["reference"]
        same = {"transaction_unique_id": unique_id()}
        one_wins(at_once(lambda: shop.sale(**same), lambda: shop.auth(**same),
                         lambda: shop.void(auth, **same), lambda: shop.refund(sale, **same)),
                 {3001})


def test_a_new_card_gets_one_token_from_all_who_bring_it(busy):
    shop = busy.shop()
    for _ in range(ROUNDS):
        card = fresh_card()
        calls = [lambda: shop.tokenize(**card), lambda: shop.sale(**card),
                 lambda: shop.auth(**card)] * 2
        assert len({succeeded(answer)["token"] for answer in at_once(*calls)}) == 1


def test_many_payments_at_once_are_all_paid(busy):
    shop = busy.shop()
    answers = at_once(*[lambda: shop.sale(1)] * 40)
    references = {succeeded(answer)["reference"] for answer in answers}
    assert len(references) == 40
    for reference in references:
        assert busy.position(reference)["captured_minor"] == 100
