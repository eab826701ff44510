"""Accounts of windows long over and old catalogs go with the other things that are too old."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nba_engine.app import forget_catalogs, forget_windows
from nba_engine.app.retention import Retention
from nba_engine.domain import CatalogFiles, ForgottenWindows, Hold, Publication, ReservationRequest
from nba_engine.settings import RetentionSettings
from nba_engine.store import open_log, open_store
from nba_engine.testing import FakeStore
from tests.store.log.test_log import record

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=UTC).timestamp()
DAY = 86_400.0


def reserve(store: FakeStore, *accounts: str) -> None:
    holds = tuple(
        Hold(account=name, limit=name.partition("|")[0], amount=1, ceiling=9) for name in accounts
    )
    request = ReservationRequest(
        reservation_id="r", decision_id="d", customer_id="c", holds=holds, expires=NOW
    )
    assert store.reserve([request], now=NOW - DAY)[0].granted
    store.expire(now=NOW)


def publish(store: FakeStore, count: int) -> None:
    """A catalog a day, the last one today."""
    for number in range(count):
        version, time = f"v{number:02}", NOW - (count - 1 - number) * DAY
        store.publish_catalog(
            CatalogFiles(version=version, files={"c.toml": version}),
            Publication(version=version, time=time, switch_time=time),
        )


def stored(store: FakeStore, count: int) -> list[int]:
    return [n for n in range(count) if store.catalog_files(f"v{n:02}") is not None]


def test_a_server_forgets_windows_and_catalogs_as_its_settings_say(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store, done = FakeStore(simulated=False), threading.Event()
    reserve(store, "a|2025-11-03", "a|2026-09-30T23:00Z", "a|2026-11-22T15:00Z", "b|lifetime")
    publish(store, 40)

    def clock() -> float:
        if len(stored(store, 40)) < 40:  # the last thing that is done in a round
            done.set()
        return NOW

    settings = RetentionSettings(windows_days=31, catalogs_days=10)
    retention = Retention(
        store, tmp_path / "log.db", settings, delay=0.0, seconds=0.01, clock=clock
    )
    with caplog.at_level("INFO", "nba_engine.app"):
        retention.start()
        assert done.wait(20)
        retention.stop()
    left = [one.account for one in store.usage_report()]
    assert left == ["a|2026-11-22T15:00Z", "b|lifetime"]
    assert stored(store, 40) == list(range(20, 40))
    assert "2 old accounts of past windows deleted" in caplog.text
    assert "20 old catalogs deleted" in caplog.text
    assert len(store.publications()) == 40


def test_a_day_is_looked_through_once(tmp_path: Path) -> None:
    looked: list[float] = []

    class Counting(FakeStore):
        def forget_windows(
            self, before: float, *, after: str = "", dry_run: bool = False
        ) -> ForgottenWindows:
            looked.append(before)
            return super().forget_windows(before, after=after, dry_run=dry_run)

    rounds = threading.Semaphore(0)

    def clock() -> float:
        rounds.release()
        return NOW

    settings = RetentionSettings(windows_days=31)
    retention = Retention(
        Counting(simulated=False),
        tmp_path / "log.db",
        settings,
        delay=0.0,
        seconds=0.01,
        clock=clock,
    )
    retention.start()
    for _ in range(6):
        assert rounds.acquire(timeout=20)
    retention.stop()
    assert looked == [datetime(2026, 10, 22, tzinfo=UTC).timestamp()]


def test_catalogs_of_decisions_on_record_stay(tmp_path: Path) -> None:
    store = FakeStore(simulated=False)
    publish(store, 40)
    log = open_log(tmp_path / "log.db")
    log.append(record(1, time=NOW - 30 * DAY))
    log.close()
    for dry_run in (True, False):
        count = forget_catalogs(store, tmp_path / "log.db", NOW, now=NOW, dry_run=dry_run)
        assert count == 7  # went out of force a day before the first decision, or earlier
        assert len(stored(store, 40)) == (40 if dry_run else 33)
    assert forget_catalogs(store, tmp_path / "none.db", NOW, now=NOW) == 13


def test_all_batches_are_worked_off_unless_it_is_told_to_stop(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db")
    holds = tuple(
        Hold(account=f"a|customer=c{n}|2025-11-03", limit="a", amount=1, ceiling=9)
        for n in range(1_100)
    )
    request = ReservationRequest(
        reservation_id="r", decision_id="d", customer_id="c", holds=holds, expires=NOW
    )
    store.reserve([request], now=NOW - DAY)
    store.expire(now=NOW)
    assert forget_windows(store, NOW, dry_run=True) == 1_100
    assert forget_windows(store, NOW, stop=lambda: True, pause=0.0) == 500
    assert forget_windows(store, NOW, pause=0.0) == 600
    store.close()
