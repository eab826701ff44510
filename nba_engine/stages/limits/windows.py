"""Calendar windows of limits and quiet hours, in their time zones."""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from typing import NamedTuple

from nba_engine.domain import CatalogView, ChannelSpec, QuietHours, Window

__all__ = ["Calendar", "Period", "QuietClock"]

_FOREVER = float("inf")
_HOUR = 3600.0


class Period(NamedTuple):
    """One window: its name (part of an account), its first moment, and the next one's."""

    key: str
    start: float
    end: float


class Calendar:
    """Names the window that a moment falls into. Thread-safe.

    A lifetime and a window that rolls have one name for all moments: what a rolling one still
    counts is the ledger's affair.
    """

    def __init__(self, window: Window) -> None:
        self._unit = window.unit
        self._zone = zoneinfo.ZoneInfo(window.time_zone)
        # the last answer: most decisions fall into the window of the one before
        always = self._unit in {"lifetime", "rolling"}
        self._last = Period(self._unit, -_FOREVER, _FOREVER if always else 0.0)

    def at(self, now: float) -> Period:
        """The window around ``now`` (seconds since the epoch)."""
        last = self._last
        if last.start <= now < last.end:
            return last
        period = self._last = self._compute(now)
        return period

    def named(self, key: str) -> Period | None:
        """The calendar window of that name; None: none of this calendar."""
        try:
            if self._unit == "hour":
                start = dt.datetime.strptime(f"{key}+0000", "%Y-%m-%dT%H:%MZ%z").timestamp()
            elif self._unit in {"lifetime", "rolling"}:
                return None
            else:
                start = self._midnight(dt.date.fromisoformat(key))
            period = self._compute(start)
        except (ValueError, OverflowError, OSError):
            return None
        return period if period.key == key else None

    def _compute(self, now: float) -> Period:
        second = math.floor(
            now
        )  # `fromtimestamp` rounds: to the next window, just before it begins
        if self._unit == "hour":
            return self._hour(second)
        first = dt.datetime.fromtimestamp(second, self._zone).date()
        if self._unit == "week":
            first -= dt.timedelta(days=first.weekday())
            after = first + dt.timedelta(days=7)
        elif self._unit == "month":
            first = first.replace(day=1)
            after = (first + dt.timedelta(days=32)).replace(day=1)
        else:
            after = first + dt.timedelta(days=1)
        return Period(first.isoformat(), self._midnight(first), self._midnight(after))

    def _hour(self, now: float) -> Period:
        """The hour of the clock; a clock change in its midst, by half an hour, begins another one."""
        offset = self._offset(now)
        start = (now + offset) // _HOUR * _HOUR - offset
        end = start + _HOUR
        if self._offset(start) != offset:
            start = self._change(start, now)
        if self._offset(end - 1.0) != offset:
            end = self._change(now, end - 1.0)
        name = dt.datetime.fromtimestamp(start, dt.UTC).strftime("%Y-%m-%dT%H:%MZ")
        return Period(name, start, end)

    def _offset(self, now: float) -> float:
        local = dt.datetime.fromtimestamp(now, self._zone)
        return (local.utcoffset() or dt.timedelta()).total_seconds()

    def _change(self, before: float, after: float) -> float:
        """The first second with the offset that the clock has ``after``, and had not ``before``."""
        offset = self._offset(after)
        while after - before > 1.0:
            middle = (before + after) // 2.0
            before, after = (before, middle) if self._offset(middle) == offset else (middle, after)
        return after

    def _midnight(self, day: dt.date) -> float:
        return dt.datetime.combine(day, dt.time(), tzinfo=self._zone).timestamp()


class QuietClock:
    """Tells when outbound channels are quiet, in the catalog's time zone."""

    def __init__(self, catalog: CatalogView) -> None:
        self._zone = zoneinfo.ZoneInfo(catalog.time_zone)

    def minute(self, now: float) -> int:
        """Minutes after local midnight."""
        local = dt.datetime.fromtimestamp(now, self._zone)
        return local.hour * 60 + local.minute

    def is_quiet(self, channel: ChannelSpec, now: float) -> bool:
        """Whether the channel must not contact anybody now."""
        quiet = channel.quiet_hours
        if quiet is None or channel.direction != "outbound":
            return False
        return within(quiet, self.minute(now))

    def opens(self, channel: ChannelSpec, now: float) -> float:
        """The first moment from ``now`` on at which the channel is not quiet."""
        quiet = channel.quiet_hours
        while quiet is not None and self.is_quiet(channel, now):
            local = dt.datetime.fromtimestamp(now, self._zone)
            ends = dt.datetime.combine(local.date(), dt.time()) + dt.timedelta(minutes=quiet.end)
            if quiet.start > quiet.end and local.hour * 60 + local.minute >= quiet.start:
                ends += dt.timedelta(days=1)
            end = ends.replace(tzinfo=self._zone).timestamp()
            # an hour that a clock change repeats is quiet both times: go on from the next minute
            now = end if end > now else (now // 60.0 + 1.0) * 60.0
        return now


def within(quiet: QuietHours, minute: int) -> bool:
    """Whether a minute of the day lies in the quiet hours (which may wrap around midnight)."""
    if quiet.start <= quiet.end:
        return quiet.start <= minute < quiet.end
    return minute >= quiet.start or minute < quiet.end
