"""The model ``plugin:starter``: a first guess for any shop that counts purchases by category.

One logistic regression over what any catalog can provide: the action's prior, how often the
customer bought in the action's category, and how long ago. The log-odds of the prior are taken as
they are, so that a catalog's own experience counts; the year of shopping only says how far a
customer's own purchases move them. Train a model of your own as soon as you have data.

``python -m nba_demo.starter`` trains it anew and writes it into the package.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import click
import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_demo.actions import choose_offers
from nba_demo.data import DAY, load_year
from nba_demo.features import measure_popularity
from nba_demo.offline import anchors
from nba_demo.panel import Panel, at_moment, labels, make_panel
from nba_demo.plugin import STARTER
from nba_engine.domain import BoolArray, Feature, FloatArray, Manifest
from nba_engine.learning import auc, log_loss
from nba_engine.learning.export import publish

__all__ = ["FEATURES", "Starter", "fit_starter", "graph", "joined", "publish_starter", "rows_at"]

KEY = "action.category"
LONG_AGO = 366.0  # days: "never"
FEATURES = (
    Feature(name="prior", source="action.prior"),
    Feature(name="purchases", source="customer.purchases", key=KEY, minimum=0.0, maximum=1000.0),
    Feature(
        name="days_since_purchase",
        source="customer.last_purchase",
        key=KEY,
        transform="days_since",
        default=LONG_AGO,
        minimum=0.0,
        maximum=LONG_AGO,
    ),
)
_LEAST, _MOST = 1e-4, 0.99  # priors beyond count as these
_TERMS = ("log of purchases", "log of days", "bought at all")
_PENALTY = 1.0  # L2; hundreds of thousands of rows hardly feel it


class Starter(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """P = sigmoid(log-odds of the prior + terms · weights (3,) + bias)."""

    weights: FloatArray
    bias: float

    def predict(self, rows: NDArray[np.floating[Any]]) -> FloatArray:
        """P per feature row, (n,)."""
        rows = rows.astype(np.float64)
        return _sigmoid(_offset(rows) + _terms(rows) @ self.weights + self.bias)


def _offset(rows: NDArray[np.floating[Any]]) -> FloatArray:
    prior = np.clip(rows[:, 0], _LEAST, _MOST)
    return np.asarray(np.log(prior / (1.0 - prior)), np.float64)


def _terms(rows: NDArray[np.floating[Any]]) -> FloatArray:
    terms = (np.log1p(rows[:, 1]), np.log1p(rows[:, 2]), rows[:, 1] > 0)
    return np.stack(terms, axis=1).astype(np.float64)


def _sigmoid(logit: FloatArray) -> FloatArray:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * logit)), np.float64)


def fit_starter(rows: NDArray[np.float32], bought: BoolArray) -> Starter:
    """Maximum likelihood by Newton's method, with the prior's log-odds as an offset."""
    plain = rows.astype(np.float64)
    offset, x = _offset(plain), np.column_stack([_terms(plain), np.ones(len(plain))])
    weights = np.zeros(x.shape[1])
    for _ in range(25):
        p = _sigmoid(offset + x @ weights)
        gradient = x.T @ (bought - p) - _PENALTY * weights
        curvature = (x * (p * (1.0 - p))[:, None]).T @ x + _PENALTY * np.eye(x.shape[1])
        step = np.linalg.solve(curvature, gradient)
        weights += step
        if np.abs(step).max() < 1e-9:
            break
    return Starter(weights=weights[:-1], bias=float(weights[-1]))


def rows_at(panel: Panel, now: float) -> tuple[NDArray[np.float32], BoolArray]:
    """Feature rows of every active household and category at a moment, and what they bought."""
    moment = at_moment(panel, now)
    prior = np.broadcast_to(measure_popularity(panel, now).of_all, moment.count.shape)
    days = np.clip(np.nan_to_num((now - moment.last) / DAY, nan=LONG_AGO), 0.0, LONG_AGO)
    rows = np.stack([prior, moment.count, days], axis=-1)[moment.active]
    return rows.reshape(-1, 3).astype(np.float32), labels(panel, now)[moment.active].reshape(-1)


def joined(panel: Panel, part: Literal["train", "test"]) -> tuple[NDArray[np.float32], BoolArray]:
    """`rows_at` all anchors of one part of the split."""
    parts = [rows_at(panel, now) for now in anchors(part)]
    return np.concatenate([rows for rows, _ in parts]), np.concatenate([b for _, b in parts])


def publish_starter(
    folder: Path, model: Starter, *, metrics: dict[str, float], data_hash: str
) -> None:
    """Write the model folder. Probes are a grid: nothing of the data set is in them."""
    exported = graph(model)
    manifest = Manifest(
        name="starter",
        version=f"starter-{hashlib.sha256(exported).hexdigest()[:12]}",
        signature="row",
        features=FEATURES,
        label="the household buys in the action's category within 14 days",
        metrics=metrics,
        data_hash=data_hash,
    )
    axes = ([0.0, 0.001, 0.05, 0.3, 1.0], [0.0, 1.0, 5.0, 40.0], [0.0, 3.0, 30.0, LONG_AGO])
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    publish(folder, manifest, exported, grid.astype(np.float32), model.predict)


def graph(model: Starter) -> bytes:
    """The model as an ONNX file: rows (n, 3) in, probabilities (n, 1) out."""
    from onnx import TensorProto, checker, helper, numpy_helper

    constants: dict[str, Any] = {
        "zero": 0.0,
        "one": 1.0,
        "least": _LEAST,
        "most": _MOST,
        "weights": model.weights[:, None],
        "bias": [model.bias],
    }
    initializers = [
        numpy_helper.from_array(np.array(value, np.float32), name)
        for name, value in constants.items()
    ]
    parts = ("prior", "purchases", "days")
    initializers += [
        numpy_helper.from_array(np.array([place], np.int64), f"{name}_at")
        for place, name in enumerate(parts)
    ]
    steps: list[tuple[str, list[str], str, dict[str, Any]]] = [
        *[("Gather", ["features", f"{name}_at"], name, {"axis": 1}) for name in parts],
        ("Max", ["prior", "least"], "above_least", {}),
        ("Min", ["above_least", "most"], "share", {}),
        ("Sub", ["one", "share"], "rest", {}),
        ("Div", ["share", "rest"], "odds", {}),
        ("Log", ["odds"], "log_odds", {}),
        ("Add", ["purchases", "one"], "more_purchases", {}),
        ("Log", ["more_purchases"], "log_purchases", {}),
        ("Add", ["days", "one"], "more_days", {}),
        ("Log", ["more_days"], "log_days", {}),
        ("Greater", ["purchases", "zero"], "any_purchase", {}),
        ("Cast", ["any_purchase"], "bought", {"to": TensorProto.FLOAT}),
        ("Concat", ["log_purchases", "log_days", "bought"], "terms", {"axis": 1}),
        ("Gemm", ["terms", "weights", "bias"], "moved", {}),
        ("Add", ["log_odds", "moved"], "logit", {}),
        ("Sigmoid", ["logit"], "propensity", {}),
    ]
    built = helper.make_graph(
        [
            helper.make_node(kind, inputs, [out], name=out, **settings)
            for kind, inputs, out, settings in steps
        ],
        "starter",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", 3])],
        [helper.make_tensor_value_info("propensity", TensorProto.FLOAT, ["rows", 1])],
        initializers,
    )
    whole = helper.make_model(built, opset_imports=[helper.make_opsetid("", 17)])
    whole.ir_version = 8
    checker.check_model(whole, full_check=True)
    serialized: bytes = whole.SerializeToString()
    return serialized


def _main() -> None:
    """Train on the year's first anchors, measure on the weeks after, write the folder."""
    year = load_year()
    panel = make_panel(year, choose_offers(year))
    model = fit_starter(*joined(panel, "train"))
    rows, bought = joined(panel, "test")
    scores = model.predict(rows)
    metrics = {
        "auc": round(auc(bought, scores), 4),
        "log_loss": round(log_loss(bought, scores), 4),
        "auc_of_prior": round(auc(bought, rows[:, 0].astype(np.float64)), 4),
        "log_loss_of_prior": round(log_loss(bought, rows[:, 0].astype(np.float64)), 4),
    }
    publish_starter(STARTER, model, metrics=metrics, data_hash=year.data_hash)
    for name, weight in zip(_TERMS, model.weights, strict=True):
        click.echo(f"{name}: {weight:+.3f}")
    click.echo(f"{metrics} into {STARTER}")


if __name__ == "__main__":
    _main()
