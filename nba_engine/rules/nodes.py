"""The engine's own syntax tree of a checked CEL expression: frozen nodes with source spans."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from nba_engine.domain import RuleFunction

__all__ = [
    "Attribute",
    "Broken",
    "Call",
    "Const",
    "Has",
    "Index",
    "ListOf",
    "LoopVariable",
    "Macro",
    "MacroKind",
    "Node",
    "Now",
    "children",
    "key",
    "paths",
    "rebuild",
    "walk",
]

Span: TypeAlias = tuple[int, int]
MacroKind: TypeAlias = Literal["exists", "all", "exists_one", "filter", "map"]


class _Node(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    type: str
    span: Span = (0, 0)


class Const(_Node, frozen=True, kw_only=True, eq=False):
    """A literal, or an expression over ``origins`` (path, value) folded to its value."""

    value: Any
    origins: tuple[tuple[str, Any], ...] = ()


class Broken(_Node, frozen=True, kw_only=True, eq=False):
    """An operand that is an error whatever the customer: a missing attribute of an action."""

    origins: tuple[tuple[str, Any], ...]
    missing: bool


class Attribute(_Node, frozen=True, kw_only=True, eq=False):
    """``customer.age``."""

    root: str
    name: str

    @property
    def path(self) -> str:
        return f"{self.root}.{self.name}"


class Now(_Node, frozen=True, kw_only=True, eq=False):
    """The time of the decision."""


class LoopVariable(_Node, frozen=True, kw_only=True, eq=False):
    """The variable of the macro around it (macros do not nest, so there is one)."""

    name: str


class Has(_Node, frozen=True, kw_only=True, eq=False):
    """``has(customer.age)`` or, with ``field``, ``has(customer.spend.dairy)``."""

    operand: Node
    field: str = ""


class Index(_Node, frozen=True, kw_only=True, eq=False):
    """``list[0]``, ``map["key"]`` and ``map.key``."""

    operand: Node
    index: Node


class ListOf(_Node, frozen=True, kw_only=True, eq=False):
    """A list literal with at least one element that is not constant."""

    elements: tuple[Node, ...]


class Call(_Node, frozen=True, kw_only=True, eq=False):
    """An operator (``&&``, ``==``, ``in``, ``?:`` …), built-in or registered function."""

    function: str
    arguments: tuple[Node, ...]
    registered: RuleFunction | None = None


class Macro(_Node, frozen=True, kw_only=True, eq=False):
    """``range.exists(x, predicate)`` and its kin; ``transform`` is for ``map`` only."""

    kind: MacroKind
    range: Node
    predicate: Node | None
    transform: Node | None = None


Node: TypeAlias = (
    Const | Broken | Attribute | Now | LoopVariable | Has | Index | ListOf | Call | Macro
)


def children(node: Node) -> tuple[Node, ...]:
    """The direct operands, in source order."""
    match node:
        case Has():
            return (node.operand,)
        case Index():
            return (node.operand, node.index)
        case ListOf():
            return node.elements
        case Call():
            return node.arguments
        case Macro():
            parts = (node.range, node.predicate, node.transform)
            return tuple(part for part in parts if part is not None)
        case _:
            return ()


def rebuild(node: Node, change: Callable[[Node], Node]) -> Node:
    """The node with each direct operand replaced by ``change(operand)``."""
    match node:
        case Has():
            return msgspec.structs.replace(node, operand=change(node.operand))
        case Index():
            return msgspec.structs.replace(
                node, operand=change(node.operand), index=change(node.index)
            )
        case ListOf():
            return msgspec.structs.replace(node, elements=tuple(map(change, node.elements)))
        case Call():
            return msgspec.structs.replace(node, arguments=tuple(map(change, node.arguments)))
        case Macro():
            return msgspec.structs.replace(
                node,
                range=change(node.range),
                predicate=None if node.predicate is None else change(node.predicate),
                transform=None if node.transform is None else change(node.transform),
            )
        case _:
            return node


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def paths(node: Node) -> tuple[str, ...]:
    """Every attribute that the node speaks of, folded ones too, in source order."""
    found: dict[str, None] = {}
    for part in walk(node):
        if isinstance(part, Attribute):
            found[part.path] = None
        elif isinstance(part, Const | Broken):
            found.update((path, None) for path, _ in part.origins)
    return tuple(found)


def key(node: Node) -> tuple[Any, ...]:
    """Equal for expressions that mean the same by construction; spans and origins are left out.

    Constants are told apart by type: ``1``, ``1.0`` and ``true`` are equal in Python.
    """
    match node:
        case Const():
            return ("const", node.type, repr(node.value))
        case Broken():
            return ("broken",)
        case Attribute():
            return ("attribute", node.root, node.name)
        case Now():
            return ("now",)
        case LoopVariable():
            return ("loop",)
        case Has():
            return ("has", node.field, key(node.operand))
        case Call():
            return ("call", node.function, *map(key, node.arguments))
        case Macro():
            return ("macro", node.kind, node.predicate is None, *map(key, children(node)))
        case _:
            return (type(node).__name__, *map(key, children(node)))
