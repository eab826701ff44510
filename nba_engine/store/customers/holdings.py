"""What is kept of a customer beside its state: identities, links, consents, interactions, holds."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import apsw
import msgspec

from nba_engine.domain import (
    ConsentChange,
    Held,
    Holdings,
    Identities,
    Interaction,
    Link,
    Reservation,
)
from nba_engine.store.customers.customers import decode_stamps, decode_state, stored_text

__all__ = [
    "CUSTOMER_ID",
    "ROW",
    "held_of",
    "identities_of",
    "interaction_of",
    "read_holdings",
    "read_identities",
    "read_interactions",
]

_Status: TypeAlias = Literal["reserved", "confirmed", "released", "expired"]

ROW = "SELECT customer FROM identities WHERE identity = ?"
CUSTOMER_ID = "SELECT customer_id FROM customers WHERE id = ?"
_LINKS = "SELECT time, source, identities, merged FROM links WHERE customer = ? ORDER BY time, id"
_CONSENTS = """
SELECT consent, granted, time, source, identity FROM consent_history
WHERE customer = ? ORDER BY time, consent, granted DESC, source
"""
_INTERACTIONS = """
SELECT id, interaction_id, identity, type, time, recommendation_id, properties, recorded
FROM interactions WHERE customer = ? AND id > ? ORDER BY id LIMIT ?
"""
_RESERVATIONS = """
SELECT r.reservation_id, r.decision_id, r.status, r.expires, r.holds
FROM customers AS c JOIN reservations AS r ON r.customer_id = c.customer_id
WHERE c.id = ? ORDER BY r.reservation_id
"""
_PAGE = 1_000  # interactions
# by status; what late confirmations charged beyond the amount is told by the account
_ENDS: tuple[_Status, ...] = ("reserved", "confirmed", "released", "expired", "confirmed")

_decode_words = msgspec.json.Decoder(tuple[str, ...]).decode
_decode_holds = msgspec.json.Decoder(dict[str, int]).decode
_decode_properties = msgspec.msgpack.Decoder(dict[str, Any]).decode


def held_of(connection: apsw.Connection, row: int) -> Held:
    """A customer's state, with the times its attributes were set."""
    state, stamps = connection.execute(
        "SELECT state, stamps FROM customers WHERE id = ?", (row,)
    ).get
    return Held(state=decode_state(state), stamps=decode_stamps(stamps))


def identities_of(connection: apsw.Connection, row: int) -> tuple[str, ...]:
    """All identities of a customer, by name."""
    found = connection.execute(
        "SELECT identity FROM identities WHERE customer = ? ORDER BY identity", (row,)
    )
    return tuple([name for (name,) in found])


def read_identities(connection: apsw.Connection, identity: str) -> Identities | None:
    """Who the customer behind an identity is; None: unknown."""
    if not stored_text(identity):
        return None
    with connection:  # one moment for all that is read
        found = _read(connection, identity)
    return found


def _read(connection: apsw.Connection, identity: str) -> Identities | None:
    row = connection.execute(ROW, (identity,)).get
    if row is None:
        return None
    links = connection.execute(_LINKS, (row,))
    consents = connection.execute(_CONSENTS, (row,))
    return Identities(
        customer_id=str(connection.execute(CUSTOMER_ID, (row,)).get),
        identities=identities_of(connection, row),
        stamps=held_of(connection, row).stamps,
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


def read_holdings(connection: apsw.Connection, identity: str, after: int) -> Holdings | None:
    """A page of what is kept of the customer behind an identity; None: unknown."""
    if not stored_text(identity):
        return None
    with connection:  # one moment for both
        row: Any = connection.execute(ROW, (identity,)).get
        if row is None:
            return None
        happened = read_interactions(connection, row, after)
        reserved: list[Any] = []
        if not after:
            reserved = connection.execute(_RESERVATIONS, (row,)).fetchall()
    return Holdings(
        interactions=tuple([interaction for _, interaction, _ in happened]),
        reservations=tuple([_reservation(*columns) for columns in reserved]),
        more=happened[-1][0] if len(happened) == _PAGE else 0,
    )


def read_interactions(
    connection: apsw.Connection, row: int, after: int
) -> list[tuple[int, Interaction, float | None]]:
    """A page of a customer's interactions with their numbers, from behind the number ``after``.

    The third: when it was recorded.
    """
    found: list[Any] = connection.execute(_INTERACTIONS, (row, after, _PAGE)).fetchall()
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


def _reservation(
    reservation_id: str, decision_id: str, status: int, expires: float, holds: str
) -> Reservation:
    return Reservation(
        reservation_id=reservation_id,
        decision_id=decision_id,
        status=_ENDS[status],
        expires=expires,
        holds=_decode_holds(holds),
    )
