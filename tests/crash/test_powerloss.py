"""Gateways that lose not only their process but what the disk had not been told to keep.

powerloss.c remembers, around the unmodified program, which writes and names are not durable yet;
power.py leaves any part of them. Then the three books must agree, so what a gateway has said, and
what it has sent, was durable before. The last tests let a sync be forgotten: the books must tell.
"""

import os
import pickle
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from place import (KILLS, TALLY, Life, Place, all_is_true, crowd_of,
                   first_starts_die_until_one_lives)
from power import MODES, Power
from preload import build
from test_points import KEYS, LOG_ANEW, TRADE
from truth import Truth
from turnpike import add_merchant, call_json, rows, succeeded, verify

LOSSES = max(1, KILLS // 16)  # in each way, with a busy and with a calm crowd


@pytest.fixture(scope="session", name="ledger_of_writes")
def powerloss_library(session_folder):
    return build("powerloss", session_folder)


@pytest.fixture(name="power")
def power_of_the_place(place, points, ledger_of_writes):
    return Power(place.data.parent, place.data.parent.parent / f"{place.data.parent.name}.shadow",
                 points, ledger_of_writes)


def lose(place, power, mode):
    TALLY["power"] += 1
    print(power.lose(mode, place.random))


def is_whole(place):
    found = rows(place.data, "PRAGMA integrity_check")
    assert found == [{"integrity_check": "ok"}], found


def perhaps_full(place):
    """Sometimes the disk is full for a few writes, before the power goes."""
    if place.random.random() < 0.75:
        return {}
    return {"CRASH_FULL": f"{place.random.randint(1, 30)} {place.random.randint(1, 3)}"}


def live_and_die(place, power, crowd, points):
    """One life: killed at a named point, or at any other instant."""
    settings = {**power.settings, **perhaps_full(place)}
    if place.random.random() < 0.6:
        point = place.random.choice(points)
        what = f"{point.what} {place.random.randint(1, point.among)}"
        print(what, settings.get("CRASH_FULL", ""), end="; ")
        place.die_at(crowd, what, **settings)
        return
    crowd.url = place.start(**settings).url
    time.sleep(place.random.uniform(0.02, 0.3))
    place.kill()
    crowd.url = None


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("crowd", ["busy", "calm"])
def test_what_was_said_or_sent_was_durable(place, power, crowd, mode):
    size, pause, points = (8, 0, TRADE) if crowd == "busy" else (3, 0.15, LOG_ANEW)
    with crowd_of(place, size, pause) as crowd:
        place.live(crowd, **power.settings)
        lose(place, power, mode)
        for _ in range(LOSSES):
            live_and_die(place, power, crowd, points)
            lose(place, power, mode)
            is_whole(place)
    all_is_true(mode, place, crowd, 0, sample=100)


@pytest.mark.parametrize("mode", MODES)
def test_what_a_failed_sync_leaves_behind_is_no_worse_than_unknown(place, power, mode):
    """The shops were told code 2, ask with CHECK: of those alone either may have become true."""
    with crowd_of(place) as crowd:
        for _ in range(LOSSES):
            nth = place.random.randint(2, 40)
            what = place.random.choice([f"sync log after engine {nth}",
                                        f"pwrite log before engine {nth + 1}",
                                        f"pwrite log middle engine {nth + 2}"])
            print(f"sync {nth} fails, {what}", end="; ")
            place.die_at(crowd, what, **power.settings, CRASH_BROKEN=f"{nth} 2")
            lose(place, power, mode)
            is_whole(place)
    all_is_true(mode, place, crowd, 0, sample=100, unknown=(2, 11))


def rotate(life, crowd):
    """With trade before, and after: with new cards."""
    crowd.wait_for_trade()
    call_json(life.admin + "/keys/rotate", {})
    crowd.wait_for_trade()


@pytest.mark.parametrize("mode", MODES)
def test_new_keys_are_durable_before_a_card_is_sealed_with_them(place, power, mode):
    with crowd_of(place) as crowd:
        for point in KEYS:
            place.die_at(crowd, f"{point.what} 1", lambda life: rotate(life, crowd),
                         **power.settings)
            lose(place, power, mode)
        place.live(crowd, lambda: rotate(place.gateway, crowd), **power.settings)
        lose(place, power, mode)
    all_is_true(mode, place, crowd, 0, sample=100)


@pytest.mark.parametrize("mode", MODES)
def test_a_gateway_that_has_stopped_has_left_nothing_to_lose(place, power, mode):
    with crowd_of(place) as crowd:
        crowd.url = place.start(**power.settings).url
        crowd.wait_for_trade(100)
        crowd.url = None
        assert place.gateway.stop() == 0
        lose(place, power, mode)
    all_is_true(mode, place, crowd, 0, sample=100)


# ---- the first start ----


@pytest.fixture(name="new_place")
def place_without_data(host, folder, points, ledger_of_writes):
    (folder / "world").mkdir()
    place = Place(folder / "world/data", host, host.config(folder), folder.name)
    place.power = Power(folder / "world", folder / "shadow", points, ledger_of_writes)
    yield place
    if place.gateway and place.gateway.alive:
        place.gateway.kill()


def start_dies(place, nth):
    """Whether the nth call of a first start is one; the power goes there."""
    life = Life(place, {**place.power.settings, "CRASH_POINT": f"any any before main {nth}"})
    if life.url:
        life.process.send_signal(signal.SIGTERM)
    status = life.ends()
    assert status in ((0, -signal.SIGKILL) if life.url else (-signal.SIGKILL,)), (nth, status)
    if not life.url:
        lose(place, place.power, place.random.choice(MODES[:1] + MODES))
    return not life.url


def test_a_first_start_without_power_can_be_made_again(new_place):
    first_starts_die_until_one_lives(new_place, lambda nth: start_dies(new_place, nth))


def test_the_first_sale_of_a_new_gateway_is_durable_with_all_that_it_needs(new_place):
    place = new_place
    place.start(**place.power.settings)
    add_merchant(place.data, "new_shop", "new_password")
    place.gateway.see_merchants()
    sale = succeeded(place.gateway.shop("new_shop", "new_password").sale())
    place.kill()
    lose(place, place.power, "nothing")
    shop = place.start().shop("new_shop", "new_password")
    told = shop.check(sale["reference"])
    assert told["code"] == 0 and told["transactions"][0]["code"] == 0, told
    succeeded(shop.refund(sale["reference"]))
    assert place.gateway.stop() == 0
    verify(place.data)


# ---- the tests themselves ----

# Writes to FILE and now and then syncs it; tells what it was then, and after each write since.
WRITER = """
import os, pathlib, pickle, random, sys
path, rng = pathlib.Path(sys.argv[1]), random.Random(int(sys.argv[2]))
fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
os.write(fd, bytes(3000))
for turn in range(80):
    if turn == 0 or rng.random() < 0.05:
        os.fdatasync(fd)
        versions = []
    elif rng.random() < 0.85:
        os.pwrite(fd, rng.randbytes(rng.randint(1, 3000)), rng.randint(0, 9000))
    else:
        os.ftruncate(fd, rng.randint(0, 9000))
    versions.append(path.read_bytes())
os.pwrite(fd, b"last", 0)
versions.append(path.read_bytes())
pickle.dump(versions, sys.stdout.buffer)
"""


def sectors(content):
    """As many as any version has, filled with zeros."""
    content += bytes(24 * 512 - len(content))
    return [content[at:at + 512] for at in range(0, len(content), 512)]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("seed", range(3))
def test_the_model_keeps_what_was_synced_and_of_the_rest_only_what_was_written(
        folder, ledger_of_writes, seed, mode):
    (folder / "world").mkdir()
    file = folder / "world/file"
    power = Power(folder / "world", folder / "shadow", ledger_of_writes)
    writer = subprocess.run([sys.executable, "-c", WRITER, file, str(seed)], check=True,
                            stdout=subprocess.PIPE, env={**os.environ, **power.settings})
    versions = pickle.loads(writer.stdout)
    (power.shadow / "names").unlink()  # the file's own name may stay
    power.lose(mode, random.Random(seed))
    left = file.read_bytes()
    if mode in ("nothing", "everything"):
        assert left == versions[0 if mode == "nothing" else -1]
    seen = [set(column) | {bytes(512)} for column in zip(*map(sectors, versions))]
    for n, sector in enumerate(sectors(left)):
        cut = len(left) - 512 * n  # where the file ends, if it does here
        assert any(sector == s or sector[:cut] == s[:cut] for s in seen[n]), n


def test_a_log_that_is_never_synced_is_caught(place, power):
    """Acknowledged payments are lost with the power, and the books do not agree."""
    with crowd_of(place) as crowd:
        place.live(crowd, **power.settings, CRASH_SWALLOW="*-wal")
        lose(place, power, "nothing")
    assert not crowd.faults()
    place.settle_down()
    with pytest.raises(AssertionError):
        Truth(place, crowd).check_all()


def test_pages_that_are_never_synced_are_caught(place, power):
    """The log is written over before what it held is durable elsewhere."""
    with crowd_of(place, size=2, pause=0.2) as crowd:
        place.die_at(crowd, "sync head after engine 3", **power.settings, CRASH_SWALLOW="*.db")
        lose(place, power, "nothing")
    assert not crowd.faults()
    with pytest.raises((AssertionError, sqlite3.DatabaseError)):
        is_whole(place)
        place.settle_down()
        Truth(place, crowd).check_all()


@pytest.mark.parametrize("forgotten", ["*/keyring.new-*", "*/data"], ids=["content", "name"])
def test_keys_that_are_never_synced_are_caught(place, power, forgotten):
    """Every card is sealed under a key that went with the power."""
    with crowd_of(place) as crowd:
        place.live(crowd, lambda: rotate(place.gateway, crowd), **power.settings,
                   CRASH_SWALLOW=forgotten)
        lose(place, power, "nothing")
    assert not crowd.faults()
    with pytest.raises(AssertionError):
        place.settle_down()
        Truth(place, crowd).check_all()
