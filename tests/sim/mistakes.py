#!/usr/bin/python3
"""Plants known mistakes into the program, one at a time: the simulation must catch every one.

    mistakes.py BUILD [--seeds N] [NAME...]

BUILD is a folder that meson made and ninja filled. A mistake is an exact piece of a source file
and what stands there instead; a piece that is not found once is an error, so that the list keeps
up with the source. The changed file alone is compiled, and linked in front of the library. The last
line tells how many were caught, and the exit status is 0 when all were.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
ENGINE, STORE, LINK = "src/engine", "src/store", "src/acquirer"

MISTAKES = [
    ("reply and message before the commit", f"{ENGINE}/engine.c",
     "    return result == STORE_OK ? commit(e, d) : result;\n",
     "    if (result != STORE_OK)\n        return result;\n    release(e, d);\n"
     "    d->n_effects = 0;\n    return commit(e, d);\n"),
    ("a commit that failed is taken for done", f"{ENGINE}/engine.c",
     "        if (result == STORE_OK)\n            release(e, &d);",
     "        if (true)\n            release(e, &d);"),
    ("an answer that could not be stored is forgotten", f"{ENGINE}/engine.c",
     "        if (ev->kind != ACQ_LATE_ANSWER)\n", "        if (false)\n"),
    ("requests found SENT at start are left alone", f"{ENGINE}/engine.c",
     "    if (o->state != OPS_SENT)\n        return true; /*",
     "    if (o->state != OPS_SENT || !kind_is_advice(o->kind))\n        return true; /*"),
    ("advices found SENT at start are left alone", f"{ENGINE}/engine.c",
     "        t.resumed = true;\n", ""),
    ("trace numbers start again after a crash", f"{ENGINE}/engine.c",
     "        settings[n++] = (struct setting) { e->stan_names[i], upto };\n", "        n = 0;\n"),
    ("reversal not repeated", f"{ENGINE}/operation.c",
     "    { CAPTURE | ADVICES,  OPS_SENT,     OPE_SILENCE,       OPS_SENT,     "
     "repeat_later       },\n",
     "    { CAPTURE,            OPS_SENT,     OPE_SILENCE,       OPS_SENT,     "
     "repeat_later       },\n"),
    ("edge missing: a reversal that could not be sent", f"{ENGINE}/operation.c",
     "    { ADVICES,            OPS_SENT,     OPE_NOT_SENT,      OPS_SENT,     "
     "repeat_later       },\n",
     ""),
    ("late approval applied", f"{ENGINE}/operation.c",
     "OPE_LATE_APPROVAL, OPS_IN_DOUBT, keep_late_approval },",
     "OPE_LATE_APPROVAL, OPS_APPROVED, keep_late_approval },"),
    ("silence taken for a decline", f"{ENGINE}/operation.c",
     "    { REQUESTS,           OPS_SENT,     OPE_SILENCE,       OPS_IN_DOUBT, "
     "start_reversal     },\n",
     "    { REQUESTS,           OPS_SENT,     OPE_SILENCE,       OPS_DECLINED, "
     "keep_reason        },\n"),
    ("partial approval taken for the whole", f"{ENGINE}/operation.c",
     "    case ANSWER_PARTIAL: /*", "    case ANSWER_PARTIAL:\n        return OPE_APPROVE; /*"),
    ("refund counted twice", f"{ENGINE}/operation.c",
     "    p->refunded_minor += o->amount_minor;\n",
     "    p->refunded_minor += 2 * o->amount_minor;\n"),
    ("the rest of a hold is never given back", f"{ENGINE}/operation.c",
     "    if (rest == 0)\n        return;\n", "    if (rest >= 0)\n        return;\n"),
    ("a reversed refund leaves its payment busy", f"{ENGINE}/operation.c",
     "    move_payment(d, payment_of(d, o), is_refund(o) ? PE_REFUSED : PE_REVERSED);\n",
     "    if (!is_refund(o))\n        move_payment(d, payment_of(d, o), PE_REVERSED);\n"),
    ("duplicate id race: two in one batch", f"{ENGINE}/workset.c",
     "    if (o->unique_id.n > 0)\n        enter(", "    if (false)\n        enter("),
    ("refunds are not held against what is left", f"{ENGINE}/command.c",
     "    int64_t left = p->captured_minor - p->refunded_minor;\n",
     "    int64_t left = p->captured_minor;\n"),
    ("a capture may exceed the hold", f"{ENGINE}/command.c",
     "c->amount_minor > 0 && c->amount_minor <= p->authorized_minor", "c->amount_minor > 0"),
    ("a capture and a void race", f"{ENGINE}/command.c",
     "    { PAY_CAPTURING,  OUT_PAYMENT_BUSY,         OUT_PAYMENT_BUSY, ",
     "    { PAY_CAPTURING,  OUT_PAYMENT_BUSY,         OUT_NONE,         "),
    ("a void leaves the hold in the ledger", f"{ENGINE}/command.c",
     "    ledger_post(d, o, MOVE_UNHOLD, p->authorized_minor);\n", ""),
    ("a ledger entry has one side", f"{ENGINE}/ledger.c",
     "    post_one(d, o, movements[m].credit, -amount_minor);\n", ""),
    ("a reversal names its own trace number", f"{ENGINE}/message.c",
     "    m->original.stan = parent->stan;\n", "    m->original.stan = o->stan;\n"),
    ("rows on their way are kept after their answer", f"{ENGINE}/flights.c",
     "    payment_adopt(w, &p->payment);\n    p->operation.id = 0;\n",
     "    payment_adopt(w, &p->payment);\n"),
    ("the log is not synced at a commit", f"{STORE}/sqlite_open.c",
     "PRAGMA synchronous = FULL;", "PRAGMA synchronous = NORMAL;"),
    ("the layer under the log swallows the sync", f"{STORE}/sqlite_log.c",
     "self(f)->file->pMethods->xSync(self(f)->file, flags)", "SQLITE_OK"),
    ("the layer under the log swallows a failed write", f"{STORE}/sqlite_log.c",
     "    return n == 0 ? SQLITE_OK : l->file->pMethods->xWrite(l->file, l->gathered, n, l->at);",
     "    if (n > 0)\n        (void)l->file->pMethods->xWrite(l->file, l->gathered, n, l->at);\n"
     "    return SQLITE_OK;"),
    ("what was half sent is told as not sent", f"{LINK}/link.c",
     "r->out_at < gone ? ACQ_SILENT : ACQ_NOT_SENT", "ACQ_NOT_SENT"),
    ("silence of the host is never noticed", f"{LINK}/link.c",
     "    requests_close(l->requests, r, LIST_ANSWERED, now_ns);\n        l->view.in_flight--;",
     "    requests_close(l->requests, r, LIST_ANSWERED, now_ns);"),
]


def compile_commands(build):
    """By source file, relative to the root: the compiler's words without output and source."""
    commands = {}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        path = (pathlib.Path(entry["directory"]) / entry["file"]).resolve()
        words = shlex.split(entry["command"])
        keep, skip = [], False
        for word in words:
            if not skip and word not in ("-o", "-MF", "-MQ", "-c", entry["file"], "-MD"):
                keep.append(word)
            skip = word in ("-o", "-MF", "-MQ")
        if path.is_relative_to(ROOT):
            commands[str(path.relative_to(ROOT))] = keep
    return commands


