"""What a run shows while it goes on, and what it leaves behind."""

from __future__ import annotations

import io
import sys
import threading
from pathlib import Path

import pytest
from rich.console import Console

from faults import run, showing
from faults.showing import Progress, State

STATE = State("under load", reservations=1234, faults=3, problems=1)


class Look:
    """Gives the state; ``seen`` is set after two looks."""

    def __init__(self) -> None:
        self.seen = threading.Event()
        self._count = 0

    def __call__(self) -> State:
        self._count += 1
        if self._count > 2:
            self.seen.set()
        return STATE


def shown(monkeypatch: pytest.MonkeyPatch, *, terminal: bool) -> str:
    monkeypatch.setattr(showing, "SAID", 0.01)
    monkeypatch.setattr(showing, "REDRAWN", 0.01)
    text = io.StringIO()
    look = Look()
    console = Console(file=text, width=140, force_terminal=terminal)
    with Progress(20_000, 10, look, console):
        assert look.seen.wait(20)
    return text.getvalue()


def test_a_log_gets_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    first = shown(monkeypatch, terminal=False).splitlines()[0]
    assert first == (
        "after 0 s: 1,234 of 20,000 reservations acknowledged, 3 of 10 kills and other faults, "
        "1 problem; under load"
    )


def test_a_terminal_gets_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    text = shown(monkeypatch, terminal=True)
    assert "reservations acknowledged" in text
    assert "1234/20000" in text
    assert "1 problem; under load" in text


@pytest.mark.parametrize(
    ("code", "options", "kept"), [(0, [], False), (0, ["--keep"], True), (1, [], True)]
)
def test_the_files_of_a_run_stay_when_something_is_wrong_or_they_are_wanted(
    code: int,
    options: list[str],
    kept: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(run, "run", lambda *_: code)
    monkeypatch.setattr(sys, "argv", ["run.py", "--folder", str(tmp_path), *options])
    assert run.main() == code
    folders = list(tmp_path.iterdir())
    assert len(folders) == int(kept)
    told = capsys.readouterr().err
    for folder in folders:
        assert (folder / "data" / "nba.db").exists()
        assert str(folder) in told


def test_the_files_of_a_run_that_broke_off_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> int:
        raise RuntimeError("process 2 did not come back")

    monkeypatch.setattr(run, "run", broken)
    monkeypatch.setattr(sys, "argv", ["run.py", "--folder", str(tmp_path)])
    with pytest.raises(RuntimeError):
        run.main()
    assert len(list(tmp_path.iterdir())) == 1
