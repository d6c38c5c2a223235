"""The server as its operator and its clients' connections see it."""

import concurrent.futures
import contextlib
import http.client
import json
import re
import socket
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from turnpike import (BINARY, LINK_SECONDS, Host, Program, State, call, call_json, cli, operation,
                      operation_id, succeeded, verify, wait_until, write_config)


def port_of(url):
    return urllib.parse.urlsplit(url).port


def free_port():
    with contextlib.closing(socket.socket()) as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def talk(url, sent, seconds=15):
    """Sends bytes and reads until the server closes the connection."""
    received = b""
    with socket.create_connection(("127.0.0.1", port_of(url)), timeout=seconds) as s:
        with contextlib.suppress(ConnectionError):
            s.sendall(sent)
            while chunk := s.recv(65536):
                received += chunk
    return received


# ---- starting ----


def test_port_zero_picks_free_ports_and_the_ready_line_tells_them(sandbox):
    ports = {port_of(sandbox.url), port_of(sandbox.admin)}
    assert len(ports) == 2 and 0 not in ports
    assert call(sandbox.admin + "/healthz").status == 200
    assert call(sandbox.url + "/help/cc").status == 200


def test_the_data_directory_is_private_and_names_the_admin_listener(sandbox):
    assert sandbox.data.stat().st_mode & 0o777 == 0o700
    assert (sandbox.data / "keyring").stat().st_mode & 0o777 == 0o600
    assert (sandbox.data / "admin").read_text(encoding="ascii") == sandbox.admin


def test_a_second_server_on_the_same_data_is_refused_and_the_first_goes_on(sandbox, shop):
    done = cli("serve", "--data", sandbox.data, "--listen", "127.0.0.1:0", "--admin",
               "127.0.0.1:0")
    assert done.returncode == 1 and done.stdout == ""
    assert "another turnpike serves this data directory" in done.stderr
    succeeded(shop.sale())


def test_a_port_that_is_taken_is_told(sandbox, folder):
    taken = f"127.0.0.1:{port_of(sandbox.url)}"
    done = cli("serve", "--data", folder / "data", "--listen", taken, "--admin", "127.0.0.1:0")
    assert done.returncode == 1 and done.stdout == ""
    assert taken in done.stderr


def test_data_and_payments_survive_a_restart(start):
    first = start()
    sale = succeeded(first.shop().sale())
    assert first.stop() == 0
    assert not (first.data / "admin").exists()
    second = start(data=first.data)
    checked = succeeded(second.shop().check(sale["reference"]))
    assert checked["transactions"][0]["status"] == "SUCCESS"
    succeeded(second.shop().refund(sale["reference"]))
    assert second.position(sale["reference"]) == {
        "held_minor": 0, "captured_minor": 1234, "refunded_minor": 1234, "messages": 1}


# ---- health ----


def test_health_is_told_on_the_admin_listener_only(sandbox):
    assert sandbox.get("/healthz").text == "ok\n"
    assert sandbox.get("/readyz").text == "ok\n"
    for path in ("/healthz", "/readyz", "/metrics", "/keys", "/sandbox/clock"):
        assert call(sandbox.url + path).status == 404, path


def test_metrics_are_in_the_format_of_prometheus_and_count(sandbox, shop):
    def approved():
        found = re.search(r'^turnpike_replies_total\{outcome="approved"\} (\d+)$',
                          sandbox.get("/metrics").text, re.M)
        return int(found.group(1))
    answer = sandbox.get("/metrics")
    assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/plain")
    line = re.compile(r"(# (HELP|TYPE) \w+ .+|\w+(\{\w+=\"[^\"]*\"(,\w+=\"[^\"]*\")*\})? "
                      r"(-?[0-9.]+(e[+-]?\d+)?|\+Inf|NaN))")
    for text in answer.text.splitlines():
        assert line.fullmatch(text), text
    before = approved()
    succeeded(shop.sale())
    assert approved() == before + 1


