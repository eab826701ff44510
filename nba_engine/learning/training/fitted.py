"""A trained model, whole: encoding, score, calibration; and the ONNX graph that equals it."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from nba_engine.domain import FloatArray
from nba_engine.learning.export import ENTRY, OUTPUT
from nba_engine.learning.graph import constant, finish
from nba_engine.learning.training.calibrating import PARITY, Calibration
from nba_engine.learning.training.encoding import Encoding
from nba_engine.learning.trees import tree_node

__all__ = ["Fitted", "Method", "graph_of", "linear_of", "parity_of"]

Method = Literal["logistic", "lightgbm"]


class Fitted(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One score per output: a single one when ``outputs`` is empty (row), else per action (wide).

    *logistic* has ``weights`` (d, a) and ``bias`` (a,) over the encoded columns, *lightgbm* a booster
    per output; ``calibrations`` has one entry per output.
    """

    method: Method
    inputs: int
    encoding: Encoding
    calibrations: tuple[Calibration, ...]
    outputs: tuple[str, ...] = ()
    weights: FloatArray | None = None
    bias: FloatArray | None = None
    boosters: tuple[Any, ...] = ()

    def logits(self, rows: NDArray[np.floating[Any]]) -> FloatArray:
        """Log-odds before calibration, (n, a)."""
        columns = self.encoding.columns(rows)
        if self.weights is not None and self.bias is not None:
            # in slices: a float64 copy of millions of rows would not fit beside them
            parts = [
                columns[at : at + _SLICE].astype(np.float64) @ self.weights + self.bias
                for at in range(0, len(columns), _SLICE)
            ]
            return np.concatenate(parts) if parts else np.empty((0, len(self.calibrations)))
        raw = [booster.predict(columns, raw_score=True) for booster in self.boosters]
        return np.stack(raw, axis=1).astype(np.float64)

    def predict(self, rows: NDArray[np.floating[Any]]) -> FloatArray:
        """Probabilities: (n,) of a row model, (n, a) of a wide one."""
        logits = self.logits(rows)
        for place, one in enumerate(self.calibrations):
            logits[:, place] = one.probabilities(logits[:, place])
        return logits if self.outputs else logits[:, 0]


_SLICE = 200_000


def graph_of(fitted: Fitted) -> bytes:
    """The ONNX model: (n, f) → (n, 1), or (n, a) when wide; float32 throughout."""
    nodes: list[Any] = []
    initializers: list[Any] = []
    columns = ENTRY
    if not fitted.encoding.is_identity:
        columns = "columns"
        more, constants = fitted.encoding.nodes(ENTRY, columns)
        nodes += more
        initializers += constants
    if fitted.weights is not None and fitted.bias is not None:
        nodes.append(
            helper.make_node("Gemm", [columns, "weights", "bias"], ["logit"], name="score")
        )
        initializers += [constant("weights", fitted.weights), constant("bias", fitted.bias)]
    else:
        nodes.append(tree_node(fitted.boosters, columns, "logit"))
    width = len(fitted.calibrations)
    if width == 1:
        more, constants = fitted.calibrations[0].nodes("logit", OUTPUT)
        nodes += more
        initializers += constants
    else:
        more, constants = _each(fitted.calibrations)
        nodes += more
        initializers += constants
    return finish(nodes, initializers, entry=(ENTRY, fitted.inputs), output=(OUTPUT, width))


def _each(calibrations: tuple[Calibration, ...]) -> tuple[list[Any], list[Any]]:
    """A calibration per column: they are taken apart and put together again."""
    nodes: list[Any] = []
    initializers: list[Any] = []
    parts = []
    for place, one in enumerate(calibrations):
        at = numpy_helper.from_array(np.array([place], dtype=np.int64), f"at_{place}")
        logit, part = f"logit_{place}", f"{OUTPUT}_{place}"
        nodes.append(helper.make_node("Gather", ["logit", at.name], [logit], name=logit, axis=1))
        more, constants = one.nodes(logit, part, f"of_{place}_")
        nodes += more
        initializers += [at, *constants]
        parts.append(part)
    nodes.append(helper.make_node("Concat", parts, [OUTPUT], name=OUTPUT, axis=1))
    return nodes, initializers


def linear_of(fitted: Fitted) -> dict[str, NDArray[Any]]:
    """What serving needs to score without the graph, where that is possible; else nothing."""
    (one, *more) = fitted.calibrations
    logistic = fitted.weights is not None and fitted.bias is not None
    if more or fitted.outputs or not logistic:
        return {}
    if one.kind == "isotonic" or not fitted.encoding.is_identity:
        return {}
    assert fitted.weights is not None
    assert fitted.bias is not None
    return {
        "weights": fitted.weights[:, 0],
        "bias": np.array(fitted.bias[0]),
        "calibration": np.array([one.a, one.b]),
    }


def parity_of(fitted: Fitted) -> float:
    """The largest difference between model and graph that is let pass."""
    return max(PARITY[one.kind] for one in fitted.calibrations)
