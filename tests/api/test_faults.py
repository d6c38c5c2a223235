"""What becomes of payments when the host misbehaves, or the disk is full.

The host is a process of its own; `gateway` waits SHORT_MS (conftest.py) for it. Where a repeat is
due only after seconds or minutes, the business clock is moved: only a sandbox has one that moves,
so `movable` is a sandbox whose first link is the separate host.
"""

import concurrent.futures
import os
import resource
import shutil
import signal
import subprocess
import time

import pytest

from turnpike import (Kind, Pay, State, operation_id, succeeded, verify, wait_until, write_config)

NOTHING = (0, 0, 0)
REVERSAL_REFUSED_CARD = "4000007700032128"  # the host answers 30 to every reversal
RESOLVED_SECONDS = 15


def position(host, reference):
    """Held, captured, refunded; a payment that the host has never seen has nothing of all."""
    p = host.position(reference) or {}
    return tuple(p.get(k, 0) for k in ("held_minor", "captured_minor", "refunded_minor"))


def lines(host, reference):
    """What the host's journal has of an operation: (MTI, effect, what became of the answer)."""
    number = f"{operation_id(reference):016X}"
    return [(e["mti"], e["effect"], e["sent"]) for e in host.journal() if e["ref"] == number]


def becomes(gateway, reference, state, seconds=RESOLVED_SECONDS):
    assert wait_until(lambda: gateway.operation(reference)["state"] == state, seconds), \
        (gateway.operation(reference), gateway.log())


def assert_undone(gateway, host, answer):
    """The merchant has been told no; in the end nothing is held or taken anywhere."""
    reference = answer["reference"]
    becomes(gateway, reference, State.REVERSED)
    assert gateway.payment(reference)["state"] == Pay.REVERSED
    assert position(host, reference) == NOTHING
    verify(gateway.data)


def repeat(gateway, reference, seconds, sent=1):
    """Moves the clock to the next repeat of the advice that the payment waits for."""
    def waits():
        return gateway.rows("SELECT 1 FROM operation WHERE payment_id = ? AND state = ? AND "
                            "attempts = ? AND next_ms > 0", operation_id(reference), State.SENT,
                            sent)
    assert wait_until(waits), gateway.log()
    gateway.advance_clock(seconds=seconds)


@pytest.fixture(name="warm")
def shop_that_has_logged_in(gateway):
    """A merchant's first login takes its time; this one has paid it."""
    shop = gateway.shop()
    shop.check(transaction_unique_id="none-such")
    return shop


@pytest.fixture(name="patient")
def gateway_that_waits_for_two_seconds(start, seeded, host, folder):
    gateway = start(data=seeded, config=host.config(folder, request_timeout_ms=2000))
    gateway.wait_ready()
    return gateway


@pytest.fixture(name="movable")
def gateway_whose_clock_moves(start, host, folder):
    config = write_config(
        folder / "movable.conf", sandbox={"enabled": "yes"}, acquirer_main={
            "address": host.address, "request_timeout_ms": 600, "advice_timeout_ms": 400})
    gateway = start(config=config)
    assert wait_until(lambda: 'turnpike_link_up{link="main"} 1' in gateway.get("/metrics").text)
    return gateway


# ---- no answer ----


@pytest.mark.parametrize("kind", ["sale", "auth"])
@pytest.mark.parametrize("fault, effects", [
    ("silent_booked", {"sale": ["sale", "reverse"], "auth": ["hold", "reverse"]}),
    ("silent_unbooked", {"sale": ["skip", "unseen"], "auth": ["skip", "unseen"]}),
])
def test_a_silent_host_is_a_timeout_and_the_payment_is_reversed(gateway, host, warm, kind, fault,
                                                                effects):
    host.faults(fault=fault, count=1)
    begun = time.monotonic()
    answer = getattr(warm, kind)()
    assert 0.5 < time.monotonic() - begun < 5
    assert (answer["code"], answer["status"]) == (3109, "decline")
    assert_undone(gateway, host, answer)
    assert [effect for _, effect, _ in lines(host, answer["reference"])] == effects[kind]
    checked = warm.check(answer["reference"])["transactions"][0]
    assert (checked["status"], checked["code"]) == ("DECLINE", 3109)


def test_after_a_timeout_the_same_card_can_be_tried_again_under_a_new_id(gateway, host, warm):
    host.faults(fault="silent_booked", count=1)
    fields = warm.fields("SALE")
    lost = warm.sale(transaction_unique_id=fields["transaction_unique_id"])
    assert lost["code"] == 3109
    again = warm.sale(transaction_unique_id=fields["transaction_unique_id"])
    assert again["code"] == 3001
    sale = succeeded(warm.sale())
    assert_undone(gateway, host, lost)
    assert position(host, sale["reference"]) == (0, 1234, 0)


