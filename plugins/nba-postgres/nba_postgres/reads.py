"""What is read beside customers: identities, what is kept of them, request ids, progress."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias

import msgspec

from nba_engine.domain import (
    ConsentChange,
    Holdings,
    Identities,
    Interaction,
    KnownRequest,
    Link,
    Reservation,
)
from nba_engine.store.customers import decode_stamps
from nba_postgres.connections import Connection

__all__ = [
    "interaction_of",
    "moment",
    "read_holdings",
    "read_identities",
    "read_interactions",
    "read_progress",
    "read_request",
    "read_state",
]

_Status: TypeAlias = Literal["reserved", "confirmed", "released", "expired"]

_STATE = """
SELECT state FROM customers WHERE id = (SELECT customer FROM identities WHERE identity = %s)
"""
_CUSTOMER = """
SELECT c.id, c.customer_id, c.stamps FROM customers AS c JOIN identities AS i ON i.customer = c.id
WHERE i.identity = %s
"""
_NAMES = "SELECT identity FROM identities WHERE customer = %s ORDER BY identity"
_LINKS = "SELECT time, source, identities, merged FROM links WHERE customer = %s ORDER BY time, id"
_CONSENTS = """
SELECT consent, granted, time, source, identity FROM consent_history
WHERE customer = %s ORDER BY time, consent, granted DESC, source
"""
_INTERACTIONS = """
SELECT id, interaction_id, identity, type, time, recommendation_id, properties, recorded
FROM interactions WHERE customer = %s AND id > %s ORDER BY id LIMIT %s
"""
_RESERVATIONS = """
SELECT reservation_id, decision_id, status, expires, holds FROM reservations
WHERE customer_id = %s ORDER BY reservation_id
"""
_REQUEST = """
SELECT fingerprint, decision_id, until, answer FROM decision_requests
WHERE request_id = %s AND expires > %s
"""
_PAGE = 1_000  # interactions
# by status; what late confirmations charged beyond the amount is told by the account
_ENDS: tuple[_Status, ...] = ("reserved", "confirmed", "released", "expired", "confirmed")

_decode_words = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_holds = msgspec.json.Decoder(dict[str, int]).decode
_decode_properties = msgspec.msgpack.Decoder(dict[str, Any]).decode


@contextmanager
def moment(connection: Connection) -> Iterator[None]:
    """All that is read inside is read at one moment."""
    connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def read_state(connection: Connection, identity: str) -> bytes | None:
    """The stored state (msgpack of `CustomerState`) behind an identity; None: unknown."""
    row: Any = connection.execute(_STATE, (identity,), prepare=True, binary=True).fetchone()
    return None if row is None else bytes(row[0])


def read_identities(connection: Connection, identity: str) -> Identities | None:
    """Who the customer behind an identity is; None: unknown."""
    with moment(connection):
        found: Any = connection.execute(_CUSTOMER, (identity,)).fetchone()
        if found is None:
            return None
        row, customer_id, stamps = found
        names: Any = connection.execute(_NAMES, (row,)).fetchall()
        links: Any = connection.execute(_LINKS, (row,)).fetchall()
        consents: Any = connection.execute(_CONSENTS, (row,)).fetchall()
    return Identities(
        customer_id=customer_id,
        identities=tuple([name for (name,) in names]),
        stamps=decode_stamps(stamps),
        links=tuple(
            [
                Link(
                    time=time,
                    source=source,
                    identities=_decode_words(identities),
                    merged=_decode_words(merged),
                )
                for time, source, identities, merged in links
            ]
        ),
        consents=tuple(
            [
                ConsentChange(
                    consent=consent, granted=bool(granted), time=time, source=source, identity=by
                )
                for consent, granted, time, source, by in consents
            ]
        ),
    )


def read_holdings(connection: Connection, identity: str, after: int) -> Holdings | None:
    """A page of what is kept of the customer behind an identity; None: unknown."""
    with moment(connection):
        found: Any = connection.execute(_CUSTOMER, (identity,)).fetchone()
        if found is None:
            return None
        row, customer_id, _ = found
        happened = read_interactions(connection, row, after)
        reserved: Any = []
        if not after:
            reserved = connection.execute(_RESERVATIONS, (customer_id,)).fetchall()
    return Holdings(
        interactions=tuple([interaction for _, interaction, _ in happened]),
        reservations=tuple(
            [
                Reservation(
                    reservation_id=name,
                    decision_id=decision_id,
                    status=_ENDS[status],
                    expires=expires,
                    holds=_decode_holds(holds),
                )
                for name, decision_id, status, expires, holds in reserved
            ]
        ),
        more=happened[-1][0] if len(happened) == _PAGE else 0,
    )


def read_request(connection: Connection, request_id: str, now: float) -> KnownRequest | None:
    """The attempt that holds a request id at ``now``."""
    row: Any = connection.execute(_REQUEST, (request_id, now), prepare=True, binary=True).fetchone()
    if row is None:
        return None
    fingerprint, decision_id, until, answer = row
    return KnownRequest(
        fingerprint=bytes(fingerprint),
        decision_id=decision_id,
        until=until,
        answer=None if answer is None else bytes(answer),
    )


def read_progress(connection: Connection, name: str) -> str | None:
    """What was last noted under this name."""
    row: Any = connection.execute("SELECT value FROM progress WHERE name = %s", (name,)).fetchone()
    return None if row is None else row[0]


def read_interactions(
    connection: Connection, row: int, after: int
) -> list[tuple[int, Interaction, float | None]]:
    """A page of a customer's interactions with their numbers, from behind the number ``after``.

    The third: when it was recorded.
    """
    found: Any = connection.execute(_INTERACTIONS, (row, after, _PAGE)).fetchall()
    return [(number, interaction_of(*columns), at) for number, *columns, at in found]


def interaction_of(
    interaction_id: str,
    identity: str,
    kind: str,
    time: float,
    recommendation_id: str,
    properties: bytes,
) -> Interaction:
    """An interaction from its columns."""
    return Interaction(
        interaction_id=interaction_id,
        identity=identity,
        type=kind,
        time=time,
        recommendation_id=recommendation_id,
        properties=_decode_properties(properties),
    )
