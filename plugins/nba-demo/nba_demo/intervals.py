"""Bootstrap intervals over households: how far a held-out figure may be off by whom it met.

All rows of a household are drawn together, since they are alike. Every figure here is made of
sums over households, so a draw is one weighting of the same sums (Efron and Tibshirani 1993,
chapter 8).
"""

from __future__ import annotations

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from nba_engine.domain import BoolArray, FloatArray, IntArray

__all__ = ["Interval", "Resampling", "difference", "interval", "losses"]

DRAWS = 500
LEVEL = 0.95
_SMALLEST = 1e-15


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Resampling:
    """The same draws of households for every figure, so that two figures can be compared."""

    def __init__(self, who: IntArray, *, seed: int, draws: int = DRAWS) -> None:
        """``who`` (n,): the household of each row."""
        _, self._who = np.unique(who, return_inverse=True)
        self._households = int(self._who.max(initial=-1)) + 1
        random = np.random.default_rng(seed)
        even = np.full(self._households, 1.0 / self._households)
        drawn = random.multinomial(self._households, even, size=draws)
        # the first weighting is the sample as it is
        self._weights = np.vstack([np.ones(self._households), drawn])

    def ratio(self, above: ArrayLike, below: ArrayLike) -> Interval:
        """The interval of Σ above / Σ below, both (n,) by row."""
        above, below = self._sums(above), self._sums(below)
        return interval((above / below)[:, 0])

    def saving(self, loss: ArrayLike, other: ArrayLike) -> Interval:
        """The interval of 1 - Σ loss / Σ other: the share by which a loss is below another's."""
        return interval((1.0 - self._sums(loss) / self._sums(other))[:, 0])

    def ece(self, seen: BoolArray, predicted: FloatArray, among: BoolArray, bins: int) -> Interval:
        """The interval of the expected calibration error of the entries in ``among`` (n, A)."""
        row, column = np.nonzero(among)
        p, y = predicted[row, column], seen[row, column]
        cell = self._who[row] * bins + np.minimum((p * bins).astype(np.intp), bins - 1)
        shape = (self._households, bins)
        size = self._households * bins
        count = self._weights @ np.bincount(cell, minlength=size).reshape(shape)
        gap = self._weights @ np.bincount(cell, p - y, minlength=size).reshape(shape)
        return interval(np.abs(gap).sum(1) / count.sum(1))

    def auc(self, label: BoolArray, score: FloatArray) -> FloatArray:
        """The AUC of (n,) scores in each weighting, (1 + draws,); ties count half."""
        place = np.unique(score, return_inverse=True)[1]
        positives = self._by_place(place, label)
        negatives = self._by_place(place, ~label)
        below = np.cumsum(negatives, axis=1) - negatives / 2.0
        won = (positives * below).sum(1)
        pairs = positives.sum(1) * negatives.sum(1)
        # a draw without one of the two says nothing
        return np.asarray(np.divide(won, pairs, out=np.full(len(won), np.nan), where=pairs > 0))

    def _by_place(self, place: IntArray, rows: BoolArray) -> FloatArray:
        """The weight of the rows at each place in the order of scores, (1 + draws, places)."""
        places = int(place.max()) + 1
        found = np.zeros((len(self._weights), places))
        for one, weights in enumerate(self._weights):
            found[one] = np.bincount(place[rows], weights[self._who[rows]], minlength=places)
        return found

    def _sums(self, values: ArrayLike) -> FloatArray:
        by_household = np.bincount(self._who, np.asarray(values), minlength=self._households)
        return np.asarray(self._weights @ by_household[:, None], np.float64)


def difference(values: FloatArray, others: FloatArray) -> Interval:
    """The interval of a difference of two figures that come of the same draws."""
    return interval(values - others)


def losses(seen: BoolArray, predicted: FloatArray, among: BoolArray) -> FloatArray:
    """The summed negative log-likelihood of each row's entries in ``among``, (n,), in nats."""
    p = np.clip(predicted, _SMALLEST, 1.0 - _SMALLEST)
    return np.asarray(
        np.where(among, -np.where(seen, np.log(p), np.log1p(-p)), 0.0).sum(1), np.float64
    )


def interval(values: FloatArray) -> Interval:
    """The interval of a figure in each weighting, (1 + draws,): the first is the sample itself."""
    low, high = np.nanquantile(values[1:], ((1 - LEVEL) / 2, (1 + LEVEL) / 2))
    return Interval(value=float(values[0]), low=float(low), high=float(high))
