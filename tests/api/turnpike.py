"""What the tests start and talk to: a gateway, a host simulator, a shop that calls POST /api/cc.

    with Gateway.start(folder) as gateway:                 a sandbox: the host is inside
        shop = gateway.shop()
        sale = shop.sale(amount=12.34)
        assert gateway.position(sale["reference"])["captured_minor"] == 1234

    host = Host.start(folder)                              the outside world as a process of its own
    gateway = Gateway.start(folder, data=seeded, config=host.config(folder, request_timeout_ms=300))
    host.faults(fault="silent_booked", count=1)

Every program gets free ports on 127.0.0.1, keeps its standard error in a file, and is ended by its
own pid. Where it left data, and which card numbers a shop has sent, is remembered in FOLDERS and
CARDS, so that one test can look through all of it at the end.
"""

import contextlib
import enum
import functools
import http.client
import itertools
import json
import os
import pathlib
import re
import select
import signal
import sqlite3
import subprocess
import time
import urllib.parse
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = str(pathlib.Path(os.environ.get("TURNPIKE", ROOT / "build/turnpike")).resolve())

FOLDERS = []  # of every program that was started
CARDS = set()  # every card number that a shop has sent

READY_SECONDS, END_SECONDS = 60, 60
LINK_SECONDS = 2  # a start with a host that is there: what waits for a link has gone out by then
SANITIZER = re.compile(r"ERROR: \w*Sanitizer|WARNING: ThreadSanitizer|: runtime error: ")

_numbers = itertools.count(1)


class Kind(enum.IntEnum):
    """Kinds of operations, as src/store/rows.h numbers them."""
    AUTHORIZE, SALE, CAPTURE, REFUND, VOID, REVERSAL, RELEASE = range(1, 8)


class State(enum.IntEnum):
    """States of operations."""
    NEW, SENT, APPROVED, DECLINED, IN_DOUBT, REVERSED, FAILED, MANUAL = range(8)


class Pay(enum.IntEnum):
    """States of payments."""
    (NEW, OPENING, AUTHORIZED, CAPTURING, CAPTURED, REFUNDING, REFUNDED, VOIDED, DECLINED,
     REVERSING, REVERSED, MANUAL) = range(12)


class Account(enum.IntEnum):
    """Accounts of the ledger."""
    ISSUER_HOLD, MERCHANT_HELD, ACQUIRER_RECEIVABLE, MERCHANT_PAYABLE = range(1, 5)


def wait_until(holds, seconds=10, every=0.02):
    """What holds() returns as soon as that is true; the last of it when the time is up."""
    deadline = time.monotonic() + seconds
    while True:
        value = holds()
        if value or time.monotonic() >= deadline:
            return value
        time.sleep(every)


def unique_id():
    return uuid.uuid4().hex[:24]


def operation_id(reference):
    """The engine's id in a Genome reference: SLFF065443E81CA00001."""
    assert re.fullmatch(r"[A-Z0-9]{2}FF[0-9A-F]{16}", reference), reference
    return int(reference[4:], 16)


def host_reference(reference_or_id):
    """DE 63 of a payment: the id of the operation that opened it, as the host's journal has it."""
    number = reference_or_id
    return f"{number if isinstance(number, int) else operation_id(number):016X}"


def write_config(path, **sections):
    """An INI file: write_config(p, server={...}, sandbox={...}, acquirer_main={...})."""
    text = ""
    for name, keys in sections.items():
        text += f"[{name.replace('_', ' ', 1)}]\n"
        text += "".join(f"{key} = {value}\n" for key, value in keys.items())
    path = pathlib.Path(path)
    path.write_text(text, encoding="utf-8")
    return path


class Answer:
    """An HTTP answer, read to its end."""

    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def text(self):
        return self.body.decode("utf-8")

    def json(self):
        return json.loads(self.body)


