"""The text of a decision table → headings and rows, each with its line."""

from __future__ import annotations

import csv
import io

import msgspec

from nba_engine.errors import NbaError

__all__ = [
    "MOST_COLUMNS",
    "MOST_ROWS",
    "TEXTS",
    "Sheet",
    "SheetRow",
    "TableError",
    "TableMistake",
    "read_sheet",
]

LONGEST_TEXT = 1_000_000  # characters
MOST_ROWS = 1_000
MOST_COLUMNS = 32
TEXTS = ("name", "description")  # headings of columns that are for people


class TableMistake(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong in a decision table: ``line`` counts from 1, ``column`` is its heading.

    ``undeclared``: a heading names an attribute that the schema does not have.
    """

    line: int
    column: str = ""
    message: str
    hint: str = ""
    undeclared: bool = False

    def __str__(self) -> str:
        place = f"{self.line}: {self.column}" if self.column else f"{self.line}"
        return f"{place}: {self.message}" + (f" ({self.hint})" if self.hint else "")


class TableError(NbaError):
    """A decision table is wrong; `wrong` holds every mistake in it."""

    reason = "INVALID_CATALOG"

    def __init__(self, wrong: list[TableMistake]) -> None:
        super().__init__("\n".join(map(str, wrong)))
        self.wrong = tuple(wrong)


class SheetRow(msgspec.Struct, frozen=True):
    """The cells of one row, and the line it starts on."""

    line: int
    cells: tuple[str, ...]


class Sheet(msgspec.Struct, frozen=True):
    """Headings and rows as written, stripped of blanks around them; every row is as long.

    ``line`` is the one the headings are on.
    """

    headings: tuple[str, ...]
    rows: tuple[SheetRow, ...]
    line: int = 1


def read_sheet(text: str, wrong: list[TableMistake]) -> Sheet:
    """The rows of a CSV text; what is wrong with it is added to ``wrong``, and left out.

    Cells are parted by commas, or by semicolons when the headings are. Lines without any cell
    filled are skipped.
    """

    def note(line: int, message: str, hint: str = "") -> None:
        wrong.append(TableMistake(line=line, message=message, hint=hint))

    if len(text) > LONGEST_TEXT:
        note(1, f"{len(text):,} characters, {LONGEST_TEXT:,} at most", "split the table")
        return Sheet((), ())
    lines = _lines(text.removeprefix("\ufeff"), wrong)
    if not lines:
        if not wrong:
            note(1, "the table is empty", "write a heading per attribute, and rows below")
        return Sheet((), ())
    headings, rows = lines[0], lines[1:]
    width = len(headings.cells)
    if width > MOST_COLUMNS:
        note(headings.line, f"{width} columns, {MOST_COLUMNS} at most", "split the table")
        return Sheet((), ())
    if len(rows) > MOST_ROWS:
        note(rows[MOST_ROWS].line, f"{len(rows):,} rows, {MOST_ROWS:,} at most", "split the table")
        rows = rows[:MOST_ROWS]
    if not rows and not wrong:
        note(headings.line, "there are no rows", "write a row below the headings")
    kept = []
    for row in rows:
        if len(row.cells) == width:
            kept.append(row)
            continue
        cells = f"{len(row.cells)} cell{'s' * (len(row.cells) != 1)}"
        wanted = f"{width} heading{'s' * (width != 1)}"
        few = len(row.cells) < width
        hint = "write - for any value" if few else 'put cells with a comma in quotes: "DE, AT"'
        note(row.line, f"{cells}, but {wanted}", hint)
    return Sheet(headings.cells, tuple(kept), headings.line)


def _lines(text: str, wrong: list[TableMistake]) -> list[SheetRow]:
    first = text.lstrip().partition("\n")[0]
    delimiter = ";" if ";" in first and first.count(";") >= first.count(",") else ","
    reader = csv.reader(
        io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True
    )
    found: list[SheetRow] = []
    line = 1
    try:
        for cells in reader:
            stripped = tuple(cell.strip() for cell in cells)
            if any(stripped):
                found.append(SheetRow(line, stripped))
            line = reader.line_num + 1
    except csv.Error as error:
        hint = "close each quote; a quote inside quotes is written twice"
        wrong.append(TableMistake(line=line, message=f"not CSV: {error}", hint=hint))
    return found
