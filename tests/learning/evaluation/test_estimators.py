"""The estimators against their definitions, exact expectations, and a thousand seeded runs."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from msgspec.structs import astuple
from threadpoolctl import threadpool_limits

from nba_engine.learning.evaluation import Options, Picks, effective_sample_size, evaluate
from nba_engine.learning.evaluation.estimators import place_sums, values_of
from nba_engine.learning.evaluation.picks import cumulative_weights
from nba_engine.learning.evaluation.resampling import MOST_UNITS, draws, independent_units, interval
from tests.learning.evaluation.logs import TRUTH, logged


def test_single_picks_are_estimated_as_the_open_bandit_pipeline_defines_it() -> None:
    picks = logged(2_000, 3)
    assert picks.expected is not None
    assert picks.expected_target is not None
    iw = picks.target / picks.propensity
    found = evaluate(picks, options=Options(resamples=10)).estimates
    assert found["ips"].value == pytest.approx((picks.reward * iw).mean(), rel=1e-12)
    assert found["snips"].value == pytest.approx((picks.reward * iw / iw.mean()).mean(), rel=1e-12)
    doubly = picks.expected_target + iw * (picks.reward - picks.expected)
    assert found["dr"].value == pytest.approx(doubly.mean(), rel=1e-12)


@pytest.mark.timeout(180)  # four seconds, on a machine with nothing else to do
def test_in_a_thousand_seeded_runs_the_intervals_cover_the_truth() -> None:
    rows, runs = 1_000, 1_000
    drawn = draws(rows, 200, np.random.default_rng(1))
    once = np.ones((1, rows))
    covered = {"ips": 0, "snips": 0, "dr": 0}
    error = dict.fromkeys(covered, 0.0)
    with threadpool_limits(1):  # products this small are slower on several busy cores
        for seed in range(runs):
            picks = logged(rows, seed)
            weight, above, _ = cumulative_weights(picks)
            assert picks.expected is not None
            assert picks.expected_target is not None
            sums = place_sums(
                unit=picks.decision,
                units=rows,
                place=picks.position,
                places=1,
                decisions=np.ones(rows),
                reward=picks.reward,
                weight=weight,
                doubly=above * picks.expected_target + weight * (picks.reward - picks.expected),
            )
            at, again = values_of(sums, once).values, values_of(sums, drawn).values
            for name in covered:
                low, high = interval(at[name], again[name], 0.95, units=rows, worth=rows)
                covered[name] += low <= TRUTH <= high
                error[name] += (at[name].value[0] - TRUTH) / runs
    # the standard error of a value is .018, of the mean of a thousand .0006
    assert {name: 930 <= count <= 970 for name, count in covered.items()} == dict.fromkeys(
        covered, True
    )
    assert max(map(abs, error.values())) < 0.002


def test_slates_are_unbiased_by_exact_enumeration_whatever_is_predicted() -> None:
    """Two of three actions, one below the other; what the second earns depends on the first."""
    random = np.random.default_rng(5)
    slates = list(itertools.permutations(range(3), 2))
    first = {"logged": random.dirichlet(np.ones(3)), "target": random.dirichlet(np.ones(3))}
    second = {
        name: {
            a: dict(zip(_others(a), random.dirichlet(np.ones(2)), strict=True)) for a in range(3)
        }
        for name in first
    }
    upper, lower = random.random(3), {slate: random.random() for slate in slates}
    guess, guess_below = random.random(3), {slate: random.random() for slate in slates}
    truth = ips = dr = 0.0
    for a, b in slates:
        chance = {name: float(first[name][a] * second[name][a][b]) for name in first}
        truth += chance["target"] * (upper[a] + lower[a, b])
        picks = Picks(
            decision=np.array([0, 0]),
            placement=np.array(["home", "home"], dtype=object),
            position=np.array([0, 1]),
            reward=np.array([upper[a], lower[a, b]]),
            propensity=np.array([first["logged"][a], second["logged"][a][b]]),
            target=np.array([first["target"][a], second["target"][a][b]]),
            action=np.array(["x", "y"], dtype=object),
        )
        weight, above, _ = cumulative_weights(picks)
        expected = np.array([guess[a], guess_below[a, b]])
        below = sum(second["target"][a][c] * guess_below[a, c] for c in _others(a))
        doubly = above * [first["target"] @ guess, below] + weight * (picks.reward - expected)
        ips += chance["logged"] * float(weight @ picks.reward)
        dr += chance["logged"] * float(doubly.sum())
    assert ips == pytest.approx(truth, rel=1e-12)
    assert dr == pytest.approx(truth, rel=1e-12)


def _others(a: int) -> list[int]:
    return [one for one in range(3) if one != a]


def test_the_logged_policy_itself_is_worth_what_it_earned() -> None:
    picks = logged(500, 1)
    own = Picks(
        **{
            **{name: getattr(picks, name) for name in picks.__struct_fields__},
            "target": picks.propensity,
        }
    )
    found = evaluate(own, options=Options(resamples=50))
    assert found.effective_sample_size == pytest.approx(500)
    for name in ("ips", "snips"):
        assert astuple(found.estimates[name]) == pytest.approx(astuple(found.logged), rel=1e-9)
        assert astuple(found.differences[name]) == (0.0, 0.0, 0.0)


def test_the_effective_sample_size_is_that_of_kish() -> None:
    sizes = effective_sample_size(np.array([1.0, 1.0, 3.0, 0.0, 0.0]), np.array([0, 0, 1, 1, 2]), 3)
    assert sizes.tolist() == [2.0, 1.0, 0.0]


def test_capped_weights_are_reported_and_worth_less() -> None:
    picks = logged(4_000, 2)
    free = evaluate(picks, options=Options(resamples=50))
    capped = evaluate(picks, options=Options(resamples=50, clip=1.0))
    assert free.clipped_share == 0.0
    assert 0.2 < capped.clipped_share < 0.6
    assert capped.largest_weight == 1.0
    assert capped.estimates["ips"].value < free.estimates["ips"].value
    assert any("were capped" in note for note in capped.notes)


def test_many_customers_are_drawn_in_groups_with_the_same_spread() -> None:
    random = np.random.default_rng(1)
    values = random.normal(size=40_000)
    unit, units = independent_units(np.arange(40_000), random)
    assert units == MOST_UNITS
    assert np.bincount(unit).tolist() == [10] * MOST_UNITS
    totals = np.bincount(unit, weights=values)
    spread = float((draws(units, 300, random) @ totals).std())
    assert spread == pytest.approx(np.sqrt(40_000), rel=0.15)


def test_decisions_of_a_customer_are_drawn_together() -> None:
    picks = logged(2_000, 4)
    fields = {name: getattr(picks, name) for name in picks.__struct_fields__}
    repeated: dict[str, Any] = {
        name: None if column is None else np.repeat(column, 10) for name, column in fields.items()
    }
    repeated["decision"] = np.arange(20_000)
    repeated["customer"] = np.repeat(np.arange(2_000), 10)  # everyone ten times over: no news
    alone = evaluate(picks, options=Options(resamples=500)).estimates["snips"]
    together = evaluate(Picks(**repeated), options=Options(resamples=500)).estimates["snips"]
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.15)


def test_the_same_seed_gives_the_same_figures() -> None:
    picks = logged(1_000, 6, customers=300)
    first, second = (evaluate(picks, options=Options(resamples=100, seed=7)) for _ in range(2))
    assert first == second
    assert evaluate(picks, options=Options(resamples=100, seed=8)) != first
