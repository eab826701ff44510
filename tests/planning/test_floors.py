"""Floors: at least so many contacts of an action are made, where that costs least."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from nba_engine.batch import LocalEngine
from nba_engine.errors import FailedPrecondition
from nba_engine.planning import (
    Plan,
    PlanLimit,
    PlanOptions,
    Problem,
    Rows,
    Shape,
    build_resident,
    drawn_partitions,
    drawn_problem,
    make_plan,
)
from nba_engine.planning.drawn import drawn_rows
from tests.planning.exact import exact


def with_floor(problem: Problem, action: str, amount: int, channel: str = "") -> Problem:
    """At least so many contacts of an action, by any channel or by one."""
    mine = [
        one.action == action and (not channel or one.channel == channel) for one in problem.names
    ]
    use = np.repeat(np.array(mine, dtype=np.int64)[:, None], problem.rules.periods, axis=1)
    floor = PlanLimit(
        name=f"push_{action}_{channel}", amount=amount, measure="contacts", use=use, floor=True
    )
    return msgspec.structs.replace(problem, limits=(*problem.limits, floor))


def planned(shape: Shape, problem: Problem, options: PlanOptions | None = None) -> Plan:
    partitions = [msgspec.structs.replace(one, problem=problem) for one in drawn_partitions(shape)]
    batch = LocalEngine().open(partitions, build_resident, releases_gil=True)
    try:
        return make_plan(batch, problem, shape.customers, options, partitions=len(partitions))
    finally:
        batch.close()


def contacts_of(plan: Plan, problem: Problem, action: str) -> int:
    return int(plan.counts[[one.action == action for one in problem.names]].sum())


def test_a_floor_is_met_at_the_least_cost_and_the_bound_stays_certified() -> None:
    shape = Shape(customers=1_000, actions=5, most_contacts=2)
    free = drawn_problem(shape)
    plan = planned(shape, free)
    before = contacts_of(plan, free, "action_03")
    asked = before + 90
    problem = with_floor(free, "action_03", asked)
    pushed = planned(shape, problem)
    assert contacts_of(pushed, problem, "action_03") >= asked
    assert (pushed.used <= problem.amounts).all()
    assert 0.996 * pushed.bound <= pushed.value <= pushed.bound < plan.bound
    assert pushed.at.prices[-1] > 0.0
    # the price of a floor says what one less would earn
    less = planned(shape, with_floor(free, "action_03", asked - 30))
    assert less.bound - pushed.bound == pytest.approx(30 * pushed.at.prices[-1], rel=0.25)


def test_a_floor_that_holds_anyway_costs_nothing() -> None:
    shape = Shape(customers=200, actions=4, periods=3, most_contacts=2)
    problem = with_floor(drawn_problem(shape), "action_01", 3)
    free, plan = planned(shape, drawn_problem(shape)), planned(shape, problem)
    assert plan.at.prices[-1] == pytest.approx(0.0, abs=1e-9)
    assert plan.value == pytest.approx(free.value, rel=1e-3)


@pytest.mark.parametrize("seed", range(6))
def test_with_floors_few_customers_get_what_branch_and_bound_finds(seed: int) -> None:
    shape = Shape(customers=30, actions=4, periods=3, most_contacts=2, seed=seed)
    problem = with_floor(drawn_problem(shape), "action_02", 12)
    problem = with_floor(problem, "action_00", 4, channel="letter")
    if not problem.limits[-1].use.any():
        problem = msgspec.structs.replace(problem, limits=problem.limits[:-1])
    best, at_most = exact(problem, drawn_rows(shape, 0, 30))
    if best == -np.inf:
        with pytest.raises(FailedPrecondition, match="not every limit can be kept"):
            planned(shape, problem)
        return
    plan = planned(shape, problem)
    assert (plan.used <= problem.amounts).all()
    assert 0.995 * best <= plan.value <= at_most * (1.0 + 1e-9)
    assert plan.bound >= best * (1.0 - 1e-9)


def test_a_floor_that_cannot_be_met_is_told_with_how_far_it_can_be() -> None:
    shape = Shape(customers=200, actions=4, periods=3, most_contacts=2)
    free = drawn_problem(shape)
    rows = drawn_rows(shape, 0, 200)
    mine = [c for c, one in enumerate(free.names) if one.action == "action_01"]
    free = msgspec.structs.replace(free, limits=())
    # without other limits all who can pay one of its contacts can have it, and nobody twice
    there = ~np.isnan(rows.values[:, mine, 0])
    payable = free.contacts.cost[mine] <= rows.budget[:, None]
    most = int((there & payable).any(axis=1).sum())
    plan = planned(shape, with_floor(free, "action_01", most))
    assert contacts_of(plan, free, "action_01") == most
    words = f"there can be no such plan.*at least {most + 1}, and {most} is the most"
    with pytest.raises(FailedPrecondition, match=words):
        planned(shape, with_floor(free, "action_01", most + 1), PlanOptions(passes=200))


def dear(problem: Problem, more: int) -> Problem:
    """Contacts that cost so much more, in money, taken off what they earn."""
    micros = more * 1_000_000
    names = tuple(msgspec.structs.replace(one, cost=one.cost + micros) for one in problem.names)
    contacts = msgspec.structs.replace(problem.contacts, cost=problem.contacts.cost + micros)
    contactable = tuple(one for one in problem.limits if one.measure == "contacts")
    return msgspec.structs.replace(
        problem, names=names, contacts=contacts, limits=contactable, after_costs=True
    )


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("more", [20, 400])
def test_what_is_pushed_at_a_loss_has_the_price_of_that_loss(seed: int, more: int) -> None:
    """Plans that are worth less than nothing: bounds below 0 end no search."""
    shape = Shape(customers=12, actions=3, periods=2, most_contacts=2, seed=seed)
    problem = with_floor(dear(drawn_problem(shape), more), "action_02", 6)
    rich = drawn_rows(shape, 0, 12)
    budget = np.full(12, 2**50)
    best, _ = exact(problem, msgspec.structs.replace(rich, budget=budget))

    def load(_source: object, first: int, last: int) -> Rows:
        rows = drawn_rows(shape, first, last)
        return msgspec.structs.replace(rows, budget=budget[first:last])

    partitions = [
        msgspec.structs.replace(one, problem=problem, load=load) for one in drawn_partitions(shape)
    ]
    batch = LocalEngine().open(partitions, build_resident, releases_gil=True)
    try:
        plan = make_plan(batch, problem, 12, partitions=len(partitions))
    finally:
        batch.close()
    assert best < 0.0
    assert best - 0.02 * abs(best) <= plan.value <= best + 1e-9 * abs(best)
    assert best <= plan.bound + 1e-9 * abs(best)
    assert plan.gap < 0.05
    assert 0.2 * more < plan.at.prices[-1] < 2.0 * more


def test_a_floor_and_a_limit_of_the_same_contacts_have_small_prices() -> None:
    shape = Shape(customers=60, actions=3, periods=2, most_contacts=2)
    problem = with_floor(drawn_problem(shape), "action_01", 25)
    floor = problem.limits[-1]
    cap = msgspec.structs.replace(floor, name="cap", floor=False)
    problem = msgspec.structs.replace(problem, limits=(*problem.limits, cap))
    plan = planned(shape, problem)
    assert contacts_of(plan, problem, "action_01") == 25
    # only their difference counts
    earned = plan.value / plan.counts.sum()
    assert min(plan.at.prices[-2:]) < 0.05 * earned
    assert max(plan.at.prices[-2:]) < 10.0 * earned


def test_nothing_is_pushed_where_it_earns_nothing_whoever_gets_it() -> None:
    shape = Shape(customers=60, actions=3, periods=3, most_contacts=2)
    problem = with_floor(drawn_problem(shape), "action_01", 30)
    factor = problem.contacts.factor.copy()
    mine = [one.action == "action_01" for one in problem.names]
    factor[mine, 1] = 0.0  # no season
    problem = msgspec.structs.replace(
        problem, contacts=msgspec.structs.replace(problem.contacts, factor=factor)
    )
    plan = planned(shape, problem)
    assert plan.counts[mine].sum(axis=0)[1] == 0
    assert contacts_of(plan, problem, "action_01") >= 30


def test_customers_may_be_planned_without_a_limit_that_they_share() -> None:
    shape = Shape(customers=30, actions=3, periods=2, most_contacts=2)
    problem = msgspec.structs.replace(drawn_problem(shape), limits=())
    plan = planned(shape, problem)
    assert plan.value == pytest.approx(plan.bound)
    assert plan.counts.sum() > 30
