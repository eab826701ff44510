"""Traffic by hour of the week, from the times of decisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import numpy as np

from nba_engine.domain import FloatArray
from nba_engine.engine.prices.spending import HOURS, hours_of_week

__all__ = ["Traffic"]

_HOUR = 3600.0
_PRIOR = 10.0  # requests that count towards the average of all hours, in each hour of the week


class Traffic:
    """Counts decisions by the hour; says how many are to be expected.

    ``counts``: those counted before, by the number of the hour since the epoch.
    """

    def __init__(self, counts: Mapping[int, int] = {}) -> None:
        self._counts: Counter[int] = Counter(counts)

    def add(self, time: float) -> None:
        """Count one."""
        self._counts[int(time // _HOUR)] += 1

    def add_all(self, times: Iterable[float]) -> None:
        """Count many."""
        self._counts.update(int(time // _HOUR) for time in times)

    @property
    def counts(self) -> Mapping[int, int]:
        """By the number of the hour."""
        return self._counts

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
        return self._rates(time_zone, prior=0.0)

    def profile(self, time_zone: str) -> tuple[float, ...]:
        """The same as a profile, from little: hours with few decisions are drawn to the average.

        () where nobody came.
        """
        if not self.total:
            return ()
        rates = self._rates(time_zone, prior=_PRIOR)
        return tuple((rates * (HOURS / rates.sum())).tolist())

    def _rates(self, time_zone: str, *, prior: float) -> FloatArray:
        first, last = min(self._counts), max(self._counts)
        hours = hours_of_week(
            (np.arange(first, last + 1, dtype=np.float64) + 0.5) * _HOUR, time_zone
        )
        counts = np.array([self._counts[hour] for hour in range(first, last + 1)], dtype=np.float64)
        average = counts.mean()
        seen = np.bincount(hours, minlength=HOURS).astype(np.float64)
        came = np.bincount(hours, counts, HOURS)
        daily_seen, daily = (each.reshape(7, 24).sum(axis=0) for each in (seen, came))
        pseudo = prior / average if average else 0.0  # hours in which so many come on average
        of_day = np.divide(
            daily + prior, daily_seen + pseudo, out=np.full(24, average), where=daily_seen > 0
        )
        rates: FloatArray = np.divide(
            came + prior, seen + pseudo, out=np.tile(of_day, 7), where=seen > 0
        )
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
