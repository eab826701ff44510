"""The names of calendar windows, in which the names of accounts end: what is over, anywhere on earth.

An hour is named by its beginning in UTC (``2017-11-06T15:00Z``), a day, week or month by its first
day wherever the calendar of its limit is (``2017-11-06``).
"""

from __future__ import annotations

import datetime as dt

__all__ = ["over_by", "window_over"]

_HOUR = dt.timedelta(hours=1)
# a date may name a month, of 31 days, and begin half a day from midnight UTC; a day to be safe
_LONGEST = dt.timedelta(days=33)


def window_over(account: str) -> float | None:
    """When the calendar window of an account is over for certain; None: it has no calendar."""
    name = account.rpartition("|")[2]
    try:
        if len(name) == len("2017-11-06"):
            return (_at(name, "%Y-%m-%d") + _LONGEST).timestamp()
        return (_at(name, "%Y-%m-%dT%H:%MZ") + _HOUR).timestamp()
    except (ValueError, OverflowError):
        return None


def over_by(before: float) -> tuple[str, str]:
    """The last date and the last hour whose windows are over by a time; names sort by time."""
    moment = dt.datetime.fromtimestamp(before, dt.UTC)
    return f"{moment - _LONGEST:%Y-%m-%d}", f"{moment - _HOUR:%Y-%m-%dT%H:%MZ}"


def _at(name: str, form: str) -> dt.datetime:
    return dt.datetime.strptime(name, form).replace(tzinfo=dt.UTC)
