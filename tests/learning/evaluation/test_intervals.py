"""Intervals of few customers against the truth, and their standard errors against the jackknife."""

from __future__ import annotations

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from nba_engine.learning.evaluation import Estimate, decimals, number, spoken_interval
from nba_engine.learning.evaluation.estimators import Sums, values_of
from nba_engine.learning.evaluation.resampling import Measured, draws, interval, ratio_of


def test_intervals_of_a_hundred_skewed_customers_cover_the_truth_where_percentiles_do_not() -> None:
    customers, runs = 100, 600
    drawn = draws(customers, 200, np.random.default_rng(1))
    once = np.ones((1, customers))
    covered = plain = 0
    with threadpool_limits(1):
        for seed in range(runs):
            random = np.random.default_rng(seed)
            earned = random.lognormal(-0.5, 1.0, (customers, 1))  # 1 on average
            visits = np.ones((customers, 1))
            at, again = (ratio_of(earned, visits, which) for which in (once, drawn))
            first = Measured(at.value[:, 0], at.error[:, 0])
            others = Measured(again.value[:, 0], again.error[:, 0])
            low, high = interval(first, others, 0.95, units=customers, worth=customers)
            covered += low <= 1.0 <= high
            least, most = np.quantile(others.value, (0.025, 0.975))
            plain += bool(least <= 1.0 <= most)
    assert 0.93 <= covered / runs <= 0.97
    assert plain / runs < 0.925


def test_standard_errors_are_those_of_the_jackknife() -> None:
    random = np.random.default_rng(2)
    customers, places = 200, 3
    sums = Sums(
        decisions=random.integers(1, 9, customers).astype(float),
        picks=random.integers(1, 9, (customers, places)).astype(float),
        reward=random.poisson(2.0, (customers, places)).astype(float),
        weight=random.gamma(8.0, 0.6, (customers, places)),
        weighted=random.gamma(2.0, 1.0, (customers, places)),
        doubly=random.normal(2.0, 1.0, (customers, places)),
    )
    found = values_of(sums, np.ones((1, customers)))
    without = values_of(sums, 1.0 - np.eye(customers))
    for told, again in zip(found, without, strict=True):
        for name, one in told.items():
            spread = again[name].value - again[name].value.mean()
            jackknife = np.sqrt((customers - 1) / customers * (spread @ spread))
            assert one.error[0] == pytest.approx(jackknife, rel=0.02), name


def test_few_equally_large_customers_make_intervals_wider() -> None:
    random = np.random.default_rng(3)
    at = Measured(np.array([1.0]), np.array([0.1]))
    again = Measured(random.normal(1.0, 0.1, 500), np.full(500, 0.1))
    wide = interval(at, again, 0.95, units=400, worth=25.0)
    narrow = interval(at, again, 0.95, units=400, worth=400.0)
    assert wide[0] < narrow[0] < 0.81
    assert wide[1] > narrow[1] > 1.19
    certain = Measured(np.array([0.5]), np.zeros(1))
    assert interval(certain, again, 0.95, units=400, worth=400.0) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("value", "low", "high", "words"),
    [
        (0.26, 0.24, 0.2801, "0.260 (0.240 to 0.280)"),
        (0.1, 0.0996, 0.1004, "0.10000 (0.09960 to 0.10040)"),
        (12.5, 8.0, 17.0, "12.5 (8.0 to 17.0)"),
        (1_234.5, 1_200.0, 1_270.0, "1,234 (1,200 to 1,270)"),
        (-0.0001, -0.2, 0.2, "0.000 (-0.200 to 0.200)"),
        (0.0, 0.0, 0.0, "0 (0 to 0)"),
    ],
)
def test_figures_that_stand_together_have_the_same_decimals(
    value: float, low: float, high: float, words: str
) -> None:
    one = Estimate(value=value, low=low, high=high)
    places = decimals(one)
    assert f"{number(value, places)} ({spoken_interval(one, places)})" == words
