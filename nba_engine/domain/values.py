"""Plain values: what attributes, context and properties may hold; money; arrays."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LARGEST_AMOUNT",
    "MICROS",
    "BoolArray",
    "FloatArray",
    "IntArray",
    "Value",
    "Values",
    "to_micros",
]

# JSON-like: str | int | float | bool | list[str | float ...] | dict[str, ...]. Times are float
# seconds since the epoch (UTC). null never gets in: it is dropped when profiles are normalized.
Value: TypeAlias = Any
Values: TypeAlias = Mapping[str, Value]

BoolArray: TypeAlias = NDArray[np.bool_]
FloatArray: TypeAlias = NDArray[np.float64]
IntArray: TypeAlias = NDArray[np.intp]

MICROS = 1_000_000  # one unit of the catalog's currency
# of money or contacts; expressions over what callers send may come to more, and count as this
# (amounts of limits) or as no value (values of actions): micros have to fit 64 bits
LARGEST_AMOUNT = 1e12


def to_micros(amount: float) -> int:
    """Money as whole micros of the catalog's currency (rounded to nearest)."""
    return round(amount * MICROS)
