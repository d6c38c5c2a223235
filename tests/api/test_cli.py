"""The commands beside `serve`: merchant, check, keys, clock, diagram, verify, demo."""

import hashlib
import json
import pathlib
import re
import shutil
import sqlite3
import time

import pytest

from turnpike import (CARD, CARDS, LINK_SECONDS, Kind, Pay, State, add_merchant, cli, database,
                      operation_id, rows, succeeded, verify, wait_until)

USED_WRONGLY = 2


# ---- called wrongly ----


@pytest.mark.parametrize("words", [
    [], ["frobnicate"], ["serve", "--prot", "1"], ["serve", "now"], ["serve", "--data"],
    ["host"], ["merchant"], ["check"], ["keys"], ["keys", "lose"], ["clock", "advance"],
    ["clock", "advance", "7 days"], ["clock", "advance", "-1d"], ["clock", "back", "1d"],
    ["diagram", "--now"],
    ["verify", "--quick"],
])
def test_a_command_that_is_called_wrongly_says_so_and_does_nothing(words, folder):
    done = cli(*words, cwd=folder)
    assert done.returncode == USED_WRONGLY, done.stderr
    assert done.stderr.strip()
    assert not list(folder.iterdir())


@pytest.mark.parametrize("words", [["destroy", "demo_merchant"], ["passwd"], ["enable"],
                                   ["add", "one_shop", "two_shop"], ["list", "all"]])
def test_a_merchant_command_that_is_called_wrongly_tells_how_it_is_called(words, seeded):
    done = cli("merchant", *words, "--data", seeded)
    assert done.returncode == USED_WRONGLY and "usage" in done.stderr


@pytest.mark.parametrize("words", [["destroy", "x"], ["destroy"], ["passwd"], ["list", "all"]])
def test_a_merchant_command_that_is_called_wrongly_opens_no_database(words, folder):
    (folder / "data").mkdir()
    (folder / "data/turnpike.db").write_bytes(b"this is no database" * 1000)
    for data in (folder / "data", folder / "nowhere"):
        done = cli("merchant", *words, "--data", data)
        assert done.returncode == USED_WRONGLY and "turnpike merchant list" in done.stderr
        assert done.stdout == "" and "database" not in done.stderr
    assert [path.name for path in folder.rglob("*")] == ["data", "turnpike.db"]


@pytest.mark.parametrize("words", [["verify"], ["keys", "show"], ["clock", "show"],
                                   ["merchant", "list"]])
def test_a_command_on_data_that_is_not_there_makes_none(words, folder):
    done = cli(*words, "--data", folder / "nowhere")
    assert done.returncode == 1 and done.stdout == "" and done.stderr.startswith("turnpike: ")
    assert not (folder / "nowhere").exists()


# ---- merchant ----


def test_a_merchant_is_added_listed_and_served_at_once(start):
    gateway = start()
    add_merchant(gateway.data, "new_shop_1", "very secret", mid="NEWMID", tid="NEWTID01")
    listed = gateway.cli("merchant", "list").stdout
    assert re.search(r"^genome new_shop_1 mid=NEWMID tid=NEWTID01 mcc=5732 test active "
                     r'name="TEST SHOP" limits=\{\}$', listed, re.M), listed
    assert re.search(r"^genome demo_merchant ", listed, re.M)
    assert "very secret" not in listed and "argon2" not in listed
    gateway.see_merchants()
    sale = succeeded(gateway.shop("new_shop_1", "very secret").sale())
    assert gateway.journal()[-1]["mid"] == "NEWMID"
    assert gateway.position(sale["reference"])["captured_minor"] == 1234


def test_a_merchant_that_is_switched_off_is_listed_so(seeded):
    for command, word in (("disable", "disabled"), ("enable", "active")):
        assert cli("merchant", command, "demo_merchant", "--data", seeded).returncode == 0
        assert f"test {word} " in cli("merchant", "list", "--data", seeded).stdout


