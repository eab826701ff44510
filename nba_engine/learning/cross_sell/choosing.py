"""The choice: both methods with all their strengths on held-out baskets, or neither."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np

from nba_engine.domain.values import FloatArray, IntArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.cross_sell.baskets import Baskets, halved, split
from nba_engine.learning.cross_sell.weights import ease, log_lift, top_complements
from nba_engine.learning.resampling import Interval, mean_interval
from nba_engine.models import CsrTable

__all__ = ["PENALTIES", "SHRINKS", "Fit", "Judged", "Tried", "fit_cross_sell"]

Method = Literal["popularity", "log_lift", "ease"]
PENALTIES = (10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0)
SHRINKS = (1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0)
_LEAST = 50  # baskets to judge by: with fewer an interval means nothing
_ROWS = 2_000  # baskets scored at once


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """One method with one strength of shrinking, on the baskets to choose by."""

    method: Method
    parameter: float
    recall: float


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A method with its best strength on the baskets that nothing was chosen by."""

    method: Method
    parameter: float
    recall: Interval
    gain: Interval  # recall less that of popularity, basket by basket


class Fit(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """What came out. ``table`` is None when popularity is not beaten: then nothing is worth serving.

    ``judged``: popularity first. ``baskets``: used, to choose by and to judge by (of two items and
    more). ``by_time``: the baskets that judge are later than those that were learned from.
    """

    chosen: Method
    parameter: float
    table: CsrTable | None
    tried: tuple[Tried, ...]
    judged: tuple[Judged, ...]
    baskets: tuple[int, int, int]
    by_time: bool
    top: int
    seed: int
    items: tuple[str, ...]
    left_out: int

    @property
    def winner(self) -> Judged:
        """The method that was best on the baskets to choose by, whether it beats popularity or not."""
        return next(one for one in self.judged if one.method == self.best)

    @property
    def best(self) -> Method:
        """Its name."""
        return max(self.tried, key=lambda one: one.recall).method


def fit_cross_sell(
    baskets: Baskets,
    *,
    substitutes: Mapping[str, Collection[str]] | None = None,
    m: int = 20,
    top: int = 10,
    seed: int = 2017,
    penalties: Sequence[float] = PENALTIES,
    shrinks: Sequence[float] = SHRINKS,
    tick: Callable[[str], None] = lambda _: None,
) -> Fit:
    """Choose EASE^R or shrunk log-lift with its strength, judge it, and fit it to all baskets.

    Of every held-out basket half is known, and recall@``top`` is the share of the other half among
    the best scores of all items not known. What is scored is what would be served: the ``m``
    strongest positive weights per item, substitutes left out. EASE's weights are summed; lift says
    how much more often than usual, so it multiplies popularity. 70% of the baskets are learned
    from, 15% choose, 15% judge. Popularity must be beaten by more than chance (95% bootstrap
    interval over customers), otherwise ``table`` is None.

    Raises `FailedPrecondition` with fewer than 50 baskets of two items to choose or to judge by.
    ``tick`` is called with a word for every step (number of strengths + 2).
    """
    random = np.random.default_rng(seed)
    parts = split(baskets, random)
    matrix = baskets.matrix
    masked = dict(substitutes or {})

    def table(method: Method, parameter: float, rows: IntArray) -> FloatArray:
        return _served(_weights(method, parameter, matrix[rows]), baskets.items, masked, m)

    known, wanted, _ = _enough(matrix[parts.choose], random, "to choose by")
    reach = _reach(matrix[parts.train])
    tried = []
    grid: list[tuple[Method, float]] = [("ease", one) for one in penalties]
    grid += [("log_lift", one) for one in shrinks]
    for method, parameter in grid:
        weights = table(method, parameter, parts.train)
        recall = _recall(known, wanted, _scores(method, weights, reach), top)
        tried.append(Tried(method=method, parameter=parameter, recall=float(recall.mean())))
        tick(f"{method} {parameter:g}")
    best = {
        method: max((one for one in tried if one.method == method), key=lambda one: one.recall)
        for method in ("ease", "log_lift")
    }
    chosen = max(best.values(), key=lambda one: one.recall)
    past = np.concatenate([parts.train, parts.choose])
    known, wanted, usable = _enough(matrix[parts.test], random, "to judge by")
    judges = baskets.customer[parts.test][usable]
    reach = _reach(matrix[past])
    found: dict[tuple[Method, float], FloatArray] = {
        ("popularity", 0.0): _recall(known, wanted, _scores("popularity", None, reach), top)
    }
    for one in best.values():
        weights = table(one.method, one.parameter, past)
        scores = _scores(one.method, weights, reach)
        found[one.method, one.parameter] = _recall(known, wanted, scores, top)
    popular = found["popularity", 0.0]
    judged = tuple(
        Judged(
            method=method,
            parameter=parameter,
            recall=mean_interval(recall, judges, random=random),
            gain=mean_interval(recall - popular, judges, random=random),
        )
        for (method, parameter), recall in found.items()
    )
    tick("judged")
    gain = next(one.gain for one in judged if one.method == chosen.method)
    better = gain.low > 0.0
    final = None
    if better:
        whole = _weights(chosen.method, chosen.parameter, matrix)
        final = top_complements(whole, baskets.items, masked, m)
    tick("fitted")
    return Fit(
        chosen=chosen.method if better else "popularity",
        parameter=chosen.parameter if better else 0.0,
        table=final,
        tried=tuple(tried),
        judged=judged,
        baskets=(matrix.shape[0], len(parts.choose), int(usable.sum())),
        by_time=baskets.timed,
        top=top,
        seed=seed,
        items=baskets.items,
        left_out=baskets.left_out,
    )


def _weights(method: Method, parameter: float, matrix: Any) -> FloatArray:
    return ease(matrix, parameter) if method == "ease" else log_lift(matrix, parameter)


def _served(
    weights: FloatArray, items: Sequence[str], masked: Mapping[str, Collection[str]], m: int
) -> FloatArray:
    """The weights as a table of ``m`` per item would serve them, (items, items)."""
    table = top_complements(weights, items, masked, m)
    dense = np.zeros_like(weights)
    rows = np.repeat(np.arange(len(items)), np.diff(table.indptr))
    dense[rows, table.indices] = table.strength
    return dense


def _reach(matrix: Any) -> FloatArray:
    """Share of baskets with the item, (items,), never 0."""
    count: FloatArray = np.asarray(matrix.sum(axis=0), dtype=np.float64).reshape(-1)
    return (count + 0.5) / (float(matrix.shape[0]) + 1.0)


def _scores(
    method: Method, weights: FloatArray | None, reach: FloatArray
) -> Callable[[Any], FloatArray]:
    """Scores (rows, items) of known halves; what no weight tells apart is told by popularity."""

    def scores(known: Any) -> FloatArray:
        if weights is None:
            return np.tile(reach, (known.shape[0], 1))
        summed = np.asarray(known @ weights, dtype=np.float64)
        return summed + (np.log(reach) if method == "log_lift" else 1e-9 * reach)

    return scores


def _recall(known: Any, wanted: Any, scores: Callable[[Any], FloatArray], top: int) -> FloatArray:
    """Share of what is wanted among the best ``top`` scores of what is not known, per basket."""
    found = []
    for start in range(0, known.shape[0], _ROWS):
        here, there = known[start : start + _ROWS], wanted[start : start + _ROWS]
        score = scores(here)
        score[np.repeat(np.arange(here.shape[0]), np.diff(here.indptr)), here.indices] = -np.inf
        cut = min(top, score.shape[1])
        best = np.argpartition(-score, cut - 1, axis=1)[:, :cut]
        hits = np.take_along_axis(there.toarray(), best, axis=1).sum(axis=1)
        found.append(hits / np.diff(there.indptr))
    return np.concatenate(found)


def _enough(matrix: Any, random: np.random.Generator, what: str) -> tuple[Any, Any, Any]:
    known, wanted, usable = halved(matrix, random)
    if known.shape[0] < _LEAST:
        raise FailedPrecondition(
            f"only {known.shape[0]} baskets of two items and more are there {what}, "
            f"and {_LEAST} are needed: about {_LEAST * 7} in all"
        )
    return known, wanted, usable
