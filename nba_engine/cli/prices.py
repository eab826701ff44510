"""`nba prices`: what one more unit of each paced limit is worth, and how its spending goes."""

from __future__ import annotations

import datetime as dt
import json
import time as clock
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nba_engine.app.stored import stored_catalogs
from nba_engine.cli.learning.prices import refresh_command
from nba_engine.cli.output import output, say, settings_option
from nba_engine.cli.replay import moment_option
from nba_engine.domain import CatalogView, Store
from nba_engine.domain.words import spoken_money, spoken_time
from nba_engine.engine.prices import PriceBook, PriceRow, price_rows
from nba_engine.settings import suggest

__all__ = ["prices_group"]

WIDE = 200  # columns of what is not read on a terminal
_NEAR = 0.1  # of what was planned: closer than this is as planned


@click.group("prices", invoke_without_command=True)
@settings_option
@click.option(
    "--limit", "limits", multiple=True, metavar="LIMIT", help="Only this limit. Repeatable."
)
@click.option("--time", help="As of this time (simulated stores only), in the catalog's time zone.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def prices_group(
    context: click.Context,
    settings: Path,
    limits: Sequence[str],
    time: str | None,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> None:
    """Show the prices of limits that are paced, and what is added for minimums.

    A price is subtracted from the score of whatever draws on the limit, so that its units go where they
    earn most. It rises while more is used than planned, and falls while less. What is to reach a minimum
    (at_least) gets a bonus instead, as long as it is behind. Changes nothing, and may run beside a server.

    \b
    nba prices                          every limit with a pace, in the window of now
    nba prices --limit letters --json   one of them, for programs
    nba prices refresh                  learn prices and hourly profiles from the decision log
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if context.invoked_subcommand is not None:
        context.obj = settings
        return
    with stored_catalogs(settings, create=False) as catalogs:
        catalog, store = catalogs.in_force(), catalogs.store
        known = [limit.id for limit in catalog.limits]
        for name in limits:
            if name not in known:
                remedy = suggest(name, known, "limits")
                raise click.BadParameter(f"the catalog in force has no limit {name!r} ({remedy})")
        book = PriceBook(store)
        book.read(catalog)
        now = _moment(time, store, catalog, book)
        rows = [
            row
            for row in price_rows(book, catalog, store, now)
            if not limits or row.limit in limits
        ]
    if as_json:
        told = {
            "catalog_version": catalog.version,
            "currency": catalog.currency,
            "time": now,
            "updated": book.mark.time or None,
            "prices": [msgspec.to_builtins(row) for row in rows],
        }
        output.print_json(json.dumps(told))
        return
    if not rows:
        say("no limit has a price: none has a pace or at_least in the catalog")
        return
    _print(rows, catalog)
    if book.mark.time:
        say(f"Updated {spoken_time(book.mark.time, catalog.time_zone)}.", style="dim")
    else:
        say("No server has set prices yet.", style="dim")


prices_group.add_command(refresh_command)


def _moment(time: str | None, store: Store, catalog: CatalogView, book: PriceBook) -> float:
    """The time that windows are those of; of a simulated store the last update's."""
    if not store.simulated:
        if time is not None:
            raise click.BadParameter("only a simulated store has times of its own")
        return clock.time()
    return book.mark.time if time is None else moment_option(time, catalog)


def _print(rows: Sequence[PriceRow], catalog: CatalogView) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.padding = (0, 2, 0, 0)
    table.add_column("limit", overflow="fold", min_width=10)
    table.add_column("of", overflow="fold")
    for heading in ("spent", "planned", "amount", "price"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("until", no_wrap=True)
    table.add_column("what it means", overflow="fold", min_width=24)
    zones = {limit.id: ZoneInfo(limit.window.time_zone) for limit in catalog.limits}
    for row in rows:
        table.add_row(
            Text(row.name),
            Text(", ".join(f"{word} {value}" for word, value in row.scope.items())),
            Text(_number(row.used, row, catalog)),
            Text(_number(row.planned, row, catalog)),
            Text(f"{'≥ ' if row.floor else ''}{_number(row.amount, row, catalog)}"),
            Text(_price(row, catalog)),
            Text(_until(row, zones[row.limit])),
            Text(meaning(row, catalog)),
        )
    (output if output.is_terminal else Console(width=WIDE)).print(table)


def meaning(row: PriceRow, catalog: CatalogView) -> str:
    """A price in words: how spending goes, and what a contact must earn to be made."""
    if row.floor:
        return _reaching(row, catalog)
    if row.used >= row.amount:
        pace = "used up"
    elif row.used > row.planned * (1 + _NEAR) + row.per_contact:
        pace = "ahead of its plan"
    elif row.used < row.planned * (1 - _NEAR) - row.per_contact:
        pace = "behind its plan"
    else:
        pace = "as planned"
    if not row.price:
        return f"{pace}; there is enough, and whatever is worth its cost goes out"
    earned = spoken_money(row.price * row.per_contact, catalog.currency)
    return f"{pace}; a contact goes out if it earns {earned} more than it costs"


def _reaching(row: PriceRow, catalog: CatalogView) -> str:
    """How a minimum goes, and what it adds."""
    if row.used >= row.amount:
        return "reached; nothing is added any more"
    behind = row.used < row.planned * (1 - _NEAR) - row.per_contact
    pace = "behind its plan" if behind else "as planned"
    if not row.price:
        return f"{pace}; so many go out anyway, and nothing is added"
    added = f"a contact counts {spoken_money(row.price, catalog.currency)} more than it earns"
    if behind and row.most is not None and row.price >= row.most:
        return f"{pace}, and it will not be met: {added}, which is the most that is added"
    return f"{pace}; {added}"


def _price(row: PriceRow, catalog: CatalogView) -> str:
    if row.floor:
        return f"+{spoken_money(row.price, catalog.currency)}" if row.price else "0"
    if row.measure == "money":
        return f"{row.price:.2f} per {catalog.currency}"
    return spoken_money(row.price, catalog.currency)


def _until(row: PriceRow, zone: ZoneInfo) -> str:
    local = dt.datetime.fromtimestamp(row.end, zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def _number(number: float, row: PriceRow, catalog: CatalogView) -> str:
    if row.measure == "money":
        return spoken_money(number, catalog.currency).removesuffix(f" {catalog.currency}")
    return f"{number:,.0f}"
