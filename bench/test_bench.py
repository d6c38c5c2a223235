"""The benchmark measures what it says: its reading of wrk and pgbench, its table, its refusals."""

import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import harness  # noqa: E402  pylint: disable=wrong-import-position
import table  # noqa: E402  pylint: disable=wrong-import-position
import yardsticks  # noqa: E402  pylint: disable=wrong-import-position

needs_wrk = pytest.mark.skipif(not shutil.which("wrk"), reason="wrk comes with make bench")

RESULT = ('RESULT {"good":%d,"bad":%d,"example":"","duration_us":2000000,"socket_errors":%d,'
          '"timeouts":0,"p50":1500,"p99":2500,"p999":3500,"max":4000}\n')


def run(program, *arguments, **environment):
    return subprocess.run(
        [sys.executable, str(HERE / program), *map(str, arguments)], capture_output=True, text=True,
        timeout=60, check=False, env={**os.environ, **environment})


def test_only_successes_count():
    load = harness.parse_wrk("noise\n" + RESULT % (3000, 0, 0) + "noise\n")
    assert (load.per_second, load.p50, load.p999) == (1500.0, 1.5, 3.5)
    for bad in (RESULT % (3000, 1, 0), RESULT % (3000, 0, 1), RESULT % (0, 0, 0), "nothing"):
        with pytest.raises(harness.Failed):
            harness.parse_wrk(bad)


def test_pgbench_is_read_without_the_time_to_connect():
    text = "number of failed transactions: %d (0.000%%)\n%s = 1234.5 (without initial %s)\n"
    assert yardsticks.parse_pgbench(text % (0, "tps", "connection time")) == 1234.5
    for bad in (text % (7, "tps", "connection time"), text % (0, "tps", "x"), ""):
        with pytest.raises(harness.Failed):
            yardsticks.parse_pgbench(bad)


def test_the_table_counts_the_bars_that_are_missed():
    rows = table.Table()
    rows.add("plain", 12345.6, "/s")
    rows.add("good", 1.234, "ms", "1.5 x", ">= 1 x", True)
    rows.add("bad", 45.67, "MB", "", "<= 32 MB", False)
    assert rows.missed() == 1
    assert re.search(r"^good +1\.23 ms +1\.5 x +>= 1 x +held$", rows.text(), re.M)
    assert re.search(r"^\| plain +\| +12,346 /s \|", rows.markdown(), re.M)
    assert len({line.count("|") for line in rows.markdown().split("\n")}) == 1


def test_the_disk_yardstick_leaves_nothing_behind(tmp_path):
    result = yardsticks.fdatasync(tmp_path, 0.1)
    assert 0 < result["p50"] <= result["p99"] and result["per_second"] > 0
    assert [p.name for p in tmp_path.iterdir()] == ["fdatasync"]


def test_a_short_load_takes_only_clean_answers_and_a_clean_end():
    assert "all of code 0" in run("shortload.py", HERE / "stub.py", "--seconds", 0.2).stdout
    done = run("shortload.py", HERE / "stub.py", "--seconds", 0.2, STUB_CODE="3100")
    assert done.returncode == 1 and "3100" in done.stderr
    done = run("shortload.py", HERE / "stub.py", "--seconds", 0.2, STUB_STATUS="66")
    assert done.returncode == 1 and "status 66" in done.stderr
    assert run("shortload.py", "/bin/true").returncode == 1


@needs_wrk
def test_a_run_prints_and_writes_its_table(tmp_path):
    out = tmp_path / "table.md"
    done = run("run", "--turnpike", HERE / "stub.py", "--only", "sale", "--seconds", 1,
               "--out", out, "--dir", tmp_path)
    assert done.returncode in (0, 2), done.stderr
    assert re.search(r"^SALE, 64 connections: per second +[\d,]+ /s$", done.stdout, re.M)
    assert "| SALE, 256 connections: p99.9" in out.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["table.md"]


@needs_wrk
def test_a_decline_fails_the_run(tmp_path):
    done = run("run", "--turnpike", HERE / "stub.py", "--only", "sale", "--seconds", 1,
               "--dir", tmp_path, STUB_CODE="3101")
    assert done.returncode == 1
    assert "no success" in done.stderr and "3101" in done.stderr


@needs_wrk
def test_ids_and_cards_are_distinct_and_valid(tmp_path):
    """Over the script itself: a wrapper prints what request() makes."""
    script = tmp_path / "wrap.lua"
    script.write_text(f'''
dofile("{HERE}/sale.lua")
local old = init
function init(args)
    number = 1
    old(args)
    for i = 0, 99999 do io.write("CARD " .. card_number(i) .. "\\n") end
    for i = 1, 1000 do io.write("BODY " .. request():match("\\r\\n\\r\\n(.*)") .. "\\n") end
end
''', encoding="utf-8")
    with harness.Server.turnpike(HERE / "stub.py", tmp_path / "data") as server:
        command = ["wrk", "-t1", "-c1", "-d1s", "-s", script, server.url, "--", "r" * 8]
        text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    cards = set(re.findall(r"^CARD (\d{16})$", text, re.M))
    assert len(cards) == 100000
    assert all(luhn_valid(card) for card in cards)
    ids = re.findall(r'"transaction_unique_id":"(\w{6,32})"', text)
    assert len(set(ids)) == len(ids) >= 1000
    assert len({len(body) for body in re.findall(r"^BODY (.*)$", text, re.M)}) == 1


def luhn_valid(card):
    digits = [int(c) for c in reversed(card)]
    return sum(d if i % 2 == 0 else sum(divmod(2 * d, 10)) for i, d in enumerate(digits)) % 10 == 0
