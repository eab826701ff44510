"""Prices of limits by cutting planes in a box that follows the best prices found.

The Lagrangian bound L(prices) = sum of worths + prices · amounts is convex in the prices, and each
pass over the customers gives one plane below it (Kelley 1960). The next prices go a part of the way
(Wentges 1997) to where the planes are lowest within a box around the best so far (Marsten, Hogan
and Blankenship 1975), whose sides grow and shrink with the signs of the slopes, as the steps of
Rprop do (Riedmiller and Braun 1993). The planes' mixture that keeps all limits is a plan in which
customers may be divided: its value says how far the bound still is from what it can come to.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

__all__ = ["Cut", "Search", "begin", "gap_of", "next_prices", "with_cut"]

_F64 = NDArray[np.float64]
_STEP = 0.3  # of the way: what lies between the best and the lowest tells more than the corner does
# of a price that does not matter, where there are floors: their prices have no end when they are just
# reached, and of a floor and a limit of the same contacts only the difference counts
_LESS = 1e-5
_BETTER = 1e-12  # of the scale: less than that is noise of sums


class Cut(msgspec.Struct, frozen=True, kw_only=True):
    """One pass: at prices, each times its limit's amount, what was used.

    ``used``: as shares of the amounts, below 0 for floors.
    """

    prices: list[float]
    value: float
    used: list[float]
    bound: float


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """Where the search stands: its cuts, the best of them, the box around it, what can be had.

    ``most`` (k,): what may be used of each limit: 1, and -1 of a floor. ``reach`` (k,): half of each
    side of the box. ``mixture``: the value of the best mixture of the passes that keeps every limit;
    None: there is none yet.
    """

    cuts: tuple[Cut, ...]
    best: int
    most: list[float]
    reach: list[float]
    mixture: float | None

    @property
    def bound(self) -> float:
        """The best bound so far."""
        return self.cuts[self.best].bound

    @property
    def gap(self) -> float:
        """How far the mixture is below the best bound, as a share of the larger of the two."""
        if self.mixture is None:
            return 1.0
        return gap_of(self.bound, self.mixture)

    @property
    def scale(self) -> float:
        """How large values are, above 0: the bound, but where gains and losses cancel each other out."""
        values = max(abs(cut.value) for cut in self.cuts)
        if self.bound > 0.1 * values:
            return self.bound
        return max(values, abs(self.bound), max(self.reach, default=0.0), 1e-300)


def gap_of(bound: float, value: float) -> float:
    """How far a value is below its bound, as a share of the larger of the two; 0 of nothing."""
    most = max(abs(bound), abs(value))
    return (bound - value) / most if most > 0.0 else 0.0


def begin(cut: Cut, most: Sequence[float], *, share: float, least: Sequence[float] = ()) -> Search:
    """A search from one pass; prices may first move by this share of themselves, and of the bound.

    From a first guess at all prices a small share keeps what was guessed; without one the box
    finds its size in a few passes. ``least`` (k,): but by so much at least.
    """
    k = max(len(cut.prices), 1)
    own = least or [0.0] * k
    reach = [
        max(share * max(price, 0.04 * cut.bound / k**0.5), one)
        for price, one in zip(cut.prices, own, strict=False)
    ]
    mixture = _mixture((cut,), most)
    return Search(cuts=(cut,), best=0, most=list(most), reach=reach, mixture=mixture)


def with_cut(search: Search, cut: Cut) -> Search:
    """The search after one more pass.

    A side of the box that the planes wanted to leave, and beyond which the bound still falls,
    doubles; one whose slope turned shrinks, and all do after a bad step.
    """
    center = search.cuts[search.best]
    moved = np.abs(np.array(cut.prices) - np.array(center.prices)) / _STEP
    reach = np.array(search.reach)
    most = np.array(search.most)
    same = (np.array(cut.used) > most) == (np.array(center.used) > most)
    better = cut.bound < center.bound - (_BETTER * search.scale if _has_floors(search) else 0.0)
    if better:
        reach = np.where(same & (moved > 0.999 * reach), 2.0 * reach, reach)
    else:
        reach = 0.9 * reach
    reach = np.where(~same & (moved > 0.0), np.maximum(0.9 * reach, 1e-9 * search.scale), reach)
    cuts = (*search.cuts, cut)
    return Search(
        cuts=cuts,
        best=len(cuts) - 1 if better else search.best,
        most=search.most,
        reach=reach.tolist(),
        mixture=_mixture(cuts, search.most),
    )


def next_prices(search: Search) -> _F64:
    """Prices (times amounts) between the best so far and where the planes in the box are lowest."""
    cuts, scale = search.cuts, search.scale
    center, reach = np.array(cuts[search.best].prices), np.array(search.reach)
    k = len(center)
    value = np.array([cut.value for cut in cuts])
    slope = np.array(search.most) - np.array([cut.used for cut in cuts]).reshape(-1, k)
    low, high = np.maximum(center - reach, 0.0) / scale, (center + reach) / scale
    solved = linprog(
        np.append(np.full(k, _LESS if _has_floors(search) else 0.0), 1.0),
        A_ub=np.column_stack([slope, -np.ones(len(cuts))]),
        b_ub=-value / scale,
        bounds=[*zip(low, high, strict=True), (None, None)],
        method="highs",
    )
    if solved.x is None:  # numerically spent: where we are is as good as it gets
        return center
    lowest: _F64 = np.maximum(solved.x[:k], 0.0) * scale
    prices: _F64 = center + _STEP * (lowest - center)
    return prices


def _has_floors(search: Search) -> bool:
    return min(search.most, default=0.0) < 0.0


def _mixture(cuts: tuple[Cut, ...], most: Sequence[float]) -> float | None:
    """The value of the best mixture of the passes, and of doing nothing, that keeps every limit."""
    scale = max(*(abs(cut.value) for cut in cuts), 1e-300)
    value = np.array([cut.value for cut in cuts])
    used = np.array([cut.used for cut in cuts])
    solved = linprog(
        -value / scale,
        A_ub=np.vstack([used.T, np.ones((1, len(cuts)))]),
        b_ub=np.append(np.array(most), 1.0),
        bounds=(0.0, 1.0),
        method="highs",
    )
    return None if solved.x is None else float(value @ np.clip(solved.x, 0.0, 1.0))
