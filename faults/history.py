"""What the database wrote down of reservations, followed from where it was last read. Knows no ledger."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from faults.database import Change, Moment

__all__ = ["CONFIRMED", "EXPIRED", "OVERRUN", "RELEASED", "RESERVED", "Drawn", "Granted", "History"]

RESERVED, CONFIRMED, RELEASED, EXPIRED, OVERRUN = range(5)
_LATE = {(EXPIRED, CONFIRMED), (EXPIRED, OVERRUN)}  # it was shown after its time: charged, no grant
_AT_ONCE = (RESERVED, OVERRUN)  # it expired and was shown too late, both in one commit
_ENDS = {(RESERVED, CONFIRMED), (RESERVED, RELEASED), (RESERVED, EXPIRED), _AT_ONCE}


class Drawn(NamedTuple):
    """What a grant draws on one account: ``before`` it had that much.

    ``beside``: what the grants of the same commit that were kept drew on it, this one included; in
    which order they were granted is not known.
    """

    limit: str
    amount: int
    before: int
    beside: dict[str, int]


class Granted(NamedTuple):
    """A grant: whose, and what it draws."""

    customer: str
    drew: tuple[Drawn, ...]


class History:
    """Where each reservation stands, and what each account has, added up from the history."""

    def __init__(self) -> None:
        self._length = 0
        self._limits: dict[str, str] = {}  # account → limit
        self._reserved: Counter[str] = Counter()  # account → amount
        self._spent: Counter[str] = Counter()
        self.status: dict[str, int] = {}  # reservation → where it stands
        self.running: set[str] = set()  # those that are reserved
        self.news: dict[str, Granted] = {}  # grants that the judge has not taken from here yet
        self.late = 0
        self.double: set[str] = set()
        self.wrong: list[str] = []  # what cannot be; counters that do not equal their recount

    def follow(self, moment: Moment) -> None:
        """Read on. At the same moment as `compare`, nothing lies between the two."""
        length, count = moment.length(), 0
        for together in moment.news():
            count += len(together)
            self._take(moment, together)
        if length != self._length + count:
            self.wrong.append(
                f"the history has {length} lines: there were {self._length}, and {count} are new"
            )
        self._length = length

    def compare(self, moment: Moment) -> None:
        """Hold the counters of the accounts against what was added up here."""
        for account, reserved, spent in moment.rows(
            "SELECT account, reserved, spent FROM accounts"
        ):
            counted = self._reserved[account], self._spent[account]
            if (reserved, spent) != counted:
                self.wrong.append(f"{account}: {(reserved, spent)}, counted {counted}")

    def compare_all(self, moment: Moment) -> None:
        """Hold every reservation against its history."""
        count = 0
        for reservation, status in moment.rows("SELECT reservation_id, status FROM reservations"):
            count += 1
            if self.status.get(reservation) != status:
                self.wrong.append(f"{reservation} is {status}, by its history another")
        if count != len(self.status):
            self.wrong.append(f"{count} reservations, by their history {len(self.status)}")

    def _take(self, moment: Moment, together: Sequence[Change]) -> None:
        """Take what was committed at once: what made room, then grants, then what came too late."""
        for one in together:
            if one.was == RESERVED:
                self._end(one, one.was)
        new = [one for one in together if one.was is None]
        drawn = self._drawn(moment, new)
        for one in new:
            self._grant(one, drawn)
        for one in together:
            if one.was not in {None, RESERVED, one.status}:
                self._end(one, one.was)
            self.status[one.reservation] = one.status
            if one.status == RESERVED:
                self.running.add(one.reservation)
            else:
                self.running.discard(one.reservation)

    def _drawn(
        self, moment: Moment, new: Sequence[Change]
    ) -> dict[str, tuple[int, dict[str, int]]]:
        """Account → what it had before these grants, and what those that were kept draw."""
        drawn: dict[str, tuple[int, dict[str, int]]] = {}
        for one in new:
            for account, amount in _holds(one).items():
                if account not in self._limits:
                    ((self._limits[account],),) = moment.rows(
                        "SELECT limit_id FROM accounts WHERE account = ?", account
                    )
                had = self._reserved[account] + self._spent[account]
                beside = drawn.setdefault(account, (had, {}))[1]
                if one.status not in {RELEASED, EXPIRED}:
                    beside[one.reservation] = amount
        return drawn

    def _grant(self, one: Change, drawn: dict[str, tuple[int, dict[str, int]]]) -> None:
        if one.reservation in self.status:
            self.double.add(f"{one.reservation} granted twice")
        holds = _holds(one)
        self._reserved.update(holds)
        drew = []
        for account, amount in holds.items():
            before, beside = drawn[account]
            # what was given back at once may have come and gone before all others
            kept = beside if one.reservation in beside else {}
            drew.append(Drawn(self._limits[account], amount, before, kept))
        self.news[one.reservation] = Granted(one.customer, tuple(drew))
        self.status[one.reservation] = RESERVED
        if one.status != RESERVED:
            self._end(one, RESERVED)

    def _end(self, one: Change, was: int | None) -> None:
        step = was, one.status
        if was == one.status:
            return
        if self.status.get(one.reservation) != was or step not in _ENDS | _LATE:
            self.double.add(f"{one.reservation} went from {was} to {one.status}")
        self.late += step in _LATE or step == _AT_ONCE
        for account, amount in _holds(one).items():
            if was == RESERVED:
                self._reserved[account] -= amount
            if one.status in {CONFIRMED, OVERRUN}:
                self._spent[account] += amount


def _holds(one: Change) -> dict[str, int]:
    found: dict[str, int] = json.loads(one.holds)
    return found
