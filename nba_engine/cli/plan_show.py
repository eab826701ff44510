"""`nba plan show`: what is planned for one customer."""

from __future__ import annotations

import json
import time as clock
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from nba_engine.app.logged import open_logged
from nba_engine.cli.output import output, say, settings_option
from nba_engine.cli.replay import moment_option
from nba_engine.domain import NO_EVIDENCE, Evidence
from nba_engine.domain.words import spoken_money, spoken_time
from nba_engine.engine import CurrentPlan, standing
from nba_engine.engine.contact_plans import PlanBook
from nba_engine.errors import NotFound

if TYPE_CHECKING:
    from nba_engine.app.logged import Logged
    from nba_engine.domain import CatalogView

__all__ = ["show_command"]

_WIDE = 200  # columns of what is not read on a terminal
_REASONS = {
    "best_at_prices": "best at the prices",
    "made_room": "second best: a limit was full",
    "used_room": "there was room left",
}


@click.command("show")
@click.argument("identity")
@settings_option
@click.option("--time", help="As of this time, in the catalog's time zone; default: now.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def show_command(
    identity: str,
    settings: Path,
    time: str | None,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> None:
    """Show what is planned for one customer, as decisions follow it.

    The chain of the plan in force; computed anew, at the plan's prices, when something was recorded about
    the customer since the plan was made. Changes nothing, and may run beside a server.

    \b
    nba plan show crm:42
    nba plan show crm:42 --json
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with open_logged(settings, with_log=False) as opened:
        catalog = opened.snapshot.catalog
        now = clock.time() if time is None else moment_option(time, catalog)
        current = _current(opened, identity, now)
    if as_json:
        output.print_json(json.dumps(_told(current, catalog)))
        return
    _print(current, catalog)


def _current(opened: Logged, identity: str, now: float) -> CurrentPlan:
    store, snapshot = opened.store, opened.snapshot
    found = store.customer(identity)
    if found is None:
        raise NotFound(f"no customer is known as {identity}: nba import, or check the identity")
    stands = standing(store, snapshot.catalog, now=now)
    book = PlanBook(store)
    book.take(stands.plan)
    mark = book.in_force(snapshot.catalog, now)
    evidence = Evidence(stands.evidence) if stands.evidence else NO_EVIDENCE
    return book.current(snapshot, found[0], mark, now=now, evidence=evidence)


def _told(current: CurrentPlan, catalog: CatalogView) -> dict[str, Any]:
    mark, plan = current.mark, current.plan
    return {
        "plan": mark.id,
        "made": mark.made,
        "starts": mark.starts,
        "ends": mark.ends,
        "replanned": current.replanned,
        "computed": plan.made,
        "currency": catalog.currency,
        "contacts": [
            {name: getattr(one, name) for name in one.__struct_fields__} for one in plan.contacts
        ],
        "prices": msgspec.to_builtins(mark.prices),
    }


def _print(current: CurrentPlan, catalog: CatalogView) -> None:
    mark, plan = current.mark, current.plan

    def day(moment: float) -> str:
        return spoken_time(moment, catalog.time_zone).partition(" on ")[2]

    if plan.contacts:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.padding = (0, 2, 0, 0)
        for heading in ("period", "from", "action", "treatment", "channel"):
            table.add_column(heading, overflow="fold")
        for heading in ("value", "cost"):
            table.add_column(heading, justify="right", no_wrap=True)
        table.add_column("why", overflow="fold")
        for one in plan.contacts:
            table.add_row(
                str(one.period + 1),
                day(one.starts),
                Text(one.action),
                Text(one.treatment),
                Text(one.channel),
                spoken_money(one.value, catalog.currency),
                spoken_money(one.cost, catalog.currency),
                _REASONS.get(one.reason, one.reason),
            )
        (output if output.is_terminal else Console(width=_WIDE)).print(table)
    else:
        say("Nothing is planned for this customer.")
    since = f"made at {spoken_time(mark.made, catalog.time_zone)}"
    if current.replanned:
        since += "; computed anew now, because something was recorded about the customer since"
    say(f"Plan {mark.id}, until {day(mark.ends)}, {since}.", style="dim")
