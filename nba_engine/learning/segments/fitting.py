"""Segments: chosen, matched to the last fit, named, and compared with RFM quintiles."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np
from scipy.optimize import linear_sum_assignment

from nba_engine.domain import Feature
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.resampling import Interval, weighted_interval
from nba_engine.learning.segments.behavior import Behavior
from nba_engine.learning.segments.groups import Choice, centers_of, choose_groups, nearest
from nba_engine.learning.segments.naming import Trait, names_of, traits_of, words_of

__all__ = ["Last", "Segment", "Segments", "fit_segments", "matched", "rfm_bands"]

_LEAST = 200  # customers
_SAME = 0.3  # least share (Jaccard) of customers in common for a group to be the same one
_QUINTILES = (0.2, 0.4, 0.6, 0.8)


class Last(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The last fit: ``ids`` and ``names`` of its groups, and where it puts these customers (n,)."""

    ids: tuple[str, ...]
    names: tuple[str, ...]
    label: IntArray
    next_id: int


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One group. ``id`` stays from fit to fit as long as its customers do; ``name`` may be edited."""

    id: str
    name: str
    description: str
    share: float
    traits: tuple[Trait, ...]
    value: float | None = None
    channels: Mapping[str, float] = {}
    kept: bool = False  # matched to a group of the last fit


class Segments(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The fit. Without ``segments`` behavior is no better described by groups than by one.

    A row x belongs to the nearest of ``centers`` (g, f) after (x - mean) / scale. ``explained``,
    ``rfm``: share of the variance of behavior that the groups, or as many bands of RFM quintile
    scores, explain of customers they were not made from; ``gain``: the former less the latter.
    ``forced``: the number was asked for, and the groups are not shown to be there.
    """

    choice: Choice
    segments: tuple[Segment, ...]
    behavior: Behavior
    label: IntArray
    mean: FloatArray
    scale: FloatArray
    centers: FloatArray
    explained: Interval | None
    rfm: Interval | None
    gain: Interval | None
    rfm_columns: tuple[str, ...]
    forced: bool
    next_id: int
    seed: int


def fit_segments(
    behavior: Behavior,
    *,
    last: Last | None = None,
    groups: int = 0,
    most: int = 8,
    references: int = 12,
    rfm: Sequence[str] = ("recency", "frequency", "monetary"),
    seed: int = 2017,
    tick: Callable[[str], None] = lambda _: None,
) -> Segments:
    """Choose how many groups there are (``groups``: as many as asked), and describe them.

    ``rfm``: names of the features for the baseline; all are taken where these are not there.
    Raises `FailedPrecondition` with fewer than 200 customers. ``tick`` is called with a word,
    ``references`` + 2 times.
    """
    rows = behavior.rows.astype(np.float64)
    if len(rows) < _LEAST:
        raise FailedPrecondition(f"{len(rows)} customers are too few: at least {_LEAST} are needed")
    random = np.random.default_rng(seed)
    mean, scale = rows.mean(axis=0), rows.std(axis=0)
    scale[scale < 1e-9] = 1.0
    scaled = (rows - mean) / scale
    before = len(last.ids) if last is not None else 0
    choice = choose_groups(
        scaled,
        random,
        most=max(most, groups),
        references=references,
        before=before,
        tick=lambda: tick("choosing"),
    )
    forced = False
    if groups:
        forced = not any(one.real for one in choice.tried if one.groups == groups)
    count = groups or choice.groups
    names = [feature.name for feature in behavior.features]
    columns = _rfm_columns(names, rfm)
    # quintile scores count what is better: to have been here lately, not long ago
    better = np.array([-1.0 if _is_age(feature) else 1.0 for feature in behavior.features])
    shared = {
        "choice": choice,
        "behavior": behavior,
        "mean": mean,
        "scale": scale,
        "rfm_columns": tuple(names[at] for at in columns),
        "forced": forced,
        "seed": seed,
    }
    if count < 2:
        tick("no groups")
        return Segments(
            segments=(),
            label=np.zeros(len(rows), dtype=np.intp),
            centers=np.zeros((1, rows.shape[1])),
            explained=None,
            rfm=None,
            gain=None,
            next_id=1 if last is None else last.next_id,
            **shared,
        )
    centers = centers_of(scaled, count, random)
    sizes = np.bincount(nearest(scaled, centers), minlength=count)
    order = np.argsort(-sizes, kind="stable")
    centers = centers[order[sizes[order] > 0]]  # customers of few kinds leave groups empty
    count = len(centers)
    label = nearest(scaled, centers)
    explained, banded, gain = _compared(scaled, (rows * better)[:, columns], count, random)
    segments, next_id = _described(behavior, scaled, label, count, last)
    tick("described")
    return Segments(
        segments=segments,
        label=label,
        centers=centers,
        explained=explained,
        rfm=banded,
        gain=gain,
        next_id=next_id,
        **shared,
    )


