"""Patterns: which cost in which period, first to last. All chains are patterns filled with actions.

The own budget of a customer sees nothing of a contact but its cost, so contacts of equal cost that count
in the same limits of a chain form a class, and what the budget can pay is a prefix of the patterns
sorted by cost. A pattern that would exceed a limit of a chain is none. Within a pattern, each place takes
one of the few best contacts of its class, position and period.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise, product

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.chains.contacts import ChainLimit, ChainRules, Contacts

__all__ = ["MOST_PATTERNS", "Patterns", "patterns_of"]

MOST_PATTERNS = 200_000


class Patterns(msgspec.Struct, frozen=True, kw_only=True):
    """Places, and patterns of them; what `best_chains` needs and no customer changes.

    A place is a position in the chain, a period and a class of contacts: ``place`` (places, 4) int32:
    position, period, and the contacts ``members[first:end]`` of its class, by action. ``pattern``
    (patterns, longest) int32: places, -1 behind the last; ``cost`` (patterns,) int64, ascending.
    ``depth``: how many of the best contacts of each place can come into a best chain.
    """

    rules: ChainRules
    contacts: Contacts
    members: NDArray[np.int32]
    place: NDArray[np.int32]
    pattern: NDArray[np.int32]
    cost: NDArray[np.int64]
    depth: int


def classes_of(contacts: Contacts) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """What each class costs, ascending, and the class of each contact (c,)."""
    counted = [one.counted.astype(np.int64) for one in contacts.limits]
    kinds, of_class = np.unique(
        np.stack([contacts.cost, *counted], axis=1), axis=0, return_inverse=True
    )
    return kinds[:, 0], of_class.reshape(-1)


def patterns_of(contacts: Contacts, rules: ChainRules) -> Patterns:
    """Lay out all patterns. Raises `ValueError` when there are more than `MOST_PATTERNS`."""
    costs, of_class = classes_of(contacts)
    if total := too_many(len(costs), rules):
        raise ValueError(
            f"{len(costs)} different costs, {rules.periods} periods and chains of "
            f"{rules.longest} make {total:,} patterns, and {MOST_PATTERNS:,} is the most: "
            "round the costs, or allow fewer contacts or periods"
        )
    members = np.lexsort((np.arange(len(of_class)), contacts.action, of_class)).astype(np.int32)
    ends = np.cumsum(np.bincount(of_class))
    firsts = ends - np.bincount(of_class)
    number: dict[tuple[int, int, int], int] = {}
    places: list[tuple[int, int, int, int]] = []
    for j in range(rules.longest):
        for t in range(j * rules.spacing, rules.periods):
            for k in range(len(costs)):
                number[j, t, k] = len(places)
                places.append((j, t, int(firsts[k]), int(ends[k])))
    found: list[tuple[int, list[int]]] = []
    for periods in _calendars(rules):
        for classes in product(range(len(costs)), repeat=len(periods)):
            steps = enumerate(zip(periods, classes, strict=True))
            row = [number[j, t, k] for j, (t, k) in steps]
            row += [-1] * (rules.longest - len(row))
            found.append((int(costs[list(classes)].sum()), row))
    found.sort(key=lambda one: one[0])  # stable: shorter and earlier first among equal costs
    patterns = Patterns(
        rules=rules,
        contacts=contacts,
        members=members,
        place=np.array(places, dtype=np.int32).reshape(-1, 4),
        pattern=np.array([row for _, row in found], dtype=np.int32).reshape(-1, rules.longest),
        cost=np.array([cost for cost, _ in found], dtype=np.int64),
        # the others of a chain can take at most longest - 1 better actions from a place
        depth=min(rules.longest, len(np.unique(contacts.action))),
    )
    return within(patterns, contacts.limits)


def within(patterns: Patterns, limits: Sequence[ChainLimit]) -> Patterns:
    """The patterns that keep limits of a chain; a class counts in a limit as a whole or not at all."""
    keep = np.ones(len(patterns.pattern), dtype=np.bool_)
    of_class = patterns.members[patterns.place[:, 2]]  # one contact of each place's class
    period = patterns.place[:, 1]
    for one in limits:
        counts = one.counted[of_class] & (one.first <= period) & (period <= one.last)
        # behind the last place there is none, which is the last of them here
        of_place = np.append(counts, False).astype(np.int8)
        keep &= of_place[patterns.pattern].sum(axis=1) <= one.most
    if keep.all():
        return patterns
    return msgspec.structs.replace(
        patterns, pattern=patterns.pattern[keep], cost=patterns.cost[keep]
    )


def _calendars(rules: ChainRules) -> list[tuple[int, ...]]:
    """All ways to choose the periods of a chain, shorter ones first."""
    return [
        periods
        for length in range(1, rules.longest + 1)
        for periods in combinations(range(rules.periods), length)
        if all(b - a >= rules.spacing for a, b in pairwise(periods))
    ]


def too_many(classes: int, rules: ChainRules) -> int:
    """How many patterns there would be, when they are too many; else 0. Combinations grow fast."""
    total = 0
    for length in range(1, rules.longest + 1):
        room = rules.periods - (length - 1) * (rules.spacing - 1)
        ways = 1
        for i in range(length):
            ways = ways * (room - i) // (i + 1)
        total += ways * classes**length
    return total if total > MOST_PATTERNS else 0
