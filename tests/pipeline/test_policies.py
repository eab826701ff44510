from __future__ import annotations

import logging
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

from nba_engine.domain import Deciding
from nba_engine.errors import DeadlineExceeded, Exhausted, InvalidRequest, Unavailable, Violation
from nba_engine.pipeline import Pipeline
from tests.pipeline.faulty import BREACHES, Doing, Secondary, deciding, raises, step


@pytest.mark.parametrize("breach", BREACHES)
def test_a_filter_that_breaks_its_contract_drops_everything_but_nothing(breach: str) -> None:
    one = deciding()
    total = len(one.candidates)
    Pipeline([step(Doing(BREACHES[breach]), "drop")]).run(one)
    assert one.candidates.nothing.all()
    assert len(one.candidates) == 2
    assert [(d.stage, d.reason, len(d.index)) for d in one.candidates.drops] == [
        ("faulty", "stage_failed", total - 2)
    ]
    assert one.candidates.reason_codes == {}
    assert one.recommendations == []
    assert one.degraded == ["faulty"]


@pytest.mark.parametrize("breach", BREACHES)
def test_an_observer_that_breaks_its_contract_leaves_everything_as_it_was(breach: str) -> None:
    one = deciding()
    candidates, index = one.candidates, one.candidates.index
    candidates["weight"] = np.full(len(index), 2.0)
    cost = one.catalog.cost.copy()
    Pipeline([step(Doing(BREACHES[breach]), "ignore")]).run(one)
    assert one.candidates is candidates
    assert candidates.index is index
    assert candidates.drops == []
    assert {name: column.tolist() for name, column in candidates.columns.items()} == {
        "weight": [2.0] * len(index)
    }
    assert one.degraded == ["faulty"]
    assert (one.catalog.cost == cost).all()


@pytest.mark.parametrize("breach", BREACHES)
def test_a_scorer_that_breaks_its_contract_falls_back_to_the_prior(breach: str) -> None:
    one = deciding()
    Pipeline([step(Doing(BREACHES[breach]), "fall_back")]).run(one)
    expected = one.catalog.prior[one.candidates.index]
    assert one.candidates["propensity"].tolist() == expected.tolist()
    assert one.candidates.drops == []
    assert one.degraded == ["faulty"]


def test_a_scorer_that_falls_back_uses_its_own_fallback() -> None:
    one = deciding()
    Pipeline([step(Secondary(BREACHES["sets_nan"]), "fall_back")]).run(one)
    assert set(one.candidates["propensity"].tolist()) == {0.25}
    assert "from_fallback" in one.candidates


def test_a_fallback_that_breaks_its_contract_is_undone_and_the_prior_taken() -> None:
    class Worse(Doing):
        def fallback(self, deciding: Deciding) -> None:
            BREACHES["sets_nan"](deciding)

    one = deciding()
    Pipeline([step(Worse(BREACHES["raises"]), "fall_back")]).run(one)
    expected = one.catalog.prior[one.candidates.index]
    assert one.candidates["propensity"].tolist() == expected.tolist()


def test_a_failing_scorer_keeps_the_propensity_of_an_earlier_one() -> None:
    def score(deciding: Deciding) -> None:
        deciding.candidates["propensity"] = np.full(len(deciding.candidates), 0.5)

    one = deciding()
    first, second = step(Doing(score), "fall_back"), step(Doing(BREACHES["raises"]), "fall_back")
    Pipeline([first, second]).run(one)
    assert set(one.candidates["propensity"].tolist()) == {0.5}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_stage_with_policy_fail_makes_the_call_unavailable(breach: str) -> None:
    with pytest.raises(Unavailable) as caught:
        Pipeline([step(Doing(BREACHES[breach]), "fail")]).run(deciding())
    assert caught.value.reason == "STAGE_FAILED"
    assert caught.value.metadata == {"stage": "faulty"}


@pytest.mark.parametrize("error", [Unavailable("away"), Exhausted("full")])
def test_policy_fail_keeps_the_type_of_errors_that_say_try_again(error: Exception) -> None:
    with pytest.raises(type(error)) as caught:
        Pipeline([step(Doing(raises(error)), "fail")]).run(deciding())
    assert caught.value is error