def test_an_approval_that_comes_late_stays_undone(gateway, host, warm):
    host.faults(fault="late", count=1, late_ms=1500)
    answer = warm.sale()
    assert answer["code"] == 3109
    becomes(gateway, answer["reference"], State.REVERSED)
    time.sleep(2)
    assert_undone(gateway, host, answer)
    assert warm.check(answer["reference"])["transactions"][0]["code"] == 3109


def test_an_answer_that_comes_twice_counts_once(gateway, host, warm):
    host.faults(fault="twice", count=1)
    sale = succeeded(warm.sale())
    succeeded(warm.sale())
    assert position(host, sale["reference"]) == (0, 1234, 0)
    assert gateway.rows("SELECT COUNT(*) n FROM entry WHERE operation_id = ?",
                        operation_id(sale["reference"]))[0]["n"] == 2
    verify(gateway.data)


@pytest.mark.parametrize("fault", ["drop_before", "drop_after"])
def test_a_link_that_breaks_is_a_timeout_at_once_and_the_payment_is_reversed(patient, host, fault):
    shop = patient.shop()
    succeeded(shop.sale())
    host.faults(fault=fault, count=1)
    begun = time.monotonic()
    answer = shop.sale()
    assert time.monotonic() - begun < 1.5, "it has waited for an answer that could not come"
    assert answer["code"] == 3109
    assert_undone(patient, host, answer)
    patient.wait_ready()
    succeeded(shop.sale())


def test_an_answer_that_is_no_message_is_none_and_the_payment_is_reversed(gateway, host, warm):
    host.faults(fault="garbage", count=1)
    answer = warm.sale()
    assert answer["code"] in (3109, 3117) and answer["status"] == "decline"
    assert_undone(gateway, host, answer)


def test_a_host_that_signs_off_refuses_and_nothing_is_owed(gateway, host, warm):
    host.faults(fault="sign_off")
    answer = warm.sale()
    assert (answer["code"], answer["status"]) == (3111, "decline")
    assert gateway.operation(answer["reference"])["state"] == State.DECLINED
    assert position(host, answer["reference"]) == NOTHING
    host.faults()
    succeeded(warm.sale())


def test_a_slow_host_is_waited_for(host, warm):
    host.faults(delay_ms=300)
    begun = time.monotonic()
    succeeded(warm.sale())
    assert time.monotonic() - begun >= 0.3


def test_one_slow_payment_does_not_hold_up_the_others(patient, host):
    shop = patient.shop()
    succeeded(shop.sale())
    host.faults(fault="silent_booked", count=1)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        slow = pool.submit(shop.sale)
        assert wait_until(lambda: host.faults_left() == 0, every=0.005)
        for _ in range(3):
            succeeded(shop.sale())
        assert not slow.done()
        assert slow.result()["code"] == 3109
    assert_undone(patient, host, slow.result())


# ---- reversals that have it hard ----


def test_a_reversal_is_repeated_until_the_host_answers(movable, host):
    shop = movable.shop()
    host.faults(fault="silent_booked", count=3)
    answer = shop.sale()
    assert answer["code"] == 3109
    repeat(movable, answer["reference"], seconds=5)
    repeat(movable, answer["reference"], seconds=15, sent=2)
    becomes(movable, answer["reference"], State.REVERSED)
    assert lines(host, answer["reference"]) == [
        ("0200", "sale", "silent"), ("0400", "reverse", "silent"), ("0401", "repeat", "silent"),
        ("0401", "repeat", "answer")]
    assert_undone(movable, host, answer)


def test_a_reversal_that_is_refused_for_good_calls_a_person(gateway, host, warm):
    host.faults(fault="silent_booked", count=1)
    answer = warm.sale(card_number=REVERSAL_REFUSED_CARD)
    assert answer["code"] == 3109
    becomes(gateway, answer["reference"], State.MANUAL)
    assert gateway.payment(answer["reference"])["state"] == Pay.MANUAL
    assert "event=operation.manual" in gateway.log()
    assert warm.refund(answer["reference"])["code"] == 3021
    verify(gateway.data)


def test_a_payment_is_busy_while_it_is_being_reversed(movable, host):
    shop = movable.shop()
    host.faults(fault="silent_booked", count=-1)
    answer = shop.auth()
    assert answer["code"] == 3109
    assert shop.settle(answer["reference"])["code"] == 3003
    assert shop.void(answer["reference"])["code"] == 3004
    host.faults()
    repeat(movable, answer["reference"], seconds=5)
    assert_undone(movable, host, answer)


