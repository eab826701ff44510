"""What the model has to beat: popularity and what households did before."""

from __future__ import annotations

import msgspec
import numpy as np

from nba_demo.data import DAY
from nba_demo.panel import HORIZON, RECENT, Moment, Panel
from nba_engine.domain import BoolArray, FloatArray, IntArray

__all__ = ["GammaPoisson", "Session", "fit_gamma_poisson", "old_rate", "session_recall"]


class GammaPoisson(msgspec.Struct, frozen=True, kw_only=True):
    """A household's own purchase rate per category, shrunk to the category's: Gamma(a, b), (A,).

    After n purchases in t days the rate is Gamma(a + n, b + t), and P(at least one within 14
    days) = 1 - ((b + t)/(b + t + 14))^(a + n).
    """

    shape: FloatArray
    rate: FloatArray  # days

    def propensities(self, moment: Moment) -> FloatArray:
        """P per household and offer, (H, A)."""
        return self.after(moment.count, days_known(moment)[:, None])

    def after(self, count: FloatArray, days: FloatArray | float) -> FloatArray:
        """P after ``count`` purchases in ``days``."""
        known = self.rate + days
        power: FloatArray = (self.shape + count) * np.log(known / (known + HORIZON / DAY))
        return np.asarray(-np.expm1(power), np.float64)


def days_known(moment: Moment) -> FloatArray:
    """Days since a household's first visit, at least one; one where it never came."""
    days = (moment.now - moment.first_visit) / DAY
    return np.where(np.isnan(days), 1.0, np.maximum(days, 1.0))


def fit_gamma_poisson(moment: Moment) -> GammaPoisson:
    """Match mean and variance of the households' rates, per category."""
    days = days_known(moment)[:, None]
    known = moment.active & (days[:, 0] >= 28)
    count, days = moment.count[known], days[known]
    mean = count.sum(0) / days.sum()
    observed = np.average((count / days - mean) ** 2, axis=0, weights=days[:, 0])
    # the part of the spread that counting alone explains is mean / days
    spread = np.maximum(observed - mean * len(days) / days.sum(), 0.05 * mean**2)
    return GammaPoisson(shape=mean**2 / spread, rate=mean / spread)


def old_rate(panel: Panel, moment: Moment, new_buyers: FloatArray) -> FloatArray:
    """Ranking scores (H, A): the household's rate before the last 91 days, plus popularity.

    For the cross-sell task, where nothing was bought within the 91 days.
    """
    before = moment.now - RECENT
    count = panel.matrix(panel.cell[panel.span(-np.inf, before)])
    days = np.maximum((before - moment.first_visit) / DAY, 14.0)
    days = np.where(np.isnan(days), 14.0, days)[:, None]
    return count / days * (HORIZON / DAY) + new_buyers[None]


class Session(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """R@10 inside each basket (n,), and the household it is of."""

    household: IntArray
    ease: FloatArray
    popularity: FloatArray


def session_recall(
    panel: Panel,
    weights: FloatArray,
    popularity: FloatArray,
    *,
    start: float,
    seed: int,
    top: int = 10,
) -> Session:
    """R@10 of EASE and of popularity inside the baskets from ``start`` on.

    Half of a basket is known, drawn by ``seed``; the rest that was not bought in the 91 days
    before is to be found among all offers neither known nor bought lately.
    """
    random = np.random.default_rng(seed)
    later = panel.span(start, np.inf)
    basket, cell, time = panel.basket[later], panel.cell[later], panel.time[later]
    _, first, size = np.unique(basket, return_index=True, return_counts=True)
    recent = _RecentPurchases(panel, start)
    found_by_ease: list[float] = []
    found_by_popularity: list[float] = []
    households: list[int] = []
    for at, length in zip(first.tolist(), size.tolist(), strict=True):
        offers = cell[at : at + length] % panel.offers
        lately = recent.before(int(cell[at]) // panel.offers, float(time[at]))
        known = np.zeros(length, np.bool_)
        known[random.permutation(length)[: length // 2]] = True
        wanted = offers[~known & ~lately[offers]]
        if length >= 4 and len(wanted):
            households.append(int(cell[at]) // panel.offers)
            closed = lately.copy()
            closed[offers[known]] = True
            for scores, found in (
                (weights[offers[known]].sum(0), found_by_ease),
                (popularity, found_by_popularity),
            ):
                best = np.argpartition(-np.where(closed, -np.inf, scores), top)[:top]
                found.append(float(np.isin(wanted, best).mean()))
    return Session(
        household=np.array(households, np.intp),
        ease=np.array(found_by_ease),
        popularity=np.array(found_by_popularity),
    )


class _RecentPurchases:
    """Which offers a household bought in the 91 days before a time, asked in time order."""

    def __init__(self, panel: Panel, start: float) -> None:
        self._panel = panel
        begin = panel.span(start - RECENT, np.inf)
        self._cell, self._time = panel.cell[begin], panel.time[begin]
        self._next = 0
        self._last = np.full(panel.households * panel.offers, -np.inf)

    def before(self, household: int, now: float) -> BoolArray:
        stop = int(np.searchsorted(self._time, now))
        if stop > self._next:
            self._last[self._cell[self._next : stop]] = self._time[self._next : stop]
            self._next = stop
        row = self._last[household * self._panel.offers : (household + 1) * self._panel.offers]
        flags: BoolArray = row >= now - RECENT
        return flags
