"""The linear split of a logistic model: everything that depends on the action, computed once.

A logistic regression adds up weighted features, so the treatments' share of the sum is the same
for every customer. Serving takes it from a table and adds the customer's share: no rows, no
graph. It is used only after it was found equal to the graph, on the recorded probes and on rows
of the catalog.
"""

from __future__ import annotations

from math import exp
from operator import mul
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.model import Manifest, RunModel
from nba_engine.domain.values import FloatArray, IntArray, Values
from nba_engine.models.arrays import read_arrays, wrong
from nba_engine.models.assembly import Assembly
from nba_engine.models.runtime import read_probes

__all__ = ["Linear", "LinearSplit", "check_linear", "read_linear"]

_LIMIT = 700.0  # exp beyond overflows; the probability is 0 or 1 long before
_ROWS = 4096  # of the catalog, compared with the graph at load
_REMEDY = "export the model again, or leave `linear` out of manifest.toml"


class Linear:
    """Weights (f,) and bias of the log-odds, with the Platt scaling folded in.

    P = sigmoid(a · (x·w + bias) + b); Platt 1999, on the log-odds.
    """

    def __init__(
        self, weights: FloatArray, bias: float, calibration: tuple[float, float] = (1.0, 0.0)
    ) -> None:
        a, b = calibration
        self.weights = a * weights
        self.bias = a * bias + b

    def probabilities(self, rows: NDArray[np.floating]) -> FloatArray:
        """P for feature rows (n, f)."""
        logit = rows.astype(np.float64) @ self.weights + self.bias
        return 1.0 / (1.0 + np.exp(np.minimum(-logit, _LIMIT)))


class LinearSplit:
    """`Linear` over one catalog. Thread-safe."""

    def __init__(self, linear: Linear, assembly: Assembly) -> None:
        self._assembly = assembly
        # everything is negated, so that exp needs no further pass
        weights = -linear.weights
        self._base: FloatArray = assembly.static @ weights - linear.bias  # (T,)
        self._request = weights[assembly.request].tolist()
        self._cross = [(axis, weights[axis.positions]) for axis in assembly.axes]
        # 1 / (1 + exp(base + request)) = c / (c + exp(base)) with c = exp(-request): where neither is too
        # large for a double, and c is not zero, this saves an exponential per candidate
        fits = self._base.max(initial=0.0) < _LIMIT and not self._cross
        self._odds: FloatArray | None = np.exp(self._base) if fits else None

    def propensities(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> FloatArray:
        """P per candidate, (n,)."""
        request = sum(map(mul, self._request, self._assembly.of_request(customer, context, now)))
        z: FloatArray
        if self._odds is not None and -_LIMIT < request < _LIMIT:
            scale = exp(-request)
            z = self._odds[index]
            z += scale
            return np.divide(scale, z, z)
        z = self._base[index]
        for axis, weights in self._cross:
            z += (weights @ axis.values(customer, context, now))[axis.of[index]]
        z += request
        np.minimum(z, _LIMIT, out=z)
        np.exp(z, out=z)
        z += 1.0
        return np.reciprocal(z, out=z)


def read_linear(folder: Path, manifest: Manifest) -> Linear:
    """Read ``weights``, ``bias`` and ``calibration``. Raises `MistakesFound`."""
    file = folder / manifest.linear
    arrays = read_arrays(file, ("weights", "bias", "calibration"), _REMEDY)
    shapes = {"weights": (len(manifest.features),), "bias": (), "calibration": (2,)}
    for name, shape in shapes.items():
        array = arrays[name]
        if array.shape != shape or array.dtype.kind != "f" or not np.all(np.isfinite(array)):
            message = f"holds {array.dtype} of shape {array.shape}, needs finite numbers of {shape}"
            raise wrong(file, name, message, _REMEDY)
    a, b = arrays["calibration"].tolist()
    return Linear(arrays["weights"].astype(np.float64), float(arrays["bias"]), (a, b))


def check_linear(
    linear: Linear, assembly: Assembly, run: RunModel, folder: Path, manifest: Manifest
) -> None:
    """Compare with the graph on the probes and on the catalog's rows. Raises `MistakesFound`."""
    probes = read_probes(folder, manifest)
    graph = np.asarray(run(probes.inputs), dtype=np.float64).reshape(-1)
    of_probes = linear.probabilities(probes.inputs)
    _refuse(np.abs(graph - of_probes), "the recorded probes", folder, manifest)
    split = LinearSplit(linear, assembly)
    count = min(len(assembly.static), _ROWS)
    index = np.linspace(0, len(assembly.static) - 1, count).astype(np.intp)
    rows = np.empty((count, len(assembly.names)), dtype=np.float32)
    assembly.rows(index, {}, {}, 0.0, rows)
    graph = np.asarray(run(rows), dtype=np.float64).reshape(-1)
    served = split.propensities(index, {}, {}, 0.0)
    _refuse(np.abs(graph - served), "rows of this catalog", folder, manifest)


def _refuse(difference: FloatArray, where: str, folder: Path, manifest: Manifest) -> None:
    worst = float(difference.max()) if len(difference) else 0.0
    if not worst <= manifest.tolerance:  # NaN is refused too
        message = f"differs from the graph by {worst:.2g} on {where}"
        raise wrong(folder / manifest.linear, "", message, _REMEDY)
