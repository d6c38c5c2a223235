"""A gateway that is killed again and again on one data directory, and what it leaves there.

    CRASH_KILLS=100    how often gateways are killed at random instants; the kills at named points
                       and the losses of power grow with it. 100 makes some 600 in all
    CRASH_SEED=1       of all random choices; scheduling stays what it is
    CRASH_CLIENTS=8    shops at a time
"""

import collections
import contextlib
import os
import random
import re
import shutil
import signal
import subprocess
import time

from shoppers import Crowd
from truth import Truth
from turnpike import BINARY, Gateway, State, rows, verify, wait_until

KILLS = int(os.environ.get("CRASH_KILLS", "100"))
SEED = int(os.environ.get("CRASH_SEED", "20261121"))
CLIENTS = int(os.environ.get("CRASH_CLIENTS", "8"))
RESOLVE_SECONDS, DEATH_SECONDS = 60, 20
FIRST_START_CALLS = 200  # more than a start makes

TALLY = collections.Counter()  # of what gateways have died, in this run


class Life:
    """A gateway that is to die by itself, perhaps before it is ready."""

    def __init__(self, place, settings):
        self.log_path = place.data.parent / "lives.stderr"
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(
                [BINARY, *place.words()], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log, env={**os.environ, **settings})
        ready = re.fullmatch(rb"ready (https?://\S+) admin (http://\S+)\n",
                             self.process.stdout.readline())
        self.url, self.admin = (w.decode() for w in ready.groups()) if ready else (None, None)

    def ends(self, seconds=DEATH_SECONDS):
        """Its status; None when it still lives after the time, and is ended."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()


class Place:
    """A data directory, its host, and a gateway that comes and goes."""

    def __init__(self, data, host, config, name):
        self.data, self.host, self.config = data, host, config
        self.seed = f"{SEED}-{name}"
        self.random = random.Random(self.seed)
        self.gateway, self.kills = None, 0
        self.owed_reversals = 0  # at the instants of the kills, summed

    def words(self):
        words = ["serve", "--data", self.data, "--config", self.config, "--listen", "127.0.0.1:0",
                 "--admin", "127.0.0.1:0"]
        return [str(word) for word in words]

    def start(self, **settings):
        """settings: of its environment."""
        self.gateway = Gateway.start(self.data.parent, data=self.data, config=self.config,
                                     env={**os.environ, **settings})
        return self.gateway

    def died(self, of):
        """Counts a death."""
        self.kills += 1
        TALLY[of] += 1

    def kill(self):
        self.gateway.kill()
        self.died("random")
        self.owed_reversals += sum(o["state"] == State.IN_DOUBT for o in self.open_operations())

    def kill_while_starting(self):
        """A second power cut, while the first one is being recovered from."""
        with open(self.data.parent / "early.stderr", "ab") as log, subprocess.Popen(
                [BINARY, *self.words()], stdout=subprocess.DEVNULL, stderr=log) as process:
            time.sleep(self.random.uniform(0, 0.06))
            process.kill()
        self.died("random")

    def live(self, crowd, before_death=lambda: None, **settings):
        """One life that lasts until there was some trade."""
        crowd.url = self.start(**settings).url
        crowd.wait_for_trade()
        before_death()
        self.kill()
        crowd.url = None

    def kill_again_and_again(self, crowd, kills, before_each=lambda: None, longest=0.4):
        while self.kills < kills:
            before_each()
            crowd.url = self.start().url
            time.sleep(self.random.uniform(0.02, longest))
            self.kill()
            crowd.url = None
            if self.random.random() < 0.2:
                self.kill_while_starting()

    def die_at(self, crowd, point, drive=lambda life: None, **settings):
        """One life under load that must end at the point; drive(life) makes it go there."""
        life = Life(self, {"CRASH_POINT": point, **settings})
        crowd.url = life.url
        with contextlib.suppress(OSError):  # it may be dead by now
            drive(life)
        status = life.ends()
        crowd.url = None
        assert status == -signal.SIGKILL, f"\"{point}\" was not reached: {status} {life.log_path}"
        self.died("point")

    def settle_down(self):
        """Starts it for the last time, and waits until nothing is open."""
        self.host.faults()
        self.start()
        begun = time.monotonic()
        still_open = wait_until(lambda: not self.open_operations(), RESOLVE_SECONDS, 0.05)
        assert still_open, [dict(o) for o in self.open_operations()[:5]]
        return time.monotonic() - begun

    def open_operations(self):
        return rows(self.data, "SELECT * FROM operation WHERE state IN (?, ?)",
                    State.SENT, State.IN_DOUBT)


def crowd_of(place, size=CLIENTS, pause=0):
    print(f"CRASH_SEED={SEED} CRASH_KILLS={KILLS} CRASH_CLIENTS={CLIENTS}")
    return Crowd(size, place.seed, pause)


def tell(name, place, crowd, seconds):
    """For the reader of a run: what it has been through. pytest shows it when the test fails."""
    done = sum(a.succeeded for a in crowd.asked)
    lost = sum(a.answer is None for a in crowd.asked)
    print(f"{name}: seed {place.seed}, {place.kills} kills, {len(crowd.asked)} requests,"
          f" {done} successes,"
          f" {lost} without an answer, {place.owed_reversals} reversals owed at the kills,"
          f" all resolved after {seconds:.1f} s")


def all_is_true(name, place, crowd, least=None, **truth):
    """least: how many successes there must have been for the rest to mean something."""
    assert not crowd.faults(), crowd.faults()
    seconds = place.settle_down()
    tell(name, place, crowd, seconds)
    done = sum(a.succeeded for a in crowd.asked)
    assert done > (place.kills if least is None else least), "hardly anything has happened"
    Truth(place, crowd, **truth).check_all()
    assert place.gateway.stop() == 0
    verify(place.data)


def first_starts_die_until_one_lives(place, dies):
    """dies(nth): a first start that ends at its nth call; False when it makes no such call."""
    nth = 1
    while dies(nth):
        place.start().stop()
        verify(place.data)
        shutil.rmtree(place.data)
        nth += 1
        assert nth < FIRST_START_CALLS
    assert nth > 25, "a start makes more calls than that"
