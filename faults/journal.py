"""What clients attempted, what was acknowledged to them, and what they never heard of."""

from __future__ import annotations

import threading
from collections import Counter
from pathlib import Path
from typing import TextIO

__all__ = ["Journal"]


class Journal:
    """Outside of the server: in the memory of the clients, and a line each in a file.

    A *try* of a call that ends without an answer is unknown: it may have reserved.
    """

    def __init__(self, file: Path) -> None:
        self._lock = threading.Lock()
        self._file: TextIO = file.open("w", encoding="utf-8")
        self.attempted: Counter[str] = Counter()  # identity → tries of Decide
        self.unknown: Counter[str] = Counter()  # identity → tries that ended without an answer
        self.granted: dict[str, str] = {}  # reservation → identity
        self.recorded: dict[str, tuple[str, str]] = {}  # interaction → reservation, effect
        self.shown: Counter[str] = Counter()  # identity → impressions acknowledged as recorded
        self.refused = 0
        self.abandoned = 0
        self.two_answers = 0
        self.problems: list[str] = []

    def attempt(self, identity: str) -> None:
        with self._lock:
            self.attempted[identity] += 1
            self._file.write(f"attempt {identity}\n")

    def fail(self, identity: str, why: str) -> None:
        with self._lock:
            self.unknown[identity] += 1
            self._file.write(f"unknown {identity} {why}\n")

    def grant(self, identity: str, reservation: str) -> None:
        with self._lock:
            if reservation in self.granted:
                self.two_answers += 1
            self.granted[reservation] = identity
            self._file.write(f"granted {identity} {reservation}\n")

    def refuse(self, identity: str) -> None:
        with self._lock:
            self.refused += 1
            self._file.write(f"refused {identity}\n")

    def differ(self, identity: str, first: str, second: str) -> None:
        """A repeat got another answer than the first call."""
        with self._lock:
            self.two_answers += 1
            self._file.write(f"TWO {identity} {first} {second}\n")

    def record(self, interaction: str, reservation: str, effect: str, *, shown: bool) -> None:
        with self._lock:
            self.recorded[interaction] = (reservation, effect)
            self.shown[self.granted[reservation]] += shown
            self._file.write(f"recorded {interaction} {reservation} {effect}\n")

    def abandon(self, reservation: str) -> None:
        with self._lock:
            self.abandoned += 1
            self._file.write(f"abandoned {reservation}\n")

    def problem(self, what: str) -> None:
        with self._lock:
            self.problems.append(what)
            self._file.write(f"PROBLEM {what}\n")

    def acknowledged(self) -> tuple[set[str], set[str]]:
        """Reservations and interactions acknowledged up to now."""
        with self._lock:
            return set(self.granted), set(self.recorded)

    def tries(self) -> tuple[dict[str, int], dict[str, int]]:
        """By identity: tries of Decide, and those that ended without an answer, up to now."""
        with self._lock:
            return dict(self.attempted), dict(self.unknown)

    def close(self) -> None:
        self._file.close()
