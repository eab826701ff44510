"""The kernel as numpy over columns of customers: the same chains as `compiled`, without numba."""

from __future__ import annotations

from itertools import product

import numpy as np
from numpy.typing import NDArray

from nba_engine.chains.patterns import Patterns

__all__ = ["search_columns"]

_F64 = NDArray[np.float64]
_I32 = NDArray[np.int32]
_ROWS = 8192  # customers at a time: their places fit a cache


def search_columns(
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
    for first in range(0, len(values), _ROWS):
        rows = slice(first, first + _ROWS)
        _search(
            patterns,
            values[rows],
            budget[rows],
            price,
            contact[rows],
            period[rows],
            worth[rows],
            value[rows],
        )


def _search(
    patterns: Patterns,
    values: NDArray[np.float32],
    budget: NDArray[np.int64],
    price: _F64,
    contact: NDArray[np.int16],
    period: NDArray[np.int8],
    worth: _F64,
    value: _F64,
) -> None:
    factor = patterns.contacts.factor
    earns = np.moveaxis(values.astype(np.float64) * factor[None], 0, 2)  # (contacts, periods, n)
    top, who = _best_of_places(patterns, earns, price)
    best = np.full(len(values), -1, dtype=np.intp)
    chosen = np.full((len(values), patterns.rules.longest), -1, dtype=np.int32)
    worth[:] = 0.0
    affordable = np.searchsorted(patterns.cost, budget, side="right")
    for q in range(int(affordable.max(initial=0))):
        places = patterns.pattern[q][patterns.pattern[q] >= 0]
        bound = top[places[0], 0]
        for place in places[1:]:
            bound = bound + top[place, 0]
        rows = np.flatnonzero((bound > worth) & (q < affordable))
        if not len(rows):
            continue
        most, ranks = _fill(places, rows, top, who, patterns.contacts.action, worth[rows])
        won = most > worth[rows]
        rows, ranks = rows[won], ranks[won]
        worth[rows] = most[won]
        best[rows] = q
        for j, place in enumerate(places):
            chosen[rows, j] = who[place, ranks[:, j], rows]
        chosen[rows, len(places) :] = -1
    _write(patterns, earns, best, chosen, contact, period, value)


def _best_of_places(patterns: Patterns, earns: _F64, price: _F64) -> tuple[_F64, _I32]:
    """The best contacts of every place, one per action: worth and contact (places, depth, n)."""
    action, weights = patterns.contacts.action, patterns.rules.weights
    n = earns.shape[2]
    top = np.full((len(patterns.place), patterns.depth, n), -np.inf)
    who = np.zeros((len(patterns.place), patterns.depth, n), dtype=np.int32)
    for p, (j, t, first, end) in enumerate(patterns.place):
        members = patterns.members[first:end]
        starts = np.flatnonzero(np.diff(action[members], prepend=-1))
        for group in np.split(members, starts[1:]):
            most = np.full(n, -np.inf)
            best = np.full(n, group[0], dtype=np.int32)
            for one in group:
                x = weights[j] * earns[one, t] - price[t, one]
                better = x > most
                most = np.where(better, x, most)
                best = np.where(better, one, best)
            _insert(top[p], who[p], np.where(most > 0.0, most, -np.inf), best)
    return top, who


def _insert(top: _F64, who: _I32, most: _F64, best: _I32) -> None:
    """Put one more contact among the best (depth, n), behind those that are as good."""
    moved = np.zeros(len(most), dtype=np.bool_)
    for k in range(len(top)):
        moved |= most > top[k]
        kept, kept_who = top[k].copy(), who[k].copy()
        top[k] = np.where(moved, most, kept)
        who[k] = np.where(moved, best, kept_who)
        most = np.where(moved, kept, most)
        best = np.where(moved, kept_who, best)


def _fill(
    places: _I32, rows: NDArray[np.intp], top: _F64, who: _I32, action: _I32, beat: _F64
) -> tuple[_F64, NDArray[np.int32]]:
    """The best way to fill a pattern without a repetition: worth (rows,), ranks (rows, length)."""
    most = beat.copy()
    ranks = np.zeros((len(rows), len(places)), dtype=np.int32)
    actions = action[who[places][:, :, rows]]  # (length, depth, rows)
    worths = top[places][:, :, rows]
    open_rows = np.arange(len(rows))
    for combination in product(range(top.shape[1]), repeat=len(places)):
        total = worths[0, combination[0], open_rows]
        for j in range(1, len(places)):
            total = total + worths[j, combination[j], open_rows]
        wins = total > most[open_rows]
        for j in range(1, len(places)):
            for h in range(j):
                wins &= (
                    actions[j, combination[j], open_rows] != actions[h, combination[h], open_rows]
                )
        won = open_rows[wins]
        most[won] = total[wins]
        ranks[won] = combination
        if not any(combination):  # the best of every place: nothing beats it where it stands
            open_rows = open_rows[~wins]
            if not len(open_rows):
                break
    return most, ranks


def _write(
    patterns: Patterns,
    earns: _F64,
    best: NDArray[np.intp],
    chosen: _I32,
    contact: NDArray[np.int16],
    period: NDArray[np.int8],
    value: _F64,
) -> None:
    value[:] = 0.0
    rows = np.arange(len(best))
    for j, weight in enumerate(patterns.rules.weights):
        place = np.where(best >= 0, patterns.pattern[best, j], -1)
        there = place >= 0
        t = patterns.place[place, 1]
        contact[:, j] = np.where(there, chosen[:, j], -1)
        period[:, j] = np.where(there, t, -1)
        earned = weight * earns[chosen[:, j], t, rows]
        value += np.where(there, earned, 0.0)
