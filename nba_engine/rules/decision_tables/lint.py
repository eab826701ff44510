"""Warnings about decision tables that are right but may not mean what they say."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, islice

from nba_engine.domain import Value, Values
from nba_engine.rules.decision_tables.cells import Cell
from nba_engine.rules.decision_tables.conditions import Column
from nba_engine.rules.decision_tables.regions import Regions
from nba_engine.rules.decision_tables.sheet import TableMistake
from nba_engine.rules.decision_tables.table import DecisionTable, Row
from nba_engine.rules.fold import fold
from nba_engine.rules.logic import decided, is_broken, normal
from nba_engine.rules.nodes import Attribute, Node
from nba_engine.settings import suggest

__all__ = ["lint_coverage", "lint_decision_table"]

MOST = 5  # warnings of one sort that are spelled out per table
COUNTED = 1_000

_Sets = tuple[int, ...]  # per column: what a row's cell holds for
_Unit = tuple[list[Value], Values, Values]  # what headings read of an action and treatment


def lint_decision_table(table: DecisionTable) -> list[TableMistake]:
    """Columns without a cell, cells that missing values fail, overlaps and gaps."""
    regions = [
        Regions(column, _cells_of(table, column), table.schema.time_zone)
        for column in table.columns
    ]
    sets = [_sets(row, table.columns, regions) for row in table.rows]
    found = [*_empty_columns(table), *_unlike(table)]
    found += _first(_overlaps(table, regions, sets), "overlaps")
    for position in range(len(table.columns)):
        found += _first(_gaps(table, regions, sets, position), "gaps")
    return found


def _cells_of(table: DecisionTable, column: Column) -> list[Cell]:
    return [cell.cell for row in table.rows for cell in row.cells if cell.column is column]


def _sets(row: Row, columns: Sequence[Column], regions: Sequence[Regions]) -> _Sets:
    cells = {cell.column.position: cell.cell for cell in row.cells}
    return tuple(
        of.of(cells[column.position]) if column.position in cells else of.everything
        for column, of in zip(columns, regions, strict=True)
    )


def _empty_columns(table: DecisionTable) -> Iterator[TableMistake]:
    for column in table.columns:
        if not _cells_of(table, column):
            message = "no row asks for anything here"
            yield TableMistake(
                line=table.line, column=column.heading, message=message, hint="remove the column"
            )


def _unlike(table: DecisionTable) -> Iterator[TableMistake]:
    """``!DE`` of an attribute that may be missing: missing is not "different"."""
    told: set[int] = set()
    for row in table.rows:
        for cell in row.cells:
            subject = cell.column.subject
            if not cell.cell.negated or not cell.cell.items or cell.cell.missing:
                continue
            if id(cell) in told or not isinstance(subject, Attribute):
                continue
            if subject.root not in {"customer", "context"} or subject.path in table.schema.always:
                continue
            told.add(id(cell))
            yield TableMistake(
                line=row.line,
                column=cell.column.heading,
                message=f"'{cell.cell.text}' does not hold while {subject.path} is missing",
                hint=f"if missing should do, write missing, {cell.cell.text}",
            )


def _overlaps(
    table: DecisionTable, regions: Sequence[Regions], sets: Sequence[_Sets]
) -> Iterator[TableMistake]:
    """Rows that hold for the same. Two that leave different columns open are alternatives."""
    meeting: list[dict[int, int]] = [{} for _ in regions]  # set → rows that share some of it
    for number, of in enumerate(regions):
        known: dict[int, int] = {}
        for line, row in enumerate(sets):
            known[row[number]] = known.get(row[number], 0) | 1 << line
        for one in known:
            meeting[number][one] = sum(
                lines for other, lines in known.items() if of.shared(one, other)
            )
    for later, row in enumerate(sets):
        rows = (1 << later) - 1
        for number, one in enumerate(row):
            rows &= meeting[number][one]
        while rows:
            earlier = (rows & -rows).bit_length() - 1
            rows &= rows - 1
            found = _overlap(table, regions, sets, earlier, later)
            if found is not None:
                yield found


def _overlap(
    table: DecisionTable,
    regions: Sequence[Regions],
    sets: Sequence[_Sets],
    earlier: int,
    later: int,
) -> TableMistake | None:
    first, second = table.rows[earlier], table.rows[later]
    for outer, inner in ((earlier, later), (later, earlier)):
        if _includes(sets[outer], sets[inner]):
            line = table.rows[outer].line
            return TableMistake(
                line=table.rows[inner].line,
                message=f"says nothing new: row {line} holds wherever it does",
                hint="remove it, or narrow one of the two",
            )
    pairs = list(zip(sets[earlier], sets[later], strict=True))
    everything = [of.everything for of in regions]
    opened = [
        any(
            pair[which] == whole != pair[1 - which]
            for pair, whole in zip(pairs, everything, strict=True)
        )
        for which in (0, 1)
    ]
    if all(opened):
        return None
    where = [
        f"{column.heading} {of.spoken(of.shared(*pair))}"
        for column, of, pair in zip(table.columns, regions, pairs, strict=True)
        if pair != (of.everything, of.everything)
    ]
    return TableMistake(
        line=second.line,
        message=f"overlaps with row {first.line}: both hold for {' and '.join(where[:3])}",
        hint="narrow one of the two, unless it is meant",
    )


def _gaps(
    table: DecisionTable, regions: Sequence[Regions], sets: Sequence[_Sets], position: int
) -> Iterator[TableMistake]:
    """What lies between the values of rows and is in none: of all rows, then of those alike."""
    column, of = table.columns[position], regions[position]
    if not of.ordered:
        return

    def others(line: int) -> _Sets:
        return sets[line][:position] + sets[line][position + 1 :]

    def found(rows: Sequence[int], told: int, where: str) -> tuple[int, TableMistake | None]:
        covered = meant = 0
        for line in rows:
            covered |= sets[line][position]
            meant |= of.gaps(sets[line][position])  # written so in one cell
        gap = of.gaps(covered) & ~meant & ~told
        if not gap:
            return 0, None
        lowest = gap & -gap
        before = max(rows, key=lambda line: (sets[line][position] & (lowest - 1), -line))
        after = min(
            (line for line in rows if sets[line][position] >= lowest),
            key=lambda line: (_lowest(sets[line][position] & -lowest), line),
        )
        ends = " and ".join(str(table.rows[line].line) for line in sorted((before, after)))
        return gap, TableMistake(
            line=table.rows[after].line,
            column=column.heading,
            message=f"{of.spoken(gap)} lies between rows {ends}, and in no {where}",
            hint="close the gap, unless it is meant",
        )

    everyone = range(len(sets))
    told, mistake = found(everyone, 0, "row")
    if mistake is not None:
        yield mistake
    for name, lines in groupby(sorted(everyone, key=others), key=others):
        alike = list(lines)
        gap, _ = found(alike, told, "")
        if not gap:
            continue
        wider = 0  # rows that ask for less elsewhere may close it
        for line in everyone:
            if others(line) != name and _includes(others(line), name):
                wider |= sets[line][position]
        _, mistake = found(alike, told | wider, "row that asks for the same else")
        if mistake is not None:
            yield mistake


def _includes(outer: _Sets, inner: _Sets) -> bool:
    return all(one | other == one for one, other in zip(outer, inner, strict=True))


def _lowest(found: int) -> int:
    present = found & ~1
    return (present & -present).bit_length()


def _first(found: Iterator[TableMistake], noun: str) -> list[TableMistake]:
    """The first few, and how many more there are, as far as it pays to count."""
    mistakes = list(islice(found, COUNTED))
    if len(mistakes) <= MOST:
        return mistakes
    count = f"{len(mistakes) - MOST}{' or' * (len(mistakes) == COUNTED)} more"
    more = TableMistake(line=mistakes[-1].line, message=f"{count} {noun} like these")
    return [*mistakes[:MOST], more]


def lint_coverage(
    table: DecisionTable, units: Iterable[tuple[Values, Values]]
) -> list[TableMistake]:
    """Rows that no action or treatment is for, and what there is no row for."""
    paths = [path for path in table.paths if path.startswith(("action.", "treatment."))]
    distinct = {repr(read := _read(paths, *unit)): (read, *unit) for unit in units}
    if not paths or not distinct:
        return []
    used: set[int] = set()
    alone: list[list[Value]] = []
    for read, action, treatment in distinct.values():
        left = table.left(action, treatment)
        used |= {each.row.line for each in left}
        if not left:
            alone.append(read)
    found: list[TableMistake] = []
    if alone:
        shown = [_spoken(paths, read) for read in alone[:MOST]]
        more = f" and {len(alone) - MOST} more" if len(alone) > MOST else ""
        found.append(
            TableMistake(
                line=table.line,
                message=f"no row is for {', '.join(shown)}{more}: it never holds for these",
                hint="add a row, or narrow applies_to",
            )
        )
    unused = [row for row in table.rows if row.line not in used]
    found += [_unused(row, list(distinct.values()), paths) for row in unused[:MOST]]
    if len(unused) > MOST:
        message = f"{len(unused) - MOST} more rows without a use like these"
        found.append(TableMistake(line=unused[-1].line, message=message))
    return found


def _unused(row: Row, units: Sequence[_Unit], paths: Sequence[str]) -> TableMistake:
    """The first cell that fits none of the units, or the row where each fits some."""
    message, column, hint = "nothing that the rule is about fits this row", "", ""
    for cell in row.cells:
        if cell.tree is None and not any(_fits(cell.node, *unit) for _, *unit in units):
            column = cell.column.heading
            message = f"nothing that the rule is about has {cell.cell.text}"
            if column in paths and cell.cell.items:
                known = {str(read[paths.index(column)]) for read, *_ in units}
                hint = suggest(str(cell.cell.items[0].low), known, "values")
            break
    hint = hint or "remove the row, or widen applies_to"
    return TableMistake(line=row.line, column=column, message=message, hint=hint)


def _fits(node: Node, action: Values, treatment: Values) -> bool:
    tree = normal(fold(node, action, treatment))
    return decided(tree) is not False and not is_broken(tree)


def _read(paths: Sequence[str], action: Values, treatment: Values) -> list[Value]:
    found: list[Value] = []
    for path in paths:
        root, _, name = path.partition(".")
        try:
            found.append((action if root == "action" else treatment)[name])
        except KeyError:
            found.append(None)
    return found


def _spoken(paths: Sequence[str], read: Sequence[Value]) -> str:
    values = zip(paths, read, strict=True)
    return " with ".join(
        f"no {path}" if value is None else f"{path} {value!r}" for path, value in values
    )
