"""Prices from a sample of requests at once: the smoothed dual, minimized.

For requests i with candidates a, worth ``v_ia`` in money and using ``c_a`` of each limit, and ``b`` what
the limits have left for such requests, the prices minimize::

    sum_i tau * log(1 + sum_a exp((v_ia - lambda · c_a) / tau)) + lambda · b      over lambda >= 0

which for tau -> 0 is the dual of the linear program *each request gets at most one candidate, no limit
uses more than b*. The 1 is *nothing*. A placement with several slots counts as one request per slot,
with the candidates dealt out by `SampleBuilder`. The function is smooth and convex: L-BFGS-B finds its
minimum, for one tau after the other, each from the prices of the one before.

A minimum is such a limit with both sides turned around, *- use ≤ - b*: its candidates have negative
``c_a`` and its ``b`` is negative, so its price is a bonus. No bonus meets what the sample does not
have; therefore bonuses have a bound.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize

from nba_engine.domain import FloatArray, IntArray

__all__ = ["Requests", "Solved", "dual", "solve"]

_TAUS = (0.3, 0.1, 0.03, 0.01)  # parts of the typical worth of a candidate
_ITERATIONS = 60


class Requests(NamedTuple):
    """Candidates of a sample of requests, sorted by request.

    ``first`` (n,) is where each request's candidates begin (none is empty); ``worth`` (m,) in money;
    ``use`` (m, w) amounts and ``limit`` (m, w) the positions of the limits that they are of: a
    candidate uses at most w limits, the others have amount 0. Amounts of minimums are negative.
    """

    first: IntArray
    worth: FloatArray
    use: FloatArray
    limit: IntArray


class Solved(NamedTuple):
    """Prices (k,), and what comes of them in the sample.

    ``chance`` (m,) that a candidate is taken, at the least tau: where many are worth the same, part of
    them. ``use`` (k,) is what that uses; ``bound`` the dual's value at these prices, for tau = 0.
    """

    prices: FloatArray
    chance: FloatArray
    use: FloatArray
    bound: float


def dual(
    requests: Requests, prices: FloatArray, budget: FloatArray, tau: float
) -> tuple[float, FloatArray]:
    """The smoothed dual and its gradient: budget - expected use."""
    value, chance = _soft(requests, prices, tau)
    return value + float(prices @ budget), budget - _uses(requests, chance, len(prices))


def _soft(requests: Requests, prices: FloatArray, tau: float) -> tuple[float, FloatArray]:
    """The sum of the smoothed maxima, and how likely each candidate is the one, (m,)."""
    priced = requests.worth - (requests.use * prices[requests.limit]).sum(axis=1)
    scaled = priced / tau
    top = np.maximum(np.maximum.reduceat(scaled, requests.first), 0.0)
    of = np.repeat(np.arange(len(requests.first)), np.diff(requests.first, append=len(scaled)))
    weight = np.exp(scaled - top[of])
    total = np.exp(-top) + np.add.reduceat(weight, requests.first)
    return tau * float((top + np.log(total)).sum()), weight / total[of]


def solve(
    requests: Requests,
    budget: FloatArray,
    *,
    start: FloatArray | None = None,
    most: FloatArray | None = None,
    taus: tuple[float, ...] = _TAUS,
) -> Solved:
    """The prices of a sample; ``start`` are those of the last refresh, none is above ``most``."""
    prices: FloatArray = np.zeros(len(budget)) if start is None else start.copy()
    if not len(requests.first):
        return Solved(prices, np.zeros(0), np.zeros(len(budget)), float(prices @ budget))
    positive = requests.worth[requests.worth > 0.0]
    unit = float(np.median(positive)) if len(positive) else 1.0
    # prices in units of their own: L-BFGS-B takes the same step in all directions
    size = _sizes(requests, len(budget), unit)
    bounds: list[tuple[float, float | None]] = [(0.0, None)] * len(budget)
    if most is not None:
        bounds = [(0.0, float(one)) for one in (most / size).tolist()]
        prices = np.minimum(prices, most)
    for tau in taus if start is None else taus[1:]:
        found = minimize(
            lambda x, tau=tau: _scaled(requests, x, size, budget, tau * unit),
            prices / size,
            jac=True,
            method="L-BFGS-B",
            bounds=bounds,
            options={"maxiter": _ITERATIONS},
        )
        prices = np.asarray(found.x) * size
    chance = _soft(requests, prices, taus[-1] * unit)[1]
    use = _uses(requests, chance, len(budget))
    return Solved(prices, chance, use, dual(requests, prices, budget, 1e-9 * unit)[0])


def _scaled(
    requests: Requests, x: FloatArray, size: FloatArray, budget: FloatArray, tau: float
) -> tuple[float, FloatArray]:
    value, slope = dual(requests, x * size, budget, tau)
    return value, slope * size


def _uses(requests: Requests, chance: FloatArray, limits: int) -> FloatArray:
    used = (requests.use * chance[:, None]).ravel()
    return np.bincount(requests.limit.ravel(), used, limits).astype(np.float64)


def _sizes(requests: Requests, limits: int, unit: float) -> FloatArray:
    """Worth per unit of each limit: what its price is of the order of, (k,)."""
    amount = np.bincount(requests.limit.ravel(), np.abs(requests.use).ravel(), minlength=limits)
    count = np.bincount(requests.limit.ravel(), (requests.use != 0).ravel(), minlength=limits)
    mean = np.divide(amount, count, out=np.ones(limits), where=count > 0)
    return unit / np.where(mean > 0.0, mean, 1.0)
