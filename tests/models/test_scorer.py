from __future__ import annotations

import subprocess
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from nba_engine.domain import Feature, Manifest
from nba_engine.errors import MistakesFound
from nba_engine.learning import export_wide_logistic, train_wide_logistic
from nba_engine.models import load_manifest, open_scorer, write_manifest
from tests.models import world

CATALOG = world.catalog()
EVERY = np.arange(len(CATALOG.treatments))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "propensity"
    world.trained(path)
    return path


def without_linear(folder: Path, target: Path) -> Path:
    """A copy of the model folder that serves through the graph."""
    target.mkdir()
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    write_manifest(target, msgspec.structs.replace(load_manifest(folder), linear=""))
    return target


def test_the_linear_split_equals_the_graph_for_every_customer(folder: Path, tmp_path: Path) -> None:
    split = open_scorer(folder, CATALOG, world.RUNTIMES, world.tables())
    graph = open_scorer(
        without_linear(folder, tmp_path / "g"), CATALOG, world.RUNTIMES, world.tables()
    )
    random = np.random.default_rng(5)
    for _ in range(200):
        index = random.choice(EVERY, size=random.integers(1, 40))
        asked = (index, world.customer(random), world.context(random), world.NOW)
        served = split.propensities(*asked)
        assert served.dtype == np.float64
        assert served.shape == index.shape
        np.testing.assert_allclose(served, graph.propensities(*asked), atol=1e-6)


def test_the_served_probability_is_the_trained_models(tmp_path: Path) -> None:
    _, model = world.trained(tmp_path / "m")
    scorer = open_scorer(tmp_path / "m", CATALOG, world.RUNTIMES, world.tables())
    asked: Any = (EVERY, world.customer(np.random.default_rng(8)), {}, world.NOW)
    np.testing.assert_allclose(
        scorer.propensities(*asked), model.predict(scorer.features(*asked)), atol=1e-6
    )
    assert scorer.version == "1"
    assert list(scorer.feature_names) == [feature.name for feature in world.ALL]


def test_nobody_known_is_scored_by_the_defaults(folder: Path) -> None:
    scorer = open_scorer(folder, CATALOG, world.RUNTIMES, world.tables())
    rows = scorer.features(EVERY, {}, {}, world.NOW)
    for place, feature in enumerate(world.ALL):
        if feature.source.startswith(("customer.", "context.")):
            assert set(rows[:, place].tolist()) == {feature.default}
    assert np.all(np.isfinite(scorer.propensities(EVERY, {}, {}, world.NOW)))


def test_no_candidates_give_no_scores(folder: Path, tmp_path: Path) -> None:
    none = np.empty(0, dtype=np.intp)
    for path in (folder, without_linear(folder, tmp_path / "g")):
        scorer = open_scorer(path, CATALOG, world.RUNTIMES, world.tables())
        assert scorer.propensities(none, {}, {}, world.NOW).shape == (0,)
        assert scorer.features(none, {}, {}, world.NOW).shape == (0, len(world.ALL))


def test_a_wide_model_scores_actions_and_says_nan_for_those_it_does_not_know(
    tmp_path: Path,
) -> None:
    random = np.random.default_rng(4)
    rows = random.normal(size=(400, len(world.PLAIN)))
    labels = (random.random((400, 3)) < [0.1, 0.5, 0.8]).astype(int)
    outputs = ("offer3", "gone", "offer0")
    model = train_wide_logistic(rows, labels, rows, labels, outputs, strengths=(1.0,))
    export_wide_logistic(
        tmp_path / "w", model, name="w", version="7", features=world.PLAIN, held_out=rows[:50]
    )

    scorer = open_scorer(tmp_path / "w", CATALOG, world.RUNTIMES, {})
    asked: Any = (EVERY, {"age": 30}, {}, world.NOW)
    scores = dict(zip([t.id for t in CATALOG.treatments], scorer.propensities(*asked), strict=True))

    row = scorer.features(*asked)[:1]
    expected = dict(zip(outputs, model.predict(row)[0], strict=True))
    for channel in world.CHANNELS:
        assert scores[f"offer3.{channel}"] == pytest.approx(expected["offer3"], abs=1e-6)
        assert scores[f"offer0.{channel}"] == pytest.approx(expected["offer0"], abs=1e-6)
    assert sum(np.isnan(list(scores.values()))) == len(EVERY) - 4


