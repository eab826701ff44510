"""`nba model`: versions of models, which one is promoted, and promoting others."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from nba_engine.cli.learning.model_show import shown, table_of_features, table_of_metrics
from nba_engine.cli.output import output, say, settings_option
from nba_engine.models.registry import ModelVersion, Promotion

__all__ = ["model_group"]

_F = TypeVar("_F", bound=Callable[..., Any])
_METRICS = 3  # in the list
_WIDE = 200  # columns of what is not read on a terminal


@click.group("model")
def model_group() -> None:
    """List, show, promote and roll back versions of models.

    A version is a model folder under its content hash in the registry (registry.path). Models of
    nba.toml that are named "registry:NAME" take the version that is promoted; servers of the store
    switch to it within a second or two, all processes at once, and keep the one before if the new
    one fails its checks.

    \b
    nba model add propensity build/model --note "autumn"
    nba model list
    nba model promote propensity 3f2a -m "better on October"
    nba model rollback propensity
    """  # noqa: D301 (click reads the backspace as: keep these lines)


def _said(function: _F) -> _F:
    for option in (
        click.option("-m", "--comment", default="", help="Why, for the history."),
        click.option("--author", default=None, help="Who. Default: your user name."),
        settings_option,
    ):
        function = option(function)
    return function


@model_group.command("add")
@click.argument("name")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--note", default="", help="What it is, for the list.")
@click.option("--author", default=None, help="Who. Default: your user name.")
@settings_option
def add_command(name: str, folder: Path, note: str, author: str | None, settings: Path) -> None:
    """Copy a model FOLDER into the registry as a version of the model NAME.

    It is checked first: manifest, graph, recorded probes. Nothing is promoted. `nba train` does
    this by itself. The same content is one version, however often it is added.

    \b
    nba model add propensity build/model --note "trained on October"
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.app.promoting import check_folder, model_registry

    check_folder(settings, folder)
    one = model_registry(settings).add(name, folder, note=note, author=_author(author))
    say(f"model {name}: version {one.version}")


@model_group.command("list")
@click.argument("names", nargs=-1, metavar="[NAME]…")
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def list_command(
    names: Sequence[str],
    settings: Path,
    as_json: bool,  # noqa: FBT001 (click hands flags over as booleans)
) -> None:
    """List the versions of all models (or of NAME…), the latest added first.

    \b
    nba model list
    nba model list propensity --json
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.app.promoting import model_registry

    registry = model_registry(settings)
    wanted = names or registry.names()
    if as_json:
        told = {
            name: {
                "versions": [shown(one, registry.status(one)) for one in registry.versions(name)],
                "promotions": [msgspec.to_builtins(one) for one in registry.history(name)],
            }
            for name in wanted
        }
        output.print_json(json.dumps(told))
        return
    rows = [(one, registry.status(one)) for name in wanted for one in registry.versions(name)]
    if not rows:
        say(f"{registry.path} holds no version: nba model add NAME FOLDER")
        return
    table = Table(box=None, pad_edge=False)
    for column in ("model", "version", "status", "added (UTC)", "note", "metrics"):
        table.add_column(column, overflow="fold", no_wrap=column in ("version", "status"))
    for one, status in rows:
        table.add_row(one.name, one.version, status, _moment(one.added), one.note, _metrics(one))
    (output if output.is_terminal else Console(width=_WIDE)).print(table, markup=False)


@model_group.command("show")
@click.argument("name")
@click.argument("version", required=False, default="")
@settings_option
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def show_command(
    name: str,
    version: str,
    settings: Path,
    as_json: bool,  # noqa: FBT001
) -> None:
    """Show a VERSION of a model: manifest, metrics against the promoted one, features, history.

    Without VERSION it is the one that was added last. The first characters are enough.

    \b
    nba model show propensity
    nba model show propensity 3f2a --json
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.app.promoting import model_registry

    registry = model_registry(settings)
    latest = registry.versions(name)[:1]
    one = registry.version(name, version or (latest[0].version if latest else "?"))
    current = registry.current(name)
    promoted = None if current is None else registry.version(name, current.version)
    history = [entry for entry in registry.history(name) if entry.version == one.version]
    status = registry.status(one)
    if as_json:
        told = shown(one, status)
        told["promotions"] = [msgspec.to_builtins(entry) for entry in history]
        told["promoted"] = None if promoted is None else promoted.version
        told["promoted_metrics"] = dict(_metrics_of(promoted))
        output.print_json(json.dumps(told))
        return
    _show(one, status, promoted, history)


