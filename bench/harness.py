"""What the benchmark starts and measures with: turnpike itself, wrk, and the disk's accounts."""

import json
import os
import pathlib
import re
import select
import signal
import subprocess
import tempfile
import time
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent


class Failed(Exception):
    """A measurement that could not be made; the text says why."""


class Server:
    """A process that prints turnpike's "ready" line. Use it in a with statement."""

    READY = re.compile(r"ready (http://\S+) admin (http://\S+)")

    def __init__(self, command, timeout=120):
        self.log = tempfile.TemporaryFile()
        begun = time.monotonic()
        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=self.log)
        line = self._first_line(begun + timeout)
        self.start_ms = (time.monotonic() - begun) * 1000
        match = self.READY.match(line)
        if not match:
            self.process.kill()
            self.process.wait()
            raise Failed(f"{command[0]} did not say that it is ready but {line!r}"
                         + self._log_end())
        self.url, self.admin = match.groups()

    @classmethod
    def turnpike(cls, binary, data, *more, **options):
        return cls([binary, "serve", "--data", data, "--listen", "127.0.0.1:0",
                    "--admin", "127.0.0.1:0", *more], **options)

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

    def _log_end(self, most=20000):
        """The end of what it wrote to standard error."""
        self.log.seek(max(0, self.log.seek(0, os.SEEK_END) - most))
        return "\n" + self.log.read().decode("utf-8", "replace")

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.log.close()

    def stop(self, timeout=120):
        """Ends it as an operator would; anything but a clean end is an error."""
        self.process.stdin.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired as e:
            raise Failed(f"still runs {timeout} s after SIGTERM" + self._log_end()) from e
        if status != 0:
            raise Failed(f"ended with status {status}" + self._log_end())

    def memory_mb(self, field="VmRSS"):
        """Megabytes (of 1,000,000 bytes) in memory now; VmHWM is the most it ever was."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text(encoding="ascii")
        return int(re.search(rf"^{field}:\s+(\d+) kB$", status, re.M).group(1)) * 1024 / 1e6

    def set_host_faults(self, **faults):
        request = urllib.request.Request(
            self.admin + "/sandbox/host/faults", json.dumps(faults).encode("ascii"),
            {"Content-Type": "application/json"}, method="POST")
        with urllib.request.urlopen(request, timeout=10) as answer:
            answer.read()


class Load:
    """What wrk has seen: requests, and latencies in milliseconds."""

    def __init__(self, result):
        self.good = result["good"]
        self.seconds = result["duration_us"] / 1e6
        self.per_second = self.good / self.seconds
        self.p50, self.p99, self.p999 = (result[k] / 1000 for k in ("p50", "p99", "p999"))


def parse_wrk(text):
    """The Load in wrk's output. An answer that is no success, or none at all, is an error."""
    match = re.search(r"^RESULT (\{.*\})$", text, re.M)
    if not match:
        raise Failed("wrk gave no result:\n" + text)
    result = json.loads(match.group(1))
    if result["bad"] > 0:
        raise Failed(f"{result['bad']} answers were no success, the first: {result['example']}")
    if result["socket_errors"] > 0 or result["timeouts"] > 0:
        raise Failed(f"{result['socket_errors']} socket errors, {result['timeouts']} time-outs")
    if result["good"] == 0:
        raise Failed("no answer at all")
    return Load(result)


def wrk(url, connections, seconds):
    """Loads url with SALE over that many connections, which are kept open."""
    threads = min(connections, 2)
    command = ["wrk", f"-t{threads}", f"-c{connections}", f"-d{max(1, round(seconds))}s",
               "--timeout", "30s", "-s", str(HERE / "sale.lua"), url, "--", uuid.uuid4().hex[:8]]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Failed(f"wrk ended with status {done.returncode}: {done.stderr}{done.stdout}")
    return parse_wrk(done.stdout)


def files_of(folder):
    """(bytes on disk, name) of every file below folder, the largest first."""
    found = [p for p in pathlib.Path(folder).rglob("*") if p.is_file()]
    return sorted(((p.stat().st_blocks * 512, p.name) for p in found), reverse=True)


def bytes_on_disk(folder):
    return sum(size for size, _ in files_of(folder))
