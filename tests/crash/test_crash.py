"""Gateways that are killed in the middle of trading, and what must be true afterwards.

The host is a process of its own that is never killed: the outside world. Shops trade through the
gateway, which is killed at random instants and started again on the same data. In the end three
books must agree: what the shops were told, what the gateway's database says, and what the host has
in its journal.

    CRASH_KILLS=50     how often the gateway is killed (the tests of faults and of SIGTERM: a part)
    CRASH_SEED=1       of all random choices; scheduling stays what it is
    CRASH_CLIENTS=8    shops at a time
"""

import os
import random
import signal
import subprocess
import time

import pytest

from hostbooks import HostBooks
from shoppers import Crowd
from turnpike import (BINARY, Account, Gateway, Kind, Pay, State, host_reference,
                      operation_id, rows, verify, wait_until)

KILLS = int(os.environ.get("CRASH_KILLS", "50"))
SEED = int(os.environ.get("CRASH_SEED", "20261121"))
CLIENTS = int(os.environ.get("CRASH_CLIENTS", "8"))
RESOLVE_SECONDS = 60

FAULTS = ["silent_booked", "silent_unbooked", "drop_after", "drop_before", "late", "twice",
          "garbage"]

NEW_KIND = {"SALE": Kind.SALE, "AUTH": Kind.AUTHORIZE, "SETTLE": Kind.CAPTURE,
            "REFUND": Kind.REFUND, "VOID": Kind.VOID}
EFFECT = {"SALE": "sale", "AUTH": "hold", "SETTLE": "capture", "REFUND": "refund"}


class Place:
    """A data directory, its host, and a gateway that comes and goes."""

    def __init__(self, data, host, config, seed):
        self.data, self.host, self.config = data, host, config
        self.random = random.Random(seed)
        self.gateway, self.kills = None, 0
        self.owed_reversals = 0  # at the instants of the kills, summed

    def start(self):
        self.gateway = Gateway.start(self.data.parent, data=self.data, config=self.config)
        return self.gateway

    def kill(self):
        self.gateway.kill()
        self.kills += 1
        self.owed_reversals += sum(o["state"] == State.IN_DOUBT for o in self.open_operations())

    def kill_while_starting(self):
        """A second power cut, while the first one is being recovered from."""
        words = ["serve", "--data", self.data, "--config", self.config, "--listen", "127.0.0.1:0",
                 "--admin", "127.0.0.1:0"]
        with open(self.data.parent / "early.stderr", "ab") as log, subprocess.Popen(
                [BINARY, *map(str, words)], stdout=subprocess.DEVNULL, stderr=log) as process:
            time.sleep(self.random.uniform(0, 0.06))
            process.kill()
        self.kills += 1

    def kill_again_and_again(self, crowd, kills, before_each=lambda: None):
        while self.kills < kills:
            before_each()
            crowd.url = self.start().url
            time.sleep(self.random.uniform(0.05, 0.6))
            self.kill()
            crowd.url = None
            if self.random.random() < 0.2:
                self.kill_while_starting()

    def settle_down(self):
        """Starts it for the last time, and waits until nothing is open."""
        self.host.faults()
        self.start()
        begun = time.monotonic()
        still_open = wait_until(lambda: not self.open_operations(), RESOLVE_SECONDS, 0.1)
        assert still_open, [dict(o) for o in self.open_operations()[:5]]
        return time.monotonic() - begun

    def open_operations(self):
        return rows(self.data, "SELECT * FROM operation WHERE state IN (?, ?)",
                    State.SENT, State.IN_DOUBT)


