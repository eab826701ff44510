"""`nba prices refresh`: prices and hourly profiles, learned from the decision log."""

from __future__ import annotations

import json
import time as clock
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np
from rich.table import Table
from rich.text import Text

from nba_engine.app import open_logged
from nba_engine.app.logged import Logged
from nba_engine.cli.learning.extra import learn_extra
from nba_engine.cli.learning.options import json_option, seed_option
from nba_engine.cli.output import output, progress_bar, say, settings_option
from nba_engine.domain import CatalogView, DecisionRecord
from nba_engine.domain.words import spoken_money, spoken_time
from nba_engine.engine.prices import PacedCell, PriceBook, Traffic, price_rows
from nba_engine.errors import NbaError, NotFound
from nba_engine.stages.limits import FLOOR

if TYPE_CHECKING:
    from nba_engine.learning.prices import Learned, SampleBuilder

__all__ = ["refresh_command"]

_DAY = 86_400.0


@click.command("refresh")
@settings_option
@click.option(
    "--days",
    type=click.IntRange(min=1),
    default=28,
    show_default=True,
    help="How many days of the log, from its latest decision back.",
)
@click.option(
    "--sample",
    type=click.IntRange(min=10),
    default=4_000,
    show_default=True,
    help="How many decisions of them are decided again.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be put in force.")
@seed_option(1)
@json_option
@learn_extra()
def refresh_command(
    settings: Path,
    days: int,
    sample: int,
    dry_run: bool,  # noqa: FBT001 (click hands flags over as booleans)
    seed: int,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Learn the prices of paced limits from logged decisions, and their hourly profiles.

    A sample of what was asked is decided again with the catalog in force and without prices; then
    those prices are computed at which what is left of each limit is just spent. Running servers take
    them over within a second, and go on stepping them from there. Once a night is enough; run it, too,
    when campaigns or budgets have changed. A server may run meanwhile.

    \b
    nba prices refresh                  from the last four weeks
    nba prices refresh --dry-run        what would come of it
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.learning.prices import SampleBuilder, learn_prices

    parent = click.get_current_context().parent
    source = click.get_current_context().get_parameter_source("settings")
    if (
        parent is not None
        and isinstance(parent.obj, Path)
        and source is click.core.ParameterSource.DEFAULT
    ):
        settings = parent.obj  # `nba prices -s FILE refresh`
    with open_logged(settings) as logged:
        catalog, store = logged.snapshot.catalog, logged.store
        book = PriceBook(store)
        cells = book.cells(catalog)
        if not cells:
            raise NbaError(
                "no limit has a price: give one a pace in the catalog (docs/arbitration.md)"
            )
        book.read(catalog)
        bonuses = {cell.name: book.most(cell) for cell in cells if cell.floor}
        traffic, builder = Traffic(), SampleBuilder(logged.snapshot, cells, bonuses)
        latest = _read(logged, days, sample, seed, traffic, builder)
        now = latest if store.simulated else clock.time()
        used = {row.account: row.used for row in price_rows(book, catalog, store, now)}
        learned = learn_prices(
            builder.sample(),
            traffic,
            cells,
            {cell.name: used[cell.account(now)] for cell in cells},
            now=now,
            start=book.current,
            bonuses=bonuses,
        )
        before = dict(book.current)
        if not dry_run:
            book.replace(catalog, learned.prices, learned.history)
    if as_json:
        _tell_json(learned, traffic, builder, before, dry_run=dry_run)
    else:
        _tell(learned, traffic, builder, before, cells, catalog)
        if dry_run:
            say("Nothing was put in force (--dry-run).", style="dim")


def _read(
    logged: Logged,
    days: int,
    wanted: int,
    seed: int,
    traffic: Traffic,
    builder: SampleBuilder,
) -> float:
    """Count all decisions of the time, and decide some of them again; the time of the latest one."""
    latest = max((record.time for record in logged.log.recent(1)), default=None)
    if latest is None:
        raise NotFound("the decision log holds no decisions yet; prices are learned from these")
    since = latest - days * _DAY
    random = np.random.default_rng(seed)
    kept: list[DecisionRecord] = []
    with progress_bar() as bar:
        task = bar.add_task("reading", total=logged.log.count(since=since))
        for number, record in enumerate(logged.log.records(since=since)):
            traffic.add(record.time)
            if number < wanted:
                kept.append(record)
            elif (at := int(random.integers(number + 1))) < wanted:  # each alike (reservoir)
                kept[at] = record
            bar.advance(task)
        task = bar.add_task("deciding again", total=len(kept))
        for record in kept:
            builder.add(record)
            bar.advance(task)
    if not builder.decisions:
        raise NbaError("none of the logged decisions can be decided with the catalog in force")
    return latest


def _tell(
    learned: Learned,
    traffic: Traffic,
    builder: SampleBuilder,
    before: dict[str, float],
    cells: tuple[PacedCell, ...],
    catalog: CatalogView,
) -> None:
    start, end = (spoken_time(time, catalog.time_zone) for time in traffic.span)
    say(f"{traffic.total:,} decisions from {start} to {end}, of which {builder.decisions:,} were")
    say(
        "decided again."
        if not builder.refused
        else f"decided again; {builder.refused:,} could not be."
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.padding = (0, 2, 0, 0)
    table.add_column("limit", overflow="fold")
    for heading in ("before", "price", "a contact must earn", "spends"):
        table.add_column(heading, justify="right", no_wrap=True)
    for cell in cells:
        price = learned.prices[cell.name]
        parts = cell.name.removesuffix(FLOOR).split("|")[1:]
        scope = ", ".join(part.replace("=", " ") for part in parts)
        name = f"{cell.limit.name} ({scope})" if scope else cell.limit.name
        sign = "-" if cell.floor and price else ""
        table.add_row(
            Text(f"{name}, at least {cell.amount:,.0f}" if cell.floor else name),
            Text(f"{before.get(cell.name, 0.0):.4g}"),
            Text(f"{price:.4g}"),
            Text(sign + spoken_money(price * cell.per_contact, catalog.currency)),
            Text(f"{learned.spending[cell.name]:.0%}"),
        )
    output.print(table)
    if learned.free > 0.0:
        share = learned.bound / learned.free
        say(
            f"Within these limits the requests of the sample can earn {share:.0%} of what they "
            "could without."
        )


def _tell_json(
    learned: Learned,
    traffic: Traffic,
    builder: SampleBuilder,
    before: dict[str, float],
    *,
    dry_run: bool,
) -> None:
    told = {
        "decisions": traffic.total,
        "sample": builder.decisions,
        "refused": builder.refused,
        "in_force": not dry_run,
        "before": before,
        "prices": learned.prices,
        "spending": learned.spending,
        "bound": learned.bound,
        "free": learned.free,
        "profiles": learned.history.profiles,
    }
    output.print_json(json.dumps(told))
