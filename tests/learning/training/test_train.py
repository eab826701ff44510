from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from nba_engine.domain import Feature
from nba_engine.errors import FailedPrecondition
from nba_engine.learning.training import Options, Trained, export, report_of, split_by_time, train
from nba_engine.learning.training.calibrating import choose_calibration, fit_calibration
from nba_engine.learning.training.drift import psi, read_reference, reference_of
from nba_engine.learning.training.encoding import ABSENT, columns_for_fitting, fit_encoding
from nba_engine.learning.training.measuring import own_frequency

from .worlds import DAY, TOWNS, made_up

PLAIN = Options(model="logistic", threads=1)


@pytest.fixture(scope="module")
def trained() -> Trained:
    return train(made_up(1_500, actions=3), Options(threads=1))


def test_it_says_yes_where_there_is_something_to_learn(trained: Trained) -> None:
    assert trained.verdict.beats
    assert trained.verdict.words.startswith("Yes")
    assert trained.figures["model"].log_loss < 0.95 * trained.figures["popularity"].log_loss


@pytest.mark.parametrize("seed", range(5))
def test_it_says_no_on_noise(seed: int) -> None:
    found = train(made_up(800, signal=0.0, categories=False, seed=seed), PLAIN)
    assert not found.verdict.beats
    assert found.verdict.words.startswith("No")


def test_the_split_is_by_time_and_no_label_reaches_across() -> None:
    examples = made_up(500)
    examples = msgspec.structs.replace(examples, known=examples.time + 5 * DAY)
    split = split_by_time(examples)
    assert split.train.time.max() < split.validation.time.min()
    assert max(split.train.known.max(), split.validation.known.max()) <= split.test.time.min()
    assert len(split.train) + len(split.validation) + len(split.test) + split.between == 500
    assert split.between > 0
    assert 0.1 < len(split.test) / 500 < 0.2


def test_examples_of_one_moment_stay_together() -> None:
    examples = made_up(300)
    examples = msgspec.structs.replace(
        examples,
        time=np.floor(examples.time / (20 * DAY)),
        known=np.floor(examples.time / (20 * DAY)),
    )
    split = split_by_time(examples)
    parts = [set(part.time.tolist()) for part in (split.train, split.validation, split.test)]
    assert parts[0] | parts[1] | parts[2] == {0, 1, 2, 3, 4}
    assert not parts[0] & parts[1]
    assert not parts[1] & parts[2]


def test_too_few_outcomes_are_refused_with_figures() -> None:
    examples = made_up(200)
    label = np.zeros(200)
    label[:5] = 1.0
    with pytest.raises(FailedPrecondition, match="training has 5 positive"):
        train(msgspec.structs.replace(examples, label=label), PLAIN)


def test_auto_keeps_trees_only_where_they_are_better() -> None:
    linear = train(made_up(2_000, gaps=False, categories=False), Options(threads=1))
    assert linear.choice.fitted.method == "logistic"
    bent = made_up(2_000, categories=False)
    random = np.random.default_rng(1)
    odds = np.where(np.abs(bent.rows[:, 0]) > 0.7, 0.85, 0.15)
    label = (random.random(2_000) < odds).astype(float)
    found = train(msgspec.structs.replace(bent, label=label), Options(threads=1))
    assert found.choice.fitted.method == "lightgbm"
    assert found.choice.tried["lightgbm"] < found.choice.tried["logistic"]


def test_a_wide_model_leaves_actions_of_few_outcomes_to_their_prior() -> None:
    examples = made_up(1_500, actions=3)
    rare = (examples.action == 2) & (np.arange(1_500) % 50 > 0)
    found = train(examples.take(~rare), Options(model="logistic", signature="wide", threads=1))
    assert found.choice.fitted.outputs == ("offer0", "offer1")
    assert found.choice.left_out == ("offer2",)
    assert any("offer2" in warning for warning in found.warnings)
    assert set(found.test.action.tolist()) == {0, 1}


def test_isotonic_steps_rise_and_are_not_steep() -> None:
    random = np.random.default_rng(2)
    logit = random.normal(size=5_000) * 3
    label = (random.random(5_000) < (logit > 0) * 0.8 + 0.1).astype(float)
    found = fit_calibration("isotonic", logit, label)
    slopes = np.diff(found.levels) / np.diff(found.knots)
    assert (slopes >= 0).all()
    assert slopes.max() <= 2.0 + 1e-9
    chosen = choose_calibration(logit, label, np.arange(5_000.0))
    assert chosen.kind == "isotonic", "no logistic curve is as bent"


