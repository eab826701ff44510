"""Ends reservations that nobody confirmed in time."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from nba_engine.app.repeating import Repeating
from nba_engine.domain import Store
from nba_engine.errors import NbaError

__all__ = ["Reaper"]

_log = logging.getLogger("nba_engine.app")


class Reaper(Repeating):
    """A daemon thread that calls ``store.expire`` every ``seconds``, until `stop`."""

    def __init__(
        self, store: Store, *, seconds: float = 5.0, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__("nba-reaper", delay=seconds)
        self._store = store
        self._seconds = seconds
        self._clock = clock

    def _step(self) -> float:
        try:
            self._store.expire(now=self._clock())
        except NbaError as error:  # the store will be back, or every call will say so
            _log.warning("expiring reservations failed: %s", error.reason)
        return self._seconds
