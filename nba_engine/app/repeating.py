"""What goes on beside the decisions: a thread that does its step, waits, and does it again."""

from __future__ import annotations

import logging
import threading
import traceback
from abc import ABC, abstractmethod

__all__ = ["Repeating"]

_log = logging.getLogger("nba_engine.app")

_PAUSE_SECONDS = 1.0  # at least, after a step that failed


class Repeating(ABC):
    """A daemon thread that calls `_step` until `stop`; each step says when the next one is due.

    A step that fails is told, each kind of failure once with its traceback, and does not end the thread.
    """

    def __init__(self, name: str, *, delay: float = 0.0) -> None:
        self._delay = delay  # seconds until the first step
        self._name = name
        self._failed: set[tuple[type[Exception], str, int | None]] = set()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @abstractmethod
    def _step(self) -> float:
        """Do the work once; the seconds until the next step. Its own errors it handles itself."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread; a step under way ends first. Safe to call twice, and before `start`."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.wait(self._delay):
            self._delay = self._turn()

    def _turn(self) -> float:
        """A step; one that failed is tried again after the last pause."""
        try:
            return self._step()
        except Exception as error:  # whatever it is: the next step may do
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = (type(error), place.filename, place.lineno)
            if kind not in self._failed:
                self._failed.add(kind)
                _log.exception(
                    "%s: a step failed; it is tried again, and not told again", self._name
                )
            return max(self._delay, _PAUSE_SECONDS)
