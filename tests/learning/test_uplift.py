"""Uplift on seeded trials whose effects are known, and on trials without any."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nba_engine.domain import Feature
from nba_engine.errors import FailedPrecondition, MistakesFound
from nba_engine.learning.uplift import (
    Effect,
    Trial,
    Uplift,
    export_uplift,
    fit_uplift,
    qini_coefficient,
    qini_curve,
    read_trials,
)
from nba_engine.learning.uplift.learner import cross_fitted_scores, fit_effect
from nba_engine.learning.uplift.report import report_uplift, verdict
from nba_engine.models import OnnxRuntime, load_manifest

NAMES = tuple(f"x{n}" for n in range(5))
FEATURES = tuple(Feature(name=name, source=f"customer.{name}") for name in NAMES)


def trial(
    seed: int, kind: str, *, count: int = 3_000, unequal: bool = False
) -> tuple[Trial, np.ndarray]:
    """Customers who respond by x0 and x1 anyhow; being treated matters by x2, if at all.

    So whoever is likeliest to respond is not whom it persuades.
    """
    random = np.random.default_rng(seed)
    rows = random.normal(size=(count, len(NAMES))).astype(np.float32)
    anyhow = 1.0 / (1.0 + np.exp(1.5 - rows[:, 0] - 0.5 * rows[:, 1]))
    effect = {
        "none": np.zeros(count),
        "linear": 0.12 * rows[:, 2],
        "for all": np.full(count, 0.08),
        "steps": np.where((rows[:, 2] > 0) & (rows[:, 3] > 0), 0.5, -0.1),
    }[kind]
    share = np.where(rows[:, 4] > 0, 0.7, 0.2) if unequal else np.full(count, 0.5)
    treated = random.random(count) < share
    outcome = random.random(count) < np.clip(anyhow + treated * effect, 0.0, 1.0)
    made = Trial(
        rows=rows,
        treated=treated,
        outcome=outcome.astype(np.float64),
        propensity=share,
        unit=np.arange(count),
    )
    return made, effect


@pytest.fixture(scope="module")
def persuaded() -> tuple[Uplift, Trial, np.ndarray]:
    made, truth = trial(1, "linear")
    return fit_uplift(made, action="tea"), made, truth


def test_an_effect_that_differs_is_found_and_beats_targeting_by_propensity(
    persuaded: tuple[Uplift, Trial, np.ndarray],
) -> None:
    fit, made, truth = persuaded
    assert fit.differs
    assert fit.effect is not None
    assert np.corrcoef(fit.effect.predict(made.rows), truth)[0, 1] > 0.9
    assert fit.gain.low > 0.0
    assert fit.deciles[0] > fit.deciles[-1] + 0.1
    assert verdict(fit).startswith("tea: yes, and it differs between customers")


@pytest.mark.parametrize("seed", [1, 2])
def test_a_trial_without_effect_is_told_as_one(seed: int) -> None:
    fit = fit_uplift(trial(seed, "none")[0], seed=seed)
    assert fit.effect is None
    assert not fit.differs
    assert fit.average.low < 0.0 < fit.average.high
    assert verdict(fit).startswith("no. ")


def test_an_effect_that_is_the_same_for_all_is_one_number() -> None:
    fit = fit_uplift(trial(2, "for all")[0])
    assert fit.kind == "constant"
    assert fit.effect is not None
    assert fit.effect.predict(np.zeros((1, 5), np.float32))[0] == pytest.approx(0.08, abs=0.03)
    assert "the same for everybody" in verdict(fit)


def test_known_probabilities_that_differ_bias_nothing() -> None:
    made, effect = trial(5, "steps", unequal=True)
    fit = fit_uplift(made)
    assert fit.kind == "trees"
    assert fit.average.low < float(effect.mean()) < fit.average.high
    # the raw difference of the two groups is another number here: x4 says who was treated
    assert fit.effect is not None
    assert np.corrcoef(fit.effect.predict(made.rows), effect)[0, 1] > 0.85


def test_what_was_not_randomized_is_refused() -> None:
    made, _ = trial(3, "none", unequal=True)
    told_wrongly = Trial(
        rows=made.rows,
        treated=made.treated,
        outcome=made.outcome,
        propensity=np.full(len(made.rows), made.treated.mean()),
        unit=made.unit,
    )
    with pytest.raises(FailedPrecondition, match="this was not randomized"):
        fit_uplift(told_wrongly)


def test_too_little_and_too_certain_are_refused() -> None:
    made, _ = trial(1, "none", count=400)
    with pytest.raises(FailedPrecondition, match="300 of each are needed"):
        fit_uplift(made)
    made, _ = trial(1, "none", count=1_000)
    certain = Trial(
        rows=made.rows,
        treated=made.treated,
        outcome=made.outcome,
        propensity=np.where(made.rows[:, 0] > 2, 1.0, 0.5),
        unit=made.unit,
    )
    with pytest.raises(FailedPrecondition, match="must be between"):
        fit_uplift(certain)


def test_doubly_robust_scores_have_the_mean_of_the_truth() -> None:
    # closed form: E[φ | x] = τ(x) when the probabilities are right, whatever the responses are
    means = []
    for seed in range(4):
        made, effect = trial(seed, "steps", count=2_000, unequal=True)
        scores = cross_fitted_scores(made, np.random.default_rng(seed), folds=2)
        means.append(scores.mean() - effect.mean())
    assert abs(np.mean(means)) < 3 * np.std(means, ddof=1) / 2 + 0.01


def test_the_qini_coefficient_is_the_area_under_its_curve() -> None:
    random = np.random.default_rng(0)
    scores, told = random.normal(0.1, 1.0, 500), random.normal(size=500)
    share, gained = qini_curve(scores, told)
    between = gained - share * gained[-1]
    area = float(np.sum((between[1:] + between[:-1]) / 2 * np.diff(share)))
    assert qini_coefficient(scores, told) == pytest.approx(area)
    assert qini_coefficient(scores, scores) > 0.2
    assert qini_coefficient(scores, -scores) < -0.2


def test_linear_effects_and_trees_are_one_model(tmp_path: Path) -> None:
    made, effect = trial(1, "steps", count=1_000)
    noisy = effect + np.random.default_rng(0).normal(size=len(effect))
    effects = {
        "trees": fit_effect("trees", made.rows, noisy),
        "linear": fit_effect("linear", made.rows, noisy),
        "constant": fit_effect("constant", made.rows, noisy),
    }
    manifest = export_uplift(
        tmp_path / "uplift",
        effects,
        name="uplift",
        version="1",
        features=FEATURES,
        held_out=made.rows,
    )
    assert manifest.outputs == ("linear", "constant", "trees")
    assert manifest.meaning == "uplift"
    run = OnnxRuntime().load(tmp_path / "uplift", load_manifest(tmp_path / "uplift"))
    answers = np.concatenate([run(row[np.newaxis]) for row in made.rows[:50]])
    for at, name in enumerate(manifest.outputs):
        np.testing.assert_allclose(answers[:, at], effects[name].predict(made.rows[:50]), atol=1e-5)
    assert answers.min() < 0.0  # below 0 is an answer, too
    text = (tmp_path / "uplift" / "manifest.toml").read_text()
    (tmp_path / "uplift" / "manifest.toml").write_text(text.replace('meaning = "uplift"\n', ""))
    with pytest.raises(MistakesFound, match="not probabilities"):
        OnnxRuntime().load(tmp_path / "uplift", load_manifest(tmp_path / "uplift"))


def test_a_broken_conversion_is_refused(
    tmp_path: Path, persuaded: tuple[Uplift, Trial, np.ndarray]
) -> None:
    fit, made, _ = persuaded

    class Broken(Effect, frozen=True):
        def predict(self, rows: np.ndarray) -> np.ndarray:
            return super().predict(rows) + 1e-4

    assert fit.effect is not None
    fields = {name: getattr(fit.effect, name) for name in fit.effect.__struct_fields__}
    with pytest.raises(FailedPrecondition, match="differs from the model"):
        export_uplift(
            tmp_path / "uplift",
            {"tea": Broken(**fields)},
            name="uplift",
            version="1",
            features=FEATURES,
            held_out=made.rows,
        )
    assert not (tmp_path / "uplift").exists()


def test_the_same_seed_gives_the_same_figures() -> None:
    made, _ = trial(1, "linear", count=700)
    assert fit_uplift(made).qini == fit_uplift(made).qini


def test_the_report_shows_qini_curves_and_the_baseline(
    persuaded: tuple[Uplift, Trial, np.ndarray],
) -> None:
    page = report_uplift([persuaded[0]], source="trial.csv").html()
    assert page.count("<svg") == 2
    assert "those likeliest to respond first" in page
    assert "anybody first" in page


def test_numbers_that_no_model_can_read_are_unknown_and_texts_are_told(tmp_path: Path) -> None:
    file = tmp_path / "trial.csv"
    rows = (f"{n % 2},1,{1e300 if n == 3 else n % 5},{n if n else 'none'}\n" for n in range(60))
    file.write_text("treated,outcome,visits,age\n" + "".join(rows))
    found = read_trials(file, action="wine")
    assert [feature.name for feature in found.features] == ["visits"]
    assert found.rows[3, 0] == found.features[0].default
    assert found.left_out == (
        "column `age`, row 1: cannot read 'none'; write numbers with a decimal point",
    )
