"""Bootstrap intervals over independent units (customers, baskets), by resampling whole units."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import ArrayLike

from nba_engine.domain.values import FloatArray

__all__ = ["Interval", "mean_interval", "weighted_interval"]


class Interval(msgspec.Struct, frozen=True, kw_only=True):
    """A figure with its 95% interval."""

    value: float
    low: float
    high: float


def mean_interval(
    values: ArrayLike,
    groups: ArrayLike,
    *,
    random: np.random.Generator,
    resamples: int = 1_000,
) -> Interval:
    """The mean of ``values`` (n,), with whole ``groups`` (n,) drawn again (Efron's percentiles).

    Rows of one group are not independent: the groups are resampled, not the rows.
    """
    y = np.asarray(values, dtype=np.float64)
    code = np.unique(np.asarray(groups), return_inverse=True)[1].reshape(-1)
    total, count = np.bincount(code, weights=y), np.bincount(code).astype(np.float64)
    return weighted_interval(
        lambda weight: float(weight @ total) / float(weight @ count),
        len(count),
        random=random,
        resamples=resamples,
    )


def weighted_interval(
    figure: Callable[[FloatArray], float],
    units: int,
    *,
    random: np.random.Generator,
    resamples: int = 1_000,
) -> Interval:
    """Any ``figure`` of the weights (units,) that say how often each unit was drawn."""
    drawn = [
        figure(np.bincount(random.integers(0, units, units), minlength=units).astype(np.float64))
        for _ in range(resamples)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975)).tolist()
    return Interval(value=figure(np.ones(units)), low=low, high=high)
