"""`nba diff`: what a changed catalog would have done with logged requests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from rich.table import Table

from nba_engine.app import open_logged
from nba_engine.cli.output import errors, output, progress_bar, say, settings_option
from nba_engine.cli.replay import moment_option, tell_unread
from nba_engine.domain import CatalogView
from nba_engine.domain.words import spoken_money, spoken_time
from nba_engine.engine import CauseCount, Comparison, Differences

__all__ = ["diff_command"]

SHOWN = 15  # rows of a table
EXAMPLES = 5
ASSUMPTIONS = (
    "Each request is decided with its clock, seed, customer and context as logged; customers do not "
    "react to what they get instead. Limits: used is what the log says, plus or minus what earlier "
    "decisions of this comparison took differently; a limit that is not in the log starts empty; "
    "what is reserved counts as spent."
)


@click.command("diff")
@click.option(
    "--catalog",
    "folder",
    required=True,
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Folder of the changed catalog.",
)
@settings_option
@click.option("--since", help="Only decisions made at this time or later.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=1000,
    show_default=True,
    help="The newest N decisions.",
)
@click.option(
    "--json",
    "file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write everything found to this file, too.",
)
def diff_command(
    folder: Path, settings: Path, since: str | None, limit: int, file: Path | None
) -> None:
    """Show what a changed catalog would change, before it is published.

    Logged requests are decided with the catalog in force and with the changed one: who gets
    another action, how often each action is recommended, what is taken from each limit, and which
    rule or limit did it. Nothing is reserved, logged or published; a server may run meanwhile.

    \b
    nba diff --catalog new-catalog --limit 5000 --json diff.json
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with open_logged(settings) as logged:
        tell_unread(logged)
        catalog = logged.snapshot.catalog
        moment = moment_option(since, catalog)
        comparison = Comparison(logged.snapshot, logged.another(folder))
        total = min(limit, logged.log.count(since=moment))
        with progress_bar() as bar:
            task = bar.add_task("deciding", total=total)
            for record in logged.log.records(since=moment, limit=limit):
                comparison.add(record)
                bar.advance(task)
    found = comparison.differences()
    _print(found, catalog)
    if file is not None:
        encoded = msgspec.json.format(msgspec.json.encode(found), indent=2)
        file.write_bytes(encoded + b"\n")
        say(f"written to {file}", style="dim")


def _print(found: Differences, catalog: CatalogView) -> None:
    _print_summary(found, catalog)
    if not found.decisions:
        return
    _print_actions(found)
    _print_limits(found, catalog)
    _print_causes("Recommended before, not any more", found.lost)
    _print_causes("Recommended now, not before", found.won)
    _print_drops(found)
    _print_examples(found, catalog)
    output.print()
    output.print(ASSUMPTIONS, style="dim", markup=False, highlight=False)


def _print_summary(found: Differences, catalog: CatalogView) -> None:
    if found.catalog_before == found.catalog_after:
        errors.print("This is the catalog in force: nothing can change.", style="dim")
    for reason, count in found.not_asked.items():
        say(f"{_decisions(count)} left out: {reason}")
    if found.first is None or found.last is None:
        say("No decision to compare.")
        return
    zone = catalog.time_zone
    say(
        f"{_decisions(found.decisions)} ({spoken_time(found.first, zone)} to "
        f"{spoken_time(found.last, zone)}), {_share(found.other_actions, found.decisions)} with "
        f"other actions, {_share(found.other_form, found.decisions)} with the same in another order "
        "or form",
        style="bold",
    )
    say(
        f"customers who get another action: {_share(found.customers_changed, found.customers)} "
        f"of {found.customers:,}"
    )
    others = found.decisions - found.as_logged
    if others:
        say(
            f"{_decisions(others)} logged with another catalog or model: “before” is what the "
            "catalog in force would do"
        )
    money, currency = found.money, catalog.currency
    table = _table("", "before", "after", "change")
    for name, before, after in (
        ("contact costs", money.cost_before, money.cost_after),
        ("expected value", money.expected_before, money.expected_after),
    ):
        table.add_row(name, *_money(before, after, currency))
    output.print(table)


def _print_actions(found: Differences) -> None:
    changed = [one for one in found.actions if one.before != one.after]
    if not changed:
        return
    table = _table("action", "before", "after", "change")
    for one in changed[:SHOWN]:
        table.add_row(
            one.action, f"{one.before:,}", f"{one.after:,}", f"{one.after - one.before:+,}"
        )
    _print_table("Recommendations by action", table, len(changed))


def _print_limits(found: Differences, catalog: CatalogView) -> None:
    if not found.limits:
        return
    table = _table("limit", "before", "after", "change")
    for one in found.limits:
        if one.measure == "contacts":
            cells = (f"{one.before:,.0f}", f"{one.after:,.0f}", f"{one.after - one.before:+,.0f}")
        else:
            cells = _money(one.before, one.after, catalog.currency)
        table.add_row(f"{one.limit} ({one.measure})", *cells)
    _print_table("Taken from limits", table, len(found.limits))


def _print_causes(title: str, causes: Sequence[CauseCount]) -> None:
    if not causes:
        return
    table = _table("because of", "rule or limit", "recommendations", text=2)
    for one in causes[:SHOWN]:
        table.add_row(f"{one.stage}/{one.reason}", one.by, f"{one.recommendations:,}")
    _print_table(title, table, len(causes))


def _print_drops(found: Differences) -> None:
    if not found.drops:
        return
    table = _table("candidates dropped by", "before", "after", "change")
    for one in found.drops[:SHOWN]:
        table.add_row(
            f"{one.stage}/{one.reason}",
            f"{one.before:,}",
            f"{one.after:,}",
            f"{one.after - one.before:+,}",
        )
    _print_table("Stages", table, len(found.drops))


def _print_examples(found: Differences, catalog: CatalogView) -> None:
    if not found.examples:
        return
    output.print()
    say("Examples", style="bold")
    for one in found.examples[:EXAMPLES]:
        say(
            f"{one.customer_id}, {spoken_time(one.time, catalog.time_zone)}, decision "
            f"{one.decision_id}"
        )
        for sign, places, causes in (
            ("−", one.before, one.why_not_any_more),
            ("+", one.after, one.why_not_before),
        ):
            word = "now" if sign == "−" else "before"
            for place, cause in zip(places, causes, strict=True):
                say(f"  {sign} {place}   ({word}: {cause})", style="dim")


def _table(first: str, *others: str, text: int = 1) -> Table:
    """A table whose first ``text`` columns are left-aligned; the others hold numbers."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for number, heading in enumerate((first, *others)):
        if number < text:
            table.add_column(heading, overflow="fold")
        else:
            table.add_column(heading, justify="right", no_wrap=True)
    return table


def _print_table(title: str, table: Table, rows: int) -> None:
    output.print()
    say(title, style="bold")
    output.print(table)
    if rows > SHOWN:
        say(f"… and {rows - SHOWN} more (--json has all)", style="dim")


def _money(before: float, after: float, currency: str) -> tuple[str, str, str]:
    sign = "+" if after > before else ""
    return (
        spoken_money(before, currency),
        spoken_money(after, currency),
        sign + spoken_money(after - before, currency),
    )


def _decisions(count: int) -> str:
    return f"{count:,} decision{'' if count == 1 else 's'}"


def _share(count: int, whole: int) -> str:
    return f"{count:,} ({count / whole:.1%})"
