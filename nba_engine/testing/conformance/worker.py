"""The process in which a plugin is checked: ``python -m … PLUGIN FOLDER``; see `check`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from nba_engine.testing.conformance.cost import measure
from nba_engine.testing.conformance.examples import loaded, promises_of
from nba_engine.testing.conformance.recorder import Ended, Lines, Measured, Recorder, Started

__all__ = ["LINES", "main"]

LINES = "lines.jsonl"
_CASES = "nba_engine.testing.conformance.cases"
_BESIDE = ("batch-engine", "command", "source")  # no part of a decision, so they cost none
_INI = """
[pytest]
python_classes = Test
addopts = --import-mode=importlib -p no:cacheprovider -p no:terminalreporter --strict-markers
"""


def main(plugin: str, folder: Path) -> None:
    """Run the suites, then measure; write what happens into ``folder/lines.jsonl``."""
    lines = Lines(folder / LINES)
    os.environ["NBA_CONFORMANCE_PLUGIN"] = plugin
    os.environ["NBA_CONFORMANCE_FOLDER"] = str(folder / "examples")
    (folder / "examples").mkdir()
    ini = folder / "pytest.ini"
    ini.write_text(_INI)
    recorder = Recorder(lines)
    arguments = ["-c", str(ini), "--rootdir", str(folder), f"--basetemp={folder / 'tests'}"]
    code = pytest.main([*arguments, "--pyargs", _CASES], plugins=[recorder])
    problem = recorder.problem
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED) and not problem:
        problem = "" if code == pytest.ExitCode.NO_TESTS_COLLECTED else f"pytest ended with {code}"
    plugins = loaded()
    for promise in () if problem else promises_of(plugins.register, plugin):
        if promise.kind not in _BESIDE:
            lines.write(Started(f"measuring {promise.kind} {promise.name}"))
            place = folder / "costs" / f"{promise.kind}-{promise.name}"
            lines.write(Measured(measure(plugins, plugin, promise, place)))
    lines.write(Ended(problem))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
