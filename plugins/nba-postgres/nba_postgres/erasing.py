"""Erasing a customer, and what is kept so that it does not come back; with the store alone.

As in `nba_engine.store.erasing.erasing`. What PostgreSQL keeps of deleted rows until it vacuums, and in its
write-ahead log, is the server's: docs/operations.md says how long that is.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import msgspec

from nba_engine.domain import (
    FILES,
    LOG,
    OPEN,
    SINKS,
    Erased,
    Erasure,
    digest_of_name,
    id_time,
    of_customer,
)
from nba_engine.errors import InvalidRequest, NotFound, Violation
from nba_postgres.session import Session
from nba_postgres.statements import CLOCK, SALT

__all__ = ["close_erasure", "erase", "erase_again", "note_erased", "read_erased", "read_erasures"]

_PENDING = (LOG, SINKS, FILES)

_encode = msgspec.json.Encoder(order="deterministic").encode
_words = msgspec.json.Decoder(tuple[str, ...]).decode
_counts = msgspec.json.Decoder(dict[str, int]).decode
_holds = msgspec.json.Decoder(dict[str, int]).decode

_LAST = "SELECT sequence, time FROM erasures ORDER BY sequence DESC LIMIT 1"
_NEW = """
INSERT INTO erasures VALUES (%(sequence)s, %(erasure_id)s, %(time)s, %(before)s, %(known)s,
  %(counts)s, %(pending)s, '[]', %(names)s, %(asked)s)
"""
_NEW_DIGESTS = """
INSERT INTO erased SELECT digest, %(sequence)s FROM unnest(%(digests)b::bytea[]) AS new(digest)
"""
_READ = "SELECT sequence, erasure_id, time, known, counts, pending, kept FROM erasures"
_OPEN = "SELECT time FROM erasures WHERE erasure_id = %(erasure_id)s AND before = %(before)s"
_CLOSE = "UPDATE erasures SET before = %(before)s WHERE erasure_id = %(erasure_id)s"
_NOTE = """
UPDATE erasures SET counts = %(counts)s, pending = %(pending)s, kept = %(kept)s,
  names = CASE WHEN %(needed)s THEN names END WHERE erasure_id = %(erasure_id)s
"""
_SINCE = """
SELECT sequence, erasure_id, time, before, coalesce(names, '[]'), pending,
       ARRAY(SELECT digest FROM erased WHERE erased.sequence = erasures.sequence)
FROM erasures WHERE sequence > %(after)s ORDER BY sequence
"""
_CUSTOMERS = """
SELECT customer FROM identities WHERE identity = ANY(%(names)s::text[]) AND customer IS NOT NULL
UNION SELECT id FROM customers WHERE customer_id = ANY(%(names)s::text[])
UNION SELECT customer FROM merged WHERE customer_id = ANY(%(names)s::text[])
"""
_NAMES = """
SELECT identity FROM identities WHERE customer = ANY(%(rows)s::bigint[])
UNION SELECT customer_id FROM customers WHERE id = ANY(%(rows)s::bigint[])
UNION SELECT customer_id FROM merged WHERE customer = ANY(%(rows)s::bigint[])
"""
# every name that the store knows, for who is looked for by digest
_EVERY_NAME = """
SELECT identity FROM identities UNION SELECT customer_id FROM customers
UNION SELECT customer_id FROM merged UNION SELECT customer_id FROM reservations
UNION SELECT identity FROM decision_requests
"""
_OWN = {  # what was removed → its rows
    "interactions": "DELETE FROM interactions WHERE customer = ANY(%(rows)s::bigint[])",
    "consents": "DELETE FROM consent_history WHERE customer = ANY(%(rows)s::bigint[])",
    "links": "DELETE FROM links WHERE customer = ANY(%(rows)s::bigint[])",
    "merged": "DELETE FROM merged WHERE customer = ANY(%(rows)s::bigint[])",
    "identities": "DELETE FROM identities WHERE customer = ANY(%(rows)s::bigint[])",
    "customers": "DELETE FROM customers WHERE id = ANY(%(rows)s::bigint[])",
}
_NOBODYS = "DELETE FROM identities WHERE identity = ANY(%(names)s::text[])"
_REQUESTS = """
DELETE FROM decision_requests WHERE identity = ANY(%(names)s::text[])
RETURNING held, answer IS NULL
"""
# of an attempt that is under way: what is still reserved is free again
_RELEASE = """
WITH released AS (
  UPDATE reservations SET status = 2, ended = %(now)s
  WHERE reservation_id = ANY(%(names)s::text[]) AND status = 0 AND expires > %(now)s
  RETURNING holds)
