"""`nba evaluate`: what another policy would have earned, by what is on record."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click
import msgspec
from rich.table import Table
from rich.text import Text

from nba_engine.app import open_logged
from nba_engine.cli.learning.elsewhere import interactions_of
from nba_engine.cli.learning.extra import learn_extra
from nba_engine.cli.learning.options import (
    file_or_settings,
    json_option,
    logs_elsewhere,
    report_option,
    seed_option,
)
from nba_engine.cli.output import counted, errors, output, progress_bar, say
from nba_engine.cli.replay import moment_option, tell_unread
from nba_engine.domain import DecisionRecord

if TYPE_CHECKING:
    from nba_engine.learning.evaluation import Evaluation, Options, Part, Picks

__all__ = ["evaluate_command"]

_SHOWN = 12  # actions


@click.command("evaluate")
@file_or_settings
@logs_elsewhere
@click.option(
    "--catalog",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Under test: this folder's catalog.",
)
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME=MODEL",
    help="Under test: for a model of the settings another folder, or version of the registry.",
)
@click.option(
    "--reward",
    type=click.Choice(["response", "value"]),
    default="response",
    show_default=True,
    help="Of a pick: 1 for a positive outcome, or its value for one less the contact's cost.",
)
@click.option("--since", help="Only decisions made at this time or later.")
@click.option("--until", help="Only decisions made before, and outcomes as they were known then.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    default=20_000,
    show_default=True,
    help="The newest N decisions.",
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
@seed_option(1)
@report_option("none is written")
@json_option
@learn_extra()
def evaluate_command(
    file: Path | None,
    settings: Path,
    clip: float | None,
    positions: int | None,
    confidence: float,
    resamples: int,
    seed: int,
    report: Path | None,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
    **about_the_log: Any,
) -> int:
    """Estimate what a policy would earn per decision, by what was logged of another.

    The log must have explored (placements with `exploration`): every pick counts as often as the
    policy under test would have made it. Logged decisions are decided again with --catalog, --model
    or both, with clock, seed, customer and limits as logged; with neither, the logged policy itself
    is measured. Customers of the control group and decisions whose time for an outcome is not over
    are left out. Nothing is written; a server may run meanwhile.

    --log takes decisions that were exported, or moved out of the log, and --interactions what
    customers did from files: then neither log nor store needs to be there, only the settings with
    catalog and models.

    With FILE, a log of something else: Parquet or CSV with a row per pick, `action`, `reward`,
    `propensity` (how likely the logged policy made this pick) and `target_probability` (how likely
    the one under test makes it); optional `customer` (whose rows are not independent: give it when customers have several),
    `channel`, `q_logged` and `q_target` (rewards as predicted of the pick, and of the policy under
    test: then there is DR, too), and for slates `decision`, `placement`, `position` (from 0;
    probabilities are given what stands above).

    Where the log cannot tell (an effective sample size below 100, too few customers, nothing was
    explored, or weights that do not average 1, so that probabilities must be wrong) it says "not
    enough support" instead of a number, and the exit code is 1.

    \b
    nba evaluate                                          what was logged
    nba evaluate --catalog new-catalog --report new.html  a changed catalog
    nba evaluate --model propensity=models/new --json     a challenger
    nba evaluate --log parquet --interactions did.parquet exported decisions
    nba evaluate log.csv                                  a log of something else
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.learning.evaluation import Options, read_picks

    options = Options(
        clip=clip, positions=positions, confidence=confidence, resamples=resamples, seed=seed
    )
    if file is None:
        log = _read_log(settings, about_the_log)
    else:
        _only_about_a_log(about_the_log)
        log = _Log(read_picks(file), {}, str(file), "reward per decision")
    return _evaluated(log, options, report=report, as_json=as_json)


class _Log(NamedTuple):
    """What is evaluated, and in which words."""

    picks: Picks
    left_out: dict[str, int]
    source: str
    reward: str


def _only_about_a_log(about_the_log: Mapping[str, Any]) -> None:
    given = {
        "--log": about_the_log["exported"],
        "--interactions": about_the_log["interactions"],
        "--catalog": about_the_log["folder"],
        "--model": about_the_log["models"],
        "--since": about_the_log["since"],
        "--until": about_the_log["until"],
    }
    wrong = [option for option, value in given.items() if value]
    if wrong:
        raise click.UsageError(f"{wrong[0]} goes with the log of the settings, not with FILE")


