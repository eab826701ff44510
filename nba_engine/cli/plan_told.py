"""What `nba plan` tells: where it is, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.table import Table

from nba_engine.cli.output import errors, output, progress_bar, say

if TYPE_CHECKING:
    from nba_engine.planning import Step

__all__ = ["steps_shown", "told"]

_PHASES = {
    "sample": "prices from a sample",
    "prices": "prices",
    "make_room": "making room",
    "use_room": "using room",
}


@contextmanager
def steps_shown(before: str) -> Iterator[Callable[[Step], None]]:
    """A progress bar for the steps of a search; ``before``: what is done before the first."""
    with progress_bar(counted=False) as bar:
        task = bar.add_task(before, total=None)

        def tell(step: Step) -> None:
            value = (
                "none that keeps every limit yet" if step.value is None else f"{step.value:,.2f}"
            )
            words = f"{_PHASES[step.phase]} {step.number}: value {value}"
            words += f", bound {step.bound:,.2f}, gap {100 * step.gap:.3f} %"
            bar.update(task, description=words)
            if not bar.console.is_terminal:
                errors.print(words, highlight=False)

        yield tell


def told(
    out: Path,
    summary: Mapping[str, Any],
    before: Mapping[str, Any] | None,
    *,
    resumed: bool,
    as_json: bool,
) -> None:
    """Print what was found; with the summary of the plan ``before``, compare and write that down.

    Raises `FailedPrecondition` for what is no plan: it exceeds a limit, or its own bound.
    """
    from nba_engine.planning.written import check_summary

    check_summary(summary)
    found = summary
    if before is not None:
        from nba_engine.planning.compare import compared, write_changes
        from nba_engine.planning.run import PLAN
        from nba_engine.planning.written import write_json

        number = write_changes(out / "before" / PLAN, out / PLAN, out / "changes.parquet")
        found = compared(before, summary, number)
        write_json(out / "compare.json", found)
    if as_json:
        output.print_json(json.dumps(found))
        return
    if before is not None:
        _print_both(found)
        say(
            f"{found['customers_changed']:,} customers get another chain: {out / 'changes.parquet'}"
        )
    _print(summary, resumed=resumed)
    say(f"{out}: plan.parquet, summary.json, plan.html")


def _print(found: Mapping[str, Any], *, resumed: bool) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("limit", "amount", "used", "one more earns"):
        table.add_column(heading, justify="left" if heading == "limit" else "right", no_wrap=True)
    for limit in found["limits"]:
        amount, used = f"{limit['amount']:,.10g}", f"{limit['used']:,.10g}"
        earns = f"{limit['price']:,.4f}"
        if limit["kind"] == "at_least":
            amount, earns = f"at least {amount}", f"one less: {earns}"
        table.add_row(limit["limit"], amount, used, earns)
    output.print(table)
    say(
        f"{found['customers_contacted']:,} of {found['customers']:,} customers, "
        f"{found['contacts']:,} contacts for {found['spend']:,.2f}"
    )
    after = " after costs" if found.get("after_costs") else ""
    say(
        f"worth {found['value']:,.2f}{after}; no plan can be worth more than {found['bound']:,.2f}: "
        f"gap {100 * found['gap']:.3f} %, violation {found['violation']}"
    )
    if resumed:
        say("the search for prices went on where it had been stopped", style="dim")


def _print_both(found: Mapping[str, Any]) -> None:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("", "before", "after", "difference"):
        table.add_column(heading, justify="right" if heading else "left", no_wrap=True)
    rows = {name.replace("_", " "): both for name, both in found["figures"].items()}
    for name, limit in found["limits"].items():
        rows |= {f"{name} {key}": limit[key] for key in ("amount", "used", "price")}
    for name, (before, after) in rows.items():
        difference = "" if before is None or after is None else f"{after - before:+,.2f}"
        table.add_row(name, _figure(before), _figure(after), difference)
    output.print(table)


def _figure(number: float | None) -> str:
    return "" if number is None else f"{number:,.2f}"
