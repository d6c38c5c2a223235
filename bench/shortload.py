#!/usr/bin/python3
"""A few seconds of concurrent payments against a build with a sanitizer.

    bench/shortload.py TURNPIKE [--seconds N] [--clients N]

Each client sells, asks and refunds over a connection of its own. Every answer must be code 0, and
the server must end cleanly after SIGTERM: the thread sanitizer's reports become an exit status.
"""

import argparse
import http.client
import json
import sys
import tempfile
import threading
import time
import urllib.parse

from harness import Failed, Server

LOGIN = {
    "api_version": 1, "merchant_account": "demo_merchant", "merchant_password": "demo_password",
}
SALE = {
    "transaction_type": "SALE", "amount": 12.5, "currency": "EUR",
    "card_number": "4111111111111111", "card_exp_month": "12", "card_exp_year": "2031",
    "cvv": "123", "first_name": "Ann", "last_name": "Lee", "card_holder": "ANN LEE", "zip": "01001",
    "country": "LTU", "user_email": "ann@example.com", "user_ip": "192.0.2.7",
}


class Client(threading.Thread):
    def __init__(self, url, number, until):
        super().__init__(daemon=True)
        self.connection = http.client.HTTPConnection(urllib.parse.urlsplit(url).netloc, timeout=60)
        self.number, self.until = number, until
        self.answers, self.fault = 0, None

    def ask(self, **fields):
        self.connection.request("POST", "/api/cc", json.dumps({**LOGIN, **fields}),
                                {"Content-Type": "application/json"})
        answer = json.loads(self.connection.getresponse().read())
        if answer.get("code") != 0:
            raise Failed(f"{fields['transaction_type']}: {answer}")
        self.answers += 1
        return answer

    def run(self):
        count = 0
        try:
            while time.monotonic() < self.until:
                count += 1
                unique = f"short{self.number:03d}{count:06d}"
                sale = self.ask(**SALE, transaction_unique_id=unique)
                self.ask(transaction_type="CHECK", transaction_unique_id=unique)
                self.ask(transaction_type="REFUND", transaction_unique_id=unique + "r",
                         amount=12.5, currency="EUR", reference=sale["reference"])
        except (Failed, OSError, ValueError, KeyError, http.client.HTTPException) as e:
            self.fault = f"client {self.number}: {type(e).__name__}: {e}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("turnpike")
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--clients", type=int, default=16)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="turnpike-load-") as folder:
        with Server.turnpike(options.turnpike, folder + "/data") as server:
            until = time.monotonic() + options.seconds
            clients = [Client(server.url, i, until) for i in range(options.clients)]
            for client in clients:
                client.start()
            for client in clients:
                client.join()
            server.stop()
    faults = [client.fault for client in clients if client.fault]
    if faults:
        raise Failed("\n".join(faults))
    print(f"{sum(client.answers for client in clients)} answers, all of code 0; a clean end")


if __name__ == "__main__":
    try:
        main()
    except Failed as failure:
        sys.exit(f"shortload: {failure}")
