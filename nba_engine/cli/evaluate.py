"""`nba evaluate`: what another policy would have earned, by what is on record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec
from rich.table import Table
from rich.text import Text

from nba_engine.cli.learn_extra import learn_extra
from nba_engine.cli.output import counted, errors, output, say

if TYPE_CHECKING:
    from nba_engine.learning.evaluation import Evaluation, Options, Part, Picks

__all__ = ["evaluate_command"]

_SHOWN = 12  # actions


@click.command("evaluate")
@click.argument(
    "file", required=False, type=click.Path(path_type=Path, exists=True, dir_okay=False)
)
@click.option(
    "--clip",
    type=click.FloatRange(min=0, min_open=True),
    help="Cap the weights at this: less noise, some bias. How many were capped is told.",
)
@click.option(
    "--positions",
    type=click.IntRange(min=1),
    help="Only the first N positions of every placement.",
)
@click.option(
    "--confidence",
    type=click.FloatRange(0.5, 0.999),
    default=0.95,
    show_default=True,
    help="Of the intervals.",
)
@click.option(
    "--resamples",
    type=click.IntRange(100, 100_000),
    default=1_000,
    show_default=True,
    help="Of the bootstrap.",
)
@click.option("--seed", default=1, show_default=True, help="Of all random numbers.")
@click.option(
    "--report",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a report with pictures to this HTML file, too.",
)
@click.option("--json", "as_json", is_flag=True, help="Print every figure as JSON.")
@learn_extra()
def evaluate_command(
    file: Path | None,
    clip: float | None,
    positions: int | None,
    confidence: float,
    resamples: int,
    seed: int,
    report: Path | None,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> int:
    """Estimate what a policy under test would have earned per decision, by what was logged.

    FILE is Parquet or CSV with a row per pick: `action`, `reward`, `propensity` (how likely the
    logged policy made this pick) and `target_probability` (how likely the one under test makes it);
    optional `customer` (its rows are resampled together), `channel`, `q_logged` and `q_target`
    (predicted rewards of the pick and under the policy under test: then there is DR, too), and for
    slates `decision`, `placement`, `position` (from 0; probabilities given what stands above).

    Where the log cannot tell (an effective sample size below 100, or a logged policy that explored
    nothing) it says "not enough support" instead of a number, and the exit code is 1.

    \b
    nba evaluate log.csv
    nba evaluate log.parquet --report evaluation.html --json
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.learning.evaluation import Options, read_picks

    if file is None:
        raise click.UsageError("name a FILE")
    options = Options(
        clip=clip, positions=positions, confidence=confidence, resamples=resamples, seed=seed
    )
    return _evaluated(
        read_picks(file),
        options,
        source=str(file),
        reward="reward per decision",
        left_out={},
        report=report,
        as_json=as_json,
    )


def _evaluated(
    picks: Picks,
    options: Options,
    *,
    source: str,
    reward: str,
    left_out: dict[str, int],
    report: Path | None,
    as_json: bool,
) -> int:
    from nba_engine.learning.evaluation import evaluate, evaluation_report

    with errors.status("resampling"):
        found = evaluate(picks, source=source, reward=reward, options=options, left_out=left_out)
    if report is not None:
        evaluation_report(found, picks).write(report)
    if as_json:
        encoded = msgspec.json.format(msgspec.json.encode(found), indent=2)
        output.out(encoded.decode(), highlight=False)
    else:
        _print(found)
        if report is not None:
            say(f"written to {report}", style="dim")
    return 0 if found.supported else 1


def _print(found: Evaluation) -> None:
    from nba_engine.learning.evaluation import ASSUMPTIONS, verdict

    customers = "" if found.customers is None else f" of {counted(found.customers, 'customers')}"
    say(
        f"{counted(found.decisions, 'decisions')}{customers}, effective sample size "
        f"{found.effective_sample_size:,.0f}, largest weight {found.largest_weight:,.3g}",
        style="bold",
    )
    for reason, count in found.left_out.items():
        say(f"{counted(count, 'decisions')} left out: {reason}")
    output.print(_values(found))
    say(verdict(found), style="bold" if found.supported else "bold yellow")
    for note in found.notes:
        say(f"note: {note}", style="yellow")
    _print_parts("By action", found.actions)
    if len(found.channels) > 1:
        _print_parts("By channel", found.channels)
    output.print()
    output.print(
        f"{ASSUMPTIONS} Intervals: {found.confidence:.0%}, {found.resamples:,} resamples, seed "
        f"{found.seed}.",
        style="dim",
        markup=False,
        highlight=False,
    )


def _values(found: Evaluation) -> Table:
    from nba_engine.learning.evaluation import ESTIMATORS, number, spoken_interval

    table = _table(found.reward, "value", "interval", "against the log", "interval")
    table.add_row("as logged", number(found.logged.value), spoken_interval(found.logged), "", "")
    for name, one in found.estimates.items():
        difference = found.differences[name]
        table.add_row(
            f"under test: {ESTIMATORS[name]}",
            number(one.value),
            spoken_interval(one),
            _signed(difference.value),
            f"{_signed(difference.low)} to {_signed(difference.high)}",
        )
    return table


def _print_parts(title: str, parts: Sequence[Part]) -> None:
    from nba_engine.learning.evaluation import number, spoken_interval

    if not parts:
        return
    output.print()
    say(title, style="bold")
    table = _table("", "share logged", "share tested", "reward logged", "reward tested", "interval")
    for part in parts[:_SHOWN]:
        told = part.target
        table.add_row(
            Text(part.name),
            f"{part.logged_share:.1%}",
            f"{part.target_share:.1%}",
            number(part.logged),
            "too few" if told is None else number(told.value),
            "" if told is None else spoken_interval(told),
        )
    output.print(table)
    if len(parts) > _SHOWN:
        say(f"… and {len(parts) - _SHOWN} more (--json and --report have them)", style="dim")


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column(first, overflow="fold")
    for heading in others:
        table.add_column(heading, justify="right", no_wrap=True)
    return table


def _signed(value: float) -> str:
    from nba_engine.learning.evaluation import number

    return f"+{number(value)}" if value > 0 else number(value)
