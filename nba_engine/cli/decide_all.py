"""`nba decide-all`: everybody's next best action now, to a Parquet file."""

from __future__ import annotations

import importlib.util
import math
import time as clock
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec
from rich.progress import TextColumn
from rich.table import Table

from nba_engine.app import make_batch_engine, open_logged
from nba_engine.app.everyone import Everyone, PartSums, build_share
from nba_engine.app.everyone_run import Run, all_customers
from nba_engine.cli.decide import context_of, moment_of, placement_of
from nba_engine.cli.everybody import store_of
from nba_engine.cli.output import counted, errors, output, progress_bar, say, settings_option
from nba_engine.domain import CatalogView, PlacementRequest
from nba_engine.domain.words import spoken_money
from nba_engine.engine import standing
from nba_engine.errors import FailedPrecondition

__all__ = ["decide_all_command"]

_MICROS = 1_000_000


@click.command("decide-all")
@settings_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("decisions.parquet"),
    show_default=True,
    help="The Parquet file to write.",
)
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME",
    help="All placements of a channel; may be repeated.",
)
@click.option(
    "-p",
    "--placement",
    "placements",
    multiple=True,
    metavar="NAME[:SLOTS]",
    help="A placement to fill; may be repeated. Default: every placement of the catalog.",
)
@click.option(
    "-c", "--context", "context", multiple=True, metavar="NAME=VALUE", help="As for nba decide."
)
@click.option(
    "--identities",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with an identity per line: decide for these instead of all customers.",
)
@click.option("--time", help="Decide as of this time; default: now.")
@click.option("--seed", type=int, default=0, show_default=True, help="Seed of what is drawn.")
@click.option("--batch-engine", metavar="NAME", help="Another batch engine than the settings name.")
@click.option(
    "--partition",
    type=click.IntRange(min=1),
    default=2_000,
    show_default=True,
    help="Customers in a partition.",
)
@click.option("--fresh", is_flag=True, help="Begin anew what was broken off.")
@click.option("--json", "as_json", is_flag=True, help="Print the summary as JSON.")
def decide_all_command(
    settings: Path,
    out: Path,
    channels: tuple[str, ...],
    placements: tuple[str, ...],
    context: tuple[str, ...],
    identities: Path | None,
    time: str | None,
    seed: int,
    batch_engine: str | None,
    partition: int,
    *,
    fresh: bool,
    as_json: bool,
) -> int:
    """Everybody's next best action now: decide for all customers, and reserve nothing.

    A dry run: each customer gets the answer that nba decide would give now, whatever the others get.
    Nothing is logged and no limit is drawn on, so all together may want more than a limit that they
    share has left; the summary tells where. Servers may be serving meanwhile.

    Run again after it was broken off, it goes on where it was, as of the same moment.

    \b
    nba decide-all --channel email --out newsletter.parquet
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if importlib.util.find_spec("pyarrow") is None:
        raise FailedPrecondition("writing Parquet needs pyarrow: pip install 'nba-engine[data]'")
    began = clock.monotonic()
    with open_logged(settings, with_log=False) as opened:
        store = store_of(opened)
        catalog = opened.snapshot.catalog
        now = clock.time() if time is None else moment_of(time, catalog)
        everyone = Everyone(
            settings=str(settings.resolve()),
            placements=_placements(channels, placements, catalog),
            context=dict(context_of(pair) for pair in context),
            now=now,
            seed=seed,
            catalog=catalog.version,
            models=dict(opened.snapshot.model_versions),
            standing=standing(store, catalog, now=now),
        )
        engine = make_batch_engine(
            opened.settings.batch, opened.register, file=str(settings), name=batch_engine or ""
        )
        run = Run(out)
        if not fresh and run.resume(everyone, timed=time is not None):
            errors.print(f"going on with {run.folder}", style="dim", highlight=False)
        else:
            names = all_customers(store) if identities is None else _lines(identities)
            run.begin(everyone, names, size=partition, by_identity=identities is not None)
    sums = PartSums()
    with progress_bar() as bar:
        bar.columns = (*bar.columns, TextColumn("{task.fields[speed]}"))
        task = bar.add_task("deciding", total=run.plan.customers, speed="")
        batch = engine.open(run.shares(), build_share)
        try:
            for part in run.decide(batch):
                sums.add(part)
                done = sums.customers + sums.gone
                speed = f"{done / max(1e-9, clock.monotonic() - began):,.0f} customers/s"
                bar.update(task, completed=done, speed=speed)
        finally:
            batch.close()
    run.finish()
    seconds = clock.monotonic() - began
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(_plain(sums, catalog, out))).decode())
    else:
        _print(sums, catalog, out, seconds)
    return 0


def _placements(
    channels: tuple[str, ...], placements: tuple[str, ...], catalog: CatalogView
) -> tuple[PlacementRequest, ...]:
    for name in channels:
        if name not in catalog.channels:
            known = ", ".join(sorted(catalog.channels))
            raise click.BadParameter(
                f"there is no channel {name!r}: {known}", param_hint="--channel"
            )
    wanted = [placement_of(text) for text in placements]
    wanted += [
        PlacementRequest(name)
        for name, placement in catalog.placements.items()
        if placement.channel in channels and name not in {one.placement for one in wanted}
    ]
    return tuple(wanted) or tuple(map(PlacementRequest, catalog.placements))


def _lines(path: Path) -> Iterator[str]:
    with path.open(encoding="utf-8") as file:
        for line in file:
            if name := line.strip():
                yield name


def _plain(sums: PartSums, catalog: CatalogView, out: Path) -> dict[str, object]:
    expected = sum(score for _, score, _ in sums.treatments.values())
    return {
        "file": str(out),
        "currency": catalog.currency,
        "expected_value": expected,
        **msgspec.to_builtins(sums),
    }


def _print(sums: PartSums, catalog: CatalogView, out: Path, seconds: float) -> None:
    currency = catalog.currency
    say(
        f"{out}: {counted(sums.customers, 'customers')}, {counted(sums.nothing, 'of them')} nothing"
    )
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("treatment", overflow="fold")
    for heading in ("customers", "expected value", "cost"):
        table.add_column(heading, justify="right", no_wrap=True)
    ranked = sorted(sums.treatments.items(), key=lambda item: (-item[1][1], item[0]))
    for name, (count, score, cost) in ranked:
        told = (spoken_money(score, currency), spoken_money(cost, currency))
        table.add_row(name, f"{count:,}", *told)
    output.print(table)
    expected = sum(score for _, score, _ in sums.treatments.values())
    say(f"expected value {spoken_money(expected, currency)}, after all costs")
    _print_limits(sums, catalog)
    for count, what in (
        (sums.gone, "merged or erased since the run began: left out"),
        (sums.unknown, "unknown: decided on context and priors"),
        *((count, f"decided without {word}") for word, count in sorted(sums.degraded.items())),
    ):
        if count:
            say(f"{count:,} {what}", style="yellow")
    rate = sums.customers / max(seconds, 1e-9)
    say(
        f"nothing is reserved, nothing logged; {seconds:,.1f} s, {rate:,.0f} customers/s",
        style="dim",
    )


def _print_limits(sums: PartSums, catalog: CatalogView) -> None:
    limits = {limit.id: limit for limit in catalog.limits}
    for account, (limit, units, ceiling) in sorted(sums.accounts.items()):
        money = limits[limit].measure == "money"
        wanted, most = (
            (
                spoken_money(units / _MICROS, catalog.currency),
                spoken_money(ceiling / _MICROS, catalog.currency),
            )
            if money
            else (f"{units:,}", f"{ceiling:,}")
        )
        if limits[limit].amount == math.inf:  # only a minimum
            say(
                f"{limits[limit].name} ({account}): {wanted} wanted of at least "
                f"{limits[limit].at_least:,}"
            )
            continue
        over = units > ceiling
        style = "bold yellow" if over else ""
        more = ": more than there is, so not all of them can be carried out" if over else ""
        say(f"{limits[limit].name} ({account}): {wanted} wanted of {most}{more}", style=style)
