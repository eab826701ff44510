"""Decision tables: rows are alternatives, the cells of a row must all hold.

A table is a rule like one in CEL: ``(row 2) || (row 3) || …``, each row ``cell && cell && …``.
What is known of an action when the catalog is loaded leaves mostly one row: its cells are
conjuncts of their own then, and cells that all rows left have in common are so always.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec

from nba_engine.domain import Values
from nba_engine.rules.decision_tables.cells import Cell
from nba_engine.rules.decision_tables.conditions import Column
from nba_engine.rules.fold import fold
from nba_engine.rules.logic import (
    Every,
    Literal,
    Some,
    Tree,
    conjuncts,
    decided,
    is_broken,
    normal,
    tree_key,
)
from nba_engine.rules.nodes import Attribute, Const, Node, walk
from nba_engine.rules.rule import Clause
from nba_engine.rules.schema import Schema

__all__ = ["DecisionTable", "Row", "TableCell", "indices_of", "paths_of"]

_SHOWN = 4  # rows that an explanation spells out


class TableCell(msgspec.Struct, frozen=True, eq=False):
    """A cell that asks for something. ``tree``: its condition, where that reads no catalog."""

    column: Column
    cell: Cell
    node: Node
    tree: Tree | None

    @property
    def text(self) -> str:
        """What explanations call it."""
        return f"{self.column.heading} {self.cell.text}"


class Row(msgspec.Struct, frozen=True, eq=False):
    """A row: its line in the file, its name, and the cells that are not ``-``."""

    line: int
    name: str
    cells: tuple[TableCell, ...]


class _Left(msgspec.Struct, frozen=True, eq=False):
    """What one action and treatment leave of a row: conditions, each with its cell."""

    row: Row
    parts: tuple[tuple[TableCell, Tree], ...]


class RowIndex(msgspec.Struct, frozen=True, eq=False):
    """Rows by the word that a column of the catalog's asks for; bit i is the i-th row.

    ``others``: rows whose cell there is not just a list of words.
    """

    attribute: Attribute
    by_word: dict[str, int]
    others: int

    def fitting(self, action: Values, treatment: Values) -> int:
        """The rows that are not ruled out by this column."""
        source = action if self.attribute.root == "action" else treatment
        word = source.get(self.attribute.name)
        return self.others | (self.by_word.get(word, 0) if isinstance(word, str) else 0)


class DecisionTable(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """A checked decision table, a `nba_engine.rules.rule.Rule`.

    ``file`` is what it is called, ``line`` the one its headings are on.
    """

    file: str
    line: int
    schema: Schema
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    paths: tuple[str, ...]
    indices: tuple[RowIndex, ...]

    def clauses(self, action: Values, treatment: Values) -> tuple[Clause, ...]:
        """See `Rule.clauses`: cells by heading and text, each with the file and the row."""
        left = self.left(action, treatment)
        if not left:
            return (self._nothing(action, treatment),)
        common = _common(left)
        rest = [
            _Left(each.row, tuple(part for part in each.parts if tree_key(part[1]) not in common))
            for each in left
        ]
        lines = [each.row for each in left]
        clauses = [
            Clause(tree, f"{cell.text} ({self._place(lines)})") for cell, tree in common.values()
        ]
        if all(
            each.parts for each in rest
        ):  # a row without a rest holds where the common part does
            some = _some(_every(tree for _, tree in each.parts) for each in rest)
            clauses.append(Clause(some, self._alternatives(rest)))
        return tuple(clauses)

    def left(self, action: Values, treatment: Values) -> list[_Left]:
        """The rows that an action and treatment leave, without the cells they fulfil."""
        known: dict[int, Tree] = {}  # cells of several rows are the same objects
        left: list[_Left] = []
        for row in self._fitting(action, treatment):
            parts: list[tuple[TableCell, Tree]] = []
            for cell in row.cells:
                tree = cell.tree
                if tree is None:
                    if id(cell) not in known:
                        known[id(cell)] = normal(fold(cell.node, action, treatment))
                    tree = known[id(cell)]
                    truth = decided(tree)
                    if truth is False or is_broken(tree):
                        break
                    if truth is True:
                        continue
                parts.append((cell, tree))
            else:
                left.append(_Left(row, tuple(parts)))
        return left

    def _fitting(self, action: Values, treatment: Values) -> Iterator[Row]:
        """The rows that the indices do not rule out."""
        rows = (1 << len(self.rows)) - 1
        for index in self.indices:
            rows &= index.fitting(action, treatment)
        while rows:
            yield self.rows[(rows & -rows).bit_length() - 1]
            rows &= rows - 1

    def _nothing(self, action: Values, treatment: Values) -> Clause:
        """No row is about it: false, whoever the customer is."""
        read = {
            attribute.path: attribute
            for column in self.columns
            for attribute in column.attributes
            if attribute.root in {"action", "treatment"}
        }
        origins = tuple(
            (path, (action if attribute.root == "action" else treatment).get(attribute.name))
            for path, attribute in read.items()
        )
        node = Const(type="bool", value=False, origins=origins)
        about = " and ".join(read) or "it"
        return Clause(Literal(node, False, None), f"a row for its {about} ({self.file})")

    def _place(self, rows: Sequence[Row]) -> str:
        """``tables/wine.csv:3`` with the row's name, or ``tables/wine.csv:3, 5``."""
        if len(rows) == 1:
            name = f" “{rows[0].name}”" if rows[0].name else ""
            return f"{self.file}:{rows[0].line}{name}"
        lines = [str(row.line) for row in rows]
        if len(lines) > 2 * _SHOWN:
            lines = [*lines[:_SHOWN], "…", lines[-1]]
        return f"{self.file}:{', '.join(lines)}"

    def _alternatives(self, rows: Sequence[_Left]) -> str:
        shown = [
            f"{' and '.join(cell.text for cell, _ in each.parts)} ({self._place([each.row])})"
            for each in rows[:_SHOWN]
        ]
        more = len(rows) - len(shown)
        if more:
            shown.append(f"one of {more} more row{'s' * (more > 1)}")
        return ", or ".join(shown)


