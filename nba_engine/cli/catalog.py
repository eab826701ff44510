"""`nba catalog`: what is in force, and putting others in force, with or without a server."""

from __future__ import annotations

import getpass
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import click
from rich.table import Table

from nba_engine.app.stored import StoredCatalogs, stored_catalogs
from nba_engine.cli.output import output, say, settings_option
from nba_engine.domain import Publication
from nba_engine.errors import FailedPrecondition

__all__ = ["catalog_group"]

_F = TypeVar("_F", bound=Callable[..., Any])


@click.group("catalog")
def catalog_group() -> None:
    """Show, publish and roll back catalogs of a store.

    Servers of the store follow within a second; none has to be running. Nobody needs to be asked:
    who may write the store's files may publish.

    \b
    nba check                           mistakes in the folder; changes nothing
    nba diff --catalog catalog          what it would change for logged requests
    nba catalog publish -m "autumn"     in force, for all processes at once
    nba catalog rollback                the one before again
    """  # noqa: D301 (click reads the backspace as: keep these lines)


def _said(function: _F) -> _F:
    """Options that tell who, why, and after what."""
    for option in (
        click.option("-m", "--comment", default="", help="Why, for `nba catalog versions`."),
        click.option("--author", default=None, help="Who. Default: your user name."),
        click.option(
            "--expect",
            default="",
            metavar="VERSION",
            help="Only if this version was published last.",
        ),
        settings_option,
    ):
        function = option(function)
    return function


@catalog_group.command("publish")
@click.argument(
    "folder", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@_said
def publish_command(
    folder: Path | None, settings: Path, expect: str, author: str | None, comment: str
) -> None:
    """Put the catalog of FOLDER in force (default: the folder that the settings name).

    It is loaded first; one with mistakes changes nothing, and every mistake is named (exit code
    78). Returns when it is in force. What it would change: nba diff --catalog FOLDER.

    \b
    nba catalog publish -m "autumn offers"
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with stored_catalogs(settings) as catalogs:
        expect = catalogs.find(expect) if expect else ""
        done = catalogs.publish(folder, follows=expect, author=_author(author), comment=comment)
    _tell(*done)


@catalog_group.command("rollback")
@click.argument("version", required=False, default="")
@_said
def rollback_command(
    version: str, settings: Path, expect: str, author: str | None, comment: str
) -> None:
    """Put VERSION in force again (default: the one before the latest).

    The first characters of a version are enough. The catalog folder stays as it is: a server that
    starts puts it in force if it was edited since.

    \b
    nba catalog rollback -m "too many e-mails"
    nba catalog rollback 7fcc           one from nba catalog versions
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with stored_catalogs(settings) as catalogs:
        version = catalogs.find(version) if version else ""
        expect = catalogs.find(expect) if expect else ""
        done = catalogs.rollback(version, follows=expect, author=_author(author), comment=comment)
    _tell(*done)


@catalog_group.command("versions")
@settings_option
@click.option(
    "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="How many."
)
def versions_command(settings: Path, limit: int) -> None:
    """List what was published, the latest first.

    \b
    nba catalog versions --limit 5
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    with stored_catalogs(settings) as catalogs:
        history = catalogs.history()
        shown = [
            (one, status if catalogs.is_stored(one.version) else f"{status}, deleted")
            for one, status in history[:limit]
        ]
    table = Table(box=None, pad_edge=False)
    for name in ("version", "status", "published (UTC)", "from", "author", "comment"):
        table.add_column(name, overflow="fold", no_wrap=name == "version")
    for one, status in shown:
        words = (one.version, status.replace("_", " "), _moment(one.time), one.origin)
        table.add_row(*words, one.author, one.comment)
    if history:
        output.print(table, markup=False)
    else:
        say("no catalog was published yet")
    if len(history) > limit:
        say(f"{len(history) - limit} earlier ones: --limit {len(history)}")


@catalog_group.command("show")
@click.argument("version", required=False, default="")
@settings_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Write the files to this folder, which must be empty or new.",
)
def show_command(version: str, settings: Path, out: Path | None) -> None:
    """List the files of VERSION (default: the one in force), or write them to a folder.

    \b
    nba catalog show 7fcc --out catalog-of-monday
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    if out is not None and out.exists() and any(out.iterdir()):
        raise click.BadParameter(f"{out} is not empty", param_hint="--out")
    with stored_catalogs(settings) as catalogs:
        _show(catalogs, catalogs.find(version), out)


def _show(catalogs: StoredCatalogs, version: str, out: Path | None) -> None:
    files = catalogs.files(version)
    say(f"catalog {version}")
    for name, text in sorted(files.items()):
        say(f"  {name}: {len(text.splitlines())} lines")
        if out is not None:
            path = out / name
            if not path.resolve().is_relative_to(out.resolve()):
                raise FailedPrecondition(
                    f"{name!r} would not lie in {out}; nothing more is written"
                )
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, "utf-8", newline="")


def _tell(publication: Publication, new: bool) -> None:  # noqa: FBT001 - unpacked
    if new:
        say(f"catalog {publication.version} is in force")
    else:
        say(f"catalog {publication.version} was published last already: nothing changed")


def _author(given: str | None) -> str:
    if given is not None:
        return given
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a process without a user
        return ""


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")
