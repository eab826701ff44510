"""A zoo of broken model folders: each is refused, with the file, the place and what to do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from nba_engine.domain import Feature, Manifest
from nba_engine.errors import Mistake, MistakesFound
from nba_engine.models import load_manifest, open_scorer, write_manifest
from tests.models import world

CATALOG = world.catalog()
WIDTH = len(world.ALL)
Break = Callable[[Path], object]
FLOAT, DOUBLE = TensorProto.FLOAT, TensorProto.DOUBLE


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "propensity"
    world.trained(path)
    return path


def mistakes(good: Path, target: Path, damage: Break, **resources: Any) -> tuple[Mistake, ...]:
    """Copy the good folder, damage the copy, open it."""
    target.mkdir()
    for file in good.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    damage(target)
    with pytest.raises(MistakesFound) as caught:
        open_scorer(
            target,
            resources.get("catalog", CATALOG),
            world.RUNTIMES,
            resources.get("tables", world.tables()),
        )
    for mistake in caught.value.mistakes:
        assert mistake.file.startswith(str(target))
    return caught.value.mistakes


def graph(change: Callable[[onnx.ModelProto], object]) -> Break:
    def damage(folder: Path) -> None:
        model = onnx.load(folder / "model.onnx")
        change(model)
        onnx.save(model, folder / "model.onnx")

    return damage


def manifest(**changes: Any) -> Break:
    def damage(folder: Path) -> None:
        write_manifest(folder, msgspec.structs.replace(load_manifest(folder), **changes))

    return damage


def arrays(file: str, change: Callable[[dict[str, Any]], object]) -> Break:
    def damage(folder: Path) -> None:
        with np.load(folder / file) as archive:
            values: dict[str, Any] = {name: archive[name] for name in archive.files}
        change(values)
        np.savez(folder / file, **values)

    return damage


def set_initializer(name: str, value: float) -> Break:
    def change(model: onnx.ModelProto) -> None:
        for initializer in model.graph.initializer:
            if initializer.name == name:
                changed = np.full_like(numpy_helper.to_array(initializer), value)
                initializer.CopyFrom(numpy_helper.from_array(changed, name))

    return graph(change)


def built(
    *steps: onnx.NodeProto,
    rows: str | int | None = "rows",
    taking: int = FLOAT,
    giving: int = FLOAT,
) -> Break:
    """Replace the graph by ``steps`` from "features" to "propensity"."""

    def damage(folder: Path) -> None:
        made = helper.make_graph(
            list(steps),
            "wrong",
            [helper.make_tensor_value_info("features", taking, [rows, WIDTH] if rows else ["n"])],
            [helper.make_tensor_value_info("propensity", giving, None)],
            [
                numpy_helper.from_array(np.array([True, True, True]), "three"),
                numpy_helper.from_array(np.array([7], dtype=np.int64), "seven"),
            ],
        )
        opset = [helper.make_opsetid("", 11)]
        onnx.save(helper.make_model(made, opset_imports=opset, ir_version=8), folder / "model.onnx")

    return damage


def step(kind: str, *more: str, **settings: Any) -> onnx.NodeProto:
    return helper.make_node(kind, ["features", *more], ["propensity"], **settings)


def test_the_good_folder_opens(good: Path) -> None:
    open_scorer(good, CATALOG, world.RUNTIMES, world.tables())


@pytest.mark.parametrize(
    ("damage", "file", "place", "says"),
    [
        (lambda f: (f / "model.onnx").unlink(), "model.onnx", "", "cannot be read: No such file"),
        (
            lambda f: (f / "model.onnx").write_bytes((f / "model.onnx").read_bytes()[:-60]),
            "model.onnx",
            "",
            "not a valid ONNX model",
        ),
        (lambda f: (f / "model.onnx").write_bytes(b""), "model.onnx", "", "not a valid ONNX"),
        (manifest(input="rows"), "model.onnx", "input", "no input 'rows'"),
        (manifest(output="score"), "model.onnx", "output", "no output 'score'"),
        (manifest(file="gone.onnx"), "gone.onnx", "", "cannot be read"),
        (
            manifest(features=world.ALL[:-1]),
            "model.onnx",
            "input",
            f"has {WIDTH} features, the manifest names {WIDTH - 1}",
        ),
        (built(step("Sigmoid"), rows=None), "model.onnx", "input", "has rank 1, needs 2"),
        (
            built(step("Cast", to=FLOAT), taking=DOUBLE),
            "model.onnx",
            "input",
            "'features' is tensor(double), needs tensor(float)",
        ),
        (built(step("Sigmoid"), rows=1), "model.onnx", "input", "takes exactly 1 rows"),
        (
            built(step("Sigmoid")),
            "model.onnx",
            "output",
            f"has {WIDTH} scores per row, the manifest names 1",
        ),
        (
            built(step("Cast", to=DOUBLE), giving=DOUBLE),
            "model.onnx",
            "output",
            "'propensity' is tensor(double), needs tensor(float)",
        ),
        (
            built(step("Unsqueeze", axes=[0])),
            "model.onnx",
            "output",
            "has rank 3, needs 1 or 2",
        ),
        (built(step("Reshape", "seven")), "model.onnx", "", "cannot score the probe rows"),
        (built(step("Compress", "three")), "model.onnx", "output", "gives shape (3,) for"),
        (set_initializer("bias", np.nan), "model.onnx", "output", "not finite for probe row 0"),
        (set_initializer("bias", 0.123), "model.onnx", "output", "differs from the recorded"),
        (
            arrays("probes.npz", lambda a: a["outputs"].__iadd__(0.01)),
            "model.onnx",
            "output",
            "differs from the recorded probes by 0.01",
        ),
        (
            arrays("probes.npz", lambda a: a.update(inputs=a["inputs"][:, :-1])),
            "probes.npz",
            "inputs",
            "has shape",
        ),
        (
            arrays("probes.npz", lambda a: a.update(outputs=a["outputs"][:-1])),
            "probes.npz",
            "outputs",
            "has shape",
        ),
        (
            arrays("probes.npz", lambda a: a["inputs"].fill(np.inf)),
            "probes.npz",
            "inputs",
            "finite numbers",
        ),
        (arrays("probes.npz", lambda a: a.pop("inputs")), "probes.npz", "inputs", "is missing"),
        (lambda f: (f / "probes.npz").unlink(), "probes.npz", "", "cannot be read"),
        (lambda f: (f / "linear.npz").write_bytes(b"x"), "linear.npz", "", "not an .npz file"),
        (
            arrays("linear.npz", lambda a: a.update(weights=a["weights"][:-1])),
            "linear.npz",
            "weights",
            "needs finite numbers of",
        ),
        (
            arrays("linear.npz", lambda a: a.update(bias=np.array(np.nan))),
            "linear.npz",
            "bias",
            "needs finite numbers",
        ),
        (
            arrays("linear.npz", lambda a: a["weights"].__imul__(1.01)),
            "linear.npz",
            "",
            "differs from the graph",
        ),
    ],
)
def test_a_damaged_folder_is_refused_with_its_file_and_place(
    good: Path, tmp_path: Path, damage: Break, file: str, place: str, says: str
) -> None:
    found = mistakes(good, tmp_path / "m", damage)
    texts = [m.message for m in found if m.file.endswith(file) and m.place == place]
    assert any(says in text for text in texts), found
    assert all(m.remedy for m in found)


def test_a_graph_that_keeps_its_weights_in_another_file_is_refused(
    good: Path, tmp_path: Path
) -> None:
    def damage(folder: Path) -> None:
        model = onnx.load(folder / "model.onnx")
        onnx.save(
            model,
            folder / "model.onnx",
            save_as_external_data=True,
            location="weights.bin",
            size_threshold=0,
        )

    (found,) = mistakes(good, tmp_path / "m", damage)
    assert "not a valid ONNX model" in found.message
    assert "weights.bin" in found.message


def test_a_graph_with_unbounded_scores_is_refused(good: Path, tmp_path: Path) -> None:
    def to_logit(model: onnx.ModelProto) -> None:
        model.graph.node[-1].op_type = "Identity"

    found = mistakes(good, tmp_path / "m", graph(to_logit))
    assert "not probabilities" in found[0].message
    assert "Sigmoid" in found[0].remedy


def test_a_second_input_is_refused(good: Path, tmp_path: Path) -> None:
    def add_input(model: onnx.ModelProto) -> None:
        model.graph.input.append(helper.make_tensor_value_info("more", FLOAT, [1]))

    found = mistakes(good, tmp_path / "m", graph(add_input))
    assert [m.message for m in found] == ["the graph has 2 inputs, needs one"]


def test_weights_that_agree_with_the_probes_must_agree_on_the_catalog_too(
    good: Path, tmp_path: Path
) -> None:
    def blind(folder: Path) -> None:
        # probes without prices do not see that the price weighs differently
        place = [feature.name for feature in world.ALL].index("price")
        arrays("linear.npz", lambda a: a["weights"].__setitem__(place, 3.0))(folder)
        runtime = world.RUNTIMES["onnx"]
        with np.load(folder / "probes.npz") as archive:
            inputs = archive["inputs"]
        run = runtime.load(folder, load_manifest(folder))
        inputs[:, place] = 0.0
        np.savez(folder / "probes.npz", inputs=inputs, outputs=run(inputs))

    found = mistakes(good, tmp_path / "m", blind)
    assert "on rows of this catalog" in found[0].message


@pytest.mark.parametrize(
    ("feature", "place", "says"),
    [
        (Feature(name="x", source="customer.gone"), "source", "customer.gone is not declared"),
        (Feature(name="x", source="context.gone"), "source", "context.gone is not declared"),
        (Feature(name="x", source="action.gone"), "source", "no action has 'gone'"),
        (Feature(name="x", source="treatment.gone"), "source", "no treatment has 'gone'"),
        (Feature(name="x", source="action.category"), "source", "is never a number"),
        (Feature(name="x", source="customer.segment"), "source", "is string, needs int or"),
        (Feature(name="x", source="customer.joined"), "source", "is timestamp, needs int or"),
        (
            Feature(name="x", source="customer.age", transform="days_since"),
            "source",
            "is int, needs timestamp",
        ),
        (Feature(name="x", source="customer.shares"), "source", "is map<string,double>, needs"),
        (
            Feature(name="x", source="customer.age", key="action.category"),
            "source",
            "is int, needs a map of int or double or bool",
        ),
        (
            Feature(name="x", source="customer.last", key="action.category"),
            "source",
            "is map<string,timestamp>, needs a map of int",
        ),
        (
            Feature(name="x", source="customer.shares", key="action.price"),
            "key",
            "action.price is never text",
        ),
        (
            Feature(name="x", source="customer.shares", key="action.gone"),
            "key",
            "no action has 'gone'",
        ),
        (
            Feature(
                name="x",
                source="customer.age",
                key="action.category",
                transform="table",
                table="complements",
            ),
            "source",
            "is int, needs a list<string> or a map",
        ),
        (
            Feature(
                name="x",
                source="customer.bought",
                key="action.category",
                transform="table",
                table="gone",
            ),
            "table",
            "there is no table 'gone'",
        ),
    ],
)
def test_a_feature_that_this_catalog_cannot_give_is_named(
    good: Path, tmp_path: Path, feature: Feature, place: str, says: str
) -> None:
    damage = manifest(features=(*world.ALL[:-1], feature))
    (found,) = mistakes(good, tmp_path / "m", damage)
    assert found.place == f"features[{WIDTH - 1}].{place}"
    assert says in found.message
    assert found.remedy


def test_a_catalog_in_an_unknown_time_zone_cannot_give_hours(good: Path, tmp_path: Path) -> None:
    nowhere = world.catalog(time_zone="Moon/Crater")
    found = mistakes(good, tmp_path / "m", lambda _: None, catalog=nowhere)
    assert "'Moon/Crater' is unknown" in found[0].message


def test_every_missing_source_is_named_in_one_run(good: Path, tmp_path: Path) -> None:
    empty = world.catalog(attributes={}, context={}, aggregates={})
    found = mistakes(good, tmp_path / "m", lambda _: None, catalog=empty, tables={})
    of_request = [f for f in world.ALL if f.source.startswith(("customer.", "context."))]
    assert len(found) == len(of_request) + 2  # and two tables


def test_a_wide_model_for_other_actions_is_refused(tmp_path: Path) -> None:
    write_manifest(
        tmp_path,
        Manifest(
            name="w",
            version="1",
            signature="wide",
            features=(Feature(name="age", source="customer.age"),),
            outputs=("elsewhere",),
        ),
    )
    with pytest.raises(MistakesFound, match="outputs: names no action of this catalog"):
        open_scorer(tmp_path, CATALOG, world.RUNTIMES, {})
