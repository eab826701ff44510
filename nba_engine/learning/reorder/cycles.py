"""How a category is bought again: Gamma gaps, the customers' paces Gamma distributed.

A gap x of a customer with m earlier gaps of S days together: λ ~ Gamma(a + k·m, b + S), x ~ Gamma(k, λ),
so that x / (b + S + x) ~ Beta(k, a + k·m). The shape k tells a cycle (k > 1: the hazard rises after a
purchase) from chance (k = 1: it never changes). Every gap is predicted from those before it, which is
the marginal likelihood by the chain rule; one that has not ended counts as longer than it is so far.
"""

from __future__ import annotations

from functools import cache
from typing import Any, NamedTuple

import numpy as np
from scipy import optimize, special
from threadpoolctl import ThreadpoolController

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
_FLAT = 1e-8  # of the mean log-likelihood, relative: the fit ends when it gains less


class Pace(NamedTuple):
    """Shape k of the gaps, and a and b of the customers' paces."""

    shape: float
    a: float
    b: float


def fit_pace(gaps: Gaps, *, memoryless: bool = False, start: Pace | None = None) -> Pace:
    """k, a and b by maximum likelihood of one category's gaps; k is 1 when ``memoryless``.

    ``start``: where to begin, if something is known. Raises `ValueError` without a gap that has
    ended.
    """
    ended = gaps.days[~gaps.open]
    if not len(ended):
        raise ValueError("nothing was bought again")
    middle = float(np.median(ended))
    seen = _Seen(still_there(gaps, middle))

    def loss(x: FloatArray) -> float:
        shape = 1.0 if memoryless else float(np.exp(x[2]))
        pace = Pace(shape, float(np.exp(x[0])), float(np.exp(x[1])))
        return -float(seen.log_likelihood(pace).mean())

    shape, a, b = start or Pace(1.3, 3.0, 3.0 * middle)
    first = [np.log(a), np.log(b)] + ([] if memoryless else [np.log(shape)])
    bounds = [(np.log(0.5), np.log(500.0)), (np.log(1e-3), np.log(1e6))]
    if not memoryless:
        bounds.append((np.log(0.3), np.log(40.0)))
    with _threads().limit(limits=1):  # matrices of three rows: threads would only wait
        found = optimize.minimize(
            loss,
            np.clip(np.array(first), *np.array(bounds).T),
            method="L-BFGS-B",
            bounds=bounds,
            options={"ftol": _FLAT},
        )
    shape = 1.0 if memoryless else float(np.exp(found.x[2]))
    return Pace(shape, float(np.exp(found.x[0])), float(np.exp(found.x[1])))


@cache
def _threads() -> Any:
    """Looks through all loaded libraries, which takes longer than a small fit."""
    return ThreadpoolController()


def still_there(gaps: Gaps, middle: float) -> Gaps:
    """Without the open gaps of who has not come back for many times the median gap (days)."""
    return gaps.where(~gaps.open | (gaps.days < _GONE * middle))


def log_likelihood(gaps: Gaps, pace: Pace) -> FloatArray:
    """Of each gap, (n,): log density of one that ended, log survival of one that is open.

    Of one that ended within `SHORTEST` is known that it did: purchases of one day have no order.
    """
    return _Seen(gaps).log_likelihood(pace)


class _Seen:
    """Gaps, with what of their likelihood does not depend on the pace."""

    def __init__(self, gaps: Gaps) -> None:
        self._gaps = gaps
        self._log = np.log(gaps.days)
        self._reached = gaps.total + gaps.days
        # many gaps, few numbers of earlier ones: gamma functions are computed once for each
        self._numbers, self._number = np.unique(gaps.number, return_inverse=True)
        self._open = np.flatnonzero(gaps.open)
        self._short = np.flatnonzero(~gaps.open & (gaps.days <= SHORTEST))
        self._lasting, self._soon = gaps.at(self._open), gaps.at(self._short)

    def log_likelihood(self, pace: Pace) -> FloatArray:
        """As `log_likelihood`, (n,)."""
        k = pace.shape
        a = pace.a + k * self._numbers
        factor = special.gammaln(a + k) - special.gammaln(a) - special.gammaln(k)
        told: FloatArray = (
            factor[self._number]
            + (k - 1.0) * self._log
            + a[self._number] * np.log(pace.b + self._gaps.total)
            - (a + k)[self._number] * np.log(pace.b + self._reached)
        )
        told[self._open] = log_survival(self._lasting, pace, self._lasting.days)
        soon = 1.0 - survival(self._soon, pace, self._soon.days)
        told[self._short] = np.log(np.maximum(soon, _SMALLEST))
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
