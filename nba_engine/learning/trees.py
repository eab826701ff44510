"""Boosted trees (LightGBM) and their ONNX graph, written tree by tree.

LightGBM's thresholds are float64, the graph's are float32. Rounding to nearest would send rows
between the two down the wrong branch; rounding down keeps every decision: for a float32 x,
x <= t holds exactly when x <= the largest float32 that is not above t.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import helper

from nba_engine.domain.features import Feature
from nba_engine.domain.model import Manifest
from nba_engine.domain.values import FloatArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.calibration import platt, sigmoid
from nba_engine.learning.export import ENTRY, OUTPUT, Provenance, known, publish
from nba_engine.learning.graph import calibrated, constant, finish
from nba_engine.learning.logistic import Rows, check_training
from nba_engine.learning.metrics import log_loss

__all__ = ["BoostedModel", "export_lightgbm", "train_lightgbm", "tree_node"]

_PARAMETERS: Mapping[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 100,
    "use_missing": False,  # rows are finite; missing values are the manifest's defaults
    "deterministic": True,
    "force_row_wise": True,
    "verbosity": -1,
}


class BoostedModel(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A LightGBM booster with Platt calibration: P = sigmoid(a · raw score + b)."""

    booster: Any
    calibration: tuple[float, float]
    validation_log_loss: float

    def logits(self, rows: Rows) -> FloatArray:
        """Raw scores, (n,)."""
        return np.asarray(self.booster.predict(rows, raw_score=True), dtype=np.float64)

    def predict(self, rows: Rows) -> FloatArray:
        """Calibrated probabilities, (n,)."""
        a, b = self.calibration
        return sigmoid(a * self.logits(rows) + b)


def train_lightgbm(
    rows: Rows,
    label: NDArray[Any],
    validation_rows: Rows,
    validation_label: NDArray[Any],
    *,
    parameters: Mapping[str, Any] | None = None,
    rounds: int = 300,
    patience: int = 20,
    seed: int = 0,
    threads: int = 0,
) -> BoostedModel:
    """Boosted trees with early stopping and Platt calibration on the validation period.

    ``rows`` (n, f) finite, validation rows later than training rows, as for `train_logistic`.
    ``parameters`` are LightGBM's and override ours. ``threads`` 0 takes all cores.
    Raises `FailedPrecondition` for rows that are not finite or labels of one class.
    """
    import lightgbm  # two seconds and pandas: only for those who use it

    check_training(rows, label, "training")
    check_training(validation_rows, validation_label, "validation")
    settings = {**_PARAMETERS, "seed": seed, "num_threads": threads, **(parameters or {})}
    train = lightgbm.Dataset(rows, label=label, free_raw_data=True)
    later = lightgbm.Dataset(validation_rows, label=validation_label, reference=train)
    stop = lightgbm.early_stopping(patience, verbose=False)
    booster = lightgbm.train(
        settings, train, num_boost_round=rounds, valid_sets=[later], callbacks=[stop]
    )
    logit = np.asarray(booster.predict(validation_rows, raw_score=True), dtype=np.float64)
    a, b = platt(logit, validation_label)
    return BoostedModel(
        booster=booster,
        calibration=(a, b),
        validation_log_loss=log_loss(validation_label, sigmoid(a * logit + b)),
    )


def export_lightgbm(
    folder: Path,
    model: BoostedModel,
    *,
    name: str,
    version: str,
    features: Sequence[Feature],
    held_out: Rows,
    provenance: Provenance | None = None,
) -> Manifest:
    """Write a row model of boosted trees. Raises as `export_logistic` does."""
    manifest = Manifest(
        name=name,
        version=version,
        signature="row",
        features=tuple(features),
        input=ENTRY,
        output=OUTPUT,
        **known(provenance),
    )
    graph = _graph(model, len(features))
    # trees see float32 in serving: a difference to float64 rows would be no fault of the graph
    rows = np.ascontiguousarray(held_out, dtype=np.float32)
    return publish(folder, manifest, graph, rows, model.predict)


def _graph(model: BoostedModel, width: int) -> bytes:
    nodes = [tree_node([model.booster], ENTRY, "logit"), *calibrated("logit", OUTPUT)]
    a, b = model.calibration
    constants = [
        constant("calibration_a", np.array([a])),
        constant("calibration_b", np.array([b])),
    ]
    return finish(nodes, constants, entry=(ENTRY, width), output=(OUTPUT, 1))


def tree_node(boosters: Sequence[Any], entry: str, output: str) -> Any:
    """The raw scores of LightGBM boosters as one ONNX node: (n, f) → (n, boosters)."""
    ensemble = _Ensemble()
    for target, booster in enumerate(boosters):
        for tree in booster.dump_model(num_iteration=booster.best_iteration)["tree_info"]:
            ensemble.add(tree["tree_structure"], target)
    attributes: dict[str, Any] = {
        "domain": "ai.onnx.ml",
        "n_targets": len(boosters),
        **ensemble.attributes,
    }
    return helper.make_node("TreeEnsembleRegressor", [entry], [output], name="score", **attributes)


class _Ensemble:
    """The attribute lists of a ``TreeEnsembleRegressor``: one entry per node, one per leaf."""

    def __init__(self) -> None:
        self._trees = 0
        names = ("treeids", "nodeids", "featureids", "modes", "values", "truenodeids")
        self._nodes: dict[str, list[Any]] = {name: [] for name in (*names, "falsenodeids")}
        self._leaves: dict[str, list[Any]] = {
            name: [] for name in ("treeids", "nodeids", "ids", "weights")
        }

    @property
    def attributes(self) -> dict[str, list[Any]]:
        nodes = {f"nodes_{name}": values for name, values in self._nodes.items()}
        return nodes | {f"target_{name}": values for name, values in self._leaves.items()}

    def add(self, root: Mapping[str, Any], target: int) -> None:
        """Number the nodes of one tree from its root and append them."""
        tree = self._trees
        self._trees += 1
        waiting = [root]
        for number, node in enumerate(waiting):  # grows while it is walked
            if "leaf_value" in node:
                self._append(tree, number, feature=0, mode="LEAF", value=0.0, children=(0, 0))
                for name, value in zip(
                    self._leaves, (tree, number, target, float(node["leaf_value"])), strict=True
                ):
                    self._leaves[name].append(value)
                continue
            if node["decision_type"] != "<=":
                raise FailedPrecondition(f"splits by {node['decision_type']!r} cannot be exported")
            left = len(waiting)
            waiting += [node["left_child"], node["right_child"]]
            self._append(
                tree,
                number,
                feature=int(node["split_feature"]),
                mode="BRANCH_LEQ",
                value=_round_down(float(node["threshold"])),
                children=(left, left + 1),
            )

    def _append(
        self,
        tree: int,
        number: int,
        *,
        feature: int,
        mode: str,
        value: float,
        children: tuple[int, int],
    ) -> None:
        values = (tree, number, feature, mode, value, *children)
        for name, entry in zip(self._nodes, values, strict=True):
            self._nodes[name].append(entry)


def _round_down(threshold: float) -> float:
    """The largest float32 that is not above a float64."""
    limit = float(np.finfo(np.float32).max)
    near = np.float32(np.clip(threshold, -limit, limit))
    return float(near if float(near) <= threshold else np.nextafter(near, np.float32(-np.inf)))
