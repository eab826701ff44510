"""Puts a backup in the place of a store that nobody has open; what was there is moved aside.

Everything is copied, checked and made ready beside the store first. Whenever the process ends, the
store is the old one or the new one, and restoring again gives the new one.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Self
from uuid import uuid4

import apsw
import msgspec

from nba_engine.domain import Erased
from nba_engine.errors import FailedPrecondition
from nba_engine.store.backup.backup import Progress, damage
from nba_engine.store.backup.carrying import carry_limits
from nba_engine.store.backup.manifest import (
    LOG_FILE,
    STORE_FILE,
    Manifest,
    copy_file,
    read_manifest,
    sync_folder,
)
from nba_engine.store.customers import salt_of
from nba_engine.store.erasing import erase_again, read_erased, read_list
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import connect, open_file
from nba_engine.store.ledger import Ledger
from nba_engine.store.lock import alone, turn
from nba_engine.store.log import DECISIONS, archive_of, moving_path
from nba_engine.store.schema import STORE

__all__ = ["Restored", "restore"]

_KINDS = {STORE_FILE: STORE, LOG_FILE: DECISIONS}


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What a restore did. ``aside``: where what was there is now.

    ``carried``: what had been used of limits since the backup counts on. ``erased``: customers that
    were erased since, and are erased again.
    """

    manifest: Manifest
    aside: tuple[Path, ...]
    carried: bool
    erased: int


def restore(
    folder: Path,
    store: Path,
    log: Path | None,
    *,
    limits_of_backup: bool = False,
    progress: Progress = lambda _done, _total: None,
) -> Restored:
    """Put the backup in ``folder`` in the place of ``store`` and ``log`` (None: it stays).

    If a store is there, its limits are carried over: what was reserved and spent since the backup
    counts on. ``limits_of_backup`` goes back to what had been used then. Customers that were erased
    since, as the store or the list beside it tells, are erased again. Raises `NotFound`, and
    `FailedPrecondition` (no such backup, damaged, of another version, the store is open, its limits
    cannot be carried over): then nothing has changed. Raises `Unavailable`, `Exhausted`.
    """
    manifest = read_manifest(folder)
    if not manifest.log_version:
        log = None
    try:
        with ExitStack() as held:
            held.enter_context(alone(store))
            if log is not None:
                held.enter_context(alone(log))
                held.enter_context(turn(moving_path(log), wait=True))
            for path in (store, log):
                if path is not None:
                    _fold_in(path)
            staged = held.enter_context(_Staged(store, log))
            staged.copy(folder, manifest, progress)
            carried, erased = staged.make_ready(manifest, carry=not limits_of_backup)
            aside = staged.switch()
    except DRIVER_ERRORS as error:
        raise translated(error, store) from error
    return Restored(manifest=manifest, aside=aside, carried=carried, erased=erased)


