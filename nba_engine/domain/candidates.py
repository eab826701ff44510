"""The candidates of one decision: columns over the surviving (treatment, placement) pairs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.errors import StageFailed

__all__ = ["FINITE", "Candidates", "CandidatesMark", "Drop"]

# (index, slot, columns, number of drops, reason codes or None when there were none)
CandidatesMark: TypeAlias = tuple[
    IntArray, IntArray, dict[str, FloatArray], int, dict[int, tuple[str, ...]] | None
]

# columns that the next stages compute with: every number in them is finite
FINITE = frozenset({"propensity", "value", "weight", "lever", "cost", "score"})


class Drop(msgspec.Struct, frozen=True, eq=False):
    """Candidates that fell out together: where, why, and with what they had by then."""

    stage: str
    reason: str
    index: IntArray
    slot: IntArray
    before: dict[str, FloatArray]  # the columns of all candidates before the drop
    at: IntArray  # where those that fell out stood in them

    @property
    def columns(self) -> dict[str, FloatArray]:
        """The columns of those that fell out; gathered when asked for: only explanations do."""
        return {name: column.take(self.at) for name, column in self.before.items()}


class Candidates:
    """Columns aligned over the surviving candidates.

    ``index`` (n,) is the treatment index in the catalog, ``slot`` (n,) the position of the
    placement in the request. Further columns are float64 (n,), made on first assignment:
    ``propensity``, ``value``, ``cost``, ``weight``, ``lever``, ``score`` and any a stage adds.
    Every drop is remembered, so *why not* is always answerable. Arrays are read-only once they
    are here: a stage makes new ones, so that a failed stage can be undone (`mark`, `restore`).

    A column named in ``words`` holds reason codes: numbers of ``words[name]``, or -1 for none.
    It tells many candidates their reasons at once; `reasons` looks up what is recommended.
    """

    __slots__ = (
        "_columns",
        "_index",
        "_nothing",
        "_slot",
        "drops",
        "reason_codes",
        "stage",
        "total",
        "words",
    )

    def __init__(self, index: IntArray, slot: IntArray, nothing: BoolArray) -> None:
        index.flags.writeable = slot.flags.writeable = False
        self._index = index
        self._slot = slot
        self.total = len(index)
        self._columns: dict[str, FloatArray] = {}
        self.drops: list[Drop] = []
        self.stage = ""  # set by the pipeline before each stage
        self.reason_codes: dict[int, tuple[str, ...]] = {}  # treatment index → codes for the API
        self.words: dict[str, Sequence[str]] = {}
        self._nothing = nothing

    def __len__(self) -> int:
        return len(self._index)

    @property
    def index(self) -> IntArray:
        """Treatment index per surviving candidate, (n,). Only `drop` and `keep` change it."""
        return self._index

    @property
    def slot(self) -> IntArray:
        """Position of the placement in the request per surviving candidate, (n,)."""
        return self._slot

    @property
    def columns(self) -> Mapping[str, FloatArray]:
        """The columns by name, to read; assign one with ``candidates[name] = column``."""
        return MappingProxyType(self._columns)

    @property
    def nothing(self) -> BoolArray:
        """Which of the surviving candidates are *nothing*, (n,)."""
        return self._nothing[self._index]

    def __contains__(self, name: str) -> bool:
        return name in self._columns

    def __getitem__(self, name: str) -> FloatArray:
        return self._columns[name]

    def __setitem__(self, name: str, column: FloatArray) -> None:
        """Set a column. Raises `StageFailed` on a wrong length or type, and on NaN in `FINITE`."""
        array = np.asarray(column)
        if array.dtype != np.float64:
            if array.dtype.kind not in "fiub":
                raise StageFailed(f"column {name!r} holds {array.dtype}, not numbers")
            array = array.astype(np.float64)
        if array.shape != self._index.shape:
            raise StageFailed(
                f"column {name!r} has shape {array.shape} for {len(self._index)} candidates"
            )
        # x·x is the cheapest look at all numbers; it overflows above 1e154, hence the second look
        if name in FINITE and not np.dot(array, array) < np.inf and not np.isfinite(array).all():
            raise StageFailed(f"column {name!r} has values that are not finite")
        array.flags.writeable = False
        self._columns[name] = array

    def keep(self, mask: BoolArray, reason: str) -> None:
        """Keep where ``mask`` (n,) is true; the others fall out for ``reason``."""
        self.drop(~mask, reason)

    def drop(self, mask: BoolArray, reason: str, *, spare_nothing: bool = True) -> None:
        """Drop where ``mask`` (n,) is true. *nothing* stays unless ``spare_nothing`` is false."""
        if mask.shape != self._index.shape or mask.dtype != np.bool_:
            raise StageFailed(
                f"mask of {mask.dtype} {mask.shape} for {len(self._index)} candidates"
            )
        if spare_nothing:
            mask = mask & ~self.nothing
        out = mask.nonzero()[0]
        if len(out) == 0:
            return
        self._fall_out(out, reason)
        self._keep((~mask).nonzero()[0])

    def drop_each(self, code: NDArray[np.int8], reasons: Sequence[str]) -> None:
        """Drop for several reasons in one pass: ``code`` (n,) 0 stays, i falls out for reason i-1.

        *nothing* is not spared: the caller decides about it.
        """
        if code.shape != self._index.shape or code.dtype != np.int8:
            raise StageFailed(
                f"codes of {code.dtype} {code.shape} for {len(self._index)} candidates"
            )
        kept, *fallen = np.bincount(code, minlength=len(reasons) + 1).tolist()
        if kept == len(code):
            return
        for number, count in enumerate(fallen, 1):
            if count:
                self._fall_out((code == number).nonzero()[0], reasons[number - 1])
        self._keep((code == 0).nonzero()[0])

    def add_reason(self, treatment: int, code: str) -> None:
        """Add a short reason code to whatever is recommended of this treatment."""
        codes = self.reason_codes.get(treatment, ())
        if code not in codes:
            self.reason_codes[treatment] = (*codes, code)

    def reasons(self, position: int) -> tuple[str, ...]:
        """The reason codes of one surviving candidate."""
        codes = self.reason_codes.get(int(self._index[position]), ())
        for name, words in self.words.items():
            if name in self._columns and (number := int(self._columns[name][position])) >= 0:
                codes = (words[number], *codes)
        return codes

    def _fall_out(self, out: IntArray, reason: str) -> None:
        index, slot = self._index.take(out), self._slot.take(out)
        self.drops.append(Drop(self.stage, reason, index, slot, self._columns, out))

    def _keep(self, stay: IntArray) -> None:
        self._index = self._index.take(stay)
        self._slot = self._slot.take(stay)
        self._index.flags.writeable = self._slot.flags.writeable = False
        columns: dict[str, FloatArray] = {}  # a new one: drops keep the old
        for name, column in self._columns.items():
            kept = columns[name] = column.take(stay)
            kept.flags.writeable = False
        self._columns = columns

    def mark(self) -> CandidatesMark:
        """What `restore` needs to undo everything that follows."""
        return (
            self._index,
            self._slot,
            self._columns.copy(),
            len(self.drops),
            self.reason_codes.copy() if self.reason_codes else None,
        )

    def restore(self, mark: CandidatesMark) -> None:
        """Go back to a mark: drops, columns and reason codes since then are undone."""
        self._index, self._slot, columns, drops, codes = mark
        self._columns = columns.copy()
        del self.drops[drops:]
        self.reason_codes = {} if codes is None else codes.copy()

    def detached(self) -> Candidates:
        """A copy that shares no mutable part with this one (arrays are read-only)."""
        copy = Candidates(self._index, self._slot, self._nothing)
        copy.total = self.total
        copy._columns = self._columns.copy()
        copy.drops = self.drops.copy()
        copy.stage = self.stage
        copy.reason_codes = self.reason_codes.copy()
        copy.words = self.words.copy()
        return copy
