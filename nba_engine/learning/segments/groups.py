"""How many groups behavior falls into, if any: k-means against the same behavior without groups."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
import numpy as np
from scipy import special
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from threadpoolctl import ThreadpoolController

from nba_engine.domain.values import FloatArray, IntArray

__all__ = ["Choice", "Tried", "centers_of", "choose_groups", "nearest", "ungrouped"]

_SAMPLE = 6_000  # customers that the number of groups is chosen by
_JUDGED = 1_200  # of whom the silhouette is measured: it needs all distances
_STARTS = 4
STABLE = 0.7  # least agreement (adjusted Rand index) of two halves
_CLEAR = 4.0  # standard deviations above what is no group
_LEAST = 0.02  # of silhouette, for what is clear but does not matter


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One number of groups, on customers it was not fitted to.

    ``silhouette`` (-1 to 1, Rousseeuw 1987): how much nearer customers are to their group than to
    the next one. ``by_chance``, ``spread``: mean and standard deviation of the same for behavior
    without groups. ``agreement``: adjusted Rand index of groups fitted to two halves (1: the same).
    """

    groups: int
    silhouette: float
    by_chance: float
    spread: float
    agreement: float

    @property
    def gain(self) -> float:
        """Silhouette above what is no group."""
        return self.silhouette - self.by_chance

    @property
    def real(self) -> bool:
        """Whether these groups are there: no chance, found again in the other half."""
        clear = self.gain >= max(_CLEAR * self.spread, _LEAST)
        return clear and self.agreement >= STABLE


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """``groups``: how many there are; 1: no better than one group."""

    groups: int
    tried: tuple[Tried, ...]


def choose_groups(
    rows: FloatArray,
    random: np.random.Generator,
    *,
    most: int = 8,
    references: int = 12,
    before: int = 0,
    tick: Callable[[], None] = lambda: None,
) -> Choice:
    """The number of groups in standardized behavior ``rows`` (n, f), from 2 to ``most``, or 1.

    Of the numbers whose groups are real, the one with the largest gain; ``before``, the last fit's,
    if its gain is at least nine tenths of that: groups should not come and go. ``tick`` is called
    ``references`` + 1 times.
    """
    sample = rows[random.permutation(len(rows))[:_SAMPLE]]
    counts = range(2, most + 1)
    silhouettes, agreements = _measured(sample, counts, random, agree=True)
    tick()
    chance = []
    for _ in range(references):
        chance.append(_measured(ungrouped(sample, random), counts, random, agree=False)[0])
        tick()
    tried = tuple(
        Tried(
            groups=count,
            silhouette=silhouettes[at],
            by_chance=float(np.mean([one[at] for one in chance])),
            spread=max(float(np.std([one[at] for one in chance], ddof=1)), 1e-3),
            agreement=agreements[at],
        )
        for at, count in enumerate(counts)
    )
    real = {one.groups: one.gain for one in tried if one.real}
    if not real:
        return Choice(groups=1, tried=tried)
    best = max(real, key=lambda count: real[count])
    kept = before if real.get(before, 0.0) >= 0.9 * real[best] else best
    return Choice(groups=kept, tried=tried)


def ungrouped(rows: FloatArray, random: np.random.Generator) -> FloatArray:
    """Behavior as it is, but without groups: every column distributed as in ``rows``, related in pairs.

    A Gaussian copula: normal scores with the correlations of the rows' own, mapped back to their
    values. What k-means finds in it is no group, but where a continuum was cut.
    """
    count, width = rows.shape
    ranks = np.argsort(np.argsort(rows + 1e-9 * random.normal(size=rows.shape), axis=0), axis=0)
    scores = special.ndtri((ranks + 0.5) / count)
    correlation = np.corrcoef(scores, rowvar=False).reshape(width, width)
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    drawn = random.normal(size=rows.shape) @ root.T
    places = np.argsort(np.argsort(drawn, axis=0), axis=0)
    return np.take_along_axis(np.sort(rows, axis=0), places, axis=0)


def centers_of(rows: FloatArray, groups: int, random: np.random.Generator) -> FloatArray:
    """K-means centers (groups, f): the best of some starts."""
    seed = int(random.integers(2**31))
    # threads that wait for each other cost more than they give; empty groups are left out later
    with _threads().limit(limits=1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fitted = KMeans(groups, n_init=_STARTS, random_state=seed, tol=1e-3).fit(rows)
    return np.asarray(fitted.cluster_centers_, dtype=np.float64)


@cache
def _threads() -> Any:
    """Looks through all loaded libraries, which takes longer than a small fit."""
    return ThreadpoolController()


def nearest(rows: FloatArray, centers: FloatArray) -> IntArray:
    """The nearest center of each row, (n,)."""
    nearness = rows @ centers.T - 0.5 * np.sum(centers**2, axis=1)
    return np.asarray(nearness.argmax(axis=1), dtype=np.intp)


def _measured(
    rows: FloatArray, counts: range, random: np.random.Generator, *, agree: bool
) -> tuple[list[float], list[float]]:
    """Fit to one half, measure on the other: silhouettes, and agreement with a fit of that."""
    half = len(rows) // 2
    first, second = rows[:half], rows[half:]
    judged = second[:_JUDGED]
    squares = np.sum(judged**2, axis=1)
    distances = np.sqrt(np.maximum(squares[:, np.newaxis] + squares - 2.0 * judged @ judged.T, 0.0))
    silhouettes, agreements = [], []
    for count in counts:
        centers = centers_of(first, count, random)
        silhouettes.append(_silhouette(distances, nearest(judged, centers), count))
        if agree:
            mine = centers_of(second, count, random)
            agreements.append(
                float(adjusted_rand_score(nearest(second, centers), nearest(second, mine)))
            )
    return silhouettes, agreements


def _silhouette(distances: FloatArray, label: IntArray, groups: int) -> float:
    """Mean of (b - a) / max(a, b): a to the own group, b to the nearest other one."""
    member = np.zeros((len(label), groups))
    member[np.arange(len(label)), label] = 1.0
    size = member.sum(axis=0)
    if np.count_nonzero(size) < 2:
        return 0.0
    total = distances @ member
    own = total[np.arange(len(label)), label] / np.maximum(size[label] - 1.0, 1.0)
    mean = np.where(size > 0, total / np.maximum(size, 1.0), np.inf)
    mean[np.arange(len(label)), label] = np.inf
    other = mean.min(axis=1)
    alone = size[label] < 2
    largest = np.maximum(np.maximum(own, other), 1e-12)
    return float(np.where(alone, 0.0, (other - own) / largest).mean())
