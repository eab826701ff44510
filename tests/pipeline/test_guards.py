from __future__ import annotations

import re
import threading

import numpy as np
import pytest

from nba_engine.domain import Answer, Deciding
from nba_engine.errors import StageFailed, Unavailable
from nba_engine.pipeline import Breaker, Pipeline, StagePool
from tests.pipeline.faulty import (
    Doing,
    Hanging,
    ImpatientPool,
    NoReads,
    deciding,
    raises,
    step,
)


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Flaky(Doing):
    """Fails while ``broken``."""

    def __init__(self) -> None:
        self.broken = True
        super().__init__(self._act_or_fail)

    def _act_or_fail(self, deciding: Deciding) -> None:
        if self.broken:
            raise RuntimeError


def test_a_breaker_opens_after_failures_in_a_row_and_closes_after_a_good_probe() -> None:
    clock, stage = Clock(), Flaky()
    pipeline = Pipeline([step(stage, "ignore", breaker=Breaker(3, 10.0, clock))])
    for _ in range(5):
        one = deciding()
        pipeline.run(one)
        assert one.degraded == ["faulty"]
    assert stage.calls == 3  # open: the policy is applied without calling
    clock.now += 10.0
    pipeline.run(deciding())
    assert stage.calls == 4  # one probe, which failed
    pipeline.run(deciding())
    assert stage.calls == 4
    clock.now += 10.0
    stage.broken = False
    for _ in range(3):
        one = deciding()
        pipeline.run(one)
        assert one.degraded == []
    assert stage.calls == 7


def test_only_failures_in_a_row_open_a_breaker() -> None:
    stage = Flaky()
    pipeline = Pipeline([step(stage, "ignore", breaker=Breaker(2, 10.0, Clock()))])
    for broken in (True, False, True, False, True, False):
        stage.broken = broken
        pipeline.run(deciding())
    assert stage.calls == 6


def test_a_half_open_breaker_lets_one_probe_through_at_a_time() -> None:
    clock = Clock()
    breaker = Breaker(1, 10.0, clock)
    assert breaker.failed()
    assert not breaker.probe()
    clock.now += 10.0
    assert breaker.probe()
    assert not breaker.probe()
    clock.now += 10.0  # the probe never reported back
    assert breaker.probe()
    breaker.succeeded()
    assert breaker.closed


def test_an_open_filter_never_fails_open() -> None:
    stage = Flaky()
    pipeline = Pipeline([step(stage, "drop", breaker=Breaker(1, 10.0, Clock()))])
    for _ in range(3):
        one = deciding()
        pipeline.run(one)
        assert one.candidates.nothing.all()
    assert stage.calls == 1


def test_an_open_stage_with_policy_fail_answers_unavailable_without_calling() -> None:
    stage = Flaky()
    pipeline = Pipeline([step(stage, "fail", breaker=Breaker(1, 10.0, Clock()))])
    for _ in range(3):
        with pytest.raises(Unavailable):
            pipeline.run(deciding())
    assert stage.calls == 1


def test_breaking_the_time_budget_repeatedly_opens_the_breaker() -> None:
    stage = Doing(lambda deciding: [np.arange(1000) for _ in range(100)])
    pipeline = Pipeline(
        [step(stage, "ignore", breaker=Breaker(2, 10.0, Clock()), time_budget=1e-9)]
    )
    degraded = []
    for _ in range(3):
        one = deciding()
        pipeline.run(one)
        degraded.append(one.degraded)
    assert stage.calls == 2
    assert degraded == [[], [], ["faulty"]]


def test_a_stage_in_time_on_the_pool_does_what_it_does_inline() -> None:
    names: list[str] = []

    def act(deciding: Deciding) -> None:
        deciding.candidates["weight"] = np.full(len(deciding.candidates), 2.0)
        names.append(threading.current_thread().name)

    one = deciding()
    Pipeline([step(Doing(act), timeout=30.0)]).run(one)
    assert set(one.candidates["weight"].tolist()) == {2.0}
    assert names == ["nba-stage"]
    assert one.degraded == []


def test_an_error_on_the_pool_applies_the_policy() -> None:
    one = deciding()
    Pipeline([step(Doing(raises(SystemExit(1))), "ignore", timeout=30.0)]).run(one)
    assert one.degraded == ["faulty"]


def test_replacing_the_candidates_on_the_pool_is_a_failure() -> None:
    def act(deciding: Deciding) -> None:
        deciding.candidates = deciding.candidates.detached()

    one = deciding()
    Pipeline([step(Doing(act), "ignore", timeout=30.0)]).run(one)
    assert one.degraded == ["faulty"]