class _Staged:
    """The files of a backup beside those whose places they will take; gone in the end."""

    def __init__(self, store: Path, log: Path | None) -> None:
        self._places = {STORE_FILE: store}
        if log is not None:
            self._places[LOG_FILE] = log
        self._drafts = {name: _beside(path) for name, path in self._places.items()}
        self._archive = None if log is None else archive_of(log)

    def __enter__(self) -> Self:
        self._clear()
        return self

    def __exit__(self, *error: object) -> None:
        self._clear()

    def _clear(self) -> None:
        for draft in self._drafts.values():
            for suffix in ("", "-wal", "-shm", "-journal", ".lock"):
                draft.with_name(draft.name + suffix).unlink(missing_ok=True)
        if self._archive is not None:
            shutil.rmtree(_beside(self._archive), ignore_errors=True)

    def copy(self, folder: Path, manifest: Manifest, progress: Progress) -> None:
        """Copy, and compare with the manifest."""
        wanted = [one for one in manifest.files if self._target(one.file) is not None]
        total, done = sum(one.bytes for one in wanted), 0

        def copied(count: int) -> None:
            nonlocal done
            done += count
            progress(done, max(done, total))

        for one in wanted:
            target = self._target(one.file)
            if target is None:
                continue
            if not (folder / one.file).is_file():
                raise FailedPrecondition(f"{folder} is not whole: {one.file} is missing")
            found = copy_file(folder / one.file, target, copied)
            if (found.bytes, found.sha256) != (one.bytes, one.sha256):
                raise FailedPrecondition(
                    f"{folder / one.file} is not what was backed up: its checksum is another"
                )
        for name, draft in self._drafts.items():  # the release before may have made it
            open_file(draft, _KINDS[name], create=False)

    def _target(self, name: str) -> Path | None:
        if name in (STORE_FILE, LOG_FILE):
            return self._drafts.get(name)
        if self._archive is None:
            return None
        return _beside(self._archive) / Path(name).relative_to(archive_of(Path(LOG_FILE)))

    def make_ready(self, manifest: Manifest, *, carry: bool) -> tuple[bool, int]:
        """Carry limits over, erase again, look at the outcome; whether carried, how many erased."""
        store = self._places[STORE_FILE]
        carry = carry and store.exists()
        ledger = Ledger(simulated=manifest.simulated)
        with closing(connect(self._drafts[STORE_FILE], reading=False)) as connection:
            count = 0
            if carry:
                # before the limits come: what whoever was erased has used since, being new, counts
                with connection:
                    known = _erased_from(store, salt_of(connection))
                    count = erase_again(connection, ledger, known, time.time())
                carry_limits(connection, store, manifest)
            else:  # from here on its past is another than that of the store it was a backup of
                connection.execute(
                    "INSERT OR REPLACE INTO meta VALUES ('store_id', ?)", (uuid4().hex,)
                )
            with connection:
                erased = _erased_of(store, salt_of(connection))
                count += erase_again(connection, ledger, erased, time.time())
            connection.pragma("journal_mode", "wal")
        for name, draft in self._drafts.items():
            if wrong := damage(draft):
                raise FailedPrecondition(f"{name} in the backup is damaged: {wrong}")
        return carry, count

    def switch(self) -> tuple[Path, ...]:
        """Move aside what is there, and put the drafts in its place."""
        stamp = f"before-{datetime.fromtimestamp(time.time(), UTC):%Y%m%dT%H%M%SZ}"
        aside: list[Path] = []
        for name, path in self._places.items():
            aside += _aside(path, stamp)
            self._drafts[name].replace(path)
            sync_folder(path.parent)
        if self._archive is not None:
            if self._archive.exists():
                aside.append(self._archive.rename(_free(self._archive, stamp)))
            if _beside(self._archive).exists():
                _beside(self._archive).rename(self._archive)
            sync_folder(self._archive.parent)
        return tuple(aside)


def _erased_of(store: Path, salt: bytes) -> list[Erased]:
    """Who was erased from a store, as far as it, or the list beside it, can still tell."""
    listed = [one for one in read_list(store) if one.salt == salt]
    ours = {one.erasure_id: one for one in (*listed, *_erased_from(store, salt))}
    return list(ours.values())


def _erased_from(store: Path, salt: bytes) -> list[Erased]:
    """Who was erased from a store, if it is there and can tell."""
    if not store.exists():
        return []
    try:
        with closing(connect(store, reading=True)) as connection:
            return [one for one in read_erased(connection, 0) if one.salt == salt]
    except apsw.Error:  # damaged, or something else
        return []


def _fold_in(path: Path) -> None:
    """Bring what a killed server left in the write-ahead log into the file itself."""
    if not path.exists():
        return
    try:
        with closing(apsw.Connection(str(path))) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    except apsw.Error:  # damaged: that may be why somebody restores
        return
    if path.with_name(f"{path.name}-wal").exists():
        raise FailedPrecondition(f"{path} is open in another program: end it first")


def _aside(path: Path, stamp: str) -> Sequence[Path]:
    """Give a database file a second name; it keeps its own, until another file takes it."""
    if not path.exists():
        return ()
    free = _free(path, stamp)
    for suffix in ("-wal", "-shm"):  # none, unless the file is damaged
        if (beside := path.with_name(path.name + suffix)).exists():
            beside.rename(free.with_name(free.name + suffix))
    os.link(path, free)
    return (free,)


def _free(path: Path, stamp: str) -> Path:
    free, number = path.with_name(f"{path.name}.{stamp}"), 1
    while free.exists():
        number += 1
        free = path.with_name(f"{path.name}.{stamp}-{number}")
    return free


def _beside(path: Path) -> Path:
    return path.with_name(f".{path.name}.restoring")
