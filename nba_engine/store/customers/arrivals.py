"""What arrived, in its order, whoever it is of: for those who count outcomes behind the requests."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import apsw
import msgspec

from nba_engine.domain import Arrival, Arrivals
from nba_engine.store.customers.holdings import interaction_of
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Readers

__all__ = ["SPAN", "StoredArrivals"]

SPAN = 50_000  # looked at in one call

# there is one writer: numbers become visible in their order
_LAST = "SELECT coalesce(max(id), 0) FROM interactions"
_COLUMNS = "i.customer, i.interaction_id, i.identity, i.type, i.time, i.recommendation_id, i.properties, i.recorded"
_WANTED = """(
  (i.recommendation_id <> '' AND i.type IN (SELECT value FROM json_each(?1)))
  OR i.type IN (SELECT value FROM json_each(?2))
)"""
_ARRIVALS = f"""
SELECT i.id, {_COLUMNS} FROM interactions AS i
WHERE i.id > ?3 AND i.id <= ?4 AND {_WANTED} ORDER BY i.id LIMIT ?5
"""  # noqa: S608 (constants)
_BEFORE = f"""
SELECT {_COLUMNS} FROM json_each(?4) AS whose CROSS JOIN interactions AS i
  ON i.customer = whose.value
WHERE i.id <= ?3 AND {_WANTED}
  AND (i.time >= ?5 OR i.recommendation_id IN (SELECT value FROM json_each(?6)))
ORDER BY i.id
"""  # noqa: S608 (constants)


class StoredArrivals:
    """The verb of `nba_engine.domain.Store` that reads what arrived, on SQLite."""

    _path: Path
    _readers: Readers

    def arrivals(
        self,
        types: Collection[str],
        *,
        unnamed: Collection[str] = (),
        reach: float = 0.0,
        after: int = 0,
        most: int = 1_000,
    ) -> Arrivals:
        """A page of interactions in order of arrival. See `nba_engine.domain.Store`."""
        words = (_json(sorted(types)), _json(sorted(unnamed)))
        try:
            connection = self._readers.connection()
            with connection:  # one moment for all that is read
                page = _arrivals(connection, words, reach, after, most)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return page


def _arrivals(
    connection: apsw.Connection, words: tuple[str, str], reach: float, after: int, most: int
) -> Arrivals:
    newest: Any = connection.execute(_LAST).get
    end = min(after + SPAN, max(newest, after))
    rows: list[Any] = connection.execute(_ARRIVALS, (*words, after, end, most)).fetchall()
    last = rows[-1][0] if len(rows) == most else end
    found = tuple([_arrival(*row[1:]) for row in rows])
    return Arrivals(found, last, last < newest, _before(connection, words, reach, after, found))


def _before(
    connection: apsw.Connection,
    words: tuple[str, str],
    reach: float,
    after: int,
    page: tuple[Arrival, ...],
) -> tuple[Arrival, ...]:
    if not page or not after:
        return ()
    since = min(one.interaction.time for one in page) - reach
    customers = _json(sorted({one.customer for one in page}))
    names = _json(sorted({one.interaction.recommendation_id for one in page} - {""}))
    rows: Iterable[Any] = connection.execute(_BEFORE, (*words, after, customers, since, names))
    return tuple([_arrival(*row) for row in rows])


def _arrival(customer: int, *columns: Any) -> Arrival:
    *happened, recorded = columns
    return Arrival(customer, interaction_of(*happened), recorded)


def _json(values: object) -> str:
    return msgspec.json.encode(values).decode()
