"""Everything that learns, on the demo's engine: ``nba demo --full``.

The commands are those that anybody would type; each leaves its page with pictures in ``reports``.
A command that finds nothing worth serving says so and ends with 1: that is an answer, too.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import msgspec
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from nba_demo.data import TIME_ZONE
from nba_engine.errors import FailedPrecondition

__all__ = ["Learned", "commands", "learn_everything"]

_BEHAVIOR = (
    "visits_60d",
    "spent_lately",
    "last_visit",
    "bought",
    "kids",
    "household_size",
    "redemptions",
)


class Learned(msgspec.Struct, frozen=True, kw_only=True):
    """How one command went: ``kept`` is False where it found nothing worth serving."""

    command: str
    kept: bool
    seconds: float


def commands(settings: Path, last: float) -> tuple[tuple[str, ...], ...]:
    """The command lines, without ``nba``; ``last``: the moment of the last purchase."""
    folder = settings.parent
    now = datetime.fromtimestamp(last, ZoneInfo(TIME_ZONE)) + timedelta(minutes=1)

    def report(name: str) -> tuple[str, ...]:
        return ("-s", str(settings), "--report", str(folder / "reports" / f"{name}.html"))

    return (
        ("value", "fit", *report("value")),
        (
            *("crosssell", "fit", *report("crosssell"), "--item", "categories"),
            *("--out", str(folder / "tables" / "fitted.npz")),
        ),
        (
            *("segments", "fit", *report("segments"), "--time", f"{now:%Y-%m-%dT%H:%M}"),
            *("--value", "expected_spend", "--out", str(folder / "models" / "segments")),
            *(word for name in _BEHAVIOR for word in ("--feature", name)),
        ),
        ("affinity", "fit", *report("affinity")),
        ("reorder", "fit", *report("reorder")),
        ("train", *report("train"), "--from", "history", "--every", "14d"),
    )


def learn_everything(settings: Path, last: float, console: Console) -> tuple[Learned, ...]:
    """Run every command that learns. Raises `FailedPrecondition` when one cannot do its work."""
    folder = settings.parent
    (folder / "reports").mkdir(exist_ok=True)
    return tuple(_run(line, console) for line in commands(settings, last))


def _run(line: Sequence[str], console: Console) -> Learned:
    shown = " ".join(["nba", *line])
    console.print()
    console.print(Rule(Text(shown, style="bold"), align="left", style="dim", characters="─"))
    began = time.perf_counter()
    done = subprocess.run(  # noqa: S603 (this program, with arguments made above)
        [sys.executable, "-P", "-m", "nba_engine.cli", *line],
        check=False,
        env={**os.environ, "COLUMNS": str(console.width)},
        stdout=subprocess.PIPE,
        text=True,
    )
    console.print(Text(done.stdout.rstrip()), soft_wrap=True)
    if done.returncode not in {0, 1}:
        raise FailedPrecondition(f"`{shown}` ended with {done.returncode}")
    return Learned(
        command=shown,
        kept=done.returncode == 0,
        seconds=round(time.perf_counter() - began, 1),
    )
