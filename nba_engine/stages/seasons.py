"""The seasons of a catalog's actions, as bitsets of treatments."""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from nba_engine.domain import CatalogView, FloatArray
from nba_engine.domain.bits import bitset

__all__ = ["Seasons"]


class Seasons:
    """Which treatments are out of season: it only changes where a season starts or ends. Thread-safe."""

    def __init__(self, catalog: CatalogView) -> None:
        actions = [catalog.actions[int(action)] for action in catalog.action_of]
        self._starts: FloatArray = np.array(
            [-np.inf if one.starts is None else one.starts for one in actions], dtype=np.float64
        )
        self._ends: FloatArray = np.array(
            [np.inf if one.ends is None else one.ends for one in actions], dtype=np.float64
        )
        both = np.concatenate([self._starts, self._ends])
        self._changes: list[float] = np.unique(both[np.isfinite(both)]).tolist()
        # of the stretch between two changes that was asked for last: its number, and what is ended in it,
        # and what has not begun
        self._latest: tuple[int, int, int] = (-1, 0, 0)

    def __bool__(self) -> bool:
        """Whether any action has a season."""
        return bool(self._changes)

    def closed(self, now: float, *, begun: bool = False) -> int:
        """The bitset of treatments that are out of season; ``begun``: as if all had begun."""
        stretch = bisect_right(self._changes, now)
        latest = self._latest
        if latest[0] != stretch:
            latest = (stretch, bitset(now >= self._ends), bitset(now < self._starts))
            self._latest = latest
        _, ended, later = latest
        return ended if begun else ended | later
