"""How good scores are: log-loss, AUC, calibration, recall at the top."""

from __future__ import annotations

import msgspec
import numpy as np
from nba_engine.domain import BoolArray, FloatArray, IntArray

__all__ = ["Calibration", "Measures", "calibration", "measure", "recall_at"]


class Measures(msgspec.Struct, frozen=True, kw_only=True):
    """Measures of one scorer on one task; None where scores are no probabilities."""

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
        log_loss=log_loss(flat, hit) if probabilities else None,
        auc=auc(flat, hit),
        ece=expected_calibration_error(flat, hit) if probabilities else None,
        recall=recall_at(scores, bought, among, top=top),
    )


def log_loss(scores: FloatArray, bought: BoolArray) -> float:
    """Mean negative log-likelihood; scores are kept 1e-7 off 0 and 1."""
    p = np.clip(scores, 1e-7, 1 - 1e-7)
    return float(-np.mean(np.where(bought, np.log(p), np.log1p(-p))))


def auc(scores: FloatArray, bought: BoolArray) -> float:
    """P(a bought one scores above one not bought), ties counted half."""
    positives = int(bought.sum())
    if positives in (0, len(bought)):
        return float("nan")
    _, inverse, counts = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(counts) - (counts - 1) / 2.0)[inverse]
    above = rank[bought].sum() - positives * (positives + 1) / 2.0
    return float(above / (positives * (len(bought) - positives)))


def expected_calibration_error(scores: FloatArray, bought: BoolArray, *, bins: int = 20) -> float:
    """Σ over bins of equal width of share × |mean score − share bought|."""
    predicted, seen, _ = _bins(scores, bought, bins)
    return float(np.abs(predicted - seen).sum() / len(scores))


def calibration(scores: FloatArray, bought: BoolArray, *, bins: int = 20) -> Calibration:
    """The reliability picture behind the calibration error."""
    predicted, seen, counts = _bins(scores, bought, bins)
    filled = counts > 0
    return Calibration(
        predicted=tuple((predicted[filled] / counts[filled]).tolist()),
        seen=tuple((seen[filled] / counts[filled]).tolist()),
        counts=tuple(counts[filled].tolist()),
    )


def recall_at(scores: FloatArray, bought: BoolArray, among: BoolArray, *, top: int = 10) -> float:
    """Mean over rows with a purchase: the share of its purchases that its top entries hold."""
    wanted = bought & among
    ranked = np.where(among, scores, -np.inf)
    best = np.argpartition(-ranked, min(top, ranked.shape[1] - 1), axis=1)[:, :top]
    found = np.take_along_axis(wanted, best, axis=1).sum(1)
    count = wanted.sum(1)
    some = count > 0
    return float((found[some] / count[some]).mean())


def _bins(
    scores: FloatArray, bought: BoolArray, bins: int
) -> tuple[FloatArray, FloatArray, IntArray]:
    at = np.minimum((scores * bins).astype(np.intp), bins - 1)
    counts = np.bincount(at, minlength=bins).astype(np.intp)
    predicted = np.bincount(at, scores, minlength=bins)
    seen = np.bincount(at, bought.astype(np.float64), minlength=bins)
    return predicted, seen, counts