def _common(left: Sequence[_Left]) -> dict[object, tuple[TableCell, Tree]]:
    """The conditions that all rows have, in the order of the first row's."""
    shared = {tree_key(tree) for _, tree in left[0].parts}
    for each in left[1:]:
        shared &= {tree_key(tree) for _, tree in each.parts}
    return {
        name: (cell, tree) for cell, tree in left[0].parts if (name := tree_key(tree)) in shared
    }


def _every(trees: Iterable[Tree]) -> Tree:
    parts = tuple(conjunct for tree in trees for conjunct in conjuncts(tree))
    return parts[0] if len(parts) == 1 else Every(parts)


def _some(trees: Iterable[Tree]) -> Tree:
    parts = [part for tree in trees for part in (tree.parts if isinstance(tree, Some) else (tree,))]
    return Some(tuple(parts))


def indices_of(columns: Iterable[Column], rows: Sequence[Row]) -> tuple[RowIndex, ...]:
    """An index per column of words that the catalog knows."""
    found: list[RowIndex] = []
    for column in columns:
        attribute = column.subject
        if not isinstance(attribute, Attribute) or attribute.type != "string":
            continue
        if attribute.root not in {"action", "treatment"}:
            continue
        by_word: dict[str, int] = {}
        others = 0
        for number, row in enumerate(rows):
            cell = next((each.cell for each in row.cells if each.column is column), None)
            if cell is None or cell.negated or cell.missing:
                others |= 1 << number
                continue
            for item in cell.items:
                by_word[item.low] = by_word.get(item.low, 0) | 1 << number
        found.append(RowIndex(attribute, by_word, others))
    return tuple(found)


def paths_of(columns: Iterable[Column]) -> tuple[str, ...]:
    """Every attribute that headings read."""
    found: dict[str, None] = {}
    for column in columns:
        for part in walk(column.subject):
            if isinstance(part, Attribute):
                found[part.path] = None
    return tuple(found)
