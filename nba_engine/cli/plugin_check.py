"""`nba plugin check`: the conformance kit on an installed plugin."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterable
from typing import TYPE_CHECKING

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from nba_engine.cli.output import errors, output, say
from nba_engine.errors import NotFound

if TYPE_CHECKING:
    from nba_engine.testing.conformance import Check, Report

__all__ = ["check_plugin_command"]

_NEEDS = ("pytest", "hypothesis")


@click.command("check")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print the report as JSON.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="How long it may take; a plugin that hangs has failed.",
)
def check_plugin_command(name: str, seconds: float, *, as_json: bool) -> int:
    """Hold an installed plugin to its contracts: what it promises, does, and costs.

    NAME as in `nba plugin list`; `builtin` is what comes with the engine. Runs the contract suites
    of nba_engine.testing on everything the plugin offers, and decides in a small world of its own,
    without and with it. Nothing of yours is read or written. Needs the extra `testing`. Exit code 1
    when a promise is not kept, 2 when no such plugin is installed.

    \b
    nba plugin check store_hours
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    missing = [module for module in _NEEDS if importlib.util.find_spec(module) is None]
    if missing:
        errors.print(
            f'{" and ".join(missing)} must be installed: pip install "nba-engine\\[testing]"',
            highlight=False,
        )
        return 1
    from nba_engine.testing.conformance import check  # brings pytest: only here

    try:
        with errors.status(f"checking {name} (a minute at most, for most plugins)"):
            report = check(name, seconds=seconds)
    except NotFound as unknown:
        raise click.BadParameter(unknown.message, param_hint="NAME") from None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(_plain(report)), indent=2).decode())
    else:
        _print(report)
    return 0 if report.passed else 1


def _plain(report: Report) -> dict[str, object]:
    return {"passed": report.passed, **msgspec.structs.asdict(report)}


def _print(report: Report) -> None:
    title = f"{report.plugin} {report.version} ({report.distribution})"
    say(f"{title}, plugin API {report.api or 'unknown'}", style="bold")
    say(f"needs {', '.join(report.requires) or 'nothing'}")
    say("\nIt promises", style="bold")
    promises = _table("kind", "name", "settings")
    for promise in report.promises:
        promises.add_row(promise.kind, escape(promise.name), escape(", ".join(promise.settings)))
    output.print(promises)
    if report.checks:
        say("\nIt does", style="bold")
        output.print(_done(report.checks))
        for check in report.failures:
            say(f"\n✗ {check.kind} {check.name}: {check.sentence}", style="red")
            for line in check.message.splitlines()[:12]:
                say(f"    {line}")
    if report.costs:
        say("\nIt costs, in µs per decision (median; 99th percentile)", style="bold")
        output.print(_costs(report))
    say("")
    if report.problem:
        say(f"failed: {report.problem}", style="red")
    count = len(report.checks)
    failed = len(report.failures)
    unmeasured = [cost for cost in report.costs if cost.problem]
    for cost in unmeasured:
        say(f"{cost.kind} {cost.name} could not be measured: {cost.problem}", style="red")
    if report.passed:
        say(f"passed: {count} checks", style="green")
    elif failed:
        say(f"failed: {failed} of {count} checks", style="red")


def _done(checks: Iterable[Check]) -> Table:
    table = _table("kind", "name", "checks", "failed")
    counts: dict[tuple[str, str], list[int]] = {}
    for check in checks:
        count = counts.setdefault((check.kind, check.name), [0, 0])
        count[0] += 1
        count[1] += not check.passed
    for (kind, name), (count_of, failed) in counts.items():
        told = f"[red]{failed}[/]" if failed else "[green]0[/]"
        table.add_row(kind, escape(name), str(count_of), told)
    return table


def _costs(report: Report) -> Table:
    table = _table("kind", "name", "without", "with", "ratio of medians")
    for cost in report.costs:
        if not cost.problem:
            table.add_row(
                cost.kind,
                escape(cost.name),
                f"{cost.without_median:,.0f}; {cost.without_p99:,.0f}",
                f"{cost.with_median:,.0f}; {cost.with_p99:,.0f}",
                f"{cost.ratio:.2f}",
            )
    return table


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table
