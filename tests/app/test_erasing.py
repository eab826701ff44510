"""Erasures carried out where the store does not reach, in turn with sinks, whatever dies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from nba_engine.app import erasing, sink_turns
from nba_engine.app.erasing import Eraser
from nba_engine.app.sink_turns import SinkTurns
from nba_engine.app.sinks import Sinks, SinkThread
from nba_engine.domain import (
    FILES,
    LOG,
    SINKS,
    Decision,
    DecisionRequest,
    Erased,
    Erasure,
    Interaction,
    PlacementRequest,
    SinkRecord,
    id_time,
)
from nba_engine.errors import Unavailable
from nba_engine.store import turn
from nba_engine.testing import FakeStore, MemoryLog
from nba_engine.testing.customers_suite import FOLD, NOW, happened
from tests.store.log.test_log import record


class Kept:
    """A sink that keeps records in memory; ``hold`` stops it inside `write`."""

    def __init__(self) -> None:
        self.records: list[SinkRecord] = []
        self.hold = threading.Event()
        self.hold.set()
        self.inside = threading.Event()
        self.fails = 0

    def write(self, records: Sequence[SinkRecord]) -> None:
        self.inside.set()
        assert self.hold.wait(20)
        self.records.extend(records)

    def flush(self) -> None:
        """Nothing is on its way."""

    def erase(self, erased: Erased) -> int:
        if self.fails:
            self.fails -= 1
            raise OSError("the warehouse is away")
        kept = [one for one in self.records if not erased.covers(str(one.data.get("identity")))]
        gone, self.records = len(self.records) - len(kept), kept
        return gone

    def close(self) -> None:
        """Nothing to release."""


class Forever:
    """A sink that cannot remove anything."""

    def write(self, records: Sequence[SinkRecord]) -> None:
        """Gone to where nothing comes back from."""

    flush = close = lambda self: None


def decided(identity: str, at: float) -> tuple[DecisionRequest, Decision]:
    return (
        DecisionRequest(identity=identity, placements=(PlacementRequest("banner"),)),
        Decision(
            decision_id=id_time(at) + "d",
            customer_id=identity,
            known=False,
            time=at,
            catalog_version="v1",
            model_versions={},
            recommendations=(),
        ),
    )


class World:
    """A store, a log, a sink that can erase and one that cannot, and an eraser."""

    def __init__(self, folder: Path) -> None:
        self.store = FakeStore()
        self.log = MemoryLog()
        self.kept = Kept()
        self.turns = SinkTurns(self.store, folder / "decisions.db")
        both: tuple[Any, ...] = ("decisions", "interactions")
        self.sinks = Sinks(
            {
                "kept": SinkThread("kept", self.kept, both, 99, self.turns.open()),
                "queue": SinkThread("queue", Forever(), both, 99, self.turns.open()),
            },
            self.turns,
        )
        self.eraser = Eraser(self.store, self.log, self.sinks, folder / "erasing", seconds=0.02)

    def record(self, *interactions: Interaction) -> None:
        results = self.store.record(interactions, FOLD, now=NOW)
        self.sinks.recorded(interactions, results)

    def state(self) -> Erasure:
        (found,) = self.store.erasures()
        return found

    def close(self) -> None:
        self.kept.hold.set()
        self.eraser.stop()
        self.sinks.close()


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = World(tmp_path)
    yield made
    made.close()


def wait_for(condition: Callable[[], object]) -> None:
    """Spin until it holds; the test's timeout ends what never does."""
    turns = threading.Event()
    while not condition():
        turns.wait(0.005)


def test_log_and_sinks_are_cleaned_noted_and_the_names_forgotten(world: World) -> None:
    world.log.append(record(1, decision_id=id_time(NOW) + "d"))
    world.record(happened(1), happened(2), happened(3, identity="crm:2"))
    wait_for(lambda: len(world.kept.records) == 3)
    world.store.erase("crm:1", now=NOW + 1)
    assert world.eraser.work()
    done = world.state()
    assert done.pending == ()
    assert done.kept == ("sink queue",)
    assert (done.counts["decisions"], done.counts["sink kept"]) == (1, 2)
    assert [one.key for one in world.kept.records] == ["i3"]
    assert world.log.records == {}
    assert world.store.erased_since()[0].names == ()


def test_what_waits_for_a_sink_is_left_out_and_a_new_customers_is_not(
    world: World, tmp_path: Path
) -> None:
    with turn(tmp_path / "decisions.db.sinks-door"):  # nobody's turn begins
        world.record(happened(1), happened(9, identity="crm:2"))
        world.sinks.decided(*decided("crm:1", NOW))
        world.store.erase("crm:1", now=NOW + 1)
        world.record(happened(5))  # the same identity, a new customer
        world.sinks.decided(*decided("crm:1", NOW + 2))
    wait_for(lambda: len(world.kept.records) == 3)
    assert [one.key for one in world.kept.records] == ["i9", "i5", id_time(NOW + 2) + "d"]