UPDATE accounts SET reserved = reserved - freed.amount FROM (
  SELECT key, sum(value::bigint)::bigint AS amount FROM released, json_each_text(holds::json)
  GROUP BY key) AS freed
WHERE account = freed.key
"""
_RESERVATIONS = """
SELECT reservation_id, holds FROM reservations WHERE customer_id = ANY(%(names)s::text[])
"""
_DETACH = """
UPDATE reservations SET customer_id = '', holds = new.holds
FROM unnest(%(names)s::text[], %(holds)s::text[]) AS new(name, holds)
WHERE reservation_id = new.name
"""
_TICK = """
INSERT INTO meta(key, value) VALUES ('clock', %(now)s)
ON CONFLICT(key) DO UPDATE SET value = greatest(meta.value, excluded.value) RETURNING value
"""


def erase(
    session: Session, identity: str, erasure_id: str, now: float, *, simulated: bool
) -> Erasure:
    """Erase whom the identity leads to; a repeat of the id tells what became of it."""
    salt = bytes(session.one(SALT))
    asked = digest_of_name(identity, salt)
    if erasure_id:
        found = session.one("SELECT asked FROM erasures WHERE erasure_id = %(id)s", id=erasure_id)
        if found is not None:
            if bytes(found) != asked:
                wrong = Violation(field="request_id", description="was used before for another")
                raise InvalidRequest([wrong], reason="REQUEST_ID_REUSED")
            return _erasure(session, erasure_id)
    at, sequence = _moment(session, now, simulated=simulated)
    names, counts = _remove(session, {identity}, at)
    erased = Erased(
        erasure_id=erasure_id or str(uuid4()),
        sequence=sequence,
        time=at,
        before=OPEN,
        salt=salt,
        digests=frozenset(digest_of_name(name, salt) for name in names),
        names=tuple(sorted(names)),
        pending=_PENDING,
    )
    _note(session, erased, counts, asked)
    return _erasure(session, erased.erasure_id)


def close_erasure(session: Session, erasure_id: str, *, simulated: bool) -> None:
    """From now on decisions are a new customer's: the commit of the erasure can be seen.

    In a change of its own, for a decision that begins while the first one is being committed may
    still read the customer. Nothing happens when it was done before.
    """
    moment = session.one(_OPEN, erasure_id=erasure_id, before=OPEN)
    if moment is not None:
        seen = moment if simulated else max(moment, time.time(), session.one(CLOCK) or 0.0)
        session.rows(_CLOSE, erasure_id=erasure_id, before=id_time(seen + 0.001))


def erase_again(session: Session, erased: Iterable[Erased], now: float, *, simulated: bool) -> int:
    """Carry out erasures that this copy of the store has not seen; how many."""
    salt = bytes(session.one(SALT))
    known = {one for (one,) in session.rows("SELECT erasure_id FROM erasures")}
    missing = [one for one in erased if one.erasure_id not in known]
    if any(one.salt != salt for one in missing):
        raise InvalidRequest([Violation(field="erased", description="are another store's")])
    if not missing:
        return 0
    wanted: dict[bytes, set[str]] = {}
    for (name,) in session.rows(_EVERY_NAME):
        wanted.setdefault(digest_of_name(name, salt), set()).add(name)
    at = _time(session, now, simulated=simulated)
    for one in sorted(missing, key=lambda each: each.sequence):
        held = set().union(*(wanted.get(digest, ()) for digest in one.digests))
        names, counts = _remove(session, held, at)
        taken = "SELECT 1 FROM erasures WHERE sequence = %(sequence)s"
        sequence = one.sequence
        if session.one(taken, sequence=sequence):
            sequence = session.one("SELECT max(sequence) + 1 FROM erasures")
        again = msgspec.structs.replace(
            one,
            names=tuple(sorted(names)),
            digests=one.digests | {digest_of_name(name, salt) for name in names},
            pending=_PENDING,
            sequence=sequence,
        )
        _note(session, again, counts, b"")
    return len(missing)


def _time(session: Session, now: float, *, simulated: bool) -> float:
    """The ledger clock."""
    return now if simulated else float(session.one(_TICK, now=now))


def _moment(session: Session, now: float, *, simulated: bool) -> tuple[float, int]:
    """When it is erased, and the number of the erasure; erasures are in the order of their times.

    Whatever was committed earlier was begun earlier, by any clock that has told the ledger.
    """
    ((last, latest),) = session.rows(_LAST) or [(0, 0.0)]
    if simulated:
        return max(now, latest), last + 1
    told = session.one(CLOCK) or now
    return max(_time(session, max(now, time.time()), simulated=False), told, latest), last + 1


def _remove(session: Session, asked: set[str], now: float) -> tuple[set[str], dict[str, int]]:
    """Remove everything held under these names; all names found, and what was removed."""
    rows = [row for (row,) in session.rows(_CUSTOMERS, names=sorted(asked))]
    names = asked | {name for (name,) in session.rows(_NAMES, rows=rows)}
    listed = sorted(names)
    requests = session.rows(_REQUESTS, names=listed)
    under_way = [one for held, is_open in requests if is_open for one in _words(held)]
    if under_way:
        session.rows(_RELEASE, names=under_way, now=now)
    counts = {"decision_requests": len(requests), **_detach(session, listed)}
    for kind, statement in _OWN.items():
        counts[kind] = len(session.rows(f"{statement} RETURNING 1", rows=rows))
    session.rows(_NOBODYS, names=listed)
    return names, {kind: count for kind, count in counts.items() if count}


def _detach(session: Session, names: Sequence[str]) -> dict[str, int]:
    """Reservations lose their customer, and go unless they draw on shared limits; so do accounts."""
    own: set[str] = set()
    left: dict[str, str] = {}
    gone: list[str] = []
    for reservation, text in session.rows(_RESERVATIONS, names=names):
        holds = _holds(text)
        theirs = {account for account in holds if _is_own(account, names)}
        own |= theirs
        shared = {account: amount for account, amount in holds.items() if account not in theirs}
        if shared:
            left[reservation] = _encode(shared).decode()
        else:
            gone.append(reservation)
    session.rows(_DETACH, names=list(left), holds=list(left.values()))
    listed = "DELETE FROM reservations WHERE reservation_id = ANY(%(names)s::text[])"
    session.rows(listed, names=gone)
    for table in ("spends", "accounts"):
        session.rows(f"DELETE FROM {table} WHERE account = ANY(%(own)s::text[])", own=sorted(own))  # noqa: S608 - constants
    return {"reservations": len(left) + len(gone), "accounts": len(own)}


def _is_own(account: str, names: Iterable[str]) -> bool:
    return any(of_customer(account, name, "") != account for name in names)


def _note(session: Session, erased: Erased, counts: Mapping[str, int], asked: bytes) -> None:
    session.rows(
        _NEW,
        sequence=erased.sequence,
        erasure_id=erased.erasure_id,
        time=erased.time,
        before=erased.before,
        known=counts.get("customers", 0) > 0,
        counts=_encode(counts).decode(),
        pending=_encode(erased.pending).decode(),
        names=_encode(erased.names).decode(),
        asked=asked,
    )
    session.rows(_NEW_DIGESTS, sequence=erased.sequence, digests=sorted(erased.digests))


def note_erased(
    session: Session,
    erasure_id: str,
    counts: Mapping[str, int],
    pending: Sequence[str],
    kept: Sequence[str],
) -> Erasure:
    """Note what was removed elsewhere, and where something may still be.

    The names are forgotten with the last place that needs them.
    """
    before = _erasure(session, erasure_id)
    session.rows(
        _NOTE,
        erasure_id=erasure_id,
        counts=_encode({**before.counts, **counts}).decode(),
        pending=_encode(pending).decode(),
        kept=_encode(sorted({*before.kept, *kept})).decode(),
        needed=bool({*pending} - {FILES}),
    )
    return _erasure(session, erasure_id)


def _erasure(session: Session, erasure_id: str) -> Erasure:
    rows = session.rows(f"{_READ} WHERE erasure_id = %(erasure_id)s", erasure_id=erasure_id)
    if not rows:
        raise NotFound(f"there is no erasure {erasure_id}")
    return _told(rows[0])


def _told(row: tuple[Any, ...]) -> Erasure:
    sequence, erasure_id, moment, known, counts, pending, kept = row
    return Erasure(
        erasure_id=erasure_id,
        sequence=sequence,
        time=moment,
        known=known,
        counts=_counts(counts),
        pending=_words(pending),
        kept=_words(kept),
    )


def read_erasures(session: Session, most: int) -> list[Erasure]:
    """The newest erasures, the newest first."""
    return [_told(row) for row in session.rows(f"{_READ} ORDER BY sequence DESC LIMIT {most:d}")]


def read_erased(session: Session, after: int) -> list[Erased]:
    """Who was erased, from behind a sequence on, in their order."""
    salt = bytes(session.one(SALT))
    return [
        Erased(
            erasure_id=erasure_id,
            sequence=sequence,
            time=moment,
            before=before,
            salt=salt,
            digests=frozenset(bytes(one) for one in digests),
            names=_words(names),
            pending=_words(pending),
        )
        for sequence, erasure_id, moment, before, names, pending, digests in session.rows(
            _SINCE, after=after
        )
    ]
