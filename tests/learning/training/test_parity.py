"""Every kind of pipeline is exported and loaded as serving does, and equals the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from nba_engine.errors import FailedPrecondition
from nba_engine.learning.training.calibrating import PARITY
from nba_engine.learning.training.fitted import graph_of
from nba_engine.learning.training.run import Options, Trained, export, train
from nba_engine.models import OnnxRuntime, load_manifest

from .worlds import made_up

RUN = "nba_engine.learning.training.run"
KINDS = [
    (method, calibration, shape)
    for method in ("logistic", "lightgbm")
    for calibration in ("none", "platt", "isotonic")
    for shape in ("row", "wide", "row with categories and gaps", "wide with categories and gaps")
]
TRAINED: dict[Any, Trained] = {}


def trained(method: Any, calibration: Any, shape: str) -> Trained:
    """Trained once per kind."""
    if (method, calibration, shape) not in TRAINED:
        signature: Literal["row", "wide"] = "wide" if shape.startswith("wide") else "row"
        rich = "categories" in shape
        examples = made_up(
            1_200, actions=2 if signature == "wide" else 1, gaps=rich, categories=rich
        )
        options = Options(model=method, calibration=calibration, signature=signature, threads=1)
        TRAINED[method, calibration, shape] = train(examples, options)
    return TRAINED[method, calibration, shape]


@pytest.mark.parametrize(("method", "calibration", "shape"), KINDS)
def test_the_exported_graph_equals_the_model_on_held_out_rows(
    method: str, calibration: Any, shape: str, tmp_path: Path
) -> None:
    found = trained(method, calibration, shape)
    manifest = export(found, tmp_path / "model", name="propensity", label="taken")
    run = OnnxRuntime().load(tmp_path / "model", load_manifest(tmp_path / "model"))
    rows = found.test.rows
    served = np.asarray(run(rows), dtype=np.float64)
    expected = found.choice.fitted.predict(rows).reshape(served.shape)
    assert np.abs(served - expected).max() <= PARITY[calibration]
    assert manifest.tolerance == PARITY[calibration]
    assert served.std() > 0.01, "a constant would agree, too"
    actions = found.split.train.actions
    assert sum(manifest.trained_on.values()) == (len(found.split.train) if len(actions) > 1 else 0)


@pytest.mark.parametrize(("method", "calibration", "shape"), KINDS)
def test_a_broken_conversion_is_refused_and_names_the_row(
    method: str, calibration: str, shape: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trained(method, calibration, shape)
    monkeypatch.setattr(f"{RUN}.graph_of", lambda fitted: broken(graph_of(fitted)))
    with pytest.raises(FailedPrecondition, match=r"export refused.*at row \d+: .* instead of"):
        export(found, tmp_path / "model", name="propensity", label="taken")
    assert not (tmp_path / "model").exists()


def test_a_refused_export_leaves_the_model_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = trained("logistic", "platt", "row")
    export(found, tmp_path / "model", name="propensity", label="taken")
    before = {file.name: file.read_bytes() for file in (tmp_path / "model").iterdir()}
    monkeypatch.setattr(f"{RUN}.graph_of", lambda fitted: broken(graph_of(fitted)))
    with pytest.raises(FailedPrecondition):
        export(found, tmp_path / "model", name="propensity", label="taken")
    assert {file.name: file.read_bytes() for file in (tmp_path / "model").iterdir()} == before
    assert [folder.name for folder in tmp_path.iterdir()] == ["model"]


def broken(graph: bytes) -> bytes:
    """The graph with numbers changed: a weight, or the values of some leaves."""
    model = onnx.load_from_string(graph)
    for initializer in model.graph.initializer:
        if initializer.name == "weights":
            values = numpy_helper.to_array(initializer).copy()
            values[0] += 0.05
            initializer.CopyFrom(numpy_helper.from_array(values, "weights"))
            return model.SerializeToString()
    (trees,) = (node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor")
    (weights,) = (one for one in trees.attribute if one.name == "target_weights")
    for leaf in range(20):
        weights.floats[leaf] += 0.5
    return model.SerializeToString()


def test_an_input_that_training_never_saw_gives_a_probability(tmp_path: Path) -> None:
    found = trained("logistic", "isotonic", "row with categories and gaps")
    export(found, tmp_path / "model", name="propensity", label="taken")
    run = OnnxRuntime().load(tmp_path / "model", load_manifest(tmp_path / "model"))
    odd = np.array([[1e6, -1e30, -1, 99], [-1e6, 1e6, 7, -5]], dtype=np.float32)
    served = np.asarray(run(odd), dtype=np.float64).reshape(-1)
    assert np.abs(served - found.choice.fitted.predict(odd)).max() <= 1e-4
    assert ((served >= 0) & (served <= 1)).all()


def test_a_logistic_model_of_plain_inputs_is_served_without_its_graph(tmp_path: Path) -> None:
    found = trained("logistic", "platt", "row")
    manifest = export(found, tmp_path / "model", name="propensity", label="taken")
    assert manifest.linear == "linear.npz"
    with np.load(tmp_path / "model" / "linear.npz") as linear:
        a, b = linear["calibration"]
        logit = found.test.rows.astype(float) @ linear["weights"] + linear["bias"]
    served = 1 / (1 + np.exp(-(a * logit + b)))
    assert np.abs(served - found.choice.fitted.predict(found.test.rows)).max() < 1e-9


def test_the_same_seed_gives_the_same_graph() -> None:
    examples = made_up(600, categories=False)
    graphs = [graph_of(train(examples, Options(seed=7, threads=1)).choice.fitted) for _ in range(2)]
    assert graphs[0] == graphs[1]
    assert msgspec.structs.asdict(Options())["seed"] == 0
