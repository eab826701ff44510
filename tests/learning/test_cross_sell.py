from __future__ import annotations

import numpy as np
import pytest
from scipy import sparse

from nba_engine.learning import ease, log_lift, top_complements


def baskets(seed: int = 0) -> np.ndarray:
    """300 synthetic baskets of 6 items; items 0 and 1 are bought together."""
    random = np.random.default_rng(seed)
    bought = random.random((300, 6)) < 0.2
    bought[:, 1] |= bought[:, 0] & (random.random(300) < 0.8)
    return bought.astype(np.float64)


def test_ease_solves_the_constrained_ridge_regression_of_every_item() -> None:
    # column j minimizes |x_j - X b|² + λ|b|² with b_j = 0: a ridge regression on the others
    x, penalty = baskets(), 25.0
    weights = ease(x, penalty)
    for item in range(6):
        others = [other for other in range(6) if other != item]
        design = x[:, others]
        ridge = np.linalg.solve(design.T @ design + penalty * np.eye(5), design.T @ x[:, item])
        np.testing.assert_allclose(weights[others, item], ridge, atol=1e-10)
    assert np.all(np.diag(weights) == 0.0)


def test_ease_and_lift_take_sparse_matrices_too() -> None:
    x = baskets()
    np.testing.assert_allclose(ease(sparse.csr_array(x), 10.0), ease(x, 10.0))
    np.testing.assert_allclose(log_lift(sparse.csr_array(x), 5.0), log_lift(x, 5.0))


def test_lift_is_the_shrunk_ratio_of_together_to_chance() -> None:
    x = np.array([[1, 1, 0], [3, 2, 0], [0, 0, 1], [0, 0, 0]])
    lift = log_lift(x, shrink=1.0)
    assert lift[0, 1] == pytest.approx(np.log((2 + 1) / (2 * 2 / 4 + 1)))
    assert lift[0, 2] == pytest.approx(np.log((0 + 1) / (2 * 1 / 4 + 1)))
    np.testing.assert_array_equal(lift, lift.T)


def test_more_shrinkage_pulls_lift_towards_nothing() -> None:
    x = baskets()
    assert 0 < log_lift(x, 1000.0)[0, 1] < log_lift(x, 1.0)[0, 1]


def test_the_table_keeps_the_strongest_positive_complements() -> None:
    weights = np.array([[9.0, 0.2, 0.5, -1.0], [0.0, 9.0, 0.1, 0.3], [0] * 4, [1.0, 1.0, 1.0, 0]])
    table = top_complements(weights, ["a", "b", "c", "d"], m=2)
    assert list(table.complements("a").items()) == [("c", 0.5), ("b", 0.2)]
    assert dict(table.complements("b")) == {"d": 0.3, "c": 0.1}
    assert dict(table.complements("c")) == {}
    assert len(table.complements("d")) == 2


def test_substitutes_are_no_complements_of_one_another() -> None:
    weights = np.full((3, 3), 0.5)
    table = top_complements(weights, ["a", "b", "c"], {"a": ["b", "unknown"], "unknown": ["a"]})
    assert dict(table.complements("a")) == {"c": 0.5}
    assert dict(table.complements("b")) == {"c": 0.5}
    assert set(table.complements("c")) == {"a", "b"}


def test_bad_parameters_are_refused() -> None:
    with pytest.raises(ValueError, match="penalty"):
        ease(baskets(), 0.0)
    with pytest.raises(ValueError, match="shrink"):
        log_lift(baskets(), 0.0)
    with pytest.raises(ValueError, match=r"shape \(2, 2\) for 3 items"):
        top_complements(np.eye(2), ["a", "b", "c"])
