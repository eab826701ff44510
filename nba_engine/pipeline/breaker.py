"""The breaker of one stage: after repeated failures the stage is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

__all__ = ["Breaker"]


class Breaker:
    """Closed: calls go through. Open: they do not. Half-open: one call probes.

    ``failures`` in a row open it for ``open_seconds``; then one call is let through: its success
    closes the breaker, its failure opens it again. A probe that never reports back counts as lost
    after another ``open_seconds``. Thread-safe; the closed state costs one attribute read.
    """

    __slots__ = ("_clock", "_lock", "_open_seconds", "_threshold", "_until", "closed", "failures")

    def __init__(
        self, failures: int, open_seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.closed = True
        self.failures = 0  # in a row
        self._threshold = failures
        self._open_seconds = open_seconds
        self._clock = clock
        self._until = 0.0
        self._lock = threading.Lock()

    def probe(self) -> bool:
        """Whether an open breaker lets this call through; gives out one probe at a time."""
        with self._lock:
            now = self._clock()
            if self.closed or now >= self._until:
                self._until = now + self._open_seconds
                return True
            return False

    def succeeded(self) -> bool:
        """A call went well: the row of failures ends; True when this closed an open breaker."""
        with self._lock:
            closed = not self.closed
            self.failures = 0
            self.closed = True
            return closed

    def failed(self) -> bool:
        """A call failed or took too long; True when this opened a closed breaker."""
        with self._lock:
            self.failures += 1
            if self.failures < self._threshold:
                return False
            opened = self.closed
            self.closed = False
            self._until = self._clock() + self._open_seconds
            return opened
