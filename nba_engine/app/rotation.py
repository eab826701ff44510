"""Moves old decisions from the log to Parquet."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from nba_engine.errors import NbaError
from nba_engine.store import Mover

__all__ = ["Rotation", "midnight"]

_log = logging.getLogger("nba_engine.app")


def midnight(now: float, days: int) -> float:
    """The beginning, in UTC, of the day that was so many days ago."""
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return (day - timedelta(days=days)).timestamp()


class Rotation:
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
        self._mover = mover
        self._days = days
        self._delay = delay
        self._seconds = seconds
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nba-rotation", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; a file that is being moved is finished first. Safe to call twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait = self._delay
        while not self._stopping.wait(wait):
            wait = self._seconds
            try:
                moved = self._mover.move(
                    midnight(self._clock(), self._days), stop=self._stopping.is_set
                )
            except NbaError as error:  # what was begun is finished an hour later
                _log.warning("moving old decisions failed: %s", error.message)
            else:
                if moved:
                    _log.info("%d old decisions moved to Parquet", moved)
