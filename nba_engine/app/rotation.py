"""Moves old decisions from the log to Parquet."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from nba_engine.app.repeating import Repeating
from nba_engine.errors import NbaError
from nba_engine.store import Mover

__all__ = ["Rotation", "midnight"]

_log = logging.getLogger("nba_engine.app")


def midnight(now: float, days: int) -> float:
    """The beginning, in UTC, of the day that was so many days ago."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day - timedelta(days=days)).timestamp()


class Rotation(Repeating):
    """A daemon thread that moves whole days, first after a minute and then every hour, until `stop`.

    Commands that open an engine for a moment move nothing.
    """

    def __init__(
        self,
        mover: Mover,
        *,
        days: int,
        delay: float = 60.0,
        seconds: float = 3600.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__("nba-rotation", delay=delay)
        self._mover = mover
        self._days = days
        self._seconds = seconds
        self._clock = clock

    def _step(self) -> float:
        before = midnight(self._clock(), self._days)
        try:
            moved = self._mover.move(before, stop=self._stopping.is_set)
        except NbaError as error:  # what was begun is finished an hour later
            _log.warning("moving old decisions failed: %s", error.message)
        else:
            if moved:
                _log.info("%d old decisions moved to Parquet", moved)
        return self._seconds
