"""Consoles, the settings option, and small pieces the commands share in what they print."""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

__all__ = [
    "clean_output",
    "counted",
    "errors",
    "output",
    "progress_bar",
    "say",
    "settings_option",
]

output = Console(soft_wrap=False)
errors = Console(stderr=True, soft_wrap=True)

_F = TypeVar("_F", bound=Callable[..., Any])


def settings_option(function: _F, *, unless: str = "") -> _F:
    """Add ``-s/--settings FILE`` (default ``nba.toml``, or ``NBA_SETTINGS``).

    ``unless``: what is given instead of it, as the help has it.
    """
    instead = f"; not read with {unless}" if unless else ""
    return click.option(
        "-s",
        "--settings",
        type=click.Path(path_type=Path, dir_okay=False),
        default=Path("nba.toml"),
        show_default=True,
        envvar="NBA_SETTINGS",
        help=f"The engine's settings file{instead}.",
    )(function)


def say(text: str | Text, *, style: str = "") -> None:
    """Print text as it is: no markup, no highlighting, never broken into lines."""
    line = Text(text, style=style) if isinstance(text, str) else text
    output.print(line, soft_wrap=True)


@contextmanager
def clean_output(*, when: bool) -> Iterator[None]:
    """Until the end what anybody writes on standard output goes to standard error, if ``when``.

    For JSON: solvers print lines from C, whatever they are told (ERGO-Code/HiGHS#2783), and workers
    that are started meanwhile have the same standard output.
    """
    if not when or sys.__stdout__ is None:  # None: it was closed by whoever started this
        yield
        return
    stdout = sys.__stdout__.fileno()
    _flush()
    kept = os.dup(stdout)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2((sys.__stderr__ or nowhere).fileno(), stdout)
    try:
        yield
    finally:
        _flush()
        os.dup2(kept, stdout)
        os.close(kept)


def _flush() -> None:
    sys.stdout.flush()
    ctypes.CDLL(None).fflush(None)  # C has a buffer of its own, written at the end of the process


def counted(count: int, plural: str) -> str:
    """``1 identity``, ``2 identities``, ``1,000 links``."""
    if count != 1:
        return f"{count:,} {plural}"
    singular = f"{plural[:-3]}y" if plural.endswith("ies") else plural.removesuffix("s")
    return f"1 {singular}"


def progress_bar(*, counted: bool = True) -> Progress:
    """A progress bar on the error console, so that piped output stays clean."""
    columns = [TextColumn("{task.description}"), BarColumn(), TaskProgressColumn()]
    if counted:
        columns.append(MofNCompleteColumn())
    return Progress(*columns, TimeRemainingColumn(), console=errors)
