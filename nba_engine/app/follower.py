"""Follows the catalog in force: publications of other processes are found and switched to here."""

from __future__ import annotations

import logging
import threading

from nba_engine.engine import Catalogs
from nba_engine.errors import NbaError

__all__ = ["Follower"]

_log = logging.getLogger("nba_engine.app")

_PAUSE_SECONDS = 1.0  # after the store could not be read


class Follower:
    """A daemon thread that calls `Catalogs.step` as often as that asks for, until `stop`.

    So it finds out within a second or so when the store does not answer, and when it does again.
    """

    def __init__(self, catalogs: Catalogs) -> None:
        self._catalogs = catalogs
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nba-catalogs", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread and wait for it. Safe to call twice, and before `start`."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        pause = 0.0
        reached = True
        while not self._stopping.wait(pause):
            try:
                pause = self._catalogs.step()
                reached = True
            except NbaError as error:  # the store will be back, or every call will say so
                pause = _PAUSE_SECONDS
                if reached:
                    _log.warning("looking for published catalogs failed: %s", error.reason)
                reached = False
            self._catalogs.store_reached(reached=reached)