def test_a_refund_without_an_answer_is_reversed_and_may_be_asked_for_again(gateway, host, warm):
    sale = succeeded(warm.sale())
    host.faults(fault="silent_booked", count=1)
    lost = warm.refund(sale["reference"])
    assert lost["code"] == 3109
    becomes(gateway, lost["reference"], State.REVERSED)
    assert gateway.payment(sale["reference"])["state"] == Pay.CAPTURED
    assert position(host, sale["reference"]) == (0, 1234, 0)
    succeeded(warm.refund(sale["reference"]))
    assert position(host, sale["reference"]) == (0, 1234, 1234)
    assert gateway.payment(sale["reference"])["state"] == Pay.REFUNDED
    verify(gateway.data)


# ---- advices ----


@pytest.mark.parametrize("fault", ["silent_booked", "silent_unbooked"])
def test_a_capture_without_an_answer_is_repeated_and_then_succeeds(movable, host, fault):
    shop = movable.shop()
    auth = succeeded(shop.auth())
    host.faults(fault=fault, count=1)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        settle = pool.submit(shop.settle, auth["reference"])
        assert wait_until(lambda: len(lines(host, auth["reference"])) == 2)
        assert not settle.done()
        repeat(movable, auth["reference"], seconds=5)
        succeeded(settle.result(20))
    assert [mti for mti, _, _ in lines(host, auth["reference"])] == ["0100", "0220", "0221"]
    assert position(host, auth["reference"]) == (0, 1234, 0)
    verify(movable.data)


def test_a_merchant_whose_capture_takes_too_long_is_told_so_and_finds_it_done_later(movable, host):
    shop = movable.shop()
    auth = succeeded(shop.auth())
    host.faults(fault="silent_booked", count=-1)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        settle = pool.submit(shop.settle, auth["reference"])
        repeat(movable, auth["reference"], seconds=31)
        told = settle.result(20)
    assert (told["code"], told["status"]) == (11, "error")
    checked = shop.check(told["reference"])["transactions"][0]
    assert (checked["status"], checked["code"]) == ("PROCESSING", 11)
    assert shop.settle(auth["reference"])["code"] == 3021
    assert shop.void(auth["reference"])["code"] == 3021
    host.faults()
    repeat(movable, auth["reference"], seconds=60, sent=2)
    becomes(movable, told["reference"], State.APPROVED)
    assert shop.check(told["reference"])["transactions"][0]["status"] == "SUCCESS"
    assert position(host, auth["reference"]) == (0, 1234, 0)
    succeeded(shop.refund(told["reference"]))
    verify(movable.data)


def test_a_void_is_told_at_once_and_delivered_however_long_that_takes(movable, host):
    shop = movable.shop()
    auth = succeeded(shop.auth())
    host.faults(fault="silent_unbooked", count=1)
    succeeded(shop.void(auth["reference"]))
    assert position(host, auth["reference"]) == (1234, 0, 0)
    repeat(movable, auth["reference"], seconds=5)
    assert wait_until(lambda: position(host, auth["reference"]) == NOTHING)
    assert [mti for mti, _, _ in lines(host, auth["reference"])] == ["0100", "0420", "0421"]
    verify(movable.data)


def test_what_a_partial_capture_leaves_is_given_back_however_long_that_takes(movable, host):
    shop = movable.shop()
    auth = succeeded(shop.auth(amount=50))
    host.faults(fault="silent_unbooked", count=1, **{"class": 4})
    succeeded(shop.settle(auth["reference"], amount=20))
    assert position(host, auth["reference"]) == (3000, 2000, 0)
    repeat(movable, auth["reference"], seconds=5)
    assert wait_until(lambda: position(host, auth["reference"]) == (0, 2000, 0))
    verify(movable.data)


def test_advices_are_delivered_when_the_link_is_up_again(gateway, host, warm):
    auths = [succeeded(warm.auth()) for _ in range(3)]
    host.faults(fault="drop_before", count=1)
    for auth in auths:
        succeeded(warm.void(auth["reference"]))
    host.faults()
    for auth in auths:
        assert wait_until(lambda a=auth: position(host, a["reference"]) == NOTHING, 15)
    assert wait_until(lambda: not gateway.rows("SELECT 1 FROM operation WHERE state = ?",
                                               State.SENT))
    kinds = gateway.rows("SELECT state FROM operation WHERE kind = ?", Kind.VOID)
    assert [k["state"] for k in kinds] == [State.APPROVED] * 3
    verify(gateway.data)


# ---- the disk ----


