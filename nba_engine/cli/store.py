"""`nba store`: backup, restore and check of the embedded store."""

from __future__ import annotations

from pathlib import Path

import click
from rich.progress import Progress

from nba_engine import __version__
from nba_engine.cli.copying import copy_command
from nba_engine.cli.output import errors, progress_bar, say, settings_option
from nba_engine.cli.pruning import prune_command
from nba_engine.errors import FailedPrecondition
from nba_engine.settings import Settings, load_settings
from nba_engine.store import CHECKS, back_up, check_log, check_store, path_of, restore

__all__ = ["store_group"]

_MB = 1e6


@click.group("store")
def store_group() -> None:
    """Back up, restore, check, prune and copy the store and the decision log.

    \b
    nba store backup --out backups/2026-11-22      while servers serve
    nba store check                                also beside a server
    nba store prune --dry-run --decisions-days 365 what would be deleted
    nba store restore backups/2026-11-22           with the servers stopped
    nba store copy sqlite:data/nba.db postgresql://nba@db/nba   to another kind of store

    Backup, restore and check are for the embedded store; a database such as PostgreSQL has its
    own tools.
    """  # noqa: D301 (click reads the backspace as: keep these lines)


store_group.add_command(prune_command)
store_group.add_command(copy_command)


@store_group.command("backup")
@settings_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    help="The folder to write, which must not be there: backups/2026-11-22.",
)
def backup_command(settings: Path, out: Path) -> None:
    """Copy store and decision log as they are at one moment, also while a server writes.

    The folder is there when all of it is, checked and synced; it is readable for its owner only.

    Settings, the catalog folder and models are not in it. It is not encrypted, and nobody deletes
    it but you.

    \b
    nba store backup --out backups/2026-11-22
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    loaded = load_settings(settings)
    store = _file_of(loaded)
    with progress_bar(counted=False) as bar:
        manifest = back_up(
            store,
            loaded.store.decision_log,
            out,
            engine=__version__,
            progress=_Bar(bar, "copying"),
        )
    size = sum(one.bytes for one in manifest.files)
    say(f"{out}: {len(manifest.files)} files, {size / _MB:,.1f} MB, as of {manifest.time}")


@store_group.command("restore")
@click.argument("backup", type=click.Path(path_type=Path))
@settings_option
@click.option("--keep-log", is_flag=True, help="Leave the decision log as it is.")
@click.option(
    "--limits-of-backup",
    is_flag=True,
    help="Do not carry over what was used of limits since the backup.",
)
def restore_command(
    backup: Path,
    settings: Path,
    keep_log: bool,  # noqa: FBT001 (click)
    limits_of_backup: bool,  # noqa: FBT001
) -> None:
    """Put BACKUP in the place of store and decision log; those that are there are moved aside.

    No server may be running. What was reserved and spent of limits since the backup is carried
    over from the store that is there, so that no limit is exceeded; everything else is as it was
    at the time of the backup. Who was erased since is erased again.

    \b
    nba store restore backups/2026-11-22
    nba store restore backups/2026-11-22 --keep-log   the log is sound, and newer
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    loaded = load_settings(settings)
    store = _file_of(loaded)
    with progress_bar(counted=False) as bar:
        done = restore(
            backup,
            store,
            None if keep_log else loaded.store.decision_log,
            limits_of_backup=limits_of_backup,
            progress=_Bar(bar, "copying"),
        )
    say(f"restored as of {done.manifest.time}")
    if done.erased:
        count = f"{done.erased} customer{'s' if done.erased > 1 else ''}"
        say(f"{count} erased since the backup: erased again, in the log when a server starts")
    for path in done.aside:
        say(f"what was there is now {path}")
    if done.carried:
        say("limits: what was used since the backup counts")
    else:
        errors.print(
            "[yellow]limits: what was used since the backup is not counted[/] "
            "(docs/operations.md tells what to do about it)",
            highlight=False,
        )


@store_group.command("check")
@settings_option
def check_command(settings: Path) -> None:
    """Look whether store and decision log are sound; changes nothing, may run beside a server.

    The files themselves, what refers to what, every customer's state, and the counters of limits,
    which are counted again from the reservations. Exit code 1 if anything is wrong. Nothing is
    repaired: nba store restore, or nba rebuild for aggregates, does that.

    \b
    nba store check
    """  # noqa: D301 (click reads the backspace as: keep these lines)
    loaded = load_settings(settings)
    store, log = _file_of(loaded), loaded.store.decision_log
    with progress_bar() as bar:
        task = bar.add_task("checking", total=len(CHECKS))

        def checked(name: str) -> None:
            bar.update(task, description=f"{name} checked", advance=1)

        found = check_store(store, checked)
        if log.exists():
            found += check_log(log, checked)
    if not found:
        say("sound")
        return
    for text in found:
        say(text, style="red")
    raise click.exceptions.Exit(1)


def _file_of(settings: Settings) -> Path:
    """The file of the embedded store. Raises `FailedPrecondition` when it is another kind."""
    scheme = settings.store.url.partition(":")[0]
    if scheme != "sqlite":
        raise FailedPrecondition(
            f"store.url is of the scheme {scheme!r}: this is for the embedded store (sqlite:…); "
            "use the tools of that database"
        )
    return path_of(settings.store.url)


class _Bar:
    """A progress bar of bytes, once it is known how many."""

    def __init__(self, bar: Progress, text: str) -> None:
        self._bar = bar
        self._task = bar.add_task(text, total=None)

    def __call__(self, done: int, total: int) -> None:
        self._bar.update(self._task, completed=done, total=total)
