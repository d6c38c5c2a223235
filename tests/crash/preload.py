"""The libraries that are loaded into an unmodified gateway, built once per run."""

import os
import pathlib
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
FLAGS = ["-std=gnu17", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Wconversion", "-Wshadow",
         "-fPIC", "-shared"]


def build(name, folder):
    """The shared object of tests/crash/NAME.c."""
    made = pathlib.Path(folder) / f"{name}.so"
    done = subprocess.run([os.environ.get("CC", "cc"), *FLAGS, "-o", made, HERE / f"{name}.c"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0 and not done.stderr, done.stderr
    return made
