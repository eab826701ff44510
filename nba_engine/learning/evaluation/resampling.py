"""Intervals over independent units (customers): the bootstrap, studentized, and no narrower than t."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from nba_engine.domain.values import FloatArray, IntArray

__all__ = [
    "MOST_UNITS",
    "Measured",
    "draws",
    "independent_units",
    "interval",
    "ratio_of",
    "spreads_of",
]

MOST_UNITS = 4_000
_ROUNDING = 1e-12  # of sums of squares, from which a spread is told


class Measured(NamedTuple):
    """A figure and its standard error, in each repetition, both (k,) or (k, figures)."""

    value: FloatArray
    error: FloatArray


def independent_units(group: IntArray, random: np.random.Generator) -> tuple[IntArray, int]:
    """A unit for every row, such that rows of one group (a customer) are in one unit, and how many.

    More than `MOST_UNITS` groups are dealt at random into so many units of equal size: what is
    drawn again is a unit then. Sums have the same variance so, and a million customers take no
    longer than a few thousand.
    """
    known, code = np.unique(group, return_inverse=True)
    code = code.reshape(-1).astype(np.intp)
    if len(known) <= MOST_UNITS:
        return code, len(known)
    dealt = random.permutation(len(known)) % MOST_UNITS
    return dealt[code], MOST_UNITS


def draws(units: int, resamples: int, random: np.random.Generator) -> FloatArray:
    """``resamples`` times ``units`` draws with replacement (Efron 1979), as counts (resamples, units)."""
    counts = np.empty((resamples, units))
    for row in range(resamples):
        counts[row] = np.bincount(random.integers(0, units, units), minlength=units)
    return counts


def ratio_of(above: FloatArray, below: FloatArray, drawn: FloatArray) -> Measured:
    """Sums of ``above`` (units, figures) over sums of ``below``, for ``drawn`` (k, units).

    ``below`` has as many figures, or one for all. The standard error is that of the linearized ratio
    over whole units (Cochran 1977, section 6.3); NaN where there is nothing below.
    """
    columns = (above, above * above, above * below, below, below * below)
    ends = np.cumsum([part.shape[1] for part in columns])[:-1]
    top, squares, both, bottom, squares_below = np.split(drawn @ np.hstack(columns), ends, axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = top / bottom
        rest = squares - 2.0 * value * both + value * value * squares_below
        error = _root(rest, squares, len(above)) / np.abs(bottom)
    return Measured(value, error)


def spreads_of(
    columns: FloatArray, slopes: Sequence[FloatArray], drawn: FloatArray
) -> list[FloatArray]:
    """Standard errors (k,) of functions of the sums of ``columns`` (units, m) .

    ``slopes``, each (k, m), are a function's derivatives by the sums: a unit adds to it what they
    make of its columns.
    """
    totals, scales = (np.zeros((len(slopes), len(drawn))) for _ in range(2))
    for at in range(columns.shape[1]):
        products = drawn @ (columns[:, at : at + 1] * columns[:, at:])
        for which, slope in enumerate(slopes):
            own = slope[:, at] * slope[:, at] * products[:, 0]
            all_of_it = slope[:, at] * np.einsum("ki,ki->k", slope[:, at:], products)
            totals[which] += 2.0 * all_of_it - own
            scales[which] += own
    units = drawn.shape[1]
    return [_root(*pair, units) for pair in zip(totals, scales, strict=True)]


def _root(squares: FloatArray, scale: FloatArray, units: int) -> FloatArray:
    """Of sums of squares; what is rounding beside the ``scale`` they were computed at is 0."""
    told = np.where(squares > _ROUNDING * scale, squares, 0.0)
    found: FloatArray = np.sqrt(told * (units / max(units - 1.0, 1.0)))
    return found


def interval(
    at: Measured, again: Measured, confidence: float, *, units: int, worth: float
) -> tuple[float, float]:
    """The interval of a figure ``at`` (1,), which came out ``again`` (k,) in the resamples.

    At each end the wider of two: the studentized bootstrap (Efron and Tibshirani 1993, section 12.5),
    which follows the skew of few customers with much in them, and Student's t over the linearized
    figure, which does not depend on the resamples. ``worth``: how many equally large ones the
    ``units`` are worth; fewer widen both (Carter, Schnepel and Steigerwald 2017).
    """
    value, error = float(at.value[0]), float(at.error[0])
    if not error > 0.0:
        return value, value
    tail = (1.0 - confidence) / 2.0
    wide = float(student.ppf(1.0 - tail, max(worth - 1.0, 1.0)))
    low, high = value - wide * error, value + wide * error
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = (again.value - value) / again.error
    ratios = ratios[np.isfinite(ratios)]
    if not len(ratios):
        return low, high
    least, most = np.quantile(ratios, (tail, 1.0 - tail)).tolist()
    wider = wide / float(student.ppf(1.0 - tail, max(units - 1.0, 1.0))) * error
    return min(low, value - most * wider), max(high, value - least * wider)