def call(url, method="GET", body=None, headers=None, *, source=None, timeout=60, context=None):
    """One request over a connection of its own; source is the client's address."""
    parts = urllib.parse.urlsplit(url)
    options = {"timeout": timeout, "source_address": (source, 0) if source else None}
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, context=context, **options)
    else:
        connection = http.client.HTTPConnection(parts.netloc, **options)
    with contextlib.closing(connection):
        target = (parts.path or "/") + ("?" + parts.query if parts.query else "")
        connection.request(method, target, body, headers or {})
        return Answer(connection.getresponse())


def call_json(url, fields, **more):
    return call(url, "POST", json.dumps(fields), {"Content-Type": "application/json"}, **more)


class Program:
    """A process that says on one line of standard output that it is ready."""

    def __init__(self, words, folder, ready, **popen):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        FOLDERS.append(folder)
        self.folder = folder
        self.log_path = folder / f"{words[0]}-{next(_numbers)}.stderr"
        self.wanted_status = 0  # what the fixtures expect of its end
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(
                [BINARY, *map(str, words)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                stderr=log, **popen)
        self.pid = self.process.pid
        line = self._first_line(time.monotonic() + READY_SECONDS)
        self.ready = re.fullmatch(ready, line.strip())
        if not self.ready:
            self.kill()
            raise AssertionError(
                f"turnpike {words[0]} is not ready but says {line!r}\n{self.log()}")

    def _first_line(self, deadline):
        text = b""
        while not text.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.process.stdout], [], [], left)[0]:
                break
            byte = os.read(self.process.stdout.fileno(), 1)
            if not byte:
                break
            text += byte
        return text.decode("utf-8", "replace")

    def log(self):
        return self.log_path.read_text(encoding="utf-8", errors="replace")

    @property
    def alive(self):
        return self.process.poll() is None

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, seconds=END_SECONDS):
        status = self.process.wait(seconds)
        self.process.stdout.close()
        return status

    def stop(self):
        """Ends it as an operator would; its status."""
        if self.alive:
            self.signal(signal.SIGTERM)
        try:
            return self.wait()
        except subprocess.TimeoutExpired as e:
            self.kill()
            raise AssertionError(f"still runs {END_SECONDS} s after SIGTERM\n{self.log()}") from e

    def kill(self):
        """Ends it as a power cut would."""
        if self.alive:
            self.signal(signal.SIGKILL)
        self.wanted_status = -signal.SIGKILL
        return self.wait()

    def close(self):
        """For fixtures: ends it when it still runs, and complains about a bad end."""
        status = self.stop() if self.alive else self.process.returncode
        assert not SANITIZER.search(self.log()), self.log()[-20000:]
        assert status == self.wanted_status, f"ended with {status}\n{self.log()[-5000:]}"

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.close()
        else:
            self.kill()


class Host(Program):
    """`turnpike host`: the acquirer and the issuer, as a process of their own."""

    @classmethod
    def start(cls, folder, port=0):
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        host = cls(["host", "--listen", f"127.0.0.1:{port}", "--journal", folder / "host.journal",
                    "--control", "127.0.0.1:0"], folder, r"ready port (\d+) control (\d+)")
        host.port = int(host.ready.group(1))
        host.address = f"127.0.0.1:{host.port}"
        host.control = f"http://127.0.0.1:{host.ready.group(2)}"
        host.journal_path = folder / "host.journal"
        return host

    def config(self, folder, server=None, name="main", **link):
        """A configuration whose only link is this host; link: keys of [acquirer main]."""
        folder = pathlib.Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        return write_config(folder / "turnpike.conf", server=server or {},
                            **{f"acquirer_{name}": {"address": self.address, **link}})

    def faults(self, **faults):
        """faults(fault="silent_booked", count=1); without any: no faults."""
        answer = call_json(self.control + "/faults", faults)
        assert answer.status == 200, answer.text

    def faults_left(self):
        return call(self.control + "/faults").json()["count"]

    def position(self, reference):
        """What it holds for a payment: held_minor, captured_minor, refunded_minor, messages."""
        answer = call(f"{self.control}/position?reference={host_reference(reference)}")
        return None if answer.status == 404 else answer.json()

    def journal(self):
        return read_journal(self.journal_path)


