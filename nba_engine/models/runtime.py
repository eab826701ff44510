"""The ONNX runtime: one session per model, and everything that is checked before it serves.

A graph that loads may still be the wrong one. So names, ranks and types are compared with the
manifest, and the recorded probe rows must give finite probabilities equal to the recorded ones.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures

from nba_engine.domain.model import Manifest, RunModel
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.models.arrays import read_arrays, wrong

__all__ = ["OnnxRuntime", "Probes", "read_probes"]

_FAILURES = (
    failures.Fail,
    failures.InvalidArgument,
    failures.InvalidGraph,
    failures.InvalidProtobuf,
    failures.NoModel,
    failures.NotImplemented,
    failures.RuntimeException,
    failures.EPFail,
)
_AGAIN = "export the model again"


class OnnxRuntime:
    """Loads models of ``format = "onnx"``."""

    def load(self, folder: Path, manifest: Manifest) -> RunModel:
        """Open the session and check it. Raises `MistakesFound`."""
        file = folder / manifest.file
        session = _session(file)
        mistakes = list(_wrong_shape(session, manifest, str(file)))
        if mistakes:
            raise MistakesFound(mistakes)
        model = _Model(session, manifest.input, manifest.output)
        _check_probes(model, folder, manifest)
        return model


class Probes:
    """Recorded inputs (p, f) and the outputs that the trained model gave for them."""

    def __init__(self, inputs: NDArray[np.float32], outputs: NDArray[np.float32]) -> None:
        self.inputs = inputs
        self.outputs = outputs

    def answers(self, run: RunModel, manifest: Manifest) -> NDArray[np.float32]:
        """What a loaded model says to the inputs, in the shape of the recorded outputs."""
        if manifest.signature == "row":
            return np.asarray(run(self.inputs)).reshape(-1)
        rows = [np.asarray(run(row[np.newaxis])).reshape(-1) for row in self.inputs]
        return np.stack(rows)


def read_probes(folder: Path, manifest: Manifest) -> Probes:
    """Read the probes and check their shapes. Raises `MistakesFound`."""
    file = folder / manifest.probes
    arrays = read_arrays(file, ("inputs", "outputs"), _AGAIN)
    inputs, outputs = arrays["inputs"], arrays["outputs"]
    width = len(manifest.features)
    if inputs.ndim != 2 or inputs.shape[1] != width or len(inputs) == 0:
        raise wrong(file, "inputs", f"has shape {inputs.shape}, needs (rows, {width})", _AGAIN)
    expected: tuple[int, ...] = (len(inputs),)
    if manifest.signature == "wide":
        expected = (len(inputs), len(manifest.outputs))
    elif outputs.shape == (len(inputs), 1):
        outputs = outputs.reshape(-1)
    if outputs.shape != expected:
        raise wrong(file, "outputs", f"has shape {outputs.shape}, needs {expected}", _AGAIN)
    for name, array in (("inputs", inputs), ("outputs", outputs)):
        if array.dtype.kind != "f" or not np.all(np.isfinite(array)):
            raise wrong(file, name, "holds something else than finite numbers", _AGAIN)
    return Probes(
        np.ascontiguousarray(inputs, dtype=np.float32),
        np.ascontiguousarray(outputs, dtype=np.float32),
    )


class _Model:
    def __init__(self, session: Any, entry: str, output: str) -> None:
        self._run = session.run
        self._entry = entry
        self._outputs = [output]

    def __call__(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        result: NDArray[np.float32] = self._run(self._outputs, {self._entry: features})[0]
        return result


def _session(file: Path) -> Any:
    try:
        graph = file.read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        raise wrong(file, "", message, "put the model file there or mend `file`") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what matters comes back as an exception
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except _FAILURES as error:
        reason = str(error).splitlines()[0]
        raise wrong(file, "", f"is not a valid ONNX model: {reason}", _AGAIN) from error


def _wrong_shape(session: Any, manifest: Manifest, file: str) -> Iterator[Mistake]:
    width = len(manifest.features)
    inputs = {entry.name: entry for entry in session.get_inputs()}
    outputs = {entry.name: entry for entry in session.get_outputs()}
    if manifest.input not in inputs:
        yield _unknown("input", manifest.input, inputs, file)
    else:
        entry = inputs[manifest.input]
        if len(inputs) > 1:
            yield _mistake(file, "input", f"the graph has {len(inputs)} inputs, needs one")
        yield from _wrong_type(entry, "input", file)
        if len(entry.shape) != 2:
            yield _mistake(file, "input", f"has rank {len(entry.shape)}, needs 2 (rows, features)")
        else:
            yield from _wrong_dimension(entry.shape[1], width, "features", "input", file)
            yield from _wrong_rows(entry.shape[0], manifest, file)
    if manifest.output not in outputs:
        yield _unknown("output", manifest.output, outputs, file)
        return
    entry = outputs[manifest.output]
    yield from _wrong_type(entry, "output", file)
    # rank 0 is how the runtime says that it cannot infer the rank: the probes will tell
    ranks = (0, 1, 2) if manifest.signature == "row" else (0, 2)
    if len(entry.shape) not in ranks:
        needs = " or ".join(map(str, ranks[1:]))
        yield _mistake(file, "output", f"has rank {len(entry.shape)}, needs {needs}")
    elif len(entry.shape) == 2:
        scores = 1 if manifest.signature == "row" else len(manifest.outputs)
        yield from _wrong_dimension(entry.shape[1], scores, "scores per row", "output", file)


def _wrong_type(entry: Any, place: str, file: str) -> Iterator[Mistake]:
    if entry.type != "tensor(float)":
        yield _mistake(file, place, f"{entry.name!r} is {entry.type}, needs tensor(float)")


def _wrong_dimension(
    found: object, needed: int, what: str, place: str, file: str
) -> Iterator[Mistake]:
    """Symbolic dimensions (names, None) fit everything; the probes check them."""
    if isinstance(found, int) and found != needed:
        yield _mistake(file, place, f"has {found} {what}, the manifest names {needed}")


def _wrong_rows(found: object, manifest: Manifest, file: str) -> Iterator[Mistake]:
    if isinstance(found, int) and not (manifest.signature == "wide" and found == 1):
        message = f"takes exactly {found} rows, needs any number"
        yield _mistake(file, "input", message, "export with a dynamic first dimension")


def _mistake(file: str, place: str, message: str, remedy: str = _AGAIN) -> Mistake:
    return Mistake(file=file, place=place, message=message, remedy=remedy)


def _unknown(place: str, name: str, known: dict[str, Any], file: str) -> Mistake:
    remedy = f"set {place} in manifest.toml to one of: {', '.join(known)}"
    return _mistake(file, place, f"the graph has no {place} {name!r}", remedy)


def _check_probes(model: _Model, folder: Path, manifest: Manifest) -> None:
    probes = read_probes(folder, manifest)
    file = folder / manifest.file
    try:
        answers = probes.answers(model, manifest)
    except _FAILURES as error:
        reason = str(error).splitlines()[0]
        raise wrong(file, "", f"cannot score the probe rows: {reason}", _AGAIN) from error
    if answers.shape != probes.outputs.shape:
        message = f"gives shape {answers.shape} for the probes, needs {probes.outputs.shape}"
        raise wrong(file, "output", message, _AGAIN)
    if not np.all(np.isfinite(answers)):
        row = int(np.flatnonzero(~np.isfinite(answers.reshape(len(answers), -1)).all(axis=1))[0])
        raise wrong(file, "output", f"is not finite for probe row {row}", _AGAIN)
    least = -1.0 if manifest.meaning == "uplift" else 0.0
    if answers.min() < least - manifest.tolerance or answers.max() > 1 + manifest.tolerance:
        what = "differences of probabilities" if least else "probabilities"
        message = f"gives {answers.min():g} to {answers.max():g}, not {what}"
        raise wrong(file, "output", message, "end the graph with a Sigmoid or calibration")
    difference = float(np.abs(answers - probes.outputs).max())
    if difference > manifest.tolerance:
        message = f"differs from the recorded probes by {difference:.2g}"
        remedy = (
            f"more than tolerance {manifest.tolerance:g}: file and probes are not of one export"
        )
        raise wrong(file, "output", message, remedy)
