"""The ledger's rules, on rows that a transaction has read and locked: nothing here knows SQL.

The same rules as the embedded store's (docs/store.md): a grant needs room inside the amount in
force, a reservation ends once, what is confirmed after it expired is charged all the same, and
what was spent in a window that rolls falls out of it in time. Changes are noted at the rows, for
`nba_postgres.flush` to write.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence

import msgspec

from nba_engine.domain import Answer, Hold, ReservationRequest, window_over
from nba_engine.store.ledger import Moved
from nba_engine.store.schema import CONFIRMED, EXPIRED, OVERRUN, RELEASED, RESERVED

__all__ = ["Account", "Book", "Entry", "NotAllReadError", "Spend", "by_account"]

CLOCK_STEP = 1.0  # seconds between writes of the ledger clock


class NotAllReadError(Exception):
    """More is due than was read; it could make room: read all of it, and decide again."""


class Account(msgspec.Struct, kw_only=True):
    """A row of ``accounts``. ``new``: made by this transaction, for the first grant on it."""

    limit: str
    ceiling: int = 0
    reserved: int = 0
    spent: int = 0
    overrun: int = 0
    rolls: float = 0.0
    new: bool = False
    changed: bool = False
    resized: bool = False  # its window has another length now


class Entry(msgspec.Struct, kw_only=True):
    """A row of ``reservations``."""

    reservation_id: str
    decision_id: str
    customer_id: str
    status: int
    expires: float
    holds: dict[str, int]
    ended: float | None = None
    new: bool = False
    changed: bool = False


class Spend(msgspec.Struct, kw_only=True, eq=False):
    """A row of ``spends``."""

    account: str
    time: float
    falls: float
    amount: int
    overrun: int
    new: bool = False
    fallen: bool = False


class Book:
    """Accounts and reservations of one transaction, and the clock they go by."""

    def __init__(self, *, simulated: bool) -> None:
        self._simulated = simulated
        self.clock: float | None = None
        self.clock_moved = False
        self.windows_since: float | None = None  # windows that ended earlier were forgotten
        self.complete = True  # everything that is due was read
        self.accounts: dict[str, Account] = {}
        self.entries: dict[str, Entry] = {}
        self.spends: list[Spend] = []
        self._due: list[tuple[float, str]] = []  # a heap
        self._falling: list[tuple[float, int, Spend]] = []  # a heap
        self._noted: dict[tuple[str, float], Spend] = {}

    def add_entries(self, entries: Iterable[Entry]) -> None:
        """Take rows of ``reservations``."""
        for entry in entries:
            if entry.reservation_id not in self.entries:
                self.entries[entry.reservation_id] = entry
                if entry.status == RESERVED:
                    heapq.heappush(self._due, (entry.expires, entry.reservation_id))

    def forget_entries(self) -> None:
        """Nothing was read of ``reservations`` so far."""
        self.entries, self._due = {}, []

    def add_spends(self, spends: Iterable[Spend]) -> None:
        """Take rows of ``spends``."""
        for spend in spends:
            self._add(spend)

    def time(self, now: float) -> float:
        """The ledger clock: never runs backwards. A simulated store takes the time it is given."""
        if self._simulated:
            return now
        if self.clock is None or now >= self.clock + CLOCK_STEP:
            self._set_clock(now)
            return now
        return max(now, self.clock)

    def reserve(self, requests: Sequence[ReservationRequest], now: float) -> list[Answer]:
        """Decide checked requests in their order, each granted whole or refused."""
        now = self.time(now)
        self.make_room(now)
        return [self._reserve(request, now) for request in requests]

    def make_room(self, now: float) -> tuple[int, int]:
        """End what is due, and let fall what left its window; how many of each."""
        return self._sweep(now), self._let_fall(now)

    def confirm(self, reservation_id: str, now: float) -> Moved:
        """The contact took place: reserved becomes spent; after expiry it is charged anew."""
        entry = self.entries.get(reservation_id)
        if entry is None:
            return "unknown"
        if entry.status == RESERVED and entry.expires <= now:
            self._expire(entry, now)
        late = entry.status == EXPIRED
        if not late and entry.status != RESERVED:
            return "unchanged"
        if late:
            self.make_room(now)  # what else is due must not look like a lack of room
            if not self.complete:
                raise NotAllReadError
        overrun = False
        for name, amount in entry.holds.items():
            if not self._is_there(name):  # forgotten with its window
                continue
            account = self._changed(name)
            room = account.ceiling - account.reserved - account.spent
            over = max(0, amount - max(0, room)) if late else 0
            overrun = overrun or over > 0
            account.reserved -= 0 if late else amount
            account.spent += amount
            account.overrun += over
            if account.rolls:
                self._note_spent(name, now, account.rolls, amount, over)
        self._end(entry, OVERRUN if overrun else CONFIRMED, now)
        return "overrun" if overrun else "confirmed"

    def release(self, reservation_id: str, now: float) -> Moved:
        """The contact did not take place: what was reserved is free again."""
        entry = self.entries.get(reservation_id)
        if entry is None:
            return "unknown"
        if entry.status != RESERVED or entry.expires <= now:
            return "unchanged"
        self._free(entry)
        self._end(entry, RELEASED, now)
        return "released"

    def _reserve(self, request: ReservationRequest, now: float) -> Answer:
        known = self.entries.get(request.reservation_id)
        if known is not None:
            granted = known.status not in {RELEASED, EXPIRED}
            return Answer(reservation_id=request.reservation_id, granted=granted)
        holds = by_account(request.holds)
        for hold in holds:
            self._set_window(hold, now)
        for hold in holds:
            room = self._room(hold)
            if hold.amount > room:
                if not self.complete:
                    raise NotAllReadError
                return Answer(
                    reservation_id=request.reservation_id,
                    granted=False,
                    refused_by=hold.limit,
                    room=max(0, room),
                )
        self._grant(request, holds)
        return Answer(reservation_id=request.reservation_id, granted=True)

    def _room(self, hold: Hold) -> int:
        """What is left of an account; below any amount where it was forgotten with its window."""
        account = self.accounts[hold.account]
        if account.new and not account.limit and self.windows_since is not None:
            over = window_over(hold.account)
            if over is not None and over <= self.windows_since:
                return -1
        return hold.ceiling - account.reserved - account.spent

    def _grant(self, request: ReservationRequest, holds: Sequence[Hold]) -> None:
        for hold in holds:
            account = self._changed(hold.account)
            if account.new and not account.limit:
                account.limit, account.rolls = hold.limit, hold.rolls
            account.reserved += hold.amount
            account.ceiling = hold.ceiling
        self.add_entries(
            [
                Entry(
                    reservation_id=request.reservation_id,
                    decision_id=request.decision_id,
                    customer_id=request.customer_id,
                    status=RESERVED,
                    expires=request.expires,
                    holds={hold.account: hold.amount for hold in holds},
                    new=True,
                )
            ]
        )

    def _set_window(self, hold: Hold, now: float) -> None:
        """Let a rolling account count for so long from now on, what it holds included."""
        account = self.accounts[hold.account]
        if not hold.rolls or account.rolls in {0.0, hold.rolls}:
            return
        account = self._changed(hold.account)
        account.rolls, account.resized = hold.rolls, True
        for spend in self.spends:
            if spend.account == hold.account and not spend.fallen:
                spend.falls = spend.time + hold.rolls
                heapq.heappush(self._falling, (spend.falls, id(spend), spend))
        self._let_fall(now)

    def _sweep(self, now: float) -> int:
        ended = 0
        while self._due and self._due[0][0] <= now:
            entry = self.entries[heapq.heappop(self._due)[1]]
            if entry.status == RESERVED:
                self._expire(entry, now)
                ended += 1
        return ended

    def _expire(self, entry: Entry, now: float) -> None:
        self._free(entry)
        self._end(entry, EXPIRED, now)

    def _let_fall(self, now: float) -> int:
        fallen = 0
        while self._falling and self._falling[0][0] <= now:
            falls, _, spend = heapq.heappop(self._falling)
            if spend.fallen or falls != spend.falls:
                continue
            account = self._changed(spend.account)
            account.spent -= spend.amount
            account.overrun -= spend.overrun
            spend.fallen = True
            fallen += 1
        if fallen and not self._simulated:  # no change after this one may be of an earlier time
            self._set_clock(now)
        return fallen

    def _note_spent(self, name: str, now: float, rolls: float, amount: int, overrun: int) -> None:
        same = self._noted.get((name, now))
        if same is not None and not same.fallen:
            same.amount += amount
            same.overrun += overrun
            return
        self._noted[name, now] = spend = Spend(
            account=name, time=now, falls=now + rolls, amount=amount, overrun=overrun, new=True
        )
        self._add(spend)

    def _add(self, spend: Spend) -> None:
        self.spends.append(spend)
        heapq.heappush(self._falling, (spend.falls, id(spend), spend))

    def _free(self, entry: Entry) -> None:
        for name, amount in entry.holds.items():
            if self._is_there(name):  # else it was forgotten with its window: nothing was held
                self._changed(name).reserved -= amount

    def _end(self, entry: Entry, status: int, now: float) -> None:
        entry.status, entry.ended, entry.changed = status, now, True

    def _is_there(self, name: str) -> bool:
        """Whether there is such an account: one that was only made to be locked does not count."""
        account = self.accounts.get(name)
        return account is not None and bool(account.limit or not account.new)

    def _changed(self, name: str) -> Account:
        account = self.accounts[name]
        account.changed = True
        return account

    def _set_clock(self, now: float) -> None:
        self.clock, self.clock_moved = now, True


def by_account(holds: Sequence[Hold]) -> Sequence[Hold]:
    """One hold per account: amounts added, the lower ceiling."""
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
