"""The bootstrap: how often each independent unit counts in each repetition."""

from __future__ import annotations

import numpy as np

from nba_engine.domain.values import FloatArray, IntArray

__all__ = ["MOST_UNITS", "draws", "independent_units", "interval"]

MOST_UNITS = 4_000


def independent_units(group: IntArray, random: np.random.Generator) -> tuple[IntArray, int]:
    """A unit for every row, such that rows of one group (a customer) are in one unit, and how many.

    More than `MOST_UNITS` groups are dealt at random into so many units of equal size: what is
    drawn again is a unit then. Sums have the same variance so, and a million customers take no
    longer than a few thousand.
    """
    known, code = np.unique(group, return_inverse=True)
    code = code.reshape(-1).astype(np.intp)
    if len(known) <= MOST_UNITS:
        return code, len(known)
    dealt = random.permutation(len(known)) % MOST_UNITS
    return dealt[code], MOST_UNITS


def draws(units: int, resamples: int, random: np.random.Generator) -> FloatArray:
    """``resamples`` times ``units`` draws with replacement (Efron 1979), as counts (resamples, units)."""
    counts = np.empty((resamples, units))
    for row in range(resamples):
        counts[row] = np.bincount(random.integers(0, units, units), minlength=units)
    return counts


def interval(values: FloatArray, confidence: float) -> tuple[float, float]:
    """The middle part of resampled values: percentiles that leave the same on both sides."""
    tail = (1.0 - confidence) / 2.0
    low, high = np.quantile(values, (tail, 1.0 - tail)).tolist()
    return low, high