def test_a_sink_in_the_middle_of_writing_is_waited_for_and_then_told_as_pending(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sink_turns, "PATIENCE", 0.1)
    world.kept.hold.clear()
    world.record(happened(1))
    assert world.kept.inside.wait(20)
    world.store.erase("crm:1", now=NOW + 1)
    with pytest.raises(Unavailable, match="sink"):
        world.eraser.work()
    assert world.state().pending == (SINKS, FILES)
    assert world.store.erased_since()[0].names
    world.kept.hold.set()
    wait_for(lambda: len(world.kept.records) == 1)
    monkeypatch.setattr(sink_turns, "PATIENCE", 20.0)
    assert world.eraser.work()
    assert world.kept.records == []


def test_a_sink_that_fails_is_asked_again_and_the_warning_names_nobody(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    world.record(happened(1))
    wait_for(lambda: world.kept.records)
    world.kept.fails = 3
    world.store.erase("crm:1", now=NOW + 1)
    with caplog.at_level(logging.INFO, "nba_engine.app"):
        world.eraser.start()
        wait_for(lambda: not world.state().pending)
        wait_for(lambda: len(caplog.messages) == 2)
    warning, done = caplog.messages
    assert warning == ("an erasure is pending: sink kept could not remove a customer: OSError")
    assert "1 sink kept" in done
    assert "crm:1" not in caplog.text


def test_the_thread_finds_what_another_process_has_left(world: World) -> None:
    world.log.append(record(1, decision_id=id_time(NOW) + "d"))
    erased = world.store.erase("crm:1", now=NOW + 1)
    world.store.note_erased(erased.erasure_id, {}, pending=(FILES,))
    world.eraser.start()
    wait_for(lambda: not world.state().pending)
    assert world.log.records == {}, "a log that has not seen the erasure was not gone through"


@pytest.mark.parametrize("pending", [(FILES,), ()])
@pytest.mark.parametrize("dies", [False, True])
def test_sinks_of_this_machine_are_cleaned_however_far_another_one_is(
    world: World, pending: tuple[str, ...], dies: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.log.append(record(1, decision_id=id_time(NOW) + "d"))
    world.record(happened(1))
    wait_for(lambda: world.kept.records)
    erased = world.store.erase("crm:1", now=NOW + 1)
    world.store.note_erased(erased.erasure_id, {}, pending=pending)
    if dies:
        with monkeypatch.context() as patched:
            patched.setattr(world.sinks, "erase", raising(Unavailable("this one ends")))
            with pytest.raises(Unavailable):
                world.eraser.work()
    assert world.eraser.work()
    assert world.kept.records == []
    assert world.log.records == {}
    assert world.state().pending == ()


def raising(error: BaseException) -> Callable[..., Any]:
    def call(*_given: Any, **_options: Any) -> Any:
        raise error

    return call


def test_the_thread_goes_on_when_its_lock_file_could_not_be_opened(
    world: World, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """As on a disk that takes no writes for a while."""
    (tmp_path / "erasing").mkdir()
    world.store.erase("crm:1", now=NOW + 1)
    world.eraser.start()
    wait_for(lambda: "Is a directory" in caplog.text)
    (tmp_path / "erasing").rmdir()
    wait_for(lambda: not world.state().pending)


def test_one_that_cannot_be_carried_out_keeps_no_other_waiting(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    erase = world.log.erase

    def failing(erased: Erased, **options: Any) -> Any:
        if erased.erasure_id == "first":
            raise Unavailable("the disk is away")
        return erase(erased, **options)

    monkeypatch.setattr(world.log, "erase", failing)
    world.store.erase("crm:1", erasure_id="first", now=NOW)
    world.store.erase("crm:2", erasure_id="second", now=NOW)
    with pytest.raises(Unavailable, match="disk"):
        world.eraser.work()
    second, first = world.store.erasures()
    assert (first.pending, second.pending) == ((LOG, SINKS, FILES), ())
    monkeypatch.undo()
    assert world.eraser.work()
    assert world.store.erasures()[1].pending == ()


@pytest.mark.parametrize("step", range(8))
def test_whatever_step_it_dies_at_the_next_one_ends_it(
    world: World, step: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Died(BaseException):
        pass

    steps = [0]

    def dying(call: Any) -> Any:
        def counted(*given: Any, **options: Any) -> Any:
            steps[0] += 1
            if steps[0] == step + 1:
                raise Died
            return call(*given, **options)

        return counted

    world.log.append(record(1, decision_id=id_time(NOW) + "d"))
    world.record(happened(1))
    # both sinks: one that has yet to write asks the store of erasures, and would be counted
    wait_for(lambda: all(one.written for one in world.sinks.statuses.values()))
    world.store.erase("crm:1", now=NOW + 1)
    with monkeypatch.context() as patched:
        for owner, name in (
            (world.log, "erase"),
            (world.sinks, "erase"),
            (world.store, "note_erased"),
            (world.store, "scrub"),
            (world.store, "erased_since"),
            (world.log, "was_erased"),
            (erasing, "turn"),
        ):
            patched.setattr(owner, name, dying(getattr(owner, name)))
        with pytest.raises(Died):
            world.eraser.work()
    assert world.eraser.work()
    assert world.state().pending == ()
    assert world.kept.records == []
    assert world.log.records == {}


def test_two_that_erase_do_it_in_turn(world: World, tmp_path: Path) -> None:
    world.store.erase("crm:1", now=NOW)
    with turn(tmp_path / "erasing"):
        assert not world.eraser.work()
    assert world.eraser.work()
