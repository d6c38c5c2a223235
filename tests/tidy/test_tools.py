"""The scripts that a new machine runs first, against a stand-in for apt."""

import os
import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# Says "installed" for the packages named in the file "there".
DPKG_QUERY = '#!/bin/sh\nfor p; do :; done\ngrep -qx "$p" "$HOME/there" && printf installed\n'
APT_GET = '#!/bin/sh\necho "$DEBIAN_FRONTEND apt-get $*" >>"$HOME/calls"\n'
SUDO = '#!/bin/sh\necho sudo >>"$HOME/calls"\nexec "$@"\n'
ID = '#!/bin/sh\necho 1000\n'


@pytest.fixture(name="machine")
def fresh_machine(tmp_path):
    (tmp_path / "there").write_text("", encoding="ascii")
    for name, text in (("dpkg-query", DPKG_QUERY), ("apt-get", APT_GET), ("sudo", SUDO),
                       ("id", ID)):
        (tmp_path / name).write_text(text, encoding="ascii")
        (tmp_path / name).chmod(0o755)
    return tmp_path


def install(machine, *groups):
    done = subprocess.run(
        ["sh", str(ROOT / "tools/install-deps"), *groups], capture_output=True, text=True,
        check=False, env={"PATH": f"{machine}:/usr/bin:/bin", "HOME": str(machine)})
    calls = machine / "calls"
    return done, calls.read_text(encoding="ascii").splitlines() if calls.exists() else []


def test_a_fresh_machine_gets_everything_once(machine):
    done, calls = install(machine, "build", "check")
    assert done.returncode == 0
    assert [line for line in calls if line != "sudo"][0] == "noninteractive apt-get update -qq"
    asked = calls[-1].split("--no-install-recommends ")[1].split()
    assert {"gcc", "meson", "libmicrohttpd-dev", "libcmocka-dev", "python3-pytest"} <= set(asked)
    assert len(asked) == len(set(asked))
    assert calls.count("sudo") == 2


def test_only_what_is_missing_is_asked_for(machine):
    _, calls = install(machine, "build")
    everything = calls[-1].split("--no-install-recommends ")[1].split()
    (machine / "calls").unlink()
    (machine / "there").write_text("\n".join(everything[1:]), encoding="ascii")
    _, calls = install(machine, "build")
    assert calls[-1].endswith("--no-install-recommends " + everything[0])


def test_nothing_is_done_or_said_when_all_is_there(machine):
    _, calls = install(machine, "build")
    everything = calls[-1].split("--no-install-recommends ")[1].split()
    (machine / "calls").unlink()
    (machine / "there").write_text("\n".join(everything), encoding="ascii")
    done, calls = install(machine, "build")
    assert (done.returncode, done.stdout, done.stderr, calls) == (0, "", "", [])


def test_an_unknown_group_is_refused(machine):
    done, calls = install(machine, "build", "everything")
    assert done.returncode == 2 and "everything" in done.stderr and not calls


def test_scripts_parse_and_may_be_run():
    for path in [*sorted((ROOT / "tools").iterdir()), ROOT / ".ci/run", ROOT / "bench/run"]:
        assert os.access(path, os.X_OK), path
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        if first in ("#!/bin/sh", "#!/bin/bash"):
            subprocess.run([first[2:], "-n", path], check=True)
        else:
            assert first == "#!/usr/bin/python3", path
