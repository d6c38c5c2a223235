"""What a merchant may do, changed by `turnpike merchant` while the server runs.

One server with a merchant for every rule: the server looks for changes once a second, so that all
of them are seen after one wait. A test logs in with merchants that no other test uses.
"""

import concurrent.futures
import json
import time

import pytest

from turnpike import Gateway, add_merchant, cli, succeeded, wait_until

PASSWORD = "a fine password"

LIMITS = {
    "countries": {"countries": ["LTU", "DEU"]},
    "denied": {"countries_denied": ["PRK"]},
    "currencies": {"currencies": ["EUR", "JPY"]},
    "amounts": {"min_minor": {"EUR": 100, "JPY": 50}, "max_minor": {"EUR": 500}},
    "networks": {"networks": ["10.0.0.0/8", "192.0.2.7/32"]},
    "brands": {"brands": ["visa"]},
    "none": {},
}
OTHERS = ["disabled", "passwd", "guessed", "waiting", "crowded", "broken"]


def login_of(name):
    return f"shop_{name}"


@pytest.fixture(scope="module", name="market")
def server_with_many_merchants(session_folder, template):
    import shutil
    data = shutil.copytree(template, session_folder / "market" / "data")
    with Gateway.start(session_folder / "market", data=data) as gateway:
        for name in [*LIMITS, *OTHERS]:
            add_merchant(data, login_of(name), PASSWORD)
        for name, limits in LIMITS.items():
            done = gateway.cli("merchant", "limits", login_of(name), json.dumps(limits))
            assert done.returncode == 0, done.stderr
        gateway.see_merchants()
        yield gateway


def shop_of(market, name, **more):
    return market.shop(login_of(name), PASSWORD, **more)


# ---- limits ----


CASES = [
    ("countries", {"country": "LTU"}, 0),
    ("countries", {"country": "DE"}, 0),
    ("countries", {"country": "FRA"}, 2002),
    ("denied", {"country": "FRA"}, 0),
    ("denied", {"country": "PRK"}, 2002),
    ("currencies", {"currency": "EUR"}, 0),
    ("currencies", {"currency": "JPY", "amount": 12}, 0),
    ("currencies", {"currency": "USD"}, 2006),
    ("amounts", {"amount": "0.99"}, 2007),
    ("amounts", {"amount": "1.00"}, 0),
    ("amounts", {"amount": "5.00"}, 0),
    ("amounts", {"amount": "5.01"}, 2007),
    ("amounts", {"currency": "JPY", "amount": 49}, 2007),
    ("amounts", {"currency": "JPY", "amount": 5000000}, 0),
    ("amounts", {"currency": "USD", "amount": "0.01"}, 0),
    ("networks", {"user_ip": "10.255.0.1"}, 0),
    ("networks", {"user_ip": "192.0.2.7"}, 0),
    ("networks", {"user_ip": "192.0.2.8"}, 2008),
    ("networks", {"user_ip": "11.0.0.1"}, 2008),
    ("brands", {"card_number": "4111111111111111"}, 0),
    ("brands", {"card_number": "5555555555554444"}, 3011),
    ("none", {"country": "PRK", "user_ip": "11.0.0.1", "card_number": "5555555555554444"}, 0),
]


@pytest.mark.parametrize("name, fields, code", CASES)
@pytest.mark.parametrize("kind", ["sale", "auth"])
def test_a_limit_allows_and_refuses(market, name, fields, code, kind):
    answer = getattr(shop_of(market, name), kind)(**fields)
    assert (answer["code"], answer["status"]) == (code, "error" if code else "success")


def test_what_a_limit_refuses_writes_nothing_and_its_id_stays_free(market):
    shop = shop_of(market, "amounts")
    refused = shop.sale(amount="5.01", transaction_unique_id="free-again")
    assert (refused["code"], refused["reference"]) == (2007, None)
    assert shop.check(transaction_unique_id="free-again")["code"] == 3014
    succeeded(shop.sale(amount="5.00", transaction_unique_id="free-again"))


def test_a_limit_does_not_stop_what_has_been_paid_from_being_refunded(market):
    shop = shop_of(market, "none")
    sale = succeeded(shop.sale(currency="USD"))
    market.set_limits(login_of("none"), currencies=["EUR"])
    assert shop.sale(currency="USD")["code"] == 2006
    succeeded(shop.refund(sale["reference"], currency="USD"))
    market.set_limits(login_of("none"))
    succeeded(shop.sale(currency="USD"))


def test_a_token_of_a_brand_that_is_not_taken_is_refused(market):
    shop = shop_of(market, "brands")
    token = succeeded(shop.tokenize(card_number="5555555555554444"))["token"]
    assert shop.sale(token=token)["code"] == 3011


@pytest.mark.parametrize("limits, named", [
    ('{"currencies":["EUX"]}', "currencies"),
    ('{"currencies":"EUR"}', "currencies"),
    ('{"colours":["red"]}', "colours"),
    ('{"max_minor":{"EUR":1.5}}', "max_minor"),
    ('{"max_minor":{"EUR":-1}}', "max_minor"),
    ('{"networks":["10.0.0.0/33"]}', "networks"),
    ('{"brands":["bison"]}', "brands"),
    ('{"window_days":0}', "window_days"),
    ('{"currencies":["EUR"]', ""),
    ("[]", ""),
])
def test_limits_that_make_no_sense_are_refused_and_the_old_ones_stay(market, limits, named):
    login = login_of("broken")
    before = market.cli("merchant", "limits", login).stdout
    done = market.cli("merchant", "limits", login, limits)
    assert done.returncode == 1 and named in done.stderr and done.stderr.strip()
    assert market.cli("merchant", "limits", login).stdout == before


