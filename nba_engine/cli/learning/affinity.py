"""`nba affinity fit`: what customers answer to and prefer, from what they did."""

from __future__ import annotations

import datetime as dt
import json
import math
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

import click
import msgspec
import numpy as np
from rich.table import Table

from nba_engine.cli.learning.extra import learn_extra
from nba_engine.cli.learning.options import (
    hold_out_option,
    json_option,
    read_duration,
    report_option,
    seed_option,
)
from nba_engine.cli.output import output, progress_bar, say, settings_option
from nba_engine.errors import NbaError

if TYPE_CHECKING:
    from nba_engine.app.learning import Learnable
    from nba_engine.domain import AggregateSpec, DecisionRecord, Store
    from nba_engine.domain.fitted import FittedTable
    from nba_engine.domain.values import FloatArray
    from nba_engine.learning.affinity import Finding, ScoreFinding
    from nba_engine.learning.interactions import Interactions

__all__ = ["affinity_group", "kept_words"]

_PATIENCE = "14d"


@click.group("affinity")
def affinity_group() -> None:
    """What customers answer to and prefer: channels, incentives, tones, kinds of goods.

    \b
    nba affinity fit                    learn what is usual, and how much customers differ
    """  # noqa: D301 (click reads the backspace as: keep these lines)