def read_journal(path):
    """The journal's lines as dictionaries; amounts are numbers, "-" is empty."""
    entries = []
    for line in pathlib.Path(path).read_text(encoding="ascii").splitlines():
        entry = dict(word.split("=", 1) for word in line.split(" "))
        entry = {k: "" if v == "-" else urllib.parse.unquote(v) for k, v in entry.items()}
        for name in ("t", "amount", "kept", "cur"):
            entry[name] = int(entry[name])
        entries.append(entry)
    return entries


class Gateway(Program):
    """`turnpike serve`."""

    @classmethod
    def start(cls, folder, *more, data=None, config=None, **popen):
        """more: further words of the command line. Without config the sandbox is inside."""
        data = pathlib.Path(data or pathlib.Path(folder) / "data")
        words = ["serve", "--data", data, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]
        words += ["--config", config] if config else []
        gateway = cls([*words, *more], folder, r"ready (https?://\S+) admin (http://\S+)", **popen)
        gateway.url, gateway.admin = gateway.ready.groups()
        gateway.data = data
        FOLDERS.append(data)
        return gateway

    def shop(self, login="demo_merchant", password="demo_password", **more):
        return Shop(self.url, login, password, **more)

    def get(self, path):
        """From the admin listener."""
        return call(self.admin + path)

    def is_ready(self):
        return self.get("/readyz").status == 200

    def wait_ready(self, seconds=15):
        assert wait_until(self.is_ready, seconds), self.get("/readyz").text + self.log()

    def faults(self, **faults):
        """Of the host inside, as Host.faults."""
        answer = call_json(self.admin + "/sandbox/host/faults", faults)
        assert answer.status == 200, answer.text

    def position(self, reference):
        """At the host inside, as Host.position."""
        answer = self.get("/sandbox/host/position?reference=" + host_reference(reference))
        return None if answer.status == 404 else answer.json()

    def advance_clock(self, **duration):
        """advance_clock(days=7)"""
        units = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1}
        milliseconds = sum(units[name] * n for name, n in duration.items()) * 1000
        answer = call_json(self.admin + "/sandbox/clock", {"advance_ms": milliseconds})
        assert answer.status == 200, answer.text
        return answer.json()

    def journal(self):
        """Of the host inside."""
        return read_journal(self.data / "host.journal")

    def cli(self, *words, **more):
        """Another turnpike command on the same data."""
        return cli(*words, "--data", self.data, **more)

    def rows(self, sql, *values):
        return rows(self.data, sql, *values)

    def operation(self, reference):
        return operation(self.data, operation_id(reference))

    def payment(self, reference):
        return payment(self.data, operation_id(reference))

    def set_limits(self, login="demo_merchant", **limits):
        """Sets a merchant's limits and waits until the server has seen them."""
        done = self.cli("merchant", "limits", login, json.dumps(limits))
        assert done.returncode == 0, done.stderr
        self.see_merchants()

    @staticmethod
    def see_merchants():
        """Waits until a change of merchants is known to the server: it looks once a second."""
        time.sleep(2)


def cli(*words, stdin="", **more):
    """Runs one command to its end."""
    return subprocess.run([BINARY, *map(str, words)], input=stdin, capture_output=True, text=True,
                          timeout=120, check=False, **more)


def verify(data):
    """`turnpike verify`; complains unless all is well."""
    done = cli("verify", "--data", data)
    assert done.returncode == 0 and "all is well" in done.stdout, done.stdout + done.stderr
    return done.stdout


@contextlib.contextmanager
def database(data, write=False):
    """The SQLite file of a data directory."""
    uri = f"file:{urllib.parse.quote(str(data))}/turnpike.db?mode={'rw' if write else 'ro'}"
    with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=10)) as connection:
        connection.row_factory = sqlite3.Row
        yield connection
        if write:
            connection.commit()


