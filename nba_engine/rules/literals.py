"""Literal timestamps, durations, time zones and regular expressions, checked at load."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import re2

from nba_engine.rules.values import Duration, Failed, Timestamp

__all__ = ["matcher", "parse_duration", "parse_timestamp", "parse_zone", "wall_clock"]

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))\Z"
)
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)")
_UNITS = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 1000, "µs": 1000}
_LONGEST = 315_576_000_000 * 10**9  # nanoseconds: CEL's 10,000 years
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def parse_timestamp(text: str) -> Timestamp | None:
    """``2017-11-06T00:00:00Z`` → timestamp; None when it is none."""
    found = _RFC3339.match(text)
    if not found:
        return None
    try:
        moment = datetime(*(int(part) for part in found.groups()[:6]), tzinfo=UTC)  # type: ignore[arg-type,misc]
        offset = timedelta(hours=int(found[9] or 0), minutes=int(found[10] or 0))
        moment = moment + offset if found[8] == "-" else moment - offset
    except (ValueError, OverflowError):
        return None
    seconds = round((moment - _EPOCH).total_seconds())
    return Timestamp(seconds * 10**9 + int((found[7] or "0").ljust(9, "0")))


def parse_duration(text: str) -> Duration | None:
    """``90m``, ``1h30m``, ``-1.5s`` → duration; None when it is none."""
    sign = -1 if text.startswith("-") else 1
    rest = text[1:] if text[:1] in {"-", "+"} else text
    if rest == "0":
        return Duration(0)
    parts = _PART.findall(rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        return None
    total = 0
    for number, unit in parts:
        whole, _, fraction = number.partition(".")
        scale = _UNITS.get(unit, 1)
        total += int(whole or 0) * scale
        if fraction:
            total += int(fraction) * scale // 10 ** len(fraction)
    return Duration(sign * total) if total <= _LONGEST else None


def parse_zone(text: str) -> tzinfo | None:
    """``America/New_York``, ``UTC`` or ``-05:00`` → time zone; None when there is none."""
    found = re.match(r"([+-]?)(\d\d):(\d\d)\Z", text)
    if found:
        offset = timedelta(hours=int(found[2]), minutes=int(found[3]))
        if offset >= timedelta(hours=24):
            return None
        return timezone(-offset if found[1] == "-" else offset)
    try:
        return ZoneInfo(text)
    except (OSError, ValueError, LookupError):
        return None


def wall_clock(moment: Timestamp, zone: tzinfo) -> datetime:
    """The local date and time. Raises `Failed` beyond the years 1 to 9999."""
    try:
        return (_EPOCH + timedelta(microseconds=int(moment) // 1000)).astimezone(zone)
    except OverflowError:
        raise Failed from None


def matcher(pattern: str) -> Callable[[str], bool] | str:
    """A test whether a text contains a match (RE2, linear time), or what is wrong with it."""
    options = re2.Options()
    options.log_errors = False
    try:
        search = re2.compile(pattern, options=options).search
    except re2.error as error:
        text = error.args[0] if error.args else "not a regular expression"
        return text.decode() if isinstance(text, bytes) else str(text)

    def found(text: str) -> bool:
        try:
            return search(text) is not None
        except UnicodeEncodeError:  # half a surrogate pair is no text for RE2
            raise Failed from None

    return found
