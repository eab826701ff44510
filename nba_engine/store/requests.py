"""Request ids: which attempt holds one, what it reserved, and the answer it came to.

An id is taken in the transaction of the first reservations, and answered in the transaction that
releases what the answer does not recommend. So an attempt that dies leaves one row that names all
it held, and whoever replaces it (or the reaper) frees exactly that. An attempt that was only slow
finds its id in other hands, and nothing of its own left in the ledger.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import apsw
import msgspec

from nba_engine.domain import (
    Claim,
    KnownRequest,
    ProfileUpdate,
    ReservationRequest,
)
from nba_engine.errors import InvalidRequest, RequestTaken, Violation
from nba_engine.store.customers import LAST_BEFORE, refuse_erased, stored_text
from nba_engine.store.ledger import Ledger

__all__ = [
    "UPDATES_KEPT",
    "check_claim",
    "digest_of",
    "forget_updates",
    "give_up",
    "read_request",
    "reap",
    "release_held",
    "remember",
    "seen_request",
    "seen_update",
    "take_claim",
    "what_is_asked",
]

UPDATES_KEPT = 7 * 86_400.0  # seconds during which the repeat of an update is recognized

_encode = msgspec.msgpack.Encoder(order="deterministic").encode
_encode_json = msgspec.json.Encoder().encode
_decode_held = msgspec.json.Decoder(list[str]).decode

_READ = (
    "SELECT fingerprint, decision_id, until, answer FROM decision_requests"
    " WHERE request_id = ? AND expires > ?"
)
_FIND = (
    "SELECT id, decision_id, expires, held, answer IS NOT NULL FROM decision_requests"
    " WHERE request_id = ?"
)
# in one statement, not for whom an erasure may have overtaken: ``?9`` says that none has
_INSERT = f"""
INSERT INTO decision_requests
  (request_id, fingerprint, decision_id, identity, until, expires, held, answer)
SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8 WHERE ?9 OR ?3 >= coalesce({LAST_BEFORE}, '')
ON CONFLICT(request_id) DO NOTHING
"""
_ANSWER = (
    "UPDATE decision_requests SET expires = ?, answer = ?"
    " WHERE request_id = ? AND decision_id = ? AND answer IS NULL RETURNING held"
)
_DELETE = "DELETE FROM decision_requests WHERE id = ?"
_DEAD = "SELECT id, held FROM decision_requests WHERE answer IS NULL AND until <= ? LIMIT +?"
_OLD = """
DELETE FROM decision_requests WHERE answer IS NOT NULL AND id IN (
  SELECT id FROM (SELECT id, expires FROM decision_requests ORDER BY id LIMIT +?) WHERE expires <= ?
)
"""


class _Own(NamedTuple):
    """An attempt's row without an answer, and what it asked for so far."""

    row: int
    held: list[str]


def check_claim(claim: Claim) -> None:
    """Raise `InvalidRequest` for a claim that cannot be stored."""
    violations = [
        Violation(field=f"claim.{name}", description="must be a non-empty text")
        for name in ("request_id", "decision_id")
        if not stored_text(getattr(claim, name))
    ]
    violations += [
        Violation(field=f"claim.{name}", description="must be finite")
        for name in ("until", "expires")
        if not math.isfinite(getattr(claim, name))
    ]
    if violations:
        raise InvalidRequest(violations)


def read_request(connection: apsw.Connection, request_id: str, now: float) -> KnownRequest | None:
    """The attempt that holds a request id at ``now``."""
    found: Any = connection.execute(_READ, (request_id, now)).get
    if found is None:
        return None
    fingerprint, decision_id, until, answer = found
    return KnownRequest(
        fingerprint=fingerprint, decision_id=decision_id, until=until, answer=answer
    )


def take_claim(
    connection: apsw.Connection,
    ledger: Ledger,
    claim: Claim,
    requests: Sequence[ReservationRequest],
    now: float,
) -> None:
    """Take the request id, and note what is about to be reserved under it.

    What is refused then is noted, too: releasing it does nothing. Raises `RequestTaken`.
    """
    asked = [one.reservation_id for one in requests]
    if claim.follows or not _insert(connection, claim, asked, None):
        at = ledger.time(connection, now)
        own = _take(connection, ledger, claim, at)
        if own is None:
            refuse_erased(connection, claim)
            _insert(connection, claim, asked, None, checked=True)
        elif asked:
            noted = _encode_json(list(dict.fromkeys([*own.held, *asked]))).decode()
            connection.execute(
                "UPDATE decision_requests SET held = ? WHERE id = ?", (noted, own.row)
            )


def remember(
    connection: apsw.Connection,
    ledger: Ledger,
    claim: Claim,
    answer: bytes,
    keep: Sequence[str],
    now: float,
) -> None:
    """Answer the request id, and release what the attempt holds without a use for it.

    Mostly one statement: each costs the writer a hand-over of the interpreter, and with it more
    than SQLite's own work.
    """
    if not claim.follows and _insert(connection, claim, (), answer):
        return
    answering = (claim.expires, answer, claim.request_id, claim.decision_id)
    held = connection.execute(_ANSWER, answering).get
    if held is None:
        found: Any = connection.execute(_FIND, (claim.request_id,)).get
        if found is not None and found[1] == claim.decision_id and found[4]:
            return  # a repeat
        _take(connection, ledger, claim, ledger.time(connection, now))
        refuse_erased(connection, claim)
        _insert(connection, claim, (), answer, checked=True)
        return
    unused = [one for one in _decode_held(held) if one not in keep]
    if unused:
        _release(connection, ledger, unused, ledger.time(connection, now))


