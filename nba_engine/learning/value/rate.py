"""Purchases at a rate of one's own (Gamma-Poisson, NBD), for customers who do not drop out.

Source: Ehrenberg 1959, "The pattern of consumer purchases", Applied Statistics 8(1).
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, psi

from nba_engine.domain import PurchaseModel
from nba_engine.learning.value.buyers import Buyers
from nba_engine.learning.value.fitting import compressed, maximize, refuse

__all__ = ["PurchaseRate", "RecentRate"]

Numbers = NDArray[np.float64]

_STARTS = ((0.5, 5.0), (2.0, 20.0))


class _Rate(NamedTuple):
    r: float
    alpha: float
    window: int = 0


class PurchaseRate(_Rate):
    """Rates are gamma(r, alpha in days), and stay as they are."""

    name = "gamma_poisson"

    @classmethod
    def fit(cls, buyers: Buyers) -> Self:
        """The parameters of the greatest likelihood. Raises `InvalidRequest`."""
        return cls(*_fitted(buyers.repeats, buyers.age))

    def fitted(self) -> PurchaseModel:
        """What serving reads."""
        return PurchaseModel(
            kind="recent_rate" if self.window else "gamma_poisson",
            r=self.r,
            alpha=self.alpha,
            window=self.window,
        )

    def log_likelihood(self, buyers: Buyers) -> float:
        """Of the moments of purchase, as for the models with dropout: the two compare."""
        each, _ = _likelihood(np.array([self.r, self.alpha]), *self._seen(buyers))
        return float(each.sum())

    def alive(self, buyers: Buyers) -> Numbers:
        """1 for everybody: here nobody drops out."""
        return np.ones(len(buyers.repeats))

    def expected(self, buyers: Buyers, days: float) -> Numbers:
        """Expected purchases in the next ``days`` per customer."""
        x, t = self._seen(buyers)
        return np.asarray((self.r + x) / (self.alpha + t) * days)

    def silent(self, buyers: Buyers, days: float) -> Numbers:
        """P(no purchase in the next ``days``) per customer."""
        x, t = self._seen(buyers)
        return np.asarray(((self.alpha + t) / (self.alpha + t + days)) ** (self.r + x))

    def _seen(self, buyers: Buyers) -> tuple[Numbers, Numbers]:
        return buyers.repeats, buyers.age


class RecentRate(PurchaseRate):
    """The same of the last ``window`` days only, for rates that drift."""

    name = "recent_rate"

    @classmethod
    def fit(cls, buyers: Buyers) -> Self:
        """The parameters of the greatest likelihood. Raises `InvalidRequest`."""
        if buyers.window >= buyers.age.max(initial=0.0):
            raise refuse(f"nobody is older than {buyers.window} days: it is gamma_poisson")
        age = np.minimum(buyers.age, buyers.window)
        return cls(*_fitted(buyers.recent, age), buyers.window)

    def _seen(self, buyers: Buyers) -> tuple[Numbers, Numbers]:
        if buyers.window != self.window:
            raise ValueError(f"fitted to {self.window} days, asked about {buyers.window}")
        return buyers.recent, np.minimum(buyers.age, self.window)


def _fitted(x: Numbers, t: Numbers) -> tuple[float, float]:
    if not x.any():
        raise refuse("nobody bought twice: there is nothing to learn rates from")
    scale = float(t.max())
    (x, t), counts = compressed(x, t / scale)

    def surface(values: Numbers) -> tuple[float, Numbers]:
        each, slopes = _likelihood(values, x, t)
        return float(counts @ each), slopes @ counts

    starts = [(r, alpha / scale) for r, alpha in _STARTS]
    r, alpha = maximize(surface, starts, float(counts.sum())).tolist()
    return r, alpha * scale


def _likelihood(values: Numbers, x: Numbers, t: Numbers) -> tuple[Numbers, Numbers]:
    r, alpha = values
    each = gammaln(r + x) - gammaln(r) + r * np.log(alpha) - (r + x) * np.log(alpha + t)
    slopes = np.stack(
        [
            psi(r + x) - psi(r) + np.log(alpha) - np.log(alpha + t),
            r / alpha - (r + x) / (alpha + t),
        ]
    )
    return each, slopes
