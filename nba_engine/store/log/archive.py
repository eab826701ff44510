"""Decisions that were moved out of the log: Parquet files by date, found again by id.

A file counts once the log's table ``archived`` names it. That happens in the transaction that
deletes its rows from the log, after the file is on disk under its name: whenever a process dies, a
decision is in exactly one of the two places for whoever reads through here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias
from urllib.parse import quote

import apsw
import msgspec

from nba_engine.domain import DecisionRecord
from nba_engine.errors import FailedPrecondition
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import connect, lock_path
from nba_engine.store.lock import FileLock, turn
from nba_engine.store.log.names import drop_first

__all__ = [
    "ARCHIVED",
    "Mover",
    "archive_of",
    "find",
    "moving_path",
    "needs_pyarrow",
    "read_decision_file",
    "read_decisions_of",
    "write_file",
]

ROWS = 4_000  # of a file: some 15 MB in the log; moving them keeps its writer waiting for a moment

ARCHIVED = """
    CREATE TABLE archived(              -- Parquet files that decisions were moved to
      file TEXT PRIMARY KEY,            -- below the folder beside this file
      first TEXT NOT NULL,              -- range of decision ids
      last TEXT NOT NULL,
      rows INTEGER NOT NULL,
      first_time REAL NOT NULL,
      last_time REAL NOT NULL
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE moving(                -- what is being moved: one row, or none
      file TEXT NOT NULL,
      first INTEGER NOT NULL,           -- rows with an id from … to
      last INTEGER NOT NULL,
      since REAL NOT NULL,              -- and a time from … to before
      until REAL NOT NULL
    ) STRICT;
"""

_decode = msgspec.msgpack.Decoder(DecisionRecord).decode

# records → a `pyarrow.Table` with the columns decision_id, time, customer_id, identity and record, and
# any others
TableOf: TypeAlias = Callable[[Sequence[DecisionRecord]], Any]


class _Plan(NamedTuple):
    file: str
    first: int
    last: int
    since: float
    until: float

    @property
    def rows(self) -> tuple[int, int, float, float]:
        return self[1:]


_ROWS = "id BETWEEN ? AND ? AND time >= ? AND time < ?"


def archive_of(path: Path) -> Path:
    """The folder of the Parquet files of a log: ``data/decisions`` for ``data/decisions.db``."""
    return path.with_suffix("") if path.suffix else path.with_name(f"{path.name}.archive")


def moving_path(path: Path) -> Path:
    """The lock file of whoever moves decisions out of a log, or needs that nobody does."""
    return path.with_name(f"{path.name}.moving")


def needs_pyarrow() -> Any:
    """The module `pyarrow.parquet`. Raises `FailedPrecondition` when it is not installed."""
    try:
        from pyarrow import parquet
    except ImportError as error:
        raise FailedPrecondition(
            "moved decisions are Parquet files, which need pyarrow: pip install 'nba-engine[data]'"
        ) from error
    return parquet


def write_file(table: Any, file: Path) -> None:
    """Write a table; when this returns it is durable, and never half there under this name."""
    parquet = needs_pyarrow()
    file.parent.mkdir(parents=True, exist_ok=True)
    unfinished = file.with_name(f".{file.name}.unfinished")
    parquet.write_table(table, unfinished, compression="zstd")
    _sync(unfinished)
    unfinished.rename(file)
    for folder in (file.parent, *file.parents[1:3]):  # they may be new, too
        _sync(folder)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_decision_file(file: Path, *, since: float = float("-inf")) -> Iterator[DecisionRecord]:
    """The records of a file decided at ``since`` or later, in the order of logging."""
    table = needs_pyarrow().read_table(file, columns=["record"], partitioning=None)
    for record in map(_decode, table.column("record").to_pylist()):
        if record.time >= since:
            yield record


def read_decisions_of(file: Path, names: Sequence[str]) -> Iterator[DecisionRecord]:
    """The records of a file for these customers or identities, in the order of logging.

    Raises `FailedPrecondition` when there is no such file.
    """
    if not file.exists():
        raise FailedPrecondition(f"{file} is gone, to which decisions were moved")
    theirs = [[("customer_id", "in", names)], [("identity", "in", names)]]
    table = needs_pyarrow().read_table(file, columns=["record"], filters=theirs, partitioning=None)
    yield from map(_decode, table.column("record").to_pylist())


def find(connection: apsw.Connection, folder: Path, decision_id: str) -> DecisionRecord | None:
    """A record that was moved; None: unknown. Raises driver errors, `FailedPrecondition`."""
    files = list(
        connection.execute(
            "SELECT file FROM archived WHERE first <= ?1 AND last >= ?1", (decision_id,)
        )
    )
    for (file,) in files:
        found = (
            needs_pyarrow()
            .read_table(
                folder / file,
                columns=["record"],
                filters=[("decision_id", "==", decision_id)],
                partitioning=None,
            )
            .column("record")
            .to_pylist()
        )
        if found:
            return _decode(found[0])
    return None


class Mover:
    """Moves the oldest decisions of a log to Parquet, a file at a time.

    Any process may do it while others append; one at a time does, and nothing happens when it is
    another one's turn. What a process that died was about, the next one finishes first.
    """

    def __init__(self, path: Path, table_of: TableOf) -> None:
        self._path = path
        self._folder = archive_of(path)
        self._table_of = table_of

    def move(
        self,
        before: float,
        moved: Callable[[int], None] = lambda _: None,
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> int:
        """Move what was decided earlier; how many. ``moved`` hears of each file's rows.

        ``stop`` is asked after each file. Stops at the first decision in the order of logging that is not due. Raises `Unavailable`,
        `Exhausted`, `FailedPrecondition`.
        """
        needs_pyarrow()
        total = 0
        try:
            with ExitStack() as opened:
                if not opened.enter_context(turn(moving_path(self._path))):
                    return 0
                writing = FileLock(lock_path(self._path))
                opened.callback(writing.close)
                connection = connect(self._path, reading=False)
                opened.callback(connection.close)
                while not stop() and (plan := self._next(connection, writing, before)):
                    rows = self._carry_out(connection, writing, plan)
                    total += rows
                    moved(rows)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return total

    def _next(self, connection: apsw.Connection, writing: FileLock, before: float) -> _Plan | None:
        """What somebody began, or the next rows of one date; it is noted before it is begun."""
        for row in list(connection.execute("SELECT file, first, last, since, until FROM moving")):
            return _Plan(*row)
        oldest = list(
            connection.execute("SELECT id, decision_id, time FROM decisions ORDER BY id LIMIT 1")
        )
        if not oldest or oldest[0][2] >= before:
            return None
        ((first, decision_id, time),) = oldest
        day = datetime.fromtimestamp(time, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        since, until = day.timestamp(), min((day + timedelta(days=1)).timestamp(), before)
        last = connection.execute(
            "SELECT max(id) FROM (SELECT id FROM decisions WHERE id BETWEEN ?1 AND ?2 "
            "AND time >= ?3 AND time < ?4 ORDER BY id LIMIT ?5)",
            (first, first + 4 * ROWS, since, until, ROWS),
        ).get
        name = quote(decision_id, safe="")[:120]
        plan = _Plan(f"date={day:%Y-%m-%d}/{name}.parquet", first, last, since, until)
        with writing, connection:
            connection.execute("INSERT INTO moving VALUES (?, ?, ?, ?, ?)", plan)
        return plan

    def _carry_out(self, connection: apsw.Connection, writing: FileLock, plan: _Plan) -> int:
        """The file first, durable under its name; then it counts and its rows go, at once."""
        found = connection.execute(
            f"SELECT record FROM decisions WHERE {_ROWS} ORDER BY id",  # noqa: S608 - a constant
            plan.rows,
        )
        records = [_decode(record) for (record,) in found]
        if records:
            write_file(self._table_of(records), self._folder / plan.file)
        with writing, connection:
            if records:
                ids = [record.decision_id for record in records]
                times = [record.time for record in records]
                connection.execute(
                    "INSERT INTO archived VALUES (?, ?, ?, ?, ?, ?)",
                    (plan.file, min(ids), max(ids), len(ids), min(times), max(times)),
                )
                connection.execute(f"DELETE FROM decisions WHERE {_ROWS}", plan.rows)  # noqa: S608 - a constant
                drop_first(connection)
            connection.execute("DELETE FROM moving")
        return len(records)
