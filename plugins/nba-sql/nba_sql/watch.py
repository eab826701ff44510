"""Ends a call whose database says nothing any more: its connection is shut from outside."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from types import TracebackType
from typing import Any, Self

__all__ = ["Watch"]


class Watch:
    """A context manager around one call; after ``seconds`` it shuts the connections it was given.

    A driver that waits for a socket then gets its end, and raises. Drivers whose connections have
    no ``fileno`` (those written in Python alone) have time limits of their own (``connect_args``).
    """

    def __init__(self, seconds: float) -> None:
        self._timer = threading.Timer(seconds, self._end)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._connections: list[Any] = []
        self._over = False
        self.fired = False

    def take(self, connection: Any) -> None:
        """A connection that the call waits for."""
        with self._lock:
            self._connections.append(connection)

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._lock:
            self._over = True
            self._connections.clear()
        self._timer.cancel()

    def _end(self) -> None:
        with self._lock:
            if self._over:
                return
            self.fired = True
            for connection in self._connections:
                # one that is closed has no number any more, and raises what its driver likes
                with contextlib.suppress(Exception):
                    shut(connection.fileno())


def shut(number: int) -> None:
    """Shut the socket of a file descriptor, which stays its owner's to close."""
    with socket.socket(fileno=os.dup(number)) as copy:
        copy.shutdown(socket.SHUT_RDWR)