def test_an_abandoned_stage_cannot_touch_the_decision_any_more() -> None:
    stage, one = Hanging(), deciding()
    before = one.random.bit_generator.state
    Pipeline([step(stage, "ignore", timeout=0.01)]).run(one)
    assert one.degraded == ["faulty"]
    index = one.candidates.index
    stage.release.set()
    assert stage.done.wait(30)
    assert isinstance(stage.error, StageFailed)  # even the store no longer answers it
    assert one.candidates.index is index
    assert one.candidates.drops == []
    assert one.prices == {}
    assert one.degraded == ["faulty"]
    assert one.random.bit_generator.state == before


def test_a_full_pool_applies_the_policy_at_once_and_recovers() -> None:
    hanging, pool = Hanging(), StagePool(size=1)
    Pipeline([step(hanging, "ignore", timeout=0.01)], pool).run(deciding())
    other = Doing(lambda deciding: None)
    pipeline = Pipeline([step(other, "ignore", timeout=30.0)], pool)
    one = deciding()
    pipeline.run(one)
    assert one.degraded == ["faulty"]
    assert other.calls == 0
    hanging.release.set()
    assert hanging.done.wait(30)
    while other.calls == 0:  # the place is free as soon as its thread has returned
        pipeline.run(deciding())
    assert other.calls == 1


def test_idle_threads_of_the_pool_end() -> None:
    pool = StagePool(size=2, idle_seconds=0.01)
    Pipeline([step(Doing(lambda deciding: None), timeout=30.0)], pool).run(deciding())
    for thread in threading.enumerate():
        if thread.name == "nba-stage":
            thread.join(30)
            assert not thread.is_alive()
    one = deciding()
    Pipeline([step(Doing(lambda deciding: None), "ignore", timeout=30.0)], pool).run(one)
    assert one.degraded == []


def test_nan_from_the_pool_is_undone_like_any_other() -> None:
    def act(deciding: Deciding) -> None:
        gone = np.zeros(len(deciding.candidates), dtype=np.bool_)
        gone[0] = True
        deciding.candidates.drop(gone, "gone")
        deciding.candidates["score"] = np.full(len(deciding.candidates), np.nan)

    one = deciding()
    total = len(one.candidates)
    Pipeline([step(Doing(act), "ignore", timeout=30.0)]).run(one)
    assert len(one.candidates) == total
    assert one.candidates.drops == []
    assert one.degraded == ["faulty"]


def test_a_replay_waits_for_stages_with_a_time_limit_but_not_forever() -> None:
    quick, hanging = Doing(lambda deciding: None), Hanging()
    one = deciding()
    Pipeline(
        [
            step(quick, "ignore", timeout=30.0, name="quick"),
            step(hanging, "ignore", timeout=0.001, name="hanging"),
        ]
    ).replay(one)
    hanging.release.set()
    assert hanging.done.wait(30)
    assert quick.calls == 1
    assert one.failed == ["hanging"]


def test_a_replay_calls_stages_whatever_the_breaker_says_and_leaves_it_alone() -> None:
    breaker = Breaker(1, 10.0, Clock())
    breaker.failed()
    stage = Flaky()
    Pipeline([step(stage, "ignore", breaker=breaker)]).replay(deciding())
    stage.broken = False
    Pipeline([step(stage, "ignore", breaker=breaker)]).replay(deciding())
    assert stage.calls == 2
    assert not breaker.closed


def test_an_abandoned_stage_is_answered_nothing_by_the_store() -> None:
    errors: list[Exception] = []
    release, done = threading.Event(), threading.Event()

    def act(deciding: Deciding) -> None:
        release.wait(30)
        for ask in (
            lambda: deciding.reads.customer("crm:1"),
            lambda: deciding.reads.usage(("a",)),
            lambda: deciding.reads.reserve((), now=1.0),
        ):
            try:
                ask()
            except StageFailed as error:
                errors.append(error)
        done.set()

    Pipeline([step(Doing(act), "ignore", timeout=0.001)]).run(deciding())
    release.set()
    assert done.wait(30)
    assert len(errors) == 3


