"""The ledger: every limit is an account; reservations move amounts through it.

``reserved + spent + new ≤ ceiling`` is checked at every grant, inside the transaction. A
reservation ends exactly once: confirmed, released or expired. An expired one that is confirmed
after all is charged, because the contact took place; what exceeds the ceiling then is `overrun`.
Where a window rolls, what was spent falls out of it in time (`nba_engine.store.rolling`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import apsw
import msgspec

from nba_engine.domain import Answer, Hold, ReservationRequest
from nba_engine.errors import InvalidRequest, Violation
from nba_engine.store.customers import stored_text
from nba_engine.store.rolling import fall_out, note_spent, set_window
from nba_engine.store.schema import CONFIRMED, EXPIRED, OVERRUN, RELEASED, RESERVED

__all__ = ["Ledger", "Moved", "check_requests"]

Moved = Literal["confirmed", "released", "unchanged", "overrun", "unknown"]

_SWEEP = 256  # how many due reservations a change ends in passing
_CLOCK_STEP = 1.0  # seconds between writes of the ledger clock
_LARGEST = 1 << 62

_Holds = dict[str, int]  # account → amount
_decode_holds = msgspec.json.Decoder(_Holds).decode
_encode_json = msgspec.json.Encoder().encode

_ACCOUNT = "SELECT reserved, spent FROM accounts WHERE account = ?"
_RESERVE = (
    "INSERT INTO accounts(account, limit_id, ceiling, reserved, spent, overrun, rolls)"
    " VALUES (?, ?, ?, ?, 0, 0, ?) ON CONFLICT(account)"
    " DO UPDATE SET reserved = reserved + excluded.reserved, ceiling = excluded.ceiling"
)
_SPEND = (
    "UPDATE accounts SET reserved = reserved - ?, spent = spent + ?, overrun = overrun + ?"
    " WHERE account = ? RETURNING rolls"
)
_FREE = "UPDATE accounts SET reserved = reserved - ? WHERE account = ?"
_NEW_RESERVATION = (
    "INSERT INTO reservations(reservation_id, decision_id, customer_id, status, expires, holds)"
    " VALUES (?, ?, ?, 0, ?, ?)"
)
# "+?": SQLite plans by a bare LIMIT's bound value (STAT4), so it would plan anew at every call
_DUE = (
    "SELECT reservation_id, holds FROM reservations"
    " WHERE status = 0 AND expires <= ? ORDER BY expires LIMIT +?"
)


class Ledger:
    """The ledger of one store. Its methods run inside a change."""

    def __init__(self, *, simulated: bool) -> None:
        self._simulated = simulated

    def time(self, connection: apsw.Connection, now: float) -> float:
        """The ledger clock: never runs backwards, over restarts and processes.

        A simulated store takes the time it is given.
        """
        if self._simulated:
            return now
        latest = connection.execute("SELECT value FROM meta WHERE key = 'clock'").get
        if latest is None or now >= latest + _CLOCK_STEP:
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('clock', ?)", (float(now),))
            return now
        return max(now, float(latest))

    def reserve(
        self, connection: apsw.Connection, requests: Sequence[ReservationRequest], now: float
    ) -> list[Answer]:
        """Decide checked requests in their order, each granted whole or refused."""
        now = self.time(connection, now)
        self.make_room(connection, now)
        return [self._reserve(connection, request, now) for request in requests]

    def _reserve(
        self, connection: apsw.Connection, request: ReservationRequest, now: float
    ) -> Answer:
        repeated = connection.execute(
            "SELECT status FROM reservations WHERE reservation_id = ?", (request.reservation_id,)
        ).get
        if repeated is not None:
            return Answer(
                reservation_id=request.reservation_id,
                granted=repeated not in {RELEASED, EXPIRED},
            )
        holds = _by_account(request.holds)
        for hold in holds:
            if hold.rolls and set_window(connection, hold.account, hold.rolls):
                while self.let_fall(connection, now):
                    pass
        while True:
            for hold in holds:
                reserved, spent = connection.execute(_ACCOUNT, (hold.account,)).get or (0, 0)
                if reserved + spent + hold.amount > hold.ceiling:
                    break
            else:
                _grant(connection, request, holds)
                return Answer(reservation_id=request.reservation_id, granted=True)
            if not self.make_room(connection, now):  # nothing left that could make room
                return Answer(
                    reservation_id=request.reservation_id,
                    granted=False,
                    refused_by=hold.limit,
                    room=max(0, hold.ceiling - reserved - spent),
                )

    def make_room(self, connection: apsw.Connection, now: float) -> bool:
        """End reservations that are due, and let fall what left its window; false: there is none."""
        ended = self.sweep(connection, now)
        return self.let_fall(connection, now) > 0 or ended > 0

    def let_fall(self, connection: apsw.Connection, now: float, *, most: int = _SWEEP) -> int:
        """Free up to ``most`` amounts that fell out of their rolling windows; returns how many."""
        fallen = fall_out(connection, now, most=most)
        if fallen and not self._simulated:  # no change after this one may be of an earlier time
            connection.execute("INSERT OR REPLACE INTO meta VALUES ('clock', ?)", (float(now),))
        return fallen

    def sweep(self, connection: apsw.Connection, now: float, *, most: int = _SWEEP) -> int:
        """End up to ``most`` reservations that are due at ``now``; returns how many."""
        due: list[Any] = connection.execute(_DUE, (now, most)).fetchall()
        if not due:
            return 0
        freed: dict[str, int] = {}
        for _, holds in due:
            for account, amount in _decode_holds(holds).items():
                freed[account] = freed.get(account, 0) + amount
        connection.executemany(
            "UPDATE reservations SET status = ?, ended = ? WHERE reservation_id = ?",
            [(EXPIRED, now, reservation) for reservation, _ in due],
        )
        connection.executemany(_FREE, [(amount, account) for account, amount in freed.items()])
        return len(due)

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
    """How much of an amount spent without a reservation is more than there is room for."""
    room: int = connection.execute(
        "SELECT ceiling - reserved - spent FROM accounts WHERE account = ?", (account,)
    ).get
    return max(0, amount - max(0, room))


def _grant(connection: apsw.Connection, request: ReservationRequest, holds: Sequence[Hold]) -> None:
    for hold in holds:
        row = (hold.account, hold.limit, hold.ceiling, hold.amount, hold.rolls)
        connection.execute(_RESERVE, row)
    held: _Holds = {hold.account: hold.amount for hold in holds}
    connection.execute(
        _NEW_RESERVATION,
        (
            request.reservation_id,
            request.decision_id,
            request.customer_id,
            request.expires,
            _encode_json(held).decode(),
        ),
    )


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


def _by_account(holds: Sequence[Hold]) -> Sequence[Hold]:
    """One hold per account: amounts added, the lower ceiling."""
    if len({hold.account for hold in holds}) == len(holds):
        return holds
    merged: dict[str, Hold] = {}
    for hold in holds:
        before = merged.get(hold.account)
        merged[hold.account] = (
            hold
            if before is None
            else msgspec.structs.replace(
                before,
                amount=before.amount + hold.amount,
                ceiling=min(before.ceiling, hold.ceiling),
            )
        )
    return list(merged.values())


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
