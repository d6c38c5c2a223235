"""Several acquirer links: who takes a payment, where its follow-ups go, what a lost link does."""

import pytest

from turnpike import Host, succeeded, wait_until, write_config

VISA = {"card_number": "4111111111111111"}
MASTERCARD = {"card_number": "5555555555554444"}
AMEX = {"card_number": "371449635398431", "cvv": "1234"}


@pytest.fixture(name="hosts")
def two_hosts(programs, folder):
    """One that takes Visa in EUR and USD, one that takes Mastercard and, in USD, anything."""
    for name in ("first", "second"):
        programs.append(Host.start(folder / name))
    return programs[-2:]


@pytest.fixture(name="gateway")
def gateway_with_three_links(start, seeded, hosts, folder):
    first, second = hosts
    config = write_config(
        folder / "turnpike.conf",
        acquirer_visa={"address": first.address, "brands": "visa", "acquirer_id": "111111"},
        acquirer_master={"address": second.address, "brands": "mastercard",
                         "currencies": "EUR, PLN", "acquirer_id": "222222"},
        acquirer_dollars={"address": second.address, "currencies": "USD",
                          "acquirer_id": "222222"})
    gateway = start(data=seeded, config=config)
    gateway.wait_ready()
    assert wait_until(lambda: gateway.log().count("event=link.up") == 3)
    return gateway


def link_of(gateway, answer):
    return gateway.operation(answer["reference"])["link"]


def test_brand_and_currency_choose_the_link_in_the_order_of_the_file(gateway):
    shop = gateway.shop()
    assert link_of(gateway, succeeded(shop.sale(**VISA))) == "visa"
    assert link_of(gateway, succeeded(shop.sale(**VISA, currency="USD"))) == "visa"
    assert link_of(gateway, succeeded(shop.sale(**MASTERCARD))) == "master"
    assert link_of(gateway, succeeded(shop.sale(**MASTERCARD, currency="USD"))) == "dollars"
    assert link_of(gateway, succeeded(shop.sale(**AMEX, currency="USD"))) == "dollars"


def test_what_no_link_takes_is_refused_and_not_recorded(gateway):
    answer = gateway.shop().sale(**AMEX)
    assert answer["code"] == 2005 and answer["reference"] is None


def test_the_hosts_see_their_own_acquirer_id(gateway, hosts):
    shop = gateway.shop()
    visa, master = succeeded(shop.sale(**VISA)), succeeded(shop.sale(**MASTERCARD))
    first, second = hosts
    assert first.position(visa["reference"])["captured_minor"] == 1234
    assert first.position(master["reference"]) is None
    assert second.position(master["reference"])["captured_minor"] == 1234


def test_follow_ups_go_where_the_payment_went(gateway, hosts):
    shop = gateway.shop()
    for card, host in ((VISA, hosts[0]), (MASTERCARD, hosts[1])):
        auth = succeeded(shop.auth(**card))
        settle = succeeded(shop.settle(auth["reference"]))
        succeeded(shop.refund(settle["reference"]))
        assert host.position(auth["reference"])["captured_minor"] == 1234
        assert link_of(gateway, settle) == link_of(gateway, auth)


def test_a_lost_link_takes_only_its_own_payments_with_it(gateway, hosts):
    shop = gateway.shop()
    hosts[0].stop()
    assert wait_until(lambda: "event=link.down link=visa" in gateway.log())
    assert shop.sale(**VISA)["code"] == 3118
    succeeded(shop.sale(**MASTERCARD))
    assert gateway.is_ready()


def test_a_follow_up_may_use_another_link_of_the_same_acquirer(gateway, hosts, programs, folder):
    shop = gateway.shop()
    auth = succeeded(shop.auth(**MASTERCARD))
    traces = gateway.rows("SELECT stan FROM operation WHERE stan > 0")
    succeeded(shop.sale(**MASTERCARD, currency="USD"))
    succeeded(shop.void(auth["reference"]))
    assert wait_until(lambda: hosts[1].position(auth["reference"])["held_minor"] == 0)
    both = gateway.rows("SELECT stan FROM operation WHERE link IN ('master', 'dollars')")
    assert len({row["stan"] for row in both}) == len(both) >= len(traces) + 1