def test_limits_are_shown_as_they_were_set(market):
    shown = market.cli("merchant", "limits", login_of("amounts"))
    assert json.loads(shown.stdout) == LIMITS["amounts"]
    assert json.loads(market.cli("merchant", "limits", login_of("guessed")).stdout) == {}


# ---- switching off ----


def test_a_disabled_merchant_can_only_ask_until_it_is_enabled(market):
    login, shop = login_of("disabled"), shop_of(market, "disabled")
    sale = succeeded(shop.sale())
    auth = succeeded(shop.auth())
    assert market.cli("merchant", "disable", login).returncode == 0
    market.see_merchants()
    refused = [shop.sale(), shop.auth(), shop.settle(auth["reference"]), shop.tokenize(),
               shop.void(auth["reference"]), shop.refund(sale["reference"])]
    assert [a["code"] for a in refused] == [2003] * 6
    succeeded(shop.check(sale["reference"]))
    assert market.cli("merchant", "enable", login).returncode == 0
    market.see_merchants()
    succeeded(shop.settle(auth["reference"]))


# ---- passwords ----


def test_a_changed_password_holds_within_two_seconds_and_the_old_one_no_more(market):
    login, old = login_of("passwd"), shop_of(market, "passwd")
    succeeded(old.sale())
    done = market.cli("merchant", "passwd", login, "--password-stdin", stdin="another secret\n")
    assert done.returncode == 0 and "another" not in done.stdout + done.stderr
    time.sleep(2)
    assert old.sale()["code"] == 2001
    succeeded(market.shop(login, "another secret").sale())


def test_a_password_that_the_program_makes_is_told_once_and_works(market):
    done = market.cli("merchant", "passwd", login_of("passwd"))
    word, password = done.stdout.split()
    assert word == "password" and len(password) == 24
    market.see_merchants()
    assert succeeded(market.shop(login_of("passwd"), password).sale())


# ---- guessing ----


def test_guessing_from_one_address_does_not_lock_the_merchant_out(market):
    thief = market.shop(login_of("guessed"), "wrong password", source="127.0.0.2")
    assert [thief.sale()["code"] for _ in range(8)] == [2001] * 8
    assert "source=127.0.0.2 result=throttled" in market.log()
    thief.password = PASSWORD  # the right one at last, but nobody looks at it
    assert thief.sale()["code"] == 2001
    succeeded(shop_of(market, "guessed").sale())


def test_after_a_pause_one_more_try_is_looked_at(market):
    careless = market.shop(login_of("waiting"), "wrong password", source="127.0.0.3")
    for _ in range(6):
        assert careless.sale()["code"] == 2001
    careless.password = PASSWORD
    assert careless.sale()["code"] == 2001
    assert wait_until(lambda: careless.sale()["code"] == 0, 10, every=0.5)


def test_guesses_at_the_same_time_count_too_and_are_not_all_looked_at(market):
    thief = market.shop(login_of("crowded"), "wrong", source="127.0.0.4")

    def guess(n):
        return market.shop(thief.login, f"guess number {n}", source="127.0.0.4").sale()["code"]
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        assert set(pool.map(guess, range(32))) == {2001}
    results = [line for line in market.log().splitlines() if "source=127.0.0.4" in line]
    assert sum("result=throttled" in line for line in results) >= 20
    succeeded(shop_of(market, "crowded").sale())


def test_an_unknown_account_and_a_wrong_password_are_answered_alike(market):
    unknown = market.shop("no_such_shop", PASSWORD, source="127.0.0.5").sale()
    wrong = market.shop(login_of("none"), "wrong password", source="127.0.0.5").sale()
    for answer in (unknown, wrong):
        answer.pop("sessionid")
        answer.pop("timestamp")
    assert unknown == wrong and unknown["code"] == 2001
    assert unknown["merchant_account"] is None


def test_a_merchant_sees_nothing_of_another(market):
    one, other = shop_of(market, "none"), shop_of(market, "denied")
    sale = succeeded(one.sale())
    auth = succeeded(one.auth())
    assert other.check(sale["reference"])["code"] == 3014
    assert other.refund(sale["reference"])["code"] == 3003
    assert other.settle(auth["reference"])["code"] == 3003
    assert other.void(auth["reference"])["code"] == 3003
    assert other.sale(token=sale["token"])["code"] == 3002
    same_id = {"transaction_unique_id": "shared-by-two"}
    succeeded(one.sale(**same_id))
    succeeded(other.sale(**same_id))


def test_a_login_can_be_taken_once(market):
    done = market.cli("merchant", "add", login_of("none"), "--name", "X", "--mid", "M", "--tid",
                      "T", "--mcc", "5732", "--city", "VILNIUS", "--country", "LT")
    assert done.returncode == 1 and "already" in done.stderr


def test_commands_on_data_that_is_not_there_say_so(folder):
    done = cli("merchant", "list", "--data", folder / "nowhere")
    assert done.returncode == 1 and "nowhere" in done.stderr
