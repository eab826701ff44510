"""Interactions are forgotten in batches that keep nobody waiting, while others are recorded."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import apsw
import pytest

from nba_engine.store import open_store
from nba_engine.store.customers import forgetting
from nba_engine.testing.customers_suite import FOLD, NOW, happened, state_of
from nba_engine.testing.forgetting_suite import forget, ids_of

DAY = 86_400.0


def test_batches_are_small_and_stretches_without_anything_old_are_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forgetting, "BATCH", 3)
    monkeypatch.setattr(forgetting, "SPAN", 10)
    store = open_store(tmp_path / "nba.db", simulated=True)
    old = {1, 2, 3, 4, 5, 41, 42, 78, 100}
    store.record([happened(n, time=NOW - DAY * (n in old)) for n in range(1, 101)], FOLD, now=NOW)
    counts: list[int] = []
    after = 0
    while not counts or after:
        found = store.forget_interactions(NOW, after=after)
        counts.append(found.count)
        assert found.last == 100
        after = found.more
    assert counts == [3, 2, 0, 0, 2, 0, 0, 0, 1, 0, 1]
    assert ids_of(store) == [f"i{n}" for n in range(1, 101) if n not in old]
    assert state_of(store).aggregates["purchases"] == 100
    store.close()


def test_what_is_recorded_between_looking_and_deleting_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store(tmp_path / "nba.db", simulated=True)
    store.record(
        [happened("kept"), happened("old", identity="crm:2", time=NOW - DAY)], FOLD, now=NOW
    )
    delete = forgetting._delete

    def late(connection: apsw.Connection, rows: Sequence[int]) -> None:
        connection.execute("DELETE FROM interactions WHERE interaction_id = 'iold'")  # an erasure
        connection.execute(
            "INSERT INTO interactions"
            "(interaction_id, customer, identity, type, time, recommendation_id, properties)"
            " SELECT 'new', customer, identity, type, time, '', properties FROM interactions"
        )
        delete(connection, rows)

    monkeypatch.setattr(forgetting, "_delete", late)
    store.forget_interactions(NOW)
    assert ids_of(store) == ["ikept", "new"]
    store.close()


def test_others_go_on_recording_meanwhile(tmp_path: Path) -> None:
    store = open_store(tmp_path / "nba.db", simulated=True)
    store.record([happened(n, time=NOW - DAY) for n in range(2_000)], FOLD, now=NOW)
    begun, done = threading.Event(), threading.Event()
    recorded: list[str] = []

    def write() -> None:
        for number in range(100_000):
            if done.is_set():
                return
            late = store.record([happened(f"late{number}", time=NOW - 2 * DAY)], FOLD, now=NOW)
            new = store.record([happened(f"new{number}")], FOLD, now=NOW)
            assert new[0].status == "recorded"
            if late[0].status == "recorded":  # it came before the first batch, and goes, too
                recorded.append(late[0].interaction_id)
            if number == 3:
                begun.set()

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    count = forget(store, NOW - 0.5 * DAY)
    done.set()
    writer.join()
    assert count == 2_000 + len(recorded)
    assert all(name.startswith("inew") for name in ids_of(store))
    store.close()
