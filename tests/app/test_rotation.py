from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from nba_engine.app.rotation import Rotation, midnight
from nba_engine.engine import table_of
from nba_engine.errors import Unavailable
from nba_engine.store import Mover


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_whole_days_are_moved() -> None:
    assert midnight(at("2026-11-22T15:30"), 0) == at("2026-11-22")
    assert midnight(at("2026-11-22T00:00"), 30) == at("2026-10-23")


class Recorder(Mover):
    """Fails at first; remembers what it was asked, and says when it was asked twice."""

    def __init__(self) -> None:
        super().__init__(Path("log.db"), table_of)
        self.asked: list[float] = []
        self.twice = threading.Event()

    def move(
        self,
        before: float,
        moved: Callable[[int], None] = lambda _: None,
        *,
        stop: Callable[[], bool] = lambda: False,
    ) -> int:
        self.asked.append(before)
        if len(self.asked) == 1:
            raise Unavailable("the disk is away")
        self.twice.set()
        return 3


def test_it_moves_again_and_again_whatever_fails(caplog: pytest.LogCaptureFixture) -> None:
    mover = Recorder()
    clock = at("2026-11-22T15:30")
    rotation = Rotation(mover, days=7, delay=0.0, seconds=0.01, clock=lambda: clock)
    with caplog.at_level("INFO", "nba_engine.app"):
        rotation.start()
        assert mover.twice.wait(10)
        rotation.stop()
        rotation.stop()
    assert set(mover.asked) == {at("2026-11-15")}
    assert "moving old decisions failed: the disk is away" in caplog.text
    assert "3 old decisions moved to Parquet" in caplog.text


def test_a_command_that_ends_at_once_moves_nothing() -> None:
    mover = Recorder()
    rotation = Rotation(mover, days=7)
    rotation.start()
    rotation.stop()
    assert mover.asked == []
