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

CEILINGS = {"a": 2, "b": 7, "c": 12, "r": 3, "s": 9}
ROLLS = {"r": 4.0, "s": 11.0}  # the windows that roll, in seconds
HOLDS = st.dictionaries(st.sampled_from(sorted(CEILINGS)), st.integers(0, 5), max_size=3)
NUMBERS = st.integers(0, 12)
LENGTHS = st.sampled_from([11.0, 11.0, 11.0, 7.0, 15.0])  # of s, as catalogs change
ALWAYS = float("inf")


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
        self.swept = True
        # reservation → [status, expires, holds]
        self.reservations: dict[str, tuple[str, float, dict[str, int]]] = {}
        self.rolls = dict(ROLLS)
        self.spends: list[tuple[str, float, int, int]] = []  # account, time, amount, overrun

    @classmethod
    def check(cls, open_named: Callable[[str], Store]) -> None:
        """Run the machine over stores that ``open_named`` opens, again for the same name."""
        machine = type("Machine", (cls,), {"open_named": staticmethod(open_named)})
        run_state_machine_as_test(
            machine, settings=settings(max_examples=40, stateful_step_count=30, deadline=None)
        )

    def reserved(self, account: str) -> int:
        return sum(
            holds.get(account, 0)
            for status, _, holds in self.reservations.values()
            if status == "reserved"
        )

    def spent(self, account: str) -> tuple[int, int]:
        """What the window counts now: (spent, overrun)."""
        counted = [
            (amount, over)
            for name, time, amount, over in self.spends
            if name == account and self.now < time + self.rolls.get(name, ALWAYS)
        ]
        return sum(amount for amount, _ in counted), sum(over for _, over in counted)

    def room(self, account: str) -> int:
        return CEILINGS[account] - self.reserved(account) - self.spent(account)[0]

    def sweep(self, rolls: dict[str, float] | None = None) -> None:
        """What is due ends; what left a window does not come back when that becomes longer."""
        lengths = rolls or self.rolls
        self.spends = [
            one for one in self.spends if self.now < one[1] + lengths.get(one[0], ALWAYS)
        ]
        self.swept = True
        for key, (status, expires, holds) in self.reservations.items():
            if status == "reserved" and expires <= self.now:
                self.reservations[key] = ("expired", expires, holds)

    @rule(number=NUMBERS, holds=HOLDS, lives=st.integers(0, 8), length=LENGTHS)
    def reserve(self, number: int, holds: dict[str, int], lives: int, length: float) -> None:
        key = f"r{number}"
        before = dict(self.rolls)
        if key not in self.reservations and "s" in holds:
            self.rolls["s"] = length
        (answer,) = self.store.reserve(
            [
                ReservationRequest(
                    reservation_id=key,
                    decision_id="d",
                    customer_id="c",
                    holds=tuple(
                        Hold(
                            account=name,
                            limit=name,
                            amount=amount,
                            ceiling=CEILINGS[name],
                            rolls=self.rolls.get(name, 0.0),
                        )
                        for name, amount in holds.items()
                    ),
                    expires=self.now + lives,
                )
            ],
            now=self.now,
        )
        self.sweep(before)
        if key in self.reservations:
            assert answer.granted == (self.reservations[key][0] in {"reserved", "spent"})
            return
        room = {name: self.room(name) for name in holds}
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
        over = dict.fromkeys(holds, 0)
        if status == "expired":
            over = {name: max(0, n - max(0, self.room(name))) for name, n in holds.items()}
        self.reservations[key] = ("spent", expires, holds)
        self.spends += [(name, self.now, n, over[name]) for name, n in holds.items()]
        return "overrun" if any(over.values()) else "confirmed"

    @rule(seconds=st.integers(1, 5))
    def pass_time(self, seconds: int) -> None:
        self.now += seconds
        self.swept = False

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
            usage = report.get(name)
            expected = (self.reserved(name), *self.spent(name))
            if usage is None:
                assert expected == (0, 0, 0)
            elif self.swept:
                assert (usage.reserved, usage.spent, usage.overrun) == expected
            else:
                assert usage.spent >= expected[1]

    def teardown(self) -> None:
        self.store.close()
