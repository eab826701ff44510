"""Candidate values for `changes`: near the constants of a rule, and near the time of a decision."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

from nba_engine.domain import Value
from nba_engine.rules.logic import Tree, literals
from nba_engine.rules.nodes import Const, Node, walk
from nba_engine.rules.subjects import constants_of

__all__ = ["examples", "moments", "near", "scalar_values"]

HOUR, DAY = 3_600.0, 86_400.0
# seconds ahead: each hour of a day, each day of a month, then doubling up to 80 years
_AHEAD = sorted(
    {*(h * HOUR for h in range(1, 25)), *(d * DAY for d in range(1, 32))}
    | {31 * DAY * 2.0**k for k in range(1, 11)}
)


def scalar_values(tree: Tree, type_: str) -> list[Value]:
    """Values on and around the constants of a tree on one subject, as profiles hold them."""
    constants = constants_of(tree)
    if type_ == "bool":
        return [True, False]
    if type_ == "string":
        as_written = [
            c for leaf in literals(tree) if leaf.predicate for c in leaf.predicate.constants
        ]
        return [*dict.fromkeys(as_written), *_unlike(constants)]
    if type_ == "timestamp":
        seconds = [int(constant) / 1e9 for constant in constants] or [0.0]
        return [value for s in seconds for value in (s, s + 1.0, s - 1.0)]
    if type_ == "int":
        return [value for c in constants or [1] for value in (c, c + 1, c - 1)]
    if type_ == "double":
        found = [float(constant) for constant in constants] or [1.0]
        middles = [(a + b) / 2 for a, b in pairwise(found)]
        closest = [math.nextafter(c, sign * math.inf) for c in found for sign in (1, -1)]
        return [value for c in found for value in _around(c)] + middles + closest
    return []


def _around(constant: float) -> Iterator[float]:
    yield constant
    for step in (0.01, 1.0):
        yield round(constant + step, 9)
        yield round(constant - step, 9)


def _unlike(constants: list[str]) -> Iterator[str]:
    other = "other"
    while other in constants:
        other += "_"
    yield other
    yield ""
    if constants:  # beyond them in the order of strings
        yield constants[-1] + "~"


def near(candidates: Iterable[Value], current: Value, type_: str) -> list[Value]:
    """Nearest to the current value first, where there is a distance."""
    candidates = list(candidates)
    if type_ in {"string", "bool"} or isinstance(current, bool):
        return candidates
    if not isinstance(current, int | float) or not -1e300 < current < 1e300:
        return candidates
    return sorted(candidates, key=lambda value: (len(repr(value)) > 15, abs(value - current)))


def moments(now: float, holds: Callable[[float], bool]) -> Iterator[float]:
    """Times after ``now`` when something holds, the earliest one found first.

    The grid is refined to the second between the last miss and the first hit.
    """
    before = now
    for ahead in _AHEAD:
        after = now + ahead
        if holds(after):
            low, high = before, after
            while high - low > 1.0:
                middle = (low + high) / 2
                low, high = (low, middle) if holds(middle) else (middle, high)
            whole = math.ceil(high)
            yield float(whole) if holds(whole) else high
            return
        before = after


def examples(node: Node, type_: str, now: float) -> list[Any]:
    """Plausible values of a type, for expressions that cannot be solved: they are tried out."""
    if type_ == "timestamp":
        return [now, *(now + sign * ahead for ahead in _AHEAD for sign in (-1.0, 1.0))]
    if type_ in {"int", "double"}:
        sizes = [1, 0, 10, 100, 1_000, 10_000, 100_000, 1_000_000]
        kind = int if type_ == "int" else float
        return [kind(sign * size) for sign in (1, -1) for size in sizes]
    if type_ == "bool":
        return [True, False]
    if type_ == "string":
        literals = [part.value for part in walk(node) if isinstance(part, Const)]
        return ["other", *(text for text in literals if isinstance(text, str)), ""]
    return []
