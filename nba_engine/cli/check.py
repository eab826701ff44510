"""`nba check`: every mistake in settings, plugins, catalog, models and templates."""

from __future__ import annotations

from pathlib import Path

import click

from nba_engine.app import check
from nba_engine.cli.output import say, settings_option
from nba_engine.errors import MistakesFound

__all__ = ["check_command"]


@click.command("check")
@settings_option
def check_command(settings: Path) -> None:
    """Name every mistake of settings and catalog in one run.

    Nothing is started and no store is made. Exit code 78 when there is a mistake.
    """
    mistakes = check(settings)
    if mistakes:
        raise MistakesFound(mistakes)
    say(f"{settings}: no mistakes")