def rows(data, sql, *values):
    """Rows as dictionaries."""
    with database(data) as connection:
        return [dict(row) for row in connection.execute(sql, values)]


def operation(data, number):
    found = rows(data, "SELECT * FROM operation WHERE id = ?", number)
    return found[0] if found else None


def payment(data, number):
    """The payment that an operation belongs to."""
    found = rows(data, "SELECT p.* FROM payment p JOIN operation o ON o.payment_id = p.id "
                 "AND o.merchant_id = p.merchant_id WHERE o.id = ?", number)
    return found[0] if found else None


def add_merchant(data, login, password, mid="TESTMID", tid="TESTTID1"):
    done = cli("merchant", "add", login, "--name", "TEST SHOP", "--mid", mid, "--tid", tid, "--mcc",
               "5732", "--city", "VILNIUS", "--country", "LT", "--password-stdin", "--data", data,
               stdin=password + "\n")
    assert done.returncode == 0, done.stderr


CARD = {"card_number": "4111111111111111", "card_exp_month": "12", "card_exp_year": "2031",
        "cvv": "123"}
PAYER = {"first_name": "Ann", "last_name": "Lee", "card_holder": "ANN LEE", "zip": "01001",
         "country": "LTU", "user_email": "ann@example.com", "user_ip": "192.0.2.7"}


class Shop:
    """A merchant at the Genome face. Fields that are None are left out; unique ids are made up."""

    def __init__(self, url, login, password, source=None, timeout=60, context=None):
        self.url, self.login, self.password = url, login, password
        self.call = functools.partial(call, source=source, timeout=timeout, context=context)

    def post(self, body, content_type="application/json", path="/api/cc", **headers):
        """Any bytes; the Answer."""
        return self.call(self.url + path, "POST", body, {"Content-Type": content_type, **headers})

    def fields(self, transaction_type, **fields):
        """A request as a dictionary: the login, and a unique id except in CHECK."""
        made = {"api_version": 1, "merchant_account": self.login,
                "merchant_password": self.password, "transaction_type": transaction_type}
        if transaction_type != "CHECK":
            made["transaction_unique_id"] = unique_id()
        made.update(fields)
        return {name: value for name, value in made.items() if value is not None}

    def send(self, fields):
        """Sends a dictionary as JSON; HTTP is always 200. The answer as a dictionary."""
        if re.fullmatch(r"\d{13,19}", str(fields.get("card_number"))):
            CARDS.add(str(fields["card_number"]))
        answer = self.post(json.dumps(fields))
        assert answer.status == 200, f"{answer.status} {answer.text}"
        return answer.json()

    def ask(self, transaction_type, **fields):
        return self.send(self.fields(transaction_type, **fields))

    def sale(self, amount=12.34, **fields):
        """With token=... instead of the card."""
        return self._pay("SALE", amount, fields)

    def auth(self, amount=12.34, **fields):
        return self._pay("AUTH", amount, fields)

    def _pay(self, kind, amount, fields):
        card = {} if fields.get("token") else CARD
        return self.ask(kind, **{"amount": amount, "currency": "EUR", **card, **PAYER, **fields})

    def settle(self, reference, amount=12.34, **fields):
        return self.ask("SETTLE", **{"reference": reference, "amount": amount, "currency": "EUR",
                                     **fields})

    def refund(self, reference, amount=12.34, **fields):
        return self.ask("REFUND", **{"reference": reference, "amount": amount, "currency": "EUR",
                                     **fields})

    def void(self, reference, **fields):
        return self.ask("VOID", reference=reference, **fields)

    def check(self, reference=None, **fields):
        """By reference, or by transaction_unique_id=..."""
        return self.ask("CHECK", reference=reference, **fields)

    def tokenize(self, **fields):
        return self.ask("TOKENIZE", **{**CARD, "card_holder": "ANN LEE", **fields})


def succeeded(answer):
    """The answer, which must be a success."""
    assert answer["code"] == 0 and answer["status"] == "success", answer
    return answer
