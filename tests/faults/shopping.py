"""A shop's whole errand, under faults, and what must be true of it afterwards.

The errand is what a shop does in a day, over one connection that is kept open: AUTH, SETTLE,
REFUND; AUTH, VOID; a signed SALE; TOKENIZE, SALE by token, CHECK; a card that is declined. A
request without an answer is sent once more under its id at once, and everything without a success
once more when the faults are over.
"""

import dataclasses
import http.client
import itertools
import json
import urllib.parse

from genome import PUBLIC_KEY, signature
from truth import Truth
from turnpike import CARD, PAYER, Shop, operation_id, rows

DECLINED_CARD = "4000007700030510"  # insufficient funds
ANSWER_SECONDS, PATIENT_SECONDS = 2, 30  # under faults, and afterwards
SILENCES_MAX = 3  # then the shop gives up for today

UNKNOWN_OUTCOME = 11
USED_BEFORE = 3001
NOTHING_TO_CHECK = 3014

# The errors that are ours or the bank's. Whatever else is answered to a request that was right
# blames the shop: its JSON, its password, its reference.
OUR_ERRORS = {1, 2, 3, 10, 1003, UNKNOWN_OUTCOME, 3109, 3117, 3118}

_labels = itertools.count(1)


@dataclasses.dataclass
class Asked:
    """One request and every answer to it; None for a sending that was not answered."""
    kind: str
    fields: dict
    minor: int
    declined: bool = False
    doubtful: bool = False  # what was told as an error may have become durable
    answers: list = dataclasses.field(default_factory=list)
    again: dict = None  # Truth looks for it; here it is among the answers

    @property
    def unique_id(self):
        return self.fields["transaction_unique_id"]

    @property
    def answer(self):
        """The success; else None when one sending was not answered; else the last answer."""
        successes = [a for a in self.answers if a is not None and a["code"] == 0]
        if successes:
            return successes[0]
        unsure = self.doubtful or not self.answers or None in self.answers
        return None if unsure else self.answers[-1]

    @property
    def succeeded(self):
        return self.answer is not None and self.answer["code"] == 0

    @property
    def reference(self):
        return self.answer and self.answer["reference"]


class GivenUp(Exception):
    """The shop has heard nothing too often."""


