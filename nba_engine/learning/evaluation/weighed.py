"""Picks with their weights, summed up by independent units: what values and intervals are made of."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.learning.evaluation.estimators import Sums, Values, place_sums, values_of
from nba_engine.learning.evaluation.found import Estimate
from nba_engine.learning.evaluation.picks import Picks, cumulative_weights, ended_above
from nba_engine.learning.evaluation.resampling import (
    Measured,
    draws,
    independent_units,
    interval,
    ratio_of,
)

__all__ = ["Weighed", "weigh"]


class Weighed(NamedTuple):
    """The picks with their weights, and how often each independent unit is drawn again."""

    picks: Picks
    weight: FloatArray
    doubly: FloatArray | None  # what each pick adds to DR
    clipped: float
    unit: IntArray
    decisions: FloatArray  # (units,)
    drawn: FloatArray  # (resamples, units)
    worth: float  # so many equally large units
    confidence: float

    @property
    def once(self) -> FloatArray:
        """Every unit as it is, (1, units)."""
        return np.ones((1, len(self.decisions)))

    def place_sums(self, place: IntArray, kept: BoolArray) -> Sums:
        """Sums by unit and place, over the places that are ``kept``.

        A slate that ended above a place earned nothing there, and counts with the weight it ended
        with: how many slates come that far is another number under test than it was in the log.
        """
        rows, below = ended_above(self.picks, place)
        every = np.concatenate([np.arange(len(place)), rows])
        where = np.concatenate([place, below])
        there = np.arange(len(every)) < len(place)
        some = kept[where]
        every, where, there = every[some], where[some], there[some]
        return place_sums(
            unit=self.unit[every],
            units=len(self.decisions),
            place=where,
            places=len(kept),
            decisions=self.decisions,
            reward=self.picks.reward[every] * there,
            weight=self.weight[every],
            doubly=None if self.doubly is None else self.doubly[every] * there,
        )

    def sums(self, code: IntArray, size: int, rows: BoolArray) -> Sums:
        """Sums by unit and a code of each pick, over the ``rows`` of a mask."""
        return place_sums(
            unit=self.unit[rows],
            units=len(self.decisions),
            place=code[rows],
            places=size,
            decisions=self.decisions,
            reward=self.picks.reward[rows],
            weight=self.weight[rows],
            doubly=None if self.doubly is None else self.doubly[rows],
        )

    def values(self, sums: Sums) -> tuple[Values, Values]:
        """Values and differences, (1,) as they are, and (resamples,) as drawn again."""
        return values_of(sums, self.once), values_of(sums, self.drawn)

    def ratios(self, above: FloatArray, below: FloatArray) -> list[Measured]:
        """Sums of ``above`` over sums of ``below`` (units, figures), as they are: each figure (1,)."""
        return _columns(ratio_of(above, below, self.once))

    def ratio_estimates(self, above: FloatArray, below: FloatArray) -> list[Estimate]:
        """Sums of ``above`` over sums of ``below`` (units, figures), each with its interval."""
        again = _columns(ratio_of(above, below, self.drawn))
        return [self.estimate(*pair) for pair in zip(self.ratios(above, below), again, strict=True)]

    def estimate(self, at: Measured, again: Measured) -> Estimate:
        """A figure, (1,), with its interval by the resamples, (resamples,)."""
        low, high = interval(
            at, again, self.confidence, units=len(self.decisions), worth=self.worth
        )
        return Estimate(value=float(at.value[0]), low=low, high=high)


def weigh(
    picks: Picks, *, clip: float | None, resamples: int, confidence: float, seed: int
) -> Weighed:
    """Weigh picks against the policy under test, and draw whole customers (or decisions) again."""
    random = np.random.default_rng(seed)
    weight, above, clipped = cumulative_weights(picks, clip=clip)
    doubly = None
    if picks.expected is not None and picks.expected_target is not None:
        doubly = above * picks.expected_target + weight * (picks.reward - picks.expected)
    group = picks.decision if picks.customer is None else picks.customer
    unit, units = independent_units(group, random)
    _, first = np.unique(picks.decision, return_index=True)
    decisions = np.bincount(unit[first], minlength=units).astype(np.float64)
    return Weighed(
        picks=picks,
        weight=weight,
        doubly=doubly,
        clipped=clipped,
        unit=unit,
        decisions=decisions,
        drawn=draws(units, resamples, random),
        worth=_worth(np.bincount(unit, weights=weight, minlength=units).astype(np.float64)),
        confidence=confidence,
    )


def _worth(weights: FloatArray) -> float:
    """How many equally large units those with these weights (units,) are worth (Kish 1965)."""
    squares = float(weights @ weights)
    return float(weights.sum() ** 2) / squares if squares else float(len(weights))


def _columns(both: Measured) -> list[Measured]:
    return [Measured(value, error) for value, error in zip(both.value.T, both.error.T, strict=True)]
