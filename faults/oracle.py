"""Judges a run from the database's own history and the clients' journal. Knows no ledger."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import apsw

from faults.journal import Journal

__all__ = ["Oracle"]

RESERVED, CONFIRMED, RELEASED, EXPIRED, OVERRUN = range(5)
LATE = {(EXPIRED, CONFIRMED), (EXPIRED, OVERRUN)}  # it was shown after its time: charged, no grant
ENDS = {(RESERVED, CONFIRMED), (RESERVED, RELEASED), (RESERVED, EXPIRED)}

_OWNERS = "SELECT c.customer_id, i.identity FROM identities i JOIN customers c ON c.id = i.customer"


class Oracle:
    """Follows the history from where it last stopped; the three counts, and what else is wrong."""

    def __init__(self, database: Path, amounts: Mapping[str, int]) -> None:
        self._connection = apsw.Connection(str(database), flags=apsw.SQLITE_OPEN_READWRITE)
        self._connection.set_busy_timeout(10_000)
        self._amounts = amounts
        self._seen = 0
        self._limits: dict[str, str] = {}  # account → limit
        self._reserved: Counter[str] = Counter()  # account → amount
        self._spent: Counter[str] = Counter()
        self.status: dict[str, int] = {}  # reservation → where it stands
        self._customer: dict[str, str] = {}  # reservation → customer id
        self.grants = self.late = 0
        self.lost: set[str] = set()
        self.exceeded: set[str] = set()
        self.double: set[str] = set()
        self.wrong: list[str] = []  # counters that do not equal their recount

    def check(self, journal: Journal) -> None:
        """Durable is what was acknowledged, and at most what is unknown besides. Others may write."""
        granted, recorded = journal.acknowledged()  # before the database is read …
        with self._connection:
            self._advance()
            self._compare_counters()
            durable = set(self.status)
            owner: dict[str, str] = dict(self._connection.execute(_OWNERS))
            interactions = {
                row[0]
                for row in self._connection.execute("SELECT interaction_id FROM interactions")
            }
        granted_since, _ = journal.acknowledged()  # … and after it
        attempted, unknown = journal.tries()
        self.lost |= {f"reservation {one}" for one in granted - durable}
        self.lost |= {f"interaction {one}" for one in recorded - interactions}
        answered = Counter(journal.granted[one] for one in granted_since)
        extra: dict[str, list[str]] = {}
        for one in durable - granted_since:
            extra.setdefault(owner[self._customer[one]], []).append(one)
        for identity, ones in extra.items():
            open_tries = attempted.get(identity, 0) - answered[identity]
            if len(ones) > max(open_tries, unknown.get(identity, 0)):
                self.double |= {f"nobody asked for {one}" for one in ones}

    def await_quiet(self, seconds: float) -> None:
        """Return when nothing is reserved any more, or this time is up: `finish` tells then."""
        latest = time.monotonic() + seconds
        while time.monotonic() < latest:
            with self._connection:
                self._advance()
            if RESERVED not in self.status.values():
                return
            time.sleep(0.2)

    def finish(self, journal: Journal) -> None:
        """What holds when all is quiet: nothing is reserved any more, every effect is there."""
        self.check(journal)
        _, unknown = journal.tries()
        extra = Counter(self._customer[one] for one in self.status if one not in journal.granted)
        ids: dict[str, str] = dict(self._connection.execute(_OWNERS))
        for customer, count in extra.items():
            if count > unknown.get(ids[customer], 0):
                self.double.add(f"{count} reservations of {customer} that nobody asked for")
        self.double |= {
            f"{one} never ended" for one, status in self.status.items() if status == RESERVED
        }
        for name, (reservation, effect) in journal.recorded.items():
            wanted = {
                "CONFIRMED": {CONFIRMED},
                "RELEASED": {RELEASED},
                "OVERRUN": {OVERRUN},
            }.get(effect)
            if wanted and self.status[reservation] not in wanted:
                self.lost.add(f"interaction {name}: {effect}, but {self.status[reservation]}")

    def _advance(self) -> None:
        rows = self._connection.execute(
            "SELECT seq, reservation_id, customer_id, holds, was, status FROM fault_history"
            " WHERE seq > ? ORDER BY seq",
            (self._seen,),
        )
        for seq, reservation, customer, text, was, status in rows:
            self._seen = seq
            holds: dict[str, int] = json.loads(text)
            if was is None:
                self._grant(reservation, customer, holds)
            elif was != status:
                self._end(reservation, holds, was, status)
            self.status[reservation] = status

    def _grant(self, reservation: str, customer: str, holds: Mapping[str, int]) -> None:
        if reservation in self.status:
            self.double.add(f"{reservation} granted twice")
        self._customer[reservation] = customer
        self.grants += 1
        for account, amount in holds.items():
            self._reserved[account] += amount
            if self._reserved[account] + self._spent[account] > self._amounts[self._limit(account)]:
                self.exceeded.add(f"{reservation} on {account}")

    def _end(self, reservation: str, holds: Mapping[str, int], was: int, status: int) -> None:
        if self.status.get(reservation) != was or (was, status) not in ENDS | LATE:
            self.double.add(f"{reservation} went from {was} to {status}")
        self.late += (was, status) in LATE
        for account, amount in holds.items():
            if was == RESERVED:
                self._reserved[account] -= amount
            if status in {CONFIRMED, OVERRUN}:
                self._spent[account] += amount

    def _limit(self, account: str) -> str:
        if account not in self._limits:
            self._limits[account] = self._connection.execute(
                "SELECT limit_id FROM accounts WHERE account = ?", (account,)
            ).get
        return self._limits[account]

    def _compare_counters(self) -> None:
        """Inside of the transaction that read the history: nothing lies between the two."""
        found = self._connection.execute("SELECT account, reserved, spent FROM accounts")
        for account, reserved, spent in found:
            counted = self._reserved[account], self._spent[account]
            if (reserved, spent) != counted:
                self.wrong.append(f"{account}: {(reserved, spent)}, counted {counted}")

    def close(self) -> None:
        self._connection.close()
