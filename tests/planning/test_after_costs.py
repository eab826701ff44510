"""Where costs are taken off, chains are the best by what is left, and the bound is one on that."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
import pytest
from msgspec.structs import replace

from nba_engine.batch import LocalEngine
from nba_engine.domain import MICROS
from nba_engine.planning import (
    At,
    PlanOptions,
    Problem,
    Resident,
    Shape,
    build_resident,
    drawn_partitions,
    drawn_problem,
    make_plan,
)
from nba_engine.planning.drawn import drawn_rows
from nba_engine.planning.resident import planned_usage
from nba_engine.planning.room import changes_to
from tests.planning.exact import exact

SHAPE = Shape(customers=40, actions=3, periods=3, most_contacts=2, seed=4)


def residents(problem: Problem, shape: Shape) -> list[Resident]:
    return [
        build_resident(replace(one, problem=problem)) for one in drawn_partitions(shape, 20_000)
    ]


def best_of_all(problem: Problem, resident: Resident, row: int) -> float:
    """The most that any chain of a customer leaves after its costs, by trying all of them."""
    contacts, rules = problem.contacts, problem.rules
    values = resident.values[row]
    best = 0.0
    for length in range(1, rules.longest + 1):
        for when in combinations(range(rules.periods), length):
            for which in permutations(range(len(problem.names)), length):
                cost = sum(int(contacts.cost[c]) for c in which)
                if cost > resident.budget[row]:
                    continue
                if len({int(contacts.action[c]) for c in which}) < length:
                    continue
                earned = sum(
                    rules.diminishing**j
                    * float(values[c, min(t, values.shape[1] - 1)])
                    * contacts.factor[c, t]
                    for j, (c, t) in enumerate(zip(which, when, strict=True))
                )
                best = max(best, float(earned) - cost / MICROS)
    return best


def test_chains_leave_the_most_after_their_costs() -> None:
    problem = replace(drawn_problem(SHAPE), limits=(), after_costs=True)
    (resident,) = residents(problem, SHAPE)
    contact, period, _ = resident.planned(At(prices=np.zeros(0)))
    worth = resident.worth_of(np.arange(len(contact)), contact, period)
    wanted = [best_of_all(problem, resident, row) for row in range(len(contact))]
    assert worth == pytest.approx(wanted, abs=1e-6)
    gross = replace(problem, after_costs=False)
    (other,) = residents(gross, SHAPE)
    careless = resident.worth_of(
        np.arange(len(contact)), *other.planned(At(prices=np.zeros(0)))[:2]
    )
    assert careless.sum() < 0.99 * worth.sum()  # and it matters


@pytest.mark.parametrize("seed", range(6))
def test_after_costs_few_customers_get_what_branch_and_bound_finds(seed: int) -> None:
    rng = np.random.default_rng([7, seed])
    shape = Shape(
        customers=int(rng.integers(4, 20)), actions=3, periods=2, most_contacts=2, seed=seed
    )
    free = drawn_problem(shape)
    limits = tuple(
        replace(one, amount=int(one.amount * rng.uniform(0.5, 2))) for one in free.limits
    )
    problem = replace(free, limits=limits, after_costs=True)
    parts = [replace(one, problem=problem) for one in drawn_partitions(shape)]
    batch = LocalEngine().open(parts, build_resident, releases_gil=True)
    try:
        plan = make_plan(batch, problem, shape.customers, partitions=1)
    finally:
        batch.close()
    best, at_most = exact(problem, drawn_rows(shape, 0, shape.customers))
    assert (plan.used <= problem.amounts).all()
    assert 0.997 * best <= plan.value <= at_most * (1.0 + 1e-9)


@pytest.mark.parametrize("after_costs", [False, True])
def test_a_change_gains_what_plans_are_measured_by(after_costs: bool) -> None:
    problem = replace(drawn_problem(SHAPE), after_costs=after_costs)
    (resident,) = residents(problem, SHAPE)
    at = At(prices=np.zeros(len(problem.limits)))
    rows = np.flatnonzero(resident.planned(at)[0][:, 0] >= 0)
    none = np.full((len(rows), problem.rules.longest), -1)
    changes = changes_to(resident, at, rows, none.astype(np.int16), none.astype(np.int8))
    (before,), _ = planned_usage(resident, at)
    assert len(changes.row) == len(rows) > 0
    assert changes.value.sum() == pytest.approx(-before)


def test_value_and_bound_are_after_costs_within_limits() -> None:
    shape = replace(SHAPE, customers=1_500)
    problem = replace(drawn_problem(shape), after_costs=True)
    parts = [replace(one, problem=problem) for one in drawn_partitions(shape, 500)]
    batch = LocalEngine().open(parts, build_resident, releases_gil=True)
    try:
        plan = make_plan(batch, problem, 1_500, PlanOptions(gap=1e-3), partitions=3)
    finally:
        batch.close()
    gross = cost = 0.0
    for part in parts:
        resident = build_resident(part)
        contact, period, _ = resident.planned(plan.at)
        gross += float(resident.values_of(np.arange(len(contact)), contact, period).sum())
        cost += problem.contacts.cost[contact[contact >= 0]].sum() / MICROS
    assert plan.value == pytest.approx(gross - cost)
    assert plan.value <= plan.bound
    assert plan.gap < 0.03
    assert (plan.used <= problem.amounts).all()
