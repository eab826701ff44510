"""Cells: what one interaction adds to an aggregate, and how two of them combine.

See `nba_engine.domain.algebra` for the table of kinds. Every combine is commutative and
associative; those of sums exactly, those of decayed counters to rounding.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from nba_engine.domain.aggregates import AggregateSpec
from nba_engine.domain.purchase_days import combine_days
from nba_engine.domain.sums import exact_sum
from nba_engine.domain.values import Value

__all__ = [
    "Cell",
    "Combine",
    "add_amounts",
    "add_decayed",
    "combine_for",
    "count_words",
    "form_of",
    "later",
    "number_of",
    "pruned_cart",
    "put_moment",
    "words_of",
]

Cell = Any
Combine = Callable[[Cell, Cell], Cell]

# Larger numbers in properties are nonsense, and their sum could overflow.
_LARGEST = 1e290

_STRINGS = {str}


def form_of(spec: AggregateSpec) -> tuple[type, ...]:
    """The Python types a state of this aggregate may have."""
    if spec.by:
        return (dict,)
    if spec.kind == "sum":
        return (float, int, list)
    if spec.kind in {"decayed", "days"} or (spec.kind != "count" and spec.property):
        return (list,)
    return (int,) if spec.kind == "count" else (float, int)


def combine_for(spec: AggregateSpec) -> Combine:
    """How two cells of this aggregate become one."""
    if spec.kind == "count":
        return lambda one, other: one + other
    if spec.kind == "sum":
        return exact_sum
    if spec.kind == "days":
        return combine_days
    if spec.kind == "set":
        return later if spec.removed_by else max
    if spec.kind in {"decayed", "share"}:
        rate = 1.0 / spec.half_life if spec.half_life > 0 else 0.0
        return lambda one, other: _decayed_sum(one, other, rate)
    if spec.kind == "affinity":
        rate = 1.0 / spec.half_life if spec.half_life > 0 else 0.0
        return lambda one, other: _decayed_pair(one, other, rate)
    if spec.kind == "reorder":
        return lambda one, other: [
            min(one[0], other[0]),
            max(one[1], other[1]),
            one[2] + other[2],
        ]
    pick: Combine = min if spec.kind == "first" else max
    if not spec.property:
        return pick
    # [time, interaction id, value]: the id breaks ties, so the value itself is never compared
    return lambda one, other: one if pick(one[:2], other[:2]) == one[:2] else other


def _decayed_sum(one: Cell, other: Cell, rate: float) -> Cell:
    if one[0] < other[0]:
        one, other = other, one
    time, amount = one
    return [time, amount + other[1] * math.exp2((other[0] - time) * rate)]


def _decayed_pair(one: Cell, other: Cell, rate: float) -> Cell:
    """Two counts that fade together."""
    if one[0] < other[0]:
        one, other = other, one
    faded = math.exp2((other[0] - one[0]) * rate)
    return [one[0], one[1] + other[1] * faded, one[2] + other[2] * faded]


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


def words_of(found: Value) -> Sequence[str | None]:
    """The elements that a property names, as strings; None for what cannot be one."""
    if isinstance(found, str):
        return (found,)
    if not isinstance(found, list):
        return (_word_of(found),)
    if set(map(type, found)) <= _STRINGS:  # much the commonest, and much faster
        return found
    return [_word_of(one) for one in found]


def _word_of(value: Value) -> str | None:
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
    return float(value) if -_LARGEST <= value <= _LARGEST else None


def count_words(cells: dict[str, Cell], words: Sequence[str | None]) -> None:
    """Count each word, in place."""
    for word in words:
        if word is not None:
            cells[word] = cells.get(word, 0) + 1


def put_moment(
    cells: dict[str, Cell], words: Sequence[str | None], moment: Cell, combine: Combine
) -> None:
    """Combine one moment into each word's cell, in place."""
    for word in words:
        if word is not None:
            before = cells.get(word)
            cells[word] = moment if before is None else combine(before, moment)


def add_amounts(
    cells: dict[str, Cell], words: Sequence[str | None], amounts: Sequence[float | None]
) -> None:
    """Add amounts to the aligned words' sums, in place; what has no partner is left out."""
    for word, amount in zip(words, amounts, strict=False):
        if word is not None and amount is not None:
            before = cells.get(word)
            cells[word] = amount if before is None else exact_sum(before, amount)


def add_decayed(
    cells: dict[str, Cell],
    words: Sequence[str | None],
    amounts: Sequence[float | None],
    time: float,
    rate: float,
) -> None:
    """Like `add_amounts` for decayed counters; ``rate`` is 1 / half-life."""
    exp2 = math.exp2
    for word, amount in zip(words, amounts, strict=False):
        if word is None or amount is None:
            continue
        before = cells.get(word)
        if before is None:
            cells[word] = [time, amount]
            continue
        latest, total = before
        if time >= latest:
            cells[word] = [time, amount + total * exp2((latest - time) * rate)]
        else:
            cells[word] = [latest, total + amount * exp2((time - latest) * rate)]


def pruned_cart(cells: dict[str, Cell], within: float) -> dict[str, Cell]:
    """A set with removals without the times that ``within`` no longer covers."""
    newest = -math.inf
    for cell in cells.values():
        if isinstance(cell, list):
            newest = max(newest, cell[1], cell[1] if cell[0] is None else cell[0])
        elif cell > newest:
            newest = cell
    oldest = newest - within
    kept: dict[str, Cell] = {}
    for word, cell in cells.items():
        added, removed = cell if isinstance(cell, list) else (cell, None)
        if added is not None and added < oldest:
            added = None
        if removed is not None and removed >= oldest:
            kept[word] = [added, removed]
        elif added is not None:
            kept[word] = added
    return kept
