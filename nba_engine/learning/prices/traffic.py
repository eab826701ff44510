"""Traffic by hour of the week, from the times of logged decisions."""

from __future__ import annotations

from collections import Counter

import numpy as np

from nba_engine.domain import FloatArray
from nba_engine.engine.prices import HOURS, hours_of_week

__all__ = ["Traffic"]

_HOUR = 3600.0


class Traffic:
    """Counts decisions by the hour; says how many are to be expected."""

    def __init__(self) -> None:
        self._counts: Counter[int] = Counter()

    def add(self, time: float) -> None:
        """Count one."""
        self._counts[int(time // _HOUR)] += 1

    @property
    def total(self) -> int:
        """How many were counted."""
        return self._counts.total()

    @property
    def span(self) -> tuple[float, float]:
        """From the beginning of the first hour to the end of the last."""
        return min(self._counts) * _HOUR, (max(self._counts) + 1) * _HOUR

    def rates(self, time_zone: str) -> FloatArray:
        """Decisions per hour of the week, (168,).

        An hour of the week that the log never saw is as busy as that hour on other days; an hour of the
        day that it never saw is as busy as the average.
        """
        first, last = min(self._counts), max(self._counts)
        hours = hours_of_week(
            (np.arange(first, last + 1, dtype=np.float64) + 0.5) * _HOUR, time_zone
        )
        counts = np.array([self._counts[hour] for hour in range(first, last + 1)], dtype=np.float64)
        seen = np.bincount(hours, minlength=HOURS).astype(np.float64)
        came = np.bincount(hours, counts, HOURS)
        daily_seen, daily = (each.reshape(7, 24).sum(axis=0) for each in (seen, came))
        average = counts.mean()
        of_day = np.divide(daily, daily_seen, out=np.full(24, average), where=daily_seen > 0)
        rates: FloatArray = np.divide(came, seen, out=np.tile(of_day, 7), where=seen > 0)
        return rates

    def expected(self, start: float, end: float, time_zone: str) -> float:
        """How many decisions are to be expected between two moments."""
        if end <= start:
            return 0.0
        edges = np.concatenate(
            ([start], np.arange((start // _HOUR + 1) * _HOUR, end, _HOUR), [end])
        )
        hours = hours_of_week((edges[:-1] + edges[1:]) / 2.0, time_zone)
        return float((self.rates(time_zone)[hours] * np.diff(edges)).sum() / _HOUR)
