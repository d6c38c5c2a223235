"""The style, held by a machine so that nobody has to review it.

Each test reads the tree and names every place that breaks its rule, as FILE:LINE. EXCEPTIONS lists
what a rule does not apply to; an entry needs its reason beside it, and one that is no longer needed
fails too.
"""

import functools
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

MAX_COLUMNS = 100
MAX_COMMENT_COLUMNS = 160  # prose and drawings may be wider than code
MAX_FUNCTION_LINES = 70

# From the ground up: a room includes itself and rooms before it.
ROOMS = [
    "base", "store", "vault", "iso8583", "engine", "acquirer", "threeds", "notify",
    "http", "api", "page", "console", "sandbox", "cli",
]

# The sandbox is the outside world: it must not know the engine.
SANDBOX_MAY = {"base", "iso8583", "http", "sandbox"}

BANNED_CALLS = [
    "strcpy", "strcat", "strncpy", "strncat", "sprintf", "vsprintf", "gets", "atoi", "atol",
    "atoll", "atof", "strtok", "strtok_r", "scanf", "fscanf", "sscanf", "vscanf", "vfscanf",
    "vsscanf", "alloca", "rand", "srand", "random", "tmpnam", "mktemp", "system", "popen",
]

# Written apart, so that this file does not hold what it looks for.
FORBIDDEN_WORDS = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]

# (rule, file) -> reason.
EXCEPTIONS = {
    ("ascii", "src/base/country.c"): "names of countries are data, written as they are spelled",
}


def tracked(*patterns):
    """The project's own files, sorted; build folders and caches are not among them."""
    found = set()
    for pattern in patterns:
        found.update(p for p in ROOT.glob(pattern) if p.is_file())
    return sorted(p for p in found if not p.relative_to(ROOT).parts[0].startswith("build"))


C_FILES = tracked("src/**/*.[ch]", "tests/**/*.[ch]", "bench/**/*.[ch]")
SRC_FILES = tracked("src/**/*.[ch]")
PY_FILES = tracked("tests/**/*.py", "bench/**/*.py", "bench/run", "tools/**/*.py")
TEXT_FILES = tracked(
    "src/**/*", "tests/**/*", "bench/**/*", "tools/**/*", "docs/**/*.md", "docs/**/*.conf",
    "*.md", "meson.build", "meson_options.txt", ".ci/*")


def name_of(path):
    return path.relative_to(ROOT).as_posix()


@functools.lru_cache(maxsize=None)
def text_of(path):
    return path.read_text(encoding="utf-8")


def hold(rule, complaints):
    """Fails with the complaints, (path, line, what), that no exception covers."""
    excused = {file for (r, file) in EXCEPTIONS if r == rule}
    met = {name_of(path) for path, _, _ in complaints}
    lines = [f"{name_of(p)}:{n}: {what}" for p, n, what in complaints if name_of(p) not in excused]
    lines += [f"{file}: needs no exception from {rule} any more" for file in sorted(excused - met)]
    if lines:
        pytest.fail("\n".join(lines), pytrace=False)


def blank(match):
    """The same text with everything but line ends made blank, so that positions stay."""
    return re.sub(r"[^\n]", " ", match.group(0))


