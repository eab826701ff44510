"""How much of a shared limit is to be spent by when: its amount laid out over its window.

A plan is a non-decreasing share of the amount, 0 where the window begins and 1 where it ends. *Even*
grows with time. *By profile* grows with an hourly profile: 168 weights, hour by hour from Monday's
midnight in the limit's time zone, of which only the proportions count. Whoever follows the traffic
with one price for all of the day earns more than whoever saves the morning's letters for a night
without visitors: under a profile that is right, the plan is what the best constant price spends
(time-varying targets, Jiang, Li & Zhang, arXiv 2206.13606).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from zoneinfo import ZoneInfo

import numpy as np

from nba_engine.domain import FloatArray

__all__ = ["HOURS", "SpendingPlan", "hour_of_week", "hours_of_week"]

HOURS = 168
_HOUR = 3600.0
_EVEN = 0.05  # of a profile: an hour that was never busy still gets a little


class SpendingPlan:
    """The plan of one window, ``start`` ≤ now < ``end`` (seconds since the epoch).

    ``profile``: 168 weights, or () for even spending.
    """

    def __init__(
        self, start: float, end: float, *, profile: Sequence[float] = (), time_zone: str = "UTC"
    ) -> None:
        self.start, self.end = start, end
        edges: FloatArray = np.array([start, end])
        weights: FloatArray = np.ones(1)
        total = float(sum(profile))
        if total > 0.0:
            first = (start // _HOUR) * _HOUR
            inner = np.arange(first + _HOUR, end, _HOUR)
            edges = np.concatenate(([start], inner, [end]))
            hours = hours_of_week((edges[:-1] + edges[1:]) / 2.0, time_zone)
            busy = np.asarray(profile, dtype=np.float64) * (HOURS / total)
            weights = ((1.0 - _EVEN) * busy[hours] + _EVEN) * np.diff(edges)
        self._edges = edges
        self._shares = np.concatenate(([0.0], np.cumsum(weights) / weights.sum()))

    def share(self, time: float) -> float:
        """The part of the amount that is to be spent by a time, in [0, 1]."""
        return float(np.interp(time, self._edges, self._shares))

    def ahead(self, left: float, since: float, until: float) -> float:
        """What a rest of the amount leaves for the time between two moments.

        Solved anew each time from what is really left: a plan that was overtaken, or fell behind, is
        made up for over all that remains (re-solving without waiting, arXiv 2412.09594).
        """
        remaining = 1.0 - self.share(since)
        if remaining <= 0.0:
            return max(0.0, left)
        part = (self.share(until) - self.share(since)) / remaining
        return max(0.0, left) * min(1.0, max(0.0, part))


def hour_of_week(time: float, time_zone: str) -> int:
    """0 for Monday's first hour to 167, by the clock of a time zone."""
    local = dt.datetime.fromtimestamp(time, ZoneInfo(time_zone))
    return local.weekday() * 24 + local.hour


def hours_of_week(times: FloatArray, time_zone: str) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """`hour_of_week` of many moments, (n,)."""
    zone = ZoneInfo(time_zone)
    found = (dt.datetime.fromtimestamp(time, zone) for time in times.tolist())
    return np.fromiter(
        (local.weekday() * 24 + local.hour for local in found), dtype=np.intp, count=len(times)
    )
