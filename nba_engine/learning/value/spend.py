"""Expected money per purchase: Gamma-Gamma.

Customers differ in their mean amount (gamma), and their purchases scatter around it (gamma); who
bought little is drawn to everybody's mean. It takes for granted that how much is spent does not
depend on how often: `spend_correlation` tells.

Source: Fader, Hardie and Lee 2005, "RFM and CLV: using iso-value curves", JMR 42(4), equation 5;
Fader and Hardie 2013, "The Gamma-Gamma model of monetary value", equations 1a and 5.
"""

from __future__ import annotations

import math
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaln, psi

from nba_engine.domain import SpendModel
from nba_engine.learning.value.buyers import Buyers
from nba_engine.learning.value.fitting import compressed, maximize, refuse

__all__ = ["GammaGamma", "spend_correlation"]

Numbers = NDArray[np.float64]

_STARTS = ((6.0, 4.0, 1.0), (2.0, 3.0, 1.5), (20.0, 10.0, 0.5))  # the last in mean amounts


class GammaGamma(NamedTuple):
    """Parameters: ``p``, ``q``, and ``gamma`` in money."""

    p: float
    q: float
    gamma: float

    @classmethod
    def fit(cls, buyers: Buyers) -> Self:
        """The parameters of the greatest likelihood, from those who bought again for money."""
        paid = (buyers.repeats > 0) & (buyers.mean_amount > 0)
        if np.count_nonzero(paid) < 2:
            raise refuse(
                "fewer than two customers bought again for money: nothing tells what they spend"
            )
        scale = float(buyers.mean_amount[paid].mean())
        (x, mean), counts = compressed(buyers.repeats[paid], buyers.mean_amount[paid] / scale)

        def surface(values: Numbers) -> tuple[float, Numbers]:
            each, slopes = _likelihood(values, x, mean)
            return float(counts @ each), slopes @ counts

        p, q, gamma = maximize(surface, _STARTS, float(counts.sum())).tolist()
        return cls(p, q, gamma * scale)

    def log_likelihood(self, buyers: Buyers) -> float:
        """Of the mean amounts of those who bought again, in natural logarithms."""
        paid = (buyers.repeats > 0) & (buyers.mean_amount > 0)
        values = np.array(self, dtype=np.float64)
        each, _ = _likelihood(values, buyers.repeats[paid], buyers.mean_amount[paid])
        return float(each.sum())

    def fitted(self) -> SpendModel:
        """What serving reads."""
        return SpendModel(p=self.p, q=self.q, gamma=self.gamma)

    def expected(self, buyers: Buyers) -> Numbers:
        """Expected money per future purchase, per customer; everybody's mean without a repeat.

        NaN where the mean of the whole has no expectation (q ≤ 1 and no repeat).
        """
        p, q, gamma = self
        paid = (buyers.repeats > 0) & (buyers.mean_amount > 0)
        x = np.where(paid, buyers.repeats, 0.0)
        total = np.where(paid, buyers.repeats * np.nan_to_num(buyers.mean_amount), 0.0)
        below = p * x + q - 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(below > 0, p * (gamma + total) / below, np.nan)


def spend_correlation(buyers: Buyers) -> float:
    """Between number and mean amount of repeats; NaN when either is the same for everybody."""
    paid = (buyers.repeats > 0) & (buyers.mean_amount > 0)
    x, mean = buyers.repeats[paid], buyers.mean_amount[paid]
    if len(x) < 2 or not x.std() or not mean.std():
        return math.nan
    return float(np.corrcoef(x, mean)[0, 1])


def _likelihood(values: Numbers, x: Numbers, mean: Numbers) -> tuple[Numbers, Numbers]:
    """Per row: the log-likelihood, shape (n,), and its gradient, shape (3, n)."""
    p, q, gamma = values
    weight, reach = p * x, gamma + x * mean
    each = (
        gammaln(weight + q)
        - gammaln(weight)
        - gammaln(q)
        + q * np.log(gamma)
        + (weight - 1.0) * np.log(mean)
        + weight * np.log(x)
        - (weight + q) * np.log(reach)
    )
    slopes = np.stack(
        [
            x * (psi(weight + q) - psi(weight) + np.log(mean * x) - np.log(reach)),
            psi(weight + q) - psi(q) + np.log(gamma) - np.log(reach),
            q / gamma - (weight + q) / reach,
        ]
    )
    return each, slopes
