"""Clock times and calendar dates as they are written in the catalog."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from nba_engine.domain import QuietHours, Window, WindowUnit
from nba_engine.settings import Unreadable, choose, parse_duration, suggest

__all__ = ["CALENDAR", "parse_moment", "parse_quiet_hours", "parse_window", "seconds"]

_CLOCK = re.compile(r"^([01]?\d|2[0-3]):([0-5]\d)$")

# the windows of limits that are one word
CALENDAR: tuple[WindowUnit, ...] = ("hour", "day", "week", "month", "lifetime")
_ROLLING = re.compile(r"^rolling +(\S+)$")


def parse_window(value: object) -> Window:
    """``"week"``, or ``"rolling 7d"``: the last seven days. Its time zone is not yet known."""
    example = 'for the last seven days write "rolling 7d"'
    found = _ROLLING.match(value) if isinstance(value, str) else None
    if found is not None:
        rolled = parse_duration(found[1])
        if rolled <= 0.0:
            raise Unreadable("a window that rolls has a length", example)
        return Window(unit="rolling", seconds=rolled)
    for unit in CALENDAR:
        if value == unit:
            return Window(unit=unit)
    words = (*CALENDAR, "rolling 7d")
    if not isinstance(value, str):
        raise Unreadable(f"expected one of {choose(words)}", example)
    raise Unreadable(
        f"{value!r} is not one of {choose(words)}", suggest(value, words, "words here")
    )


def parse_quiet_hours(value: object) -> QuietHours:
    """``["21:00", "08:00"]`` as minutes after midnight."""
    remedy = 'write when they start and end: ["21:00", "08:00"]'
    if not isinstance(value, list) or len(value) != 2:
        raise Unreadable("quiet hours are two clock times", remedy)
    start, end = (_minutes(entry, remedy) for entry in value)
    if start == end:
        raise Unreadable("quiet hours start and end at the same time", remedy)
    return QuietHours(start=start, end=end)


def _minutes(value: object, remedy: str) -> int:
    if isinstance(value, dt.time):
        return value.hour * 60 + value.minute
    found = _CLOCK.match(value) if isinstance(value, str) else None
    if found is None:
        raise Unreadable(f"{value!r} is not a clock time", remedy)
    return int(found[1]) * 60 + int(found[2])


def parse_moment(value: object) -> dt.date:
    """A TOML date or date-time (a `datetime` is a `date`), unresolved."""
    if isinstance(value, dt.date):
        return value
    raise Unreadable(
        "expected a date", "write it without quotes: 2017-11-01 or 2017-11-01T09:00:00"
    )


def seconds(moment: dt.date, zone: ZoneInfo, *, closing: bool = False) -> float:
    """Seconds since the epoch. Without an offset, ``moment`` is local time in ``zone``.

    A bare date is its midnight: the one the day starts with, or, if ``closing``, the one it
    ends with, so that a season includes its last day.
    """
    if isinstance(moment, dt.datetime):
        local = moment if moment.tzinfo else moment.replace(tzinfo=zone)
        return local.timestamp()
    day = moment
    if closing and moment < dt.date.max:  # 9999-12-31 is how people write "for ever"
        day += dt.timedelta(days=1)
    return dt.datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()
