"""How a request may be written down: JSON under any name, forms, and everything that is none."""

import http.client
import json
import urllib.parse

import pytest

from genome import (
    BOUNDARY, CODES, ENCODINGS, FORMS, KEYS, MULTIPART, PASSED, assert_erroneous, assert_recorded,
    fields_named, multipart, post, post_as, request, urlencoded)
from turnpike import CARD, PAYER, call, succeeded

SALE = {"amount": 12.34, "currency": "EUR", **CARD, **PAYER}


def refused(shop, body, content_type="application/json", code=1001):
    """Not readable: an erroneous answer that tells nothing of the request."""
    answer = post(shop, body, content_type)
    assert answer["code"] == code, (body[:80], answer)
    assert_erroneous(answer, code)
    return answer


# ---- what is accepted ----


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("form", FORMS)
def test_every_type_may_be_sent_in_every_encoding(shop, form, encoding):
    answer = post_as(shop, encoding, request(shop, form))
    assert answer["code"] == PASSED[form], answer


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_payment_is_the_same_in_every_encoding(sandbox, shop, encoding):
    holder = "\u0410\u041d\u041d\u0410 & L=E+E%41"
    sent = shop.fields("SALE", **SALE | {"card_holder": holder, "user_phone": "+370 600 0000"})
    answer = succeeded(post_as(shop, encoding, sent))
    assert_recorded(answer, sent)
    assert sandbox.position(answer["reference"])["captured_minor"] == 1234
    facts = sandbox.operation(answer["reference"])["facts"]
    facts = json.loads(facts if isinstance(facts, str) else bytes(facts).decode())
    assert facts["card_holder"] == holder
    assert facts["user_phone"] == "+370 600 0000"


@pytest.mark.parametrize("content_type", [
    "application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "text/json",
    "text/plain", "text/html", "application/octet-stream", "application/xml", "nonsense", "*/*",
    "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=UTF-8",
    "application/x-www-form-urlencodedcharset=utf-8", MULTIPART, "multipart/form-data"])
def test_json_is_understood_whatever_it_is_called(shop, content_type):
    answer = post(shop, json.dumps(shop.fields("SALE", **SALE)).encode(), content_type)
    assert answer["code"] == 0, answer


def test_a_body_without_a_content_type_is_understood(shop):
    for body in (json.dumps(shop.fields("SALE", **SALE)).encode(),
                 urlencoded(shop.fields("SALE", **SALE))):
        parts = urllib.parse.urlsplit(shop.url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=60)
        connection.putrequest("POST", "/api/cc")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body)
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["code"] == 0
        connection.close()


def test_blanks_around_json_do_no_harm(shop):
    for content_type in ("application/json", "application/x-www-form-urlencoded"):
        text = json.dumps(shop.fields("SALE", **SALE), indent=4)
        succeeded(post(shop, b"\r\n \t" + text.encode() + b"\n\n", content_type))


def test_names_and_values_may_be_escaped(shop):
    fields = shop.fields("SALE", **SALE)
    text = json.dumps(fields).replace("transaction_unique_id", "transaction\\u005funique\\u005fid")
    answer = succeeded(post(shop, text.replace('"SALE"', '"\\u0053ALE"').encode()))
    assert_recorded(answer, fields)


def test_the_ios_client_is_understood(shop):
    """JSON under a broken header, the amount as text."""
    fields = shop.fields("SALE", **SALE | {"amount": "12.0"})
    answer = post(shop, json.dumps(fields).encode(), "application/x-www-form-urlencoded; charset")
    assert_recorded(succeeded(answer), fields)


def test_the_answer_is_json_and_is_not_kept_by_caches(shop):
    for body in (json.dumps(shop.fields("SALE", **SALE)).encode(), b"{", b""):
        answer = shop.post(body)
        assert answer.status == 200
        assert answer.headers["Content-Type"].split(";")[0] == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"
        assert int(answer.headers["Content-Length"]) == len(answer.body)
        assert list(answer.json()) == KEYS


def test_text_that_needs_escapes_comes_back_as_it_was(shop):
    for unique_id in ('a"b\\c/d', "\u0416\u20ac\U0001f600 id", "</script>", "\u00e9' or 1=1--"):
        fields = shop.fields("VOID", transaction_unique_id=unique_id, reference="x")
        assert shop.send(fields)["code"] == 1004  # so that the id may come again
        fields = shop.fields("SALE", **SALE | {"card_holder": "CODE 3101"})
        fields["transaction_unique_id"] = unique_id
        assert shop.send(fields)["transaction_unique_id"] == unique_id


# ---- nothing at all ----


@pytest.mark.parametrize("content_type", [
    "application/json", "application/x-www-form-urlencoded", "text/plain", MULTIPART])
