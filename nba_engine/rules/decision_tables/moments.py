"""Dates and times in cells: a bare date is the whole day, local to the table's time zone."""

from __future__ import annotations

import datetime as dt
import re
from zoneinfo import ZoneInfo

from nba_engine.rules.values import Timestamp

__all__ = ["read_moment", "spoken_range"]

_WRITTEN = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(?:\.\d{1,6})?(Z|[+-]\d\d:\d\d)?)?\Z", re.ASCII
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


def read_moment(text: str, zone: str) -> tuple[Timestamp, Timestamp] | None:
    """When it starts, and the first moment after it; for a time of day both are that moment.

    None when the text is neither ``2017-11-01`` nor ``2017-11-01T09:00:00``.
    """
    found = _WRITTEN.match(text)
    if found is None:
        return None
    here = ZoneInfo(zone)
    try:
        moment = dt.datetime.fromisoformat(text)
        if found[2] is None:
            start = moment.replace(tzinfo=here)
            return _stamp(start), _stamp((moment + dt.timedelta(days=1)).replace(tzinfo=here))
        exact = _stamp(moment if moment.tzinfo else moment.replace(tzinfo=here))
    except (ValueError, OverflowError):
        return None
    return exact, exact


def spoken_range(
    low: Timestamp | None, high: Timestamp | None, zone: str, *, open_low: bool, open_high: bool
) -> str:
    """A range of times as cells write it: days where it starts and ends with one."""
    here = ZoneInfo(zone)
    start = "" if low is None else _spoken(low, here)
    if high is None:
        return f"> {start}" if open_low else f">= {start}"
    end = _spoken(high, here)
    if open_high and "T" not in end:  # up to a midnight: the day before is the last one
        end = _spoken(Timestamp(int(high) - 3_600 * 10**9), here).partition("T")[0]
        open_high = False
    if low is None:
        return f"< {end}" if open_high else f"<= {end}"
    if not open_low and not open_high and start == end:
        return start
    return f"{'(' if open_low else ''}{start}..{end}{')' if open_high else ''}"


def _spoken(moment: Timestamp, zone: ZoneInfo) -> str:
    local = (_EPOCH + dt.timedelta(microseconds=int(moment) // 1000)).astimezone(zone)
    if local.time() == dt.time():
        return f"{local:%Y-%m-%d}"
    return local.replace(tzinfo=None).isoformat()


def _stamp(moment: dt.datetime) -> Timestamp:
    since = moment - _EPOCH
    return Timestamp((since.days * 86_400 + since.seconds) * 10**9 + since.microseconds * 1000)
