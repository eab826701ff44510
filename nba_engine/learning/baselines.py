"""What a model has to beat: the action's popularity and the customer's own frequency."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from nba_engine.domain.values import FloatArray

__all__ = ["GammaPoisson", "fit_gamma_poisson", "popularity"]


class GammaPoisson(msgspec.Struct, frozen=True, kw_only=True):
    """Purchases are Poisson, and the customers' rates are Gamma(shape, rate) distributed."""

    shape: float
    rate: float

    def expected_rate(self, count: NDArray[Any], exposure: NDArray[Any] | float) -> FloatArray:
        """Posterior mean (shape + count) / (rate + exposure), per unit of time."""
        return np.asarray((self.shape + count) / (self.rate + exposure), dtype=np.float64)

    def probability(
        self, count: NDArray[Any], exposure: NDArray[Any] | float, horizon: float
    ) -> FloatArray:
        """P(at least one purchase in ``horizon``) = 1 - E[exp(-rate · horizon)]."""
        time = self.rate + exposure
        log_none = (self.shape + count) * (np.log(time) - np.log(time + horizon))
        return np.asarray(-np.expm1(log_none), dtype=np.float64)


def popularity(
    label: NDArray[Any], action: NDArray[np.integer[Any]], actions: int, *, smoothing: float = 1.0
) -> FloatArray:
    """Share of positives per action (a,), pulled to the overall share by ``smoothing`` rows."""
    shown = np.bincount(action, minlength=actions)
    taken = np.bincount(action, weights=label, minlength=actions)
    overall = float(label.mean()) if len(label) else 0.0
    return (taken + smoothing * overall) / (shown + smoothing)


def fit_gamma_poisson(
    count: NDArray[Any],
    exposure: NDArray[Any] | float,
    *,
    method: Literal["moments", "likelihood"] = "likelihood",
) -> GammaPoisson:
    """The prior of the customers' rates from purchases (n,) within exposures (time observed).

    By moments, or by maximum likelihood of the negative binomial (Gelman et al., BDA, 2.6), which
    starts there. Without a purchase, or when rates vary no more than chance, the prior is narrow.
    """
    n = np.asarray(count, dtype=np.float64)
    t = np.broadcast_to(np.asarray(exposure, dtype=np.float64), n.shape)
    if not len(n) or np.any(t <= 0) or np.any(n < 0):
        raise ValueError("counts must be at least 0 and exposures above 0")
    mean = max(float(n.sum() / t.sum()), 0.5 / float(t.sum()))
    # Var(n/t) = mean/t + Var(rate)
    spread = float(np.mean((n / t - mean) ** 2) - mean * np.mean(1.0 / t))
    shape = float(np.clip(mean**2 / spread, 1e-3, _NARROW)) if spread > 0 else _NARROW
    if method == "moments" or shape == _NARROW:
        return GammaPoisson(shape=shape, rate=shape / mean)

    def loss(logs: FloatArray) -> float:
        a, b = np.exp(logs)
        terms = (
            special.gammaln(a + n)
            - special.gammaln(a)
            + a * np.log(b / (b + t))
            + n * np.log(t / (b + t))
        )
        return -float(np.mean(terms))

    start = np.log([shape, shape / mean])
    bounds = [(np.log(1e-6), np.log(_NARROW)), (np.log(1e-9), np.log(1e9))]
    found = optimize.minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    a, b = np.exp(found.x)
    return GammaPoisson(shape=float(a), rate=float(b))


_NARROW = 1e4
