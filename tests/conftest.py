"""Fixtures for tests that run the whole program.

Everything lies in one temporary folder, which goes at the end of the session (TURNPIKE_KEEP=1 keeps
it). The test that looks for card data in what all the others left is moved to the end.
"""

import itertools
import os
import pathlib
import shutil
import sys
import tempfile

import pytest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "api"))

LAST = "test_canary.py"


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: item.path.name == LAST)


@pytest.fixture(scope="session", name="session_folder")
def temporary_session_folder():
    from turnpike import BINARY
    if not os.access(BINARY, os.X_OK):
        pytest.exit(f"there is no {BINARY}: build it, or name another in TURNPIKE")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="turnpike-test-"))
    yield folder
    if os.environ.get("TURNPIKE_KEEP"):
        print(f"kept {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session", name="session_numbers")
def numbers_of_folders():
    return itertools.count(1)


@pytest.fixture(name="folder")
def make_folder(session_folder, session_numbers, request):
    """A folder of the test's own that stays until the end of the session."""
    folder = session_folder / f"{next(session_numbers):03d}-{request.node.name[:40]}"
    folder.mkdir()
    return folder


@pytest.fixture(scope="session", name="template")
def data_with_demo_merchants(session_folder):
    """A data directory that a sandbox has seeded and nobody serves."""
    from turnpike import Gateway
    with Gateway.start(session_folder / "template") as gateway:
        pass
    return gateway.data


@pytest.fixture(name="seeded")
def make_seeded(template, folder):
    """A copy of the template for this test; to be served with a host of its own, too."""
    return pathlib.Path(shutil.copytree(template, folder / "data"))


@pytest.fixture(name="programs")
def programs_of_the_test():
    """Whatever a test adds here is ended with it, the last one first; a bad end fails the test."""
    started = []
    yield started
    faults = []
    for program in reversed(started):
        try:
            program.close()
        except AssertionError as fault:
            faults.append(str(fault))
    assert not faults, "\n".join(faults)


@pytest.fixture(name="start")
def starter(programs, folder):
    """start(): a sandbox with fresh data; start(*words, data=..., config=...) as Gateway.start."""
    from turnpike import Gateway

    def start(*words, **options):
        programs.append(Gateway.start(folder, *words, **options))
        return programs[-1]
    return start


@pytest.fixture(name="host")
def separate_host(programs, folder):
    """The host simulator as a process of its own."""
    from turnpike import Host
    programs.append(Host.start(folder))
    return programs[-1]
