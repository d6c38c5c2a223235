"""What a disk may hold after the power went, made from what powerloss.c has remembered.

Durable is what was written to a file before its last sync began, and the names that a folder had
when it was last synced. Of the rest the disk has any part:

    nothing     the least: only what is durable
    everything  as if only the process had died
    order       the writes up to one of them, which is cut off in the middle
    pages       each page of 4096 bytes as it was after any of the writes to it, or before all
    sectors     the same for each 512 bytes: writes are torn, and come in any order

A sector is written whole or not at all, as SQLite expects of a disk (its "powersafe overwrite"). Of
the changes of names the disk has the first ones, as a file system with a journal has. That is
stricter than ext4: there a file that was synced does not lose its name. -shm is memory, and gone.
"""

import os
import pathlib
import shutil
import struct

MODES = ["nothing", "everything", "order", "pages", "sectors"]
GRAIN = {"pages": 4096, "sectors": 512}

RECORD = struct.Struct("=QQQQ")  # at, n, size before, old bytes that follow
MARK = struct.Struct("=Q")


class File:
    """A file and the writes to it that are not durable: (at, n, size before, old bytes)."""

    def __init__(self, path, undo):
        self.path, self.writes = path, []
        self.now = path.read_bytes()
        at = max(MARK.size, MARK.unpack_from(undo)[0] if len(undo) >= MARK.size else 0)
        while at + RECORD.size <= len(undo):
            where, n, size, old = RECORD.unpack_from(undo, at)
            at += RECORD.size
            if at + old > len(undo):
                break  # cut off: the write has not begun
            self.writes.append((where, n, size, undo[at:at + old]))
            at += old

    def before(self, content, write):
        """The content that there was before the write."""
        where, _, size, old = write
        content = content[:size] + bytes(max(0, size - len(content)))
        return content[:where] + old + content[where + len(old):]

    def undone(self, writes):
        content = self.now
        for write in reversed(writes):
            content = self.before(content, write)
        return content

    def lose(self, mode, rng):
        if mode == "nothing":
            self.path.write_bytes(self.undone(self.writes))
        elif mode == "order":
            self.path.write_bytes(self._in_order(rng))
        elif mode in GRAIN:
            self.path.write_bytes(self._in_pieces(GRAIN[mode], rng))

    def _in_order(self, rng):
        kept = rng.randint(0, len(self.writes))
        content = self.undone(self.writes[kept:])
        if kept == 0:
            return content
        where, n, size, old = self.writes[kept - 1]
        cut = max(0, (where + rng.randint(0, n)) // 512 * 512 - where)
        return self.before(content, (where + cut, n - cut, max(size, where + cut), old[cut:]))

    def _in_pieces(self, grain, rng):
        """Each piece that was written to as in one of its versions; so with the size."""
        content, sizes = bytearray(self.now), [len(self.now)]
        versions = {}  # number of a piece -> its contents, the newest first
        for where, n, size, old in reversed(self.writes):
            pieces = range(where // grain, -(-(where + n) // grain))
            for piece in pieces:
                newest = bytes(content[piece * grain:(piece + 1) * grain])
                versions.setdefault(piece, [newest])
            content[size:] = bytes(max(0, size - len(content)))
            content[where:where + len(old)] = old
            for piece in pieces:
                versions[piece].append(bytes(content[piece * grain:(piece + 1) * grain]))
            sizes.append(size)
        for piece, contents in versions.items():
            chosen = rng.choice(contents).ljust(grain, b"\0")  # where the file was shorter
            content.extend(bytes(max(0, piece * grain - len(content))))
            content[piece * grain:(piece + 1) * grain] = chosen
        size = rng.choice(sizes)
        return bytes(content[:size]) + bytes(max(0, size - len(content)))


class Names:
    """The changes of names, in order: (verb, path, ...), and which of them are not durable."""

    def __init__(self, text):
        changes = [tuple(line.split(" ")) for line in text.splitlines()]
        synced = {}  # folder -> index of its last sync
        for i, change in enumerate(changes):
            if change[0] == "sync":
                synced[os.path.normpath(change[1])] = i
        self.volatile = [c for i, c in enumerate(changes) if c[0] != "sync"
                         and synced.get(os.path.dirname(c[1]), -1) < i]

    def lose(self, mode, rng):
        """Takes the last of them back; how many."""
        kept = {"nothing": 0, "everything": len(self.volatile)}.get(mode)
        if kept is None:
            kept = rng.randint(0, len(self.volatile))
        lost = self.volatile[kept:]
        for verb, *paths in reversed(lost):
            getattr(self, "_unmade_" + verb)(*paths)
        return len(lost)

    @staticmethod
    def _unmade_make(path):
        if os.path.isdir(path):
            shutil.rmtree(path)
        elif os.path.exists(path):
            os.unlink(path)

    @staticmethod
    def _unmade_remove(path, kept):
        if kept != "-" and not os.path.exists(path):
            os.link(kept, path)

    @staticmethod
    def _unmade_rename(old, new, kept):
        if not os.path.exists(old) and os.path.exists(new):
            os.rename(new, old)
        if kept != "-" and not os.path.exists(new):
            os.link(kept, new)


class Power:
    """The supply of one place: world is what it may lose, shadow a folder beside."""

    def __init__(self, world, shadow, *libraries):
        self.world, self.shadow = pathlib.Path(world), pathlib.Path(shadow)
        self.settings = {"LD_PRELOAD": ":".join(map(str, libraries)),
                         "CRASH_WORLD": str(world), "CRASH_SHADOW": str(shadow)}
        self.shadow.mkdir()

    def lose(self, mode, rng):
        """Leaves of the world what a disk would have; says in a few words what went."""
        names = self.shadow / "names"
        lost = Names(names.read_text(encoding="ascii") if names.exists() else "").lose(mode, rng)
        writes = 0
        for path in {p.stat().st_ino: p for p in self.world.rglob("*") if p.is_file()}.values():
            undo = self.shadow / f"{path.stat().st_ino}.undo"
            if path.name.endswith("-shm"):
                path.unlink()
            elif undo.exists():
                file = File(path, undo.read_bytes())
                file.lose(mode, rng)
                writes += len(file.writes)
        shutil.rmtree(self.shadow)
        self.shadow.mkdir()
        return f"{mode} of {writes} writes is kept, {lost} names are lost"
