from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nba_engine.domain import Exploration, chances, slate_chances

LUCE = Exploration(method="plackett_luce", temperature=0.5)
MIXTURE = Exploration(method="epsilon", share=0.4)
SCORES = np.array([1.0, 0.5, 0.0])
ACTIONS = np.array([3, 7, 9])

scores = st.lists(st.floats(0, 1e6), min_size=1, max_size=12).map(np.array)
policies = st.sampled_from([None, LUCE, MIXTURE])


def test_without_exploration_the_best_is_picked() -> None:
    assert chances(None, SCORES).tolist() == [1.0, 0.0, 0.0]


def test_between_equals_chance_decides() -> None:
    assert chances(None, np.array([2.0, 2.0, 1.0])).tolist() == [0.5, 0.5, 0.0]


def test_a_temperature_less_is_picked_e_times_less_often() -> None:
    first, second, third = chances(LUCE, SCORES)
    assert first / second == pytest.approx(np.e)
    assert second / third == pytest.approx(np.e)


def test_scores_far_apart_do_not_overflow() -> None:
    cold = Exploration(method="plackett_luce", temperature=1e-6)
    assert chances(cold, np.array([1e9, 0.0])).tolist() == [1.0, 0.0]


def test_the_mixture_gives_everybody_the_same_share() -> None:
    assert chances(MIXTURE, SCORES) == pytest.approx([0.6 + 0.4 / 3, 0.4 / 3, 0.4 / 3])


def test_nobody_is_picked_of_nobody() -> None:
    assert chances(LUCE, np.zeros(0)).tolist() == []


@given(policies, scores)
def test_the_chances_of_all_sum_to_one(policy: Exploration | None, score: np.ndarray) -> None:
    found = chances(policy, score)
    assert found.sum() == pytest.approx(1.0)
    assert (found >= 0.0).all()


@pytest.mark.parametrize("policy", [None, LUCE, MIXTURE])
def test_the_chances_of_all_slates_sum_to_one(policy: Exploration | None) -> None:
    total = sum(
        np.prod(slate_chances(policy, SCORES, ACTIONS, order))
        for order in itertools.permutations(range(3))
    )
    assert total == pytest.approx(1.0)


def test_a_pick_is_over_what_its_predecessors_left() -> None:
    assert slate_chances(LUCE, SCORES, ACTIONS, [1, 0]) == pytest.approx(
        [np.exp(1) / (np.exp(2) + np.exp(1) + 1), np.exp(2) / (np.exp(2) + 1)]
    )


def test_two_forms_of_an_action_do_not_stand_in_one_slate() -> None:
    same = np.array([3, 3, 9])
    assert slate_chances(LUCE, SCORES, same, [0, 2])[1] == pytest.approx(1.0)
    assert slate_chances(LUCE, SCORES, same, [0, 1])[1] == 0.0


def test_what_was_removed_or_stands_elsewhere_counts_for_nothing() -> None:
    assert slate_chances(LUCE, SCORES, ACTIONS, [1], removed=[0]) == pytest.approx(
        [np.exp(1) / (np.exp(1) + 1)]
    )
    assert slate_chances(LUCE, SCORES, ACTIONS, [1], taken=[3]) == pytest.approx(
        [np.exp(1) / (np.exp(1) + 1)]
    )


def test_a_policy_that_cannot_make_a_pick_makes_none_below_it() -> None:
    assert slate_chances(None, SCORES, ACTIONS, [1, 0]) == [0.0, 0.0]
