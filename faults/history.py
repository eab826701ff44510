"""What the database wrote down of reservations, followed from where it was last read. Knows no ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any, NamedTuple

import apsw

__all__ = ["CONFIRMED", "EXPIRED", "OVERRUN", "RELEASED", "RESERVED", "Granted", "History"]

RESERVED, CONFIRMED, RELEASED, EXPIRED, OVERRUN = range(5)
_LATE = {(EXPIRED, CONFIRMED), (EXPIRED, OVERRUN)}  # it was shown after its time: charged, no grant
_ENDS = {(RESERVED, CONFIRMED), (RESERVED, RELEASED), (RESERVED, EXPIRED)}

_NEWS = (
    "SELECT seq, reservation_id, customer_id, holds, was, status FROM fault_history"
    " WHERE seq > ? ORDER BY seq"
)


class Granted(NamedTuple):
    """A grant: whose, and what each of its accounts came to with it, as (limit, amount)."""

    customer: str
    came_to: tuple[tuple[str, int], ...]


class History:
    """Where each reservation stands, and what each account has, added up from the history."""

    def __init__(self) -> None:
        self._seen = 0
        self._limits: dict[str, str] = {}  # account → limit
        self._reserved: Counter[str] = Counter()  # account → amount
        self._spent: Counter[str] = Counter()
        self.status: dict[str, int] = {}  # reservation → where it stands
        self.running: set[str] = set()  # those that are reserved
        self.news: dict[str, Granted] = {}  # grants that the judge has not taken from here yet
        self.late = 0
        self.double: set[str] = set()
        self.wrong: list[str] = []  # what cannot be; counters that do not equal their recount

    def follow(self, connection: apsw.Connection) -> None:
        """Read on. In one transaction with `compare`, nothing lies between the two."""
        last = connection.execute("SELECT coalesce(max(seq), 0) FROM fault_history").get
        if last < self._seen:
            self.wrong.append(f"the history ends at {last}, and had come to {self._seen}")
        for seq, reservation, customer, text, was, status in connection.execute(
            _NEWS, (self._seen,)
        ):
            self._seen = seq
            holds: dict[str, int] = json.loads(text)
            if was is None:
                self._grant(connection, reservation, customer, holds)
            elif was != status:
                self._end(reservation, holds, was, status)
            self.status[reservation] = status
            if status == RESERVED:
                self.running.add(reservation)
            else:
                self.running.discard(reservation)

    def compare(self, connection: apsw.Connection) -> None:
        """Hold the counters of the accounts against what was added up here."""
        found = connection.execute("SELECT account, reserved, spent FROM accounts")
        for account, reserved, spent in found:
            counted = self._reserved[account], self._spent[account]
            if (reserved, spent) != counted:
                self.wrong.append(f"{account}: {(reserved, spent)}, counted {counted}")

    def compare_all(self, connection: apsw.Connection) -> None:
        """Hold every reservation against its history."""
        rows: Any = connection.execute("SELECT reservation_id, status FROM reservations")
        count = 0
        for reservation, status in rows:
            count += 1
            if self.status.get(reservation) != status:
                self.wrong.append(f"{reservation} is {status}, by its history another")
        if count != len(self.status):
            self.wrong.append(f"{count} reservations, by their history {len(self.status)}")

    def _grant(
        self,
        connection: apsw.Connection,
        reservation: str,
        customer: str,
        holds: Mapping[str, int],
    ) -> None:
        if reservation in self.status:
            self.double.add(f"{reservation} granted twice")
        came_to = []
        for account, amount in holds.items():
            self._reserved[account] += amount
            if account not in self._limits:
                self._limits[account] = connection.execute(
                    "SELECT limit_id FROM accounts WHERE account = ?", (account,)
                ).get
            total = self._reserved[account] + self._spent[account]
            came_to.append((self._limits[account], total))
        self.news[reservation] = Granted(customer, tuple(came_to))

    def _end(self, reservation: str, holds: Mapping[str, int], was: int, status: int) -> None:
        if self.status.get(reservation) != was or (was, status) not in _ENDS | _LATE:
            self.double.add(f"{reservation} went from {was} to {status}")
        self.late += (was, status) in _LATE
        for account, amount in holds.items():
            if was == RESERVED:
                self._reserved[account] -= amount
            if status in {CONFIRMED, OVERRUN}:
                self._spent[account] += amount
