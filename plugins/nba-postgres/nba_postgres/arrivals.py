"""What arrived, in its order, whoever it is of: for those who count outcomes behind the requests."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nba_engine.domain import Arrival, Arrivals
from nba_postgres.connections import Connection
from nba_postgres.reads import interaction_of
from nba_postgres.session import Session

__all__ = ["read_arrivals", "read_newest", "settled"]

SPAN = 50_000  # looked at in one call

_NEWEST = "SELECT coalesce(max(id), 0) FROM interactions"
_ARRIVALS = """
SELECT i.id, ARRAY(
    SELECT DISTINCT e.type FROM interactions AS e
    WHERE e.customer = i.customer AND e.id < i.id AND e.recommendation_id = i.recommendation_id
      AND e.type = ANY(%(types)s::text[])),
  i.interaction_id, i.identity, i.type, i.time, i.recommendation_id, i.properties
FROM interactions AS i
WHERE i.id > %(after)s AND i.id <= %(end)s AND i.recommendation_id <> ''
  AND i.type = ANY(%(types)s::text[])
ORDER BY i.id LIMIT %(most)s
"""


def read_newest(connection: Connection) -> int:
    """The highest number that is to be seen; lower ones may still come."""
    row: Any = connection.execute(_NEWEST).fetchone()
    return int(row[0])


def settled(session: Session) -> int:
    """The number up to which none can come any more; with the store alone.

    Transactions take their numbers before they commit, and commit in another order. While one has
    the store alone, no other is under way.
    """
    return int(session.one(_NEWEST))


def read_arrivals(
    connection: Connection, types: Collection[str], *, after: int, end: int, most: int
) -> Arrivals:
    """A page up to the number ``end``. See `nba_engine.domain.Store`."""
    until = min(after + SPAN, end)
    values = {"types": sorted(types), "after": after, "end": until, "most": most}
    rows: Any = connection.execute(_ARRIVALS, values).fetchall()
    last = int(rows[-1][0]) if len(rows) == most else until
    found = [Arrival(interaction_of(*columns), frozenset(told)) for _, told, *columns in rows]
    return Arrivals(tuple(found), last, last < end)
