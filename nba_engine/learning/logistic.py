"""Logistic regression with its strength of regularization and its calibration from later data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from nba_engine.domain.values import FloatArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.calibration import platt, sigmoid
from nba_engine.learning.metrics import log_loss

__all__ = [
    "LogisticModel",
    "WideLogisticModel",
    "check_training",
    "train_logistic",
    "train_wide_logistic",
]

Rows = NDArray[np.floating[Any]]

STRENGTHS = (0.01, 0.1, 1.0, 10.0)


class LogisticModel(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Weights (f,) over the features as they are (the standardization is folded in).

    P = sigmoid(a · (x·weights + bias) + b) with the Platt calibration (a, b).
    """

    weights: FloatArray
    bias: float
    calibration: tuple[float, float]
    strength: float  # the C that was best on the validation period
    validation_log_loss: float

    def logits(self, rows: Rows) -> FloatArray:
        """Log-odds before calibration, (n,)."""
        result: FloatArray = rows.astype(np.float64, copy=False) @ self.weights + self.bias
        return result

    def predict(self, rows: Rows) -> FloatArray:
        """Calibrated probabilities, (n,)."""
        a, b = self.calibration
        return sigmoid(a * self.logits(rows) + b)


class WideLogisticModel(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One logistic regression per action over the same features: weights (f, a)."""

    outputs: tuple[str, ...]
    weights: FloatArray
    bias: FloatArray
    calibration: FloatArray  # (2, a)

    def predict(self, rows: Rows) -> FloatArray:
        """Calibrated probabilities, (n, a)."""
        logits = rows.astype(np.float64, copy=False) @ self.weights + self.bias
        return sigmoid(self.calibration[0] * logits + self.calibration[1])


def train_logistic(
    rows: Rows,
    label: NDArray[Any],
    validation_rows: Rows,
    validation_label: NDArray[Any],
    *,
    strengths: Sequence[float] = STRENGTHS,
    select_rows: int = 400_000,
    seed: int = 0,
    max_iterations: int = 500,
) -> LogisticModel:
    """L2 logistic regression (lbfgs) on standardized features, with Platt calibration.

    ``rows`` (n, f) must be finite: missing values are filled with the manifest's defaults, as in
    serving. ``strengths`` (scikit-learn's C, for all rows) are compared by log-loss on the
    validation period, on a seeded sample of at most ``select_rows`` training rows. The validation
    rows must be later than the training rows: splitting at random would leak.

    Raises `FailedPrecondition` for rows that are not finite or labels of one class.
    """
    check_training(rows, label, "training")
    check_training(validation_rows, validation_label, "validation")
    mean = rows.mean(axis=0, dtype=np.float64)
    # column by column: a float64 copy of all rows would not fit beside them
    scale = np.array([column.std(dtype=np.float64) for column in rows.T])
    scale[scale < 1e-12] = 1.0  # a constant column says nothing and must not divide by 0
    scaled, later = _scaled(rows, mean, scale), _scaled(validation_rows, mean, scale)
    strength = strengths[0]
    if len(strengths) > 1:
        sample = _sample(label, select_rows, seed)
        # C weighs the summed loss of the rows: fewer rows need a larger one for the same penalty
        share = len(sample) / len(label)
        losses = []
        for candidate in strengths:
            tried = _fit(scaled[sample], label[sample], candidate / share, max_iterations)
            losses.append(log_loss(validation_label, tried.predict_proba(later)[:, 1]))
        strength = strengths[int(np.argmin(losses))]
    fitted = _fit(scaled, label, strength, max_iterations)
    weights = fitted.coef_[0].astype(np.float64) / scale
    bias = float(fitted.intercept_[0]) - float(weights @ mean)
    logit = validation_rows.astype(np.float64, copy=False) @ weights + bias
    a, b = platt(logit, validation_label)
    return LogisticModel(
        weights=weights,
        bias=bias,
        calibration=(a, b),
        strength=strength,
        validation_log_loss=log_loss(validation_label, sigmoid(a * logit + b)),
    )


def train_wide_logistic(
    rows: Rows,
    labels: NDArray[Any],
    validation_rows: Rows,
    validation_labels: NDArray[Any],
    outputs: Sequence[str],
    *,
    strengths: Sequence[float] = STRENGTHS,
    max_iterations: int = 500,
) -> WideLogisticModel:
    """One `train_logistic` per action: ``labels`` (n, a) for ``outputs``, the action ids.

    Raises `FailedPrecondition`, naming the action, when one cannot be trained.
    """
    models = []
    for place, action in enumerate(outputs):
        try:
            models.append(
                train_logistic(
                    rows,
                    labels[:, place],
                    validation_rows,
                    validation_labels[:, place],
                    strengths=strengths,
                    max_iterations=max_iterations,
                )
            )
        except FailedPrecondition as error:
            raise FailedPrecondition(f"{action}: {error.message}") from error
    return WideLogisticModel(
        outputs=tuple(outputs),
        weights=np.stack([model.weights for model in models], axis=1),
        bias=np.array([model.bias for model in models]),
        calibration=np.array([model.calibration for model in models]).T,
    )


def check_training(rows: Rows, label: NDArray[Any], what: str) -> None:
    """Raise `FailedPrecondition` for data that no model can be trained on."""
    if rows.ndim != 2 or label.shape != (len(rows),):
        message = f"{what}: rows of shape {rows.shape} with labels of shape {label.shape}"
        raise FailedPrecondition(message)
    finite = np.isfinite(rows).all(axis=0)
    if not finite.all():
        columns = ", ".join(map(str, np.flatnonzero(~finite)))
        raise FailedPrecondition(
            f"{what}: columns {columns} hold values that are not finite; fill in the defaults"
        )
    if not np.isin(label, (0, 1)).all() or label.min() == label.max():
        raise FailedPrecondition(f"{what}: labels must be 0 and 1, with both present")


def _scaled(rows: Rows, mean: FloatArray, scale: FloatArray) -> Rows:
    kind = np.float32 if rows.dtype == np.float32 else np.float64
    result: Rows = (rows - mean.astype(kind)) / scale.astype(kind)
    return result


def _sample(label: NDArray[Any], count: int, seed: int) -> NDArray[np.intp]:
    if len(label) <= count:
        return np.arange(len(label))
    chosen = np.random.default_rng(seed).choice(len(label), count, replace=False)
    if label[chosen].min() == label[chosen].max():
        raise FailedPrecondition("training: the sample for choosing C holds one class only")
    return np.sort(chosen)


def _fit(rows: Rows, label: NDArray[Any], strength: float, max_iterations: int) -> Any:
    model = LogisticRegression(C=strength, solver="lbfgs", max_iter=max_iterations)
    return model.fit(rows, label)
