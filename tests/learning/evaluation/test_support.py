"""Where a log cannot tell, it is said instead of a number."""

from __future__ import annotations

import re
from typing import Any

import msgspec
import numpy as np
import pytest

from nba_engine.learning.evaluation import ENOUGH, Options, Picks, Place, evaluate
from nba_engine.learning.evaluation.support import weight_note
from tests.learning.evaluation.logs import LOGGED, TARGET, logged

FEW = Options(resamples=100)
BEST = (TARGET.max(axis=1, keepdims=True) == TARGET).astype(float)


def changed(picks: Picks, **columns: Any) -> Picks:
    return Picks(**{**{name: getattr(picks, name) for name in picks.__struct_fields__}, **columns})


def test_below_an_effective_sample_size_of_100_there_is_no_number() -> None:
    picks = logged(90, 1)
    found = evaluate(picks, options=FEW)
    assert not found.supported
    assert [*found.estimates, *found.differences, *found.chance_better] == []
    assert all(part.target is None for part in found.actions)
    assert found.effective_sample_size < ENOUGH
    assert found.reason.startswith("not enough support: its effective sample size is")
    assert found.logged.value == pytest.approx(picks.reward.mean())  # that was seen, not estimated


def test_just_above_it_there_is_one() -> None:
    picks = logged(2_000, 1, target=LOGGED)
    assert not evaluate(picks.where(picks.decision < 99), options=FEW).supported
    found = evaluate(picks.where(picks.decision < 100), options=FEW)
    assert found.supported
    assert found.effective_sample_size == pytest.approx(100.0)


def test_a_log_that_explored_nothing_tells_nothing_of_another_policy() -> None:
    picks = logged(5_000, 2, policy=BEST)
    assert (picks.propensity == 1.0).all()
    found = evaluate(changed(picks, target=np.tile([1.0, 0.0], 2_500)), options=FEW)
    assert not found.supported
    assert "explored nothing" in found.reason
    assert evaluate(changed(picks, target=np.ones(5_000)), options=FEW).supported


def test_a_log_that_explored_for_some_only_tells_nothing_of_a_policy_that_differs_for_the_others() -> (
    None
):
    picks = logged(5_000, 3, policy=LOGGED, target=LOGGED)
    propensity, target = picks.propensity.copy(), picks.target.copy()
    propensity[:1_000], target[:1_000] = 1.0, 0.2  # 16% of what is done now
    found = evaluate(changed(picks, propensity=propensity, target=target), options=FEW)
    assert not found.supported
    assert "16% of what the policy under test does was never tried" in found.reason


def test_weights_that_average_far_below_1_show_what_was_never_tried() -> None:
    never = LOGGED.copy()
    never[:, 2] = 1e-12  # the logged policy all but never makes this pick
    never /= never.sum(axis=1, keepdims=True)
    found = evaluate(logged(5_000, 4, policy=never), options=FEW)
    assert not found.supported
    assert "was never tried" in found.reason


def test_weights_that_surely_average_above_1_are_refused_with_their_error() -> None:
    picks = logged(5_000, 5)
    for factor in (0.5, 0.9):
        found = evaluate(changed(picks, propensity=picks.propensity * factor), options=FEW)
        assert not found.supported
        assert found.estimates == {}
        assert re.search(r"weights average [12]\.\d\d ± 0\.0[12] instead of 1", found.reason)
        assert (
            "the logged probabilities are too small or those under test too large" in found.reason
        )


def test_weights_that_may_average_above_1_by_chance_are_told() -> None:
    place = Place(
        place="home",
        picks=300,
        effective_sample_size=120.0,
        mean_weight=1.3,
        mean_weight_error=0.12,
        refused="",
    )
    assert "average 1.30 ± 0.12 instead of 1: chance may do that" in weight_note(
        place, clipped=False
    )
    usual = msgspec.structs.replace(place, mean_weight=1.05)
    assert weight_note(usual, clipped=False) == ""


def test_weights_that_average_a_little_below_1_are_told() -> None:
    picks = logged(20_000, 5)
    found = evaluate(changed(picks, target=picks.target * 0.94), options=FEW)
    assert found.supported
    (note,) = found.notes
    assert re.fullmatch(r"home: the weights average 0\.94\d ± .* too low by as much", note)


def test_right_probabilities_are_hardly_ever_taken_for_wrong() -> None:
    found = [evaluate(logged(400, seed), options=FEW) for seed in range(80)]
    assert sum(not one.supported for one in found) <= 1


def test_few_customers_widen_the_interval_and_very_few_are_refused() -> None:
    found = {
        count: evaluate(logged(3_000, 3, customers=count), options=Options(resamples=300))
        for count in (15, 60, 1_500)
    }
    assert not found[15].supported
    assert found[15].reason.startswith("not enough support: 15 customers")
    assert any("equally large ones: few" in note for note in found[60].notes)
    assert found[1_500].notes == ()


def test_places_without_support_are_left_out_and_told() -> None:
    top = logged(3_000, 6)
    some = logged(60, 7)
    both = Picks(
        **{
            name: np.concatenate([getattr(top, name), getattr(some, name)])
            for name in top.__struct_fields__
            if name not in ("position", "customer", "model")
        },
        position=np.repeat([0, 1], [3_000, 60]),
    )
    found = evaluate(both, options=FEW)
    assert [one.place for one in found.places] == ["home, position 1", "home, position 2"]
    assert [bool(one.refused) for one in found.places] == [False, True]
    alone = evaluate(top, options=FEW).estimates["snips"].value
    assert found.estimates["snips"].value == pytest.approx(alone)
    assert any(note.startswith("home, position 2 is left out") for note in found.notes)
    only = evaluate(both, options=Options(resamples=100, positions=1))
    assert [one.place for one in only.places] == ["home"]


def test_what_stands_below_a_place_without_support_is_not_judged_either() -> None:
    top = logged(3_000, 8)
    certain = changed(top, propensity=np.ones(3_000), position=np.zeros(3_000, dtype=int))
    both = Picks(
        **{
            name: np.concatenate([getattr(certain, name), getattr(top, name)])
            for name in top.__struct_fields__
            if name not in ("position", "customer", "target", "model")
        },
        target=np.concatenate([np.full(3_000, 0.97), top.target]),
        position=np.repeat([0, 1], 3_000),
    )
    found = evaluate(both, options=FEW)
    assert [one.refused.partition(" (")[0] for one in found.places] == [
        "the logged policy explored nothing",
        "what stands above it has not enough support",
    ]


def test_actions_are_judged_one_by_one() -> None:
    picks = logged(1_500, 9, customers=500)
    rare = picks.action.copy()
    rare[:50] = "rare"
    found = evaluate(changed(picks, action=rare), options=FEW)
    by_name = {part.name: part for part in found.actions}
    assert by_name["rare"].target is None
    assert by_name["action 2"].target is not None
    assert sum(part.logged_share for part in found.actions) == pytest.approx(1.0)
    assert sum(part.target_share for part in found.actions) == pytest.approx(1.0)
    assert {part.name for part in found.channels} == {"web", "email"}
