"""The ledger against a small model: random reserve, confirm, release, expire, restart."""

from __future__ import annotations

import itertools
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from nba_engine.domain import Hold, ReservationRequest, Store
from nba_engine.testing.customers_suite import FOLD, NOW, happened

CEILINGS = {"a": 2, "b": 7, "c": 12}
HOLDS = st.dictionaries(st.sampled_from(sorted(CEILINGS)), st.integers(0, 5), max_size=3)
NUMBERS = st.integers(0, 12)


class LedgerModel(RuleBasedStateMachine):
    """Each rule does one thing to the store and to the model; they must agree."""

    open_named: Callable[[str], Store]
    names = itertools.count()

    def __init__(self) -> None:
        super().__init__()
        self.name = f"model{next(self.names)}"
        self.store = type(self).open_named(self.name)
        self.now = NOW
        self.recorded = 0
        # reservation → [status, expires, holds]
        self.reservations: dict[str, tuple[str, float, dict[str, int]]] = {}
        self.late_overrun = dict.fromkeys(CEILINGS, 0)

    @classmethod
    def check(cls, open_named: Callable[[str], Store]) -> None:
        """Run the machine over stores that ``open_named`` opens, again for the same name."""
        machine = type("Machine", (cls,), {"open_named": staticmethod(open_named)})
        run_state_machine_as_test(
            machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None)
        )

    def used(self, account: str, *statuses: str) -> int:
        return sum(
            holds.get(account, 0)
            for status, _, holds in self.reservations.values()
            if status in statuses
        )

    def sweep(self) -> None:
        for key, (status, expires, holds) in self.reservations.items():
            if status == "reserved" and expires <= self.now:
                self.reservations[key] = ("expired", expires, holds)

    @rule(number=NUMBERS, holds=HOLDS, lives=st.integers(0, 8))
    def reserve(self, number: int, holds: dict[str, int], lives: int) -> None:
        key = f"r{number}"
        (answer,) = self.store.reserve(
            [
                ReservationRequest(
                    reservation_id=key,
                    decision_id="d",
                    customer_id="c",
                    holds=tuple(
                        Hold(account=name, limit=name, amount=amount, ceiling=CEILINGS[name])
                        for name, amount in holds.items()
                    ),
                    expires=self.now + lives,
                )
            ],
            now=self.now,
        )
        self.sweep()
        if key in self.reservations:
            assert answer.granted == (self.reservations[key][0] in {"reserved", "spent"})
            return
        room = {name: CEILINGS[name] - self.used(name, "reserved", "spent") for name in holds}
        refusing = [name for name, amount in holds.items() if amount > room[name]]
        assert answer.granted == (not refusing)
        if refusing:
            assert answer.refused_by == refusing[0]
            assert answer.room == max(0, room[refusing[0]])
        else:
            self.reservations[key] = ("reserved", self.now + lives, holds)

    @rule(number=NUMBERS, kind=st.sampled_from(["impression", "reject"]))
    def record(self, number: int, kind: str) -> None:
        key = f"r{number}"
        self.recorded += 1
        (result,) = self.store.record(
            [happened(f"{self.name}-{self.recorded}", kind, recommendation=key)],
            FOLD,
            now=self.now,
        )
        self.sweep()
        assert result.reservation == self.expected(key, kind)

    def expected(self, key: str, kind: str) -> str:
        if key not in self.reservations:
            return "unknown"
        status, expires, holds = self.reservations[key]
        if kind == "reject":
            if status != "reserved":
                return "unchanged"
            self.reservations[key] = ("released", expires, holds)
            return "released"
        if status in {"spent", "released"}:
            return "unchanged"
        over = {}
        if status == "expired":
            for name, amount in holds.items():
                room = max(0, CEILINGS[name] - self.used(name, "reserved", "spent"))
                over[name] = max(0, amount - room)
                self.late_overrun[name] += over[name]
        self.reservations[key] = ("spent", expires, holds)
        return "overrun" if any(over.values()) else "confirmed"

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds

    @rule()
    def expire(self) -> None:
        due = sum(
            status == "reserved" and expires <= self.now
            for status, expires, _ in self.reservations.values()
        )
        assert self.store.expire(now=self.now) == due
        self.sweep()

    @precondition(lambda self: self.recorded % 3 == 1)
    @rule()
    def restart(self) -> None:
        self.store.close()
        self.store = type(self).open_named(self.name)

    @invariant()
    def counters_agree(self) -> None:
        report = {usage.account: usage for usage in self.store.usage_report()}
        for name in CEILINGS:
            reserved, spent = self.used(name, "reserved"), self.used(name, "spent")
            usage = report.get(name)
            if usage is None:
                assert reserved == spent == 0
                continue
            assert (usage.reserved, usage.spent) == (reserved, spent)
            assert usage.overrun == self.late_overrun[name]

    def teardown(self) -> None:
        self.store.close()
