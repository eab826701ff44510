from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from nba_engine.learning import auc, ece, lift, log_loss, recall_at_k, reliability

predictions = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.5000001, 0.9, 1.0])),
    min_size=2,
    max_size=60,
).filter(lambda rows: len({label for label, _ in rows}) == 2)


@settings(deadline=None)
@given(predictions)
def test_log_loss_and_auc_equal_scikit_learns(rows: list[tuple[bool, float]]) -> None:
    label = np.array([int(row[0]) for row in rows])
    score = np.array([row[1] for row in rows])
    assert auc(label, score) == pytest.approx(reference.roc_auc_score(label, score), abs=1e-12)
    inside = np.clip(score, 1e-6, 1 - 1e-6)
    assert log_loss(label, inside) == pytest.approx(reference.log_loss(label, inside), rel=1e-9)


def test_log_loss_of_a_sure_mistake_is_large_and_finite() -> None:
    assert log_loss([1], [0.0]) == pytest.approx(-np.log(1e-15))


def test_a_perfectly_calibrated_score_has_no_calibration_error() -> None:
    label = [0, 0, 0, 1, 1, 1, 1, 0]
    assert ece(label, [0.25] * 4 + [0.75] * 4) == pytest.approx(0.0)


def test_calibration_error_weighs_the_bins_by_their_rows() -> None:
    # three rows predicted 0.1 of which none came, one predicted 0.9 that did not come
    assert ece([0, 0, 0, 0], [0.1, 0.1, 0.1, 0.9]) == pytest.approx((3 * 0.1 + 0.9) / 4)


def test_bins_of_equal_mass_hold_equally_many_rows() -> None:
    random = np.random.default_rng(0)
    score = random.random(1000) ** 4
    table = reliability(random.random(1000) < score, score, bins=20, by="mass")
    assert table.count.tolist() == [50] * 20
    assert np.all(np.diff(table.predicted) > 0)


def test_a_reliability_table_leaves_empty_bins_out() -> None:
    table = reliability([1, 0, 1], [0.02, 0.03, 1.0], bins=20)
    assert table.count.tolist() == [2, 1]
    np.testing.assert_allclose(table.predicted, [0.025, 1.0])
    np.testing.assert_allclose(table.observed, [0.5, 1.0])


def test_recall_counts_hits_in_the_top_k_of_each_group_over_all_positives() -> None:
    group = ["a", "a", "a", "b", "b", "b"]
    label = [1, 0, 1, 0, 1, 0]
    score = [0.9, 0.8, 0.7, 0.1, 0.2, 0.3]
    assert recall_at_k(group, label, score, 1) == pytest.approx(1 / 3)
    assert recall_at_k(group, label, score, 2) == pytest.approx(2 / 3)
    assert recall_at_k(group, label, score, 9) == 1.0


def test_recall_equals_a_loop_over_the_groups() -> None:
    random = np.random.default_rng(3)
    group = random.integers(0, 40, 2000)
    label = (random.random(2000) < 0.2).astype(int)
    score = random.random(2000)
    hits, shares = 0, []
    for one in range(40):
        rows = np.flatnonzero(group == one)
        found = label[rows[np.argsort(-score[rows])[:5]]].sum()
        hits += found
        if label[rows].sum():
            shares.append(found / label[rows].sum())
    assert recall_at_k(group, label, score, 5) == pytest.approx(hits / label.sum())
    by_group = recall_at_k(group, label, score, 5, average="groups")
    assert by_group == pytest.approx(np.mean(shares))


def test_of_equal_scores_at_the_edge_of_the_top_each_counts_in_part() -> None:
    label = [1, 1, 0, 0, 0, 0, 0, 0, 0, 0]
    assert lift(label, [0.2] * 10) == pytest.approx(1.0)
    # one is sure to be in the top three; two of the six next ones are, of which one is positive
    assert lift(label, [9, 5, 5, 5, 5, 5, 5, 1, 1, 1], share=0.3) == pytest.approx(
        (1 + 2 / 6) / 3 / 0.2
    )


def test_lift_compares_the_top_with_all() -> None:
    assert lift([1, 1, 0, 0, 0, 0, 0, 0, 0, 0], np.arange(10)[::-1], share=0.2) == 5.0


@pytest.mark.parametrize(
    ("label", "score", "says"),
    [
        ([0, 2], [0.1, 0.2], "labels must be 0 or 1"),
        ([0, 1], [0.1, np.nan], "finite"),
        ([0, 1], [0.1], "shape"),
        ([], [], "shape"),
    ],
)
def test_unusable_data_is_refused(label: list[int], score: list[float], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        log_loss(label, score)


def test_what_needs_positives_says_so() -> None:
    with pytest.raises(ValueError, match="positives and negatives"):
        auc([1, 1], [0.1, 0.2])
    with pytest.raises(ValueError, match="recall needs positives"):
        recall_at_k([1, 1], [0, 0], [0.1, 0.2], 1)
    with pytest.raises(ValueError, match="lift needs positives"):
        lift([0, 0], [0.1, 0.2])
    with pytest.raises(ValueError, match="1 groups for 2 labels"):
        recall_at_k([1], [0, 1], [0.1, 0.2], 1)
