"""`nba plugin new`: an installable package whose tests and type check pass as written."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from nba_engine.app import load_plugins
from nba_engine.cli.output import say
from nba_engine.cli.scaffold import KINDS, names_of, new_package
from nba_engine.errors import InvalidRequest

__all__ = ["new_command"]


@click.command("new")
@click.argument("name")
@click.option("--kind", type=click.Choice(list(KINDS)), required=True, help="What it offers.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The folder to write; it must be empty or not be there. Default: ./NAME.",
)
def new_command(name: str, kind: str, out: Path | None) -> None:
    """Write the package of a new plugin: code to change, tests, type check, README.

    NAME is what pip will install, such as nba-store-hours; settings and catalog then say
    store_hours.

    \b
    nba plugin new nba-store-hours --kind rule-function
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    try:
        names = names_of(name)
    except InvalidRequest as refused:
        raise click.BadParameter(refused.violations[0].description, param_hint="NAME") from None
    folder = Path(names.distribution) if out is None else out
    usage = new_package(names, KINDS[kind], folder, load_plugins())
    say(f"{folder}: {KINDS[kind].summary}.")
    say("\nInstall and test it:\n")
    for line in (
        f'cd {folder} && python -m pip install -e ".[test]"',
        "python -m pytest && python -m mypy",
        f"nba plugin check {names.plugin}",
    ):
        say(f"  {line}")
    say("\nUse it.")
    for line in _plain(usage):
        say(line)


def _plain(markdown: str) -> Iterator[str]:
    """Markdown with code blocks, for a terminal: what the fences held is indented."""
    indent = ""
    for line in markdown.rstrip().splitlines():
        if line.startswith("```"):
            indent = "" if indent else "  "
        else:
            yield f"{indent}{line}" if line else ""
