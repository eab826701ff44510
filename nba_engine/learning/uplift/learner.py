"""The DR-learner: what showing an action changes, from a randomized log (Kennedy 2020)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.metrics import auc

__all__ = [
    "Effect",
    "Kind",
    "Trial",
    "check_randomized",
    "cross_fitted_scores",
    "fit_effect",
    "folds_of",
    "response_scores",
]

Kind = Literal["trees", "linear", "constant"]
_FOLDS = 5
_LEAST_SHARE = 0.01  # probabilities nearer to 0 or 1 tell next to nothing, and weigh everything
_RIDGE = 0.01  # of the mean square error, on standardized features
_SURE = 4.0  # standard errors of an AUC for "not randomized"

_RESPONSE = {"objective": "binary", "num_leaves": 15, "min_data_in_leaf": 50}
_EFFECT = {"objective": "regression", "num_leaves": 8, "min_data_in_leaf": 100}
_SHARED = {
    "learning_rate": 0.05,
    "use_missing": False,
    "deterministic": True,
    "force_row_wise": True,
    "num_threads": 1,
    "verbosity": -1,
}
_ROUNDS = 60


class Trial(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A randomized log: ``rows`` (n, f) features, ``treated`` (n,), ``outcome`` (n,) 0 or 1.

    ``propensity`` (n,): the probability of being treated, as it was drawn. ``unit`` (n,): rows of one
    customer stay together in every split.
    """

    rows: NDArray[np.float32]
    treated: BoolArray
    outcome: FloatArray
    propensity: FloatArray
    unit: IntArray

    def part(self, chosen: BoolArray | IntArray) -> Trial:
        """Some of its rows."""
        return Trial(
            rows=self.rows[chosen],
            treated=self.treated[chosen],
            outcome=self.outcome[chosen],
            propensity=self.propensity[chosen],
            unit=self.unit[chosen],
        )


