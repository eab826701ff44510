"""`evaluate`: the value of a policy by what was logged of another, with intervals, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.learning.evaluation.estimators import (
    Sums,
    effective_sample_size,
    place_sums,
    values_of,
)
from nba_engine.learning.evaluation.found import Estimate, Evaluation, Part, Place
from nba_engine.learning.evaluation.picks import Picks, cumulative_weights, ended_above, place_names
from nba_engine.learning.evaluation.resampling import draws, independent_units, interval
from nba_engine.learning.evaluation.support import ENOUGH, supported_places

__all__ = ["Options", "evaluate"]

_PARTS = 50  # actions or channels that are listed
_TOO_HEAVY = 1.1


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to evaluate. ``clip`` caps the weights; ``positions``: only the first so many."""

    clip: float | None = None
    positions: int | None = None
    confidence: float = 0.95
    resamples: int = 1_000
    seed: int = 1


class _Weighed(NamedTuple):
    """The picks with their weights, and how often each independent unit is drawn again."""

    picks: Picks
    weight: FloatArray
    doubly: FloatArray | None  # what each pick adds to DR
    clipped: float
    unit: IntArray
    decisions: FloatArray  # (units,)
    drawn: FloatArray  # (resamples, units)

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


def evaluate(
    picks: Picks,
    *,
    source: str = "",
    reward: str = "reward",
    options: Options | None = None,
    left_out: Mapping[str, int] | None = None,
) -> Evaluation:
    """Estimate what the policy under test would have earned per decision (`check_picks` before).

    A place (a position of a placement) whose effective sample size is below 100, or where the
    logged policy explored nothing although the other would have done something else, is left out
    of all values, and told; where no place remains, the evaluation is not ``supported``. Intervals
    are bootstrap percentiles over customers (without a customer: over decisions).
    """
    chosen = options or Options()
    if chosen.positions is not None:
        picks = picks.where(picks.position < chosen.positions)
    weighed = _weighed(picks, chosen)
    place, names = place_names(picks)
    places = _judged(weighed, place, names, chosen)
    kept = np.array([not one.refused for one in places], dtype=np.bool_)
    supported = bool(kept.any())
    # without any support only what was earned is told: of everything then
    kept |= not supported
    rows = kept[place]
    values = _values(weighed, weighed.place_sums(place, kept), chosen)
    sizes = [one.effective_sample_size for one in places if not one.refused or not supported]
    actions, channels, models = (
        () if column is None else _parts(weighed, column, rows, chosen, told=supported)
        for column in (picks.action, picks.channel, picks.model)
    )
    return Evaluation(
        source=source,
        reward=reward,
        decisions=len(np.unique(picks.decision)),
        customers=None if picks.customer is None else len(np.unique(picks.customer)),
        picks=len(picks),
        logged=values.logged,
        supported=supported,
        reason="" if supported else _reason(places),
        effective_sample_size=min(sizes) if supported else max(sizes),
        largest_weight=float(weighed.weight[rows].max()),
        clip=chosen.clip,
        clipped_share=weighed.clipped,
        estimates=values.estimates if supported else {},
        differences=values.differences if supported else {},
        chance_better=values.better if supported else {},
        places=places,
        actions=actions,
        channels=channels,
        models=models,
        left_out=dict(left_out or {}),
        notes=tuple(_notes(weighed, places)) if supported else (),
        confidence=chosen.confidence,
        resamples=chosen.resamples,
        seed=chosen.seed,
    )


def _weighed(picks: Picks, options: Options) -> _Weighed:
    random = np.random.default_rng(options.seed)
    weight, above, clipped = cumulative_weights(picks, clip=options.clip)
    doubly = None
    if picks.expected is not None and picks.expected_target is not None:
        doubly = above * picks.expected_target + weight * (picks.reward - picks.expected)
    group = picks.decision if picks.customer is None else picks.customer
    unit, units = independent_units(group, random)
    _, first = np.unique(picks.decision, return_index=True)
    decisions = np.bincount(unit[first], minlength=units).astype(np.float64)
    drawn = draws(units, options.resamples, random)
    return _Weighed(picks, weight, doubly, clipped, unit, decisions, drawn)