def test_rows_that_are_equal_for_every_customer_are_scored_once(tmp_path: Path) -> None:
    seen: list[int] = []

    class Runtime:
        def load(self, folder: Path, manifest: Manifest) -> Any:
            def run(rows: np.ndarray) -> np.ndarray:
                seen.append(len(rows))
                return rows[:, 0] / 100 + rows[:, 1] / 10

            return run

    share = Feature(name="share", source="customer.shares", key="action.category")
    price = Feature(name="price", source="action.price")
    write_manifest(
        tmp_path,
        Manifest(name="m", version="1", signature="row", features=(price, share), format="fixed"),
    )
    scorer = open_scorer(tmp_path, CATALOG, {"fixed": Runtime()}, {})
    index = np.array([5, 0, 1, 5, len(EVERY) - 1, 4])
    customer = {"shares": {"c0": 1.0, "c1": 2.0}}
    scores = scorer.propensities(index, customer, {}, world.NOW)
    rows = scorer.features(index, customer, {}, world.NOW)
    np.testing.assert_allclose(scores, rows[:, 0] / 100 + rows[:, 1] / 10, rtol=1e-6)
    assert seen == [3]  # offer 2 on both channels, offer 0 on both, nothing
    scorer.propensities(np.array([4, 0]), customer, {}, world.NOW)
    assert seen == [3, 2]


def test_scores_that_are_no_probabilities_become_nan(tmp_path: Path) -> None:
    class Runtime:
        def load(self, folder: Path, manifest: Manifest) -> Any:
            answers = np.array([0.5, np.nan, np.inf, -np.inf, 3.0, -0.2, 1.0000001], np.float32)
            return lambda rows: answers[: len(rows), np.newaxis]

    feature = Feature(name="id", source="customer.shares", key="action.id")
    write_manifest(
        tmp_path,
        Manifest(name="m", version="1", signature="row", features=(feature,), format="fixed"),
    )
    scorer = open_scorer(tmp_path, CATALOG, {"fixed": Runtime()}, {})
    scores = scorer.propensities(EVERY[:14:2], {}, {}, world.NOW)
    np.testing.assert_array_equal(scores, [0.5, *[np.nan] * 5, 1.0])


def test_a_format_without_runtime_is_named(folder: Path) -> None:
    with pytest.raises(MistakesFound, match=r"no runtime for .onnx.*formats: none"):
        open_scorer(folder, CATALOG, {}, world.tables())


def test_a_manifest_survives_writing_and_reading(tmp_path: Path) -> None:
    manifest = Manifest(
        name='quote " backslash \\ delete \x7f snow ☃',
        version="2017-11-06",
        signature="row",
        features=(
            *world.ALL,
            Feature(name="text", source="customer.segment", transform="equals", value='a"b'),
            Feature(name="flag", source="customer.loyal", transform="equals", value=True),
            Feature(name="three", source="customer.age", transform="equals", value=3.0),
        ),
        metrics={"log loss": 0.2205, "AUC": 0.85, "tiny": 1e-9},
        tolerance=1e-4,
    )
    file = write_manifest(tmp_path, manifest)
    assert load_manifest(tmp_path) == manifest
    assert tomllib.loads(file.read_text())["features"][0]["name"] == "age"


@pytest.mark.parametrize("kind", ["linear", "rows"])
def test_threads_do_not_see_one_anothers_customers(folder: Path, tmp_path: Path, kind: str) -> None:
    path = folder if kind == "linear" else without_linear(folder, tmp_path / "g")
    scorer = open_scorer(path, CATALOG, world.RUNTIMES, world.tables())
    random = np.random.default_rng(11)
    customers = [world.customer(random) for _ in range(200)]

    def score(customer: dict[str, Any]) -> bytes:
        return scorer.propensities(EVERY, customer, {}, world.NOW).tobytes()

    alone = [score(customer) for customer in customers]
    assert len(set(alone)) > 150
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(score, customers)) == alone


def test_serving_a_model_imports_nothing_that_only_training_needs() -> None:
    code = "import nba_engine.models, sys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"sklearn", "scipy", "lightgbm", "onnx", "pandas", "pyarrow"} & set(
        done.stdout.split()
    )


def test_a_row_model_of_the_customer_alone_gives_every_candidate_the_same(tmp_path: Path) -> None:
    world.trained(tmp_path / "m", world.PLAIN)
    for path in (tmp_path / "m", without_linear(tmp_path / "m", tmp_path / "g")):
        scorer = open_scorer(path, CATALOG, world.RUNTIMES, {})
        scores = scorer.propensities(EVERY, {"age": 50, "visits": 3}, {}, world.NOW)
        assert len(set(scores.tolist())) == 1
