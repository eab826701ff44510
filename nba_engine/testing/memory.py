"""A decision log in memory, and a clock that stands still."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator, Mapping

from nba_engine.domain import DecisionRecord, Erased
from nba_engine.errors import Exhausted
from nba_engine.testing.world import NOW

__all__ = ["FixedClock", "MemoryLog"]


class MemoryLog:
    """`nba_engine.domain.DecisionLog` in a dictionary; it can hold ``most`` records."""

    def __init__(self, *, most: int = 100_000) -> None:
        self._most = most
        self._lock = threading.Lock()
        self.records: dict[str, DecisionRecord] = {}
        self._erased: dict[str, Erased] = {}

    def append(self, record: DecisionRecord) -> None:
        """Keep a record. Raises `Exhausted` when it is full."""
        with self._lock:
            if len(self.records) >= self._most:
                raise Exhausted("the decision log is full")
            if not any(_covers(erased, record) for erased in self._erased.values()):
                self.records[record.decision_id] = record

    def read(self, decision_id: str) -> DecisionRecord | None:
        """The record of a decision, if there is one."""
        return self.records.get(decision_id)

    def decisions_of(self, names: Collection[str]) -> Iterator[DecisionRecord]:
        """What was decided for these customers or identities, in the order of logging."""
        for record in list(self.records.values()):
            if record.customer_id in names or record.request.identity in names:
                yield record

    def erase(
        self, erased: Erased, *, stop: Callable[[], bool] = lambda: False
    ) -> Mapping[str, int]:
        """Remove what was decided for whoever was erased, and let none of it in later."""
        with self._lock:
            self._erased[erased.erasure_id] = erased
            gone = [name for name, record in self.records.items() if _covers(erased, record)]
            for name in gone:
                del self.records[name]
        return {"decisions": len(gone)}

    def was_erased(self, erasure_id: str) -> bool:
        """Whether an erasure was carried out here."""
        return erasure_id in self._erased

    def flush(self) -> None:
        """Everything is there already."""

    def close(self) -> None:
        """Nothing to release."""


def _covers(erased: Erased, record: DecisionRecord) -> bool:
    return erased.covers_decision(record.decision_id, record.customer_id, record.request.identity)


class FixedClock:
    """A clock that shows what it was set to: ``clock()``, ``clock.pass_time(60)``."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
