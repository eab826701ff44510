"""How a category is bought again: Gamma gaps, the customers' paces Gamma distributed.

A gap x of a customer with m earlier gaps of S days together: λ ~ Gamma(a + k·m, b + S), x ~ Gamma(k, λ),
so that x / (b + S + x) ~ Beta(k, a + k·m). The shape k tells a cycle (k > 1: the hazard rises after a
purchase) from chance (k = 1: it never changes). Every gap is predicted from those before it, which is
the marginal likelihood by the chain rule; one that has not ended counts as longer than it is so far.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import optimize, special

from nba_engine.domain.fitted import Cycle
from nba_engine.domain.values import FloatArray
from nba_engine.learning.reorder.gaps import SHORTEST, Gaps

__all__ = [
    "Pace",
    "cycle_of",
    "fit_pace",
    "log_likelihood",
    "log_survival",
    "quantile",
    "still_there",
    "survival",
]

REMEMBERED = 40  # gaps; what is known of a customer with more changes little
_GONE = 10.0  # times the median gap: who has not come back for so long has left, and tells no pace
_SMALLEST = 1e-12


class Pace(NamedTuple):
    """Shape k of the gaps, and a and b of the customers' paces."""

    shape: float
    a: float
    b: float


def fit_pace(gaps: Gaps, *, memoryless: bool = False) -> Pace:
    """k, a and b by maximum likelihood of one category's gaps; k is 1 when ``memoryless``.

    Raises `ValueError` without a gap that has ended.
    """
    ended = gaps.days[~gaps.open]
    if not len(ended):
        raise ValueError("nothing was bought again")
    middle = float(np.median(ended))
    gaps = still_there(gaps, middle)

    def loss(x: FloatArray) -> float:
        shape = 1.0 if memoryless else float(np.exp(x[2]))
        pace = Pace(shape, float(np.exp(x[0])), float(np.exp(x[1])))
        return -float(log_likelihood(gaps, pace).mean())

    start = [np.log(3.0), np.log(3.0 * middle)] + ([] if memoryless else [np.log(1.3)])
    bounds = [(np.log(0.5), np.log(500.0)), (np.log(1e-3), np.log(1e6))]
    if not memoryless:
        bounds.append((np.log(0.3), np.log(40.0)))
    found = optimize.minimize(loss, np.array(start), method="L-BFGS-B", bounds=bounds)
    shape = 1.0 if memoryless else float(np.exp(found.x[2]))
    return Pace(shape, float(np.exp(found.x[0])), float(np.exp(found.x[1])))


def still_there(gaps: Gaps, middle: float) -> Gaps:
    """Without the open gaps of who has not come back for many times the median gap (days)."""
    return gaps.where(~gaps.open | (gaps.days < _GONE * middle))


def log_likelihood(gaps: Gaps, pace: Pace) -> FloatArray:
    """Of each gap, (n,): log density of one that ended, log survival of one that is open.

    Of one that ended within `SHORTEST` is known that it did: purchases of one day have no order.
    """
    k = pace.shape
    a = pace.a + k * gaps.number
    b = pace.b + gaps.total
    x = gaps.days
    told: FloatArray = (
        special.gammaln(a + k)
        - special.gammaln(a)
        - special.gammaln(k)
        + (k - 1.0) * np.log(x)
        + a * np.log(b)
        - (a + k) * np.log(b + x)
    )
    if gaps.open.any():
        told[gaps.open] = log_survival(gaps.where(gaps.open), pace, x[gaps.open])
    short = ~gaps.open & (x <= SHORTEST)
    if short.any():
        soon = 1.0 - survival(gaps.where(short), pace, x[short])
        told[short] = np.log(np.maximum(soon, _SMALLEST))
    return told


def log_survival(gaps: Gaps, pace: Pace, days: FloatArray) -> FloatArray:
    """Log P(the gap is longer than ``days``), (n,)."""
    return np.log(np.maximum(survival(gaps, pace, days), _SMALLEST))


def survival(gaps: Gaps, pace: Pace, days: FloatArray) -> FloatArray:
    """P(the gap is longer than ``days``), (n,)."""
    k, a, b = pace
    scale = b + gaps.total
    return np.asarray(
        special.betainc(a + k * gaps.number, k, scale / (scale + days)), dtype=np.float64
    )


def quantile(gaps: Gaps, pace: Pace, share: float) -> FloatArray:
    """Days after which that share of such gaps has ended, (n,)."""
    k, a, b = pace
    part = special.betaincinv(k, a + k * gaps.number, share)
    return np.asarray((b + gaps.total) * part / (1.0 - part), dtype=np.float64)


def cycle_of(pace: Pace, share: float) -> Cycle:
    """The pace as serving reads it, without special functions."""
    k, a, b = pace
    known = a + k * np.arange(REMEMBERED + 1)

    def factors(wanted: float) -> tuple[float, ...]:
        part = special.betaincinv(k, known, wanted)
        return tuple((known * part / (1.0 - part)).tolist())

    return Cycle(shape=k, a=a, b=b, wait=factors(share), usual=factors(0.5))
