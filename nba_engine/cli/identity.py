"""`nba identity`: who a customer is, and that several identities are one."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from nba_engine.app import open_app
from nba_engine.cli.output import output, say, settings_option
from nba_engine.domain import Identities, LinkRequest

__all__ = ["identity_group"]


@click.group("identity")
def identity_group() -> None:
    """See which identities lead to a customer; link two of them."""


@identity_group.command("show")
@click.argument("identity")
@settings_option
@click.option("--consents", is_flag=True, help="Also all that the customer said of consents.")
def show_command(identity: str, settings: Path, consents: bool) -> None:  # noqa: FBT001 (click)
    """Show the customer behind IDENTITY (such as crm:42), all its identities, and its links."""
    with open_app(settings) as app:
        found = app.engine.identities(identity)
        zone = ZoneInfo(app.engine.catalog.time_zone)
    _print_identities(found, zone)
    if consents:
        _print_consents(found, zone)


@identity_group.command("link")
@click.argument("identities", nargs=-1, required=True, metavar="IDENTITY IDENTITY…")
@settings_option
@click.option("--source", default="nba identity link", show_default=True, help="Who says so.")
def link_command(identities: Sequence[str], settings: Path, source: str) -> None:
    """Lead two or more identities to one customer, merging those behind them.

    This cannot be undone. A link that is there already changes nothing.
    """
    with open_app(settings) as app:
        linked = app.engine.link_identities(
            LinkRequest(identities=tuple(identities), source=source)
        )
        found = app.engine.identities(linked.identities[0])
        zone = ZoneInfo(app.engine.catalog.time_zone)
    count = len(linked.merged)
    if count:
        say(f"{count} customer{'s' if count > 1 else ''} merged into {found.customer_id}")
    _print_identities(found, zone)


def _print_identities(found: Identities, zone: ZoneInfo) -> None:
    say(f"customer {found.customer_id}", style="bold")
    for identity in found.identities:
        say(f"  {identity}")
    if not found.links:
        return
    output.print()
    table = _table("linked", "source", "identities", "customers ended")
    for link in found.links:
        table.add_row(
            _moment(link.time, zone),
            link.source,
            "\n".join(link.identities),
            str(len(link.merged) or ""),
        )
    output.print(table)


def _print_consents(found: Identities, zone: ZoneInfo) -> None:
    output.print()
    table = _table("time", "consent", "said", "source", "identity")
    for one in found.consents:
        word = "granted" if one.granted else "withdrawn"
        table.add_row(_moment(one.time, zone), one.consent, word, one.source, one.identity)
    if found.consents:
        output.print(table)
    else:
        say("No consent was ever given or withdrawn.")


def _table(first: str, *headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, no_wrap=True)
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _moment(time: float, zone: ZoneInfo) -> str:
    return dt.datetime.fromtimestamp(time, zone).strftime("%Y-%m-%d %H:%M:%S")
