"""The figures of one scorer on one task: log-loss, AUC, calibration, recall at the top."""

from __future__ import annotations

import msgspec
import numpy as np

from nba_engine.domain import BoolArray, FloatArray
from nba_engine.learning import auc, ece, log_loss, reliability

__all__ = ["Calibration", "Measures", "calibration", "measure", "recall_at", "recalls"]

BINS = 20


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of one scorer on one task; None where scores are no probabilities."""

    log_loss: float | None
    auc: float
    ece: float | None
    recall: float  # R@10


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """Predicted and seen shares per bin of equal width; empty bins are left out."""

    predicted: tuple[float, ...]
    seen: tuple[float, ...]
    counts: tuple[int, ...]


def measure(
    scores: FloatArray,
    bought: BoolArray,
    among: BoolArray,
    *,
    probabilities: bool = True,
    top: int = 10,
) -> Measures:
    """Measure scores (n, A) on the entries in ``among`` (n, A); a row is one household."""
    flat, hit = scores[among], bought[among]
    return Measures(
        log_loss=log_loss(hit, flat) if probabilities else None,
        auc=auc(hit, flat),
        ece=ece(hit, flat, bins=BINS) if probabilities else None,
        recall=recall_at(scores, bought, among, top=top),
    )


def calibration(scores: FloatArray, bought: BoolArray) -> Calibration:
    """The reliability picture behind the calibration error."""
    table = reliability(bought, scores, bins=BINS)
    return Calibration(
        predicted=tuple(table.predicted.tolist()),
        seen=tuple(table.observed.tolist()),
        counts=tuple(table.count.tolist()),
    )


def recall_at(scores: FloatArray, bought: BoolArray, among: BoolArray, *, top: int = 10) -> float:
    """Mean over rows with a purchase: the share of its purchases that its top entries hold.

    `nba_engine.learning.recall_at_k` pools all rows instead, where big baskets rule.
    """
    share, some = recalls(scores, bought, among, top=top)
    return float(share[some].mean())


def recalls(
    scores: FloatArray, bought: BoolArray, among: BoolArray, *, top: int = 10
) -> tuple[FloatArray, BoolArray]:
    """Each row's share of its purchases in its top entries, (n,), 0 where it has none; and where not."""
    wanted = bought & among
    ranked = np.where(among, scores, -np.inf)
    best = np.argpartition(-ranked, min(top, ranked.shape[1] - 1), axis=1)[:, :top]
    found = np.take_along_axis(wanted, best, axis=1).sum(1)
    count = wanted.sum(1)
    return np.asarray(found / np.maximum(count, 1), np.float64), count > 0
