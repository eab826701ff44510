"""Writes what happens as lines of JSON, so that a run that dies has told how far it came."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from nba_engine.testing.conformance.report import Check, Cost

__all__ = ["Lines", "Recorder", "Started"]


class Started(msgspec.Struct, frozen=True, tag="started"):
    """What is being done now."""

    what: str


class Checked(msgspec.Struct, frozen=True, tag="checked"):
    """A test has ended."""

    check: Check


class Measured(msgspec.Struct, frozen=True, tag="measured"):
    """A cost was measured."""

    cost: Cost


class Ended(msgspec.Struct, frozen=True, tag="ended"):
    """Everything is done; ``problem`` is what pytest said when it could not even begin."""

    problem: str = ""


class Lines:
    """The file of lines."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, line: Started | Checked | Measured | Ended) -> None:
        """Append a line."""
        with self._path.open("ab") as file:
            file.write(msgspec.json.encode(line) + b"\n")

    def read(self) -> list[Started | Checked | Measured | Ended]:
        """Every whole line so far."""
        data = self._path.read_bytes() if self._path.exists() else b""
        whole = data.splitlines(keepends=True)
        decode = msgspec.json.Decoder(Started | Checked | Measured | Ended).decode
        return [decode(line) for line in whole if line.endswith(b"\n")]


class Recorder:
    """A pytest plugin that records each test."""

    def __init__(self, lines: Lines) -> None:
        self._lines = lines
        self.problem = ""
        self._messages: dict[str, str] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """A test begins."""
        kind, name, sentence = _read(nodeid)
        self._lines.write(Started(f"{kind} {name}: {sentence}"))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """A phase of a test has ended; the last one tells of all."""
        if report.failed and report.nodeid not in self._messages:
            self._messages[report.nodeid] = _message(report)
        if report.when == "teardown":
            kind, name, sentence = _read(report.nodeid)
            message = self._messages.get(report.nodeid, "")
            check = Check(
                kind=kind, name=name, sentence=sentence, passed=not message, message=message
            )
            self._lines.write(Checked(check))

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Collecting failed: most likely the plugin's examples."""
        if report.failed:
            self.problem = str(report.longrepr).strip().splitlines()[-1]


def _read(nodeid: str) -> tuple[str, str, str]:
    """``…::Test stage weather::test_it_is_built[x]`` → kind, name, sentence."""
    _, case, test = nodeid.split("::", 2)
    _, kind, name = case.split(" ", 2)
    sentence, bracket, parameters = test.removeprefix("test_").partition("[")
    return kind, name, sentence.replace("_", " ") + (f" ({parameters[:-1]})" if bracket else "")


def _message(report: pytest.TestReport) -> str:
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message if crash is not None else str(report.longrepr)
    return text.removeprefix("AssertionError: ").strip()