class Errand:
    """One run through the script."""

    def __init__(self, gateway, name, patient=False):
        self.shop = Shop(gateway.url, "demo_merchant", "demo_password")
        self.label = f"{next(_labels)}-{name}"
        self.asked, self.wrong = [], []
        self.unanswered = []  # why, for the reader of a failure
        self.disk_is_gone = lambda: False  # then nothing can become durable any more
        self.connection = None
        self.patience = PATIENT_SECONDS if patient else ANSWER_SECONDS

    # -- the connection --

    def post(self, fields):
        """None when no whole answer came, or one that leaves open what became of the request."""
        try:
            if self.connection is None:
                host = urllib.parse.urlsplit(self.shop.url).netloc
                self.connection = http.client.HTTPConnection(host, timeout=self.patience)
            self.connection.request("POST", "/api/cc", json.dumps(fields),
                                    {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            body = answer.read()
            whole = answer.getheader("Content-Length") is not None  # else cut in its header
            made = json.loads(body) if answer.status == 200 and whole else None
        except (OSError, http.client.HTTPException) as e:
            self.unanswered.append(f"{fields['transaction_type']}: {e!r}")
            self.hang_up()
            return None
        except ValueError:
            self.wrong.append(f"an answer that is not JSON: {body!r}")
            return None
        if made is None:
            self.unanswered.append(f"{fields['transaction_type']}: {answer.status} {body!r}")
        if whole and answer.status not in (200, 500, 503):
            self.wrong.append(f"HTTP {answer.status} {body!r} to a right {fields}")
        return made

    def hang_up(self):
        if self.connection is not None:
            self.connection.close()
        self.connection = None

    # -- the script --

    def run(self):
        try:
            self.trade()
        except GivenUp:
            pass
        self.hang_up()

    def trade(self):
        auth = self.ask("AUTH", card=True)
        settle = auth.succeeded and self.ask("SETTLE", parent=auth)
        if settle and settle.succeeded:
            self.ask("REFUND", parent=settle)
        auth = self.ask("AUTH", card=True)
        if auth.succeeded:
            self.ask("VOID", parent=auth)
        self.ask("SALE", card=True, auth_type="bySignature")
        token = self.tokenize()
        if token:
            sale = self.ask("SALE", card=True, token=token)
            if sale.succeeded:
                self.check_under_faults(sale)
        self.ask("SALE", card=True, card_number=DECLINED_CARD)

    def ask(self, kind, parent=None, card=False, **more):
        minor = 1000 + len(self.asked)
        fields = self.shop.fields(
            kind, transaction_unique_id=f"{self.label}-{len(self.asked)}",
            reference=parent.reference if parent else None)
        if card:
            fields |= {**({} if "token" in more else CARD), **PAYER, **more}
        if kind in ("SETTLE", "REFUND"):
            minor = parent.minor
        if kind != "VOID":
            fields |= {"amount": f"{minor // 100}.{minor % 100:02d}", "currency": "EUR"}
        if "auth_type" in fields:
            del fields["merchant_account"], fields["merchant_password"]
            fields |= {"public_key": PUBLIC_KEY, "signature": signature(fields)}
        asked = Asked(kind, fields, minor, declined=more.get("card_number") == DECLINED_CARD)
        self.asked.append(asked)
        self.send(asked)
        if asked.answers[-1] is None:
            self.send(asked)
        if len(self.unanswered) >= SILENCES_MAX:
            raise GivenUp
        return asked

    def send(self, asked):
        in_vain = self.disk_is_gone()
        answer = self.post(asked.fields)
        asked.answers.append(answer)
        fits = answer is None or answer["code"] in OUR_ERRORS or (
            answer["code"] == 0 and not asked.declined) or (
            answer["code"] == 3101 and asked.declined) or (
            answer["code"] == USED_BEFORE and len(asked.answers) > 1)
        if not fits:
            self.wrong.append(f"wrong: {answer} to {asked.kind}, after {asked.answers[:-1]}")
        if in_vain and answer and answer["code"] == 0:
            self.wrong.append(f"a success that cannot be durable: {answer}")
        return answer

    def tokenize(self):
        fields = self.shop.fields("TOKENIZE", **CARD, card_holder="ANN LEE",
                                  transaction_unique_id=None)
        answer = self.post(fields)
        if answer is None:
            return None
        if answer["code"] not in OUR_ERRORS | {0}:
            self.wrong.append(f"wrong: {answer} to TOKENIZE")
        return answer["token"] if answer["code"] == 0 else None

    def check_under_faults(self, asked):
        """Of what has succeeded: a success, or an error that says nothing."""
        told = self.post(self.shop.fields("CHECK", reference=asked.reference))
        if told is not None and told["code"] not in OUR_ERRORS and told_state(told) != "SUCCESS":
            self.wrong.append(f"CHECK of a success is told {told}")

    # -- afterwards, without faults --

    def unfinished(self):
        return [a for a in self.asked if not a.succeeded and not (
            a.declined and a.answer and a.answer["code"] == 3101)]

    def finish(self):
        """Asks what became of everything, and sends it again: that must fit together."""
        self.patience = PATIENT_SECONDS
        for asked in self.unfinished():
            told = self.check(asked)
            answer = self.send(asked)
            if told_state(told) == "NONE" and answer and answer["code"] == USED_BEFORE:
                told = self.check(asked)  # a sending that was given up has arrived after all
            fits = {"NONE": 3101 if asked.declined else 0, None: None}
            expected = fits.get(told_state(told), USED_BEFORE)
            if expected is None or answer is None or answer["code"] != expected:
                self.wrong.append(f"CHECK tells {told}, the same id sent again {answer}; "
                                  f"answers before: {asked.answers[:-1]}")
        self.hang_up()

    def check(self, asked):
        return self.post(self.shop.fields("CHECK", transaction_unique_id=asked.unique_id))


def told_state(told):
    """What a CHECK says of its one operation; NONE: it was never recorded."""
    if told is not None and told["code"] == NOTHING_TO_CHECK:
        return "NONE"
    if told is None or told["code"] != 0 or len(told["transactions"]) != 1:
        return None
    return told["transactions"][0]["status"]


class Books(Truth):
    """The three books of all errands of one place; place.data, place.host, place.gateway."""

    def __init__(self, place, asked):
        super().__init__(place, type("Crowd", (), {"asked": asked}))

    def second_sendings_have_charged_nothing(self):
        for a in self.asked:
            told = {x["reference"] for x in a.answers if x is not None and x["code"] == 0}
            assert len(told) <= 1, f"done twice: {a}"


def wrong_in_books(place, errand):
    """What the gateway and its host do not tell the same about the payments of an errand."""
    prefix = errand.label + "-"
    found = rows(place.data, "SELECT p.* FROM payment p JOIN operation o ON o.id = p.id AND "
                 "o.merchant_id = p.merchant_id WHERE substr(o.unique_id, 1, ?) = ?", len(prefix),
                 prefix)
    wrong = []
    for payment in found:
        told = place.host.position(payment["id"]) or {}
        there = tuple(told.get(k, 0) for k in ("held_minor", "captured_minor", "refunded_minor"))
        here = Books.expected_position(payment)
        if here != there:
            wrong.append(f"the host has {there}, the gateway {here}: {payment}")
    known = {payment["id"] for payment in found}
    for asked in errand.asked:
        if asked.succeeded and asked.kind in ("SALE", "AUTH") and \
                operation_id(asked.reference) not in known:
            wrong.append(f"lost: {asked}")
    return wrong
