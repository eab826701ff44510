"""Contacts that are worth the same in every period: limits by period have room enough, or not."""

from __future__ import annotations

import numpy as np
import pytest

from nba_engine.batch import LocalEngine
from nba_engine.chains import ChainRules
from nba_engine.planning import (
    Contact,
    Partition,
    PlanLimit,
    Problem,
    Rows,
    build_resident,
    contacts_of,
    make_plan,
)

CUSTOMERS, PERIODS = 800, 6
NAMES = tuple(
    Contact(action=action, treatment=f"{action}.{channel}", channel=channel, cost=cost)
    for action in ("milk", "bread", "beer")
    for channel, cost in (("letter", 750_000), ("email", 20_000))
)


def _rows(_source: object, first: int, last: int) -> Rows:
    value = np.random.default_rng(5).lognormal(0.0, 0.7, (CUSTOMERS, 3))[first:last]
    both = np.stack((1.3 * value, value), axis=2).reshape(last - first, 6, 1)
    return Rows(values=both.astype(np.float32), budget=np.full(last - first, 1_000_000, np.int64))


@pytest.mark.parametrize("letters", [30, 90, 250])
def test_what_has_no_room_in_its_period_goes_to_another_one_that_has(letters: int) -> None:
    use = np.zeros((PERIODS, len(NAMES), PERIODS), np.int64)
    for period in range(PERIODS):
        use[period, ::2, period] = 1
    problem = Problem(
        rules=ChainRules(periods=PERIODS, most_contacts=2, spacing=1, diminishing=0.8),
        names=NAMES,
        contacts=contacts_of(NAMES, np.ones((len(NAMES), PERIODS))),
        limits=tuple(
            PlanLimit(name=f"letters {one}", amount=letters, measure="contacts", use=use[one])
            for one in range(PERIODS)
        ),
        after_costs=True,
    )
    partition = Partition(
        number=0, problem=problem, load=_rows, source=None, first=0, last=CUSTOMERS
    )
    batch = LocalEngine().open([partition], build_resident, releases_gil=True)
    try:
        plan = make_plan(batch, problem, CUSTOMERS, partitions=1)
    finally:
        batch.close()
    assert (plan.used <= letters).all()
    assert plan.value >= 0.999 * plan.bound
