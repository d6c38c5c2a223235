"""What must be true when all has settled: three books that agree.

The shops' (what they asked and were told), the gateway's (its database) and the host's (its
journal, which no crash touches: the outside world).
"""

import random

from hostbooks import HostBooks
from turnpike import Account, Kind, Pay, State, host_reference, operation_id, rows, verify

NEW_KIND = {"SALE": Kind.SALE, "AUTH": Kind.AUTHORIZE, "SETTLE": Kind.CAPTURE,
            "REFUND": Kind.REFUND, "VOID": Kind.VOID}
EFFECT = {"SALE": "sale", "AUTH": "hold", "SETTLE": "capture", "REFUND": "refund"}


class Truth:
    """The three books: the shops', the gateway's, the host's.

    sample: how many are asked for. unknown: the codes that promise nothing.
    """

    def __init__(self, place, crowd, sample=300, unknown=(11,)):
        self.place, self.asked, self.sample = place, crowd.asked, sample
        self.unknown = unknown
        self.random = random.Random(place.seed)
        self.host = HostBooks(place.host.journal())
        self.payments = {p["id"]: p for p in rows(place.data, "SELECT * FROM payment")}
        self.operations = {o["id"]: o for o in rows(place.data, "SELECT * FROM operation")}
        self.by_unique = {o["unique_id"]: o for o in self.operations.values() if o["unique_id"]}

    def _some(self, things):
        return self.random.sample(things, min(self.sample, len(things)))

    def check_all(self):
        self.successes_are_recorded_and_booked()
        self.answers_are_remembered()
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

    def answers_are_remembered(self):
        """A decline, too: its reference must not name something else, or nothing, afterwards."""
        for a in filter(lambda a: a.answer and a.reference and not a.succeeded, self.asked):
            o = self.operations.get(operation_id(a.reference))
            assert o and o["unique_id"] == a.unique_id, f"lost: {a}"

    def refusals_have_moved_nothing(self):
        for a in self.asked:
            o = self.by_unique.get(a.unique_id)
            if a.answer is None or a.succeeded or a.answer["code"] in self.unknown or o is None:
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
        for a in self._some([a for a in self.asked if a.succeeded]):
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
        for number in self._some(sorted(self.payments)):
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
