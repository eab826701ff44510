"""Candidates that fell out, remembered so that explanations can say why."""

from __future__ import annotations

from functools import cached_property
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.bits import members, unpacked
from nba_engine.domain.by_treatment import ByTreatment
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
    before: IntArray | int  # the treatments before the drop; a bitset where ``code`` is one
    slot_before: IntArray  # as long, or longer where all are for one placement
    columns_before: Columns
    by_treatment: dict[str, ByTreatment]

    @cached_property
    def at(self) -> IntArray:
        """Where those that fell out stood among the candidates before the drop."""
        code = self.code
        before = self._index_before
        if isinstance(code, int):
            fallen = unpacked(code, int(before[-1]) + 1).view(np.bool_)[before]
        elif code.dtype == np.int8:
            fallen = code == self.number
        else:
            fallen = np.ones(len(before), dtype=np.bool_)
            fallen[code] = False
        places: IntArray = fallen.nonzero()[0]
        return places

    @cached_property
    def _index_before(self) -> IntArray:
        before = self.before
        return members(before, before.bit_length()) if isinstance(before, int) else before

    @cached_property
    def index(self) -> IntArray:
        """The treatment indices of those that fell out."""
        return self._index_before[self.at]

    @cached_property
    def slot(self) -> IntArray:
        """The positions of their placements in the request."""
        return self.slot_before[self.at]

    @cached_property
    def columns(self) -> Columns:
        """Their columns."""
        shared = {name: one.column[self.index] for name, one in self.by_treatment.items()}
        own = {name: column[self.at] for name, column in self.columns_before.items()}
        return {**shared, **own}