@pytest.mark.parametrize("change, named", [
    ({"--mcc": "57"}, "--mcc"), ({"--mcc": "abcd"}, "--mcc"), ({"--country": "XX"}, "--country"),
    ({"--mid": "SIXTEENLETTERSXX"}, "--mid"), ({"--tid": "NINECHARS"}, "--tid"),
    ({"--name": ""}, "--name"), ({"--city": "A CITY OF MANY LETTERS"}, "--city"),
])
def test_a_merchant_that_no_bank_would_take_is_refused(seeded, change, named):
    words = {"--name": "SHOP", "--mid": "MID", "--tid": "TID", "--mcc": "5732", "--city": "RIGA",
             "--country": "LV", **change}
    done = cli("merchant", "add", "new_shop_1", *[w for pair in words.items() for w in pair],
               "--data", seeded)
    assert done.returncode == 1 and named in done.stderr and done.stdout == ""
    assert "new_shop_1" not in cli("merchant", "list", "--data", seeded).stdout


@pytest.mark.parametrize("password", ["short", "x" * 33, ""])
def test_a_password_of_the_wrong_length_is_refused(seeded, password):
    done = cli("merchant", "passwd", "demo_merchant", "--password-stdin", "--data", seeded,
               stdin=password + "\n")
    assert done.returncode == 1
    assert password == "" or password not in done.stderr


@pytest.mark.parametrize("command", ["passwd", "limits", "enable", "disable"])
def test_a_merchant_that_does_not_exist_is_told(seeded, command):
    done = cli("merchant", command, "nobody_here", "--data", seeded)
    assert done.returncode == 1 and "nobody_here" in done.stderr


# ---- check ----


def test_every_fault_of_a_configuration_is_told_with_its_line_and_what_would_be_right(folder):
    config = folder / "bad.conf"
    config.write_text("[server]\nlisten = 127.0.0.1\nprot = 1\n\n[acquirer main]\nprofile = z\n"
                      "[nonsense]\n", encoding="ascii")
    done = cli("check", "--config", config)
    assert done.returncode == 1 and done.stdout == ""
    told = done.stderr.splitlines()
    for line, says in ((2, "HOST:PORT"), (3, '"prot"'), (6, "a, h or b")):
        assert any(t.startswith(f"{config}:{line}: ") and says in t for t in told), (line, told)


def test_parts_of_a_configuration_that_need_each_other_are_told(folder):
    config = folder / "two.conf"
    config.write_text("[server]\ntls_cert = a\n[sandbox]\nenabled = no\n", encoding="ascii")
    done = cli("check", "--config", config)
    assert done.returncode == 1
    assert "tls_key" in done.stderr and "no acquirer" in done.stderr


def test_serve_does_not_start_with_a_configuration_that_check_refuses(folder):
    config = folder / "bad.conf"
    config.write_text("[server]\nthreads = many\n", encoding="ascii")
    done = cli("serve", "--config", config, "--data", folder / "data")
    assert done.returncode == 1 and f"{config}:2: " in done.stderr
    assert not (folder / "data").exists()


def test_the_documented_configuration_is_fine():
    config = pathlib.Path(__file__).resolve().parents[2] / "docs/turnpike.conf"
    done = cli("check", "--config", config)
    assert done.returncode == 0 and "is fine" in done.stdout


# ---- keys ----


def card_keys(data):
    return {r["key_id"] for r in rows(data, "SELECT DISTINCT key_id FROM card")}


def pay_with(shop, tokens):
    for token in tokens:
        succeeded(shop.sale(token=token))


def tokens_of_many_cards(shop, n):
    """n card numbers that differ, with a right last digit."""
    def card(number):
        digits = f"40000012345{number:04d}"
        total = sum(sum(divmod(int(d) * (2 - i % 2), 10)) for i, d in enumerate(reversed(digits)))
        return digits + str(-total % 10)
    return [succeeded(shop.tokenize(card_number=card(i)))["token"] for i in range(n)]


def signed(fields):
    """Logs in by the demo merchant's private key, which the vault keeps too."""
    sent = {k: v for k, v in fields.items() if not k.startswith("merchant_")}
    sent |= {"auth_type": "bySignature"}
    never = {"card_number", "card_exp_month", "card_exp_year", "cvv", "card_holder"}
    text = "|".join(f"{k}={v}" for k, v in sorted(sent.items()) if k not in never)
    text += "|skTest_DEMO0000000000000000000000002"
    return {**sent, "public_key": "pkTest_demo0000000000000000000000001",
            "signature": hashlib.sha256(text.lower().encode()).hexdigest()}


