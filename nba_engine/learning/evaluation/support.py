"""Whether a log supports a judgement: where it does not, the reason stands instead of a number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.learning.evaluation.estimators import effective_sample_size
from nba_engine.learning.evaluation.found import Place
from nba_engine.learning.evaluation.picks import Picks

__all__ = ["ENOUGH", "FEW_CUSTOMERS", "MeanWeight", "supported_places", "weight_note"]

ENOUGH = 100.0  # effective sample size
_NEVER_TRIED = 0.05  # of what the policy under test does
FEW_CUSTOMERS = 20.0  # equally large ones: below, no interval is to be trusted
_TOO_LIGHT = 0.9  # weights average 1, or much of what it does was not tried
_TOO_HEAVY = 1.02  # weights that surely average more are no matter of chance
_STRANGE = 0.1  # off 1 by more is told even where it may be chance
_SURELY = 3.0  # standard errors
_CERTAIN = 1.0 - 1e-9


class MeanWeight(NamedTuple):
    """The mean weight of a place, its standard error over customers, and how high it may be."""

    value: float
    error: float
    high: float


def supported_places(
    picks: Picks,
    weight: FloatArray,
    place: IntArray,
    names: tuple[str, ...],
    means: Sequence[MeanWeight],
    *,
    clipped: bool,
) -> tuple[Place, ...]:
    """Judge every place; ``means`` (places,); ``clipped`` weights are light on purpose.

    What stands below a place without support has none either: its weights contain the others'.
    """
    size = effective_sample_size(weight, place, len(names))
    found: list[Place] = []
    above, last = "", ""
    for code, name in enumerate(names):
        here = place == code
        placement = str(picks.placement[here][0])
        refused = _refusal(picks.propensity[here], picks.target[here], size[code])
        refused = refused or _off_balance(means[code], clipped=clipped)
        if not refused and placement == last and above:
            refused = "what stands above it has not enough support"
        found.append(
            Place(
                place=name,
                picks=int(here.sum()),
                effective_sample_size=float(size[code]),
                mean_weight=means[code].value,
                mean_weight_error=means[code].error,
                refused=refused,
            )
        )
        above, last = refused, placement
    return tuple(found)


def _refusal(propensity: FloatArray, target: FloatArray, size: float) -> str:
    certain = propensity >= _CERTAIN
    differs = target < _CERTAIN
    if certain.all() and differs.any():
        return (
            "the logged policy explored nothing (every probability is 1), so it never tried what "
            "the policy under test does instead"
        )
    untried = float(np.mean((1.0 - np.minimum(target, 1.0)) * certain))
    if untried > _NEVER_TRIED:
        return (
            f"{untried:.0%} of what the policy under test does was never tried: the logged policy "
            "explored nothing there (probability 1)"
        )
    if size < ENOUGH:
        return f"its effective sample size is {size:,.0f}, below {ENOUGH:.0f}"
    return ""


def _off_balance(mean: MeanWeight, *, clipped: bool) -> str:
    """Weights average 1 in every log whose probabilities are right and whose policy tried everything."""
    if mean.value - _SURELY * mean.error > _TOO_HEAVY:
        return (
            f"its weights average {_with_error(mean.value, mean.error)} instead of 1, which is no "
            "chance: the logged probabilities are too small or those under test too large; both "
            "must be of the logged pick, given what stands above it"
        )
    if mean.high < _TOO_LIGHT and not clipped:
        return (
            f"its weights average {_with_error(mean.value, mean.error)} instead of 1: about "
            f"{1 - mean.value:.0%} of what the policy under test does was never tried, or the "
            "probabilities are not those of the logged picks"
        )
    return ""


def weight_note(place: Place, *, clipped: bool) -> str:
    """What is odd about the weights of a place that is judged nevertheless, or nothing."""
    mean, error = place.mean_weight, place.mean_weight_error
    told = f"{place.place}: the weights average {_with_error(mean, error)} instead of 1: "
    if mean > 1.0 + _STRANGE:
        return (
            f"{told}chance may do that, but check that both probabilities are of the logged pick, "
            "given what stands above it"
        )
    if not clipped and mean + _SURELY * error < 2.0 - _TOO_HEAVY:
        return (
            f"{told}about {1 - mean:.0%} of what the policy under test does was never tried, or the "
            "probabilities are not exact; IPS and DR are too low by as much"
        )
    return ""


def _with_error(mean: float, error: float) -> str:
    return f"{mean:.2f} ± {error:.2f}" if error >= 0.005 else f"{mean:.3f} ± {error:.3f}"
