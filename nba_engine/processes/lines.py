"""Lines of several processes in one file or pipe, none of them torn."""

from __future__ import annotations

import fcntl
import io
import os
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

__all__ = ["WholeLines", "whole_lines"]

_ROOM = 1 << 20  # bytes of one flush that stay together


class WholeLines(io.RawIOBase):
    """Writes to a file descriptor under a lock on another one, which all processes share.

    A pipe takes 4 KB in one piece; of longer lines several writers would make a tangle.
    """

    def __init__(self, descriptor: int, lock: int) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._lock = lock

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: ReadableBuffer, /) -> int:
        """Write all of it. Raises `OSError` when nobody reads any more."""
        with memoryview(data) as whole:
            size, rest = whole.nbytes, bytes(whole)
        fcntl.lockf(self._lock, fcntl.LOCK_EX)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        finally:
            fcntl.lockf(self._lock, fcntl.LOCK_UN)
        return size


def whole_lines(descriptor: int, lock: int) -> BinaryIO:
    """A stream whose every flush is written in one piece."""
    raw = WholeLines(descriptor, lock)
    return cast("BinaryIO", io.BufferedWriter(raw, _ROOM))
