"""`nba store prune`: what is too old to be kept is deleted now."""

from __future__ import annotations

import time
from pathlib import Path

import click

from nba_engine.app import (
    App,
    forget_catalogs,
    forget_interactions,
    forget_windows,
    midnight,
    open_app,
)
from nba_engine.cli.output import counted, progress_bar, say, settings_option
from nba_engine.errors import FailedPrecondition
from nba_engine.store import count_old, prune_log

__all__ = ["prune_command"]

_DAYS = click.IntRange(min=1)


@click.command("prune")
@settings_option
@click.option("--interactions-days", type=_DAYS, help="Instead of [retention] interactions_days.")
@click.option("--decisions-days", type=_DAYS, help="Instead of [retention] decisions_days.")
@click.option(
    "--windows-days", type=click.IntRange(min=31), help="Instead of [retention] windows_days."
)
@click.option("--catalogs-days", type=_DAYS, help="Instead of [retention] catalogs_days.")
@click.option("--dry-run", is_flag=True, help="Count only; delete nothing.")
def prune_command(
    settings: Path,
    interactions_days: int | None,
    decisions_days: int | None,
    windows_days: int | None,
    catalogs_days: int | None,
    dry_run: bool,  # noqa: FBT001 (click)
) -> None:
    """Delete what happened on earlier days than are to be kept, now.

    Interactions, logged decisions, what was used of limits in windows long over, old catalogs.

    A server does it by itself, once a day. May run beside one, in small batches, and may be ended
    at any moment. What was counted of interactions stays counted; what took place earlier than what
    is kept is rejected from then on. Customers stay (nba identity erase), and files do not shrink.

    \b
    nba store prune --dry-run --interactions-days 730 --decisions-days 365
    nba store prune                     as [retention] of the settings says
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with open_app(settings) as app:
        if app.engine.store.simulated:
            raise FailedPrecondition("a simulated store has its own time: nothing in it is too old")
        retention = app.settings.retention
        interactions = interactions_days or retention.interactions_days
        decisions = decisions_days or retention.decisions_days
        windows = windows_days or retention.windows_days
        catalogs = catalogs_days or retention.catalogs_days
        if not (interactions or decisions or windows or catalogs):
            raise click.UsageError(
                "[retention] keeps everything; say what to delete: --interactions-days, "
                "--decisions-days, --windows-days, --catalogs-days"
            )
        if interactions is not None:
            _interactions(app, midnight(time.time(), interactions), dry_run=dry_run)
        if decisions is not None:
            _decisions(app, midnight(time.time(), decisions), dry_run=dry_run)
        if windows is not None:
            before = midnight(time.time(), windows)
            count = forget_windows(app.engine.store, before, dry_run=dry_run)
            _say(counted(count, "accounts"), "of windows that ended", before, dry_run=dry_run)
        if catalogs is not None:
            before, log = midnight(time.time(), catalogs), app.settings.store.decision_log
            count = forget_catalogs(app.engine.store, log, before, now=time.time(), dry_run=dry_run)
            _say(counted(count, "catalogs"), "in force", before, dry_run=dry_run)


def _interactions(app: App, before: float, *, dry_run: bool) -> None:
    with progress_bar(counted=False) as bar:
        task = bar.add_task("interactions", total=None)

        def told(_count: int, done: int, last: int) -> None:
            bar.update(task, completed=done, total=max(last, 1))

        count = forget_interactions(app.engine.store, before, told=told, dry_run=dry_run)
    _say(counted(count, "interactions"), "", before, dry_run=dry_run)


def _decisions(app: App, before: float, *, dry_run: bool) -> None:
    log = app.settings.store.decision_log
    count = count_old(log, before)
    if not dry_run:
        with progress_bar() as bar:
            task = bar.add_task("decisions", total=count)
            count = prune_log(log, before, lambda some: bar.advance(task, some))
    _say(counted(count, "decisions"), "", before, dry_run=dry_run)


def _say(what: str, which: str, before: float, *, dry_run: bool) -> None:
    day = time.strftime("%Y-%m-%d", time.gmtime(before))
    say(f"{what} {which}{' ' if which else ''}before {day} {'would be ' if dry_run else ''}deleted")
