"""Whatever limits and floors are asked for: a plan keeps them all and is within its bound, or is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from nba_engine.batch import LocalEngine
from nba_engine.cli.plan_told import told
from nba_engine.errors import FailedPrecondition
from nba_engine.planning import (
    At,
    Plan,
    PlanLimit,
    PlanOptions,
    Problem,
    Shape,
    build_resident,
    drawn_partitions,
    drawn_problem,
    make_plan,
)
from nba_engine.planning.drawn import drawn_rows
from nba_engine.planning.written import check_summary
from tests.planning.exact import exact


def planned(shape: Shape, problem: Problem, passes: int = 30) -> Plan | None:
    """The plan, checked; None: refused."""
    parts = [replace(one, problem=problem) for one in drawn_partitions(shape, 400)]
    batch = LocalEngine().open(parts, build_resident, releases_gil=True)
    options = PlanOptions(passes=passes)
    try:
        plan = make_plan(batch, problem, shape.customers, options, partitions=len(parts))
    except FailedPrecondition:
        return None
    finally:
        batch.close()
    assert (plan.used <= problem.amounts).all()
    assert plan.value <= plan.bound + 1e-9 * abs(plan.bound)
    assert plan.gap >= -1e-9
    return plan


def drawn_limits(shape: Shape, rng: np.random.Generator) -> Problem:
    """Some of the limits, tight ones and loose ones, and floors on channels and actions."""
    problem = drawn_problem(shape)
    limits = [
        replace(one, amount=int(one.amount * rng.uniform(0.0, 1.5)))
        for one in problem.limits
        if rng.random() < 0.6
    ]
    for action in range(shape.actions):
        if rng.random() < 0.6:
            name = f"action_{action:02d}"
            mine = np.array([one.action == name for one in problem.names], dtype=np.int64)
            use = np.repeat(mine[:, None], shape.periods, axis=1)
            amount = int(rng.uniform(0.0, 0.8) * shape.customers)
            limits.append(
                PlanLimit(name=name, amount=amount, measure="contacts", use=use, floor=True)
            )
    return replace(problem, limits=tuple(limits), after_costs=bool(rng.random() < 0.5))


@pytest.mark.parametrize("seed", [0, 1, 2, 39, 41, 43, 48, 55, 103, 107, 190, 322])
def test_few_customers_keep_all_limits_and_come_near_the_exact_optimum(seed: int) -> None:
    rng = np.random.default_rng([8, seed])
    customers = int(rng.integers(3, 16))
    shape = Shape(customers=customers, actions=3, periods=2, most_contacts=2, seed=seed)
    problem = drawn_limits(shape, rng)
    best, at_most = exact(problem, drawn_rows(shape, 0, customers))
    plan = planned(shape, problem)
    if best == -np.inf:
        assert plan is None
        return
    assert plan is not None
    assert best - 0.01 * abs(best) <= plan.value <= at_most + 1e-9 * abs(best)
    assert plan.bound >= best - 1e-9 * abs(best)


@pytest.mark.parametrize(
    ("seed", "customers"), [(0, 450), (16, 420), (16, 12), (27, 12), (127, 12)]
)
def test_without_branch_and_bound_a_plan_keeps_all_limits_too(
    seed: int, customers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nba_engine.planning.plan.FEW", 0)
    shape = Shape(customers=customers, actions=3, periods=2, most_contacts=2, seed=seed)
    plan = planned(shape, drawn_limits(shape, np.random.default_rng([9, seed])))
    if plan is not None:
        assert plan.gap < (0.01 if customers > 100 else 0.3)


def test_limits_that_cannot_be_kept_together_are_named_with_how_far_they_can() -> None:
    shape = Shape(customers=9, actions=2, periods=2, most_contacts=2)
    free = drawn_problem(shape)
    every = np.ones((len(free.names), 2), dtype=np.int64)
    most = PlanLimit(name="most", amount=2, measure="contacts", use=every)
    least = PlanLimit(name="least", amount=3, measure="contacts", use=every, floor=True)
    problem = replace(free, limits=(most, least))
    parts = [replace(one, problem=problem) for one in drawn_partitions(shape)]
    batch = LocalEngine().open(parts, build_resident, releases_gil=True)
    words = r"there can be no such plan.*'least' asks for at least 3, and 2 is the most"
    try:
        with pytest.raises(FailedPrecondition, match=words):
            make_plan(batch, problem, 9, PlanOptions(passes=100), partitions=1)
    finally:
        batch.close()


def test_the_gap_is_what_is_missing_to_the_bound_whatever_their_signs() -> None:
    nothing = np.zeros((1, 1), dtype=np.int64)
    plan = Plan(
        at=At(prices=np.zeros(0)), value=3.0, bound=4.0, counts=nothing, used=nothing, passes=1
    )
    assert plan.gap == 0.25
    assert replace(plan, value=-4.0, bound=-3.0).gap == 0.25
    assert replace(plan, value=-4.0, bound=0.0).gap == 1.0
    assert replace(plan, value=0.0, bound=0.0).gap == 0.0


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"violation": 1}, "does not keep 'letters' \\(3 of 2\\), 'milk' \\(1 of 4\\)"),
        ({"value": 10.001}, "value 10.001 is above its bound 10"),
        ({"value": -1.0, "bound": -2.0}, "value -1 is above its bound -2"),
    ],
)
def test_what_is_no_plan_is_not_told_as_one(
    wrong: dict[str, Any], words: str, tmp_path: Path
) -> None:
    limits = [
        {"limit": "letters", "kind": "at_most", "used": 3.0, "amount": 2.0},
        {"limit": "money", "kind": "at_most", "used": 3.0, "amount": 3.0},
        {"limit": "milk", "kind": "at_least", "used": 1.0, "amount": 4.0},
    ]
    found = {"value": 10.0, "bound": 10.0, "violation": 0, "limits": limits}
    check_summary({**found, "value": 10.0 * (1.0 + 1e-12)})  # sums may be off by so much
    with pytest.raises(FailedPrecondition, match=words):
        told(tmp_path, found | wrong, None, resumed=False, as_json=False)
