"""Reading the decision log: one record, the newest, or all of a time, moved ones included."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import apsw
import msgspec

from nba_engine.domain import DecisionRecord
from nba_engine.errors import FailedPrecondition, NotFound
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Format, Readers, open_file, path_of
from nba_engine.store.log.archive import (
    ARCHIVED,
    archive_of,
    find,
    read_decision_file,
    read_decisions_of,
)
from nba_engine.store.log.erasing import ERASED, was_erased_from_log
from nba_engine.store.log.names import NAMES, rows_of, storable

__all__ = ["DECISIONS", "LogReader", "decode_record", "open_log_reader"]

BATCH = 256  # records per statement: a longer one would keep the writer from tidying up

DECISIONS = Format(
    name="decision log of nba-engine",
    application_id=0x6E626164,  # "nbad"
    version=4,  # 3: decisions that were moved to Parquet; 4: names by commit instead of indexes
    schema="""
    CREATE TABLE decisions(
      id INTEGER PRIMARY KEY,           -- in the order of logging
      decision_id TEXT NOT NULL UNIQUE,
      time REAL NOT NULL,
      customer_id TEXT NOT NULL,        -- of an unknown customer: the identity
      identity TEXT NOT NULL,
      record BLOB NOT NULL              -- msgpack of DecisionRecord
    ) STRICT;
    """
    + NAMES
    + ARCHIVED
    + ERASED,
    page_size=16_384,  # records of 1 to 5 kB leave much of smaller pages empty
    # what is there is covered by no block
    upgrades={3: "DROP INDEX decisions_of_customer; DROP INDEX decisions_of_identity;" + NAMES},
)

_EVER = float("-inf")
_ONE = "SELECT record FROM decisions WHERE decision_id = ?"
_OF_THEM = "SELECT record FROM decisions WHERE id = ? AND decision_id = ?"

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
    """The stored records; also while an engine appends to the file. Thread-safe.

    What was moved to Parquet (`nba_engine.store.log.archive`) is found like the rest.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._archive = archive_of(path)
        self._readers = Readers(path)

    def read(self, decision_id: str) -> DecisionRecord | None:
        """A record by its id; None: unknown."""
        try:
            connection = self._connection()
            found = connection.execute(_ONE, (decision_id,)).get
            if found is not None:
                return decode_record(found)
            return find(connection, self._archive, decision_id)
        except UnicodeEncodeError:
            return None  # no such id can have been stored
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def recent(self, limit: int) -> Sequence[DecisionRecord]:
        """The newest records, newest first; not those that were moved."""
        try:
            rows = self._connection().execute(
                "SELECT record FROM decisions ORDER BY id DESC LIMIT ?", (limit,)
            )
            return [decode_record(record) for (record,) in rows]
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def count(self, *, since: float = _EVER) -> int:
        """How many records were decided at ``since`` or later."""
        stored = self._rows("SELECT count(*) FROM decisions WHERE time >= ?", (since,))[0][0]
        return int(stored) + sum(self._in_file(*file, since) for file in self._files(since))

    def oldest(self) -> float | None:
        """When the first decision that is kept was made, moved ones included; None: there is none."""
        times = self._rows(
            "SELECT first_time FROM archived UNION ALL"
            " SELECT time FROM (SELECT time FROM decisions ORDER BY id LIMIT 1)",
            (),
        )
        return min((time for (time,) in times), default=None)

    def records(
        self, *, since: float = _EVER, limit: int | None = None
    ) -> Iterator[DecisionRecord]:
        """Records in the order of logging: those decided at ``since`` or later, the newest few.

        What is logged, or moved to Parquet, while this runs may be left out.
        """
        files = self._files(since)
        skip = 0 if limit is None else max(0, self.count(since=since) - limit)
        for name, rows, first in files:
            count = self._in_file(name, rows, first, since)
            if skip >= count:
                skip -= count
                continue
            yield from itertools.islice(
                read_decision_file(self._archive / name, since=since), skip, None
            )
            skip = 0
        after = 0
        if skip:
            after = self._rows(
                "SELECT id FROM decisions WHERE time >= ? ORDER BY id LIMIT 1 OFFSET ?",
                (since, skip - 1),
            )[0][0]
        last = self._rows("SELECT coalesce(max(id), 0) FROM decisions", ())[0][0]
        while batch := self._rows(
            "SELECT id, record FROM decisions "
            "WHERE id > ? AND id <= ? AND time >= ? ORDER BY id LIMIT ?",
            (after, last, since, BATCH),
        ):
            for _, record in batch:
                yield decode_record(record)
            after = batch[-1][0]

    def decisions_of(self, names: Collection[str]) -> Iterator[DecisionRecord]:
        """What was decided for these customers or identities, in the order of logging.

        Each once, also when it is moved to Parquet while this runs.
        """
        wanted = storable(names)
        if not wanted:
            return
        try:
            live = rows_of(self._connection(), wanted)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        ids = {decision_id for _, decision_id in live}
        for name, *_ in self._files(_EVER):
            try:
                for record in read_decisions_of(self._archive / name, wanted):
                    if record.decision_id not in ids:
                        yield record
            except FailedPrecondition:
                if self._rows("SELECT 1 FROM archived WHERE file = ?", (name,)):
                    raise
                continue  # too old to be kept since a moment ago
            except OSError as error:
                raise translated(error, self._path) from error
        for row, decision_id in live:
            found = self._rows(_OF_THEM, (row, decision_id))  # numbers are used again
            moved = None if found else self.read(decision_id)
            if found or moved is not None:
                yield moved or decode_record(found[0][0])

    def was_erased(self, erasure_id: str) -> bool:
        """Whether an erasure was carried out in this log."""
        try:
            return was_erased_from_log(self._connection(), erasure_id)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def _files(self, since: float) -> list[tuple[str, int, float]]:
        """Moved ones: file, rows, time of the earliest; in the order of logging."""
        return self._rows(
            "SELECT file, rows, first_time FROM archived WHERE last_time >= ? ORDER BY first, last",
            (since,),
        )

    def _in_file(self, name: str, rows: int, first: float, since: float) -> int:
        if first >= since:
            return rows
        return sum(1 for _ in read_decision_file(self._archive / name, since=since))

    def _rows(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return list(self._connection().execute(statement, values))
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error

    def close(self) -> None:
        """Release the file."""
        self._readers.close()

    def _connection(self) -> apsw.Connection:
        return self._readers.connection()
