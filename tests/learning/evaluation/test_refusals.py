"""What the ledger refused after it was drawn, by exact enumeration and by a seeded log of a known truth."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from benchmarks.off_policy import NOTHING, RATE, TESTED, World, truth
from nba_engine.learning.evaluation import Options, evaluate
from nba_engine.learning.evaluation.picks import cumulative_weights

FULL = 0.6  # of the decisions: the limit of the best actions has no room


@pytest.fixture(scope="module")
def world() -> World:
    return World()


def test_ips_and_dr_are_unbiased_by_exact_enumeration_whatever_is_predicted(world: World) -> None:
    whole = ips = dr = 0.0
    carried = np.zeros(2)
    for chance, _, picks in world.everything(FULL):
        whole += chance
        above = 1.0
        for pick in picks:
            weight = above * pick.target / pick.propensity
            reward = RATE[pick.shown.action] if pick.shown else 0.0
            ips += chance * weight * reward
            dr += chance * (above * pick.expected_target[0] + weight * (reward - pick.expected[0]))
            carried[pick.position] += chance * weight
            above = weight
        carried[len(picks) :] += chance * above
    assert whole == pytest.approx(1.0)
    assert ips == pytest.approx(truth(TESTED, FULL), rel=1e-12)
    assert dr == pytest.approx(truth(TESTED, FULL), rel=1e-12)
    assert carried == pytest.approx([1.0, 1.0]), "by which SNIPS divides"


def test_what_was_refused_is_part_of_the_pick_that_came_instead(world: World) -> None:
    for _, _, picks in world.everything(FULL):
        assert [pick.position for pick in picks] == list(range(len(picks)))
        assert all(pick.shown or pick.treatment.startswith(NOTHING) for pick in picks)


def test_a_log_full_of_refusals_is_evaluated_as_its_truth_is(world: World) -> None:
    picks = world.picks(1_500, 1, FULL)
    found = evaluate(picks, options=Options(confidence=0.999, resamples=500))
    for one in found.estimates.values():
        assert one.low < truth(TESTED, FULL) < one.high
    assert [one.refused for one in found.places] == ["", ""]
    assert [one.mean_weight for one in found.places] == pytest.approx([1.0, 1.0], abs=0.1)


def test_slates_that_end_earlier_under_test_have_support(world: World) -> None:
    """*Nothing* ends a slate: the policy under test reaches the second place half as often."""
    picks = world.picks(1_500, 2, 0.0)
    top = picks.position == 0
    kept = np.where(top & (picks.action != f"{NOTHING}.app"), 0.5, 1.0)
    ends = picks.action == f"{NOTHING}.app"
    stop = 1.0 - 0.5 * (1.0 - picks.propensity)  # what is left goes to nothing
    target = np.where(top & ends, stop, kept * picks.propensity)
    changed = msgspec.structs.replace(picks, target=target, expected=None, expected_target=None)
    found = evaluate(changed, options=Options(resamples=200))
    assert [one.refused for one in found.places] == ["", ""]
    weight, _, _ = cumulative_weights(changed)
    plain = float((weight * picks.reward).sum() / 1_500)
    assert found.estimates["ips"].value == pytest.approx(plain)
    assert found.estimates["snips"].value == pytest.approx(plain, rel=0.05)
    assert found.estimates["ips"].value == pytest.approx(found.logged.value / 2, rel=0.05)
