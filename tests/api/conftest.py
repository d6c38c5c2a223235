"""Fixtures of the API tests, beside those of tests/conftest.py.

`sandbox` is one gateway for the whole session: for tests that leave its merchant, its clock and its
host as they were. Others take `start`, or `gateway` with its `host`.

    TURNPIKE_PATIENCE=3    short time-outs are three times as long: for slow builds
"""

import os

import pytest

from turnpike import Gateway


@pytest.fixture(scope="session", name="sandbox")
def shared_sandbox(session_folder):
    with Gateway.start(session_folder / "sandbox") as gateway:
        yield gateway


@pytest.fixture(name="shop")
def shop_of_the_shared_sandbox(sandbox):
    return sandbox.shop()


SHORT_MS = round(600 * float(os.environ.get("TURNPIKE_PATIENCE", "1")))
SHORT_TIMEOUTS = {"request_timeout_ms": SHORT_MS, "advice_timeout_ms": SHORT_MS}


@pytest.fixture(name="gateway")
def gateway_with_short_timeouts(start, seeded, host, folder):
    """A gateway whose only link is `host`; it gives up waiting after SHORT_MS."""
    gateway = start(data=seeded, config=host.config(folder, **SHORT_TIMEOUTS))
    gateway.wait_ready()
    return gateway
