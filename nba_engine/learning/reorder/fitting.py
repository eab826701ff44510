"""Which categories have a cycle, and whether waiting for a customer's own beats one window for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

import msgspec
import numpy as np

from nba_engine.domain import AggregateSpec
from nba_engine.domain.fitted import DAY, Fitted, ReorderPrior
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.learning.affinity import Events
from nba_engine.learning.reorder.cycles import (
    Pace,
    cycle_of,
    fit_pace,
    log_likelihood,
    log_survival,
    quantile,
    still_there,
)
from nba_engine.learning.reorder.gaps import Gaps, gaps_of
from nba_engine.learning.resampling import Interval, mean_interval, weighted_interval

__all__ = ["CategoryCycle", "ReorderFinding", "fit_reorder"]

LEAST = 100  # gaps that ended, before and after the cut: with less nothing can be shown
RISES = 1.2  # the least shape: below, need hardly rises after a purchase
AHEAD = 7.0  # days: an offer was in time when it is bought within them


class CategoryCycle(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one category; ``gain``: log-likelihood per held-out gap over chance."""

    category: str
    purchases: int
    shape: float | None = None
    wait: float | None = None  # days, of a customer without a gap of their own
    usual: float | None = None
    gain: Interval | None = None
    refusal: str = ""


class ReorderFinding(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it. ``hits``: bought within `AHEAD` days, of all that is offered, by policy.

    All policies offer equally often. ``gain``: of the customer's own wait over the best other one.
    Without ``fitted`` it was refused.
    """

    categories: tuple[CategoryCycle, ...]
    offers: int
    hits: Mapping[str, float]
    gain: Interval | None
    fitted: Fitted | None
    refusal: str = ""

    @property
    def judged(self) -> bool:
        """Whether there was enough to judge it by."""
        return any(one.shape is not None for one in self.categories)


def fit_reorder(
    events: Events,
    spec: AggregateSpec,
    *,
    windows: Mapping[str, float] | None = None,
    share: float = 0.25,
    hold_out: float = 0.25,
    random: np.random.Generator,
    progress: Callable[[int, int], None] = lambda _done, _all: None,
) -> ReorderFinding:
    """Fit every category, keep those with a cycle, and compare the windows that follow from it.

    ``windows``: days for which a category is not offered now (the catalog's ``owned_for``), 14 if it
    says none; ``share`` of such customers have bought again when the wait is over; the last
    ``hold_out`` of the time is held out.
    """
    if len(events.time) < 2 * LEAST:
        return _none(f"{len(events.time):,} purchases are too few")
    begin, end = float(events.time.min()), float(events.time.max())
    cut = end - hold_out * (end - begin)
    known, everything = gaps_of(events, cut), gaps_of(events, end + 1.0)
    found: list[CategoryCycle] = []
    paces: dict[int, tuple[Pace, Pace]] = {}  # of the first part of the time, of all
    for at, word in enumerate(events.words):
        cycle, both = _category(
            word, known.where(known.word == at), everything, at, cut, share, random
        )
        found.append(cycle)
        if both is not None:
            paces[at] = both
        progress(at + 1, len(events.words))
    if not paces:
        return _none(
            "no category has a cycle: how long ago a thing was bought does not tell when it is bought "
            "again",
            tuple(found),
        )
    given = {at: (windows or {}).get(events.words[at], 14.0) for at in paces}
    offers, hits, gain = _compared(
        events, known, {at: one for at, (one, _) in paces.items()}, given, share, cut, end, random
    )
    refusal = ""
    if not gain.low > 0:
        best = max((name for name in hits if name != _OWN), key=hits.__getitem__)
        refusal = f"the customers' own windows do no better than {best}"
    prior = ReorderPrior(
        cycles={events.words[at]: cycle_of(pace, share) for at, (_, pace) in paces.items()},
        share=share,
    )
    fitted = Fitted(by=spec.by, half_life=spec.half_life, types=spec.types, prior=prior)
    return ReorderFinding(
        categories=tuple(found),
        offers=offers,
        hits=hits,
        gain=gain,
        fitted=None if refusal else fitted,
        refusal=refusal,
    )


_OWN = "the customer's own window"


def _none(why: str, categories: tuple[CategoryCycle, ...] = ()) -> ReorderFinding:
    return ReorderFinding(
        categories=categories, offers=0, hits={}, gain=None, fitted=None, refusal=why
    )


def _category(
    word: str,
    known: Gaps,
    everything: Gaps,
    at: int,
    cut: float,
    share: float,
    random: np.random.Generator,
) -> tuple[CategoryCycle, tuple[Pace, Pace] | None]:
    """Fit before the cut, compare with chance after it."""
    mine = everything.where(everything.word == at)
    later = mine.where(mine.start + mine.days * DAY > cut)
    told = CategoryCycle(
        category=word,
        purchases=len(mine.days),
    )
    if min(int((~known.open).sum()), int((~later.open).sum())) < LEAST:
        return msgspec.structs.replace(told, refusal="too few purchases"), None
    pace = fit_pace(known)
    if pace.shape < RISES:  # whatever else there is to say of it
        return msgspec.structs.replace(told, shape=pace.shape, refusal="bought at random"), None
    chance = fit_pace(known, memoryless=True)
    later = still_there(later, float(np.median(known.days[~known.open])))
    better = _conditional(later, pace, cut) - _conditional(later, chance, cut)
    gain = mean_interval(better, later.customer, random=random, resamples=500)
    final = fit_pace(mine, start=pace)
    cycle = cycle_of(final, share)
    told = msgspec.structs.replace(
        told,
        shape=final.shape,
        wait=cycle.wait[0] * cycle.b / cycle.a,
        usual=cycle.usual[0] * cycle.b / cycle.a,
        gain=gain,
    )
    if final.shape < RISES or not gain.low > 0:
        return msgspec.structs.replace(told, refusal="bought at random"), None
    return told, (pace, final)


def _conditional(gaps: Gaps, pace: Pace, cut: float) -> FloatArray:
    """log-likelihood of gaps, given that those begun before the cut lasted until then, (n,)."""
    before = np.maximum((cut - gaps.start) / DAY, 0.0)
    return log_likelihood(gaps, pace) - np.where(before > 0, log_survival(gaps, pace, before), 0.0)


class _Moments(NamedTuple):
    """Every week of the held-out time, everybody who bought the category before: (n,)."""

    customer: IntArray
    word: IntArray
    elapsed: FloatArray
    bought: BoolArray
    known: Gaps


def _compared(
    events: Events,
    known: Gaps,
    paces: Mapping[int, Pace],
    given: Mapping[int, float],
    share: float,
    cut: float,
    end: float,
    random: np.random.Generator,
) -> tuple[int, dict[str, float], Interval]:
    """Offers, hits by policy, and the gain of the customers' own windows, at equally many offers."""
    moments = _moments(events, frozenset(paces), cut, end)
    fixed, middle, own = (np.empty(len(moments.word)) for _ in range(3))
    for at, pace in paces.items():
        mine = moments.word == at
        gaps = moments.known.where(mine)
        fixed[mine] = moments.elapsed[mine] / given[at]
        middle[mine] = moments.elapsed[mine] / np.median(
            known.days[(known.word == at) & ~known.open]
        )
        own[mine] = moments.elapsed[mine] / quantile(gaps, pace, share)
    offers = int((own >= 1.0).sum())
    scores = {"one window for all": fixed, "the category's median gap": middle, _OWN: own}
    picked = {name: _first(score, offers) for name, score in scores.items()}
    hits = {name: float(moments.bought[mask].mean()) for name, mask in picked.items()}
    best = max((name for name in hits if name != _OWN), key=hits.__getitem__)
    code = np.unique(moments.customer, return_inverse=True)[1].reshape(-1)
    width = int(code.max()) + 1

    def sums(mask: BoolArray) -> tuple[FloatArray, FloatArray]:
        both = (moments.bought & mask, mask)
        hit, all_ = (
            np.bincount(code, weights=one.astype(np.float64), minlength=width) for one in both
        )
        return np.asarray(hit, dtype=np.float64), np.asarray(all_, dtype=np.float64)

    (own_hit, own_all), (other_hit, other_all) = sums(picked[_OWN]), sums(picked[best])
    gain = weighted_interval(
        lambda w: float(w @ own_hit / (w @ own_all) - w @ other_hit / (w @ other_all)),
        width,
        random=random,
        resamples=500,
    )
    return offers, hits, gain


def _first(score: FloatArray, number: int) -> BoolArray:
    """The ``number`` highest."""
    chosen = np.zeros(len(score), dtype=np.bool_)
    chosen[np.argsort(-score, kind="stable")[:number]] = True
    return chosen


def _moments(events: Events, words: frozenset[int], cut: float, end: float) -> _Moments:
    """Every `AHEAD` days, as long as what follows is known."""
    step = AHEAD * DAY
    parts: list[tuple[Gaps, FloatArray, BoolArray]] = []
    wanted = np.isin(events.word, list(words))
    mine = Events(
        events.customers,
        events.words,
        events.customer[wanted],
        events.word[wanted],
        events.time[wanted],
        events.positive[wanted],
    )
    everything = gaps_of(mine, end + 1.0)
    for now in np.arange(cut, end - step, step).tolist():
        running = (everything.start < now) & (everything.start + everything.days * DAY >= now)
        gaps = everything.where(running)
        bought = ~gaps.open & (gaps.start + gaps.days * DAY < now + step)
        parts.append((gaps, (now - gaps.start) / DAY, bought))
    known = Gaps(*(np.concatenate(columns) for columns in zip(*(p[0] for p in parts), strict=True)))
    return _Moments(
        known.customer,
        known.word,
        np.concatenate([elapsed for _, elapsed, _ in parts]),
        np.concatenate([bought for _, _, bought in parts]),
        known,
    )
