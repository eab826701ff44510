"""What compiled rules look like from outside; `nba_engine.rules` implements these."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import msgspec

from nba_engine.domain.values import Value, Values

__all__ = ["Change", "ChangeKind", "Expression", "FailedConjunct", "RuleFunction", "RuleTable"]

ChangeKind = Literal[
    "attribute",  # customer.<target> becomes value (attributes and aggregates alike)
    "context",  # context.<target> becomes value
    "time",  # decide at `value` (seconds since the epoch) or later
    "consent",  # consent `target` ("purpose:channel") is given
    "limit",  # limit `target` gets the amount `value`
    "price",  # limit `target`, or one of its accounts, asks for `value` per contact or unit of money
    "lever",  # treatment `target` gets its lever multiplied by `value`
    "control_group",  # the customer leaves the control group, or control group `target`
    "none",  # nothing that a caller could change mechanically; the text says what it would take
]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that would have to change, applicable mechanically (see `Engine.what_if`)."""

    kind: ChangeKind
    target: str = ""
    value: Value = None
    text: str = ""


class FailedConjunct(msgspec.Struct, frozen=True, kw_only=True):
    """Why a rule did not hold: the conjunct, the values it saw, and what would make it hold."""

    rule: str
    text: str
    status: Literal["false", "missing", "error"]
    saw: Mapping[str, Value]  # "customer.age" → 17; sensitive ones read "(sensitive)"
    changes: tuple[Change, ...] = ()  # applied together they make this conjunct true; () if unknown


class RuleTable(Protocol):
    """All rules of one tier, evaluated at once. Bit i stands for unit (treatment) i."""

    def failing(self, customer: Values, context: Values, now: float) -> int:
        """The bitset (a Python integer) of units with a rule that does not definitely hold.

        A missing attribute or an error means: does not hold. ``customer[name]`` raises
        ``KeyError`` for a missing attribute. Thread-safe; never raises for bad values.
        """

    def explain(
        self, unit: int, customer: Values, context: Values, now: float
    ) -> Sequence[FailedConjunct]:
        """Every conjunct of this unit's rules that does not hold; empty when eligible."""


class Expression(Protocol):
    """A typed number over the profile and the context: ``customer.basket * 0.25``."""

    @property
    def text(self) -> str: ...
    def evaluate(self, customer: Values, context: Values, now: float) -> float | None:
        """The number, or None when an attribute is missing or it cannot be computed."""


class RuleFunction(msgspec.Struct, frozen=True, kw_only=True):
    """A typed function that rules may call (hook `nba_rule_functions`).

    Types as in `Attribute.type`. ``call`` gets the arguments; when ``needs_now`` is set it gets
    ``now`` (seconds since the epoch) first. Raising means: error, the rule does not hold.
    """

    parameters: tuple[str, ...]
    result: str
    call: Callable[..., Value]
    needs_now: bool = False
    description: str = ""
