"""`nba identity`: who a customer is, that several identities are one, and that one is no more."""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Sequence
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from nba_engine.app import open_app
from nba_engine.cli.affinities_shown import show_affinities
from nba_engine.cli.output import counted, errors, output, progress_bar, say, settings_option
from nba_engine.domain import Erasure, Identities, LinkRequest
from nba_engine.errors import NbaError

__all__ = ["identity_group"]

_LOOK = 0.2  # seconds


@click.group("identity")
def identity_group() -> None:
    """See which identities lead to a customer; link two of them; erase a customer.

    \b
    nba identity show crm:42
    nba identity link crm:42 cookie:9f --source "service desk"
    nba identity erase crm:42
    nba identity erased
    """  # noqa: D301 (click reads the backspace as: keep these lines)


@identity_group.command("show")
@click.argument("identity")
@settings_option
@click.option("--consents", is_flag=True, help="Also all that the customer said of consents.")
@click.option("--affinities", is_flag=True, help="Also what the customer answers to and prefers.")
def show_command(
    identity: str,
    settings: Path,
    consents: bool,  # noqa: FBT001 (click)
    affinities: bool,  # noqa: FBT001
) -> None:
    """Show the customer behind IDENTITY (such as crm:42), all its identities, and its links.

    Times are in the catalog's time zone. Attributes and what happened are not shown: nba export
    writes all that is held.

    \b
    nba identity show crm:42 --consents
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with open_app(settings) as app:
        found = app.engine.identities(identity)
        engine = app.engine
        state, catalog, now = engine.profile(identity), engine.catalog, engine.now
        zone = ZoneInfo(app.engine.catalog.time_zone)
    _print_identities(found, zone)
    if consents:
        _print_consents(found, zone)
    if affinities:
        show_affinities(state, catalog, now)


@identity_group.command("link")
@click.argument("identities", nargs=-1, required=True, metavar="IDENTITY IDENTITY…")
@settings_option
@click.option("--source", default="nba identity link", show_default=True, help="Who says so.")
def link_command(identities: Sequence[str], settings: Path, source: str) -> None:
    """Lead two or more identities to one customer, merging those behind them.

    This cannot be undone. A link that is there already changes nothing. Limits count what all
    of them used, attributes are merged by the catalog's rules, and the stricter consent holds.

    \b
    nba identity link crm:42 cookie:9f --source "service desk"
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with open_app(settings) as app:
        linked = app.engine.link_identities(
            LinkRequest(identities=tuple(identities), source=source)
        )
        found = app.engine.identities(linked.identities[0])
        zone = ZoneInfo(app.engine.catalog.time_zone)
    if linked.merged:
        say(f"{counted(len(linked.merged), 'customers')} merged into {found.customer_id}")
    _print_identities(found, zone)


@identity_group.command("erase")
@click.argument("identity")
@settings_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def erase_command(identity: str, settings: Path, yes: bool) -> None:  # noqa: FBT001 (click)
    """Erase the customer behind IDENTITY for good, with all its identities.

    From the store, the decision log and its Parquet files, and from what sinks have written, as far
    as they can remove it. May run beside servers. Exit code 1 if something is pending at the end:
    a server, or the next one of these, goes on with it.

    It cannot be undone. Backups and exported files keep the customer until you delete them.

    \b
    nba identity erase crm:42           shows all its identities, and asks
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with open_app(settings) as app:
        known = app.engine.store.identities(identity)
        if not yes:
            whom = ", ".join(known.identities) if known else f"{identity}, who is unknown,"
            click.confirm(f"Erase {whom} for good?", abort=True)
        erasure = app.engine.erase_profile(identity)
        problem = ""
        with progress_bar(counted=False) as bar:
            bar.add_task("decision log, sinks, files", total=None)
            while erasure.pending and not problem:
                try:
                    if not app.eraser.work():  # a server is at it
                        time.sleep(_LOOK)
                except NbaError as error:
                    problem = error.message
                erasure = app.engine.erase_profile(identity, request_id=erasure.erasure_id)
    _print_erasure(erasure)
    if erasure.pending:
        errors.print(f"[yellow]pending:[/] {', '.join(erasure.pending)}: {problem}")
        raise click.exceptions.Exit(1)


@identity_group.command("erased")
@settings_option
@click.option("--limit", default=20, show_default=True, help="How many, the newest first.")
def erased_command(settings: Path, limit: int) -> None:
    """List erasures: when, what was removed, and what is pending. Nobody is named.

    What is pending goes on with the next server, or the next nba identity erase.

    \b
    nba identity erased --limit 5
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with open_app(settings) as app:
        found = app.engine.store.erasures(most=limit)
        zone = ZoneInfo(app.engine.catalog.time_zone)
    if not found:
        say("Nobody was erased.")
        return
    table = _table(f"erased ({zone.key})", "erasure", "removed", "pending")
    for one in found:
        table.add_row(
            _moment(one.time, zone), one.erasure_id, _counted(one), ", ".join(one.pending)
        )
    output.print(table)


def _print_erasure(erasure: Erasure) -> None:
    say(f"erasure {erasure.erasure_id}", style="bold")
    if not erasure.known:
        say("  no customer was known by this identity")
    for kind, count in sorted(erasure.counts.items()):
        say(f"  {counted(count, kind.replace('_', ' '))}")
    for place in erasure.kept:
        errors.print(f"[yellow]{place} cannot remove anything[/]: see to what it has written")


def _counted(erasure: Erasure) -> str:
    counts = [counted(n, kind.replace("_", " ")) for kind, n in sorted(erasure.counts.items())]
    return ", ".join(counts) or "nothing"


def _print_identities(found: Identities, zone: ZoneInfo) -> None:
    say(f"customer {found.customer_id}", style="bold")
    for identity in found.identities:
        say(f"  {identity}")
    if not found.links:
        return
    output.print()
    table = _table(f"linked ({zone.key})", "source", "identities", "customers ended")
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
    table = _table(f"time ({zone.key})", "consent", "said", "source", "identity")
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
