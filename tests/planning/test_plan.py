"""Plans against their bound, against the exact optimum, and against what they may use."""

from __future__ import annotations

import numpy as np
import pytest

from nba_engine.planning import PlanOptions, Shape, Step, drawn_problem
from nba_engine.planning.drawn import drawn_rows
from nba_engine.planning.resident import At, usage
from tests.planning.exact import exact
from tests.planning.worlds import opened, planned

SMALL = Shape(customers=2_000)


def test_2_000_customers_get_997_of_1000_of_what_no_plan_can_exceed() -> None:
    plan = planned(SMALL)
    assert plan.value >= 0.997 * plan.bound
    assert (plan.used <= drawn_problem(SMALL).amounts).all()


def test_the_plan_is_the_same_whatever_the_number_of_workers_and_runs() -> None:
    shape = Shape(customers=3_000, actions=6, most_contacts=2)
    one, other = planned(shape, rows=1_000), planned(shape, rows=1_000)
    assert (one.value, one.bound, one.at.prices.tolist()) == (
        other.value,
        other.bound,
        other.at.prices.tolist(),
    )
    assert (one.counts == other.counts).all()


def test_a_sample_gives_the_first_prices() -> None:
    steps: list[Step] = []
    shape = Shape(customers=3_000, actions=6, most_contacts=2)
    plan = planned(shape, 1_000, PlanOptions(sample=1_000), steps.append)
    assert [step.phase for step in steps][:1] == ["sample"]
    assert plan.passes < sum(step.phase == "sample" for step in steps)
    assert plan.value >= 0.998 * plan.bound


def test_without_limits_everyone_gets_the_best_chain_and_the_bound_is_the_value() -> None:
    shape = Shape(customers=300, actions=5)
    free = drawn_problem(shape)
    amounts = [10**12] * len(free.limits)
    with opened(shape) as batch:
        sums, _, counts = batch.map_reduce(usage, At(prices=np.zeros(len(amounts))))
    assert sums[0] == sums[1]
    assert counts.sum() > 300


@pytest.mark.parametrize("seed", [3, 4])
def test_any_prices_bound_any_plan(seed: int) -> None:
    shape = Shape(customers=60, actions=4, periods=3, most_contacts=2, seed=seed)
    problem = drawn_problem(shape)
    rng = np.random.default_rng(seed)
    plans = [planned(shape, options=PlanOptions(passes=passes)) for passes in (1, 4, 20)]
    assert all((plan.used <= problem.amounts).all() for plan in plans)
    best = max(plan.value for plan in plans)
    assert min(plan.bound for plan in plans) >= best
    with opened(shape) as batch:
        for _ in range(30):
            scale = rng.exponential(rng.choice([0.01, 0.1, 1.0]), len(problem.limits))
            prices = scale * best / np.maximum(problem.amounts, 1) / 16
            sums, _, _ = batch.map_reduce(usage, At(prices=prices))
            assert sums[0] + prices @ problem.amounts >= best * (1.0 - 1e-12)


@pytest.mark.parametrize("seed", range(12))
def test_plans_of_few_customers_come_near_the_exact_optimum(seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape = Shape(
        customers=int(rng.integers(3, 45)),
        actions=int(rng.integers(2, 5)),
        periods=int(rng.integers(2, 4)),
        most_contacts=2,
        spacing=int(rng.integers(1, 3)),
        diminishing=float(rng.choice([1.0, 0.8, 0.5])),
        seed=seed,
    )
    problem = drawn_problem(shape)
    plan = planned(shape)
    best, at_most = exact(problem, drawn_rows(shape, 0, shape.customers))
    assert (plan.used <= problem.amounts).all()
    assert 0.995 * best <= plan.value <= at_most * (1.0 + 1e-9)
    assert plan.bound >= best * (1.0 - 1e-9)


@pytest.mark.timeout(300)  # a branch and bound of some seconds
def test_a_plan_of_150_customers_comes_near_the_exact_optimum() -> None:
    shape = Shape(customers=150, actions=4, periods=3, most_contacts=2)
    plan, (best, at_most) = planned(shape), exact(drawn_problem(shape), drawn_rows(shape, 0, 150))
    assert 0.995 * best <= plan.value <= at_most * (1.0 + 1e-9)
    assert plan.bound >= best
