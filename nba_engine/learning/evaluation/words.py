"""An evaluation in sentences, for people who will decide by it."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nba_engine.learning.evaluation.found import ESTIMATORS, Estimate, Evaluation, Part

__all__ = [
    "ASSUMPTIONS",
    "best_estimate",
    "decimals",
    "is_logged_policy",
    "number",
    "part_decimals",
    "spoken_interval",
    "value_decimals",
    "verdict",
]

_LARGE = 1_000.0  # from here on decimals tell nothing
_MOST_DECIMALS = 6

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
    places = value_decimals(found)
    if is_logged_policy(found):
        return (
            f"The logged policy itself earned {number(found.logged.value, places)} "
            f"({spoken_interval(found.logged, places)})."
        )
    name = best_estimate(found)
    difference = found.differences[name]
    if difference.low <= 0.0 <= difference.high:
        return (
            "No difference can be told: the interval of what the policy under test earns more or "
            f"less than the logged one, {spoken_interval(difference, places)}, contains 0 "
            f"({ESTIMATORS[name]})."
        )
    side = "more" if difference.low > 0.0 else "less"
    share = abs(difference.value / found.logged.value) if found.logged.value else 0.0
    relative = f", {share:.0%}" if share else ""
    return (
        f"The policy under test earns {side} than the logged one: by {number(abs(difference.value), places)}"
        f"{relative} ({ESTIMATORS[name]}; interval of the difference "
        f"{spoken_interval(difference, places)})."
    )


def value_decimals(found: Evaluation) -> int:
    """The decimals of values and differences."""
    return decimals(found.logged, *found.estimates.values(), *found.differences.values())


def part_decimals(parts: Sequence[Part]) -> int:
    """The decimals of rewards by action or channel."""
    return decimals(
        *(
            one.target or Estimate(value=one.logged, low=one.logged, high=one.logged)
            for one in parts
        )
    )


def decimals(*figures: Estimate) -> int:
    """So many decimals that the largest of these has three digits, and the narrowest interval two.

    What stands together is written with the same, so that points stand below each other.
    """
    largest = max((abs(x) for one in figures for x in (one.value, one.low, one.high)), default=0.0)
    widths = [one.high - one.low for one in figures if one.high > one.low]
    wanted = [2 - _power(largest)] if largest else []
    wanted += [1 - _power(min(widths) / 2.0)] if widths and largest < _LARGE else []
    return min(max([0, *wanted]), _MOST_DECIMALS)


def _power(value: float) -> int:
    return math.floor(math.log10(value))


def spoken_interval(one: Estimate, places: int) -> str:
    """``0.110 to 0.130``."""
    return f"{number(one.low, places)} to {number(one.high, places)}"


def number(value: float, places: int) -> str:
    """With so many decimals, and no sign before a zero."""
    shown = f"{value:,.{places}f}"
    return shown.removeprefix("-") if not float(shown.replace(",", "")) else shown