def give_up(connection: apsw.Connection, ledger: Ledger, claim: Claim, now: float) -> None:
    """Free the request id and all that the attempt holds, if it is still the attempt's."""
    now = ledger.time(connection, now)
    found: Any = connection.execute(_FIND, (claim.request_id,)).get
    if found is None:
        return
    row, decision_id, _, held, answered = found
    if decision_id == claim.decision_id and not answered:
        _release(connection, ledger, _decode_held(held), now)
        connection.execute(_DELETE, (row,))


def reap(connection: apsw.Connection, ledger: Ledger, now: float, *, most: int) -> int:
    """End attempts that died by ``now``, and forget what expired; returns how many rows went."""
    dead: list[Any] = connection.execute(_DEAD, (now, most)).fetchall()
    for row, held in dead:
        _release(connection, ledger, _decode_held(held), now)
        connection.execute(_DELETE, (row,))
    connection.execute(_OLD, (most, now))
    return len(dead) + connection.changes()


def _take(connection: apsw.Connection, ledger: Ledger, claim: Claim, now: float) -> _Own | None:
    """What this attempt has in the store; None: nothing, and nobody else has either now.

    A row of an attempt that it replaces is gone then, and so is what that attempt held. Raises
    `RequestTaken` when the request id is not for this attempt to take.
    """
    found: Any = connection.execute(_FIND, (claim.request_id,)).get
    if found is None:
        if claim.follows:
            raise RequestTaken("the request id was taken from this attempt")
        return None
    row, decision_id, expires, held, answered = found
    if decision_id == claim.decision_id and not answered:
        return _Own(row, _decode_held(held))
    lost = claim.follows == claim.decision_id
    if lost or decision_id == claim.decision_id or (expires > now and answered):
        raise RequestTaken("the request id has an answer, or another attempt holds it")
    if expires > now and decision_id != claim.follows:
        raise RequestTaken("another attempt holds the request id")
    if not answered:
        _release(connection, ledger, _decode_held(held), now)
    connection.execute(_DELETE, (row,))
    return None


def _insert(
    connection: apsw.Connection,
    claim: Claim,
    held: Sequence[str],
    answer: bytes | None,
    *,
    checked: bool = False,
) -> bool:
    """Whether there was no row of this request id, and now there is.

    Unless it is ``checked`` that nobody was erased meanwhile, it may be refused for that, too.
    """
    connection.execute(
        _INSERT,
        (
            claim.request_id,
            claim.fingerprint,
            claim.decision_id,
            claim.identity,
            claim.until,
            claim.expires,
            _encode_json(held).decode(),
            answer,
            checked,
        ),
    )
    return connection.changes() > 0


def release_held(connection: apsw.Connection, ledger: Ledger, held: str, now: float) -> None:
    """Free what an attempt asked for, as its row has it."""
    _release(connection, ledger, _decode_held(held), now)


def _release(
    connection: apsw.Connection, ledger: Ledger, reservations: Sequence[str], now: float
) -> None:
    for reservation in reservations:
        ledger.release(connection, reservation, now)


def seen_update(connection: apsw.Connection, number: int, update: ProfileUpdate) -> bool:
    """Whether this update was done before; remembers it if not.

    Raises `InvalidRequest` when its request id was used for another one.
    """
    if not update.request_id:
        return False
    field = f"updates[{number}].request_id"
    return seen_request(connection, update.request_id, what_is_asked(update), field)


def seen_request(connection: apsw.Connection, request_id: str, asked: object, field: str) -> bool:
    """Whether this was asked for before under this id; remembers it if not.

    Raises `InvalidRequest`, which names the ``field``, when it was something else.
    """
    request, body = digest_of(request_id), digest_of(asked)
    before = connection.execute("SELECT body FROM requests WHERE request = ?", (request,)).get
    if before is None:
        connection.execute("INSERT INTO requests VALUES (?, ?, ?)", (request, time.time(), body))
        return False
    if before != body:
        wrong = Violation(field=field, description="was used before for another request")
        raise InvalidRequest([wrong], reason="REQUEST_ID_REUSED")
    return True


def digest_of(asked: object) -> bytes:
    """By which the repeat of a request is told from another one."""
    return hashlib.blake2b(_encode(asked), digest_size=16).digest()


def what_is_asked(update: ProfileUpdate) -> ProfileUpdate:
    """The update without the times that its arrival gave it: a repeat arrives later."""
    undated = {
        key: msgspec.structs.replace(update.consents[key], time=0.0)
        for key in update.undated
        if key in update.consents
    }
    return msgspec.structs.replace(update, consents={**update.consents, **undated}, time=0.0)


def forget_updates(connection: apsw.Connection) -> None:
    """Forget the request ids of updates that are older than a week."""
    connection.execute("DELETE FROM requests WHERE time < ?", (time.time() - UPDATES_KEPT,))
