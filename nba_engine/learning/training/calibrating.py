"""From log-odds to probabilities that mean what they say: Platt's curve, isotonic steps, or as is.

Fitted on data that the model was not trained on, and appended to the graph. Isotonic regression
(Zadrozny and Elkan 2002) is made of lines between the means of pooled blocks; steep ones are
evened out, for the graph counts in float32.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import numpy as np
from onnx import helper, numpy_helper

from nba_engine.domain import FloatArray
from nba_engine.learning.calibration import platt, sigmoid
from nba_engine.learning.metrics import log_loss

__all__ = ["CALIBRATIONS", "PARITY", "Calibration", "choose_calibration", "fit_calibration"]

Kind = Literal["none", "platt", "isotonic"]
CALIBRATIONS: tuple[Kind, ...] = ("none", "platt", "isotonic")
# the largest difference between model and graph on held-out rows that is let pass
PARITY: dict[Kind, float] = {"none": 1e-5, "platt": 1e-5, "isotonic": 1e-4}

_BLOCKS = 100  # of equal mass, that isotonic regression pools
_STEEPEST = 2.0  # probability per unit of log-odds; a logistic curve has .25
_MARGIN = 0.002  # by which isotonic steps must be better than Platt's curve: they can overfit


class Calibration(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """P = sigmoid(a · z + b), or lines through (``knots``, ``levels``), flat outside of them."""

    kind: Kind
    a: float = 1.0
    b: float = 0.0
    knots: tuple[float, ...] = ()
    levels: tuple[float, ...] = ()

    def probabilities(self, logit: FloatArray) -> FloatArray:
        """P, in the shape of ``logit``."""
        if self.kind == "isotonic":
            return np.asarray(np.interp(logit, self.knots, self.levels), dtype=np.float64)
        return sigmoid(self.a * logit + self.b)

    def nodes(self, logit: str, output: str, prefix: str = "") -> tuple[list[Any], list[Any]]:
        """The same as ONNX nodes over a column (n, 1), and their initializers."""
        nodes: list[Any] = []
        constants: list[Any] = []

        def constant(name: str, values: Any) -> str:
            array = np.asarray(values, dtype=np.float32)
            constants.append(numpy_helper.from_array(array, prefix + name))
            return prefix + name

        def node(kind: str, inputs: list[str], name: str, **attributes: Any) -> str:
            full = name if name == output else prefix + name
            nodes.append(helper.make_node(kind, inputs, [full], name=full, **attributes))
            return full

        if self.kind == "none":
            node("Sigmoid", [logit], output)
        elif self.kind == "platt":
            scaled = node("Mul", [logit, constant("platt_a", self.a)], "scaled")
            shifted = node("Add", [scaled, constant("platt_b", self.b)], "shifted")
            node("Sigmoid", [shifted], output)
        elif len(self.knots) < 2:
            zero = node("Mul", [logit, constant("zero", 0.0)], "nothing")
            node("Add", [zero, constant("level", self.levels[0])], output)
        else:
            width = np.diff(self.knots)
            behind = node("Sub", [logit, constant("knots", [self.knots[:-1]])], "behind")
            above = node("Max", [behind, constant("zero", 0.0)], "above")
            within = node("Min", [above, constant("widths", [width])], "within")
            slope = constant("slopes", [np.diff(self.levels) / width])
            risen = node("Mul", [within, slope], "risen")
            axes = numpy_helper.from_array(np.array([1], dtype=np.int64), prefix + "axes")
            constants.append(axes)
            total = node("ReduceSum", [risen, prefix + "axes"], "total", keepdims=1)
            node("Add", [total, constant("level", self.levels[0])], output)
        return nodes, constants


def fit_calibration(kind: Kind, logit: FloatArray, label: FloatArray) -> Calibration:
    """The calibration of a kind. Raises `ValueError` when one class is missing."""
    if kind == "none":
        return Calibration(kind="none")
    if kind == "platt":
        a, b = platt(logit, label)
        return Calibration(kind="platt", a=a, b=b)
    if label.min() == label.max():
        raise ValueError("calibration needs positives and negatives")
    knots, levels = _isotonic(np.asarray(logit, dtype=np.float64), np.asarray(label, np.float64))
    return Calibration(kind="isotonic", knots=tuple(knots), levels=tuple(levels))


def choose_calibration(logit: FloatArray, label: FloatArray, time: FloatArray) -> Calibration:
    """Platt's curve, or isotonic steps where these are clearly better on the later half."""
    order = np.argsort(time, kind="stable")
    early, late = np.array_split(order, 2)
    kind: Kind = "platt"
    halves = [label[part] for part in (early, late)]
    if all(len(half) and half.min() != half.max() for half in halves):
        losses = {
            one: log_loss(
                label[late],
                fit_calibration(one, logit[early], label[early]).probabilities(logit[late]),
                smallest=1e-6,
            )
            for one in ("platt", "isotonic")
        }
        if losses["isotonic"] < losses["platt"] * (1 - _MARGIN):
            kind = "isotonic"
    return fit_calibration(kind, logit, label)


def _isotonic(logit: FloatArray, label: FloatArray) -> tuple[list[float], list[float]]:
    """Pool adjacent violators over blocks of equal mass; then merge what would be too steep."""
    order = np.argsort(logit, kind="stable")
    z, y = logit[order], label[order]
    edges = np.unique(np.linspace(0, len(z), min(_BLOCKS, len(z)) + 1).astype(np.intp))
    # rows of one score belong to one block
    edges = np.unique(
        np.concatenate([[0], np.searchsorted(z, z[edges[1:-1]], side="left"), [len(z)]])
    )
    weight = np.diff(edges).astype(np.float64)
    means = np.add.reduceat(z, edges[:-1]) / weight
    # a row more at the overall rate: nothing is certain
    rates = (np.add.reduceat(y, edges[:-1]) + y.mean()) / (weight + 1.0)
    blocks: list[list[float]] = []  # mass, mean, rate
    for one in zip(weight.tolist(), means.tolist(), rates.tolist(), strict=True):
        blocks.append(list(one))
        while len(blocks) > 1 and _must_merge(blocks[-2], blocks[-1]):
            last = blocks.pop()
            blocks[-1] = _merged(blocks[-1], last)
    return [block[1] for block in blocks], [block[2] for block in blocks]


def _must_merge(left: list[float], right: list[float]) -> bool:
    rise = right[2] - left[2]
    return rise <= 0 or rise > _STEEPEST * (right[1] - left[1])


def _merged(left: list[float], right: list[float]) -> list[float]:
    mass = left[0] + right[0]
    return [
        mass,
        (left[0] * left[1] + right[0] * right[1]) / mass,
        (left[0] * left[2] + right[0] * right[2]) / mass,
    ]