def matched(label: IntArray, count: int, last: Last) -> dict[int, int]:
    """New group → group of the last fit that holds mostly the same customers, one to one.

    By assignment (Kuhn 1955) of the largest overlaps; pairs with less than 30% in common are new.
    """
    together = np.zeros((count, len(last.ids)))
    np.add.at(together, (label, last.label), 1.0)
    either = together.sum(axis=1)[:, np.newaxis] + together.sum(axis=0) - together
    shared = together / np.maximum(either, 1.0)
    pairs = zip(*linear_sum_assignment(-shared), strict=True)
    return {int(new): int(old) for new, old in pairs if shared[new, old] >= _SAME}


def rfm_bands(scores: FloatArray, known: FloatArray, bands: int) -> IntArray:
    """Bands of the sum of quintile scores (1 to 5 each), as many as asked for and of equal size.

    ``scores`` (n, c): larger is better; quintiles and bands are those of ``known`` (m, c).
    """

    def summed(rows: FloatArray) -> FloatArray:
        edges = np.quantile(known, _QUINTILES, axis=0)
        return np.asarray((rows[:, np.newaxis, :] > edges).sum(axis=(1, 2)), dtype=np.float64)

    cuts = np.quantile(summed(known), np.arange(1, bands) / bands)
    return np.asarray(np.searchsorted(cuts, summed(scores), side="left"), dtype=np.intp)


def _rfm_columns(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    found = [names.index(name) for name in wanted if name in names]
    return found if found and len(found) == len(wanted) else list(range(len(names)))


def _is_age(feature: Feature) -> bool:
    return feature.transform == "days_since" or feature.name == "recency"


def _compared(
    scaled: FloatArray,
    scored: FloatArray,
    count: int,
    random: np.random.Generator,
) -> tuple[Interval, Interval, Interval]:
    """Variance explained of half of the customers by groups and by bands made from the other half."""
    order = random.permutation(len(scaled))
    known, other = order[: len(scaled) // 2], order[len(scaled) // 2 :]
    centers = centers_of(scaled[known], count, random)
    bands = [rfm_bands(scored[part], scored[known], count) for part in (known, other)]
    usual = scaled[known].mean(axis=0)
    means = np.stack(
        [
            scaled[known][bands[0] == one].mean(axis=0) if np.any(bands[0] == one) else usual
            for one in range(count)
        ]
    )
    grouped = _errors(scaled[other], centers[nearest(scaled[other], centers)])
    banded = _errors(scaled[other], means[bands[1]])
    whole = _errors(scaled[other], usual)

    def share(errors: FloatArray) -> Callable[[FloatArray], float]:
        return lambda weight: 1.0 - float(weight @ errors) / float(weight @ whole)

    def interval(figure: Callable[[FloatArray], float]) -> Interval:
        return weighted_interval(figure, len(whole), random=random, resamples=500)

    gain = interval(lambda weight: share(grouped)(weight) - share(banded)(weight))
    return interval(share(grouped)), interval(share(banded)), gain


def _errors(rows: FloatArray, told: FloatArray) -> FloatArray:
    return np.asarray(((rows - told) ** 2).sum(axis=1), dtype=np.float64)


def _described(
    behavior: Behavior, scaled: FloatArray, label: IntArray, count: int, last: Last | None
) -> tuple[tuple[Segment, ...], int]:
    traits = traits_of(behavior.rows, scaled, label, behavior.features)
    kept = matched(label, count, last) if last is not None else {}
    fresh = [group for group in range(count) if group not in kept]
    taken = [last.names[old] for old in kept.values()] if last is not None else []
    given = dict(zip(fresh, names_of([traits[g] for g in fresh], taken=taken), strict=True))
    next_id = 1 if last is None else last.next_id
    segments = []
    for group in range(count):
        member = label == group
        if group in kept and last is not None:
            own, name = last.ids[kept[group]], last.names[kept[group]]
        else:
            own, name = f"s{next_id}", given[group]
            next_id += 1
        segments.append(
            Segment(
                id=own,
                name=name,
                description=words_of(traits[group]),
                share=float(member.mean()),
                traits=tuple(traits[group]),
                value=_mean(behavior.value, member),
                channels=_shares(behavior.channels, member),
                kept=group in kept,
            )
        )
    return tuple(segments), next_id


def _mean(column: FloatArray | None, member: BoolArray) -> float | None:
    """The mean of what is known; None: nothing is."""
    if column is None:
        return None
    known = column[member & ~np.isnan(column)]
    return float(known.mean()) if len(known) else None


def _shares(channels: Mapping[str, FloatArray], member: BoolArray) -> dict[str, float]:
    """The group's contacts or responses by channel, as shares."""
    sums = {name: float(np.nansum(column[member])) for name, column in channels.items()}
    whole = sum(sums.values())
    return {name: amount / whole for name, amount in sums.items()} if whole else {}
