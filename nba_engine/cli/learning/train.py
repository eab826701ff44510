"""`nba train`: a propensity model from the decision log, from history, or from a plain table."""

from __future__ import annotations

import json
import math
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.table import Table

from nba_engine.cli.learning.elsewhere import Told, interactions_of
from nba_engine.cli.learning.extra import learn_extra
from nba_engine.cli.learning.options import (
    hold_out_option,
    json_option,
    logs_elsewhere,
    read_duration,
    report_option,
    seed_option,
)
from nba_engine.cli.output import counted, output, progress_bar, say, settings_option

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from nba_engine.app.learning import Learnable
    from nba_engine.learning.training import Examples, Trained

__all__ = ["train_command"]


@click.command("train")
@settings_option
@click.option(
    "--from",
    "source",
    type=click.Choice(["decisions", "history"]),
    default="decisions",
    show_default=True,
    help="Learn from what was recommended, or from what customers did by themselves.",
)
@logs_elsewhere
@click.option(
    "--every", callback=read_duration, metavar="14d", help="history: from moment to moment."
)
@click.option(
    "--moments",
    type=click.IntRange(min=3),
    default=18,
    show_default=True,
    help="history: how many.",
)
@click.option(
    "--assume-known",
    multiple=True,
    metavar="NAME",
    help="A feature that was known at the time, although nothing on record says so. Repeatable.",
)
@click.option(
    "--table",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="A plain table (.parquet, .csv) instead of a store; no settings are read.",
)
@click.option("--label", metavar="COLUMN", help="--table: how it ended, 0 or 1.")
@click.option("--time", "time_", metavar="COLUMN", help="--table: when it was decided.")
@click.option("--customer", metavar="COLUMN", default="", help="--table: whose row it is.")
@click.option("--action", metavar="COLUMN", default="", help="--table: what was offered.")
@click.option(
    "--window", callback=read_duration, metavar="14d", help="--table: label known so late."
)
@click.option(
    "--features",
    metavar="NAME,NAME",
    default="",
    help="Only these columns, or features of the catalog.",
)
@click.option(
    "--model",
    type=click.Choice(["auto", "logistic", "lightgbm"]),
    default="auto",
    show_default=True,
    help="auto takes what is better on the validation period.",
)
@click.option(
    "--calibration",
    type=click.Choice(["auto", "platt", "isotonic", "none"]),
    default="auto",
    show_default=True,
    help="How scores become probabilities.",
)
@click.option(
    "--refit",
    is_flag=True,
    help="Train what is kept once more, with what was held out to show that it works.",
)
@click.option("--wide", is_flag=True, help="One model over the customer, with a score per action.")
@click.option("--name", default="propensity", show_default=True, help="Of the model.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder to write. Default: a version in the registry; with --table models/<name>.",
)
@report_option("<name>-report.html")
@hold_out_option(0.15, of="examples", least=0.02)
@seed_option()
@click.option("--threads", default=0, help="For boosted trees; 0: all cores.")
@json_option
@learn_extra()
def train_command(settings: Path, table: Path | None, **options: Any) -> int:
    """Train a model that says how likely an action succeeds, and prove it on later data.

    Examples are what was recommended and how it ended, by [outcomes] and [features] of the catalog;
    features are as they were at the time of the decision. The data is split by time: trained on
    the first part, chosen and calibrated on the next, measured on the last. A model that does not
    beat the action's popularity and the customer's own frequency is not kept, and the exit code is 1.

    The model becomes a version in the registry. It is not put in force: nba model promote does.

    \b
    nba train                                from the decision log of nba.toml
    nba train --log parquet                  from exported decisions, outcomes from the store
    nba train --from history --every 14d     from what customers did
    nba train --table visits.csv --label bought --time day --customer customer --action offer
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    _check_usage(table, options)
    with progress_bar(counted=False) as bar:
        task = bar.add_task("reading", total=None)
        if table is not None:
            return _of_table(table, options, bar, task)
        return _of_settings(settings, options, bar, task)


def _check_usage(table: Path | None, options: dict[str, Any]) -> None:
    if table is None:
        given = [name for name in ("label", "time_", "customer", "action") if options[name]]
        if given or options["window"] is not None:
            raise click.UsageError("--label, --time, --customer, --action, --window need --table")
    elif not options["label"] or not options["time_"]:
        raise click.UsageError("--table needs --label COLUMN and --time COLUMN")
    elif _about_a_store(options):
        raise click.UsageError(
            "--from, --log, --interactions and --assume-known are about a store, not --table"
        )
    if options["source"] == "history" and options["exported"]:
        raise click.UsageError("--log holds decisions: it does not go with --from history")
    if options["source"] != "history" and options["every"] is not None:
        raise click.UsageError("--every needs --from history")


def _about_a_store(options: dict[str, Any]) -> bool:
    names = ("exported", "interactions", "assume_known")
    return options["source"] == "history" or any(options[name] for name in names)


def _names(options: dict[str, Any]) -> tuple[str, ...]:
    return tuple(name.strip() for name in options["features"].split(",") if name.strip())


def _of_table(path: Path, options: dict[str, Any], bar: Progress, task: TaskID) -> int:
    from nba_engine.learning.training import examples_of_table

    examples = examples_of_table(
        path,
        label=options["label"],
        time=options["time_"],
        features=_names(options),
        customer=options["customer"],
        action=options["action"],
        window=options["window"] or 0.0,
    )
    out = options["out"] or Path("models") / options["name"]
    label = f"{options['label']} of {path.name}"
    last = out if (out / "manifest.toml").is_file() else None
    trained = _trained(examples, options, last, bar, task)
    return _kept(trained, options, label, out=out, bar=bar)


def _of_settings(settings: Path, options: dict[str, Any], bar: Progress, task: TaskID) -> int:
    from nba_engine.app.learning import open_learnable
    from nba_engine.learning.training import label_words
    from nba_engine.models.registry import ModelRegistry

    with (
        interactions_of(options["interactions"], bar) as told,
        open_learnable(settings, otherwise=told.store) as found,
    ):
        examples = _examples(found, told, options, bar, task)
        label = label_words(found.catalog, examples.actions)
        catalog = found.catalog.version
        registry = ModelRegistry(found.settings.registry.path)
    out: Path | None = options["out"]
    if out is not None:
        last = out if (out / "manifest.toml").is_file() else None
        trained = _trained(examples, options, last, bar, task)
        return _kept(trained, options, label, out=out, catalog=catalog, bar=bar)
    promoted = registry.current(options["name"])
    last = registry.version(options["name"]).folder if promoted is not None else None
    trained = _trained(examples, options, last, bar, task)
    return _kept(trained, options, label, registry=registry, catalog=catalog, bar=bar)


def _examples(
    found: Learnable, told: Told, options: dict[str, Any], bar: Progress, task: TaskID
) -> Examples:
    from nba_engine.learning.as_read import catalogs_by_version, fitted_by_version
    from nba_engine.learning.parquet_log import ParquetLog
    from nba_engine.learning.training import examples_of_decisions, examples_of_history
    from nba_engine.models import load_table
    from nba_engine.store import open_log_reader

    tables = {
        name: load_table(path) for name, path in found.settings.tables.items() if path.is_file()
    }

    def progress(done: int, total: int) -> None:
        bar.update(task, completed=done, total=total)

    shared: dict[str, Any] = {
        "tables": tables,
        "names": _names(options),
        "assumed": frozenset(options["assume_known"]),
        "progress": progress,
        "until": told.until,
    }
    store = told.store or found.store
    if options["source"] == "history":
        bar.update(task, description="reading what customers did")
        return examples_of_history(
            store,
            found.catalog,
            every=options["every"],
            most_moments=options["moments"],
            seed=options["seed"],
            **shared,
        )
    bar.update(task, description="reading decisions")
    shared["catalog_of"] = catalogs_by_version(found.store, found.load, found.catalog)
    shared["fitted_of"] = fitted_by_version(found.settings.affinities.path)
    if options["exported"] is not None:
        exported = ParquetLog(options["exported"])
        return examples_of_decisions(exported.records, store, found.catalog, **shared)
    log = open_log_reader(found.settings.store.decision_log)
    try:
        return examples_of_decisions(log.records, store, found.catalog, **shared)
    finally:
        log.close()


def _trained(
    examples: Examples, options: dict[str, Any], last: Path | None, bar: Progress, task: TaskID
) -> Trained:
    from nba_engine.learning.training import Options, train

    return train(
        examples,
        Options(
            model=options["model"],
            calibration=options["calibration"],
            signature="wide" if options["wide"] else "row",
            test=options["hold_out"],
            seed=options["seed"],
            threads=options["threads"],
            refit=options["refit"],
        ),
        last=last,
        tell=lambda what: bar.update(task, description=what, completed=0, total=None),
    )


def _kept(
    trained: Trained,
    options: dict[str, Any],
    label: str,
    *,
    bar: Progress,
    out: Path | None = None,
    registry: Any = None,
    catalog: str = "",
) -> int:
    """Export, report, print; 1 when the model beats nothing."""
    from nba_engine.learning.training import export, report_of

    name = options["name"]
    page = options["report"] or Path(f"{name}-report.html")
    where = ""
    version = ""
    with _draft(out) as draft:
        if trained.verdict.beats:
            manifest = export(trained, draft, name=name, label=label, catalog=catalog)
            version, where = manifest.version, str(draft)
            if registry is not None:
                added = registry.add(name, draft, note=label)
                version, where = added.version, str(added.folder)
    report_of(trained, name=name, label=label).write(page)
    bar.stop()
    if options["as_json"]:
        output.print_json(json.dumps(_figures(trained, where, version, page)))
    else:
        _print(trained, page)
        if where:
            say(f"model: {where}")
        if registry is not None and version:
            say(f"put it in force with: nba model promote {name} {version}")
    return 0 if trained.verdict.beats else 1


@contextmanager
def _draft(out: Path | None) -> Iterator[Path]:
    """The folder to export to: one that goes, when the registry takes a copy."""
    if out is not None:
        yield out
        return
    with tempfile.TemporaryDirectory(prefix="nba-train-") as folder:
        yield Path(folder) / "model"


def _figures(trained: Trained, where: str, version: str, page: Path) -> dict[str, Any]:
    import msgspec

    split, last = trained.split, trained.last
    found = {
        "beats_baselines": trained.verdict.beats,
        "model": where or None,
        "version": version or None,
        "report": str(page),
        "method": trained.choice.fitted.method,
        "calibration": sorted({one.kind for one in trained.choice.fitted.calibrations}),
        "examples": {
            "train": len(split.train),
            "validation": len(split.validation),
            "held_out": len(trained.test),
            "between_periods": split.between,
            **split.train.left_out,
        },
        "held_out": msgspec.to_builtins(trained.figures),
        "log_loss_saved": msgspec.to_builtins(trained.verdict.gains),
        "validation_log_loss": dict(trained.choice.tried),
        "importance": dict(trained.importance),
        "drift": {} if last is None else {name or "score": v for name, v in last.drift.items()},
        "last_model": None if last is None else msgspec.to_builtins(last.figures),
        "warnings": list(trained.warnings),
        "seed": trained.options.seed,
        "refitted": trained.refitted is not None,
    }
    return {key: _finite(value) for key, value in found.items()}


def _finite(value: Any) -> Any:
    """JSON knows no NaN."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print(trained: Trained, page: Path) -> None:
    from nba_engine.learning.training import refit_words

    table = Table(box=None, pad_edge=False, header_style="dim")
    headings = ("held out", "log-loss", "AUC", "calibration", "lift at 10%")
    for place, heading in enumerate(headings):
        table.add_column(heading, justify="right" if place else "left", no_wrap=True)
    rows = dict(trained.figures)
    if trained.last is not None and trained.last.figures is not None:
        rows["last model"] = trained.last.figures
    for who, one in rows.items():
        name = f"model ({trained.choice.fitted.method})" if who == "model" else who
        cells = (f"{one.log_loss:.4f}", f"{one.auc:.3f}", f"{one.ece:.4f}", f"{one.lift:.1f}")
        table.add_row(name, *cells)
    output.print(table)
    split = trained.split
    used = len(split.train) + len(split.validation) + len(trained.test)
    say(f"{counted(used, 'examples')}, {counted(len(trained.test), 'examples')} held out")
    for why, count in split.train.left_out.items():
        say(f"  left out, {why}: {count:,}", style="dim")
    for warning in trained.warnings:
        say(f"warning: {warning}", style="yellow")
    say(trained.verdict.words, style="green" if trained.verdict.beats else "bold red")
    if trained.refitted is not None:
        say(refit_words(trained))
    say(f"report: {page} (seed {trained.options.seed})")
