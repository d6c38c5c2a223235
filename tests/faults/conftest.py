"""Fixtures of the fault tests, beside those of tests/conftest.py.

The books of the crash tests are theirs too.
"""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "crash"))


@pytest.fixture(scope="session", name="library")
def build_library(session_folder):
    import nth
    return nth.build(session_folder)
