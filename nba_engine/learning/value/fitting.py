"""Maximum likelihood over positive parameters: one optimizer for all value models."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from threadpoolctl import threadpool_limits

from nba_engine.errors import InvalidRequest, Violation

__all__ = ["Surface", "compressed", "maximize", "refuse"]

Numbers = NDArray[np.float64]
# parameters → (log-likelihood, its gradient)
Surface = Callable[[Numbers], tuple[float, Numbers]]

_STEEPEST = 1e-6  # of the mean log-likelihood in the logarithms of the parameters
_WIDEST = 12.0  # beyond e^±12 a parameter says that the model does not fit, not how it does


def maximize(surface: Surface, starts: Sequence[Sequence[float]], size: float) -> Numbers:
    """The positive parameters of the greatest likelihood, from the best of several starts.

    ``size``: the number of customers. Raises `InvalidRequest` when there is no maximum inside the
    bounds e^±12, which is where these likelihoods lead to on data that the model is wrong for.
    """

    def down(logs: Numbers) -> tuple[float, Numbers]:
        values = np.exp(logs)
        height, slope = surface(values)
        return -height / size, -slope * values / size

    best = None
    with threadpool_limits(limits=1):  # threads over four numbers wait more than they work
        for start in starts:
            found = minimize(
                down,
                np.log(np.asarray(start, dtype=np.float64)),
                jac=True,
                method="L-BFGS-B",
                bounds=[(-_WIDEST, _WIDEST)] * len(start),
                options={"maxiter": 2000, "ftol": 1e-15, "gtol": _STEEPEST},
            )
            if np.isfinite(found.fun) and (best is None or found.fun < best.fun):
                best = found
    if best is None:
        raise refuse("the likelihood is not finite anywhere")
    if np.abs(best.x).max() >= _WIDEST - 1e-6:
        raise refuse("the likelihood has no maximum: the customers do not differ as it assumes")
    return np.asarray(np.exp(best.x), dtype=np.float64)


def compressed(*columns: Numbers) -> tuple[list[Numbers], Numbers]:
    """The distinct rows of these columns, and how often each occurs: likelihoods are sums."""
    rows, counts = np.unique(np.stack(columns, axis=1), axis=0, return_counts=True)
    return list(rows.T.copy()), counts.astype(np.float64)


def refuse(why: str) -> InvalidRequest:
    """The error of data that a model cannot be fitted to."""
    return InvalidRequest([Violation(field="purchases", description=why)])
