"""An evaluation in sentences, for people who will decide by it."""

from __future__ import annotations

from nba_engine.learning.evaluation.found import ESTIMATORS, Estimate, Evaluation

__all__ = [
    "ASSUMPTIONS",
    "best_estimate",
    "is_logged_policy",
    "number",
    "spoken_interval",
    "verdict",
]

ASSUMPTIONS = (
    "Each logged pick counts as often as the policy under test would have made it, compared with how "
    "often the logged one did. This presumes that the logged probabilities are those of the picks, "
    "that the reward of a pick depends on it and on what stood above it, and that what one customer "
    "gets does not change what others do."
)


def best_estimate(found: Evaluation) -> str:
    """The estimator to go by: DR where there are predictions, else SNIPS."""
    return "dr" if "dr" in found.estimates else "snips"


def is_logged_policy(found: Evaluation) -> bool:
    """Whether the policy under test did in the log what the logged one did, throughout."""
    return found.supported and all(
        one.value == one.low == one.high == 0.0 for one in found.differences.values()
    )


def verdict(found: Evaluation) -> str:
    """What follows from the evaluation, in a sentence."""
    if not found.supported:
        return found.reason[0].upper() + found.reason[1:] + "."
    if is_logged_policy(found):
        return (
            f"The logged policy itself earned {number(found.logged.value)} "
            f"({spoken_interval(found.logged)})."
        )
    name = best_estimate(found)
    difference = found.differences[name]
    if difference.low <= 0.0 <= difference.high:
        return (
            "No difference can be told: the interval of what the policy under test earns more or "
            f"less than the logged one, {spoken_interval(difference)}, contains 0 "
            f"({ESTIMATORS[name]})."
        )
    side = "more" if difference.low > 0.0 else "less"
    share = abs(difference.value / found.logged.value) if found.logged.value else 0.0
    relative = f", {share:.0%}" if share else ""
    return (
        f"The policy under test earns {side} than the logged one: by {number(abs(difference.value))}"
        f"{relative} ({ESTIMATORS[name]}; interval of the difference "
        f"{spoken_interval(difference)})."
    )


def spoken_interval(one: Estimate) -> str:
    """``0.110 to 0.130``."""
    return f"{number(one.low)} to {number(one.high)}"


def number(value: float) -> str:
    """Three digits, no exponent where people read it."""
    return f"{value:,.0f}" if abs(value) >= 1_000 else f"{value:.3g}"
