"""Gateways that are killed in the middle of trading, at random instants.

The host is a process of its own that is never killed: the outside world. Shops trade through the
gateway, which is killed and started again on the same data. In the end three books must agree: what
the shops were told, what the gateway's database says, and what the host has in its journal.
"""

import signal
import time

from place import KILLS, all_is_true, crowd_of
from turnpike import State, rows

FAULTS = ["silent_booked", "silent_unbooked", "drop_after", "drop_before", "late", "twice",
          "garbage"]


def test_a_gateway_killed_under_load_loses_and_doubles_nothing(place):
    with crowd_of(place) as crowd:
        place.kill_again_and_again(crowd, max(1, 2 * KILLS // 3))
    all_is_true("kills", place, crowd)


def test_a_gateway_killed_while_reversals_are_pending_resolves_them_all(hasty_place):
    place = hasty_place

    def change_faults():
        place.host.faults(fault=place.random.choice(FAULTS), count=place.random.randint(1, 12),
                          late_ms=400, **{"class": place.random.choice([0, 0, 1, 2, 4])})

    kills = max(1, KILLS // 3)
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
