"""Customers one after the other, with all they did: for aggregates that are computed again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import apsw

from nba_engine.domain import CustomerPage, History, Rebuilt
from nba_engine.store.customers.customers import Working, decode_state
from nba_engine.store.customers.holdings import read_interactions
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Readers
from nba_engine.store.writer import Writer

__all__ = ["StoredHistories"]

_COUNT = "SELECT count(*) FROM customers"
# by row, from the newest on: a merge leaves the customer with the lowest row
_IDS = """
SELECT id, customer_id, (SELECT min(identity) FROM identities WHERE customer = customers.id)
FROM customers WHERE id < coalesce(nullif(?, 0), 9223372036854775807) ORDER BY id DESC LIMIT ?
"""
_ROW = "SELECT id FROM customers WHERE customer_id = ?"
_STATE = "SELECT state FROM customers WHERE id = ?"
_NEWEST = "SELECT coalesce(max(id), 0) FROM interactions WHERE customer = ?"
_MERGES = "SELECT count(*) FROM merged WHERE customer = ?"


class StoredHistories:
    """The verbs of `nba_engine.domain.Store` that walk through customers, on SQLite."""

    _path: Path
    _readers: Readers
    _writer: Writer

    def count_customers(self) -> int:
        """How many customers there are."""
        try:
            count: Any = self._readers.connection().execute(_COUNT).get
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return int(count)

    def customer_ids(self, *, before: int = 0, most: int = 1_000) -> CustomerPage:
        """Ids of customers, the one known shortest first. See `nba_engine.domain.Store`."""
        try:
            rows: list[Any] = self._readers.connection().execute(_IDS, (before, most)).fetchall()
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        more = int(rows[-1][0]) if len(rows) == most else 0
        ids, names = [str(row[1]) for row in rows], [row[2] or "" for row in rows]
        return CustomerPage(tuple(ids), more, tuple(names))

    def history(self, customer_id: str, *, after: int = 0) -> History | None:
        """A customer with a page of its interactions, at one moment; None: is no more."""
        try:
            connection = self._readers.connection()
            with connection:  # one moment for all that is read
                found = _history(connection, customer_id, after)
        except UnicodeEncodeError:
            return None  # no such id can have been stored
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return found

    def rebuild(
        self, customers: Sequence[Rebuilt], *, deadline: float | None = None
    ) -> Sequence[bool]:
        """Replace the aggregates of those that nothing was added to since. One commit."""
        return self._writer.submit(
            lambda connection: [_replace(connection, one) for one in customers], deadline=deadline
        )


def _history(connection: apsw.Connection, customer_id: str, after: int) -> History | None:
    row: Any = connection.execute(_ROW, (customer_id,)).get
    if row is None:
        return None
    newest: Any = connection.execute(_NEWEST, (row,)).get
    merges: Any = connection.execute(_MERGES, (row,)).get
    numbered = read_interactions(connection, row, after)
    return History(
        state=decode_state(connection.execute(_STATE, (row,)).get),
        interactions=tuple([interaction for _, interaction, _ in numbered]),
        recorded=tuple([at for _, _, at in numbered]),
        last=numbered[-1][0] if numbered else after,
        newest=newest,
        merges=merges,
    )


def _replace(connection: apsw.Connection, rebuilt: Rebuilt) -> bool:
    row: Any = connection.execute(_ROW, (rebuilt.customer_id,)).get
    if row is None:
        return False
    newest = connection.execute(_NEWEST, (row,)).get
    merges = connection.execute(_MERGES, (row,)).get
    if (newest, merges) != (rebuilt.newest, rebuilt.merges):
        return False
    working = Working(connection, row)
    working.replace(aggregates=rebuilt.aggregates)
    working.write()
    return True