def test_keys_are_rotated_while_serving_and_old_tokens_still_pay(start):
    gateway = start()
    shop = gateway.shop()
    tokens = tokens_of_many_cards(shop, 150)  # more than are sealed in one go
    before = json.loads(gateway.cli("keys", "show").stdout)
    assert before["keys"] == 1 and card_keys(gateway.data) == {before["newest"]}
    rotated = json.loads(gateway.cli("keys", "rotate").stdout)
    assert rotated["newest"] != before["newest"] and rotated["keys"] == 2
    pay_with(shop, tokens[:5])
    assert wait_until(
        lambda: json.loads(gateway.cli("keys", "show").stdout)["resealing"] == "done")
    assert card_keys(gateway.data) == {rotated["newest"]}
    pay_with(shop, tokens[-5:])
    tokens_again = tokens_of_many_cards(shop, 3)
    assert tokens_again == tokens[:3], "the same card has another token"


def test_keys_in_use_cannot_be_dropped_while_serving(start):
    gateway = start()
    done = gateway.cli("keys", "drop")
    assert done.returncode == 1 and "stop the server first" in done.stderr


def test_keys_are_rotated_and_dropped_at_rest_and_old_tokens_still_pay(start):
    first = start()
    tokens = tokens_of_many_cards(first.shop(), 300)
    assert first.stop() == 0
    shown = json.loads(cli("keys", "show", "--data", first.data).stdout)
    rotated = json.loads(cli("keys", "rotate", "--data", first.data).stdout)
    assert rotated["keys"] == 2 and card_keys(first.data) == {rotated["newest"]}
    dropped = json.loads(cli("keys", "drop", "--data", first.data).stdout)
    assert dropped == {"newest": rotated["newest"], "keys": 1}
    assert dropped["newest"] != shown["newest"]
    shop = start(data=first.data).shop()
    pay_with(shop, tokens[::60])
    succeeded(shop.send(signed(shop.fields("TOKENIZE", **CARD, card_holder="ANN LEE"))))


def test_a_rotation_that_a_power_cut_ends_goes_on_later(start):
    gateway = start()
    tokens = tokens_of_many_cards(gateway.shop(), 150)
    assert gateway.cli("keys", "rotate").returncode == 0
    gateway.kill()
    again = start(data=gateway.data)
    pay_with(again.shop(), tokens[::40])
    assert again.stop() == 0
    assert cli("keys", "drop", "--data", gateway.data).returncode == 0
    assert len(card_keys(gateway.data)) == 1
    pay_with(start(data=gateway.data).shop(), tokens[::40])


def test_a_database_without_its_keys_is_not_served(start):
    gateway = start()
    tokens_of_many_cards(gateway.shop(), 1)
    assert gateway.stop() == 0
    (gateway.data / "keyring").rename(gateway.data / "keyring.away")
    done = cli("serve", "--data", gateway.data, "--listen", "127.0.0.1:0", "--admin",
               "127.0.0.1:0")
    assert done.returncode == 1 and "keyring" in done.stderr and done.stdout == ""
    assert not (gateway.data / "keyring").exists()


# ---- clock ----


def test_a_hold_is_given_back_when_its_window_ends(start):
    gateway = start()
    shop = gateway.shop()
    auth = succeeded(shop.auth())
    reference = auth["reference"]
    assert gateway.cli("clock", "advance", "6d").returncode == 0
    time.sleep(0.2)
    assert gateway.payment(reference)["state"] == Pay.AUTHORIZED
    assert gateway.cli("clock", "advance", "1d").returncode == 0
    assert wait_until(lambda: gateway.payment(reference)["state"] == Pay.VOIDED)
    assert wait_until(lambda: gateway.position(reference)["held_minor"] == 0)
    assert shop.settle(reference)["code"] == 3007
    assert shop.void(reference)["code"] == 3007
    void, = gateway.rows("SELECT * FROM operation WHERE payment_id = ? AND kind = ?",
                         operation_id(reference), Kind.VOID)
    assert wait_until(lambda: gateway.rows("SELECT state FROM operation WHERE id = ?",
                                           void["id"])[0]["state"] == State.APPROVED)
    assert (void["amount_minor"], void["unique_id"]) == (1234, None)
    verify(gateway.data)


