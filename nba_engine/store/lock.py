"""Locks between processes: files beside the database."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from nba_engine.errors import FailedPrecondition

__all__ = ["FileLock", "OpenMark", "alone", "turn"]


class FileLock:
    """An advisory lock on a file; whoever waits sleeps in the kernel, and none polls.

    SQLite's own write lock makes waiters poll and gives no order. The lock ends with the process
    that holds it. One thread at a time may use an object.
    """

    def __init__(self, path: Path) -> None:
        self._file = _opened(path)

    def __enter__(self) -> None:
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        fcntl.flock(self._file, fcntl.LOCK_UN)

    def close(self) -> None:
        """Give the file back."""
        os.close(self._file)


class OpenMark:
    """Says that this process has a database file open, until `close`. See `alone`."""

    def __init__(self, path: Path) -> None:
        self._file = _opened(_mark(path))
        fcntl.flock(self._file, fcntl.LOCK_SH)  # waits for whoever replaces the file

    def close(self) -> None:
        """The file is no longer open here. Safe to call twice."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """While nobody else has the database file open; who wants to open it waits.

    Raises `FailedPrecondition` when somebody has.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with turn(_mark(path)) as taken:
        if not taken:
            raise FailedPrecondition(
                f"{path} is open in another process: stop the server, and whatever else uses it"
            )
        yield


@contextmanager
def turn(path: Path, *, wait: bool = False) -> Iterator[bool]:
    """Hold a lock file; False when another one does, unless the caller wants to ``wait``."""
    file = _opened(path)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(file)


def _mark(path: Path) -> Path:
    return path.with_name(f"{path.name}.open")


def _opened(path: Path) -> int:
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
