"""What the conformance kit found out about one plugin."""

from __future__ import annotations

import msgspec

__all__ = ["Check", "Cost", "Promise", "Report"]


class Promise(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a plugin offers; ``settings`` are the keys that it takes."""

    kind: str
    name: str
    settings: tuple[str, ...] = ()


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One test of a contract suite, run on one offer; ``message`` says what is wrong."""

    kind: str
    name: str
    sentence: str
    passed: bool
    message: str = ""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """Microseconds per decision in a small world, without and with one offer.

    ``problem`` says why it could not be measured. Compare the medians: the 99th percentiles of a
    few hundred decisions on a busy machine are rough.
    """

    kind: str
    name: str
    decisions: int = 0
    without_median: float = 0.0
    without_p99: float = 0.0
    with_median: float = 0.0
    with_p99: float = 0.0
    problem: str = ""

    @property
    def ratio(self) -> float:
        """Median with it over median without it."""
        return self.with_median / self.without_median if self.without_median else 0.0


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin promises, does and costs. ``problem`` says why it was not even checked."""

    plugin: str
    distribution: str
    version: str
    api: str
    hooks: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    promises: tuple[Promise, ...] = ()
    checks: tuple[Check, ...] = ()
    costs: tuple[Cost, ...] = ()
    problem: str = ""

    @property
    def failures(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if not check.passed)

    @property
    def passed(self) -> bool:
        """Whether it keeps every promise, and all of it could be measured."""
        unmeasured = any(cost.problem for cost in self.costs)
        return not (self.problem or self.failures or unmeasured)
