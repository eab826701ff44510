"""The options that commands which learn have in common, each in the same words."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from nba_engine.cli.output import settings_option
from nba_engine.settings import Unreadable, parse_duration

__all__ = [
    "file_or_settings",
    "hold_out_option",
    "json_option",
    "logs_elsewhere",
    "read_duration",
    "report_option",
    "seed_option",
]

_F = TypeVar("_F", bound=Callable[..., Any])


def file_or_settings(function: _F) -> _F:
    """Add ``[FILE]``, a plain table that is there, and ``-s/--settings`` for when it is not given."""
    argument = click.argument(
        "file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
    )
    return argument(settings_option(function, unless="FILE"))


def logs_elsewhere(function: _F) -> _F:
    """Add ``--log FOLDER``, named ``exported``, and ``--interactions FILE``, repeatable."""
    log = click.option(
        "--log",
        "exported",
        metavar="FOLDER",
        type=click.Path(path_type=Path, exists=True),
        help="Decisions as nba log export and nba log move write them, instead of the decision log.",
    )
    interactions = click.option(
        "--interactions",
        multiple=True,
        metavar="FILE",
        type=click.Path(path_type=Path, exists=True),
        help="What customers did, as nba import reads it, instead of what the store holds. "
        "Repeatable.",
    )
    return log(interactions(function))


def report_option(default: str | Path) -> Callable[[_F], _F]:
    """Add ``--report FILE``: a path is the default, a text says in words what it is."""
    said: dict[str, Any] = {"help": "The page with pictures."}
    if isinstance(default, Path):
        said |= {"default": default, "show_default": True}
    else:
        said["help"] += f" Default: {default}."
    return click.option("--report", type=click.Path(path_type=Path, dir_okay=False), **said)


def seed_option(default: int = 2017) -> Callable[[_F], _F]:
    """Add ``--seed N``."""
    return click.option("--seed", default=default, show_default=True, help="Of all random numbers.")


def json_option(function: _F) -> _F:
    """Add ``--json``, a flag named ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print every figure as JSON.")(
        function
    )


def hold_out_option(default: float, *, of: str, least: float = 0.05) -> Callable[[_F], _F]:
    """Add ``--hold-out SHARE`` of the ``of``: from ``least`` to half."""
    return click.option(
        "--hold-out",
        default=default,
        show_default=True,
        type=click.FloatRange(least, 0.5),
        help=f"The last part of the {of}, by which it is judged.",
    )


def read_duration(
    _context: click.Context, _option: click.Parameter, value: str | None
) -> float | None:
    """The callback of an option that is a duration, such as ``14d``: seconds, None where not given."""
    if value is None:
        return None
    try:
        return parse_duration(value)
    except Unreadable as error:
        raise click.BadParameter(str(error)) from None
