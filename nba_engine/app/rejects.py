"""What sources brought and cannot be used: a line each, in a file for whoever mends it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from nba_engine.engine import Rejected

__all__ = ["Rejects"]

ROTATE_BYTES = 16 * 1024 * 1024


class Rejects:
    """Appends ``{"time": …, "source": …, "place": …, "problem": …}`` per record.

    A file that has reached 16 MiB becomes ``<path>.1``; the one before is dropped. Several
    processes may share it. Neither values nor identities are written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._encode = msgspec.json.Encoder().encode

    def write(self, source: str, rejected: Sequence[Rejected]) -> None:
        """Append all of them. Raises `OSError`."""
        now = time.time()
        lines = b"".join(
            self._encode(
                {"time": now, "source": source, "place": one.place, "problem": one.problem}
            )
            + b"\n"
            for one in rejected
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("ab", buffering=0) as file:
            if file.tell() and file.tell() + len(lines) > ROTATE_BYTES:
                self.path.replace(self.path.with_name(f"{self.path.name}.1"))
                with self.path.open("ab", buffering=0) as fresh:
                    fresh.write(lines)
                return
            file.write(lines)