def _read_log(settings: Path, about: Mapping[str, Any]) -> _Log:
    from nba_engine.learning.evaluation import logged_picks
    from nba_engine.learning.parquet_log import ParquetLog

    exported: Path | None = about["exported"]
    models = dict(_model_of(text) for text in about["models"])
    with (
        progress_bar() as bar,
        interactions_of(about["interactions"], bar) as told,
        open_logged(settings, with_log=exported is None) as logged,
    ):
        tell_unread(logged)
        log = logged.log if exported is None else ParquetLog(exported)
        store = told.store or logged.store
        catalog = logged.snapshot.catalog
        since = moment_option(about["since"], catalog)
        until = told.until
        if about["until"] is not None:
            until = min(moment_option(about["until"], catalog), until or math.inf)
        under_test = None
        if about["folder"] is not None or models:
            under_test = logged.challenger(about["folder"], models)
        total = min(about["limit"], log.count(since=since))
        deciding = bar.add_task("reading decisions", total=total)
        outcomes = bar.add_task("reading outcomes", total=None)

        def records() -> Iterator[DecisionRecord]:
            for record in log.records(since=since, limit=about["limit"]):
                bar.advance(deciding)
                if until is None or record.time < until:
                    yield record

        found = logged_picks(
            records(),
            store,
            catalog,
            logged.catalog_of,
            under_test=under_test,
            reward=about["reward"],
            until=until,
            progress=lambda done, of: bar.update(outcomes, completed=done, total=of),
        )
    unit = "positive outcomes" if about["reward"] == "response" else catalog.currency
    tested = [str(about["folder"])] if about["folder"] is not None else []
    tested += about["models"]
    source = f"{exported or settings}: {' and '.join(tested) or 'the logged policy itself'}"
    return _Log(found.picks, found.left_out, source, f"{unit} per decision")


def _model_of(text: str) -> tuple[str, str]:
    name, equals, model = text.partition("=")
    if not equals or not name or not model:
        raise click.BadParameter(
            f"{text!r} is not NAME=MODEL, such as propensity=models/new", param_hint="--model"
        )
    return name, model


def _evaluated(log: _Log, options: Options, *, report: Path | None, as_json: bool) -> int:
    from nba_engine.learning.evaluation import evaluate, evaluation_report

    with errors.status("resampling"):
        found = evaluate(
            log.picks,
            source=log.source,
            reward=log.reward,
            options=options,
            left_out=log.left_out,
        )
    if report is not None:
        evaluation_report(found, log.picks).write(report)
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
    if len(found.models) > 1:
        _print_parts("By model that decided", found.models)
    output.print()
    output.print(
        f"{ASSUMPTIONS} Intervals: {found.confidence:.0%}, {found.resamples:,} resamples, seed "
        f"{found.seed}.",
        style="dim",
        markup=False,
        highlight=False,
    )


def _values(found: Evaluation) -> Table:
    from nba_engine.learning.evaluation import (
        ESTIMATORS,
        is_logged_policy,
        number,
        spoken_interval,
        value_decimals,
    )

    places = value_decimals(found)
    logged = (number(found.logged.value, places), spoken_interval(found.logged, places))
    if is_logged_policy(found):
        table = _table(found.reward, "value", "interval")
        table.add_row("as logged", *logged)
        return table
    table = _table(found.reward, "value", "interval", "difference", "interval")
    table.add_row("as logged", *logged, "", "")
    for name, one in found.estimates.items():
        difference = found.differences[name]
        table.add_row(
            f"under test: {ESTIMATORS[name]}",
            number(one.value, places),
            spoken_interval(one, places),
            _signed(difference.value, places),
            f"{_signed(difference.low, places)} to {_signed(difference.high, places)}",
        )
    return table


def _print_parts(title: str, parts: Sequence[Part]) -> None:
    from nba_engine.learning.evaluation import number, part_decimals, spoken_interval

    if not parts:
        return
    places = part_decimals(parts[:_SHOWN])
    output.print()
    say(title, style="bold")
    table = _table(
        "", "share\nlogged", "share\ntested", "reward\nlogged", "reward\ntested", "\ninterval"
    )
    for part in parts[:_SHOWN]:
        told = part.target
        table.add_row(
            Text(part.name),
            f"{part.logged_share:.1%}",
            f"{part.target_share:.1%}",
            number(part.logged, places),
            "too few" if told is None else number(told.value, places),
            "" if told is None else spoken_interval(told, places),
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


def _signed(value: float, places: int) -> str:
    from nba_engine.learning.evaluation import number

    shown = number(value, places)
    return f"+{shown}" if value > 0 else shown
