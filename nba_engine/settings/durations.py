"""Durations as they are written in settings and catalog."""

from __future__ import annotations

import re

from nba_engine.settings.convert import Unreadable, Written

__all__ = ["DURATION", "parse_duration", "write_duration"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_PATTERN = r"^(?:\d+(?:\.\d+)?[smhdw])+$"
_DURATION = re.compile(_PATTERN)
_PIECE = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")


def parse_duration(value: object) -> float:
    """``"91d"``, ``"12h"``, ``"30m"``, ``"45s"``, ``"2w"``, ``"1d12h"`` as seconds."""
    if not isinstance(value, str) or not _DURATION.match(value):
        shown = repr(value) if isinstance(value, str | int | float) else "this"
        raise Unreadable(
            f"{shown} is not a duration",
            'write a number and s, m, h, d or w in quotes: "7d", "1d12h"',
        )
    return sum(float(number) * _UNITS[unit] for number, unit in _PIECE.findall(value))


def write_duration(seconds: float) -> str:
    """Seconds as a duration in the largest unit that fits: ``"14d"``."""
    for unit, size in sorted(_UNITS.items(), key=lambda pair: -pair[1]):
        if unit != "w" and seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


# how fields that hold seconds are written
DURATION = Written(parse_duration, {"type": "string", "pattern": _PATTERN}, write_duration)
