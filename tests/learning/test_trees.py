from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from nba_engine.domain import Feature
from nba_engine.errors import FailedPrecondition
from nba_engine.learning import (
    BoostedModel,
    ece,
    export_lightgbm,
    log_loss,
    platt,
    sigmoid,
    train_lightgbm,
    train_logistic,
)
from nba_engine.models import OnnxRuntime

FEATURES = tuple(Feature(name=f"f{place}", source=f"customer.f{place}") for place in range(3))


def synthetic(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels that depend on a product of two features; the third is a whole number."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, 3)).astype(np.float32)
    rows[:, 2] = random.integers(0, 5, count)
    logit = 2.0 * rows[:, 0] * rows[:, 1] - 1.0
    return rows, (random.random(count) < sigmoid(logit)).astype(np.intp)


@pytest.fixture(scope="module")
def model() -> BoostedModel:
    return train_lightgbm(
        *synthetic(6000, 1),
        *synthetic(3000, 2),
        parameters={"min_data_in_leaf": 20},
        rounds=150,
        threads=1,
    )


def test_trees_see_what_a_logistic_regression_cannot(model: BoostedModel) -> None:
    rows, label = synthetic(3000, 3)
    linear = train_logistic(*synthetic(6000, 1), *synthetic(3000, 2), strengths=(1.0,))
    assert log_loss(label, model.predict(rows)) < 0.9 * log_loss(label, linear.predict(rows))
    assert ece(label, model.predict(rows)) < 0.05


def test_the_graph_of_the_trees_equals_the_model(model: BoostedModel, tmp_path: Path) -> None:
    held_out, _ = synthetic(20_000, 4)
    manifest = export_lightgbm(
        tmp_path / "t", model, name="t", version="1", features=FEATURES, held_out=held_out
    )
    assert manifest.linear == ""
    answers = OnnxRuntime().load(tmp_path / "t", manifest)(held_out)
    np.testing.assert_allclose(answers[:, 0], model.predict(held_out), atol=1e-5)


def splits(model: BoostedModel) -> Iterator[tuple[int, float]]:
    """Feature and threshold of every split of every tree."""
    waiting = [tree["tree_structure"] for tree in model.booster.dump_model()["tree_info"]]
    while waiting:
        node = waiting.pop()
        if "threshold" in node:
            yield node["split_feature"], node["threshold"]
            waiting += [node["left_child"], node["right_child"]]


def test_rows_on_a_threshold_take_the_same_branch(model: BoostedModel, tmp_path: Path) -> None:
    found = list(splits(model))
    rows = np.zeros((3 * len(found), 3), dtype=np.float32)
    for place, (feature, threshold) in enumerate(found):
        at = np.float32(threshold)
        for step, to in enumerate((np.nextafter(at, -at), at, np.nextafter(at, 2 * at))):
            rows[3 * place + step, feature] = to
    assert len(found) > 500
    manifest = export_lightgbm(
        tmp_path / "t", model, name="t", version="1", features=FEATURES, held_out=rows
    )
    answers = OnnxRuntime().load(tmp_path / "t", manifest)(rows)
    np.testing.assert_allclose(answers[:, 0], model.predict(rows), atol=1e-6)


def test_a_model_without_any_split_is_exported_too(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    rows, label = np.zeros((200, 3), dtype=np.float32), random.integers(0, 2, 200)
    constant = train_lightgbm(rows, label, rows, label, rounds=3, threads=1)
    manifest = export_lightgbm(
        tmp_path / "t", constant, name="t", version="1", features=FEATURES, held_out=rows
    )
    answer = OnnxRuntime().load(tmp_path / "t", manifest)(rows[:1])
    assert answer[0, 0] == pytest.approx(constant.predict(rows[:1])[0], abs=1e-6)


def test_categorical_splits_are_refused_by_name(tmp_path: Path) -> None:
    rows, label = synthetic(2000, 1)
    label = (rows[:, 2] % 2).astype(np.intp)
    label[:50] = 1 - label[:50]
    data = lightgbm.Dataset(rows, label=label, categorical_feature=[2])
    booster = lightgbm.train({"objective": "binary", "verbosity": -1, "num_threads": 1}, data, 5)
    categorical = BoostedModel(booster=booster, calibration=(1.0, 0.0), validation_log_loss=0.5)
    with pytest.raises(FailedPrecondition, match="splits by '==' cannot be exported"):
        export_lightgbm(
            tmp_path / "t", categorical, name="t", version="1", features=FEATURES, held_out=rows
        )
    assert list(tmp_path.iterdir()) == []


def test_rows_that_are_not_finite_are_refused() -> None:
    rows, label = synthetic(100, 1)
    rows[0, 1] = np.nan
    with pytest.raises(FailedPrecondition, match="columns 1 hold values that are not finite"):
        train_lightgbm(rows, label, rows, label)


def test_calibration_needs_both_classes() -> None:
    with pytest.raises(ValueError, match="positives and negatives"):
        platt([0.1, 0.2], [1, 1])
