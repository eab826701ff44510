"""Cells of a column as expressions over what the column's heading reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from nba_engine.rules.decision_tables.cells import Cell, CellError, Range, kind_of_cells
from nba_engine.rules.nodes import Attribute, Call, Const, Has, Index, Node, walk
from nba_engine.rules.schema import element_type

__all__ = ["Column", "condition_of"]


class Column(msgspec.Struct, frozen=True):
    """A column of conditions: its heading as written, the expression it is, its position."""

    heading: str
    subject: Node
    position: int

    @property
    def kind(self) -> str:
        """The type of the values in its cells."""
        return kind_of_cells(self.subject.type)

    @property
    def attributes(self) -> tuple[Attribute, ...]:
        """What the heading reads, each once."""
        found = {part.path: part for part in walk(self.subject) if isinstance(part, Attribute)}
        return tuple(found.values())

    @property
    def reads_catalog(self) -> bool:
        """Whether its cells say something else for each action or treatment."""
        return any(attribute.root in {"action", "treatment"} for attribute in self.attributes)


def condition_of(cell: Cell, column: Column) -> Node:
    """What the cell asks for, a bool expression. Raises `CellError`."""
    parts: list[Node] = []
    if cell.missing:
        parts.append(_not(_present(column)))
    if cell.items:
        asked = _asked(cell, column)
        parts.append(_not(asked) if cell.negated else asked)
    elif cell.negated:
        parts.append(_present(column))
    return _joined("||", parts)


def _present(column: Column) -> Node:
    read = column.attributes
    if len(read) != 1 or any(isinstance(part, Index) for part in walk(column.subject)):
        raise CellError(
            "this column cannot tell whether something is missing",
            "use a column of the attribute itself",
        )
    return Has(type="bool", operand=read[0])


def _asked(cell: Cell, column: Column) -> Node:
    subject = column.subject
    if element_type(subject.type):
        members = [_call("in", _const(item.low, column.kind), subject) for item in cell.items]
        return _joined("||", members)
    if column.kind == "bool":
        return subject if cell.items[0].low else _not(subject)
    points = list(dict.fromkeys(item.low for item in cell.items if item.is_point))
    parts: list[Node] = []
    if len(points) == 1:
        parts.append(_call("==", subject, _const(points[0], column.kind)))
    elif points:
        parts.append(_call("in", subject, Const(type=f"list<{column.kind}>", value=points)))
    ranges = (item for item in cell.items if not item.is_point)
    parts += (_within(item, subject, column.kind) for item in ranges)
    return _joined("||", parts)


def _within(item: Range, subject: Node, kind: str) -> Node:
    parts: list[Node] = []
    if item.low is not None:
        parts.append(_call(">=" if item.with_low else ">", subject, _const(item.low, kind)))
    if item.high is not None:
        parts.append(_call("<=" if item.with_high else "<", subject, _const(item.high, kind)))
    return _joined("&&", parts)


def _const(value: Any, kind: str) -> Const:
    return Const(type=kind, value=value)


def _call(function: str, *arguments: Node) -> Call:
    return Call(type="bool", function=function, arguments=arguments)


def _not(node: Node) -> Node:
    return _call("!", node)


def _joined(function: str, parts: Sequence[Node]) -> Node:
    return parts[0] if len(parts) == 1 else _call(function, *parts)
