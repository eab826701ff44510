"""A store's database as the judge sees it: its rows, and its history that it wrote itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import apsw

__all__ = ["Change", "Database", "Moment", "SqliteDatabase", "watch"]

# The history, in the order of the commits: written by the database itself, not by the ledger.
TRIGGERS = """
CREATE TABLE fault_history(
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  reservation_id TEXT NOT NULL, customer_id TEXT NOT NULL, holds TEXT NOT NULL,
  was INTEGER, status INTEGER NOT NULL
);
CREATE TRIGGER fault_granted AFTER INSERT ON reservations BEGIN
  INSERT INTO fault_history(reservation_id, customer_id, holds, was, status)
  VALUES (new.reservation_id, new.customer_id, new.holds, NULL, new.status);
END;
CREATE TRIGGER fault_ended AFTER UPDATE OF status ON reservations BEGIN
  INSERT INTO fault_history(reservation_id, customer_id, holds, was, status)
  VALUES (new.reservation_id, new.customer_id, new.holds, old.status, new.status);
END;
"""
_NEWS = (
    "SELECT seq, reservation_id, customer_id, holds, was, status FROM fault_history"
    " WHERE seq > ? ORDER BY seq"
)


class Change(NamedTuple):
    """What became of a reservation. ``was``: its status before; None: there was none."""

    reservation: str
    customer: str
    holds: str  # JSON: {account: amount}
    was: int | None
    status: int


class Moment(Protocol):
    """What is committed, all of it as of one moment."""

    def news(self) -> Iterable[Sequence[Change]]:
        """What was not there at the last moment, oldest first; what took place at once, together."""

    def length(self) -> int:
        """How long the history is by now."""

    def rows(self, sql: str, *values: object) -> Iterable[tuple[Any, ...]]:
        """The rows of a query with a ``?`` for each value."""

    def missing(self, table: str, key: str, names: Sequence[str]) -> set[str]:
        """Which of these are not there."""


class Database(Protocol):
    """Where a store keeps what it keeps."""

    def moment(self) -> AbstractContextManager[Moment]:
        """Look at it as it is now. Others may write meanwhile."""

    def save(self, folder: Path) -> None:
        """Put what a failure can be traced by into the run's folder. Also when it is closed."""

    def close(self) -> None:
        """Let go of it."""


class SqliteDatabase:
    """The file of an embedded store. `Database`."""

    def __init__(self, file: Path) -> None:
        self._connection = apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READWRITE)
        self._connection.set_busy_timeout(10_000)
        self._seen = 0

    @contextmanager
    def moment(self) -> Iterator[Moment]:
        """Look at it as it is now."""
        with self._connection:
            yield self

    def news(self) -> Iterator[Sequence[Change]]:
        """One change after the other, as they were written."""
        for seq, *change in self._connection.execute(_NEWS, (self._seen,)):
            self._seen = seq
            yield [Change(*change)]

    def length(self) -> int:
        """The last number: none is left out."""
        found: int = self._connection.execute("SELECT coalesce(max(seq), 0) FROM fault_history").get
        return found

    def rows(self, sql: str, *values: object) -> Iterable[tuple[Any, ...]]:
        """The rows of a query."""
        return self._connection.execute(sql, values)

    def missing(self, table: str, key: str, names: Sequence[str]) -> set[str]:
        """Which of these are not there."""
        sql = f"SELECT 1 FROM {table} WHERE {key} = ?"
        return {name for name in names if self._connection.execute(sql, (name,)).get is None}

    def save(self, folder: Path) -> None:
        """The file is in the run's folder."""

    def close(self) -> None:
        """Release the file."""
        self._connection.close()


def watch(file: Path) -> None:
    """Let the database of a store write down its own history. Before any customer comes."""
    connection = apsw.Connection(str(file))
    connection.set_busy_timeout(10_000)
    connection.execute(f"BEGIN IMMEDIATE; {TRIGGERS} COMMIT")
    connection.close()
