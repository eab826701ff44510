"""The language of cells: ``18..65``, ``> 90``, ``DE, AT``, ``!wine``, ``missing, 18..``, ``-``."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

import msgspec

from nba_engine.rules.decision_tables.moments import read_moment
from nba_engine.rules.schema import element_type
from nba_engine.rules.values import INT_MAX, INT_MIN

__all__ = ["Cell", "CellError", "Range", "kind_of_cells", "read_cell"]

LONGEST_CELL = 2_000  # characters
MOST_ITEMS = 1_000
ORDERED = frozenset({"int", "double", "timestamp"})
_EXAMPLES = {
    "string": "DE, AT or !DE",
    "bool": "true or false",
    "int": "18..65, > 90 or 1, 2",
    "double": "0.5..9.5, > 90 or [0..50)",
    "timestamp": "2017-11-01..2017-11-30 or >= 2017-11-01",
}

_ITEM = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([^,"'\s][^,]*?))\s*(,|\Z)""")
_RANGE = re.compile(r"([\[(]?)\s*([^\[\](),]*?)\s*\.\.\s*([^\[\](),]*?)\s*([\])]?)\Z", re.DOTALL)
_COMPARED = re.compile(r"(<=|>=|<|>|≤|≥)\s*(.*)\Z", re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?([eE][+-]?\d+)?\Z", re.ASCII)
_DASHED = re.compile(r"([+-]?[\d.]+)\s*[-–—]\s*([\d.]+)\Z", re.ASCII)


class CellError(ValueError):
    """A cell cannot be read: what is wrong with it, and what to write."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Range(msgspec.Struct, frozen=True):
    """From ``low`` to ``high``, None being open; one value is a range from it to itself."""

    low: Any
    high: Any
    with_low: bool = True
    with_high: bool = True

    @property
    def is_point(self) -> bool:
        return self.low is not None and self.low == self.high


class Cell(msgspec.Struct, frozen=True):
    """What a cell asks for: ``items`` (any of them) or, ``negated``, none of them.

    ``missing``: a missing value will do, too. Without items a value that is there will not do, or
    with ``negated`` any that is there. ``anything``: ``-``.
    """

    text: str
    items: tuple[Range, ...] = ()
    negated: bool = False
    missing: bool = False
    anything: bool = False


def kind_of_cells(type_: str) -> str:
    """The type of the values in cells of a column of that type, "" when it cannot have cells."""
    inner = element_type(type_)
    kind = "string" if type_.startswith("map<") else inner or type_
    if type_.startswith("list<") and inner not in {"string", "int", "double"}:
        return ""
    return kind if kind in _EXAMPLES else ""


def read_cell(text: str, type_: str, zone: str) -> Cell:
    """The cell of a column of ``type_`` (a type of `Schema`). Raises `CellError`."""
    kind = kind_of_cells(type_)
    if len(text) > LONGEST_CELL:
        raise CellError(f"{len(text):,} characters, {LONGEST_CELL:,} at most", "use several rows")
    shown = " ".join(text.split())
    if shown == "-":
        return Cell(shown, anything=True)
    rest, missing, negated = text.strip(), False, False
    if not rest:
        raise CellError("the cell is empty", "write - if any value will do")
    if found := re.match(r"missing\s*(?:,|\Z)", rest):
        missing, rest = True, rest[found.end() :].strip()
        if not rest:
            return Cell(shown, missing=True)
    if rest.startswith("!"):
        negated, rest = True, rest[1:].strip()
        if rest == "missing":
            if missing:
                raise CellError("missing or not missing is anything", "write -")
            return Cell(shown, negated=True)
    read = _Reader(kind, zone, of_container=bool(element_type(type_)))
    items = tuple(read.item(word, quoted=quoted) for word, quoted in _words(rest))
    if len(items) > MOST_ITEMS:
        raise CellError(f"{len(items):,} items, {MOST_ITEMS:,} at most", "use several rows")
    if kind == "bool" and len(set(items)) > 1:
        raise CellError("true or false is anything", "write -")
    return Cell(shown, items, negated=negated, missing=missing)


def _words(text: str) -> list[tuple[str, bool]]:
    """The items between commas, and whether each is in quotes."""
    words: list[tuple[str, bool]] = []
    position, more = 0, True
    while more:
        found = _ITEM.match(text, position)
        if found is None:
            rest = text[position:].strip()
            if rest[:1] in {'"', "'"} and rest[0] in rest[1:]:
                raise CellError("there is something behind the quotes", "put commas between items")
            if rest[:1] in {'"', "'"}:
                raise CellError(f"the quote {rest[0]} is not closed", "close it")
            raise CellError("an item is empty", "write something between the commas")
        bare = found[3]
        words.append((bare, False) if bare is not None else (found[1] or found[2] or "", True))
        position, more = found.end(), found[4] == ","
    return words


class _Reader:
    """Reads the items of one cell."""

    def __init__(self, kind: str, zone: str, *, of_container: bool) -> None:
        self.kind = kind
        self.zone = zone
        self.of_container = of_container

    def item(self, word: str, *, quoted: bool) -> Range:
        if not quoted:
            if word == "missing":
                raise CellError("missing comes first", "write missing, …")
            if word.startswith("!"):
                raise CellError("! comes first: none of what follows", "write !a, b for neither")
            if word == "-":
                raise CellError("- stands alone: anything", "put it in quotes if it is a value")
        if self.kind == "string":
            return self.text(word, quoted=quoted)
        if quoted:
            raise CellError(f"{word!r} is text, not {_article(self.kind)}", "leave the quotes out")
        if self.kind == "bool":
            if word.lower() not in {"true", "false"}:
                raise self.unreadable(word)
            return Range(word.lower() == "true", word.lower() == "true")
        if self.of_container:
            return self.one(word)
        return self.several(word)

    def text(self, word: str, *, quoted: bool) -> Range:
        if not quoted:
            if self.of_container:
                word = re.sub(r"\Ahas\s+", "", word)
            if word[:1] in {"<", ">", "=", "≤", "≥"} or ".." in word:
                raise CellError(
                    f"{word!r}: text is not compared by its order",
                    "put it in quotes if it is meant as it stands",
                )
        return Range(word, word)

    def several(self, word: str) -> Range:
        """A value, a comparison or a range of an ordered type."""
        if found := _COMPARED.match(word):
            return self.compared(found[1].replace("≤", "<=").replace("≥", ">="), found[2])
        if found := _RANGE.match(word):
            return self.between(word, *found.groups())
        return self.one(word)

    def one(self, word: str) -> Range:
        if self.kind == "timestamp":
            start, end = self.moment(word)
            return Range(start, end, with_high=start == end)
        number = self.number(word)
        return Range(number, number)

    def compared(self, operator: str, word: str) -> Range:
        start, end = self.ends(word)
        whole_day = start != end  # then `end` is the first moment after it
        if operator == ">":
            return Range(end, None, with_low=whole_day)
        if operator == ">=":
            return Range(start, None)
        if operator == "<":
            return Range(None, start, with_high=False)
        return Range(None, end, with_high=not whole_day)

    def between(self, word: str, opening: str, low: str, high: str, closing: str) -> Range:
        if not low and not high:
            raise CellError(f"{word!r} is anything", "write -")
        start = self.ends(low) if low else (None, None)
        end = self.ends(high) if high else (None, None)
        days = (start[0] != start[1], end[0] != end[1])
        after, before = opening == "(", closing == ")"
        found = Range(
            start[1] if after else start[0],
            end[0] if before else end[1],
            with_low=not after or days[0],
            with_high=not before and not days[1],
        )
        if found.low is None or found.high is None:
            return found
        if found.high < found.low:
            raise CellError(f"{word!r} ends before it starts", "exchange the two")
        if not _holds_something(found, self.kind):
            raise CellError(f"there is nothing in {word!r}", "use square brackets, or none")
        return found

    def ends(self, word: str) -> tuple[Any, Any]:
        """A number twice, or where a day starts and ends."""
        if self.kind == "timestamp":
            return self.moment(word)
        number = self.number(word)
        return number, number

    def moment(self, word: str) -> tuple[Any, Any]:
        found = read_moment(word, self.zone)
        if found is None:
            raise self.unreadable(word)
        return found

    def number(self, word: str) -> int | float:
        if not _NUMBER.match(word):
            raise self.unreadable(word)
        if self.kind == "int":
            try:
                whole = int(word)
            except ValueError:
                raise CellError(
                    f"{word!r} is not a whole number", "write it without a point"
                ) from None
            if not INT_MIN <= whole <= INT_MAX:
                raise CellError(f"{word!r} is beyond 64 bits", "write a smaller number")
            return whole
        number = float(word)
        if not math.isfinite(number):
            raise CellError(f"{word!r} is beyond what a number can be", "write a smaller number")
        return number

    def unreadable(self, word: str) -> CellError:
        if found := _DASHED.match(word):
            hint = f"write {found[1]}..{found[2]}"
        elif word.startswith("="):
            hint = f"write {word.lstrip('= ')}"
        else:
            hint = f"write {_EXAMPLES[self.kind]}"
        return CellError(f"{word!r} is not {_article(self.kind)}", hint)


def _holds_something(range_: Range, kind: str) -> bool:
    if kind == "int":
        low = range_.low + (not range_.with_low)
        return bool(low <= range_.high - (not range_.with_high))
    return bool(range_.low < range_.high or (range_.with_low and range_.with_high))


_ARTICLES: dict[str, str] = {
    "int": "a whole number",
    "double": "a number",
    "bool": "true or false",
    "timestamp": "a date or a time",
    "string": "text",
}
_article: Callable[[str], str] = _ARTICLES.__getitem__
