"""The propensity model: two logistic regressions in one graph.

One speaks for categories bought within the last 91 days, one for the others; a customer's row
decides which. Both see the same terms, made from the plain features inside the graph, so that a
row stays small and readable: recency cut into hinges, logits of the two popularities, logarithms
of the counts, the root of the complement score, the logarithm of the assortment affinity and its
square, and the purchases per visit, shrunk to what the category's popularity makes one expect. That equals one logistic regression in which "bought
lately" interacts with every term, and was the simplest model to reach the gates of both tasks.

For an action without a category (a win-back, a loyalty offer) the graph answers NaN: the engine
then takes the action's prior and says so.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_demo.data import DAY
from nba_demo.features import FEATURES, LONG_AGO
from nba_demo.panel import HORIZON, RECENT
from nba_engine.domain import BoolArray, FloatArray

__all__ = ["Model", "fit", "graph", "terms"]

HINGES = (0.0, 7.0, 14.0, 28.0, 56.0, 91.0, 182.0, LONG_AGO)
EVIDENCE = 10.0  # visits' worth of popularity in the shrunk purchases per visit
DAYS_PER_VISIT = 5.0
_NAMES = [feature.name for feature in FEATURES]
_COUNTS = ("bought", "bought_lately", "visits", "visits_14d", "visits_60d")
_FEW_DAYS = RECENT / DAY
_PENALTY = 1.0  # L2 on standardized terms; millions of rows hardly feel it


class Model(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """Weights (terms, 2) and biases (2,): the columns are "not lately" and "lately"."""

    weights: FloatArray
    bias: FloatArray

    def predict(self, rows: NDArray[np.floating[Any]]) -> FloatArray:
        """P per feature row, (n,); NaN where the action has no popularity."""
        logits = terms(rows) @ self.weights + self.bias
        logit = np.where(_lately(rows), logits[:, 1], logits[:, 0])
        return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logit)), np.float64)


def terms(rows: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
    """What the regressions add up, (n, terms), in the precision of ``rows``."""
    low, high = np.array(HINGES[:-1], rows.dtype), np.array(HINGES[1:], rows.dtype)
    share = _columns(rows, "popularity", "new_buyers")
    with np.errstate(divide="ignore", invalid="ignore"):
        logits = np.where(share > 0, np.log(share / (1 - share)), np.nan)
        rate = -np.log1p(-share[:, :1]) * (DAYS_PER_VISIT * DAY / HORIZON)
        bought, visits = _columns(rows, "bought"), _columns(rows, "visits")
        per_visit = np.log((bought + EVIDENCE * rate) / (visits + EVIDENCE))
        taste = np.log(_columns(rows, "assortment"))
    parts = (
        np.minimum(np.maximum(_columns(rows, "days_since_bought"), low), high),
        logits,
        np.log1p(_columns(rows, *_COUNTS)),
        np.sqrt(_columns(rows, "goes_with_recent")),
        _columns(rows, "days_since_visit"),
        per_visit,
        taste,
        taste * taste,
    )
    return np.concatenate(parts, axis=1)


def fit(rows: NDArray[np.float32], bought: BoolArray) -> Model:
    """Fit both regressions by maximum likelihood with a small L2 penalty."""
    from sklearn.linear_model import LogisticRegression

    lately = _lately(rows)
    weights, bias = [], []
    for half in (~lately, lately):
        x = terms(rows[half])
        center, scale = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64) + 1e-6
        x -= center.astype(np.float32)
        x /= scale.astype(np.float32)
        regression = LogisticRegression(C=1 / _PENALTY, solver="newton-cholesky", tol=1e-6)
        regression.fit(x, bought[half])
        slope = regression.coef_[0].astype(np.float64) / scale
        weights.append(slope)
        bias.append(float(regression.intercept_[0]) - float(slope @ center))
    return Model(weights=np.stack(weights, axis=1), bias=np.array(bias))


def graph(model: Model, *, entry: str = "features", output: str = "propensity") -> bytes:
    """The model as an ONNX file: rows (n, f) in, probabilities (n, 1) out, float32 throughout."""
    from onnx import TensorProto, checker, helper, numpy_helper

    constants: dict[str, Any] = {
        "low": [HINGES[:-1]],
        "high": [HINGES[1:]],
        "few_days": _FEW_DAYS,
        "zero": 0.0,
        "one": 1.0,
        "nan": np.nan,
        "expected": -EVIDENCE * DAYS_PER_VISIT * DAY / HORIZON,
        "evidence": EVIDENCE,
        "weights": model.weights,
        "bias": model.bias,
    }
    columns = {
        "recency": ("days_since_bought",),
        "share": ("popularity", "new_buyers"),
        "popularity": ("popularity",),
        "counts": _COUNTS,
        "bought": ("bought",),
        "visits": ("visits",),
        "goes_with": ("goes_with_recent",),
        "since_visit": ("days_since_visit",),
        "assortment": ("assortment",),
    }
    initializers = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in constants.items()
    ]
    for name, wanted in columns.items():
        places = np.array([_NAMES.index(column) for column in wanted], np.int64)
        initializers.append(numpy_helper.from_array(places, f"{name}_at"))
    for name, place in (("first", 0), ("second", 1)):
        initializers.append(numpy_helper.from_array(np.array([place], np.int64), name))

    parts = ["hinges", "logits_of_shares", "logs", "root", "since_visit", "per_visit"]
    parts += ["taste", "taste_squared"]
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        *[("Gather", [entry, f"{name}_at"], name, {"axis": 1}) for name in columns],
        ("Max", ["recency", "low"], "above", {}),
        ("Min", ["above", "high"], "hinges", {}),
        ("Sub", ["one", "share"], "rest", {}),
        ("Div", ["share", "rest"], "odds", {}),
        ("Log", ["odds"], "log_odds", {}),
        ("Greater", ["share", "zero"], "known", {}),
        ("Where", ["known", "log_odds", "nan"], "logits_of_shares", {}),
        ("Add", ["counts", "one"], "counted", {}),
        ("Log", ["counted"], "logs", {}),
        ("Sqrt", ["goes_with"], "root", {}),
        ("Sub", ["one", "popularity"], "not_popular", {}),
        ("Log", ["not_popular"], "no_purchase", {}),
        ("Mul", ["no_purchase", "expected"], "prior_purchases", {}),
        ("Add", ["bought", "prior_purchases"], "shrunk_purchases", {}),
        ("Add", ["visits", "evidence"], "shrunk_visits", {}),
        ("Div", ["shrunk_purchases", "shrunk_visits"], "purchases_per_visit", {}),
        ("Log", ["purchases_per_visit"], "per_visit", {}),
        ("Log", ["assortment"], "taste", {}),
        ("Mul", ["taste", "taste"], "taste_squared", {}),
        ("Concat", parts, "terms", {"axis": 1}),
        ("Gemm", ["terms", "weights", "bias"], "logits", {}),
        ("Gather", ["logits", "first"], "not_lately", {"axis": 1}),
        ("Gather", ["logits", "second"], "lately", {"axis": 1}),
        ("LessOrEqual", ["recency", "few_days"], "bought_lately", {}),
        ("Where", ["bought_lately", "lately", "not_lately"], "logit", {}),
        ("Sigmoid", ["logit"], output, {}),
    ]
    built = helper.make_graph(
        [
            helper.make_node(kind, inputs, [out], name=out, **settings)
            for kind, inputs, out, settings in steps
        ],
        "propensity",
        [helper.make_tensor_value_info(entry, TensorProto.FLOAT, ["rows", len(FEATURES)])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["rows", 1])],
        initializers,
    )
    whole = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)])
    whole.ir_version = 8
    checker.check_model(whole, full_check=True)
    serialized: bytes = whole.SerializeToString()
    return serialized


def _lately(rows: NDArray[np.floating[Any]]) -> BoolArray:
    lately: BoolArray = rows[:, _NAMES.index("days_since_bought")] <= _FEW_DAYS
    return lately


def _columns(rows: NDArray[np.floating[Any]], *names: str) -> NDArray[np.floating[Any]]:
    return rows[:, [_NAMES.index(name) for name in names]]
