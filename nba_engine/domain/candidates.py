"""The candidates of one decision: columns over the surviving (treatment, placement) pairs."""

from __future__ import annotations

import msgspec
import numpy as np

from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.errors import StageFailed

__all__ = ["Candidates", "Drop"]


class Drop(msgspec.Struct, frozen=True, eq=False):
    """Candidates that fell out together: where, why, and with what they had by then."""

    stage: str
    reason: str
    index: IntArray
    slot: IntArray
    columns: dict[str, FloatArray]


class Candidates:
    """Columns aligned over the surviving candidates.

    ``index`` (n,) is the treatment index in the catalog, ``slot`` (n,) the position of the
    placement in the request. Further columns are float64 (n,), made on first assignment:
    ``propensity``, ``value``, ``cost``, ``weight``, ``lever``, ``score`` and any a stage adds.
    Every drop is remembered, so *why not* is always answerable.
    """

    __slots__ = ("_nothing", "columns", "drops", "index", "reason_codes", "slot", "stage", "total")

    def __init__(self, index: IntArray, slot: IntArray, nothing: BoolArray) -> None:
        self.index = index
        self.slot = slot
        self.total = len(index)
        self.columns: dict[str, FloatArray] = {}
        self.drops: list[Drop] = []
        self.stage = ""  # set by the pipeline before each stage
        self.reason_codes: dict[int, tuple[str, ...]] = {}  # treatment index → codes for the API
        self._nothing = nothing

    def __len__(self) -> int:
        return len(self.index)

    @property
    def nothing(self) -> BoolArray:
        """Which of the surviving candidates are *nothing*, (n,)."""
        return self._nothing[self.index]

    def __contains__(self, name: str) -> bool:
        return name in self.columns

    def __getitem__(self, name: str) -> FloatArray:
        return self.columns[name]

    def __setitem__(self, name: str, column: FloatArray) -> None:
        """Set a column. Raises `StageFailed` on a wrong length or type."""
        array = np.asarray(column)
        if array.dtype != np.float64:
            if array.dtype.kind not in "fiub":
                raise StageFailed(f"column {name!r} holds {array.dtype}, not numbers")
            array = array.astype(np.float64)
        if array.shape != self.index.shape:
            raise StageFailed(
                f"column {name!r} has shape {array.shape} for {len(self.index)} candidates"
            )
        self.columns[name] = array

    def keep(self, mask: BoolArray, reason: str) -> None:
        """Keep where ``mask`` (n,) is true; the others fall out for ``reason``."""
        self.drop(~mask, reason)

    def drop(self, mask: BoolArray, reason: str, *, spare_nothing: bool = True) -> None:
        """Drop where ``mask`` (n,) is true. *nothing* stays unless ``spare_nothing`` is false."""
        if mask.shape != self.index.shape or mask.dtype != np.bool_:
            raise StageFailed(f"mask of {mask.dtype} {mask.shape} for {len(self.index)} candidates")
        if spare_nothing:
            mask = mask & ~self.nothing
        out = np.flatnonzero(mask)
        if len(out) == 0:
            return
        stay = np.flatnonzero(~mask)
        columns = {name: column[out] for name, column in self.columns.items()}
        self.drops.append(Drop(self.stage, reason, self.index[out], self.slot[out], columns))
        self.index = self.index[stay]
        self.slot = self.slot[stay]
        for name, column in self.columns.items():
            self.columns[name] = column[stay]

    def add_reason(self, treatment: int, code: str) -> None:
        """Add a short reason code to whatever is recommended of this treatment."""
        codes = self.reason_codes.get(treatment, ())
        if code not in codes:
            self.reason_codes[treatment] = (*codes, code)
