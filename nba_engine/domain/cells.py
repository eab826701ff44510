"""Cells: what one interaction adds to an aggregate, and how two of them combine.

See `nba_engine.domain.algebra` for the table of kinds. Every combine is commutative and
associative; those of sums exactly, those of decayed counters to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from nba_engine.domain.aggregates import AggregateSpec
from nba_engine.domain.values import Value

__all__ = ["Cell", "Combine", "combine_for", "form_of", "later", "number_of", "word_of"]

Cell = Any
Combine = Callable[[Cell, Cell], Cell]

# Larger numbers in properties are nonsense, and their sum could overflow.
LARGEST = 1e290


def form_of(spec: AggregateSpec) -> tuple[type, ...]:
    """The Python types a state of this aggregate may have."""
    if spec.by:
        return (dict,)
    if spec.kind == "sum":
        return (float, int, list)
    if spec.kind == "decayed" or (spec.kind != "count" and spec.property):
        return (list,)
    return (int,) if spec.kind == "count" else (float, int)


def combine_for(spec: AggregateSpec) -> Combine:
    """How two cells of this aggregate become one."""
    if spec.kind == "count":
        return lambda one, other: one + other
    if spec.kind == "sum":
        return _exact_sum
    if spec.kind == "set":
        return later
    if spec.kind == "decayed":
        rate = 1.0 / spec.half_life if spec.half_life > 0 else 0.0
        return lambda one, other: _decayed_sum(one, other, rate)
    # [time, interaction id, value]: the id breaks ties, so the value itself is never compared
    key = (lambda cell: cell[:2]) if spec.property else (lambda cell: cell)
    pick: Any = min if spec.kind == "first" else max
    return lambda one, other: pick(one, other, key=key)


def _exact_sum(one: Cell, other: Cell) -> Cell:
    """The exact sum as a float, or as floats of falling size where one cannot hold it."""
    if isinstance(one, list) or isinstance(other, list):
        parts = [
            *(one if isinstance(one, list) else (one,)),
            *(other if isinstance(other, list) else (other,)),
        ]
    else:
        total: float = one + other
        shadow = total - one
        if (one - (total - shadow)) + (other - shadow) == 0.0:  # Knuth's two-sum: nothing was lost
            return total
        parts = [one, other]
    rounded: list[float] = []
    while (head := math.fsum(parts)) != 0.0:
        rounded.append(head)
        parts.append(-head)
    if len(rounded) > 1:
        return rounded
    return rounded[0] if rounded else 0.0


def _decayed_sum(one: Cell, other: Cell, rate: float) -> Cell:
    if one[0] < other[0]:
        one, other = other, one
    time, amount = one
    return [time, amount + other[1] * math.exp2((other[0] - time) * rate)]


def later(one: Cell, other: Cell) -> Cell:
    """Cells of a set: the later time of each kind."""
    if not isinstance(one, list) and not isinstance(other, list):
        return max(one, other)
    added, removed = one if isinstance(one, list) else (one, None)
    also_added, also_removed = other if isinstance(other, list) else (other, None)
    if added is None or (also_added is not None and also_added > added):
        added = also_added
    if removed is None or (also_removed is not None and also_removed > removed):
        removed = also_removed
    return [added, removed]


def word_of(value: Value) -> str | None:
    """An element of a map or set as a string; None for what cannot be one."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return str(int(value)) if value.is_integer() else repr(value)
    return None


def number_of(value: Value) -> float | None:
    """A usable number as float; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if -LARGEST <= value <= LARGEST else None