def test_platt_is_kept_where_isotonic_steps_would_only_follow_noise() -> None:
    random = np.random.default_rng(4)
    logit = random.normal(size=1_000)
    label = (random.random(1_000) < 1 / (1 + np.exp(-2 * logit + 1))).astype(float)
    found = choose_calibration(logit, label, np.arange(1_000.0))
    assert found.kind == "platt"
    assert found.a == pytest.approx(2.0, abs=0.4)
    assert found.b == pytest.approx(-1.0, abs=0.3)


def test_rates_of_categories_do_not_tell_a_row_its_own_label() -> None:
    """With a town per two rows, rates of all rows would give labels away."""
    examples = made_up(600)
    random = np.random.default_rng(6)
    feature = msgspec.structs.replace(
        examples.features[3], categories=tuple(f"t{n}" for n in range(300))
    )
    rows = np.repeat(np.arange(300), 2)[:, np.newaxis].astype(np.float32)
    label = (random.random(600) < 0.5).astype(float)
    encoding = fit_encoding([feature], rows, label)
    told = np.corrcoef(encoding.columns(rows)[:, 0], label)[0, 1]
    honest = np.corrcoef(columns_for_fitting(encoding, rows, label, 0)[:, 0], label)[0, 1]
    assert told > 0.5
    assert honest < 0.1


def test_encoded_columns_are_named() -> None:
    examples = made_up(500)
    names = fit_encoding(examples.features, examples.rows, examples.label).names
    assert names == (
        "number",
        "amount",
        "amount is missing",
        "color = red",
        "color = green",
        "color = blue",
        "rate of town",
    )
    assert len(TOWNS) > 12
    assert ABSENT < -1e29


def test_own_frequency_is_that_of_outcomes_known_before() -> None:
    """By brute force over all earlier examples of the same customer and action."""
    examples = made_up(400, actions=2)
    split = split_by_time(examples)
    before = examples.take(examples.known <= split.test.time.min())
    found = own_frequency(before, split.test)
    assert found is not None
    strengths = set()
    for at in range(len(split.test)):
        same = (
            (before.customer == split.test.customer[at])
            & (before.action == split.test.action[at])
            & (before.known <= split.test.time[at])
        )
        others = (
            (split.test.customer == split.test.customer[at])
            & (split.test.action == split.test.action[at])
            & (split.test.known <= split.test.time[at])
        )
        shown = same.sum() + others.sum()
        taken = before.label[same].sum() + split.test.label[others].sum()
        if shown and abs(found[at] * shown - taken) > 1e-9:
            mine = before.action == split.test.action[at]
            overall = before.label.mean()
            prior = (before.label[mine].sum() + 20 * overall) / (mine.sum() + 20)
            strengths.add(round((taken - shown * found[at]) / (found[at] - prior), 6))
    assert len(strengths) == 1


def test_drift_is_the_population_stability_index() -> None:
    assert psi([0.5, 0.5], [0.5, 0.5]) == 0.0
    by_hand = (0.7 - 0.5) * np.log(0.7 / 0.5) + (0.3 - 0.5) * np.log(0.3 / 0.5)
    assert psi([0.5, 0.5], [0.7, 0.3]) == pytest.approx(by_hand)
    random = np.random.default_rng(8)
    reference = reference_of({"a": random.normal(size=5_000), "b": np.arange(5_000) % 3})
    found = reference.drift({"a": random.normal(1.0, size=5_000), "b": np.arange(5_000) % 3})
    assert found["a"] > 0.25
    assert found["b"] < 0.01


