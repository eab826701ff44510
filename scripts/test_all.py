"""Run the test suite on every supported Python of this machine, each in its own environment.

The supported versions are the classifiers of pyproject.toml. Interpreters are looked for on PATH
and among pyenv's. Environments are kept in build/test-all/<version>, and installed anew from the
lock when it changed. Exit code 1 when a suite fails, or when no interpreter is found.

    make test-all
    make test-all ONLY="3.12 3.13" ARGUMENTS="tests/rules -x"
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = Path("build") / "test-all"  # relative to ROOT, as make's VENV is
ASK = (
    "import ensurepip, ssl, sys, venv; print(*sys.version_info[:3], sep='.'); print(sys.executable)"
)


class Python(NamedTuple):
    """One interpreter that works: its full version and where it is."""

    version: str
    path: str


class Outcome(NamedTuple):
    """One row of the table at the end."""

    version: str
    python: str
    passed: bool
    result: str
    seconds: float


def supported() -> list[str]:
    """The versions that pyproject.toml names, the oldest first."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    found = [re.fullmatch(r".* :: (3\.\d+)", line) for line in project["classifiers"]]
    return sorted((m[1] for m in found if m), key=lambda text: int(text.partition(".")[2]))


def candidates(version: str) -> Iterator[Path]:
    """Where an interpreter of this version may be: PATH first, then pyenv."""
    for folder in os.get_exec_path():
        yield Path(folder) / f"python{version}"
        yield Path(folder) / "python3"
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    patches = pyenv.glob(f"versions/{version}.*/bin/python3")
    yield from sorted(patches, key=lambda path: (len(path.parts[-3]), path), reverse=True)


def find(version: str) -> Python | None:
    """The first interpreter that really is of this version and can make environments.

    A file of that name may be a shim that refuses to run, or a Python without ensurepip.
    """
    for path in candidates(version):
        if not os.access(path, os.X_OK):
            continue
        asked = subprocess.run(
            [path, "-c", ASK], capture_output=True, text=True, check=False, timeout=60
        )
        told = asked.stdout.split("\n")
        if asked.returncode == 0 and told[0].startswith(f"{version}."):
            return Python(told[0], told[1])
    return None


def run_suite(version: str, python: Python, arguments: list[str]) -> Outcome:
    """Build the environment when it is missing or stale, then run pytest in it."""
    environment = ENVIRONMENTS / version
    started = time.monotonic()

    def outcome(result: str, *, passed: bool = False) -> Outcome:
        seconds = time.monotonic() - started
        return Outcome(version, python.version, passed, result, seconds)

    make = ["make", "--no-print-directory", f"VENV={environment}", f"PYTHON={python.path}", "venv"]
    if subprocess.run(make, cwd=ROOT, check=False).returncode:
        return outcome("the environment could not be installed")
    interpreter = str(environment / "bin" / "python")
    command = [interpreter, "-m", "pytest", "-q", *arguments]
    last = ""
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        for line in tests.stdout:
            print(line, end="", flush=True)
            last = line.strip() or last
    return outcome(last.strip("= "), passed=tests.returncode == 0)


def main() -> int:
    """Run what is asked for; 0 when every suite that could run passed."""
    parser = argparse.ArgumentParser(description="Run the tests on every supported Python.")
    parser.add_argument("--only", default="", metavar="VERSIONS", help='such as "3.12 3.13"')
    parser.add_argument("arguments", nargs="*", help="for pytest, after --")
    options = parser.parse_args()
    versions = options.only.split() or supported()
    if shutil.which("make") is None:
        print("make is not on PATH", file=sys.stderr)
        return 1
    found = {version: find(version) for version in versions}
    for version, python in found.items():
        where = f"{python.version}, {python.path}" if python else "MISSING on PATH and in pyenv"
        print(f"Python {version}: {where}", flush=True)
    outcomes = []
    for version, python in found.items():
        if python is not None:
            print(f"\n== Python {python.version}: {shlex.join(options.arguments)}", flush=True)
            outcomes.append(run_suite(version, python, options.arguments))
    print()
    for one in outcomes:
        word = "passed" if one.passed else "FAILED"
        print(f"{one.python:8} {word}  {one.seconds:6.0f} s  {one.result}")
    for version in (version for version, python in found.items() if python is None):
        print(f"{version:8} NOT RUN: this machine has no Python {version}")
    return 0 if outcomes and all(one.passed for one in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
