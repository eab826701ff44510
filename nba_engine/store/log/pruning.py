"""Logged decisions that are too old to be kept are deleted: from the log, and Parquet files whole."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import apsw

from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import connect, lock_path
from nba_engine.store.lock import FileLock, turn
from nba_engine.store.log.archive import archive_of, moving_path
from nba_engine.store.log.names import drop_first

__all__ = ["count_old", "prune_log"]

BATCH = 250  # deleted in one commit: decisions of a server wait for it

_FILES = "SELECT file, rows FROM archived WHERE last_time < ? ORDER BY first"
_KNOWN = "SELECT file FROM archived UNION SELECT file FROM moving"
# in the order of logging, which is that of time but for what was decided at once
_OLDEST = "SELECT id, time FROM decisions ORDER BY id LIMIT +?"
_DELETE = "DELETE FROM decisions WHERE id <= ?"


def count_old(path: Path, before: float) -> int:
    """How many decisions `prune_log` would delete. Raises `Unavailable`."""
    try:
        with ExitStack() as opened:
            connection = connect(path, reading=True)
            opened.callback(connection.close)
            files: list[Any] = connection.execute(_FILES, (before,)).fetchall()
            first_kept: int | None = connection.execute(
                "SELECT id FROM decisions WHERE time >= ? ORDER BY id LIMIT 1", (before,)
            ).get
            count: int = connection.execute(
                "SELECT count(*) FROM decisions WHERE ?1 IS NULL OR id < ?1", (first_kept,)
            ).get
            return count + sum(int(rows) for _, rows in files)
    except DRIVER_ERRORS as error:
        raise translated(error, path) from error


def prune_log(
    path: Path,
    before: float,
    pruned: Callable[[int], None] = lambda _: None,
    *,
    stop: Callable[[], bool] = lambda: False,
) -> int:
    """Delete what was decided earlier, as far as it comes first in the log; how many.

    ``pruned`` hears of each batch or file, ``stop`` is asked after each. May be ended at any moment
    and begun again. Does nothing while decisions are being moved, or copied for a backup. Raises
    `Unavailable`, `Exhausted`.
    """
    total = 0
    try:
        with ExitStack() as opened:
            if not opened.enter_context(turn(moving_path(path))):
                return 0
            writing = FileLock(lock_path(path))
            opened.callback(writing.close)
            connection = connect(path, reading=False)
            opened.callback(connection.close)
            files: list[Any] = connection.execute(_FILES, (before,)).fetchall()
            for name, rows in files:
                if stop():
                    return total
                with writing, connection:
                    connection.execute("DELETE FROM archived WHERE file = ?", (name,))
                total += rows
                pruned(rows)
            _sweep(connection, archive_of(path))
            while not stop() and (count := _delete(connection, writing, before)):
                total += count
                pruned(count)
    except DRIVER_ERRORS as error:
        raise translated(error, path) from error
    return total


def _delete(connection: apsw.Connection, writing: FileLock, before: float) -> int:
    """Delete the first rows as far as they are old; how many."""
    oldest: list[Any] = connection.execute(_OLDEST, (BATCH,)).fetchall()
    kept = next((row for row, time in oldest if time >= before), None)
    old = [row for row, _ in oldest if kept is None or row < kept]
    if old:
        with writing, connection:
            connection.execute(_DELETE, (old[-1],))
            drop_first(connection)
    return len(old)


def _sweep(connection: apsw.Connection, folder: Path) -> None:
    """Remove files that no row names: of those just forgotten, or by one who died over it."""
    known = {name for (name,) in connection.execute(_KNOWN)}
    for file in folder.glob("date=*/*.parquet"):
        if str(file.relative_to(folder)) not in known:
            file.unlink()
            if not any(file.parent.iterdir()):
                file.parent.rmdir()
