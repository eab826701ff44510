"""Bitsets over treatments (Python integers) as numpy arrays."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["unpacked"]


def unpacked(bits: int, size: int) -> NDArray[np.uint8]:
    """0 or 1 per bit, lowest first, (size rounded up to whole bytes,)."""
    raw = np.frombuffer(bits.to_bytes((size + 7) // 8, "little"), dtype=np.uint8)
    return np.unpackbits(raw, None, None, "little")  # by position: names take twice the time
