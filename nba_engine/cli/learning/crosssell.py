"""`nba crosssell fit`: the table of what goes with what, from baskets."""

from __future__ import annotations

import json
from collections.abc import Mapping
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

if TYPE_CHECKING:
    from nba_engine.domain import CatalogView
    from nba_engine.learning.cross_sell import Baskets, Fit
    from nba_engine.settings import Settings

__all__ = ["crosssell_group"]

_STEPS = 18  # strengths tried, judged, fitted


@click.group("crosssell")
def crosssell_group() -> None:
    """What goes with what: the table by which complements of what was bought are raised.

    \b
    nba crosssell fit                   learn it from the store's purchases
    nba crosssell fit receipts.csv      or from a plain file
    """  # noqa: D301 (click reads the backspace as: keep these lines)


@crosssell_group.command("fit")
@file_or_settings
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="The table to write (.npz). Default: the one in [tables] of the settings, or "
    "complements.npz with FILE.",
)
@report_option("beside the table, .html")
@click.option(
    "--item",
    metavar="PROPERTY",
    default="",
    help="Of purchases: what was bought. Default: as the stage cross_sell has it.",
)
@click.option(
    "--basket",
    metavar="PROPERTY",
    default="",
    help="Of purchases: the receipt. Default: a day of a customer.",
)
@click.option(
    "--substitutes",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="With FILE: a file of `item`, `substitute`; never complements of one another.",
)
@click.option(
    "--most",
    default=20,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Complements kept per item.",
)
@click.option(
    "--items",
    default=3000,
    show_default=True,
    type=click.IntRange(2, 20_000),
    help="The most frequent items that are counted.",
)
@click.option(
    "--at",
    default=10,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Suggestions that recall is measured with.",
)
@seed_option()
@json_option
@learn_extra()
def fit_command(
    file: Path | None,
    settings: Path,
    out: Path | None,
    report: Path | None,
    item: str,
    basket: str,
    substitutes: Path | None,
    most: int,
    items: int,
    at: int,
    seed: int,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> int:
    """Choose between EASE and shrunk log-lift on held-out baskets, or refuse both.

    Without FILE from the purchases that the store holds, with it from a Parquet or CSV file of
    `basket`, `item` and, if known, `time` and `customer`. Of each held-out basket half is known and
    the rest is to be found. When that works no better than by popularity, nothing is written, the
    old table stays, and the exit code is 1. Substitutes of the catalog are never complements.

    A server reads the table when it starts.

    \b
    nba crosssell fit                                  into the table of nba.toml
    nba crosssell fit --item product --basket receipt  by other properties of purchases
    nba crosssell fit receipts.csv --out goes.npz      from a plain file
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.learning.cross_sell import fit_cross_sell
    from nba_engine.learning.cross_sell.report import report_cross_sell
    from nba_engine.models import save_table

    if file is None:
        if substitutes is not None:
            raise click.UsageError("--substitutes goes with FILE: the catalog says it otherwise")
        baskets, masked, out, source = _of_store(settings, out, item, basket, items)
    else:
        if item or basket:
            raise click.UsageError("--item and --basket name properties in the store, not columns")
        baskets, masked = _of_file(file, substitutes, items)
        out, source = out or Path("complements.npz"), file.name
    if not out.absolute().parent.is_dir():
        raise click.BadParameter(f"there is no folder {out.absolute().parent}", param_hint="--out")
    with progress_bar() as bar:
        task = bar.add_task("fitting", total=_STEPS)
        fit = fit_cross_sell(
            baskets,
            substitutes=masked,
            m=most,
            top=at,
            seed=seed,
            tick=lambda word: bar.update(task, advance=1, description=f"fitting: {word}"),
        )
    page = report or out.with_suffix(".html")
    report_cross_sell(fit, source=source).write(page)
    if fit.table is not None:
        save_table(out, fit.table)
    if as_json:
        output.print_json(json.dumps(_figures(fit, out, page)))
    else:
        _print(fit, out, page)
    return 0 if fit.table is not None else 1


def _of_file(
    file: Path, substitutes: Path | None, items: int
) -> tuple[Baskets, Mapping[str, list[str]]]:
    from nba_engine.learning.cross_sell import baskets_of
    from nba_engine.learning.tables import read_columns

    columns = read_columns(
        file, {"basket": "text", "item": "text"}, optional={"time": "time", "customer": "text"}
    )
    masked: dict[str, list[str]] = {}
    if substitutes is not None:
        pairs = read_columns(substitutes, {"item": "text", "substitute": "text"})
        for one, other in zip(pairs["item"], pairs["substitute"], strict=True):
            masked.setdefault(one, []).append(other)
    baskets = baskets_of(
        columns["basket"],
        columns["item"],
        time=columns.get("time"),
        customer=columns.get("customer"),
        most_items=items,
    )
    return baskets, masked


def _of_store(
    settings: Path, out: Path | None, item: str, basket: str, items: int
) -> tuple[Baskets, Mapping[str, list[str]], Path, str]:
    from nba_engine.app.learning import open_learnable
    from nba_engine.learning.cross_sell import read_purchases, substitutes_of

    with open_learnable(settings) as found:
        table = out or _table_of(found.settings)
        what, types = _bought(found.settings, found.catalog)
        with progress_bar() as bar:
            task = bar.add_task("reading purchases", total=None)
            baskets = read_purchases(
                found.store,
                item=item or what,
                types=types,
                basket=basket,
                most_items=items,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        return baskets, substitutes_of(found.catalog), table, "the purchases in the store"


def _stage(settings: Settings) -> Mapping[str, Any]:
    """The settings of the stage that reads the table."""
    return next((one.settings for one in settings.pipeline if one.stage == "cross_sell"), {})


def _table_of(settings: Settings) -> Path:
    name = str(_stage(settings).get("table", ""))
    if name in settings.tables:
        return settings.tables[name]
    if len(settings.tables) == 1:
        return next(iter(settings.tables.values()))
    raise click.UsageError("the settings name no table for the stage cross_sell: say --out")


def _bought(settings: Settings, catalog: CatalogView) -> tuple[str, tuple[str, ...]]:
    """The property that says what was bought, and the types of interactions that have it."""
    name = str(_stage(settings).get("bought", "last_bought"))
    spec = catalog.aggregates.get(name)
    if spec is None or not spec.by:
        return "category", ("purchase",)
    return spec.by, spec.types


def _figures(fit: Fit, out: Path, page: Path) -> dict[str, Any]:
    return {
        "chosen": fit.chosen,
        "parameter": fit.parameter or None,
        "table": str(out) if fit.table is not None else None,
        "report": str(page),
        "recall_at": fit.top,
        "baskets": dict(zip(("all", "choose", "judge"), fit.baskets, strict=True)),
        "items": len(fit.items),
        "by_time": fit.by_time,
        "judged": [msgspec.to_builtins(one) for one in fit.judged],
        "tried": [msgspec.to_builtins(one) for one in fit.tried],
        "seed": fit.seed,
    }


def _print(fit: Fit, out: Path, page: Path) -> None:
    from nba_engine.learning.cross_sell.report import METHODS, strongest, verdict

    table = Table(box=None, pad_edge=False, header_style="dim")
    for heading in ("method", "shrunk by", f"recall@{fit.top}", "95% interval", "gain", "interval"):
        table.add_column(heading, justify="left" if heading == "method" else "right", no_wrap=True)
    for one in fit.judged:
        popular = one.method == "popularity"
        table.add_row(
            METHODS[one.method],
            "" if popular else f"{one.parameter:g}",
            f"{one.recall.value:.3f}",
            f"{one.recall.low:.3f} to {one.recall.high:.3f}",
            "" if popular else f"{one.gain.value:+.3f}",
            "" if popular else f"{one.gain.low:+.3f} to {one.gain.high:+.3f}",
        )
    output.print(table)
    for item, other, strength in strongest(fit, 5):
        say(f"  {item} → {other} ({strength:.3g})", style="dim")
    say(verdict(fit))
    if fit.table is not None:
        say(f"{out}: {len(fit.table.indices):,} complements of {len(fit.items):,} items")
    say(f"report: {page} (seed {fit.seed})")
