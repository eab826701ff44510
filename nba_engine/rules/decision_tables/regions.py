"""What cells hold for, as sets: the constants of a column split its values into regions.

A set is an integer. Bit 0 stands for a missing value; the others for the regions: of ordered
values below the first constant, on it, between it and the second, and so on; of words each word,
and any other. A list or map has several words at once: one more region stands for whatever has all
words of the column, so that ``dairy`` is no part of ``!wine``.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

from nba_engine.rules.decision_tables.cells import ORDERED, Cell, Range
from nba_engine.rules.decision_tables.conditions import Column
from nba_engine.rules.decision_tables.moments import spoken_range

__all__ = ["Regions"]

MISSING = 1


class Regions:
    """The values of one column, split by what its cells speak of."""

    def __init__(self, column: Column, cells: Iterable[Cell], zone: str) -> None:
        self.kind = column.kind
        self.ordered = self.kind in ORDERED and "<" not in column.subject.type
        self.zone = zone
        items = [item for cell in cells for item in cell.items]
        ends = {end for item in items for end in (item.low, item.high) if end is not None}
        self.constants: list[Any] = sorted(ends)
        count = 2 * len(self.constants) + 1 if self.ordered else len(self.constants) + 1
        self._several = 0
        if "<" in column.subject.type:
            self._several = 2 << count
            count += 1
        if self.kind == "bool":
            self.constants, count = [False, True], 2
        self.present = ((1 << count) - 1) << 1
        for number in self._impossible():
            self.present &= ~(2 << number)
        self.everything = self.present | MISSING

    def _impossible(self) -> Iterable[int]:
        """Regions between neighboring whole numbers hold nothing."""
        if not self.ordered or self.kind == "double":
            return ()
        pairs = zip(self.constants, self.constants[1:], strict=False)
        return [2 * (i + 1) for i, (low, high) in enumerate(pairs) if high - low <= 1]

    def of(self, cell: Cell) -> int:
        """What a cell holds for."""
        if cell.anything:
            return self.everything
        found = 0
        for item in cell.items:
            found |= self._range(item) if self.ordered else 2 << self._position(item.low)
        if cell.items:
            found |= self._several
        if cell.negated:
            found = ~found
        return (found & self.present) | (MISSING if cell.missing else 0)

    def _range(self, item: Range) -> int:
        last = 2 * len(self.constants)
        start = 0 if item.low is None else 2 * self._position(item.low) + 2 - item.with_low
        end = last if item.high is None else 2 * self._position(item.high) + item.with_high
        return ((4 << end) - 1) & ~((2 << start) - 1)

    def _position(self, constant: Any) -> int:
        return bisect_left(self.constants, constant)

    def shared(self, one: int, other: int) -> int:
        """What two sets have in common; nothing where two ranges only meet at a number.

        Nor where lists would have to hold words of both: rows for different words are meant so.
        """
        common = one & other
        if common == self._several:
            return 0
        if self.ordered and self.kind != "int" and common not in {one, other}:
            numbers = _numbers(common >> 1)
            if not common & MISSING and all(number % 2 for number in numbers):
                return 0
        return common

    def gaps(self, covered: int) -> int:
        """What lies between regions that are covered, and is not."""
        if not self.ordered or not covered >> 1:
            return 0
        regions = covered & ~MISSING
        lowest = (regions & -regions).bit_length() - 1
        between = ((1 << regions.bit_length()) - 1) & ~((1 << lowest) - 1)
        return between & ~regions & self.present

    def spoken(self, found: int) -> str:
        """A set as cells write it."""
        words = ["missing"] if found & MISSING else []
        numbers = _numbers((found & ~self._several) >> 1)
        if self.ordered:
            words += [self._spoken_run(first, last) for first, last in self._runs(numbers)]
        elif found & self.present == self.present:
            words.append("anything")
        else:
            known = [n for n in numbers if n < len(self.constants)]
            words += [_written(self.constants[n]) for n in known]
            words += ["others"] * (len(known) < len(numbers))
        shown = words[:6]
        return ", ".join(shown) + (", …" if len(words) > len(shown) else "")

    def _runs(self, numbers: Sequence[int]) -> list[tuple[int, int]]:
        """Neighboring regions as one; what cannot be does not part them."""
        runs: list[tuple[int, int]] = []
        for number in numbers:
            if runs:
                between = range(runs[-1][1] + 1, number)
                if not any(self.present >> n + 1 & 1 for n in between):
                    runs[-1] = runs[-1][0], number
                    continue
            runs.append((number, number))
        return runs

    def _spoken_run(self, first: int, last: int) -> str:
        low = None if first == 0 else self.constants[(first - 1) // 2]
        high = None if last == 2 * len(self.constants) else self.constants[last // 2]
        open_low, open_high = first % 2 == 0, last % 2 == 0
        if low is None and high is None:
            return "anything"
        if self.kind == "timestamp":
            return spoken_range(low, high, self.zone, open_low=open_low, open_high=open_high)
        if self.kind == "int":
            low = None if low is None else low + open_low
            high = None if high is None else high - open_high
            open_low = open_high = False
        if high is None:
            return f"{'>' if open_low else '>='} {_written(low)}"
        if low is None:
            return f"{'<' if open_high else '<='} {_written(high)}"
        if low == high:
            return _written(low)
        start, end = "(" if open_low else "", ")" if open_high else ""
        if (open_low or open_high) and not (start and end):
            start, end = start or "[", end or "]"
        return f"{start}{_written(low)}..{_written(high)}{end}"


def _numbers(found: int) -> list[int]:
    return [number for number in range(found.bit_length()) if found >> number & 1]


def _written(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value)
