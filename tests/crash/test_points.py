"""Gateways that die at a named point between two system calls of the write path.

points.c, loaded into the unmodified program, kills it there. Every point must be reached: a point
that the program does not come to any more is a failure, not a pass. Each point is met several
times, at one of its occurrences, on one data directory; then the three books must agree.
"""

import dataclasses
import signal

import pytest

from place import (KILLS, TALLY, Life, Place, all_is_true, crowd_of,
                   first_starts_die_until_one_lives)
from turnpike import call_json, wait_until

OCCURRENCES = max(1, KILLS // 33)


@dataclasses.dataclass
class Point:
    """what: for points.c, without the number; among: the first so many occurrences are tried."""
    name: str
    what: str
    among: int = 60


TRADE = [
    Point("request taken", "recv client after any"),
    Point("request: log not written", "pwrite log before requests"),
    Point("request: log half written", "pwrite log middle requests"),
    Point("request: log written, not synced", "sync log before requests"),
    Point("request: log synced, message not sent", "sync log after requests"),
    Point("message half sent", "send acquirer middle engine"),
    Point("message sent", "send acquirer after engine"),
    Point("answer received, not decided", "recv acquirer after engine"),
    Point("answer: log not written", "pwrite log before answers"),
    Point("answer: log half written", "pwrite log middle answers"),
    Point("answer: log written, not synced", "sync log before answers"),
    Point("answer: log synced, nobody told", "sync log after answers"),
    Point("reply decided, the HTTP thread not woken", "write wake before engine"),
    Point("the HTTP thread woken", "write wake after engine"),
    Point("reply not sent", "send client before any"),
    Point("reply half sent", "send client middle any"),
    Point("reply sent", "send client after any"),
    Point("checkpoint: log not synced", "sync log before keeper", 2),
    Point("checkpoint: log synced, no page moved", "sync log after keeper", 2),
    Point("checkpoint: page not written", "pwrite db before keeper"),
    Point("checkpoint: page half written", "pwrite db middle keeper"),
    Point("checkpoint: page written, not synced", "pwrite db after keeper"),
    Point("checkpoint: pages not synced", "sync db before keeper", 2),
    Point("checkpoint: pages synced", "sync db after keeper", 2),
]

# With pauses all of the log can move, and the next commit writes at its beginning.
LOG_ANEW = [
    Point("log anew: head not written", "pwrite head before engine", 2),
    Point("log anew: head half written", "pwrite head middle engine", 2),
    Point("log anew: head written, not synced", "sync head before engine", 2),
    Point("log anew: head synced, first commit not written", "sync head after engine", 2),
]

# Of a start that finds open operations. The engine's thread begins before the start is over.
RECOVERY = [
    Point("recovery: index of the log begun", "truncate shm after main", 1),
    Point("recovery: index of the log half made", "pwrite shm after main", 4),
    Point("recovery: log not written", "pwrite log before engine", 1),
    Point("recovery: log half written", "pwrite log middle engine", 2),
    Point("recovery: log written, not synced", "sync log before engine", 1),
    Point("recovery: log synced, reversals not sent", "sync log after engine", 2),
    Point("recovery: reversals half sent", "send acquirer middle engine", 2),
    Point("recovery: reversals sent", "send acquirer after engine", 2),
    Point("recovery: reversals answered, not decided", "recv acquirer after engine", 1),
    Point("recovery: address not announced", "open admin after main", 1),
]

# The keeper has moved all of the log before the last connection closes.
STOP = [
    Point("stop: log not removed", "unlink log before main", 1),
    Point("stop: log removed", "unlink log after main", 1),
    Point("stop: address not withdrawn", "unlink admin before main", 1),
]

KEYS = [
    Point("key ring half written", "write ring middle any", 1),
    Point("key ring not synced", "sync ring before any", 1),
    Point("key ring synced, not named", "rename ring before any", 1),
    Point("key ring named, folder not synced", "rename ring after any", 1),
    Point("key ring in place, no card sealed anew", "sync folder after keeper", 1),
]


def named(points):
    return pytest.mark.parametrize("point", points, ids=lambda p: p.name)


def die_again_and_again(place, crowd, point, points, drive=lambda life: None,
                        before=lambda: None):
    """Once at each of some occurrences of the point; tells which, for a failed run."""
    place.live(crowd)
    for _ in range(OCCURRENCES):
        before()
        nth = place.random.randint(1, point.among)
        print(f"{point.name}: {point.what} {nth}")
        place.die_at(crowd, f"{point.what} {nth}", drive, LD_PRELOAD=str(points))


@named(TRADE)
def test_a_gateway_killed_at_a_point_of_the_write_path_loses_and_doubles_nothing(place, points,
                                                                                 point):
    with crowd_of(place) as crowd:
        die_again_and_again(place, crowd, point, points)
    all_is_true(point.name, place, crowd, 0, sample=100)


@named(LOG_ANEW)
def test_a_gateway_killed_while_it_begins_the_log_anew_loses_nothing(place, points, point):
    with crowd_of(place, size=2, pause=0.2) as crowd:
        die_again_and_again(place, crowd, point, points)
    all_is_true(point.name, place, crowd, 0)


@named(RECOVERY)
def test_a_gateway_killed_while_it_recovers_recovers_again(place, points, point):
    """Before each such start it is killed with operations open that the host has booked."""
    def leave_open():
        place.live(crowd, be_silent)
        place.host.faults()

    def be_silent():
        place.host.faults(fault="silent_booked", count=4)
        assert wait_until(lambda: len(place.open_operations()) >= 2)

    with crowd_of(place) as crowd:
        die_again_and_again(place, crowd, point, points, before=leave_open)
    all_is_true(point.name, place, crowd, 0, sample=100)


@named(STOP)
def test_a_gateway_killed_while_it_stops_loses_nothing(place, points, point):
    def stop(life):
        crowd.wait_for_trade()
        life.process.send_signal(signal.SIGTERM)

    with crowd_of(place) as crowd:
        die_again_and_again(place, crowd, point, points, stop)
    all_is_true(point.name, place, crowd, 0, sample=100)


@named(KEYS)
def test_a_gateway_killed_while_it_changes_keys_can_open_every_card(place, points, point):
    def rotate(life):
        crowd.wait_for_trade()
        call_json(life.admin + "/keys/rotate", {})

    with crowd_of(place) as crowd:
        die_again_and_again(place, crowd, point, points, rotate)
    all_is_true(point.name, place, crowd, 0, sample=100)


def first_start_dies(place, points, nth):
    """Whether it has died at its nth call; it has made them all when it is ready."""
    life = Life(place, {"LD_PRELOAD": str(points), "CRASH_POINT": f"any any before main {nth}"})
    if life.url:
        life.process.send_signal(signal.SIGTERM)
    status = life.ends()
    assert status in ((0, -signal.SIGKILL) if life.url else (-signal.SIGKILL,)), (nth, status)
    TALLY["first start"] += status == -signal.SIGKILL and not life.url
    return not life.url


def test_a_first_start_killed_at_any_call_can_be_made_again(host, folder, points):
    place = Place(folder / "data", host, host.config(folder), "first start")
    first_starts_die_until_one_lives(place, lambda nth: first_start_dies(place, points, nth))
