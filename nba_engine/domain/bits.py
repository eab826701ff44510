"""Small sets of numbers: as bitsets (Python integers), to and from numpy arrays, and looked up."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.values import BoolArray, IntArray

__all__ = ["bitset", "is_among", "members", "unpacked"]

_BYTE, _BOOL = np.dtype(np.uint8), np.dtype(np.bool_)


def unpacked(bits: int, size: int) -> NDArray[np.uint8]:
    """0 or 1 per bit, lowest first, (size rounded up to whole bytes,)."""
    raw = np.frombuffer(bits.to_bytes((size + 7) // 8, "little"), _BYTE)
    return np.unpackbits(raw, None, None, "little")  # by position: names take twice the time


def members(bits: int, size: int) -> IntArray:
    """The places of the bits that are set, ascending; all are below ``size``."""
    return unpacked(bits, size).view(_BOOL).nonzero()[0]  # faster than of numbers


def bitset(among: BoolArray) -> int:
    """The bitset of the places where ``among`` is true."""
    return int.from_bytes(np.packbits(among, None, "little").tobytes(), "little")


def is_among(numbers: IntArray, few: Collection[int], below: int) -> BoolArray:
    """Which of the numbers are among a few, (n,); all of both are from 0 to ``below`` - 1.

    A tenth of what `numpy.isin` takes for hundreds: it would look for the least and the greatest first.
    """
    found = np.zeros(below, _BOOL)
    found[list(few)] = True
    return found[numbers]