@affinity_group.command("fit")
@settings_option
@click.option(
    "--patience",
    default=_PATIENCE,
    show_default=True,
    callback=read_duration,
    help="Contacts of the last so many days may still be answered, and do not count.",
)
@hold_out_option(0.25, of="time")
@report_option("affinities.html beside the table")
@seed_option()
@json_option
@learn_extra()
def fit_command(
    settings: Path,
    patience: float,
    hold_out: float,
    report: Path | None,
    seed: int,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> int:
    """Fit the aggregates of kinds affinity and share, and calibrate the treatment score.

    Learns what is usual and how far customers differ from the interactions that the store holds, and
    how far that shows in responses from the decision log. Each is judged on the last part of the
    time: what predicts it no better than what is usual is refused, and customers count as alike in
    it. Running servers switch to what is kept. When nothing is kept, the exit code is 1.

    \b
    nba affinity fit
    nba affinity fit --patience 30d --json
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.app.affinities import keep_fitted
    from nba_engine.app.learning import open_learnable
    from nba_engine.learning.affinity.report import report_affinities

    random = np.random.default_rng(seed)
    with open_learnable(settings) as opened:
        specs = [
            spec
            for spec in opened.catalog.aggregates.values()
            if spec.kind in {"affinity", "share"}
        ]
        if not specs:
            raise NbaError(
                "the catalog declares no aggregate of kind affinity or share; add one: "
                '[aggregates.channel_affinity] kind = "affinity", types = ["impression"], '
                'positive = ["accept"], by = "channel", half_life = "90d"'
            )
        found, findings, score = _fit(opened, specs, patience, hold_out, random)
        told = opened.settings
    until = _day(float(found.time.max())) if len(found.time) else "now"
    page = report or told.affinities.path.with_name("affinities.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    report_affinities(findings, score, source="What the store holds", until=until).write(page)
    kept = any(one.fitted is not None for one in findings)
    version, in_force = "", False
    if kept or any(one.judged for one in findings):
        version, in_force = keep_fitted(
            settings, told, lambda table: _changed(table, findings, score)
        )
    if as_json:
        output.print_json(json.dumps(_figures(findings, score, page, version, in_force, seed)))
    else:
        _print(findings, score)
        say(kept_words(told.affinities.path, version, in_force=in_force))
        say(f"report: {page} (seed {seed})")
    return 0 if kept else 1


def _fit(
    opened: Learnable,
    specs: Sequence[AggregateSpec],
    patience: float,
    hold_out: float,
    random: np.random.Generator,
) -> tuple[Interactions, list[Finding], ScoreFinding]:
    from nba_engine.engine import facts_of
    from nba_engine.learning.affinity import fit_aggregate, read_fields
    from nba_engine.learning.interactions import read_interactions

    types, fields = read_fields(specs)
    with progress_bar() as bar:
        task = bar.add_task("reading what customers did", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        found = read_interactions(opened.store, types=types, fields=fields, progress=progress)
        segments = _segments(opened, found, specs)
        facts = facts_of(opened.catalog)
        bar.update(task, description="fitting", completed=0, total=len(specs) + 1)
        findings = []
        for spec in specs:
            findings.append(
                fit_aggregate(
                    found,
                    spec,
                    facts=facts,
                    **segments.get(spec.segment, {}),
                    hold_out=hold_out,
                    patience=patience,
                    random=random,
                )
            )
            bar.advance(task)
        bar.update(task, description="reading decisions")
        score = _score(opened, specs, findings, found, segments, hold_out, patience, random)
        bar.advance(task)
    return found, findings, score


class _Segments(TypedDict, total=False):
    segment_of: list[str]
    segment_since: list[float]


def _segments(
    opened: Learnable, found: Interactions, specs: Sequence[AggregateSpec]
) -> dict[str, _Segments]:
    """By attribute: what each customer has of it, "" for none; and since when."""
    names = {spec.segment for spec in specs} - {""}
    segments = {name: _Segments(segment_of=[], segment_since=[]) for name in names}
    identity_of = _an_identity_of_each(opened.store) if names else {}
    for customer in found.customer_ids if names else ():
        page = opened.store.history(customer, after=2**62)
        known = opened.store.identities(identity_of.get(customer, ""))
        for name, one in segments.items():
            value = None if page is None else page.state.attributes.get(name)
            one["segment_of"].append(value if isinstance(value, str) else "")
            since = math.inf if known is None else known.stamps.get(name, math.inf)
            one["segment_since"].append(float(since))
    return segments


def _an_identity_of_each(store: Store) -> dict[str, str]:
    found: dict[str, str] = {}
    page = store.customer_ids()
    while page.customer_ids:
        found.update(zip(page.customer_ids, page.identities, strict=False))
        if not page.more:
            break
        page = store.customer_ids(before=page.more)
    return found


def _score(
    opened: Learnable,
    specs: Sequence[AggregateSpec],
    findings: Sequence[Finding],
    found: Interactions,
    segments: dict[str, _Segments],
    hold_out: float,
    patience: float,
    random: np.random.Generator,
) -> ScoreFinding:
    """Calibrate the treatment score on the decision log.

    What follows the cut is predicted by what was usual before it, so the log is read twice.
    """
    from nba_engine.engine import facts_of
    from nba_engine.learning.affinity import Scored, ScoreRows, cut_of, fit_score, prior_before
    from nba_engine.learning.as_read import catalogs_by_version
    from nba_engine.learning.decisions import read_decisions
    from nba_engine.store import open_log_reader

    fitted = {one.name: one.fitted for one in findings if one.fitted is not None}
    aggregates = {
        spec.name: msgspec.structs.replace(spec, prior=fitted[spec.name].prior)
        for spec in specs
        if spec.name in fitted
    }
    catalog_of = catalogs_by_version(opened.store, opened.load, opened.catalog)
    rows = ScoreRows(opened.catalog, aggregates, catalog_of)
    with ExitStack() as opens:

        def records() -> Iterable[DecisionRecord]:
            return ()

        if opened.settings.store.decision_log.exists():  # made with the first decision
            log = open_log_reader(opened.settings.store.decision_log)
            opens.callback(log.close)
            records = log.records
        decisions = read_decisions(
            rows.through(records()), opened.store, opened.catalog, catalog_of
        )
        usable = decisions.usable
        moment = cut_of(decisions.time[usable], hold_out)
        facts = facts_of(opened.catalog)
        before = {
            name: msgspec.structs.replace(
                spec,
                prior=prior_before(
                    found,
                    spec,
                    moment=moment,
                    facts=facts,
                    patience=patience,
                    **segments.get(spec.segment, {}),
                ),
            )
            for name, spec in aggregates.items()
        }
        then = ScoreRows(opened.catalog, before, catalog_of)
        for _ in then.through(records() if aggregates else ()):
            pass

    def table(logs: list[list[float]]) -> FloatArray:
        found = np.array(logs, dtype=np.float64)
        return found.reshape(len(usable), len(aggregates))[usable]

    return fit_score(
        Scored(
            names=tuple(aggregates),
            customer=decisions.customer.code[usable],
            time=decisions.time[usable],
            propensity=np.array(rows.propensity, dtype=np.float64)[usable],
            affinity=table(rows.affinity),
            then=table(then.affinity) if aggregates else None,
            answered=decisions.label[usable],
        ),
        hold_out=hold_out,
        random=random,
    )


def _changed(table: FittedTable, findings: Sequence[Finding], score: ScoreFinding) -> FittedTable:
    """The table with what is new; what there was too little to judge by stays as it was."""
    aggregates = dict(table.aggregates)
    for one in findings:
        if one.fitted is not None:
            aggregates[one.name] = one.fitted
        elif one.judged:
            aggregates.pop(one.name, None)
    return msgspec.structs.replace(table, aggregates=aggregates, score=score.score)


def kept_words(path: Path, version: str, *, in_force: bool) -> str:
    """What became of the table."""
    if not version:
        return f"{path}: left as it was"
    then = "in force" if in_force else "a server reads it when it starts"
    return f"{path}: version {version}, {then}"


def _print(findings: Sequence[Finding], score: ScoreFinding) -> None:
    from nba_engine.learning.affinity import ScoreFinding
    from nba_engine.learning.affinity.report import verdict

    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("what", no_wrap=True)
    for heading in ("rows", "customers", "log-loss", "alike", "saved"):
        table.add_column(heading, justify="right", no_wrap=True)
    told: list[Finding | ScoreFinding] = [*findings, score]
    for one in told:
        if not one.losses:
            continue
        if isinstance(one, ScoreFinding):
            name, rows, customers = "treatment score", f"{one.contacts:,}", ""
            mine, best = one.losses["treatment score"], one.losses["propensity, calibrated"]
        else:
            name, rows, customers = one.name, f"{one.rows:,}", f"{one.customers:,}"
            mine = one.losses["fitted"]
            best = next(loss for key, loss in one.losses.items() if key.startswith("everybody"))
        table.add_row(
            name, rows, customers, f"{mine:.4f}", f"{best:.4f}", f"{1 - mine / best:+.1%}"
        )
    if table.row_count:
        output.print(table)
    for one in told:
        say(verdict(one))


def _figures(
    findings: Sequence[Finding],
    score: ScoreFinding,
    page: Path,
    version: str,
    in_force: bool,  # noqa: FBT001
    seed: int,
) -> dict[str, Any]:
    return {
        "version": version or None,
        "in_force": in_force,
        "report": str(page),
        "seed": seed,
        "aggregates": [msgspec.to_builtins(one) for one in findings],
        "treatment_score": msgspec.to_builtins(score),
    }


def _day(time: float) -> str:
    return dt.datetime.fromtimestamp(time, dt.UTC).strftime("%Y-%m-%d")
