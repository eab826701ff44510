"""Reorder: paces and cycles of known truths are found, and chance is told from a cycle."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.reorder import SPEC, fitted, purchases
from nba_engine.domain.fitted import ReorderPrior, wait_of
from nba_engine.learning.affinity import Events
from nba_engine.learning.reorder import cycle_of, fit_pace, fit_reorder, gaps_of, quantile
from nba_engine.learning.reorder.cycles import Pace, log_likelihood, survival

DAY = 86_400.0


def events(*times: float, customer: int = 0) -> Events:
    return Events(
        customer + 1,
        ("milk",),
        np.full(len(times), customer),
        np.zeros(len(times), dtype=np.intp),
        np.array(times) * DAY,
        np.zeros(len(times), dtype=np.bool_),
    )


def test_gaps_know_those_before_them_and_the_last_is_open() -> None:
    gaps = gaps_of(events(20.0, 0.0, 8.0, 99.0), 30 * DAY)
    assert gaps.days.tolist() == [8.0, 12.0, 10.0]
    assert gaps.number.tolist() == [0.0, 1.0, 2.0]
    assert gaps.total.tolist() == [0.0, 8.0, 20.0]
    assert gaps.open.tolist() == [False, False, True]


def test_the_likelihood_of_a_customers_gaps_is_that_of_the_mixture() -> None:
    pace = Pace(2.0, 3.0, 30.0)
    gaps = gaps_of(events(0.0, 8.0, 20.0), 30 * DAY)
    rates = np.linspace(1e-6, 3.0, 400_001)
    prior = 30.0**3 * rates**2 * np.exp(-30.0 * rates) / 2.0
    density = (rates**2 * 8.0 * np.exp(-8.0 * rates)) * (rates**2 * 12.0 * np.exp(-12.0 * rates))
    lasting = (1.0 + rates * 10.0) * np.exp(-10.0 * rates)
    marginal = np.trapezoid(prior * density * lasting, rates)
    assert log_likelihood(gaps, pace).sum() == pytest.approx(np.log(marginal), abs=1e-6)


def test_half_of_the_customers_have_bought_again_at_the_median() -> None:
    gaps = gaps_of(events(0.0, 8.0, 20.0), 30 * DAY)
    middle = quantile(gaps, Pace(2.0, 3.0, 30.0), 0.5)
    assert survival(gaps, Pace(2.0, 3.0, 30.0), middle) == pytest.approx([0.5] * 3)


def test_serving_waits_as_long_as_the_fit_says() -> None:
    pace = Pace(2.5, 3.0, 30.0)
    times = [float(day) for day in np.cumsum([0, *range(3, 60)])]
    gaps = gaps_of(events(*times), 1e9 * DAY)
    prior = ReorderPrior(cycles={"milk": cycle_of(pace, 0.25)}, share=0.25)
    for number in (1, 2, 30, 58):
        wait = wait_of(prior, "milk", [0.0, times[number - 1] * DAY, number])
        assert wait is not None
        exact = quantile(gaps, pace, 0.25)[number - 1]
        assert wait.offered == pytest.approx(exact, rel=1e-9 if number <= 41 else 1e-2)


def test_the_fit_finds_the_shape_that_gaps_were_drawn_with() -> None:
    made = purchases(np.random.default_rng(1), 150, shape=3.0)
    gaps = gaps_of(made, 540 * DAY)
    milk = fit_pace(gaps.where(gaps.word == 1))
    assert milk.shape == pytest.approx(3.0, rel=0.1)
    assert fit_pace(gaps.where(gaps.word == 1), memoryless=True).shape == 1.0


def test_own_windows_beat_those_that_are_the_same_for_all() -> None:
    found = fitted(3, shape=4.0, spread=0.5, customers=80)
    assert found.fitted is not None
    assert max(found.hits, key=found.hits.__getitem__) == "the customer's own window"
    assert found.gain is not None
    assert found.gain.low > 0.02


def test_purchases_at_random_have_no_cycle() -> None:
    for spread in (0.0, 0.5):
        found = fitted(4, shape=1.0, spread=spread, customers=70)
        assert found.fitted is None
        assert found.judged
        assert {one.refusal for one in found.categories} == {"bought at random"}
        assert "no category has a cycle" in found.refusal


def test_a_few_purchases_show_nothing() -> None:
    found = fit_reorder(events(1.0, 2.0, 3.0), SPEC, random=np.random.default_rng(1))
    assert found.fitted is None
    assert not found.judged
