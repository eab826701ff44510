"""`nba check`: every mistake in settings, plugins, catalog, models and templates."""

from __future__ import annotations

from pathlib import Path

import click

from nba_engine.app.check import plan_mistakes, prepared
from nba_engine.catalog import Catalog
from nba_engine.cli.output import errors, say, settings_option
from nba_engine.errors import MistakesFound

__all__ = ["check_command"]


@click.command("check")
@settings_option
def check_command(settings: Path) -> None:
    """Name every mistake of settings and catalog in one run.

    Warnings (a rule that a missing attribute makes false, a treatment set nobody uses) are
    listed too, and change nothing. Nothing is started and no store is made. Exit code 78 when
    there is a mistake.

    \b
    nba check -s shop/nba.toml
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    found = prepared(settings)
    catalog = found.snapshot.catalog if found.snapshot else None
    if isinstance(catalog, Catalog):
        for warning in catalog.warnings:
            errors.print(f"warning: {warning}", markup=False, highlight=False)
    mistakes = [*found.mistakes, *plan_mistakes(found)]
    if mistakes:
        raise MistakesFound(mistakes)
    say(f"{settings}: no mistakes")
