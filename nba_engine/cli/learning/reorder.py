"""`nba reorder fit`: when a bought thing becomes worth offering again."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec
import numpy as np
from rich.table import Table

from nba_engine.cli.learning.affinity import kept_words
from nba_engine.cli.learning.extra import learn_extra
from nba_engine.cli.learning.options import (
    hold_out_option,
    json_option,
    report_option,
    seed_option,
)
from nba_engine.cli.output import output, progress_bar, say, settings_option
from nba_engine.errors import NbaError

if TYPE_CHECKING:
    from nba_engine.app.learning import Learnable
    from nba_engine.domain import AggregateSpec, CatalogView
    from nba_engine.domain.fitted import FittedTable
    from nba_engine.learning.reorder import ReorderFinding

__all__ = ["reorder_group"]

_SHOWN = 12


@click.group("reorder")
def reorder_group() -> None:
    """When what was bought becomes worth offering again, by customer and category.

    \b
    nba reorder fit                     learn it from the gaps between purchases
    """  # noqa: D301 (click reads the backspace as: keep these lines)


@reorder_group.command("fit")
@settings_option
@click.option(
    "--aggregate",
    metavar="NAME",
    default="",
    help="Which one, if the catalog declares several of kind reorder.",
)
@click.option(
    "--share",
    default=0.25,
    show_default=True,
    type=click.FloatRange(0.01, 0.9),
    help="It is offered again when this part of such customers has bought again.",
)
@hold_out_option(0.25, of="time")
@report_option("reorder.html beside the table")
@seed_option()
@json_option
@learn_extra()
def fit_command(
    settings: Path,
    aggregate: str,
    share: float,
    hold_out: float,
    report: Path | None,
    seed: int,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> int:
    """Fit the aggregate of kind reorder: which categories are bought in cycles, and how fast.

    A category has a cycle when how long ago it was bought says when it is bought again; of what is
    bought at random nothing is kept. Judged on the last part of the time, against one window for all
    (the catalog's owned_for, or 14 days) and the category's median gap: when customers' own windows
    do no better, nothing is kept and the exit code is 1. Running servers switch to what is kept.

    \b
    nba reorder fit
    nba reorder fit --share 0.4         offer later
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.app.affinities import keep_fitted
    from nba_engine.app.learning import open_learnable
    from nba_engine.learning.reorder.report import report_reorder, verdict

    with open_learnable(settings) as opened:
        spec, told = _wanted(opened.catalog, aggregate), opened.settings
        found, until = _fit(opened, spec, share, hold_out, np.random.default_rng(seed))
    page = report or told.affinities.path.with_name("reorder.html")
    page.parent.mkdir(parents=True, exist_ok=True)
    report_reorder(found, source="Purchases of the store", until=until, share=share).write(page)
    version, in_force = "", False
    if found.fitted is not None or found.judged:
        version, in_force = keep_fitted(
            settings, told, lambda table: _changed(table, spec.name, found)
        )
    if as_json:
        output.print_json(json.dumps(_figures(found, page, version, in_force, seed)))
    else:
        _print(found)
        say(verdict(found))
        say(kept_words(told.affinities.path, version, in_force=in_force))
        say(f"report: {page} (seed {seed})")
    return 0 if found.fitted is not None else 1


def _wanted(catalog: CatalogView, name: str) -> AggregateSpec:
    """The aggregate to fit. Raises `NbaError`."""
    specs = {one.name: one for one in catalog.aggregates.values() if one.kind == "reorder"}
    if not specs:
        raise NbaError(
            "the catalog declares no aggregate of kind reorder; add one: "
            '[aggregates.reorder] kind = "reorder", types = ["purchase"], by = "category"'
        )
    if name in specs:
        return specs[name]
    if name or len(specs) > 1:
        raise NbaError(f"name one of the catalog's: --aggregate {' | '.join(specs)}")
    return next(iter(specs.values()))


def _fit(
    opened: Learnable,
    spec: AggregateSpec,
    share: float,
    hold_out: float,
    random: np.random.Generator,
) -> tuple[ReorderFinding, str]:
    from nba_engine.learning.affinity import events_of, read_fields
    from nba_engine.learning.interactions import read_interactions
    from nba_engine.learning.reorder import fit_reorder

    types, fields = read_fields([spec])
    with progress_bar() as bar:
        task = bar.add_task("reading purchases", total=None)

        def progress(done: int, total: int) -> None:
            bar.update(task, completed=done, total=total)

        found = read_interactions(opened.store, types=types, fields=fields, progress=progress)
        bar.update(task, description="fitting")
        finding = fit_reorder(
            events_of(found, spec),
            spec,
            windows=_windows(opened.catalog),
            share=share,
            hold_out=hold_out,
            random=random,
            progress=progress,
        )
    if not len(found.time):
        return finding, "now"
    last = dt.datetime.fromtimestamp(float(found.time.max()), dt.UTC)
    return finding, last.strftime("%Y-%m-%d")


def _windows(catalog: CatalogView) -> dict[str, float]:
    """Days for which each category is not offered now."""
    found: dict[str, float] = {}
    for action in catalog.actions:
        word = action.attributes.get("category", action.id)
        if isinstance(word, str) and action.owned_for > 0:
            found[word] = action.owned_for / 86_400.0
    return found


def _changed(table: FittedTable, name: str, found: ReorderFinding) -> FittedTable:
    aggregates = {key: one for key, one in table.aggregates.items() if key != name}
    if found.fitted is not None:
        aggregates[name] = found.fitted
    return msgspec.structs.replace(table, aggregates=aggregates)


def _print(found: ReorderFinding) -> None:
    kept = sorted(
        (one for one in found.categories if not one.refusal), key=lambda one: -one.purchases
    )
    if kept:
        table = Table(box=None, pad_edge=False, header_style="dim")
        table.add_column("category", no_wrap=True)
        for heading in ("purchases", "shape", "offered after", "usually again after"):
            table.add_column(heading, justify="right", no_wrap=True)
        for one in kept[:_SHOWN]:
            waits = (f"{one.wait or 0:.1f} days", f"{one.usual or 0:.1f} days")
            table.add_row(one.category, f"{one.purchases:,}", f"{one.shape or 0:.2f}", *waits)
        output.print(table)
        if len(kept) > _SHOWN:
            say(f"and {len(kept) - _SHOWN} more", style="dim")
    for name, hits in found.hits.items():
        say(f"  {hits:.1%} of {found.offers:,} offers were in time with {name}")


def _figures(
    found: ReorderFinding,
    page: Path,
    version: str,
    in_force: bool,  # noqa: FBT001
    seed: int,
) -> dict[str, Any]:
    told = {key: value for key, value in msgspec.to_builtins(found).items() if key != "fitted"}
    return {
        **told,
        "kept": found.fitted is not None,
        "version": version or None,
        "in_force": in_force,
        "report": str(page),
        "seed": seed,
    }
