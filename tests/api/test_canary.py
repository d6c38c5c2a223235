"""Nothing that the server leaves behind holds a card number or a card verification value.

It trades with cards of its own, with everything logged, and looks through every byte that was left;
then through what all other tests of the session have left, for every card that a shop has sent.
tests/conftest.py moves this file to the end.
"""

import base64
import random
import re
import shutil

import pytest

from turnpike import CARDS, FOLDERS, Gateway, Host, call, succeeded, wait_until

# Not among the published test cards, so that no table of the program holds them.
CANARIES = {"4929730518264037": "7391", "5424184049821670": "8264", "374245455400126": "9137",
            "6011973218540627": "6718"}


def luhn_ok(digits):
    total = sum(sum(divmod(int(d) * (1 + i % 2), 10)) for i, d in enumerate(reversed(digits)))
    return total % 10 == 0


def with_right_end(digits):
    return next(digits[:-1] + d for d in "0123456789" if luhn_ok(digits[:-1] + d))


PANS = [with_right_end(pan) for pan in CANARIES]
CVVS = list(CANARIES.values())


def base64_cores(text):
    """What base64 shows of text, wherever in a longer one it begins."""
    for shift in range(3):
        coded = base64.b64encode(b"\0" * shift + text)
        begin = -(-shift * 8 // 6)
        end = (shift + len(text)) * 8 // 6
        yield coded[begin:end]


def packed(digits):
    """Two digits a byte, as binary messages have them."""
    return bytes.fromhex(digits if len(digits) % 2 == 0 else "0" + digits)


def shapes_of_a_pan(pan):
    """The number in clear, in groups, in hex, in base64, packed, reversed, and its middle alone."""
    groups = [pan[i:i + 4] for i in range(0, len(pan), 4)]
    yield from (sep.join(groups).encode() for sep in ("", " ", "-", ".", "/", "\t"))
    yield pan.encode("utf-16-le")
    yield pan.encode().hex().encode()
    yield pan.encode().hex().upper().encode()
    yield packed(pan)
    yield pan[::-1].encode()
    yield from base64_cores(pan.encode())
    yield from base64_cores(packed(pan))
    yield pan[:10].encode()  # more than the six that may be shown
    yield pan[-10:].encode()


def shapes_of_a_cvv(cvv):
    """Three or four digits are found anywhere: only where a CVV would stand, or coded."""
    digits = cvv.encode()
    yield re.compile(rb"(?i)cv[vc]2?\W{0,8}" + digits)
    yield re.compile(rb"92" + b"%02d" % len(digits) + digits)  # DE 48.92
    yield re.compile(rb'"' + digits + rb'"')
    yield re.compile(rb"=" + digits + rb"(?!\d)")


def files_left():
    seen = {}
    for folder in FOLDERS:
        if folder.exists():
            seen.update((p, None) for p in folder.rglob("*") if p.is_file())
    return list(seen)


def assert_no_pan(name, content, pans):
    for pan in pans:
        for shape in shapes_of_a_pan(pan):
            assert shape not in content, f"{pan} stands in {name} as {shape!r}"


def assert_no_cvv(name, content, cvvs):
    for cvv in cvvs:
        for shape in shapes_of_a_cvv(cvv):
            found = shape.search(content)
            assert not found, f"a CVV stands in {name}: {found}"


@pytest.fixture(scope="module", name="talkative")
def gateway_that_logs_everything_and_has_traded(session_folder, template):
    folder = session_folder / "canary"
    data = shutil.copytree(template, folder / "data")
    with Host.start(folder) as host:
        config = host.config(folder, server={"log_level": "debug"}, request_timeout_ms=600)
        with Gateway.start(folder, data=data, config=config) as gateway:
            gateway.wait_ready()
            trade(gateway.shop())
            trade_with_a_bad_host(gateway, host)
            assert gateway.cli("keys", "rotate").returncode == 0
            leak_by_mistakes(gateway.shop())
            yield gateway


def trade(shop):
    for pan, cvv in zip(PANS, CVVS):
        card = {"card_number": pan, "cvv": cvv}
        token = succeeded(shop.tokenize(**card))["token"]
        sale = succeeded(shop.sale(**card))
        succeeded(shop.refund(sale["reference"]))
        auth = succeeded(shop.auth(token=token, cvv=cvv))
        succeeded(shop.settle(auth["reference"], amount=5))
        succeeded(shop.void(succeeded(shop.auth(**card))["reference"]))
        shop.sale(**card, card_holder="CODE 3101")
        assert shop.check(sale["reference"])["transactions"][0]["token"] == token


def trade_with_a_bad_host(gateway, host):
    """Links that break leave messages that were half sent, and repeats."""
    shop = gateway.shop()
    for fault in ("drop_after", "drop_before", "garbage", "twice", "silent_booked", "late"):
        host.faults(fault=fault, count=1, late_ms=700)
        shop.sale(card_number=PANS[0], cvv=CVVS[0])
        host.faults()
        gateway.wait_ready(40)


def leak_by_mistakes(shop):
    """Requests that are wrong, and hold a card where none belongs."""
    pan, cvv = PANS[2], CVVS[2]
    card = {"card_number": pan, "cvv": cvv}
    mistakes = [
        shop.fields("SALE", **card),
        shop.fields("SALE", **card, first_name=pan, card_holder=pan),
        shop.fields("SALE", card_number=pan + "0", cvv=cvv),
        shop.fields("SALE", card_number=pan, cvv=cvv + "x"),
        shop.fields("SALE", **card, transaction_type_=pan),
        {**shop.fields("SALE", **card), "merchant_account": pan},
        {**shop.fields("SALE", **card), "merchant_password": "wrong " + cvv},
        {**shop.fields("SALE", **card), "transaction_type": pan},
        {**shop.fields("SALE", **card), pan: pan},
    ]
    for fields in mistakes:
        assert shop.send(fields)["code"] != 0
    for body in (f'{{"card_number":"{pan}","cvv":"{cvv}"', f"card_number={pan}&cvv={cvv}", pan):
        shop.post(body)
        shop.post(body, content_type="application/x-www-form-urlencoded")
    shop.call(shop.url + "/api/cc?card_number=" + pan + "&cvv=" + cvv)
    shop.call(shop.url + "/" + pan)
    shop.call(shop.url + "/api/cc", "POST", "{}", {"X-Card": pan, "Cookie": pan})


def test_the_shapes_that_are_looked_for_would_be_found():
    generator = random.Random(7)
    pan = PANS[0]
    for before in range(4):
        noise = generator.randbytes(before)
        for content in (noise + pan.encode(), base64.b64encode(noise + pan.encode() + noise),
                        base64.b64encode(noise + packed(pan)), noise + pan.encode().hex().encode(),
                        f"card {pan[:4]} {pan[4:8]} {pan[8:12]} {pan[12:]}".encode()):
            with pytest.raises(AssertionError):
                assert_no_pan("a test", content, [pan])
    for content in (b'{"cvv":"7391"}', b"cvv=7391", b"CVC2: 7391", b"T42070103292047391"):
        with pytest.raises(AssertionError):
            assert_no_cvv("a test", content, ["7391"])
    masked = f"{pan[:6]}******{pan[-4:]}".encode()
    assert_no_pan("a test", masked, [pan])
    assert all(luhn_ok(p) for p in PANS)


def test_the_cards_of_this_test_were_really_used(talkative):
    bins = {r["bin"] + r["last4"] for r in talkative.rows("SELECT bin, last4 FROM card")}
    assert bins == {p[:6] + p[-4:] for p in PANS}
    journal = (talkative.folder / "host.journal").read_text(encoding="ascii")
    for pan in PANS:
        assert f"{pan[:6]}{'*' * (len(pan) - 10)}{pan[-4:]}" in journal


def test_no_file_holds_a_card_number_or_a_cvv(talkative):
    names = {p.name for p in files_left()}
    assert {"turnpike.db", "turnpike.db-wal", "host.journal", "keyring"} <= names
    for path in files_left():
        if path.is_relative_to(talkative.folder):
            content = path.read_bytes()
            assert_no_pan(path, content, PANS)
            assert_no_cvv(path, content, CVVS)


def test_no_listener_tells_a_card_number(talkative):
    for url in (talkative.admin + "/metrics", talkative.admin + "/readyz",
                talkative.admin + "/keys", talkative.url + "/help/cc"):
        answer = call(url)
        assert answer.status == 200
        assert_no_pan(url, answer.body, PANS)
        assert_no_cvv(url, answer.body, CVVS)


def test_no_other_test_of_the_session_has_left_a_card_number(talkative):
    assert talkative.alive
    assert len(CARDS) >= len(PANS)
    pans = sorted(p for p in CARDS if luhn_ok(p))
    # One pass over each file for all cards: the first six digits and six more are enough to find.
    heads = re.compile(b"|".join(re.escape(p[:12].encode()) for p in pans))
    for path in files_left():
        found = heads.search(path.read_bytes())
        assert not found, f"{found} in {path}"


def test_the_database_still_holds_none_after_it_was_closed(talkative):
    assert wait_until(lambda: '"done"' in talkative.get("/keys").text)
    assert talkative.stop() == 0
    for path in talkative.data.iterdir():
        assert_no_pan(path, path.read_bytes(), PANS)
