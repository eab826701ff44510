"""How good a propensity model is: log-loss, AUC, calibration, recall, lift. numpy only.

Everywhere ``label`` (n,) is 0 or 1, ``probability`` or ``score`` (n,) is the prediction.
"""

from __future__ import annotations

from typing import Literal

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba_engine.domain.values import FloatArray

__all__ = [
    "Reliability",
    "auc",
    "ece",
    "lift",
    "log_loss",
    "recall_at_k",
    "reliability",
]

Bins = Literal["width", "mass"]


class Reliability(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Predicted against observed, one entry per bin that is not empty."""

    count: NDArray[np.intp]
    predicted: FloatArray  # mean probability
    observed: FloatArray  # share of positives


def log_loss(label: ArrayLike, probability: ArrayLike, *, smallest: float = 1e-15) -> float:
    """Mean negative log-likelihood in nats; probabilities are kept ``smallest`` off 0 and 1."""
    y, p = _pair(label, probability)
    p = np.clip(p, smallest, 1.0 - smallest)
    return float(-np.mean(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


def auc(label: ArrayLike, score: ArrayLike) -> float:
    """Area under the ROC curve: P(a positive scores above a negative), ties count half.

    Mann and Whitney's U from mid-ranks. Raises `ValueError` when one class is missing.
    """
    y, s = _pair(label, score)
    positives = float(y.sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        raise ValueError("AUC needs positives and negatives")
    _, place, count = np.unique(s, return_inverse=True, return_counts=True)
    middle = np.cumsum(count) - (count - 1) / 2.0
    ranks = middle[place]
    return float((ranks[y > 0].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def reliability(
    label: ArrayLike, probability: ArrayLike, *, bins: int = 20, by: Bins = "width"
) -> Reliability:
    """Predicted against observed in ``bins`` of equal width over [0, 1] or of equal mass."""
    y, p = _pair(label, probability)
    if by == "width":
        place = np.clip((p * bins).astype(np.intp), 0, bins - 1)
    else:
        place = np.empty(len(p), dtype=np.intp)
        place[np.argsort(p, kind="stable")] = np.arange(len(p)) * bins // max(len(p), 1)
    count = np.bincount(place, minlength=bins)
    used = count > 0
    predicted = np.bincount(place, weights=p, minlength=bins)[used] / count[used]
    observed = np.bincount(place, weights=y, minlength=bins)[used] / count[used]
    return Reliability(count=count[used], predicted=predicted, observed=observed)


def ece(label: ArrayLike, probability: ArrayLike, *, bins: int = 20, by: Bins = "width") -> float:
    """Expected calibration error: the mean gap between predicted and observed, weighted by bin (Naeini et al. 2015)."""
    table = reliability(label, probability, bins=bins, by=by)
    gaps = np.abs(table.predicted - table.observed)
    return float(np.average(gaps, weights=table.count))


def recall_at_k(
    group: ArrayLike,
    label: ArrayLike,
    score: ArrayLike,
    k: int,
    *,
    average: Literal["pooled", "groups"] = "pooled",
) -> float:
    """Positives among the k best scores of each group, over all positives.

    ``group`` (n,) names the list a row belongs to (a customer at one anchor). ``pooled`` divides
    the sum of hits by the sum of positives; ``groups`` is the mean share over the groups with a
    positive. Among equal scores the earlier row comes first. Raises `ValueError` without positives.
    """
    y, s = _pair(label, score)
    groups = np.unique(np.asarray(group), return_inverse=True)[1].reshape(-1)
    if groups.shape != y.shape:
        raise ValueError(f"{len(groups)} groups for {len(y)} labels")
    if not y.sum():
        raise ValueError("recall needs positives")
    order = np.lexsort((-s, groups))
    sizes = np.bincount(groups)
    starts = np.repeat(np.cumsum(sizes) - sizes, sizes)
    top = np.arange(len(order)) - starts < k
    hits = np.bincount(groups[order], weights=y[order] * top)
    positives = np.bincount(groups, weights=y)
    if average == "pooled":
        return float(hits.sum() / positives.sum())
    some = positives > 0
    return float(np.mean(hits[some] / positives[some]))


def lift(label: ArrayLike, score: ArrayLike, *, share: float = 0.1) -> float:
    """Rate of positives among the best ``share`` of the scores over the rate of all.

    Of equal scores at the edge each counts in part: who knows nothing has a lift of 1.
    """
    y, s = _pair(label, score)
    if not y.sum():
        raise ValueError("lift needs positives")
    size = max(1, round(len(s) * share))
    edge = np.partition(s, len(s) - size)[len(s) - size]
    above, at_edge = s > edge, s == edge
    hits = y[above].sum() + (size - above.sum()) * y[at_edge].mean()
    return float(hits / size / y.mean())


def _pair(label: ArrayLike, prediction: ArrayLike) -> tuple[FloatArray, FloatArray]:
    y = np.asarray(label, dtype=np.float64)
    p = np.asarray(prediction, dtype=np.float64)
    if y.ndim != 1 or y.shape != p.shape or not len(y):
        raise ValueError(f"labels of shape {y.shape} and predictions of shape {p.shape}")
    if not np.all((y == 0.0) | (y == 1.0)):
        raise ValueError("labels must be 0 or 1")
    if not np.all(np.isfinite(p)):
        raise ValueError("predictions must be finite")
    return y, p
