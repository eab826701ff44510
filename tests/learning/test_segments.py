"""Segments on seeded customers whose groups are known, and on customers without any."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score, silhouette_score

from nba_engine.errors import FailedPrecondition, MistakesFound
from nba_engine.learning.segments import (
    Behavior,
    Segments,
    Source,
    behavior_of,
    export_segments,
    fit_segments,
    names_file,
    open_assigner,
    rows_of,
)
from nba_engine.learning.segments.fitting import Last, matched, rfm_bands
from nba_engine.learning.segments.groups import choose_groups, nearest, ungrouped
from nba_engine.learning.segments.naming import Trait, names_of
from nba_engine.learning.segments.report import report_segments, verdict
from nba_engine.learning.segments.sources import Chosen, behavior_in_table

COLUMNS = ("recency", "frequency", "monetary", "discounts", "evenings", "returns")
# four personas with the same purchases overall: RFM cannot tell them, discounts and evenings can
PERSONAS = np.array(
    [
        [20, 12, 400, 0.8, 0.1, 0.05],
        [20, 12, 400, 0.1, 0.8, 0.05],
        [20, 12, 400, 0.1, 0.1, 0.35],
        [20, 12, 400, 0.8, 0.8, 0.35],
    ]
)
SPREAD = np.array([8, 3, 120, 0.08, 0.08, 0.04])


def personas(seed: int, count: int = 900) -> tuple[Behavior, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = random.integers(len(PERSONAS), size=count)
    rows = PERSONAS[truth] + SPREAD * random.normal(size=(count, len(COLUMNS)))
    return told(rows), truth


def told(rows: np.ndarray) -> Behavior:
    sources = [
        Source(name=name, source=f"customer.{name}", values=column)
        for name, column in zip(COLUMNS, rows.T, strict=True)
    ]
    spend = np.abs(rows[:, 2])
    return behavior_of(
        [f"c{n}" for n in range(len(rows))],
        sources,
        value=spend,
        value_name="spend",
        channels={"email": rows[:, 3].clip(0), "app": rows[:, 4].clip(0)},
    )


def fitted(behavior: Behavior, **options: object) -> Segments:
    return fit_segments(behavior, most=5, references=5, seed=1, **options)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def known() -> tuple[Segments, np.ndarray]:
    behavior, truth = personas(1)
    return fitted(behavior), truth


def test_groups_that_there_are_are_found_and_told_better_than_by_rfm_quintiles(
    known: tuple[Segments, np.ndarray],
) -> None:
    fit, truth = known
    assert len(fit.segments) == 4
    assert adjusted_rand_score(truth, fit.label) > 0.95
    scores = fit.behavior.rows[:, :3].astype(np.float64)
    bands = rfm_bands(scores, scores, 4)
    assert adjusted_rand_score(truth, bands) < 0.05
    assert fit.gain is not None
    assert fit.gain.low > 0.2
    assert fit.rfm_columns == ("recency", "frequency", "monetary")
    assert verdict(fit).startswith("Yes: 4 groups")


def noise(kind: str) -> np.ndarray:
    random = np.random.default_rng(3)
    shape = (900, len(COLUMNS))
    if kind == "correlated":
        return random.multivariate_normal(np.zeros(6), 0.7 + 0.3 * np.eye(6), size=900)
    if kind == "skewed":
        return random.exponential(size=shape) * (random.random(shape) < 0.6)
    return random.random(shape)


@pytest.mark.parametrize("kind", ["correlated", "skewed", "uniform"])
def test_customers_without_groups_are_one_group(kind: str) -> None:
    fit = fitted(told(noise(kind)))
    assert fit.segments == ()
    assert fit.choice.groups == 1
    assert verdict(fit).startswith("No")


def test_a_number_that_was_asked_for_is_made_and_called_what_it_is() -> None:
    fit = fitted(told(noise("uniform")), groups=3)
    assert len(fit.segments) == 3
    assert fit.forced
    assert "not shown to be there" in verdict(fit)


def test_a_refit_keeps_ids_and_edited_names_whose_customers_stay(tmp_path: Path) -> None:
    behavior, _ = personas(1)
    first = fitted(behavior)
    folder = tmp_path / "segments"
    export_segments(folder, first, held_out=behavior.rows)
    file = names_file(folder)
    file.write_text(file.read_text().replace(first.segments[0].name, "Bargain hunters"))
    later, _ = personas(2)
    lines = [dict(zip(COLUMNS, row, strict=True)) for row in PERSONAS.tolist()]
    before = open_assigner(folder)
    assert before is not None
    raw = rows_of(later.features, [], 0.0)
    assert raw.shape == (0, 6)
    customers = [dict(zip(COLUMNS, row.tolist(), strict=True)) for row in later.rows]
    again = fitted(later, last=before.last(customers, 0.0))
    assert {one.id for one in again.segments} == {one.id for one in first.segments}
    assert "Bargain hunters" in {one.name for one in again.segments}
    assert all(one.kept for one in again.segments)
    # the same personas carry the same ids in both models
    export_segments(folder, again, held_out=later.rows)
    after = open_assigner(folder)
    assert after is not None
    assert [after.manifest.outputs[n] for n in after.labels(lines, 0.0)] == [
        before.manifest.outputs[n] for n in before.labels(lines, 0.0)
    ]


def test_a_group_that_is_new_gets_an_id_that_never_was(known: tuple[Segments, np.ndarray]) -> None:
    fit, _ = known
    # the last fit knew two groups: those of most are found again, the others are new
    last = Last(ids=("s1", "s7"), names=("old", "older"), label=np.minimum(fit.label, 1), next_id=8)
    pairs = matched(fit.label, 4, last)
    assert len(pairs) == 2
    again = fitted(fit.behavior, last=last)
    assert sorted(one.id for one in again.segments) == ["s1", "s7", "s8", "s9"]
    assert again.next_id == 10


def test_the_exported_model_says_what_the_fit_says(
    tmp_path: Path, known: tuple[Segments, np.ndarray]
) -> None:
    fit, _ = known
    export_segments(tmp_path / "segments", fit, held_out=fit.behavior.rows)
    assigner = open_assigner(tmp_path / "segments")
    assert assigner is not None
    customers = [dict(zip(COLUMNS, row.tolist(), strict=True)) for row in fit.behavior.rows]
    # values are already shaped here; every feature of these personas is taken as it is
    assert {feature.transform for feature in assigner.features} == {"none"}
    np.testing.assert_array_equal(assigner.labels(customers, 0.0), fit.label)
    assert assigner.names == tuple(one.name for one in fit.segments)
    assert open_assigner(tmp_path / "nothing") is None


def test_a_broken_conversion_is_refused_and_the_old_model_stays(
    tmp_path: Path, known: tuple[Segments, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    fit, _ = known
    folder = tmp_path / "segments"
    export_segments(folder, fit, held_out=fit.behavior.rows)
    old = (folder / "model.onnx").read_bytes()
    monkeypatch.setattr(
        "nba_engine.learning.segments.model._membership", lambda fit, rows: 0.9 * _ones(fit, rows)
    )
    with pytest.raises(FailedPrecondition, match="differs from the model"):
        export_segments(folder, fit, held_out=fit.behavior.rows)
    assert (folder / "model.onnx").read_bytes() == old


def _ones(fit: Segments, rows: np.ndarray) -> np.ndarray:
    return np.full((len(rows), len(fit.centers)), 1.0 / len(fit.centers))


def test_names_that_two_segments_share_are_a_mistake(
    tmp_path: Path, known: tuple[Segments, np.ndarray]
) -> None:
    fit, _ = known
    folder = tmp_path / "segments"
    export_segments(folder, fit, held_out=fit.behavior.rows)
    file = names_file(folder)
    file.write_text(file.read_text().replace(fit.segments[0].name, fit.segments[1].name))
    with pytest.raises(MistakesFound, match="names two segments"):
        open_assigner(folder)


def test_names_say_what_sets_a_group_apart_and_differ() -> None:
    often = [Trait(name="visits", distance=1.2), Trait(name="spend", distance=-0.6)]
    none = [Trait(name="visits", distance=0.1), Trait(name="spend", distance=0.0)]
    assert names_of([often, often, none, none], taken=["regulars"]) == [
        "low_spending_regulars",
        "low_spending_regulars_2",
        "average_customers",
        "average_customers_2",
    ]


def test_behavior_without_groups_keeps_distributions_and_correlations() -> None:
    random = np.random.default_rng(0)
    rows = np.exp(random.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=4_000))
    drawn = ungrouped(rows, random)
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(rows, axis=0))
    assert np.corrcoef(np.log(drawn), rowvar=False)[0, 1] == pytest.approx(0.8, abs=0.03)


def test_the_silhouette_is_that_of_scikit_learn() -> None:
    behavior, _ = personas(4, 400)
    rows = behavior.rows.astype(np.float64)
    rows = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    choice = choose_groups(rows, np.random.default_rng(0), most=4, references=2)
    from nba_engine.learning.segments import groups as module

    random = np.random.default_rng(0)
    sample = rows[random.permutation(len(rows))]
    centers = module.centers_of(sample[:200], 2, random)
    expected = silhouette_score(sample[200:], nearest(sample[200:], centers))
    assert choice.tried[0].silhouette == pytest.approx(expected)


def test_odd_columns_are_left_out_or_shaped() -> None:
    random = np.random.default_rng(0)
    count = 300
    hardly = np.full(count, np.nan)
    hardly[:20] = 1.0
    sources = [
        Source(name="same", source="customer.same", values=np.ones(count)),
        Source(name="hardly", source="customer.hardly", values=hardly),
        Source(name="spend", source="customer.spend", values=random.lognormal(3, 1, count)),
        Source(name="last", source="customer.last", since=True, values=random.random(count) * 90),
    ]
    found = behavior_of([str(n) for n in range(count)], sources)
    assert found.left_out == ("same", "hardly")
    assert [(f.name, f.transform) for f in found.features] == [
        ("spend", "log1p"),
        ("last", "days_since"),
    ]
    assert np.abs(found.rows[:, 0]).max() < np.log1p(1_000)
    with pytest.raises(FailedPrecondition, match="constant or mostly unknown"):
        behavior_of(["a", "b"], sources[:1])


def test_numbers_that_no_model_can_read_are_unknown() -> None:
    random = np.random.default_rng(0)
    values = random.random(300)
    values[::3] = 1e300
    found = behavior_of(
        [str(n) for n in range(300)], [Source(name="far", source="customer.far", values=values)]
    )
    assert np.unique(found.rows[::3]).tolist() == [np.float32(found.features[0].default)]
    assert found.rows.max() <= 1.0


def test_a_column_with_a_text_in_it_is_left_out_and_told(tmp_path: Path) -> None:
    file = tmp_path / "customers.csv"
    file.write_text("visits,spend\n" + "".join(f"{n},{n % 7}\n" for n in range(40)) + "inf,1\n")
    behavior, _ = behavior_in_table(file, Chosen())
    assert [feature.name for feature in behavior.features] == ["spend"]
    assert behavior.left_out == ("column `visits`, row 41: inf is no number; write a finite one",)


def test_customers_of_few_kinds_make_no_empty_groups() -> None:
    random = np.random.default_rng(0)
    rows = PERSONAS[random.integers(2, size=300)]
    fit = fit_segments(told(rows), groups=4, most=4, references=2)
    assert len(fit.segments) == 2
    assert {one.share for one in fit.segments} == {float(np.mean(fit.label == n)) for n in (0, 1)}


def test_what_nothing_is_known_of_is_no_value() -> None:
    behavior, _ = personas(1, 300)
    unknown = msgspec.structs.replace(behavior, value=np.full(300, np.nan))
    fit = fit_segments(unknown, groups=2, most=2, references=2)
    assert [one.value for one in fit.segments] == [None, None]


def test_the_report_describes_groups_value_and_channels(
    known: tuple[Segments, np.ndarray],
) -> None:
    fit, _ = known
    page = report_segments(fit, source="here").html()
    assert all(one.name in page and one.description in page for one in fit.segments)
    assert "Their channels" in page
    assert "What they are worth" in page
    assert page.count("<svg") == 1 + 4 + 1 + 1 + 1 + 1
