"""`nba replay`: logged decisions decided again, and held against the log field by field."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from zoneinfo import ZoneInfo

import click

from nba_engine.app import Logged, open_logged
from nba_engine.cli.output import errors, progress_bar, say, settings_option
from nba_engine.domain import CatalogView
from nba_engine.engine import Repetition, repeat
from nba_engine.errors import NotFound
from nba_engine.sources import RowError, to_seconds

__all__ = ["moment_option", "replay_command", "tell_unread"]

SHOWN = 10  # decisions that differ


@click.command("replay")
@click.argument("decision_id", required=False)
@settings_option
@click.option("--all", "everything", is_flag=True, help="Replay every logged decision.")
@click.option("--since", help="With --all: only those decided at this time or later.")
@click.option("--limit", type=click.IntRange(min=1), help="With --all: only the newest N.")
def replay_command(
    decision_id: str | None,
    settings: Path,
    everything: bool,  # noqa: FBT001 (click hands flags over as booleans)
    since: str | None,
    limit: int | None,
) -> int:
    """Decide a logged decision again from the log alone, and compare every field.

    Request, customer, clock, seed, limits as read and the ledger's answers come from the log, the
    models from where the settings say, the catalog from the store or the catalog folder. Nothing
    is written: this may run beside a server.

    Says "identical", or each field that differs, or which input is gone (the catalog is not
    kept, a model has changed, the profile was erased). Exit code 1 unless all are identical.

    \b
    nba replay 019f2c4d0a8b…            one decision
    nba replay --all --limit 10000      the newest ten thousand
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if everything == (decision_id is not None):
        raise click.UsageError("name a decision, or say --all")
    if decision_id is not None and (since is not None or limit is not None):
        raise click.UsageError("--since and --limit go with --all")
    with open_logged(settings) as logged:
        tell_unread(logged)
        if decision_id is not None:
            return _one(logged, decision_id)
        return _all(logged, moment_option(since, logged.snapshot.catalog), limit)


def tell_unread(logged: Logged) -> None:
    """Say so when only the folder's catalog is at hand."""
    if logged.unread:
        errors.print(
            f"the catalogs of the store cannot be read ({logged.unread}); "
            "the folder's catalog is taken",
            markup=False,
            highlight=False,
        )


def moment_option(text: str | None, catalog: CatalogView) -> float:
    """``--since``: a moment, in the catalog's time zone unless it names one; by default, ever."""
    if text is None:
        return float("-inf")
    try:
        return to_seconds(text, ZoneInfo(catalog.time_zone))
    except RowError as error:
        raise click.BadParameter(error.message, param_hint="--since") from None


def _one(logged: Logged, decision_id: str) -> int:
    record = logged.log.read(decision_id)
    if record is None:
        raise NotFound(f"no decision {decision_id!r} is on record")
    found = repeat(logged.of(record), record)
    if found.outcome == "identical":
        count = len(record.recommendations)
        say(f"{decision_id}: identical ({record.total} candidates, {count} recommended)")
        return 0
    _tell(found)
    return 1


def _all(logged: Logged, since: float, limit: int | None) -> int:
    total = logged.log.count(since=since)
    total = total if limit is None else min(total, limit)
    outcomes: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    with progress_bar() as bar:
        task = bar.add_task("replaying", total=total)
        for record in logged.log.records(since=since, limit=limit):
            found = repeat(logged.of(record), record)
            outcomes[found.outcome] += 1
            if found.outcome == "gone":
                missing.update(found.details)
            elif found.outcome == "differs" and outcomes["differs"] <= SHOWN:
                _tell(found)
            bar.advance(task)
    for reason, count in missing.most_common():
        errors.print(f"{count:,}: {reason}", markup=False, highlight=False)
    say(
        f"{sum(outcomes.values()):,} decisions: {outcomes['identical']:,} identical, "
        f"{outcomes['differs']:,} differ, {outcomes['gone']:,} cannot be replayed"
    )
    return 0 if outcomes["identical"] == sum(outcomes.values()) else 1


def _tell(found: Repetition) -> None:
    what = "differs" if found.outcome == "differs" else "cannot be replayed"
    say(f"{found.decision_id}: {what}")
    for detail in found.details:
        say(f"  {detail}")
