"""nth.c from the side of the tests: building it, saying what is to fail, reading what it tells.

    page = Page(folder / "page")
    gateway = Gateway.start(folder, env=page.environment(library, leaks=folder / "leaks"))
    page.arm(Fault("malloc", n=17))
    ...
    page.disarm()
    page.failed, page.where()
"""

import collections
import dataclasses
import errno
import functools
import mmap
import os
import pathlib
import shutil
import struct
import subprocess

SOURCE = pathlib.Path(__file__).resolve().parent / "nth.c"

# As enum class of nth.c.
CLASSES = ("malloc", "write", "fsync", "send", "recv", "read", "open", "thread")
SHORT, END = -1, -2

# struct page of nth.c.
HEAD = struct.Struct("<IIIiiIQ")
SEEN = struct.Struct(f"<{len(CLASSES)}Q")
FAILED = struct.Struct("<Q")
SEEN_AT = HEAD.size
FAILED_AT = SEEN_AT + SEEN.size
WHERE_AT = FAILED_AT + FAILED.size
WHERE_SIZE = 3072
TRIED_SIZE = (1 << 16) * 8

DEFAULT_ERRORS = {"malloc": errno.ENOMEM, "write": errno.ENOSPC, "fsync": errno.EIO,
                  "send": errno.EPIPE, "recv": errno.ECONNRESET, "read": errno.EIO,
                  "open": errno.EMFILE, "thread": errno.EAGAIN}


def build(folder):
    """The library, compiled with the compiler in CC, and beside it the file of what was tried, for
    all programs under it."""
    library = pathlib.Path(folder) / "nth.so"
    compiler = (os.environ.get("CC") or "cc").split()
    done = subprocess.run(
        [*compiler, "-shared", "-fPIC", "-O2", "-std=gnu17", "-Wall", "-Wextra", "-Wshadow",
         "-Werror", str(SOURCE), "-o", str(library)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    library.with_name("tried").write_bytes(bytes(TRIED_SIZE))
    return library


@dataclasses.dataclass(frozen=True)
class Fault:
    """What is to fail: the n-th call of a class, once or with all that follow it. In a round it is
    the first from the n-th on whose callers have not seen it fail in this round.

    error, and then for those that follow: an errno, SHORT (a part of the bytes goes through) or END
    (no bytes).
    """
    name: str
    n: int = 1
    for_good: bool = False
    error: int = None
    then: int = None
    round: int = 0

    def words(self):
        """(class, error, then) as numbers."""
        error = DEFAULT_ERRORS[self.name] if self.error is None else self.error
        return CLASSES.index(self.name), error, error if self.then is None else self.then

    def __str__(self):
        def name(number):
            return {SHORT: "short", END: "end"}.get(number) or errno.errorcode[number]
        _, error, then = self.words()
        more = "" if not self.for_good else " for good" if then == error else f", then {name(then)}"
        which = f"of new callers from {self.n}" if self.round else self.n
        return f"{self.name} {which} {name(error)}{more}"


class Page:
    """The memory that is shared with a program; it outlives the program."""

    def __init__(self, path):
        self.path = pathlib.Path(path)
        self.path.write_bytes(bytes(WHERE_AT + WHERE_SIZE))
        with open(self.path, "r+b") as f:
            self.memory = mmap.mmap(f.fileno(), 0)

    def environment(self, library, leaks):
        return {**os.environ, "LD_PRELOAD": str(library), "NTH_PAGE": str(self.path),
                "NTH_TRIED": str(library.with_name("tried")), "NTH_LEAKS": str(leaks)}

    def arm(self, fault=None):
        """Counts from now on; without a fault nothing fails."""
        self.disarm()
        self.memory[SEEN_AT:] = bytes(len(self.memory) - SEEN_AT)
        number, error, then = fault.words() if fault else (0, 0, 0)
        HEAD.pack_into(self.memory, 0, 0, number, fault is not None and fault.for_good, error, then,
                       fault.round if fault else 0, fault.n if fault else 0)
        struct.pack_into("<I", self.memory, 0, 1)

    def disarm(self):
        struct.pack_into("<I", self.memory, 0, 0)

    @property
    def seen(self):
        """How many calls of each class there were."""
        return dict(zip(CLASSES, SEEN.unpack_from(self.memory, SEEN_AT)))

    @property
    def failed(self):
        return FAILED.unpack_from(self.memory, FAILED_AT)[0]

    def where(self):
        """The callers of the first call that failed, the innermost first."""
        text = bytes(self.memory[WHERE_AT:]).split(b"\0", 1)[0].decode("utf-8", "replace")
        return tuple(text.split())


@functools.lru_cache(maxsize=None)
def function_at(place):
    """A name for MODULE+0xOFFSET where the module has one, else the place."""
    module, offset = place.rsplit("+", 1)
    short = f"{pathlib.PurePath(module).name}+{offset}"
    if shutil.which("addr2line") is None:
        return short
    at = hex(int(offset, 16) - 1)  # an address of return is behind the call
    done = subprocess.run(["addr2line", "-f", "-s", "-e", module, at], capture_output=True,
                          text=True, check=False)
    name, _, line = done.stdout.strip().partition("\n")
    return short if name in ("", "??") else f"{name} ({line})"


def tell(callers):
    return " < ".join(function_at(c) for c in callers)


def read_leaks(path, without=None):
    """Blocks that were never given back, by the two innermost callers: what a library makes once
    and keeps is made by whoever comes first. without: a library that may lose what it took."""
    leaks = collections.Counter()
    for line in pathlib.Path(path).read_text(encoding="utf-8").splitlines():
        blocks, _, *callers = line.split()
        if without is None or without not in callers[0]:
            leaks[tuple(callers[:2])] += int(blocks)
    return leaks
