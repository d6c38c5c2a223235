"""The simulation itself: one seed is one run, and what it finds can be played again.

    SIM_BUILD    the folder that meson made (build-check)
"""

import os
import pathlib
import re
import shlex
import subprocess

import pytest

import mistakes

BUILD = pathlib.Path(os.environ.get("SIM_BUILD", mistakes.ROOT / "build-check")).resolve()
SIM = BUILD / "tests" / "sim"


def run(*words):
    return subprocess.run([*map(str, words)], capture_output=True, text=True, timeout=120)


def test_the_same_seed_is_the_same_run_to_the_last_line():
    one, two, other = (run(SIM, "--seed", seed, "--trace") for seed in (3, 3, 4))
    assert one.returncode == 0, one.stderr
    assert len(one.stdout.splitlines()) > 500
    assert one.stdout == two.stdout
    assert one.stdout != other.stdout


def test_a_seed_runs_alike_alone_and_among_others():
    alone = [run(SIM, "--seed", seed, "--trace").stdout.splitlines()[:-1] for seed in (5, 6)]
    together = run(SIM, "--seeds", "5..6", "--trace").stdout.splitlines()[:-1]
    assert alone[0] + alone[1] == together


def test_the_summary_shows_that_things_happened():
    said = run(SIM, "--seeds", "1..20").stdout
    figures = dict(zip(("seeds", "turns", "asked", "told", "operations", "commits", "deaths",
                        "cuts"), map(int, re.findall(r"(\d+) ", said))))
    assert figures["seeds"] == 20
    assert figures["operations"] > 2000 and figures["commits"] > 2000
    assert figures["deaths"] > 20 and figures["told"] > figures["asked"] * 0.8


@pytest.mark.parametrize("options", [["--seeds", "4..3"], ["--seed"], ["--seed", "x"], ["--what"]])
def test_a_command_line_that_is_wrong_is_refused(options):
    done = run(SIM, *options)
    assert done.returncode == 2
    assert done.stderr.startswith("usage:")


def test_the_command_that_a_failure_prints_plays_it_again_with_a_trace(tmp_path):
    mistake = next(m for m in mistakes.MISTAKES if m[0] == "silence taken for a decline")
    program = mistakes.plant(mistake, BUILD, mistakes.compile_commands(BUILD),
                             mistakes.link_words(BUILD), tmp_path / "planted")
    failed = run(program, "--seeds", "1..50")
    assert failed.returncode == 1
    found, replay = failed.stderr.splitlines()[-2:]
    assert found.startswith("seed ") and "the host holds" in found
    assert replay.startswith("replay: ")
    again = run(*shlex.split(replay.removeprefix("replay: ")))
    assert again.returncode == 1
    assert again.stderr.splitlines()[-2:] == [found, replay]
    assert "host: t=" in again.stdout and "turn 1," in again.stdout


def test_a_piece_of_source_that_is_gone_is_told(tmp_path):
    mistake = ("gone", "src/engine/engine.c", "no such line stands there", "")
    with pytest.raises(SystemExit, match="gone: src/engine/engine.c has this 0 times"):
        mistakes.plant(mistake, BUILD, {}, [], tmp_path / "planted")
