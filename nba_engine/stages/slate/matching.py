"""Slots and actions matched for the greatest sum: the assignment problem, exactly."""

from __future__ import annotations

import numpy as np

from nba_engine.domain import FloatArray, IntArray

__all__ = ["match"]


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
    size = real + rows
    held = np.full(size, -1, dtype=np.intp)  # which row has a column
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
        while last >= 0:  # turn the path round
            before = int(came[last])
            held[last] = row if before < 0 else held[before]
            last = before
    taken = np.full(rows, -1, dtype=np.intp)
    for column in range(real):
        if held[column] >= 0:
            taken[held[column]] = column
    return taken
