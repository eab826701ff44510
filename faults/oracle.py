"""Judges a run from the database's own history and the clients' journal. Knows no ledger.

While the run goes on, only what is new is looked at, so that a check after the last kill costs no
more than one after the first; at the end everything is looked at once more.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import msgspec

from faults.database import Database, Moment
from faults.history import CONFIRMED, OVERRUN, RELEASED, Drawn, Granted, History
from faults.journal import Journal

__all__ = ["Oracle"]

SAMPLE = 200  # older reservations and interactions that are looked for again at each check

_OWNERS = "SELECT c.customer_id, i.identity FROM identities i JOIN customers c ON c.id = i.customer"
_SHOWN = """
SELECT i.identity, c.state, (
  SELECT count(*) FROM interactions AS n WHERE n.customer = c.id AND n.type = 'impression')
FROM identities AS i JOIN customers AS c ON c.id = i.customer
"""
_EFFECTS = {"CONFIRMED": CONFIRMED, "RELEASED": RELEASED, "OVERRUN": OVERRUN}


class Oracle:
    """Follows history and journal; the three counts, and what else is wrong.

    ``amounts``: catalog version → limit → amount, of all that may have decided.
    """

    def __init__(self, database: Database, amounts: Mapping[str, Mapping[str, int]]) -> None:
        self._database = database
        self._amounts = amounts
        self._history = History()
        self._draw = random.Random(0)
        self._owners: dict[str, str] = {}  # customer id → identity
        self._granted = self._recorded = 0  # of the journal: looked at so far
        self._unanswered: dict[str, Granted] = {}  # durable, and nobody was told
        self.lost: set[str] = set()
        self.exceeded: set[str] = set()
        self.seconds = 0.0  # spent here

    @property
    def grants(self) -> int:
        """Reservations that were granted, answered or not."""
        return len(self._history.status)

    @property
    def late(self) -> int:
        """How many were confirmed after their time."""
        return self._history.late

    @property
    def double(self) -> set[str]:
        """What was done twice, or for nobody."""
        return self._history.double

    @property
    def wrong(self) -> list[str]:
        """Counters that do not equal their recount."""
        return self._history.wrong

    def check(self, journal: Journal) -> None:
        """Durable is what was acknowledged, and at most what is unknown besides. Others may write."""
        began = time.monotonic()
        granted, recorded = len(journal.grants), len(journal.records)  # before the database is read
        with self._database.moment() as moment:
            self._history.follow(moment)
            self._history.compare(moment)
            numbers = (*range(self._granted, granted), *self._sample(self._granted))
            names = [journal.grants[number] for number in numbers]
            gone = moment.missing("reservations", "reservation_id", names)
            self.lost |= {f"reservation {one}" for one in gone}
            numbers = (*range(self._recorded, recorded), *self._sample(self._recorded))
            names = [journal.records[number] for number in numbers]
            gone = moment.missing("interactions", "interaction_id", names)
            self.lost |= {f"interaction {one}" for one in gone}
            if any(one.customer not in self._owners for one in self._history.news.values()):
                self._owners = dict(moment.rows(_OWNERS))
        self._granted, self._recorded = granted, recorded
        self._match(journal)
        self.seconds += time.monotonic() - began

    def await_quiet(self, seconds: float) -> None:
        """Return when nothing is reserved any more, or this time is up: `finish` tells then."""
        latest = time.monotonic() + seconds
        while time.monotonic() < latest:
            with self._database.moment() as moment:
                self._history.follow(moment)
            if not self._history.running:
                return
            time.sleep(0.2)

    def finish(self, journal: Journal) -> None:
        """What holds when all is quiet: nothing is reserved any more, every effect is there."""
        self.check(journal)
        began = time.monotonic()
        status = self._history.status
        with self._database.moment() as moment:
            self._history.compare_all(moment)
            there = {name for (name,) in moment.rows("SELECT interaction_id FROM interactions")}
            self._compare_aggregates(moment, journal)
        self.lost |= {f"reservation {one}" for one in journal.granted.keys() - status.keys()}
        self.lost |= {f"interaction {one}" for one in journal.recorded.keys() - there}
        extra = Counter(self._owners[one.customer] for one in self._unanswered.values())
        for identity, count in extra.items():
            if count > journal.unknown[identity]:
                self.double.add(f"{count} reservations of {identity} that nobody asked for")
        for reservation, one in self._unanswered.items():
            self._compare(reservation, one, journal)
        self.double.update(f"{one} never ended" for one in self._history.running)
        for name, (reservation, effect) in journal.recorded.items():
            wanted = _EFFECTS.get(effect)
            if wanted is not None and status.get(reservation) != wanted:
                self.lost.add(f"interaction {name}: {effect}, but {status.get(reservation)}")
        self.seconds += time.monotonic() - began

    def _match(self, journal: Journal) -> None:
        """Hold new grants, and those nobody was told of by then, against what clients know now."""
        self._unanswered |= self._history.news
        self._history.news = {}
        open_ones: dict[str, list[str]] = {}
        for reservation, version in journal.versions(self._unanswered).items():
            one = self._unanswered[reservation]
            if version is None:
                open_ones.setdefault(self._owners[one.customer], []).append(reservation)
                continue
            del self._unanswered[reservation]
            self._compare(reservation, one, journal)
        for identity in journal.unexplained(open_ones):
            self.double.update(f"nobody asked for {one}" for one in open_ones[identity])

    def _compare(self, reservation: str, one: Granted, journal: Journal) -> None:
        """Hold what its accounts came to with a grant against the amounts of who decided."""
        for drawn in one.drew:
            amount = self._in_force(reservation, drawn.limit, journal)
            total = drawn.before + drawn.amount + self._earlier(reservation, drawn, amount, journal)
            if total > amount:
                self.exceeded.add(f"{reservation} on {drawn.limit}: {total} of {amount}")

    def _earlier(self, reservation: str, drawn: Drawn, amount: int, journal: Journal) -> int:
        """What grants of the same commit drew that had no more room than this one.

        If the amounts allow any order at all, they allow this one: who has less room goes first.
        """
        return sum(
            other
            for name, other in drawn.beside.items()
            if name != reservation and self._in_force(name, drawn.limit, journal) <= amount
        )

    def _in_force(self, reservation: str, limit: str, journal: Journal) -> int:
        """The amount by the catalog that decided; where nobody was answered, the largest of all."""
        known = journal.granted.get(reservation)
        if known is not None:
            return self._amounts[known[1]][limit]
        return max(amounts[limit] for amounts in list(self._amounts.values()))

    def _sample(self, count: int) -> list[int]:
        return self._draw.sample(range(count), min(count, SAMPLE))

    def _compare_aggregates(self, moment: Moment, journal: Journal) -> None:
        """What each customer's profile counts is what is stored, and what clients were told."""
        for identity, state, count in moment.rows(_SHOWN):
            profile: dict[str, Any] = msgspec.msgpack.decode(state)
            counts = profile.get("aggregates", {}).get("shown", 0), journal.shown[identity]
            if counts != (count, count):
                self.wrong.append(f"{identity}: {counts} impressions, counted {count}")

    def close(self) -> None:
        """Let go of the database."""
        self._database.close()
