"""The kernel for a few customers: one after the other in plain Python, with nothing to compile or load.

The same chains as `compiled` and `by_columns` to the last bit, ties included: it adds and compares in
the same order. `by_columns` is faster from some dozens of customers on.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from nba_engine.chains.patterns import Patterns

__all__ = ["FEW", "search_customers"]

FEW = 32  # customers up to which this is faster than columns

_F64 = NDArray[np.float64]
# the best contacts of a place, best first: (worth, contact, action)
_Top = list[tuple[float, int, int]]


def search_customers(
    patterns: Patterns,
    values: NDArray[np.float32],
    budget: NDArray[np.int64],
    price: _F64,
    contact: NDArray[np.int16],
    period: NDArray[np.int8],
    worth: _F64,
    value: _F64,
) -> None:
    """Fill contact, period (n, longest), worth and value (n,); ``price`` is (periods, contacts)."""
    contact[:], period[:] = -1, -1
    worth[:], value[:] = 0.0, 0.0
    weights = patterns.rules.weights.tolist()
    affordable = np.searchsorted(patterns.cost, budget, side="right").tolist()
    for i in range(len(values)):
        earns = values[i].astype(np.float64).T * patterns.contacts.factor.T  # (periods, contacts)
        tops = _tops(patterns, earns, price, weights)
        best, most, chosen = _best_pattern(patterns, tops, affordable[i])
        if best < 0:
            continue
        worth[i] = most
        earned = 0.0
        for j, who in enumerate(chosen):
            when = int(patterns.place[patterns.pattern[best, j], 1])
            contact[i, j], period[i, j] = who, when
            earned += weights[j] * float(earns[when, who])
        value[i] = earned


def _tops(patterns: Patterns, earns: _F64, price: _F64, weights: Sequence[float]) -> list[_Top]:
    """The best contacts of every place, one per action."""
    action = patterns.contacts.action
    tops: list[_Top] = []
    for j, t, first, end in patterns.place.tolist():
        members = patterns.members[first:end]
        x = weights[j] * earns[t, members] - price[t, members]
        good = np.flatnonzero(x > 0.0)  # NaN is not
        of_action: dict[int, tuple[float, int, int]] = {}
        for one, who in zip(x[good].tolist(), members[good].tolist(), strict=True):
            its = action.item(who)
            known = of_action.get(its)
            if known is None or one > known[0]:
                of_action[its] = (one, who, its)
        # members are in the order of actions, and so are ties: the sort is stable
        tops.append(sorted(of_action.values(), key=_by_worth)[: patterns.depth])
    return tops


def _by_worth(one: tuple[float, int, int]) -> float:
    return -one[0]


def _best_pattern(
    patterns: Patterns, tops: Sequence[_Top], affordable: int
) -> tuple[int, float, list[int]]:
    """The best pattern that the budget can pay (-1: none is worth anything), its worth and contacts."""
    first = np.array([top[0][0] if top else -np.inf for top in tops] + [0.0])  # -1: no place
    bound = first[patterns.pattern[:affordable, 0]]
    for j in range(1, patterns.pattern.shape[1]):
        bound = bound + first[patterns.pattern[:affordable, j]]
    best, most, chosen = -1, 0.0, list[int]()
    promising = np.flatnonzero(bound > 0.0)
    for q, at_most in zip(promising.tolist(), bound[promising].tolist(), strict=True):
        if at_most > most:
            places = [tops[place] for place in patterns.pattern[q].tolist() if place >= 0]
            found, who = _fill(places, most)
            if found > most:
                best, most, chosen = q, found, who
    return best, most, chosen


def _fill(places: Sequence[_Top], most: float) -> tuple[float, list[int]]:
    """The best way to fill a pattern without a repetition, if it beats ``most``.

    Ranks in lexicographic order; a branch is left when what remains cannot win any more.
    """
    chosen: list[int] = []
    last = len(places) - 1
    rank, partial = [-1] * len(places), [0.0] * (len(places) + 1)
    j = 0
    while j >= 0:
        rank[j] += 1
        if rank[j] >= len(places[j]):
            j -= 1
            continue
        worth, _, action = places[j][rank[j]]
        bound = partial[j + 1] = partial[j] + worth
        for h in range(j + 1, len(places)):
            bound += places[h][0][0]
        if not bound > most:
            j -= 1
        elif all(places[h][rank[h]][2] != action for h in range(j)):
            if j == last:
                most = partial[j + 1]
                chosen = [top[k][1] for top, k in zip(places, rank, strict=True)]
            else:
                j += 1
                rank[j] = -1
    return most, chosen
