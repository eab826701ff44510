"""Counts outcomes behind the requests, so that the next decisions know them."""

from __future__ import annotations

import logging
import threading

from nba_engine.engine import Engine
from nba_engine.errors import NbaError

__all__ = ["EvidenceCounter"]

_log = logging.getLogger("nba_engine.app")


class EvidenceCounter:
    """A daemon thread that counts every ``seconds``, where the catalog in force wants it."""

    def __init__(self, engine: Engine, *, seconds: float = 1.0) -> None:
        self._engine = engine
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nba-evidence", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; a commit that is under way is finished first. Safe to call twice."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        reached = True
        pause = 0.0
        while not self._stopping.wait(pause):
            pause = self._seconds
            catalog = self._engine.catalog
            if catalog.evidence is None:
                continue
            try:
                if self._engine.evidence.step(catalog):
                    pause = 0.0
                reached = True
            except NbaError as error:  # the store will be back; decisions know what they knew
                if reached:
                    _log.warning("counting outcomes failed: %s", error.reason)
                reached = False
