"""Functions that rules may call besides the operators of CEL."""

from __future__ import annotations

from nba_engine.domain import RuleFunction

__all__ = ["RULE_FUNCTIONS"]


def _days_since(now: float, time: float) -> float:
    return (now - time) / 86_400.0


def _hours_since(now: float, time: float) -> float:
    return (now - time) / 3_600.0


RULE_FUNCTIONS = {
    "days_since": RuleFunction(
        parameters=("timestamp",),
        result="double",
        call=_days_since,
        needs_now=True,
        description="Days (with fractions) from a time until now; negative for the future.",
    ),
    "hours_since": RuleFunction(
        parameters=("timestamp",),
        result="double",
        call=_hours_since,
        needs_now=True,
        description="Hours (with fractions) from a time until now; negative for the future.",
    ),
}
