"""Fixtures of the crash tests, beside those of tests/conftest.py, and the count of all deaths.

When a test fails, what it has left on the disk is kept.
"""

import os

import pytest

from place import SEED, TALLY, Place
from preload import build


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    outcome = yield
    report = outcome.get_result()
    folder = item.funcargs.get("folder") if hasattr(item, "funcargs") else None
    if report.failed and folder:
        os.environ["TURNPIKE_KEEP"] = "1"
        report.sections.append(("what it has left", f"{folder}\nCRASH_SEED={SEED}"))


def pytest_terminal_summary(terminalreporter):
    if TALLY:
        kinds = ", ".join(f"{n} {what}" for what, n in sorted(TALLY.items()))
        terminalreporter.write_line(f"gateways killed: {sum(TALLY.values())} ({kinds})")


@pytest.fixture(name="place")
def make_place(seeded, host, folder, request):
    """Starts no gateway yet; kills the one that a failed test has left."""
    config = host.config(folder, max_in_flight=2000)
    place = Place(seeded, host, config, request.node.name)
    yield place
    if place.gateway and place.gateway.alive:
        place.gateway.kill()


@pytest.fixture(name="hasty_place")
def make_place_with_short_timeouts(place, host, folder):
    place.config = host.config(folder, request_timeout_ms=150, advice_timeout_ms=200)
    return place


@pytest.fixture(scope="session", name="points")
def points_library(session_folder):
    return build("points", session_folder)
