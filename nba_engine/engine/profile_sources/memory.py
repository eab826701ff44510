"""What one source said of customers, in memory: fresh for a while, usable for longer, bounded.

Nothing of it is written down, so a restart forgets it, and an erased customer leaves no trace.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping

import msgspec

from nba_engine.domain import Value

__all__ = ["Kept", "Memory"]


class Kept(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """An answer: ``values`` by attribute, None for somebody the source does not know.

    ``time``: when it was asked, on the wall clock; ``at``: the same on the monotonic one.
    ``wanted``: the attributes it was asked for, with their types.
    """

    values: Mapping[str, Value] | None
    time: float
    at: float
    wanted: Mapping[str, str]


class Memory:
    """Answers by id, of at most ``most`` customers; the oldest go first. Not thread-safe.

    All spans are seconds. An answer is fresh for ``ttl`` (of somebody unknown: ``negative_ttl``),
    and may be used for ``stale_ttl`` more while a new one is fetched; an unknown one may not.
    """

    def __init__(
        self,
        *,
        most: int,
        ttl: float,
        stale_ttl: float,
        negative_ttl: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._most = most
        self._ttl = ttl
        self._usable = ttl + stale_ttl
        self._negative = negative_ttl
        self._longest = max(self._usable, negative_ttl)
        self._clock = clock
        self._answers: OrderedDict[str, Kept] = OrderedDict()  # in the order of their coming

    def __len__(self) -> int:
        return len(self._answers)

    @property
    def keys(self) -> list[str]:
        """Whose answers are kept."""
        return list(self._answers)

    def look(self, key: str, wanted: Mapping[str, str]) -> tuple[Kept | None, bool]:
        """The answer if it may be used, and whether it is fresh.

        One to another question (a new catalog wants more, or other types) may not be used.
        """
        kept = self._answers.get(key)
        if kept is None or (kept.wanted is not wanted and kept.wanted != wanted):
            return None, False
        age = self._clock() - kept.at
        if kept.values is None:
            return (kept, True) if age < self._negative else (None, False)
        if age < self._ttl:
            return kept, True
        return (kept, False) if age < self._usable else (None, False)

    def last(self, key: str) -> Kept | None:
        """The answer, however old."""
        return self._answers.get(key)

    def keep(self, key: str, kept: Kept) -> None:
        """Take an answer in the place of an older one."""
        self._answers[key] = kept
        self._answers.move_to_end(key)
        while len(self._answers) > self._most:
            self._answers.popitem(last=False)

    def forget(self, keys: Iterable[str]) -> None:
        """Drop what is known of these."""
        for key in keys:
            self._answers.pop(key, None)

    def sweep(self) -> int:
        """Drop what nobody may use any more, as far as it is the oldest; how many that were."""
        oldest = self._clock() - self._longest
        count = 0
        while self._answers and next(iter(self._answers.values())).at <= oldest:
            self._answers.popitem(last=False)
            count += 1
        return count
