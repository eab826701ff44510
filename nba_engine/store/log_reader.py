"""Reading the decision log's file: one record, the newest, or all of a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import apsw
import msgspec

from nba_engine.domain import DecisionRecord
from nba_engine.errors import NotFound
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Format, Readers, open_file, path_of

__all__ = ["DECISIONS", "LogReader", "decode_record", "open_log_reader"]

BATCH = 256  # records per statement: a longer one would keep the writer from tidying up

DECISIONS = Format(
    name="decision log of nba-engine",
    application_id=0x6E626164,  # "nbad"
    version=2,  # 2: treatment and placement of a candidate in one number
    schema="""
    CREATE TABLE decisions(
      id INTEGER PRIMARY KEY,           -- in the order of logging
      decision_id TEXT NOT NULL UNIQUE,
      time REAL NOT NULL,
      record BLOB NOT NULL              -- msgpack of DecisionRecord
    ) STRICT;
    """,
)

decode_record = msgspec.msgpack.Decoder(DecisionRecord).decode


def open_log_reader(path: str | Path) -> LogReader:
    """Open an existing decision log for reading, given as path or ``sqlite:`` URL.

    Raises `NotFound`, `FailedPrecondition` (another kind of file), `Unavailable`, `Exhausted`.
    """
    file = path_of(path)
    if not file.exists():
        raise NotFound(f"there is no decision log {file}; it is made with the first decision")
    open_file(file, DECISIONS, create=False)
    return LogReader(file)


class LogReader:
    """The stored records; also while an engine appends to the file. Thread-safe."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._readers = Readers(path)

    def read(self, decision_id: str) -> DecisionRecord | None:
        """A record by its id; None: unknown."""
        try:
            found = (
                self._connection()
                .execute("SELECT record FROM decisions WHERE decision_id = ?", (decision_id,))
                .get
            )
        except UnicodeEncodeError:
            return None  # no such id can have been stored
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return None if found is None else decode_record(found)

    def recent(self, limit: int) -> Sequence[DecisionRecord]:
        """The newest records, newest first."""
        try:
            rows = self._connection().execute(
                "SELECT record FROM decisions ORDER BY id DESC LIMIT ?", (limit,)
            )
            return [decode_record(record) for (record,) in rows]
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def span(self, *, since: float | None = None, limit: int | None = None) -> tuple[int, int]:
        """How many records `records` yields for the same arguments, and the id before the first."""
        try:
            found = (
                self._connection()
                .execute(
                    "SELECT count(*), coalesce(min(id), 1) - 1 FROM (SELECT id FROM decisions "
                    "WHERE time >= ? ORDER BY id DESC LIMIT ?)",
                    (_EVER if since is None else since, -1 if limit is None else limit),
                )
                .get
            )
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        count, before = found
        return int(count), int(before)

    def records(
        self, *, since: float | None = None, limit: int | None = None
    ) -> Iterator[DecisionRecord]:
        """Records in the order of logging: those decided at ``since`` or later, the newest few.

        What is logged while this runs is left out.
        """
        left, after = self.span(since=since, limit=limit)
        while left > 0:
            try:
                rows = self._connection().execute(
                    "SELECT id, record FROM decisions WHERE id > ? AND time >= ? ORDER BY id LIMIT ?",
                    (after, _EVER if since is None else since, min(left, BATCH)),
                )
                batch: list[tuple[int, bytes]] = list(rows)
            except DRIVER_ERRORS as error:
                raise translated(error, self._path) from error
            if not batch:
                return
            for _, record in batch:
                yield decode_record(record)
            left -= len(batch)
            after = batch[-1][0]

    def close(self) -> None:
        """Release the file."""
        self._readers.close()

    def _connection(self) -> apsw.Connection:
        return self._readers.connection()


_EVER = float("-inf")
