"""The candidates of one decision: columns over the surviving (treatment, placement) pairs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from types import MappingProxyType
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from nba_engine.domain.bits import members, unpacked
from nba_engine.domain.by_treatment import ByTreatment
from nba_engine.domain.drop import Columns, Drop, Fallen
from nba_engine.domain.values import BoolArray, FloatArray, IntArray
from nba_engine.errors import StageFailed

__all__ = ["FINITE", "Candidates", "CandidatesMark"]

# (index, or None while it is not gathered from the units, slot, columns, columns by treatment, number of
# drops, reason codes or None without any, units)
CandidatesMark: TypeAlias = tuple[
    IntArray | None,
    IntArray,
    Columns,
    dict[str, ByTreatment],
    int,
    dict[int, tuple[str, ...]] | None,
    int | None,
]

_DOUBLE, _BOOL, _CODE = np.dtype(np.float64), np.dtype(np.bool_), np.dtype(np.int8)
# `setflags(False)`, by position: done 16 times per decision, and ``write=False`` takes twice the
# time (numpy's stub knows the keyword only)
_set_writeable: Callable[[NDArray[Any], bool], None] = cast("Any", np.ndarray.setflags)
# columns that the next stages compute with: every number in them is finite
FINITE = frozenset({"propensity", "effect", "value", "weight", "lever", "cost", "score"})


class Candidates:
    """Columns aligned over the surviving candidates.

    ``index`` (n,) is the treatment index in the catalog, ``slot`` (n,) the position of the
    placement in the request. Further columns are float64 (n,), made on first assignment:
    ``propensity``, ``value``, ``cost``, ``weight``, ``lever``, ``score`` and any a stage adds.
    Columns that depend on the treatment alone are set with `share`: they cost nothing until
    somebody reads them. Every drop is remembered, so *why not* is always answerable. Arrays are
    read-only once they are here: a stage makes new ones, so that a failed stage can be undone
    (`mark`, `restore`).

    A column named in ``words`` holds reason codes: numbers of ``words[name]``, or -1 for none.
    It tells many candidates their reasons at once; `reasons` looks up what is recommended.
    ``one_place`` says that all of them are for one placement: any part of ``slot`` will do then.
    ``units`` are their treatments as a bitset, if they are for one placement and in the order of the
    catalog: before there are columns, rules need not look at the candidates one by one (`keep_units`).
    """

    __slots__ = (
        "_by_treatment",
        "_columns",
        "_index",
        "_nothing",
        "_one_place",
        "_slot",
        "_units",
        "drops",
        "reason_codes",
        "stage",
        "total",
        "words",
    )

    def __init__(
        self,
        index: IntArray,
        slot: IntArray,
        nothing: BoolArray,
        *,
        one_place: bool = False,
        units: int | None = None,
    ) -> None:
        _set_writeable(index, False)
        _set_writeable(slot, False)
        # None while nobody has asked for it since `keep_units`: then ``_units`` tells it, and ``_slot`` may be
        # too long
        self._index: IntArray | None = index
        self._slot = slot
        self._one_place = one_place
        self._units = units
        self.total = len(index)
        # replaced when a column is set, never changed: drops and marks keep what was there
        self._columns: Columns = {}
        self._by_treatment: dict[str, ByTreatment] = {}
        self.drops: list[Drop] = []
        self.stage = ""  # set by the pipeline before each stage
        self.reason_codes: dict[int, tuple[str, ...]] = {}  # treatment index → codes for the API
        self.words: dict[str, Sequence[str]] = {}
        self._nothing = nothing

    def __len__(self) -> int:
        return len(self.index)

    @property
    def index(self) -> IntArray:
        """Treatment index per surviving candidate, (n,). Only `drop` and `keep` change it."""
        index = self._index
        return self._gathered() if index is None else index

    @property
    def slot(self) -> IntArray:
        """Position of the placement in the request per surviving candidate, (n,)."""
        if self._index is None:
            self._gathered()
        return self._slot

    @property
    def columns(self) -> Mapping[str, FloatArray]:
        """The columns by name, to read; assign one with ``candidates[name] = column``."""
        shared = {name: self[name] for name in self._by_treatment}
        return MappingProxyType({**shared, **self._columns})

    @property
    def nothing(self) -> BoolArray:
        """Which of the surviving candidates are *nothing*, (n,)."""
        return self._nothing[self.index]

    @property
    def units(self) -> int | None:
        """The treatments of the surviving candidates as a bitset, while it is known."""
        return self._units

    def __contains__(self, name: str) -> bool:
        return name in self._columns or name in self._by_treatment

    def __getitem__(self, name: str) -> FloatArray:
        column = self._columns.get(name)
        return self._by_treatment[name].column[self.index] if column is None else column

    def __setitem__(self, name: str, column: FloatArray) -> None:
        """Set a column. Raises `StageFailed` on a wrong length or type, and on NaN in `FINITE`.

        A ``propensity`` outside [0, 1] is refused, too. A view of a larger array is copied: whoever
        has that array goes on writing into it.
        """
        array = np.asarray(column)
        if array.dtype != _DOUBLE:
            if array.dtype.kind not in "fiub":
                raise StageFailed(f"column {name!r} holds {array.dtype}, not numbers")
            array = array.astype(np.float64)
        if array.shape != self.index.shape:
            raise StageFailed(f"column {name!r} has shape {array.shape} for {len(self)} candidates")
        if name == "propensity":
            if array.size and not _are_probabilities(array):
                raise StageFailed("column 'propensity' has values outside of [0, 1]")
        # x·x is the cheapest look at all numbers; it overflows above 1e154, hence the second look
        elif name in FINITE and not array.dot(array) < np.inf and not np.isfinite(array).all():
            raise StageFailed(f"column {name!r} has values that are not finite")
        if array.base is not None:
            array = array.copy()
        _set_writeable(array, False)
        self._columns = {**self._columns, name: array}

    def share(self, name: str, by_treatment: FloatArray) -> None:
        """Set a column that depends on the treatment alone, as (T,) float64 for the whole catalog.

        The array is kept, not looked at: whoever computed it, once per catalog, saw to it that
        the numbers of a column in `FINITE` are finite. Assigning the column replaces it.
        """
        self.share_all({name: ByTreatment(by_treatment)})

    def share_all(self, by_treatment: Mapping[str, ByTreatment]) -> None:
        """`share` for several columns at once: cheaper, for stages that set them every time."""
        columns = self._columns
        if not columns.keys().isdisjoint(by_treatment):
            self._columns = {n: column for n, column in columns.items() if n not in by_treatment}
        size = len(self._nothing)
        for name, one in by_treatment.items():
            if len(one.column) != size:
                raise StageFailed(
                    f"column {name!r} has {len(one.column)} numbers for {size} treatments"
                )
        self._by_treatment = {**self._by_treatment, **by_treatment}

    def number(self, name: str, position: int) -> float:
        """The number of one surviving candidate in a column."""
        column = self._columns.get(name)
        if column is None:
            return self._by_treatment[name].number(self.index.item(position))
        return column.item(position)

    def rows(
        self, positions: Sequence[int], columns: Mapping[str, float]
    ) -> list[tuple[float, ...]]:
        """The numbers of some surviving candidates in ``columns`` (name → what is told without it)."""
        own, by_treatment = self._columns, self._by_treatment
        units = list(map(self.index.item, positions))
        table: list[Iterable[float]] = []
        for name, default in columns.items():
            if name in own:
                table.append(map(own[name].item, positions))
            elif name in by_treatment:
                table.append(map(by_treatment[name].number, units))
            else:
                table.append(repeat(default, len(units)))
        return list(zip(*table, strict=True))

    def keep(self, mask: BoolArray, reason: str, *, spare_nothing: bool = True) -> None:
        """Keep where ``mask`` (n,) is true; the others fall out for ``reason``.

        *nothing* stays, too, unless ``spare_nothing`` is false.
        """
        self._check(mask)
        if spare_nothing:
            mask = mask | self._nothing[self.index]
        stay = mask.nonzero()[0]
        count = len(mask) - len(stay)
        if count:
            _set_writeable(mask, False)  # and so will be the view of it
            self._fall_out(mask.view(_CODE), self.index, 0, count, reason)
            self._keep(stay)

    def keep_units(self, passing: int, reason: str) -> None:
        """Keep what is of the treatments in ``passing``, a bitset; the others fall out for ``reason``.

        *nothing* is not spared.
        """
        size = len(self._nothing)
        units = self._units
        if units is None or self._columns:
            mask = unpacked(passing, size).view(np.bool_)[self.index]
            self.keep(mask, reason, spare_nothing=False)
            return
        stay = units & passing
        fallen = units ^ stay
        if fallen:
            self._fall_out(fallen, units, 1, fallen.bit_count(), reason)
            self._index = None
            self._units = stay

    def drop(self, mask: BoolArray, reason: str, *, spare_nothing: bool = True) -> None:
        """Drop where ``mask`` (n,) is true. *nothing* stays unless ``spare_nothing`` is false."""
        self._check(mask)  # before it is negated: the opposite of a number is another one
        self.keep(~mask, reason, spare_nothing=spare_nothing)

    def _check(self, mask: BoolArray) -> None:
        if mask.shape != self.index.shape or mask.dtype != _BOOL:
            raise StageFailed(f"mask of {mask.dtype} {mask.shape} for {len(self)} candidates")

    def drop_each(self, code: NDArray[np.int8], reasons: Sequence[str]) -> None:
        """Drop for several reasons in one pass: ``code`` (n,) 0 stays, i falls out for reason i-1.

        *nothing* is not spared: the caller decides about it.
        """
        if code.shape != self.index.shape or code.dtype != _CODE:
            raise StageFailed(f"codes of {code.dtype} {code.shape} for {len(self)} candidates")
        stay = (code == 0).nonzero()[0]
        left = len(code) - len(stay)
        if not left:
            return
        _set_writeable(code, False)
        for number, reason in enumerate(reasons, 1):
            count = int(np.count_nonzero(code == number))
            if count:
                self._fall_out(code, self.index, number, count, reason)
                left -= count
                if not left:
                    break
        if left:
            raise StageFailed(f"{left} codes name none of {len(reasons)} reasons")
        self._keep(stay)

    def keep_only(self, positions: Sequence[int], reason: str) -> None:
        """Drop all but a few for one reason. *nothing* is not spared, either."""
        stay: IntArray = np.array(sorted(positions), dtype=np.intp)
        _set_writeable(stay, False)
        index = self.index
        self._fall_out(stay, index, 0, len(index) - len(stay), reason)
        self._keep(stay)

    def add_reason(self, treatment: int, code: str) -> None:
        """Add a short reason code to whatever is recommended of this treatment."""
        codes = self.reason_codes.get(treatment, ())
        if code not in codes:
            self.reason_codes[treatment] = (*codes, code)

    def reasons(self, position: int) -> tuple[str, ...]:
        """The reason codes of one surviving candidate."""
        codes = self.reason_codes.get(self.index.item(position), ())
        for name, words in self.words.items():
            if name in self and (number := int(self.number(name, position))) >= 0:
                codes = (words[number], *codes)
        return codes

    def _fall_out(
        self, code: Fallen, before: IntArray | int, number: int, count: int, reason: str
    ) -> None:
        self.drops.append(
            Drop(
                self.stage,
                reason,
                count,
                code,
                number,
                before,
                self._slot,
                self._columns,
                self._by_treatment,
            )
        )

    def _gathered(self) -> IntArray:
        units = self._units
        assert units is not None  # one of them is always there
        index = self._index = members(units, len(self._nothing))
        _set_writeable(index, False)
        self._slot = self._slot[: len(index)]  # a view, read-only as the whole
        return index

    def _keep(self, stay: IntArray) -> None:
        index = self._index = self.index[stay]
        self._units = None
        _set_writeable(index, False)
        if self._one_place:
            self._slot = self._slot[: len(stay)]  # a view, read-only as the whole
        else:
            self._slot = self._slot[stay]
            _set_writeable(self._slot, False)
        columns: Columns = {}
        for name, column in self._columns.items():
            kept = columns[name] = column[stay]
            _set_writeable(kept, False)
        self._columns = columns

    def mark(self) -> CandidatesMark:
        """What `restore` needs to undo everything that follows."""
        return (
            self._index,
            self._slot,
            self._columns,
            self._by_treatment,
            len(self.drops),
            self.reason_codes.copy() if self.reason_codes else None,
            self._units,
        )

    def restore(self, mark: CandidatesMark) -> None:
        """Go back to a mark: drops, columns and reason codes since then are undone."""
        self._index, self._slot, self._columns, self._by_treatment, drops, codes, self._units = mark
        del self.drops[drops:]
        self.reason_codes = {} if codes is None else codes.copy()

    def detached(self) -> Candidates:
        """A copy that shares no mutable part with this one (arrays are read-only)."""
        copy = Candidates(
            self.index, self._slot, self._nothing, one_place=self._one_place, units=self._units
        )
        copy.total = self.total
        copy._columns = self._columns
        copy._by_treatment = self._by_treatment
        copy.drops = self.drops.copy()
        copy.stage = self.stage
        copy.reason_codes = self.reason_codes.copy()
        copy.words = self.words.copy()
        return copy


def _are_probabilities(array: FloatArray) -> bool:
    """Whether all are in [0, 1]. A NaN counts as the least; to find places is cheaper than min."""
    return array.item(array.argmin()) >= 0.0 and array.item(array.argmax()) <= 1.0