def test_a_capture_within_the_window_ends_it(start):
    gateway = start()
    shop = gateway.shop()
    auth = succeeded(shop.auth())
    gateway.advance_clock(days=6, hours=23, minutes=59)
    succeeded(shop.settle(auth["reference"]))
    gateway.advance_clock(days=1)
    time.sleep(0.3)
    assert gateway.position(auth["reference"])["captured_minor"] == 1234
    assert gateway.payment(auth["reference"])["state"] == Pay.CAPTURED


def test_the_window_is_the_merchants(start):
    gateway = start()
    gateway.set_limits(window_days=1)
    auth = succeeded(gateway.shop().auth())
    gateway.advance_clock(days=1)
    assert wait_until(lambda: gateway.position(auth["reference"])["held_minor"] == 0)


def test_many_windows_that_end_together_are_all_ended(start):
    gateway = start()
    shop = gateway.shop()
    for _ in range(150):
        succeeded(shop.auth())
    gateway.advance_clock(days=8)
    assert wait_until(lambda: gateway.rows(
        "SELECT COUNT(*) n FROM operation WHERE kind = ? AND state = ?", Kind.VOID,
        State.APPROVED)[0]["n"] == 150, 20)
    held = gateway.rows("SELECT SUM(amount_minor) total FROM entry WHERE account = 1")
    assert held[0]["total"] == 0
    verify(gateway.data)


def test_a_window_that_ended_while_nobody_served_is_ended_at_the_start(start):
    first = start()
    auth = succeeded(first.shop().auth())
    assert first.stop() == 0
    with database(first.data, write=True) as db:
        db.execute("UPDATE payment SET expires_ms = created_ms + 1")
    second = start(data=first.data)
    assert wait_until(lambda: second.position(auth["reference"])["held_minor"] == 0, LINK_SECONDS)


def test_the_clock_shows_its_time_and_keeps_it_over_a_restart(start):
    gateway = start()
    shown = json.loads(gateway.cli("clock", "show").stdout)
    assert shown["advanced_ms"] == 0 and abs(shown["now_ms"] / 1000 - time.time()) < 10
    moved = json.loads(gateway.cli("clock", "advance", "36h").stdout)
    assert moved["advanced_ms"] == 36 * 3600 * 1000
    sale = succeeded(gateway.shop().sale())
    assert abs(sale["timestamp"] - time.time() - 36 * 3600) < 10
    assert gateway.stop() == 0
    again = start(data=gateway.data)
    assert json.loads(again.cli("clock", "show").stdout)["advanced_ms"] == 36 * 3600 * 1000


def test_a_sandbox_whose_clock_was_moved_is_not_served_with_a_real_host(start, host, folder):
    gateway = start()
    gateway.advance_clock(days=1)
    assert gateway.stop() == 0
    done = cli("serve", "--data", gateway.data, "--config", host.config(folder), "--listen",
               "127.0.0.1:0", "--admin", "127.0.0.1:0")
    assert done.returncode == 1 and "clock was moved" in done.stderr


# ---- diagram ----


def test_the_diagram_shows_every_state_and_is_a_graph():
    done = cli("diagram")
    assert done.returncode == 0
    assert done.stdout.startswith("digraph turnpike {") and done.stdout.rstrip().endswith("}")
    assert done.stdout.count("{") == done.stdout.count("}")
    for state in Pay:
        assert re.search(rf'label="{state.name}"', done.stdout), state
    for state in State:
        assert re.search(rf'label="{state.name}"', done.stdout), state
    assert "SENT -> " in done.stdout and 'label="silence"' in done.stdout


# ---- verify ----


@pytest.fixture(scope="module", name="traded")
def data_after_some_trade(session_folder, template):
    from turnpike import Gateway
    data = shutil.copytree(template, session_folder / "traded" / "data")
    with Gateway.start(session_folder / "traded", data=data) as gateway:
        shop = gateway.shop()
        sale = succeeded(shop.sale())
        succeeded(shop.refund(sale["reference"], amount=2))
        auth = succeeded(shop.auth())
        succeeded(shop.settle(auth["reference"], amount=5))
        succeeded(shop.void(succeeded(shop.auth())["reference"]))
        succeeded(shop.auth())
        assert wait_until(lambda: not gateway.rows("SELECT 1 FROM operation WHERE state = ?",
                                                   State.SENT))
    return data