@pytest.mark.parametrize("policy", ["drop", "fall_back", "ignore", "fail"])
def test_an_error_of_the_store_fails_the_call_whatever_the_policy(policy: Any) -> None:
    error = Unavailable("disk", metadata={"dependency": "store"})
    with pytest.raises(Unavailable) as caught:
        Pipeline([step(Doing(raises(error)), policy)]).run(deciding())
    assert caught.value is error


@pytest.mark.parametrize(
    "error",
    [
        DeadlineExceeded("late"),
        InvalidRequest([Violation(field="identity", description="?")]),
        KeyboardInterrupt(),
    ],
)
def test_what_is_not_the_stages_fault_goes_to_the_caller(error: BaseException) -> None:
    one = step(Doing(raises(error)), "ignore")
    with pytest.raises(type(error)):
        Pipeline([one]).run(deciding())
    assert one.breaker.failures == 0


def test_degraded_names_a_stage_once_and_the_next_stages_still_run() -> None:
    def note(deciding: Deciding) -> None:
        deciding.degraded.append("faulty")
        raise RuntimeError

    after = Doing(lambda _deciding: None)
    one = deciding()
    one.degraded.append("faulty")
    micros = Pipeline([step(Doing(note), "ignore"), step(after, name="after")]).run(one)
    assert one.degraded.count("faulty") <= 2
    assert one.failed == ["faulty"]
    assert after.calls == 1
    assert list(micros) == ["faulty", "after"]


def test_a_deadline_that_passed_stops_before_the_next_stage() -> None:
    stage = Doing(lambda _deciding: None)
    with pytest.raises(DeadlineExceeded):
        Pipeline([step(stage)]).run(deciding(deadline=0.0))
    assert stage.calls == 0


def test_the_log_names_type_and_place_of_a_failure_but_no_values(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING):
        Pipeline([step(Doing(raises(ValueError("secret-canary"))), "ignore")]).run(deciding())
    assert "ValueError" in caplog.text
    assert "faulty.py" in caplog.text
    assert "secret-canary" not in caplog.text


def test_candidates_after_eligibility_and_their_scores_are_kept_for_the_log() -> None:
    def judge(deciding: Deciding) -> None:
        mask = np.zeros(len(deciding.candidates), dtype=np.bool_)
        mask[0] = True
        deciding.candidates.drop(mask, "not_eligible")

    def score(deciding: Deciding) -> None:
        deciding.candidates["propensity"] = np.full(len(deciding.candidates), 0.5)

    one = deciding()
    total = len(one.candidates)
    Pipeline([step(Doing(judge), name="eligibility"), step(Doing(score), name="propensity")]).run(
        one
    )
    assert one.eligible is not None
    assert one.scored is not None
    assert len(one.eligible[0]) == total - 1
    assert set(one.scored[2].tolist()) == {0.5}


def test_off_the_main_thread_a_keyboard_interrupt_is_the_stages_own() -> None:
    pipeline = Pipeline([step(Doing(raises(KeyboardInterrupt())), "ignore")])
    ran = [deciding(), deciding()]
    with ThreadPoolExecutor(1) as pool:
        pool.submit(pipeline.run, ran[0]).result(30)
    Pipeline([step(Doing(raises(KeyboardInterrupt())), "ignore", timeout=30.0)]).run(ran[1])
    assert [one.degraded for one in ran] == [["faulty"], ["faulty"]]


def test_what_a_failing_stage_put_in_the_place_of_something_is_put_back() -> None:
    def act(deciding: Deciding) -> None:
        deciding.customer, deciding.context, deciding.now = {"age": 1}, {"hour": 3}, 0.0
        deciding.customer_id, deciding.known, deciding.recommendations = "x", True, []
        raise RuntimeError

    one = deciding()
    before = (one.customer, one.context, one.now, one.customer_id, one.known, one.recommendations)
    Pipeline([step(Doing(act), "ignore")]).run(one)
    after = (one.customer, one.context, one.now, one.customer_id, one.known, one.recommendations)
    assert all(now is then for now, then in zip(after, before, strict=True))
