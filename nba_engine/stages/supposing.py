"""A decision as it would be after some changes, so that explanations only name what works."""

from __future__ import annotations

import math
from collections.abc import Iterable

from nba_engine.domain import (
    TIERS,
    Change,
    CustomerView,
    Deciding,
    Expression,
    RuleTable,
    Tier,
    Value,
    Values,
)
from nba_engine.stages.limits import QuietClock
from nba_engine.stages.wording import moment

__all__ = ["Supposed", "impossible"]

_SEEN_BY_RULES = frozenset({"attribute", "context", "time", "consent"})


class Supposed:
    """Customer, context and time of a decision with changes applied on top.

    It collects the changes it is given; several for the same target become one (the last value,
    the latest time, every consent).
    """

    def __init__(self, deciding: Deciding) -> None:
        self._deciding = deciding
        self._changes: dict[tuple[str, str], Change] = {}
        self._customer: dict[str, Value] = {}
        self._context: dict[str, Value] = {}
        self.now = deciding.now

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(self._changes.values())

    @property
    def customer(self) -> Values:
        """The customer as rules would see it, aggregates as of the supposed time."""
        base = self._deciding.customer
        if not isinstance(base, CustomerView):
            return {**base, **self._customer}
        if self.now != self._deciding.now:
            base = base.at(self.now)
        return base.changed(self._customer) if self._customer else base

    @property
    def context(self) -> Values:
        return {**self._deciding.context, **self._context}

    def add(self, changes: Iterable[Change]) -> bool:
        """Suppose these too; false when one of them is nothing that can be supposed."""
        for change in changes:
            if change.kind == "none":
                return False
            self._add(change)
        return True

    def wait(self, until: float, what: str) -> None:
        """Suppose that it is (at least) ``until``, rounded up to a whole second."""
        if until <= self.now:
            return
        time = float(math.ceil(until))
        text = f"{what} at {moment(self._deciding.catalog, time, self._deciding.now)} or later"
        self._add(Change(kind="time", value=time, text=text))

    def _add(self, change: Change) -> None:
        if change.kind == "time":
            if float(change.value) <= self.now and ("time", "") in self._changes:
                return
            self.now = max(self.now, float(change.value))
        elif change.kind == "attribute":
            self._customer[change.target] = change.value
        elif change.kind == "context":
            self._context[change.target] = change.value
        elif change.kind == "consent":
            granted = list(self.customer.get("consents", ()))
            self._customer["consents"] = [*granted, change.target]
        self._changes[change.kind, "" if change.kind == "time" else change.target] = change

    def settle_rules(self, unit: int) -> bool:
        """Add what the unit's rules ask for; false when that is unknown or changes forever."""
        for _ in range(8):
            failed = [
                conjunct
                for tier in TIERS
                for conjunct in self._table(tier).explain(
                    unit, self.customer, self.context, self.now
                )
            ]
            if not failed:
                return True
            for conjunct in failed:
                if not conjunct.changes or not self.add(conjunct.changes):
                    return False
        return False

    def settle(self, unit: int, clock: QuietClock) -> bool:
        """Add what it takes that season, rules and quiet hours still allow the unit.

        Only changes that rules or clocks can see call for it. False when they cannot allow it.
        """
        if not any(change.kind in _SEEN_BY_RULES for change in self._changes.values()):
            return True
        catalog = self._deciding.catalog
        action = catalog.actions[int(catalog.action_of[unit])]
        channel = catalog.channels[catalog.treatments[unit].channel]
        for _ in range(4):
            if not self.settle_rules(unit):
                return False
            if action.ends is not None and self.now >= action.ends:
                return False
            if self.now == self._deciding.now or not clock.is_quiet(channel, self.now):
                return True
            self.wait(clock.opens(channel, self.now), "decide")
        return False

    def evaluate(self, expression: Expression) -> float | None:
        """The expression's value as supposed."""
        return expression.evaluate(self.customer, self.context, self.now)

    def _table(self, tier: Tier) -> RuleTable:
        return self._deciding.catalog.rules[tier]


def impossible(text: str) -> tuple[Change, ...]:
    """What to name when nothing a caller could change would help."""
    return (Change(kind="none", text=text),)
