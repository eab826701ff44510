"""`nba plan`: contact chains for all customers, within every limit."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from nba_engine.cli.learning.extra import learn_extra
from nba_engine.cli.output import errors, output, progress_bar, say

if TYPE_CHECKING:
    from nba_engine.planning import Step
    from nba_engine.planning.run import Planned
    from nba_engine.planning.tables import Changed

__all__ = ["plan_command"]

_PHASES = {
    "sample": "prices from a sample",
    "prices": "prices",
    "make_room": "making room",
    "use_room": "using room",
}


@click.command("plan")
@click.option(
    "--input",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="The tables: customers, candidates, limits (.parquet or .csv), settings.toml.",
)
@click.option(
    "--out",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where plan.parquet, summary.json and plan.html are written.",
)
@click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="NAME=NUMBER",
    help="Plan with another amount (limit.NAME.amount=20000) or setting (most_contacts=2).",
)
@click.option("--compare", is_flag=True, help="Plan without --set, too, and show both.")
@click.option(
    "--gap",
    type=click.FloatRange(min=0.0, max=1.0),
    default=5e-5,
    show_default=True,
    help="Search prices until they leave no more than this share of the bound.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
@learn_extra()
def plan_command(
    folder: Path,
    out: Path,
    sets: Sequence[str],
    compare: bool,  # noqa: FBT001 (click hands flags over as booleans)
    gap: float,
    as_json: bool,  # noqa: FBT001
) -> int:
    """Plan contacts for every customer: worth most within all limits, and how near to the best.

    Reads plain tables that any system can write (docs/plan.md). A run that was stopped is gone on
    with when it is started again.

    \b
    nba plan --input tables --out plan
    nba plan --input tables --out plan --set limit.letters.amount=20000 --compare
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.chains import is_compiled
    from nba_engine.planning.tables import Changed

    changed = _changed(sets)
    if compare and not sets:
        raise click.UsageError("--compare needs at least one --set to compare with")
    if not is_compiled():
        errors.print(
            "numba is not installed (pip install 'nba-engine[plan]'): the same, but slower"
        )
    out.mkdir(parents=True, exist_ok=True)
    before: Planned | None = None
    if compare:
        (out / "before").mkdir(exist_ok=True)
        before = _plan(folder, out / "before", Changed(), gap)
    planned = _plan(folder, out, changed, gap)
    found: dict[str, Any] = planned.summary
    if before is not None:
        from nba_engine.planning.compare import compared, write_changes
        from nba_engine.planning.run import PLAN
        from nba_engine.planning.written import write_json

        number = write_changes(out / "before" / PLAN, out / PLAN, out / "changes.parquet")
        found = compared(before.summary, planned.summary, number)
        write_json(out / "compare.json", found)
    if as_json:
        output.print_json(json.dumps(found))
        return 0
    if before is not None:
        _print_both(found)
        say(
            f"{found['customers_changed']:,} customers get another chain: {out / 'changes.parquet'}"
        )
    _print(planned)
    say(f"{out}: plan.parquet, summary.json, plan.html")
    return 0


def _plan(folder: Path, out: Path, changed: Changed, gap: float) -> Planned:
    from nba_engine.batch import LocalEngine
    from nba_engine.planning import PlanOptions
    from nba_engine.planning.report import report_plan
    from nba_engine.planning.run import plan_tables
    from nba_engine.planning.tables import read_tables

    with progress_bar(counted=False) as bar:
        task = bar.add_task("reading tables", total=None)

        def tell(step: Step) -> None:
            words = f"{_PHASES[step.phase]} {step.number}: value {step.value:,.2f}"
            words += f", bound {step.bound:,.2f}, gap {100 * step.gap:.3f} %"
            bar.update(task, description=words)
            if not bar.console.is_terminal:
                errors.print(words, highlight=False)

        tables = read_tables(folder, changed)
        planned = plan_tables(tables, out, LocalEngine(), PlanOptions(gap=gap), tell)
        source = f"{folder}: {len(tables.budget):,} customers"
        report_plan(tables.problem, planned.plan, planned.shown, source).write(out / "plan.html")
    return planned


def _changed(sets: Sequence[str]) -> Changed:
    from nba_engine.planning.tables import Changed

    amounts: dict[str, float] = {}
    settings: dict[str, float] = {}
    for one in sets:
        name, equals, text = one.partition("=")
        try:
            number = float(text)
        except ValueError:
            equals = ""
        limit = name.removeprefix("limit.").removesuffix(".amount")
        if equals and name == f"limit.{limit}.amount":
            amounts[limit] = number
        elif equals and "." not in name:
            settings[name] = number
        else:
            raise click.BadParameter(
                f"{one!r}; write limit.NAME.amount=NUMBER, or SETTING=NUMBER", param_hint="--set"
            )
    return Changed(amounts=amounts, settings=settings)


def _print(planned: Planned) -> None:
    found = planned.summary
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("limit", "amount", "used", "one more earns"):
        table.add_column(heading, justify="left" if heading == "limit" else "right", no_wrap=True)
    for limit in found["limits"]:
        amount, used = f"{limit['amount']:,.10g}", f"{limit['used']:,.10g}"
        table.add_row(limit["limit"], amount, used, f"{limit['price']:,.4f}")
    output.print(table)
    say(
        f"{found['customers_contacted']:,} of {found['customers']:,} customers, "
        f"{found['contacts']:,} contacts for {found['spend']:,.2f}"
    )
    say(
        f"worth {found['value']:,.2f}; no plan can be worth more than {found['bound']:,.2f}: "
        f"gap {100 * found['gap']:.3f} %, violation {found['violation']}"
    )
    if planned.resumed:
        say("the search for prices went on where it had been stopped", style="dim")


def _print_both(found: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "before", "after", "difference"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    rows = {name.replace("_", " "): both for name, both in found["figures"].items()}
    for name, limit in found["limits"].items():
        rows |= {f"{name} {key}": limit[key] for key in ("amount", "used", "price")}
    for name, (before, after) in rows.items():
        table.add_row(name, f"{before:,.2f}", f"{after:,.2f}", f"{after - before:+,.2f}")
    output.print(table)
