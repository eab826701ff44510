"""A column of candidates that depends on the treatment alone."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nba_engine.domain.values import FloatArray
from nba_engine.errors import StageFailed

__all__ = ["ByTreatment"]

_DOUBLE = np.dtype(np.float64)


class ByTreatment:
    """``column`` (T,) float64 for the whole catalog, and ``number`` to read one of it by treatment index.

    ``listed`` keeps the numbers as a list, too: to read single ones takes a fraction of the time then. It
    is for what is made once per catalog and set in every decision. Raises `StageFailed` for another
    type or shape.
    """

    __slots__ = ("column", "number")

    def __init__(self, column: FloatArray, *, listed: bool = False) -> None:
        if column.dtype != _DOUBLE or column.ndim != 1:
            raise StageFailed(f"a column by treatment holds {column.dtype} {column.shape}")
        self.column = column
        self.number: Callable[[int], float] = column.tolist().__getitem__ if listed else column.item
