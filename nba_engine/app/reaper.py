"""Ends reservations that nobody confirmed in time."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from nba_engine.domain import Store
from nba_engine.errors import NbaError

__all__ = ["Reaper"]

_log = logging.getLogger("nba_engine.app")


class Reaper:
    """A daemon thread that calls ``store.expire`` every ``seconds``, until `stop`."""

    def __init__(
        self, store: Store, *, seconds: float = 5.0, clock: Callable[[], float] = time.time
    ) -> None:
        self._store = store
        self._seconds = seconds
        self._clock = clock
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nba-reaper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for it. Safe to call twice, and before `start`."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self._store.expire(now=self._clock())
            except NbaError as error:  # the store will be back, or every call will say so
                _log.warning("expiring reservations failed: %s", error.reason)
