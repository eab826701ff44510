"""`nba segments`: target groups from behavior, their names, and which customer belongs where."""

from __future__ import annotations

import csv
import json
from collections import Counter
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
from nba_engine.cli.learning.segment_profiles import (
    check_attribute,
    read_all,
    tell_written,
    time_of,
    write_profiles,
)
from nba_engine.cli.output import counted, output, progress_bar, say, settings_option
from nba_engine.errors import NbaError

if TYPE_CHECKING:
    from nba_engine.learning.segments import Segments

__all__ = ["segments_group"]

_TOLD = 5  # columns that say nothing

time_option = click.option(
    "--time", help="As of this time (simulated stores only), in the catalog's time zone."
)

_REFERENCES = 12


@click.group("segments")
def segments_group() -> None:
    """Target groups (personas) from behavior: found, named, written to profiles.

    \b
    nba segments fit                    of the store's customers
    nba segments apply                  write edited names, and who belongs where by now
    """  # noqa: D301 (click reads the backspace as: keep these lines)


@segments_group.command("fit")
@file_or_settings
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("models/segments"),
    show_default=True,
    help="Folder of the model; its names stand beside it (.toml).",
)
@click.option(
    "--feature",
    "only",
    multiple=True,
    metavar="NAME",
    help="Only from these columns, attributes, aggregates. Repeatable.",
)
@click.option("--without", multiple=True, metavar="NAME", help="Not from these. Repeatable.")
@click.option(
    "--value",
    default="",
    metavar="NAME",
    help="What a customer is worth: described, not grouped by.",
)
@click.option(
    "--channel",
    "channels",
    multiple=True,
    metavar="NAME",
    help="Contacts or responses by channel: described, not grouped by. Repeatable.",
)
@click.option(
    "--rfm",
    default="recency,frequency,monetary",
    show_default=True,
    metavar="NAMES",
    help="Columns of the baseline.",
)
@click.option(
    "--groups",
    default=0,
    type=click.IntRange(0, 30),
    help="As many as this. Default: as many as there are.",
)
@click.option(
    "--most",
    default=8,
    show_default=True,
    type=click.IntRange(2, 30),
    help="Up to so many are tried.",
)
@click.option(
    "--attribute",
    default="segment",
    show_default=True,
    help="The profile attribute that holds the name.",
)
@click.option(
    "--assignments",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a CSV file of customer, segment.",
)
@report_option("beside the folder, .html")
@time_option
@seed_option()
@json_option
@learn_extra()
def fit_command(
    file: Path | None,
    settings: Path,
    out: Path,
    only: tuple[str, ...],
    without: tuple[str, ...],
    value: str,
    channels: tuple[str, ...],
    rfm: str,
    time: str | None,
    groups: int,
    most: int,
    attribute: str,
    assignments: Path | None,
    report: Path | None,
    seed: int,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> int:
    """Find groups of customers who behave alike, or say that there are none.

    Without FILE from the attributes and aggregates of the store's customers; their profiles then get
    the segment's name, for rules such as customer.segment == "lapsed_big_spenders". With a Parquet or CSV
    file (a line per customer, numbers in columns, optionally `customer`) the settings are not read.

    Segments that were fitted to the same folder before keep ids and names as far as their
    customers are mostly the same. When behavior is no better told by groups than by one, nothing is
    written and the exit code is 1.

    \b
    nba segments fit                               of the store's customers
    nba segments fit --value ad_budget --channel responses_by_channel
    nba segments fit customers.csv --out personas  from a plain file
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.learning.segments.sources import Chosen

    chosen = Chosen(only=only, without=without, value=value, channels=channels)
    page = report or out.with_name(f"{out.name}.html")
    page.absolute().parent.mkdir(parents=True, exist_ok=True)
    options: dict[str, Any] = {"groups": groups, "most": most, "seed": seed}
    if file is not None:
        from nba_engine.learning.segments.sources import behavior_in_table

        behavior, lines = behavior_in_table(file, chosen)
        fit = _fitted(behavior, out, lines, 0.0, rfm=tuple(rfm.split(",")), **options)
        _written(fit, out, page, file.name)
    else:
        fit = _of_store(settings, chosen, out, page, attribute, rfm, time, options)
    if assignments is not None and fit.segments:
        _assigned(fit, assignments)
    if as_json:
        output.print_json(json.dumps(_figures(fit, out, page)))
    else:
        _print(fit, out, page)
    return 0 if fit.segments else 1


@segments_group.command("apply")
@settings_option
@click.option(
    "--model",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("models/segments"),
    show_default=True,
    help="Folder of the model.",
)
@click.option(
    "--attribute",
    default="segment",
    show_default=True,
    help="The profile attribute that holds the name.",
)
@time_option
@learn_extra()
def apply_command(settings: Path, folder: Path, attribute: str, time: str | None) -> None:
    """Write to every profile which segment the customer belongs to by now.

    After names were edited (models/segments.toml), and from time to time: customers change, and new
    ones come. Only profiles that change are written. Servers may be serving.

    \b
    nba segments apply
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.app.learning import open_learnable
    from nba_engine.learning.segments import open_assigner

    assigner = open_assigner(folder)
    if assigner is None:
        raise NbaError(f"there is no model in {folder}: run nba segments fit first")
    with open_learnable(settings) as found:
        check_attribute(found.catalog, attribute)
        now = time_of(time, found.store, found.catalog)
        customers = read_all(found.store, found.catalog, now)
        label = assigner.labels([one.known for one in customers], now)
        names = [assigner.names[group] for group in label.tolist()]
        written, lost = write_profiles(found.store, customers, names, attribute, now)
    shares = Counter(names)
    for name in assigner.names:
        say(f"{name}: {counted(shares[name], 'customers')}")
    tell_written(written, lost)


def _of_store(
    settings: Path,
    chosen: Any,
    out: Path,
    page: Path,
    attribute: str,
    rfm: str,
    time: str | None,
    options: Mapping[str, Any],
) -> Segments:
    from nba_engine.app.learning import open_learnable
    from nba_engine.learning.segments.sources import behavior_in_store

    with open_learnable(settings) as found:
        check_attribute(found.catalog, attribute)
        now = time_of(time, found.store, found.catalog)
        customers = read_all(found.store, found.catalog, now)
        chosen = msgspec.structs.replace(
            chosen, without=(*chosen.without, *({attribute} - set(chosen.without)))
        )
        behavior = behavior_in_store(customers, found.catalog, chosen, now)
        known = [one.known for one in customers]
        fit = _fitted(behavior, out, lambda: known, now, rfm=tuple(rfm.split(",")), **options)
        _written(fit, out, page, "the customers in the store")
        if fit.segments:
            names = [fit.segments[group].name for group in fit.label.tolist()]
            tell_written(*write_profiles(found.store, customers, names, attribute, now))
    return fit


def _fitted(behavior: Any, out: Path, lines: Any, now: float, **options: Any) -> Segments:
    from nba_engine.learning.segments import fit_segments, open_assigner

    before = open_assigner(out)
    last = None
    if before is not None:
        last = before.last(lines(), now)
    with progress_bar() as bar:
        task = bar.add_task("choosing", total=_REFERENCES + 2)
        return fit_segments(
            behavior,
            last=last,
            references=_REFERENCES,
            tick=lambda word: bar.update(task, advance=1, description=word),
            **options,
        )


def _written(fit: Segments, out: Path, page: Path, source: str) -> None:
    from nba_engine.learning.segments import export_segments
    from nba_engine.learning.segments.report import report_segments

    if fit.segments:
        export_segments(out, fit, held_out=fit.behavior.rows)
    report_segments(fit, source=source).write(page)


def _assigned(fit: Segments, file: Path) -> None:
    with file.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["customer", "segment"])
        names = (fit.segments[group].name for group in fit.label.tolist())
        rows.writerows(zip(fit.behavior.customers, names, strict=True))


