"""What became of a batch of what was too old to be kept."""

from __future__ import annotations

import msgspec

__all__ = ["Forgotten", "ForgottenWindows"]


class Forgotten(msgspec.Struct, frozen=True, kw_only=True):
    """How many were forgotten. ``more`` is where to go on, of ``last`` in all; 0: that was the end."""

    count: int
    more: int = 0
    last: int = 0


class ForgottenWindows(msgspec.Struct, frozen=True, kw_only=True):
    """How many accounts were forgotten. ``more`` is where to go on; "": that was the end."""

    count: int
    more: str = ""
