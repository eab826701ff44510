"""Whether a log supports a judgement: where it does not, the reason stands instead of a number."""

from __future__ import annotations

import numpy as np

from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.learning.evaluation.estimators import effective_sample_size
from nba_engine.learning.evaluation.found import Place
from nba_engine.learning.evaluation.picks import Picks

__all__ = ["ENOUGH", "supported_places"]

ENOUGH = 100.0  # effective sample size
_NEVER_TRIED = 0.05  # of what the policy under test does
_TOO_LIGHT = 0.9  # weights average 1, or much of what it does was not tried
_CERTAIN = 1.0 - 1e-9


def supported_places(
    picks: Picks,
    weight: FloatArray,
    place: IntArray,
    names: tuple[str, ...],
    mean_weight: FloatArray,
    mean_weight_high: FloatArray,
) -> tuple[Place, ...]:
    """Judge every place; ``mean_weight`` (places,) with the upper ends of its intervals.

    What stands below a place without support has none either: its weights contain the others'.
    """
    size = effective_sample_size(weight, place, len(names))
    found: list[Place] = []
    above, last = "", ""
    for code, name in enumerate(names):
        here = place == code
        placement = str(picks.placement[here][0])
        refused = _refusal(picks.propensity[here], picks.target[here], size[code])
        if not refused and mean_weight_high[code] < _TOO_LIGHT:
            refused = (
                f"its weights average {mean_weight[code]:.2f} instead of 1: about "
                f"{1 - mean_weight[code]:.0%} of what the policy under test does was never tried"
            )
        if not refused and placement == last and above:
            refused = "what stands above it has not enough support"
        found.append(
            Place(
                place=name,
                picks=int(here.sum()),
                effective_sample_size=float(size[code]),
                mean_weight=float(mean_weight[code]),
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
