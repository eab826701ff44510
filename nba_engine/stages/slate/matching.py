"""Slots and actions matched for the greatest sum: the assignment problem, exactly."""

from __future__ import annotations

import math

import numpy as np

from nba_engine.domain import FloatArray, IntArray

__all__ = ["match"]

_SMALL = (
    1_500  # cells up to which plain lists are faster than arrays (8 x 16: 0.1 instead of 0.6 ms)
)


def match(worth: FloatArray) -> IntArray:
    """For every row its column, (r,), or -1 for none: at most one each, the sum is the greatest.

    ``worth`` (r, c): what a column is worth in a row; -inf where it does not fit. Nothing that is
    worth 0 or less is taken. Shortest augmenting paths with potentials: Kuhn 1955; Jonker and
    Volgenant 1987 (doi:10.1007/BF02278710). O(r² (r + c)).
    """
    rows, real = worth.shape
    # a column of its own for every row: to stay empty costs nothing
    cost = np.concatenate([-np.maximum(worth, -1.0), np.zeros((rows, rows))], axis=1)
    cost[:, :real][worth <= 0.0] = 1.0  # worse than empty, and finite
    held = _held_by_lists(cost.tolist()) if cost.size <= _SMALL else _held_by_arrays(cost)
    taken = np.full(rows, -1, dtype=np.intp)
    for column, row in enumerate(held[:real]):
        if row >= 0:
            taken[row] = column
    return taken


def _held_by_lists(cost: list[list[float]]) -> list[int]:
    """Which row has each column, or -1: the same steps as `_held_by_arrays`, to the last bit."""
    rows, size = len(cost), len(cost[0]) if cost else 0
    held = [-1] * size
    rows_at, columns_at = [0.0] * rows, [0.0] * size
    for row in range(rows):
        least = [math.inf] * size
        came = [-1] * size
        seen: list[int] = []
        unseen = list(range(size))
        at, last = row, -1
        while True:
            own, base = cost[at], rows_at[at]
            step, column = math.inf, unseen[0]
            for one in unseen:
                reduced = own[one] - base - columns_at[one]
                if reduced < least[one]:
                    least[one], came[one] = reduced, last
                if least[one] < step:
                    step, column = least[one], one
            rows_at[row] += step
            for one in seen:
                rows_at[held[one]] += step
                columns_at[one] -= step
            for one in unseen:
                least[one] -= step
            unseen.remove(column)
            seen.append(column)
            last, at = column, held[column]
            if at < 0:
                break
        _turn_round(held, came, last, row)
    return held


def _held_by_arrays(cost: FloatArray) -> list[int]:
    """Which row has each column, or -1."""
    rows, size = cost.shape
    held = np.full(size, -1, dtype=np.intp)
    rows_at, columns_at = np.zeros(rows), np.zeros(size)
    for row in range(rows):
        least = np.full(size, np.inf)
        came = np.full(size, -1, dtype=np.intp)
        seen = np.zeros(size, dtype=np.bool_)
        at, last = row, -1
        while True:
            reduced = cost[at] - rows_at[at] - columns_at
            better = ~seen & (reduced < least)
            least[better] = reduced[better]
            came[better] = last
            column = int(np.where(seen, np.inf, least).argmin())
            step = least[column]
            rows_at[row] += step
            rows_at[held[seen]] += step
            columns_at[seen] -= step
            least[~seen] -= step
            seen[column] = True
            last, at = column, int(held[column])
            if at < 0:
                break
        _turn_round(held, came, last, row)
    return [int(one) for one in held]


def _turn_round(
    held: list[int] | IntArray, came: list[int] | IntArray, last: int, row: int
) -> None:
    """Give the columns of a path to the rows before them, from its end to ``row``."""
    while last >= 0:
        before = int(came[last])
        held[last] = row if before < 0 else held[before]
        last = before