def _judged(
    weighed: _Weighed,
    place: IntArray,
    names: tuple[str, ...],
    options: Options,
) -> tuple[Place, ...]:
    sums = weighed.place_sums(place, np.ones(len(names), dtype=np.bool_))
    with np.errstate(invalid="ignore"):
        again = (weighed.drawn @ sums.weight) / np.maximum(weighed.drawn @ sums.picks, 1.0)
    high = np.array([interval(column, options.confidence)[1] for column in again.T])
    mean = sums.weight.sum(axis=0) / sums.picks.sum(axis=0)
    # what is capped weighs less on purpose
    limit = np.full(len(names), np.inf) if options.clip is not None else high
    return supported_places(weighed.picks, weighed.weight, place, names, mean, limit)


class _Values(NamedTuple):
    logged: Estimate
    estimates: dict[str, Estimate]
    differences: dict[str, Estimate]
    better: dict[str, float]


def _values(weighed: _Weighed, sums: Sums, options: Options) -> _Values:
    at = values_of(sums, np.ones((1, len(weighed.decisions))))
    again = values_of(sums, weighed.drawn)
    names = [name for name in at if name != "logged"]
    return _Values(
        logged=_estimate(at["logged"], again["logged"], options),
        estimates={name: _estimate(at[name], again[name], options) for name in names},
        differences={
            name: _estimate(at[name] - at["logged"], again[name] - again["logged"], options)
            for name in names
        },
        better={name: float(np.mean(again[name] > again["logged"])) for name in names},
    )


def _estimate(at: FloatArray, again: FloatArray, options: Options) -> Estimate:
    low, high = interval(again, options.confidence)
    return Estimate(value=float(at[0]), low=low, high=high)


def _parts(
    weighed: _Weighed, column: NDArray[Any], rows: BoolArray, options: Options, *, told: bool
) -> tuple[Part, ...]:
    """Each action (channel) by itself, those picked most first; a number only where enough is logged."""
    labels, code = np.unique(column.astype(str), return_inverse=True)
    code = code.reshape(-1)
    picks = np.bincount(code[rows], minlength=len(labels))
    listed = np.argsort(-picks, kind="stable")[:_PARTS]
    listed = listed[picks[listed] > 0]
    rank = np.full(len(labels), -1)
    rank[listed] = np.arange(len(listed))
    rows = rows & (rank[code] >= 0)
    sums = weighed.sums(rank[code], len(listed), rows)
    size = effective_sample_size(weighed.weight[rows], rank[code][rows], len(listed))
    weight, weighted = sums.weight.sum(axis=0), sums.weighted.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        again = (weighed.drawn @ sums.weighted) / (weighed.drawn @ sums.weight)
    parts: list[Part] = []
    for i, label in enumerate(listed.tolist()):
        target = None
        if told and size[i] >= ENOUGH:
            target = _estimate(weighted[i : i + 1] / weight[i], again[:, i], options)
        parts.append(
            Part(
                name=str(labels[label]),
                picks=int(picks[label]),
                logged_share=float(picks[label] / picks.sum()),
                target_share=float(weight[i] / max(weighed.weight[rows].sum(), 1e-300)),
                logged=float(sums.reward[:, i].sum() / picks[label]),
                target=target,
                effective_sample_size=float(size[i]),
            )
        )
    return tuple(parts)


def _reason(places: tuple[Place, ...]) -> str:
    """Why no place can be judged: the reason of the one with the most picks, named if not alone."""
    worst = max(places, key=lambda one: one.picks)
    where = f" ({worst.place})" if len(places) > 1 else ""
    return f"not enough support{where}: {worst.refused}"


def _notes(weighed: _Weighed, places: tuple[Place, ...]) -> list[str]:
    notes = [f"{one.place} is left out: {one.refused}" for one in places if one.refused]
    notes += [
        f"{one.place}: the weights average {one.mean_weight:.2f} instead of 1: check that both "
        "probabilities are of the logged pick, given what stands above it"
        for one in places
        if not one.refused and one.mean_weight > _TOO_HEAVY
    ]
    customers = weighed.picks.customer
    if customers is not None and (count := len(np.unique(customers))) < ENOUGH:
        notes.append(f"only {count} customers: the intervals are wider in truth")
    if weighed.clipped:
        notes.append(
            f"{weighed.clipped:.1%} of the weights were capped: the values of IPS and DR are too "
            "close to what was capped, usually too low"
        )
    return notes
