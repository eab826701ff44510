"""Durations as they are written in settings and catalog."""

from __future__ import annotations

import re

from nba_engine.settings.convert import Unreadable

__all__ = ["parse_duration"]

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION = re.compile(r"^(?:\d+(?:\.\d+)?[smhdw])+$")
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
