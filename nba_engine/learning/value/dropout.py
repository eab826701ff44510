"""Purchases until a customer drops out: BG/NBD and MBG/NBD.

While alive, customers buy at a rate of their own (gamma over customers); after each purchase they
may drop out for good with a probability of their own (beta over customers). MBG/NBD lets them drop
out right after the first purchase, too, which BG/NBD does not.

Sources: Fader, Hardie and Lee 2005, "Counting your customers the easy way", Marketing Science
24(2), equations 6 (likelihood) and 10 (conditional expectation), the latter after Euler's
transformation of 2F1 where that keeps the series bounded; Batislam, Denizel
and Filiztekin 2007, "Empirical validation and comparison of models for customer base analysis",
IJRM 24(3).
"""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, gammaln, hyp2f1, psi

from nba_engine.domain import PurchaseModel
from nba_engine.domain.customer_value import beside_pole
from nba_engine.learning.value.buyers import Buyers
from nba_engine.learning.value.fitting import compressed, maximize, refuse

__all__ = ["BetaGeometric", "ModifiedBetaGeometric"]

Numbers = NDArray[np.float64]

_STARTS = ((0.5, 5.0, 0.5, 2.0), (1.0, 20.0, 1.0, 1.0), (2.0, 2.0, 0.2, 5.0))


class _Dropout(NamedTuple):
    """Parameters: rates are gamma(r, alpha in days), dropouts beta(a, b)."""

    r: float
    alpha: float
    a: float
    b: float


class BetaGeometric(_Dropout):
    """BG/NBD. Fader, Hardie and Lee 2005."""

    name = "bg_nbd"
    _once = 0.0  # how many chances to drop out come with the first purchase

    @classmethod
    def fit(cls, buyers: Buyers) -> Self:
        """The parameters of the greatest likelihood. Raises `InvalidRequest`."""
        if not buyers.repeats.any():
            raise refuse("nobody bought twice: there is nothing to learn rates from")
        scale = float(buyers.age.max())
        (x, t_x, t), counts = compressed(buyers.repeats, buyers.recency / scale, buyers.age / scale)

        def surface(values: Numbers) -> tuple[float, Numbers]:
            each, slopes = cls._likelihood(values, x, t_x, t)
            return float(counts @ each), slopes @ counts

        starts = [(r, alpha / scale, a, b) for r, alpha, a, b in _STARTS]
        r, alpha, a, b = maximize(surface, starts, len(buyers.repeats)).tolist()
        return cls(r, alpha * scale, a, b)

    def log_likelihood(self, buyers: Buyers) -> float:
        """Of these customers under these parameters, in natural logarithms."""
        values = np.array(self, dtype=np.float64)
        each, _ = self._likelihood(values, buyers.repeats, buyers.recency, buyers.age)
        return float(each.sum())

    def alive(self, buyers: Buyers) -> Numbers:
        """P(not yet dropped out) per customer, at the end of observation."""
        return np.asarray(expit(-self._odds(buyers)), dtype=np.float64)

    def expected(self, buyers: Buyers, days: float) -> Numbers:
        """Expected purchases in the next ``days`` per customer."""
        parts = [share * self._if_alive(a, buyers, days) for a, share in beside_pole(self.a)]
        return np.asarray(sum(parts) * self.alive(buyers), dtype=np.float64)

    def silent(self, buyers: Buyers, days: float) -> Numbers:
        """P(no purchase in the next ``days``) per customer."""
        since = self.alpha + buyers.age
        alive = self.alive(buyers)
        still = (since / (since + days)) ** (self.r + buyers.repeats)
        return np.asarray(1.0 - alive * (1.0 - still), dtype=np.float64)

    def fitted(self) -> PurchaseModel:
        """What serving reads."""
        return PurchaseModel(
            kind="mbg_nbd" if self._once else "bg_nbd",
            r=self.r,
            alpha=self.alpha,
            a=self.a,
            b=self.b,
        )

    def _if_alive(self, a: float, buyers: Buyers, days: float) -> Numbers:
        since = self.alpha + buyers.age
        rate, chances = self.r + buyers.repeats, self.b + self._once + buyers.repeats
        c = a + chances - 1.0
        plain = a - 1.0 > rate
        one, other = np.where(plain, rate, c - rate), np.where(plain, chances, a - 1.0)
        series = hyp2f1(one, other, c, days / (since + days))
        kept = (since / (since + days)) ** np.minimum(rate, a - 1.0)
        return np.asarray(c / (a - 1.0) * (1.0 - kept * series), dtype=np.float64)

    def _odds(self, buyers: Buyers) -> Numbers:
        """Logarithm of the odds of having dropped out."""
        r, alpha, a, b = self
        x = buyers.repeats
        chances = b + x - 1.0 + self._once
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(a / chances) + (r + x) * (
                np.log(alpha + buyers.age) - np.log(alpha + buyers.recency)
            )
        return logs if self._once else np.where(x > 0, logs, -np.inf)

    @classmethod
    def _likelihood(
        cls, values: Numbers, x: Numbers, t_x: Numbers, t: Numbers
    ) -> tuple[Numbers, Numbers]:
        """Per row: the log-likelihood, shape (n,), and its gradient, shape (4, n)."""
        r, alpha, a, b = values
        once = cls._once
        left = b + x + once  # purchases that were survived, with the prior's
        alive = -(r + x) * np.log(alpha + t)
        with np.errstate(divide="ignore", invalid="ignore"):
            gone = np.log(a) - np.log(left - 1.0) - (r + x) * np.log(alpha + t_x)
        if not once:
            gone = np.where(x > 0, gone, -np.inf)
        both = np.logaddexp(alive, gone)
        each = (
            gammaln(r + x)
            - gammaln(r)
            + r * np.log(alpha)
            + gammaln(a + b)
            - gammaln(b)
            + gammaln(left)
            - gammaln(a + left)
            + both
        )
        w_alive, w_gone = np.exp(alive - both), np.exp(gone - both)
        with np.errstate(divide="ignore", invalid="ignore"):
            survived = np.where(w_gone > 0, w_gone / (left - 1.0), 0.0)
        slopes = np.stack(
            [
                psi(r + x)
                - psi(r)
                + np.log(alpha)
                - w_alive * np.log(alpha + t)
                - w_gone * np.log(alpha + t_x),
                r / alpha - (r + x) * (w_alive / (alpha + t) + w_gone / (alpha + t_x)),
                psi(a + b) - psi(a + left) + w_gone / a,
                psi(a + b) - psi(b) + psi(left) - psi(a + left) - survived,
            ]
        )
        return each, slopes


class ModifiedBetaGeometric(BetaGeometric):
    """MBG/NBD: a customer may drop out after the first purchase. Batislam et al. 2007."""

    name = "mbg_nbd"
    _once = 1.0