@pytest.mark.parametrize("body", [
    b"", b" ", b"\r\n\r\n\t ", b"{}", b" { } ", b"[]", b"[1, 2]", b"[{}]"])
def test_a_body_without_fields_is_no_request(shop, body, content_type):
    answer = refused(shop, body, content_type, code=1004)
    assert answer["message"] == "Invalid request"


@pytest.mark.parametrize("body", [
    b"null", b"true", b"false", b"1", b"-1.5", b'"text"', b'""', b'"{}"',
    json.dumps([{"api_version": 1, "transaction_type": "CHECK"}]).encode()])
def test_json_that_is_no_object_is_no_request(shop, body):
    assert refused(shop, body, code=1004)["message"] == "Invalid request"


@pytest.mark.parametrize("body", [b"hello", b"some text", b"a", b"a&b", b"&&&", b"=", b"a=&b="])
def test_a_form_without_a_value_is_no_request(shop, body):
    answer = refused(shop, body, "application/x-www-form-urlencoded", code=1004)
    assert answer["message"] == "Invalid request"


# ---- broken JSON ----

BROKEN = {
    "cut short": b'{"api_version": 1',
    "cut in a word": b'{"api_version": tru',
    "cut in a text": b'{"api_version": "1',
    "one brace": b"{",
    "one bracket": b"[",
    "a comma too many": b'{"api_version": 1,}',
    "no comma": b'{"api_version": 1 "amount": 2}',
    "no colon": b'{"api_version" 1}',
    "single quotes": b"{'api_version': 1}",
    "a bare name": b"{api_version: 1}",
    "a bare word": b'{"api_version": one}',
    "a comment": b'{"api_version": 1 /* x */}',
    "a number that is none": b'{"amount": NaN}',
    "no end of numbers": b'{"amount": Infinity}',
    "a plus": b'{"amount": +1}',
    "a leading zero": b'{"amount": 01}',
    "a point at the end": b'{"amount": 1.}',
    "hexadecimal": b'{"amount": 0x10}',
    "something behind it": b'{"api_version": 1} x',
    "two values": b'{"api_version": 1}{"api_version": 1}',
    "a key twice": b'{"api_version": 1, "api_version": 1}',
    "a key twice, deeper": b'{"api_version": 1, "x": {"a": 1, "a": 2}}',
    "a key twice, escaped": b'{"amount": 1, "am\\u006funt": 2}',
    "invalid UTF-8": b'{"api_version": "\xff"}',
    "UTF-8 cut short": b'{"api_version": "\xe2\x82"}',
    "UTF-8 too long": b'{"api_version": "\xc0\xb1"}',
    "half a pair": b'{"api_version": "\\ud83d"}',
    "half a pair in UTF-8": b'{"api_version": "\xed\xa0\xbd"}',
    "UTF-16": '{"api_version": 1}'.encode("utf-16"),
    "a NUL": b'{"api_version": "1\x00"}',
    "a NUL behind it": b'{"api_version": 1}\x00',
    "a NUL, escaped": b'{"api_version": "1\\u0000"}',
    "a NUL in a name": b'{"api\\u0000_version": 1}',
    "a line end in a text": b'{"api_version": "1\n"}',
    "an unknown escape": b'{"api_version": "\\x31"}',
    "too large a number": b'{"amount": 1e999}',
    "too small a number": b'{"amount": 1e-999}',
    "too long a number": b'{"amount": ' + b"9" * 400 + b"}",
    "nested too deep": b'{"x": ' + b"[" * 20000 + b"]" * 20000 + b"}",
    "nested without an end": b"[" * 60000,
    "objects without an end": b'{"a":' * 10000,
}


@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
@pytest.mark.parametrize("name", BROKEN)
def test_broken_json_is_a_format_error(shop, name, content_type):
    answer = refused(shop, BROKEN[name], content_type)
    assert answer["message"] == CODES[1001][1]


def test_a_bare_word_under_the_name_of_json_is_a_format_error(shop):
    for body in (b"hello", b"a=1&b=2", b"\xff\xfe", b"nul", b"<xml/>"):
        refused(shop, body)


@pytest.mark.parametrize("field", ["amount", "transaction_unique_id", "merchant_password", "x"])
def test_a_repeated_key_is_refused_even_with_the_same_value(shop, field):
    """One reader would take the first, another the last."""
    text = json.dumps(shop.fields("SALE", **SALE) | {"x": 1})
    value = json.dumps(json.loads(text)[field])
    refused(shop, (text[:-1] + f', "{field}": {value}}}').encode())


def test_nesting_that_is_not_too_deep_is_ignored_like_any_unknown_field(shop):
    fields = request(shop, "SALE")
    fields["x"] = json.loads("[" * 10 + "]" * 10)
    assert shop.send(fields)["code"] == PASSED["SALE"]


