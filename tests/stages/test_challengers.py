"""Models that compete: who decides for whom, and who scores in shadow."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np
import pytest

from nba_engine.domain import CustomerState, Deciding, FloatArray, IntArray, Scorer, Values
from nba_engine.stages.challengers import Challenger, chosen
from nba_engine.stages.propensity import Propensity, PropensitySettings
from tests.stages.making import Materials, catalog, column, deciding, run

ACTIONS = """
[actions.a]
treatments.app = { channel = "app" }
[actions.b]
treatments.app = { channel = "app" }
"""


class Constant:
    """Scores everything alike; waits for ``gate`` first."""

    version = "1"
    feature_names = ()

    def __init__(self, score: float, gate: threading.Event | None = None) -> None:
        self._score = score
        self._gate = gate

    def propensities(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> FloatArray:
        if self._gate is not None:
            self._gate.wait(20)
        return np.full(len(index), self._score)

    def features(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        raise NotImplementedError


class Broken(Constant):
    def propensities(
        self, index: IntArray, customer: Values, context: Values, now: float
    ) -> FloatArray:
        raise ZeroDivisionError


class Several(Materials):
    """Resources with several models."""

    def __init__(self, made: Deciding, scorers: Mapping[str, Scorer]) -> None:
        super().__init__(made.catalog)
        self._several = scorers

    def scorer(self, model: str) -> Scorer:
        return self._several[model]


def made_for(customer: str = "crm:1") -> Deciding:
    return deciding(catalog(ACTIONS), state=CustomerState(customer_id=customer))


def stage(
    made: Deciding, *challengers: Challenger, other: Scorer | None = None, **more: Any
) -> Propensity:
    settings = PropensitySettings(model="champion", challengers=challengers, **more)
    scorers: dict[str, Scorer] = {"champion": Constant(0.2), "boosted": other or Constant(0.7)}
    return Propensity(settings, Several(made, scorers))


def until() -> float:
    return time.monotonic() + 20


def test_shares_are_stable_exact_and_grow_without_moving_others() -> None:
    customers = [f"crm:{number}" for number in range(5000)]

    def of(share: float) -> set[str]:
        some = (Challenger(model="boosted", share=share),)
        return {c for c in customers if chosen("champion", some, "s", c) == "boosted"}

    small, large = of(0.1), of(0.3)
    assert 430 < len(small) < 570
    assert 1380 < len(large) < 1620
    assert small < large
    assert of(0.0) == set()
    assert of(1.0) == set(customers)
    two = (Challenger(model="boosted", share=0.1), Challenger(model="third", share=0.2))
    deciders = [chosen("champion", two, "s", c) for c in customers]
    assert {c for c, d in zip(customers, deciders, strict=True) if d == "boosted"} == small
    assert 870 < deciders.count("third") < 1130


def test_another_salt_gives_the_share_to_others() -> None:
    some = (Challenger(model="boosted", share=0.5),)
    customers = [f"crm:{number}" for number in range(1000)]
    same = sum(
        chosen("champion", some, "one", c) == chosen("champion", some, "two", c) for c in customers
    )
    assert 430 < same < 570


def test_the_challenger_scores_in_shadow_and_is_not_used() -> None:
    made = made_for()
    run(stage(made, Challenger(model="boosted"), shadow_ms=20_000.0), made)
    assert made.decided_by == "champion"
    assert set(column(made, "propensity").values()) == {0.2}
    assert list(made.shadows) == ["boosted"]
    scores = made.shadows["boosted"].scores(until())
    assert scores is not None
    assert scores.tolist() == [0.7] * len(made.candidates)


def test_where_the_challenger_decides_the_champion_is_in_shadow() -> None:
    made = made_for()
    run(stage(made, Challenger(model="boosted", share=1.0), shadow_ms=20_000.0), made)
    assert made.decided_by == "boosted"
    assert set(column(made, "propensity").values()) == {0.7}
    scores = made.shadows["champion"].scores(until())
    assert scores is not None
    assert set(scores.tolist()) == {0.2}


def test_a_challenger_without_shadow_only_decides_its_share() -> None:
    made = made_for()
    run(stage(made, Challenger(model="boosted", share=0.0, shadow=False)), made)
    assert list(made.shadows) == []


def test_a_slow_model_in_shadow_delays_nothing_beyond_its_time_or_the_deadline() -> None:
    gate = threading.Event()
    try:
        made = made_for()
        slow = stage(made, Challenger(model="boosted"), other=Constant(0.7, gate), shadow_ms=30.0)
        run(slow, made)
        assert set(column(made, "propensity").values()) == {0.2}  # it did not wait
        assert made.shadows["boosted"].scores(until()) is None  # 30 ms are over
        patient = stage(made, Challenger(model="boosted"), other=Constant(0.7, gate), shadow_ms=1e9)
        made = made_for()
        run(patient, made)
        assert made.shadows["boosted"].scores(time.monotonic() + 0.01) is None  # the deadline
    finally:
        gate.set()


def test_while_one_hangs_others_go_without_and_nothing_piles_up() -> None:
    gate = threading.Event()
    made = made_for()
    slow = stage(made, Challenger(model="boosted"), other=Constant(0.7, gate), shadow_ms=1e9)
    kept = []
    try:
        for _ in range(200):
            made = made_for()
            slow.apply(made)
            kept.append(made.shadows["boosted"])
        assert slow._shadows is not None
        assert len(slow._shadows._waiting) <= 32
        assert kept[-1].scores(until()) is None
    finally:
        gate.set()
    assert kept[0].scores(until()) is not None


def test_a_model_that_fails_in_shadow_costs_the_decision_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    made = made_for()
    failing = stage(made, Challenger(model="boosted"), other=Broken(0.0), shadow_ms=20_000.0)
    for _ in range(3):
        made = made_for()
        failing.apply(made)
        assert set(column(made, "propensity").values()) == {0.2}
        assert made.shadows["boosted"].scores(until()) is None
    told = [record.message for record in caplog.records]
    assert told == ["the challenger boosted failed in shadow: ZeroDivisionError"]


def test_a_replay_takes_the_model_that_decided_whatever_the_shares_are_now() -> None:
    made = made_for()
    made.decided_by = "boosted"  # on record
    run(stage(made, Challenger(model="boosted", share=0.0)), made)
    assert set(column(made, "propensity").values()) == {0.7}
    assert dict(made.shadows) == {}


@pytest.mark.parametrize(
    ("challengers", "wrong"),
    [
        ([{"model": "champion"}], "twice"),
        ([{"model": "a"}, {"model": "a"}], "twice"),
        ([{"model": "a", "share": 0.6}, {"model": "b", "share": 0.6}], "more than 1"),
    ],
)
def test_settings_that_cannot_be_are_refused(challengers: list[dict[str, Any]], wrong: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=wrong):
        msgspec.convert({"model": "champion", "challengers": challengers}, PropensitySettings)
