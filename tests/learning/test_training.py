from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import optimize
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from nba_engine.domain import Feature
from nba_engine.errors import FailedPrecondition
from nba_engine.learning import (
    LogisticModel,
    Provenance,
    data_hash,
    ece,
    export_logistic,
    export_wide_logistic,
    log_loss,
    platt,
    sigmoid,
    train_logistic,
    train_wide_logistic,
)
from nba_engine.models import OnnxRuntime, load_manifest

FEATURES = tuple(Feature(name=f"f{place}", source=f"customer.f{place}") for place in range(4))


def synthetic(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows on very different scales, one of them constant; labels from a known logistic."""
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, 4)) * [1.0, 1000.0, 0.01, 0.0] + [0.0, 5000.0, 1.0, 7.0]
    logit = rows[:, 0] + (rows[:, 1] - 5000) / 800 - 50 * (rows[:, 2] - 1) - 1
    return rows.astype(np.float32), (random.random(count) < sigmoid(logit)).astype(np.intp)


def model() -> LogisticModel:
    return train_logistic(*synthetic(4000, 1), *synthetic(2000, 2))


def test_the_folded_weights_predict_as_scikit_learns_pipeline_does() -> None:
    rows, label = synthetic(4000, 1)
    later, later_label = synthetic(2000, 2)
    ours = train_logistic(rows, label, later, later_label, strengths=(0.1,))
    scaler = StandardScaler().fit(rows.astype(np.float64))
    theirs = LogisticRegression(C=0.1).fit(scaler.transform(rows), label)
    expected = theirs.decision_function(scaler.transform(later.astype(np.float64)))
    np.testing.assert_allclose(ours.logits(later), expected, atol=5e-3)
    assert ours.weights[3] == 0.0


def test_calibration_on_later_rows_mends_a_shift_in_the_rate() -> None:
    rows, label = synthetic(4000, 1)
    later, later_label = synthetic(4000, 2)
    keep = (later_label == 0) | (np.random.default_rng(0).random(4000) < 0.3)
    fitted = train_logistic(rows, label, later[keep], later_label[keep])
    raw = sigmoid(fitted.logits(later[keep]))
    calibrated = fitted.predict(later[keep])
    assert ece(later_label[keep], calibrated) < 0.03 < ece(later_label[keep], raw)
    assert fitted.validation_log_loss == pytest.approx(log_loss(later_label[keep], calibrated))


def test_the_strength_that_does_best_on_the_validation_period_is_chosen() -> None:
    random = np.random.default_rng(0)
    rows, later = random.normal(size=(60, 40)), random.normal(size=(4000, 40))
    label, later_label = rows[:, 0] > 0.3, later[:, 0] + random.normal(size=4000) > 0
    fitted = train_logistic(rows, label, later, later_label, strengths=(0.01, 1000.0))
    assert fitted.strength == 0.01


def test_a_sample_chooses_the_same_strength_as_all_rows() -> None:
    rows, label = synthetic(20_000, 1)
    later = synthetic(4000, 2)
    every = train_logistic(rows, label, *later, strengths=(1e-4, 1.0))
    sampled = train_logistic(rows, label, *later, strengths=(1e-4, 1.0), select_rows=2000)
    assert every.strength == sampled.strength == 1.0
    np.testing.assert_array_equal(every.weights, sampled.weights)


def test_a_sample_of_one_class_is_no_sample() -> None:
    rows, label = np.arange(1000.0)[:, np.newaxis], np.zeros(1000, dtype=int)
    label[3] = 1
    with pytest.raises(FailedPrecondition, match="the sample for choosing C holds one class"):
        train_logistic(rows, label, rows, label, select_rows=5)


def test_platt_finds_the_scale_and_shift_of_the_log_odds() -> None:
    random = np.random.default_rng(0)
    logit = random.normal(size=200_000)
    label = random.random(200_000) < sigmoid(1.7 * logit - 0.6)
    a, b = platt(logit, label)
    assert a == pytest.approx(1.7, abs=0.03)
    assert b == pytest.approx(-0.6, abs=0.03)


# with the later seeds a full Newton step goes too far
@pytest.mark.parametrize("seed", [*range(10), 26, 46, 135, 138, 282])
def test_platt_agrees_with_a_general_optimizer(seed: int) -> None:
    random = np.random.default_rng(seed)
    count = int(random.integers(3, 40))
    logit = random.standard_t(1, count) * (scale := 10 ** random.uniform(-3, 4))
    label = (random.random(count) < random.uniform(0.05, 0.95)).astype(int)
    label[:2] = 1, 0
    ones, zeros = label.sum(), count - label.sum()
    target = np.where(label > 0, (ones + 1) / (ones + 2), 1 / (zeros + 2))

    def loss(ab: np.ndarray) -> float:
        z = ab[0] * logit / scale + ab[1]
        return float(np.sum(np.logaddexp(0, z) - target * z))

    best = optimize.minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"fatol": 1e-10})
    a, b = platt(logit, label)
    assert loss(np.array([a * scale, b])) <= best.fun + 1e-5


def test_platt_stays_finite_when_the_log_odds_separate_the_classes() -> None:
    a, b = platt(np.array([-2.0, -1.0, 1.0, 2.0]), np.array([0, 0, 1, 1]))
    assert np.isfinite([a, b]).all()
    assert a > 0


@pytest.mark.parametrize(
    ("rows", "label", "says"),
    [
        (np.array([[1.0], [np.nan]]), np.array([0, 1]), "columns 0 hold values"),
        (np.array([[1.0], [2.0]]), np.array([1, 1]), "both present"),
        (np.array([[1.0], [2.0]]), np.array([0, 2]), "labels must be 0 and 1"),
        (np.array([[1.0], [2.0]]), np.array([0]), "rows of shape"),
    ],
)
def test_data_that_cannot_be_trained_on_is_named(
    rows: np.ndarray, label: np.ndarray, says: str
) -> None:
    with pytest.raises(FailedPrecondition, match=f"training: .*{says}"):
        train_logistic(rows, label, rows, label)


def test_an_exported_model_answers_as_the_trained_one(tmp_path: Path) -> None:
    fitted, (held_out, _) = model(), synthetic(1000, 3)
    provenance = Provenance(
        label="bought", metrics={"log_loss": 0.4}, data_hash=data_hash(held_out)
    )
    manifest = export_logistic(
        tmp_path / "m",
        fitted,
        name="m",
        version="1",
        features=FEATURES,
        held_out=held_out,
        provenance=provenance,
    )
    run = OnnxRuntime().load(tmp_path / "m", load_manifest(tmp_path / "m"))
    np.testing.assert_allclose(run(held_out)[:, 0], fitted.predict(held_out), atol=1e-5)
    assert manifest == load_manifest(tmp_path / "m")
    assert manifest.metrics == {"log_loss": 0.4}
    assert {file.name for file in (tmp_path / "m").iterdir()} == {
        "manifest.toml",
        "model.onnx",
        "probes.npz",
        "linear.npz",
    }


def test_an_export_replaces_the_folder_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    fitted, (held_out, _) = model(), synthetic(100, 3)
    for version in ("1", "2"):
        export_logistic(
            tmp_path / "m",
            fitted,
            name="m",
            version=version,
            features=FEATURES,
            held_out=held_out,
        )
        (tmp_path / "m" / "stray").touch()
    assert load_manifest(tmp_path / "m").version == "2"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_a_folder_that_cannot_be_replaced_is_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted, (held_out, _) = model(), synthetic(100, 3)

    def export(version: str) -> None:
        export_logistic(
            tmp_path / "m", fitted, name="m", version=version, features=FEATURES, held_out=held_out
        )

    export("1")
    rename = Path.rename

    def failing(path: Path, target: Path) -> Path:
        if target == tmp_path / "m" and ".old." not in path.name:
            raise OSError(28, "No space left on device")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", failing)
    with pytest.raises(OSError, match="No space left"):
        export("2")
    assert load_manifest(tmp_path / "m").version == "1"
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


def test_an_export_that_is_not_equal_on_held_out_rows_is_refused(tmp_path: Path) -> None:
    # float32 cannot hold times in seconds next to small differences between them
    times = 1.5e9 + np.arange(1000.0)[:, np.newaxis]
    label = (np.random.default_rng(0).random(1000) < np.arange(1000) / 1000).astype(int)
    fitted = train_logistic(times, label, times, label)
    feature = Feature(name="time", source="customer.time")
    with pytest.raises(FailedPrecondition, match="export refused"):
        export_logistic(
            tmp_path / "m", fitted, name="m", version="1", features=[feature], held_out=times
        )
    assert list(tmp_path.iterdir()) == []


def test_held_out_rows_of_another_width_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"shape \(3, 2\) for 4 features"):
        export_logistic(
            tmp_path, model(), name="m", version="1", features=FEATURES, held_out=np.ones((3, 2))
        )


def test_a_wide_export_has_one_score_per_action(tmp_path: Path) -> None:
    rows, label = synthetic(2000, 1)
    labels = np.stack([label, 1 - label], axis=1)
    fitted = train_wide_logistic(rows, labels, rows, labels, ["yes", "no"], strengths=(1.0,))
    manifest = export_wide_logistic(
        tmp_path / "w", fitted, name="w", version="1", features=FEATURES, held_out=rows[:200]
    )
    assert manifest.outputs == ("yes", "no")
    scores = OnnxRuntime().load(tmp_path / "w", manifest)(rows[:1])
    np.testing.assert_allclose(scores[0], fitted.predict(rows[:1])[0], atol=1e-5)
    assert scores[0].sum() == pytest.approx(1.0, abs=1e-3)


def test_the_action_that_cannot_be_trained_is_named() -> None:
    rows, label = synthetic(200, 1)
    labels = np.stack([label, np.zeros_like(label)], axis=1)
    with pytest.raises(FailedPrecondition, match="never: training"):
        train_wide_logistic(rows, labels, rows, labels, ["some", "never"])


def test_the_data_hash_sees_types_shapes_and_values() -> None:
    hashes = {
        data_hash(np.zeros(4)),
        data_hash(np.zeros((2, 2))),
        data_hash(np.zeros(4, dtype=np.float32)),
        data_hash(np.array([0.0, 0, 0, 1])),
    }
    assert len(hashes) == 4
    assert data_hash(np.zeros(4)) in hashes
