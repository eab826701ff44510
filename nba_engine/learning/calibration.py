"""Platt scaling: a logistic curve over a model's log-odds, fitted on data it was not trained on."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nba_engine.domain.values import FloatArray

__all__ = ["platt", "sigmoid"]

_STEPS = 100
_PRECISE = 1e-10


def sigmoid(logit: NDArray[np.floating]) -> FloatArray:
    """1 / (1 + exp(-logit)), without overflow."""
    half: FloatArray = np.tanh(0.5 * np.asarray(logit, dtype=np.float64))
    return 0.5 * (1.0 + half)


def platt(logit: ArrayLike, label: ArrayLike) -> tuple[float, float]:
    """(a, b) of P = sigmoid(a · logit + b), by maximum likelihood with Platt's softened labels.

    Platt 1999; Newton's method with line search after Lin, Lin and Weng 2007.
    Raises `ValueError` when one class is missing.
    """
    z = np.asarray(logit, dtype=np.float64)
    y = np.asarray(label, dtype=np.float64)
    positives = float(y.sum())
    negatives = len(y) - positives
    if not positives or not negatives:
        raise ValueError("calibration needs positives and negatives")
    target = np.where(y > 0, (positives + 1) / (positives + 2), 1 / (negatives + 2))
    a, b = 0.0, float(np.log((positives + 1) / (negatives + 1)))
    loss = _loss(a * z + b, target)
    for _ in range(_STEPS):
        p = sigmoid(a * z + b)
        slope = p - target
        gradient = np.array([slope @ z, slope.sum()])
        weight = p * (1.0 - p)
        hessian = np.array([[weight @ (z * z), weight @ z], [weight @ z, weight.sum()]])
        step = np.linalg.solve(hessian + 1e-12 * np.eye(2), gradient)
        size, expected = 1.0, 1e-4 * float(gradient @ step)
        new = _loss((a - step[0]) * z + b - step[1], target)
        while new > loss - size * expected and size > _PRECISE:
            size /= 2
            new = _loss((a - size * step[0]) * z + b - size * step[1], target)
        a, b, improved, loss = a - size * step[0], b - size * step[1], loss - new, new
        if improved <= _PRECISE * len(y):
            break
    return float(a), float(b)


def _loss(logit: FloatArray, target: FloatArray) -> float:
    return float(np.sum(np.logaddexp(0.0, logit) - target * logit))
