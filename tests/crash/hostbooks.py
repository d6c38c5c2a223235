"""The host's books once more, from its journal alone.

Written apart from the host itself: only the journal's lines decide what is held, captured and
refunded, so that gateway, host and this must all three agree.
"""

import collections

OPENINGS = {"hold", "sale"}
MOVES = OPENINGS | {"capture", "refund"}  # what charges or gives back money


class HostBooks:
    """What the host has booked; amounts by payment, the id that DE 63 of the opening had."""

    def __init__(self, journal):
        self.held = collections.Counter()
        self.captured = collections.Counter()
        self.refunded = collections.Counter()
        self.booked = []  # (effect, id in DE 63, amount), in the order of booking, undone or not
        self._lines = {}  # by message: what DE 90 names
        for line in journal:
            getattr(self, "_" + line["effect"], self._nothing)(line)

    def position(self, payment):
        return self.held[payment], self.captured[payment], self.refunded[payment]

    def payments(self):
        return {number for effect, number, _ in self.booked if effect in OPENINGS}

    def times(self, effect):
        """How often each operation was booked; of captures, how often their payment."""
        return collections.Counter(number for e, number, _ in self.booked if e == effect)

    def _keep(self, line, payment):
        """Remembers a message that moved money of a payment; repeats differ in the MTI's end."""
        number = int(line["ref"], 16)
        self.booked.append((line["effect"], number, line["kept"]))
        key = line["mti"][:3] + "0" + line["stan"] + line["de7"] + line["acq"]
        self._lines[key] = {"effect": line["effect"], "payment": payment, "amount": line["kept"]}

    def _original(self, line):
        assert line["orig"][:31] in self._lines, f"of no message that moved money: {line}"
        return self._lines[line["orig"][:31]]

    def _nothing(self, line):
        pass

    def _hold(self, line):
        self._keep(line, int(line["ref"], 16))
        self.held[int(line["ref"], 16)] += line["kept"]

    def _sale(self, line):
        self._keep(line, int(line["ref"], 16))
        self.captured[int(line["ref"], 16)] += line["kept"]

    def _capture(self, line):
        payment = self._original(line)["payment"]
        self._keep(line, payment)
        self.held[payment] -= line["amount"]
        self.captured[payment] += line["amount"]

    def _refund(self, line):
        payment = self._original(line)["payment"]
        self._keep(line, payment)
        self.refunded[payment] += line["amount"]

    def _reverse(self, line):
        original = self._original(line)
        payment, amount = original["payment"], original["amount"]
        if original["effect"] == "hold":
            self.held[payment] -= amount
        elif original["effect"] == "sale":
            self.captured[payment] -= amount
        elif original["effect"] == "refund":
            self.refunded[payment] -= amount
        else:
            raise AssertionError(f"a reversal of a {original['effect']}: {line}")

    def _release(self, line):
        """kept is what stays of the hold, captured or not."""
        payment = self._original(line)["payment"]
        self.held[payment] = line["kept"] - self.captured[payment]
