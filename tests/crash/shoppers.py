"""Shops that trade all the time, and write down what they asked and what they were told.

A request that got no answer is written down as such. Sometimes it is sent once more under the same
id, as a careful shop does: then the answer must be a success of the one operation, or 3001.
"""

import dataclasses
import http.client
import json
import random
import threading
import time

from turnpike import Shop, unique_id, wait_until

DECLINED_CARD = "4000007700030510"  # insufficient funds


@dataclasses.dataclass
class Asked:
    """One request; answer is None when none came. parent: the reference it follows up."""
    kind: str
    unique_id: str
    minor: int
    parent: str = None
    answer: dict = None
    again: dict = None  # the answer to the second sending, when there was one

    @property
    def succeeded(self):
        return self.answer is not None and self.answer["code"] == 0

    @property
    def reference(self):
        return self.answer and self.answer["reference"]


class Shopper(threading.Thread):
    """One client; url() tells where the gateway is now."""

    def __init__(self, crowd, seed):
        super().__init__(daemon=True)
        self.crowd, self.random = crowd, random.Random(seed)
        self.asked, self.fault = [], None
        self.shop = Shop(None, "demo_merchant", "demo_password", timeout=90)

    def run(self):
        try:
            while self.crowd.wait_for_gateway():
                self.random.choice([self.sale, self.sale_and_refund, self.auth_and_settle,
                                    self.auth_and_void, self.declined])()
                if self.crowd.pause:
                    time.sleep(self.random.uniform(0, self.crowd.pause))
        except Exception as e:  # pylint: disable=broad-except
            self.fault = f"{type(e).__name__}: {e}"

    def _minor(self):
        return self.random.randint(100, 50000)

    def sale(self, **more):
        return self._ask("SALE", self._minor(), card=True, **more)

    def sale_and_refund(self):
        sale = self.sale()
        if sale.succeeded:
            part = self.random.choice([sale.minor, max(1, sale.minor // 3)])
            self._ask("REFUND", part, sale.reference)

    def auth_and_settle(self):
        auth = self._ask("AUTH", self._minor(), card=True)
        if not auth.succeeded or self.random.random() < 0.1:
            return
        part = self.random.choice([auth.minor, max(1, auth.minor // 2)])
        settle = self._ask("SETTLE", part, auth.reference)
        if settle.succeeded and self.random.random() < 0.3:
            self._ask("REFUND", part, settle.reference)

    def auth_and_void(self):
        auth = self._ask("AUTH", self._minor(), card=True)
        if auth.succeeded:
            self._ask("VOID", 0, auth.reference)

    def declined(self):
        if self.random.random() < 0.2:
            self.sale(card_number=DECLINED_CARD)

    def _ask(self, kind, minor, parent=None, card=False, **more):
        asked = Asked(kind, unique_id(), minor, parent)
        self.asked.append(asked)
        fields = {"transaction_unique_id": asked.unique_id, "reference": parent, **more}
        if kind != "VOID":
            fields |= {"amount": f"{minor // 100}.{minor % 100:02d}", "currency": "EUR"}
        request = self._card_fields(kind, fields) if card else self.shop.fields(kind, **fields)
        asked.answer = self._send(request)
        if asked.answer is None and self.random.random() < 0.5:
            asked.again = self._send(request)
        return asked

    def _card_fields(self, kind, fields):
        from turnpike import CARD, PAYER
        return self.shop.fields(kind, **{**CARD, **PAYER, **fields})

    def _send(self, fields):
        """None when no whole answer came."""
        self.shop.url = self.crowd.wait_for_gateway()
        if self.shop.url is None:
            return None
        try:
            answer = self.shop.post(json.dumps(fields))
        except (OSError, http.client.HTTPException):
            time.sleep(0.005)
            return None
        if answer.status == 503:
            return None  # it is being stopped
        if answer.headers.get("Content-Length") != str(len(answer.body)):
            return None  # cut off, perhaps within the headers
        assert answer.status == 200, answer.text
        return answer.json()


class Crowd:
    """Many shoppers. url is None while no gateway is there; they rest up to `pause` seconds."""

    def __init__(self, size, seed, pause=0):
        self.url, self.pause = None, pause
        self.closing = threading.Event()
        self.shoppers = [Shopper(self, f"{seed}-{n}") for n in range(size)]

    def __enter__(self):
        for s in self.shoppers:
            s.start()
        return self

    def __exit__(self, kind, value, trace):
        self.closing.set()
        for s in self.shoppers:
            s.join(120)

    def wait_for_gateway(self):
        """Its address; None when there will be none any more."""
        while not self.closing.is_set():
            url = self.url
            if url is not None:
                return url
            time.sleep(0.005)
        return None

    @property
    def asked(self):
        return [a for s in self.shoppers for a in s.asked]

    def successes(self):
        return sum(a.succeeded for a in self.asked)

    def wait_for_trade(self, more=10):
        """Until so many more requests have succeeded."""
        wanted = self.successes() + more
        assert wait_until(lambda: self.successes() >= wanted, 60, 0.005), "nobody trades"

    def faults(self):
        return [s.fault for s in self.shoppers if s.fault]
