"""`evaluate`: the value of a policy by what was logged of another, with intervals, or a refusal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.values import BoolArray, IntArray
from nba_engine.learning.evaluation.estimators import Sums, effective_sample_size
from nba_engine.learning.evaluation.found import Estimate, Evaluation, Part, Place
from nba_engine.learning.evaluation.picks import Picks, place_names
from nba_engine.learning.evaluation.support import (
    ENOUGH,
    FEW_CUSTOMERS,
    MeanWeight,
    supported_places,
    weight_note,
)
from nba_engine.learning.evaluation.weighed import Weighed, weigh

__all__ = ["Options", "evaluate"]

_PARTS = 50  # actions or channels that are listed


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How to evaluate. ``clip`` caps the weights; ``positions``: only the first so many."""

    clip: float | None = None
    positions: int | None = None
    confidence: float = 0.95
    resamples: int = 1_000
    seed: int = 1


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
    are of whole customers (without a customer: of decisions), see `interval`.
    """
    chosen = options or Options()
    if chosen.positions is not None:
        picks = picks.where(picks.position < chosen.positions)
    weighed = weigh(
        picks,
        clip=chosen.clip,
        resamples=chosen.resamples,
        confidence=chosen.confidence,
        seed=chosen.seed,
    )
    place, names = place_names(picks)
    places = _judged(weighed, place, names, chosen)
    few = _too_few(weighed)
    kept = np.array([not (one.refused or few) for one in places], dtype=np.bool_)
    supported = bool(kept.any())
    # without any support only what was earned is told: of everything then
    kept |= not supported
    rows = kept[place]
    values = _values(weighed, weighed.place_sums(place, kept))
    sizes = [one.effective_sample_size for one in places if not one.refused or not supported]
    actions, channels, models = (
        () if column is None else _parts(weighed, column, rows, told=supported)
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
        reason="" if supported else _reason(places, few),
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
        notes=tuple(_notes(weighed, places, clipped=chosen.clip is not None)) if supported else (),
        confidence=chosen.confidence,
        resamples=chosen.resamples,
        seed=chosen.seed,
    )


def _judged(
    weighed: Weighed, place: IntArray, names: tuple[str, ...], options: Options
) -> tuple[Place, ...]:
    sums = weighed.place_sums(place, np.ones(len(names), dtype=np.bool_))
    errors = weighed.ratios(sums.weight, sums.picks)
    told = weighed.ratio_estimates(sums.weight, sums.picks)
    means = [
        MeanWeight(one.value, float(measured.error[0]), one.high)
        for one, measured in zip(told, errors, strict=True)
    ]
    return supported_places(
        weighed.picks, weighed.weight, place, names, means, clipped=options.clip is not None
    )


class _Values(NamedTuple):
    logged: Estimate
    estimates: dict[str, Estimate]
    differences: dict[str, Estimate]
    better: dict[str, float]


def _values(weighed: Weighed, sums: Sums) -> _Values:
    at, again = weighed.values(sums)
    told = {name: weighed.estimate(one, again.values[name]) for name, one in at.values.items()}
    return _Values(
        logged=told.pop("logged"),
        estimates=told,
        differences={
            name: weighed.estimate(one, again.differences[name])
            for name, one in at.differences.items()
        },
        better={name: float(np.mean(one.value > 0.0)) for name, one in again.differences.items()},
    )


def _parts(
    weighed: Weighed, column: NDArray[Any], rows: BoolArray, *, told: bool
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
    weight = sums.weight.sum(axis=0)
    targets = weighed.ratio_estimates(sums.weighted, sums.weight)
    parts: list[Part] = []
    for i, label in enumerate(listed.tolist()):
        parts.append(
            Part(
                name=str(labels[label]),
                picks=int(picks[label]),
                logged_share=float(picks[label] / picks.sum()),
                target_share=float(weight[i] / max(weighed.weight[rows].sum(), 1e-300)),
                logged=float(sums.reward[:, i].sum() / picks[label]),
                target=targets[i] if told and size[i] >= ENOUGH else None,
                effective_sample_size=float(size[i]),
            )
        )
    return tuple(parts)


def _too_few(weighed: Weighed) -> str:
    """Why nothing can be told of so few customers, or nothing."""
    if weighed.picks.customer is None or weighed.worth >= FEW_CUSTOMERS:
        return ""
    count = len(np.unique(weighed.picks.customer))
    return (
        f"not enough support: {count:,} customers, whose weights are worth {weighed.worth:,.0f} equally "
        f"large ones, below {FEW_CUSTOMERS:.0f}: what one customer gets is not independent"
    )


def _reason(places: tuple[Place, ...], few: str) -> str:
    """Why no place can be judged: the reason of the one with the most picks, named if not alone."""
    if any(not one.refused for one in places):
        return few
    worst = max(places, key=lambda one: one.picks)
    where = f" ({worst.place})" if len(places) > 1 else ""
    return f"not enough support{where}: {worst.refused}"


def _notes(weighed: Weighed, places: tuple[Place, ...], *, clipped: bool) -> list[str]:
    notes = [f"{one.place} is left out: {one.refused}" for one in places if one.refused]
    judged = [one for one in places if not one.refused]
    notes += filter(None, (weight_note(one, clipped=clipped) for one in judged))
    if weighed.picks.customer is not None and weighed.worth < ENOUGH:
        notes.append(
            f"the customers are worth {weighed.worth:,.0f} equally large ones: few; the intervals "
            "are wider for that"
        )
    if weighed.clipped:
        notes.append(
            f"{weighed.clipped:.1%} of the weights were capped: the values of IPS and DR are too "
            "close to what was capped, usually too low"
        )
    return notes
