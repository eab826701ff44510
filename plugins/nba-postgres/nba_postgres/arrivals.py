"""What arrived, in its order, whoever it is of: for those who count outcomes behind the requests."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from nba_engine.domain import Arrival, Arrivals
from nba_postgres.connections import Connection
from nba_postgres.reads import interaction_of, moment
from nba_postgres.session import Session

__all__ = ["read_arrivals", "read_newest", "settled"]

SPAN = 50_000  # looked at in one call

_NEWEST = "SELECT coalesce(max(id), 0) FROM interactions"
_COLUMNS = "customer, interaction_id, identity, type, time, recommendation_id, properties, recorded"
_WANTED = (
    "((recommendation_id <> '' AND type = ANY(%(types)s::text[])) "
    "OR type = ANY(%(unnamed)s::text[]))"
)
_ARRIVALS = f"""
SELECT id, {_COLUMNS} FROM interactions
WHERE id > %(after)s AND id <= %(end)s AND {_WANTED} ORDER BY id LIMIT %(most)s
"""  # noqa: S608 (constants)
_BEFORE = f"""
SELECT {_COLUMNS} FROM interactions
WHERE customer = ANY(%(customers)s::bigint[]) AND id <= %(after)s AND {_WANTED}
  AND (time >= %(since)s OR recommendation_id = ANY(%(names)s::text[]))
ORDER BY id
"""  # noqa: S608 (constants)


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
    connection: Connection,
    types: Collection[str],
    *,
    unnamed: Collection[str],
    reach: float,
    after: int,
    end: int,
    most: int,
) -> Arrivals:
    """A page up to the number ``end``. See `nba_engine.domain.Store`."""
    until = min(after + SPAN, end)
    kinds = {"types": sorted(types), "unnamed": sorted(unnamed), "after": after}
    with moment(connection):
        rows: Any = connection.execute(_ARRIVALS, {**kinds, "end": until, "most": most}).fetchall()
        found = tuple([_arrival(*row[1:]) for row in rows])
        before: tuple[Arrival, ...] = ()
        if found and after:
            wanted = {
                **kinds,
                "customers": sorted({row[1] for row in rows}),
                "names": sorted({one.interaction.recommendation_id for one in found} - {""}),
                "since": min(one.interaction.time for one in found) - reach,
            }
            earlier: Any = connection.execute(_BEFORE, wanted).fetchall()
            before = tuple([_arrival(*row) for row in earlier])
    last = int(rows[-1][0]) if len(rows) == most else until
    return Arrivals(found, last, last < end, before)


def _arrival(customer: int, *columns: Any) -> Arrival:
    *happened, recorded = columns
    return Arrival(customer, interaction_of(*happened), recorded)
