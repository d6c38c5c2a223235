"""What turnpike is measured against, in the same run and on the same disk."""

import contextlib
import json
import os
import pathlib
import pwd
import re
import shutil
import subprocess

from harness import HERE, Failed, Server, wrk


def compiled(name, folder, *libraries):
    """The C program bench/NAME.c, built into folder."""
    program = pathlib.Path(folder) / name
    command = [os.environ.get("CC", "cc"), "-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra",
               "-o", str(program), str(HERE / f"{name}.c"), *libraries]
    subprocess.run(command, check=True)
    return program


def fdatasync(folder, seconds):
    """{"per_second", "p50", "p99"} of a durable 4 KiB, in microseconds."""
    program = compiled("fdatasync", folder)
    done = subprocess.run([program, pathlib.Path(folder) / "blocks", str(seconds)],
                          capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def bare(folder, connections, seconds):
    """The Load that libmicrohttpd takes when there is nothing to do."""
    program = compiled("bare", folder, "-lmicrohttpd")
    with Server([program, os.cpu_count() or 1]) as server:
        return wrk(server.url, connections, seconds)


# ---- PostgreSQL ----


def postgres_programs():
    """The folder of the newest server installed here."""
    found = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"),
                   key=lambda p: int(re.sub(r"\D", "", p.parts[-3]) or 0))
    if not found:
        raise Failed("no PostgreSQL: tools/install-deps bench")
    return found[-1].parent


class Postgres:
    """A cluster of its own in a fresh folder, on a socket there and no port.

    PostgreSQL refuses to run as root: then it runs as user postgres.
    """

    def __init__(self, folder):
        self.programs = postgres_programs()
        self.folder = pathlib.Path(folder) / "postgres"
        self.folder.mkdir()
        self.prefix = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.folder, user.pw_uid, user.pw_gid)
            self.prefix = ["runuser", "-u", "postgres", "--"]

    def run(self, program, *arguments):
        command = [*self.prefix, str(self.programs / program), *map(str, arguments)]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failed(f"{program} ended with status {done.returncode}: {done.stderr}")
        return done.stdout

    def __enter__(self):
        data = self.folder / "data"
        self.run("initdb", "-D", data, "-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C")
        # pg_ctl's child keeps what it was given as output, so it gets a file and not our pipe.
        self.run("pg_ctl", "-D", data, "-w", "-l", self.folder / "log", "-o",
                 f"-c listen_addresses='' -c unix_socket_directories='{self.folder}'", "start")
        return self

    def __exit__(self, kind, value, trace):
        with contextlib.suppress(Failed):
            self.run("pg_ctl", "-D", self.folder / "data", "-w", "-m", "immediate", "stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def pgbench(self, *arguments):
        return self.run("pgbench", "-h", self.folder, "-U", "postgres", *arguments, "postgres")

    def version(self):
        return self.run("postgres", "--version").split()[-1]


def parse_pgbench(text):
    """Transactions per second, without the time to connect."""
    match = re.search(r"^tps = ([\d.]+) \(without initial connection time\)", text, re.M)
    failed = re.search(r"^number of failed transactions: (\d+)", text, re.M)
    if not match or (failed and failed.group(1) != "0"):
        raise Failed("pgbench gave no clean result:\n" + text)
    return float(match.group(1))


def pgbench(folder, seconds):
    """pgbench -N, 64 connections: each transaction is an update, a select, an insert, a commit."""
    with Postgres(folder) as server:
        server.pgbench("--initialize", "--quiet", "--scale=10")
        text = server.pgbench("-N", "-M", "prepared", "-c", "64", "-j", "2",
                              "-T", str(max(1, round(seconds))))
        return parse_pgbench(text)
