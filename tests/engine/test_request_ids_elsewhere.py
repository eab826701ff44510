"""A request id is decided once over several processes: who is first, who died, who was only slow.

Two engines over the same files stand for two processes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from nba_engine.domain import Answer, Claim, Deciding, Hold, ReservationRequest
from nba_engine.engine import Engine
from nba_engine.engine.fingerprint import fingerprint_of
from nba_engine.errors import InvalidRequest, Unavailable
from nba_engine.settings import StageSettings
from nba_engine.store import WrappedStore
from tests.engine.requests import BANNER, LETTER, Gate, action, logged, reserved
from tests.engine.world import DAY, NOON, STAGES, another, ask, shop
from tests.pipeline.faulty import Doing, ImpatientPool, factory


def test_another_process_waits_for_the_first_answer(tmp_path: Path) -> None:
    gate = Gate()
    with (
        shop(tmp_path, stages=(*STAGES, "gate"), gate=factory(gate)) as engine,
        another(engine, tmp_path) as elsewhere,
        ThreadPoolExecutor(2) as pool,
    ):
        first = pool.submit(engine.decide, LETTER)
        assert gate.reached.acquire(timeout=30)  # it has reserved by now
        asked = threading.Event()

        class Asked(WrappedStore):
            """The store of the other process, telling when it was asked for the answer."""

            def request(self, request_id: str, *, now: float) -> Any:
                found = super().request(request_id, now=now)
                asked.set()
                return found

        waiting = Engine(engine._snapshot, Asked(elsewhere.store), elsewhere.log, clock=_noon)
        second = pool.submit(waiting.decide, LETTER)
        assert asked.wait(30)
        gate.opened.set()
        assert second.result() == first.result()
        assert gate.calls == 1
        assert reserved(engine) == [1]


def _noon() -> float:
    return NOON


def test_of_two_processes_without_limits_the_first_answer_is_that_of_both(tmp_path: Path) -> None:
    gate = Gate()
    with (
        shop(tmp_path, stages=(*STAGES, "gate"), gate=factory(gate)) as engine,
        another(engine, tmp_path) as elsewhere,
        ThreadPoolExecutor(2) as pool,
    ):
        answers = [pool.submit(each.decide, BANNER) for each in (engine, elsewhere)]
        assert gate.reached.acquire(timeout=30)
        assert gate.reached.acquire(timeout=30)  # nothing tells them of each other yet
        gate.opened.set()
        first, second = (answer.result() for answer in answers)
        assert first == second
        elsewhere.log.flush()
        assert logged(engine) == [first.decision_id]


def test_a_stage_that_swallows_a_refusal_cannot_answer_for_another(tmp_path: Path) -> None:
    with shop(tmp_path) as plain:
        slate: Any = plain._snapshot.pipeline.steps[-1].stage

    def swallow(deciding: Deciding) -> None:
        with suppress(Exception):
            slate.apply(deciding)

    stages = (*STAGES[:-1], "gate", "swallow")
    gate = Gate()
    folder = tmp_path / "two"
    parts: dict[str, Any] = {"gate": factory(gate), "swallow": factory(Doing(swallow))}
    with (
        shop(folder, stages=stages, **parts) as engine,
        another(engine, folder) as elsewhere,
        ThreadPoolExecutor(2) as pool,
    ):
        answers = [pool.submit(each.decide, LETTER) for each in (engine, elsewhere)]
        assert gate.reached.acquire(timeout=30)
        assert gate.reached.acquire(timeout=30)  # both decide, as neither has reserved
        gate.opened.set()
        first, second = (answer.result() for answer in answers)
        assert first == second
        assert reserved(engine) == [1]
        elsewhere.log.flush()
        assert logged(engine) == [first.decision_id]


def died(engine: Engine, *, until: float = NOON + 2.0, fingerprint: bytes | None = None) -> None:
    """An attempt at `LETTER` that reserved the one e-mail of the week, and never answered."""
    customer = engine.profile("crm:1").customer_id
    plain = engine.decide(ask("crm:1", "newsletter"))  # to learn the account it draws on
    (record,) = engine.log.recent(1)  # type: ignore[attr-defined]
    assert action(plain) == "cereal"
    (account,) = record.usage
    engine.store.release([plain.recommendations[0].recommendation_id], now=NOON)
    hold = Hold(account=account, limit="email_week", amount=1, ceiling=1)
    engine.store.reserve(
        [
            ReservationRequest(
                reservation_id="dead.0.1",
                decision_id="dead",
                customer_id=customer,
                holds=(hold,),
                expires=NOON + 7 * DAY,
            )
        ],
        now=NOON,
        claim=Claim(
            request_id="q1",
            fingerprint=fingerprint or fingerprint_of(LETTER),
            decision_id="dead",
            until=until,
            expires=NOON + DAY,
        ),
    )
    assert reserved(engine) == [1]


@pytest.mark.parametrize("late", [2.0, 3600.0])
def test_a_repeat_takes_over_from_an_attempt_that_died_and_gets_what_it_held(
    late: float, tmp_path: Path
) -> None:
    with shop(tmp_path) as engine:
        died(engine)
        with another(engine, tmp_path, clock=lambda: NOON + late) as restarted:
            decision = restarted.decide(LETTER)
            assert action(decision) == "cereal"  # not nothing: the dead attempt's hold is gone
            assert reserved(restarted) == [1]
            assert restarted.decide(LETTER) == decision


def test_an_attempt_that_may_still_answer_is_waited_for(tmp_path: Path) -> None:
    with shop(tmp_path, clock=lambda: NOON + 1.9) as engine:
        died(engine)
        with pytest.raises(Unavailable) as early:
            engine.decide(LETTER, deadline=time.monotonic() + 0.02)
        assert early.value.reason == "REQUEST_IN_PROGRESS"
        assert reserved(engine) == [1]


def test_a_clock_that_was_set_back_does_not_keep_an_id_for_hours(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        died(engine, until=NOON + 3600.0)
        assert action(engine.decide(LETTER)) == "cereal"
        assert reserved(engine) == [1]


def test_a_takeover_that_fails_leaves_the_id_free(tmp_path: Path) -> None:
    class Lost(WrappedStore):
        """Commits, and then cannot say so: the connection broke."""

        lost = True

        def reserve(self, requests: Sequence[ReservationRequest], **more: Any) -> Sequence[Answer]:
            answers = super().reserve(requests, **more)
            if self.lost:
                raise Unavailable("the connection broke")
            return answers

    with shop(tmp_path) as plain:
        died(plain)
        store = Lost(plain.store)
        later = NOON + 100.0
        engine = Engine(plain._snapshot, store, plain.log, clock=lambda: later)
        with pytest.raises(Unavailable):
            engine.decide(LETTER)
        assert plain.store.request("q1", now=later) is None
        store.lost = False
        assert action(engine.decide(LETTER)) == "cereal"
        assert reserved(engine) == [1]


def test_a_dead_attempt_still_tells_another_body(tmp_path: Path) -> None:
    with shop(tmp_path) as engine:
        died(engine, fingerprint=b"another request")
        with pytest.raises(InvalidRequest) as refused:
            engine.decide(LETTER)
        assert refused.value.reason == "REQUEST_ID_REUSED"


def test_an_attempt_that_was_only_slow_gives_the_answer_of_who_replaced_it(
    tmp_path: Path,
) -> None:
    gate = Gate()
    with (
        shop(tmp_path, stages=(*STAGES, "gate"), gate=factory(gate)) as engine,
        another(engine, tmp_path, clock=lambda: NOON + 100.0) as elsewhere,
        ThreadPoolExecutor(2) as pool,
    ):
        slow = pool.submit(engine.decide, LETTER)
        assert gate.reached.acquire(timeout=30)
        quick = pool.submit(elsewhere.decide, LETTER)
        assert gate.reached.acquire(timeout=30)  # it took over, and has reserved
        gate.opened.set()
        decision = quick.result()
        assert slow.result() == decision
        assert action(decision) == "cereal"
        assert reserved(engine) == [1]
        engine.log.flush()
        assert logged(elsewhere) == [decision.decision_id]


def test_an_attempt_that_the_reaper_ended_decides_again(tmp_path: Path) -> None:
    gate = Gate()
    with (
        shop(tmp_path, stages=(*STAGES, "gate"), gate=factory(gate)) as engine,
        ThreadPoolExecutor(1) as pool,
    ):
        slow = pool.submit(engine.decide, LETTER)
        assert gate.reached.acquire(timeout=30)
        engine.store.expire(now=NOON + 100.0)
        assert reserved(engine) == [0]
        gate.opened.set()
        decision = slow.result()
        assert gate.calls == 2
        assert action(decision) == "cereal"
        assert reserved(engine) == [1]
        assert logged(engine) == [decision.decision_id]


@pytest.mark.parametrize(
    ("deadline", "least", "most"), [(None, 10.0, 10.0), (0.5, 2.0, 2.0), (30.0, 30.0, 31.0)]
)
def test_an_attempt_counts_as_alive_a_little_longer_than_its_deadline(
    deadline: float | None, least: float, most: float, tmp_path: Path
) -> None:
    seen: list[float] = []

    def look(deciding: Deciding) -> None:
        known = engine.store.request("q1", now=NOON)
        assert known is not None
        seen.append(known.until - NOON)

    with shop(tmp_path, stages=(*STAGES, "look"), look=factory(Doing(look))) as engine:
        engine.decide(LETTER, deadline=None if deadline is None else time.monotonic() + deadline)
    assert least <= seen[0] <= most


@pytest.mark.parametrize("request_id", ["", "q1"])
def test_what_an_abandoned_slate_reserved_is_given_back(request_id: str, tmp_path: Path) -> None:
    with shop(tmp_path) as plain:
        slate: Any = plain._snapshot.pipeline.steps[-1].stage
    release = threading.Event()

    def reserve_and_hang(deciding: Deciding) -> None:
        slate.apply(deciding)
        held.set()
        assert release.wait(30)

    held = threading.Event()
    hanging = StageSettings(stage="hanging", timeout_ms=1.0)
    request = msgspec.structs.replace(LETTER, request_id=request_id)
    folder = tmp_path / "hanging"
    parts: dict[str, Any] = {"hanging": factory(Doing(reserve_and_hang), "drop")}
    with shop(folder, stages=(*STAGES[:-1], hanging), **parts) as engine:
        engine._snapshot.pipeline._pool = ImpatientPool(held)
        decision = engine.decide(request)
        release.set()
        assert decision.degraded == ("hanging",)
        assert decision.recommendations == ()
        assert reserved(engine) == [0]