def test_what_the_ledger_grants_to_a_stage_that_was_abandoned_is_given_back() -> None:
    asked, answer, done = threading.Event(), threading.Event(), threading.Event()
    released: list[str] = []
    grants = (
        Answer(reservation_id="r1", granted=True),
        Answer(reservation_id="r2", granted=False),
    )

    class SlowLedger(NoReads):
        def reserve(self, requests: object, *, now: float) -> tuple[Answer, ...]:
            asked.set()
            answer.wait(30)
            return grants

        def release(self, reservations: tuple[str, ...], *, now: float) -> None:
            released.extend(reservations)

    def act(deciding: Deciding) -> None:
        with pytest.raises(StageFailed):
            deciding.reads.reserve((), now=1.0)
        done.set()

    one = deciding()
    one.reads = SlowLedger()
    Pipeline([step(Doing(act), "ignore", timeout=1.0)], ImpatientPool(asked)).run(one)
    answer.set()
    assert done.wait(30)
    assert released == ["r1"]
    assert one.answers == []


def test_what_was_granted_before_a_stage_was_abandoned_is_known_to_its_decision() -> None:
    granted, release = threading.Event(), threading.Event()
    grant = Answer(reservation_id="r1", granted=True)

    class Ledger(NoReads):
        def reserve(self, requests: object, *, now: float) -> tuple[Answer, ...]:
            return (grant,)

    def act(deciding: Deciding) -> None:
        deciding.answers.extend(deciding.reads.reserve((), now=1.0))
        granted.set()
        release.wait(30)

    one = deciding()
    one.reads = Ledger()
    Pipeline([step(Doing(act), "ignore", timeout=1.0)], ImpatientPool(granted)).run(one)
    release.set()
    assert one.answers == [grant]


def test_a_stage_on_the_pool_reads_the_store_while_it_has_time() -> None:
    def act(deciding: Deciding) -> None:
        assert deciding.reads.customer("crm:1") is None
        assert deciding.reads.usage(("a",)) == {}
        assert deciding.reads.reserve((), now=1.0) == ()

    one = deciding()
    before = one.reads
    Pipeline([step(Doing(act), "fail", timeout=30.0)]).run(one)
    assert one.reads is before


def test_a_stage_whose_calls_hang_leaves_threads_for_the_others() -> None:
    hanging, pool = Hanging(), StagePool(size=1)
    Pipeline([step(hanging, "ignore", timeout=0.01, name="hanging")], pool).run(deciding())
    other = Doing(lambda deciding: None)
    one = deciding()
    Pipeline(
        [
            step(other, "ignore", timeout=30.0, name="hanging"),
            step(other, "ignore", timeout=30.0, name="other"),
        ],
        pool,
    ).run(one)
    hanging.release.set()
    assert hanging.done.wait(30)
    assert one.degraded == ["hanging"]
    assert other.calls == 1


def test_calls_at_once_that_do_not_hang_are_never_too_many() -> None:
    together = threading.Barrier(12)
    stage, pool = Doing(lambda deciding: together.wait(30)), StagePool(size=1)
    pipeline = Pipeline([step(stage, "ignore", timeout=30.0)], pool)
    ran = [deciding() for _ in range(12)]
    threads = [threading.Thread(target=pipeline.run, args=(one,)) for one in ran]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert [one.degraded for one in ran] == [[]] * 12


def test_the_log_says_where_a_stage_hangs_and_that_too_many_calls_do(
    caplog: pytest.LogCaptureFixture,
) -> None:
    hanging, pool = Hanging(), StagePool(size=1)
    pipeline = Pipeline([step(hanging, "ignore", timeout=0.2)], pool)
    pipeline.run(deciding())
    pipeline.run(deciding())
    hanging.release.set()
    first, second = caplog.messages
    assert "not done within 200 ms: it is at " in first
    assert "tests/pipeline/faulty.py:" in first  # where it waits
    assert re.search(r"1 calls of it hang, the first for [\d.]+ s, at .*faulty.py:\d+", second)


def test_the_log_tells_of_a_broken_budget_and_of_the_breakers_end(
    caplog: pytest.LogCaptureFixture,
) -> None:
    clock = Clock()
    slow = step(Doing(lambda deciding: None), "ignore", breaker=Breaker(1, 10.0, clock))
    slow.budget_ns = 1
    pipeline = Pipeline([slow])
    pipeline.run(deciding())
    slow.budget_ns = 10**12
    clock.now += 10.0
    pipeline.run(deciding())
    opened, closed = caplog.messages
    assert re.match(r"breaker opened: stage faulty took [\d.]+ ms of its time budget", opened)
    assert closed == "breaker closed: stage faulty works again"
