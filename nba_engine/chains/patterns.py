"""Patterns: which cost in which period, first to last. All chains are patterns filled with actions.

The own budget of a customer sees nothing of a contact but its cost, so contacts of equal cost form
a class, and what the budget can pay is a prefix of the patterns sorted by cost. Within a pattern,
each place takes one of the few best contacts of its class, position and period.
"""

from __future__ import annotations

from itertools import combinations, pairwise, product

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.chains.contacts import ChainRules, Contacts

__all__ = ["MOST_PATTERNS", "Patterns", "patterns_of"]

MOST_PATTERNS = 200_000


class Patterns(msgspec.Struct, frozen=True, kw_only=True):
    """Places, and patterns of them; what `best_chains` needs and no customer changes.

    A place is a position in the chain, a period and a class of costs: ``place`` (places, 4) int32:
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


def patterns_of(contacts: Contacts, rules: ChainRules) -> Patterns:
    """Lay out all patterns. Raises `ValueError` when there are more than `MOST_PATTERNS`."""
    costs, of_class = np.unique(contacts.cost, return_inverse=True)
    _check_number(len(costs), rules)
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
    return Patterns(
        rules=rules,
        contacts=contacts,
        members=members,
        place=np.array(places, dtype=np.int32).reshape(-1, 4),
        pattern=np.array([row for _, row in found], dtype=np.int32).reshape(-1, rules.longest),
        cost=np.array([cost for cost, _ in found], dtype=np.int64),
        # the others of a chain can take at most longest - 1 better actions from a place
        depth=min(rules.longest, len(np.unique(contacts.action))),
    )


def _calendars(rules: ChainRules) -> list[tuple[int, ...]]:
    """All ways to choose the periods of a chain, shorter ones first."""
    return [
        periods
        for length in range(1, rules.longest + 1)
        for periods in combinations(range(rules.periods), length)
        if all(b - a >= rules.spacing for a, b in pairwise(periods))
    ]


def _check_number(classes: int, rules: ChainRules) -> None:
    """Count before listing: combinations grow fast."""
    total, room = 0, rules.periods
    for length in range(1, rules.longest + 1):
        room = rules.periods - (length - 1) * (rules.spacing - 1)
        ways = 1
        for i in range(length):
            ways = ways * (room - i) // (i + 1)
        total += ways * classes**length
    if total > MOST_PATTERNS:
        raise ValueError(
            f"{classes} different costs, {rules.periods} periods and chains of "
            f"{rules.longest} make {total:,} patterns, and {MOST_PATTERNS:,} is the most: "
            "round the costs, or allow fewer contacts or periods"
        )