def test_the_admin_listener_takes_nothing_that_a_web_page_could_send(sandbox):
    for content_type in ("text/plain", "application/x-www-form-urlencoded"):
        answer = call(sandbox.admin + "/keys/rotate", "POST", "{}", {"Content-Type": content_type})
        assert answer.status == 415
    assert call_json(sandbox.admin + "/sandbox/clock", {"advance_ms": -1}).status == 400
    assert call_json(sandbox.admin + "/sandbox/clock", {"advance_ms": 1.5}).status == 400
    assert call_json(sandbox.admin + "/sandbox/host/faults", {"fault": "boredom"}).status == 400


# ---- without a host ----


@pytest.fixture(name="lonely")
def gateway_whose_host_is_down(start, seeded, folder):
    port = free_port()
    config = write_config(folder / "turnpike.conf", acquirer_main={"address": f"127.0.0.1:{port}"})
    gateway = start(data=seeded, config=config)
    gateway.host_port = port
    return gateway


def test_without_its_host_the_gateway_starts_and_says_that_it_is_not_ready(lonely):
    assert lonely.get("/healthz").status == 200
    answer = lonely.get("/readyz")
    assert answer.status == 503 and "no acquirer link is up" in answer.text


def test_without_its_host_a_sale_fails_at_once_and_nothing_was_sent(lonely):
    shop = lonely.shop()
    shop.sale()  # the first login of a merchant takes its time
    begun = time.monotonic()
    answer = shop.sale()
    assert time.monotonic() - begun < 1
    assert (answer["code"], answer["status"]) == (3118, "decline")
    assert lonely.operation(answer["reference"])["state"] == State.FAILED
    assert verify(lonely.data)


def test_a_host_that_comes_late_is_found(lonely, programs, folder):
    programs.append(Host.start(folder / "host", port=lonely.host_port))
    lonely.wait_ready(40)
    succeeded(lonely.shop().sale())


def test_outside_the_sandbox_nobody_can_move_the_clock_or_the_host(lonely):
    assert call_json(lonely.admin + "/sandbox/clock", {"advance_ms": 1}).status == 404
    assert call_json(lonely.admin + "/sandbox/host/faults", {}).status == 404


# ---- stopping ----


def test_sigterm_finishes_what_is_in_flight_and_refuses_what_is_new(start):
    gateway = start()
    shop = gateway.shop()
    succeeded(shop.sale())
    gateway.faults(delay_ms=1000)
    with concurrent.futures.ThreadPoolExecutor() as pool:
        sales = [pool.submit(shop.sale) for _ in range(5)]
        assert wait_until(lambda: len(gateway.rows(
            "SELECT id FROM operation WHERE state = ?", State.SENT)) == 5)
        gateway.signal()
        assert wait_until(lambda: not accepts(gateway.url), 5)
        assert gateway.alive, "it has not waited"
        answers = [succeeded(s.result(30)) for s in sales]
    assert gateway.wait() == 0
    for answer in answers:
        assert operation(gateway.data, operation_id(answer["reference"]))["state"] == State.APPROVED
    verify(gateway.data)


def accepts(url):
    try:
        call(url + "/help/cc", timeout=2)
        return True
    except (OSError, http.client.HTTPException):
        return False


def test_a_stop_that_takes_too_long_leaves_the_rest_to_the_next_start(start, seeded, host, folder):
    config = host.config(folder, server={"stop_seconds": 1}, request_timeout_ms=60000)
    gateway = start(data=seeded, config=config)
    gateway.wait_ready()
    host.faults(fault="silent_booked", count=1)
    told = {}
    shopper = threading.Thread(target=lambda: told.update(gateway.shop().sale()))
    shopper.start()
    assert wait_until(lambda: host.faults_left() == 0)
    begun = time.monotonic()
    assert gateway.stop() == 0
    assert time.monotonic() - begun < 10
    shopper.join(10)
    assert told["code"] == 11, "an answer, though not the last word"
    again = start(data=seeded, config=config)
    assert wait_until(lambda: again.operation(told["reference"])["state"] == State.REVERSED,
                      LINK_SECONDS)
    assert host.position(told["reference"])["captured_minor"] == 0


