"""Partial evaluation: ``action.*`` and ``treatment.*`` replaced by what the catalog says."""

from __future__ import annotations

from typing import Any

from nba_engine.domain import Values
from nba_engine.rules import values
from nba_engine.rules.closures import value_of
from nba_engine.rules.nodes import (
    Attribute,
    Broken,
    Call,
    Const,
    Has,
    Index,
    ListOf,
    Node,
    rebuild,
    walk,
)
from nba_engine.rules.values import Failed, Timestamp

__all__ = ["fold"]

_ATOMS = (bool, int, float, str, list, dict)


def fold(node: Node, action: Values | None = None, treatment: Values | None = None) -> Node:
    """The node with catalog attributes as constants and constant operands computed.

    An attribute that this action does not have becomes `Broken`: an error, as CEL has it.
    Without an action (None) only constants are computed.
    """
    if isinstance(node, Has):
        return _has(node, action, treatment)
    if isinstance(node, Attribute):
        return _attribute(node, action, treatment)
    folded = rebuild(node, lambda child: fold(child, action, treatment))
    match folded:
        case Call(function="&&" | "||" | "!"):
            return folded  # `logic.normal` simplifies these, errors included
        case Call() if folded.registered is None:
            return _computed(folded, folded.arguments)
        case Index():
            return _computed(folded, (folded.operand, folded.index))
        case ListOf():
            return _computed(folded, folded.elements)
        case _:
            return folded


def _attribute(node: Attribute, action: Values | None, treatment: Values | None) -> Node:
    known = {"action": action, "treatment": treatment}.get(node.root)
    if known is None:
        return node
    try:
        found = known[node.name]
        value = values.coerce(values.plain(found), node.type)
    except KeyError:
        return Broken(type=node.type, span=node.span, origins=((node.path, None),), missing=True)
    return Const(type=node.type, span=node.span, value=value, origins=((node.path, value),))


def _has(node: Has, action: Values | None, treatment: Values | None) -> Node:
    operand = fold(node.operand, action, treatment)
    if isinstance(operand, Const | Broken):
        origins = operand.origins
        if not node.field:
            present = isinstance(operand, Const)
            return Const(type="bool", span=node.span, value=present, origins=origins)
        if isinstance(operand, Const) and type(operand.value) is dict:
            value = node.field in operand.value
            return Const(type="bool", span=node.span, value=value, origins=origins)
        return Broken(type="bool", span=node.span, origins=origins, missing=True)
    return rebuild(node, lambda child: fold(child, action, treatment))


def _computed(node: Node, operands: tuple[Node, ...]) -> Node:
    """The node as a constant when all its operands are, and broken when it is an error."""
    if any(isinstance(operand, Broken) for operand in operands):
        if isinstance(node, Call) and node.function == "?:":
            return node
        return Broken(type=node.type, span=node.span, origins=_origins(operands), missing=True)
    if not all(isinstance(operand, Const) for operand in operands):
        return node
    origins = _origins(operands)
    try:
        value: Any = value_of(node)({}, {}, Timestamp(0), None)
    except (Failed, KeyError):
        return Broken(type=node.type, span=node.span, origins=origins, missing=False)
    assert isinstance(value, _ATOMS)
    return Const(type=node.type, span=node.span, value=value, origins=origins)


def _origins(operands: tuple[Node, ...]) -> tuple[tuple[str, Any], ...]:
    """Which catalog attributes went into the operands, and their values."""
    found: dict[str, Any] = {}
    for operand in operands:
        for part in walk(operand):
            if isinstance(part, Const | Broken):
                found.update(part.origins)
    return tuple(found.items())