def test_verify_finds_nothing_wrong_in_data_that_is_right(traded):
    assert re.match(r"4 payments, 8 operations, \d+ ledger entries: all is well$", verify(traded))


PLANTED = [
    ("UPDATE entry SET amount_minor = amount_minor + 1 WHERE operation_id = :sale AND seq = 1",
     "entries sum to 1"),
    ("DELETE FROM entry WHERE operation_id = :sale", "should be"),
    ("UPDATE entry SET currency = 840 WHERE operation_id = :sale", "currency"),
    ("INSERT INTO entry SELECT merchant_id, operation_id + 1, seq, account, currency, amount_minor,"
     " at_ms FROM entry WHERE operation_id = :sale", "entries belong to no operation"),
    ("UPDATE payment SET captured_minor = captured_minor + 1 WHERE id = :sale", "captured"),
    ("UPDATE payment SET refunded_minor = 0 WHERE id = :sale", "refunded"),
    ("UPDATE payment SET state = 8 WHERE id = :sale", "DECLINED"),
    ("UPDATE operation SET state = 3 WHERE id = :sale", "DECLINED"),
    ("UPDATE operation SET amount_minor = 1 WHERE id = :sale", "captured by operations 1"),
    ("DELETE FROM operation WHERE id = :sale", "the operation that opened it is missing"),
    ("DELETE FROM payment WHERE id = :sale", "belong to no payment"),
]


@pytest.mark.parametrize("sql, says", PLANTED)
def test_verify_finds_what_has_been_tampered_with_and_names_it(traded, folder, sql, says):
    data = shutil.copytree(traded, folder / "data")
    with database(data, write=True) as db:
        sale = db.execute("SELECT id FROM operation WHERE kind = ?", (Kind.SALE,)).fetchone()["id"]
        assert db.execute(sql, {"sale": sale}).rowcount > 0
    done = cli("verify", "--data", data)
    assert done.returncode == 1 and says in done.stdout, done.stdout
    assert f"{sale:016X}" in done.stdout or "belong to no" in done.stdout
    assert re.search(r": \d+ faults$", done.stdout)


def test_verify_names_a_row_that_cannot_be_one_of_ours(traded, folder):
    data = shutil.copytree(traded, folder / "data")
    with database(data, write=True) as db:
        sale = db.execute("SELECT id FROM operation WHERE kind = ?", (Kind.SALE,)).fetchone()["id"]
        db.execute("UPDATE payment SET state = 77 WHERE id = ?", (sale,))
    done = cli("verify", "--data", data)
    assert done.returncode == 1 and f"{sale:X}" in done.stdout + done.stderr


def test_verify_may_run_beside_the_server(start):
    gateway = start()
    succeeded(gateway.shop().sale())
    assert "1 payments" in verify(gateway.data)


def test_verify_says_so_when_the_database_is_none(seeded):
    (seeded / "turnpike.db").write_bytes(b"this is no database" * 1000)
    for suffix in ("-wal", "-shm"):
        (seeded / f"turnpike.db{suffix}").unlink(missing_ok=True)
    with pytest.raises(sqlite3.DatabaseError):
        rows(seeded, "SELECT * FROM payment")
    done = cli("verify", "--data", seeded)
    assert done.returncode == 1 and done.stderr.startswith("turnpike: ")


# ---- demo ----


def test_the_demo_shows_payments_messages_and_a_ledger_that_balances(folder):
    done = cli("demo", cwd=folder)
    assert done.returncode == 0, done.stdout + done.stderr
    for says in ("SALE", "REFUND", "0200", "0210", "it balances", "Done: all as expected."):
        assert says in done.stdout
    assert not CARDS & set(re.findall(r"\d{13,19}", done.stdout + done.stderr))
    assert "demo_password" not in done.stdout and not list(folder.iterdir())
    place = re.search(r"its data in (\S+)", done.stdout).group(1)
    assert not pathlib.Path(place).exists()
