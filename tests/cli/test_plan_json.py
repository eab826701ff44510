"""`nba plan --json`: standard output has the figures and nothing else, whoever prints meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from scipy.optimize import linprog

from nba_engine.app.contact_plans import offers
from nba_engine.cli.main import run
from nba_engine.errors import Unavailable
from nba_engine.learning.report import Report
from tests.cli.planned_store import fill

LINE = "tmpSolver.run();\n"
OF_A_PROCESS = """
import ctypes
from nba_engine.cli.output import clean_output
print("before")
with clean_output(when=True):
    ctypes.CDLL(None).puts(b"from C")
    print("from Python")
print("{}")
"""


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    folder = tmp_path / "tables"
    folder.mkdir()
    (folder / "customers.csv").write_text("customer,budget\nanna,2.00\nben,0.70\n")
    (folder / "candidates.csv").write_text(
        "customer,action,treatment,channel,value,cost\n"
        "anna,milk,milk.letter,letter,3.10,0.70\n"
        "ben,milk,milk.letter,letter,2.40,0.70\n"
    )
    (folder / "limits.csv").write_text("limit,amount,measure\nall,1,contacts\n")
    return folder


@pytest.fixture(autouse=True)
def _no_pictures_and_nothing_left_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(Report, "picture", lambda *_: None)
    yield
    offers._opened.clear()


def tell() -> None:
    """Print as C does, past `sys.stdout`."""
    os.write(1, LINE.encode())


def solve_with(monkeypatch: pytest.MonkeyPatch, first: Callable[[], object]) -> None:
    """Have the solver do this first."""

    def loud(*given: Any, **more: Any) -> Any:
        first()
        return linprog(*given, **more)

    monkeypatch.setattr("nba_engine.planning.cuts.linprog", loud)


def test_what_solvers_print_is_not_among_the_json(
    tables: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    solve_with(monkeypatch, tell)

    assert run(["plan", "--input", str(tables), "--out", str(tables / "plan"), "--json"]) == 0

    out, err = capfd.readouterr()
    assert json.loads(out)["customers"] == 2
    assert LINE in err


def test_nor_is_it_when_the_plan_is_for_a_store(
    shop: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop)
    solve_with(monkeypatch, tell)
    trial = ("--out", str(shop.parent / "plan"), "--limit", "5", "--time", "2017-11-13T09:00")

    assert run(["plan", "-s", str(shop), *trial, "--json"]) == 0

    out, err = capfd.readouterr()
    assert json.loads(out)["customers"] == 5
    assert LINE in err


def test_standard_output_is_there_again_when_a_plan_fails(
    tables: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def away() -> None:
        raise Unavailable("the solver is away")

    solve_with(monkeypatch, away)

    assert run(["plan", "--input", str(tables), "--out", str(tables / "plan"), "--json"]) == 1
    os.write(1, b"there\n")

    out, err = capfd.readouterr()
    assert out == "there\n"
    assert "the solver is away" in err


@pytest.mark.parametrize(
    ("closed", "out"), [("", "before\n{}\n"), ("2>&-", "before\n{}\n"), (">&-", "")]
)
def test_streams_may_be_pipes_or_closed(closed: str, out: str) -> None:
    command = ["/bin/sh", "-c", f'"$0" -c "$1" {closed}', sys.executable, OF_A_PROCESS]
    # with it C would keep nothing in its buffer
    environ = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environ)
    assert (done.returncode, done.stdout) == (0, out)
