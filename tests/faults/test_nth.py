"""The n-th malloc, write, fsync, send, recv fails, for each n over all that a shop does.

A gateway runs with nth.c between it and the C library; its host is a process of its own in which
nothing fails: the outside world. For every kind of fault and every n a shop runs its errand
(shopping.py) while the fault is on, once or for good; then the faults end, and it must be true that
the gateway is alive, becomes ready, resolves everything, has told nobody anything wrong, and agrees
with its host. At the end it stops as an operator would stop it, with no more memory left over than
without faults.

    FAULTS_SECONDS=35    for each of the two tests below; 0: until all is done
    FAULTS_LANES=8       gateways at a time: most of the time they wait for time-outs
    FAULTS_ONLY=malloc   only kinds of faults whose name has this in it
    FAULTS_ONLY="malloc once:17"    only that n of that kind

Each kind is taken in an order of n that is spread evenly, whenever it ends. Threads run beside each
other, so the n-th malloc is another one every time, and there are thousands: a run with an end
takes the kinds "by callers" instead, which see to it that each place that allocates has failed.
"""

import collections
import concurrent.futures
import dataclasses
import errno
import itertools
import os
import pathlib
import re
import shutil
import signal
import subprocess
import threading
import time

import pytest

import nth
from genome import PUBLIC_KEY, signature
from nth import END, SHORT, Fault, Page
from shopping import Books, Errand, wrong_in_books
from turnpike import BINARY, CARD, PAYER, Gateway, Host, Shop, State, rows, verify, wait_until

SECONDS = float(os.environ.get("FAULTS_SECONDS", "35"))
LANES = int(os.environ.get("FAULTS_LANES", "8"))
ONLY = os.environ.get("FAULTS_ONLY", "")
FAILURES_MAX = 12  # then no more runs are begun
STARTS, IN_VAIN = 256, 4  # of looking for new callers; when so many have met none, there are none

