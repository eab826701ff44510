"""What arrived, in its order, whoever it is of: for those who count outcomes behind the requests."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Any

import apsw
import msgspec

from nba_engine.domain import Arrival, Arrivals
from nba_engine.store.customers.holdings import interaction_of
from nba_engine.store.faults import DRIVER_ERRORS, translated
from nba_engine.store.files import Readers

__all__ = ["SPAN", "StoredArrivals", "decode_types"]

SPAN = 50_000  # looked at in one call

# there is one writer: numbers become visible in their order
_LAST = "SELECT coalesce(max(id), 0) FROM interactions"
_ARRIVALS = """
SELECT i.id, (
    SELECT json_group_array(DISTINCT e.type) FROM interactions AS e
    WHERE e.customer = i.customer AND e.id < i.id AND e.recommendation_id = i.recommendation_id
      AND e.type IN (SELECT value FROM json_each(?3))),
  i.interaction_id, i.identity, i.type, i.time, i.recommendation_id, i.properties
FROM interactions AS i
WHERE i.id > ?1 AND i.id <= ?2 AND i.recommendation_id <> ''
  AND i.type IN (SELECT value FROM json_each(?3))
ORDER BY i.id LIMIT ?4
"""

decode_types = msgspec.json.Decoder(frozenset[str]).decode


class StoredArrivals:
    """The verb of `nba_engine.domain.Store` that reads what arrived, on SQLite."""

    _path: Path
    _readers: Readers

    def arrivals(self, types: Collection[str], *, after: int = 0, most: int = 1_000) -> Arrivals:
        """A page of interactions that name a recommendation. See `nba_engine.domain.Store`."""
        try:
            connection = self._readers.connection()
            with connection:  # one moment for all that is read
                page = _arrivals(connection, types, after, most)
        except DRIVER_ERRORS as error:
            raise translated(error, self._path) from error
        return page


def _arrivals(
    connection: apsw.Connection, types: Collection[str], after: int, most: int
) -> Arrivals:
    newest: Any = connection.execute(_LAST).get
    end = min(after + SPAN, max(newest, after))
    words = msgspec.json.encode(sorted(types)).decode()
    rows: list[Any] = connection.execute(_ARRIVALS, (after, end, words, most)).fetchall()
    last = rows[-1][0] if len(rows) == most else end
    found = [Arrival(interaction_of(*columns), decode_types(told)) for _, told, *columns in rows]
    return Arrivals(tuple(found), last, last < newest)
