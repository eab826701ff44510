"""Export to a model folder. What is written has passed the checks that serving makes."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from nba_engine.domain.features import Feature
from nba_engine.domain.model import Manifest
from nba_engine.domain.values import FloatArray
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.graph import logistic_graph
from nba_engine.learning.logistic import LogisticModel, Rows, WideLogisticModel
from nba_engine.models import OnnxRuntime, load_manifest, write_manifest

__all__ = [
    "ENTRY",
    "OUTPUT",
    "Provenance",
    "data_hash",
    "export_logistic",
    "export_wide_logistic",
    "known",
    "publish",
]

PARITY = 1e-5  # design: export is refused above this difference on held-out rows
_PROBES = 64
ENTRY, OUTPUT = "features", "propensity"  # names in our graphs


class Provenance(msgspec.Struct, frozen=True, kw_only=True):
    """Where a model comes from; written into its manifest."""

    label: str = ""
    trained_from: str = ""
    trained_until: str = ""
    metrics: Mapping[str, float] = {}
    data_hash: str = ""
    catalog_hash: str = ""


def data_hash(*arrays: NDArray[Any]) -> str:
    """A hash over types, shapes and contents of the training arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()


def export_logistic(
    folder: Path,
    model: LogisticModel,
    *,
    name: str,
    version: str,
    features: Sequence[Feature],
    held_out: Rows,
    provenance: Provenance | None = None,
) -> Manifest:
    """Write a row model with its linear split into ``folder``, replacing what is there.

    ``held_out`` (n, f): rows that the model was not trained on. Raises `FailedPrecondition` when
    the graph differs from the model by more than 1e-5 on any of them; nothing is written then.
    """
    calibration = np.array(model.calibration)
    graph = logistic_graph(
        model.weights[:, np.newaxis],
        np.array([model.bias]),
        calibration[:, np.newaxis],
        entry=ENTRY,
        output=OUTPUT,
    )
    manifest = Manifest(
        name=name,
        version=version,
        signature="row",
        features=tuple(features),
        input=ENTRY,
        output=OUTPUT,
        linear="linear.npz",
        **known(provenance),
    )
    linear = {
        "weights": model.weights,
        "bias": np.array(model.bias, dtype=np.float64),
        "calibration": calibration,
    }
    return publish(folder, manifest, graph, held_out, model.predict, linear=linear)


def export_wide_logistic(
    folder: Path,
    model: WideLogisticModel,
    *,
    name: str,
    version: str,
    features: Sequence[Feature],
    held_out: Rows,
    provenance: Provenance | None = None,
) -> Manifest:
    """Write a wide model: one row of the customer in, one score per action out.

    Raises as `export_logistic` does.
    """
    graph = logistic_graph(model.weights, model.bias, model.calibration, entry=ENTRY, output=OUTPUT)
    manifest = Manifest(
        name=name,
        version=version,
        signature="wide",
        features=tuple(features),
        input=ENTRY,
        output=OUTPUT,
        outputs=model.outputs,
        **known(provenance),
    )
    return publish(folder, manifest, graph, held_out, model.predict)


def publish(
    folder: Path,
    manifest: Manifest,
    graph: bytes,
    held_out: Rows,
    predict: Callable[[Rows], FloatArray],
    *,
    linear: Mapping[str, NDArray[Any]] = MappingProxyType({}),
    parity: float = PARITY,
    more: Mapping[str, Mapping[str, NDArray[Any]]] = MappingProxyType({}),
) -> Manifest:
    """Hold any graph against ``predict``, write beside ``folder``, load as serving does, swap.

    ``more`` arrays by file are kept beside it. ``graph`` is a serialized ONNX model with the manifest's input and output, ``predict`` what
    it must equal on ``held_out`` (n, f); both give (n,) or (n, 1), or (n, actions) when wide.
    Raises `FailedPrecondition` when graph and model differ by more than ``parity``, `MistakesFound` when it would not
    load; ``folder`` is as before then.
    """
    width = len(manifest.features)
    if held_out.ndim != 2 or held_out.shape[1] != width or not len(held_out):
        raise FailedPrecondition(f"held-out rows of shape {held_out.shape} for {width} features")
    rows = np.ascontiguousarray(held_out, dtype=np.float32)
    expected = predict(held_out)
    _check_parity(graph, manifest, rows, expected, parity)
    chosen = np.linspace(0, len(rows) - 1, min(_PROBES, len(rows))).astype(np.intp)
    probes = {"inputs": rows[chosen], "outputs": expected[chosen].astype(np.float32)}
    folder.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        (unfinished / manifest.file).write_bytes(graph)
        _save(unfinished / manifest.probes, probes)
        if linear:
            _save(unfinished / manifest.linear, linear)
        for name, arrays in more.items():
            _save(unfinished / name, arrays)
        write_manifest(unfinished, manifest)
        OnnxRuntime().load(unfinished, load_manifest(unfinished))
        unfinished.chmod(0o755)  # mkdtemp makes folders that only their owner can read
        _swap(unfinished, folder)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    return load_manifest(folder)


def known(provenance: Provenance | None) -> dict[str, Any]:
    """The manifest's fields about where a model comes from."""
    return msgspec.structs.asdict(provenance or Provenance())


def _save(file: Path, arrays: Mapping[str, NDArray[Any]]) -> None:
    with file.open("wb") as out:
        np.savez(out, **arrays)  # type: ignore[arg-type]


def _check_parity(
    graph: bytes,
    manifest: Manifest,
    rows: NDArray[np.float32],
    expected: FloatArray,
    parity: float,
) -> None:
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    answers = session.run([manifest.output], {manifest.input: rows})[0].reshape(expected.shape)
    differences = np.abs(answers.astype(np.float64) - expected).reshape(len(rows), -1).max(axis=1)
    worst = float(differences.max())
    if not worst <= parity:  # NaN is refused too
        row = int(np.argmax(np.where(np.isnan(differences), np.inf, differences)))
        gives = ", ".join(f"{float(one):g}" for one in np.ravel(answers[row])[:4])
        should = ", ".join(f"{float(one):g}" for one in np.ravel(expected[row])[:4])
        raise FailedPrecondition(
            f"export refused: the graph differs from the model by {worst:.2g} on held-out rows, "
            f"more than {parity:g}; most at row {row}: {gives} instead of {should}"
        )


def _swap(unfinished: Path, folder: Path) -> None:
    """Two renames; a reader in between finds no folder, never half of one."""
    if not folder.exists():
        unfinished.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.old.{os.getpid()}")
    folder.rename(old)
    try:
        unfinished.rename(folder)
    except OSError:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