def _figures(fit: Segments, out: Path, page: Path) -> dict[str, Any]:
    return {
        "groups": len(fit.segments) or 1,
        "forced": fit.forced,
        "customers": len(fit.behavior.customers),
        "model": str(out) if fit.segments else None,
        "report": str(page),
        "segments": [msgspec.to_builtins(one) for one in fit.segments],
        "tried": [
            {**msgspec.to_builtins(one), "gain": one.gain, "real": one.real}
            for one in fit.choice.tried
        ],
        "explained": msgspec.to_builtins(fit.explained),
        "rfm": msgspec.to_builtins(fit.rfm),
        "gain": msgspec.to_builtins(fit.gain),
        "seed": fit.seed,
    }


def _print(fit: Segments, out: Path, page: Path) -> None:
    from nba_engine.learning.segments.report import verdict

    if fit.segments:
        worth = fit.behavior.value_name
        table = Table(box=None, pad_edge=False, header_style="dim")
        for heading in ("segment", "customers", *([worth] if worth else []), "sets it apart"):
            right = heading in ("customers", worth)
            table.add_column(heading, justify="right" if right else "left", overflow="fold")
        for one in fit.segments:
            value = [] if not worth else ["" if one.value is None else f"{one.value:,.2f}"]
            table.add_row(one.name, f"{100 * one.share:.1f}%", *value, one.description)
        output.print(table)
    left_out = fit.behavior.left_out
    for name in left_out[:_TOLD]:
        say(f"left out: {name}", style="dim")
    if len(left_out) > _TOLD:
        say(f"left out: {len(left_out) - _TOLD} more (the report names them)", style="dim")
    say(verdict(fit))
    if fit.segments and fit.explained and fit.rfm:
        say(
            f"explained of the variance of behavior, held out: {100 * fit.explained.value:.1f}%; "
            f"RFM quintile bands: {100 * fit.rfm.value:.1f}%"
        )
        say(f"{out}: model; names to edit: {out}.toml")
    say(f"report: {page} (seed {fit.seed})")
