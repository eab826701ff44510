"""CSV texts to decision tables: every mistake in one run, each with its row and column."""

from __future__ import annotations

from collections import Counter

from nba_engine.rules.decision_tables.cells import CellError, read_cell
from nba_engine.rules.decision_tables.conditions import Column, condition_of
from nba_engine.rules.decision_tables.sheet import (
    TEXTS,
    Sheet,
    TableError,
    TableMistake,
    read_sheet,
)
from nba_engine.rules.decision_tables.table import (
    DecisionTable,
    Row,
    TableCell,
    indices_of,
    paths_of,
)
from nba_engine.rules.error import RuleError
from nba_engine.rules.fold import fold
from nba_engine.rules.logic import normal
from nba_engine.rules.nodes import Attribute, Call, Now, walk
from nba_engine.rules.parse import parse
from nba_engine.rules.schema import Schema

__all__ = ["parse_table"]


def parse_table(text: str, schema: Schema, *, file: str) -> DecisionTable:
    """A decision table from its CSV text. Raises `TableError` with every mistake.

    Dates in cells are local to ``schema.time_zone``. ``file`` is what explanations call it.
    """
    wrong: list[TableMistake] = []
    sheet = read_sheet(text, wrong)
    columns = _columns(sheet, schema, wrong) if sheet.headings else []
    rows = _rows(sheet, columns, schema, wrong)
    if not wrong:
        wrong += _pointless(rows)
    if wrong:
        raise TableError(sorted(wrong, key=lambda mistake: mistake.line))
    return DecisionTable(
        file=file,
        line=sheet.line,
        schema=schema,
        columns=tuple(columns),
        rows=tuple(rows),
        paths=paths_of(columns),
        indices=indices_of(columns, rows),
    )


def _columns(sheet: Sheet, schema: Schema, wrong: list[TableMistake]) -> list[Column]:
    """The columns of conditions that are right."""
    columns: list[Column] = []
    seen: Counter[str] = Counter()
    conditions = 0
    for position, heading in enumerate(sheet.headings):
        seen[heading] += 1
        message = hint = ""
        undeclared = False
        if not heading:
            message, hint = "the heading is empty", "write what the cells below are about"
        elif seen[heading] > 1:
            message, hint = "there are two columns of this", "join them into one"
        elif heading not in TEXTS:
            conditions += 1
            try:
                columns.append(_column(heading, position, schema))
            except RuleError as error:
                message, hint = error.message, error.hint
                undeclared = message.startswith("undefined field")
                if message.startswith("unknown name"):
                    hint = f"{hint}; columns for people: {', '.join(TEXTS)}"
        if message:
            wrong.append(
                TableMistake(
                    line=sheet.line,
                    column=heading or f"column {position + 1}",
                    message=message,
                    hint=hint,
                    undeclared=undeclared,
                )
            )
    if not conditions:
        message = "there is no column with conditions"
        hint = "add one, such as customer.age"
        wrong.append(TableMistake(line=sheet.line, message=message, hint=hint))
    return columns


def _column(heading: str, position: int, schema: Schema) -> Column:
    node = parse(heading, schema)
    if not any(
        isinstance(part, Attribute | Now) or (isinstance(part, Call) and part.registered)
        for part in walk(node)
    ):
        raise RuleError("the heading is the same for everybody", hint="name an attribute")
    column = Column(heading, node, position)
    if not column.kind:
        hint = "columns hold text, numbers, true or false, times, or lists and maps of these"
        raise RuleError(f"cells cannot be compared with {node.type}", hint=hint)
    return column


def _rows(
    sheet: Sheet, columns: list[Column], schema: Schema, wrong: list[TableMistake]
) -> list[Row]:
    names = sheet.headings.index("name") if "name" in sheet.headings else None
    known: dict[tuple[int, str], TableCell | CellError | None] = {}
    rows: list[Row] = []
    for line in sheet.rows:
        cells: list[TableCell] = []
        for column in columns:
            text = line.cells[column.position]
            name = (column.position, text)
            if name not in known:
                known[name] = _cell(text, column, schema)
            found = known[name]
            if isinstance(found, CellError):
                wrong.append(
                    TableMistake(
                        line=line.line,
                        column=column.heading,
                        message=found.message,
                        hint=found.hint,
                    )
                )
            elif found is not None:
                cells.append(found)
        rows.append(Row(line.line, "" if names is None else line.cells[names], tuple(cells)))
    return rows


def _cell(text: str, column: Column, schema: Schema) -> TableCell | CellError | None:
    """The cell, None for ``-``, or what is wrong with it."""
    try:
        cell = read_cell(text, column.subject.type, schema.time_zone)
        if cell.anything:
            return None
        node = condition_of(cell, column)
    except CellError as error:
        return error
    tree = None if column.reads_catalog else normal(fold(node))
    return TableCell(column, cell, node, tree)


def _pointless(rows: list[Row]) -> list[TableMistake]:
    """A row without any condition makes the whole table hold for everybody."""
    return [
        TableMistake(
            line=row.line,
            message="the row asks for nothing, so the table is always true",
            hint="fill a cell, or remove the row",
        )
        for row in rows
        if not row.cells
    ]
