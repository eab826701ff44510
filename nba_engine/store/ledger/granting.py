"""Grants: what several callers ask for, decided in one transaction with few statements.

All accounts are read at once, the requests decided in their order against what is held in memory,
and what was granted written at once. Nothing is kept beyond the transaction, since other processes
write the same file. Only where time, or a window's new length, may make room in between is it
written and read again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import apsw
import msgspec

from nba_engine.domain import Answer, Hold, ReservationRequest
from nba_engine.store.ledger.expiry import Expiry
from nba_engine.store.ledger.past import is_over, windows_since
from nba_engine.store.ledger.rolling import set_window
from nba_engine.store.rows import among, put
from nba_engine.store.schema import EXPIRED, RELEASED

__all__ = ["Granting"]

_encode_json = msgspec.json.Encoder().encode

_ACCOUNTS = "SELECT account, reserved + spent, rolls FROM accounts WHERE account IN {0}"
_KNOWN = "SELECT reservation_id, status FROM reservations WHERE reservation_id IN {0}"
_HOLD = (
    "INSERT INTO accounts(account, limit_id, ceiling, reserved, rolls, spent, overrun) {0}"
    " ON CONFLICT(account)"
    " DO UPDATE SET reserved = reserved + excluded.reserved, ceiling = excluded.ceiling"
)
_RESERVE = (
    "INSERT INTO reservations(reservation_id, decision_id, customer_id, status, expires, holds) {0}"
)


class _Account(msgspec.Struct):
    """An account as far as it is known here; ``held`` is not written yet."""

    used: int
    rolls: float
    held: int = 0


class Granting:
    """Decides these requests at one moment; `write` afterwards."""

    def __init__(
        self,
        connection: apsw.Connection,
        expiry: Expiry,
        now: float,
        requests: Sequence[ReservationRequest],
        *,
        settled: bool,
    ) -> None:
        self._connection = connection
        self._expiry = expiry
        self._now = now
        self._settled = settled  # nothing is due by now
        self._since: float | None = None  # read when it is needed: accounts that are not there
        self._since_read = False
        self._names = list({hold.account: None for one in requests for hold in one.holds})
        self._ids = [one.reservation_id for one in requests]
        self._granted: list[tuple[Any, ...]] = []
        self._holds: dict[str, Hold] = {}  # the last one granted, for each account to be written
        self._read()

    def decide(self, request: ReservationRequest) -> Answer:
        """Grant one of the requests whole, or refuse it."""
        name = request.reservation_id
        if (known := self._known.get(name)) is not None:
            return Answer(reservation_id=name, granted=known)
        holds = _by_account(request.holds)
        for hold in holds:
            if hold.rolls:
                self._roll(hold)
        while (full := self._full(holds)) is not None:
            hold, room = full
            if not self._make_room():
                return Answer(reservation_id=name, granted=False, refused_by=hold.limit, room=room)
        self._grant(request, holds)
        return Answer(reservation_id=name, granted=True)

    def write(self) -> None:
        """Write what was granted."""
        if not self._granted:
            return
        accounts = self._accounts
        put(
            self._connection,
            _HOLD,
            [
                (name, hold.limit, hold.ceiling, accounts[name].held, hold.rolls, 0, 0)
                for name, hold in self._holds.items()
            ],
        )
        put(self._connection, _RESERVE, self._granted)
        self._granted = []
        self._holds = {}

    def _read(self) -> None:
        connection = self._connection
        self._accounts = {
            name: _Account(used, rolls)
            for name, used, rolls in among(connection, _ACCOUNTS, self._names)
        }
        self._known = {
            name: status not in {RELEASED, EXPIRED}
            for name, status in among(connection, _KNOWN, self._ids)
        }

    def _full(self, holds: Sequence[Hold]) -> tuple[Hold, int] | None:
        """The first account without room, and what is left of it."""
        for hold in holds:
            account = self._accounts.get(hold.account)
            used = 0 if account is None else account.used
            if used + hold.amount > hold.ceiling:
                return hold, max(0, hold.ceiling - used)
            if account is None and self._is_forgotten(hold.account):
                return hold, 0
        return None

    def _is_forgotten(self, account: str) -> bool:
        """Whether an account that is not there may have been forgotten with its window."""
        if not self._since_read:
            self._since, self._since_read = windows_since(self._connection), True
        return self._since is not None and is_over(account, self._since)

    def _grant(self, request: ReservationRequest, holds: Sequence[Hold]) -> None:
        accounts = self._accounts
        for hold in holds:
            account = accounts.get(hold.account)
            if account is None:
                account = accounts[hold.account] = _Account(0, hold.rolls)
            account.used += hold.amount
            account.held += hold.amount
            self._holds[hold.account] = hold
        self._known[request.reservation_id] = True
        held = _encode_json({hold.account: hold.amount for hold in holds}).decode()
        self._granted.append(
            (
                request.reservation_id,
                request.decision_id,
                request.customer_id,
                0,
                request.expires,
                held,
            )
        )
        if request.expires <= self._now:
            self._settled = False

    def _make_room(self) -> bool:
        """End what is due by now; false: nothing is."""
        if self._settled:
            return False
        self.write()
        self._settled = not self._expiry.make_room(self._connection, self._now)
        self._read()
        return not self._settled

    def _roll(self, hold: Hold) -> None:
        """Let an account that rolls do so for as long as is asked for now."""
        account = self._accounts.get(hold.account)
        if account is None or account.rolls in {0, hold.rolls}:
            return
        self.write()
        set_window(self._connection, hold.account, hold.rolls)
        while self._expiry.let_fall(self._connection, self._now):
            pass
        self._read()


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
