"""One of several server processes: what it has of its supervisor."""

from __future__ import annotations

import ctypes
import io
import os
import signal
from typing import BinaryIO, Literal, TextIO

import msgspec

from nba_engine.errors import Unavailable
from nba_engine.processes.lines import whole_lines

__all__ = ["Child"]

_PR_SET_PDEATHSIG = 1


class Child(msgspec.Struct, frozen=True, kw_only=True):
    """The process ``number`` (from 1), its supervisor, and the descriptors inherited from it."""

    number: int
    supervisor: int
    ready: int
    lock: int

    @classmethod
    def parse(cls, text: str) -> Child:
        """What `str` made. Raises `ValueError`."""
        number, supervisor, ready, lock = map(int, text.split(":"))
        return cls(number=number, supervisor=supervisor, ready=ready, lock=lock)

    def __str__(self) -> str:
        return f"{self.number}:{self.supervisor}:{self.ready}:{self.lock}"

    def end_with_supervisor(self) -> None:
        """Get SIGTERM when the supervisor dies, however it does. Raises `Unavailable` if it has."""
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
        if os.getppid() != self.supervisor:
            raise Unavailable("the supervising process has ended")

    def output(self, form: Literal["json", "console"]) -> BinaryIO | TextIO:
        """Standard output, shared with the others: bytes for ``json``, else text."""
        lines = whole_lines(1, self.lock)
        return lines if form == "json" else io.TextIOWrapper(lines, "utf-8")

    def tell_ready(self) -> None:
        """Tell the supervisor that calls are answered."""
        os.write(self.ready, b"!")
        os.close(self.ready)