def test_the_next_model_is_compared_with_the_last_one(trained: Trained, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    export(trained, folder, name="propensity", label="taken")
    assert read_reference(folder) is not None
    shifted = made_up(1_500, actions=3)
    shifted.rows[:, 0] += 2.0
    again = train(shifted, PLAIN, last=folder)
    assert again.last is not None
    assert again.last.drift["number"] > 0.25
    assert again.last.drift["color"] < 0.1
    assert again.last.figures is not None
    assert again.last.figures.log_loss > again.figures["model"].log_loss


def test_refitted_the_model_has_seen_all_and_the_figures_are_of_what_had_not(
    tmp_path: Path,
) -> None:
    examples = made_up(1_500, actions=3)
    turned = examples.time > np.quantile(examples.time, 0.8)  # the world changes: far more is taken
    random = np.random.default_rng(3)
    label = np.where(turned & (random.random(len(examples)) < 0.5), 1.0, examples.label)
    examples = msgspec.structs.replace(examples, label=label)
    plain = train(examples, PLAIN)
    again = train(examples, msgspec.structs.replace(PLAIN, refit=True))
    assert again.figures == plain.figures
    assert again.scores["model"].tolist() == plain.scores["model"].tolist()
    assert again.refitted is not None
    assert len(again.refitted.train) > len(plain.split.train)
    now = again.test.rows[-100:]
    rate = float(again.test.label[-100:].mean())
    assert abs(again.exported.predict(now).mean() - rate) < 0.1
    assert plain.exported.predict(now).mean() < rate - 0.2
    manifests = [
        export(one, tmp_path / name, name="propensity", label="taken")
        for name, one in (("plain", plain), ("again", again))
    ]
    assert manifests[0].metrics == manifests[1].metrics
    assert manifests[0].trained_until < manifests[1].trained_until
    page = report_of(again, name="propensity", label="taken").html()
    assert f"on outcomes up to {manifests[1].trained_until}" in page
    assert "trained once more" not in report_of(plain, name="propensity", label="taken").html()


def test_what_beats_nothing_is_not_refitted() -> None:
    noise = made_up(800, signal=0.0, categories=False)
    assert train(noise, msgspec.structs.replace(PLAIN, refit=True)).refitted is None


def test_categories_in_another_order_and_another_usual_value_are_the_same_inputs(
    trained: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    export(trained, folder, name="propensity", label="taken")
    same = made_up(1_500, actions=3)
    turned = msgspec.structs.replace(same, features=tuple(map(_turned, same.features)))
    for at, feature in enumerate(turned.features):
        if feature.categories:
            last = len(feature.categories) - 1.0
            codes = same.rows[:, at]
            turned.rows[:, at] = np.where(codes < 0, codes, last - codes)
    again = train(turned, PLAIN, last=folder)
    assert again.last is not None
    assert again.last.figures is not None
    assert again.last.figures.log_loss == pytest.approx(trained.figures["model"].log_loss, rel=1e-5)
    assert max(again.last.drift[name] for name in ("number", "amount", "color", "town")) < 1e-9


def test_a_change_of_categories_is_drift_whatever_is_the_most_frequent(
    trained: Trained, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    export(trained, folder, name="propensity", label="taken")
    changed = made_up(1_500, actions=3)
    at = [feature.name for feature in changed.features].index("color")
    features = tuple(map(_turned, changed.features))
    changed.rows[:, at] = features[at].categories.index("red")
    found = train(msgspec.structs.replace(changed, features=features), PLAIN, last=folder).last
    assert found is not None
    assert found.drift["color"] > 0.25


def _turned(feature: Feature) -> Feature:
    """The same input of a later table: categories the other way round, another median."""
    default = feature.default if feature.default == ABSENT else feature.default + 1.0
    if feature.categories:
        default = feature.default
    return msgspec.structs.replace(feature, categories=feature.categories[::-1], default=default)


def test_the_report_is_one_page_that_says_it_all(trained: Trained, tmp_path: Path) -> None:
    export(trained, tmp_path / "model", name="propensity", label="taken")
    again = train(made_up(1_500, actions=3), PLAIN, last=tmp_path / "model")
    page = report_of(again, name="propensity", label="accept within 14d").html()
    headings = (
        "Held-out figures",
        "Can the probabilities be believed?",
        "Does it find the right ones?",
        "What it goes by",
        "Evidence by action",
        "Since the last model",
        "How it was trained",
    )
    assert [one for one in headings if one not in page] == []
    assert page.count("<svg") == 6
    assert "<script" not in page
    assert "http" not in page.replace("http://www.w3.org", "")


def test_shuffling_what_matters_costs_most(trained: Trained) -> None:
    assert set(list(trained.importance)[:2]) == {"number", "amount"}