def test_a_number_with_more_digits_than_can_be_kept_is_not_rounded(shop):
    """0.1 + 0.2 as a program may send it."""
    text = json.dumps(request(shop, "SALE", amount=12)).replace('"amount": 12', '"amount": %s')
    for amount in ("0.30000000000000004", "12.340000000000000001", "1.0000000000000001e2"):
        assert post(shop, (text % amount).encode())["code"] in (1001, 1004), amount


# ---- broken forms ----


@pytest.mark.parametrize("body", [
    b"api_version=%zz", b"api_version=%1", b"api_version=%", b"%q=1", b"api_version=%ff",
    b"api_version=%c0%b1", b"api_version=\xff", b"api_version=1%00", b"a%00b=1",
    b"api_version=%ed%a0%bd", b"api_version=1&api_version=1", b"a=1&%61=2", b"a=1&b=2&a=",
    b"&".join(b"f%d=1" % i for i in range(2000))])
def test_a_broken_form_is_a_format_error(shop, body):
    refused(shop, body, "application/x-www-form-urlencoded")


def part(name, value=b"1"):
    return (b"--" + BOUNDARY.encode() + b'\r\nContent-Disposition: form-data; name="' + name
            + b'"\r\n\r\n' + value + b"\r\n")


END = b"--" + BOUNDARY.encode() + b"--\r\n"


@pytest.mark.parametrize("body", [
    b"hello", END[:-6], part(b"api_version"), part(b"api_version")[:-2] + END,
    part(b"api_version") + part(b"api_version") + END,
    part(b"api_version").replace(b"\r\n", b"\n") + END,
    part(b"api_version").replace(b"form-data", b"attachment") + END,
    part(b"api_version").replace(b"; name", b"; mane") + END,
    part(b'f"; filename="x.txt') + END,
    part(b"api_version", b"\xff") + END, part(b"api_version", b"1\x00") + END,
    b"".join(part(b"f%d" % i) for i in range(300)) + END,
    part(b"api_version") + END + b"more"])
def test_a_broken_multipart_body_is_a_format_error(shop, body):
    refused(shop, body, MULTIPART)


@pytest.mark.parametrize("content_type", [
    "multipart/form-data", "multipart/form-data; boundary=", "multipart/form-data; boundary=other",
    "multipart/form-data; boundary=" + "x" * 200])
def test_multipart_without_its_boundary_is_a_format_error(shop, content_type):
    refused(shop, multipart(request(shop, "SALE")), content_type)


def test_a_value_of_a_form_is_only_text(shop):
    """card[number] is a name like any other."""
    answer = post(shop, urlencoded({"api_version": 1, "transaction_type[]": "SALE"}),
                  "application/x-www-form-urlencoded")
    assert fields_named(answer["message"])[-1] == "transaction_type"


# ---- size, method, path ----


@pytest.mark.parametrize("size, status", [(60_000, 200), (70_000, 413), (5_000_000, 413)])
def test_a_body_has_a_limit(shop, size, status):
    fields = request(shop, "SALE", custom_filler="x" * size)
    try:
        answer = shop.post(json.dumps(fields))
    except (BrokenPipeError, ConnectionResetError):
        assert status == 413  # it was not even read to its end
        return
    assert answer.status == status
    if status == 200:
        assert answer.json()["code"] == PASSED["SALE"]


def test_many_unknown_fields_are_ignored_and_too_many_are_refused(shop):
    fields = request(shop, "SALE")
    assert shop.send(fields | {f"custom_{i}": i for i in range(150)})["code"] == PASSED["SALE"]
    assert_erroneous(shop.send(fields | {f"custom_{i}": i for i in range(1500)}), 1001)


def test_only_post_reaches_the_gateway(shop):
    for method in ("GET", "PUT", "DELETE", "OPTIONS"):
        answer = call(shop.url + "/api/cc", method)
        assert answer.status == 405 and "POST" in answer.headers["Allow"]
    for path in ("/api", "/api/cc/", "/api/cc/x", "/API/CC", "/api//cc"):
        assert shop.post(b"{}", path=path).status == 404
    assert shop.post(b"{}", path="/api/cc?x=1").status == 200


def test_several_requests_go_over_one_connection(shop):
    parts = urllib.parse.urlsplit(shop.url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    for body, code in ((b"{", 1001), (json.dumps(request(shop, "SALE")).encode(), 3101),
                       (b"", 1004), (json.dumps(shop.fields("SALE", **SALE)).encode(), 0)):
        connection.request("POST", "/api/cc", body, {"Content-Type": "application/json"})
        assert json.loads(connection.getresponse().read())["code"] == code
    connection.close()
