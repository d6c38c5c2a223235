"""The last of the crash tests: the run must have killed as often as it says."""

import pytest

from place import KILLS, TALLY


def test_the_run_has_killed_more_than_twice_what_was_asked_for(request):
    """Once at random instants, once at named points and with the power."""
    modules = {item.path.name for item in request.session.items}
    if request.config.option.keyword or not modules >= {"test_crash.py", "test_points.py",
                                                        "test_powerloss.py"}:
        pytest.skip("only a part of the crash tests was run")
    assert sum(TALLY.values()) >= 2 * KILLS, TALLY
    assert TALLY["random"] >= KILLS and TALLY["power"] >= 0.6 * KILLS, TALLY