def _show(
    one: ModelVersion,
    status: str,
    promoted: ModelVersion | None,
    history: Sequence[Promotion],
) -> None:
    say(f"model {one.name}, version {one.version} ({status})", style="bold")
    added = f"added {_moment(one.added)} UTC" + (f" by {one.author}" if one.author else "")
    say(f"  {added}{f': {one.note}' if one.note else ''}")
    for entry in history:
        say(f"  {_told(entry)}")
        for mistake in entry.refused.mistakes if entry.refused is not None else ():
            say(f"    {mistake}", style="red")
    manifest = one.manifest
    if manifest is None:
        say("  its folder is gone, or cannot be read: decisions it made cannot be explained")
        return
    say(f"  folder {one.folder}")
    scores = f", {len(manifest.outputs)} outputs" if manifest.outputs else ""
    say(f"  {manifest.signature} model {manifest.version!r}, format {manifest.format}{scores}")
    if manifest.trained_from or manifest.trained_until:
        say(f"  trained from {manifest.trained_from or '?'} until {manifest.trained_until or '?'}")
    if manifest.label:
        say(f"  predicts: {manifest.label}")
    against = None if promoted is None or promoted.version == one.version else promoted
    if manifest.metrics:
        output.print(table_of_metrics(one, against), markup=False)
    output.print(table_of_features(manifest), markup=False)


@model_group.command("promote")
@click.argument("name")
@click.argument("version", required=False, default="")
@_said
def promote_command(
    name: str, version: str, settings: Path, author: str | None, comment: str
) -> None:
    """Promote a VERSION of the model NAME (default: the one added last): from now on it decides.

    It is tried with the catalog in force first; one that cannot be served changes nothing, and
    every mistake is named (exit code 78). Returns when servers decide with it; none has to be
    running. The first characters of a version are enough.

    \b
    nba model promote propensity -m "better on October"
    nba model promote propensity 3f2a   one from nba model list
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.app.promoting import promoting

    with promoting(settings) as models:
        latest = models.registry.versions(name)[:1]
        wanted = version or (latest[0].version if latest else "")
        done = models.promote(name, wanted, author=_author(author), comment=comment)
    _tell(name, done.promotion, done.became)


@model_group.command("rollback")
@click.argument("name")
@click.argument("version", required=False, default="")
@_said
def rollback_command(
    name: str, version: str, settings: Path, author: str | None, comment: str
) -> None:
    """Promote the version again that was promoted before (or VERSION).

    \b
    nba model rollback propensity -m "calls doubled"
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    from nba_engine.app.promoting import promoting

    with promoting(settings) as models:
        done = models.rollback(name, version, author=_author(author), comment=comment)
    _tell(name, done.promotion, done.became)


def _tell(name: str, promotion: Promotion, became: str) -> None:
    words = {
        "same": "is promoted already: nothing changed",
        "in_force": "is in force",
        "waiting": "is promoted; the next server that starts decides with it",
        "unused": f'is promoted, but no model of the settings is "registry:{name}"',
    }
    say(f"model {name}: version {promotion.version} {words[became]}")


def _told(entry: Promotion) -> str:
    verb = "rolled back to" if entry.origin == "rollback" else "promoted"
    who = f" by {entry.author}" if entry.author else ""
    why = f": {entry.comment}" if entry.comment else ""
    became = ""
    if entry.refused is not None:
        became = f", refused {_moment(entry.refused.time)}"
    elif entry.taken is not None:
        became = f", in force {_moment(entry.taken)}"
    return f"{verb} {_moment(entry.time)} UTC{who}{became}{why}"


def _metrics(one: ModelVersion) -> str:
    told = list(_metrics_of(one).items())[:_METRICS]
    return ", ".join(f"{name} {value:.4g}" for name, value in told)


def _metrics_of(one: ModelVersion | None) -> dict[str, float]:
    return {} if one is None or one.manifest is None else dict(one.manifest.metrics)


def _author(given: str | None) -> str:
    if given is not None:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a process without a user
        return ""


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