def link_words(build):
    """How ninja links the simulation: everything but the output."""
    text = subprocess.run(["ninja", "-C", build, "-t", "commands", "tests/sim"], check=True,
                          capture_output=True, text=True).stdout
    words = shlex.split(text.strip().splitlines()[-1])
    at = words.index("-o")
    return words[:at] + words[at + 2:]


def plant(mistake, build, commands, link, folder):
    """The program with the mistake."""
    name, file, old, new = mistake
    text = (ROOT / file).read_text()
    if text.count(old) != 1:
        raise SystemExit(f"{name}: {file} has this {text.count(old)} times:\n{old}")
    folder.mkdir()
    source = folder / pathlib.Path(file).name
    source.write_text(text.replace(old, new))
    compiled, program = folder / "planted.o", folder / "sim"
    subprocess.run([*commands[file], "-Wno-error", "-w", "-c", source, "-o", compiled], cwd=build,
                   check=True)
    library = next(i for i, word in enumerate(link) if word.endswith("libturnpike.a"))
    words = [*link[:library], compiled, *link[library:], "-o", program]
    subprocess.run(words, cwd=build, check=True)
    return program


def run(program, seeds):
    """The line that tells what was found, or None."""
    done = subprocess.run([program, "--quiet", "--seeds", f"1..{seeds}"], text=True,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=900)
    return None if done.returncode == 0 else done.stderr.strip().splitlines()


def catch(mistake, place, build, commands, link, seeds):
    begun = time.monotonic()
    program = plant(mistake, build, commands, link, place)
    found = run(program, seeds)
    return mistake[0], found, time.monotonic() - begun


def describe(found):
    """What the simulation said first, and at which seed."""
    seed = re.search(r"--seed (\d+)", "\n".join(found))
    said = next((line for line in found if not line.startswith("replay")), "")
    return f"seed {seed.group(1) if seed else '?'}: {re.sub(r'^seed .*?: ', '', said)}"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=400)
    parser.add_argument("names", nargs="*", default=[],
                        help="only mistakes that contain one of these words")
    args = parser.parse_intermixed_args()
    build = args.build.resolve()
    chosen = [m for m in MISTAKES if not args.names or any(n in m[0] for n in args.names)]
    commands, link = compile_commands(build), link_words(build)
    missed = 0
    with tempfile.TemporaryDirectory() as place, \
            concurrent.futures.ThreadPoolExecutor(int(os.environ.get("JOBS", "2"))) as pool:
        work = [pool.submit(catch, m, pathlib.Path(place) / str(i), build, commands, link,
                            args.seeds) for i, m in enumerate(chosen)]
        for done in work:
            name, found, seconds = done.result()
            missed += found is None
            print(f"{name}: {'NOT CAUGHT' if found is None else describe(found)}"
                  f" ({seconds:.1f} s)", flush=True)
    print(f"{len(chosen) - missed} of {len(chosen)} planted mistakes caught")
    return 0 if missed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
