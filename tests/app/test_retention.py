from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nba_engine.app.retention import Retention
from nba_engine.domain import Forgotten
from nba_engine.errors import Unavailable
from nba_engine.settings import RetentionSettings
from nba_engine.store import SqliteStore, open_log, open_log_reader, open_store, turn
from nba_engine.testing import FakeStore
from nba_engine.testing.customers_suite import FOLD, happened
from nba_engine.testing.forgetting_suite import ids_of
from tests.store.log.test_log import record

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC).timestamp()
DAY = 86_400.0
KEEP = RetentionSettings(interactions_days=30, decisions_days=7)


class Waiting:
    """A clock by which is seen how often the thread came round."""

    def __init__(self) -> None:
        self.now = NOW
        self.rounds = threading.Semaphore(0)

    def __call__(self) -> float:
        self.rounds.release()
        return self.now

    def wait_for(self, rounds: int) -> None:
        """That many rounds are over: one more has begun."""
        for _ in range(rounds + 1):
            assert self.rounds.acquire(timeout=20)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteStore]:
    """Interactions and decisions of 0, 10, 20, 30, 31 and 40 days ago."""
    store = open_store(tmp_path / "nba.db")
    log = open_log(tmp_path / "log.db")
    for days in (40, 31, 30, 20, 10, 0):
        store.record([happened(days, time=NOW - days * DAY)], FOLD, now=NOW)
        log.append(record(days, time=NOW - days * DAY))
    log.close()
    yield store
    store.close()


def logged(folder: Path) -> list[str]:
    reader = open_log_reader(folder / "log.db")
    try:
        return [one.decision_id for one in reader.records()]
    finally:
        reader.close()


def test_what_the_settings_do_not_keep_goes_and_what_was_counted_stays(
    store: SqliteStore, tmp_path: Path
) -> None:
    clock = Waiting()
    retention = Retention(store, tmp_path / "log.db", KEEP, delay=0.0, seconds=0.01, clock=clock)
    retention.start()
    clock.wait_for(2)
    retention.stop()
    retention.stop()
    assert ids_of(store) == ["i30", "i20", "i10", "i0"]
    assert logged(tmp_path) == ["d0"]
    found = store.customer("crm:1")
    assert found is not None
    assert found[0].aggregates["purchases"] == 6


def test_a_day_is_looked_through_once(tmp_path: Path) -> None:
    looked: list[float] = []

    class Counting(FakeStore):
        def forget_interactions(
            self, before: float, *, after: int = 0, dry_run: bool = False
        ) -> Forgotten:
            looked.append(before)
            return super().forget_interactions(before, after=after, dry_run=dry_run)

    clock, store = Waiting(), Counting(simulated=False)
    settings = RetentionSettings(interactions_days=30)
    retention = Retention(
        store, tmp_path / "log.db", settings, delay=0.0, seconds=0.01, clock=clock
    )
    retention.start()
    clock.wait_for(3)
    clock.now += DAY
    clock.wait_for(3)
    retention.stop()
    assert [datetime.fromtimestamp(one, UTC).day for one in looked] == [23, 24]


def test_while_another_process_does_it_nothing_is_done(
    store: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Semaphore(0)

    @contextmanager
    def counted(path: Path) -> Iterator[bool]:
        with turn(path) as taken:
            yield taken
        tried.release()

    monkeypatch.setattr("nba_engine.app.retention.turn", counted)
    retention = Retention(store, tmp_path / "log.db", KEEP, delay=0.0, seconds=0.01)
    with turn(tmp_path / "log.db.retention") as taken:
        assert taken
        retention.start()
        assert tried.acquire(timeout=20)
        assert tried.acquire(timeout=20)
        retention.stop()
    assert len(ids_of(store)) == 6


def test_a_failure_is_told_and_it_goes_on(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Away(FakeStore):
        calls = 0

        def progress(self, name: str) -> str | None:
            self.calls += 1
            if self.calls == 1:
                raise Unavailable("the store is away")
            return super().progress(name)

    clock, store = Waiting(), Away(simulated=False)
    settings = RetentionSettings(interactions_days=30)
    retention = Retention(
        store, tmp_path / "log.db", settings, delay=0.0, seconds=0.01, clock=clock
    )
    with caplog.at_level("WARNING", "nba_engine.app"):
        retention.start()
        clock.wait_for(2)
        retention.stop()
    assert "deleting what is too old failed: the store is away" in caplog.text
    assert store.kept_since() is not None
