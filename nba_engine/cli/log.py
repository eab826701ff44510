"""`nba log`: the decision log as Parquet."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from time import time
from zoneinfo import ZoneInfo

import click

from nba_engine.app import midnight
from nba_engine.cli.output import progress_bar, say, settings_option
from nba_engine.domain import DecisionRecord
from nba_engine.engine import table_of
from nba_engine.settings import load_settings
from nba_engine.sources import RowError, to_seconds
from nba_engine.store import LogReader, Mover, open_log_reader, write_file

__all__ = ["log_group"]

ROWS = 4_000  # of a file


@click.group("log")
def log_group() -> None:
    """The decision log as Parquet, for training, reports, DuckDB and pandas.

    \b
    nba log export --out parquet        a copy of everything
    nba log move --days 90              what is older leaves the log
    """  # noqa: D301 (click reads the backspace as: keep these lines)


@log_group.command("export")
@settings_option
@click.option(
    "--out",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="An empty or new folder; files come into date=YYYY-MM-DD/ below it.",
)
@click.option("--since", help="Only decisions made at this time or later (UTC unless it says).")
def export_command(settings: Path, folder: Path, since: str | None) -> None:
    """Copy logged decisions to Parquet; the log stays as it is.

    Decisions that were moved out of the log before are exported, too. May run beside a server.
    Sensitive attributes are in it.

    \b
    nba log export --out parquet --since 2026-11-01
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if folder.exists() and any(folder.iterdir()):
        raise click.UsageError(f"{folder} is not empty: files of two exports would be mixed")
    moment = _moment(since)
    log = open_log_reader(load_settings(settings).store.decision_log)
    try:
        count = log.count(since=moment)
        written = 0
        with progress_bar() as bar:
            task = bar.add_task("exporting", total=count)
            for number, (day, records) in enumerate(_by_day(log, moment)):
                write_file(table_of(records), folder / f"date={day}" / f"{number:06}.parquet")
                written += len(records)
                bar.update(task, completed=written)
    finally:
        log.close()
    say(f"{written:,} decisions written to {folder}")


@log_group.command("move")
@settings_option
@click.option(
    "--days",
    type=click.IntRange(min=0),
    required=True,
    help="Move decisions of earlier days (UTC) than this many ago; 0: all before today.",
)
def move_command(settings: Path, days: int) -> None:
    """Move old decisions out of the log, to Parquet files beside it, now.

    `[store] decision_log_days` has a server do it by itself. May run beside a server, and may be
    ended at any moment: the next one finishes what was begun. Nothing is deleted: explanations,
    replays and exports find what was moved.

    \b
    nba log move --days 90
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    path = load_settings(settings).store.decision_log
    log = open_log_reader(path)
    try:
        before = midnight(time(), days)
        with progress_bar() as bar:
            task = bar.add_task("moving", total=log.count() - log.count(since=before))
            moved = Mover(path, table_of).move(before, lambda rows: bar.advance(task, rows))
    finally:
        log.close()
    say(f"{moved:,} decisions moved")


def _moment(text: str | None) -> float:
    if text is None:
        return float("-inf")
    try:
        return to_seconds(text, ZoneInfo("UTC"))
    except RowError as error:
        raise click.BadParameter(error.message, param_hint="--since") from None


def _by_day(log: LogReader, since: float) -> Iterator[tuple[str, list[DecisionRecord]]]:
    """Records in pieces of one day, UTC."""
    days: dict[str, list[DecisionRecord]] = {}
    for record in log.records(since=since):
        day = f"{datetime.fromtimestamp(record.time, UTC):%Y-%m-%d}"
        records = days.setdefault(day, [])
        records.append(record)
        if len(records) >= ROWS:
            yield day, days.pop(day)
        elif len(days) > 2:  # the log is in order but for what was decided at once
            oldest = min(days)
            yield oldest, days.pop(oldest)
    yield from sorted(days.items())
