"""`nba limits`: what is used of every limit, as a table."""

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
from nba_engine.cli.output import errors, output, say, settings_option
from nba_engine.cli.replay import moment_option
from nba_engine.domain import CatalogView, CustomerState, Store
from nba_engine.domain.words import spoken_money, spoken_time
from nba_engine.engine import LimitRow, limit_rows
from nba_engine.errors import NotFound
from nba_engine.settings import suggest

__all__ = ["limits_command"]

BAR = 10  # characters
NARROW = 120  # columns of a terminal: with fewer, names and bars are left out
WIDE = 200  # columns of what is not read on a terminal


@click.command("limits")
@click.argument("limits", nargs=-1, metavar="[LIMIT]…")
@settings_option
@click.option("--customer", metavar="IDENTITY", help="What this customer has used (crm:42).")
@click.option("--past", is_flag=True, help="Also the windows before this one.")
@click.option("--time", help="As of this time (simulated stores only), in the catalog's time zone.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def limits_command(
    limits: Sequence[str],
    settings: Path,
    customer: str | None,
    past: bool,  # noqa: FBT001 (click hands flags over as booleans)
    time: str | None,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show what is reserved, spent and left of every limit of the catalog in force (or of LIMIT…).

    A limit per customer has one row for all customers; --customer shows those of one. Changes
    nothing, and may run beside a server.

    \b
    nba limits                          all, in the window of now
    nba limits budget --past            one, with the windows before
    nba limits --customer crm:42        what is left for one customer
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with stored_catalogs(settings, create=False) as catalogs:
        catalog, store = catalogs.in_force(), catalogs.store
        known = [limit.id for limit in catalog.limits]
        for name in limits:
            if name not in known:
                remedy = suggest(name, known, "limits")
                raise click.BadParameter(f"the catalog in force has no limit {name!r} ({remedy})")
        now = _moment(time, store, catalog)
        state = None if customer is None else _customer(store, customer)
        rows = list(limit_rows(catalog, store, now=now, limits=limits, customer=state, past=past))
        since = store.windows_since()
    if as_json:
        told = {
            "catalog_version": catalog.version,
            "currency": catalog.currency,
            "time": now,
            "windows_since": since,
            "limits": [msgspec.to_builtins(row) for row in rows],
        }
        output.print_json(json.dumps(told))
        return
    if not rows:
        say("none of these limits is per customer" if known else "the catalog has no limits")
        return
    _print(rows, catalog, now)
    if past and since is not None:
        day = spoken_time(since, catalog.time_zone)
        say(
            f"Windows that ended before {day} are not kept ([retention] windows_days).", style="dim"
        )


def _moment(time: str | None, store: Store, catalog: CatalogView) -> float | None:
    if not store.simulated:
        if time is not None:
            raise click.BadParameter("only a simulated store has times of its own")
        return clock.time()
    if time is not None:
        return moment_option(time, catalog)
    errors.print(
        "This store is simulated; without --time these are the latest windows that were used.",
        style="dim",
    )
    return None


def _customer(store: Store, identity: str) -> CustomerState:
    found = store.customer(identity)
    if found is None:
        raise NotFound(
            "no customer is known by this identity",
            reason="CUSTOMER_NOT_FOUND",
            metadata={"identity": identity},
        )
    return found[0]


def _print(rows: Sequence[LimitRow], catalog: CatalogView, now: float | None) -> None:
    beyond = any(row.overrun or row.overhang for row in rows)
    narrow = output.is_terminal and output.width < NARROW
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.padding = (0, 1 if narrow else 2, 0, 0)
    table.add_column("limit", overflow="fold", min_width=10)
    for heading, words in (("of", 9), ("window", 7)):
        table.add_column(heading, overflow="fold", min_width=words)
    table.add_column("used", no_wrap=True)
    for heading in ("reserved", "spent", "left"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("amount", justify="right", no_wrap=not narrow, min_width=8)
    table.add_column("resets", overflow="fold", min_width=6)
    if beyond:
        table.add_column("beyond the amount", overflow="fold")
    zones = {limit.id: ZoneInfo(limit.window.time_zone) for limit in catalog.limits}
    before = ""
    for row in rows:
        cells = _cells(row, catalog, zones[row.limit], now, narrow=narrow)
        cells[0] = Text("") if row.limit == before else cells[0]
        before = row.limit
        table.add_row(*cells, *([_beyond(row, catalog)] if beyond else []))
    (output if output.is_terminal else Console(width=WIDE)).print(table)


def _cells(
    row: LimitRow, catalog: CatalogView, zone: ZoneInfo, now: float | None, *, narrow: bool
) -> list[Text]:
    name = Text(row.limit if narrow else row.name or row.limit)
    if row.name and row.name != row.limit and not narrow:
        name.append(f" ({row.limit})", style="dim")
    money = catalog.currency if row.measure == "money" else ""
    amount = _amount(row, money, narrow=narrow)
    return [
        name,
        Text(_whose(row)),
        Text(_window(row, zone)),
        _bar(row, 0 if narrow else BAR),
        Text(_number(row.reserved, money)),
        Text(_number(row.spent, money)),
        Text("" if row.left is None else _number(row.left, money)),
        Text(f"{amount} each" if row.together and row.amount is not None else amount),
        Text(_resets(row, zone, now)),
    ]


def _amount(row: LimitRow, money: str, *, narrow: bool) -> str:
    """What there may be, or there is to be."""
    least = f"at least {row.at_least:,}" if row.at_least else ""
    if row.amount is None:
        return least or "by customer"
    most = _number(row.amount, money, unit=not narrow)
    return f"{least}, at most {most}" if least else most


def _whose(row: LimitRow) -> str:
    if row.together:
        of = "customer" if row.per == ("customer",) else "account"
        return f"{row.accounts:,} {of}{'' if row.accounts == 1 else 's'}"
    if row.scope:
        return ", ".join(f"{name} {value}" for name, value in row.scope.items())
    return "" if row.accounts else "unused"


def _window(row: LimitRow, zone: ZoneInfo) -> str:
    if row.start is None:
        return row.window
    local = dt.datetime.fromtimestamp(row.start, zone)
    if row.window == "month":
        return f"{local:%B %Y}"
    day = f"{local.day} {local:%b %Y}"
    return f"{local:%H:%M}, {day}" if row.window == "hour" else f"{row.window} of {day}"


def _resets(row: LimitRow, zone: ZoneInfo, now: float | None) -> str:
    if row.end is None:
        return {"lifetime": "never"}.get(
            row.window, "bit by bit" if "rolling" in row.window else ""
        )
    if now is None or row.end <= now:
        return "over"
    local = dt.datetime.fromtimestamp(row.end, zone)
    return f"{local:%a} {local.day} {local:%b %H:%M}"


def _bar(row: LimitRow, length: int) -> Text:
    """How much of the amount is used; of many accounts, how many are full."""
    if row.together:
        return Text(f"{row.full:,} full" if row.full else "", style="yellow" if row.full else "")
    if not row.amount:
        return Text("")
    share = (row.reserved + row.spent) / row.amount
    filled = min(length, int(length * share + 0.5))
    style = "red" if share >= 1 else "yellow" if share >= 0.75 else "green"
    text = Text("█" * filled, style=style).append("░" * (length - filled), style="dim")
    return text.append(
        f"{' ' if length else ''}{int(share * 100)}%", style="not dim" if length else style
    )


def _beyond(row: LimitRow, catalog: CatalogView) -> Text:
    """What should not be: how much, and how it came."""
    money = catalog.currency if row.measure == "money" else ""
    parts = [(row.overhang, "overhang"), (row.overrun, "overrun")]
    told = [f"{_number(much, money)} {word}" for much, word in parts if much]
    return Text(", ".join(told), style="red")


def _number(number: float, money: str, *, unit: bool = False) -> str:
    """Contacts, or money with as many digits as it needs."""
    if not money:
        return f"{number:,.0f}"
    text = spoken_money(number, money)
    return text if unit else text.removesuffix(f" {money}")