# ---- connections ----

BODY_LIMIT = 65536


def test_unknown_paths_are_404_and_wrong_methods_405_with_the_right_ones(sandbox):
    assert call(sandbox.url + "/api/nowhere").status == 404
    assert call(sandbox.url + "/api/cc/").status == 404
    answer = call(sandbox.url + "/api/cc")
    assert answer.status == 405 and answer.headers["Allow"] == "POST"
    answer = call(sandbox.url + "/help/cc", "DELETE")
    assert answer.status == 405 and "GET" in answer.headers["Allow"]


def test_every_answer_has_an_id_and_may_not_be_stored(sandbox):
    answers = [call(sandbox.url + "/help/cc"), call(sandbox.url + "/nowhere")]
    for answer in answers:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert len({a.headers["X-Request-Id"] for a in answers}) == 2


def test_one_connection_serves_many_requests(sandbox, shop):
    connection = http.client.HTTPConnection("127.0.0.1", port_of(sandbox.url), timeout=30)
    with contextlib.closing(connection):
        connection.connect()
        own = connection.sock.getsockname()
        for _ in range(5):
            body = json.dumps(shop.fields("CHECK", transaction_unique_id="none-such"))
            connection.request("POST", "/api/cc", body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert json.loads(answer.read())["code"] == 3014
            assert connection.sock.getsockname() == own


def test_connection_close_is_obeyed(sandbox):
    received = talk(sandbox.url, b"GET /help/cc HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 200")


def test_a_body_above_the_limit_is_refused_and_one_at_the_limit_read(sandbox, shop):
    body = json.dumps(shop.fields("CHECK", transaction_unique_id="none-such"))
    assert shop.post(body + " " * (BODY_LIMIT - len(body))).json()["code"] == 3014
    assert shop.post(body + " " * (BODY_LIMIT + 1 - len(body))).status == 413


def test_a_body_far_above_the_limit_is_refused_before_it_is_sent(sandbox):
    received = talk(sandbox.url, b"POST /api/cc HTTP/1.1\r\nHost: x\r\nContent-Length: "
                    b"99999999999\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413"), received[:100]


def test_a_chunked_body_above_the_limit_is_refused(sandbox):
    chunk = b"1000\r\n" + b"x" * 0x1000 + b"\r\n"
    received = talk(sandbox.url, b"POST /api/cc HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked"
                    b"\r\n\r\n" + chunk * (BODY_LIMIT // 0x1000 + 1) + b"0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 413"), received[:100]


def test_a_header_above_the_limit_is_refused(sandbox):
    received = talk(sandbox.url, b"GET /help/cc HTTP/1.1\r\nHost: x\r\nX-Long: " + b"x" * 40000 +
                    b"\r\n\r\n")
    assert received == b"" or re.match(rb"HTTP/1.1 (431|414|400)", received), received[:100]


def test_a_request_that_two_readers_could_take_apart_differently_is_refused(sandbox):
    received = talk(sandbox.url, b"POST /api/cc HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n"
                    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
    assert received.startswith(b"HTTP/1.1 400"), received[:100]


def test_a_client_that_is_too_slow_is_cut_off_while_others_are_served(start, folder):
    gateway = start(config=write_config(folder / "turnpike.conf", server={"idle_seconds": 1}))
    begun = time.monotonic()
    with socket.create_connection(("127.0.0.1", port_of(gateway.url)), timeout=20) as slow:
        slow.sendall(b"POST /api/cc HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
        succeeded(gateway.shop().sale())
        with contextlib.suppress(ConnectionError):
            while slow.recv(1000):
                pass
    assert 0.5 < time.monotonic() - begun < 10


def test_a_merchant_that_hangs_up_early_has_its_payment_recorded_once(start):
    gateway = start()
    shop = gateway.shop()
    succeeded(shop.sale())
    gateway.faults(delay_ms=300)
    fields = shop.fields("SALE", **dict(CARD_AND_PAYER, amount=5, currency="EUR"))
    body = json.dumps(fields).encode()
    with socket.create_connection(("127.0.0.1", port_of(gateway.url))) as s:
        s.sendall(b"POST /api/cc HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body) +
                  body)
        assert wait_until(lambda: shop.check(
            transaction_unique_id=fields["transaction_unique_id"])["code"] == 0)
    def status():
        checked = shop.check(transaction_unique_id=fields["transaction_unique_id"])
        return checked["transactions"][0]["status"]
    assert wait_until(lambda: status() == "SUCCESS")
    assert shop.send(fields)["code"] == 3001


CARD_AND_PAYER = {
    "card_number": "4111111111111111", "card_exp_month": "12", "card_exp_year": "2031",
    "cvv": "123", "first_name": "Ann", "last_name": "Lee", "card_holder": "ANN LEE",
    "zip": "01001", "country": "LTU", "user_email": "ann@example.com", "user_ip": "192.0.2.7",
}


# ---- TLS ----


@pytest.fixture(scope="module", name="certificate")
def self_signed_certificate(session_folder):
    cert, key = session_folder / "cert.pem", session_folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=turnpike test", "-addext",
         "subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(cert)],
        check=True, capture_output=True)
    return cert, key


def test_with_a_certificate_merchants_are_served_over_tls_alone(start, folder, certificate):
    cert, key = certificate
    config = write_config(folder / "turnpike.conf", server={"tls_cert": cert, "tls_key": key})
    gateway = start(config=config)
    assert gateway.url.startswith("https://") and gateway.admin.startswith("http://")
    trusting = ssl.create_default_context(cafile=str(cert))
    succeeded(gateway.shop(context=trusting).sale())
    with pytest.raises(ssl.SSLError):
        call(gateway.url + "/help/cc", context=ssl.create_default_context())
    assert b"200 OK" not in talk(gateway.url, b"GET /help/cc HTTP/1.1\r\nHost: x\r\n\r\n")


def test_old_versions_of_tls_are_refused(start, folder, certificate):
    cert, key = certificate
    config = write_config(folder / "turnpike.conf", server={"tls_cert": cert, "tls_key": key})
    gateway = start(config=config)
    old = ssl.create_default_context(cafile=str(cert))
    old.set_ciphers("DEFAULT@SECLEVEL=0")
    with pytest.warns(DeprecationWarning):
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(OSError):
        call(gateway.url + "/help/cc", context=old)


def test_a_certificate_that_cannot_be_read_stops_the_start_with_a_reason(folder):
    config = write_config(folder / "turnpike.conf", server={
        "tls_cert": folder / "none.pem", "tls_key": folder / "none.key"})
    done = cli("serve", "--config", config, "--data", folder / "data", "--listen", "127.0.0.1:0",
               "--admin", "127.0.0.1:0")
    assert done.returncode == 1 and "none.pem" in done.stderr


# ---- the program by itself ----


def test_the_host_simulator_ends_cleanly_and_reads_its_journal_again(folder):
    with Host.start(folder) as first:
        assert first.position(1) is None
    with Host.start(folder) as second:
        assert second.journal() == []


def test_a_first_line_that_is_not_ready_is_noticed(folder):
    with pytest.raises(AssertionError, match="is not ready"):
        Program(["diagram"], folder, "ready")


def test_help_names_every_command():
    done = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    for command in ("serve", "demo", "host", "merchant", "check", "keys", "clock", "diagram",
                    "verify"):
        assert f"turnpike {command} " in done.stdout, command
