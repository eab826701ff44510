"""One transaction for many changes: read and lock all they need, decide in memory, write at once.

A round trip to the server costs more than everything that is decided here, and what is locked
stays locked that long. So however many changes share a transaction, it takes the same few trips.
(Reservations that nothing stands in the way of take one: `nba_postgres.granting`.)

Nothing here can deadlock: transactions take their locks in the same order of kinds (1 progress
marks, 2 request ids, 3 reservations, 4 identities, 5 customers, 6 interactions, 7 accounts, 8 the
clock), within a kind in the order of names, and what is only tidied up in passing is left to others
when they hold it.
Under them all lies a lock of the whole store, which these transactions share: links, merges,
erasures and whatever else changes which customer is meant have it alone (`exclusive`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

import msgspec

from nba_engine.domain import CONFIRMING, RELEASING, ReservationRequest
from nba_engine.store.customers import NewId
from nba_engine.store.identities import moved_request, refused_request
from nba_engine.store.interactions import FUTURE_SECONDS, Prepared, fault_of
from nba_postgres import statements
from nba_postgres.book import Account, Book, Entry, Spend
from nba_postgres.changes import Expire, Release, Reserve, Together, Write
from nba_postgres.claims import Claims
from nba_postgres.people import People, Person
from nba_postgres.session import Rows, Session, Statement

__all__ = ["IN_PASSING", "OvertakenError", "Unit"]

IN_PASSING = 256  # due reservations that are ended by whoever changes the ledger

_T = TypeVar("_T")

_decode_holds = msgspec.json.Decoder(dict[str, int]).decode


class OvertakenError(Exception):
    """Another process has just made what was to be made here: again, seeing it."""


class Unit:
    """What a transaction has read and locked, and its changes.

    `nba_postgres.beginning.begin` and `nba_postgres.finding.find_customers` come first, then
    `lock_customers`, `insert_interactions` and `lock_accounts`.
    """

    def __init__(
        self,
        session: Session,
        changes: Sequence[Together],
        *,
        simulated: bool,
        new_id: NewId,
        careful: bool = False,
    ) -> None:
        """``careful``: attempts at request ids may hold reservations, whatever they say."""
        self.session = session
        self.changes = changes
        self.simulated = simulated
        self.new_id = new_id
        self.careful = careful
        self.at = -math.inf  # the latest moment of any change
        self.book = Book(simulated=simulated)
        self.claims = Claims(self.book)
        self.claims.erased = self.was_erased
        self.people = People()
        self.asked: dict[bytes, bytes] = {}  # updates by the digest of their id → what they ask for
        self.done: set[bytes] = set()  # those that were done before, in earlier commits at first
        self.dead: list[str] = []  # request ids of attempts that died
        self.fresh: set[str] = set()  # ids of the interactions that were not known before
        self.checked: dict[Write, Sequence[Prepared]] = {}  # without those of erased customers
        self.erased: dict[str, tuple[str, float]] = {}  # name → decisions below, things before
        self.progress: dict[str, str] = {}  # marks as they are noted
        self.identities: dict[str, int | None] = {}  # as they were found; None: nobody's
        self.meant: Rows = []  # of names in requests: name, who that is now, whether it is anybody
        self.falling: list[str] = []  # accounts that something falls out of
        self.nobodys: list[str] = []  # names in requests that nobody is behind
        self.current: dict[str, str] = {}  # customer of a request → who that is now
        self._latest: dict[Write, float] = {}
        self._requests: dict[Reserve, list[ReservationRequest]] = {}

    def of(self, kind: type[_T]) -> list[_T]:
        """The changes of a kind."""
        return [one for one in self.changes if isinstance(one, kind)]

    def set_clock(self, clock: float | None) -> None:
        """Take the ledger's clock, and see what it makes of the changes' times."""
        self.book.clock = clock
        self.at = max([self._clocked(one.now) for one in self.changes])
        ahead = math.inf if self.simulated else FUTURE_SECONDS
        for change in self.of(Write):
            self._latest[change] = self._clocked(change.now) + ahead

    def latest(self, change: Write) -> float:
        """The last time of an interaction that this change accepts."""
        return self._latest[change]

    def items(self, change: Write) -> Sequence[Prepared]:
        """The interactions of a change; those from before an erasure are marked."""
        return self.checked.get(change, change.items)

    def valid(self, change: Write) -> list[Prepared]:
        """The interactions that nothing is wrong with."""
        latest = self._latest[change]
        return [item for item in self.items(change) if not fault_of(item, latest)]

    @property
    def has_ledger(self) -> bool:
        """Whether any change is one of the ledger's."""
        return any(not isinstance(one, Write) or one.fold is not None for one in self.changes)

    def was_late(self, name: str) -> bool:
        """Whether every request of a name was begun before it was erased."""
        return all(
            self.was_erased(one.decision_id, name)
            for change in self.of(Reserve)
            for one in change.requests
            if one.customer_id == name
        )

    def was_erased(self, decision_id: str, name: str) -> bool:
        """Whether a decision was begun for a name that was erased since."""
        return decision_id < self.erased.get(name, ("", 0.0))[0]

    def requests(self, change: Reserve) -> list[ReservationRequest]:
        """What is asked for, on the accounts of the customers as they are now."""
        if change not in self._requests:
            self._requests[change] = [self._current(one) for one in change.requests]
        return self._requests[change]

    def _current(self, request: ReservationRequest) -> ReservationRequest:
        name = request.customer_id
        if self.was_erased(request.decision_id, name):
            return refused_request(request)
        return moved_request(request, self.current[name]) if name in self.current else request

    def _clocked(self, now: float) -> float:
        clock = self.book.clock
        return now if self.simulated or clock is None else max(now, clock)

    def names(self) -> tuple[list[str], list[str]]:
        """Every name that changes use, and those among them of requests."""
        holders = {one.customer_id for change in self.of(Reserve) for one in change.requests}
        names = set(holders)
        for change in self.of(Write):
            names.update(update.identity for update in change.updates)
            names.update(item.interaction.identity for item in change.items if not item.fault)
        return sorted(names), sorted(holders)

    def named(self) -> list[str]:
        """The identities of updates and interactions, in the order in which they came."""
        names: dict[str, None] = {}
        for change in self.of(Write):
            names.update(dict.fromkeys(update.identity for update in change.updates))
            items = self.valid(change)
            names.update(dict.fromkeys(item.interaction.identity for item in items))
        return list(names)

    def lock_customers(self) -> None:
        """Lock the customers that updates and interactions are about, and read them."""
        wanted = {self.people.rows[name] for name in self.named() if name in self.people.rows}
        old = sorted(row for row in wanted if row not in self.people.by_row)
        if old:
            for stored in self.session.rows(statements.LOCK_CUSTOMERS, rows=old):
                self.people.by_row[stored[0]] = Person.stored(*stored)

    def insert_interactions(self) -> None:
        """Insert those whose ids are not known yet."""
        new: dict[str, tuple[Prepared, float]] = {}
        for change in self.of(Write):
            for item in self.valid(change):
                if item.interaction.identity in self.people.rows:
                    new.setdefault(item.interaction.interaction_id, (item, change.now))
        if new:
            inserted = self.session.run(statements.interactions(new.values(), self.people.rows))
            self.fresh = {name for (name,) in inserted[0]}

    def reservations(self, most: int) -> Statement:
        """What locks the reservations that are named, and up to ``most`` that are due."""
        names: set[str] = set()
        for change in self.changes:
            if isinstance(change, Write):
                names |= {
                    item.interaction.recommendation_id
                    for item in change.items
                    if not item.fault and item.interaction.type in CONFIRMING | RELEASING
                }
            elif isinstance(change, Reserve):
                names |= {one.reservation_id for one in change.requests}
            elif isinstance(change, Release):
                names |= set(change.reservations)
        names |= {name for row in self.claims.rows.values() if row is not None for name in row.held}
        most = max([most, *[one.most for one in self.of(Expire)]])
        at = max([one.now for one in self.changes])
        values = {"names": sorted(names), "at": at, "most": most}
        return Statement(statements.LOCK_RESERVATIONS, values)

    def add_reservations(self, rows: Rows, most: int) -> None:
        """Take what `reservations` found."""
        self.book.complete = sum(is_due for is_due, *_ in rows) < most
        self.book.add_entries(
            Entry(
                reservation_id=name,
                decision_id=decision_id,
                customer_id=customer_id,
                status=status,
                expires=expires,
                holds=_decode_holds(holds),
            )
            for _, name, decision_id, customer_id, status, expires, holds in rows
        )

    def forget_entries(self) -> None:
        """What was read of reservations is no longer so: read it again."""
        most = max(IN_PASSING, len(self.book.entries) + 1)
        self.book.forget_entries()
        (rows,) = self.session.run(self.reservations(most))
        self.add_reservations(rows, most)

    def lock_accounts(self) -> None:
        """Lock accounts, make those that are missing; read the clock once they are held."""
        holds = [
            hold
            for change in self.of(Reserve)
            for request in self.requests(change)
            if request.reservation_id not in self.book.entries
            for hold in request.holds
        ]
        asked = sorted({hold.account for hold in holds})
        names = {name for entry in self.book.entries.values() for name in entry.holds}
        names.update(asked, self.falling)
        if not names and not self.nobodys:
            return
        windows = {(hold.account, hold.rolls) for hold in holds if hold.rolls}
        wanted = {"names": sorted(names)}
        lengths = {
            "at": self.at,
            "windows": [name for name, _ in windows],
            "lengths": [length for _, length in windows],
        }
        nobodys = {"names": self.nobodys, "new": [False] * len(self.nobodys)}
        rolls = bool(windows or self.falling)
        spends = rolls or any(not isinstance(one, Reserve | Release) for one in self.changes)
        noted, made, rows, clock, fallen = self.session.run(
            Statement(statements.NEW_IDENTITIES, nobodys) if self.nobodys else None,
            Statement(statements.NEW_ACCOUNTS, {"names": asked}) if asked else None,
            Statement(statements.LOCK_ACCOUNTS, wanted),
            Statement(statements.CLOCK) if spends else None,
            Statement(statements.SPENDS, {**wanted, **lengths}) if rolls else None,
        )
        if len(noted) < len(self.nobodys):
            raise OvertakenError
        new = {name for (name,) in made}
        if clock:  # what fell out of windows meanwhile does not come back
            self.book.clock = clock[0][0]
        for name, limit, ceiling, reserved, spent, overrun, rolls in rows:
            self.book.accounts[name] = Account(
                limit=limit,
                ceiling=ceiling,
                reserved=reserved,
                spent=spent,
                overrun=overrun,
                rolls=rolls,
                new=name in new,
            )
        self.book.add_spends(
            Spend(account=name, time=at, falls=falls, amount=amount, overrun=overrun)
            for name, at, falls, amount, overrun in fallen
        )