class Truth:
    """The three books: the shops', the gateway's, the host's."""

    def __init__(self, place, crowd):
        self.place, self.asked = place, crowd.asked
        self.host = HostBooks(place.host.journal())
        self.payments = {p["id"]: p for p in rows(place.data, "SELECT * FROM payment")}
        self.operations = {o["id"]: o for o in rows(place.data, "SELECT * FROM operation")}
        self.by_unique = {o["unique_id"]: o for o in self.operations.values() if o["unique_id"]}

    def check_all(self):
        self.successes_are_recorded_and_booked()
        self.refusals_have_moved_nothing()
        self.second_sendings_have_charged_nothing()
        self.check_tells_the_same()
        self.host_knows_nothing_that_the_gateway_does_not()
        self.nothing_is_booked_twice()
        self.positions_agree()
        self.ledger_agrees_with_the_host()
        verify(self.place.data)

    def successes_are_recorded_and_booked(self):
        booked = {(effect, number) for effect, number, _ in self.host.booked}
        for a in filter(lambda a: a.succeeded, self.asked):
            o = self.operations.get(operation_id(a.reference))
            assert o, f"lost: {a}"
            assert (o["unique_id"], o["kind"], o["state"]) == \
                (a.unique_id, NEW_KIND[a.kind], State.APPROVED), (a, o)
            assert a.kind == "VOID" or o["amount_minor"] == a.minor, (a, o)
            if a.kind in EFFECT:
                number = o["payment_id"] if a.kind == "SETTLE" else o["id"]
                assert (EFFECT[a.kind], number) in booked, f"not at the host: {a}"

    def refusals_have_moved_nothing(self):
        for a in self.asked:
            o = self.by_unique.get(a.unique_id)
            if a.answer is None or a.succeeded or a.answer["code"] == 11 or o is None:
                continue
            assert o["state"] not in (State.APPROVED, State.MANUAL), (a, o)

    def second_sendings_have_charged_nothing(self):
        for a in filter(lambda a: a.again, self.asked):
            o = self.by_unique.get(a.unique_id)
            if a.again["code"] == 3001:
                assert o, f"refused as used before, but it never was: {a}"
            elif a.again["code"] == 0:
                assert operation_id(a.again["reference"]) == o["id"], (a, o)

    def check_tells_the_same(self):
        shop = self.place.gateway.shop()
        for a in filter(lambda a: a.succeeded, self.asked):
            told = shop.check(a.reference)
            assert told["code"] == 0, (a, told)
            one, = told["transactions"]
            assert (one["reference"], one["transaction_unique_id"], one["code"]) == \
                (a.reference, a.unique_id, 0), (a, told)
            assert one["authcode"] == a.answer["authcode"], (a, told)

    def host_knows_nothing_that_the_gateway_does_not(self):
        for effect, number, amount in self.host.booked:
            o = self.operations.get(number)
            assert o, f"the host has a {effect} of {amount} for {number:016X}, the gateway nothing"

    def nothing_is_booked_twice(self):
        for effect in ("hold", "sale", "refund", "capture"):
            twice = [f"{n:016X}" for n, times in self.host.times(effect).items() if times > 1]
            assert not twice, f"{effect} booked twice: {twice}"
        ids = [o["unique_id"] for o in self.operations.values() if o["unique_id"]]
        assert len(ids) == len(set(ids))

    @staticmethod
    def expected_position(p):
        held = p["authorized_minor"] if p["state"] == Pay.AUTHORIZED else 0
        assert p["state"] in (Pay.AUTHORIZED, Pay.CAPTURED, Pay.REFUNDED, Pay.VOIDED, Pay.DECLINED,
                              Pay.REVERSED), p
        return held, p["captured_minor"], p["refunded_minor"]

    def positions_agree(self):
        for p in self.payments.values():
            expected = self.expected_position(p)
            assert self.host.position(p["id"]) == expected, (f"{p['id']:016X}", p)
        strange = self.host.payments() - set(self.payments)
        assert not strange, strange
        for number in random.Random(SEED).sample(sorted(self.payments),
                                                 min(300, len(self.payments))):
            told = self.place.host.position(number) or {}
            now = tuple(told.get(k, 0) for k in ("held_minor", "captured_minor", "refunded_minor"))
            assert now == self.host.position(number), host_reference(number)

    def ledger_agrees_with_the_host(self):
        sums = {r["account"]: r["total"] for r in rows(
            self.place.data, "SELECT account, SUM(amount_minor) total FROM entry GROUP BY account")}
        held = sum(self.host.held.values())
        owed = sum(self.host.captured.values()) - sum(self.host.refunded.values())
        assert {a: sums.get(a, 0) for a in Account} == {
            Account.ISSUER_HOLD: held, Account.MERCHANT_HELD: -held,
            Account.ACQUIRER_RECEIVABLE: owed, Account.MERCHANT_PAYABLE: -owed}


