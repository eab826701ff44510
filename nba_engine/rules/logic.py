"""Negation normal form: a rule as conjuncts, each a tree of All, Any and literals.

CEL's logic with errors is Kleene's three-valued logic, so De Morgan's laws hold in it, and a rule
is true if and only if every conjunct is *definitely* true. That is why one fail bit is enough.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

import msgspec

from nba_engine.rules.closures import Truth, TruthOf, truth_of
from nba_engine.rules.nodes import Broken, Call, Const, Node, key
from nba_engine.rules.predicates import Predicate, predicate_of

__all__ = [
    "Every",
    "Literal",
    "Some",
    "Tree",
    "conjuncts",
    "decided",
    "is_broken",
    "kleene",
    "literal",
    "literals",
    "normal",
    "source_of",
    "tree_key",
    "truth_of_tree",
]


class Literal(msgspec.Struct, frozen=True, eq=False):
    """A bool expression, or its negation; ``predicate`` when a table can look it up."""

    node: Node
    negated: bool
    predicate: Predicate | None


class Every(msgspec.Struct, frozen=True, eq=False):
    """All parts hold. ``span`` is the source of it, or of its negation."""

    parts: tuple[Tree, ...]
    span: tuple[int, int] = (0, 0)
    negated: bool = False


class Some(msgspec.Struct, frozen=True, eq=False):
    """At least one part holds. ``span`` is the source of it, or of its negation."""

    parts: tuple[Tree, ...]
    span: tuple[int, int] = (0, 0)
    negated: bool = False


Tree: TypeAlias = Literal | Every | Some


def normal(node: Node, *, negated: bool = False) -> Tree:
    """The negation normal form, simplified where a part is constant."""
    if isinstance(node, Call):
        if node.function == "!":
            return normal(node.arguments[0], negated=not negated)
        if node.function in {"&&", "||"}:
            parts = [normal(argument, negated=negated) for argument in node.arguments]
            return _joined(parts, node, negated=negated)
    return literal(node, negated=negated)


def literal(node: Node, *, negated: bool = False) -> Literal:
    """A leaf, with the predicate that it is for tables."""
    return Literal(node, negated, predicate_of(node))


def _joined(parts: list[Tree], node: Call, *, negated: bool) -> Tree:
    every = (node.function == "&&") != negated
    kind = Every if every else Some
    kept: list[Tree] = []
    for part in parts:
        known = decided(part)
        if known is (not every):  # false in an AND, true in an OR
            return part
        if known is every:
            continue
        kept.extend(part.parts if isinstance(part, kind) else (part,))
    if not kept:
        return parts[0]
    return kept[0] if len(kept) == 1 else kind(tuple(kept), node.span, negated)


def decided(tree: Tree) -> bool | None:
    """The value of a constant literal; None for everything else (a broken one is no value)."""
    if isinstance(tree, Literal) and isinstance(tree.node, Const):
        return tree.node.value is not tree.negated
    return None


def conjuncts(tree: Tree) -> tuple[Tree, ...]:
    """The parts that must all hold; a constant true one is left out."""
    if isinstance(tree, Every):
        return tree.parts
    return () if decided(tree) is True else (tree,)


def literals(tree: Tree) -> Iterator[Literal]:
    """The leaves, in source order."""
    if isinstance(tree, Literal):
        yield tree
    else:
        for part in tree.parts:
            yield from literals(part)


def is_broken(tree: Tree) -> bool:
    """Whether the tree can never be true because an operand is an error in itself."""
    if isinstance(tree, Literal):
        return isinstance(tree.node, Broken)
    return (any if isinstance(tree, Every) else all)(is_broken(part) for part in tree.parts)


def tree_key(tree: Tree) -> tuple[Any, ...]:
    """Equal for trees that mean the same by construction (see `nodes.key`)."""
    if isinstance(tree, Literal):
        return ("not" if tree.negated else "is", key(tree.node))
    return (type(tree).__name__, *(tree_key(part) for part in tree.parts))


def truth_of_tree(tree: Tree) -> TruthOf:
    """The three-valued closure of a tree."""
    return truth_of(_node_of(tree))


def _node_of(tree: Tree) -> Node:
    if isinstance(tree, Literal):
        if not tree.negated:
            return tree.node
        return Call(type="bool", span=tree.node.span, function="!", arguments=(tree.node,))
    function = "&&" if isinstance(tree, Every) else "||"
    return Call(type="bool", function=function, arguments=tuple(map(_node_of, tree.parts)))


def kleene(truths: list[Truth], *, every: bool) -> Truth:
    """``&&`` (``every``) or ``||`` over three-valued truths."""
    decisive = not every
    if any(truth is decisive for truth in truths):
        return decisive
    return None if any(truth is None for truth in truths) else every


def source_of(tree: Tree, text: str) -> tuple[int, str]:
    """Where a tree starts in its text, and its text: negated parts get their ``!`` back."""
    start, end = tree.node.span if isinstance(tree, Literal) else tree.span
    source = text[start:end]
    if not tree.negated:
        return start, source
    return start, f"!{source}" if text[:start].endswith("!") else f"!({source})"