READY_SECONDS, RESOLVE_SECONDS, START_SECONDS = 15, 20, 20
HOUSEKEEPING_SECONDS = 0.11  # one round of it belongs to the errand
LINK = {"request_timeout_ms": 5000, "advice_timeout_ms": 5000, "network_timeout_ms": 2000,
        "connect_timeout_ms": 2000}


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of fault: a row of the tables below."""
    name: str
    fault: Fault
    cold: bool = False  # the gateway is just started: statements and caches are made
    killed: bool = False  # it is killed under the fault, and started again
    harmless: bool = False  # nobody may notice
    again: bool = False  # of starts: there is data
    turns: int = 1  # how many of them for one of the others
    long: bool = False  # thousands of n: only in a run without an end, or when asked for

    def at(self, n):
        return dataclasses.replace(self.fault, n=n)

    def numbers(self, count):
        """The n of its runs. New callers are looked for from all over, and then from the start
        until there are none."""
        if self.fault.round:
            starts = (1 + (i - 1) * count // STARTS for i in spread(STARTS))
            return itertools.chain(starts, itertools.repeat(1))
        return spread(count + count // 8 + 2)


KINDS = [
    Kind("write once", Fault("write")),
    Kind("write for good", Fault("write", for_good=True)),
    Kind("write broken", Fault("write", error=errno.EIO)),
    Kind("write short", Fault("write", for_good=True, error=SHORT, then=SHORT), harmless=True),
    Kind("write torn", Fault("write", for_good=True, error=SHORT, then=errno.ENOSPC)),
    Kind("write torn, killed", Fault("write", for_good=True, error=SHORT, then=errno.EIO),
         killed=True),
    Kind("fsync once", Fault("fsync")),
    Kind("fsync for good", Fault("fsync", for_good=True)),
    Kind("fsync for good, killed", Fault("fsync", for_good=True), killed=True),
    Kind("send once", Fault("send")),
    Kind("send for good", Fault("send", for_good=True, error=errno.ECONNRESET)),
    Kind("send short", Fault("send", for_good=True, error=SHORT), harmless=True),
    Kind("send torn", Fault("send", for_good=True, error=SHORT, then=errno.EPIPE)),
    Kind("recv once", Fault("recv")),
    Kind("recv for good", Fault("recv", for_good=True)),
    Kind("recv end", Fault("recv", error=END)),
    Kind("recv short", Fault("recv", for_good=True, error=SHORT), harmless=True),
    Kind("read once", Fault("read")),
    Kind("read for good", Fault("read", for_good=True)),
    Kind("read cold", Fault("read"), cold=True),
    Kind("open once", Fault("open")),
    Kind("open for good", Fault("open", for_good=True)),
    Kind("malloc by callers", Fault("malloc", round=1), turns=4),
    Kind("malloc by callers, for good", Fault("malloc", round=2, for_good=True), turns=2),
    Kind("malloc by callers, cold", Fault("malloc", round=3), cold=True, turns=6),
    Kind("malloc once", Fault("malloc"), long=True),
    Kind("malloc for good", Fault("malloc", for_good=True), long=True),
    Kind("malloc cold", Fault("malloc"), cold=True, long=True),
    Kind("malloc for good, cold", Fault("malloc", for_good=True), cold=True, long=True),
]

START_KINDS = [
    Kind("first start, malloc by callers", Fault("malloc", round=4), turns=6),
    Kind("first start, malloc once", Fault("malloc"), long=True),
    Kind("first start, malloc for good", Fault("malloc", for_good=True), long=True),
    Kind("first start, write once", Fault("write")),
    Kind("first start, write torn", Fault("write", for_good=True, error=SHORT, then=errno.ENOSPC)),
    Kind("first start, fsync once", Fault("fsync")),
    Kind("first start, fsync for good", Fault("fsync", for_good=True)),
    Kind("first start, read once", Fault("read")),
    Kind("first start, send once", Fault("send")),
    Kind("first start, recv once", Fault("recv")),
    Kind("first start, open once", Fault("open")),
    Kind("first start, open for good", Fault("open", for_good=True)),
    Kind("first start, thread once", Fault("thread")),
    Kind("next start, malloc by callers", Fault("malloc", round=5), again=True, turns=6),
    Kind("next start, malloc once", Fault("malloc"), again=True, long=True),
    Kind("next start, write once", Fault("write"), again=True),
    Kind("next start, read once", Fault("read"), again=True),
    Kind("next start, open once", Fault("open"), again=True),
]


def spread(count):
    """1 to count in an order that covers the whole evenly, however early one stops."""
    bits = count.bit_length()
    turned = (int(f"{i:0{bits}b}"[::-1], 2) for i in range(1 << bits))
    return [i + 1 for i in turned if i < count]


def test_the_order_of_the_runs_leaves_nothing_out():
    assert sorted(spread(1000)) == list(range(1, 1001))
    assert all(any(low < n <= low + 100 for n in spread(1000)[:20]) for low in range(0, 1000, 100))


class Plan:
    """Which runs there are: the kinds take turns, so that each gets its share of the time."""

    def __init__(self, kinds, counts):
        """counts(kind): how many calls of its class a run without faults makes."""
        wanted, _, only_n = ONLY.partition(":")
        self.lock = threading.Lock()
        self.deadline = time.monotonic() + SECONDS if SECONDS and not only_n else float("inf")
        self.failures, self.done, self.missed = [], collections.Counter(), collections.Counter()
        self.in_vain = collections.Counter()  # runs at the end that have met nothing
        self.total, self.queues = {}, collections.deque()
        for kind in (k for k in kinds if wanted in k.name and (ONLY or not SECONDS or not k.long)):
            order = [int(only_n)] if only_n else kind.numbers(counts(kind))
            self.total[kind.name] = "all" if kind.fault.round else len(order)
            self.queues.extend([(kind, iter(order))] * kind.turns)

    def take(self):
        """The next run, of the kind whose turn it is; None when all is done, or the time is up."""
        while self.queues and len(self.failures) < FAILURES_MAX and \
                time.monotonic() <= self.deadline:
            kind, order = self.queues.popleft()
            n = next(order, None)
            if n is None or (kind.fault.round and self.in_vain[kind.name] >= IN_VAIN):
                continue
            self.queues.append((kind, order))
            return kind, n
        return None

    def __iter__(self):
        """Of one lane; lanes share the runs."""
        while True:
            with self.lock:
                run = self.take()
            if run is None:
                return
            yield run

    def note(self, kind, fault, reached, complaints, where=()):
        with self.lock:
            self.done[kind.name] += 1
            self.missed[kind.name] += not reached
            if reached:
                self.in_vain[kind.name] = 0
            elif fault.n == 1:
                self.in_vain[kind.name] += 1
        if complaints:
            self.note_end(f"[{kind.name}] {fault}\n  at {nth.tell(where)}", complaints)

    def note_end(self, what, complaints):
        if complaints:
            with self.lock:
                self.failures.append("\n  ".join([what, *complaints]))

    def result(self):
        for name, total in self.total.items():
            print(f"{name}: {self.done[name]} of {total} runs, "
                  f"{self.done[name] - self.missed[name]} met their fault")
        if self.failures:
            pytest.fail("\n\n".join(self.failures), pytrace=False)
        assert all(self.done.values()) and len(self.done) == len(self.total), \
            "there was no time: FAULTS_SECONDS is too short for this machine"


def attempt(run, *args):
    """The complaints; what run() asserts is one."""
    try:
        return run(*args)
    except Exception as e:  # pylint: disable=broad-except
        return [f"{type(e).__name__}: {e}"[:3000]]


def in_lanes(work, plan):
    with concurrent.futures.ThreadPoolExecutor(LANES) as pool:
        lanes = [pool.submit(work, number) for number in range(LANES)]
        try:
            for lane in lanes:
                lane.result()
        finally:
            plan.deadline = 0  # also when somebody has pressed Ctrl-C
    plan.result()


# ---- while it serves ----


class Lane:
    """A gateway under nth.c, and its host, which is not."""

    seed = 1  # for Truth

    def __init__(self, folder, template, library):
        self.folder, self.library = folder, library
        self.data = pathlib.Path(shutil.copytree(template, folder / "data"))
        self.host = Host.start(folder)
        self.config = self.host.config(folder, server={"threads": 2}, **LINK)
        self.page, self.leaks = Page(folder / "page"), folder / "leaks"
        self.asked, self.gateway = [], None
        self.history, self.reached = [], False  # runs; whether the last one met its fault

    def start(self):
        self.gateway = Gateway.start(self.folder, data=self.data, config=self.config,
                                     env=self.page.environment(self.library, self.leaks))
        self.gateway.wait_ready(READY_SECONDS)
        assert wait_until(self.link_is_up, READY_SECONDS), self.gateway.log()

    def link_is_up(self):
        return 'turnpike_link_up{link="main"} 1' in self.gateway.get("/metrics").text

    def open_operations(self):
        return rows(self.data, "SELECT * FROM operation WHERE state IN (?, ?)",
                    State.SENT, State.IN_DOUBT)

    def errand(self, name, fault=None, patient=True):
        """Runs it under a fault; the errand."""
        errand = Errand(self.gateway, name, patient)
        if fault and fault.for_good and fault.name in ("write", "fsync") and fault.then != SHORT:
            errand.disk_is_gone = lambda: self.page.failed > 0
        self.page.arm(fault)
        errand.run()
        errand.disk_is_gone = lambda: False
        time.sleep(HOUSEKEEPING_SECONDS)
        if fault is None or self.page.failed or not fault.for_good:
            self.page.disarm()
        self.asked += errand.asked
        return errand

    def stop(self):
        """Ends it; what it has not given back, by callers."""
        status = self.gateway.stop()
        assert status == 0, f"ended with {status}\n{self.gateway.log()[-3000:]}"
        return nth.read_leaks(self.leaks)

    def end(self, left_over):
        """After the last run."""
        if self.gateway is None or not self.gateway.alive:
            self.start()
        Books(self, self.asked).check_all()
        more = self.stop() - left_over
        verify(self.data)
        return [f"never given back: {count} x {nth.tell(callers)}"
                for callers, count in more.items()]

    def close(self):
        self.page.disarm()
        if self.gateway is not None and self.gateway.alive:
            self.gateway.kill()
        self.host.stop()

    # -- what must be true --

    def settle(self):
        """Waits until nothing is open; complaints."""
        if not wait_until(lambda: not self.gateway.alive or self.ready(), READY_SECONDS):
            return [f"not ready {READY_SECONDS} s after the faults"]
        if not self.gateway.alive:
            return [f"ended with {self.gateway.process.returncode}: {self.gateway.log()[-600:]}"]
        if not wait_until(lambda: not self.open_operations(), RESOLVE_SECONDS, 0.05):
            return [f"still open: {self.open_operations()}"]
        return []

    def ready(self):
        try:
            return self.gateway.is_ready() and self.link_is_up()
        except OSError:
            return False

    def run(self, kind, n):
        """One errand under one fault; complaints."""
        self.reached = False
        if kind.cold or self.gateway is None or not self.gateway.alive:
            if self.gateway is not None and self.gateway.alive:
                self.stop()
            self.start()
        errand = self.errand(f"{kind.fault.name}-{n}", kind.at(n), kind.harmless)
        self.reached = self.page.failed > 0
        if kind.killed:
            self.gateway.kill()
        self.page.disarm()
        if kind.killed:
            for asked in errand.asked:
                asked.doubtful = True
            self.start()
            errand.shop.url = self.gateway.url
        if kind.harmless and errand.unfinished():
            errand.wrong.append(f"noticed: {errand.unfinished()}")
        complaints = self.settle()
        if not complaints:
            errand.finish()
            complaints = self.settle()
        if not complaints:
            complaints = wrong_in_books(self, errand)
        complaints += errand.wrong
        if complaints:
            complaints += [f"not answered: {errand.unanswered}", f"before: {self.history[-8:]}",
                           f"log: {self.gateway.log()[-1500:]}"]
        self.history.append(f"{kind.name}:{n}")
        if complaints and self.gateway.alive:
            self.gateway.kill()  # the next run starts anew
        return complaints


@pytest.fixture(name="usual")
def run_without_faults(folder, template, library):
    """(calls of a first errand, calls of a later one, blocks left over at the end)."""
    lane = Lane(folder / "usual", template, library)
    try:
        lane.start()
        counts = []
        for number in range(3):
            errand = lane.errand(f"usual-{number}")
            assert not errand.wrong and not errand.unfinished(), errand.wrong
            counts.append(lane.page.seen)
        return counts[0], counts[-1], lane.stop()
    finally:
        lane.close()


def test_no_fault_makes_a_gateway_lie_or_lose(folder, template, library, usual):
    cold, warm, left_over = usual
    plan = Plan(KINDS, lambda kind: (cold if kind.cold else warm)[kind.fault.name])

    def work(number):
        lane = Lane(folder / f"lane-{number}", template, library)
        try:
            for kind, n in plan:
                complaints = attempt(lane.run, kind, n)
                plan.note(kind, kind.at(n), lane.reached, complaints, lane.page.where())
            plan.note_end(f"lane {number}", attempt(lane.end, left_over))
        finally:
            lane.close()

    in_lanes(work, plan)


# ---- while it starts ----


class Start:
    """One start under a fault, and what it leaves to the next. The sandbox is inside: its host is
    under the fault, too."""

    def __init__(self, folder, library, template):
        folder.mkdir()
        self.folder, self.library, self.data = folder, library, folder / "data"
        self.page, self.leaks = Page(folder / "page"), folder / "leaks"
        self.log_path = folder / "first.stderr"
        if template:
            shutil.copytree(template, self.data)

    def under(self, fault):
        """Complaints of the first start."""
        words = ["serve", "--data", self.data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        self.page.arm(fault)
        with open(self.log_path, "wb") as log, subprocess.Popen(
                [BINARY, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log, env=self.page.environment(self.library, self.leaks)) as process:
            alarm = threading.Timer(START_SECONDS, process.kill)
            alarm.start()
            try:
                line = process.stdout.readline().decode()
                self.page.disarm()
                complaints = self.is_right(line, process)
                process.terminate()
                status = process.wait()
            finally:
                alarm.cancel()
                process.kill()
        return complaints + self.ended_well(status, line)

    @staticmethod
    def is_right(line, process):
        """What it says must be true: it sells."""
        ready = re.fullmatch(r"ready (http://\S+) admin (http://\S+)\n", line)
        if not ready:
            process.wait()
            return [] if line == "" else [f"says {line!r}"]
        try:
            return what_is_wrong_with_the_sales(Shop(ready[1], "demo_merchant", "demo_password"))
        except OSError as e:
            return [f"ready, but {e!r}"]

    def ended_well(self, status, line):
        said = self.log_path.read_text(encoding="utf-8", errors="replace")
        if status == -signal.SIGKILL:
            return [f"hangs: {said[-1000:]}"]
        if line:
            return [] if status == 0 else [f"ended with {status}: {said[-1000:]}"]
        if status != 1 or not re.search(r"turnpike: \S.{8,}$", said, re.M):
            return [f"did not start, status {status}, saying {said[-1000:]!r}"]
        return []

    def next_one(self):
        """Complaints of a start without faults on what the first one has left."""
        gateway = Gateway.start(self.folder, data=self.data)
        try:
            complaints = what_is_wrong_with_the_sales(gateway.shop())
        finally:
            status = gateway.stop()
        verify(self.data)
        return complaints + ([f"the next one ended with {status}"] if status else [])


def what_is_wrong_with_the_sales(shop):
    """One under the password, one under a signature: the merchant is whole."""
    by_password = shop.sale()
    fields = shop.fields("SALE", amount="1.00", currency="EUR", auth_type="bySignature", **CARD,
                         **PAYER)
    del fields["merchant_account"], fields["merchant_password"]
    signed = fields | {"public_key": PUBLIC_KEY, "signature": signature(fields)}
    return [f"{how}: {answer}" for how, answer in
            (("password", by_password), ("signature", shop.send(signed))) if answer["code"] != 0]


def test_a_start_under_faults_is_right_or_says_why_not_and_spoils_nothing(
        folder, template, library):
    usual = {}
    for again in (False, True):
        start = Start(folder / f"usual-{again}", library, template if again else None)
        assert not start.under(None)
        usual[again] = start.page.seen, nth.read_leaks(start.leaks)
    plan = Plan(START_KINDS, lambda kind: usual[kind.again][0][kind.fault.name])

    def run(kind, n, start):
        complaints = start.under(kind.at(n))
        if complaints:
            return complaints
        # OpenSSL loses what it has, when the making of its default context fails.
        more = nth.read_leaks(start.leaks, without="libcrypto") - usual[kind.again][1]
        return start.next_one() + [f"never given back: {count} x {nth.tell(callers)}"
                                   for callers, count in more.items()]

    def work(_):
        for kind, n in plan:
            start = Start(folder / f"{kind.name}-{n}".replace(" ", "-"), library,
                          template if kind.again else None)
            complaints = attempt(run, kind, n, start)
            plan.note(kind, kind.at(n), start.page.failed > 0, complaints, start.page.where())
            if not complaints:
                shutil.rmtree(start.folder)

    in_lanes(work, plan)