class FullBySize:
    """Nothing in the process can write past the first page of any file."""

    def __init__(self, gateway):
        self.gateway = gateway

    def fill(self):
        self._limit(4096)

    def make_room(self):
        self._limit(resource.RLIM_INFINITY)

    def _limit(self, size):
        resource.prlimit(self.gateway.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


class FullForReal:
    """A small file system of its own, filled up by a file."""

    def __init__(self, data):
        self.ballast = data / "ballast"

    def fill(self):
        with open(self.ballast, "wb", buffering=0) as file:
            for size in (65536, 4096, 1):
                while True:
                    try:
                        file.write(b"x" * size)
                    except OSError:
                        break

    def make_room(self):
        self.ballast.unlink()


@pytest.fixture(name="small_disk", params=["file size limit", "tmpfs"])
def gateway_on_a_disk_that_can_be_filled(request, start, seeded, host, folder):
    config = host.config(folder, request_timeout_ms=2000)
    if request.param == "file size limit":
        gateway = start(data=seeded, config=config, preexec_fn=ignore_sigxfsz)
        gateway.disk = FullBySize(gateway)
        gateway.wait_ready()
        yield gateway
        return
    place, gateway = folder / "tmpfs", None
    mount(place)
    try:
        data = shutil.copytree(seeded, place / "data")
        gateway = start(data=data, config=config)
        gateway.disk = FullForReal(data)
        gateway.wait_ready()
        yield gateway
        assert gateway.stop() == 0
        shutil.copytree(data, folder / "left")
    finally:
        if gateway and gateway.alive:
            gateway.kill()
        subprocess.run(["umount", str(place)], check=True)


def ignore_sigxfsz():
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)


def mount(place):
    place.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m,mode=0700", "tmpfs", str(place)],
                          capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"cannot mount a small file system here: {done.stderr.strip()}")


def assert_host_and_database_agree(gateway, host):
    assert wait_until(lambda: not gateway.rows("SELECT 1 FROM operation WHERE state IN (?, ?)",
                                               State.SENT, State.IN_DOUBT), RESOLVED_SECONDS)
    payments = gateway.rows("SELECT id, captured_minor, refunded_minor FROM payment")
    for p in payments:
        told = host.position(p["id"]) or {}
        assert (told.get("captured_minor", 0), told.get("refunded_minor", 0)) == \
            (p["captured_minor"], p["refunded_minor"]), p
    known = {f"{p['id']:016X}" for p in payments}
    assert {e["ref"] for e in host.journal() if e["effect"] == "sale"} <= known
    verify(gateway.data)


def test_with_a_full_disk_payments_are_refused_and_go_on_when_there_is_room(small_disk, host):
    shop = small_disk.shop()
    before = succeeded(shop.sale())
    small_disk.disk.fill()
    answers = []
    while [a["code"] for a in answers[-5:]] != [2] * 5 and len(answers) < 200:
        answers.append(shop.sale())
    # For a while there may be room in files that are already there: then some are paid, and some
    # lose the host's answer.
    assert {a["code"] for a in answers} <= {0, 2, 3109}
    assert [a["code"] for a in answers[-5:]] == [2] * 5
    assert {(a["status"], a["reference"]) for a in answers if a["code"] == 2} == {("error", None)}
    answer = small_disk.get("/readyz")
    assert answer.status == 503 and "the store does not take writes" in answer.text
    assert small_disk.get("/healthz").status == 200
    succeeded(shop.check(before["reference"]))
    small_disk.disk.make_room()
    small_disk.wait_ready(10)
    succeeded(shop.sale())
    succeeded(shop.refund(before["reference"]))
    assert_host_and_database_agree(small_disk, host)


@pytest.mark.parametrize("small_disk", ["file size limit"], indirect=True)
def test_an_answer_that_cannot_be_kept_is_none_and_the_payment_is_reversed(small_disk, host):
    shop = small_disk.shop()
    succeeded(shop.sale())
    host.faults(delay_ms=700, count=1)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sale = pool.submit(shop.sale)
        assert wait_until(lambda: len(host.journal()) == 3 and small_disk.rows(
            "SELECT 1 FROM operation WHERE state = ?", State.SENT), every=0.005)
        small_disk.disk.fill()
        time.sleep(1)
        assert not sale.done(), "told before it was durable"
        host.faults()
        small_disk.disk.make_room()
        told = sale.result(20)
    assert told["code"] == 3109
    assert_undone(small_disk, host, told)
    small_disk.wait_ready(10)
    succeeded(shop.sale())
    assert_host_and_database_agree(small_disk, host)


def test_a_full_disk_at_the_start_is_told(seeded, folder):
    def full():
        ignore_sigxfsz()
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    from turnpike import cli
    done = cli("serve", "--data", folder / "new", "--listen", "127.0.0.1:0", "--admin",
               "127.0.0.1:0", preexec_fn=full)
    assert done.returncode == 1 and done.stderr.strip()
    assert seeded.exists()
