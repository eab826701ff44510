"""A request id is decided once: in one process, over restarts, and what a failure leaves."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nba_engine.domain import Claim, Deciding, DecisionRequest
from nba_engine.engine import Engine
from nba_engine.errors import Exhausted, InvalidRequest, Unavailable
from nba_engine.store import WrappedStore
from tests.engine.requests import BANNER, LETTER, Gate, action, logged, reserved
from tests.engine.world import DAY, NOON, STAGES, another, ask, shop
from tests.pipeline.faulty import Doing, factory, raises


@pytest.mark.parametrize(("request_", "held"), [(LETTER, [1]), (BANNER, [])])
def test_a_repeat_gets_the_first_answer_and_reserves_nothing(
    request_: DecisionRequest, held: list[int], tmp_path: Path
) -> None:
    with shop(tmp_path) as engine:
        first = engine.decide(request_)
        assert action(first) != "nothing"
        assert engine.decide(request_) == first
        assert reserved(engine) == held
        assert logged(engine) == [first.decision_id]
        assert engine.explain(first.decision_id).decision == first


@pytest.mark.parametrize("simulated", [True, False])
@pytest.mark.parametrize("request_", [LETTER, BANNER])
def test_the_first_answer_is_still_the_answer_after_a_restart(
    request_: DecisionRequest, simulated: bool, tmp_path: Path
) -> None:
    if not simulated:
        request_ = msgspec.structs.replace(request_, time=None, seed=None)
    with shop(tmp_path, simulated=simulated) as engine:
        first = engine.decide(request_)
        before = reserved(engine)
        with another(engine, tmp_path) as restarted:
            assert restarted.decide(request_) == first
            assert reserved(restarted) == before


def test_without_an_id_every_call_decides(tmp_path: Path) -> None:
    request = ask("crm:1", "banner")
    with shop(tmp_path) as engine:
        assert engine.decide(request).decision_id != engine.decide(request).decision_id


def test_other_ids_are_other_requests(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        first = engine.decide(LETTER)
        second = engine.decide(msgspec.structs.replace(LETTER, request_id="q2"))
    assert (action(first), action(second)) == ("cereal", "nothing")


@pytest.mark.parametrize(
    "other",
    [
        ask("crm:2", "newsletter", request_id="q1"),
        ask("crm:1", "banner", request_id="q1"),
        ask("crm:1", "newsletter", "banner", request_id="q1"),
        ask("crm:1", "newsletter", request_id="q1", slots=2),
        ask("crm:1", "newsletter", request_id="q1", hour=7.0),
        ask("crm:1", "newsletter", request_id="q1", seed=2),
        ask("crm:1", "newsletter", request_id="q1", time=NOON + 1),
    ],
)
def test_the_same_id_for_another_request_is_refused(other: DecisionRequest, tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        first = engine.decide(LETTER)
        with another(engine, tmp_path) as restarted:
            for each in (engine, restarted):
                with pytest.raises(InvalidRequest) as refused:
                    each.decide(other)
                assert refused.value.reason == "REQUEST_ID_REUSED"
                assert [one.field for one in refused.value.violations] == ["request_id"]
        assert engine.decide(LETTER) == first
        assert reserved(engine) == [1]


def test_numbers_that_are_the_same_to_the_catalog_are_the_same_request(tmp_path: Path) -> None:
    whole, double = (ask("crm:1", request_id="q1", hour=hour) for hour in (7, 7.0))
    with shop(tmp_path) as engine:
        assert engine.decide(whole) == engine.decide(double)


def test_repeats_at_the_same_time_are_decided_once(tmp_path: Path) -> None:
    gate = Gate()
    with shop(tmp_path, stages=(*STAGES, "gate"), gate=factory(gate)) as engine:
        with ThreadPoolExecutor(20) as pool:
            answers = [pool.submit(engine.decide, LETTER) for _ in range(20)]
            assert gate.reached.acquire(timeout=30)
            with pytest.raises(InvalidRequest):
                engine.decide(BANNER)  # the same id, another body
            gate.opened.set()
            decisions = [answer.result() for answer in answers]
        assert all(decision == decisions[0] for decision in decisions)
        assert gate.calls == 1
        assert reserved(engine) == [1]
        assert logged(engine) == [decisions[0].decision_id]


def test_a_repeat_waits_for_the_first_answer_no_longer_than_its_deadline(tmp_path: Path) -> None:
    gate = Gate()
    with (
        shop(tmp_path, stages=(*STAGES, "gate"), gate=factory(gate)) as engine,
        another(engine, tmp_path) as elsewhere,
        ThreadPoolExecutor(1) as pool,
    ):
        first = pool.submit(engine.decide, LETTER)
        assert gate.reached.acquire(timeout=30)
        for each in (engine, elsewhere):
            with pytest.raises(Unavailable) as early:
                each.decide(LETTER, deadline=time.monotonic() + 0.02)
            assert early.value.reason == "REQUEST_IN_PROGRESS"
        gate.opened.set()
        assert engine.decide(LETTER) == elsewhere.decide(LETTER) == first.result()
        assert reserved(engine) == [1]


def test_when_the_first_fails_one_of_those_who_wait_decides(tmp_path: Path) -> None:
    gate = Gate()

    def fail_once(deciding: Deciding) -> None:
        if flaky.calls == 1:
            raise ValueError

    flaky = Doing(fail_once)
    stages = (*STAGES, "gate", "flaky")
    parts: dict[str, Any] = {"gate": factory(gate), "flaky": factory(flaky, "fail")}
    with shop(tmp_path, stages=stages, **parts) as engine:
        with ThreadPoolExecutor(4) as pool:
            answers = [pool.submit(engine.decide, LETTER) for _ in range(4)]
            assert gate.reached.acquire(timeout=30)
            gate.opened.set()
            failed = [answer for answer in answers if answer.exception() is not None]
        decisions = [answer.result() for answer in answers if answer not in failed]
        assert len(failed) == 1
        assert all(decision == decisions[0] for decision in decisions)
        assert reserved(engine) == [1]


@pytest.mark.parametrize("request_id", ["", "q1"])
def test_a_decision_that_ends_in_an_error_gives_back_what_it_reserved(
    request_id: str, tmp_path: Path
) -> None:
    broken = Doing(raises(ValueError()))
    request = ask("crm:1", "newsletter", request_id=request_id)
    stages = (*STAGES, "broken")
    with shop(tmp_path, stages=stages, broken=factory(broken, "fail")) as engine:
        for _ in range(2):
            with pytest.raises(Unavailable):
                engine.decide(request)
            assert reserved(engine) == [0]
        assert broken.calls == 2
        assert engine.store.request("q1", now=NOON) is None
        assert logged(engine) == []


@pytest.mark.parametrize("request_id", ["", "q1"])
def test_a_slate_that_fails_after_it_reserved_gives_back_what_it_held(
    request_id: str, tmp_path: Path
) -> None:
    with shop(tmp_path) as plain:
        slate: Any = plain._snapshot.pipeline.steps[-1].stage

    def reserve_and_fail(deciding: Deciding) -> None:
        slate.apply(deciding)
        raise ValueError

    request = ask("crm:1", "newsletter", request_id=request_id)
    failing = factory(Doing(reserve_and_fail), "drop")
    folder = tmp_path / "failing"
    with shop(folder, stages=(*STAGES[:-1], "failing"), failing=failing) as engine:
        decision = engine.decide(request)
        assert decision.recommendations == ()
        assert decision.degraded == ("failing",)
        assert reserved(engine) == [0]


def test_an_answer_that_cannot_be_remembered_is_not_given(tmp_path: Path) -> None:
    class Full(WrappedStore):
        """A disk that is full when the answer is to be written."""

        full = True

        def remember(self, claim: Claim, answer: bytes, **more: Any) -> None:
            if self.full:
                raise Exhausted("the disk is full")
            super().remember(claim, answer, **more)

    with shop(tmp_path) as plain:
        store = Full(plain.store)
        engine = Engine(plain._snapshot, store, plain.log, clock=lambda: NOON)
        with pytest.raises(Exhausted):
            engine.decide(LETTER)
        assert reserved(engine) == [0]
        assert logged(engine) == []
        store.full = False
        assert action(engine.decide(LETTER)) == "cereal"
        assert reserved(engine) == [1]


def test_after_its_window_a_request_id_is_new(tmp_path: Path) -> None:
    now = [NOON]
    request = msgspec.structs.replace(BANNER, time=None, seed=None)
    with shop(tmp_path, simulated=False, clock=lambda: now[0]) as engine:
        first = engine.decide(request)
        now[0] = NOON + DAY - 1
        assert engine.decide(request) == first
        now[0] = NOON + DAY
        second = engine.decide(request)
        assert second.decision_id != first.decision_id
        assert engine.decide(request) == second


def test_a_full_log_is_told_to_the_first_and_not_remembered(tmp_path: Path) -> None:
    with shop(tmp_path, queue=1) as engine:
        requests = [msgspec.structs.replace(BANNER, request_id=f"q{n}") for n in range(50)]
        answers = [engine.decide(one) for one in requests]
        again = [engine.decide(one) for one in requests]
    assert any(one.degraded == ("decision_log",) for one in answers)
    assert all(one.degraded == () for one in again)
    assert [one.recommendations for one in again] == [one.recommendations for one in answers]
