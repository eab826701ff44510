"""Statements on one connection, several in one round trip."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

from nba_postgres.connections import Connection

__all__ = ["Rows", "Session", "Statement"]

Rows: TypeAlias = list[tuple[Any, ...]]


class Statement(NamedTuple):
    """A statement with named parameters; prepared by the server the first time."""

    sql: str
    values: Mapping[str, Any] = {}


class Session:
    """Runs statements on one connection. Driver errors get out of here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def run(self, *statements: Statement | None) -> list[Rows]:
        """Run these in one round trip; the rows of each, none for None."""
        wanted = [one for one in statements if one is not None]
        if not wanted:
            return [[] for _ in statements]
        with self._connection.pipeline():
            cursors = [
                self._connection.execute(one.sql, one.values, prepare=True) for one in wanted
            ]
        done = iter([one.fetchall() if one.description else [] for one in cursors])
        return [[] if one is None else next(done) for one in statements]

    def rows(self, sql: str, **values: Any) -> Rows:
        """The rows of one statement."""
        cursor = self._connection.execute(sql, values, prepare=True)
        return cursor.fetchall() if cursor.description else []

    def roll_back(self) -> None:
        """Undo the transaction, in a round trip of its own.

        The driver forgets all prepared statements after it, and tells the server so with its next
        statement. In a pipeline that comes behind statements that were prepared in the meantime.
        """
        self._connection.execute("ROLLBACK")

    def one(self, sql: str, **values: Any) -> Any:
        """The first column of the first row; None: there is no row."""
        rows = self.rows(sql, **values)
        return rows[0][0] if rows else None
