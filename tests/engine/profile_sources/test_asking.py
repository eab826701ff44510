"""Asking one source: once per customer, on few threads, behind a breaker, never waited for in vain."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from nba_engine.engine.profile_sources import Flight, Kept
from tests.engine.profile_sources.sources import WANTED, Crm, answer, asking, wait_for

ADA = {"age": 40, "city": "Bonn"}


def values(found: Kept | None) -> object:
    return None if found is None else found.values


def test_a_fresh_answer_is_given_without_asking_again() -> None:
    crm = Crm({"1": ADA})
    one = asking(crm)
    assert [values(answer(one, "1")) for _ in range(3)] == [ADA] * 3
    assert crm.calls == [("1",)]
    one.close()


def test_somebody_unknown_is_not_asked_for_again() -> None:
    crm = Crm()
    one = asking(crm)
    found = [answer(one, "1") for _ in range(3)]
    assert all(kept is not None and kept.values is None for kept in found)
    assert len(crm.calls) == 1
    one.close()


def test_everybody_who_needs_the_same_customer_waits_for_one_call() -> None:
    crm = Crm({str(number): {"age": number} for number in range(5)})
    crm.hold()
    one = asking(crm, max_parallel=8)
    with ThreadPoolExecutor(40) as pool:
        waiting = [pool.submit(answer, one, str(n % 5)) for n in range(40)]
        for _ in range(5):
            assert crm.entered.acquire(timeout=10)
        crm.release()
        found = [values(each.result(timeout=10)) for each in waiting]
    assert found == [{"age": n % 5} for n in range(40)]
    assert sorted(crm.calls) == [(str(n),) for n in range(5)]
    one.close()


def test_no_more_calls_run_at_once_than_the_settings_say() -> None:
    crm = Crm({str(number): {"age": number} for number in range(30)})
    one = asking(crm, max_parallel=3)
    with ThreadPoolExecutor(30) as pool:
        found = list(pool.map(lambda n: values(answer(one, str(n))), range(30)))
    assert found == [{"age": n} for n in range(30)]
    assert 1 <= crm.most <= 3
    assert len(crm.calls) == 30
    one.close()


def test_those_who_wait_at_the_same_moment_share_calls_of_a_source_that_takes_several() -> None:
    crm = Crm({str(number): {"age": number} for number in range(11)}, batch=5)
    crm.hold()
    one = asking(crm, max_parallel=1)
    flights = [one.ask(str(number), WANTED) for number in range(11)]
    crm.release()
    until = time.monotonic() + 10
    found = [one.wait(flight, until) for flight in flights if isinstance(flight, Flight)]
    assert [values(kept) for kept in found] == [{"age": n} for n in range(11)]
    assert all(len(call) <= 5 for call in crm.calls)
    assert len(crm.calls) <= 4
    one.close()


def test_a_stale_answer_is_used_at_once_and_asked_for_again_behind() -> None:
    crm = Crm({"1": ADA})
    one = asking(crm, ttl=-1.0, stale_ttl=1e9)
    assert values(answer(one, "1")) == ADA
    crm.customers["1"] = {"age": 41}
    crm.hold()
    assert values(answer(one, "1")) == ADA  # nobody waits for what is held
    crm.release()
    wait_for(lambda: len(crm.calls) >= 2 and values(one.kept("1")) == {"age": 41})
    one.close()


def test_an_answer_that_comes_late_serves_the_next_decision() -> None:
    crm = Crm({"1": ADA})
    crm.hold()
    one = asking(crm)
    assert answer(one, "1", within=0.01) is None
    crm.release()
    wait_for(lambda: one.kept("1") is not None)
    assert values(answer(one, "1", within=0.0)) == ADA
    assert len(crm.calls) == 1
    one.close()


def test_when_it_fails_the_last_answer_serves_and_then_there_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crm = Crm({"1": {"age": 40, "city": "secret place"}})
    one = asking(crm, ttl=-1.0, stale_ttl=1e9)
    answer(one, "1")
    crm.fails = SystemExit("secret place")
    assert values(answer(one, "1")) == {"age": 40, "city": "secret place"}
    wait_for(lambda: one.status.failures == 1)
    assert answer(one, "2") is None
    assert "profile source crm failed: SystemExit at " in caplog.text
    assert "secret place" not in caplog.text
    one.close()


def test_after_failures_in_a_row_nobody_waits_until_a_probe_goes_well(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crm = Crm({str(number): ADA for number in range(9)})
    crm.fails = OSError()
    one = asking(crm, failures=3)
    assert [answer(one, str(number)) for number in range(6)] == [None] * 6
    assert len(crm.calls) == 3
    assert one.ask("7", WANTED) is None
    assert caplog.text.count("breaker opened") == 1
    crm.fails = None
    one._breaker._until = 0.0  # the time is up
    assert values(answer(one, "7")) == ADA
    assert values(answer(one, "8")) == ADA
    assert "breaker closed: profile source crm works again" in caplog.text
    one.close()


@pytest.mark.parametrize("threads", [1, 4])
def test_a_source_that_hangs_opens_the_breaker_however_few_threads_it_has(threads: int) -> None:
    crm = Crm({str(number): ADA for number in range(50)})
    crm.hold()
    one = asking(crm, timeout=0.01, max_parallel=threads, failures=6)
    for number in range(50):
        assert answer(one, str(number), within=0.02) is None
        if not one._breaker.closed:
            break
    assert number < 20
    assert len(crm.calls) == threads
    assert one.ask("999", WANTED) is None  # and nobody waits any more
    crm.release()
    one.close()


def test_an_answer_that_is_merely_too_late_counts_against_the_source() -> None:
    crm = Crm({"1": ADA})
    crm.hold()
    one = asking(crm, timeout=0.005, failures=1)
    flight = one.ask("1", WANTED)
    assert isinstance(flight, Flight)
    assert crm.entered.acquire(timeout=10)
    threading.Event().wait(0.02)
    crm.release()
    assert values(one.wait(flight, time.monotonic() + 10)) == ADA  # whoever may wait gets it
    assert one.status.failures == 1
    assert not one._breaker.closed
    one.close()


def test_a_queue_that_is_full_refuses_at_once() -> None:
    crm = Crm()
    crm.hold()
    one = asking(crm, max_parallel=1, failures=10_000)
    for number in range(1, 1002):
        assert isinstance(one.ask(str(number), WANTED), Flight)
        if number == 1:
            assert crm.entered.acquire(timeout=10)
    assert one.ask("one too many", WANTED) is None
    crm.release()
    one.close()


def test_values_of_other_types_count_as_missing_and_are_told_without_themselves(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crm = Crm({"1": {"age": "4711 years", "city": "Bonn", "more": 1}, "2": {"age": None}})
    one = asking(crm)
    assert values(answer(one, "1")) == {"city": "Bonn"}
    assert values(answer(one, "2")) == {}
    assert "'age' must be a whole number; it counts as missing" in caplog.text
    assert "4711" not in caplog.text
    one.close()


@pytest.mark.parametrize("nonsense", [["a list"], {"1": 5}, None])
def test_an_answer_that_is_none_is_a_failure(nonsense: object) -> None:
    crm = Crm()
    crm.fetch = lambda ids, wanted, *, seconds: nonsense  # type: ignore[method-assign, assignment, return-value]
    one = asking(crm)
    assert answer(one, "1") is None
    assert one.status.failures == 1
    one.close()


def test_another_question_is_asked_anew() -> None:
    crm = Crm({"1": {"age": 40, "city": "Bonn"}})
    one = asking(crm)
    answer(one, "1")
    flight = one.ask("1", {"age": "string"})
    assert isinstance(flight, Flight)
    assert values(one.wait(flight, time.monotonic() + 10)) == {}  # 40 is no string
    one.close()


def test_who_is_forgotten_is_asked_for_anew_and_what_was_on_its_way_is_not_kept() -> None:
    crm = Crm({"1": ADA, "2": ADA})
    one = asking(crm)
    answer(one, "1")
    crm.hold()
    flight = one.ask("2", WANTED)
    assert isinstance(flight, Flight)
    assert crm.entered.acquire(timeout=10)
    one.forget(["1", "2", "3"])
    crm.release()
    assert values(one.wait(flight, time.monotonic() + 10)) == ADA  # who asked before gets it
    assert one.status.kept == 0
    answer(one, "1")
    assert crm.calls == [("1",), ("2",), ("1",)]
    one.close()


def test_closing_lets_those_who_wait_go_and_leaves_a_source_that_hangs_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    crm = Crm({"1": ADA})
    crm.hold()
    one = asking(crm, max_parallel=1)
    running, waiting = one.ask("1", WANTED), one.ask("2", WANTED)
    assert isinstance(running, Flight)
    assert isinstance(waiting, Flight)
    assert crm.entered.acquire(timeout=10)
    one.close(0.05)
    assert waiting.landed.is_set()
    assert "did not finish within 0.05 seconds" in caplog.text
    assert crm.closed == 1
    assert one.ask("3", WANTED) is None
    crm.release()


def test_threads_without_work_hold_nothing_of_a_customer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("nba_engine.engine.profile_sources.asking._IDLE", 0.01)
    crm = Crm({"1": ADA})
    one = asking(crm)
    answer(one, "1")
    wait_for(lambda: not [t for t in threading.enumerate() if t.name == "nba-profile-source-crm"])
    assert values(answer(one, "1")) == ADA
    crm.customers["2"] = {"age": 2}
    assert values(answer(one, "2")) == {"age": 2}  # a new thread comes when there is work again
    one.close()


@pytest.fixture(autouse=True)
def _warnings(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