class Effect(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The effect of a treatment by customer, in probability.

    ``linear`` and ``constant``: ((x - mean) / scale) · weights + bias; ``trees``: a LightGBM booster.
    """

    kind: Kind
    mean: FloatArray
    scale: FloatArray
    weights: FloatArray
    bias: float
    booster: Any = None

    def predict(self, rows: NDArray[np.float32]) -> FloatArray:
        """Uplift (n,), kept within [-1, 1]."""
        if self.booster is not None:
            told = np.asarray(self.booster.predict(rows), dtype=np.float64)
        else:
            told = ((rows.astype(np.float64) - self.mean) / self.scale) @ self.weights + self.bias
        return np.clip(told, -1.0, 1.0)


def folds_of(unit: IntArray, count: int, random: np.random.Generator) -> IntArray:
    """A fold for every row; rows of one unit share it."""
    _, code = np.unique(unit, return_inverse=True)
    units = int(code.max()) + 1
    fold: IntArray = np.asarray((random.permutation(units) * count // units)[code.reshape(-1)])
    return fold


def check_randomized(trial: Trial, random: np.random.Generator) -> None:
    """Raise `FailedPrecondition` when features tell who was treated though all had one probability.

    By a cross-fitted logistic regression of ``treated``. Where probabilities differ, they are known,
    and so is whatever they depend on.
    """
    share = trial.propensity
    if np.any((share < _LEAST_SHARE) | (share > 1.0 - _LEAST_SHARE)):
        raise FailedPrecondition(
            f"the probability of being treated must be between {_LEAST_SHARE:g} and "
            f"{1.0 - _LEAST_SHARE:g} in every row: leave out rows where there was no chance"
        )
    if float(np.ptp(share)) > 1e-9:
        return
    fold = folds_of(trial.unit, 2, random)
    told = np.empty(len(fold))
    scaled = _standardized(trial.rows)
    for one in (0, 1):
        fitted = LogisticRegression(C=0.1).fit(scaled[fold != one], trial.treated[fold != one])
        told[fold == one] = fitted.decision_function(scaled[fold == one])
    found = auc(trial.treated.astype(np.float64), told)
    some, others = float(trial.treated.sum()), float((~trial.treated).sum())
    error = np.sqrt((some + others + 1.0) / (12.0 * some * others))
    if found > 0.5 + _SURE * error + 0.01:
        raise FailedPrecondition(
            f"this was not randomized: features tell who was treated (AUC {found:.2f}, 0.5 is chance); "
            "give the probability that each row was treated with, in a column `propensity`"
        )


def cross_fitted_scores(
    trial: Trial, random: np.random.Generator, *, folds: int = _FOLDS
) -> FloatArray:
    """The doubly robust score of every row: its mean is the average effect, whatever is predicted.

    φ = μ1 - μ0 + T (Y - μ1) / e - (1 - T) (Y - μ0) / (1 - e), the responses μ fitted to other folds.
    """
    fold = folds_of(trial.unit, folds, random)
    scores = np.empty(len(fold))
    for one in range(folds):
        inside, outside = fold == one, fold != one
        scores[inside] = response_scores(trial.part(outside), trial.part(inside))
    return scores


def response_scores(past: Trial, trial: Trial) -> FloatArray:
    """The doubly robust scores of ``trial`` with responses fitted to ``past``."""
    with_it = fit_response(past.part(past.treated))(trial.rows)
    without = fit_response(past.part(~past.treated))(trial.rows)
    treated, share = trial.treated.astype(np.float64), trial.propensity
    return np.asarray(
        with_it
        - without
        + treated * (trial.outcome - with_it) / share
        - (1.0 - treated) * (trial.outcome - without) / (1.0 - share),
        dtype=np.float64,
    )


def fit_response(trial: Trial) -> Callable[[NDArray[np.float32]], FloatArray]:
    """P(outcome) by features, whoever was treated: boosted trees, or the mean where one class is rare."""
    mean = float(trial.outcome.mean()) if len(trial.outcome) else 0.0
    least = min(float(trial.outcome.sum()), float((1.0 - trial.outcome).sum()))
    if least < 20:
        return lambda rows: np.full(len(rows), mean)
    booster = _boosted(trial.rows, trial.outcome, _RESPONSE)
    return lambda rows: np.asarray(booster.predict(rows), dtype=np.float64)


def fit_effect(kind: Kind, rows: NDArray[np.float32], scores: FloatArray) -> Effect:
    """Regress doubly robust scores on features."""
    width = rows.shape[1]
    zeros, ones = np.zeros(width), np.ones(width)
    bias = float(scores.mean())
    if kind == "constant":
        return Effect(kind=kind, mean=zeros, scale=ones, weights=zeros, bias=bias)
    if kind == "trees":
        booster = _boosted(rows, scores, _EFFECT)
        return Effect(kind=kind, mean=zeros, scale=ones, weights=zeros, bias=0.0, booster=booster)
    values = rows.astype(np.float64)
    mean, scale = values.mean(axis=0), values.std(axis=0)
    scale[scale < 1e-9] = 1.0
    scaled = (values - mean) / scale
    # the noise of the scores is far larger than any effect: a penalty of one customer in a hundred
    gram = scaled.T @ scaled + _RIDGE * len(scaled) * np.eye(width)
    weights = np.linalg.solve(gram, scaled.T @ (scores - bias))
    return Effect(kind=kind, mean=mean, scale=scale, weights=weights, bias=bias)


def _boosted(rows: NDArray[np.float32], target: FloatArray, own: dict[str, Any]) -> Any:
    import lightgbm  # two seconds and pandas: only for those who use it

    return lightgbm.train(
        {**_SHARED, **own, "seed": 0}, lightgbm.Dataset(rows, label=target), num_boost_round=_ROUNDS
    )


def _standardized(rows: NDArray[np.float32]) -> FloatArray:
    values = rows.astype(np.float64)
    spread = values.std(axis=0)
    return np.asarray((values - values.mean(axis=0)) / np.where(spread > 0, spread, 1.0))
