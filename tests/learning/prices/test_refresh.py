"""Prices from a sample of requests, against the linear program they are the dual of."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime, linprog

from nba_engine.domain import FloatArray
from nba_engine.learning.prices import Requests, dual, solve

LIMITS = 3


def sample(seed: int, requests: int = 60) -> tuple[Requests, FloatArray]:
    """Random requests with up to six candidates that use one or two of three limits."""
    random = np.random.default_rng(seed)
    sizes = random.integers(1, 7, requests)
    count = int(sizes.sum())
    limit = np.stack([random.integers(0, 2, count), np.full(count, 2)], axis=1)
    use = np.stack([random.uniform(0.5, 2.0, count), random.integers(0, 2, count)], axis=1)
    first = np.concatenate(([0], np.cumsum(sizes)[:-1]))
    made = Requests(first, random.exponential(1.0, count) - 0.1, use, limit)
    return made, np.array([8.0, 10.0, 12.0])


def program(requests: Requests, budget: FloatArray) -> float:
    """The linear program itself, by HiGHS."""
    count = len(requests.worth)
    of = np.repeat(np.arange(len(requests.first)), np.diff(requests.first, append=count))
    rows = np.zeros((len(requests.first) + len(budget), count))
    rows[of, np.arange(count)] = 1.0
    for column in range(requests.use.shape[1]):
        at = (len(requests.first) + requests.limit[:, column], np.arange(count))
        np.add.at(rows, at, requests.use[:, column])
    bounds = np.concatenate([np.ones(len(requests.first)), budget])
    return float(-linprog(-requests.worth, A_ub=rows, b_ub=bounds, method="highs").fun)


@pytest.mark.parametrize("seed", range(3))
def test_the_bound_is_the_optimum_of_the_linear_program(seed: int) -> None:
    requests, budget = sample(seed)
    solved = solve(requests, budget)
    assert solved.bound >= program(requests, budget) - 1e-9
    assert solved.bound == pytest.approx(program(requests, budget), rel=0.01)


def with_minimum(seed: int, least: float) -> tuple[Requests, FloatArray]:
    """The same, and of what uses the second limit there are to be so many."""
    requests, budget = sample(seed)
    draws = -(requests.limit[:, 0] == 1).astype(np.float64)
    use = np.column_stack([requests.use, draws])
    limit = np.column_stack([requests.limit, np.full(len(use), LIMITS)])
    wide = Requests(requests.first, requests.worth, use, limit)
    return wide, np.append(budget, -least)


@pytest.mark.parametrize("seed", range(3))
def test_a_minimum_is_a_bound_the_other_way_round(seed: int) -> None:
    free, budget = with_minimum(seed, 0.0)
    budget[:3] = 40.0  # so that there is room for what is to be reached
    without = solve(free, budget)
    assert without.prices[3] == pytest.approx(0.0, abs=1e-6)
    budget[3] = 1.2 * without.use[3]  # uses are negative
    solved = solve(free, budget)
    best = program(free, budget)
    assert best < 0.999 * program(
        free, budget * np.array([1.0, 1.0, 1.0, 0.0])
    )  # it costs something
    assert solved.bound == pytest.approx(best, rel=0.01)
    assert -solved.use[3] == pytest.approx(-budget[3], rel=0.08)
    assert solved.prices[3] > 0.0


def test_what_no_bonus_reaches_has_the_largest_there_may_be() -> None:
    requests, budget = with_minimum(1, 1e6)
    most = np.array([np.inf, np.inf, np.inf, 5.0])
    assert solve(requests, budget, most=most).prices[3] == pytest.approx(5.0)


def test_the_slope_is_that_of_the_function() -> None:
    requests, budget = sample(7)
    at = np.array([0.3, 0.7, 0.2])
    by_hand = approx_fprime(at, lambda prices: dual(requests, prices, budget, 0.3)[0], 1e-7)
    np.testing.assert_allclose(dual(requests, at, budget, 0.3)[1], by_hand, atol=1e-4)


def test_what_is_plenty_has_no_price() -> None:
    requests, _ = sample(1)
    solved = solve(requests, np.full(LIMITS, 1e6))
    np.testing.assert_allclose(solved.prices, 0.0, atol=1e-9)
    assert solved.bound == pytest.approx(
        np.maximum(np.maximum.reduceat(requests.worth, requests.first), 0.0).sum()
    )


def test_from_the_last_prices_it_comes_to_the_same() -> None:
    requests, budget = sample(2, requests=400)
    cold = solve(requests, budget * 6)
    warm = solve(requests, budget * 6, start=cold.prices * 1.3)
    assert warm.bound == pytest.approx(cold.bound, rel=1e-3)
    # and spends nearly what there is of each limit that has a price
    np.testing.assert_allclose(
        warm.use[warm.prices > 0.01], 6 * budget[warm.prices > 0.01], rtol=0.15
    )


def test_no_requests_leave_prices_as_they_were() -> None:
    nothing = Requests(
        *(np.zeros(0, np.intp), np.zeros(0), np.zeros((0, 1)), np.zeros((0, 1), np.intp))
    )
    before = np.array([1.0, 2.0, 3.0])
    solved = solve(nothing, np.ones(3), start=before)
    np.testing.assert_array_equal(solved.prices, before)
