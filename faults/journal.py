"""What clients attempted, what was acknowledged to them, and what they never heard of."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
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
        self._attempted: Counter[str] = Counter()  # identity → tries of Decide
        self._answered: Counter[str] = Counter()  # identity → tries that got an answer
        self.unknown: Counter[str] = Counter()  # identity → tries that ended without one
        self.granted: dict[str, tuple[str, str]] = {}  # reservation → identity, catalog version
        self.grants: list[str] = []  # reservations in the order of their answers
        self.recorded: dict[str, tuple[str, str]] = {}  # interaction → reservation, effect
        self.records: list[str] = []  # interactions in the order of their answers
        self.shown: Counter[str] = Counter()  # identity → impressions acknowledged as recorded
        self.refused = 0
        self.abandoned = 0
        self.two_answers = 0
        self.problems: list[str] = []

    def attempt(self, identity: str) -> None:
        with self._lock:
            self._attempted[identity] += 1
            self._file.write(f"attempt {identity}\n")

    def fail(self, identity: str, why: str) -> None:
        with self._lock:
            self.unknown[identity] += 1
            self._file.write(f"unknown {identity} {why}\n")

    def grant(self, identity: str, reservation: str, version: str) -> None:
        """Decide answered with a reservation; ``version`` is the catalog's that decided."""
        with self._lock:
            self._answered[identity] += 1
            if reservation in self.granted:
                self.two_answers += 1
            # a million of them: each name once
            self.granted[reservation] = sys.intern(identity), sys.intern(version)
            self.grants.append(reservation)
            self._file.write(f"granted {identity} {reservation} {version}\n")

    def refuse(self, identity: str) -> None:
        with self._lock:
            self._answered[identity] += 1
            self.refused += 1
            self._file.write(f"refused {identity}\n")

    def repeat(self, identity: str, decision: str, *, same: bool) -> None:
        """A repeat was answered: the same as the first call, or not."""
        with self._lock:
            self._answered[identity] += 1
            self.two_answers += not same
            self._file.write(f"repeated {identity} {decision} {same}\n")

    def record(self, interaction: str, reservation: str, effect: str, *, shown: bool) -> None:
        with self._lock:
            self.recorded[interaction] = (reservation, sys.intern(effect))
            self.records.append(interaction)
            self.shown[self.granted[reservation][0]] += shown
            self._file.write(f"recorded {interaction} {reservation} {effect}\n")

    def abandon(self, reservation: str) -> None:
        with self._lock:
            self.abandoned += 1
            self._file.write(f"abandoned {reservation}\n")

    def problem(self, what: str) -> None:
        with self._lock:
            self.problems.append(what)
            self._file.write(f"PROBLEM {what}\n")

    def versions(self, reservations: Iterable[str]) -> dict[str, str | None]:
        """The catalog that decided each of these; None: nobody was told of it."""
        with self._lock:
            return {
                one: self.granted[one][1] if one in self.granted else None for one in reservations
            }

    def unexplained(self, open_ones: Mapping[str, Collection[str]]) -> list[str]:
        """Identities with more of these than tries that are under way, or ended without an answer.

        Those that were answered meanwhile do not count.
        """
        with self._lock:
            return [
                identity
                for identity, ones in open_ones.items()
                if sum(one not in self.granted for one in ones)
                > self._attempted[identity] - self._answered[identity]
            ]

    def close(self) -> None:
        self._file.close()
