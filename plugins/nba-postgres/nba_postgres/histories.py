"""Customers one after the other, with all they did: for aggregates that are computed again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nba_engine.domain import CustomerPage, History, Rebuilt
from nba_engine.store.customers import decode_state
from nba_postgres.connections import Connection
from nba_postgres.people import Person, encode_state
from nba_postgres.reads import moment, read_interactions
from nba_postgres.session import Session

__all__ = ["count_customers", "read_customer_ids", "read_history", "rebuild"]

# by row, from the newest on: a merge leaves the customer with the lowest row
_IDS = """
SELECT id, customer_id, (
  SELECT min(identity COLLATE "C") FROM identities WHERE customer = customers.id
) FROM customers WHERE %(before)s = 0 OR id < %(before)s
ORDER BY id DESC LIMIT %(most)s
"""
_CUSTOMER = """
SELECT c.id, c.state, (SELECT coalesce(max(i.id), 0) FROM interactions AS i WHERE customer = c.id),
       (SELECT count(*) FROM merged WHERE customer = c.id)
FROM customers AS c WHERE customer_id = %s
"""
_LOCK = """
SELECT c.id, c.state, c.stamps,
       (SELECT coalesce(max(i.id), 0) FROM interactions AS i WHERE customer = c.id),
       (SELECT count(*) FROM merged WHERE customer = c.id)
FROM customers AS c WHERE customer_id = %(customer_id)s FOR UPDATE
"""
_WRITE = "UPDATE customers SET state = %(state)s WHERE id = %(row)s"


def count_customers(connection: Connection) -> int:
    """How many customers there are."""
    row: Any = connection.execute("SELECT count(*) FROM customers").fetchone()
    return int(row[0])


def read_customer_ids(connection: Connection, before: int, most: int) -> CustomerPage:
    """Ids of customers, the one known shortest first. See `nba_engine.domain.Store`."""
    rows: Any = connection.execute(_IDS, {"before": before, "most": most}).fetchall()
    more = int(rows[-1][0]) if len(rows) == most else 0
    ids, names = [str(row[1]) for row in rows], [row[2] or "" for row in rows]
    return CustomerPage(tuple(ids), more, tuple(names))


def read_history(connection: Connection, customer_id: str, after: int) -> History | None:
    """A customer with a page of its interactions, at one moment; None: is no more."""
    with moment(connection):
        found: Any = connection.execute(_CUSTOMER, (customer_id,)).fetchone()
        if found is None:
            return None
        row, state, newest, merges = found
        numbered = read_interactions(connection, row, after)
    return History(
        state=decode_state(state),
        interactions=tuple([interaction for _, interaction, _ in numbered]),
        recorded=tuple([at for _, _, at in numbered]),
        last=numbered[-1][0] if numbered else after,
        newest=newest,
        merges=merges,
    )


def rebuild(session: Session, customers: Sequence[Rebuilt]) -> list[bool]:
    """Replace the aggregates of those that nothing was added to since; with the store alone."""
    return [_replace(session, one) for one in customers]


def _replace(session: Session, rebuilt: Rebuilt) -> bool:
    rows = session.rows(_LOCK, customer_id=rebuilt.customer_id)
    if not rows:
        return False
    ((row, state, stamps, newest, merges),) = rows
    if (newest, merges) != (rebuilt.newest, rebuilt.merges):
        return False
    person = Person.stored(row, state, stamps)
    person.replace(aggregates=rebuilt.aggregates)
    session.rows(_WRITE, row=row, state=encode_state(person.state))
    return True
