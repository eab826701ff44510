"""Candidates that fell out, remembered so that explanations can say why."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.bits import unpacked
from nba_engine.domain.values import FloatArray, IntArray

__all__ = ["Columns", "Drop", "Fallen"]

Columns: TypeAlias = dict[str, FloatArray]

# which fell out: those where an array of int8 has a certain number; all but those at some places, which
# ascend; or, of candidates for one placement, those of a bitset of treatments
Fallen: TypeAlias = NDArray[np.int8] | IntArray | int


class Drop(msgspec.Struct, frozen=True, eq=False, dict=True):
    """Candidates that fell out together: where, why, and with what they had by then.

    Which ones, and with what, is gathered when it is asked for: only explanations do.
    """

    stage: str
    reason: str
    count: int
    code: Fallen  # over the candidates before the drop
    number: int
    index_before: IntArray
    slot_before: IntArray
    columns_before: Columns
    by_treatment: Columns

    @cached_property
    def at(self) -> IntArray:
        """Where those that fell out stood among the candidates before the drop."""
        code = self.code
        if isinstance(code, int):
            index = self.index_before
            return unpacked(code, int(index[-1]) + 1).take(index).nonzero()[0]
        if code.dtype == np.int8:
            fallen = code == self.number
        else:
            fallen = np.ones(len(self.index_before), dtype=np.bool_)
            fallen[code] = False
        places: IntArray = fallen.nonzero()[0]
        return places

    @cached_property
    def index(self) -> IntArray:
        """The treatment indices of those that fell out."""
        return self.index_before.take(self.at)

    @cached_property
    def slot(self) -> IntArray:
        """The positions of their placements in the request."""
        return self.slot_before.take(self.at)

    @cached_property
    def columns(self) -> Columns:
        """Their columns."""
        shared = {name: column.take(self.index) for name, column in self.by_treatment.items()}
        own = {name: column.take(self.at) for name, column in self.columns_before.items()}
        return {**shared, **own}
