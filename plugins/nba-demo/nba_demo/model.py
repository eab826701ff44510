"""The propensity model: two logistic regressions in one graph.

One speaks for categories bought within the last 91 days, one for the others; a customer's row
decides which. Both see the same basis: logits of the two popularities, recency cut into hinges,
logarithms of counts, the complement score. That equals one logistic regression in which "bought
lately" interacts with every term, and was the simplest model to reach both tasks' gates.

For an action without a category (a win-back, *nothing*) the graph answers NaN: the engine then
takes the action's prior.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from nba_engine.domain import BoolArray, FloatArray
from numpy.typing import NDArray

from nba_demo.data import DAY
from nba_demo.features import FEATURES, LONG_AGO
from nba_demo.panel import RECENT

__all__ = ["Model", "basis", "fit", "graph"]

HINGES = (0.0, 7.0, 14.0, 28.0, 56.0, 91.0, 182.0, LONG_AGO)
_NAMES = [feature.name for feature in FEATURES]
_RECENCY = _NAMES.index("days_since_bought")
_LOGITS = [_NAMES.index("popularity"), _NAMES.index("new_buyers")]
_PLAIN = [at for at in range(len(_NAMES)) if at not in (_RECENCY, *_LOGITS)]
_FEW_DAYS = RECENT / DAY
_STRENGTH = 1.0  # of the L2 penalty on standardized terms; millions of rows hardly feel it


class Model(msgspec.Struct, frozen=True, kw_only=True):
    """Weights (terms, 2) and biases (2,): the columns are "not lately" and "lately"."""

    weights: FloatArray
    bias: FloatArray

    def propensities(self, rows: NDArray[np.float32]) -> FloatArray:
        """P per feature row, (n,); NaN where the action has no popularity."""
        logits = basis(rows) @ self.weights + self.bias
        lately = rows[:, _RECENCY] <= _FEW_DAYS
        return 1.0 / (1.0 + np.exp(-np.where(lately, logits[:, 1], logits[:, 0])))


def basis(rows: NDArray[np.float32]) -> FloatArray:
    """The terms of the regressions, (n, terms) float32."""
    recency = rows[:, _RECENCY, None]
    low, high = np.float32(HINGES[:-1]), np.float32(HINGES[1:])
    share = rows[:, _LOGITS]
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.where(share > 0, np.log(share / (1 - share)), np.nan)
    parts = [np.minimum(np.maximum(recency, low), high), logits, rows[:, _PLAIN]]
    return np.concatenate(parts, axis=1)


def fit(rows: NDArray[np.float32], bought: BoolArray) -> Model:
    """Fit both regressions by maximum likelihood with a small L2 penalty."""
    from sklearn.linear_model import LogisticRegression

    lately = rows[:, _RECENCY] <= _FEW_DAYS
    weights, bias = [], []
    for half in (~lately, lately):
        terms = basis(rows[half])
        center, scale = terms.mean(0, dtype=np.float64), terms.std(0, dtype=np.float64) + 1e-6
        terms -= center.astype(np.float32)
        terms /= scale.astype(np.float32)
        regression = LogisticRegression(C=1 / _STRENGTH, solver="newton-cholesky", tol=1e-6)
        regression.fit(terms, bought[half])
        slope = regression.coef_[0] / scale
        weights.append(slope)
        bias.append(float(regression.intercept_[0]) - float(slope @ center))
    return Model(weights=np.stack(weights, axis=1), bias=np.array(bias))


def graph(model: Model) -> Any:
    """The model as an ONNX graph: features (n, f) → propensity (n,)."""
    from onnx import TensorProto, checker, helper, numpy_helper

    constants: dict[str, NDArray[Any]] = {
        "recency_at": np.array([_RECENCY], np.int64),
        "logits_at": np.array(_LOGITS, np.int64),
        "plain_at": np.array(_PLAIN, np.int64),
        "low": np.array([HINGES[:-1]], np.float32),
        "high": np.array([HINGES[1:]], np.float32),
        "few_days": np.array(_FEW_DAYS, np.float32),
        "one": np.array(1.0, np.float32),
        "zero": np.array(0.0, np.float32),
        "nan": np.array(np.nan, np.float32),
        "weights": model.weights.astype(np.float32),
        "bias": model.bias.astype(np.float32),
        "first": np.array([0], np.int64),
        "second": np.array([1], np.int64),
        "flat": np.array([-1], np.int64),
    }
    node = helper.make_node

    def step(kind: str, inputs: Sequence[str], output: str, **settings: Any) -> Any:
        return node(kind, list(inputs), [output], name=output, **settings)

    steps = [
        step("Gather", ["features", "recency_at"], "recency", axis=1),
        step("Max", ["recency", "low"], "above"),
        step("Min", ["above", "high"], "hinges"),
        step("Gather", ["features", "logits_at"], "share", axis=1),
        step("Sub", ["one", "share"], "rest"),
        step("Div", ["share", "rest"], "odds"),
        step("Log", ["odds"], "log_odds"),
        step("Greater", ["share", "zero"], "known"),
        step("Where", ["known", "log_odds", "nan"], "logits_of_shares"),
        step("Gather", ["features", "plain_at"], "plain", axis=1),
        step("Concat", ["hinges", "logits_of_shares", "plain"], "terms", axis=1),
        step("Gemm", ["terms", "weights", "bias"], "logits"),
        step("Gather", ["logits", "first"], "not_lately", axis=1),
        step("Gather", ["logits", "second"], "lately", axis=1),
        step("LessOrEqual", ["recency", "few_days"], "bought_lately"),
        step("Where", ["bought_lately", "lately", "not_lately"], "logit"),
        step("Sigmoid", ["logit"], "probability"),
        step("Reshape", ["probability", "flat"], "propensity"),
    ]
    width = len(FEATURES)
    built = helper.make_graph(
        steps,
        "propensity",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, width])],
        [helper.make_tensor_value_info("propensity", TensorProto.FLOAT, [None])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx_model = helper.make_model(built, opset_imports=opset, ir_version=9)
    checker.check_model(onnx_model, full_check=True)
    return onnx_model