TOKEN = re.compile(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


@functools.lru_cache(maxsize=None)
def code_of(path):
    """The file without comments, and with empty strings and character constants."""
    return TOKEN.sub(blank, text_of(path))


def comments_blanked(text):
    return TOKEN.sub(lambda m: blank(m) if m.group(0).startswith("/") else m.group(0), text)


def strings_blanked(text):
    return TOKEN.sub(lambda m: m.group(0) if m.group(0).startswith("/") else blank(m), text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


# ---- layering ----


def room_of(path):
    return path.relative_to(ROOT / "src").parts[0]


def face_of(include):
    """The face in "api/genome/genome.h", None for "api/common.h"."""
    parts = pathlib.PurePosixPath(include).parts
    return parts[1] if parts[0] == "api" and len(parts) > 2 else None


def layering_fault(user, include):
    """What is wrong with `include` in the file named `user` (both relative to src), or None."""
    room, wanted = pathlib.PurePosixPath(user).parts[0], pathlib.PurePosixPath(include).parts[0]
    if wanted not in ROOMS:
        return f'"{include}" is in no room: write "room/file.h"'
    if room == "sandbox":
        return None if wanted in SANDBOX_MAY else f'the sandbox includes "{include}"'
    if ROOMS.index(wanted) > ROOMS.index(room):
        return f'{room} includes "{include}", which is below it'
    if room == "api" and face_of(include) and face_of(user) and face_of(include) != face_of(user):
        return f'the face {face_of(user)} includes another face: "{include}"'
    if room == "api" and face_of(include) and not face_of(user):
        return f'what all faces share includes one of them: "{include}"'
    return None


@pytest.mark.parametrize("user, include, allowed", [
    ("engine/loop.c", "base/str.h", True),
    ("engine/loop.c", "engine/loop.h", True),
    ("engine/loop.c", "acquirer/acquirer.h", False),
    ("sandbox/host.c", "iso8583/iso8583.h", True),
    ("sandbox/host.c", "http/http.h", True),
    ("sandbox/host.c", "engine/loop.h", False),
    ("sandbox/host.c", "vault/brand.h", False),
    ("api/genome/cc.c", "api/genome/genome.h", True),
    ("api/genome/cc.c", "api/rbs/rbs.h", False),
    ("api/genome/cc.c", "api/common.h", True),
    ("api/common.c", "api/rbs/rbs.h", False),
    ("page/page.c", "api/genome/genome.h", True),
    ("cli/main.c", "sandbox/host.h", True),
    ("base/str.c", "str.h", False),
])
def test_the_rule_of_layers_knows_right_from_wrong(user, include, allowed):
    assert (layering_fault(user, include) is None) == allowed


def test_includes_point_up_the_list_of_rooms():
    complaints = []
    for path in SRC_FILES:
        user = path.relative_to(ROOT / "src").as_posix()
        code = comments_blanked(text_of(path))
        for m in re.finditer(r'^[ \t]*#[ \t]*include[ \t]*"([^"]*)"', code, re.M):
            fault = layering_fault(user, m.group(1))
            if fault:
                complaints.append((path, line_of(code, m.start()), fault))
            elif not (ROOT / "src" / m.group(1)).is_file():
                complaints.append((path, line_of(code, m.start()), f'no file "{m.group(1)}"'))
    hold("layers", complaints)


def test_every_folder_of_src_is_a_room():
    hold("rooms", [(p, 1, "not in a room") for p in SRC_FILES if room_of(p) not in ROOMS])


# ---- functions ----


def functions_of(code):
    """(line, name, number of lines) of every body between braces that stand at column 0."""
    lines = code.split("\n")
    start = None
    for i, line in enumerate(lines):
        if line == "{" or line.startswith("{ "):
            start = i
        elif line.startswith("}") and start is not None:
            head = start - 1
            while head > 0 and not re.match(r"[A-Za-z_]", lines[head]):
                head -= 1
            name = re.search(r"([A-Za-z_]\w*)\s*\(", lines[head])
            yield head + 1, name.group(1) if name else "?", i - head + 1
            start = None


def test_the_counter_of_lines_counts():
    body = "    x();\n" * 3
    code = f"static int f(int a,\n    int b)\n{{\n{body}}}\n\nstruct s {{\n    int a;\n}};\n"
    assert list(functions_of(code)) == [(1, "f", 7)]


def test_functions_fit_a_screen():
    complaints = []
    for path in C_FILES:
        for line, name, n in functions_of(code_of(path)):
            if n > MAX_FUNCTION_LINES:
                complaints.append((path, line, f"{name} has {n} lines"))
    hold("functions", complaints)


def test_functions_are_found_at_all():
    """The counter would be blind to another brace style; clang-format and this hold each other."""
    for path in C_FILES:
        code = code_of(path)
        assert len(re.findall(r"^\{", code, re.M)) == len(list(functions_of(code))), name_of(path)


# ---- calls, words and bytes ----

BANNED = re.compile(r"(?<![\w.>])(" + "|".join(BANNED_CALLS) + r")\s*\(")


def test_banned_calls_are_not_made():
    assert BANNED.search("x = atoi (p);") and not BANNED.search("my_atoi(p); o.rand(1); p->gets(2)")
    complaints = []
    for path in C_FILES:
        code = code_of(path)
        for m in BANNED.finditer(code):
            complaints.append((path, line_of(code, m.start()), f"calls {m.group(1)}"))
    hold("calls", complaints)


def test_nothing_is_left_for_later():
    words = re.compile(r"\b(" + "|".join(FORBIDDEN_WORDS) + r")\b")
    assert words.search("/* " + FORBIDDEN_WORDS[0] + ": more */")
    complaints = []
    for path in TEXT_FILES:
        if "__pycache__" in path.parts or path.suffix in {".pyc", ".bin", ".png"}:
            continue
        text = text_of(path)  # as data a word may stand in C: ISO 4217 has one
        text = strings_blanked(text) if path in C_FILES else text
        for n, line in enumerate(text.split("\n"), 1):
            if words.search(line):
                complaints.append((path, n, f"says {words.search(line).group(1)}"))
    hold("words", complaints)


def test_lines_are_short_and_without_tabs_or_blanks_at_their_end():
    complaints = []
    for path in C_FILES + PY_FILES:
        text = text_of(path)
        if not text.endswith("\n") or text.endswith("\n\n"):
            complaints.append((path, text.count("\n") + 1, "must end in one line end"))
        code = comments_blanked(text) if path in C_FILES else text
        for n, line in enumerate(text.split("\n"), 1):
            if "\t" in line or "\r" in line:
                complaints.append((path, n, "a tab or a carriage return"))
            if len(line) > MAX_COMMENT_COLUMNS:
                complaints.append((path, n, f"{len(line)} columns"))
            if line != line.rstrip():
                complaints.append((path, n, "blanks at the end"))
        for n, line in enumerate(code.split("\n"), 1):
            if len(line.rstrip()) > MAX_COLUMNS:
                complaints.append((path, n, f"{len(line.rstrip())} columns"))
    hold("lines", complaints)


def test_code_is_ascii():
    """Comments may draw; strings that must hold other bytes write them as escapes."""
    complaints = []
    for path in C_FILES:
        for n, line in enumerate(comments_blanked(text_of(path)).split("\n"), 1):
            if not line.isascii():
                complaints.append((path, n, "a character outside ASCII"))
    invisible = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\x00-\x08\x0b-\x1f\x7f]")
    for path in C_FILES + PY_FILES:
        for n, line in enumerate(text_of(path).split("\n"), 1):
            if invisible.search(line):
                complaints.append((path, n, "an invisible character"))
    hold("ascii", complaints)


# ---- files ----


def test_a_header_opens_with_an_essay_and_a_guard():
    complaints = []
    for path in tracked("src/**/*.h"):
        essay = re.match(r"/\*\n((?: \*[^\n]*\n)+?) \*/\n", text_of(path))
        if not essay or len(re.findall(r"\w+", essay.group(1))) < 4:
            complaints.append((path, 1, "does not say what it is for"))
        guards = re.findall(r"^#ifndef (TURNPIKE_\w+_H)\n#define (\w+)\n", text_of(path), re.M)
        if len(guards) != 1 or guards[0][0] != guards[0][1]:
            complaints.append((path, 1, "has no guard named TURNPIKE_..._H"))
    hold("headers", complaints)


def test_no_two_headers_share_a_guard():
    seen = {}
    for path in tracked("src/**/*.h"):
        guard = re.search(r"^#ifndef (\w+)$", text_of(path), re.M)
        assert guard and guard.group(1) not in seen, name_of(path)
        seen[guard.group(1)] = name_of(path)


def test_a_unit_test_mirrors_its_room():
    complaints = []
    for path in tracked("tests/unit/**/*.c"):
        room = path.relative_to(ROOT / "tests/unit").parent
        if not path.name.startswith("test_") or not (ROOT / "src" / room).is_dir():
            complaints.append((path, 1, "is not tests/unit/<room>/test_<name>.c"))
    hold("mirror", complaints)


def test_clang_format_has_nothing_to_say():
    tool = shutil.which("clang-format-14")
    assert tool, "clang-format-14 is missing: tools/install-deps check"
    done = subprocess.run(
        [tool, "--dry-run", "-Werror", "--style=file", *map(str, C_FILES)],
        cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        places = sorted(set(re.findall(r"^(\S+:\d+):\d+: error", done.stderr, re.M)))
        pytest.fail("not formatted:\n" + "\n".join(places), pytrace=False)
