"""The ledger: every limit is an account; reservations move amounts through it.

``reserved + spent + new ≤ ceiling`` is checked at every grant, inside the transaction. A
reservation ends exactly once: confirmed, released or expired. An expired one that is confirmed
after all is charged, because the contact took place; what exceeds the ceiling then is `overrun`.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import apsw
import msgspec

from nba_engine.domain import Answer, Hold, ReservationRequest, Usage
from nba_engine.errors import InvalidRequest, Violation
from nba_engine.store.customers import stored_text
from nba_engine.store.schema import CONFIRMED, EXPIRED, OVERRUN, RELEASED, RESERVED

__all__ = ["Ledger", "Moved", "check_requests", "read_report", "read_usage", "recount"]

Moved = Literal["confirmed", "released", "unchanged", "overrun", "unknown"]

_SWEEP = 256  # how many due reservations a change ends in passing
_CLOCK_STEP = 1.0  # seconds between writes of the ledger clock
_LARGEST = 1 << 62

_Holds = dict[str, int]  # account → amount
_decode_holds = msgspec.json.Decoder(_Holds).decode
_encode_json = msgspec.json.Encoder().encode

_ACCOUNT = "SELECT reserved, spent FROM accounts WHERE account = ?"
_RESERVE = (
    "INSERT INTO accounts(account, limit_id, ceiling, reserved, spent, overrun)"
    " VALUES (?, ?, ?, ?, 0, 0) ON CONFLICT(account)"
    " DO UPDATE SET reserved = reserved + excluded.reserved, ceiling = excluded.ceiling"
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
_RECOUNT = """
SELECT a.account, a.limit_id,
       coalesce(sum(h.value) FILTER (WHERE r.status = 0), 0),
       coalesce(sum(h.value) FILTER (WHERE r.status IN (1, 4)), 0),
       a.overrun
FROM reservations AS r, json_each(r.holds) AS h JOIN accounts AS a ON a.account = h.key
GROUP BY a.account ORDER BY a.account
"""


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
        self.sweep(connection, now)
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
        while True:
            for hold in holds:
                reserved, spent = connection.execute(_ACCOUNT, (hold.account,)).get or (0, 0)
                if reserved + spent + hold.amount > hold.ceiling:
                    break
            else:
                _grant(connection, request, holds)
                return Answer(reservation_id=request.reservation_id, granted=True)
            if not self.sweep(connection, now):  # nothing left that could make room
                return Answer(
                    reservation_id=request.reservation_id,
                    granted=False,
                    refused_by=hold.limit,
                    room=max(0, hold.ceiling - reserved - spent),
                )

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
        if status == RESERVED and expires > now:
            connection.executemany(
                "UPDATE accounts SET reserved = reserved - ?, spent = spent + ? WHERE account = ?",
                [(amount, amount, account) for account, amount in holds.items()],
            )
            _end(connection, reservation_id, CONFIRMED, now)
            return "confirmed"
        if status not in {RESERVED, EXPIRED}:
            return "unchanged"
        while self.sweep(connection, now):
            pass  # what else is due must not look like a lack of room
        overrun = self._charge(connection, holds)
        _end(connection, reservation_id, OVERRUN if overrun else CONFIRMED, now)
        return "overrun" if overrun else "confirmed"

    def _charge(self, connection: apsw.Connection, holds: _Holds) -> bool:
        """Spend without a reservation; true if that went beyond a ceiling."""
        overrun = False
        for account, amount in holds.items():
            ceiling, reserved, spent = connection.execute(
                "SELECT ceiling, reserved, spent FROM accounts WHERE account = ?", (account,)
            ).get
            over = max(0, amount - max(0, ceiling - reserved - spent))
            overrun = overrun or over > 0
            connection.execute(
                "UPDATE accounts SET spent = spent + ?, overrun = overrun + ? WHERE account = ?",
                (amount, over, account),
            )
        return overrun

    def release(self, connection: apsw.Connection, reservation_id: str, now: float) -> Moved:
        """The contact did not take place: what was reserved is free again."""
        found = _find(connection, reservation_id)
        if found is None:
            return "unknown"
        status, _, text = found
        if status != RESERVED:
            return "unchanged"
        connection.executemany(
            _FREE, [(amount, account) for account, amount in _decode_holds(text).items()]
        )
        _end(connection, reservation_id, RELEASED, now)
        return "released"


def _grant(connection: apsw.Connection, request: ReservationRequest, holds: Sequence[Hold]) -> None:
    for hold in holds:
        connection.execute(_RESERVE, (hold.account, hold.limit, hold.ceiling, hold.amount))
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
        if not 0 <= hold.amount < _LARGEST:
            yield f"holds[{number}].amount", "must be a whole number of at least 0"
        if not -_LARGEST < hold.ceiling < _LARGEST:
            yield f"holds[{number}].ceiling", "is too large"


@functools.cache
def _usage_of(count: int) -> str:
    marks = ", ".join("?" * count)
    return f"SELECT account, reserved + spent FROM accounts WHERE account IN ({marks})"  # noqa: S608


def read_usage(connection: apsw.Connection, accounts: Sequence[str]) -> dict[str, int]:
    """Reserved + spent of the accounts that exist."""
    if not accounts:
        return {}
    if len(accounts) <= 64:
        rows = connection.execute(_usage_of(len(accounts)), accounts)
    else:
        rows = connection.execute(
            "SELECT account, reserved + spent FROM accounts"
            " WHERE account IN (SELECT value FROM json_each(?))",
            (_encode_json(accounts).decode(),),
        )
    return dict(rows)


def read_report(connection: apsw.Connection, limit: str) -> list[Usage]:
    """Every account of a limit ("" = all), by name."""
    rows = connection.execute(
        "SELECT account, limit_id, reserved, spent, overrun FROM accounts"
        " WHERE ? IN ('', limit_id) ORDER BY account",
        (limit,),
    )
    return [_usage(*row) for row in rows]


def recount(connection: apsw.Connection) -> list[Usage]:
    """The same report, counted from the reservations instead of read from the accounts."""
    return [_usage(*row) for row in connection.execute(_RECOUNT)]


def _usage(account: str, limit: str, reserved: int, spent: int, overrun: int) -> Usage:
    return Usage(account=account, limit=limit, reserved=reserved, spent=spent, overrun=overrun)


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
