"""The ledger: every limit is an account; reservations move amounts through it.

``reserved + spent + new ≤ ceiling`` is checked at every grant, inside the transaction. A
reservation ends exactly once: confirmed, released or expired. An expired one that is confirmed
after all is charged, because the contact took place; what exceeds the ceiling then is `overrun`.
Where a window rolls, what was spent falls out of it in time (`nba_engine.store.ledger.rolling`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Literal

import apsw
import msgspec

from nba_engine.domain import Answer, ReservationRequest
from nba_engine.errors import InvalidRequest, Violation
from nba_engine.store.customers import stored_text
from nba_engine.store.ledger.expiry import Expiry
from nba_engine.store.ledger.granting import Granting
from nba_engine.store.ledger.rolling import note_spent
from nba_engine.store.schema import CONFIRMED, EXPIRED, OVERRUN, RELEASED, RESERVED

__all__ = ["Ledger", "Moved", "check_requests"]

Moved = Literal["confirmed", "released", "unchanged", "overrun", "unknown"]

_LARGEST = 1 << 62

_decode_holds = msgspec.json.Decoder(dict[str, int]).decode

_SPEND = (
    "UPDATE accounts SET reserved = reserved - ?, spent = spent + ?, overrun = overrun + ?"
    " WHERE account = ? RETURNING rolls"
)
_FREE = "UPDATE accounts SET reserved = reserved - ? WHERE account = ?"


class Ledger(Expiry):
    """The ledger of one store. Its methods run inside a change."""

    def reserve(
        self, connection: apsw.Connection, requests: Sequence[ReservationRequest], now: float
    ) -> list[Answer]:
        """Decide checked requests in their order, each granted whole or refused."""
        now, settled = self.pass_time(connection, now)
        granting = Granting(connection, self, now, requests, settled=settled)
        answers = [granting.decide(request) for request in requests]
        granting.write()
        return answers

    def confirm(self, connection: apsw.Connection, reservation_id: str, now: float) -> Moved:
        """The contact took place: reserved becomes spent; after expiry it is charged anew."""
        found = _find(connection, reservation_id)
        if found is None:
            return "unknown"
        status, expires, text = found
        holds = _decode_holds(text)
        late = status == EXPIRED or (status == RESERVED and expires <= now)
        if not late and status != RESERVED:
            return "unchanged"
        while late and self.make_room(connection, now):
            pass  # what else is due must not look like a lack of room
        overrun = False
        for account, amount in holds.items():
            over = _beyond(connection, account, amount) if late else 0
            overrun = overrun or over > 0
            held = 0 if late else amount
            rolls = connection.execute(_SPEND, (held, amount, over, account)).get
            if rolls:
                note_spent(connection, account, now, rolls, amount, over)
        _end(connection, reservation_id, OVERRUN if overrun else CONFIRMED, now)
        return "overrun" if overrun else "confirmed"

    def release(self, connection: apsw.Connection, reservation_id: str, now: float) -> Moved:
        """The contact did not take place: what was reserved is free again."""
        found = _find(connection, reservation_id)
        if found is None:
            return "unknown"
        status, expires, text = found
        if status != RESERVED or expires <= now:
            return "unchanged"
        connection.executemany(
            _FREE, [(amount, account) for account, amount in _decode_holds(text).items()]
        )
        _end(connection, reservation_id, RELEASED, now)
        return "released"


def _beyond(connection: apsw.Connection, account: str, amount: int) -> int:
    """How much of an amount spent without a reservation is more than there is room for.

    Nothing, where the account was forgotten with its window.
    """
    room: int | None = connection.execute(
        "SELECT ceiling - reserved - spent FROM accounts WHERE account = ?", (account,)
    ).get
    return 0 if room is None else max(0, amount - max(0, room))


def check_requests(requests: Sequence[ReservationRequest]) -> None:
    """Raise `InvalidRequest` for amounts or ids that the ledger cannot hold."""
    violations = [
        Violation(field=f"requests[{number}].{field}", description=text)
        for number, request in enumerate(requests)
        for field, text in _faults(request)
    ]
    if violations:
        raise InvalidRequest(violations)


def _faults(request: ReservationRequest) -> Iterable[tuple[str, str]]:
    if not stored_text(request.reservation_id):
        yield "reservation_id", "must be a non-empty text"
    if math.isnan(request.expires):
        yield "expires", "must be a number"
    for number, hold in enumerate(request.holds):
        if not stored_text(hold.account):
            yield f"holds[{number}].account", "must be a non-empty text"
        if not 0 <= hold.rolls < math.inf:
            yield f"holds[{number}].rolls", "must be a number of seconds"
        if not 0 <= hold.amount < _LARGEST:
            yield f"holds[{number}].amount", "must be a whole number of at least 0"
        if not -_LARGEST < hold.ceiling < _LARGEST:
            yield f"holds[{number}].ceiling", "is too large"


def _find(connection: apsw.Connection, reservation_id: str) -> tuple[int, float, str] | None:
    found: tuple[int, float, str] | None = connection.execute(
        "SELECT status, expires, holds FROM reservations WHERE reservation_id = ?",
        (reservation_id,),
    ).get
    return found


def _end(connection: apsw.Connection, reservation_id: str, status: int, now: float) -> None:
    connection.execute(
        "UPDATE reservations SET status = ?, ended = ? WHERE reservation_id = ?",
        (status, now, reservation_id),
    )
