"""Fit logistic regression and boosted trees, keep the better one, calibrate it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain import FloatArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.logistic import train_logistic
from nba_engine.learning.metrics import log_loss
from nba_engine.learning.training.calibrating import (
    Calibration,
    Kind,
    choose_calibration,
    fit_calibration,
)
from nba_engine.learning.training.encoding import columns_for_fitting, fit_encoding
from nba_engine.learning.training.examples import Examples
from nba_engine.learning.training.fitted import Fitted, Method
from nba_engine.learning.trees import train_lightgbm

__all__ = ["Choice", "fit", "fit_wide"]

MODELS: tuple[Literal["auto"], Method, Method] = ("auto", "logistic", "lightgbm")
FEWEST = 10  # positives and negatives that a model of its own needs, in training and validation
_SIMPLER = 0.002  # by which trees must be better to be kept: a logistic model can be read
_SAMPLE = 1_000_000  # rows that are fitted; more change nothing but the time
_CHOSEN = 250_000  # later rows that tell how strongly to regularize, and how many trees are enough
_COMPARED = 100_000  # rows that strengths of regularization are fitted to, before the one is to all

Tell = Callable[[str], None]


class Choice(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """The model kept, and the log-loss of what was tried, on the validation period."""

    fitted: Fitted
    tried: Mapping[Method, float]
    left_out: tuple[str, ...] = ()  # actions of a wide model without enough outcomes


def fit(
    train: Examples,
    validation: Examples,
    *,
    model: Literal["auto", "logistic", "lightgbm"] = "auto",
    calibration: Literal["auto", "none", "platt", "isotonic"] = "auto",
    seed: int = 0,
    threads: int = 0,
    tell: Tell = lambda _: None,
) -> Choice:
    """A row model. Raises `FailedPrecondition` when there is too little to learn from."""
    _check(train, "training")
    _check(validation, "validation")
    encoding = fit_encoding(train.features, train.rows, train.label)
    part = _sampled(len(train), _SAMPLE, seed)
    columns = columns_for_fitting(encoding, train.rows[part], train.label[part], seed)
    choosing = _sampled(len(validation), _CHOSEN, seed)
    if not _enough(validation.label[choosing]):
        choosing = slice(None)
    later = encoding.columns(validation.rows[choosing])
    methods: tuple[Method, ...] = ("logistic", "lightgbm") if model == "auto" else (model,)
    kept: dict[Method, Fitted] = {}
    tried: dict[Method, float] = {}
    for method in methods:
        tell(f"fitting {method}")
        parts = _score(
            method,
            columns,
            train.label[part],
            later,
            validation.label[choosing],
            seed=seed,
            threads=threads,
        )
        fitted = Fitted(
            method=method,
            inputs=len(train.features),
            encoding=encoding,
            calibrations=(Calibration(kind="none"),),
            **parts,
        )
        logit = fitted.logits(validation.rows)[:, 0]
        found = _calibrated(calibration, logit, validation.label, validation.time)
        kept[method] = msgspec.structs.replace(fitted, calibrations=(found,))
        tried[method] = log_loss(validation.label, found.probabilities(logit), smallest=1e-6)
    return Choice(fitted=kept[_better(tried)], tried=tried)


def fit_wide(
    train: Examples,
    validation: Examples,
    *,
    model: Literal["auto", "logistic", "lightgbm"] = "auto",
    calibration: Literal["auto", "none", "platt", "isotonic"] = "auto",
    seed: int = 0,
    threads: int = 0,
    tell: Tell = lambda _: None,
) -> Choice:
    """A model per action over the customer's row. Actions of few outcomes are left out.

    Raises `FailedPrecondition` when none has enough.
    """
    of_action = [
        (train.action == code, validation.action == code) for code in range(len(train.actions))
    ]
    enough = [
        code
        for code, (early, late) in enumerate(of_action)
        if _enough(train.label[early]) and _enough(validation.label[late])
    ]
    if not enough:
        raise FailedPrecondition(
            f"no action has {FEWEST} positive and {FEWEST} other outcomes in both periods: train "
            "a row model, or wait for more"
        )
    encoding = fit_encoding(train.features, train.rows, train.label)
    methods: tuple[Method, ...] = ("logistic", "lightgbm") if model == "auto" else (model,)
    candidates: dict[Method, Fitted] = {}
    tried: dict[Method, float] = {}
    for method in methods:
        tell(f"fitting {method}, {len(enough)} actions")
        parts: list[dict[str, Any]] = []
        calibrations: list[Calibration] = []
        losses: list[float] = []
        for code in enough:
            early, late = of_action[code]
            later = encoding.columns(validation.rows[late])
            one = _score(
                method,
                columns_for_fitting(encoding, train.rows[early], train.label[early], seed),
                train.label[early],
                later,
                validation.label[late],
                seed=seed,
                threads=threads,
            )
            alone = Fitted(
                method=method,
                inputs=len(train.features),
                encoding=encoding,
                calibrations=(Calibration(kind="none"),),
                **one,
            )
            label = validation.label[late]
            logit = alone.logits(validation.rows[late])[:, 0]
            found = _calibrated(calibration, logit, label, validation.time[late])
            parts.append(one)
            calibrations.append(found)
            losses.append(log_loss(label, found.probabilities(logit), smallest=1e-6) * len(label))
        candidates[method] = Fitted(
            method=method,
            inputs=len(train.features),
            encoding=encoding,
            calibrations=tuple(calibrations),
            outputs=tuple(train.actions[code] for code in enough),
            **_joined(parts),
        )
        rows = sum(int(of_action[code][1].sum()) for code in enough)
        tried[method] = float(np.sum(losses)) / rows
    return Choice(
        fitted=candidates[_better(tried)],
        tried=tried,
        left_out=tuple(name for code, name in enumerate(train.actions) if code not in set(enough)),
    )


def _score(
    method: Method,
    columns: NDArray[np.float32],
    label: FloatArray,
    later: NDArray[np.float32],
    later_label: FloatArray,
    *,
    seed: int,
    threads: int,
) -> dict[str, Any]:
    if method == "logistic":
        logistic = train_logistic(
            columns, label, later, later_label, select_rows=_COMPARED, seed=seed
        )
        return {"weights": logistic.weights[:, np.newaxis], "bias": np.array([logistic.bias])}
    boosted = train_lightgbm(columns, label, later, later_label, seed=seed, threads=threads)
    return {"boosters": (boosted.booster,)}


def _joined(parts: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    if "boosters" in parts[0]:
        return {"boosters": tuple(part["boosters"][0] for part in parts)}
    return {
        "weights": np.concatenate([part["weights"] for part in parts], axis=1),
        "bias": np.concatenate([part["bias"] for part in parts]),
    }


def _calibrated(
    kind: Kind | Literal["auto"], logit: FloatArray, label: FloatArray, time: FloatArray
) -> Calibration:
    if kind == "auto":
        return choose_calibration(logit, label, time)
    return fit_calibration(kind, logit, label)


def _better(tried: Mapping[Method, float]) -> Method:
    if len(tried) == 2 and tried["lightgbm"] >= tried["logistic"] * (1 - _SIMPLER):
        return "logistic"
    return min(tried, key=lambda method: tried[method])


def _check(examples: Examples, what: str) -> None:
    if not _enough(examples.label):
        positives = int(examples.label.sum())
        raise FailedPrecondition(
            f"too little to learn from: {what} has {positives:,} positive and "
            f"{len(examples) - positives:,} other examples, at least {FEWEST} of each are needed"
        )


def _enough(label: FloatArray) -> bool:
    positives = int(label.sum())
    return min(positives, len(label) - positives) >= FEWEST


def _sampled(count: int, most: int, seed: int) -> NDArray[np.intp] | slice:
    if count <= most:
        return slice(None)
    return np.sort(np.random.default_rng(seed).choice(count, most, replace=False))
