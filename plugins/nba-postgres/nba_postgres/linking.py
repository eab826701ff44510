"""Identities that lead to one customer: links and merges, by a transaction that has the store alone.

As in `nba_engine.store.identities`.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import msgspec

from nba_engine.domain import CustomerState, Held, Linked, LinkRequest, Merge
from nba_engine.errors import FailedPrecondition, InvalidRequest, Violation
from nba_engine.store.customers import NOBODY, NewId, decode_stamps, decode_state
from nba_engine.store.requests import digest_of
from nba_postgres.moving import move_accounts
from nba_postgres.session import Session
from nba_postgres.statements import IDENTITIES, note_updates

__all__ = ["held_of", "link"]

_encode = msgspec.msgpack.Encoder().encode
_encode_json = msgspec.json.Encoder().encode

_HELD = "SELECT state, stamps FROM customers WHERE id = %(row)s"
_NAMES = "SELECT identity FROM identities WHERE customer = %(row)s ORDER BY identity"
_COUNT = "SELECT count(*) FROM identities WHERE customer = ANY(%(rows)s::bigint[])"
_SAID = "SELECT body FROM requests WHERE request = %(request)s"
_NEW_CUSTOMER = """
INSERT INTO customers(id, customer_id, state, stamps)
VALUES (nextval('customers_id'), %(customer_id)s, %(state)s, %(stamps)s) RETURNING id
"""
_NEW_IDENTITY = """
INSERT INTO identities(identity, customer) VALUES (%(name)s, %(row)s)
ON CONFLICT(identity) DO UPDATE SET customer = excluded.customer
"""
_LINK = """
INSERT INTO links(customer, time, source, identities, merged)
VALUES (%(row)s, %(now)s, %(source)s, %(identities)s, %(merged)s)
"""
_MOVES = (
    "UPDATE identities SET customer = %(to)s WHERE customer = %(gone)s",
    "UPDATE interactions SET customer = %(to)s WHERE customer = %(gone)s",
    "UPDATE links SET customer = %(to)s WHERE customer = %(gone)s",
    "UPDATE merged SET customer = %(to)s WHERE customer = %(gone)s",
    """
    INSERT INTO consent_history(customer, consent, time, granted, source, identity)
    SELECT %(to)s, consent, time, granted, source, identity FROM consent_history
    WHERE customer = %(gone)s
    ON CONFLICT(customer, consent, time, granted, source)
    DO UPDATE SET identity = excluded.identity
    """,
    "DELETE FROM consent_history WHERE customer = %(gone)s",
    "DELETE FROM customers WHERE id = %(gone)s",
)
_MERGED = "INSERT INTO merged(customer_id, customer) VALUES (%(customer_id)s, %(row)s)"
_WRITE = "UPDATE customers SET state = %(state)s, stamps = %(stamps)s WHERE id = %(row)s"


def link(session: Session, request: LinkRequest, merge: Merge, new_id: NewId, now: float) -> Linked:
    """Lead a checked request's identities to one customer.

    Raises `FailedPrecondition` (``TOO_MANY_LINKS``) when it would have too many identities, and
    `InvalidRequest` when the request id stands for another request.
    """
    identities = sorted(set(request.identities))
    repeated = _repeated(session, request, identities)
    known: dict[str, int | None] = dict(session.rows(IDENTITIES, names=identities))
    rows = sorted({row for row in known.values() if row is not None})
    strangers = [name for name in identities if known.get(name) is None]
    if repeated and not rows:  # its customer was erased since
        return Linked(state=NOBODY, identities=())
    if repeated or (len(rows) == 1 and not strangers):
        return _linked(session, rows[0])
    count = len(strangers) + session.one(_COUNT, rows=rows)
    if count > request.most:
        raise FailedPrecondition(
            f"the customer would have {count} identities; at most {request.most} are allowed",
            reason="TOO_MANY_LINKS",
            metadata={"identities": str(count), "max_links": str(request.most)},
        )
    first, *others = rows or [_new_customer(session, new_id(strangers[0]))]
    merged = _merge(session, first, others, merge)
    customer_id = held_of(session, first).state.customer_id
    for name in strangers:
        session.rows(_NEW_IDENTITY, name=name, row=first)
        move_accounts(session, name, customer_id)
    session.rows(
        _LINK,
        row=first,
        now=now,
        source=request.source,
        identities=_encode_json(identities).decode(),
        merged=_encode_json(merged).decode(),
    )
    return _linked(session, first, merged)


def held_of(session: Session, row: int) -> Held:
    """A customer's state, with the times its attributes were set."""
    ((state, stamps),) = session.rows(_HELD, row=row)
    return Held(state=decode_state(state), stamps=decode_stamps(stamps))


def _repeated(session: Session, request: LinkRequest, identities: list[str]) -> bool:
    """Whether this was asked for before; remembers it if not."""
    if not request.request_id:
        return False
    asked, body = digest_of(request.request_id), digest_of(("link", identities, request.source))
    (noted,) = session.run(note_updates({asked: body}, time.time()))
    if noted:
        return False
    if bytes(session.one(_SAID, request=asked)) != body:
        wrong = Violation(field="request_id", description="was used before for another request")
        raise InvalidRequest([wrong], reason="REQUEST_ID_REUSED")
    return True


def _new_customer(session: Session, customer_id: str) -> int:
    state = CustomerState(customer_id=customer_id, version=1)
    row: int = session.one(
        _NEW_CUSTOMER, customer_id=customer_id, state=_encode(state), stamps=_encode({})
    )
    return row


def _merge(session: Session, first: int, others: Sequence[int], merge: Merge) -> tuple[str, ...]:
    """Merge customers into the first; the ids of those that are no more."""
    if not others:
        return ()
    held = held_of(session, first)
    kept = held.state.customer_id
    gone: list[str] = []
    for row in others:
        other = held_of(session, row)
        held = merge(held, other)
        gone.append(other.state.customer_id)
        for move in _MOVES:
            session.rows(move, to=first, gone=row)
        session.rows(_MERGED, customer_id=gone[-1], row=first)
        move_accounts(session, gone[-1], kept)
    values: dict[str, Any] = {"state": _encode(held.state), "stamps": _encode(held.stamps)}
    session.rows(_WRITE, row=first, **values)
    return tuple(gone)


def _linked(session: Session, row: int, merged: tuple[str, ...] = ()) -> Linked:
    return Linked(
        state=held_of(session, row).state,
        identities=tuple([name for (name,) in session.rows(_NAMES, row=row)]),
        merged=merged,
    )
