"""A backup of store and decision log while they are in use.

Both are read in a transaction each, so that the copy is of one moment whoever writes meanwhile. The
log's moment is a little later than the store's: the log is written behind the answers, and every
decision that reserved has to be in it.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

import apsw
import msgspec

from nba_engine.errors import FailedPrecondition, Unavailable
from nba_engine.store.backup.manifest import (
    LOG_FILE,
    MANIFEST,
    STORE_FILE,
    BackedUp,
    Manifest,
    copy_file,
    sync_folder,
)
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Format, connect, open_file
from nba_engine.store.lock import OpenMark, turn
from nba_engine.store.log import DECISIONS, archive_of, moving_path
from nba_engine.store.schema import STORE

__all__ = ["Progress", "back_up", "damage"]

BEHIND = 0.2  # seconds: twice what the log may be behind
_PAGES = 1_024  # per step of a copy
_LOCK = "lock"

# bytes done, bytes in all (as far as known)
Progress = Callable[[int, int], None]


def back_up(
    store: Path,
    log: Path | None,
    out: Path,
    *,
    engine: str,
    progress: Progress = lambda _done, _total: None,
) -> Manifest:
    """Write a backup to the folder ``out``, which must not be there; it is whole or not there.

    ``engine`` is the version that the manifest names. Raises `NotFound`, `FailedPrecondition`
    (``out`` is there, a damaged store), `Unavailable`, `Exhausted`.
    """
    if out.exists():
        raise FailedPrecondition(f"{out} is there already: a backup replaces nothing")
    try:
        with _draft_of(out) as draft:
            manifest = _written(draft, store, log, engine, progress)
            sync_folder(draft)
            draft.rename(out)
            (out / _LOCK).unlink()
            sync_folder(out.parent)
    except DRIVER_ERRORS as error:
        at_target = isinstance(error, OSError | apsw.FullError)
        raise translated(error, out if at_target else store) from error
    return manifest


@contextmanager
def _draft_of(out: Path) -> Iterator[Path]:
    """A folder beside ``out``; gone afterwards, unless it was renamed."""
    draft = out.with_name(f".{out.name}.unfinished")
    draft.mkdir(parents=True, exist_ok=True, mode=0o700)
    with turn(draft / _LOCK) as taken:
        if not taken:
            raise Unavailable(f"another backup to {out} is at work")
        for left in draft.iterdir():  # of one that was killed
            if left.name != _LOCK:
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _written(
    draft: Path, store: Path, log: Path | None, engine: str, progress: Progress
) -> Manifest:
    with ExitStack() as opened:
        kept = opened.enter_context(_moment(store, STORE))
        began = time.time()
        logged: apsw.Connection | None = None
        moved: list[Path] = []
        with ExitStack() as moving:
            if log is not None and log.exists():
                time.sleep(BEHIND)
                # nobody moves decisions from the log to files while both are being copied
                moving.enter_context(turn(moving_path(log), wait=True))
                logged = opened.enter_context(_moment(log, DECISIONS))
                names = logged.execute("SELECT file FROM archived ORDER BY first").fetchall()
                moved = [archive_of(log) / str(name) for (name,) in names]
            told = _Told(progress, [kept, *([logged] if logged else [])], moved)
            files: list[BackedUp] = []
            for file in moved:
                name = archive_of(Path(LOG_FILE)) / file.parent.name / file.name
                copied = copy_file(file, draft / name, told.add)
                files.append(msgspec.structs.replace(copied, file=str(name)))
        files.append(_copied(kept, draft / STORE_FILE, told))
        if logged is not None:
            files.append(_copied(logged, draft / LOG_FILE, told))
        manifest = Manifest(
            engine=engine,
            time=datetime.fromtimestamp(began, UTC).isoformat(timespec="milliseconds"),
            store_id=_meta(kept, "store_id") or "",
            store_version=STORE.version,
            log_version=DECISIONS.version if logged is not None else 0,
            simulated=bool(_meta(kept, "simulated")),
            ledger_clock=float(_meta(kept, "clock") or 0.0),
            publication=_last(kept, "publications", "sequence"),
            interactions=_last(kept, "interactions", "id"),
            decisions=_last(logged, "decisions", "id") if logged is not None else 0,
            files=tuple(sorted(files, key=lambda one: one.file)),
        )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=2)
    (draft / MANIFEST).write_bytes(text + b"\n")
    _sync(draft / MANIFEST)
    return manifest


class _Told:
    """Adds up what is copied, and tells."""

    def __init__(
        self, progress: Progress, connections: list[apsw.Connection], files: list[Path]
    ) -> None:
        self._progress = progress
        self._done = 0
        self._total = sum(file.stat().st_size for file in files) + sum(
            one.pragma("page_count") * one.pragma("page_size") for one in connections
        )

    def add(self, count: int) -> None:
        self._done += count
        self._progress(self._done, max(self._done, self._total))


@contextmanager
def _moment(path: Path, kind: Format) -> Iterator[apsw.Connection]:
    """A connection that sees the file as it is now, until it is closed."""
    open_file(path, kind, create=False)
    mark = OpenMark(path)
    try:
        with closing(connect(path, reading=True)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            yield connection
    finally:
        mark.close()


def _copied(source: apsw.Connection, target: Path, told: _Told) -> BackedUp:
    """Copy what the connection's transaction sees; durable, and looked at."""
    os.close(os.open(target, os.O_CREAT | os.O_EXCL, 0o600))
    size = source.pragma("page_size")
    with closing(apsw.Connection(str(target))) as copy:
        copy.pragma("journal_mode", "off")  # a copy that is not finished is thrown away
        copy.pragma("synchronous", "off")
        left = source.pragma("page_count")
        with copy.backup("main", source, "main") as backup:
            while not backup.done:
                backup.step(_PAGES)
                told.add((left - backup.remaining) * size)
                left = backup.remaining
    _sync(target)
    wrong = damage(target)
    if wrong:
        raise FailedPrecondition(f"{source.filename} is damaged: {wrong}")
    with target.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return BackedUp(file=target.name, bytes=target.stat().st_size, sha256=digest)


def damage(path: Path) -> str:
    """What SQLite finds wrong with a file that nobody writes; "": nothing. Raises driver errors."""
    address = f"file:{quote(str(path.absolute()))}?immutable=1"
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    with closing(apsw.Connection(address, flags=flags)) as connection:
        found = connection.execute("PRAGMA quick_check(1)").get
    return "" if found == "ok" else str(found)


def _meta(connection: apsw.Connection, key: str) -> Any:
    return connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).get


def _last(connection: apsw.Connection, table: str, column: str) -> int:
    found: int = connection.execute(
        f"SELECT coalesce(max({column}), 0) FROM {table}"  # noqa: S608 - constants
    ).get
    return found


def _sync(file: Path) -> None:
    handle = os.open(file, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
