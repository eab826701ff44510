"""The kernel as loops over customers, compiled by numba; `by_columns` is its twin in numpy.

Both add and compare in the same order, so that they give the same chains to the last bit, ties
included: earlier patterns, then earlier contacts win. Nothing here may be reordered (no `fastmath`).
Imported only where numba is wanted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba
import numba.extending
import numpy as np
from numpy.typing import NDArray

__all__ = ["search"]

_F = TypeVar("_F", bound=Callable[..., Any])
_F64 = NDArray[np.float64]
_I32 = NDArray[np.int32]


def _part(function: _F) -> _F:
    """A part of the kernel: compiled into it."""
    part: Any = numba.extending.register_jitable(function)
    return cast("_F", part)


def _kernel(function: _F) -> _F:
    """Without the interpreter lock, so that partitions run on all cores; kept on disk."""
    kernel: Any = numba.njit(nogil=True, cache=True)(function)
    return cast("_F", kernel)


@_part
def _earn(values: NDArray[np.float32], factor: _F64, earns: _F64) -> None:
    """What each contact would earn as the first, by period."""
    one = values.shape[1] == 1
    for t in range(earns.shape[0]):
        for c in range(earns.shape[1]):
            earns[t, c] = np.float64(values[c, 0 if one else t]) * factor[c, t]


@_part
def _best_of_place(
    earns: _F64, price: _F64, weight: float, members: _I32, action: _I32, top: _F64, who: _I32
) -> None:
    """The best contacts of one place, one per action, best first; -inf behind the last."""
    depth = len(top)
    top[:] = -np.inf
    at = 0
    while at < len(members):
        best = members[at]
        most = weight * earns[best] - price[best]
        at += 1
        while at < len(members) and action[members[at]] == action[best]:
            x = weight * earns[members[at]] - price[members[at]]
            if x > most or not most > -np.inf:
                most = x
                best = members[at]
            at += 1
        if most > 0.0 and most > top[depth - 1]:
            k = depth - 1
            while k > 0 and most > top[k - 1]:
                top[k] = top[k - 1]
                who[k] = who[k - 1]
                k -= 1
            top[k] = most
            who[k] = best


@_part
def _clashes(j: int, places: _I32, rank: _I32, who: _I32, action: _I32) -> bool:
    """Whether the action at j is already at an earlier position."""
    mine = action[who[places[j], rank[j]]]
    for h in range(j):  # noqa: SIM110 (numba compiles loops, not generators)
        if action[who[places[h], rank[h]]] == mine:
            return True
    return False


@_part
def _fill(
    places: _I32,
    length: int,
    top: _F64,
    who: _I32,
    action: _I32,
    most: float,
    rank: _I32,
    partial: _F64,
    chosen: _I32,
) -> float:
    """The best way to fill a pattern without a repetition, if it beats ``most``.

    Ranks in lexicographic order; a branch is left when what remains cannot win any more.
    """
    depth = top.shape[1]
    j = 0
    rank[0] = -1
    partial[0] = 0.0
    while j >= 0:
        rank[j] += 1
        if rank[j] >= depth or top[places[j], rank[j]] == -np.inf:
            j -= 1
            continue
        partial[j + 1] = partial[j] + top[places[j], rank[j]]
        bound = partial[j + 1]
        for h in range(j + 1, length):
            bound += top[places[h], 0]
        if not bound > most:
            j -= 1
        elif not _clashes(j, places, rank, who, action):
            if j == length - 1:
                most = partial[length]
                for h in range(length):
                    chosen[h] = who[places[h], rank[h]]
            else:
                j += 1
                rank[j] = -1
    return most


@_part
def _best_pattern(
    budget: int,
    pattern: _I32,
    pattern_cost: NDArray[np.int64],
    top: _F64,
    who: _I32,
    action: _I32,
    rank: _I32,
    partial: _F64,
    chosen: _I32,
) -> tuple[int, float]:
    """The best pattern that the budget can pay (-1: none is worth anything), and its worth."""
    longest = pattern.shape[1]
    most = 0.0
    best = -1
    for q in range(pattern.shape[0]):
        if pattern_cost[q] > budget:
            break
        bound = 0.0
        length = 0
        while length < longest and pattern[q, length] >= 0:
            bound += top[pattern[q, length], 0]
            length += 1
        if bound > most:
            found = _fill(pattern[q], length, top, who, action, most, rank, partial, chosen)
            if found > most:
                most = found
                best = q
    return best, most


@_kernel
def search(
    values: NDArray[np.float32],
    budget: NDArray[np.int64],
    price: _F64,
    factor: _F64,
    weights: _F64,
    action: _I32,
    members: _I32,
    place: _I32,
    pattern: _I32,
    pattern_cost: NDArray[np.int64],
    depth: int,
    contact: NDArray[np.int16],
    period: NDArray[np.int8],
    worth: _F64,
    value: _F64,
) -> None:
    """Fill contact, period (n, longest), worth and value (n,); see `best_chains`."""
    longest = pattern.shape[1]
    earns = np.empty((factor.shape[1], factor.shape[0]))
    top = np.empty((place.shape[0], depth))
    who = np.zeros((place.shape[0], depth), dtype=np.int32)
    rank = np.empty(longest, dtype=np.int32)
    chosen = np.empty(longest, dtype=np.int32)
    partial = np.empty(longest + 1)
    for i in range(values.shape[0]):
        _earn(values[i], factor, earns)
        for p in range(place.shape[0]):
            j, t, first, end = place[p]
            _best_of_place(
                earns[t], price[t], weights[j], members[first:end], action, top[p], who[p]
            )
        best, worth[i] = _best_pattern(
            budget[i], pattern, pattern_cost, top, who, action, rank, partial, chosen
        )
        value[i] = 0.0
        for j in range(longest):
            if best >= 0 and pattern[best, j] >= 0:
                t = place[pattern[best, j], 1]
                contact[i, j] = chosen[j]
                period[i, j] = t
                value[i] += weights[j] * earns[t, chosen[j]]
            else:
                contact[i, j] = -1
                period[i, j] = -1
