"""A new action finds its place by its own outcomes; the full form: `benchmarks/new_actions.py`."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import new_actions as world


def test_a_new_action_is_ranked_where_it_belongs_after_200_positives() -> None:
    off = [world.places_off(seed, ranks=8) for seed in range(6)]
    assert sum(one <= 1 for one in off) >= 0.9 * len(off)


def test_without_outcomes_it_is_not() -> None:
    truth = [world.BEST / world.STEP**n for n in range(world.ACTIONS)]
    rates = {f"a{n}": rate for n, rate in enumerate(truth) if n != 1}
    new = world.make_world(rates, truth[1], seed=1)
    ranking = [action for action, _ in world.decide(new, "crm:0", "all", 0)]
    assert ranking.index("new") > 3


def test_an_action_that_is_worth_little_is_hardly_shown_after_500_contacts() -> None:
    before, after = world.waste(seed=3, decisions=400)
    assert before > 0.1
    assert after < world.WASTE_GATE


def test_while_outcomes_are_still_to_come_it_is_as_good_as_it_is() -> None:
    runs = [world.delayed(seed) for seed in (1, 2)]
    served = np.mean([one.served[:-1] for one in runs])
    at_once = np.mean([one.at_once[:-1] for one in runs])
    assert abs(served - 1.0) < 0.2
    assert at_once < 0.75
    assert all(one.served[-1] == pytest.approx(one.at_once[-1], abs=0.02) for one in runs)
