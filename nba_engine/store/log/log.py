"""The decision log: a SQLite file of its own, written behind the answers by a thread."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

import apsw
import msgspec

from nba_engine.domain import DecisionRecord, Erased
from nba_engine.errors import Exhausted, Unavailable
from nba_engine.store.customers import stored_text
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import connect, lock_path, open_file, path_of
from nba_engine.store.lock import FileLock
from nba_engine.store.log.erasing import erase_from_log, without_erased
from nba_engine.store.log.names import add
from nba_engine.store.log.reader import DECISIONS, LogReader, decode_record

__all__ = ["SqliteLog", "open_log"]

GATHER_SECONDS = 0.05  # half of the loss window: the commit itself takes the rest
RETRY_SECONDS = 1.0
QUEUE = 10_000

# One statement for a whole batch: SQLite gives the interpreter lock up and takes it again at every
# step, and each time a deciding thread would have to hand it over.
_INSERT = """
    INSERT INTO decisions(decision_id, time, customer_id, identity, record)
    SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3,
           substr(?2, value ->> 4, value ->> 5) FROM json_each(?1)
    WHERE true ON CONFLICT(decision_id) DO NOTHING
"""

# decision_id, time, customer_id, identity, record
_Row: TypeAlias = tuple[str, float, str, str, bytes]

_encode = msgspec.msgpack.Encoder().encode


def open_log(
    path: str | Path,
    *,
    queue: int = QUEUE,
    on_error: Callable[[BaseException], None] | None = None,
) -> SqliteLog:
    """Open or create a decision log in a file, given as path or ``sqlite:`` URL.

    ``on_error`` hears of the first failure of each kind, on whatever thread it happens; it must
    not raise. Raises `FailedPrecondition` (another kind of file), `Unavailable`, `Exhausted`.
    """
    file = path_of(path)
    open_file(file, DECISIONS, create=True)
    return SqliteLog(file, queue=queue, on_error=on_error)


class SqliteLog:
    """`nba_engine.domain.DecisionLog`; made by `open_log`.

    A record is durable at most 100 ms after `append`, as long as the disk keeps up. While the
    disk fails, records stay queued and are tried again every second.
    """

    def __init__(
        self,
        path: Path,
        *,
        queue: int = QUEUE,
        on_error: Callable[[BaseException], None] | None = None,
    ) -> None:
        self._path = path
        self._size = queue
        self._on_error = on_error
        self._told: set[type[BaseException]] = set()
        self._queued: dict[str, _Row] = {}
        self._writing: dict[str, _Row] = {}  # taken from the queue, not yet durable
        self._failures = 0
        self._failure: BaseException | None = None  # the latest
        self._lost = 0
        self._closed = False
        self._flushing = 0
        self._lock = threading.RLock()  # taken directly where every microsecond counts
        self._changed = threading.Condition(self._lock)
        self._wake = threading.Event()  # something is queued
        self._hurry = threading.Event()  # do not gather: flush or close
        self._reader = LogReader(path)
        try:
            self._connection = connect(path, reading=False)
            self._file_lock = FileLock(lock_path(path))
        except DRIVER_ERRORS as error:
            raise translated(error, path) from error
        self._thread = threading.Thread(target=self._run, name=f"log {path.name}", daemon=True)
        self._thread.start()

    @property
    def failures(self) -> int:
        """How many attempts to write failed."""
        return self._failures

    @property
    def lost(self) -> int:
        """How many records were given up: not encodable, or unwritten when the log closed."""
        return self._lost

    def append(self, record: DecisionRecord) -> None:
        """Queue a record. Raises `Exhausted` when the queue is full, `Unavailable` when closed.

        It is encoded at once: bytes in a queue cost the garbage collector nothing, while a
        hundred decisions kept alive for a moment slow down all that follow.
        """
        try:
            row = _row(record)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            with self._changed:
                self._lost += 1
                self._tell(error)
            return
        with self._lock:
            if self._closed:
                raise Unavailable(f"{self._path} is closed")
            if len(self._queued) + len(self._writing) >= self._size:
                raise Exhausted(f"{self._path}: {self._size} records wait to be written")
            self._queued[record.decision_id] = row
        if not self._wake.is_set():
            self._wake.set()

    def read(self, decision_id: str) -> DecisionRecord | None:
        """A record by its id, also while it is queued; None: unknown."""
        with self._changed:
            queued = self._queued.get(decision_id) or self._writing.get(decision_id)
        if queued is not None:
            return decode_record(queued[-1])
        return self._reader.read(decision_id)

    def recent(self, limit: int = 100) -> Sequence[DecisionRecord]:
        """The newest records, newest first, queued ones included."""
        with self._changed:
            waiting = [*self._writing.values(), *self._queued.values()]
        newest = [decode_record(row[-1]) for row in waiting[::-1][:limit]]
        seen = {record.decision_id for record in newest}
        stored = self._reader.recent(limit)
        newest += [record for record in stored if record.decision_id not in seen]
        return newest[:limit]

    def decisions_of(self, names: Collection[str]) -> Iterator[DecisionRecord]:
        """What was decided for these customers or identities, as far as it is durable.

        In the order of logging, with what was moved to Parquet. Raises `Unavailable`,
        `FailedPrecondition`.
        """
        return self._reader.decisions_of(names)

    def erase(
        self, erased: Erased, *, stop: Callable[[], bool] = lambda: False
    ) -> Mapping[str, int]:
        """Remove what was decided for whoever was erased, also from Parquet files.

        See `nba_engine.domain.DecisionLog`.
        """
        return erase_from_log(self._path, erased, stop=stop)

    def was_erased(self, erasure_id: str) -> bool:
        """Whether `erase` was carried out to its end."""
        return self._reader.was_erased(erasure_id)

    def flush(self) -> None:
        """Return when everything appended so far is durable (or given up).

        Raises `Unavailable` or `Exhausted` if the disk fails meanwhile; the records stay queued.
        """
        with self._changed:
            failures = self._failures
            waiting = {*self._writing, *self._queued}
            self._flushing += 1
            self._hurry.set()
            self._wake.set()
            try:
                while waiting & (self._writing.keys() | self._queued.keys()):
                    self._changed.wait()
                    if self._failures != failures and self._failure is not None:
                        raise type(self._failure)(str(self._failure)) from self._failure
            finally:
                self._flushing -= 1

    def close(self) -> None:
        """Write what is queued, then release files. Safe to call twice."""
        with self._changed:
            self._closed = True
            self._hurry.set()
            self._wake.set()
        self._thread.join()
        self._reader.close()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._hurry.wait(GATHER_SECONDS)
            with self._changed:
                self._wake.clear()
                if not self._flushing and not self._closed:
                    self._hurry.clear()
                self._writing |= self._queued
                self._queued = {}
                closed = self._closed
            written = self._write()
            with self._changed:
                if written or closed:
                    self._lost += 0 if written else len(self._writing)
                    self._writing = {}
                self._changed.notify_all()
            if closed:
                break
            if not written:
                self._hurry.wait(RETRY_SECONDS)
                self._wake.set()
        self._connection.close()
        self._file_lock.close()

    def _write(self) -> bool:
        """One commit for everything taken; false if the disk failed."""
        try:
            with self._file_lock:
                self._insert(list(self._writing.values()))
        except DRIVER_ERRORS as error:
            self._failure = translated(error, self._path)
            self._failures += 1
            self._tell(self._failure)
            return False
        return True

    def _insert(self, rows: Sequence[_Row]) -> None:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            rows = without_erased(connection, rows)
            if rows:
                connection.execute(_INSERT, (*_gathered(rows),))
                if inserted := connection.changes():  # numbered without gaps
                    last = connection.last_insert_rowid()
                    add(connection, last - inserted + 1, last, _names(rows))
            connection.execute("COMMIT")
        except apsw.Error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _tell(self, error: BaseException) -> None:
        if self._on_error is not None and type(error) not in self._told:
            self._told.add(type(error))
            self._on_error(error)


def _names(rows: Sequence[_Row]) -> set[str]:
    return {name for row in rows for name in row[2:4]}


def _gathered(rows: Sequence[_Row]) -> tuple[str, bytes]:
    """What `_INSERT` takes apart: where each record is, as JSON, and all records in one piece."""
    places: list[tuple[str, float, str, str, int, int]] = []
    start = 1  # as SQL counts
    for decision_id, time, customer_id, identity, record in rows:
        places.append((decision_id, time, customer_id, identity, start, len(record)))
        start += len(record)
    return msgspec.json.encode(places).decode(), b"".join(row[-1] for row in rows)


def _row(record: DecisionRecord) -> _Row:
    """Raises what encoding raises, and for anything that the table would refuse."""
    if not stored_text(record.decision_id) or not math.isfinite(record.time):
        raise ValueError("a record needs a decision_id and a finite time")
    row = (record.decision_id, record.time, record.customer_id, record.request.identity)
    return *row, _encode(record)
