"""Erasing a customer from the decision log, and from the Parquet files that it was moved to.

The log keeps digests of who was erased for a day. Every process that writes to it looks at them in
the transaction of its batch: a decision that was begun before the erasure does not come in, however
long it waited in a queue. So what is removed once stays removed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, TypeVar

import apsw
import msgspec

from nba_engine.domain import Erased, digest_of_name, id_time
from nba_engine.errors import Unavailable
from nba_engine.store.erasing import scrub
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import connect, lock_path
from nba_engine.store.lock import FileLock, turn
from nba_engine.store.log.archive import archive_of, moving_path, needs_pyarrow, write_file
from nba_engine.store.log.names import blocks_of, renew, rows_of, storable

__all__ = ["ERASED", "erase_from_log", "was_erased_from_log", "without_erased"]

KEPT = 86_400.0  # seconds during which a decision that was begun before may still come
_BATCH = 500  # rows per commit
_BLOCKS = 50  # of names: some 10 ms when each is of a hundred decisions
_PIECE = 2_000  # rows per statement that looks at all
_COLUMNS = ["decision_id", "customer_id", "identity"]

ERASED = """
    CREATE TABLE erasures(              -- carried out here, or about to be
      erasure_id TEXT PRIMARY KEY,
      decisions INTEGER NOT NULL,       -- removed from this file
      archived INTEGER NOT NULL,        -- removed from Parquet files
      done INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE erased(                -- who may not come in
      before TEXT NOT NULL,             -- decisions with lower ids
      digest BLOB NOT NULL,             -- of a customer's id, or an identity
      salt BLOB NOT NULL,
      PRIMARY KEY(before, digest)
    ) STRICT, WITHOUT ROWID;
"""

_NEXT = """
SELECT id, decision_id, customer_id, identity FROM decisions WHERE id > ? ORDER BY id LIMIT ?
"""
_DELETE = "DELETE FROM decisions WHERE id IN (SELECT value FROM json_each(?))"

_encode = msgspec.json.Encoder().encode
_Row = TypeVar("_Row", bound=tuple[Any, ...])


def without_erased(connection: apsw.Connection, rows: Sequence[_Row]) -> Sequence[_Row]:
    """The rows that may be written: decision_id, time, customer_id, identity … In a transaction."""
    last = connection.execute("SELECT max(before) FROM erased").get
    if last is None or all(row[0] >= last for row in rows):
        return rows
    gone: dict[bytes, dict[bytes, str]] = {}  # salt → digest → before
    for before, digest, salt in connection.execute("SELECT before, digest, salt FROM erased"):
        known = gone.setdefault(salt, {})
        known[digest] = max(before, known.get(digest, ""))
    return [
        row
        for row in rows
        if not any(
            row[0] < known.get(digest_of_name(name, salt), "")
            for salt, known in gone.items()
            for name in row[2:4]
        )
    ]


def was_erased_from_log(connection: apsw.Connection, erasure_id: str) -> bool:
    """Whether an erasure was carried out here, to its end."""
    statement = "SELECT done FROM erasures WHERE erasure_id = ?"
    return bool(connection.execute(statement, (erasure_id,)).get)


def erase_from_log(
    path: Path, erased: Erased, *, stop: Callable[[], bool] = lambda: False
) -> Mapping[str, int]:
    """Remove whoever was erased from a log; how many ``decisions``, how many ``archived``.

    May be ended at any moment, and begun again. Raises `Unavailable` (try again: decisions are being
    moved, or backed up), `Exhausted`, `FailedPrecondition` (no pyarrow to rewrite Parquet files).
    """
    try:
        with ExitStack() as opened:
            writing = FileLock(lock_path(path))
            opened.callback(writing.close)
            connection = connect(path, reading=False)
            opened.callback(connection.close)
            job = _Job(connection, writing, erased, stop)
            job.begin()
            if not was_erased_from_log(connection, erased.erasure_id):
                if not opened.enter_context(turn(moving_path(path))):
                    raise Unavailable(f"{path}: old decisions are being moved or copied")
                job.remove_interrupted(archive_of(path))
                job.remove_rows()
                job.remove_names()
                job.rewrite_files(archive_of(path))
                scrub(path, stop=stop)
                job.end()
            return job.counts()
    except DRIVER_ERRORS as error:
        raise translated(error, path) from error


class _Job:
    """One erasure in one log. Each step may be repeated."""

    def __init__(
        self,
        connection: apsw.Connection,
        writing: FileLock,
        erased: Erased,
        stop: Callable[[], bool],
    ) -> None:
        self._connection = connection
        self._writing = writing
        self._erased = erased
        self._stop = stop
        self._known: dict[str, bool] = dict.fromkeys(erased.names, True)

    def begin(self) -> None:
        """From now on nobody writes what was begun before."""
        erased = self._erased
        with self._writing, self._connection:
            self._connection.execute(
                "INSERT INTO erasures VALUES (?, 0, 0, 0) ON CONFLICT DO NOTHING",
                (erased.erasure_id,),
            )
            self._connection.execute(
                "DELETE FROM erased WHERE before < ?", (id_time(erased.time - KEPT),)
            )
            self._connection.executemany(
                "INSERT INTO erased VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
                [(erased.before, digest, erased.salt) for digest in erased.digests],
            )

    def remove_interrupted(self, folder: Path) -> None:
        """Remove what was written and does not count, by whoever died over it."""
        plans: list[Any] = self._connection.execute("SELECT file FROM moving").fetchall()
        for (name,) in plans:  # its rows are in the log still
            (folder / name).unlink(missing_ok=True)
        for unfinished in folder.glob("*/.*.unfinished"):
            unfinished.unlink(missing_ok=True)

    def remove_rows(self) -> None:
        """Remove the decisions that are in the log itself."""
        ids = list(self._ids())
        for start in range(0, len(ids), _BATCH):
            part = _encode(ids[start : start + _BATCH]).decode()
            with self._writing, self._connection:
                self._connection.execute(_DELETE, (part,))
                self._count("decisions", self._connection.changes())

    def remove_names(self) -> None:
        """Remove what the log knows of names beside decisions, those that went earlier included."""
        names = self._erased.names
        blocks = blocks_of(self._connection, storable(names) if names else None)
        for start in range(0, len(blocks), _BLOCKS):
            self._go_on()
            with self._writing, self._connection:
                for block in blocks[start : start + _BLOCKS]:
                    renew(self._connection, block)

    def rewrite_files(self, folder: Path) -> None:
        """Remove decisions from Parquet files; a file is the old one or the new one, whole."""
        files: list[Any] = self._connection.execute(
            "SELECT file, rows FROM archived ORDER BY first"
        ).fetchall()
        for name, rows in files:
            self._go_on()
            self._rewrite(folder / name, name, rows)

    def _rewrite(self, file: Path, name: str, rows: int) -> None:
        if rows == 0:
            self._remove_file(file, name)
            return
        if not file.exists():  # taken away by somebody, who will have to look into it
            return
        parquet = needs_pyarrow()
        whose = parquet.read_table(file, columns=_COLUMNS, partitioning=None)
        kept = [not self._covers(*row) for row in zip(*whose.to_pydict().values(), strict=True)]
        if not any(kept):
            self._note_file(name, rows, None)
            self._remove_file(file, name)
        elif not all(kept):
            table = parquet.read_table(file, partitioning=None).filter(kept)
            write_file(table, file)
            self._note_file(name, rows, table)
        elif len(kept) != rows:  # rewritten by whoever died before this was noted
            self._note_file(name, rows, parquet.read_table(file, partitioning=None))

    def _covers(self, decision_id: str, customer_id: str, identity: str) -> bool:
        if decision_id >= self._erased.before:
            return False
        return self._is_theirs(customer_id) or self._is_theirs(identity)

    def _note_file(self, name: str, before: int, table: Any | None) -> None:
        """What the log knows of a file, and how many decisions went from it."""
        with self._writing, self._connection:
            ids = [""] if table is None else table.column("decision_id").to_pylist()
            rows = 0 if table is None else len(ids)
            self._connection.execute(
                "UPDATE archived SET rows = ?, first = ?, last = ? WHERE file = ?",
                (rows, min(ids), max(ids), name),
            )
            self._count("archived", before - rows)

    def _remove_file(self, file: Path, name: str) -> None:
        file.unlink(missing_ok=True)
        with self._writing, self._connection:
            self._connection.execute("DELETE FROM archived WHERE file = ?", (name,))

    def _go_on(self) -> None:
        if self._stop():
            raise Unavailable("erasing from the decision log was stopped")

    def _ids(self) -> Iterator[int]:
        """Of the decisions to remove; without names, all are looked at."""
        if self._erased.names:
            for row, decision_id in rows_of(self._connection, storable(self._erased.names)):
                if decision_id < self._erased.before:
                    yield row
            return
        after = 0
        while rows := self._all_rows(after):
            yield from (row for row, *whose in rows if self._covers(*whose))
            after = rows[-1][0]

    def _all_rows(self, after: int) -> list[tuple[int, str, str, str]]:
        found: list[Any] = self._connection.execute(_NEXT, (after, _PIECE)).fetchall()
        return found

    def _is_theirs(self, name: str) -> bool:
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = not self._erased.names and self._erased.covers(name)
        return found

    def _count(self, column: str, count: int) -> None:
        self._connection.execute(
            f"UPDATE erasures SET {column} = {column} + ? WHERE erasure_id = ?",  # noqa: S608 - constants
            (count, self._erased.erasure_id),
        )

    def end(self) -> None:
        """Nothing is left."""
        with self._writing, self._connection:
            self._connection.execute(
                "UPDATE erasures SET done = 1 WHERE erasure_id = ?", (self._erased.erasure_id,)
            )

    def counts(self) -> Mapping[str, int]:
        """What was removed, by whomever of those who had a part in it."""
        row: Any = self._connection.execute(
            "SELECT decisions, archived FROM erasures WHERE erasure_id = ?",
            (self._erased.erasure_id,),
        ).get
        return dict(zip(("decisions", "archived_decisions"), row, strict=True))
