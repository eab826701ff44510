"""`nba demo --full`: its command lines are the commands'."""

from __future__ import annotations

import io
from pathlib import Path

import click
import pytest
from rich.console import Console

from nba_demo import full
from nba_demo.data import CUT_OFF
from nba_demo.full import Learned, commands, learn_everything
from nba_engine.cli.main import nba
from nba_engine.errors import FailedPrecondition


def test_every_line_is_one_that_the_commands_take(folder: Path) -> None:
    lines = commands(folder / "nba.toml", CUT_OFF)
    assert len(lines) > 5
    for line in lines:
        command: click.Command = nba
        words = list(line)
        while isinstance(command, click.Group):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words)  # a wrong option would raise


def test_a_command_that_finds_nothing_says_so_and_one_that_cannot_run_ends_the_demo(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    console = Console(file=io.StringIO(), width=100)
    lines = (
        ("check", "-s", str(copied / "nba.toml")),
        ("evaluate", "-s", str(copied / "nba.toml")),
    )
    monkeypatch.setattr(full, "commands", lambda _settings, _last: lines)
    kept, refused = learn_everything(copied / "nba.toml", CUT_OFF, console)
    assert isinstance(kept, Learned)
    assert (kept.kept, refused.kept) == (True, False)
    monkeypatch.setattr(full, "commands", lambda _settings, _last: (("check", "--no-such"),))
    with pytest.raises(FailedPrecondition, match="ended with 2"):
        learn_everything(copied / "nba.toml", CUT_OFF, console)
