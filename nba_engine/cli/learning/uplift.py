"""`nba uplift fit`: what showing an action changes, from a randomized log."""

from __future__ import annotations

import datetime as dt
import json
import math
import time as clock
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
from rich.table import Table

from nba_engine.cli.learning.extra import learn_extra
from nba_engine.cli.learning.options import (
    file_or_settings,
    json_option,
    report_option,
    seed_option,
)
from nba_engine.cli.output import output, progress_bar, say
from nba_engine.cli.replay import moment_option, tell_unread
from nba_engine.domain import DecisionRecord
from nba_engine.errors import FailedPrecondition, NotFound
from nba_engine.settings import load_settings

if TYPE_CHECKING:
    from nba_engine.domain import CatalogView
    from nba_engine.learning.uplift import Trials, Uplift

__all__ = ["uplift_group"]

_STEPS = 4


@click.group("uplift")
def uplift_group() -> None:
    """What showing an action changes: for actions with objective = "uplift" in the catalog.

    \b
    nba uplift fit                             from decisions that explored, in the log
    nba uplift fit --since 2026-03-01          from the control group, in the store
    nba uplift fit trial.csv --action wine   from a plain file
    """  # noqa: D301 (click reads the backspace as: keep these lines)


@uplift_group.command("fit")
@file_or_settings
@click.option(
    "--action",
    default="",
    metavar="ID",
    help="The action of the catalog that it is about; of a column `action`, only this one. Default in "
    'the store: every action with objective = "uplift".',
)
@click.option("--without", multiple=True, metavar="COLUMN", help="No feature. Repeatable.")
@click.option(
    "--from",
    "origin",
    type=click.Choice(["decisions", "control"]),
    help="Without FILE: learn from placements that explored, or from a control group. Default: control "
    "with --since, otherwise decisions.",
)
@click.option(
    "--since", metavar="TIME", help="When the control group began; of decisions, the first."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("models/uplift"),
    show_default=True,
    help="Folder of the model.",
)
@report_option("beside the folder, .html")
@seed_option()
@json_option
@learn_extra()
def fit_command(
    file: Path | None,
    settings: Path,
    action: str,
    without: tuple[str, ...],
    origin: str | None,
    since: str | None,
    out: Path,
    report: Path | None,
    seed: int,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> int:
    """Learn from a randomized log what being treated adds to the chance of a positive outcome.

    Without FILE from the decision log: where a placement explored, who was drawn the action for the
    top place was treated, with the probability that was logged. Or, with --since, from a control group
    of the catalog that began then: who is not in it was treated. Features are as of the decision (as of
    then), and the outcome is what customers did by themselves within the action's window after. A
    log that holds no randomization is refused.

    FILE, Parquet or CSV: `treated` and `outcome` (0 or 1), optionally `propensity` (the probability
    of being treated it was drawn with; otherwise the share of the treated), `action` (several trials),
    `customer`, and features: numbers of the customer that the catalog declares under the same names.

    Judged on customers that nothing was fitted to. An action whose effect is not shown to be there is
    left out of the model; without any, nothing is written and the exit code is 1.

    \b
    nba uplift fit --since 2026-03-01          from the control group, in the store
    nba uplift fit trial.csv --action wine
    nba uplift fit trials.parquet --out models/uplift --json
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.learning.export import Provenance, data_hash
    from nba_engine.learning.uplift import export_uplift, fit_uplift
    from nba_engine.learning.uplift.report import report_uplift

    if file is not None:
        found, source = _of_file(file, action, without), file.name
    elif (origin or ("decisions" if since is None else "control")) == "decisions":
        found, source = _of_decisions(settings, action, since), "decisions that explored"
    else:
        found, source = _of_store(settings, action, since), "the control groups"
    fits: list[Uplift] = []
    refused: dict[str, str] = {}
    with progress_bar() as bar:
        task = bar.add_task("fitting", total=_STEPS * len(found.trials))

        def tick(word: str, name: str) -> None:
            bar.update(task, advance=1, description=f"{name}: {word}")

        for name, trial in found.trials.items():
            try:
                fits.append(
                    fit_uplift(trial, action=name, seed=seed, tick=partial(tick, name=name))
                )
            except FailedPrecondition as error:
                refused[name] = error.message
    if not fits:
        raise FailedPrecondition("; ".join(f"{name}: {why}" for name, why in refused.items()))
    page = report or out.with_name(f"{out.name}.html")
    page.absolute().parent.mkdir(parents=True, exist_ok=True)
    report_uplift(fits, source=source).write(page)
    effects = {one.action: one.effect for one in fits if one.effect is not None}
    if effects:
        export_uplift(
            out,
            effects,
            name=out.name,
            version=f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}",
            features=found.features,
            held_out=found.rows,
            provenance=Provenance(
                label="uplift",
                metrics={f"qini_{one.action}": one.qini.value for one in fits},
                data_hash=data_hash(found.rows),
            ),
        )
    if as_json:
        told = _figures(fits, out, page, bool(effects))
        told |= {"refused": refused, "left_out": found.left_out}
        output.print_json(json.dumps(told))
    else:
        for one in found.left_out:
            say(f"left out: {one}", style="dim")
        _print(fits, out, page)
        for name, why in refused.items():
            say(f"{name}: no, {why}")
    return 0 if effects else 1


def _of_file(file: Path, action: str, without: tuple[str, ...]) -> Trials:
    from nba_engine.learning.uplift import read_trials

    found = read_trials(file, action=action, without=without)
    if not action and "" in found.trials:
        raise click.UsageError(
            "the file has no column `action`: say which one it is, with --action"
        )
    return found


def _of_decisions(settings: Path, action: str, since: str | None) -> Trials:
    from nba_engine.app import open_logged
    from nba_engine.engine import ranked_by
    from nba_engine.learning.as_read import fitted_by_version
    from nba_engine.learning.uplift.explored import trials_in_log

    try:
        opened = open_logged(settings)
    except NotFound as error:
        raise NotFound(
            f"{error.message}; or name the begin of a control group with --since"
        ) from None
    with opened as logged, progress_bar() as bar:
        tell_unread(logged)
        catalog = logged.snapshot.catalog
        actions = [action] if action else _by_uplift(catalog)
        moment = moment_option(since, catalog)
        deciding = bar.add_task("reading decisions", total=logged.log.count(since=moment))
        outcomes = bar.add_task("reading outcomes", total=None)

        def records() -> Iterator[DecisionRecord]:
            for record in logged.log.records(since=moment):
                yield record
                bar.advance(deciding)

        return trials_in_log(
            records(),
            logged.store,
            catalog,
            logged.catalog_of,
            lambda record: ranked_by(logged.of(record), record),
            actions=actions,
            fitted_of=fitted_by_version(load_settings(settings).affinities.path),
            progress=lambda done, total: bar.update(outcomes, completed=done, total=total),
        )


def _of_store(settings: Path, action: str, since: str | None) -> Trials:
    from nba_engine.app.learning import open_learnable
    from nba_engine.learning.uplift.control import trials_in_store

    if since is None:
        raise click.UsageError("say when the control group began, with --since (or name a FILE)")
    with open_learnable(settings) as learnable, progress_bar() as bar:
        catalog = learnable.catalog
        actions = [action] if action else _by_uplift(catalog)
        task = bar.add_task("reading customers", total=None)
        return trials_in_store(
            learnable.store,
            catalog,
            actions=actions,
            since=moment_option(since, catalog),
            now=clock.time() if not learnable.store.simulated else math.inf,
            progress=lambda done, total: bar.update(task, completed=done, total=total),
        )


def _by_uplift(catalog: CatalogView) -> list[str]:
    wanted = [one.id for one in catalog.actions if one.objective == "uplift"]
    if not wanted:
        raise click.UsageError(
            'no action of the catalog has objective = "uplift": say which one it is, with --action'
        )
    return wanted


def _figures(fits: Sequence[Uplift], out: Path, page: Path, written: bool) -> dict[str, Any]:  # noqa: FBT001
    return {
        "model": str(out) if written else None,
        "report": str(page),
        "actions": [
            {
                "action": one.action,
                "effect": one.kind if one.effect is not None else None,
                "rows": one.customers,
                "treated": one.treated,
                "judged": one.judged,
                "average": msgspec.to_builtins(one.average),
                "qini": msgspec.to_builtins(one.qini),
                "qini_by_propensity": msgspec.to_builtins(one.by_propensity),
                "gain": msgspec.to_builtins(one.gain),
                "tenths": {"predicted": one.told.tolist(), "measured": one.deciles.tolist()},
            }
            for one in fits
        ],
        "seed": fits[0].seed,
    }


def _print(fits: Sequence[Uplift], out: Path, page: Path) -> None:
    from nba_engine.learning.uplift.report import verdict

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("action", "treated", "not", "average", "Qini", "95% interval", "by propensity"):
        table.add_column(heading, justify="left" if heading == "action" else "right", no_wrap=True)
    for one in fits:
        table.add_row(
            one.action,
            f"{one.treated:,}",
            f"{one.customers - one.treated:,}",
            f"{100 * one.average.value:+.1f} pts",
            f"{one.qini.value:.4f}",
            f"{one.qini.low:.4f} to {one.qini.high:.4f}",
            f"{one.by_propensity.value:.4f}",
        )
    output.print(table)
    for one in fits:
        say(verdict(one))
    if any(one.effect is not None for one in fits):
        say(f"{out}: model; let the stage uplift read it")
    say(f"report: {page} (seed {fits[0].seed})")