def tell(name, place, crowd, seconds):
    """For the reader of a run: what it has been through. pytest shows it when the test fails."""
    done = sum(a.succeeded for a in crowd.asked)
    lost = sum(a.answer is None for a in crowd.asked)
    print(f"{name}: seed {SEED}, {place.kills} kills, {len(crowd.asked)} requests,"
          f" {done} successes,"
          f" {lost} without an answer, {place.owed_reversals} reversals owed at the kills,"
          f" all resolved after {seconds:.1f} s")


@pytest.fixture(name="place")
def make_place(seeded, host, folder):
    """Starts no gateway yet; kills the one that a failed test has left."""
    config = host.config(folder, max_in_flight=2000)
    place = Place(seeded, host, config, SEED)
    yield place
    if place.gateway and place.gateway.alive:
        place.gateway.kill()


@pytest.fixture(name="hasty_place")
def make_place_with_short_timeouts(place, host, folder):
    place.config = host.config(folder, request_timeout_ms=150, advice_timeout_ms=200)
    return place


def crowd_of(place):
    print(f"CRASH_SEED={SEED} CRASH_KILLS={KILLS} CRASH_CLIENTS={CLIENTS}")
    return Crowd(CLIENTS, f"{SEED}-{place.data.parent.name}")


def all_is_true(name, place, crowd):
    assert not crowd.faults(), crowd.faults()
    seconds = place.settle_down()
    tell(name, place, crowd, seconds)
    assert sum(a.succeeded for a in crowd.asked) > place.kills, "hardly anything has happened"
    Truth(place, crowd).check_all()
    assert place.gateway.stop() == 0
    verify(place.data)


def test_a_gateway_killed_under_load_loses_and_doubles_nothing(place):
    with crowd_of(place) as crowd:
        place.kill_again_and_again(crowd, KILLS)
    all_is_true("kills", place, crowd)


def test_a_gateway_killed_while_reversals_are_pending_resolves_them_all(hasty_place):
    place = hasty_place

    def change_faults():
        place.host.faults(fault=place.random.choice(FAULTS), count=place.random.randint(1, 12),
                          late_ms=400, **{"class": place.random.choice([0, 0, 1, 2, 4])})

    kills = max(1, KILLS // 2)
    with crowd_of(place) as crowd:
        place.kill_again_and_again(crowd, kills, change_faults)
        while place.owed_reversals == 0 and place.kills < kills + 50:  # so few may have met none
            place.kill_again_and_again(crowd, place.kills + 1, change_faults)
    all_is_true("kills with faults", place, crowd)
    assert place.owed_reversals > 0, "no kill has met a pending reversal"


def test_a_gateway_stopped_under_load_answers_all_that_it_has_taken(place):
    with crowd_of(place) as crowd:
        for _ in range(max(1, KILLS // 10)):
            crowd.url = place.start().url
            time.sleep(place.random.uniform(0.2, 0.6))
            place.gateway.signal(signal.SIGTERM)
            status = place.gateway.wait(60)
            crowd.url = None
            assert status == 0, place.gateway.log()
    assert not crowd.faults(), crowd.faults()
    known = {o["unique_id"] for o in rows(place.data, "SELECT unique_id FROM operation")}
    for a in crowd.asked:
        if a.answer is None and a.again is None:
            assert a.unique_id not in known, f"taken, but never answered: {a}"
    all_is_true("SIGTERM", place, crowd)
