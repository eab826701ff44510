"""What goes on beside the decisions: a thread that does its step, waits, and does it again."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod

__all__ = ["Repeating"]


class Repeating(ABC):
    """A daemon thread that calls `_step` until `stop`; each step says when the next one is due."""

    def __init__(self, name: str, *, delay: float = 0.0) -> None:
        self._delay = delay  # seconds until the first step
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
        wait = self._delay
        while not self._stopping.wait(wait):
            wait = self._step()
