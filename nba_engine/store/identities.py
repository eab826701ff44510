"""Identities that lead to one customer: links, merges, and what is kept of both.

A merge moves all that is kept under the customer that goes to the one that stays (the one known
longest), in one transaction: identities, interactions, links, consents, and its part of the ledger.
The id of the customer that went leads on to the other, so that whoever decided for it just before
reserves on the right accounts.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence

import apsw
import msgspec

from nba_engine.domain import (
    Hold,
    Linked,
    LinkRequest,
    Merge,
    ReservationRequest,
    of_customer,
)
from nba_engine.errors import FailedPrecondition, InvalidRequest, Violation
from nba_engine.store.customers import (
    CUSTOMER_ID,
    LAST_BEFORE,
    NOBODY,
    ROW,
    NewId,
    held_of,
    identities_of,
    insert_customer,
    move_accounts,
    stored_text,
    was_erased,
)
from nba_engine.store.requests import seen_request
from nba_engine.store.rows import among

__all__ = ["check_link", "link", "moved_request", "refused_request", "to_current_customers"]

_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode

# before whom customers were erased last, in a row without a name; then who has these identities,
# and who these customers are since they were merged
_CURRENT = f"""
SELECT NULL, {LAST_BEFORE} UNION ALL
SELECT identity, customer FROM identities WHERE identity IN {{0}} UNION ALL
SELECT customer_id, customer FROM merged WHERE customer_id IN {{0}}
"""  # noqa: S608 - a constant
_MOVES = (
    "UPDATE identities SET customer = ? WHERE customer = ?",
    "UPDATE interactions SET customer = ? WHERE customer = ?",
    "UPDATE links SET customer = ? WHERE customer = ?",
    "UPDATE merged SET customer = ? WHERE customer = ?",
    "UPDATE OR REPLACE consent_history SET customer = ? WHERE customer = ?",
)


def check_link(request: LinkRequest) -> None:
    """Raise `InvalidRequest` for a link that cannot be stored."""
    violations = [
        Violation(field=f"identities[{number}]", description="must be a non-empty text")
        for number, identity in enumerate(request.identities)
        if not stored_text(identity)
    ]
    if len(set(request.identities)) < 2:
        violations.append(Violation(field="identities", description="must name two or more"))
    violations += [
        Violation(field=name, description="is no text")
        for name in ("source", "request_id")
        if getattr(request, name) and not stored_text(getattr(request, name))
    ]
    if violations:
        raise InvalidRequest(violations)


def link(
    connection: apsw.Connection, request: LinkRequest, merge: Merge, new_id: NewId, now: float
) -> Linked:
    """Lead a checked request's identities to one customer. Runs inside a change.

    Raises `FailedPrecondition` (``TOO_MANY_LINKS``) when it would have too many identities, and
    `InvalidRequest` when the request id stands for another request.
    """
    identities = sorted(set(request.identities))
    repeated = request.request_id and seen_request(
        connection, request.request_id, ("link", identities, request.source), "request_id"
    )
    known = {name: connection.execute(ROW, (name,)).get for name in identities}
    strangers = [name for name, row in known.items() if row is None]
    rows = sorted({row for row in known.values() if row is not None})
    if repeated and not rows:  # its customer was erased since
        return Linked(state=NOBODY, identities=())
    if repeated or (len(rows) == 1 and not strangers):
        return _linked(connection, rows[0])
    _check_number(connection, rows, len(strangers), request.most)
    first, *others = rows or [insert_customer(connection, strangers[0], new_id)[0]]
    merged = _merge(connection, first, others, merge)
    customer_id = str(connection.execute(CUSTOMER_ID, (first,)).get)
    for name in strangers:
        connection.execute(
            "INSERT INTO identities VALUES (?, ?) ON CONFLICT DO NOTHING", (name, first)
        )
        move_accounts(connection, name, customer_id)
    connection.execute(
        "INSERT INTO links(customer, time, source, identities, merged) VALUES (?, ?, ?, ?, ?)",
        (
            first,
            now,
            request.source,
            _encode_json(identities).decode(),
            _encode_json(merged).decode(),
        ),
    )
    return _linked(connection, first, merged)


def _check_number(
    connection: apsw.Connection, rows: Sequence[int], strangers: int, most: int
) -> None:
    """Raise `FailedPrecondition` if the identities of all these would be too many."""
    count = strangers + sum(
        connection.execute("SELECT count(*) FROM identities WHERE customer = ?", (row,)).get
        for row in rows
    )
    if count > most:
        raise FailedPrecondition(
            f"the customer would have {count} identities; at most {most} are allowed",
            reason="TOO_MANY_LINKS",
            metadata={"identities": str(count), "max_links": str(most)},
        )


def _merge(
    connection: apsw.Connection, first: int, others: Sequence[int], merge: Merge
) -> tuple[str, ...]:
    """Merge customers into the first; the ids of those that are no more."""
    if not others:
        return ()
    held = held_of(connection, first)
    kept = held.state.customer_id
    gone = []
    for row in others:
        other = held_of(connection, row)
        held = merge(held, other)
        gone.append(other.state.customer_id)
        for move in _MOVES:
            connection.execute(move, (first, row))
        connection.execute("DELETE FROM customers WHERE id = ?", (row,))
        connection.execute("INSERT INTO merged VALUES (?, ?)", (gone[-1], first))
        move_accounts(connection, gone[-1], kept)
    connection.execute(
        "UPDATE customers SET state = ?, stamps = ? WHERE id = ?",
        (_encode(held.state), _encode(held.stamps), first),
    )
    return tuple(gone)


def _linked(connection: apsw.Connection, row: int, merged: tuple[str, ...] = ()) -> Linked:
    return Linked(
        state=held_of(connection, row).state,
        identities=identities_of(connection, row),
        merged=merged,
    )


def to_current_customers(
    connection: apsw.Connection, requests: Sequence[ReservationRequest]
) -> Sequence[ReservationRequest]:
    """The requests with those moved that were decided just before their customer was merged.

    And those for an identity that was nobody's then, and has a customer now. Nothing is left for
    those of a customer that was erased since.
    """
    names = list({request.customer_id for request in requests})
    rows = dict(among(connection, _CURRENT, names))
    last: str | None = rows.pop(None, None)
    current: dict[str, str] = {
        name: connection.execute(CUSTOMER_ID, (row,)).get for name, row in rows.items()
    }
    late = [one for one in requests if last is not None and one.decision_id < last]
    gone = {
        one.reservation_id
        for one in late
        if was_erased(connection, one.decision_id, (one.customer_id,))
    }
    if not current and not gone:
        return requests
    return [_current(request, current, gone) for request in requests]


def _current(
    request: ReservationRequest, current: Mapping[str, str], gone: Container[str]
) -> ReservationRequest:
    if request.reservation_id in gone:
        return refused_request(request)
    if request.customer_id in current:
        return moved_request(request, current[request.customer_id])
    return request


def refused_request(request: ReservationRequest) -> ReservationRequest:
    """The request as nobody's, for whose holds there is no room."""
    holds = tuple([msgspec.structs.replace(hold, ceiling=-1) for hold in request.holds])
    return msgspec.structs.replace(request, customer_id="", holds=holds)


def moved_request(request: ReservationRequest, customer_id: str) -> ReservationRequest:
    """The request with its holds on another customer's accounts."""
    before = request.customer_id
    holds: tuple[Hold, ...] = tuple(
        msgspec.structs.replace(hold, account=of_customer(hold.account, before, customer_id))
        for hold in request.holds
    )
    return msgspec.structs.replace(request, customer_id=customer_id, holds=holds)
